//! A map that holds so many bytes and no more, and keeps what is asked for again.
//!
//! S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). What is new stands in a short queue, a tenth
//! of the room. What nobody asked for again until it reaches the end of that goes, and only its hash is remembered for a while; so
//! whoever asks for a million things once pushes out nothing that is asked for often. What was asked for again, or comes back while
//! its hash is remembered, stands in the long queue, and goes round in it as long as it is asked for.
//!
//! Chosen before W-TinyLFU, which keeps about as much of what is wanted, since nothing moves on a hit: a counter is raised, and
//! readers need no lock for themselves.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU8, Ordering};

/// What takes room.
pub trait Weighed {
    /// How many bytes of memory it takes, about.
    fn weight(&self) -> usize;
}

impl Weighed for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// The share of the room that one thing may take: with a greater one a single answer empties the shelf.
const LARGEST_SHARE: usize = 8;

/// The share of the room for what is new.
const SHARE_OF_NEW: usize = 10;

/// More uses than that are not told apart.
const MOST_USES: u8 = 3;

/// How often something new has to be asked for, to stay.
const USES_TO_STAY: u8 = 2;

/// What an entry takes beside its key's and value's own bytes.
const OVERHEAD: usize = 96;

/// The map. Reading it changes only counters, so many may read at once.
#[derive(Debug)]
pub struct Shelf<K, V> {
    entries: HashMap<K, Entry<V>>,
    new: Queue<K>,
    kept: Queue<K>,
    gone: Gone,
    room: usize,
    next_ticket: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    uses: AtomicU8,
    is_new: bool,
    /// That of its place in a queue. A place with another ticket is one that it has left.
    ticket: u64,
}

#[derive(Debug)]
struct Queue<K> {
    places: VecDeque<(K, u64)>,
    bytes: usize,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { places: VecDeque::new(), bytes: 0 }
    }
}

impl<K: Hash + Eq + Clone + Weighed, V: Weighed> Shelf<K, V> {
    /// A shelf with room for so many bytes.
    pub fn new(room: usize) -> Self {
        Self {
            entries: HashMap::new(),
            new: Queue::default(),
            kept: Queue::default(),
            gone: Gone::default(),
            room,
            next_ticket: 0,
        }
    }

    /// What stands there under this key. Counts as one use of it.
    pub fn get(&self, key: &K) -> Option<&V> {
        let entry = self.entries.get(key)?;
        let uses = entry.uses.load(Ordering::Relaxed);
        // Two readers at once may count as one: it is about often and seldom.
        if uses < MOST_USES {
            entry.uses.store(uses + 1, Ordering::Relaxed);
        }
        Some(&entry.value)
    }

    /// The same without counting as a use.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Puts something there, in the place of what stood under this key; other things go if there is no room for all. `false` when it
    /// is too large for the shelf: then nothing stands under the key any more.
    pub fn put(&mut self, key: K, value: V) -> bool {
        let weight = key.weight().saturating_add(value.weight()).saturating_add(OVERHEAD);
        if weight > self.room / LARGEST_SHARE {
            self.remove(&key);
            return false;
        }
        match self.entries.get_mut(&key) {
            Some(entry) => {
                let queue = if entry.is_new { &mut self.new } else { &mut self.kept };
                queue.bytes = queue.bytes - entry.weight + weight;
                (entry.value, entry.weight) = (value, weight);
            }
            None => self.stand(key, value, weight),
        }
        while self.bytes() > self.room {
            self.make_room();
        }
        true
    }

    /// Takes away what stands under this key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        let queue = if entry.is_new { &mut self.new } else { &mut self.kept };
        queue.bytes -= entry.weight;
        self.sweep();
        Some(entry.value)
    }

    /// How many things stand there.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.new.bytes + self.kept.bytes
    }

    fn stand(&mut self, key: K, value: V, weight: usize) {
        let is_new = !self.gone.take(&key);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let queue = if is_new { &mut self.new } else { &mut self.kept };
        queue.places.push_back((key.clone(), ticket));
        queue.bytes += weight;
        self.entries.insert(key, Entry { value, weight, uses: AtomicU8::new(0), is_new, ticket });
    }

    fn make_room(&mut self) {
        if self.new.bytes > self.room / SHARE_OF_NEW || self.kept.bytes == 0 {
            self.make_room_among_new();
        } else {
            self.make_room_among_kept();
        }
    }

    fn make_room_among_new(&mut self) {
        let Some((key, ticket)) = self.new.places.pop_front() else { return };
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.ticket == ticket) else { return };
        self.new.bytes -= entry.weight;
        if *entry.uses.get_mut() >= USES_TO_STAY {
            entry.is_new = false;
            self.kept.bytes += entry.weight;
            self.kept.places.push_back((key, ticket));
        } else {
            self.gone.add(&key, self.entries.len());
            self.entries.remove(&key);
        }
    }

    fn make_room_among_kept(&mut self) {
        let Some((key, ticket)) = self.kept.places.pop_front() else { return };
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.ticket == ticket) else { return };
        let uses = entry.uses.get_mut();
        if *uses > 0 {
            *uses -= 1;
            self.kept.places.push_back((key, ticket));
        } else {
            self.kept.bytes -= entry.weight;
            self.entries.remove(&key);
        }
    }

    /// Places that were left are taken out when they are more than those that are held.
    fn sweep(&mut self) {
        for queue in [&mut self.new, &mut self.kept] {
            if queue.places.len() > 2 * self.entries.len() + 16 {
                queue.places.retain(|(key, ticket)| self.entries.get(key).is_some_and(|entry| entry.ticket == *ticket));
            }
        }
    }
}

