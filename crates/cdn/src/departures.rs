//! What is on its way to caches. An answer counts as on its way from before it is looked at whether it still holds until its last byte was
//! handed over, and for as long after that as networks and caches are given ([`Departures::new`]). So whoever looks after a change finds
//! every answer from before it that a cache may still be about to keep.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Clock, QualifiedName};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::tag::Tag;

/// The most answers that are on their way to caches. Beyond it they go out for no cache.
const MOST: usize = 10_000;

/// The most tables of which it is known that answers about them have left; beyond it all count as such.
const MOST_TABLES: usize = 10_000;

/// The answers that are on their way.
pub struct Departures {
    settle: Duration,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// One has been handed over.
    ended: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    /// The next one's number.
    next: u64,
    under_way: BTreeMap<u64, Leaving>,
    /// Those that were handed over, in that order.
    handed_over: VecDeque<(Instant, u64)>,
    tables: HashSet<QualifiedName>,
}

struct Leaving {
    tags: Vec<Tag>,
    ended: Option<Instant>,
}

/// An answer on its way. It has been handed over when this is dropped.
pub struct Departure {
    number: u64,
    departures: Arc<Departures>,
}

impl std::fmt::Debug for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Departure({})", self.number)
    }
}

/// How far answers are that were waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// All have arrived.
    Over,
    /// They will have by then.
    At(Instant),
    /// Some are still being sent.
    Open,
}

impl Departures {
    /// After its last byte was handed over, an answer counts as on its way for `settle`.
    pub(crate) fn new(settle: Duration, clock: Arc<dyn Clock>, ended: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { settle, clock, inner: Mutex::default(), ended })
    }

    /// An answer about these tables is about to leave with these names, if it `holds`: that is asked once it counts as on its way, so
    /// that no change comes in between. `None` if it does not, or if there are too many.
    pub fn leave(
        self: &Arc<Self>,
        tables: impl IntoIterator<Item = QualifiedName>,
        tags: Vec<Tag>,
        holds: impl FnOnce() -> bool,
    ) -> Option<Departure> {
        let number = {
            let mut inner = self.inner.lock();
            inner.prune(self.clock.monotonic(), self.settle);
            if inner.under_way.len() >= MOST {
                return None;
            }
            for table in tables {
                if inner.tables.len() < MOST_TABLES && !inner.tables.contains(&table) {
                    inner.tables.insert(table);
                }
            }
            let number = inner.next;
            inner.next += 1;
            inner.under_way.insert(number, Leaving { tags, ended: None });
            number
        };
        if holds() {
            return Some(Departure { number, departures: self.clone() });
        }
        // It leaves for no cache.
        self.inner.lock().under_way.remove(&number);
        None
    }

    /// Whether an answer about a table may have left since the start.
    pub fn knows(&self, table: &QualifiedName) -> bool {
        let inner = self.inner.lock();
        inner.tables.len() >= MOST_TABLES || inner.tables.contains(table)
    }

    /// Whoever is on its way from here on has seen what was changed before.
    pub(crate) fn fence(&self) -> u64 {
        self.inner.lock().next
    }

    /// For each name the answers with it that are on their way and have a number below the one given.
    pub(crate) fn outstanding(&self, wanted: &HashMap<Tag, u64>) -> HashMap<Tag, Vec<u64>> {
        let mut inner = self.inner.lock();
        inner.prune(self.clock.monotonic(), self.settle);
        let mut found: HashMap<Tag, Vec<u64>> = HashMap::new();
        for (number, leaving) in &inner.under_way {
            for tag in leaving.tags.iter().filter(|tag| wanted.get(*tag).is_some_and(|fence| number < fence)) {
                found.entry(tag.clone()).or_default().push(*number);
            }
        }
        found
    }

    /// How far these are.
    pub(crate) fn arrival(&self, numbers: &[u64]) -> Arrival {
        let inner = self.inner.lock();
        let mut last = None;
        for leaving in numbers.iter().filter_map(|number| inner.under_way.get(number)) {
            match leaving.ended {
                None => return Arrival::Open,
                Some(ended) => last = last.max(Some(ended + self.settle)),
            }
        }
        match last {
            Some(last) if last > self.clock.monotonic() => Arrival::At(last),
            _ => Arrival::Over,
        }
    }
}

