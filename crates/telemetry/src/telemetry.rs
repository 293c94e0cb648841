use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Clock;

use crate::context::{Ids, parse_traceparent};
use crate::log::Logger;
use crate::spans::{Complain, SpanSink};
use crate::{Happening, Metrics, RequestLog, TelemetryConfig, TelemetryError, Trace, TracesNotExported};

/// Everything that observes: the log, the metrics, the traces. One for the whole process, shared behind an `Arc`.
pub struct Telemetry {
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    sample_ratio: f64,
    metrics: Metrics,
    logger: Arc<Logger>,
    spans: Option<SpanSink>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("logger", &self.logger)
            .field("spans", &self.spans)
            .field("sample_ratio", &self.sample_ratio)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Starts it: a thread that writes the log, and one that exports traces when that is configured.
    ///
    /// # Errors
    /// When a thread does not start, the trace endpoint is not a usable URL, or the system gives no random bytes.
    pub fn new(config: TelemetryConfig, clock: Arc<dyn Clock>) -> Result<Self, TelemetryError> {
        let TelemetryConfig { service_name, service_version, log, traces, seed } = config;
        let ids = Arc::new(Ids::new(match seed {
            Some(seed) => seed,
            None => random_seed()?,
        }));
        let metrics = Metrics::new(&service_name, &service_version, clock.now());
        let logger = Arc::new(Logger::start(log, &service_name, &service_version, metrics.log_dropped())?);
        let sample_ratio = traces.as_ref().map_or(0.0, |traces| traces.sample_ratio);
        if !(0.0..=1.0).contains(&sample_ratio) {
            return Err(TelemetryError::SampleRatio(sample_ratio));
        }
        let spans = match &traces {
            Some(traces) => Some(SpanSink::start(
                traces,
                (&service_name, &service_version),
                ids.clone(),
                clock.clone(),
                metrics.span_counters(),
                complaints(logger.clone(), clock.clone()),
            )?),
            None => None,
        };
        Ok(Self { clock, ids, sample_ratio, metrics, logger, spans })
    }

    /// Says that something happened: a line in the log, the metrics, the spans, as the happening's type defines.
    /// Never waits.
    pub fn report<H: Happening>(&self, happening: &H) {
        happening.meter(&self.metrics);
        if let Some(spans) = &self.spans {
            happening.spans(spans);
        }
        let level = happening.level();
        if self.logger.is_enabled(level) {
            self.logger.write(happening, level, self.clock.now());
        }
    }

    /// Begins the record of a request, in the trace that its `traceparent` header names, if it has a proper one.
    pub fn begin_trace(&self, traceparent: Option<&str>, now: Instant) -> Trace {
        let parent = traceparent.and_then(parse_traceparent);
        Trace::begin(self.ids.context(parent, self.sample_ratio), now)
    }

    /// Which requests get a line: for [`crate::RequestFinished::logged`].
    pub fn request_log(&self) -> RequestLog {
        self.logger.requests
    }

    /// The metrics, for gauges and what is counted without a happening.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All metrics in the OpenMetrics text form
    /// (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn render_metrics(&self) -> String {
        self.metrics.render()
    }

    /// The clock that everything here reads.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Writes out and sends what waits. Blocks, for the log at most for `wait`. Whether all of it is out.
    pub fn flush(&self, wait: Duration) -> bool {
        let is_sent = self.spans.as_ref().is_none_or(SpanSink::flush);
        self.logger.flush(wait) && is_sent
    }

    /// The last call: sends the spans that wait, then writes out the log, each at most for `wait`. Blocks.
    /// Whether all of it is out. What is reported afterwards is still logged, but leaves no spans.
    pub fn shutdown(&self, wait: Duration) -> bool {
        let is_sent = self.spans.as_ref().is_none_or(|spans| spans.shutdown(wait));
        self.logger.flush(wait) && is_sent
    }
}

fn random_seed() -> Result<[u8; 16], TelemetryError> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(TelemetryError::Random)?;
    Ok(seed)
}

