//! When a certificate is asked for. Seconds since 1970 throughout.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::Facts;

/// The longest wait after failures. Let's Encrypt forgives five failed validations an hour.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// Between a certificate and the next one, whatever the authority says of renewing: it could say so of each.
const BETWEEN_ORDERS: i64 = 3_600;
/// Certificates that are valid for longer than this are renewed when two thirds are over, the others in the middle.
const SHORT_LIVED: i64 = 10 * 86_400;
/// The longest that an authority's wish to be left alone is heeded.
const LONGEST_PATIENCE: Duration = Duration::from_hours(24);

/// What is remembered of orders, across restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attempts {
    /// Orders since the last that went well. One is counted as it begins.
    pub(crate) failures: u32,
    /// When the last one began, or went well.
    pub(crate) last: i64,
    /// Before when the authority does not want to be asked.
    pub(crate) not_before: i64,
    /// When the authority would have the certificate renewed.
    pub(crate) window: Option<Window>,
}

/// An authority's suggestion (RFC 9773).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// The end of the certificate that it is about: another one has another.
    pub(crate) of: i64,
    /// Its begin and end; `None` when the authority suggests nothing.
    pub(crate) times: Option<(i64, i64)>,
    /// When to ask again.
    pub(crate) until: i64,
}

/// How long to wait after so many failures in a row. `share` spreads those who failed together: it is up to a fifth longer.
pub(crate) fn pause(first: Duration, failures: u32, share: f64) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(LONGEST_PAUSE).mul_f64(1.0 + share.clamp(0.0, 1.0) / 5.0)
}

/// When a certificate is to be renewed: in the authority's window, or else by its age.
pub(crate) fn renewal(facts: &Facts, window: Option<Window>) -> i64 {
    let life = (facts.end - facts.begin).max(0);
    let suggested = window.filter(|window| window.of == facts.end).and_then(|window| window.times);
    let at = |begin: i64, length: i64| begin.saturating_add(scaled(length.max(0), facts.share));
    match suggested {
        Some((begin, end)) => at(begin, end.saturating_sub(begin)).min(facts.end),
        // Up to a fiftieth of its life later, so that not all come at once.
        None if life > SHORT_LIVED => at(facts.begin + life / 3 * 2, life / 50),
        None => at(facts.begin + life / 2, life / 50),
    }
}

fn scaled(length: i64, share: f64) -> i64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a share of a length is no longer than it"
    )]
    let scaled = (length as f64 * share.clamp(0.0, 1.0)) as i64;
    scaled
}

/// When a certificate is to be ordered.
pub(crate) fn due(facts: Option<&Facts>, attempts: &Attempts, first_pause: Duration, share: f64) -> i64 {
    let last = attempts.last;
    let wanted = facts.map_or(i64::MIN, |facts| renewal(facts, attempts.window));
    let allowed = if attempts.failures > 0 {
        last.saturating_add(seconds(pause(first_pause, attempts.failures, share)))
    } else {
        // Also where none can be used: the next might not be usable either.
        let life = facts.map_or(i64::MAX, |facts| facts.end - facts.begin);
        if last == 0 { i64::MIN } else { last.saturating_add(BETWEEN_ORDERS.min(life / 4)) }
    };
    wanted.max(allowed).max(attempts.not_before)
}

impl Attempts {
    /// Without what only a clock that was ahead for a while can have written: nobody is to wait for that.
    pub(crate) fn at_most(self, now: i64) -> Self {
        let (last, latest) = (self.last.min(now), now.saturating_add(seconds(LONGEST_PATIENCE)));
        Self { last, not_before: self.not_before.min(latest), ..self }
    }
}

