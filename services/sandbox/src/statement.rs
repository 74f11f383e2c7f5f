use chrono::NaiveDate;
use domain::{ChunkNo, Institution, LineNo, Money, Part, Position, RunNo};
use events::{EntryKind, StatementEntry, StatementPage};
use privacy::Sealed;

/// Entries of one page.
pub(crate) const PAGE_MAX: usize = 1_000;

/// What a bank's last statement ended with; a bank without one has number 0 and no money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Last {
    pub number: i64,
    pub closing: Money,
}

/// Count and sums of what moved at a bank in one partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartTotals {
    pub part: Part,
    pub entries: i64,
    pub debits: Money,
    pub returned: Money,
}

/// An entry that the statement shows.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
    pub amount: Money,
    /// Sealed for this line.
    pub account: Option<Vec<u8>>,
    pub bank_ref: String,
    pub kind: EntryKind,
}

/// The whole of a statement, as each of its pages repeats it.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub institution: Institution,
    /// From 1; `statement_no` on its pages.
    pub number: i64,
    pub date: NaiveDate,
    pub pages: i32,
    pub opening: Money,
    pub received: Money,
    pub debits: Money,
    pub returned: Money,
    pub entries_count: i64,
    pub closing: Money,
}

/// Cuts entries into pages, each of one partition; entries and pages are numbered through.
pub(crate) struct Pages<'a> {
    statement: &'a Statement,
    /// The numbers given last.
    page_no: i32,
    entry_no: i64,
    /// Fewer than a page of the partition in hand.
    rest: Vec<StatementEntry>,
}

impl Statement {
    /// The statement that follows `last`: funds came, what was paid goes, and some comes back. What
    /// a bank paid beyond what it has, it advanced itself, and states it as received.
    pub(crate) fn after(
        last: Last,
        (institution, date): (Institution, NaiveDate),
        received: Money,
        parts: &[PartTotals],
    ) -> Statement {
        let debits = Money::sum(parts.iter().map(|it| it.debits));
        let returned = Money::sum(parts.iter().map(|it| it.returned));
        let has = Money::sum([last.closing, received, returned]);
        let advanced = debits.checked_sub(has).unwrap_or(Money::ZERO);
        let closing = Money::sum([has, advanced]).checked_sub(debits);
        let full = i64::try_from(PAGE_MAX).expect("a page is small");
        // A day on which nothing could be paid still has a page to say so.
        let pages: i64 = parts.iter().map(|it| (it.entries + full - 1) / full).sum();
        Statement {
            institution,
            number: last.number + 1,
            date,
            pages: i32::try_from(pages.max(1)).expect("a day has fewer than 2^31 pages"),
            opening: last.closing,
            received: Money::sum([received, advanced]),
            debits,
            returned,
            entries_count: parts.iter().map(|it| it.entries).sum(),
            closing: closing.expect("it advanced what it lacks"),
        }
    }
}

