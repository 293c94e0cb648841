//! Migrations on a PostgreSQL server: each file as it is, in one transaction unless it says otherwise, remembered beside it. However many nodes start at
//! once, each file is applied once: they take turns at a lock.
//!
//! Behind a pooler one transaction is all that surely runs in one session: the turn ends with it, and so does what was set.

mod account;
mod own;
mod refusal;

use std::time::Duration;

use base::Clock;
use sql::ddl::Part;
use wire::{Connection, Error, Event};

use super::pool::random_share;
use super::{Settings, failure, pooler};
use crate::driver::{Migration, MigrationOutcome, MigrationScript, Observer};
use crate::error::StoreError;
use crate::own_migration::{OwnMigrations, checksum};
use own::OwnStep;

pub(super) use account::applied;

/// A turn that ends with the transaction. What decides whether a file was applied meanwhile has to see what others committed.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// The key of the lock that nodes take turns at: "pando" in ASCII.
const TURN: &str = "SELECT pg_try_advisory_xact_lock(482805802095)";
/// A turn that ends with the session, and its end.
const SESSION_TURN: &str = "SELECT pg_try_advisory_lock(482805802095)";
const SESSION_TURN_ENDS: &str = "SELECT pg_advisory_unlock(482805802095)";

/// How long others are left alone before it is asked whose turn it is. A session that waited inside of the server would show it
/// a transaction, for whose end `CREATE INDEX CONCURRENTLY` of the one whose turn it is waits.
const TURN_PAUSE: Duration = Duration::from_millis(200);

/// After how many tries it is told that a turn is waited for: about a second.
const TOLD_AFTER: u32 = 7;

/// A migration takes as long as it takes, and pauses between tries. What a role is bound to is meant for requests.
const PATIENT: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0";
const PATIENT_SESSION: &str = "SET statement_timeout = 0; SET lock_timeout = 0";

/// Takes back what a file has set: the account is kept by the role that logged in, and a pooler gives the session to others.
const AS_BEFORE: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

/// What is tried again begins here. The turn is kept meanwhile: if others took it, somebody would always wait for the lock.
const MARK: &str = "SAVEPOINT pando_file";
const BACK: &str = "ROLLBACK TO SAVEPOINT pando_file";

/// How long a statement waits for a lock; in a transaction, to its end.
const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, $2::boolean)";

/// The first pause after a lock was not to be had, doubled with each further one. Meanwhile those who came after it go on.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// PostgreSQL's code for a lock that was not to be had in time.
const NO_LOCK: &str = "55P03";

/// Applies a file, unless another node has done so meanwhile.
pub(super) async fn apply(
    connection: &mut Connection,
    migration: &Migration,
    settings: &Settings,
    clock: &dyn Clock,
    observer: &dyn Observer,
) -> Result<MigrationOutcome, StoreError> {
    let MigrationScript::Native(text) = &migration.script else { return Err(StoreError::other_engine()) };
    let text_begins = text.trim_start_matches('\u{feff}');
    let mut work = Work { connection, migration, own: None, text: text_begins, settings, clock, observer };
    if !sql::ddl::is_without_transaction(text) {
        return work.whole().await;
    }
    if pooler::is_between(work.connection).await? {
        return Err(work.refused(refusal::POOLED));
    }
    let outcome = work.by_statements().await;
    // A lost connection has given its turn back by itself.
    drop(work.connection.query(SESSION_TURN_ENDS, &[]).await);
    outcome
}

/// Applies a step of the program's own tables, unless another node has done so meanwhile.
pub(super) async fn apply_own(
    connection: &mut Connection,
    migrations: &'static OwnMigrations,
    place: usize,
    settings: &Settings,
    clock: &dyn Clock,
    observer: &dyn Observer,
) -> Result<MigrationOutcome, StoreError> {
    let Some(step) = migrations.all.get(place) else { return Ok(MigrationOutcome::Present) };
    let migration = Migration {
        version: migrations.version(place),
        name: migrations.name(step),
        checksum: checksum(step),
        script: MigrationScript::Native(String::new()),
        owes: None,
    };
    let own = Some(OwnStep { migrations, step });
    let mut work = Work { connection, migration: &migration, own, text: step.text, settings, clock, observer };
    work.whole().await
}

/// A file that is applied.
struct Work<'a> {
    connection: &'a mut Connection,
    migration: &'a Migration,
    /// Of the program's own tables.
    own: Option<OwnStep>,
    text: &'a str,
    settings: &'a Settings,
    clock: &'a dyn Clock,
    observer: &'a dyn Observer,
}

/// What failed.
enum Trouble<'a> {
    /// The file, run as a whole: so many of its statements were done before.
    File { error: Error, done: usize },
    /// A statement of the file that ran by itself.
    Statement { error: Error, part: Part<'a> },
    /// What is said around the file.
    Around(Error),
    /// It cannot even be tried, or was lost.
    Store(StoreError),
}

impl From<Error> for Trouble<'_> {
    fn from(error: Error) -> Self {
        Self::Around(error)
    }
}

impl<'a> Work<'a> {
    /// The file in one transaction.
    async fn whole(&mut self) -> Result<MigrationOutcome, StoreError> {
        let done = match self.begin_turn().await {
            Ok(()) => self.in_transaction().await,
            Err(error) => Err(error.into()),
        };
        let is_kept = matches!(done, Ok(MigrationOutcome::Applied | MigrationOutcome::Left));
        let ended = self.connection.batch(if is_kept { "COMMIT" } else { "ROLLBACK" }).await;
        let done = done.and_then(|outcome| ended.map(|()| outcome).map_err(Trouble::from));
        done.map_err(|trouble| self.failed(trouble))
    }

