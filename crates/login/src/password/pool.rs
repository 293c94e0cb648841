//! The threads that hash: few, at low priority, each with memory of its own, and hardly anybody waiting for them.
//!
//! A flood of logins must cost the rest of the server neither processors nor memory. So nothing is ever hashed anywhere
//! else, and who is to be sent away is decided before anything is computed: each priority has a room of its own to wait
//! in, the better one is served first, and whoever finds his full is told when to come again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use base::Clock;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::PasswordError;
use super::argon::Memory;

/// How much somebody's wish to be served counts. Decided by what is known before the password is looked at: never by
/// whether there is such an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A device that has signed in to this account before, or somebody who is signed in.
    Trusted,
    /// Nothing speaks for or against.
    Usual,
    /// The account, the address or its network is under suspicion.
    Suspected,
}

/// Too many passwords are being looked at. Nothing was computed; to be answered 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being looked at; try again in {retry_after} seconds")]
pub struct Overloaded {
    /// In how many seconds it is worth trying again.
    pub retry_after: u32,
}

/// What the pool is doing and has done, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolFigures {
    /// Threads.
    pub threads: usize,
    /// Being computed now.
    pub running: usize,
    /// Waiting now, by priority.
    pub waiting: [usize; 3],
    /// Computed since the start.
    pub computed: u64,
    /// Sent away since the start, by priority.
    pub shed: [u64; 3],
    /// How long one computation takes of late.
    pub average: Duration,
}

/// How a pool is made.
pub(super) struct PoolSettings {
    pub(super) threads: usize,
    pub(super) waiting_per_thread: usize,
    pub(super) longest_wait: Duration,
    pub(super) niceness: u8,
}

/// The threads; they end when this is dropped.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    woken: Condvar,
    /// How many may wait, by priority.
    rooms: [usize; 3],
    threads: usize,
    longest_wait: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    waiting: [VecDeque<Job>; 3],
    running: usize,
    is_large_running: bool,
    is_closed: bool,
    computed: u64,
    shed: [u64; 3],
    average: Duration,
}

/// One computation that waits.
struct Job {
    ticket: Arc<Ticket>,
    /// Whether it needs memory besides the thread's own. One such runs at a time.
    is_large: bool,
    work: Box<dyn FnOnce(&mut Memory) + Send>,
}

/// Whether a computation is still wanted, and whether it has begun: one of both sides decides first.
struct Ticket(AtomicU8);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Ticket {
    /// Decides that it begins, or that nobody wants it any more. False if the other was faster.
    fn decide(&self, outcome: u8) -> bool {
        self.0.compare_exchange(WAITING, outcome, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }
}

/// Gives a place up when whoever waited goes away.
struct Place(Arc<Ticket>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.decide(GIVEN_UP);
    }
}

/// What a second average of durations forgets: an eighth at each further one.
const FORGET: u32 = 8;

/// What a computation is taken to last before the first one ended.
const FIRST_AVERAGE: Duration = Duration::from_millis(20);

/// The longest advice to stay away, in seconds.
const LONGEST_RETRY: u32 = 30;

