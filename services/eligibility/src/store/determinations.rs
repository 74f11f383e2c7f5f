//! Decisions, and what they obligated.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Part, Period, PersonNo, Programme, Province};
use events::WithdrawnLine;
use sqlx::PgConnection;

use super::Freeze;
use crate::Error;
use crate::arrears::Obligated;
use crate::determination::Determination;

/// A determination on its way into the tables.
#[derive(Debug)]
pub(crate) struct Decided {
    pub person_no: PersonNo,
    pub period: Period,
    pub determination_no: i16,
    /// What this determination obligates: the period's amount, or its arrears.
    pub amount: Money,
    /// Where the person is paid for that period.
    pub province: Province,
    pub determination: Determination,
    pub inputs: String,
}

/// An earlier determination of the same programme and partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    pub run_no: i64,
    pub period: Period,
    pub business_date: NaiveDate,
    pub frozen_at: DateTime<Utc>,
    pub law_no: i64,
}

pub(crate) async fn insert_determinations(
    tx: &mut PgConnection,
    freeze: &Freeze,
    decided: &[Decided],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY eligibility.determinations (run_no, part, person_no, period, determination_no,
            amount, owed, local, reason, rate_no, law_no, rule, inputs, explanation)
            FROM STDIN (FORMAT binary)",
        14,
    );
    for it in decided {
        let determination = &it.determination;
        copied
            .row()
            .with(freeze.run_no.0)
            .with(freeze.part.number())
            .with(it.person_no.0)
            .with(it.period.first_day())
            .with(it.determination_no)
            .with(it.amount)
            .with(determination.owed)
            .with(determination.local)
            .with(determination.reason.as_deref())
            .with(determination.rate_no)
            .with(freeze.law_no)
            .with(&determination.rule[..])
            .with(&it.inputs[..])
            .with(&determination.explanation[..])
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

/// The determinations of a programme's partition that ended before this run, of this period or an
/// earlier one, the oldest first.
pub(crate) async fn earlier_freezes(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    before_run: i64,
    limit: i64,
) -> Result<Vec<Past>, Error> {
    let mut earlier = sqlx::query_as!(
        Past,
        r#"
        SELECT run_no, period AS "period: Period", business_date, frozen_at,
            coalesce(law_no, 1) AS "law_no!"
        FROM eligibility.freezes
        WHERE part = $1 AND programme = $2 AND run_no < $3 AND done
        ORDER BY run_no DESC LIMIT $4
        "#,
        part.number(),
        programme.number(),
        before_run,
        limit,
    )
    .fetch_all(tx)
    .await?;
    earlier.reverse();
    Ok(earlier)
}

/// What these runs obligated for people of one programme, by person and period; 0 where a run
/// looked at the person and found nothing owed.
pub(crate) async fn obligations(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    runs: &[i64],
    persons: &[i64],
) -> Result<BTreeMap<(PersonNo, Period), Vec<Obligated>>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT d.person_no AS "person_no: PersonNo", d.period AS "period: Period",
            d.determination_no, d.amount AS "amount: Money",
            coalesce(w.withdrawn, 0) AS "withdrawn!: Money", coalesce(w.turns, 0)::smallint AS "turns!"
        FROM unnest($3::bigint[]) AS r (run_no)
        CROSS JOIN unnest($4::bigint[]) AS n (person_no)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.determinations d
            WHERE d.run_no = r.run_no AND d.part = $1 AND d.person_no = n.person_no OFFSET 0
        ) d
        LEFT JOIN LATERAL (
            SELECT sum(w.amount) AS withdrawn, max(w.turn) AS turns
            FROM eligibility.withdrawals w
            WHERE (w.part, w.person_no, w.programme, w.period, w.determination_no)
                = ($1, d.person_no, $2, d.period, d.determination_no)
        ) w ON true
        ORDER BY d.person_no, d.period, d.determination_no
        "#,
        part.number(),
        programme.number(),
        runs,
        persons,
    )
    .fetch_all(tx)
    .await?;
    let mut standing: BTreeMap<(PersonNo, Period), Vec<Obligated>> = BTreeMap::new();
    for it in rows {
        standing
            .entry((it.person_no, it.period))
            .or_default()
            .push(Obligated {
                determination_no: it.determination_no,
                amount: it.amount,
                withdrawn: it.withdrawn,
                turns: it.turns,
            });
    }
    Ok(standing)
}

/// Keeps what was withdrawn (+) and restored (−).
pub(crate) async fn insert_withdrawals(
    tx: &mut PgConnection,
    part: Part,
    lines: &[WithdrawnLine],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY eligibility.withdrawals (part, person_no, programme, period, determination_no, turn,
            amount, reason, recorded_at) FROM STDIN (FORMAT binary)",
        9,
    );
    for line in lines {
        let amount = line.amount.decimal();
        copied
            .row()
            .with(part.number())
            .with(line.person_no.0)
            .with(line.programme.number())
            .with(line.period.first_day())
            .with(line.determination_no)
            .with(line.turn)
            .with(if line.is_restored() { -amount } else { amount })
            .with(&line.reason[..])
            .with(now)
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

/// A stored determination with all that it says of itself.
#[derive(Debug)]
pub(crate) struct StoredDetermination {
    pub run_no: i64,
    pub person_no: PersonNo,
    pub period: Period,
    pub determination_no: i16,
    pub amount: Money,
    pub owed: Money,
    pub local: Money,
    pub reason: Option<String>,
    pub rule: Option<String>,
    pub rate_no: Option<i32>,
    pub law_no: Option<i64>,
    pub inputs: String,
    pub explanation: String,
}

/// The determinations of a partition after a place, in the order of their keys.
pub(crate) async fn stored_determinations(
    connection: &mut PgConnection,
    part: Part,
    after: (i64, PersonNo, NaiveDate, i16),
    limit: i64,
) -> Result<Vec<StoredDetermination>, Error> {
    let (run_no, person_no, period, determination_no) = after;
    Ok(sqlx::query_as!(
        StoredDetermination,
        r#"
        SELECT run_no, person_no AS "person_no: PersonNo", period AS "period: Period",
            determination_no, amount AS "amount: Money", owed AS "owed: Money",
            local AS "local: Money", reason, rule, rate_no, law_no, inputs, explanation
        FROM eligibility.determinations
        WHERE part = $1 AND run_no >= $2
            AND (run_no, person_no, period, determination_no) > ($2, $3, $4, $5)
        ORDER BY run_no, person_no, period, determination_no LIMIT $6
        "#,
        part.number(),
        run_no,
        person_no.0,
        period,
        determination_no,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// One determination by its key.
pub(crate) async fn stored_determination(
    connection: &mut PgConnection,
    part: Part,
    (run_no, person_no, period, determination_no): (i64, PersonNo, Period, i16),
) -> Result<Option<StoredDetermination>, Error> {
    Ok(sqlx::query_as!(
        StoredDetermination,
        r#"
        SELECT run_no, person_no AS "person_no: PersonNo", period AS "period: Period",
            determination_no, amount AS "amount: Money", owed AS "owed: Money",
            local AS "local: Money", reason, rule, rate_no, law_no, inputs, explanation
        FROM eligibility.determinations
        WHERE run_no = $1 AND part = $2 AND person_no = $3 AND period = $4
            AND determination_no = $5
        "#,
        run_no,
        part.number(),
        person_no.0,
        period.first_day(),
        determination_no,
    )
    .fetch_optional(connection)
    .await?)
}
