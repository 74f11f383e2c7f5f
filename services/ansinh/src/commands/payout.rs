//! Carries runs from opening to closing, as a maker, checkers and a releaser would.

use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::Client;
use chrono::{Datelike as _, NaiveDate, Utc};
use domain::{Institution, Money, Officer, Period, Programme, RunNo};
use futures::future::try_join_all;
use messaging::CommandError;
use payments::{
    Appropriate, ApproveRun, CloseRun, OpenRun, ReleaseRun, RunSummary, SignedAct, Statement,
};
use reconciliation::CloseDay;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::signing::OfficerKey;

/// How long a step of a run may take before it counts as stuck.
const STEP_MAX: Duration = Duration::from_mins(30);
const LOOK: Duration = Duration::from_millis(100);

/// The runs of one month's pay day.
pub(super) struct Payout {
    pub pool: PgPool,
    pub nats: Client,
    pub period: Period,
    pub business_date: NaiveDate,
    pub runs: Vec<RunNo>,
    /// The second one signs what is too much for one.
    checkers: [Signing; 2],
    releaser: Signing,
}

/// An officer with the key by which they sign.
struct Signing {
    officer: Officer,
    key: OfficerKey,
}

impl Signing {
    fn as_officer(name: &str) -> anyhow::Result<Signing> {
        Ok(Signing {
            officer: officer(name),
            key: OfficerKey::generate()?,
        })
    }

    fn sign(&self, act: SignedAct, run: &RunSummary) -> String {
        let statement = Statement::seen(act, self.officer.clone(), run);
        self.key.sign(&statement)
    }
}

impl Payout {
    /// No run is opened yet; officers will check what another releases.
    pub(super) fn of(
        pool: PgPool,
        nats: Client,
        (period, business_date): (Period, NaiveDate),
    ) -> anyhow::Result<Payout> {
        Ok(Payout {
            pool,
            nats,
            period,
            business_date,
            runs: Vec::new(),
            checkers: [
                Signing::as_officer("le.binh")?,
                Signing::as_officer("hoang.giang")?,
            ],
            releaser: Signing::as_officer("tran.chi")?,
        })
    }

