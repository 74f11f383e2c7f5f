//! The embedded servers: a private PostgreSQL and a private NATS in one folder.
//!
//! Demonstrations, tests and measurements run on the same servers as production, with the same
//! promises about durability, and without anybody installing or configuring a service. Both
//! listen on the loopback address only, on ports found free.
//!
//! The folder (`home`) holds:
//!
//! | path | content |
//! |---|---|
//! | `postgres/data` | the cluster; [`Postgres`] says when it lies elsewhere |
//! | `nats/` | the JetStream store |
//! | `nats.conf`, `postgres.password`, `connection.json` | readable by their owner only |
//! | `nats-users.json`, `nats-accounts.conf` | who may log in at NATS: public keys |
//! | `nats-state.nk`, `banks/<code>/nats.nk` | seeds of the state's services and of made-up banks |
//! | `*.log`, `*.log.previous` | what the servers said since the last start, and before |
//! | `*.lock` | held by the process that started the server |
//!
//! However that process ends, by [`Servers::stop`], by a panic or by a kill, the servers stop too.

mod cluster;
mod connection;
mod error;
mod folder;
mod nats;
mod nats_cluster;
mod nats_users;
mod place;
mod ports;
mod postgres;
mod process;
mod programs;

use std::fmt;
use std::path::{Path, PathBuf};

pub use connection::{Connection, running};
pub use error::ServersError;
pub use nats::Nats;
pub use nats_users::{
    BankUser, Heeded, NatsUsers, banks_dir, change_nats_users, issue_nkey, let_state_in,
    make_folder, nats_users, state_nkey_file,
};
pub use postgres::Postgres;

/// The folder of PostgreSQL's programs that the servers are started from: `pg_dump` is there too.
///
/// # Errors
/// [`ServersError::Missing`] where PostgreSQL of a version that will do is not found.
pub async fn postgres_programs() -> Result<PathBuf, ServersError> {
    programs::postgres().await
}

/// The embedded servers of one folder, running.
pub struct Servers {
    postgres: Postgres,
    nats: Nats,
    connection: connection::Record,
}

impl Servers {
    /// Starts both servers in `home` and waits until both answer; creates the folder and the
    /// cluster on first use.
    ///
    /// # Errors
    /// [`ServersError::Taken`] when another process runs servers in `home` (see [`running`]);
    /// otherwise why a server could not be started. No server is left behind.
    pub async fn start(home: &Path) -> Result<Servers, ServersError> {
        let (postgres, nats) = tokio::join!(Postgres::start(home), Nats::start(home));
        let (postgres, nats) = match (postgres, nats) {
            (Ok(postgres), Ok(nats)) => (postgres, nats),
            (Ok(postgres), Err(error)) => {
                postgres.stop().await?;
                return Err(error);
            }
            (Err(error), Ok(nats)) => {
                nats.stop().await?;
                return Err(error);
            }
            (Err(error), Err(_)) => return Err(error),
        };
        let connection = connection::Record::write(
            home,
            &Connection {
                database_url: postgres.url().to_owned(),
                nats_url: nats.url().to_owned(),
                nats_monitor_url: nats.monitor_url().to_owned(),
            },
        )?;
        Ok(Servers {
            postgres,
            nats,
            connection,
        })
    }

    /// The URL of the database `ansinh` for its owner, a superuser, with the password.
    pub fn database_url(&self) -> &str {
        self.postgres.url()
    }

    /// The URL of NATS.
    pub fn nats_url(&self) -> &str {
        self.nats.url()
    }

    /// The base URL of NATS's monitoring pages (`/varz`, `/jsz`, `/healthz`).
    pub fn nats_monitor_url(&self) -> &str {
        self.nats.monitor_url()
    }

    /// The seed by which the state's services log in at NATS.
    pub fn nats_nkey_file(&self) -> PathBuf {
        self.nats.nkey_file()
    }

    /// The process id of the postmaster.
    pub fn postgres_pid(&self) -> u32 {
        self.postgres.pid()
    }

    /// The process id of `nats-server`.
    pub fn nats_pid(&self) -> u32 {
        self.nats.pid()
    }

    /// Stops both servers in order: first what brings new work, then what records it.
    ///
    /// # Errors
    /// When a server could not even be killed; both are tried.
    pub async fn stop(self) -> Result<(), ServersError> {
        self.connection.remove();
        let nats = self.nats.stop().await;
        let postgres = self.postgres.stop().await;
        nats.and(postgres)
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("postgres", &self.postgres)
            .field("nats", &self.nats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::env;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A folder of one test, removed at its end.
    pub(crate) struct Home(PathBuf);

    impl Home {
        pub(crate) fn new() -> Home {
            let mut name = [0; 8];
            getrandom::fill(&mut name).unwrap();
            let path = env::temp_dir().join(format!("ansinh-test-{}", hex::encode(name)));
            // As PostgreSQL's account needs it, whatever the mask of this process says.
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o711)).unwrap();
            Home(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            // A test that failed may leave a server behind that still writes for a moment.
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[tokio::test]
    async fn running_servers_can_be_found_and_stopped_ones_cannot() {
        let home = Home::new();
        assert_eq!(running(home.path()), None);

        let servers = Servers::start(home.path()).await.unwrap();
        let found = running(home.path()).expect("they run");
        assert_eq!(found.database_url, servers.database_url());
        assert_eq!(found.nats_url, servers.nats_url());

        servers.stop().await.unwrap();
        assert_eq!(running(home.path()), None);
    }

    #[tokio::test]
    async fn a_folder_has_one_owner_at_a_time() {
        let home = Home::new();
        let servers = Servers::start(home.path()).await.unwrap();
        let second = Servers::start(home.path()).await;
        assert!(
            matches!(second, Err(ServersError::Taken { .. })),
            "{second:?}"
        );
        servers.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_printed_for_debugging_holds_no_password() {
        let home = Home::new();
        let servers = Servers::start(home.path()).await.unwrap();
        let printed = format!("{servers:?} {:?}", running(home.path()));
        let password = fs::read_to_string(home.path().join("postgres.password")).unwrap();
        assert_eq!(password.len(), 48);
        assert!(servers.database_url().contains(&password));
        assert!(!printed.contains(&password));
        servers.stop().await.unwrap();
    }
}
