//! The settings: one struct a section. Their doc comments are the reference page and the JSON Schema.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base::{Limit, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use super::auditing::AuditSection;
use super::cdn::CdnSection;
use super::certificates::Acme;
use super::defence::DefenceSection;
pub use super::idempotency::IdempotencySection;
pub use super::limiting::Cache;
use super::limiting::{Overload, default_exempt_networks, default_rates, over_default_rates};
use super::login::{LoginSection, MailSection};
use super::passwords::Password;
use super::responses::Responses;
use super::site::FilesSection;

/// The configuration of Pando: `pando.toml`, then `PANDO_SECTION_KEY` in the environment, then flags.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where Pando listens and how it stops.
    pub server: Server,
    /// How connections are encrypted. Without a certificate they are not, which is right behind a proxy that does it.
    #[serde(rename = "server.tls")]
    pub tls: Tls,
    /// A certificate that Pando fetches and renews by itself, from Let's Encrypt or another authority that speaks ACME.
    #[serde(rename = "server.tls.acme")]
    pub acme: Acme,
    /// Where the data is and how the schema gets there.
    pub database: Database,
    /// What is served, and how.
    pub api: Api,
    /// Static files beside the API.
    pub files: FilesSection,
    /// Who may ask.
    pub auth: Auth,
    /// Passwords: how they are hashed, and which may be chosen.
    #[serde(rename = "auth.password")]
    pub password: Password,
    /// Signing in at `/auth/v1`.
    #[serde(rename = "auth.login")]
    pub login: LoginSection,
    /// The mails of the login.
    #[serde(rename = "auth.mail")]
    pub mail: MailSection,
    /// The login's defence against those who try lists of leaked passwords.
    #[serde(rename = "auth.defence")]
    pub defence: DefenceSection,
    /// The bounds of everything that comes from outside. Each protects memory, time or stack; raise one when a
    /// client of yours meets it.
    pub limits: Limits,
    /// Shared counters: what all nodes know of how much somebody has asked for.
    pub cache: Cache,
    /// Answers that are kept and shown again, as long as they are what the database would give.
    pub responses: Responses,
    /// Caches in front that are told what has changed.
    pub cdn: CdnSection,
    /// Who changed what: entries of changes, sealed so that it is found when they are altered.
    pub audit: AuditSection,
    /// Writes that are done once however often they are asked for: `Idempotency-Key`.
    pub idempotency: IdempotencySection,
    /// What is logged.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address of the API, `host:port`. Use `0.0.0.0:8000` to be reached from other machines.
    pub listen: String,
    /// The address of metrics and probes (`/metrics`, `/live`, `/ready`), never to be reached from outside.
    /// Empty switches it off.
    pub admin_listen: String,
    /// How many seconds requests in flight may take to finish after SIGTERM or SIGINT. Less than what your
    /// orchestrator waits before it kills (usually 30).
    pub drain_seconds: u32,
    /// Whether answers carry `Server-Timing` with the duration of every step. Useful in development; in public it
    /// tells strangers how long the database takes.
    pub server_timing: bool,
    /// What browsers may keep of reads that say who asks: `revalidate` lets them keep an answer for that user and ask each time
    /// whether it still counts (`Cache-Control: private, no-cache`, and 304 with an `ETag`), `no-store` nothing at all, for data that
    /// must not lie on the disk of whoever reads it. Answers of the login, errors and answers to writes are never kept.
    pub personal_answers: PersonalAnswers,
    /// Whether answers are compressed (zstd, br, gzip) for clients that take them so. Switch it off where a proxy in front does it.
    pub compression: bool,
    /// The origins whose pages may read answers (CORS), for example `["https://app.example.com"]`, or
    /// `https://*.example.com` for every subdomain. Empty allows every origin, which is safe because credentials are never taken from cookies.
    pub cors_origins: Vec<String>,
    /// The proxies that stand in front of Pando: addresses and networks, for example `["10.0.0.0/8", "fd00::/8"]`. What they say
    /// of whom they speak for is believed, and nobody else's word. Whoever can connect from such an address can claim
    /// any address, so name the proxies alone.
    pub trusted_proxies: Vec<String>,
    /// The header in which these proxies say it. Only the one that they write: they let the other through as the client sent it.
    pub forwarded_header: ForwardedHeader,
    /// Whether every connection begins with a header of the PROXY protocol (version 1 or 2). One that does not, or that comes
    /// from elsewhere than `trusted_proxies`, is closed.
    pub proxy_protocol: bool,
}

