//! The embedded engine: SQLite, one file, in write-ahead mode. Many readers, one writer, group commit.

mod audit;
mod builtins;
mod call;
mod connection;
mod current;
mod deferral;
mod failure;
mod functions;
mod guarded;
mod identity;
pub mod keeping;
mod migration;
mod output;
mod own;
mod reader;
mod rounding;
mod touched;
mod write;
mod writer;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Caller, Clock, Secret};
use catalog::Catalog;
use plan::Plan;
use rusqlite::InterruptHandle;
use sql::OwnStatement;
use sql::ddl::Script;
use sql::sqlite::Rendered as Sqlite;

use crate::audit::{AuditSettings, Unwatched, has_table};
use crate::changes::Changes;
use crate::driver::{
    AppliedMigration, BoxFuture, Gauges, Job, Migration, MigrationOutcome, MigrationScript, Observer, Ran, Rendered,
    Store,
};
use crate::error::StoreError;
use crate::idempotency::Underway;
use crate::own::{OwnAnswer, OwnStep};
use crate::own_migration::{LEFT, OwnMigrations};
use crate::position::{Position, PositionKey};
use audit::Auditing;
use connection::{Connection, Purpose};
use current::Current;
use keeping::{Check, Lock};
use migration::Nature;
use own::Translations;
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
    /// How long a statement of these roles may run, in place of `statement_timeout`.
    pub role_timeouts: BTreeMap<String, Duration>,
    /// How long a streamed answer may take, whatever the client does.
    pub stream_timeout: Duration,
    /// The most bytes of an answer that are held in memory at once: one row with its embeds, or the rows that a write
    /// answers.
    pub max_buffered_bytes: usize,
    /// The most rows that one update or delete may change.
    pub max_affected_rows: usize,
    /// How closely the file is looked at before it is served.
    pub check_at_start: CheckAtStart,
    /// What signs positions.
    pub position_key: PositionKey,
    /// What is written down of changes; `None` writes down nothing.
    pub audit: Option<AuditSettings>,
    /// Whether it is told what changes ([`Store::changes`]): writes that are not told are cheaper.
    pub tells_changes: bool,
    /// Whether the file is only read, also while another process serves it: writes are refused as they are of a store that was closed.
    pub reads_only: bool,
}

/// How long statements may run.
#[derive(Debug, Clone)]
struct Timeouts {
    usual: Duration,
    of_roles: Arc<BTreeMap<String, Duration>>,
}

impl Timeouts {
    /// Of whom a request runs as.
    fn of(&self, caller: &Caller) -> Duration {
        self.of_roles.get(&*caller.role).copied().unwrap_or(self.usual)
    }
}

/// How closely a file is looked at before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckAtStart {
    /// The structure of every page, where the file is small enough for that to be quick; else only its head.
    #[default]
    Auto,
    /// The structure of every page.
    Quick,
    /// Every entry of every index, every constraint and every foreign key as well.
    Full,
    /// Only its head, Pando's own tables and the catalog.
    Off,
}

/// How long a check beside the requests waits for the file.
const WAIT: Duration = Duration::from_secs(5);

/// Up to this size a file is looked through when it is opened; that takes some tens of milliseconds.
const CHECKED_WHOLE: u64 = 32 * 1024 * 1024;

impl CheckAtStart {
    fn of(self, path: &Path) -> Check {
        let is_large = || std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > CHECKED_WHOLE);
        match self {
            Self::Auto if is_large() => Check::Head,
            Self::Auto | Self::Quick => Check::Quick,
            Self::Full => Check::Full,
            Self::Off => Check::Head,
        }
    }
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
            role_timeouts: BTreeMap::new(),
            stream_timeout: Duration::from_secs(600),
            max_buffered_bytes: 32 * 1024 * 1024,
            max_affected_rows: 1_000_000,
            check_at_start: CheckAtStart::Auto,
            position_key: PositionKey::new(&Secret::new("")),
            audit: None,
            tells_changes: false,
            reads_only: false,
        }
    }
}

struct SqliteStore {
    path: PathBuf,
    position_key: PositionKey,
    origin: Instant,
    current: Arc<Current>,
    /// What is written; of a file that another process writes, nobody is told.
    changes: Option<Arc<Changes>>,
    readers: Arc<Readers>,
    writer: Arc<Writer>,
    underway: Underway,
    lock: parking_lot::Mutex<Option<Lock>>,
    /// Whether changes are to be written down.
    is_audited: bool,
    was_checked: bool,
    /// Ends a check of the whole file that runs beside the requests.
    checking: Arc<parking_lot::Mutex<Option<InterruptHandle>>>,
}

