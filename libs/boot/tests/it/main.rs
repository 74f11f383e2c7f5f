//! Boot against a real PostgreSQL (`DATABASE_URL`) and a real NATS (`NATS_URL`).

mod context;
mod database;
mod health;
mod nats;
mod slow_line;
mod stub;
mod telemetry;

/// As whom the test server knows us.
fn login() -> boot::nats::Login {
    boot::nats::Login {
        nkey_file: std::env::var_os("ANSINH_NATS__NKEY_FILE").map(Into::into),
        inbox_prefix: None,
    }
}

/// A server these tests cannot do without.
fn required(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} must name a test server"))
}
