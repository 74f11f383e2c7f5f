mod playing;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use domain::{Channel, EndToEndId, Institution, LineNo, Money, Part};
use events::{EntryKind, Fact, Instruction, Instructions, ResultLine, ResultStatus, Results};
use privacy::{ExchangeKey, Field, Sealed};
use sha2::{Digest, Sha256};

use crate::Error;

/// The bank that leaves one line of each run without an answer.
const SILENT: i32 = 970_436;
/// Lines in a thousand that are answered late.
const LATE: u64 = 5;
/// Lines in a thousand that a bank or wallet rejects: closed, blocked, and another's account.
const CLOSED: u64 = 6;
const OTHER_HOLDER: u64 = 6;
const BLOCKED: u64 = 3;
/// Cash in a thousand that its owner does not take.
const NOT_TAKEN: u64 = 10;
/// Answered lines that a late message repeats.
const REPEATED: usize = 3;

/// A bank of the sandbox. What it does follows from the seed and the instruction alone.
#[derive(Debug)]
pub(crate) struct Bank {
    pub institution: Institution,
    pub channel: Channel,
    pub seed: u64,
    /// What it shares with the state, and nobody else.
    pub key: ExchangeKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Status {
    Credited,
    Rejected,
    /// Neither paid nor answered: the payment that somebody has to enquire about.
    Silent,
}

/// A line in the bank's own books.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub line: LineNo,
    pub amount: Money,
    /// As it came: sealed for this line, which is how the statement shows it.
    pub account: Option<Sealed>,
    pub status: Status,
    /// Why it was rejected.
    pub reason: Option<&'static str>,
    pub bank_ref: String,
    /// Asked about it, the bank never says more than that it has it.
    pub vague: bool,
}

/// What moves for a line beside its own entry.
#[derive(Debug, Clone)]
pub(crate) struct Movement {
    pub line: LineNo,
    pub kind: EntryKind,
    pub amount: Money,
    pub bank_ref: String,
}

/// What a bank made of one message.
#[derive(Debug)]
pub(crate) struct CarriedOut {
    pub entries: Vec<Entry>,
    pub movements: Vec<Movement>,
    pub at_once: Option<Results>,
    /// Sent after a delay; repeats a few lines of `at_once`.
    pub late: Option<Results>,
}

/// What chance says about a line; the same for ever, because it is a hash.
#[derive(Debug)]
struct Draw {
    outcome: u64,
    late: u64,
    order: u64,
    reference: u64,
}

impl Bank {
    /// Carries out a whole message or none of it. `first_of_run` tells that the bank has not had
    /// a message of this run and partition before.
    pub(crate) fn carry_out(
        &self,
        message: &Instructions,
        first_of_run: bool,
    ) -> Result<CarriedOut, Error> {
        self.verify(message)?;
        self.read(message)?;
        let leaves_one_out =
            first_of_run && message.part == Part::ZERO && self.institution.number() == SILENT;
        let silent = message
            .lines
            .iter()
            .map(|it| it.end_to_end_id)
            .min()
            .filter(|_| leaves_one_out);
        let mut entries = Vec::with_capacity(message.lines.len());
        let (mut at_once, mut late) = (Vec::new(), Vec::new());
        for instruction in &message.lines {
            let draw = Draw::of(self.seed, instruction.end_to_end_id);
            if silent == Some(instruction.end_to_end_id) {
                entries.push(entry(instruction, Status::Silent, None, &draw));
                continue;
            }
            let reason = self.rejection(draw.outcome);
            let status = reason.map_or(Status::Credited, |_| Status::Rejected);
            entries.push(entry(instruction, status, reason, &draw));
            let result = result(instruction, reason, &draw, message.business_date);
            let answers = if draw.late < LATE {
                &mut late
            } else {
                &mut at_once
            };
            answers.push((draw.order, result));
        }
        at_once.sort_by_key(|(order, _)| *order);
        if !late.is_empty() {
            late.extend(at_once.iter().take(REPEATED).cloned());
            late.sort_by_key(|(order, _)| *order);
        }
        Ok(CarriedOut {
            entries,
            movements: Vec::new(),
            at_once: results(message, "", at_once),
            late: results(message, "-late", late),
        })
    }

