//! Poolers between Pando and the server, such as PgBouncer. Those that give each transaction whatever session is free (PgBouncer's
//! transaction mode) may know nothing of statements that were prepared in another one.

use std::sync::Arc;
use std::time::Duration;

use wire::{Connection, Event, Format, Query};

use super::failure;
use super::pool::Pool;
use crate::error::StoreError;

/// Which session answers.
const WHO: &str = "SELECT pg_backend_pid()";

/// How long the comparison of sessions may take: a pooler that has only one to give lets the second wait.
const CHECKED: Duration = Duration::from_secs(2);

/// Whether somebody stands between: poolers number their connections by themselves.
///
/// # Errors
/// Those of the connection.
pub(super) async fn is_between(connection: &mut Connection) -> Result<bool, StoreError> {
    let known = connection.process_id();
    let rows = connection.query(WHO, &[]).await.map_err(|error| failure::of_connection(&error))?;
    Ok(rows.first().and_then(|row| row.get(0)).and_then(|session| session.parse().ok()) != Some(known))
}

/// Refuses a pooler under which a statement that was prepared is not there any more in the next transaction.
///
/// One connection prepares a statement; while another one is in a transaction, which takes the session that was used last, the
/// first executes it again. A pooler that is busy may give it the same session by chance: then nothing is found, and statements
/// that are not there are prepared anew as far as that is possible.
///
/// # Errors
/// [`StoreError::Address`] with what to set; those of the connection.
pub(super) async fn check(pool: &Arc<Pool>) -> Result<(), StoreError> {
    let mut first = pool.connect_apart().await?;
    let mut second = pool.connect_apart().await?;
    let lasts = lasts(&mut first, &mut second);
    let lasts = tokio::time::timeout(CHECKED, lasts).await.unwrap_or(Ok(true));
    for connection in [first, second] {
        // What it held goes with it.
        drop(connection.close().await);
    }
    if lasts.map_err(|error| failure::of_connection(&error))? {
        return Ok(());
    }
    Err(StoreError::Address(
        "it leads to a pooler (PgBouncer in transaction mode?) that forgets prepared statements between transactions; set \
         database.prepared_statements = 0, and database.channel = \"\" since it passes no notifications on; or give PgBouncer \
         1.21 or newer a max_prepared_statements"
            .to_owned(),
    ))
}

async fn lasts(first: &mut Connection, second: &mut Connection) -> Result<bool, wire::Error> {
    if !executes(first).await? {
        return Ok(false);
    }
    second.batch("BEGIN").await?;
    let lasts = executes(first).await;
    second.batch("ROLLBACK").await?;
    lasts
}

/// Executes a statement that is kept prepared; `false` if the session does not know it.
async fn executes(connection: &mut Connection) -> Result<bool, wire::Error> {
    let mut flight = connection.flight();
    flight.execute(&Query { format: Format::Text, ..Query::new("", WHO) })?;
    flight.sync();
    flight.send().await?;
    let mut is_known = true;
    loop {
        match connection.next().await? {
            Event::Failed { error, .. } if error.code == "26000" => is_known = false,
            Event::Failed { error, .. } => return Err(wire::Error::Server(error)),
            Event::Ready(_) => return Ok(is_known),
            _ => {}
        }
    }
}
