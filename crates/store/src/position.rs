//! Positions: how far the data had come when a write was done, as the client carries it (`Pando-Position`). Whoever shows one
//! is not shown anything older, whichever node and replica answers; no node remembers anything.

use std::fmt;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The form of the token; one of another form is taken for one of another key.
const VERSION: u8 = 1;
/// Version, system, timeline, point.
const CONTENT: usize = 1 + 8 + 4 + 8;
/// Half of an HMAC-SHA-256: RFC 2104, section 5 allows no less.
const SIGNATURE: usize = 16;
const TOKEN: usize = CONTENT + SIGNATURE;
/// What keys are made for, so that one that serves something else as well signs nothing that counts there.
const PURPOSE: &[u8] = b"pando position 1";

/// A point in the history of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which database: PostgreSQL's system identifier.
    pub(crate) system: u64,
    /// Which of its histories: each promotion begins another.
    pub(crate) timeline: u32,
    /// How far: PostgreSQL's LSN.
    pub(crate) point: u64,
}

impl Position {
    /// Of a write whose point could not be asked for: it is on no timeline, so only the primary will do.
    pub(crate) const fn unknown(system: u64) -> Self {
        Self { system, timeline: 0, point: u64::MAX }
    }
}

/// A position as clients see it: opaque, and signed.
#[derive(Clone, PartialEq, Eq)]
pub struct PositionToken([u8; TOKEN]);

impl PositionToken {
    /// Reads one; `None` for a text that cannot be one. Whether it is genuine is not asked yet.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; TOKEN];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == TOKEN).then_some(Self(bytes))
    }
}

impl fmt::Display for PositionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PositionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PositionToken({self})")
    }
}

/// What signs positions, so that no client can name one that is never reached. All nodes have the same.
#[derive(Clone)]
pub struct PositionKey(Hmac<Sha256>);

impl PositionKey {
    /// The key that follows from a secret, which may serve other purposes as well.
    pub fn new(secret: &Secret) -> Self {
        let derived = mac(secret.expose().as_bytes()).chain_update(PURPOSE).finalize().into_bytes();
        Self(mac(&derived))
    }

    /// The token of a position.
    pub(crate) fn sign(&self, position: Position) -> PositionToken {
        let mut token = [0; TOKEN];
        let (content, signature) = token.split_at_mut(CONTENT);
        let numbers = [
            &[VERSION][..],
            &position.system.to_be_bytes(),
            &position.timeline.to_be_bytes(),
            &position.point.to_be_bytes(),
        ];
        content.copy_from_slice(&numbers.concat());
        let full = self.0.clone().chain_update(&*content).finalize().into_bytes();
        signature.iter_mut().zip(full).for_each(|(place, byte)| *place = byte);
        PositionToken(token)
    }

    /// The position of a token; `None` for one that another key has signed.
    pub(crate) fn verify(&self, token: &PositionToken) -> Option<Position> {
        let (content, signature) = token.0.split_at_checked(CONTENT)?;
        self.0.clone().chain_update(content).verify_truncated_left(signature).ok()?;
        let (version, content) = content.split_first()?;
        let (system, content) = content.split_first_chunk()?;
        let (timeline, content) = content.split_first_chunk()?;
        let (point, _) = content.split_first_chunk()?;
        (*version == VERSION).then(|| Position {
            system: u64::from_be_bytes(*system),
            timeline: u32::from_be_bytes(*timeline),
            point: u64::from_be_bytes(*point),
        })
    }
}

impl fmt::Debug for PositionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PositionKey")
    }
}

#[allow(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any length is a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Position = Position { system: 7_710_874_590_585_160_115, timeline: 2, point: 0x4563_6398 };

    fn key(secret: &str) -> PositionKey {
        PositionKey::new(&Secret::new(secret))
    }

    #[test]
    fn what_was_signed_is_read() {
        let token = key("one").sign(SOME);
        let text = token.to_string();
        assert_eq!(PositionToken::parse(&text), Some(token.clone()));
        assert_eq!(key("one").verify(&token), Some(SOME));
        assert_eq!(key("other").verify(&token), None);
    }

    #[test]
    fn whatever_is_changed_counts_no_more() {
        let token = key("one").sign(SOME);
        for place in 0..TOKEN {
            let mut changed = token.clone();
            changed.0[place] ^= 1;
            assert_eq!(key("one").verify(&changed), None, "{place}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        let token = key("one").sign(SOME).to_string();
        for text in ["", "x", "0/4563398", &token[1..], &format!("{token}A"), &token.replace(&token[..1], "*")] {
            assert_eq!(PositionToken::parse(text), None, "{text}");
        }
    }
}
