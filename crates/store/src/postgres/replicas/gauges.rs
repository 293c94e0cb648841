//! What the metrics tell of replicas.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Replicas, Server};
use crate::driver::{FallbackReason, ReplicaGauges, ReplicasGauges};

impl Replicas {
    /// The state of all, for the metrics.
    pub(in crate::postgres) fn gauges(&self) -> ReplicasGauges {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let course = self.course.lock();
        let timeline = self.fence.timeline();
        let of = |server: &Server| {
            let seen = *server.seen.lock();
            let is_up = server.is_up.load(Ordering::Relaxed);
            let follows = seen.is_some_and(|seen| !seen.is_primary && seen.timeline == timeline);
            ReplicaGauges {
                name: server.name.clone(),
                is_up: is_up && follows,
                lag: seen.map(|seen| course.lag(seen.timeline, seen.point)),
                reads: load(&server.reads),
            }
        };
        ReplicasGauges {
            replicas: self.servers.iter().map(of).collect(),
            primary_reads: load(&self.counters.primary_reads),
            waits: load(&self.counters.waits),
            fallbacks: FallbackReason::ALL
                .into_iter()
                .zip(&self.counters.fallbacks)
                .map(|(reason, count)| (reason, load(count)))
                .collect(),
            refused: load(&self.counters.refused),
        }
    }
}
