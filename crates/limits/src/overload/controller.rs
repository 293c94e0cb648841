//! How many requests are answered at once, and which are turned away: the arithmetic, without a clock.
//!
//! What is held near its target is the *queue delay*: how long requests wait for their turn. It is measured where they wait, and
//! not guessed from how long requests take, as the gradient of latency does (Netflix's concurrency-limits): point reads and exports
//! come over the same door, and a change in their mixture would look like overload. Of the two, the longer counts:
//!
//! - for a connection to the database, or the writer: those who wait, divided by those who are served in a second (Little's law).
//!   Against it the number of requests that are answered at once is bounded. The bound falls in proportion to the delay, and rises
//!   by a tenth while it is met (AIMD).
//! - for a processor: how late a task is that only wants to run. Requests that never wait elsewhere (reads of the embedded engine)
//!   are not many at once, so no bound would hold them; against it a part of them is turned away, more with every step (CoDel: only
//!   when the shortest delay of a while is too long, since a burst is no overload).

use std::time::Duration;

use super::class::Class;

/// Where the bound begins, before anything was measured. High, since it falls faster than it rises.
const FIRST: f64 = 256.0;

/// By how much the bound rises in one step while it is met: by a tenth, and by one at least.
const RISE: f64 = 0.1;

/// The bound falls at most to this part in one step: one measure may be wrong.
const STEEPEST: f64 = 0.7;

/// What part of the bound each class may fill. What is above it is left to those before, so that they find room at once however
/// many of the others come.
const SHARES: [f64; 4] = [f64::INFINITY, 1.0, 0.75, 0.6];

/// By how much the pressure on those who wait for a processor rises or falls in one step; 1 turns everybody away but the first
/// class. It rises fast against those who are nobody in particular and batches, so that the queue is short again before those who
/// have signed in are to suffer for it.
const MORE_PRESSURE: f64 = 0.2;
const MORE_ON_SIGNED_IN: f64 = 0.02;
const LESS_PRESSURE: f64 = 0.04;

/// The shortest lag has to be too long for so long before anybody is turned away: a machine on which others work as well stops a
/// process for tens of milliseconds, and that is no overload.
const PERSISTENT: Duration = Duration::from_millis(300);

const LATE_STEPS: u32 = 4;

/// Above this pressure those who have signed in are turned away.
const ON_SIGNED_IN: f64 = 2.0 / 3.0;

/// Of each class some are always let in: whoever is shut out altogether cannot tell that it is over.
const MOST_REFUSED: f64 = 0.98;

/// So many served requests are remembered in the smoothed rate, as a part of each step.
const SMOOTHING: f64 = 0.3;

/// What was measured since the step before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// How long it is since then.
    pub elapsed: Duration,
    /// Requests that wait for a connection to the database, or for the writer.
    pub waiting: u64,
    /// The shortest time that a task waited for a processor.
    pub lag: Duration,
}

/// The arithmetic.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    target: Duration,
    fewest: f64,
    most: f64,
    limit: f64,
    pressure: f64,
    /// The lag of the step before.
    lag: Duration,
    /// For how long, and how many steps, every lag was too long.
    late_for: Duration,
    late_steps: u32,
    in_flight: u64,
    served: u64,
    /// Requests served in a second, smoothed.
    rate: f64,
    /// Whether anybody found the bound met since the step before.
    is_met: bool,
    delay: Duration,
    /// Parts of requests that are still to be turned away, by class: which ones is no matter of chance.
    owed: [f64; 4],
}

impl Controller {
    /// Holds the delay near `target`, and answers at least `fewest` and at most `most` at once.
    pub(crate) fn new(target: Duration, fewest: u64, most: u64) -> Self {
        let most = most.max(1) as f64;
        let fewest = (fewest.max(1) as f64).min(most);
        Self {
            target,
            fewest,
            most,
            limit: FIRST.clamp(fewest, most),
            pressure: 0.0,
            lag: Duration::ZERO,
            late_for: Duration::ZERO,
            late_steps: 0,
            in_flight: 0,
            served: 0,
            rate: 0.0,
            is_met: false,
            delay: Duration::ZERO,
            owed: [0.0; 4],
        }
    }

