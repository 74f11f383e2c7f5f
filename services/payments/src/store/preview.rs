//! What a run does differently from the one before it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Officer, Part, Programme, RunNo};
use ledger::{AccountNo, Root};
use messaging::Problem;
use sqlx::PgConnection;

use super::Committing;
use crate::Error;
use crate::funding;
use crate::preview::{Bucket, Difference, Guard, Guarded, Limit, Measures};
use crate::run::State;

/// The programme's run of the latest period before this one, settled with the first partition; and in
/// which of these partitions one of the two has lines.
pub(crate) async fn settle_comparison(
    tx: &mut PgConnection,
    run_no: RunNo,
    parts: &[i16],
) -> Result<Option<(RunNo, Vec<Part>)>, Error> {
    // Only who settles it locks the run: the other partitions do not wait for one another.
    let settled = sqlx::query_scalar!(
        r#"SELECT compared_with AS "before: RunNo" FROM payments.runs WHERE run_no = $1"#,
        run_no.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    let before = match settled {
        Some(before) => Some(before),
        None => compare_with_latest(tx, run_no).await?,
    };
    let Some(before) = before else {
        return Ok(None);
    };
    let with_lines = sqlx::query_scalar!(
        r#"
        SELECT DISTINCT part AS "part: Part" FROM payments.run_parts
        WHERE run_no IN ($1, $2) AND part = ANY($3) AND chunks > 0 ORDER BY 1
        "#,
        run_no.0,
        before.0,
        parts,
    )
    .fetch_all(tx)
    .await?;
    Ok(Some((before, with_lines)))
}

async fn compare_with_latest(tx: &mut PgConnection, run_no: RunNo) -> Result<Option<RunNo>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        UPDATE payments.runs r SET compared_with = coalesce(r.compared_with, (
            SELECT b.run_no FROM payments.runs b
            WHERE b.programme = r.programme AND b.period < r.period
                -- Who is paid again is compared with nobody.
                AND r.series = 0 AND b.series = 0
                AND b.state IN ('reserved', 'releasing', 'released', 'closed')
            ORDER BY b.period DESC LIMIT 1))
        WHERE r.run_no = $1
        RETURNING compared_with AS "before: RunNo"
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?)
}

