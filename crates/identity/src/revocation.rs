use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

/// How many signed-out sessions are remembered at most; each takes about 100 bytes. Beyond it the one that would be
/// forgotten first is: reached by over two million sign-outs an hour with tokens that count for an hour.
pub const MAX_SIGNED_OUT: usize = 2_000_000;

/// Sessions that were signed out while tokens of theirs still count: looked up in memory at every request.
#[derive(Debug, Default)]
pub(crate) struct SignedOut {
    /// So that nobody waits for a lock where nothing is.
    count: AtomicUsize,
    until: RwLock<HashMap<Box<str>, i64>>,
}

impl SignedOut {
    /// Whether the session was signed out.
    pub(crate) fn contains(&self, session: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.until.read().contains_key(session)
    }

    /// Remembers sessions until the moments given, in seconds since 1970, and forgets those whose moment is over.
    pub(crate) fn add(&self, sessions: impl IntoIterator<Item = (Box<str>, i64)>, now: i64) {
        let mut until = self.until.write();
        until.retain(|_, moment| *moment > now);
        for (session, moment) in sessions {
            if until.len() >= MAX_SIGNED_OUT {
                forget_first(&mut until);
            }
            if moment > now {
                until.insert(session, moment);
            }
        }
        self.count.store(until.len(), Ordering::Release);
    }
}

fn forget_first(until: &mut HashMap<Box<str>, i64>) {
    let first = until.iter().min_by_key(|(_, moment)| **moment).map(|(session, _)| session.clone());
    if let Some(first) = first {
        until.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_as_long_as_tokens_count() {
        let out = SignedOut::default();
        assert!(!out.contains("a"));
        out.add([("a".into(), 100), ("late".into(), 10)], 50);
        assert!(out.contains("a") && !out.contains("late"));
        out.add([("b".into(), 200)], 99);
        assert!(out.contains("a") && out.contains("b"));
        out.add([], 100);
        assert!(!out.contains("a") && out.contains("b"));
    }
}
