//! Releases as they are asked for, and those that come too late.

use chrono::{DateTime, Utc};
use messaging::Problem;
use sqlx::PgConnection;

use crate::command::{ReleaseInWaves, ReleaseLate, ReleaseRun};
use crate::release::Waves;
use crate::run::Run;
use crate::{Error, store};

/// A release as it was asked for.
pub(super) struct Asked {
    pub release: ReleaseRun,
    /// Why it comes late.
    pub late: Option<String>,
    pub waves: Option<Waves>,
}

pub(super) fn plain(release: ReleaseRun) -> Asked {
    Asked {
        release,
        late: None,
        waves: None,
    }
}

pub(super) fn in_waves(command: ReleaseInWaves) -> Asked {
    Asked {
        release: command.release,
        late: command.reason.filter(|it| !it.trim().is_empty()),
        waves: Some(command.waves),
    }
}

/// A late release and why it is one.
pub(super) fn late(command: ReleaseLate) -> Result<Asked, Error> {
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a late release has a reason").into());
    }
    Ok(Asked {
        late: Some(command.reason),
        ..plain(command.release)
    })
}

/// Why a release comes too late, by a code. What the schedule opened has a day to keep, so that it
/// goes out late for a reason or not at all; who opens by hand names any day, and is warned.
pub(super) async fn refuse_late(
    tx: &mut PgConnection,
    run: &Run,
    has_reason: bool,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>, Error> {
    let (business_date, is_scheduled) = store::booked_on(tx, run.run_no).await?;
    let timetable = store::timetable(tx, run.programme).await?;
    let late = timetable.too_late(business_date, now);
    let Some(code) = late.filter(|_| is_scheduled && !has_reason) else {
        return Ok(late);
    };
    let what = if code == "after_cut_off" {
        "institutions take nothing more for"
    } else {
        "nothing is booked on"
    };
    let detail = format!("{what} {business_date}; a late release needs a reason");
    Err(Problem::new(409, code, detail).into())
}
