//! SQL of the eligibility commands: the one look at a line of payments.

use domain::{Period, PersonNo, Position};
use sqlx::PgPool;

/// Whose determination a line pays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub person_no: PersonNo,
    pub period: Period,
    pub determination_no: i16,
}

/// The line with this end-to-end id; `None` where there is none.
pub(super) async fn line(pool: &PgPool, at: Position) -> Result<Option<Line>, sqlx::Error> {
    sqlx::query_as!(
        Line,
        r#"
        SELECT person_no AS "person_no: PersonNo", period AS "period: Period", determination_no
        FROM payments.lines WHERE (run_no, part, chunk, line) = ($1, $2, $3, $4)
        "#,
        at.run.0,
        at.part.number(),
        at.chunk.0,
        at.line.0,
    )
    .fetch_optional(pool)
    .await
}
