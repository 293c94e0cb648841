//! How much may be asked with an API key in a period of the calendar.

use std::time::Duration;

use base::{Failure, KeyQuota, Kind, QuotaUnit, Timestamp};
use cache::{Tallied, Tally, Verdict};
use telemetry::RateDecision;

use super::{RateLimits, Told, fields};

/// As it stands in headers and metrics. No policy of an operator's can be called so, for the dot.
pub(super) const NAME: &str = "api-key.quota";

/// What came of a request that a quota counts.
#[derive(Debug)]
pub struct Metered {
    /// How much of the quota is used, as far as it is known here.
    pub used: u64,
    /// Since when it is counted.
    pub since: Timestamp,
    /// Why the request is refused; then it counts for nothing.
    pub refusal: Option<Failure>,
}

impl RateLimits {
    /// Counts a request of an API key at a moment. `cost` is its price where the quota counts that, and else 1; `least` is what is
    /// known to be used since the period began. No role and no network is exempt: the quota is the key's own.
    pub async fn quota(&self, quota: &KeyQuota, now: Timestamp, cost: u64, least: u64, told: &mut Told) -> Metered {
        let (since, end) = quota.period.around(now);
        let left = Duration::from_micros(u64::try_from(end.0.saturating_sub(now.0)).unwrap_or_default());
        let parts = [quota.account.as_bytes(), quota.period.word().as_bytes(), quota.unit.word().as_bytes()];
        let [account, period, unit] = parts;
        let tally = Tally {
            key: self.keys.key("quota", &[account, period, unit, &since.0.to_be_bytes()]),
            // What costs more than all of it would never be allowed. It takes all of it.
            amount: cost.min(quota.amount),
            bound: quota.amount,
            least: least.min(quota.amount),
            lifetime: left,
        };
        // It fails for values that are too large alone, and there is none here.
        let tallied = self.cache.tally(tally).await.unwrap_or_default();
        let verdict = Verdict {
            is_allowed: tallied.is_allowed,
            remaining: quota.amount.saturating_sub(tallied.total),
            retry_after: (!tallied.is_allowed).then_some(left),
            reset: left,
        };
        let length = Duration::from_micros(u64::try_from(end.0.saturating_sub(since.0)).unwrap_or_default());
        told.add(NAME, &fields::policy(NAME, quota.amount, length), &verdict);
        self.telemetry.report(&RateDecision { policy: &self.quota_name, is_allowed: tallied.is_allowed });
        let refusal = (!tallied.is_allowed).then(|| refusal(quota, &tallied, left));
        Metered { used: tallied.total, since, refusal }
    }
}

fn refusal(quota: &KeyQuota, tallied: &Tallied, left: Duration) -> Failure {
    let seconds = u32::try_from(fields::seconds(left)).unwrap_or(u32::MAX).max(1);
    let KeyQuota { amount, period, unit, .. } = quota;
    let what = match unit {
        QuotaUnit::Requests => "requests",
        QuotaUnit::Cost => "points of cost",
    };
    let place = if tallied.is_local { ", of which this node allows a share while it counts alone" } else { "" };
    let details =
        format!("Its quota is {amount} {what} per {}{place}; {} are used", period.word(), tallied.total.min(*amount));
    Failure::new(Kind::RateLimited, "PANDO429", "The quota of this API key is used up")
        .with_details(details)
        .with_hint(format!("A new {} begins in {seconds} s (Retry-After), in UTC", period.word()))
        .with_retry_after(seconds)
}
