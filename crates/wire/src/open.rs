//! Opening a connection: hosts in order, their addresses, TLS or not, and what the server has to be.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::net::lookup_host;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Attempt, ConnectError, Problem};
use crate::parameters::{Host, Place, SessionAttributes, Target, TlsMode};
use crate::startup::{Session, log_in, secure};
use crate::stream::{Address, Stream};
use crate::tls::{self, Handshake};
use crate::{Canceller, Connection, Error, Settings};

/// Where PostgreSQL's packages (the first) and its own build (the second) put the unix socket.
const USUAL_SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
/// The SQLSTATE of a server that starts, stops or recovers: the next host is tried.
const CANNOT_CONNECT_NOW: &str = "57P03";

impl Connection {
    /// Connects and logs in: hosts in order, each with all its addresses, as libpq does. A host that cannot be reached, or
    /// is not what `target_session_attrs` asks for, is passed over; one that refuses the login ends it.
    ///
    /// # Errors
    /// Nothing could be connected to; it lists what was tried.
    pub async fn open(target: &Target, settings: &Settings) -> Result<Self, ConnectError> {
        let mut opening = Opening { target, settings, config: None, attempts: Vec::new() };
        match opening.run().await {
            Some(connection) => Ok(connection),
            None => Err(ConnectError { attempts: opening.attempts }),
        }
    }
}

struct Opening<'a> {
    target: &'a Target,
    settings: &'a Settings,
    /// Made when it is first needed.
    config: Option<Arc<ClientConfig>>,
    attempts: Vec<Attempt>,
}

/// Whether to use TLS in one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Plain,
    /// With TLS if the server has it.
    Possible,
    Demanded,
}

