//! The engines that the cases run on, each with the schema of the cases.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use store::{
    Config, Migration, MigrationScript, Observer, Operation, PositionKey, PostgresSettings, ReplicaSettings,
    SqliteSettings, Store,
};
use tempfile::TempDir;
use testkit::{Pooler, Postgres, is_skipped};

struct Silent;

impl Observer for Silent {
    fn operation(&self, _: &Operation<'_>) {}
    fn batch(&self, _: u64, _: Duration) {}
}

/// The most bytes of an answer in these cases.
const MOST_BYTES: usize = 256 * 1024;

/// An engine with its store. It is gone when this goes.
pub struct Engine {
    /// The store.
    pub store: Arc<dyn Store>,
    _folder: Option<TempDir>,
    _pooler: Option<Pooler>,
    _server: Option<Postgres>,
}

#[allow(dead_code, reason = "each test binary uses a part of it")]
impl Engine {
    /// The embedded one.
    pub async fn embedded(schema: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = Self::in_file(&folder.path().join("test.sqlite"), schema).await;
        Self { _folder: Some(folder), ..engine }
    }

    /// The embedded one, in this file.
    pub async fn in_file(path: &Path, schema: &str) -> Self {
        let settings = SqliteSettings { max_buffered_bytes: MOST_BYTES, ..SqliteSettings::new(path) };
        let engine = Self { store: open(Config::Sqlite(settings)).await, _folder: None, _pooler: None, _server: None };
        engine.migrate(1, schema).await;
        engine
    }

    /// A server; `None` where PostgreSQL is not installed.
    pub async fn server(test: &str, schema: &str) -> Option<Self> {
        let server = Postgres::start_for(test)?;
        let engine = Self::on_server(&server.url("postgres"), schema).await;
        Some(Self { _server: Some(server), ..engine })
    }

    /// A server behind a pooler; `None` where PostgreSQL or PgBouncer is not installed.
    pub async fn pooled(test: &str, schema: &str) -> Option<Self> {
        let server = Postgres::start_for(test)?;
        let pooler = Pooler::start(&server, &["postgres"], &["default_pool_size = 3"]);
        if is_skipped(test, pooler.is_none(), "PgBouncer", "install it: apt-get install pgbouncer") {
            return None;
        }
        let pooler = pooler.expect("was started");
        // Older poolers know of no prepared statements.
        let settings = PostgresSettings { prepared_statements: 0, ..settings(&pooler.url("postgres")) };
        let engine = Self::with(settings, schema).await;
        Some(Self { _pooler: Some(pooler), _server: Some(server), ..engine })
    }

    /// A server that somebody else stops.
    pub async fn on_server(url: &str, schema: &str) -> Self {
        Self::with(settings(url), schema).await
    }

    async fn with(settings: PostgresSettings, schema: &str) -> Self {
        let settings = PostgresSettings { max_buffered_bytes: MOST_BYTES, ..settings };
        let store = open(Config::Postgres(settings)).await;
        let engine = Self { store, _folder: None, _pooler: None, _server: None };
        engine.migrate(1, schema).await;
        engine
    }

    /// Applies a migration.
    pub async fn migrate(&self, version: i64, text: &str) {
        let catalog = self.store.catalog();
        let script = if catalog.is_native() {
            MigrationScript::Native(text.to_owned())
        } else {
            let script = sql::ddl::translate("test.sql", text, catalog.snapshot()).expect("translates");
            MigrationScript::Translated(Box::new(script))
        };
        let name = format!("{version:04}_test.sql");
        let migration = Migration { version, name, checksum: version.to_string(), script, owes: None };
        self.store.apply_migration(migration).await.expect("applies");
    }
}

/// Opens an engine.
pub async fn open(config: Config) -> Arc<dyn Store> {
    store::open(config, Arc::new(SystemClock), Arc::new(Silent)).await.expect("opens")
}

/// How a server is used in these tests.
pub fn settings(url: &str) -> PostgresSettings {
    PostgresSettings {
        role_timeouts: BTreeMap::new(),
        replicas: ReplicaSettings::default(),
        remote_apply: Vec::new(),
        position_key: PositionKey::new(&base::Secret::new("")),
        url: url.to_owned(),
        environment: BTreeMap::new(),
        connections: 8,
        prepared_statements: 64,
        stream_timeout: Duration::from_secs(60),
        wait: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(60),
        max_buffered_bytes: 1 << 20,
        extra_search_path: Vec::new(),
        application: Vec::new(),
        channel: None,
        migration_lock_timeout: Duration::from_secs(3),
        migration_lock_attempts: 1,
        pre_request: None,
        hoisted: Vec::new(),
        audit: None,
        watch: None,
    }
}

/// A case, as a test on each engine.
#[allow(unused_macros, reason = "each test binary uses a part of it")]
macro_rules! on_both {
    ($name:ident, |$engine:ident| $case:block) => {
        mod $name {
            use super::*;

            async fn case($engine: &Engine) $case

            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                let engine = Engine::embedded(SCHEMA).await;
                case(&engine).await;
                engine.store.close().await;
            }

            /// Three sessions for all connections, each given to another one with every transaction.
            #[tokio::test(flavor = "multi_thread")]
            async fn pooled() {
                let name = concat!(stringify!($name), "::pooled");
                let Some(engine) = Engine::pooled(name, SCHEMA).await else { return };
                case(&engine).await;
                engine.store.close().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn server() {
                let name = concat!(stringify!($name), "::server");
                let Some(engine) = Engine::server(name, SCHEMA).await else { return };
                case(&engine).await;
                engine.store.close().await;
            }
        }
    };
}

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub(crate) use on_both;
