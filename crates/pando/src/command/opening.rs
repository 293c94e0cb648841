//! The database of a server that starts: opened and brought up to date. A PostgreSQL server that is not there yet is waited
//! for, since whoever starts both at once cannot say which is first.

use std::sync::Arc;
use std::time::Duration;

use store::{Observer, Store, StoreError};
use telemetry::{Advice, DatabaseUnavailable, MigrationApplied, MigrationPresent, SeedApplied, SeedSkipped, Telemetry};
use tokio::sync::Notify;

use super::serve::House;
use super::watch;
use crate::configuration::{Config, Prepared};
use crate::database::{self, Applied, End, Standing};
use crate::migrations::MigrationError;
use crate::outcome::CommandError;

/// Why `/ready` says no before the database was there for the first time.
const NOT_YET: &str = "the database was not reached yet";

/// Why it says no while the schema is brought up to date; the log says whose migration it is.
const MIGRATING: &str = "migrations are applied, or those of another node are waited for";

const PENDING: &str = "Migrations are pending and are not applied at start; `pando migrate up` applies them";
const NEWER: &str = "Migrations were applied that are newer than the newest file here: a newer release has been at work, and its \
     schema is served; `pando migrate status` lists them";
const UNSEEN: &str = "The role that logs in may not see which migrations were applied (pando.migrations), so nobody knows here \
     whether some are pending; `pando migrate status` as the owner of the schema tells";

/// The first wait for a server that does not answer, doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What it takes to open the database.
pub struct Opening<'a> {
    /// The values.
    pub config: &'a Config,
    /// What they mean.
    pub prepared: &'a Prepared,
    /// Whether migrations are followed as they are written.
    pub watch: bool,
    /// Who is told.
    pub telemetry: &'a Telemetry,
    /// Who is told of the database's work.
    pub observer: Arc<dyn Observer>,
    /// What is opened, and who can stop it.
    pub house: &'a House,
}

/// Waits for a server that does not answer, for the configuration as for the rest.
pub struct Patience<'a> {
    telemetry: &'a Telemetry,
    house: &'a House,
    waits: &'a Notify,
    backoff: Backoff,
}

impl<'a> Patience<'a> {
    /// Nobody has waited yet. `waits` is told when somebody does.
    pub fn new(telemetry: &'a Telemetry, house: &'a House, waits: &'a Notify) -> Self {
        Self { telemetry, house, waits, backoff: Backoff::default() }
    }

    /// Waits until it is time to try again.
    ///
    /// # Errors
    /// The error itself, where trying again would change nothing.
    pub async fn wait_or_refuse(&mut self, error: CommandError) -> Result<(), CommandError> {
        if !is_unreachable(&error) {
            return Err(error);
        }
        self.telemetry.report(&DatabaseUnavailable { error: &error.to_string() });
        self.house.begin(NOT_YET);
        self.waits.notify_one();
        tokio::time::sleep(self.backoff.next()).await;
        Ok(())
    }
}

impl Opening<'_> {
    /// Opens the database and applies what is pending, however long it takes until it answers.
    pub async fn run(&self, patience: &mut Patience<'_>) -> Result<(Arc<dyn Store>, Vec<Applied>), CommandError> {
        loop {
            match self.attempt().await {
                Err(error) => patience.wait_or_refuse(error).await?,
                opened => return opened,
            }
        }
    }

    async fn attempt(&self) -> Result<(Arc<dyn Store>, Vec<Applied>), CommandError> {
        let store = database::open(self.config, self.prepared, self.observer.clone()).await?;
        self.house.keep(&store);
        self.house.begin(MIGRATING);
        match self.bring_up_to_date(store.as_ref()).await {
            Ok(applied) => Ok((store, applied)),
            // In development the file will be corrected; until then what was applied is served.
            Err(error) if self.watch && !is_of_engine(&error) => {
                watch::refuse(self.telemetry, &error);
                Ok((store, Vec::new()))
            }
            Err(error) => {
                store.close().await;
                Err(error.into())
            }
        }
    }

    /// Applies what is pending, or makes sure that nothing is.
    async fn bring_up_to_date(&self, store: &dyn Store) -> Result<Vec<Applied>, MigrationError> {
        if self.config.database.migrate_on_start || self.watch {
            let mut applied = Vec::new();
            let mut tell = |step: Applied| {
                tell_applied(self.telemetry, &step);
                if step.end == End::Applied && !step.is_own {
                    applied.push(step);
                }
            };
            let standing = database::migrate(store, self.prepared, &mut tell).await?;
            self.tell_newer(&standing);
            return Ok(applied);
        }
        let folder = &self.prepared.migrations;
        let standing = match Standing::read(store, self.prepared).await {
            // Another role migrates, which is as it should be.
            Err(MigrationError::Failed(StoreError::Refused(_))) => {
                self.advise(UNSEEN);
                return Ok(Vec::new());
            }
            standing => standing?,
        };
        if !standing.pending(folder)?.is_empty() || !standing.own.is_empty() {
            self.advise(PENDING);
        }
        self.tell_newer(&standing);
        Ok(Vec::new())
    }

    fn tell_newer(&self, standing: &Standing) {
        if !standing.newer().is_empty() {
            self.advise(NEWER);
        }
    }

    fn advise(&self, sentence: &'static str) {
        self.telemetry.report(&Advice { setting: "database.migrate_on_start", sentence });
    }
}

/// Tells of a step that is done.
pub fn tell_applied(telemetry: &Telemetry, step: &Applied) {
    let Applied { name: file, is_seed, end, duration, .. } = step;
    match end {
        End::Applied if *is_seed => telemetry.report(&SeedApplied { file, duration: *duration }),
        End::Applied => telemetry.report(&MigrationApplied { file, duration: *duration }),
        End::Present => telemetry.report(&MigrationPresent { file }),
        End::Skipped => telemetry.report(&SeedSkipped { file }),
    }
}

/// Whether a server did not answer, or let nobody in: a wrong password may be corrected there as well.
fn is_unreachable(error: &CommandError) -> bool {
    matches!(
        error,
        CommandError::Database(StoreError::Unreachable(_))
            | CommandError::Migration(MigrationError::Failed(StoreError::Unreachable(_)))
    )
}

fn is_of_engine(error: &MigrationError) -> bool {
    matches!(error, MigrationError::Failed(StoreError::Engine(_) | StoreError::Closed | StoreError::Unreachable(_)))
}

/// Waits that become longer.
#[derive(Default)]
struct Backoff {
    times: u32,
}

impl Backoff {
    /// The next wait: between half of it and all of it, so that nodes that started together do not come back together.
    fn next(&mut self) -> Duration {
        let longest = FIRST_WAIT.saturating_mul(1 << self.times.min(10)).min(LONGEST_WAIT);
        self.times = self.times.saturating_add(1);
        let mut byte = [0];
        // Without chance everybody waits alike, which is no failure.
        let _without = getrandom::fill(&mut byte);
        longest * (256 + u32::from(byte[0])) / 512
    }
}
