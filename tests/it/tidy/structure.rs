//! Where things may stand, and what has to be there.

use std::collections::BTreeSet;

use super::code::in_production;
use super::source::{File, Finding, Source, line_of, lines_with};

const SERVICES: [&str; 7] = [
    "eligibility",
    "accounts",
    "payments",
    "reconciliation",
    "console",
    "audit",
    "sandbox",
];

/// Schemas that belong to libraries; services reach them through those only.
const LIBRARIES: [&str; 5] = ["approval", "ledger", "messaging", "privacy", "proof"];

/// SQL outside of a store, and why it may stand there.
pub const SQL_ELSEWHERE: [(&str, &str); 5] = [
    (
        "libs/boot/src/database.rs",
        "asks what the server promises; no table",
    ),
    (
        "libs/ledger/src/report.rs",
        "the reading half of the ledger's store",
    ),
    (
        "libs/ledger/src/check.rs",
        "the proving half of the ledger's store",
    ),
    (
        "libs/proof/src/verify.rs",
        "the proving half of the evidence's store",
    ),
    (
        "services/ansinh/src/servers/postgres.rs",
        "asks whether the server answers; no table",
    ),
];

const ARCHITECTURE_LINES_MAX: usize = 150;

/// The service or library whose folder a file lies in.
pub fn owner<'a>(file: &'a File, folder: &str) -> Option<&'a str> {
    let inside = file.path.strip_prefix(folder)?.strip_prefix('/')?;
    inside.split('/').next()
}

pub fn forbidden_dependencies(file: &File) -> Vec<Finding> {
    let service = owner(file, "services").filter(|it| *it != "ansinh");
    if file.name() != "Cargo.toml" || service.or(owner(file, "libs")).is_none() {
        return Vec::new();
    }
    let dependencies = dependencies(file.text()).into_iter();
    dependencies
        .filter(|(_, it)| SERVICES.contains(&&it[..]) || it == "ansinh")
        .map(|(line, it)| file.finding(line, format!("depends on service {it}")))
        .collect()
}

/// What a manifest depends on, of whatever kind, with the line that says so.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let (mut found, mut listing) = (Vec::new(), false);
    for (line, text) in (1..).zip(manifest.lines()) {
        if let Some(header) = text.trim().strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let named = header.rsplit_once("dependencies.");
            listing = header.ends_with("dependencies");
            found.extend(named.map(|(_, it)| (line, it.to_owned())));
        } else if listing {
            let name = text.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push((line, name.to_owned()));
            }
        }
    }
    found
}

pub fn foreign_tables(file: &File) -> Vec<Finding> {
    let owner = owner(file, "services").or(owner(file, "libs"));
    let checked = file.is_rust() && !file.is_test();
    let Some(owner) = owner.filter(|it| *it != "ansinh" && checked) else {
        return Vec::new();
    };
    let source = file.source();
    let mut found = Vec::new();
    for literal in source.literals.iter().filter(|it| is_sql(&it.text)) {
        let line = line_of(&source.code, literal.offset);
        let schemas = SERVICES.iter().chain(&LIBRARIES);
        for schema in schemas.filter(|it| **it != owner) {
            if !lines_with(&literal.text, &format!("{schema}.")).is_empty() {
                found.push(file.finding(line, format!("reads schema {schema}")));
            }
        }
    }
    found
}

fn is_sql(text: &str) -> bool {
    let verbs = [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "TRUNCATE ",
        "COPY ",
    ];
    verbs.iter().any(|it| text.contains(it))
}

pub fn sql_in(file: &File) -> Vec<Finding> {
    let ways = [
        "sqlx::query",
        "sqlx::query_as",
        "sqlx::query_scalar",
        "sqlx::raw_sql",
        "QueryBuilder",
    ];
    in_production(file, &ways)
}

pub fn sql_outside_stores(file: &File) -> Vec<Finding> {
    let store = file.name() == "store.rs" || file.path.contains("/store/");
    let excepted = SQL_ELSEWHERE.iter().any(|(it, _)| *it == file.path);
    if store || excepted {
        Vec::new()
    } else {
        sql_in(file)
    }
}

/// Exceptions from a rule whose file does not need one.
pub fn unused_exceptions(
    tree: &[File],
    exceptions: &[(&str, &str)],
    find: fn(&File) -> Vec<Finding>,
) -> Vec<Finding> {
    let needed = |path: &str| {
        tree.iter()
            .any(|it| it.path == path && !find(it).is_empty())
    };
    let unused = exceptions.iter().filter(|(it, _)| !needed(it));
    unused
        .map(|(it, reason)| File::new(it, "").finding(1, *reason))
        .collect()
}

