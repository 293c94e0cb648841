//! Bodies of HTML forms: one row of texts.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::csv::pick;
use super::text;
use crate::fault::Fault;
use crate::query::decode_text;
use crate::request::{Cell, Payload};
use crate::settings::Limits;

/// Reads `a=1&b=x+y`. The fields of a call may be repeated, as the parameters of a query may.
pub(super) fn parse(
    body: &Bytes,
    columns: Option<Vec<Arc<str>>>,
    is_call: bool,
    limits: &Limits,
) -> Result<Payload, Fault> {
    let mut payload = Payload { columns: Vec::new(), rows: Vec::new(), is_array: false, raw: None };
    let mut seen = HashSet::new();
    let mut row = Vec::new();
    for piece in text(body)?.split(['&', ';']).filter(|piece| !piece.is_empty()) {
        let limit = limits.max_query_parameters;
        if limit.is_exceeded_by(row.len() as u64 + 1) {
            return Err(Fault::BodyLimit { what: "The number of fields in the form", limit });
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = decode(name, row.len())?;
        let value = decode(value, row.len())?;
        if !is_call && !seen.insert(name.clone()) {
            let details = format!("Field {} repeats {name:?}.", row.len() + 1);
            return Err(Fault::body_at("The form names a field twice", details));
        }
        payload.columns.push(Arc::from(name));
        row.push(Cell::Text(value));
    }
    payload.rows.push(row);
    Ok(match columns {
        Some(columns) => pick(payload, columns),
        None => payload,
    })
}

fn decode(raw: &str, index: usize) -> Result<String, Fault> {
    decode_text(raw, true)
        .map_err(|problem| Fault::body_at("The form cannot be decoded", format!("Field {} has {problem}.", index + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str) -> Result<Payload, Fault> {
        parse(&Bytes::from_static(body.as_bytes()), None, false, &Limits::default())
    }

    #[test]
    fn one_row_of_texts() {
        let payload = read("code=A&title=Air+port%21&x").unwrap();
        assert_eq!(payload.columns, [Arc::from("code"), Arc::from("title"), Arc::from("x")]);
        let texts = ["A", "Air port!", ""].map(|text| Cell::Text(text.to_owned()));
        assert_eq!(payload.rows, [texts.to_vec()]);
        assert!(!payload.is_array);
    }

    #[test]
    fn a_call_may_repeat_a_field() {
        let payload = parse(&Bytes::from_static(b"v=a&v=b"), None, true, &Limits::default()).unwrap();
        assert_eq!(payload.columns, [Arc::from("v"), Arc::from("v")]);
    }

    #[test]
    fn what_is_refused() {
        assert!(read("a=1&a=2").is_err());
        assert!(read("a=%FF").is_err());
        assert!(read("a=%4").is_err());
        assert!(read("a=%00").is_err());
    }
}
