//! SQLite's errors in PostgreSQL's words.

use std::sync::Arc;

use base::{Failure, Kind};
use catalog::{Catalog, Expression, ForeignKey, IndexTerm, Privilege, ReferentialAction, Relation};
use datatype::{Datum, Zone};
use rusqlite::Connection;
use rusqlite::ffi::{self, ErrorCode};
use sql::sqlite::names::physical_name;

use super::functions::{Bound, datum, raised};
use crate::error::StoreError;

/// What was being written when an error came, to name it in the answer.
pub(super) struct Attempt<'a> {
    /// The table.
    pub(super) table: &'a Relation,
    /// The columns given and, where they are known, their values.
    pub(super) cells: Vec<(Arc<str>, Option<Datum>)>,
    /// What kind of write it is.
    pub(super) kind: AttemptKind,
    /// The `_rowid_`s of the rows that it changes or removes, as a JSON array.
    pub(super) rows: String,
    /// The caller's role.
    pub(super) role: &'a str,
}

impl Attempt<'_> {
    /// Whether the caller may see the key's values, which were read from the table: PostgreSQL leaves them out otherwise.
    fn may_see(&self, catalog: &Catalog, key: &ForeignKey) -> bool {
        let is_open = !self.table.row_security || catalog.bypasses_row_security(self.role);
        is_open
            && key
                .referenced_columns
                .iter()
                .all(|column| catalog.is_granted(self.role, self.table, Privilege::Select, Some(column)))
    }
}

/// What kind of write it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptKind {
    Insert,
    Update,
    Delete,
}

/// Translates an error of a read, or one that needs no knowledge of what was written.
pub(super) fn translate(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } if is_too_complex(&msg) => too_complex(&msg).into(),
        rusqlite::Error::SqliteFailure(failure, message) => {
            let message = message.unwrap_or_default();
            if let Some(failure) = raised(&message) {
                return failure.into();
            }
            match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    StoreError::Busy("another process holds the database's lock")
                }
                ErrorCode::OperationInterrupted => StoreError::Timeout,
                ErrorCode::DiskFull => StoreError::Busy("the disk is full"),
                ErrorCode::TooBig => Failure::new(
                    Kind::TooLarge,
                    "54000",
                    "a value is longer than the engine's limit of 1,000,000,000 bytes",
                )
                .into(),
                ErrorCode::Unknown if is_too_complex(&message) => too_complex(&message).into(),
                _ => StoreError::Engine(format!("{failure}: {message}")),
            }
        }
        // An error of a function surfaces as such when it is raised by the call itself.
        rusqlite::Error::UserFunctionError(inner) => match raised(&inner.to_string()) {
            Some(failure) => failure.into(),
            None => StoreError::Engine(inner.to_string()),
        },
        other => StoreError::Engine(other.to_string()),
    }
}

/// Whether SQLite's message says that the statement is beyond one of its limits (<https://www.sqlite.org/limits.html>):
/// it has no code of its own for this.
fn is_too_complex(message: &str) -> bool {
    const BEGINNINGS: [&str; 4] = [
        "too many SQL variables",
        "Expression tree is too large",
        "at most 64 tables in a join",
        "too many columns in result set",
    ];
    BEGINNINGS.iter().any(|beginning| message.starts_with(beginning))
}

/// The request is sound, but its statement is beyond the engine's limits.
fn too_complex(message: &str) -> Failure {
    Failure::new(Kind::TooLarge, "54001", "the request needs a larger statement than the embedded engine takes")
        .with_details(message)
        .with_hint("Ask for fewer values, filters, columns or levels of embedding at once.")
}

/// Translates an error of a write: violated constraints are named as PostgreSQL names them.
pub(super) fn translate_write(
    error: rusqlite::Error,
    connection: &Connection,
    catalog: &Catalog,
    attempt: &Attempt<'_>,
) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, Some(message)) = &error else { return translate(error) };
    if raised(message).is_some() || failure.code != ErrorCode::ConstraintViolation {
        return translate(error);
    }
    let violated = match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            unique_violation(message, attempt)
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => not_null_violation(message, attempt),
        ffi::SQLITE_CONSTRAINT_CHECK => check_violation(message, attempt),
        // ON DELETE RESTRICT speaks through a trigger of SQLite's own.
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER => {
            foreign_key_violation(connection, catalog, attempt)
        }
        _ => return translate(error),
    };
    violated.into()
}

/// The columns in `UNIQUE constraint failed: zones.code, zones.title`.
fn failed_columns<'m>(message: &'m str, table: &Relation) -> Vec<&'m str> {
    let prefix = format!("{}.", physical_name(&table.name));
    let list = message.split_once(": ").map_or("", |(_, list)| list);
    list.split(", ").map(|column| column.strip_prefix(&prefix).unwrap_or(column)).collect()
}

