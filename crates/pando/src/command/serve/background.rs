//! What goes on beside the requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Clock, SystemClock};
use store::{Store, StoreError};
use telemetry::{DatabaseChecked, DatabaseUnavailable, ReadinessChanged, Telemetry};

use super::house::NOT_READY;

/// How often the database is asked whether it still answers.
const PROBE: Duration = Duration::from_secs(2);

/// Asks the database again and again whether it answers, for `/ready`.
pub async fn probe(store: Arc<dyn Store>, telemetry: Arc<Telemetry>, is_ready: Arc<AtomicBool>) {
    telemetry.report(&ReadinessChanged { reason: None });
    loop {
        tokio::time::sleep(PROBE).await;
        // Busy is not broken: who waits for the database gets an answer of its own.
        let broken = match store.check().await {
            Err(
                error @ (StoreError::Engine(_)
                | StoreError::Unreachable(_)
                | StoreError::Unusable { .. }
                | StoreError::Closed),
            ) => Some(error.to_string()),
            _ => None,
        };
        let answers = broken.is_none();
        if is_ready.swap(answers, Ordering::Relaxed) != answers {
            if let Some(error) = &broken {
                telemetry.report(&DatabaseUnavailable { error });
            }
            telemetry.report(&ReadinessChanged { reason: (!answers).then_some(NOT_READY) });
        }
    }
}

/// Looks a file through that was too large for that at the start.
pub async fn check_whole(store: Arc<dyn Store>, telemetry: Arc<Telemetry>) {
    let started = SystemClock.monotonic();
    let error = match store.check_whole().await {
        Ok(()) => None,
        // It was given up because the server stops.
        Err(StoreError::Closed) => return,
        Err(error) => Some(error.to_string()),
    };
    let duration = SystemClock.monotonic().saturating_duration_since(started);
    telemetry.report(&DatabaseChecked { duration, error: error.as_deref() });
}
