use std::collections::{BTreeMap, HashSet};

use domain::{ChunkNo, LineNo, Money, RunNo};
use events::{Break, BreakKind, MatchedRun, ResultStatus};

/// Where a line of the institution and partition at hand stands.
pub(crate) type Place = (RunNo, ChunkNo, LineNo);

/// An entry of a statement beside what is known of the line that it claims to be.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    pub entry_no: i64,
    /// Run 0 where the entry's id is none of ours.
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
    pub amount: Money,
    pub account_index: Option<Vec<u8>>,
    /// What this institution was instructed; `None` where it was not.
    pub instructed: Option<Money>,
    pub instructed_index: Option<Vec<u8>>,
    /// What the bank answered; `None` while it has not.
    pub status: Option<ResultStatus>,
    /// An earlier entry, of this statement or another, is matched to the line.
    pub matched: bool,
}

/// An entry that is what we instructed and what the bank answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub place: Place,
    pub entry_no: i64,
}

/// What comparing one partition of one statement found, grown batch by batch.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub debits: Money,
    matched: BTreeMap<RunNo, (i64, Money)>,
    breaks: Vec<Break>,
}

impl Compared {
    fn place(&self) -> Place {
        (self.run_no, self.chunk, self.line)
    }

    /// The one reason why the entry is no match; `None` where it is one.
    ///
    /// What was instructed comes first, then whether it was debited before, then the answer.
    pub(crate) fn difference(&self) -> Option<BreakKind> {
        let Some(instructed) = self.instructed else {
            return Some(BreakKind::NotInstructed);
        };
        if self.amount != instructed {
            return Some(BreakKind::AmountDiffers);
        }
        if self.account_index != self.instructed_index {
            return Some(BreakKind::AccountDiffers);
        }
        if self.matched {
            return Some(BreakKind::DebitedTwice);
        }
        match self.status {
            Some(ResultStatus::Credited) => None,
            Some(ResultStatus::Rejected) => Some(BreakKind::DebitedThoughRejected),
            None => Some(BreakKind::DebitedWithoutResult),
        }
    }

    fn as_break(&self, kind: BreakKind) -> Break {
        let ours = self.run_no.0 > 0;
        Break {
            kind,
            run_no: ours.then_some(self.run_no),
            chunk: ours.then_some(self.chunk),
            line: ours.then_some(self.line),
            entry_no: Some(self.entry_no),
            amount: self.amount,
        }
    }
}

impl Findings {
    /// Takes the next entries in the order of their numbers; gives back those that match. The
    /// caller must have stored earlier matches before it compares the next batch.
    pub(crate) fn take(&mut self, batch: Vec<Compared>) -> Vec<Match> {
        let mut seen: HashSet<Place> = HashSet::new();
        let mut matches = Vec::new();
        for mut entry in batch {
            entry.matched |= seen.contains(&entry.place());
            self.debits = Money::sum([self.debits, entry.amount]);
            if let Some(kind) = entry.difference() {
                self.breaks.push(entry.as_break(kind));
                continue;
            }
            seen.insert(entry.place());
            let (lines, total) = self.matched.entry(entry.run_no).or_default();
            *lines += 1;
            *total = Money::sum([*total, entry.amount]);
            matches.push(Match {
                place: entry.place(),
                entry_no: entry.entry_no,
            });
        }
        matches
    }

    /// Lines that the bank said it credited and that its statement lacks.
    pub(crate) fn miss(&mut self, lines: impl IntoIterator<Item = (Place, Money)>) {
        let missing = lines
            .into_iter()
            .map(|((run_no, chunk, line), amount)| Break {
                kind: BreakKind::NotOnStatement,
                run_no: Some(run_no),
                chunk: Some(chunk),
                line: Some(line),
                entry_no: None,
                amount,
            });
        self.breaks.extend(missing);
    }

    /// How many entries match.
    pub(crate) fn matches(&self) -> i64 {
        self.matched.values().map(|(lines, _)| lines).sum()
    }

