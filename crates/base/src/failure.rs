use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// What sort of failure it is. About ten, shared by all crates; `rest::status` alone turns one into an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request cannot be understood.
    BadRequest,
    /// The credentials are missing, wrong or expired.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The named thing does not exist.
    NotFound,
    /// The method does not fit the target.
    MethodNotAllowed,
    /// No representation that the client accepts.
    NotAcceptable,
    /// The state of the data forbids it (unique, foreign key).
    Conflict,
    /// Several readings are possible; the client has to choose.
    Ambiguous,
    /// The requested range lies outside of the rows.
    RangeNotSatisfiable,
    /// A named limit was exceeded.
    TooLarge,
    /// The client asks more than it may; it may ask again later.
    RateLimited,
    /// Too busy right now; the client may try again.
    Unavailable,
    /// It took longer than allowed.
    Timeout,
    /// Pando knows the feature but does not offer it here.
    NotSupported,
    /// Our fault. The inside text goes to the log, never to the client.
    Internal,
}

/// The `details` member of an error body: text, or structured candidates.
#[derive(Debug, Clone, PartialEq)]
pub enum Details {
    /// A sentence.
    Text(String),
    /// A JSON value, for example the candidates of an ambiguous embed.
    Json(Value),
}

/// Status and headers of an error that a function of the schema answers with (`RAISE SQLSTATE 'PGRST'`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The words beside it in HTTP/1.1, instead of the usual ones.
    pub reason: Option<String>,
    /// Headers: name and value.
    pub headers: Vec<(String, String)>,
}

/// Something that is wrong with a row that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// Which row of the body, from 0.
    pub row: usize,
    /// The columns that it is about, one at least.
    pub columns: Vec<Arc<str>>,
    /// PostgreSQL's code.
    pub code: Cow<'static, str>,
    /// PostgreSQL's words.
    pub message: String,
    /// The constraint that does not hold.
    pub constraint: Option<Arc<str>>,
    /// Where in the document that the column holds: a JSON pointer (RFC 6901), empty for all of it.
    pub pointer: Option<String>,
}

/// An error on its way to the client: PostgREST's four members, plus what only the log may see.
///
/// Every crate has its own error enum and turns it into a `Failure` at its border.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The sort, for the HTTP status.
    pub kind: Kind,
    /// `PGRSTnnn`, a SQLSTATE of five characters, or `PANDOnnn` for what PostgREST has no code for.
    pub code: Cow<'static, str>,
    /// What is wrong, for the client.
    pub message: String,
    /// Where exactly, for the client.
    pub details: Option<Details>,
    /// What to do about it, for the client.
    pub hint: Option<String>,
    /// After how many seconds a retry makes sense (`Retry-After`).
    pub retry_after_seconds: Option<u32>,
    /// The number of rows that exist, for a range that cannot be satisfied (`Content-Range: */n`).
    pub total_rows: Option<u64>,
    /// Everything that is wrong with the rows of the body, as far as it is known; `code` and `message` tell the first of it.
    pub offences: Vec<Offence>,
    /// What a function of the schema says about the answer itself, status and headers.
    pub custom: Option<Box<CustomAnswer>>,
    /// What happened inside. Logged, never sent.
    pub inside: Option<String>,
}

impl Failure {
    /// A failure with the members that every one has.
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            details: None,
            hint: None,
            retry_after_seconds: None,
            total_rows: None,
            offences: Vec::new(),
            custom: None,
            inside: None,
        }
    }

    /// Our fault: the client learns only that; `inside` goes to the log.
    pub fn internal(inside: impl Into<String>) -> Self {
        let mut failure =
            Self::new(Kind::Internal, "PANDO500", "An internal error occurred; it was logged under this request's id");
        failure.inside = Some(inside.into());
        failure
    }

    /// Adds details as text.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(Details::Text(details.into()));
        self
    }

    /// Adds details as JSON.
    #[must_use]
    pub fn with_json_details(mut self, details: Value) -> Self {
        self.details = Some(Details::Json(details));
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the inside text.
    #[must_use]
    pub fn with_inside(mut self, inside: impl Into<String>) -> Self {
        self.inside = Some(inside.into());
        self
    }

    /// Adds a retry delay in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
