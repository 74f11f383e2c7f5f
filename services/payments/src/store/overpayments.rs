//! What was credited and is not owed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Money, Part};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Columns, Keys};
use crate::Error;
use crate::recovery::Sums;
use crate::withdrawal::{Obligated, Turn};

/// A case that ends because what it was for is owed after all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancelled {
    pub amount: Money,
    pub sums: Sums,
}

/// Opens a case for each obligation that was credited and is not owed.
pub(crate) async fn open_overpayments(
    tx: &mut PgConnection,
    part: Part,
    cases: &[(&Turn, Obligated)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(cases.iter().map(|(turn, _)| &turn.told));
    let columns = Columns::of(cases.iter().map(|(_, line)| &line.position));
    let provinces: Vec<i16> = cases.iter().map(|(_, it)| it.province.number()).collect();
    let amounts: Vec<Decimal> = cases
        .iter()
        .map(|(it, _)| it.told.amount.decimal())
        .collect();
    let reasons: Vec<&str> = cases.iter().map(|(it, _)| &it.told.reason[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.overpayments (part, opened_at, programme, period, person_no,
            determination_no, turn, run_no, chunk, line, province, amount, reason)
        SELECT $1, $2, n.* FROM unnest($3::smallint[], $4::date[], $5::bigint[], $6::smallint[],
            $7::smallint[], $8::bigint[], $9::int[], $10::int[], $11::smallint[], $12::numeric[],
            $13::text[]) AS n
        "#,
        part.number(),
        now,
        &keys.programmes,
        &keys.periods,
        &keys.persons,
        &keys.determinations,
        &keys.turns,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &provinces,
        &amounts,
        &reasons as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Cancels the open cases of the turns before these; gives back what each was for and what has
/// become of it, by the number of the turn that cancels it.
pub(crate) async fn cancel_overpayments(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
    now: DateTime<Utc>,
) -> Result<HashMap<i64, Cancelled>, Error> {
    let keys = Keys::of(turns.iter().map(|it| &it.told));
    let numbers: Vec<i64> = turns.iter().map(|it| it.withdrawal_no).collect();
    let rows = sqlx::query!(
        r#"
        UPDATE payments.overpayments o SET state = 'cancelled', closed_at = $2
        FROM unnest($3::bigint[], $4::smallint[], $5::date[], $6::bigint[], $7::smallint[],
            $8::smallint[])
            AS n (withdrawal_no, programme, period, person_no, determination_no, turn)
        WHERE o.part = $1 AND o.state = 'open'
            AND (o.programme, o.period, o.person_no, o.determination_no, o.turn)
            = (n.programme, n.period, n.person_no, n.determination_no, n.turn - 1)
        RETURNING n.withdrawal_no AS "withdrawal_no!", o.case_no, o.amount AS "amount: Money"
        "#,
        part.number(),
        now,
        &numbers,
        &keys.programmes,
        &keys.periods,
        &keys.persons,
        &keys.determinations,
        &keys.turns,
    )
    .fetch_all(&mut *tx)
    .await?;
    let cases: Vec<i64> = rows.iter().map(|it| it.case_no).collect();
    let sums = super::recovery::sums_of(tx, &cases).await?;
    let cancelled = rows.into_iter().map(|it| {
        let cancelled = Cancelled {
            amount: it.amount,
            sums: sums.get(&it.case_no).copied().unwrap_or_default(),
        };
        (it.withdrawal_no, cancelled)
    });
    Ok(cancelled.collect())
}
