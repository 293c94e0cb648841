//! Where answers are kept.

use std::sync::Arc;

use base::Clock;
use cache::{Event, Listener};
use service::{Recall, SharedAnswers};
use store::Store;
use telemetry::{SharedAnswersChanged, Telemetry};

use crate::configuration::{ConfigError, Prepared, Sharing};

/// The keeper of answers, where some are to be kept.
pub fn recall(
    prepared: &Prepared,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    telemetry: &Arc<Telemetry>,
) -> Result<Option<Arc<Recall>>, ConfigError> {
    let Some(settings) = prepared.responses.clone() else { return Ok(None) };
    let open = |sharing: &Sharing| {
        let told = telemetry.clone();
        let listener = Listener::new(move |event| told.report(&changed(event)));
        let config = cache::Config { listener, ..sharing.cache.clone() };
        let bounds = (settings.largest, sharing.kept_for);
        SharedAnswers::open(&config, sharing.keys.clone(), bounds, clock.clone())
            .map_err(|error| ConfigError::one("responses.url", error.to_string()))
    };
    let others = prepared.sharing.as_ref().map(open).transpose()?;
    Ok(Some(Recall::new(settings, others, store.clone(), clock.clone(), telemetry.clone())))
}

fn changed(event: Event) -> SharedAnswersChanged {
    match event {
        Event::Lost { reason } => SharedAnswersChanged { reason: Some(reason), after: None },
        Event::Found { after } => SharedAnswersChanged { reason: None, after: Some(after) },
    }
}
