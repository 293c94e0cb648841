//! What the server sent, cut into messages.

use std::future::{Future as _, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use base::Limit;
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::Error;

/// The usual size of the buffer: a flight's answer of a page of rows fits, and a large answer takes few calls.
const BUFFER_BYTES: usize = 64 << 10;
/// Less free room than this is not worth a call.
const LEAST_READ_BYTES: usize = 16 << 10;
/// A buffer that grew for one long message beyond this is given back once the connection is idle.
const KEPT_BYTES: usize = 1 << 20;
/// Type and length.
const HEADER_BYTES: usize = 5;

/// A message: its type and where its body lies. It is valid until the next `fill`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub tag: u8,
    pub body: Range<usize>,
}

/// The buffer of an open connection.
#[derive(Debug)]
pub(crate) struct Input {
    buffer: BytesMut,
    /// Where the first message that was not taken yet begins.
    start: usize,
    /// The most that the buffer could hold since it was made; `capacity` leaves out what lies before the messages.
    capacity: usize,
    /// How much came since the connection was opened.
    received: u64,
    limit: Limit,
}

impl Input {
    /// An empty buffer for messages of at most this length.
    pub fn new(limit: Limit) -> Self {
        Self { buffer: BytesMut::with_capacity(BUFFER_BYTES), start: 0, capacity: BUFFER_BYTES, received: 0, limit }
    }

    /// Changes the bound for a message.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    /// How many bytes came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes came and were not taken yet.
    pub fn waiting(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// Takes the next message, if all of it is there.
    pub fn frame(&mut self) -> Result<Option<Frame>, Error> {
        let Some(length) = self.frame_length()? else { return Ok(None) };
        let (Some(tag), true) = (self.buffer.get(self.start).copied(), self.waiting() >= length) else {
            return Ok(None);
        };
        let body = self.start + HEADER_BYTES..self.start + length;
        self.start += length;
        Ok(Some(Frame { tag, body }))
    }

    /// The length of the next message with its header, once that is there.
    fn frame_length(&self) -> Result<Option<usize>, Error> {
        let bytes = self.buffer.get(self.start..).unwrap_or_default();
        let header = Header::parse(bytes).map_err(|_| Error::malformed("message: its length is below 4"))?;
        let Some(header) = header else { return Ok(None) };
        let length = u64::try_from(header.len()).unwrap_or_default();
        if self.limit.is_exceeded_by(length) {
            return Err(Error::TooLong { bytes: length, limit: self.limit });
        }
        Ok(usize::try_from(length).ok().map(|length| length + 1))
    }

    /// The bytes of a frame's body, or of a part of it.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// A frame as a message of the protocol. It copies the bytes: for what comes seldom.
    pub fn message(&self, frame: &Frame) -> Result<Message, Error> {
        let start = frame.body.start.saturating_sub(HEADER_BYTES);
        let mut copy = BytesMut::from(self.bytes(start..frame.body.end));
        let described =
            || Error::Protocol(format!("a message of type {:?} is malformed or unknown", char::from(frame.tag)));
        Message::parse(&mut copy).map_err(|_| described())?.ok_or_else(described)
    }

    /// Reads on; gives an error when the server closed the connection. Nothing is lost when it is dropped.
    pub async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<(), Error> {
        poll_fn(|context| self.poll_fill(context, stream)).await
    }

    /// Reads what there is.
    pub fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<Result<(), Error>> {
        self.make_room();
        let read = pin!(stream.read_buf(&mut self.buffer));
        match ready!(read.poll(context)) {
            Ok(0) => Poll::Ready(Err(Error::Closed)),
            Ok(length) => {
                self.received += length as u64;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(Error::of_socket(error))),
        }
    }

    fn make_room(&mut self) {
        self.buffer.advance(self.start.min(self.buffer.len()));
        self.start = 0;
        // A long message is given all of its room at once: by doubling, the buffer would become twice as large as needed, and
        // be copied each time.
        let length = self.frame_length().ok().flatten().unwrap_or(0);
        self.buffer.reserve(length.saturating_sub(self.buffer.len()).max(LEAST_READ_BYTES));
        self.capacity = self.capacity.max(self.buffer.capacity());
    }

    /// Gives a large buffer back. Only when nothing of it is in use.
    pub fn shrink(&mut self) {
        if self.waiting() == 0 && self.capacity > KEPT_BYTES {
            *self = Self { received: self.received, ..Self::new(self.limit) };
        }
    }
}
