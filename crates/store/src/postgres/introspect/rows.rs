//! Rows of `pg_catalog`, taken one by one as they come: a large catalog is never held as text.

use base::{Limit, QualifiedName};
use serde::de::DeserializeOwned;
use wire::{Connection, Event, Format, Query, ServerError};

/// The most that a catalog may have on the wire: a million columns have a quarter of it.
const CATALOG_BYTES: Limit = Limit::new("bytes of a PostgreSQL catalog", 1 << 30);

/// A row whose values are text, as PostgreSQL prints them.
pub(super) struct Row<'r> {
    values: Vec<Option<&'r str>>,
}

impl<'r> Row<'r> {
    /// What is no UTF-8 (a database in `SQL_ASCII` may have it) is taken for NULL: odd things are left out.
    fn of(row: &wire::Row<'r>) -> Self {
        let text = |value: Option<&'r [u8]>| value.and_then(|value| std::str::from_utf8(value).ok());
        Self { values: row.iter().map(text).collect() }
    }

    /// A value by its place from 0; `None` is NULL.
    pub(super) fn text(&self, place: usize) -> Option<&'r str> {
        self.values.get(place).copied().flatten()
    }

    pub(super) fn is_true(&self, place: usize) -> bool {
        self.text(place) == Some("t")
    }

    /// An oid or a count; 0 where there is none.
    pub(super) fn number(&self, place: usize) -> u32 {
        self.text(place).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The number of a column; 0 where there is none.
    pub(super) fn place(&self, place: usize) -> i16 {
        self.text(place).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// A type's modifier; -1 where there is none.
    pub(super) fn modifier(&self, place: usize) -> i32 {
        self.text(place).and_then(|text| text.parse().ok()).unwrap_or(-1)
    }

    /// A list in JSON; empty for NULL.
    pub(super) fn list<T: DeserializeOwned>(&self, place: usize) -> Vec<T> {
        self.text(place).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// A list of oids, which JSON has as texts or as numbers.
    pub(super) fn oids(&self, place: usize) -> Vec<u32> {
        let number = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        self.list(place).into_iter().filter_map(number).collect()
    }

    /// A schema at `place` and a name behind it.
    pub(super) fn name(&self, place: usize) -> Option<QualifiedName> {
        Some(QualifiedName::new(self.text(place)?, self.text(place + 1)?))
    }
}

/// How much was read of a catalog.
#[derive(Debug, Default)]
pub(super) struct Reading {
    bytes: u64,
}

impl Reading {
    /// Gives every row of a query to `take`.
    ///
    /// # Errors
    /// [`wire::Error::Server`] with the statement's error, after which the connection can be used on;
    /// [`wire::Error::TooMuch`], after which it has to be drained; and those of the connection.
    pub(super) async fn each(
        &mut self,
        connection: &mut Connection,
        text: &'static str,
        mut take: impl FnMut(&Row<'_>),
    ) -> Result<(), wire::Error> {
        let mut flight = connection.flight();
        flight.execute(&Query { space: None, format: Format::Text, ..Query::new("", text) })?;
        flight.sync();
        flight.send().await?;
        let mut failure: Option<Box<ServerError>> = None;
        loop {
            match connection.next().await? {
                Event::Row(row) => {
                    self.bytes += row.size() as u64;
                    if CATALOG_BYTES.is_exceeded_by(self.bytes) {
                        return Err(wire::Error::TooMuch(CATALOG_BYTES));
                    }
                    take(&Row::of(&row));
                }
                Event::Failed { error, .. } => failure = failure.or(Some(error)),
                Event::Ready(_) => return failure.map_or(Ok(()), |error| Err(wire::Error::Server(error))),
                Event::Complete { .. } | Event::Suspended { .. } => {}
            }
        }
    }
}

#[cfg(test)]
impl<'r> Row<'r> {
    /// A row as a server could give it.
    pub(super) fn new(values: &[Option<&'r str>]) -> Self {
        Self { values: values.to_vec() }
    }
}
