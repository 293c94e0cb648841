//! The lock beside a file: one process serves it, or migrates it, or puts another one in its place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::beside;
use crate::error::StoreError;

/// How often the lock is tried for. Whoever only asks who holds it has it for an instant.
const TRIES: u32 = 5;

/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock. It is given back when this goes, and by the operating system when the process does.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The number of the process, if it wrote one.
    pub process: Option<u32>,
}

impl Lock {
    /// Takes the lock of a database file, whose folder must exist. Another process would not learn of a migration, and
    /// so of a policy, that this one applies; and neither would see the other's group commits coming.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when another process holds it, or the folder cannot be written.
    pub fn take(database: &Path) -> Result<Self, StoreError> {
        let unusable = |problem: String, advice| StoreError::Unusable { path: database.to_owned(), problem, advice };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(beside(database, ".lock"))
            .map_err(|error| unusable(format!("its lock cannot be made: {error}"), "let this user write the folder"))?;
        for tried in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tried < TRIES => std::thread::park_timeout(PAUSE),
                Err(TryLockError::Error(error)) => {
                    return Err(unusable(format!("its lock cannot be taken: {error}"), "use a local disk"));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(unusable(
                        "another Pando process has it open".to_owned(),
                        "stop that one first; `pando serve` applies pending migrations when it starts",
                    ));
                }
            }
        }
        // Only for people: the lock itself is the operating system's.
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|error| unusable(format!("its lock cannot be written: {error}"), "look at the disk"))?;
        Ok(Self { file })
    }

    /// Who holds the lock of a database file; `None` when nobody does.
    pub fn holder(database: &Path) -> Option<Holder> {
        let mut file = File::open(beside(database, ".lock")).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut text = String::new();
        let _nothing_to_read = Read::take(&mut file, 20).read_to_string(&mut text);
        Some(Holder { process: text.trim().parse().ok() })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A number that stays behind is only wrong, never in the way.
        let _stays = self.file.set_len(0);
    }
}
