//! What others change: a connection of its own waits for `NOTIFY pgrst` (PostgREST's "Schema Cache Reloading").

use std::sync::Weak;
use std::time::Duration;

use wire::Connection;

use super::pool::Pool;
use super::{PostgresStore, failure};
use crate::error::StoreError;

/// What is notified to have the catalog read anew, and the configuration; an empty payload has both.
const SCHEMA: &str = "reload schema";
const CONFIGURATION: &str = "reload config";

/// The first wait before the connection is made anew, doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Listens for as long as the store is there. `connection` is one that listened before the catalog was read, so that nothing
/// was missed.
pub(super) async fn run(store: Weak<PostgresStore>, mut connection: Option<Connection>) {
    let mut wait = FIRST_WAIT;
    let mut is_late = false;
    while let Some(open) = store.upgrade() {
        let Some(channel) = &open.settings.channel else { return };
        let listening = match connection.take() {
            Some(connection) => Some(connection),
            None => connect(&open.pool, channel).await.ok(),
        };
        if let Some(listening) = listening {
            // What is notified while nobody listens is not lost: the catalog is read when somebody does again.
            if is_late {
                open.reloading.want();
            }
            drop(open);
            wait = FIRST_WAIT;
            listen(&store, listening).await;
        }
        is_late = true;
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A connection of its own that listens.
async fn connect(pool: &Pool, channel: &str) -> Result<Connection, StoreError> {
    let mut connection = pool.connect_apart().await?;
    begin(&mut connection, channel).await?;
    Ok(connection)
}

/// Begins to listen.
pub(super) async fn begin(connection: &mut Connection, channel: &str) -> Result<(), StoreError> {
    let mut text = String::from("LISTEN \"");
    text.push_str(&channel.replace('"', "\"\""));
    text.push('"');
    connection.batch(&text).await.map_err(|error| failure::of_connection(&error))
}

async fn listen(store: &Weak<PostgresStore>, mut connection: Connection) {
    while let Ok(heard) = connection.notification().await {
        let Some(store) = store.upgrade() else { return };
        if store.settings.channel.as_deref() != Some(&heard.channel) {
            continue;
        }
        if heard.payload.is_empty() || heard.payload == SCHEMA {
            store.reloading.want();
        }
        if heard.payload.is_empty() || heard.payload == CONFIGURATION {
            store.observer.configuration_wanted();
        }
    }
}
