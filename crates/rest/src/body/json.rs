//! JSON bodies, read without loss: the values are validated and stay slices of the body, digits and all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use base::Limit;
use bytes::Bytes;

use super::{count_row, text};
use crate::fault::Fault;
use crate::request::{Cell, Payload};
use crate::settings::Limits;

/// Reads an object, or an array of objects that all have the same keys.
pub(super) fn parse(body: &Bytes, columns: Option<Vec<Arc<str>>>, limits: &Limits) -> Result<Payload, Fault> {
    let mut scanner = Scanner::new(text(body)?, limits.max_json_depth);
    let mut rows = Rows::new(body, columns);
    let is_array = match scanner.after_blanks() {
        Some(b'{') => {
            rows.object(&mut scanner)?;
            false
        }
        Some(b'[') => {
            rows.array(&mut scanner, limits)?;
            true
        }
        _ => {
            scanner.value()?;
            rows.is_scalar = true;
            false
        }
    };
    scanner.end()?;
    if rows.is_scalar {
        return Err(Fault::body_at(
            "The body must be an object or an array of objects",
            "A single JSON value that is neither names no columns.",
        ));
    }
    if rows.differ {
        return Err(Fault::body("All object keys must match"));
    }
    Ok(Payload { columns: rows.columns, rows: rows.rows, is_array, raw: None })
}

/// The rows read so far.
struct Rows<'b> {
    body: &'b Bytes,
    columns: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
    /// Whether `columns=` fixed the columns; otherwise the first row does.
    is_fixed: bool,
    rows: Vec<Vec<Cell>>,
    /// Whether some row has other keys than the first, or is no object at all.
    differ: bool,
    is_scalar: bool,
}

impl<'b> Rows<'b> {
    fn new(body: &'b Bytes, columns: Option<Vec<Arc<str>>>) -> Self {
        let is_fixed = columns.is_some();
        let columns = columns.unwrap_or_default();
        let places = columns.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        Self { body, columns, places, is_fixed, rows: Vec::new(), differ: false, is_scalar: false }
    }

    fn array(&mut self, scanner: &mut Scanner<'_>, limits: &Limits) -> Result<(), Fault> {
        scanner.enter()?;
        scanner.take(b'[')?;
        if scanner.after_blanks() == Some(b']') {
            scanner.leave();
            return scanner.take(b']');
        }
        loop {
            count_row(self.rows.len(), self.columns.len(), limits)?;
            if scanner.after_blanks() == Some(b'{') {
                self.object(scanner)?;
            } else {
                // Told only when the rest is valid JSON, as PostgREST does.
                scanner.value()?;
                self.differ = true;
                self.rows.push(Vec::new());
            }
            match scanner.after_blanks() {
                Some(b',') => scanner.take(b',')?,
                _ => break,
            }
        }
        scanner.leave();
        scanner.take(b']')
    }

    /// One row.
    fn object(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let is_first = self.rows.is_empty() && !self.is_fixed;
        let mut row = vec![Cell::Missing; self.columns.len()];
        let mut filled = 0;
        let mark = scanner.keys.len();
        scanner.enter()?;
        scanner.take(b'{')?;
        if scanner.after_blanks() != Some(b'}') {
            loop {
                let (key, position) = scanner.key()?;
                let value = scanner.value()?;
                match self.place(&key, filled) {
                    Some(place) => {
                        let cell = self.cell(value);
                        if let Some(slot) = row.get_mut(place) {
                            if *slot != Cell::Missing {
                                return Err(duplicate(&key, position, Some(self.rows.len() + 1)));
                            }
                            *slot = cell;
                            filled += 1;
                        }
                    }
                    None if is_first => {
                        let name: Arc<str> = Arc::from(key.as_ref());
                        self.places.insert(name.clone(), self.columns.len());
                        self.columns.push(name);
                        row.push(self.cell(value));
                        filled += 1;
                    }
                    None => {
                        self.differ |= !self.is_fixed;
                        scanner.keys.push((key, position));
                    }
                }
                match scanner.after_blanks() {
                    Some(b',') => scanner.take(b',')?,
                    _ => break,
                }
            }
        }
        scanner.leave();
        scanner.take(b'}')?;
        scanner.refuse_duplicates(mark, Some(self.rows.len() + 1))?;
        self.differ |= !self.is_fixed && filled != self.columns.len();
        self.rows.push(row);
        Ok(())
    }

