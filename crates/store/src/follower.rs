//! Following a table of the program's own: what changes in it is known in memory within a second, on every node, without a
//! look into the database per request.
//!
//! The table has a moment of each row's last change, set by the database (`now()`), so that the clocks of nodes do not matter.
//! Commits come out of order: a row may become visible after one that has a later moment. So each look goes back a while
//! behind the newest moment seen ([`OVERLAP`]), and what was handed on already is left out. A row that goes is not seen: what
//! is followed is marked as gone, and removed no sooner than the overlap later.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Clock, Timestamp};
use datatype::Datum;
use parking_lot::Mutex;
use sql::OwnStatement;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::driver::Store;
use crate::error::StoreError;
use crate::own::{OwnRow, OwnStep};

/// How often a followed table is looked at.
pub const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// By how much each look goes back: a transaction that changes a followed table has to be committed within this time.
pub const OVERLAP: Duration = Duration::from_secs(30);

/// The longest pause after the database was not reached, doubled from [`FOLLOW_EVERY`] on.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long one look may take: a connection that hangs shall not look like a table in which nothing changes.
const LOOK_WAIT: Duration = Duration::from_secs(5);

/// Who is told of what changes.
pub trait Follows: Send + Sync + 'static {
    /// Takes rows that are new or have changed, in the order in which the statement gives them; at first all of them. A row may
    /// come again.
    ///
    /// # Errors
    /// What was read makes no sense. The rows are given again with the next look.
    fn take(&self, rows: &[OwnRow]) -> Result<(), StoreError>;

    /// A look failed, for this reason; told once until one works again.
    fn lost(&self, error: &StoreError);
}

/// A table that is followed until this goes.
pub struct Follower {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// When the last look that worked began.
    seen: watch::Sender<Option<Instant>>,
    wake: Notify,
}

impl Follower {
    /// Follows what a statement gives: `SELECT ... WHERE changed_at >= $1`, with one parameter of `timestamptz`, and a column
    /// `changed_at` among its own. All that it gives at first has to fit into `limits.max_buffered_bytes`.
    pub fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        statement: OwnStatement,
        told: Arc<dyn Follows>,
    ) -> Self {
        let shared = Arc::new(Shared { clock, seen: watch::Sender::new(None), wake: Notify::new() });
        let looking = Looking {
            store,
            statement,
            told,
            shared: shared.clone(),
            newest: Timestamp(i64::MIN),
            handed: HashMap::new(),
            keys: RandomState::new(),
        };
        Self { shared, task: Mutex::new(Some(tokio::spawn(looking.run()))) }
    }

    /// How old what is known may be: the time since the last look that worked began; `None` before the first one.
    pub fn age(&self) -> Option<Duration> {
        let seen = *self.shared.seen.borrow();
        seen.map(|seen| self.shared.clock.monotonic().saturating_duration_since(seen))
    }

    /// Waits until a look has worked that began after this was called, and has that look taken at once.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] where none works within the bound; [`StoreError::Closed`] when it follows no more.
    pub async fn caught_up(&self, within: Duration) -> Result<(), StoreError> {
        // What was stopped in the middle of a look may still finish it.
        if self.task.lock().as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(StoreError::Closed);
        }
        let asked = self.shared.clock.monotonic();
        let mut seen = self.shared.seen.subscribe();
        self.look_now();
        let is_later = seen.wait_for(|seen| seen.is_some_and(|seen| seen >= asked));
        match tokio::time::timeout(within, is_later).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unreachable("a table that is followed was not read in time".to_owned())),
        }
    }

    /// Has it looked at once: this process has just changed it.
    pub fn look_now(&self) {
        self.shared.wake.notify_one();
    }

    /// Follows no more.
    pub fn stop(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The task that looks.
struct Looking {
    store: Arc<dyn Store>,
    statement: OwnStatement,
    told: Arc<dyn Follows>,
    shared: Arc<Shared>,
    /// The newest moment of a change that was seen.
    newest: Timestamp,
    /// What was handed on within the overlap: a row's hash, and when it changed.
    handed: HashMap<u64, Timestamp>,
    keys: RandomState,
}

impl Looking {
    async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let began = self.shared.clock.monotonic();
            match self.look().await {
                Ok(()) => {
                    failures = 0;
                    self.shared.seen.send_replace(Some(began));
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    if failures == 0 {
                        self.told.lost(&error);
                    }
                    failures = failures.saturating_add(1);
                }
            }
            let pause = FOLLOW_EVERY.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            let pause = if failures == 0 { FOLLOW_EVERY } else { pause };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.wake.notified() => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let overlap = i64::try_from(OVERLAP.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp(self.newest.0.saturating_sub(overlap));
        let step = OwnStep::new(self.statement, [since.into()]);
        let looked = tokio::time::timeout(LOOK_WAIT, self.store.consult(vec![step])).await;
        let mut answers = looked.map_err(|_| StoreError::Unreachable("it does not answer".to_owned()))??;
        let rows = answers.pop().unwrap_or_default().rows;
        let mut fresh = Vec::new();
        let mut hashes = Vec::new();
        let mut newest = self.newest;
        for row in rows {
            let changed: Timestamp = row.get("changed_at")?;
            newest = newest.max(changed);
            let hash = self.hash(&row);
            if !self.handed.contains_key(&hash) {
                hashes.push((hash, changed));
                fresh.push(row);
            }
        }
        if !fresh.is_empty() {
            self.told.take(&fresh)?;
        }
        self.newest = newest;
        self.handed.extend(hashes);
        let since = newest.0.saturating_sub(overlap);
        self.handed.retain(|_, changed| changed.0 >= since);
        Ok(())
    }

    /// A row is the same when all its values are.
    fn hash(&self, row: &OwnRow) -> u64 {
        let mut hasher = self.keys.build_hasher();
        for value in row.values() {
            match value {
                Datum::Null => 0_u8.hash(&mut hasher),
                Datum::Integer(number) => (1_u8, number).hash(&mut hasher),
                Datum::Real(number) => (2_u8, number.to_bits()).hash(&mut hasher),
                Datum::Text(text) => (3_u8, text).hash(&mut hasher),
                Datum::Bytes(bytes) => (4_u8, bytes).hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}
