//! For introspection, migrations and other small things: answers as a whole.

use base::Limit;

use crate::connection::{Connection, Event};
use crate::flight::{Format, Query};
use crate::{Error, ServerError};

/// The largest answer of [`Connection::query`] and [`Connection::batch`]: the columns of ten thousands of tables.
const ANSWER_BYTES: Limit = Limit::new("bytes of an answer that is kept as a whole", 64 << 20);

/// A row of [`Connection::query`]: its values as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    values: Vec<Option<Box<str>>>,
}

impl TextRow {
    /// A value by its column from 0; `None` is NULL, or beyond the last column.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.values.get(column).and_then(Option::as_deref)
    }

    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has no columns.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All values in order; `None` is NULL.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.values.iter().map(Option::as_deref)
    }
}

impl Connection {
    /// Executes one statement, prepared for this one time, with its parameters as text, and gives all its rows. It is for
    /// small answers: at most 64 MiB.
    ///
    /// # Errors
    /// [`Error::Server`] with the statement's error, after which the connection can be used on; [`Error::TooMuch`], after
    /// which it has to be drained; and those of the connection.
    pub async fn query(&mut self, text: &str, parameters: &[&str]) -> Result<Vec<TextRow>, Error> {
        self.check_idle()?;
        let parameters: Vec<Option<&[u8]>> = parameters.iter().map(|value| Some(value.as_bytes())).collect();
        let query = Query { space: None, text, types: &[], parameters: &parameters, format: Format::Text, max_rows: 0 };
        let mut flight = self.flight();
        flight.execute(&query)?;
        flight.sync();
        flight.send().await?;
        self.rows().await
    }

    /// Executes the statements of a text, several between `;`, and gives nothing. Without a transaction of their own they
    /// are one.
    ///
    /// # Errors
    /// As [`Connection::query`]. After the first error the rest of the text is not executed.
    pub async fn batch(&mut self, text: &str) -> Result<(), Error> {
        self.check_idle()?;
        let mut flight = self.flight();
        flight.simple(text)?;
        flight.send().await?;
        self.outcome().await
    }

    /// Reads to the end without keeping rows.
    async fn outcome(&mut self) -> Result<(), Error> {
        let mut failure: Option<Box<ServerError>> = None;
        loop {
            match self.next().await? {
                Event::Failed { error, .. } => failure = failure.or(Some(error)),
                Event::Ready(_) => return failure.map_or(Ok(()), |error| Err(Error::Server(error))),
                Event::Row(_) | Event::Complete { .. } | Event::Suspended { .. } => {}
            }
        }
    }

    /// Reads all rows of what was sent, whose results come as text, up to the end of a flight: at most 64 MiB.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn rows(&mut self) -> Result<Vec<TextRow>, Error> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        loop {
            match self.next().await? {
                Event::Row(row) => {
                    bytes += row.size() as u64;
                    if ANSWER_BYTES.is_exceeded_by(bytes) {
                        return Err(Error::TooMuch(ANSWER_BYTES));
                    }
                    let values = row.iter().map(text).collect::<Result<_, _>>()?;
                    rows.push(TextRow { values });
                }
                Event::Failed { error, .. } => {
                    self.outcome().await?;
                    return Err(Error::Server(error));
                }
                Event::Ready(_) => return Ok(rows),
                Event::Complete { .. } | Event::Suspended { .. } => {}
            }
        }
    }
}

fn text(value: Option<&[u8]>) -> Result<Option<Box<str>>, Error> {
    let Some(value) = value else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| Error::Protocol("a text that is not UTF-8".to_owned()))?;
    Ok(Some(text.into()))
}
