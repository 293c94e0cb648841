//! Reloading the catalog beside the requests: one reading at a time, however many ask for it, put in its place at once. One
//! that fails leaves the older catalog where it is, and is tried again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base::Clock;
use catalog::Catalog;
use tokio::sync::watch;
use tokio::time::Instant;

use super::introspect::{Asked, Dependences};
use super::pool::{Pool, random_share};
use super::{PostgresStore, failure, introspect, sighting};
use crate::driver::CatalogReading;
use crate::error::StoreError;
use crate::position::Position;

/// Changes of a schema come in swarms: when nothing more has come for so long, the catalog is read.
const GATHER: Duration = Duration::from_millis(50);

/// It is read after so long at the latest, however many changes come.
const LONGEST_GATHER: Duration = Duration::from_secs(1);

/// The first wait after a reading that failed, doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A reading that takes longer waits for a server that is gone. Of ten thousand tables one takes a second.
const LONGEST_READING: Duration = Duration::from_secs(60);

/// After so long hardly a request still uses an older catalog. Whoever lets the last hold of a large one go spends
/// milliseconds on it, and that should not be a request.
const KEPT: Duration = Duration::from_secs(5);

/// Who wants the catalog read, and how far that is.
pub(super) struct Reloading {
    /// How often it was wanted.
    wanted: watch::Sender<u64>,
    /// The last reading.
    ended: watch::Sender<Ended>,
    /// Held while it is read and put in its place, so that an older one never takes the place of a newer.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// The end of a reading.
#[derive(Default)]
struct Ended {
    /// What it answers: all that was wanted up to here.
    number: u64,
    error: Option<StoreError>,
}

impl Reloading {
    pub(super) fn new() -> Self {
        let (wanted, ended) = (watch::Sender::default(), watch::Sender::default());
        Self { wanted, ended, turn: tokio::sync::Mutex::default() }
    }

    /// Has the catalog read soon. Waits for nothing.
    pub(super) fn want(&self) -> u64 {
        let mut number = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            number = *wanted;
        });
        number
    }

    /// Has the catalog read, and waits for the first reading that began afterwards.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let mut ended = self.ended.subscribe();
        if self.wanted.is_closed() {
            return Err(StoreError::Closed);
        }
        let number = self.want();
        let ended = ended.wait_for(|ended| ended.number >= number).await.map_err(|_| StoreError::Closed)?;
        ended.error.clone().map_or(Ok(()), Err)
    }

    /// What [`run`] follows.
    pub(super) fn wishes(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }
}

/// Reads the catalog whenever it is wanted, for as long as the store is there.
pub(super) async fn run(store: Weak<PostgresStore>, mut wanted: watch::Receiver<u64>) {
    let mut wait = FIRST_WAIT;
    while wanted.changed().await.is_ok() {
        loop {
            gather(&mut wanted).await;
            let number = *wanted.borrow_and_update();
            let Some(open) = store.upgrade() else { return };
            let error = open.reread().await.err();
            open.reloading.ended.send_replace(Ended { number, error: error.clone() });
            drop(open);
            match error {
                None => break,
                Some(StoreError::Closed) => return,
                Some(_) => {}
            }
            tokio::time::sleep(random_share(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        wait = FIRST_WAIT;
    }
}

/// Has the catalog read when a newer history of the database is known: the older one says nothing of who understands it.
pub(super) async fn follow(store: Weak<PostgresStore>, mut newest: watch::Receiver<u32>) {
    while newest.changed().await.is_ok() {
        let Some(store) = store.upgrade() else { return };
        store.reloading.want();
    }
}

async fn gather(wanted: &mut watch::Receiver<u64>) {
    let end = Instant::now() + LONGEST_GATHER;
    while Instant::now() < end {
        match tokio::time::timeout(GATHER, wanted.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

impl PostgresStore {
    /// Reads the catalog and tells of it.
    async fn reread(&self) -> Result<(), StoreError> {
        let started = self.clock.monotonic();
        let read = self.load_catalog().await;
        if !matches!(read, Err(StoreError::Closed)) {
            let duration = self.clock.monotonic().saturating_duration_since(started);
            self.observer.catalog_read(&CatalogReading { outcome: read.as_deref(), duration });
        }
        read.map(drop)
    }

    /// Reads the catalog and puts it in its place.
    pub(super) async fn load_catalog(&self) -> Result<Arc<Catalog>, StoreError> {
        let _turn = self.reloading.turn.lock().await;
        let started = self.clock.monotonic();
        let asked = self.dependences_asked();
        let Read { catalog, dependences, position } = read(self.pool.clone(), self.clock.clone(), asked).await?;
        let catalog = Arc::new(catalog);
        if let Some(replicas) = &self.replicas {
            // Without it nobody could say which replica has this catalog's tables: it is read again, and the older one goes on.
            let unknown = || StoreError::Unreachable("the primary does not tell how far it is".to_owned());
            replicas.set_catalog(position.ok_or_else(unknown)?);
        }
        *self.catalog_took.lock() = self.clock.monotonic().saturating_duration_since(started);
        let older = self.replace_dependences(dependences, || self.catalog.swap(catalog.clone()));
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            tokio::task::spawn_blocking(move || drop(older));
        });
        Ok(catalog)
    }
}

/// What was read.
struct Read {
    catalog: Catalog,
    /// What its relations depend on, but for those themselves.
    dependences: Dependences,
    position: Option<Position>,
}

/// On a thread and a connection of its own: of ten thousand tables it takes a second, in which the threads that serve
/// have other things to do.
async fn read(pool: Arc<Pool>, clock: Arc<dyn Clock>, asked: Option<Asked>) -> Result<Read, StoreError> {
    let runtime = tokio::runtime::Handle::current();
    let reading = move || {
        let reading = async move {
            let mut connection = pool.connect_apart().await?;
            let failed = |error: wire::Error| failure::of_connection(&error);
            let (snapshot, dependences) =
                introspect::snapshot(&mut connection, asked.as_ref()).await.map_err(failed)?;
            // Whatever the snapshot shows was committed before: who has replayed this much understands it.
            let seen = sighting::look(&mut connection, clock.monotonic()).await.map_err(failed)?;
            let position =
                seen.map(|seen| Position { system: seen.system, timeline: seen.timeline, point: seen.point });
            // What was read counts, whether the server hears the farewell or not.
            drop(connection.close().await);
            let catalog = Catalog::new(snapshot);
            match catalog.broken_document_schema() {
                // What it says would otherwise not be looked at.
                Some(problem) => Err(StoreError::Engine(problem)),
                None => Ok(Read { catalog, dependences, position }),
            }
        };
        let late = |_| StoreError::Unreachable("the catalog was not read within a minute".to_owned());
        runtime.block_on(async { tokio::time::timeout(LONGEST_READING, reading).await.map_err(late)? })
    };
    tokio::task::spawn_blocking(reading).await.unwrap_or_else(|_panic| {
        Err(StoreError::Engine("reading the catalog failed inside; please report this".to_owned()))
    })
}