/// The hashes of what has gone: as many as things are there, so that what comes back within one round is known.
#[derive(Debug, Default)]
struct Gone {
    hasher: RandomState,
    hashes: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Gone {
    fn add(&mut self, key: &impl Hash, most: usize) {
        let hash = self.hasher.hash_one(key);
        if self.hashes.insert(hash) {
            self.order.push_back(hash);
        }
        while self.order.len() > most {
            if let Some(first) = self.order.pop_front() {
                self.hashes.remove(&first);
            }
        }
    }

    fn take(&mut self, key: &impl Hash) -> bool {
        // Its place in the order stays, and goes in its turn.
        self.hashes.remove(&self.hasher.hash_one(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl Weighed for u64 {
        fn weight(&self) -> usize {
            8
        }
    }

    #[derive(Debug, Clone, PartialEq)]
    struct Block(usize);

    impl Weighed for Block {
        fn weight(&self) -> usize {
            self.0
        }
    }

    /// One that takes 1000 bytes with all.
    const BLOCK: Block = Block(1000 - 8 - OVERHEAD);

    #[test]
    fn what_is_asked_for_again_survives_a_scan() {
        let mut shelf = Shelf::new(100_000);
        for key in 0..50_u64 {
            shelf.put(key, BLOCK);
        }
        for key in (0..50).chain(0..50) {
            assert!(shelf.get(&key).is_some());
        }
        for key in 1_000..100_000 {
            shelf.put(key, BLOCK);
        }
        assert!((0..50).all(|key| shelf.peek(&key).is_some()));
        assert!(shelf.bytes() <= 100_000);
    }

    #[test]
    fn what_comes_back_soon_stays() {
        let mut shelf = Shelf::new(100_000);
        shelf.put(0, BLOCK);
        for key in 1..=100 {
            shelf.put(key, BLOCK);
        }
        assert!(shelf.peek(&0).is_none(), "never asked for");
        shelf.put(0, BLOCK);
        for key in 1_000..1_500 {
            shelf.put(key, BLOCK);
        }
        assert!(shelf.peek(&0).is_some());
    }

    #[test]
    fn nothing_takes_more_than_its_share() {
        let mut shelf = Shelf::new(80_000);
        assert!(shelf.put(1, BLOCK));
        assert!(!shelf.put(1, Block(10_000)));
        assert!(shelf.is_empty(), "what stood there is not what it would be now");
    }

    /// Zipf-like questions: the more often, the lower. Counts what is found, beside a queue of the same room.
    #[test]
    fn more_is_found_than_in_a_plain_queue() {
        let (mut shelf, mut queue) = (Shelf::new(100_000), VecDeque::new());
        let (mut found, mut found_in_queue, mut state) = (0, 0, 1_u64);
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 11) as f64 / (1_u64 << 53) as f64;
            let key = (10_000_f64.powf(uniform)) as u64;
            if shelf.get(&key).is_some() {
                found += 1;
            } else {
                shelf.put(key, BLOCK);
            }
            if queue.contains(&key) {
                found_in_queue += 1;
            } else {
                queue.push_back(key);
                if queue.len() > 100 {
                    queue.pop_front();
                }
            }
        }
        assert!(found > found_in_queue + 10_000, "{found}, and {found_in_queue} in a plain queue");
    }

    proptest! {
        /// Whatever is done: what is found is what was put last, the bytes are those of what is there and never more than the room,
        /// and queues do not grow beyond what they hold.
        #[test]
        fn holds_what_it_says(steps in proptest::collection::vec((0..3_u8, 0..40_u64, 0..2_000_usize), 0..400)) {
            let mut shelf = Shelf::new(10_000);
            let mut expected = HashMap::new();
            for (step, key, weight) in steps {
                match step {
                    0 => {
                        if shelf.put(key, Block(weight)) { expected.insert(key, weight); } else { expected.remove(&key); }
                    }
                    1 => {
                        shelf.remove(&key);
                        expected.remove(&key);
                    }
                    _ => {
                        if let Some(found) = shelf.get(&key) { prop_assert_eq!(Some(&found.0), expected.get(&key)); }
                    }
                }
                let bytes: usize = shelf.entries.values().map(|entry| entry.weight).sum();
                prop_assert_eq!(bytes, shelf.bytes());
                prop_assert!(bytes <= 10_000);
                let places = shelf.new.places.len() + shelf.kept.places.len();
                prop_assert!(places <= 4 * shelf.len() + 64, "{places} places for {}", shelf.len());
                prop_assert!(shelf.gone.order.len() <= 100);
            }
        }
    }
}
