//! The audit while the server runs: triggers brought in line with the schema, entries sealed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{AuditError, Sealer, Signer};
use base::{Clock, SystemClock};
use catalog::Catalog;
use store::{Store, StoreError};
use telemetry::{ChangesUnwatched, EntriesSealed, SealingFailed, Telemetry};

use super::retention::Retention;
use super::sign_in::derivation;
use crate::configuration::{AuditEnabled, ConfigError, DatabaseAddress, Loaded, Prepared, text_of};
use crate::outcome::CommandError;

/// How often it is looked whether the schema is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the key of checkpoints follows from.
const PURPOSE: &str = "audit checkpoint";

/// What goes on for the audit.
pub struct AuditWork {
    store: Arc<dyn Store>,
    signer: Signer,
    telemetry: Arc<Telemetry>,
    every: Duration,
    /// What deletes old entries; `None` where they are kept.
    retention: Option<Retention>,
    /// The schema whose tables were looked at.
    known: Arc<Catalog>,
}

/// What signs checkpoints.
///
/// # Errors
/// Where there is no secret that the key could follow from.
pub fn signer(loaded: &Loaded, prepared: &Prepared, may_make: bool) -> Result<Signer, CommandError> {
    let Some(derivation) = derivation(loaded, prepared, may_make)? else {
        let text = "is not set: on a PostgreSQL server the key of the audit's checkpoints follows from it (PANDO_AUTH_SECRET), or from \
                    auth.jwt_secret where that is no JWK set";
        return Err(ConfigError::one("auth.secret", text).into());
    };
    let key = derivation.key(PURPOSE).map_err(|error| ConfigError::one("auth.secret", error.to_string()))?;
    Signer::new(&text_of(&key), &loaded.config.audit.origin)
        .map_err(|error| ConfigError::one("audit.origin", error.to_string()).into())
}

impl AuditWork {
    /// Makes what is missing, before the first request; `None` where nothing is to be written down.
    ///
    /// # Errors
    /// Where changes have to be written down and cannot be.
    pub async fn open(
        loaded: &Loaded,
        prepared: &Prepared,
        store: Arc<dyn Store>,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Option<Self>, CommandError> {
        if prepared.audit.settings.is_none() {
            return Ok(None);
        }
        if prepared.audit.enabled == AuditEnabled::On && matches!(prepared.database, DatabaseAddress::Server(_)) {
            for place in 0..audit::MIGRATIONS.all.len() {
                store.apply_own(&audit::MIGRATIONS, place).await.map_err(CommandError::Database)?;
            }
        }
        let work = Self {
            signer: signer(loaded, prepared, true)?,
            telemetry: telemetry.clone(),
            every: Duration::from_secs(loaded.config.audit.seal_seconds.into()),
            retention: Retention::new(loaded.config.audit.retention_days),
            known: store.catalog(),
            store,
        };
        match work.look_over().await {
            Err(error) if prepared.audit.enabled == AuditEnabled::On => Err(CommandError::Database(error)),
            // Told; whoever serves without it has not insisted.
            _ => Ok(Some(work)),
        }
    }

    /// Brings the triggers in line with the tables, and tells of those where that cannot be.
    async fn look_over(&self) -> Result<(), StoreError> {
        let looked = self.store.audit().await;
        match &looked {
            Ok(left_out) => left_out.iter().for_each(|problem| self.telemetry.report(&ChangesUnwatched { problem })),
            Err(error) => self.telemetry.report(&ChangesUnwatched { problem: &error.to_string() }),
        }
        looked.map(drop)
    }

    /// Seals, and follows the schema, until it is dropped.
    pub async fn run(mut self) {
        let (mut is_failing, mut is_due) = (false, Instant::now());
        loop {
            let catalog = self.store.catalog();
            // Another schema has other tables. Where the triggers could not be put, the next schema is the next occasion.
            if !Arc::ptr_eq(&catalog, &self.known) {
                self.known = catalog;
                let _told = self.look_over().await;
            }
            if self.store.is_audited() && Instant::now() >= is_due {
                is_due = Instant::now() + self.every;
                let sealed = self.seal().await;
                self.tell(sealed, &mut is_failing);
                if let Some(retention) = &mut self.retention {
                    retention.look(self.store.as_ref(), &self.signer, &self.telemetry).await;
                }
            }
            tokio::time::sleep(LOOK_EVERY.min(self.every)).await;
        }
    }

    /// Seals what waits; gives how many entries, and how many wait still.
    async fn seal(&self) -> Result<(u64, u64), AuditError> {
        let sealer = Sealer::new(self.store.as_ref(), &self.signer);
        let mut entries = 0;
        loop {
            let sealed = sealer.seal(SystemClock.now()).await?;
            entries += sealed.entries;
            // Where another node is at it, there is nothing to do.
            if sealed.entries == 0 || !sealed.has_more {
                return Ok((entries, sealer.waiting().await?));
            }
        }
    }

    fn tell(&self, sealed: Result<(u64, u64), AuditError>, is_failing: &mut bool) {
        match sealed {
            Ok((entries, waiting)) => {
                self.telemetry.report(&EntriesSealed { entries, waiting });
                if std::mem::take(is_failing) {
                    self.telemetry.report(&SealingFailed { error: None });
                }
            }
            Err(error) => {
                self.telemetry.metrics().count_audit_failure();
                if !std::mem::replace(is_failing, true) {
                    self.telemetry.report(&SealingFailed { error: Some(&error.to_string()) });
                }
            }
        }
    }
}
