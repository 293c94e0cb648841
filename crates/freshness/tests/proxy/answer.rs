//! Answers to clients: of what is stored, of what the origin says, and those of the cache's own.

use bytes::Bytes;
use freshness::{CacheStatus, Portion};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, VIA};
use http::{HeaderValue, Method, Response, StatusCode};

use base::Timestamp;

use super::content::Content;
use super::origin;
use super::stored::Stored;
use super::{Asked, NAME, is_for_surrogates};

/// An answer without content.
pub(crate) fn plain(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// What the origin says, as it says it.
pub(crate) fn told(answer: origin::Answer, status: CacheStatus) -> Response<Content> {
    let mut response = Response::new(answer.content);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let headers = response.headers_mut();
    freshness::remove_hop_by_hop(headers);
    if !headers.contains_key(DATE) {
        headers.insert(DATE, freshness::print_date(answer.received.answered));
    }
    status.tell(NAME, None, headers);
    finish(response)
}

/// What is stored, as this client wants it: a 304 if it has it, a part, or all.
pub(crate) fn of_stored(stored: &Stored, asked: &Asked, now: Timestamp, status: CacheStatus) -> Response<Content> {
    let mut response = match () {
        () if freshness::is_not_modified(&asked.headers, stored.status, &stored.headers, &stored.policy) => {
            let mut response = plain(StatusCode::NOT_MODIFIED);
            *response.headers_mut() = freshness::not_modified(&stored.headers);
            response
        }
        () if asked.method == Method::HEAD => {
            let mut response = plain(stored.status);
            *response.headers_mut() = stored.headers.clone();
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(stored.body.len()));
            response
        }
        () => portion(stored, asked),
    };
    freshness::tell_age(&stored.policy, now, response.headers_mut());
    status.tell(NAME, Some((&stored.policy, now)), response.headers_mut());
    finish(response)
}

fn portion(stored: &Stored, asked: &Asked) -> Response<Content> {
    let length = stored.body.len();
    let portion = Portion::of(&asked.headers, stored.status, &stored.headers, length);
    let (status, body) = match &portion {
        Portion::Whole => (stored.status, stored.body.clone()),
        Portion::Part(range) => (StatusCode::PARTIAL_CONTENT, stored.body.slice(range.clone())),
        Portion::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new()),
    };
    let mut response = Response::new(Content::whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = stored.headers.clone();
    if let Some(range) = portion.content_range(length) {
        response.headers_mut().insert(CONTENT_RANGE, range);
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

fn finish(mut response: Response<Content>) -> Response<Content> {
    let headers = response.headers_mut();
    let own: Vec<_> = headers.keys().filter(|name| is_for_surrogates(name)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
    headers.append(VIA, HeaderValue::try_from(format!("1.1 {NAME}")).expect("letters and digits are a value"));
    response
}
