//! The metrics' values, registered once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::Timestamp;
use parking_lot::RwLock;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::metric::{self, MetricDefinition};
use crate::{DropReason, Step};

/// The most relations that have a `db_collection_name` of their own. A catalog is bounded by its migrations, a
/// label has to be bounded by itself; the rest counts as `_other`.
const MOST_RELATIONS: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    http_request_method: &'static str,
    http_route: &'static str,
    http_response_status_code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    db_system_name: &'static str,
    db_operation_name: &'static str,
    db_collection_name: Name,
    error_type: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodingLabel {
    coding: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: Name,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriverLabel {
    driver: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurgeLabels {
    driver: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignInLabels {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    action: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttackLabel {
    attack: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PriorityLabel {
    priority: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MailLabels {
    mail: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    server: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabel {
    db_client_connection_pool_name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolStateLabels {
    db_client_connection_pool_name: &'static str,
    db_client_connection_state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: String,
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Exemplar {
    trace_id: TraceId,
}

/// Printed only when the metrics are read, so that observing a request allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TraceId([u8; 16]);

impl EncodeLabelValue for TraceId {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&crate::to_hex(&self.0).as_str(), encoder)
    }
}

/// A name out of a bounded set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(Arc<str>);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

/// Gives out the same `Arc` for the same name, and only so many of them.
#[derive(Debug)]
struct Names {
    known: RwLock<HashSet<Arc<str>>>,
    most: usize,
    none: Arc<str>,
    other: Arc<str>,
}

impl Names {
    fn new(most: usize) -> Self {
        Self { known: RwLock::default(), most, none: "".into(), other: "_other".into() }
    }

    fn get(&self, name: Option<&str>) -> Name {
        let Some(name) = name else {
            return Name(self.none.clone());
        };
        if let Some(known) = self.known.read().get(name) {
            return Name(known.clone());
        }
        let mut known = self.known.write();
        if known.len() >= self.most && !known.contains(name) {
            return Name(self.other.clone());
        }
        let name: Arc<str> = name.into();
        known.insert(name.clone());
        Name(name)
    }
}

/// Makes a family's histograms with the buckets of its definition.
#[derive(Debug, Clone)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl MetricConstructor<HistogramWithExemplars<Exemplar>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<Exemplar> {
        HistogramWithExemplars::new(self.0.iter().copied())
    }
}

/// What a pool of database connections looks like right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolReading {
    /// Connections that are open and not in use.
    pub idle: u64,
    /// Connections in use.
    pub used: u64,
    /// Requests that wait for one.
    pub pending: u64,
    /// The most that are opened.
    pub most: u64,
}

/// What a replica looks like right now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReplicaReading {
    /// Whether it answers and follows the primary.
    pub is_up: bool,
    /// By how much it shows the past; `None` before it was seen.
    pub lag: Option<Duration>,
    /// Reads that it has answered since the start.
    pub reads: u64,
}

/// What the threads that hash passwords are doing, and have done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PasswordReading {
    /// Being hashed now.
    pub running: u64,
    /// Waiting now: known ones, usual ones, suspected ones.
    pub waiting: [u64; 3],
    /// Sent away, in the same order.
    pub shed: [u64; 3],
    /// Hashed.
    pub hashes: u64,
    /// How long one takes of late.
    pub duration: Duration,
}

/// The words for the priorities, in their order.
const PRIORITIES: [&str; 3] = ["trusted", "usual", "suspected"];

/// What a bounded queue looks like right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueReading {
    /// Entries that wait.
    pub depth: u64,
    /// The most that may wait.
    pub limit: u64,
}

/// Is asked for the gauges' values before the metrics are read.
pub trait GaugeSource: Send + Sync + 'static {
    /// Sets the gauges that it knows about, by [`Metrics::set_pool`] and [`Metrics::set_queue`].
    fn read(&self, metrics: &Metrics);
}

impl<F: Fn(&Metrics) + Send + Sync + 'static> GaugeSource for F {
    fn read(&self, metrics: &Metrics) {
        self(metrics);
    }
}

