//! SQL of a bank's files: what it heard and said.

use futures::TryStreamExt;
use sqlx::PgPool;

/// The events of a speaker, one at a time, partition by partition.
pub(super) async fn each_said(
    pool: &PgPool,
    speaker: &str,
    mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut bodies = sqlx::query_scalar!(
        r#"
        SELECT body FROM messaging.outbox WHERE speaker = $1 ORDER BY part, seq
        "#,
        speaker,
    )
    .fetch(pool);
    while let Some(body) = bodies.try_next().await? {
        each(&body)?;
    }
    Ok(())
}
