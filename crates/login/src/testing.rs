//! What tests of this crate share.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Clock, Secret, Timestamp};
use cache::BoxFuture;
use http::HeaderMap;
use identity::{Derivation, DerivedKey, IdentityConfig, Verifier};
use parking_lot::Mutex;
use serde_json::Value;
use store::Store;

use crate::gate::{Attempt, Found, Gate, Mark, Pass, Standing, Trust, Wait};
use crate::metadata::Metadata;
use crate::password::Priority;
use crate::records::users::User;
use crate::{Login, Mail, MailError, Mailer, Parts, ProviderSettings, Settings, Templates};

/// Settings as of a new project.
pub(crate) fn settings() -> Settings {
    Settings {
        site_url: url::Url::parse("http://localhost:3000").unwrap(),
        external_url: "http://127.0.0.1:8000/auth/v1".to_owned(),
        redirect_patterns: Vec::new(),
        confirm_email: true,
        allow_signup: true,
        allow_anonymous: true,
        access_token: Duration::from_secs(3600),
        session: None,
        idle_session: None,
        one_time_token: Duration::from_secs(3600),
        code_digits: 6,
        mail_interval: Duration::from_secs(60),
        confirm_change_twice: true,
        reauthenticate_for_password: false,
        audience: "authenticated".to_owned(),
        issuer: "http://127.0.0.1:8000/auth/v1".to_owned(),
        allow_linking: true,
        providers: Vec::new(),
    }
}

/// A provider with this issuer.
pub(crate) fn provider_settings(issuer: &str) -> ProviderSettings {
    ProviderSettings {
        name: "mock".to_owned(),
        issuer: issuer.to_owned(),
        client_id: testkit::CLIENT_ID.to_owned(),
        client_secret: Some(Secret::new(testkit::CLIENT_SECRET)),
        scopes: vec!["email".to_owned(), "profile".to_owned()],
        audiences: Vec::new(),
        allow_signup: true,
        skip_nonce_check: false,
        trust_email: false,
        email_claim: "email".to_owned(),
        name_claim: "name".to_owned(),
    }
}

/// An account that nobody has confirmed.
pub(crate) fn user(email: &str) -> User {
    User {
        id: "8d1f4c1e-5b1b-4a39-9d8b-000000000001".to_owned(),
        aud: None,
        role: None,
        email: Some(email.to_owned()),
        phone: None,
        password: None,
        email_confirmed_at: None,
        phone_confirmed_at: None,
        invited_at: None,
        confirmation_sent_at: None,
        recovery_sent_at: None,
        email_change: String::new(),
        email_change_sent_at: None,
        email_change_confirm_status: 0,
        reauthentication_sent_at: None,
        last_sign_in_at: None,
        app_metadata: Metadata::default(),
        user_metadata: Metadata::default(),
        created_at: None,
        updated_at: None,
        banned_until: None,
        deleted_at: None,
        is_sso_user: false,
        is_anonymous: false,
        identities: Vec::new(),
        factors: Vec::new(),
        former: crate::records::users::Former::default(),
    }
}

/// A derived key.
pub(crate) fn key(purpose: &'static str) -> DerivedKey {
    Derivation::new(Secret::new("a secret of more than thirty-two bytes")).unwrap().key(purpose).unwrap()
}

/// Meters that nobody reads.
pub(crate) fn telemetry() -> Arc<telemetry::Telemetry> {
    telemetry_to(telemetry::Level::Off, Box::new(std::io::sink()))
}

fn telemetry_to(level: telemetry::Level, writer: Box<dyn std::io::Write + Send>) -> Arc<telemetry::Telemetry> {
    let log = telemetry::LogConfig::new(level, telemetry::LogFormat::Json, writer);
    let config = telemetry::TelemetryConfig {
        service_name: "test".to_owned(),
        service_version: "0".to_owned(),
        log,
        traces: None,
        seed: None,
    };
    Arc::new(telemetry::Telemetry::new(config, Arc::new(HandClock::default())).unwrap())
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A clock that is moved by hand.
pub(crate) struct HandClock {
    start: Instant,
    passed: Mutex<Duration>,
}

impl Default for HandClock {
    fn default() -> Self {
        Self { start: Instant::now(), passed: Mutex::default() }
    }
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock() += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + i64::try_from(self.passed.lock().as_micros()).unwrap())
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.passed.lock()
    }
}

