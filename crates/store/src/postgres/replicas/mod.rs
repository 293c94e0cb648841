//! Replicas: which of them may answer a read. One that has not replayed what the caller has seen may not, so nobody is shown
//! the past; nobody is remembered for that, the position travels with the request.

mod course;
mod gauges;
mod monitor;
mod route;
#[cfg(test)]
mod tests;
mod visited;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Freshness};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use self::course::{Budget, Course};
use self::visited::Visited;
use super::pool::{Fence, Pool};
use super::sighting::Sighting;
use crate::counted::Counted;
use crate::driver::{FallbackReason, Observer};
use crate::error::StoreError;
use crate::position::{Position, PositionKey, PositionToken};

pub(super) use monitor::watch;

/// What is asked of replicas.
#[derive(Debug, Clone)]
pub struct ReplicaSettings {
    /// Where they are, as libpq takes it.
    pub urls: Vec<String>,
    /// How far one may be behind before it answers nothing any more.
    pub max_lag: Duration,
    /// How long a read waits for one that has replayed what its caller has seen.
    pub wait: Duration,
    /// How many reads a second that no replica can answer go to the primary instead, per node.
    pub fallbacks_per_second: u32,
}

impl Default for ReplicaSettings {
    /// No replicas.
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            max_lag: Duration::from_secs(10),
            wait: Duration::from_millis(200),
            fallbacks_per_second: 500,
        }
    }
}

/// A replica.
pub(super) struct Server {
    name: Arc<str>,
    pool: Arc<Pool>,
    /// The newest sighting.
    seen: Mutex<Option<Sighting>>,
    /// Whether it may be asked: it was seen, and no request failed to connect to it since.
    is_up: AtomicBool,
    /// Whether it was looked at in vain: reads that wait for it go elsewhere.
    is_silent: watch::Sender<bool>,
    reads: AtomicU64,
    /// Why it answers nothing, as it was last told.
    told: Mutex<Option<&'static str>>,
}

/// The replicas of a primary.
pub(super) struct Replicas {
    servers: Vec<Server>,
    primary: Arc<Pool>,
    fence: Arc<Fence>,
    course: Mutex<Course>,
    settings: ReplicaSettings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    key: PositionKey,
    /// How far the primary had come when the catalog was read: what is planned on it is only understood from there on.
    catalog: Mutex<Option<Position>>,
    /// Ticks with every sighting.
    sighted: watch::Sender<()>,
    /// Somebody begins to wait for a sighting.
    awaited: Notify,
    waiting: AtomicU64,
    budget: Mutex<Budget>,
    /// Of reads whose position nobody here has signed: they shall not take what is for the others.
    strangers: Mutex<Budget>,
    next: AtomicU64,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    primary_reads: AtomicU64,
    waits: AtomicU64,
    fallbacks: [AtomicU64; FallbackReason::ALL.len()],
    refused: AtomicU64,
}

/// Who may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The primary, as it was asked for.
    Primary,
    /// The primary: nobody else knows of the position that was shown.
    Foreign {
        /// Whether a node with this key has signed it.
        is_signed: bool,
    },
    /// The primary: after a promotion nobody is known to have what the catalog shows, until it is read anew.
    Unread,
    /// Whoever has replayed this much, and is no further behind.
    Replica { point: u64, lag: Option<Duration> },
}

/// What a client shows of what it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// A position that nobody with this key has signed.
    Strange,
    Position(Position),
}

/// Where the primary may be: at its own URL, which comes first, and where the replicas are.
const PRIMARY_ITSELF: usize = 1;

/// Why one that does not answer is not asked.
const SILENT: &str = "it does not answer";

/// Which replica answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// This one: it had replayed enough when it was last looked at.
    Ready(usize),
    /// This one, if it has replayed enough by now.
    Unsure(usize),
    /// None has yet.
    Behind,
    /// None is there.
    Nobody,
}

