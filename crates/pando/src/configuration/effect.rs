use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{QualifiedName, Secret};
use identity::{IdentityConfig, KeyListener};
use login::password::PasswordError;
use login::password::leaked::Leaked;
use service::RecallSettings;
use store::WatchSettings;

use super::auditing::Auditing;
use super::cdn::Cdn;
use super::idempotency::Keeping;
use super::limiting::Limiting;
use super::load::Loaded;
use super::login::LoginEnabled;
use super::problem::{ConfigError, Problem};
use super::replicas::Freshening;
use super::responses::Sharing;
use super::sections::{Api, ApiKeys, Docs, Limits, OpenApiMode};
use super::setting::settings;
use crate::outcome::CommandError;
use crate::own_tables;

/// What the values mean: parsed, checked against one another, and with the files read that they name.
#[derive(Debug)]
pub struct Prepared {
    /// `server.listen`.
    pub listen: SocketAddr,
    /// `server.admin_listen`, unless it is off.
    pub admin_listen: Option<SocketAddr>,
    /// The proxies in front of it.
    pub proxies: edge::Proxies,
    /// How connections are encrypted.
    pub tls: Option<edge::TlsConfig>,
    /// The certificate that is fetched.
    pub acme: Option<acme::Config>,
    /// Where the data is.
    pub database: DatabaseAddress,
    /// The environment as PostgreSQL's own programs use it.
    pub libpq: BTreeMap<String, String>,
    /// Replicas and positions.
    pub freshening: Freshening,
    /// Which answers are kept.
    pub responses: Option<RecallSettings>,
    /// Where other nodes find them.
    pub sharing: Option<Sharing>,
    /// Which caches in front are told of changes.
    pub cdn: Option<Cdn>,
    /// What is watched on a server for that.
    pub watch: Option<WatchSettings>,
    /// The schemas of the API.
    pub schemas: Vec<String>,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// The file of first rows, unless it is off.
    pub seed: Option<PathBuf>,
    /// Who may ask.
    pub identity: IdentityConfig,
    /// Policies, overload and shared counters.
    pub limiting: Limiting,
    /// Whether people can sign in, and so which tables there are.
    pub login: LoginEnabled,
    /// What is written down of changes.
    pub audit: Auditing,
    /// What is kept under an `Idempotency-Key`.
    pub idempotency: Keeping,
    /// How passwords are looked after.
    pub passwords: login::password::Settings,
    /// The function that every request calls first.
    pub pre_request: Option<QualifiedName>,
    /// Static files, if there are any.
    pub files: Option<files::Settings>,
    /// Whether the page at `/docs` is served.
    pub docs: bool,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
}

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// In a file of the embedded engine.
    File(PathBuf),
    /// On a PostgreSQL server: its URL, which may hold a password.
    Server(String),
}

