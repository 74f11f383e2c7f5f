//! An Sinh as a whole, on a real PostgreSQL and a real NATS.

mod approval;
mod arrears;
mod bank_messages;
mod by_hand;
mod canary;
mod chance;
mod delivery;
mod faults;
mod golden;
mod ground;
mod health;
mod life_events;
mod local_levels;
mod pay_day;
mod processes;
mod programme;
mod redelivery;
mod registry;
mod rights;
mod scenario;
mod statements;
mod tamper;
mod telemetry;
mod tidy;
mod vneid;
mod world;
