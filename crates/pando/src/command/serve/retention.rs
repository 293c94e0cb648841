//! Retention of the audit: entries that are older than `audit.retention_days` are deleted while the server runs.

use std::time::{Duration, Instant};

use audit::{AuditError, Signer};
use base::{Clock, SystemClock, Timestamp};
use store::Store;
use telemetry::{EntriesForgotten, RetentionFailed, Telemetry};

/// How often it is looked for old entries.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// How many tiles of 256 entries are deleted at most before sealing has its turn again.
const MOST_TILES: usize = 16;

const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

/// What deletes old entries.
pub struct Retention {
    days: u32,
    due: Instant,
    is_failing: bool,
}

impl Retention {
    /// Keeps entries for so many days; `None` for 0, which keeps them for ever.
    pub fn new(days: u32) -> Option<Self> {
        (days > 0).then(|| Self { days, due: Instant::now(), is_failing: false })
    }

    /// Deletes some of what is old enough, once an hour and as long as there is more.
    pub async fn look(&mut self, store: &dyn Store, signer: &Signer, telemetry: &Telemetry) {
        if Instant::now() < self.due {
            return;
        }
        let mut entries = 0;
        let outcome = self.forget(store, signer, &mut entries).await;
        if entries > 0 {
            telemetry.report(&EntriesForgotten { entries });
        }
        if !matches!(outcome, Ok(true)) {
            self.due = Instant::now() + LOOK_EVERY;
        }
        match outcome {
            Ok(_) if std::mem::take(&mut self.is_failing) => telemetry.report(&RetentionFailed { error: None }),
            Ok(_) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    telemetry.report(&RetentionFailed { error: Some(&error.to_string()) });
                }
            }
        }
    }

    /// Whether there may be more.
    async fn forget(&self, store: &dyn Store, signer: &Signer, entries: &mut u64) -> Result<bool, AuditError> {
        let now = SystemClock.now();
        let before = Timestamp(now.0.saturating_sub(i64::from(self.days).saturating_mul(MICROSECONDS_OF_A_DAY)));
        for _ in 0..MOST_TILES {
            match audit::forget(store, signer, before, now).await? {
                0 => return Ok(false),
                count => *entries += count,
            }
        }
        Ok(true)
    }
}
