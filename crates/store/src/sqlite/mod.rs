//! The embedded engine: SQLite, one file, in write-ahead mode. Many readers, one writer, group commit.

mod builtins;
mod call;
mod connection;
mod failure;
mod functions;
mod identity;
mod migration;
mod output;
mod reader;
mod rounding;
mod write;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::Clock;
use catalog::Catalog;
use plan::Plan;
use sql::sqlite::Rendered as Sqlite;

use crate::driver::{AppliedMigration, BoxFuture, Gauges, Job, Migration, Observer, Ran, Rendered, Store};
use crate::error::StoreError;
use reader::{ReaderSettings, Readers};
use writer::{Writer, WriterSettings};

/// How the embedded engine is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file. Its folder must exist.
    pub path: PathBuf,
    /// The most reading connections that are kept while they are not used. Each takes up to 2 MiB.
    pub idle_readers: usize,
    /// How many long reads may run side by side; further ones wait.
    pub slow_readers: usize,
    /// How many writes may wait; further ones are refused at once.
    pub write_queue: usize,
    /// How long a request may wait for its turn before it is refused.
    pub wait: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
    /// How long a streamed answer may take, whatever the client does.
    pub stream_timeout: Duration,
    /// The most bytes of an answer that are held in memory at once: one row with its embeds, or the rows that a write
    /// answers.
    pub max_buffered_bytes: usize,
    /// The most rows that one update or delete may change.
    pub max_affected_rows: usize,
}

impl Settings {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            idle_readers: 8,
            slow_readers: 4,
            write_queue: 1_024,
            wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            stream_timeout: Duration::from_secs(600),
            max_buffered_bytes: 32 * 1024 * 1024,
            max_affected_rows: 1_000_000,
        }
    }
}

struct SqliteStore {
    catalog: Arc<ArcSwap<Catalog>>,
    readers: Arc<Readers>,
    writer: Arc<Writer>,
    lock: parking_lot::Mutex<Option<File>>,
}

/// Opens the file, creating it when there is none.
pub(crate) fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    let origin = clock.monotonic();
    adopt(&settings)?;
    let lock = lock(&settings.path)?;
    let empty = Arc::new(Catalog::default());
    let mut connection = writer::connect(&settings.path, settings.wait, &empty, origin)?;
    let snapshot = migration::load_snapshot(connection.raw())?;
    let catalog = Arc::new(Catalog::new(snapshot));
    connection.follow(&catalog).map_err(failure::translate)?;
    migration::check_health(connection.raw(), &settings.path)?;
    let catalog = Arc::new(ArcSwap::new(catalog));
    let reading = ReaderSettings {
        path: settings.path.clone(),
        most_idle: settings.idle_readers,
        slow: settings.slow_readers,
        wait: settings.wait,
        statement_timeout: settings.statement_timeout,
        stream_timeout: settings.stream_timeout,
        most_bytes: settings.max_buffered_bytes,
        origin,
    };
    let readers = Readers::new(reading, clock.clone(), observer.clone());
    let writing = WriterSettings {
        path: settings.path,
        queue: settings.write_queue,
        wait: settings.wait,
        statement_timeout: settings.statement_timeout,
        bounds: write::Bounds { most_bytes: settings.max_buffered_bytes, most_rows: settings.max_affected_rows },
    };
    let writer = Writer::start(connection, writing, catalog.clone(), clock, observer)?;
    Ok(Arc::new(SqliteStore {
        catalog,
        readers: Arc::new(readers),
        writer: Arc::new(writer),
        lock: parking_lot::Mutex::new(Some(lock)),
    }))
}

/// Holds a lock beside the file for as long as it is served. Another process would not learn of a migration, and so of
/// a policy, that this one applies; and neither would see the other's group commits coming.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unusable = |problem: String, advice| StoreError::Unusable { path: path.to_owned(), problem, advice };
    let file = File::create(PathBuf::from(name))
        .map_err(|error| unusable(format!("its lock cannot be made: {error}"), "let this user write the folder"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(unusable(
            "another Pando process has it open".to_owned(),
            "stop that one first; `pando serve` applies pending migrations when it starts",
        )),
    }
}

/// Looks at the file before anything is made beside it or changed in it, and makes it one of Pando's if it is new.
fn adopt(settings: &Settings) -> Result<(), StoreError> {
    let path = &settings.path;
    let plain = rusqlite::Connection::open(path).map_err(|error| migration::damaged(path, &error))?;
    plain.busy_timeout(settings.wait).map_err(|error| migration::damaged(path, &error))?;
    migration::adopt(&plain, path)
}

impl Store for SqliteStore {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    fn render(&self, plan: &Plan) -> Arc<Rendered> {
        Arc::new(Rendered::Sqlite(sql::sqlite::render(plan)))
    }

    fn run(&self, job: Job) -> BoxFuture<'_, Result<Ran, StoreError>> {
        Box::pin(async move {
            match &*job.rendered {
                Rendered::Sqlite(Sqlite::Read(_)) => self.readers.run(&job).await,
                Rendered::Sqlite(_) => self.writer.write(job).await,
            }
        })
    }

    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>> {
        Box::pin(async move {
            let connection = self.readers.take(&self.catalog())?;
            migration::applied(connection.raw())
        })
    }

    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.writer.migrate(migration))
    }

    fn gauges(&self) -> Gauges {
        let (connections_used, connections_idle, reads_waiting) = self.readers.counts();
        Gauges { connections_used, connections_idle, reads_waiting, writes_queued: self.writer.queued() }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if !self.writer.is_alive() {
                return Err(StoreError::Engine("the writer's thread has ended".to_owned()));
            }
            let connection = self.readers.take(&self.catalog())?;
            // Reads a page of the file, which a constant would not.
            let text = "SELECT count(*) FROM _pando_migrations";
            connection.raw().query_row(text, [], |_| Ok(())).map_err(failure::translate)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.readers.close();
            let writer = self.writer.clone();
            // Joins threads, which would hold up the runtime.
            drop(tokio::task::spawn_blocking(move || writer.close()).await);
            drop(self.lock.lock().take());
        })
    }
}