fn unique_violation(message: &str, attempt: &Attempt<'_>) -> Failure {
    let table = attempt.table;
    let index = message.split_once("index '").and_then(|(_, rest)| rest.strip_suffix('\''));
    let columns = failed_columns(message, table);
    let same = |key: &[Arc<str>]| key.len() == columns.len() && key.iter().all(|name| columns.contains(&&**name));
    let found = table.uniques.iter().find(|unique| index == Some(&*unique.name) || same(&unique.columns));
    let (constraint, key): (String, Vec<Arc<str>>) = match found {
        Some(unique) => (unique.name.to_string(), unique.columns.clone()),
        None if same(&table.primary_key) => {
            let name = table.primary_key_name.as_deref().unwrap_or("primary key");
            (name.to_owned(), table.primary_key.clone())
        }
        None => unique_index(table, &same).unwrap_or_else(|| (index.unwrap_or("unique").to_owned(), Vec::new())),
    };
    let mut failure = Failure::new(
        Kind::Conflict,
        "23505",
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    );
    if let Some((names, values)) = key_text(attempt, &key) {
        failure = failure.with_details(format!("Key ({names})=({values}) already exists."));
    }
    failure
}

/// The name and columns of a unique index that leaves rows out, of whose columns SQLite tells as of a constraint's.
fn unique_index(table: &Relation, same: &dyn Fn(&[Arc<str>]) -> bool) -> Option<(String, Vec<Arc<str>>)> {
    table.indexes.iter().filter(|index| index.is_unique).find_map(|index| {
        let column = |term: &IndexTerm| match &term.expression {
            Expression::Column { name, .. } => Some(name.clone()),
            _ => None,
        };
        let columns: Vec<Arc<str>> = index.terms.iter().map(column).collect::<Option<_>>()?;
        same(&columns).then(|| (index.name.to_string(), columns))
    })
}

/// The columns of a key and their values as PostgreSQL prints them, if all are known.
fn key_text(attempt: &Attempt<'_>, key: &[Arc<str>]) -> Option<(String, String)> {
    let values: Option<Vec<String>> = key
        .iter()
        .map(|name| {
            let (_, value) = attempt.cells.iter().find(|(given, _)| given == name)?;
            let column = attempt.table.column(name)?;
            let mut text = Vec::new();
            datatype::write_output(&column.data_type, value.as_ref()?.as_ref(), &Zone::default(), &mut text);
            String::from_utf8(text).ok()
        })
        .collect();
    let values = values.filter(|values| !values.is_empty())?;
    let names: Vec<&str> = key.iter().map(|name| &**name).collect();
    Some((names.join(", "), values.join(", ")))
}

fn not_null_violation(message: &str, attempt: &Attempt<'_>) -> Failure {
    let columns = failed_columns(message, attempt.table);
    let column = columns.first().copied().unwrap_or_default();
    Failure::new(
        Kind::BadRequest,
        "23502",
        format!(
            "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
            attempt.table.name.name
        ),
    )
}

fn check_violation(message: &str, attempt: &Attempt<'_>) -> Failure {
    let constraint = message.split_once(": ").map_or("", |(_, name)| name);
    let check = attempt.table.checks.iter().find(|check| *check.name == *constraint);
    if let Some(domain) = check.and_then(|check| check.domain.as_ref()) {
        let message = format!("value for domain {} violates check constraint \"{constraint}\"", domain.name);
        return Failure::new(Kind::BadRequest, "23514", message);
    }
    Failure::new(
        Kind::BadRequest,
        "23514",
        format!("new row for relation \"{}\" violates check constraint \"{constraint}\"", attempt.table.name.name),
    )
}

/// SQLite does not say which foreign key failed; the catalog and a few look-ups do.
fn foreign_key_violation(connection: &Connection, catalog: &Catalog, attempt: &Attempt<'_>) -> Failure {
    let table = &attempt.table.name.name;
    if attempt.kind != AttemptKind::Delete
        && let Some((key, names, values)) = missing_parent(connection, attempt)
    {
        return conflict(format!(
            "insert or update on table \"{table}\" violates foreign key constraint \"{}\"",
            key.name
        ))
        .with_details(format!("Key ({names})=({values}) is not present in table \"{}\".", key.references.name));
    }
    if attempt.kind != AttemptKind::Insert
        && let Some((child, key, details)) = still_referenced(connection, catalog, attempt)
    {
        return conflict(format!(
            "update or delete on table \"{table}\" violates foreign key constraint \"{key}\" on table \"{child}\""
        ))
        .with_details(details);
    }
    let verb = if attempt.kind == AttemptKind::Delete { "update or delete" } else { "insert or update" };
    conflict(format!("{verb} on table \"{table}\" violates a foreign key constraint"))
        .with_details("A row further down refers to what a cascade would remove.")
}

