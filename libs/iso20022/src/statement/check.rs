use domain::{Money, Refusal};

use super::{Announced, Balance, Batch, Detail, Direction, Entry, EntryStatus, Found, Statement};
use crate::text::{AccountNo, Id};
use crate::totals::{Totals, mismatch};

/// Whether what a bank says adds up, as it comes: details to their entry, entries to the
/// statement's totals and balances, pages to the whole. Holds sums, and no entry.
#[derive(Debug, Default)]
pub(crate) struct Check {
    statement: Option<Statement>,
    found: Found,
    /// Whether all is here from the first page on, so that it can be held against balances.
    whole: bool,
    entry: Option<Details>,
    /// Of the pages before this one.
    pages: Option<Pages>,
}

/// What came in an entry so far.
#[derive(Debug)]
struct Details {
    amount: Money,
    direction: Direction,
    batch: Totals,
    announced: Batch,
    /// Credits and debits of all details, while each has its amount and there are no charges.
    credits: Totals,
    debits: Totals,
    comparable: bool,
}

#[derive(Debug)]
struct Pages {
    id: Id,
    account: AccountNo,
    number: u64,
    found: Found,
    opening: Option<Signed>,
}

/// A balance with its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signed(Money, Direction);

fn unbalanced(sentence: &str) -> Refusal {
    Refusal::new("statement_balance_mismatch", sentence)
}

impl Check {
    pub fn statement(&mut self, statement: &Statement) -> Result<(), Refusal> {
        self.found = Found::default();
        self.entry = None;
        // Pages may be files of their own; those of one file follow one another.
        let number = statement.page.map_or(1, |it| it.number);
        let same = |it: &Pages| it.id == statement.id && it.account == statement.account;
        self.pages = self.pages.take().filter(same);
        if self
            .pages
            .as_ref()
            .is_some_and(|it| number != it.number + 1)
        {
            let sentence = "the pages of a statement follow one another";
            return Err(Refusal::new("statement_page_missing", sentence));
        }
        self.whole = number == 1 || self.pages.is_some();
        self.statement = Some(statement.clone());
        Ok(())
    }

    pub fn entry(&mut self, entry: &Entry) -> Result<(), Refusal> {
        let booked = entry.status == EntryStatus::Booked;
        let (all, moved) = match entry.direction {
            Direction::Credit => (&mut self.found.credits, &mut self.found.booked_credits),
            Direction::Debit => (&mut self.found.debits, &mut self.found.booked_debits),
        };
        all.add(entry.amount)?;
        if booked {
            moved.add(entry.amount)?;
        }
        self.entry = Some(Details {
            amount: entry.amount,
            direction: entry.direction,
            batch: Totals::default(),
            announced: entry.batch.clone().unwrap_or_default(),
            credits: Totals::default(),
            debits: Totals::default(),
            comparable: entry.charges.is_none(),
        });
        Ok(())
    }

    /// Another group of details in the same entry.
    pub fn batch(&mut self, batch: Batch) -> Result<(), Refusal> {
        self.end_batch()?;
        if let Some(entry) = &mut self.entry {
            entry.announced = batch;
            entry.batch = Totals::default();
        }
        Ok(())
    }

    pub fn detail(&mut self, detail: &Detail) -> Result<(), Refusal> {
        let Some(entry) = &mut self.entry else {
            let sentence = "a detail belongs to the entry before it";
            return Err(Refusal::new("element_misplaced", sentence));
        };
        entry.comparable &= detail.amount.is_some() && detail.charges.is_none();
        let amount = detail.amount.unwrap_or_default();
        entry.batch.add(amount)?;
        match detail.direction.unwrap_or(entry.direction) {
            Direction::Credit => entry.credits.add(amount),
            Direction::Debit => entry.debits.add(amount),
        }
    }

    fn end_batch(&self) -> Result<(), Refusal> {
        let Some(entry) = self.entry.as_ref().filter(|it| it.batch.count > 0) else {
            return Ok(());
        };
        let announced = Totals {
            count: entry.announced.count.unwrap_or(entry.batch.count),
            sum: entry
                .announced
                .total
                .filter(|_| entry.comparable)
                .unwrap_or(entry.batch.sum),
        };
        entry.batch.require(announced)
    }

    /// The entry in hand has no more details.
    pub fn end_entry(&mut self) -> Result<(), Refusal> {
        self.end_batch()?;
        let Some(entry) = self.entry.take() else {
            return Ok(());
        };
        let count = entry.credits.count + entry.debits.count;
        if count == 0 || !entry.comparable {
            return Ok(());
        }
        let (with, against) = match entry.direction {
            Direction::Credit => (entry.credits.sum, entry.debits.sum),
            Direction::Debit => (entry.debits.sum, entry.credits.sum),
        };
        if with.checked_sub(against) == Some(entry.amount) {
            return Ok(());
        }
        Err(mismatch("the details do not add up to their entry"))
    }

