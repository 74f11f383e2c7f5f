mod view;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use iso20022::{Flaw, Limits, Message, ReadError};
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::cli::{Iso, Output};
use crate::output::{Failure, grouped, print, say, table};
use view::View;

/// What a file says, as far as it is printed.
#[derive(Debug, Default, Serialize)]
struct Said {
    format: &'static str,
    items: Vec<View>,
    /// Read, and not printed.
    more: u64,
}

pub(super) async fn iso(command: Iso, output: Output) -> Result<ExitCode, Failure> {
    match command {
        Iso::Read { file, limit } => {
            let said = spawn_blocking(move || said(&file, limit)).await??;
            match said {
                Ok(said) => tell(&said, output),
                Err(flaw) => refuse(&flaw, output),
            }
        }
        Iso::Validate { file } => {
            let said = spawn_blocking(move || said(&file, 0)).await??;
            match said {
                Ok(said) => pass(&said, output),
                Err(flaw) => refuse(&flaw, output),
            }
        }
    }
}

/// Reads a file to its end, in memory of what is printed.
fn said(path: &Path, limit: usize) -> anyhow::Result<Result<Said, Flaw>> {
    let named = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(named)?;
    match read(file, limit) {
        Ok(said) => Ok(Ok(said)),
        Err(ReadError::Refused(flaw)) => Ok(Err(*flaw)),
        Err(error @ ReadError::Io(_)) => Err(error).with_context(named),
    }
}

fn read(file: File, limit: usize) -> Result<Said, ReadError> {
    let message = Message::open(file, Limits::default())?;
    let mut said = Said {
        format: message.name(),
        ..Said::default()
    };
    let mut put = |views: Vec<View>| {
        for view in views {
            if said.items.len() < limit {
                said.items.push(view);
            } else {
                said.more += 1;
            }
        }
    };
    match message {
        Message::Order(mut items) => items.try_for_each(|it| it.map(|it| put(view::order(&it))))?,
        Message::Report(mut items) => {
            items.try_for_each(|it| it.map(|it| put(view::report(&it))))?;
        }
        Message::Statement(mut items) => {
            items.try_for_each(|it| it.map(|it| put(view::statement(&it))))?;
        }
        Message::Recall(mut items) => {
            items.try_for_each(|it| it.map(|it| put(view::recall(&it))))?;
        }
        Message::Answer(mut items) => {
            items.try_for_each(|it| it.map(|it| put(view::answer(&it))))?;
        }
        Message::Mt940(mut items) => {
            items.try_for_each(|it| it.map(|it| put(view::statement(&it))))?;
        }
    }
    Ok(said)
}

fn tell(said: &Said, output: Output) -> Result<ExitCode, Failure> {
    if output == Output::Json {
        print(&serde_json::to_string_pretty(said)?);
        return Ok(ExitCode::SUCCESS);
    }
    print(said.format);
    let header = [
        "item",
        "id",
        "status",
        "date",
        "account",
        "reference",
        "đồng",
    ];
    let rows = said.items.iter().map(View::row);
    print(&table(&header, 6, rows).to_string());
    if said.more > 0 {
        say(&format!("… and {} more; --limit", grouped(said.more)));
    }
    Ok(ExitCode::SUCCESS)
}

fn pass(said: &Said, output: Output) -> Result<ExitCode, Failure> {
    match output {
        Output::Json => {
            let passed = json!({ "valid": true, "format": said.format, "items": said.more });
            print(&serde_json::to_string_pretty(&passed)?);
        }
        Output::Table => print(&format!(
            "{}: {} items, nothing is wrong / hợp lệ",
            said.format,
            grouped(said.more)
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(flaw: &Flaw, output: Output) -> Result<ExitCode, Failure> {
    let place = &flaw.place;
    match output {
        Output::Json => {
            let refused = json!({
                "valid": false,
                "code": flaw.code,
                "line": place.line,
                "column": place.column,
                "path": place.path,
                "sentence": flaw.sentence,
                "advice": flaw.advice(),
            });
            print(&serde_json::to_string_pretty(&refused)?);
        }
        Output::Table => {
            print(&flaw.to_string());
            print(&format!(
                "dòng {}, cột {}: {}",
                place.line,
                place.column,
                flaw.advice()
            ));
        }
    }
    Ok(ExitCode::from(3))
}
