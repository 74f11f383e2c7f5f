//! What was decided about days, pay days and cut-offs after the program was shipped.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::calendar::{DayKind, WorkingDays};
use domain::{Officer, Programme};
use messaging::Problem;
use sqlx::PgConnection;

use super::{institution_of, programme_of};
use crate::Error;
use crate::command::{OrderSchedule, Ordered};
use crate::schedule::{CutOffs, Timetable};

/// An order as it waits for its checker.
#[derive(Debug)]
pub(crate) struct WaitingOrder {
    pub ordered: Ordered,
    pub reason: String,
    pub maker: Officer,
    pub checker: Option<Officer>,
}

struct Row {
    kind: String,
    day: chrono::NaiveDate,
    is_worked: Option<bool>,
    programme: Option<i16>,
    period: Option<domain::Period>,
    institution: Option<i32>,
    cut_off: Option<chrono::NaiveTime>,
}

impl Row {
    fn ordered(&self) -> Ordered {
        const WHOLE: &str = "the schema keeps each kind with its columns";
        match &self.kind[..] {
            "day" => Ordered::Day {
                day: self.day,
                is_worked: self.is_worked.expect(WHOLE),
            },
            "pay_day" => Ordered::PayDay {
                programme: programme_of(self.programme.expect(WHOLE)),
                period: self.period.expect(WHOLE),
                day: self.day,
            },
            _ => Ordered::CutOff {
                institution: institution_of(self.institution.expect(WHOLE)),
                from: self.day,
                at: self.cut_off.expect(WHOLE),
            },
        }
    }
}

/// On what a programme's dates rest now: what the program carries, and each approved order.
pub(crate) async fn timetable(
    tx: &mut PgConnection,
    programme: Programme,
) -> Result<Timetable, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT kind, day, is_worked, programme, period AS "period: domain::Period", institution,
            cut_off
        FROM payments.schedule_orders WHERE checker IS NOT NULL ORDER BY order_no
        "#
    )
    .fetch_all(tx)
    .await?;
    let (mut days, mut cut_offs, mut pay_days) = (Vec::new(), Vec::new(), BTreeMap::new());
    for row in rows {
        match row.ordered() {
            Ordered::Day { day, is_worked } => {
                let kind = if is_worked {
                    DayKind::Working
                } else {
                    DayKind::InLieu
                };
                days.push((day, kind));
            }
            Ordered::PayDay {
                programme: of,
                period,
                day,
            } if of == programme => {
                pay_days.insert(period, day);
            }
            Ordered::PayDay { .. } => {}
            Ordered::CutOff {
                institution,
                from,
                at,
            } => cut_offs.push((institution, from, at)),
        }
    }
    Ok(Timetable {
        programme,
        days: WorkingDays::viet_nam().with(days),
        cut_offs: CutOffs::shipped().with(cut_offs),
        pay_days,
    })
}

pub(crate) async fn insert_order(
    tx: &mut PgConnection,
    command: &OrderSchedule,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let mut row = Row {
        kind: command.ordered.kind().to_owned(),
        day: command.ordered.day(),
        is_worked: None,
        programme: None,
        period: None,
        institution: None,
        cut_off: None,
    };
    match command.ordered {
        Ordered::Day { is_worked, .. } => row.is_worked = Some(is_worked),
        Ordered::PayDay {
            programme, period, ..
        } => (row.programme, row.period) = (Some(programme.number()), Some(period)),
        Ordered::CutOff {
            institution, at, ..
        } => (row.institution, row.cut_off) = (Some(institution.number()), Some(at)),
    }
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO payments.schedule_orders (kind, day, is_worked, programme, period, institution,
            cut_off, reason, maker, ordered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING order_no
        "#,
        row.kind,
        row.day,
        row.is_worked,
        row.programme,
        row.period.map(domain::Period::first_day),
        row.institution,
        row.cut_off,
        command.reason,
        command.officer.as_str(),
        now,
    )
    .fetch_one(tx)
    .await?)
}

/// The order, locked until the transaction ends.
pub(crate) async fn lock_order(
    tx: &mut PgConnection,
    order_no: i64,
) -> Result<WaitingOrder, Error> {
    let row = sqlx::query!(
        r#"
        SELECT kind, day, is_worked, programme, period AS "period: domain::Period", institution,
            cut_off, reason, maker AS "maker: Officer", checker AS "checker: Officer"
        FROM payments.schedule_orders WHERE order_no = $1 FOR UPDATE
        "#,
        order_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("there is no order {order_no}");
    let row = row.ok_or_else(|| Problem::new(404, "order_unknown", detail))?;
    let ordered = Row {
        kind: row.kind,
        day: row.day,
        is_worked: row.is_worked,
        programme: row.programme,
        period: row.period,
        institution: row.institution,
        cut_off: row.cut_off,
    };
    Ok(WaitingOrder {
        ordered: ordered.ordered(),
        reason: row.reason,
        maker: row.maker,
        checker: row.checker,
    })
}

pub(crate) async fn approve_order(
    tx: &mut PgConnection,
    order_no: i64,
    checker: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.schedule_orders SET checker = $2, approved_at = $3 WHERE order_no = $1
        "#,
        order_no,
        checker.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
