//! Random choices that can be had again: the seed is told, and taken from the environment.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// How many steps more than usual a test of random steps is to do: `PANDO_TEST_STEPS`.
pub fn more_steps() -> u64 {
    std::env::var("PANDO_TEST_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(0)
}

/// A small generator (SplitMix64) whose seed is printed, so that a failed run can be repeated.
#[derive(Debug, Clone)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Seeded by `PANDO_TEST_SEED`, or by chance. Prints the seed.
    pub fn announced(test: &str) -> Self {
        let seed = std::env::var("PANDO_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().build_hasher().finish());
        eprintln!("{test}: PANDO_TEST_SEED={seed}");
        Self { state: seed }
    }

    /// With a given seed, for a part of a test that draws from it alone.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}
