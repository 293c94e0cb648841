//! The front door: sockets, TLS, whose address it is, limits, CORS, request ids; the admin address.
//!
//! A request walks through [`front`](self) in this order, and no layer of anybody else lies between:
//! framing -> Host -> load -> preflight -> page at `/docs` -> files -> mount -> URI -> gate -> body -> decoding -> the [`Handler`] -> tag, condition, coding -> CORS, id, `Server-Timing` -> out.
//! A connection comes in through `intake.rs` (PROXY protocol, TLS, places) and is watched from its first moment
//! ([`EdgeLimits`]): whoever sends or takes too slowly is let go.
//! What the door refuses by itself is a [`base::Failure`] that `rest` turns into an answer, like every other one.

mod admin;
mod answer;
mod body;
mod challenge;
mod config;
mod connection;
mod cors;
mod crowd;
mod decode;
mod deliver;
mod docs;
mod entrance;
mod error;
mod follow;
mod forwarded;
mod framing;
mod front;
mod handler;
mod host;
mod intake;
mod listener;
mod mount;
mod pace;
mod policy;
mod proxies;
mod proxy_protocol;
mod redirect;
mod refusal;
mod request_id;
mod security;
mod site;
mod socket;
mod stream;
mod tls;
mod watch;

pub use challenge::Challenge;
pub use config::{AllowedOrigins, DeliveryConfig, EdgeConfig, EdgeLimits, PersonalAnswers, TlsConfig};
pub use error::EdgeError;
pub use handler::{Handler, Readiness, Reloaded};
pub use listener::{Addresses, Drained, Edge};
pub use mount::RESERVED;
pub use policy::PolicyHandle;
pub use proxies::{ForwardedHeader, NetworkError, Proxies};
pub use tls::{CertificateFiles, CertificatesHandle, FilesLook};
