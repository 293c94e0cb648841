//! The body of a write, cut into rows of cells.

mod csv;
mod form;
mod json;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::fault::Fault;
use crate::request::Payload;
use crate::settings::Limits;

/// Reads a body. With `columns`, those are the payload's columns, in this order; other keys are left out and
/// missing ones are [`crate::Cell::Missing`]. The body of a call holds arguments.
pub(crate) fn parse(
    headers: &HeaderMap,
    body: &Bytes,
    columns: Option<&[String]>,
    is_call: bool,
    limits: &Limits,
) -> Result<Payload, Fault> {
    let media_type = media_type(headers);
    let columns = columns.map(|names| names.iter().map(|name| Arc::from(name.as_str())).collect());
    match media_type.as_str() {
        "application/json" => json::parse(body, columns, limits),
        "text/csv" => csv::parse(body, columns, limits),
        "application/x-www-form-urlencoded" => form::parse(body, columns, is_call, limits),
        _ => Err(Fault::body(format!("Content-Type not acceptable: {media_type}"))),
    }
}

/// The media type of the body, in lower case and without parameters; JSON where none is given.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = given.as_deref().unwrap_or("application/json");
    given.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// The body as text.
fn text(body: &Bytes) -> Result<&str, Fault> {
    std::str::from_utf8(body).map_err(|error| {
        Fault::body_at(
            "The body is not valid UTF-8",
            format!("The first byte that is not part of UTF-8 text is byte {}.", error.valid_up_to() + 1),
        )
    })
}

/// Notes one more row of so many columns, up to the limits.
fn count_row(rows: usize, columns: usize, limits: &Limits) -> Result<(), Fault> {
    let rows = rows as u64 + 1;
    let limit = limits.max_payload_rows;
    if limit.is_exceeded_by(rows) {
        return Err(Fault::BodyLimit { what: "The number of rows in the body", limit });
    }
    let limit = limits.max_payload_cells;
    if limit.is_exceeded_by(rows.saturating_mul(columns as u64)) {
        return Err(Fault::BodyLimit { what: "The number of rows times columns in the body", limit });
    }
    Ok(())
}
