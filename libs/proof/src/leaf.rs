use serde::{Deserialize, Serialize};

/// What the log holds of one entry. Its JSON, fields in this order and nothing between them, is the
/// leaf's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// What it is evidence of: `journal`, `act`, `message`, …
    pub source: String,
    /// Which one of them; no person is named by it.
    pub key: String,
    pub lane: i16,
    /// Gapless in its lane, from 1.
    pub seq: i64,
    /// Hex, of the tree over a journal's transfers (RFC 6962, salted leaves).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Hex SHA-256 over a salt and the row's content.
    pub commitment: String,
}

impl Leaf {
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers serialize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_leaf_are_a_promise() {
        let leaf = Leaf {
            source: "journal".to_owned(),
            key: "7/12".to_owned(),
            lane: 7,
            seq: 12,
            root: Some("00".repeat(2)),
            commitment: "ff".to_owned(),
        };
        let text = r#"{"source":"journal","key":"7/12","lane":7,"seq":12,"root":"0000","commitment":"ff"}"#;
        assert_eq!(String::from_utf8(leaf.bytes()).unwrap(), text);
        assert_eq!(serde_json::from_str::<Leaf>(text).unwrap(), leaf);
        let act = Leaf { root: None, ..leaf };
        assert!(!String::from_utf8(act.bytes()).unwrap().contains("root"));
    }
}