pub fn misnumbered_migrations(tree: &[File]) -> Vec<Finding> {
    let migrations = tree.iter().filter(|it| it.path.starts_with("migrations/"));
    let numbered = (1..).zip(migrations);
    numbered
        .filter(|(number, it)| !it.name().starts_with(&format!("{number:04}_")))
        .map(|(number, it)| it.finding(1, format!("{number:04} was expected here")))
        .collect()
}

pub fn crates_without_words(file: &File) -> Vec<Finding> {
    let roots = ["/src/lib.rs", "/src/main.rs", "/it/main.rs"];
    let root = roots.iter().any(|it| file.path.ends_with(it)) || file.path == "tests/lib.rs";
    if root && !file.text().starts_with("//! ") {
        return vec![file.finding(1, "begins without //!")];
    }
    Vec::new()
}

/// Source files that no `mod` line reaches: they look alive and are never compiled.
pub fn orphans(tree: &[File]) -> Vec<Finding> {
    let roots = ["lib.rs", "main.rs", "build.rs"];
    let files = tree.iter().filter(|it| it.is_rust());
    let mut found = Vec::new();
    for file in files.filter(|it| !roots.contains(&it.name())) {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or_default();
        let line = format!("mod {}", name.trim_end_matches(".rs"));
        let parents = [
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
            format!("{folder}.rs"),
        ];
        let parents = tree.iter().filter(|it| parents.contains(&it.path));
        if !parents
            .into_iter()
            .any(|it| !lines_with(&it.source().code, &line).is_empty())
        {
            found.push(file.finding(1, format!("no `{line};` reaches it")));
        }
    }
    found
}

pub fn query_descriptions(tree: &[File]) -> Vec<Finding> {
    let descriptions = tree.iter().filter(|it| it.path.starts_with(".sqlx/"));
    let described: BTreeSet<String> = descriptions.clone().map(query_of).collect();
    let (mut found, mut written) = (Vec::new(), BTreeSet::new());
    for file in tree.iter().filter(|it| it.is_rust()) {
        for (line, query) in checked_queries(&file.source()) {
            if !described.contains(&query) {
                found.push(file.finding(line, "this query has no description in .sqlx"));
            }
            written.insert(query);
        }
    }
    let stale = descriptions.filter(|it| !written.contains(&query_of(it)));
    found.extend(stale.map(|it| it.finding(1, "describes a query that is nowhere")));
    found
}

fn query_of(description: &File) -> String {
    let json: serde_json::Value = serde_json::from_slice(&description.bytes).unwrap_or_default();
    json["query"].as_str().unwrap_or_default().to_owned()
}

/// The statements of sqlx's checked macros, with their lines.
fn checked_queries(source: &Source) -> Vec<(usize, String)> {
    let macros = ["query!(", "query_as!(", "query_scalar!("];
    let calls = macros.iter().flat_map(|it| source.code.match_indices(it));
    calls
        .filter_map(|(at, _)| {
            let literal = source.literals.iter().find(|it| it.offset > at)?;
            Some((line_of(&source.code, at), literal.text.clone()))
        })
        .collect()
}

