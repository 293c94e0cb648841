//! Short reads share a few connections. Each of them sends what comes at once, whether or not what was sent before is answered, and
//! the answers come in the order of the questions: so a server has few sessions at work, one after the other, instead of one for each
//! request, and what many ask at the same time travels together.
//!
//! Nothing of one request is another's: each is a transaction of its own up to its own Sync, with its own role and settings, and an
//! error ends only that. What is shared is the wait: who comes behind a read that turns out to take long waits for no longer than
//! [`PATIENCE`], and goes alone then; nobody else is sent behind it, and its statement goes alone from then on, until it is seen to be over at
//! once. While few are at work each goes alone from the beginning.

use std::array;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use datatype::Zone;
use parking_lot::Mutex;
use plan::Access;
use sql::postgres::Rendered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use wire::{Connection, TransactionStatus};

use super::collect::Collecting;
use super::flight::{Asked, Ending, Sending, Steps, ending};
use super::guarded::is_guarded;
use super::lease::Lease;
use super::missed::{Missed, missed_of};
use super::outcome::outcome_of;
use super::output::Output;
use super::run::zone;
use super::session::Own;
use super::{PostgresStore, failure};
use crate::counted::Counted;
use crate::driver::{Job, Ran, Rendered as AnyRendered, SharedReads};

/// How long a read waits for its answer on a connection that it shares before it goes alone: what comes before it takes longer than was
/// thought.
const PATIENCE: Duration = Duration::from_millis(50);
/// A read that is served for longer than this is not over at once. Nobody is sent behind it.
const LONG: Duration = Duration::from_millis(20);
/// So many statements are known to take long, at most; of two that meet at one place the later is known.
const LONG_STATEMENTS: usize = 256;
/// The most reads that are under way on one connection: so many may have to wait for one that takes long.
const MOST_UNDER_WAY: u64 = 16;
/// From so many on under way another connection is taken, if there may be one.
const ENOUGH_UNDER_WAY: u64 = 4;
/// One of so many of a pool's connections is shared at most, and one of so many short reads may go alone.
const SHARED_PART: usize = 4;

/// The connections that are shared.
pub(super) struct Together {
    /// The most of them, and of short reads that go alone at the same time.
    most: usize,
    alone: AtomicU64,
    ways: Mutex<Vec<Arc<Way>>>,
    /// Statements that were seen to take long; 0 is none.
    long: [AtomicU64; LONG_STATEMENTS],
    hasher: RandomState,
    /// Reads that were answered on a connection that is shared, and that went on alone.
    answered: AtomicU64,
    given_up: AtomicU64,
}

/// Which statement a read is, for one process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct StatementKey(u64);

/// A connection that is shared.
struct Way {
    questions: UnboundedSender<Question>,
    /// How many were given to it and are not answered.
    under_way: AtomicU64,
    /// What is served, and since when; at first [`CONNECTING`].
    first: Mutex<Option<(StatementKey, Instant)>>,
    /// Somebody awaits his answer no more.
    given_up: Notify,
}

/// No statement: a connection is waited for.
const CONNECTING: StatementKey = StatementKey(0);

impl Way {
    /// What is served for longer than a read that is over at once.
    fn long(&self, now: Instant) -> Option<StatementKey> {
        self.first.lock().filter(|(_, since)| now.saturating_duration_since(*since) > LONG).map(|(key, _)| key)
    }
}

/// Somebody who awaits his answer; whoever serves him is told when he goes without one.
struct Awaiting<'a> {
    way: &'a Way,
    is_answered: bool,
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.way.given_up.notify_one();
        }
    }
}

/// A connection is no longer shared when this goes.
struct Serving<'a> {
    together: &'a Together,
    way: &'a Arc<Way>,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.together.leave(self.way, true);
    }
}

/// A read that goes together with others, and where its answer is awaited.
struct Question {
    job: Job,
    key: StatementKey,
    answer: oneshot::Sender<Result<Ran, Missed>>,
}

/// A read that was sent.
struct UnderWay {
    question: Question,
    steps: Steps,
    zone: Zone,
    collecting: Collecting,
}

/// How a read goes.
pub(super) enum Turn<'a> {
    /// It was answered with others.
    Answered(Result<Ran, Missed>),
    /// Alone; others may share connections as long as this is there.
    Alone(Option<Counted<'a>>),
}