impl<'a> Pages<'a> {
    pub(crate) fn of(statement: &'a Statement) -> Pages<'a> {
        Pages {
            statement,
            page_no: 0,
            entry_no: 0,
            rest: Vec::new(),
        }
    }

    /// Takes more entries of a partition and gives back the pages that are full.
    pub(crate) fn add(&mut self, part: Part, paid: Vec<Paid>) -> Vec<StatementPage> {
        for it in paid {
            self.entry_no += 1;
            let position = Position {
                run: it.run_no,
                part,
                chunk: it.chunk,
                line: it.line,
            };
            self.rest.push(StatementEntry {
                entry_no: self.entry_no,
                end_to_end_id: position.to_string(),
                amount: it.amount,
                account: it.account.map(Sealed::from),
                bank_ref: it.bank_ref,
                kind: it.kind,
                booked_on: None,
            });
        }
        let mut full = Vec::new();
        while self.rest.len() >= PAGE_MAX {
            let later = self.rest.split_off(PAGE_MAX);
            let entries = std::mem::replace(&mut self.rest, later);
            full.push(self.page(part, entries));
        }
        full
    }

    /// Ends a partition with what is left of it.
    pub(crate) fn end_part(&mut self, part: Part) -> Option<StatementPage> {
        let entries = std::mem::take(&mut self.rest);
        (!entries.is_empty()).then(|| self.page(part, entries))
    }

    /// The only page of a statement without entries.
    pub(crate) fn end(&mut self) -> Option<StatementPage> {
        (self.page_no == 0).then(|| self.page(Part::ZERO, Vec::new()))
    }

    fn page(&mut self, part: Part, entries: Vec<StatementEntry>) -> StatementPage {
        self.page_no += 1;
        let it = self.statement;
        StatementPage {
            institution: it.institution,
            part,
            statement_no: it.number,
            date: it.date,
            page: self.page_no,
            pages: it.pages,
            opening: it.opening,
            received: it.received,
            debits: it.debits,
            returned: it.returned,
            entries_count: it.entries_count,
            closing: it.closing,
            entries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paid(count: i32) -> Vec<Paid> {
        let line = |line| Paid {
            run_no: RunNo(1),
            chunk: ChunkNo(1),
            line: LineNo(line),
            amount: Money::dong(10),
            account: None,
            bank_ref: "FT".to_owned(),
            kind: EntryKind::Payment,
        };
        (1..=count).map(line).collect()
    }

    fn statement(counts: &[i64], received: u64) -> Statement {
        let totals = counts.iter().map(|entries| PartTotals {
            part: Part::ZERO,
            entries: *entries,
            debits: Money::dong(10 * u64::try_from(*entries).unwrap()),
            returned: Money::ZERO,
        });
        let last = Last {
            number: 4,
            closing: Money::dong(7),
        };
        let date = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let bank = "970405".parse().unwrap();
        let totals: Vec<PartTotals> = totals.collect();
        Statement::after(last, (bank, date), Money::dong(received), &totals)
    }

    #[test]
    fn a_statement_adds_up_over_pages_of_one_partition_each() {
        let statement = statement(&[2_300, 1_000], 40_000);
        assert_eq!((statement.number, statement.pages), (5, 4));
        assert_eq!(statement.closing, Money::dong(7_007));
        let part = Part::try_from(5).unwrap();
        let mut writer = Pages::of(&statement);
        let mut pages = writer.add(Part::ZERO, paid(1_900));
        pages.extend(writer.add(Part::ZERO, paid(400)));
        pages.extend(writer.end_part(Part::ZERO));
        pages.extend(writer.add(part, paid(1_000)));
        pages.extend(writer.end_part(part));
        pages.extend(writer.end());

        let shape: Vec<_> = pages
            .iter()
            .map(|it| (it.page, it.part.number(), it.entries.len()))
            .collect();
        assert_eq!(
            shape,
            [(1, 0, 1_000), (2, 0, 1_000), (3, 0, 300), (4, 5, 1_000)]
        );
        let entries: Vec<i64> = pages
            .iter()
            .flat_map(|it| it.entries.iter().map(|it| it.entry_no))
            .collect();
        assert_eq!(entries, (1..=3_300).collect::<Vec<i64>>());
        assert_eq!(pages[3].entries[0].end_to_end_id, "R000001-05-0001-0001");
    }

    #[test]
    fn what_a_bank_lacks_it_advances_and_what_comes_back_it_has() {
        let bank = "970405".parse().unwrap();
        let date = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let last = Last {
            number: 4,
            closing: Money::dong(7),
        };
        let moved = |debits, returned| PartTotals {
            part: Part::ZERO,
            entries: 2,
            debits: Money::dong(debits),
            returned: Money::dong(returned),
        };
        for (debits, returned, advanced, closing) in [(20, 5, 0, 2), (40, 5, 18, 0)] {
            let received = Money::dong(10);
            let moved = [moved(debits, returned)];
            let statement = Statement::after(last, (bank, date), received, &moved);
            assert_eq!(statement.received, Money::dong(10 + advanced));
            assert_eq!(statement.returned, Money::dong(returned));
            assert_eq!(statement.closing, Money::dong(closing));
        }
    }

    #[test]
    fn a_day_without_payments_has_one_empty_page() {
        let statement = statement(&[], 40);
        assert_eq!((statement.pages, statement.closing), (1, Money::dong(47)));
        let mut writer = Pages::of(&statement);
        let page = writer.end().unwrap();
        assert_eq!((page.page, page.pages, page.entries.len()), (1, 1, 0));
        assert!(writer.end().is_none());
    }
}
