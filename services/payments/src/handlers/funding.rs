//! Money is committed to approved runs: by the last approval, or later by an officer.

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Part};
use ledger::AccountNo;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::commands::shown;
use crate::command::FundRun;
use crate::funding::{Fund, Need, refuse_short, shortages};
use crate::run::{Action, Run, State};
use crate::store::{self, Funding};
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

/// Money has come: commits what is open of the run, if all of it fits now.
pub(super) async fn on_fund_run(
    tx: &mut PgConnection,
    command: FundRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Fund)?;
    let needs = store::open_needs(tx, &run).await?;
    let left = left(tx, &needs).await?;
    refuse_short(&shortages(&needs, &left))?;
    commit_whole(tx, &run, &needs, Some(&command.officer), now).await?;
    store::set_state(tx, run.run_no, State::Approved).await?;
    run.state = State::Approved;
    let mut answer = shown(&run);
    answer["funded"] = json!(Money::sum(needs.iter().map(|it| it.amount)));
    Ok(answer)
}

/// What the run takes from each fund: each province its own part, the country the rest.
async fn needs(tx: &mut PgConnection, run: &Run) -> Result<Vec<Need>, Error> {
    let local = store::local_by_province(tx, run.run_no).await?;
    let all_local = Money::sum(local.iter().map(|(_, amount)| *amount));
    let national = run.total.checked_sub(all_local);
    let national = national.ok_or_else(|| Error::ControlTotals {
        run: run.run_no,
        part: Part::ZERO,
        detail: format!("{all_local} đồng are local, of {} in all", run.total),
    })?;
    let local = local
        .into_iter()
        .map(|(province, amount)| (Some(province), amount));
    let need = |(province, amount)| Need {
        fund: Fund {
            programme: run.programme,
            province,
            year: run.year,
        },
        amount,
    };
    let mut needs: Vec<Need> = [(None, national)]
        .into_iter()
        .chain(local)
        .map(need)
        .collect();
    needs.retain(|it| !it.amount.is_zero());
    Ok(needs)
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
