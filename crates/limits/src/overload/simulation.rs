//! Ten times as much as can be served, in simulated time: arrivals, service and measuring are events in a queue, so that every run
//! is the same and takes no longer than its arithmetic.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::HeaderMap;

use super::class::{Acquaintances, Class, Proof, Shown, Worth};
use super::controller::{Controller, Load};

const TARGET: Duration = Duration::from_millis(50);
const STEP: u64 = 50_000;

/// Pseudo-random numbers (SplitMix64), always the same.
struct Chance(u64);

impl Chance {
    /// A part of 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time with this mean, as those of arrivals and service are distributed.
    fn time(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.part()).ln()).max(1.0) as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Done(u64),
    Step,
}

/// What a simulated server is like.
struct World {
    /// How many are served at once.
    servers: usize,
    /// The mean time that serving one takes, in µs.
    service: f64,
    /// The time that turning one away takes on the same servers, in µs; 0 when it takes none of theirs.
    refusal: f64,
    /// Whether requests stand in the queue before the gate sees them.
    waits_before_gate: bool,
    /// The load at a time, in parts of what can be served.
    load: fn(u64) -> f64,
    is_adaptive: bool,
    /// From how many addresses strangers come, each with a token of its own making every time; `None` for without one.
    forgers: Option<u64>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    /// Per class: came, and served within a second. While there was overload.
    came: [u64; 4],
    good: [u64; 4],
    /// Times in µs of the last refusal, and of the last that was served too late.
    last_refusal: u64,
    last_late: u64,
    /// Times in the queue of those who had signed in, while there was overload.
    waits: Vec<u64>,
}

const SECOND: u64 = 1_000_000;
const OVERLOAD: std::ops::Range<u64> = 5 * SECOND..25 * SECOND;
const END: u64 = 40 * SECOND;

/// Half of what can be served, then ten times as much, then half.
fn flood(now: u64) -> f64 {
    if OVERLOAD.contains(&now) { 10.0 } else { 0.5 }
}

/// Those who have signed in ask for 0.3 of what can be served; the rest is a fifth of batches, and nobody in particular.
fn class(chance: &mut Chance, load: f64) -> Class {
    let part = chance.part();
    let signed_in = 0.3_f64.min(load) / load;
    if part < signed_in {
        Class::Interactive
    } else if part < signed_in + (1.0 - signed_in) * 0.2 {
        Class::Batch
    } else {
        Class::Anonymous
    }
}

fn run(world: &World) -> Outcome {
    let mut chance = Chance(7);
    let mut outcome = Outcome::default();
    let mut controller = Controller::new(TARGET, world.servers as u64, 1024);
    let mut events = BinaryHeap::from([Reverse((0, Event::Arrival)), Reverse((STEP, Event::Step))]);
    let known = Acquaintances::new();
    let mut queue: VecDeque<(u64, Class, Option<Shown>)> = VecDeque::new();
    let mut tokens = 0_u64;
    let mut free = world.servers;
    let admit = |controller: &mut Controller, outcome: &mut Outcome, class: Class, now: u64| {
        let enters = !world.is_adaptive || controller.enter(class);
        if !enters {
            outcome.last_refusal = now;
        }
        enters
    };
    while let Some(Reverse((now, event))) = events.pop() {
        if now > END {
            break;
        }
        match event {
            Event::Arrival => {
                let load = (world.load)(now);
                let class = class(&mut chance, load);
                let shown = world.forgers.filter(|_| class == Class::Anonymous).map(|addresses| {
                    tokens += 1;
                    let proof = Proof { key: None, token: Some(&tokens.to_be_bytes()) };
                    let address = IpAddr::from(Ipv4Addr::from_bits((chance.part() * addresses as f64) as u32));
                    known.classify((proof, true), &HeaderMap::new(), address, Duration::from_micros(now))
                });
                if OVERLOAD.contains(&now) {
                    outcome.came[class.index()] += 1;
                }
                let seen = shown.map_or(class, |shown| shown.class);
                let enters = world.waits_before_gate || admit(&mut controller, &mut outcome, seen, now);
                // A client has so many connections; without a bound there would be no end to the queue.
                if enters && queue.len() < 4096 {
                    queue.push_back((now, class, shown));
                }
                let gap = chance.time(world.service / world.servers as f64 / load);
                events.push(Reverse((now + gap, Event::Arrival)));
            }
            Event::Done(since) => {
                free += 1;
                if since > 0 && world.is_adaptive {
                    controller.leave();
                }
            }
            Event::Step => {
                let lag = if world.waits_before_gate { queue.front().map_or(0, |(since, ..)| now - since) } else { 0 };
                let waiting = if world.waits_before_gate { 0 } else { queue.len() as u64 };
                let (elapsed, lag) = (Duration::from_micros(STEP), Duration::from_micros(lag));
                controller.step(Load { elapsed, waiting, lag });
                events.push(Reverse((now + STEP, Event::Step)));
            }
        }
        while free > 0 {
            let Some((since, class, shown)) = queue.pop_front() else { break };
            free -= 1;
            let seen = shown.map_or(class, |shown| shown.class);
            if world.waits_before_gate && !admit(&mut controller, &mut outcome, seen, now) {
                events.push(Reverse((now + world.refusal as u64, Event::Done(0))));
                continue;
            }
            // Let in, it is looked at.
            if let Some(shown) = shown {
                known.learn(&shown, Worth::Forged, false, Duration::from_micros(now));
            }
            let wait = now - since;
            if OVERLOAD.contains(&since) {
                outcome.good[class.index()] += u64::from(wait < SECOND);
                if class == Class::Interactive {
                    outcome.waits.push(wait);
                }
            }
            if wait >= SECOND {
                outcome.last_late = now;
            }
            events.push(Reverse((now + chance.time(world.service), Event::Done(now.max(1)))));
        }
    }
    outcome
}

