//! What approved runs need of funds, and what was committed to them.

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Part, Province, RunNo};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::province_of;
use crate::Error;
use crate::funding::{Fund, Need};
use crate::run::Run;

/// Money committed to a run.
#[derive(Debug)]
pub(crate) struct Funding<'a> {
    pub run_no: RunNo,
    pub step: i16,
    /// `None` where the last approval did it.
    pub officer: Option<&'a Officer>,
    pub rule: &'static str,
    pub provinces: Option<Vec<i16>>,
    pub lines: i64,
    pub sums: &'a [Need],
}

/// A fund's level as it is stored: 0 for the country's.
fn level(fund: Fund) -> i16 {
    fund.province.map_or(0, Province::number)
}

/// A run as far as it says what is to be committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committing {
    pub run_no: RunNo,
    pub series: i16,
    pub total: Money,
}

/// What the run needs in all, and what of it the provinces add: what is paid again was committed
/// before, most of it.
pub(crate) async fn to_commit(
    tx: &mut PgConnection,
    of: Committing,
) -> Result<(Money, Vec<(Province, Money)>), Error> {
    if of.series > 0 {
        return super::uncommitted(tx, of.run_no).await;
    }
    let local = super::local_by_province(tx, of.run_no).await?;
    Ok((of.total, local))
}

pub(crate) async fn insert_needs(
    tx: &mut PgConnection,
    run_no: RunNo,
    needs: &[Need],
) -> Result<(), Error> {
    let levels: Vec<i16> = needs.iter().map(|it| level(it.fund)).collect();
    let amounts: Vec<Decimal> = needs.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.needs (run_no, province, amount)
        SELECT $1, n.* FROM unnest($2::smallint[], $3::numeric[]) AS n
        "#,
        run_no.0,
        &levels,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What no funding of the run has covered yet, by fund.
pub(crate) async fn open_needs(tx: &mut PgConnection, run: &Run) -> Result<Vec<Need>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT n.province, n.amount - coalesce(f.amount, 0) AS "amount!: Money"
        FROM payments.needs n
        LEFT JOIN (
            SELECT province, sum(amount) AS amount FROM payments.funding_sums
            WHERE run_no = $1 GROUP BY province
        ) f USING (province)
        WHERE n.run_no = $1 AND n.amount > coalesce(f.amount, 0)
        ORDER BY n.province
        "#,
        run.run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let sums = rows.into_iter().map(|it| (it.province, it.amount));
    Ok(needs_of(run, sums))
}

/// How many steps of funding the run has had, and the lines in them.
pub(crate) async fn funded(tx: &mut PgConnection, run_no: RunNo) -> Result<(i16, i64), Error> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(max(step), 0::smallint) AS "steps!",
            coalesce(sum(lines), 0)::bigint AS "lines!"
        FROM payments.fundings WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.steps, row.lines))
}

