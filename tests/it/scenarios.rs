//! Pay days with a bank that does otherwise than it should: what follows is known from the seed,
//! every bit of it has a name, and officers bring it to an end with the commands that they have.

mod again;
mod contradicting;
mod credits;
mod legal;
mod paying;
mod silent;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use chrono::{NaiveDate, Utc};
use domain::{EndToEndId, Institution, Money, Programme, RunNo};
use events::{BreakKind, Envelope, Instruction, Results};
use payments::{RunSummary, UnknownRow};
use reconciliation::{CaseFilter, CaseRow};
use sandbox::{Deviation, Scenario, ScenarioKind};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary};
use crate::world::{World, institution, pensioners};

const PROGRAMME: Programme = Programme::RetirementPension;
/// The bank with the scenario.
const PLAYING: &str = "970436";
/// One that does as it should: a few lines late and repeated.
const SOUND: &str = "970405";
const MAKER: &str = "le.an";
const CHECKER: &str = "tran.binh";

/// A released run, most of it at a bank of which the scenario is known.
struct Town {
    world: World,
    run_no: RunNo,
    scenario: Scenario,
    /// What the playing bank was told.
    told: Vec<Instruction>,
}

impl Town {
    /// `people` at the playing bank and sixty at the sound one.
    async fn released(people: usize, scenario: Scenario, sla_ms: u64) -> anyhow::Result<Town> {
        let world = World::with(|it| {
            it.payments.result_sla_ms = sla_ms;
            it.payments.enquiry_rounds = 2;
            it.payments.enquiry_pause_ms = 500;
            it.reconciliation.grace_ms = 500;
        })
        .await?;
        let banks = [vec![Some(PLAYING); people], vec![Some(SOUND); 60]].concat();
        let (registry, links) = pensioners(&banks);
        world.register(registry).await?;
        world.link(links).await?;
        set(&world, Some(scenario)).await?;
        let run_no = world.released(PROGRAMME).await?;
        let told = world.instructions(institution(PLAYING)).await?;
        assert_eq!(told.len(), people);
        Ok(Town {
            world,
            run_no,
            scenario,
            told,
        })
    }

    #[expect(clippy::unused_self, reason = "the town says who plays in it")]
    fn bank(&self) -> Institution {
        institution(PLAYING)
    }

    /// Who is hit, and how, in the order of ids.
    fn hit(&self) -> BTreeMap<EndToEndId, Deviation> {
        let hit = |it: &Instruction| {
            let deviation = self.scenario.deviation(it.end_to_end_id, it.amount)?;
            Some((it.end_to_end_id, deviation))
        };
        self.told.iter().filter_map(hit).collect()
    }

    async fn summary(&self) -> anyhow::Result<RunSummary> {
        self.world.summary(self.run_no).await
    }

    /// Every line is answered but so many, which are unknown and wait for officers.
    async fn until_answered_but(&self, unknown: usize) -> anyhow::Result<Vec<UnknownRow>> {
        let expected = i64::try_from(unknown)?;
        let what = format!("all but {unknown} lines are answered");
        self.world
            .until(&what, async || {
                let it = self.summary().await?;
                let open = self.unknown().await?;
                let handed_over = open.iter().all(|it| it.enquire_at.is_none());
                Ok((it.waiting_lines, it.unknown_lines) == (0, expected) && handed_over)
            })
            .await?;
        self.unknown().await
    }

    async fn unknown(&self) -> anyhow::Result<Vec<UnknownRow>> {
        Ok(payments::unknown(&self.world.pool, &[self.run_no], 10_000).await?)
    }

