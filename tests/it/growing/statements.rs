//! The statements of the hot path, and whether each of them stays in one partition.

use std::collections::BTreeSet;

use crate::tidy::source::{File, line_of, tree};

/// Functions of a file, and why they may.
type Excused = (&'static str, &'static [&'static str], &'static str);

/// Where the statements stand that are made for every line, chunk or entry of a run: from
/// determining to matching. All statements of a file, or those of the functions that are named.
const HOT: [(&str, &[&str]); 24] = [
    (
        "services/eligibility/src/store.rs",
        &["insert_freezes", "take_freeze", "put_off", "update_freeze"],
    ),
    ("services/eligibility/src/store/determinations.rs", &[]),
    ("services/eligibility/src/store/people.rs", &[]),
    ("services/accounts/src/store/ways.rs", &[]),
    (
        "services/accounts/src/store/channels.rs",
        &["channels_of", "people_of"],
    ),
    ("services/payments/src/store.rs", &[]),
    ("services/payments/src/store/attempts.rs", &[]),
    (
        "services/payments/src/store/editors.rs",
        &["insert_editors"],
    ),
    ("services/payments/src/store/found.rs", &[]),
    ("services/payments/src/store/holds.rs", &[]),
    ("services/payments/src/store/limits.rs", &[]),
    ("services/payments/src/store/preparation.rs", &[]),
    (
        "services/payments/src/store/recovery.rs",
        &["nettings_of", "insert_nettings"],
    ),
    ("services/payments/src/store/release.rs", &[]),
    ("services/payments/src/store/results.rs", &[]),
    ("services/payments/src/store/work.rs", &[]),
    ("libs/ledger/src/store.rs", &[]),
    ("libs/messaging/src/store/outbox.rs", &[]),
    ("libs/messaging/src/store/inbox.rs", &[]),
    ("services/reconciliation/src/store/exact.rs", &[]),
    ("services/reconciliation/src/store/heard.rs", &[]),
    ("services/reconciliation/src/store/matching.rs", &[]),
    ("services/reconciliation/src/store/missing.rs", &[]),
    ("services/reconciliation/src/store/statements.rs", &[]),
];

/// What reads several partitions of distributed tables.
const ACROSS: [Excused; 4] = [
    (
        "services/payments/src/store/attempts.rs",
        &["unpaid_lines", "uncommitted"],
        "once a run that pays again: what it may pay, and its sum by province",
    ),
    (
        "services/payments/src/store/holds.rs",
        &["free_lines"],
        "lines of holds that ended, found by the few numbers of those",
    ),
    (
        "services/payments/src/store/recovery.rs",
        &["nettings_of"],
        "only for who owes something back: what of it all runs have taken",
    ),
    (
        "services/reconciliation/src/store/missing.rs",
        &["mentioned_runs"],
        "once a statement of a bank, before its partitions are matched",
    ),
];

/// What reads several partitions of tables that stay on the coordinator, and of no others.
const ON_COORDINATOR: [Excused; 9] = [
    (
        "services/eligibility/src/store.rs",
        &["take_freeze"],
        "looks for a partition with work that nobody else is at",
    ),
    (
        "services/payments/src/store/limits.rs",
        &["count_answer"],
        "the latest answers of an institution in whatever partition",
    ),
    (
        "services/payments/src/store/preparation.rs",
        &["announce", "finish_preparation", "run_root"],
        "partitions end together, and the last one sums the run up",
    ),
    (
        "services/payments/src/store/release.rs",
        &["chunk_sizes", "plan_waves", "is_waiting", "stopped_by"],
        "waves are of a run, and the last partition ends it",
    ),
    (
        "services/payments/src/store/results.rs",
        &["add_resolved"],
        "a case may settle lines of several partitions",
    ),
    (
        "services/payments/src/store/work.rs",
        &["take_part", "finish", "overdue_chunks"],
        "looks for a partition with work, and the last one ends the run",
    ),
    (
        "libs/messaging/src/store/outbox.rs",
        &[
            "lock_heads",
            "insert_outbox",
            "open_published",
            "pending",
            "outgoing",
            "move_published",
        ],
        "a run is told to all partitions at once, and one relay publishes them",
    ),
    (
        "libs/messaging/src/store/inbox.rs",
        &[
            "unapplied_since",
            "cursors",
            "lock_cursors",
            "move_cursors",
            "caught_up",
            "parked",
        ],
        "how far a consumer is in all that it hears, and small events of several partitions at once",
    ),
    (
        "services/reconciliation/src/store/matching.rs",
        &["received_statements", "finish_statement"],
        "looks for a statement with work, and the last partition ends it",
    ),
];

/// A statement in the source.
struct Statement {
    line: usize,
    function: String,
    sql: String,
}

/// What is wrong with the hot path: statements that leave their partition in tables that are
/// distributed, or in any other that has partitions.
pub fn crossings(distributed: &BTreeSet<String>, with_part: &BTreeSet<String>) -> Vec<String> {
    let (mut found, mut needed) = (Vec::new(), BTreeSet::new());
    let files = tree();
    for (path, functions) in HOT {
        let Some(file) = files.iter().find(|it| it.path == path) else {
            found.push(format!("{path} is not there"));
            continue;
        };
        let hot = statements(file).into_iter();
        let hot = hot.filter(|it| functions.is_empty() || functions.contains(&&it.function[..]));
        for it in hot {
            let (why, excused) = match crossing(&it.sql, distributed) {
                Some(why) => (why, &ACROSS[..]),
                None => match crossing(&it.sql, with_part) {
                    Some(why) => (why, &ON_COORDINATOR[..]),
                    None => continue,
                },
            };
            match names(excused).find(|at| *at == (path, &it.function[..])) {
                Some(at) => drop(needed.insert(at)),
                None => found.push(format!("{path}:{} {}: {why}", it.line, it.function)),
            }
        }
    }
    let all = names(&ACROSS).chain(names(&ON_COORDINATOR));
    let unused = all.filter(|it| !needed.contains(it));
    found.extend(unused.map(|(path, name)| format!("{path} {name}: no exception is needed")));
    found
}

fn names(excused: &[Excused]) -> impl Iterator<Item = (&'static str, &'static str)> {
    excused
        .iter()
        .flat_map(|(path, names, _)| names.iter().map(|it| (*path, *it)))
}

/// The literals of a file, each with the function it stands in.
fn statements(file: &File) -> Vec<Statement> {
    let source = file.source();
    let literals = source.literals.iter();
    literals
        .map(|it| {
            let before = &source.code[..it.offset];
            let name = before.rfind("fn ").map_or("", |at| &before[at + 3..]);
            let end = name.find(|it: char| !it.is_alphanumeric() && it != '_');
            Statement {
                line: line_of(&source.code, it.offset),
                function: name[..end.unwrap_or(name.len())].to_owned(),
                sql: it.text.clone(),
            }
        })
        .collect()
}

/// A table in a statement: inserted into with these columns, or read or changed under this name.
#[derive(Debug, PartialEq, Eq)]
enum Relation<'a> {
    Inserted(Vec<&'a str>),
    Named(Option<&'a str>),
    /// Joined on columns of the same names.
    Using(Vec<&'a str>),
}

/// Why a statement may touch more than one partition; `None` where it touches one.
fn crossing(sql: &str, distributed: &BTreeSet<String>) -> Option<String> {
    let tokens = tokens(sql);
    let relations = relations(sql, distributed);
    let pinned = is_pinned(&tokens);
    for (table, relation) in &relations {
        match relation {
            Relation::Inserted(columns) if columns.contains(&"part") => {}
            Relation::Inserted(_) => return Some(format!("{table} is given no part")),
            _ if !pinned => return Some(format!("{table} of no one part")),
            Relation::Using(columns) if columns.contains(&"part") => {}
            Relation::Using(_) => return Some(format!("{table} is joined without part")),
            Relation::Named(name) => {
                let part = name.map_or("part".to_owned(), |it| format!("{it}.part"));
                if !tokens.contains(&&part[..]) {
                    return Some(format!("{table} is joined without part"));
                }
            }
        }
    }
    None
}

fn relations<'a>(sql: &'a str, distributed: &BTreeSet<String>) -> Vec<(&'a str, Relation<'a>)> {
    let tokens = tokens(sql);
    let mut found = Vec::new();
    for (at, table) in tokens.iter().enumerate() {
        if !distributed.contains(*table) {
            continue;
        }
        let mut behind = tokens[at + 1..]
            .iter()
            .copied()
            .filter(|it| *it != "AS")
            .peekable();
        let name = behind.next_if(|it| is_name(it));
        let inserted = at > 0 && matches!(tokens[at - 1], "INTO" | "COPY");
        let relation = match behind.next() {
            Some("(") if inserted => Relation::Inserted(listed(behind)),
            Some("USING") if behind.next() == Some("(") => Relation::Using(listed(behind)),
            _ => Relation::Named(name),
        };
        found.push((*table, relation));
    }
    found
}

/// The names up to a closing bracket.
fn listed<'a>(behind: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    behind
        .take_while(|it| *it != ")")
        .filter(|it| *it != ",")
        .collect()
}

/// Keywords are written in capitals.
fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_ascii_lowercase() || it == '_') && !token.contains('.')
}

