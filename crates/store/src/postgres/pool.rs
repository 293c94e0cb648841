//! The pool: at most so many connections, handed out one request at a time. Waiting is bounded.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base::Clock;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wire::{Canceller, Connection, Target};

use super::lease::Lease;
use super::sighting::{Sighting, look};
use crate::counted::Counted;
use crate::error::StoreError;

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
/// How long a server may take to hear that what runs is cancelled, when the pool is closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// What can cancel the work of each open connection.
#[derive(Default)]
struct Register {
    next: u64,
    open: BTreeMap<u64, Canceller>,
}

/// A connection's place in the register; left when this goes.
pub(super) struct Registration {
    number: u64,
    register: Arc<Mutex<Register>>,
}

impl Registration {
    fn new(register: &Arc<Mutex<Register>>, canceller: Canceller) -> Self {
        let mut entries = register.lock();
        let number = entries.next;
        entries.next = number.wrapping_add(1);
        entries.open.insert(number, canceller);
        drop(entries);
        Self { number, register: register.clone() }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.register.lock().open.remove(&self.number);
    }
}

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
    pub(super) clock: Arc<dyn Clock>,
    idle: Mutex<Vec<Held>>,
    refusal: Mutex<Refusal>,
    register: Arc<Mutex<Register>>,
    pub(super) used: AtomicU64,
    waiting: AtomicU64,
}

/// How long nobody tries to connect after the server was not reached: a server that comes back must not meet everybody at
/// once.
#[derive(Default)]
struct Refusal {
    /// How often in a row it was not reached.
    times: u32,
    until: Option<Instant>,
    /// Why, for the log: whoever tried may not have waited for it.
    problem: String,
}