/// All metrics. Only happenings write to them, and what has to be counted without one.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, HistogramWithExemplars<Exemplar>, Buckets>,
    active_requests: Gauge,
    connections: Gauge,
    steps: [Histogram; Step::ALL.len()],
    shed: Family<LimitLabel, Counter>,
    uncompressed: Family<CodingLabel, Counter>,
    compressed: Family<CodingLabel, Counter>,
    rate_limit: Family<PolicyLabels, Counter>,
    overload_shed: Family<ClassLabel, Counter>,
    idempotent_writes: Family<OutcomeLabel, Counter>,
    preconditions_failed: Counter,
    concurrency_limit: Gauge,
    queue_delay: Gauge<f64, AtomicU64>,
    cache_up: Family<DriverLabel, Gauge>,
    cache_local: Counter,
    audit_sealed: Counter,
    audit_waiting: Gauge,
    audit_forgotten: Counter,
    audit_failures: Counter,
    audit_unwatched: Gauge,
    recall: Family<OutcomeLabel, Counter>,
    recall_entries: Gauge,
    recall_bytes: Gauge,
    checked_reads: Counter,
    stale_reads: Counter,
    cdn_purges: Family<PurgeLabels, Counter>,
    cdn_lag: Histogram,
    cdn_waiting: Gauge,
    cdn_oldest: Gauge<f64, AtomicU64>,
    connections_dropped: Family<ReasonLabel, Counter>,
    accept_failures: Counter,
    panics: Counter,
    certificate_orders: Family<OutcomeLabel, Counter>,
    certificate_expiry: Gauge,
    sign_ins: Family<SignInLabels, Counter>,
    mails: Family<MailLabels, Counter>,
    login_refused: Family<RefusedLabels, Counter>,
    login_attacks: Family<AttackLabel, Counter>,
    login_attack: Gauge,
    password_running: Gauge,
    password_waiting: Family<PriorityLabel, Gauge>,
    password_shed: Family<PriorityLabel, Counter>,
    password_hashes: Counter,
    password_duration: Gauge<f64, AtomicU64>,
    operations: Family<OperationLabels, Histogram, Buckets>,
    engine: OnceLock<&'static str>,
    relation_names: Names,
    error_names: Names,
    pool_connections: Family<PoolStateLabels, Gauge>,
    pool_pending: Family<PoolLabel, Gauge>,
    shared_reads: Family<OutcomeLabel, Counter>,
    replica_up: Family<ServerLabel, Gauge>,
    replica_lag: Family<ServerLabel, Gauge<f64, AtomicU64>>,
    replica_reads: Family<ServerLabel, Counter>,
    replica_waits: Counter,
    replica_fallbacks: Family<ReasonLabel, Counter>,
    pool_limit: Family<PoolLabel, Gauge>,
    queue_depth: Family<QueueLabel, Gauge>,
    queue_limit: Family<QueueLabel, Gauge>,
    commit_batch: Histogram,
    commit_duration: Histogram,
    slow_queries: Counter,
    relations: Gauge,
    catalog_loads: Family<OutcomeLabel, Counter>,
    damaged: Gauge,
    ready: Gauge,
    log_dropped: Counter,
    spans: SpanCounters,
    memory: Gauge,
    sources: RwLock<Vec<Box<dyn GaugeSource>>>,
}

