//! What was not paid is paid again: by a run of its own, another way where one has failed, and never
//! while the attempt before may still pay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use chrono::{NaiveDate, TimeDelta, Utc};
use domain::{CASH_AGENT, Channel, Institution, Money, Part, Programme, RunNo};
use events::{
    Event, HoldReason, Instruction, LifeEventTold, LifeEventsTold, PayeeHold, ResultLine,
};
use ledger::Account;
use payments::{LineRow, OpenReissue};
use privacy::Field;
use serde_json::{Value, to_value};

use crate::world::{
    MAKER, PAYING_BANK, Paid, World, credited, entry, institution, officer, pension, pensioners,
    rejected, statement,
};

const PROGRAMME: Programme = Programme::RetirementPension;

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_is_paid_another_way_and_each_attempt_follows_one() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(&[Some(PAYING_BANK); 6]);
    world.register(registry).await?;
    world.link(links).await?;
    let first = world.released(PROGRAMME).await?;
    let funds = world
        .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
        .await?;
    let bank = institution(PAYING_BANK);
    let told = world.instructions(bank).await?;
    // The fourth is not answered yet; the sixth is reported dead.
    let answers = [
        credited(&told[0]),
        rejected(&told[1]),
        because(&told[2], "TM01"),
        credited(&told[4]),
        because(&told[5], "MD07"),
    ];
    world.answer(bank, answers.to_vec()).await?;
    what_may_still_pay_or_has_paid_is_not_paid_again(&world, first).await?;
    let second = one_of_two_opens_the_run(&world).await?;
    a_closed_account_is_not_tried_again(&world, second).await?;
    pay(&world, second).await?;
    nothing_was_committed_again(&world, funds).await?;
    let problem = refused(&world, "third", reissue(&world)).await?;
    assert_eq!(problem, (409, "nothing_to_pay".to_owned()));

    // The third died: the attempt that is out is asked back, not the one that was rejected.
    tell_death(&world, 3).await?;
    let asked = payments::exceptions(&world.pool, second, 10).await?;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].kind, "recall");
    let again = world.instructions(bank).await?.into_iter();
    let again: Vec<Instruction> = again.filter(|it| it.end_to_end_id.run == second).collect();
    world.answer(bank, vec![credited(&again[0])]).await?;
    let overpaid = "SELECT run_no FROM payments.overpayments WHERE state = 'open'";
    assert_eq!(world.number(overpaid).await?, second.0);

    let cash = world.instructions(CASH_AGENT).await?;
    world
        .answer(CASH_AGENT, vec![because(&cash[0], "CUST")])
        .await?;
    world.answer(bank, vec![credited(&told[3])]).await?;
    let third = by_name_the_reported_dead_are_paid_too(&world, first, second).await?;
    pay(&world, third).await?;
    let cash: Vec<Instruction> = world.instructions(CASH_AGENT).await?;
    let last: Vec<ResultLine> = cash
        .iter()
        .filter(|it| it.end_to_end_id.run == third)
        .map(credited)
        .collect();
    assert_eq!(last.len(), 2);
    world.answer(CASH_AGENT, last).await?;
    everything_is_closed(&world, [first, second, third], (&told, &again, &cash)).await?;
    the_lineage_is_shown(&world, first).await?;
    an_attempt_that_follows_a_living_one_is_found(&world).await?;
    world.close().await
}

fn reissue(world: &World) -> OpenReissue {
    OpenReissue {
        officer: officer(MAKER),
        programme: PROGRAMME,
        period: world.period,
        business_date: world.business_date,
        lines: Vec::new(),
        from: Vec::new(),
    }
}

async fn refused(world: &World, key: &str, body: OpenReissue) -> anyhow::Result<(u16, String)> {
    let problem = world.refused("open-reissue", key, &to_value(body)?).await?;
    Ok((problem.status, problem.code))
}

fn because(of: &Instruction, reason: &str) -> ResultLine {
    ResultLine {
        reason: Some(reason.to_owned()),
        ..rejected(of)
    }
}

async fn line(world: &World, run_no: RunNo, number: usize) -> anyhow::Result<LineRow> {
    let mut lines = world.lines(run_no).await?.into_iter();
    let found = lines.find(|it| it.amount == pension(number));
    found.with_context(|| format!("{run_no} pays the pensioner {number}"))
}

async fn what_may_still_pay_or_has_paid_is_not_paid_again(
    world: &World,
    first: RunNo,
) -> anyhow::Result<()> {
    for (number, code) in [(1, "paid"), (4, "in_transit")] {
        let named = OpenReissue {
            lines: vec![line(world, first, number).await?.end_to_end_id],
            ..reissue(world)
        };
        let problem = refused(world, code, named).await?;
        assert_eq!(problem, (409, code.to_owned()));
    }
    let mut unknown = reissue(world);
    unknown.period = "2026-11".parse()?;
    let problem = refused(world, "period", unknown).await?;
    assert_eq!(problem, (404, "run_unknown".to_owned()));
    let mut other = reissue(world);
    other.from = vec![RunNo(99)];
    let problem = refused(world, "other", other).await?;
    assert_eq!(problem, (409, "other_period".to_owned()));
    Ok(())
}

