//! A map with a bounded number of entries, each of which ends by itself.

use std::collections::{BTreeSet, HashMap};

pub type Hash = [u8; 16];

/// How many entries that have ended are removed with every one that is put in: more than one, so that they never pile up.
const SWEEP: usize = 2;

/// Entries by key, and by their end. When it is full, the entry that would end soonest goes.
#[derive(Debug)]
pub struct Table<V> {
    entries: HashMap<Hash, (u64, V)>,
    ends: BTreeSet<(u64, Hash)>,
    most: usize,
}

impl<V> Table<V> {
    pub fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), ends: BTreeSet::new(), most: most.max(1) }
    }

    /// The end and the value of an entry that has not ended.
    pub fn get(&self, now: u64, key: &Hash) -> Option<(u64, &V)> {
        self.entries.get(key).filter(|(end, _)| *end > now).map(|(end, value)| (*end, value))
    }

    /// Puts an entry in the place of an older one.
    pub fn put(&mut self, now: u64, key: Hash, end: u64, value: V) {
        self.remove(&key);
        if end <= now {
            return;
        }
        for _ in 0..SWEEP {
            self.drop_first(|first| first <= now);
        }
        self.ends.insert((end, key));
        self.entries.insert(key, (end, value));
        if self.entries.len() > self.most {
            self.drop_first(|_| true);
        }
    }

    pub fn remove(&mut self, key: &Hash) -> Option<(u64, V)> {
        let (end, value) = self.entries.remove(key)?;
        self.ends.remove(&(end, *key));
        Some((end, value))
    }

    /// Drops the entry that ends first if its end says that it `goes`, and gives that.
    pub fn drop_first(&mut self, goes: impl Fn(u64) -> bool) -> Option<u64> {
        let &(end, key) = self.ends.first().filter(|(end, _)| goes(*end))?;
        self.ends.pop_first();
        self.entries.remove(&key);
        Some(end)
    }

    pub fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.ends.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Hash {
        [number; 16]
    }

    #[test]
    fn what_ends_soonest_makes_room() {
        let mut table = Table::new(2);
        table.put(0, key(1), 100, ());
        table.put(0, key(2), 50, ());
        table.put(0, key(3), 70, ());
        assert!(table.get(0, &key(2)).is_none());
        assert!(table.get(0, &key(1)).is_some() && table.get(0, &key(3)).is_some());
        // A new entry that ends before all others is not kept.
        table.put(0, key(4), 10, ());
        assert!(table.get(0, &key(4)).is_none());
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn what_has_ended_is_not_there_and_is_swept_out() {
        let mut table = Table::new(100);
        for number in 0..50 {
            table.put(0, key(number), 10, ());
        }
        assert!(table.get(10, &key(7)).is_none());
        for number in 100..125 {
            table.put(10, key(number), 30, ());
        }
        assert_eq!(table.len(), 25);
        table.put(11, key(100), 11, ());
        assert_eq!(table.len(), 24);
    }
}