/// The header in which trusted proxies say whom they speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl From<ForwardedHeader> for edge::ForwardedHeader {
    fn from(header: ForwardedHeader) -> Self {
        match header {
            ForwardedHeader::XForwardedFor => Self::XForwardedFor,
            ForwardedHeader::Forwarded => Self::Forwarded,
        }
    }
}

/// What browsers may keep of reads that say who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PersonalAnswers {
    /// Answers, for that user, to be asked for each time.
    Revalidate,
    /// Nothing.
    NoStore,
}

impl From<PersonalAnswers> for edge::PersonalAnswers {
    fn from(answers: PersonalAnswers) -> Self {
        match answers {
            PersonalAnswers::Revalidate => Self::Revalidate,
            PersonalAnswers::NoStore => Self::NoStore,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            admin_listen: "127.0.0.1:8001".to_owned(),
            drain_seconds: 25,
            server_timing: false,
            personal_answers: PersonalAnswers::Revalidate,
            compression: true,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            proxy_protocol: false,
        }
    }
}

/// `[server.tls]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The file of the certificate and those that lead from it to an authority (PEM, the server's own first), relative to the
    /// folder of `pando.toml`. With it `server.listen` speaks TLS (1.2 and 1.3). The files are read again when they change,
    /// on SIGHUP and on `pando reload`.
    pub certificate: Option<PathBuf>,
    /// The file of its private key (PEM: PKCS#8, SEC1 or PKCS#1), relative to the folder of `pando.toml`.
    pub key: Option<PathBuf>,
    /// Further certificates, each with its key: `{ "shop.pem" = "shop.key" }`. A client gets the one for the name that it asks
    /// for, otherwise `certificate`.
    pub additional: BTreeMap<String, String>,
    /// An address without TLS, `host:port`, where clients are sent to the encrypted one (308). Empty switches it off.
    pub redirect_listen: String,
    /// The port of the encrypted address as clients know it, where it is not that of `server.listen`: for `redirect_listen`.
    pub public_port: Option<u16>,
    /// For how many seconds browsers are told to come encrypted alone (`Strict-Transport-Security`). They keep to it also when
    /// TLS is switched off later. 0 tells nothing.
    pub hsts_seconds: u32,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            additional: BTreeMap::new(),
            redirect_listen: String::new(),
            public_port: None,
            hsts_seconds: 31_536_000,
        }
    }
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Where the data is: `sqlite:` and a file, relative to the folder of `pando.toml`, which is made with its folder
    /// when it is missing; or a PostgreSQL server as libpq takes it, `postgres://…` or `host=… dbname=…`, of which nothing
    /// is ever shown.
    pub url: String,
    /// The folder of migration files (`0001_name.sql`, …), relative to the folder of `pando.toml`.
    pub migrations: PathBuf,
    /// A file of SQL with first rows, relative to the folder of `pando.toml`. It runs once: after the first
    /// migrations of a new database; on a server, of one in whose `api.schemas` nothing is yet. A missing file is no error; empty switches it off.
    pub seed: PathBuf,
    /// Whether `pando serve` applies pending migrations before it answers. Switch it off where `pando migrate up`
    /// is a step of its own.
    pub migrate_on_start: bool,
    /// On a PostgreSQL server: the most connections.
    pub connections: u32,
    /// On a PostgreSQL server: schemas that names without one are looked for in, besides that of the request (PostgREST's
    /// `db-extra-search-path`).
    pub extra_search_path: Vec<String>,
    /// On a PostgreSQL server: how many statements a connection keeps prepared. 0 prepares none, as PgBouncer in transaction
    /// mode needs it before its version 1.21, or without its `max_prepared_statements`: the start is refused otherwise.
    /// While there is a `pre_request`, the statements of requests are prepared anew each time, since it may change the role.
    pub prepared_statements: u32,
    /// On a PostgreSQL server: settings that every request's transaction gets, as functions and policies read them with
    /// `current_setting('app.settings.name')`. A name has a dot in it; values are never shown.
    pub application_settings: BTreeMap<String, SecretText>,
    /// On a PostgreSQL server: the channel on which Pando listens for `NOTIFY pgrst, 'reload schema'`, and reads the schema
    /// again (PostgREST's `db-channel`). Empty listens for nothing, as a pooler in transaction mode needs it.
    pub channel: String,
    /// On a PostgreSQL server: how many milliseconds a statement of a migration waits for a lock, while everybody who comes
    /// after it waits as well. Then its file is taken back and tried again. 0 waits without end.
    pub migration_lock_timeout_ms: u32,
    /// On a PostgreSQL server: how often a migration is tried that gets no lock, with longer and longer pauses.
    pub migration_lock_attempts: u32,
    /// PostgreSQL servers that follow that of `url` and may answer reads, each as `url` has it. A client is shown no state
    /// before its own writes: it carries their position (`Pando-Position`) from answer to request.
    pub replicas: Vec<SecretText>,
    /// How many milliseconds a replica may be behind before it answers nothing any more.
    pub max_replica_lag_ms: u32,
    /// How many milliseconds a read waits for a replica that has what its client has seen, before the primary answers it.
    pub replica_wait_ms: u32,
    /// How many reads a second go to the primary because no replica can answer them, per node. Beyond it they are answered
    /// 503, so that replicas that fall behind do not take the primary with them.
    pub primary_reads_per_second: u32,
    /// How fresh what is read of a relation or function has to be, whatever the client asks: `strong` (the primary),
    /// a number of seconds, `session` (the client's own writes), `eventual`. Names are `schema.name`. Of others the
    /// client decides (`Prefer: freshness=...`), and `session` holds where it does not.
    pub freshness: BTreeMap<String, String>,
    /// Tables, `schema.name`, whose writes are answered once the synchronous standbys show them (PostgreSQL's
    /// `remote_apply`): several times slower, and needed by nobody who carries positions.
    pub remote_apply: Vec<String>,
    /// What signs positions: the same on all nodes. Where nothing is given it follows from `auth.jwt_secret`, unless
    /// that is a JWK set.
    pub position_secret: Option<SecretText>,
    /// For how many seconds a browser keeps the position of its last write in a cookie, so that pages need not carry it. 0
    /// sets none.
    pub position_cookie_seconds: u32,
    /// On a PostgreSQL server: a function without arguments, `schema.name`, that is called in the transaction of every request
    /// before its statement, with the role and the claims of who asks. What it raises is the answer; it may set
    /// `response.headers` and `response.status` (PostgREST's `db-pre-request`). Empty for none.
    pub pre_request: String,
    /// On a PostgreSQL server: which settings of a function (`CREATE FUNCTION … SET statement_timeout = …`) count for the whole
    /// transaction of its call, not inside of it alone (PostgREST's `db-hoisted-tx-settings`).
    /// `default_transaction_isolation` is the isolation level of the transaction.
    pub hoisted_settings: Vec<String>,
    /// How many idle connections for reading are kept. Each takes up to 2 MiB.
    pub readers: u32,
    /// How many long reads may run side by side, so that they leave processors for the short ones.
    pub slow_readers: u32,
    /// How many writes may wait for their turn. One more is answered 503 at once.
    pub write_queue: u32,
    /// How many milliseconds a request may wait for its turn, or for another process that locks the file, before it
    /// is answered 503.
    pub wait_ms: u32,
    /// How closely the file is looked at for damage before it is served. A damaged one is refused (exit code 5);
    /// `pando doctor` says more, `pando restore` brings a backup back.
    pub check_at_start: CheckAtStart,
}

