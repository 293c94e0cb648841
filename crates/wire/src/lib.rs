//! PostgreSQL's protocol, version 3: connections, and flights of statements under one Sync.
//!
//! A client of the usual kind sends one statement and waits. Here a [`Flight`] is several statements that travel together,
//! usually in one system call, and are one transaction: what a request of a web API needs (a role, its claims, a query)
//! costs one round trip. [`Connection::next`] gives what comes back, event by event; rows are looked at where they lie in
//! the read buffer.
//!
//! [`Target`] says where to connect, in libpq's words. The crate knows nothing of Pando.
//!
//! Where it follows: "Frontend/Backend Protocol" of PostgreSQL's documentation
//! (<https://www.postgresql.org/docs/current/protocol.html>) and the chapters on libpq beside it.
//!
//! What differs from libpq, always towards an error: a file of authorities or certificates that is named and missing is an
//! error in every `sslmode`; a certificate's common name does not count as a host name, and a self-signed certificate that
//! is an authority (`CA:TRUE`) cannot be a server's; a password file that others may read is an error once a password is
//! needed; where `connect_timeout` is not given, ten seconds are the bound. Revocation lists are not read
//! (`sslcrl` is refused, and `~/.postgresql/root.crl` is not looked for). `sslmode` has no meaning on a unix socket.

mod cancel;
mod channel;
mod connection;
mod convenience;
mod error;
mod flight;
mod input;
mod open;
mod parameters;
mod password_file;
mod password_verifier;
mod row;
mod server_error;
mod settings;
mod startup;
mod statements;
mod stream;
mod tls;

pub use cancel::Canceller;
pub use connection::{Connection, Event, Notification, Step, TransactionStatus};
pub use convenience::TextRow;
pub use error::{Attempt, ConnectError, Error, Problem};
pub use flight::{Flight, Format, Query};
pub use parameters::{
    ChannelBinding, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, Identity, Keepalives, Place, Roots, SessionAttributes,
    Target, TargetError, Tls, TlsMode,
};
pub use password_verifier::password_verifier;
pub use row::{Column, Row};
pub use server_error::ServerError;
pub use settings::Settings;
