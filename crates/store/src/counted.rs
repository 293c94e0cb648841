//! Counting those who are somewhere, as the metrics tell it: also those who leave in the middle are counted out.

use std::sync::atomic::{AtomicU64, Ordering};

/// One who is counted while this is there. A future that is dropped while it waits, as that of a client that leaves, takes it
/// along.
pub(crate) struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    /// Counts one in.
    pub(crate) fn among(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
