use std::io;
use std::time::Duration;

use base::Limit;

use crate::ServerError;
use crate::parameters::SessionAttributes;

/// What went wrong on an open connection. Except for [`Error::Server`], [`Error::Query`] and [`Error::NothingAwaited`]
/// the connection is broken after it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network or TLS failed.
    #[error("the connection to PostgreSQL failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed the connection, in the middle of an answer or without one.
    #[error("PostgreSQL closed the connection unexpectedly")]
    Closed,
    /// The server sent something that the protocol does not allow here.
    #[error("the server broke PostgreSQL's protocol: {0}")]
    Protocol(String),
    /// A message of the server is longer than allowed.
    #[error("PostgreSQL announced a message of {bytes} bytes; allowed are {limit}")]
    TooLong {
        /// The length that the server announced.
        bytes: u64,
        /// The bound.
        limit: Limit,
    },
    /// More came than was allowed for the purpose.
    #[error("the answer of PostgreSQL is larger than allowed for this purpose ({0})")]
    TooMuch(Limit),
    /// An error that the server reported, where it is not an event.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// A query that cannot be sent. Nothing of it was.
    #[error("the query cannot be sent: {0}")]
    Query(&'static str),
    /// `next` was called while nothing is under way.
    #[error("no answer of PostgreSQL is awaited: send a flight first")]
    NothingAwaited,
    /// A statement began to copy data over the connection.
    #[error("COPY … FROM STDIN and COPY … TO STDOUT are not supported on this connection: use INSERT and SELECT")]
    Copy,
    /// The connection failed earlier, or sending was abandoned half-way.
    #[error("this connection is broken: open another one")]
    Broken,
}

impl Error {
    /// An error of reading or writing. A server that ends at once resets the connection, or leaves TLS without a goodbye.
    pub(crate) fn of_socket(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }

    pub(crate) fn malformed(message: &str) -> Self {
        Self::Protocol(format!("malformed {message}"))
    }
}

/// No server could be connected to. It lists every address that was tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to PostgreSQL: {}", sentences(.attempts))]
pub struct ConnectError {
    /// What was tried, in order; at least one.
    pub attempts: Vec<Attempt>,
}

impl ConnectError {
    /// The last error that a server reported, for its SQLSTATE.
    pub fn server(&self) -> Option<&ServerError> {
        self.attempts.iter().rev().find_map(|attempt| match &attempt.problem {
            Problem::Server(error) => Some(&**error),
            _ => None,
        })
    }
}

fn sentences(attempts: &[Attempt]) -> String {
    let sentences: Vec<String> =
        attempts.iter().map(|attempt| format!("{}: {}", attempt.host, attempt.problem)).collect();
    sentences.join("; ")
}

/// One try of [`ConnectError`].
#[derive(Debug)]
pub struct Attempt {
    /// The host, with the address where that is something else, and whether TLS was used.
    pub host: String,
    /// What went wrong.
    pub problem: Problem,
}

/// Why an address was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The name has no address.
    #[error("the name cannot be looked up ({0}): check the spelling, or give hostaddr")]
    LookUp(io::Error),
    /// Nobody answers there.
    #[error("{0}: check that the server runs and listens there, and that no firewall is in between")]
    Unreachable(io::Error),
    /// It took longer than `connect_timeout`.
    #[error("no connection within {} s (connect_timeout)", .0.as_secs())]
    Timeout(Duration),
    /// TLS was asked for.
    #[error("the server does not offer TLS, and sslmode asks for it: switch ssl on there, or choose a weaker sslmode")]
    NoTls,
    /// The handshake failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// A file of certificates, keys or passwords cannot be used.
    #[error("{0}")]
    File(String),
    /// The server refused.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// The server wants a password and there is none.
    #[error("the server asks for a password{0}")]
    NoPassword(String),
    /// The server and this client have no way in common to authenticate, or the server did not prove itself.
    #[error("authentication: {0}")]
    Authentication(String),
    /// The server is not what `target_session_attrs` asks for.
    #[error("the server is not what target_session_attrs asks for ({})", wanted(.0))]
    Session(SessionAttributes),
    /// The connection failed while it was opened.
    #[error("{0}")]
    Failed(Error),
}

fn wanted(session: &SessionAttributes) -> &'static str {
    match session {
        SessionAttributes::Any => "any",
        SessionAttributes::ReadWrite => "read-write",
        SessionAttributes::ReadOnly => "read-only",
        SessionAttributes::Primary => "primary",
        SessionAttributes::Standby => "standby",
        SessionAttributes::PreferStandby => "prefer-standby",
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Server(error) => Self::Server(error),
            other => Self::Failed(other),
        }
    }
}
