//! What an origin tells caches: the directives of a response (RFC 9111 section 5.2.2, RFC 5861, RFC 8246).

use std::collections::BTreeSet;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};

use crate::directives::{Directives, members};
use crate::seconds;

/// How far `no-cache` and `private` reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reach {
    /// It is not there.
    #[default]
    Nothing,
    /// Its qualified form: these fields alone.
    Fields(BTreeSet<String>),
    /// The whole response.
    Everything,
}

impl Reach {
    /// Whether it concerns the whole response.
    pub fn is_everything(&self) -> bool {
        *self == Self::Everything
    }

    /// Whether it concerns this field.
    pub fn has(&self, field: &HeaderName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Fields(names) => names.contains(field.as_str()),
            Self::Everything => true,
        }
    }

    /// Adds one more of its kind. An argument that is no list of names is taken for the whole response, as RFC 9111 has those
    /// do that know no qualified form.
    pub(crate) fn add(&mut self, argument: Option<&[u8]>) {
        let names = argument.and_then(names);
        *self = match (std::mem::take(self), names) {
            (Self::Everything, _) | (_, None) => Self::Everything,
            (Self::Nothing, Some(names)) => Self::Fields(names),
            (Self::Fields(mut before), Some(names)) => {
                before.extend(names);
                Self::Fields(before)
            }
        };
    }
}

fn names(list: &[u8]) -> Option<BTreeSet<String>> {
    let (members, _) = members(list);
    let names = members.into_iter().map(<[u8]>::trim_ascii).filter(|member| !member.is_empty());
    let names: BTreeSet<_> = names
        .map(|name| HeaderName::from_bytes(name).map(|name| name.as_str().to_owned()))
        .collect::<Result<_, _>>()
        .ok()?;
    (!names.is_empty()).then_some(names)
}

/// The directives of a response, as one field says them. Numbers that are none, or that contradict each other, are 0: stale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`: not without asking the origin.
    pub no_cache: Reach,
    /// `private`: not in a cache that serves several.
    pub private: Reach,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`: never when stale.
    pub must_revalidate: bool,
    /// `proxy-revalidate`: the same for shared caches.
    pub proxy_revalidate: bool,
    /// `must-understand`: only by caches that know the status.
    pub must_understand: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `immutable` (RFC 8246): does not change while it is fresh.
    pub immutable: bool,
    /// `max-age`.
    pub max_age: Option<Duration>,
    /// `s-maxage`: the same for shared caches.
    pub s_maxage: Option<Duration>,
    /// `stale-while-revalidate` (RFC 5861 section 3): how long it may be answered while it is asked for anew.
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error` (RFC 5861 section 4): how long it may be answered when the origin fails.
    pub stale_if_error: Option<Duration>,
}

impl ResponseDirectives {
    /// Reads `Cache-Control`. Directives that are not known are ignored.
    pub fn read(headers: &HeaderMap) -> Self {
        let said = Directives::read(headers, CACHE_CONTROL);
        let mut told = Self::default();
        for directive in &said.all {
            told.add(&directive.name, directive.argument.as_deref());
        }
        if said.is_broken {
            told.believe_only_what_forbids();
        }
        told
    }

    /// Takes one directive in.
    pub(crate) fn add(&mut self, name: &str, argument: Option<&[u8]>) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache.add(argument),
            "private" => self.private.add(argument),
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "no-transform" => self.no_transform = true,
            "immutable" => self.immutable = true,
            "max-age" => self.max_age = Some(seconds::agree(self.max_age, argument)),
            "s-maxage" => self.s_maxage = Some(seconds::agree(self.s_maxage, argument)),
            "stale-while-revalidate" => {
                self.stale_while_revalidate = Some(seconds::agree(self.stale_while_revalidate, argument));
            }
            "stale-if-error" => self.stale_if_error = Some(seconds::agree(self.stale_if_error, argument)),
            _ => {}
        }
    }

    fn believe_only_what_forbids(&mut self) {
        (self.public, self.must_understand, self.immutable) = (false, false, false);
        (self.max_age, self.s_maxage) = (Some(Duration::ZERO), None);
        (self.stale_while_revalidate, self.stale_if_error) = (None, None);
    }

    /// How long it says to be fresh in a shared cache: `s-maxage` before `max-age` (RFC 9111 section 4.2.1).
    pub fn lifetime(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether a shared cache may never answer it when it is stale, whoever would agree (RFC 9111 section 4.2.4).
    /// `s-maxage` has the meaning of `proxy-revalidate` (section 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache.is_everything()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> ResponseDirectives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        ResponseDirectives::read(&headers)
    }

    fn seconds(number: u64) -> Option<Duration> {
        Some(Duration::from_secs(number))
    }

    #[test]
    fn lifetimes() {
        assert_eq!(read(&["max-age=3600, s-maxage=1"]).lifetime(), seconds(1));
        assert_eq!(read(&["s-maxage=7", "max-age=3600"]).lifetime(), seconds(7));
        assert_eq!(read(&["MaX-aGe=\"5\""]).lifetime(), seconds(5));
        assert_eq!(read(&["public"]).lifetime(), None);
        for nonsense in ["max-age=-1", "max-age='5'", "max-age", "max-age=5.0", "max-age= 5", "max-age=5, max-age=6"] {
            assert_eq!(read(&[nonsense]).lifetime(), seconds(0), "{nonsense}");
        }
        assert_eq!(read(&["max-age=5", "max-age=5"]).lifetime(), seconds(5));
    }

    #[test]
    fn qualified_forms() {
        let told = read(&["no-cache=\"Set-Cookie, a\", private=b", "no-cache=\"c\""]);
        for name in ["set-cookie", "a", "c"] {
            assert!(told.no_cache.has(&HeaderName::from_static(name)), "{name}");
        }
        assert!(!told.no_cache.has(&HeaderName::from_static("b")));
        assert!(told.private.has(&HeaderName::from_static("b")) && !told.private.is_everything());
        // A list of names that is none, an empty one, and one beside the plain form.
        for everything in ["no-cache=\"a b\"", "no-cache=\"\"", "no-cache=\"a\", no-cache", "no-cache, no-cache=\"a\""]
        {
            assert!(read(&[everything]).no_cache.is_everything(), "{everything}");
        }
    }

    #[test]
    fn a_broken_field_only_forbids() {
        let told = read(&["public, max-age=60, stale-if-error=60, immutable, a=\"b, no-store"]);
        assert!(told.no_store && !told.public && !told.immutable);
        assert_eq!((told.lifetime(), told.stale_if_error), (seconds(0), None));
    }

    #[test]
    fn what_forbids_stale() {
        for text in ["must-revalidate", "proxy-revalidate", "s-maxage=9", "no-cache"] {
            assert!(read(&[text]).forbids_stale(), "{text}");
        }
        assert!(!read(&["max-age=9, no-cache=\"a\", immutable"]).forbids_stale());
    }
}