    /// Refuses a message whose control totals or positions do not agree with its lines.
    fn verify(&self, message: &Instructions) -> Result<(), Error> {
        let refused = |detail| {
            Err(Error::Instructions {
                message: message.key(),
                detail,
            })
        };
        if message.institution != self.institution {
            return refused("it is for another bank");
        }
        if usize::try_from(message.count) != Ok(message.lines.len()) {
            return refused("the count is not the number of lines");
        }
        if Money::sum(message.lines.iter().map(|it| it.amount)) != message.total {
            return refused("the total is not the sum of the lines");
        }
        let mut ids = BTreeSet::new();
        for EndToEndId {
            run,
            part,
            chunk,
            line,
        } in message.lines.iter().map(|it| it.end_to_end_id)
        {
            if (run, part, chunk) != (message.run_no, message.part, message.chunk) {
                return refused("a line belongs to another message");
            }
            if !ids.insert(line) {
                return refused("a line stands in it twice");
            }
        }
        Ok(())
    }

    /// Whom it pays: all of it opens, or nothing is carried out.
    fn read(&self, message: &Instructions) -> Result<(), Error> {
        for line in &message.lines {
            let id = line.end_to_end_id.to_string();
            let opens = |field, sealed| self.key.open(field, id.as_bytes(), sealed).is_ok();
            let account = line.account.as_ref();
            if !opens(Field::PersonName, &line.holder)
                || account.is_some_and(|it| !opens(Field::BankAccount, it))
            {
                return Err(Error::AccountUnreadable {
                    message: message.key(),
                });
            }
        }
        Ok(())
    }

    /// The ISO 20022 reason why a line is rejected, `None` where it is paid.
    fn rejection(&self, outcome: u64) -> Option<&'static str> {
        if self.channel == Channel::Cash {
            return (outcome < NOT_TAKEN).then_some("CUST");
        }
        if outcome < CLOSED {
            Some("AC04")
        } else if outcome < CLOSED + OTHER_HOLDER {
            Some("BE01")
        } else if outcome < CLOSED + OTHER_HOLDER + BLOCKED {
            Some("AC06")
        } else {
            None
        }
    }
}

impl Draw {
    fn of(seed: u64, id: EndToEndId) -> Draw {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(seed.to_be_bytes())
            .chain_update(id.to_string())
            .finalize()
            .into();
        let number = |from: usize| {
            let bytes = hash[from..from + 8].try_into();
            u64::from_be_bytes(bytes.expect("a hash has 32 bytes"))
        };
        Draw {
            outcome: number(0) % 1_000,
            late: number(8) % 1_000,
            order: number(16),
            reference: number(24),
        }
    }

    fn bank_ref(&self) -> String {
        format!("FT{:016X}", self.reference)
    }
}

fn entry(
    instruction: &Instruction,
    status: Status,
    reason: Option<&'static str>,
    draw: &Draw,
) -> Entry {
    Entry {
        line: instruction.end_to_end_id.line,
        amount: instruction.amount,
        account: instruction.account.clone(),
        status,
        reason,
        bank_ref: draw.bank_ref(),
        vague: false,
    }
}

fn result(
    instruction: &Instruction,
    reason: Option<&'static str>,
    draw: &Draw,
    booked_on: NaiveDate,
) -> ResultLine {
    ResultLine {
        end_to_end_id: instruction.end_to_end_id,
        status: reason.map_or(ResultStatus::Credited, |_| ResultStatus::Rejected),
        reason: reason.map(str::to_owned),
        amount: instruction.amount,
        bank_ref: draw.bank_ref(),
        booked_on,
    }
}