    /// The column of a key. Rows mostly repeat the order of the first one, so the next column is tried first.
    fn place(&self, key: &str, next: usize) -> Option<usize> {
        if self.columns.get(next).is_some_and(|name| **name == *key) {
            return Some(next);
        }
        self.places.get(key).copied()
    }

    fn cell(&self, value: Range<usize>) -> Cell {
        let value = self.body.slice(value);
        if value.as_ref() == b"null" { Cell::Null } else { Cell::Json(value) }
    }
}

fn duplicate(key: &str, position: usize, row: Option<usize>) -> Fault {
    let place = match row {
        Some(row) => format!("at byte {} of the body, in row {row}", position + 1),
        None => format!("at byte {} of the body", position + 1),
    };
    Fault::body_at("An object in the body names a key twice", format!("The key {key:?} is repeated {place}."))
}

/// Walks over JSON text (RFC 8259) and refuses what is not, without building anything.
struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: u64,
    limit: Limit,
    /// The keys of the objects that are open, and where they stand; each object uses the end of it.
    keys: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, limit: Limit) -> Self {
        Self { text, position: 0, depth: 0, limit, keys: Vec::new() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// The next byte that is no white space, not yet taken.
    fn after_blanks(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        self.peek()
    }

    fn take(&mut self, wanted: u8) -> Result<(), Fault> {
        if self.after_blanks() == Some(wanted) {
            self.position += 1;
            Ok(())
        } else {
            Err(self.invalid())
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.after_blanks() {
            None => Ok(()),
            Some(_) => Err(self.invalid()),
        }
    }

    /// The recorded text tells no place; the log does.
    fn invalid(&self) -> Fault {
        Fault::Body {
            message: "Empty or invalid json".to_owned(),
            details: None,
            inside: Some(format!("the JSON body is not valid at byte {}", self.position + 1)),
        }
    }

    fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.limit.is_exceeded_by(self.depth) {
            let what = "The depth of arrays and objects in the body";
            return Err(Fault::BodyLimit { what, limit: self.limit });
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A key and its colon, decoded, with its place.
    fn key(&mut self) -> Result<(Cow<'a, str>, usize), Fault> {
        if self.after_blanks() != Some(b'"') {
            return Err(self.invalid());
        }
        let start = self.position;
        let has_escapes = self.string()?;
        let raw = self.text.get(start + 1..self.position - 1).unwrap_or("");
        self.take(b':')?;
        let key = if has_escapes { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) };
        Ok((key, start))
    }

    /// Any value; the range of its bytes.
    fn value(&mut self) -> Result<Range<usize>, Fault> {
        let first = self.after_blanks();
        let start = self.position;
        match first {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.invalid()),
        }
        Ok(start..self.position)
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        if self.text.get(self.position..).is_some_and(|rest| rest.starts_with(word)) {
            self.position += word.len();
            Ok(())
        } else {
            Err(self.invalid())
        }
    }

    /// An object inside a value. A key that it repeats is the value's own affair: `json` keeps both, and `jsonb` the last.
    fn object(&mut self) -> Result<(), Fault> {
        self.enter()?;
        self.take(b'{')?;
        if self.after_blanks() != Some(b'}') {
            loop {
                self.key()?;
                self.value()?;
                match self.after_blanks() {
                    Some(b',') => self.take(b',')?,
                    _ => break,
                }
            }
        }
        self.leave();
        self.take(b'}')
    }

    fn array(&mut self) -> Result<(), Fault> {
        self.enter()?;
        self.take(b'[')?;
        if self.after_blanks() != Some(b']') {
            loop {
                self.value()?;
                match self.after_blanks() {
                    Some(b',') => self.take(b',')?,
                    _ => break,
                }
            }
        }
        self.leave();
        self.take(b']')
    }

    /// Looks at the keys from `mark` on, and forgets them.
    fn refuse_duplicates(&mut self, mark: usize, row: Option<usize>) -> Result<(), Fault> {
        let Some(own) = self.keys.get_mut(mark..) else {
            return Ok(());
        };
        own.sort_unstable();
        let repeated = own.windows(2).find_map(|pair| match pair {
            [(one, _), (other, position)] if one == other => Some(duplicate(other, *position, row)),
            _ => None,
        });
        self.keys.truncate(mark);
        repeated.map_or(Ok(()), Err)
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        match self.peek() {
            Some(b'0') => self.position += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start { Err(self.invalid()) } else { Ok(()) }
    }

    /// A string from its opening quote to behind its closing one; whether it has escapes.
    fn string(&mut self) -> Result<bool, Fault> {
        self.position += 1;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.position..).unwrap_or(&[]);
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.position = self.text.len();
                return Err(self.invalid());
            };
            if let Some(control) = rest.iter().take(length).position(|byte| *byte < 0x20) {
                self.position += control;
                return Err(self.invalid());
            }
            self.position += length;
            if self.peek() == Some(b'"') {
                self.position += 1;
                return Ok(has_escapes);
            }
            has_escapes = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.position;
        self.position += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.position += 1,
            Some(b'u') => {
                self.position += 1;
                let first = self.code_unit()?;
                let is_pair = (0xD800..0xDC00).contains(&first)
                    && self.word("\\u").is_ok()
                    && (0xDC00..0xE000).contains(&self.code_unit()?);
                if (0xD800..0xE000).contains(&first) && !is_pair {
                    return Err(Fault::body_at(
                        "A string in the body has half of a surrogate pair",
                        format!("The escape at byte {} of the body is no character.", start + 1),
                    ));
                }
            }
            _ => return Err(self.invalid()),
        }
        Ok(())
    }

    /// Four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.position..self.position + 4);
        match digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(digits) => {
                self.position += 4;
                u32::from_str_radix(digits, 16).map_err(|_| self.invalid())
            }
            None => Err(self.invalid()),
        }
    }
}

