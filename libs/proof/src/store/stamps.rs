//! SQL of time stamps.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::stamp::{KeptStamp, Stamp};

/// The checkpoint that an authority stamped last, and when that was kept.
pub(crate) async fn last_stamp(
    tx: &mut PgConnection,
    authority: &str,
) -> Result<Option<(u64, DateTime<Utc>)>, Error> {
    let row = sqlx::query!(
        "SELECT size, kept_at FROM proof.time_stamps WHERE authority = $1
        ORDER BY size DESC LIMIT 1",
        authority,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| (it.size.unsigned_abs(), it.kept_at)))
}

/// Its number among those of the checkpoint, and the note that it stamps; `None` where this
/// authority's is there already.
pub(crate) async fn insert_stamp(
    tx: &mut PgConnection,
    (size, authority): (u64, &str),
    stamp: &Stamp,
    now: DateTime<Utc>,
) -> Result<Option<(i16, String)>, Error> {
    let size = i64::try_from(size).expect("a log of less than 2^63 leaves");
    let row = sqlx::query!(
        r#"
        INSERT INTO proof.time_stamps (size, authority, number, response, stamped_at, kept_at)
        SELECT c.size, $2, (SELECT count(*) + 1 FROM proof.time_stamps t WHERE t.size = c.size),
            $3, $4, $5
        FROM proof.checkpoints c WHERE c.size = $1
        ON CONFLICT (size, authority) DO NOTHING
        RETURNING number, (SELECT note FROM proof.checkpoints c WHERE c.size = $1) AS "note!"
        "#,
        size,
        authority,
        stamp.response,
        stamp.stamped_at,
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| (it.number, it.note)))
}

pub(crate) async fn stamps(pool: &PgPool, limit: i64) -> Result<Vec<KeptStamp>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT t.size, t.number, t.authority, t.response, t.stamped_at, t.kept_at, c.note
        FROM proof.time_stamps t JOIN proof.checkpoints c USING (size)
        ORDER BY t.size DESC, t.number LIMIT $1
        "#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let stamps = rows.into_iter().map(|it| KeptStamp {
        size: it.size.unsigned_abs(),
        number: it.number,
        authority: it.authority,
        stamped_at: it.stamped_at,
        kept_at: it.kept_at,
        response: it.response,
        note: it.note,
    });
    Ok(stamps.collect())
}

/// A stamp, with the note of its checkpoint where that is still on record.
pub(crate) struct StampRow {
    pub size: i64,
    pub number: i16,
    pub authority: String,
    pub response: Vec<u8>,
    pub stamped_at: DateTime<Utc>,
    pub note: Option<String>,
}

pub(crate) fn each_stamp(tx: &mut PgConnection) -> BoxStream<'_, Result<StampRow, sqlx::Error>> {
    sqlx::query_as!(
        StampRow,
        r#"
        SELECT t.size, t.number, t.authority, t.response, t.stamped_at, c.note AS "note?"
        FROM proof.time_stamps t LEFT JOIN proof.checkpoints c USING (size)
        ORDER BY t.size, t.number
        "#
    )
    .fetch(tx)
}
