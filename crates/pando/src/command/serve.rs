//! `pando serve`: puts the house together, opens the door, and closes it again.

mod answers;
mod api_keys;
pub mod audit;
mod background;
mod caches;
mod doubts;
mod ends;
mod fetching;
mod guards;
mod house;
mod retention;
mod settings;
pub mod sign_in;
mod summary;
mod sweeping;

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base::{Clock, SystemClock};
use edge::{Addresses, Edge, PolicyHandle};
use identity::{KeyListener, Verifier};
use limits::Gate;
use service::Service;
use store::Store;
use telemetry::{Advice, ReadinessChanged, Started, Stopped, Telemetry};
use tokio::signal::unix::SignalKind;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::audit::AuditWork;
use super::opening::{Opening, Patience};
use super::operations::{Certificates, Operations, Reloads, Rereading, StaticFiles, listen};
use super::watch::{self, Watch};
use crate::configuration::{self, CheckAtStart, ConfigError, Loaded, Prepared, Sources};
use crate::database;
use crate::observer::{DatabaseObserver, catalog_loaded, gauges, kept, report_keys};
use crate::outcome::CommandError;
use crate::terminal::Style;
use api_keys::ApiKeyWork;
use background::{check_whole, probe};
use doubts::doubts;
use ends::Ends;
pub use house::House;
use house::Rooms;
use settings::{delivery, edge_config, is_text, origins, pool_bounds, service_settings, start_telemetry};
use sign_in::SignIn;
use summary::Summary;

/// How long the last log lines and spans may take to get out.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The doors are opened when a start takes longer than this, whatever it waits for: who only wants to know whether the process
/// lives gets an answer, and all the others are told to come again. Nobody is turned away for a moment's sake.
const QUICK_START: Duration = Duration::from_secs(1);

/// Applies migrations and serves until a signal ends it.
pub fn run(sources: &Sources, watch: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    let entered = runtime.enter();
    // From the first moment: one that nobody listens for would end the process.
    let signals = Signals { ends: Ends::listen()?, reloads: Reloads::listen()? };
    drop(entered);
    // PostgREST's is in the database as well. What is said outside of it has to be right by itself, and is enough to open
    // the doors with.
    let loaded = configuration::load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    let telemetry = Arc::new(start_telemetry(&loaded.config, style)?);
    let start = Start { sources, loaded, prepared, watch, telemetry: telemetry.clone(), style };
    let outcome = runtime.block_on(serve(start, signals, out));
    // What still runs had its time; blocking tasks are not waited for longer than this.
    runtime.shutdown_timeout(Duration::from_secs(1));
    telemetry.shutdown(LAST_WORDS);
    outcome
}

/// Who sends signals, and what for.
struct Signals {
    ends: Ends,
    reloads: Reloads,
}

/// What a start knows from its first moment.
struct Start<'a> {
    sources: &'a Sources,
    /// Without what the database says.
    loaded: Loaded,
    prepared: Prepared,
    watch: bool,
    telemetry: Arc<Telemetry>,
    style: Style,
}

