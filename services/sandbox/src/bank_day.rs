//! A day of the banks with mistakes in it that are known: each is there because a seed says so,
//! and whoever reconciles the day is to find exactly these.

use chrono::NaiveDate;
use domain::{ChunkNo, Institution, LineNo, Money, Part, Position, RunNo};
use events::{
    AppliedResult, BreakKind, EntryKind, Instruction, Instructions, RefusedResult, ResultStatus,
    ResultsApplied, StatementEntry, StatementPage,
};
use privacy::{Field, Keys, Sealed};

/// The run of all lines, and one that nobody was ever instructed for.
const RUN: RunNo = RunNo(1);
const NO_RUN: RunNo = RunNo(7);
/// Lines in a thousand that are not answered and not due, rejected, or credited tomorrow.
const IN_FLIGHT: u64 = 10;
const REJECTED: u64 = 10;
const TOMORROW: u64 = 5;

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub lines: u64,
    /// One line in so many has a mistake, each kind in its turn.
    pub break_every: u64,
    /// Lines of one message.
    pub chunk_lines: u64,
    pub date: NaiveDate,
}

/// A mistake that was made, as a break is to name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Injected {
    pub kind: BreakKind,
    pub institution: Institution,
    /// `None` where the entry's id is none of ours.
    pub line: Option<Position>,
    pub amount: Money,
}

/// Lines that nothing is wrong with and that are not due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotDue {
    pub in_flight: i64,
    pub tentative: i64,
}

/// The day as it follows from its plan; nothing of it is kept.
#[derive(Debug)]
pub struct BankDay<'a> {
    plan: Plan,
    keys: &'a Keys,
    banks: Vec<Institution>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Right,
    InFlight,
    Rejected,
    Tomorrow,
    Wrong(BreakKind),
}

#[derive(Debug, Clone, Copy)]
struct Line {
    number: u64,
    at: Position,
    institution: Institution,
    amount: Money,
    fate: Fate,
}

/// An entry before it is numbered and sealed.
struct Drawn {
    id: String,
    /// The account's number among the made-up ones; `None` for cash.
    account: Option<u64>,
    amount: Money,
    kind: EntryKind,
    booked_on: NaiveDate,
}