impl Replicas {
    pub(super) fn new(
        servers: Vec<(Arc<str>, Arc<Pool>)>,
        primary: Arc<Pool>,
        fence: Arc<Fence>,
        settings: ReplicaSettings,
        key: PositionKey,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        let server = |(name, pool)| Server {
            name,
            pool,
            seen: Mutex::new(None),
            is_up: AtomicBool::new(false),
            is_silent: watch::Sender::new(false),
            reads: AtomicU64::new(0),
            told: Mutex::new(Some(SILENT)),
        };
        let budget = || Mutex::new(Budget::new(settings.fallbacks_per_second, clock.monotonic()));
        let (budget, strangers) = (budget(), budget());
        Arc::new(Self {
            servers: servers.into_iter().map(server).collect(),
            primary,
            fence,
            course: Mutex::default(),
            settings,
            clock,
            observer,
            key,
            catalog: Mutex::default(),
            sighted: watch::Sender::default(),
            awaited: Notify::new(),
            waiting: AtomicU64::new(0),
            budget,
            strangers,
            next: AtomicU64::new(0),
            counters: Counters::default(),
        })
    }

    /// Notes how far the primary had come when the catalog was read.
    pub(super) fn set_catalog(&self, position: Position) {
        *self.catalog.lock() = Some(position);
    }

    /// Looks at what a client shows. A node that gave it its position may have seen a promotion before this one: its history
    /// counts from now on, for whatever is asked of the primary.
    pub(super) fn learn(&self, token: Option<&PositionToken>) -> Shown {
        let Some(token) = token else { return Shown::Nothing };
        let Some(position) = self.key.verify(token) else { return Shown::Strange };
        if self.course.lock().system() == Some(position.system) {
            self.fence.raise(position.timeline);
        }
        Shown::Position(position)
    }

    /// Who may answer a read that is to be so fresh.
    fn wanted(&self, freshness: Freshness, shown: Shown) -> Wanted {
        let lag = match freshness {
            Freshness::Strong => return Wanted::Primary,
            Freshness::Bounded { seconds } => Some(Duration::from_secs(seconds.into()).min(self.settings.max_lag)),
            Freshness::Session => Some(self.settings.max_lag),
            Freshness::Eventual => None,
        };
        let timeline = self.fence.timeline();
        let mut point = 0;
        match shown {
            Shown::Nothing => {}
            _ if freshness == Freshness::Eventual => {}
            Shown::Strange => return Wanted::Foreign { is_signed: false },
            Shown::Position(position) => {
                if position.timeline != timeline || self.course.lock().system() != Some(position.system) {
                    return Wanted::Foreign { is_signed: true };
                }
                point = position.point;
            }
        }
        match (*self.catalog.lock()).filter(|position| position.timeline == timeline) {
            Some(catalog) => Wanted::Replica { point: point.max(catalog.point), lag },
            None => Wanted::Unread,
        }
    }

    /// How far a server has to have come to be no further behind.
    fn floor(&self, lag: Option<Duration>) -> u64 {
        lag.map_or(0, |lag| self.course.lock().floor(self.fence.timeline(), lag))
    }

    /// The replica to ask: among those that may answer the one with the least to do. Those that have not come as far as the
    /// floor are none.
    fn choose(&self, point: u64, floor: u64, visited: &Visited) -> Choice {
        let system = self.course.lock().system();
        let timeline = self.fence.timeline();
        let turn = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let mut best: Option<(bool, u64, usize)> = None;
        let mut is_anybody_there = false;
        for offset in 0..self.servers.len() {
            // Beginning at another one each time: those with equally much to do take turns.
            let place = (turn.wrapping_add(offset)) % self.servers.len();
            let Some(server) = self.servers.get(place) else { continue };
            let seen = *server.seen.lock();
            let Some(seen) = seen.filter(|_| server.is_up.load(Ordering::Relaxed)) else { continue };
            let follows = !seen.is_primary && seen.timeline == timeline && system == Some(seen.system);
            if !follows || seen.point < floor || visited.is_done_with(place) {
                continue;
            }
            is_anybody_there = true;
            let is_unready = seen.point < point;
            if visited.waits_for(place, &seen, is_unready) {
                continue;
            }
            let rank = (is_unready, server.pool.load(), place);
            if best.is_none_or(|best| (rank.0, rank.1) < (best.0, best.1)) {
                best = Some(rank);
            }
        }
        match best {
            Some((false, _, place)) => Choice::Ready(place),
            Some((true, _, place)) => Choice::Unsure(place),
            None if is_anybody_there => Choice::Behind,
            None => Choice::Nobody,
        }
    }

