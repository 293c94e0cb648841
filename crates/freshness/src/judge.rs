//! What to do with a request: answer from what is stored, or ask the origin (RFC 9111 sections 4 and 4.2.4, RFC 5861).

use std::time::Duration;

use base::Timestamp;
use http::StatusCode;

use crate::policy::Policy;
use crate::request::RequestDirectives;

/// What to do with a request for which something is stored, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is fresh: answer it.
    Fresh,
    /// It is stale, and the client takes it (`max-stale`): answer it.
    StaleAsAsked,
    /// It is stale, and the origin lets it be answered while it is asked for anew (`stale-while-revalidate`): answer it and ask.
    StaleWhileRevalidate,
    /// Ask the origin, with the validators of what is stored where there are any. If that fails: [`Judgement::may_follow_error`].
    Revalidate(Reason),
    /// Nothing is stored: ask the origin.
    Miss,
    /// The client wants no question to the origin (`only-if-cached`), and nothing can be answered without: 504.
    GatewayTimeout,
}

/// Why the origin is asked although something is stored; what `fwd` of `Cache-Status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is stale, or is to be confirmed every time.
    Stale,
    /// The client wants something younger.
    Request,
}

/// How the origin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be reached, or breaks off.
    Unreachable,
    /// It answers, with this status.
    Status(StatusCode),
}

/// One request and what is stored for it, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Judgement<'a> {
    /// What the client asks of caches.
    pub request: &'a RequestDirectives,
    /// The policy of what is stored and fits the request.
    pub stored: Option<&'a Policy>,
    /// Now.
    pub now: Timestamp,
}

