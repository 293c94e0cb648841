//! What has changed, in numbers: whoever keeps an answer can tell whether it still is what the database would give.
//!
//! There is a counter for each table and one for each row, found by a hash: two that fall on the same one only make each other's
//! answers older than they are. A counter is even while nothing happens, and odd from before a change can be seen by anybody until
//! after everybody sees it. So an answer holds as long as all counters of what it was read from are what they were *before its moment
//! was chosen*: had a change come in between, its counter would differ, or be odd.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base::QualifiedName;

/// How many counters there are, 128 KiB of them. A power of two.
const COUNTERS: usize = 1 << 14;

/// The counter that everything depends on.
const ALL: usize = 0;

/// The most rows of a table that a change names one by one; more count as all of them.
pub const MOST_ROWS: usize = 256;

/// What an answer was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// The tables of which any row may have decided it.
    pub tables: BTreeSet<QualifiedName>,
    /// The tables of which only the row with this key may: what stands in the only column of its primary key, as text.
    pub rows: BTreeMap<QualifiedName, String>,
}

/// What a transaction has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    tables: BTreeMap<QualifiedName, Rows>,
}

/// Which rows of a table were changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rows {
    Some(BTreeSet<String>),
    All,
}

impl Touched {
    /// A row with this key was added, changed or removed.
    pub fn row(&mut self, table: &QualifiedName, key: &str) {
        let rows = match self.tables.get_mut(table) {
            Some(rows) => rows,
            None => self.tables.entry(table.clone()).or_insert_with(|| Rows::Some(BTreeSet::new())),
        };
        let Rows::Some(keys) = rows else { return };
        if !keys.contains(key) {
            keys.insert(key.to_owned());
        }
        if keys.len() > MOST_ROWS {
            *rows = Rows::All;
        }
    }

    /// Any row may have been changed.
    pub fn table(&mut self, table: &QualifiedName) {
        self.tables.insert(table.clone(), Rows::All);
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Nothing was, from now on.
    pub fn clear(&mut self) {
        self.tables.clear();
    }

    /// The tables.
    pub fn tables(&self) -> impl Iterator<Item = &QualifiedName> {
        self.tables.keys()
    }

    /// The tables, each with the keys of its rows; `None` where any row may have been changed.
    pub fn rows(&self) -> impl Iterator<Item = (&QualifiedName, Option<&BTreeSet<String>>)> {
        self.tables.iter().map(|(table, rows)| match rows {
            Rows::Some(keys) => (table, Some(keys)),
            Rows::All => (table, None),
        })
    }
}

/// The counters as they were before an answer's moment was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    seen: Box<[(usize, u64)]>,
}

impl Stamp {
    /// The bytes that it holds on the heap.
    pub fn weight(&self) -> usize {
        size_of_val(&*self.seen)
    }

    /// The places of its counters.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.seen.iter().map(|(place, _)| *place)
    }
}

/// Who is told of each change once everybody sees it; `None` is told where everything may have changed. Called where changes are made, one
/// after another: must not wait.
type Listener = Box<dyn Fn(Option<&Touched>) + Send + Sync>;

/// The counters.
pub struct Changes {
    counters: Box<[AtomicU64]>,
    hasher: RandomState,
    listener: OnceLock<Listener>,
}

