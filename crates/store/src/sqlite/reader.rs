//! Reads. A short one runs at once, on the thread that serves the request: that is what makes SQLite fast. One that
//! turns out to be long, in time or in bytes, is given up and begun anew on a thread of its own, so that a few slow
//! requests cannot hold up all others; a large body is then streamed, and memory stays bounded.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Failure};
use bytes::Bytes;
use catalog::Catalog;
use http::Method;
use parking_lot::Mutex;
use plan::Plan;
use rest::Format;
use sql::sqlite::Rendered as Sqlite;
use sql::sqlite::read::ReadStatement;
use sql::{OwnStatement, Statement};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Timeouts;
use super::connection::{Connection, Purpose};
use super::current::Current;
use super::failure::translate;
use super::identity::Identity;
use super::output::{self, KeepAll, Output, Sink};
use super::own::{OwnWork, Translations};
use super::write::Bounds;
use crate::body;
use crate::counted::Counted;
use crate::driver::{Body, Job, Observer, Operation, Ran, Rendered, Reply};
use crate::error::StoreError;
use crate::guard::{check_affected, check_single};
use crate::own::{self, OwnAnswer, OwnStep};
use crate::pieces::{PieceSender, pieces};

/// How long a read may hold the thread that serves requests. A list of a thousand rows takes one or two milliseconds.
const INLINE_BUDGET: Duration = Duration::from_millis(8);

/// How many bytes of a body are collected before it is streamed instead.
const INLINE_BYTES: usize = 512 * 1024;

/// The size of the pieces of a streamed body, and with [`PIECES_AHEAD`] the memory that one takes.
const PIECE_BYTES: usize = 64 * 1024;

/// How many pieces are read ahead of the client.
const PIECES_AHEAD: usize = 4;

/// How long a client may take for one piece. It holds one of the few places for long reads meanwhile; this asks for
/// about 6 KiB a second.
const PIECE_WAIT: Duration = Duration::from_secs(10);

/// How many streamed bodies may be under way, most of them waiting for their clients. Each holds a thread, a connection
/// and some pieces: about 2 MiB.
const MOST_STREAMS: usize = 64;

/// How the readers of a file are set up.
pub(super) struct ReaderSettings {
    pub(super) path: PathBuf,
    /// The most connections that wait for work.
    pub(super) most_idle: usize,
    /// Places for reads on threads of their own.
    pub(super) slow: usize,
    /// How long a read may wait for such a place.
    pub(super) wait: Duration,
    /// How long a statement may run, waiting for the client not counted.
    pub(super) timeouts: Timeouts,
    /// How long a streamed body may take altogether.
    pub(super) stream_timeout: Duration,
    /// The most bytes of an answer that are held at once.
    pub(super) most_bytes: usize,
    pub(super) origin: Instant,
}

/// The readers of a file.
pub(super) struct Readers {
    settings: ReaderSettings,
    translations: Arc<Translations>,
    current: Arc<Current>,
    idle: Mutex<Vec<Connection>>,
    used: AtomicU64,
    waiting: AtomicU64,
    slow: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    is_closed: AtomicBool,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// How often a migration may come in between what the program reads for itself.
const MOST_CATALOGS: u32 = 3;

/// A connection that is given back when it is dropped, however that comes.
pub(super) struct Reader<'r> {
    connection: Option<Connection>,
    readers: &'r Readers,
}

impl Deref for Reader<'_> {
    type Target = Connection;

    #[allow(clippy::expect_used, reason = "it is there from `take` to `drop`, and nowhere else is it taken out")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a reader holds its connection")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.readers.used.fetch_sub(1, Ordering::Relaxed);
        let Some(connection) = self.connection.take() else { return };
        // A transaction that is still open was left by a panic: the connection is not used again.
        if connection.raw().is_autocommit() && !self.readers.is_closed.load(Ordering::Acquire) {
            connection.set_deadline(None);
            let mut idle = self.readers.idle.lock();
            if idle.len() < self.readers.settings.most_idle {
                idle.push(connection);
            }
        }
    }
}

/// Why a read on the serving thread was given up.
enum GivenUp {
    TooLong,
    Failed(StoreError),
}

impl Readers {
    pub(super) fn new(
        settings: ReaderSettings,
        translations: Arc<Translations>,
        current: Arc<Current>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            translations,
            current,
            slow: Arc::new(Semaphore::new(settings.slow)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            settings,
            idle: Mutex::new(Vec::new()),
            used: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            clock,
            observer,
        }
    }

