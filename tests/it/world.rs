//! An Sinh whole and running, and the officers who act in it.

mod bank;
mod payees;
mod people;
pub mod signing;

pub use bank::{HandPlayed, credited, entry, rejected, results, statement};
pub use payees::{HandPlayedAccounts, PAYING_BANK, Paid, Says, account_of};
pub use people::{REGISTRY_HEADER, institution, officer, pension, pensioner, pensioners};

use std::time::Duration;

use ansinh::{ServiceName, Services, Target, check_all, start_some};
use anyhow::{Context, bail, ensure};
use async_nats::Client;
use boot::{Health, Settings};
use chrono::{NaiveDate, Utc};
use domain::{BudgetYear, Money, Period, Programme, Province, RunNo};
use ledger::Account;
use messaging::{CommandError, Problem};
use payments::{
    Appropriate, ApproveRun, CloseRun, LineRow, OpenRun, ReleaseRun, RunSummary, SignedAct,
};
use serde_json::{Value, json, to_value};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;

/// How long anything may take before the test fails.
const WAIT_MAX: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(20);

pub const MAKER: &str = "nguyen.an";
pub const CHECKER: &str = "le.binh";
pub const RELEASER: &str = "tran.chi";

/// What the services are and the outside world is not.
const HOUSE: [ServiceName; 5] = [
    ServiceName::Reconciliation,
    ServiceName::Payments,
    ServiceName::Accounts,
    ServiceName::Eligibility,
    ServiceName::Audit,
];

/// Servers, services and a way to act on them. It ends in [`World::close`].
pub struct World {
    pub ground: Ground,
    /// With the rights of the owner, who may do what no service may.
    pub pool: PgPool,
    pub nats: Client,
    pub target: Target,
    pub period: Period,
    pub business_date: NaiveDate,
    services: Services,
    banks: Option<HandPlayed>,
    accounts: Option<HandPlayedAccounts>,
}

impl World {
    /// All services, and the sandbox as the outside world.
    pub async fn new() -> anyhow::Result<World> {
        let world = World::start(&[ServiceName::All], |_| {}).await?;
        world.until_served("sandbox").await?;
        Ok(world)
    }