/// Compares a partition that has all its lines, those held as well, with the same of the run before.
pub(crate) async fn insert_differences(
    tx: &mut PgConnection,
    (run_no, before): (RunNo, RunNo),
    part: Part,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        WITH paid AS (
            SELECT l.run_no, l.person_no, min(l.province) AS province,
                sum(l.amount) FILTER (WHERE l.period = r.period) AS own,
                coalesce(sum(l.amount) FILTER (WHERE l.period <> r.period), 0) AS arrears,
                min(c.institution) FILTER (WHERE l.period = r.period) AS institution,
                (array_agg(l.account_index) FILTER (WHERE l.period = r.period))[1] AS account
            FROM payments.lines l
            JOIN payments.runs r USING (run_no)
            JOIN payments.chunks c USING (run_no, part, chunk)
            WHERE l.run_no IN ($1, $2) AND l.part = $3
            GROUP BY l.run_no, l.person_no
        )
        INSERT INTO payments.differences (run_no, part, province, bucket, persons, before, after)
        SELECT $1, $3, coalesce(n.province, p.province), b.bucket, count(*), sum(b.before),
            sum(b.after)
        FROM (SELECT * FROM paid WHERE run_no = $1) n
        FULL JOIN (SELECT * FROM paid WHERE run_no = $2) p USING (person_no)
        CROSS JOIN LATERAL (VALUES
            ('new', p.own IS NULL AND n.own IS NOT NULL, 0, n.own),
            ('stopped', n.own IS NULL AND p.own IS NOT NULL, p.own, 0),
            ('up', n.own > p.own, p.own, n.own),
            ('down', n.own < p.own, p.own, n.own),
            ('unchanged', n.own = p.own, p.own, n.own),
            ('arrears', n.arrears > 0, 0, n.arrears),
            ('channel_changed', n.own IS NOT NULL AND p.own IS NOT NULL
                AND (n.institution, n.account) IS DISTINCT FROM (p.institution, p.account),
                p.own, n.own)
        ) AS b (bucket, applies, before, after)
        WHERE b.applies
        GROUP BY coalesce(n.province, p.province), b.bucket
        "#,
        run_no.0,
        before.0,
        part.number(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn set_largest(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    largest: Money,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE payments.run_parts SET largest = $3 WHERE run_no = $1 AND part = $2",
        run_no.0,
        part.number(),
        largest as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What guards look at, by the counters.
pub(crate) async fn measures(tx: &mut PgConnection, run_no: RunNo) -> Result<Measures, Error> {
    let row = sqlx::query!(
        r#"
        SELECT r.programme, r.series, r.business_date,
            r.budget_year AS "year: BudgetYear", r.state AS "state: State", r.lines,
            r.total AS "total: Money", r.root, r.compared_with AS "compared_with: RunNo",
            (SELECT coalesce(max(largest), 0) FROM payments.run_parts WHERE run_no = $1)
                AS "largest!: Money",
            (SELECT max(largest) FROM payments.run_parts WHERE run_no = r.compared_with)
                AS "largest_before: Money",
            (SELECT f.total FROM payments.forecasts f
                WHERE (f.programme, f.period) = (r.programme, r.period) AND r.series = 0
                ORDER BY f.known_at DESC LIMIT 1) AS "forecast: Money",
            (SELECT count(*) FROM payments.acts a WHERE a.run_no = $1 AND a.act = 'free')
                AS "freed_lines!"
        FROM payments.runs r WHERE r.run_no = $1
        "#,
        run_no.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let row =
        row.ok_or_else(|| Problem::new(404, "run_unknown", format!("there is no run {run_no}")))?;
    let differences = sqlx::query_as!(
        Difference,
        r#"
        SELECT bucket AS "bucket: Bucket", sum(persons)::bigint AS "persons!",
            sum(before) AS "before!: Money", sum(after) AS "after!: Money"
        FROM payments.differences WHERE run_no = $1 GROUP BY bucket
        "#,
        run_no.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    let programme = super::programme_of(row.programme);
    let days = super::timetable(tx, programme).await?.days;
    let missing = match row.state {
        State::AwaitingApproval | State::SentBack => {
            let of = Committing {
                run_no,
                series: row.series,
                total: row.total,
            };
            Some(missing(tx, of, (programme, row.year)).await?)
        }
        _ => None,
    };
    Ok(Measures {
        compared_with: row.compared_with,
        root: row.root.and_then(|it| Root::from_slice(&it)),
        differences,
        lines: row.lines,
        total: row.total,
        largest: row.largest,
        largest_before: row.largest_before,
        forecast: row.forecast,
        missing,
        is_day_off: days.is_working_day(row.business_date).ok().map(|it| !it),
        freed_lines: row.freed_lines,
        limits: limits(tx).await?,
    })
}

async fn limits(tx: &mut PgConnection) -> Result<BTreeMap<Guard, Limit>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT ON (guard) guard AS "guard: Guard", limit_number, block_number
        FROM payments.guard_limits ORDER BY guard, known_at DESC
        "#
    )
    .fetch_all(tx)
    .await?;
    let limit = rows.into_iter().map(|it| {
        let limit = Limit {
            warn: it.limit_number,
            block: it.block_number,
        };
        (it.guard, limit)
    });
    Ok(limit.collect())
}

/// What the funds lack of a run now; nobody waits for it, so it may be another sum in a moment.
async fn missing(
    tx: &mut PgConnection,
    of: Committing,
    (programme, year): (Programme, BudgetYear),
) -> Result<Money, Error> {
    let (total, local) = super::to_commit(tx, of).await?;
    let needs = funding::needs((programme, year), total, local).unwrap_or_default();
    let accounts: Vec<AccountNo> = needs.iter().map(|it| it.fund.account().number()).collect();
    let left = ledger::stands(tx, Part::ZERO, &accounts).await?;
    let short = funding::shortages(&needs, &left);
    Ok(Money::sum(short.iter().map(|it| it.missing)))
}

/// The guards that somebody has answered for the run as it is now.
pub(crate) async fn answered_guards(
    tx: &mut PgConnection,
    run_no: RunNo,
    root: Root,
) -> Result<Vec<Guard>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT guard AS "guard: Guard" FROM payments.guard_answers
        WHERE run_no = $1 AND root = $2 ORDER BY guard
        "#,
        run_no.0,
        &root.0[..],
    )
    .fetch_all(tx)
    .await?)
}

/// Keeps the reasons; the first one for a guard stands.
pub(crate) async fn insert_answers(
    tx: &mut PgConnection,
    (run_no, root): (RunNo, Root),
    answers: &[(Guarded, String)],
    officer: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let guards: Vec<&str> = answers.iter().map(|(it, _)| it.guard.as_str()).collect();
    let measured: Vec<i64> = answers.iter().map(|(it, _)| it.measured).collect();
    let reasons: Vec<&str> = answers.iter().map(|(_, it)| &it[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.guard_answers
            (run_no, root, guard, measured, officer, reason, answered_at)
        SELECT $1, $2, n.guard, n.measured, $3, n.reason, $4
        FROM unnest($5::text[], $6::bigint[], $7::text[]) AS n (guard, measured, reason)
        ON CONFLICT DO NOTHING
        "#,
        run_no.0,
        &root.0[..],
        officer.as_str(),
        now,
        &guards as &[&str],
        &measured,
        &reasons as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}