impl Pool {
    /// Starts the threads.
    pub(super) fn start(settings: &PoolSettings, clock: Arc<dyn Clock>) -> Result<Self, PasswordError> {
        let threads = settings.threads.max(1);
        let most = settings.waiting_per_thread.max(1).saturating_mul(threads);
        let shared = Arc::new(Shared {
            state: Mutex::new(State { average: FIRST_AVERAGE, ..State::default() }),
            woken: Condvar::new(),
            rooms: [most, most.div_ceil(2), most.div_ceil(4)],
            threads,
            longest_wait: settings.longest_wait,
            clock,
        });
        let pool = Self { shared };
        for number in 0..threads {
            let (shared, niceness) = (pool.shared.clone(), settings.niceness);
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || {
                    step_back(niceness);
                    shared.serve();
                })
                .map_err(PasswordError::Thread)?;
        }
        Ok(pool)
    }

    /// Has `work` done by one of the threads. Not started yet, it is taken back when this future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        is_large: bool,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (sender, mut receiver) = oneshot::channel();
        let ticket = Arc::new(Ticket(AtomicU8::new(WAITING)));
        let place = Place(ticket.clone());
        let work = Box::new(move |memory: &mut Memory| {
            // Whoever waited may be gone by now.
            let _gone = sender.send(work(memory));
        });
        self.shared.admit(priority, Job { ticket, is_large, work })?;
        let outcome = match tokio::time::timeout(self.shared.longest_wait, &mut receiver).await {
            Ok(outcome) => outcome,
            Err(_) if place.0.decide(GIVEN_UP) => return Err(self.shared.shed(priority)),
            // It has begun: what it finds out is waited for.
            Err(_) => receiver.await,
        };
        outcome.map_err(|_| self.shared.shed(priority))
    }

    /// What it is doing and has done.
    pub(super) fn figures(&self) -> PoolFigures {
        let state = self.shared.state.lock();
        PoolFigures {
            threads: self.shared.threads,
            running: state.running,
            waiting: state.waiting.each_ref().map(|jobs| jobs.iter().filter(|job| !job.ticket.is_given_up()).count()),
            computed: state.computed,
            shed: state.shed,
            average: state.average,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().is_closed = true;
        self.shared.woken.notify_all();
    }
}

impl Shared {
    /// Gives a place to wait in, or sends away.
    fn admit(&self, priority: Priority, job: Job) -> Result<(), Overloaded> {
        let mut state = self.state.lock();
        let place = priority as usize;
        if let (Some(jobs), Some(room)) = (state.waiting.get_mut(place), self.rooms.get(place)) {
            if jobs.len() >= *room {
                jobs.retain(|job| !job.ticket.is_given_up());
            }
            if jobs.len() < *room {
                jobs.push_back(job);
                drop(state);
                self.woken.notify_one();
                return Ok(());
            }
        }
        drop(state);
        Err(self.shed(priority))
    }

    /// Counts one that is sent away, and says when it is worth coming again: when those before it will be done.
    fn shed(&self, priority: Priority) -> Overloaded {
        let mut state = self.state.lock();
        if let Some(shed) = state.shed.get_mut(priority as usize) {
            *shed += 1;
        }
        let before: usize = state.waiting.iter().take(priority as usize + 1).map(VecDeque::len).sum();
        let turns = (before + state.running).div_ceil(self.threads);
        let wait = state.average.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX));
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Overloaded { retry_after: seconds.min(LONGEST_RETRY) }
    }

    /// What a thread does all its life.
    fn serve(&self) {
        let mut memory = Memory::default();
        while let Some(job) = self.next() {
            let begin = self.clock.monotonic();
            let is_large = job.is_large;
            (job.work)(&mut memory);
            let took = self.clock.monotonic().saturating_duration_since(begin);
            self.finish(is_large, took);
        }
    }

    /// The next one that is still wanted; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return None;
            }
            match state.take() {
                Some(job) if job.ticket.decide(BEGUN) => {
                    state.running += 1;
                    state.is_large_running |= job.is_large;
                    return Some(job);
                }
                Some(_given_up) => {}
                None => self.woken.wait(&mut state),
            }
        }
    }

    fn finish(&self, is_large: bool, took: Duration) {
        let mut state = self.state.lock();
        state.running -= 1;
        state.computed += 1;
        state.average = (state.average * (FORGET - 1) + took) / FORGET;
        if is_large {
            state.is_large_running = false;
            drop(state);
            // A thread may have passed over another large one.
            self.woken.notify_one();
        }
    }
}

impl State {
    /// The oldest of the best priority that may run now.
    fn take(&mut self) -> Option<Job> {
        let is_large_running = self.is_large_running;
        self.waiting.iter_mut().find_map(|jobs| {
            let place = jobs.iter().position(|job| !(job.is_large && is_large_running))?;
            jobs.remove(place)
        })
    }
}

/// Lets all other threads go first. On Linux a thread has a niceness of its own, elsewhere only the process has.
#[cfg(target_os = "linux")]
fn step_back(niceness: u8) {
    // A system that forbids it hashes all the same.
    let _forbidden = rustix::process::setpriority_process(None, i32::from(niceness.min(19)));
}

#[cfg(not(target_os = "linux"))]
fn step_back(_niceness: u8) {}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
