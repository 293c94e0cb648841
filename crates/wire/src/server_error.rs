use std::fmt;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorFields;

use crate::Error;

/// An error or a notice of the server, with every field of the protocol
/// (<https://www.postgresql.org/docs/current/protocol-error-fields.html>).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`, never translated.
    pub severity: String,
    /// The SQLSTATE, five characters: `23505`.
    pub code: String,
    /// What is wrong, in one line.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the text of the query, in characters from 1.
    pub position: Option<u32>,
    /// Where in `internal_query`, in characters from 1.
    pub internal_position: Option<u32>,
    /// The text of a command that the server made itself, for example inside a function.
    pub internal_query: Option<String>,
    /// The call stack: one line per level, the innermost first.
    pub context: Option<String>,
    /// The schema it is about.
    pub schema: Option<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
    /// The data type it is about.
    pub data_type: Option<String>,
    /// The constraint it is about.
    pub constraint: Option<String>,
    /// The file of the server's source that reported it.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// The function in it.
    pub routine: Option<String>,
}

impl ServerError {
    /// Reads the fields of an `ErrorResponse` or a `NoticeResponse`. Bytes that are not UTF-8, as from a server that
    /// refuses a connection in its own encoding, are replaced.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> Result<Self, Error> {
        let mut error = Self::default();
        while let Some(field) = fields.next().map_err(|_| Error::malformed("ErrorResponse or NoticeResponse"))? {
            error.take(field.type_(), String::from_utf8_lossy(field.value_bytes()).into_owned());
        }
        Ok(error)
    }

    fn take(&mut self, field: u8, text: String) {
        match field {
            // S is translated; V (PostgreSQL 9.6) is not.
            b'S' if self.severity.is_empty() => self.severity = text,
            b'V' => self.severity = text,
            b'C' => self.code = text,
            b'M' => self.message = text,
            b'D' => self.detail = Some(text),
            b'H' => self.hint = Some(text),
            b'P' => self.position = text.parse().ok(),
            b'p' => self.internal_position = text.parse().ok(),
            b'q' => self.internal_query = Some(text),
            b'W' => self.context = Some(text),
            b's' => self.schema = Some(text),
            b't' => self.table = Some(text),
            b'c' => self.column = Some(text),
            b'd' => self.data_type = Some(text),
            b'n' => self.constraint = Some(text),
            b'F' => self.file = Some(text),
            b'L' => self.line = text.parse().ok(),
            b'R' => self.routine = Some(text),
            // "Frontends should silently ignore fields of unrecognized type."
            _ => {}
        }
    }

    /// Whether the server ends the connection with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity, self.code, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " Hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}
