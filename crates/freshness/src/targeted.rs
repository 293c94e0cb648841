//! Fields that speak to some caches alone, and which of all that a response says counts for this one (RFC 9213).

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::EXPIRES;
use http::{HeaderMap, HeaderName};

use crate::date::Said;
use crate::directives::{members, unquoted};
use crate::response::ResponseDirectives;
use crate::seconds;
use crate::structured::{Value, dictionary};

/// `CDN-Cache-Control` (RFC 9213 section 3.1).
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// `Surrogate-Control` (W3C, Edge Architecture Specification, 2001), which many origins still send.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// A field that a cache looks at before `Cache-Control`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A field of RFC 9213: a dictionary, ignored as a whole where it is none.
    Structured(HeaderName),
    /// `Surrogate-Control`. What is meant for a device of another name is ignored; this is the cache's own.
    Surrogate(&'static str),
}

/// What a response says to this cache, and which fields say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub directives: ResponseDirectives,
    /// `Expires`: looked at only where no targeted field counts.
    pub expires: Said,
}

impl Told {
    /// The first targeted field that is there and can be read hides the others, `Cache-Control` and `Expires` (RFC 9213 section 2.2).
    pub fn read(targets: &[Target], headers: &HeaderMap) -> Self {
        match targets.iter().find_map(|target| target.read(headers)) {
            Some(directives) => Self { directives, expires: Said::Nothing },
            None => Self { directives: ResponseDirectives::read(headers), expires: Said::read(headers, EXPIRES) },
        }
    }
}

impl Target {
    fn read(&self, headers: &HeaderMap) -> Option<ResponseDirectives> {
        match self {
            Self::Structured(name) => structured(&combined(headers, name)),
            Self::Surrogate(device) => surrogate(&combined(headers, &SURROGATE_CONTROL), device),
        }
    }
}

/// All lines as one, as RFC 9110 section 5.3 joins them.
fn combined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
    lines.join(&b", "[..])
}

fn structured(field: &[u8]) -> Option<ResponseDirectives> {
    let members: BTreeMap<_, _> = dictionary(field).filter(|members| !members.is_empty())?;
    let mut told = ResponseDirectives::default();
    for (name, value) in members {
        match value {
            Value::Boolean(true) => told.add(&name, None),
            // Said not to be so.
            Value::Boolean(false) => {}
            Value::Text(text) if names_fields(&name) => told.add(&name, Some(&text)),
            Value::Integer(number) if !names_fields(&name) => told.add(&name, Some(number.to_string().as_bytes())),
            // Of a wrong type: no number, and no names.
            Value::Integer(_) | Value::Text(_) | Value::Other => told.add(&name, Some(b"")),
        }
    }
    Some(told)
}

/// Whether a directive has names of fields for an argument, and no number.
fn names_fields(name: &str) -> bool {
    matches!(name, "no-cache" | "private")
}

/// `max-age=60+30;device, no-store`. What follows the plus is how long it may be answered stale.
fn surrogate(field: &[u8], device: &str) -> Option<ResponseDirectives> {
    let mut told = ResponseDirectives::default();
    let mut is_ours = false;
    for member in members(field).0 {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let directive = parts.next().unwrap_or_default();
        let mut devices = parts.peekable();
        if devices.peek().is_some() && !devices.any(|name| name == device.as_bytes()) {
            continue;
        }
        let (name, argument) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => (directive.get(..at).unwrap_or_default(), directive.get(at + 1..)),
            None => (directive, None),
        };
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"no-store" | b"no-store-remote" => (told.no_store, is_ours) = (true, true),
            b"max-age" => {
                let (fresh, stale) = fresh_and_stale(argument.map(unquoted).unwrap_or_default());
                (told.max_age, told.stale_while_revalidate, is_ours) = (Some(fresh), stale, true);
            }
            _ => {}
        }
    }
    is_ours.then_some(told)
}

