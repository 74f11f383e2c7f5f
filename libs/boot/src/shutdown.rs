//! How a process is told to stop, and whether it stopped for a bad reason.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

static TASK_PANICKED: AtomicBool = AtomicBool::new(false);

/// Waits for SIGINT (a person's Ctrl-C) or SIGTERM (a supervisor's stop).
///
/// # Panics
///
/// When the operating system takes no signal handlers: such a process could not be stopped in
/// good order.
pub async fn until_signal() {
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tracing::info!(signal = name, "Stopping on {name}");
}

/// Whether a task of this process panicked, so that `main` ends with a failure and the supervisor
/// starts it again.
pub fn task_panicked() -> bool {
    TASK_PANICKED.load(Ordering::SeqCst)
}

pub(crate) fn note_panic() {
    TASK_PANICKED.store(true, Ordering::SeqCst);
}
