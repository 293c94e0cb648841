//! Answers that are kept, and shown again.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// Something was asked whose answer may be kept.
#[derive(Debug)]
pub struct RecallAsked {
    /// What came of it: `hit`, `shared`, `stale`, `stale_if_error`, `miss`, `request`, `bypass`.
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
