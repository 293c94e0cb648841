//! What failed, where in the file, and what to do about it.

use sql::ddl::Part;
use wire::{Error, ServerError};

use super::{NO_LOCK, Trouble, Work, failure};
use crate::error::StoreError;

/// What `pando bootstrap` would have made.
const BARE: [&str; 4] = ["auth", "anon", "authenticated", "service_role"];

pub(super) const POOLED: &str = "a pooler stands between, whose sessions may change from one statement to the next, and the \
     file runs without a transaction; run pando migrate up with a database.url that leads to the server itself";
const LOCKED: &str = "; somebody holds a lock on the table: end long transactions, or raise database.migration_lock_timeout_ms or \
     database.migration_lock_attempts";
const NEEDS_NO_TRANSACTION: &str =
    "; give the statement a file of its own whose first line is `-- pando: no transaction`";
const REMAINS: &str = "; the statements before it remain, since the file runs without a transaction: it is run from its \
     beginning again, so write IF NOT EXISTS and IF EXISTS. A CREATE INDEX CONCURRENTLY that failed leaves an INVALID index: \
     drop it first";
const BOOTSTRAP: &str = "; a bare server lacks the roles and functions that requests and policies need: `pando bootstrap` adds \
     them once, as a superuser";
const OWNER: &str = "; migrate as the owner of the schema (pando migrate up --set database.url=…), and serve with \
     database.migrate_on_start = false where the role that logs in may not";

impl Work<'_> {
    /// A refusal of the file.
    pub(super) fn refused(&self, problem: &str) -> StoreError {
        StoreError::Migration { name: self.migration.name.clone(), problem: problem.to_owned() }
    }

    /// What failed, with its line where it was something in the file.
    pub(super) fn failed(&self, trouble: Trouble<'_>) -> StoreError {
        let is_by_statements = matches!(trouble, Trouble::Statement { .. });
        let (error, line) = match trouble {
            Trouble::Store(error) => return error,
            Trouble::File { error: Error::Server(error), done } => {
                let line = self.line_in_file(&error, done);
                (error, line)
            }
            Trouble::Statement { error: Error::Server(error), part } => {
                let line = line_in_statement(&error, &part);
                (error, Some(line))
            }
            Trouble::Around(Error::Server(error)) => (error, None),
            Trouble::File { error, .. } | Trouble::Statement { error, .. } | Trouble::Around(error) => {
                return match error {
                    Error::Broken | Error::Closed | Error::Io(_) => failure::of_connection(&error),
                    other => self.refused(&other.to_string()),
                };
            }
        };
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let hint = error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let advice = match self.own {
            Some(own) if error.code == "42501" => own.advice(),
            _ => advice(&error, is_by_statements).to_owned(),
        };
        let remains = if is_by_statements { REMAINS } else { "" };
        self.refused(&format!("{line}{}{detail}{hint} [{}]{advice}{remains}", error.message, error.code))
    }

    /// The server says the place of a name or a word. Of a row that does not fit it says none: then it is the statement that came
    /// after those that were done.
    fn line_in_file(&self, error: &ServerError, done: usize) -> Option<u64> {
        if let Some(position) = error.position {
            return Some(1 + line_ends(self.text, position));
        }
        let parts = sql::ddl::parts(&self.migration.name, self.text).ok()?;
        parts.get(done).map(|part| part.line)
    }
}

fn line_in_statement(error: &ServerError, part: &Part<'_>) -> u64 {
    part.line + error.position.map_or(0, |position| line_ends(part.text, position))
}

/// The line ends before a position, in characters from 1.
fn line_ends(text: &str, position: u32) -> u64 {
    let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
    text.chars().take(before).filter(|character| *character == '\n').count() as u64
}

fn advice(error: &ServerError, is_by_statements: bool) -> &'static str {
    // Whatever the language of the server's messages, names stand in them as they are.
    let names_bare = || {
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        error.message.split(|character| !is_name(character)).any(|word| BARE.contains(&word))
    };
    match error.code.as_str() {
        NO_LOCK => LOCKED,
        "25001" if !is_by_statements => NEEDS_NO_TRANSACTION,
        "42501" => OWNER,
        "3F000" | "42704" | "42883" if names_bare() => BOOTSTRAP,
        _ => "",
    }
}
