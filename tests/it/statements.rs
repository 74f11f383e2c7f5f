//! What banks state, held against what they were told and what they answered.

use std::time::Duration;

use chrono::{NaiveDate, Utc};
use domain::{ChunkNo, LineNo, Money, Position, Programme, RunNo};
use events::{BreakKind, EntryKind, Event, Instruction, StatementEntry, StatementPage};
use ledger::Account;
use privacy::Sealed;
use uuid::Uuid;

use crate::world::{
    World, closing, credited, entry, institution, pension, pensioners, rejected, statement,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const OTHER: &str = "970405";
const NOTHING: Money = Money::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_statement_says_differently_is_named_and_its_money_is_set_apart()
-> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| {
        it.payments.result_sla_ms = 2_000;
        it.reconciliation.grace_ms = 500;
    })
    .await?;
    let (registry, links) = pensioners(&[[Some(OURS); 12].as_slice(), &[Some(OTHER); 2]].concat());
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    not_closed(&world, run_no, "answers_outstanding").await?;

    let (bank, other) = (institution(OURS), institution(OTHER));
    let ours = world.instructions(bank).await?;
    let theirs = world.instructions(other).await?;
    // The fourth is rejected, the fifth never answered, the seventh credited and then rejected.
    let mut answers: Vec<_> = ours.iter().map(credited).collect();
    answers[3] = rejected(&ours[3]);
    answers.remove(4);
    world.answer(bank, answers).await?;
    world.answer(bank, vec![rejected(&ours[6])]).await?;
    world
        .answer(other, theirs.iter().map(credited).collect())
        .await?;
    world
        .until("the fifth is unknown", async || {
            let it = world.summary(run_no).await?;
            Ok((it.waiting_lines, it.unknown_lines) == (0, 1))
        })
        .await?;
    not_closed(&world, run_no, "not_reconciled").await?;

    differences_have_names(&world, run_no, &ours, &theirs).await?;
    not_closed(&world, run_no, "not_reconciled").await?;
    a_statement_that_does_not_add_up_leads_to_nothing(&world, &theirs).await?;
    world.close_run(run_no).await?;
    let it = world.summary(run_no).await?;
    assert_eq!(
        (&it.state[..], it.lines, it.credited_lines),
        ("closed", 14, 12)
    );
    assert_eq!((it.matched_lines, it.missing_lines), (9, 3));
    assert_eq!((it.returned_lines, it.unknown_lines), (1, 1));
    world.close().await
}

