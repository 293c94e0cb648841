//! What clients are told of policies: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), lists of
//! structured fields (RFC 9651): `"address";q=100;w=10` and `"address";r=99;t=1`.

use std::fmt::Write as _;
use std::time::Duration;

use cache::Verdict;
use http::{HeaderMap, HeaderName, HeaderValue};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is told of the policies that a request met so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    policies: String,
    standings: String,
}

impl Told {
    /// Adds a policy as it is written in `RateLimit-Policy`, and how one stands with it.
    pub(crate) fn add(&mut self, name: &str, policy: &str, verdict: &Verdict) {
        for text in [&mut self.policies, &mut self.standings] {
            if !text.is_empty() {
                text.push_str(", ");
            }
        }
        self.policies.push_str(policy);
        // A name needs no quoting. Writing into a string does not fail.
        let _written = write!(self.standings, "\"{name}\";r={};t={}", verdict.remaining, seconds(verdict.reset));
    }

    /// Puts the fields into the headers of an answer; none where no policy applied.
    pub fn write(&self, headers: &mut HeaderMap) {
        if self.policies.is_empty() {
            return;
        }
        for (name, text) in [(RATE_LIMIT_POLICY, &self.policies), (RATE_LIMIT, &self.standings)] {
            if let Ok(value) = HeaderValue::try_from(text.as_str()) {
                headers.insert(name, value);
            }
        }
    }
}

/// A policy as it is written in `RateLimit-Policy`.
pub(crate) fn policy(name: &str, quota: u64, window: Duration) -> String {
    format!("\"{name}\";q={quota};w={}", seconds(window))
}

/// Whole seconds, rounded up: whoever waits so long has waited long enough.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
