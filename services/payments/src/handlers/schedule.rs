//! Commands on the schedule. What they do depends on the day, so that tests give them one.

use chrono::{DateTime, Utc};
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;
use crate::command::{ApproveOrder, OrderSchedule, Ordered, PlanSchedule};
use crate::matter::{self, decide};
use crate::schedule::{Change, Month};
use crate::store;

/// Plans what is new and plans anew what has changed; what has happened stays as it is.
pub async fn plan_schedule(
    tx: &mut PgConnection,
    command: PlanSchedule,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let programme = command.programme;
    let timetable = store::timetable(tx, programme).await?;
    let months = timetable.year(command.year)?;
    let (Some(first), Some(last)) = (months.first(), months.last()) else {
        return Err(Problem::new(422, "calendar_unknown", "a year has months").into());
    };
    let range = (first.period, last.period);
    let stored = store::lock_schedule(tx, programme, range).await?;
    let planned: Vec<(Month, Change)> = months
        .into_iter()
        .map(|it| {
            let change = it.change(&stored, now);
            (it, change)
        })
        .collect();
    let count = |change| planned.iter().filter(|(_, it)| *it == change).count();
    let reason = command.reason.as_deref().map(str::trim);
    let reason = reason.filter(|it| !it.is_empty());
    if count(Change::Changed) > 0 && reason.is_none() && !command.dry_run {
        let detail = "what was planned already is planned anew for a reason";
        return Err(Problem::new(422, "reason_missing", detail).into());
    }
    let shown: Vec<Value> = planned
        .iter()
        .map(|(it, change)| told(it, *change))
        .collect();
    let answer = json!({
        "programme": programme,
        "year": command.year,
        "dry_run": command.dry_run,
        "new": count(Change::New),
        "changed": count(Change::Changed),
        "past": count(Change::Past),
        "months": shown,
    });
    if !command.dry_run {
        let written = planned
            .iter()
            .filter(|(_, it)| matches!(it, Change::New | Change::Changed));
        let written: Vec<&Month> = written.map(|(it, _)| it).collect();
        let yearly = format!("the year {}", command.year);
        let why = (&command.officer, reason.unwrap_or(&yearly));
        store::plan(tx, programme, &written, why, now).await?;
    }
    Ok(answer)
}

fn told(month: &Month, change: Change) -> Value {
    let mut told = json!({
        "period": month.period,
        "what": change,
        "pay_day": month.pay_day,
        "paid_with": month.paid_with,
        "confidence": month.confidence.as_str(),
    });
    for (moment, at) in month.moments {
        told[moment.as_str()] = json!(at);
    }
    told
}

/// Keeps what was decided until another officer has looked at it.
pub async fn order_schedule(
    tx: &mut PgConnection,
    command: OrderSchedule,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        let detail = "an order names the decision that it rests on";
        return Err(Problem::new(422, "reason_missing", detail).into());
    }
    allow(tx, command.ordered, now).await?;
    let order_no = store::insert_order(tx, &command, now).await?;
    Ok(json!({ "order": order_no, "state": "ordered" }))
}

/// From now on it holds for what is planned: another person than who ordered it says so.
pub async fn approve_order(
    tx: &mut PgConnection,
    command: ApproveOrder,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let order_no = command.order_no;
    let order = store::lock_order(tx, order_no).await?;
    if let Some(checker) = order.checker {
        let detail = format!("{checker} has approved order {order_no} already");
        return Err(Problem::new(409, "already_approved", detail).into());
    }
    if order.maker == command.officer {
        let detail = format!("{} ordered it and may not approve it as well", order.maker);
        return Err(Problem::new(403, "same_person", detail).into());
    }
    allow(tx, order.ordered, now).await?;
    let matter = matter::of_order(order_no, &order);
    let decision = matter.decision(true, None, &command.officer);
    decide(
        tx,
        &decision,
        (command.signature.as_deref(), must_sign),
        now,
    )
    .await?;
    store::approve_order(tx, order_no, &command.officer, now).await?;
    let plan_again = outdated(tx, now).await?;
    Ok(json!({ "order": order_no, "state": "approved", "plan_again": plan_again }))
}

/// What is planned otherwise than it would be now: programmes and years.
async fn outdated(tx: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<String>, Error> {
    let mut outdated = Vec::new();
    for (programme, year) in store::planned_years(tx).await? {
        let months = store::timetable(tx, programme).await?.year(year)?;
        let (Some(first), Some(last)) = (months.first(), months.last()) else {
            continue;
        };
        let range = (first.period, last.period);
        let stored = store::lock_schedule(tx, programme, range).await?;
        let changes = |it: &Month| matches!(it.change(&stored, now), Change::Changed);
        if months.iter().any(changes) {
            outdated.push(format!("{programme} {year}"));
        }
    }
    Ok(outdated)
}

async fn allow(tx: &mut PgConnection, ordered: Ordered, now: DateTime<Utc>) -> Result<(), Error> {
    let programme = match ordered {
        Ordered::PayDay { programme, .. } => programme,
        // Days and cut-offs are those of all programmes.
        _ => domain::Programme::ALL[0],
    };
    let timetable = store::timetable(tx, programme).await?;
    timetable.allow(ordered, boot::clock::in_vietnam(now).date())
}
