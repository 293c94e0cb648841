//! The meters: one type per happening, with its log line, its metric and its span.
//!
//! Whoever handles something says so once: `telemetry.report(&MigrationApplied { .. })`. The happening's type
//! decides the rest ([`Happening`]). [`Telemetry`] holds the log (ECS JSON or text, through a bounded buffer to a
//! thread of its own), the metrics (OpenMetrics) and the traces (OTLP over HTTP). None of them ever waits.

mod config;
mod context;
pub mod field;
mod happening;
mod line;
mod log;
mod metric;
mod metrics;
mod reference;
mod spans;
mod telemetry;
mod trace;

pub use config::{
    Level, LogConfig, LogFormat, RequestLog, TelemetryConfig, TelemetryError, TracesConfig, UnknownLevel,
};
pub use context::{TraceParent, parse_traceparent, push_hex, to_hex};
pub use field::{Field, FieldKind};
pub use happening::*;
pub use line::{ECS_VERSION, Line};
pub use metric::{MetricDefinition, MetricKind, MetricUnit};
pub use metrics::{GaugeSource, Metrics, PasswordReading, PoolReading, QueueReading, ReplicaReading};
pub use reference::reference;
pub use spans::SpanSink;
pub use telemetry::Telemetry;
pub use trace::{Step, Trace, TraceContext};

/// Every metric's definition.
pub const METRICS: &[&MetricDefinition] = metric::ALL;
