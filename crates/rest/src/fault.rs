//! What can be wrong with a request, before any table is known.

use base::{CustomAnswer, Failure, Kind, Limit};

/// Every way in which a request can be refused by its form alone, with PostgREST's codes and texts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("Unsupported HTTP method: {0}")]
    Method(String),
    #[error("Unsupported HTTP method: {0}")]
    MethodOnRoot(String),
    #[error("Cannot use the {0} method on RPC")]
    MethodOnRoutine(String),
    #[error("Invalid path specified in request URL")]
    Path { details: Option<String> },
    #[error("Root endpoint metadata is disabled")]
    DescriptionDisabled,
    #[error("Invalid schema: {asked}")]
    Schema { asked: String, exposed: String },
    #[error("The schema must be one of the following: {exposed}")]
    LegacySchema { exposed: String },
    #[error("Invalid preferences given with handling=strict")]
    Preferences { invalid: String },
    #[error("{message}")]
    Query { message: String, details: String },
    #[error("Requested range not satisfiable")]
    Range { details: String },
    #[error("value \"{0}\" is out of range for type bigint")]
    BigInt(String),
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    RangeOnPut,
    #[error("{message}")]
    Body { message: String, details: Option<String>, inside: Option<String> },
    #[error("None of these media types are available: {0}")]
    MediaType(String),
    #[error("The URI is longer than {0} bytes allow")]
    UriTooLong(Limit),
    #[error("{what} exceeds the limit {limit}")]
    QueryLimit { what: &'static str, limit: Limit },
    #[error("{what} exceeds the limit {limit}")]
    BodyLimit { what: &'static str, limit: Limit },
}

impl Fault {
    /// A body that is not understood, with the recorded text and nothing more.
    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::Body { message: message.into(), details: None, inside: None }
    }

    /// A body that is refused for something PostgREST would let pass: the place is told.
    pub(crate) fn body_at(message: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Body { message: message.into(), details: Some(details.into()), inside: None }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        match fault {
            // The same code, so that what the root takes is said here and not found by it.
            Fault::MethodOnRoot(_) => {
                let mut failure = Failure::new(Kind::MethodNotAllowed, "PGRST117", message);
                let allow = ("Allow".to_owned(), "OPTIONS,GET,HEAD".to_owned());
                failure.custom = Some(Box::new(CustomAnswer { status: 405, reason: None, headers: vec![allow] }));
                failure
            }
            Fault::Method(_) => Failure::new(Kind::MethodNotAllowed, "PGRST117", message),
            Fault::MethodOnRoutine(_) => Failure::new(Kind::MethodNotAllowed, "PGRST101", message),
            Fault::Path { details } => {
                let mut failure = Failure::new(Kind::NotFound, "PGRST125", message);
                failure.details = details.map(base::Details::Text);
                failure
            }
            Fault::DescriptionDisabled => Failure::new(Kind::NotFound, "PGRST126", message),
            Fault::Schema { exposed, .. } => Failure::new(Kind::NotAcceptable, "PGRST106", message)
                .with_hint(format!("Only the following schemas are exposed: {exposed}")),
            Fault::LegacySchema { .. } => Failure::new(Kind::NotAcceptable, "PGRST106", message),
            Fault::Preferences { invalid } => Failure::new(Kind::BadRequest, "PGRST122", message)
                .with_details(format!("Invalid preferences: {invalid}")),
            Fault::Query { details, .. } => Failure::new(Kind::BadRequest, "PGRST100", message).with_details(details),
            Fault::Range { details } => {
                Failure::new(Kind::RangeNotSatisfiable, "PGRST103", message).with_details(details)
            }
            Fault::BigInt(_) => Failure::new(Kind::BadRequest, "22003", message),
            Fault::RangeOnPut => Failure::new(Kind::BadRequest, "PGRST114", message),
            Fault::Body { details, inside, .. } => {
                let mut failure = Failure::new(Kind::BadRequest, "PGRST102", message);
                failure.details = details.map(base::Details::Text);
                failure.inside = inside;
                failure
            }
            Fault::MediaType(_) => Failure::new(Kind::NotAcceptable, "PGRST107", message),
            Fault::UriTooLong(_) => Failure::new(Kind::TooLarge, "PANDO414", message),
            Fault::QueryLimit { limit, .. } => Failure::new(Kind::BadRequest, "PANDO400", message)
                .with_hint(format!("Ask for less, or let the operator raise {}", limit.name)),
            Fault::BodyLimit { limit, .. } => Failure::new(Kind::TooLarge, "PANDO413", message)
                .with_hint(format!("Send less at once, or let the operator raise {}", limit.name)),
        }
    }
}
