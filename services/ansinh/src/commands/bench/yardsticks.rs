//! What PostgreSQL, JetStream, SHA-256 and the ledger alone do on the same machine in the same run.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use super::books::{Books, books};
use super::messages::{Passed, Sample};
use super::{per_second, store};
use crate::output::{grouped, say, table};
use crate::target::Target;

#[derive(Debug, Serialize)]
pub(super) struct Yardsticks {
    /// Raw binary `COPY` of narrow rows, one connection.
    pub copy_rows_per_s: u64,
    /// As many messages as the chain has said, of those sizes, published as a relay does.
    jetstream: Passed,
    /// How many payments' messages JetStream keeps in a second.
    jetstream_payments_per_s: u64,
    /// The same bytes hashed on one core.
    sha256: Passed,
    sha256_payments_per_s: u64,
    ledger: Books,
    /// Payments through the whole chain for a thousand of each yardstick.
    chain_per_thousand: PerThousand,
}

#[derive(Debug, Serialize)]
struct PerThousand {
    copied: u64,
    published: u64,
    hashed: u64,
    booked: u64,
    copied_as_booked: u64,
}

/// What the chain did, to be held against the yardsticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub people: u64,
    pub payments: u64,
    pub payments_per_s: u64,
    pub since: DateTime<Utc>,
}

/// Measures all of them, one after the other.
pub(super) async fn yardsticks(
    target: &Target,
    pool: &PgPool,
    chain: Chain,
) -> anyhow::Result<Yardsticks> {
    say("Measuring the yardsticks …");
    store::checkpoint(pool).await?;
    let copy_rows_per_s = store::yardstick(pool).await?;
    let said = store::said(pool, chain.since).await?;
    let sample = Sample::of(said, store::sample(pool, chain.since, said).await?)?;
    let like = messaging::stream_name(events::PAYMENTS);
    let jetstream = boot::nats::jetstream(&target.nats().await?);
    let published = sample.publish(&jetstream, &like).await?;
    let hashed = tokio::task::spawn_blocking(move || sample.hash()).await?;
    let books = books(target, chain.people).await?;
    let payments_per_s = |it: Passed| per_second(chain.payments, it.milliseconds);
    let of = |rate: u64| chain.payments_per_s * 1000 / rate.max(1);
    Ok(Yardsticks {
        copy_rows_per_s,
        jetstream: published,
        jetstream_payments_per_s: payments_per_s(published),
        sha256: hashed,
        sha256_payments_per_s: payments_per_s(hashed),
        chain_per_thousand: PerThousand {
            copied: of(copy_rows_per_s),
            published: of(payments_per_s(published)),
            hashed: of(payments_per_s(hashed)),
            booked: of(books.posted_per_s),
            copied_as_booked: of(books.copied_per_s),
        },
        ledger: books,
    })
}

impl Yardsticks {
    pub(super) fn table(&self) -> comfy_table::Table {
        let of = &self.chain_per_thousand;
        let messages = self.jetstream.messages;
        let published = per_second(messages, self.jetstream.milliseconds);
        let mib = (self.sha256.bytes >> 20) * 1000 / self.sha256.milliseconds.max(1);
        let rows = [
            (
                "raw COPY of narrow rows",
                self.copy_rows_per_s,
                "rows".to_owned(),
                of.copied,
            ),
            (
                "JetStream, the same messages",
                self.jetstream_payments_per_s,
                format!("payments ({} messages)", grouped(published)),
                of.published,
            ),
            (
                "SHA-256, the same bytes",
                self.sha256_payments_per_s,
                format!("payments ({mib} MiB)"),
                of.hashed,
            ),
            (
                "raw COPY as the ledger's rows",
                self.ledger.copied_per_s,
                "rows".to_owned(),
                of.copied_as_booked,
            ),
            (
                "ledger posting",
                self.ledger.posted_per_s,
                "transfers".to_owned(),
                of.booked,
            ),
        ];
        let rows =
            rows.map(|(name, rate, unit, of)| [name.to_owned(), unit, grouped(rate), grouped(of)]);
        let header = [
            "yardstick of the same run",
            "of",
            "a second",
            "payments for 1.000",
        ];
        table(&header, 2, rows)
    }

    pub(super) fn sentence(&self) -> String {
        let Books {
            transfers,
            connections,
            posted_percent_of_copied,
            ..
        } = self.ledger;
        format!(
            "ledger posting is {posted_percent_of_copied} % of raw COPY of the same {} rows into a table of \
             the same shape, {connections} connections each",
            grouped(transfers),
        )
    }
}