/// Two officers at the same moment: the second finds the run of the first.
async fn one_of_two_opens_the_run(world: &World) -> anyhow::Result<RunNo> {
    let body = to_value(reissue(world))?;
    let (one, two) = tokio::join!(
        world.ask("open-reissue", "one", &body),
        world.ask("open-reissue", "two", &body),
    );
    let opened: Vec<Value> = [one, two].into_iter().filter_map(Result::ok).collect();
    assert_eq!(opened.len(), 1, "{opened:?}");
    let it = &opened[0];
    assert_eq!((&it["lines"], &it["series"]), (&2.into(), &1.into()));
    assert_eq!(it["left_out"]["reported_dead"], 1);
    Ok(it["run"].as_str().context("a number")?.parse()?)
}

async fn a_closed_account_is_not_tried_again(world: &World, second: RunNo) -> anyhow::Result<()> {
    world.until_state(second, "awaiting_approval").await?;
    let it = world.summary(second).await?;
    assert_eq!((it.series, it.lines), (1, 2));
    assert_eq!(it.total, Money::sum([pension(2), pension(3)]));
    let (closed, late) = (line(world, second, 2).await?, line(world, second, 3).await?);
    assert_eq!(
        (closed.institution, closed.channel),
        (CASH_AGENT, Channel::Cash)
    );
    assert_eq!(late.institution, institution(PAYING_BANK));
    Ok(())
}

/// Through approval and release, as every run.
async fn pay(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    world.until_state(run_no, "awaiting_approval").await?;
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await?;
    world.release(run_no).await?;
    world.until_state(run_no, "released").await
}

async fn nothing_was_committed_again(world: &World, funds: i128) -> anyhow::Result<()> {
    assert_eq!(
        world
            .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
            .await?,
        funds
    );
    assert_eq!(
        world
            .balance(Account::commitment(PROGRAMME, world.budget_year()))
            .await?,
        0
    );
    let payable = world.balance(Account::payable(PROGRAMME)).await?;
    assert_eq!(payable, pension(6).units());
    // The cash for the second has moved on from the bank that sent it back; that of the third lay
    // there already, and the bank has what it was given for the others.
    let at_bank = Account::treasury_cash_at(institution(PAYING_BANK));
    let given: Vec<Money> = [1, 3, 4, 5, 6].map(pension).to_vec();
    assert_eq!(-world.balance(at_bank).await?, Money::sum(given).units());
    let at_agent = Account::treasury_cash_at(CASH_AGENT);
    assert_eq!(-world.balance(at_agent).await?, pension(2).units());
    Ok(())
}

async fn by_name_the_reported_dead_are_paid_too(
    world: &World,
    first: RunNo,
    second: RunNo,
) -> anyhow::Result<RunNo> {
    let succeeded = OpenReissue {
        lines: vec![line(world, first, 2).await?.end_to_end_id],
        ..reissue(world)
    };
    let problem = refused(world, "succeeded", succeeded).await?;
    assert_eq!(problem, (409, "issued_again".to_owned()));
    let body = OpenReissue {
        lines: vec![
            line(world, first, 6).await?.end_to_end_id,
            line(world, second, 2).await?.end_to_end_id,
        ],
        ..reissue(world)
    };
    let answer = world.ask("open-reissue", "named", &to_value(body)?).await?;
    assert_eq!(
        (&answer["lines"], &answer["series"]),
        (&2.into(), &2.into())
    );
    Ok(answer["run"].as_str().context("a number")?.parse()?)
}

type Told<'a> = (&'a [Instruction], &'a [Instruction], &'a [Instruction]);

async fn everything_is_closed(
    world: &World,
    runs: [RunNo; 3],
    (told, again, cash): Told<'_>,
) -> anyhow::Result<()> {
    let bank = institution(PAYING_BANK);
    let [_, second, third] = runs;
    let paid_by_bank = [0, 3, 4].map(|it| &told[it]).into_iter().chain(again);
    let paid_in_cash = cash.iter().filter(|it| it.end_to_end_id.run == third);
    day(world, bank, paid_by_bank).await?;
    day(world, CASH_AGENT, paid_in_cash).await?;
    for run_no in runs {
        world.close_run(run_no).await?;
    }
    assert_eq!(world.summary(second).await?.returned_lines, 1);
    assert_eq!(world.balance(Account::payable(PROGRAMME)).await?, 0);
    Ok(())
}

async fn day<'a>(
    world: &World,
    bank: Institution,
    paid: impl Iterator<Item = &'a Instruction>,
) -> anyhow::Result<()> {
    let entries: Vec<_> = paid.map(entry).collect();
    let received = Money::sum(entries.iter().map(|it| it.amount));
    let page = statement(bank, 1, (Money::ZERO, received), entries);
    assert_eq!(world.state(&page).await?, "matched");
    Ok(())
}

