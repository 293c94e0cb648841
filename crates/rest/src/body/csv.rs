//! CSV bodies (RFC 4180): a header line, then rows. `NULL` is null; the empty field is the empty text.

use std::sync::Arc;

use bytes::Bytes;

use super::{count_row, text};
use crate::fault::Fault;
use crate::request::{Cell, Payload};
use crate::settings::Limits;

/// Reads a CSV body.
///
/// As in PostgREST the columns are those that the first row has fields for, and every row must have as many:
/// a column that no row gives keeps its default.
pub(super) fn parse(body: &Bytes, columns: Option<Vec<Arc<str>>>, limits: &Limits) -> Result<Payload, Fault> {
    let mut records = Records { rest: text(body)?, line: 1 };
    let Some(header) = records.next().transpose()? else {
        return Err(Fault::body("parse error (not enough input) at \"\""));
    };
    let mut names: Vec<Arc<str>> = header.into_iter().map(Arc::from).collect();
    refuse_duplicates(&names)?;
    let width = columns.as_ref().map_or(0, Vec::len);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    while let Some(record) = records.next().transpose()? {
        count_row(rows.len(), width.max(names.len()), limits)?;
        if rows.is_empty() {
            names.truncate(record.len());
        }
        if record.len() < names.len() {
            return Err(Fault::body("All lines must have same number of fields"));
        }
        rows.push(record.into_iter().take(names.len()).map(cell).collect());
    }
    let payload = Payload { columns: names, rows, is_array: true, raw: None };
    Ok(match columns {
        Some(columns) => pick(payload, columns),
        None => payload,
    })
}

fn cell(field: String) -> Cell {
    if field == "NULL" { Cell::Null } else { Cell::Text(field) }
}

fn refuse_duplicates(names: &[Arc<str>]) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().position(|name| !seen.insert(name)) {
        Some(index) => Err(Fault::body_at(
            "The header names a column twice",
            format!("Field {} of line 1 repeats {:?}.", index + 1, names.get(index).map_or("", |n| n)),
        )),
        None => Ok(()),
    }
}

/// Brings the rows into the form that `columns=` asks for.
pub(super) fn pick(payload: Payload, columns: Vec<Arc<str>>) -> Payload {
    let places: Vec<Option<usize>> =
        columns.iter().map(|name| payload.columns.iter().position(|found| found == name)).collect();
    let rows = payload
        .rows
        .into_iter()
        .map(|mut row| {
            let mut take = |place: &Option<usize>| {
                place
                    .and_then(|index| row.get_mut(index))
                    .map_or(Cell::Missing, |cell| std::mem::replace(cell, Cell::Missing))
            };
            places.iter().map(&mut take).collect()
        })
        .collect();
    Payload { columns, rows, is_array: payload.is_array, raw: None }
}

/// The records of a text; empty lines are none.
struct Records<'a> {
    rest: &'a str,
    line: usize,
}

impl Iterator for Records<'_> {
    type Item = Result<Vec<String>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            match self.line_break() {
                true => continue,
                false => return Some(self.record()),
            }
        }
    }
}

impl Records<'_> {
    fn record(&mut self) -> Result<Vec<String>, Fault> {
        let mut fields = Vec::new();
        loop {
            fields.push(self.field()?);
            if self.rest.is_empty() || self.line_break() {
                return Ok(fields);
            }
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => return Err(self.fault("Text follows a closing quote")),
            }
        }
    }

    fn field(&mut self) -> Result<String, Fault> {
        match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.quoted_field()
            }
            None => {
                let end = self.rest.find([',', '\n', '\r']).unwrap_or(self.rest.len());
                let (field, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
                if field.contains('"') {
                    return Err(self.fault("A quote stands inside of an unquoted field"));
                }
                self.rest = rest;
                Ok(field.to_owned())
            }
        }
    }

    /// The rest of a field behind its opening quote.
    fn quoted_field(&mut self) -> Result<String, Fault> {
        let start = self.line;
        let mut field = String::new();
        loop {
            let Some((inside, rest)) = self.rest.split_once('"') else {
                self.line = start;
                return Err(self.fault("A quoted field is never closed; it begins"));
            };
            field.push_str(inside);
            self.line += inside.matches('\n').count();
            match rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.rest = rest;
                }
                None => {
                    self.rest = rest;
                    return Ok(field);
                }
            }
        }
    }

    fn line_break(&mut self) -> bool {
        for mark in ["\r\n", "\n", "\r"] {
            if let Some(rest) = self.rest.strip_prefix(mark) {
                self.rest = rest;
                self.line += 1;
                return true;
            }
        }
        false
    }

    fn fault(&self, problem: &str) -> Fault {
        Fault::body_at("The body is not valid CSV", format!("{problem} in line {}.", self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str, columns: Option<&[&str]>) -> Result<Payload, Fault> {
        let columns = columns.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
        parse(&Bytes::from_static(body.as_bytes()), columns, &Limits::default())
    }

    fn shown(payload: &Payload) -> String {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => format!("{text:?}"),
            other => format!("{other:?}"),
        };
        let rows: Vec<String> =
            payload.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
        format!("{} | {}", payload.columns.join(" "), rows.join(" | "))
    }

    #[test]
    fn bodies_as_recorded() {
        for (body, expected) in [
            (
                "code,title,priority\nA,Airport,1\nB,\"Bay, \"\"big\"\"\",2\n",
                r#"code title priority | "A" "Airport" "1" | "B" "Bay, \"big\"" "2""#,
            ),
            ("code,title\nA,Airport", r#"code title | "A" "Airport""#),
            ("code,title\r\nA,Airport\r\n", r#"code title | "A" "Airport""#),
            ("code,title,priority\nA,NULL,1\n", r#"code title priority | "A" Null "1""#),
            ("code,title\nA,\n", r#"code title | "A" """#),
            ("code,title\nA\n", r#"code | "A""#),
            ("code,title\n", "code title | "),
            ("a\n\"x\ny\"\n\nz", "a | \"x\\ny\" | \"z\""),
        ] {
            assert_eq!(shown(&read(body, None).unwrap()), expected, "{body:?}");
        }
    }

    #[test]
    fn columns_are_picked() {
        let payload = read("a,b,c\n1,2,3\n", Some(&["c", "x", "a"])).unwrap();
        assert_eq!(shown(&payload), r#"c x a | "3" Missing "1""#);
    }

    #[test]
    fn what_is_refused() {
        for (body, expected) in [
            ("", "parse error (not enough input) at \"\""),
            ("a,b\n1,2\n3\n", "All lines must have same number of fields"),
            ("a,a\n1,2\n", "The header names a column twice"),
            ("a\n\"x\n", "The body is not valid CSV"),
            ("a\n\"x\"y\n", "The body is not valid CSV"),
            ("a\nx\"y\n", "The body is not valid CSV"),
        ] {
            assert_eq!(read(body, None).unwrap_err().to_string(), expected, "{body:?}");
        }
        let Fault::Body { details, .. } = read("a\n1\n\"x\n\n", None).unwrap_err() else { panic!() };
        assert_eq!(details.as_deref(), Some("A quoted field is never closed; it begins in line 3."));
    }
}
