use chrono::{Datelike, NaiveDate};
use domain::{Institution, Money};
use events::{EntryKind, StatementPage};

use crate::Error;

/// The longest reference of a bank, in characters (ISO 20022 `Max35Text`).
const BANK_REF_MAX: usize = 35;

/// Why a statement, or a page of one, is refused. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RefusalCode {
    /// The page was there already, or its statement is decided.
    StatementRepeated,
    /// The entries do not add up to the stated count and sum.
    StatementTotalMismatch,
    /// Closing is not opening, received and returned less debits.
    StatementBalanceMismatch,
    /// Opening is not what the last accepted statement closed with.
    StatementOpeningMismatch,
    /// The pages of one statement disagree about it.
    StatementHeaderDiffers,
    /// A bank sent another bank's statement.
    NotYourStatement,
    /// An account was not sealed with the bank's key for the entry in which it stands.
    AccountUnreadable,
}

impl RefusalCode {
    /// Whether the bank's day stands still: it told something of its own that cannot be.
    pub(crate) fn freezes(self) -> bool {
        self != RefusalCode::NotYourStatement
    }
}

/// What every page repeats about the whole statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub institution: Institution,
    pub statement_no: i64,
    pub date: NaiveDate,
    pub pages: i32,
    pub opening: Money,
    pub received: Money,
    pub debits: Money,
    pub returned: Money,
    pub entries_count: i64,
    pub closing: Money,
}

/// Count and sums of the entries that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub entries: i64,
    pub debits: Money,
    pub returned: Money,
}

/// What is decided about a statement whose pages are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Received,
    Refused(RefusalCode),
    /// A statement before it is missing or undecided, so its opening cannot be checked.
    Waits,
}

impl Header {
    pub(crate) fn of(page: &StatementPage) -> Header {
        Header {
            institution: page.institution,
            statement_no: page.statement_no,
            date: page.date,
            pages: page.pages,
            opening: page.opening,
            received: page.received,
            debits: page.debits,
            returned: page.returned,
            entries_count: page.entries_count,
            closing: page.closing,
        }
    }

    /// Decides about the whole statement. `previous_closing` is what the last accepted statement
    /// closed with (zero before the first), `None` while one before this is undecided.
    pub(crate) fn decide(&self, found: Totals, previous_closing: Option<Money>) -> Decision {
        let stated = Totals {
            entries: self.entries_count,
            debits: self.debits,
            returned: self.returned,
        };
        if found != stated {
            return Decision::Refused(RefusalCode::StatementTotalMismatch);
        }
        let closing = self
            .opening
            .checked_add(self.received)
            .and_then(|it| it.checked_add(self.returned))
            .and_then(|it| it.checked_sub(self.debits));
        if closing != Some(self.closing) {
            return Decision::Refused(RefusalCode::StatementBalanceMismatch);
        }
        match previous_closing {
            None => Decision::Waits,
            Some(previous) if previous == self.opening => Decision::Received,
            Some(_) => Decision::Refused(RefusalCode::StatementOpeningMismatch),
        }
    }

    /// Why a page refuses its whole statement by itself; `self` is what the first page said.
    pub(crate) fn refusal_by(&self, page: &StatementPage) -> Option<RefusalCode> {
        if Header::of(page) != *self {
            return Some(RefusalCode::StatementHeaderDiffers);
        }
        let found = totals_of(page);
        // Later pages can only add; refusing here also bounds what is stored.
        let more = found.entries > self.entries_count
            || found.debits > self.debits
            || found.returned > self.returned;
        more.then_some(RefusalCode::StatementTotalMismatch)
    }
}

/// Count and sums of a page's own entries.
pub(crate) fn totals_of(page: &StatementPage) -> Totals {
    let (returns, debits): (Vec<_>, Vec<_>) = page
        .entries
        .iter()
        .partition(|it| it.kind == EntryKind::Return);
    Totals {
        entries: i64::try_from(page.entries.len()).expect("a page fits in memory"),
        debits: Money::sum(debits.iter().map(|it| it.amount)),
        returned: Money::sum(returns.iter().map(|it| it.amount)),
    }
}

