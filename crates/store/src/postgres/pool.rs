//! The pool: at most so many connections, handed out one request at a time. Waiting is bounded.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base::{Clock, Limit};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wire::{Connection, Target, TransactionStatus};

use super::sighting::{Sighting, look};
use crate::error::StoreError;

/// What is left of an abandoned answer is read up to this; beyond it the connection is given up.
const DRAINED: Limit = Limit::new("bytes of an abandoned answer", 1 << 20);
/// How long an abandoned statement may still take before the server is told that nobody waits for it: most end by then, and
/// their connection is kept without more.
const ABANDONED_WAIT: Duration = Duration::from_millis(100);

/// The newest history of the database that any server was seen on. A primary of an older one was replaced: what is written
/// there is lost, and what is read there is past.
#[derive(Debug, Default)]
pub(super) struct Fence(watch::Sender<u32>);

impl Fence {
    /// Notes a history of the database.
    pub(super) fn raise(&self, timeline: u32) {
        self.0.send_if_modified(|newest| {
            let rises = *newest < timeline;
            *newest = timeline.max(*newest);
            rises
        });
    }

    /// The newest history; 0 before any was seen.
    pub(super) fn timeline(&self) -> u32 {
        *self.0.borrow()
    }

    /// Ticks when a newer history is known.
    pub(super) fn follow(&self) -> watch::Receiver<u32> {
        self.0.subscribe()
    }

    fn shuts_out(&self, sighting: Option<&Sighting>) -> bool {
        sighting.is_some_and(|seen| seen.is_primary && seen.timeline < self.timeline())
    }
}

/// What is said of a primary that the fence shuts out.
const REPLACED: &str = "the server was replaced: another primary has begun a newer timeline, as a server or the position of a \
     client tells (docs/postgresql.md, \"A replica is promoted\")";

/// Connections to one server.
pub(super) struct Pool {
    /// Where it is; further ones are where it may be after a failover.
    targets: Vec<Target>,
    /// Which of them is tried first.
    first: AtomicUsize,
    fence: Arc<Fence>,
    settings: wire::Settings,
    places: Arc<Semaphore>,
    wait: Duration,
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<Held>>,
    refusal: Mutex<Refusal>,
    used: AtomicU64,
    waiting: AtomicU64,
}

/// How long nobody tries to connect after the server was not reached: a server that comes back must not meet everybody at
/// once.
#[derive(Default)]
struct Refusal {
    /// How often in a row it was not reached.
    times: u32,
    until: Option<Instant>,
}

/// The first wait after the server was not reached, doubled with each further time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Refusal {
    fn note(&mut self, now: Instant) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.times.min(10)).min(LONGEST_WAIT);
        self.times = self.times.saturating_add(1);
        self.until = now.checked_add(random_share(wait));
    }
}

/// Between half of a wait and all of it, so that those who wait do not come back together.
pub(super) fn random_share(wait: Duration) -> Duration {
    let share = 128 + u32::from(random_byte() / 2);
    wait * share / 256
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without chance everybody waits alike, which is no failure.
    let _without = getrandom::fill(&mut byte);
    byte[0]
}

/// A connection, and what its server was when it was opened.
struct Held {
    connection: Connection,
    opened: Instant,
    sighting: Option<Sighting>,
}

