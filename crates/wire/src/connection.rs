//! An open connection: what it awaits, and what comes.

mod receiving;
mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use base::Limit;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt as _;

pub(crate) use self::receiving::set_parameter;
use crate::input::Input;
use crate::row::Field;
use crate::statements::Statements;
use crate::stream::Stream;
use crate::{Canceller, Column, Error, Row, ServerError, Settings};

/// The usual size of the buffer for a flight.
const OUTPUT_BYTES: usize = 8 << 10;

/// One execution in a flight. It stays valid until it is complete, or as long as its portal lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(pub(crate) u64);

/// What the server says about its transaction at the end of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// None is open.
    Idle,
    /// One is open.
    Open,
    /// One is open and has failed: everything but a rollback is refused.
    Failed,
}

/// What came.
#[derive(Debug)]
pub enum Event<'a> {
    /// A row.
    Row(Row<'a>),
    /// A statement of the step is done. Only with [`Event::Ready`] is its outcome final: what waits for the end of a
    /// transaction (deferred constraints) can still fail.
    Complete {
        /// The step; one of the simple protocol may complete several times.
        step: Step,
        /// The command's tag, such as `INSERT 0 3`; empty for an empty text.
        tag: &'a str,
    },
    /// The step has given `max_rows` rows and may have more.
    Suspended {
        /// The step, for [`Flight::resume`](crate::Flight::resume).
        step: Step,
    },
    /// The server reported an error: it skips the rest of the flight up to the next Sync.
    Failed {
        /// The step it happened in; `None` when it came at the Sync, for example with the commit.
        step: Option<Step>,
        /// The error.
        error: Box<ServerError>,
    },
    /// A Sync (or a text of the simple protocol) is done.
    Ready(TransactionStatus),
}

impl Event<'_> {
    /// How many rows a command's tag tells of: `Some(3)` for `INSERT 0 3`, `SELECT 3`, `UPDATE 3`.
    pub fn affected(tag: &str) -> Option<u64> {
        tag.rsplit(' ').next().and_then(|count| count.parse().ok())
    }
}

/// A message of `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The process that sent it.
    pub process_id: i32,
    /// The channel.
    pub channel: String,
    /// The payload; empty without one.
    pub payload: String,
}

/// An answer that is awaited, in the order in which the server gives them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Awaited {
    /// ParseComplete. The statement's number, unless it has no name.
    Parse { statement: Option<u64>, step: Step },
    /// ParameterDescription, then RowDescription or NoData.
    Describe { statement: Option<u64>, step: Step, has_parameters: bool },
    /// BindComplete.
    Bind { step: Step },
    /// Rows, then CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute { step: Step },
    /// CloseComplete of a statement.
    CloseStatement { statement: u64 },
    /// CloseComplete of a portal.
    ClosePortal,
    /// ReadyForQuery.
    Sync,
    /// Any number of results, then ReadyForQuery.
    Simple { step: Step },
}

impl Awaited {
    fn step(&self) -> Option<Step> {
        match self {
            Self::Parse { step, .. } | Self::Describe { step, .. } | Self::Bind { step } => Some(*step),
            Self::Execute { step } | Self::Simple { step } => Some(*step),
            Self::CloseStatement { .. } | Self::ClosePortal | Self::Sync => None,
        }
    }
}

/// What is remembered of a step.
#[derive(Debug)]
pub(crate) struct StepState {
    pub step: Step,
    pub statement: Option<u64>,
    pub columns: Option<Arc<[Column]>>,
    /// Whether it has a portal with a name, which may be resumed.
    pub has_portal: bool,
}

/// How far sending has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Everything that was begun was sent.
    Whole,
    /// A flight is being sent. If its future was dropped, nobody knows what the server has.
    Sending,
    /// It failed.
    Broken,
}

/// An open connection to a server. It is used by one task at a time; every future of it may be dropped, after which
/// [`Connection::is_usable`] tells where it stands.
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: Stream,
    pub(crate) input: Input,
    pub(crate) output: BytesMut,
    condition: Condition,
    status: TransactionStatus,
    /// What the flight that is being made will await.
    pub(crate) staged: Vec<Awaited>,
    awaited: VecDeque<Awaited>,
    /// Whether something was sent since the last Sync.
    is_in_segment: bool,
    /// Whether the server skips everything up to a Sync that was not sent yet.
    is_skipping: bool,
    /// The number of the stretch up to the next Sync.
    pub(crate) segment: u64,
    pub(crate) steps: Vec<StepState>,
    pub(crate) next_step: u64,
    /// The first step that was not sent yet.
    first_unsent_step: u64,
    pub(crate) statements: Statements,
    fields: Vec<Field>,
    no_columns: Arc<[Column]>,
    parameters: BTreeMap<String, String>,
    notices: VecDeque<ServerError>,
    notifications: VecDeque<Notification>,
    lost_notifications: u64,
    canceller: Canceller,
}

