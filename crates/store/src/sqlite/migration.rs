//! What Pando keeps about itself inside the file: the migrations that were applied and the catalog they led to.

use std::path::Path;

use base::Timestamp;
use catalog::Snapshot;
use rusqlite::{Connection, OptionalExtension};
use sql::ddl::{Script, Step};

use super::current::Current;
use super::failure::translate;
use super::functions::raise;
use crate::driver::{AppliedMigration, Migration, OWED_VERSION, SEED_VERSION};
use crate::error::StoreError;

/// `PRAGMA application_id` of a file of Pando's: "PNDO".
pub(super) const APPLICATION_ID: i32 = 0x504e_444f;

/// The version of the layout of what Pando keeps about itself.
pub(super) const LAYOUT: i32 = 1;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// One of Pando's.
    Own,
    /// Nothing is in it yet.
    Empty,
}

/// Looks whether the file is one of Pando's, or new. Changes nothing.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<Nature, StoreError> {
    let unusable = |problem: String, advice| StoreError::Unusable { path: path.to_owned(), problem, advice };
    let identity: i32 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(|error| damaged(path, &error))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| damaged(path, &error))?;
    if identity != APPLICATION_ID && tables > 0 {
        return Err(unusable(
            "this is a SQLite database, but not one that Pando made".to_owned(),
            "point database.url at a new file and bring the data in with a migration",
        ));
    }
    if identity != APPLICATION_ID {
        return Ok(Nature::Empty);
    }
    let layout: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(translate)?;
    if layout > LAYOUT {
        return Err(unusable(
            format!("it was written by a newer Pando (layout {layout}, this one knows {LAYOUT})"),
            "start the newer version",
        ));
    }
    Ok(Nature::Own)
}

/// Makes the tables for bookkeeping, and with them the file one of Pando's.
pub(super) fn found(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let made = connection.execute_batch(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = 1347306575;
         PRAGMA user_version = 1;
         CREATE TABLE _pando_migrations (
             version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE _pando_catalog (id INTEGER PRIMARY KEY CHECK (id = 1), snapshot TEXT NOT NULL) STRICT;
         COMMIT;",
    );
    made.map_err(|error| damaged(path, &error))
}

/// What to do about damage.
pub(super) const RESTORE: &str = "restore it from a backup with `pando restore FILE`; it was left as it is";

/// The refusal of a file that cannot be read or written.
pub(super) fn damaged(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let (problem, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (
            "this is not a SQLite database".to_owned(),
            "point database.url at another file; this one was left as it is",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (format!("the file is damaged: {error}"), RESTORE),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("another process holds the file's lock".to_owned(), "end that process, or wait for it")
        }
        Some(ErrorCode::ReadOnly) => {
            ("the file cannot be written".to_owned(), "give this user the right to write the file and its folder")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ("the file cannot be opened".to_owned(), "check that its folder exists and that this user may use it")
        }
        Some(ErrorCode::DiskFull) => ("the disk is full".to_owned(), "make room on it, or use another one"),
        _ => (error.to_string(), "see the log"),
    };
    StoreError::Unusable { path: path.to_owned(), problem, advice }
}

/// The catalog that the last migration led to, or the one that a new database begins with.
pub(super) fn load_snapshot(connection: &Connection) -> Result<Snapshot, StoreError> {
    let text: Option<String> = connection
        .query_row("SELECT snapshot FROM _pando_catalog WHERE id = 1", [], |row| row.get(0))
        .optional()
        .map_err(translate)?;
    match text {
        None => Ok(sql::ddl::prelude()),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| StoreError::Engine(format!("the stored catalog cannot be read: {error}"))),
    }
}

/// The migrations that were applied, oldest first.
pub(super) fn applied(connection: &Connection) -> Result<Vec<AppliedMigration>, StoreError> {
    let mut statement = connection
        .prepare("SELECT version, name, checksum, applied_at FROM _pando_migrations ORDER BY version")
        .map_err(translate)?;
    let rows = statement.query_map([], |row| {
        Ok(AppliedMigration { version: row.get(0)?, name: row.get(1)?, checksum: row.get(2)?, applied_at: row.get(3)? })
    });
    rows.and_then(Iterator::collect).map_err(translate)
}

