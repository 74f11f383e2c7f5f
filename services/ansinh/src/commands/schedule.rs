use std::process::ExitCode;

use approval::Kind;
use chrono::{DateTime, Utc};
use payments::{
    ApproveOrder, OrderRow, OrderSchedule, Ordered, PlanSchedule, ScheduleRow, StepRow,
};
use serde_json::Value;

use super::signer::sign_matter;
use crate::cli::{By, Orders, Output, Schedule, Shared};
use crate::output::{Failure, print, say, show, table};
use crate::target::Target;

/// Rows that are shown of what grows without end.
const SHOWN_MAX: i64 = 200;

pub(super) async fn schedule(command: Schedule, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let output = shared.output;
    let pool = async || target.pool(None).await;
    match command {
        Schedule::Plan {
            programme,
            year,
            reason,
            dry_run,
            by,
        } => {
            let body = PlanSchedule {
                officer: by.by.clone(),
                programme,
                year,
                reason,
                dry_run,
            };
            return plan(&target, output, &by, &body).await;
        }
        Schedule::List { year, programme } => {
            let rows = payments::schedule(&pool().await?, programme, year).await?;
            show(output, &rows, |rows| moments(rows))?;
        }
        Schedule::Next { limit } => {
            let rows = payments::schedule_next(&pool().await?, i64::from(limit)).await?;
            show(output, &rows, |rows| moments(rows))?;
        }
        Schedule::History { programme, period } => {
            let rows = payments::schedule_steps(&pool().await?, programme, period).await?;
            show(output, &rows, |rows| steps(rows))?;
        }
        Schedule::Alarms => {
            let rows = payments::alarms(&pool().await?, SHOWN_MAX).await?;
            let row = |it: &payments::AlarmRow| {
                [it.kind.clone(), it.subject.clone(), clock(it.raised_at)]
            };
            let header = ["alarm", "of", "raised at"];
            show(output, &rows, |rows| {
                table(&header, 3, rows.iter().map(row))
            })?;
        }
        Schedule::Order(Orders::List) => {
            let rows = payments::schedule_orders(&pool().await?, SHOWN_MAX).await?;
            show(output, &rows, |rows| orders(rows))?;
        }
        Schedule::Order(command) => return order(&target, output, command).await,
        Schedule::Approve { order, deciding } => {
            let (by, matter) = (&deciding.by, (Kind::ScheduleOrder, order));
            let body = ApproveOrder {
                officer: by.by.clone(),
                order_no: order,
                signature: sign_matter(&target, shared, matter, (true, None), &deciding).await?,
            };
            return super::ask(&target, output, "approve-order", by, &body).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn order(target: &Target, output: Output, command: Orders) -> Result<ExitCode, Failure> {
    let (ordered, reason, by) = match command {
        Orders::List => return Ok(ExitCode::SUCCESS),
        Orders::Day {
            day,
            worked,
            reason,
            by,
            ..
        } => {
            let is_worked = worked;
            (Ordered::Day { day, is_worked }, reason, by)
        }
        Orders::PayDay {
            day,
            programme,
            period,
            reason,
            by,
        } => {
            let ordered = Ordered::PayDay {
                programme,
                period,
                day,
            };
            (ordered, reason, by)
        }
        Orders::CutOff {
            at,
            institution,
            from,
            reason,
            by,
        } => {
            let ordered = Ordered::CutOff {
                institution,
                from,
                at,
            };
            (ordered, reason, by)
        }
    };
    let body = OrderSchedule {
        officer: by.by.clone(),
        ordered,
        reason,
    };
    super::ask(target, output, "order-schedule", &by, &body).await
}

async fn plan(
    target: &Target,
    output: Output,
    by: &By,
    body: &PlanSchedule,
) -> Result<ExitCode, Failure> {
    let new_key = || format!("cli-{}", uuid::Uuid::now_v7());
    let key = by.idempotency_key.clone().unwrap_or_else(new_key);
    let nats = target.nats().await?;
    let service = payments::SERVICE;
    let answer = messaging::ask(&nats, service, "plan-schedule", &key, body).await?;
    if output == Output::Json {
        print(&serde_json::to_string_pretty(&answer)?);
    } else {
        print(&months(&answer).to_string());
    }
    let count = |it: &str| answer[it].as_u64().unwrap_or_default();
    let done = if body.dry_run { "would be" } else { "are" };
    say(&format!(
        "{} months {done} new, {} changed; {} would be paid in the past and are not planned.",
        count("new"),
        count("changed"),
        count("past"),
    ));
    Ok(ExitCode::SUCCESS)
}

/// The months of an answer to `plan-schedule`, in the time of Viet Nam.
fn months(answer: &Value) -> comfy_table::Table {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let at = |it: &Value| {
        it.as_str()
            .and_then(|it| it.parse().ok())
            .map_or_else(String::new, clock)
    };
    let row = |it: &Value| {
        [
            text(&it["period"]),
            text(&it["what"]),
            text(&it["pay_day"]),
            text(&it["paid_with"]),
            at(&it["open"]),
            at(&it["freeze"]),
            at(&it["approve"]),
            at(&it["release"]),
            at(&it["report"]),
            text(&it["confidence"]),
        ]
    };
    let header = [
        "period",
        "what",
        "pay day",
        "with",
        "opens",
        "frozen by",
        "approved by",
        "released by",
        "reported by",
        "sure",
    ];
    table(
        &header,
        10,
        answer["months"].as_array().into_iter().flatten().map(row),
    )
}

fn moments(rows: &[ScheduleRow]) -> comfy_table::Table {
    let row = |it: &ScheduleRow| {
        [
            it.programme.to_string(),
            it.period.to_string(),
            it.moment.as_str().to_owned(),
            clock(it.due_at),
            it.pay_day.to_string(),
            it.paid_with.map_or_else(String::new, |it| it.to_string()),
            it.state.as_str().to_owned(),
            it.run_no.map_or_else(String::new, |it| it.to_string()),
            it.reason.clone().unwrap_or_default(),
            it.maker.to_string(),
        ]
    };
    let header = [
        "programme",
        "period",
        "moment",
        "due",
        "pay day",
        "with",
        "state",
        "run",
        "why",
        "planned by",
    ];
    table(&header, 10, rows.iter().map(row))
}

fn steps(rows: &[StepRow]) -> comfy_table::Table {
    let row = |it: &StepRow| {
        [
            clock(it.recorded_at),
            it.moment.as_str().to_owned(),
            it.step.clone(),
            clock(it.due_at),
            it.pay_day.to_string(),
            it.officer
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            it.run_no.map_or_else(String::new, |it| it.to_string()),
            it.reason.clone().unwrap_or_default(),
        ]
    };
    let header = ["at", "moment", "step", "due", "pay day", "by", "run", "why"];
    table(&header, 8, rows.iter().map(row))
}

fn orders(rows: &[OrderRow]) -> comfy_table::Table {
    let row = |it: &OrderRow| {
        let what = match (
            it.is_worked,
            it.programme,
            it.period,
            it.institution,
            it.cut_off,
        ) {
            (Some(true), ..) => "worked".to_owned(),
            (Some(false), ..) => "off".to_owned(),
            (_, Some(programme), Some(period), ..) => format!("{programme} {period}"),
            (.., Some(institution), Some(at)) => format!("{institution} until {at}"),
            _ => String::new(),
        };
        [
            it.order_no.to_string(),
            it.kind.clone(),
            it.day.to_string(),
            what,
            it.reason.clone(),
            it.maker.to_string(),
            it.checker
                .as_ref()
                .map_or_else(|| "waits".to_owned(), ToString::to_string),
        ]
    };
    let header = [
        "order",
        "kind",
        "day",
        "what",
        "why",
        "ordered by",
        "approved by",
    ];
    table(&header, 7, rows.iter().map(row))
}

/// As a clock in Viet Nam shows it.
fn clock(at: DateTime<Utc>) -> String {
    boot::clock::in_vietnam(at)
        .format("%Y-%m-%d %H:%M")
        .to_string()
}