impl Opening<'_> {
    async fn run(&mut self) -> Option<Connection> {
        let passes: &[SessionAttributes] = match self.target.session {
            SessionAttributes::PreferStandby => &[SessionAttributes::Standby, SessionAttributes::Any],
            _ => std::slice::from_ref(&self.target.session),
        };
        for wanted in passes {
            for host in self.in_order(&self.target.hosts) {
                match self.try_host(host, *wanted).await {
                    Outcome::Open(connection) => return Some(*connection),
                    Outcome::Next => {}
                    Outcome::Stop => return None,
                }
            }
        }
        None
    }

    /// In the order that was given, or in a random one.
    fn in_order<'t, T>(&self, items: &'t [T]) -> Vec<&'t T> {
        let mut items: Vec<(usize, &T)> = items.iter().enumerate().collect();
        if self.target.load_balances {
            // Seeded by the operating system, anew for every connection.
            let random = RandomState::new();
            items.sort_by_key(|(place, _)| random.hash_one(place));
        }
        items.into_iter().map(|(_, item)| item).collect()
    }

    async fn try_host(&mut self, host: &Host, wanted: SessionAttributes) -> Outcome {
        let addresses = match self.addresses(host).await {
            Ok(addresses) => addresses,
            Err(problem) => return self.note(host.label(), problem),
        };
        for address in self.in_order(&addresses) {
            match self.try_address(host, address, wanted).await {
                Outcome::Next => {}
                outcome => return outcome,
            }
        }
        Outcome::Next
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<Address>, Problem> {
        match &host.place {
            Place::Unix(folder) => Ok(vec![Address::Unix(host.socket(folder))]),
            Place::DefaultUnix => Ok(vec![Address::Unix(usual_socket(host))]),
            Place::Tcp { address: Some(address), .. } => Ok(vec![Address::Tcp(SocketAddr::new(*address, host.port))]),
            Place::Tcp { name, address: None } => {
                let looked_up = lookup_host((name.as_str(), host.port));
                let found = match self.target.connect_timeout {
                    None => looked_up.await,
                    Some(limit) => timeout(limit, looked_up).await.map_err(|_| Problem::Timeout(limit))?,
                };
                Ok(found.map_err(Problem::LookUp)?.map(Address::Tcp).collect())
            }
        }
    }

    async fn try_address(&mut self, host: &Host, address: &Address, wanted: SessionAttributes) -> Outcome {
        let label = label(host, address);
        let tried = match self.target.connect_timeout {
            None => self.try_encryptions(host, address, wanted, &label).await,
            Some(limit) => timeout(limit, self.try_encryptions(host, address, wanted, &label))
                .await
                .unwrap_or(Err(Problem::Timeout(limit))),
        };
        match tried {
            Ok(connection) => Outcome::Open(Box::new(connection)),
            Err(problem) => self.note(label, problem),
        }
    }

    /// What `sslmode` allows, one after the other. libpq's rule: `prefer` and `allow` go on to the other way when the
    /// server refuses the session, or TLS fails, but not when nobody answers at all.
    async fn try_encryptions(
        &mut self,
        host: &Host,
        address: &Address,
        wanted: SessionAttributes,
        label: &str,
    ) -> Result<Connection, Problem> {
        let mode = self.target.tls.mode;
        let (first, second) = match (address, mode) {
            (Address::Unix(_), _) | (_, TlsMode::Disable) => (Encryption::Plain, None),
            (_, TlsMode::Allow) => (Encryption::Plain, Some(Encryption::Demanded)),
            (_, TlsMode::Prefer) => (Encryption::Possible, Some(Encryption::Plain)),
            _ => (Encryption::Demanded, None),
        };
        let (problem, was_encrypted) = match self.try_one(host, address, wanted, first).await {
            Ok(connection) => return Ok(connection),
            Err(failure) => failure,
        };
        let may_go_on = matches!(problem, Problem::Server(_) | Problem::Tls(_));
        let was_another_way = was_encrypted || first == Encryption::Plain;
        let Some(second) = second.filter(|_| may_go_on && was_another_way) else { return Err(problem) };
        let way = if was_encrypted { "with TLS" } else { "without TLS" };
        self.attempts.push(Attempt { host: format!("{label} {way}"), problem });
        self.try_one(host, address, wanted, second).await.map_err(|(problem, _)| problem)
    }

    /// One try. An error tells whether TLS was used, or begun.
    async fn try_one(
        &mut self,
        host: &Host,
        address: &Address,
        wanted: SessionAttributes,
        encryption: Encryption,
    ) -> Result<Connection, (Problem, bool)> {
        let handshake = match (address, encryption) {
            (Address::Tcp(address), Encryption::Possible | Encryption::Demanded) => {
                Some(self.handshake(host, *address).await.map_err(|problem| (problem, false))?)
            }
            _ => None,
        };
        let opened = Stream::open(address, &self.target.keepalives).await;
        let mut stream = opened.map_err(|error| (Problem::Unreachable(error), false))?;
        if let Some(handshake) = &handshake {
            stream = secure(stream, handshake).await.map_err(|problem| (problem, true))?;
        }
        let is_encrypted = stream.is_encrypted();
        if encryption == Encryption::Demanded && !is_encrypted {
            return Err((Problem::NoTls, false));
        }
        let handshake = handshake.filter(|_| is_encrypted);
        self.session(host, address, wanted, stream, handshake).await.map_err(|problem| (problem, is_encrypted))
    }

    async fn handshake(&mut self, host: &Host, address: SocketAddr) -> Result<Handshake, Problem> {
        let target = self.target;
        let config = match &self.config {
            Some(config) => config.clone(),
            None => {
                let tls = target.tls.clone();
                let made = spawn_blocking(move || tls::configure(&tls)).await;
                let made = made.map_err(|_| Problem::File("reading the certificates was interrupted".to_owned()))?;
                self.config.insert(Arc::new(made.map_err(Problem::File)?)).clone()
            }
        };
        let name = match &host.place {
            Place::Tcp { name, .. } => name.as_str(),
            Place::Unix(_) | Place::DefaultUnix => "",
        };
        let name = tls::server_name(name, address.ip(), target.tls.mode).map_err(Problem::Tls)?;
        Ok(Handshake { config, name, is_direct: target.tls.is_direct })
    }

    async fn session(
        &self,
        host: &Host,
        address: &Address,
        wanted: SessionAttributes,
        stream: Stream,
        handshake: Option<Handshake>,
    ) -> Result<Connection, Problem> {
        let session = log_in(stream, self.target, self.settings, &name_in_password_file(host), host.port).await?;
        let Session { stream, input, parameters, process_id, secret_key } = session;
        let canceller = Canceller {
            address: address.clone(),
            keepalives: self.target.keepalives,
            handshake,
            timeout: self.target.connect_timeout,
            process_id,
            secret_key,
        };
        let mut connection = Connection::new(stream, input, parameters, canceller, self.settings);
        if is_wanted(&mut connection, wanted).await? {
            return Ok(connection);
        }
        // Nothing is lost if it cannot be told goodbye.
        let _closed = connection.close().await;
        Err(Problem::Session(wanted))
    }

    /// Keeps what happened and tells how to go on.
    fn note(&mut self, host: String, problem: Problem) -> Outcome {
        let goes_on = match &problem {
            Problem::LookUp(_) | Problem::Unreachable(_) | Problem::Timeout(_) | Problem::Session(_) => true,
            Problem::Failed(error) => matches!(error, Error::Io(_) | Error::Closed),
            Problem::Server(error) => error.code == CANNOT_CONNECT_NOW,
            _ => false,
        };
        self.attempts.push(Attempt { host, problem });
        if goes_on { Outcome::Next } else { Outcome::Stop }
    }
}

