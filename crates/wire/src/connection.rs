//! An open connection: what it awaits, and what comes.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base::Limit;
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{self, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncWrite as _, AsyncWriteExt as _};

use crate::input::{Frame, Input};
use crate::row::{self, Field};
use crate::statements::Statements;
use crate::stream::Stream;
use crate::{Canceller, Column, Error, Row, ServerError, Settings};

/// Notifications that nobody took yet. Older ones go, and are counted: who listens has to look again anyway.
const NOTIFICATIONS: Limit = Limit::new("notifications kept per connection", 1024);
/// Notices that nobody took yet; older ones go.
const NOTICES: Limit = Limit::new("notices kept per connection", 64);
/// Parameters that a server reports; PostgreSQL has about fifteen.
const PARAMETERS: Limit = Limit::new("parameters reported by PostgreSQL", 256);
/// Answers that come while a flight is still being sent. Beyond this a flight asks for too much before it is whole.
const ANSWERS_AHEAD: Limit = Limit::new("bytes answered before a flight is wholly sent", 64 << 20);
/// A buffer that grew for one long flight beyond this is given back.
const KEPT_OUTPUT: usize = 1 << 20;

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
            output: BytesMut::with_capacity(8 << 10),
            condition: Condition::Whole,
            status: TransactionStatus::Idle,
            staged: Vec::new(),
            awaited: VecDeque::new(),
            is_in_segment: false,
            is_skipping: false,
            segment: 0,
            steps: Vec::new(),
            next_step: 0,
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

/// Sending.
impl Connection {
    /// Forgets what was staged and not sent.
    pub(crate) fn discard(&mut self) {
        self.output.clear();
        for awaited in std::mem::take(&mut self.staged) {
            match awaited {
                Awaited::Parse { statement: Some(statement), .. } => self.statements.withdraw(statement),
                Awaited::CloseStatement { statement } => self.statements.retire(statement),
                _ => {}
            }
        }
        // Portals end with their transaction; steps of an earlier flight are of the past.
        if self.is_usable() {
            let lives = self.status == TransactionStatus::Open;
            self.steps.retain(|state| lives && state.has_portal);
        }
    }