fn fresh_and_stale(argument: Vec<u8>) -> (Duration, Option<Duration>) {
    let mut numbers = argument.splitn(2, |byte| *byte == b'+');
    let fresh = numbers.next().and_then(seconds::parse).unwrap_or_default();
    (fresh, numbers.next().and_then(seconds::parse))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    use super::*;

    static TARGETS: [Target; 2] = [Target::Structured(CDN_CACHE_CONTROL), Target::Surrogate("pando")];

    fn told(fields: &[(HeaderName, &'static str)]) -> Told {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        Told::read(&TARGETS, &headers)
    }

    fn max_age(fields: &[(HeaderName, &'static str)]) -> Option<u64> {
        told(fields).directives.max_age.map(|age| age.as_secs())
    }

    #[test]
    fn the_first_that_can_be_read_hides_the_others() {
        let rest = (CACHE_CONTROL, "max-age=1, no-store");
        let said = told(&[(CDN_CACHE_CONTROL, "max-age=60"), rest.clone(), (EXPIRES, "0")]);
        assert!(!said.directives.no_store);
        assert_eq!((said.directives.max_age, said.expires), (Some(Duration::from_secs(60)), Said::Nothing));
        for nonsense in ["", "max-age=10000, &&&&&", "max-age =60"] {
            let said = told(&[(CDN_CACHE_CONTROL, nonsense), rest.clone(), (EXPIRES, "0")]);
            assert!(said.directives.no_store, "{nonsense}");
            assert_eq!(said.expires, Said::Nonsense);
        }
        assert_eq!(max_age(&[(SURROGATE_CONTROL, "max-age=7"), (CDN_CACHE_CONTROL, "max-age=8")]), Some(8));
        assert!(told(&[]).directives == ResponseDirectives::default());
    }

    #[test]
    fn dictionaries() {
        let structured = |text| told(&[(CDN_CACHE_CONTROL, text)]).directives;
        assert!(structured("no-store, max-age=5;x=y").no_store);
        assert!(!structured("no-store=?0, max-age=5").no_store);
        assert!(structured("private=\"set-cookie\"").private.has(&http::header::SET_COOKIE));
        assert!(structured("private=5").private.is_everything());
        // A wrong type is no lifetime, and the field counts all the same.
        for wrong in ["max-age=\"10000\"", "max-age=1.5", "max-age", "max-age=-1", "max-age=(1)"] {
            assert_eq!(structured(wrong).max_age, Some(Duration::ZERO), "{wrong}");
        }
        assert_eq!(structured("max-age=5, max-age=6").max_age, Some(Duration::from_secs(6)));
        let lines = [(CDN_CACHE_CONTROL, "max-age=5"), (CDN_CACHE_CONTROL, "must-revalidate")];
        assert!(told(&lines).directives.must_revalidate);
    }

    #[test]
    fn surrogates() {
        assert_eq!(max_age(&[(SURROGATE_CONTROL, "foobar, MaX-aGe=9")]), Some(9));
        assert_eq!(max_age(&[(SURROGATE_CONTROL, "max-age=9;pando, max-age=1;other")]), Some(9));
        assert_eq!(max_age(&[(SURROGATE_CONTROL, "max-age=9;other"), (CACHE_CONTROL, "max-age=2")]), Some(2));
        assert_eq!(max_age(&[(SURROGATE_CONTROL, "max-age= 9")]), Some(0));
        let stale = told(&[(SURROGATE_CONTROL, "max-age=9+30")]).directives;
        assert_eq!(
            (stale.max_age, stale.stale_while_revalidate),
            (Some(Duration::from_secs(9)), Some(Duration::from_secs(30)))
        );
        assert!(told(&[(SURROGATE_CONTROL, "no-store"), (CACHE_CONTROL, "max-age=9")]).directives.no_store);
        assert!(told(&[(SURROGATE_CONTROL, "foo"), (CACHE_CONTROL, "no-store")]).directives.no_store);
    }
}