pub(crate) async fn insert_funding(
    tx: &mut PgConnection,
    funding: &Funding<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let total = Money::sum(funding.sums.iter().map(|it| it.amount));
    sqlx::query!(
        r#"
        INSERT INTO payments.fundings
            (run_no, step, officer, rule, provinces, lines, total, funded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        funding.run_no.0,
        funding.step,
        funding.officer.map(Officer::as_str),
        funding.rule,
        funding.provinces.as_deref(),
        funding.lines,
        total as Money,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let levels: Vec<i16> = funding.sums.iter().map(|it| level(it.fund)).collect();
    let amounts: Vec<Decimal> = funding.sums.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.funding_sums (run_no, step, province, amount)
        SELECT $1, $2, s.* FROM unnest($3::smallint[], $4::numeric[]) AS s
        "#,
        funding.run_no.0,
        funding.step,
        &levels,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What lines that had no money yet need, by fund.
pub(crate) async fn unfunded_needs(tx: &mut PgConnection, run: &Run) -> Result<Vec<Need>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT s.level AS "level!", sum(s.amount) AS "amount!: Money"
        FROM payments.exceptions x
        JOIN payments.lines l ON (l.run_no, l.part, l.chunk, l.line)
            = (x.run_no, x.part, x.chunk, x.line)
        CROSS JOIN LATERAL (VALUES (0::smallint, l.amount - l.local), (l.province, l.local))
            AS s (level, amount)
        WHERE x.run_no = $1 AND x.held_by = 'funding' AND x.resolved_at IS NULL AND s.amount > 0
        GROUP BY s.level ORDER BY s.level
        "#,
        run.run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let sums = rows.into_iter().map(|it| (it.level, it.amount));
    Ok(needs_of(run, sums))
}

fn needs_of(run: &Run, sums: impl Iterator<Item = (i16, Money)>) -> Vec<Need> {
    let need = |(level, amount)| Need {
        fund: Fund {
            programme: run.programme,
            province: (level > 0).then(|| province_of(level)),
            year: run.year,
        },
        amount,
    };
    sums.map(need).collect()
}

/// Takes lines in the order that the rule gives, as far as each fund goes, into a step of funding;
/// gives back their sums by fund. Lines for which their province has not enough leave the country's
/// money to those behind them.
pub(crate) async fn choose_lines(
    tx: &mut PgConnection,
    (run, step): (&Run, i16),
    (rule, provinces): (&str, Option<&[i16]>),
    left: &[Need],
) -> Result<Vec<Need>, Error> {
    let levels: Vec<i16> = left.iter().map(|it| level(it.fund)).collect();
    let amounts: Vec<Decimal> = left.iter().map(|it| it.amount.decimal()).collect();
    let rows = sqlx::query!(
        r#"
        WITH open AS (
            SELECT l.part, l.chunk, l.line, l.province, l.local, l.amount - l.local AS national,
                row_number() OVER (ORDER BY
                    CASE $3 WHEN 'oldest_first' THEN l.period END,
                    CASE $3 WHEN 'smallest_first' THEN l.amount END,
                    CASE $3 WHEN 'province'
                        THEN coalesce(array_position($4::smallint[], l.province), 32767) END,
                    l.part, l.chunk, l.line) AS place
            FROM payments.lines l
            WHERE l.run_no = $1 AND CASE WHEN $2::smallint = 1
                THEN NOT EXISTS (SELECT FROM payments.exceptions x
                    WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                        = (l.run_no, l.part, l.chunk, l.line, 'held')
                        AND x.resolved_at IS NULL AND NOT x.after_approval)
                ELSE EXISTS (SELECT FROM payments.exceptions x
                    WHERE (x.run_no, x.part, x.chunk, x.line)
                        = (l.run_no, l.part, l.chunk, l.line)
                        AND x.held_by = 'funding' AND x.resolved_at IS NULL) END
        ), left_over AS (
            SELECT f.province, f.amount FROM unnest($5::smallint[], $6::numeric[])
                AS f (province, amount)
        ), by_province AS (
            SELECT o.*, sum(o.local) OVER (PARTITION BY o.province ORDER BY o.place) AS so_far
            FROM open o
        ), counted AS (
            SELECT p.*, sum(p.national) OVER (ORDER BY p.place) AS national_so_far
            FROM by_province p LEFT JOIN left_over f USING (province)
            WHERE p.local = 0 OR p.so_far <= coalesce(f.amount, 0)
        ), chosen AS (
            INSERT INTO payments.funded_lines (run_no, part, chunk, line, step)
            SELECT $1, part, chunk, line, $2 FROM counted
            WHERE national = 0
                OR national_so_far <= (SELECT coalesce(sum(amount), 0) FROM left_over
                    WHERE province = 0)
            RETURNING part, chunk, line
        )
        SELECT s.level AS "level!", sum(s.amount) AS "amount!: Money"
        FROM chosen JOIN counted USING (part, chunk, line)
        CROSS JOIN LATERAL (VALUES (0::smallint, national), (province, local))
            AS s (level, amount)
        WHERE s.amount > 0 GROUP BY s.level ORDER BY s.level
        "#,
        run.run_no.0,
        step,
        rule,
        provinces,
        &levels,
        &amounts,
    )
    .fetch_all(tx)
    .await?;
    Ok(needs_of(
        run,
        rows.into_iter().map(|it| (it.level, it.amount)),
    ))
}

pub(crate) async fn count_funded_lines(
    tx: &mut PgConnection,
    run: &Run,
    step: i16,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "lines!" FROM payments.funded_lines WHERE run_no = $1 AND step = $2
        "#,
        run.run_no.0,
        step,
    )
    .fetch_one(tx)
    .await?)
}