/// What a message meant, without a borrow of the buffer.
enum Happening {
    Row { step: Step, body: Range<usize> },
    Complete { step: Step, tag: Range<usize> },
    Suspended { step: Step },
    Failed { step: Option<Step>, error: Box<ServerError> },
    Ready,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        mut input: Input,
        parameters: BTreeMap<String, String>,
        canceller: Canceller,
        settings: &Settings,
    ) -> Self {
        input.set_limit(settings.message_bytes);
        Self {
            stream,
            input,
            output: BytesMut::with_capacity(OUTPUT_BYTES),
            condition: Condition::Whole,
            status: TransactionStatus::Idle,
            staged: Vec::new(),
            awaited: VecDeque::new(),
            is_in_segment: false,
            is_skipping: false,
            segment: 0,
            steps: Vec::new(),
            next_step: 0,
            first_unsent_step: 0,
            statements: Statements::new(settings.prepared_statements),
            fields: Vec::new(),
            no_columns: Arc::from([]),
            parameters,
            notices: VecDeque::new(),
            notifications: VecDeque::new(),
            lost_notifications: 0,
            canceller,
        }
    }

    /// Waits for the next event of the flights that were sent. It may be dropped while it waits; nothing is lost then.
    ///
    /// # Errors
    /// The connection failed or the server broke the protocol: it is broken then. [`Error::NothingAwaited`] when all that
    /// was sent is answered.
    pub async fn next(&mut self) -> Result<Event<'_>, Error> {
        self.check()?;
        let happening = match self.advance().await {
            Ok(happening) => happening,
            Err(error) => return Err(self.fail(error)),
        };
        Ok(match happening {
            Happening::Row { step, body } => Event::Row(Row {
                step,
                columns: self.step(step).and_then(|state| state.columns.as_ref()).unwrap_or(&self.no_columns),
                fields: &self.fields,
                body: self.input.bytes(body),
            }),
            // The text was checked when the message was taken.
            Happening::Complete { step, tag } => {
                Event::Complete { step, tag: std::str::from_utf8(self.input.bytes(tag)).unwrap_or_default() }
            }
            Happening::Suspended { step } => Event::Suspended { step },
            Happening::Failed { step, error } => Event::Failed { step, error },
            Happening::Ready => Event::Ready(self.status),
        })
    }

    /// The columns of a step: at once if its statement was prepared before, otherwise once the server has described it,
    /// which is before its first event. `None` before that, and for a step of the past.
    pub fn columns(&self, step: Step) -> Option<&Arc<[Column]>> {
        self.step(step).and_then(|state| state.columns.as_ref())
    }

    /// Whether it is idle and in step, so that it can be given to somebody else. It may be in a transaction.
    pub fn is_usable(&self) -> bool {
        self.condition == Condition::Whole && self.awaited.is_empty() && !self.is_in_segment
    }

    /// The transaction's state when the server was last ready.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status
    }

    /// Reads what is left of abandoned flights, ending a stretch without a Sync by one, so that the connection can be used
    /// again. It may be dropped and called again.
    ///
    /// # Errors
    /// As [`Connection::next`]; and [`Error::TooMuch`] after more than `limit` bytes, with the connection as it then is:
    /// close it, or drain it further.
    pub async fn drain(&mut self, limit: Limit) -> Result<TransactionStatus, Error> {
        self.check()?;
        self.discard();
        if self.is_in_segment {
            let mut flight = self.flight();
            flight.sync();
            flight.send().await?;
        }
        let start = self.input.received();
        while !self.awaited.is_empty() {
            if limit.is_exceeded_by(self.input.received() - start) {
                return Err(Error::TooMuch(limit));
            }
            self.next().await?;
        }
        Ok(self.status)
    }

    /// Drops all prepared statements: they are closed with the next flight. To be called when the server says that they no
    /// longer fit, SQLSTATE 0A000 "cached plan must not change result type" and 26000.
    pub fn forget(&mut self) {
        self.statements.forget();
    }

    /// How many statements are kept prepared.
    pub fn prepared_statements(&self) -> usize {
        self.statements.len()
    }

    /// A parameter that the server reports, such as `server_version`, as it is now.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The process that serves this connection (`pg_backend_pid()`); a pooler's own number behind one.
    pub fn process_id(&self) -> i32 {
        self.canceller.process_id()
    }

    /// Whether TLS is used.
    pub fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// What can cancel the statement that runs, from another task.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The notices that came since they were last taken.
    pub fn take_notices(&mut self) -> Vec<ServerError> {
        self.notices.drain(..).collect()
    }

    /// How many notifications were lost because nobody took them.
    pub fn lost_notifications(&self) -> u64 {
        self.lost_notifications
    }

    /// Waits for a notification while the connection is idle; those that came with flights go first. It may be dropped
    /// while it waits.
    ///
    /// # Errors
    /// The connection ended; [`Error::Server`] when the server said why.
    pub async fn notification(&mut self) -> Result<Notification, Error> {
        loop {
            if let Some(notification) = self.notifications.pop_front() {
                return Ok(notification);
            }
            self.check_idle()?;
            if let Err(error) = self.read_idle().await {
                return Err(self.fail(error));
            }
        }
    }

    /// Says goodbye and closes. The server would otherwise log an unexpected end.
    ///
    /// # Errors
    /// The connection failed before; it is closed all the same.
    pub async fn close(mut self) -> Result<(), Error> {
        self.check()?;
        self.output.clear();
        frontend::terminate(&mut self.output);
        self.stream.write_all(&self.output).await?;
        Ok(self.stream.shutdown().await?)
    }

    fn step(&self, step: Step) -> Option<&StepState> {
        self.steps.iter().find(|state| state.step == step)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.condition == Condition::Whole { Ok(()) } else { Err(Error::Broken) }
    }

    /// Refuses to mix with a flight whose answers were not all read.
    pub(crate) fn check_idle(&self) -> Result<(), Error> {
        self.check()?;
        if !self.is_usable() {
            return Err(Error::Query("a flight is under way: read it to its end, or drain the connection, first"));
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) -> Error {
        if !matches!(error, Error::NothingAwaited) {
            self.condition = Condition::Broken;
        }
        error
    }
}
