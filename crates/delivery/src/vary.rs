//! `Vary`: what of the request an answer depends on.

use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::list;

/// Adds names of request headers to `Vary`, each once, on one line. After `*` nothing has to be added.
pub fn vary(headers: &mut HeaderMap, names: &[&str]) {
    let is_told = |name: &str| {
        let mut lines = headers.get_all(VARY).iter().map(HeaderValue::as_bytes);
        // Mostly there is nothing like it, so that nothing has to be taken apart.
        if !lines.any(|line| line.contains(&b'*') || has_word(line, name.as_bytes())) {
            return false;
        }
        let mut told = list::members(headers, &VARY);
        told.any(|told| told == b"*" || told.eq_ignore_ascii_case(name.as_bytes()))
    };
    let new: Vec<&str> = names.iter().filter(|name| !is_told(name)).copied().collect();
    if new.is_empty() {
        return;
    }
    let lines = headers.get_all(VARY).iter().map(HeaderValue::as_bytes).filter(|line| !line.trim_ascii().is_empty());
    let line = lines.chain(new.into_iter().map(str::as_bytes)).collect::<Vec<_>>().join(b", ".as_slice());
    if let Ok(value) = HeaderValue::from_bytes(&line) {
        headers.insert(VARY, value);
    }
}

/// Whether a word stands anywhere in a line, in whatever case.
fn has_word(line: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return true };
    let begins = |byte: u8| byte.eq_ignore_ascii_case(first);
    let mut rest = line;
    while let Some(at) = rest.iter().position(|byte| begins(*byte)) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// Whether any line of a header has this member in its list, whatever follows it after `=`: `no-transform` in
/// `Cache-Control`.
pub fn any_values(headers: &HeaderMap, name: &HeaderName, directive: &str) -> bool {
    list::members(headers, name).any(|member| {
        let name = member.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(directive.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(before: &[&'static str], names: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(VARY, HeaderValue::from_static(line));
        }
        vary(&mut headers, names);
        headers.get_all(VARY).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_name_stands_once() {
        assert_eq!(varied(&[], &["Accept-Encoding"]), ["Accept-Encoding"]);
        assert_eq!(varied(&["Accept, Prefer"], &["Accept-Encoding"]), ["Accept, Prefer, Accept-Encoding"]);
        assert_eq!(varied(&["accept-encoding"], &["Accept-Encoding"]), ["accept-encoding"]);
        assert_eq!(varied(&["Accept", "Origin"], &["Accept-Encoding", "Accept"]), ["Accept, Origin, Accept-Encoding"]);
        assert_eq!(varied(&["*"], &["Accept-Encoding"]), ["*"]);
        assert_eq!(varied(&["A"], &[]), ["A"]);
        assert_eq!(varied(&["", "A"], &["B"]), ["A, B"]);
        assert_eq!(varied(&["X-AB, AAAB"], &["AAB", "x-ab", "AB"]), ["X-AB, AAAB, AAB, AB"]);
    }

    #[test]
    fn directives() {
        let name = http::header::CACHE_CONTROL;
        let is_told = |value: &'static str, directive| {
            any_values(&HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))]), &name, directive)
        };
        assert!(is_told("public, No-Transform", "no-transform"));
        assert!(is_told("max-age=5,private=\"x\"", "private"));
        assert!(!is_told("max-age=5", "no-transform"));
    }
}
