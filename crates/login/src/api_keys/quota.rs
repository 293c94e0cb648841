//! How much may be asked with a key, as people write it and as the table keeps it; and how much was.

use base::{KeyQuota, Period, QuotaUnit, Timestamp};
use identity::KeySpending;
use serde_json::{Value, json};

use super::KeyRecord;

/// The largest amount: far above what a node answers in a month, and exact in JSON and in Redis.
const LARGEST_AMOUNT: u64 = 1_000_000_000_000;

/// A quota that somebody would like a key to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How much; at least 1.
    pub amount: u64,
    /// In how long.
    pub period: Period,
    /// Of what.
    pub unit: QuotaUnit,
}

/// How much of a quota is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The period that is counted: when it began, and when it ends.
    pub period: (Timestamp, Timestamp),
    /// How much.
    pub used: u64,
}

impl Quota {
    /// Reads `1000/day` or `50000/month in cost`.
    ///
    /// # Errors
    /// What is not understood, as a sentence.
    pub fn from_words(text: &str) -> Result<Self, String> {
        let problem = || {
            format!(
                "{text:?} is no quota; write 1000/day, of hour, day or month, or \"1000/day in cost\"; the amount is at most \
                 {LARGEST_AMOUNT}"
            )
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (amount, unit) = match words.as_slice() {
            [amount] => (*amount, QuotaUnit::Requests),
            [amount, "in", unit] => (*amount, QuotaUnit::from_word(unit).ok_or_else(problem)?),
            _ => return Err(problem()),
        };
        let (amount, period) = amount.split_once('/').ok_or_else(problem)?;
        let amount = amount.parse().ok().filter(|amount| (1..=LARGEST_AMOUNT).contains(amount)).ok_or_else(problem)?;
        let period = Period::from_word(period).ok_or_else(problem)?;
        Ok(Self { amount, period, unit })
    }

    /// As people write it.
    pub fn to_words(self) -> String {
        let unit = if self.unit == QuotaUnit::Cost { " in cost" } else { "" };
        format!("{}/{}{unit}", self.amount, self.period.word())
    }

    /// As the table keeps it, and as it is shown.
    pub fn to_json(self) -> Value {
        json!({ "amount": self.amount, "per": self.period.word(), "in": self.unit.word() })
    }

    /// Reads what [`Quota::to_json`] gives; without `in` it is of requests.
    ///
    /// # Errors
    /// What is not understood, as a sentence.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let problem = || {
            format!(
                "a quota is like {{\"amount\": 1000, \"per\": \"day\", \"in\": \"requests\"}}: an amount of 1 to {LARGEST_AMOUNT} per \
                 hour, day or month, in requests or cost"
            )
        };
        let Value::Object(mut members) = value else { return Err(problem()) };
        let amount = members.remove("amount").and_then(|amount| amount.as_u64());
        let period = members.remove("per").and_then(|word| Period::from_word(word.as_str()?));
        let unit = match members.remove("in") {
            None => Some(QuotaUnit::Requests),
            Some(word) => word.as_str().and_then(QuotaUnit::from_word),
        };
        match (amount.filter(|amount| (1..=LARGEST_AMOUNT).contains(amount)), period, unit) {
            (Some(amount), Some(period), Some(unit)) if members.is_empty() => Ok(Self { amount, period, unit }),
            _ => Err(problem()),
        }
    }
}

impl KeyRecord {
    /// The quota as requests are counted for it.
    pub(super) fn counted(&self) -> Option<KeyQuota> {
        let Quota { amount, period, unit } = self.quota?;
        let account = self.quota_account.as_deref().unwrap_or(&self.id).into();
        Some(KeyQuota { account, amount, period, unit })
    }

    /// How much of the quota is used at a moment, out of what is known of all quotas.
    pub(super) fn usage_of(&self, spendings: &[KeySpending], now: Timestamp) -> Option<Usage> {
        let quota = self.counted()?;
        let period = quota.period.around(now);
        let is_of_it = |known: &&KeySpending| {
            (&known.account, known.period, known.unit, known.since)
                == (&quota.account, quota.period, quota.unit, period.0)
        };
        let used = spendings.iter().filter(is_of_it).map(|known| known.used).max().unwrap_or_default();
        Some(Usage { period, used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_what_it_was() {
        for (words, amount, period, unit) in [
            ("1000/day", 1000, Period::Day, QuotaUnit::Requests),
            ("1/hour", 1, Period::Hour, QuotaUnit::Requests),
            ("50000/month in cost", 50_000, Period::Month, QuotaUnit::Cost),
        ] {
            let quota = Quota::from_words(words).unwrap();
            assert_eq!(quota, Quota { amount, period, unit });
            assert_eq!(quota.to_words(), words);
            assert_eq!(Quota::from_json(quota.to_json()), Ok(quota));
        }
        assert_eq!(Quota::from_words("5/day in requests"), Quota::from_json(json!({"amount": 5, "per": "day"})));
        for wrong in [
            "",
            "1000",
            "0/day",
            "-1/day",
            "1/second",
            "1/day in",
            "1/day in bytes",
            "1/day of cost",
            "1000000000001/day",
        ] {
            assert!(Quota::from_words(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            json!([]),
            json!({}),
            json!({"amount": 0, "per": "day"}),
            json!({"amount": 1.5, "per": "day"}),
            json!({"amount": 1, "per": "year"}),
            json!({"amount": 1, "per": "day", "in": null}),
            json!({"amount": 1, "per": "day", "burst": 2}),
        ] {
            assert!(Quota::from_json(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
