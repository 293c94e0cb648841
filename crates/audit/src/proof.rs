//! Proofs that an entry stands in the log: C2SP's tlog-proof, with the entry itself as its extra data. Who has one and the public key
//! of the log needs nothing else.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use store::{OwnStep, Store};

use crate::AuditError;
use crate::checkpoint::{Checkpoint, NoteVerifier};
use crate::entry::Entry;
use crate::head::read_head;
use crate::page::ask;
use crate::tables::{ENTRY, LAST_CHECKPOINT};
use crate::tree::{Edge, Hash, leaf, node};
use crate::verify::{Report, read_places};

/// The first line of a proof.
const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes of a proof: one for each level of a tree of 2^63 entries.
const MOST_HASHES: usize = 63;

/// What a proof says.
#[derive(Debug, Clone, PartialEq)]
pub struct Proven {
    /// The entry, as it was hashed: `[id, transaction_number, at, action, relation, key, change, context]`.
    pub entry: Value,
    /// Its place in the log, from 0.
    pub index: u64,
    /// The checkpoint of the tree that it stands in.
    pub checkpoint: Checkpoint,
}

/// The newest checkpoint, signed; `None` where nothing is sealed yet.
///
/// # Errors
/// What the store meets.
pub async fn newest_checkpoint(store: &dyn Store) -> Result<Option<String>, AuditError> {
    let answer = ask(store, OwnStep::new(LAST_CHECKPOINT, [])).await?;
    Ok(answer.first().map(|row| row.get::<String>("note")).transpose()?)
}

/// The proof that an entry stands in the log, as text.
///
/// # Errors
/// [`AuditError::Unproven`] where it cannot be proved, with the reason; what the store meets.
pub async fn prove(store: &dyn Store, id: i64) -> Result<String, AuditError> {
    let unproven = |problem: String| AuditError::Unproven { id, problem };
    let answer = ask(store, OwnStep::new(ENTRY, [id.into()])).await?;
    let Some(row) = answer.first() else { return Err(unproven("there is no such entry".to_owned())) };
    let entry = Entry::of(row)?;
    let mut report = Report::default();
    let head = read_head(store).await?;
    let places = read_places(store, head.as_ref(), &mut report).await?;
    if let Some(finding) = report.findings.first() {
        return Err(AuditError::Unsound { id, problem: format!("{finding}; `pando audit verify` says what is wrong") });
    }
    let Some(index) = places.iter().position(|(other, _)| *other == id) else {
        return Err(unproven("it is not sealed yet".to_owned()));
    };
    let note = newest_checkpoint(store).await?.ok_or_else(|| unproven("there is no checkpoint".to_owned()))?;
    let hashes: Vec<Hash> = places.into_iter().map(|(_, hash)| hash).collect();
    if hashes.get(index) != Some(&entry.hash()) {
        return Err(AuditError::Unsound { id, problem: "it is not as it was sealed".to_owned() });
    }
    // Sealed meanwhile: the checkpoint has to be of the tree that was read.
    let size: Option<usize> = note.lines().nth(1).and_then(|size| size.parse().ok());
    if size != Some(hashes.len()) {
        return Err(unproven("the log has grown meanwhile; ask again".to_owned()));
    }
    let mut text = format!("{HEAD}\nextra {}\nindex {index}\n", STANDARD.encode(entry.bytes()));
    for hash in path(&hashes, index) {
        // Writing into a text does not fail.
        let _infallible = writeln!(text, "{}", STANDARD.encode(hash));
    }
    text.push('\n');
    text.push_str(&note);
    Ok(text)
}

/// Checks a proof, without a database.
///
/// # Errors
/// [`AuditError::Note`] with what is wrong with it.
pub fn check(text: &str, verifier: &NoteVerifier) -> Result<Proven, AuditError> {
    let wrong = AuditError::Note;
    let (proof, note) = text.split_once("\n\n").ok_or(AuditError::Form("the proof has no checkpoint"))?;
    let mut lines = proof.lines();
    if lines.next() != Some(HEAD) {
        return Err(AuditError::Form("it is no proof of the form c2sp.org/tlog-proof@v1"));
    }
    let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(wrong("the proof has no entry"))?;
    let bytes = STANDARD.decode(extra).map_err(|_| wrong("the entry of the proof is not base64"))?;
    let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(|index| index.parse().ok());
    let index: u64 = index.ok_or(wrong("the proof names no place"))?;
    let mut hashes = Vec::new();
    for line in lines.take(MOST_HASHES + 1) {
        let hash = STANDARD.decode(line).ok().and_then(|hash| Hash::try_from(hash).ok());
        hashes.push(hash.ok_or(wrong("a hash of the proof is none"))?);
    }
    let checkpoint = verifier.open(note)?;
    if root_of(leaf(&bytes), index, checkpoint.size, &hashes) != Some(checkpoint.root) {
        return Err(wrong("the entry does not stand at this place in the log of the checkpoint"));
    }
    let entry = serde_json::from_slice(&bytes).map_err(|_| wrong("the entry of the proof is not JSON"))?;
    Ok(Proven { entry, index, checkpoint })
}

/// The hashes beside the way from a leaf to the root (RFC 6962, 2.1.1), from the leaf upwards.
fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    // The largest power of two below the size.
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let (mut hashes, other) = if index < half { (path(left, index), right) } else { (path(right, index - half), left) };
    let mut edge = Edge::default();
    other.iter().for_each(|hash| edge.add(*hash));
    hashes.push(edge.root());
    hashes
}

/// The root that a leaf and the hashes beside its way give (RFC 9162, 2.1.3.2); `None` where their number does not fit.
fn root_of(leaf: Hash, index: u64, size: u64, hashes: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut place, mut last, mut root) = (index, size - 1, leaf);
    for hash in hashes {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            root = node(hash, &root);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            root = node(&root, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use base::Secret;

    use super::*;
    use crate::Signer;

    #[test]
    fn every_leaf_of_every_tree_can_be_proved_and_nothing_else() {
        let signer = Signer::new(&Secret::new("a secret"), "pando.example/audit").unwrap();
        let inputs: Vec<String> = (0..40).map(|number| format!("[{number}]")).collect();
        let leaves: Vec<Hash> = inputs.iter().map(|input| leaf(input.as_bytes())).collect();
        for size in 1..=leaves.len() {
            let mut edge = Edge::default();
            leaves[..size].iter().for_each(|hash| edge.add(*hash));
            let checkpoint = Checkpoint { size: size as u64, root: edge.root() };
            let note = signer.sign(&checkpoint);
            for index in 0..size {
                let hashes = path(&leaves[..size], index);
                let lines: String = hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
                let proof = |index: usize, input: &str| {
                    format!("{HEAD}\nextra {}\nindex {index}\n{lines}\n{note}", STANDARD.encode(input))
                };
                let proven = check(&proof(index, &inputs[index]), &signer.verifier()).unwrap();
                assert_eq!((proven.index, &proven.checkpoint), (index as u64, &checkpoint));
                assert!(check(&proof(index, "[99]"), &signer.verifier()).is_err());
                assert!(check(&proof(index + 1, &inputs[index]), &signer.verifier()).is_err());
                if let Some((_, fewer)) = hashes.split_last() {
                    assert_eq!(root_of(leaves[index], index as u64, size as u64, fewer), None);
                }
            }
        }
        for wrong in ["", "c2sp.org/tlog-proof@v1\n\n", &format!("{HEAD}\nextra !\nindex 0\n\nx")] {
            assert!(check(wrong, &signer.verifier()).is_err(), "{wrong}");
        }
    }
}
