//! What others change: a connection of its own waits for `NOTIFY pgrst` (PostgREST's "Schema Cache Reloading").

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::{Connection, Notification};

use super::{PostgresStore, failure, sighting};
use crate::error::StoreError;

/// What is notified to have the catalog read anew, and the configuration; an empty payload has both.
const SCHEMA: &str = "reload schema";
const CONFIGURATION: &str = "reload config";

/// The first wait before the connection is made anew, doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A connection is asked after so long whether anybody is still there: one whose server is gone without a word hears nothing
/// for hours otherwise.
const ASKED: Duration = Duration::from_secs(10);
/// How long the server may take to say so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that listens.
pub(super) struct Listening {
    connection: Connection,
    /// The history that its server was on; none that does not tell.
    timeline: Option<u32>,
}

/// Listens for as long as the store is there. `listening` is one that listened before the catalog was read, so that nothing
/// was missed; `newest` ticks when a newer history of the database is known.
pub(super) async fn run(
    store: Weak<PostgresStore>,
    mut listening: Option<Listening>,
    mut newest: watch::Receiver<u32>,
) {
    let mut wait = FIRST_WAIT;
    let mut is_late = false;
    while let Some(open) = store.upgrade() {
        let Some(channel) = &open.settings.channel else { return };
        let current = match listening.take() {
            Some(current) => Some(current),
            None => connect(&open, channel).await.ok(),
        };
        if let Some(current) = current {
            // What is notified while nobody listens is not lost: the catalog is read when somebody does again.
            if is_late {
                open.reloading.want();
            }
            drop(open);
            wait = FIRST_WAIT;
            listen(&store, current, &mut newest).await;
        }
        is_late = true;
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// A connection of its own that listens.
async fn connect(store: &PostgresStore, channel: &str) -> Result<Listening, StoreError> {
    begin(store.pool.connect_apart().await?, channel, store.clock.monotonic()).await
}

/// Begins to listen.
pub(super) async fn begin(mut connection: Connection, channel: &str, now: Instant) -> Result<Listening, StoreError> {
    let mut text = String::from("LISTEN \"");
    text.push_str(&channel.replace('"', "\"\""));
    text.push('"');
    let failed = |error: wire::Error| failure::of_connection(&error);
    let seen = sighting::look(&mut connection, now).await.map_err(failed)?;
    connection.batch(&text).await.map_err(failed)?;
    Ok(Listening { connection, timeline: seen.map(|seen| seen.timeline) })
}

async fn listen(store: &Weak<PostgresStore>, mut listening: Listening, newest: &mut watch::Receiver<u32>) {
    while let Some(heard) = hear(&mut listening, newest).await {
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

/// The next notification; `None` once the connection leads nowhere, or to a primary that was replaced.
async fn hear(listening: &mut Listening, newest: &mut watch::Receiver<u32>) -> Option<Notification> {
    loop {
        tokio::select! {
            heard = listening.connection.notification() => return heard.ok(),
            () = is_replaced(listening.timeline, newest) => return None,
            () = tokio::time::sleep(ASKED) => {}
        }
        let answer = tokio::time::timeout(PATIENCE, listening.connection.batch("SELECT 1")).await;
        answer.ok()?.ok()?;
    }
}

/// Waits until a history is known that is newer than this one.
async fn is_replaced(timeline: Option<u32>, newest: &mut watch::Receiver<u32>) {
    match timeline {
        Some(timeline) => drop(newest.wait_for(|newest| *newest > timeline).await),
        None => std::future::pending().await,
    }
}
