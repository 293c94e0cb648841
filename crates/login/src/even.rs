//! Answers that take as long whatever came of them, where they would tell whether there is an account: one that makes an account
//! or a mail writes to the database, one that need not does nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Outcome;

/// Answers leave at multiples of this after their beginning. Longer than the database takes to write, as a rule.
const BEAT: Duration = Duration::from_millis(100);

/// Does something and waits for the next beat. What is refused is told at once: nobody is refused for having an account.
pub(crate) async fn evenly<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let began = Instant::now();
    let outcome = work.await;
    if outcome.is_ok() {
        tokio::time::sleep_until(next_beat(began, Instant::now())).await;
    }
    outcome
}

fn next_beat(began: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(began).as_micros() / BEAT.as_micros();
    let beats = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
    began.checked_add(BEAT.saturating_mul(beats)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    #[test]
    fn beats() {
        let began = Instant::now();
        let after = |millis| (next_beat(began, began + Duration::from_millis(millis)) - began).as_millis();
        assert_eq!([0, 1, 99, 100, 101, 250].map(after), [100, 100, 100, 200, 200, 300]);
    }

    #[tokio::test]
    async fn what_is_done_waits_for_its_beat() {
        assert!(evenly(async { Err::<(), _>(Refusal::invalid("no")) }).await.is_err());
        let began = Instant::now();
        evenly(async { Ok(()) }).await.unwrap();
        assert!(began.elapsed() >= BEAT);
    }
}