/// Applies a migration in one transaction.
///
/// `current` learns of the version just before the commit.
pub(super) fn apply(
    connection: &Connection,
    migration: &Migration,
    script: &Script,
    now: Timestamp,
    current: &Current,
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::Migration {
        name: migration.name.clone(),
        problem: match translate(error) {
            StoreError::Refused(failure) => failure.message,
            other => other.to_string(),
        },
    };
    if !script.rebuilds {
        return in_transaction(connection, migration, script, now, current).map_err(failed);
    }
    // A table that is built anew is dropped, which would take the rows along that refer to it. Inside of a transaction
    // SQLite ignores this setting.
    connection.execute_batch("PRAGMA foreign_keys = OFF").map_err(failed)?;
    let outcome = in_transaction(connection, migration, script, now, current).map_err(failed);
    let restored = connection.execute_batch("PRAGMA foreign_keys = ON").map_err(failed);
    outcome.and(restored)
}

fn in_transaction(
    connection: &Connection,
    migration: &Migration,
    script: &Script,
    now: Timestamp,
    current: &Current,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = run(connection, migration, script, now);
    if outcome.is_ok() {
        current.announce(migration.version);
    }
    let ended = connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" });
    if ended.is_err() && outcome.is_ok() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    outcome.and(ended)
}

/// Runs the statements one after another; a guard that gives a row ends it.
fn run_script(connection: &Connection, script: &Script) -> rusqlite::Result<()> {
    for step in &script.statements {
        match step {
            Step::Sqlite(text) => connection.execute_batch(text)?,
            Step::Guard { query, message } => {
                if connection.prepare(query)?.exists([])? {
                    return Err(raise("23514", message.clone()));
                }
            }
        }
    }
    if script.rebuilds { check_foreign_keys(connection, &script.snapshot) } else { Ok(()) }
}

/// Every foreign key finds its row: they were off while tables were built anew.
fn check_foreign_keys(connection: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let broken = connection
        .query_row("SELECT \"table\", parent, fkid FROM pragma_foreign_key_check", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let Some((table, parent, number)) = broken else { return Ok(()) };
    let columns: Vec<String> = connection
        .prepare("SELECT \"from\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq")?
        .query_map(rusqlite::params![table, number], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_it =
        |key: &&catalog::ForeignKey| key.columns.iter().map(|column| &**column).eq(columns.iter().map(String::as_str));
    let named = snapshot.relations.values().find(|relation| sql::sqlite::names::physical_name(&relation.name) == table);
    let key = named.and_then(|relation| relation.foreign_keys.iter().find(is_it));
    let name = key.map_or_else(|| columns.join(", "), |key| key.name.to_string());
    Err(raise(
        "23503",
        format!(
            "rows of table \"{table}\" violate foreign key constraint \"{name}\": no such row in table \"{parent}\""
        ),
    ))
}

fn run(connection: &Connection, migration: &Migration, script: &Script, now: Timestamp) -> rusqlite::Result<()> {
    run_script(connection, script)?;
    let snapshot = serde_json::to_string(&script.snapshot)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.execute(
        "INSERT INTO _pando_catalog (id, snapshot) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET snapshot = ?1",
        [&snapshot],
    )?;
    let remember = |version: i64, name: &str, checksum: &str| {
        connection.execute(
            "INSERT INTO _pando_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            rusqlite::params![version, name, checksum, now.0],
        )
    };
    remember(migration.version, &migration.name, &migration.checksum)?;
    if let Some(debt) = &migration.owes {
        remember(OWED_VERSION, &debt.name, "")?;
    }
    if migration.version == SEED_VERSION {
        connection.execute("DELETE FROM _pando_migrations WHERE version = ?1", [OWED_VERSION])?;
    }
    Ok(())
}
