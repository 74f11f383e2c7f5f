use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::target::Target;

const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The sandbox's banks in a process of their own, so that what they cost is told apart.
pub(super) struct Banks {
    process: Child,
}

impl Banks {
    pub(super) fn start(target: &Target, home: &Path) -> anyhow::Result<Banks> {
        let sandbox = &target.settings.sandbox;
        let process = Command::new(std::env::current_exe()?)
            .args(["serve", "sandbox", "--home"])
            .arg(home)
            .env("ANSINH_SANDBOX__DELAY_MS", sandbox.delay_ms.to_string())
            .env("ANSINH_SANDBOX__SEED", sandbox.seed.to_string())
            .env("ANSINH_LOG__FILTER", &target.settings.log.filter)
            .spawn()
            .context("start the banks")?;
        Ok(Banks { process })
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
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
