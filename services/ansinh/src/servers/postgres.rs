use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};
use tokio::time::{Instant, sleep, timeout};

use super::cluster;
use super::error::ServersError;
use super::folder::Folder;
use super::place::Place;
use super::ports::free_ports;
use super::process::Process;
use super::programs;

pub(super) const NAME: &str = "postgres";

/// The database has its owner's name.
const DATABASE: &str = cluster::OWNER;

/// A port may be taken between our look and the server's, and what a killed server's
/// connections were doing may take a moment to end.
const STARTS_MAX: u32 = 10;
const START_PAUSE: Duration = Duration::from_millis(500);
/// After a crash up to `max_wal_size` of log is replayed before the server answers.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
const ANSWER_PAUSE: Duration = Duration::from_millis(20);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A fast shutdown, which ends connections and writes a checkpoint; then one that only ends.
const STOP: [(Signal, Duration); 2] = [
    (Signal::SIGINT, Duration::from_mins(1)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
];

/// Settings for bulk work on a ledger, on a small machine (2 cores, 24 GiB) that also runs the
/// services. A larger one has room to spare with them; a smaller one still starts.
const SETTINGS: [(&str, &str); 26] = [
    ("listen_addresses", "127.0.0.1"),
    // Two instances of each service with their pools, and tests side by side.
    ("max_connections", "300"),
    // The ledger's promise: what is committed is on disk, whole.
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    // The hot end of every table; the system's cache holds the rest.
    ("shared_buffers", "1GB"),
    ("effective_cache_size", "12GB"),
    // Sets of thousands of rows are joined and sorted in memory, with few connections at once.
    ("work_mem", "32MB"),
    ("maintenance_work_mem", "512MB"),
    // Rare checkpoints: after each, every page's first change writes the whole page to the log.
    ("max_wal_size", "8GB"),
    ("min_wal_size", "1GB"),
    ("checkpoint_timeout", "15min"),
    ("checkpoint_completion_target", "0.9"),
    // Any page is as near as the next one on solid state.
    ("random_page_cost", "1.1"),
    ("effective_io_concurrency", "100"),
    // Short statements by the thousand: compiling one costs more than running it.
    ("jit", "off"),
    // The second core is the services'. And a container's shared memory (64 MB) is too small for
    // parallel workers.
    ("max_parallel_workers_per_gather", "0"),
    ("max_parallel_maintenance_workers", "0"),
    ("autovacuum", "on"),
    // A table of months times parts takes many locks in one transaction.
    ("max_locks_per_transaction", "256"),
    // Reading the clock around each read and write is not free on every machine.
    ("track_io_timing", "off"),
    // No row's content in the log: neither a failed statement nor the keys that collided.
    ("log_error_verbosity", "terse"),
    ("log_min_error_statement", "panic"),
    // Whose statement it is, where a login's are logged.
    ("log_line_prefix", "%m [%p] %u@%d "),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// A private PostgreSQL cluster and its server.
///
/// The cluster lies in `postgres/data` of its folder. PostgreSQL refuses to run as root: for
/// root the data belong to the account `postgres`, `ansinh` or `nobody`, and when that account
/// cannot get into the folder they lie in `/var/tmp/ansinh-…`, which `postgres.path` names.
pub struct Postgres {
    folder: Folder,
    bin: PathBuf,
    place: Place,
    login: Login,
    url: String,
    process: Process,
    /// Held for as long as the server may run; last, so that it is dropped last.
    _claim: File,
}

/// How the server's owner gets in.
#[derive(Clone)]
struct Login {
    port: u16,
    password: String,
    /// Where the server's Unix socket lies. Over TCP the driver leaves Nagle's algorithm on, and
    /// whatever is longer than one segment waits up to 40 ms for an acknowledgement.
    socket: Option<PathBuf>,
}

/// The longest path of a socket's folder: the system's 107 bytes less `/.s.PGSQL.65535`.
const SOCKET_FOLDER_MAX: usize = 92;

/// The cluster's place, private to its account, where its path fits; else there is only TCP.
fn socket_folder(place: &Place) -> Option<PathBuf> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
    let path = place.path();
    let text = path.to_str()?;
    let fits = path.is_absolute() && text.len() <= SOCKET_FOLDER_MAX && text.chars().all(plain);
    fits.then(|| path.to_owned())
}

impl Postgres {
    /// Starts the server in `home` and waits until the database answers; creates the cluster,
    /// its password and the database on first use.
    pub async fn start(home: &Path) -> Result<Postgres, ServersError> {
        let folder = Folder::open(home)?;
        let claim = folder.claim(NAME).await?;
        let bin = programs::postgres().await?;
        let place = Place::of(&folder)?;
        let password = cluster::ensure(&folder, &place, &bin).await?;
        folder.turn_log(NAME)?;
        let mut starts = 1;
        let (login, process) = loop {
            let [port] = free_ports().map_err(ServersError::io("find a free port"))?;
            let login = Login {
                port,
                password: password.clone(),
                socket: socket_folder(&place),
            };
            match launch(&folder, &place, &bin, &login).await {
                Err(ServersError::Exited { .. }) if starts < STARTS_MAX => starts += 1,
                launched => break (login, launched?),
            }
            sleep(START_PAUSE).await;
        };
        Ok(Postgres {
            url: login.url(),
            folder,
            bin,
            place,
            login,
            process,
            _claim: claim,
        })
    }

    /// The URL of the database `ansinh` for its owner, a superuser, with the password; the same
    /// after [`Postgres::restart`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The postmaster's process id, also when it has been killed.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Kills the postmaster, as a crash would, and waits for its end and, at most ten seconds,
    /// for that of its connections' processes.
    pub async fn kill(&mut self) -> Result<(), ServersError> {
        self.process.kill().await?;
        cluster::wait_for_silence(&self.place).await;
        Ok(())
    }

    /// Starts the server again on the same port and data, killed or not.
    pub async fn restart(&mut self) -> Result<(), ServersError> {
        self.process.stop(&STOP).await?;
        let mut starts = 1;
        self.process = loop {
            match launch(&self.folder, &self.place, &self.bin, &self.login).await {
                Err(ServersError::Exited { .. }) if starts < STARTS_MAX => starts += 1,
                launched => break launched?,
            }
            sleep(START_PAUSE).await;
        };
        Ok(())
    }

    /// Stops the server in order.
    pub async fn stop(mut self) -> Result<(), ServersError> {
        self.process.stop(&STOP).await
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("data", &self.place.data())
            .field("port", &self.login.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

impl Login {
    fn url(&self) -> String {
        let Login {
            port,
            password,
            socket,
        } = self;
        let url = format!("postgres://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}");
        match socket {
            Some(folder) => format!("{url}?host={}", folder.display()),
            None => url,
        }
    }

    /// Empty where there is none, as the server's setting has it.
    fn socket_folder(&self) -> String {
        let folder = self.socket.as_deref().unwrap_or(Path::new(""));
        folder.display().to_string()
    }

    /// A connection to the database that every cluster has. It proves that the server on the
    /// port is ours: no other knows the password.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(DATABASE)
            .password(&self.password)
            .database("postgres");
        timeout(CONNECT_WITHIN, PgConnection::connect_with(&options))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
    }
}

async fn launch(
    folder: &Folder,
    place: &Place,
    bin: &Path,
    login: &Login,
) -> Result<Process, ServersError> {
    cluster::remove_stale_lock(place).await;
    let program = bin.join("postgres");
    let compression = wal_compression(place, &program).await;
    let mut command = place.command(&program);
    command
        .arg("-D")
        .arg(place.data())
        .args(["-p", &login.port.to_string()])
        .args(["-c", &format!("wal_compression={compression}")])
        .args([
            "-c",
            &format!("unix_socket_directories={}", login.socket_folder()),
        ]);
    for (name, value) in SETTINGS {
        command.args(["-c", &format!("{name}={value}")]);
    }
    let mut process = Process::spawn(NAME, command, folder, Signal::SIGINT)?;
    let deadline = Instant::now() + ANSWER_WITHIN;
    while Instant::now() < deadline {
        if process.has_ended() {
            return Err(ServersError::Exited {
                server: NAME,
                log: folder.log_path(NAME),
                tail: folder.log_tail(NAME),
            });
        }
        if let Ok(connection) = login.connect().await {
            ensure_database(connection).await?;
            return Ok(process);
        }
        sleep(ANSWER_PAUSE).await;
    }
    process.stop(&STOP).await?;
    Err(ServersError::Silent {
        server: NAME,
        seconds: ANSWER_WITHIN.as_secs(),
        log: folder.log_path(NAME),
    })
}

/// Less log to sync for the cheapest compression there is; not every build has it.
async fn wal_compression(place: &Place, program: &Path) -> &'static str {
    let asked = place
        .command(program)
        .args(["-C", "wal_compression", "-c", "wal_compression=lz4", "-D"])
        .arg(place.data())
        .output()
        .await;
    match asked {
        Ok(output) if output.status.success() => "lz4",
        _ => "on",
    }
}

async fn ensure_database(mut connection: PgConnection) -> Result<(), ServersError> {
    let found: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'ansinh')")
            .fetch_one(&mut connection)
            .await?;
    if !found {
        connection.execute("CREATE DATABASE ansinh").await?;
    }
    connection.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::servers::tests::Home;

    async fn setting(connection: &mut PgConnection, name: &str) -> String {
        sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(connection)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_row_outlives_a_killed_server() {
        let home = Home::new();
        let mut postgres = Postgres::start(home.path()).await.unwrap();
        let (url, first_pid) = (postgres.url().to_owned(), postgres.pid());
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection
            .execute("CREATE TABLE paid (amount numeric(20,0)); INSERT INTO paid VALUES (500000)")
            .await
            .unwrap();

        postgres.kill().await.unwrap();
        assert!(connection.execute("SELECT 1").await.is_err());
        postgres.restart().await.unwrap();
        assert_eq!(postgres.url(), url);
        assert_ne!(postgres.pid(), first_pid);

        let mut connection = PgConnection::connect(&url).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM paid")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(rows, 1);
        postgres.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_cluster_is_created_once_and_durable() {
        let home = Home::new();
        let postgres = Postgres::start(home.path()).await.unwrap();
        let mut connection = PgConnection::connect(postgres.url()).await.unwrap();
        for (name, value) in [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("data_checksums", "on"),
            ("server_encoding", "UTF8"),
            ("lc_collate", "C"),
            ("listen_addresses", "127.0.0.1"),
            ("password_encryption", "scram-sha-256"),
        ] {
            assert_eq!(setting(&mut connection, name).await, value, "{name}");
        }
        connection.execute("CREATE TABLE kept ()").await.unwrap();
        postgres.stop().await.unwrap();

        let postgres = Postgres::start(home.path()).await.unwrap();
        let mut connection = PgConnection::connect(postgres.url()).await.unwrap();
        connection.execute("SELECT FROM kept").await.unwrap();
        postgres.stop().await.unwrap();
    }

    #[tokio::test]
    async fn the_lock_of_a_process_id_that_somebody_else_has_now_is_no_hindrance() {
        let home = Home::new();
        let postgres = Postgres::start(home.path()).await.unwrap();
        let lock = postgres.place.data().join("postmaster.pid");
        let place = Place::of(&postgres.folder).unwrap();
        let written = fs::read_to_string(&lock).unwrap();
        postgres.stop().await.unwrap();

        // A living process of the server's own account, with another folder.
        let mut stranger = place.command(Path::new("sleep")).arg("60").spawn().unwrap();
        let (_, rest) = written.split_once('\n').unwrap();
        fs::write(&lock, format!("{}\n{rest}", stranger.id().unwrap())).unwrap();
        place.give(&lock).unwrap();

        let postgres = Postgres::start(home.path()).await.unwrap();
        let log = fs::read_to_string(home.path().join("postgres.log")).unwrap();
        assert!(!log.contains("lock file"), "at the first try: {log}");
        postgres.stop().await.unwrap();
        stranger.kill().await.unwrap();
    }
}