pub fn missing_documents(tree: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in ["README.md", "ARCHITECTURE.md", "LICENSE"] {
        let Some(file) = tree.iter().find(|it| it.path == path) else {
            found.push(File::new(path, "").finding(1, "is missing"));
            continue;
        };
        let lines = file.text().lines().count();
        if lines == 0 || path == "ARCHITECTURE.md" && lines > ARCHITECTURE_LINES_MAX {
            found.push(file.finding(lines, format!("has {lines} lines")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::{lines, places};

    const SERVICE: &str = "services/payments/src/work.rs";

    #[test]
    fn a_dependency_between_services_is_found_however_it_is_written() {
        let manifest = "[package]\nname = \"payments\"\n[dependencies]\naccounts.workspace = true\n\
                        events = { path = \"x\" }\n[dev-dependencies]\nsandbox = \"1\"\n\
                        [target.'cfg(unix)'.dependencies.eligibility]\npath = \"y\"\n";
        let at = |path: &str| lines(forbidden_dependencies, path, manifest);
        assert_eq!(at("services/payments/Cargo.toml"), [4, 7, 8]);
        assert_eq!(at("libs/boot/Cargo.toml"), [4, 7, 8]);
        assert!(at("services/ansinh/Cargo.toml").is_empty());
        assert!(at("tests/Cargo.toml").is_empty());
    }

    #[test]
    fn a_neighbours_table_is_found_in_sql_only() {
        let text = "\n\"SELECT 1 FROM eligibility.persons\";\n\"payments.do.open-run\";\n\
                    \"UPDATE payments.lines l\";\n\"SELECT 1 FROM ledger.journals\";\n";
        assert_eq!(lines(foreign_tables, SERVICE, text), [2, 5]);
        assert_eq!(
            lines(foreign_tables, "libs/ledger/src/store.rs", text),
            [2, 4]
        );
        assert!(lines(foreign_tables, "services/ansinh/src/check/store.rs", text).is_empty());
    }

    #[test]
    fn sql_is_found_outside_of_stores() {
        let text = "\nlet rows = sqlx::query!(\"SELECT 1\");\nsqlx::query(\"SELECT 1\");\n";
        assert_eq!(lines(sql_outside_stores, SERVICE, text), [2, 3]);
        assert!(lines(sql_outside_stores, "services/payments/src/store.rs", text).is_empty());
        assert!(
            lines(
                sql_outside_stores,
                "services/payments/src/store/runs.rs",
                text
            )
            .is_empty()
        );
        assert!(lines(sql_outside_stores, "libs/boot/tests/it/database.rs", text).is_empty());
        assert!(lines(sql_outside_stores, SQL_ELSEWHERE[0].0, text).is_empty());
    }

    #[test]
    fn an_exception_that_nothing_needs_is_found() {
        let tree = [
            File::new("libs/a.rs", "sqlx::query(\"SELECT 1\");\n"),
            File::new("libs/b.rs", "fn b() {}\n"),
        ];
        let exceptions = [
            ("libs/a.rs", "needed"),
            ("libs/b.rs", "not"),
            ("libs/c.rs", "gone"),
        ];
        let unused = unused_exceptions(&tree, &exceptions, sql_in);
        assert_eq!(places(unused), ["libs/b.rs:1", "libs/c.rs:1"]);
    }

    #[test]
    fn a_gap_in_the_migrations_is_found() {
        let named = |names: [&str; 2]| {
            let files = names.map(|it| File::new(&format!("migrations/{it}.sql"), ""));
            places(misnumbered_migrations(&files))
        };
        assert!(named(["0001_a", "0002_b"]).is_empty());
        assert_eq!(named(["0001_a", "0003_b"]), ["migrations/0003_b.sql:1"]);
        assert_eq!(named(["0001_a", "0001_b"]), ["migrations/0001_b.sql:1"]);
    }

    #[test]
    fn a_crate_without_words_is_found() {
        let at = |path: &str, text: &str| lines(crates_without_words, path, text);
        assert_eq!(at("libs/boot/src/lib.rs", "mod a;\n"), [1]);
        assert_eq!(at("tests/lib.rs", "\n//! Tests.\n"), [1]);
        assert!(at("libs/boot/src/lib.rs", "//! Boots.\n").is_empty());
        assert!(at(SERVICE, "mod a;\n").is_empty());
    }

    #[test]
    fn a_source_file_that_nobody_compiles_is_found() {
        let tree = [
            File::new("libs/a/src/lib.rs", "mod b;\n// mod d;\nmod ee;\n"),
            File::new("libs/a/src/b.rs", "#[cfg(test)]\npub(crate) mod tests;\n"),
            File::new("libs/a/src/b/tests.rs", ""),
            File::new("libs/a/src/d.rs", ""),
            File::new("libs/a/src/e.rs", ""),
            File::new("libs/a/build.rs", ""),
        ];
        assert_eq!(
            places(orphans(&tree)),
            ["libs/a/src/d.rs:1", "libs/a/src/e.rs:1"]
        );
    }

    #[test]
    fn missing_and_stale_descriptions_of_queries_are_found() {
        let code = "f(sqlx::query!(\"SELECT 1\"));\nsqlx::query_as!(T, r#\"SELECT \"2\"\"#, x);\n";
        let tree = [
            File::new("libs/a/src/store.rs", code),
            File::new(".sqlx/1.json", r#"{"query": "SELECT 1"}"#),
            File::new(".sqlx/3.json", r#"{"query": "SELECT 3"}"#),
        ];
        let found = places(query_descriptions(&tree));
        assert_eq!(found, ["libs/a/src/store.rs:2", ".sqlx/3.json:1"]);
    }

    #[test]
    fn missing_and_endless_documents_are_found() {
        let tree = [
            File::new("README.md", "An Sinh\n"),
            File::new("ARCHITECTURE.md", &"x\n".repeat(151)),
        ];
        let found = places(missing_documents(&tree));
        assert_eq!(found, ["ARCHITECTURE.md:151", "LICENSE:1"]);
    }
}
