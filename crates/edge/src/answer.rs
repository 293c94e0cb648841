//! An answer on its way out, and the account of the request that it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body::{Body, Frame, SizeHint};
use service::{BodyBroken, BodyStream, Summary};
use telemetry::{RequestFinished, Trace};

use crate::front::Shared;
use crate::watch::Activity;

/// The status in logs and metrics of a request whose client left before it had an answer; nginx's number.
const CLIENT_LEFT: u16 = 499;

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
}

impl Flight {
    /// A request begins. Gives the number of the others as well.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        activity: Arc<Activity>,
        method: Method,
        request_id: HeaderValue,
        trace: Trace,
    ) -> (Self, u64) {
        activity.request_began();
        let others = shared.request_began();
        let flight = Self {
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
        };
        (flight, others)
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
        self.shared.request_ended();
        self.activity.request_ended();
    }
}

/// The body of an answer. It carries the request's [`Flight`], so that the request ends when its last byte is
/// handed over or the connection is gone.
pub(crate) struct AnswerBody {
    content: Content,
    flight: Flight,
}

enum Content {
    Full(Bytes),
    Stream(Pin<Box<dyn BodyStream>>),
    Done,
}

impl AnswerBody {
    pub(crate) fn new(body: service::Body, mut flight: Flight) -> Self {
        let content = match body {
            service::Body::Full(bytes) if bytes.is_empty() => Content::Done,
            service::Body::Full(bytes) => Content::Full(bytes),
            service::Body::Stream(stream) => Content::Stream(stream),
        };
        // The body of an answer to HEAD only tells its length; nobody takes it.
        flight.is_complete = flight.method == Method::HEAD || matches!(content, Content::Done);
        Self { content, flight }
    }

    fn handed_over(&mut self, bytes: usize) {
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
        let piece = match &mut this.content {
            Content::Done => return Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.content = Content::Done;
                this.flight.is_complete = true;
                Some(Ok(bytes))
            }
            Content::Stream(stream) => std::task::ready!(stream.as_mut().poll_next(context)),
        };
        Poll::Ready(match piece {
            Some(Ok(bytes)) => {
                this.handed_over(bytes.len());
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(broken)) => {
                this.content = Content::Done;
                Some(Err(broken))
            }
            None => {
                this.content = Content::Done;
                this.flight.is_complete = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Done => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
