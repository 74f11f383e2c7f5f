use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::PrivacyError;

/// The keyed fingerprint by which a row is found without opening it.
///
/// Full 32 bytes of HMAC-SHA256, never cut short. As text (JSON) it is 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlindIndex([u8; 32]);

impl BlindIndex {
    pub(crate) fn new(bytes: [u8; 32]) -> BlindIndex {
        BlindIndex(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for BlindIndex {
    type Error = PrivacyError;

    fn try_from(bytes: &[u8]) -> Result<BlindIndex, PrivacyError> {
        <[u8; 32]>::try_from(bytes)
            .map(BlindIndex)
            .map_err(|_| PrivacyError::IndexLength { found: bytes.len() })
    }
}

impl From<BlindIndex> for Vec<u8> {
    fn from(index: BlindIndex) -> Vec<u8> {
        index.0.to_vec()
    }
}

/// The first bytes only: enough to compare two in a log, too little to look one up.
impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndex({}••)", hex::encode(&self.0[..3]))
    }
}

impl Serialize for BlindIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for BlindIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BlindIndex, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| de::Error::custom("a blind index is 64 hex digits"))?;
        Ok(BlindIndex(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_back_from_bytes_and_json() {
        let index = BlindIndex::new([0xab; 32]);
        let bytes: Vec<u8> = index.into();
        assert_eq!(BlindIndex::try_from(&bytes[..]).unwrap(), index);

        let json = serde_json::to_string(&index).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(32)));
        assert_eq!(serde_json::from_str::<BlindIndex>(&json).unwrap(), index);
    }

    #[test]
    fn an_index_cut_short_is_refused() {
        let error = BlindIndex::try_from(&[0_u8; 31][..]).unwrap_err();
        assert_eq!(error.to_string(), "a blind index is 32 bytes, not 31");
        serde_json::from_str::<BlindIndex>("\"abcd\"").unwrap_err();
    }

    #[test]
    fn debug_shows_too_little_to_look_a_person_up() {
        assert_eq!(
            format!("{:?}", BlindIndex::new([0x0f; 32])),
            "BlindIndex(0f0f0f••)"
        );
    }
}
