//! What all nodes remember for a while: how often something was done, how many different ones did it, and small values.
//!
//! The promise is [`Cache`]. There are two drivers, chosen by the configuration: the memory of this process, which needs nothing,
//! and Redis or Valkey, which several nodes share. [`open`] is the only way in, and one suite (`tests/conformance.rs`) runs
//! unchanged on both.
//!
//! When a shared server is gone, nobody waits for it and no door opens: this process counts by itself, with the configured share
//! of every bound, until the server is back (`guarded.rs`, `watched.rs`).
//!
//! Whole answers are kept by [`Responses`], in memory or on such a server as well.

mod bounded;
mod config;
mod driver;
mod error;
mod guarded;
mod key;
mod memory;
mod rate;
mod remote;
mod responses;
mod tally;
mod watched;

use std::sync::Arc;

use base::Clock;

pub use bounded::{Bounded, Weight};
pub use config::{Config, Event, Listener};
pub use driver::{BoxFuture, Cache, Charged, Health, MOST_MEMBERS, MOST_VALUE_BYTES, Mode};
pub use error::CacheError;
pub use key::{Key, Keys, Member};
pub use rate::{Charge, LONGEST, MOST_PER_SECOND, Rate, Verdict};
pub use responses::{Expiry, MemoryResponses, Portable, RemoteResponses, Response, ResponseKey, Responses};
pub use tally::{Tallied, Tally};

/// Opens the driver that the configuration names. A server that does not answer is no error: it is looked for in the background,
/// so this has to be called on the runtime.
///
/// # Errors
/// [`CacheError::Url`] when nothing can be made of the address, [`CacheError::Authority`] when its authorities cannot be read.
pub fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn Cache>, CacheError> {
    let local = memory::Memory::new(config.max_entries, clock.clone());
    match &config.url {
        None => Ok(Arc::new(local)),
        Some(url) => {
            let remote = remote::Redis::new(url.expose(), config)?;
            Ok(Arc::new(guarded::Guarded::watch(remote, local, config, clock)))
        }
    }
}

/// Checks an address as [`open`] does, without asking anybody.
///
/// # Errors
/// [`CacheError::Url`] with what is wrong, never with the address itself: it may hold a password.
pub fn check_url(url: &str) -> Result<(), CacheError> {
    remote::client(url, None).map(drop)
}
