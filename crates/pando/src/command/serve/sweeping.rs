//! Answers that were kept under an `Idempotency-Key` for long enough are deleted while the server runs.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, QualifiedName, SystemClock};
use store::{Shelf, Store, StoreError, idempotency};
use telemetry::{AnswersSwept, Telemetry};
use tokio::task::JoinHandle;

use crate::own_tables::SCHEMA;

/// How often it is looked for such answers. Until then one is not given again, but takes room.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How many are deleted in one transaction: writes wait for no more than that.
const BATCH: i64 = 500;

/// How many such transactions follow on one another before the next look.
const MOST_BATCHES: usize = 200;

/// Begins to, once it is known how much there is.
pub async fn begin(store: Arc<dyn Store>, shelf: Arc<Shelf>, telemetry: Arc<Telemetry>) -> JoinHandle<()> {
    if has_table(&*store) {
        // What fails is tried again soon, and told then.
        drop(shelf.measure(&*store).await);
    }
    tokio::spawn(sweep(store, shelf, telemetry))
}

fn has_table(store: &dyn Store) -> bool {
    store.catalog().snapshot().relations.contains_key(&QualifiedName::new(SCHEMA, idempotency::TABLE))
}

/// Deletes them again and again, and looks how much is left.
async fn sweep(store: Arc<dyn Store>, shelf: Arc<Shelf>, telemetry: Arc<Telemetry>) {
    let mut is_failing = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if !has_table(&*store) {
            continue;
        }
        match look(&*store, &shelf).await {
            Ok(answers) => {
                is_failing = false;
                if answers > 0 {
                    telemetry.report(&AnswersSwept { answers, error: None });
                }
            }
            Err(StoreError::Closed) => return,
            // Told once, until it works again.
            Err(_) if is_failing => {}
            Err(error) => {
                is_failing = true;
                telemetry.report(&AnswersSwept { answers: 0, error: Some(&error.to_string()) });
            }
        }
    }
}

async fn look(store: &dyn Store, shelf: &Shelf) -> Result<u64, StoreError> {
    let mut all = 0;
    for _ in 0..MOST_BATCHES {
        let swept = idempotency::sweep(store, SystemClock.now(), BATCH).await?;
        all += swept;
        if swept < BATCH.unsigned_abs() {
            break;
        }
    }
    shelf.measure(store).await?;
    Ok(all)
}