impl Inner {
    /// Forgets those that have arrived.
    fn prune(&mut self, now: Instant, settle: Duration) {
        while let Some((ended, number)) = self.handed_over.front().copied()
            && ended + settle <= now
        {
            self.under_way.remove(&number);
            self.handed_over.pop_front();
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        let now = self.departures.clock.monotonic();
        let mut inner = self.departures.inner.lock();
        if let Some(leaving) = inner.under_way.get_mut(&self.number) {
            leaving.ended = Some(now);
            inner.handed_over.push_back((now, self.number));
        }
        drop(inner);
        self.departures.ended.notify_one();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use base::Timestamp;

    use super::*;
    use crate::tag::Tags;

    /// A clock that stands still until it is told otherwise.
    pub(crate) struct Still {
        pub(crate) start: Instant,
        pub(crate) milliseconds: AtomicU64,
    }

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn monotonic(&self) -> Instant {
            self.start + Duration::from_millis(self.milliseconds.load(Ordering::SeqCst))
        }
    }

    pub(crate) fn still() -> (Arc<Still>, Arc<Departures>) {
        let clock = Arc::new(Still { start: Instant::now(), milliseconds: AtomicU64::new(0) });
        let departures = Departures::new(Duration::from_millis(100), clock.clone(), Arc::default());
        (clock, departures)
    }

    pub(crate) fn table(name: &str) -> QualifiedName {
        QualifiedName::new("public", name)
    }

    pub(crate) fn tag(name: &str) -> Tag {
        Tags::new("public").table(&table(name)).unwrap()
    }

    #[test]
    fn an_answer_is_on_its_way_until_it_was_handed_over_and_some_time_after() {
        let (clock, departures) = still();
        let one = departures.leave([table("a")], vec![tag("a"), tag("b")], || true).unwrap();
        let fence = departures.fence();
        let later = departures.leave([], vec![tag("a")], || true).unwrap();
        let wanted = HashMap::from([(tag("a"), fence), (tag("c"), fence)]);
        let found = departures.outstanding(&wanted);
        assert_eq!(found, HashMap::from([(tag("a"), vec![0])]), "what came later has seen the change");
        assert_eq!(departures.arrival(&[0]), Arrival::Open);
        drop(one);
        assert_eq!(departures.arrival(&[0]), Arrival::At(clock.start + Duration::from_millis(100)));
        assert_eq!(departures.arrival(&[0, 1]), Arrival::Open);
        clock.milliseconds.store(99, Ordering::SeqCst);
        assert_eq!(departures.outstanding(&wanted).len(), 1);
        clock.milliseconds.store(100, Ordering::SeqCst);
        assert_eq!(departures.arrival(&[0]), Arrival::Over);
        assert_eq!(departures.outstanding(&wanted).len(), 0);
        drop(later);
        assert!(departures.knows(&table("a")) && !departures.knows(&table("b")));
    }

    #[test]
    fn it_counts_before_it_is_asked_whether_it_holds() {
        let (_clock, departures) = still();
        let wanted = HashMap::from([(tag("a"), u64::MAX)]);
        let inside = departures.clone();
        let left = departures.leave([table("a")], vec![tag("a")], || {
            assert!(inside.knows(&table("a")));
            assert_eq!(inside.outstanding(&wanted).len(), 1);
            false
        });
        assert!(left.is_none() && departures.outstanding(&wanted).is_empty());
    }

    #[test]
    fn there_are_so_many_at_most() {
        let (_clock, departures) = still();
        let all: Vec<_> = (0..MOST).map_while(|_| departures.leave([], vec![tag("a")], || true)).collect();
        assert_eq!(all.len(), MOST);
        assert!(departures.leave([], vec![tag("a")], || true).is_none());
    }
}
