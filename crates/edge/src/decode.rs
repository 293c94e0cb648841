//! Takes the content codings off a request's body: whoever answers it sees what was meant, and its limit counts that.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use delivery::Undecodable;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};
use tokio::sync::Semaphore;

use crate::EdgeLimits;
use crate::refusal::Refusal;

/// What is said beside 415 (RFC 9110 section 12.5.3).
pub(crate) const TAKEN: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// Smaller bodies are opened at once: they become 1.6 MB at most, which takes about as long as a query may on a serving thread.
const INLINE_BYTES: usize = 8 * 1024;

/// How many bodies are opened beside the serving threads at once: as many as there are processors.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(processors())));

/// The processors that this program may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The body as it was before it was coded. `Content-Encoding` and `Content-Length` are gone then: they tell of what came.
pub(crate) async fn open(headers: &mut HeaderMap, body: Bytes, limits: &EdgeLimits) -> Result<Bytes, Refusal> {
    if body.is_empty() || !headers.contains_key(CONTENT_ENCODING) {
        return Ok(body);
    }
    let codings = delivery::codings(headers).map_err(|why| refusal(why, limits))?;
    headers.remove(CONTENT_ENCODING);
    if codings.is_empty() {
        return Ok(body);
    }
    headers.remove(CONTENT_LENGTH);
    let most = usize::try_from(limits.max_body_bytes).unwrap_or(usize::MAX);
    let opened = if body.len() <= INLINE_BYTES {
        delivery::decompress(&codings, &body, most)
    } else {
        let place = PLACES.clone().acquire_owned().await;
        let opening = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, also when the client has left.
            let _place = place;
            delivery::decompress(&codings, &body, most)
        });
        opening.await.map_err(|_panic| Refusal::panicked())?
    };
    opened.map(Bytes::from).map_err(|why| refusal(why, limits))
}

fn refusal(why: Undecodable, limits: &EdgeLimits) -> Refusal {
    match why {
        Undecodable::Unknown | Undecodable::TooMany => Refusal::coding_unknown(format!("Content-Encoding names {why}")),
        Undecodable::Broken(_) => Refusal::body_undecodable(format!("It is {why}, or not all of it")),
        Undecodable::TooLarge => Refusal::body_too_large(limits.body_bytes(), false),
        Undecodable::TooDense => Refusal::body_too_dense(delivery::MOST_RATIO),
    }
}
