//! Looking a file through.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection as Raw;

use super::open;
use crate::driver::AppliedMigration;
use crate::error::StoreError;
use crate::sqlite::connection::MEMORY_MAP;
use crate::sqlite::migration;

/// How many problems are told of one file. Damage seldom comes alone, and the first ones say enough.
const MOST_PROBLEMS: usize = 10;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// At the file's head, Pando's own tables and the catalog.
    Head,
    /// At the structure of every page as well.
    Quick,
    /// At every entry of every index, every constraint and every foreign key as well.
    Full,
}

/// What a file of Pando's looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The migrations that were applied, oldest first; those that are no files have no positive version.
    pub applied: Vec<AppliedMigration>,
    /// Tables and views.
    pub relations: usize,
    /// The size of the database, in bytes.
    pub bytes: u64,
    /// How much of it is free for new rows, in bytes.
    pub free_bytes: u64,
    /// What is damaged; empty when nothing was found.
    pub damage: Vec<String>,
    /// Rows whose foreign keys find nothing; only looked for in a full check.
    pub broken_keys: Vec<String>,
}

impl Examined {
    /// Itself, if nothing is wrong with it.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with the first thing that is wrong.
    pub fn sound(self, path: &Path) -> Result<Self, StoreError> {
        match self.damage.first().or_else(|| self.broken_keys.first()) {
            None => Ok(self),
            Some(problem) => Err(damaged(path, problem)),
        }
    }
}

/// Looks a file of Pando's through, of one moment, while it may be served. Changes nothing. `now` is any moment.
///
/// # Errors
/// [`StoreError::Unusable`] when it cannot be read at all, is not one of Pando's, or was written by a newer one.
pub fn examine(path: &Path, check: Check, now: Instant) -> Result<Examined, StoreError> {
    let opened = open::open(path, now)?;
    let connection = opened.connection.raw();
    let failed = |error: rusqlite::Error| migration::damaged(path, &error);
    connection.execute_batch("BEGIN").map_err(failed)?;
    let number =
        |text: &str| connection.query_row(text, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs).map_err(failed);
    let page = number("PRAGMA page_size")?;
    let (damage, broken_keys) = look_through(connection, check, path)?;
    Ok(Examined {
        applied: migration::applied(connection).map_err(|error| open::named(path, error))?,
        relations: opened.catalog.snapshot().relations.len(),
        bytes: number("PRAGMA page_count")? * page,
        free_bytes: number("PRAGMA freelist_count")? * page,
        damage,
        broken_keys,
    })
}

/// What is damaged, and which foreign keys find nothing. Needs a connection that knows the schema's functions and
/// collations.
pub(in crate::sqlite) fn look_through(
    connection: &Raw,
    check: Check,
    path: &Path,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let pragma = match check {
        Check::Head => return Ok((Vec::new(), Vec::new())),
        Check::Quick => "quick_check",
        Check::Full => "integrity_check",
    };
    let failed = |error: rusqlite::Error| migration::damaged(path, &error);
    // Read through the small page cache instead of the map: every page is looked at once, and none has to stay.
    connection.pragma_update(None, "mmap_size", 0).map_err(failed)?;
    let mut damage = lines(connection, &format!("PRAGMA {pragma}({MOST_PROBLEMS})")).map_err(failed)?;
    damage.retain(|line| line != "ok");
    let mut keys = Vec::new();
    // A key of a damaged table says nothing more.
    if check == Check::Full && damage.is_empty() {
        let text = "SELECT count(*) || ' of \"' || \"table\" || '\" refer to rows that \"' || parent || '\" does not have' \
                    FROM pragma_foreign_key_check GROUP BY \"table\", parent";
        keys = lines(connection, text).map_err(failed)?;
        keys.truncate(MOST_PROBLEMS);
    }
    connection.pragma_update(None, "mmap_size", MEMORY_MAP).map_err(failed)?;
    Ok((damage, keys))
}

fn lines(connection: &Raw, text: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(text)?.query_map([], |row| row.get(0))?.collect()
}

/// The refusal of a damaged file.
pub(in crate::sqlite) fn damaged(path: &Path, problem: &str) -> StoreError {
    StoreError::Unusable {
        path: path.to_owned(),
        problem: format!("the file is damaged: {problem}"),
        advice: migration::RESTORE,
    }
}
