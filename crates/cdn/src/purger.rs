//! Sends what waits, one purge after another, until each was confirmed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Clock, QualifiedName};
use parking_lot::Mutex;
use telemetry::{CdnOverflowed, CdnPurged, Telemetry};
use tokio::sync::{Notify, watch};

use crate::departures::Departures;
use crate::driver::{Driver, Refused};
use crate::queue::{Elsewhere, Most, Next, Queue};
use crate::settings::CdnSettings;
use crate::tag::Tag;

/// How long is waited before a purge is tried the second time; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// As long as that at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Tells caches what has changed.
pub struct Purger {
    driver: Arc<dyn Driver>,
    queue: Mutex<Queue>,
    departures: Arc<Departures>,
    /// Something has happened that the task may wait for.
    wake: Arc<Notify>,
    /// Something was confirmed.
    progress: watch::Sender<()>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

/// The state of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Names that wait or are under way.
    pub waiting: usize,
    /// How long ago the oldest change came that is not purged everywhere.
    pub oldest: Duration,
}

impl Purger {
    /// Everything is to be purged at first: what changed while nobody looked is not known. `elsewhere` are tables of which other nodes give
    /// out answers that this one does not know of, and whose writes wait: they are purged a second time in any case.
    pub fn new(
        settings: &CdnSettings,
        driver: Arc<dyn Driver>,
        elsewhere: BTreeSet<QualifiedName>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Arc<Self> {
        let wake = Arc::<Notify>::default();
        let departures = Departures::new(settings.settle, clock.clone(), wake.clone());
        let elsewhere = Elsewhere { tables: elsewhere, settle: settings.settle };
        let mut queue = Queue::new(settings.most_waiting, departures.clone(), elsewhere);
        queue.push_everything(clock.monotonic());
        let (queue, progress) = (Mutex::new(queue), watch::Sender::default());
        Arc::new(Self { driver, queue, departures, wake, progress, clock, telemetry })
    }

    /// The answers that are on their way.
    pub fn departures(&self) -> &Arc<Departures> {
        &self.departures
    }

    /// Who is told.
    pub fn driver(&self) -> &dyn Driver {
        self.driver.as_ref()
    }

    /// A change is seen by everybody from now on: these names are to be purged, each with its table. Does not wait.
    pub fn changed(&self, names: Vec<(Tag, QualifiedName)>) {
        if names.is_empty() {
            return;
        }
        let overflows = self.queue.lock().push(names, self.clock.monotonic());
        if overflows {
            self.telemetry.report(&CdnOverflowed);
        }
        self.wake.notify_one();
    }

    /// Anything may have changed.
    pub fn everything(&self) {
        self.queue.lock().push_everything(self.clock.monotonic());
        self.wake.notify_one();
    }

    /// The number of the last change.
    pub fn last_change(&self) -> u64 {
        self.queue.lock().last()
    }

    /// Waits until all changes of these tables are purged everywhere that came after `after` and until now. For as long as it takes.
    pub async fn confirmed(&self, after: u64, tables: &BTreeSet<QualifiedName>) {
        let changes = (after, self.last_change());
        let mut progress = self.progress.subscribe();
        while !self.queue.lock().is_done(changes, tables) {
            if progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// The state of the queue.
    pub fn gauges(&self) -> Gauges {
        let (waiting, since) = self.queue.lock().depth();
        let now = self.clock.monotonic();
        Gauges { waiting, oldest: since.map(|since| now.saturating_duration_since(since)).unwrap_or_default() }
    }

    /// Purges what waits, for ever: to be run as a task of its own.
    pub async fn run(self: Arc<Self>) {
        let (tags, bytes) = self.driver.most();
        let most = Most { tags, bytes };
        let mut failures = 0_u32;
        loop {
            let now = self.clock.monotonic();
            let next = self.queue.lock().next(now, most);
            match next {
                Next::Wait(until) => self.wait(now, until).await,
                Next::Purge(tags) => match self.purge(&tags).await {
                    Ok(()) => failures = 0,
                    Err(refused) => {
                        let pause = pause(failures, refused.retry_after);
                        failures = failures.saturating_add(1);
                        tokio::time::sleep(pause).await;
                    }
                },
            }
        }
    }

    async fn wait(&self, now: Instant, until: Option<Instant>) {
        let over = async {
            match until {
                Some(until) => tokio::time::sleep(until.saturating_duration_since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            () = self.wake.notified() => {}
        }
    }

    async fn purge(&self, tags: &[Tag]) -> Result<(), Refused> {
        let outcome = self.driver.purge(tags).await;
        let now = self.clock.monotonic();
        let mut lags = Vec::new();
        {
            let mut queue = self.queue.lock();
            match &outcome {
                Ok(()) => lags = queue.purged(now),
                Err(_) => queue.failed(),
            }
        }
        let lags = lags.into_iter().map(|since| now.saturating_duration_since(since)).collect();
        let error = outcome.as_ref().err().map(|refused| refused.why.as_str());
        self.telemetry.report(&CdnPurged { driver: self.driver.name(), tags: tags.len(), error, lags });
        self.progress.send_replace(());
        outcome
    }
}

/// How long is waited after so many failures before.
fn pause(failures: u32, wanted: Option<Duration>) -> Duration {
    let usual = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    wanted.map_or(usual, |wanted| wanted.max(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        let pauses: Vec<_> = (0..4).map(|failures| pause(failures, None).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800]);
        assert_eq!(pause(100, None), LONGEST_PAUSE);
        assert_eq!(pause(0, Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
