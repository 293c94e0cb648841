//! Debts, of which there are so many at most and none is forgiven by making new ones.

use std::collections::HashMap;

use super::table::{Hash, Table};
use crate::rate::Charge;

/// Counters by what they are for and their highest debt: what is a heavy debt of one kind is a light one of another, and whoever
/// makes up addresses is to push out addresses, not accounts.
///
/// When there are too many, the lightest debt goes, of the kind of which there are most. What went is not forgiven: whoever has no
/// counter of his own owes as much as the heaviest that went of its kind (Space-Saving, Metwally et al. 2005), so that a full table
/// bounds a little more, and never less.
#[derive(Debug)]
pub struct Counters {
    kinds: HashMap<(&'static str, u64), Kind>,
    most: usize,
}

#[derive(Debug)]
struct Kind {
    /// An entry ends when its debt is forgiven, so that there is nothing else to be kept.
    debts: Table<()>,
    /// The end of the heaviest debt that had to go.
    floor: u64,
}

impl Counters {
    pub fn new(most: usize) -> Self {
        Self { kinds: HashMap::new(), most: most.max(1) }
    }

    /// What is owed now, in µs.
    pub fn debt(&self, now: u64, charge: &Charge) -> u64 {
        let end = self
            .kinds
            .get(&kind(charge))
            .map_or(0, |kind| kind.debts.get(now, &charge.key.hash).map_or(kind.floor, |(end, ())| end));
        end.saturating_sub(now)
    }

    /// Notes what is owed from now on.
    pub fn owe(&mut self, now: u64, charge: &Charge, debt: u64) {
        let unbounded = || Kind { debts: Table::new(usize::MAX), floor: 0 };
        let kind = self.kinds.entry(kind(charge)).or_insert_with(unbounded);
        kind.debts.put(now, charge.key.hash, now.saturating_add(debt), ());
        if self.len() > self.most {
            self.make_room(now);
        }
    }

    pub fn remove(&mut self, key: &Hash) {
        for kind in self.kinds.values_mut() {
            kind.debts.remove(key);
        }
    }

    pub fn len(&self) -> usize {
        self.kinds.values().map(|kind| kind.debts.len()).sum()
    }

    fn make_room(&mut self, now: u64) {
        for kind in self.kinds.values_mut() {
            kind.debts.drop_first(|end| end <= now);
        }
        while self.len() > self.most {
            let Some(kind) = self.kinds.values_mut().max_by_key(|kind| kind.debts.len()) else { return };
            let Some(end) = kind.debts.drop_first(|_| true) else { return };
            kind.floor = kind.floor.max(end);
        }
    }
}

/// There are as many kinds as there are bounds in the configuration and in the source.
fn kind(charge: &Charge) -> (&'static str, u64) {
    (charge.key.purpose, charge.tolerance())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::Secret;

    use super::*;
    use crate::driver::Mode;
    use crate::key::Keys;
    use crate::rate::Rate;

    const MINUTE: u64 = 60_000_000;

    /// One in so many minutes, and so many at once.
    fn charge(purpose: &'static str, name: u64, minutes: u64, burst: u64) -> Charge {
        let key = Keys::new(&Secret::new("test")).key(purpose, &[&name.to_be_bytes()]);
        Charge { key, rate: Rate::new(1, Duration::from_secs(60 * minutes)).unwrap(), burst, cost: 1 }
    }

    fn is_allowed(counters: &mut Counters, now: u64, charge: &Charge) -> bool {
        let debt = counters.debt(now, charge);
        if charge.fits(debt) {
            counters.owe(now, charge, charge.after(Mode::Charge, true, debt));
        }
        charge.fits(debt)
    }

    #[test]
    fn made_up_addresses_push_out_no_account() {
        let mut counters = Counters::new(100);
        let account = |name| charge("account", name, 72, 3);
        for _ in 0..3 {
            assert!(is_allowed(&mut counters, 0, &account(0)));
        }
        for name in 0..10_000 {
            // A heavier debt than the account's.
            let address = charge("address", name, 600, 3);
            is_allowed(&mut counters, 0, &address);
            assert!(!is_allowed(&mut counters, 0, &account(0)), "{name}");
        }
        assert!(is_allowed(&mut counters, 0, &account(1)), "and no other account pays for them");
        assert_eq!(counters.len(), 100);
    }

    #[test]
    fn who_finds_a_full_table_is_bounded_as_well() {
        let mut counters = Counters::new(100);
        let account = |name| charge("account", name, 72, 12);
        // Each of the made-up ones owes more than a first guess at the victim adds.
        for name in 1..=100 {
            for _ in 0..2 {
                assert!(is_allowed(&mut counters, 0, &account(name)));
            }
        }
        let mut guesses = 0;
        for name in 1_000..3_000 {
            guesses += u64::from(is_allowed(&mut counters, 0, &account(0)));
            is_allowed(&mut counters, 0, &account(name));
            is_allowed(&mut counters, 0, &account(name));
        }
        assert!((1..=12).contains(&guesses), "{guesses} guesses, where 12 fit");
        // All is forgiven in time, with the counters that went.
        assert!(is_allowed(&mut counters, 12 * 72 * MINUTE + 1, &account(0)));
    }
}
