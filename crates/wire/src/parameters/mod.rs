//! Where to connect: what libpq's connection strings and environment variables say.
//!
//! Follows "Database Connection Control Functions" of PostgreSQL's documentation
//! (<https://www.postgresql.org/docs/current/libpq-connect.html>). A parameter that is not supported is refused by name:
//! none is ignored.

mod given;
mod keyword;
mod resolve;
#[cfg(test)]
mod tests;
mod uri;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base::Secret;

pub use given::TargetError;

/// The port that PostgreSQL listens on if nothing else is said.
pub const DEFAULT_PORT: u16 = 5432;
/// How long a connection may take to be opened where nothing is said, per address. libpq waits without end; nothing in
/// Pando does. `connect_timeout=0` asks for that.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where to connect, as whom and how: the outcome of reading a connection string. Its `Debug` shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The servers, tried in order (or in a random one, see `load_balances`). At least one.
    pub hosts: Vec<Host>,
    /// The role that logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password that was given; otherwise `password_file` is looked into, once the server asks for one.
    pub password: Option<Secret>,
    /// The file with passwords (`passfile`, by default `~/.pgpass`), read when connecting.
    pub password_file: Option<PathBuf>,
    /// How long one address may take, TLS and authentication included. `None` waits without end.
    pub connect_timeout: Option<Duration>,
    /// Settings for the session (`options`), for example `-c search_path=app`.
    pub options: Option<String>,
    /// The name that `pg_stat_activity` shows.
    pub application_name: Option<String>,
    /// Whether and how connections are encrypted.
    pub tls: Tls,
    /// TCP's keepalives.
    pub keepalives: Keepalives,
    /// What the server has to be.
    pub session: SessionAttributes,
    /// Whether hosts and their addresses are tried in random order (`load_balance_hosts=random`).
    pub load_balances: bool,
    /// Whether SCRAM binds to the TLS channel.
    pub channel_binding: ChannelBinding,
}

/// One server of a [`Target`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Where it is.
    pub place: Place,
    /// The port; a unix socket has it in its file name.
    pub port: u16,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A name or an address, and the address to use instead of looking the name up (`hostaddr`).
    Tcp {
        /// The name: looked up, compared with the certificate, and looked for in the password file.
        name: String,
        /// The address, when it was given apart.
        address: Option<IpAddr>,
    },
    /// The folder of a unix socket.
    Unix(PathBuf),
    /// Nothing was said: the folder that PostgreSQL was built with, `/var/run/postgresql` or `/tmp`.
    DefaultUnix,
}

impl Host {
    /// The name to call it by in a message: `name:port` or the socket's path.
    pub fn label(&self) -> String {
        match &self.place {
            Place::Tcp { name, .. } => format!("{name}:{}", self.port),
            Place::Unix(folder) => self.socket(folder).display().to_string(),
            Place::DefaultUnix => format!("the local socket of port {}", self.port),
        }
    }

    /// The file of the socket in a folder.
    pub(crate) fn socket(&self, folder: &std::path::Path) -> PathBuf {
        folder.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// How TLS is used. It is never used on a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether it is used, and what is verified.
    pub mode: TlsMode,
    /// Whom to trust.
    pub roots: Roots,
    /// The certificate to show to a server that asks for one.
    pub identity: Option<Identity>,
    /// Whether the first bytes are TLS already (`sslnegotiation=direct`, PostgreSQL 17).
    pub is_direct: bool,
}

/// The client's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate with its chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM, not encrypted), readable by its owner only.
    pub key: Option<PathBuf>,
    /// Whether the certificate is only looked for at libpq's usual place (`~/.postgresql/postgresql.crt`): then it may be
    /// missing.
    pub is_usual: bool,
}

/// `sslmode`, with libpq's meaning. When a file with authorities is there (`sslrootcert`, or
/// `~/.postgresql/root.crt`), the chain is verified in every mode that uses TLS: `require` is then `verify-ca`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never TLS.
    Disable,
    /// Without TLS first; with it, if the server refuses.
    Allow,
    /// With TLS first; without it, if the server has none or refuses.
    Prefer,
    /// TLS, whoever the server is, unless there is a file with authorities.
    Require,
    /// TLS, and the certificate comes from an authority that is trusted.
    VerifyCa,
    /// The same, and the certificate is for the host's name (or address).
    VerifyFull,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The file at libpq's usual place, if it is there.
    Usual(Option<PathBuf>),
    /// A file (PEM); as in libpq it may be missing unless the mode verifies.
    File(PathBuf),
    /// The authorities of the machine; only with [`TlsMode::VerifyFull`].
    System,
}

/// `channel_binding`: whether SCRAM proves that the TLS channel ends at the server that knows the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// No.
    Disable,
    /// If the server can.
    Prefer,
    /// Nothing else will do.
    Require,
}

/// `target_session_attrs`: what a server has to be, so that it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttributes {
    /// Any server.
    Any,
    /// Transactions can write.
    ReadWrite,
    /// Transactions cannot write.
    ReadOnly,
    /// It is not in hot standby.
    Primary,
    /// It is in hot standby.
    Standby,
    /// A standby, or any server if there is none.
    PreferStandby,
}

/// `keepalives`, `keepalives_idle`, `keepalives_interval`, `keepalives_count` and `tcp_user_timeout`. `None` leaves the
/// machine's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether they are sent at all.
    pub is_on: bool,
    /// Quiet time before the first.
    pub idle: Option<Duration>,
    /// Time between two.
    pub interval: Option<Duration>,
    /// How many may stay unanswered.
    pub count: Option<u32>,
    /// How long sent data may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

impl Target {
    /// Reads a URI (`postgres://…`) or a string of keywords and values (`host=… user=…`), both as libpq does, and the
    /// variables of the environment that libpq knows (`PGHOST`, `PGUSER`… and `HOME` for the usual files) through
    /// `environment`. What the string says goes first. The user's default is `PGUSER`, then `USER`.
    ///
    /// # Errors
    /// A text that is malformed, a parameter that is unknown or not supported, a value out of its range, lists of hosts
    /// and ports of different lengths. No error shows a value of `password`.
    pub fn parse(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, TargetError> {
        if text.contains('\0') {
            return Err(TargetError::NulByte);
        }
        let given = if uri::is_uri(text) { uri::parse(text)? } else { keyword::parse(text)? };
        resolve::resolve(given, environment)
    }
}
