//! The writer: one thread that owns the only writing connection. Writes that wait are put into one transaction, each
//! behind a savepoint of its own, and share one sync of the disk (group commit). A write is answered only after that.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Timestamp};
use catalog::Catalog;
use tokio::sync::{mpsc, oneshot};

use super::Timeouts;
use super::audit::Auditing;
use super::connection::{Connection, Purpose};
use super::current::Current;
use super::failure::translate;
use super::guarded::Guarded;
use super::identity::Identity;
use super::own::{OwnWork, Translations};
use super::touched::Recorder;
use super::{migration, write};
use crate::changes::Changes;
use crate::driver::{Job, Migration, MigrationScript, Observer, Ran};
use crate::error::StoreError;
use crate::idempotency::{self, KeptAnswer};
use crate::own::{self, OwnAnswer, OwnStep};

/// The most writes of one transaction. More would make the first of them wait long for their answer.
const LARGEST_BATCH: usize = 128;

/// How long writes are added to a transaction: the first of them waits so long at the most, besides its commit.
const BATCH_TIME: Duration = Duration::from_millis(20);

/// A write's state, so that one that waited too long is either refused or run, never both.
const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const ABANDONED: u8 = 2;

/// What the writer is asked.
enum Task {
    /// A write.
    Write { work: Work, state: Arc<AtomicU8> },
    /// A migration.
    Migrate { migration: Box<Migration>, reply: oneshot::Sender<Result<(), StoreError>> },
}

/// A write, and who waits for it.
enum Work {
    /// A request's.
    Job { job: Box<Job>, reply: Reply<Ran> },
    /// One of the program itself.
    Own { steps: Vec<OwnStep>, reply: Reply<Vec<OwnAnswer>> },
}

/// Who waits for an answer.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What a write gave.
enum Given {
    Ran(Ran),
    Own(Vec<OwnAnswer>),
}

impl Given {
    /// The answer that is kept, of a write that is done once.
    fn kept(&self) -> Option<&KeptAnswer> {
        match self {
            Self::Ran(ran) => ran.kept.as_deref(),
            Self::Own(_) => None,
        }
    }
}

impl Work {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Job { reply, .. } => reply.is_closed(),
            Self::Own { reply, .. } => reply.is_closed(),
        }
    }

    fn answer(self, outcome: Result<Given, StoreError>) {
        let other = || StoreError::Engine("a write was given the answer of another one".to_owned());
        match self {
            Self::Job { reply, .. } => drop(reply.send(outcome.and_then(|given| match given {
                Given::Ran(ran) => Ok(ran),
                Given::Own(_) => Err(other()),
            }))),
            Self::Own { reply, .. } => drop(reply.send(outcome.and_then(|given| match given {
                Given::Own(answers) => Ok(answers),
                Given::Ran(_) => Err(other()),
            }))),
        }
    }
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
    pub(super) timeouts: Timeouts,
    pub(super) bounds: write::Bounds,
    pub(super) translations: Arc<Translations>,
    pub(super) auditing: Auditing,
    /// Where it is told what changes; `None` where nobody asks, which costs nothing then.
    pub(super) changes: Option<Arc<Changes>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        settings: WriterSettings,
        current: Arc<Current>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(settings.queue);
        let queued = Arc::new(AtomicU64::new(0));
        let wait = settings.wait;
        let mut auditing = settings.auditing;
        auditing.install(connection.raw(), &current.catalog(), connection.identity()).map_err(translate)?;
        let recorder = match settings.changes {
            Some(changes) => Some(Recorder::install(connection.raw(), &current.catalog(), changes).map_err(translate)?),
            None => None,
        };
        let room = Room {
            connection,
            recorder,
            current,
            clock,
            observer,
            queued: queued.clone(),
            timeouts: settings.timeouts,
            bounds: settings.bounds,
            translations: settings.translations,
            auditing,
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

    /// Nobody who writes: every write is refused.
    pub(super) fn absent() -> Self {
        Self {
            tasks: parking_lot::Mutex::default(),
            queued: Arc::default(),
            wait: Duration::ZERO,
            thread: parking_lot::Mutex::default(),
        }
    }

    /// Writes that wait for their turn.
    pub(super) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Whether its thread is there: without it no write is ever answered.
    pub(super) fn is_alive(&self) -> bool {
        self.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn sender(&self) -> Result<mpsc::Sender<Task>, StoreError> {
        self.tasks.lock().clone().ok_or(StoreError::Closed)
    }

    /// Runs a write.
    pub(super) async fn write(&self, job: Job) -> Result<Ran, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Job { job: Box::new(job), reply }, answer).await
    }

    /// Runs a transaction of the program itself.
    pub(super) async fn transact(&self, steps: Vec<OwnStep>) -> Result<Vec<OwnAnswer>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue(Work::Own { steps, reply }, answer).await
    }

    async fn queue<T>(
        &self,
        work: Work,
        mut answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let task = Task::Write { work, state: state.clone() };
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
    recorder: Option<Recorder>,
    current: Arc<Current>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    queued: Arc<AtomicU64>,
    timeouts: Timeouts,
    bounds: write::Bounds,
    translations: Arc<Translations>,
    auditing: Auditing,
    checkpointer: Checkpointer,
}

