use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::ServersError;
use super::folder::Folder;

/// Ends the server when the other end of its standard input closes without a word, which the
/// system does however we end. A line means that we ended the server ourselves.
const GUARD: &str = r#"trap "" HUP INT TERM; read -r _ || kill -s "$1" "$2""#;

const GUARD_WITHIN: Duration = Duration::from_secs(5);
const KILL_WITHIN: Duration = Duration::from_secs(20);

/// A running server: our direct child, so that its end is seen and no zombie stays.
///
/// Dropped, or when this process ends in any way, the server is asked to stop.
#[derive(Debug)]
pub(super) struct Process {
    server: &'static str,
    pid: u32,
    child: Child,
    guard: Child,
}

impl Process {
    /// Starts a server whose output goes to its log, and that `ask_to_stop` stops in order.
    pub(super) fn spawn(
        server: &'static str,
        mut command: Command,
        folder: &Folder,
        ask_to_stop: Signal,
    ) -> Result<Process, ServersError> {
        let log = folder.open_log(server)?;
        let log_of_errors = log
            .try_clone()
            .map_err(ServersError::io(format!("open the log of {server}")))?;
        // A group of its own: Ctrl-C at the terminal is for us, who stop the servers in order.
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_of_errors)
            .process_group(0)
            .spawn()
            .map_err(ServersError::io(format!("start {server}")))?;
        let pid = child.id().expect("nobody has waited for the child yet");
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", name(ask_to_stop)])
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Process {
                server,
                pid,
                child,
                guard,
            }),
            Err(error) => {
                let _ = signal::kill(raw(pid), ask_to_stop);
                Err(ServersError::io(format!("guard {server}"))(error))
            }
        }
    }

    /// The process id, also of a server that has ended.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends each signal in turn and waits as long as it says, until the server has ended.
    pub(super) async fn stop(
        &mut self,
        signals: &[(Signal, Duration)],
    ) -> Result<(), ServersError> {
        self.dismiss_guard().await;
        for &(signal, within) in signals {
            if self.end_by(signal, within).await {
                return Ok(());
            }
            tracing::warn!(
                server = self.server,
                signal = signal.as_str(),
                "The server did not stop in time"
            );
        }
        self.kill().await
    }

    /// Ends the server at once, with no chance to write anything.
    pub(super) async fn kill(&mut self) -> Result<(), ServersError> {
        self.dismiss_guard().await;
        if self.end_by(Signal::SIGKILL, KILL_WITHIN).await {
            return Ok(());
        }
        Err(ServersError::Unstoppable {
            server: self.server,
            pid: self.pid,
        })
    }

    async fn end_by(&mut self, signal: Signal, within: Duration) -> bool {
        // The id cannot be somebody else's yet: only our wait frees it.
        if self.child.id().is_some() && signal::kill(raw(self.pid), signal).is_err() {
            return self.has_ended();
        }
        timeout(within, self.child.wait())
            .await
            .is_ok_and(|waited| waited.is_ok())
    }

    /// Before the server's id is free for others, so that the guard never hits one of those.
    async fn dismiss_guard(&mut self) {
        if let Some(mut word) = self.guard.stdin.take() {
            // A guard that is gone already, killed by somebody, needs no dismissal.
            drop(word.write_all(b"\n").await);
        }
        if timeout(GUARD_WITHIN, self.guard.wait()).await.is_err() {
            drop(self.guard.kill().await);
        }
    }
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("the system's process ids are positive i32"))
}

/// As `kill -s` of any shell takes it.
fn name(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;
    use crate::servers::tests::Home;

    fn shell(home: &Home, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let folder = Folder::open(home.path()).unwrap();
        Process::spawn("shell", command, &folder, Signal::SIGTERM).unwrap()
    }

    async fn say_ready(home: &Home) {
        let log = home.path().join("shell.log");
        for _ in 0..200 {
            if fs::read_to_string(&log).is_ok_and(|it| it.contains("ready")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the shell did not start");
    }

    #[tokio::test]
    async fn a_server_that_ignores_one_signal_is_sent_the_next() {
        let home = Home::new();
        let mut process = shell(
            &home,
            "trap '' TERM; echo ready; while :; do sleep 0.1; done",
        );
        say_ready(&home).await;
        let started = Instant::now();
        process
            .stop(&[
                (Signal::SIGTERM, Duration::from_millis(300)),
                (Signal::SIGINT, Duration::from_secs(5)),
            ])
            .await
            .unwrap();
        assert!(process.has_ended());
        assert!(started.elapsed() >= Duration::from_millis(300));
        assert!(started.elapsed() < Duration::from_secs(5));
        process
            .kill()
            .await
            .expect("killing what has ended is nothing");
    }

    #[tokio::test]
    async fn a_server_stops_when_its_owner_ends_without_a_word() {
        let home = Home::new();
        let mut process = shell(
            &home,
            "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done",
        );
        say_ready(&home).await;
        drop(process.guard.stdin.take()); // as the system does when the owner is killed
        let status = timeout(Duration::from_secs(5), process.child.wait()).await;
        assert_eq!(status.unwrap().unwrap().code(), Some(7));
    }
}
