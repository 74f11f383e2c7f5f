//! One fact of each kind, of fixed values.

mod accounts;
mod enquiries;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    CASH_AGENT, Channel, ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position,
    Programme, Province, RunNo,
};
use events::{
    AppliedResult, Break, BreakKind, BreaksResolved, ClearingTold, EntitlementLine,
    EntitlementsDetermined, EntitlementsWithdrawn, EntryKind, Envelope, Event, Fact, FailedWay,
    Instruction, Instructions, LifeEventTold, LifeEventsTold, MatchedRun, PartDetermined,
    PartResolved, PayeeLine, PayeesResolved, PayeesWithdrawn, PersonsRegistered, RateCited,
    RefusedResult, RegisteredPerson, ReissueLine, ReissuesOpened, Resolution, ResolvedBreak,
    ResultLine, ResultStatus, Results, ResultsApplied, RunClosed, RunOpened, SettledLine,
    StatementEntry, StatementMatched, StatementPage, WithdrawnLine,
};
use privacy::{BlindIndex, Sealed};

pub struct Sample {
    /// Name and version of the kind.
    pub name: &'static str,
    pub event: Event,
    /// Reads a body of this kind and says the fact again.
    pub again: fn(&[u8]) -> anyhow::Result<Event>,
}

const RUN: RunNo = RunNo(123);
const CHUNK: ChunkNo = ChunkNo(42);

pub fn said_at() -> DateTime<Utc> {
    "2026-12-01T01:30:00.250Z".parse().expect("a time")
}

pub fn samples() -> Vec<Sample> {
    let mut samples = of_decisions();
    samples.extend(of_payments());
    samples.extend(of_reconciliation());
    samples.extend(accounts::of_accounts());
    samples.extend(enquiries::of_enquiries());
    samples
}

fn of_decisions() -> Vec<Sample> {
    vec![
        sample(&registered(1)),
        sample(&entitlements()),
        sample(&PartDetermined {
            run_no: RUN,
            part: part(),
            chunks: 42,
            lines: 41_817,
            total: Money::dong(22_581_180_000),
            not_owed: 12,
        }),
        sample(&EntitlementsWithdrawn {
            part: part(),
            lines: withdrawn(),
        }),
        sample(&LifeEventsTold {
            part: part(),
            message_id: "KT-2026-11-20-0001".to_owned(),
            events: vec![LifeEventTold {
                event_id: "KT-79-000123".to_owned(),
                citizen_index: index(0xc1),
                kind: "death".to_owned(),
                happened_on: day(),
                province: None,
                commune: None,
                revoked: false,
            }],
        }),
        sample(&PayeesWithdrawn {
            part: part(),
            lines: withdrawn(),
        }),
        sample(&payees()),
        sample(&PartResolved {
            run_no: RUN,
            part: part(),
            chunks: 42,
            lines: 41_817,
            total: Money::dong(22_581_180_000),
            not_owed: 12,
        }),
    ]
}

#[expect(clippy::too_many_lines, reason = "one sample an event")]
fn of_payments() -> Vec<Sample> {
    vec![
        sample(&RunOpened {
            run_no: RUN,
            part: part(),
            programme: Programme::SocialPension,
            period: period(),
            business_date: day(),
        }),
        sample(&ReissuesOpened {
            run_no: RUN,
            part: part(),
            chunk: ChunkNo(1),
            programme: Programme::SocialPension,
            period: period(),
            lines: vec![ReissueLine {
                line: LineNo(1),
                person_no: PersonNo(23),
                determination_no: 1,
                amount: Money::dong(540_000),
                local: Some(Money::dong(110_000)),
                province: province(),
                rate_no: 3,
                period: Some(period()),
                failed: vec![FailedWay {
                    channel: Channel::BankAccount,
                    institution: bank(),
                    account_index: Some(index(0xa1)),
                    reason: Some("AC04".to_owned()),
                }],
            }],
            total: Money::dong(540_000),
            chunks: 1,
            part_lines: 1,
            part_total: Money::dong(540_000),
        }),
        sample(&ResultsApplied {
            part: part(),
            institution: bank(),
            message_id: "970436-R000123-07-0042".to_owned(),
            lines: vec![
                applied(1, ResultStatus::Credited),
                applied(2, ResultStatus::Rejected),
            ],
            refused: vec![RefusedResult {
                end_to_end_id: position(3),
                code: "contradicting_result".to_owned(),
                status: ResultStatus::Rejected,
                amount: Money::dong(540_000),
            }],
        }),
        sample(&ClearingTold {
            part: part(),
            institution: bank(),
            after: "statement/970436/9".to_owned(),
            released: Money::dong(1_620_000),
            in_transit: Money::dong(540_000),
            unknown: Money::ZERO,
            settled: Money::dong(540_000),
            suspense_debits: Money::dong(540_000),
            suspense_credits: Money::ZERO,
        }),
        sample(&RunClosed {
            run_no: RUN,
            lines: 669_072,
            total: Money::dong(361_298_880_000),
            credited: Money::dong(361_297_260_000),
            returned: Money::dong(540_000),
            unknown: Money::dong(540_000),
            held: Money::dong(540_000),
        }),
        sample(&instructions_fact()),
        sample(&Results {
            institution: bank(),
            part: part(),
            message_id: "970436-R000123-07-0042".to_owned(),
            lines: vec![
                result(1, ResultStatus::Credited, None),
                result(2, ResultStatus::Rejected, Some("AC04")),
            ],
        }),
        sample(&statement()),
    ]
}

