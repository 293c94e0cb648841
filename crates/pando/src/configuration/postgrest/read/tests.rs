use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::configuration::load::{Loaded, Origin, Sources, load};
use crate::configuration::sections::{Config, Docs, LogRequests, TransactionEnd};

/// The sources, with a file if there is text for one. The folder lives as long as its guard.
fn sources(file: Option<&str>, environment: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    let postgrest = file.map(|text| {
        std::fs::write(&path, text).unwrap();
        path
    });
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (folder, Sources { postgrest, environment, ..Sources::default() })
}

fn read(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let (folder, sources) = sources(file, environment);
    let prefix = format!("{}/", folder.path().display());
    load(&sources).map_err(|error| error.to_string().replace(&prefix, "")).map(|mut loaded| {
        loaded.warnings.iter_mut().for_each(|warning| *warning = warning.replace(&prefix, ""));
        loaded
    })
}

fn config(file: &str) -> Config {
    read(Some(file), &[]).unwrap_or_else(|error| panic!("{file:?}: {error}")).config
}

fn warnings(loaded: &Loaded) -> Vec<&str> {
    loaded.warnings.iter().map(String::as_str).collect()
}

#[test]
fn the_defaults_are_those_of_postgrest() {
    let loaded = read(Some(""), &[]).unwrap();
    let config = &loaded.config;
    assert_eq!(config.server.listen, "0.0.0.0:3000");
    assert_eq!(config.server.admin_listen, "");
    assert_eq!(config.database.url, "postgresql://");
    assert_eq!(config.database.connections, 10);
    assert_eq!(config.database.wait_ms, 10_000);
    assert_eq!(config.database.prepared_statements, 256);
    assert_eq!(config.database.extra_search_path, ["public"]);
    assert!(!config.database.migrate_on_start);
    assert_eq!(config.database.migrations, PathBuf::new());
    assert_eq!(config.api.schemas, ["public"]);
    assert_eq!(config.api.anonymous_role, "");
    assert_eq!(config.api.max_rows, 0);
    assert!(!config.api.aggregates);
    assert_eq!(config.api.transaction_end, TransactionEnd::Commit);
    assert_eq!(config.api.docs, Docs::Off);
    assert_eq!(config.auth.jwt_secret, None);
    assert_eq!(config.auth.audience, None);
    assert_eq!(config.auth.role_claim, ".role");
    assert_eq!(config.log.requests, LogRequests::Failed);
    assert_eq!(loaded.origin("database.connections"), Origin::Postgrest);
    assert!(loaded.in_database.is_some());
    assert_eq!(loaded.warnings.len(), 0, "{:?}", loaded.warnings);
    let hoisted = ["statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"];
    assert_eq!(config.database.hoisted_settings, hoisted);
    assert_eq!(config.database.pre_request, "");
    let quiet = read(Some("db-hoisted-tx-settings = \"\""), &[]).unwrap();
    assert_eq!(quiet.warnings.len(), 0);
    assert!(quiet.config.database.hoisted_settings.is_empty());
}

/// As one finds it on servers: old names beside new ones, comments, both kinds of settings of the application.
const REAL: &str = r#"
# postgrest.conf
db-uri       = "postgres://authenticator:mysecretpassword@localhost:5433/app?sslmode=disable"
db-schema    = "api, private"      # the old name
db-anon-role = "web_anon"
db-extra-search-path = ""
max-rows     = 1000
db-pool      = "20"
db-pool-acquisition-timeout = 3
db-prepared-statements = off
db-tx-end    = "commit-allow-override"
db-aggregates-enabled = "True"
db-config    = false

server-host  = "127.0.0.1"
server-port  = 3001
server-cors-allowed-origins = "https://a.example.com, https://b.example.com"
server-timing-enabled = 1e0
admin-server-port = 3002

role-claim-key = ".\"https://example.com/claims\".role"
jwt-secret   = "$(MYAPP_SECRET)-with-a-$$-and-32-characters"
secret-is-base64 = false
jwt-aud      = "https://api.example.com"
openapi-server-proxy-uri = "https://api.example.com"
openapi-mode = "ignore-privileges"
log-level    = "warn"

app.settings.jwt_lifetime = 3600
"app.settings.jwt.secret" = "hidden-value"
"#;

