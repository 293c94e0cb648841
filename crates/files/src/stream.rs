//! A body that is read from the disk while it is sent.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::content::{OnDisk, Opened};

/// The file is another by now, or is gone: what was sent is not all there is, and no more can come.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the file was changed while it was sent")]
pub struct FileChanged;

/// What a body is put together from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// What stands between parts.
    Text(Bytes),
    /// A part of the file.
    Part(Range<u64>),
}

/// The pieces of a body, each read when the one before was taken. One is read ahead when it begins, so that a file that is not the
/// one of the index is found before anything is said of it.
#[derive(Debug)]
pub struct FileStream {
    opened: Arc<Opened>,
    left: VecDeque<Segment>,
    first: Option<Bytes>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Woken when the index has to be made anew.
    stale: Arc<Notify>,
}

impl FileStream {
    /// Opens the file and reads its first piece.
    pub(crate) async fn begin(
        content: &OnDisk,
        segments: impl IntoIterator<Item = Segment>,
        stale: &Arc<Notify>,
    ) -> io::Result<Self> {
        let mut left: VecDeque<_> = segments.into_iter().collect();
        let wanted = left.iter().find_map(|segment| match segment {
            Segment::Part(range) => Some(range.clone()),
            Segment::Text(_) => None,
        });
        let content = content.clone();
        let read = tokio::task::spawn_blocking(move || {
            let opened = content.open()?;
            let first = wanted.map(|wanted| opened.read(&wanted)).transpose()?;
            io::Result::Ok((opened, first))
        });
        let (opened, first) = read.await.map_err(io::Error::other)??;
        // What was read needs not be read again, unless something stands before it.
        let mut ready = None;
        if let (Some(first), Some(Segment::Part(range))) = (first, left.front_mut()) {
            range.start += first.len() as u64;
            ready = Some(first);
        }
        Ok(Self { opened: Arc::new(opened), left, first: ready, reading: None, stale: stale.clone() })
    }

    /// The next piece; `None` at the end. An error is the last one.
    ///
    /// # Errors
    /// [`FileChanged`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, FileChanged>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                return Poll::Ready(Some(self.took(read.unwrap_or_else(|error| Err(io::Error::other(error))))));
            }
            match self.left.front() {
                None => return Poll::Ready(None),
                Some(Segment::Part(range)) if range.is_empty() => drop(self.left.pop_front()),
                Some(Segment::Text(text)) => {
                    let text = text.clone();
                    self.left.pop_front();
                    return Poll::Ready(Some(Ok(text)));
                }
                Some(Segment::Part(range)) => {
                    let (opened, range) = (self.opened.clone(), range.clone());
                    self.reading = Some(tokio::task::spawn_blocking(move || opened.read(&range)));
                }
            }
        }
    }

    fn took(&mut self, read: io::Result<Bytes>) -> Result<Bytes, FileChanged> {
        match (read, self.left.front_mut()) {
            (Ok(piece), Some(Segment::Part(range))) if !piece.is_empty() => {
                range.start += piece.len() as u64;
                Ok(piece)
            }
            _ => {
                self.left.clear();
                self.stale.notify_one();
                Err(FileChanged)
            }
        }
    }
}