/// How closely the file is looked at before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckAtStart {
    /// Up to 32 MiB as `quick`. A larger file is served at once, and looked through beside the requests: damage is
    /// logged as `database-checked` and shown as `pando_database_damaged`.
    Auto,
    /// The structure of every page (SQLite's `quick_check`): some seconds a gigabyte.
    Quick,
    /// Every entry of every index, every constraint and every foreign key as well (`integrity_check`): several times
    /// as long.
    Full,
    /// Only the file's head, Pando's own tables and the catalog, which are looked at in any case.
    Off,
}

impl From<CheckAtStart> for store::CheckAtStart {
    fn from(check: CheckAtStart) -> Self {
        match check {
            CheckAtStart::Auto => Self::Auto,
            CheckAtStart::Quick => Self::Quick,
            CheckAtStart::Full => Self::Full,
            CheckAtStart::Off => Self::Off,
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "sqlite:data/pando.sqlite".to_owned(),
            migrations: PathBuf::from("migrations"),
            seed: PathBuf::from("seed.sql"),
            migrate_on_start: true,
            connections: 16,
            extra_search_path: vec!["public".to_owned()],
            prepared_statements: 256,
            application_settings: BTreeMap::new(),
            channel: "pgrst".to_owned(),
            migration_lock_timeout_ms: 3_000,
            migration_lock_attempts: 10,
            replicas: Vec::new(),
            max_replica_lag_ms: 10_000,
            replica_wait_ms: 200,
            primary_reads_per_second: 500,
            freshness: BTreeMap::new(),
            remote_apply: Vec::new(),
            position_secret: None,
            position_cookie_seconds: 0,
            pre_request: String::new(),
            hoisted_settings: [
                "statement_timeout",
                "plan_filter.statement_cost_limit",
                "default_transaction_isolation",
            ]
            .map(str::to_owned)
            .to_vec(),
            readers: 8,
            slow_readers: 4,
            write_queue: 1_024,
            wait_ms: 5_000,
            check_at_start: CheckAtStart::Auto,
        }
    }
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// The schemas that are served. The first answers requests that name none (`Accept-Profile`,
    /// `Content-Profile`).
    pub schemas: Vec<String>,
    /// Whether a schema that is not served is refused in the words of PostgREST 12 and older (`The schema must be one of
    /// the following: …`), for clients that look at them.
    pub legacy_schema_error: bool,
    /// The role of requests without a token. Empty refuses them.
    pub anonymous_role: String,
    /// The most rows that one read gives, whatever the client asks for. 0 removes the bound.
    pub max_rows: u64,
    /// Whether `select` may use `count()`, `sum()`, `avg()`, `min()` and `max()`. An aggregate reads all rows that a
    /// filter leaves, so this is a decision about load.
    pub aggregates: bool,
    /// On a PostgreSQL server: whether `Accept: application/vnd.pgrst.plan` is answered with how a request is executed
    /// (`EXPLAIN`), which tells much about the database and, with `options=analyze`, executes the request (PostgREST's
    /// `db-plan-enabled`). For development.
    pub explain: bool,
    /// Whether an error about the rows of a body has a member `errors` beside PostgREST's four, with everything that is wrong in
    /// them: each fault with its row, its columns, its code, and the constraint. Who sends `Accept: application/problem+json`
    /// gets it in any case, in the form of RFC 9457.
    pub list_errors: bool,
    /// How the transaction of a request ends.
    pub transaction_end: TransactionEnd,
    /// What `GET /` tells about the API (an OpenAPI document).
    pub openapi_mode: OpenApiMode,
    /// The address under which clients reach the API, for the OpenAPI document, for example
    /// `https://gym.example.com/rest/v1`. Without it the document says `/rest/v1`.
    pub openapi_server_proxy_uri: Option<String>,
    /// Whether `/docs` is a page that shows the API and lets one try it.
    pub docs: Docs,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            schemas: vec!["public".to_owned()],
            legacy_schema_error: false,
            anonymous_role: "anon".to_owned(),
            max_rows: 1_000,
            aggregates: false,
            explain: false,
            list_errors: false,
            transaction_end: TransactionEnd::Commit,
            openapi_mode: OpenApiMode::FollowPrivileges,
            openapi_server_proxy_uri: None,
            docs: Docs::Auto,
        }
    }
}

