//! What banks answer, and what money does not do because of it.

use chrono::{NaiveDate, Utc};
use domain::{Institution, Money, Part, Position, Programme, Province, RunNo};
use events::{Event, Instruction, Instructions, ResultLine, Results};
use ledger::Account;
use privacy::Field;
use uuid::Uuid;

use crate::world::{World, credited, institution, pension, pensioners, rejected, results};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const OTHER: &str = "970405";
const ENTRY: &str =
    "SELECT code FROM payments.result_refusals WHERE message_id = $1 ORDER BY entry";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_moves_no_money() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    // Persons 1 and 17 are in the same partition.
    let (registry, links) = pensioners(&[[Some(OURS); 17].as_slice(), &[Some(OTHER)]].concat());
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let ours = world.instructions(institution(OURS)).await?;
    let theirs = world.instructions(institution(OTHER)).await?;
    world.period = "2027-01".parse()?;
    let planned = world.reserved(PROGRAMME).await?;
    what_does_not_fit_is_refused(&world, &ours, &theirs, planned).await?;
    assert_eq!(
        world
            .number("SELECT count(*) FROM payments.results")
            .await?,
        0
    );
    what_was_said_first_stands(&world, &ours, run_no).await?;
    unreadable_messages_are_parked(&world, &ours, run_no).await?;
    world.close_with_parked(UNREADABLE).await
}

/// Each line with its code, none of which changes an account.
async fn what_does_not_fit_is_refused(
    world: &World,
    ours: &[Instruction],
    theirs: &[Instruction],
    planned: RunNo,
) -> anyhow::Result<()> {
    let bank = institution(OURS);
    let changed = |change: fn(&mut ResultLine)| {
        let mut line = credited(&ours[0]);
        change(&mut line);
        line
    };
    let mut of_planned = credited(&ours[0]);
    of_planned.end_to_end_id.run = planned;
    let mut without_reason = rejected(&ours[0]);
    without_reason.reason = None;
    let books = ledger::trial_balance(&world.pool).await?;
    for (line, code) in [
        (
            changed(|it| it.end_to_end_id.run = RunNo(999)),
            "unknown_payment",
        ),
        (
            changed(|it| it.end_to_end_id.line.0 = 1000),
            "unknown_payment",
        ),
        (of_planned, "unknown_payment"),
        (credited(&theirs[0]), "not_your_payment"),
        (
            changed(|it| it.amount = Money::sum([it.amount, Money::dong(1)])),
            "amount_mismatch",
        ),
        (changed(|it| it.amount = Money::ZERO), "amount_mismatch"),
        (without_reason, "reason_missing"),
    ] {
        let message = results(bank, line.end_to_end_id.part, vec![line]);
        assert_eq!(said(world, &message).await?, [code]);
        assert_eq!(ledger::trial_balance(&world.pool).await?, books, "{code}");
    }
    let elsewhere = Part::all().find(|it| *it != ours[0].end_to_end_id.part);
    let elsewhere = elsewhere.expect("there are sixteen partitions");
    let message = results(bank, elsewhere, vec![credited(&ours[0])]);
    assert_eq!(said(world, &message).await?, ["wrong_partition"]);
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    Ok(())
}

