//! Which of several stored responses fits a request (RFC 9111 section 4.1).

use std::collections::BTreeSet;

use http::header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, VARY};
use http::{HeaderMap, HeaderName};

use crate::directives::members;

/// More fields than that in a `Vary` are as good as `*`: nobody sends such requests twice.
pub const MOST_FIELDS: usize = 64;

/// What an answer depends on beside its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    /// On these fields of the request; maybe on none. In lower case, in the order of the alphabet.
    On(Vec<HeaderName>),
    /// On what no field tells: `*`, or a list that cannot be read.
    OnEverything,
}

impl Vary {
    /// Reads every line of it.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut names = BTreeSet::new();
        for line in headers.get_all(VARY) {
            for member in members(line.as_bytes()).0 {
                let name = member.trim_ascii();
                if name.is_empty() {
                    continue;
                }
                // `*` could be the name of a field, as far as the syntax goes.
                let Ok(field) = HeaderName::from_bytes(name) else { return Self::OnEverything };
                if name == b"*" || names.len() == MOST_FIELDS {
                    return Self::OnEverything;
                }
                names.insert(field.as_str().to_owned());
            }
        }
        Self::On(names.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect())
    }
}

/// What of a request an answer was made for: the fields that its `Vary` names, with the values they had. Two requests with the same
/// selection get the same answer, so that it can be part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection(Vec<(HeaderName, Option<Vec<u8>>)>);

impl Selection {
    /// That of an answer with this `Vary` to this request. `None` where no request would fit.
    pub fn of(vary: &Vary, request: &HeaderMap) -> Option<Self> {
        match vary {
            Vary::OnEverything => None,
            Vary::On(names) => Some(Self(names.iter().map(|name| (name.clone(), value(request, name))).collect())),
        }
    }

    /// Whether the answer fits this request.
    pub fn fits(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, before)| value(request, name) == *before)
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_str().len() + value.as_ref().map_or(0, Vec::len) + 64).sum()
    }
}

/// The value of a field, in one spelling of those that mean the same: lines joined to one list, no blanks around its commas, and
/// in lower case where the field tells no upper from lower. The order of a list stays: servers go by it, whatever they should do.
fn value(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let mut value = Vec::new();
    for line in lines {
        for member in members(line.as_bytes()).0 {
            if !value.is_empty() {
                value.push(b',');
            }
            value.extend_from_slice(member.trim_ascii());
        }
    }
    if [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(name) {
        value.make_ascii_lowercase();
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn vary(lines: &[&'static str]) -> Vary {
        Vary::read(&fields(&lines.iter().map(|line| ("vary", *line)).collect::<Vec<_>>()))
    }

    fn fits(name: &'static str, stored: &[&'static str], asked: &[&'static str]) -> bool {
        let request = |values: &[&'static str]| fields(&values.iter().map(|value| (name, *value)).collect::<Vec<_>>());
        Selection::of(&vary(&[name]), &request(stored)).unwrap().fits(&request(asked))
    }

    #[test]
    fn a_star_anywhere_is_everything() {
        for star in
            [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, foo"], &["foo, *"], &["a b"], &["\"a"]]
        {
            assert_eq!(vary(star), Vary::OnEverything, "{star:?}");
        }
        assert_eq!(vary(&[]), Vary::On(Vec::new()));
        let names = ["a", "foo"].map(HeaderName::from_static).to_vec();
        assert_eq!(vary(&["Foo, a,,", "foo"]), Vary::On(names));
        let long: String = (0..100).map(|number| format!("f{number},")).collect();
        assert_eq!(vary(&[long.leak()]), Vary::OnEverything);
    }

    #[test]
    fn requests_that_ask_the_same() {
        assert!(fits("foo", &["1"], &["1"]));
        assert!(!fits("foo", &["1"], &["2"]) && !fits("foo", &["1"], &[]) && !fits("foo", &[], &["1"]));
        assert!(fits("foo", &[], &[]) && !fits("foo", &[], &[""]));
        assert!(fits("foo", &["1, 2"], &["1", "2"]) && fits("foo", &["1,2"], &[" 1 ,  2 "]));
        assert!(!fits("foo", &["\"1, 2\""], &["\"1,2\""]));
        assert!(!fits("foo", &["a"], &["A"]));
        assert!(fits("accept-language", &["en, de"], &["eN ,   De"]));
        assert!(!fits("accept-language", &["en, de"], &["de, en"]));
    }
}
