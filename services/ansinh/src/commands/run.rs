use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Position, RunNo};
use payments::{
    ApproveRun, CloseRun, FreeLine, Guard, HoldLine, OpenRun, ReleaseLate, ReleaseRun, RunSummary,
    SignedAct, Statement,
};
use sqlx::PgPool;

use crate::cli::{By, Output, Run, Shared};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::signing::OfficerKey;
use crate::target::Target;

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn run(command: Run, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let output = shared.output;
    match command {
        Run::Open {
            programme,
            period,
            business_date,
            by,
        } => {
            let today = || boot::clock::today_in_vietnam(Utc::now());
            let business_date = business_date.unwrap_or_else(today);
            let body = OpenRun {
                officer: by.by.clone(),
                programme,
                period,
                business_date,
            };
            super::ask(&target, output, "open-run", &by, &body).await
        }
        Run::Show { run } => {
            show(
                output,
                &summary(&target.pool(None).await?, run).await?,
                summary_table,
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Run::Watch { run } => watch(&target.pool(None).await?, run).await,
        Run::Lines {
            run,
            state,
            after,
            limit,
        } => {
            lines(
                &target.pool(None).await?,
                output,
                run,
                (state, after, limit),
            )
            .await
        }
        Run::Exceptions { run } => exceptions(&target.pool(None).await?, output, run).await,
        Run::Hold { line, reason, by } => {
            let body = HoldLine {
                officer: by.by.clone(),
                line,
                reason,
            };
            super::ask(&target, output, "hold-line", &by, &body).await
        }
        Run::Free { line, reason, by } => {
            let body = FreeLine {
                officer: by.by.clone(),
                line,
                reason,
            };
            super::ask(&target, output, "free-line", &by, &body).await
        }
        Run::Approve {
            run,
            root,
            lines,
            total,
            reasons,
            key,
            by,
        } => {
            let seen = root
                .zip(lines)
                .zip(total)
                .map(|((root, lines), total)| (root, lines, total));
            let key = own_key(shared, key, &by)?;
            let reasons = reasons.into_iter().collect();
            approve(&target, output, (run, seen, reasons), (key, &by)).await
        }
        Run::Preview { run } => preview(&target.pool(None).await?, output, run).await,
        Run::Acts { run } => acts(&target.pool(None).await?, output, run).await,
        Run::Release { run, key, late, by } => {
            let summary = summary(&target.pool(None).await?, run).await?;
            let statement = Statement::seen(SignedAct::Release, by.by.clone(), &summary);
            let release = ReleaseRun {
                officer: by.by.clone(),
                run_no: run,
                signature: own_key(shared, key, &by)?.map(|it| it.sign(&statement)),
            };
            match late {
                None => super::ask(&target, output, "release-run", &by, &release).await,
                Some(reason) => {
                    let body = ReleaseLate { release, reason };
                    super::ask(&target, output, "release-late", &by, &body).await
                }
            }
        }
        Run::Close { run, by } => {
            let body = CloseRun {
                officer: by.by.clone(),
                run_no: run,
            };
            super::ask(&target, output, "close-run", &by, &body).await
        }
        Run::Again(command) => super::reissue::reissue(command, &target, output).await,
    }
}

async fn lines(
    pool: &PgPool,
    output: Output,
    run_no: RunNo,
    (state, after, limit): (Option<String>, Option<Position>, u32),
) -> Result<ExitCode, Failure> {
    let lines = payments::lines(pool, run_no, after, state.as_deref(), i64::from(limit)).await?;
    show(output, &lines, |lines| lines_table(lines))?;
    Ok(ExitCode::SUCCESS)
}

async fn exceptions(pool: &PgPool, output: Output, run_no: RunNo) -> Result<ExitCode, Failure> {
    let rows = payments::exceptions(pool, run_no, 1000).await?;
    show(output, &rows, |rows| exceptions_table(rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Root, count and sum as the approver saw them.
type Seen = (String, i64, domain::Money);

/// Binds the approval to what is given, or to the run as it stands now, which is then shown.
async fn approve(
    target: &Target,
    output: Output,
    (run_no, seen, reasons): (RunNo, Option<Seen>, BTreeMap<Guard, String>),
    (key, by): (Option<OfficerKey>, &By),
) -> Result<ExitCode, Failure> {
    let summary = summary(&target.pool(None).await?, run_no).await?;
    let (root, lines, total) = if let Some(seen) = seen {
        seen
    } else {
        let root = summary.root.clone().ok_or_else(|| {
            Failure::Refused(format!("illegal_transition: {run_no} is {}", summary.state))
        })?;
        say(&format!(
            "Approving {run_no}: {} lines, {}, root {root}",
            grouped(summary.lines),
            summary.total.vi()
        ));
        (root, summary.lines, summary.total)
    };
    let signed = Statement {
        root: root.clone(),
        lines,
        total,
        ..Statement::seen(SignedAct::Approve, by.by.clone(), &summary)
    };
    let signature = key.map(|it| it.sign(&signed));
    if signature.is_some() {
        say(&format!("Signing:\n{signed}"));
    }
    let body = ApproveRun {
        officer: by.by.clone(),
        run_no,
        root,
        lines,
        total,
        reasons,
        signature,
    };
    super::ask(target, output, "approve-run", by, &body).await
}

/// The key that was named, which must be there, or the one that lies in its place, if any.
fn own_key(
    shared: &Shared,
    named: Option<PathBuf>,
    by: &By,
) -> Result<Option<OfficerKey>, Failure> {
    let place = OfficerKey::place(&shared.home, &by.by);
    let file = named.or_else(|| place.exists().then_some(place));
    Ok(file.map(|it| OfficerKey::read(&it)).transpose()?)
}

async fn preview(pool: &PgPool, output: Output, run_no: RunNo) -> Result<ExitCode, Failure> {
    let found = payments::preview(pool, run_no).await?;
    let unknown = || Failure::Refused(format!("run_unknown: there is no run {run_no}"));
    show(output, &found.ok_or_else(unknown)?, preview_table)?;
    Ok(ExitCode::SUCCESS)
}

/// Buckets with what was paid before and is paid now, then guards with what they found and allow.
fn preview_table(it: &payments::Preview) -> comfy_table::Table {
    let compared = match it.compared_with {
        Some(before) => format!("{} beside {before}", it.run_no),
        None => format!("{}, the first of its programme", it.run_no),
    };
    let buckets = it.differences.iter().map(|it| {
        let bucket = serde_json::to_value(it.bucket).unwrap_or_default();
        let bucket = bucket.as_str().unwrap_or_default().to_owned();
        [
            bucket,
            grouped(it.persons),
            grouped(it.before),
            grouped(it.after),
        ]
    });
    let guards = it.guards.iter().map(|guarded| {
        let stands = match (guarded.warns(), it.answered.contains(&guarded.guard)) {
            (false, _) => "passes",
            (true, true) => "answered",
            (true, false) => "needs a reason",
        };
        let limit = format!("limit {}", grouped(guarded.limit));
        [
            guarded.guard.as_str().to_owned(),
            grouped(guarded.measured),
            limit,
            stands.to_owned(),
        ]
    });
    let total = [
        "to pay".to_owned(),
        grouped(it.lines),
        String::new(),
        grouped(it.total),
    ];
    let rows = buckets.chain([total]).chain(guards);
    table(&[&compared, "persons", "before", "after"], 1, rows)
}

async fn acts(pool: &PgPool, output: Output, run_no: RunNo) -> Result<ExitCode, Failure> {
    let rows = payments::acts(pool, run_no).await?;
    show(output, &rows, |rows| acts_table(rows))?;
    if rows.iter().any(|it| it.signature == Some("invalid")) {
        let told = format!("signature_invalid: a signature of {run_no} does not stand");
        return Err(Failure::Broken(told));
    }
    Ok(ExitCode::SUCCESS)
}

fn acts_table(rows: &[payments::ActRow]) -> comfy_table::Table {
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
            it.officer.to_string(),
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

pub(super) async fn summary(pool: &PgPool, run_no: RunNo) -> Result<RunSummary, Failure> {
    let found = payments::run_summary(pool, run_no).await?;
    found.ok_or_else(|| Failure::Refused(format!("run_unknown: there is no run {run_no}")))
}

async fn watch(pool: &PgPool, run_no: RunNo) -> Result<ExitCode, Failure> {
    let mut last = String::new();
    loop {
        let it = summary(pool, run_no).await?;
        let line = format!(
            "{} {}: {} lines, {} released, {} credited, {} returned, {} unknown, {} waiting, {} matched",
            run_no,
            it.state,
            grouped(it.lines),
            grouped(it.released_lines),
            grouped(it.credited_lines),
            grouped(it.returned_lines),
            grouped(it.unknown_lines),
            grouped(it.waiting_lines),
            grouped(it.matched_lines),
        );
        if line != last {
            print(&line);
            last = line;
        }
        // While a run is prepared a held line may be set free, and nobody has to.
        let waits_for_a_person =
            !it.allowed_actions.is_empty() && it.waiting_lines == 0 && it.state != "preparing";
        if it.state == "closed" || waits_for_a_person {
            if let Some(next) = it.allowed_actions.first() {
                say(&format!("Next: ansinh run {next} {run_no} --by OFFICER"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

pub(super) fn summary_table(it: &RunSummary) -> comfy_table::Table {
    let row = |name: &str, lines: i64, total: Option<domain::Money>| {
        [
            name.to_owned(),
            grouped(lines),
            total.map(grouped).unwrap_or_default(),
        ]
    };
    let mut rows = vec![
        row("people", it.people, None),
        row("owed nothing", it.not_owed, None),
        row("held", it.held_lines, Some(it.held_total)),
    ];
    let held = it.held_by_reason.iter();
    rows.extend(held.map(|held| {
        let name = format!("  of it {}", held.reason);
        row(&name, held.lines, Some(held.total))
    }));
    rows.extend([
        row("to pay", it.lines, Some(it.total)),
        row("  of it arrears", it.arrears_lines, Some(it.arrears_total)),
        row("  of it cash list", it.cash_lines, Some(it.cash_total)),
    ]);
    if !it.local_total.is_zero() {
        let local = grouped(it.local_total);
        rows.push(["  of it local".to_owned(), String::new(), local]);
    }
    rows.extend([
        row("released", it.released_lines, Some(it.released_total)),
        row("credited", it.credited_lines, Some(it.credited_total)),
        row("  overpaid", it.overpayments, Some(it.overpayments_total)),
        row("returned", it.returned_lines, Some(it.returned_total)),
        row("unknown", it.unknown_lines, Some(it.unknown_total)),
        row("waiting", it.waiting_lines, None),
        row("on statements", it.matched_lines, Some(it.matched_total)),
        row("breaks", it.breaks, None),
    ]);
    let title = format!("{} {} {}", it.run_no, it.programme, it.period);
    let mut table = table(&[&title, "lines", "đồng"], 1, rows);
    table.add_row([format!("state {}", it.state), String::new(), String::new()]);
    let allowed = it.allowed_actions.join(", ");
    table.add_row([format!("allowed: {allowed}"), String::new(), String::new()]);
    if let Some(root) = &it.root {
        table.add_row([format!("root {root}"), String::new(), String::new()]);
    }
    table
}

fn lines_table(lines: &[payments::LineRow]) -> comfy_table::Table {
    let rows = lines.iter().map(|it| {
        [
            it.end_to_end_id.to_string(),
            it.institution
                .info()
                .map_or_else(|| it.institution.to_string(), |it| it.name.to_owned()),
            it.channel.to_string(),
            it.state.clone(),
            it.reason.clone().unwrap_or_default(),
            it.arrears_of.map(|it| it.to_string()).unwrap_or_default(),
            it.payee_no.map(|it| it.to_string()).unwrap_or_default(),
            grouped(it.amount),
        ]
    });
    let header = [
        "line",
        "institution",
        "channel",
        "state",
        "reason",
        "arrears of",
        "payee",
        "đồng",
    ];
    table(&header, 7, rows)
}

fn until(ends: DateTime<Utc>) -> String {
    ends.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn exceptions_table(rows: &[payments::ExceptionRow]) -> comfy_table::Table {
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
