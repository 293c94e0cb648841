//! API keys while the server runs: read before the first request, followed afterwards.

use std::sync::Arc;

use base::SystemClock;
use identity::Verifier;
use login::api_keys::KeyKeeper;
use store::{Follower, Store, StoreError};
use telemetry::{ApiKeysUnavailable, Telemetry};

use crate::configuration::{ApiKeys, Prepared};
use crate::outcome::CommandError;

/// What goes on for API keys.
pub struct ApiKeyWork {
    keeper: KeyKeeper,
    /// Follows as long as it is there.
    _follower: Follower,
}

impl ApiKeyWork {
    /// Makes the table where it is missing, and reads the keys; `None` where there are to be none, or none can be.
    pub async fn open(
        wanted: ApiKeys,
        verifier: &Verifier,
        prepared: &Prepared,
        store: Arc<dyn Store>,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Option<Self>, CommandError> {
        if wanted == ApiKeys::Off {
            return Ok(None);
        }
        let keeper = KeyKeeper::new(
            store,
            verifier.api_keys().clone(),
            Arc::new(SystemClock),
            Arc::new(getrandom::fill),
            prepared.identity.service_role.clone(),
        );
        match keeper.open().await {
            Ok(()) => {}
            // A server whose tables are not this role's to make is served as it is.
            Err(error @ (StoreError::Migration { .. } | StoreError::Refused(_))) if wanted == ApiKeys::Auto => {
                telemetry.report(&ApiKeysUnavailable { error: &error.to_string() });
                return Ok(None);
            }
            Err(error) => return Err(CommandError::Database(error)),
        }
        let telemetry = telemetry.clone();
        let follower = keeper.follow(move |error| telemetry.report(&ApiKeysUnavailable { error: &error.to_string() }));
        Ok(Some(Self { keeper, _follower: follower }))
    }

    /// Writes down when keys were used, until it is dropped.
    pub async fn run(self) {
        self.keeper.note_uses().await;
    }
}
