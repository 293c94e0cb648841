//! The audit while the server runs: triggers brought in line with the schema, entries sealed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{AuditError, Memory, Sealer, Signer};
use base::{Clock, SystemClock};
use catalog::Catalog;
use store::{Store, StoreError};
use telemetry::{ChangesUnwatched, CheckpointSigned, EntriesSealed, SealingFailed, Telemetry};

use super::retention::Retention;
use super::sign_in::derivation;
use crate::configuration::{AuditEnabled, ConfigError, DatabaseAddress, Loaded, Prepared, text_of};
use crate::outcome::CommandError;

/// How often it is looked whether the schema is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long it is waited at most before tables that could not be watched are tried again; first a second, then ever twice as long.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How often a start tries to have every table watched that it insists on. Each time a table may be in use for three seconds.
const TRIES: usize = 5;

/// How often a checkpoint is told in the log, where it outlives what is done to the database.
const TELL_EVERY: Duration = Duration::from_secs(3_600);

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
    watched: Watched,
    /// The log as it was last signed or found.
    memory: Memory,
    /// When a checkpoint was last told.
    told: Option<Instant>,
}

/// How far the tables that exist are watched.
struct Watched {
    /// The schema that was looked at.
    catalog: Arc<Catalog>,
    /// What was told of it.
    told: Vec<String>,
    /// Where something is left out, when it is tried again, and how long it was waited before.
    again: Option<(Instant, Duration)>,
}

impl Watched {
    /// Whether it is time to look, with this schema.
    fn is_due(&self, catalog: &Arc<Catalog>) -> bool {
        !Arc::ptr_eq(catalog, &self.catalog) || self.again.is_some_and(|(when, _)| Instant::now() >= when)
    }
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
        let mut work = Self {
            signer: signer(loaded, prepared, true)?,
            telemetry: telemetry.clone(),
            every: Duration::from_secs(loaded.config.audit.seal_seconds.into()),
            retention: Retention::new(loaded.config.audit.retention_days),
            watched: Watched { catalog: store.catalog(), told: Vec::new(), again: None },
            memory: Memory::default(),
            told: None,
            store,
        };
        let mut tries = 1;
        let mut looked = work.look_over().await;
        // Told; whoever serves without it has not insisted.
        if prepared.audit.enabled != AuditEnabled::On {
            return Ok(Some(work));
        }
        while matches!(&looked, Ok(Some(_))) && tries < TRIES {
            tries += 1;
            looked = work.look_over().await;
        }
        match looked.map_err(CommandError::Database)? {
            None => Ok(Some(work)),
            Some(problem) => Err(CommandError::Failed(format!("audit.enabled is \"on\", and {problem}"))),
        }
    }

    /// Brings the triggers in line with the tables, and tells of those where that cannot be, once until it is another thing. What is left
    /// out is tried again later. Gives the first that is left out though the server would let it.
    async fn look_over(&mut self) -> Result<Option<String>, StoreError> {
        let catalog = self.store.catalog();
        let looked = self.store.audit().await;
        let told: Vec<String> = match &looked {
            Ok(left_out) => left_out.iter().map(|table| table.problem.clone()).collect(),
            Err(error) => vec![error.to_string()],
        };
        let news = told.iter().filter(|problem| !self.watched.told.contains(problem));
        news.for_each(|problem| self.telemetry.report(&ChangesUnwatched { problem }));
        if let Ok(left_out) = &looked {
            self.telemetry.metrics().set_audit_unwatched(left_out.len());
        }
        let is_same = Arc::ptr_eq(&catalog, &self.watched.catalog);
        let before = self.watched.again.filter(|_| is_same).map(|(_, waited)| waited);
        let wait = before.map_or(LOOK_EVERY, |waited| (waited * 2).min(LONGEST_WAIT));
        let again = (!told.is_empty()).then(|| (Instant::now() + wait, wait));
        self.watched = Watched { catalog, told, again };
        Ok(looked?.into_iter().find(|table| !table.is_refused).map(|table| table.problem))
    }

    /// Seals, and follows the schema, until it is dropped.
    pub async fn run(mut self) {
        let (mut is_failing, mut is_due) = (false, Instant::now());
        loop {
            // Another schema has other tables.
            if self.watched.is_due(&self.store.catalog()) {
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
    async fn seal(&mut self) -> Result<(u64, u64), AuditError> {
        let mut sealer = Sealer::new(self.store.as_ref(), &self.signer, &mut self.memory);
        let mut entries = 0;
        loop {
            let sealed = sealer.seal(SystemClock.now()).await?;
            entries += sealed.entries;
            if let Some(note) = sealed.note.filter(|_| self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY)) {
                self.told = Some(Instant::now());
                self.telemetry.report(&CheckpointSigned { note: &note });
            }
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
