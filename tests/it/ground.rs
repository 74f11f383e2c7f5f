//! What a test stands on: a database and a NATS server of its own, and keys.

use std::path::{Path, PathBuf};

use ansinh::Target;
use ansinh::servers::Nats;
use anyhow::Context;
use boot::Settings;
use privacy::Keys;
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// A fresh database on the server of `DATABASE_URL`, a fresh NATS server, and a folder.
pub struct Ground {
    pub database_url: String,
    pub nats: Nats,
    /// The other servers of its cluster, where it has one.
    pub cluster: Vec<Nats>,
    pub home: PathBuf,
}

impl Ground {
    pub async fn new() -> anyhow::Result<Ground> {
        let (database_url, home) = new_database().await?;
        let nats = Nats::start(&home).await?;
        Ground::on(database_url, nats, Vec::new(), home).await
    }

    /// Each message lies on three servers of NATS.
    pub async fn on_a_cluster() -> anyhow::Result<Ground> {
        let (database_url, home) = new_database().await?;
        let [nats, second, third] = Nats::start_cluster(&home).await?;
        Ground::on(database_url, nats, vec![second, third], home).await
    }

    async fn on(
        database_url: String,
        nats: Nats,
        cluster: Vec<Nats>,
        home: PathBuf,
    ) -> anyhow::Result<Ground> {
        Keys::generate_development(&home.join("keys"))?;
        let ground = Ground {
            database_url,
            nats,
            cluster,
            home,
        };
        ground.target().migrate().await?;
        Ok(ground)
    }

    /// The keys of another ground: what is sealed differs, what is indexed is equal.
    pub async fn take_keys_of(&self, other: &Ground) -> anyhow::Result<()> {
        std::fs::remove_file(self.keys_file())?;
        std::fs::copy(other.keys_file(), self.keys_file())?;
        // The state and the banks sign with other keys now.
        self.target().migrate().await
    }

    pub fn keys_file(&self) -> PathBuf {
        self.home.join("keys")
    }

    /// The transparency log of this ground.
    pub fn log_dir(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Settings as a service gets them: quick watermarks, a bank's day of a few seconds.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.database.url = Some(self.database_url.clone());
        settings.nats.url = Some(self.of_each_server(Nats::url));
        settings.nats.monitor_url = Some(self.of_each_server(Nats::monitor_url));
        settings.nats.replicas = 1 + self.cluster.len();
        settings.nats.nkey_file = Some(self.nats.nkey_file());
        settings.sandbox.banks_dir = Some(self.nats.banks_dir());
        settings.keys.file = Some(self.keys_file());
        settings.keys.allow_development = true;
        settings.proof.log_dir = Some(self.log_dir());
        settings.proof.seal_ms = 100;
        settings.messaging.watermark_ms = 200;
        settings.messaging.poll_ms = 50;
        settings.payments.result_sla_ms = 3_000;
        // Tests move time themselves.
        settings.payments.schedule_ms = 0;
        settings.reconciliation.grace_ms = 60_000;
        settings.sandbox.delay_ms = 300;
        settings
    }

    fn of_each_server(&self, of: fn(&Nats) -> &str) -> String {
        let servers = std::iter::once(&self.nats).chain(&self.cluster);
        servers.map(of).collect::<Vec<&str>>().join(",")
    }

    pub fn target(&self) -> Target {
        Target {
            settings: std::sync::Arc::new(self.settings()),
        }
    }

    /// A connection with the rights of the owner, who may do what no service may.
    pub async fn pool(&self) -> anyhow::Result<PgPool> {
        self.target().pool(None).await
    }

    /// The same settings as environment variables, for a child process.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("NATS_URL", self.of_each_server(Nats::url)),
            (
                "ANSINH_NATS__MONITOR_URL",
                self.of_each_server(Nats::monitor_url),
            ),
            (
                "ANSINH_NATS__REPLICAS",
                (1 + self.cluster.len()).to_string(),
            ),
            (
                "ANSINH_NATS__NKEY_FILE",
                self.nats.nkey_file().display().to_string(),
            ),
            (
                "ANSINH_SANDBOX__BANKS_DIR",
                self.nats.banks_dir().display().to_string(),
            ),
            ("ANSINH_KEYS__FILE", self.keys_file().display().to_string()),
            ("ANSINH_KEYS__ALLOW_DEVELOPMENT", "true".to_owned()),
            (
                "ANSINH_PROOF__LOG_DIR",
                self.log_dir().display().to_string(),
            ),
            ("ANSINH_PROOF__SEAL_MS", "100".to_owned()),
            ("ANSINH_MESSAGING__WATERMARK_MS", "200".to_owned()),
            ("ANSINH_MESSAGING__POLL_MS", "50".to_owned()),
            ("ANSINH_PAYMENTS__RESULT_SLA_MS", "3000".to_owned()),
            ("ANSINH_PAYMENTS__SCHEDULE_MS", "0".to_owned()),
            ("ANSINH_RECONCILIATION__GRACE_MS", "60000".to_owned()),
            ("ANSINH_SANDBOX__DELAY_MS", "300".to_owned()),
        ]
    }

    /// Gives back what the test took.
    pub async fn clear(self) -> anyhow::Result<()> {
        for server in std::iter::once(self.nats).chain(self.cluster) {
            server.stop().await?;
        }
        let admin = std::env::var("DATABASE_URL")?;
        let mut connection = PgConnection::connect(&admin).await?;
        let name = database_of_url(&self.database_url)?;
        let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
        sqlx::raw_sql(drop).execute(&mut connection).await?;
        std::fs::remove_dir_all(&self.home)?;
        Ok(())
    }
}

/// An empty database of a new name and a folder of that name.
async fn new_database() -> anyhow::Result<(String, PathBuf)> {
    let admin = std::env::var("DATABASE_URL")
        .context("tests need DATABASE_URL; `make test` provides it")?;
    let name = format!("ansinh_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&admin).await?;
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await?;
    connection.close().await?;
    let home = std::env::temp_dir().join(&name);
    std::fs::create_dir_all(&home)?;
    Ok((url_of_database(&admin, &name)?, home))
}

/// The same server's database of another name; what follows a `?` says how to get there.
pub fn url_of_database(url: &str, name: &str) -> anyhow::Result<String> {
    let (place, way) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = place.rsplit_once('/').context("a URL with a database")?;
    let mark = if way.is_empty() { "" } else { "?" };
    Ok(format!("{server}/{name}{mark}{way}"))
}

/// The database that a URL names.
pub fn database_of_url(url: &str) -> anyhow::Result<&str> {
    let (place, _) = url.split_once('?').unwrap_or((url, ""));
    let (_, name) = place.rsplit_once('/').context("a URL with a database")?;
    Ok(name)
}

/// The built program, beside this test's own binary.
pub fn ansinh_binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("target/<profile>/deps/it-…")?;
    Ok(folder.join("ansinh"))
}
