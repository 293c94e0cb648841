//! What is written down of changes, and its seals.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// How grave it is that something fails, or works again.
fn level_of(error: Option<&str>) -> Level {
    if error.is_some() { Level::Error } else { Level::Info }
}

/// Tells that something fails, or works again.
fn tell(error: Option<&str>, line: &mut Line<'_>) {
    line.word(REASON, if error.is_some() { "fails" } else { "works" });
    if let Some(error) = error {
        line.word(ERROR, error);
    }
}

/// Entries of the audit were sealed.
#[derive(Debug)]
pub struct EntriesSealed {
    /// How many.
    pub entries: u64,
    /// How many wait to be.
    pub waiting: u64,
}

impl Happening for EntriesSealed {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-sealed",
        message: "Entries of the audit were sealed",
        about: "Every `audit.seal_seconds`, where there are entries. Only counted: `pando_audit_entries_sealed_total` and \
                `pando_audit_entries_waiting`.",
        level: Level::Off,
        fields: &[ROWS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(ROWS, self.entries);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_audit_sealed(self.entries, self.waiting);
    }
}

/// A checkpoint of the audit was signed.
#[derive(Debug)]
pub struct CheckpointSigned<'a> {
    /// It, as C2SP's signed note has it: the name of the log, how many entries, the root, the signature. Nothing of the entries.
    pub note: &'a str,
}

impl Happening for CheckpointSigned<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-checkpoint",
        message: "A checkpoint of the audit was signed",
        about: "The first one after the start, and then one each hour in which entries were sealed. Where the log is kept elsewhere it outlives \
                what is done to the database: `pando audit verify --checkpoint` takes it as a file.",
        level: Level::Info,
        fields: &[CHECKPOINT],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(CHECKPOINT, self.note);
    }
}

/// Entries of the audit could not be sealed, or can be again.
#[derive(Debug)]
pub struct SealingFailed<'a> {
    /// What went wrong; `None` when it works again.
    pub error: Option<&'a str>,
}

impl Happening for SealingFailed<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-not-sealed",
        message: "Entries of the audit cannot be sealed, or can be again",
        about: "When entries could not be sealed, told once until it works again; `pando_audit_sealing_failures_total` counts each \
                attempt. They are sealed later. A log that does not fit together, or does not go on from what this process has sealed \
                before, has to be looked at: `pando audit verify`.",
        level: Level::Error,
        fields: &[REASON, ERROR],
    };

    fn level(&self) -> Level {
        level_of(self.error)
    }

    fn fields(&self, line: &mut Line<'_>) {
        tell(self.error, line);
    }
}

/// Entries of the audit were forgotten, since they were old enough.
#[derive(Debug)]
pub struct EntriesForgotten {
    /// How many.
    pub entries: u64,
}

impl Happening for EntriesForgotten {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-forgotten",
        message: "Entries of the audit were forgotten",
        about: "Where entries are older than `audit.retention_days`: looked for once an hour, and told of each 4,096 of them or less until no \
                more are; `pando_audit_entries_forgotten_total` counts them.",
        level: Level::Info,
        fields: &[ROWS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(ROWS, self.entries);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_audit_forgotten(self.entries);
    }
}

/// Entries of the audit could not be forgotten, or can be again.
#[derive(Debug)]
pub struct RetentionFailed<'a> {
    /// What went wrong; `None` when it works again.
    pub error: Option<&'a str>,
}

impl Happening for RetentionFailed<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-not-forgotten",
        message: "Old entries of the audit cannot be forgotten, or can be again",
        about: "When entries older than `audit.retention_days` could not be deleted, told once until it works again. Entries that are not \
                as they were sealed are kept: `pando audit verify`. A role that is not the owner of the tables needs \
                `GRANT DELETE ON pando.audit_entries` and `INSERT, DELETE ON pando.audit_forgotten`.",
        level: Level::Error,
        fields: &[REASON, ERROR],
    };

    fn level(&self) -> Level {
        level_of(self.error)
    }

    fn fields(&self, line: &mut Line<'_>) {
        tell(self.error, line);
    }
}

/// Changes of a table are not written down.
#[derive(Debug)]
pub struct ChangesUnwatched<'a> {
    /// Which, why, and what to do.
    pub problem: &'a str,
}

impl Happening for ChangesUnwatched<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "audit-incomplete",
        message: "Changes of a table are not written down",
        about: "When a trigger of the audit cannot be put on a table of a PostgreSQL server, at the start or after the schema has \
                changed: what is to be granted. Told once, and tried again at ever longer times up to five minutes; \
                `pando_audit_tables_unwatched` says how many there are.",
        level: Level::Warn,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.problem);
    }
}