    /// Ends a statement, or a page of one.
    pub fn end(&mut self, balances: &[Balance]) -> Result<Found, Refusal> {
        let Some(mut statement) = self.statement.take() else {
            let sentence = "what ends has begun";
            return Err(Refusal::new("element_misplaced", sentence));
        };
        let page = self.found;
        statement.balances.extend_from_slice(balances);
        if self.whole {
            self.require(statement, page)?;
        } else if let Some((opening, closing)) = page_balances(&statement) {
            opening.require(page, closing)?;
        }
        Ok(page)
    }

    fn require(&mut self, statement: Statement, page: Found) -> Result<(), Refusal> {
        let before = self.pages.take();
        let whole = match &before {
            Some(before) => before.found.and(page)?,
            None => page,
        };
        let closing = balance(&statement, &["CLBD"])?;
        let said = statement
            .page
            .map(|it| it.last.unwrap_or(closing.is_some()));
        let last = said.unwrap_or(true);
        // Banks announce the totals of a page on it, or of the whole statement on each page.
        if last {
            let totals = required(&statement, page);
            totals.or_else(|it| required(&statement, whole).map_err(|_| it))?;
        }
        let opening = balance(&statement, &["OPBD", "PRCD"])?;
        let opening = before.map_or(opening, |it| it.opening);
        let interim = balance(&statement, &["ITBD"])?;
        let closing = if last { closing } else { interim };
        if let Some((opening, closing)) = opening.zip(closing) {
            opening.require(whole, closing)?;
        }
        if let Some(page) = statement.page.filter(|_| !last) {
            self.pages = Some(Pages {
                id: statement.id,
                account: statement.account,
                number: page.number,
                found: whole,
                opening,
            });
        }
        Ok(())
    }
}

impl Found {
    fn and(self, other: Found) -> Result<Found, Refusal> {
        Ok(Found {
            credits: plus(self.credits, other.credits)?,
            debits: plus(self.debits, other.debits)?,
            booked_credits: plus(self.booked_credits, other.booked_credits)?,
            booked_debits: plus(self.booked_debits, other.booked_debits)?,
        })
    }
}

fn plus(one: Totals, other: Totals) -> Result<Totals, Refusal> {
    let sum = one.sum.checked_add(other.sum);
    Ok(Totals {
        count: one.count + other.count,
        sum: sum.ok_or_else(|| mismatch("the entries add up to more than there is"))?,
    })
}

/// Compares what was announced, where it was, with what is there.
fn required(statement: &Statement, found: Found) -> Result<(), Refusal> {
    let announced = |found: Totals, announced: Announced| {
        found.require(Totals {
            count: announced.count.unwrap_or(found.count),
            sum: announced.sum.unwrap_or(found.sum),
        })
    };
    let summary = statement.summary;
    announced(plus(found.credits, found.debits)?, summary.all)?;
    announced(found.credits, summary.credits)?;
    announced(found.debits, summary.debits)
}

/// The one balance of a statement that is of the first of these kinds that it has.
fn balance(statement: &Statement, kinds: &[&str]) -> Result<Option<Signed>, Refusal> {
    for kind in kinds {
        let of_kind = |it: &&Balance| it.kind.as_str() == *kind;
        let mut found = statement.balances.iter().filter(of_kind);
        match (found.next(), found.next()) {
            (None, _) => {}
            (Some(it), None) => return Ok(Some(Signed(it.amount, it.direction))),
            // Of several interim balances the last one is where the page ends.
            (Some(_), Some(_)) if *kind == "ITBD" => {
                let last = statement.balances.iter().rfind(of_kind);
                return Ok(last.map(|it| Signed(it.amount, it.direction)));
            }
            (Some(_), Some(_)) => {
                let sentence = format!("a statement has one balance {kind}");
                return Err(Refusal::new("element_repeated", sentence));
            }
        }
    }
    Ok(None)
}

/// What a page says of itself alone, where it does: an interim balance first.
fn page_balances(page: &Statement) -> Option<(Signed, Signed)> {
    let first = page.balances.first()?;
    let last = page.balances.last()?;
    let ends = matches!(last.kind.as_str(), "ITBD" | "CLBD") && page.balances.len() > 1;
    let signed = |it: &Balance| Signed(it.amount, it.direction);
    (ends && first.kind.as_str() == "ITBD").then(|| (signed(first), signed(last)))
}

impl Signed {
    /// This balance with what was booked is `closing`.
    fn require(self, booked: Found, closing: Signed) -> Result<(), Refusal> {
        let (mut up, mut down) = (booked.booked_credits.sum, booked.booked_debits.sum);
        let too_much = || unbalanced("the balances are more than there is");
        for (side, Signed(amount, direction)) in [(true, self), (false, closing)] {
            // What was owed before counts as going down, what is owed after as going up.
            let into_up = (direction == Direction::Credit) == side;
            let place = if into_up { &mut up } else { &mut down };
            *place = place.checked_add(amount).ok_or_else(too_much)?;
        }
        if up == down {
            return Ok(());
        }
        let sentence = "the opening balance and what is booked do not come to the closing balance";
        Err(unbalanced(sentence))
    }
}
