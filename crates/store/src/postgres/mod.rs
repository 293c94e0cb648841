//! A PostgreSQL server. It types values, enforces grants and row security and runs functions by itself; here its catalog is
//! read, requests are sent to it in one flight each, and its binary rows become the body.

mod audit;
mod audit_functions;
mod bootstrap;
mod collect;
mod failure;
mod flight;
mod guarded;
mod introspect;
mod lease;
mod listen;
mod migration;
mod missed;
mod outcome;
mod output;
mod own;
mod own_triggers;
mod pool;
mod pooler;
mod reload;
mod replicas;
mod role;
mod run;
mod session;
mod sighting;
mod stream;
mod together;
mod watch;
mod wrong;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base::{Clock, Limit, QualifiedName};
use catalog::Catalog;
use parking_lot::Mutex;
use plan::Plan;
use sql::OwnStatement;
use wire::{Connection, SessionAttributes, Target};

use crate::audit::{AuditSettings, Unwatched, has_table};
use crate::changes::{Changes, Stamp};
use crate::driver::{
    AppliedMigration, BoxFuture, Gauges, Job, Migration, MigrationOutcome, Observer, Ran, Rendered, Store,
};
use crate::error::StoreError;
use crate::idempotency::Underway;
use crate::own::{OwnAnswer, OwnStep};
use crate::own_migration::OwnMigrations;
use crate::position::{PositionKey, PositionToken};
use crate::watching::WatchSettings;
use own::OwnAccess;
use pool::{Fence, Pool};
use reload::Reloading;
use replicas::Replicas;
use role::function_name;
use together::Together;
use watch::Watching;
use wrong::Wrong;

pub use bootstrap::{Authenticator, BootstrapOutcome, BootstrapSettings, BootstrapStep, OwnGrant, bootstrap};
pub use replicas::ReplicaSettings;
pub use role::role_settings;
pub use watch::SharedMoment;

/// How a PostgreSQL server is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is: a URI or a keyword/value string, as libpq takes them.
    pub url: String,
    /// The environment variables that libpq knows (`PGHOST`, `PGPASSWORD`, ...), as the process has them.
    pub environment: BTreeMap<String, String>,
    /// The most connections.
    pub connections: usize,
    /// How long a request waits for a connection.
    pub wait: Duration,
    /// How many statements a connection keeps prepared. 0 prepares none.
    pub prepared_statements: usize,
    /// How long one statement may run, where neither the role that logs in nor that of the request says it (nor the server).
    pub statement_timeout: Duration,
    /// How long a statement of these roles may run, in place of `statement_timeout`, unless the server says it of the role.
    pub role_timeouts: BTreeMap<String, Duration>,
    /// How long a streamed answer may take, whatever the client does.
    pub stream_timeout: Duration,
    /// The most bytes of an answer that are held in memory at once.
    pub max_buffered_bytes: usize,
    /// Schemas that are searched besides the one of the request (PostgREST's `db-extra-search-path`).
    pub extra_search_path: Vec<String>,
    /// Settings that every transaction gets (PostgREST's `app.settings.*`).
    pub application: Vec<(String, String)>,
    /// Relations whose writes are answered once the synchronous standbys have replayed them (`remote_apply`), as `schema.name`.
    pub remote_apply: Vec<QualifiedName>,
    /// Where reads may be answered besides.
    pub replicas: ReplicaSettings,
    /// What signs positions.
    pub position_key: PositionKey,
    /// The channel on which the server is told of changes of the schema; `None` listens for nothing.
    pub channel: Option<String>,
    /// How long a statement of a migration waits for a lock; zero is without end.
    pub migration_lock_timeout: Duration,
    /// How often a migration is tried that gets no lock.
    pub migration_lock_attempts: u32,
    /// A function without arguments that every transaction calls before its statement (PostgREST's `db-pre-request`).
    pub pre_request: Option<QualifiedName>,
    /// The settings of a function that count for the whole transaction of its call (PostgREST's
    /// `db-hoisted-tx-settings`).
    pub hoisted: Vec<String>,
    /// What is written down of changes; `None` writes down nothing, and leaves alone what is there.
    pub audit: Option<AuditSettings>,
    /// Of what it is to be known when it changes; `None` watches nothing.
    pub watch: Option<WatchSettings>,
}

