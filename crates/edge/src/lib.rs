//! The front door: sockets, limits, CORS, request ids; the admin address.
//!
//! A request walks through [`front`](self) in this order, and no layer of anybody else lies between:
//! Host -> load -> preflight -> page at `/docs` -> mount -> URI -> gate -> body -> the [`Handler`] -> CORS, id, `Server-Timing` -> out.
//! A connection is watched from its first moment ([`EdgeLimits`]): whoever sends or takes too slowly is let go.
//! What the door refuses by itself is a [`base::Failure`] that `rest` turns into an answer, like every other one.

mod admin;
mod answer;
mod body;
mod config;
mod connection;
mod cors;
mod docs;
mod entrance;
mod error;
mod follow;
mod front;
mod handler;
mod host;
mod listener;
mod mount;
mod policy;
mod refusal;
mod request_id;
mod socket;
mod watch;

pub use config::{AllowedOrigins, EdgeConfig, EdgeLimits};
pub use error::EdgeError;
pub use handler::{Handler, Readiness, Reloaded};
pub use listener::{Addresses, Drained, Edge};
pub use policy::PolicyHandle;
