//! Names of what is counted. They are made of what people send (addresses, e-mail addresses, tokens), which stands nowhere but
//! in memory: a key is a keyed hash of it.

use std::fmt;

use base::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The bytes of a seal.
pub(crate) const SEAL: usize = 32;

/// Makes keys. All nodes that share a server need the same secret.
#[derive(Clone)]
pub struct Keys {
    hash: Hmac<Sha256>,
}

impl Keys {
    /// With a secret: whoever does not know it can neither guess what a key stands for, nor choose keys that fall together.
    #[allow(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    pub fn new(secret: &Secret) -> Self {
        Self { hash: Hmac::new_from_slice(secret.expose().as_bytes()).expect("any length is a key") }
    }

    /// The key for what `parts` say, of which each counts where it stands. `purpose` is a fixed word that an operator reads on
    /// the server: `rate:address`.
    pub fn key(&self, purpose: &'static str, parts: &[&[u8]]) -> Key {
        Key { purpose, hash: self.digest(purpose, parts) }
    }

    /// One of many that are counted under a key.
    pub fn member(&self, parts: &[&[u8]]) -> Member {
        let [a, b, c, d, e, f, g, h, ..] = self.digest("member", parts);
        Member(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// What proves that somebody who knows the secret has written these parts.
    pub(crate) fn seal(&self, purpose: &str, parts: &[&[u8]]) -> [u8; SEAL] {
        self.hashed(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether a seal is that of these parts.
    pub(crate) fn is_sealed(&self, purpose: &str, parts: &[&[u8]], seal: &[u8]) -> bool {
        self.hashed(purpose, parts).verify_slice(seal).is_ok()
    }

    fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let whole = self.seal(purpose, parts);
        let mut half = [0; 16];
        half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        half
    }

    fn hashed(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hash = self.hash.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            // The length first: ("ab", "c") is not ("a", "bc").
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The name of a counter, a set or a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub(crate) purpose: &'static str,
    pub(crate) hash: [u8; 16],
}

impl Key {
    /// As it stands on a server, after `prefix`.
    pub(crate) fn name(&self, prefix: &str) -> String {
        format!("{prefix}{}:{:032x}", self.purpose, u128::from_be_bytes(self.hash))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name(""))
    }
}

/// One of many that are counted under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member(pub(crate) u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_where_what_they_stand_for_does() {
        let keys = Keys::new(&Secret::new("one"));
        let key = keys.key("login:account", &[b"ab", b"c"]);
        assert_eq!(key, Keys::new(&Secret::new("one")).key("login:account", &[b"ab", b"c"]));
        assert_ne!(key.hash, keys.key("login:account", &[b"a", b"bc"]).hash);
        assert_ne!(key.hash, keys.key("login:address", &[b"ab", b"c"]).hash);
        assert_ne!(key.hash, Keys::new(&Secret::new("two")).key("login:account", &[b"ab", b"c"]).hash);
        assert_ne!(keys.member(&[b"a"]), keys.member(&[b"b"]));
        let name = keys.key("login:account", &[b"ada@example.com"]).name("pando:");
        assert!(name.starts_with("pando:login:account:") && !name.contains("ada"), "{name}");
        assert_eq!(name.len(), "pando:login:account:".len() + 32);
    }
}
