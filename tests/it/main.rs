//! An Sinh as a whole, on a real PostgreSQL and a real NATS.

mod ground;
