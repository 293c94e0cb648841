//! Checkpoints: the size and the root of the tree, signed, as C2SP's tlog-checkpoint and signed-note have them.

use std::str::FromStr;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::AuditError;
use crate::tree::Hash;

/// The kind of a signature in a note: Ed25519.
const ED25519_KIND: u8 = 1;

/// What a note says of the first entries of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They are sealed.
    Checkpoint,
    /// They may be gone: retention has forgotten them.
    Forgotten,
}

impl Kind {
    /// The first line of a note: one is never taken for another.
    fn first_line(self, origin: &str) -> String {
        match self {
            Self::Checkpoint => origin.to_owned(),
            Self::Forgotten => format!("{origin}/forgotten"),
        }
    }
}

/// How far the log goes, and what its tree's root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries are sealed.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What signs checkpoints, under the name of the log.
pub struct Signer {
    origin: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// A signer whose key is derived from a secret of any length. The origin is the name of the log: no spaces, no `+`.
    ///
    /// # Errors
    /// [`AuditError::Key`] for an origin that a note cannot carry.
    pub fn new(secret: &Secret, origin: &str) -> Result<Self, AuditError> {
        if origin.is_empty()
            || origin.chars().any(|letter| letter.is_whitespace() || letter == '+' || letter.is_control())
        {
            return Err(AuditError::Key("the name of the log has to have letters, and no spaces or `+`"));
        }
        let seed = Sha256::new().chain_update("pando audit checkpoint\n").chain_update(secret.expose()).finalize();
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| AuditError::Key("it gives no Ed25519 key"))?;
        Ok(Self { origin: origin.to_owned(), pair })
    }

    /// The four bytes that name the key in notes.
    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.origin)
            .chain_update([b'\n', ED25519_KIND])
            .chain_update(self.pair.public_key().as_ref())
            .finalize();
        let mut id = [0; 4];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        id
    }

    /// The key with which others check checkpoints, as Go's `note` package writes it: `name+id+key`.
    pub fn verifier_key(&self) -> String {
        let id: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        let key: Vec<u8> =
            std::iter::once(ED25519_KIND).chain(self.pair.public_key().as_ref().iter().copied()).collect();
        format!("{}+{id}+{}", self.origin, STANDARD.encode(key))
    }

    /// The note of a checkpoint.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        self.sign_as(Kind::Checkpoint, checkpoint)
    }

    pub(crate) fn sign_as(&self, kind: Kind, checkpoint: &Checkpoint) -> String {
        let first = kind.first_line(&self.origin);
        let text = format!("{first}\n{}\n{}\n", checkpoint.size, STANDARD.encode(checkpoint.root));
        let signature = self.pair.sign(text.as_bytes());
        let signed: Vec<u8> = self.id().into_iter().chain(signature.as_ref().iter().copied()).collect();
        format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signed))
    }

    /// The checkpoint of a note, if this key has signed it.
    ///
    /// # Errors
    /// [`AuditError::Note`] with what is wrong with it.
    pub fn open(&self, note: &str) -> Result<Checkpoint, AuditError> {
        self.verifier().open(note)
    }

    /// What checks notes without being able to sign any.
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier { origin: self.origin.clone(), id: self.id(), key: self.pair.public_key().as_ref().to_vec() }
    }
}

/// What checks checkpoints: the name of the log and its public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    origin: String,
    id: [u8; 4],
    key: Vec<u8>,
}

impl FromStr for NoteVerifier {
    type Err = AuditError;

    /// Reads a key as [`Signer::verifier_key`] writes it: `name+id+key`.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        let wrong = || AuditError::Key("it has to look like name+12345678+base64");
        let mut parts = text.trim().splitn(3, '+');
        let (origin, id, key) = (parts.next(), parts.next(), parts.next());
        let (origin, id, key) =
            origin.zip(id).zip(key).map(|((origin, id), key)| (origin, id, key)).ok_or_else(wrong)?;
        let id = u32::from_str_radix(id, 16).map_err(|_| wrong())?.to_be_bytes();
        let key = STANDARD.decode(key).map_err(|_| wrong())?;
        match key.split_first() {
            Some((&ED25519_KIND, key)) if key.len() == 32 => {
                Ok(Self { origin: origin.to_owned(), id, key: key.to_vec() })
            }
            _ => Err(AuditError::Key("it is no Ed25519 key")),
        }
    }
}

impl NoteVerifier {
    /// The checkpoint of a note, if this key has signed it.
    ///
    /// # Errors
    /// [`AuditError::Note`] with what is wrong with it.
    pub fn open(&self, note: &str) -> Result<Checkpoint, AuditError> {
        self.open_as(Kind::Checkpoint, note)
    }

    pub(crate) fn open_as(&self, kind: Kind, note: &str) -> Result<Checkpoint, AuditError> {
        let wrong = |what: &'static str| AuditError::Note(what);
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(AuditError::Form("it has no signature"))?;
        let text = format!("{text}\n");
        let named = format!("\u{2014} {} ", self.origin);
        let signature = signatures.lines().find_map(|line| line.strip_prefix(&named));
        let signature = signature.ok_or(wrong("it is not signed under the name of this log"))?;
        let signature = STANDARD.decode(signature).map_err(|_| wrong("its signature is not base64"))?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or(wrong("its signature is too short"))?;
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        if *id != self.id || key.verify(text.as_bytes(), signature).is_err() {
            return Err(wrong("it was not signed with this key"));
        }
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let size = size.and_then(|size| size.parse().ok()).ok_or(wrong("it names no size"))?;
        let root = root.and_then(|root| STANDARD.decode(root).ok()).and_then(|root| root.try_into().ok());
        match origin == Some(&*kind.first_line(&self.origin)) {
            true => Ok(Checkpoint { size, root: root.ok_or(wrong("it names no root"))? }),
            false => Err(wrong("it is of another log")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_note_says_what_was_signed_and_nothing_else_is_taken() {
        let signer = Signer::new(&Secret::new("a secret"), "pando.example/audit").unwrap();
        let checkpoint = Checkpoint { size: 7, root: [9; 32] };
        let note = signer.sign(&checkpoint);
        assert_eq!(signer.open(&note).unwrap(), checkpoint);
        assert!(signer.open(&note.replace("\n7\n", "\n8\n")).is_err());
        let other = Signer::new(&Secret::new("another"), "pando.example/audit").unwrap();
        assert!(other.open(&note).is_err());
        let forgotten = signer.sign_as(Kind::Forgotten, &checkpoint);
        assert_eq!(signer.verifier().open_as(Kind::Forgotten, &forgotten).unwrap(), checkpoint);
        assert!(signer.open(&forgotten).is_err() && signer.verifier().open_as(Kind::Forgotten, &note).is_err());
        assert!(signer.open("").is_err());
        assert!(Signer::new(&Secret::new("a secret"), "with space").is_err());
        let key = signer.verifier_key();
        assert!(key.starts_with("pando.example/audit+") && key.split('+').count() >= 3, "{key}");
        let verifier: NoteVerifier = key.parse().unwrap();
        assert_eq!(verifier, signer.verifier());
        assert_eq!(verifier.open(&note).unwrap(), checkpoint);
        for wrong in ["", "a+b+c", "a+00000000+AA==", &key.replace('+', "-")] {
            assert!(wrong.parse::<NoteVerifier>().is_err(), "{wrong}");
        }
    }
}