/// The first and the last of seventeen people are of one partition.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_waits_whole_for_an_answer_that_the_statement_is_ahead_of() -> anyhow::Result<()>
{
    let world = World::with_hand_played_banks(|_| {}).await?;
    let (registry, links) = pensioners(&[Some(OURS); 17]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let bank = institution(OURS);
    let ours = world.instructions(bank).await?;
    let answers: Vec<_> = ours.iter().map(credited).collect();
    world.answer(bank, answers[..16].to_vec()).await?;
    let entries = ours.iter().map(entry).collect();
    let page = statement(bank, 1, (NOTHING, Money::dong(900_000_000)), entries);
    let (decided, ()) = tokio::try_join!(world.state(&page), async {
        all_but_one_partition_is_matched(&world, 1).await?;
        world.answer(bank, answers[16..].to_vec()).await
    })?;
    assert_eq!(decided, "matched");
    assert_eq!(breaks(&world, "reconciliation").await?, vec![]);
    world.close_run(run_no).await?;
    assert_eq!(world.summary(run_no).await?.matched_lines, 17);
    world.close().await
}

/// And stays so.
async fn all_but_one_partition_is_matched(world: &World, statement_no: i64) -> anyhow::Result<()> {
    let matched = async || -> anyhow::Result<(i64, i64)> {
        let matched = sqlx::query_as(
            "SELECT (SELECT count(*) FROM reconciliation.matched_parts WHERE statement_no = $1),
                (SELECT count(*) FROM reconciliation.matches)",
        );
        Ok(matched.bind(statement_no).fetch_one(&world.pool).await?)
    };
    world
        .until("the others are matched", async || {
            Ok(matched().await?.0 == 15)
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(matched().await?, (15, 15));
    Ok(())
}

async fn not_closed(world: &World, run_no: RunNo, code: &str) -> anyhow::Result<()> {
    let problem = world
        .refused("close-run", "too soon", &closing(run_no)?)
        .await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, code),
        "{problem}"
    );
    Ok(())
}

/// A break of each kind.
async fn differences_have_names(
    world: &World,
    run_no: RunNo,
    ours: &[Instruction],
    theirs: &[Instruction],
) -> anyhow::Result<()> {
    let bank = institution(OURS);
    let more = Money::sum([pension(1), Money::dong(1)]);
    let never = Position {
        run: RunNo(999),
        chunk: ChunkNo(7),
        line: LineNo(7),
        ..ours[0].end_to_end_id
    };
    let entries = spoilt(world, ours, theirs, (more, never))?;
    let page = statement(bank, 1, (NOTHING, Money::dong(900_000_000)), entries);
    assert_eq!(world.state(&page).await?, "matched");

    let at = |index: usize| Some(ours[index].end_to_end_id);
    let expected = vec![
        ("account_differs", at(1), pension(2)),
        ("amount_differs", at(0), more),
        ("contradicting_result", at(6), pension(7)),
        ("day_differs", at(7), pension(8)),
        ("debited_though_rejected", at(3), pension(4)),
        ("debited_twice", at(2), pension(3)),
        ("debited_without_result", at(4), pension(5)),
        ("fee_taken", None, Money::dong(11)),
        ("not_instructed", None, Money::dong(7)),
        ("not_instructed", Some(never), Money::dong(70)),
        ("not_on_statement", at(5), pension(6)),
        ("return_unexplained", None, Money::dong(5)),
        ("returned_after_credit", at(8), pension(9)),
        ("returned_twice", at(8), pension(9)),
        (
            "wrong_institution",
            Some(theirs[0].end_to_end_id),
            pension(13),
        ),
    ];
    assert_eq!(breaks(world, "payments").await?, expected);
    assert_eq!(breaks(world, "reconciliation").await?, expected);
    let it = world.summary(run_no).await?;
    assert_eq!((it.matched_lines, it.missing_lines, it.breaks), (7, 3, 11));

    let gone = (expected.iter())
        .filter(|(kind, ..)| kind.starts_with("debited") || DEBITS.contains(kind))
        .map(|(_, _, amount)| *amount);
    let brought = expected
        .iter()
        .filter(|(kind, ..)| kind.starts_with("return"));
    let brought = Money::sum(brought.map(|(_, _, amount)| *amount));
    let suspense = world.balance(Account::suspense(bank)).await?;
    assert_eq!(-suspense, Money::sum(gone).units() - brought.units());
    let settled = world.balance(Account::settlement(bank)).await?;
    assert_eq!(-settled, it.matched_total.units());
    rules_are_counted(world).await
}

const DEBITS: [&str; 5] = [
    "account_differs",
    "amount_differs",
    "fee_taken",
    "not_instructed",
    "wrong_institution",
];

/// What the bank books: most of it is right, and something of each kind is not.
fn spoilt(
    world: &World,
    ours: &[Instruction],
    theirs: &[Instruction],
    (more, never): (Money, Position),
) -> anyhow::Result<Vec<StatementEntry>> {
    let bank = institution(OURS);
    let mut entries: Vec<StatementEntry> = ours.iter().map(entry).collect();
    entries[0].amount = more;
    let second = entries[1].end_to_end_id.clone();
    entries[1].account = Some(world.account_beside((bank, &ours[0]), (bank, &second))?);
    entries[7].booked_on = page_date().succ_opt();
    let returned = || StatementEntry {
        kind: EntryKind::Return,
        ..entry(&ours[8])
    };
    // What came back stands before what was debited, and is read after it all the same.
    entries.insert(0, returned());
    entries.push(returned());
    entries.retain(|it| it.end_to_end_id != ours[5].end_to_end_id.to_string());
    entries.push(entry(&ours[2]));
    let foreign = theirs[0].end_to_end_id.to_string();
    let account = world.account_beside((institution(OTHER), &theirs[0]), (bank, &foreign))?;
    entries.push(StatementEntry {
        account: Some(account),
        ..entry(&theirs[0])
    });
    for (id, kind, amount) in [
        (never.to_string(), EntryKind::Payment, 70),
        ("PHI-DICH-VU".to_owned(), EntryKind::Payment, 7),
        ("PHI-12/2026".to_owned(), EntryKind::Charge, 11),
        ("TRA-LAI".to_owned(), EntryKind::Return, 5),
    ] {
        entries.push(StatementEntry {
            amount: Money::dong(amount),
            account: Some(world.account_beside((bank, &ours[0]), (bank, &id))?),
            end_to_end_id: id,
            kind,
            ..entry(&ours[0])
        });
    }
    Ok(entries)
}

fn page_date() -> NaiveDate {
    statement(institution(OURS), 1, (NOTHING, NOTHING), vec![]).date
}

/// Each rule says how often it decided, in the order in which they are asked.
async fn rules_are_counted(world: &World) -> anyhow::Result<()> {
    let hits: Vec<(String, i64)> = sqlx::query_as(
        "SELECT rule, sum(hits)::bigint FROM reconciliation.rule_hits
        WHERE institution = $1 AND statement_no = 1 GROUP BY priority, rule ORDER BY priority",
    )
    .bind(institution(OURS).number())
    .fetch_all(&world.pool)
    .await?;
    let expected = [
        ("exact", 7),
        ("fee_taken", 1),
        ("returned_twice", 1),
        ("returned_after_credit", 1),
        ("return_unexplained", 1),
        ("not_instructed", 2),
        ("wrong_institution", 1),
        ("amount_differs", 1),
        ("account_differs", 1),
        ("debited_twice", 1),
        ("debited_though_rejected", 1),
        ("debited_without_result", 1),
        ("day_differs", 1),
        ("not_on_statement", 1),
        ("contradicting_result", 1),
    ];
    let expected = expected.map(|(rule, hits)| (rule.to_owned(), hits));
    assert_eq!(hits, expected);
    Ok(())
}

/// Kind, line and amount of every break that a service knows, in their order.
async fn breaks(
    world: &World,
    service: &str,
) -> anyhow::Result<Vec<(&'static str, Option<Position>, Money)>> {
    type Row = (String, Option<i64>, i16, Option<i32>, Option<i32>, Money);
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT kind, run_no, part, chunk, line, amount FROM {service}.breaks
        ORDER BY kind, amount"
    )))
    .fetch_all(&world.pool)
    .await?;
    let mut breaks = Vec::new();
    for (kind, run_no, part, chunk, line, amount) in rows {
        let position = match (run_no, chunk, line) {
            (Some(run_no), Some(chunk), Some(line)) => Some(Position {
                run: RunNo(run_no),
                part: part.try_into()?,
                chunk: ChunkNo(chunk),
                line: LineNo(line),
            }),
            _ => None,
        };
        let kind = BreakKind::ALL.into_iter().find(|it| it.code() == kind);
        let kind = kind.expect("a kind of break").code();
        breaks.push((kind, position, amount));
    }
    Ok(breaks)
}

