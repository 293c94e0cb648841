//! The body of an answer: whole, or what was read of it and the rest as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The longest body that is stored; a longer one is handed on while it comes.
pub(crate) const MOST_STORED_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Content {
    begin: Option<Bytes>,
    rest: Option<Incoming>,
}

impl Content {
    pub fn whole(bytes: Bytes) -> Self {
        Self { begin: Some(bytes).filter(|bytes| !bytes.is_empty()), rest: None }
    }

    pub fn coming(rest: Incoming) -> Self {
        Self { begin: None, rest: Some(rest) }
    }

    /// Reads it to its end, if that comes before it is too long: then these are all its bytes.
    pub async fn read(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let mut read = BytesMut::from(self.begin.take().unwrap_or_default().as_ref());
        while let Some(rest) = &mut self.rest {
            match rest.frame().await.transpose()? {
                Some(frame) => read.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref)),
                None => self.rest = None,
            }
            if read.len() > MOST_STORED_BYTES {
                break;
            }
        }
        let read = read.freeze();
        self.begin = Some(read.clone()).filter(|read| !read.is_empty());
        Ok(self.rest.is_none().then_some(read))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(begin) = self.begin.take() {
            return Poll::Ready(Some(Ok(Frame::data(begin))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begin.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            None => SizeHint::with_exact(self.begin.as_ref().map_or(0, |begin| begin.len() as u64)),
            Some(_) => SizeHint::default(),
        }
    }
}
