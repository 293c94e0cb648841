//! The Merkle tree of RFC 6962, section 2.1, by its right edge: what is needed to add to it and to know its root.

use sha2::{Digest, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The hash of an entry: a zero byte before its bytes.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of two hashes: a one before them.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The perfect trees that a tree consists of, the largest first: one for each bit of its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    trees: Vec<(u32, Hash)>,
}

impl Edge {
    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of an entry at its end.
    pub fn add(&mut self, entry: Hash) {
        self.size += 1;
        self.add_tree(0, entry);
    }

    /// Adds a perfect tree of 2^height entries, which has to be at a place for it.
    pub fn add_perfect(&mut self, height: u32, root: Hash) {
        self.size += 1_u64.checked_shl(height).unwrap_or(0);
        self.add_tree(height, root);
    }

    fn add_tree(&mut self, mut height: u32, mut root: Hash) {
        while let Some((_, before)) = self.trees.pop_if(|(other, _)| *other == height) {
            root = node(&before, &root);
            height += 1;
        }
        self.trees.push((height, root));
    }

    /// The root; that of the empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        let mut trees = self.trees.iter().rev().map(|(_, root)| *root);
        match trees.next() {
            None => Sha256::digest([]).into(),
            Some(last) => trees.fold(last, |right, left| node(&left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn hexadecimal(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency, merkle_tree_test.cc).
    #[test]
    fn roots_are_those_of_the_reference() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut edge = Edge::default();
        assert_eq!(hexadecimal(&edge.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (input, root) in inputs.iter().zip(roots) {
            edge.add(leaf(input));
            assert_eq!(hexadecimal(&edge.root()), root);
        }
    }

    #[test]
    fn perfect_trees_may_be_added_at_once() {
        let leaves: Vec<Hash> = (0_u8..11).map(|number| leaf(&[number])).collect();
        let mut one_by_one = Edge::default();
        leaves.iter().for_each(|entry| one_by_one.add(*entry));
        let mut eight = Edge::default();
        leaves[..8].iter().for_each(|entry| eight.add(*entry));
        let mut edge = Edge::default();
        edge.add_perfect(3, eight.root());
        leaves[8..].iter().for_each(|entry| edge.add(*entry));
        assert_eq!(edge, one_by_one);
    }
}
