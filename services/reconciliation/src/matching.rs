use std::collections::HashSet;

use domain::{ChunkNo, LineNo, Money, RunNo};
use events::{Break, BreakKind, EntryKind, MatchedRun, ResultStatus};

use crate::Error;

/// Where a line of the institution and partition at hand stands.
pub(crate) type Place = (RunNo, ChunkNo, LineNo);

/// An entry that settles nothing, beside what is known of the line that it claims to be.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a row of independent facts")]
pub(crate) struct Compared {
    pub entry_no: i64,
    /// Run 0 where the entry's id is none of ours.
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
    pub kind: EntryKind,
    pub amount: Money,
    pub account_index: Option<Vec<u8>>,
    /// What was instructed, and whether this institution was; `None` where nobody was.
    pub instructed: Option<Money>,
    pub instructed_here: bool,
    pub instructed_index: Option<Vec<u8>>,
    /// What the bank answered; `None` while it has not.
    pub status: Option<ResultStatus>,
    /// An entry, of this statement or another, settles the line.
    pub matched: bool,
    /// An earlier entry brought the line's money back.
    pub returned: bool,
    /// A break that was told before says why the line is not settled.
    pub unsettled: bool,
}

/// A reason why an entry settles nothing.
struct Rule {
    finds: BreakKind,
    applies: fn(&Compared) -> bool,
}

/// The name of the one rule that settles: id, amount, account, institution and status agree. The
/// store applies it first and to all entries at once.
const EXACT: &str = "exact";

/// Asked in this order; the first that applies names the break. What was instructed comes first,
/// then whether it was debited before, then the answer.
const RULES: [Rule; 11] = [
    Rule {
        finds: BreakKind::FeeTaken,
        applies: |it| it.kind == EntryKind::Charge,
    },
    Rule {
        finds: BreakKind::ReturnedTwice,
        applies: |it| it.brings_back() && it.returned,
    },
    Rule {
        finds: BreakKind::ReturnedAfterCredit,
        applies: |it| it.brings_back() && it.matched,
    },
    Rule {
        finds: BreakKind::ReturnUnexplained,
        applies: |it| it.kind == EntryKind::Return,
    },
    Rule {
        finds: BreakKind::NotInstructed,
        applies: |it| it.instructed.is_none(),
    },
    Rule {
        finds: BreakKind::WrongInstitution,
        applies: |it| !it.instructed_here,
    },
    Rule {
        finds: BreakKind::AmountDiffers,
        applies: |it| it.instructed != Some(it.amount),
    },
    Rule {
        finds: BreakKind::AccountDiffers,
        applies: |it| it.account_index != it.instructed_index,
    },
    Rule {
        finds: BreakKind::DebitedTwice,
        applies: |it| it.matched,
    },
    Rule {
        finds: BreakKind::DebitedThoughRejected,
        applies: |it| it.status == Some(ResultStatus::Rejected),
    },
    Rule {
        finds: BreakKind::DebitedWithoutResult,
        applies: |it| it.status.is_none(),
    },
];

/// What is found without an entry that settles nothing, after all entries.
const FOUND_AFTERWARDS: [BreakKind; 3] = [
    BreakKind::DayDiffers,
    BreakKind::NotOnStatement,
    BreakKind::ContradictingResult,
];

/// How often a rule decided; priority 1 is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleHits {
    pub priority: i16,
    pub rule: &'static str,
    pub hits: i64,
}

/// A line about which something is found without looking at an entry of it.
#[derive(Debug, Clone)]
pub(crate) struct FoundLine {
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
    pub entry_no: Option<i64>,
    pub amount: Money,
}

/// What comparing one partition of one statement found, grown batch by batch.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    matched: Vec<MatchedRun>,
    breaks: Vec<Break>,
    /// Lines for which a break of this statement says why they are not settled.
    unsettled: HashSet<Place>,
    returned: HashSet<Place>,
}

impl Compared {
    fn place(&self) -> Place {
        (self.run_no, self.chunk, self.line)
    }

    /// The money of a payment that this institution was instructed to make, to the đồng.
    fn brings_back(&self) -> bool {
        self.kind == EntryKind::Return
            && self.instructed_here
            && self.instructed == Some(self.amount)
    }

    /// The first rule that applies.
    pub(crate) fn difference(&self) -> Option<BreakKind> {
        let rule = RULES.iter().find(|it| (it.applies)(self))?;
        Some(rule.finds)
    }

    /// What is left unsettled of a line that was credited and that this entry shows otherwise.
    fn unsettles(&self, kind: BreakKind) -> Option<Money> {
        let otherwise = [BreakKind::AmountDiffers, BreakKind::AccountDiffers].contains(&kind);
        let credited = self.status == Some(ResultStatus::Credited);
        let open = otherwise && credited && !self.matched && !self.unsettled;
        self.instructed.filter(|_| open)
    }

