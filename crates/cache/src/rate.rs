//! The arithmetic of rates, the same for all drivers: the generic cell rate algorithm (ITU-T I.371), a leaky bucket that needs
//! one number per key. The number is the moment at which everything will be forgiven; how far it lies ahead is the *debt*.

use std::time::Duration;

use crate::driver::Mode;
use crate::key::Key;

/// How long a debt may take to be forgiven at most: what is remembered longer belongs into the database.
pub const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The highest rate: debts are counted in microseconds, and beyond it rounding would be felt.
pub const MOST_PER_SECOND: u64 = 100_000;

/// How much may be done in how long, on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    amount: u64,
    period: Duration,
}

impl Rate {
    /// [`MOST_PER_SECOND`].
    pub(crate) const FASTEST: Self = Self { amount: MOST_PER_SECOND, period: Duration::from_secs(1) };

    /// `amount` in every `period`; `None` when either is 0, or it is more than [`MOST_PER_SECOND`].
    pub fn new(amount: u64, period: Duration) -> Option<Self> {
        let most = u128::from(MOST_PER_SECOND) * period.as_micros();
        let is_fine = amount > 0 && u128::from(amount) * 1_000_000 <= most;
        is_fine.then_some(Self { amount, period })
    }

    /// How long so much takes at this rate, in µs, rounded down and at most [`LONGEST`].
    fn time_of(self, amount: u64) -> u64 {
        let micros = u128::from(amount) * self.period.as_micros() / u128::from(self.amount.max(1));
        u64::try_from(micros.min(LONGEST.as_micros())).unwrap_or(u64::MAX)
    }

    /// How much it is in so many µs, rounded down.
    fn amount_in(self, micros: u64) -> u64 {
        let amount = u128::from(micros) * u128::from(self.amount) / self.period.as_micros().max(1);
        u64::try_from(amount).unwrap_or(u64::MAX)
    }

    /// How long until all of `burst` is there again.
    pub fn window(self, burst: u64) -> Duration {
        Duration::from_micros(self.time_of(burst))
    }

    /// The share of this rate.
    fn share(self, share: f64) -> Self {
        Self { amount: self.amount, period: self.period.div_f64(share.clamp(0.001, 1.0)) }
    }
}

/// One thing that is asked for, to be charged to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What it is charged to.
    pub key: Key,
    /// How fast it is forgiven.
    pub rate: Rate,
    /// How much may be asked for at once when nothing was for long.
    pub burst: u64,
    /// How much is asked for.
    pub cost: u64,
}

impl Charge {
    /// What it adds to the debt, in µs.
    pub(crate) fn increment(&self) -> u64 {
        self.rate.time_of(self.cost)
    }

    /// The highest debt, in µs. Rounded up, so that `burst` single ones always fit.
    pub(crate) fn tolerance(&self) -> u64 {
        self.rate.time_of(self.burst).saturating_add(1)
    }

    /// The same where this process alone decides and allows a share. What was allowed at all still is, at a lower rate.
    pub(crate) fn share(&self, share: f64) -> Self {
        let burst = ((self.burst as f64 * share) as u64).max(1);
        let cost = if self.cost <= self.burst { self.cost.min(burst) } else { self.cost };
        Self { key: self.key, rate: self.rate.share(share), burst, cost }
    }

    /// Whether it fits on top of a debt.
    pub(crate) fn fits(&self, debt: u64) -> bool {
        debt.saturating_add(self.increment()) <= self.tolerance()
    }

    /// The debt after it was spent, in µs. The scripts of the Redis driver say the same.
    pub(crate) fn after(&self, mode: Mode, is_allowed: bool, debt: u64) -> u64 {
        match mode {
            Mode::Peek => debt,
            Mode::Charge if !is_allowed => debt,
            Mode::Charge => debt.saturating_add(self.increment()),
            // Beyond the bound, but only once over: otherwise a flood would lock somebody out for ever.
            Mode::Record => debt.saturating_add(self.increment()).min(self.tolerance().saturating_mul(2)).max(debt),
            Mode::Refund => debt.saturating_sub(self.increment()),
        }
    }

    /// What came of it: the debt before and after.
    pub(crate) fn verdict(&self, before: u64, after: u64) -> Verdict {
        let is_allowed = self.fits(before);
        let wait = before.saturating_add(self.increment()).saturating_sub(self.tolerance());
        let is_possible = self.increment() <= self.tolerance();
        Verdict {
            is_allowed,
            remaining: self.rate.amount_in(self.tolerance().saturating_sub(after)).min(self.burst),
            retry_after: (!is_allowed && is_possible).then(|| Duration::from_micros(wait)),
            reset: Duration::from_micros(after),
        }
    }
}

/// What came of one charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it fitted.
    pub is_allowed: bool,
    /// How much may still be asked for at once.
    pub remaining: u64,
    /// When it would fit, if nobody else asks; `None` when it did, and when it is more than the burst and never will.
    pub retry_after: Option<Duration>,
    /// When everything is forgiven, if nobody asks.
    pub reset: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keys;

    fn charge(amount: u64, seconds: u64, burst: u64, cost: u64) -> Charge {
        let key = Keys::new(&base::Secret::new("x")).key("test", &[]);
        Charge { key, rate: Rate::new(amount, Duration::from_secs(seconds)).unwrap(), burst, cost }
    }

    #[test]
    fn rates_have_bounds() {
        assert_eq!(Rate::new(0, Duration::from_secs(1)), None);
        assert_eq!(Rate::new(1, Duration::ZERO), None);
        assert!(Rate::new(MOST_PER_SECOND, Duration::from_secs(1)).is_some());
        assert_eq!(Rate::new(MOST_PER_SECOND + 1, Duration::from_secs(1)), None);
    }

    #[test]
    fn a_burst_fits_whatever_the_rate() {
        for (amount, seconds, burst) in [(3, 1, 3), (7, 60, 21), (99_999, 1, 1000), (1, 3600, 10)] {
            let one = charge(amount, seconds, burst, 1);
            let mut debt = 0;
            for left in (0..burst).rev() {
                assert!(one.fits(debt));
                debt = one.after(Mode::Charge, true, debt);
                assert_eq!(one.verdict(0, debt).remaining, left, "{amount}/{seconds}s");
            }
            assert!(!one.fits(debt));
        }
    }

    #[test]
    fn what_never_fits_has_no_time() {
        let much = charge(1, 1, 5, 6);
        assert!(!much.verdict(0, 0).is_allowed);
        assert_eq!(much.verdict(0, 0).retry_after, None);
        let later = charge(1, 1, 5, 5).verdict(2_000_000, 2_000_000);
        assert_eq!(later.retry_after.map(|wait| wait.as_millis()), Some(1999));
        assert_eq!(later.remaining, 3);
    }

    #[test]
    fn a_record_goes_beyond_the_bound_but_not_for_ever() {
        let one = charge(1, 60, 2, 1);
        let debt = (0..100).fold(0, |debt, _| one.after(Mode::Record, true, debt));
        assert_eq!(Duration::from_micros(debt).as_secs(), 240);
        assert_eq!(one.after(Mode::Refund, true, 10), 0);
    }

    #[test]
    fn a_share_is_slower_and_smaller() {
        let half = charge(10, 1, 8, 8).share(0.5);
        assert_eq!((half.burst, half.cost), (4, 4));
        assert_eq!(half.increment(), 800_000);
        let least = charge(10, 1, 1, 1).share(0.25);
        assert_eq!((least.burst, least.cost, least.increment()), (1, 1, 400_000));
    }
}
