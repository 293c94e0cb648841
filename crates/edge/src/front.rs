//! The way of a request through the door.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use http::header::{CONNECTION, EXPECT, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use service::{Answer, Body, Client, Summary};
use telemetry::{Overloaded, RequestPanicked, Telemetry, Trace};

use crate::answer::{AnswerBody, Flight};
use crate::policy::{Policy, PolicyHandle};
use crate::refusal::Refusal;
use crate::watch::Activity;
use crate::{EdgeLimits, Handler, body, docs, host, mount, request_id};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The mark of a request that frames its body in two ways, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ambiguous;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) limits: EdgeLimits,
    in_flight: AtomicU64,
    is_draining: AtomicBool,
}

impl Shared {
    pub(crate) fn new(telemetry: Arc<Telemetry>, limits: EdgeLimits) -> Self {
        Self { telemetry, limits, in_flight: AtomicU64::new(0), is_draining: AtomicBool::new(false) }
    }

    /// Gives the number of requests that were under way before this one.
    pub(crate) fn request_began(&self) -> u64 {
        self.telemetry.metrics().request_began();
        self.in_flight.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn request_ended(&self) {
        self.telemetry.metrics().request_ended();
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}

/// The door itself.
pub(crate) struct Front<H> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) policy: PolicyHandle,
    /// Whether there is a page at `/docs`.
    pub(crate) docs: bool,
    pub(crate) handler: H,
}

impl<H: Handler> Front<H> {
    /// Answers a request, whatever happens.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        client: Client,
        activity: Arc<Activity>,
    ) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        let telemetry = &self.shared.telemetry;
        let traceparent = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let trace = telemetry.begin_trace(traceparent, telemetry.clock().monotonic());
        let id = request_id::choose(&parts.headers, trace.context().span_id);
        let (mut flight, others) =
            Flight::begin(self.shared.clone(), activity, parts.method.clone(), id, trace.clone());
        let policy = self.policy.current();
        let verdict = policy.cors.judge(&parts.headers);
        let version = parts.version;

        let (mut answer, closes) = match self.pass(parts, body, client, &policy, &mut flight, (others, trace)).await {
            Ok(answer) => (answer, false),
            Err(refusal) => {
                let closes = refusal.closes;
                (refused(refusal, flight.trace.clone()), closes)
            }
        };

        let answered = telemetry.clock().monotonic();
        let is_options = flight.method == Method::OPTIONS && answer.status.is_success();
        if answer.summary.route != PREFLIGHT {
            policy.cors.finish(&verdict, is_options, &mut answer.headers);
        }
        add_headers(&mut answer, &flight, policy.server_timing.then_some(answered));
        if (closes || self.shared.is_draining()) && version <= Version::HTTP_11 {
            answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        depart(answer, flight, answered)
    }

    /// Every check of the door, then the handler.
    async fn pass(
        &self,
        parts: Parts,
        body: Incoming,
        client: Client,
        policy: &Policy,
        flight: &mut Flight,
        (others, trace): (u64, Trace),
    ) -> Result<Answer, Refusal> {
        let limits = &self.shared.limits;
        if parts.extensions.get::<Ambiguous>().is_some() {
            return Err(Refusal::ambiguous());
        }
        host::check(&parts)?;
        let is_known =
            |expected: &HeaderValue| expected.is_empty() || expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
        if !parts.headers.get_all(EXPECT).iter().all(is_known) {
            return Err(Refusal::expectation());
        }
        if others >= limits.max_requests {
            let limit = limits.requests();
            self.shared.telemetry.report(&Overloaded { limit });
            return Err(Refusal::overloaded(limit));
        }
        if let Some((status, headers)) = policy.cors.preflight(&parts.method, &parts.headers) {
            return Ok(preflight(status, headers, trace));
        }
        if parts.method == Method::CONNECT {
            return Err(Refusal::method());
        }
        if self.docs
            && let Some(answer) = docs::answer(&parts, &trace)
        {
            return answer;
        }
        let (area, path) = mount::strip(parts.uri.path())?;
        let path = path.to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let uri_bytes = parts.uri.path().len() + query.len();
        let limit = limits.uri_bytes();
        if limit.is_exceeded_by(u64::try_from(uri_bytes).unwrap_or(u64::MAX)) {
            return Err(Refusal::uri_too_long(limit, uri_bytes));
        }
        let body = body::collect(body, &parts.headers, limits).await?;
        flight.request_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let request =
            service::Request { area, method: parts.method, path, query, headers: parts.headers, body, client, trace };
        self.ask(request, flight).await
    }

    /// Asks the handler, for as long as a request may take; a panic ends here.
    async fn ask(&self, request: service::Request, flight: &Flight) -> Result<Answer, Refusal> {
        let timeout = self.shared.limits.request_timeout;
        let answer = caught(async { self.handler.handle(request).await });
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_panic)) => {
                let trace_id = flight.trace.context().trace_id;
                self.shared.telemetry.report(&RequestPanicked { request_id: flight.id(), trace_id });
                Err(Refusal::panicked())
            }
            Err(_elapsed) => Err(Refusal::too_slow(timeout)),
        }
    }
}

/// What every answer has; with `Server-Timing` up to the moment given, where it is told.
fn add_headers(answer: &mut Answer, flight: &Flight, answered: Option<Instant>) {
    let headers = &mut answer.headers;
    headers.insert(request_id::X_REQUEST_ID, flight.request_id.clone());
    headers.insert(SERVER, HeaderValue::from_static("pando"));
    if let Some(answered) = answered
        && let Ok(timing) = HeaderValue::try_from(answer.trace.server_timing(answered))
    {
        headers.insert(SERVER_TIMING, timing);
    }
}

/// The route of preflights in logs and metrics.
const PREFLIGHT: &str = "preflight";

fn preflight(status: StatusCode, headers: HeaderMap, trace: Trace) -> Answer {
    let summary = Summary { route: PREFLIGHT, ..Summary::default() };
    Answer { status, reason: None, headers, body: Body::Full(bytes::Bytes::new()), summary, trace }
}

/// The answer to what the door does not let in.
fn refused(refusal: Refusal, trace: Trace) -> Answer {
    let reply = rest::refuse(&refusal.failure, None);
    let summary = Summary {
        error_code: Some(refusal.failure.code.into_owned()),
        inside: refusal.failure.inside,
        ..Summary::default()
    };
    Answer {
        status: refusal.status.unwrap_or(reply.head.status),
        reason: reply.reason,
        headers: reply.head.headers,
        body: Body::Full(reply.body),
        summary,
        trace,
    }
}

/// Turns the answer into the response that hyper sends, with the account of its request in the body.
fn depart(answer: Answer, mut flight: Flight, answered: Instant) -> Response<AnswerBody> {
    flight.status = answer.status.as_u16();
    flight.summary = answer.summary;
    flight.trace = answer.trace;
    flight.answered = Some(answered);
    let mut response = Response::new(AnswerBody::new(answer.body, flight));
    *response.status_mut() = answer.status;
    // What a line of HTTP cannot carry is left out.
    if let Some(reason) = answer.reason.and_then(|reason| ReasonPhrase::try_from(reason.into_bytes()).ok()) {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = answer.headers;
    response
}

/// Runs `future` and catches its panic. What it panicked with may hold values: nobody looks at it.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        // After a panic the future is dropped without being polled again, so nothing broken is ever seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}
