use chrono::NaiveDate;
use domain::Programme;

use crate::flaw::Flaws;
use crate::parameter::{CONFIDENCES, Confidence};
use crate::sheet::{Row, Sheet};
use crate::{At, Text};

/// What the law says where a person is owed two programmes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Programmes that the same provision speaks of.
    pub family: String,
    pub programme: Programme,
    pub other: Programme,
    pub mode: OverlapMode,
    /// Which of the two is owed on equal amounts; always there for `Highest`.
    pub preferred: Option<Programme>,
    pub valid_from: NaiveDate,
    /// Inclusive.
    pub valid_to: Option<NaiveDate>,
    pub known_from: NaiveDate,
    pub legal_basis: String,
    pub confidence: Confidence,
    pub sentence: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlapMode {
    /// The lower of the two is not owed.
    Highest,
    /// `programme` pays only what exceeds `other`.
    Difference,
    /// `programme` is not owed when `other` is owed at all.
    Excludes,
    /// Both are owed, and the law says so.
    Both,
}

const FILE: &str = "overlaps.csv";
const COLUMNS: [&str; 12] = [
    "family",
    "programme",
    "other",
    "mode",
    "preferred",
    "valid_from",
    "valid_to",
    "known_from",
    "legal_basis",
    "confidence",
    "sentence_vi",
    "sentence_en",
];
const MODES: [(&str, OverlapMode); 4] = [
    ("highest", OverlapMode::Highest),
    ("difference", OverlapMode::Difference),
    ("excludes", OverlapMode::Excludes),
    ("both", OverlapMode::Both),
];

impl Overlap {
    /// Whether it is valid on the period's first day and known by then.
    pub fn holds(&self, at: At) -> bool {
        let day = at.period.first_day();
        self.valid_from <= day
            && self.valid_to.is_none_or(|to| day <= to)
            && self.known_from <= at.known
    }

    pub(crate) fn read_all(text: &str, flaws: &Flaws) -> Vec<Overlap> {
        let Some(sheet) = Sheet::parse(FILE, text, flaws) else {
            return Vec::new();
        };
        sheet.refuse_others(|it| COLUMNS.contains(&it));
        let mut overlaps: Vec<Overlap> = Vec::new();
        if !sheet.require(&COLUMNS) {
            return overlaps;
        }
        for row in sheet.rows() {
            let Some(overlap) = Overlap::read(&row) else {
                continue;
            };
            if overlaps.iter().any(|it| it.contradicts(&overlap)) {
                let sentence = "an earlier row says of the same two programmes, for the same days \
                                and known from the same day, what they are to each other";
                row.flaw("", "overlap_duplicate", sentence);
            }
            overlaps.push(overlap);
        }
        overlaps
    }

    fn contradicts(&self, other: &Overlap) -> bool {
        let pair = |it: &Overlap| (it.programme.min(it.other), it.programme.max(it.other));
        pair(self) == pair(other)
            && self.known_from == other.known_from
            && self.valid_to.is_none_or(|to| other.valid_from <= to)
            && other.valid_to.is_none_or(|to| self.valid_from <= to)
    }

    fn read(row: &Row<'_>) -> Option<Overlap> {
        let programmes = Programme::ALL.map(|it| (it.code(), it));
        let family = row.text("family");
        let programme = row.word("programme", &programmes);
        let other = row.word("other", &programmes);
        let mode = row.word("mode", &MODES);
        let preferred = match row.cell("preferred") {
            "" => None,
            _ => row.word("preferred", &programmes),
        };
        let (from, known) = (row.date("valid_from"), row.date("known_from"));
        let valid_to = row.optional_date("valid_to");
        let legal_basis = row.text("legal_basis");
        let confidence = row.word("confidence", &CONFIDENCES);
        let sentence = row.text("sentence_vi").zip(row.text("sentence_en"));
        if programme.is_some() && programme == other {
            row.flaw("other", "word_unknown", "other is another programme");
        }
        if valid_to.zip(from).is_some_and(|(to, from)| to < from) {
            row.flaw("valid_to", "date_invalid", "valid_to is before valid_from");
        }
        let choice = preferred.is_some_and(|it| Some(it) == programme || Some(it) == other);
        let sound = match mode {
            Some(OverlapMode::Highest) => choice,
            _ => preferred.is_none() || choice,
        };
        if !sound {
            let sentence = "preferred is one of the two; mode highest needs it for equal amounts";
            row.flaw("preferred", "word_unknown", sentence);
        }
        let (vi, en) = sentence?;
        Some(Overlap {
            family: family?.to_owned(),
            programme: programme?,
            other: other?,
            mode: mode?,
            preferred,
            valid_from: from?,
            valid_to,
            known_from: known?,
            legal_basis: legal_basis?.to_owned(),
            confidence: confidence?,
            sentence: Text {
                vi: vi.to_owned(),
                en: en.to_owned(),
            },
        })
    }
}
