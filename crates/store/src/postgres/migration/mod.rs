//! Migrations on a PostgreSQL server: each file as it is, in one transaction unless it says otherwise, remembered beside it. However many nodes start at
//! once, each file is applied once: they take turns at a lock.

use std::time::Duration;

use base::{Clock, Failure, Kind};
use sql::ddl::Part;
use wire::{Connection, Error};

use super::pool::random_share;
use super::{Settings, failure};
use crate::driver::{AppliedMigration, Migration, MigrationScript};
use crate::error::StoreError;

/// The key of the lock that nodes take turns at: "pando" in ASCII.
const LOCK: &str = "SELECT pg_advisory_lock(482805802095)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(482805802095)";

/// Where it is remembered what was applied. Only the role that migrates needs to see it.
const FOUND: &str = "CREATE SCHEMA IF NOT EXISTS pando;
    CREATE TABLE IF NOT EXISTS pando.migrations (
        version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL
    )";

/// A migration takes as long as it takes, and so does whoever runs before this one.
const PATIENT: &str = "SET statement_timeout = 0";

/// How long a statement waits for a lock; in a transaction, to its end.
const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, $2::boolean)";

/// The first pause after a lock was not to be had, doubled with each further one. Meanwhile those who came after it go on.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// PostgreSQL's code for a lock that was not to be had in time.
const NO_LOCK: &str = "55P03";

/// What was applied, oldest first; nothing where there is no table for it yet.
pub(super) async fn applied(connection: &mut Connection) -> Result<Vec<AppliedMigration>, StoreError> {
    let exists = connection.query("SELECT to_regclass('pando.migrations') IS NOT NULL", &[]).await;
    let exists = exists.map_err(|error| unread(&error))?;
    if exists.first().and_then(|row| row.get(0)) != Some("t") {
        return Ok(Vec::new());
    }
    let text = "SELECT version, name, checksum, (extract(epoch FROM applied_at) * 1000000)::bigint
                  FROM pando.migrations ORDER BY version";
    let rows = connection.query(text, &[]).await.map_err(|error| unread(&error))?;
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let read = rows.iter().map(|row| AppliedMigration {
        version: number(row.get(0)),
        name: row.get(1).unwrap_or_default().to_owned(),
        checksum: row.get(2).unwrap_or_default().to_owned(),
        applied_at: number(row.get(3)),
    });
    Ok(read.collect())
}

/// Only the role that migrates may see what was applied.
fn unread(error: &Error) -> StoreError {
    match error {
        Error::Server(server) if server.code == "42501" => {
            let message = "the role that logs in may not see which migrations were applied (pando.migrations)";
            Failure::new(Kind::Forbidden, "42501", message).into()
        }
        other => failure::of_connection(other),
    }
}

/// Applies a file, unless another node has done so meanwhile.
pub(super) async fn apply(
    connection: &mut Connection,
    migration: &Migration,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let MigrationScript::Native(text) = &migration.script else { return Err(StoreError::other_engine()) };
    let mut work = Work { connection, migration, settings, clock };
    work.batch(PATIENT).await?;
    work.batch(LOCK).await?;
    let outcome = work.in_turn(text).await;
    // A lost connection has given the lock back by itself.
    drop(work.connection.query(UNLOCK, &[]).await);
    outcome
}

/// A file that is applied.
struct Work<'a> {
    connection: &'a mut Connection,
    migration: &'a Migration,
    settings: &'a Settings,
    clock: &'a dyn Clock,
}