impl Api {
    /// The address of the API as clients reach it, without a slash at its end.
    pub fn server(&self) -> &str {
        self.openapi_server_proxy_uri.as_deref().unwrap_or("/rest/v1").trim_end_matches('/')
    }
}

/// How the transaction of a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionEnd {
    /// It is committed.
    #[default]
    Commit,
    /// It is committed unless the request says `Prefer: tx=rollback`.
    CommitAllowOverride,
    /// It is rolled back: nothing is ever written.
    Rollback,
    /// It is rolled back unless the request says `Prefer: tx=commit`: for test suites.
    RollbackAllowOverride,
}

impl From<TransactionEnd> for rest::TransactionEnd {
    fn from(end: TransactionEnd) -> Self {
        match end {
            TransactionEnd::Commit => Self::Commit,
            TransactionEnd::CommitAllowOverride => Self::CommitAllowOverride,
            TransactionEnd::Rollback => Self::Rollback,
            TransactionEnd::RollbackAllowOverride => Self::RollbackAllowOverride,
        }
    }
}

/// What `GET /` tells about the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpenApiMode {
    /// What the caller's role may do.
    FollowPrivileges,
    /// Everything in the schema, whoever asks: also the names of what the caller may not use.
    IgnorePrivileges,
    /// Nothing: it is answered 404 (PGRST126).
    Disabled,
}

