//! What a run does differently from the one before it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Part, RunNo};
use ledger::Root;
use messaging::Problem;
use sqlx::PgConnection;

use crate::Error;
use crate::preview::{Bucket, Difference, Guard, Guarded, Measures};

/// The programme's run of the latest period before this one; settled with the first partition.
pub(crate) async fn settle_comparison(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<Option<RunNo>, Error> {
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
    let run = sqlx::query!(
        r#"
        SELECT r.lines, r.total AS "total: Money", r.root, r.compared_with AS "compared_with: RunNo",
            (SELECT coalesce(max(largest), 0) FROM payments.run_parts WHERE run_no = $1)
                AS "largest!: Money"
        FROM payments.runs r WHERE r.run_no = $1
        "#,
        run_no.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let run =
        run.ok_or_else(|| Problem::new(404, "run_unknown", format!("there is no run {run_no}")))?;
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
    let limits = sqlx::query!(
        r#"
            SELECT DISTINCT ON (guard) guard AS "guard: Guard", limit_number
            FROM payments.guard_limits ORDER BY guard, known_at DESC
            "#
    )
    .fetch_all(tx)
    .await?;
    let limits: BTreeMap<Guard, i64> = limits
        .into_iter()
        .map(|it| (it.guard, it.limit_number))
        .collect();
    Ok(Measures {
        compared_with: run.compared_with,
        root: run.root.and_then(|it| Root::from_slice(&it)),
        differences,
        lines: run.lines,
        total: run.total,
        largest: run.largest,
        limits,
    })
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
