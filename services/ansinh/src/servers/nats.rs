use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::error::ServersError;
use super::folder::Folder;
use super::nats_cluster::Routes;
use super::nats_users::{self, ACCOUNTS, PID_FILE};
use super::ports::free_ports;
use super::process::Process;
use super::programs;

pub(super) const NAME: &str = "nats";

const CONFIG: &str = "nats.conf";
const STORE: &str = "nats";

/// A port may be taken between our look and the server's.
pub(super) const STARTS_MAX: u32 = 5;
pub(super) const START_PAUSE: Duration = Duration::from_millis(200);
/// A large store is read before the server answers.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_mins(1);
pub(super) const ANSWER_PAUSE: Duration = Duration::from_millis(20);

const PAGE_WITHIN: Duration = Duration::from_secs(2);
const PAGE_BYTES_MAX: u64 = 1 << 20;

pub(super) const STOP: [(Signal, Duration); 1] = [(Signal::SIGTERM, Duration::from_secs(20))];

/// A private NATS server with JetStream.
///
/// Every message is on disk before it is acknowledged (`sync_interval: always`). Nobody comes in
/// without a key: the state has an account, and each bank one of its own ([`NatsUsers`]).
///
/// [`NatsUsers`]: super::NatsUsers
pub struct Nats {
    url: String,
    monitor_url: String,
    store_dir: PathBuf,
    listening: Listening,
    process: Process,
    /// Last, so that its claim is dropped last.
    site: Site,
}

/// Where a server runs, and what it is a process of.
pub(super) struct Site {
    pub(super) folder: Folder,
    program: PathBuf,
    /// Held for as long as the server may run.
    _claim: File,
}

/// What one start of the server listens on, and how it is told from another's on that port.
#[derive(Clone)]
pub(super) struct Listening {
    server_name: String,
    port: u16,
    monitor_port: u16,
    /// To the other servers of its cluster.
    routes: Option<Routes>,
}

impl Nats {
    /// Starts the server in `home` and waits until JetStream answers; messages of an earlier
    /// start are there again.
    pub async fn start(home: &Path) -> Result<Nats, ServersError> {
        let site = Site::claim(home).await?;
        nats_users::prepare(&site.folder)?;
        let mut starts = 1;
        let (listening, process) = loop {
            let listening = Listening::on_free_ports()?;
            match site.launch_first(&listening).await {
                Err(ServersError::Exited { .. }) if starts < STARTS_MAX => starts += 1,
                launched => break (listening, launched?),
            }
            sleep(START_PAUSE).await;
        };
        Ok(Nats::of(site, listening, process))
    }

    pub(super) fn of(site: Site, listening: Listening, process: Process) -> Nats {
        Nats {
            url: format!("nats://127.0.0.1:{}", listening.port),
            monitor_url: format!("http://127.0.0.1:{}", listening.monitor_port),
            store_dir: site.folder.path().join(STORE),
            listening,
            process,
            site,
        }
    }

    /// By which name a cluster calls it; the same after [`Nats::restart`].
    pub fn server_name(&self) -> &str {
        &self.listening.server_name
    }

    /// The URL for clients; the same after [`Nats::restart`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of the monitoring pages; the same after [`Nats::restart`].
    pub fn monitor_url(&self) -> &str {
        &self.monitor_url
    }

    /// The seed by which the state's services log in.
    pub fn nkey_file(&self) -> PathBuf {
        nats_users::state_nkey_file(self.site.folder.path())
    }

    /// The folder with one of each bank in it, by whose seed the bank logs in.
    pub fn banks_dir(&self) -> PathBuf {
        nats_users::banks_dir(self.site.folder.path())
    }

    /// The server's process id, also when it has been killed.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder of the messages; the server keeps them in `jetstream` in it.
    pub fn store_dir(&self) -> &Path {
        &self.store_dir
    }

    /// Kills the server, as a crash would, and waits for its end.
    pub async fn kill(&mut self) -> Result<(), ServersError> {
        self.process.kill().await
    }

    /// Starts the server again on the same ports and store, killed or not.
    pub async fn restart(&mut self) -> Result<(), ServersError> {
        self.process.stop(&STOP).await?;
        let mut starts = 1;
        self.process = loop {
            match self.site.launch(&self.listening).await {
                Err(ServersError::Exited { .. }) if starts < STARTS_MAX => starts += 1,
                launched => break launched?,
            }
            sleep(START_PAUSE).await;
        };
        Ok(())
    }

    /// Whether it knows all that the others of its cluster know.
    pub async fn is_settled(&self) -> bool {
        self.listening.is_settled().await
    }

