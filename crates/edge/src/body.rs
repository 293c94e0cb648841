//! Takes a request's body in: whole, within its limit, in its time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use tokio::time::Instant;

use crate::refusal::Refusal;
use crate::{EdgeLimits, pace};

/// How long the rest of a body that is too large is still read, as far again as the limit. A client that sends
/// everything before it reads would otherwise see a broken connection instead of the answer.
const LINGER: Duration = Duration::from_secs(2);

/// The whole of a body that has not ended yet.
pub(crate) async fn collect(mut body: Incoming, headers: &HeaderMap, limits: &EdgeLimits) -> Result<Bytes, Refusal> {
    let limit = limits.body_bytes();
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| limit.is_exceeded_by(bytes)) {
        // A client that asks before it sends will not send.
        let is_read = !headers.contains_key(EXPECT) && linger(&mut body, limit.value).await;
        return Err(Refusal::body_too_large(limit, !is_read));
    }
    match gather(&mut body, announced, limits).await {
        Ok(bytes) => Ok(bytes),
        Err(Unread::TooLarge) => {
            let is_read = linger(&mut body, limit.value).await;
            Err(Refusal::body_too_large(limit, !is_read))
        }
        Err(Unread::Broken) => Err(Refusal::body_broken()),
        Err(Unread::TooSlow) => Err(Refusal::body_too_slow(limits)),
    }
}

enum Unread {
    TooLarge,
    Broken,
    TooSlow,
}

/// Puts the pieces together. A body of one piece, the usual one, is not copied.
async fn gather(body: &mut Incoming, announced: Option<u64>, limits: &EdgeLimits) -> Result<Bytes, Unread> {
    let most = usize::try_from(limits.max_body_bytes).unwrap_or(usize::MAX);
    let began = Instant::now();
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let deadline = pace::body_deadline(began, first.len().max(whole.len()), limits);
        let frame = tokio::time::timeout_at(deadline, body.frame()).await.map_err(|_elapsed| Unread::TooSlow)?;
        let Some(frame) = frame else { break };
        let Ok(piece) = frame.map_err(|_error| Unread::Broken)?.into_data() else {
            continue;
        };
        if first.len().max(whole.len()).saturating_add(piece.len()) > most {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            // No more than was announced, and that lies below the limit.
            let room = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
            whole.reserve(room.max(first.len() + piece.len()));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Reads on without keeping anything. Whether the end was reached.
async fn linger(body: &mut Incoming, most: u64) -> bool {
    let read = async {
        let mut left = most;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(u64::try_from(bytes).unwrap_or(u64::MAX)) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(LINGER, read).await.unwrap_or(false)
}
