//! Refusals of outcomes that are not what the request expects; the same on all engines.

use base::{Failure, Kind};

/// The refusal of more rows than `max-affected` allows.
pub(crate) fn too_many_affected(rows: u64) -> Failure {
    Failure::new(Kind::BadRequest, "PGRST124", "Query result exceeds max-affected preference constraint")
        .with_details(format!("The query affects {rows} rows"))
}

/// The refusal of anything but one row, where one was asked for.
pub(crate) fn not_single(rows: u64) -> Failure {
    Failure::new(Kind::NotAcceptable, "PGRST116", "Cannot coerce the result to a single JSON object")
        .with_details(format!("The result contains {rows} rows"))
}
