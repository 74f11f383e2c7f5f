//! After a rotation, rows that may be changed are sealed with the new key, a few at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::PersonNo;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::{Field, Keys, PrivacyError, Sealed, store};

/// Rows looked at in one transaction.
pub const BATCH: i64 = 1000;
/// Between two batches it rests at least this long, and as long as the batch took: the task
/// never has more than half of one connection, and less of a busy server.
const REST_MIN: Duration = Duration::from_millis(10);
/// How long it waits when there is nothing to do, or somebody else does it.
const IDLE: Duration = Duration::from_secs(5);
/// How long it waits for a database that did not answer.
const RETRY: Duration = Duration::from_secs(5);
/// A finished table is gone through again: a row may come late that was sealed before the
/// rotation, by a process that had not heard of it or in an event that is heard again.
const AGAIN: TimeDelta = TimeDelta::hours(24);

/// A table whose rows belong to people and may be sealed again. Its values are sealed for the
/// context of the person's number, its key is `(part, person_no)`.
pub trait SealedTable: Send + Sync + 'static {
    /// `schema.table`.
    const NAME: &'static str;
    /// The fields of its sealed columns.
    const FIELDS: &'static [Field];

    /// The next `limit` rows behind a person, in the order of the key; see [`SealedRow`].
    fn rows_after(
        tx: &mut PgConnection,
        after: PersonNo,
        version: u8,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SealedRow>, sqlx::Error>> + Send;

    /// Puts the new values in the place of the old ones, in rows where all of these still stand
    /// as they were read. Gives back how many rows that were.
    fn replace(
        tx: &mut PgConnection,
        rows: &[Replacement],
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

#[derive(Debug)]
pub struct SealedRow {
    pub person_no: PersonNo,
    /// One for each of the table's fields; none where all are of the wanted version.
    pub values: Vec<Sealed>,
}

#[derive(Debug)]
pub struct Replacement {
    pub person_no: PersonNo,
    pub old: Vec<Sealed>,
    pub new: Vec<Sealed>,
}

/// How far a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub version: u8,
    /// The last person looked at.
    pub after: PersonNo,
    pub resealed: i64,
    pub unreadable: i64,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Position {
    /// Before the first row: partitions count from 0, and so do people.
    pub(crate) fn start(version: u8) -> Position {
        Position {
            version,
            after: PersonNo(-16),
            resealed: 0,
            unreadable: 0,
            finished_at: None,
        }
    }

    /// Where to go on with keys of the current version; `None` where nothing is to be done.
    fn next(self, current: u8, now: DateTime<Utc>) -> Option<Position> {
        match self.finished_at {
            // Others have newer keys already; ours cannot even open what they seal.
            _ if self.version > current => None,
            _ if self.version < current => Some(Position::start(current)),
            None => Some(self),
            Some(at) if now - at >= AGAIN => Some(Position::start(current)),
            Some(_) => None,
        }
    }
}

/// Seals a table's rows with the current version, until `stop`.
///
/// Where it was stopped or killed it goes on; several processes share the work. A row changed by
/// others meanwhile is left as they made it and looked at again.
pub async fn reseal<T: SealedTable>(pool: PgPool, keys: Arc<Keys>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let rest = match step::<T>(&pool, &keys, Utc::now()).await {
            Ok(true) => begun.elapsed().max(REST_MIN),
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(table = T::NAME, error = %error, "Sealing again waits");
                RETRY
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(rest)).await;
    }
}

/// One batch in one transaction; false where there is nothing to do now.
async fn step<T: SealedTable>(
    pool: &PgPool,
    keys: &Keys,
    now: DateTime<Utc>,
) -> Result<bool, PrivacyError> {
    let current = keys.current_version();
    let mut tx = pool.begin().await?;
    // None where another process has a batch of this table in hand.
    let taken = store::take_position(&mut tx, T::NAME, current).await?;
    let Some(mut position) = taken.and_then(|it| it.next(current, now)) else {
        return Ok(false);
    };
    let rows = T::rows_after(&mut tx, position.after, current, BATCH).await?;
    let last = rows.last().map(|it| it.person_no);
    let whole = i64::try_from(rows.len()).is_ok_and(|it| it == BATCH);
    let (replacements, unreadable) = replacements::<T>(keys, rows);
    let replaced = T::replace(&mut tx, &replacements).await?;
    position.resealed += i64::try_from(replaced).expect("at most a batch");
    // Rows that others changed meanwhile: the same batch again, as it then is.
    if usize::try_from(replaced).is_ok_and(|it| it == replacements.len()) {
        position.unreadable += unreadable;
        position.after = last.unwrap_or(position.after);
        position.finished_at = (!whole).then_some(now);
    }
    store::put_position(&mut tx, T::NAME, &position).await?;
    tx.commit().await?;
    if position.finished_at.is_some() {
        tell::<T>(&position);
    }
    Ok(true)
}

/// The rows with an older value, and how many of these do not open and stay as they are.
fn replacements<T: SealedTable>(keys: &Keys, rows: Vec<SealedRow>) -> (Vec<Replacement>, i64) {
    let (mut replacements, mut unreadable) = (Vec::new(), 0);
    for SealedRow {
        person_no,
        values: old,
    } in rows.into_iter().filter(|it| !it.values.is_empty())
    {
        let context = person_no.0.to_be_bytes();
        let new = old.iter().zip(T::FIELDS).map(|(value, field)| {
            let new = keys.reseal(*field, &context, value)?;
            Ok(new.unwrap_or_else(|| value.clone()))
        });
        match new.collect::<Result<Vec<_>, PrivacyError>>() {
            Ok(new) => replacements.push(Replacement {
                person_no,
                old,
                new,
            }),
            Err(_) => unreadable += 1,
        }
    }
    (replacements, unreadable)
}

fn tell<T: SealedTable>(position: &Position) {
    let Position {
        version,
        resealed,
        unreadable,
        ..
    } = *position;
    let table = T::NAME;
    if unreadable > 0 {
        tracing::error!(
            table,
            unreadable,
            "{unreadable} rows of {table} open with none of the keys and were left as they are"
        );
    }
    if resealed > 0 {
        tracing::info!(
            table,
            version,
            resealed,
            "Sealed {resealed} rows of {table} with key version {version}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_gone_on_from_begun_anew_or_left_to_others() {
        let now: DateTime<Utc> = "2026-12-01T00:00:00Z".parse().unwrap();
        let half = Position {
            after: PersonNo(1000),
            resealed: 7,
            ..Position::start(2)
        };
        assert_eq!(half.next(2, now), Some(half));
        assert_eq!(half.next(3, now), Some(Position::start(3)));
        assert_eq!(half.next(1, now), None);
        let finished = |hours| Position {
            finished_at: Some(now - TimeDelta::hours(hours)),
            ..half
        };
        assert_eq!(finished(23).next(2, now), None);
        assert_eq!(finished(24).next(2, now), Some(Position::start(2)));
        assert_eq!(finished(1).next(3, now), Some(Position::start(3)));
        assert_eq!(finished(48).next(1, now), None);
    }
}
