//! What a request says of kept answers (`Cache-Control`, RFC 9111 section 5.2.1).

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

/// What a request says. What it does not say is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    /// The database is to be asked (`no-cache`, also as `Pragma`).
    pub(super) asks_anew: bool,
    /// The answer is not to be kept (`no-store`).
    pub(super) is_not_kept: bool,
    /// Only what is kept is wanted (`only-if-cached`).
    pub(super) only_kept: bool,
    /// It is not to be older than this (`max-age`).
    pub(super) most_age: Option<Duration>,
    /// It may be so much older than it is fresh (`max-stale`).
    pub(super) may_be_stale: Duration,
}

/// As long as `max-stale` without a number allows: any age.
const ANY: Duration = Duration::from_secs(u32::MAX as u64);

impl Wishes {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        let mut controls = headers.get_all(CACHE_CONTROL).iter().peekable();
        if controls.peek().is_none() {
            let pragmas = headers.get_all(PRAGMA).iter().filter_map(|value| value.to_str().ok());
            wishes.asks_anew = pragmas.flat_map(|value| value.split(',')).any(|part| is(part, "no-cache"));
        }
        let parts = controls.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let seconds = || value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => wishes.asks_anew = true,
                "no-store" => wishes.is_not_kept = true,
                "only-if-cached" => wishes.only_kept = true,
                // A number that is none asks for nothing old (section 4.2.1).
                "max-age" => wishes.most_age = Some(seconds().unwrap_or_default()),
                "max-stale" if value.is_empty() => wishes.may_be_stale = ANY,
                "max-stale" => wishes.may_be_stale = seconds().unwrap_or_default(),
                _ => {}
            }
        }
        wishes
    }
}

fn is(part: &str, word: &str) -> bool {
    part.trim().eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Wishes {
        Wishes::of(&lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn what_a_request_says_is_read() {
        let seconds = Duration::from_secs;
        assert_eq!(read(&[]), Wishes::default());
        assert!(read(&[("cache-control", "No-Cache, no-store")]).asks_anew);
        assert!(read(&[("cache-control", "max-age=0"), ("cache-control", "only-if-cached")]).only_kept);
        assert_eq!(read(&[("cache-control", "max-age=\"5\", max-stale=9")]).most_age, Some(seconds(5)));
        assert_eq!(read(&[("cache-control", "max-age=x")]).most_age, Some(seconds(0)));
        assert_eq!(read(&[("cache-control", "max-stale")]).may_be_stale, ANY);
        assert!(read(&[("pragma", "no-cache")]).asks_anew);
        assert!(
            !read(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]).asks_anew,
            "Pragma is for old clients"
        );
    }
}