/// Whether a `part` is equal to a parameter, whatever else holds.
fn is_pinned(tokens: &[&str]) -> bool {
    let is_part = |it: &str| it.rsplit('.').next() == Some("part");
    let pins = |a: &str, b: &str| is_part(a) && b.starts_with('$');
    (1..tokens.len().saturating_sub(1))
        .filter(|at| tokens[*at] == "=")
        .any(|at| {
            let (left, right) = (row_before(&tokens[..at]), row_behind(&tokens[at + 1..]));
            let before = at.checked_sub(left.1 + 1).map(|it| tokens[it]);
            left.0.len() == right.len()
                && before != Some("OR")
                && left
                    .0
                    .iter()
                    .zip(&right)
                    .any(|(a, b)| pins(a, b) || pins(b, a))
        })
}

/// The one value, or the values in brackets, that end here; and how many tokens they are.
fn row_before<'a>(tokens: &[&'a str]) -> (Vec<&'a str>, usize) {
    match tokens {
        [.., ")"] => {
            let open = tokens.iter().rposition(|it| *it == "(").unwrap_or(0);
            let inside = tokens[open + 1..tokens.len() - 1].iter().copied();
            (
                inside.filter(|it| *it != ",").collect(),
                tokens.len() - open,
            )
        }
        [.., last] => (vec![last], 1),
        [] => (Vec::new(), 0),
    }
}

