//! What can go wrong with an engine.

use std::path::PathBuf;

use base::{Failure, Kind};

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
    /// The engine failed in a way that is our fault or the machine's.
    #[error("the engine failed: {0}")]
    Engine(String),
}

impl StoreError {
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
