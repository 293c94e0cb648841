//! One connection: which protocol it speaks, and when it ends.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use telemetry::DropReason;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::EdgeLimits;
use crate::answer::PIECE;
use crate::follow::Framing;
use crate::front::Ambiguous;
use crate::socket::Watched;
use crate::stream::Stream;
use crate::watch::{Activity, Protocol, shortest};

/// How far the server is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Requests are taken.
    Serving,
    /// No new connections; running requests are finished.
    Draining,
    /// The time for that is over.
    Ended,
}

/// How long a connection that has not asked yet may still do so when the server stops: its first request may be on
/// the way, and could not be told from one that was lost.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How often a connection that should end is looked at.
const ENDING: Duration = Duration::from_millis(250);

/// How long to wait before looking at the first bytes again when they do not tell the protocol: twice as long each time, up to the
/// second. The rest follows at once, or comes from somebody who does not mean to send it.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Bytes of an answer that the HTTP/2 library may keep, beside one piece more: what is on its way through it while the client takes.
const KEPT_BYTES: usize = 2 * PIECE;

/// Waits for what precedes the first request, for as long as that may take.
///
/// # Errors
/// Why it is waited for no longer; `None` when the client is gone or the server stops.
pub(crate) async fn before_requests<T>(
    arrival: impl Future<Output = Result<T, Option<DropReason>>>,
    limits: &EdgeLimits,
    mut phase: watch::Receiver<Phase>,
) -> Result<T, Option<DropReason>> {
    tokio::select! {
        arrival = arrival => arrival,
        () = tokio::time::sleep(limits.header_read_timeout) => Err(Some(DropReason::SlowHead)),
        () = last_chance(&mut phase) => Err(None),
    }
}

/// Serves a connection until it ends. Gives the reason when it was the server that ended it.
pub(crate) async fn serve<A, F, B>(
    (socket, protocol): (Stream, Protocol),
    activity: Arc<Activity>,
    limits: &EdgeLimits,
    phase: watch::Receiver<Phase>,
    answer: A,
) -> Option<DropReason>
where
    A: Fn(hyper::Request<Incoming>, Arc<Activity>) -> F,
    F: Future<Output = http::Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let watched = TokioIo::new(Watched::new(socket, protocol, activity.clone(), limits));
    let for_requests = activity.clone();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        let framing = request.body().size_hint().exact().map_or(Framing::Chunked, Framing::Length);
        let is_lost = for_requests.is_lost();
        if for_requests.head_parsed(framing) {
            request.extensions_mut().insert(Ambiguous::Framing);
        } else if is_lost {
            request.extensions_mut().insert(Ambiguous::Begin);
        }
        // Large, and moved several times before it runs.
        let answer = Box::pin(answer(request, for_requests.clone()));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let watch = Watch { activity, limits, protocol };
    match protocol {
        Protocol::Http1 => {
            let connection = pin!(http1_builder(limits).serve_connection(watched, service));
            drive(connection, |connection| connection.graceful_shutdown(), watch, phase).await
        }
        Protocol::Http2 => {
            let connection = pin!(http2_builder(limits).serve_connection(watched, service));
            drive(connection, |connection| connection.graceful_shutdown(), watch, phase).await
        }
    }
}

fn http1_builder(limits: &EdgeLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None) // `watch` does it, from the first moment of the connection
        .max_header_size(usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX));
    // Any other number is held on the heap, for each request.
    if limits.max_headers != 100 {
        builder.max_headers(usize::try_from(limits.max_headers).unwrap_or(usize::MAX));
    }
    builder
}

fn http2_builder(limits: &EdgeLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let resets = usize::try_from(limits.max_resets).unwrap_or(usize::MAX);
    builder
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_header_bytes)
        .max_send_buf_size(KEPT_BYTES)
        // Of requests that were given up before anybody looked at them, and of those that break the protocol.
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(resets);
    builder
}

/// Tells the protocol from the first bytes: HTTP/2 begins with `PRI`, which no method of HTTP/1.1 does. `None` when
/// the client is gone.
pub(crate) async fn detect(socket: &TcpStream) -> Option<Protocol> {
    let mut start = [0; 3];
    let (mut pause, longest) = LOOK_AGAIN;
    loop {
        let count = socket.peek(&mut start).await.ok()?;
        let seen = start.get(..count)?;
        if seen.is_empty() {
            return None;
        }
        if seen == b"PRI" {
            return Some(Protocol::Http2);
        }
        if !b"PRI".starts_with(seen) {
            return Some(Protocol::Http1);
        }
        // One or two bytes that could be either: peeking gives the same ones again at once, also when no more will come.
        if socket.ready(Interest::READABLE).await.ok()?.is_read_closed() {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Ends a while after the server began to stop.
async fn last_chance(phase: &mut watch::Receiver<Phase>) {
    if phase.wait_for(|phase| *phase != Phase::Serving).await.is_ok() {
        let _over = tokio::time::timeout(LAST_CHANCE, phase.wait_for(|phase| *phase == Phase::Ended)).await;
    }
}

struct Watch<'a> {
    activity: Arc<Activity>,
    limits: &'a EdgeLimits,
    protocol: Protocol,
}

/// How far a connection is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    AfterLastChance,
    Now,
}

/// Runs the connection, looks at it when something could be overdue, and lets it end when the server does.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    watch: Watch<'_>,
    mut phase: watch::Receiver<Phase>,
) -> Option<DropReason>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut alarm = pin!(tokio::time::sleep_until(Instant::now() + shortest(watch.limits)));
    // A connection that was accepted while the server began to stop finds it out here, not by a change.
    let mut current = *phase.borrow_and_update();
    let mut ending = Ending::No;
    loop {
        match current {
            Phase::Ended => {
                return (!watch.activity.is_idle(watch.protocol)).then_some(DropReason::Drained);
            }
            Phase::Draining if ending == Ending::No => {
                // The answer to a first request ends an HTTP/1.1 connection by itself.
                let is_fresh = watch.protocol == Protocol::Http1 && !watch.activity.was_asked();
                ending = if is_fresh { Ending::AfterLastChance } else { Ending::Now };
                if ending == Ending::Now {
                    finish(connection.as_mut());
                }
                alarm.as_mut().reset(Instant::now() + if is_fresh { LAST_CHANCE } else { ENDING });
            }
            _ => {}
        }
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                return result.err().filter(hyper::Error::is_parse).map(|_error| DropReason::Protocol);
            }
            () = watch.activity.alarmed() => alarm.as_mut().reset(Instant::now()),
            () = alarm.as_mut() => {
                if ending != Ending::No && watch.activity.is_idle(watch.protocol) {
                    return None;
                }
                if ending == Ending::AfterLastChance {
                    ending = Ending::Now;
                    finish(connection.as_mut());
                }
                match watch.activity.look(Instant::now(), watch.limits, watch.protocol) {
                    Ok(next) if ending == Ending::Now => alarm.as_mut().reset(next.min(Instant::now() + ENDING)),
                    Ok(next) => alarm.as_mut().reset(next),
                    Err(reason) => return Some(reason),
                }
            }
            changed = phase.changed() => {
                current = if changed.is_ok() { *phase.borrow_and_update() } else { Phase::Ended };
            }
        }
    }
}
