use std::process::ExitCode;

use payments::{OrderRelease, ReleaseInWaves, ReleaseLate, ReleaseRun, Waves};

use crate::cli::{By, Ordering, Output};
use crate::commands::ask;
use crate::output::Failure;
use crate::target::Target;

/// Releases at once, late, or in waves.
pub(super) async fn release(
    target: &Target,
    output: Output,
    (release, reason): (ReleaseRun, Option<String>),
    (first, percents): (Option<i64>, Option<Vec<i64>>),
    by: &By,
) -> Result<ExitCode, Failure> {
    let waves = first.map(Waves::First).or(percents.map(Waves::Percent));
    match (waves, reason) {
        (Some(waves), reason) => {
            let body = ReleaseInWaves {
                release,
                waves,
                reason,
            };
            ask(target, output, "release-in-waves", by, &body).await
        }
        (None, None) => ask(target, output, "release-run", by, &release).await,
        (None, Some(reason)) => {
            let body = ReleaseLate { release, reason };
            ask(target, output, "release-late", by, &body).await
        }
    }
}

/// Pauses, resumes or stops.
pub(super) async fn order(
    target: &Target,
    output: Output,
    command: &str,
    order: Ordering,
) -> Result<ExitCode, Failure> {
    let unscoped = || Failure::Refused("scope_missing: an order is about something".to_owned());
    let body = OrderRelease {
        officer: order.by.by.clone(),
        scope: order.scope.scope().ok_or_else(unscoped)?,
        reason: order.reason,
    };
    ask(target, output, command, &order.by, &body).await
}