/// Whether there is a page at `/docs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Docs {
    /// Where `server.listen` is an address that only this machine reaches.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The HS256 secret that tokens are signed with, at least 32 bytes; or a JWK set as JSON text. Without any key
    /// a request with a token is answered 500 (PGRST300).
    pub jwt_secret: Option<SecretText>,
    /// A file that holds the secret, instead of `jwt_secret`; relative to the folder of `pando.toml`. White space at
    /// its ends does not count.
    pub jwt_secret_file: Option<PathBuf>,
    /// Whether the secret is written in base64.
    pub jwt_secret_is_base64: bool,
    /// A file with a JWK set (RS256, ES256, EdDSA or HS256 keys), relative to the folder of `pando.toml`.
    pub jwks_file: Option<PathBuf>,
    /// An address that serves a JWK set. Fetched at start, every ten minutes, and when a token names an unknown key,
    /// though at most every 30 seconds.
    pub jwks_url: Option<String>,
    /// The audience (`aud`) that tokens have to be meant for, if they name any.
    pub audience: Option<String>,
    /// The issuer (`iss`) that tokens have to come from.
    pub issuer: Option<String>,
    /// Where a token's claims hold the role: a name, or a path like `.app_metadata.roles[0]` or `$.app_metadata.roles[0]`.
    pub role_claim: String,
    /// How many seconds the clocks of the issuer and of this machine may differ.
    pub leeway_seconds: u32,
    /// The secret that the login's keys follow from (refresh tokens, codes of mails, the encryption of signing keys), at least 32
    /// bytes and the same on all nodes. Without it they follow from `auth.jwt_secret`, unless that is a JWK set, whose keys may be public;
    /// without that, the embedded engine keeps one of its own in a file beside the database. Another one ends all sessions.
    pub secret: Option<SecretText>,
    /// Whether there are API keys (`pando keys api`), in the table `pando.api_keys`.
    pub api_keys: ApiKeys,
    /// Whether every request needs an API key: in `apikey`, or as Bearer. A token that verifies counts in its place in `apikey`,
    /// as Supabase's older keys are.
    pub require_api_key: bool,
    /// The role of requests with a secret API key that names none, and without a user's token.
    pub service_role: String,
}

/// Whether there are API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeys {
    /// On the embedded engine. On a PostgreSQL server from the moment on at which `pando keys api create` has made their table.
    Auto,
    /// Yes: their table is made at the start, which is refused where it cannot be.
    On,
    /// No: no table is made, and every API key is refused.
    Off,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            jwt_secret: None,
            jwt_secret_file: None,
            jwt_secret_is_base64: false,
            jwks_file: None,
            jwks_url: None,
            audience: None,
            issuer: None,
            role_claim: "role".to_owned(),
            leeway_seconds: 30,
            secret: None,
            api_keys: ApiKeys::Auto,
            require_api_key: false,
            service_role: "service_role".to_owned(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The form of the lines.
    pub format: LogFormat,
    /// The least important lines that are written.
    pub level: LogLevel,
    /// Which answered requests get a line.
    pub requests: LogRequests,
    /// From how many milliseconds on a statement counts as slow and is logged: its shape, never a value. 0 switches
    /// it off.
    pub slow_query_ms: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: LogLevel::Info, requests: LogRequests::All, slow_query_ms: 200 }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object a line, in the Elastic Common Schema.
    Json,
    /// One line of text for people.
    Text,
}