pub(crate) struct PostgresStore {
    settings: Settings,
    /// The call of the function that looks at every request first.
    pre_request: Option<String>,
    pool: Arc<Pool>,
    /// The connections of the pool that short reads share.
    together: Together,
    /// For what goes on when a request is over.
    myself: OnceLock<Weak<Self>>,
    /// Whether a pooler stands between, which gives our sessions to others.
    is_pooled: bool,
    replicas: Option<Arc<Replicas>>,
    /// What is done wrong for a test.
    wrong: Option<Wrong>,
    catalog: ArcSwap<Catalog>,
    /// How long it took to read it.
    catalog_took: Mutex<Duration>,
    reloading: Reloading,
    /// Whether there are triggers that want to know who asks.
    is_audited: AtomicBool,
    /// What is known of changes, where they are watched.
    watching: Option<Watching>,
    underway: Underway,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// Checks what can be checked of an address without asking anybody: that libpq would understand it, and the environment.
///
/// # Errors
/// [`StoreError::Address`]: what cannot be understood. The text names no password.
pub fn check_address(url: &str, environment: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let read = Target::parse(url, &|name| environment.get(name).cloned());
    read.map(drop).map_err(|error| StoreError::Address(error.to_string()))
}

/// Connects and reads the catalog.
pub(crate) async fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    let read = |url: &str| {
        let target = Target::parse(url, &|name| settings.environment.get(name).cloned());
        target.map(with_keepalives).map_err(|error| StoreError::Address(error.to_string()))
    };
    let replicas = settings.replicas.urls.iter().map(|url| read(url)).collect::<Result<Vec<_>, _>>()?;
    let targets = primary_targets(read(&settings.url)?, &replicas);
    let prepared_statements = settings.prepared_statements;
    let message_bytes = longest_message(settings.max_buffered_bytes);
    let mut wire = wire::Settings { prepared_statements, message_bytes, ..wire::Settings::default() };
    let fence = Arc::new(Fence::default());
    // The first connection: whether there is a server at all shows here. It listens before the catalog is read.
    let alone = Pool::new(targets.clone(), fence.clone(), wire.clone(), 1, settings.wait, clock.clone());
    let mut first = alone.connect_apart().await?;
    let mut settings = settings;
    let is_pooled = pooler::is_between(&mut first).await?;
    if is_pooled && prepared_statements > 0 {
        pooler::check(&alone).await?;
    }
    if !bounds_statements(&mut first).await? {
        let bound = ("statement_timeout".to_owned(), settings.statement_timeout.as_millis().to_string());
        // A pooler refuses what it does not know of a session, or leaves it out: there every transaction says it.
        if is_pooled { settings.application.push(bound) } else { wire.parameters.push(bound) }
    }
    if !is_pooled {
        wire.parameters.extend(session::printing());
    }
    let new_pool =
        |targets| Pool::new(targets, fence.clone(), wire.clone(), settings.connections, settings.wait, clock.clone());
    let pool = new_pool(targets);
    let replicas = (!replicas.is_empty()).then(|| {
        let servers = replicas.into_iter().map(|target| (label(&target), new_pool(vec![target]))).collect();
        let key = settings.position_key.clone();
        Replicas::new(
            servers,
            pool.clone(),
            fence.clone(),
            settings.replicas.clone(),
            key,
            clock.clone(),
            observer.clone(),
        )
    });
    let wrong = Wrong::of(&settings.environment);
    let catalog = ArcSwap::from_pointee(Catalog::default());
    let reloading = Reloading::new();
    let pre_request = settings.pre_request.as_ref().map(|function| format!("SELECT {}()", function_name(function)));
    let catalog_took = Mutex::default();
    let watching = settings.watch.clone().map(Watching::new);
    let connections = settings.connections;
    let store = PostgresStore {
        settings,
        pre_request,
        together: Together::new(if is_pooled { 0 } else { connections }),
        myself: OnceLock::new(),
        pool,
        is_pooled,
        replicas,
        wrong,
        catalog,
        catalog_took,
        reloading,
        is_audited: AtomicBool::new(false),
        watching,
        underway: Underway::new(observer.clone()),
        clock,
        observer,
    };
    let listening = match &store.settings.channel {
        // A standby takes no LISTEN.
        Some(channel) => listen::begin(first, channel, store.clock.monotonic()).await.ok(),
        None => None,
    };
    if let Some(replicas) = &store.replicas {
        let primary = sighting::look(&mut alone.connect_apart().await?, store.clock.monotonic()).await;
        replicas.begin(primary.map_err(|error| failure::of_connection(&error))?)?;
        replicas::watch(replicas).await;
        replicas.check()?;
    }
    // Whatever is promoted while the catalog is read has it read again.
    let newest = fence.follow();
    store.load_catalog().await?;
    store.is_audited.store(has_table(&store.catalog()), Ordering::Relaxed);
    let store = Arc::new(store);
    // Nobody else has it yet.
    let _first = store.myself.set(Arc::downgrade(&store));
    tokio::spawn(listen::run(Arc::downgrade(&store), listening, fence.follow()));
    tokio::spawn(reload::run(Arc::downgrade(&store), store.reloading.wishes()));
    tokio::spawn(reload::follow(Arc::downgrade(&store), newest));
    if let Some(watching) = &store.watching {
        tokio::spawn(watch::run(Arc::downgrade(&store), watching.wishes()));
    }
    Ok(store)
}

