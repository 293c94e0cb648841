//! Dictionaries of RFC 9651 (structured fields), as far as targeted cache control needs them: read strictly, so that a field is
//! understood whole or not at all.

use std::collections::BTreeMap;

/// The value of a member. Its parameters are read and forgotten: no cache directive has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(i64),
    Boolean(bool),
    /// A string or a token.
    Text(Vec<u8>),
    /// Of another type: a decimal, bytes, a date, a list.
    Other,
}

/// Reads a dictionary. Of members of one name the last counts. `None` where a single byte is out of place.
pub(crate) fn dictionary(text: &[u8]) -> Option<BTreeMap<String, Value>> {
    let mut reader = Reader { rest: text };
    let mut members = BTreeMap::new();
    reader.skip(b" ");
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let value = if reader.take(b'=') { reader.value()? } else { Value::Boolean(true) };
        reader.parameters()?;
        members.insert(key, value);
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            break;
        }
        if !reader.take(b',') {
            return None;
        }
        reader.skip(b" \t");
        if reader.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest.split_first().filter(|(first, _)| **first == byte);
        if let Some((_, rest)) = found {
            self.rest = rest;
        }
        found.is_some()
    }

    fn skip(&mut self, blanks: &[u8]) {
        self.while_it(|byte| blanks.contains(&byte));
    }

    /// What stands before the first byte that is none of those.
    fn while_it(&mut self, is_one: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_one(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<String> {
        let is_first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
        self.rest.first().filter(|first| is_first(first))?;
        let key = self.while_it(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte));
        String::from_utf8(key.to_vec()).ok()
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn value(&mut self) -> Option<Value> {
        if !self.take(b'(') {
            return self.item();
        }
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Value::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Value> {
        match self.rest.first()? {
            b'"' => self.string(),
            b'?' => self.boolean(),
            b':' => self.bytes(),
            b'@' => {
                self.take(b'@');
                matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
            }
            b'-' | b'0'..=b'9' => self.number(),
            byte if byte.is_ascii_alphabetic() || *byte == b'*' => {
                let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Some(Value::Text(self.while_it(is_one).to_vec()))
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Value> {
        self.take(b'"');
        let mut content = Vec::new();
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(Value::Text(content)),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first().filter(|(byte, _)| b"\"\\".contains(byte))?;
                    content.push(*escaped);
                    self.rest = rest;
                }
                0x20..=0x7e => content.push(*first),
                _ => return None,
            }
        }
    }

    fn boolean(&mut self) -> Option<Value> {
        self.take(b'?');
        if self.take(b'1') {
            return Some(Value::Boolean(true));
        }
        self.take(b'0').then_some(Value::Boolean(false))
    }

    fn bytes(&mut self) -> Option<Value> {
        self.take(b':');
        self.while_it(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        self.take(b':').then_some(Value::Other)
    }

    /// At most 15 digits, or 12 before and 3 behind the point.
    fn number(&mut self) -> Option<Value> {
        let is_negative = self.take(b'-');
        let whole = self.while_it(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 {
            return None;
        }
        if self.take(b'.') {
            let part = self.while_it(|byte| byte.is_ascii_digit());
            return (whole.len() <= 12 && (1..=3).contains(&part.len())).then_some(Value::Other);
        }
        let number = whole.iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some(Value::Integer(if is_negative { -number } else { number }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type() {
        let text =
            b"  a, b=5;p=1;q , c=?0,\td=\"x\\\"y\", e=tok/en, f=1.5, g=:aGk=:, h=(1 \"b\" c;d), i=@12, *=-7, a=?0;x";
        let members = dictionary(text).unwrap();
        let expected = [
            ("*", Value::Integer(-7)),
            ("a", Value::Boolean(false)),
            ("b", Value::Integer(5)),
            ("c", Value::Boolean(false)),
            ("d", Value::Text(b"x\"y".to_vec())),
            ("e", Value::Text(b"tok/en".to_vec())),
            ("f", Value::Other),
            ("g", Value::Other),
            ("h", Value::Other),
            ("i", Value::Other),
        ];
        assert_eq!(members, expected.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!(dictionary(b""), Some(BTreeMap::new()));
    }

    #[test]
    fn a_byte_out_of_place_is_an_error() {
        let broken = [
            "a,",
            ",a",
            "a=",
            "A",
            "a b",
            "max-age=10000, &&&&&",
            "max-age =1",
            "max-age= 1",
            "a=\"b",
            "a=\"\\n\"",
            "a=?2",
            "a=:b",
            "a=1.",
            "a=1.2345",
            "a=1234567890123456",
            "a=(1",
            "a=(1,2)",
            "a=--1",
            "a;",
            "a;=1",
            "a=@x",
            "a=@1.5",
            "a=\"\u{e4}\"",
        ];
        for text in broken {
            assert_eq!(dictionary(text.as_bytes()), None, "{text}");
        }
    }
}