/// How much is logged; each level contains the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Something of Pando's is broken.
    Error,
    /// It works, but not as intended.
    Warn,
    /// What an operator wants to know about a healthy server.
    Info,
    /// What a developer wants to know.
    Debug,
}

impl From<LogLevel> for telemetry::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
        }
    }
}

/// Which answered requests get a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogRequests {
    /// Every one.
    All,
    /// Those answered with a status of 400 or more.
    Refused,
    /// Those answered with a status of 500 or more.
    Failed,
}

impl From<LogRequests> for telemetry::RequestLog {
    fn from(requests: LogRequests) -> Self {
        match requests {
            LogRequests::All => Self::All,
            LogRequests::Refused => Self::Refused,
            LogRequests::Failed => Self::Failed,
        }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The OpenTelemetry collector that traces are sent to over HTTP, for example `http://127.0.0.1:4318`. Without
    /// it nothing is sent.
    pub otlp_endpoint: Option<String>,
    /// The share of requests that is traced, from 0 to 1. A request that brings a `traceparent` follows its
    /// caller's decision.
    pub sample_ratio: f64,
    /// The name of this service in logs, metrics and traces.
    pub service_name: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0, service_name: "pando".to_owned() }
    }
}

/// Text that is never shown: `config show` says only that it is there.
#[derive(Clone, PartialEq)]
pub struct SecretText(pub Secret);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "writeOnly": true})
    }

    fn inline_schema() -> bool {
        true
    }
}

