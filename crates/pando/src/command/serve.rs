//! `pando serve`: puts the house together, opens the door, and closes it again.

use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::{Clock, Failure, Kind, QualifiedName, SystemClock};
use catalog::{Catalog, RoleStanding};
use edge::{Addresses, AllowedOrigins, Edge, EdgeConfig};
use identity::{KeyListener, Verifier};
use service::{ContractSettings, Service, Visibility};
use store::{Store, StoreError};
use telemetry::{
    Advice, DatabaseChecked, DatabaseUnavailable, LogConfig, LogFormat, ReadinessChanged, Started, Stopped, Telemetry,
    TelemetryConfig, TracesConfig,
};
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::opening::{Backoff, NOT_YET, Opening, is_unreachable};
use super::operations::{Operations, Reloads, listen};
use super::watch::{self, Watch};
use crate::configuration::{self, CheckAtStart, Config, ConfigError, Loaded, OpenApiMode, Prepared, Sources};
use crate::database::{self, Applied};
use crate::observer::{DatabaseObserver, catalog_loaded, gauges, report_keys};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How often the database is asked whether it still answers.
const PROBE: Duration = Duration::from_secs(2);

/// How long the last log lines and spans may take to get out.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// After so many seconds whoever came before the database was there may come again.
const RETRY_AFTER: u32 = 2;

/// Why `/ready` says no while the database does not answer.
const NOT_READY: &str = "the database does not answer";

/// Applies migrations and serves until a signal ends it.
pub fn run(sources: &Sources, watch: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    let loaded = runtime.block_on(configured(sources))?;
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

/// The configuration. PostgREST's is in the database as well: nothing can be served before it was asked.
async fn configured(sources: &Sources) -> Result<Loaded, CommandError> {
    let mut backoff = Backoff::default();
    loop {
        match database::configuration(sources).await {
            Err(error) if is_unreachable(&error) => {
                let text = "the database is asked for settings (db-config) and is waited for";
                let _nobody_listens = writeln!(io::stderr(), "warning: {error}; {text}");
                tokio::time::sleep(backoff.next()).await;
            }
            outcome => return outcome,
        }
    }
}

async fn serve(
    loaded: &Loaded,
    prepared: Prepared,
    watch: bool,
    telemetry: &Arc<Telemetry>,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let config = &loaded.config;
    let (ends, reloads) = (Ends::listen()?, Reloads::listen()?);
    telemetry.report(&Started { version: env!("CARGO_PKG_VERSION"), engine: prepared.database.engine() });

    // The sockets first: a port in use must not be found out after migrations have run.
    let edge = Edge::bind(edge_config(config, &prepared)).await?;
    let house = House::default();
    let starting = Starting { loaded, watch, telemetry, addresses: edge.addresses(), house: &house };
    let waits = Notify::new();
    let mut opening = pin!(starting.open(prepared, reloads, &waits, style, out));
    // Only a database that does not answer opens the doors before it is there: nobody is turned away for a moment's sake.
    let is_open = tokio::select! {
        outcome = &mut opening => {
            outcome?;
            true
        }
        () = waits.notified() => false,
    };
    let (drain, stop) = ends.watch();
    let served = edge.run(house.clone(), house.clone(), telemetry.clone(), async { drop(drain.await) });
    let refused = async {
        match if is_open { Ok(()) } else { opening.await } {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    let drained = tokio::select! {
        drained = served => Some(drained),
        _second_signal = stop => None,
        error = refused => return Err(error),
    };
    house.close().await;
    let Some(drained) = drained else {
        return Err(CommandError::Failed("stopped by a second signal, before all requests were finished".to_owned()));
    };
    telemetry.report(&Stopped { in_flight: drained.in_flight, duration: drained.duration });
    Ok(())
}

/// What a start knows from its first moment.
struct Starting<'a> {
    loaded: &'a Loaded,
    watch: bool,
    telemetry: &'a Arc<Telemetry>,
    addresses: Addresses,
    house: &'a House,
}

impl Starting<'_> {
    /// Opens the database and then the house.
    async fn open(
        &self,
        mut prepared: Prepared,
        reloads: Reloads,
        waits: &Notify,
        style: Style,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let (config, telemetry) = (&self.loaded.config, self.telemetry);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let verifier = Verifier::open(prepared.identity.clone(), clock.clone())
            .map_err(|error| ConfigError::one("[auth]", error.to_string()))?;
        let verifier = Arc::new(verifier);
        let observer = Arc::new(DatabaseObserver::new(telemetry.clone(), config.log.slow_query_ms));
        let configuration = observer.configuration();
        let seen = watch::look(&prepared.migrations);
        let opening = Opening { config, prepared: &prepared, watch: self.watch, telemetry, observer };
        let (store, applied) = opening.run(waits).await?;
        tell_schema(telemetry, store.as_ref(), clock.as_ref());
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
            let summary = Summary {
                loaded: self.loaded,
                prepared: &prepared,
                applied: &applied,
                addresses: self.addresses,
                watches: self.watch,
            };
            summary.write(store.as_ref(), style, out)?;
        } else {
            // Standard output carries JSON alone.
            for warning in &prepared.warnings {
                let _nobody_listens = writeln!(io::stderr(), "warning: {warning}");
            }
        }
        let service = Service::new(service_settings(config, &prepared), verifier.clone(), store.clone(), clock);
        let operations = Operations { store: store.clone(), verifier, telemetry: telemetry.clone() };
        let is_ready = Arc::new(AtomicBool::new(true));
        let mut background = vec![
            tokio::spawn(probe(store.clone(), telemetry.clone(), is_ready.clone())),
            tokio::spawn(operations.clone().follow(reloads, configuration)),
        ];
        if config.database.check_at_start == CheckAtStart::Auto && !store.was_checked() {
            background.push(tokio::spawn(check_whole(store.clone(), telemetry.clone())));
        }
        if self.watch {
            let configuration = self.loaded.file.clone();
            let prepared = Arc::new(prepared);
            let watch = Watch { prepared, configuration, seen, store, telemetry: telemetry.clone() };
            background.push(tokio::spawn(watch.run()));
        }
        self.house.open(Rooms { service, operations, is_ready, background });
        Ok(())
    }
}

