//! The whole story of a month: from the registry file to the closed ledger.

use std::collections::BTreeMap;

use chrono::Utc;
use domain::{Institution, Money, Programme, Province, RunNo};
use intake::Report;
use ledger::{Account, AccountKind, AccountNo};
use payments::RunSummary;
use sandbox::people::{PROGRAMMES, Plan, Written, write_people};
use serde_json::to_value;

use crate::world::World;

const PEOPLE: u64 = 300;
const APPROPRIATED: u64 = 900_000_000_000;
/// The sandbox bank that leaves one line of each run's first partition without an answer.
const SILENT: i32 = 970_436;

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_paid_from_the_registry_file_to_the_closed_ledger() -> anyhow::Result<()> {
    let world = World::new().await?;
    let written = people_of(&world).await?;
    let mut runs = Vec::new();
    for programme in PROGRAMMES {
        world
            .appropriate_all(programme, Money::dong(APPROPRIATED))
            .await?;
        runs.push(world.open(programme).await?);
    }
    all_states(&world, &runs, "awaiting_approval").await?;
    for run_no in &runs {
        world.approve(*run_no).await?;
    }
    all_states(&world, &runs, "reserved").await?;
    for run_no in &runs {
        world.release(*run_no).await?;
    }
    all_states(&world, &runs, "released").await?;
    let mut silent = 0;
    for run_no in &runs {
        silent += everybody_is_answered_but_the_silent(&world, *run_no).await?;
    }
    assert!(silent > 0, "nobody has a line at {SILENT} in partition 0");
    world.end_of_day().await?;
    let mut summaries = Vec::new();
    for run_no in &runs {
        world
            .until("credited lines are matched", async || {
                let it = world.summary(*run_no).await?;
                Ok(it.matched_lines == it.credited_lines)
            })
            .await?;
        world.close_run(*run_no).await?;
        summaries.push(world.summary(*run_no).await?);
    }
    for it in &summaries {
        everybody_has_an_end(&world, it).await?;
        each_step_wrote_its_journals(&world, it).await?;
    }
    the_cash_list_is_who_has_no_account(&world, &summaries).await?;
    statements_wrote_their_journals(&world, &summaries).await?;
    accounts_say_what_the_runs_say(&world, &summaries).await?;
    a_screen_takes_one_connection(&world, &summaries).await?;
    every_banks_day_is_closed(&world, &summaries).await?;
    what_was_done_is_not_done_again(&world, &written).await?;
    world.close().await
}

/// The banks of the sandbox make no mistake: no difference, and their own books say the same.
async fn every_banks_day_is_closed(world: &World, summaries: &[RunSummary]) -> anyhow::Result<()> {
    let (agrees, said) = crate::recon::checked(&world.ground).await?;
    assert!(agrees, "{said}");
    world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    let (mut credited, mut in_flight) = (Vec::new(), Vec::new());
    for bank in Institution::connected() {
        let day = reconciliation::CloseDay {
            officer: "tran.chi".parse()?,
            institution: bank.institution,
            date: world.business_date,
        };
        crate::recon::ask(world, "close-day", &day).await?;
        let signed = reconciliation::report(&world.pool, bank.institution, day.date).await?;
        let equation = signed.expect("the day is closed").report.equation;
        assert_eq!(
            (equation.difference.lines, equation.difference.total),
            (0, Money::ZERO)
        );
        credited.push(equation.credited.total);
        in_flight.push(equation.in_flight.total);
    }
    let sum_of = |pick: fn(&RunSummary) -> Money| Money::sum(summaries.iter().map(pick));
    assert_eq!(Money::sum(credited), sum_of(|it| it.credited_total));
    assert_eq!(Money::sum(in_flight), sum_of(|it| it.unknown_total));
    Ok(())
}

async fn people_of(world: &World) -> anyhow::Result<Written> {
    let written = write_people(&Plan::new(PEOPLE, 9, world.period), &world.ground.home)?;
    let registered = world.register(std::fs::read(&written.people_csv)?).await?;
    assert_eq!(registered.sums.accepted.rows, PEOPLE);
    let linked = world.link(std::fs::read(&written.links_csv)?).await?;
    assert_eq!(linked.sums.accepted.rows, written.linked);
    Ok(written)
}