impl Work<'_> {
    async fn in_turn(&mut self, text: &str) -> Result<(), StoreError> {
        self.batch(FOUND).await?;
        let known = applied(self.connection).await?;
        let Migration { version, checksum, .. } = self.migration;
        if known.iter().any(|known| known.version == *version && known.checksum == *checksum) {
            return Ok(());
        }
        if sql::ddl::is_without_transaction(text) {
            self.one_by_one(text).await?;
            return self.remember().await.map_err(|error| self.failed(&error, None));
        }
        for again in 1.. {
            self.batch("BEGIN").await?;
            let done = self.in_transaction(text).await;
            let ended = self.connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
            match done.and(ended) {
                Err(error) if self.is_tried_again(&error, again) => pause(again).await,
                outcome => return outcome.map_err(|error| self.failed(&error, None)),
            }
        }
        Ok(())
    }

    async fn in_transaction(&mut self, text: &str) -> Result<(), Error> {
        let bound = self.lock_timeout();
        self.connection.query(LOCK_TIMEOUT, &[&bound, "true"]).await?;
        self.connection.batch(text).await?;
        self.remember().await
    }

    /// Each statement on its own: those before one that fails stay.
    async fn one_by_one(&mut self, text: &str) -> Result<(), StoreError> {
        let migration = |error: sql::ddl::DdlError| StoreError::Migration {
            name: self.migration.name.clone(),
            problem: format!("{}:{}: {}", error.line, error.column, error.message),
        };
        for part in sql::ddl::parts(&self.migration.name, text).map_err(migration)? {
            // What runs concurrently waits for those who were there before it, and holds up nobody meanwhile; cut off, it
            // would leave half of itself behind.
            let is_concurrent = part.text.to_ascii_uppercase().contains("CONCURRENTLY");
            let bound = if is_concurrent { "0".to_owned() } else { self.lock_timeout() };
            for again in 1.. {
                let bounded = self.connection.query(LOCK_TIMEOUT, &[&bound, "false"]).await.map(drop);
                let done = match bounded {
                    Ok(()) => self.connection.batch(part.text).await,
                    Err(error) => Err(error),
                };
                match done {
                    Ok(()) => break,
                    Err(error) if self.is_tried_again(&error, again) => pause(again).await,
                    Err(error) => return Err(self.failed(&error, Some(&part))),
                }
            }
        }
        Ok(())
    }

    async fn remember(&mut self) -> Result<(), Error> {
        let insert = "INSERT INTO pando.migrations (version, name, checksum, applied_at)
                      VALUES ($1::bigint, $2, $3, to_timestamp($4::numeric / 1000000))";
        let Migration { version, name, checksum, .. } = self.migration;
        let (version, now) = (version.to_string(), self.clock.now().0.to_string());
        self.connection.query(insert, &[&version, name, checksum, &now]).await?;
        let channel = self.settings.channel.as_deref().unwrap_or("pgrst");
        self.connection.query("SELECT pg_notify($1, 'reload schema')", &[channel]).await.map(drop)
    }

    fn lock_timeout(&self) -> String {
        self.settings.migration_lock_timeout.as_millis().to_string()
    }

    fn is_tried_again(&self, error: &Error, again: u32) -> bool {
        let is_no_lock = matches!(error, Error::Server(error) if error.code == NO_LOCK);
        is_no_lock && again < self.settings.migration_lock_attempts
    }

    async fn batch(&mut self, text: &str) -> Result<(), StoreError> {
        self.connection.batch(text).await.map_err(|error| self.failed(&error, None))
    }

    /// What failed, with its line in the file; `part` is the statement, where it ran on its own.
    fn failed(&self, error: &Error, part: Option<&Part<'_>>) -> StoreError {
        let problem = match error {
            Error::Server(error) => {
                let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                let hint = error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
                let line = self.line_of(error.position, part).map(|line| format!("line {line}: ")).unwrap_or_default();
                let advice = match (error.code.as_str(), part) {
                    (NO_LOCK, _) => LOCKED,
                    ("25001", None) => NEEDS_NO_TRANSACTION,
                    (_, Some(_)) => REMAINS,
                    _ => "",
                };
                format!("{line}{}{detail}{hint} [{}]{advice}", error.message, error.code)
            }
            Error::Broken | Error::Closed | Error::Io(_) => return failure::of_connection(error),
            other => other.to_string(),
        };
        StoreError::Migration { name: self.migration.name.clone(), problem }
    }

    /// The line of the file that a position, in characters from 1, is in.
    fn line_of(&self, position: Option<u32>, part: Option<&Part<'_>>) -> Option<u64> {
        let MigrationScript::Native(text) = &self.migration.script else { return None };
        let (text, first) = part.map_or((text.as_str(), 1), |part| (part.text, part.line));
        let Some(position) = position else { return part.map(|part| part.line) };
        let before = text.chars().take(usize::try_from(position).ok()?.saturating_sub(1));
        Some(first + before.filter(|character| *character == '\n').count() as u64)
    }
}

const LOCKED: &str = "; somebody holds a lock on the table: end long transactions, or raise database.migration_lock_timeout_ms or \
     database.migration_lock_attempts";
const NEEDS_NO_TRANSACTION: &str =
    "; give the statement a file of its own whose first line is `-- pando: no transaction`";
const REMAINS: &str = "; the statements before it remain, since the file runs without a transaction: it is run from its \
     beginning again, so write IF NOT EXISTS and IF EXISTS. A CREATE INDEX CONCURRENTLY that failed leaves an INVALID index: \
     drop it first";

/// Between one try and the next: `again` counts from 1.
async fn pause(again: u32) {
    let wait = FIRST_PAUSE.saturating_mul(1 << again.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    tokio::time::sleep(random_share(wait)).await;
}
