//! An Sinh as a whole, on a real PostgreSQL and a real NATS.

mod canary;
mod chance;
mod faults;
mod golden;
mod ground;
mod health;
mod pay_day;
mod processes;
mod scenario;
mod telemetry;
mod tidy;
mod world;
