use std::process::ExitCode;

use approval::Kind;
use domain::{Money, Part};
use ledger::{AccountNo, JournalView, TrialBalanceRow};
use payments::{Appropriate, ApproveClosing, CloseYear};
use serde::Serialize;

use super::signer::sign_matter;
use crate::cli::{Ledger, Shared};
use crate::output::{Failure, grouped, show, table};
use crate::target::Target;

#[derive(Serialize)]
struct AccountRow {
    account: String,
    name: String,
    debits: Money,
    credits: Money,
}

#[derive(Serialize)]
struct TrialBalance {
    accounts: Vec<AccountRow>,
    debits: Money,
    credits: Money,
    /// Debits less credits of the whole; zero.
    difference: String,
}

#[derive(Serialize)]
struct JournalRows {
    journal: String,
    kind: String,
    reference: String,
    lines: i32,
    total: Money,
    root: String,
    hash: String,
    recorded_at: chrono::DateTime<chrono::Utc>,
    transfers: Vec<TransferRow>,
}

#[derive(Serialize)]
struct TransferRow {
    line: i32,
    debit: String,
    credit: String,
    amount: Money,
    person_no: i64,
    payment: Option<String>,
}

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn ledger(command: Ledger, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    match command {
        Ledger::TrialBalance => {
            let balance = trial_balance(ledger::trial_balance(&target.pool(None).await?).await?);
            show(shared.output, &balance, balance_table)?;
        }
        Ledger::Account { number } => {
            let found = ledger::account_balance(&target.pool(None).await?, number).await?;
            show(shared.output, &trial_balance(vec![found]), balance_table)?;
        }
        Ledger::Journal { place } => {
            let (part, seq) = journal_place(&place)?;
            let found = ledger::journal(&target.pool(None).await?, part, seq).await?;
            let missing =
                || Failure::Refused(format!("journal_unknown: there is no journal {place}"));
            show(
                shared.output,
                &journal_rows(found.ok_or_else(missing)?),
                journal_table,
            )?;
        }
        Ledger::Budget { programme, year } => {
            let rows = crate::budget::budget(&target.pool(None).await?, programme, year).await?;
            show(shared.output, &rows, |rows| budget_table(rows))?;
        }
        Ledger::CloseYear {
            programme,
            province,
            year,
            surplus,
            reference,
            by,
        } => {
            let body = CloseYear {
                officer: by.by.clone(),
                programme,
                province,
                year,
                surplus,
                reference,
            };
            return super::ask(&target, shared.output, "close-year", &by, &body).await;
        }
        Ledger::ApproveClosing {
            closing_no,
            deciding,
        } => {
            let (by, matter) = (&deciding.by, (Kind::YearClosing, closing_no));
            let body = ApproveClosing {
                officer: by.by.clone(),
                closing_no,
                signature: sign_matter(&target, shared, matter, (true, None), &deciding).await?,
            };
            return super::ask(&target, shared.output, "approve-closing", by, &body).await;
        }
        Ledger::Appropriate {
            programme,
            province,
            year,
            amount,
            reference,
            by,
        } => {
            let officer = by.by.clone();
            let body = Appropriate {
                officer,
                programme,
                province,
                budget_year: year,
                amount,
                reference,
            };
            return super::ask(&target, shared.output, "appropriate", &by, &body).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn journal_place(text: &str) -> Result<(Part, i64), Failure> {
    let place = text.split_once('/').and_then(|(part, seq)| {
        let part = Part::try_from(part.parse::<i16>().ok()?).ok()?;
        Some((part, seq.parse::<i64>().ok()?))
    });
    place.ok_or_else(|| Failure::Refused("journal_invalid: a journal is written 7/42".to_owned()))
}

fn account_name(number: AccountNo) -> String {
    let Some(account) = number.account() else {
        return "?".to_owned();
    };
    let mut name = account.kind.name().to_owned();
    if let Some(programme) = account.programme {
        name.push_str(&format!(" {programme}"));
    }
    if let Some(institution) = account.institution {
        let known = institution
            .info()
            .map_or_else(|| institution.to_string(), |it| it.name.to_owned());
        name.push_str(&format!(" {known}"));
    }
    if let Some(year) = account.year {
        name.push_str(&format!(" {year}"));
    }
    if let Some(province) = account.province {
        name.push_str(&format!(" {}", province.name()));
    }
    name
}

fn trial_balance(rows: Vec<TrialBalanceRow>) -> TrialBalance {
    let debits = Money::sum(rows.iter().map(|it| it.debits));
    let credits = Money::sum(rows.iter().map(|it| it.credits));
    let account = |it: TrialBalanceRow| AccountRow {
        account: it.account_no.to_string(),
        name: account_name(it.account_no),
        debits: it.debits,
        credits: it.credits,
    };
    TrialBalance {
        accounts: rows.into_iter().map(account).collect(),
        debits,
        credits,
        difference: (debits.units() - credits.units()).to_string(),
    }
}

fn balance_table(balance: &TrialBalance) -> comfy_table::Table {
    let row = |it: &AccountRow| {
        let stands = it.debits.units() - it.credits.units();
        [
            it.account.clone(),
            it.name.clone(),
            grouped(it.debits),
            grouped(it.credits),
            grouped(stands),
        ]
    };
    let total = [
        String::new(),
        "all".to_owned(),
        grouped(balance.debits),
        grouped(balance.credits),
        grouped(&balance.difference),
    ];
    let rows = balance.accounts.iter().map(row).chain([total]);
    table(
        &[
            "account",
            "name",
            "debits",
            "credits",
            "debits less credits",
        ],
        2,
        rows,
    )
}

fn budget_table(rows: &[crate::budget::BudgetRow]) -> comfy_table::Table {
    let header = [
        "year",
        "programme",
        "level",
        "appropriated",
        "carried in",
        "carried out",
        "given back",
        "paid",
        "in flight",
        "payable",
        "committed",
        "left",
    ];
    let rows = rows.iter().map(|it| {
        let level = it.fund.province.map_or("central", |it| it.name());
        [
            it.fund.year.to_string(),
            it.fund.programme.to_string(),
            level.to_owned(),
            grouped(it.appropriated),
            grouped(it.carried_in),
            grouped(it.carried_out),
            grouped(it.given_back),
            grouped(it.paid),
            grouped(it.in_flight),
            grouped(it.payable),
            grouped(it.committed),
            grouped(it.left),
        ]
    });
    table(&header, 3, rows)
}

fn journal_rows(it: JournalView) -> JournalRows {
    let run = it
        .reference
        .split(['-', '/'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let part = it.part;
    let transfer = |it: ledger::TransferView| TransferRow {
        line: it.line,
        debit: it.debit.to_string(),
        credit: it.credit.to_string(),
        amount: it.amount,
        person_no: it.person_no,
        payment: (it.chunk > 0)
            .then(|| format!("{run}-{part}-{:04}-{:04}", it.chunk, it.chunk_line)),
    };
    JournalRows {
        journal: format!("{}/{}", it.part, it.seq),
        kind: it.kind,
        reference: it.reference,
        lines: it.lines,
        total: it.total,
        root: it.root,
        hash: it.hash,
        recorded_at: it.recorded_at,
        transfers: it.transfers.into_iter().map(transfer).collect(),
    }
}

fn journal_table(it: &JournalRows) -> comfy_table::Table {
    let rows = it.transfers.iter().map(|it| {
        let payment = it.payment.clone().unwrap_or_default();
        [
            it.line.to_string(),
            it.debit.clone(),
            it.credit.clone(),
            payment,
            grouped(it.amount),
        ]
    });
    let mut table = table(&["line", "debit", "credit", "payment", "đồng"], 4, rows);
    table.add_row([format!("{} {}", it.journal, it.kind), it.reference.clone()]);
    table.add_row(["root".to_owned(), it.root.clone()]);
    table
}
