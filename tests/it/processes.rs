//! Each service as a child process of its own, to be killed and started again.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::ground::{Ground, ansinh_binary};

pub const SERVICES: [&str; 6] = [
    "eligibility",
    "accounts",
    "payments",
    "reconciliation",
    "sandbox",
    "audit",
];

/// Those of them that hear and say events.
pub const SPEAKING: [&str; 5] = [
    "eligibility",
    "accounts",
    "payments",
    "reconciliation",
    "sandbox",
];

/// A service may take this long to finish what it has in hand.
const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// `ansinh serve <service>`, as often as it takes.
pub struct Process {
    pub service: &'static str,
    env: Vec<(&'static str, String)>,
    log: PathBuf,
    /// What the ones before it said, in bytes of the log.
    said: usize,
    child: Child,
}

/// All services, each in a process of its own.
pub struct Processes(pub Vec<Process>);

impl Process {
    pub fn start(
        ground: &Ground,
        service: &'static str,
        settings: &[(&'static str, &str)],
    ) -> anyhow::Result<Process> {
        Process::start_as(service, ground, service, settings)
    }

    /// One of several of a service, which have logs of their own.
    pub fn start_as(
        name: &str,
        ground: &Ground,
        service: &'static str,
        settings: &[(&'static str, &str)],
    ) -> anyhow::Result<Process> {
        let mut env = ground.env();
        env.extend(settings.iter().map(|(key, it)| (*key, (*it).to_owned())));
        let log = ground.home.join(format!("{name}.log"));
        let child = spawn(service, &env, &log)?;
        Ok(Process {
            service,
            env,
            log,
            said: 0,
            child,
        })
    }

    /// SIGKILL: the process can neither finish nor say anything.
    pub async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.refuse_ended()?;
        self.child.start_kill()?;
        self.child.wait().await?;
        self.said = std::fs::read(&self.log)?.len();
        self.child = spawn(self.service, &self.env, &self.log)?;
        Ok(())
    }

    /// SIGKILL, for good.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.refuse_ended()?;
        Ok(self.child.kill().await?)
    }

    /// What it has said so far.
    pub fn said(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// SIGSTOP, SIGCONT and their like.
    pub async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self.child.id().context("a running child has an id")?;
        // The standard library sends only SIGKILL.
        let told = Command::new("kill")
            .args(["-s", signal, &pid.to_string()])
            .status();
        ensure!(told.await?.success(), "kill(1) works");
        Ok(())
    }

    /// A service ends only when it is told to.
    fn refuse_ended(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log)?;
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            bail!("{} ended by itself, {status}: {tail:#?}", self.service);
        }
        Ok(())
    }

    /// SIGTERM, as a supervisor stops a service; not before the program can hear it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        while !std::fs::read_to_string(&self.log)?[self.said..].contains("Serving") {
            self.refuse_ended()?;
            sleep(LOOK).await;
        }
        self.refuse_ended()?;
        self.signal("TERM").await?;
        let status = timeout(STOP_MAX, self.child.wait()).await??;
        ensure!(status.success(), "{} stopped with {status}", self.service);
        Ok(())
    }
}

impl Processes {
    pub fn start(ground: &Ground, settings: &[(&'static str, &str)]) -> anyhow::Result<Processes> {
        let started = SERVICES.map(|it| Process::start(ground, it, settings));
        Ok(Processes(started.into_iter().collect::<Result<_, _>>()?))
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        for process in self.0 {
            process.stop().await?;
        }
        Ok(())
    }
}

/// What a process says goes to its log, behind what the one before it said.
fn spawn(service: &str, env: &[(&'static str, String)], log: &PathBuf) -> anyhow::Result<Child> {
    let log: File = OpenOptions::new().create(true).append(true).open(log)?;
    let program = ansinh_binary()?;
    let child = Command::new(&program)
        .args(["serve", service])
        .envs(env.iter().map(|(key, it)| (*key, it)))
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    child.with_context(|| format!("{} was built before the tests", program.display()))
}
