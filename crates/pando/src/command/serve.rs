//! `pando serve`: puts the house together, opens the door, and closes it again.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::{Clock, QualifiedName, SystemClock};
use catalog::{Catalog, RoleStanding};
use edge::{Addresses, AllowedOrigins, Edge, EdgeConfig};
use identity::{KeyListener, Verifier};
use service::{ContractSettings, Service, Visibility};
use store::{Store, StoreError};
use telemetry::{
    Advice, CatalogLoaded, DatabaseChecked, DatabaseUnavailable, KeysLoaded, KeysUnavailable, LogConfig, LogFormat,
    MigrationApplied, ReadinessChanged, SeedApplied, Started, Stopped, Telemetry, TelemetryConfig, TracesConfig,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::watch::{self, Watch};
use crate::configuration::{self, CheckAtStart, Config, ConfigError, Loaded, OpenApiMode, Prepared, Sources};
use crate::database::{self, Applied, Standing};
use crate::migrations::MigrationError;
use crate::observer::{DatabaseObserver, gauges, report_keys};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How often the database is asked whether it still answers.
const PROBE: Duration = Duration::from_secs(2);

/// How long the last log lines and spans may take to get out.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why `/ready` says no while the database does not answer.
const NOT_READY: &str = "the database does not answer";

/// Applies migrations and serves until a signal ends it.
pub fn run(sources: &Sources, watch: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    let loaded = runtime.block_on(database::configuration(sources))?;
    let told = Arc::new(OnceLock::new());
    let listener = {
        let told = told.clone();
        KeyListener::new(move |event| report_keys(&told, event))
    };
    let prepared = Prepared::new(&loaded, Some(listener))?;
    let telemetry = Arc::new(start_telemetry(&loaded.config, style)?);
    let _first = told.set(telemetry.clone());
    let outcome = runtime.block_on(serve(&loaded, prepared, watch, &telemetry, style, out));
    // What still runs had its time; blocking tasks are not waited for longer than this.
    runtime.shutdown_timeout(Duration::from_secs(1));
    telemetry.shutdown(LAST_WORDS);
    outcome
}

async fn serve(
    loaded: &Loaded,
    mut prepared: Prepared,
    watch: bool,
    telemetry: &Arc<Telemetry>,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let config = &loaded.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let signals = Signals::listen()?;
    telemetry.report(&Started { version: env!("CARGO_PKG_VERSION"), engine: prepared.database.engine() });

    // The sockets first: a port in use must not be found out after migrations have run.
    let edge = Edge::bind(edge_config(config, &prepared)).await?;
    let observer = Arc::new(DatabaseObserver::new(telemetry.clone(), config.log.slow_query_ms));
    let store = database::open(config, &prepared, observer).await?;
    let seen = watch::look(&prepared.migrations);
    let migrates = config.database.migrate_on_start || watch;
    let applied = match bring_up_to_date(migrates, &prepared, store.as_ref(), telemetry).await {
        // In development the file will be corrected; until then what was applied is served.
        Err(MigrationError::Failed(error @ (StoreError::Engine(_) | StoreError::Closed))) => {
            return Err(MigrationError::Failed(error).into());
        }
        Err(error) if watch => {
            watch::refuse(telemetry, &error);
            Vec::new()
        }
        outcome => outcome?,
    };
    tell_schema(telemetry, store.as_ref(), clock.as_ref());
    let verifier = Verifier::open(prepared.identity.clone(), clock.clone())
        .map_err(|error| ConfigError::one("[auth]", error.to_string()))?;
    let verifier = Arc::new(verifier);
    if !verifier.has_keys() {
        telemetry.report(&Advice {
            setting: "auth.jwt_secret",
            sentence: "No key is configured, so requests with a token are answered 500 (PGRST300)",
        });
    }
    telemetry.metrics().add_source(gauges(store.clone(), pool_bounds(config)));

    let doubts = doubts(config, &prepared, store.as_ref());
    prepared.warnings.extend(doubts);
    if is_text(config) {
        let summary =
            Summary { loaded, prepared: &prepared, applied: &applied, addresses: edge.addresses(), watches: watch };
        summary.write(store.as_ref(), style, out)?;
    } else {
        // Standard output carries JSON alone.
        for warning in &prepared.warnings {
            let _nobody_listens = writeln!(io::stderr(), "warning: {warning}");
        }
    }
    let service = Service::new(service_settings(config), verifier.clone(), store.clone(), clock);
    let is_ready = Arc::new(AtomicBool::new(true));
    let readiness = {
        let is_ready = is_ready.clone();
        move || {
            if is_ready.load(Ordering::Relaxed) { Ok(()) } else { Err(NOT_READY) }
        }
    };
    let mut background = vec![
        tokio::spawn(probe(store.clone(), telemetry.clone(), is_ready)),
        tokio::spawn(reload_keys(signals.hangup, verifier, telemetry.clone())),
    ];
    if loaded.is_postgrest {
        background.push(tokio::spawn(answer_reload(Reloads::listen()?, telemetry.clone())));
    }
    if config.database.check_at_start == CheckAtStart::Auto && !store.was_checked() {
        background.push(tokio::spawn(check_whole(store.clone(), telemetry.clone())));
    }
    if watch {
        let configuration = loaded.file.clone();
        let prepared = Arc::new(prepared);
        let watch = Watch { prepared, configuration, seen, store: store.clone(), telemetry: telemetry.clone() };
        background.push(tokio::spawn(watch.run()));
    }
    let (drain, stop) = signals.end.watch();
    let served = edge.run(House(service), readiness, telemetry.clone(), async { drop(drain.await) });
    let drained = tokio::select! {
        drained = served => Some(drained),
        _second_signal = stop => None,
    };
    background.iter().for_each(tokio::task::JoinHandle::abort);
    store.close().await;
    let Some(drained) = drained else {
        return Err(CommandError::Failed("stopped by a second signal, before all requests were finished".to_owned()));
    };
    telemetry.report(&Stopped { in_flight: drained.in_flight, duration: drained.duration });
    Ok(())
}

/// The service as the front door calls it.
struct House(Service);

impl edge::Handler for House {
    async fn handle(&self, request: service::Request) -> service::Answer {
        self.0.answer(request).await
    }
}

/// Applies what is pending, or makes sure that nothing is.
async fn bring_up_to_date(
    migrates: bool,
    prepared: &Prepared,
    store: &dyn Store,
    telemetry: &Telemetry,
) -> Result<Vec<Applied>, MigrationError> {
    if migrates {
        let mut applied = Vec::new();
        let mut tell = |step: Applied| {
            tell_applied(telemetry, &step);
            applied.push(step);
        };
        database::migrate_step_by_step(store, prepared, &mut tell).await?;
        return Ok(applied);
    }
    let standing = Standing::read(store, &prepared.migrations).await?;
    if !standing.pending(&prepared.migrations)?.is_empty() {
        telemetry.report(&Advice {
            setting: "database.migrate_on_start",
            sentence: "Migrations are pending and are not applied at start; `pando migrate up` applies them",
        });
    }
    Ok(Vec::new())
}

/// Tells of a step that is done.
pub fn tell_applied(telemetry: &Telemetry, step: &Applied) {
    if step.is_seed {
        telemetry.report(&SeedApplied { file: &step.name, duration: step.duration });
    } else {
        telemetry.report(&MigrationApplied { file: &step.name, duration: step.duration });
    }
}

fn tell_schema(telemetry: &Telemetry, store: &dyn Store, clock: &dyn Clock) {
    if store.catalog().snapshot().relations.is_empty() {
        telemetry.report(&Advice {
            setting: "database.migrations",
            sentence: "The database has no tables; put a migration into the folder, or make a project with `pando init`",
        });
    }
    tell_catalog(telemetry, store, clock);
}

/// Tells of a catalog that counts from now on.
pub fn tell_catalog(telemetry: &Telemetry, store: &dyn Store, clock: &dyn Clock) {
    let started = clock.monotonic();
    let catalog = store.catalog();
    let relations = &catalog.snapshot().relations;
    let relationships = relations.keys().map(|name| catalog.relationships_from(name).len() as u64).sum();
    telemetry.report(&CatalogLoaded {
        relations: relations.len() as u64,
        relationships,
        duration: clock.monotonic().saturating_duration_since(started),
    });
}

/// What in the configuration does not fit the schema: allowed, since a later migration may bring it.
fn doubts(config: &Config, prepared: &Prepared, store: &dyn Store) -> Vec<String> {
    let catalog = store.catalog();
    let mut doubts = Vec::new();
    if catalog.snapshot().relations.is_empty() {
        return doubts;
    }
    let role = config.api.anonymous_role.as_str();
    if !role.is_empty() && catalog.role_standing(role) != RoleStanding::Assumable {
        doubts.push(format!("api.anonymous_role: requests cannot run as {role}, so those without a token are refused"));
    }
    for schema in &config.api.schemas {
        if !catalog.snapshot().schemas.contains_key(schema.as_str()) {
            doubts.push(format!("api.schemas: there is no schema {schema}"));
        }
        if prepared.docs && catalog.relation(&QualifiedName::new(schema.as_str(), "docs")).is_some() {
            doubts.push(format!(
                "api.docs: {schema}.docs is served at /rest/v1/docs alone, since /docs is the page; api.docs = \"off\" changes that"
            ));
        }
    }
    if let Some(function) = &prepared.pre_request
        && !is_there(function, config, &catalog)
    {
        doubts.push(format!(
            "database.pre_request: there is no function {} that takes no arguments, so requests are refused until there is",
            config.database.pre_request.trim()
        ));
    }
    for role in catalog.snapshot().roles.values().filter(|role| role.is_assumable) {
        for setting in &role.refused_settings {
            doubts.push(format!(
                "ALTER ROLE {} SET {setting}: it is not applied to requests, since the role that logs in may not set it",
                role.name
            ));
        }
    }
    doubts
}

/// Whether a function can be called without arguments; one without a schema is looked for along the search path.
fn is_there(function: &QualifiedName, config: &Config, catalog: &Catalog) -> bool {
    let api = &config.api.schemas;
    let schemas: Vec<&str> = match &*function.schema {
        "" => api.iter().chain(&config.database.extra_search_path).map(String::as_str).collect(),
        schema => vec![schema],
    };
    schemas.into_iter().any(|schema| {
        let name = QualifiedName::new(schema, function.name.clone());
        catalog.routines_named(&name).any(|routine| routine.takes(&[]))
    })
}

/// Asks the database again and again whether it answers, for `/ready`.
async fn probe(store: Arc<dyn Store>, telemetry: Arc<Telemetry>, is_ready: Arc<AtomicBool>) {
    telemetry.report(&ReadinessChanged { reason: None });
    loop {
        tokio::time::sleep(PROBE).await;
        // Busy is not broken: who waits for the database gets an answer of its own.
        let broken = match store.check().await {
            Err(error @ (StoreError::Engine(_) | StoreError::Unusable { .. } | StoreError::Closed)) => {
                Some(error.to_string())
            }
            _ => None,
        };
        let answers = broken.is_none();
        if is_ready.swap(answers, Ordering::Relaxed) != answers {
            if let Some(error) = &broken {
                telemetry.report(&DatabaseUnavailable { error });
            }
            telemetry.report(&ReadinessChanged { reason: (!answers).then_some(NOT_READY) });
        }
    }
}

/// Looks a file through that was too large for that at the start.
async fn check_whole(store: Arc<dyn Store>, telemetry: Arc<Telemetry>) {
    let started = SystemClock.monotonic();
    let error = match store.check_whole().await {
        Ok(()) => None,
        // It was given up because the server stops.
        Err(StoreError::Closed) => return,
        Err(error) => Some(error.to_string()),
    };
    let duration = SystemClock.monotonic().saturating_duration_since(started);
    telemetry.report(&DatabaseChecked { duration, error: error.as_deref() });
}

/// Reads the keys again at every SIGHUP.
async fn reload_keys(mut hangup: Signal, verifier: Arc<Verifier>, telemetry: Arc<Telemetry>) {
    while hangup.recv().await.is_some() {
        match verifier.reload() {
            Ok(()) => telemetry.report(&KeysLoaded { keys: verifier.key_count() as u64 }),
            Err(error) => telemetry.report(&KeysUnavailable { error: &error.to_string() }),
        }
    }
}

/// The signals with which PostgREST reads the schema and its configuration again. Without anybody who listens for them
/// they would end the process.
struct Reloads {
    schema: Signal,
    configuration: Signal,
}

impl Reloads {
    fn listen() -> Result<Self, CommandError> {
        Ok(Self { schema: listen(SignalKind::user_defined1())?, configuration: listen(SignalKind::user_defined2())? })
    }
}

/// Says that a signal of PostgREST's does nothing, and what does.
async fn answer_reload(mut signals: Reloads, telemetry: Arc<Telemetry>) {
    loop {
        let came = tokio::select! {
            came = signals.schema.recv() => came,
            came = signals.configuration.recv() => came,
        };
        if came.is_none() {
            return;
        }
        telemetry.report(&Advice {
            setting: "--postgrest",
            sentence: "SIGUSR1 and SIGUSR2 read nothing again; start Pando again for a new schema or configuration",
        });
    }
}

fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind).map_err(|error| CommandError::Failed(format!("signals cannot be received: {error}")))
}

