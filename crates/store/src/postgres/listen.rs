//! Reloading the catalog: a connection of its own waits for `NOTIFY pgrst` (PostgREST's "Schema Cache Reloading"). The catalog
//! is read beside the requests, which go on with the older one until the newer is whole.

use std::sync::Weak;
use std::time::Duration;

use wire::Connection;

use super::pool::Pool;
use super::{PostgresStore, failure};
use crate::error::StoreError;

/// The channel that PostgREST listens on.
pub(super) const CHANNEL: &str = "pgrst";

/// What is notified to have the catalog read anew; an empty payload does too.
const RELOAD: &str = "reload schema";

/// The first wait before the connection is made anew, doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Notifications of one migration come in swarms: so long is waited for more before the catalog is read.
const GATHER: Duration = Duration::from_millis(50);

/// The most notifications that are gathered before the catalog is read.
const MOST_GATHERED: usize = 256;

/// Listens for as long as the store is there. `connection` is one that listened before the catalog was read, so that nothing
/// was missed.
pub(super) async fn run(store: Weak<PostgresStore>, mut connection: Option<Connection>) {
    let mut wait = FIRST_WAIT;
    let mut is_late = false;
    while let Some(open) = store.upgrade() {
        let listening = match connection.take() {
            Some(connection) => Some(connection),
            None => connect(&open.pool).await.ok(),
        };
        drop(open);
        if let Some(listening) = listening {
            wait = FIRST_WAIT;
            listen(&store, listening, is_late).await;
        }
        // What is notified while nobody listens is not lost: the catalog is read when somebody does again.
        is_late = true;
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A connection of its own that listens.
async fn connect(pool: &Pool) -> Result<Connection, StoreError> {
    let mut connection = pool.connect_apart().await?;
    begin(&mut connection).await?;
    Ok(connection)
}

/// Begins to listen.
pub(super) async fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    connection.batch("LISTEN pgrst").await.map_err(|error| failure::of_connection(&error))
}

async fn listen(store: &Weak<PostgresStore>, mut connection: Connection, is_late: bool) {
    if is_late && !is_reloaded(store).await {
        return;
    }
    while let Ok(heard) = connection.notification().await {
        if heard.channel != CHANNEL || !(heard.payload.is_empty() || heard.payload == RELOAD) {
            continue;
        }
        for _ in 0..MOST_GATHERED {
            match tokio::time::timeout(GATHER, connection.notification()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return,
                Err(_) => break,
            }
        }
        if !is_reloaded(store).await {
            return;
        }
    }
}

/// A failure leaves the older catalog in its place; the connection is made anew, and with it the attempt.
async fn is_reloaded(store: &Weak<PostgresStore>) -> bool {
    match store.upgrade() {
        Some(store) => store.reload().await.is_ok(),
        None => false,
    }
}