/// A connection that is given back when this goes: kept if it is whole and idle, closed otherwise.
pub(super) struct Lease {
    held: Option<Held>,
    pool: Arc<Pool>,
    /// Somebody's place among those at work; none once it is given on.
    place: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(
        targets: Vec<Target>,
        fence: Arc<Fence>,
        settings: wire::Settings,
        most: usize,
        wait: Duration,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            targets,
            first: AtomicUsize::new(0),
            fence,
            settings,
            places: Arc::new(Semaphore::new(most)),
            wait,
            clock,
            idle: Mutex::new(Vec::new()),
            refusal: Mutex::new(Refusal::default()),
            used: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        })
    }

    /// A connection, waited for up to the bound. `is_fresh` asks for one that was just opened.
    pub(super) async fn take(self: &Arc<Self>, is_fresh: bool) -> Result<Lease, StoreError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = tokio::time::timeout(self.wait, self.places.clone().acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let place = place
            .map_err(|_| StoreError::Busy("all connections to PostgreSQL are in use"))?
            .map_err(|_| StoreError::Closed)?;
        let held = match self.idle_one(is_fresh) {
            Some(held) => held,
            None => self.connect().await?,
        };
        self.used.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { held: Some(held), pool: self.clone(), place: Some(place) })
    }

    /// An idle connection that the server has not ended meanwhile. The one used last is the warmest.
    fn idle_one(&self, is_fresh: bool) -> Option<Held> {
        if is_fresh {
            return None;
        }
        loop {
            let mut held = self.idle.lock().pop()?;
            if is_alive(&mut held.connection) && !self.fence.shuts_out(held.sighting.as_ref()) {
                return Some(held);
            }
        }
    }

    /// Has one of the targets tried first: somebody has seen there what is looked for. Whoever waits for it need not any more.
    pub(super) fn prefer(&self, target: usize) {
        if self.first.swap(target.min(self.targets.len().saturating_sub(1)), Ordering::Relaxed) != target {
            *self.refusal.lock() = Refusal::default();
        }
    }

    /// A connection that is not one of the pool.
    pub(super) async fn connect_apart(&self) -> Result<Connection, StoreError> {
        if self.places.is_closed() {
            return Err(StoreError::Closed);
        }
        Ok(self.connect().await?.connection)
    }

    async fn connect(&self) -> Result<Held, StoreError> {
        let now = self.clock.monotonic();
        if self.refusal.lock().until.is_some_and(|until| now < until) {
            return Err(StoreError::Unreachable("it was not reached a moment ago; it is tried again soon".to_owned()));
        }
        let mut problem = None;
        let first = self.first.load(Ordering::Relaxed);
        for number in (first..self.targets.len()).chain(0..first) {
            let Some(target) = self.targets.get(number) else { continue };
            match self.open(target).await {
                Ok(held) => {
                    self.first.store(number, Ordering::Relaxed);
                    *self.refusal.lock() = Refusal::default();
                    return Ok(held);
                }
                // What is wrong with the place where it should be says most.
                Err(error) => drop(problem.get_or_insert(error)),
            }
        }
        self.refusal.lock().note(self.clock.monotonic());
        Err(StoreError::Unreachable(problem.unwrap_or_default()))
    }

    async fn open(&self, target: &Target) -> Result<Held, String> {
        let mut connection = Connection::open(target, &self.settings).await.map_err(|error| error.to_string())?;
        let opened = self.clock.monotonic();
        let sighting = look(&mut connection, opened).await.map_err(|error| error.to_string())?;
        if self.fence.shuts_out(sighting.as_ref()) {
            return Err(REPLACED.to_owned());
        }
        Ok(Held { connection, opened, sighting })
    }

    /// Connections at work, idle ones, and requests that wait for one.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let idle = self.idle.lock().len() as u64;
        (self.used.load(Ordering::Relaxed), idle, self.waiting.load(Ordering::Relaxed))
    }

    /// Hands out no more connections and closes those that are idle.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for held in idle {
            // The server notices by itself, too.
            drop(held.connection.close().await);
        }
    }

    /// Closes the idle connections: their server is silent, and does not hear a goodbye.
    pub(super) fn drop_idle(&self) {
        drop(std::mem::take(&mut *self.idle.lock()));
    }

    /// Requests that have a connection or wait for one.
    pub(super) fn load(&self) -> u64 {
        self.used.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed)
    }

    fn keep(&self, held: Held) {
        if !self.places.is_closed() {
            self.idle.lock().push(held);
        }
    }
}

/// Whether the server has neither closed an idle connection nor said that it will: what has come is looked at, nothing is
/// waited for.
fn is_alive(connection: &mut Connection) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(connection.notification()).poll(&mut context) {
        Poll::Pending | Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(_)) => false,
    }
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.held.as_mut().map(|held| &mut held.connection).ok_or(StoreError::Closed)
    }

    /// What the server was when the connection was opened; `None` for one that does not tell.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        self.held.as_ref().and_then(|held| held.sighting)
    }

    /// Whether what was seen then holds for this connection: it was open before.
    pub(super) fn was_open(&self, then: Instant) -> bool {
        self.held.as_ref().is_some_and(|held| held.opened <= then)
    }

    /// Gives the connection up: it is in no state to be used again.
    pub(super) fn discard(&mut self) {
        self.held = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(1, Ordering::Relaxed);
        let Some(mut held) = self.held.take() else { return };
        if held.connection.is_usable() && held.connection.transaction_status() == TransactionStatus::Idle {
            return self.pool.keep(held);
        }
        // Whoever used it went in the middle of an answer: what is left is read aside. Its place is not free until then, or
        // clients that come and go could have more running than there are places.
        let (pool, place) = (self.pool.clone(), self.place.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if is_drained(&mut held.connection, pool.wait).await
                && (held.connection.transaction_status() == TransactionStatus::Idle
                    || held.connection.batch("ROLLBACK").await.is_ok())
            {
                pool.keep(held);
            }
            drop(place);
        });
    }
}

/// Reads what is left of an abandoned answer; a statement that still runs is cancelled, since the server itself does not
/// notice that nobody listens before it has something to say. `false` if the connection is not to be used again: there is
/// too much, or a cancellation that comes late could meet its next statement.
async fn is_drained(connection: &mut Connection, wait: Duration) -> bool {
    if let Ok(drained) = tokio::time::timeout(ABANDONED_WAIT, connection.drain(DRAINED)).await {
        return drained.is_ok();
    }
    let canceller = connection.canceller();
    // Where that fails, the server still ends the statement at its own bounds.
    let _told = tokio::time::timeout(wait, canceller.cancel()).await;
    let _ended = tokio::time::timeout(wait, connection.drain(DRAINED)).await;
    false
}
