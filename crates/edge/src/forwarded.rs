//! The header `Forwarded` (RFC 7239): elements with commas between them, pairs with semicolons between them.

use http::HeaderMap;
use http::header::FORWARDED;

/// One element: what one proxy says of the request that it got.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// `for`: whom it got it from.
    pub(crate) node: Option<String>,
    /// `proto`.
    pub(crate) proto: Option<String>,
    /// `host`.
    pub(crate) host: Option<String>,
}

/// The elements of all lines, the last one first; `None` for a line that is no text. They are told apart from the right,
/// so that whatever a client has put to the left, an open quote for example, does not change those of the proxies.
pub(crate) fn elements(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(FORWARDED).into_iter().rev().flat_map(|line| {
        let text = line.to_str().ok();
        let mut rest = text;
        let mut is_unreadable = text.is_none();
        std::iter::from_fn(move || {
            if std::mem::take(&mut is_unreadable) {
                return Some(None);
            }
            let (left, last) = split_last(rest?);
            rest = left;
            Some(Some(last.trim()))
        })
    })
}

/// What stands left of the last comma outside of quotes, and what right of it.
fn split_last(text: &str) -> (Option<&str>, &str) {
    let bytes = text.as_bytes();
    let mut is_quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev() {
        match byte {
            b'"' => {
                let before = bytes.get(..at).unwrap_or_default();
                let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
                // A quote after an odd number of them is one inside of the text.
                is_quoted ^= slashes % 2 == 0;
            }
            b',' if !is_quoted => {
                let (left, right) = text.split_at_checked(at).unwrap_or((text, ""));
                return (Some(left), right.strip_prefix(',').unwrap_or(right));
            }
            _ => {}
        }
    }
    (None, text)
}

impl Element {
    /// Reads one; `None` when it does not keep to the grammar, or says one thing twice.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut element = Self::default();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=')?;
            if name.is_empty() || !name.bytes().all(is_token) {
                return None;
            }
            let (value, after) = read_value(after)?;
            element.take(name, value)?;
            match after.strip_prefix(';') {
                Some(more) => rest = more,
                None if after.is_empty() => return Some(element),
                None => return None,
            }
        }
    }

    fn take(&mut self, name: &str, value: String) -> Option<()> {
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => &mut self.node,
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            _ => return Some(()),
        };
        place.replace(value).is_none().then_some(())
    }
}

/// A token or a quoted text, and what follows on it.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return (!value.is_empty()).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// What a token consists of (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn split(lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        elements(&headers).map(|element| element.unwrap_or("?").to_owned()).collect()
    }

    #[test]
    fn elements_from_the_right() {
        assert_eq!(split(&["for=a, for=b", "for=c"]), ["for=c", "for=b", "for=a"]);
        assert_eq!(split(&["for=\"a,b\";x=\"\\\",\\\\\", for=c"]), ["for=c", "for=\"a,b\";x=\"\\\",\\\\\""]);
        // What is left of the proxies' elements is broken, and theirs are whole.
        assert_eq!(split(&["for=\", for=\"[::1]\""])[0], "for=\"[::1]\"");
        assert_eq!(split(&["\\, for=\"[::1]\""])[0], "for=\"[::1]\"");
        assert_eq!(split(&[""]), [""]);
    }

    #[test]
    fn one_element() {
        let read = |text: &str| Element::read(text).map(|e| (e.node.unwrap_or_default(), e.proto.unwrap_or_default()));
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(read("for=192.0.2.43"), pair("192.0.2.43", ""));
        assert_eq!(read("For=\"[2001:db8:cafe::17]:4711\""), pair("[2001:db8:cafe::17]:4711", ""));
        assert_eq!(read("for=192.0.2.60;proto=http;by=203.0.113.43"), pair("192.0.2.60", "http"));
        assert_eq!(read("secret=\"a;\\\"b\";PROTO=https;for=_hidden"), pair("_hidden", "https"));
        let wrong = [
            "",
            "for",
            "for=",
            "=a",
            "for=a;",
            "for=a b",
            "for=\"a",
            "for=\"a\"b",
            "for=[::1]",
            "for=a;for=b",
            "a b=c",
        ];
        for wrong in wrong {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