/// Within a message, and from message to message.
async fn what_was_said_first_stands(
    world: &World,
    ours: &[Instruction],
    run_no: RunNo,
) -> anyhow::Result<()> {
    let (bank, part) = (institution(OURS), ours[0].end_to_end_id.part);
    let (yes, no) = (credited(&ours[0]), rejected(&ours[0]));
    let mut message = results(bank, part, vec![yes.clone(), yes.clone()]);
    FIRST.clone_into(&mut message.message_id);
    assert_eq!(said(world, &message).await?, ["duplicate_result"]);
    let it = world.summary(run_no).await?;
    assert_eq!((it.credited_lines, it.credited_total), (1, pension(1)));
    assert_eq!(paid(world).await?, pension(1).units());

    let books = ledger::trial_balance(&world.pool).await?;
    for (lines, codes) in [
        (vec![yes.clone()], vec!["duplicate_result"]),
        (vec![no.clone()], vec!["contradicting_result"]),
        (
            vec![no, yes],
            vec!["contradicting_result", "duplicate_result"],
        ),
    ] {
        assert_eq!(said(world, &results(bank, part, lines)).await?, codes);
        assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    }
    let opened = payments::exceptions(&world.pool, run_no, 10).await?;
    let opened: Vec<_> = opened
        .iter()
        .map(|it| (it.end_to_end_id, &it.kind[..], it.amount, it.resolved_at))
        .collect();
    let line = Some(ours[0].end_to_end_id);
    assert_eq!(opened, [(line, "contradicted", pension(1), None)]);
    assert_eq!(world.summary(run_no).await?.refused_results, 11);
    Ok(())
}

/// The id of the first message that was applied.
const FIRST: &str = "M1";
const UNREADABLE: i64 = 9;

/// They are kept for a person; the partition goes on with what the bank says next.
async fn unreadable_messages_are_parked(
    world: &World,
    ours: &[Instruction],
    run_no: RunNo,
) -> anyhow::Result<()> {
    let (bank, part) = (institution(OURS), ours[16].end_to_end_id.part);
    assert_eq!(part, ours[0].end_to_end_id.part);
    let healthy = || results(bank, part, vec![credited(&ours[16])]);
    let mut unreadable: Vec<Event> = ["", "{\"specversion\":", "null", "\u{0}"]
        .map(|body| event(Vec::from(body), bank, part))
        .into();
    // In the name of another bank, and of another partition than the one it is said in.
    let mut other = healthy();
    other.institution = institution(OTHER);
    unreadable.push(event(Event::of(&other, Utc::now()).body, bank, part));
    let mut other = healthy();
    other.part = Part::all()
        .find(|it| *it != part)
        .expect("there are sixteen partitions");
    unreadable.push(event(Event::of(&other, Utc::now()).body, bank, part));
    // What no database keeps: a text with a NUL, a day before all calendars.
    let mut other = healthy();
    other.lines[0].bank_ref.push('\0');
    unreadable.push(Event::of(&other, Utc::now()));
    let mut other = healthy();
    other.lines[0].booked_on = NaiveDate::MIN;
    unreadable.push(Event::of(&other, Utc::now()));
    // What has the id of an earlier message and another content.
    let mut other = healthy();
    FIRST.clone_into(&mut other.message_id);
    unreadable.push(event(Event::of(&other, Utc::now()).body, bank, part));
    assert_eq!(i64::try_from(unreadable.len())?, UNREADABLE);

    let books = ledger::trial_balance(&world.pool).await?;
    world.say(unreadable).await?;
    assert_eq!(messaging::parked(&world.pool).await?, UNREADABLE);
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    assert!(said(world, &healthy()).await?.is_empty());
    assert_eq!(world.summary(run_no).await?.credited_lines, 2);
    Ok(())
}

/// Unknown is not failed: the money waits, and a late answer still finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_moves_the_money_from_unknown() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 300).await?;
    let (registry, links) = pensioners(&[Some(OURS); 3]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    world
        .until("all lines are unknown", async || {
            Ok(world.summary(run_no).await?.unknown_lines == 3)
        })
        .await?;
    let bank = institution(OURS);
    let [unknown, in_transit] = [
        Account::unknown(PROGRAMME, bank),
        Account::in_transit(PROGRAMME, bank),
    ];
    let all = Money::sum([pension(1), pension(2), pension(3)]);
    assert_eq!(world.balance(unknown).await?, all.units());
    assert_eq!(world.balance(in_transit).await?, 0);

    let ours = world.instructions(bank).await?;
    world
        .answer(bank, vec![credited(&ours[0]), rejected(&ours[1])])
        .await?;
    assert_eq!(world.balance(unknown).await?, pension(3).units());
    assert_eq!(world.balance(in_transit).await?, 0);
    assert_eq!(paid(&world).await?, pension(1).units());
    let payable = world.balance(Account::payable(PROGRAMME)).await?;
    assert_eq!(payable, pension(2).units());
    let it = world.summary(run_no).await?;
    assert_eq!(
        (it.credited_lines, it.returned_lines, it.unknown_lines),
        (1, 1, 1)
    );
    assert_eq!(
        (it.unknown_total, it.waiting_lines, it.open_exceptions),
        (pension(3), 0, 1)
    );
    let open: Vec<Money> = payments::exceptions(&world.pool, run_no, 10)
        .await?
        .iter()
        .filter(|it| it.resolved_at.is_none())
        .map(|it| it.amount)
        .collect();
    assert_eq!(open, [pension(3)]);
    world.close().await
}

