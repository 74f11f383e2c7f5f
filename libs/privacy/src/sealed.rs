use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A value that only the holder of the keys can read.
///
/// Bytes: key version (1) | nonce (12) | ciphertext | tag (16), so 29 more than the clear text.
/// As text (JSON) it is standard base64. Bytes from outside are taken as they are; whether they
/// are whole is found out by [`Keys::open`](crate::Keys::open).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The version of the key that sealed it; `None` where there are no bytes at all.
    pub fn version(&self) -> Option<u8> {
        self.0.first().copied()
    }
}

impl From<Vec<u8>> for Sealed {
    fn from(bytes: Vec<u8>) -> Sealed {
        Sealed(bytes)
    }
}

impl From<Sealed> for Vec<u8> {
    fn from(sealed: Sealed) -> Vec<u8> {
        sealed.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map(Sealed)
            .map_err(|_| de::Error::custom("a sealed value is base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_travels_as_base64() {
        let sealed = Sealed::from(vec![1, 2, 255]);
        let json = serde_json::to_string(&sealed).unwrap();
        assert_eq!(json, "\"AQL/\"");
        assert_eq!(serde_json::from_str::<Sealed>(&json).unwrap(), sealed);
        serde_json::from_str::<Sealed>("\"not base64!\"").unwrap_err();
    }
}
