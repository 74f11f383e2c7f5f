use std::path::Path;

use intake::{FileError, Mirror, TableFile, Told};
use sqlx::PgPool;
use tokio::sync::mpsc;

use super::sentence::vietnamese;
use crate::{Error, import, store};

/// Refusals read at once.
const PAGE: i64 = 5000;

/// Writes the refused rows of an imported file to a new file beside what is wrong with each, for
/// people to correct; with `all`, the other rows as well. Neither the rows nor what is told of
/// them is held in memory.
///
/// # Errors
/// [`Error::File`]: the file is not the one that was imported, or the report cannot be written.
pub async fn write_mirror(
    pool: &PgPool,
    file: &TableFile,
    out: &Path,
    all: bool,
) -> Result<(), Error> {
    let sha256 = import::digest(file).await?;
    let Some((import_no, _)) = store::import_of(pool, &sha256).await? else {
        return Err(FileError::Changed.into());
    };
    let (told, told_of) = mpsc::channel(2);
    let (file, out) = (file.clone(), out.to_owned());
    let writer = tokio::task::spawn_blocking(move || copy(&file, &out, all, told_of));
    let mut after = 0;
    loop {
        let page = store::refusals(pool, import_no, after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.line;
        let page: Vec<Told> = page.into_iter().map(in_both_languages).collect();
        // Who does not listen has failed; the error is the writer's to tell.
        if told.send(page).await.is_err() {
            break;
        }
    }
    drop(told);
    Ok(writer.await.expect("writing a report does not panic")?)
}

fn in_both_languages(refusal: store::StoredRefusal) -> Told {
    Told {
        line: refusal.line.unsigned_abs(),
        sentence_vi: vietnamese(&refusal.code).to_owned(),
        column: refusal.column,
        code: refusal.code,
        sentence_en: refusal.sentence,
    }
}

/// Rows and refusals both come in the order of lines.
fn copy(
    file: &TableFile,
    out: &Path,
    all: bool,
    mut told: mpsc::Receiver<Vec<Told>>,
) -> Result<(), FileError> {
    let pages = std::iter::from_fn(|| told.blocking_recv());
    let mut told = pages.flatten().peekable();
    let header = |columns: &[&'static str]| Ok(Mirror::create(out, columns)?);
    let mirror = file.read(header, |mirror, row| {
        let line = match &row {
            Ok(row) => row.line,
            Err(broken) => broken.refused.line,
        };
        let said = told.next_if(|it| it.line <= line);
        if said.is_some() || all {
            match &row {
                Ok(row) => mirror.row(row.fields(), said.as_ref())?,
                Err(broken) => {
                    let fields = broken.written.iter().map(String::as_str);
                    mirror.row(fields, said.as_ref())?;
                }
            }
        }
        Ok(true)
    })?;
    Ok(mirror.finish()?)
}
