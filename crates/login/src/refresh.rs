//! Refresh tokens: no row of their own, only a counter of their session. A token is the session, the counter and a signature
//! of both; who makes its successor makes the same one, whenever he does.

use base::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::DerivedKey;
use uuid::Uuid;

use crate::settings::GRACE;

/// What the key of refresh tokens is derived for.
pub(crate) const PURPOSE: &str = "refresh tokens";

/// The bytes of a token: the session's UUID, the counter, and half of an HMAC-SHA256.
const SESSION: usize = 16;
const COUNTER: usize = 8;
const SIGNATURE: usize = 16;

/// A token that was made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session.
    pub session: Uuid,
    /// Which one of its tokens, from 1.
    pub counter: i64,
}

impl RefreshToken {
    /// Its text: 54 characters.
    pub fn text(&self, key: &DerivedKey) -> String {
        let mut bytes = Vec::with_capacity(SESSION + COUNTER + SIGNATURE);
        bytes.extend(self.session.as_bytes());
        bytes.extend(self.counter.to_be_bytes());
        bytes.extend(self.signature(key));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; `None` for what was not made with this key. No database is asked.
    pub fn read(text: &str, key: &DerivedKey) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_first_chunk::<SESSION>()?;
        let (counter, signature) = rest.split_first_chunk::<COUNTER>()?;
        let token = Self { session: Uuid::from_bytes(*session), counter: i64::from_be_bytes(*counter) };
        same(signature, &token.signature(key)).then_some(token)
    }

    fn signature(&self, key: &DerivedKey) -> [u8; SIGNATURE] {
        let whole = key.mac(&[self.session.as_bytes(), &self.counter.to_be_bytes()]);
        let mut half = [0; SIGNATURE];
        half.copy_from_slice(whole.split_at(SIGNATURE).0);
        half
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// What the database knows of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The counter of its latest token.
    pub counter: i64,
    /// When the latest token took the place of the one before.
    pub rotated: Option<Timestamp>,
    /// When the session ends, whatever happens.
    pub not_after: Option<Timestamp>,
}

/// What is to be done with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is the latest one: the next takes its place, if the counter is still this one then.
    Rotate,
    /// The latest one is given: it was made a moment ago, or the one before it was used a moment ago. So nobody who asked while
    /// another did comes two tokens late.
    Again,
    /// It was used before: somebody has it who should not. The whole session ends.
    Reused,
    /// The session has ended by itself.
    Expired,
    /// It is younger than all that were given: the database was set back.
    Unknown,
}

/// What is to be done with a token at `now`.
pub fn decide(token: RefreshToken, standing: &Standing, now: Timestamp) -> Decision {
    if standing.not_after.is_some_and(|end| now >= end) {
        return Decision::Expired;
    }
    let grace = i64::try_from(GRACE.as_micros()).unwrap_or(i64::MAX);
    let is_recent = standing.rotated.is_some_and(|rotated| now.0.saturating_sub(rotated.0) < grace);
    match standing.counter.checked_sub(token.counter) {
        Some(0 | 1) if is_recent => Decision::Again,
        Some(0) => Decision::Rotate,
        Some(1..) => Decision::Reused,
        _ => Decision::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use base::Secret;
    use identity::Derivation;

    use super::*;

    fn key() -> DerivedKey {
        Derivation::new(Secret::new("a secret of more than thirty-two bytes")).unwrap().key(PURPOSE).unwrap()
    }

    const TOKEN: RefreshToken = RefreshToken { session: Uuid::from_u128(7), counter: 5 };

    #[test]
    fn a_token_is_read_as_it_was_made_and_no_other_is() {
        let text = TOKEN.text(&key());
        assert_eq!(text.len(), 54);
        assert_eq!(RefreshToken::read(&text, &key()), Some(TOKEN));
        assert_eq!(text, TOKEN.text(&key()), "the same one whenever it is made");
        for position in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[position] = if other[position] == b'A' { b'B' } else { b'A' };
            let read = RefreshToken::read(&String::from_utf8(other).unwrap(), &key());
            assert_eq!(read, None, "{position}");
        }
        for wrong in ["", "x", &text[1..], &format!("{text}A"), "\u{e9}"] {
            assert_eq!(RefreshToken::read(wrong, &key()), None, "{wrong}");
        }
    }

    #[test]
    fn decisions() {
        let second = 1_000_000;
        let standing = |counter| Standing { counter, rotated: Some(Timestamp(100 * second)), not_after: None };
        let at = |counter, now| decide(TOKEN, &standing(counter), Timestamp(now * second));
        assert_eq!(at(5, 500), Decision::Rotate);
        assert_eq!(at(5, 109), Decision::Again, "not twice within a moment");
        assert_eq!(at(6, 109), Decision::Again);
        assert_eq!(at(6, 110), Decision::Reused, "the grace is over");
        assert_eq!(at(7, 101), Decision::Reused, "a grandchild exists");
        assert_eq!(at(4, 101), Decision::Unknown);
        let ended = Standing { not_after: Some(Timestamp(50)), ..standing(5) };
        assert_eq!(decide(TOKEN, &ended, Timestamp(50)), Decision::Expired);
        let fresh = Standing { counter: 6, rotated: None, not_after: None };
        assert_eq!(decide(TOKEN, &fresh, Timestamp(0)), Decision::Reused);
    }
}