#[test]
fn a_real_file() {
    let file = REAL.replace("server-timing-enabled = 1e0", "server-timing-enabled = \"1\"");
    let loaded = read(Some(&file), &[("MYAPP_SECRET", "from-outside")]).unwrap();
    let config = &loaded.config;
    assert!(config.database.url.starts_with("postgres://authenticator:"));
    assert_eq!(config.api.schemas, ["api", "private"]);
    assert_eq!(config.api.anonymous_role, "web_anon");
    assert!(config.database.extra_search_path.is_empty());
    assert_eq!(config.api.max_rows, 1_000);
    assert_eq!(config.database.connections, 20);
    assert_eq!(config.database.wait_ms, 3_000);
    assert_eq!(config.database.prepared_statements, 0);
    assert_eq!(config.api.transaction_end, TransactionEnd::CommitAllowOverride);
    assert!(config.api.aggregates);
    assert_eq!(config.server.listen, "127.0.0.1:3001");
    assert_eq!(config.server.admin_listen, "127.0.0.1:3002");
    assert_eq!(config.server.cors_origins, ["https://a.example.com", "https://b.example.com"]);
    assert!(config.server.server_timing);
    assert_eq!(config.auth.role_claim, ".\"https://example.com/claims\".role");
    let secret = config.auth.jwt_secret.as_ref().unwrap();
    assert_eq!(secret.0.expose(), "from-outside-with-a-$-and-32-characters");
    assert_eq!(config.auth.audience.as_deref(), Some("https://api.example.com"));
    assert_eq!(config.log.requests, LogRequests::Refused);
    let application: Vec<(&str, &str)> =
        config.database.application_settings.iter().map(|(name, value)| (name.as_str(), value.0.expose())).collect();
    assert_eq!(application, [("app.settings.jwt.secret", "hidden-value"), ("app.settings.jwt_lifetime", "3600")]);
    assert_eq!(loaded.in_database, None);
    assert_eq!(warnings(&loaded), Vec::<&str>::new());
    assert!(matches!(loaded.origin("api.max_rows"), Origin::File(_, 7, 1)), "{:?}", loaded.origin("api.max_rows"));
    // What was written as a number is none of true and false.
    assert_eq!(
        read(Some(REAL), &[("MYAPP_SECRET", "x")]).unwrap_err(),
        "postgrest.conf:18:1: server-timing-enabled has to be true or false"
    );
}

#[test]
fn the_environment_of_supabase() {
    let loaded = read(
        None,
        &[
            ("PGRST_DB_URI", "postgres://authenticator:password@db:5432/postgres"),
            ("PGRST_DB_SCHEMAS", "public,storage,graphql_public"),
            ("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions"),
            ("PGRST_DB_MAX_ROWS", "1000"),
            ("PGRST_DB_ANON_ROLE", "anon"),
            ("PGRST_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"),
            ("PGRST_DB_USE_LEGACY_GUCS", "false"),
            ("PGRST_APP_SETTINGS_JWT_SECRET", "super-secret-jwt-token-with-at-least-32-characters-long"),
            ("PGRST_APP_SETTINGS_JWT_EXP", "3600"),
            ("PGRST_ADMIN_SERVER_PORT", ""),
        ],
    )
    .unwrap();
    let config = &loaded.config;
    assert_eq!(config.api.schemas, ["public", "storage", "graphql_public"]);
    assert_eq!(config.database.extra_search_path, ["public", "extensions"]);
    assert_eq!(config.api.max_rows, 1_000);
    assert_eq!(config.api.anonymous_role, "anon");
    let names: Vec<&str> = config.database.application_settings.keys().map(String::as_str).collect();
    assert_eq!(names, ["app.settings.jwt_exp", "app.settings.jwt_secret"]);
    assert_eq!(warnings(&loaded), Vec::<&str>::new());
    assert_eq!(loaded.origin("api.schemas"), Origin::Environment("PGRST_DB_SCHEMAS".to_owned()));
}

