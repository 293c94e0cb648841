//! An answer that is kept.

use std::sync::Arc;
use std::time::Instant;

use base::Failure;
use bytes::Bytes;
use delivery::Forms;
use store::{Body, Ran, Reply, Stamp, StoreError};

use super::rule::Lifetime;

/// What a refusal is taken to weigh: its sentences.
const REFUSAL_BYTES: usize = 512;

/// An answer, with what has to be so for it to be shown again.
pub(super) struct Entry {
    /// Said in the place of the body, where the rows are not as many as the request wants.
    pub(super) refusal: Option<Arc<Failure>>,
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
            + self.refusal.as_ref().map_or(0, |_| REFUSAL_BYTES)
    }

    fn moment(&self) -> u64 {
        self.moment
    }
}

impl Entry {
    /// What running it would have given.
    pub(super) fn outcome(&self) -> Result<Ran, StoreError> {
        if let Some(refusal) = &self.refusal {
            return Err(StoreError::Refused(Box::new(Failure::clone(refusal))));
        }
        Ok(Ran {
            rows: self.rows,
            total: self.total,
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body: Body::Full(self.body.clone()),
        })
    }

    /// For how long it is shown by a rule that has others shown for so long.
    pub(super) fn lifetime(&self, usual: Lifetime) -> Lifetime {
        if self.refusal.is_some() { usual.of_refusals() } else { usual }
    }

    /// Whether another reading gave the same, in whatever order: rows that nothing orders come as they like. `None` where that failed.
    pub(super) fn is_like(&self, other: &Result<Ran, StoreError>) -> Option<bool> {
        match (&self.refusal, other) {
            (None, Ok(Ran { body: Body::Full(body), rows, total, .. })) => {
                let is_same = || self.body == *body || counted(&self.body) == counted(body);
                Some((self.rows, self.total) == (*rows, *total) && is_same())
            }
            (Some(refusal), Err(StoreError::Refused(other))) => {
                Some((&refusal.code, &refusal.details) == (&other.code, &other.details))
            }
            (Some(_), Ok(_)) => Some(false),
            (None, Err(error)) if error.is_about_rows() => Some(false),
            _ => None,
        }
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