async fn all_states(world: &World, runs: &[RunNo], state: &str) -> anyhow::Result<()> {
    for run_no in runs {
        world.until_state(*run_no, state).await?;
    }
    Ok(())
}

/// One line of each run, where it has one at the silent bank; gives back how many.
async fn everybody_is_answered_but_the_silent(world: &World, run_no: RunNo) -> anyhow::Result<i64> {
    let at_silent = world
        .lines(run_no)
        .await?
        .into_iter()
        .filter(|it| it.institution.number() == SILENT && it.end_to_end_id.part.number() == 0);
    let silent = at_silent.map(|it| it.end_to_end_id).min();
    let expected = i64::from(silent.is_some());
    world
        .until("all but the silent line are answered", async || {
            let it = world.summary(run_no).await?;
            Ok(it.waiting_lines == 0 && it.unknown_lines == expected)
        })
        .await?;
    for line in world.lines(run_no).await? {
        let is_silent = Some(line.end_to_end_id) == silent;
        assert_eq!(line.state == "unknown", is_silent, "{line:?}");
        assert!(
            is_silent || line.state == "credited" || line.state == "returned",
            "{line:?}"
        );
    }
    Ok(expected)
}

async fn everybody_has_an_end(world: &World, it: &RunSummary) -> anyhow::Result<()> {
    assert_eq!(it.state, "closed");
    assert!(it.closed_at.is_some() && it.lines > 0);
    let people: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM eligibility.enrolments WHERE programme = $1 AND known_to IS NULL",
    )
    .bind(it.programme.number())
    .fetch_one(&world.pool)
    .await?;
    assert_eq!((it.people, it.lines + it.not_owed), (people, people));
    assert_eq!(
        it.lines,
        it.credited_lines + it.returned_lines + it.unknown_lines
    );
    let ends = [it.credited_total, it.returned_total, it.unknown_total];
    assert_eq!(it.total, Money::sum(ends));
    assert_eq!((it.released_lines, it.released_total), (it.lines, it.total));
    assert_eq!(
        (
            it.matched_lines,
            it.matched_total,
            it.missing_lines,
            it.breaks
        ),
        (it.credited_lines, it.credited_total, 0, 0)
    );
    assert_eq!(it.open_exceptions, it.unknown_lines);
    // In halves of what the province pays at least.
    let halves: &[u64] = match it.programme {
        Programme::SocialPension => &[2],
        Programme::SocialAssistance => &[3, 4, 5],
        _ => return Ok(()),
    };
    for line in world.lines(it.run_no).await? {
        // The country's level, that of Hà Nội and Hồ Chí Minh, that of Hải Phòng and Quảng Ninh.
        let levels = [540_000, 650_000, 700_000];
        let mut owed = halves
            .iter()
            .flat_map(|it| levels.map(|level| Money::dong(it * level / 2)));
        assert!(owed.any(|it| it == line.amount), "{line:?}");
    }
    Ok(())
}

/// Many look at runs at once: who holds a connection and waits for another stops them all.
async fn a_screen_takes_one_connection(world: &World, runs: &[RunSummary]) -> anyhow::Result<()> {
    let narrow = boot::database::connect(&world.ground.database_url, None, 1).await?;
    for run in runs {
        let again = payments::run_summary(&narrow, run.run_no).await?;
        assert_eq!(again.map(|it| it.lines), Some(run.lines));
    }
    narrow.close().await;
    Ok(())
}

