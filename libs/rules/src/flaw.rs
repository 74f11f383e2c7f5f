use std::cell::RefCell;

/// What is wrong in a text of the law, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Path relative to the folder of programmes.
    pub file: String,
    /// `line 12`, `header`, `row 7, column age` (rows count from 1 below the header),
    /// `step 3, formula`.
    pub place: String,
    /// Stable `snake_case` code; part of the interface, never renamed.
    pub code: &'static str,
    pub sentence: String,
}

/// All codes a flaw can have.
pub const FLAW_CODES: [&str; 46] = [
    "amount_missing",
    "cell_empty",
    "code_unknown",
    "column_missing",
    "column_unknown",
    "csv_invalid",
    "date_invalid",
    "division_by_non_literal",
    "effect_duplicate",
    "evidence_duplicate",
    "example_fails",
    "example_invalid",
    "example_of_other_version",
    "examples_too_few",
    "file_missing",
    "file_unused",
    "float_literal",
    "formula_invalid",
    "key_missing",
    "key_unknown",
    "legal_basis_missing",
    "name_duplicate",
    "name_invalid",
    "name_unknown",
    "not_allowed",
    "number_not_exact",
    "otherwise_missing",
    "overlap_duplicate",
    "parameter_local_only",
    "parameter_overlaps",
    "parameter_unknown",
    "programme_mismatch",
    "programme_unknown",
    "reason_unknown",
    "row_unreachable",
    "rows_overlap",
    "table_missing",
    "text_not_nfc",
    "toml_invalid",
    "type_mismatch",
    "value_unknown",
    "version_gap",
    "version_missing",
    "version_overlaps",
    "word_unknown",
    "wrong_type",
];

/// Flaws gathered while reading; all of them are shown, not the first.
#[derive(Debug, Default)]
pub(crate) struct Flaws(RefCell<Vec<Flaw>>);

impl Flaws {
    pub(crate) fn add(
        &self,
        file: &str,
        place: impl Into<String>,
        code: &'static str,
        sentence: impl Into<String>,
    ) {
        debug_assert!(FLAW_CODES.contains(&code), "{code} is not in the list");
        self.0.borrow_mut().push(Flaw {
            file: file.to_owned(),
            place: place.into(),
            code,
            sentence: sentence.into(),
        });
    }

    pub(crate) fn touch(&self, concerns: impl Fn(&str) -> bool) -> bool {
        self.0.borrow().iter().any(|it| concerns(&it.file))
    }

    /// Sorted by file and place, where row 10 comes after row 9.
    pub(crate) fn sorted(self) -> Vec<Flaw> {
        let mut flaws = self.0.into_inner();
        flaws.sort_by_cached_key(|it| (it.file.clone(), padded(&it.place), it.code));
        flaws.dedup();
        flaws
    }
}

fn padded(place: &str) -> String {
    place
        .split_inclusive([' ', ','])
        .map(
            |word| match word.trim_end_matches([' ', ',']).parse::<u32>() {
                Ok(number) => format!("{number:08} "),
                Err(_) => word.to_owned(),
            },
        )
        .collect()
}
