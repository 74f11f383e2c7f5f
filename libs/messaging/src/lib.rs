//! Effects exactly once over delivery at least once.
//!
//! PostgreSQL is the record and JetStream a lossy notifier: nothing here believes what JetStream
//! says except "here are some bytes". What is said goes into the outbox in the business
//! transaction ([`append`]); the [`Relay`] publishes it in order; a [`consume`]r moves its cursor
//! in the transaction of the effects; watermarks show a lost tail, and re-drives heal it.
//!
//! Several instances of a service share its work: each hears and publishes what it holds the leases
//! of ([`Leases`]). One that was taken for dead and wakes is fenced off: it moves nothing any more.
//!
//! What the state and banks say to each other is signed by its sender ([`append_signed`]) over all
//! that a message is, and verified before its body is read. What does not verify is kept and moves
//! no cursor: the true message is asked for again. What does is kept with its signature in the
//! transaction of its effects, for who verifies it years later ([`each_message`]).

mod command;
mod consumer;
mod delivered;
mod error;
mod evidence;
mod leases;
mod letters;
mod meter;
mod organisation;
mod organisation_key;
mod outbox;
mod query;
mod redrive;
mod relay;
mod share;
mod signature;
mod store;
mod stream;
mod trace;
mod turns;

pub use command::{Answer, Command, CommandError, CommandHandler, Problem, ask, serve};
pub use consumer::{Handler, Judged, Manner, Subscription, Verdict, consume, consume_as_bank};
pub use delivered::Delivered;
pub use error::Error;
pub use evidence::{SignedMessage, each_message};
pub use leases::Leases;
pub use letters::{Letters, Places, Post, Received};
pub use organisation::{Organisation, Route};
pub use organisation_key::{KeyRow, NewKey, confirm_key, end_key, register_key};
pub use outbox::{append, append_signed, register};
pub use query::{Query, QueryHandler, answer, inquire};
pub use relay::Relay;
pub use signature::{Signers, Unverified};
pub use store::{
    BankFile, Lag, LeaseRow, RefusedRow, caught_up, insert_file, lag, leases, organisation_key,
    organisation_keys, parked, refused,
};
pub use stream::{bank_durable, stream_name};
pub use trace::{current_trace, follow_trace};

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// What every part of messaging needs of its process.
#[derive(Debug, Clone)]
pub struct Wires {
    pub pool: PgPool,
    /// For connections beside the pool: the relay's, and that of the leases.
    pub database_url: String,
    pub role: Option<String>,
    pub nats: async_nats::Client,
    pub jetstream: async_nats::jetstream::Context,
    pub stop: CancellationToken,
    /// What this instance of its service holds; somebody has to [`Wires::keep_leases`].
    pub leases: Leases,
    /// How often a relay tells how far it is.
    pub watermark: Duration,
    /// How long a relay sleeps when nobody wakes it.
    pub poll: Duration,
    /// On how many servers of NATS each message lies before it is acknowledged.
    pub replicas: usize,
}
