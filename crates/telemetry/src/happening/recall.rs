//! Answers that are kept, and shown again.

use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// Something was asked whose answer may be kept.
#[derive(Debug)]
pub struct RecallAsked {
    /// What came of it: `hit`, `remote_hit`, `shared`, `stale`, `stale_if_error`, `miss`, `request`, `bypass`.
    pub outcome: &'static str,
}

impl Happening for RecallAsked {
    const DEFINITION: &'static Definition = &Definition {
        action: "response-cache-asked",
        message: "Something was asked whose answer may be kept",
        about: "With each read of what `responses.tables` names. Only counted: `pando_response_cache_requests_total`.",
        level: Level::Off,
        fields: &[REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.outcome);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_recall(self.outcome);
    }
}

/// Answers cannot be kept although a rule says so.
#[derive(Debug)]
pub struct AnswersNotKept<'a> {
    /// The relation that was asked for.
    pub relation: &'a str,
    /// Why: what the answer depends on.
    pub reason: &'a str,
}

impl Happening for AnswersNotKept<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "answers-not-kept",
        message: "Answers cannot be kept although a rule of responses.tables says so",
        about: "The first time that a read cannot be kept for this reason (`Cache-Status: pando; fwd=bypass`): what it depends on changes in \
                ways that nobody tells of.",
        level: Level::Info,
        fields: &[RELATION, ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(RELATION, self.relation);
        line.word(ERROR, self.reason);
    }
}

/// A kept answer was compared with what the database gives.
#[derive(Debug)]
pub struct KeptAnswerStale<'a> {
    /// The relation that was asked for.
    pub relation: &'a str,
    /// Whether it was another answer, although nothing told of a change.
    pub is_stale: bool,
}

impl Happening for KeptAnswerStale<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "stale-read",
        message: "A kept answer was not what the database gives",
        about: "When one of the kept answers that are checked (`responses.check_one_in`) was not what the database gives, and nothing \
                told of a change: what is read changes past Pando in a way that nobody sees, or Pando is at fault. Each check counts in \
                `pando_cache_checked_reads_total`, each of these in `pando_cache_stale_reads_total`.",
        level: Level::Error,
        fields: &[RELATION],
    };

    fn level(&self) -> Level {
        if self.is_stale { Self::DEFINITION.level } else { Level::Off }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(RELATION, self.relation);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_recall_check(self.is_stale);
    }
}

/// The server of answers that nodes share is gone, or is back.
#[derive(Debug)]
pub struct SharedAnswersChanged {
    /// Why it is gone; `None` when it is back.
    pub reason: Option<&'static str>,
    /// How long it was gone.
    pub after: Option<Duration>,
}

impl Happening for SharedAnswersChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "shared-answers-changed",
        message: "The server of answers that nodes share is gone or back",
        about: "With `responses.driver = \"remote\"`, when that server does not answer any more: until it does, each node shows what it keeps \
                itself, and asks the database for the rest. And when it answers (again).",
        level: Level::Warn,
        fields: &[REASON, DURATION],
    };

    fn level(&self) -> Level {
        if self.reason.is_some() { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.reason.unwrap_or("answers"));
        if let Some(after) = self.after {
            line.duration(DURATION, after);
        }
    }
}
