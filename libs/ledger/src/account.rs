use std::fmt;
use std::str::FromStr;

use domain::{BudgetYear, Institution, Programme, Province, Refusal};

/// What a control account is for; its number opens the account number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Money of the treasury, in its own hands or at an institution.
    TreasuryCash,
    /// What a programme may spend of a budget year: its appropriation, never overspent. With a
    /// province, what that province gives for its own level above the national one.
    ProgrammeFund,
    /// Committed to an approved run, not yet to its lines; of a province's fund apart.
    Commitment,
    /// Owed to beneficiaries; the person sub-ledger hangs here.
    Payable,
    /// Owed to beneficiaries for past periods, shown apart.
    PayableArrears,
    /// Owed to beneficiaries who have not fetched it for months; payable again when they ask.
    Unclaimed,
    /// Handed to an institution, outcome not known yet.
    InTransit,
    /// An institution never answered: not paid, not failed, to be enquired about.
    Unknown,
    /// Credited to beneficiaries, by programme and province.
    Paid,
    /// Credited to beneficiaries for past periods, by programme and province.
    PaidArrears,
    /// Credited, but not owed after all: to be recovered, by programme and province.
    Receivable,
    /// Overpaid, and paid back by the beneficiary: by programme, the institution that took it and so
    /// has it, and province. The other books' cash is what was appropriated, and this is not until
    /// somebody appropriates it: it lies beside treasury cash, and no statement has to show it.
    Repaid,
    /// Overpaid, and given up by decision, by programme and province.
    Forgone,
    /// Recovered beyond what was overpaid, and given to the person by an institution outside of any
    /// run: from the programme's fund, by programme, institution and province.
    GivenBack,
    /// What an institution's statement says it debited.
    SettlementAtBank,
    /// Debits of an institution that match no payment of ours.
    Suspense,
    /// What officers gave up of an institution's suspense; may stand on either side.
    WrittenOff,
}

/// The side on which an account may not be overdrawn, enforced by the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normal {
    Debit,
    Credit,
    /// May stand on either side within one partition.
    Any,
}

/// A control account: a few thousand exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    pub kind: AccountKind,
    pub programme: Option<Programme>,
    pub institution: Option<Institution>,
    pub province: Option<Province>,
    /// Of which budget the money is, until it is somebody's: then the run says so.
    pub year: Option<BudgetYear>,
}

/// An account's number in the chart: kind, programme, institution, province as `KK-PP-IIIIII-VV`.
/// What is not at an institution yet has its budget year there: `20-01-002026-00`. An institution's
/// number has six digits that count, so the two never meet.
///
/// Derived from what the account is, so that no look-up is needed and every database numbers alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNo(pub i64);

impl AccountKind {
    pub const ALL: [AccountKind; 17] = [
        AccountKind::TreasuryCash,
        AccountKind::ProgrammeFund,
        AccountKind::Commitment,
        AccountKind::Payable,
        AccountKind::PayableArrears,
        AccountKind::Unclaimed,
        AccountKind::InTransit,
        AccountKind::Unknown,
        AccountKind::Paid,
        AccountKind::PaidArrears,
        AccountKind::Receivable,
        AccountKind::Repaid,
        AccountKind::Forgone,
        AccountKind::GivenBack,
        AccountKind::SettlementAtBank,
        AccountKind::Suspense,
        AccountKind::WrittenOff,
    ];

    pub fn number(self) -> i64 {
        match self {
            AccountKind::TreasuryCash => 10,
            AccountKind::ProgrammeFund => 20,
            AccountKind::Commitment => 30,
            AccountKind::Payable => 40,
            AccountKind::PayableArrears => 41,
            AccountKind::Unclaimed => 45,
            AccountKind::InTransit => 50,
            AccountKind::Unknown => 55,
            AccountKind::Paid => 60,
            AccountKind::PaidArrears => 61,
            AccountKind::Receivable => 65,
            AccountKind::Repaid => 66,
            AccountKind::Forgone => 67,
            AccountKind::GivenBack => 68,
            AccountKind::SettlementAtBank => 70,
            AccountKind::Suspense => 80,
            AccountKind::WrittenOff => 85,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            AccountKind::TreasuryCash => "treasury cash",
            AccountKind::ProgrammeFund => "programme fund",
            AccountKind::Commitment => "commitment",
            AccountKind::Payable => "payable to beneficiaries",
            AccountKind::PayableArrears => "payable to beneficiaries, arrears",
            AccountKind::Unclaimed => "unclaimed by beneficiaries",
            AccountKind::InTransit => "in transit",
            AccountKind::Unknown => "unknown at institution",
            AccountKind::Paid => "paid",
            AccountKind::PaidArrears => "paid, arrears",
            AccountKind::Receivable => "overpaid, to be recovered",
            AccountKind::Repaid => "overpaid, paid back",
            AccountKind::Forgone => "overpaid, written off",
            AccountKind::GivenBack => "over-recovered, given back",
            AccountKind::SettlementAtBank => "settlement at institution",
            AccountKind::Suspense => "suspense",
            AccountKind::WrittenOff => "written off at institution",
        }
    }