type Change = fn(&mut StatementPage);

/// Refused as a whole, whatever is right in it; the bank's next number may be right.
async fn a_statement_that_does_not_add_up_leads_to_nothing(
    world: &World,
    theirs: &[Instruction],
) -> anyhow::Result<()> {
    let bank = institution(OTHER);
    let entries: Vec<StatementEntry> = theirs.iter().map(entry).collect();
    let received = Money::sum(theirs.iter().map(|it| it.amount));
    let right = |number| statement(bank, number, (NOTHING, received), entries.clone());
    let wrong: [(Change, &str); 7] = [
        (|it| it.entries_count += 1, "statement_total_mismatch"),
        (
            |it| it.debits = Money::sum([it.debits, Money::dong(1)]),
            "statement_total_mismatch",
        ),
        (
            |it| it.closing = Money::dong(1),
            "statement_balance_mismatch",
        ),
        (
            |it| it.received = Money::sum([it.received, Money::dong(1)]),
            "statement_balance_mismatch",
        ),
        (
            |it| (it.opening, it.closing) = (Money::dong(1), Money::dong(1)),
            "statement_opening_mismatch",
        ),
        // Sealed for another entry, and not sealed at all.
        (
            |it| it.entries[0].account = it.entries[1].account.clone(),
            "account_unreadable",
        ),
        (
            |it| it.entries[0].account = Some(Sealed::from(b"0011004000013".to_vec())),
            "account_unreadable",
        ),
    ];
    let books = ledger::trial_balance(&world.pool).await?;
    let mut refused = Vec::new();
    for (number, (change, code)) in (1..).zip(wrong) {
        let mut page = right(number);
        change(&mut page);
        assert_eq!(world.state(&page).await?, format!("refused {code}"));
        refused.push((number, code.to_owned()));
    }
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    the_next_number_may_be_right(world, &right(8), &mut refused).await?;
    let told: Vec<(i64, String)> = sqlx::query_as(
        "SELECT statement_no, code FROM reconciliation.refusals WHERE institution = $1
        ORDER BY refusal_no",
    )
    .bind(bank.number())
    .fetch_all(&world.pool)
    .await?;
    assert_eq!(told, refused);
    Ok(())
}

