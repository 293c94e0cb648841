//! Reads. A short one runs at once, on the thread that serves the request: that is what makes SQLite fast. One that
//! turns out to be long, in time or in bytes, is given up and begun anew on a thread of its own, so that a few slow
//! requests cannot hold up all others; a large body is then streamed, and memory stays bounded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Failure, Kind};
use bytes::Bytes;
use catalog::Catalog;
use parking_lot::Mutex;
use plan::Plan;
use rest::Format;
use sql::sqlite::Rendered as Sqlite;
use sql::sqlite::read::ReadStatement;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::connection::{Connection, Purpose};
use super::failure::translate;
use super::identity::Identity;
use super::output::{self, Output, Sink};
use crate::driver::{Body, Job, Ran, Rendered};
use crate::error::StoreError;

/// How long a read may hold the thread that serves requests. A list of a thousand rows takes one or two milliseconds.
const INLINE_BUDGET: Duration = Duration::from_millis(8);

/// How many bytes of a body are collected before it is streamed instead.
const INLINE_BYTES: usize = 512 * 1024;

/// The size of the pieces of a streamed body, and with [`PIECES_AHEAD`] the memory that one takes.
const PIECE_BYTES: usize = 64 * 1024;

/// How many pieces are read ahead of the client.
const PIECES_AHEAD: usize = 4;

/// The readers of a file.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// The most connections that wait for work.
    most_idle: usize,
    used: std::sync::atomic::AtomicU64,
    /// Places for reads on threads of their own.
    slow: Arc<Semaphore>,
    slow_wait: Duration,
    statement_timeout: Duration,
    origin: Instant,
}

/// Why a read on the serving thread was given up.
enum GivenUp {
    TooLong,
    Failed(StoreError),
}

impl Readers {
    pub(super) fn new(
        path: PathBuf,
        most_idle: usize,
        slow: usize,
        slow_wait: Duration,
        statement_timeout: Duration,
        origin: Instant,
    ) -> Self {
        Self {
            path,
            idle: Mutex::new(Vec::new()),
            most_idle,
            used: std::sync::atomic::AtomicU64::new(0),
            slow: Arc::new(Semaphore::new(slow)),
            slow_wait,
            statement_timeout,
            origin,
        }
    }

