//! A map in the memory of this process that never takes more than so many bytes.

use std::hash::Hash;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, EntryAction, EntryResult};

/// What a value weighs.
pub trait Weight {
    /// How many bytes it takes in memory, its key included, as far as that can be told.
    fn weight(&self) -> usize;
}

/// Values by keys, so many bytes of them. Which stay is decided by how often they are asked for (S3-FIFO). A value has to be cheap to
/// clone: an `Arc`.
pub struct Bounded<K, V: Clone> {
    kept: Cache<K, V, ByWeight>,
}

#[derive(Clone)]
struct ByWeight;

impl<K, V: Weight> Weighter<K, V> for ByWeight {
    fn weight(&self, _: &K, value: &V) -> u64 {
        u64::try_from(value.weight()).unwrap_or(u64::MAX)
    }
}

impl<K: Hash + Eq, V: Clone + Weight> Bounded<K, V> {
    /// Room for so many bytes, of values that usually take so many.
    pub fn new(most_bytes: u64, usual_bytes: u64) -> Self {
        let usual = usize::try_from(most_bytes / usual_bytes.max(1)).unwrap_or(usize::MAX).max(16);
        Self { kept: Cache::with_weighter(usual, most_bytes, ByWeight) }
    }

    /// The value, if it is kept.
    pub fn get(&self, key: &K) -> Option<V> {
        self.kept.get(key)
    }

    /// Keeps a value. Others that are asked for less often make room for it, or it is not kept at all.
    pub fn put(&self, key: K, value: V) {
        self.kept.insert(key, value);
    }

    /// The same where nothing is kept under the key, or something that it `replaces`. Looked at and put in its place as one step: two that
    /// come at once may not both see that there is none.
    pub fn put_if(&self, key: &K, value: V, replaces: impl FnOnce(&V) -> bool)
    where
        K: Clone,
    {
        let placed = self.kept.entry(key, None, |_, known: &mut V| {
            if replaces(known) {
                known.clone_from(&value);
            }
            EntryAction::Retain(())
        });
        if let EntryResult::Vacant(place) = placed {
            // It may be refused when it is gone already; then the next one makes it anew.
            let _refused = place.insert(value);
        }
    }

    /// Forgets a value.
    pub fn remove(&self, key: &K) {
        drop(self.kept.remove(key));
    }

    /// How many there are, and how many bytes they take.
    pub fn held(&self) -> (u64, u64) {
        (u64::try_from(self.kept.len()).unwrap_or(u64::MAX), self.kept.weight())
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Of(usize);

    impl Weight for Of {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let kept = Bounded::new(10_000, 100);
        (0..1_000).for_each(|number| kept.put(number, Of(100)));
        let held = (0..1_000).filter(|number| kept.get(number).is_some()).count();
        assert!((1..=100).contains(&held), "{held}");
        kept.clear();
        assert!((0..1_000).all(|number| kept.get(&number).is_none()));
    }
}
