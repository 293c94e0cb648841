//! What the crates below are told of the configuration.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use base::SystemClock;
use edge::{AllowedOrigins, DeliveryConfig, EdgeConfig};
use service::{ContractSettings, Visibility};
use telemetry::{LogConfig, LogFormat, Telemetry, TelemetryConfig, TracesConfig};

use crate::configuration::{self, Config, ConfigError, DatabaseAddress, OpenApiMode, Prepared};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// Whether the log is for people, and not for programs.
pub fn is_text(config: &Config) -> bool {
    match config.log.format {
        configuration::LogFormat::Auto => io::stdout().is_terminal(),
        configuration::LogFormat::Json => false,
        configuration::LogFormat::Text => true,
    }
}

/// Starts logs, metrics and traces.
pub fn start_telemetry(config: &Config, style: Style) -> Result<Telemetry, CommandError> {
    let format = if is_text(config) { LogFormat::Text { colour: style.colour } } else { LogFormat::Json };
    let mut log = LogConfig::new(config.log.level.into(), format, Box::new(io::stdout()));
    log.requests = config.log.requests.into();
    let traces = config
        .telemetry
        .otlp_endpoint
        .as_ref()
        .map(|endpoint| TracesConfig { sample_ratio: config.telemetry.sample_ratio, ..TracesConfig::new(endpoint) });
    let config = TelemetryConfig {
        service_name: config.telemetry.service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION").to_owned(),
        log,
        traces,
        seed: None,
    };
    Telemetry::new(config, Arc::new(SystemClock))
        .map_err(|error| ConfigError::one("[telemetry]", error.to_string()).into())
}

/// What the front door is told.
pub fn edge_config(config: &Config, prepared: &Prepared) -> EdgeConfig {
    EdgeConfig {
        listen: prepared.listen,
        admin: prepared.admin_listen,
        origins: origins(config),
        proxies: prepared.proxies.clone(),
        tls: prepared.tls.clone(),
        server_timing: config.server.server_timing,
        docs: prepared.docs,
        delivery: delivery(config),
        limits: config.limits.edge(config.server.drain_seconds),
    }
}

/// How answers are delivered.
pub fn delivery(config: &Config) -> DeliveryConfig {
    DeliveryConfig { personal_answers: config.server.personal_answers.into(), compresses: config.server.compression }
}

/// The pages that may call the API.
pub fn origins(config: &Config) -> AllowedOrigins {
    let origins = config.server.cors_origins.clone();
    if origins.is_empty() { AllowedOrigins::Any } else { AllowedOrigins::List(origins) }
}

/// What the corridor is told.
pub fn service_settings(config: &Config, prepared: &Prepared) -> service::Settings {
    service::Settings {
        rest: rest::Settings {
            schemas: config.api.schemas.iter().map(|schema| Arc::from(schema.as_str())).collect(),
            legacy_schema_error: config.api.legacy_schema_error,
            openapi_enabled: config.api.openapi_mode != OpenApiMode::Disabled,
            transaction_end: config.api.transaction_end.into(),
            limits: config.limits.rest(),
        },
        plan: plan::Settings {
            max_rows: Some(config.api.max_rows).filter(|rows| *rows > 0),
            aggregates: config.api.aggregates,
            freshness: prepared.freshening.freshness.clone(),
            explain: config.api.explain,
            schemas: config.api.schemas.iter().map(|schema| Arc::from(schema.as_str())).collect(),
            limits: config.limits.plan(),
        },
        idempotency: prepared.idempotency.settings.clone(),
        lists_errors: config.api.list_errors,
        position_cookie: Some(config.database.position_cookie_seconds).filter(|seconds| *seconds > 0),
        contract: ContractSettings {
            visibility: match config.api.openapi_mode {
                OpenApiMode::IgnorePrivileges => Visibility::Everything,
                OpenApiMode::FollowPrivileges | OpenApiMode::Disabled => Visibility::Privileges,
            },
            server: config.api.server().to_owned(),
        },
    }
}

/// The pool's name, its most connections and the most waiting writes, for the metrics.
pub fn pool_bounds(config: &Config, prepared: &Prepared) -> (&'static str, (u64, u64)) {
    let database = &config.database;
    match prepared.database {
        DatabaseAddress::File(_) => {
            let readers = u64::from(database.readers) + u64::from(database.slow_readers);
            ("readers", (readers, u64::from(database.write_queue)))
        }
        // Writes wait for connections as reads do.
        DatabaseAddress::Server(_) => ("primary", (u64::from(database.connections), 0)),
    }
}