impl Judgement<'_> {
    /// What to do.
    pub fn verdict(&self) -> Verdict {
        let verdict = self.stored.map_or(Verdict::Miss, |stored| self.of_stored(stored));
        match verdict {
            Verdict::Miss | Verdict::Revalidate(_) if self.request.only_if_cached => Verdict::GatewayTimeout,
            // Who wants no question to the origin for himself may still have what others ask it for.
            verdict => verdict,
        }
    }

    fn of_stored(&self, stored: &Policy) -> Verdict {
        if stored.directives().no_cache.is_everything() {
            return Verdict::Revalidate(Reason::Stale);
        }
        if self.wants_younger(stored) {
            return Verdict::Revalidate(Reason::Request);
        }
        if stored.is_fresh(self.now) {
            return Verdict::Fresh;
        }
        if self.is_stale_within(stored, self.request.max_stale) {
            return Verdict::StaleAsAsked;
        }
        if self.is_stale_within(stored, stored.directives().stale_while_revalidate) {
            return Verdict::StaleWhileRevalidate;
        }
        Verdict::Revalidate(Reason::Stale)
    }

    /// `no-cache`, `max-age` and `min-fresh` of the request. What is immutable does not have to be confirmed for a `max-age`, which
    /// is what browsers send when a page is loaded again (RFC 8246 section 2).
    fn wants_younger(&self, stored: &Policy) -> bool {
        let is_immutable = stored.directives().immutable && stored.is_fresh(self.now);
        let is_too_old = self.request.max_age.is_some_and(|most| stored.age(self.now) > most || most.is_zero());
        let wanted = self.request.min_fresh.unwrap_or_default();
        // Without a `min-fresh` it is not this that decides about what is stale.
        let is_too_stale = !wanted.is_zero() && stored.remaining(self.now) < wanted;
        self.request.no_cache || (is_too_old && !is_immutable) || is_too_stale
    }

    fn is_stale_within(&self, stored: &Policy, bound: Option<Duration>) -> bool {
        !stored.directives().forbids_stale() && bound.is_some_and(|bound| stored.staleness(self.now) <= bound)
    }

    /// Whether what is stored may be answered although it is stale, since the origin fails (`stale-if-error`, which the origin or
    /// the client may have said). Only for the troubles that RFC 5861 section 4 names, never against `must-revalidate` and its like.
    pub fn may_follow_error(&self, trouble: Trouble) -> bool {
        let is_trouble = match trouble {
            Trouble::Unreachable => true,
            Trouble::Status(status) => matches!(status.as_u16(), 500 | 502 | 503 | 504),
        };
        let Some(stored) = self.stored.filter(|_| is_trouble) else { return false };
        // Fresh, but the client wanted something younger: only its own word lets it have this instead.
        if stored.is_fresh(self.now) {
            return !stored.directives().no_cache.is_everything() && self.request.stale_if_error.is_some();
        }
        let bounds = [stored.directives().stale_if_error, self.request.stale_if_error, self.request.max_stale];
        bounds.into_iter().any(|bound| self.is_stale_within(stored, bound))
    }
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::policy::{Received, Rules};

    fn control(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))])
    }

    /// A response with these directives that has been stored for so many seconds, and a request with those.
    fn judge<T>(response: &'static str, seconds: i64, request: &'static str, ask: impl Fn(Judgement<'_>) -> T) -> T {
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let stored = Policy::read(&Rules::default(), StatusCode::OK, &control(response), moment);
        let request = RequestDirectives::read(&control(request));
        ask(Judgement { request: &request, stored: Some(&stored), now: Timestamp(seconds * 1_000_000) })
    }

    fn verdict(response: &'static str, seconds: i64, request: &'static str) -> Verdict {
        judge(response, seconds, request, |judgement| judgement.verdict())
    }

    const STALE: Verdict = Verdict::Revalidate(Reason::Stale);
    const ASKED: Verdict = Verdict::Revalidate(Reason::Request);

    #[test]
    fn by_what_the_origin_says() {
        assert_eq!(verdict("max-age=10", 9, ""), Verdict::Fresh);
        assert_eq!(verdict("max-age=10", 10, ""), STALE);
        assert_eq!(verdict("max-age=10, no-cache", 1, ""), STALE);
        assert_eq!(verdict("max-age=10, no-cache=\"a\"", 1, ""), Verdict::Fresh);
        assert_eq!(verdict("max-age=10, stale-while-revalidate=5", 15, ""), Verdict::StaleWhileRevalidate);
        assert_eq!(verdict("max-age=10, stale-while-revalidate=5", 16, ""), STALE);
        for forbidding in
            ["max-age=10, stale-while-revalidate=5, must-revalidate", "s-maxage=10, stale-while-revalidate=5"]
        {
            assert_eq!(verdict(forbidding, 11, ""), STALE, "{forbidding}");
            assert_eq!(verdict(forbidding, 11, "max-stale"), STALE, "{forbidding}");
        }
    }

    #[test]
    fn by_what_the_client_asks() {
        assert_eq!(verdict("max-age=10", 1, "no-cache"), ASKED);
        assert_eq!(verdict("max-age=10", 0, "max-age=0"), ASKED);
        assert_eq!(verdict("max-age=10", 5, "max-age=4"), ASKED);
        assert_eq!(verdict("max-age=10", 5, "max-age=5"), Verdict::Fresh);
        assert_eq!(verdict("max-age=10", 5, "min-fresh=5"), Verdict::Fresh);
        assert_eq!(verdict("max-age=10", 5, "min-fresh=6"), ASKED);
        assert_eq!(verdict("max-age=10", 15, "max-stale=5"), Verdict::StaleAsAsked);
        assert_eq!(verdict("max-age=10", 16, "max-stale=5"), STALE);
        assert_eq!(verdict("max-age=10", 160, "max-stale"), Verdict::StaleAsAsked);
        assert_eq!(verdict("max-age=10", 12, "max-stale=5, max-age=11"), ASKED);
        assert_eq!(verdict("max-age=10", 5, "no-store"), Verdict::Fresh);
    }

    #[test]
    fn only_what_is_there() {
        assert_eq!(verdict("max-age=10", 5, "only-if-cached"), Verdict::Fresh);
        assert_eq!(verdict("max-age=10", 15, "only-if-cached"), Verdict::GatewayTimeout);
        assert_eq!(verdict("max-age=10", 15, "only-if-cached, max-stale"), Verdict::StaleAsAsked);
        let (request, now) = (RequestDirectives::read(&control("only-if-cached")), Timestamp(0));
        assert_eq!(Judgement { request: &request, stored: None, now }.verdict(), Verdict::GatewayTimeout);
        let request = RequestDirectives::default();
        assert_eq!(Judgement { request: &request, stored: None, now }.verdict(), Verdict::Miss);
    }

    #[test]
    fn what_is_immutable_is_not_confirmed_while_fresh() {
        assert_eq!(verdict("max-age=10, immutable", 5, "max-age=0"), Verdict::Fresh);
        assert_eq!(verdict("max-age=10, immutable", 15, "max-age=0"), ASKED);
        assert_eq!(verdict("max-age=10, immutable", 5, "no-cache"), ASKED);
    }

    #[test]
    fn after_an_error() {
        let may = |response, seconds, request, status: u16| {
            let trouble = StatusCode::from_u16(status).map_or(Trouble::Unreachable, Trouble::Status);
            judge(response, seconds, request, |judgement| judgement.may_follow_error(trouble))
        };
        const UNREACHABLE: u16 = 0;
        for trouble in [UNREACHABLE, 500, 502, 503, 504] {
            assert!(may("max-age=1, stale-if-error=9", 10, "", trouble), "{trouble}");
            assert!(may("max-age=1", 10, "stale-if-error=9", trouble), "{trouble}");
            assert!(!may("max-age=1", 10, "", trouble), "{trouble}");
            assert!(!may("max-age=1, stale-if-error=9", 11, "", trouble), "{trouble}");
            for forbidding in ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=1"] {
                let response = format!("max-age=1, stale-if-error=9, {forbidding}");
                assert!(!may(response.leak(), 10, "stale-if-error=9, max-stale", trouble), "{forbidding} {trouble}");
            }
        }
        for status in [200, 404, 501, 505] {
            assert!(!may("max-age=1, stale-if-error=9", 10, "stale-if-error=9", status), "{status}");
        }
        // The client wanted it confirmed, and it cannot be.
        assert!(!may("max-age=10, stale-if-error=9", 1, "no-cache", UNREACHABLE));
        assert!(may("max-age=10", 1, "no-cache, stale-if-error=9", UNREACHABLE));
    }
}
