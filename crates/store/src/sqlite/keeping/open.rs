//! Opening a file to read it, while a server has it open or nobody does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Catalog;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::ErrorCode;
use rusqlite::config::DbConfig;

use super::beside;
use crate::error::StoreError;
use crate::sqlite::connection::{Connection, Purpose};
use crate::sqlite::migration::{self, Nature};

/// How long another process may keep the file to itself: for a checkpoint at its end, or the recovery of the log.
const WAIT: Duration = Duration::from_secs(5);

/// A file of Pando's, open for reading, with its functions and collations.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) catalog: Arc<Catalog>,
}

/// Opens a file of Pando's to read it. Nothing is changed; where a crash left a log, that stays as well.
pub(super) fn open(path: &Path, origin: Instant) -> Result<Opened, StoreError> {
    let failed = |error: rusqlite::Error| migration::damaged(path, &error);
    if !path.is_file() {
        return Err(StoreError::Unusable {
            path: path.to_owned(),
            problem: "there is no such file".to_owned(),
            advice: "look at the path",
        });
    }
    let has_log = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let empty = Arc::new(Catalog::default());
    let mut connection = match try_open(path, &empty, origin) {
        // In a folder that cannot be written there is no place for the log; a file that nobody writes needs none.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !has_log => {
            Connection::open(&immutable(path), Purpose::Look, WAIT, &empty, origin).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    if has_log {
        // The last one to close the file would otherwise move the log's pages into it.
        connection.raw().set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    }
    if migration::recognise(connection.raw(), path)? == Nature::Empty {
        return Err(StoreError::Unusable {
            path: path.to_owned(),
            problem: "this database is empty; Pando has not made anything in it yet".to_owned(),
            advice: "look at the path, or let `pando serve` or `pando migrate up` fill it",
        });
    }
    let catalog =
        Arc::new(Catalog::new(migration::load_snapshot(connection.raw()).map_err(|error| named(path, error))?));
    connection.follow(&catalog).map_err(failed)?;
    Ok(Opened { connection, catalog })
}

fn try_open(path: &Path, catalog: &Arc<Catalog>, origin: Instant) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path, Purpose::Read, WAIT, catalog, origin)?;
    // Only a read finds out whether the log can be used.
    connection.raw().query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// What SQLite takes as it is in the path of a URI.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The name under which SQLite reads a file without looking for a log or making anything beside it.
fn immutable(path: &Path) -> std::path::PathBuf {
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), KEPT);
    format!("file:{path}?immutable=1").into()
}

/// An error that says which file it is about.
pub(super) fn named(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Engine(problem) => {
            StoreError::Unusable { path: path.to_owned(), problem, advice: migration::RESTORE }
        }
        other => other,
    }
}