/// Refuses numbers, days and texts that no bank can have meant, before anything is stored.
pub(crate) fn refuse_impossible(page: &StatementPage) -> Result<(), Error> {
    let impossible = |detail| {
        Err(Error::ImpossiblePage {
            statement_no: page.statement_no,
            page: page.page,
            detail,
        })
    };
    if page.statement_no < 1 {
        return impossible("statements are numbered from 1");
    }
    if !(1..=page.pages).contains(&page.page) {
        return impossible("pages are numbered from 1 to the number of pages");
    }
    let days = page.entries.iter().filter_map(|it| it.booked_on);
    if !days
        .chain([page.date])
        .all(|it| (1990..=2199).contains(&it.year()))
    {
        return impossible("there is no statement of that year");
    }
    if page.entries_count < 0 {
        return impossible("a count is not negative");
    }
    if !page.entries.iter().all(|it| it.entry_no > 0) {
        return impossible("entries are numbered from 1");
    }
    let readable = |text: &str| text.len() <= BANK_REF_MAX && !text.chars().any(char::is_control);
    if !page.entries.iter().all(|it| readable(&it.bank_ref)) {
        return impossible("a bank reference is at most 35 printable characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::Part;
    use events::StatementEntry;

    use super::*;

    fn page(amounts: &[u64]) -> StatementPage {
        let entries = amounts
            .iter()
            .zip(1..)
            .map(|(amount, entry_no)| StatementEntry {
                entry_no,
                end_to_end_id: format!("R000001-00-0001-{entry_no:04}"),
                amount: Money::dong(*amount),
                account: None,
                bank_ref: format!("FT{entry_no}"),
                kind: EntryKind::Payment,
                booked_on: None,
            });
        StatementPage {
            institution: "970436".parse().unwrap(),
            part: Part::ZERO,
            statement_no: 2,
            date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            page: 1,
            pages: 1,
            opening: Money::dong(100),
            received: Money::dong(1_000),
            debits: Money::dong(amounts.iter().sum()),
            returned: Money::ZERO,
            entries_count: i64::try_from(amounts.len()).unwrap(),
            closing: Money::dong(1_100 - amounts.iter().sum::<u64>()),
            entries: entries.collect(),
        }
    }

    fn decide(page: &StatementPage, previous_closing: Option<u64>) -> Decision {
        Header::of(page).decide(totals_of(page), previous_closing.map(Money::dong))
    }

    #[test]
    fn a_statement_that_adds_up_is_received() {
        assert_eq!(decide(&page(&[300, 200]), Some(100)), Decision::Received);
        assert_eq!(decide(&page(&[]), Some(100)), Decision::Received);
        let mut brought_back = page(&[300, 200]);
        brought_back.entries[1].kind = EntryKind::Return;
        (brought_back.debits, brought_back.returned) = (Money::dong(300), Money::dong(200));
        brought_back.closing = Money::dong(1_000);
        assert_eq!(decide(&brought_back, Some(100)), Decision::Received);
    }

    #[test]
    fn a_statement_that_does_not_add_up_is_refused_by_its_stable_code() {
        type Case = (fn(&mut StatementPage), RefusalCode);
        let wrong: [Case; 5] = [
            (
                |it| it.entries_count += 1,
                RefusalCode::StatementTotalMismatch,
            ),
            (
                |it| it.debits = Money::dong(501),
                RefusalCode::StatementTotalMismatch,
            ),
            (
                |it| it.closing = Money::dong(601),
                RefusalCode::StatementBalanceMismatch,
            ),
            (
                |it| it.received = Money::dong(0),
                RefusalCode::StatementBalanceMismatch,
            ),
            (
                |it| {
                    it.opening = Money::dong(101);
                    it.closing = Money::dong(601);
                },
                RefusalCode::StatementOpeningMismatch,
            ),
        ];
        for (spoil, code) in wrong {
            let mut page = page(&[300, 200]);
            spoil(&mut page);
            assert_eq!(decide(&page, Some(100)), Decision::Refused(code));
        }
    }

    #[test]
    fn a_statement_waits_for_the_one_before_unless_it_is_wrong_by_itself() {
        let mut page = page(&[300, 200]);
        assert_eq!(decide(&page, None), Decision::Waits);
        page.closing = Money::dong(1);
        let code = RefusalCode::StatementBalanceMismatch;
        assert_eq!(decide(&page, None), Decision::Refused(code));
    }

    #[test]
    fn pages_that_disagree_about_the_statement_refuse_it() {
        let first = page(&[300, 200]);
        let header = Header::of(&first);
        assert_eq!(header.refusal_by(&first), None);
        let mut other = first.clone();
        other.date = other.date.succ_opt().unwrap();
        assert_eq!(
            header.refusal_by(&other),
            Some(RefusalCode::StatementHeaderDiffers)
        );
        let mut more = first.clone();
        more.entries.extend(first.entries);
        assert_eq!(
            header.refusal_by(&more),
            Some(RefusalCode::StatementTotalMismatch)
        );
    }

    #[test]
    fn a_page_with_impossible_numbers_or_texts_is_never_stored() {
        assert!(refuse_impossible(&page(&[1])).is_ok());
        let wrong: [fn(&mut StatementPage); 9] = [
            |it| it.statement_no = 0,
            |it| it.date = NaiveDate::MIN,
            |it| it.entries[0].booked_on = Some(NaiveDate::MIN),
            |it| it.page = 0,
            |it| it.page = 2,
            |it| it.entries_count = -1,
            |it| it.entries[0].entry_no = 0,
            |it| it.entries[0].bank_ref = "FT\0".to_owned(),
            |it| it.entries[0].bank_ref = "F".repeat(36),
        ];
        for spoil in wrong {
            let mut page = page(&[1]);
            spoil(&mut page);
            assert!(refuse_impossible(&page).is_err(), "{page:?}");
        }
    }
}