/// Opens the file, creating it when there is none.
pub(crate) fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    let origin = clock.monotonic();
    // Before anything is made beside it or changed in it.
    if settings.path.exists() {
        recognise(&settings)?;
    }
    let empty = Arc::new(Catalog::default());
    let (lock, mut connection) = if settings.reads_only {
        let connection = Connection::open(&settings.path, Purpose::Read, settings.wait, &empty, origin);
        (None, connection.map_err(|error| migration::damaged(&settings.path, &error))?)
    } else {
        let lock = Lock::take(&settings.path)?;
        adopt(&settings)?;
        (Some(lock), writer::connect(&settings.path, settings.wait, &empty, origin)?)
    };
    let started = clock.monotonic();
    let snapshot = migration::load_snapshot(connection.raw())?;
    let catalog = Arc::new(Catalog::new(snapshot));
    if let Some(problem) = catalog.broken_document_schema() {
        return Err(StoreError::Engine(problem));
    }
    connection.follow(&catalog).map_err(failure::translate)?;
    let took = clock.monotonic().saturating_duration_since(started);
    let check = settings.check_at_start.of(&settings.path);
    refuse_damage(connection.raw(), check, &settings.path)?;
    let current = Arc::new(Current::new(catalog, took));
    let timeouts = Timeouts { usual: settings.statement_timeout, of_roles: Arc::new(settings.role_timeouts) };
    let reading = ReaderSettings {
        path: settings.path.clone(),
        most_idle: settings.idle_readers,
        slow: settings.slow_readers,
        wait: settings.wait,
        timeouts: timeouts.clone(),
        stream_timeout: settings.stream_timeout,
        most_bytes: settings.max_buffered_bytes,
        origin,
    };
    let translations = Arc::<Translations>::default();
    let changes = (settings.tells_changes && !settings.reads_only).then(Arc::<Changes>::default);
    let readers = Readers::new(reading, translations.clone(), current.clone(), clock.clone(), observer.clone());
    let writing = WriterSettings {
        path: settings.path.clone(),
        queue: settings.write_queue,
        wait: settings.wait,
        timeouts,
        bounds: write::Bounds { most_bytes: settings.max_buffered_bytes, most_rows: settings.max_affected_rows },
        translations,
        auditing: Auditing::new(settings.audit),
        changes: changes.clone(),
    };
    let is_audited = writing.auditing.is_wanted();
    let underway = Underway::new(observer.clone());
    let writer = match lock {
        Some(_) => Writer::start(connection, writing, current.clone(), clock, observer)?,
        None => Writer::absent(),
    };
    Ok(Arc::new(SqliteStore {
        path: settings.path,
        position_key: settings.position_key,
        origin,
        current,
        changes,
        readers: Arc::new(readers),
        writer: Arc::new(writer),
        underway,
        lock: parking_lot::Mutex::new(lock),
        is_audited,
        was_checked: check != Check::Head,
        checking: Arc::default(),
    }))
}

fn plain(settings: &Settings) -> Result<rusqlite::Connection, StoreError> {
    let path = &settings.path;
    let plain = rusqlite::Connection::open(path).map_err(|error| migration::damaged(path, &error))?;
    plain.busy_timeout(settings.wait).map_err(|error| migration::damaged(path, &error))?;
    Ok(plain)
}

fn recognise(settings: &Settings) -> Result<Nature, StoreError> {
    migration::recognise(&plain(settings)?, &settings.path)
}

/// Makes the file one of Pando's if it is new. Only its owner may read a new file.
fn adopt(settings: &Settings) -> Result<(), StoreError> {
    let path = &settings.path;
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // One that is there is taken as it is; what else goes wrong SQLite says better.
        let _there_already = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    }
    let plain = plain(settings)?;
    match migration::recognise(&plain, path)? {
        Nature::Own => Ok(()),
        Nature::Empty => migration::found(&plain, path),
    }
}

fn refuse_damage(connection: &rusqlite::Connection, check: Check, path: &Path) -> Result<(), StoreError> {
    let (damage, keys) = keeping::look_through(connection, check, path)?;
    match damage.first().or_else(|| keys.first()) {
        None => Ok(()),
        Some(problem) => Err(keeping::damaged(path, problem)),
    }
}

impl Store for SqliteStore {
    fn catalog(&self) -> Arc<Catalog> {
        self.current.catalog()
    }

    fn catalog_took(&self) -> Duration {
        self.current.took()
    }

    fn render(&self, plan: &Plan) -> Result<Arc<Rendered>, StoreError> {
        let rendered = sql::sqlite::render(plan).ok_or_else(StoreError::other_engine)?;
        Ok(Arc::new(Rendered::Sqlite(rendered)))
    }