    /// All services and the sandbox, with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> anyhow::Result<World> {
        let world = World::start(&[ServiceName::All], change).await?;
        world.until_served("sandbox").await?;
        world.until_served("accounts").await?;
        Ok(world)
    }

    /// All services but the sandbox: the test plays the banks.
    pub async fn with_hand_played_banks(
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<World> {
        let mut world = World::start(&HOUSE, change).await?;
        world.banks = Some(HandPlayed::start(&world).await?);
        Ok(world)
    }

    /// As [`World::with_hand_played_banks`], where nobody seals what is recorded.
    pub async fn unsealed(change: impl FnOnce(&mut Settings)) -> anyhow::Result<World> {
        let services: Vec<ServiceName> = HOUSE
            .into_iter()
            .filter(|it| *it != ServiceName::Audit)
            .collect();
        let mut world = World::start(&services, change).await?;
        world.banks = Some(HandPlayed::start(&world).await?);
        Ok(world)
    }

    /// The test plays accounts and the banks: people are paid as it says.
    pub async fn with_hand_played_accounts(
        change: impl FnOnce(&mut Settings),
        says: Says,
    ) -> anyhow::Result<World> {
        let services = [
            ServiceName::Reconciliation,
            ServiceName::Payments,
            ServiceName::Eligibility,
            ServiceName::Audit,
        ];
        let mut world = World::start(&services, change).await?;
        world.accounts = Some(HandPlayedAccounts::start(&world, says).await?);
        world.banks = Some(HandPlayed::start(&world).await?);
        Ok(world)
    }

    /// As [`World::with_hand_played_banks`], on a ground that was prepared.
    pub async fn on(ground: Ground, change: impl FnOnce(&mut Settings)) -> anyhow::Result<World> {
        let mut world = World::start_on(ground, &HOUSE, change).await?;
        world.banks = Some(HandPlayed::start(&world).await?);
        Ok(world)
    }

    async fn start(
        services: &[ServiceName],
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<World> {
        World::start_on(Ground::new().await?, services, change).await
    }

    async fn start_on(
        ground: Ground,
        services: &[ServiceName],
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<World> {
        let target = ground.target().with_settings(change);
        let services = start_some(services, &target.settings, &Health::default()).await?;
        let world = World {
            pool: ground.pool().await?,
            nats: target.nats().await?,
            ground,
            target,
            period: "2026-12".parse()?,
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?,
            services,
            banks: None,
            accounts: None,
        };
        world.until_served("payments").await?;
        Ok(world)
    }

    /// Nobody answers commands in the first moments.
    async fn until_served(&self, service: &str) -> anyhow::Result<()> {
        self.until("commands are taken", async || {
            let asked = messaging::ask(&self.nats, service, "no-such", "none", &json!({})).await;
            Ok(!matches!(asked, Err(CommandError::Unavailable(_))))
        })
        .await
    }

    /// Imports a registry and waits until everybody in it can be linked.
    pub async fn register(&self, text: impl AsRef<[u8]>) -> anyhow::Result<intake::Report> {
        let file = self.ground.home.join("registry.csv");
        std::fs::write(&file, text)?;
        let pool = self.target.pool(Some("ansinh_eligibility")).await?;
        let keys = self.target.keys()?;
        let law = eligibility::law_in_force(&pool, Utc::now()).await?.law;
        let report = eligibility::import_registry(&pool, &keys, &law, &file, Utc::now()).await?;
        pool.close().await;
        self.until_heard("accounts", events::ELIGIBILITY).await?;
        Ok(report)
    }

    pub async fn link(&self, text: impl AsRef<[u8]>) -> anyhow::Result<intake::Report> {
        let file = self.ground.home.join("links.csv");
        std::fs::write(&file, text)?;
        let pool = self.target.pool(Some("ansinh_accounts")).await?;
        let report = self.target.import_links(&pool, &file).await?;
        pool.close().await;
        Ok(report)
    }

    pub async fn appropriate(&self, programme: Programme, amount: Money) -> anyhow::Result<Value> {
        self.appropriate_to(programme, None, amount).await
    }

    /// To the fund of a province for its own level, or to the programme's.
    pub async fn appropriate_to(
        &self,
        programme: Programme,
        province: Option<Province>,
        amount: Money,
    ) -> anyhow::Result<Value> {
        let of_province = province.map_or_else(String::new, |it| format!(" {it}"));
        let year = self.budget_year();
        let body = Appropriate {
            officer: officer("pham.dung"),
            programme,
            province,
            budget_year: year.number(),
            amount,
            reference: format!("QĐ 01/{year} {programme} {amount}{of_province}"),
        };
        let key = format!("appropriate-{programme}-{amount}-{year}{of_province}");
        self.ask("appropriate", &key, &to_value(body)?).await
    }

    /// Of which budget runs opened now are paid.
    pub fn budget_year(&self) -> BudgetYear {
        BudgetYear::of(self.business_date).expect("tests live in this century")
    }

    /// The amount for the programme, and as much from each province with levels of its own.
    pub async fn appropriate_all(&self, programme: Programme, amount: Money) -> anyhow::Result<()> {
        self.appropriate(programme, amount).await?;
        let law = eligibility::law_in_force(&self.pool, Utc::now()).await?.law;
        for province in eligibility::provinces_with_local_levels(&law) {
            self.appropriate_to(programme, Some(province), amount)
                .await?;
        }
        Ok(())
    }

    /// Opens a run of the world's period.
    pub async fn open(&self, programme: Programme) -> anyhow::Result<RunNo> {
        let body = self.opening(programme);
        let key = format!("open-{programme}-{}", self.period);
        let answer = self.ask("open-run", &key, &to_value(body)?).await?;
        Ok(answer["run"].as_str().context("a number")?.parse()?)
    }

    pub fn opening(&self, programme: Programme) -> OpenRun {
        OpenRun {
            officer: officer(MAKER),
            programme,
            period: self.period,
            business_date: self.business_date,
        }
    }

    pub async fn approve(&self, run_no: RunNo) -> anyhow::Result<Value> {
        let body = self.approval(run_no, CHECKER).await?;
        self.ask(
            "approve-run",
            &format!("approve-{run_no}"),
            &to_value(body)?,
        )
        .await
    }

    /// An approval of the run as it stands now.
    pub async fn approval(&self, run_no: RunNo, by: &str) -> anyhow::Result<ApproveRun> {
        let it = self.summary(run_no).await?;
        let signature = self.signature(SignedAct::Approve, by, &it).await?;
        Ok(ApproveRun {
            officer: officer(by),
            run_no,
            root: it.root.context("a prepared run has a root")?,
            lines: it.lines,
            total: it.total,
            reasons: self.reasons(run_no).await?,
            signature: Some(signature),
            principal: None,
        })
    }

    pub async fn releasing(&self, run_no: RunNo, by: &str) -> anyhow::Result<ReleaseRun> {
        let it = self.summary(run_no).await?;
        Ok(ReleaseRun {
            officer: officer(by),
            run_no,
            signature: Some(self.signature(SignedAct::Release, by, &it).await?),
            principal: None,
        })
    }

    pub async fn release(&self, run_no: RunNo) -> anyhow::Result<Value> {
        let body = to_value(self.releasing(run_no, RELEASER).await?)?;
        self.ask("release-run", &format!("release-{run_no}"), &body)
            .await
    }

    pub async fn close_run(&self, run_no: RunNo) -> anyhow::Result<Value> {
        let body = closing(run_no)?;
        self.ask("close-run", &format!("close-{run_no}"), &body)
            .await
    }

    /// A run of the programme whose money is set aside, and enough of it.
    pub async fn reserved(&self, programme: Programme) -> anyhow::Result<RunNo> {
        self.appropriate_all(programme, Money::dong(900_000_000_000))
            .await?;
        let run_no = self.open(programme).await?;
        self.until_state(run_no, "awaiting_approval").await?;
        self.approve(run_no).await?;
        self.until_state(run_no, "reserved").await?;
        Ok(run_no)
    }

    /// A run that is with the banks.
    pub async fn released(&self, programme: Programme) -> anyhow::Result<RunNo> {
        let run_no = self.reserved(programme).await?;
        self.release(run_no).await?;
        self.until_state(run_no, "released").await?;
        Ok(run_no)
    }

    pub async fn end_of_day(&self) -> anyhow::Result<Value> {
        let date = self.business_date;
        let key = format!("day-{date}");
        let body = json!({ "date": date });
        Ok(messaging::ask(&self.nats, "sandbox", "end-of-day", &key, &body).await?)
    }

    /// Asks payments to do something.
    pub async fn ask(&self, command: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        let body = self.signed(command, body.clone()).await?;
        Ok(messaging::ask(&self.nats, "payments", command, key, &body).await?)
    }

    /// Asks payments for what it must not do; gives back why not.
    pub async fn refused(&self, command: &str, key: &str, body: &Value) -> anyhow::Result<Problem> {
        let body = self.signed(command, body.clone()).await?;
        match messaging::ask(&self.nats, "payments", command, key, &body).await {
            Err(CommandError::Refused(problem)) => Ok(problem),
            Err(other) => Err(other.into()),
            Ok(answer) => bail!("{command} was done: {answer}"),
        }
    }

    pub async fn summary(&self, run_no: RunNo) -> anyhow::Result<RunSummary> {
        let summary = payments::run_summary(&self.pool, run_no).await?;
        summary.with_context(|| format!("there is no {run_no}"))
    }

    pub async fn lines(&self, run_no: RunNo) -> anyhow::Result<Vec<LineRow>> {
        Ok(payments::lines(&self.pool, run_no, None, None, 100_000).await?)
    }

    /// Credits less debits of an account, in đồng.
    pub async fn balance(&self, account: Account) -> anyhow::Result<i128> {
        let row = ledger::account_balance(&self.pool, account.number()).await?;
        Ok(row.credits.units() - row.debits.units())
    }

    /// The one number that a statement of SQL gives.
    pub async fn number(&self, statement: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    /// Funds what an approved run still needs, as an officer would.
    pub async fn fund(&self, run_no: RunNo, key: &str) -> anyhow::Result<Value> {
        let body = json!({ "officer": "pham.dung", "run_no": run_no });
        self.ask("fund-run", &format!("fund-{run_no}-{key}"), &body)
            .await
    }

    pub async fn until_state(&self, run_no: RunNo, state: &str) -> anyhow::Result<()> {
        self.until(&format!("{run_no} is {state}"), async || {
            Ok(self.summary(run_no).await?.state == state)
        })
        .await
    }

    pub async fn until_heard(&self, consumer: &str, speaker: &str) -> anyhow::Result<()> {
        self.until(&format!("{consumer} has heard {speaker}"), async || {
            Ok(messaging::caught_up(&self.pool, consumer, speaker).await?)
        })
        .await
    }

    /// Waits until something holds, a minute at most.
    pub async fn until(
        &self,
        what: &str,
        holds: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < WAIT_MAX {
            if holds().await? {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        bail!(
            "after {} s it does not hold that {what}",
            WAIT_MAX.as_secs()
        )
    }

    /// Stops without a look at the invariants: for tests that broke them on purpose.
    pub async fn leave(self) -> anyhow::Result<()> {
        self.services.stop().await;
        if let Some(banks) = self.banks {
            banks.stop().await?;
        }
        self.pool.close().await;
        self.ground.clear().await
    }

    /// Everything stops; what was recorded stays.
    pub async fn end(self) -> anyhow::Result<Ground> {
        self.services.stop().await;
        if let Some(accounts) = self.accounts {
            accounts.stop().await?;
        }
        if let Some(banks) = self.banks {
            banks.stop().await?;
        }
        self.pool.close().await;
        Ok(self.ground)
    }

    /// What is recorded is sealed to the end, and the log is what the tables say.
    pub async fn evidence_holds(
        ground: &Ground,
        pool: &PgPool,
        changed: &[&str],
    ) -> anyhow::Result<()> {
        let (log, key) = crate::evidence::log_of(ground)?;
        let mut sealed = true;
        while sealed {
            sealed = proof::seal(pool, &log, &key, Utc::now()).await?.is_some();
        }
        let told = proof::verify(pool, &log, &key.verifier_key(), &proof::Held::default()).await?;
        let found: Vec<&str> = told.findings.iter().map(|it| &it.place[..]).collect();
        ensure!(
            found == changed && told.incomplete.is_empty(),
            "the evidence does not hold: {told:?}"
        );
        Ok(())
    }

    /// The books balance, every invariant holds, and nothing is left over.
    pub async fn close(self) -> anyhow::Result<()> {
        self.close_after(0, &[]).await
    }

    /// As [`World::close`], where the test has changed what is recorded: it is found, and no more.
    pub async fn close_with_changed(self, changed: &[&str]) -> anyhow::Result<()> {
        self.close_after(0, changed).await
    }

    /// As [`World::close`], where so many events could not be applied.
    pub async fn close_with_parked(self, parked: i64) -> anyhow::Result<()> {
        self.close_after(parked, &[]).await
    }

    /// Whoever hears somebody has heard all.
    pub async fn until_all_is_heard(&self) -> anyhow::Result<()> {
        self.until("all that was said is heard", async || {
            let behind = "SELECT count(*) FROM messaging.cursors c
                JOIN messaging.heads h USING (speaker, part) WHERE c.seq < h.seq";
            Ok(self.number(behind).await? == 0)
        })
        .await
    }

    async fn close_after(self, parked: i64, changed: &[&str]) -> anyhow::Result<()> {
        self.until_all_is_heard().await?;
        self.services.stop().await;
        if let Some(accounts) = self.accounts {
            accounts.stop().await?;
        }
        if let Some(banks) = self.banks {
            banks.stop().await?;
        }
        for invariant in check_all(&self.pool).await? {
            let (name, broken) = (invariant.name, &invariant.broken);
            ensure!(invariant.holds(), "{name} is broken: {broken:?}");
        }
        World::evidence_holds(&self.ground, &self.pool, changed).await?;
        let balance = ledger::trial_balance(&self.pool).await?;
        assert_eq!(
            Money::sum(balance.iter().map(|it| it.debits)),
            Money::sum(balance.iter().map(|it| it.credits)),
        );
        assert_eq!(messaging::parked(&self.pool).await?, parked, "parked");
        self.pool.close().await;
        self.ground.clear().await
    }
}

/// What the releaser says to close a run.
pub fn closing(run_no: RunNo) -> anyhow::Result<Value> {
    let officer = officer(RELEASER);
    Ok(to_value(CloseRun { officer, run_no })?)
}