    /// The banks say all that they owe and state the day; the statements are matched to the end.
    async fn end_day(&self, date: NaiveDate) -> anyhow::Result<()> {
        for (ear, speaker) in [
            ("payments", events::bank_in_results(self.bank())),
            ("reconciliation", events::PAYMENTS.to_owned()),
        ] {
            self.world.until_heard(ear, &speaker).await?;
        }
        let (key, body) = (format!("day-{date}"), json!({ "date": date }));
        let ended = messaging::ask(&self.world.nats, "sandbox", "end-of-day", &key, &body).await?;
        let count = ended["statements"].as_array().map_or(0, Vec::len);
        ensure!(count > 0, "{ended}");
        let stated = "SELECT count(*) FROM sandbox.statements";
        let matched = "SELECT count(*) FROM reconciliation.statements WHERE state = 'matched'";
        self.world
            .until("all statements are matched", async || {
                Ok(self.world.number(matched).await? == self.world.number(stated).await?)
            })
            .await?;
        // What officers settle later this checker does not know.
        let (agrees, said) = crate::recon::checked(&self.world.ground).await?;
        ensure!(agrees, "{said}");
        self.world
            .until_heard("payments", events::RECONCILIATION)
            .await
    }

    /// Kinds of break with their lines, as the engine keeps them.
    async fn breaks(&self) -> anyhow::Result<Vec<(BreakKind, EndToEndId)>> {
        let cases = self.cases(true).await?;
        let named = cases.iter().map(|it| {
            let line = it.line.context("each is of a line of ours");
            anyhow::Ok((it.kind, line?))
        });
        let mut named: Vec<_> = named.collect::<anyhow::Result<_>>()?;
        named.sort_unstable();
        Ok(named)
    }

    async fn cases(&self, all: bool) -> anyhow::Result<Vec<CaseRow>> {
        let filter = CaseFilter {
            institution: Some(self.bank()),
            kind: None,
            all,
            limit: 10_000,
        };
        let today = Utc::now().date_naive();
        Ok(reconciliation::cases(&self.world.pool, filter, today).await?)
    }

    /// One officer proposes, as the verb says, and another accepts.
    async fn resolve(&self, case: &CaseRow, verb: &[&str]) -> anyhow::Result<()> {
        let case = case.case.to_string();
        let mut arguments = vec!["recon", verb[0], &case];
        arguments.extend(&verb[1..]);
        arguments.extend(["--reason", "NH xác nhận", "--by", MAKER]);
        let proposed = typed(&self.world, &arguments).await?;
        let number = proposed["proposal"].to_string();
        self.world.hand_key(CHECKER).await?;
        let accepted = ["recon", "decide", &number, "--accept", "--by", CHECKER];
        typed(&self.world, &accepted).await?;
        Ok(())
    }

