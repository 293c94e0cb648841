//! An answer that is kept.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use delivery::Forms;
use store::{Body, Ran, Reply, Stamp};

/// An answer, with what has to be so for it to be shown again.
pub(super) struct Entry {
    pub(super) body: Bytes,
    pub(super) rows: u64,
    pub(super) total: Option<u64>,
    /// How things were before it was read; `None` where nobody tells of changes.
    pub(super) stamp: Option<Stamp>,
    /// When it was read, by the clock of this process.
    pub(super) read_at: Instant,
    /// In which order its moment was chosen.
    pub(super) moment: u64,
    /// The body in codings that clients have asked for.
    pub(super) forms: Arc<Forms>,
}

impl cache::Response for Entry {
    fn weight(&self) -> usize {
        // With room for the smaller forms, which come later.
        self.body.len()
            + self.body.len() / 2
            + size_of::<Self>()
            + size_of::<Forms>()
            + self.stamp.as_ref().map_or(0, Stamp::weight)
    }

    fn moment(&self) -> u64 {
        self.moment
    }
}

impl Entry {
    /// What running it would have given.
    pub(super) fn ran(&self) -> Ran {
        Ran {
            rows: self.rows,
            total: self.total,
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body: Body::Full(self.body.clone()),
        }
    }

    /// Whether another reading gave the same, in whatever order: rows that nothing orders come as they like.
    pub(super) fn is_like(&self, body: &Bytes, rows: u64, total: Option<u64>) -> bool {
        (self.rows, self.total) == (rows, total) && (self.body == *body || counted(&self.body) == counted(body))
    }
}

/// How often each byte stands in it.
fn counted(bytes: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    counts
}