    /// Connections at work, connections waiting for work, and reads waiting for a place.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        (self.used.load(Ordering::Relaxed), self.idle.lock().len() as u64, self.waiting.load(Ordering::Relaxed))
    }

    /// A connection that knows the catalog's enumerations.
    pub(super) fn take(&self, catalog: &Arc<Catalog>) -> Result<Reader<'_>, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let settings = &self.settings;
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(mut connection) => connection.follow(catalog).map(|()| connection),
            None => Connection::open(&settings.path, Purpose::Read, settings.wait, catalog, settings.origin),
        };
        let connection = connection.map_err(translate)?;
        self.used.fetch_add(1, Ordering::Relaxed);
        Ok(Reader { connection: Some(connection), readers: self })
    }

    /// Closes the connections that wait for work; later reads are refused.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.idle.lock().clear();
    }

    /// Runs a read.
    pub(super) async fn run(self: &Arc<Self>, job: &Job) -> Result<Ran, StoreError> {
        let read = statement(job)?;
        let started = self.clock.monotonic();
        match self.run_inline(job, read) {
            Ok(ran) => {
                self.observe(job, read, started, Ok(ran.rows));
                Ok(ran)
            }
            Err(GivenUp::Failed(error)) => {
                self.observe(job, read, started, Err(&error));
                Err(error)
            }
            Err(GivenUp::TooLong) => self.run_apart(job.clone()).await,
        }
    }

    /// Runs statements of the program itself that only read, in one moment.
    pub(super) async fn consult(self: &Arc<Self>, steps: Vec<OwnStep>) -> Result<Vec<OwnAnswer>, StoreError> {
        let started = self.clock.monotonic();
        let steps: Arc<[OwnStep]> = steps.into();
        let mut outcome = self.consult_until(&steps, INLINE_BUDGET);
        if matches!(outcome, Err(StoreError::Timeout)) {
            outcome = self.consult_apart(steps.clone()).await;
        }
        let duration = self.clock.monotonic().saturating_duration_since(started);
        own::observe(&*self.observer, &steps, outcome.as_ref().map(|answers| own::affected(answers)), duration);
        outcome
    }

    /// The same on a thread of its own, in a place for long reads.
    async fn consult_apart(self: &Arc<Self>, steps: Arc<[OwnStep]>) -> Result<Vec<OwnAnswer>, StoreError> {
        let place = self.slow_place().await?;
        let (readers, timeout) = (self.clone(), self.settings.timeouts.usual);
        let apart = tokio::task::spawn_blocking(move || {
            let outcome = readers.consult_until(&steps, timeout);
            drop(place);
            outcome
        });
        apart.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Waits for a place for a long read.
    async fn slow_place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let waiting = Counted::among(&self.waiting);
        let place = tokio::time::timeout(self.settings.wait, self.slow.clone().acquire_owned()).await;
        drop(waiting);
        place.map_err(|_| StoreError::Busy("too many long reads are running"))?.map_err(|_| StoreError::Closed)
    }

    /// Looks whether statements of the program itself make sense.
    pub(super) fn try_own(&self, statements: &[OwnStatement]) -> Result<(), StoreError> {
        let catalog = self.current.catalog();
        let connection = self.take(&catalog)?;
        statements.iter().try_for_each(|statement| self.translations.check(*statement, &catalog, connection.raw()))
    }

    /// A migration may come in between, a few times: what was read then is read anew.
    fn consult_until(&self, steps: &[OwnStep], within: Duration) -> Result<Vec<OwnAnswer>, StoreError> {
        for _ in 0..MOST_CATALOGS {
            let catalog = self.current.catalog();
            let connection = self.take(&catalog)?;
            connection.begin(Identity::nobody(self.clock.now()), Some(self.clock.monotonic() + within));
            let work = OwnWork {
                connection: connection.raw(),
                catalog: &catalog,
                translations: &self.translations,
                bounds: Bounds { most_bytes: self.settings.most_bytes, most_rows: usize::MAX },
                writes: false,
            };
            execute(&connection, "BEGIN")?;
            let outcome = work.run(steps);
            let is_current = self.current.is(&catalog, connection.raw());
            connection.set_deadline(None);
            execute(&connection, "ROLLBACK")?;
            if is_current {
                return outcome;
            }
        }
        Err(StoreError::SchemaChanged)
    }

    fn run_inline(&self, job: &Job, read: &ReadStatement) -> Result<Ran, GivenUp> {
        let connection = self.take(&job.catalog).map_err(GivenUp::Failed)?;
        let identity = Identity::of(&job.caller, job.now, job.plan.zone.clone());
        connection.begin(identity, Some(self.clock.monotonic() + INLINE_BUDGET));
        let outcome = in_snapshot(&connection, job, read, || {
            let mut out = Vec::with_capacity(1024);
            let rows = write_page(&connection, (&job.plan, read), self.settings.most_bytes, &mut out, &mut UpTo)?;
            finish(&connection, &job.plan, rows, Body::Full(Bytes::from(out)))
        });
        match outcome {
            Err(StoreError::Timeout) => Err(GivenUp::TooLong),
            _ if !self.current.is(&job.catalog, connection.raw()) => Err(GivenUp::Failed(StoreError::SchemaChanged)),
            outcome => outcome.map_err(GivenUp::Failed),
        }
    }

    /// Runs a read on a thread of its own.
    async fn run_apart(self: &Arc<Self>, job: Job) -> Result<Ran, StoreError> {
        let stream = self.streams.clone().try_acquire_owned();
        let stream = stream.map_err(|_| StoreError::Busy("too many long answers are under way"))?;
        let place = self.slow_place().await?;
        let (head, told) = oneshot::channel();
        let readers = self.clone();
        // Ends by itself: at the statement timeout, when a client takes too long for a piece, or when it goes.
        drop(tokio::task::spawn_blocking(move || {
            match statement(&job) {
                Ok(read) => readers.read_apart(&job, read, head, place),
                Err(error) => drop(head.send(Err(error))),
            }
            drop(stream);
        }));
        told.await.unwrap_or(Err(StoreError::Closed))
    }

    fn read_apart(
        &self,
        job: &Job,
        read: &ReadStatement,
        head: oneshot::Sender<Result<Ran, StoreError>>,
        place: OwnedSemaphorePermit,
    ) {
        let started = self.clock.monotonic();
        let connection = match self.take(&job.catalog) {
            Ok(connection) => connection,
            Err(error) => return drop(head.send(Err(error))),
        };
        let deadline = started + self.settings.timeouts.of(&job.caller);
        connection.begin(Identity::of(&job.caller, job.now, job.plan.zone.clone()), Some(deadline));
        let mut stream = Streamed {
            head: Some(head),
            pieces: None,
            connection: &connection,
            current: &self.current,
            job,
            clock: &*self.clock,
            slow: &self.slow,
            place: Some(place),
            deadline,
            last: started + self.settings.stream_timeout,
        };
        let outcome = in_snapshot(&connection, job, read, || {
            let mut out = Vec::with_capacity(PIECE_BYTES);
            let rows = write_page(&connection, (&job.plan, read), self.settings.most_bytes, &mut out, &mut stream)?;
            if stream.pieces.is_none() {
                // All of it fitted into one piece after all.
                return finish(&connection, &job.plan, rows, Body::Full(Bytes::from(out))).map(Some);
            }
            stream.send(Bytes::from(out)).map_err(translate).map(|()| None)
        });
        let is_done = stream.pieces.is_some() && stream.is_headed();
        let (head, pieces) = (stream.head.take(), stream.pieces.take());
        // Once the head is told, the moment is fixed and the body is finished as it began.
        let outcome = match head {
            Some(_) if !self.current.is(&job.catalog, connection.raw()) => Err(StoreError::SchemaChanged),
            None if is_done => Ok(None),
            _ => outcome,
        };
        drop(connection);
        let rows = outcome.as_ref().map(|ran| ran.as_ref().map_or(0, |ran| ran.rows));
        self.observe(job, read, started, rows);
        match (outcome, head, pieces) {
            (Ok(Some(ran)), Some(head), _) => drop(head.send(Ok(ran))),
            (Err(error), Some(head), _) => drop(head.send(Err(error))),
            // A client is told of an error by a body that breaks off.
            (outcome, _, Some(pieces)) => pieces.end(outcome.map(drop)),
            _ => {}
        }
    }

    /// Tells what a read did; of a streamed one when its body has ended.
    fn observe(&self, job: &Job, read: &ReadStatement, started: Instant, rows: Result<u64, &StoreError>) {
        let relation = match &job.plan.operation {
            plan::Operation::Read(read) => match &read.level.from.first {
                catalog::Source::Relation { name, .. } => &*name.name,
                catalog::Source::Query { .. } | catalog::Source::Call { .. } => "",
            },
            _ => "",
        };
        let error = rows.err().map(|error| Failure::from(error.clone()).code);
        self.observer.operation(&Operation {
            name: "SELECT",
            relation,
            duration: self.clock.monotonic().saturating_duration_since(started),
            statement: read.statement.text(),
            rows: rows.unwrap_or(0),
            error: error.as_deref(),
            trace_id: job.trace_id,
        });
    }
}

