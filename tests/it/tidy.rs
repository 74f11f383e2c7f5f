//! The rules of the house, kept by reading the tree. A rule that fails names file and line.

mod code;
pub mod source;
mod structure;
mod text;

use source::{File, Finding, tree};

#[track_caller]
fn none(rule: &str, findings: impl IntoIterator<Item = Finding>) {
    let found: Vec<String> = findings.into_iter().map(|it| it.to_string()).collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[track_caller]
fn none_in_any_file(rule: &str, find: fn(&File) -> Vec<Finding>) {
    none(rule, tree().iter().flat_map(find));
}

#[test]
fn no_service_depends_on_a_service() {
    let rule = "services meet in events, never in code, and libs know no service";
    none_in_any_file(rule, structure::forbidden_dependencies);
}

#[test]
fn no_one_reads_a_neighbours_tables() {
    none_in_any_file("each schema has one owner", structure::foreign_tables);
}

#[test]
fn sql_stands_in_stores() {
    let rule = "SQL stands in store.rs or in store/";
    none_in_any_file(rule, structure::sql_outside_stores);
    let unused =
        structure::unused_exceptions(&tree(), &structure::SQL_ELSEWHERE, structure::sql_in);
    none("an exception that nothing needs any more", unused);
}

#[test]
fn each_checked_query_is_described_and_no_description_is_stale() {
    let rule = ".sqlx is what `make prepare` makes of the tree";
    none(rule, structure::query_descriptions(&tree()));
}

#[test]
fn each_source_file_is_compiled() {
    none("a file belongs to a crate", structure::orphans(&tree()));
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let rule = "migrations are 0001, 0002, …";
    none(rule, structure::misnumbered_migrations(&tree()));
}

#[test]
fn each_crate_says_what_it_is() {
    let rule = "the root of a crate begins with //!";
    none_in_any_file(rule, structure::crates_without_words);
}

#[test]
fn a_newcomer_finds_the_front_door() {
    let rule = "README, ARCHITECTURE (at most 150 lines) and LICENSE are there";
    none(rule, structure::missing_documents(&tree()));
}

#[test]
fn the_domain_has_values_only() {
    let rule = "libs/domain has no I/O and no clock";
    none_in_any_file(rule, code::effects_in_domain);
}

#[test]
fn no_decision_reads_the_clock() {
    none_in_any_file("a noun is told what time it is", code::clocks_in_nouns);
}

#[test]
fn no_float_comes_near_an_amount() {
    none_in_any_file("amounts are Money or Decimal", code::floats);
    let unused = structure::unused_exceptions(&tree(), &code::FLOATS_ELSEWHERE, code::floats_in);
    none("an exception that nothing needs any more", unused);
}

#[test]
fn money_has_no_operators() {
    let rule = "Money is added and subtracted by functions that cannot wrap";
    none_in_any_file(rule, code::operators_on_money);
}

#[test]
fn nothing_is_half_done_outside_tests() {
    none_in_any_file("no shortcut and no note to self", code::half_done);
}

#[test]
fn files_are_short_enough_to_read() {
    none_in_any_file("500 lines of code at most, 2 MiB at most", text::too_long);
}

#[test]
fn nothing_has_the_name_of_a_junk_drawer() {
    none_in_any_file("a name says what is inside", text::junk_drawers);
}

#[test]
fn text_is_clean() {
    let rule = "UTF-8, NFC, LF, no space at the end, no path of a developer's machine";
    none_in_any_file(rule, text::unclean_text);
}

mod tests {
    use super::*;

    pub fn lines(find: fn(&File) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
        let found = find(&File::new(path, text));
        found.into_iter().map(|it| it.line).collect()
    }

    pub fn places(findings: Vec<Finding>) -> Vec<String> {
        let place = |it: Finding| format!("{}:{}", it.path, it.line);
        findings.into_iter().map(place).collect()
    }
}