    fn as_break(&self, kind: BreakKind, unsettled: Option<Money>) -> Break {
        let ours = self.run_no.0 > 0;
        Break {
            kind,
            run_no: ours.then_some(self.run_no),
            chunk: ours.then_some(self.chunk),
            line: ours.then_some(self.line),
            entry_no: Some(self.entry_no),
            amount: self.amount,
            unsettled,
        }
    }
}

impl Findings {
    /// Begins with the runs whose lines the exact rule has settled.
    pub(crate) fn of(matched: Vec<MatchedRun>) -> Findings {
        Findings {
            matched,
            ..Findings::default()
        }
    }

    /// Takes the next entries that settle nothing, payments before what came back.
    pub(crate) fn take(&mut self, batch: Vec<Compared>) -> Result<(), Error> {
        for mut entry in batch {
            let place = entry.place();
            entry.unsettled |= self.unsettled.contains(&place);
            entry.returned |= self.returned.contains(&place);
            let kind = entry.difference().ok_or(Error::NoRule(entry.entry_no))?;
            let unsettled = entry.unsettles(kind);
            if unsettled.is_some() {
                self.unsettled.insert(place);
            }
            if kind == BreakKind::ReturnedAfterCredit {
                self.returned.insert(place);
            }
            self.breaks.push(entry.as_break(kind, unsettled));
        }
        Ok(())
    }

    /// Lines that are settled, for another day than the bank's result said.
    pub(crate) fn other_day(&mut self, lines: Vec<FoundLine>) {
        self.add(BreakKind::DayDiffers, lines, false);
    }

    /// Lines that the bank said it credited and of which its statement has nothing.
    pub(crate) fn miss(&mut self, lines: Vec<FoundLine>) {
        let lines = lines
            .into_iter()
            .filter(|it| !self.unsettled.contains(&(it.run_no, it.chunk, it.line)));
        let lines = lines.collect();
        self.add(BreakKind::NotOnStatement, lines, true);
    }

    /// Lines about which the bank said two different things.
    pub(crate) fn contradict(&mut self, lines: Vec<FoundLine>) {
        self.add(BreakKind::ContradictingResult, lines, false);
    }

    fn add(&mut self, kind: BreakKind, lines: Vec<FoundLine>, unsettled: bool) {
        self.breaks.extend(lines.into_iter().map(|it| Break {
            kind,
            run_no: Some(it.run_no),
            chunk: Some(it.chunk),
            line: Some(it.line),
            entry_no: it.entry_no,
            amount: it.amount,
            unsettled: unsettled.then_some(it.amount),
        }));
    }

    /// How many entries settle a line.
    pub(crate) fn matches(&self) -> i64 {
        self.matched.iter().map(|it| it.lines).sum()
    }

    /// How often each rule decided, in the order in which they are asked; what never did is left
    /// out.
    pub(crate) fn hits(&self) -> Vec<RuleHits> {
        let of_kind = |kind: BreakKind| {
            let found = self.breaks.iter().filter(|it| it.kind == kind).count();
            (
                kind.code(),
                i64::try_from(found).expect("breaks fit in memory"),
            )
        };
        let kinds = RULES.iter().map(|it| it.finds).chain(FOUND_AFTERWARDS);
        let all = [(EXACT, self.matches())]
            .into_iter()
            .chain(kinds.map(of_kind));
        (1..)
            .zip(all)
            .filter(|(_, (_, hits))| *hits > 0)
            .map(|(priority, (rule, hits))| RuleHits {
                priority,
                rule,
                hits,
            })
            .collect()
    }