/// A read that is answered whole, on a connection that sees one moment already.
pub(super) fn whole(
    connection: &Connection,
    plan: &Plan,
    read: &ReadStatement,
    most_bytes: usize,
) -> Result<Ran, StoreError> {
    let shown = shown(plan, most_bytes);
    let mut out = Vec::new();
    let rows = write_page(connection, (plan, read), most_bytes, &mut out, &mut KeepAll(&shown))?;
    finish(connection, plan, rows, Body::Full(Bytes::from(out)))
}

fn shown(plan: &Plan, most_bytes: usize) -> Output<'_> {
    Output { format: plan.format, shape: plan.shape, zone: &plan.zone, written: "[]", most_bytes }
}

/// Writes the page's rows into `out`.
fn write_page(
    connection: &Connection,
    (plan, read): (&Plan, &ReadStatement),
    most_bytes: usize,
    out: &mut Vec<u8>,
    sink: &mut dyn Sink,
) -> Result<u64, StoreError> {
    let shown = shown(plan, most_bytes);
    let wants_body = match &plan.operation {
        plan::Operation::Read(read) => read.wants_body,
        _ => true,
    };
    let mut prepared = output::prepare(connection.raw(), read).map_err(translate)?;
    if !wants_body {
        return prepared.count_rows(&shown).map_err(translate);
    }
    body::open(plan.format, plan.shape, out);
    let rows = prepared.write_rows(&shown, 0, 0, out, sink).map_err(translate)?;
    body::close(plan.format, plan.shape, rows, out);
    Ok(rows)
}