/// `[limits]`: the bounds that the other crates define, under their names and with their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of path and query string together.
    pub max_uri_bytes: u64,
    /// Parameters of a query string.
    pub max_query_parameters: u64,
    /// Items of `select`, at all levels together.
    pub max_select_items: u64,
    /// Parentheses inside parentheses in `select`.
    pub max_select_depth: u64,
    /// `and`/`or` inside one another.
    pub max_logic_depth: u64,
    /// Values in one `in.(…)`.
    pub max_filter_values: u64,
    /// Arrays and objects inside one another in a JSON body.
    pub max_json_depth: u64,
    /// Rows of one body that are read.
    pub max_payload_rows: u64,
    /// Rows times columns of one body.
    pub max_payload_cells: u64,
    /// Steps of one JSON path (`a->b->>c`).
    pub max_json_path_steps: u64,
    /// How deep embedded relations may nest.
    pub max_embed_depth: u64,
    /// How many relations one request may embed.
    pub max_embeds: u64,
    /// How many conditions one request may have, the values of lists counted.
    pub max_filters: u64,
    /// How many columns `order` may name.
    pub max_order_terms: u64,
    /// How many rows one request may write.
    pub max_written_rows: u64,
    /// Connections that are open at once. One more is answered 503 and closed.
    pub max_connections: u64,
    /// Connections that are open at once from one address, of IPv6 from one network of 64 bits. One more is answered 503 and
    /// closed. Those of `server.trusted_proxies` are not counted.
    pub max_connections_per_address: u64,
    /// TLS handshakes that wait for the server at once, not those that it waits for. One more connection is closed.
    pub max_handshakes: u64,
    /// Requests that are worked on at once, and, beside them, requests whose body is on the way. One more is answered 503
    /// with `Retry-After`. Answers on their way out are bounded by `max_connections` and `max_connections_per_address`, also where
    /// one connection carries many (HTTP/2).
    pub max_requests: u64,
    /// The same for one address, of IPv6 for one network of 64 bits. Those of `server.trusted_proxies` are not counted.
    pub max_requests_per_address: u64,
    /// Requests that one HTTP/2 connection has open at once.
    pub max_streams: u32,
    /// Requests of one HTTP/2 connection that the client may give up before they are answered, more than were answered. With
    /// more the connection is closed.
    pub max_resets: u64,
    /// Bytes of a request's head, its first line included.
    pub max_header_bytes: u32,
    /// Headers of a request.
    pub max_headers: u32,
    /// Bytes of a request's body. A body is held in memory as a whole, while it comes and while it is worked on.
    pub max_body_bytes: u64,
    /// Seconds for the head of a request to arrive.
    pub header_read_timeout_seconds: u32,
    /// Seconds for the body of a request to arrive. Its first byte has to come within 5.
    pub body_read_timeout_seconds: u32,
    /// Bytes a second that a body has to come with on average, from its tenth second on.
    pub min_body_bytes_per_second: u64,
    /// Seconds for an answer to begin.
    pub request_timeout_seconds: u32,
    /// Seconds without any progress while an answer is sent. Over HTTP/2 it counts for each answer.
    pub write_timeout_seconds: u32,
    /// Seconds that a connection stays open without a request.
    pub idle_timeout_seconds: u32,
    /// Seconds that one statement may run. On a PostgreSQL server a `statement_timeout` of the server, of the database, of the
    /// role that logs in or of the role that a request runs as (`ALTER ROLE … SET`) stands in its place.
    pub statement_timeout_seconds: u32,
    /// Seconds that one statement of these roles may run, in place of `statement_timeout_seconds`, for example `{ anon = 3 }`. On a
    /// PostgreSQL server what `ALTER ROLE … SET statement_timeout` says of the role stands in its place.
    pub role_statement_timeout_seconds: BTreeMap<String, u32>,
    /// Seconds that a streamed answer may take altogether, whatever the client does.
    pub stream_timeout_seconds: u32,
    /// Bytes of an answer that are held in memory at once: one row with all that is embedded in it, or the rows that a
    /// write answers.
    pub max_buffered_bytes: u64,
    /// Rows that one update or delete may change.
    pub max_affected_rows: u64,
    /// Points that one request may cost: about one for each row of its body, for each 100 rows that may be read or changed, times its
    /// embedded relations, and 20 for a search without an index. One that costs more is answered 413.
    pub max_query_cost: u64,
    /// How much somebody may ask, by policies under names of your choice: `per SCOPE RATE [burst N] [in cost] [role A|B]
    /// [method GET|POST] [path /climbs|/rpc/search]`, or `off`. The scope is `address` (of IPv6 a /64), `network` (a /24 or /48),
    /// `user` (the token's `sub`), `key` (the API key, or the token), `client` (the user, or else the address), `role` or `everyone`;
    /// a rate is like `10/s`, `600/m`, `1000/h` or `5000/d`. Beyond it the answer is 429 with `Retry-After`. What is given goes over the defaults.
    #[serde(deserialize_with = "over_default_rates")]
    pub rates: BTreeMap<String, String>,
    /// Networks whose addresses no policy counts: this machine and private networks, since behind a proxy that is not known
    /// as one all clients seem to have its address. Users and keys count wherever they come from.
    pub exempt_networks: Vec<String>,
    /// Roles that no policy of users, keys, roles and cost counts. Policies of addresses do: they count before the role is known.
    pub exempt_roles: Vec<String>,
    /// What is done when more is asked than can be answered.
    pub overload: Overload,
    /// How many milliseconds requests may wait for their turn before less is let in.
    pub queue_target_ms: u32,
    /// Roles whose requests are never turned away because of overload.
    pub system_roles: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        let (rest, plan, edge) = (rest::Limits::default(), plan::Limits::default(), edge::EdgeLimits::default());
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Self {
            max_uri_bytes: rest.max_uri_bytes.value,
            max_query_parameters: rest.max_query_parameters.value,
            max_select_items: rest.max_select_items.value,
            max_select_depth: rest.max_select_depth.value,
            max_logic_depth: rest.max_logic_depth.value,
            max_filter_values: rest.max_filter_values.value,
            max_json_depth: rest.max_json_depth.value,
            max_payload_rows: rest.max_payload_rows.value,
            max_payload_cells: rest.max_payload_cells.value,
            max_json_path_steps: rest.max_json_path_steps.value,
            max_embed_depth: plan.max_embed_depth.value,
            max_embeds: plan.max_embeds.value,
            max_filters: plan.max_filters.value,
            max_order_terms: plan.max_order_terms.value,
            max_written_rows: plan.max_written_rows.value,
            max_connections: edge.max_connections,
            max_connections_per_address: edge.max_connections_per_address,
            max_handshakes: edge.max_handshakes,
            max_requests: edge.max_requests,
            max_requests_per_address: edge.max_requests_per_address,
            max_streams: edge.max_streams,
            max_resets: edge.max_resets,
            max_header_bytes: edge.max_header_bytes,
            max_headers: edge.max_headers,
            max_body_bytes: edge.max_body_bytes,
            header_read_timeout_seconds: seconds(edge.header_read_timeout),
            body_read_timeout_seconds: seconds(edge.body_read_timeout),
            min_body_bytes_per_second: edge.min_body_bytes_per_second,
            request_timeout_seconds: seconds(edge.request_timeout),
            write_timeout_seconds: seconds(edge.write_timeout),
            idle_timeout_seconds: seconds(edge.idle_timeout),
            statement_timeout_seconds: 30,
            role_statement_timeout_seconds: BTreeMap::new(),
            stream_timeout_seconds: 600,
            max_buffered_bytes: 32 * 1024 * 1024,
            max_affected_rows: 1_000_000,
            max_query_cost: 20_000,
            rates: default_rates(),
            exempt_networks: default_exempt_networks(),
            exempt_roles: vec!["service_role".to_owned()],
            overload: Overload::Adaptive,
            queue_target_ms: 50,
            system_roles: vec!["service_role".to_owned()],
        }
    }
}

