//! What is done every second beside looking: notes are tidied away, triggers put where they are missing, and it is compared whether
//! what decides besides rows is still what the catalog was read with.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::Connection;

use super::moment::Moment;
use super::tidy::{Tidying, tidy};
use super::{Watching, fingerprint};
use crate::driver::Store as _;
use crate::postgres::PostgresStore;

/// How long it is waited before triggers are put where they were missing when it was last tried; doubled up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// To compile what is compared costs a hundred times what it takes. A pooler's session is not ours, a transaction is.
const UNCOMPILED: &str = "BEGIN READ ONLY; SET LOCAL jit = off";

/// What was done, and when.
#[derive(Default)]
pub(super) struct Upkeep {
    last: Option<Instant>,
    epoch: String,
    tidying: Tidying,
    /// When triggers are put next, and how long is waited after that.
    mending: Option<(Instant, Duration)>,
}

impl Upkeep {
    /// Whether it is time.
    pub(super) fn is_due(&mut self, now: Instant, every: Duration) -> bool {
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= every);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// Has notes tidied away beside everything else, when it is time.
    pub(super) fn tidy(&mut self, store: &Arc<PostgresStore>, watching: &Watching, epoch: &str, moment: &Moment) {
        if self.epoch != epoch {
            self.tidying.clear();
            epoch.clone_into(&mut self.epoch);
        }
        if let Some(moment) = self.tidying.note(store.clock.monotonic(), moment, watching.settings.notes_kept) {
            let (store, epoch) = (store.clone(), epoch.to_owned());
            tokio::spawn(async move { tidy(store, epoch, moment).await });
        }
    }

    /// Has triggers put where they are missing, as on a table that has come to be.
    pub(super) fn mend(&mut self, store: &Arc<PostgresStore>, watching: &Watching) {
        if !watching.dependences.lock().is_any_unwatched {
            self.mending = None;
            return;
        }
        let now = store.clock.monotonic();
        let (when, wait) = self.mending.unwrap_or((now, FIRST_WAIT));
        if when <= now {
            self.mending = Some((now + wait, (wait * 2).min(LONGEST_WAIT)));
            let store = store.clone();
            tokio::spawn(async move { store.watch().await });
        }
    }

    /// Compares; where something is different, nothing that was kept counts, and the catalog is read anew. Gives whether nothing is.
    pub(super) async fn compare(
        &self,
        store: &PostgresStore,
        watching: &Watching,
        connection: &mut Connection,
    ) -> Result<bool, wire::Error> {
        let known = watching.dependences.lock().clone();
        connection.batch(UNCOMPILED).await?;
        let found = fingerprint(connection, &known.relations, &known.functions).await?;
        connection.batch("COMMIT").await?;
        let is_same = found == known.fingerprint;
        // It may have been read anew meanwhile.
        if !is_same && Arc::ptr_eq(&known, &watching.dependences.lock()) {
            watching.forget();
            store.reloading.want();
        }
        Ok(is_same)
    }
}