/// Count, lines and đồng of each kind of journal that names the run.
async fn each_step_wrote_its_journals(world: &World, it: &RunSummary) -> anyhow::Result<()> {
    let rows: Vec<(String, i64, i64, Money)> = sqlx::query_as(
        "SELECT kind, count(*), sum(lines)::bigint, sum(total) FROM ledger.journals
        WHERE run_no = $1 GROUP BY kind",
    )
    .bind(it.run_no.0)
    .fetch_all(&world.pool)
    .await?;
    let mut journals: BTreeMap<String, (i64, i64, Money)> = rows
        .into_iter()
        .map(|(kind, count, lines, total)| (kind, (count, lines, total)))
        .collect();
    let mut of = |kind| journals.remove(kind).unwrap_or((0, 0, Money::ZERO));
    // Each province commits what it pays of its own, and a line of both has two transfers.
    let (provinces, split): (i64, i64) = sqlx::query_as(
        "SELECT count(DISTINCT province) FILTER (WHERE local > 0),
            count(*) FILTER (WHERE local > 0 AND local < amount)
        FROM payments.lines WHERE run_no = $1",
    )
    .bind(it.run_no.0)
    .fetch_one(&world.pool)
    .await?;
    assert_eq!(of("commit"), (1 + provinces, 1 + provinces, it.total));
    assert_eq!(of("reserve"), (it.chunks, it.lines + split, it.total));
    // A release also moves the treasury's cash of the whole chunk.
    let twice = Money::sum([it.total, it.total]);
    assert_eq!(of("release"), (it.chunks, it.lines + it.chunks, twice));
    let (_, lines, total) = of("results");
    assert_eq!(lines, it.credited_lines + it.returned_lines);
    assert_eq!(total, Money::sum([it.credited_total, it.returned_total]));
    // A line that was answered after its time was unknown for a while.
    let late: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ledger.transfers WHERE run_no = $1 AND debit / 10000000000 = 55",
    )
    .bind(it.run_no.0)
    .fetch_one(&world.pool)
    .await?;
    let (_, lines, _) = of("overdue");
    assert_eq!(lines, it.unknown_lines + late);
    assert!(journals.is_empty(), "{journals:?}");
    Ok(())
}

/// Social insurance goes to no wallet (Law 41/2024/QH15, article 93), so who has nothing else gets
/// cash from it.
async fn the_cash_list_is_who_has_no_account(
    world: &World,
    summaries: &[RunSummary],
) -> anyhow::Result<()> {
    let unlinked = world
        .number(
            "SELECT count(*) FROM payments.lines l JOIN payments.runs r USING (run_no)
            WHERE NOT EXISTS (SELECT FROM accounts.links k WHERE k.person_no = l.person_no
                AND (k.channel = 'bank_account' OR r.programme NOT IN (2, 5, 6, 7, 8)))",
        )
        .await?;
    let at_agents = world
        .number(
            "SELECT count(*) FROM payments.lines JOIN payments.chunks USING (run_no, part, chunk)
            WHERE institution = 990001 AND channel = 'cash' AND account_sealed IS NULL",
        )
        .await?;
    let cash: i64 = summaries.iter().map(|it| it.cash_lines).sum();
    assert!(cash > 0);
    assert_eq!((cash, at_agents), (unlinked, unlinked));
    // Some who have linked an account have only a wallet, and a pension.
    assert!(cash > unlinked_people(world).await?, "{cash}");
    Ok(())
}

/// Lines of people without any account.
async fn unlinked_people(world: &World) -> anyhow::Result<i64> {
    world
        .number(
            "SELECT count(*) FROM payments.lines l WHERE NOT EXISTS
            (SELECT FROM accounts.links k WHERE k.person_no = l.person_no)",
        )
        .await
}

/// One a bank and partition that paid anything, and each debit in it was matched.
async fn statements_wrote_their_journals(
    world: &World,
    summaries: &[RunSummary],
) -> anyhow::Result<()> {
    let (count, total): (i64, Money) = sqlx::query_as(
        "SELECT count(*), sum(total) FROM ledger.journals WHERE kind = 'statement' AND run_no = 0",
    )
    .fetch_one(&world.pool)
    .await?;
    let paying = "SELECT count(DISTINCT (institution, part)) FROM payments.tallies
        WHERE credited_lines > 0";
    assert_eq!(count, world.number(paying).await?);
    assert_eq!(
        total,
        Money::sum(summaries.iter().map(|it| it.matched_total))
    );
    Ok(())
}

