mod release;
mod tables;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use approval::Kind;
use chrono::Utc;
use domain::{Position, RunNo};
use payments::{
    ApproveLimit, ApproveRun, CloseRun, ContinueRun, FreeLine, FundRun, Guard, HoldLine,
    LimitInstitution, OpenRun, ReleaseRun, RunSummary, SendBackRun, SignedAct, Statement,
    SubmitRun,
};
use sqlx::PgPool;

use super::signer::{Signer, sign_matter};
use crate::cli::{By, Output, Run, Shared};
use crate::output::{Failure, grouped, print, say, show, table};
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
        Run::List { state, limit } => {
            let pool = target.pool(None).await?;
            let rows = payments::run_list(&pool, state, Utc::now(), i64::from(limit)).await?;
            show(output, &rows, |rows| tables::runs(rows))?;
            Ok(ExitCode::SUCCESS)
        }
        Run::Fund {
            run,
            partial: _,
            order,
            by,
        } => {
            let body = FundRun {
                officer: by.by.clone(),
                run_no: run,
                partial: order,
            };
            super::ask(&target, output, "fund-run", &by, &body).await
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
            signing,
            by,
        } => {
            let seen = root
                .zip(lines)
                .zip(total)
                .map(|((root, lines), total)| (root, lines, total));
            let signer = Signer::of(&target, shared, signing, &by).await?;
            let reasons = reasons.into_iter().collect();
            approve(&target, output, (run, seen, reasons), (signer, &by)).await
        }
        Run::SendBack { run, reason, by } => {
            let body = SendBackRun {
                officer: by.by.clone(),
                run_no: run,
                reason,
            };
            super::ask(&target, output, "send-back-run", &by, &body).await
        }
        Run::Submit { run, reason, by } => {
            let body = SubmitRun {
                officer: by.by.clone(),
                run_no: run,
                reason,
            };
            super::ask(&target, output, "submit-run", &by, &body).await
        }
        Run::Preview { run } => preview(&target.pool(None).await?, output, run).await,
        Run::Acts { run } => acts(&target.pool(None).await?, output, run).await,
        Run::Release {
            run,
            signing,
            late,
            first,
            waves,
            by,
        } => {
            let summary = summary(&target.pool(None).await?, run).await?;
            let statement = Statement::seen(SignedAct::Release, by.by.clone(), &summary);
            let signer = Signer::of(&target, shared, signing, &by).await?;
            let release = ReleaseRun {
                officer: by.by.clone(),
                run_no: run,
                signature: signer.sign(statement).map(|(_, it)| it),
                principal: signer.principal(),
            };
            release::release(&target, output, (release, late), (first, waves), &by).await
        }
        Run::Continue { run, by } => {
            let body = ContinueRun {
                officer: by.by.clone(),
                run_no: run,
            };
            super::ask(&target, output, "continue-run", &by, &body).await
        }
        Run::Pause(order) => release::order(&target, output, "pause", order).await,
        Run::Resume(order) => release::order(&target, output, "resume", order).await,
        Run::Stop(order) => release::order(&target, output, "stop", order).await,
        Run::Limit {
            institution,
            lines_per_minute,
            from,
            reason,
            by,
        } => {
            let body = LimitInstitution {
                officer: by.by.clone(),
                institution,
                lines_per_minute,
                holds_from: from.unwrap_or_else(Utc::now),
                reason,
            };
            super::ask(&target, output, "limit-institution", &by, &body).await
        }
        Run::ApproveLimit { limit_no, deciding } => {
            let matter = (Kind::InstitutionLimit, limit_no);
            let body = ApproveLimit {
                officer: deciding.by.by.clone(),
                limit_no,
                signature: sign_matter(&target, shared, matter, (true, None), &deciding).await?,
            };
            super::ask(&target, output, "approve-limit", &deciding.by, &body).await
        }
        Run::Unknown(command) => super::unknown::unknown(command, &target, shared).await,
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
    show(output, &rows, |rows| tables::exceptions(rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Root, count and sum as the approver saw them.
type Seen = (String, i64, domain::Money);

/// Binds the approval to what is given, or to the run as it stands now, which is then shown.
async fn approve(
    target: &Target,
    output: Output,
    (run_no, seen, reasons): (RunNo, Option<Seen>, BTreeMap<Guard, String>),
    (signer, by): (Signer, &By),
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
    let statement = Statement {
        root: root.clone(),
        lines,
        total,
        ..Statement::seen(SignedAct::Approve, by.by.clone(), &summary)
    };
    let signature = signer.sign(statement).map(|(said, signature)| {
        say(&format!("Signing:\n{said}"));
        signature
    });
    let body = ApproveRun {
        officer: by.by.clone(),
        run_no,
        root,
        lines,
        total,
        reasons,
        signature,
        principal: signer.principal(),
    };
    super::ask(target, output, "approve-run", by, &body).await
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
            _ if guarded.blocks() => "blocks",
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
    show(output, &rows, |rows| tables::acts(rows))?;
    if rows.iter().any(|it| it.signature == Some("invalid")) {
        let told = format!("signature_invalid: a signature of {run_no} does not stand");
        return Err(Failure::Broken(told));
    }
    Ok(ExitCode::SUCCESS)
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
        // While it goes out only a wave or a pause waits for somebody.
        let goes_on = it.state == "preparing"
            || it.state == "releasing"
                && it.progress.paused.is_empty()
                && i64::from(it.progress.wave) == it.progress.waves;
        let waits_for_a_person =
            !it.allowed_actions.is_empty() && it.waiting_lines == 0 && !goes_on;
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
    rows.extend(it.unfunded.iter().map(|short| {
        let level = short
            .fund
            .province
            .map_or_else(|| "central".to_owned(), |it| it.name().to_owned());
        let name = format!("  missing of {level} {}", short.fund.year);
        [name, String::new(), grouped(short.missing)]
    }));
    rows.extend([
        row("to go out", it.progress.waiting_lines, None),
        row(
            "stopped",
            it.progress.stopped_lines,
            Some(it.progress.stopped_total),
        ),
        row("released", it.released_lines, Some(it.released_total)),
        row("credited", it.credited_lines, Some(it.credited_total)),
        row("  overpaid", it.overpayments, Some(it.overpayments_total)),
        row("returned", it.returned_lines, Some(it.returned_total)),
        row("came back", it.came_back_lines, Some(it.came_back_total)),
        row("unknown", it.unknown_lines, Some(it.unknown_total)),
        row("waiting", it.waiting_lines, None),
        row("on statements", it.matched_lines, Some(it.matched_total)),
        row("breaks", it.breaks, None),
    ]);
    let title = format!("{} {} {}", it.run_no, it.programme, it.period);
    let mut table = table(&[&title, "lines", "đồng"], 1, rows);
    table.add_row([format!("state {}", it.state), String::new(), String::new()]);
    if it.progress.waves > 1 {
        let waves = format!("wave {} of {}", it.progress.wave, it.progress.waves);
        table.add_row([waves, String::new(), String::new()]);
    }
    for scope in &it.progress.paused {
        table.add_row([format!("paused: {scope}"), String::new(), String::new()]);
    }
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
            grouped(it.deducted),
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
        "netted",
        "đồng",
    ];
    table(&header, 7, rows)
}
