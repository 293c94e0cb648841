//! The way of a read: to a replica that may answer it, after waiting for one, or to the primary in their place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sql::postgres::Rendered;
use tokio::sync::watch;

use super::super::PostgresStore;
use super::super::missed::Missed;
use super::super::run::{Allowance, Visit};
use super::super::wrong::Wrong;
use super::{Choice, Replicas, SILENT, Shown, Visited, Wanted};
use crate::driver::{FallbackReason, Job, Ran};
use crate::error::StoreError;

impl PostgresStore {
    /// Answers a read from wherever it may be answered.
    pub(in crate::postgres) async fn read(
        &self,
        replicas: &Arc<Replicas>,
        shown: Shown,
        job: &Job,
        rendered: &Rendered,
        allowance: &mut Allowance,
    ) -> Result<Ran, StoreError> {
        let wanted = replicas.wanted(job.plan.footprint.freshness, shown);
        let reason = match wanted {
            Wanted::Primary => {
                replicas.counters.primary_reads.fetch_add(1, Ordering::Relaxed);
                return self.on_primary(job, rendered, false, allowance).await;
            }
            Wanted::Foreign { .. } => FallbackReason::Foreign,
            Wanted::Unread => FallbackReason::Nobody,
            Wanted::Replica { .. } if self.wrong == Some(Wrong::Ignored) => {
                match self.on_replica(replicas, job, rendered, (0, None), allowance).await {
                    Ok(outcome) => return outcome,
                    Err(reason) => reason,
                }
            }
            Wanted::Replica { point, lag } => {
                match self.on_replica(replicas, job, rendered, (point, lag), allowance).await {
                    Ok(outcome) => return outcome,
                    Err(reason) => reason,
                }
            }
        };
        let is_strange = wanted == Wanted::Foreign { is_signed: false };
        let budget = if is_strange { &replicas.strangers } else { &replicas.budget };
        if !budget.lock().take(replicas.clock.monotonic()) {
            replicas.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Busy("no replica can answer, and the primary takes no more of their reads"));
        }
        if let Some(count) = replicas.counters.fallbacks.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        replicas.counters.primary_reads.fetch_add(1, Ordering::Relaxed);
        self.on_primary(job, rendered, reason == FallbackReason::Foreign, allowance).await
    }

    /// Answers it from a replica; otherwise it says why none can.
    async fn on_replica(
        &self,
        replicas: &Arc<Replicas>,
        job: &Job,
        rendered: &Rendered,
        (point, lag): (u64, Option<Duration>),
        allowance: &mut Allowance,
    ) -> Result<Result<Ran, StoreError>, FallbackReason> {
        let deadline = replicas.clock.monotonic() + replicas.settings.wait;
        let mut visited = Visited::default();
        let mut sightings = None;
        let mut has_waited = false;
        loop {
            let floor = replicas.floor(lag);
            let place = match replicas.choose(point, floor, &visited) {
                Choice::Ready(place) | Choice::Unsure(place) => place,
                Choice::Nobody => return Err(visited.reason()),
                Choice::Behind => {
                    // Whoever was seen between the choice and this is looked at once more.
                    let Some(sightings) = &mut sightings else {
                        sightings = Some(replicas.sighted.subscribe());
                        continue;
                    };
                    if !std::mem::replace(&mut has_waited, true) {
                        replicas.counters.waits.fetch_add(1, Ordering::Relaxed);
                    }
                    if !replicas.next_sighting(sightings, deadline).await {
                        return Err(FallbackReason::Behind);
                    }
                    continue;
                }
            };
            let Some(server) = replicas.servers.get(place) else { return Err(FallbackReason::Nobody) };
            let Some(seen) = *server.seen.lock() else { return Err(FallbackReason::Nobody) };
            // The floor as well: the connection may lead to another server than the one that was looked at.
            let visit = Visit::of_replica(&server.pool, seen, point.max(floor));
            let mut is_silent = server.is_silent.subscribe();
            let outcome = tokio::select! {
                outcome = self.visit(&visit, job, rendered, allowance) => outcome,
                // It may be done there in the end, for nobody.
                () = becomes_true(&mut is_silent) => {
                    Err(Missed::Lost(StoreError::Unreachable(SILENT.to_owned())))
                }
            };
            match outcome {
                Ok(ran) => {
                    server.reads.fetch_add(1, Ordering::Relaxed);
                    return Ok(Ok(ran));
                }
                Err(Missed::Behind) => visited.behind.push((place, seen.at)),
                Err(Missed::Unsent(StoreError::Busy(_))) => visited.failed.push(place),
                Err(Missed::Unsent(_)) => {
                    replicas.note_down(place);
                    visited.failed.push(place);
                }
                Err(Missed::Lost(error)) => {
                    // Whether it is down a look tells, and not what became of one request.
                    replicas.awaited.notify_waiters();
                    if !allowance.repeats() {
                        return Ok(Err(error));
                    }
                    visited.failed.push(place);
                }
                // A conflict with what it replays, or what only a primary does.
                Err(Missed::Collided(_) | Missed::Elsewhere) => return Err(FallbackReason::Failed),
                Err(Missed::Failed(error) | Missed::Stale(error)) => return Ok(Err(error)),
            }
        }
    }
}

async fn becomes_true(is_silent: &mut watch::Receiver<bool>) {
    if is_silent.wait_for(|is_silent| *is_silent).await.is_err() {
        std::future::pending().await
    }
}
