//! An answer on its way out, and the account of the request that it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, Version};
use http_body::{Body, Frame, SizeHint};
use service::{BodyBroken, BodyStream, Summary};
use telemetry::{RequestFinished, Trace};

use crate::crowd::Stay;
use crate::front::Shared;
use crate::pace::Pace;
use crate::watch::Activity;

/// The status in logs and metrics of a request whose client left before it had an answer; nginx's number.
const CLIENT_LEFT: u16 = 499;

/// How much of an answer is handed over at once in HTTP/2: a frame of the usual size.
pub(crate) const PIECE: usize = 16 * 1024;

/// One request while it is under way. When it is dropped, and only then, the request is accounted for: answered,
/// cut off or left.
#[derive(Debug)]
pub(crate) struct Flight {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    pub(crate) method: Method,
    pub(crate) request_id: HeaderValue,
    pub(crate) trace: Trace,
    pub(crate) summary: Summary,
    pub(crate) status: u16,
    pub(crate) answered: Option<Instant>,
    pub(crate) request_bytes: u64,
    response_bytes: u64,
    is_complete: bool,
    /// Among the requests that are under way.
    pub(crate) stay: Option<Stay>,
}

impl Flight {
    /// A request begins.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        activity: Arc<Activity>,
        method: Method,
        request_id: HeaderValue,
        trace: Trace,
    ) -> Self {
        activity.request_began();
        shared.request_began();
        Self {
            shared,
            activity,
            method,
            request_id,
            trace,
            summary: Summary::default(),
            status: CLIENT_LEFT,
            answered: None,
            request_bytes: 0,
            response_bytes: 0,
            is_complete: false,
            stay: None,
        }
    }

    /// The id as text; what `request_id` lets in is always text.
    pub(crate) fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let ended = self.shared.telemetry.clock().monotonic();
        self.shared.telemetry.report(&RequestFinished {
            method: &self.method,
            route: if self.summary.route.is_empty() { "unmatched" } else { self.summary.route },
            status: self.status,
            relation: self.summary.relation.as_deref(),
            role: self.summary.role.as_deref(),
            error_code: self.summary.error_code.as_deref(),
            inside: self.summary.inside.as_deref(),
            rows: self.summary.rows,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            request_id: self.id(),
            trace: &self.trace,
            answered: self.answered.unwrap_or(ended),
            ended,
            is_complete: self.is_complete,
            logged: self.shared.telemetry.request_log(),
        });
        if self.status == CLIENT_LEFT {
            self.activity.was_given_up(&self.shared.limits);
        } else {
            self.activity.was_answered();
        }
        self.shared.request_ended();
        self.activity.request_ended();
    }
}

/// What is handed over next of these bytes. Over HTTP/2 the library takes whatever it gets as soon as the client has room for one
/// byte of it, and keeps the rest, also when nobody has the body any more; for more it comes when the client has room for that too.
/// So it gets pieces, and the last byte by itself: when that has gone, all of it has. The pieces are copies, since a part would
/// keep the whole in memory for as long as the client lets the last one wait.
fn take(left: &mut Bytes, is_paced: bool) -> Bytes {
    if !is_paced {
        return std::mem::take(left);
    }
    let most = left.len().saturating_sub(1).clamp(1, PIECE);
    Bytes::copy_from_slice(&left.split_to(most.min(left.len())))
}

/// The body of an answer. It carries the request's [`Flight`], so that the request ends when its last byte is
/// handed over or the connection is gone.
pub(crate) struct AnswerBody {
    content: Content,
    /// In HTTP/2 alone: in HTTP/1.1 the socket tells.
    pace: Option<Pace>,
    flight: Flight,
}

enum Content {
    Full(Bytes),
    /// With what is left of its last piece.
    Stream(Pin<Box<dyn BodyStream>>, Bytes),
    Done,
}

impl AnswerBody {
    pub(crate) fn new(body: service::Body, mut flight: Flight, protocol: Version) -> Self {
        let content = match body {
            service::Body::Full(bytes) if bytes.is_empty() => Content::Done,
            service::Body::Full(bytes) => Content::Full(bytes),
            service::Body::Stream(stream) => Content::Stream(stream, Bytes::new()),
        };
        // The body of an answer to HEAD only tells its length; nobody takes it.
        flight.is_complete = flight.method == Method::HEAD || matches!(content, Content::Done);
        let is_paced = protocol == Version::HTTP_2 && !flight.is_complete;
        let pace = is_paced.then(|| Pace::begin(flight.activity.clone(), &flight.shared.limits));
        Self { content, pace, flight }
    }

    fn handed_over(&mut self, bytes: usize) {
        if let Some(pace) = &mut self.pace {
            pace.gave(bytes);
        }
        self.flight.response_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let this = &mut *self;
        if let Some(pace) = &mut this.pace {
            pace.asked();
        }
        let is_paced = this.pace.is_some();
        if let Content::Stream(stream, left) = &mut this.content
            && left.is_empty()
        {
            match std::task::ready!(stream.as_mut().poll_next(context)) {
                Some(Ok(piece)) => *left = piece,
                Some(Err(broken)) => {
                    this.content = Content::Done;
                    return Poll::Ready(Some(Err(broken)));
                }
                None => {
                    this.content = Content::Done;
                    this.flight.is_complete = true;
                }
            }
        }
        let piece = match &mut this.content {
            Content::Done => return Poll::Ready(None),
            Content::Full(left) | Content::Stream(_, left) => take(left, is_paced),
        };
        if matches!(&this.content, Content::Full(left) if left.is_empty()) {
            this.content = Content::Done;
            this.flight.is_complete = true;
        }
        this.handed_over(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Done => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Content::Stream(..) => SizeHint::default(),
        }
    }
}
