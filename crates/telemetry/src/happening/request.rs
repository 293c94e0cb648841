//! Requests and the connections they come in on.

use std::time::{Duration, Instant};

use base::Limit;

use super::{Definition, Happening};
use crate::field::*;
use crate::metrics::known_method;
use crate::spans::SpanSink;
use crate::{Level, Line, Metrics, RequestLog, Trace};

/// A request was answered, to the last byte or as far as the client stayed.
#[derive(Debug)]
pub struct RequestFinished<'a> {
    /// The method.
    pub method: &'a http::Method,
    /// The route's template.
    pub route: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// The relation, once the catalog knew it.
    pub relation: Option<&'a str>,
    /// The role that the request ran as.
    pub role: Option<&'a str>,
    /// The code of a refusal.
    pub error_code: Option<&'a str>,
    /// What happened inside, of a failure by our fault.
    pub inside: Option<&'a str>,
    /// Rows in the answer, or affected.
    pub rows: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// The request's id.
    pub request_id: &'a str,
    /// The record of its walk.
    pub trace: &'a Trace,
    /// When its last step ended.
    pub answered: Instant,
    /// When its body was handed over.
    pub ended: Instant,
    /// Whether the whole body was handed over.
    pub is_complete: bool,
    /// Which requests get a line.
    pub logged: RequestLog,
}

impl RequestFinished<'_> {
    /// From the first byte of the head to the last of the body.
    pub fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.trace.started())
    }

    fn is_failure(&self) -> bool {
        self.status >= 500 || !self.is_complete
    }
}

impl Happening for RequestFinished<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "request-finished",
        message: "A request was answered",
        about: "For every request. An error when the fault is ours (a status of 500 or more, 503 excepted).",
        level: Level::Info,
        fields: &[
            METHOD,
            ROUTE,
            STATUS,
            DURATION,
            OUTCOME,
            RELATION,
            ROLE,
            ROWS,
            ERROR_CODE,
            ERROR,
            REQUEST_BYTES,
            RESPONSE_BYTES,
            REQUEST_ID,
            TRACE_ID,
            SPAN_ID,
        ],
    };

    fn level(&self) -> Level {
        match self.status {
            // Shedding is the server protecting itself, and comes in thousands.
            503 => Level::Info,
            500.. => Level::Error,
            status if self.logged.covers(status) => Level::Info,
            _ => Level::Off,
        }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(METHOD, known_method(self.method));
        line.word(ROUTE, self.route);
        line.count(STATUS, u64::from(self.status));
        line.duration(DURATION, self.duration());
        line.word(OUTCOME, if self.is_failure() { "failure" } else { "success" });
        line.maybe_word(RELATION, self.relation);
        line.maybe_word(ROLE, self.role);
        line.maybe_count(ROWS, self.rows);
        line.maybe_word(ERROR_CODE, self.error_code);
        line.maybe_word(ERROR, self.inside);
        line.count(REQUEST_BYTES, self.request_bytes);
        line.count(RESPONSE_BYTES, self.response_bytes);
        line.word(REQUEST_ID, self.request_id);
        line.id(TRACE_ID, &self.trace.context().trace_id);
        line.id(SPAN_ID, &self.trace.context().span_id);
    }

    fn meter(&self, metrics: &Metrics) {
        let context = self.trace.context();
        metrics.observe_request(self.method, self.route, self.status, self.duration(), context.trace_id);
        for (step, _, duration) in self.trace.steps(self.answered) {
            metrics.observe_step(step, duration);
        }
    }

    fn spans(&self, sink: &SpanSink) {
        if self.trace.context().is_sampled {
            sink.request(self);
        }
    }
}

/// The code that answers requests panicked. The client got a 500; the connection lives on.
#[derive(Debug)]
pub struct RequestPanicked<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// Its trace.
    pub trace_id: [u8; 16],
}

impl Happening for RequestPanicked<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "request-panicked",
        message: "Answering a request panicked; this is a bug in Pando",
        about: "When the code behind the front door panics. The panic's own text may hold values and is not logged.",
        level: Level::Error,
        fields: &[REQUEST_ID, TRACE_ID],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REQUEST_ID, self.request_id);
        line.id(TRACE_ID, &self.trace_id);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_panic();
    }
}

/// Something was refused because a bound on concurrent work was reached.
#[derive(Debug)]
pub struct Overloaded {
    /// The bound.
    pub limit: Limit,
}

impl Happening for Overloaded {
    const DEFINITION: &'static Definition = &Definition {
        action: "overloaded",
        message: "Too much at once: requests are being refused",
        about: "When a request is shed with 503. Logged at level debug, since overload comes in thousands; \
                `pando_shed_total` counts each.",
        level: Level::Debug,
        fields: &[LIMIT, LIMIT_VALUE],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(LIMIT, self.limit.name);
        line.count(LIMIT_VALUE, self.limit.value);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_shed(self.limit.name);
    }
}

/// Why the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// As many connections as allowed were open.
    TooMany,
    /// As many connections as allowed were open from its address.
    TooManyFromAddress,
    /// As many TLS handshakes as allowed were under way.
    TooManyHandshakes,
    /// The head of a request took too long to arrive.
    SlowHead,
    /// The client did not take the answer.
    SlowReader,
    /// Nothing was asked for too long.
    Idle,
    /// What arrived is not HTTP, or broke its rules.
    Protocol,
    /// The client gave up one request after the other before it was answered.
    Resets,
    /// What arrived is not TLS, or client and server have no version or cipher in common.
    Handshake,
    /// It had to begin with a header of the PROXY protocol and did not, or comes from no trusted proxy.
    ProxyHeader,
    /// The time to finish running requests was over.
    Drained,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::TooMany,
        Self::TooManyFromAddress,
        Self::TooManyHandshakes,
        Self::SlowHead,
        Self::SlowReader,
        Self::Idle,
        Self::Protocol,
        Self::Resets,
        Self::Handshake,
        Self::ProxyHeader,
        Self::Drained,
    ];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::TooManyFromAddress => "too-many-from-address",
            Self::TooManyHandshakes => "too-many-handshakes",
            Self::SlowHead => "slow-head",
            Self::SlowReader => "slow-reader",
            Self::Idle => "idle",
            Self::Protocol => "protocol",
            Self::Resets => "resets",
            Self::Handshake => "handshake",
            Self::ProxyHeader => "proxy-header",
            Self::Drained => "drained",
        }
    }
}

/// The server ended a connection.
#[derive(Debug)]
pub struct ConnectionDropped {
    /// Why.
    pub reason: DropReason,
}

impl Happening for ConnectionDropped {
    const DEFINITION: &'static Definition = &Definition {
        action: "connection-dropped",
        message: "A connection was ended by the server",
        about: "When a connection reaches one of its limits, or what arrives on it is not HTTP.",
        level: Level::Debug,
        fields: &[REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.reason.name());
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_dropped_connection(self.reason);
    }
}

/// The operating system refused a new connection, usually because the process has no file descriptor left.
#[derive(Debug)]
pub struct AcceptFailed {
    /// What it says, as a kind without an address.
    pub error: std::io::ErrorKind,
}

impl Happening for AcceptFailed {
    const DEFINITION: &'static Definition = &Definition {
        action: "accept-failed",
        message: "New connections cannot be accepted at the moment; trying again",
        about: "When accepting a connection fails, for example because of too many open files.",
        level: Level::Warn,
        fields: &[REASON],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, &self.error.to_string());
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_accept_failure();
    }
}