/// The signals that mean something to a server.
struct Signals {
    end: Ends,
    hangup: Signal,
}

/// The signals that end it.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CommandError> {
        let end = Ends { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? };
        Ok(Self { end, hangup: listen(SignalKind::hangup())? })
    }
}

impl Ends {
    /// What becomes ready at the first signal, and what does at the second.
    fn watch(mut self) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
        let (first, drain) = oneshot::channel();
        let (second, stop) = oneshot::channel();
        tokio::spawn(async move {
            self.next().await;
            let _gone = first.send(());
            self.next().await;
            let _gone = second.send(());
        });
        (drain, stop)
    }

    async fn next(&mut self) {
        tokio::select! {
            _signal = self.terminate.recv() => {}
            _signal = self.interrupt.recv() => {}
        }
    }
}

fn is_text(config: &Config) -> bool {
    match config.log.format {
        configuration::LogFormat::Auto => io::stdout().is_terminal(),
        configuration::LogFormat::Json => false,
        configuration::LogFormat::Text => true,
    }
}

fn start_telemetry(config: &Config, style: Style) -> Result<Telemetry, CommandError> {
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

fn edge_config(config: &Config, prepared: &Prepared) -> EdgeConfig {
    let origins = config.server.cors_origins.clone();
    EdgeConfig {
        listen: prepared.listen,
        admin: prepared.admin_listen,
        origins: if origins.is_empty() { AllowedOrigins::Any } else { AllowedOrigins::List(origins) },
        server_timing: config.server.server_timing,
        docs: prepared.docs,
        limits: config.limits.edge(config.server.drain_seconds),
    }
}

fn service_settings(config: &Config) -> service::Settings {
    service::Settings {
        rest: rest::Settings {
            schemas: config.api.schemas.iter().map(|schema| Arc::from(schema.as_str())).collect(),
            openapi_enabled: config.api.openapi_mode != OpenApiMode::Disabled,
            transaction_end: config.api.transaction_end.into(),
            limits: config.limits.rest(),
        },
        plan: plan::Settings {
            max_rows: Some(config.api.max_rows).filter(|rows| *rows > 0),
            aggregates: config.api.aggregates,
            explain: config.api.explain,
            schemas: config.api.schemas.iter().map(|schema| Arc::from(schema.as_str())).collect(),
            limits: config.limits.plan(),
        },
        contract: ContractSettings {
            visibility: match config.api.openapi_mode {
                OpenApiMode::IgnorePrivileges => Visibility::Everything,
                OpenApiMode::FollowPrivileges | OpenApiMode::Disabled => Visibility::Privileges,
            },
            server: config.api.server().to_owned(),
            allows_anonymous: !config.api.anonymous_role.is_empty(),
        },
    }
}

/// The most reading connections and waiting writes, for the metrics.
fn pool_bounds(config: &Config) -> (u64, u64) {
    let database = &config.database;
    (u64::from(database.readers) + u64::from(database.slow_readers), u64::from(database.write_queue))
}

/// What a person wants to know when the server has started.
struct Summary<'a> {
    loaded: &'a Loaded,
    prepared: &'a Prepared,
    applied: &'a [Applied],
    addresses: Addresses,
    watches: bool,
}

