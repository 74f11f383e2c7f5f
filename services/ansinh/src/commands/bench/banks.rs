use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::store;
use crate::target::Target;

const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often it is asked which connections are theirs. They are opened at the start and kept.
const ASK: Duration = Duration::from_millis(500);

/// The sandbox's banks in a process of their own, so that what they cost is told apart.
pub(super) struct Banks {
    process: Child,
    connections: Connections,
    asking: JoinHandle<()>,
}

/// Processes of PostgreSQL that work for the banks, and so are none of ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections(Arc<Mutex<HashSet<u32>>>);

impl Connections {
    pub(super) fn hold(&self, pid: u32) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.contains(&pid)
    }

    /// One that has ended is its server's past, so none is forgotten.
    async fn follow(self, pool: PgPool) {
        loop {
            if let Ok(pids) = store::bank_connections(&pool).await {
                let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                held.extend(pids);
            }
            tokio::time::sleep(ASK).await;
        }
    }
}

impl Banks {
    pub(super) fn start(target: &Target, pool: &PgPool, home: &Path) -> anyhow::Result<Banks> {
        let sandbox = &target.settings.sandbox;
        let process = Command::new(std::env::current_exe()?)
            .args(["serve", "sandbox", "--home"])
            .arg(home)
            .env("ANSINH_SANDBOX__DELAY_MS", sandbox.delay_ms.to_string())
            .env("ANSINH_SANDBOX__SEED", sandbox.seed.to_string())
            .env("ANSINH_LOG__FILTER", &target.settings.log.filter)
            .spawn()
            .context("start the banks")?;
        let connections = Connections::default();
        Ok(Banks {
            process,
            asking: tokio::spawn(connections.clone().follow(pool.clone())),
            connections,
        })
    }

    pub(super) fn connections(&self) -> Connections {
        self.connections.clone()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets them finish what they are at.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.process.id().try_into()?);
        kill(pid, Signal::SIGTERM)?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_WITHIN {
            if self.process.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// Whatever ends the bench, no bank stays behind.
impl Drop for Banks {
    fn drop(&mut self) {
        self.asking.abort();
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
