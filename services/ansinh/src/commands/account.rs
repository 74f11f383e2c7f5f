mod kpi;

use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use accounts::{
    AppointOfficer, ChangeAccount, DecideReview, EndAuthority, GrantAuthority, ListReport,
    PaidAtQuery, Queue, ShowPerson, StepLink, StepRequest, Terms, Unlogged,
};
use approval::Kind;
use chrono::{NaiveDate, Utc};
use domain::{Institution, PersonNo};
use serde::Serialize;
use serde_json::Value;

use super::signer::{show_and_sign, sign_matter};
use crate::cli::{Account, Authorities, Deciding, LinkKind, Output, Shared, Steps};
use crate::output::{Failure, grouped, print, show, table};
use crate::target::Target;

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn account(command: Account, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let output = shared.output;
    let tell = Telling {
        target: &target,
        output,
    };
    match command {
        Account::Import { file, kind } => import(&target, output, (&file, kind)).await,
        Account::Reconcile {
            file,
            institution,
            as_of,
        } => reconcile(&target, output, (&file, institution, as_of)).await,
        Account::Kpi {
            by_commune,
            province,
            keep,
        } => kpi::kpi(&target, output, (by_commune, province), keep).await,
        Account::Appoint {
            appointed,
            province,
            deciding,
        } => {
            let Deciding { key, by } = deciding;
            let mut connection = target.pool(None).await?.acquire().await?;
            let matter = accounts::appointment_matter(&mut connection, &appointed, province);
            let decision = matter.await?.decision(true, None, &by.by);
            let body = AppointOfficer {
                officer: by.by.clone(),
                appointed,
                province,
                signature: show_and_sign(shared, &decision, (key, &by.by))?,
            };
            tell.ask("appoint-officer", &by, &body).await
        }
        Account::Show {
            person,
            purpose,
            case,
            unmask,
            by,
        } => {
            let citizen_number = match person {
                Some(_) => None,
                None => Some(Unlogged(typed::<1>("the citizen number")?[0].clone())),
            };
            let body = ShowPerson {
                officer: by,
                citizen_number,
                person: person.map(PersonNo),
                purpose,
                case_ref: case,
                unmask,
            };
            tell.inquire("person", &body).await
        }
        Account::PaidAt {
            person,
            about,
            known,
            by,
        } => {
            let body = PaidAtQuery {
                officer: by,
                person: PersonNo(person),
                about,
                known,
            };
            tell.inquire("paid-at", &body).await
        }
        Account::Change {
            kind,
            institution,
            basis,
            by,
        } => {
            let [citizen_number, account_number] =
                typed::<2>("the citizen number and the account number")?;
            let body = ChangeAccount {
                officer: by.by.clone(),
                citizen_number: Unlogged(citizen_number),
                kind: kind.into(),
                institution: institution.to_string(),
                account_number: Unlogged(account_number),
                basis,
            };
            tell.ask("change-account", &by, &body).await
        }
        Account::Step {
            link,
            step,
            reason,
            by,
        } => {
            let body = StepLink {
                officer: by.by.clone(),
                link,
                reason,
            };
            let command = match step {
                Steps::Suspend => "suspend-link",
                Steps::Resume => "resume-link",
                Steps::End => "end-link",
            };
            tell.ask(command, &by, &body).await
        }
        Account::Reviews { by } => tell.inquire("reviews", &Queue { officer: by }).await,
        Account::Requests { by } => tell.inquire("requests", &Queue { officer: by }).await,
        Account::Decide {
            review,
            decision,
            reason,
            deciding,
        } => {
            let (matter, how) = ((Kind::Review, review), (decision.accept, Some(&reason[..])));
            let signature = sign_matter(&target, shared, matter, how, &deciding).await?;
            let body = DecideReview {
                officer: deciding.by.by.clone(),
                review,
                accept: decision.accept,
                reason,
                signature,
            };
            tell.ask("decide-review", &deciding.by, &body).await
        }
        Account::Authority(command) => tell.authority(command).await,
        Account::Answer {
            request,
            state,
            reason,
            by,
        } => {
            let body = StepRequest {
                officer: by.by.clone(),
                request,
                state,
                reason,
            };
            tell.ask("step-request", &by, &body).await
        }
    }
}

/// Who asks accounts, and how what it says is printed.
struct Telling<'a> {
    target: &'a Target,
    output: Output,
}

