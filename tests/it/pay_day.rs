//! A month's pay day as officers carry it, with patience for services that come and go.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ansinh::Target;
use anyhow::{Context, bail, ensure};
use approval::KeyStatement;
use async_nats::Client;
use chrono::{NaiveDate, Utc};
use domain::{Money, Officer, Period, Programme, Province, RunNo};
use messaging::CommandError;
use payments::{
    Appropriate, ApproveRun, CloseRun, OpenRun, RegisterKey, ReleaseRun, RunSummary, SignedAct,
    Statement,
};

use sandbox::people::{Plan, Written, write_people};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use crate::ground::Ground;
use crate::world::signing;

const PATIENCE: Duration = Duration::from_mins(2);
/// An answer that has not come by then died with the service; the same key is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// The runs of one month, one a programme.
pub struct PayDay {
    pub pool: PgPool,
    pub runs: Vec<RunNo>,
    /// How long a step may take, faults included, before the run counts as stuck.
    pub patience: Duration,
    target: Target,
    nats: Client,
    programmes: Vec<Programme>,
    period: Period,
    business_date: NaiveDate,
}

/// A registry file and its links, the same bytes for the same numbers.
pub fn registry(
    count: u64,
    seed: u64,
    programmes: &[Programme],
    folder: &Path,
) -> anyhow::Result<Written> {
    let mut plan = Plan::new(count, seed, "2026-12".parse()?);
    plan.programmes = programmes.to_vec();
    Ok(write_people(&plan, &folder.join("people"))?)
}

impl PayDay {
    pub async fn of(ground: &Ground, programmes: &[Programme]) -> anyhow::Result<PayDay> {
        let target = ground.target();
        Ok(PayDay {
            pool: ground.pool().await?,
            nats: target.nats().await?,
            target,
            runs: Vec::new(),
            patience: PATIENCE,
            programmes: programmes.to_vec(),
            period: "2026-12".parse()?,
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?,
        })
    }

    /// People and where they are paid.
    pub async fn register(&self, people: &Written) -> anyhow::Result<()> {
        let keys = self.target.keys()?;
        let pool = self.target.pool(Some("ansinh_eligibility")).await?;
        let law = eligibility::law_in_force(&pool, Utc::now()).await?.law;
        let file = &people.people_csv;
        let report = eligibility::import_registry(&pool, &keys, &law, file, Utc::now()).await?;
        ensure!(
            report.sums.refused.rows == 0,
            "made-up people are not refused"
        );
        let begun = Instant::now();
        while let Err(error) = self
            .target
            .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
            .await
        {
            ensure!(begun.elapsed() < self.patience, error);
        }
        let pool = self.target.pool(Some("ansinh_accounts")).await?;
        self.target.import_links(&pool, &people.links_csv).await?;
        Ok(())
    }

