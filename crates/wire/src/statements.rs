//! The statements that the server has prepared for this connection.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use crate::Column;

/// Which statement an execution uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It is prepared and its columns are known.
    Known(u64, Arc<[Column]>),
    /// It is parsed earlier in the same stretch up to a Sync, and fails together with it.
    Pending(u64),
    /// It has to be parsed under this number.
    New(u64),
    /// It has to be parsed without a name, for this time only.
    Once,
}

/// The cache: by space, text and parameter types, bounded by count. The one that was not used for longest goes first.
#[derive(Debug)]
pub(crate) struct Statements {
    capacity: usize,
    /// What makes the names on the server this connection's own: a pooler may let others use the same session, and there the
    /// statement of another one must not be met under a name that is known here.
    nonce: u64,
    spaces: HashMap<Arc<str>, HashMap<Arc<str>, u64>>,
    entries: HashMap<u64, Entry>,
    /// The number of the next statement. Numbers are never used again, so that a late Close cannot hit another statement.
    next: u64,
    uses: u64,
    /// Those that the server may have and nobody uses any more.
    closing: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    space: Arc<str>,
    text: Arc<str>,
    types: Box<[u32]>,
    /// The name on the server.
    name: Box<str>,
    /// Known once the server described it.
    columns: Option<Arc<[Column]>>,
    last_use: u64,
    segment: u64,
}

impl Statements {
    /// A cache of at most so many statements; 0 prepares nothing.
    pub fn new(capacity: usize) -> Self {
        // Differs with every call; it is no secret.
        let nonce = RandomState::new().build_hasher().finish();
        Self { capacity, nonce, spaces: HashMap::new(), entries: HashMap::new(), next: 1, uses: 0, closing: Vec::new() }
    }

    /// The name of a statement on the server.
    pub fn name_of(&self, statement: u64) -> String {
        format!("pando_{:x}_{statement}", self.nonce)
    }

    /// Finds a statement, or makes room for it. `segment` is the number of the stretch up to the next Sync.
    pub fn choose(&mut self, space: &str, text: &str, types: &[u32], segment: u64) -> Choice {
        if self.capacity == 0 {
            return Choice::Once;
        }
        self.uses += 1;
        if let Some(statement) = self.spaces.get(space).and_then(|texts| texts.get(text)).copied()
            && let Some(entry) = self.entries.get_mut(&statement)
        {
            if *entry.types == *types {
                entry.last_use = self.uses;
                return match &entry.columns {
                    Some(columns) => Choice::Known(statement, columns.clone()),
                    None if entry.segment == segment => Choice::Pending(statement),
                    // Whether that attempt succeeds is not known yet.
                    None => Choice::Once,
                };
            }
            self.retire(statement);
        }
        if self.entries.len() >= self.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use).map(|(statement, _)| *statement);
            oldest.into_iter().for_each(|statement| self.retire(statement));
        }
        Choice::New(self.insert(space, text, types, segment))
    }

    fn insert(&mut self, space: &str, text: &str, types: &[u32], segment: u64) -> u64 {
        let statement = self.next;
        self.next += 1;
        let space = self.spaces.get_key_value(space).map_or_else(|| Arc::from(space), |(space, _)| space.clone());
        let text: Arc<str> = Arc::from(text);
        self.spaces.entry(space.clone()).or_default().insert(text.clone(), statement);
        let name = self.name_of(statement).into();
        let entry = Entry { space, text, types: types.into(), name, columns: None, last_use: self.uses, segment };
        self.entries.insert(statement, entry);
        statement
    }

    /// The name of a statement on the server; empty if it is gone.
    pub fn name(&self, statement: u64) -> &str {
        self.entries.get(&statement).map_or("", |entry| &entry.name)
    }

    /// Whether it is kept.
    pub fn has(&self, statement: u64) -> bool {
        self.entries.contains_key(&statement)
    }

    /// The server described it: from now on it is known.
    pub fn described(&mut self, statement: u64, columns: Arc<[Column]>) {
        if let Some(entry) = self.entries.get_mut(&statement) {
            entry.columns = Some(columns);
        }
    }

    /// Removes a statement that the server may have; it is closed with the next flight.
    pub fn retire(&mut self, statement: u64) {
        self.withdraw(statement);
        self.closing.push(statement);
    }

    /// Removes a statement that the server never heard of.
    pub fn withdraw(&mut self, statement: u64) {
        let Some(entry) = self.entries.remove(&statement) else { return };
        if let Some(texts) = self.spaces.get_mut(&entry.space) {
            texts.remove(&entry.text);
            if texts.is_empty() {
                self.spaces.remove(&entry.space);
            }
        }
    }

    /// Removes all.
    pub fn forget(&mut self) {
        self.spaces.clear();
        self.closing.extend(self.entries.drain().map(|(statement, _)| statement));
    }

    /// Those to close now.
    pub fn take_closing(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.closing)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(statements: &mut Statements, text: &str) -> u64 {
        match statements.choose("s", text, &[], 1) {
            Choice::New(statement) => {
                statements.described(statement, Arc::from([]));
                statement
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_one_not_used_for_longest_goes() {
        let mut statements = Statements::new(2);
        let (a, b) = (known(&mut statements, "a"), known(&mut statements, "b"));
        assert_eq!(statements.choose("s", "a", &[], 2), Choice::Known(a, Arc::from([])));
        let c = known(&mut statements, "c");
        assert_eq!(statements.take_closing(), [b]);
        assert_eq!(statements.choose("s", "a", &[], 2), Choice::Known(a, Arc::from([])));
        assert_eq!(statements.choose("s", "c", &[], 2), Choice::Known(c, Arc::from([])));
        assert_eq!(statements.len(), 2);
    }

    #[test]
    fn spaces_and_types_tell_statements_apart() {
        let mut statements = Statements::new(9);
        let a = known(&mut statements, "a");
        assert_eq!(statements.choose("other", "a", &[], 1), Choice::New(a + 1));
        assert_eq!(statements.choose("s", "a", &[23], 1), Choice::New(a + 2));
        assert_eq!(statements.take_closing(), [a], "one statement per text");
    }

    #[test]
    fn what_is_not_described_yet_is_used_in_its_own_segment_only() {
        let mut statements = Statements::new(9);
        assert_eq!(statements.choose("s", "a", &[], 1), Choice::New(1));
        assert_eq!(statements.choose("s", "a", &[], 1), Choice::Pending(1));
        assert_eq!(statements.choose("s", "a", &[], 2), Choice::Once);
        statements.retire(1);
        assert_eq!(statements.choose("s", "a", &[], 2), Choice::New(2));
        statements.withdraw(2);
        assert_eq!(statements.take_closing(), [1]);
        assert_eq!(statements.len(), 0);
        assert!(statements.spaces.is_empty());
    }

    #[test]
    fn none_are_kept_without_room() {
        let mut statements = Statements::new(0);
        assert_eq!(statements.choose("s", "a", &[], 1), Choice::Once);
        assert_eq!(statements.len(), 0);
    }
}
