use std::collections::HashMap;

use base::Caller;
use parking_lot::RwLock;
use ring::digest;

use crate::MAX_REMEMBERED_TOKENS;
use crate::claims::Times;

/// A token's SHA-256: its name in the cache, from which it cannot be recovered.
pub(crate) type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// What verification found out. The times are checked again at every use.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    /// Who the token stands for.
    pub(crate) caller: Caller,
    /// From when to when it counts.
    pub(crate) times: Times,
    /// Which state of the keys verified it; with other keys it counts no more.
    pub(crate) generation: u64,
}

/// Tokens that were verified before, in two halves: when the young half is full it becomes the old one, and
/// what the old one held and nobody asked for since is forgotten.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    halves: RwLock<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Fingerprint, Remembered>,
    old: HashMap<Fingerprint, Remembered>,
}

/// A token's name in the cache.
pub(crate) fn fingerprint(token: &[u8]) -> Fingerprint {
    let mut name = [0; digest::SHA256_OUTPUT_LEN];
    name.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
    name
}

impl TokenCache {
    /// What is known about a token under the current keys.
    pub(crate) fn recall(&self, name: &Fingerprint, generation: u64) -> Option<Remembered> {
        let halves = self.halves.read();
        if let Some(found) = halves.young.get(name) {
            return (found.generation == generation).then(|| found.clone());
        }
        let found = halves.old.get(name).filter(|found| found.generation == generation)?.clone();
        drop(halves);
        self.remember(*name, found.clone());
        Some(found)
    }

    /// Keeps what verification found out.
    pub(crate) fn remember(&self, name: Fingerprint, found: Remembered) {
        let mut halves = self.halves.write();
        if halves.young.len() >= MAX_REMEMBERED_TOKENS / 2 {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(name, found);
    }

    /// Forgets everything, when the keys have changed.
    pub(crate) fn clear(&self) {
        *self.halves.write() = Halves::default();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let halves = self.halves.read();
        halves.young.len() + halves.old.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::Claims;

    use super::*;

    fn remembered(generation: u64) -> Remembered {
        let caller =
            Caller { role: Arc::from("r"), claims: Arc::new(Claims::default()), is_anonymous: false, key: None };
        Remembered { caller, times: Times::default(), generation }
    }

    #[test]
    fn stays_bounded_and_keeps_what_is_asked_for() {
        let cache = TokenCache::default();
        let favourite = fingerprint(b"favourite");
        cache.remember(favourite, remembered(1));
        for number in 0..20_000_u32 {
            cache.remember(fingerprint(&number.to_be_bytes()), remembered(1));
            assert!(cache.recall(&favourite, 1).is_some(), "{number}");
        }
        assert!(cache.len() <= MAX_REMEMBERED_TOKENS, "{}", cache.len());
        assert!(cache.recall(&favourite, 2).is_none(), "other keys");
        cache.clear();
        assert!(cache.recall(&favourite, 1).is_none());
    }
}
