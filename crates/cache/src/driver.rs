//! The promise that every driver keeps. Each sentence here is a case of the conformance suite in `tests/`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::error::CacheError;
use crate::key::{Key, Member};
use crate::rate::{Charge, Verdict};
use crate::tally::{Tallied, Tally};

/// A future in a box: what an asynchronous method of a trait object gives.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The most members that a set counts. Whoever needs to know of more than so many different ones needs no exact number.
pub const MOST_MEMBERS: usize = 256;

/// The most bytes of a value.
pub const MOST_VALUE_BYTES: usize = 4096;

/// What is done with charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is spent: whether it would fit.
    Peek,
    /// All are spent when all fit; otherwise none.
    Charge,
    /// All are spent, whether they fit or not: for what is known only afterwards, as a failed attempt. A debt beyond the bound
    /// ends at twice the bound.
    Record,
    /// All are given back: for what was charged beforehand and turned out well. No debt falls below 0.
    Refund,
}

/// What came of charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// Whether all of them fitted.
    pub is_allowed: bool,
    /// What came of each, in their order.
    pub verdicts: Vec<Verdict>,
    /// Whether this process alone decided in place of a server that is gone.
    pub is_local: bool,
}

/// How a driver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// `memory` or `redis`.
    pub driver: &'static str,
    /// Whether it answers; one in memory always does.
    pub is_up: bool,
    /// Operations that this process answered in place of the server, since the start.
    pub answered_locally: u64,
}

/// What all nodes remember for a while. It may forget: everything in it can be lost at any time, and then counts as 0 or not
/// there. Nothing waits longer than the configured deadline.
pub trait Cache: Send + Sync + 'static {
    /// Looks at charges and spends them, as `mode` says, in one moment and one round trip.
    ///
    /// - A charge fits when the burst was not asked for yet, or enough of it is forgiven, at its rate.
    /// - When one of several does not fit, none of them is spent.
    /// - What comes of each is told by itself, in the order of the charges.
    /// - Charges to different keys do not touch one another. A key stands at most once in a call.
    /// - Of charges made at once, from however many nodes, only so many fit as the bound says.
    ///
    /// # Errors
    /// None, so far.
    fn spend<'a>(&'a self, mode: Mode, charges: &'a [Charge]) -> BoxFuture<'a, Result<Charged, CacheError>>;

    /// Adds to a total, if it stays within its bound.
    ///
    /// - What does not fit is not added, not even in part.
    /// - Of what is added at once, from however many nodes, only so much fits as the bound says.
    /// - A total that was forgotten goes on from the least that it is.
    /// - It ends by itself.
    fn tally(&self, tally: Tally) -> BoxFuture<'_, Result<Tallied, CacheError>>;

    /// Notes a member under a key, and gives how many different ones were noted in the last `window`, `most` at most (and
    /// [`MOST_MEMBERS`]). Without a member it only counts.
    ///
    /// - The same member counts once, from the last time that it was noted.
    /// - Of more than `most` the oldest are forgotten, and the answer is `most`.
    fn distinct(
        &self,
        key: Key,
        member: Option<Member>,
        window: Duration,
        most: usize,
    ) -> BoxFuture<'_, Result<usize, CacheError>>;

    /// Keeps a value for so long, in place of an older one.
    ///
    /// # Errors
    /// [`CacheError::TooLarge`] beyond [`MOST_VALUE_BYTES`].
    fn put(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<(), CacheError>>;

    /// Keeps a value if there is none, and says whether it did: of several who try, one is told yes.
    ///
    /// # Errors
    /// [`CacheError::TooLarge`] beyond [`MOST_VALUE_BYTES`].
    fn put_new(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<bool, CacheError>>;

    /// The value, unless its time is over.
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>>;

    /// The value, which is gone afterwards: of several who take it, one gets it.
    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>>;

    /// Forgets what stands under a key: counter, set or value.
    fn delete(&self, key: Key) -> BoxFuture<'_, Result<(), CacheError>>;

    /// How it is, without asking anybody.
    fn health(&self) -> Health;
}
