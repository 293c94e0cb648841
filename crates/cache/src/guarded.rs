//! What stands between requests and a server that may be gone: this process' own memory, with a share of every bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use bytes::Bytes;

use crate::config::Config;
use crate::driver::{BoxFuture, Cache, Charged, Health, Mode};
use crate::error::CacheError;
use crate::key::{Key, Member};
use crate::memory::{Memory, check_size};
use crate::rate::Charge;
use crate::remote::{Failed, Redis};
use crate::tally::{Tallied, Tally};
use crate::watched::Watched;

/// A server, and what there is without it.
pub struct Guarded {
    watched: Watched,
    local: Memory,
    share: f64,
    answered_locally: AtomicU64,
}

impl Guarded {
    /// Looks for the server from now on.
    pub fn watch(remote: Redis, local: Memory, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let watched = Watched::start(remote, config.listener.clone(), clock);
        Self { watched, local, share: config.local_share, answered_locally: AtomicU64::new(0) }
    }

    /// What the server answers, or what this process does.
    async fn ask<T>(&self, remote: impl Future<Output = Result<T, Failed>>, local: impl FnOnce() -> T) -> T {
        match self.watched.ask(remote).await {
            Some(answer) => answer,
            None => {
                self.answered_locally.fetch_add(1, Ordering::Relaxed);
                local()
            }
        }
    }

    /// A share of every bound: the other nodes allow theirs.
    fn spend_locally(&self, mode: Mode, charges: &[Charge]) -> Charged {
        let shares: Vec<Charge> = charges.iter().map(|charge| charge.share(self.share)).collect();
        Charged { is_local: true, ..self.local.spend_now(mode, &shares) }
    }
}

impl Cache for Guarded {
    fn spend<'a>(&'a self, mode: Mode, charges: &'a [Charge]) -> BoxFuture<'a, Result<Charged, CacheError>> {
        let remote = self.watched.remote().spend(mode, charges);
        Box::pin(async move { Ok(self.ask(remote, || self.spend_locally(mode, charges)).await) })
    }

    fn tally(&self, tally: Tally) -> BoxFuture<'_, Result<Tallied, CacheError>> {
        Box::pin(async move {
            // What this process counted while the server was gone is the server's again. Should it be lost on the way, whether
            // it was counted is not known, and twice is better than not at all.
            let remote = async {
                let known = self.local.take_owed(&tally);
                let least = tally.least.max(known.shared);
                let outcome = self.watched.remote().tally(&Tally { least, ..tally }, known.own).await;
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
        Box::pin(async move { Ok(self.ask(self.watched.remote().distinct(key, member, window, most), local).await) })
    }

    fn put(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move { self.keep(key, value, lifetime, false).await.map(drop) })
    }

    fn put_new(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(self.keep(key, value, lifetime, true))
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(async move {
            let found = self.ask(self.watched.remote().get(key), || None).await;
            // What was kept here while the server was gone.
            Ok(found.or_else(|| self.local.get_now(key)))
        })
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(async move {
            let found = self.ask(self.watched.remote().take(key), || None).await;
            let local = self.local.take_now(key);
            Ok(found.or(local))
        })
    }

    fn delete(&self, key: Key) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            self.local.delete_now(key);
            self.ask(self.watched.remote().delete(key), || ()).await;
            Ok(())
        })
    }

    fn health(&self) -> Health {
        Health {
            driver: "redis",
            is_up: self.watched.is_up(),
            answered_locally: self.answered_locally.load(Ordering::Relaxed),
        }
    }
}

impl Guarded {
    async fn keep(&self, key: Key, value: Bytes, lifetime: Duration, is_new: bool) -> Result<bool, CacheError> {
        check_size(&value)?;
        let local = || self.local.put_now(key, value.clone(), lifetime, is_new).unwrap_or_default();
        Ok(self.ask(self.watched.remote().put(key, &value, lifetime, is_new), local).await)
    }
}
