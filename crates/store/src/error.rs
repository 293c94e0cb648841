//! What can go wrong with an engine.

use std::path::PathBuf;

use base::{Failure, Kind};

use crate::guard::NOT_ONE_ROW;

/// Why an engine could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The data or the caller's rights forbid it: the answer is ready.
    #[error("{0}")]
    Refused(Box<Failure>),
    /// Too much waits already, or the file is locked by another process.
    #[error("the database is busy: {0}")]
    Busy(&'static str),
    /// The job was planned on a catalog that a migration has replaced; nothing was done. Plan it anew.
    #[error("the database is busy: the schema has just changed")]
    SchemaChanged,
    /// The statement took longer than allowed.
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// A streamed body is not whole, for this reason: what was sent of it is not the answer.
    #[error("the body broke off: {0}")]
    BrokenOff(&'static str),
    /// The store was closed.
    #[error("the database is closed")]
    Closed,
    /// The server cannot be reached, or the connection to it was lost.
    #[error("the database does not answer: {0}")]
    Unreachable(String),
    /// The address of the server cannot be understood, or names files that cannot be read.
    #[error("database.url cannot be used: {0}")]
    Address(String),
    /// The file cannot be used.
    #[error("{path}: {problem}; {advice}", path = path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// A migration failed; nothing of it remains.
    #[error("{name}: {problem}")]
    Migration {
        /// The file's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A statement of the program itself violates a constraint; nothing of its transaction remains.
    #[error("{}", .0.failure)]
    Violated(Box<Violation>),
    /// A statement of the program itself did not do what was expected of it; nothing of its transaction remains. Mostly somebody
    /// else was faster: what was decided has to be decided anew.
    #[error("statement {step} of an own transaction met {rows} rows, which is not what was expected")]
    Missed {
        /// Which one, from 0.
        step: usize,
        /// How many rows it changed or gave.
        rows: u64,
    },
    /// The engine failed in a way that is our fault or the machine's.
    #[error("the engine failed: {0}")]
    Engine(String),
}

/// A constraint that a statement of the program itself violates.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Of which kind it is.
    pub kind: ViolationKind,
    /// Its name, the same on both engines; empty where the engine does not say it (a column that may not be NULL, and on SQLite
    /// a foreign key of an UPDATE).
    pub constraint: String,
    /// The same for a client, should it be told.
    pub failure: Failure,
}

/// The kinds of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViolationKind {
    /// A primary key, a unique constraint or a unique index.
    Unique,
    /// A foreign key.
    ForeignKey,
    /// A check.
    Check,
    /// A column that may not be NULL.
    NotNull,
}

impl ViolationKind {
    /// The kind that an SQLSTATE stands for.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "23505" => Self::Unique,
            "23503" => Self::ForeignKey,
            "23514" => Self::Check,
            "23502" => Self::NotNull,
            _ => return None,
        })
    }
}

impl StoreError {
    /// The name of the unique constraint or index that is violated, if that is what this says.
    pub fn unique_violation(&self) -> Option<&str> {
        match self {
            Self::Violated(violation) if violation.kind == ViolationKind::Unique => Some(&violation.constraint),
            _ => None,
        }
    }

    /// Whether it says nothing else than that there are not as many rows as the request wants: as long as the rows stay what they are, it is
    /// what the same request comes to.
    pub fn is_about_rows(&self) -> bool {
        matches!(self, Self::Refused(failure) if failure.code == NOT_ONE_ROW)
    }

    /// A plan came to an engine that it was not made for.
    pub(crate) fn other_engine() -> Self {
        Self::Engine("the plan was made for another engine".to_owned())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(failure) => *failure,
            StoreError::Busy(why) => busy(why),
            StoreError::Violated(violation) => violation.failure,
            StoreError::Missed { .. } => {
                busy("somebody else has just changed the same rows").with_inside(error.to_string())
            }
            StoreError::SchemaChanged => busy("the schema has just changed"),
            StoreError::Timeout => Self::new(Kind::Timeout, "57014", error.to_string()).with_hint(
                "The request took longer than limits.statement_timeout_seconds; narrow it, or add an index.",
            ),
            StoreError::Unreachable(why) => {
                Self::new(Kind::Unavailable, "PGRST001", "Database client error. Retrying the connection.")
                    .with_inside(why)
                    .with_retry_after(1)
            }
            StoreError::Closed => {
                Self::new(Kind::Unavailable, "PANDO503", "The server is shutting down").with_retry_after(1)
            }
            StoreError::BrokenOff(_)
            | StoreError::Address(_)
            | StoreError::Unusable { .. }
            | StoreError::Migration { .. }
            | StoreError::Engine(_) => Self::internal(error.to_string()),
        }
    }
}

fn busy(why: &'static str) -> Failure {
    Failure::new(Kind::Unavailable, "PANDO503", "The database is busy")
        .with_details(why)
        .with_hint("Try again after the number of seconds in Retry-After.")
        .with_retry_after(1)
}
