//! What is wrong with a statement, before the file's name is known.

use sqlparser::tokenizer::{Location, Span};

use super::DdlError;

/// The outcome of everything in this module.
pub(super) type Outcome<T> = Result<T, Problem>;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where; line 0 when it is not known better than "in this statement".
    at: Location,
    /// What it is about; empty for the statement itself.
    construct: String,
    message: String,
    alternative: String,
}

/// A place that is not known.
pub(super) const NOWHERE: Location = Location { line: 0, column: 0 };

impl Problem {
    /// The statement is not valid, on PostgreSQL neither.
    pub(super) fn invalid(at: impl Place, message: impl Into<String>) -> Self {
        Self { at: at.location(), construct: String::new(), message: message.into(), alternative: String::new() }
    }

    /// The embedded engine cannot do `construct`.
    pub(super) fn refused(
        at: impl Place,
        construct: impl Into<String>,
        message: impl Into<String>,
        alternative: impl Into<String>,
    ) -> Self {
        Self {
            at: at.location(),
            construct: construct.into(),
            message: message.into(),
            alternative: alternative.into(),
        }
    }

    /// Whether something that is named does not exist, at least not yet.
    pub(super) fn is_missing(&self) -> bool {
        self.message.contains("does not exist") || self.message.contains("there is no such function")
    }

    /// What is wrong, without its place.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The same with another message, about the statement as a whole: its place was in another text.
    #[must_use]
    pub(super) fn placed_nowhere(mut self, message: String) -> Self {
        self.at = NOWHERE;
        self.message = message;
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub(super) fn instead(mut self, alternative: impl Into<String>) -> Self {
        self.alternative = alternative.into();
        self
    }

    /// Fills in what is missing: the statement's place and name.
    #[must_use]
    pub(super) fn within(mut self, at: Location, construct: &str) -> Self {
        if self.at.line == 0 {
            self.at = at;
        }
        if self.construct.is_empty() {
            construct.clone_into(&mut self.construct);
        }
        self
    }

    /// Its place, known within a text that begins at `start` of the file, as a place of the file.
    #[must_use]
    pub(super) fn moved(mut self, start: Location) -> Self {
        if self.at.line == 1 {
            self.at.column = start.column + self.at.column.saturating_sub(1);
        }
        if self.at.line > 0 {
            self.at.line = start.line + self.at.line - 1;
        }
        self
    }

    /// With the file's name.
    pub(super) fn located(self, file: &str) -> DdlError {
        DdlError {
            file: file.to_owned(),
            line: self.at.line,
            column: self.at.column,
            construct: self.construct,
            message: self.message,
            alternative: self.alternative,
        }
    }
}

/// What has a place in the file.
pub(super) trait Place {
    /// Where it starts.
    fn location(&self) -> Location;
}

impl Place for Location {
    fn location(&self) -> Location {
        *self
    }
}

impl Place for Span {
    fn location(&self) -> Location {
        self.start
    }
}

impl<T: sqlparser::ast::Spanned> Place for &T {
    fn location(&self) -> Location {
        self.span().start
    }
}