    /// Connections at work, and waiting for work.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.used.load(std::sync::atomic::Ordering::Relaxed), self.idle.lock().len() as u64)
    }

    /// A connection that knows the catalog's enumerations.
    pub(super) fn take(&self, catalog: &Arc<Catalog>) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(mut connection) => connection.follow(catalog).map(|()| connection),
            None => Connection::open(&self.path, Purpose::Read, self.slow_wait, catalog, self.origin),
        };
        let connection = connection.map_err(translate)?;
        self.used.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(connection)
    }

    /// Gives a connection back.
    pub(super) fn give_back(&self, connection: Connection) {
        self.used.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        connection.set_deadline(None);
        let mut idle = self.idle.lock();
        if idle.len() < self.most_idle {
            idle.push(connection);
        }
    }

    /// Closes the connections that wait for work.
    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }

    /// Runs a read.
    pub(super) async fn run(self: &Arc<Self>, job: &Job) -> Result<Ran, StoreError> {
        match self.run_inline(job, statement(job)?) {
            Ok(ran) => Ok(ran),
            Err(GivenUp::Failed(error)) => Err(error),
            Err(GivenUp::TooLong) => self.run_apart(job.clone()).await,
        }
    }

    fn run_inline(&self, job: &Job, read: &ReadStatement) -> Result<Ran, GivenUp> {
        let connection = self.take(&job.catalog).map_err(GivenUp::Failed)?;
        let zone = job.plan.zone.clone();
        connection.begin(Identity::of(&job.caller, job.now, zone), Some(Instant::now() + INLINE_BUDGET));
        let outcome = in_snapshot(&connection, job, read, || {
            let mut out = Vec::with_capacity(1024);
            let rows = write_page(&connection, &job.plan, read, &mut out, &mut UpTo)?;
            finish(&connection, job, rows, Body::Full(output::body(out)))
        });
        self.give_back(connection);
        outcome.map_err(|error| match error {
            StoreError::Timeout => GivenUp::TooLong,
            other => GivenUp::Failed(other),
        })
    }

    /// Runs a read on a thread of its own.
    async fn run_apart(self: &Arc<Self>, job: Job) -> Result<Ran, StoreError> {
        let waiting = self.slow.clone().acquire_owned();
        let place = tokio::time::timeout(self.slow_wait, waiting)
            .await
            .map_err(|_| StoreError::Busy("too many long reads are running"))?
            .map_err(|_| StoreError::Closed)?;
        let (head, told) = oneshot::channel();
        let readers = self.clone();
        // Ends by itself: at the statement timeout, or when the client goes and a piece can no longer be sent.
        drop(tokio::task::spawn_blocking(move || {
            match statement(&job) {
                Ok(read) => readers.read_apart(&job, read, head),
                Err(error) => drop(head.send(Err(error))),
            }
            drop(place);
        }));
        told.await.unwrap_or(Err(StoreError::Closed))
    }

    fn read_apart(&self, job: &Job, read: &ReadStatement, head: oneshot::Sender<Result<Ran, StoreError>>) {
        let connection = match self.take(&job.catalog) {
            Ok(connection) => connection,
            Err(error) => return drop(head.send(Err(error))),
        };
        let deadline = Instant::now() + self.statement_timeout;
        connection.begin(Identity::of(&job.caller, job.now, job.plan.zone.clone()), Some(deadline));
        let mut stream = Streamed { head: Some(head), pieces: None, connection: &connection, job };
        let outcome = in_snapshot(&connection, job, read, || {
            let mut out = Vec::with_capacity(PIECE_BYTES);
            let rows = write_page(&connection, &job.plan, read, &mut out, &mut stream)?;
            Ok((rows, out))
        });
        let finished = outcome.and_then(|(rows, out)| match &stream.pieces {
            // All of it fitted into one piece after all.
            None => finish(&connection, job, rows, Body::Full(output::body(out))).map(Some),
            Some(pieces) => {
                drop(pieces.blocking_send(Ok(Bytes::from(out))));
                Ok(None)
            }
        });
        let (head, pieces) = (stream.head.take(), stream.pieces.take());
        self.give_back(connection);
        match (finished, head, pieces) {
            (Ok(Some(ran)), Some(head), _) => drop(head.send(Ok(ran))),
            (Err(error), Some(head), _) => drop(head.send(Err(error))),
            (Err(error), None, Some(pieces)) => drop(pieces.blocking_send(Err(error))),
            _ => {}
        }
    }
}

