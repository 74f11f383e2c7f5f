use std::collections::BTreeSet;
use std::process::ExitCode;

use eligibility::{broken_promises, files_of_law};
use rules::{Files, Flaw};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use sqlx::PgPool;

use super::laws::{in_force, told};
use super::{FlawView, flaw_line, flaw_view};
use crate::cli::Output;
use crate::output::{Failure, print, say};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

#[derive(Serialize)]
struct Difference<'a> {
    /// The law in force, which is compared with.
    law_no: i64,
    files: Vec<FileChange>,
    broken_promises: Vec<FlawView<'a>>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct FileChange {
    file: String,
    change: &'static str,
    added_lines: usize,
    removed_lines: usize,
    /// In the unified form.
    diff: String,
}

/// Compares with the law in force; refused where approved law would change in place.
pub(super) async fn diff(pool: &PgPool, next: &Files, output: Output) -> Result<ExitCode, Failure> {
    let law_no = in_force(pool).await?.law_no;
    let current = files_of_law(pool, law_no).await.map_err(told)?;
    let (files, broken) = (changes(&current, next), broken_promises(&current, next));
    match output {
        Output::Json => {
            let broken_promises = broken.iter().map(flaw_view).collect();
            let difference = Difference {
                law_no,
                files,
                broken_promises,
            };
            print(&serde_json::to_string_pretty(&difference)?);
        }
        Output::Table => tell(law_no, &files, &broken),
    }
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Refused(format!(
        "approved_law_changed: {} places of law {law_no} would be edited",
        broken.len()
    )))
}

fn tell(law_no: i64, files: &[FileChange], broken: &[Flaw]) {
    for it in files {
        print(it.diff.trim_end());
    }
    for it in files {
        print(&format!(
            "{:<8} {} (+{} −{})",
            it.change, it.file, it.added_lines, it.removed_lines
        ));
    }
    for it in broken {
        print(&flaw_line(it));
    }
    say(&format!(
        "{} files differ from law {law_no}, which is in force.",
        files.len()
    ));
}

/// The files that differ, by path.
fn changes(current: &Files, next: &Files) -> Vec<FileChange> {
    let paths: BTreeSet<&String> = current.0.keys().chain(next.0.keys()).collect();
    let change = |path: &String| {
        let (old, new) = (current.0.get(path), next.0.get(path));
        let change = match (old, new) {
            (None, _) => "added",
            (_, None) => "removed",
            (Some(old), Some(new)) if old == new => return None,
            _ => "changed",
        };
        let text = |it: Option<&'_ String>| it.map(String::as_str).unwrap_or_default().to_owned();
        let (old, new) = (text(old), text(new));
        let lines = TextDiff::from_lines(&old, &new);
        let count = |tag| {
            lines
                .iter_all_changes()
                .filter(|it| it.tag() == tag)
                .count()
        };
        let mut unified = lines.unified_diff();
        unified.context_radius(CONTEXT).header(path, path);
        Some(FileChange {
            file: path.clone(),
            change,
            added_lines: count(ChangeTag::Insert),
            removed_lines: count(ChangeTag::Delete),
            diff: unified.to_string(),
        })
    };
    paths.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Files(texts.iter().map(owned).collect())
    }

    #[test]
    fn each_changed_line_is_told_with_its_file() {
        let current = files(&[("a.csv", "1\n2\n3\n"), ("b.csv", "1\n"), ("c.csv", "1\n")]);
        let next = files(&[
            ("a.csv", "1\nhai\n3\n4\n"),
            ("c.csv", "1\n"),
            ("d.csv", "9\n"),
        ]);
        let told: Vec<(String, &str, usize, usize)> = changes(&current, &next)
            .into_iter()
            .map(|it| (it.file, it.change, it.added_lines, it.removed_lines))
            .collect();
        let expected = [
            ("a.csv".to_owned(), "changed", 2, 1),
            ("b.csv".to_owned(), "removed", 0, 1),
            ("d.csv".to_owned(), "added", 1, 0),
        ];
        assert_eq!(told, expected);
        let diff = &changes(&current, &next)[0].diff;
        assert_eq!(
            diff,
            "--- a.csv\n+++ a.csv\n@@ -1,3 +1,4 @@\n 1\n-2\n+hai\n 3\n+4\n"
        );
    }
}
