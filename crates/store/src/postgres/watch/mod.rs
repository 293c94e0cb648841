//! What has changed on a server, whoever has changed it: triggers note it beside each change, and looks at the notes put it into the
//! counters ([`Changes`]). No clock decides anything, nor does it matter which node is how fast: the server alone says what is seen.
//!
//! Whoever wants to know waits for a look that began after his question (`catch_up`); however many wait, one look is under way and one
//! more is to come.

mod fingerprint;
mod look;
mod looker;
mod moment;
mod shared;
mod tidy;
mod triggers;
mod upkeep;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use self::looker::Looker;
use self::shared::Lasts;
use self::upkeep::Upkeep;
use super::PostgresStore;
use super::introspect::{Asked, Dependences};
use crate::audit::Unwatched;
use crate::changes::{Changes, Stamp};
use crate::driver::Store as _;
use crate::error::StoreError;
use crate::position::{Position, PositionToken};
use crate::watching::WatchSettings;

pub(super) use fingerprint::fingerprint;
pub use shared::SharedMoment;
pub(super) use triggers::{FUNCTIONS, Told, noted};

/// It is looked so often though nobody asks: what is kept for a while is no older than this.
const EVERY: Duration = Duration::from_secs(1);

/// How long a caller waits for a look.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What is known of changes, and who wants to know more.
pub(super) struct Watching {
    pub(super) settings: WatchSettings,
    pub(super) changes: Changes,
    /// The same for answers that other nodes have read.
    lasts: Lasts,
    /// How often a look was asked for.
    wanted: watch::Sender<u64>,
    /// The last look.
    ended: watch::Sender<Ended>,
    known: Mutex<Known>,
    /// When the last look began that was answered.
    looked: Mutex<Option<Instant>>,
    /// What has to be watched, as the catalog says that counts.
    dependences: Mutex<Arc<Dependences>>,
    /// Held while triggers are put where they belong, and the catalog is read that says so.
    turn: tokio::sync::Mutex<()>,
}

/// The end of a look.
#[derive(Default)]
struct Ended {
    /// What it answers: all that was asked for up to here.
    number: u64,
    outcome: Option<Result<Position, StoreError>>,
}

/// How far looks have come.
#[derive(Debug, Clone, Default)]
struct Known {
    /// What counts stands before this place in the log.
    counted: Option<Position>,
    /// The place that the log had been written to before the last look that counts began.
    before: Option<Position>,
    /// What the last look sees that counts, all of it before the place above.
    moment: Option<SharedMoment>,
}

impl Watching {
    pub(super) fn new(settings: WatchSettings) -> Self {
        let (wanted, ended) = (watch::Sender::default(), watch::Sender::default());
        Self {
            settings,
            changes: Changes::default(),
            lasts: Lasts::default(),
            wanted,
            ended,
            known: Mutex::default(),
            looked: Mutex::default(),
            dependences: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What [`run`] follows.
    pub(super) fn wishes(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// Nothing that was kept counts, by whomever it was read.
    fn forget(&self) {
        self.lasts.forget();
        self.changes.forget();
    }

    /// Waits for the first look that begins from now on.
    async fn look(&self) -> Result<Position, StoreError> {
        let mut ended = self.ended.subscribe();
        if self.wanted.is_closed() {
            return Err(StoreError::Closed);
        }
        let mut number = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            number = *wanted;
        });
        let looked = tokio::time::timeout(LONGEST_WAIT, ended.wait_for(|ended| ended.number >= number)).await;
        let ended = looked.map_err(|_| StoreError::Timeout)?.map_err(|_| StoreError::Closed)?;
        ended.outcome.clone().unwrap_or(Err(StoreError::Closed))
    }

    /// Whether all counts that was committed before somebody was given this position.
    ///
    /// It was read when what it is about could be seen. A look counts what could be seen when it began, so it counts all of it if it
    /// began later. That it did is certain where the log had been written further before it began: places in the log only grow. Of the
    /// same place nothing follows. A commit stands in the log before it can be seen, so the place may have been reached before.
    fn knows(&self, shown: Position) -> bool {
        let before = self.known.lock().before;
        before.is_some_and(|before| {
            before.system == shown.system && before.timeline == shown.timeline && before.point > shown.point
        })
    }
}

/// Looks whenever it is asked for, and every now and then, for as long as the store is there.
pub(super) async fn run(store: Weak<PostgresStore>, mut wanted: watch::Receiver<u64>) {
    let (mut looker, mut upkeep) = (Looker::default(), Upkeep::default());
    loop {
        if let Ok(Err(_)) = tokio::time::timeout(EVERY, wanted.changed()).await {
            return;
        }
        // Whoever asks from here on waits for the next one.
        let number = *wanted.borrow_and_update();
        let Some(open) = store.upgrade() else { return };
        let Some(watching) = &open.watching else { return };
        let began = open.clock.monotonic();
        let outcome = looker.look(&open, watching).await;
        if outcome.is_ok() {
            *watching.looked.lock() = Some(began);
        }
        let (is_over, has_looked) = (matches!(outcome, Err(StoreError::Closed)), outcome.is_ok());
        watching.ended.send_replace(Ended { number, outcome: Some(outcome) });
        if is_over {
            return;
        }
        if has_looked && upkeep.is_due(open.clock.monotonic(), EVERY) {
            looker.keep_up(&open, watching, &mut upkeep).await;
        }
    }
}

impl PostgresStore {
    /// What is to be found out of what relations depend on.
    pub(super) fn dependences_asked(&self) -> Option<Asked> {
        let watching = self.watching.as_ref()?;
        let names = self.settings.application.iter().map(|(name, _)| name.to_ascii_lowercase());
        Some(Asked {
            watch: watching.settings.clone(),
            constants: names.collect(),
            has_pre_request: self.pre_request.is_some(),
        })
    }