impl Telling<'_> {
    async fn ask(
        &self,
        command: &str,
        by: &crate::cli::By,
        body: &impl Serialize,
    ) -> Result<ExitCode, Failure> {
        let service = accounts::SERVICE;
        super::ask_service(self.target, self.output, service, command, by, body).await
    }

    async fn inquire(&self, query: &str, body: &impl Serialize) -> Result<ExitCode, Failure> {
        let nats = self.target.nats().await?;
        let told = messaging::inquire(&nats, accounts::SERVICE, query, body).await?;
        match self.output {
            Output::Json => print(&serde_json::to_string_pretty(&told)?),
            Output::Table => print_tables(&told),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn authority(&self, command: Authorities) -> Result<ExitCode, Failure> {
        match command {
            Authorities::Grant {
                person,
                payee,
                kind,
                programme,
                amount_max,
                proof,
                from,
                to,
                by,
            } => {
                let body = GrantAuthority {
                    officer: by.by.clone(),
                    person: PersonNo(person),
                    payee: PersonNo(payee),
                    kind: kind.into(),
                    programmes: programme,
                    amount_max,
                    proof,
                    valid_from: from,
                    valid_to: to,
                };
                self.ask("grant-authority", &by, &body).await
            }
            Authorities::End {
                person,
                on,
                reason,
                by,
            } => {
                let body = EndAuthority {
                    officer: by.by.clone(),
                    person: PersonNo(person),
                    ends_on: on,
                    reason,
                };
                self.ask("end-authority", &by, &body).await
            }
        }
    }
}

async fn import(
    target: &Target,
    output: Output,
    (file, kind): (&Path, LinkKind),
) -> Result<ExitCode, Failure> {
    // People are linked by their numbers, which accounts hears from eligibility.
    target
        .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
        .await?;
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let (keys, terms) = (Arc::new(target.keys()?), Terms::of(&target.settings));
    let what = (file, kind.into());
    let report = accounts::import_links(&pool, &keys, terms, what, Utc::now()).await;
    super::show_report(output, "links", &report.map_err(super::file_refused)?)
}

async fn reconcile(
    target: &Target,
    output: Output,
    (file, institution, as_of): (&Path, Institution, NaiveDate),
) -> Result<ExitCode, Failure> {
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let (keys, terms) = (Arc::new(target.keys()?), Terms::of(&target.settings));
    let what = (file, institution, as_of);
    let report = accounts::import_bank_list(&pool, &keys, terms, what, Utc::now()).await;
    let report = report.map_err(super::file_refused)?;
    show(output, &report, list_table)?;
    for refused in report.refusals.iter().filter(|_| output == Output::Table) {
        let (line, column) = (refused.line, refused.column);
        print(&format!(
            "line {line}, {column}: {} – {}",
            refused.code, refused.sentence
        ));
    }
    if report.sums.refused > 0 && !report.repeated {
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::SUCCESS)
}

fn list_table(report: &ListReport) -> comfy_table::Table {
    let sums = &report.sums;
    let rows = [
        ("not ours", sums.not_ours),
        ("agreed", sums.agreed),
        ("closed", sums.closed),
        ("restricted", sums.restricted),
        ("renamed", sums.renamed),
        ("moved", sums.moved),
        ("refused", sums.refused),
        ("rows of the file", sums.rows),
    ];
    let rows = rows.map(|(name, count)| [name.to_owned(), grouped(count)]);
    table(&["accounts", "rows"], 1, rows)
}

/// What must not stand in a shell's history: lines of standard input.
fn typed<const N: usize>(what: &str) -> Result<[String; N], Failure> {
    let lines: Vec<String> = std::io::stdin()
        .lock()
        .lines()
        .take(N)
        .collect::<Result<_, _>>()?;
    let lines: Vec<String> = lines.into_iter().map(|it| it.trim().to_owned()).collect();
    <[String; N]>::try_from(lines)
        .map_err(|_| Failure::Refused(format!("input_missing: {what} is read from standard input")))
}

/// Lists as tables with a column a field, the rest as fields.
fn print_tables(told: &Value) {
    let Some(object) = told.as_object() else {
        print(&told.to_string());
        return;
    };
    let (lists, single): (Vec<_>, Vec<_>) = object.iter().partition(|(_, it)| it.is_array());
    if !single.is_empty() {
        let fields: serde_json::Map<String, Value> = single
            .into_iter()
            .map(|(key, it)| (key.clone(), it.clone()))
            .collect();
        print(&super::fields(&Value::Object(fields)).to_string());
    }
    for (name, list) in lists {
        let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
        print(&format!("{name}: {}", rows.len()));
        let Some(first) = rows.first().and_then(Value::as_object) else {
            continue;
        };
        let header: Vec<&str> = first.keys().map(String::as_str).collect();
        let cells = rows.iter().map(|row| {
            header.iter().map(|it| match &row[*it] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            })
        });
        print(
            &table(
                &header,
                header.len(),
                cells.map(Iterator::collect::<Vec<_>>),
            )
            .to_string(),
        );
    }
}
