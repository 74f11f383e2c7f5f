use chrono::{DateTime, Utc};

use crate::output::{grouped, table};

pub(super) fn runs(rows: &[payments::RunRow]) -> comfy_table::Table {
    let header = [
        "run",
        "programme",
        "period",
        "state",
        "lines",
        "đồng",
        "unfunded",
        "days",
    ];
    let rows = rows.iter().map(|it| {
        [
            it.run_no.to_string(),
            it.programme.to_string(),
            it.period.to_string(),
            it.state.clone(),
            grouped(it.lines),
            grouped(it.total),
            grouped(it.unfunded),
            it.unfunded_days.map(grouped).unwrap_or_default(),
        ]
    });
    table(&header, 4, rows)
}

pub(super) fn acts(rows: &[payments::ActRow]) -> comfy_table::Table {
    let header = [
        "at",
        "act",
        "officer",
        "lines",
        "đồng",
        "signature",
        "key seen by",
        "voided",
    ];
    let rows = rows.iter().map(|it| {
        [
            it.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            it.act.clone(),
            match &it.principal {
                Some(principal) => format!("{} for {principal}", it.officer),
                None => it.officer.to_string(),
            },
            grouped(it.lines),
            grouped(it.total),
            it.signature.unwrap_or_default().to_owned(),
            it.key_registered_by
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            if it.voided_at.is_some() { "yes" } else { "" }.to_owned(),
        ]
    });
    table(&header, 3, rows)
}

fn until(ends: DateTime<Utc>) -> String {
    ends.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(super) fn exceptions(rows: &[payments::ExceptionRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.end_to_end_id
                .map(|it| it.to_string())
                .unwrap_or_default(),
            it.kind.clone(),
            it.detail.clone(),
            it.hold_until.map(until).unwrap_or_default(),
            if it.resolved_at.is_some() {
                "resolved".to_owned()
            } else {
                "open".to_owned()
            },
            grouped(it.amount),
        ]
    });
    table(&["line", "kind", "what", "until", "state", "đồng"], 5, rows)
}
