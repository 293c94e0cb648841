//! Where a read has been, and whether it is worth going there again.

use std::time::Instant;

use super::super::sighting::Sighting;
use crate::driver::FallbackReason;

/// How often a read goes to the same replica that is behind.
const MOST_VISITS: usize = 3;

/// Where a read has been.
#[derive(Debug, Default)]
pub(super) struct Visited {
    /// Those that were behind, and when that was seen of them which led there.
    pub(super) behind: Vec<(usize, Instant)>,
    /// Those that failed.
    pub(super) failed: Vec<usize>,
}

impl Visited {
    /// Whether there is nothing more to hope for.
    pub(super) fn is_done_with(&self, place: usize) -> bool {
        self.failed.contains(&place) || self.behind.iter().filter(|(of, _)| *of == place).count() >= MOST_VISITS
    }

    /// Whether it is only asked again once it is seen to have come further, or seen anew: its URL may lead to several
    /// servers, of which another one is looked at.
    pub(super) fn waits_for(&self, place: usize, seen: &Sighting, is_unready: bool) -> bool {
        self.behind.iter().any(|(of, at)| *of == place && (is_unready || *at == seen.at))
    }

    /// Why none can answer when nobody is left.
    pub(super) fn reason(&self) -> FallbackReason {
        match (self.failed.is_empty(), self.behind.is_empty()) {
            (false, _) => FallbackReason::Failed,
            (true, false) => FallbackReason::Behind,
            (true, true) => FallbackReason::Nobody,
        }
    }
}