/// The text of a validated string with escapes.
fn unescape(raw: &str) -> String {
    // The string was validated, so this reads it; the raw text would only ever name no column.
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str, columns: Option<&[&str]>) -> Result<Payload, Fault> {
        let columns = columns.map(|names| names.iter().map(|name| Arc::from(*name)).collect());
        parse(&Bytes::copy_from_slice(body.as_bytes()), columns, &Limits::default())
    }

    fn shown(payload: &Payload) -> String {
        let cell = |cell: &Cell| match cell {
            Cell::Json(token) => String::from_utf8_lossy(token).into_owned(),
            other => format!("{other:?}"),
        };
        let rows: Vec<String> =
            payload.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
        format!("{} | {}", payload.columns.join(" "), rows.join(" | "))
    }

    #[test]
    fn rows_and_cells() {
        for (body, columns, expected) in [
            (r#"{"code": "A", "n": 1.50}"#, None, r#"code n | "A" 1.50"#),
            (r#"[{"a":1,"b":null},{"b":[1, 2],"a":{"x":1}}]"#, None, r#"a b | 1 Null | {"x":1} [1, 2]"#),
            ("[]", None, " | "),
            (" {} ", None, " | "),
            ("[{},{}]", None, " |  | "),
            (r#"{"n":9007199254740993,"d":-1.0e+400}"#, None, "n d | 9007199254740993 -1.0e+400"),
            (r#"{"\u00e9":"\ud83d\ude00"}"#, None, r#"é | "\ud83d\ude00""#),
            (r#"[{"a":1,"z":{}},{"c":3}]"#, Some(&["c", "a"][..]), "c a | Missing 1 | 3 Missing"),
            ("[]", Some(&["a"][..]), "a | "),
        ] {
            assert_eq!(shown(&read(body, columns).unwrap()), expected, "{body}");
        }
        assert!(read("[]", None).unwrap().is_array);
        assert!(!read("{}", None).unwrap().is_array);
    }

    #[test]
    fn cells_are_slices_of_the_body() {
        let body = Bytes::from_static(br#"{"a": "x"}"#);
        let payload = parse(&body, None, &Limits::default()).unwrap();
        let Cell::Json(cell) = &payload.rows[0][0] else { panic!() };
        assert_eq!(cell.as_ptr(), body[6..].as_ptr());
    }

    #[test]
    fn what_is_refused() {
        const INVALID: &str = "Empty or invalid json";
        const DIFFER: &str = "All object keys must match";
        const TWICE: &str = "An object in the body names a key twice";
        for (body, expected) in [
            ("", INVALID),
            (r#"{"code":"#, INVALID),
            (r#"{"a":1} x"#, INVALID),
            (r#"{"a":01}"#, INVALID),
            (r#"{"a":1.}"#, INVALID),
            (r#"{"a":+1}"#, INVALID),
            (r#"{"a":1,}"#, INVALID),
            (r#"[{"a":1},]"#, INVALID),
            ("{\"a\":\"\n\"}", INVALID),
            (r#"{"a":"\x"}"#, INVALID),
            (r#"{"a":"\u12"}"#, INVALID),
            (r#"{"a":nul}"#, INVALID),
            ("\u{feff}{}", INVALID),
            ("[1,2", INVALID),
            ("[1,2]", DIFFER),
            (r#"[{"a":1},1]"#, DIFFER),
            (r#"[{"a":1,"b":1},{"a":2}]"#, DIFFER),
            (r#"[{"a":1},{"a":2,"b":1}]"#, DIFFER),
            (r#"[{"a":1},{"b":2}]"#, DIFFER),
            (r#"{"a":1,"a":2}"#, TWICE),
            (r#"{"a":1,"\u0061":2}"#, TWICE),
            (r#"[{"a":1},{"a":1,"a":2}]"#, TWICE),
            ("17", "The body must be an object or an array of objects"),
            (r#""text""#, "The body must be an object or an array of objects"),
            ("null", "The body must be an object or an array of objects"),
            (r#"{"a":"\ud800"}"#, "A string in the body has half of a surrogate pair"),
            (r#"{"a":"\ud800\u0041"}"#, "A string in the body has half of a surrogate pair"),
            (r#"{"a":"\udc00"}"#, "A string in the body has half of a surrogate pair"),
        ] {
            assert_eq!(read(body, None).unwrap_err().to_string(), expected, "{body}");
        }
        let Fault::Body { details, .. } = read(r#"[{"a":1},{"b":1,"b":2}]"#, None).unwrap_err() else { panic!() };
        assert_eq!(details.as_deref(), Some("The key \"b\" is repeated at byte 17 of the body, in row 2."));
        let inside = read(r#"{"a":[{"x":1,"y":2,"x":3}]}"#, None).unwrap();
        let cell = Cell::Json(Bytes::from_static(br#"[{"x":1,"y":2,"x":3}]"#));
        assert_eq!(inside.rows, [[cell]], "what a value repeats is its own affair");
        assert!(read(r#"{"z":1,"z":2}"#, Some(&["a"])).is_err(), "duplicates are refused among ignored keys too");
    }

    #[test]
    fn utf8_and_bounds() {
        let body = Bytes::from_static(b"{\"a\":\"\xff\"}");
        let fault = parse(&body, None, &Limits::default()).unwrap_err();
        assert_eq!(fault.to_string(), "The body is not valid UTF-8");
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(63), None).is_ok());
        assert!(matches!(read(&nested(64), None), Err(Fault::BodyLimit { .. })));
        assert!(matches!(read(&nested(1_000_000), None), Err(Fault::BodyLimit { .. })));
        let limits = Limits { max_payload_rows: Limit::new("limits.max_payload_rows", 2), ..Limits::default() };
        assert!(parse(&Bytes::from_static(b"[{},{}]"), None, &limits).is_ok());
        assert!(parse(&Bytes::from_static(b"[{},{},{}]"), None, &limits).is_err());
        let limits = Limits { max_payload_cells: Limit::new("limits.max_payload_cells", 4), ..Limits::default() };
        let columns = || Some(vec![Arc::from("a"), Arc::from("b")]);
        assert!(parse(&Bytes::from_static(b"[{},{}]"), columns(), &limits).is_ok());
        assert!(parse(&Bytes::from_static(b"[{},{},{}]"), columns(), &limits).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(body in r#"[\[\]{}",:0-9a-e.truenlsf \\+-]{0,24}"#) {
            let ours = match read(&body, None) {
                Ok(_) => true,
                Err(fault) => fault.to_string() != "Empty or invalid json",
            };
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_ok();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn reads_what_serde_json_writes(values in prop::collection::btree_map("[a-z]{1,3}|.{0,5}", any::<Option<String>>(), 0..6)) {
            let body = serde_json::to_string(&values).unwrap();
            let payload = read(&body, None).unwrap();
            prop_assert_eq!(payload.columns.len(), values.len());
            for (name, cell) in payload.columns.iter().zip(&payload.rows[0]) {
                match (cell, &values[&**name]) {
                    (Cell::Null, None) => {}
                    (Cell::Json(token), Some(text)) => {
                        prop_assert_eq!(&serde_json::from_slice::<String>(token).unwrap(), text);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&Bytes::from(body), None, &Limits::default());
        }
    }
}
