//! What a client asks of caches: `Cache-Control` and `Pragma` of a request (RFC 9111 sections 5.2.1 and 5.4).

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use crate::directives::Directives;
use crate::seconds::{self, LONGEST};

/// The directives of a request. Numbers that are none, or that contradict each other, mean the strictest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `no-cache`: nothing stored is to be answered before the origin has confirmed it.
    pub no_cache: bool,
    /// `no-store`: nothing of this exchange may be stored. What is stored already may be answered.
    pub no_store: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `only-if-cached`: something stored or 504, and no question to the origin.
    pub only_if_cached: bool,
    /// `max-age`: nothing older.
    pub max_age: Option<Duration>,
    /// `min-fresh`: only what stays fresh at least that long.
    pub min_fresh: Option<Duration>,
    /// `max-stale`: also what has been stale for that long; without a number, for any time.
    pub max_stale: Option<Duration>,
    /// `stale-if-error` (RFC 5861 section 4): also what has been stale for that long, if the origin fails.
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads them. Directives that are not known are ignored. `Pragma: no-cache` counts where there is no `Cache-Control`.
    pub fn read(headers: &HeaderMap) -> Self {
        let said = Directives::read(headers, CACHE_CONTROL);
        let mut asked = Self::default();
        for directive in &said.all {
            let argument = directive.argument.as_deref();
            match directive.name.as_str() {
                "no-cache" => asked.no_cache = true,
                "no-store" => asked.no_store = true,
                "no-transform" => asked.no_transform = true,
                "only-if-cached" => asked.only_if_cached = true,
                "max-age" => asked.max_age = Some(seconds::agree(asked.max_age, argument)),
                "min-fresh" => asked.min_fresh = Some(longest(asked.min_fresh, argument)),
                "max-stale" if argument.is_none() => asked.max_stale = Some(asked.max_stale.unwrap_or(LONGEST)),
                "max-stale" => asked.max_stale = Some(seconds::agree(asked.max_stale, argument)),
                "stale-if-error" => asked.stale_if_error = Some(seconds::agree(asked.stale_if_error, argument)),
                _ => {}
            }
        }
        if said.is_broken {
            (asked.max_stale, asked.stale_if_error) = (None, None);
        }
        if !headers.contains_key(CACHE_CONTROL) {
            asked.no_cache = Directives::read(headers, PRAGMA).all.iter().any(|one| one.name == "no-cache");
        }
        asked
    }
}

/// The strictest of several `min-fresh` is the longest; one that is no number cannot be met.
fn longest(before: Option<Duration>, argument: Option<&[u8]>) -> Duration {
    let now = argument.and_then(seconds::parse).unwrap_or(LONGEST);
    before.map_or(now, |before| before.max(now))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(fields: &[(http::HeaderName, &'static str)]) -> RequestDirectives {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        RequestDirectives::read(&headers)
    }

    #[test]
    fn every_directive() {
        let all =
            "no-cache, no-store, no-transform, only-if-cached, max-age=1, min-fresh=2, max-stale=3, stale-if-error=4";
        let expected = RequestDirectives {
            no_cache: true,
            no_store: true,
            no_transform: true,
            only_if_cached: true,
            max_age: Some(Duration::from_secs(1)),
            min_fresh: Some(Duration::from_secs(2)),
            max_stale: Some(Duration::from_secs(3)),
            stale_if_error: Some(Duration::from_secs(4)),
        };
        assert_eq!(read(&[(CACHE_CONTROL, all)]), expected);
    }

    #[test]
    fn pragma_counts_alone() {
        assert!(read(&[(PRAGMA, "no-cache")]).no_cache);
        assert!(!read(&[(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=5")]).no_cache);
        assert!(!read(&[(PRAGMA, "extension")]).no_cache);
    }

    #[test]
    fn nonsense_is_strict() {
        let read = |value| read(&[(CACHE_CONTROL, value)]);
        assert_eq!(read("max-age=x").max_age, Some(Duration::ZERO));
        assert_eq!(read("max-age=1, max-age=2").max_age, Some(Duration::ZERO));
        assert_eq!(read("min-fresh=x").min_fresh, Some(LONGEST));
        assert_eq!(read("min-fresh=1, min-fresh=2").min_fresh, Some(Duration::from_secs(2)));
        assert_eq!(read("max-stale").max_stale, Some(LONGEST));
        assert_eq!(read("max-stale=x").max_stale, Some(Duration::ZERO));
        assert_eq!(read("max-stale=9, a=\"b").max_stale, None);
    }
}