/// The exporter's thread logs its own failures: it has no request to report them with.
fn complaints(logger: Arc<Logger>, clock: Arc<dyn Clock>) -> Complain {
    Box::new(move |happening: TracesNotExported| {
        let level = happening.level();
        if logger.is_enabled(level) {
            logger.write(&happening, level, clock.now());
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use base::{Limit, SystemClock};
    use parking_lot::Mutex;
    use serde_json::Value;

    use super::*;
    use crate::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    fn start(level: Level, format: LogFormat, traces: Option<TracesConfig>) -> (Telemetry, Kept) {
        let kept = Kept::default();
        let config = TelemetryConfig {
            service_name: "pando".to_owned(),
            service_version: "0.1.0".to_owned(),
            log: LogConfig::new(level, format, Box::new(kept.clone())),
            traces,
            seed: Some([1; 16]),
        };
        (Telemetry::new(config, Arc::new(SystemClock)).unwrap(), kept)
    }

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn finish(telemetry: &Telemetry, status: u16, logged: RequestLog) {
        let start = Instant::now();
        let mut trace = telemetry.begin_trace(Some(PARENT), start);
        trace.enter(Step::Identify, start);
        trace.enter(Step::Run, start + Duration::from_micros(100));
        telemetry.report(&RequestFinished {
            method: &http::Method::GET,
            route: "/{relation}",
            status,
            relation: Some("zones"),
            role: Some("anon"),
            error_code: None,
            inside: None,
            rows: Some(3),
            request_bytes: 0,
            response_bytes: 120,
            request_id: "abc",
            trace: &trace,
            answered: start + Duration::from_micros(400),
            ended: start + Duration::from_micros(1500),
            is_complete: true,
            logged,
        });
    }

    /// One of each, with every field that it can have.
    fn report_all(telemetry: &Telemetry) {
        let duration = Duration::from_micros(1234);
        telemetry.report(&Started { version: "0.1.0", engine: "sqlite" });
        telemetry.report(&Listening { purpose: "api", address: SocketAddr::from(([127, 0, 0, 1], 8000)) });
        telemetry.report(&Advice { setting: "jwt.secret", sentence: "No key is configured" });
        telemetry.report(&ReadinessChanged { reason: Some("draining") });
        telemetry.report(&Draining { in_flight: 2, wait: duration });
        telemetry.report(&Stopped { in_flight: 0, duration });
        telemetry.report(&TracesNotExported { spans: 3, error: "refused".to_owned() });
        telemetry.report(&MigrationApplied { file: "0001_init.sql", duration });
        telemetry.report(&MigrationPresent { file: "0001_init.sql" });
        telemetry.report(&SeedApplied { file: "seed.sql", duration });
        telemetry.report(&SeedSkipped { file: "seed.sql" });
        telemetry.report(&MigrationRefused { error: "migrations/0002_x.sql:1:1: no such type" });
        telemetry.report(&ConfigurationChanged);
        telemetry.report(&ConfigurationRead { keys: 1, changed: "auth.jwt_secret", after_restart: "server.listen" });
        telemetry.report(&ConfigurationRefused { error: "pando.toml:2:1: [api] has no max_row" });
        telemetry.report(&CertificatesRead { certificates: 2 });
        telemetry.report(&CertificatesRefused { error: "local.pem: it cannot be read" });
        telemetry.report(&BodyCompressed { coding: "br", before: 4096, after: 512 });
        telemetry.report(&FilesChanged { files: 3, held_bytes: 4096, added: 1, changed: 1, removed: 0 });
        telemetry.report(&FilesDoubtful { files: 1, names: "link is a symbolic link that leads out of the folder" });
        telemetry.report(&FilesRefused { error: "the folder public cannot be read" });
        let domains = "api.example.com,example.com";
        telemetry.report(&CertificateAwaited { domains });
        telemetry.report(&CertificateIssued { domains, valid_for: duration, took: duration });
        telemetry.report(&CertificateNotIssued { domains, error: "rate limited", wait: Some(duration) });
        telemetry.report(&MigrationWaits { file: "0002_next.sql" });
        telemetry.report(&CatalogLoaded { relations: 4, relationships: 5, duration });
        telemetry.report(&CatalogNotLoaded { error: "timed out", duration });
        telemetry.report(&KeysLoaded { keys: 1 });
        telemetry.report(&KeysUnavailable { error: "timed out" });
        telemetry.report(&ApiKeysUnavailable { error: "timed out" });
        telemetry.report(&SignIn { action: "password", outcome: "done" });
        telemetry.report(&MailSent { mail: "confirmation", is_sent: false, reason: Some("refused"), code: Some(550) });
        telemetry.report(&MailsDropped { mails: 3 });
        telemetry.report(&LoginImpaired { reason: "leaked_list_unreadable" });
        telemetry.report(&ProviderFailed { provider: "google", error: "timed out" });
        telemetry.report(&AttemptRefused { kind: "password", reason: "account" });
        telemetry.report(&AttackChanged { is_attack: true });
        telemetry.report(&AttackSeen { attack: "account_locked", is_told: true });
        telemetry.report(&WebhookSent { is_sent: false });
        telemetry.report(&EntriesSealed { entries: 7, waiting: 2 });
        telemetry.report(&RecallAsked { outcome: "hit" });
        telemetry.report(&AnswersNotKept { relation: "public.a", reason: "it asks for the moment" });
        telemetry.report(&KeptAnswerStale { relation: "public.todos", is_stale: true });
        telemetry.report(&SharedAnswersChanged { reason: Some("timeout"), after: None });
        let (error, lags) = (Some("the answer has the status 503"), Vec::new());
        telemetry.report(&CdnPurged { driver: "varnish", tags: 2, error, lags });
        telemetry.report(&CdnOverflowed);
        telemetry.report(&CheckpointSigned { note: "pando/audit\n7\nAAAA\n\n\u{2014} pando/audit AAAA\n" });
        telemetry.report(&SealingFailed { error: Some("timed out") });
        telemetry.report(&EntriesForgotten { entries: 256 });
        telemetry.report(&RetentionFailed { error: Some("permission denied") });
        telemetry.report(&ChangesUnwatched { problem: "GRANT TRIGGER ON people TO door lets Pando do it" });
        finish(telemetry, 200, RequestLog::All);
        telemetry.report(&RequestPanicked { request_id: "abc", trace_id: [1; 16] });
        telemetry.report(&Overloaded { limit: Limit::new("limits.requests", 10) });
        telemetry.report(&RateDecision { policy: &"address".into(), is_allowed: false });
        telemetry.report(&RequestShed { class: "anonymous" });
        telemetry.report(&IdempotentWrite { outcome: "replayed" });
        telemetry.report(&PreconditionFailed);
        telemetry.report(&AnswersSwept { answers: 500, error: None });
        telemetry.report(&OverloadChanged { is_overloaded: true, limit: 64, delay: duration });
        telemetry.report(&CacheChanged { reason: Some("unreachable"), after: Some(duration) });
        telemetry.report(&ConnectionDropped { reason: DropReason::SlowHead });
        telemetry.report(&AcceptFailed { error: std::io::ErrorKind::Other });
        telemetry.report(&DatabaseOperation {
            operation: "SELECT",
            relation: Some("zones"),
            rows: Some(1),
            duration,
            error_code: Some("23505"),
        });
        telemetry.report(&SlowQuery {
            statement: "SELECT \"code\" FROM \"zones\" WHERE \"code\" = ?1",
            relation: Some("zones"),
            rows: Some(1),
            duration,
            trace_id: Some([1; 16]),
        });
        telemetry.report(&WritesCommitted { batch: 7, duration });
        telemetry.report(&ReplicaChanged { server: "replica-1:5432", reason: Some("behind") });
        telemetry.report(&DatabaseUnavailable { error: "the disk is full" });
        telemetry.report(&DatabaseChecked { duration, error: None });
        telemetry.report(&DatabaseChecked { duration, error: Some("the file is damaged") });
    }

    #[test]
    fn every_happening_has_an_ecs_line() {
        let (telemetry, kept) = start(Level::Debug, LogFormat::Json, None);
        report_all(&telemetry);
        assert!(telemetry.flush(Duration::from_secs(10)));
        let lines: Vec<Value> = kept.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut actions: Vec<_> = lines.iter().map(|line| line["event.action"].as_str().unwrap()).collect();
        actions.extend(["writes-committed", "audit-sealed", "response-cache-asked", "body-compressed"]); // only counted
        for definition in HAPPENINGS {
            assert!(actions.contains(&definition.action), "{}", definition.action);
        }
        for line in &lines {
            for name in ["@timestamp", "log.level", "message", "ecs.version", "service.name", "service.version"] {
                assert!(line[name].is_string(), "{name} in {line}");
            }
        }
        let request = lines.iter().find(|line| line["event.action"] == "request-finished").unwrap();
        for (name, expected) in [
            ("http.request.method", Value::from("GET")),
            ("url.path", "/{relation}".into()),
            ("http.response.status_code", 200.into()),
            ("event.duration", 1_500_000.into()),
            ("event.outcome", "success".into()),
            ("user.roles", Value::from(vec!["anon"])),
            ("trace.id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
            ("http.request.id", "abc".into()),
        ] {
            assert_eq!(request[name], expected, "{name}");
        }
    }

    #[test]
    fn a_readable_line_is_coloured_only_when_asked() {
        let (telemetry, kept) = start(Level::Info, LogFormat::Text { colour: false }, None);
        finish(&telemetry, 200, RequestLog::All);
        telemetry.report(&KeysUnavailable { error: "it said \"no\"" });
        telemetry.flush(Duration::from_secs(10));
        let text = kept.text();
        let line = text.lines().next().unwrap();
        assert!(
            line.contains("INFO  A request was answered method=GET route=/{relation} status=200 took=1.500ms"),
            "{line}"
        );
        assert!(text.contains("WARN ") && text.contains(r#"error="it said \"no\"""#), "{text}");
        assert!(!text.contains('\u{1b}'));

        let (telemetry, kept) = start(Level::Info, LogFormat::Text { colour: true }, None);
        finish(&telemetry, 200, RequestLog::All);
        telemetry.flush(Duration::from_secs(10));
        assert!(kept.text().contains("\u{1b}[32mINFO"));
    }

    #[test]
    fn levels_decide_what_is_written() {
        for (level, status, logged, lines) in [
            (Level::Info, 200, RequestLog::All, 1),
            (Level::Info, 200, RequestLog::Refused, 0),
            (Level::Info, 404, RequestLog::Refused, 1),
            (Level::Info, 404, RequestLog::Failed, 0),
            (Level::Error, 404, RequestLog::All, 0),
            (Level::Error, 500, RequestLog::All, 1),
            (Level::Error, 503, RequestLog::All, 0),
            (Level::Off, 500, RequestLog::All, 0),
        ] {
            let (telemetry, kept) = start(level, LogFormat::Json, None);
            finish(&telemetry, status, logged);
            telemetry.flush(Duration::from_secs(10));
            assert_eq!(kept.text().lines().count(), lines, "{level:?} {status} {logged:?}");
        }
    }

    /// A terminal that somebody has stopped.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_is_not_read_costs_lines_but_holds_nothing_up() {
        let (release, stuck) = std::sync::mpsc::channel();
        let mut log = LogConfig::new(Level::Info, LogFormat::Json, Box::new(Stuck(stuck)));
        log.queue_bytes = 2000;
        let config = TelemetryConfig {
            service_name: "pando".to_owned(),
            service_version: "0.1.0".to_owned(),
            log,
            traces: None,
            seed: None,
        };
        let telemetry = Telemetry::new(config, Arc::new(SystemClock)).unwrap();
        for _ in 0..100 {
            telemetry.report(&KeysLoaded { keys: 1 });
        }
        assert!(!telemetry.flush(Duration::from_millis(10)));
        let metrics = telemetry.render_metrics();
        let dropped = metrics.lines().find_map(|line| line.strip_prefix("pando_log_lines_dropped_total ")).unwrap();
        assert!(dropped.parse::<u64>().unwrap() > 50, "{dropped}");
        drop(release);
    }

    #[test]
    fn happenings_are_counted() {
        let (telemetry, _kept) = start(Level::Off, LogFormat::Json, None);
        report_all(&telemetry);
        let metrics = telemetry.render_metrics();
        for expected in [
            "db_client_operation_duration_seconds_count{db_system_name=\"sqlite\",db_operation_name=\"SELECT\",db_collection_name=\"zones\",error_type=\"23505\"} 1",
            "pando_request_step_duration_seconds_count{step=\"run\"} 1",
            "pando_writer_batch_writes_bucket{le=\"8.0\"} 1",
            "pando_connections_dropped_total{reason=\"slow-head\"} 1",
            "pando_shed_total{limit=\"limits.requests\"} 1",
            "pando_slow_queries_total 1",
            "pando_request_panics_total 1",
            "pando_catalog_relations 4",
            "pando_database_damaged 1",
            "pando_ready 0",
            "trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"",
        ] {
            assert!(metrics.contains(expected), "{expected}\nis not in\n{metrics}");
        }
    }

    /// A collector that takes one request and answers `status`.
    fn collector(status: &'static str) -> (String, std::thread::JoinHandle<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut received = Vec::new();
            let (head, length) = loop {
                let mut piece = [0; 4096];
                let count = connection.read(&mut piece).unwrap();
                received.extend_from_slice(&piece[..count]);
                let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8(received[..end].to_vec()).unwrap().to_lowercase();
                let length: usize =
                    head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                received.drain(..end + 4);
                break (head, length);
            };
            while received.len() < length {
                let mut piece = [0; 4096];
                let count = connection.read(&mut piece).unwrap();
                received.extend_from_slice(&piece[..count]);
            }
            write!(connection, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            (head, received)
        });
        (address, thread)
    }

    #[test]
    fn a_request_becomes_spans_at_the_collector() {
        let (address, collector) = collector("200 OK");
        let (telemetry, _kept) = start(Level::Off, LogFormat::Json, Some(TracesConfig::new(address)));
        finish(&telemetry, 200, RequestLog::All);
        assert!(telemetry.shutdown(Duration::from_secs(20)));
        let (head, body) = collector.join().unwrap();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let contains = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
        let parent = parse_traceparent(PARENT).unwrap();
        for part in [b"GET /{relation}".as_slice(), b"identify", b"run", b"service.name", b"pando", b"http.route"] {
            assert!(contains(part), "{}", String::from_utf8_lossy(part));
        }
        assert!(contains(&parent.trace_id) && contains(&parent.span_id));
        assert!(telemetry.render_metrics().contains("pando_spans_total{outcome=\"exported\"} 3"));
    }

    #[test]
    fn a_collector_that_refuses_is_told_of_once() {
        let (address, collector) = collector("400 Bad Request");
        let (telemetry, kept) = start(Level::Warn, LogFormat::Json, Some(TracesConfig::new(address)));
        finish(&telemetry, 200, RequestLog::All);
        telemetry.shutdown(Duration::from_secs(20));
        collector.join().unwrap();
        assert!(telemetry.render_metrics().contains("pando_spans_total{outcome=\"failed\"} 3"));
        assert_eq!(kept.text().matches("traces-not-exported").count(), 1, "{}", kept.text());
    }

    #[test]
    fn a_wrong_configuration_is_refused() {
        for (endpoint, ratio) in
            [("grpc://otel:4317", 1.0), ("", 1.0), ("http://otel:4318", 1.5), ("http://otel:4318", f64::NAN)]
        {
            let mut traces = TracesConfig::new(endpoint);
            traces.sample_ratio = ratio;
            let config = TelemetryConfig {
                service_name: "pando".to_owned(),
                service_version: "0.1.0".to_owned(),
                log: LogConfig::new(Level::Off, LogFormat::Json, Box::new(std::io::sink())),
                traces: Some(traces),
                seed: None,
            };
            assert!(Telemetry::new(config, Arc::new(SystemClock)).is_err(), "{endpoint} {ratio}");
        }
    }
}