/// The first wait after the server was not reached, doubled with each further time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Refusal {
    fn note(&mut self, now: Instant, problem: &str) {
        problem.clone_into(&mut self.problem);
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
pub(super) struct Held {
    pub(super) connection: Connection,
    pub(super) opened: Instant,
    pub(super) sighting: Option<Sighting>,
    _registration: Registration,
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
            register: Arc::default(),
            used: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        })
    }

    /// How long somebody who asks for nothing else waits for a connection.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// A connection, waited for up to the bound.
    pub(super) async fn take(self: &Arc<Self>, wait: Duration) -> Result<Lease, StoreError> {
        let deadline = self.clock.monotonic() + wait;
        let waiting = Counted::among(&self.waiting);
        let place = tokio::time::timeout(self.left(deadline), self.places.clone().acquire_owned()).await;
        drop(waiting);
        let place = place
            .map_err(|_| StoreError::Busy("all connections to PostgreSQL are in use"))?
            .map_err(|_| StoreError::Closed)?;
        self.fill(place, false, deadline).await
    }

    /// A connection for a place. `is_fresh` asks for one that is opened now.
    ///
    /// It is opened beside the request: a server that takes long to answer, as where nobody is, takes no more of the request than
    /// its waiting time, and a connection that comes later is kept for the next one. Its place is taken until then.
    pub(super) async fn fill(
        self: &Arc<Self>,
        place: OwnedSemaphorePermit,
        is_fresh: bool,
        deadline: Instant,
    ) -> Result<Lease, StoreError> {
        if let Some(held) = self.idle_one(is_fresh) {
            return Ok(Lease::new(held, self, place));
        }
        let pool = self.clone();
        let connecting = tokio::spawn(async move { pool.connect().await.map(|held| Lease::new(held, &pool, place)) });
        match tokio::time::timeout(self.left(deadline), connecting).await {
            Ok(connected) => connected.unwrap_or(Err(StoreError::Closed)),
            Err(_) => Err(StoreError::Busy("connecting to PostgreSQL takes longer than database.wait_ms")),
        }
    }

    fn left(&self, deadline: Instant) -> Duration {
        deadline.saturating_duration_since(self.clock.monotonic())
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

    /// A connection that is not one of the pool, whose work is cancelled when the pool is closed.
    pub(super) async fn connect_to_work(&self) -> Result<(Connection, Registration), StoreError> {
        let connection = self.connect_apart().await?;
        let registration = Registration::new(&self.register, connection.canceller());
        Ok((connection, registration))
    }

    /// Whether no more connections are handed out.
    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Whether a newer history of the database is known than this one.
    pub(super) fn is_past(&self, timeline: u32) -> bool {
        timeline < self.fence.timeline()
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
        {
            let refusal = self.refusal.lock();
            if refusal.until.is_some_and(|until| now < until) {
                let problem = &refusal.problem;
                return Err(StoreError::Unreachable(format!(
                    "it was not reached a moment ago, and is tried again soon: {problem}"
                )));
            }
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
        let problem = problem.unwrap_or_default();
        self.refusal.lock().note(self.clock.monotonic(), &problem);
        Err(StoreError::Unreachable(problem))
    }

    async fn open(&self, target: &Target) -> Result<Held, String> {
        let mut connection = Connection::open(target, &self.settings).await.map_err(|error| error.to_string())?;
        let opened = self.clock.monotonic();
        let sighting = look(&mut connection, opened).await.map_err(|error| error.to_string())?;
        if self.fence.shuts_out(sighting.as_ref()) {
            return Err(REPLACED.to_owned());
        }
        let registration = Registration::new(&self.register, connection.canceller());
        Ok(Held { connection, opened, sighting, _registration: registration })
    }

    /// Connections at work, idle ones, and requests that wait for one.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let idle = self.idle.lock().len() as u64;
        (self.used.load(Ordering::Relaxed), idle, self.waiting.load(Ordering::Relaxed))
    }

    /// Hands out no more connections, closes those that are idle, and cancels what runs on the others: whoever waited for
    /// it is gone, and was told nothing, so that nothing of it shall be committed either.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for held in idle {
            // The server notices by itself, too.
            drop(held.connection.close().await);
        }
        let busy: Vec<Canceller> = self.register.lock().open.values().cloned().collect();
        let told = busy.into_iter().map(|canceller| {
            tokio::spawn(async move { drop(tokio::time::timeout(FAREWELL, canceller.cancel()).await) })
        });
        for told in told.collect::<Vec<_>>() {
            drop(told.await);
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

    /// Takes a connection back.
    pub(super) fn keep(&self, held: Held) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base::SystemClock;

    use super::*;

    /// A server that takes connections and says nothing, and how many came.
    async fn silent() -> (Target, Arc<AtomicU64>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicU64::new(0));
        let counted = came.clone();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                open.push(stream);
            }
        });
        (Target::parse(&format!("postgres://somebody@127.0.0.1:{port}/?sslmode=disable"), &|_| None).unwrap(), came)
    }

    fn pool_of(target: Target, most: usize) -> Arc<Pool> {
        let wait = Duration::from_millis(100);
        Pool::new(vec![target], Arc::default(), wire::Settings::default(), most, wait, Arc::new(SystemClock))
    }

    /// Where connecting takes ten seconds, nobody waits for more than the bound, and no more connect than there are places.
    #[tokio::test]
    async fn connecting_takes_no_longer_than_waiting_may() {
        let (target, came) = silent().await;
        let pool = pool_of(target, 2);
        let start = Instant::now();
        for why in ["takes longer", "takes longer", "in use"] {
            let error = pool.take(pool.wait()).await.err().unwrap();
            assert!(matches!(error, StoreError::Busy(told) if told.contains(why)), "{error}");
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(came.load(Ordering::Relaxed), 2);
        assert_eq!(pool.counts(), (0, 0, 0));
    }

    #[tokio::test]
    async fn who_leaves_while_waiting_waits_no_more() {
        let (target, _) = silent().await;
        let pool = pool_of(target, 0);
        let waiting = tokio::time::timeout(Duration::from_millis(20), pool.take(pool.wait())).await;
        assert!(waiting.is_err());
        assert_eq!(pool.load(), 0);
    }
}