    /// Money of the pay day's year for each programme, more than enough; also from the provinces with levels of their own.
    pub(super) async fn appropriate(&self, programmes: &[Programme]) -> anyhow::Result<()> {
        let law = eligibility::law_in_force(&self.pool, Utc::now()).await?.law;
        let provinces = eligibility::provinces_with_local_levels(&law);
        let budget_year = i16::try_from(self.business_date.year())?;
        for programme in programmes {
            for province in iter::once(None).chain(provinces.iter().copied().map(Some)) {
                let fund = province.map_or_else(
                    || programme.to_string(),
                    |province| format!("{programme}-{province}"),
                );
                let body = Appropriate {
                    officer: officer("pham.dung"),
                    programme: *programme,
                    province,
                    budget_year,
                    amount: Money::dong(900_000_000_000_000),
                    reference: format!("QĐ 01/{budget_year} {fund}"),
                };
                let key = format!("appropriate-{fund}-{budget_year}");
                self.ask("payments", "appropriate", &key, &body).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn open(&mut self, programmes: &[Programme]) -> anyhow::Result<()> {
        for programme in programmes {
            let (period, business_date) = (self.period, self.business_date);
            let officer = officer("nguyen.an");
            let body = OpenRun {
                officer,
                programme: *programme,
                period,
                business_date,
            };
            let key = format!("open-{programme}-{period}");
            let answer = self.ask("payments", "open-run", &key, &body).await?;
            let run = answer["run"]
                .as_str()
                .context("an opened run has a number")?;
            self.runs.push(run.parse()?);
        }
        Ok(())
    }

    /// Whose keys they are, somebody else has seen.
    pub(super) async fn register_keys(&self) -> anyhow::Result<()> {
        for Signing {
            officer: owner,
            key,
        } in self.checkers.iter().chain([&self.releaser])
        {
            let body = key.registration(owner, &officer("pham.dung"));
            let once = format!("key-{}", key.public());
            self.ask("payments", "register-key", &once, &body).await?;
        }
        Ok(())
    }

    /// By as many officers as the sum asks for.
    pub(super) async fn approve(&self) -> anyhow::Result<()> {
        for run_no in &self.runs {
            for checker in &self.checkers {
                let it = self.summary(*run_no).await?;
                if it.state != "awaiting_approval" {
                    break;
                }
                let signature = checker.sign(SignedAct::Approve, &it);
                let root = it.root.context("a prepared run has a root")?;
                let body = ApproveRun {
                    officer: checker.officer.clone(),
                    run_no: *run_no,
                    root,
                    lines: it.lines,
                    total: it.total,
                    reasons: BTreeMap::new(),
                    signature: Some(signature),
                    principal: None,
                };
                let key = format!("approve-{run_no}-{}", checker.officer);
                let answer = self.ask("payments", "approve-run", &key, &body).await?;
                if answer["approvals"] == answer["approvals_required"] {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn release(&self) -> anyhow::Result<()> {
        for run_no in &self.runs {
            let it = self.summary(*run_no).await?;
            let body = ReleaseRun {
                officer: self.releaser.officer.clone(),
                run_no: *run_no,
                signature: Some(self.releaser.sign(SignedAct::Release, &it)),
                principal: None,
            };
            self.ask(
                "payments",
                "release-run",
                &format!("release-{run_no}"),
                &body,
            )
            .await?;
        }
        Ok(())
    }

    pub(super) async fn end_of_day(&self) -> anyhow::Result<Value> {
        let body = json!({ "date": self.business_date });
        self.ask(
            "sandbox",
            "end-of-day",
            &format!("day-{}", self.business_date),
            &body,
        )
        .await
    }

    pub(super) async fn close(&self) -> anyhow::Result<()> {
        for run_no in &self.runs {
            let body = CloseRun {
                officer: officer("tran.chi"),
                run_no: *run_no,
            };
            self.ask("payments", "close-run", &format!("close-{run_no}"), &body)
                .await?;
        }
        Ok(())
    }

    /// Closes the day of every bank that made a statement, once the books have told how they
    /// stand; gives back how many, and what is different in all.
    pub(super) async fn close_days(&self) -> anyhow::Result<(usize, Money)> {
        let (mut closed, mut differences) = (0, Vec::new());
        for bank in Institution::connected() {
            let day = reconciliation::day(&self.pool, bank.institution, self.business_date).await?;
            if day.statements.is_empty() {
                continue;
            }
            let answer = self.close_day(bank.institution).await?;
            closed += 1;
            let difference = answer["difference"].as_str().context("an amount")?;
            differences.push(difference.parse()?);
        }
        Ok((closed, Money::sum(differences)))
    }

    async fn close_day(&self, institution: Institution) -> anyhow::Result<Value> {
        let body = CloseDay {
            officer: officer("tran.chi"),
            institution,
            date: self.business_date,
        };
        let key = format!("close-day-{institution}-{}", self.business_date);
        let service = reconciliation::SERVICE;
        let begun = tokio::time::Instant::now();
        loop {
            let asked = messaging::ask(&self.nats, service, "close-day", &key, &body).await;
            match asked {
                Err(CommandError::Refused(problem))
                    if problem.code == "clearing_not_zero" && begun.elapsed() < STEP_MAX =>
                {
                    tokio::time::sleep(LOOK).await;
                }
                answer => return Ok(answer?),
            }
        }
    }

    pub(super) async fn until_state(&self, state: &str) -> anyhow::Result<()> {
        self.until(|it| it.state == state, state).await
    }

    /// Every line has an answer or is unknown.
    pub(super) async fn until_answered(&self) -> anyhow::Result<()> {
        self.until(
            |it| it.state == "released" && it.waiting_lines == 0,
            "answered",
        )
        .await
    }

    /// Only so many lines wait still: those that nobody will ever answer.
    pub(super) async fn until_waiting(&self, lines: i64) -> anyhow::Result<()> {
        self.until(
            |it| it.state == "released" && it.waiting_lines <= lines,
            "nearly answered",
        )
        .await
    }

    pub(super) async fn until_matched(&self) -> anyhow::Result<()> {
        self.until(
            |it| it.matched_lines + it.missing_lines == it.credited_lines,
            "matched",
        )
        .await
    }

    pub(super) async fn summaries(&self) -> anyhow::Result<Vec<RunSummary>> {
        try_join_all(self.runs.iter().map(|it| self.summary(*it))).await
    }

    async fn until(&self, done: impl Fn(&RunSummary) -> bool, what: &str) -> anyhow::Result<()> {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < STEP_MAX {
            if self.summaries().await?.iter().all(&done) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "the runs are not {what} after {} minutes",
            STEP_MAX.as_secs() / 60
        )
    }

    async fn summary(&self, run_no: RunNo) -> anyhow::Result<RunSummary> {
        payments::run_summary(&self.pool, run_no)
            .await?
            .context("the run exists")
    }

    async fn ask(
        &self,
        service: &str,
        command: &str,
        key: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<Value> {
        Ok(messaging::ask(&self.nats, service, command, key, body).await?)
    }
}

fn officer(name: &str) -> Officer {
    name.parse().expect("the names of this file are officers")
}
