//! Tidying away notes that no node needs any more. What is gone is said beside it: a node that has not looked since forgets everything,
//! so that no clock decides what is right, only how much is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::moment::Moment;
use crate::error::StoreError;
use crate::postgres::{PostgresStore, failure};

/// How often notes are tidied away, by each node; those who come at the same time leave it to one of them.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// Tidies away at most so many notes that are seen at a moment. Whoever is at it holds the line of the horizon, which only goes forward.
const TIDY: &str = "WITH turn AS MATERIALIZED (SELECT id FROM pando.changes_horizon
      WHERE id = 1 AND epoch = $2 AND (moment = $1 OR txid_snapshot_xmax(moment::txid_snapshot) < txid_snapshot_xmax($1::txid_snapshot))
      FOR UPDATE SKIP LOCKED),
    raised AS (UPDATE pando.changes_horizon AS h SET moment = $1 FROM turn WHERE h.id = turn.id),
    gone AS (DELETE FROM pando.changes WHERE EXISTS (SELECT FROM turn) AND ctid = ANY (ARRAY(
      SELECT ctid FROM pando.changes WHERE transaction_number < txid_snapshot_xmax($1::txid_snapshot)
        AND txid_visible_in_snapshot(transaction_number, $1::txid_snapshot) ORDER BY transaction_number LIMIT 10000)) RETURNING 1)
    SELECT count(*) FROM gone";
const BATCH: u64 = 10_000;

/// Moments that were seen, oldest first, and when notes were last tidied away.
#[derive(Default)]
pub(super) struct Tidying {
    seen: VecDeque<(Instant, Moment)>,
    last: Option<Instant>,
}

impl Tidying {
    /// Forgets what was seen, of another server or another time of it.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Notes what is seen now. Gives a moment that is so old that every node which looks at all has seen more, when it is time.
    pub(super) fn note(&mut self, now: Instant, moment: &Moment, kept: Duration) -> Option<Moment> {
        self.seen.push_back((now, moment.clone()));
        let is_old = |then: Instant| now.saturating_duration_since(then) >= kept;
        // The newest of those that are old enough.
        while self.seen.get(1).is_some_and(|(then, _)| is_old(*then)) {
            self.seen.pop_front();
        }
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= TIDY_EVERY.min(kept));
        let (_, oldest) = self.seen.front().filter(|(then, _)| is_due && is_old(*then))?;
        self.last = Some(now);
        Some(oldest.clone())
    }
}

/// Tidies away what is seen at a moment. What fails is tried again by whoever comes next.
pub(super) async fn tidy(store: Arc<PostgresStore>, epoch: String, moment: Moment) -> Result<(), StoreError> {
    loop {
        let mut lease = store.pool.take(store.pool.wait()).await?;
        let gone = lease.connection()?.query(TIDY, &[&moment.text(), &epoch]).await;
        let gone = gone.map_err(|error| failure::of_connection(&error))?;
        let gone: u64 = gone.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or(0);
        if gone < BATCH {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_tidied_is_older_than_what_is_kept() {
        let (start, kept) = (Instant::now(), SECOND * 60);
        let mut tidying = Tidying::default();
        let mut tidied = Vec::new();
        for second in 0..85_u32 {
            let moment = Moment::parse(&format!("{second}:{second}:")).unwrap();
            if let Some(moment) = tidying.note(start + SECOND * second, &moment, kept) {
                tidied.push((second, moment.next()));
            }
        }
        assert_eq!(tidied, [(60, 0), (70, 10), (80, 20)]);
        assert!(tidying.seen.len() <= 62);
        tidying.clear();
        let moment = Moment::parse("9:9:").unwrap();
        assert_eq!(tidying.note(start + SECOND * 200, &moment, kept), None);
    }
}