fn row_behind<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    match tokens {
        ["(", inside @ ..] => listed(inside.iter().copied()),
        [first, ..] => vec![first],
        [] => Vec::new(),
    }
}

/// Words, numbers and parameters, and every other character by itself; no comments.
fn tokens(sql: &str) -> Vec<&str> {
    let is_word = |it: char| it.is_alphanumeric() || "_.$".contains(it);
    let mut found = Vec::new();
    for line in sql.lines() {
        let mut rest = line.split("--").next().unwrap_or_default();
        while let Some(first) = rest.chars().next() {
            let length = match rest.find(|it| !is_word(it)) {
                Some(0) => first.len_utf8(),
                Some(length) => length,
                None => rest.len(),
            };
            let (token, behind) = rest.split_at(length);
            if !first.is_whitespace() {
                found.push(token);
            }
            rest = behind;
        }
    }
    found
}

#[test]
fn a_statement_that_leaves_its_partition_is_seen() {
    let tables = ["payments.lines", "payments.results"];
    let distributed: BTreeSet<String> = tables.map(str::to_owned).into();
    for sql in [
        "COPY payments.lines (run_no, part, chunk) FROM STDIN (FORMAT binary)",
        "INSERT INTO payments.results AS r (run_no, part) SELECT $1, n.* FROM unnest($2) AS n",
        "SELECT line FROM payments.lines WHERE run_no = $1 AND part = $2",
        "SELECT 1 FROM payments.lines l JOIN payments.results USING (run_no, part) WHERE l.part = $1",
        "SELECT 1 FROM payments.lines l LEFT JOIN payments.results r
            ON (r.run_no, r.part) = (l.run_no, l.part) WHERE (l.run_no, l.part) = ($1, $2)",
        "SELECT l.* FROM unnest($1::bigint[]) AS n (no) CROSS JOIN LATERAL (
            SELECT * FROM payments.lines l WHERE (l.run_no, l.part) = (n.no, $2) OFFSET 0) l",
        "SELECT 1 FROM payments.runs WHERE run_no = $1",
    ] {
        assert_eq!(crossing(sql, &distributed), None, "{sql}");
    }
    for sql in [
        "COPY payments.lines (run_no, chunk) FROM STDIN (FORMAT binary)",
        "SELECT line FROM payments.lines WHERE run_no = $1",
        "SELECT line FROM payments.lines WHERE run_no = $1 -- AND part = $2",
        "SELECT 1 FROM payments.lines WHERE ($2 IS NULL OR part = $2)",
        "SELECT 1 FROM payments.lines WHERE part = ANY($1)",
        "SELECT 1 FROM payments.lines l JOIN unnest($1::smallint[]) AS n (part) ON l.part = n.part",
        "SELECT 1 FROM payments.lines l JOIN payments.results USING (run_no) WHERE l.part = $1",
        "SELECT 1 FROM payments.lines l JOIN payments.results r ON r.line = l.line WHERE l.part = $1",
        "INSERT INTO payments.results (run_no, part) SELECT l.run_no, l.part FROM payments.lines l",
    ] {
        assert!(crossing(sql, &distributed).is_some(), "{sql}");
    }
}
