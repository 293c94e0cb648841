//! How far the primary had come, and when: what a replica has not replayed yet is as old as the moment at which the primary
//! was first seen to have it. No clocks are compared, and a primary that is idle or gone makes nobody late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::sighting::Sighting;

/// How many moments are kept, those at which nothing had happened not counted: minutes, far more than any bound of lag.
const MOST_MOMENTS: usize = 1_024;

/// Points of the primary, oldest first.
#[derive(Debug, Default)]
pub(super) struct Course {
    system: Option<u64>,
    timeline: u32,
    /// When it came to each point.
    moments: VecDeque<(Instant, u64)>,
    /// When it was last seen.
    now: Option<Instant>,
}

impl Course {
    /// The database's identifier, once the primary was seen.
    pub(super) fn system(&self) -> Option<u64> {
        self.system
    }

    /// The timeline that the primary was last seen on; 0 before that.
    pub(super) fn timeline(&self) -> u32 {
        self.timeline
    }

    /// Notes where the primary is.
    pub(super) fn note(&mut self, sighting: &Sighting) {
        if self.system != Some(sighting.system) || self.timeline != sighting.timeline {
            self.moments.clear();
            self.system = Some(sighting.system);
            self.timeline = sighting.timeline;
        }
        self.now = Some(sighting.at);
        if self.moments.back().is_none_or(|(_, reached)| *reached < sighting.point) {
            self.moments.push_back((sighting.at, sighting.point));
        }
        if self.moments.len() > MOST_MOMENTS {
            self.moments.pop_front();
        }
    }

    /// How far a server has come that is so much behind at most: what was there before that, it has.
    /// Nothing on a timeline that the primary was not seen on yet.
    pub(super) fn floor(&self, timeline: u32, lag: Duration) -> u64 {
        if timeline != self.timeline {
            return 0;
        }
        let is_older = |then: &Instant| self.now.is_some_and(|now| now.saturating_duration_since(*then) > lag);
        self.moments.iter().rev().find(|(then, _)| is_older(then)).map_or(0, |(_, reached)| *reached)
    }

    /// How old the first thing is that a server at this point does not have: by how much it shows the past.
    /// None on a timeline that the primary was not seen on yet.
    pub(super) fn lag(&self, timeline: u32, point: u64) -> Duration {
        if timeline != self.timeline {
            return Duration::ZERO;
        }
        let missed = self.moments.iter().find(|(_, reached)| *reached > point);
        let since = missed.zip(self.now).map(|((then, _), now)| now.saturating_duration_since(*then));
        since.unwrap_or_default()
    }
}

/// So many a second, and as many at once.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    left: f64,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: per_second, filled: now }
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.per_second);
        self.filled = now;
        let is_left = self.left >= 1.0;
        if is_left {
            self.left -= 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sighting::tests::primary;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn lag_is_how_old_the_first_missed_thing_is() {
        let start = Instant::now();
        let mut course = Course::default();
        assert_eq!(course.lag(1, 0), Duration::ZERO);
        for (second, point) in [(0, 100), (1, 200), (2, 300), (3, 300), (4, 300), (5, 400)] {
            course.note(&primary(start + SECOND * second, 1, point));
        }
        assert_eq!(course.lag(1, 400), Duration::ZERO);
        assert_eq!(course.lag(1, 399), Duration::ZERO, "it was only just written");
        assert_eq!(course.lag(1, 250), SECOND * 3, "it was there for some time");
        assert_eq!(course.lag(1, 150), SECOND * 4);
        assert_eq!(course.lag(1, 50), SECOND * 5);
        // Nothing more is heard of the primary: nobody gets later.
        assert_eq!(course.lag(1, 150), SECOND * 4);
        // Who is that far has no greater lag, and who is not has.
        assert_eq!([0, 2, 3, 4, 5].map(|lag| course.floor(1, SECOND * lag)), [300, 300, 200, 100, 0]);
        for (lag, point) in
            [0, 1, 2, 3, 4, 5].into_iter().flat_map(|lag| (0..500).map(move |point| (SECOND * lag, point)))
        {
            assert_eq!(course.lag(1, point) <= lag, course.floor(1, lag) <= point, "{lag:?} {point}");
        }
    }

    #[test]
    fn another_timeline_begins_anew() {
        let start = Instant::now();
        let mut course = Course::default();
        course.note(&primary(start, 1, 900));
        course.note(&primary(start + SECOND, 2, 500));
        assert_eq!(course.lag(2, 500), Duration::ZERO);
        course.note(&primary(start + SECOND * 2, 2, 600));
        assert_eq!(course.lag(2, 400), SECOND);
        // Points of other timelines are compared with nothing.
        assert_eq!((course.lag(1, 400), course.floor(1, Duration::ZERO)), (Duration::ZERO, 0));
    }

    #[test]
    fn a_budget_fills_with_time() {
        let start = Instant::now();
        let mut budget = Budget::new(2, start);
        assert_eq!([(); 3].map(|()| budget.take(start)), [true, true, false]);
        assert!(budget.take(start + SECOND / 2));
        assert!(!budget.take(start + SECOND / 2));
        assert_eq!([(); 3].map(|()| budget.take(start + SECOND * 60)), [true, true, false]);
        assert!(!Budget::new(0, start).take(start + SECOND));
    }
}