impl Together {
    /// For a pool of so many connections. A small one shares nothing: there each connection is somebody's.
    pub(super) fn new(connections: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            most: (connections / SHARED_PART).min(cores.max(2)),
            alone: AtomicU64::new(0),
            ways: Mutex::default(),
            long: array::from_fn(|_| AtomicU64::new(0)),
            hasher: RandomState::new(),
            answered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }

    /// What became of the reads that share, where they may.
    pub(super) fn gauges(&self) -> Option<SharedReads> {
        let shared = SharedReads {
            answered: self.answered.load(Ordering::Relaxed),
            alone: self.given_up.load(Ordering::Relaxed),
        };
        (self.most > 0).then_some(shared)
    }

    fn key_of(&self, rendered: &Rendered) -> StatementKey {
        StatementKey(self.hasher.hash_one(rendered.main.text()).max(1))
    }

    fn place_of(&self, key: StatementKey) -> Option<&AtomicU64> {
        usize::try_from(key.0 % LONG_STATEMENTS as u64).ok().and_then(|place| self.long.get(place))
    }

    fn is_long(&self, key: StatementKey) -> bool {
        self.place_of(key).is_some_and(|place| place.load(Ordering::Relaxed) == key.0)
    }

    /// Notes how long a statement took alone, where it is known to take long: it may have waited for something that is over.
    pub(super) fn note_alone(&self, key: StatementKey, took: Duration) {
        if took < LONG / 4
            && let Some(place) = self.place_of(key)
        {
            let _another = place.compare_exchange(key.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn note_long(&self, key: StatementKey) {
        if let Some(place) = self.place_of(key) {
            place.store(key.0, Ordering::Relaxed);
        }
    }

    /// Whether one more may go alone.
    fn alone(&self) -> Option<Counted<'_>> {
        let is_one_more = self.alone.load(Ordering::Relaxed) < self.most as u64;
        is_one_more.then(|| Counted::among(&self.alone))
    }

    /// Gives a question to the connection with the fewest, or to a new one, of which the questions are given back; `None` if there is no room.
    fn give(&self, question: Question, now: Instant) -> Option<(Arc<Way>, Option<UnboundedReceiver<Question>>)> {
        let mut ways = self.ways.lock();
        let under_way = |way: &Arc<Way>| way.under_way.load(Ordering::Relaxed);
        let fewest = ways.iter().filter(|way| way.long(now).is_none()).min_by_key(|way| under_way(way)).cloned();
        let may_open = ways.len() < self.most;
        let full = if may_open { ENOUGH_UNDER_WAY } else { MOST_UNDER_WAY };
        if let Some(way) = fewest.filter(|way| under_way(way) < full) {
            // Counted before whoever serves it can see that there is nothing to do.
            way.under_way.fetch_add(1, Ordering::Relaxed);
            if way.questions.send(question).is_err() {
                ways.retain(|other| !Arc::ptr_eq(other, &way));
                return None;
            }
            return Some((way, None));
        }
        if !may_open {
            return None;
        }
        let (questions, coming) = unbounded_channel();
        let first = Mutex::new(Some((CONNECTING, now)));
        let way = Arc::new(Way { questions, under_way: AtomicU64::new(1), first, given_up: Notify::new() });
        way.questions.send(question).ok()?;
        ways.push(way.clone());
        drop(ways);
        Some((way, Some(coming)))
    }

    /// Takes a connection away if nothing is under way on it, or in any case.
    fn leave(&self, way: &Arc<Way>, in_any_case: bool) -> bool {
        let mut ways = self.ways.lock();
        let leaves = in_any_case || way.under_way.load(Ordering::Relaxed) == 0;
        if leaves {
            ways.retain(|other| !Arc::ptr_eq(other, way));
        }
        leaves
    }
}

impl PostgresStore {
    /// Which statement a job is, if it is a read that may go together with others: over at once by what the catalog knows, of one moment by itself, and without
    /// anything that could do something to the session.
    pub(super) fn short(&self, job: &Job, rendered: &Rendered) -> Option<StatementKey> {
        let plan = &job.plan;
        let is_short = self.together.most > 0
            && plan.footprint.cost.is_short
            && plan.access == Access::ReadOnly
            && plan.explain.is_none()
            && !is_guarded(job)
            && !self.may_leave_traces(job)
            && ending(job, rendered, Own::of(job, &self.settings.hoisted).isolation()) == Ending::Itself;
        is_short.then(|| self.together.key_of(rendered))
    }

    /// Has a short read answered together with others, where there are others.
    pub(super) async fn go_together(&self, job: &Job, key: StatementKey, wait: Duration) -> Turn<'_> {
        if self.together.is_long(key) {
            return Turn::Alone(None);
        }
        if let Some(alone) = self.together.alone() {
            return Turn::Alone(Some(alone));
        }
        let (answer, told) = oneshot::channel();
        let Some((way, is_new)) =
            self.together.give(Question { job: job.clone(), key, answer }, self.clock.monotonic())
        else {
            return Turn::Alone(None);
        };
        if let Some(coming) = is_new {
            let Some(store) = self.myself.get().and_then(Weak::upgrade) else {
                self.together.leave(&way, true);
                return Turn::Alone(None);
            };
            let way = way.clone();
            tokio::spawn(async move { store.serve(&way, coming).await });
        }
        let mut awaiting = Awaiting { way: &way, is_answered: false };
        let told = tokio::time::timeout(PATIENCE.min(wait), told).await;
        if let Ok(Ok(answered)) = told {
            awaiting.is_answered = true;
            self.together.answered.fetch_add(1, Ordering::Relaxed);
            return Turn::Answered(answered);
        }
        // Who is behind another one, or behind many, is not what takes long.
        if told.is_err() && way.long(self.clock.monotonic()) == Some(key) {
            self.together.note_long(key);
        }
        self.together.given_up.fetch_add(1, Ordering::Relaxed);
        Turn::Alone(None)
    }

    /// Serves those who share a connection, until nobody is left. Whoever is not answered goes alone.
    async fn serve(&self, way: &Arc<Way>, mut coming: UnboundedReceiver<Question>) {
        let serving = Serving { together: &self.together, way };
        let Ok(mut lease) = self.pool.take(self.settings.wait).await else { return };
        let mut under_way = VecDeque::new();
        let served = self.serve_on(&mut lease, way, &mut coming, &mut under_way).await;
        // From here on nobody comes.
        drop((serving, coming));
        let left = under_way.len();
        match (served, under_way.pop_front()) {
            // It may be what the connection was lost by. The others go alone, and nothing is held against them.
            (Err(error), Some(first)) => self.lose(first, error),
            (Ok(()), Some(first)) => {
                drop((first, under_way));
                lease.abandon(left).await;
            }
            (_, None) => {}
        }
    }

    async fn serve_on(
        &self,
        lease: &mut Lease,
        way: &Arc<Way>,
        coming: &mut UnboundedReceiver<Question>,
        under_way: &mut VecDeque<UnderWay>,
    ) -> Result<(), wire::Error> {
        let sighting = lease.sighting();
        let Ok(connection) = lease.connection() else { return Ok(()) };
        let (mut questions, mut is_unawaited) = (Vec::new(), false);
        loop {
            while let Ok(question) = coming.try_recv() {
                questions.push(question);
            }
            questions.retain(|question| {
                let is_awaited = !question.answer.is_closed();
                if !is_awaited {
                    way.under_way.fetch_sub(1, Ordering::Relaxed);
                }
                is_awaited
            });
            if under_way.is_empty() && questions.is_empty() {
                if self.together.leave(way, false) {
                    return Ok(());
                }
                // Somebody has come in between.
                continue;
            }
            // What a server says that was replaced is past.
            let is_past = sighting.is_some_and(|seen| seen.is_primary && self.pool.is_past(seen.timeline));
            if is_past || self.pool.is_closed() {
                return Ok(());
            }
            let sent = std::mem::take(&mut questions);
            if !sent.is_empty() && self.send_together(connection, sent, way, under_way).await.is_err() {
                // Of one that cannot be sent, or where nothing can be: nobody knows whose fault it is.
                return Ok(());
            }
            let (mut is_stale, mut is_odd) = (false, false);
            tokio::select! {
                biased;
                question = coming.recv() => questions.extend(question),
                () = way.given_up.notified() => {
                    is_unawaited = under_way.front().is_some_and(|first| first.question.answer.is_closed());
                }
                // Whoever takes the connection back ends what runs there.
                () = async { tokio::time::sleep(LONG).await }, if is_unawaited => return Ok(()),
                event = connection.next() => {
                    let event = event?;
                    is_odd = matches!(event, wire::Event::Ready(status) if status != TransactionStatus::Idle);
                    if let Some(first) = under_way.front_mut() {
                        self.take_in(first, &event);
                        if first.collecting.is_done() && let Some(done) = under_way.pop_front() {
                            way.under_way.fetch_sub(1, Ordering::Relaxed);
                            self.note_first(way, under_way);
                            is_unawaited = under_way.front().is_some_and(|first| first.question.answer.is_closed());
                            is_stale = self.tell(done);
                        }
                    }
                }
            }
            if is_odd {
                return Ok(());
            }
            if is_stale {
                connection.forget();
            }
        }
    }

    /// Sends questions on their way, each up to a Sync of its own.
    async fn send_together(
        &self,
        connection: &mut Connection,
        questions: Vec<Question>,
        way: &Way,
        under_way: &mut VecDeque<UnderWay>,
    ) -> Result<(), wire::Error> {
        let with_zone = |question: Question| {
            let zone = zone(connection, &question.job, Own::of(&question.job, &self.settings.hoisted));
            (question, zone)
        };
        let questions: Vec<(Question, Zone)> = questions.into_iter().map(with_zone).collect();
        let mut flight = connection.flight();
        let mut sent = Vec::with_capacity(questions.len());
        for (question, zone) in questions {
            let AnyRendered::Postgres(rendered) = &*question.job.rendered else { continue };
            let (job, own) = (&question.job, Own::of(&question.job, &self.settings.hoisted));
            let steps = self
                .stage(&mut flight, &Sending { page_rows: 0, ..Sending::whole(job, rendered, own, Asked::NOTHING) })?;
            let output = Output::of(job, rendered, &zone, self.settings.max_buffered_bytes);
            let collecting = Collecting::new(&steps, job, &output);
            sent.push(UnderWay { question, steps, zone, collecting });
        }
        flight.send().await?;
        let is_first = under_way.is_empty();
        under_way.extend(sent);
        if is_first {
            self.note_first(way, under_way);
        }
        Ok(())
    }

    /// Notes what is served from now on.
    fn note_first(&self, way: &Way, under_way: &VecDeque<UnderWay>) {
        *way.first.lock() = under_way.front().map(|first| (first.question.key, self.clock.monotonic()));
    }

    fn take_in(&self, of: &mut UnderWay, event: &wire::Event<'_>) {
        let UnderWay { question, steps, zone, collecting } = of;
        let AnyRendered::Postgres(rendered) = &*question.job.rendered else { return };
        let output = Output::of(&question.job, rendered, zone, self.settings.max_buffered_bytes);
        collecting.take(event, steps, rendered.page.as_deref().copied(), &output);
    }

    /// Tells the one that was served when the connection failed.
    fn lose(&self, first: UnderWay, error: wire::Error) {
        if first.collecting.has_failed() {
            // The server said why before it went.
            let _stale = self.tell(first);
        } else {
            let _unheard = first.question.answer.send(Err(error.into()));
        }
    }

    /// Tells what came of a question; whether prepared statements no longer fit.
    fn tell(&self, done: UnderWay) -> bool {
        let UnderWay { question, zone, collecting, .. } = done;
        let Question { job, answer, .. } = question;
        let AnyRendered::Postgres(rendered) = &*job.rendered else { return false };
        let mut outcome = collecting.end(rendered.page.as_deref().copied());
        if outcome.unwritable.is_some() {
            // Alone it may be sent in pieces.
            return false;
        }
        let told = match outcome.error.take() {
            Some(error) => Err(missed_of(&error, failure::of_job(&error, &job), false)),
            None => {
                let output = Output::of(&job, rendered, &zone, self.settings.max_buffered_bytes);
                outcome_of(outcome, &job, &output).map_err(Missed::Failed)
            }
        };
        let is_stale = matches!(told, Err(Missed::Stale(_)));
        // Who has gone needs no answer.
        let _unheard = answer.send(told);
        is_stale
    }
}
