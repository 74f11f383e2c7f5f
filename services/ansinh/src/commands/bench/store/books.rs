//! A database of the bench's own, and a table that has the shape of the ledger's transfers.

use anyhow::Context;
use domain::{Part, RunNo};
use ledger::Transfer;
use sqlx::PgPool;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgCopyIn, PgPoolCopyExt as _};

use crate::target::Target;

pub(in super::super) const RUN: RunNo = RunNo(1);
/// Of every transfer.
pub(in super::super) const AMOUNT: u64 = 540_000;
/// `AMOUNT` as a `numeric`: one digit to the base of 10,000, of the second place, positive, no fraction.
const NUMERIC: [i16; 5] = [1, 1, 0, 0, 54];
const SENT_AT_ONCE: usize = 512 * 1024;

/// Made for a measurement, and dropped after it.
pub(in super::super) struct OwnDatabase {
    owner: PgPool,
    name: &'static str,
    target: Target,
}

impl OwnDatabase {
    /// On the server of `target`.
    pub(in super::super) async fn create(
        target: &Target,
        name: &'static str,
    ) -> anyhow::Result<OwnDatabase> {
        let url = of_database(target.database_url()?, name).context("a URL of a database")?;
        let owner = target.pool(None).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&owner)
            .await?;
        let target = target
            .clone()
            .with_settings(|it| it.database.url = Some(url));
        Ok(OwnDatabase {
            owner,
            name,
            target,
        })
    }

    pub(in super::super) fn target(&self) -> &Target {
        &self.target
    }

    pub(in super::super) async fn drop(self) -> anyhow::Result<()> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
            .execute(&self.owner)
            .await?;
        self.owner.close().await;
        Ok(())
    }
}

/// The URL of another database of the same server, reached in the same way.
fn of_database(url: &str, name: &str) -> Option<String> {
    let (path, way) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = path.rsplit_once('/')?;
    let mark = if way.is_empty() { "" } else { "?" };
    Some(format!("{server}/{name}{mark}{way}"))
}

/// Nothing of what was written before is written out while something is measured.
pub(in super::super) async fn checkpoint(owner: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql("CHECKPOINT").execute(owner).await?;
    Ok(())
}

/// Columns, checks and indexes as the ledger's transfers have them.
pub(in super::super) async fn create_copied(owner: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql("CREATE TABLE public.copied (LIKE ledger.transfers INCLUDING ALL)")
        .execute(owner)
        .await?;
    Ok(())
}

/// How many transfers are in the books, and how many were copied beside them.
pub(in super::super) async fn booked_and_copied(owner: &PgPool) -> anyhow::Result<(u64, u64)> {
    let (booked, copied): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ledger.transfers), (SELECT count(*) FROM public.copied)",
    )
    .fetch_one(owner)
    .await?;
    Ok((booked.unsigned_abs(), copied.unsigned_abs()))
}

/// Transfers on their way into the table beside the ledger's, in one `COPY`.
pub(in super::super) struct Copied {
    copy: PgCopyIn<PoolConnection<Postgres>>,
    part: Part,
    buffer: Vec<u8>,
    line: i32,
    seq: i64,
}

impl Copied {
    pub(in super::super) async fn begin(pool: &PgPool, part: Part) -> anyhow::Result<Copied> {
        let copy = "COPY public.copied (part, run_no, seq, line, debit, credit, amount, person_no,
            chunk, chunk_line) FROM STDIN (FORMAT binary)";
        Ok(Copied {
            copy: pool.copy_in_raw(copy).await?,
            part,
            buffer: super::COPY_HEADER.to_vec(),
            line: 0,
            seq: 0,
        })
    }

    /// As the next line of the journal `seq`.
    pub(in super::super) async fn add(&mut self, seq: i64, it: &Transfer) -> anyhow::Result<()> {
        self.line = if seq == self.seq { self.line + 1 } else { 1 };
        self.seq = seq;
        let of_person = it.line.context("a payment's transfer")?;
        let amount = NUMERIC.map(i16::to_be_bytes);
        self.buffer.extend(10i16.to_be_bytes());
        self.field(&self.part.number().to_be_bytes());
        self.field(&RUN.0.to_be_bytes());
        self.field(&seq.to_be_bytes());
        self.field(&self.line.to_be_bytes());
        self.field(&it.debit.number().0.to_be_bytes());
        self.field(&it.credit.number().0.to_be_bytes());
        self.field(amount.as_flattened());
        self.field(&of_person.person_no.0.to_be_bytes());
        self.field(&of_person.chunk.0.to_be_bytes());
        self.field(&of_person.line.0.to_be_bytes());
        if self.buffer.len() > SENT_AT_ONCE {
            self.copy.send(&self.buffer[..]).await?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn field(&mut self, bytes: &[u8]) {
        let length = i32::try_from(bytes.len()).expect("a few bytes");
        self.buffer.extend(length.to_be_bytes());
        self.buffer.extend(bytes);
    }

    pub(in super::super) async fn finish(mut self) -> anyhow::Result<()> {
        self.buffer.extend((-1i16).to_be_bytes());
        self.copy.send(&self.buffer[..]).await?;
        self.copy.finish().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_reached_in_the_same_way() {
        for (url, expected) in [
            ("postgres://a:b@h:1/x", "postgres://a:b@h:1/y"),
            (
                "postgres://h/x?host=/run/p/q",
                "postgres://h/y?host=/run/p/q",
            ),
        ] {
            assert_eq!(of_database(url, "y").as_deref(), Some(expected));
        }
    }
}