#[test]
fn the_database_wins_over_the_environment_and_that_over_the_file() {
    let file = "db-schemas = \"a\"\ndb-max-rows = 1\ndb-anon-role = \"a\"\njwt-aud = \"a\"\napp.settings.X = \"a\"\n";
    let environment = [
        ("PGRST_DB_SCHEMAS", "b"),
        ("PGRST_DB_MAX_ROWS", "2"),
        ("PGRST_JWT_AUD", ""),
        ("PGRST_APP_SETTINGS_X", "b"),
        ("PANDO_SERVER_DRAIN_SECONDS", "7"),
    ];
    let (_folder, sources) = sources(Some(file), &environment);
    let said = BTreeMap::from([("pgrst.db_schemas".to_owned(), "c, d".to_owned())]);
    let loaded = load(&sources.with_database(said)).unwrap();
    assert_eq!(loaded.config.api.schemas, ["c", "d"]);
    assert_eq!(loaded.origin("api.schemas"), Origin::Database("pgrst.db_schemas".to_owned()));
    assert_eq!(loaded.config.api.max_rows, 2);
    assert_eq!(loaded.config.api.anonymous_role, "a");
    assert_eq!(loaded.config.auth.audience, None);
    assert_eq!(loaded.config.database.application_settings["app.settings.x"].0.expose(), "b");
    assert_eq!(loaded.config.server.drain_seconds, 7);
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("*", "0.0.0.0:3000"),
        ("*4", "0.0.0.0:3000"),
        ("!4", "0.0.0.0:3000"),
        ("*6", "[::]:3000"),
        ("!6", "[::]:3000"),
        ("localhost", "127.0.0.1:3000"),
        ("192.0.2.7", "192.0.2.7:3000"),
        ("::1", "[::1]:3000"),
    ] {
        assert_eq!(config(&format!("server-host = \"{host}\"")).server.listen, expected);
    }
    let admin = config("server-host = \"::1\"\nadmin-server-port = 3001").server.admin_listen;
    assert_eq!(admin, "[::1]:3001");
    let admin = config("admin-server-host = \"127.0.0.1\"\nadmin-server-port = 3001").server.admin_listen;
    assert_eq!(admin, "127.0.0.1:3001");
}

#[test]
fn files_that_values_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (uri, secret) = (write("uri", " host=/tmp dbname=app\n"), write("secret", " 32 characters, and a space  \n"));
    let config = config(&format!("db-uri = \"@{uri}\"\njwt-secret = \"@{secret}\""));
    assert_eq!(config.database.url, "host=/tmp dbname=app");
    assert_eq!(config.auth.jwt_secret.unwrap().0.expose(), " 32 characters, and a space  ");
    let error = read(Some("\njwt-secret = \"@/nowhere/secret\""), &[]).unwrap_err();
    assert!(
        error.starts_with("postgrest.conf:2:1: jwt-secret begins with @ and so names a file, which cannot be read: "),
        "{error}"
    );
    let large = write("large", &"x".repeat(1 << 21));
    let error = read(Some(&format!("jwt-secret = \"@{large}\"")), &[]).unwrap_err();
    assert!(error.contains("which has more than 1048576 bytes"), "{error}");
}

#[test]
fn what_changes_answers_or_security_stops_the_start() {
    for (file, expected) in [
        ("\ndb-root-spec = \"api.root\"", "postgrest.conf:2:1: db-root-spec is not honoured. "),
        ("root-spec = \"root\"", "postgrest.conf:1:1: root-spec is not honoured. "),
        ("server-unix-socket = \"/tmp/x\"", "postgrest.conf:1:1: server-unix-socket is not honoured. "),
        ("client-error-verbosity = \"minimal\"", "postgrest.conf:1:1: client-error-verbosity is not honoured. "),
        ("db-timezone-enabled = false", "postgrest.conf:1:1: db-timezone-enabled is not honoured. "),
    ] {
        let error = read(Some(file), &[]).unwrap_err();
        assert!(error.starts_with(expected), "{file:?}: {error}");
    }
    let error = read(None, &[("PGRST_DB_ROOT_SPEC", "root")]).unwrap_err();
    assert!(error.starts_with("PGRST_DB_ROOT_SPEC: db-root-spec is not honoured. "), "{error}");
    // Values under which nothing differs, and none.
    let same = "db-root-spec = \"\"\nclient-error-verbosity = \"verbose\"\ndb-timezone-enabled = true";
    assert_eq!(warnings(&read(Some(same), &[]).unwrap()), Vec::<&str>::new());
    let (_folder, sources) = sources(None, &[("PGRST_DB_URI", "postgres://h")]);
    let said = BTreeMap::from([("pgrst.db_root_spec".to_owned(), "root".to_owned())]);
    let error = load(&sources.with_database(said)).unwrap_err().to_string();
    assert!(error.starts_with("pgrst.db_root_spec in the database: db-root-spec is not honoured. "), "{error}");
}

#[test]
fn what_decides_about_transactions_and_plans() {
    let file = "pre-request = \"auth.check\"\ndb-hoisted-tx-settings = \"statement_timeout, work_mem\"\ndb-plan-enabled = true";
    let config = config(file);
    assert_eq!(config.database.pre_request, "auth.check");
    assert_eq!(config.database.hoisted_settings, ["statement_timeout", "work_mem"]);
    assert!(config.api.explain);
    let (_folder, sources) = sources(None, &[("PGRST_DB_URI", "postgres://h")]);
    let said = BTreeMap::from([("pgrst.db_pre_request".to_owned(), "check".to_owned())]);
    assert_eq!(load(&sources.with_database(said)).unwrap().config.database.pre_request, "check");
}

