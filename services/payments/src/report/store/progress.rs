use domain::{Money, Programme, RunNo};
use sqlx::PgConnection;

use crate::Error;
use crate::report::Progress;

/// What of a run is out, what waits, and what stands in its way.
pub(super) async fn progress(
    connection: &mut PgConnection,
    run_no: RunNo,
    programme: Programme,
) -> Result<Progress, Error> {
    let chunks = sqlx::query!(
        r#"
        SELECT coalesce(sum(c.lines) FILTER (WHERE c.standing = 'waiting'
                AND r.state NOT IN ('preparing', 'awaiting_approval')), 0)::bigint AS "waiting!",
            r.wave, (SELECT count(*) FROM payments.waves w WHERE w.run_no = $1) AS "waves!",
            array_agg(DISTINCT 'institution/' || c.institution)
                FILTER (WHERE c.institution IS NOT NULL AND c.standing = 'waiting')
                AS institutions
        FROM payments.runs r LEFT JOIN payments.chunks c USING (run_no)
        WHERE r.run_no = $1 GROUP BY r.run_no
        "#,
        run_no.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    let stopped = sqlx::query!(
        r#"
        SELECT count(*) AS "lines!", coalesce(sum(amount), 0) AS "total!: Money"
        FROM payments.exceptions WHERE run_no = $1 AND kind = 'stopped' AND resolved_at IS NULL
        "#,
        run_no.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut scopes = chunks.institutions.unwrap_or_default();
    scopes.push(format!("run/{}", run_no.0));
    scopes.push(format!("programme/{}", programme.number()));
    let paused = sqlx::query_scalar!(
        r#"
        SELECT p.scope || ' by ' || coalesce(o.officer, 'the engine') || ': ' || o.reason
            AS "paused!"
        FROM payments.pauses p JOIN payments.release_orders o USING (order_no)
        WHERE p.scope = ANY($1) OR starts_with(p.scope, 'province/') ORDER BY p.scope
        "#,
        &scopes,
    )
    .fetch_all(connection)
    .await?;
    Ok(Progress {
        waiting_lines: chunks.waiting,
        stopped_lines: stopped.lines,
        stopped_total: stopped.total,
        wave: chunks.wave,
        waves: chunks.waves,
        paused,
    })
}
