//! Migrations on a PostgreSQL server: each file as it is, in one transaction, remembered beside it. However many nodes start at
//! once, each file is applied once: they take turns at a lock.

use base::{Clock, Failure, Kind};
use wire::{Connection, Error};

use super::failure;
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

/// A statement that waits longer than this for a lock fails, and the file with it: a migration that waits for a long
/// transaction holds up everybody who comes after it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = 0";

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
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let MigrationScript::Native(text) = &migration.script else { return Err(StoreError::other_engine()) };
    let failed = |error: Error| failed(migration, &error);
    connection.query(LOCK, &[]).await.map_err(failed)?;
    let outcome = in_turn(connection, migration, text, clock).await;
    // A lost connection has given the lock back by itself.
    drop(connection.query(UNLOCK, &[]).await);
    outcome
}

async fn in_turn(
    connection: &mut Connection,
    migration: &Migration,
    text: &str,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let failed = |error: Error| failed(migration, &error);
    connection.batch(FOUND).await.map_err(failed)?;
    let known = applied(connection).await?;
    if known.iter().any(|known| known.version == migration.version && known.checksum == migration.checksum) {
        return Ok(());
    }
    connection.batch("BEGIN").await.map_err(failed)?;
    let done = in_transaction(connection, migration, text, clock).await;
    let ended = connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    done.and(ended).map_err(failed)
}

async fn in_transaction(
    connection: &mut Connection,
    migration: &Migration,
    text: &str,
    clock: &dyn Clock,
) -> Result<(), Error> {
    connection.batch(LOCK_TIMEOUT).await?;
    connection.batch(text).await?;
    let insert = "INSERT INTO pando.migrations (version, name, checksum, applied_at)
                  VALUES ($1::bigint, $2, $3, to_timestamp($4::numeric / 1000000))";
    let (version, now) = (migration.version.to_string(), clock.now().0.to_string());
    connection.query(insert, &[&version, &migration.name, &migration.checksum, &now]).await?;
    connection.query("SELECT pg_notify('pgrst', 'reload schema')", &[]).await.map(drop)
}

fn failed(migration: &Migration, error: &Error) -> StoreError {
    let problem = match error {
        Error::Server(error) => {
            let detail = error.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            let hint = error.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
            let line = line_of(migration, error.position).map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{line}{}{detail}{hint} [{}]", error.message, error.code)
        }
        other => other.to_string(),
    };
    StoreError::Migration { name: migration.name.clone(), problem }
}

/// The line of the file that a position, in characters from 1, is in.
fn line_of(migration: &Migration, position: Option<u32>) -> Option<usize> {
    let MigrationScript::Native(text) = &migration.script else { return None };
    let before = text.chars().take(usize::try_from(position?).ok()?.saturating_sub(1));
    Some(before.filter(|character| *character == '\n').count() + 1)
}
