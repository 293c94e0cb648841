//! The metrics' definitions: names, labels, buckets. Registered and documented from here.

use prometheus_client::registry::Unit;

/// The form of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises. Its samples end in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
    /// A fixed text. Its sample ends in `_info`.
    Info,
}

impl MetricKind {
    /// Its name in the OpenMetrics text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricUnit {
    /// Things, counted.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// What is fixed about a metric.
#[derive(Debug)]
pub struct MetricDefinition {
    /// Its name without unit and suffix.
    pub name: &'static str,
    /// Its form.
    pub kind: MetricKind,
    /// Its unit.
    pub unit: MetricUnit,
    /// Its labels, each bounded in the number of its values.
    pub labels: &'static [&'static str],
    /// The upper bounds of a histogram's buckets.
    pub buckets: &'static [f64],
    /// What it says.
    pub about: &'static str,
}

impl MetricDefinition {
    /// The name of its family: with the unit, without `_total`, `_bucket` or `_info`.
    pub fn family(&self) -> String {
        match self.unit {
            MetricUnit::None => self.name.to_owned(),
            MetricUnit::Seconds => format!("{}_seconds", self.name),
            MetricUnit::Bytes => format!("{}_bytes", self.name),
        }
    }

    /// The name to look for in a query.
    pub fn sample(&self) -> String {
        let family = self.family();
        match self.kind {
            MetricKind::Counter => format!("{family}_total"),
            MetricKind::Info => format!("{family}_info"),
            MetricKind::Gauge | MetricKind::Histogram => family,
        }
    }

    /// The unit as the registry takes it.
    pub(crate) fn registry_unit(&self) -> Option<Unit> {
        match self.unit {
            MetricUnit::None => None,
            MetricUnit::Seconds => Some(Unit::Seconds),
            MetricUnit::Bytes => Some(Unit::Bytes),
        }
    }
}

/// OpenTelemetry's buckets of `http.server.request.duration`.
const HTTP_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// OpenTelemetry's buckets of `db.client.operation.duration`.
const DATABASE_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
/// Steps are mostly far below a millisecond.
const STEP_BUCKETS: &[f64] = &[0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Group commits of up to some hundred writes.
/// A purge takes milliseconds, waits for what is on its way, or for a cache that does not answer.
const LAG_BUCKETS: &[f64] = &[0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];

const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $unit:ident, $labels:expr, $buckets:expr, $about:literal;)*) => {
        $(#[doc = $about] pub(crate) const $constant: &MetricDefinition = &MetricDefinition {
            name: $name, kind: MetricKind::$kind, unit: MetricUnit::$unit, labels: $labels, buckets: $buckets,
            about: $about,
        };)*
        /// Every metric's definition, in the order of the reference.
        pub const ALL: &[&MetricDefinition] = &[$($constant),*];
    };
}

