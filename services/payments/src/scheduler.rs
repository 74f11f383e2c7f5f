//! Opens runs when they are due and raises alarms where deadlines have passed.
//!
//! An opening and its run are one transaction, so it does not matter how many processes look, when
//! one dies, or how long none was there: what is due is opened once, the longest due first, and
//! what is too late to be paid on its day, or is refused, is told and not opened.

use std::sync::LazyLock;
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::RunNo;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use sqlx::PgPool;

use crate::command::OpenRun;
use crate::schedule::{Moment, MomentState, Opening};
use crate::store::{self, Settled};
use crate::{Error, handlers};

/// Openings in one round, each a transaction: a round ends, however long nobody was there.
const OPENINGS_MAX: usize = 8;
/// Deadlines in one round.
const DEADLINES_MAX: i64 = 100;
/// What was done in the last moment may not be committed yet when it is over.
const GRACE: TimeDelta = TimeDelta::minutes(1);

static OPENED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    counter(
        "ansinh_schedule_opened_total",
        "Runs that the schedule opened",
    )
});
static ALARMS: LazyLock<Counter<u64>> =
    LazyLock::new(|| counter("ansinh_schedule_alarms_total", "Deadlines that were missed"));

fn counter(name: &'static str, about: &'static str) -> Counter<u64> {
    let meter = opentelemetry::global::meter("ansinh");
    meter.u64_counter(name).with_description(about).build()
}

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    pub opened: Vec<RunNo>,
    /// Moments that came to nothing or passed: skipped, kept or missed.
    pub settled: usize,
    /// Whether there may be more to do at the same time.
    pub is_full: bool,
}

/// Keeps the schedule until the process stops; where the settings say so, another process does.
pub(crate) async fn watch_schedule(ctx: Context) {
    let settings = &ctx.settings.payments;
    let required = settings.approvals_required;
    let pause = Duration::from_millis(settings.schedule_ms);
    if pause.is_zero() {
        return;
    }
    while !ctx.stop.is_cancelled() {
        match keep_schedule(&ctx.pool, required, Utc::now()).await {
            Ok(round) if round.is_full => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(error = %error, "The schedule waits"),
        }
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One round: opens what is due at `now`, then looks at the deadlines that have passed.
pub async fn keep_schedule(
    pool: &PgPool,
    approvals_required: i16,
    now: DateTime<Utc>,
) -> Result<Round, Error> {
    let mut round = Round::default();
    for turn in 1..=OPENINGS_MAX {
        match open_next(pool, approvals_required, now).await? {
            None => break,
            Some(Some(run_no)) => round.opened.push(run_no),
            Some(None) => round.settled += 1,
        }
        round.is_full = turn == OPENINGS_MAX;
    }
    let passed = look_at_deadlines(pool, now).await?;
    round.settled += passed;
    round.is_full |= i64::try_from(passed).is_ok_and(|it| it == DEADLINES_MAX);
    Ok(round)
}

/// The next opening that is due, with its run if one was opened; `None` where nothing is due.
async fn open_next(
    pool: &PgPool,
    approvals_required: i16,
    now: DateTime<Utc>,
) -> Result<Option<Option<RunNo>>, Error> {
    let mut tx = pool.begin().await?;
    let Some(due) = store::take_due_opening(&mut tx, now).await? else {
        return Ok(None);
    };
    let (programme, period) = (due.key.programme, due.key.period);
    let mut run = store::run_of(&mut tx, programme, period).await?;
    let mut settled = Settled {
        key: due.key,
        state: MomentState::Fired,
        reason: None,
        run_no: None,
    };
    let mut not_opened = "pay_day_over".to_owned();
    if Opening::of(run, due.release_by, now) == Opening::Open {
        let opening = OpenRun {
            officer: due.maker,
            programme,
            period,
            business_date: due.pay_day,
        };
        let due_at = boot::clock::in_vietnam(due.due_at).format("%Y-%m-%d %H:%M");
        let why = format!("schedule of {programme} {period}, due {due_at}");
        match handlers::open_run(&mut tx, &opening, Some(why), approvals_required, now).await {
            Ok(opened) => settled.run_no = opened,
            // It would be refused tomorrow as well, and what is due behind it would wait for it.
            Err(Error::Refused(problem)) => not_opened = problem.code,
            Err(error) => return Err(error),
        }
        // Somebody opened it by hand in between.
        run = store::run_of(&mut tx, programme, period).await?;
    }
    if settled.run_no.is_none() {
        settled.run_no = run;
        (settled.state, settled.reason) = match run {
            Some(_) => (MomentState::Skipped, Some("period_already_run".to_owned())),
            None => (MomentState::Missed, Some(not_opened)),
        };
    }
    let missed = settled.state == MomentState::Missed;
    let (opened, run) = (settled.state == MomentState::Fired, settled.run_no);
    store::settle(&mut tx, &[settled], now).await?;
    if missed {
        let alarm = (Moment::Open.alarm(), format!("{programme} {period}"));
        store::raise_alarms(&mut tx, &[alarm], now).await?;
    }
    tx.commit().await?;
    if missed {
        tell(Moment::Open, &format!("{programme} {period}"), due.due_at);
    } else {
        let run = run.map(|it| it.0);
        tracing::info!(%programme, %period, run, opened, "The schedule came to an opening");
    }
    if opened {
        OPENED.add(1, &[]);
    }
    Ok(Some(run.filter(|_| opened)))
}

/// Settles deadlines that have passed; how many.
async fn look_at_deadlines(pool: &PgPool, now: DateTime<Utc>) -> Result<usize, Error> {
    let mut tx = pool.begin().await?;
    let passed = store::take_passed_deadlines(&mut tx, now - GRACE, DEADLINES_MAX).await?;
    let (kept, missed): (Vec<_>, Vec<_>) = passed
        .iter()
        .partition(|it| it.progress.keeps(it.key.moment, it.due_at));
    let became = |key, state, reason: Option<&str>| Settled {
        key,
        state,
        reason: reason.map(str::to_owned),
        run_no: None,
    };
    let kept = kept
        .iter()
        .map(|it| became(it.key, MomentState::Kept, None));
    let late = missed
        .iter()
        .map(|it| became(it.key, MomentState::Missed, Some(it.key.moment.alarm())));
    let settled: Vec<Settled> = kept.chain(late).collect();
    let subject = |it: &store::PassedDeadline| format!("{} {}", it.key.programme, it.key.period);
    let alarms: Vec<(&str, String)> = missed
        .iter()
        .map(|it| (it.key.moment.alarm(), subject(it)))
        .collect();
    store::settle(&mut tx, &settled, now).await?;
    store::raise_alarms(&mut tx, &alarms, now).await?;
    tx.commit().await?;
    for it in missed {
        tell(it.key.moment, &subject(it), it.due_at);
    }
    Ok(settled.len())
}

fn tell(moment: Moment, subject: &str, due_at: DateTime<Utc>) {
    let alarm = moment.alarm();
    ALARMS.add(1, &[KeyValue::new("kind", alarm)]);
    tracing::error!(alarm, subject, due_at = %due_at, "A deadline of the schedule was missed");
}