    /// Money for each programme, then the runs.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        for programme in self.programmes.clone() {
            self.appropriate(programme).await?;
            let body = OpenRun {
                officer: officer("nguyen.an")?,
                programme,
                period: self.period,
                business_date: self.business_date,
            };
            let body = serde_json::to_value(&body)?;
            let key = format!("open-{programme}");
            let answer = self.ask("payments", "open-run", &key, &body).await?;
            let run = answer["run"].as_str().context("a run has a number")?;
            self.runs.push(run.parse()?);
        }
        Ok(())
    }

    /// More than enough, also from the provinces with levels of their own.
    async fn appropriate(&self, programme: Programme) -> anyhow::Result<()> {
        let law = eligibility::law_in_force(&self.pool, Utc::now()).await?.law;
        let provinces = eligibility::provinces_with_local_levels(&law);
        for province in [None].into_iter().chain(provinces.into_iter().map(Some)) {
            let fund = format!("{programme} {}", province.map_or(0, Province::number));
            let body = Appropriate {
                officer: officer("pham.dung")?,
                programme,
                province,
                budget_year: 2026,
                amount: Money::dong(900_000_000_000_000),
                reference: format!("QĐ 01/2026 {fund}"),
            };
            let body = serde_json::to_value(&body)?;
            let key = format!("appropriate-{fund}");
            self.ask("payments", "appropriate", &key, &body).await?;
        }
        Ok(())
    }

    pub async fn approve(&self) -> anyhow::Result<()> {
        self.until_state("awaiting_approval").await?;
        for run_no in self.runs.iter().copied() {
            let it = self.summary(run_no).await?;
            let signature = self.signature(SignedAct::Approve, "le.binh", &it).await?;
            let body = ApproveRun {
                officer: officer("le.binh")?,
                run_no,
                root: it.root.context("a prepared run has a root")?,
                lines: it.lines,
                total: it.total,
                reasons: BTreeMap::new(),
                signature: Some(signature),
                principal: None,
            };
            self.ask_of_run("approve-run", run_no, &serde_json::to_value(&body)?)
                .await?;
        }
        Ok(())
    }

    /// By a key that is registered with its first use.
    async fn signature(
        &self,
        act: SignedAct,
        by: &str,
        run: &RunSummary,
    ) -> anyhow::Result<String> {
        let key = signing::key_of(by);
        let public_key = hex::encode(key.verifying_key().to_bytes());
        let owner = officer(by)?;
        let statement = KeyStatement {
            officer: owner.clone(),
            public_key: public_key.clone(),
        };
        let body = RegisterKey {
            officer: officer("pham.dung")?,
            owner,
            public_key,
            proof: signing::sign(&key, &statement),
        };
        let once = format!("key-{by}");
        self.ask(
            "payments",
            "register-key",
            &once,
            &serde_json::to_value(&body)?,
        )
        .await?;
        let statement = Statement::seen(act, officer(by)?, run);
        Ok(signing::sign(&key, &statement))
    }

    pub async fn release(&self) -> anyhow::Result<()> {
        self.until_state("reserved").await?;
        for run_no in self.runs.iter().copied() {
            let it = self.summary(run_no).await?;
            let signature = self.signature(SignedAct::Release, "tran.chi", &it).await?;
            let body = ReleaseRun {
                officer: officer("tran.chi")?,
                run_no,
                signature: Some(signature),
                principal: None,
            };
            self.ask_of_run("release-run", run_no, &serde_json::to_value(&body)?)
                .await?;
        }
        Ok(())
    }

    /// Every line has an answer, or its time is over.
    pub async fn until_answered(&self) -> anyhow::Result<()> {
        self.until("answered", |it| {
            it.state == "released" && it.waiting_lines == 0
        })
        .await
    }

    /// The banks' statements come and are matched; then the runs close.
    pub async fn close(&self) -> anyhow::Result<()> {
        let body = json!({ "date": self.business_date });
        self.ask("sandbox", "end-of-day", "end-of-day", &body)
            .await?;
        self.until("matched", |it| {
            it.matched_lines + it.missing_lines == it.credited_lines
        })
        .await?;
        for run_no in self.runs.iter().copied() {
            let body = CloseRun {
                officer: officer("tran.chi")?,
                run_no,
            };
            self.ask_of_run("close-run", run_no, &serde_json::to_value(&body)?)
                .await?;
        }
        self.until_state("closed").await
    }

    /// All of it, from the file to the closed runs.
    pub async fn carry(&mut self, people: &Written) -> anyhow::Result<()> {
        self.register(people).await?;
        self.open().await?;
        self.approve().await?;
        self.release().await?;
        self.until_answered().await?;
        self.close().await
    }

    pub async fn until_state(&self, state: &str) -> anyhow::Result<()> {
        self.until(state, |it| it.state == state).await
    }

    /// Waits until a query of one truth says so; a database that is away says no.
    pub async fn until_true(&self, query: &'static str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < self.patience {
            if let Ok(true) = sqlx::query_scalar(query).fetch_one(&self.pool).await {
                return Ok(());
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("not true in time: {query}")
    }

    async fn until(&self, what: &str, done: impl Fn(&RunSummary) -> bool) -> anyhow::Result<()> {
        let (begun, mut last) = (Instant::now(), String::new());
        while begun.elapsed() < self.patience {
            match self.summaries().await {
                Ok(summaries) if summaries.iter().all(&done) => return Ok(()),
                Ok(summaries) => last = format!("{summaries:?}"),
                Err(error) => last = format!("{error:#}"),
            }
            sleep(LOOK).await;
        }
        bail!("the runs are not {what} in time: {last}")
    }

    async fn summaries(&self) -> anyhow::Result<Vec<RunSummary>> {
        let mut summaries = Vec::with_capacity(self.runs.len());
        for run_no in &self.runs {
            summaries.push(self.summary(*run_no).await?);
        }
        Ok(summaries)
    }

    async fn summary(&self, run_no: RunNo) -> anyhow::Result<RunSummary> {
        payments::run_summary(&self.pool, run_no)
            .await?
            .context("the run exists")
    }

    async fn ask_of_run(&self, command: &str, run_no: RunNo, body: &Value) -> anyhow::Result<()> {
        self.ask("payments", command, &format!("{command}-{run_no}"), body)
            .await?;
        Ok(())
    }

    /// Asks until there is an answer; the key makes it one command however often it is asked.
    async fn ask(
        &self,
        service: &str,
        command: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let begun = Instant::now();
        while begun.elapsed() < self.patience {
            let asked = messaging::ask(&self.nats, service, command, key, body);
            match timeout(ANSWER_MAX, asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(CommandError::Refused(problem))) if problem.status != 503 => {
                    bail!("{command} was refused: {problem}")
                }
                Ok(Err(_)) | Err(_) => sleep(LOOK).await,
            }
        }
        bail!("nobody answers {command} in time")
    }
}