    /// Sends what was staged, and takes in what the server answers meanwhile, so that neither waits for the other.
    pub(crate) async fn send_staged(&mut self) -> Result<(), Error> {
        self.check()?;
        self.condition = Condition::Sending;
        self.await_staged();
        let sent = poll_fn(|context| self.poll_send(context)).await;
        if self.output.capacity() > KEPT_OUTPUT {
            self.output = BytesMut::with_capacity(8 << 10);
        }
        self.output.clear();
        match sent {
            Ok(()) => {
                self.condition = Condition::Whole;
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn await_staged(&mut self) {
        for awaited in std::mem::take(&mut self.staged) {
            if matches!(awaited, Awaited::Sync) {
                self.is_skipping = false;
                self.is_in_segment = false;
            } else if self.is_skipping {
                self.abandon(awaited);
                continue;
            } else {
                self.is_in_segment = !matches!(awaited, Awaited::Simple { .. });
            }
            self.awaited.push_back(awaited);
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(sent) = self.poll_write(context) {
                return Poll::Ready(sent.map_err(Error::of_socket));
            }
            // The server may wait for us to read before it reads on.
            ready!(self.input.poll_fill(context, &mut self.stream))?;
            if ANSWERS_AHEAD.is_exceeded_by(self.input.waiting() as u64) {
                return Poll::Ready(Err(Error::TooMuch(ANSWERS_AHEAD)));
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => self.output.advance(length),
            }
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

/// Receiving.
impl Connection {
    async fn advance(&mut self) -> Result<Happening, Error> {
        loop {
            if self.awaited.is_empty() {
                return Err(Error::NothingAwaited);
            }
            while let Some(frame) = self.input.frame()? {
                if let Some(happening) = self.take(&frame)? {
                    return Ok(happening);
                }
            }
            self.input.fill(&mut self.stream).await?;
        }
    }

    /// Takes one message while nothing is awaited, reading until one is there.
    async fn read_idle(&mut self) -> Result<(), Error> {
        let frame = loop {
            match self.input.frame()? {
                Some(frame) => break frame,
                None => self.input.fill(&mut self.stream).await?,
            }
        };
        match frame.tag {
            backend::ERROR_RESPONSE_TAG => Err(Error::Server(Box::new(self.server_error(&frame)?))),
            _ if self.take_aside(&frame)? => Ok(()),
            tag => Err(unexpected(tag, None)),
        }
    }

    /// Takes a message in; gives what it means to the caller, if anything.
    fn take(&mut self, frame: &Frame) -> Result<Option<Happening>, Error> {
        match (frame.tag, self.awaited.front().copied()) {
            (backend::DATA_ROW_TAG, Some(Awaited::Execute { step } | Awaited::Simple { step })) => {
                self.index_row(step, frame)?;
                Ok(Some(Happening::Row { step, body: frame.body.clone() }))
            }
            (backend::COMMAND_COMPLETE_TAG, Some(Awaited::Execute { step } | Awaited::Simple { step })) => {
                let tag = self.tag(frame)?;
                self.end_execution();
                Ok(Some(Happening::Complete { step, tag }))
            }
            (backend::EMPTY_QUERY_RESPONSE_TAG, Some(Awaited::Execute { step } | Awaited::Simple { step })) => {
                let start = frame.body.start;
                self.end_execution();
                Ok(Some(Happening::Complete { step, tag: start..start }))
            }
            (backend::PORTAL_SUSPENDED_TAG, Some(Awaited::Execute { step })) => {
                self.awaited.pop_front();
                Ok(Some(Happening::Suspended { step }))
            }
            (backend::PARSE_COMPLETE_TAG, Some(Awaited::Parse { .. }))
            | (backend::BIND_COMPLETE_TAG, Some(Awaited::Bind { .. }))
            | (backend::CLOSE_COMPLETE_TAG, Some(Awaited::CloseStatement { .. } | Awaited::ClosePortal)) => {
                self.awaited.pop_front();
                Ok(None)
            }
            (backend::PARAMETER_DESCRIPTION_TAG, _) => self.take_parameter_description(frame),
            (backend::ROW_DESCRIPTION_TAG, _) | (backend::NO_DATA_TAG, _) => self.take_description(frame),
            (backend::READY_FOR_QUERY_TAG, Some(Awaited::Sync | Awaited::Simple { .. })) => self.take_ready(frame),
            (backend::ERROR_RESPONSE_TAG, _) => self.take_error(frame).map(Some),
            (backend::COPY_IN_RESPONSE_TAG | backend::COPY_OUT_RESPONSE_TAG | b'W', _) => Err(Error::Copy),
            _ if self.take_aside(frame)? => Ok(None),
            (tag, awaited) => Err(unexpected(tag, awaited.as_ref())),
        }
    }

    fn index_row(&mut self, step: Step, frame: &Frame) -> Result<(), Error> {
        let columns = self.steps.iter().find(|state| state.step == step).and_then(|state| state.columns.as_ref());
        let columns = columns.ok_or_else(|| Error::Protocol("a row came before its description".to_owned()))?.len();
        row::index(self.input.bytes(frame.body.clone()), columns, &mut self.fields)
    }

    /// Where the text of a CommandComplete lies: UTF-8 and a NUL.
    fn tag(&self, frame: &Frame) -> Result<Range<usize>, Error> {
        let malformed = || Error::malformed("CommandComplete");
        let text = self.input.bytes(frame.body.clone()).strip_suffix(&[0]).ok_or_else(malformed)?;
        std::str::from_utf8(text).map_err(|_| malformed())?;
        Ok(frame.body.start..frame.body.end - 1)
    }

    fn end_execution(&mut self) {
        if matches!(self.awaited.front(), Some(Awaited::Execute { .. })) {
            self.awaited.pop_front();
        }
    }

    fn take_parameter_description(&mut self, frame: &Frame) -> Result<Option<Happening>, Error> {
        match self.awaited.front_mut() {
            Some(Awaited::Describe { has_parameters, .. }) if !*has_parameters => {
                *has_parameters = true;
                Ok(None)
            }
            other => Err(unexpected(frame.tag, other.as_deref())),
        }
    }

    fn take_description(&mut self, frame: &Frame) -> Result<Option<Happening>, Error> {
        let columns = match self.input.message(frame)? {
            Message::RowDescription(body) => row::columns(&body)?,
            _ => self.no_columns.clone(),
        };
        let (step, statement) = match self.awaited.front().copied() {
            Some(Awaited::Describe { step, statement, has_parameters: true }) => (step, statement),
            Some(Awaited::Simple { step }) if frame.tag == backend::ROW_DESCRIPTION_TAG => {
                self.describe(|state| state.step == step, &columns);
                return Ok(None);
            }
            other => return Err(unexpected(frame.tag, other.as_ref())),
        };
        self.awaited.pop_front();
        self.describe(|state| state.step == step || (statement.is_some() && state.statement == statement), &columns);
        if let Some(statement) = statement {
            self.statements.described(statement, columns);
        }
        Ok(None)
    }

    fn describe(&mut self, is_meant: impl Fn(&StepState) -> bool, columns: &Arc<[Column]>) {
        for state in self.steps.iter_mut().filter(|state| is_meant(state)) {
            state.columns = Some(columns.clone());
        }
    }

    fn take_ready(&mut self, frame: &Frame) -> Result<Option<Happening>, Error> {
        self.status = match self.input.bytes(frame.body.clone()) {
            b"I" => TransactionStatus::Idle,
            b"T" => TransactionStatus::Open,
            b"E" => TransactionStatus::Failed,
            _ => return Err(Error::malformed("ReadyForQuery")),
        };
        self.awaited.pop_front();
        if self.awaited.is_empty() {
            self.input.shrink();
        }
        Ok(Some(Happening::Ready))
    }

    /// After an error the server skips everything up to the next Sync, except in the simple protocol, where the text is
    /// over.
    fn take_error(&mut self, frame: &Frame) -> Result<Happening, Error> {
        let error = Box::new(self.server_error(frame)?);
        let step = self.awaited.front().and_then(Awaited::step);
        if !matches!(self.awaited.front(), Some(Awaited::Simple { .. } | Awaited::Sync)) {
            loop {
                match self.awaited.front() {
                    Some(Awaited::Sync) => break,
                    Some(_) => {
                        let skipped = self.awaited.pop_front();
                        skipped.into_iter().for_each(|skipped| self.abandon(skipped));
                    }
                    None => {
                        self.is_skipping = true;
                        break;
                    }
                }
            }
        }
        Ok(Happening::Failed { step, error })
    }

    /// The answer will not come: what the server has of a statement is closed later.
    fn abandon(&mut self, awaited: Awaited) {
        match awaited {
            Awaited::Parse { statement: Some(statement), .. } => {
                self.statements.withdraw(statement);
            }
            // It was parsed, and what it gives is not known.
            Awaited::Describe { statement: Some(statement), .. } if self.statements.has(statement) => {
                self.statements.retire(statement);
            }
            Awaited::CloseStatement { statement } => self.statements.retire(statement),
            _ => {}
        }
    }

    fn server_error(&self, frame: &Frame) -> Result<ServerError, Error> {
        match self.input.message(frame)? {
            Message::ErrorResponse(body) => ServerError::read(body.fields()),
            Message::NoticeResponse(body) => ServerError::read(body.fields()),
            _ => Err(Error::malformed("ErrorResponse")),
        }
    }

    /// Takes in what may come at any time. Tells whether the message was such.
    fn take_aside(&mut self, frame: &Frame) -> Result<bool, Error> {
        match frame.tag {
            backend::NOTICE_RESPONSE_TAG => {
                let notice = self.server_error(frame)?;
                push_bounded(&mut self.notices, notice, NOTICES);
            }
            backend::NOTIFICATION_RESPONSE_TAG => self.take_notification(frame)?,
            backend::PARAMETER_STATUS_TAG => {
                if let Message::ParameterStatus(body) = self.input.message(frame)? {
                    set_parameter(&mut self.parameters, &body)?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_notification(&mut self, frame: &Frame) -> Result<(), Error> {
        let Message::NotificationResponse(body) = self.input.message(frame)? else { return Ok(()) };
        let malformed = |_| Error::malformed("NotificationResponse");
        let notification = Notification {
            process_id: body.process_id(),
            channel: body.channel().map_err(malformed)?.to_owned(),
            payload: body.message().map_err(malformed)?.to_owned(),
        };
        if push_bounded(&mut self.notifications, notification, NOTIFICATIONS) {
            self.lost_notifications += 1;
        }
        Ok(())
    }
}

/// Adds to a bounded list; tells whether an older one had to go.
fn push_bounded<T>(list: &mut VecDeque<T>, item: T, limit: Limit) -> bool {
    list.push_back(item);
    let is_over = limit.is_exceeded_by(list.len() as u64);
    if is_over {
        list.pop_front();
    }
    is_over
}

/// Takes a parameter of the server in.
pub(crate) fn set_parameter(
    parameters: &mut BTreeMap<String, String>,
    body: &backend::ParameterStatusBody,
) -> Result<(), Error> {
    let malformed = |_| Error::malformed("ParameterStatus");
    let (name, value) = (body.name().map_err(malformed)?, body.value().map_err(malformed)?);
    parameters.insert(name.to_owned(), value.to_owned());
    if PARAMETERS.is_exceeded_by(parameters.len() as u64) {
        return Err(Error::TooMuch(PARAMETERS));
    }
    Ok(())
}

fn unexpected(tag: u8, awaited: Option<&Awaited>) -> Error {
    let during = match awaited {
        None => "while nothing was asked",
        Some(Awaited::Parse { .. }) => "in answer to Parse",
        Some(Awaited::Describe { .. }) => "in answer to Describe",
        Some(Awaited::Bind { .. }) => "in answer to Bind",
        Some(Awaited::Execute { .. }) => "in answer to Execute",
        Some(Awaited::CloseStatement { .. } | Awaited::ClosePortal) => "in answer to Close",
        Some(Awaited::Sync) => "in answer to Sync",
        Some(Awaited::Simple { .. }) => "in answer to Query",
    };
    Error::Protocol(format!("a message of type {:?} {during}", char::from(tag)))
}
