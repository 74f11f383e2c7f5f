use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    Channel, ChunkNo, Institution, LineNo, Money, Officer, Part, Period, PersonNo, Programme,
    Province, RunNo,
};
use privacy::{BlindIndex, Sealed};
use serde::{Deserialize, Serialize};

use crate::eligibility::{WithdrawnLine, withdrawal_key};
use crate::{ACCOUNTS, Fact};

/// Where each line of a determined chunk is to be paid; positions are eligibility's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeesResolved {
    pub run_no: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    pub programme: Programme,
    pub period: Period,
    pub lines: Vec<PayeeLine>,
    pub total: Money,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeeLine {
    pub line: LineNo,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    /// The part of it that the province pays above the national level; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Money>,
    pub province: Province,
    pub rate_no: i32,
    /// The past period whose arrears this is; the run's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    pub channel: Channel,
    pub institution: Institution,
    /// Sealed account number, base64; none for cash. Its context is the person number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Sealed>,
    /// Keyed blind index of the account number, hex; none for cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_index: Option<BlindIndex>,
    /// Sealed name of the holder, base64; its context is the person number.
    pub holder: Sealed,
    /// Whose account it is where that is not the beneficiary's own: a guardian's, a household
    /// head's. Account and holder are then sealed for this person; the debt stays the beneficiary's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee_no: Option<PersonNo>,
    /// Why the line may not be paid yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<PayeeHold>,
    /// Officers who changed where this person is paid and so may not approve or release it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_by: Vec<Officer>,
    /// Where the beneficiary lives, for the list of a commune; told of cash only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commune: Option<i32>,
}

/// A line is owed and has a place, and waits all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayeeHold {
    pub reason: HoldReason,
    /// When it ends by itself; what has none waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HoldReason {
    /// The account was changed lately: the first payment to it waits.
    CoolingOff,
    /// The central bank's feed names the account; somebody looks at it before its deadline.
    Suspicion,
    /// More people are paid to the account than one account may have.
    SharedAccount,
    /// More than the payee's authority allows.
    PayeeLimit,
}

impl HoldReason {
    /// Stable code, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            HoldReason::CoolingOff => "cooling_off",
            HoldReason::Suspicion => "suspicion",
            HoldReason::SharedAccount => "shared_account",
            HoldReason::PayeeLimit => "payee_limit",
        }
    }
}

/// What became of people's links, in the order in which it happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinksChanged {
    pub part: Part,
    pub changes: Vec<LinkChange>,
}

/// One step in the life of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    pub person_no: PersonNo,
    pub link_no: i16,
    /// Steps of a link are numbered from 1.
    pub step: i16,
    /// `ssa` or `benefit_account`.
    pub kind: String,
    pub institution: Institution,
    pub channel: Channel,
    /// `requested`, `pending`, `linked`, `refused`, `expired`, `suspended`, `replaced`, `unlinked`.
    pub state: String,
    /// Why, for what did not go well: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// From when it is so; it may lie before the event.
    pub valid_from: DateTime<Utc>,
    /// The link's place that is told of the change beside this one: the former account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_too: Option<i16>,
}

/// All chunks of a partition are resolved; carries eligibility's control totals on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartResolved {
    pub run_no: RunNo,
    pub part: Part,
    pub chunks: i32,
    pub lines: i64,
    pub total: Money,
    pub not_owed: i64,
}

/// What eligibility withdrew or restored, told on in the order of the lines it concerns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeesWithdrawn {
    pub part: Part,
    pub lines: Vec<WithdrawnLine>,
}

/// The indicators of Decision 826/QĐ-TTg as they stood on a day.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IndicatorsTold {
    pub taken_on: NaiveDate,
    pub places: Vec<IndicatorTold>,
    pub nation: IndicatorTold,
}

/// The indicators of a place: people, never anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorTold {
    /// 0 for the nation, and where the registry does not say.
    pub province: i16,
    /// 0 for a whole province.
    pub commune: i32,
    /// People of the register, and those of them with a social-security account.
    pub people: i64,
    pub linked: i64,
    /// Recipients of the last run of each programme, and how they were paid.
    pub recipients: i64,
    pub by_ssa: i64,
    pub by_cash: i64,
}

impl Fact for IndicatorsTold {
    const NAME: &'static str = "indicators-told.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        Part::ZERO
    }

    fn key(&self) -> String {
        self.taken_on.to_string()
    }
}

impl Fact for PayeesWithdrawn {
    const NAME: &'static str = "payees-withdrawn.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        withdrawal_key(&self.lines)
    }
}

impl Fact for PayeesResolved {
    const NAME: &'static str = "payees-resolved.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}-{:04}", self.run_no, self.part, self.chunk.0)
    }
}

impl Fact for PartResolved {
    const NAME: &'static str = "part-resolved.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}", self.run_no, self.part)
    }
}

impl Fact for LinksChanged {
    const NAME: &'static str = "links-changed.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    /// A step of a link is said once: the first of them tells this message from all others.
    fn key(&self) -> String {
        self.changes.first().map_or_else(String::new, |it| {
            format!("{}/{}/{}", it.person_no.0, it.link_no, it.step)
        })
    }
}
