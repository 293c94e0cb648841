//! Taking in what the server sends, in the order in which it is awaited.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use base::Limit;
use postgres_protocol::message::backend::{self, Message};

use super::{Awaited, Connection, Happening, Notification, Step, StepState, TransactionStatus};
use crate::input::Frame;
use crate::{Column, Error, ServerError, row};

/// Notifications that nobody took yet. Older ones go, and are counted: who listens has to look again anyway.
const NOTIFICATIONS: Limit = Limit::new("notifications kept per connection", 1024);
/// Notices that nobody took yet; older ones go.
const NOTICES: Limit = Limit::new("notices kept per connection", 64);
/// Parameters that a server reports; PostgreSQL has about fifteen.
const PARAMETERS: Limit = Limit::new("parameters reported by PostgreSQL", 256);

impl Connection {
    pub(super) async fn advance(&mut self) -> Result<Happening, Error> {
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
    pub(super) async fn read_idle(&mut self) -> Result<(), Error> {
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
        } else if self.status == TransactionStatus::Idle {
            // Flights may follow each other without an end: what was answered is of the past, and its portals are gone.
            let first = self.awaited.iter().find_map(Awaited::step).map_or(self.next_step, |step| step.0);
            self.steps.retain(|state| state.step.0 >= first);
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

    /// The answer will not come. Whether the server has the statement then is not always known, so it is closed with the
    /// next flight: closing one that it does not have is no error.
    pub(super) fn abandon(&mut self, awaited: Awaited) {
        match awaited {
            // Unless it is closed already, having made room for another.
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
            // Read in place: a setting may go back and forth with every transaction.
            backend::PARAMETER_STATUS_TAG => {
                let read = parameter(self.input.bytes(frame.body.clone()));
                let (name, value) = read.ok_or_else(|| Error::malformed("ParameterStatus"))?;
                set_parameter(&mut self.parameters, name, value)?;
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

/// The name and the value of a `ParameterStatus`: two texts with a NUL after each.
fn parameter(body: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(body).ok()?.strip_suffix('\0')?.split_once('\0')?;
    (!value.contains('\0')).then_some((name, value))
}

/// Takes a parameter of the server in.
pub(crate) fn set_parameter(parameters: &mut BTreeMap<String, String>, name: &str, value: &str) -> Result<(), Error> {
    if let Some(known) = parameters.get_mut(name) {
        known.clear();
        known.push_str(value);
        return Ok(());
    }
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
