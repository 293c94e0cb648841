//! From parameters, which are text, to a [`Target`].

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base::Secret;

use super::given::{Parameters, TargetError};
use super::{
    ChannelBinding, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, Identity, Keepalives, Place, Roots, SessionAttributes,
    Target, Tls, TlsMode,
};

/// A name of a value and what it stands for.
type Choice<T> = (&'static str, T);

const TLS_MODES: &[Choice<TlsMode>] = &[
    ("disable", TlsMode::Disable),
    ("allow", TlsMode::Allow),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];
const SESSIONS: &[Choice<SessionAttributes>] = &[
    ("any", SessionAttributes::Any),
    ("read-write", SessionAttributes::ReadWrite),
    ("read-only", SessionAttributes::ReadOnly),
    ("primary", SessionAttributes::Primary),
    ("standby", SessionAttributes::Standby),
    ("prefer-standby", SessionAttributes::PreferStandby),
];
const BINDINGS: &[Choice<ChannelBinding>] =
    &[("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];
const WHOLE_SECONDS: &str = "whole seconds (or 0)";

/// Fills in the environment and the defaults and gives every value its type.
pub(super) fn resolve(
    mut given: Parameters,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Target, TargetError> {
    given.complete(environment)?;
    let home = environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    check_fixed(&mut given)?;
    let user = given.take("user").or_else(|| environment("USER").filter(|user| !user.is_empty()));
    let user = user.ok_or(TargetError::NoUser)?;
    if user.contains('\0') {
        return Err(TargetError::NulByte);
    }
    let fallback_name = given.take("fallback_application_name");
    Ok(Target {
        hosts: hosts(&mut given)?,
        database: given.take("dbname").unwrap_or_else(|| user.clone()),
        user,
        password: given.take("password").map(Secret::new),
        password_file: match given.take("passfile") {
            Some(file) => Some(PathBuf::from(file)),
            None => home.as_ref().map(|home| home.join(".pgpass")),
        },
        connect_timeout: connect_timeout(&mut given)?,
        options: given.take("options"),
        application_name: given.take("application_name").or(fallback_name),
        tls: tls(&mut given, home)?,
        keepalives: keepalives(&mut given)?,
        session: choice(&mut given, "target_session_attrs", SESSIONS, SESSION_NAMES)?.unwrap_or(SessionAttributes::Any),
        load_balances: choice(
            &mut given,
            "load_balance_hosts",
            &[("disable", false), ("random", true)],
            "disable or random",
        )?
        .unwrap_or(false),
        channel_binding: choice(&mut given, "channel_binding", BINDINGS, "disable, prefer or require")?
            .unwrap_or(ChannelBinding::Prefer),
    })
}

const SESSION_NAMES: &str = "any, read-write, read-only, primary, standby or prefer-standby";

/// Parameters that are known and can have one meaning only.
fn check_fixed(given: &mut Parameters) -> Result<(), TargetError> {
    if let Some(value) = given.take("client_encoding") {
        let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        if !plain.eq_ignore_ascii_case("utf8") {
            return Err(TargetError::Value { name: "client_encoding", value, expected: "UTF8" });
        }
    }
    // prefer means: without it, if the client has none; and this one has none.
    choice(given, "gssencmode", &[("disable", ()), ("prefer", ())], "disable or prefer (GSSAPI is not supported)")?;
    Ok(())
}

fn hosts(given: &mut Parameters) -> Result<Vec<Host>, TargetError> {
    let names = given.take("host").map(split_list);
    let addresses = given.take("hostaddr").map(split_list);
    let ports = given.take("port").map_or_else(|| vec![String::new()], split_list);
    let count = names.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    if let Some(addresses) = addresses.as_ref().filter(|addresses| addresses.len() != count) {
        return Err(TargetError::Lists { hosts: count, name: "hostaddr", others: addresses.len(), or_one: "" });
    }
    if ports.len() != 1 && ports.len() != count {
        let others = ports.len();
        return Err(TargetError::Lists { hosts: count, name: "port", others, or_one: ", or a single one" });
    }
    let at = |list: &Option<Vec<String>>, place: usize| {
        list.as_ref().and_then(|list| list.get(place)).map(String::as_str).unwrap_or_default().to_owned()
    };
    (0..count)
        .map(|place| {
            let port = ports.get(if ports.len() == 1 { 0 } else { place }).map(String::as_str).unwrap_or_default();
            Ok(Host { place: place_of(&at(&names, place), &at(&addresses, place))?, port: port_of(port)? })
        })
        .collect()
}

fn split_list(text: String) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).collect()
}

fn place_of(name: &str, address: &str) -> Result<Place, TargetError> {
    if !address.is_empty() {
        let expected = "an IPv4 or IPv6 address";
        let parsed: IpAddr = address.parse().map_err(|_| TargetError::Value {
            name: "hostaddr",
            value: address.to_owned(),
            expected,
        })?;
        let name = if name.is_empty() { address } else { name };
        return Ok(Place::Tcp { name: name.to_owned(), address: Some(parsed) });
    }
    if name.starts_with('@') {
        let expected = "a name, an address or the path of a folder (abstract sockets are not supported)";
        return Err(TargetError::Value { name: "host", value: name.to_owned(), expected });
    }
    Ok(match name {
        "" => Place::DefaultUnix,
        path if path.starts_with('/') => Place::Unix(PathBuf::from(path)),
        name => Place::Tcp { name: name.to_owned(), address: name.parse().ok() },
    })
}

fn port_of(text: &str) -> Result<u16, TargetError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| TargetError::Value {
        name: "port",
        value: text.to_owned(),
        expected: "a number from 1 to 65535",
    })
}