/// Lines for which no money was there are approved and stay aside.
pub(crate) async fn hold_unfunded(
    tx: &mut PgConnection,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        WITH rest AS (
            INSERT INTO payments.exceptions (run_no, part, chunk, line, person_no, kind, amount,
                detail, opened_at, held_by, after_approval)
            SELECT l.run_no, l.part, l.chunk, l.line, l.person_no, 'held', l.amount, 'unfunded', $2,
                'funding', true
            FROM payments.lines l
            WHERE l.run_no = $1
                AND NOT EXISTS (SELECT FROM payments.funded_lines f
                    WHERE (f.run_no, f.part, f.chunk, f.line)
                        = (l.run_no, l.part, l.chunk, l.line))
                AND NOT EXISTS (SELECT FROM payments.exceptions x
                    WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                        = (l.run_no, l.part, l.chunk, l.line, 'held')
                        AND x.resolved_at IS NULL AND NOT x.after_approval)
            RETURNING run_no, part, chunk, line
        ), moved AS (
            SELECT l.part, l.chunk, l.amount, l.local, l.period <> r.period AS is_arrears
            FROM rest JOIN payments.lines l USING (run_no, part, chunk, line)
            JOIN payments.runs r USING (run_no)
            -- What is held for another reason is out of what is to be paid already.
            WHERE NOT EXISTS (SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (l.run_no, l.part, l.chunk, l.line, 'held') AND x.resolved_at IS NULL)
        ), of_chunks AS (
            UPDATE payments.chunks c SET lines = c.lines - n.lines, total = c.total - n.total
            FROM (SELECT part, chunk, count(*)::int AS lines, sum(amount) AS total
                FROM moved GROUP BY part, chunk) n
            WHERE c.run_no = $1 AND (c.part, c.chunk) = (n.part, n.chunk)
        )
        UPDATE payments.run_parts p
        SET lines = p.lines - n.lines, total = p.total - n.total,
            held_lines = p.held_lines + n.lines, held_total = p.held_total + n.total,
            arrears_lines = p.arrears_lines - n.arrears_lines,
            arrears_total = p.arrears_total - n.arrears_total,
            local_total = p.local_total - n.local
        FROM (
            SELECT part, count(*) AS lines, sum(amount) AS total, sum(local) AS local,
                count(*) FILTER (WHERE is_arrears) AS arrears_lines,
                coalesce(sum(amount) FILTER (WHERE is_arrears), 0) AS arrears_total
            FROM moved GROUP BY part
        ) n
        WHERE p.run_no = $1 AND p.part = n.part
        "#,
        run.run_no.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The holds of lines that a later step has funded, by partition; the partitions begin to reserve
/// anew, and pass over what is reserved.
pub(crate) async fn holds_of_funded(
    tx: &mut PgConnection,
    run: &Run,
    step: i16,
) -> Result<Vec<(Part, i64)>, Error> {
    sqlx::query!(
        "UPDATE payments.run_parts SET reserved = 0 WHERE run_no = $1",
        run.run_no.0,
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        r#"
        SELECT x.part AS "part: Part", x.exception_no FROM payments.exceptions x
        JOIN payments.funded_lines f ON (f.run_no, f.part, f.chunk, f.line)
            = (x.run_no, x.part, x.chunk, x.line)
        WHERE x.run_no = $1 AND f.step = $2 AND x.held_by = 'funding' AND x.resolved_at IS NULL
        ORDER BY x.part, x.exception_no
        "#,
        run.run_no.0,
        step,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.part, it.exception_no))
        .collect())
}
