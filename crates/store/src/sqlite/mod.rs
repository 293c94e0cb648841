//! The embedded engine: SQLite, one file, in write-ahead mode. Many readers, one writer, group commit.

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

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::Clock;
use catalog::Catalog;
use plan::Plan;
use sql::sqlite::Rendered as Sqlite;

use crate::driver::{AppliedMigration, BoxFuture, Gauges, Job, Migration, Observer, Operation, Ran, Rendered, Store};
use crate::error::StoreError;
use reader::Readers;
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
        }
    }
}

struct SqliteStore {
    catalog: Arc<ArcSwap<Catalog>>,
    readers: Arc<Readers>,
    writer: Arc<Writer>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// Opens the file, creating it when there is none.
pub(crate) fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    let origin = clock.monotonic();
    let empty = Arc::new(Catalog::default());
    let mut connection = open_writing(&settings, &empty, origin)?;
    let snapshot = migration::load_snapshot(connection.raw())?;
    let catalog = Arc::new(Catalog::new(snapshot));
    connection.follow(&catalog).map_err(failure::translate)?;
    migration::check_health(connection.raw(), &settings.path)?;
    let catalog = Arc::new(ArcSwap::new(catalog));
    let readers = Readers::new(
        settings.path.clone(),
        settings.idle_readers,
        settings.slow_readers,
        settings.wait,
        settings.statement_timeout,
        origin,
    );
    let writer = Writer::start(
        connection,
        WriterSettings {
            path: settings.path,
            queue: settings.write_queue,
            wait: settings.wait,
            statement_timeout: settings.statement_timeout,
        },
        catalog.clone(),
        clock.clone(),
        observer.clone(),
    )?;
    Ok(Arc::new(SqliteStore { catalog, readers: Arc::new(readers), writer: Arc::new(writer), clock, observer }))
}

/// Opens the writing connection on a file that is checked first: nothing is changed in one that is not ours.
fn open_writing(
    settings: &Settings,
    catalog: &Arc<Catalog>,
    origin: std::time::Instant,
) -> Result<connection::Connection, StoreError> {
    let path = &settings.path;
    {
        let plain = rusqlite::Connection::open(path).map_err(|error| migration::damaged(path, &error))?;
        plain.busy_timeout(settings.wait).map_err(|error| migration::damaged(path, &error))?;
        migration::adopt(&plain, path)?;
    }
    writer::connect(path, settings.wait, catalog, origin)
}

/// The text of a read.
fn statement_text(job: &Job) -> &str {
    match &*job.rendered {
        Rendered::Sqlite(Sqlite::Read(read)) => read.statement.text(),
        Rendered::Sqlite(_) => "",
    }
}

impl SqliteStore {
    fn observe_read(&self, job: &Job, outcome: &Result<Ran, StoreError>, duration: Duration) {
        let relation = match &job.plan.operation {
            plan::Operation::Read(read) => match &read.level.from.first {
                catalog::Source::Relation { name, .. } => name.name.clone(),
                catalog::Source::Query { .. } => "".into(),
            },
            _ => "".into(),
        };
        let error = outcome.as_ref().err().map(|error| base::Failure::from(error.clone()).code);
        self.observer.operation(&Operation {
            name: "SELECT",
            relation: &relation,
            duration,
            statement: statement_text(job),
            rows: outcome.as_ref().map_or(0, |ran| ran.rows),
            error: error.as_deref(),
        });
    }

    async fn read(&self, job: Job) -> Result<Ran, StoreError> {
        let started = self.clock.monotonic();
        let outcome = self.readers.run(&job).await;
        self.observe_read(&job, &outcome, self.clock.monotonic().saturating_duration_since(started));
        outcome
    }
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
                Rendered::Sqlite(Sqlite::Read(_)) => self.read(job).await,
                Rendered::Sqlite(_) => self.writer.write(job).await,
            }
        })
    }

    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>> {
        Box::pin(async move {
            let connection = self.readers.take(&self.catalog())?;
            let applied = migration::applied(connection.raw());
            self.readers.give_back(connection);
            applied
        })
    }

    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.writer.migrate(migration))
    }

    fn gauges(&self) -> Gauges {
        let (connections_used, connections_idle) = self.readers.counts();
        Gauges { connections_used, connections_idle, writes_queued: self.writer.queued() }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let connection = self.readers.take(&self.catalog())?;
            let answered = connection.raw().query_row("SELECT 1", [], |_| Ok(())).map_err(failure::translate);
            self.readers.give_back(connection);
            answered
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.readers.close();
            let writer = self.writer.clone();
            // Joins threads, which would hold up the runtime.
            drop(tokio::task::spawn_blocking(move || writer.close()).await);
        })
    }
}
