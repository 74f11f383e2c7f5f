use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use boot::Settings;
use chrono::Utc;
use privacy::{KeyPurpose, Keys};
use sqlx::PgPool;

use crate::organisations;
use crate::servers::{self, Servers};

/// The servers and keys that a command works on.
#[derive(Debug, Clone)]
pub struct Target {
    pub settings: Arc<Settings>,
}

impl Target {
    /// Where the settings name servers, those; else the embedded ones that run in `home`.
    pub fn find(home: &Path) -> anyhow::Result<Target> {
        let mut settings = Settings::load()?;
        if settings.database.url.is_none() || settings.nats.url.is_none() {
            let running = servers::running(home).with_context(|| {
                "no servers: start `ansinh up` in another terminal, or set DATABASE_URL and NATS_URL"
            })?;
            settings.database.url = Some(running.database_url);
            settings.nats.url = Some(running.nats_url);
            settings.nats.monitor_url = Some(running.nats_monitor_url);
            log_in(&mut settings, home);
            settings.keys.allow_development = true;
        }
        Target::with_keys(settings, home)
    }

    /// As [`Target::find`], for who works on the database alone: nobody has to name NATS.
    pub fn of_database(home: &Path) -> anyhow::Result<Target> {
        let settings = Settings::load()?;
        if settings.database.url.is_none() {
            return Target::find(home);
        }
        Target::with_keys(settings, home)
    }

    /// As [`Target::find`], for the door to citizens: it has no database, so nobody has to name one.
    pub fn of_door(home: &Path) -> anyhow::Result<Target> {
        let settings = Settings::load()?;
        if settings.nats.url.is_none() {
            return Target::find(home);
        }
        Ok(Target {
            settings: Arc::new(settings),
        })
    }

    /// The embedded servers of `home`, just started.
    pub fn embedded(servers: &Servers, home: &Path) -> anyhow::Result<Target> {
        let mut settings = Settings::load()?;
        settings.database.url = Some(servers.database_url().to_owned());
        settings.nats.url = Some(servers.nats_url().to_owned());
        settings.nats.monitor_url = Some(servers.nats_monitor_url().to_owned());
        log_in(&mut settings, home);
        settings.keys.allow_development = true;
        Target::with_keys(settings, home)
    }

    pub fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Target {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Keys of this installation: a named file must exist. Keys for development lie in `home` and
    /// are made when missing; where they may not be used, a file has to be named.
    fn with_keys(mut settings: Settings, home: &Path) -> anyhow::Result<Target> {
        if settings.keys.file.is_none() && settings.keys.allow_development {
            let file: PathBuf = home.join("keys");
            if !file.exists() {
                std::fs::create_dir_all(home)?;
                Keys::generate_development(&file)?;
            }
            settings.keys.file = Some(file);
        }
        if settings.proof.log_dir.is_none() && settings.keys.allow_development {
            settings.proof.log_dir = Some(home.join("log"));
        }
        Ok(Target {
            settings: Arc::new(settings),
        })
    }

    pub fn database_url(&self) -> anyhow::Result<&str> {
        self.settings
            .database
            .url
            .as_deref()
            .context("DATABASE_URL is not set")
    }

    /// A few connections with the rights of the URL's own user.
    pub async fn pool(&self, role: Option<&str>) -> anyhow::Result<PgPool> {
        Ok(boot::database::connect(self.database_url()?, role, 4).await?)
    }

    pub async fn nats(&self) -> anyhow::Result<async_nats::Client> {
        let url = self
            .settings
            .nats
            .url
            .as_deref()
            .context("NATS_URL is not set")?;
        Ok(boot::nats::connect(url, &self.settings.nats.login(), "ansinh-cli").await?)
    }

    pub fn keys(&self) -> anyhow::Result<Keys> {
        Ok(boot::keys::read(&self.settings)?)
    }

    /// Imports social-security accounts with the keys and terms of this installation.
    pub async fn import_links(&self, pool: &PgPool, file: &Path) -> anyhow::Result<intake::Report> {
        let (keys, terms) = (Arc::new(self.keys()?), accounts::Terms::of(&self.settings));
        let what = (file, accounts::Kind::Ssa);
        Ok(accounts::import_links(pool, &keys, terms, what, Utc::now()).await?)
    }

    /// Brings the schema up, and makes the sandbox's banks known where keys are for development;
    /// safe to repeat.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let pool = self.pool(None).await?;
        boot::MIGRATOR.run(&pool).await?;
        if self.settings.keys.allow_development {
            let keys = self.keys()?;
            if keys.purpose() == KeyPurpose::Development {
                organisations::introduce(&pool, &keys, Utc::now()).await?;
            }
        }
        pool.close().await;
        Ok(())
    }

    /// Waits until `consumer` has heard all that `speaker` said, a minute at most.
    pub async fn wait_until_heard(&self, consumer: &str, speaker: &str) -> anyhow::Result<()> {
        let pool = self.pool(None).await?;
        for _ in 0..600 {
            if messaging::caught_up(&pool, consumer, speaker).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("{consumer} has not heard {speaker} within a minute: is it running?")
    }
}

/// As whom services and made-up banks log in at the embedded server of `home`.
fn log_in(settings: &mut Settings, home: &Path) {
    settings.nats.nkey_file = Some(servers::state_nkey_file(home));
    settings.sandbox.banks_dir = Some(servers::banks_dir(home));
}