fn connect_timeout(given: &mut Parameters) -> Result<Option<Duration>, TargetError> {
    let Some(value) = given.take("connect_timeout") else { return Ok(Some(DEFAULT_CONNECT_TIMEOUT)) };
    // Zero and negative numbers wait without end.
    match value.trim().parse::<i32>() {
        Ok(seconds) => Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)),
        Err(_) => Err(TargetError::Value { name: "connect_timeout", value, expected: WHOLE_SECONDS }),
    }
}

fn tls(given: &mut Parameters, home: Option<PathBuf>) -> Result<Tls, TargetError> {
    let folder = home.map(|home| home.join(".postgresql"));
    let roots = match given.take("sslrootcert") {
        Some(name) if name == "system" => Roots::System,
        Some(file) => Roots::File(PathBuf::from(file)),
        None => Roots::Usual(folder.as_ref().map(|folder| folder.join("root.crt"))),
    };
    let expected = "disable, allow, prefer, require, verify-ca or verify-full";
    let mode = choice(given, "sslmode", TLS_MODES, expected)?;
    let mode = mode.unwrap_or(if roots == Roots::System { TlsMode::VerifyFull } else { TlsMode::Prefer });
    let called = |mode: TlsMode| TLS_MODES.iter().find(|choice| choice.1 == mode).map_or("", |choice| choice.0);
    if roots == Roots::System && mode != TlsMode::VerifyFull {
        let why =
            "anybody can have a certificate from such an authority, so that its name has to be verified (verify-full)";
        let other = format!("sslmode={}", called(mode));
        return Err(TargetError::Conflict { name: "sslrootcert=system", other, why });
    }
    let is_direct = choice(given, "sslnegotiation", &[("postgres", false), ("direct", true)], "postgres or direct")?;
    let is_direct = is_direct.unwrap_or(false);
    if is_direct && matches!(mode, TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer) {
        let why = "TLS that comes first cannot be left out (use require, verify-ca or verify-full)";
        let other = format!("sslmode={}", called(mode));
        return Err(TargetError::Conflict { name: "sslnegotiation=direct", other, why });
    }
    // The usual files are taken only where they are there, which is known when connecting.
    let usual = |name: &str| folder.as_ref().map(|folder| folder.join(name));
    let certificate = given.take("sslcert").map(PathBuf::from);
    let key = given.take("sslkey").map(PathBuf::from).or_else(|| usual("postgresql.key"));
    let is_usual = certificate.is_none();
    let identity =
        certificate.or_else(|| usual("postgresql.crt")).map(|certificate| Identity { certificate, key, is_usual });
    Ok(Tls { mode, roots, identity, is_direct })
}

fn keepalives(given: &mut Parameters) -> Result<Keepalives, TargetError> {
    let is_on = number(given, "keepalives", "1 (on) or 0 (off)")? != Some(0);
    let seconds = |seconds: Option<u32>| {
        seconds.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(u64::from(seconds)))
    };
    Ok(Keepalives {
        is_on,
        idle: seconds(number(given, "keepalives_idle", WHOLE_SECONDS)?),
        interval: seconds(number(given, "keepalives_interval", WHOLE_SECONDS)?),
        count: number(given, "keepalives_count", "a whole number (or 0)")?.filter(|count| *count > 0),
        user_timeout: number(given, "tcp_user_timeout", "whole milliseconds (or 0)")?
            .filter(|milliseconds| *milliseconds > 0)
            .map(|milliseconds| Duration::from_millis(u64::from(milliseconds))),
    })
}

fn number(given: &mut Parameters, name: &'static str, expected: &'static str) -> Result<Option<u32>, TargetError> {
    let Some(value) = given.take(name) else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| TargetError::Value { name, value, expected })
}

fn choice<T: Copy>(
    given: &mut Parameters,
    name: &'static str,
    choices: &[Choice<T>],
    expected: &'static str,
) -> Result<Option<T>, TargetError> {
    let Some(value) = given.take(name) else { return Ok(None) };
    match choices.iter().find(|choice| choice.0 == value) {
        Some(choice) => Ok(Some(choice.1)),
        None => Err(TargetError::Value { name, value, expected }),
    }
}