/// What a message may be longer than `limits.max_buffered_bytes`: what is no row, as a description of columns or an error, has to
/// come through however few bytes of an answer may be held.
const BESIDE_ROWS: u64 = 1 << 20;

/// The longest message that a server may send: a row is held as it came before it is written into the answer.
fn longest_message(max_buffered_bytes: usize) -> Limit {
    let bytes = u64::try_from(max_buffered_bytes).unwrap_or(u64::MAX);
    Limit::new("the length of a message of PostgreSQL in bytes", bytes.saturating_add(BESIDE_ROWS))
}

/// Whether a statement has a bound already: of the role that logs in, of the database or of the server. A parameter of the
/// session would stand over those.
async fn bounds_statements(connection: &mut Connection) -> Result<bool, StoreError> {
    let rows = connection.query("SELECT current_setting('statement_timeout')", &[]).await;
    let rows = rows.map_err(|error| failure::of_connection(&error))?;
    Ok(rows.first().and_then(|row| row.get(0)).is_some_and(|bound| bound != "0"))
}

/// Where the primary may be: where it was said to be, and after a failover where a replica was.
fn primary_targets(primary: Target, replicas: &[Target]) -> Vec<Target> {
    if replicas.is_empty() {
        return vec![primary];
    }
    let mut targets = vec![primary];
    targets.extend(replicas.iter().cloned());
    for target in &mut targets {
        target.session = SessionAttributes::ReadWrite;
    }
    targets
}

/// A machine that is gone without a word is noticed within this time on connections that wait for it, where the URL says
/// nothing else; by the system's own times that takes hours.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// The quiet time before TCP asks whether the other machine is there, the time between two questions, and how many.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// TCP's keepalives, where the URL leaves them to the system.
fn with_keepalives(mut target: Target) -> Target {
    let (idle, interval, count) = KEEPALIVE;
    target.keepalives.idle.get_or_insert(idle);
    target.keepalives.interval.get_or_insert(interval);
    target.keepalives.count.get_or_insert(count);
    // Other systems do not have it.
    if cfg!(target_os = "linux") {
        target.keepalives.user_timeout.get_or_insert(UNACKNOWLEDGED);
    }
    target
}

/// What a server is called in the metrics: where it is.
fn label(target: &Target) -> Arc<str> {
    let hosts: Vec<String> = target.hosts.iter().map(wire::Host::label).collect();
    hosts.join(",").into()
}

impl PostgresStore {
    /// The schemas that names without one are looked for in, quoted.
    fn search_path(&self, schema: &str) -> String {
        let mut path = String::new();
        let extra = self.settings.extra_search_path.iter().map(String::as_str);
        for name in std::iter::once(schema).chain(extra.filter(|name| *name != schema)) {
            path.push_str(if path.is_empty() { "\"" } else { ", \"" });
            path.push_str(&name.replace('"', "\"\""));
            path.push('"');
        }
        path
    }
}

impl PostgresStore {
    /// What is written down of changes, once there are triggers for it.
    fn auditing(&self) -> Option<&AuditSettings> {
        self.settings.audit.as_ref().filter(|_| self.is_audited.load(Ordering::Relaxed))
    }
}

impl Store for PostgresStore {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    fn catalog_took(&self) -> Duration {
        *self.catalog_took.lock()
    }

    fn render(&self, plan: &Plan) -> Result<Arc<Rendered>, StoreError> {
        let rendered = sql::postgres::render(plan).ok_or_else(StoreError::other_engine)?;
        Ok(Arc::new(Rendered::Postgres(Box::new(rendered))))
    }

