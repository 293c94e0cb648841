//! Static files, beside the API: what lies in the folder is answered here, and everything else goes on to the API.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base::Failure;
use bytes::Bytes;
use files::{FileAnswer, FileBody, FileStream, Outcome, Site};
use http::header::{ALLOW, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rest::ErrorForm;
use service::{Answer, Body, BodyBroken, BodyStream, Summary};
use telemetry::Trace;

use crate::refusal::Refusal;

/// The route of files in logs and metrics. Their names are many.
const ROUTE: &str = "/{file}";

const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS,GET,HEAD");

/// The answer, where the path is that of a file; `None` for every other.
pub(crate) async fn answer(
    site: &Site,
    parts: &Parts,
    trace: &Trace,
    timeout: Duration,
) -> Option<Result<Answer, Refusal>> {
    let found = site.answer(&parts.method, parts.uri.path(), parts.uri.query(), &parts.headers);
    let Ok(found) = tokio::time::timeout(timeout, found).await else {
        return Some(Err(Refusal::too_slow(timeout)));
    };
    Some(match found {
        Outcome::Unknown => return None,
        Outcome::Changing => Err(Refusal::file_changes()),
        Outcome::NotAllowed => Ok(not_allowed(parts, trace)),
        Outcome::Answer(answer) => Ok(sent(answer, parts, trace)),
    })
}

fn sent(answer: FileAnswer, parts: &Parts, trace: &Trace) -> Answer {
    if let Some(failure) = Refusal::of_file(answer.status).map(|refusal| refusal.failure) {
        return explained(&failure, answer, parts, trace);
    }
    let body = match answer.body {
        FileBody::Full(bytes) => Body::Full(bytes),
        FileBody::Stream(stream) => Body::Stream(Box::pin(Pieces(stream))),
    };
    answered(answer.status, answer.headers, body, trace)
}

/// What is refused of a file, with why.
fn explained(failure: &Failure, answer: FileAnswer, parts: &Parts, trace: &Trace) -> Answer {
    let reply = rest::refuse(failure, None, ErrorForm::of(&parts.headers));
    let mut headers = reply.head.headers;
    headers.extend(answer.headers);
    let mut answer = answered(answer.status, headers, Body::Full(reply.body), trace);
    answer.summary.error_code = Some(failure.code.clone().into_owned());
    answer
}

/// `OPTIONS` is answered, every other method refused.
fn not_allowed(parts: &Parts, trace: &Trace) -> Answer {
    if parts.method == Method::OPTIONS {
        let headers = HeaderMap::from_iter([(ALLOW, METHODS)]);
        return answered(StatusCode::NO_CONTENT, headers, Body::Full(Bytes::new()), trace);
    }
    let failure = Refusal::file().failure;
    let reply = rest::refuse(&failure, None, ErrorForm::of(&parts.headers));
    let mut headers = reply.head.headers;
    headers.insert(ALLOW, METHODS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut answer = answered(reply.head.status, headers, Body::Full(reply.body), trace);
    answer.summary.error_code = Some(failure.code.into_owned());
    answer
}

fn answered(status: StatusCode, headers: HeaderMap, body: Body, trace: &Trace) -> Answer {
    let summary = Summary { route: ROUTE, ..Summary::default() };
    Answer { status, reason: None, headers, body, summary, trace: trace.clone() }
}

/// A file that is read while it is sent.
struct Pieces(FileStream);

impl BodyStream for Pieces {
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyBroken>>> {
        // Half of a file that was changed is never taken for a whole one: the connection ends.
        self.0.poll_next(context).map(|piece| piece.map(|piece| piece.map_err(|_changed| BodyBroken)))
    }
}
