//! What other nodes have read, and what they are told of what was read here.
//!
//! Whether an answer of another node may be shown is decided here, by the moment that it goes with (`store/src/postgres/watch/shared.rs`), and
//! never by the server that it was found on: that one may be slow, gone, emptied or wound back. What is found and holds goes to the
//! memory of this process with the counters of this process, and is judged by them from then on, as whatever was read here.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use bytes::Bytes;
use cache::{CacheError, Keys, RemoteResponses, ResponseKey, Responses};
use sha2::{Digest as _, Sha256};
use store::{PositionToken, SharedMoment, Stamp, Store};
use tokio::sync::Semaphore;

use super::packed::{Packed, PackedMark};
use super::rule::{Age, Rule};

/// How many answers are on their way to the server at once; of more than that none is told to others.
const MOST_TELLINGS: usize = 64;

/// What an answer takes there beside its body at most: its numbers, and the moment with a thousand transactions that ran.
const OVERHEAD: usize = 16 * 1024;

/// Answers on a server that all nodes share.
pub struct SharedAnswers {
    remote: Arc<RemoteResponses<Packed>>,
    kept_for: Duration,
    tellings: Arc<Semaphore>,
}

/// What is noted before a reading for those who are told of it.
pub(super) enum Mark {
    /// What counted by then, and the place that the reading has to show.
    Moment(SharedMoment, PositionToken),
    /// When it was, by the clock of the server that keeps it.
    Time { born: u64, useful_for: Duration },
}

impl Mark {
    /// The place that the reading has to show.
    pub(super) fn position(&self) -> Option<&PositionToken> {
        match self {
            Self::Moment(_, position) => Some(position),
            Self::Time { .. } => None,
        }
    }
}

/// An answer of another node that holds.
pub(super) struct Borrowed {
    pub(super) rows: u64,
    pub(super) total: Option<u64>,
    pub(super) body: Bytes,
    /// How old it was when it was found, where that decides; zero where it was found to be what the database would give.
    pub(super) age: Duration,
    /// What it holds by from now on.
    pub(super) stamp: Option<Stamp>,
}

impl SharedAnswers {
    /// On the server of this configuration, with the secret of all nodes in `keys`. Answers of more than `largest` bytes are not for others;
    /// what does not say how long it is of use is kept for `kept_for`. To be called on the runtime.
    ///
    /// # Errors
    /// Where nothing can be made of the address.
    pub fn open(
        config: &cache::Config,
        keys: Keys,
        (largest, kept_for): (usize, Duration),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CacheError> {
        let remote = RemoteResponses::open(config, keys, largest.saturating_add(OVERHEAD), clock)?;
        Ok(Self { remote: Arc::new(remote), kept_for, tellings: Arc::new(Semaphore::new(MOST_TELLINGS)) })
    }

    /// What is to be noted after the stamp of a reading and before its moment is chosen; `None` where others are told nothing.
    pub(super) async fn mark(&self, rule: &Rule, store: &dyn Store) -> Option<Mark> {
        if rule.is_private || !self.remote.is_up() {
            return None;
        }
        match rule.age {
            Age::Strict | Age::Session => {
                let (position, moment) = store.counted_with_moment()?;
                Some(Mark::Moment(moment, position))
            }
            Age::Ttl(lifetime) => {
                let useful_for = lifetime.fresh.saturating_add(lifetime.while_revalidate.max(lifetime.if_error));
                self.remote.now().await.map(|born| Mark::Time { born, useful_for })
            }
        }
    }

    /// Tells others of an answer, beside the request that has read it.
    pub(super) fn tell(&self, key: &ResponseKey, mark: Mark, (body, rows, total): (&Bytes, u64, Option<u64>)) {
        let name = name(key, &mark);
        let mark = match mark {
            Mark::Moment(moment, _) => {
                let Some(bytes) = moment.to_bytes() else { return };
                PackedMark::Moment { rank: moment.rank(), bytes, kept_for: self.kept_for }
            }
            Mark::Time { born, useful_for } => PackedMark::Time { born, age: Duration::ZERO, useful_for },
        };
        let packed = Packed { mark, rows, total, body: body.clone() };
        let Ok(turn) = self.tellings.clone().try_acquire_owned() else { return };
        let remote = self.remote.clone();
        drop(tokio::spawn(async move {
            remote.keep(name, Arc::new(packed)).await;
            drop(turn);
        }));
    }

    /// What another node has read, if it holds for whoever has noted this stamp before he asks.
    pub(super) async fn find(
        &self,
        key: &ResponseKey,
        rule: &Rule,
        stamp: Option<Stamp>,
        store: &dyn Store,
    ) -> Option<Borrowed> {
        if rule.is_private {
            return None;
        }
        let history = match rule.age {
            Age::Strict | Age::Session => Some(*store.counted_with_moment()?.1.history()),
            Age::Ttl(_) => None,
        };
        let Packed { mark, rows, total, body } = Arc::unwrap_or_clone(self.remote.find(&named(key, history)).await?);
        let (age, stamp) = match (mark, history) {
            (PackedMark::Moment { bytes, .. }, Some(history)) => {
                let (moment, stamp) = (SharedMoment::from_bytes(history, &bytes)?, stamp?);
                let holds = store.sees_what_counts(&moment, &stamp);
                (Duration::ZERO, holds.then_some(Some(stamp))?)
            }
            (PackedMark::Time { age, .. }, None) => (age, None),
            _ => return None,
        };
        Some(Borrowed { rows, total, body, age, stamp })
    }
}

/// What an answer is found by on the server. Of two histories nobody can say which answer is the newer one, so they do not meet there; nor
/// do an answer that holds and one that has an age.
fn name(key: &ResponseKey, mark: &Mark) -> ResponseKey {
    match mark {
        Mark::Moment(moment, _) => named(key, Some(*moment.history())),
        Mark::Time { .. } => named(key, None),
    }
}

fn named(key: &ResponseKey, history: Option<[u8; 16]>) -> ResponseKey {
    let hash = Sha256::new().chain_update(key.0);
    ResponseKey(hash.chain_update(history.as_ref().map_or(&b"by time"[..], |history| history)).finalize().into())
}
