//! The gate that requests pass on their way in.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Failure, Kind, Network};
use http::HeaderMap;
use parking_lot::Mutex;
use telemetry::{OverloadChanged, RequestShed, Telemetry};
use tokio::sync::oneshot;

use super::class::{Acquaintances, Class, Proof, Shown, Worth};
use super::controller::{Controller, Load};

/// How long somebody who has signed in waits for room. It bridges a burst, and the moment in which an overload begins, until the
/// others are turned away; clients wait for two seconds and longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many wait at most. Behind so many nobody is served before his patience ends.
const MOST_WAITING: usize = 128;

/// Somebody has waited for so long without a break: this is no burst. The last who came goes first then, since he is the one who
/// still has time.
const NO_BURST: Duration = Duration::from_millis(100);

/// How often the bound is set anew. Long enough for some requests to be served.
const STEP: Duration = Duration::from_millis(50);

/// How often is measured how long a task waits for a processor.
const PROBE: Duration = Duration::from_millis(10);

/// Nobody was turned away for so long: the overload is over.
const OVER: Duration = Duration::from_secs(2);

/// After how many seconds those who were turned away may come again, by class. A part of as much again is added by turns, so that
/// they do not come back all at once.
const RETRY_AFTER: [u32; 4] = [1, 1, 5, 2];

/// How credentials are refused that anybody can make up as many of as he likes: tokens that nobody signed or nobody can verify, and
/// keys that do not count or not from here.
const FORGED: [&str; 4] = ["PGRST300", "PGRST301", "PANDO401", "PANDO403"];

/// How those are refused that once counted: tokens that have expired or are of a role that may not be taken.
const WORTH_NOTHING: [&str; 3] = ["PGRST303", "22023", "42501"];

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// How long requests may wait for their turn before less is let in.
    pub target: Duration,
    /// The fewest that are answered at once, however long they wait: as many as can be worked on without waiting.
    pub fewest: u64,
    /// The most that are answered at once, whatever is measured.
    pub most: u64,
    /// The roles that are never turned away here.
    pub system_roles: Vec<String>,
    /// The role of those who show nothing.
    pub anonymous_role: String,
    /// The networks behind whose addresses there are many, so that none is blamed for another's credentials.
    pub exempt_networks: Vec<Network>,
}

/// Lets in what can be answered in time, and turns the rest away.
pub struct Gate {
    settings: GateSettings,
    state: Mutex<State>,
    known: Acquaintances,
    clock: Arc<dyn Clock>,
    began: Instant,
    turn: AtomicU64,
    telemetry: Arc<Telemetry>,
}

struct State {
    controller: Controller,
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// Since when somebody waits without a break.
    waits_since: Option<Instant>,
    /// When somebody was turned away last, while that is an overload.
    last_shed: Option<Instant>,
    is_overloaded: bool,
}

/// Room for one request; given back when dropped.
pub struct Place {
    gate: Arc<Gate>,
}

/// A request as it stands before the gate.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    shown: Shown,
    address: IpAddr,
}

impl Arrival {
    /// Its class.
    pub fn class(&self) -> Class {
        self.shown.class
    }
}

/// A request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shed {
    /// After how many seconds it may come again.
    pub retry_after_seconds: u32,
}

impl From<Shed> for Failure {
    fn from(shed: Shed) -> Self {
        Self::new(Kind::Unavailable, "PANDO503", "The server answers as many requests as it can; try again")
            .with_details("More is asked than can be answered in time (limits.overload)")
            .with_retry_after(shed.retry_after_seconds)
    }
}

impl Gate {
    /// A gate that [`Gate::watch`] is to keep an eye on.
    pub fn new(settings: GateSettings, clock: Arc<dyn Clock>, telemetry: Arc<Telemetry>) -> Arc<Self> {
        let state = State {
            controller: Controller::new(settings.target, settings.fewest, settings.most),
            waiting: VecDeque::new(),
            waits_since: None,
            last_shed: None,
            is_overloaded: false,
        };
        let began = clock.monotonic();
        let (known, turn) = (Acquaintances::new(), AtomicU64::new(0));
        Arc::new(Self { settings, state: Mutex::new(state), known, clock, began, turn, telemetry })
    }