/// The service as the front door and the operator call it, once it is there.
#[derive(Clone, Default)]
struct House(Arc<OnceLock<Rooms>>);

/// What there is once the database is open.
struct Rooms {
    service: Service,
    operations: Operations,
    is_ready: Arc<AtomicBool>,
    background: Vec<JoinHandle<()>>,
}

impl House {
    fn open(&self, rooms: Rooms) {
        let _only_once = self.0.set(rooms);
    }

    async fn close(&self) {
        if let Some(rooms) = self.0.get() {
            rooms.background.iter().for_each(JoinHandle::abort);
            rooms.operations.store.close().await;
        }
    }
}

impl edge::Handler for House {
    async fn handle(&self, request: service::Request) -> service::Answer {
        match self.0.get() {
            Some(rooms) => rooms.service.answer(request).await,
            None => service::refuse(request, &not_yet()),
        }
    }
}

impl edge::Readiness for House {
    fn check(&self) -> Result<(), &'static str> {
        let rooms = self.0.get().ok_or(NOT_YET)?;
        if rooms.is_ready.load(Ordering::Relaxed) { Ok(()) } else { Err(NOT_READY) }
    }

    async fn reload(&self) -> Result<(), &'static str> {
        self.0.get().ok_or(NOT_YET)?.operations.reload().await
    }
}

/// As PostgREST answers before it has read the schema.
fn not_yet() -> Failure {
    let message = "Could not query the database for the schema cache. Retrying.";
    Failure::new(Kind::Unavailable, "PGRST002", message).with_retry_after(RETRY_AFTER)
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
    let mut loaded = catalog_loaded(&store.catalog(), Duration::ZERO);
    loaded.duration = clock.monotonic().saturating_duration_since(started);
    telemetry.report(&loaded);
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
            Err(
                error @ (StoreError::Engine(_)
                | StoreError::Unreachable(_)
                | StoreError::Unusable { .. }
                | StoreError::Closed),
            ) => Some(error.to_string()),
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

/// The signals that end it.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn listen() -> Result<Self, CommandError> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

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

fn service_settings(config: &Config, prepared: &Prepared) -> service::Settings {
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
        position_cookie: Some(config.database.position_cookie_seconds).filter(|seconds| *seconds > 0),
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
