//! Merkle trees with SHA-256, hashed as RFC 6962 says. Pure.
//!
//! A link of the trail commits to the root of a tree. Each leaf has a path to it: for each level, from the leaf
//! upwards, a byte (0 if the sibling is on the left, 1 if it is on the right) and the 32 bytes of the sibling's hash.

use sha2::{Digest, Sha256};
use uuid::Uuid;

type Hash = [u8; 32];

/// The first byte of what is hashed, which keeps a leaf from being taken for an inner node.
const LEAF: u8 = 0;
const NODE: u8 = 1;
/// The first byte of a level of a path.
const LEFT: u8 = 0;
const RIGHT: u8 = 1;
/// Size of a level of a path in bytes.
const LEVEL: usize = 33;
/// Maximum number of levels of a path.
const MAX_LEVELS: usize = 32;

/// Returns the hash of a leaf with this content.
pub fn leaf(content: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([LEAF])
        .chain_update(content)
        .finalize()
        .into()
}

/// Returns the leaf of a report's key: its content is the report's id and SHA-256 of the sealed key.
pub fn leaf_of_key(report: Uuid, sealed: &[u8]) -> Hash {
    leaf(&[report.as_bytes(), &Sha256::digest(sealed)[..]].concat())
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([NODE])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Returns the root of the tree over these leaves, and the path of each, in their order. `None` if there is no leaf.
pub fn tree(leaves: &[Hash]) -> Option<(Hash, Vec<Vec<u8>>)> {
    let mut paths = vec![Vec::new(); leaves.len()];
    let root = grow(leaves, &mut paths)?;
    Some((root, paths))
}

fn grow(leaves: &[Hash], paths: &mut [Vec<u8>]) -> Option<Hash> {
    if leaves.len() < 2 {
        return leaves.first().copied();
    }
    // The largest power of two that is smaller than the number of leaves.
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let (of_left, of_right) = paths.split_at_mut(half);
    let (left, right) = (grow(left, of_left)?, grow(right, of_right)?);
    for (paths, side, sibling) in [(of_left, RIGHT, &right), (of_right, LEFT, &left)] {
        for path in paths {
            path.push(side);
            path.extend_from_slice(sibling);
        }
    }
    Some(node(&left, &right))
}

/// True if `path` leads from `leaf` to `root`.
pub fn leads_to(root: &Hash, leaf: Hash, path: &[u8]) -> bool {
    let levels = path.chunks_exact(LEVEL);
    if !levels.remainder().is_empty() || path.len() > LEVEL * MAX_LEVELS {
        return false;
    }
    let mut hash = leaf;
    for level in levels {
        let Some((side, Ok(sibling))) = level
            .split_first()
            .map(|(side, sibling)| (*side, <&Hash>::try_from(sibling)))
        else {
            return false;
        };
        hash = match side {
            LEFT => node(sibling, &hash),
            RIGHT => node(&hash, sibling),
            _ => return false,
        };
    }
    hash == *root
}

#[cfg(test)]
mod tests;
