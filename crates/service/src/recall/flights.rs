//! One reading for all who ask the same at once: the first reads, the others wait for what it finds.

use std::collections::HashMap;
use std::sync::Arc;

use cache::ResponseKey;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The readings that are under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<ResponseKey, watch::Receiver<()>>>>,
}

/// Whose turn it is.
pub(super) enum Turn {
    /// Whoever asked is to read; the others wait until this is dropped.
    Reads(Reading),
    /// Somebody reads already; it is done when the channel ends.
    Waits(watch::Receiver<()>),
}

/// A reading. It ends when this is dropped, however that comes.
pub(super) struct Reading {
    key: ResponseKey,
    flights: Arc<Mutex<HashMap<ResponseKey, watch::Receiver<()>>>>,
    _ends: watch::Sender<()>,
}

impl Flights {
    /// Joins those who ask this.
    pub(super) fn join(&self, key: ResponseKey) -> Turn {
        let mut under_way = self.under_way.lock();
        if let Some(waiting) = under_way.get(&key) {
            return Turn::Waits(waiting.clone());
        }
        let (ends, waiting) = watch::channel(());
        under_way.insert(key, waiting);
        Turn::Reads(Reading { key, flights: self.under_way.clone(), _ends: ends })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

/// Waits until a reading has ended.
pub(super) async fn ended(mut waiting: watch::Receiver<()>) {
    // Nothing is ever sent: only the end is told.
    while waiting.changed().await.is_ok() {}
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
            one.await.unwrap();
        }
        assert!(matches!(flights.join(key), Turn::Reads(_)));
    }
}
