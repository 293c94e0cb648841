//! Doing again what a connection was lost over.

use std::sync::atomic::{AtomicBool, Ordering};

/// The one repetition that a request has, over all servers: whatever ends the connection that it runs on may be the request
/// itself, and is not to go from server to server.
#[derive(Debug, Default)]
pub(super) struct Repetition(AtomicBool);

impl Repetition {
    /// Takes it; `false` if it was taken before.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