    /// Waits without a transaction for the turn, and begins one with it.
    async fn begin_turn(&mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            self.connection.batch(BEGIN).await?;
            if is_true(&self.connection.query(TURN, &[]).await?) {
                return Ok(());
            }
            self.connection.batch("ROLLBACK").await?;
            self.leave_to_others(&mut tries).await;
        }
    }

    /// Leaves the turn to the others for a while, and tells once that it does.
    async fn leave_to_others(&self, tries: &mut u32) {
        *tries = tries.saturating_add(1);
        if *tries == TOLD_AFTER {
            self.observer.migration_waits(&self.migration.name);
        }
        tokio::time::sleep(random_share(TURN_PAUSE)).await;
    }

    async fn in_transaction(&mut self) -> Result<MigrationOutcome, Trouble<'a>> {
        self.connection.batch(PATIENT).await?;
        if self.is_present().await? {
            return Ok(MigrationOutcome::Present);
        }
        let mut before = None;
        if let Some(own) = self.own {
            if self.stands(own).await? {
                self.leave().await?;
                return Ok(MigrationOutcome::Left);
            }
            before = Some((own, self.prepare(own).await?));
        }
        let bound = self.lock_timeout();
        self.connection.batch(MARK).await?;
        let mut again = 1;
        loop {
            self.connection.query(LOCK_TIMEOUT, &[&bound, "true"]).await?;
            match self.run().await {
                Err(Trouble::File { error, .. }) if self.is_tried_again(&error, again) => {
                    self.connection.batch(BACK).await?;
                    pause(again).await;
                    again += 1;
                }
                Err(trouble) => return Err(trouble),
                Ok(()) => break,
            }
        }
        self.connection.batch(AS_BEFORE).await?;
        self.connection.batch(PATIENT).await?;
        if let Some((own, before)) = before {
            self.close_to_others(own, &before).await?;
        }
        self.remember().await?;
        Ok(MigrationOutcome::Applied)
    }

    /// Runs the file at once, and counts what is done of it.
    async fn run(&mut self) -> Result<(), Trouble<'a>> {
        let mut flight = self.connection.flight();
        flight.simple(self.text)?;
        flight.send().await?;
        let (mut done, mut failure) = (0, None);
        loop {
            match self.connection.next().await? {
                Event::Complete { .. } => done += 1,
                Event::Failed { error, .. } => failure = failure.or(Some(error)),
                Event::Ready(_) => break,
                Event::Row(_) | Event::Suspended { .. } => {}
            }
        }
        failure.map_or(Ok(()), |error| Err(Trouble::File { error: Error::Server(error), done }))
    }

    /// Each statement on its own: those before one that fails stay.
    async fn by_statements(&mut self) -> Result<MigrationOutcome, StoreError> {
        let done = self.one_by_one().await;
        done.map_err(|trouble| self.failed(trouble))
    }

    async fn one_by_one(&mut self) -> Result<MigrationOutcome, Trouble<'a>> {
        self.connection.batch(PATIENT_SESSION).await?;
        let mut tries = 0;
        while !is_true(&self.connection.query(SESSION_TURN, &[]).await?) {
            self.leave_to_others(&mut tries).await;
        }
        if self.is_present().await? {
            return Ok(MigrationOutcome::Present);
        }
        let parts = sql::ddl::parts(&self.migration.name, self.text).map_err(|error| {
            let problem = format!("{}:{}: {}", error.line, error.column, error.message);
            Trouble::Store(self.refused(&problem))
        })?;
        for part in parts {
            self.one(part).await?;
        }
        self.connection.batch(AS_BEFORE).await?;
        self.connection.batch(PATIENT_SESSION).await?;
        self.remember().await?;
        Ok(MigrationOutcome::Applied)
    }

    async fn one(&mut self, part: Part<'a>) -> Result<(), Trouble<'a>> {
        // What runs concurrently waits for those who were there before it, and holds up nobody meanwhile; cut off, it
        // would leave half of itself behind.
        let is_concurrent = part.text.to_ascii_uppercase().contains("CONCURRENTLY");
        let bound = if is_concurrent { "0".to_owned() } else { self.lock_timeout() };
        let mut again = 1;
        loop {
            self.connection.query(LOCK_TIMEOUT, &[&bound, "false"]).await?;
            match self.connection.batch(part.text).await {
                Ok(()) => return Ok(()),
                Err(error) if self.is_tried_again(&error, again) => pause(again).await,
                Err(error) => return Err(Trouble::Statement { error, part }),
            }
            again += 1;
        }
    }

    fn lock_timeout(&self) -> String {
        self.settings.migration_lock_timeout.as_millis().to_string()
    }

    fn is_tried_again(&self, error: &Error, again: u32) -> bool {
        let is_no_lock = matches!(error, Error::Server(error) if error.code == NO_LOCK);
        is_no_lock && again < self.settings.migration_lock_attempts
    }
}

fn is_true(rows: &[wire::TextRow]) -> bool {
    rows.first().and_then(|row| row.get(0)) == Some("t")
}

/// Between one try and the next: `again` counts from 1.
async fn pause(again: u32) {
    let wait = FIRST_PAUSE.saturating_mul(1 << again.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    tokio::time::sleep(random_share(wait)).await;
}
