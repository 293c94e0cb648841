//! What telemetry is told when it starts. Everything has a default; nothing is read from the environment.

use std::fmt;
use std::io::Write;
use std::time::Duration;

/// How much is logged. Each level contains the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing at all.
    Off,
    /// Something of ours is broken and needs somebody's attention.
    Error,
    /// It works, but not as intended.
    Warn,
    /// What an operator wants to know about a healthy server.
    Info,
    /// What a developer wants to know.
    Debug,
}

impl Level {
    /// Its name in configuration and in `log.level`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl std::str::FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// The text names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a log level; use one of off, error, warn, info, debug")]
pub struct UnknownLevel(pub String);

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, in the Elastic Common Schema.
    Json,
    /// One line of text for people.
    Text {
        /// Whether the level and the names of fields are coloured. Only on a terminal: the caller knows.
        colour: bool,
    },
}

/// Which answered requests get a log line, once the level allows it. Metrics count all of them anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestLog {
    /// Every one.
    All,
    /// Those answered with a status of 400 or more.
    Refused,
    /// Those answered with a status of 500 or more.
    Failed,
}

impl RequestLog {
    /// Whether an answer with `status` is logged.
    pub fn covers(self, status: u16) -> bool {
        match self {
            Self::All => true,
            Self::Refused => status >= 400,
            Self::Failed => status >= 500,
        }
    }
}

/// Where log lines go and which.
pub struct LogConfig {
    /// The least important level that is still written.
    pub level: Level,
    /// The form of a line.
    pub format: LogFormat,
    /// Which requests are logged.
    pub requests: RequestLog,
    /// How many bytes of lines may wait for the writer. Beyond it lines are dropped and counted
    /// (`pando_log_lines_dropped_total`), so that a blocked terminal or pipe never holds up a request.
    /// Default 1 MiB: several thousand lines, the most a short stall should cost in memory.
    pub queue_bytes: usize,
    /// Where lines are written, by a thread of its own.
    pub writer: Box<dyn Write + Send>,
}

impl LogConfig {
    /// Lines of `level` and above to `writer`, in `format`; every request, the default queue.
    pub fn new(level: Level, format: LogFormat, writer: Box<dyn Write + Send>) -> Self {
        Self { level, format, requests: RequestLog::All, queue_bytes: 1024 * 1024, writer }
    }
}

impl fmt::Debug for LogConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogConfig")
            .field("level", &self.level)
            .field("format", &self.format)
            .field("requests", &self.requests)
            .field("queue_bytes", &self.queue_bytes)
            .finish_non_exhaustive()
    }
}

/// Where spans go. Without it no span is built.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    /// The collector's base address, for example `http://127.0.0.1:4318`; `/v1/traces` is added unless it is
    /// already there. `https://` is verified against the certificates of the operating system.
    pub endpoint: String,
    /// The share of requests without a `traceparent` that is traced, 0 to 1. A request that brings one follows
    /// its caller's decision.
    pub sample_ratio: f64,
    /// How many spans may wait for export; beyond it they are dropped and counted (`pando_spans_total`).
    /// Default 4096: about 500 requests, a few megabytes at most.
    pub queue_spans: usize,
    /// How long one export may take. Default 10 s, OpenTelemetry's own.
    pub timeout: Duration,
    /// How long spans are gathered before they are sent. Default 2 s: soon enough to look at while developing.
    pub interval: Duration,
}

impl TracesConfig {
    /// Every trace to `endpoint`, with the defaults.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            sample_ratio: 1.0,
            queue_spans: 4096,
            timeout: Duration::from_secs(10),
            interval: Duration::from_secs(2),
        }
    }
}

/// What [`crate::Telemetry`] is built from.
#[derive(Debug)]
pub struct TelemetryConfig {
    /// `service.name` in logs, traces and metrics.
    pub service_name: String,
    /// `service.version`.
    pub service_version: String,
    /// The log.
    pub log: LogConfig,
    /// Traces, when they are exported.
    pub traces: Option<TracesConfig>,
    /// Where ids start. `None` takes it from the operating system; a test gives one to get the same ids again.
    pub seed: Option<[u8; 16]>,
}

/// Telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The operating system gives no random bytes.
    #[error("The operating system gave no random bytes for trace ids: {0}")]
    Random(getrandom::Error),
    /// A thread of ours did not start.
    #[error("The thread that {purpose} could not be started: {source}")]
    Thread {
        /// What the thread is for.
        purpose: &'static str,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// The trace endpoint is not usable.
    #[error("The trace endpoint \"{endpoint}\" cannot be used: {reason}")]
    Endpoint {
        /// The configured endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The sampling ratio lies outside of 0 to 1.
    #[error("The share of sampled traces has to lie between 0 and 1, it is {0}")]
    SampleRatio(f64),
}
