//! What keeps others from asking too much: policies, the gate against overload, and the counters that they share.

use std::sync::Arc;

use base::SystemClock;
use cache::{Event, Listener};
use limits::{Gate, RateLimits};
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

/// The policies, with the counters that they need.
pub fn rates(prepared: &Prepared, telemetry: &Arc<Telemetry>) -> Result<RateLimits, ConfigError> {
    let limiting = &prepared.limiting;
    let listener = {
        let telemetry = telemetry.clone();
        Listener::new(move |event| telemetry.report(&told(event)))
    };
    let config = cache::Config { listener, ..limiting.cache.clone() };
    let cache = cache::open(&config, Arc::new(SystemClock))
        .map_err(|error| ConfigError::one("cache.url", error.to_string()))?;
    let gauge = cache.clone();
    telemetry.metrics().add_source(move |metrics: &telemetry::Metrics| {
        let health = gauge.health();
        metrics.set_cache(health.driver, health.is_up, health.answered_locally);
    });
    Ok(RateLimits::new(limiting.rates.clone(), cache, limiting.keys.clone(), telemetry.clone()))
}

fn told(event: Event) -> CacheChanged {
    match event {
        Event::Lost { reason } => CacheChanged { reason: Some(reason), after: None },
        Event::Found { after } => CacheChanged { reason: None, after: Some(after) },
    }
}