/// An engine with the login's tables, and a login over it whose mails are caught.
pub(crate) struct House {
    pub(crate) login: Login,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) mails: Arc<Mutex<Vec<Mail>>>,
    pub(crate) server: Option<testkit::Postgres>,
    lines: Lines,
    _folder: Option<tempfile::TempDir>,
}

struct Silent;

impl store::Observer for Silent {
    fn operation(&self, _: &store::Operation<'_>) {}
    fn batch(&self, _: u64, _: Duration) {}
}

struct Catcher(Arc<Mutex<Vec<Mail>>>);

impl Mailer for Catcher {
    fn send<'a>(&'a self, mail: &'a Mail) -> Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>> {
        self.0.lock().push(mail.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

fn postgres(url: &str) -> store::PostgresSettings {
    store::PostgresSettings {
        audit: None,
        watch: None,
        role_timeouts: std::collections::BTreeMap::new(),
        replicas: store::ReplicaSettings::default(),
        remote_apply: Vec::new(),
        position_key: store::PositionKey::new(&Secret::new("")),
        url: url.to_owned(),
        environment: std::collections::BTreeMap::new(),
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
    }
}

/// A gate that lets everything pass.
pub(crate) struct Open;

impl Gate for Open {
    fn look<'a>(&'a self, _: &'a Attempt<'a>) -> BoxFuture<'a, Standing> {
        let (trust, priority) = (Trust::Stranger, Priority::Usual);
        let standing = Standing { trust, priority, otherwise: priority, is_attack: false };
        Box::pin(std::future::ready(standing))
    }

    fn enter<'a>(&'a self, _: &'a Attempt<'a>, standing: Standing) -> BoxFuture<'a, Result<Pass, Wait>> {
        Box::pin(std::future::ready(Ok(Pass::free(standing))))
    }

    fn settle<'a>(&'a self, _: &'a Attempt<'a>, _: &'a Pass, _: Found) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn succeeded<'a>(&'a self, _: &'a Attempt<'a>) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn signed_in<'a>(&'a self, _: &'a str, _: IpAddr, _: Mark) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn is_first<'a>(&'a self, _: &'a [u8], _: Duration) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }
}

impl House {
    /// On SQLite.
    pub(crate) async fn embedded(settings: Settings) -> Self {
        Self::file(settings, None).await
    }

    /// On SQLite, where the audit is told of everything.
    pub(crate) async fn audited(settings: Settings) -> Self {
        Self::file(settings, Some(store::AuditSettings::default())).await
    }

    async fn file(settings: Settings, audit: Option<store::AuditSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = store::SqliteSettings { audit, ..store::SqliteSettings::new(folder.path().join("test.sqlite")) };
        let clock = Arc::new(HandClock::default());
        let config = store::Config::Sqlite(file);
        let store = store::open(config, clock.clone(), Arc::new(Silent)).await.unwrap();
        Self::of(store, clock, settings, Some(folder), None).await
    }

    /// On PostgreSQL; `None` where it is not installed.
    pub(crate) async fn server(test: &str, settings: Settings) -> Option<Self> {
        let server = testkit::Postgres::start_for(test)?;
        server.run("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role;");
        let clock = Arc::new(HandClock::default());
        let config = store::Config::Postgres(postgres(&server.url("postgres")));
        let store = store::open(config, clock.clone(), Arc::new(Silent)).await.unwrap();
        Some(Self::of(store, clock, settings, None, Some(server)).await)
    }

    async fn of(
        store: Arc<dyn Store>,
        clock: Arc<HandClock>,
        settings: Settings,
        folder: Option<tempfile::TempDir>,
        server: Option<testkit::Postgres>,
    ) -> Self {
        for migrations in crate::MIGRATIONS.into_iter().chain([&audit::MIGRATIONS]) {
            for place in 0..migrations.all.len() {
                store.apply_own(migrations, place).await.unwrap();
            }
        }
        let mails = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::default();
        let login = open(&store, &clock, settings, (Arc::new(Open), None), (mails.clone(), &lines)).await;
        Self { login, store, clock, mails, server, lines, _folder: folder }
    }

