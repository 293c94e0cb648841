//! How old a response is and how long it is fresh (RFC 9111 section 4.2), read from its head once and asked often.

use std::time::Duration;

use base::Timestamp;
use http::header::{AGE, DATE, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::date::Said;
use crate::response::ResponseDirectives;
use crate::seconds::{self, LONGEST};
use crate::targeted::{Target, Told};
use crate::validator::has_validator;

/// The longest lifetime that is guessed. Nobody said anything, and a day of staleness is what RFC 7234 had caches warn of.
pub const LONGEST_GUESS: Duration = Duration::from_secs(24 * 60 * 60);

/// What a cache goes by beside the RFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The fields that are looked at before `Cache-Control`, first things first.
    pub targets: Vec<Target>,
    /// Whether a lifetime is guessed where none is said: a tenth of the time since `Last-Modified`, [`LONGEST_GUESS`] at most.
    pub guesses: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { targets: vec![Target::Structured(crate::CDN_CACHE_CONTROL)], guesses: true }
    }
}

/// When the exchange with the origin took place, by this cache's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// When the request was sent.
    pub asked: Timestamp,
    /// When the head of the response had come.
    pub answered: Timestamp,
}

/// What of a response decides whether it may be answered again, for a shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    directives: ResponseDirectives,
    lifetime: Duration,
    is_explicit: bool,
    initial_age: Duration,
    answered: Timestamp,
    date: Timestamp,
    has_validator: bool,
}

impl Policy {
    /// Reads the head of a response as it came: before hop-by-hop fields are taken out of it, since what `Connection` names is not
    /// to make anything more public.
    pub fn read(rules: &Rules, status: StatusCode, headers: &HeaderMap, received: Received) -> Self {
        let told = Told::read(&rules.targets, headers);
        let date = Said::read(headers, DATE).moment();
        let guess = || if rules.guesses { guess(status, &told.directives, headers, date) } else { Duration::ZERO };
        let said = explicit(&told, date.unwrap_or(received.answered));
        Self {
            lifetime: said.unwrap_or_else(guess),
            is_explicit: said.is_some(),
            initial_age: initial_age(headers, date, received),
            answered: received.answered,
            date: date.unwrap_or(received.answered),
            has_validator: has_validator(headers),
            directives: told.directives,
        }
    }

    /// What the response says to this cache, by the field that counts for it.
    pub fn directives(&self) -> &ResponseDirectives {
        &self.directives
    }

    /// How long it is fresh, counted from its age 0.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether its lifetime was said, not guessed.
    pub fn is_explicit(&self) -> bool {
        self.is_explicit
    }

    /// Whether the origin can be asked if it is still right.
    pub fn has_validator(&self) -> bool {
        self.has_validator
    }

    /// When it was made, as its `Date` says, else when it came. Of several that fit, the latest counts.
    pub fn date(&self) -> Timestamp {
        self.date
    }

    /// How old it is (RFC 9111 section 4.2.3). Never less than before, unless the clock is put back: then as old as when it came.
    pub fn age(&self, now: Timestamp) -> Duration {
        (self.initial_age + between(self.answered, now)).min(LONGEST)
    }

    /// Whether it is fresh.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.lifetime > self.age(now)
    }

    /// How long it stays fresh; nothing when it is stale.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.lifetime.saturating_sub(self.age(now))
    }

    /// For how long it has been stale; nothing when it is fresh or has just become stale.
    pub fn staleness(&self, now: Timestamp) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(later.0.saturating_sub(earlier.0)).unwrap_or(0))
}

/// What is said: `s-maxage`, `max-age`, else `Expires` counted from `Date`. An `Expires` that is no date lies in the past.
fn explicit(told: &Told, date: Timestamp) -> Option<Duration> {
    let by_expires = match told.expires {
        Said::Nothing => None,
        Said::Nonsense => Some(Duration::ZERO),
        Said::At(expires) => Some(between(date, expires).min(LONGEST)),
    };
    told.directives.lifetime().or(by_expires)
}

/// A tenth of the time since the last change (RFC 9111 section 4.2.2), for statuses that allow it or what is said to be public.
fn guess(status: StatusCode, told: &ResponseDirectives, headers: &HeaderMap, date: Option<Timestamp>) -> Duration {
    match (Said::read(headers, LAST_MODIFIED), date) {
        (Said::At(changed), Some(date)) if is_guessed(status) || told.public => {
            (between(changed, date) / 10).min(LONGEST_GUESS)
        }
        _ => Duration::ZERO,
    }
}

/// The statuses that RFC 9110 section 15.1 calls heuristically cacheable, without 206, which is not stored.
pub(crate) fn is_guessed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// `corrected_initial_age` of RFC 9111 section 4.2.3.
fn initial_age(headers: &HeaderMap, date: Option<Timestamp>, received: Received) -> Duration {
    let apparent = date.map_or(Duration::ZERO, |date| between(date, received.answered));
    let delay = between(received.asked, received.answered);
    apparent.max(said_age(headers) + delay).min(LONGEST)
}

