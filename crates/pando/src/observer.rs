//! What the database and the keys tell, as log lines and metrics.

use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use identity::KeyEvent;
use service::Recall;
use store::{CatalogReading, GuardOutcome, Observer, Operation, ReplicasGauges, Store};
use telemetry::{
    CatalogLoaded, CatalogNotLoaded, DatabaseOperation, IdempotentWrite, KeysLoaded, KeysUnavailable, Metrics,
    MigrationWaits, PoolReading, PreconditionFailed, QueueReading, ReplicaChanged, ReplicaReading, SlowQuery,
    Telemetry, WritesCommitted,
};
use tokio::sync::Notify;

/// Reports the database's work.
pub struct DatabaseObserver {
    telemetry: Arc<Telemetry>,
    /// From when on a statement is slow; `None` when slow ones are not logged.
    slow: Option<Duration>,
    configuration: Arc<Notify>,
}

impl DatabaseObserver {
    /// An observer that calls statements slow from `slow_query_ms` milliseconds on; never when it is 0.
    pub fn new(telemetry: Arc<Telemetry>, slow_query_ms: u32) -> Self {
        let slow = (slow_query_ms > 0).then(|| Duration::from_millis(u64::from(slow_query_ms)));
        Self { telemetry, slow, configuration: Arc::default() }
    }

    /// Who is told when the configuration is to be read again.
    pub fn configuration(&self) -> Arc<Notify> {
        self.configuration.clone()
    }
}

impl Observer for DatabaseObserver {
    fn operation(&self, operation: &Operation<'_>) {
        let relation = Some(operation.relation).filter(|relation| !relation.is_empty());
        self.telemetry.report(&DatabaseOperation {
            operation: operation.name,
            relation,
            rows: Some(operation.rows),
            duration: operation.duration,
            error_code: operation.error,
        });
        if self.slow.is_some_and(|slow| operation.duration >= slow) {
            self.telemetry.report(&SlowQuery {
                statement: operation.statement,
                relation,
                rows: Some(operation.rows),
                duration: operation.duration,
                trace_id: operation.trace_id,
            });
        }
    }

    fn batch(&self, writes: u64, duration: Duration) {
        self.telemetry.report(&WritesCommitted { batch: writes, duration });
    }

    fn replica(&self, server: &str, reason: Option<&'static str>) {
        self.telemetry.report(&ReplicaChanged { server, reason });
    }

    fn catalog_read(&self, reading: &CatalogReading<'_>) {
        let duration = reading.duration;
        match reading.outcome {
            Ok(catalog) => self.telemetry.report(&catalog_loaded(catalog, duration)),
            Err(error) => self.telemetry.report(&CatalogNotLoaded { error: &error.to_string(), duration }),
        }
    }

    fn migration_waits(&self, migration: &str) {
        self.telemetry.report(&MigrationWaits { file: migration });
    }

    fn guarded(&self, outcome: GuardOutcome) {
        let outcome = match outcome {
            GuardOutcome::Kept => "kept",
            GuardOutcome::Replayed => "replayed",
            GuardOutcome::InFlight => "in-flight",
            GuardOutcome::OtherRequest => "other-request",
            GuardOutcome::PreconditionFailed => return self.telemetry.report(&PreconditionFailed),
        };
        self.telemetry.report(&IdempotentWrite { outcome });
    }

    fn configuration_wanted(&self) {
        self.configuration.notify_one();
    }
}

/// What is told of a catalog that counts from now on.
pub fn catalog_loaded(catalog: &Catalog, duration: Duration) -> CatalogLoaded {
    let relations = &catalog.snapshot().relations;
    let relationships = relations.keys().map(|name| catalog.relationships_from(name).len() as u64).sum();
    CatalogLoaded { relations: relations.len() as u64, relationships, duration }
}

/// An observer for commands that have no telemetry.
pub struct Silent;

impl Observer for Silent {
    fn operation(&self, _operation: &Operation<'_>) {}

    fn batch(&self, _writes: u64, _duration: Duration) {}

    fn replica(&self, _server: &str, _reason: Option<&'static str>) {}
}

/// Shows the database's pool and queue in the metrics: the pool's name, and the configured bounds of connections and queue.
/// What is kept of answers.
pub fn kept(recall: Arc<Recall>) -> impl Fn(&Metrics) + Send + Sync + 'static {
    move |metrics| {
        let (answers, bytes) = recall.held();
        metrics.set_recall(answers, bytes);
    }
}

pub fn gauges(
    store: Arc<dyn Store>,
    pool_name: &'static str,
    most: (u64, u64),
) -> impl Fn(&Metrics) + Send + Sync + 'static {
    move |metrics| {
        let gauges = store.gauges();
        let pool = PoolReading {
            idle: gauges.connections_idle,
            used: gauges.connections_used,
            pending: gauges.reads_waiting,
            most: most.0,
        };
        metrics.set_pool(pool_name, pool);
        metrics.set_queue("writer", QueueReading { depth: gauges.writes_queued, limit: most.1 });
        if let Some(shared) = gauges.shared {
            metrics.set_shared_reads("answered", shared.answered);
            metrics.set_shared_reads("alone", shared.alone);
        }
        if let Some(replicas) = &gauges.replicas {
            show_replicas(replicas, metrics);
        }
    }
}

fn show_replicas(gauges: &ReplicasGauges, metrics: &Metrics) {
    for replica in &gauges.replicas {
        let reading = ReplicaReading { is_up: replica.is_up, lag: replica.lag, reads: replica.reads };
        metrics.set_replica(&replica.name, reading);
    }
    metrics.set_replica_reads(&"primary".into(), gauges.primary_reads);
    metrics.set_replica_waits(gauges.waits);
    for (reason, reads) in &gauges.fallbacks {
        metrics.set_replica_fallbacks(reason.name(), *reads);
    }
    metrics.set_replica_fallbacks("refused", gauges.refused);
}

/// Reports a key set's fate.
pub fn report_keys(telemetry: &Telemetry, event: &KeyEvent) {
    match event {
        KeyEvent::Fetched { keys, .. } => telemetry.report(&KeysLoaded { keys: *keys as u64 }),
        KeyEvent::FetchFailed { reason } => telemetry.report(&KeysUnavailable { error: reason }),
    }
}
