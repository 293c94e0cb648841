//! The catalog that counts, and the moment in which a migration replaces it.
//!
//! A commit becomes visible in the file a little before the new catalog is in its place. A read that was planned on the
//! older one and ran in between would give rows of one schema the meaning of another. So the writer announces the
//! version before it commits, and a reader asks after its rows were read, or their moment was fixed, whether its
//! catalog was still the right one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use catalog::Catalog;
use rusqlite::Connection;

/// No migration is about to be committed. Versions are positive, and 0 for the seed.
const NONE: i64 = i64::MIN;

/// The catalog that counts.
pub(super) struct Current {
    catalog: ArcSwap<Catalog>,
    /// How long it took to make it.
    took: parking_lot::Mutex<Duration>,
    announced: AtomicI64,
}

impl Current {
    pub(super) fn new(catalog: Arc<Catalog>, took: Duration) -> Self {
        let took = parking_lot::Mutex::new(took);
        Self { catalog: ArcSwap::new(catalog), took, announced: AtomicI64::new(NONE) }
    }

    /// How long it took to make the catalog.
    pub(super) fn took(&self) -> Duration {
        *self.took.lock()
    }

    /// The catalog.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// The writer is about to commit this migration.
    pub(super) fn announce(&self, version: i64) {
        self.announced.store(version, Ordering::SeqCst);
    }

    /// It was not committed.
    pub(super) fn retract(&self) {
        self.announced.store(NONE, Ordering::SeqCst);
    }

    /// It was committed, and led to this catalog, which took so long to make.
    pub(super) fn replace(&self, next: Arc<Catalog>, took: Duration) {
        *self.took.lock() = took;
        self.catalog.store(next);
        self.announced.store(NONE, Ordering::SeqCst);
    }

    /// Whether what the connection has read until now belongs to this catalog. When in doubt it does not.
    pub(super) fn is(&self, catalog: &Arc<Catalog>, connection: &Connection) -> bool {
        let announced = self.announced.load(Ordering::SeqCst);
        let is_same = Arc::ptr_eq(&self.catalog.load(), catalog);
        is_same && (announced == NONE || !is_applied(connection, announced))
    }
}

fn is_applied(connection: &Connection, version: i64) -> bool {
    let text = "SELECT EXISTS (SELECT 1 FROM _pando_migrations WHERE version = ?1)";
    let found = connection.prepare_cached(text).and_then(|mut one| one.query_row([version], |row| row.get(0)));
    found.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_commit_and_the_catalog_the_older_one_no_longer_counts() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE _pando_migrations (version INTEGER PRIMARY KEY)").unwrap();
        let (older, newer) = (Arc::new(Catalog::default()), Arc::new(Catalog::default()));
        let current = Current::new(older.clone(), Duration::ZERO);
        assert!(current.is(&older, &connection));
        current.announce(2);
        assert!(current.is(&older, &connection), "announced, not committed");
        connection.execute_batch("INSERT INTO _pando_migrations VALUES (2)").unwrap();
        assert!(!current.is(&older, &connection), "committed, not replaced");
        current.replace(newer.clone(), Duration::ZERO);
        assert!(!current.is(&older, &connection) && current.is(&newer, &connection));
        current.announce(3);
        current.retract();
        assert!(current.is(&newer, &connection));
    }
}
