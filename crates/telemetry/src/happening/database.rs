//! What the database does.

use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// A statement, or a transaction of several, was run.
#[derive(Debug)]
pub struct DatabaseOperation<'a> {
    /// What it did: `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `UPSERT`.
    pub operation: &'static str,
    /// The main relation. From the catalog, never from a request.
    pub relation: Option<&'a str>,
    /// Rows read or affected.
    pub rows: Option<u64>,
    /// How long it took, waiting for a connection excluded.
    pub duration: Duration,
    /// The error's code, of one that failed.
    pub error_code: Option<&'a str>,
}

impl Happening for DatabaseOperation<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "database-operation",
        message: "The database ran a statement",
        about: "For every statement of a request.",
        level: Level::Debug,
        fields: &[OPERATION, RELATION, ROWS, DURATION, ERROR_CODE],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(OPERATION, self.operation);
        line.maybe_word(RELATION, self.relation);
        line.maybe_count(ROWS, self.rows);
        line.duration(DURATION, self.duration);
        line.maybe_word(ERROR_CODE, self.error_code);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.observe_operation(self.operation, self.relation, self.error_code, self.duration);
    }
}

/// A statement took longer than the configured threshold.
#[derive(Debug)]
pub struct SlowQuery<'a> {
    /// Its text with placeholders: the shape, never a value.
    pub statement: &'a str,
    /// The main relation, from the catalog.
    pub relation: Option<&'a str>,
    /// Rows read or affected.
    pub rows: Option<u64>,
    /// How long it took.
    pub duration: Duration,
    /// The trace of the request that it belongs to.
    pub trace_id: Option<[u8; 16]>,
}

impl Happening for SlowQuery<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "slow-query",
        message: "A statement was slow",
        about: "When a statement took longer than the threshold for slow ones.",
        level: Level::Warn,
        fields: &[DURATION, RELATION, ROWS, TRACE_ID, STATEMENT],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.duration(DURATION, self.duration);
        line.maybe_word(RELATION, self.relation);
        line.maybe_count(ROWS, self.rows);
        if let Some(trace_id) = &self.trace_id {
            line.id(TRACE_ID, trace_id);
        }
        line.word(STATEMENT, self.statement);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_slow_query();
    }
}

/// The writer committed a group of writes with one sync to disk.
#[derive(Debug)]
pub struct WritesCommitted {
    /// How many writes.
    pub batch: u64,
    /// How long the group took, from its first write to the end of the commit.
    pub duration: Duration,
}

impl Happening for WritesCommitted {
    const DEFINITION: &'static Definition = &Definition {
        action: "writes-committed",
        message: "Writes were committed",
        about: "For every group commit; only counted, never logged.",
        level: Level::Off,
        fields: &[BATCH, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(BATCH, self.batch);
        line.duration(DURATION, self.duration);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.observe_commit(self.batch, self.duration);
    }
}

/// The database cannot be used: locked by another process, damaged, the disk full.
#[derive(Debug)]
pub struct DatabaseUnavailable<'a> {
    /// What happened inside, without values.
    pub error: &'a str,
}

impl Happening for DatabaseUnavailable<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "database-unavailable",
        message: "The database cannot be used",
        about: "When the database file is locked, damaged or the disk is full; when a server does not answer, each time a start tries it.",
        level: Level::Error,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}

/// A replica may answer reads from now on, or no longer.
#[derive(Debug)]
pub struct ReplicaChanged<'a> {
    /// Where it is. From the configuration.
    pub server: &'a str,
    /// Why it answers none; `None` when it does.
    pub reason: Option<&'static str>,
}

impl Happening for ReplicaChanged<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "replica-changed",
        message: "A replica has changed",
        about: "When a replica begins to answer reads, or no longer does: it does not answer, is too far behind, was promoted or does not follow the primary.",
        level: Level::Warn,
        fields: &[SERVER, REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(SERVER, self.server);
        line.maybe_word(REASON, self.reason);
    }
}

/// The whole file was looked through for damage, beside the requests.
#[derive(Debug)]
pub struct DatabaseChecked<'a> {
    /// How long it took.
    pub duration: Duration,
    /// What is damaged; `None` when nothing is.
    pub error: Option<&'a str>,
}

impl Happening for DatabaseChecked<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "database-checked",
        message: "The database was looked through for damage",
        about: "After the start on a large file (`database.check_at_start`). An error when it is damaged.",
        level: Level::Info,
        fields: &[OUTCOME, DURATION, ERROR],
    };

    fn level(&self) -> Level {
        if self.error.is_some() { Level::Error } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(OUTCOME, if self.error.is_some() { "failure" } else { "success" });
        line.duration(DURATION, self.duration);
        line.maybe_word(ERROR, self.error);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.set_damaged(self.error.is_some());
    }
}
