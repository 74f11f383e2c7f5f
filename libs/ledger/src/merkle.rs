use std::fmt;

use ring::digest::{Context, SHA256, digest};

/// A SHA-256 Merkle tree hash (RFC 6962, section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Root(pub [u8; 32]);

impl Root {
    pub fn from_slice(bytes: &[u8]) -> Option<Root> {
        bytes.try_into().ok().map(Root)
    }

    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Leaves and nodes are hashed apart (0x00, 0x01), so that neither can pose as the other.
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    sha256(&[&[0], leaf])
}

/// SHA-256 (FIPS 180-4) of the parts one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let hash = context.finish();
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The same of bytes that lie together.
pub(crate) fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The root over leaf hashes in their order; of none, the hash of the empty string.
pub fn merkle_root(leaves: impl IntoIterator<Item = [u8; 32]>) -> Root {
    // Roots of full subtrees from the left, each smaller than the one before, as in a binary
    // counter; the tree of RFC 6962 is their fold from the right. Memory stays logarithmic.
    let mut subtrees: Vec<(u32, [u8; 32])> = Vec::new();
    for leaf in leaves {
        let (mut height, mut hash) = (0, leaf);
        while let Some((left_height, left)) = subtrees.last().copied() {
            if left_height != height {
                break;
            }
            subtrees.pop();
            hash = node_hash(&left, &hash);
            height += 1;
        }
        subtrees.push((height, hash));
    }
    let folded = subtrees
        .into_iter()
        .rev()
        .map(|(_, hash)| hash)
        .reduce(|right, left| node_hash(&left, &right));
    Root(folded.unwrap_or_else(|| sha256(&[])))
}

fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut node = [1; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    sha256_of(&node)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, section 2.1, word by word.
    fn by_definition(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let split = (many.len().next_power_of_two() / 2).min(many.len() - 1);
                node_hash(
                    &by_definition(&many[..split]),
                    &by_definition(&many[split..]),
                )
            }
        }
    }

    #[test]
    fn the_streamed_root_is_the_root_of_the_rfc() {
        let leaves: Vec<[u8; 32]> = (0u8..70).map(|it| leaf_hash(&[it])).collect();
        for count in 0..leaves.len() {
            let streamed = merkle_root(leaves[..count].iter().copied());
            assert_eq!(
                streamed.0,
                by_definition(&leaves[..count]),
                "{count} leaves"
            );
        }
    }

    #[test]
    fn the_published_test_vectors_hold() {
        // certificate-transparency reference vectors: the empty tree and the leaf of no bytes.
        assert_eq!(
            merkle_root([]).hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            merkle_root([leaf_hash(&[])]).hex(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
