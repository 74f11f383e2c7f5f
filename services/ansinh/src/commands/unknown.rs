use std::process::ExitCode;

use approval::Kind;
use chrono::{DateTime, TimeDelta, Utc};
use events::ResultStatus;
use payments::{DecideUnknown, SettleUnknown, UnknownRow};

use super::signer::sign_matter;
use crate::cli::{Shared, Unknown, UnknownEnd};
use crate::output::{Failure, grouped, show, table};
use crate::target::Target;

pub(super) async fn unknown(
    command: Unknown,
    target: &Target,
    shared: &Shared,
) -> Result<ExitCode, Failure> {
    let output = shared.output;
    match command {
        Unknown::Unknown { runs, limit } => {
            let pool = target.pool(None).await?;
            let rows = payments::unknown(&pool, &runs, i64::from(limit)).await?;
            let now = Utc::now();
            show(output, &rows, |rows| unknown_table(rows, now))?;
            Ok(ExitCode::SUCCESS)
        }
        Unknown::SettleUnknown {
            line,
            settled_as: Some(end),
            evidence,
            booked_on,
            deciding,
            ..
        } => {
            let by = &deciding.by;
            let body = SettleUnknown {
                officer: by.by.clone(),
                line,
                settled_as: match end {
                    UnknownEnd::Credited => ResultStatus::Credited,
                    UnknownEnd::Rejected => ResultStatus::Rejected,
                },
                evidence: evidence.unwrap_or_default(),
                booked_on,
            };
            super::ask(target, output, "settle-unknown", by, &body).await
        }
        Unknown::SettleUnknown {
            line,
            approve,
            reason,
            deciding,
            ..
        } => {
            let pool = target.pool(None).await?;
            let (by, how) = (&deciding.by, (approve, reason.as_deref()));
            let signature = match payments::open_settlement(&pool, line).await? {
                Some(number) => {
                    let matter = (Kind::Settlement, number);
                    sign_matter(target, shared, matter, how, &deciding).await?
                }
                // Payments says that there is nothing to decide.
                None => None,
            };
            let body = DecideUnknown {
                officer: by.by.clone(),
                line,
                accept: approve,
                reason,
                signature,
            };
            super::ask(target, output, "decide-unknown", by, &body).await
        }
    }
}

fn unknown_table(rows: &[UnknownRow], now: DateTime<Utc>) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        let said = it.said.map_or("nothing", events::StandingAtBank::code);
        let settled = it.settled_as.zip(it.settled_by.as_ref());
        let waits_for = match settled {
            Some((end, by)) => format!("{}: {end:?} by {by}", it.waits_for()),
            None => it.waits_for().to_owned(),
        };
        [
            it.end_to_end_id.to_string(),
            it.institution.to_string(),
            age(now - it.since),
            it.enquiries.to_string(),
            said.to_owned(),
            if it.on_statement { "yes" } else { "" }.to_owned(),
            waits_for,
            grouped(it.amount),
        ]
    });
    let header = [
        "line",
        "institution",
        "unknown for",
        "asked",
        "it says",
        "on a statement",
        "waits for",
        "đồng",
    ];
    table(&header, 7, rows)
}

/// In the largest unit that is not zero.
fn age(since: TimeDelta) -> String {
    match (since.num_days(), since.num_hours(), since.num_minutes()) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}
