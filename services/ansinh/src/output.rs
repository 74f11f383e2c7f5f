use std::io::Write;
use std::process::ExitCode;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::cli::Output;

/// How a command ends other than well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input was refused; nothing, or only what was said, has happened. Exit code 3.
    Refused(String),
    /// An invariant is broken. Exit code 8.
    Broken(String),
    /// Anything else. Exit code 1.
    Unexpected(anyhow::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Refused(_) => ExitCode::from(3),
            Failure::Broken(_) => ExitCode::from(8),
            Failure::Unexpected(_) => ExitCode::from(1),
        }
    }

    pub(crate) fn tell(&self) {
        let text = match self {
            Failure::Refused(text) | Failure::Broken(text) => text.clone(),
            Failure::Unexpected(error) => format!("{error:#}"),
        };
        say(&text);
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        let error = error.into();
        match error.downcast_ref::<messaging::CommandError>() {
            Some(messaging::CommandError::Refused(problem)) => {
                let mut text = problem.to_string();
                if !problem.allowed_actions.is_empty() {
                    text.push_str(&format!(
                        " (allowed: {})",
                        problem.allowed_actions.join(", ")
                    ));
                }
                Failure::Refused(text)
            }
            _ => Failure::Unexpected(error),
        }
    }
}

/// A message for people, to standard error.
pub(crate) fn say(text: &str) {
    // Nothing can be told where standard error is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// A result, to standard output. A reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// Prints one value: as JSON, or as the table that `table` makes of it.
pub(crate) fn show<T: Serialize>(
    output: Output,
    value: &T,
    table: impl FnOnce(&T) -> Table,
) -> Result<(), Failure> {
    match output {
        Output::Json => print(&serde_json::to_string_pretty(value)?),
        Output::Table => print(&table(value).to_string()),
    }
    Ok(())
}

/// A table whose columns after the first `left` are figures.
pub(crate) fn table<R: IntoIterator<Item = String>>(
    header: &[&str],
    left: usize,
    rows: impl IntoIterator<Item = R>,
) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    for row in rows {
        table.add_row(row.into_iter().enumerate().map(|(column, text)| {
            let cell = Cell::new(text);
            if column < left {
                cell
            } else {
                cell.set_alignment(CellAlignment::Right)
            }
        }));
    }
    table
}

/// Digits in groups, as people in Viet Nam write them: `1.203.002`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "figures are small and read better so"
)]
pub(crate) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest.to_owned()),
        None => ("", digits),
    };
    let mut text = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}
