//! Connections: how one is opened, what is set on it, and how long a statement may run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::Timestamp;
use catalog::Catalog;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection as Raw, OpenFlags};

use super::functions;
use super::identity::Identity;

/// How many prepared statements a connection keeps. A statement takes a few kilobytes; requests of one application
/// have some dozens of shapes.
const STATEMENT_CACHE: usize = 256;

/// How many steps of SQLite's machine pass between two looks at the clock: some tens of microseconds.
const STEPS_PER_CHECK: i32 = 2_000;

/// The page cache of one connection, in KiB (SQLite's negative unit). Small, since there are several: the operating
/// system caches the file as well.
const PAGE_CACHE: &str = "-2000";

/// How much of the file is mapped into memory for reading, in bytes. Address space, not memory.
pub(super) const MEMORY_MAP: i64 = 256 * 1024 * 1024;

/// To which size the log's file is cut when it begins anew, in bytes.
const JOURNAL_SIZE: i64 = 64 * 1024 * 1024;

/// The smallest number that stands for "no deadline".
const NEVER: u64 = u64::MAX;

/// A connection with its functions registered.
pub(super) struct Connection {
    raw: Raw,
    identity: Arc<Mutex<Identity>>,
    deadline: Arc<Deadline>,
    /// The catalog whose enumerations are registered.
    known: Arc<Catalog>,
}

/// When the statement at hand must have ended, in nanoseconds after `origin`.
struct Deadline {
    origin: Instant,
    nanoseconds: AtomicU64,
}

impl Deadline {
    fn set(&self, at: Option<Instant>) {
        let nanoseconds =
            at.map_or(NEVER, |at| u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(NEVER));
        self.nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    fn has_passed(&self) -> bool {
        let deadline = self.nanoseconds.load(Ordering::Relaxed);
        deadline != NEVER && self.origin.elapsed().as_nanos() > u128::from(deadline)
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading only.
    Read,
    /// Reading a file that is named by a URI and that nobody writes.
    Look,
    /// Reading and writing.
    Write,
}

impl Connection {
    /// Opens the file.
    pub(super) fn open(
        path: &Path,
        purpose: Purpose,
        busy_timeout: Duration,
        catalog: &Arc<Catalog>,
        origin: Instant,
    ) -> rusqlite::Result<Self> {
        let access = match purpose {
            // SQLite needs write access to take part in the write-ahead log; `query_only` below is what forbids writes.
            Purpose::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Purpose::Look => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            Purpose::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let raw = Raw::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        raw.busy_timeout(busy_timeout)?;
        raw.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        // Without it a bound LIMIT is planned anew at every execution, since SQLite is built with STAT4 (measured: 17 to 11.5 µs).
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        raw.pragma_update(None, "trusted_schema", "off")?;
        raw.pragma_update(None, "temp_store", "memory")?;
        raw.pragma_update(None, "cache_size", PAGE_CACHE)?;
        raw.pragma_update(None, "mmap_size", MEMORY_MAP)?;
        let identity = Arc::new(Mutex::new(Identity::nobody(Timestamp(0))));
        functions::register(&raw, &identity)?;
        let deadline = Arc::new(Deadline { origin, nanoseconds: AtomicU64::new(NEVER) });
        let watched = deadline.clone();
        raw.progress_handler(STEPS_PER_CHECK, Some(move || watched.has_passed()))?;
        let connection = Self { raw, identity, deadline, known: catalog.clone() };
        functions::register_enums(&connection.raw, catalog)?;
        match purpose {
            Purpose::Read | Purpose::Look => connection.raw.pragma_update(None, "query_only", "on")?,
            Purpose::Write => connection.prepare_for_writing()?,
        }
        Ok(connection)
    }

    fn prepare_for_writing(&self) -> rusqlite::Result<()> {
        self.raw.pragma_update(None, "journal_mode", "wal")?;
        // FULL: the log is synced at every commit, so that an acknowledged write survives the loss of power.
        self.raw.pragma_update(None, "synchronous", "full")?;
        self.raw.pragma_update(None, "foreign_keys", "on")?;
        // Checkpoints are made by the writer's checkpointer, so that a commit seldom waits for one.
        self.raw.pragma_update(None, "wal_autocheckpoint", 0)?;
        self.raw.pragma_update(None, "journal_size_limit", JOURNAL_SIZE)?;
        self.raw.wal_hook(Some(super::writer::note_log_pages));
        Ok(())
    }

    /// Who asks, as functions see it.
    pub(super) fn identity(&self) -> &Arc<Mutex<Identity>> {
        &self.identity
    }

    /// The connection itself.
    pub(super) fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Sets who asks, and until when statements may run.
    pub(super) fn begin(&self, identity: Identity, deadline: Option<Instant>) {
        *self.identity.lock() = identity;
        self.deadline.set(deadline);
    }

    /// Moves the deadline.
    pub(super) fn set_deadline(&self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    /// Runs something that may take so long at most, and no longer than what it is a part of.
    pub(super) fn within<T>(&self, budget: Duration, run: impl FnOnce() -> T) -> T {
        let Deadline { origin, nanoseconds } = &*self.deadline;
        let whole = nanoseconds.load(Ordering::Relaxed);
        let part = u64::try_from((origin.elapsed() + budget).as_nanos()).unwrap_or(NEVER);
        nanoseconds.store(whole.min(part), Ordering::Relaxed);
        let outcome = run();
        nanoseconds.store(whole, Ordering::Relaxed);
        outcome
    }

    /// Registers the enumerations of a newer catalog.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>) -> rusqlite::Result<()> {
        if !Arc::ptr_eq(&self.known, catalog) {
            functions::register_enums(&self.raw, catalog)?;
            self.known = catalog.clone();
        }
        Ok(())
    }
}