/// How to go on after a host or an address.
enum Outcome {
    Open(Box<Connection>),
    Next,
    Stop,
}

fn usual_socket(host: &Host) -> PathBuf {
    let all = USUAL_SOCKETS.map(|folder| host.socket(Path::new(folder)));
    let [first, second] = all;
    if second.exists() && !first.exists() { second } else { first }
}

fn label(host: &Host, address: &Address) -> String {
    match (&host.place, address) {
        (Place::Tcp { name, .. }, Address::Tcp(address)) if *name != address.ip().to_string() => {
            format!("{} ({})", host.label(), address.ip())
        }
        _ => host.label(),
    }
}

/// `localhost` stands for the usual unix sockets.
fn name_in_password_file(host: &Host) -> String {
    match &host.place {
        Place::Tcp { name, .. } => name.clone(),
        Place::Unix(folder) if !USUAL_SOCKETS.iter().any(|usual| folder == Path::new(usual)) => {
            folder.display().to_string()
        }
        Place::Unix(_) | Place::DefaultUnix => "localhost".to_owned(),
    }
}

/// Whether the server is what is asked for. PostgreSQL 14 says so by itself; others are asked.
async fn is_wanted(connection: &mut Connection, wanted: SessionAttributes) -> Result<bool, Problem> {
    let is_on = |connection: &Connection, name: &str| connection.parameter(name).map(|value| value == "on");
    Ok(match wanted {
        SessionAttributes::Any | SessionAttributes::PreferStandby => true,
        SessionAttributes::ReadWrite | SessionAttributes::ReadOnly => {
            let reported = is_on(connection, "in_hot_standby").zip(is_on(connection, "default_transaction_read_only"));
            let is_read_only = match reported {
                Some((is_standby, is_read_only)) => is_standby || is_read_only,
                None => ask(connection, "SHOW transaction_read_only", "on").await?,
            };
            is_read_only == (wanted == SessionAttributes::ReadOnly)
        }
        SessionAttributes::Primary | SessionAttributes::Standby => {
            let is_standby = match is_on(connection, "in_hot_standby") {
                Some(is_standby) => is_standby,
                None => ask(connection, "SELECT pg_catalog.pg_is_in_recovery()", "t").await?,
            };
            is_standby == (wanted == SessionAttributes::Standby)
        }
    })
}

async fn ask(connection: &mut Connection, question: &str, yes: &str) -> Result<bool, Problem> {
    let rows = connection.query(question, &[]).await?;
    Ok(rows.first().and_then(|row| row.get(0)) == Some(yes))
}
