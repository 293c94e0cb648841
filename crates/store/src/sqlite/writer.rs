//! The writer: one thread that owns the only writing connection. Writes that wait are put into one transaction, each
//! behind a savepoint of its own, and share one sync of the disk (group commit). A write is answered only after that.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base::{Clock, Timestamp};
use catalog::Catalog;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, Purpose};
use super::failure::translate;
use super::identity::Identity;
use super::{migration, write};
use crate::driver::{Job, Migration, Observer, Ran};
use crate::error::StoreError;

/// The most writes of one transaction. More would make the first of them wait long for their answer.
const LARGEST_BATCH: usize = 128;

/// A write's state, so that one that waited too long is either refused or run, never both.
const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const ABANDONED: u8 = 2;

/// What the writer is asked.
enum Task {
    /// A request's write.
    Write { job: Box<Job>, reply: oneshot::Sender<Result<Ran, StoreError>>, state: Arc<AtomicU8> },
    /// A migration.
    Migrate { migration: Box<Migration>, reply: oneshot::Sender<Result<(), StoreError>> },
}

/// The way to the writer.
pub(super) struct Writer {
    tasks: parking_lot::Mutex<Option<mpsc::Sender<Task>>>,
    queued: Arc<AtomicU64>,
    wait: Duration,
    thread: parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What the writer needs to know.
pub(super) struct WriterSettings {
    pub(super) path: PathBuf,
    pub(super) queue: usize,
    pub(super) wait: Duration,
    pub(super) statement_timeout: Duration,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        settings: WriterSettings,
        catalog: Arc<ArcSwap<Catalog>>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(settings.queue);
        let queued = Arc::new(AtomicU64::new(0));
        let wait = settings.wait;
        let room = Room {
            connection,
            catalog,
            clock,
            observer,
            queued: queued.clone(),
            statement_timeout: settings.statement_timeout,
            checkpointer: Checkpointer::start(settings.path)?,
        };
        let thread = std::thread::Builder::new()
            .name("pando-writer".to_owned())
            .spawn(move || room.work(receiver))
            .map_err(|error| StoreError::Engine(format!("the writer's thread could not be started: {error}")))?;
        Ok(Self {
            tasks: parking_lot::Mutex::new(Some(sender)),
            queued,
            wait,
            thread: parking_lot::Mutex::new(Some(thread)),
        })
    }

    /// Writes that wait for their turn.
    pub(super) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    fn sender(&self) -> Result<mpsc::Sender<Task>, StoreError> {
        self.tasks.lock().clone().ok_or(StoreError::Closed)
    }

    /// Runs a write.
    pub(super) async fn write(&self, job: Job) -> Result<Ran, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        let state = Arc::new(AtomicU8::new(WAITING));
        let task = Task::Write { job: Box::new(job), reply, state: state.clone() };
        self.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.sender().and_then(|sender| sender.try_send(task).map_err(full)) {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(error);
        }
        if let Ok(answered) = tokio::time::timeout(self.wait, &mut answer).await {
            return answered.unwrap_or(Err(StoreError::Closed));
        }
        // Too long in the queue: give up, unless it has just been begun; then its outcome counts.
        match state.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Err(StoreError::Busy("too many writes are waiting")),
            Err(_) => answer.await.unwrap_or(Err(StoreError::Closed)),
        }
    }

    /// Applies a migration.
    pub(super) async fn migrate(&self, migration: Migration) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task::Migrate { migration: Box::new(migration), reply };
        self.sender()?.send(task).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets the thread finish what is queued, and waits for it.
    pub(super) fn close(&self) {
        drop(self.tasks.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked has nothing more to finish.
            drop(thread.join());
        }
    }
}

fn full(error: mpsc::error::TrySendError<Task>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(_) => StoreError::Busy("the queue of writes is full"),
        mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
    }
}

/// The writer's thread.
struct Room {
    connection: Connection,
    catalog: Arc<ArcSwap<Catalog>>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    queued: Arc<AtomicU64>,
    statement_timeout: Duration,
    checkpointer: Checkpointer,
}

/// A write that ran and waits for the commit before it is answered.
struct Done {
    reply: oneshot::Sender<Result<Ran, StoreError>>,
    outcome: Result<Ran, StoreError>,
}

impl Room {
    fn work(mut self, mut tasks: mpsc::Receiver<Task>) {
        let mut next = tasks.blocking_recv();
        while let Some(task) = next.take() {
            match task {
                Task::Migrate { migration, reply } => {
                    let outcome = self.migrate(*migration);
                    drop(reply.send(outcome));
                }
                first @ Task::Write { .. } => next = self.batch(first, &mut tasks),
            }
            if next.is_none() {
                next = tasks.blocking_recv();
            }
        }
        self.checkpointer.finish();
    }

    fn migrate(&mut self, migration: Migration) -> Result<(), StoreError> {
        let next = Arc::new(Catalog::new(migration.snapshot.clone()));
        self.connection.follow(&next).map_err(translate)?;
        let now: Timestamp = self.clock.now();
        self.connection.begin(Identity::nobody(now), None);
        migration::apply(self.connection.raw(), &migration, now)?;
        self.catalog.store(next);
        self.checkpointer.wake();
        Ok(())
    }

