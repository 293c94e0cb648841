use std::fmt::Write as _;

use bytes::BufMut as _;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::connection::{Awaited, Connection, Step, StepState};
use crate::statements::Choice;
use crate::{Column, Error};
use std::sync::Arc;

/// The longest message that PostgreSQL takes (`MaxAllocSize`).
const LONGEST_MESSAGE: usize = 0x3fff_ffff;
/// The most parameters of a statement: the protocol counts them in 16 bits.
const MOST_PARAMETERS: usize = 0xffff;

/// In which form a result's values come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As PostgreSQL prints them.
    Text,
    /// As the type's send function writes them.
    Binary,
}

/// A statement to execute.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Prepared statements are kept by space and text, so that what one space (a role) prepared is not used in another.
    /// `None` prepares it for this one execution.
    pub space: Option<&'a str>,
    /// One statement, with parameters as `$1`.
    pub text: &'a str,
    /// The types of the parameters by number (`pg_type.oid`); 0, or one that is missing, is left to the server.
    pub types: &'a [u32],
    /// The values of the parameters in the text format; `None` is NULL.
    pub parameters: &'a [Option<&'a [u8]>],
    /// The form of the result.
    pub format: Format,
    /// After how many rows the portal is suspended; 0 never does. Others can be resumed.
    pub max_rows: u32,
}

impl<'a> Query<'a> {
    /// A statement without parameters whose result comes binary, whole, and which is prepared once in this space.
    pub fn new(space: &'a str, text: &'a str) -> Self {
        Self { space: Some(space), text, types: &[], parameters: &[], format: Format::Binary, max_rows: 0 }
    }

    /// Why it cannot be sent, if so.
    fn check(&self) -> Result<(), Error> {
        if self.parameters.len() > MOST_PARAMETERS || self.types.len() > MOST_PARAMETERS {
            return Err(Error::Query("it has more than 65535 parameters, which is what the protocol can count"));
        }
        check_text(self.text)?;
        let values = self.parameters.iter().flatten().map(|value| value.len() + 4);
        let length = values.fold(self.parameters.len() * 4 + 1024, usize::saturating_add);
        if length > LONGEST_MESSAGE {
            return Err(Error::Query("its parameters are longer than 1 GiB together, which PostgreSQL does not take"));
        }
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::Query("its text holds a NUL byte, which the protocol cannot carry"));
    }
    if text.len() > LONGEST_MESSAGE - MOST_PARAMETERS * 4 - 1024 {
        return Err(Error::Query("its text is longer than 1 GiB, which PostgreSQL does not take"));
    }
    Ok(())
}

/// Statements that are sent together. Up to each Sync they are one transaction, unless one is open anyway: the first error
/// undoes all of them and the rest is skipped. What is not sent is discarded.
///
/// What is to hold for such a transaction alone is set with `set_config(name, value, true)`: `SET LOCAL` does the same, but
/// PostgreSQL warns about it outside of `BEGIN` (25P01), every time and in its log.
#[derive(Debug)]
#[must_use = "a flight does nothing until it is sent"]
pub struct Flight<'c> {
    connection: &'c mut Connection,
    /// Whether the server answers what was added so far without more.
    is_answered: bool,
}

impl Connection {
    /// Begins a flight. What an earlier one left unsent is discarded; what was sent and not read yet stays awaited.
    pub fn flight(&mut self) -> Flight<'_> {
        self.discard();
        for statement in self.statements.take_closing() {
            // Names of statements are ours: they hold no NUL.
            if frontend::close(b'S', &self.statements.name_of(statement), &mut self.output).is_ok() {
                self.staged.push(Awaited::CloseStatement { statement });
            }
        }
        Flight { connection: self, is_answered: false }
    }

    fn new_step(&mut self, statement: Option<u64>, columns: Option<Arc<[Column]>>, has_portal: bool) -> Step {
        let step = Step(self.next_step);
        self.next_step += 1;
        self.steps.push(StepState { step, statement, columns, has_portal });
        step
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.connection.staged.is_empty() || !self.connection.output.is_empty() {
            self.connection.discard();
        }
    }
}

