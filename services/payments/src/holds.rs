//! Holds that end, and what a run is once lines have left it or come back.

use std::collections::BTreeSet;
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, Utc};
use domain::{ChunkNo, Part, RunNo};
use ledger::merkle_root;
use sqlx::PgConnection;

use crate::run::State;
use crate::store::{self, EndedHold, Moved};
use crate::{Error, Line};

/// Between two looks for holds whose time is over.
const LOOK: Duration = Duration::from_secs(2);
/// Partitions looked at in one round.
const PARTS_MAX: i64 = 16;
/// Holds ended in one transaction; each may be in a chunk of its own, whose root is taken anew.
const HOLDS_MAX: i64 = 100;

/// Sets lines free once the time of their hold is over, until the process stops.
pub(crate) async fn watch_holds(ctx: Context) {
    while !ctx.stop.is_cancelled() {
        match round(&ctx, Utc::now()).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::error!(error = %error, "The watch over holds waits"),
        }
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// How many holds it ended.
async fn round(ctx: &Context, now: DateTime<Utc>) -> Result<usize, Error> {
    let mut ended = 0;
    for (run_no, part) in store::parts_with_ended_holds(&ctx.pool, now, PARTS_MAX).await? {
        let mut tx = ctx.pool.begin().await?;
        ended += end_holds(&mut tx, (run_no, part), now).await?;
        tx.commit().await?;
    }
    Ok(ended)
}

/// Frees the lines of a run that nobody has approved; of one that is approved they stay aside, and
/// their exceptions say that they are to be issued again. Between the first approval and the last
/// nothing happens: a line that came back would void what was approved.
async fn end_holds(
    tx: &mut PgConnection,
    (run_no, part): (RunNo, Part),
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    store::lock_parts(tx, part, &[run_no]).await?;
    let run = store::lock_run(tx, run_no).await?;
    let ended = store::ended_holds(tx, (run_no, part), now, HOLDS_MAX).await?;
    let number = |it: &EndedHold| it.exception_no;
    if run.state.is_approved() {
        // A line that something else holds as well is issued again, or not, for that.
        let (others, last): (Vec<_>, Vec<_>) = ended.iter().partition(|it| it.has_others);
        let others: Vec<i64> = others.into_iter().map(number).collect();
        let last: Vec<i64> = last.into_iter().map(number).collect();
        store::resolve(tx, &others, now).await?;
        store::mark_to_issue_again(tx, &last).await?;
    } else if run.state != State::Preparing && store::count_approvals(tx, run_no).await? == 0 {
        let numbers: Vec<i64> = ended.iter().map(number).collect();
        let freed = store::free_lines(tx, part, &numbers, now).await?;
        restate(tx, part, &freed, now).await?;
    } else {
        return Ok(0);
    }
    if !ended.is_empty() {
        tracing::info!(
            run = run_no.0,
            part = part.number(),
            holds = ended.len(),
            is_approved = run.state.is_approved(),
            "Holds are over"
        );
    }
    Ok(ended.len())
}

/// A run that is not approved yet is another one now: root, count and sum are taken anew, and
/// approvals given so far are void. Where no line has moved, nothing has changed.
pub(crate) async fn restate(
    tx: &mut PgConnection,
    part: Part,
    moved: &[Moved],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let chunks: BTreeSet<(RunNo, ChunkNo)> = moved.iter().map(|it| (it.run_no, it.chunk)).collect();
    for (run_no, chunk) in &chunks {
        let lines = store::payable_lines(tx, *run_no, part, *chunk).await?;
        let root = merkle_root(lines.iter().map(Line::leaf));
        store::set_roots(tx, *run_no, part, &[(*chunk, root)]).await?;
    }
    let runs: BTreeSet<RunNo> = chunks.into_iter().map(|(run_no, _)| run_no).collect();
    for run_no in runs {
        store::restate_run(tx, run_no, now).await?;
    }
    Ok(())
}