fn of_reconciliation() -> Vec<Sample> {
    vec![
        sample(&StatementMatched {
            institution: bank(),
            statement_no: 9,
            date: day(),
            part: part(),
            matched: vec![MatchedRun {
                run_no: RUN,
                lines: 1,
                total: Money::dong(540_000),
                found_lines: 1,
                found_total: Money::dong(540_000),
            }],
            debits: Money::dong(1_080_000),
            returned: Money::dong(540_000),
            breaks: breaks(),
        }),
        sample(&BreaksResolved {
            institution: bank(),
            statement_no: 9,
            part: part(),
            resolved: resolved(),
        }),
    ]
}

pub fn instructions() -> Event {
    Event::of(&instructions_fact(), said_at())
}

pub fn registered(batch: i64) -> PersonsRegistered {
    PersonsRegistered {
        import_no: 5,
        part: part(),
        batch,
        persons: vec![RegisteredPerson {
            person_no: PersonNo(23),
            citizen_index: index(0xc1),
            name: sealed(0x11),
            province: None,
            commune: None,
            birth_date: None,
        }],
    }
}

fn sample<F: Fact>(fact: &F) -> Sample {
    Sample {
        name: F::NAME,
        event: Event::of(fact, said_at()),
        again: |body| {
            let envelope = Envelope::parse(body)?;
            anyhow::ensure!(envelope.is::<F>(), "{} is no {}", envelope.kind, F::NAME);
            Ok(Event::of(&envelope.read::<F>()?, envelope.time))
        },
    }
}

fn entitlements() -> EntitlementsDetermined {
    EntitlementsDetermined {
        run_no: RUN,
        part: part(),
        chunk: CHUNK,
        programme: Programme::SocialPension,
        period: period(),
        rates: vec![
            RateCited {
                rate_no: 3,
                name: "social_pension".to_owned(),
                value: "540000".to_owned(),
                legal_basis: "Nghị định 335/2026/NĐ-CP".to_owned(),
                valid_from: day(),
                valid_to: None,
                known_from: day(),
            },
            RateCited {
                rate_no: 4,
                name: "coefficient/severe".to_owned(),
                value: "1.5".to_owned(),
                legal_basis: "Nghị định 20/2021/NĐ-CP".to_owned(),
                valid_from: day(),
                valid_to: Some(day()),
                known_from: day(),
            },
        ],
        lines: vec![
            owed(1, 1, Money::dong(540_000), None),
            owed(2, 2, Money::dong(40_000), Some(period())),
        ],
        total: Money::dong(580_000),
    }
}

/// The month's amount, or what a past period is still owed.
fn owed(line: i32, determination_no: i16, amount: Money, of: Option<Period>) -> EntitlementLine {
    EntitlementLine {
        line: LineNo(line),
        person_no: PersonNo(23),
        determination_no,
        amount,
        local: of.map(|_| Money::dong(10_000)),
        province: province(),
        rate_no: 3,
        period: of,
        rule: of.map(|_| "HTXH/2025-07".to_owned()),
        explanation: None,
    }
}

fn withdrawn() -> Vec<WithdrawnLine> {
    let line = |turn, reason: &str| WithdrawnLine {
        person_no: PersonNo(23),
        programme: Programme::SocialPension,
        period: period(),
        determination_no: 1,
        turn,
        amount: Money::dong(540_000),
        reason: reason.to_owned(),
    };
    vec![line(1, "stopped_death"), line(2, "amount_changed")]
}

fn payees() -> PayeesResolved {
    let line = |number: i32, channel: Channel, institution: Institution| PayeeLine {
        line: LineNo(number),
        person_no: PersonNo(23),
        determination_no: 1,
        amount: Money::dong(540_000),
        local: (channel == Channel::Wallet).then(|| Money::dong(110_000)),
        province: province(),
        rate_no: 3,
        period: (channel == Channel::Wallet).then(period),
        channel,
        institution,
        account: (channel != Channel::Cash).then(|| sealed(0x22)),
        account_index: (channel != Channel::Cash).then(|| index(0xa1)),
        holder: sealed(0x33),
        payee_no: None,
        hold: None,
        changed_by: Vec::new(),
        commune: None,
    };
    PayeesResolved {
        run_no: RUN,
        part: part(),
        chunk: CHUNK,
        programme: Programme::SocialPension,
        period: period(),
        lines: vec![
            line(1, Channel::BankAccount, bank()),
            line(2, Channel::Wallet, institution(971_005)),
            line(3, Channel::Cash, CASH_AGENT),
        ],
        total: Money::dong(1_620_000),
    }
}