impl Flight<'_> {
    /// Adds statements of the simple protocol (several, between `;`), whose rows come as text. Without a transaction of
    /// their own they are one. The server is ready after them: no Sync is needed.
    ///
    /// # Errors
    /// A text with a NUL byte, or beyond 1 GiB.
    pub fn simple(&mut self, text: &str) -> Result<Step, Error> {
        check_text(text)?;
        let connection = &mut *self.connection;
        frontend::query(text, &mut connection.output).map_err(|_| Error::Query("its text cannot be encoded"))?;
        let step = connection.new_step(None, None, false);
        connection.staged.push(Awaited::Simple { step });
        connection.segment += 1;
        self.is_answered = true;
        Ok(step)
    }

    /// Adds an execution: Parse and Describe if the statement is not prepared yet, Bind, Execute.
    ///
    /// # Errors
    /// A query that the protocol cannot carry. The flight is as it was before.
    pub fn execute(&mut self, query: &Query<'_>) -> Result<Step, Error> {
        query.check()?;
        let connection = &mut *self.connection;
        let choice = match query.space {
            Some(space) => connection.statements.choose(space, query.text, query.types, connection.segment),
            None => Choice::Once,
        };
        let has_portal = query.max_rows > 0;
        let (statement, step, is_new) = match choice {
            Choice::Known(statement, columns) => {
                (Some(statement), connection.new_step(Some(statement), Some(columns), has_portal), false)
            }
            Choice::Pending(statement) => {
                (Some(statement), connection.new_step(Some(statement), None, has_portal), false)
            }
            Choice::New(statement) => (Some(statement), connection.new_step(Some(statement), None, has_portal), true),
            Choice::Once => (None, connection.new_step(None, None, has_portal), true),
        };
        if is_new {
            connection.stage_parse(query, statement, step)?;
        }
        connection.stage_bind(query, statement, step, has_portal)?;
        connection.stage_execute(step, has_portal, query.max_rows)?;
        self.is_answered = false;
        Ok(step)
    }

    /// Adds another Execute of a step that was suspended. Its portal lives as long as its transaction: to the Sync, unless a
    /// transaction was begun.
    ///
    /// # Errors
    /// A step without a portal that could be resumed.
    pub fn resume(&mut self, step: Step, max_rows: u32) -> Result<(), Error> {
        if !self.connection.steps.iter().any(|state| state.step == step && state.has_portal) {
            return Err(Error::Query("the step cannot be resumed: it had no max_rows, or its transaction is over"));
        }
        self.connection.stage_execute(step, true, max_rows)?;
        self.is_answered = false;
        Ok(())
    }

    /// Closes the portal of a step that was suspended and will not be resumed.
    pub fn close(&mut self, step: Step) {
        let connection = &mut *self.connection;
        let Some(place) = connection.steps.iter().position(|state| state.step == step && state.has_portal) else {
            return;
        };
        if let Some(state) = connection.steps.get_mut(place) {
            state.has_portal = false;
        }
        // Names of portals are ours: they hold no NUL.
        if frontend::close(b'P', &portal(step, true), &mut connection.output).is_ok() {
            connection.staged.push(Awaited::ClosePortal);
            self.is_answered = false;
        }
    }

    /// Adds a Sync: it ends the transaction, unless one was begun, and what was skipped after an error.
    pub fn sync(&mut self) {
        frontend::sync(&mut self.connection.output);
        self.connection.staged.push(Awaited::Sync);
        self.connection.segment += 1;
        self.is_answered = true;
    }

    /// Adds a Flush: the server answers what came before, and the transaction goes on.
    pub fn flush(&mut self) {
        frontend::flush(&mut self.connection.output);
        self.is_answered = true;
    }

    /// Sends everything, usually with one system call. A flight that ends without [`Flight::sync`] and [`Flight::flush`] is
    /// ended with a Sync, since it would otherwise never be answered. If this is dropped before it is done, the connection
    /// is broken: nobody knows what the server has.
    ///
    /// # Errors
    /// The connection is or was broken.
    pub async fn send(mut self) -> Result<(), Error> {
        if !self.is_answered {
            self.sync();
        }
        self.connection.send_staged().await
    }
}

impl Connection {
    fn stage_parse(&mut self, query: &Query<'_>, statement: Option<u64>, step: Step) -> Result<(), Error> {
        let name = statement.map_or("", |statement| self.statements.name(statement));
        frontend::parse(name, query.text, query.types.iter().copied(), &mut self.output).map_err(unencodable)?;
        frontend::describe(b'S', name, &mut self.output).map_err(unencodable)?;
        self.staged.push(Awaited::Parse { statement, step });
        self.staged.push(Awaited::Describe { statement, step, has_parameters: false });
        Ok(())
    }

    fn stage_bind(
        &mut self,
        query: &Query<'_>,
        statement: Option<u64>,
        step: Step,
        has_portal: bool,
    ) -> Result<(), Error> {
        let name = statement.map_or("", |statement| self.statements.name(statement));
        let format = match query.format {
            Format::Text => 0,
            Format::Binary => 1,
        };
        let bound = frontend::bind(
            &portal(step, has_portal),
            name,
            [],
            query.parameters,
            |value, output| match value {
                Some(value) => {
                    output.put_slice(value);
                    Ok(IsNull::No)
                }
                None => Ok(IsNull::Yes),
            },
            [format],
            &mut self.output,
        );
        bound.map_err(|error| match error {
            BindError::Serialization(error) => unencodable(error),
            BindError::Conversion(_) => Error::Query("it cannot be encoded"),
        })?;
        self.staged.push(Awaited::Bind { step });
        Ok(())
    }

    fn stage_execute(&mut self, step: Step, has_portal: bool, max_rows: u32) -> Result<(), Error> {
        let max_rows = i32::try_from(max_rows).unwrap_or(i32::MAX);
        frontend::execute(&portal(step, has_portal), max_rows, &mut self.output).map_err(unencodable)?;
        self.staged.push(Awaited::Execute { step });
        Ok(())
    }
}

/// The name of a step's portal. The one without a name is replaced by the next Bind.
fn portal(step: Step, has_portal: bool) -> String {
    let mut name = String::new();
    if has_portal {
        // Writing to a String does not fail.
        let _written = write!(name, "pando_{}", step.0);
    }
    name
}

/// What the checks have excluded; kept as an error since the encoder can tell it.
fn unencodable(_error: std::io::Error) -> Error {
    Error::Query("it cannot be encoded")
}
