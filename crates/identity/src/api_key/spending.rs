//! How much of their quotas keys have used, as far as this process knows: what it is told with each request that it counts.

use std::collections::HashMap;
use std::sync::Arc;

use base::{KeyQuota, Period, QuotaUnit, Timestamp};
use parking_lot::Mutex;

/// How much of a quota is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpending {
    /// Whose quota it is ([`KeyQuota::account`]).
    pub account: Arc<str>,
    /// In how long.
    pub period: Period,
    /// Of what.
    pub unit: QuotaUnit,
    /// When the period began.
    pub since: Timestamp,
    /// How much.
    pub used: u64,
}

/// What is used of all quotas. There are as many entries as there were quotas.
#[derive(Debug, Default)]
pub(super) struct Spendings {
    by_quota: Mutex<HashMap<Counted, Spent>>,
}

/// What is counted by itself: a quota that is changed to another period or unit begins anew.
type Counted = (Arc<str>, Period, QuotaUnit);

#[derive(Debug, Clone, Copy)]
struct Spent {
    since: Timestamp,
    used: u64,
    /// Whether the database knows of it.
    is_told: bool,
}

impl Spendings {
    pub fn spent(&self, quota: &KeyQuota, since: Timestamp) -> u64 {
        let by_quota = self.by_quota.lock();
        let spent = by_quota.get(&(quota.account.clone(), quota.period, quota.unit));
        spent.filter(|spent| spent.since == since).map_or(0, |spent| spent.used)
    }

    /// A later period takes the place of an earlier one; within one it never becomes less.
    pub fn note(&self, spending: KeySpending, is_told: bool) {
        let KeySpending { account, period, unit, since, used } = spending;
        let mut by_quota = self.by_quota.lock();
        let counted = (account, period, unit);
        if by_quota.get(&counted).is_none_or(|known| (known.since, known.used) < (since, used)) {
            by_quota.insert(counted, Spent { since, used, is_told });
        }
    }

    pub fn take(&self) -> Vec<KeySpending> {
        let mut by_quota = self.by_quota.lock();
        let news = by_quota.iter_mut().filter(|(_, spent)| !spent.is_told).map(|(counted, spent)| {
            spent.is_told = true;
            let (account, period, unit) = counted;
            let (since, used) = (spent.since, spent.used);
            KeySpending { account: account.clone(), period: *period, unit: *unit, since, used }
        });
        news.collect()
    }

    pub fn keep(&self, spendings: &[KeySpending]) {
        let mut by_quota = self.by_quota.lock();
        for spending in spendings {
            let counted = (spending.account.clone(), spending.period, spending.unit);
            if let Some(spent) = by_quota.get_mut(&counted) {
                spent.is_told = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_rises_and_begins_anew_with_the_period() {
        let spendings = Spendings::default();
        let quota = KeyQuota { account: "a".into(), amount: 9, period: Period::Day, unit: QuotaUnit::Requests };
        let spending = |unit: QuotaUnit, since: i64, used: u64| KeySpending {
            account: "a".into(),
            period: Period::Day,
            unit,
            since: Timestamp(since),
            used,
        };
        let requests = |since: i64, used: u64| spending(QuotaUnit::Requests, since, used);
        let (one, two) = (Timestamp(1), Timestamp(2));
        assert_eq!(spendings.spent(&quota, one), 0);
        spendings.note(requests(1, 5), false);
        spendings.note(requests(1, 3), false);
        assert_eq!(spendings.spent(&quota, one), 5);
        assert_eq!(spendings.take(), [requests(1, 5)]);
        assert_eq!(spendings.take(), []);
        spendings.keep(&[requests(1, 5)]);
        assert_eq!(spendings.take().len(), 1);
        spendings.note(requests(2, 1), true);
        spendings.note(requests(1, 8), false);
        assert_eq!((spendings.spent(&quota, two), spendings.spent(&quota, one)), (1, 0));
        assert_eq!(spendings.take(), [], "the database knows it");
        // What was counted in requests says nothing of a price.
        let another = KeyQuota { unit: QuotaUnit::Cost, ..quota.clone() };
        assert_eq!(spendings.spent(&another, two), 0);
        spendings.note(spending(QuotaUnit::Cost, 2, 70), false);
        assert_eq!((spendings.spent(&another, two), spendings.spent(&quota, two)), (70, 1));
    }
}
