//! Who looks: a connection of his own, and what he has seen before.

use std::sync::Arc;
use std::time::Duration;

use wire::Connection;

use super::look::{Told, look, touched};
use super::moment::Moment;
use super::shared::{Found, SharedMoment, history};
use super::upkeep::Upkeep;
use super::{Known, Watching};
use crate::audit::hexadecimal;
use crate::error::StoreError;
use crate::position::Position;
use crate::postgres::pool::Registration;
use crate::postgres::sighting::{self, Sighting};
use crate::postgres::{PostgresStore, failure};

/// How long the server may take for a look, the way there included.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the session of looks is: each statement is a moment of its own, and the notes are found by their index although the server knows
/// nothing yet of how many there are. What may not be read from end to end and has no index seems to cost so much by that that the server
/// would compile each look, which takes longer than all of it. A pooler's session is not ours.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET enable_seqscan = off; SET jit = off";

/// Begins to keep changes without a gap, if nobody has since there was one. The name is chance's.
const BEGIN_EPOCH: &str =
    "INSERT INTO pando.changes_horizon (id, epoch, moment) VALUES (1, $1, '1:1:') ON CONFLICT DO NOTHING";

/// Transactions that were prepared and are not yet committed: 32 bits of their numbers.
const PREPARED: &str = "SELECT transaction FROM pg_catalog.pg_prepared_xacts";

/// The database, which another one may be a copy of, notes and all.
const DATABASE: &str = "SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()";

/// Who looks.
#[derive(Default)]
pub(super) struct Looker {
    open: Option<Open>,
    last: Option<Last>,
}

/// A connection to the primary.
struct Open {
    connection: Connection,
    server: Sighting,
    _registration: Registration,
}

/// The look before.
struct Last {
    /// Which server it was of; it counts no more for another one, nor after a restart.
    server: Sighting,
    epoch: String,
    /// The history that its moments are of.
    history: [u8; 16],
    moment: Arc<Moment>,
    /// What was on disk of the log then.
    flushed: u64,
    /// Transactions that may have lost their notes: a crash leaves those that are prepared, but not their notes.
    blind: Vec<u64>,
}

impl Looker {
    /// Looks once, and puts what has changed into the counters. Gives a place in the log that all of it stands before.
    pub(super) async fn look(&mut self, store: &PostgresStore, watching: &Watching) -> Result<Position, StoreError> {
        let late = |_| StoreError::Unreachable("the server does not tell in time what has changed".to_owned());
        let looked = tokio::time::timeout(PATIENCE, self.try_look(store, watching)).await.map_err(late);
        let looked = looked.and_then(|looked| looked);
        if looked.is_err() {
            // What is left of an answer goes with it. What was seen before counts on, if it is the same server that is found again.
            self.open = None;
        }
        looked
    }

    async fn try_look(&mut self, store: &PostgresStore, watching: &Watching) -> Result<Position, StoreError> {
        // A connection that nobody gives back is not among those that are closed with the pool.
        if store.pool.is_closed() {
            return Err(StoreError::Closed);
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::connect(store).await?),
        };
        let failed = |error: wire::Error| failure::of_connection(&error);
        let before = self.last.as_ref().filter(|last| last.server.is_same(&open.server));
        // Before the look: whatever is found to have been missed while it is under way needs another one.
        let forgotten = watching.lasts.forgotten();
        if let Some(before) = before {
            let told = look(&mut open.connection, Some(&before.moment)).await.map_err(failed)?;
            open.check(store, &told)?;
            if before.is_continued_by(&told) {
                let position = open.position(told.inserted);
                let moment = Some(SharedMoment::new(before.history, told.moment.clone()));
                let known = Known { counted: Some(position), before: Some(open.position(before.flushed)), moment };
                let blind = note(watching, known, before, &told, forgotten);
                self.last = Last::of(open.server, before.history, told, blind);
                return Ok(position);
            }
        }
        self.last = None;
        let mut name = [0; 16];
        getrandom::fill(&mut name)
            .map_err(|error| StoreError::Engine(format!("the machine gives no chance: {error}")))?;
        let epoch = hexadecimal(&name);
        open.connection.query(BEGIN_EPOCH, &[&epoch]).await.map_err(failed)?;
        // Before the look: one that is committed in between is not among them, and seen by it.
        let prepared = open.connection.query(PREPARED, &[]).await.map_err(failed)?;
        let prepared: Vec<u64> = prepared.iter().filter_map(|row| row.get(0)?.parse().ok()).collect();
        let database = open.connection.query(DATABASE, &[]).await.map_err(failed)?;
        let database = database.first().and_then(|row| row.get(0)).unwrap_or_default();
        let told = look(&mut open.connection, None).await.map_err(failed)?;
        open.check(store, &told)?;
        let position = open.position(told.inserted);
        // Nobody is given a moment of what was looked at before with a place of this one.
        *watching.known.lock() = Known { counted: Some(position), before: None, moment: None };
        let epoch = told.horizon.as_ref().map(|(epoch, _)| epoch.as_str());
        let history = history(&open.server, database, epoch.unwrap_or_default());
        watching.lasts.begin(history, &told.moment, forgotten);
        watching.changes.forget();
        watching.known.lock().moment = epoch.map(|_| SharedMoment::new(history, told.moment.clone()));
        let is_prepared = |transaction: &u64| prepared.contains(&(transaction & u64::from(u32::MAX)));
        let blind = told.moment.running().iter().copied().filter(is_prepared).collect();
        self.last = Last::of(open.server, history, told, blind);
        Ok(position)
    }
}