pub(super) fn conflict(message: String) -> Failure {
    Failure::new(Kind::Conflict, "23503", message)
}

/// The foreign key of the row at hand whose referenced row does not exist, with the key's columns and values.
fn missing_parent<'a>(connection: &Connection, attempt: &'a Attempt<'_>) -> Option<(&'a ForeignKey, String, String)> {
    attempt.table.foreign_keys.iter().find_map(|key| {
        let cells: Vec<&Datum> = key
            .columns
            .iter()
            .filter_map(|name| attempt.cells.iter().find(|(given, _)| given == name))
            .filter_map(|(_, value)| value.as_ref())
            .filter(|value| !value.is_null())
            .collect();
        if cells.len() != key.columns.len() {
            return None;
        }
        let statement = sql::sqlite::diagnose::referenced_row(key);
        let found = connection.prepare(statement.text()).and_then(|mut statement| {
            for (position, cell) in cells.iter().enumerate() {
                statement.raw_bind_parameter(position + 1, Bound(cell.as_ref()))?;
            }
            Ok(statement.raw_query().next()?.is_some())
        });
        if found.unwrap_or(true) {
            return None;
        }
        let (names, values) = key_text(attempt, &key.columns)?;
        Some((key, names, values))
    })
}

/// The foreign key through which one of the rows at hand is still referred to: the child's name, the constraint's, and
/// PostgreSQL's sentence about the key.
fn still_referenced(
    connection: &Connection,
    catalog: &Catalog,
    attempt: &Attempt<'_>,
) -> Option<(String, String, String)> {
    let children = catalog.snapshot().relations.values();
    let keys = children.flat_map(|child| child.foreign_keys.iter().map(move |key| (child, key)));
    keys.filter(|(_, key)| key.references == attempt.table.name && blocks(key, attempt.kind)).find_map(
        |(child, key)| {
            let statement = sql::sqlite::diagnose::still_referenced(attempt.table, child, key);
            let values = referenced_values(connection, &statement, attempt, key).ok().flatten()?;
            let details = if attempt.may_see(catalog, key) {
                let names = key.referenced_columns.join(", ");
                format!("Key ({names})=({values}) is still referenced from table \"{}\".", child.name.name)
            } else {
                format!("Key is still referenced from table \"{}\".", child.name.name)
            };
            Some((child.name.name.to_string(), key.name.to_string(), details))
        },
    )
}

fn blocks(key: &ForeignKey, kind: AttemptKind) -> bool {
    let action = if kind == AttemptKind::Delete { key.on_delete } else { key.on_update };
    matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict)
}

fn referenced_values(
    connection: &Connection,
    statement: &sql::Statement,
    attempt: &Attempt<'_>,
    key: &ForeignKey,
) -> rusqlite::Result<Option<String>> {
    let mut prepared = connection.prepare(statement.text())?;
    prepared.raw_bind_parameter(1, attempt.rows.as_str())?;
    let mut rows = prepared.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut text = Vec::new();
    for (position, name) in key.referenced_columns.iter().enumerate() {
        if position > 0 {
            text.extend_from_slice(b", ");
        }
        if let Some(column) = attempt.table.column(name) {
            datatype::write_output(&column.data_type, datum(row.get_ref(position)?)?, &Zone::default(), &mut text);
        }
    }
    Ok(String::from_utf8(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite says of a statement, translated.
    fn refusal(statement: &str) -> StoreError {
        let connection = Connection::open_in_memory().expect("opens");
        translate(connection.prepare(statement).expect_err("the statement is beyond a limit"))
    }

    #[test]
    fn a_statement_beyond_the_engine_s_limits_is_the_request_s_fault() {
        let variables = format!("select 1 where 1 in ({}?)", "?,".repeat(40_000));
        let depth = format!("select {}1", "1+".repeat(2_000));
        let tables: Vec<String> = (0..65).map(|table| format!("(select 1) as t{table}")).collect();
        let columns = format!("select {}1", "1,".repeat(2_000));
        for statement in [variables, depth, format!("select 1 from {}", tables.join(",")), columns] {
            let refused = refusal(&statement);
            assert!(
                matches!(&refused, StoreError::Refused(failure) if failure.kind == Kind::TooLarge && failure.code == "54001"),
                "{refused:.200?}"
            );
        }
    }

    #[test]
    fn a_statement_that_makes_no_sense_is_the_program_s_fault() {
        assert!(matches!(refusal("select nothing"), StoreError::Engine(_)));
    }
}
