//! What becomes of an answer between its maker and the network: it gets a name (`ETag`), is not sent at all to who has it
//! already (304), and goes out in a coding that the client takes.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use delivery::condition::{self, Current, Verdict};
use delivery::{AcceptEncoding, Coding, Compressor, EntityTag, Forms};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, SET_COOKIE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use service::{Answer, Area, Body, BodyBroken, BodyStream};
use telemetry::{BodyCompressed, Telemetry};
use tokio::sync::Semaphore;

use crate::refusal::Refusal;
use crate::{DeliveryConfig, decode, mount, security};

/// Larger bodies are compressed beside the serving threads: this much takes 0.1 to 0.4 ms.
const INLINE_BYTES: usize = 64 * 1024;

/// How many bodies are compressed there at once.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(decode::processors())));

/// What of a request decides how its answer is delivered.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    /// Whether it says who asks.
    is_personal: bool,
    /// Whether it asks the login, whose answers have secrets in them beside what a request may have put there: how far both
    /// are compressed together would tell the one to who chooses the other (BREACH).
    is_login: bool,
    accepted: AcceptEncoding,
    /// Whether a range counts only for who has a part of the same (`If-Range`).
    is_if_range: bool,
    /// The conditions, and `Accept-Encoding` beside them; empty, and nothing allocated, without any.
    conditions: HeaderMap,
}

impl Asked {
    pub(crate) fn of(parts: &Parts) -> Self {
        const CONDITIONS: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
        let mut conditions = HeaderMap::new();
        if CONDITIONS.iter().any(|name| parts.headers.contains_key(name)) {
            for name in CONDITIONS.into_iter().chain([ACCEPT_ENCODING]) {
                for value in parts.headers.get_all(&name) {
                    conditions.append(&name, value.clone());
                }
            }
        }
        Self {
            method: parts.method.clone(),
            is_personal: security::says_who(&parts.headers),
            is_login: matches!(mount::strip(parts.uri.path()), Ok((Area::Auth, _))),
            accepted: AcceptEncoding::read(&parts.headers),
            is_if_range: parts.headers.contains_key(IF_RANGE),
            conditions,
        }
    }

    pub(crate) fn situation(&self, delivery: DeliveryConfig) -> security::Situation<'_> {
        let Self { method, is_personal, is_login, .. } = self;
        let keeps = delivery.personal_answers;
        security::Situation { method, is_personal: *is_personal, is_login: *is_login, personal_answers: keeps }
    }

    fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// Gives the answer its name, leaves its body out for who has it, or compresses it.
