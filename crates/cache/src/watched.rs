//! A server that may be gone: a deadline, a breaker, and somebody who looks for it.
//!
//! After a few failures in a row, or at once when the connection is gone, the breaker opens: no request asks the server any more,
//! so none waits for it. A task of its own looks for the server until it answers and does what it is asked, and closes the breaker.
//! After each loss it waits first, the longer the shorter the server was there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base::Clock;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::{Event, Listener};
use crate::remote::{Failed, Redis};

/// So many slow answers in a row are an outage, and fewer are a hiccup.
const MOST_FAILURES: u32 = 3;

/// How long is waited before a server that is gone is looked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. It is reached by doubling, with a server that is lost again and again within [`STEADY`].
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// A server that was there for so long is no worse than others.
const STEADY: Duration = Duration::from_secs(10);

/// A server, and who looks for it. Nobody does any more once this is dropped.
pub struct Watched {
    shared: Arc<Shared>,
    watch: JoinHandle<()>,
}

struct Shared {
    remote: Redis,
    listener: Listener,
    clock: Arc<dyn Clock>,
    is_up: AtomicBool,
    failures: AtomicU32,
    /// Why it was given up last.
    reason: ArcSwap<&'static str>,
    lost: Notify,
}

impl Watched {
    /// Looks for the server from now on.
    pub fn start(remote: Redis, listener: Listener, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            remote,
            listener,
            clock,
            is_up: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            reason: ArcSwap::from_pointee(Failed::Gone.reason()),
            lost: Notify::new(),
        });
        let watch = tokio::spawn(shared.clone().look());
        Self { shared, watch }
    }

    /// The server, for [`Watched::ask`].
    pub fn remote(&self) -> &Redis {
        &self.shared.remote
    }

    /// Whether it is there, as far as it is known.
    pub fn is_up(&self) -> bool {
        self.shared.is_up.load(Ordering::Relaxed)
    }

    /// What the server answers; `None` when it is gone, or does not answer in time.
    pub async fn ask<T>(&self, answer: impl Future<Output = Result<T, Failed>>) -> Option<T> {
        if !self.is_up() {
            return None;
        }
        match answer.await {
            Ok(answer) => {
                self.shared.failures.store(0, Ordering::Relaxed);
                Some(answer)
            }
            Err(failed) => {
                self.shared.failed(failed);
                None
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Shared {
    fn failed(&self, failed: Failed) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failed != Failed::Slow || failures >= MOST_FAILURES {
            self.open(failed);
        }
    }

    /// Has no request ask the server any more.
    fn open(&self, failed: Failed) {
        if self.is_up.swap(false, Ordering::Relaxed) {
            self.reason.store(Arc::new(failed.reason()));
            self.lost.notify_one();
        }
    }

    /// Looks for the server whenever it is gone. Tells of every loss and every return once.
    async fn look(self: Arc<Self>) {
        let mut lost_at = self.clock.monotonic();
        let mut was_told = false;
        let mut pause = PAUSE;
        loop {
            match self.remote.connect().await {
                Ok(()) => {
                    self.failures.store(0, Ordering::Relaxed);
                    self.is_up.store(true, Ordering::Relaxed);
                    let found_at = self.clock.monotonic();
                    self.listener.tell(Event::Found { after: found_at.saturating_duration_since(lost_at) });
                    self.lost.notified().await;
                    lost_at = self.clock.monotonic();
                    self.listener.tell(Event::Lost { reason: *self.reason.load_full() });
                    was_told = true;
                    let was_steady = lost_at.saturating_duration_since(found_at) >= STEADY;
                    pause = if was_steady { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                    tokio::time::sleep(pause).await;
                }
                Err(failed) => {
                    if !was_told {
                        self.listener.tell(Event::Lost { reason: failed.reason() });
                        was_told = true;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
