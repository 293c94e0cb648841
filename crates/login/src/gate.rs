//! The gate in front of everything that can be tried again and again: guesses of passwords and codes, mails, new accounts.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Clock;
use parking_lot::Mutex;

/// What is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    /// A password.
    Password,
    /// A code of a mail or an authenticator app, or a link.
    Code,
    /// A mail to an address.
    Mail,
    /// A new account.
    SignUp,
    /// Another refresh token.
    Refresh,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What is attempted.
    pub kind: AttemptKind,
    /// Whose account, as far as it is named: an address, or the number of a session or factor. Whether there is such an account
    /// must make no difference.
    pub account: Option<&'a str>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// An attempt that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// After how many seconds it makes sense to come again.
    pub seconds: u32,
}

/// Decides which attempts may go on.
pub trait Gate: Send + Sync + 'static {
    /// May this attempt go on? It counts from now on.
    ///
    /// # Errors
    /// [`Wait`]: when.
    fn enter(&self, attempt: &Attempt<'_>) -> Result<(), Wait>;

    /// The attempt was right: what was counted of its account is forgiven.
    fn succeeded(&self, attempt: &Attempt<'_>);
}

/// How often something may be attempted.
#[derive(Debug, Clone, Copy)]
struct Bound {
    most: u32,
    within: Duration,
}

/// The most counters that are kept; beyond it the oldest half is forgotten. Each takes some 50 bytes.
const MOST_COUNTERS: usize = 200_000;

/// A gate in this process's memory, with fixed windows.
pub struct MemoryGate {
    clock: Arc<dyn Clock>,
    mail_interval: Duration,
    counters: Mutex<HashMap<u64, Counter>>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    began: Instant,
    count: u32,
}

impl MemoryGate {
    /// A gate that has seen nothing; `mail_interval` has to be between two mails to one address.
    pub fn new(clock: Arc<dyn Clock>, mail_interval: Duration) -> Self {
        Self { clock, mail_interval, counters: Mutex::default() }
    }

    /// How often per account, and how often per address.
    fn bounds(&self, kind: AttemptKind) -> (Option<Bound>, Bound) {
        let minutes = |most, minutes: u64| Bound { most, within: Duration::from_secs(60 * minutes) };
        match kind {
            AttemptKind::Password => (Some(minutes(30, 15)), minutes(300, 5)),
            AttemptKind::Code => (Some(minutes(10, 10)), minutes(150, 5)),
            AttemptKind::Mail => (Some(Bound { most: 1, within: self.mail_interval }), minutes(150, 60)),
            AttemptKind::SignUp => (None, minutes(150, 5)),
            AttemptKind::Refresh => (None, minutes(9_000, 5)),
        }
    }
}

/// The name of a counter. Collisions count together, which is stricter by a hair.
fn name(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Addresses of IPv6 count by their network of 64 bits: nobody is given less.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        other @ IpAddr::V4(_) => other,
    }
}

impl Gate for MemoryGate {
    fn enter(&self, attempt: &Attempt<'_>) -> Result<(), Wait> {
        let now = self.clock.monotonic();
        let (account, address) = self.bounds(attempt.kind);
        let account = account.zip(attempt.account);
        let bounds = [
            account.map(|(bound, account)| (name((attempt.kind, account)), bound)),
            Some((name((attempt.kind, network(attempt.address))), address)),
        ];
        let mut counters = self.counters.lock();
        for (key, bound) in bounds.iter().flatten() {
            let known = counters.get(key).filter(|known| now.duration_since(known.began) < bound.within);
            if let Some(known) = known.filter(|known| known.count >= bound.most) {
                let left = bound.within.saturating_sub(now.duration_since(known.began));
                return Err(Wait { seconds: u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1) });
            }
        }
        if counters.len() >= MOST_COUNTERS {
            forget_half(&mut counters);
        }
        for (key, bound) in bounds.iter().flatten() {
            let counter = counters.entry(*key).or_insert(Counter { began: now, count: 0 });
            if now.duration_since(counter.began) >= bound.within {
                *counter = Counter { began: now, count: 0 };
            }
            counter.count = counter.count.saturating_add(1);
        }
        Ok(())
    }

    fn succeeded(&self, attempt: &Attempt<'_>) {
        if let Some(account) = attempt.account {
            self.counters.lock().remove(&name((attempt.kind, account)));
        }
    }
}

fn forget_half(counters: &mut HashMap<u64, Counter>) {
    let mut moments: Vec<Instant> = counters.values().map(|counter| counter.began).collect();
    let middle = moments.len() / 2;
    if middle < moments.len() {
        let (_, median, _) = moments.select_nth_unstable(middle);
        let median = *median;
        counters.retain(|_, counter| counter.began > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HandClock;

    fn attempt(account: &str, address: [u8; 4]) -> Attempt<'_> {
        Attempt { kind: AttemptKind::Mail, account: Some(account), address: IpAddr::from(address) }
    }

    #[test]
    fn one_mail_a_minute_to_an_address_whoever_asks() {
        let clock = Arc::new(HandClock::default());
        let gate = MemoryGate::new(clock.clone(), Duration::from_secs(60));
        assert_eq!(gate.enter(&attempt("a", [1, 1, 1, 1])), Ok(()));
        assert_eq!(gate.enter(&attempt("a", [2, 2, 2, 2])), Err(Wait { seconds: 61 }));
        assert_eq!(gate.enter(&attempt("b", [1, 1, 1, 1])), Ok(()));
        clock.advance(Duration::from_secs(60));
        assert_eq!(gate.enter(&attempt("a", [2, 2, 2, 2])), Ok(()));
    }

    #[test]
    fn guesses_are_bounded_and_a_right_one_forgives() {
        let gate = MemoryGate::new(Arc::new(HandClock::default()), Duration::ZERO);
        let guess = Attempt { kind: AttemptKind::Code, account: Some("a"), address: IpAddr::from([1, 1, 1, 1]) };
        for _ in 0..10 {
            assert_eq!(gate.enter(&guess), Ok(()));
        }
        assert!(gate.enter(&guess).is_err());
        gate.succeeded(&guess);
        assert_eq!(gate.enter(&guess), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let clock = Arc::new(HandClock::default());
        let gate = MemoryGate::new(clock.clone(), Duration::from_secs(60));
        for number in 0..u32::try_from(MOST_COUNTERS).unwrap() {
            clock.advance(Duration::from_micros(1));
            let _bounded = gate.enter(&attempt(&number.to_string(), number.to_be_bytes()));
        }
        assert!(gate.counters.lock().len() <= MOST_COUNTERS + 2);
    }
}