metrics! {
    REQUEST_DURATION = "http_server_request_duration", Histogram, Seconds,
        &["http_request_method", "http_route", "http_response_status_code"], HTTP_BUCKETS,
        "Time from the head of a request to the end of its answer. Its exemplars carry `trace_id`.";
    ACTIVE_REQUESTS = "http_server_active_requests", Gauge, None, &[], &[],
        "Requests that are being answered.";
    CONNECTIONS = "http_server_open_connections", Gauge, None, &[], &[],
        "Connections that are open on the API's address.";
    STEP_DURATION = "pando_request_step_duration", Histogram, Seconds, &["step"], STEP_BUCKETS,
        "Time of each step of answering a request, the ones that `Server-Timing` names.";
    SHED = "pando_shed", Counter, None, &["limit"], &[],
        "Requests refused with 503, by the setting whose bound was reached.";
    UNCOMPRESSED = "pando_uncompressed", Counter, Bytes, &["coding"], &[],
        "Bytes of answers' bodies that were compressed, before they were. What is saved is the difference to `pando_compressed_bytes_total`.";
    COMPRESSED = "pando_compressed", Counter, Bytes, &["coding"], &[],
        "The same bytes as they were sent, by content coding.";
    RATE_LIMIT = "pando_rate_limit_requests", Counter, None, &["policy", "outcome"], &[],
        "Requests by each policy of `limits.rates` that applied to them: `allowed`, or `refused` with 429. A request counts once for every one.";
    OVERLOAD_SHED = "pando_overload_shed", Counter, None, &["class"], &[],
        "Requests refused with 503 because of overload, by their class.";
    IDEMPOTENT_WRITES = "pando_idempotent_writes", Counter, None, &["outcome"], &[],
        "Writes with an `Idempotency-Key`: done and `kept`, `replayed`, or refused as `in-flight` (409) or of an `other-request` (422).";
    PRECONDITIONS_FAILED = "pando_preconditions_failed", Counter, None, &[], &[],
        "Writes that were refused with 412, since `If-Match` or `If-None-Match` did not hold.";
    CONCURRENCY_LIMIT = "pando_concurrency_limit", Gauge, None, &[], &[],
        "Requests that are answered at once at most, as found out from how long they wait.";
    QUEUE_DELAY = "pando_queue_delay", Gauge, Seconds, &[], &[],
        "How long requests wait for their turn: for a connection to the database, or for a processor.";
    CACHE_UP = "pando_cache_up", Gauge, None, &["driver"], &[],
        "Whether the shared counters are there (1), or each node counts by itself until they are (0).";
    CACHE_LOCAL = "pando_cache_answered_locally", Counter, None, &[], &[],
        "Operations that this node answered by itself since the server of the shared counters did not.";
    AUDIT_SEALED = "pando_audit_entries_sealed", Counter, None, &[], &[],
        "Entries of the audit that this node has sealed.";
    AUDIT_WAITING = "pando_audit_entries_waiting", Gauge, None, &[], &[],
        "Entries of the audit that wait to be sealed, up to 100,000.";
    AUDIT_FORGOTTEN = "pando_audit_entries_forgotten", Counter, None, &[], &[],
        "Entries of the audit that this node has deleted because they were old enough.";
    AUDIT_FAILURES = "pando_audit_sealing_failures", Counter, None, &[], &[],
        "How often entries of the audit could not be sealed.";
    AUDIT_UNWATCHED = "pando_audit_tables_unwatched", Gauge, None, &[], &[],
        "Tables of a PostgreSQL server whose changes are not written down though they are to be, as `audit-incomplete` in the log says.";
    RECALL = "pando_response_cache_requests", Counter, None, &["outcome"], &[],
        "Reads whose answers may be kept: `hit` (a kept answer was shown), `remote_hit` (one that another node has read, `responses.driver`), `shared` (one that another request was just fetching), `stale` and `stale_if_error` (an older one, as the rule allows), `miss`, `request` (the request wanted the database to be asked), `bypass` (this answer cannot be kept).";
    RECALL_ENTRIES = "pando_response_cache_entries", Gauge, None, &[], &[],
        "Answers that are kept in memory.";
    RECALL_BYTES = "pando_response_cache_bytes", Gauge, None, &[], &[],
        "Bytes that kept answers take in memory.";
    CHECKED_READS = "pando_cache_checked_reads", Counter, None, &[], &[],
        "Kept answers that were compared with what the database gives.";
    STALE_READS = "pando_cache_stale_reads", Counter, None, &[], &[],
        "Of these, answers that were not what the database gives, although nothing told of a change. Alert on any.";
    CDN_PURGES = "pando_cdn_purges", Counter, None, &["driver", "outcome"], &[],
        "Purges that were sent to caches in front: `success`, or `failure`, which are tried again.";
    CDN_LAG = "pando_cdn_purge_lag", Histogram, Seconds, &[], LAG_BUCKETS,
        "Time from the first change of a name until it was purged everywhere, with what was on its way to caches by then.";
    CDN_WAITING = "pando_cdn_purges_waiting", Gauge, None, &[], &[],
        "Names that wait to be purged, or are being purged.";
    CDN_OLDEST = "pando_cdn_oldest_purge", Gauge, Seconds, &[], &[],
        "How long ago the oldest change came that is not purged everywhere. Alert on a minute: caches show what is older.";
    CONNECTIONS_DROPPED = "pando_connections_dropped", Counter, None, &["reason"], &[],
        "Connections that the server ended.";
    ACCEPT_FAILURES = "pando_accept_failures", Counter, None, &[], &[],
        "New connections that the operating system refused.";
    PANICS = "pando_request_panics", Counter, None, &[], &[],
        "Requests during which our own code panicked.";
    CERTIFICATE_ORDERS = "pando_certificate_orders", Counter, None, &["outcome"], &[],
        "Certificates ordered by ACME, by what came of it: `success` or `failure`.";
    CERTIFICATE_EXPIRY = "pando_certificate_expiry_timestamp", Gauge, Seconds, &[], &[],
        "When the certificate fetched by ACME ends, in seconds since 1970; 0 when there is none.";
    SIGN_INS = "pando_sign_ins", Counter, None, &["action", "outcome"], &[],
        "What was asked of the login, by what came of it: `done`, or the code of the refusal.";
    MAILS = "pando_mails", Counter, None, &["mail", "outcome"], &[],
        "Mails of the login that were sent (`success`) or could not be (`failure`).";
    LOGIN_REFUSED = "pando_login_refused", Counter, None, &["action", "reason"], &[],
        "Attempts at the login that had to wait, by what was attempted and whose bound it was: `account`, `device`, `address`, `network`, or `captcha`.";
    LOGIN_ATTACKS = "pando_login_attacks", Counter, None, &["attack"], &[],
        "What looked like an attack on the login: `account_locked`, `device_locked`, `address_sprays`, `network_sprays`, `password_sprayed`.";
    LOGIN_ATTACK = "pando_login_under_attack", Gauge, None, &[], &[],
        "Whether far more of the passwords that are tried are wrong than usual (1).";
    PASSWORD_RUNNING = "pando_password_running", Gauge, None, &[], &[],
        "Passwords that are being hashed.";
    PASSWORD_WAITING = "pando_password_waiting", Gauge, None, &["priority"], &[],
        "Logins that wait for a thread that hashes: `trusted`, `usual`, `suspected`.";
    PASSWORD_SHED = "pando_password_shed", Counter, None, &["priority"], &[],
        "Logins that were answered 503 since too many waited, by their priority.";
    PASSWORD_HASHES = "pando_password_hashes", Counter, None, &[], &[],
        "Passwords that were hashed.";
    PASSWORD_DURATION = "pando_password_duration", Gauge, Seconds, &[], &[],
        "How long hashing a password takes of late.";
    OPERATION_DURATION = "db_client_operation_duration", Histogram, Seconds,
        &["db_system_name", "db_operation_name", "db_collection_name", "error_type"], DATABASE_BUCKETS,
        "Time that the database took for a statement. `db_collection_name` is `_other` beyond 1,000 relations.";
    POOL_CONNECTIONS = "db_client_connection_count", Gauge, None,
        &["db_client_connection_pool_name", "db_client_connection_state"], &[],
        "Database connections by pool (`readers`, `writer`) and state (`idle`, `used`).";
    POOL_PENDING = "db_client_connection_pending_requests", Gauge, None, &["db_client_connection_pool_name"], &[],
        "Requests that wait for a database connection.";
    POOL_LIMIT = "db_client_connection_max", Gauge, None, &["db_client_connection_pool_name"], &[],
        "The most connections that a pool opens.";
    SHARED_READS = "pando_shared_reads", Counter, None, &["outcome"], &[],
        "Short reads that were given to a database connection that others use at the same time: `answered` there, or asked again `alone`, since what was before them took long or the connection was lost.";
    QUEUE_DEPTH = "pando_queue_depth", Gauge, None, &["queue"], &[],
        "Entries that wait in a bounded queue, for example `writer`.";
    QUEUE_LIMIT = "pando_queue_limit", Gauge, None, &["queue"], &[],
        "The most entries that may wait in a queue.";
    REPLICA_UP = "pando_replica_up", Gauge, None, &["server"], &[],
        "Whether a replica answers and follows the primary (1) or not (0).";
    REPLICA_LAG = "pando_replica_lag", Gauge, Seconds, &["server"], &[],
        "By how much a replica shows the past: how old the first thing is that it has not replayed.";
    REPLICA_READS = "pando_replica_reads", Counter, None, &["server"], &[],
        "Reads that a replica answered; `primary` for those that the primary did.";
    REPLICA_WAITS = "pando_replica_waits", Counter, None, &[], &[],
        "Reads that waited for a replica to come as far as their client had seen.";
    REPLICA_FALLBACKS = "pando_replica_fallbacks", Counter, None, &["reason"], &[],
        "Reads that the primary answered in place of the replicas: all were `behind`, `nobody` was there, one `failed`, or the client's position was `foreign`. `refused` are those that it took no more of.";
    COMMIT_BATCH = "pando_writer_batch_writes", Histogram, None, &[], BATCH_BUCKETS,
        "Writes that were committed together, with one sync to disk.";
    COMMIT_DURATION = "pando_writer_commit_duration", Histogram, Seconds, &[], DATABASE_BUCKETS,
        "Time of a group commit, from its first write to the end of the sync.";
    SLOW_QUERIES = "pando_slow_queries", Counter, None, &[], &[],
        "Statements that took longer than the threshold for slow ones.";
    RELATIONS = "pando_catalog_relations", Gauge, None, &[], &[],
        "Tables and views in the catalog.";
    CATALOG_LOADS = "pando_catalog_loads", Counter, None, &["outcome"], &[],
        "How often the catalog was read: `success`, or `failure`, after which the older one goes on.";
    DAMAGED = "pando_database_damaged", Gauge, None, &[], &[],
        "1 when looking the file through found damage, otherwise 0.";
    READY = "pando_ready", Gauge, None, &[], &[],
        "1 when `/ready` answers 200, otherwise 0.";
    LOG_DROPPED = "pando_log_lines_dropped", Counter, None, &[], &[],
        "Log lines that found no room because they are not written out fast enough.";
    SPANS = "pando_spans", Counter, None, &["outcome"], &[],
        "Spans that were `exported`, could not be delivered (`failed`) or found no room (`dropped`).";
    BUILD = "pando_build", Info, None, &["version", "service"], &[],
        "The version that is running.";
    START_TIME = "process_start_time", Gauge, Seconds, &[], &[],
        "When the process started, in seconds since 1970.";
    MEMORY = "process_resident_memory", Gauge, Bytes, &[], &[],
        "Memory that the process holds (resident set size); 0 where the system does not tell.";
}
