//! PostgREST's settings, those of versions 14 to 16 as its reference lists them and those that older ones had: what each
//! becomes here.
//! Source: <https://docs.postgrest.org/en/stable/references/configuration.html>.

/// A setting of PostgREST's.
#[derive(Debug)]
pub struct Known {
    /// Its name in the file.
    pub name: &'static str,
    /// Names that it had in older versions, and still has.
    pub aliases: &'static [&'static str],
    /// PostgREST's default as text; empty for none.
    pub default: &'static str,
    /// Whether the database may hold it (`ALTER ROLE ... SET pgrst.name_with_underscores`).
    pub in_database: bool,
    /// What it becomes.
    pub meaning: Meaning,
    /// What there is to know about it; for what is not honoured, why and what to do instead.
    pub remark: &'static str,
}

/// What a setting becomes.
#[derive(Debug, Clone, Copy)]
pub enum Meaning {
    /// This setting of Pando's, a text.
    Text(&'static str),
    /// This setting, `true` or `false`.
    Boolean(&'static str),
    /// This setting, a whole number from the least one on.
    Number(&'static str, u64),
    /// This setting, a number of seconds that is written in milliseconds there.
    Seconds(&'static str),
    /// This setting, a list that is written with commas.
    List(&'static str),
    /// `api.schemas`: a list in which PostgREST allows no catalog of the system.
    Schemas,
    /// This setting, one of these words.
    Word(&'static str, &'static [&'static str]),
    /// `log.level` and `log.requests`.
    LogLevel,
    /// `database.url`, with `@file`.
    DatabaseUri,
    /// `auth.jwt_secret`, with `@file`.
    Secret,
    /// The host of `server.listen`.
    Host,
    /// The port of `server.listen`.
    Port,
    /// The host of `server.admin_listen`.
    AdminHost,
    /// The port of `server.admin_listen`.
    AdminPort,
    /// `database.channel`, unless it is off.
    Channel,
    /// Whether there is a `database.channel`.
    ChannelEnabled,
    /// Whether the database is asked for settings.
    InDatabase,
    /// The function that makes settings in the database.
    PreConfig,
    /// Not honoured, and no answer to a request changes by that, or it is refused by itself: a warning, unless it has one
    /// of these values.
    Ignored(&'static [&'static str]),
    /// Not honoured, and answers or security would change: an error, unless it has one of these values.
    Refused(&'static [&'static str]),
}

#[cfg(test)]
impl Meaning {
    /// The settings of Pando's that it becomes.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Schemas => &["api.schemas", "api.legacy_schema_error"],
            Self::LogLevel => &["log.level", "log.requests"],
            Self::DatabaseUri => &["database.url"],
            Self::Secret => &["auth.jwt_secret"],
            Self::Channel | Self::ChannelEnabled => &["database.channel"],
            Self::Host | Self::Port => &["server.listen"],
            Self::AdminHost | Self::AdminPort => &["server.admin_listen"],
            _ => &[],
        }
    }

    /// The one setting of Pando's that it becomes.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Text(name)
            | Self::Boolean(name)
            | Self::Number(name, _)
            | Self::Seconds(name)
            | Self::List(name)
            | Self::Word(name, _) => Some(name),
            _ => None,
        }
    }
}

impl Known {
    /// `PGRST_DB_URI`.
    #[cfg(test)]
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// `pgrst.db_uri`.
    pub fn database_name(&self) -> String {
        format!("pgrst.{}", self.name.replace('-', "_"))
    }
}

/// The environment variable of a name in the file.
pub fn variable(name: &str) -> String {
    format!("PGRST_{}", name.replace('-', "_").to_uppercase())
}

const fn known(name: &'static str, default: &'static str, meaning: Meaning, remark: &'static str) -> Known {
    Known { name, aliases: &[], default, in_database: false, meaning, remark }
}

impl Known {
    const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn in_database(mut self) -> Self {
        self.in_database = true;
        self
    }
}

use Meaning::{
    AdminHost, AdminPort, Boolean, Channel, ChannelEnabled, DatabaseUri, Host, Ignored, InDatabase, List, LogLevel,
    Number, Port, PreConfig, Refused, Schemas, Seconds, Secret, Text, Word,
};

const OF_TESTS: &str = "It slows PostgREST down for its own tests.";
const GONE: &str = "PostgREST has no such setting since version 13 or longer, and ignores it as well.";

/// All of them but `app.settings.*`, in the order of the alphabet.
pub const KNOWN: &[Known] = &[
    known("admin-server-host", "", AdminHost, "As `server-host`, which it follows where it is not set."),
    known(
        "admin-server-port",
        "",
        AdminPort,
        "`/live`, `/ready` and `/metrics` are there; `/config` and `/schema_cache` are not.",
    ),
    known(
        "admin-server-unix-socket",
        "",
        Refused(&[]),
        "The admin address is TCP only; set `admin-server-port`, and leave this out.",
    ),
    known("admin-server-unix-socket-mode", "660", Ignored(&[]), "The admin address is TCP only."),
    known(
        "client-error-verbosity",
        "verbose",
        Refused(&["verbose"]),
        "Errors carry details and hints, which cannot be switched off; leave the setting out if clients may see them.",
    )
    .in_database(),
    known("db-aggregates-enabled", "false", Boolean("api.aggregates"), "").in_database(),
    known("db-anon-role", "", Text("api.anonymous_role"), "Without it requests without a token are refused.")
        .in_database(),
    known(
        "db-channel",
        "pgrst",
        Channel,
        "`NOTIFY pgrst` has schema and configuration read again, `'reload schema'` and `'reload config'` one of them.",
    ),
    known("db-channel-enabled", "true", ChannelEnabled, "`false` is an empty `database.channel`."),
    known(
        "db-config",
        "true",
        InDatabase,
        "Settings of the role that logs in (`ALTER ROLE ... SET pgrst.*`) are read at the start and win over the file \
         and the environment, as in PostgREST. `pando config` does not ask the database.",
    ),
    known("db-embed-default-join", "", Ignored(&["left"]), GONE),
    known("db-extra-search-path", "public", List("database.extra_search_path"), "").in_database(),
    known(
        "db-hoisted-tx-settings",
        "statement_timeout,plan_filter.statement_cost_limit,default_transaction_isolation",
        List("database.hoisted_settings"),
        "",
    )
    .in_database(),
    known("db-max-rows", "", Number("api.max_rows", 1), "Without it there is no bound.")
        .alias(&["max-rows"])
        .in_database(),
    known(
        "db-plan-enabled",
        "false",
        Boolean("api.explain"),
        "The plan is that of Pando's own statement, whose rows are not made JSON by PostgreSQL.",
    )
    .in_database(),
    known("db-pool", "10", Number("database.connections", 1), ""),
    known("db-pool-acquisition-timeout", "10", Seconds("database.wait_ms"), ""),
    known(
        "db-pool-automatic-recovery",
        "true",
        Ignored(&["true"]),
        "Lost connections are opened again; Pando does not end by itself.",
    ),
    known("db-pool-max-idletime", "30", Ignored(&[]), "Idle connections are kept open.").alias(&["db-pool-timeout"]),
    known("db-pool-max-lifetime", "1800", Ignored(&[]), "Connections are kept as long as they work."),
    known(
        "db-pre-config",
        "",
        PreConfig,
        "The function runs at the start, in a transaction that only reads and is rolled back; it may take 30 seconds.",
    )
    .in_database(),
    known(
        "db-pre-request",
        "",
        Text("database.pre_request"),
        "The document at `GET /` is made without asking the database, so it is not called for that.",
    )
    .alias(&["pre-request"])
    .in_database(),
    known(
        "db-prepared-statements",
        "true",
        Boolean("database.prepared_statements"),
        "`false` is 0 prepared statements, `true` is 256 for each connection.",
    )
    .in_database(),
    known(
        "db-root-spec",
        "",
        Refused(&[]),
        "`GET /` answers OpenAPI 3.1 that Pando makes; call the function as `/rpc/name`, and leave the setting out.",
    )
    .alias(&["root-spec"])
    .in_database(),
    known("db-schemas", "public", Schemas, "The old name means the old words, too: see `api.legacy_schema_error`.")
        .alias(&["db-schema"])
        .in_database(),
    known(
        "db-timezone-enabled",
        "true",
        Refused(&["true"]),
        "`Prefer: timezone` is always honoured, at no cost; leave the setting out.",
    )
    .in_database(),
    known(
        "db-tx-end",
        "commit",
        Word("api.transaction_end", &["commit", "commit-allow-override", "rollback", "rollback-allow-override"]),
        "",
    )
    .in_database(),
    known("db-uri", "postgresql://", DatabaseUri, "A URI, keywords with values, or `@file`."),
    known(
        "db-use-legacy-gucs",
        "false",
        Ignored(&["false"]),
        "Claims are in `request.jwt.claims` alone, as since version 12: read \
         `current_setting('request.jwt.claims', true)::json->>'name'`.",
    ),
    known("internal-schema-cache-load-sleep", "", Ignored(&[]), OF_TESTS),
    known("internal-schema-cache-query-sleep", "", Ignored(&[]), OF_TESTS),
    known("internal-schema-cache-relationship-load-sleep", "", Ignored(&[]), OF_TESTS),
    known("jwt-aud", "", Text("auth.audience"), "").in_database(),
    known("jwt-cache-max-entries", "1000", Ignored(&[]), "Verified tokens are remembered in a bound of Pando's own.")
        .in_database(),
    known(
        "jwt-cache-max-lifetime",
        "",
        Ignored(&[]),
        "Verified tokens are remembered until they expire, in a bound of Pando's own.",
    )
    .in_database(),
    known("jwt-role-claim-key", ".role", Text("auth.role_claim"), "").alias(&["role-claim-key"]).in_database(),
    known("jwt-secret", "", Secret, "A secret, a JWK, a JWK set, or `@file`.").in_database(),
    known("jwt-secret-is-base64", "false", Boolean("auth.jwt_secret_is_base64"), "")
        .alias(&["secret-is-base64"])
        .in_database(),
    known(
        "log-level",
        "error",
        LogLevel,
        "Which requests get a line: with `crit` and `error` those answered with 500 and more, with `warn` those with 400 \
         and more, with `info` all; `debug` adds what a developer wants to know.",
    ),
    known(
        "log-query",
        "false",
        Ignored(&["false", "disabled"]),
        "`PANDO_LOG_SLOW_QUERY_MS=1` logs the statements that take longer, without values.",
    ),
    known(
        "openapi-mode",
        "follow-privileges",
        Word("api.openapi_mode", &["follow-privileges", "ignore-privileges", "disabled"]),
        "The document is OpenAPI 3.1, not Swagger 2.0.",
    )
    .in_database(),
    known("openapi-security-active", "false", Ignored(&["true"]), "The document always says how to sign in.")
        .in_database(),
    known("openapi-server-proxy-uri", "", Text("api.openapi_server_proxy_uri"), "")
        .alias(&["server-proxy-uri"])
        .in_database(),
    known("raw-media-types", "", Ignored(&[]), GONE),
    known("server-cors-allowed-origins", "", List("server.cors_origins"), "").in_database(),
    known(
        "server-host",
        "!4",
        Host,
        "An IP address or `localhost`. `*`, `*4` and `!4` are 0.0.0.0; `*6` and `!6` are [::], where most systems take \
         IPv4 as well.",
    ),
    known(
        "server-otel-enabled",
        "false",
        Ignored(&["false"]),
        "`PANDO_TELEMETRY_OTLP_ENDPOINT=http://collector:4318` sends traces.",
    ),
    known("server-port", "3000", Port, ""),
    known(
        "server-reuseport",
        "false",
        Ignored(&["false"]),
        "An address belongs to one process, and a second one that asks for it is refused; put them behind a load balancer.",
    ),
    known("server-timing-enabled", "false", Boolean("server.server_timing"), "").in_database(),
    known(
        "server-trace-header",
        "",
        Ignored(&["X-Request-Id"]),
        "Answers carry `X-Request-Id`, the request's own where it brings one; other headers are not repeated.",
    )
    .in_database(),
    known(
        "server-unix-socket",
        "",
        Refused(&[]),
        "Pando listens on TCP only; set `server-host` and `server-port`, and leave this out.",
    ),
    known("server-unix-socket-mode", "660", Ignored(&[]), "Pando listens on TCP only."),
    known(
        "url-use-legacy-target-names",
        "true",
        Refused(&["true"]),
        "Filters, orders and limits may name an embedded table also where it has an alias, as PostgREST's default has it; leave \
         the setting out.",
    )
    .in_database(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::setting::settings;

    #[test]
    fn every_name_is_there_once_in_the_order_of_the_alphabet() {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        let aliases = KNOWN.iter().flat_map(|known| known.aliases);
        assert!(aliases.clone().all(|alias| !names.contains(alias)));
    }

    #[test]
    fn what_they_become_exists() {
        let settings: Vec<String> = settings().iter().map(super::super::super::setting::Setting::name).collect();
        for known in KNOWN {
            for name in known.meaning.settings().iter().copied().chain(known.meaning.setting()) {
                assert!(settings.iter().any(|setting| setting == name), "{}: {name}", known.name);
            }
            let needs_remark = matches!(known.meaning, Ignored(_) | Refused(_));
            assert!(!needs_remark || !known.remark.is_empty(), "{}", known.name);
        }
    }
}
