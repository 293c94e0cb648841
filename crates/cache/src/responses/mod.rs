//! Answers that are kept: large values of one kind, found by a hash, which may be lost at any time. Whether one still may be shown is
//! not decided here.

mod memory;
mod remote;
mod sealed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use memory::MemoryResponses;
pub use remote::RemoteResponses;

use crate::driver::BoxFuture;

/// What an answer is found by: a hash of its question, and of whatever else its answer depends on, that nobody finds a second text for
/// (SHA-256).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseKey(pub [u8; 32]);

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is kept.
pub trait Response: Send + Sync + 'static {
    /// How many bytes it takes in memory.
    fn weight(&self) -> usize;

    /// When its moment was chosen, in a count that grows: of two answers to one question the later one is nearer the truth.
    fn moment(&self) -> u64;
}

/// An answer that can stand on a server, where other nodes read it.
pub trait Portable: Response + Sized {
    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// What bytes mean that [`Portable::to_bytes`] gave, on whichever node; `None` where nothing can be made of them. With the answer's
    /// moment, and the time by the server's clock, in µs since 1970, at which it was found.
    fn from_bytes(bytes: Bytes, moment: u64, now: u64) -> Option<Self>;

    /// When it is of no use any more.
    fn expiry(&self) -> Expiry;
}

/// When an answer on a server is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So long after it was kept.
    AfterKept(Duration),
    /// So long after its moment, which is a time by the server's clock, in µs since 1970 ([`RemoteResponses::now`]). One that arrives
    /// later than that is not kept: however long it was on its way, and whatever the clocks of nodes say.
    AfterMoment(Duration),
}

/// Where answers are kept. Each sentence here is a case of the conformance suite.
pub trait Responses<R: Response>: Send + Sync + 'static {
    /// The answer, if it is in the memory of this process: nobody is asked.
    fn at_hand(&self, key: &ResponseKey) -> Option<Arc<R>>;

    /// The answer, wherever it is; `None` as well when a server does not answer in time.
    fn find<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, Option<Arc<R>>>;

    /// Keeps an answer, unless one is kept already whose moment is the same or later: one that comes late never takes the place of a newer
    /// truth. Others that are asked for less often make room for it, or it is not kept at all.
    fn keep(&self, key: ResponseKey, response: Arc<R>) -> BoxFuture<'_, ()>;

    /// Forgets an answer.
    fn forget<'a>(&'a self, key: &'a ResponseKey) -> BoxFuture<'a, ()>;

    /// How many answers are kept in the memory of this process, and how many bytes they take.
    fn held(&self) -> (u64, u64);
}
