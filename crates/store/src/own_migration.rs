//! The tables of the program itself, and how they come to be: before the files of the schema's author, on both engines.

use base::QualifiedName;
use catalog::Snapshot;
use sha2::{Digest, Sha256};

use crate::driver::OWED_VERSION;
use crate::error::StoreError;

/// The most migrations of one owner: between the numbers of two owners is room for so many.
const MOST: i64 = 1_000;

/// The checksum under which a migration is remembered whose tables were there already, and were left as they are.
pub(crate) const LEFT: &str = "left";

/// Tables of the program itself that belong together, such as those of the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMigrations {
    /// Whose they are, for names and messages: `auth`.
    pub owner: &'static str,
    /// The owner's number, from 1. It is never used again for another one: what was applied is remembered by it.
    pub number: u16,
    /// The schema that the tables are in.
    pub schema: &'static str,
    /// How to do without them, for messages: `auth.enabled = false`.
    pub without: &'static str,
    /// Each step of them, oldest first. A release only ever adds to its end.
    pub all: &'static [OwnMigration],
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMigration {
    /// The file's name without its owner: `0001_users.sql`.
    pub name: &'static str,
    /// Its statements, in PostgreSQL's words. The schema is there: it is made where it is missing. `inet` is `text` on SQLite, and
    /// `UNLOGGED` means nothing there.
    pub text: &'static str,
    /// Tables that may be there already, since another program made them: where the first of them is, nothing is done, and
    /// all of them have to have these columns. Empty where nobody else makes them.
    pub standing: &'static [OwnTable],
}

/// A table that may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTable {
    /// Its name in the owner's schema.
    pub name: &'static str,
    /// The columns that the program uses.
    pub columns: &'static [&'static str],
}

impl OwnMigrations {
    /// The number that a step is remembered by, from its place from 0: below [`OWED_VERSION`], and of this owner alone.
    pub fn version(&self, place: usize) -> i64 {
        let place = i64::try_from(place).unwrap_or(MOST - 1).min(MOST - 1);
        OWED_VERSION - i64::from(self.number) * MOST - place
    }

    /// The name that a step is remembered by.
    pub fn name(&self, step: &OwnMigration) -> String {
        format!("{}/{}", self.owner, step.name)
    }

    /// Which of the tables that a step makes are there already, by an answer for each of them: whether it is, and which of its
    /// columns are missing. `true` when they are, and all of them fit.
    pub(crate) fn stands(
        &self,
        step: &OwnMigration,
        look: impl Fn(&OwnTable) -> Option<Vec<String>>,
    ) -> Result<bool, StoreError> {
        let Some(first) = step.standing.first() else { return Ok(false) };
        if look(first).is_none() {
            return Ok(false);
        }
        let mut lacking = Vec::new();
        for table in step.standing {
            match look(table) {
                None => lacking.push(format!("table {}.{}", self.schema, table.name)),
                Some(columns) => lacking
                    .extend(columns.iter().map(|column| format!("column {column} of {}.{}", self.schema, table.name))),
            }
        }
        if lacking.is_empty() {
            return Ok(true);
        }
        Err(self.refused(
            step,
            &format!(
                "tables of the name are there already, which another program has made or keeps, and are left as they are; they \
                 lack {}: bring them up to date with that program, or set {}",
                lacking.join(", "),
                self.without
            ),
        ))
    }

    /// [`Self::stands`] by what a snapshot holds.
    pub(crate) fn stands_in(&self, step: &OwnMigration, snapshot: &Snapshot) -> Result<bool, StoreError> {
        self.stands(step, |table| {
            let relation = snapshot.relations.get(&QualifiedName::new(self.schema, table.name))?;
            let is_missing = |column: &&&str| relation.column(column).is_none();
            Some(table.columns.iter().filter(is_missing).map(ToString::to_string).collect())
        })
    }

    /// What a snapshot becomes with all steps, where none of the tables are there: for what reads migrations without a database.
    ///
    /// # Errors
    /// [`StoreError::Migration`] for a step that the embedded engine cannot do, which is the program's fault.
    pub fn declared(&self, before: &Snapshot) -> Result<Snapshot, StoreError> {
        let mut snapshot = before.clone();
        for step in self.all {
            snapshot = self.translated(step, &snapshot)?.snapshot;
        }
        Ok(snapshot)
    }

    pub(crate) fn translated(&self, step: &OwnMigration, before: &Snapshot) -> Result<sql::ddl::Script, StoreError> {
        let mut before = before.clone();
        before.schemas.entry(self.schema.into()).or_insert(None);
        sql::ddl::translate_own(&self.name(step), step.text, &before)
            .map_err(|error| self.refused(step, &error.to_string()))
    }

    pub(crate) fn refused(&self, step: &OwnMigration, problem: &str) -> StoreError {
        StoreError::Migration { name: self.name(step), problem: problem.to_owned() }
    }
}

/// The SHA-256 of a step's text, in hexadecimal. It is remembered for whoever looks; a newer release may have another text.
pub(crate) fn checksum(step: &OwnMigration) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in Sha256::digest(step.text.as_bytes()) {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}