    /// Looks at the head of a request, which has this `proof`, and whether somebody `verifies` that.
    pub fn look(&self, (proof, verifies): (Proof<'_>, bool), headers: &HeaderMap, address: IpAddr) -> Arrival {
        Arrival { shown: self.known.classify((proof, verifies), headers, address, self.since_start()), address }
    }

    /// Whether there is room for it, or it may wait for some. A body need not be taken in of a request that will be turned away.
    ///
    /// # Errors
    /// When it is turned away.
    pub fn check(&self, arrival: &Arrival) -> Result<(), Shed> {
        let class = arrival.class();
        let mut state = self.state.lock();
        let may_wait = class <= Class::Interactive && state.waiting.len() < MOST_WAITING;
        let is_fine = may_wait || state.controller.has_room(class);
        drop(state);
        if is_fine { Ok(()) } else { Err(self.shed(class)) }
    }

    /// Lets a request in. Those who have signed in wait a moment for room, all others do not.
    ///
    /// # Errors
    /// When it is turned away.
    pub async fn enter(self: &Arc<Self>, arrival: &Arrival) -> Result<Place, Shed> {
        let class = arrival.class();
        let turn = {
            let mut state = self.state.lock();
            state.forget_those_who_left();
            if state.controller.enter(class) {
                return Ok(Place { gate: self.clone() });
            }
            // For want of processors it is turned away at once: waiting would not free one.
            let may_wait =
                class == Class::Interactive && !state.controller.has_room(class) && state.waiting.len() < MOST_WAITING;
            may_wait.then(|| {
                let (give, take) = oneshot::channel();
                state.waiting.push_back(give);
                state.waits_since.get_or_insert_with(|| self.clock.monotonic());
                take
            })
        };
        let place = match turn {
            Some(turn) => tokio::time::timeout(PATIENCE, turn).await.ok().and_then(Result::ok),
            None => None,
        };
        place.ok_or_else(|| self.shed(class))
    }

    /// Remembers what the credential of a request was worth: the role that it ran as, or the code with which it was refused.
    pub fn learn(&self, arrival: &Arrival, role: Option<&str>, code: Option<&str>) {
        let is = |role: &str, other: &String| role == other;
        let worth = match (role, code) {
            (Some(role), _) if self.settings.system_roles.iter().any(|other| is(role, other)) => {
                Worth::Class(Class::System)
            }
            (Some(role), _) if is(role, &self.settings.anonymous_role) => Worth::Class(Class::Anonymous),
            (Some(_), _) => Worth::Class(Class::Interactive),
            (None, Some(code)) if FORGED.contains(&code) => Worth::Forged,
            (None, Some(code)) if WORTH_NOTHING.contains(&code) => Worth::Nothing,
            // It did not come so far.
            (None, _) => return,
        };
        let is_exempt = || self.settings.exempt_networks.iter().any(|network| network.contains(arrival.address));
        self.known.learn(&arrival.shown, worth, worth == Worth::Forged && is_exempt(), self.since_start());
    }

    /// Measures and sets the bound, for as long as it is polled. `waiting` says how many requests wait for the database now.
    pub async fn watch(self: Arc<Self>, waiting: impl Fn() -> u64 + Send) {
        let mut stepped = self.clock.monotonic();
        let mut lag = Duration::MAX;
        loop {
            let asked = self.clock.monotonic();
            tokio::time::sleep(PROBE).await;
            // The timer wakes this task before those that wait; by yielding it queues up behind them.
            tokio::task::yield_now().await;
            let now = self.clock.monotonic();
            // A timer has a resolution of a millisecond.
            let late = now.saturating_duration_since(asked).saturating_sub(PROBE + Duration::from_millis(1));
            lag = lag.min(late);
            let elapsed = now.saturating_duration_since(stepped);
            if elapsed >= STEP {
                self.step(Load { elapsed, waiting: waiting(), lag }, now);
                stepped = now;
                lag = Duration::MAX;
            }
        }
    }

    /// Sets the bound by what was measured.
    pub fn step(self: &Arc<Self>, load: Load, now: Instant) {
        let mut state = self.state.lock();
        state.controller.step(load);
        let (limit, delay) = (state.controller.limit(), state.controller.delay());
        self.telemetry.metrics().set_concurrency(limit, delay);
        // A bound that has risen lets some in who wait.
        let mut let_in = Vec::new();
        while let Some(waiter) = self.next_waiter(&mut state, now) {
            let_in.push(waiter);
        }
        let is_over = state.last_shed.is_none_or(|last| now.saturating_duration_since(last) >= OVER);
        let has_ended = state.is_overloaded && is_over;
        if has_ended {
            state.is_overloaded = false;
        }
        drop(state);
        let_in.into_iter().for_each(|waiter| hand_over(self, waiter));
        if has_ended {
            self.telemetry.report(&OverloadChanged { is_overloaded: false, limit, delay });
        }
    }

    /// How many are answered at once at most, now.
    pub fn limit(&self) -> u64 {
        self.state.lock().controller.limit()
    }

    /// How many are being answered.
    pub fn in_flight(&self) -> u64 {
        self.state.lock().controller.in_flight()
    }

    fn since_start(&self) -> Duration {
        self.clock.monotonic().saturating_duration_since(self.began)
    }

    fn shed(&self, class: Class) -> Shed {
        self.telemetry.report(&RequestShed { class: class.name() });
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.last_shed = Some(now);
        let has_begun = !std::mem::replace(&mut state.is_overloaded, true);
        let (limit, delay) = (state.controller.limit(), state.controller.delay());
        drop(state);
        if has_begun {
            self.telemetry.report(&OverloadChanged { is_overloaded: true, limit, delay });
        }
        let seconds = RETRY_AFTER.get(class.index()).copied().unwrap_or(1);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let more = u32::try_from(turn % u64::from(seconds + 1)).unwrap_or_default();
        Shed { retry_after_seconds: seconds + more }
    }

    /// The next who waits and still does, with room already his own.
    fn next_waiter(&self, state: &mut State, now: Instant) -> Option<oneshot::Sender<Place>> {
        let is_burst = state.waits_since.is_some_and(|since| now.saturating_duration_since(since) < NO_BURST);
        while !state.waiting.is_empty() && state.controller.has_room(Class::Interactive) {
            let waiter = if is_burst { state.waiting.pop_front() } else { state.waiting.pop_back() };
            let Some(waiter) = waiter.filter(|waiter| !waiter.is_closed()) else { continue };
            if state.controller.enter(Class::Interactive) {
                return Some(waiter);
            }
            // Turned away for want of processors.
        }
        if state.waiting.is_empty() {
            state.waits_since = None;
        }
        None
    }
}

impl State {
    /// Whose patience ended stands at the front: he came before the others.
    fn forget_those_who_left(&mut self) {
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            self.waits_since = None;
        }
    }
}

/// Gives somebody who waits his room. Never under the lock: room that nobody takes any more is given back when it is dropped.
fn hand_over(gate: &Arc<Gate>, waiter: oneshot::Sender<Place>) {
    drop(waiter.send(Place { gate: gate.clone() }));
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.gate.clock.monotonic();
        let waiter = {
            let mut state = self.gate.state.lock();
            state.controller.leave();
            self.gate.next_waiter(&mut state, now)
        };
        if let Some(waiter) = waiter {
            hand_over(&self.gate, waiter);
        }
    }
}
