//! A connection on loan, and what becomes of it when its borrower is done, or has gone in the middle of an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base::Limit;
use tokio::sync::OwnedSemaphorePermit;
use wire::{Connection, TransactionStatus};

use super::flight::ROLLBACK;
use super::pool::{Held, Pool};
use super::sighting::Sighting;
use crate::error::StoreError;

/// What is left of an abandoned answer is read up to this; beyond it the connection is given up.
const DRAINED: Limit = Limit::new("bytes of an abandoned answer", 1 << 20);
/// What is left of the first page of a read that turned out to be long is read and thrown away up to this: about what a new
/// connection costs.
const PAGE_REST: Limit = Limit::new("bytes of a page that is begun anew", 16 << 20);
/// Makes the session what it was when it began, but for its prepared statements. In the simple protocol: what is prepared can be
/// replaced by those who are cleaned up after.
pub(super) const CLEAN: &str = "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; UNLISTEN *; \
     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP";
/// How long an abandoned statement may still take before the server is told that nobody waits for it: most end by then, and
/// their connection is kept without more.
const ABANDONED_WAIT: Duration = Duration::from_millis(100);

/// A connection that is given back when this goes: kept if it is whole and idle, closed otherwise.
pub(super) struct Lease {
    held: Option<Held>,
    pool: Arc<Pool>,
    /// Somebody's place among those at work; none once it is given on.
    place: Option<OwnedSemaphorePermit>,
    /// Whether something may be left in the session that outlives the transaction.
    has_traces: bool,
}

impl Lease {
    /// Lends a connection of a pool out, in a place of its borrower.
    pub(super) fn new(held: Held, pool: &Arc<Pool>, place: OwnedSemaphorePermit) -> Self {
        pool.used.fetch_add(1, Ordering::Relaxed);
        Self { held: Some(held), pool: pool.clone(), place: Some(place), has_traces: false }
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.held.as_mut().map(|held| &mut held.connection).ok_or(StoreError::Closed)
    }

    /// Something is run that may leave more in the session than its transaction has: it is cleaned before others get it.
    pub(super) fn expect_traces(&mut self) {
        self.has_traces = true;
    }

    /// The flight that ended the transaction has cleaned the session as well.
    pub(super) fn cleaned(&mut self) {
        self.has_traces = false;
    }

    /// Whether the session has to be cleaned before others get it.
    pub(super) fn has_traces(&self) -> bool {
        self.has_traces
    }

    /// Ends what still runs for nobody, statement after statement of at most so many, and closes the connection: a cancellation that comes late
    /// could meet its next statement.
    pub(super) async fn abandon(&mut self, statements: usize) {
        let Some(mut held) = self.held.take() else { return };
        let canceller = held.connection.canceller();
        for _ in 0..=statements {
            let drained = tokio::time::timeout(ABANDONED_WAIT, held.connection.drain(DRAINED)).await;
            if drained.is_ok() {
                break;
            }
            let _told = tokio::time::timeout(self.pool.wait(), canceller.cancel()).await;
        }
    }

    /// What the server was when the connection was opened; `None` for one that does not tell.
    pub(super) fn sighting(&self) -> Option<Sighting> {
        self.held.as_ref().and_then(|held| held.sighting)
    }

    /// Whether what was seen then holds for this connection: it was open before.
    pub(super) fn was_open(&self, then: Instant) -> bool {
        self.held.as_ref().is_some_and(|held| held.opened <= then)
    }

    /// Closes the connection and takes another one in its place, within the bound. `is_fresh` asks for one that is opened now.
    pub(super) async fn replace(&mut self, is_fresh: bool, wait: Duration) -> Result<(), StoreError> {
        self.held = None;
        let deadline = self.pool.clock.monotonic() + wait;
        let place = self.place.take().ok_or(StoreError::Closed)?;
        *self = self.pool.clone().fill(place, is_fresh, deadline).await?;
        Ok(())
    }

    /// Reads what is left of an answer, if it is not too much and comes soon, and ends its transaction. `false` if the connection
    /// cannot be used again.
    pub(super) async fn is_cleared(&mut self) -> bool {
        let Some(held) = &mut self.held else { return false };
        if let Ok(Ok(_)) = tokio::time::timeout(ABANDONED_WAIT, held.connection.drain(PAGE_REST)).await {
            return roll_back(&mut held.connection).await;
        }
        // What else was asked may still be counted; it is not to run beside what comes now.
        let _told = tokio::time::timeout(ABANDONED_WAIT, held.connection.canceller().cancel()).await;
        false
    }

    /// Whether there is a connection: after a failed [`Lease::replace`] there is none, and no place for another one.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let is_over = |pool: &Pool| {
            pool.used.fetch_sub(1, Ordering::Relaxed);
        };
        let Some(mut held) = self.held.take() else { return is_over(&self.pool) };
        let is_whole = held.connection.is_usable() && held.connection.transaction_status() == TransactionStatus::Idle;
        if is_whole && !self.has_traces {
            is_over(&self.pool);
            return self.pool.keep(held);
        }
        // Whoever used it went in the middle of an answer: what is left is read aside. Its place is not free until then, or
        // clients that come and go could have more running than there are places.
        let (pool, place, has_traces) = (self.pool.clone(), self.place.take(), self.has_traces);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return is_over(&pool) };
        runtime.spawn(async move {
            let is_over_there = is_whole
                || is_drained(&mut held.connection, pool.wait()).await && roll_back(&mut held.connection).await;
            if is_over_there && (!has_traces || is_cleaned(&mut held.connection, pool.wait()).await) {
                pool.keep(held);
            }
            is_over(&pool);
            drop(place);
        });
    }
}

/// Ends a transaction of which nothing is to remain; `false` if the connection cannot be used again, which ends it as well.
pub(super) async fn roll_back(connection: &mut Connection) -> bool {
    connection.is_usable()
        && (connection.transaction_status() == TransactionStatus::Idle || connection.batch(ROLLBACK).await.is_ok())
}

/// Takes what a function or trigger may have left in the session beyond its transaction: settings, a role, locks, tables. A
/// setting of one client would otherwise be read by the policies of the next.
async fn is_cleaned(connection: &mut Connection, wait: Duration) -> bool {
    matches!(tokio::time::timeout(wait, connection.batch(CLEAN)).await, Ok(Ok(_)))
}

/// Reads what is left of an abandoned answer; a statement that still runs is cancelled, since the server itself does not
/// notice that nobody listens before it has something to say. `false` if the connection is not to be used again: there is
/// too much, or a cancellation that comes late could meet its next statement.
async fn is_drained(connection: &mut Connection, wait: Duration) -> bool {
    if let Ok(drained) = tokio::time::timeout(ABANDONED_WAIT, connection.drain(DRAINED)).await {
        return drained.is_ok();
    }
    let canceller = connection.canceller();
    // Where that fails, the server still ends the statement at its own bounds.
    let _told = tokio::time::timeout(wait, canceller.cancel()).await;
    let _ended = tokio::time::timeout(wait, connection.drain(DRAINED)).await;
    false
}