impl Default for Changes {
    fn default() -> Self {
        let counters = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        Self { counters, hasher: RandomState::new(), listener: OnceLock::new() }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

/// What a hash is of, so that a table and its rows have counters of their own.
#[derive(Hash)]
enum Named<'a> {
    /// Any change of the table.
    Table(&'a QualifiedName),
    /// A change of this row.
    Row(&'a QualifiedName, &'a str),
    /// A change of rows that were not named.
    Unnamed(&'a QualifiedName),
}

impl Changes {
    /// Notes how things are before what is read of `sources` is read. `None` where a change of them is under way: what is read now may
    /// be from before it or from after it.
    pub fn stamp(&self, sources: &Sources) -> Option<Stamp> {
        let mut places = vec![ALL];
        places.extend(sources.tables.iter().map(|table| self.place(&Named::Table(table))));
        for (table, key) in &sources.rows {
            places.push(self.place(&Named::Row(table, key)));
            places.push(self.place(&Named::Unnamed(table)));
        }
        let seen = places.into_iter().map(|place| Some((place, self.read(place)?)).filter(|(_, count)| count % 2 == 0));
        seen.collect::<Option<Box<[_]>>>().map(|seen| Stamp { seen })
    }

    /// Whether nothing has changed since.
    pub fn holds(&self, stamp: &Stamp) -> bool {
        stamp.seen.iter().all(|(place, count)| self.read(*place) == Some(*count))
    }

    /// Says that a change is about to be seen. It counts as under way until what this gives is dropped, which may not be before
    /// everybody sees it. Of changes to the same things, one at a time.
    pub fn begin<'c>(&'c self, touched: &'c Touched) -> UnderWay<'c> {
        self.begin_at(self.places(touched).into_iter().collect(), Some(touched))
    }

    /// The places of the counters that a change is told by.
    pub(crate) fn places(&self, touched: &Touched) -> BTreeSet<usize> {
        let mut places = BTreeSet::new();
        for (table, rows) in &touched.tables {
            places.insert(self.place(&Named::Table(table)));
            match rows {
                Rows::Some(keys) => places.extend(keys.iter().map(|key| self.place(&Named::Row(table, key)))),
                Rows::All => drop(places.insert(self.place(&Named::Unnamed(table)))),
            }
        }
        places
    }

    /// Says that everything may have changed, at once.
    pub fn forget(&self) {
        drop(self.begin_all());
    }

    /// Says that everything is about to change. It counts as under way until what this gives is dropped.
    pub(crate) fn begin_all(&self) -> UnderWay<'_> {
        self.begin_at(vec![ALL], None)
    }

    /// Has each change told from now on: after all counters are even again, and before whoever made it is answered. There is one who is
    /// told, the first.
    pub fn listen(&self, listener: impl Fn(Option<&Touched>) + Send + Sync + 'static) {
        let _only_once = self.listener.set(Box::new(listener));
    }

    /// Says that a change has come to be seen: that all answers from before do not hold.
    pub fn happened(&self, touched: &Touched) {
        drop(self.begin(touched));
    }

    fn begin_at<'c>(&'c self, places: Vec<usize>, touched: Option<&'c Touched>) -> UnderWay<'c> {
        places.iter().for_each(|place| self.step(*place));
        UnderWay { changes: self, places, touched }
    }

    fn place(&self, name: &Named<'_>) -> usize {
        // The first is that of everything.
        let hash = usize::try_from(self.hasher.hash_one(name) % (COUNTERS as u64 - 1)).unwrap_or(0);
        hash + 1
    }

    fn read(&self, place: usize) -> Option<u64> {
        self.counters.get(place).map(|counter| counter.load(Ordering::SeqCst))
    }

    fn step(&self, place: usize) {
        if let Some(counter) = self.counters.get(place) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A change that is about to be seen, or is just being seen.
#[derive(Debug)]
pub struct UnderWay<'c> {
    changes: &'c Changes,
    places: Vec<usize>,
    /// `None` for everything.
    touched: Option<&'c Touched>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.places.iter().for_each(|place| self.changes.step(*place));
        if let Some(listener) =
            self.changes.listener.get().filter(|_| self.touched.is_none_or(|touched| !touched.is_empty()))
        {
            listener(self.touched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> QualifiedName {
        QualifiedName::new("public", name)
    }

    fn of_table(name: &str) -> Sources {
        Sources { tables: BTreeSet::from([table(name)]), ..Sources::default() }
    }

    fn of_row(name: &str, key: &str) -> Sources {
        Sources { rows: BTreeMap::from([(table(name), key.to_owned())]), ..Sources::default() }
    }

    fn row(name: &str, key: &str) -> Touched {
        let mut touched = Touched::default();
        touched.row(&table(name), key);
        touched
    }

    #[test]
    fn an_answer_holds_until_what_it_was_read_from_changes() {
        let changes = Changes::default();
        let (list, other) = (changes.stamp(&of_table("a")).unwrap(), changes.stamp(&of_table("b")).unwrap());
        let (one, two) = (changes.stamp(&of_row("a", "1")).unwrap(), changes.stamp(&of_row("a", "2")).unwrap());
        changes.happened(&row("a", "1"));
        assert_eq!([&list, &other, &one, &two].map(|stamp| changes.holds(stamp)), [false, true, false, true]);
    }

    #[test]
    fn rows_that_are_not_named_are_all_rows() {
        let changes = Changes::default();
        let (one, other) = (changes.stamp(&of_row("a", "1")).unwrap(), changes.stamp(&of_row("b", "1")).unwrap());
        let mut touched = Touched::default();
        touched.table(&table("a"));
        touched.row(&table("a"), "7");
        changes.happened(&touched);
        assert_eq!([&one, &other].map(|stamp| changes.holds(stamp)), [false, true]);

        let one = changes.stamp(&of_row("a", "1")).unwrap();
        let mut touched = Touched::default();
        (0..=MOST_ROWS).for_each(|key| touched.row(&table("a"), &format!("k{key}")));
        changes.happened(&touched);
        assert!(!changes.holds(&one));
    }

    #[test]
    fn while_a_change_is_under_way_nothing_holds_and_nothing_is_stamped() {
        let changes = Changes::default();
        let before = changes.stamp(&of_table("a")).unwrap();
        let touched = row("a", "1");
        let under_way = changes.begin(&touched);
        assert!(!changes.holds(&before));
        assert_eq!(changes.stamp(&of_table("a")), None);
        assert_eq!(changes.stamp(&of_row("a", "1")), None);
        drop(under_way);
        assert!(!changes.holds(&before), "what was read before the change is not what is read after it");
        assert!(changes.stamp(&of_table("a")).is_some_and(|stamp| changes.holds(&stamp)));
    }

    #[test]
    fn everything_can_be_forgotten() {
        let changes = Changes::default();
        let stamp = changes.stamp(&Sources::default()).unwrap();
        assert!(changes.holds(&stamp));
        changes.forget();
        assert!(!changes.holds(&stamp));
    }

    #[test]
    fn each_change_is_told_once_it_counts() {
        let changes = std::sync::Arc::new(Changes::default());
        let (told, counted) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), changes.clone());
        let noted = told.clone();
        changes.listen(move |touched| {
            assert!(counted.stamp(&of_table("a")).is_some(), "told before everybody sees it");
            let rows = touched.map(|touched| {
                touched.rows().map(|(table, rows)| (table.to_string(), rows.cloned())).collect::<Vec<_>>()
            });
            noted.lock().unwrap().push(rows);
        });
        let touched = row("a", "1");
        let under_way = changes.begin(&touched);
        assert_eq!(told.lock().unwrap().len(), 0);
        drop(under_way);
        changes.happened(&Touched::default());
        let mut all = Touched::default();
        all.table(&table("a"));
        changes.happened(&all);
        changes.forget();
        let one = BTreeSet::from(["1".to_owned()]);
        let expected =
            [Some(vec![("public.a".to_owned(), Some(one))]), Some(vec![("public.a".to_owned(), None)]), None];
        assert_eq!(*told.lock().unwrap(), expected);
    }
}