    fn run(&self, job: Job) -> BoxFuture<'_, Result<Ran, StoreError>> {
        Box::pin(async move {
            match &*job.rendered {
                Rendered::Postgres(rendered) => {
                    let _turn = self.underway.enter(&job)?;
                    self.run_job(&job, rendered).await
                }
                Rendered::Sqlite(_) => Err(StoreError::other_engine()),
            }
        })
    }

    fn transact(&self, mut steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>> {
        Box::pin(async move {
            crate::own::checked(&mut steps)?;
            self.run_own(&steps, OwnAccess::Write).await
        })
    }

    fn consult(&self, mut steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>> {
        Box::pin(async move {
            crate::own::checked(&mut steps)?;
            self.run_own(&steps, OwnAccess::Read).await
        })
    }

    fn try_own(&self, statements: &'static [OwnStatement]) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.prepare_own(statements))
    }

    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>> {
        Box::pin(async {
            let mut lease = self.pool.take(self.pool.wait()).await?;
            migration::applied(lease.connection()?).await
        })
    }

    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>> {
        Box::pin(async move {
            // A connection of its own: a migration may set what it likes.
            let (mut connection, _registration) = self.pool.connect_to_work().await?;
            let (clock, observer) = (self.clock.as_ref(), self.observer.as_ref());
            let outcome = migration::apply(&mut connection, &migration, &self.settings, clock, observer).await?;
            self.load_catalog().await?;
            Ok(outcome)
        })
    }

    fn apply_own(
        &self,
        migrations: &'static OwnMigrations,
        place: usize,
    ) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>> {
        Box::pin(async move {
            let (mut connection, _registration) = self.pool.connect_to_work().await?;
            let (clock, observer) = (self.clock.as_ref(), self.observer.as_ref());
            let work = migration::apply_own(&mut connection, migrations, place, &self.settings, clock, observer);
            let outcome = work.await?;
            self.load_catalog().await?;
            Ok(outcome)
        })
    }

    fn is_audited(&self) -> bool {
        self.auditing().is_some()
    }

    fn audit(&self) -> BoxFuture<'_, Result<Vec<Unwatched>, StoreError>> {
        Box::pin(async {
            let Some(settings) = &self.settings.audit else { return Ok(Vec::new()) };
            let (mut connection, _registration) = self.pool.connect_to_work().await?;
            let Some(left_out) = audit::reconcile(&mut connection, settings).await? else { return Ok(Vec::new()) };
            self.is_audited.store(true, Ordering::Relaxed);
            Ok(left_out)
        })
    }

    fn watch(&self) -> BoxFuture<'_, Result<Vec<Unwatched>, StoreError>> {
        Box::pin(self.watch_tables())
    }

    fn changes(&self) -> Option<&Changes> {
        self.watching.as_ref().map(|watching| &watching.changes)
    }

    fn catch_up(&self) -> BoxFuture<'_, Result<Option<PositionToken>, StoreError>> {
        Box::pin(self.look_for_changes())
    }

    fn runs_before_each(&self) -> bool {
        self.pre_request.is_some()
    }

    fn counted(&self) -> Option<PositionToken> {
        self.counted_position()
    }

    fn counted_with_moment(&self) -> Option<(PositionToken, SharedMoment)> {
        self.counted_place_and_moment()
    }

    fn sees_what_counts(&self, moment: &SharedMoment, stamp: &Stamp) -> bool {
        self.are_changes_seen(moment, stamp)
    }

    fn looked(&self) -> Option<Instant> {
        self.last_look()
    }

    fn knows(&self, position: &PositionToken) -> bool {
        self.knows_position(position)
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.reloading.reload())
    }

    fn gauges(&self) -> Gauges {
        let (connections_used, connections_idle, reads_waiting) = self.pool.counts();
        let replicas = self.replicas.as_ref().map(|replicas| replicas.gauges());
        let shared = self.together.gauges();
        Gauges { connections_used, connections_idle, reads_waiting, writes_queued: 0, replicas, shared }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            let mut lease = self.pool.take(self.pool.wait()).await?;
            let asked = lease.connection()?.query("SELECT 1", &[]).await;
            asked.map(drop).map_err(|error| failure::of_connection(&error))
        })
    }

    fn was_checked(&self) -> bool {
        true
    }

    fn check_whole(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(replicas) = &self.replicas {
                replicas.close().await;
            }
            self.pool.close().await;
        })
    }
}
