//! What lies between the socket and the HTTP library: notes what the connection does, makes targets readable for the
//! parser, and gives the library's own refusals a body.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::EdgeLimits;
use crate::follow::{Follow, Stop};
use crate::refusal::Refusal;
use crate::stream::Stream;
use crate::watch::{Activity, Protocol};

/// For how long, and how many bytes, a client that was refused may go on sending. One that sends everything before
/// it reads would otherwise see a broken connection instead of the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// A socket whose reads and writes are noted.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    socket: Stream,
    activity: Arc<Activity>,
    limits: &'a EdgeLimits,
    follow: Follow,
    /// What follows on a replaced byte or a complete head: never more than one read brought.
    held: Bytes,
    /// The rest of the code that replaces a byte.
    code: &'static [u8],
    /// Heads that were parsed when all answers were sent. What is sent before the next one is a refusal.
    answered_heads: u64,
    refusal: Option<Sending>,
}

/// A refusal on its way out.
#[derive(Debug)]
enum Sending {
    Answer(Bytes),
    /// It is out; this many bytes may still come.
    Linger(Pin<Box<Sleep>>, usize),
    Done,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(socket: Stream, protocol: Protocol, activity: Arc<Activity>, limits: &'a EdgeLimits) -> Self {
        // In HTTP/2 nothing is replaced, in neither direction.
        let (follow, refusal) = match protocol {
            Protocol::Http1 => (Follow::new(), None),
            Protocol::Http2 => (Follow::blind(), Some(Sending::Done)),
        };
        let (held, code) = (Bytes::new(), &[][..]);
        Self { socket, activity, limits, follow, held, code, answered_heads: 0, refusal }
    }

    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.activity.write_waits(poll.is_pending());
        poll
    }

    /// Looks at what the socket has just given, which `buffer` has from `start` on, and holds back what cannot go
    /// on as it is.
    fn look(&mut self, buffer: &mut ReadBuf<'_>, start: usize) {
        let Some(new) = buffer.filled().get(start..) else { return };
        let (count, stop) = self.follow.pass(new);
        self.held = new.get(count..).map(Bytes::copy_from_slice).unwrap_or_default();
        buffer.set_filled(start + count);
        self.heed(stop);
        self.give(buffer);
    }

    /// Hands on what is held, as far as that is possible.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        loop {
            let (now, later) = self.code.split_at_checked(buffer.remaining()).unwrap_or((self.code, &[]));
            buffer.put_slice(now);
            self.code = later;
            let room = buffer.remaining().min(self.held.len());
            if room == 0 || self.follow.awaits_framing() {
                return;
            }
            let (count, stop) = self.follow.pass(self.held.get(..room).unwrap_or_default());
            buffer.put_slice(&self.held.split_to(count));
            self.heed(stop);
        }
    }

    fn heed(&mut self, stop: Stop) {
        match stop {
            Stop::Nothing if self.follow.is_lost() => self.activity.lose(),
            Stop::Nothing => {}
            Stop::Replace(code) => {
                self.held.advance(1);
                self.code = code;
            }
            Stop::HeadEnded if self.follow.is_ambiguous() => self.activity.set_ambiguous(),
            Stop::HeadEnded => {}
        }
    }

    /// Whether the library is about to send this on its own account; then the same refusal, but with a body, is
    /// sent instead.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if self.refusal.is_some() || self.activity.heads() != self.answered_heads {
            return false;
        }
        let refusal = match bytes.get(..b"HTTP/1.1 400 ".len()) {
            Some(b"HTTP/1.1 400 ") => Refusal::malformed(),
            Some(b"HTTP/1.1 431 ") => Refusal::head_too_large(self.limits),
            _ => return false,
        };
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let date = lines.find(|line| line.starts_with(b"date: ")).unwrap_or_default();
        self.refusal = Some(Sending::Answer(refusal.to_wire(date)));
        true
    }

    fn poll_send_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(Sending::Answer(bytes)) = &mut self.refusal
            && !bytes.is_empty()
        {
            let poll = Pin::new(&mut self.socket).poll_write(context, bytes);
            self.activity.write_waits(poll.is_pending());
            match ready!(poll)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => bytes.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on after a refusal until the client has seen it.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; 4096];
        while let Some(Sending::Linger(time, left)) = &mut self.refusal {
            if *left == 0 || time.as_mut().poll(context).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                _ => break,
            }
        }
        self.refusal = Some(Sending::Done);
        Poll::Ready(())
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.follow.awaits_framing() {
            // Whoever reads on has parsed the head, or never will.
            this.follow.head_parsed(this.activity.take_framing());
        }
        let start = buffer.filled().len();
        let poll = if this.held.is_empty() && this.code.is_empty() {
            let poll = Pin::new(&mut this.socket).poll_read(context, buffer);
            if buffer.filled().len() > start {
                this.look(buffer, start);
            }
            poll
        } else {
            this.give(buffer);
            Poll::Ready(Ok(()))
        };
        if buffer.filled().len() > start {
            this.activity.bytes_came();
        }
        poll
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if slices.first().is_some_and(|first| self.replaces(first)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let poll = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// The library flushes when it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_refusal(context))?;
        if self.activity.is_answered() {
            self.answered_heads = self.activity.heads();
        }
        let poll = Pin::new(&mut self.socket).poll_flush(context);
        // A TCP socket has nothing to flush: this says nothing about the client.
        if self.socket.has_buffer() { self.wrote(poll) } else { poll }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send_refusal(context))?;
        match self.refusal {
            None | Some(Sending::Done) => return Pin::new(&mut self.socket).poll_shutdown(context),
            Some(Sending::Answer(_)) => {
                ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
                self.refusal = Some(Sending::Linger(Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
            }
            Some(Sending::Linger(..)) => {}
        }
        self.poll_linger(context).map(Ok)
    }
}