/// The statements of a read.
fn statement(job: &Job) -> Result<&ReadStatement, StoreError> {
    match &*job.rendered {
        Rendered::Sqlite(Sqlite::Read(read)) => Ok(read),
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
    if read.children.is_empty() && !what.counts {
        return run();
    }
    execute(connection, "BEGIN")?;
    let outcome = run();
    // A read has nothing to keep; ending it cannot change its outcome.
    let ended = execute(connection, "ROLLBACK");
    outcome.and_then(|outcome| ended.map(|()| outcome))
}

fn execute(connection: &Connection, text: &'static str) -> Result<(), StoreError> {
    connection.raw().prepare_cached(text).and_then(|mut statement| statement.execute([])).map(drop).map_err(translate)
}

/// Writes the page's rows into `out`.
fn write_page(
    connection: &Connection,
    plan: &Plan,
    read: &ReadStatement,
    out: &mut Vec<u8>,
    sink: &mut dyn Sink,
) -> Result<u64, StoreError> {
    let shown = Output { format: plan.format, zone: &plan.zone, written: "[]" };
    let wants_body = match &plan.operation {
        plan::Operation::Read(read) => read.wants_body,
        _ => true,
    };
    let mut prepared = output::prepare(connection.raw(), read).map_err(translate)?;
    if !wants_body {
        return prepared.count_rows(&shown).map_err(translate);
    }
    output::open(plan.format, out);
    let rows = prepared.write_rows(&shown, 0, 0, out, sink).map_err(translate)?;
    output::close(plan.format, rows, out);
    Ok(rows)
}

/// What is told beside the body: the count, and that a single row is one.
fn finish(connection: &Connection, job: &Job, rows: u64, body: Body) -> Result<Ran, StoreError> {
    if job.plan.expectation.exactly_one && rows != 1 {
        return Err(not_single(rows).into());
    }
    let total = total(connection, job, rows)?;
    Ok(Ran { rows, total, inserted: None, location: None, body })
}

/// The refusal of anything but one row, where one was asked for.
pub(super) fn not_single(rows: u64) -> Failure {
    Failure::new(Kind::NotAcceptable, "PGRST116", "Cannot coerce the result to a single JSON object")
        .with_details(format!("The result contains {rows} rows"))
}

/// All rows that fit, where they are to be counted.
fn total(connection: &Connection, job: &Job, rows: u64) -> Result<Option<u64>, StoreError> {
    let plan::Operation::Read(read) = &job.plan.operation else { return Ok(None) };
    if !read.counts {
        return Ok(None);
    }
    // A page that is not full, and not empty beyond the end, ends at the last row.
    let is_last = read.level.limit.is_none_or(|limit| rows < limit) && (rows > 0 || read.level.offset == 0);
    if is_last {
        return Ok(Some(read.level.offset + rows));
    }
    count(connection, job).map(Some)
}

fn count(connection: &Connection, job: &Job) -> Result<u64, StoreError> {
    let plan::Operation::Read(read) = &job.plan.operation else { return Ok(0) };
    let statement = sql::sqlite::read::count(&read.level);
    let mut prepared = connection.raw().prepare_cached(statement.text()).map_err(translate)?;
    output::bind(&mut prepared, statement.parameters(), None, "[]", 0).map_err(translate)?;
    let mut rows = prepared.raw_query();
    let row = rows.next().map_err(translate)?;
    let count: i64 = row.map_or(Ok(0), |row| row.get(0)).map_err(translate)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The rows of the page and all rows that fit, known before the body: a streamed body's headers are sent first.
fn count_page(connection: &Connection, job: &Job) -> Result<(u64, u64), StoreError> {
    let plan::Operation::Read(read) = &job.plan.operation else { return Ok((0, 0)) };
    let total = count(connection, job)?;
    let rest = total.saturating_sub(read.level.offset);
    Ok((read.level.limit.map_or(rest, |limit| rest.min(limit)), total))
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
    pieces: Option<mpsc::Sender<Result<Bytes, StoreError>>>,
    connection: &'a Connection,
    job: &'a Job,
}

impl Streamed<'_> {
    /// Tells the head, once it is clear that the body is long: how many rows there will be is counted in the moment
    /// that the body is read from.
    fn tell(&mut self) -> rusqlite::Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        let counted = count_page(self.connection, self.job);
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let counts = matches!(&self.job.plan.operation, plan::Operation::Read(read) if read.counts);
        let ran = counted.map(|(rows, total)| Ran {
            rows,
            total: counts.then_some(total),
            inserted: None,
            location: None,
            body: Body::Stream(receiver),
        });
        let is_told = ran.is_ok();
        self.pieces = is_told.then_some(sender);
        let is_heard = head.send(ran).is_ok();
        if is_told && is_heard { Ok(()) } else { Err(interrupted()) }
    }
}

impl Sink for Streamed<'_> {
    fn after_row(&mut self, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        // A single row is only known to be one at the end.
        if out.len() < PIECE_BYTES || matches!(self.job.plan.format, Format::Object { .. }) {
            return Ok(());
        }
        self.tell()?;
        let piece = Bytes::from(std::mem::replace(out, Vec::with_capacity(PIECE_BYTES)));
        match &self.pieces {
            Some(pieces) => pieces.blocking_send(Ok(piece)).map_err(|_| interrupted()),
            None => Ok(()),
        }
    }
}