    /// Runs the first write and those that wait behind it in one transaction. Gives back a task that does not belong
    /// into it.
    fn batch(&mut self, first: Task, tasks: &mut mpsc::Receiver<Task>) -> Option<Task> {
        let started = self.clock.monotonic();
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            self.refuse(first, &error);
            return None;
        }
        let mut done = Vec::new();
        let mut next = Some(first);
        let mut left_over = None;
        while let Some(task) = next.take() {
            match task {
                Task::Write { job, reply, state } => {
                    self.queued.fetch_sub(1, Ordering::Relaxed);
                    let claimed = state.compare_exchange(WAITING, CLAIMED, Ordering::AcqRel, Ordering::Acquire);
                    if claimed.is_ok() {
                        done.push(Done { reply, outcome: self.write(&job) });
                    }
                }
                migrate @ Task::Migrate { .. } => {
                    left_over = Some(migrate);
                    break;
                }
            }
            if done.len() < LARGEST_BATCH {
                next = tasks.try_recv().ok();
            }
        }
        let committed = self.commit();
        let writes = done.len() as u64;
        for Done { reply, outcome } in done {
            // What failed by itself keeps its own answer; what would have been kept is lost with the transaction.
            let outcome = match (&committed, outcome) {
                (Err(error), Ok(_)) => Err(error.clone()),
                (_, outcome) => outcome,
            };
            drop(reply.send(outcome));
        }
        self.observer.batch(writes, self.clock.monotonic().saturating_duration_since(started));
        self.checkpointer.wake();
        left_over
    }

    fn refuse(&self, task: Task, error: &StoreError) {
        if let Task::Write { reply, .. } = task {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            drop(reply.send(Err(error.clone())));
        }
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.connection.set_deadline(None);
        let committed = self.execute("COMMIT");
        if committed.is_err() {
            // A failed commit leaves the transaction open; nothing of it may stay.
            drop(self.execute("ROLLBACK"));
        }
        committed
    }

    /// Runs one write behind a savepoint; of one that fails, or is not to be kept, nothing remains.
    fn write(&self, job: &Job) -> Result<Ran, StoreError> {
        let deadline: Instant = self.clock.monotonic() + self.statement_timeout;
        self.execute("SAVEPOINT write")?;
        self.connection.begin(Identity::of(&job.caller, job.now, job.plan.zone.clone()), Some(deadline));
        let started = self.clock.monotonic();
        let outcome = write::run(self.connection.raw(), job);
        self.connection.set_deadline(None);
        if outcome.is_err() || !job.commits {
            self.execute("ROLLBACK TO write")?;
        }
        self.execute("RELEASE write")?;
        write::observe(&*self.observer, job, &outcome, self.clock.monotonic().saturating_duration_since(started));
        outcome
    }

    fn execute(&self, text: &'static str) -> Result<(), StoreError> {
        let mut statement = self.connection.raw().prepare_cached(text).map_err(translate)?;
        statement.execute([]).map(drop).map_err(translate)
    }
}

/// Moves the log's pages into the file on a thread of its own: no write waits for it.
struct Checkpointer {
    wake: Option<std::sync::mpsc::SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Checkpointer {
    fn start(path: PathBuf) -> Result<Self, StoreError> {
        // One waiting wake-up stands for any number of them.
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let connection = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(translate)?;
        let thread = std::thread::Builder::new()
            .name("pando-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    checkpoint_if_long(&connection, &path);
                }
                // At the end the log is emptied, so that the file alone is the database.
                drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
            })
            .map_err(|error| StoreError::Engine(format!("the checkpoint thread could not be started: {error}")))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // A full channel means that it is awake already.
            let _awake_already = wake.try_send(());
        }
    }

    fn finish(mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How long the log may become before its pages are moved into the file: 4 MiB, SQLite's own default of 1,000 pages.
const LONG_LOG: u64 = 4 * 1024 * 1024;

/// How long the log may become before it is emptied for good, which waits for readers: 64 MiB.
const HUGE_LOG: u64 = 64 * 1024 * 1024;

fn checkpoint_if_long(connection: &rusqlite::Connection, path: &std::path::Path) {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let length = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let text = match length {
        length if length > HUGE_LOG => "PRAGMA wal_checkpoint(RESTART)",
        length if length > LONG_LOG => "PRAGMA wal_checkpoint(PASSIVE)",
        _ => return,
    };
    // A checkpoint that cannot finish is tried again after the next write.
    drop(connection.query_row(text, [], |_| Ok(())));
}

/// Opens the writing connection.
pub(super) fn connect(
    path: &std::path::Path,
    busy: Duration,
    catalog: &Arc<Catalog>,
    origin: Instant,
) -> Result<Connection, StoreError> {
    Connection::open(path, Purpose::Write, busy, catalog, origin).map_err(translate)
}