fn instructions_fact() -> Instructions {
    let line = |number: i32, account: Option<Sealed>| Instruction {
        end_to_end_id: position(number),
        amount: Money::dong(540_000),
        account,
        holder: sealed(0x33),
    };
    Instructions {
        institution: bank(),
        run_no: RUN,
        part: part(),
        chunk: CHUNK,
        message: None,
        business_date: day(),
        count: 2,
        total: Money::dong(1_080_000),
        root: "5e".repeat(32),
        checkpoint: None,
        lines: vec![line(1, Some(sealed(0x22))), line(2, None)],
    }
}

fn statement() -> StatementPage {
    let entry = |number: i64, account: Option<Sealed>| StatementEntry {
        entry_no: number,
        end_to_end_id: format!("R000123-07-0042-{number:04}"),
        amount: Money::dong(540_000),
        account,
        bank_ref: format!("FT26335{number:05}"),
        kind: EntryKind::Payment,
        booked_on: None,
    };
    let back = StatementEntry {
        kind: EntryKind::Return,
        booked_on: Some(day()),
        ..entry(3, Some(sealed(0x22)))
    };
    let fee = StatementEntry {
        kind: EntryKind::Charge,
        ..entry(4, None)
    };
    StatementPage {
        institution: bank(),
        part: part(),
        statement_no: 9,
        date: day(),
        page: 1,
        pages: 1,
        opening: Money::ZERO,
        received: Money::dong(1_620_000),
        debits: Money::dong(1_620_000),
        returned: Money::dong(540_000),
        entries_count: 4,
        closing: Money::dong(540_000),
        entries: vec![entry(1, Some(sealed(0x22))), entry(2, None), back, fee],
    }
}

/// One of each kind, so that each code is on the wire.
fn breaks() -> Vec<Break> {
    let of_kind = |kind: BreakKind| Break {
        kind,
        run_no: (kind != BreakKind::NotInstructed).then_some(RUN),
        chunk: (kind != BreakKind::NotInstructed).then_some(CHUNK),
        line: (kind != BreakKind::NotInstructed).then_some(LineNo(1)),
        entry_no: (kind != BreakKind::NotOnStatement).then_some(2),
        amount: Money::dong(540_000),
        unsettled: (kind == BreakKind::NotOnStatement).then_some(Money::dong(540_000)),
    };
    BreakKind::ALL.map(of_kind).to_vec()
}

/// One of each way, so that each code is on the wire.
fn resolved() -> Vec<ResolvedBreak> {
    let ways = [
        (1, BreakKind::NotInstructed, Resolution::Matched),
        (2, BreakKind::NotInstructed, Resolution::Split),
        (3, BreakKind::DebitedThoughRejected, Resolution::Offset),
        (4, BreakKind::FeeTaken, Resolution::WrittenOff),
        (5, BreakKind::DayDiffers, Resolution::Accepted),
        (6, BreakKind::NotOnStatement, Resolution::ShownLater),
        (7, BreakKind::DebitedWithoutResult, Resolution::LateResult),
    ];
    let settled = |line, was_unsettled| SettledLine {
        end_to_end_id: position(line),
        amount: Money::dong(540_000),
        was_unsettled,
    };
    let way = |(break_no, kind, how)| ResolvedBreak {
        break_no,
        kind,
        how,
        amount: Money::dong(1_080_000),
        lines: if how == Resolution::Split {
            vec![settled(1, true), settled(2, false)]
        } else {
            Vec::new()
        },
    };
    ways.map(way).to_vec()
}

fn applied(line: i32, status: ResultStatus) -> AppliedResult {
    AppliedResult {
        run_no: RUN,
        chunk: CHUNK,
        line: LineNo(line),
        status,
        amount: Money::dong(540_000),
        booked_on: day(),
    }
}

fn result(line: i32, status: ResultStatus, reason: Option<&str>) -> ResultLine {
    ResultLine {
        end_to_end_id: position(line),
        status,
        reason: reason.map(str::to_owned),
        amount: Money::dong(540_000),
        bank_ref: format!("FT26335{line:05}"),
        booked_on: day(),
    }
}

fn position(line: i32) -> Position {
    Position {
        run: RUN,
        part: part(),
        chunk: CHUNK,
        line: LineNo(line),
    }
}

fn part() -> Part {
    Part::try_from(7).expect("one of 16")
}

fn bank() -> Institution {
    institution(970_436)
}

fn institution(number: i32) -> Institution {
    Institution::from_number(number).expect("six digits")
}

fn province() -> Province {
    "79".parse().expect("a province")
}

fn period() -> Period {
    "2026-12".parse().expect("a month")
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, 1).expect("a day")
}

fn sealed(byte: u8) -> Sealed {
    Sealed::from(vec![byte; 41])
}

fn index(byte: u8) -> BlindIndex {
    BlindIndex::try_from(&[byte; 32][..]).expect("32 bytes")
}