async fn accounts_say_what_the_runs_say(
    world: &World,
    summaries: &[RunSummary],
) -> anyhow::Result<()> {
    for it in summaries {
        let programme = it.programme;
        let fund = world
            .balance(Account::programme_fund(programme, world.budget_year()))
            .await?;
        let (mut of_provinces, mut local) = (0, 0);
        for (province, _) in Province::weighted() {
            let commitment = Account::commitment_of(programme, province, world.budget_year());
            assert_eq!(
                world.balance(commitment).await?,
                0,
                "{programme} {province}"
            );
            let fund = Account::programme_fund_of(programme, province, world.budget_year());
            let row = ledger::account_balance(&world.pool, fund.number()).await?;
            of_provinces += row.credits.units();
            local += row.debits.units();
        }
        let national = it.total.units() - it.local_total.units();
        assert_eq!(fund, i128::from(APPROPRIATED) - national);
        // Five provinces have levels of their own.
        assert_eq!(of_provinces, 5 * i128::from(APPROPRIATED));
        assert_eq!(local, it.local_total.units());
        assert_eq!(
            world
                .balance(Account::commitment(programme, world.budget_year()))
                .await?,
            0
        );
        let payable = world.balance(Account::payable(programme)).await?;
        assert_eq!(payable, it.returned_total.units());
        let (mut unknown, mut paid) = (0, 0);
        for bank in Institution::connected() {
            let account = Account::in_transit(programme, bank.institution);
            assert_eq!(world.balance(account).await?, 0, "in transit at {bank:?}");
            let account = Account::unknown(programme, bank.institution);
            unknown += world.balance(account).await?;
        }
        for (province, _) in Province::weighted() {
            paid += world.balance(Account::paid(programme, province)).await?;
        }
        assert_eq!(unknown, it.unknown_total.units());
        assert_eq!(paid, it.credited_total.units());
    }
    let (mut settled, mut suspended) = (0, 0);
    for row in ledger::trial_balance(&world.pool).await? {
        let turnover = row.debits.units() - row.credits.units();
        match row.account_no.account().map(|it| it.kind) {
            Some(AccountKind::SettlementAtBank) => settled += turnover,
            Some(AccountKind::Suspense) => suspended += turnover,
            Some(_) => {}
            None => panic!("{:?} is in no chart", AccountNo(row.account_no.0)),
        }
    }
    let matched = Money::sum(summaries.iter().map(|it| it.matched_total));
    assert_eq!((settled, suspended), (matched.units(), 0));
    Ok(())
}

async fn what_was_done_is_not_done_again(world: &World, written: &Written) -> anyhow::Result<()> {
    let before = everything(world).await?;
    let again: Report = world.register(std::fs::read(&written.people_csv)?).await?;
    assert!(again.repeated && again.refusals.is_empty());
    assert_eq!(again.sums.accepted.rows, PEOPLE);
    let again = world.link(std::fs::read(&written.links_csv)?).await?;
    assert!(again.repeated);
    let opening = to_value(world.opening(Programme::SocialPension))?;
    let key = format!("again-{}", Utc::now());
    let problem = world.refused("open-run", &key, &opening).await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "period_already_run")
    );
    assert_eq!(everything(world).await?, before);
    Ok(())
}

/// How many rows each table has that an import or an opening would write.
async fn everything(world: &World) -> anyhow::Result<Vec<i64>> {
    let mut counts = Vec::new();
    for statement in [
        "SELECT count(*) FROM eligibility.persons",
        "SELECT count(*) FROM eligibility.enrolments",
        "SELECT count(*) FROM eligibility.imports",
        "SELECT last FROM eligibility.counters WHERE name = 'import_no'",
        "SELECT count(*) FROM accounts.links",
        "SELECT count(*) FROM accounts.imports",
        "SELECT count(*) FROM payments.runs",
        "SELECT count(*) FROM payments.acts",
        "SELECT count(*) FROM ledger.journals",
        "SELECT count(*) FROM messaging.outbox",
    ] {
        counts.push(world.number(statement).await?);
    }
    Ok(counts)
}