/// What became of spans.
#[derive(Debug, Clone)]
pub(crate) struct SpanCounters {
    pub(crate) exported: Counter,
    pub(crate) failed: Counter,
    pub(crate) dropped: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric.
    pub(crate) fn new(service: &str, version: &str, started: Timestamp) -> Self {
        let mut registry = Registry::default();
        let target = &mut registry;

        let requests = register(target, metric::REQUEST_DURATION, family(metric::REQUEST_DURATION));
        let active_requests = register(target, metric::ACTIVE_REQUESTS, Gauge::default());
        let connections = register(target, metric::CONNECTIONS, Gauge::default());
        let steps: Family<StepLabel, Histogram, Buckets> =
            register(target, metric::STEP_DURATION, family(metric::STEP_DURATION));
        let shed = register(target, metric::SHED, Family::default());
        let uncompressed = register(target, metric::UNCOMPRESSED, Family::default());
        let compressed = register(target, metric::COMPRESSED, Family::default());
        let rate_limit = register(target, metric::RATE_LIMIT, Family::default());
        let overload_shed = register(target, metric::OVERLOAD_SHED, Family::default());
        let idempotent_writes = register(target, metric::IDEMPOTENT_WRITES, Family::default());
        let preconditions_failed = register(target, metric::PRECONDITIONS_FAILED, Counter::default());
        let concurrency_limit = register(target, metric::CONCURRENCY_LIMIT, Gauge::default());
        let queue_delay = register(target, metric::QUEUE_DELAY, Gauge::default());
        let cache_up = register(target, metric::CACHE_UP, Family::default());
        let cache_local = register(target, metric::CACHE_LOCAL, Counter::default());
        let audit_sealed = register(target, metric::AUDIT_SEALED, Counter::default());
        let audit_waiting = register(target, metric::AUDIT_WAITING, Gauge::default());
        let audit_forgotten = register(target, metric::AUDIT_FORGOTTEN, Counter::default());
        let audit_failures = register(target, metric::AUDIT_FAILURES, Counter::default());
        let audit_unwatched = register(target, metric::AUDIT_UNWATCHED, Gauge::default());
        let recall: Family<OutcomeLabel, Counter> = register(target, metric::RECALL, Family::default());
        let recall_entries = register(target, metric::RECALL_ENTRIES, Gauge::default());
        let recall_bytes = register(target, metric::RECALL_BYTES, Gauge::default());
        let checked_reads = register(target, metric::CHECKED_READS, Counter::default());
        let stale_reads = register(target, metric::STALE_READS, Counter::default());
        let cdn_purges = register(target, metric::CDN_PURGES, Family::default());
        let cdn_lag = register(target, metric::CDN_LAG, histogram(metric::CDN_LAG));
        let cdn_waiting = register(target, metric::CDN_WAITING, Gauge::default());
        let cdn_oldest = register(target, metric::CDN_OLDEST, Gauge::default());
        let connections_dropped: Family<ReasonLabel, Counter> =
            register(target, metric::CONNECTIONS_DROPPED, Family::default());
        let accept_failures = register(target, metric::ACCEPT_FAILURES, Counter::default());
        let panics = register(target, metric::PANICS, Counter::default());
        let certificate_orders = register(target, metric::CERTIFICATE_ORDERS, Family::default());
        let certificate_expiry = register(target, metric::CERTIFICATE_EXPIRY, Gauge::default());
        let sign_ins = register(target, metric::SIGN_INS, Family::default());
        let mails = register(target, metric::MAILS, Family::default());
        let login_refused = register(target, metric::LOGIN_REFUSED, Family::default());
        let login_attacks = register(target, metric::LOGIN_ATTACKS, Family::default());
        let login_attack = register(target, metric::LOGIN_ATTACK, Gauge::default());
        let password_running = register(target, metric::PASSWORD_RUNNING, Gauge::default());
        let password_waiting = register(target, metric::PASSWORD_WAITING, Family::default());
        let password_shed = register(target, metric::PASSWORD_SHED, Family::default());
        let password_hashes = register(target, metric::PASSWORD_HASHES, Counter::default());
        let password_duration = register(target, metric::PASSWORD_DURATION, Gauge::default());
        let operations = register(target, metric::OPERATION_DURATION, family(metric::OPERATION_DURATION));
        let pool_connections = register(target, metric::POOL_CONNECTIONS, Family::default());
        let pool_pending = register(target, metric::POOL_PENDING, Family::default());
        let pool_limit = register(target, metric::POOL_LIMIT, Family::default());
        let queue_depth = register(target, metric::QUEUE_DEPTH, Family::default());
        let queue_limit = register(target, metric::QUEUE_LIMIT, Family::default());
        let shared_reads = register(target, metric::SHARED_READS, Family::default());
        let replica_up = register(target, metric::REPLICA_UP, Family::default());
        let replica_lag = register(target, metric::REPLICA_LAG, Family::default());
        let replica_reads = register(target, metric::REPLICA_READS, Family::default());
        let replica_waits = register(target, metric::REPLICA_WAITS, Counter::default());
        let replica_fallbacks = register(target, metric::REPLICA_FALLBACKS, Family::default());
        let commit_batch = register(target, metric::COMMIT_BATCH, histogram(metric::COMMIT_BATCH));
        let commit_duration = register(target, metric::COMMIT_DURATION, histogram(metric::COMMIT_DURATION));
        let slow_queries = register(target, metric::SLOW_QUERIES, Counter::default());
        let relations = register(target, metric::RELATIONS, Gauge::default());
        let catalog_loads: Family<OutcomeLabel, Counter> = register(target, metric::CATALOG_LOADS, Family::default());
        let damaged = register(target, metric::DAMAGED, Gauge::default());
        let ready = register(target, metric::READY, Gauge::default());
        let log_dropped = register(target, metric::LOG_DROPPED, Counter::default());
        let spans: Family<OutcomeLabel, Counter> = register(target, metric::SPANS, Family::default());
        let build = BuildLabels { version: version.to_owned(), service: service.to_owned() };
        // Not kept: its value never changes.
        target.register(metric::BUILD.name, metric::BUILD.about, Info::new(build));
        let start_time: Gauge<f64, AtomicU64> = register(target, metric::START_TIME, Gauge::default());
        start_time.set(started.0 as f64 / 1e6);
        let memory = register(target, metric::MEMORY, Gauge::default());

        for reason in DropReason::ALL {
            drop(connections_dropped.get_or_create(&ReasonLabel { reason: reason.name() }));
        }
        let outcome = |outcome| spans.get_or_create_owned(&OutcomeLabel { outcome });
        Self {
            requests,
            active_requests,
            connections,
            steps: Step::ALL.map(|step| steps.get_or_create_owned(&StepLabel { step: step.name() })),
            shed,
            uncompressed,
            compressed,
            rate_limit,
            overload_shed,
            idempotent_writes,
            preconditions_failed,
            concurrency_limit,
            queue_delay,
            cache_up,
            cache_local,
            audit_sealed,
            audit_waiting,
            audit_forgotten,
            audit_failures,
            audit_unwatched,
            recall,
            recall_entries,
            recall_bytes,
            checked_reads,
            stale_reads,
            cdn_purges,
            cdn_lag,
            cdn_waiting,
            cdn_oldest,
            connections_dropped,
            accept_failures,
            panics,
            certificate_orders,
            certificate_expiry,
            sign_ins,
            mails,
            login_refused,
            login_attacks,
            login_attack,
            password_running,
            password_waiting,
            password_shed,
            password_hashes,
            password_duration,
            operations,
            engine: OnceLock::new(),
            relation_names: Names::new(MOST_RELATIONS),
            error_names: Names::new(200),
            pool_connections,
            pool_pending,
            pool_limit,
            queue_depth,
            queue_limit,
            shared_reads,
            replica_up,
            replica_lag,
            replica_reads,
            replica_waits,
            replica_fallbacks,
            commit_batch,
            commit_duration,
            slow_queries,
            relations,
            catalog_loads,
            damaged,
            ready,
            log_dropped,
            spans: SpanCounters {
                exported: outcome("exported"),
                failed: outcome("failed"),
                dropped: outcome("dropped"),
            },
            memory,
            sources: RwLock::default(),
            registry,
        }
    }