    /// Stops the server in order.
    pub async fn stop(mut self) -> Result<(), ServersError> {
        self.process.stop(&STOP).await
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("url", &self.url)
            .field("monitor_url", &self.monitor_url)
            .field("store_dir", &self.store_dir)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

impl Listening {
    fn on_free_ports() -> Result<Listening, ServersError> {
        let ports = free_ports().map_err(ServersError::io("find free ports for nats"))?;
        Listening::on(ports, None)
    }

    pub(super) fn on(
        [port, monitor_port]: [u16; 2],
        routes: Option<Routes>,
    ) -> Result<Listening, ServersError> {
        let mut mark = [0; 4];
        getrandom::fill(&mut mark)
            .map_err(|error| ServersError::io("name the server")(error.into()))?;
        Ok(Listening {
            server_name: format!("ansinh-{}", hex::encode(mark)),
            port,
            monitor_port,
            routes,
        })
    }

    /// The server's configuration. Paths in it count from the folder, where the server is
    /// started, so that no name of a folder has to be quoted.
    fn config(&self) -> String {
        let Listening {
            server_name,
            port,
            monitor_port,
            routes,
        } = self;
        let routes = routes.as_ref().map_or_else(String::new, Routes::config);
        format!(
            r#"server_name: "{server_name}"
listen: "127.0.0.1:{port}"

# Services ask here whether the server is configured safely before they start.
http: "127.0.0.1:{monitor_port}"

pid_file: "{PID_FILE}"

# A chunk of a thousand lines with signatures and room to spare.
max_payload: 8MB

# Who sleeps over four of these is cut off, and what it would be asked is asked of others.
ping_interval: "5s"
ping_max: 3

jetstream {{
  store_dir: "{STORE}"
  # On disk before it is acknowledged. The default, every two minutes, loses messages with the
  # power.
  sync_interval: always
  # Explicit limits: the defaults follow what is free at the moment of the start.
  max_memory_store: 256MB
  max_file_store: 32GB
}}

include "{ACCOUNTS}"
{routes}"#
        )
    }

    /// Whether it has found the others of its cluster, and they a leader.
    pub(super) async fn is_settled(&self) -> bool {
        let page = page(self.monitor_port, "/healthz").await;
        page.is_ok_and(|it| it.contains(" 200 OK\r\n"))
    }

    /// Whether this very server, not another on its port, is up with JetStream.
    async fn answers(&self) -> bool {
        let named = format!("\"server_name\": \"{}\"", self.server_name);
        // The first look at this page makes it, and without JetStream it would stay so.
        page(self.monitor_port, "/healthz?js-enabled-only=true")
            .await
            .is_ok_and(|it| it.contains(" 200 OK\r\n"))
            && page(self.monitor_port, "/varz")
                .await
                .is_ok_and(|it| it.contains(&named))
            && TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }
}

impl Site {
    pub(super) async fn claim(home: &Path) -> Result<Site, ServersError> {
        let folder = Folder::open(home)?;
        let claim = folder.claim(NAME).await?;
        let program = programs::nats_server().await?;
        folder.turn_log(NAME)?;
        Ok(Site {
            folder,
            program,
            _claim: claim,
        })
    }

    /// Starts the server as it has not been started yet.
    pub(super) async fn launch_first(
        &self,
        listening: &Listening,
    ) -> Result<Process, ServersError> {
        let config = listening.config();
        self.folder.write_private(CONFIG, config.as_bytes())?;
        self.launch(listening).await
    }

    async fn launch(&self, listening: &Listening) -> Result<Process, ServersError> {
        let folder = &self.folder;
        let mut command = Command::new(&self.program);
        command
            .args(["--config", CONFIG])
            .current_dir(folder.path());
        let mut process = Process::spawn(NAME, command, folder, Signal::SIGTERM)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        while Instant::now() < deadline {
            if process.has_ended() {
                return Err(ServersError::Exited {
                    server: NAME,
                    log: folder.log_path(NAME),
                    tail: folder.log_tail(NAME),
                });
            }
            if listening.answers().await {
                return Ok(process);
            }
            sleep(ANSWER_PAUSE).await;
        }
        process.kill().await?;
        Err(self.silent())
    }

    pub(super) fn silent(&self) -> ServersError {
        ServersError::Silent {
            server: NAME,
            seconds: ANSWER_WITHIN.as_secs(),
            log: self.folder.log_path(NAME),
        }
    }
}

/// A monitoring page with its head, as the server sends it.
async fn page(port: u16, path: &str) -> io::Result<String> {
    let fetch = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut page = String::new();
        stream
            .take(PAGE_BYTES_MAX)
            .read_to_string(&mut page)
            .await?;
        Ok(page)
    };
    timeout(PAGE_WITHIN, fetch).await?
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream;

    use super::*;
    use crate::servers::tests::Home;

    async fn varz(nats: &Nats) -> serde_json::Value {
        let page = page(nats.listening.monitor_port, "/varz").await.unwrap();
        let (_, body) = page.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    #[tokio::test]
    async fn the_server_says_that_it_syncs_every_message() {
        let home = Home::new();
        let nats = Nats::start(home.path()).await.unwrap();
        let varz = varz(&nats).await;
        assert_eq!(varz["jetstream"]["config"]["sync_always"], true);
        assert_eq!(varz["max_payload"], 8 * 1024 * 1024);
        assert_eq!(varz["host"], "127.0.0.1");
        nats.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_message_outlives_a_killed_server_and_the_client_finds_it_again() {
        let home = Home::new();
        let mut nats = Nats::start(home.path()).await.unwrap();
        let (url, first_pid) = (nats.url().to_owned(), nats.pid());
        let seed = std::fs::read_to_string(nats.nkey_file()).unwrap();
        let client = async_nats::ConnectOptions::with_nkey(seed.trim().to_owned())
            .connect(nats.url())
            .await
            .unwrap();
        let context = jetstream::new(client);
        let stream = jetstream::stream::Config {
            name: "PAY".to_owned(),
            subjects: vec!["pay.>".to_owned()],
            ..Default::default()
        };
        let mut stream = context.create_stream(stream).await.unwrap();
        let ack = context.publish("pay.one", "1".into()).await.unwrap();
        assert_eq!(ack.await.unwrap().sequence, 1);

        nats.kill().await.unwrap();
        nats.restart().await.unwrap();
        assert_eq!(nats.url(), url);
        assert_ne!(nats.pid(), first_pid);
        assert!(nats.store_dir().join("jetstream").is_dir());

        assert_eq!(stream.info().await.unwrap().state.messages, 1);
        nats.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_says_why() {
        let home = Home::new();
        std::fs::write(home.path().join(STORE), "in the way").unwrap();
        let error = Nats::start(home.path()).await.unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
}