async fn the_lineage_is_shown(world: &World, first: RunNo) -> anyhow::Result<()> {
    let at = line(world, first, 2).await?.end_to_end_id;
    let rows = payments::lineage(&world.pool, at).await?;
    let shown: Vec<_> = rows
        .iter()
        .map(|it| (it.attempt, it.series, it.channel, &it.state[..]))
        .collect();
    let expected = [
        (1, 0, Channel::BankAccount, "returned"),
        (2, 1, Channel::Cash, "returned"),
        (3, 2, Channel::Cash, "credited"),
    ];
    assert_eq!(shown, expected);
    // The same from whichever attempt.
    let last = rows[2].end_to_end_id;
    assert_eq!(payments::lineage(&world.pool, last).await?.len(), 3);
    Ok(())
}

/// No program of ours writes it; the check finds who does.
async fn an_attempt_that_follows_a_living_one_is_found(world: &World) -> anyhow::Result<()> {
    let change = "ALTER TABLE payments.results DISABLE TRIGGER append_only;
        UPDATE payments.results r SET status = 'credited', reason = NULL
        FROM payments.attempts a WHERE a.attempt = 3
            AND (r.run_no, r.part, r.chunk, r.line)
                = (a.before_run_no, a.part, a.before_chunk, a.before_line);
        ALTER TABLE payments.results ENABLE TRIGGER append_only";
    let back = change.replace("'credited', reason = NULL", "'rejected', reason = 'CUST'");
    for (change, is_found) in [(change.to_owned(), true), (back, false)] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&world.pool)
            .await?;
        let found = ansinh::check_all(&world.pool).await?;
        let living = found.iter().find(|it| it.name == "one_living_attempt");
        let living = living.context("it is checked")?;
        // The attempt behind it, and the obligation.
        assert_eq!(living.broken.len(), 2 * usize::from(is_found), "{living:?}");
    }
    Ok(())
}

async fn tell_death(world: &World, number: u32) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: format!("deaths-{number}"),
        events: vec![LifeEventTold {
            event_id: format!("D{number}"),
            citizen_index: keys.index(Field::CitizenNumber, &format!("001048{number:06}")),
            kind: "death".to_owned(),
            happened_on: NaiveDate::from_ymd_opt(2026, 11, 10).context("a date")?,
            revoked: false,
            province: None,
            commune: None,
        }],
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    world.until_heard("accounts", events::ELIGIBILITY).await?;
    world.until_heard("payments", events::ACCOUNTS).await
}

/// It was in no approval, so nobody had committed money to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_its_account_held_is_committed_when_it_is_paid_again() -> anyhow::Result<()> {
    let cools = Arc::new(AtomicBool::new(true));
    let says = {
        let cools = Arc::clone(&cools);
        move |number| Paid {
            hold: (number == 2 && cools.load(Ordering::SeqCst)).then(|| PayeeHold {
                reason: HoldReason::CoolingOff,
                until: Some(Utc::now() + TimeDelta::hours(72)),
            }),
            ..Paid::default()
        }
    };
    let world = World::with_hand_played_accounts(|_| {}, Arc::new(says)).await?;
    let (registry, _) = pensioners(&[None; 3]);
    world.register(registry).await?;
    let first = world.released(PROGRAMME).await?;
    let funds = world
        .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
        .await?;
    let problem = refused(&world, "early", reissue(&world)).await?;
    assert_eq!(problem, (409, "nothing_to_pay".to_owned()));

    sqlx::query("UPDATE payments.exceptions SET hold_until = now() WHERE kind = 'held'")
        .execute(&world.pool)
        .await?;
    let over = "SELECT count(*) FROM payments.exceptions WHERE to_issue_again";
    world
        .until("the hold is over", async || {
            Ok(world.number(over).await? == 1)
        })
        .await?;
    cools.store(false, Ordering::SeqCst);
    let body = to_value(reissue(&world))?;
    let answer = world.ask("open-reissue", "again", &body).await?;
    let second: RunNo = answer["run"].as_str().context("a number")?.parse()?;
    pay(&world, second).await?;
    assert_eq!(
        world
            .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
            .await?,
        funds - pension(2).units()
    );
    assert_eq!(
        world
            .balance(Account::commitment(PROGRAMME, world.budget_year()))
            .await?,
        0
    );
    let held = payments::exceptions(&world.pool, first, 10).await?;
    assert_eq!(held[0].detail, "cooling_off is over, issued again");

    let bank = institution(PAYING_BANK);
    let told = world.instructions(bank).await?;
    assert_eq!(told.len(), 3);
    world
        .answer(bank, told.iter().map(credited).collect())
        .await?;
    day(&world, bank, told.iter()).await?;
    for run_no in [first, second] {
        world.close_run(run_no).await?;
    }
    let problem = refused(&world, "late", reissue(&world)).await?;
    assert_eq!(problem, (409, "nothing_to_pay".to_owned()));
    world.close().await
}