#[test]
fn the_channel_is_one_setting() {
    assert_eq!(config("").database.channel, "pgrst");
    assert_eq!(config("db-channel = \"other\"").database.channel, "other");
    assert_eq!(config("db-channel = \"other\"\ndb-channel-enabled = false").database.channel, "");
    let error = read(Some("db-channel-enabled = \"maybe\""), &[]).unwrap_err();
    assert!(error.contains("db-channel-enabled has to be true or false"), "{error}");
}

#[test]
fn what_is_harmless_is_warned_of() {
    for (line, expected) in [
        ("db-pool-max-lifetime = 60", "postgrest.conf:1:1: db-pool-max-lifetime is not honoured. "),
        ("db-pool-timeout = 60", "postgrest.conf:1:1: db-pool-timeout is not honoured. "),
        ("db-use-legacy-gucs = true", "postgrest.conf:1:1: db-use-legacy-gucs is not honoured. "),
        ("log-query = \"main-query\"", "postgrest.conf:1:1: log-query is not honoured. "),
        ("server-trace-header = \"X-Trace\"", "postgrest.conf:1:1: server-trace-header is not honoured. "),
        (
            "db-anon-rol = \"x\"",
            "postgrest.conf:1:1: db-anon-rol is not known to Pando; it is ignored; did you mean db-anon-role?",
        ),
    ] {
        let loaded = read(Some(line), &[]).unwrap();
        let warnings = warnings(&loaded);
        assert_eq!(warnings.len(), 1, "{line}: {warnings:?}");
        assert!(warnings[0].starts_with(expected), "{warnings:?}");
    }
    let loaded = read(None, &[("PGRST_DB_SCHEMA", "a"), ("PGRST_PORT", "tcp://10.0.0.1:80")]).unwrap();
    assert_eq!(warnings(&loaded), ["PGRST_PORT is not known to Pando; it is ignored"]);
    for line in ["server-trace-header = \"x-request-id\"", "log-query = false"] {
        assert_eq!(warnings(&read(Some(line), &[]).unwrap()), Vec::<&str>::new(), "{line}");
    }
}

#[test]
fn mistakes_name_their_place_and_the_way_out() {
    for (file, expected) in [
        ("server-port = \"many\"", "postgrest.conf:1:1: server-port has to be a port, 0 to 65535"),
        ("server-port = 70000", "postgrest.conf:1:1: server-port has to be a port, 0 to 65535"),
        ("server-host = \"example.com\"", "postgrest.conf:1:1: server-host has to be an IP address, localhost, "),
        ("db-pool = 0", "postgrest.conf:1:1: db-pool has to be a whole number from 1 to 4294967295"),
        ("db-pool = -1", "postgrest.conf:1:1: db-pool has to be a whole number from 1"),
        ("db-pool = 1.5", "postgrest.conf:1:1: db-pool has to be a whole number from 1"),
        ("max-rows = 0", "postgrest.conf:1:1: max-rows has to be a whole number from 1"),
        (
            "db-pool-acquisition-timeout = 1e12",
            "postgrest.conf:1:1: db-pool-acquisition-timeout has to be a whole number of",
        ),
        ("db-schemas = \"api, pg_catalog\"", "postgrest.conf:1:1: db-schemas has to be a list of schemas of your own"),
        ("db-schemas = [\"api\"]", "postgrest.conf:1:1: db-schemas has to be text in quotes with commas"),
        ("db-tx-end = \"never\"", "postgrest.conf:1:1: db-tx-end has to be one of commit, commit-allow-override"),
        ("openapi-mode = true", "postgrest.conf:1:1: openapi-mode has to be one of follow-privileges"),
        ("log-level = \"loud\"", "postgrest.conf:1:1: log-level has to be one of crit, error"),
        ("db-config = \"perhaps\"", "postgrest.conf:1:1: db-config has to be true or false"),
        ("\n\ndb-uri = postgres://u:hunter2@h/d", "postgrest.conf:3:10: text has to stand in quotes"),
        ("jwt-secret = \"hunter2$\"", "postgrest.conf:1:22: a $ alone has no meaning"),
        ("app.settings.x = [1]", "postgrest.conf:1:1: app.settings.x has to be text in quotes"),
    ] {
        let error = read(Some(file), &[]).unwrap_err();
        assert!(error.starts_with(expected), "{file:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn whole_numbers_may_be_written_in_any_way() {
    for (text, expected) in [("3e3", 3_000), ("3000.0", 3_000), ("\"3000\"", 3_000), ("\" 7 \"", 7)] {
        assert_eq!(config(&format!("db-max-rows = {text}")).api.max_rows, expected, "{text}");
    }
}
