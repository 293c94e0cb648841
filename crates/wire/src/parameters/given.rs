use std::collections::BTreeMap;

/// The parameters of libpq that are honoured, with the variable of the environment each may come from.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("dbname", Some("PGDATABASE")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("options", Some("PGOPTIONS")),
    ("application_name", Some("PGAPPNAME")),
    ("fallback_application_name", None),
    ("client_encoding", Some("PGCLIENTENCODING")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("gssencmode", Some("PGGSSENCMODE")),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
];

/// Parameters that libpq has and this client does not support.
const UNSUPPORTED: &[&str] = &[
    "authtype",
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslpassword",
    "sslsni",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
];

/// Variables of the environment that would change whom libpq connects to or what it accepts, for parameters that are not
/// supported. To go on without them could be less safe than what was asked for.
const UNSUPPORTED_VARIABLES: &[&str] = &[
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGSERVICE",
    "PGSSLCERTMODE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
];

/// What is wrong with a connection string or its environment. No text of it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A NUL byte, which the protocol cannot carry.
    #[error("the connection string holds a NUL byte (in a URI: %00), which PostgreSQL's protocol cannot carry")]
    NulByte,
    /// `%` in a URI without two hexadecimal digits, or bytes that are not UTF-8.
    #[error(
        "the {part} of the connection URI is not percent-encoded UTF-8: after each % come two hexadecimal digits, and a \
         plain % is written %25"
    )]
    Encoding {
        /// Which part of the URI.
        part: &'static str,
    },
    /// `[` of an IPv6 address without its `]`, or something other than `:port` after it.
    #[error("a host of the connection URI starts with [ and does not end as [address] or [address]:port")]
    Ipv6,
    /// A part of the query without `=`, or with two.
    #[error("the query of the connection URI has to be name=value, joined by &; see the part {part}")]
    Query {
        /// Its number, from 1.
        part: usize,
    },
    /// A keyword without `=` after it.
    #[error(
        "in the connection string the keyword {keyword:?} has no = after it (or a value with a space has no quotes)"
    )]
    NoEquals {
        /// The keyword.
        keyword: String,
    },
    /// A quoted value that does not end.
    #[error("in the connection string the quoted value of {keyword:?} does not end")]
    Unterminated {
        /// Its keyword.
        keyword: String,
    },
    /// A word after the value of `password` that is no parameter: maybe a part of the password, so it is not shown.
    #[error(
        "in the connection string something after the value of password is no parameter: a value with spaces or quotes is \
         written in single quotes, with \\ before a quote or backslash in it"
    )]
    AfterPassword,
    /// An `@` where a URI has none, so that a part of a password may have been taken for something else.
    #[error(
        "the connection URI has an @ after its hosts, or two in front of them: in users, passwords and names, write @ as \
         %40, / as %2F, ? as %3F and : as %3A"
    )]
    At,
    /// A parameter that libpq does not know either.
    #[error("{name:?} is no parameter of a PostgreSQL connection")]
    Unknown {
        /// The parameter.
        name: String,
    },
    /// A parameter of libpq, or a variable for one, that this client does not support.
    #[error("the connection parameter {name} is not supported here: remove it")]
    Unsupported {
        /// The parameter or variable.
        name: &'static str,
    },
    /// A value out of what the parameter takes.
    #[error("the connection parameter {name} takes {expected}, not {value:?}")]
    Value {
        /// The parameter; never `password`.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// Lists that do not fit each other.
    #[error("the connection has {hosts} hosts and {others} {name}s: give one per host{or_one}")]
    Lists {
        /// How many hosts.
        hosts: usize,
        /// `port` or `hostaddr`.
        name: &'static str,
        /// How many of those.
        others: usize,
        /// Whether a single one would do as well.
        or_one: &'static str,
    },
    /// Nobody said who logs in.
    #[error("no user is given: add user=… (in a URI postgres://user@…), or set PGUSER")]
    NoUser,
    /// Two parameters that exclude each other.
    #[error("the connection parameter {name} cannot be combined with {other}: {why}")]
    Conflict {
        /// The first.
        name: &'static str,
        /// The other, with its value.
        other: String,
        /// Why.
        why: &'static str,
    },
}

/// What was given, by name. A later one replaces an earlier one, as in libpq.
#[derive(Default)]
pub(super) struct Parameters {
    values: BTreeMap<&'static str, String>,
}

impl Parameters {
    /// Takes a parameter in.
    pub fn set(&mut self, name: &str, value: String) -> Result<(), TargetError> {
        if let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) {
            self.values.insert(known, value);
            return Ok(());
        }
        match UNSUPPORTED.iter().find(|unsupported| **unsupported == name) {
            Some(name) => Err(TargetError::Unsupported { name }),
            None => Err(TargetError::Unknown { name: name.to_owned() }),
        }
    }

    /// Fills what is missing from the environment. An empty variable counts as none.
    pub fn complete(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<(), TargetError> {
        let is_set = |name: &&&str| environment(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = UNSUPPORTED_VARIABLES.iter().find(is_set) {
            return Err(TargetError::Unsupported { name });
        }
        for (name, variable) in KNOWN {
            let Some(variable) = variable else { continue };
            if self.values.contains_key(name) {
                continue;
            }
            if let Some(value) = environment(variable).filter(|value| !value.is_empty()) {
                if value.contains('\0') {
                    return Err(TargetError::NulByte);
                }
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    /// A value; an empty one counts as none, as in libpq.
    pub fn take(&mut self, name: &'static str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }
}
