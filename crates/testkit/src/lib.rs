//! Starts the built binary on free ports for tests, kills and restarts it, and asks it things over HTTP.
//!
//! Only tests use this crate: what goes wrong here is a failed test, so it panics with a sentence instead of giving
//! errors to callers that could do nothing else with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "for tests alone: a panic is how a test fails, and a test may look at the clock and the environment"
)]

mod chance;
mod clock;
pub mod fleet;
pub mod frames;
mod http;
mod link;
mod mail;
mod pebble;
mod pooler;
mod postgres;
mod project;
mod provider;
mod redis;
mod server;
mod tools;
mod varnish;

pub use chance::{Chance, more_steps};
pub use clock::FalseClock;
pub use fleet::Fleet;
pub use http::{Answer, Client, Request};
pub use link::{Blocked, Link};
pub use mail::MailServer;
pub use pebble::{Pebble, PebbleSettings, free_port};
pub use pooler::Pooler;
pub use postgres::{Cluster, Console, Postgres};
pub use project::{API_ALONE, Project, repository};
pub use provider::{CLIENT_ID, CLIENT_SECRET, Fault, Provider};
pub use redis::{Engine, Redis};
pub use server::{Launch, Refusal, Server};
pub use tools::{in_ci, is_skipped, tool};
pub use varnish::Varnish;
