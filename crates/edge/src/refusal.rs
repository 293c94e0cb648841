//! What the door refuses by itself.

use std::time::Duration;

use base::{Failure, Kind, Limit};
use bytes::Bytes;
use http::StatusCode;
use rest::ErrorForm;

use crate::EdgeLimits;

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

    pub(crate) fn too_many_connections(limit: Limit) -> Self {
        let mut refusal = Self::new(Kind::Unavailable, "PANDO503", "Too many open connections");
        refusal.failure = refusal.failure.with_details(format!("{limit} is reached")).with_retry_after(1);
        refusal.closes = true;
        refusal
    }

    pub(crate) fn not_encrypted() -> Self {
        let mut refusal =
            Self::new(Kind::BadRequest, "PANDO400", "This address speaks TLS, and the request is not encrypted");
        refusal.failure = refusal.failure.with_hint("Use https:// in place of http://");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn shed(shed: limits::Shed) -> Self {
        Self { failure: shed.into(), status: None, closes: false }
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

    pub(crate) fn page() -> Self {
        let mut refusal = Self::new(Kind::MethodNotAllowed, "PANDO405", "/docs is a page, which can only be read");
        refusal.failure = refusal.failure.with_hint("A relation of that name is at /rest/v1/docs");
        refusal
    }

    pub(crate) fn file() -> Self {
        let mut refusal = Self::new(Kind::MethodNotAllowed, "PANDO405", "This is a file, which can only be read");
        refusal.failure = refusal.failure.with_hint("A relation of that name is below /rest/v1");
        refusal
    }

    /// Why a file is not sent; `None` where it is.
    pub(crate) fn of_file(status: StatusCode) -> Option<Self> {
        let (kind, code, message, hint) = match status {
            StatusCode::PRECONDITION_FAILED => {
                let message = "The file is not what If-Match or If-Unmodified-Since names any more";
                (Kind::Conflict, "PANDO412", message, "Read it again without them")
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let message = "The file has none of the bytes that Range names";
                (Kind::RangeNotSatisfiable, "PANDO416", message, "Content-Range says how many it has")
            }
            _ => return None,
        };
        let mut refusal = Self::new(kind, code, message);
        refusal.failure = refusal.failure.with_hint(hint);
        refusal.status = Some(status);
        Some(refusal)
    }

    pub(crate) fn file_changes() -> Self {
        let mut refusal = Self::new(Kind::Unavailable, "PANDO503", "The file is being changed; try again");
        refusal.failure = refusal.failure.with_retry_after(1);
        refusal
    }

    pub(crate) fn no_page() -> Self {
        Self::new(Kind::NotFound, "PANDO404", "The page at /docs has no such file")
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

    pub(crate) fn coding_unknown(details: String) -> Self {
        let mut refusal =
            Self::new(Kind::BadRequest, "PANDO415", "The request's body is in a content coding that is not taken");
        refusal.failure =
            refusal.failure.with_details(details).with_hint("Send it in one of gzip, br, zstd, deflate, or as it is");
        refusal.status = Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        refusal
    }

    pub(crate) fn body_undecodable(details: String) -> Self {
        let mut refusal = Self::new(
            Kind::BadRequest,
            "PANDO400",
            "The request's body is not in the coding that Content-Encoding says",
        );
        refusal.failure =
            refusal.failure.with_details(details).with_hint("Send it whole, or leave Content-Encoding out");
        refusal
    }

    pub(crate) fn body_too_dense(ratio: usize) -> Self {
        let mut refusal =
            Self::new(Kind::TooLarge, "PANDO413", "The request's body is too large once it is decompressed");
        refusal.failure = refusal
            .failure
            .with_details(format!("It would become more than {ratio} times as large as it came"))
            .with_hint("Send it uncompressed");
        refusal
    }

    pub(crate) fn changed() -> Self {
        let mut refusal = Self::new(Kind::Conflict, "PANDO412", "It is not what If-Match names any more");
        refusal.failure = refusal.failure.with_hint("Read it again without If-Match");
        refusal.status = Some(StatusCode::PRECONDITION_FAILED);
        refusal
    }

    pub(crate) fn body_too_slow(limits: &EdgeLimits) -> Self {
        let mut refusal = Self::new(Kind::Timeout, "PANDO408", "The request's body did not arrive in time");
        refusal.failure =
            refusal.failure.with_details(format!(
                "The time for it is {:?} (limits.body_read_timeout); it has to begin within five seconds, and after ten to have come with {} bytes a second (limits.min_body_bytes_per_second)",
                limits.body_read_timeout, limits.min_body_bytes_per_second
            ));
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

    pub(crate) fn ambiguous() -> Self {
        let mut refusal =
            Self::new(Kind::BadRequest, "PANDO400", "The request has both Content-Length and Transfer-Encoding");
        refusal.failure = refusal.failure.with_hint("Send one of them: only one can tell where the request ends");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn framing(message: &'static str) -> Self {
        let mut refusal = Self::new(Kind::BadRequest, "PANDO400", message);
        refusal.failure = refusal.failure.with_hint("Only what can be understood in one way is taken");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn expectation() -> Self {
        let mut refusal = Self::new(Kind::BadRequest, "PANDO417", "The request expects what the server does not know");
        refusal.failure = refusal.failure.with_hint("The only expectation that is known is 100-continue");
        refusal.status = Some(StatusCode::EXPECTATION_FAILED);
        refusal.closes = true;
        refusal
    }

    pub(crate) fn malformed() -> Self {
        let mut refusal =
            Self::new(Kind::BadRequest, "PANDO400", "The request's first line or headers are not proper HTTP/1.1");
        refusal.failure = refusal.failure.with_hint("Percent-encode spaces and control characters in the URL");
        refusal.closes = true;
        refusal
    }

    pub(crate) fn head_too_large(limits: &EdgeLimits) -> Self {
        let mut refusal = Self::new(Kind::TooLarge, "PANDO431", "The request's URI and headers are too large");
        refusal.failure = refusal.failure.with_details(format!(
            "The most that is taken is {} bytes (limits.max_header_bytes) and {} headers (limits.max_headers)",
            limits.max_header_bytes, limits.max_headers
        ));
        refusal.status = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        refusal.closes = true;
        refusal
    }

    /// The whole answer as HTTP/1.1, for what is refused before it is a request. `date` is a header line.
    pub(crate) fn to_wire(&self, date: &[u8]) -> Bytes {
        let reply = rest::refuse(&self.failure, None, ErrorForm::Plain);
        let status = self.status.unwrap_or(reply.head.status);
        let length = reply.body.len();
        let mut wire =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\nserver: pando\r\ncontent-length: {length}\r\n")
                .into_bytes();
        for (name, value) in &reply.head.headers {
            wire.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        wire.extend_from_slice(date);
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&reply.body);
        Bytes::from(wire)
    }
}
