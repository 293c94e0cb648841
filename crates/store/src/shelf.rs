//! How much is kept under keys (`Idempotency-Key`) altogether, and how much may be.
//!
//! The table says it, now and then; what this process adds meanwhile is counted. On a file that is exact. On a server other nodes add as well,
//! so the bound is passed by what all of them add between two looks.

use std::fmt;

use base::{Failure, Kind, Limit};
use parking_lot::Mutex;
use sql::OwnStatement;

use crate::driver::Store;
use crate::error::StoreError;
use crate::own::OwnStep;

/// What an answer takes besides its own bytes: its key, what was asked, when, and their places in two indexes.
const ROW: u64 = 256;

/// A longer answer leaves the last quarter of the room to shorter ones: who has long answers kept is not to hinder a payment.
const SHORT: u64 = 4 * 1024;

/// After how many seconds it is worth to ask again: answers are deleted every minute.
const ASK_AGAIN: u32 = 60;

/// How many answers there are, and the bytes of all of them.
pub(crate) const MEASURE: OwnStatement = OwnStatement::new(
    "SELECT count(*) AS answers, coalesce(sum(length(body) + length(headers)), 0)::bigint AS bytes FROM pando.idempotency",
    &[],
);

/// The room for answers under keys.
pub struct Shelf {
    most: Limit,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// Bytes that are taken.
    now: u64,
    /// Bytes that were ever taken here.
    ever: u64,
}

impl Shelf {
    /// With room for so many bytes; its name is that of a setting in MiB.
    pub fn new(most: Limit) -> Self {
        Self { most, used: Mutex::default() }
    }

    /// Takes the room of an answer with so many bytes. One that is not kept after all takes it until it is measured.
    ///
    /// # Errors
    /// 503: there is none.
    pub(crate) fn take(&self, length: u64) -> Result<(), Failure> {
        let taken = length.saturating_add(ROW);
        let most = if length > SHORT { self.most.value / 4 * 3 } else { self.most.value };
        let mut used = self.used.lock();
        if used.now.saturating_add(taken) > most {
            return Err(full(self.most));
        }
        (used.now, used.ever) = (used.now + taken, used.ever.saturating_add(taken));
        Ok(())
    }

    /// Looks how much there is.
    ///
    /// # Errors
    /// What the store meets.
    pub async fn measure(&self, store: &dyn Store) -> Result<(), StoreError> {
        let before = self.used.lock().ever;
        let answers = store.consult(vec![OwnStep::new(MEASURE, [])]).await?;
        let Some(row) = answers.first().and_then(|answer| answer.first()) else { return Ok(()) };
        let count = |name| row.get::<i64>(name).map(|count| u64::try_from(count).unwrap_or(0));
        let found = count("bytes")?.saturating_add(count("answers")?.saturating_mul(ROW));
        let mut used = self.used.lock();
        // What was taken meanwhile may not have been seen.
        used.now = found.saturating_add(used.ever - before);
        Ok(())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("most", &self.most).finish_non_exhaustive()
    }
}

fn full(most: Limit) -> Failure {
    let Limit { name, value } = most;
    let message = format!("There is no room for another answer under an Idempotency-Key ({name} = {})", value >> 20);
    Failure::new(Kind::Unavailable, "PANDO503", message)
        .with_details("Nothing was written.")
        .with_hint("Send it again later with the same key, or ask for less now: short answers have room for longer (Prefer: return=minimal).")
        .with_retry_after(ASK_AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_have_room_for_longer() {
        let shelf = Shelf::new(Limit::new("most", 40_000));
        let taken = |length: u64| shelf.take(length).map_err(|failure| failure.code);
        assert!((0..3).all(|_| taken(9_000).is_ok()));
        assert_eq!(taken(9_000).unwrap_err(), "PANDO503");
        assert!((0..3).all(|_| taken(3_000).is_ok()));
        assert_eq!(taken(3_000).unwrap_err(), "PANDO503");
        assert!(taken(1_000).is_ok(), "there is as much left");
    }
}