    /// Runs and breaks in one order, whatever came when: the fact must not depend on timing.
    pub(crate) fn finish(mut self) -> (Vec<MatchedRun>, Vec<Break>) {
        self.matched.sort_by_key(|it| it.run_no);
        self.breaks
            .sort_by_key(|it| (it.kind, it.run_no, it.chunk, it.line, it.entry_no));
        (self.matched, self.breaks)
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
            kind: EntryKind::Payment,
            amount: Money::dong(500),
            account_index: Some(vec![7; 32]),
            instructed: Some(Money::dong(500)),
            instructed_here: true,
            instructed_index: Some(vec![7; 32]),
            status: Some(ResultStatus::Credited),
            matched: false,
            returned: false,
            unsettled: false,
        }
    }

    fn back(it: &mut Compared) {
        it.kind = EntryKind::Return;
        it.matched = true;
    }

    #[test]
    fn an_entry_is_exact_or_the_first_rule_that_applies_names_it() {
        type Case = (fn(&mut Compared), Option<BreakKind>);
        let cases: [Case; 12] = [
            (|_| {}, None),
            (
                |it| (it.account_index, it.instructed_index) = (None, None),
                None,
            ),
            (
                |it| {
                    (it.instructed, it.instructed_index) = (None, None);
                    it.instructed_here = false;
                },
                Some(BreakKind::NotInstructed),
            ),
            (
                |it| it.instructed_here = false,
                Some(BreakKind::WrongInstitution),
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
            (|it| it.kind = EntryKind::Charge, Some(BreakKind::FeeTaken)),
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
    fn what_comes_back_is_held_against_what_was_debited() {
        type Case = (fn(&mut Compared), Option<BreakKind>);
        let cases: [Case; 4] = [
            (back, Some(BreakKind::ReturnedAfterCredit)),
            (
                |it| {
                    back(it);
                    it.returned = true;
                },
                Some(BreakKind::ReturnedTwice),
            ),
            (
                |it| {
                    back(it);
                    it.matched = false;
                },
                Some(BreakKind::ReturnUnexplained),
            ),
            (
                |it| {
                    back(it);
                    it.amount = Money::dong(501);
                },
                Some(BreakKind::ReturnUnexplained),
            ),
        ];
        for (spoil, expected) in cases {
            let mut entry = entry(1, 1);
            spoil(&mut entry);
            assert_eq!(entry.difference(), expected, "{entry:?}");
        }
    }

    #[test]
    fn every_kind_is_found_by_one_rule() {
        let mut kinds: Vec<BreakKind> = RULES.iter().map(|it| it.finds).collect();
        kinds.extend(FOUND_AFTERWARDS);
        kinds.sort_unstable();
        assert_eq!(kinds, BreakKind::ALL);
    }

    #[test]
    fn a_credited_line_is_unsettled_for_one_reason_only() {
        let wrong = |entry_no, line| Compared {
            amount: Money::dong(1),
            ..entry(entry_no, line)
        };
        let told = Compared {
            unsettled: true,
            ..wrong(4, 3)
        };
        let rejected = Compared {
            status: Some(ResultStatus::Rejected),
            ..wrong(5, 4)
        };
        let mut findings = Findings::default();
        findings
            .take(vec![wrong(1, 1), wrong(2, 1), wrong(3, 2), told, rejected])
            .unwrap();
        let missing = |line| FoundLine {
            run_no: RunNo(1),
            chunk: ChunkNo(1),
            line: LineNo(line),
            entry_no: None,
            amount: Money::dong(500),
        };
        findings.miss(vec![missing(2), missing(9)]);
        let (_, breaks) = findings.finish();
        let found: Vec<_> = breaks
            .iter()
            .map(|it| (it.entry_no, it.unsettled.map(Money::units)))
            .collect();
        assert_eq!(
            found,
            [
                (Some(1), Some(500)),
                (Some(2), None),
                (Some(3), Some(500)),
                (Some(4), None),
                (Some(5), None),
                (None, Some(500)),
            ]
        );
    }

    #[test]
    fn what_comes_back_twice_in_one_statement_is_told_apart() {
        let mut findings = Findings::default();
        let both = [1, 2].map(|number| {
            let mut it = entry(number, 1);
            back(&mut it);
            it
        });
        findings.take(both.to_vec()).unwrap();
        let (_, breaks) = findings.finish();
        let kinds: Vec<BreakKind> = breaks.iter().map(|it| it.kind).collect();
        assert_eq!(
            kinds,
            [BreakKind::ReturnedAfterCredit, BreakKind::ReturnedTwice]
        );
    }

    #[test]
    fn findings_come_in_one_order_with_the_hits_of_their_rules() {
        let mut strange = entry(1, 0);
        strange.run_no = RunNo(0);
        strange.instructed = None;
        let mut silent = entry(2, 9);
        silent.status = None;
        let run = |run_no| MatchedRun {
            run_no: RunNo(run_no),
            lines: 3,
            total: Money::dong(9),
            found_lines: 0,
            found_total: Money::ZERO,
        };
        let mut findings = Findings::of(vec![run(2), run(1)]);
        findings.take(vec![silent, strange]).unwrap();
        let hits: Vec<_> = findings
            .hits()
            .iter()
            .map(|it| (it.priority, it.rule, it.hits))
            .collect();
        assert_eq!(
            hits,
            [
                (1, "exact", 6),
                (6, "not_instructed", 1),
                (12, "debited_without_result", 1)
            ]
        );
        let (matched, breaks) = findings.finish();
        let runs: Vec<i64> = matched.iter().map(|it| it.run_no.0).collect();
        assert_eq!(runs, [1, 2]);
        let found: Vec<_> = breaks.iter().map(|it| (it.kind, it.entry_no)).collect();
        assert_eq!(
            found,
            [
                (BreakKind::NotInstructed, Some(1)),
                (BreakKind::DebitedWithoutResult, Some(2)),
            ]
        );
        assert_eq!(breaks[0].run_no, None, "its id is none of ours");
    }
}
