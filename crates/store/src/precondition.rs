//! Writes that are only done if what their client saw still counts (`If-Match`, RFC 9110 section 13.1): a read, run in the
//! transaction of the write and before it, and what has to come of it.

use std::fmt;
use std::sync::Arc;

use base::{Failure, Kind};
use plan::Plan;

use crate::driver::{Ran, Rendered};
use crate::error::StoreError;

/// Judges what a read gave.
pub type Judges = Arc<dyn Fn(Ran) -> Result<(), Failure> + Send + Sync>;

/// What has to hold before a write.
#[derive(Clone)]
pub struct Precondition {
    /// The read. It is answered whole, so its plan expects nothing of its rows.
    pub plan: Arc<Plan>,
    /// The same in the engine's words.
    pub rendered: Arc<Rendered>,
    /// Whether what it gives is as it has to be; called inside of the transaction, so it must not block.
    pub judge: Judges,
}

impl fmt::Debug for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Precondition").finish_non_exhaustive()
    }
}

/// 412: it does not hold.
pub fn precondition_failed(details: impl Into<String>) -> Failure {
    Failure::new(Kind::Conflict, CODE, "What the request expects does not hold any more, so nothing was written")
        .with_details(details)
        .with_hint("Read the same URL again, with the same Accept and Prefer: count, and send the ETag of that answer.")
}

const CODE: &str = "PANDO412";

/// Whether this is what [`precondition_failed`] says.
pub(crate) fn is_failed(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused(failure) if failure.code == CODE)
}