/// Before when an authority that wants to be left alone until then is not asked.
pub(crate) fn not_before(now: i64, until: Option<i64>) -> i64 {
    until.map_or(0, |until| until.min(now.saturating_add(seconds(LONGEST_PATIENCE))))
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const FIRST: Duration = Duration::from_mins(5);

    fn facts(begin: i64, end: i64, share: f64) -> Facts {
        Facts { begin, end, names: Vec::new(), identifier: None, share }
    }

    #[test]
    fn renewed_well_before_the_end() {
        for (life, from, to) in [(90 * DAY, 60 * DAY, 62 * DAY), (6 * DAY, 3 * DAY, 4 * DAY), (60, 30, 32)] {
            for share in [0.0, 0.5, 0.999] {
                let at = renewal(&facts(1_000, 1_000 + life, share), None) - 1_000;
                assert!((from..=to).contains(&at), "{life} {share}: {at}");
            }
        }
        // Nonsense is due at once and no panic.
        assert!(renewal(&facts(1_000, 0, 0.5), None) <= 1_000);
    }

    #[test]
    fn the_authority_says_when() {
        let kept = facts(0, 90 * DAY, 0.5);
        let window = |of, begin, end| Some(Window { of, times: Some((begin, end)), until: 0 });
        assert_eq!(renewal(&kept, window(kept.end, 10 * DAY, 20 * DAY)), 15 * DAY);
        // Of another certificate, or of after its end.
        assert_eq!(renewal(&kept, window(1, 10 * DAY, 20 * DAY)), renewal(&kept, None));
        assert_eq!(renewal(&kept, window(kept.end, 100 * DAY, 120 * DAY)), kept.end);
        assert_eq!(renewal(&kept, window(kept.end, i64::MAX, i64::MIN)), kept.end);
        // One that says "now" of every certificate gets no order a second.
        let attempts = Attempts { last: 1_000, window: window(kept.end, 0, 1), ..Attempts::default() };
        assert_eq!(due(Some(&kept), &attempts, FIRST, 0.0), 1_000 + BETWEEN_ORDERS);
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let mut former = Duration::ZERO;
        for failures in 1..=7 {
            let wait = pause(FIRST, failures, 0.0);
            assert!(wait > former, "{failures}");
            former = wait;
        }
        assert_eq!(pause(FIRST, 1, 0.0), FIRST);
        assert_eq!(pause(FIRST, u32::MAX, 0.0), LONGEST_PAUSE);
        assert_eq!(pause(FIRST, u32::MAX, 1.0), LONGEST_PAUSE.mul_f64(1.2));
        // Five validations an hour may fail at Let's Encrypt: this many begin in the first hour.
        let (mut at, mut begun) = (Duration::ZERO, 0);
        while at < Duration::from_hours(1) {
            begun += 1;
            at += pause(FIRST, begun, 0.0);
        }
        assert!(begun <= 4, "{begun}");
    }

    #[test]
    fn when_an_order_is_due() {
        let now = 1_000_000;
        let none = Attempts::default();
        assert_eq!(due(None, &none, FIRST, 0.0), 0, "at once");
        // What was issued a moment ago cannot be used, or is gone: the next one would cost as much.
        let issued = Attempts { last: now - 10, ..none };
        assert_eq!(due(None, &issued, FIRST, 0.0), now - 10 + BETWEEN_ORDERS);
        let short = facts(now - 10, now + 30, 0.0);
        assert_eq!(due(Some(&short), &issued, FIRST, 0.0), now + 10, "the middle of a short life");
        let failed = Attempts { failures: 1, last: now - 10, ..none };
        assert_eq!(due(None, &failed, FIRST, 0.0), now + 290);
        let kept = facts(now - 30 * DAY, now + 60 * DAY, 0.0);
        assert_eq!(due(Some(&kept), &none, FIRST, 0.0), now + 30 * DAY);
        // It has ended, and orders fail: not more often because of that.
        let ended = facts(now - 90 * DAY, now - DAY, 0.0);
        assert_eq!(due(Some(&ended), &failed, FIRST, 0.0), now + 290);
        // Asked to wait: heeded, but not for ever.
        let asked = Attempts { not_before: now + 7_200, ..failed };
        assert_eq!(due(None, &asked, FIRST, 0.0), now + 7_200);
        let asked = Attempts { not_before: i64::MAX, ..failed }.at_most(now);
        assert_eq!(due(None, &asked, FIRST, 0.0), now + DAY);
        // Written by a clock that was years ahead.
        let ahead = Attempts { failures: 1, last: now + 1_000 * DAY, ..none }.at_most(now);
        assert_eq!(due(None, &ahead, FIRST, 0.0), now + 300);
    }
}
