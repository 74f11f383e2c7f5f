use chrono::Datelike;
use domain::{Commune, Institution, Money, Period, PersonNo, Position, Province};
use ledger::leaf_hash;
use privacy::{BlindIndex, Sealed};

use crate::recovery::Deduction;
use crate::release::Scope;

/// One payment of a run.
#[derive(Debug, Clone)]
pub struct Line {
    pub position: Position,
    pub institution: Institution,
    pub person_no: PersonNo,
    /// Whose account it is, where that is not the beneficiary's own.
    pub payee_no: Option<PersonNo>,
    pub determination_no: i16,
    /// The past period that it pays; none where it pays the run's own.
    pub arrears_of: Option<Period>,
    /// What is paid: owed less what is deducted.
    pub amount: Money,
    pub deduction: Option<Deduction>,
    /// The part of it that the province pays from its own fund.
    pub local: Money,
    pub province: Province,
    /// The rate by which it is owed; its law is in eligibility's determination.
    pub rate_no: i32,
    pub account: Option<Sealed>,
    pub account_index: Option<BlindIndex>,
    /// Sealed for the payee, as the account is.
    pub holder: Sealed,
    /// Of the beneficiary, for cash lists.
    pub commune: Option<i32>,
}

impl Line {
    /// The places that may be paused with it.
    pub(crate) fn places(&self) -> impl Iterator<Item = Scope> {
        let commune = self.commune.and_then(Commune::from_number);
        [Scope::Province(self.province)]
            .into_iter()
            .chain(commune.map(Scope::Commune))
    }
}

/// Who is paid how much and where, as far as an approval binds it.
#[derive(Debug, Clone, Copy)]
pub struct LineLeaf<'a> {
    pub position: Position,
    pub person_no: PersonNo,
    /// Whose account it is, where that is not the beneficiary's own.
    pub payee_no: Option<PersonNo>,
    pub determination_no: i16,
    /// The past period that it pays; none where it pays the run's own.
    pub arrears_of: Option<Period>,
    pub amount: Money,
    pub institution: Institution,
    pub account_index: Option<&'a [u8; 32]>,
}

/// Marks a payee, so that its form has a length that no other has: 80 bytes, 84 with arrears, 89
/// with a payee, 93 with both.
const PAYEE: u8 = b'P';

impl LineLeaf<'_> {
    /// The leaf in the tree of the line's chunk. Fixed width, big-endian; the account stands in by
    /// its blind index. Arrears have their first day behind it, so that no line changes its period
    /// unseen, and a payee of another number than the beneficiary stands last behind its mark.
    pub fn hash(&self) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(93);
        bytes.extend(self.position.run.0.to_be_bytes());
        bytes.extend(self.position.part.number().to_be_bytes());
        bytes.extend(self.position.chunk.0.to_be_bytes());
        bytes.extend(self.position.line.0.to_be_bytes());
        bytes.extend(self.person_no.0.to_be_bytes());
        bytes.extend(self.determination_no.to_be_bytes());
        bytes.extend(self.amount.units().to_be_bytes());
        bytes.extend(self.institution.number().to_be_bytes());
        bytes.extend(self.account_index.unwrap_or(&[0; 32]));
        if let Some(period) = self.arrears_of {
            bytes.extend(period.first_day().num_days_from_ce().to_be_bytes());
        }
        if let Some(payee_no) = self.payee_no {
            bytes.push(PAYEE);
            bytes.extend(payee_no.0.to_be_bytes());
        }
        leaf_hash(&bytes)
    }
}

impl Line {
    pub fn leaf(&self) -> [u8; 32] {
        let leaf = LineLeaf {
            position: self.position,
            person_no: self.person_no,
            payee_no: self.payee_no,
            determination_no: self.determination_no,
            arrears_of: self.arrears_of,
            amount: self.amount,
            institution: self.institution,
            account_index: self.account_index.as_ref().map(BlindIndex::as_bytes),
        };
        leaf.hash()
    }

    /// For whom account and holder are sealed.
    pub(crate) fn sealed_for(&self) -> [u8; 8] {
        self.payee_no.unwrap_or(self.person_no).0.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn leaf() -> LineLeaf<'static> {
        LineLeaf {
            position: "R000001-07-0001-0001".parse().unwrap(),
            person_no: PersonNo(7),
            payee_no: None,
            determination_no: 1,
            arrears_of: None,
            amount: Money::dong(540_000),
            institution: "970436".parse().unwrap(),
            account_index: Some(&[3; 32]),
        }
    }

    #[test]
    fn lines_that_differ_in_period_or_payee_have_leaves_of_their_own() {
        let periods = [None, Some("2026-07"), Some("2026-08")];
        // The last two run into the bytes of a period if nothing stands between them.
        let payees = [None, Some(7), Some(23), Some(1 << 32), Some(739_798 << 32)];
        let mut leaves = BTreeSet::new();
        for arrears_of in periods {
            for payee_no in payees {
                let line = LineLeaf {
                    arrears_of: arrears_of.map(|it| it.parse().unwrap()),
                    payee_no: payee_no.map(PersonNo),
                    ..leaf()
                };
                assert_eq!(line.hash(), line.hash());
                leaves.insert(line.hash());
            }
        }
        assert_eq!(leaves.len(), periods.len() * payees.len());
    }

    /// What was approved stays what was approved: these bytes never change.
    #[test]
    fn the_leaf_of_the_monthly_line_is_as_it_always_was() {
        assert_eq!(
            hex::encode(leaf().hash()),
            "33889234961a7ec622696bb726649cfe7d38e4febbb6f9634b24f1bc92489ae4"
        );
    }
}
