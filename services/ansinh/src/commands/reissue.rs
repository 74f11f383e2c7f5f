use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chrono::Utc;
use domain::Position;
use payments::{AttemptRow, OpenReissue};

use crate::cli::{Again, Output};
use crate::output::{Failure, grouped, show, table};
use crate::target::Target;

pub(super) async fn reissue(
    command: Again,
    target: &Target,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        Again::Reissue {
            programme,
            period,
            lines,
            from,
            business_date,
            by,
        } => {
            let today = || boot::clock::today_in_vietnam(Utc::now());
            let body = OpenReissue {
                officer: by.by.clone(),
                programme,
                period,
                business_date: business_date.unwrap_or_else(today),
                lines: lines.as_deref().map_or(Ok(Vec::new()), lines_of)?,
                from,
            };
            super::ask(target, output, "open-reissue", &by, &body).await
        }
        Again::Lineage { line } => {
            let rows = payments::lineage(&target.pool(None).await?, line).await?;
            if rows.is_empty() {
                let told = format!("line_unknown: there is no {line}");
                return Err(Failure::Refused(told));
            }
            show(output, &rows, |rows| attempts_table(rows))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One end-to-end id a row; what cannot be one is told with its row.
fn lines_of(file: &Path) -> Result<Vec<Position>, Failure> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let mut lines = Vec::new();
    for (row, id) in (1..).zip(text.lines().map(str::trim)) {
        if id.is_empty() {
            continue;
        }
        let line = id
            .parse()
            .map_err(|error| Failure::Refused(format!("{}, row {row}: {error}", file.display())))?;
        lines.push(line);
    }
    if lines.is_empty() {
        let told = format!("file_empty: {} names no line", file.display());
        return Err(Failure::Refused(told));
    }
    Ok(lines)
}

fn attempts_table(rows: &[AttemptRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.attempt.to_string(),
            it.end_to_end_id.to_string(),
            it.run_state.clone(),
            it.institution
                .info()
                .map_or_else(|| it.institution.to_string(), |it| it.name.to_owned()),
            it.channel.to_string(),
            it.state.clone(),
            it.reason.clone().unwrap_or_default(),
            it.booked_on.map(|it| it.to_string()).unwrap_or_default(),
            grouped(it.amount),
        ]
    });
    let header = [
        "attempt",
        "line",
        "run",
        "institution",
        "channel",
        "state",
        "reason",
        "booked",
        "đồng",
    ];
    table(&header, 8, rows)
}
