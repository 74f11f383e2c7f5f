use chrono::Datelike;
use domain::{Institution, Money, Period, PersonNo, Position, Province};
use ledger::leaf_hash;
use privacy::{BlindIndex, Sealed};

/// One payment of a run.
#[derive(Debug, Clone)]
pub struct Line {
    pub position: Position,
    pub institution: Institution,
    pub person_no: PersonNo,
    pub determination_no: i16,
    /// The past period that it pays; none where it pays the run's own.
    pub arrears_of: Option<Period>,
    pub amount: Money,
    /// The part of it that the province pays from its own fund.
    pub local: Money,
    pub province: Province,
    /// The rate by which it is owed; its law is in eligibility's determination.
    pub rate_no: i32,
    pub account: Option<Sealed>,
    pub account_index: Option<BlindIndex>,
    pub holder: Sealed,
}

/// The leaf of a line in its chunk's tree: who is paid how much and where, so that an approval
/// binds each of them. Fixed width, big-endian; the account stands in by its blind index. Arrears
/// have their first day behind it, so that no line changes its period unseen.
pub fn line_leaf(
    position: Position,
    person_no: PersonNo,
    determination_no: i16,
    arrears_of: Option<Period>,
    amount: Money,
    institution: Institution,
    account_index: Option<&[u8; 32]>,
) -> [u8; 32] {
    let mut bytes = [0; 84];
    bytes[..8].copy_from_slice(&position.run.0.to_be_bytes());
    bytes[8..10].copy_from_slice(&position.part.number().to_be_bytes());
    bytes[10..14].copy_from_slice(&position.chunk.0.to_be_bytes());
    bytes[14..18].copy_from_slice(&position.line.0.to_be_bytes());
    bytes[18..26].copy_from_slice(&person_no.0.to_be_bytes());
    bytes[26..28].copy_from_slice(&determination_no.to_be_bytes());
    bytes[28..44].copy_from_slice(&amount.units().to_be_bytes());
    bytes[44..48].copy_from_slice(&institution.number().to_be_bytes());
    if let Some(index) = account_index {
        bytes[48..80].copy_from_slice(index);
    }
    let Some(period) = arrears_of else {
        return leaf_hash(&bytes[..80]);
    };
    let day = period.first_day().num_days_from_ce();
    bytes[80..].copy_from_slice(&day.to_be_bytes());
    leaf_hash(&bytes)
}

impl Line {
    pub fn leaf(&self) -> [u8; 32] {
        line_leaf(
            self.position,
            self.person_no,
            self.determination_no,
            self.arrears_of,
            self.amount,
            self.institution,
            self.account_index.as_ref().map(BlindIndex::as_bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_tells_arrears_from_the_month_and_one_period_from_another() {
        let leaf = |arrears_of: Option<&str>| {
            line_leaf(
                "R000001-07-0001-0001".parse().unwrap(),
                PersonNo(7),
                1,
                arrears_of.map(|it| it.parse().unwrap()),
                Money::dong(540_000),
                "970436".parse().unwrap(),
                Some(&[3; 32]),
            )
        };
        let leaves = [None, Some("2026-07"), Some("2026-08")].map(leaf);
        assert_ne!(leaves[0], leaves[1]);
        assert_ne!(leaves[1], leaves[2]);
        assert_eq!(leaves[1], leaf(Some("2026-07")));
    }
}
