//! API keys while the server runs: read before the first request, followed afterwards.

use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use identity::{ApiKeys as ApiKeyRing, Verifier};
use login::api_keys::KeyKeeper;
use store::{Follower, Store, StoreError};
use telemetry::{ApiKeysUnavailable, Telemetry};

use crate::configuration::{ApiKeys, Prepared};
use crate::outcome::CommandError;

/// How often it is looked whether somebody has made the table meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What goes on for API keys.
pub struct ApiKeyWork {
    keeper: Arc<KeyKeeper>,
    keys: Arc<ApiKeyRing>,
    telemetry: Arc<Telemetry>,
    /// Whether the keys were read.
    is_loaded: bool,
}

impl ApiKeyWork {
    /// Reads the keys, before the first request; `None` where there are to be none.
    ///
    /// # Errors
    /// Where there have to be some: their table cannot be made or read.
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
        let keys = verifier.api_keys().clone();
        let mut work = Self { keeper: Arc::new(keeper), keys, telemetry: telemetry.clone(), is_loaded: false };
        let outcome = match wanted {
            ApiKeys::On => work.keeper.make_table().await,
            ApiKeys::Auto | ApiKeys::Off => Ok(()),
        };
        match (outcome, work.load().await) {
            (Ok(()), Ok(())) => {}
            (Err(error), _) | (_, Err(error)) if wanted == ApiKeys::On => return Err(CommandError::Database(error)),
            (Err(error), _) | (_, Err(error)) => work.tell(&error),
        }
        Ok(Some(work))
    }

    /// Who makes and revokes keys.
    pub fn keeper(&self) -> Arc<KeyKeeper> {
        self.keeper.clone()
    }

    /// Knows what other nodes change, and writes down when keys were used, until it is dropped.
    pub async fn run(mut self) {
        while !self.is_loaded {
            tokio::time::sleep(LOOK_EVERY).await;
            // Told at the start; a database that does not answer is told of by others.
            let _again = self.load().await;
        }
        let _until_dropped = self.follow();
        self.keeper.note_uses().await;
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        let read = self.read().await;
        self.keys.set_missing(read.is_err());
        self.is_loaded = read?;
        Ok(())
    }

    /// Whether there was something to read.
    async fn read(&self) -> Result<bool, StoreError> {
        let has_table = self.keeper.has_table().await?;
        if has_table {
            self.keeper.load().await?.iter().for_each(|problem| self.tell(problem));
        }
        Ok(has_table)
    }

    fn follow(&self) -> Follower {
        let telemetry = self.telemetry.clone();
        self.keeper.follow(move |error| telemetry.report(&ApiKeysUnavailable { error: &error.to_string() }))
    }

    fn tell(&self, error: &StoreError) {
        self.telemetry.report(&ApiKeysUnavailable { error: &error.to_string() });
    }
}
