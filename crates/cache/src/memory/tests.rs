//! The driver in memory against a model that says the same in the plainest way.

use std::collections::HashMap;

use base::{Secret, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::key::Keys;
use crate::rate::Rate;

/// A clock that stands still until it is moved.
struct Still {
    began: Instant,
    moved: Mutex<Duration>,
}

impl Still {
    fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), moved: Mutex::default() })
    }

    fn pass(&self, time: Duration) {
        *self.moved.lock() += time;
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Instant {
        self.began + *self.moved.lock()
    }
}

fn key(number: u64) -> Key {
    Keys::new(&Secret::new("test")).key("test", &[&number.to_be_bytes()])
}

/// A bucket that fills with time: the textbook's form of what the driver keeps as one number.
struct Bucket {
    /// How much may be taken, in millionths.
    level: u64,
    at: u64,
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Spend(Mode, Vec<(u64, u64)>),
}

fn step() -> impl Strategy<Value = Step> {
    let mode =
        prop_oneof![Just(Mode::Peek), Just(Mode::Charge), Just(Mode::Charge), Just(Mode::Record), Just(Mode::Refund)];
    let charges = prop::collection::btree_map(0_u64..4, 0_u64..5, 1..4);
    prop_oneof![
        (0_u64..3_000_000).prop_map(Step::Pass),
        (mode, charges).prop_map(|(mode, charges)| Step::Spend(mode, charges.into_iter().collect())),
    ]
}

proptest! {
    /// One a second and a burst of 4 or so: in whole µs nothing is rounded, so driver and bucket agree to the last digit.
    #[test]
    fn it_is_a_leaky_bucket(steps in prop::collection::vec(step(), 1..60)) {
        let clock = Still::new();
        let memory = Memory::new(1_000, clock.clone());
        let mut model: HashMap<u64, Bucket> = HashMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Pass(micros) => {
                    now += micros;
                    clock.pass(Duration::from_micros(micros));
                }
                Step::Spend(mode, wanted) => {
                    let burst = |number: u64| 3 + number;
                    let charges: Vec<Charge> = wanted.iter().map(|(number, cost)| Charge {
                        key: key(*number),
                        rate: Rate::new(1, Duration::from_secs(1)).unwrap(),
                        burst: burst(*number),
                        cost: *cost,
                    }).collect();
                    // The bucket holds the burst, and twice as much below 0. Its one µs more is the driver's rounding.
                    let full = |number: u64| 2 * (burst(number) * 1_000_000 + 1);
                    let mut fits = true;
                    for (number, cost) in &wanted {
                        let bucket = model.entry(*number).or_insert(Bucket { level: full(*number), at: now });
                        bucket.level = (bucket.level + now - bucket.at).min(full(*number));
                        bucket.at = now;
                        fits &= bucket.level >= full(*number) / 2 + cost * 1_000_000;
                    }
                    let outcome = memory.spend_now(mode, &charges);
                    prop_assert_eq!(outcome.is_allowed, fits);
                    for ((number, cost), verdict) in wanted.iter().zip(&outcome.verdicts) {
                        let bucket = model.get_mut(number).unwrap();
                        let fitted = bucket.level >= full(*number) / 2 + cost * 1_000_000;
                        prop_assert_eq!(verdict.is_allowed, fitted);
                        match mode {
                            Mode::Charge if fits => bucket.level -= cost * 1_000_000,
                            Mode::Record => bucket.level = bucket.level.saturating_sub(cost * 1_000_000),
                            Mode::Refund => bucket.level = (bucket.level + cost * 1_000_000).min(full(*number)),
                            Mode::Peek | Mode::Charge => {}
                        }
                        let left = bucket.level.saturating_sub(full(*number) / 2);
                        prop_assert_eq!(verdict.remaining, (left / 1_000_000).min(burst(*number)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_flood_of_new_keys_forgives_nobody() {
    let clock = Still::new();
    let memory = Memory::new(SHARDS * 8, clock.clone());
    let rate = Rate::new(1, Duration::from_secs(60)).unwrap();
    let charge = |number: u64, cost: u64| Charge { key: key(number), rate, burst: 10, cost };
    assert!(memory.spend_now(Mode::Charge, &[charge(0, 10)]).is_allowed);
    for number in 1..100_000 {
        memory.spend_now(Mode::Charge, &[charge(number, 1)]);
    }
    let kept: usize = memory.shards.iter().map(|shard| shard.lock().counters.len()).sum();
    assert_eq!(kept, SHARDS * 8);
    // Whoever owes most is still known.
    assert!(!memory.spend_now(Mode::Charge, &[charge(0, 1)]).is_allowed);
    // And is forgiven in time, not before.
    clock.pass(Duration::from_secs(61));
    assert!(memory.spend_now(Mode::Charge, &[charge(0, 1)]).is_allowed);
    assert!(!memory.spend_now(Mode::Charge, &[charge(0, 1)]).is_allowed);
}

#[test]
fn sets_are_bounded_each_and_together() {
    let clock = Still::new();
    let memory = Memory::new(SHARDS * COUNTERS_PER_SET * 2, clock.clone());
    let keys = Keys::new(&Secret::new("test"));
    let window = Duration::from_secs(10);
    for number in 0_u64..1000 {
        let member = Some(keys.member(&[&number.to_be_bytes()]));
        assert_eq!(memory.distinct_now(key(1), member, window, usize::MAX), MOST_MEMBERS.min(number as usize + 1));
    }
    for number in 2..1000 {
        memory.distinct_now(key(number), Some(keys.member(&[])), window, 4);
    }
    let kept: usize = memory.shards.iter().map(|shard| shard.lock().sets.len()).sum();
    assert!(kept <= SHARDS * 2, "{kept}");
}