    fn run(&self, job: Job) -> BoxFuture<'_, Result<Ran, StoreError>> {
        Box::pin(async move {
            match &*job.rendered {
                Rendered::Sqlite(Sqlite::Read(_)) => self.readers.run(&job).await,
                Rendered::Sqlite(_) => {
                    // Every read sees every write that was answered, so any position will do.
                    let position = Position { system: 0, timeline: 0, point: job.now.0.unsigned_abs() };
                    let commits = job.commits;
                    let _turn = self.underway.enter(&job)?;
                    let mut ran = self.writer.write(job).await?;
                    ran.position = commits.then(|| self.position_key.sign(position));
                    Ok(ran)
                }
                Rendered::Postgres(_) => Err(StoreError::other_engine()),
            }
        })
    }

    fn transact(&self, mut steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>> {
        Box::pin(async move {
            crate::own::checked(&mut steps)?;
            self.writer.transact(steps).await
        })
    }

    fn consult(&self, mut steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>> {
        Box::pin(async move {
            crate::own::checked(&mut steps)?;
            self.readers.consult(steps).await
        })
    }

    fn try_own(&self, statements: &'static [OwnStatement]) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.readers.try_own(statements) })
    }

    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>> {
        Box::pin(async move {
            let connection = self.readers.take(&self.catalog())?;
            migration::applied(connection.raw())
        })
    }

    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>> {
        Box::pin(async { self.writer.migrate(migration).await.map(|()| MigrationOutcome::Applied) })
    }

    fn apply_own(
        &self,
        migrations: &'static OwnMigrations,
        place: usize,
    ) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>> {
        Box::pin(async move {
            let Some(step) = migrations.all.get(place) else { return Ok(MigrationOutcome::Present) };
            let version = migrations.version(place);
            if self.applied_migrations().await?.iter().any(|known| known.version == version) {
                return Ok(MigrationOutcome::Present);
            }
            let catalog = self.catalog();
            let snapshot = catalog.snapshot();
            let stands = migrations.stands_in(step, snapshot)?;
            let script = if stands {
                Script { statements: Vec::new(), snapshot: snapshot.clone(), rebuilds: false }
            } else {
                migrations.translated(step, snapshot)?
            };
            let checksum = if stands { LEFT.to_owned() } else { crate::own_migration::checksum(step) };
            let script = MigrationScript::Translated(Box::new(script));
            self.writer
                .migrate(Migration { version, name: migrations.name(step), checksum, script, owes: None })
                .await?;
            Ok(if stands { MigrationOutcome::Left } else { MigrationOutcome::Applied })
        })
    }

    fn is_audited(&self) -> bool {
        self.is_audited && has_table(&self.catalog())
    }

    fn audit(&self) -> BoxFuture<'_, Result<Vec<Unwatched>, StoreError>> {
        // The writer does it by itself, with each migration.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        // Nobody else can have changed it: the file is this process's alone.
        Box::pin(async { Ok(()) })
    }

    fn changes(&self) -> Option<&Changes> {
        self.changes.as_deref()
    }

    fn is_always_caught_up(&self) -> bool {
        true
    }

    fn gauges(&self) -> Gauges {
        let (connections_used, connections_idle, reads_waiting) = self.readers.counts();
        Gauges {
            connections_used,
            connections_idle,
            reads_waiting,
            writes_queued: self.writer.queued(),
            replicas: None,
            shared: None,
        }
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

    fn was_checked(&self) -> bool {
        self.was_checked
    }

    fn check_whole(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let (path, origin, catalog) = (self.path.clone(), self.origin, self.catalog());
        let checking = self.checking.clone();
        let check = move || {
            let failed = |error: rusqlite::Error| migration::damaged(&path, &error);
            let connection = Connection::open(&path, Purpose::Read, WAIT, &catalog, origin).map_err(failed)?;
            *checking.lock() = Some(connection.raw().get_interrupt_handle());
            let outcome = refuse_damage(connection.raw(), Check::Quick, &path);
            match checking.lock().take() {
                Some(_not_interrupted) => outcome,
                None => Err(StoreError::Closed),
            }
        };
        Box::pin(async move { tokio::task::spawn_blocking(check).await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(handle) = self.checking.lock().take() {
                handle.interrupt();
            }
            self.readers.close();
            let writer = self.writer.clone();
            // Joins threads, which would hold up the runtime.
            drop(tokio::task::spawn_blocking(move || writer.close()).await);
            drop(self.lock.lock().take());
        })
    }
}
