//! The caches in front while the server runs.

use std::sync::Arc;

use base::Clock;
use cdn::Purger;
use service::{Caches, Service};
use store::Store;
use telemetry::{Metrics, Telemetry};
use tokio::task::JoinHandle;

use crate::configuration::{ConfigError, Prepared};

/// The service with the caches that it tells of changes, and the task that tells them, where there are some.
pub fn with_caches(
    service: Service,
    prepared: &Prepared,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    telemetry: &Arc<Telemetry>,
) -> Result<(Service, Option<JoinHandle<()>>), ConfigError> {
    let Some(cdn) = &prepared.cdn else { return Ok((service, None)) };
    let driver =
        cdn::open(&cdn.settings, clock.clone()).map_err(|error| ConfigError::one("[cdn]", error.to_string()))?;
    // Of what other nodes give out nothing is known here.
    let elsewhere = if store.is_always_caught_up() { Default::default() } else { cdn.caches.wait.clone() };
    let purger = Purger::new(&cdn.settings, driver, elsewhere, clock.clone(), telemetry.clone());
    let caches = Caches::new(cdn.caches.clone(), purger.clone(), store.clone(), clock.clone());
    let shown = purger.clone();
    telemetry.metrics().add_source(move |metrics: &Metrics| {
        let gauges = shown.gauges();
        metrics.set_cdn(u64::try_from(gauges.waiting).unwrap_or(u64::MAX), gauges.oldest);
    });
    Ok((service.with_caches(caches), Some(tokio::spawn(purger.run()))))
}
