//! Effects exactly once over delivery at least once.
//!
//! PostgreSQL is the record and JetStream a lossy notifier: nothing here believes what JetStream
//! says except "here are some bytes". What is said goes into the outbox in the business
//! transaction ([`append`]); the [`Relay`] publishes it in order; a [`consume`]r moves its cursor
//! in the transaction of the effects; watermarks show a lost tail, and re-drives heal it.

mod command;
mod consumer;
mod delivered;
mod error;
mod meter;
mod outbox;
mod query;
mod redrive;
mod relay;
mod store;
mod stream;
mod trace;

pub use command::{Answer, Command, CommandError, CommandHandler, Problem, ask, serve};
pub use consumer::{Handler, Judged, Subscription, Verdict, consume};
pub use delivered::Delivered;
pub use error::Error;
pub use outbox::{append, register};
pub use query::{Query, QueryHandler, answer, inquire};
pub use relay::Relay;
pub use store::{Lag, caught_up, lag, parked};
pub use stream::stream_name;
pub use trace::{current_trace, follow_trace};

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// What every part of messaging needs of its process.
#[derive(Debug, Clone)]
pub struct Wires {
    pub pool: PgPool,
    /// For the relay's own connection, which holds its ownership and listens.
    pub database_url: String,
    pub role: Option<String>,
    pub nats: async_nats::Client,
    pub jetstream: async_nats::jetstream::Context,
    pub stop: CancellationToken,
    /// How often a relay tells how far it is.
    pub watermark: Duration,
    /// How long a relay sleeps when nobody wakes it.
    pub poll: Duration,
}