    /// Whether a request of a class may go in. Every one that does has its [`Controller::leave`].
    pub(crate) fn enter(&mut self, class: Class) -> bool {
        if !self.has_room(class) || self.is_owed(class) {
            return false;
        }
        self.in_flight += 1;
        true
    }

    /// Whether there is room for one of the class.
    pub(crate) fn has_room(&mut self, class: Class) -> bool {
        let share = SHARES.get(class.index()).copied().unwrap_or_default();
        let has_room = (self.in_flight as f64) < (self.limit * share).max(1.0);
        self.is_met |= !has_room;
        has_room
    }

    /// A request is done.
    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.served += 1;
    }

    /// Takes the next step.
    pub(crate) fn step(&mut self, load: Load) {
        let seconds = load.elapsed.as_secs_f64().max(0.001);
        let rate = self.served as f64 / seconds;
        self.rate = if self.rate == 0.0 { rate } else { self.rate + SMOOTHING * (rate - self.rate) };
        self.served = 0;
        let wait = self.wait_of(load.waiting);
        self.delay = wait.max(load.lag);
        if wait > self.target {
            let gradient = self.target.as_secs_f64() / wait.as_secs_f64();
            self.limit *= gradient.max(STEEPEST);
        } else if self.is_met {
            self.limit += (self.limit * RISE).max(1.0);
        }
        self.limit = self.limit.clamp(self.fewest, self.most);
        self.is_met = false;
        let is_late = load.lag > self.target;
        self.late_for = if is_late { self.late_for.saturating_add(load.elapsed) } else { Duration::ZERO };
        // One late measure, however late, is one.
        self.late_steps = if is_late { self.late_steps.saturating_add(1) } else { 0 };
        let persists = self.late_for >= PERSISTENT && self.late_steps >= LATE_STEPS;
        let step = match is_late {
            true if self.pressure == 0.0 && !persists => 0.0,
            true if self.pressure < ON_SIGNED_IN => MORE_PRESSURE.min(ON_SIGNED_IN - self.pressure),
            // The queue gets shorter by itself.
            true if load.lag < self.lag => 0.0,
            true => MORE_ON_SIGNED_IN,
            false => -LESS_PRESSURE,
        };
        self.lag = load.lag;
        self.pressure = (self.pressure + step).clamp(0.0, 1.0);
    }

    /// How long so many wait, at the pace of late.
    fn wait_of(&self, waiting: u64) -> Duration {
        if waiting == 0 {
            return Duration::ZERO;
        }
        // Nobody was served: they wait as long as anybody can say.
        Duration::try_from_secs_f64(waiting as f64 / self.rate.max(0.001)).unwrap_or(Duration::MAX)
    }

    /// Which part of a class is turned away for want of processors: all of the last class before any of the one before it.
    fn refused_part(&self, class: Class) -> f64 {
        let before = match class {
            Class::System => return 0.0,
            Class::Interactive => 2.0,
            Class::Batch => 1.0,
            Class::Anonymous => 0.0,
        };
        (self.pressure * 3.0 - before).clamp(0.0, MOST_REFUSED)
    }

    fn is_owed(&mut self, class: Class) -> bool {
        let part = self.refused_part(class);
        let Some(owed) = self.owed.get_mut(class.index()) else { return false };
        *owed += part;
        let is_owed = *owed >= 1.0;
        if is_owed {
            *owed -= 1.0;
        }
        is_owed
    }

    /// How many are answered at once at most.
    pub(crate) fn limit(&self) -> u64 {
        self.limit as u64
    }

    /// How long requests wait for their turn.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }
}