/// The bank pays nobody of it, and who compares has nothing to compare with; both keep it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_for_another_bank_is_kept_with_its_code() -> anyhow::Result<()> {
    let world = World::new().await?;
    let message = sealed_instructions(&world, OTHER)?;
    let mut tx = world.pool.begin().await?;
    let said = vec![Event::of(&message, Utc::now())];
    let signers = ansinh::made_up_signers(&world.target.keys()?);
    messaging::append_signed(&mut tx, &signers, said, Utc::now()).await?;
    tx.commit().await?;
    world
        .until("both have put it aside", async || {
            Ok(messaging::parked(&world.pool).await? == 2)
        })
        .await?;
    let why: Vec<(String, bool)> = sqlx::query_as(
        "SELECT consumer, starts_with(error, 'account_unreadable: ') FROM messaging.parked
        ORDER BY consumer",
    )
    .fetch_all(&world.pool)
    .await?;
    let kept = |it: &str| (it.to_owned(), true);
    assert_eq!(why, [kept("reconciliation"), kept("sandbox")]);
    for paid in [
        "SELECT count(*) FROM sandbox.entries",
        "SELECT count(*) FROM sandbox.funds",
        "SELECT count(*) FROM reconciliation.instructions",
    ] {
        assert_eq!(world.number(paid).await?, 0, "{paid}");
    }
    world.close_with_parked(2).await
}

/// One line for our bank, sealed for any.
pub fn sealed_instructions(world: &World, sealed_for: &str) -> anyhow::Result<Instructions> {
    let id: Position = "R000001-07-0001-0001".parse()?;
    let key = world.target.keys()?.exchange(sealed_for);
    let context = id.to_string();
    let sealed = |field, clear| key.seal(field, context.as_bytes(), clear);
    Ok(Instructions {
        institution: institution(OURS),
        run_no: id.run,
        part: id.part,
        chunk: id.chunk,
        message: None,
        business_date: world.business_date,
        count: 1,
        total: pension(1),
        root: "0".repeat(64),
        checkpoint: None,
        lines: vec![Instruction {
            end_to_end_id: id,
            amount: pension(1),
            account: Some(sealed(Field::BankAccount, "0011004000001")),
            holder: sealed(Field::PersonName, "NGUYEN VAN AN"),
        }],
    })
}

/// Says a message and gives back the codes of the lines that changed nothing.
pub async fn said(world: &World, message: &Results) -> anyhow::Result<Vec<String>> {
    world.say(vec![Event::of(message, Utc::now())]).await?;
    let codes = sqlx::query_scalar(ENTRY).bind(&message.message_id);
    Ok(codes.fetch_all(&world.pool).await?)
}

/// These bytes, said in the bank's own name and partition.
fn event(body: Vec<u8>, bank: Institution, part: Part) -> Event {
    let speaker = events::bank_in_results(bank);
    Event {
        id: Uuid::now_v7(),
        subject: format!("{speaker}.v1"),
        speaker,
        part,
        body,
    }
}

async fn paid(world: &World) -> anyhow::Result<i128> {
    let province: Province = "01".parse()?;
    world.balance(Account::paid(PROGRAMME, province)).await
}