    /// Notes what was seen of a replica; `None` when it does not answer.
    fn note(&self, place: usize, sighting: Option<Sighting>) {
        let Some(server) = self.servers.get(place) else { return };
        server.is_up.store(sighting.is_some(), Ordering::Relaxed);
        if server.is_silent.send_replace(sighting.is_none()) != sighting.is_none() && sighting.is_none() {
            server.pool.drop_idle();
        }
        if let Some(sighting) = sighting {
            *server.seen.lock() = Some(sighting);
            // One that follows a newer history shows that there is a primary of it, wherever that is.
            if self.course.lock().system() == Some(sighting.system) {
                self.fence.raise(sighting.timeline);
                let is_newest = sighting.is_primary && sighting.timeline == self.fence.timeline();
                if is_newest && self.course.lock().timeline() < sighting.timeline {
                    // Otherwise one that hangs where the primary was would be waited for first, each time.
                    self.primary.prefer(place + PRIMARY_ITSELF);
                }
            }
        }
        self.sighted.send_replace(());
        self.tell(server);
    }

    /// Tells of a replica that comes or goes.
    fn tell(&self, server: &Server) {
        let reason = self.refusal(server);
        if std::mem::replace(&mut *server.told.lock(), reason) != reason {
            self.observer.replica(&server.name, reason);
        }
    }

    /// Why a replica answers no read.
    fn refusal(&self, server: &Server) -> Option<&'static str> {
        let seen = (*server.seen.lock()).filter(|_| server.is_up.load(Ordering::Relaxed));
        let Some(seen) = seen else { return Some(SILENT) };
        let course = self.course.lock();
        if course.system() != Some(seen.system) {
            return Some("it holds another database");
        }
        if seen.is_primary {
            return Some("it is a primary");
        }
        if seen.timeline != self.fence.timeline() {
            return Some("it is not known to follow the primary's timeline");
        }
        (course.lag(seen.timeline, seen.point) > self.settings.max_lag).then_some("it is too far behind")
    }

    /// Notes what was seen of the primary; `false` for one that is none any more.
    fn note_primary(&self, sighting: Sighting) -> bool {
        let is_it = sighting.is_primary && sighting.timeline >= self.fence.timeline();
        if is_it {
            self.fence.raise(sighting.timeline);
            self.course.lock().note(&sighting);
        }
        is_it
    }

    /// A replica could not be connected to: it is not asked again before it was seen again.
    fn note_down(&self, place: usize) {
        if let Some(server) = self.servers.get(place) {
            server.is_up.store(false, Ordering::Relaxed);
        }
    }

    /// Waits for the next sighting, until the deadline; `false` when it comes first.
    async fn next_sighting(&self, sightings: &mut watch::Receiver<()>, deadline: Instant) -> bool {
        let _waiting = Counted::among(&self.waiting);
        // It is looked more often meanwhile.
        self.awaited.notify_waiters();
        let left = deadline.saturating_duration_since(self.clock.monotonic());
        matches!(tokio::time::timeout(left, sightings.changed()).await, Ok(Ok(())))
    }

    fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes note of the primary, before anything else is looked at.
    ///
    /// # Errors
    /// [`StoreError::Address`] for one that does not tell where it is.
    pub(super) fn begin(&self, primary: Option<Sighting>) -> Result<(), StoreError> {
        let primary = primary.ok_or_else(|| {
            StoreError::Address(
                "the primary does not tell its position in the log, so replicas cannot be used: it has to be PostgreSQL \
                 itself, and pg_control_system() and pg_walfile_name() callable"
                    .to_owned(),
            )
        })?;
        self.note_primary(primary);
        Ok(())
    }

    /// Whether what answers there are replicas of this primary. One that does not answer may come later.
    ///
    /// # Errors
    /// [`StoreError::Address`] for one that holds another database.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let Some(system) = self.course.lock().system() else { return Ok(()) };
        for server in &self.servers {
            let other = (*server.seen.lock()).filter(|seen| seen.system != system);
            if let Some(other) = other {
                return Err(StoreError::Address(format!(
                    "{} of database.replicas is no replica of database.url: its system identifier is {}, not {system}",
                    server.name, other.system
                )));
            }
        }
        Ok(())
    }

    /// Closes the pools.
    pub(super) async fn close(&self) {
        for server in &self.servers {
            server.pool.close().await;
        }
    }
}