    /// How many result lines the playing bank has said.
    async fn result_lines(&self) -> anyhow::Result<Vec<(String, EndToEndId)>> {
        let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT body FROM messaging.outbox WHERE speaker = $1 ORDER BY part, seq",
        )
        .bind(events::bank_in_results(self.bank()))
        .fetch_all(&self.world.pool)
        .await?;
        let mut said = Vec::new();
        for body in bodies {
            let message: Results = Envelope::parse(&body)?.read()?;
            let id = message.message_id;
            said.extend(
                message
                    .lines
                    .into_iter()
                    .map(|it| (id.clone(), it.end_to_end_id)),
            );
        }
        Ok(said)
    }

    /// Refusals of what the playing bank said, by code.
    async fn refusals(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT code, count(*) FROM payments.result_refusals WHERE institution = $1
            GROUP BY code",
        )
        .bind(self.bank().number())
        .fetch_all(&self.world.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// What of the month is unpaid is with other institutions, which have answered.
    async fn paid_again(&self, lines: i64) -> anyhow::Result<RunNo> {
        let (world, period) = (&self.world, self.world.period.to_string());
        let date = day(self, 1).to_string();
        let opened = [
            "run",
            "reissue",
            "--programme",
            "LUONG_HUU",
            "--period",
            &period,
            "--business-date",
            &date,
            "--by",
            "vo.hoa",
        ];
        let opened = typed(world, &opened).await?;
        assert_eq!(opened["lines"], lines, "{opened}");
        let again: RunNo = opened["run"].as_str().context("a number")?.parse()?;
        world.until_state(again, "awaiting_approval").await?;
        world.approve(again).await?;
        world.until_state(again, "reserved").await?;
        world.release(again).await?;
        world.until_state(again, "released").await?;
        world
            .until("the other ways have answered", async || {
                let it = world.summary(again).await?;
                Ok(it.waiting_lines == 0 && it.unknown_lines == 0)
            })
            .await?;
        Ok(again)
    }

    /// The day of each bank that stated it is closed with a report whose equation holds.
    async fn close_day(&self, date: NaiveDate) -> anyhow::Result<()> {
        let stated: Vec<i32> = sqlx::query_scalar(
            "SELECT DISTINCT institution FROM reconciliation.statements WHERE date = $1",
        )
        .bind(date)
        .fetch_all(&self.world.pool)
        .await?;
        for institution in stated {
            let (institution, date) = (institution.to_string(), date.to_string());
            let mut close = vec!["recon", "close-day", "--institution", &institution];
            close.extend(["--date", &date, "--by", MAKER]);
            typed(&self.world, &close).await?;
        }
        Ok(())
    }

    /// The run closes, the banks' books are what is owed, and every invariant holds.
    async fn close(self) -> anyhow::Result<RunSummary> {
        self.world.close_run(self.run_no).await?;
        let (code, said) =
            credits_checked(&self.world.ground, &self.world.ground.database_url).await?;
        ensure!(code == Some(0), "{said}");
        let it = self.summary().await?;
        assert_eq!(it.state, "closed");
        self.world.close().await?;
        Ok(it)
    }
}

fn scenario(kind: ScenarioKind, seed: u32, share_per_mille: u16) -> Scenario {
    Scenario {
        kind,
        seed,
        share_per_mille,
    }
}

/// As an operator types it.
async fn set(world: &World, scenario: Option<Scenario>) -> anyhow::Result<()> {
    let name = scenario.map_or(json!("none"), |it| json!(it.kind));
    let name = name.as_str().context("a word")?.to_owned();
    let seed = scenario.map_or(0, |it| it.seed).to_string();
    let share = scenario.map_or(0, |it| it.share_per_mille).to_string();
    let arguments = [
        "sandbox",
        "bank",
        "--institution",
        PLAYING,
        "--scenario",
        &name,
        "--seed",
        &seed,
        "--share-per-mille",
        &share,
    ];
    typed(world, &arguments).await?;
    Ok(())
}

/// What a command prints as JSON, once it is done.
async fn typed(world: &World, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new(ansinh_binary()?)
        .args(arguments)
        .args(["--output", "json"])
        .arg("--home")
        .arg(&world.ground.home)
        .envs(world.ground.env())
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Exit code and words of the checker that holds banks' books against what is owed.
pub async fn credits_checked(ground: &Ground, url: &str) -> anyhow::Result<(Option<i32>, Value)> {
    let pool = ground.pool().await?;
    let folder = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let folder: String = sqlx::query_scalar(folder).fetch_one(&pool).await?;
    pool.close().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/checker/credits.py");
    let ran = Command::new("python3")
        .args([script, "--psql", &format!("{folder}/psql"), "--url", url])
        .output()
        .await?;
    let said = serde_json::from_slice(&ran.stdout);
    let said = said.with_context(|| String::from_utf8_lossy(&ran.stderr).into_owned())?;
    Ok((ran.status.code(), said))
}

fn named(
    kind: BreakKind,
    lines: impl IntoIterator<Item = EndToEndId>,
) -> Vec<(BreakKind, EndToEndId)> {
    lines.into_iter().map(|it| (kind, it)).collect()
}

fn day(town: &Town, later: i64) -> NaiveDate {
    town.world.business_date + chrono::TimeDelta::days(later)
}

fn sum(told: &[Instruction], of: impl Fn(&Instruction) -> bool) -> Money {
    Money::sum(told.iter().filter(|it| of(it)).map(|it| it.amount))
}