async fn the_next_number_may_be_right(
    world: &World,
    page: &StatementPage,
    refused: &mut Vec<(i64, String)>,
) -> anyhow::Result<()> {
    let (bank, one) = (page.institution, Money::dong(1));
    let books = ledger::trial_balance(&world.pool).await?;
    let mut foreign = Event::of(
        &statement(institution(OURS), 8, (NOTHING, one), vec![]),
        Utc::now(),
    );
    foreign.speaker = events::bank_in_statement(bank);
    foreign.subject = format!("{}.v2", foreign.speaker);
    world.say(vec![foreign]).await?;
    refused.push((8, "not_your_statement".to_owned()));
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    assert_eq!(world.state(page).await?, "matched");
    let settled = world.balance(Account::settlement(bank)).await?;
    assert_eq!(-settled, page.debits.units());
    assert_eq!(world.balance(Account::suspense(bank)).await?, 0);
    let books = ledger::trial_balance(&world.pool).await?;
    let again = Event {
        id: Uuid::now_v7(),
        ..Event::of(page, Utc::now())
    };
    world.say(vec![again]).await?;
    refused.push((8, "statement_repeated".to_owned()));
    let [mut first, mut second] = [1, 2].map(|page| StatementPage {
        page,
        pages: 2,
        ..statement(bank, 9, (NOTHING, one), vec![])
    });
    first.part = "5".parse::<i16>()?.try_into()?;
    second.part = first.part;
    second.closing = NOTHING;
    world.say(vec![Event::of(&first, Utc::now())]).await?;
    assert_eq!(
        world.state(&second).await?,
        "refused statement_header_differs"
    );
    refused.push((9, "statement_header_differs".to_owned()));
    // What was refused is no gap: the next one goes on from the last that was right.
    let next_day = statement(bank, 10, (NOTHING, one), vec![]);
    assert_eq!(world.state(&next_day).await?, "matched");
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    Ok(())
}
