//! How many of the passwords that are tried are wrong: always some, and suddenly nearly all when somebody tries lists of leaked ones.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a slice of time is, and how many make up the present.
const SLICE: Duration = Duration::from_secs(10);
const SLICES: usize = 6;

/// The fewest wrong passwords of a minute that are an attack: a small project must not be alarmed by three people.
const FEWEST_WRONG: u32 = 30;

/// The share that is wrong is far above its usual when it is so many times as high, within these bounds.
const FAR_ABOVE: f64 = 3.0;
const LEAST_SHARE: f64 = 0.5;
const MOST_SHARE: f64 = 0.9;

/// What is taken for usual before anything was seen.
const FIRST_USUAL: f64 = 0.15;

/// How slowly the usual share follows: a slice counts for so much of it.
const FOLLOWS: f64 = 1.0 / 64.0;

/// The fewest passwords of a slice that say anything about what is usual.
const FEWEST_OF_SLICE: u32 = 3;

/// How long it has to be quiet before an attack is over.
const QUIET: Duration = Duration::from_secs(120);

/// A change between calm and attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Began,
    Ended,
}

/// The share of wrong passwords.
pub(super) struct Ratio {
    began: Instant,
    state: Mutex<State>,
}

struct State {
    slices: [Slice; SLICES],
    usual: f64,
    /// When it was far above last, while that is an attack.
    last_high: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: u64,
    right: u32,
    wrong: u32,
}

impl Ratio {
    pub(super) fn new(now: Instant) -> Self {
        let state = State { slices: [Slice::default(); SLICES], usual: FIRST_USUAL, last_high: None };
        Self { began: now, state: Mutex::new(state) }
    }

    /// Whether there is an attack, and whether that has just changed.
    pub(super) fn look(&self, now: Instant) -> (bool, Option<Change>) {
        let mut state = self.state.lock();
        let is_over = state.last_high.is_some_and(|last| now.saturating_duration_since(last) >= QUIET);
        if is_over {
            state.last_high = None;
        }
        (state.last_high.is_some(), is_over.then_some(Change::Ended))
    }

    /// Notes what came of a password.
    pub(super) fn note(&self, is_right: bool, now: Instant) -> Option<Change> {
        let number = self.number(now);
        let mut state = self.state.lock();
        state.turn_to(number);
        if let Some(slice) = state.slices.get_mut(number as usize % SLICES) {
            let count = if is_right { &mut slice.right } else { &mut slice.wrong };
            *count = count.saturating_add(1);
        }
        let is_high = !is_right && state.is_high(number);
        if is_high { state.raise(now) } else { None }
    }

    /// Something else says that there is an attack.
    pub(super) fn alarm(&self, now: Instant) -> Option<Change> {
        self.state.lock().raise(now)
    }

    fn number(&self, now: Instant) -> u64 {
        let slices = now.saturating_duration_since(self.began).as_secs() / SLICE.as_secs();
        // 0 is a slice that was never used.
        slices + 1
    }
}

impl State {
    /// The slice of this number is empty when it begins. What the one in its place says has become the past.
    fn turn_to(&mut self, number: u64) {
        let is_calm = self.last_high.is_none();
        let Some(slice) = self.slices.get_mut(number as usize % SLICES) else { return };
        if slice.number == number {
            return;
        }
        let all = slice.right + slice.wrong;
        if is_calm && all >= FEWEST_OF_SLICE {
            self.usual += (f64::from(slice.wrong) / f64::from(all) - self.usual) * FOLLOWS;
        }
        *slice = Slice { number, ..Slice::default() };
    }

    fn is_high(&self, number: u64) -> bool {
        let present = self.slices.iter().filter(|slice| slice.number + SLICES as u64 > number);
        let (right, wrong) =
            present.fold((0_u32, 0_u32), |(right, wrong), slice| (right + slice.right, wrong + slice.wrong));
        let limit = (self.usual * FAR_ABOVE).clamp(LEAST_SHARE, MOST_SHARE);
        wrong >= FEWEST_WRONG && f64::from(wrong) >= f64::from(right + wrong) * limit
    }

    fn raise(&mut self, now: Instant) -> Option<Change> {
        let was_calm = self.last_high.replace(now).is_none();
        was_calm.then_some(Change::Began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ratio with so many right and wrong ones in every ten seconds, for so many of them.
    fn day(ratio: &Ratio, start: Instant, slices: u32, (right, wrong): (u32, u32)) -> Vec<Change> {
        let mut changes = Vec::new();
        for slice in 0..slices {
            let now = start + SLICE * slice;
            changes.extend(ratio.look(now).1);
            for number in 0..right.max(wrong) {
                changes.extend((number < right).then(|| ratio.note(true, now)).flatten());
                changes.extend((number < wrong).then(|| ratio.note(false, now)).flatten());
            }
        }
        changes
    }

    #[test]
    fn usual_mistakes_are_no_attack_and_a_flood_is() {
        let start = Instant::now();
        let ratio = Ratio::new(start);
        assert_eq!(day(&ratio, start, 360, (40, 8)), [], "a sixth is usual");
        let flood = start + SLICE * 360;
        assert_eq!(day(&ratio, flood, 2, (40, 400)), [Change::Began], "told once");
        assert!(ratio.look(flood + SLICE * 2).0);
        // Nobody tries anything any more.
        assert_eq!(ratio.look(flood + SLICE + QUIET), (false, Some(Change::Ended)));
        assert_eq!(ratio.look(flood + SLICE + QUIET), (false, None));
    }

    #[test]
    fn a_few_wrong_ones_are_nothing() {
        let start = Instant::now();
        let ratio = Ratio::new(start);
        assert_eq!(day(&ratio, start, 100, (0, 4)), [], "24 a minute");
        assert_eq!(day(&ratio, start + SLICE * 100, 6, (0, 6)), [Change::Began], "36 a minute, and all are wrong");
    }

    #[test]
    fn where_much_is_wrong_as_a_rule_more_has_to_be() {
        let start = Instant::now();
        let ratio = Ratio::new(start);
        // Not even a rise that takes its time makes nearly everything usual.
        day(&ratio, start, 3_000, (60, 40));
        assert_eq!(day(&ratio, start + SLICE * 3_000, 6, (30, 70)), [], "70 % where 40 % are usual");
        assert_eq!(day(&ratio, start + SLICE * 3_010, 6, (2, 98)), [Change::Began]);
    }
}
