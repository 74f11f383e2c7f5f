//! Money is committed to approved runs: by the last approval, or later by an officer.

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Part};
use ledger::AccountNo;
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::commands::shown;
use crate::command::FundRun;
use crate::funding::{self, FundingOrder, Need, refuse_short, shortages};
use crate::run::{Action, Run, State};
use crate::store::{self, Committing, Funding};
use crate::{Error, posting};

/// The last approval was given: what the run needs stands still, and where every fund has its part
/// the run is funded; else it is approved and waits for money.
pub(super) async fn fund_approved(
    tx: &mut PgConnection,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<State, Error> {
    let needs = needs(tx, run).await?;
    store::insert_needs(tx, run.run_no, &needs).await?;
    let left = left(tx, &needs).await?;
    let state = if shortages(&needs, &left).is_empty() {
        commit_whole(tx, run, &needs, None, now).await?;
        State::Approved
    } else {
        State::Unfunded
    };
    store::set_state(tx, run.run_no, state).await?;
    Ok(state)
}

/// Money has come: commits what is open of the run if all of it fits, or as far as it goes.
pub(super) async fn on_fund_run(
    tx: &mut PgConnection,
    command: FundRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if let Some(order) = &command.partial {
        order.refuse_odd()?;
    }
    // Whoever holds a partition may want the run next, so partitions come first.
    for part in Part::all() {
        store::lock_parts(tx, part, &[command.run_no]).await?;
    }
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Fund)?;
    if run.series > 0 && command.partial.is_some() {
        let detail = "what is paid again is funded whole: most of it was committed before";
        return Err(Problem::new(409, "reissue_funded_whole", detail).into());
    }
    let (steps, _) = store::funded(tx, run.run_no).await?;
    let needs = if steps == 0 {
        store::open_needs(tx, &run).await?
    } else {
        store::unfunded_needs(tx, &run).await?
    };
    let left = left(tx, &needs).await?;
    let short = shortages(&needs, &left);
    if command.partial.is_none() {
        refuse_short(&short)?;
    }
    let officer = &command.officer;
    let funded = if steps == 0 && short.is_empty() {
        commit_whole(tx, &run, &needs, Some(officer), now).await?;
        needs
    } else {
        let left = needs.iter().zip(left).map(|(need, left)| Need {
            amount: left,
            ..*need
        });
        let left: Vec<Need> = left.collect();
        let order = command.partial.as_ref().filter(|_| !short.is_empty());
        commit_lines(tx, (&run, steps + 1), (order, officer), &left, now).await?
    };
    store::set_state(tx, run.run_no, State::Approved).await?;
    run.state = State::Approved;
    let mut answer = shown(&run);
    answer["funded"] = json!(Money::sum(funded.iter().map(|it| it.amount)));
    Ok(answer)
}

/// Commits what fits of lines in an order; without one, all that had no money yet.
async fn commit_lines(
    tx: &mut PgConnection,
    (run, step): (&Run, i16),
    (order, officer): (Option<&FundingOrder>, &Officer),
    left: &[Need],
    now: DateTime<Utc>,
) -> Result<Vec<Need>, Error> {
    let rule = order.map_or("whole", FundingOrder::rule);
    let provinces = order.and_then(FundingOrder::provinces);
    let by = (rule, provinces.as_deref());
    let sums = store::choose_lines(tx, (run, step), by, left).await?;
    if sums.is_empty() {
        let detail = format!("of {} not one line fits into what is left", run.run_no);
        return Err(Problem::new(409, "nothing_fits", detail).into());
    }
    let funding = Funding {
        run_no: run.run_no,
        step,
        officer: Some(officer),
        rule,
        provinces,
        lines: store::count_funded_lines(tx, run, step).await?,
        sums: &sums,
    };
    commit(tx, &funding, now).await?;
    if step == 1 {
        store::hold_unfunded(tx, run, now).await?;
    } else {
        let holds = store::holds_of_funded(tx, run, step).await?;
        for of_part in holds.chunk_by(|(part, _), (next, _)| part == next) {
            let (part, numbers): (Vec<Part>, Vec<i64>) = of_part.iter().copied().unzip();
            store::free_lines(tx, part[0], &numbers, now).await?;
            store::send_later(tx, part[0], &numbers).await?;
        }
    }
    Ok(sums)
}

/// What the run takes from each fund.
async fn needs(tx: &mut PgConnection, run: &Run) -> Result<Vec<Need>, Error> {
    let of = Committing {
        run_no: run.run_no,
        series: run.series,
        total: run.total,
    };
    let (total, local) = store::to_commit(tx, of).await?;
    let needs = funding::needs((run.programme, run.year), total, local);
    needs.ok_or_else(|| Error::ControlTotals {
        run: run.run_no,
        part: Part::ZERO,
        detail: format!("provinces add to more than {total} đồng in all"),
    })
}

/// What is left of each fund. It stays so until the transaction ends: of two that want the last
/// đồng the second sees what the first has left.
async fn left(tx: &mut PgConnection, needs: &[Need]) -> Result<Vec<Money>, Error> {
    let accounts: Vec<AccountNo> = needs.iter().map(|it| it.fund.account().number()).collect();
    Ok(ledger::left(tx, Part::ZERO, &accounts).await?)
}

async fn commit_whole(
    tx: &mut PgConnection,
    run: &Run,
    needs: &[Need],
    officer: Option<&Officer>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    // All that a run pays again may have been committed when it was first to be paid.
    if needs.is_empty() {
        return Ok(());
    }
    let (steps, lines) = store::funded(tx, run.run_no).await?;
    let funding = Funding {
        run_no: run.run_no,
        step: steps + 1,
        officer,
        rule: "whole",
        provinces: None,
        lines: run.lines - lines,
        sums: needs,
    };
    commit(tx, &funding, now).await
}

/// The ledger is the last guard: what a fund has not got it does not give.
async fn commit(
    tx: &mut PgConnection,
    funding: &Funding<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    store::insert_funding(tx, funding, now).await?;
    // One at a time: the ledger names a paying account of what it is given.
    for journal in posting::commitments(funding.run_no, funding.step, funding.sums) {
        ledger::post(tx, Part::ZERO, &[journal], now).await?;
    }
    Ok(())
}