/// A write that ran and waits for the commit before it is answered.
struct Done {
    work: Work,
    outcome: Result<Given, StoreError>,
    duration: Duration,
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
        let MigrationScript::Translated(script) = &migration.script else { return Err(StoreError::other_engine()) };
        let started = self.clock.monotonic();
        let next = Arc::new(Catalog::new(script.snapshot.clone()));
        if let Some(problem) = next.broken_document_schema() {
            return Err(StoreError::Migration { name: migration.name.clone(), problem });
        }
        self.connection.follow(&next).map_err(translate)?;
        let took = self.clock.monotonic().saturating_duration_since(started);
        let now: Timestamp = self.clock.now();
        self.connection.begin(Identity::nobody(now), None);
        self.auditing.remove(self.connection.raw()).map_err(translate)?;
        if let Err(error) = migration::apply(self.connection.raw(), &migration, script, now, &self.current) {
            self.current.retract();
            // The order of enumerations goes back to what the file still has.
            self.connection.follow(&self.current.catalog()).map_err(translate)?;
            self.audit(&self.current.catalog())?;
            return Err(error);
        }
        // The file has it by now: requests are planned with it, also where nothing can be written any more.
        let audited = self.audit(&next);
        // What a migration changes is not looked at row by row. Until the catalog is replaced nobody is shown what it has changed: whoever
        // is shown it after that finds nothing that was kept before.
        self.recorder.iter().for_each(|recorder| recorder.changes().forget());
        self.current.replace(next, took);
        self.checkpointer.after_commit(self.connection.raw());
        audited
    }

    /// Has the changes of what exists written down. Where that cannot be, nothing is written any more.
    fn audit(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.auditing.install(self.connection.raw(), catalog, self.connection.identity()).map_err(translate)
    }

    /// Runs the first write and those that wait behind it in one transaction. Gives back a task that does not belong
    /// into it.
    fn batch(&mut self, first: Task, tasks: &mut mpsc::Receiver<Task>) -> Option<Task> {
        let started = self.clock.monotonic();
        if let Err(error) = self.begin() {
            self.refuse(first, &error);
            return None;
        }
        let mut done: Vec<Done> = Vec::new();
        let mut next = Some(first);
        while let Some(task) = next.take() {
            let Task::Write { work, state } = task else { return self.end_batch(done, started, Some(task)) };
            self.queued.fetch_sub(1, Ordering::Relaxed);
            let claimed = state.compare_exchange(WAITING, CLAIMED, Ordering::AcqRel, Ordering::Acquire);
            // A client that has gone before its turn gets nothing written.
            if claimed.is_ok() && !work.is_abandoned() {
                let ran = self.run(work);
                if self.connection.raw().is_autocommit() {
                    // SQLite took the whole transaction back, not only this write (it does on an interrupt): those
                    // before it run again, each by itself.
                    self.answer(ran);
                    done.into_iter().for_each(|lost| self.again(lost));
                    return None;
                }
                done.push(ran);
            }
            let is_young = self.clock.monotonic().saturating_duration_since(started) < BATCH_TIME;
            if done.len() < LARGEST_BATCH && is_young {
                next = tasks.try_recv().ok();
            }
        }
        self.end_batch(done, started, None)
    }

    fn end_batch(&self, done: Vec<Done>, started: Instant, left_over: Option<Task>) -> Option<Task> {
        let committed = self.commit();
        let writes = done.len() as u64;
        for mut write in done {
            // What failed by itself keeps its own answer; what would have been kept is lost with the transaction.
            if let (Err(error), Ok(_)) = (&committed, &write.outcome) {
                write.outcome = Err(error.clone());
            }
            self.answer(write);
        }
        self.observer.batch(writes, self.clock.monotonic().saturating_duration_since(started));
        self.checkpointer.after_commit(self.connection.raw());
        left_over
    }

    /// Runs a write anew, in a transaction of its own, whose first run was lost through no fault of its own.
    fn again(&self, lost: Done) {
        if lost.outcome.is_err() {
            return self.answer(lost);
        }
        let work = lost.work;
        let begun = self.begin();
        let mut ran = match begun {
            Ok(()) => self.run(work),
            Err(error) => Done { work, outcome: Err(error), duration: Duration::ZERO },
        };
        let is_open = !self.connection.raw().is_autocommit();
        if is_open && let Err(error) = self.commit() {
            ran.outcome = ran.outcome.and(Err(error));
        }
        self.answer(ran);
    }

    fn answer(&self, write: Done) {
        match &write.work {
            Work::Job { job, .. } => {
                let rows = write.outcome.as_ref().map(|given| match given {
                    Given::Ran(ran) => ran.rows,
                    Given::Own(_) => 0,
                });
                write::observe(&*self.observer, job, rows, write.duration);
                idempotency::observe(&*self.observer, job, write.outcome.as_ref().map(|given| given.kept()));
            }
            Work::Own { steps, .. } => {
                let rows = write.outcome.as_ref().map(|given| match given {
                    Given::Own(answers) => own::affected(answers),
                    Given::Ran(_) => 0,
                });
                own::observe(&*self.observer, steps, rows, write.duration);
            }
        }
        write.work.answer(write.outcome);
    }

    fn refuse(&self, task: Task, error: &StoreError) {
        if let Task::Write { work, .. } = task {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            work.answer(Err(error.clone()));
        }
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.auditing.check()?;
        if !self.connection.raw().is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        self.recorder.iter().for_each(Recorder::clear);
        self.execute("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.connection.set_deadline(None);
        let told = self.recorder.as_ref().map(|recorder| (recorder, recorder.take(&self.current.catalog())));
        // From before anybody can see it until everybody does. Of one that fails nothing is seen, and nothing was lost by it.
        let _under_way = told.as_ref().map(|(recorder, touched)| recorder.changes().begin(touched));
        let committed = self.execute("COMMIT");
        if committed.is_err() && !self.connection.raw().is_autocommit() {
            // A failed commit may leave the transaction open; nothing of it may stay.
            drop(self.execute("ROLLBACK"));
        }
        committed
    }

    fn run(&self, work: Work) -> Done {
        let started = self.clock.monotonic();
        let run = || match &work {
            Work::Job { job, .. } => self.write(job).map(Given::Ran),
            Work::Own { steps, .. } => self.transact(steps).map(Given::Own),
        };
        let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            // What it left half done goes with the whole transaction; the others of the batch run again.
            drop(self.execute("ROLLBACK"));
            Err(StoreError::Engine("a write panicked; the place stands on standard error".to_owned()))
        });
        let duration = self.clock.monotonic().saturating_duration_since(started);
        Done { work, outcome, duration }
    }

    /// Runs one write behind a savepoint; of one that fails, or is not to be kept, nothing remains.
    fn write(&self, job: &Job) -> Result<Ran, StoreError> {
        if !Arc::ptr_eq(&job.catalog, &self.current.catalog()) {
            return Err(StoreError::SchemaChanged);
        }
        let is_guarded = Guarded::is(job);
        let has_savepoint = is_guarded || !job.commits || !write::is_single_statement(job);
        let identity = Identity::of_write(job);
        let timeout = self.timeouts.of(&job.caller);
        self.recorder.iter().for_each(|recorder| recorder.expect(Some(&job.plan)));
        let ran = self.behind_savepoint((has_savepoint, job.commits), identity, timeout, || {
            if !is_guarded {
                return write::run(self.connection.raw(), job, self.bounds);
            }
            let (connection, catalog, translations) = (&self.connection, &job.catalog, &*self.translations);
            Guarded { connection, catalog, translations, bounds: self.bounds }.run(job)
        });
        self.recorder.iter().for_each(|recorder| recorder.expect(None));
        ran
    }

    /// Runs a transaction of the program itself behind a savepoint.
    fn transact(&self, steps: &[OwnStep]) -> Result<Vec<OwnAnswer>, StoreError> {
        let catalog = self.current.catalog();
        let (connection, translations) = (self.connection.raw(), &*self.translations);
        let work = OwnWork { connection, catalog: &catalog, translations, bounds: self.bounds, writes: true };
        let identity = Identity::nobody(self.clock.now());
        self.behind_savepoint((true, true), identity, self.timeouts.usual, || work.run(steps))
    }

    fn behind_savepoint<T>(
        &self,
        (has_savepoint, commits): (bool, bool),
        identity: Identity,
        timeout: Duration,
        run: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let deadline: Instant = self.clock.monotonic() + timeout;
        if has_savepoint {
            self.execute("SAVEPOINT write")?;
        }
        self.connection.begin(identity, Some(deadline));
        let outcome = run();
        self.connection.set_deadline(None);
        if self.connection.raw().is_autocommit() {
            return outcome.and(Err(StoreError::Engine("the transaction ended before its time".to_owned())));
        }
        if has_savepoint && (outcome.is_err() || !commits) {
            self.execute("ROLLBACK TO write")?;
        }
        if has_savepoint {
            self.execute("RELEASE write")?;
        }
        outcome
    }

    fn execute(&self, text: &'static str) -> Result<(), StoreError> {
        let mut statement = self.connection.raw().prepare_cached(text).map_err(translate)?;
        statement.execute([]).map(drop).map_err(translate)
    }
}