    /// Another login over the same database: another node, or the same one with another gate.
    pub(crate) async fn another(&self, settings: Settings, gate: Arc<dyn Gate>) -> Login {
        self.another_with(settings, gate, None).await
    }

    /// As above, with a CAPTCHA.
    pub(crate) async fn another_with(
        &self,
        settings: Settings,
        gate: Arc<dyn Gate>,
        captcha: Option<crate::Captcha>,
    ) -> Login {
        open(&self.store, &self.clock, settings, (gate, captcha), (self.mails.clone(), &self.lines)).await
    }

    /// Sends a request; gives status, body and headers.
    pub(crate) async fn send(&self, request: (&str, &str), token: &str, body: Value) -> (u16, Value, HeaderMap) {
        send(&self.login, request, token, body).await
    }

    /// Waits until this was logged.
    pub(crate) async fn wait_for(&self, text: &str) {
        for _ in 0..10_000 {
            if String::from_utf8_lossy(&self.lines.0.lock()).contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("nothing says {text}");
    }

    /// The latest mail, once it is there.
    pub(crate) async fn mail(&self) -> Mail {
        for _ in 0..1000 {
            if let Some(mail) = self.mails.lock().pop() {
                return mail;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no mail came");
    }
}

async fn open(
    store: &Arc<dyn Store>,
    clock: &Arc<HandClock>,
    settings: Settings,
    (gate, captcha): (Arc<dyn Gate>, Option<crate::Captcha>),
    (mails, lines): (Arc<Mutex<Vec<Mail>>>, &Lines),
) -> Login {
    let entropy: crate::password::Entropy = Arc::new(getrandom::fill);
    let cost = crate::password::Settings { longest_wait: Duration::from_secs(30), ..Default::default() };
    let verifier = Verifier::open(IdentityConfig::default(), clock.clone()).unwrap();
    Login::open(Parts {
        settings,
        templates: Templates::default(),
        store: store.clone(),
        verifier: Arc::new(verifier),
        passwords: Arc::new(crate::password::Passwords::open(cost, Arc::new(base::SystemClock), entropy).unwrap()),
        api_keys: None,
        gate,
        captcha,
        device_lifetime: Duration::from_secs(90 * 86_400),
        mailer: Arc::new(Catcher(mails)),
        derivation: Derivation::new(Secret::new("a secret of more than thirty-two bytes")).unwrap(),
        clock: clock.clone(),
        telemetry: telemetry_to(telemetry::Level::Warn, Box::new(lines.clone())),
    })
    .await
    .unwrap()
}

/// Sends a request to a login.
pub(crate) async fn send(login: &Login, request: (&str, &str), token: &str, body: Value) -> (u16, Value, HeaderMap) {
    let mut headers = HeaderMap::new();
    if !token.is_empty() {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    send_from(login, request, (IpAddr::from([127, 0, 0, 1]), headers), body).await
}

/// Sends a request to a login, from an address.
pub(crate) async fn send_from(
    login: &Login,
    (method, target): (&str, &str),
    (address, mut headers): (IpAddr, HeaderMap),
    body: Value,
) -> (u16, Value, HeaderMap) {
    headers.insert("x-supabase-api-version", "2024-01-01".parse().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = service::Request {
        area: service::Area::Auth,
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: if body.is_null() { bytes::Bytes::new() } else { body.to_string().into() },
        client: service::Client { address, is_encrypted: false },
        trace: login.inner.telemetry.begin_trace(None, Instant::now()),
    };
    let answer = login.answer(request).await;
    let service::Body::Full(body) = answer.body else { panic!("a streamed body") };
    if answer.status.as_u16() >= 500 {
        eprintln!("{method} {target}: {:?}", answer.summary);
    }
    (answer.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null), answer.headers)
}