impl Limits {
    /// The bounds of the dialect.
    pub fn rest(&self) -> rest::Limits {
        rest::Limits {
            max_uri_bytes: Limit::new("limits.max_uri_bytes", self.max_uri_bytes),
            max_query_parameters: Limit::new("limits.max_query_parameters", self.max_query_parameters),
            max_select_items: Limit::new("limits.max_select_items", self.max_select_items),
            max_select_depth: Limit::new("limits.max_select_depth", self.max_select_depth),
            max_logic_depth: Limit::new("limits.max_logic_depth", self.max_logic_depth),
            max_filter_values: Limit::new("limits.max_filter_values", self.max_filter_values),
            max_json_depth: Limit::new("limits.max_json_depth", self.max_json_depth),
            max_payload_rows: Limit::new("limits.max_payload_rows", self.max_payload_rows),
            max_payload_cells: Limit::new("limits.max_payload_cells", self.max_payload_cells),
            max_json_path_steps: Limit::new("limits.max_json_path_steps", self.max_json_path_steps),
        }
    }

    /// The bounds of plans.
    pub fn plan(&self) -> plan::Limits {
        plan::Limits {
            max_embed_depth: Limit::new("limits.max_embed_depth", self.max_embed_depth),
            max_embeds: Limit::new("limits.max_embeds", self.max_embeds),
            max_filters: Limit::new("limits.max_filters", self.max_filters),
            max_order_terms: Limit::new("limits.max_order_terms", self.max_order_terms),
            max_written_rows: Limit::new("limits.max_written_rows", self.max_written_rows),
        }
    }

    /// How long statements of roles may run.
    pub fn role_timeouts(&self) -> BTreeMap<String, Duration> {
        let seconds = |seconds: &u32| Duration::from_secs(u64::from(*seconds));
        self.role_statement_timeout_seconds.iter().map(|(role, time)| (role.clone(), seconds(time))).collect()
    }

    /// The bounds that may be 0: those whose thing a request can do without.
    pub const MAY_BE_ZERO: [&str; 4] = ["max_embed_depth", "max_embeds", "max_order_terms", "max_json_path_steps"];

    /// The bounds of the front door. How long it drains stands in `[server]`.
    pub fn edge(&self, drain_seconds: u32) -> edge::EdgeLimits {
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        edge::EdgeLimits {
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            max_handshakes: self.max_handshakes,
            max_requests: self.max_requests,
            max_requests_per_address: self.max_requests_per_address,
            max_streams: self.max_streams,
            max_resets: self.max_resets,
            max_uri_bytes: self.max_uri_bytes,
            max_header_bytes: self.max_header_bytes,
            max_headers: self.max_headers,
            max_body_bytes: self.max_body_bytes,
            header_read_timeout: seconds(self.header_read_timeout_seconds),
            body_read_timeout: seconds(self.body_read_timeout_seconds),
            min_body_bytes_per_second: self.min_body_bytes_per_second,
            request_timeout: seconds(self.request_timeout_seconds),
            write_timeout: seconds(self.write_timeout_seconds),
            idle_timeout: seconds(self.idle_timeout_seconds),
            drain_timeout: seconds(drain_seconds),
        }
    }
}