async fn serve(start: Start<'_>, signals: Signals, out: &mut dyn Write) -> Result<(), CommandError> {
    let telemetry = start.telemetry.clone();
    telemetry.report(&Started { version: env!("CARGO_PKG_VERSION"), engine: start.prepared.database.engine() });

    // The sockets first: a port in use must not be found out after migrations have run.
    let edge = Edge::bind(edge_config(&start.loaded.config, &start.prepared)).await?;
    let gate = guards::gate(&start.prepared, &telemetry);
    let edge = match &gate {
        Some(gate) => edge.with_gate(gate.clone()),
        None => edge,
    };
    let house = House::default();
    let certificates = edge.certificates().map(|handle| Arc::new(Certificates::new(handle, telemetry.clone())));
    let keeper = fetching::keeper(&start.prepared, edge.certificates(), certificates.as_ref(), &telemetry)?;
    let (addresses, policy) = (edge.addresses(), edge.policy());
    let on_hangup = listen(SignalKind::hangup())?;
    let (edge, files) = furnish(edge, &start.prepared, &telemetry).await?;
    let files_on_hangup = listen(SignalKind::hangup())?;
    let followed = files.clone().map(|files| tokio::spawn(files.follow(files_on_hangup)));
    let certificates_of_start = certificates.clone();
    let starting =
        Starting { start, addresses, policy, certificates: certificates_of_start, files, gate, house: &house };
    let waits = Notify::new();
    let (drain, mut stop) = signals.ends.watch();
    let mut opening = pin!(starting.open(signals.reloads, &waits, out));
    let is_open = tokio::select! {
        outcome = &mut opening => {
            outcome?;
            true
        }
        () = waits.notified() => false,
        () = tokio::time::sleep(QUICK_START) => false,
    };
    if !is_open {
        telemetry.report(&ReadinessChanged { reason: Some(house.reason()) });
    }
    // Not later: a database that is waited for is no reason to let certificates end, and the authority looks here. And not
    // before somebody answers it.
    let _kept = Kept::of([
        followed,
        certificates.map(|it| tokio::spawn(it.follow(on_hangup))),
        keeper.map(|it| tokio::spawn(it.run())),
    ]);
    let served = edge.run(house.clone(), house.clone(), telemetry.clone(), async { drop(drain.await) });
    let refused = async {
        match if is_open { Ok(()) } else { opening.await } {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    let drained = tokio::select! {
        drained = served => Some(drained),
        _second_signal = &mut stop => None,
        error = refused => return Err(error),
    };
    let Some(drained) = drained else {
        // Long enough for the database to hear that what runs is cancelled.
        let _too_late = tokio::time::timeout(LAST_WORDS, house.close()).await;
        return Err(CommandError::Failed("stopped by a second signal, before all requests were finished".to_owned()));
    };
    tokio::select! {
        () = house.close() => {}
        _second_signal = &mut stop => {}
    }
    telemetry.report(&Stopped { in_flight: drained.in_flight, duration: drained.duration });
    Ok(())
}

/// The door with the folder of static files beside it, where there is one.
async fn furnish(
    edge: Edge,
    prepared: &Prepared,
    telemetry: &Arc<Telemetry>,
) -> Result<(Edge, Option<Arc<StaticFiles>>), CommandError> {
    let Some(settings) = prepared.files.clone() else { return Ok((edge, None)) };
    let opened = StaticFiles::open(settings, telemetry.clone()).await;
    let files = Arc::new(opened.map_err(|error| ConfigError::one("[files]", error.to_string()))?);
    Ok((edge.with_files(files.site()), Some(files)))
}

/// What goes on until this is dropped.
struct Kept(Vec<JoinHandle<()>>);

impl Kept {
    fn of(tasks: impl IntoIterator<Item = Option<JoinHandle<()>>>) -> Self {
        Self(tasks.into_iter().flatten().collect())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A start, with the doors that it will open.
struct Starting<'a> {
    start: Start<'a>,
    addresses: Addresses,
    policy: PolicyHandle,
    certificates: Option<Arc<Certificates>>,
    files: Option<Arc<StaticFiles>>,
    gate: Option<Arc<Gate>>,
    house: &'a House,
}

impl Starting<'_> {
    /// Opens the database and then the house.
    async fn open(self, reloads: Reloads, waits: &Notify, out: &mut dyn Write) -> Result<(), CommandError> {
        let Start { sources, watch, telemetry, style, .. } = &self.start;
        let mut patience = Patience::new(telemetry, self.house, waits);
        let (loaded, mut prepared) = self.settle(&mut patience).await?;
        let config = &loaded.config;
        self.policy.set(&origins(config), config.server.server_timing, delivery(config))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let verifier = self.verifier(&prepared, clock.clone())?;
        let observer = Arc::new(DatabaseObserver::new(telemetry.clone(), config.log.slow_query_ms));
        let configuration = observer.configuration();
        let seen = watch::look(&prepared.migrations);
        let opening = Opening { config, prepared: &prepared, watch: *watch, telemetry, observer, house: self.house };
        let (store, applied) = opening.run(&mut patience).await?;
        tell_schema(telemetry, store.as_ref());
        telemetry.metrics().set_engine(prepared.database.engine());
        let (pool_name, most) = pool_bounds(config, &prepared);
        telemetry.metrics().add_source(gauges(store.clone(), pool_name, most));

        prepared.warnings.extend(doubts(config, &prepared, store.as_ref()));
        if is_text(config) {
            let (loaded, prepared, applied) = (&loaded, &prepared, &applied[..]);
            let summary = Summary { loaded, prepared, applied, addresses: self.addresses, watches: *watch };
            summary.write(store.as_ref(), *style, out)?;
        } else {
            // Standard output carries JSON alone.
            for warning in &prepared.warnings {
                let _nobody_listens = writeln!(io::stderr(), "warning: {warning}");
            }
        }
        let audit = AuditWork::open(&loaded, &prepared, store.clone(), telemetry).await?;
        let keys = ApiKeyWork::open(config.auth.api_keys, &verifier, &prepared, store.clone(), telemetry).await?;
        let recall = answers::recall(&prepared, &store, &clock, telemetry)?;
        let service = Service::new(service_settings(config, &prepared), verifier.clone(), store.clone(), clock.clone());
        let (service, purging) = caches::with_caches(service, &prepared, &store, &clock, telemetry)?;
        let service = match recall {
            Some(recall) => {
                telemetry.metrics().add_source(kept(recall.clone()));
                service.with_recall(recall)
            }
            None => service,
        };
        let counters = guards::Counters::default();
        let service = service.with_limits(guards::rates(&prepared, &counters, telemetry)?);
        let is_ready = Arc::new(AtomicBool::new(true));
        let mut background = vec![tokio::spawn(probe(store.clone(), telemetry.clone(), is_ready.clone()))];
        if let Some(gate) = self.gate {
            background.push(tokio::spawn(gate.watch(guards::waiting(store.clone()))));
        }
        background.extend(purging);
        background.extend(audit.map(|audit| tokio::spawn(audit.run())));
        if let Some(keeping) = &prepared.idempotency.settings {
            background.push(sweeping::begin(store.clone(), keeping.shelf.clone(), telemetry.clone()).await);
        }
        let api_keys = keys.as_ref().map(ApiKeyWork::keeper);
        background.extend(keys.map(|keys| tokio::spawn(keys.run())));
        if config.database.check_at_start == CheckAtStart::Auto && !store.was_checked() {
            background.push(tokio::spawn(check_whole(store.clone(), telemetry.clone())));
        }
        let signs_in = SignIn {
            loaded: &loaded,
            prepared: &prepared,
            address: self.addresses.api,
            verifier: verifier.clone(),
            api_keys: api_keys.clone(),
            store: store.clone(),
            counters,
            telemetry: telemetry.clone(),
        };
        let login = signs_in.open().await?;
        background.extend(login.clone().map(|login| tokio::spawn(login.follow())));
        let file = loaded.file.clone();
        let certificates = self.certificates.clone();
        let rereading =
            Rereading::new((*sources).clone(), loaded, &prepared, verifier, login.clone(), telemetry.clone());
        let operations = Operations {
            store: store.clone(),
            rereading: Arc::new(rereading),
            certificates,
            files: self.files.clone(),
        };
        background.push(tokio::spawn(operations.clone().follow(reloads, configuration)));
        if *watch {
            let prepared = Arc::new(prepared);
            let watch = Watch { prepared, configuration: file, seen, store, telemetry: telemetry.clone() };
            background.push(tokio::spawn(watch.run()));
        }
        self.house.open(Rooms { service, login, operations, is_ready, api_keys, background });
        Ok(())
    }

    /// The configuration with what the database itself has to say (`db-config`), which is waited for.
    async fn settle(&self, patience: &mut Patience<'_>) -> Result<(Loaded, Prepared), CommandError> {
        let listener = {
            let telemetry = self.start.telemetry.clone();
            KeyListener::new(move |event| report_keys(&telemetry, event))
        };
        loop {
            match database::configuration(self.start.sources).await {
                Err(error) => patience.wait_or_refuse(error).await?,
                Ok(loaded) => {
                    let prepared = Prepared::new(&loaded, Some(listener))?;
                    return Ok((loaded, prepared));
                }
            }
        }
    }

    fn verifier(&self, prepared: &Prepared, clock: Arc<dyn Clock>) -> Result<Arc<Verifier>, CommandError> {
        let verifier = Verifier::open(prepared.identity.clone(), clock)
            .map_err(|error| ConfigError::one("[auth]", error.to_string()))?;
        if !verifier.has_keys() {
            self.start.telemetry.report(&Advice {
                setting: "auth.jwt_secret",
                sentence: "No key is configured, so requests with a token are answered 500 (PGRST300)",
            });
        }
        Ok(Arc::new(verifier))
    }
}

fn tell_schema(telemetry: &Telemetry, store: &dyn Store) {
    if store.catalog().snapshot().relations.is_empty() {
        telemetry.report(&Advice {
            setting: "database.migrations",
            sentence: "The database has no tables; put a migration into the folder, or make a project with `pando init`",
        });
    }
    tell_catalog(telemetry, store);
}

/// Tells of a catalog that counts from now on.
pub fn tell_catalog(telemetry: &Telemetry, store: &dyn Store) {
    telemetry.report(&catalog_loaded(&store.catalog(), store.catalog_took()));
}