impl DatabaseAddress {
    /// The engine, for the log.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::File(_) => "sqlite",
            Self::Server(_) => "postgresql",
        }
    }

    /// The file of the embedded engine.
    ///
    /// # Errors
    /// What to use instead where there is none.
    pub fn file(&self, instead: &str) -> Result<&Path, CommandError> {
        match self {
            Self::File(path) => Ok(path),
            Self::Server(_) => Err(CommandError::Failed(format!(
                "database.url names a PostgreSQL server, and this command is for the file of the embedded engine; {instead}"
            ))),
        }
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(_) => f.write_str("PostgreSQL"),
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Prepared {
    /// Checks what types alone cannot. Finds all problems at once.
    pub fn new(loaded: &Loaded, listener: Option<KeyListener>) -> Result<Self, ConfigError> {
        let mut check = Check { loaded, problems: Vec::new(), warnings: loaded.warnings.clone() };
        let config = &loaded.config;
        let listen = check.address("server.listen", &config.server.listen);
        let admin = &config.server.admin_listen;
        let admin_listen = if admin.is_empty() { None } else { check.address("server.admin_listen", admin) };
        if listen.is_some() && listen == admin_listen && listen.is_some_and(|address| address.port() != 0) {
            check.problem("server.admin_listen", "is the address of the API itself; metrics need one of their own");
        }
        let proxies = check.proxies();
        let acme = check.acme();
        let tls = check.tls(&[listen, admin_listen], acme.as_ref());
        let database = check.database();
        check.api();
        check.application_settings();
        check.limits();
        let pre_request = check.pre_request();
        let ratio = config.telemetry.sample_ratio;
        if !(0.0..=1.0).contains(&ratio) {
            check.problem("telemetry.sample_ratio", format!("has to lie between 0 and 1, it is {ratio}"));
        }
        let identity = check.identity(listener);
        let passwords = check.passwords();
        check.login(listen);
        let root = identity.root_secret();
        let freshening = check.freshening(root);
        let (responses, watch) = check.responses(database.as_ref()).unzip();
        let watch = watch.flatten();
        let cdn = check.cdn(responses.as_ref());
        let limiting = check.limiting(root);
        let sharing = check.sharing(database.as_ref(), &limiting).filter(|_| responses.is_some());
        let audit = check.audit(database.as_ref(), root);
        let files = check.files(database.as_ref());
        let idempotency = check.idempotency();
        let Check { problems, warnings, .. } = check;
        match (listen, database) {
            (Some(listen), Some(database)) if problems.is_empty() => Ok(Self {
                listen,
                admin_listen,
                proxies,
                tls,
                acme,
                database,
                libpq: loaded.libpq.clone(),
                schemas: config.api.schemas.clone(),
                migrations: loaded.path(&config.database.migrations),
                seed: Some(&config.database.seed)
                    .filter(|seed| !seed.as_os_str().is_empty())
                    .map(|seed| loaded.path(seed)),
                identity,
                passwords,
                login: if loaded.is_postgrest { LoginEnabled::Off } else { config.login.enabled },
                freshening,
                responses,
                sharing,
                cdn,
                watch,
                limiting,
                audit,
                idempotency,
                pre_request,
                files,
                docs: serves_docs(&config.api, listen),
                warnings,
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

/// Checks the addresses of servers as far as it goes without asking them. Commands that ask no server do without, since an
/// address may need files and variables of the machine that serves.
///
/// # Errors
/// Those that whoever connects could not use.
pub fn check_servers(loaded: &Loaded, prepared: &Prepared) -> Result<(), ConfigError> {
    let DatabaseAddress::Server(url) = &prepared.database else { return Ok(()) };
    let replicas = loaded.config.database.replicas.iter().map(|url| ("database.replicas", url.0.expose()));
    let servers = std::iter::once(("database.url", url.as_str())).chain(replicas);
    let problems: Vec<Problem> = servers
        .filter_map(|(name, url)| {
            let store::StoreError::Address(problem) = store::check_address(url, &prepared.libpq).err()? else {
                return None;
            };
            Some(Problem::new(loaded.origin(name).place(), format!("{name} cannot be used: {problem}")))
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

/// Whether the page is served: where it was asked for, or nobody else can see it. It lives on the document.
fn serves_docs(api: &Api, listen: SocketAddr) -> bool {
    api.openapi_mode != OpenApiMode::Disabled
        && match api.docs {
            Docs::Auto => listen.ip().is_loopback(),
            Docs::On => true,
            Docs::Off => false,
        }
}

pub(super) struct Check<'a> {
    loaded: &'a Loaded,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl<'a> Check<'a> {
    /// What is checked.
    pub(super) fn loaded(&self) -> &'a Loaded {
        self.loaded
    }

    /// Notes what is wrong with a setting.
    pub(super) fn problem(&mut self, name: &str, text: impl Into<String>) {
        let text = format!("{name} {}", text.into());
        self.problems.push(Problem::new(self.loaded.origin(name).place(), text));
    }

    /// Something is odd but not wrong.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// An address to listen on.
    pub(super) fn address(&mut self, name: &str, text: &str) -> Option<SocketAddr> {
        let with_host = match text.split_once(':') {
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            Some(("", port)) if !port.contains(':') => format!("0.0.0.0:{port}"),
            _ => text.to_owned(),
        };
        let address = with_host.parse().ok();
        if address.is_none() {
            self.problem(name, format!("has to be an address like 127.0.0.1:8000, not {text:?}"));
        }
        address
    }

    fn proxies(&mut self) -> edge::Proxies {
        let server = &self.loaded.config.server;
        if server.proxy_protocol && server.trusted_proxies.is_empty() {
            let text = "needs server.trusted_proxies: without trusted proxies every connection would be closed";
            self.problem("server.proxy_protocol", text);
        }
        let header = server.forwarded_header.into();
        edge::Proxies::new(&server.trusted_proxies, header, server.proxy_protocol).unwrap_or_else(|error| {
            self.problem("server.trusted_proxies", format!("cannot be used: {error}"));
            edge::Proxies::default()
        })
    }

    fn database(&mut self) -> Option<DatabaseAddress> {
        let url = self.loaded.config.database.url.as_str();
        if let Some(file) = url.strip_prefix("sqlite:") {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file.starts_with(":memory:") {
                self.problem("database.url", "has to name a file: sqlite:data/pando.sqlite");
                return None;
            }
            return Some(DatabaseAddress::File(self.loaded.path(file.as_ref())));
        }
        // The URL may hold a password, so it is not repeated.
        // libpq's two forms: a URI, and keywords with values.
        if url.starts_with("postgres:") || url.starts_with("postgresql:") || url.contains('=') {
            return Some(DatabaseAddress::Server(url.to_owned()));
        }
        self.problem(
            "database.url",
            "has to begin with sqlite: and name a file (sqlite:data/pando.sqlite), or with postgres: and name a server",
        );
        None
    }

    fn api(&mut self) {
        let api = &self.loaded.config.api;
        if api.schemas.is_empty() || api.schemas.iter().any(String::is_empty) {
            self.problem("api.schemas", "has to name at least one schema");
        }
        let mut seen = std::collections::BTreeSet::new();
        if !api.schemas.iter().all(|schema| seen.insert(schema)) {
            self.problem("api.schemas", "names a schema twice");
        }
        if api.schemas.iter().any(|schema| schema == own_tables::SCHEMA) {
            self.problem("api.schemas", "cannot name the schema pando: what Pando keeps for itself is never served");
        }
        if api.docs == Docs::On && api.openapi_mode == OpenApiMode::Disabled {
            self.problem("api.docs", "needs the OpenAPI document, which api.openapi_mode switches off");
        }
        let is_address = |uri: &String| {
            let host = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'?' | b'#');
            host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && host.bytes().all(is_plain))
        };
        if api.openapi_server_proxy_uri.as_ref().is_some_and(|uri| !is_address(uri)) {
            self.problem(
                "api.openapi_server_proxy_uri",
                "has to be an address like https://gym.example.com/rest/v1, without a query",
            );
        }
    }

    /// PostgreSQL would refuse a wrong name at every request.
    fn application_settings(&mut self) {
        let is_part = |part: &str| {
            let mut characters = part.chars();
            characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && characters.all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '$'))
        };
        for name in self.loaded.config.database.application_settings.keys() {
            if !name.contains('.') || !name.split('.').all(is_part) {
                self.problem(
                    "database.application_settings",
                    format!(
                        "has the name {name:?}; PostgreSQL takes words of letters, digits and _ with dots between them, \
                         app.settings.name"
                    ),
                );
            }
        }
    }

    /// A function without a schema is looked for where names of requests are.
    fn pre_request(&mut self) -> Option<QualifiedName> {
        let text = self.loaded.config.database.pre_request.trim();
        if text.is_empty() {
            return None;
        }
        if self.loaded.config.database.url.starts_with("sqlite:") {
            self.problem(
                "database.pre_request",
                "needs a PostgreSQL server; on the embedded engine put what it checks into policies of row security",
            );
        }
        let (schema, name) = text.split_once('.').map_or(("", text), |(schema, name)| (schema, name));
        if name.is_empty() || (schema.is_empty() && text.contains('.')) {
            self.problem("database.pre_request", format!("has to name a function, schema.name, not {text:?}"));
        }
        Some(QualifiedName::new(schema, name))
    }

    /// A bound of 0 would refuse every request.
    fn limits(&mut self) {
        let names: Vec<String> = settings()
            .iter()
            .filter(|setting| setting.section == "limits" && !Limits::MAY_BE_ZERO.contains(&setting.key.as_str()))
            .map(|setting| setting.key.clone())
            .collect();
        let values = serde_json::to_value(&self.loaded.config.limits).unwrap_or_default();
        for name in names {
            if values.get(&name).and_then(serde_json::Value::as_u64) == Some(0) {
                self.problem(&format!("limits.{name}"), "has to be at least 1; 0 would refuse every request");
            }
        }
        for (name, value) in [
            ("database.slow_readers", self.loaded.config.database.slow_readers),
            ("database.write_queue", self.loaded.config.database.write_queue),
            ("database.migration_lock_attempts", self.loaded.config.database.migration_lock_attempts),
            ("database.connections", self.loaded.config.database.connections),
        ] {
            if value == 0 {
                self.problem(name, "has to be at least 1");
            }
        }
    }

    fn identity(&mut self, listener: Option<KeyListener>) -> IdentityConfig {
        let config = &self.loaded.config;
        let auth = &config.auth;
        let secret = self.secret();
        let identity = IdentityConfig {
            secret,
            secret_is_base64: auth.jwt_secret_is_base64,
            jwks_file: auth.jwks_file.as_ref().map(|file| self.loaded.path(file)),
            jwks_url: auth.jwks_url.clone(),
            audience: auth.audience.clone(),
            issuer: auth.issuer.clone(),
            role_claim: auth.role_claim.clone(),
            anonymous_role: Some(config.api.anonymous_role.as_str()).filter(|role| !role.is_empty()).map(Arc::from),
            leeway_seconds: auth.leeway_seconds,
            service_role: Arc::from(auth.service_role.as_str()),
            requires_api_key: auth.require_api_key,
            listener,
        };
        if auth.service_role.is_empty() {
            self.problem("auth.service_role", "is empty; name a role, such as service_role");
        }
        if auth.require_api_key && auth.api_keys == ApiKeys::Off {
            self.problem("auth.require_api_key", "needs keys, and auth.api_keys is \"off\"");
        }
        // Opened here without the address, to find what is wrong with keys before anything starts.
        let without_address = IdentityConfig { jwks_url: None, ..identity.clone() };
        if let Err(error) = identity::Verifier::open(without_address, Arc::new(base::SystemClock)) {
            let name = match &error {
                identity::IdentityError::RolePath { .. } => "auth.role_claim",
                identity::IdentityError::KeyFile { .. } => "auth.jwks_file",
                identity::IdentityError::KeySet { .. } if auth.jwks_file.is_some() => "auth.jwks_file",
                _ if auth.jwt_secret_file.is_some() => "auth.jwt_secret_file",
                _ => "auth.jwt_secret",
            };
            self.problem(name, format!("is not usable: {error}"));
        }
        let has_keys = identity.secret.is_some() || identity.jwks_file.is_some() || identity.jwks_url.is_some();
        if !has_keys && auth.jwt_secret_file.is_none() {
            self.warnings.push(
                "no key is configured (auth.jwt_secret, auth.jwks_file, auth.jwks_url): requests with a token are answered 500 (PGRST300)"
                    .to_owned(),
            );
        }
        identity
    }

    /// What is wrong with the login's settings is found before anything starts.
    fn login(&mut self, listen: Option<SocketAddr>) {
        let config = &self.loaded.config;
        let listen = listen.map(|address| address.to_string()).unwrap_or_default();
        if let Err((name, problem)) = config.login.settings(&listen, None, None) {
            self.problem(name, problem);
        }
        if let Err((name, problem)) = config.mail.texts(self.loaded) {
            self.problem(name, problem);
        }
        if let Err((name, problem)) = config.defence.check() {
            self.problem(name, problem);
        }
        if !config.defence.enabled && config.login.enabled != LoginEnabled::Off {
            self.warnings.push(super::defence::IS_OFF.to_owned());
        }
        match config.auth.secret.as_ref().map(|secret| identity::Derivation::new(secret.0.clone())) {
            Some(Err(identity::IdentityError::RootIsKeySet)) => {
                self.problem(
                    "auth.secret",
                    "is a JWK set, whose keys anybody may know; `openssl rand -base64 48` makes a good one",
                );
            }
            Some(Err(_)) => {
                self.problem(
                    "auth.secret",
                    "has to have at least 32 bytes; `openssl rand -base64 48` makes a good one",
                );
            }
            _ => {}
        }
        let path = config.auth.role_claim.trim_start_matches(['$', '.']);
        if config.login.enabled == LoginEnabled::On && path != "role" {
            self.problem(
                "auth.role_claim",
                "has to be role where auth.login.enabled is \"on\": the login's tokens have it there",
            );
        }
    }

    fn passwords(&mut self) -> login::password::Settings {
        let settings = self.loaded.config.password.settings(self.loaded);
        if let Err(error) = settings.check() {
            let (name, text) = match &error {
                PasswordError::OutOfBounds { name, value, least, most } => {
                    (*name, format!("is {value}; it has to be from {least} to {most}"))
                }
                other => ("[auth.password]", other.to_string()),
            };
            self.problem(name, text);
        }
        if let Some(Err(error)) = settings.leaked_list.as_deref().map(Leaked::open) {
            self.problem("auth.password.leaked_list", format!("is not usable: {error}"));
        }
        settings
    }

    fn secret(&mut self) -> Option<Secret> {
        let auth = &self.loaded.config.auth;
        let Some(file) = &auth.jwt_secret_file else {
            return auth.jwt_secret.clone().map(|secret| secret.0);
        };
        if auth.jwt_secret.is_some() {
            self.problem("auth.jwt_secret_file", "and auth.jwt_secret are both set; give the secret once");
            return None;
        }
        match std::fs::read_to_string(self.loaded.path(file)) {
            Ok(text) => Some(Secret::new(text.trim())),
            Err(error) => {
                self.problem(
                    "auth.jwt_secret_file",
                    format!("names {}, which cannot be read: {error}", file.display()),
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::configuration::load::{Sources, load};

    fn prepare(folder: &Path, file: &str) -> Result<Prepared, String> {
        let path = folder.join("pando.toml");
        std::fs::write(&path, file).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
        let prefix = format!("{}/", folder.display());
        Prepared::new(&loaded, None).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    /// The keys of a provider, which anybody may read.
    const PUBLISHED: &str =
        r#"'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'"#;

    #[test]
    fn keys_of_writes_are_kept_within_reason() {
        let folder = tempfile::tempdir().unwrap();
        for (more, expected) in [
            ("[idempotency]\nkeep_hours = 0", "idempotency.keep_hours has to lie between 1 and 8760"),
            ("[idempotency]\nmax_answer_bytes = 0", "idempotency.max_answer_bytes has to lie between 1 and"),
            ("[idempotency]\nmax_kept_mib = 0", "idempotency.max_kept_mib has to be at least 1"),
            ("[idempotency]\nrequired = [\"/payments\"]", "has \"/payments\"; it has to begin with /rest/v1"),
            (
                "[idempotency]\nenabled = \"off\"\nrequired = [\"/rest/v1\"]",
                "idempotency.required needs idempotency.enabled",
            ),
        ] {
            let error = prepare(folder.path(), more).unwrap_err();
            assert!(error.contains(expected), "{more}: {error}");
        }
        let prepared =
            prepare(folder.path(), "[idempotency]\nrequired = [\"/rest/v1/payments/\", \"/rest/v1\"]").unwrap();
        let required = prepared.idempotency.settings.map(|settings| settings.required);
        assert_eq!(required, Some(vec!["/payments".to_owned(), String::new()]));
    }

    #[test]
    fn nothing_follows_from_keys_that_may_be_public() {
        let folder = tempfile::tempdir().unwrap();
        for (more, expected) in [
            ("[audit]\nenabled = \"on\"", "audit.enabled is \"on\" and needs a secret"),
            ("[cache]\nurl = \"redis://host\"", "cache.url needs a secret"),
            ("[database]\nreplicas = [\"postgres://b/d\"]", "database.replicas needs a secret"),
        ] {
            let server = ("database.url", "postgres://a/d", "--set database.url");
            let refused = |secret: &str| {
                let path = folder.path().join("pando.toml");
                std::fs::write(&path, format!("[auth]\njwt_secret = {secret}\n{more}")).unwrap();
                let flags = vec![(server.0.to_owned(), server.1.to_owned(), server.2.to_owned())];
                let loaded = load(&Sources { file: Some(path), flags, ..Sources::default() }).unwrap();
                Prepared::new(&loaded, None).err().map(|error| error.to_string())
            };
            assert!(
                refused(PUBLISHED).is_some_and(|error| error.contains(expected)),
                "{more}: {:?}",
                refused(PUBLISHED)
            );
            assert_eq!(refused("'a secret of more than thirty-two bytes'"), None);
        }
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, format!("[auth]\njwt_secret = {PUBLISHED}")).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
        let prepared = Prepared::new(&loaded, None).unwrap();
        let derivation = crate::command::serve::sign_in::derivation(&loaded, &prepared, false);
        assert!(derivation.is_err(), "the file beside the database is asked for, and there is none");
        let error = prepare(folder.path(), &format!("[auth]\nsecret = {PUBLISHED}")).unwrap_err();
        assert!(error.contains("auth.secret is a JWK set"), "{error}");
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = "[server]\nlisten = \"localhost:9\"\nadmin_listen = \"\"\n[database]\nseed = \"\"";
        let prepared = prepare(folder.path(), file).unwrap();
        assert_eq!(prepared.listen.to_string(), "127.0.0.1:9");
        assert_eq!(prepared.admin_listen, None);
        assert_eq!(prepared.database, DatabaseAddress::File(folder.path().join("data/pando.sqlite")));
        assert_eq!(prepared.migrations, folder.path().join("migrations"));
        assert_eq!(prepared.seed, None);
        assert!(prepared.warnings.iter().any(|warning| warning.contains("PGRST300")));
        let prepared = prepare(folder.path(), "[database]\nurl = \"sqlite:///var/lib/x.db\"").unwrap();
        assert_eq!(prepared.database, DatabaseAddress::File("/var/lib/x.db".into()));
    }

    #[test]
    fn the_page_is_for_this_machine_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        for (listen, api, expected) in [
            ("127.0.0.1:8000", "", true),
            ("[::1]:8000", "", true),
            ("0.0.0.0:8000", "", false),
            ("192.0.2.1:8000", "", false),
            ("0.0.0.0:8000", "docs = \"on\"", true),
            ("127.0.0.1:8000", "docs = \"off\"", false),
            ("127.0.0.1:8000", "openapi_mode = \"disabled\"", false),
        ] {
            let file = format!("[server]\nlisten = \"{listen}\"\n[api]\n{api}");
            assert_eq!(prepare(folder.path(), &file).unwrap().docs, expected, "{file}");
        }
    }

    #[test]
    fn what_types_cannot_say_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("short"), "short\n").unwrap();
        let cases = [
            ("[server]\nlisten = \"8000\"", "pando.toml:2:1: server.listen has to be an address like"),
            ("[server]\nadmin_listen = \"127.0.0.1:8000\"", "pando.toml:2:1: server.admin_listen is the address of"),
            ("[server.tls]\nkey = \"k\"", "pando.toml:2:1: server.tls.key needs server.tls.certificate"),
            ("[server.tls]\ncertificate = \"c\"", "pando.toml:2:1: server.tls.certificate needs server.tls.key"),
            (
                "[server]\ntls.redirect_listen = \"127.0.0.1:80\"",
                "pando.toml:2:5: server.tls.redirect_listen needs server.tls.certificate",
            ),
            (
                "[server.tls]\ncertificate = \"c\"\nkey = \"k\"\nredirect_listen = \"127.0.0.1:8000\"",
                "pando.toml:4:1: server.tls.redirect_listen is an address that is in use already",
            ),
            (
                "[server.tls.acme]\ndomains = [\"a.test\"]",
                "default: server.tls.acme.agree_to_terms has to be true for a certificate of https://acme-v02.api.letsencrypt.org",
            ),
            (
                "[server.tls.acme]\nagree_to_terms = true\ndomains = [\"*.a.test\"]",
                "pando.toml:3:1: server.tls.acme.domains cannot be used: \"*.a.test\" is no domain to fetch a certificate for",
            ),
            (
                "[server.tls.acme]\nagree_to_terms = true\ndomains = [\"a.test\"]\ndirectory = \"http://ca.test\"",
                "pando.toml:4:1: server.tls.acme.directory cannot be used",
            ),
            (
                "[server.tls.acme]\nagree_to_terms = true\ndomains = [\"a.test\"]\nchallenge = \"http-01\"",
                "pando.toml:4:1: server.tls.acme.challenge needs server.tls.redirect_listen",
            ),
            (
                "[server.tls.acme]\nagree_to_terms = true\ndomains = [\"a.test\"]\ncontact = [\"me\"]",
                "pando.toml:4:1: server.tls.acme.contact has to be mail addresses",
            ),
            (
                "[server.tls.acme]\nagree_to_terms = true\ndomains = [\"a.test\"]\nexternal_account_key_id = \"k\"",
                "pando.toml:4:1: server.tls.acme.external_account_key_id needs server.tls.acme.external_account_hmac_key",
            ),
            (
                "[server.tls]\ncertificate = \"c\"\nkey = \"k\"\nacme = { agree_to_terms = true, domains = [\"a.test\"] }",
                "pando.toml:2:1: server.tls.certificate is not needed with server.tls.acme.domains",
            ),
            ("[server]\nproxy_protocol = true", "pando.toml:2:1: server.proxy_protocol needs server.trusted_proxies"),
            (
                "[server]\ntrusted_proxies = [\"10.0.0.0/33\"]",
                "pando.toml:2:1: server.trusted_proxies cannot be used: \"10.0.0.0/33\" is not a network",
            ),
            (
                "[server]\ntrusted_proxies = [\"0.0.0.0/0\"]",
                "pando.toml:2:1: server.trusted_proxies cannot be used: \"0.0.0.0/0\" contains every address",
            ),
            ("[database]\nurl = \"sqlite:\"", "pando.toml:2:1: database.url has to name a file"),
            ("[database]\nurl = \"data.db\"", "pando.toml:2:1: database.url has to begin with sqlite:"),
            ("[api]\nschemas = []", "pando.toml:2:1: api.schemas has to name at least one"),
            ("[api]\nschemas = [\"a\", \"a\"]", "pando.toml:2:1: api.schemas names a schema twice"),
            ("[api]\nschemas = [\"public\", \"pando\"]", "pando.toml:2:1: api.schemas cannot name the schema pando"),
            (
                "[api]\ndocs = \"on\"\nopenapi_mode = \"disabled\"",
                "pando.toml:2:1: api.docs needs the OpenAPI document",
            ),
            (
                "[api]\nopenapi_server_proxy_uri = \"gym.example.com\"",
                "pando.toml:2:1: api.openapi_server_proxy_uri has to be an address like",
            ),
            ("[telemetry]\nsample_ratio = 2", "pando.toml:2:1: telemetry.sample_ratio has to lie between 0 and 1"),
            ("[limits]\nmax_body_bytes = 0", "pando.toml:2:1: limits.max_body_bytes has to be at least 1"),
            (
                "[auth]\njwt_secret = \"short\"",
                "pando.toml:2:1: auth.jwt_secret is not usable: the JWT secret has 5 bytes",
            ),
            (
                "[auth]\njwt_secret_file = \"short\"",
                "pando.toml:2:1: auth.jwt_secret_file is not usable: the JWT secret has 5",
            ),
            (
                "[auth]\njwt_secret_file = \"nowhere\"",
                "pando.toml:2:1: auth.jwt_secret_file names nowhere, which cannot",
            ),
            (
                "[database.application_settings]\nname = \"x\"",
                "pando.toml:1:11: database.application_settings has the name \"name\"; PostgreSQL takes",
            ),
            (
                "[database.application_settings]\n\"app.a-b\" = \"x\"",
                "pando.toml:1:11: database.application_settings has the name \"app.a-b\"; PostgreSQL takes",
            ),
            (
                "[database]\nurl = \"postgres://h/d\"\npre_request = \".check\"",
                "pando.toml:3:1: database.pre_request has to name a function, schema.name, not \".check\"",
            ),
            ("[database]\npre_request = \"a.b\"", "pando.toml:2:1: database.pre_request needs a PostgreSQL server"),
            ("[database]\nconnections = 0", "pando.toml:2:1: database.connections has to be at least 1"),
            ("[auth]\nrole_claim = \"[\"", "pando.toml:2:1: auth.role_claim is not usable"),
            ("[auth]\njwks_file = \"nowhere\"", "pando.toml:2:1: auth.jwks_file is not usable"),
        ];
        for (file, expected) in cases {
            let error = prepare(folder.path(), file).unwrap_err();
            assert!(error.starts_with(expected), "{file:?}: {error}");
            assert!(!error.contains("u:p@"), "{error}");
        }
        assert!(prepare(folder.path(), "[limits]\nmax_embeds = 0").is_ok());
    }
}
