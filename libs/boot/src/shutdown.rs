//! How a process is told to stop, and whether it stopped for a bad reason.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

static TASK_PANICKED: AtomicBool = AtomicBool::new(false);

/// SIGINT (a person's Ctrl-C) and SIGTERM (a supervisor's stop), heard from the moment this is
/// made: a process that is told to stop while it starts ends in good order too.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// # Panics
    ///
    /// When the operating system takes no signal handlers: such a process could not be stopped in
    /// good order.
    pub fn listen() -> Signals {
        Signals {
            interrupt: signal(SignalKind::interrupt()).expect("SIGINT can be handled"),
            terminate: signal(SignalKind::terminate()).expect("SIGTERM can be handled"),
        }
    }

    /// Waits for either; what came since [`Signals::listen`] counts.
    pub async fn heard(&mut self) {
        let name = tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "Stopping on {name}");
    }
}

/// Whether a task of this process panicked, so that `main` ends with a failure and the supervisor
/// starts it again.
pub fn task_panicked() -> bool {
    TASK_PANICKED.load(Ordering::SeqCst)
}

pub(crate) fn note_panic() {
    TASK_PANICKED.store(true, Ordering::SeqCst);
}