    /// Everything in the OpenMetrics text form, ending in `# EOF`.
    pub(crate) fn render(&self) -> String {
        for source in self.sources.read().iter() {
            source.read(self);
        }
        self.memory.set(resident_bytes());
        let mut text = String::with_capacity(16 * 1024);
        // Writing into a string does not fail; a label that could not be written would only cut the text short.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Asks `source` for its gauges from now on.
    pub fn add_source(&self, source: impl GaugeSource) {
        self.sources.write().push(Box::new(source));
    }

    /// Shows a pool's state. `pool` is a fixed word: `readers`, `writer`.
    pub fn set_pool(&self, pool: &'static str, reading: PoolReading) {
        let label = PoolLabel { db_client_connection_pool_name: pool };
        for (state, value) in [("idle", reading.idle), ("used", reading.used)] {
            let labels = PoolStateLabels { db_client_connection_pool_name: pool, db_client_connection_state: state };
            self.pool_connections.get_or_create(&labels).set(signed(value));
        }
        self.pool_pending.get_or_create(&label).set(signed(reading.pending));
        self.pool_limit.get_or_create(&label).set(signed(reading.most));
    }

    /// Shows a queue's state. `queue` is a fixed word: `writer`.
    pub fn set_queue(&self, queue: &'static str, reading: QueueReading) {
        let label = QueueLabel { queue };
        self.queue_depth.get_or_create(&label).set(signed(reading.depth));
        self.queue_limit.get_or_create(&label).set(signed(reading.limit));
    }

    /// Names the database engine once, as OpenTelemetry does (`db.system.name`); `sqlite` if nobody does.
    pub fn set_engine(&self, engine: &'static str) {
        // What was said first counts.
        let _said = self.engine.set(engine);
    }

    /// Shows a replica's state. `server` comes from the configuration.
    pub fn set_replica(&self, server: &Arc<str>, reading: ReplicaReading) {
        let label = ServerLabel { server: Name(server.clone()) };
        self.replica_up.get_or_create(&label).set(i64::from(reading.is_up));
        if let Some(lag) = reading.lag {
            self.replica_lag.get_or_create(&label).set(lag.as_secs_f64());
        }
        self.set_replica_reads(server, reading.reads);
    }

    /// Shows how many reads have been `answered` on a connection that is shared since the start, and how many went on `alone`.
    pub fn set_shared_reads(&self, outcome: &'static str, reads: u64) {
        self.shared_reads.get_or_create(&OutcomeLabel { outcome }).inner().store(reads, Ordering::Relaxed);
    }

    /// Shows how many reads a server has answered since the start: a replica, or `primary`.
    pub fn set_replica_reads(&self, server: &Arc<str>, reads: u64) {
        let label = ServerLabel { server: Name(server.clone()) };
        self.replica_reads.get_or_create(&label).inner().store(reads, Ordering::Relaxed);
    }

    /// Shows how many reads have waited for a replica since the start.
    pub fn set_replica_waits(&self, waits: u64) {
        self.replica_waits.inner().store(waits, Ordering::Relaxed);
    }

    /// Shows how many reads the primary has answered in place of a replica since the start. `reason` is a fixed word.
    pub fn set_replica_fallbacks(&self, reason: &'static str, reads: u64) {
        self.replica_fallbacks.get_or_create(&ReasonLabel { reason }).inner().store(reads, Ordering::Relaxed);
    }

    /// Shows how many requests are answered at once at most, and how long they wait for their turn.
    pub fn set_concurrency(&self, limit: u64, delay: Duration) {
        self.concurrency_limit.set(signed(limit));
        self.queue_delay.set(delay.as_secs_f64());
    }

    /// Shows whether the shared counters are there, and how often this node has answered in their place since the start. `driver`
    /// is a fixed word: `redis`.
    pub fn set_cache(&self, driver: &'static str, is_up: bool, answered_locally: u64) {
        self.cache_up.get_or_create(&DriverLabel { driver }).set(i64::from(is_up));
        self.cache_local.inner().store(answered_locally, Ordering::Relaxed);
    }

    /// Shows how many answers are kept in memory, and how many bytes they take.
    pub fn set_recall(&self, answers: u64, bytes: u64) {
        self.recall_entries.set(signed(answers));
        self.recall_bytes.set(signed(bytes));
    }

    /// Shows how many names wait to be purged in caches in front, and how long ago the oldest change of them came.
    pub fn set_cdn(&self, waiting: u64, oldest: Duration) {
        self.cdn_waiting.set(signed(waiting));
        self.cdn_oldest.set(oldest.as_secs_f64());
    }

    /// Shows whether the login is under attack.
    pub fn set_login_attack(&self, is_attack: bool) {
        self.login_attack.set(is_attack.into());
    }

    /// Shows what the threads that hash passwords are doing.
    pub fn set_passwords(&self, reading: PasswordReading) {
        self.password_running.set(signed(reading.running));
        self.password_hashes.inner().store(reading.hashes, Ordering::Relaxed);
        self.password_duration.set(reading.duration.as_secs_f64());
        for ((priority, waiting), shed) in PRIORITIES.into_iter().zip(reading.waiting).zip(reading.shed) {
            self.password_waiting.get_or_create(&PriorityLabel { priority }).set(signed(waiting));
            self.password_shed.get_or_create(&PriorityLabel { priority }).inner().store(shed, Ordering::Relaxed);
        }
    }

    /// A request begins. Every call has its [`Metrics::request_ended`].
    pub fn request_began(&self) {
        self.active_requests.inc();
    }

    /// A request has ended.
    pub fn request_ended(&self) {
        self.active_requests.dec();
    }

    /// A connection was opened. Every call has its [`Metrics::connection_closed`].
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A connection was closed.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn observe_request(
        &self,
        method: &http::Method,
        route: &'static str,
        status: u16,
        duration: Duration,
        trace_id: [u8; 16],
    ) {
        let labels = RequestLabels {
            http_request_method: known_method(method),
            http_route: route,
            http_response_status_code: status,
        };
        let exemplar = Exemplar { trace_id: TraceId(trace_id) };
        self.requests.get_or_create(&labels).observe(duration.as_secs_f64(), Some(exemplar), None);
    }

    pub(crate) fn count_compressed(&self, coding: &'static str, before: u64, after: u64) {
        self.uncompressed.get_or_create(&CodingLabel { coding }).inc_by(before);
        self.compressed.get_or_create(&CodingLabel { coding }).inc_by(after);
    }

    pub(crate) fn observe_step(&self, step: Step, duration: Duration) {
        let position = Step::ALL.iter().position(|known| *known == step);
        if let Some(histogram) = position.and_then(|position| self.steps.get(position)) {
            histogram.observe(duration.as_secs_f64());
        }
    }

    pub(crate) fn observe_operation(
        &self,
        operation: &'static str,
        relation: Option<&str>,
        error_code: Option<&str>,
        duration: Duration,
    ) {
        let labels = OperationLabels {
            db_system_name: self.engine.get().copied().unwrap_or("sqlite"),
            db_operation_name: operation,
            db_collection_name: self.relation_names.get(relation),
            error_type: self.error_names.get(error_code),
        };
        self.operations.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub(crate) fn observe_commit(&self, batch: u64, duration: Duration) {
        self.commit_batch.observe(batch as f64);
        self.commit_duration.observe(duration.as_secs_f64());
    }

    pub(crate) fn count_slow_query(&self) {
        self.slow_queries.inc();
    }

    pub(crate) fn count_shed(&self, limit: &'static str) {
        self.shed.get_or_create(&LimitLabel { limit }).inc();
    }

    pub(crate) fn count_rate_decision(&self, policy: &Arc<str>, is_allowed: bool) {
        let outcome = if is_allowed { "allowed" } else { "refused" };
        self.rate_limit.get_or_create(&PolicyLabels { policy: Name(policy.clone()), outcome }).inc();
    }

    pub(crate) fn count_recall(&self, outcome: &'static str) {
        self.recall.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn count_cdn_purge(&self, driver: &'static str, is_done: bool, lags: &[Duration]) {
        let outcome = if is_done { "success" } else { "failure" };
        self.cdn_purges.get_or_create(&PurgeLabels { driver, outcome }).inc();
        lags.iter().for_each(|lag| self.cdn_lag.observe(lag.as_secs_f64()));
    }

    pub(crate) fn count_recall_check(&self, is_stale: bool) {
        self.checked_reads.inc();
        self.stale_reads.inc_by(is_stale.into());
    }

    pub(crate) fn count_audit_sealed(&self, entries: u64, waiting: u64) {
        self.audit_sealed.inc_by(entries);
        self.audit_waiting.set(signed(waiting));
    }

    pub(crate) fn count_audit_forgotten(&self, entries: u64) {
        self.audit_forgotten.inc_by(entries);
    }

    /// Entries of the audit could not be sealed once more.
    pub fn count_audit_failure(&self) {
        self.audit_failures.inc();
    }

    /// So many tables are to be watched by the audit and are not.
    pub fn set_audit_unwatched(&self, tables: usize) {
        self.audit_unwatched.set(i64::try_from(tables).unwrap_or(i64::MAX));
    }

    pub(crate) fn count_overload_shed(&self, class: &'static str) {
        self.overload_shed.get_or_create(&ClassLabel { class }).inc();
    }

    pub(crate) fn count_idempotent_write(&self, outcome: &'static str) {
        self.idempotent_writes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn count_precondition_failed(&self) {
        self.preconditions_failed.inc();
    }

    pub(crate) fn count_dropped_connection(&self, reason: DropReason) {
        self.connections_dropped.get_or_create(&ReasonLabel { reason: reason.name() }).inc();
    }

    pub(crate) fn count_accept_failure(&self) {
        self.accept_failures.inc();
    }

    pub(crate) fn count_panic(&self) {
        self.panics.inc();
    }

    pub(crate) fn count_certificate_order(&self, is_issued: bool) {
        let outcome = if is_issued { "success" } else { "failure" };
        self.certificate_orders.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// When the certificate that is fetched ends, in seconds since 1970; 0 when there is none.
    pub fn set_certificate_expiry(&self, at: i64) {
        self.certificate_expiry.set(at);
    }

    pub(crate) fn count_sign_in(&self, action: &'static str, outcome: &'static str) {
        self.sign_ins.get_or_create(&SignInLabels { action, outcome }).inc();
    }

    pub(crate) fn count_mail(&self, mail: &'static str, is_sent: bool) {
        let outcome = if is_sent { "success" } else { "failure" };
        self.mails.get_or_create(&MailLabels { mail, outcome }).inc();
    }

    pub(crate) fn count_login_refused(&self, action: &'static str, reason: &'static str) {
        self.login_refused.get_or_create(&RefusedLabels { action, reason }).inc();
    }

    pub(crate) fn count_login_attack(&self, attack: &'static str) {
        self.login_attacks.get_or_create(&AttackLabel { attack }).inc();
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    pub(crate) fn set_damaged(&self, is_damaged: bool) {
        self.damaged.set(is_damaged.into());
    }

    pub(crate) fn set_relations(&self, relations: u64) {
        self.relations.set(signed(relations));
    }

    pub(crate) fn count_catalog_load(&self, outcome: &'static str) {
        self.catalog_loads.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn log_dropped(&self) -> Counter {
        self.log_dropped.clone()
    }

    pub(crate) fn span_counters(&self) -> SpanCounters {
        self.spans.clone()
    }
}

/// The method as a label or span name: HTTP's own, otherwise `_OTHER`, as OpenTelemetry wants it.
pub(crate) fn known_method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// Registers `value` under its definition, and gives it back.
fn register<M: Metric + Clone>(registry: &mut Registry, definition: &'static MetricDefinition, value: M) -> M {
    // The registry ends the text with a full stop itself.
    let about = definition.about.trim_end_matches('.');
    match definition.registry_unit() {
        Some(unit) => registry.register_with_unit(definition.name, about, unit, value.clone()),
        None => registry.register(definition.name, about, value.clone()),
    }
    value
}

fn family<S: Clone + std::hash::Hash + Eq, M>(definition: &'static MetricDefinition) -> Family<S, M, Buckets> {
    Family::new_with_constructor(Buckets(definition.buckets))
}

fn histogram(definition: &'static MetricDefinition) -> Histogram {
    Histogram::new(definition.buckets.iter().copied())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The resident set size, as Linux tells it in `/proc/self/status` in KiB.
fn resident_bytes() -> i64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .and_then(|digits| digits.parse::<i64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_bounded_by_itself() {
        let names = Names::new(2);
        assert_eq!(&*names.get(None).0, "");
        for (name, expected) in [("a", "a"), ("b", "b"), ("c", "_other"), ("a", "a"), ("d", "_other")] {
            assert_eq!(&*names.get(Some(name)).0, expected);
        }
    }

    #[test]
    fn every_registered_metric_has_a_definition() {
        let metrics = Metrics::new("pando", "0.1.0", Timestamp(0));
        metrics.observe_request(&http::Method::GET, "/{relation}", 200, Duration::from_millis(3), [0xab; 16]);
        metrics.observe_operation("SELECT", Some("zones"), None, Duration::from_millis(2));
        metrics.count_shed("limits.requests");
        metrics.count_rate_decision(&"address".into(), false);
        metrics.count_overload_shed("anonymous");
        metrics.count_idempotent_write("replayed");
        metrics.count_precondition_failed();
        metrics.set_cache("redis", true, 3);
        metrics.count_recall("hit");
        metrics.count_compressed("br", 4096, 512);
        metrics.count_recall_check(true);
        metrics.count_cdn_purge("varnish", true, &[Duration::from_millis(3)]);
        metrics.set_cdn(2, Duration::from_millis(1_500));
        metrics.count_audit_sealed(7, 2);
        metrics.count_audit_forgotten(256);
        metrics.count_audit_failure();
        metrics.set_audit_unwatched(3);
        metrics.set_concurrency(64, Duration::from_millis(20));
        metrics.count_catalog_load("success");
        metrics.count_certificate_order(false);
        metrics.set_certificate_expiry(1_790_000_000);
        metrics.count_sign_in("password", "done");
        metrics.count_mail("confirmation", true);
        metrics.count_login_refused("password", "account");
        metrics.count_login_attack("account_locked");
        metrics.set_login_attack(true);
        let duration = Duration::from_millis(25);
        metrics.set_passwords(PasswordReading { running: 1, waiting: [2, 3, 4], shed: [5, 6, 7], hashes: 8, duration });
        metrics.add_source(|metrics: &Metrics| {
            metrics.set_pool("readers", PoolReading { idle: 1, used: 2, pending: 3, most: 4 });
            let lag = Some(Duration::from_millis(1500));
            metrics.set_replica(&Arc::from("replica-1:5432"), ReplicaReading { is_up: true, lag, reads: 7 });
            metrics.set_shared_reads("answered", 11);
            metrics.set_replica_waits(8);
            metrics.set_replica_fallbacks("behind", 9);
            metrics.set_queue("writer", QueueReading { depth: 5, limit: 6 });
        });
        let text = metrics.render();
        let types: HashSet<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect();
        let defined: HashSet<_> =
            metric::ALL.iter().map(|known| format!("{} {}", known.family(), known.kind.name())).collect();
        assert_eq!(types, defined);
        for expected in [
            "http_server_request_duration_seconds_bucket{le=\"0.005\",http_request_method=\"GET\",http_route=\"/{relation}\",http_response_status_code=\"200\"} 1 # {trace_id=\"abababababababababababababababab\"} 0.003",
            "db_client_connection_pending_requests{db_client_connection_pool_name=\"readers\"} 3",
            "pando_queue_depth{queue=\"writer\"} 5",
            "pando_shared_reads_total{outcome=\"answered\"} 11",
            "pando_replica_lag_seconds{server=\"replica-1:5432\"} 1.5",
            "pando_replica_reads_total{server=\"replica-1:5432\"} 7",
            "pando_replica_fallbacks_total{reason=\"behind\"} 9",
            "pando_rate_limit_requests_total{policy=\"address\",outcome=\"refused\"} 1",
            "pando_overload_shed_total{class=\"anonymous\"} 1",
            "pando_idempotent_writes_total{outcome=\"replayed\"} 1",
            "pando_preconditions_failed_total 1",
            "pando_concurrency_limit 64",
            "pando_certificate_orders_total{outcome=\"failure\"} 1",
            "pando_certificate_expiry_timestamp_seconds 1790000000",
            "pando_queue_delay_seconds 0.02",
            "pando_cache_up{driver=\"redis\"} 1",
            "pando_cache_answered_locally_total 3",
            "pando_login_under_attack 1",
            "pando_password_waiting{priority=\"suspected\"} 4",
            "pando_password_shed_total{priority=\"trusted\"} 5",
            "pando_password_duration_seconds 0.025",
            "pando_audit_entries_sealed_total 7",
            "pando_audit_entries_waiting 2",
            "pando_audit_entries_forgotten_total 256",
            "pando_audit_sealing_failures_total 1",
            "pando_audit_tables_unwatched 3",
            "pando_shed_total{limit=\"limits.requests\"} 1",
            "pando_build_info{version=\"0.1.0\",service=\"pando\"} 1",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        for definition in metric::ALL {
            for label in definition.labels {
                assert!(text.contains(&format!("{label}=")), "{label}");
            }
        }
    }
}