/// The statements of a read.
fn statement(job: &Job) -> Result<&ReadStatement, StoreError> {
    match &*job.rendered {
        Rendered::Sqlite(Sqlite::Read(read)) => Ok(read),
        Rendered::Postgres(_) => Err(StoreError::other_engine()),
        Rendered::Sqlite(_) => Err(StoreError::Engine("a write was sent to the readers".to_owned())),
    }
}

/// One moment for all statements of a read: a transaction where there is more than one.
fn in_snapshot<T>(
    connection: &Connection,
    job: &Job,
    read: &ReadStatement,
    run: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let plan::Operation::Read(what) = &job.plan.operation else { return run() };
    if read.children.is_empty() && what.counts.is_none() {
        return run();
    }
    execute(connection, "BEGIN")?;
    let outcome = run();
    // A read has nothing to keep; ending it cannot change its outcome. The time may be up, but the end must be made.
    connection.set_deadline(None);
    let ended = execute(connection, "ROLLBACK");
    outcome.and_then(|outcome| ended.map(|()| outcome))
}

fn execute(connection: &Connection, text: &'static str) -> Result<(), StoreError> {
    connection.raw().prepare_cached(text).and_then(|mut statement| statement.execute([])).map(drop).map_err(translate)
}

/// What is told beside the body: the count, and that a single row is one.
fn finish(connection: &Connection, plan: &Plan, rows: u64, body: Body) -> Result<Ran, StoreError> {
    check_single(plan.expectation, rows)?;
    check_affected(plan.expectation, rows)?;
    let total = total(connection, plan, rows)?;
    Ok(Ran { rows, total, inserted: None, location: None, reply: Reply::default(), position: None, kept: None, body })
}

/// All rows that fit, where they are to be counted.
fn total(connection: &Connection, plan: &Plan, rows: u64) -> Result<Option<u64>, StoreError> {
    let plan::Operation::Read(read) = &plan.operation else { return Ok(None) };
    if read.counts.is_none() {
        return Ok(None);
    }
    // A page that is not full, and not empty beyond the end, ends at the last row.
    let is_last = read.level.limit.is_none_or(|limit| rows < limit) && (rows > 0 || read.level.offset == 0);
    if is_last {
        return Ok(Some(read.level.offset + rows));
    }
    count(connection, plan).map(Some)
}

fn count(connection: &Connection, plan: &Plan) -> Result<u64, StoreError> {
    let plan::Operation::Read(read) = &plan.operation else { return Ok(0) };
    ask(connection, &sql::sqlite::read::count(&read.level))
}

