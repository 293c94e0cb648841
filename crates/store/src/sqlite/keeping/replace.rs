//! Putting a copy in the place of a database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Lock, beside};
use crate::error::StoreError;
use crate::sqlite::migration;

/// How long another process that reads the database may take to end.
const WAIT: Duration = Duration::from_secs(5);

/// What became of the database that was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// There was none.
    Nothing,
    /// It lies there now.
    At(PathBuf),
}

/// Puts the file `copy`, which lies in the same folder and has no log, in the place of `database`; what was there is kept
/// as `kept`, with its log. Whenever the machine stops, one of the two is in place as a whole.
///
/// # Errors
/// [`StoreError::Unusable`] when another process reads the database, or the folder refuses. The database is then as it
/// was; one that is too damaged to take its log in may have that beside `kept` alone.
pub fn replace(_lock: &Lock, database: &Path, copy: &Path, kept: &Path) -> Result<Kept, StoreError> {
    let failed = |what: &'static str| {
        move |error: io::Error| StoreError::Unusable {
            path: database.to_owned(),
            problem: format!("{what}: {error}"),
            advice: "look at the rights of this user in the folder, and at the disk",
        }
    };
    let exists = database.try_exists().map_err(failed("it cannot be looked at"))?;
    // Held until the new one is in place, so that nobody begins to read the old one under its name.
    let alone = if exists { hold_alone(database)? } else { None };
    if exists {
        keep(database, kept).map_err(failed("what is there cannot be kept under another name"))?;
    }
    // A log of the old database would be taken for one of the new.
    for suffix in ["-wal", "-shm", "-journal"] {
        remove(&beside(database, suffix)).map_err(failed("its log cannot be removed"))?;
    }
    fs::rename(copy, database).map_err(failed("the copy cannot be put in its place"))?;
    sync_folder(database).map_err(failed("the folder cannot be written to the disk"))?;
    drop(alone);
    Ok(if exists { Kept::At(kept.to_owned()) } else { Kept::Nothing })
}

/// Moves the log into the file and keeps everybody else out. A process that has the file open would otherwise delete
/// the new database's log when it ends, since it knows it by its name. `None` when the file is too damaged for that.
fn hold_alone(database: &Path) -> Result<Option<Connection>, StoreError> {
    let outcome = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
        connection.busy_timeout(WAIT)?;
        // It can only leave the write-ahead mode when nobody else has it open.
        let mode: String = connection.query_row("PRAGMA journal_mode = delete", [], |row| row.get(0))?;
        if mode == "wal" {
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
        }
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    });
    match outcome {
        Ok(connection) => Ok(Some(connection)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(None),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(StoreError::Unusable {
                path: database.to_owned(),
                problem: "another process reads it".to_owned(),
                advice: "wait for that one, or end it: a backup, or a SQLite tool",
            }),
            _ => Err(migration::damaged(database, &error)),
        },
    }
}

/// Gives the database a second name, so that it keeps its first until the new one takes that. Its log goes along.
fn keep(database: &Path, kept: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-journal"] {
        let log = beside(database, suffix);
        if log.try_exists()? {
            fs::hard_link(&log, beside(kept, suffix)).or_else(|_| fs::rename(&log, beside(kept, suffix)))?;
        }
    }
    // Where the file system has no second names there is a moment without a database; the lock is held meanwhile.
    fs::hard_link(database, kept).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::rename(database, kept),
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => fs::File::open(".")?.sync_all(),
    }
}
