use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment, in microseconds since 1970-01-01 00:00:00 UTC: PostgreSQL's precision of `timestamptz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since 1970, rounded down: the unit of JWT's NumericDate (RFC 7519 section 2).
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// Where time comes from. A parameter everywhere, so that tests can hold it still.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// A monotonic reading, for durations and deadlines.
    fn monotonic(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: tokens then count as issued in the future, which fails closed.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
