//! What stands between requests and a server that may be gone: a deadline, a breaker, and this process' own memory.
//!
//! After a few failures in a row, or at once when the connection is gone, the breaker opens: no request asks the server any more,
//! so none waits for it. A task of its own looks for the server until it answers and does what it is asked, and closes the breaker.
//! After each loss it waits first, the longer the shorter the server was there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use base::Clock;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::{Config, Event, Listener};
use crate::driver::{BoxFuture, Cache, Charged, Health, Mode};
use crate::error::CacheError;
use crate::key::{Key, Member};
use crate::memory::{Memory, check_size};
use crate::rate::Charge;
use crate::remote::{Failed, Redis};
use crate::tally::{Tallied, Tally};

/// So many slow answers in a row are an outage, and fewer are a hiccup.
const MOST_FAILURES: u32 = 3;

/// How long is waited before a server that is gone is looked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. It is reached by doubling, with a server that is lost again and again within [`STEADY`].
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// A server that was there for so long is no worse than others.
const STEADY: Duration = Duration::from_secs(10);

/// A server, and what there is without it.
pub struct Guarded {
    shared: Arc<Shared>,
    local: Memory,
    share: f64,
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
    answered_locally: AtomicU64,
}

impl Guarded {
    /// Looks for the server from now on.
    pub fn watch(remote: Redis, local: Memory, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            remote,
            listener: config.listener.clone(),
            clock,
            is_up: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            reason: ArcSwap::from_pointee(Failed::Gone.reason()),
            lost: Notify::new(),
            answered_locally: AtomicU64::new(0),
        });
        let watch = tokio::spawn(shared.clone().look());
        Self { shared, local, share: config.local_share, watch }
    }

    /// What the server answers, or what this process does.
    async fn ask<T>(&self, remote: impl Future<Output = Result<T, Failed>>, local: impl FnOnce() -> T) -> T {
        if self.shared.is_up.load(Ordering::Relaxed) {
            match remote.await {
                Ok(answer) => {
                    self.shared.failures.store(0, Ordering::Relaxed);
                    return answer;
                }
                Err(failed) => self.shared.failed(failed),
            }
        }
        self.shared.answered_locally.fetch_add(1, Ordering::Relaxed);
        local()
    }

    /// A share of every bound: the other nodes allow theirs.
    fn spend_locally(&self, mode: Mode, charges: &[Charge]) -> Charged {
        let shares: Vec<Charge> = charges.iter().map(|charge| charge.share(self.share)).collect();
        Charged { is_local: true, ..self.local.spend_now(mode, &shares) }
    }
}

impl Drop for Guarded {
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

impl Cache for Guarded {
    fn spend<'a>(&'a self, mode: Mode, charges: &'a [Charge]) -> BoxFuture<'a, Result<Charged, CacheError>> {
        let remote = self.shared.remote.spend(mode, charges);
        Box::pin(async move { Ok(self.ask(remote, || self.spend_locally(mode, charges)).await) })
    }

    fn tally(&self, tally: Tally) -> BoxFuture<'_, Result<Tallied, CacheError>> {
        Box::pin(async move {
            // What this process counted while the server was gone is the server's again. Should it be lost on the way, whether
            // it was counted is not known, and twice is better than not at all.
            let remote = async {
                let known = self.local.take_owed(&tally);
                let least = tally.least.max(known.shared);
                let outcome = self.shared.remote.tally(&Tally { least, ..tally }, known.own).await;
                match &outcome {
                    Ok(tallied) => self.local.learn(&tally, tallied.total),
                    Err(_) => self.local.owe(&tally, known.own),
                }
                outcome
            };
            Ok(self.ask(remote, || self.local.tally_now(&tally, self.share)).await)
        })
    }

    fn distinct(
        &self,
        key: Key,
        member: Option<Member>,
        window: Duration,
        most: usize,
    ) -> BoxFuture<'_, Result<usize, CacheError>> {
        let local = move || self.local.distinct_now(key, member, window, most);
        Box::pin(async move { Ok(self.ask(self.shared.remote.distinct(key, member, window, most), local).await) })
    }

    fn put(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move { self.keep(key, value, lifetime, false).await.map(drop) })
    }

    fn put_new(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(self.keep(key, value, lifetime, true))
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(async move {
            let found = self.ask(self.shared.remote.get(key), || None).await;
            // What was kept here while the server was gone.
            Ok(found.or_else(|| self.local.get_now(key)))
        })
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(async move {
            let found = self.ask(self.shared.remote.take(key), || None).await;
            let local = self.local.take_now(key);
            Ok(found.or(local))
        })
    }

    fn delete(&self, key: Key) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            self.local.delete_now(key);
            self.ask(self.shared.remote.delete(key), || ()).await;
            Ok(())
        })
    }

    fn health(&self) -> Health {
        Health {
            driver: "redis",
            is_up: self.shared.is_up.load(Ordering::Relaxed),
            answered_locally: self.shared.answered_locally.load(Ordering::Relaxed),
        }
    }
}

impl Guarded {
    async fn keep(&self, key: Key, value: Bytes, lifetime: Duration, is_new: bool) -> Result<bool, CacheError> {
        check_size(&value)?;
        let local = || self.local.put_now(key, value.clone(), lifetime, is_new).unwrap_or_default();
        Ok(self.ask(self.shared.remote.put(key, &value, lifetime, is_new), local).await)
    }
}