    /// Money that is nobody's yet is that of a budget year.
    fn has_year(self) -> bool {
        matches!(self, AccountKind::ProgrammeFund | AccountKind::Commitment)
    }

    pub fn normal(self) -> Normal {
        match self {
            // Treasury cash and commitments come into one partition and leave from others;
            // suspense, and what is given up of it, may stand on either side.
            AccountKind::TreasuryCash
            | AccountKind::Commitment
            | AccountKind::Suspense
            | AccountKind::WrittenOff => Normal::Any,
            AccountKind::ProgrammeFund
            | AccountKind::Payable
            | AccountKind::PayableArrears
            | AccountKind::Unclaimed
            | AccountKind::InTransit
            | AccountKind::Unknown
            | AccountKind::Paid
            | AccountKind::PaidArrears
            | AccountKind::Receivable
            | AccountKind::Repaid
            | AccountKind::Forgone
            | AccountKind::GivenBack => Normal::Credit,
            AccountKind::SettlementAtBank => Normal::Debit,
        }
    }
}

impl Normal {
    pub fn as_str(self) -> &'static str {
        match self {
            Normal::Debit => "debit",
            Normal::Credit => "credit",
            Normal::Any => "any",
        }
    }
}

impl Account {
    pub fn treasury_cash() -> Account {
        Account::new(AccountKind::TreasuryCash)
    }

    pub fn treasury_cash_at(institution: Institution) -> Account {
        Account {
            institution: Some(institution),
            ..Account::treasury_cash()
        }
    }

    pub fn programme_fund(programme: Programme, year: BudgetYear) -> Account {
        Account {
            programme: Some(programme),
            year: Some(year),
            ..Account::new(AccountKind::ProgrammeFund)
        }
    }

    /// What a province gives for its own level of a programme.
    pub fn programme_fund_of(
        programme: Programme,
        province: Province,
        year: BudgetYear,
    ) -> Account {
        Account {
            province: Some(province),
            ..Account::programme_fund(programme, year)
        }
    }

    pub fn commitment(programme: Programme, year: BudgetYear) -> Account {
        Account {
            programme: Some(programme),
            year: Some(year),
            ..Account::new(AccountKind::Commitment)
        }
    }

    pub fn commitment_of(programme: Programme, province: Province, year: BudgetYear) -> Account {
        Account {
            province: Some(province),
            ..Account::commitment(programme, year)
        }
    }

    pub fn payable(programme: Programme) -> Account {
        Account {
            programme: Some(programme),
            ..Account::new(AccountKind::Payable)
        }
    }

    pub fn payable_arrears(programme: Programme) -> Account {
        Account {
            kind: AccountKind::PayableArrears,
            ..Account::payable(programme)
        }
    }

    pub fn unclaimed(programme: Programme) -> Account {
        Account {
            kind: AccountKind::Unclaimed,
            ..Account::payable(programme)
        }
    }

    pub fn in_transit(programme: Programme, institution: Institution) -> Account {
        Account {
            programme: Some(programme),
            institution: Some(institution),
            ..Account::new(AccountKind::InTransit)
        }
    }

    pub fn unknown(programme: Programme, institution: Institution) -> Account {
        Account {
            kind: AccountKind::Unknown,
            ..Account::in_transit(programme, institution)
        }
    }

    pub fn paid(programme: Programme, province: Province) -> Account {
        Account {
            programme: Some(programme),
            province: Some(province),
            ..Account::new(AccountKind::Paid)
        }
    }

    pub fn paid_arrears(programme: Programme, province: Province) -> Account {
        Account {
            kind: AccountKind::PaidArrears,
            ..Account::paid(programme, province)
        }
    }

    pub fn receivable(programme: Programme, province: Province) -> Account {
        Account {
            kind: AccountKind::Receivable,
            ..Account::paid(programme, province)
        }
    }

    pub fn repaid(programme: Programme, institution: Institution, province: Province) -> Account {
        Account {
            kind: AccountKind::Repaid,
            institution: Some(institution),
            ..Account::paid(programme, province)
        }
    }

    pub fn forgone(programme: Programme, province: Province) -> Account {
        Account {
            kind: AccountKind::Forgone,
            ..Account::paid(programme, province)
        }
    }

    pub fn given_back(
        programme: Programme,
        institution: Institution,
        province: Province,
    ) -> Account {
        Account {
            kind: AccountKind::GivenBack,
            ..Account::repaid(programme, institution, province)
        }
    }