impl Looker {
    /// What is done every second, after a look.
    pub(super) async fn keep_up(&mut self, store: &Arc<PostgresStore>, watching: &Watching, upkeep: &mut Upkeep) {
        let (Some(open), Some(last)) = (&mut self.open, &self.last) else { return };
        upkeep.tidy(store, watching, &last.epoch, &last.moment);
        upkeep.mend(store, watching);
        let compared = tokio::time::timeout(PATIENCE, upkeep.compare(store, watching, &mut open.connection)).await;
        if !matches!(compared, Ok(Ok(true))) {
            // What is left of an answer goes with it, and so does a session that began with other settings than one does that begins now.
            self.open = None;
        }
    }
}

/// Puts what a look has told into the counters. Gives the transactions that may still have lost their notes.
fn note(watching: &Watching, known: Known, before: &Last, told: &Told, forgotten: u64) -> Vec<u64> {
    // First the place, then what counts: whoever asks for the place after he has looked at the counters is given one that is far enough.
    watching.known.lock().counted = known.counted;
    let (ended, blind): (Vec<u64>, Vec<u64>) = before.blind.iter().partition(|number| told.moment.sees(**number));
    let noted = told.noted.as_deref().filter(|_| ended.is_empty());
    watching.lasts.note(&watching.changes, &Found { moment: &told.moment, noted, forgotten });
    match noted.map(touched) {
        Some(touched) if touched.is_empty() => {}
        Some(touched) => watching.changes.happened(&touched),
        None => watching.changes.forget(),
    }
    *watching.known.lock() = known;
    blind
}

impl Open {
    async fn connect(store: &PostgresStore) -> Result<Self, StoreError> {
        let failed = |error: wire::Error| failure::of_connection(&error);
        let (mut connection, registration) = store.pool.connect_to_work().await?;
        if !store.is_pooled {
            connection.batch(SESSION).await.map_err(failed)?;
        }
        let seen = sighting::look(&mut connection, store.clock.monotonic()).await.map_err(failed)?;
        let unknown = "the server does not tell how far it is, so nobody can tell what has changed";
        let server = seen.ok_or_else(|| StoreError::Unreachable(unknown.to_owned()))?;
        if !server.is_primary {
            return Err(StoreError::Unreachable("it is a standby, which does not know what has changed".to_owned()));
        }
        Ok(Self { connection, server, _registration: registration })
    }

    /// Whether it is still the server that it was.
    fn check(&self, store: &PostgresStore, told: &Told) -> Result<(), StoreError> {
        if told.timeline != self.server.timeline || store.pool.is_past(told.timeline) {
            return Err(StoreError::Unreachable("the server was replaced by another one".to_owned()));
        }
        Ok(())
    }

    fn position(&self, point: u64) -> Position {
        let Sighting { system, timeline, log, .. } = self.server;
        Position { system, timeline, point: log.end_of_record(point) }
    }
}

impl Last {
    fn of(server: Sighting, history: [u8; 16], told: Told, blind: Vec<u64>) -> Option<Self> {
        let (epoch, _) = told.horizon?;
        Some(Self { server, epoch, history, moment: told.moment, flushed: told.flushed, blind })
    }

    /// Whether what was told is all that has changed since: no crash has emptied the notes, nor has anybody tidied away what was not
    /// seen yet, and the server has not gone back in its history.
    fn is_continued_by(&self, told: &Told) -> bool {
        let is_kept = |(epoch, gone): &(String, Moment)| *epoch == self.epoch && self.moment.sees_all_of(gone);
        told.horizon.as_ref().is_some_and(is_kept) && told.moment.sees_all_of(&self.moment)
    }
}
