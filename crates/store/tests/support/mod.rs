//! A store in a folder of its own, and requests in the dialect against it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Claims, Clock, Failure, SystemClock};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use rest::{ApiRequest, Incoming};
use store::{Body, Config, Job, Migration, Observer, Operation, Ran, SqliteSettings, Store, StoreError};
use tempfile::TempDir;

/// Two users of the corpus.
pub const ALICE: &str = "11111111-1111-4111-8111-111111111111";
/// The other one.
pub const BOB: &str = "22222222-2222-4222-8222-222222222222";

/// A store with its folder.
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    folder: TempDir,
}

/// What came back.
pub struct Answer {
    /// What running gave, without the body.
    pub ran: Ran,
    /// The body.
    pub body: String,
}

struct Silent;

impl Observer for Silent {
    fn operation(&self, _: &Operation<'_>) {}
    fn replica(&self, _: &str, _: Option<&'static str>) {}

    fn batch(&self, _: u64, _: Duration) {}
}

/// How long a request waits for its turn in these tests: short, since some of them wait for the end of it.
pub const WAIT: Duration = Duration::from_millis(300);

/// Opens a file.
pub async fn open(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let settings = SqliteSettings { wait: WAIT, tells_changes: true, ..SqliteSettings::new(path) };
    store::open(Config::Sqlite(settings), Arc::new(SystemClock), Arc::new(Silent)).await
}

/// Opens a file with another bound on statements.
pub async fn open_with(path: &Path, statement_timeout: Duration) -> Result<Arc<dyn Store>, StoreError> {
    let settings = SqliteSettings { statement_timeout, wait: Duration::from_secs(60), ..SqliteSettings::new(path) };
    store::open(Config::Sqlite(settings), Arc::new(SystemClock), Arc::new(Silent)).await
}

/// Opens a file whose long answers have to be over soon.
pub async fn open_hurried(path: &Path, stream_timeout: Duration) -> Arc<dyn Store> {
    let settings = SqliteSettings { stream_timeout, ..SqliteSettings::new(path) };
    store::open(Config::Sqlite(settings), Arc::new(SystemClock), Arc::new(Silent)).await.expect("opens")
}

/// Opens a file with a single place for long reads, which one may hold for two seconds.
pub async fn open_narrow(path: &Path) -> Arc<dyn Store> {
    let statement_timeout = Duration::from_secs(2);
    let settings = SqliteSettings { statement_timeout, slow_readers: 1, ..SqliteSettings::new(path) };
    store::open(Config::Sqlite(settings), Arc::new(SystemClock), Arc::new(Silent)).await.expect("opens")
}

/// A migration of one script.
pub fn migration(version: i64, text: &str, store: &dyn Store) -> Migration {
    let script = sql::ddl::translate("test.sql", text, store.catalog().snapshot()).expect("translates");
    Migration {
        version,
        name: format!("{version:04}_test.sql"),
        checksum: version.to_string(),
        script: store::MigrationScript::Translated(Box::new(script)),
        owes: None,
    }
}

impl Fixture {
    /// A new store with a schema.
    pub async fn with(schema: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&folder.path().join("test.sqlite")).await.expect("opens");
        let migration = migration(1, schema, &*store);
        store.apply_migration(migration).await.expect("applies");
        Self { store, folder }
    }

    /// A new store with the corpus's schema and rows.
    pub async fn corpus() -> Self {
        let read = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/corpus/");
            std::fs::read_to_string(format!("{folder}{name}")).expect(name)
        };
        let fixture = Self::with(&read("schema.sql")).await;
        let rows = migration(2, &read("data.sql"), &*fixture.store);
        fixture.store.apply_migration(rows).await.expect("applies");
        fixture
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("test.sqlite")
    }

    /// Asks and keeps what is written.
    pub async fn ask(
        &self,
        caller: &Caller,
        method: &str,
        url: &str,
        body: &str,
        prefer: &str,
    ) -> Result<Answer, Failure> {
        self.run(caller, method, url, body, prefer, true).await
    }

    /// Asks.
    pub async fn run(
        &self,
        caller: &Caller,
        method: &str,
        url: &str,
        body: &str,
        prefer: &str,
        commits: bool,
    ) -> Result<Answer, Failure> {
        let request = request(method, url, body, prefer)?;
        let ran = self.store.run(job(&*self.store, caller, &request, commits)?).await?;
        collect(ran).await
    }
}

/// A request made ready to run.
pub fn job(store: &dyn Store, caller: &Caller, request: &ApiRequest, commits: bool) -> Result<Job, Failure> {
    let catalog = store.catalog();
    let now = SystemClock.now();
    let settings = plan::Settings { max_rows: None, aggregates: true, ..plan::Settings::default() };
    let context = plan::Context { catalog: &catalog, caller, now, settings: &settings };
    let plan = Arc::new(plan::plan(request, context)?);
    plan::admit(&plan.footprint, &catalog, caller)?;
    Ok(Job {
        rendered: store.render(&plan)?,
        plan,
        catalog,
        caller: caller.clone(),
        now,
        commits,
        request: Arc::default(),
        position: None,
        trace_id: None,
        idempotency: None,
        precondition: None,
    })
}

/// Reads a body to its end.
pub async fn collect(mut ran: Ran) -> Result<Answer, Failure> {
    let mut body = Vec::new();
    match &mut ran.body {
        Body::Full(bytes) => body.extend_from_slice(bytes),
        Body::Stream(pieces) => {
            while let Some(piece) = pieces.recv().await {
                body.extend_from_slice(&piece?);
            }
        }
    }
    Ok(Answer { ran, body: String::from_utf8(body).expect("UTF-8") })
}

/// A parsed request.
pub fn request(method: &str, url: &str, body: &str, prefer: &str) -> Result<ApiRequest, Failure> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    if !prefer.is_empty() {
        headers.insert("prefer", HeaderValue::from_str(prefer).expect("a header"));
    }
    let method: Method = method.parse().expect("a method");
    let settings = rest::Settings {
        schemas: vec!["public".into()],
        legacy_schema_error: false,
        openapi_enabled: true,
        transaction_end: rest::TransactionEnd::Commit,
        limits: rest::Limits::default(),
    };
    let body = Bytes::copy_from_slice(body.as_bytes());
    rest::parse(Incoming { method: &method, path, query, headers: &headers, body }, &settings)
}

/// Nobody.
pub fn anon() -> Caller {
    Caller { role: "anon".into(), claims: Arc::new(Claims::default()), is_anonymous: true, key: None }
}

/// A signed-in user.
pub fn user(id: &str) -> Caller {
    signed_in("authenticated", id)
}

/// The role that row security does not apply to.
pub fn service() -> Caller {
    signed_in("service_role", ALICE)
}

fn signed_in(role: &str, id: &str) -> Caller {
    let mut claims = serde_json::Map::new();
    claims.insert("sub".to_owned(), id.into());
    claims.insert("role".to_owned(), role.into());
    Caller { role: role.into(), claims: Arc::new(Claims::new(claims)), is_anonymous: false, key: None }
}
