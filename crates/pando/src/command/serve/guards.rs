//! What keeps others from asking too much: policies, the gate against overload, and the counters that they share.

use std::sync::Arc;

use base::SystemClock;
use cache::{Cache, Event, Listener};
use limits::{Gate, RateLimits};
use parking_lot::Mutex;
use store::Store;
use telemetry::{CacheChanged, Telemetry};

use crate::configuration::{ConfigError, Prepared};

/// The gate, unless it is off.
pub fn gate(prepared: &Prepared, telemetry: &Arc<Telemetry>) -> Option<Arc<Gate>> {
    let settings = prepared.limiting.gate.clone()?;
    Some(Gate::new(settings, Arc::new(SystemClock), telemetry.clone()))
}

/// How many requests wait for the database now: for a connection, or for the writer.
pub fn waiting(store: Arc<dyn Store>) -> impl Fn() -> u64 + Send {
    move || {
        let gauges = store.gauges();
        gauges.reads_waiting + gauges.writes_queued
    }
}

/// The connections to the shared counters: that of the policies, and the login's. What is told of them is told of all.
#[derive(Clone, Default)]
pub struct Counters(Arc<Mutex<Vec<Arc<dyn Cache>>>>);

impl Counters {
    /// One more.
    pub fn open(&self, prepared: &Prepared, telemetry: &Arc<Telemetry>) -> Result<Arc<dyn Cache>, ConfigError> {
        let listener = {
            let telemetry = telemetry.clone();
            Listener::new(move |event| telemetry.report(&told(event)))
        };
        let config = cache::Config { listener, ..prepared.limiting.cache.clone() };
        let cache = cache::open(&config, Arc::new(SystemClock))
            .map_err(|error| ConfigError::one("cache.url", error.to_string()))?;
        let mut all = self.0.lock();
        if all.is_empty() {
            let gauges = self.clone();
            telemetry.metrics().add_source(move |metrics: &telemetry::Metrics| gauges.show(metrics));
        }
        all.push(cache.clone());
        Ok(cache)
    }

    fn show(&self, metrics: &telemetry::Metrics) {
        let all = self.0.lock();
        let Some(driver) = all.first().map(|cache| cache.health().driver) else { return };
        let is_up = all.iter().all(|cache| cache.health().is_up);
        metrics.set_cache(driver, is_up, all.iter().map(|cache| cache.health().answered_locally).sum());
    }
}

/// The policies, with the counters that they need.
pub fn rates(prepared: &Prepared, counters: &Counters, telemetry: &Arc<Telemetry>) -> Result<RateLimits, ConfigError> {
    let limiting = &prepared.limiting;
    let cache = counters.open(prepared, telemetry)?;
    Ok(RateLimits::new(limiting.rates.clone(), cache, limiting.keys.clone(), telemetry.clone()))
}

fn told(event: Event) -> CacheChanged {
    match event {
        Event::Lost { reason } => CacheChanged { reason: Some(reason), after: None },
        Event::Found { after } => CacheChanged { reason: None, after: Some(after) },
    }
}
