//! One reading for all who ask the same at once: the first reads, the others wait for what it finds.

use std::collections::HashMap;
use std::sync::Arc;

use cache::ResponseKey;
use parking_lot::Mutex;
use store::{Stamp, StoreError};
use tokio::sync::watch;

/// The readings that are under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<ResponseKey, watch::Receiver<Option<Failed>>>>>,
}

/// How a reading failed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// How things were before it began; `None` where that is not known.
    pub(super) stamp: Option<Stamp>,
}

/// Whose turn it is.
pub(super) enum Turn {
    /// Whoever asked is to read; the others wait until this is dropped.
    Reads(Reading),
    /// Somebody reads already; it is done when the channel ends.
    Waits(watch::Receiver<Option<Failed>>),
}

/// A reading. It ends when this is dropped, however that comes.
pub(super) struct Reading {
    key: ResponseKey,
    flights: Arc<Mutex<HashMap<ResponseKey, watch::Receiver<Option<Failed>>>>>,
    ends: watch::Sender<Option<Failed>>,
}

impl Flights {
    /// Joins those who ask this.
    pub(super) fn join(&self, key: ResponseKey) -> Turn {
        let mut under_way = self.under_way.lock();
        if let Some(waiting) = under_way.get(&key) {
            return Turn::Waits(waiting.clone());
        }
        let (ends, waiting) = watch::channel(None);
        under_way.insert(key, waiting);
        Turn::Reads(Reading { key, flights: self.under_way.clone(), ends })
    }
}

impl Reading {
    /// Ends it for those who wait: the same would come of their own.
    pub(super) fn fail(self, failed: Failed) {
        self.ends.send_replace(Some(failed));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

/// Waits until a reading has ended. Gives how, where it failed.
pub(super) async fn ended(mut waiting: watch::Receiver<Option<Failed>>) -> Option<Failed> {
    while waiting.changed().await.is_ok() {}
    waiting.borrow().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reads_and_the_others_wait_until_it_has_ended() {
        let (flights, key) = (Flights::default(), ResponseKey([7; 32]));
        let Turn::Reads(first) = flights.join(key) else { panic!("nobody else reads") };
        let waiting: Vec<_> = (0..3)
            .map(|_| match flights.join(key) {
                Turn::Waits(waiting) => tokio::spawn(ended(waiting)),
                Turn::Reads(_) => panic!("somebody reads already"),
            })
            .collect();
        assert!(matches!(flights.join(ResponseKey([8; 32])), Turn::Reads(_)));
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|one| !one.is_finished()));
        drop(first);
        for one in waiting {
            assert!(one.await.unwrap().is_none());
        }
        assert!(matches!(flights.join(key), Turn::Reads(_)));
    }

    #[tokio::test]
    async fn those_who_wait_are_told_how_it_failed() {
        let (flights, key) = (Flights::default(), ResponseKey([7; 32]));
        let Turn::Reads(first) = flights.join(key) else { panic!("nobody else reads") };
        let Turn::Waits(waiting) = flights.join(key) else { panic!("somebody reads already") };
        first.fail(Failed { error: StoreError::Timeout, stamp: None });
        let failed = ended(waiting).await;
        assert!(failed.is_some_and(|failed| matches!(failed.error, StoreError::Timeout)));
        assert!(matches!(flights.join(key), Turn::Reads(_)));
    }
}
