mod report;

use std::process::ExitCode;

use approval::Kind;
use chrono::{NaiveDate, Utc};
use comfy_table::Table;
use domain::Position;
use events::{BreakKind, Resolution};
use reconciliation::{
    Age, AgeingRow, CaseFilter, CaseNo, CaseRow, CloseDay, Day, Decide, LineTold, Propose, ThawDay,
    Waiting,
};
use serde::Serialize;
use serde_json::json;

use super::signer::sign_matter;
use crate::cli::{By, Recon, Shared};
use crate::output::{Failure, grouped, show, table};
use crate::target::Target;

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn recon(command: Recon, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let (output, today) = (shared.output, boot::clock::today_in_vietnam(Utc::now()));
    match command {
        Recon::Breaks {
            institution,
            kind,
            all,
            limit,
        } => {
            let filter = CaseFilter {
                institution,
                kind,
                all,
                limit: i64::from(limit),
            };
            let pool = target.pool(None).await?;
            let rows = reconciliation::cases(&pool, filter, today).await?;
            show(output, &rows, |rows| cases_table(rows))?;
        }
        Recon::Ageing { institution } => {
            let pool = target.pool(None).await?;
            let (rows, waiting) = reconciliation::ageing(&pool, institution, today).await?;
            let shown = json!({ "breaks": rows, "waiting": waiting });
            show(output, &shown, |_| ageing_table(&rows, waiting))?;
        }
        Recon::Show { case } => {
            let found = reconciliation::case(&target.pool(None).await?, case, today).await?;
            let found = found.ok_or_else(|| unknown("case", case))?;
            show(output, &found, |it| cases_table(std::slice::from_ref(it)))?;
        }
        Recon::Line { line } => {
            let found = reconciliation::line(&target.pool(None).await?, line).await?;
            let found = found.ok_or_else(|| unknown("line", line))?;
            show(output, &found, line_table)?;
        }
        Recon::Resolve { case, reason, by } => {
            return propose(&target, shared, (case, Resolution::Accepted), reason, by).await;
        }
        Recon::WriteOff { case, reason, by } => {
            return propose(&target, shared, (case, Resolution::WrittenOff), reason, by).await;
        }
        Recon::OwedAgain { case, reason, by } => {
            return propose(&target, shared, (case, Resolution::OwedAgain), reason, by).await;
        }
        Recon::Match {
            case,
            line,
            against,
            reason,
            by,
        } => {
            let how = if against.is_some() {
                Resolution::Offset
            } else {
                Resolution::Matched
            };
            let body = Propose {
                lines: line.into_iter().collect(),
                against,
                ..proposal((case, how), reason, &by)
            };
            return ask(&target, shared, "propose", &by, &body).await;
        }
        Recon::Split {
            case,
            lines,
            reason,
            by,
        } => {
            let body = Propose {
                lines,
                ..proposal((case, Resolution::Split), reason, &by)
            };
            return ask(&target, shared, "propose", &by, &body).await;
        }
        Recon::Decide {
            proposal,
            accept,
            refuse: _,
            reason,
            deciding,
        } => {
            let (matter, how) = ((Kind::Case, proposal), (accept, reason.as_deref()));
            let body = Decide {
                officer: deciding.by.by.clone(),
                proposal_no: proposal,
                accept,
                signature: sign_matter(&target, shared, matter, how, &deciding).await?,
                reason,
            };
            return ask(&target, shared, "decide", &deciding.by, &body).await;
        }
        Recon::Day { institution, date } => {
            let pool = target.pool(None).await?;
            let day = reconciliation::day(&pool, institution, date).await?;
            show(output, &day, day_table)?;
        }
        Recon::CloseDay {
            institution,
            date,
            by,
        } => {
            let body = CloseDay {
                officer: by.by.clone(),
                institution,
                date,
            };
            return ask(&target, shared, "close-day", &by, &body).await;
        }
        Recon::Report { institution, date } => {
            return report::report(&target, output, (institution, date)).await;
        }
        Recon::Verify {
            institution,
            public_key,
        } => return report::verify(&target, output, institution, public_key).await,
        Recon::Thaw {
            institution,
            date,
            reason,
            by,
        } => {
            let body = ThawDay {
                officer: by.by.clone(),
                institution,
                date,
                reason,
            };
            return ask(&target, shared, "thaw-day", &by, &body).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(what: &str, which: impl std::fmt::Display) -> Failure {
    Failure::Refused(format!("{what}_unknown: there is no {which}"))
}

fn proposal((case, how): (CaseNo, Resolution), reason: String, by: &By) -> Propose {
    Propose {
        officer: by.by.clone(),
        case,
        how,
        lines: Vec::new(),
        against: None,
        reason,
    }
}

async fn propose(
    target: &Target,
    shared: &Shared,
    what: (CaseNo, Resolution),
    reason: String,
    by: By,
) -> Result<ExitCode, Failure> {
    let body = proposal(what, reason, &by);
    ask(target, shared, "propose", &by, &body).await
}

async fn ask(
    target: &Target,
    shared: &Shared,
    command: &str,
    by: &By,
    body: &impl Serialize,
) -> Result<ExitCode, Failure> {
    let service = reconciliation::SERVICE;
    super::ask_service(target, shared.output, service, command, by, body).await
}

fn cases_table(rows: &[CaseRow]) -> Table {
    let row = |it: &CaseRow| {
        let state = match (it.how, it.proposed, it.proposal) {
            (Some(how), _, _) => how.code().to_owned(),
            (None, Some(how), Some(number)) => format!("{} proposed ({number})", how.code()),
            _ => "open".to_owned(),
        };
        [
            it.case.to_string(),
            it.kind.code().to_owned(),
            it.line
                .map(|it: Position| it.to_string())
                .unwrap_or_default(),
            state,
            it.date.to_string(),
            it.age.as_str().to_owned(),
            grouped(it.amount),
        ]
    };
    let header = [
        "case",
        "kind",
        "line",
        "state",
        "statement of",
        "age",
        "đồng",
    ];
    table(&header, 5, rows.iter().map(row))
}

fn ageing_table(rows: &[AgeingRow], waiting: Waiting) -> Table {
    let of = |kind: BreakKind, age: Age| {
        let found = rows.iter().find(|it| it.kind == kind && it.age == age);
        found.map_or_else(String::new, |it| grouped(it.breaks))
    };
    let kinds = BreakKind::ALL
        .into_iter()
        .filter(|kind| rows.iter().any(|it| it.kind == *kind));
    let mut lines: Vec<Vec<String>> = kinds
        .map(|kind| {
            let total = rows.iter().filter(|it| it.kind == kind).map(|it| it.total);
            let mut line = vec![kind.code().to_owned()];
            line.extend(Age::ALL.map(|age| of(kind, age)));
            line.push(grouped(domain::Money::sum(total)));
            line
        })
        .collect();
    for (name, count, total) in [
        (
            "waiting: no result",
            waiting.in_flight,
            waiting.in_flight_total,
        ),
        (
            "waiting: no statement",
            waiting.tentative,
            waiting.tentative_total,
        ),
    ] {
        let mut line = vec![name.to_owned(), grouped(count)];
        line.extend([String::new(), String::new(), String::new(), grouped(total)]);
        lines.push(line);
    }
    table(&["kind", "0–1", "2–3", "4–7", "> 7", "đồng"], 1, lines)
}

fn line_table(it: &LineTold) -> Table {
    let cases: Vec<String> = it.cases.iter().map(CaseNo::to_string).collect();
    let result = it
        .result
        .map_or_else(|| "none".to_owned(), |it| format!("{it:?}"));
    let rows = [
        ["line".to_owned(), it.line.to_string()],
        ["institution".to_owned(), it.institution.to_string()],
        ["instructed".to_owned(), grouped(it.instructed)],
        ["result".to_owned(), result.to_lowercase()],
        ["on a statement".to_owned(), it.on_statement.to_string()],
        ["state".to_owned(), format!("{:?}", it.state)],
        ["cases".to_owned(), cases.join(", ")],
    ];
    table(&["field", "value"], 2, rows)
}

fn day_table(day: &Day) -> Table {
    let mut rows = Vec::new();
    for it in &day.statements {
        let why = it.code.clone().unwrap_or_default();
        rows.push([
            format!("statement {} {} {why}", it.statement_no, it.state),
            grouped(it.entries),
            grouped(it.debits),
        ]);
    }
    for it in &day.freezes {
        let end = match (it.frozen, it.thawed_by_statement, &it.thawed_by) {
            (false, Some(number), _) => format!("thawed by statement {number}"),
            (false, _, Some(officer)) => format!("thawed by {officer}"),
            _ => "FROZEN".to_owned(),
        };
        let place = format!("{} ({}/{})", it.code, it.statement_no, it.page);
        rows.push([format!("{end}: {place}"), String::new(), String::new()]);
    }
    for it in &day.rules {
        let rule = format!("rule {} {}", it.priority, it.rule);
        rows.push([rule, grouped(it.hits), String::new()]);
    }
    let date: NaiveDate = day.date;
    let title = format!("{} {date}", day.institution);
    table(&[&title[..], "entries", "đồng"], 1, rows)
}