fn officer(name: &str) -> anyhow::Result<Officer> {
    name.parse().map_err(|it| anyhow::anyhow!("{name}: {it}"))
}

/// Every invariant holds, and the banks' own books, which An Sinh never reads, say the same.
pub async fn nothing_lost_nothing_twice(pool: &PgPool) -> anyhow::Result<()> {
    for it in ansinh::check_all(pool).await? {
        ensure!(it.holds(), "{} is broken at {:?}", it.name, it.broken);
    }
    let wrong: Vec<String> = sqlx::query_scalar(BANKS_BOOKS).fetch_all(pool).await?;
    ensure!(wrong.is_empty(), "the banks' books differ: {wrong:?}");
    let parked = messaging::parked(pool).await?;
    ensure!(parked == 0, "{parked} events are parked");
    Ok(())
}

/// Lines that a bank booked twice, did not book though they were released, or booked though they
/// were not; and credits of which our books and the bank's disagree.
const BANKS_BOOKS: &str = "
    SELECT 'twice ' || run_no || '-' || part || '-' || chunk || '-' || line FROM sandbox.entries
    GROUP BY run_no, part, chunk, line HAVING count(*) > 1
    UNION ALL
    SELECT 'released ' || run_no || '-' || part || '-' || chunk || '-' || line
    FROM (SELECT l.* FROM payments.lines l JOIN payments.chunks c USING (run_no, part, chunk)
        WHERE c.released_at IS NOT NULL) l
    FULL JOIN sandbox.entries e USING (run_no, part, chunk, line)
    WHERE l.amount IS DISTINCT FROM e.amount
    UNION ALL
    SELECT 'credited ' || run_no || '-' || part || '-' || chunk || '-' || line
    FROM (SELECT * FROM payments.results WHERE status = 'credited') r
    FULL JOIN (SELECT * FROM sandbox.entries WHERE status = 'credited') e
        USING (run_no, part, chunk, line)
    WHERE r.bank_ref IS DISTINCT FROM e.bank_ref
    UNION ALL
    SELECT 'sums' WHERE
        (SELECT sum(amount) FROM sandbox.entries WHERE status = 'credited')
        IS DISTINCT FROM (SELECT sum(credited_total) FROM payments.tallies)
    LIMIT 20";
