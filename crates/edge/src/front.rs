//! The way of a request through the door.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use base::Limit;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, SERVER, STRICT_TRANSPORT_SECURITY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use rest::ErrorForm;
use service::{Answer, Body, Client, Summary};
use telemetry::{Overloaded, RequestPanicked, Telemetry, Trace};

use crate::answer::{AnswerBody, Flight};
use crate::crowd::{Room, Stay};
use crate::deliver::{self, Asked};
use crate::entrance::Entrance;
use crate::intake::Hop;
use crate::policy::{Policy, PolicyHandle};
use crate::proxies::{Origin, Proxies};
use crate::refusal::Refusal;
use crate::watch::Activity;
use crate::{EdgeLimits, Handler, body, decode, docs, framing, host, mount, request_id, security, site};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The mark of a request that frames its body in two ways, or follows on one whose end is not certain, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ambiguous {
    Framing,
    Begin,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) limits: EdgeLimits,
    proxies: Proxies,
    /// Requests whose body is on the way, and those that are worked on: as many of each as `limits.max_requests` says.
    receiving: Room,
    working: Room,
    /// All of them, with those whose answer is on its way out. There is room for one of each connection, so that whoever does not
    /// take answers gains nothing by asking for many over one connection, and takes no place of those who work.
    underway: Room,
    in_flight: AtomicU64,
    is_draining: AtomicBool,
}

impl Shared {
    pub(crate) fn new(telemetry: Arc<Telemetry>, limits: EdgeLimits, proxies: Proxies) -> Self {
        let requests = || Room::new(limits.requests(), limits.requests_per_address());
        Self {
            telemetry,
            limits,
            proxies,
            receiving: requests(),
            working: requests(),
            underway: Room::new(limits.connections(), limits.connections_per_address()),
            in_flight: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
        }
    }

    pub(crate) fn request_began(&self) {
        self.telemetry.metrics().request_began();
        self.in_flight.fetch_add(1, Ordering::Relaxed);
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
    /// What tells browsers to come encrypted alone.
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) entrance: Entrance,
    /// The folder of static files, where there is one.
    pub(crate) files: Option<files::Site>,
    pub(crate) handler: H,
}

