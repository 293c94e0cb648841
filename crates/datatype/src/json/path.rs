use std::borrow::Cow;

use crate::json::string::unescape;

/// One step into a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// `->'key'`: the member of an object; nothing in anything else.
    Key(&'a str),
    /// `->n`: the element of an array, from its end if negative; nothing in an object.
    Index(i64),
    /// A step of `#>`: the member of an object, or the element of an array if it reads as a number.
    Either(&'a str),
}

/// The raw text of the value at the end of a path into `jsonb`, found without building a tree. As in PostgreSQL,
/// a scalar answers itself to the indexes 0 and -1. The last of equal keys is found, so that text that is not
/// canonical works too. Texts that are no JSON give `None` or some part of themselves.
pub fn get<'a>(text: &'a str, steps: &[Step<'_>]) -> Option<&'a str> {
    walk(text, steps, true)
}

/// [`get`] for the type `json`, where a scalar has no elements.
pub fn get_json<'a>(text: &'a str, steps: &[Step<'_>]) -> Option<&'a str> {
    walk(text, steps, false)
}

/// What `->>` gives of a raw value: strings without quotes and escapes, `None` for null, anything else as it is.
/// An escaped lone surrogate, which only `json` can hold and PostgreSQL refuses here, gives U+FFFD.
pub fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    let raw = trim(raw);
    match raw.as_bytes().first() {
        Some(b'"') => Some(unescape(raw)),
        _ if raw == "null" => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

fn walk<'a>(text: &'a str, steps: &[Step<'_>], is_scalar_array: bool) -> Option<&'a str> {
    let mut value = trim(text);
    for step in steps {
        let step = match (step, value.as_bytes().first()?) {
            (Step::Either(key), b'{') => &Step::Key(key),
            (Step::Either(key), _) => &Step::Index(key.trim_start().parse().ok()?),
            (step, _) => step,
        };
        value = match (step, value.as_bytes().first()?) {
            (Step::Key(key), b'{') => member(value, key)?,
            (Step::Index(index), b'[') => element(value, *index)?,
            (Step::Index(0 | -1), first) if is_scalar_array && *first != b'{' => value,
            _ => return None,
        };
    }
    Some(value)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn member<'a>(object: &'a str, wanted: &str) -> Option<&'a str> {
    let mut cursor = Cursor { text: object, position: 1 };
    let mut found = None;
    while cursor.skip_blanks() == Some(b'"') {
        let key = cursor.value()?;
        if cursor.skip_blanks() == Some(b':') {
            cursor.position += 1;
        }
        cursor.skip_blanks();
        let value = cursor.value()?;
        if is_key(key, wanted) {
            found = Some(value);
        }
        if cursor.skip_blanks() == Some(b',') {
            cursor.position += 1;
        }
    }
    found
}

fn is_key(token: &str, wanted: &str) -> bool {
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
    if inner.contains('\\') { unescape(token) == wanted } else { inner == wanted }
}

fn element(array: &str, index: i64) -> Option<&str> {
    let index = if index < 0 {
        let count = i64::try_from(elements(array).count()).ok()?;
        count.checked_add(index)?
    } else {
        index
    };
    elements(array).nth(usize::try_from(index).ok()?)
}

fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut cursor = Cursor { text: array, position: 1 };
    std::iter::from_fn(move || {
        if matches!(cursor.skip_blanks(), None | Some(b']')) {
            return None;
        }
        let value = cursor.value()?;
        if cursor.skip_blanks() == Some(b',') {
            cursor.position += 1;
        }
        Some(value)
    })
}

struct Cursor<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or(&[])
    }

    /// The byte after the blanks, not consumed.
    fn skip_blanks(&mut self) -> Option<u8> {
        let rest = self.rest();
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.position += blanks;
        rest.get(blanks).copied()
    }

    /// The value that starts here; always at least one byte, so that every loop ends.
    fn value(&mut self) -> Option<&'a str> {
        let start = self.position;
        match self.rest().first()? {
            b'"' => self.skip_string(),
            b'{' | b'[' => self.skip_container(),
            _ => {
                let length = self
                    .rest()
                    .iter()
                    .position(|byte| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r'))
                    .unwrap_or(self.rest().len());
                self.position += length.max(1);
            }
        }
        self.text.get(start..self.position)
    }

    fn skip_string(&mut self) {
        self.position += 1;
        while let Some(place) = memchr::memchr2(b'"', b'\\', self.rest()) {
            let is_end = self.rest().get(place) == Some(&b'"');
            self.position += place + if is_end { 1 } else { 2 };
            if is_end {
                return;
            }
        }
        self.position = self.text.len();
    }

    fn skip_container(&mut self) {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            let next = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
            let Some(place) = next else {
                self.position = self.text.len();
                return;
            };
            self.position += place;
            match rest.get(place) {
                Some(b'"') => {
                    self.skip_string();
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                _ => depth = depth.saturating_sub(1),
            }
            self.position += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Index, Key};

    #[test]
    fn paths() {
        let text = r#" {"a": [10, {"b": "x\"y"}, [] ], "c d":{"é":null}, "e\u0041": 1, "f": {"a": 2}, "a\\": 3} "#;
        for (steps, value) in [
            (vec![], Some(text.trim())),
            (vec![Key("a"), Index(0)], Some("10")),
            (vec![Key("a"), Index(-1)], Some("[]")),
            (vec![Key("a"), Index(-3)], Some("10")),
            (vec![Key("a"), Index(-4)], None),
            (vec![Key("a"), Index(3)], None),
            (vec![Key("a"), Index(1), Key("b")], Some("\"x\\\"y\"")),
            (vec![Key("a"), Key("b")], None),
            (vec![Key("c d"), Key("é")], Some("null")),
            (vec![Key("c d"), Key("é"), Key("x")], None),
            (vec![Key("eA")], Some("1")),
            (vec![Key("a\\")], Some("3")),
            (vec![Key("f"), Key("a")], Some("2")),
            (vec![Index(0)], None),
            (vec![Key("nope")], None),
        ] {
            assert_eq!(get(text, &steps), value, "{steps:?}");
        }
        assert_eq!(get("{\"a\":1,\"a\":2}", &[Key("a")]), Some("2"));
        assert_eq!(get("\"str\"", &[Index(0)]), Some("\"str\""));
        assert_eq!(get("\"str\"", &[Index(-1), Index(0)]), Some("\"str\""));
        assert_eq!(get("\"str\"", &[Index(1)]), None);
        assert_eq!(get_json("\"str\"", &[Index(0)]), None);
        assert_eq!(get("[]", &[Index(i64::MIN)]), None);
    }

    #[test]
    fn texts() {
        assert_eq!(text_of("\"a\\n\"").as_deref(), Some("a\n"));
        assert_eq!(text_of("null"), None);
        assert_eq!(text_of("[1, 2]").as_deref(), Some("[1, 2]"));
        assert_eq!(text_of("1.50").as_deref(), Some("1.50"));
    }
}
