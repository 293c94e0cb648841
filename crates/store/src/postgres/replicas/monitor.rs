//! Looking at the servers, again and again: where they are in the history, and whether they answer.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use wire::Connection;

use super::super::pool::Pool;
use super::super::sighting::{Sighting, look};
use super::Replicas;

/// How often a server is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often a replica is looked at while a read waits for what it has not replayed yet.
const HURRIED: Duration = Duration::from_millis(4);

/// A server that takes longer to answer is down.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at all servers once, and goes on to do so for as long as they are there.
pub(in crate::postgres) async fn watch(replicas: &Arc<Replicas>) {
    let mut first = tokio::task::JoinSet::new();
    let places = (0..replicas.servers.len()).map(Some).chain([None]);
    for place in places {
        let replicas = replicas.clone();
        first.spawn(async move {
            let mut connection = None;
            look_at(&replicas, place, &mut connection).await;
            tokio::spawn(go_on(Arc::downgrade(&replicas), place, connection));
        });
    }
    first.join_all().await;
}

async fn go_on(replicas: Weak<Replicas>, place: Option<usize>, mut connection: Option<Connection>) {
    loop {
        {
            let Some(replicas) = replicas.upgrade() else { return };
            // Whoever begins to wait from here on is not missed.
            let mut awaited = pin!(replicas.awaited.notified());
            awaited.as_mut().enable();
            let is_hurried = place.is_some() && replicas.is_awaited();
            tokio::select! {
                () = tokio::time::sleep(if is_hurried { HURRIED } else { INTERVAL }) => {}
                () = awaited, if place.is_some() && !is_hurried => {}
            }
        }
        let Some(replicas) = replicas.upgrade() else { return };
        look_at(&replicas, place, &mut connection).await;
    }
}

/// Looks at a replica, or at the primary where there is no place.
async fn look_at(replicas: &Replicas, place: Option<usize>, connection: &mut Option<Connection>) {
    let server = place.and_then(|place| replicas.servers.get(place));
    let pool = server.map_or(&replicas.primary, |server| &server.pool);
    let sighting = tokio::time::timeout(PATIENCE, sight(replicas, pool, connection)).await.ok().flatten();
    if sighting.is_none() {
        *connection = None;
    }
    match (place, sighting) {
        (Some(place), sighting) => replicas.note(place, sighting),
        (None, Some(sighting)) if replicas.note_primary(sighting) => {}
        // It was replaced, or can no longer be written to: the next connection finds the one that can.
        (None, _) => *connection = None,
    }
}

async fn sight(replicas: &Replicas, pool: &Pool, connection: &mut Option<Connection>) -> Option<Sighting> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => pool.connect_apart().await.ok()?,
    };
    let at = replicas.clock.monotonic();
    let sighting = look(&mut open, at).await.ok().flatten();
    // Otherwise it goes, and with it what may be left of the answer.
    *connection = sighting.is_some().then_some(open);
    sighting
}