fn results(message: &Instructions, suffix: &str, lines: Vec<(u64, ResultLine)>) -> Option<Results> {
    let lines: Vec<ResultLine> = lines.into_iter().map(|(_, it)| it).collect();
    (!lines.is_empty()).then(|| Results {
        institution: message.institution,
        part: message.part,
        message_id: format!("{}-{}{suffix}", message.institution, message.key()),
        lines,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use domain::{CASH_AGENT, ChunkNo, RunNo};
    use privacy::Keys;

    use super::*;

    /// Keys of this process alone, whose file is gone at once.
    static KEYS: LazyLock<Keys> = LazyLock::new(|| {
        let name = format!("ansinh-sandbox-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let keys = Keys::generate(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        keys
    });

    pub(crate) fn bank(institution: &str, channel: Channel) -> Bank {
        Bank {
            institution: institution.parse().unwrap(),
            channel,
            seed: 7,
            key: KEYS.exchange(institution),
        }
    }

    pub(crate) fn message(bank: &Bank, part: i16, chunk: i32, lines: i32) -> Instructions {
        let part = Part::try_from(part).unwrap();
        let id = |line| EndToEndId {
            run: RunNo(1),
            part,
            chunk: ChunkNo(chunk),
            line: LineNo(line),
        };
        let lines: Vec<Instruction> = (1..=lines)
            .map(|line| {
                let context = id(line).to_string();
                let sealed = |field, clear| bank.key.seal(field, context.as_bytes(), clear);
                Instruction {
                    end_to_end_id: id(line),
                    amount: Money::dong(500_000),
                    account: Some(sealed(Field::BankAccount, "12345678")),
                    holder: sealed(Field::PersonName, "NGUYEN THI MAU"),
                }
            })
            .collect();
        Instructions {
            institution: bank.institution,
            run_no: RunNo(1),
            part,
            chunk: ChunkNo(chunk),
            message: None,
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            count: i32::try_from(lines.len()).unwrap(),
            total: Money::sum(lines.iter().map(|it| it.amount)),
            root: String::new(),
            checkpoint: None,
            lines,
        }
    }

    fn reasons(bank: &Bank) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for chunk in 1..=20 {
            let carried = bank
                .carry_out(&message(bank, 3, chunk, 1_000), true)
                .unwrap();
            let late = carried.late.map(|it| it.lines).unwrap_or_default();
            let at_once = carried.at_once.unwrap().lines;
            let answers: BTreeMap<EndToEndId, ResultLine> = at_once
                .into_iter()
                .chain(late)
                .map(|it| (it.end_to_end_id, it))
                .collect();
            assert_eq!(answers.len(), 1_000);
            for answer in answers.into_values() {
                let reason = answer.reason.unwrap_or_else(|| "paid".to_owned());
                *reasons.entry(reason).or_default() += 1;
            }
        }
        reasons
    }

    #[test]
    fn most_lines_are_paid_and_the_rest_are_rejected_with_iso_reasons() {
        let found = reasons(&bank("970405", Channel::BankAccount));
        assert!((19_600..=19_800).contains(&found["paid"]), "{found:?}");
        let codes: Vec<&str> = found.keys().map(|it| &it[..]).collect();
        assert_eq!(codes, ["AC04", "AC06", "BE01", "paid"]);

        let agent = Bank {
            institution: CASH_AGENT,
            ..bank("970405", Channel::Cash)
        };
        let found = reasons(&agent);
        assert!((19_700..=19_900).contains(&found["paid"]), "{found:?}");
        let codes: Vec<&str> = found.keys().map(|it| &it[..]).collect();
        assert_eq!(codes, ["CUST", "paid"]);
    }

    #[test]
    fn the_same_message_has_the_same_answers_and_another_seed_has_others() {
        let bank = bank("970405", Channel::BankAccount);
        let message = message(&bank, 3, 7, 1_000);
        let said = |bank: &Bank| {
            let carried = bank.carry_out(&message, true).unwrap();
            let answers = (carried.at_once.unwrap(), carried.late.unwrap());
            serde_json::to_string(&answers).unwrap()
        };
        assert_eq!(said(&bank), said(&bank));
        let of_this_seed = said(&bank);
        assert_ne!(of_this_seed, said(&Bank { seed: 8, ..bank }));
    }

    #[test]
    fn answers_come_shuffled_and_a_late_message_repeats_a_few() {
        let bank = bank("970405", Channel::BankAccount);
        let carried = bank.carry_out(&message(&bank, 3, 7, 1_000), false).unwrap();
        let (at_once, late) = (carried.at_once.unwrap(), carried.late.unwrap());
        assert_eq!(at_once.message_id, "970405-R000001-03-0007");
        assert_eq!(late.message_id, "970405-R000001-03-0007-late");
        let ids: Vec<EndToEndId> = at_once.lines.iter().map(|it| it.end_to_end_id).collect();
        assert!(!ids.is_sorted());
        let repeated = late
            .lines
            .iter()
            .filter(|it| ids.contains(&it.end_to_end_id));
        assert_eq!(repeated.count(), REPEATED);
        assert_eq!(ids.len() + late.lines.len() - REPEATED, 1_000);
    }

    #[test]
    fn one_bank_leaves_the_first_line_of_its_first_message_without_answer_or_payment() {
        let quiet = bank("970436", Channel::BankAccount);
        let silent = |bank: &Bank, part, first_of_run| {
            let carried = bank
                .carry_out(&message(bank, part, 4, 50), first_of_run)
                .unwrap();
            let late = carried.late.map(|it| it.lines).unwrap_or_default();
            let answered: BTreeSet<EndToEndId> = (carried.at_once.unwrap().lines.iter())
                .chain(&late)
                .map(|it| it.end_to_end_id)
                .collect();
            let silent = carried
                .entries
                .iter()
                .filter(|it| it.status == Status::Silent);
            let silent: Vec<i32> = silent.map(|it| it.line.0).collect();
            assert_eq!(answered.len() + silent.len(), 50);
            silent
        };
        assert_eq!(silent(&quiet, 0, true), [1]);
        assert!(silent(&quiet, 0, false).is_empty());
        assert!(silent(&quiet, 1, true).is_empty());
        assert!(silent(&bank("970405", Channel::BankAccount), 0, true).is_empty());
    }

    #[test]
    fn a_message_that_was_not_sealed_for_this_bank_line_by_line_is_refused_whole() {
        let (ours, theirs) = ("970405", "970436");
        let bank = bank(ours, Channel::BankAccount);
        let wrong: [fn(&mut Instructions); 5] = [
            |it| {
                let account = it.lines[0].account.take();
                it.lines[0].account = it.lines[1].account.replace(account.unwrap());
            },
            |it| it.lines[1].holder = it.lines[0].holder.clone(),
            |it| it.lines[1].account = Some(it.lines[1].holder.clone()),
            |it| it.lines[1].account = Some(Sealed::from(b"12345678".to_vec())),
            |it| it.lines[1].account = Some(Sealed::from(Vec::new())),
        ];
        for spoil in wrong {
            let mut message = message(&bank, 3, 7, 2);
            assert!(bank.carry_out(&message, true).is_ok());
            spoil(&mut message);
            let refused = bank.carry_out(&message, true).unwrap_err();
            assert!(
                refused.to_string().starts_with("account_unreadable: "),
                "{refused}"
            );
        }
        let other = Bank {
            key: KEYS.exchange(theirs),
            ..bank
        };
        let sealed_for_other = message(&other, 3, 7, 2);
        let bank = Bank {
            key: KEYS.exchange(ours),
            ..other
        };
        let refused = bank.carry_out(&sealed_for_other, true).unwrap_err();
        assert!(
            matches!(refused, Error::AccountUnreadable { .. }),
            "{refused}"
        );
    }

    #[test]
    fn a_message_that_does_not_agree_with_itself_is_refused_whole() {
        let bank = bank("970405", Channel::BankAccount);
        let wrong: [fn(&mut Instructions); 5] = [
            |it| it.count = 3,
            |it| it.total = Money::dong(1),
            |it| it.institution = CASH_AGENT,
            |it| it.lines[1].end_to_end_id.chunk = ChunkNo(9),
            |it| it.lines[1].end_to_end_id.line = LineNo(1),
        ];
        for spoil in wrong {
            let mut message = message(&bank, 3, 7, 2);
            assert!(bank.carry_out(&message, true).is_ok());
            spoil(&mut message);
            assert!(bank.carry_out(&message, true).is_err(), "{message:?}");
        }
    }
}
