//! What the door refuses by itself.

use std::time::Duration;

use base::{Failure, Kind, Limit};
use http::StatusCode;

/// A request that does not get past the door.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// For the statuses that no [`Kind`] stands for.
    pub(crate) status: Option<StatusCode>,
    /// Whether the connection ends, because what follows on it cannot be understood.
    pub(crate) closes: bool,
}

impl Refusal {
    fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { failure: Failure::new(kind, code, message), status: None, closes: false }
    }

    pub(crate) fn host(message: &'static str) -> Self {
        let mut refusal = Self::new(Kind::BadRequest, "PANDO400", message);
        refusal.failure = refusal.failure.with_hint("Send exactly one Host header with the server's name and port");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn overloaded(limit: Limit) -> Self {
        let mut refusal =
            Self::new(Kind::Unavailable, "PANDO503", "The server answers as many requests as it can; try again");
        refusal.failure = refusal.failure.with_details(format!("{limit} is reached")).with_retry_after(1);
        refusal
    }

    pub(crate) fn uri_too_long(limit: Limit, bytes: usize) -> Self {
        let mut refusal = Self::new(Kind::TooLarge, "PANDO414", "The URI is too long");
        refusal.failure = refusal
            .failure
            .with_details(format!("Path and query have {bytes} bytes, {limit}"))
            .with_hint("Use fewer values in a list, or several requests");
        refusal.status = Some(StatusCode::URI_TOO_LONG);
        refusal
    }

    pub(crate) fn method() -> Self {
        Self::new(Kind::MethodNotAllowed, "PANDO405", "CONNECT is for proxies; this is an API")
    }

    pub(crate) fn not_offered(area: &str) -> Self {
        let mut refusal = Self::new(Kind::NotFound, "PANDO404", format!("{area} is not available in this version"));
        refusal.failure = refusal.failure.with_hint("The REST API is served at /rest/v1 and at /");
        refusal
    }

    pub(crate) fn body_too_large(limit: Limit, closes: bool) -> Self {
        let mut refusal = Self::new(Kind::TooLarge, "PANDO413", "The request's body is too large");
        refusal.failure = refusal
            .failure
            .with_details(format!("The most that is taken is {} bytes ({})", limit.value, limit.name))
            .with_hint("Send the rows in several requests");
        refusal.closes = closes;
        refusal
    }

    pub(crate) fn body_too_slow(timeout: Duration) -> Self {
        let mut refusal = Self::new(Kind::Timeout, "PANDO408", "The request's body did not arrive in time");
        refusal.failure =
            refusal.failure.with_details(format!("The time for it is {timeout:?} (limits.body_read_timeout)"));
        refusal.status = Some(StatusCode::REQUEST_TIMEOUT);
        refusal.closes = true;
        refusal
    }

    pub(crate) fn body_broken() -> Self {
        let mut refusal =
            Self::new(Kind::BadRequest, "PANDO400", "The request's body ended early or is framed wrongly");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn too_slow(timeout: Duration) -> Self {
        let mut refusal = Self::new(Kind::Timeout, "PANDO504", "The answer took too long");
        refusal.failure = refusal
            .failure
            .with_details(format!("The time for it is {timeout:?} (limits.request_timeout)"))
            .with_hint("Ask for less: fewer rows, a filter on an indexed column, no exact count");
        refusal
    }

    pub(crate) fn panicked() -> Self {
        Self { failure: Failure::internal("answering the request panicked"), status: None, closes: false }
    }
}
