//! Refusals of outcomes that are not what the request expects; the same on all engines.

use base::{Failure, Kind};
use plan::Expectation;

/// `max-affected`. On a function that reads, its rows count as affected.
pub(crate) fn check_affected(expectation: Expectation, rows: u64) -> Result<(), Failure> {
    match expectation.max_affected {
        Some(most) if rows > most => {
            Err(Failure::new(Kind::BadRequest, "PGRST124", "Query result exceeds max-affected preference constraint")
                .with_details(format!("The query affects {rows} rows")))
        }
        _ => Ok(()),
    }
}

/// The code of whatever wants one row and finds none or several.
pub(crate) const NOT_ONE_ROW: &str = "PGRST116";

/// One row, where one was asked for.
pub(crate) fn check_single(expectation: Expectation, rows: u64) -> Result<(), Failure> {
    if !expectation.exactly_one || rows == 1 {
        return Ok(());
    }
    Err(Failure::new(Kind::NotAcceptable, NOT_ONE_ROW, "Cannot coerce the result to a single JSON object")
        .with_details(format!("The result contains {rows} rows")))
}

/// That the one row which a `PUT` addresses is the one that it answers.
pub(crate) fn check_put(rows: u64) -> Result<(), Failure> {
    if rows == 1 {
        return Ok(());
    }
    Err(Failure::new(Kind::BadRequest, "PGRST115", "Payload values do not match URL in primary key column(s)"))
}
