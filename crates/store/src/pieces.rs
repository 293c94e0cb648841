//! A body on its way to the client, piece by piece. That it is whole has to be said: one whose maker goes without a word, for
//! whatever reason, has broken off, and is never taken for all there is.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::error::StoreError;

/// A piece of a streamed body.
pub type Piece = Result<Bytes, StoreError>;

/// How the body ended, once it has. It stands beside the pieces, so that it is told however many of them are still unread.
type Ending = Arc<OnceLock<Result<(), StoreError>>>;

/// The pieces of a body, in order.
#[derive(Debug)]
pub struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    ending: Ending,
    is_over: bool,
}

/// Where the pieces are handed over.
#[derive(Debug)]
pub(crate) struct PieceSender {
    pieces: mpsc::Sender<Bytes>,
    ending: Ending,
}

/// The two ends of a body of which so many pieces may lie ready.
pub(crate) fn pieces(ahead: usize) -> (PieceSender, Pieces) {
    let (sender, receiver) = mpsc::channel(ahead);
    let ending = Ending::default();
    (PieceSender { pieces: sender, ending: ending.clone() }, Pieces { pieces: receiver, ending, is_over: false })
}

impl Pieces {
    /// The next piece; `None` when the body is whole. An error is the last one: the body breaks off there.
    pub async fn recv(&mut self) -> Option<Piece> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The next piece, as [`Pieces::recv`] has it.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(context));
        self.is_over = piece.is_none();
        Poll::Ready(match piece {
            Some(piece) => Some(Ok(piece)),
            None => match self.ending.get() {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(Err(error.clone())),
                None => Some(Err(StoreError::BrokenOff("whoever made it has gone"))),
            },
        })
    }
}

impl PieceSender {
    /// Hands a piece over if there is room for it.
    pub(crate) fn try_send(&self, piece: Bytes) -> Result<(), TrySendError<Bytes>> {
        self.pieces.try_send(piece)
    }

    /// Hands a piece over once there is room for it, within this time.
    ///
    /// # Errors
    /// [`StoreError::BrokenOff`] when the client has gone or takes longer.
    pub(crate) async fn send(&self, piece: Bytes, wait: Duration) -> Result<(), StoreError> {
        match tokio::time::timeout(wait, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(StoreError::BrokenOff("the client has gone")),
            Err(_) => Err(StoreError::BrokenOff("the client took too long for a piece")),
        }
    }

    /// Ends the body: it is whole, or breaks off behind the pieces that were handed over.
    pub(crate) fn end(self, ending: Result<(), StoreError>) {
        // Nobody else has said it: this is the only one who can, and goes with it.
        let _first = self.ending.set(ending);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    async fn all(mut pieces: Pieces) -> Vec<Result<usize, String>> {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.push(piece.map(|piece| piece.len()).map_err(|error| error.to_string()));
        }
        all
    }

    #[tokio::test]
    async fn only_what_was_ended_is_whole() {
        let full = || {
            let (sender, receiver) = pieces(1);
            sender.try_send(Bytes::from_static(b"piece")).unwrap();
            assert!(sender.try_send(Bytes::new()).is_err(), "there is room for one");
            (sender, receiver)
        };
        let (sender, receiver) = full();
        sender.end(Ok(()));
        assert_eq!(all(receiver).await, [Ok(5)]);
        let (sender, receiver) = full();
        sender.end(Err(StoreError::Timeout));
        assert_eq!(all(receiver).await, [Ok(5), Err(StoreError::Timeout.to_string())]);
        let (sender, receiver) = full();
        drop(sender);
        assert!(matches!(&all(receiver).await[..], [Ok(5), Err(_)]));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_not_waited_for() {
        let (sender, receiver) = pieces(1);
        let wait = Duration::from_millis(20);
        sender.send(Bytes::new(), wait).await.unwrap();
        assert!(matches!(sender.send(Bytes::new(), wait).await, Err(StoreError::BrokenOff(_))));
        drop(receiver);
        assert!(matches!(sender.send(Bytes::new(), wait).await, Err(StoreError::BrokenOff(_))));
    }
}
