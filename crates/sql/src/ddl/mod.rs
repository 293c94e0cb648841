//! Migrations: PostgreSQL's DDL, read statement by statement, applied to a [`Snapshot`] and said again for SQLite.
//!
//! What the embedded engine cannot do is refused with the place and the alternative, before anything is done: the
//! outcome of [`translate`] is a whole script or an error, never half of one.

mod alter;
mod builtin;
mod collect;
mod constraint;
mod create_table;
mod dependents;
mod domain;
mod drop;
mod enumeration;
mod expression;
mod function;
mod grant;
mod grouping;
mod index;
mod inline;
mod json;
mod lint;
mod membership;
mod names;
mod object;
mod operator;
mod output_name;
mod own;
mod plpgsql;
mod policy;
mod prelude;
mod problem;
mod query;
mod reading;
mod rebuild;
mod refusal;
mod render;
mod role;
mod routine;
mod routine_body;
mod routine_call;
mod scope;
mod seed;
mod select;
mod sequence;
mod server_check;
mod table;
mod tokens;
mod translation;
mod trigger;
mod trigger_body;
mod types;
mod updatable;
mod view;

use catalog::Snapshot;

pub use lint::{Finding, Part, Rule, is_without_transaction, lint, parts, transaction_statements};
pub use own::{own, own_type};
pub use prelude::prelude;
pub use reading::{Effect, Reading, StatementReading, read};
pub use server_check::server_check;

use self::translation::Translation;

/// A migration, translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// What SQLite has to run, in order.
    pub statements: Vec<Step>,
    /// What exists afterwards.
    pub snapshot: Snapshot,
    /// Whether tables are built anew: foreign keys have to be off meanwhile, and looked at in the end.
    pub rebuilds: bool,
}

/// One thing to run. Statements that only the catalog knows about (grants, policies, comments) give none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// One SQLite statement, without a semicolon at its end.
    Sqlite(String),
    /// Something that has to hold of the rows that are there: when the query gives a row, the migration fails with the
    /// message.
    Guard {
        /// One SQLite query.
        query: String,
        /// PostgreSQL's words.
        message: String,
    },
}

/// A migration that cannot be applied: where, what and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DdlError {
    /// The file, as it was given to [`translate`].
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// What it is about: `CREATE TRIGGER`, `text[]`.
    pub construct: String,
    /// Why it cannot be done.
    pub message: String,
    /// What to write instead; empty if there is nothing to say.
    pub alternative: String,
}

impl std::fmt::Display for DdlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.construct, self.message)?;
        if !self.alternative.is_empty() {
            write!(f, "; {}", self.alternative)?;
        }
        Ok(())
    }
}

/// Reads the migration `text` of the file named `file`, applies it to `before` and translates it for SQLite.
///
/// # Errors
/// The first statement that is not PostgreSQL, that PostgreSQL would refuse, or that the embedded engine cannot do.
pub fn translate(file: &str, text: &str, before: &Snapshot) -> Result<Script, DdlError> {
    let mut translation = Translation::new(before.clone());
    translation.is_without_transaction = is_without_transaction(text);
    applied(translation, file, text)
}

/// [`translate`] for a migration of the program itself: what it makes gets none of the schema's default privileges, and `inet`
/// is `text`, which the embedded engine has instead. It keeps all tables in one way, so `UNLOGGED` means nothing to it.
///
/// # Errors
/// As [`translate`].
pub fn translate_own(file: &str, text: &str, before: &Snapshot) -> Result<Script, DdlError> {
    let mut translation = Translation::new(before.clone());
    translation.is_own = true;
    applied(translation, file, text)
}

fn applied(mut translation: Translation, file: &str, text: &str) -> Result<Script, DdlError> {
    let located = |problem: problem::Problem| problem.located(file);
    // An editor's byte order mark is no part of the SQL.
    let pieces = tokens::split(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(located)?;
    for mut piece in pieces {
        if translation.is_own {
            piece.replace_words("inet", "text");
            piece.remove_words("unlogged");
        }
        translation.apply(&piece).map_err(located)?;
    }
    translation.finish().map_err(located)
}