/// What `Age` says. An age that nobody can make sense of is the greatest, so that the response is stale: RFC 9111 would have it
/// ignored, which makes a response younger than it is.
///
/// Of a list the first member counts (RFC 9111 section 5.1), unless the list is several lines, or looks like lines that were joined
/// on the way (RFC 9110 section 5.3: with a blank behind the comma). Then two senders have said an age each, and nobody knows which
/// of them also counted the other's.
fn said_age(headers: &HeaderMap) -> Duration {
    let mut lines = headers.get_all(AGE).iter();
    let (Some(line), next) = (lines.next(), lines.next()) else { return Duration::ZERO };
    let line = line.as_bytes();
    let is_joined = next.is_some() || line.windows(2).any(|pair| pair == b", ");
    let first = line.split(|byte| *byte == b',').next().unwrap_or_default();
    if is_joined { LONGEST } else { seconds::parse(first.trim_ascii()).unwrap_or(LONGEST) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CACHE_CONTROL, EXPIRES, HeaderName};

    use super::*;
    use crate::date::print;

    const NOON: Timestamp = Timestamp(784_123_200_000_000);

    fn after(seconds: i64) -> Timestamp {
        Timestamp(NOON.0 + seconds * 1_000_000)
    }

    fn date(seconds: i64) -> HeaderValue {
        print(after(seconds))
    }

    fn text(value: &'static str) -> HeaderValue {
        HeaderValue::from_static(value)
    }

    fn policy(status: u16, fields: &[(HeaderName, HeaderValue)]) -> Policy {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.clone());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Policy::read(&Rules::default(), status, &headers, Received { asked: NOON, answered: NOON })
    }

    fn lifetime(fields: &[(HeaderName, HeaderValue)]) -> u64 {
        policy(200, fields).lifetime().as_secs()
    }

    fn age(fields: &[(HeaderName, HeaderValue)]) -> u64 {
        policy(200, fields).age(after(1)).as_secs()
    }

    #[test]
    fn said_lifetimes() {
        let expires = |at| (EXPIRES, date(at));
        let control = |value| (CACHE_CONTROL, text(value));
        assert_eq!(lifetime(&[control("max-age=5"), expires(-100)]), 5);
        assert_eq!(lifetime(&[control("max-age=0"), expires(100)]), 0);
        assert_eq!(lifetime(&[expires(100), (DATE, date(0))]), 100);
        assert_eq!(lifetime(&[expires(300), (DATE, date(400))]), 0);
        assert_eq!(lifetime(&[expires(10), (DATE, text("foo"))]), 10);
        assert_eq!(lifetime(&[(EXPIRES, text("0"))]), 0);
        assert!(policy(200, &[(EXPIRES, text("0")), (LAST_MODIFIED, date(-1000))]).is_explicit());
    }

    #[test]
    fn guessed_lifetimes() {
        let old = [(LAST_MODIFIED, date(-86_400)), (DATE, date(0))];
        for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
            assert_eq!(policy(status, &old).lifetime().as_secs(), 8_640, "{status}");
            assert!(!policy(status, &old).is_explicit());
        }
        for status in [201, 202, 206, 302, 307, 400, 403, 500, 502, 503, 504, 599] {
            assert_eq!(policy(status, &old).lifetime().as_secs(), 0, "{status}");
        }
        let public = [old.as_slice(), &[(CACHE_CONTROL, text("public"))]].concat();
        assert_eq!(policy(599, &public).lifetime().as_secs(), 8_640);
        let ancient = [(LAST_MODIFIED, text("Fri, 06 Nov 1970 08:49:37 GMT")), (DATE, date(0))];
        assert_eq!(policy(200, &ancient).lifetime(), LONGEST_GUESS);
        // Nothing is guessed without a date, or of a change that is still to come.
        assert_eq!(lifetime(&[(LAST_MODIFIED, date(-1000))]), 0);
        assert_eq!(lifetime(&[(LAST_MODIFIED, date(1000)), (DATE, date(0))]), 0);
    }

    #[test]
    fn ages() {
        assert_eq!(age(&[]), 1);
        assert_eq!(age(&[(DATE, date(-100))]), 101);
        assert_eq!(age(&[(DATE, date(100))]), 1);
        assert_eq!(age(&[(DATE, date(-100)), (AGE, text("200"))]), 201);
        assert_eq!(age(&[(AGE, text("7200,0"))]), 7201);
        assert_eq!(age(&[(AGE, text("0,7200"))]), 1);
        let slow = Received { asked: after(-30), answered: NOON };
        let mut headers = HeaderMap::new();
        headers.insert(AGE, text("10"));
        let policy = Policy::read(&Rules::default(), StatusCode::OK, &headers, slow);
        assert_eq!(policy.age(NOON).as_secs(), 40);
        assert_eq!(
            policy.age(after(-1000)).as_secs(),
            40,
            "a clock that is put back makes nothing younger than it came"
        );
    }

    #[test]
    fn an_age_without_sense_is_the_greatest() {
        let most = seconds::MOST_SECONDS;
        for nonsense in ["abc", "-7200", "7200.0", "7200;foo=bar", "0, 0", "3600, 3600", "", "0, x"] {
            assert_eq!(age(&[(AGE, text(nonsense))]), most, "{nonsense}");
        }
        assert_eq!(age(&[(AGE, text("0")), (AGE, text("0"))]), most);
        assert_eq!(age(&[(AGE, text("99999999999999999999"))]), most);
    }

    #[test]
    fn freshness_ends_when_the_lifetime_is_reached() {
        let policy = policy(200, &[(CACHE_CONTROL, text("max-age=10"))]);
        assert!(policy.is_fresh(after(9)) && !policy.is_fresh(after(10)));
        assert_eq!(policy.remaining(after(4)).as_secs(), 6);
        assert_eq!(policy.staleness(after(14)).as_secs(), 4);
        assert_eq!((policy.remaining(after(14)), policy.staleness(after(4))), (Duration::ZERO, Duration::ZERO));
    }
}