impl Outcome {
    /// Served in time, as a part of what can be served in the time of the overload.
    fn goodput(&self, world: &World) -> f64 {
        let most = (OVERLOAD.end - OVERLOAD.start) as f64 / world.service * world.servers as f64;
        self.good.iter().sum::<u64>() as f64 / most
    }

    fn served(&self, class: Class) -> f64 {
        self.good[class.index()] as f64 / self.came[class.index()] as f64
    }

    /// How long after the overload nobody was refused or served late any more.
    fn recovery(&self) -> f64 {
        self.last_refusal.max(self.last_late).saturating_sub(OVERLOAD.end) as f64 / SECOND as f64
    }

    fn slowest(&mut self, part: f64) -> Duration {
        self.waits.sort_unstable();
        let place = (self.waits.len() as f64 * part) as usize;
        Duration::from_micros(self.waits[place.min(self.waits.len() - 1)])
    }
}

/// Ten connections to a database, each statement 5 ms.
const DATABASE: World = World {
    servers: 10,
    service: 5_000.0,
    refusal: 0.0,
    waits_before_gate: false,
    load: flood,
    is_adaptive: true,
    forgers: None,
};

/// Two processors, each request 2 ms, and 20 µs to turn one away.
const PROCESSORS: World = World {
    servers: 2,
    service: 2_000.0,
    refusal: 20.0,
    waits_before_gate: true,
    load: flood,
    is_adaptive: true,
    forgers: None,
};

#[test]
fn a_database_is_kept_busy_and_those_who_signed_in_are_served() {
    let mut outcome = run(&DATABASE);
    let told = format!("{:?} {:?}", outcome.came, outcome.good);
    assert!(outcome.goodput(&DATABASE) >= 0.9, "{} {told}", outcome.goodput(&DATABASE));
    assert!(outcome.served(Class::Interactive) >= 0.999, "{told}");
    assert!(outcome.served(Class::Batch) > outcome.served(Class::Anonymous), "{told}");
    assert!(outcome.recovery() < 5.0, "{}", outcome.recovery());
    assert!(outcome.slowest(0.99) < 3 * TARGET, "{:?}", outcome.slowest(0.99));
}

#[test]
fn without_it_everybody_waits_and_nobody_is_served() {
    let world = World { is_adaptive: false, ..DATABASE };
    let outcome = run(&world);
    assert!(outcome.goodput(&world) < 0.5, "{}", outcome.goodput(&world));
    assert!(outcome.served(Class::Interactive) < 0.2);
}

#[test]
fn processors_are_kept_for_those_who_signed_in() {
    let mut outcome = run(&PROCESSORS);
    let told = format!("{:?} {:?}", outcome.came, outcome.good);
    assert!(outcome.served(Class::Interactive) >= 0.999, "{told}");
    assert!(outcome.goodput(&PROCESSORS) >= 0.75, "{} {told}", outcome.goodput(&PROCESSORS));
    assert!(outcome.recovery() < 5.0, "{}", outcome.recovery());
    assert!(outcome.slowest(0.99) < Duration::from_millis(500), "{:?}", outcome.slowest(0.99));
}

#[test]
fn forged_tokens_make_nobody_one_who_signed_in() {
    for world in [DATABASE, PROCESSORS].map(|world| World { forgers: Some(100), ..world }) {
        let outcome = run(&world);
        let told = format!("{:?} {:?}", outcome.came, outcome.good);
        assert!(outcome.served(Class::Interactive) >= 0.999, "{told}");
        assert!(outcome.recovery() < 5.0, "{}", outcome.recovery());
    }
}

#[test]
fn a_process_that_was_stopped_now_and_then_is_not_overloaded() {
    let mut controller = Controller::new(TARGET, 32, 1024);
    let late = Duration::from_millis(400);
    for step in 0..1000 {
        // Three steps of four are late, and by a lot.
        let lag = if step % 4 == 3 { Duration::from_millis(20) } else { late };
        controller.step(Load { elapsed: late.max(TARGET), waiting: 0, lag });
        assert!(controller.enter(Class::Anonymous), "step {step}");
        controller.leave();
    }
}

#[test]
fn who_is_alone_is_never_refused() {
    for world in [World { load: |_| 0.8, ..DATABASE }, World { load: |_| 0.8, ..PROCESSORS }] {
        let outcome = run(&world);
        assert_eq!(outcome.last_refusal, 0);
    }
}
