use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

/// How many signed-out sessions are remembered at most; each takes about 150 bytes. Beyond it the one that would be
/// forgotten first is: reached by over two million sign-outs an hour with tokens that count for an hour.
pub const MAX_SIGNED_OUT: usize = 2_000_000;

/// Sessions that were signed out while tokens of theirs still count: looked up in memory at every request.
#[derive(Debug, Default)]
pub(crate) struct SignedOut {
    /// So that nobody waits for a lock where nothing is.
    count: AtomicUsize,
    sessions: RwLock<Sessions>,
}

/// By their names, and by their moments: whoever signs out is not to look through all who did.
#[derive(Debug, Default)]
struct Sessions {
    until: HashMap<Arc<str>, i64>,
    moments: BTreeSet<(i64, Arc<str>)>,
}

impl SignedOut {
    /// Whether the session was signed out.
    pub(crate) fn contains(&self, session: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.sessions.read().until.contains_key(session)
    }

    /// Remembers sessions until the moments given, in seconds since 1970, and forgets those whose moment is over.
    pub(crate) fn add(&self, sessions: impl IntoIterator<Item = (Box<str>, i64)>, now: i64) {
        let mut known = self.sessions.write();
        known.forget_until(now);
        for (session, moment) in sessions {
            if moment > now {
                known.remember(session.into(), moment, MAX_SIGNED_OUT);
            }
        }
        self.count.store(known.until.len(), Ordering::Release);
    }
}

impl Sessions {
    fn remember(&mut self, session: Arc<str>, moment: i64, most: usize) {
        if let Some(before) = self.until.insert(session.clone(), moment) {
            self.moments.remove(&(before, session.clone()));
        }
        self.moments.insert((moment, session));
        if self.until.len() > most
            && let Some((_, first)) = self.moments.pop_first()
        {
            self.until.remove(&first);
        }
    }

    fn forget_until(&mut self, now: i64) {
        while self.moments.first().is_some_and(|(moment, _)| *moment <= now)
            && let Some((_, session)) = self.moments.pop_first()
        {
            self.until.remove(&session);
        }
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
        // Told again, with another moment.
        out.add([("b".into(), 300)], 100);
        out.add([], 200);
        assert!(out.contains("b"));
        out.add([], 300);
        assert!(!out.contains("b"));
    }

    #[test]
    fn who_would_be_forgotten_first_makes_room() {
        let mut known = Sessions::default();
        for (session, moment) in [("a", 30), ("b", 10), ("c", 20), ("a", 31), ("d", 40)] {
            known.remember(session.into(), moment, 3);
        }
        let mut left: Vec<&str> = known.until.keys().map(AsRef::as_ref).collect();
        left.sort_unstable();
        assert_eq!((left.as_slice(), known.moments.len()), (&["a", "c", "d"][..], 3));
    }
}
