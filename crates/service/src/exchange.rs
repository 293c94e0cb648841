//! What goes in and out of the corridor: a request and an answer, without sockets.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use cdn::Departure;
use delivery::Forms;
use http::{HeaderMap, Method, StatusCode};
use telemetry::Trace;

/// A request as the front door hands it over: limits on size and time already hold, the body is complete.
#[derive(Debug)]
pub struct Request {
    /// The area that it asks.
    pub area: Area,
    /// The method.
    pub method: Method,
    /// The path, percent-encoded, without the prefix under which the area is mounted: `/zones`.
    pub path: String,
    /// The query string without `?`; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who sent it, as far as the network tells.
    pub client: Client,
    /// The record of this request's walk.
    pub trace: Trace,
}

/// What is mounted beside the other, each under a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// The REST API: `/rest/v1`, and `/`.
    Rest,
    /// The login: `/auth/v1`.
    Auth,
}

/// Who sent a request, as far as the network tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address: where the connection comes from or, behind trusted proxies, what they say; one of IPv4 is never
    /// written as one of IPv6.
    pub address: IpAddr,
    /// Whether it speaks TLS, with this server or with a trusted proxy.
    pub is_encrypted: bool,
}

/// An answer as the front door sends it.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The words beside it in HTTP/1.1, where they are not the usual ones.
    pub reason: Option<String>,
    /// The headers, all but those of the transport.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// What is said about it in logs and metrics.
    pub summary: Summary,
    /// The record of the request's walk.
    pub trace: Trace,
}

/// A body: whole, or in pieces as rows are read.
pub enum Body {
    /// All of it.
    Full(Bytes),
    /// Pieces, in order. An error ends the connection, so that the client cannot take half an answer for a whole one.
    Stream(Pin<Box<dyn BodyStream>>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// The pieces of a streamed body.
pub trait BodyStream: Send {
    /// The next piece; `None` at the end.
    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, BodyBroken>>>;
}

/// A streamed body could not be finished. What happened stands in the log.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body could not be finished")]
pub struct BodyBroken;

/// What is said about an answer in logs and metrics; never a value of a row or a parameter.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The route's template, `/{relation}`, `/`: bounded in number.
    pub route: &'static str,
    /// The relation, once the catalog knows it: bounded in number.
    pub relation: Option<String>,
    /// The caller's role, once it is known.
    pub role: Option<String>,
    /// The error code, of a refused request.
    pub error_code: Option<String>,
    /// What happened inside, of a request that failed by our fault. For the log only.
    pub inside: Option<String>,
    /// Rows in the answer, or affected.
    pub rows: Option<u64>,
    /// The answer is on its way to caches in front, until all who hold this have dropped it: whoever sends it drops it when it was sent.
    pub departure: Option<Arc<Departure>>,
    /// The smaller forms of its body, where that is sent more than once: what is missing there is made and put there.
    pub forms: Option<Arc<Forms>>,
}
