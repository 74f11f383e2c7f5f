//! What every process does before it is itself, and when it stops.
//!
//! The order in a `main`: [`Settings::load`], [`Telemetry::start`], [`Health`] on its listener,
//! one [`Context::connect`] a service, [`shutdown::Signals`], [`Context::shutdown`],
//! [`Telemetry::shutdown`]. A service sees its [`Context`] and nothing else of this; one
//! that serves people and owns no table sees a [`Doorway`].
//!
//! Start-up refuses servers that may lose what they acknowledged ([`database::refuse_unsafe_server`],
//! [`nats::refuse_unsafe_server`]), and the pool refuses to hand out a connection with somebody
//! else's open transaction ([`database::connect`]).

pub mod callers;
pub mod clock;
mod context;
pub mod database;
mod doorway;
mod error;
pub mod health;
pub mod keys;
mod log;
mod migrations;
pub mod nats;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
mod tls;
mod wires;

pub use context::Context;
pub use doorway::Doorway;
pub use error::BootError;
pub use health::Health;
pub use migrations::MIGRATOR;
pub use settings::{Settings, TimeStampSettings, WitnessSettings};
pub use telemetry::Telemetry;