    /// Puts what was found out in its place, with the catalog that it was found out for. What was kept by what was known before counts no
    /// more from before anybody plans by the newer one, and nothing is kept until everybody does.
    pub(super) fn replace_dependences<T>(&self, dependences: Dependences, replace_catalog: impl FnOnce() -> T) -> T {
        let Some(watching) = &self.watching else { return replace_catalog() };
        let _under_way = watching.changes.begin_all();
        let older = replace_catalog();
        *watching.dependences.lock() = Arc::new(dependences);
        watching.lasts.forget();
        older
    }

    /// Waits until everything counts that could be seen when it was asked for.
    pub(super) async fn look_for_changes(&self) -> Result<Option<PositionToken>, StoreError> {
        let Some(watching) = &self.watching else { return Ok(None) };
        watching.look().await.map(|position| Some(self.settings.position_key.sign(position)))
    }

    /// How far the data had come at most of which changes count.
    pub(super) fn counted_position(&self) -> Option<PositionToken> {
        let counted = self.watching.as_ref()?.known.lock().counted;
        counted.map(|position| self.settings.position_key.sign(position))
    }

    /// The same, with a moment that sees what counts, and nothing that may stand behind the place.
    pub(super) fn counted_place_and_moment(&self) -> Option<(PositionToken, SharedMoment)> {
        let known = self.watching.as_ref()?.known.lock().clone();
        Some((self.settings.position_key.sign(known.counted?), known.moment?))
    }

    /// Whether a moment sees all changes that counted when a stamp was taken.
    pub(super) fn are_changes_seen(&self, moment: &SharedMoment, stamp: &Stamp) -> bool {
        self.watching.as_ref().is_some_and(|watching| watching.lasts.are_seen_by(moment, stamp))
    }

    /// When the last look began that was answered.
    pub(super) fn last_look(&self) -> Option<Instant> {
        *self.watching.as_ref()?.looked.lock()
    }

    /// Whether everything up to a position counts.
    pub(super) fn knows_position(&self, position: &PositionToken) -> bool {
        let watching = self.watching.as_ref();
        let shown = self.settings.position_key.verify(position);
        watching.zip(shown).is_some_and(|(watching, shown)| watching.knows(shown))
    }

    /// Puts the triggers where they belong.
    pub(super) async fn watch_tables(&self) -> Result<Vec<Unwatched>, StoreError> {
        // Who finds nothing to do since another one has just done it finds it in the catalog as well.
        let _turn = match &self.watching {
            Some(watching) => Some(watching.turn.lock().await),
            None => None,
        };
        let wanted = self.watching.as_ref().map(|watching| watching.dependences.lock().wanted.clone());
        let (mut connection, _registration) = self.pool.connect_to_work().await?;
        let reconciled = triggers::reconcile(&mut connection, wanted.as_ref()).await?;
        drop(connection);
        if reconciled.is_changed {
            // Which tables are watched is part of the catalog.
            self.reload().await?;
        }
        Ok(reconciled.left_out)
    }
}