thread_local! {
    /// How many pages the log has, told by SQLite after each commit of this thread.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Notes the length of the log. SQLite takes a plain function here, so the number goes through the thread's own place.
pub(super) fn note_log_pages(_: &rusqlite::hooks::Wal, pages: i32) -> rusqlite::Result<()> {
    LOG_PAGES.with(|known| known.set(pages));
    Ok(())
}

/// How long the log may become before its pages are moved into the file: SQLite's own default, 4 MiB.
const LONG_LOG: i32 = 1_000;

/// How long the log may become before the writer itself moves what is left of it: 12 MiB.
const LONGER_LOG: i32 = 3 * LONG_LOG;

/// How long the log may become before it is emptied for good, which needs a moment without readers: 64 MiB.
const HUGE_LOG: i32 = 16_000;

/// How long a checkpoint may wait for readers to be out of the way. Writers wait with it.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(20);

/// Moves the log's pages into the file on a thread of its own: a write waits for it only once the log is long.
struct Checkpointer {
    wake: Option<std::sync::mpsc::SyncSender<i32>>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// The length of the log, in pages, from which on something is done about it.
    next: Cell<i32>,
}

impl Checkpointer {
    fn start(path: PathBuf) -> Result<Self, StoreError> {
        // One waiting wake-up stands for any number of them.
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let connection = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|connection| connection.busy_timeout(CHECKPOINT_WAIT).map(|()| connection))
            .map_err(translate)?;
        let thread = std::thread::Builder::new()
            .name("pando-checkpoint".to_owned())
            .spawn(move || {
                while let Ok(pages) = woken.recv() {
                    checkpoint(&connection, pages);
                }
                // At the end the log is emptied, so that the file alone is the database.
                drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
            })
            .map_err(|error| StoreError::Engine(format!("the checkpoint thread could not be started: {error}")))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), next: Cell::new(LONG_LOG) })
    }

    /// Called on the writer's thread after each commit, with its connection.
    ///
    /// Writes go on while the checkpointer works. Under steady load its work is therefore never complete, so the log
    /// never begins anew, and every page of it makes all look-ups in it slower. A log that has become long in spite of
    /// the checkpointer is finished here: only what was written since is left to move. One that cannot be finished,
    /// because a reader still needs old pages, is tried again when it has grown by as much again.
    fn after_commit(&self, writing: &rusqlite::Connection) {
        let pages = LOG_PAGES.with(Cell::get);
        if pages < LONG_LOG {
            self.next.set(LONG_LOG);
        }
        if pages < self.next.get() {
            return;
        }
        self.next.set(pages.saturating_add(LONG_LOG));
        if (LONGER_LOG..=HUGE_LOG).contains(&pages) {
            checkpoint(writing, pages);
        } else if let Some(wake) = &self.wake {
            // A full channel means that it is awake already.
            let _awake_already = wake.try_send(pages);
        }
    }

    fn finish(mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn checkpoint(connection: &rusqlite::Connection, pages: i32) {
    let text = if pages > HUGE_LOG { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
    // One that cannot finish, because a reader still needs old pages, is tried again when the log has grown.
    drop(connection.query_row(text, [], |_| Ok(())));
}

/// Opens the writing connection.
pub(super) fn connect(
    path: &std::path::Path,
    busy: Duration,
    catalog: &Arc<Catalog>,
    origin: Instant,
) -> Result<Connection, StoreError> {
    let connection = Connection::open(path, Purpose::Write, busy, catalog, origin).map_err(translate)?;
    let mode: String = connection.raw().query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(translate)?;
    if mode != "wal" {
        return Err(StoreError::Unusable {
            path: path.to_owned(),
            problem: format!("its journal mode is {mode} and cannot be changed to wal"),
            advice: "use a local disk; network file systems often lack the shared memory that wal needs",
        });
    }
    Ok(connection)
}
