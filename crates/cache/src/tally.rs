//! The arithmetic of totals: so much until a moment, then anew. All nodes add to the same number.

use std::time::Duration;

use crate::key::Key;

/// What is to be added to a total that ends at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The total. Another period has another key.
    pub key: Key,
    /// How much is to be added; 0 only asks.
    pub amount: u64,
    /// The total may be this much.
    pub bound: u64,
    /// What is known to be used, should the counter have been forgotten: the total is never less.
    pub least: u64,
    /// How long the total is still of use; at most [`crate::LONGEST`].
    pub lifetime: Duration,
}

/// What came of a [`Tally`]. By default it did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallied {
    /// Whether it fitted; then it was added.
    pub is_allowed: bool,
    /// The total afterwards, as far as it is known.
    pub total: u64,
    /// Whether this process alone decided in place of a server that is gone.
    pub is_local: bool,
}

/// What a process knows of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// What the server said last; 0 where there is none.
    pub shared: u64,
    /// What was added here since, without the server.
    pub own: u64,
}

impl Known {
    /// Adds to the own part, if it fits. Of what `shared` leaves of the bound, a process that stands in for a server allows a share:
    /// the other nodes allow theirs.
    pub(crate) fn add(&mut self, tally: &Tally, share: f64) -> Tallied {
        self.shared = self.shared.max(tally.least.saturating_sub(self.own));
        let left = tally.bound.saturating_sub(self.shared);
        let most = if share < 1.0 { ((left as f64 * share) as u64).max(1).min(left) } else { left };
        let is_allowed = self.own.saturating_add(tally.amount) <= most;
        if is_allowed {
            self.own = self.own.saturating_add(tally.amount);
        }
        Tallied { is_allowed, total: self.shared.saturating_add(self.own), is_local: share < 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keys;

    fn tally(amount: u64, bound: u64, least: u64) -> Tally {
        let key = Keys::new(&base::Secret::new("x")).key("test", &[]);
        Tally { key, amount, bound, least, lifetime: Duration::from_secs(60) }
    }

    #[test]
    fn nothing_is_added_beyond_the_bound() {
        let mut known = Known::default();
        for total in 1..=3 {
            assert_eq!(known.add(&tally(1, 3, 0), 1.0), Tallied { is_allowed: true, total, is_local: false });
        }
        assert_eq!(known.add(&tally(1, 3, 0), 1.0), Tallied { is_allowed: false, total: 3, is_local: false });
        // Of what is asked for all fits, or nothing.
        let mut known = Known::default();
        assert!(!known.add(&tally(4, 3, 0), 1.0).is_allowed);
        assert!(known.add(&tally(3, 3, 0), 1.0).is_allowed);
        assert!(!Known::default().add(&tally(u64::MAX, u64::MAX, 1), 1.0).is_allowed);
    }

    #[test]
    fn what_is_known_to_be_used_counts() {
        let mut known = Known::default();
        assert_eq!(known.add(&tally(1, 10, 7), 1.0).total, 8);
        assert_eq!(known.add(&tally(1, 10, 8), 1.0).total, 9);
        assert_eq!(known.add(&tally(0, 10, 0), 1.0).total, 9);
    }

    #[test]
    fn a_share_is_of_what_is_left() {
        let mut known = Known { shared: 60, own: 0 };
        let allowed = (0..40).filter(|_| known.add(&tally(1, 100, 0), 0.25).is_allowed).count();
        assert_eq!((allowed, known.own), (10, 10));
        // The least rises with what is counted here, which shrinks no share.
        let mut known = Known { shared: 60, own: 0 };
        let mut least = 60;
        for _ in 0..40 {
            least = known.add(&tally(1, 100, least), 0.25).total;
        }
        assert_eq!(known, Known { shared: 60, own: 10 });
        let mut known = Known { shared: 100, own: 0 };
        assert!(!known.add(&tally(1, 100, 0), 0.25).is_allowed, "nothing is left");
        let mut known = Known { shared: 99, own: 0 };
        assert!(known.add(&tally(1, 100, 0), 0.25).is_allowed);
        assert!(!known.add(&tally(1, 100, 0), 0.25).is_allowed);
    }
}
