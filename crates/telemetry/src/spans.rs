//! Traces: a finished request becomes one server span and a span per step, sent by OTLP over HTTP.
//!
//! The batch processor of the OpenTelemetry SDK runs on a thread of its own with a blocking client, so that
//! nothing of it ever touches the runtime that answers requests.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::{Clock, Timestamp};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};

use crate::context::Ids;
use crate::metrics::{SpanCounters, known_method};
use crate::{RequestFinished, TelemetryError, TracesConfig, TracesNotExported};

/// Told of failed exports. Given by the telemetry that owns the sink.
pub(crate) type Complain = Box<dyn Fn(TracesNotExported) + Send + Sync>;

/// Where happenings leave their spans.
pub struct SpanSink {
    processor: BatchSpanProcessor,
    ids: Arc<Ids>,
    clock: Arc<dyn Clock>,
    scope: InstrumentationScope,
    waiting: Arc<AtomicU64>,
    most_waiting: u64,
    counters: SpanCounters,
}

impl std::fmt::Debug for SpanSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpanSink").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl SpanSink {
    /// Starts the exporter's thread.
    pub(crate) fn start(
        config: &TracesConfig,
        service: (&str, &str),
        ids: Arc<Ids>,
        clock: Arc<dyn Clock>,
        counters: SpanCounters,
        complain: Complain,
    ) -> Result<Self, TelemetryError> {
        let unusable = |reason: String| TelemetryError::Endpoint { endpoint: config.endpoint.clone(), reason };
        let address = endpoint(&config.endpoint).map_err(unusable)?;
        // Fails when a provider was chosen before, and then that one is used.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address)
            .with_timeout(config.timeout)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self::with_exporter(exporter, config, service, ids, clock, counters, complain))
    }

    fn with_exporter<E: SpanExporter + 'static>(
        exporter: E,
        config: &TracesConfig,
        (name, version): (&str, &str),
        ids: Arc<Ids>,
        clock: Arc<dyn Clock>,
        counters: SpanCounters,
        complain: Complain,
    ) -> Self {
        let waiting = Arc::new(AtomicU64::new(0));
        let exporter = Counting {
            inner: exporter,
            waiting: waiting.clone(),
            counters: counters.clone(),
            has_failed: AtomicBool::new(false),
            complain,
        };
        let batch = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue_spans)
            .with_max_export_batch_size(config.queue_spans.min(512))
            .with_scheduled_delay(config.interval)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
        let resource = Resource::builder_empty()
            .with_service_name(name.to_owned())
            .with_attribute(KeyValue::new("service.version", version.to_owned()))
            .build();
        processor.set_resource(&resource);
        Self {
            processor,
            ids,
            clock,
            scope: InstrumentationScope::builder("pando").with_version(version.to_owned()).build(),
            waiting,
            most_waiting: u64::try_from(config.queue_spans).unwrap_or(u64::MAX),
            counters,
        }
    }

    /// The spans of an answered request.
    pub(crate) fn request(&self, request: &RequestFinished<'_>) {
        let times = Times { wall: self.clock.now(), monotonic: self.clock.monotonic() };
        let context = request.trace.context();
        let trace_id = TraceId::from_bytes(context.trace_id);
        let own_id = SpanId::from_bytes(context.span_id);
        let method = known_method(request.method);
        let name = format!("{} {}", if method == "_OTHER" { "HTTP" } else { method }, request.route);
        let remote_parent = context.parent_span_id.map(SpanId::from_bytes);
        for (step, start, duration) in request.trace.steps(request.answered) {
            self.submit(SpanData {
                span_context: span_context(trace_id, SpanId::from_bytes(self.ids.span_id())),
                parent_span_id: own_id,
                parent_span_is_remote: false,
                span_kind: SpanKind::Internal,
                name: Cow::Borrowed(step.name()),
                start_time: times.at(start),
                end_time: times.at(start + duration),
                attributes: Vec::new(),
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: self.scope.clone(),
            });
        }
        self.submit(SpanData {
            span_context: span_context(trace_id, own_id),
            parent_span_id: remote_parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: remote_parent.is_some(),
            span_kind: SpanKind::Server,
            name: Cow::Owned(name),
            start_time: times.at(request.trace.started()),
            end_time: times.at(request.ended),
            attributes: attributes(request, method),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if request.status >= 500 { Status::error(Cow::Borrowed("")) } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Hands a span to the exporter's queue, or drops it when that is full.
    fn submit(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.inc();
            return;
        }
        self.processor.on_end(span);
    }

    /// Sends what waits, and ends the thread. Whether it finished within `wait`.
    pub(crate) fn shutdown(&self, wait: Duration) -> bool {
        self.processor.shutdown_with_timeout(wait).is_ok()
    }

    /// Sends what waits.
    pub(crate) fn flush(&self) -> bool {
        self.processor.force_flush().is_ok()
    }
}

/// The address that spans are posted to.
fn endpoint(configured: &str) -> Result<String, String> {
    let base = configured.trim_end_matches('/');
    let Some(rest) = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://")) else {
        return Err("it has to begin with http:// or https://".to_owned());
    };
    if rest.is_empty() || base.parse::<http::Uri>().is_err() {
        return Err("it is not a URL".to_owned());
    }
    Ok(if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") })
}

fn span_context(trace_id: TraceId, span_id: SpanId) -> SpanContext {
    SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE)
}

/// OpenTelemetry's names for HTTP server spans; never a raw path, a query or a header.
fn attributes(request: &RequestFinished<'_>, method: &'static str) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", request.route),
        KeyValue::new("http.response.status_code", i64::from(request.status)),
        KeyValue::new("pando.request_id", request.request_id.to_owned()),
    ];
    if let Some(relation) = request.relation {
        attributes.push(KeyValue::new("db.collection.name", relation.to_owned()));
    }
    if let Some(role) = request.role {
        attributes.push(KeyValue::new("user.roles", role.to_owned()));
    }
    if let Some(code) = request.error_code {
        attributes.push(KeyValue::new("error.type", code.to_owned()));
    }
    if let Some(rows) = request.rows {
        attributes.push(KeyValue::new("pando.rows", i64::try_from(rows).unwrap_or(i64::MAX)));
    }
    attributes
}

/// Turns readings of the monotonic clock into times of day.
struct Times {
    wall: Timestamp,
    monotonic: Instant,
}

impl Times {
    fn at(&self, reading: Instant) -> SystemTime {
        let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(self.wall.0).unwrap_or(0));
        let ago = self.monotonic.saturating_duration_since(reading);
        now.checked_sub(ago).unwrap_or(UNIX_EPOCH)
    }
}

/// Counts what the exporter inside delivers.
struct Counting<E> {
    inner: E,
    waiting: Arc<AtomicU64>,
    counters: SpanCounters,
    has_failed: AtomicBool,
    complain: Complain,
}

impl<E> std::fmt::Debug for Counting<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let result = self.inner.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        match &result {
            Ok(()) => {
                self.counters.exported.inc_by(spans);
                self.has_failed.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                self.counters.failed.inc_by(spans);
                if !self.has_failed.swap(true, Ordering::Relaxed) {
                    (self.complain)(TracesNotExported { spans, error: error.to_string() });
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert_eq!(endpoint("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(endpoint("http://127.0.0.1:4318/").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(endpoint("http://otel/v1/traces").unwrap(), "http://otel/v1/traces");
        for bad in ["", "http://", "grpc://otel:4317", "otel:4318", "http://a b"] {
            assert!(endpoint(bad).is_err(), "{bad:?}");
        }
    }
}
