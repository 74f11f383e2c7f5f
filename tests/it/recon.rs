//! Breaks as cases that officers close, and days that a wrong statement freezes.

mod closing;
mod days;
mod seeded;

use anyhow::Context;
use chrono::Utc;
use domain::{EndToEndId, Money, Programme, RunNo};
use events::{BreakKind, EntryKind, Instruction, Resolution, StatementEntry, StatementPage};
use ledger::Account;
use messaging::{CommandError, Problem};
use reconciliation::{CaseFilter, CaseNo, CaseRow, CaseState, Decide, LineState, Propose, SERVICE};
use serde::Serialize;
use serde_json::{Value, to_value};
use tokio::process::Command;
use uuid::Uuid;

use crate::ground::Ground;
use crate::world::{
    World, credited, entry, institution, officer, pension, pensioners, rejected, statement,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const MAKER: &str = "le.an";
const CHECKER: &str = "tran.binh";

/// Eight pensioners of one bank, which rejects the fourth and says nothing of the fifth.
async fn answered_run() -> anyhow::Result<(World, RunNo, Vec<Instruction>)> {
    let world = World::with_hand_played_banks(|it| {
        it.payments.result_sla_ms = 2_000;
        it.reconciliation.grace_ms = 500;
    })
    .await?;
    let (registry, links) = pensioners(&[Some(OURS); 8]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let bank = institution(OURS);
    let ours = world.instructions(bank).await?;
    let mut answers: Vec<_> = ours.iter().map(credited).collect();
    answers[3] = rejected(&ours[3]);
    answers.remove(4);
    world.answer(bank, answers).await?;
    world
        .until("the fifth is unknown", async || {
            Ok(world.summary(run_no).await?.unknown_lines == 1)
        })
        .await?;
    Ok((world, run_no, ours))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_officers_close_every_case_and_suspense_is_empty() -> anyhow::Result<()> {
    let (world, run_no, ours) = answered_run().await?;
    let bank = institution(OURS);

    let first = first_day(&world, &ours)?;
    assert_eq!(world.state(&first).await?, "matched");
    line_states(&world, &ours).await?;
    nobody_decides_alone(&world).await?;
    what_does_not_add_up_is_not_proposed(&world, &ours).await?;
    officers_close_cases(&world, &ours).await?;
    a_later_day_closes_the_rest(&world, run_no, &ours, &first).await?;

    assert!(open(&world).await?.is_empty());
    assert_eq!(world.balance(Account::suspense(bank)).await?, 0);
    assert_eq!(world.balance(Account::written_off(bank)).await?, -11);
    world.close_run(run_no).await?;
    let it = world.summary(run_no).await?;
    assert_eq!((it.matched_lines, it.missing_lines), (7, 0));
    world.close().await
}

/// A wrong id, two payments in one, a rejected one that comes back, one without a result, one that
/// is missing, a fee, and two that are right.
fn first_day(world: &World, ours: &[Instruction]) -> anyhow::Result<StatementPage> {
    let bank = institution(OURS);
    let other = |id: &str, amount, kind| {
        anyhow::Ok(StatementEntry {
            end_to_end_id: id.to_owned(),
            account: Some(world.account_beside((bank, &ours[0]), (bank, id))?),
            amount,
            kind,
            ..entry(&ours[0])
        })
    };
    let both = Money::sum([pension(2), pension(3)]);
    let mut entries: Vec<StatementEntry> = [3, 4, 6, 7].map(|it| entry(&ours[it])).to_vec();
    entries.push(other("SAI-MA", pension(1), EntryKind::Payment)?);
    entries.push(other("GOP-2", both, EntryKind::Payment)?);
    entries.push(other("PHI", Money::dong(11), EntryKind::Charge)?);
    entries.push(StatementEntry {
        kind: EntryKind::Return,
        ..entry(&ours[3])
    });
    let received = (Money::ZERO, Money::dong(900_000_000));
    Ok(statement(bank, 1, received, entries))
}

async fn line_states(world: &World, ours: &[Instruction]) -> anyhow::Result<()> {
    let mut states = Vec::new();
    for it in ours {
        let told = reconciliation::line(&world.pool, it.end_to_end_id).await?;
        states.push(told.expect("it was instructed").state);
    }
    let (open, done) = (LineState::Unreconciled, LineState::Reconciled);
    assert_eq!(states, [open, open, open, open, open, open, done, done]);
    Ok(())
}

async fn nobody_decides_alone(world: &World) -> anyhow::Result<()> {
    let fee = case_of(world, BreakKind::FeeTaken, Money::dong(11)).await?;
    let body = proposal(fee, Resolution::WrittenOff, vec![]);
    let number = propose(world, &body).await?;
    assert_eq!(
        refused(world, "propose", &body).await?.code,
        "proposal_open"
    );
    let alone = decision(number, MAKER, true);
    let problem = refused(world, "decide", &alone).await?;
    assert_eq!((problem.status, &problem.code[..]), (403, "same_person"));
    // The database says so too, whoever asks it.
    let forged = sqlx::query(
        "INSERT INTO reconciliation.decisions
            (proposal_no, proposed_by, officer, accepted, decided_at)
        SELECT proposal_no, officer, officer, true, now() FROM reconciliation.proposals",
    );
    let error = forged.execute(&world.pool).await.expect_err("refused");
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    assert_eq!(constraint, Some("different_persons"));
    let resolved = sqlx::query(
        "INSERT INTO reconciliation.resolutions (part, institution, statement_no, break_no, how,
            proposal_no, resolved_at)
        SELECT part, institution, statement_no, break_no, how, proposal_no, now()
        FROM reconciliation.proposals",
    );
    let error = resolved.execute(&world.pool).await.expect_err("refused");
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    assert_eq!(constraint, Some("accepted_by_another"));

    let unreasoned = refused(world, "decide", &decision(number, CHECKER, false)).await?;
    assert_eq!(unreasoned.code, "reason_missing");
    let no = Decide {
        reason: Some("chưa đủ hồ sơ".to_owned()),
        ..decision(number, CHECKER, false)
    };
    ask(world, "decide", &no).await?;
    let again = refused(world, "decide", &decision(number, CHECKER, true)).await?;
    assert_eq!(again.code, "proposal_decided");
    assert_eq!(open(world).await?.len(), 10);
    Ok(())
}

async fn what_does_not_add_up_is_not_proposed(
    world: &World,
    ours: &[Instruction],
) -> anyhow::Result<()> {
    let wrong_id = case_of(world, BreakKind::NotInstructed, pension(1)).await?;
    let at = |index: usize| ours[index].end_to_end_id;
    let never: EndToEndId = "R000999-00-0001-0001".parse()?;
    for (how, lines, code) in [
        (Resolution::Matched, vec![at(1)], "amounts_differ"),
        (Resolution::Matched, vec![at(6)], "line_not_open"),
        (Resolution::Matched, vec![at(3)], "line_not_open"),
        (Resolution::Matched, vec![never], "line_unknown"),
        (Resolution::Split, vec![at(0), at(0)], "line_unknown"),
        (Resolution::Accepted, vec![], "money_in_suspense"),
        (Resolution::Offset, vec![], "not_an_offset"),
        (Resolution::LateResult, vec![], "resolution_not_for_people"),
    ] {
        let problem = refused(world, "propose", &proposal(wrong_id, how, lines)).await?;
        assert_eq!(problem.code, code, "{problem}");
    }
    Ok(())
}

/// A match, a split, an offset and a write-off; a match also closes what was missing.
async fn officers_close_cases(world: &World, ours: &[Instruction]) -> anyhow::Result<()> {
    let at = |index: usize| ours[index].end_to_end_id;
    let both = Money::sum([pension(2), pension(3)]);
    let wrong_id = case_of(world, BreakKind::NotInstructed, pension(1)).await?;
    let two = case_of(world, BreakKind::NotInstructed, both).await?;
    let went = case_of(world, BreakKind::DebitedThoughRejected, pension(4)).await?;
    let back = case_of(world, BreakKind::ReturnUnexplained, pension(4)).await?;
    let fee = case_of(world, BreakKind::FeeTaken, Money::dong(11)).await?;
    let offset = Propose {
        against: Some(back),
        ..proposal(went, Resolution::Offset, vec![])
    };
    for body in [
        proposal(wrong_id, Resolution::Matched, vec![at(0)]),
        proposal(two, Resolution::Split, vec![at(1), at(2)]),
        offset,
        proposal(fee, Resolution::WrittenOff, vec![]),
    ] {
        let number = propose(world, &body).await?;
        ask(world, "decide", &decision(number, CHECKER, true)).await?;
        let problem = refused(world, "propose", &body).await?;
        assert_eq!(problem.code, "case_resolved", "{problem}");
    }
    world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    let left: Vec<BreakKind> = open(world).await?.into_iter().map(|it| it.kind).collect();
    let expected = [BreakKind::DebitedWithoutResult, BreakKind::NotOnStatement];
    assert_eq!(sorted(left), expected);
    let suspense = world.balance(Account::suspense(institution(OURS))).await?;
    assert_eq!(-suspense, pension(5).units());
    Ok(())
}

/// The result that was missing comes, and the next statement shows what the first one lacked.
async fn a_later_day_closes_the_rest(
    world: &World,
    run_no: RunNo,
    ours: &[Instruction],
    first: &StatementPage,
) -> anyhow::Result<()> {
    let it = world.summary(run_no).await?;
    assert_eq!((it.matched_lines, it.missing_lines), (5, 1));
    let bank = institution(OURS);
    world.answer(bank, vec![credited(&ours[4])]).await?;
    let mut second = statement(bank, 2, (first.closing, Money::ZERO), vec![entry(&ours[5])]);
    second.date = first.date.succ_opt().expect("there is a next day");
    world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    assert_eq!(world.state(&second).await?, "matched");
    let closed = reconciliation::cases(&world.pool, filter(true), first.date).await?;
    let how = |kind| {
        let case = closed
            .iter()
            .find(|it| it.kind == kind && it.amount > pension(4));
        case.and_then(|it| it.how)
    };
    let late = how(BreakKind::DebitedWithoutResult);
    assert_eq!(late, Some(Resolution::LateResult));
    let shown = how(BreakKind::NotOnStatement);
    assert_eq!(shown, Some(Resolution::ShownLater));
    assert!(closed.iter().all(|it| it.state == CaseState::Resolved));
    Ok(())
}

fn sorted(mut kinds: Vec<BreakKind>) -> Vec<BreakKind> {
    kinds.sort_unstable();
    kinds
}

fn filter(all: bool) -> CaseFilter {
    CaseFilter {
        institution: None,
        kind: None,
        all,
        limit: 100,
    }
}

/// The open case of a kind and amount.
async fn case_of(world: &World, kind: BreakKind, amount: Money) -> anyhow::Result<CaseNo> {
    let cases = open(world).await?;
    let case = cases
        .iter()
        .find(|it| (it.kind, it.amount) == (kind, amount));
    Ok(case.expect("such a case is open").case)
}

async fn open(world: &World) -> anyhow::Result<Vec<CaseRow>> {
    let today = Utc::now().date_naive();
    Ok(reconciliation::cases(&world.pool, filter(false), today).await?)
}

fn proposal(case: CaseNo, how: Resolution, lines: Vec<EndToEndId>) -> Propose {
    Propose {
        officer: officer(MAKER),
        case,
        how,
        lines,
        against: None,
        reason: "NH xác nhận".to_owned(),
    }
}

fn decision(proposal_no: i64, by: &str, accept: bool) -> Decide {
    Decide {
        officer: officer(by),
        proposal_no,
        accept,
        reason: None,
        signature: None,
    }
}

async fn propose(world: &World, body: &Propose) -> anyhow::Result<i64> {
    let answer = ask(world, "propose", body).await?;
    Ok(answer["proposal"].as_i64().expect("a number"))
}

pub async fn ask(world: &World, command: &str, body: &impl Serialize) -> anyhow::Result<Value> {
    let key = format!("test-{}", Uuid::now_v7());
    let body = world.signed(command, to_value(body)?).await?;
    Ok(messaging::ask(&world.nats, SERVICE, command, &key, &body).await?)
}

pub async fn refused(
    world: &World,
    command: &str,
    body: &impl Serialize,
) -> anyhow::Result<Problem> {
    let key = format!("test-{}", Uuid::now_v7());
    let body = world.signed(command, to_value(body)?).await?;
    match messaging::ask(&world.nats, SERVICE, command, &key, &body).await {
        Err(CommandError::Refused(problem)) => Ok(problem),
        Err(other) => Err(other.into()),
        Ok(answer) => anyhow::bail!("{command} was done: {answer}"),
    }
}

/// What the checker says of a database, and whether it agrees with what the engine found there.
pub async fn checked(ground: &Ground) -> anyhow::Result<(bool, Value)> {
    let pool = ground.pool().await?;
    // The client that came with the server; the server of a test is on this machine.
    let folder = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let folder: String = sqlx::query_scalar(folder).fetch_one(&pool).await?;
    pool.close().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/checker/reconcile.py");
    let ran = Command::new("python3")
        .args([script, "--psql", &format!("{folder}/psql"), "--url"])
        .arg(&ground.database_url)
        .output()
        .await?;
    let said = serde_json::from_slice(&ran.stdout);
    let said = said.with_context(|| String::from_utf8_lossy(&ran.stderr).into_owned())?;
    Ok((ran.status.success(), said))
}
