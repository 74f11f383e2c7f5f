use domain::{Institution, Money, PersonNo, Position, Province};
use ledger::leaf_hash;
use privacy::{BlindIndex, Sealed};

/// One payment of a run.
#[derive(Debug, Clone)]
pub struct Line {
    pub position: Position,
    pub institution: Institution,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    pub province: Province,
    /// The rate by which it is owed; its law is in eligibility's determination.
    pub rate_no: i32,
    pub account: Option<Sealed>,
    pub account_index: Option<BlindIndex>,
    pub holder: Sealed,
}

/// The leaf of a line in its chunk's tree: who is paid how much and where, so that an approval
/// binds each of them. Fixed width, big-endian; the account stands in by its blind index.
pub fn line_leaf(
    position: Position,
    person_no: PersonNo,
    determination_no: i16,
    amount: Money,
    institution: Institution,
    account_index: Option<&[u8; 32]>,
) -> [u8; 32] {
    let mut bytes = [0; 80];
    bytes[..8].copy_from_slice(&position.run.0.to_be_bytes());
    bytes[8..10].copy_from_slice(&position.part.number().to_be_bytes());
    bytes[10..14].copy_from_slice(&position.chunk.0.to_be_bytes());
    bytes[14..18].copy_from_slice(&position.line.0.to_be_bytes());
    bytes[18..26].copy_from_slice(&person_no.0.to_be_bytes());
    bytes[26..28].copy_from_slice(&determination_no.to_be_bytes());
    bytes[28..44].copy_from_slice(&amount.units().to_be_bytes());
    bytes[44..48].copy_from_slice(&institution.number().to_be_bytes());
    if let Some(index) = account_index {
        bytes[48..].copy_from_slice(index);
    }
    leaf_hash(&bytes)
}

impl Line {
    pub fn leaf(&self) -> [u8; 32] {
        line_leaf(
            self.position,
            self.person_no,
            self.determination_no,
            self.amount,
            self.institution,
            self.account_index.as_ref().map(BlindIndex::as_bytes),
        )
    }
}
