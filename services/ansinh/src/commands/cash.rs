use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use domain::{Commune, Institution, Money, RunNo};
use payments::{
    AgeCash, CashEntry, CashList, CashListQuery, CashReturn, CashRow, CashStatement, MoveCash,
    TakeCash,
};

use crate::cli::{By, Cash, Shared, To};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::signing::OfficerKey;
use crate::target::Target;

/// The columns of a list that is given out and comes back.
const HEADER: [&str; 5] = ["line", "commune", "name", "amount", "paid"];

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn cash(command: Cash, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let output = shared.output;
    let today = || boot::clock::today_in_vietnam(Utc::now());
    match command {
        Cash::List {
            run,
            commune,
            unmask,
            csv,
            by,
        } => {
            let query = CashListQuery {
                officer: by.by,
                run_no: run,
                commune: commune.map(Commune::number),
                unmask,
            };
            let pool = target.pool(Some("ansinh_payments")).await?;
            let list = payments::cash_list(&pool, &target.keys()?, &query, Utc::now()).await?;
            if let Some(file) = csv {
                std::fs::write(&file, csv_of(&list)?)
                    .with_context(|| format!("{} cannot be written", file.display()))?;
                say(&format!(
                    "Wrote {} rows to {}",
                    list.entries.len(),
                    file.display()
                ));
                return Ok(ExitCode::SUCCESS);
            }
            show(output, &list, list_table)?;
            Ok(ExitCode::SUCCESS)
        }
        Cash::Return {
            file,
            return_no,
            institution,
            paid_on,
            key,
            by,
        } => {
            let of = (return_no, institution, paid_on);
            let body = returned(shared, &file, of, (key, &by))?;
            super::ask(&target, output, "cash-return", &by, &body).await
        }
        Cash::Take {
            line,
            receipt,
            paid_on,
            by,
        } => {
            let body = TakeCash {
                officer: by.by.clone(),
                line,
                receipt,
                paid_on: paid_on.unwrap_or_else(today),
            };
            super::ask(&target, output, "take-cash", &by, &body).await
        }
        Cash::Age { as_of, by } => {
            let body = AgeCash {
                officer: by.by.clone(),
                as_of: as_of.unwrap_or_else(today),
            };
            super::ask(&target, output, "age-cash", &by, &body).await
        }
        Cash::Move {
            line,
            to: To::Account,
            moved_on,
            by,
        } => {
            let body = MoveCash {
                officer: by.by.clone(),
                line,
                moved_on: moved_on.unwrap_or_else(today),
            };
            super::ask(&target, output, "move-cash", &by, &body).await
        }
    }
}

/// The return as its officer signs it, with the sums of its rows.
fn returned(
    shared: &Shared,
    file: &Path,
    (return_no, institution, paid_on): (String, Institution, NaiveDate),
    (key, by): (Option<PathBuf>, &By),
) -> Result<CashReturn, Failure> {
    let rows = rows_of(file)?;
    let sum =
        |of: &dyn Fn(&&CashRow) -> bool| Money::sum(rows.iter().filter(of).map(|it| it.amount));
    let first = rows.first().map(|it| it.line.run);
    let run_no: RunNo =
        first.ok_or_else(|| Failure::Refused("file_empty: the list has no row".to_owned()))?;
    let mut body = CashReturn {
        officer: by.by.clone(),
        institution,
        run_no,
        return_no,
        paid_on,
        handed_over: sum(&|_| true),
        paid: sum(&|it| it.is_paid),
        balance: sum(&|it| !it.is_paid),
        rows,
        signature: None,
    };
    let place = OfficerKey::place(&shared.home, &by.by);
    let key = OfficerKey::read(&key.unwrap_or(place))?;
    let statement = CashStatement { of: &body };
    say(&format!("Signing:\n{statement}"));
    let signature = key.sign(&statement);
    body.signature = Some(signature);
    Ok(body)
}

/// Rows in their order; what cannot be one is told with its row.
fn rows_of(file: &Path) -> Result<Vec<CashRow>, Failure> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header = lines.next().unwrap_or_default();
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    let column = |name: &str| {
        let found = columns.iter().position(|it| *it == name);
        found.ok_or_else(|| Failure::Refused(format!("header_missing: no column {name}")))
    };
    let (line, amount, paid) = (column("line")?, column("amount")?, column("paid")?);
    let mut rows = Vec::new();
    for (row, text) in (2..).zip(lines) {
        if text.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let refused =
            |column: &str, code: &str| Failure::Refused(format!("row {row}, {column}: {code}"));
        rows.push(CashRow {
            line: field(line)
                .parse()
                .map_err(|_| refused("line", "line_invalid"))?,
            amount: field(amount)
                .parse()
                .map_err(|_| refused("amount", "amount_invalid"))?,
            is_paid: match field(paid) {
                "x" | "X" => true,
                "" => false,
                _ => return Err(refused("paid", "paid_invalid")),
            },
        });
    }
    Ok(rows)
}

fn csv_of(list: &CashList) -> anyhow::Result<String> {
    let mut text = HEADER.join(",") + "\n";
    for it in &list.entries {
        anyhow::ensure!(
            !it.name.contains([',', '"', '\n']),
            "a name has a comma in it"
        );
        let commune = it.commune.map(|it| format!("{it:05}")).unwrap_or_default();
        text += &format!("{},{commune},{},{},\n", it.line, it.name, it.amount);
    }
    Ok(text)
}

/// The form that is signed for at the commune.
fn list_table(list: &CashList) -> comfy_table::Table {
    print(&format!(
        "DANH SÁCH CHI TRẢ BẰNG TIỀN MẶT\nĐợt chi {} · {} · kỳ {}\nNơi chi trả: {}",
        list.run_no,
        list.programme,
        list.period.first_day().format("%m/%Y"),
        list.place,
    ));
    let rows = (1..)
        .zip(&list.entries)
        .map(|(number, it): (usize, &CashEntry)| {
            [
                number.to_string(),
                it.line.to_string(),
                it.name.clone(),
                it.place.clone(),
                it.state.clone(),
                grouped(it.amount),
                String::new(),
            ]
        });
    let header = [
        "STT",
        "Mã khoản chi",
        "Họ tên",
        "Xã, phường",
        "state",
        "Số tiền (đ)",
        "Ký nhận",
    ];
    let mut table = table(&header, 5, rows);
    let total = format!("Cộng {} khoản", list.entries.len());
    let mut sum = vec![String::new(), total];
    sum.extend([
        String::new(),
        String::new(),
        String::new(),
        grouped(list.total),
        String::new(),
    ]);
    table.add_row(sum);
    table.add_row([String::new(), format!("Bằng chữ: {}", list.in_words)]);
    table
}
