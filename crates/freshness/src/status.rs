//! What a cache tells about itself: `Age` (RFC 9111 section 5.1) and `Cache-Status` (RFC 9211).

use std::fmt::Write;
use std::time::Duration;

use base::Timestamp;
use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::judge::{Reason, Verdict};
use crate::policy::Policy;
use crate::seconds::MOST_SECONDS;

/// `Cache-Status` (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The value of `Age`: whole seconds, rounded down.
pub fn age(age: Duration) -> HeaderValue {
    HeaderValue::from(age.as_secs().min(MOST_SECONDS))
}

/// Why the origin was asked: `fwd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// Nothing was stored for the address.
    Miss,
    /// Something was, for other fields of a request.
    VaryMiss,
    /// It was stale.
    Stale,
    /// The client wanted something younger.
    Request,
    /// Answers to this method are not stored.
    Method,
    /// The cache is not to be used for this.
    Bypass,
}

impl Forwarded {
    /// Why a verdict has the origin asked; `None` where it does not. Whether a miss is one of `Vary` only its caller knows.
    pub fn by(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Miss => Some(Self::Miss),
            Verdict::Revalidate(Reason::Stale) => Some(Self::Stale),
            Verdict::Revalidate(Reason::Request) => Some(Self::Request),
            Verdict::Fresh | Verdict::StaleAsAsked | Verdict::StaleWhileRevalidate | Verdict::GatewayTimeout => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Miss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Method => "method",
            Self::Bypass => "bypass",
        }
    }
}

/// How a cache came to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    /// It had it.
    Hit,
    /// It asked the origin.
    Forwarded {
        /// Why.
        why: Forwarded,
        /// What the origin answered, where that is not what is answered now.
        status: Option<StatusCode>,
        /// Whether the answer is stored.
        is_stored: bool,
        /// Whether somebody else's question was the one that was asked.
        is_collapsed: bool,
    },
    /// It did neither: nothing stored would do, and nobody was to be asked.
    Refused,
}

impl CacheStatus {
    /// Appends this cache's word to those of the caches before it. `name` is a token: letters, digits, `-`, `.`, `_`.
    /// With a policy it tells how long the answer stays fresh, in whole seconds; less than 0 says for how long it has been stale.
    pub fn tell(self, name: &str, policy: Option<(&Policy, Timestamp)>, headers: &mut HeaderMap) {
        let mut value = name.to_owned();
        // Writing to a String cannot fail.
        let _written = self.write(&mut value);
        if let Some((policy, now)) = policy {
            let ttl = policy.remaining(now).as_secs().cast_signed() - policy.staleness(now).as_secs().cast_signed();
            let _written = write!(value, "; ttl={ttl}");
        }
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(CACHE_STATUS, value);
        }
    }

    fn write(self, value: &mut String) -> std::fmt::Result {
        match self {
            Self::Hit => value.write_str("; hit"),
            Self::Refused => value.write_str("; detail=only-if-cached"),
            Self::Forwarded { why, status, is_stored, is_collapsed } => {
                write!(value, "; fwd={}", why.word())?;
                if let Some(status) = status {
                    write!(value, "; fwd-status={}", status.as_u16())?;
                }
                value.write_str(if is_stored { "; stored" } else { "" })?;
                value.write_str(if is_collapsed { "; collapsed" } else { "" })
            }
        }
    }
}

/// Puts in what every answer out of a cache has: its age, in the place of that which it came with.
pub fn tell_age(policy: &Policy, now: Timestamp, headers: &mut HeaderMap) {
    headers.insert(AGE, age(policy.age(now)));
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;

    use super::*;
    use crate::policy::{Received, Rules};

    fn told(status: CacheStatus, seconds: i64) -> HeaderValue {
        let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=10"))]);
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let policy = Policy::read(&Rules::default(), StatusCode::OK, &headers, moment);
        status.tell("pando", Some((&policy, Timestamp(seconds * 1_000_000))), &mut headers);
        headers.remove(CACHE_STATUS).unwrap()
    }

    #[test]
    fn words() {
        assert_eq!(told(CacheStatus::Hit, 4), "pando; hit; ttl=6");
        assert_eq!(told(CacheStatus::Hit, 14), "pando; hit; ttl=-4");
        let why = Forwarded::Stale;
        let status = Some(StatusCode::NOT_MODIFIED);
        let forwarded = CacheStatus::Forwarded { why, status, is_stored: true, is_collapsed: true };
        assert_eq!(told(forwarded, 0), "pando; fwd=stale; fwd-status=304; stored; collapsed; ttl=10");
        let mut headers = HeaderMap::new();
        CacheStatus::Refused.tell("pando", None, &mut headers);
        assert_eq!(headers.get(CACHE_STATUS).unwrap(), "pando; detail=only-if-cached");
    }

    #[test]
    fn ages_in_whole_seconds() {
        assert_eq!(age(Duration::from_millis(3_999)), "3");
        assert_eq!(age(Duration::MAX), "2147483648");
    }
}