    /// Runs and breaks in one order, whatever came when: the fact must not depend on timing.
    pub(crate) fn finish(mut self) -> (Vec<MatchedRun>, Vec<Break>) {
        let matched = self
            .matched
            .into_iter()
            .map(|(run_no, (lines, total))| MatchedRun {
                run_no,
                lines,
                total,
            });
        self.breaks
            .sort_by_key(|it| (it.kind, it.run_no, it.chunk, it.line, it.entry_no));
        (matched.collect(), self.breaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(entry_no: i64, line: i32) -> Compared {
        Compared {
            entry_no,
            run_no: RunNo(1),
            chunk: ChunkNo(1),
            line: LineNo(line),
            amount: Money::dong(500),
            account_index: Some(vec![7; 32]),
            instructed: Some(Money::dong(500)),
            instructed_index: Some(vec![7; 32]),
            status: Some(ResultStatus::Credited),
            matched: false,
        }
    }

    #[test]
    fn an_entry_is_a_match_or_one_named_break() {
        type Case = (fn(&mut Compared), Option<BreakKind>);
        let cases: [Case; 10] = [
            (|_| {}, None),
            (
                |it| (it.account_index, it.instructed_index) = (None, None),
                None,
            ),
            (
                |it| (it.instructed, it.instructed_index) = (None, None),
                Some(BreakKind::NotInstructed),
            ),
            (
                |it| it.amount = Money::dong(501),
                Some(BreakKind::AmountDiffers),
            ),
            (
                |it| it.account_index = Some(vec![8; 32]),
                Some(BreakKind::AccountDiffers),
            ),
            (
                |it| it.account_index = None,
                Some(BreakKind::AccountDiffers),
            ),
            (|it| it.matched = true, Some(BreakKind::DebitedTwice)),
            (
                |it| it.status = Some(ResultStatus::Rejected),
                Some(BreakKind::DebitedThoughRejected),
            ),
            (|it| it.status = None, Some(BreakKind::DebitedWithoutResult)),
            (
                // Wrong in every way: what was instructed is asked first.
                |it| {
                    it.amount = Money::dong(1);
                    it.account_index = None;
                    it.status = None;
                    it.matched = true;
                },
                Some(BreakKind::AmountDiffers),
            ),
        ];
        for (spoil, expected) in cases {
            let mut entry = entry(1, 1);
            spoil(&mut entry);
            assert_eq!(entry.difference(), expected, "{entry:?}");
        }
    }

    #[test]
    fn the_first_entry_that_fits_matches_and_the_next_is_debited_twice() {
        let mut wrong = entry(1, 1);
        wrong.amount = Money::dong(1);
        let mut findings = Findings::default();
        let matches = findings.take(vec![wrong, entry(2, 1), entry(3, 1), entry(4, 2)]);
        let numbers: Vec<i64> = matches.iter().map(|it| it.entry_no).collect();
        assert_eq!(numbers, [2, 4]);
        assert_eq!(
            (findings.matches(), findings.debits),
            (2, Money::dong(1_501))
        );
        let (_, breaks) = findings.finish();
        let kinds: Vec<BreakKind> = breaks.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [BreakKind::AmountDiffers, BreakKind::DebitedTwice]);
    }

    #[test]
    fn findings_come_in_one_order_and_add_up() {
        let mut strange = entry(1, 0);
        strange.run_no = RunNo(0);
        strange.instructed = None;
        let mut silent = entry(2, 9);
        silent.status = None;
        let mut later = entry(3, 1);
        later.run_no = RunNo(2);
        let mut findings = Findings::default();
        findings.miss([((RunNo(1), ChunkNo(1), LineNo(3)), Money::dong(9))]);
        findings.take(vec![later, silent]);
        findings.take(vec![strange, entry(4, 1)]);
        assert_eq!(findings.debits, Money::dong(2_000));
        let (matched, breaks) = findings.finish();
        let runs: Vec<i64> = matched.iter().map(|it| it.run_no.0).collect();
        assert_eq!(runs, [1, 2]);
        let found: Vec<_> = breaks.iter().map(|it| (it.kind, it.entry_no)).collect();
        assert_eq!(
            found,
            [
                (BreakKind::NotInstructed, Some(1)),
                (BreakKind::DebitedWithoutResult, Some(2)),
                (BreakKind::NotOnStatement, None),
            ]
        );
        assert_eq!(breaks[0].run_no, None, "its id is none of ours");
    }
}