/// The number that a counting statement gives.
fn ask(connection: &Connection, statement: &Statement) -> Result<u64, StoreError> {
    let mut prepared = connection.raw().prepare_cached(statement.text()).map_err(translate)?;
    output::bind(&mut prepared, statement.parameters(), None, "[]", 0).map_err(translate)?;
    let mut rows = prepared.raw_query();
    let row = rows.next().map_err(translate)?;
    let count: i64 = row.map_or(Ok(0), |row| row.get(0)).map_err(translate)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The rows of the page and, where they are asked for, all rows that fit: known before the body, since a streamed
/// body's headers are sent first.
fn count_page(connection: &Connection, job: &Job) -> Result<(u64, Option<u64>), StoreError> {
    let plan::Operation::Read(read) = &job.plan.operation else { return Ok((0, None)) };
    let rows = ask(connection, &sql::sqlite::read::count_page(&read.level))?;
    check_affected(job.plan.expectation, rows)?;
    Ok((rows, total(connection, &job.plan, rows)?))
}

/// Gives up when the body grows beyond what is collected.
struct UpTo;

impl Sink for UpTo {
    fn after_row(&mut self, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        if out.len() > INLINE_BYTES { Err(interrupted()) } else { Ok(()) }
    }
}

fn interrupted() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None)
}

/// Sends the body in pieces; the first one tells the head before.
struct Streamed<'a> {
    head: Option<oneshot::Sender<Result<Ran, StoreError>>>,
    pieces: Option<PieceSender>,
    connection: &'a Connection,
    current: &'a Current,
    job: &'a Job,
    clock: &'a dyn Clock,
    slow: &'a Arc<Semaphore>,
    /// The place among the long reads; given up while the client is waited for.
    place: Option<OwnedSemaphorePermit>,
    /// When the statement must have ended; moved on by the time that the client takes.
    deadline: Instant,
    /// When all of it must have ended.
    last: Instant,
}

impl Streamed<'_> {
    /// Whether nobody reads more than the head.
    fn is_headed(&self) -> bool {
        self.job.request.method == Method::HEAD
    }

    /// Tells the head, once it is clear that the body is long: how many rows there will be is counted in the moment
    /// that the body is read from.
    fn tell(&mut self) -> rusqlite::Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        // Here the moment is fixed: rows have been read, and more will be.
        let counted = if self.current.is(&self.job.catalog, self.connection.raw()) {
            count_page(self.connection, self.job)
        } else {
            Err(StoreError::SchemaChanged)
        };
        let (sender, receiver) = pieces(PIECES_AHEAD);
        let ran = counted.map(|(rows, total)| Ran {
            rows,
            total,
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body: Body::Stream(receiver),
        });
        let is_told = ran.is_ok();
        self.pieces = is_told.then_some(sender);
        let is_heard = head.send(ran).is_ok();
        // Nobody reads what follows the head of a HEAD: the statement is ended here, which `read_apart` knows to be no failure.
        if is_told && is_heard && !self.is_headed() { Ok(()) } else { Err(interrupted()) }
    }

    /// Hands a piece over, as soon as the client has room for it. While it is waited for, another long read may run:
    /// clients that do not read must not hold the few places.
    fn send(&mut self, piece: Bytes) -> rusqlite::Result<()> {
        let Some(pieces) = &self.pieces else { return Ok(()) };
        let piece = match pieces.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(piece)) => piece,
            Err(TrySendError::Closed(_)) => return Err(interrupted()),
        };
        let before = self.clock.monotonic();
        drop(self.place.take());
        // This thread is one of the runtime's for blocking work, so it may wait on a timer of the runtime.
        let runtime = tokio::runtime::Handle::current();
        let wait = PIECE_WAIT.min(self.last.saturating_duration_since(before));
        if runtime.block_on(pieces.send(piece, wait)).is_err() {
            return Err(interrupted());
        }
        self.place = runtime.block_on(self.slow.clone().acquire_owned()).ok();
        self.deadline += self.clock.monotonic().saturating_duration_since(before);
        self.connection.set_deadline(Some(self.deadline.min(self.last)));
        Ok(())
    }
}

impl Sink for Streamed<'_> {
    fn after_row(&mut self, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        // A single row is only known to be one at the end.
        if out.len() < PIECE_BYTES || matches!(self.job.plan.format, Format::Object { .. }) {
            return Ok(());
        }
        self.tell()?;
        self.send(Bytes::from(std::mem::replace(out, Vec::with_capacity(PIECE_BYTES))))
    }
}