impl Summary<'_> {
    fn write(&self, store: &dyn Store, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let api = &self.loaded.config.api;
        let catalog = store.catalog();
        writeln!(out, "\n{}\n", style.strong(&format!("pando {}", env!("CARGO_PKG_VERSION"))))?;
        let mut line = |title: &str, text: &str| writeln!(out, "  {} {text}", style.faint(&format!("{title:<9}")));
        line("API", &style.good(&format!("http://{}/rest/v1", self.addresses.api)))?;
        if self.prepared.docs {
            line("docs", &format!("http://{}/docs", self.addresses.api))?;
        }
        for schema in &api.schemas {
            let (views, tables): (Vec<_>, Vec<_>) =
                catalog.relations_in(schema).partition(|relation| relation.kind != catalog::RelationKind::Table);
            let text = format!("{} and {}", count(tables.len(), "table"), count(views.len(), "view"));
            line("schema", &format!("{schema}: {text}"))?;
        }
        line(
            "visitors",
            &match api.anonymous_role.as_str() {
                "" => "are refused (api.anonymous_role is empty)".to_owned(),
                role => format!("run as {role}"),
            },
        )?;
        if let Some(admin) = self.addresses.admin {
            line("admin", &format!("http://{admin}/metrics, /live, /ready"))?;
        }
        line("data", &self.prepared.database.to_string())?;
        if !self.applied.is_empty() {
            let names: Vec<&str> = self.applied.iter().map(|step| step.name.as_str()).collect();
            line("applied", &names.join(", "))?;
        }
        line("dialect", "https://docs.postgrest.org/en/stable/references/api.html")?;
        if self.watches {
            line("watch", &self.prepared.migrations.display().to_string())?;
        }
        line("stop", "Ctrl-C")?;
        for warning in &self.prepared.warnings {
            writeln!(out, "\n  {} {warning}", style.warning("warning:"))?;
        }
        writeln!(out)?;
        out.flush()
    }
}

/// `1 table`, `2 tables`.
fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
