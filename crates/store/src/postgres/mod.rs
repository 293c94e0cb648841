//! A PostgreSQL server. It types values, enforces grants and row security and runs functions by itself; here its catalog is
//! read, requests are sent to it in one flight each, and its binary rows become the body.

mod failure;
mod introspect;
mod listen;
mod migration;
mod output;
mod pool;
mod role;
mod run;
mod session;
mod stream;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::{Clock, QualifiedName};
use catalog::Catalog;
use plan::Plan;
use wire::{Connection, Target};

use crate::driver::{AppliedMigration, BoxFuture, Gauges, Job, Migration, Observer, Ran, Rendered, Store};
use crate::error::StoreError;
use pool::Pool;
use role::function_name;

pub use role::role_settings;

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
    /// How long a streamed answer may take, whatever the client does.
    pub stream_timeout: Duration,
    /// The most bytes of an answer that are held in memory at once.
    pub max_buffered_bytes: usize,
    /// Schemas that are searched besides the one of the request (PostgREST's `db-extra-search-path`).
    pub extra_search_path: Vec<String>,
    /// Settings that every transaction gets (PostgREST's `app.settings.*`).
    pub application: Vec<(String, String)>,
    /// A function without arguments that every transaction calls before its statement (PostgREST's `db-pre-request`).
    pub pre_request: Option<QualifiedName>,
    /// The settings of a function that count for the whole transaction of its call (PostgREST's
    /// `db-hoisted-tx-settings`).
    pub hoisted: Vec<String>,
}

pub(crate) struct PostgresStore {
    settings: Settings,
    /// The call of the function that looks at every request first.
    pre_request: Option<String>,
    pool: Arc<Pool>,
    catalog: ArcSwap<Catalog>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// Connects and reads the catalog.
pub(crate) async fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    let target = Target::parse(&settings.url, &|name| settings.environment.get(name).cloned())
        .map_err(|error| StoreError::Unreachable(error.to_string()))?;
    let prepared_statements = settings.prepared_statements;
    let mut wire = wire::Settings { prepared_statements, ..wire::Settings::default() };
    // The first connection: whether there is a server at all shows here. It listens before the catalog is read.
    let mut first =
        Connection::open(&target, &wire).await.map_err(|error| StoreError::Unreachable(error.to_string()))?;
    if !bounds_statements(&mut first).await? {
        wire.parameters.push(("statement_timeout".to_owned(), settings.statement_timeout.as_millis().to_string()));
    }
    let pool = Pool::new(target, wire, settings.connections, settings.wait, clock.clone());
    let pre_request = settings.pre_request.as_ref().map(|function| format!("SELECT {}()", function_name(function)));
    let catalog = ArcSwap::from_pointee(Catalog::default());
    let store = PostgresStore { settings, pre_request, pool, catalog, clock, observer };
    // A standby takes no LISTEN.
    let listening = listen::begin(&mut first).await.is_ok().then_some(first);
    store.reload().await?;
    let store = Arc::new(store);
    tokio::spawn(listen::run(Arc::downgrade(&store), listening));
    Ok(store)
}

/// Whether a statement has a bound already: of the role that logs in, of the database or of the server. A parameter of the
/// session would stand over those.
async fn bounds_statements(connection: &mut Connection) -> Result<bool, StoreError> {
    let rows = connection.query("SELECT current_setting('statement_timeout')", &[]).await;
    let rows = rows.map_err(|error| failure::of_connection(&error))?;
    Ok(rows.first().and_then(|row| row.get(0)).is_some_and(|bound| bound != "0"))
}

impl PostgresStore {
    /// Reads the catalog anew and puts it in its place.
    async fn reload(&self) -> Result<(), StoreError> {
        let mut lease = self.pool.take(false).await?;
        let read = introspect::snapshot(lease.connection()?).await;
        let snapshot = read.map_err(|error| failure::of_connection(&error))?;
        self.catalog.store(Arc::new(Catalog::new(snapshot)));
        Ok(())
    }

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

    /// `SELECT set_config($1, $2, true), ...` for so many settings.
    #[allow(clippy::unused_self, reason = "to be kept ready here")]
    fn setup_text(&self, count: usize) -> String {
        let mut text = String::from("SELECT ");
        for place in 0..count {
            let comma = if place > 0 { ", " } else { "" };
            let _infallible = write!(text, "{comma}set_config(${}, ${}, true)", 2 * place + 1, 2 * place + 2);
        }
        text
    }
}

impl Store for PostgresStore {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    fn render(&self, plan: &Plan) -> Result<Arc<Rendered>, StoreError> {
        let rendered = sql::postgres::render(plan).ok_or_else(StoreError::other_engine)?;
        Ok(Arc::new(Rendered::Postgres(rendered)))
    }

    fn run(&self, job: Job) -> BoxFuture<'_, Result<Ran, StoreError>> {
        Box::pin(async move {
            match &*job.rendered {
                Rendered::Postgres(rendered) => self.run_job(&job, rendered).await,
                Rendered::Sqlite(_) => Err(StoreError::other_engine()),
            }
        })
    }

    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>> {
        Box::pin(async {
            let mut lease = self.pool.take(false).await?;
            migration::applied(lease.connection()?).await
        })
    }

    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // A connection of its own: a migration may set what it likes.
            let mut connection = self.pool.connect_apart().await?;
            migration::apply(&mut connection, &migration, self.clock.as_ref()).await?;
            self.reload().await
        })
    }

    fn gauges(&self) -> Gauges {
        let (connections_used, connections_idle, reads_waiting) = self.pool.counts();
        Gauges { connections_used, connections_idle, reads_waiting, writes_queued: 0 }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            let mut lease = self.pool.take(false).await?;
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
        Box::pin(self.pool.close())
    }
}