///
/// # Errors
/// 412: it is not what `If-Match` names.
pub(crate) async fn deliver(
    mut answer: Answer,
    asked: &Asked,
    config: DeliveryConfig,
    telemetry: &Arc<Telemetry>,
) -> Result<Answer, Refusal> {
    // Whoever gives parts of a body has looked at conditions and codings already: which parts there are depends on them.
    if asked.is_login || answer.headers.contains_key(ACCEPT_RANGES) {
        return Ok(answer);
    }
    if asked.is_if_range {
        // Whole rows are given then, which a cache must not show to who asks for some without it.
        delivery::vary(&mut answer.headers, &["If-Range"]);
    }
    let is_codable = config.compresses && is_codable(&answer);
    if is_codable {
        // Also where it is not coded this time: another client's would be.
        delivery::vary(&mut answer.headers, &["Accept-Encoding"]);
    }
    if asked.is_read() && matches!(answer.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        let tag = named(&mut answer);
        if tag.is_none() && matches!(answer.body, Body::Stream(_)) {
            // Who kept it could not ask whether it still counts.
            answer.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        // Who chose a coding has looked at the conditions, of which that coding's tag is only one answer.
        let is_open = !answer.headers.contains_key(CONTENT_ENCODING);
        // What is streamed has no tag, so it is none that a client could name.
        let is_known = tag.is_some() || matches!(answer.body, Body::Stream(_));
        if is_open && !asked.conditions.is_empty() && is_known {
            let current = Current { tag: tag.as_ref(), ..Current::default() };
            match condition::evaluate(&asked.method, &asked.conditions, current) {
                Verdict::Go => {}
                Verdict::Failed => return Err(Refusal::changed()),
                Verdict::NotModified(known) => return Ok(not_modified(answer, known)),
            }
        }
    }
    let coding = asked.accepted.choose(&Coding::ALL).filter(|_| is_codable);
    match coding {
        Some(coding) => Ok(Box::pin(coded(answer, coding, telemetry)).await),
        None => Ok(answer),
    }
}

/// The answer's tag: its own, or one made of everything that makes it what it is. A stream has none, since it has begun
/// before its end is known; so has the answer to a `HEAD` that asks for nothing but a count.
fn named(answer: &mut Answer) -> Option<EntityTag> {
    let body = match &answer.body {
        Body::Full(body) => body.as_ref(),
        Body::Stream(_) => b"",
    };
    let tag = EntityTag::of_answer(answer.status, &answer.headers, body)?;
    if !answer.headers.contains_key(ETAG) {
        answer.headers.insert(ETAG, tag.to_header());
    }
    Some(tag)
}

/// Whether a body of this kind may be sent in a coding, however large it is and whatever the client takes.
fn is_codable(answer: &Answer) -> bool {
    let headers = &answer.headers;
    let is_worth = headers.get(CONTENT_TYPE).is_some_and(|value| delivery::is_compressible(value.as_bytes()));
    let is_part = headers.get(CONTENT_RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes"));
    is_worth
        && !is_part
        && !headers.contains_key(CONTENT_ENCODING)
        && !delivery::any_values(headers, &CACHE_CONTROL, "no-transform")
}

/// 304: what a cache needs to know about the copy that it has, and nothing of the content itself (RFC 9110 section 15.4.5).
fn not_modified(mut answer: Answer, known: Option<EntityTag>) -> Answer {
    const OF_THE_CONTENT: [HeaderName; 6] =
        [CONTENT_TYPE, CONTENT_RANGE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, ACCEPT_RANGES];
    for name in OF_THE_CONTENT {
        answer.headers.remove(name);
    }
    if let Some(known) = known {
        answer.headers.insert(ETAG, known.to_header());
    }
    // A cache that others use would put it to its copy and hand it to them.
    let is_private =
        ["private", "no-store"].iter().any(|word| delivery::any_values(&answer.headers, &CACHE_CONTROL, word));
    if answer.headers.contains_key(CACHE_CONTROL) && !is_private {
        answer.headers.remove(SET_COOKIE);
    }
    Answer { status: StatusCode::NOT_MODIFIED, reason: None, body: Body::Full(Bytes::new()), ..answer }
}

/// The answer with its body in this coding, as far as that is of use.
async fn coded(mut answer: Answer, coding: Coding, telemetry: &Arc<Telemetry>) -> Answer {
    answer.body = match answer.body {
        Body::Full(body) => match form(coding, &body, answer.summary.forms.as_deref()).await {
            Some(compressed) => {
                report(telemetry, coding, body.len(), compressed.len());
                Body::Full(compressed)
            }
            None => return Answer { body: Body::Full(body), ..answer },
        },
        Body::Stream(stream) => match Compressor::new(coding) {
            Ok(compressor) => {
                let telemetry = telemetry.clone();
                let counted = Counted { coding, before: 0, after: 0, telemetry };
                Body::Stream(Box::pin(Compressing { stream, compressor: Some(compressor), counted }))
            }
            Err(_no_memory) => return Answer { body: Body::Stream(stream), ..answer },
        },
    };
    answer.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    answer.headers.remove(CONTENT_LENGTH);
    answer.headers.remove(ACCEPT_RANGES);
    if let Some(own) = answer.headers.remove(ETAG)
        && let Some(tag) = EntityTag::parse(own.as_bytes())
    {
        answer.headers.insert(ETAG, tag.coded(coding).to_header());
    }
    answer
}

/// The body in this coding: as it was made before, where it is sent more than once.
async fn form(coding: Coding, body: &Bytes, forms: Option<&Forms>) -> Option<Bytes> {
    if let Some(made) = forms.and_then(|forms| forms.get(coding)) {
        return Some(made);
    }
    let made = compressed(coding, body).await?;
    if let Some(forms) = forms {
        forms.keep(coding, &made);
    }
    Some(made)
}

/// The body in this coding; `None` where it is to be sent as it is: too small, not smaller by it, or large while as many
/// others are being compressed as there are processors. The network has more room then than the processors have.
async fn compressed(coding: Coding, body: &Bytes) -> Option<Bytes> {
    if body.len() < delivery::LEAST_BYTES {
        return None;
    }
    let compressed = if body.len() <= INLINE_BYTES {
        delivery::compress(coding, body).ok()?
    } else {
        let place = PLACES.clone().try_acquire_owned().ok()?;
        let body = body.clone();
        let compressing = tokio::task::spawn_blocking(move || {
            let _place = place;
            delivery::compress(coding, &body)
        });
        compressing.await.ok()?.ok()?
    };
    (compressed.len() < body.len()).then(|| Bytes::from(compressed))
}

fn report(telemetry: &Telemetry, coding: Coding, before: usize, after: usize) {
    let bytes = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    telemetry.report(&BodyCompressed { coding: coding.name(), before: bytes(before), after: bytes(after) });
}

/// What has gone through a stream so far; told when it is dropped, however far it came.
struct Counted {
    coding: Coding,
    before: usize,
    after: usize,
    telemetry: Arc<Telemetry>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        report(&self.telemetry, self.coding, self.before, self.after);
    }
}

/// A streamed body, compressed piece by piece. Its pieces are of some ten kB, so that each takes as long as a small body.
struct Compressing {
    stream: Pin<Box<dyn BodyStream>>,
    /// `None` after the end.
    compressor: Option<Compressor>,
    counted: Counted,
}

impl BodyStream for Compressing {
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        let this = &mut *self;
        loop {
            let Some(compressor) = &mut this.compressor else { return Poll::Ready(None) };
            let (made, is_end) = match ready!(this.stream.as_mut().poll_next(context)) {
                Some(Ok(piece)) => {
                    this.counted.before += piece.len();
                    (compressor.push(&piece), false)
                }
                Some(Err(broken)) => {
                    this.compressor = None;
                    return Poll::Ready(Some(Err(broken)));
                }
                None => match this.compressor.take() {
                    Some(compressor) => (compressor.finish(), true),
                    None => return Poll::Ready(None),
                },
            };
            let Ok(made) = made else {
                this.compressor = None;
                return Poll::Ready(Some(Err(BodyBroken)));
            };
            this.counted.after += made.len();
            if !made.is_empty() {
                return Poll::Ready(Some(Ok(Bytes::from(made))));
            }
            if is_end {
                return Poll::Ready(None);
            }
        }
    }
}
