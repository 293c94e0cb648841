//! The pool: at most so many connections, handed out one request at a time. Waiting is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Limit;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire::{Connection, Target, TransactionStatus};

use super::failure;
use crate::error::StoreError;

/// What is left of an abandoned answer is read up to this; beyond it the connection is given up.
const DRAINED: Limit = Limit::new("bytes of an abandoned answer", 1 << 20);

/// Connections to one server.
pub(super) struct Pool {
    target: Target,
    settings: wire::Settings,
    places: Arc<Semaphore>,
    wait: Duration,
    idle: Mutex<Vec<Connection>>,
    used: AtomicU64,
    waiting: AtomicU64,
}

/// A connection that is given back when this goes: kept if it is whole and idle, closed otherwise.
pub(super) struct Lease {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(target: Target, settings: wire::Settings, most: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            target,
            settings,
            places: Arc::new(Semaphore::new(most)),
            wait,
            idle: Mutex::new(Vec::new()),
            used: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        })
    }

    /// A connection, waited for up to the bound. `is_fresh` asks for one that was just opened.
    pub(super) async fn take(self: &Arc<Self>, is_fresh: bool) -> Result<Lease, StoreError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = tokio::time::timeout(self.wait, self.places.clone().acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let place = place
            .map_err(|_| StoreError::Busy("all connections to PostgreSQL are in use"))?
            .map_err(|_| StoreError::Closed)?;
        let idle = if is_fresh { None } else { self.idle.lock().pop() };
        let connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.target, &self.settings)
                .await
                .map_err(|error| StoreError::Unreachable(error.to_string()))?,
        };
        self.used.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { connection: Some(connection), pool: self.clone(), _place: place })
    }

    /// Connections at work, idle ones, and requests that wait for one.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let idle = self.idle.lock().len() as u64;
        (self.used.load(Ordering::Relaxed), idle, self.waiting.load(Ordering::Relaxed))
    }

    /// Hands out no more connections and closes those that are idle.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for connection in idle {
            // The server notices by itself, too.
            drop(connection.close().await);
        }
    }

    fn keep(&self, connection: Connection) {
        if !self.places.is_closed() {
            self.idle.lock().push(connection);
        }
    }
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Gives the connection up: it is in no state to be used again.
    pub(super) fn discard(&mut self) {
        self.connection = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(1, Ordering::Relaxed);
        let Some(mut connection) = self.connection.take() else { return };
        if connection.is_usable() && connection.transaction_status() == TransactionStatus::Idle {
            return self.pool.keep(connection);
        }
        // Whoever used it went in the middle of an answer: what is left is read aside.
        let pool = self.pool.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let drained = tokio::time::timeout(pool.wait, connection.drain(DRAINED)).await;
            let Ok(Ok(status)) =
                drained.map_err(|_| ()).map(|drained| drained.map_err(|error| failure::of_connection(&error)))
            else {
                return;
            };
            if status == TransactionStatus::Idle || connection.batch("ROLLBACK").await.is_ok() {
                pool.keep(connection);
            }
        });
    }
}