    pub fn settlement(institution: Institution) -> Account {
        Account {
            institution: Some(institution),
            ..Account::new(AccountKind::SettlementAtBank)
        }
    }

    pub fn suspense(institution: Institution) -> Account {
        Account {
            institution: Some(institution),
            ..Account::new(AccountKind::Suspense)
        }
    }

    pub fn written_off(institution: Institution) -> Account {
        Account {
            kind: AccountKind::WrittenOff,
            ..Account::suspense(institution)
        }
    }

    fn new(kind: AccountKind) -> Account {
        Account {
            kind,
            programme: None,
            institution: None,
            province: None,
            year: None,
        }
    }

    pub fn number(self) -> AccountNo {
        let programme = self.programme.map_or(0, |it| i64::from(it.number()));
        let year = self.year.map_or(0, |it| i64::from(it.number()));
        let institution = self.institution.map_or(year, |it| i64::from(it.number()));
        let province = self.province.map_or(0, |it| i64::from(it.number()));
        AccountNo(
            ((self.kind.number() * 100 + programme) * 1_000_000 + institution) * 100 + province,
        )
    }
}

impl AccountNo {
    /// The account behind a number; `None` where the number is in nobody's chart.
    pub fn account(self) -> Option<Account> {
        let (rest, province) = (self.0 / 100, self.0 % 100);
        let (rest, institution) = (rest / 1_000_000, rest % 1_000_000);
        let (kind, programme) = (rest / 100, rest % 100);
        let year = i16::try_from(institution).ok();
        let account = Account {
            kind: AccountKind::ALL
                .into_iter()
                .find(|it| it.number() == kind)?,
            programme: i16::try_from(programme)
                .ok()
                .and_then(Programme::from_number),
            institution: i32::try_from(institution)
                .ok()
                .and_then(Institution::from_number),
            province: i16::try_from(province).ok().and_then(Province::from_number),
            year: year.and_then(BudgetYear::from_number),
        };
        (account.number() == self && account.kind.has_year() == account.year.is_some())
            .then_some(account)
    }
}

impl fmt::Display for AccountNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:012}", self.0);
        write!(
            f,
            "{}-{}-{}-{}",
            &digits[..2],
            &digits[2..4],
            &digits[4..10],
            &digits[10..]
        )
    }
}

impl FromStr for AccountNo {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<AccountNo, Refusal> {
        let digits: String = text.chars().filter(|it| *it != '-').collect();
        let number = (digits.len() == 12 && digits.bytes().all(|it| it.is_ascii_digit()))
            .then(|| AccountNo(digits.parse().expect("12 digits fit in i64")));
        number.filter(|it| it.account().is_some()).ok_or_else(|| {
            Refusal::new(
                "ledger_account_invalid",
                "a ledger account is written 50-01-970436-00",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_what_the_account_is() {
        let bank: Institution = "970436".parse().unwrap();
        let account = Account::in_transit(Programme::SocialPension, bank);
        assert_eq!(account.number().to_string(), "50-01-970436-00");
        assert_eq!(
            "50-01-970436-00".parse::<AccountNo>().unwrap().account(),
            Some(account)
        );
        let paid = Account::paid(Programme::MeritAllowance, "79".parse().unwrap());
        assert_eq!(paid.number().to_string(), "60-04-000000-79");
        assert_eq!(paid.number().account(), Some(paid));
        let arrears = Account::payable_arrears(Programme::SocialPension);
        assert_eq!(arrears.number().to_string(), "41-01-000000-00");
        let (programme, province) = (Programme::MeritLumpSum, "79".parse().unwrap());
        let year = BudgetYear::from_number(2026).unwrap();
        let apart = [
            Account::paid_arrears(programme, province),
            Account::receivable(programme, province),
            Account::repaid(programme, bank, province),
            Account::forgone(programme, province),
            Account::given_back(programme, bank, province),
            Account::programme_fund_of(programme, province, year),
            Account::commitment_of(programme, province, year),
        ];
        let numbers = apart.map(|it| it.number().to_string());
        let expected = [
            "61-14-000000-79",
            "65-14-000000-79",
            "66-14-970436-79",
            "67-14-000000-79",
            "68-14-970436-79",
            "20-14-002026-79",
            "30-14-002026-79",
        ];
        assert_eq!(numbers, expected);
        for account in apart {
            assert_eq!(account.number().account(), Some(account));
        }
        for bad in [
            "",
            "51-01-970436-00",
            "50-99-970436-00",
            "50-01-000001-00",
            "50-01-002026-00",
            "20-01-000000-00",
            "5001970436",
        ] {
            assert_eq!(
                bad.parse::<AccountNo>().unwrap_err().code,
                "ledger_account_invalid",
                "{bad}"
            );
        }
    }
}