impl BankDay<'_> {
    /// # Panics
    /// Where the last message and the first one would be of one bank, which then could not have
    /// each other's payments.
    pub fn new(plan: Plan, keys: &Keys) -> BankDay<'_> {
        let banks: Vec<Institution> = Institution::connected().map(|it| it.institution).collect();
        let day = BankDay { plan, keys, banks };
        assert_ne!(
            day.bank(0),
            day.bank(day.chunks() - 1),
            "another number of lines"
        );
        day
    }

    pub fn keys(&self) -> &Keys {
        self.keys
    }

    pub fn banks(&self) -> &[Institution] {
        &self.banks
    }

    /// How many messages of instructions, and of results.
    pub fn chunks(&self) -> u64 {
        self.plan.lines.div_ceil(self.plan.chunk_lines)
    }

    fn bank(&self, chunk: u64) -> Institution {
        self.banks[usize_of(chunk) % self.banks.len()]
    }

    fn part(&self, chunk: u64) -> Part {
        let banks = u64::try_from(self.banks.len()).expect("a few banks");
        let part = (chunk / banks) % u64::from(domain::PARTS.unsigned_abs());
        let part = i16::try_from(part).expect("below 16");
        part.try_into().expect("below 16")
    }

    fn lines(&self, chunk: u64) -> impl Iterator<Item = Line> {
        let first = chunk * self.plan.chunk_lines;
        let last = self.plan.lines.min(first + self.plan.chunk_lines);
        (first..last).map(move |number| Line {
            number,
            at: Position {
                run: RUN,
                part: self.part(chunk),
                chunk: ChunkNo(i32::try_from(chunk + 1).expect("a day has fewer messages")),
                line: LineNo(i32::try_from(number - first + 1).expect("a message is small")),
            },
            institution: self.bank(chunk),
            amount: Money::dong(500_000 + mixed(self.plan.seed, number) % 1_000 * 1_000),
            fate: self.fate(number),
        })
    }

    fn fate(&self, number: u64) -> Fate {
        let Plan {
            seed, break_every, ..
        } = self.plan;
        let turn = number / break_every;
        if number % break_every == mixed(seed ^ 0x5eed, turn) % break_every {
            let kinds = BreakKind::ALL;
            return Fate::Wrong(kinds[usize_of(turn) % kinds.len()]);
        }
        match mixed(seed ^ 0xfa7e, number) % 1_000 {
            it if it < IN_FLIGHT => Fate::InFlight,
            it if it < IN_FLIGHT + REJECTED => Fate::Rejected,
            it if it < IN_FLIGHT + REJECTED + TOMORROW => Fate::Tomorrow,
            _ => Fate::Right,
        }
    }

    /// What the bank is told.
    pub fn instructions(&self, chunk: u64) -> Instructions {
        let lines: Vec<Instruction> = self
            .lines(chunk)
            .map(|it| Instruction {
                end_to_end_id: it.at,
                amount: it.amount,
                account: self.sealed(it.institution, &it.at.to_string(), account_of(&it)),
                // Nobody who reconciles opens it.
                holder: Sealed::from(vec![0]),
            })
            .collect();
        Instructions {
            institution: self.bank(chunk),
            run_no: RUN,
            part: self.part(chunk),
            chunk: ChunkNo(i32::try_from(chunk + 1).expect("a day has fewer messages")),
            message: None,
            business_date: self.plan.date,
            count: i32::try_from(lines.len()).expect("a message is small"),
            total: Money::sum(lines.iter().map(|it| it.amount)),
            root: String::new(),
            checkpoint: None,
            lines,
        }
    }

    /// What took effect of the bank's answer.
    pub fn results(&self, chunk: u64) -> ResultsApplied {
        let (mut lines, mut refused) = (Vec::new(), Vec::new());
        for it in self.lines(chunk) {
            let (status, booked_on) = match it.fate {
                Fate::InFlight | Fate::Wrong(BreakKind::DebitedWithoutResult) => continue,
                Fate::Rejected
                | Fate::Wrong(BreakKind::DebitedThoughRejected | BreakKind::ReturnUnexplained) => {
                    (ResultStatus::Rejected, self.plan.date)
                }
                Fate::Tomorrow => (ResultStatus::Credited, self.tomorrow()),
                Fate::Right | Fate::Wrong(_) => (ResultStatus::Credited, self.plan.date),
            };
            lines.push(AppliedResult {
                run_no: it.at.run,
                chunk: it.at.chunk,
                line: it.at.line,
                status,
                amount: it.amount,
                booked_on,
            });
            if it.fate == Fate::Wrong(BreakKind::ContradictingResult) {
                refused.push(RefusedResult {
                    end_to_end_id: it.at,
                    code: "contradicting_result".to_owned(),
                    status: ResultStatus::Rejected,
                    amount: it.amount,
                });
            }
        }
        ResultsApplied {
            part: self.part(chunk),
            institution: self.bank(chunk),
            message_id: format!("M{chunk}"),
            lines,
            refused,
        }
    }

    /// All pages of a bank's statement, one after the other.
    pub fn pages(&self, bank: Institution) -> impl Iterator<Item = StatementPage> {
        let chunks: Vec<u64> = (0..self.chunks())
            .filter(|it| self.bank(*it) == bank)
            .collect();
        let mut head = StatementPage {
            institution: bank,
            part: Part::ZERO,
            statement_no: 1,
            date: self.plan.date,
            page: 0,
            pages: i32::try_from(chunks.len()).expect("a day has fewer pages"),
            opening: Money::ZERO,
            received: Money::ZERO,
            debits: Money::ZERO,
            returned: Money::ZERO,
            entries_count: 0,
            closing: Money::dong(1_000_000),
            entries: Vec::new(),
        };
        for it in chunks.iter().flat_map(|it| self.drawn(*it)) {
            head.entries_count += 1;
            let side = if it.kind == EntryKind::Return {
                &mut head.returned
            } else {
                &mut head.debits
            };
            *side = Money::sum([*side, it.amount]);
        }
        // What came is what went, less what came back, and what is left.
        let went = Money::sum([head.debits, head.closing]);
        head.received = went
            .checked_sub(head.returned)
            .expect("less came back than went");
        let mut next = 1;
        let numbered = (1..).zip(chunks);
        numbered.map(move |(page, chunk)| {
            let entries = self.numbered(bank, chunk, next);
            next += i64::try_from(entries.len()).expect("a page is small");
            StatementPage {
                page,
                part: self.part(chunk),
                entries,
                ..head.clone()
            }
        })
    }

    fn numbered(&self, bank: Institution, chunk: u64, first: i64) -> Vec<StatementEntry> {
        let entries = (first..).zip(self.drawn(chunk));
        let sealed = |(entry_no, it): (i64, Drawn)| StatementEntry {
            entry_no,
            amount: it.amount,
            account: self.sealed(bank, &it.id, it.account),
            bank_ref: format!("FT{entry_no}"),
            kind: it.kind,
            booked_on: Some(it.booked_on),
            end_to_end_id: it.id,
        };
        entries.map(sealed).collect()
    }

    /// What the bank books of a message of its own, and what it pays of another bank's.
    fn drawn(&self, chunk: u64) -> Vec<Drawn> {
        let mut drawn: Vec<Drawn> = Vec::new();
        for it in self.lines(chunk) {
            drawn.extend(self.booked(&it));
        }
        let other = (chunk + self.chunks() - 1) % self.chunks();
        let of_other = self.lines(other);
        let paid = of_other.filter(|it| it.fate == Fate::Wrong(BreakKind::WrongInstitution));
        drawn.extend(paid.map(|it| self.entry(&it, EntryKind::Payment)));
        drawn
    }

    fn booked(&self, line: &Line) -> Vec<Drawn> {
        let paid = || self.entry(line, EntryKind::Payment);
        let back = || self.entry(line, EntryKind::Return);
        let kind = match line.fate {
            Fate::Right => return vec![paid()],
            Fate::InFlight | Fate::Rejected | Fate::Tomorrow => return Vec::new(),
            Fate::Wrong(kind) => kind,
        };
        match kind {
            BreakKind::NotInstructed => vec![
                paid(),
                Drawn {
                    id: strange(line).to_string(),
                    ..paid()
                },
            ],
            BreakKind::AmountDiffers => vec![Drawn {
                amount: Money::sum([line.amount, Money::dong(1)]),
                ..paid()
            }],
            BreakKind::AccountDiffers => vec![Drawn {
                account: Some(line.number + self.plan.lines),
                ..paid()
            }],
            BreakKind::DebitedTwice => vec![paid(), paid()],
            BreakKind::DayDiffers => vec![Drawn {
                booked_on: self.tomorrow(),
                ..paid()
            }],
            BreakKind::FeeTaken => vec![
                paid(),
                Drawn {
                    id: format!("PHI-{}", line.number),
                    amount: Money::dong(11_000),
                    ..self.entry(line, EntryKind::Charge)
                },
            ],
            // What comes back may stand before what went.
            BreakKind::ReturnedAfterCredit => vec![back(), paid()],
            BreakKind::ReturnedTwice => vec![paid(), back(), back()],
            BreakKind::ReturnUnexplained => vec![back()],
            BreakKind::NotOnStatement => Vec::new(),
            BreakKind::WrongInstitution
            | BreakKind::DebitedThoughRejected
            | BreakKind::DebitedWithoutResult
            | BreakKind::ContradictingResult => vec![paid()],
        }
    }

    fn entry(&self, line: &Line, kind: EntryKind) -> Drawn {
        Drawn {
            id: line.at.to_string(),
            account: account_of(line),
            amount: line.amount,
            kind,
            booked_on: self.plan.date,
        }
    }

    fn sealed(&self, bank: Institution, id: &str, account: Option<u64>) -> Option<Sealed> {
        let key = self.keys.exchange(&bank.to_string());
        let seal = |it| key.seal(Field::BankAccount, id.as_bytes(), &format!("{it:013}"));
        account.map(seal)
    }

    fn tomorrow(&self) -> NaiveDate {
        self.plan.date.succ_opt().expect("there is a next day")
    }

    /// What is to be found of one message's lines.
    pub fn injected(&self, chunk: u64) -> Vec<Injected> {
        let mut injected = Vec::new();
        for it in self.lines(chunk) {
            let Fate::Wrong(kind) = it.fate else { continue };
            let found = Injected {
                kind,
                institution: it.institution,
                line: Some(it.at),
                amount: it.amount,
            };
            injected.push(match kind {
                BreakKind::NotInstructed => Injected {
                    line: Some(strange(&it)),
                    ..found
                },
                BreakKind::WrongInstitution => Injected {
                    institution: self.bank((chunk + 1) % self.chunks()),
                    ..found
                },
                BreakKind::AmountDiffers => Injected {
                    amount: Money::sum([it.amount, Money::dong(1)]),
                    ..found
                },
                BreakKind::FeeTaken => Injected {
                    line: None,
                    amount: Money::dong(11_000),
                    ..found
                },
                _ => found,
            });
            // The second time is one, and so was the first.
            if kind == BreakKind::ReturnedTwice {
                injected.push(Injected {
                    kind: BreakKind::ReturnedAfterCredit,
                    ..found
                });
            }
        }
        injected
    }

    pub fn not_due(&self) -> NotDue {
        let mut not_due = NotDue::default();
        for it in (0..self.chunks()).flat_map(|it| self.lines(it)) {
            match it.fate {
                Fate::InFlight => not_due.in_flight += 1,
                Fate::Tomorrow => not_due.tentative += 1,
                _ => {}
            }
        }
        not_due
    }
}

/// Cash goes to no account.
fn account_of(line: &Line) -> Option<u64> {
    (line.institution != domain::CASH_AGENT).then_some(line.number)
}

/// Where nobody was ever instructed, in the line's partition.
fn strange(line: &Line) -> Position {
    Position {
        run: NO_RUN,
        ..line.at
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

/// A number that follows from both: the finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mixed(seed: u64, number: u64) -> u64 {
    let mut it = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}