impl<H: Handler> Front<H> {
    /// Answers a request, whatever happens.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        hop: Hop,
        activity: Arc<Activity>,
    ) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        let telemetry = &self.shared.telemetry;
        let traceparent = parts.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let trace = telemetry.begin_trace(traceparent, telemetry.clock().monotonic());
        let id = request_id::choose(&parts.headers, trace.context().span_id);
        let mut flight = Flight::begin(self.shared.clone(), activity.clone(), parts.method.clone(), id, trace.clone());
        let policy = self.policy.current();
        let verdict = policy.cors.judge(&parts.headers);
        let asked = Asked::of(&parts);
        let version = parts.version;
        let form = ErrorForm::of(&parts.headers);
        let origin = self.shared.proxies.believe(hop.address, &parts.headers);
        let client = Client { address: origin.address, is_encrypted: origin.is_encrypted.unwrap_or(hop.is_encrypted) };

        let passed = self.pass((parts, body), (origin, client), &policy, &mut flight, trace).await;
        let delivered = match passed {
            Ok(answer) => deliver::deliver(answer, &asked, policy.delivery, telemetry).await,
            Err(refusal) => Err(refusal),
        };
        let (mut answer, closes) = match delivered {
            Ok(answer) => (answer, activity.is_lost()),
            Err(refusal) => {
                let closes = refusal.closes || activity.is_lost();
                (refused(refusal, form, flight.trace.clone()), closes)
            }
        };
        // Over HTTP/2 one connection has many of them, and a body is kept until the client takes it.
        if flight.stay.is_none() && version == Version::HTTP_2 {
            answer.headers.remove(CONTENT_TYPE);
            answer.body = Body::Full(Bytes::new());
        }

        let answered = telemetry.clock().monotonic();
        let is_options = flight.method == Method::OPTIONS && answer.status.is_success();
        if answer.summary.route != PREFLIGHT {
            policy.cors.finish(&verdict, is_options, &mut answer.headers);
        }
        add_headers(&mut answer, &flight, policy.server_timing.then_some(answered));
        security::add(&asked.situation(policy.delivery), answer.status, &mut answer.headers);
        // Over a connection that is not encrypted it would be ignored, and could come from anybody.
        if let Some(hsts) = self.hsts.as_ref().filter(|_| client.is_encrypted) {
            answer.headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if (closes || self.shared.is_draining()) && version <= Version::HTTP_11 {
            answer.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        depart(answer, flight, answered, version)
    }

    /// Every check of the door, then the handler.
    async fn pass(
        &self,
        (mut parts, body): (Parts, Incoming),
        (origin, client): (Origin, Client),
        policy: &Policy,
        flight: &mut Flight,
        trace: Trace,
    ) -> Result<Answer, Refusal> {
        let limits = &self.shared.limits;
        let counted = Some(client.address).filter(|address| !self.shared.proxies.trusts(*address));
        flight.stay = Some(self.enter(&self.shared.underway, counted)?);
        match parts.extensions.get::<Ambiguous>() {
            Some(Ambiguous::Framing) => return Err(Refusal::ambiguous()),
            Some(Ambiguous::Begin) => {
                return Err(Refusal::framing(
                    "The body of the request before is framed in a way that not everybody reads",
                ));
            }
            None => {}
        }
        framing::check(&parts)?;
        let host = host::check(&parts)?;
        // The parser of HTTP/1.1 counts them itself, that of HTTP/2 only their bytes.
        if parts.headers.len() > usize::try_from(limits.max_headers).unwrap_or(usize::MAX) {
            return Err(Refusal::head_too_large(limits));
        }
        if let Some(host) = origin.host.or(host)
            && parts.headers.get(HOST) != Some(&host)
        {
            parts.headers.insert(HOST, host);
        }
        let is_known =
            |expected: &HeaderValue| expected.is_empty() || expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
        if !parts.headers.get_all(EXPECT).iter().all(is_known) {
            return Err(Refusal::expectation());
        }
        if let Some(limit) = self.shared.working.closed() {
            return Err(self.overloaded(limit));
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
        if let Some(files) = self.files.as_ref().filter(|_| !mount::is_reserved(parts.uri.path())) {
            let _working = self.enter(&self.shared.working, counted)?;
            if let Some(answer) = Box::pin(site::answer(files, &parts, &trace, limits.request_timeout)).await {
                return answer;
            }
        }
        let (area, path) = mount::strip(parts.uri.path())?;
        let path = path.to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let uri_bytes = parts.uri.path().len() + query.len();
        let limit = limits.uri_bytes();
        if limit.is_exceeded_by(u64::try_from(uri_bytes).unwrap_or(u64::MAX)) {
            return Err(Refusal::uri_too_long(limit, uri_bytes));
        }
        let arrival = self.entrance.look(area, &parts.headers, client.address)?;
        // Whoever sends slowly takes the place of others who send, not that of requests that are worked on.
        let body = if body.is_end_stream() {
            Bytes::new()
        } else {
            let _receiving = self.enter(&self.shared.receiving, counted)?;
            let body = Box::pin(body::collect(body, &parts.headers, limits)).await?;
            Box::pin(decode::open(&mut parts.headers, body, limits)).await?
        };
        // Until the handler has answered: who takes the answer slowly keeps nobody else from being worked for.
        let _working = self.enter(&self.shared.working, counted)?;
        let _place = self.entrance.enter(arrival.as_ref()).await?;
        flight.request_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let request =
            service::Request { area, method: parts.method, path, query, headers: parts.headers, body, client, trace };
        let answer = self.ask(request, flight).await?;
        self.entrance.learn(arrival.as_ref(), &answer);
        Ok(answer)
    }

    /// Finds room for a request of this address; of a trusted proxy's there is none.
    fn enter(&self, room: &Room, address: Option<IpAddr>) -> Result<Stay, Refusal> {
        room.enter(address).map_err(|limit| self.overloaded(limit))
    }

    /// As many requests are there as may be at once.
    fn overloaded(&self, limit: Limit) -> Refusal {
        self.shared.telemetry.report(&Overloaded { limit });
        Refusal::overloaded(limit)
    }

    /// Asks the handler, for as long as a request may take; a panic ends here.
    async fn ask(&self, request: service::Request, flight: &Flight) -> Result<Answer, Refusal> {
        let timeout = self.shared.limits.request_timeout;
        // In a box: whatever takes a future by value copies all of it, and this one would go through many hands.
        let mut answer = Box::pin(async move { self.handler.handle(request).await });
        match tokio::time::timeout(timeout, caught(answer.as_mut())).await {
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
    Answer { status, reason: None, headers, body: Body::Full(Bytes::new()), summary, trace }
}

/// The answer to what the door does not let in.
fn refused(refusal: Refusal, form: ErrorForm, trace: Trace) -> Answer {
    // A problem tells its status, which is the failure's own.
    let form = if refusal.status.is_some() { ErrorForm::Plain } else { form };
    let mut reply = rest::refuse(&refusal.failure, None, form);
    if refusal.status == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) {
        reply.head.headers.insert(ACCEPT_ENCODING, decode::TAKEN);
    }
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

/// The answer to `HEAD` without the body that it tells of (RFC 9110 section 9.3.2). Over HTTP/1.1 hyper leaves it out; over HTTP/2 it
/// would send it, and clients take that for a broken connection.
fn headed(answer: Answer) -> Answer {
    let Answer { mut headers, body, .. } = answer;
    if let Body::Full(bytes) = body
        && !bytes.is_empty()
    {
        headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from(bytes.len()));
    }
    Answer { headers, body: Body::Full(Bytes::new()), ..answer }
}

/// Turns the answer into the response that hyper sends, with the account of its request in the body.
fn depart(mut answer: Answer, mut flight: Flight, answered: Instant, version: Version) -> Response<AnswerBody> {
    if flight.method == Method::HEAD && version == Version::HTTP_2 {
        answer = headed(answer);
    }
    flight.status = answer.status.as_u16();
    flight.summary = answer.summary;
    flight.trace = answer.trace;
    flight.answered = Some(answered);
    let mut response = Response::new(AnswerBody::new(answer.body, flight, version));
    *response.status_mut() = answer.status;
    // What a line of HTTP cannot carry is left out.
    if let Some(reason) = answer.reason.and_then(|reason| ReasonPhrase::try_from(reason.into_bytes()).ok()) {
        response.extensions_mut().insert(reason);
    }
    *response.headers_mut() = answer.headers;
    response
}

/// Runs `future` and catches its panic. What it panicked with may hold values: nobody looks at it.
async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Result<T, Box<dyn Any + Send>> {
    poll_fn(move |context| {
        // After a panic the future is dropped without being polled again, so nothing broken is ever seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}
