//! The connections to PostgreSQL, and what its server must promise.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgPool};
use uuid::Uuid;

use crate::BootError;

/// How long a caller waits for a connection before it is told to come back later.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bounds on what one session may do to the others.
const SESSION: [(&str, &str); 3] = [
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("statement_timeout", "120s"),
];

/// As [`SESSION`] has it for a service: who says nothing in its transaction for this long is a process
/// that sleeps, and other instances wait for the locks that it holds.
const ASLEEP: [(&str, &str); 1] = [("idle_in_transaction_session_timeout", "5s")];

/// How a service's statements are planned: once, for whatever values. They are few, look rows up by
/// keys or go through sets, and planned anew each time would cost more than they do. Compiling is for
/// reports.
const PLANNED_ONCE: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("jit", "off")];

/// Ends a transaction that a former borrower left open; does nothing, and says nothing, when there
/// is none.
///
/// A bare `ROLLBACK` outside of a transaction writes a warning into the server's log, which would
/// be one for each borrower. This writes one only when there was something to end. In a
/// transaction that has failed already the `BEGIN` fails too, and the pool drops the connection.
const END_LEFTOVER: &str = "BEGIN; ROLLBACK";

/// A connection that nobody has used for so long is tried before it is lent: the server may be another
/// by now. Whose server went away within it gets an error, as who was at work then does.
const UNTRIED_MAX: Duration = Duration::from_secs(1);

/// The oldest server that has all we use, as `server_version_num` writes it.
const VERSION_MIN: i32 = 150_000;

/// A pool of up to `connections`, made with one connection that works.
///
/// sqlx 0.9.0 loses acknowledged writes without the guard in here: a cancelled `begin()` leaves an
/// open transaction in the pool, and what the next borrower writes is rolled back with it
/// (transact-rs/sqlx issues 4385 and 4393). It is ended when the connection is given back, so that
/// nobody waits for it.
///
/// # Errors
///
/// [`BootError::Role`] and [`BootError::Database`] at once, for an unknown role or a wrong
/// password; [`BootError::NoDatabase`] after 10 seconds, for a server that is not there.
pub async fn connect(url: &str, role: Option<&str>, connections: u32) -> Result<PgPool, BootError> {
    pool(options(url, role)?, connections).await
}

/// As [`connect`], for one of several instances of a service. Its sessions name it, so that others can
/// end them (`messaging.end_sessions`).
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_instance(
    url: &str,
    (role, instance): (&str, Uuid),
    connections: u32,
) -> Result<PgPool, BootError> {
    let options = options(url, Some(role))?
        .options(ASLEEP)
        .options(PLANNED_ONCE);
    let named = options.application_name(&format!("{role} {instance}"));
    pool(named, connections).await
}

async fn pool(options: PgConnectOptions, connections: u32) -> Result<PgPool, BootError> {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.execute(END_LEFTOVER).await?;
                Ok(true)
            })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > UNTRIED_MAX {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .map_err(|error| match error {
            sqlx::Error::PoolTimedOut => BootError::NoDatabase(place),
            error => BootError::Database(error),
        })
}

/// The same session for a connection outside of the pool: one that listens or holds a lock.
///
/// The role is set by the connection's first message, so there is no moment without it, and
/// `RESET ALL` does not undo it.
pub fn options(url: &str, role: Option<&str>) -> Result<PgConnectOptions, BootError> {
    let options = PgConnectOptions::from_str(url)?
        .application_name(role.unwrap_or("ansinh"))
        .options(SESSION);
    let Some(role) = role else {
        return Ok(options);
    };
    let plain = |it: u8| it.is_ascii_lowercase() || it == b'_';
    if role.is_empty() || !role.bytes().all(plain) {
        return Err(BootError::Role(role.to_owned()));
    }
    Ok(options.options([("role", role)]))
}

/// What decides whether a commit that was acknowledged is still there after a power cut.
#[derive(Debug, sqlx::FromRow)]
struct Durability {
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    version: i32,
    encoding: String,
}

/// Refuses a server that acknowledges what it has not kept, is too old, or does not store UTF-8.
///
/// # Errors
///
/// [`BootError::UnsafeDatabase`] with everything that is wrong.
pub async fn refuse_unsafe_server(pool: &PgPool) -> Result<(), BootError> {
    let found: Durability = sqlx::query_as(
        r"
        SELECT current_setting('fsync') AS fsync,
               current_setting('full_page_writes') AS full_page_writes,
               current_setting('synchronous_commit') AS synchronous_commit,
               current_setting('server_version_num')::int AS version,
               current_setting('server_encoding') AS encoding
        ",
    )
    .fetch_one(pool)
    .await?;
    match found.problems() {
        problems if problems.is_empty() => Ok(()),
        problems => Err(BootError::UnsafeDatabase(problems.join("; "))),
    }
}

impl Durability {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, value) in [
            ("fsync", &self.fsync),
            ("full_page_writes", &self.full_page_writes),
        ] {
            if value != "on" {
                problems.push(format!("{name} is {value}, must be on"));
            }
        }
        let commit = self.synchronous_commit.as_str();
        if !["on", "remote_write", "remote_apply"].contains(&commit) {
            problems.push(format!("synchronous_commit is {commit}, must be on"));
        }
        if self.version < VERSION_MIN {
            let version = self.version;
            problems.push(format!("version {version} is older than {VERSION_MIN}"));
        }
        if self.encoding != "UTF8" {
            problems.push(format!("encoding is {}, must be UTF8", self.encoding));
        }
        problems
    }
}

/// Whether the database refuses what it was given, and would again: a value that cannot be (SQLSTATE class
/// 22), a constraint (23), a trigger of ours (P0), or what is stored is not what was expected. All else is
/// of the server or of others at work.
pub fn is_about_data(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|it| ["22", "23", "P0"].iter().any(|class| it.starts_with(class))),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe() -> Durability {
        Durability {
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            version: 150_018,
            encoding: "UTF8".to_owned(),
        }
    }

    #[test]
    fn a_server_that_keeps_what_it_acknowledged_is_accepted() {
        assert!(safe().problems().is_empty());
        for commit in ["on", "remote_write", "remote_apply"] {
            let server = Durability {
                synchronous_commit: commit.to_owned(),
                ..safe()
            };
            assert!(server.problems().is_empty(), "{commit}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_server_is_told_at_once() {
        let server = Durability {
            fsync: "off".to_owned(),
            full_page_writes: "off".to_owned(),
            synchronous_commit: "local".to_owned(),
            version: 140_012,
            encoding: "SQL_ASCII".to_owned(),
        };
        assert_eq!(
            server.problems(),
            [
                "fsync is off, must be on",
                "full_page_writes is off, must be on",
                "synchronous_commit is local, must be on",
                "version 140012 is older than 150000",
                "encoding is SQL_ASCII, must be UTF8",
            ]
        );
    }

    #[test]
    fn a_role_that_could_be_more_than_a_name_is_refused() {
        for role in ["", "ansinh payments", "x; DROP", "Ansinh", "a-b", "a'b"] {
            let error = options("postgres://localhost/ansinh", Some(role)).unwrap_err();
            assert!(matches!(error, BootError::Role(_)), "{role}");
        }
        options("postgres://localhost/ansinh", Some("ansinh_payments")).unwrap();
    }

    #[test]
    fn a_url_that_is_not_understood_does_not_show_its_password() {
        let error = options("postgres://ansinh:hunter2@:nonsense/", None).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
