//! What is sent by mail: a code for people and a link with a token, of which the token follows from the code and a secret, and
//! only the token's hash is kept. Who reads the table can make neither.

use base::Timestamp;
use identity::DerivedKey;
use sha2::{Digest, Sha256};

use crate::error::Outcome;
use crate::records::tokens::{OneTimeToken, TokenKind};
use crate::refresh::same;
use crate::{Settings, chance};

/// What the key of one-time tokens is derived for.
pub(crate) const PURPOSE: &str = "one-time tokens";

/// What the token of a link begins with that gives a code for who began the sign-in, and no tokens.
pub(crate) const PKCE_PREFIX: &str = "pkce_";

/// A token as it is sent.
pub(crate) struct Sent {
    /// For the table.
    pub(crate) kept: OneTimeToken,
    /// The code, to be typed.
    pub(crate) code: String,
    /// The token of the link.
    pub(crate) link: String,
}

/// Makes a token of an account that is sent to `address`.
pub(crate) fn make(
    kind: TokenKind,
    (user, address): (&str, &str),
    is_pkce: bool,
    (settings, key): (&Settings, &DerivedKey),
    now: Timestamp,
) -> Outcome<Sent> {
    let code = chance::digits(settings.code_digits)?;
    let token = token(kind, user, &code, now, key);
    let link = if is_pkce { format!("{PKCE_PREFIX}{token}") } else { token };
    let kept = OneTimeToken {
        id: chance::uuid()?,
        user: user.to_owned(),
        kind,
        hash: hash(&link),
        relates_to: address.to_owned(),
        created_at: now,
    };
    Ok(Sent { kept, code, link })
}

/// The token that belongs to a code.
fn token(kind: TokenKind, user: &str, code: &str, created_at: Timestamp, key: &DerivedKey) -> String {
    let parts = [kind.label().as_bytes(), user.as_bytes(), &created_at.0.to_be_bytes(), code.as_bytes()];
    hex(&key.mac(&parts)).split_at(56).0.to_owned()
}

/// What is kept of a link's token: it can be looked for, and tells nothing.
pub(crate) fn hash(link: &str) -> String {
    let prefix = if link.starts_with(PKCE_PREFIX) { PKCE_PREFIX } else { "" };
    format!("{prefix}{}", hex(&Sha256::digest(link.as_bytes())))
}

/// Whether a code is the one of a kept token.
pub(crate) fn is_code(kept: &OneTimeToken, code: &str, key: &DerivedKey) -> bool {
    let token = token(kept.kind, &kept.user, code, kept.created_at, key);
    let (plain, pkce) = (hash(&token), hash(&format!("{PKCE_PREFIX}{token}")));
    // Both are compared, so that the time does not tell which it was.
    same(kept.hash.as_bytes(), plain.as_bytes()) | same(kept.hash.as_bytes(), pkce.as_bytes())
}

/// Whether a token still counts.
pub(crate) fn counts(kept: &OneTimeToken, settings: &Settings, now: Timestamp) -> bool {
    let age = now.0.saturating_sub(kept.created_at.0);
    i64::try_from(settings.one_time_token.as_micros()).is_ok_and(|longest| (0..longest).contains(&age))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_code_and_its_link_lead_to_what_is_kept() {
        let (settings, key) = (testing::settings(), testing::key(PURPOSE));
        for is_pkce in [false, true] {
            let now = Timestamp(1_000_000);
            let sent = make(TokenKind::Recovery, ("user", "a@b.c"), is_pkce, (&settings, &key), now).unwrap();
            assert_eq!(sent.link.starts_with(PKCE_PREFIX), is_pkce);
            assert_eq!(hash(&sent.link), sent.kept.hash);
            assert!(is_code(&sent.kept, &sent.code, &key));
            assert!(!is_code(&sent.kept, "x", &key));
            assert!(!is_code(&sent.kept, &sent.code, &testing::key("another")));
            assert!(!sent.kept.hash.contains(&sent.link), "the table does not hold the token");
            let other = OneTimeToken { kind: TokenKind::Confirmation, ..sent.kept.clone() };
            assert!(!is_code(&other, &sent.code, &key), "for its purpose alone");
            if is_pkce {
                let stripped = sent.link.strip_prefix(PKCE_PREFIX).unwrap();
                assert_ne!(hash(stripped), sent.kept.hash, "who began it is needed");
            }
        }
    }

    #[test]
    fn a_token_counts_for_a_while() {
        let (settings, key) = (testing::settings(), testing::key(PURPOSE));
        let sent = make(TokenKind::Recovery, ("user", "a@b.c"), false, (&settings, &key), Timestamp(0)).unwrap();
        let end = i64::try_from(settings.one_time_token.as_micros()).unwrap();
        assert!(counts(&sent.kept, &settings, Timestamp(end - 1)));
        assert!(!counts(&sent.kept, &settings, Timestamp(end)));
        assert!(!counts(&sent.kept, &settings, Timestamp(-1)));
    }
}
