//! Writes that are done once, or only if what their client saw still counts.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// A write came with an `Idempotency-Key`.
#[derive(Debug)]
pub struct IdempotentWrite {
    /// `kept`, `replayed`, `in-flight` or `other-request`.
    pub outcome: &'static str,
}

impl Happening for IdempotentWrite {
    const DEFINITION: &'static Definition = &Definition {
        action: "idempotent-write",
        message: "A write with an Idempotency-Key was answered",
        about: "When a write with an `Idempotency-Key` was done and its answer kept (`kept`), had been done, and was given the kept \
                answer (`replayed`), or was refused, since one with its key is at work (`in-flight`, 409) or was another request \
                (`other-request`, 422). Logged at level debug; `pando_idempotent_writes_total` counts each.",
        level: Level::Debug,
        fields: &[REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.outcome);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_idempotent_write(self.outcome);
    }
}

/// What a write expects does not hold.
#[derive(Debug)]
pub struct PreconditionFailed;

impl Happening for PreconditionFailed {
    const DEFINITION: &'static Definition = &Definition {
        action: "precondition-failed",
        message: "What a write expects does not hold",
        about: "When a write is refused with 412, since `If-Match` or `If-None-Match` does not hold any more. Logged at level debug; \
                `pando_preconditions_failed_total` counts each.",
        level: Level::Debug,
        fields: &[],
    };

    fn fields(&self, _line: &mut Line<'_>) {}

    fn meter(&self, metrics: &Metrics) {
        metrics.count_precondition_failed();
    }
}

/// Answers that are no longer kept were deleted, or could not be.
#[derive(Debug)]
pub struct AnswersSwept<'a> {
    /// How many.
    pub answers: u64,
    /// Why not.
    pub error: Option<&'a str>,
}

impl Happening for AnswersSwept<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "answers-swept",
        message: "Answers that are no longer kept under an Idempotency-Key were deleted",
        about: "When answers that are older than `idempotency.keep_hours` were deleted. With an error, and as a warning, when they could not \
                be: it is tried again, and meanwhile they only take room.",
        level: Level::Debug,
        fields: &[ROWS, ERROR],
    };

    fn level(&self) -> Level {
        if self.error.is_some() { Level::Warn } else { Self::DEFINITION.level }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.count(ROWS, self.answers);
        if let Some(error) = self.error {
            line.word(ERROR, error);
        }
    }
}
