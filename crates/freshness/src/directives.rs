//! A list of directives as `Cache-Control` and its relatives carry it: names, some with an argument that is a token or a quoted
//! string (RFC 9111 section 5.2).

use http::HeaderMap;
use http::header::AsHeaderName;

/// One directive of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    /// In lower case: names do not tell upper from lower.
    pub name: String,
    /// What stands behind `=`: without its quotes where it is a quoted string, else exactly as it is written, with its blanks.
    pub argument: Option<Vec<u8>>,
}

/// What stands in all lines of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub all: Vec<Directive>,
    /// A quoted string does not end. What follows it may be part of it or not, so only what forbids may be believed.
    pub is_broken: bool,
}

impl Directives {
    /// Reads every line of a field.
    pub fn read(headers: &HeaderMap, name: impl AsHeaderName) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(name) {
            directives.read_line(line.as_bytes());
        }
        directives
    }

    fn read_line(&mut self, line: &[u8]) {
        let (members, is_broken) = members(line);
        self.is_broken |= is_broken;
        self.all.extend(members.into_iter().filter_map(directive));
    }
}

/// Cuts a list at the commas that stand outside of quoted strings, and tells whether a quoted string does not end. It is then cut
/// at every comma after it, so that nothing hides in it.
pub(crate) fn members(list: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut members = Vec::new();
    let (mut begin, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                members.extend(list.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    let rest = list.get(begin..).unwrap_or_default();
    if is_quoted {
        members.extend(rest.split(|byte| *byte == b','));
    } else {
        members.push(rest);
    }
    (members, is_quoted)
}

fn directive(member: &[u8]) -> Option<Directive> {
    let member = member.trim_ascii();
    let (name, argument) = match member.iter().position(|byte| *byte == b'=') {
        Some(at) => (member.get(..at)?, member.get(at + 1..)),
        None => (member, None),
    };
    let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
    (!name.is_empty()).then(|| Directive { name, argument: argument.map(unquoted) })
}

/// The content of a quoted string, or what it is given.
pub(crate) fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else { return text.to_vec() };
    let mut content = Vec::with_capacity(inner.len());
    let mut is_escaped = false;
    for byte in inner {
        if *byte == b'\\' && !is_escaped {
            is_escaped = true;
        } else {
            content.push(*byte);
            is_escaped = false;
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    use super::*;

    fn read(lines: &[&'static str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        Directives::read(&headers, CACHE_CONTROL)
    }

    fn pairs(directives: &Directives) -> Vec<(&str, Option<&str>)> {
        let text = |argument: &'_ Vec<u8>| std::str::from_utf8(argument).unwrap().to_owned().leak() as &str;
        directives.all.iter().map(|one| (one.name.as_str(), one.argument.as_ref().map(text))).collect()
    }

    #[test]
    fn names_arguments_and_lines() {
        let read = read(&["No-Store, max-age=10 ,, public", "ext=\"a, b\\\"c\", private=\"x\""]);
        let expected = [
            ("no-store", None),
            ("max-age", Some("10")),
            ("public", None),
            ("ext", Some("a, b\"c")),
            ("private", Some("x")),
        ];
        assert_eq!(pairs(&read), expected);
        assert!(!read.is_broken);
    }

    #[test]
    fn what_is_quoted_is_no_directive() {
        assert_eq!(pairs(&read(&["extension=\"max-age=3600\", max-age=1"])).len(), 2);
        assert_eq!(pairs(&read(&["extension=\"max-age=3600, no-store\""])).len(), 1);
    }

    #[test]
    fn nothing_hides_in_a_string_without_end() {
        let read = read(&["public, ext=\"abc, no-store"]);
        assert!(read.is_broken);
        assert_eq!(pairs(&read), [("public", None), ("ext", Some("\"abc")), ("no-store", None)]);
    }

    #[test]
    fn blanks_around_the_equals_sign_stay_in_the_argument() {
        assert_eq!(pairs(&read(&["max-age =1, max-age= 1"])), [("max-age", Some("1")), ("max-age", Some(" 1"))]);
    }
}
