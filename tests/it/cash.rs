//! Cash at communes: lists, what an agent returns of them, and that cash and a transfer exclude each
//! other.

use anyhow::Context;
use domain::{CASH_AGENT, Money, Position, Programme, RunNo};
use events::{Instruction, ResultLine};
use futures::{StreamExt, TryStreamExt};
use ledger::Account;
use payments::{
    AgeCash, CashList, CashListQuery, CashReturn, CashRow, CashStatement, MoveCash, OpenReissue,
    SignedAct, TakeCash,
};
use serde_json::{Value, to_value};

use crate::world::signing::{key_of, sign};
use crate::world::{
    MAKER, PAYING_BANK, REGISTRY_HEADER, World, credited, entry, institution, officer, pension,
    pensioner, pensioners, rejected, statement,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const CASHIER: &str = "do.giang";
const BA_DINH: i32 = 4;

/// The first three live in Ba Đình, and the seventh alone has an account.
async fn handed_over() -> anyhow::Result<(World, RunNo)> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let header = REGISTRY_HEADER.replace('\n', ",commune\n");
    let rows = (1..=7).map(|number: usize| {
        let commune = if number <= 3 { "00004" } else { "" };
        pensioner(number, 5_000_000 + number * 10_000).replace('\n', &format!(",{commune}\n"))
    });
    world.register(header + &rows.collect::<String>()).await?;
    let mut banks = [None; 7];
    banks[6] = Some(PAYING_BANK);
    world.link(pensioners(&banks).1).await?;
    let run_no = world.released(PROGRAMME).await?;
    let summary = world.summary(run_no).await?;
    // The key by which the cashier signs.
    world
        .signature(SignedAct::Release, CASHIER, &summary)
        .await?;
    Ok((world, run_no))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cash_list_is_paid_moved_and_returned_and_each_entry_ends_once() -> anyhow::Result<()> {
    let (world, first) = handed_over().await?;
    a_list_shows_masks_and_is_logged(&world, first).await?;
    let cash = world.instructions(CASH_AGENT).await?;
    let lines: Vec<Position> = cash.iter().map(|it| it.end_to_end_id).collect();
    the_first_decision_stands(&world, &lines).await?;
    a_return_is_taken_whole_once_and_signed(&world, first, &cash).await?;

    // The second has an account by now; the fifth has none, and was not fetched.
    let mut banks = [None; 7];
    (banks[1], banks[6]) = (Some(PAYING_BANK), Some(PAYING_BANK));
    world.link(pensioners(&banks).1).await?;
    let second = paid_again(&world, Vec::new()).await?;
    let told = world.instructions(institution(PAYING_BANK)).await?;
    let amounts: Vec<Money> = told.iter().map(|it| it.amount).collect();
    assert_eq!(amounts, [2, 7].map(pension));
    world
        .answer(
            institution(PAYING_BANK),
            told.iter().map(credited).collect(),
        )
        .await?;
    let again: Vec<Instruction> = world
        .instructions(CASH_AGENT)
        .await?
        .into_iter()
        .filter(|it| it.end_to_end_id.run == second)
        .collect();
    assert_eq!(again.len(), 1);
    take(&world, lines[5], "PC-6").await?;

    what_nobody_fetches_waits_until_it_is_asked_for(&world, &again[0]).await?;
    let third = paid_again(&world, vec![again[0].end_to_end_id]).await?;
    assert_eq!(world.balance(Account::unclaimed(PROGRAMME)).await?, 0);
    let last = world.instructions(CASH_AGENT).await?.into_iter();
    let last: Vec<Instruction> = last.filter(|it| it.end_to_end_id.run == third).collect();
    take(&world, last[0].end_to_end_id, "PC-5").await?;

    let in_cash = [&cash[0], &cash[2], &cash[3], &cash[5], &last[0]];
    day(&world, CASH_AGENT.to_string().as_str(), &in_cash).await?;
    day(&world, PAYING_BANK, &told.iter().collect::<Vec<_>>()).await?;
    for run_no in [first, second, third] {
        world.close_run(run_no).await?;
    }
    world.close().await
}

async fn list(world: &World, run_no: RunNo, commune: Option<i32>) -> anyhow::Result<CashList> {
    let pool = world.target.pool(Some("ansinh_payments")).await?;
    let query = CashListQuery {
        officer: officer(CASHIER),
        run_no,
        commune,
        unmask: false,
    };
    let list =
        payments::cash_list(&pool, &world.target.keys()?, &query, chrono::Utc::now()).await?;
    pool.close().await;
    Ok(list)
}

async fn a_list_shows_masks_and_is_logged(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let all = list(world, run_no, None).await?;
    assert_eq!(all.entries.len(), 6);
    let of_commune = list(world, run_no, Some(BA_DINH)).await?;
    let sum = Money::sum([1, 2, 3].map(pension));
    assert_eq!((of_commune.entries.len(), of_commune.total), (3, sum));
    assert_eq!(of_commune.in_words, sum.in_words());
    assert_eq!(of_commune.place, "Phường Ba Đình");
    for it in &all.entries {
        assert!(it.name.starts_with("N•••"), "{it:?}");
        assert_eq!(it.state, "open");
    }
    let looks = "SELECT count(*) FROM privacy.access_log WHERE actor = 'do.giang' AND NOT unmasked";
    assert_eq!(world.number(looks).await?, 6 + 3);
    Ok(())
}

async fn take(world: &World, line: Position, receipt: &str) -> anyhow::Result<Value> {
    let body = to_value(taking(world, line, receipt))?;
    let key = format!("take-{line}");
    world.ask("take-cash", &key, &body).await
}

fn taking(world: &World, line: Position, receipt: &str) -> TakeCash {
    TakeCash {
        officer: officer(CASHIER),
        line,
        receipt: receipt.to_owned(),
        paid_on: world.business_date,
    }
}

fn moving(world: &World, line: Position) -> MoveCash {
    MoveCash {
        officer: officer(CASHIER),
        line,
        moved_on: world.business_date,
    }
}

async fn the_first_decision_stands(world: &World, lines: &[Position]) -> anyhow::Result<()> {
    let at_bank = world.instructions(institution(PAYING_BANK)).await?;
    let at_bank = at_bank[0].end_to_end_id;
    take(world, lines[0], "PC-1").await?;
    let moved = to_value(moving(world, lines[1]))?;
    world.ask("move-cash", "second", &moved).await?;
    let books = ledger::trial_balance(&world.pool).await?;
    for (line, command, code) in [
        (at_bank, "take-cash", "in_transit"),
        (at_bank, "move-cash", "in_transit"),
        (lines[0], "take-cash", "already_paid"),
        (lines[0], "move-cash", "already_paid"),
        (lines[1], "take-cash", "already_cancelled"),
        (lines[1], "move-cash", "already_cancelled"),
    ] {
        let body = if command == "take-cash" {
            to_value(taking(world, line, "PC-9"))?
        } else {
            to_value(moving(world, line))?
        };
        let problem = world
            .refused(command, &format!("{line}{code}"), &body)
            .await?;
        assert_eq!((problem.status, &problem.code[..]), (409, code));
    }
    let problem = world
        .refused(
            "take-cash",
            "receipt",
            &to_value(taking(world, lines[2], " "))?,
        )
        .await?;
    assert_eq!(problem.code, "receipt_missing");
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    Ok(())
}

/// The first was paid and stands; the third and the fourth are paid, the fifth is not.
fn returning(world: &World, run_no: RunNo, cash: &[Instruction]) -> CashReturn {
    let row = |number: usize, is_paid| CashRow {
        line: cash[number - 1].end_to_end_id,
        is_paid,
        amount: pension(number),
    };
    let rows = vec![row(1, true), row(3, true), row(4, true), row(5, false)];
    CashReturn {
        officer: officer(CASHIER),
        institution: CASH_AGENT,
        run_no,
        return_no: "BK01/2026".to_owned(),
        paid_on: world.business_date,
        handed_over: Money::sum([1, 3, 4, 5].map(pension)),
        paid: Money::sum([1, 3, 4].map(pension)),
        balance: pension(5),
        rows,
        signature: None,
    }
}

fn signed(mut of: CashReturn) -> CashReturn {
    of.signature = Some(sign(&key_of(CASHIER), &CashStatement { of: &of }));
    of
}

async fn a_return_is_taken_whole_once_and_signed(
    world: &World,
    run_no: RunNo,
    cash: &[Instruction],
) -> anyhow::Result<()> {
    let good = || returning(world, run_no, cash);
    let more = |it: &mut Money| *it = Money::sum([*it, Money::dong(1)]);
    let mut sums = good();
    more(&mut sums.paid);
    let mut amount = good();
    more(&mut amount.rows[1].amount);
    more(&mut amount.handed_over);
    more(&mut amount.paid);
    let mut after = signed(good());
    after.rows[3].is_paid = true;
    (after.paid, after.balance) = (after.handed_over, Money::ZERO);
    let books = ledger::trial_balance(&world.pool).await?;
    for (body, code) in [
        (signed(sums), "control_totals_differ"),
        (signed(amount), "amount_mismatch"),
        (good(), "signature_missing"),
        (after, "signature_invalid"),
    ] {
        let problem = world.refused("cash-return", code, &to_value(body)?).await?;
        assert_eq!(problem.code, code);
        assert_eq!(ledger::trial_balance(&world.pool).await?, books, "{code}");
    }
    let body = to_value(signed(good()))?;
    let answer = world.ask("cash-return", "good", &body).await?;
    assert_eq!(
        (&answer["applied"], &answer["answered_before"]),
        (&3.into(), &1.into())
    );
    let problem = world.refused("cash-return", "again", &body).await?;
    assert_eq!(problem.code, "return_repeated");
    let kept = "SELECT count(*) FROM payments.result_refusals WHERE code = 'duplicate_result'";
    assert_eq!(world.number(kept).await?, 1);
    Ok(())
}

fn reissue(world: &World, lines: Vec<Position>) -> OpenReissue {
    OpenReissue {
        officer: officer(MAKER),
        programme: PROGRAMME,
        period: world.period,
        business_date: world.business_date,
        lines,
        from: Vec::new(),
    }
}

async fn paid_again(world: &World, lines: Vec<Position>) -> anyhow::Result<RunNo> {
    let body = reissue(world, lines);
    let key = format!("again-{}", body.lines.len());
    let answer = world.ask("open-reissue", &key, &to_value(body)?).await?;
    let run_no: RunNo = answer["run"].as_str().context("a number")?.parse()?;
    world.until_state(run_no, "awaiting_approval").await?;
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await?;
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    Ok(run_no)
}

async fn day(world: &World, bank: &str, paid: &[&Instruction]) -> anyhow::Result<()> {
    let entries: Vec<_> = paid.iter().map(|it| entry(it)).collect();
    let received = Money::sum(entries.iter().map(|it| it.amount));
    let page = statement(institution(bank), 1, (Money::ZERO, received), entries);
    assert_eq!(world.state(&page).await?, "matched");
    Ok(())
}

/// Its first list was of the first of December: three months later, and not a day before, it is
/// unclaimed.
async fn what_nobody_fetches_waits_until_it_is_asked_for(
    world: &World,
    entry: &Instruction,
) -> anyhow::Result<()> {
    let not_fetched = ResultLine {
        reason: Some("CUST".to_owned()),
        ..rejected(entry)
    };
    world.answer(CASH_AGENT, vec![not_fetched]).await?;
    for (as_of, lines) in [("2027-02-28", 0), ("2027-03-01", 1), ("2027-03-01", 0)] {
        let body = AgeCash {
            officer: officer(CASHIER),
            as_of: as_of.parse()?,
        };
        let key = format!("age-{as_of}-{lines}");
        let answer = world.ask("age-cash", &key, &to_value(body)?).await?;
        assert_eq!(answer["lines"], lines, "{as_of}");
    }
    let waits = world.balance(Account::unclaimed(PROGRAMME)).await?;
    assert_eq!(waits, entry.amount.units());
    assert_eq!(world.balance(Account::payable(PROGRAMME)).await?, 0);
    let alarms = "SELECT count(*) FROM payments.alarms WHERE kind = 'unclaimed'";
    assert_eq!(world.number(alarms).await?, 1);
    let body = to_value(reissue(world, Vec::new()))?;
    let problem = world.refused("open-reissue", "unasked", &body).await?;
    assert_eq!(problem.code, "nothing_to_pay");
    assert!(problem.detail.contains("1 unclaimed"), "{problem}");
    Ok(())
}

const RACES: usize = 1_000;

/// Whoever is first decides, a thousand times over.
#[tokio::test(flavor = "multi_thread")]
async fn of_cash_and_transfer_exactly_one_wins() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, _) = pensioners(&[None; RACES]);
    world.register(registry).await?;
    let run_no = world.released(PROGRAMME).await?;
    let cash = world.instructions(CASH_AGENT).await?;
    assert_eq!(cash.len(), RACES);
    let lines: Vec<Position> = cash.iter().map(|it| it.end_to_end_id).collect();
    let race = async |line: Position| -> anyhow::Result<bool> {
        let (taken, moved) = (
            to_value(taking(&world, line, "PC"))?,
            to_value(moving(&world, line))?,
        );
        let (take, put) = (format!("take-{line}"), format!("move-{line}"));
        let (take, put) = (
            world.ask("take-cash", &take, &taken),
            world.ask("move-cash", &put, &moved),
        );
        // Who is asked first is not always the same.
        let (taken, moved) = if line.line.0 % 2 == 0 {
            tokio::join!(take, put)
        } else {
            let (moved, taken) = tokio::join!(put, take);
            (taken, moved)
        };
        anyhow::ensure!(
            taken.is_ok() != moved.is_ok(),
            "{line}: {taken:?} {moved:?}"
        );
        Ok(taken.is_ok())
    };
    let races = futures::stream::iter(lines).map(race).buffer_unordered(4);
    let taken: Vec<bool> = races.try_collect().await?;
    let paid = taken.iter().filter(|it| **it).count();
    assert!(paid > 0 && paid < RACES, "{paid} of {RACES} were paid");
    let it = world.summary(run_no).await?;
    assert_eq!(usize::try_from(it.credited_lines)?, paid);
    assert_eq!(
        (it.waiting_lines, it.credited_lines + it.returned_lines),
        (0, 1_000)
    );
    let open = "SELECT count(*) FROM payments.exceptions";
    assert_eq!(
        world.number(open).await?,
        0,
        "a refused decision leaves nothing"
    );
    let credited: Vec<Position> = world
        .lines(run_no)
        .await?
        .into_iter()
        .filter(|it| it.state == "credited")
        .map(|it| it.end_to_end_id)
        .collect();
    let paid: Vec<&Instruction> = cash
        .iter()
        .filter(|it| credited.binary_search(&it.end_to_end_id).is_ok())
        .collect();
    day(&world, &CASH_AGENT.to_string(), &paid).await?;
    world.close_run(run_no).await?;
    world.close().await
}
