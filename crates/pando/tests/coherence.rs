//! Kept answers over three nodes with one PostgreSQL and one Redis, while nodes are killed and paused, links are cut and blocked, servers
//! crash and clocks are wrong: no read with `strict` is older than what was acknowledged or seen before it, none with `session` older than
//! what its position covers.
//!
//! `PANDO_TEST_STEPS=10000000` goes on until so many kept answers were shown; `PANDO_TEST_BINARY` names an optimized build to do it with:
//! `PANDO_TEST_STEPS=10000000 PANDO_TEST_BINARY=$PWD/target/release/pando cargo test -p pando --test coherence -- --nocapture no_kept`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and what it prints is its report"
)]

mod histories;
#[path = "coherence/questions.rs"]
mod questions;
#[path = "coherence/stage.rs"]
mod stage;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use histories::Register;
use questions::{FIRST_MARK, FIRST_NOTE, Heard, Line, NOTES, Question, REGISTERS, numbers, place_of, questions};
use serde_json::json;
use stage::{Fault, Faults, NODES, OF_NODES, OF_POSTGRES, OF_REDIS, Stage, pause};
use testkit::{Chance, Client, Request, more_steps};

/// How many kept answers are shown in the usual run.
const HITS: u64 = 20_000;

/// After how many reads a checker that finds nothing has failed.
const MOST_READS: u64 = 1_000_000;

/// After how many milliseconds one who waits looks whether everything is over.
const STEP: u64 = 20;

/// How many questions are on their way to a node at once; a reader beside that asks them one by one, and sees more sharply.
const WIDTH: usize = 32;

const RULES: [(&str, &str); 5] = [
    ("public.words", "strict"),
    ("public.marks", "strict"),
    ("public.spoken", "strict"),
    ("public.marked", "strict"),
    ("public.notes", "session"),
];

/// The rules, with some other one in the place of one of them.
fn rules(replaced: &str, by: &str) -> String {
    let rule = |(table, rule): (&str, &str)| format!("{table:?} = {:?}", if rule == replaced { by } else { rule });
    RULES.map(rule).join(", ")
}

/// What a client knows that shows a position: whatever was acknowledged before the write began that it is of, and that write.
struct Seen {
    position: String,
    least: [i64; NOTES],
}

/// What is going on, and what came of it.
struct Run<'a> {
    stage: &'a Stage,
    start: Instant,
    questions: Vec<Question>,
    registers: [Register; REGISTERS],
    /// What who writes notes through nodes has seen last.
    seen: [Mutex<Option<Arc<Seen>>>; NOTES],
    faults: Faults,
    reads: AtomicU64,
    hits: [AtomicU64; 2],
    refused: AtomicU64,
    broken: AtomicU64,
    unknown: AtomicU64,
    wrong: Mutex<Option<(String, Duration)>>,
    is_over: AtomicBool,
}

/// Ends everything, also where one of the threads panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    is_over: &'scope AtomicBool,
    work: Box<dyn FnOnce() + Send + 'scope>,
) {
    scope.spawn(move || {
        let _stop = Stop(is_over);
        work();
    });
}

fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

fn of(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

fn pick(chance: &mut Chance, bound: usize) -> usize {
    usize::try_from(chance.below(bound as u64)).unwrap()
}

impl<'a> Run<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            start: Instant::now(),
            questions: questions(),
            registers: Default::default(),
            seen: Default::default(),
            faults: Faults::default(),
            reads: AtomicU64::new(0),
            hits: Default::default(),
            refused: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            wrong: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn hits(&self) -> u64 {
        self.hits.iter().map(of).sum()
    }

    /// The first thing that was wrong ends everything.
    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().get_or_insert((what, self.start.elapsed()));
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Goes on until something was wrong, or so many kept answers were shown and all that can go wrong did; at most so many reads.
    fn go(&self, hits: u64, most_reads: u64, chance: &mut Chance) {
        let mut next = || Chance::seeded(chance.number());
        let bag = Mutex::new(Bag::of(&OF_NODES, next()));
        thread::scope(|scope| {
            let _stop = Stop(&self.is_over);
            let spawn = |work| spawn(scope, &self.is_over, work);
            for register in 0..REGISTERS {
                let chance = next();
                spawn(Box::new(move || self.write_all_the_time(register, chance)));
            }
            for (node, width) in (0..NODES).flat_map(|node| [(node, 1), (node, WIDTH)]) {
                let chance = next();
                spawn(Box::new(move || self.read_all_the_time(node, width, chance)));
            }
            for node in 0..NODES {
                let (mut chance, bag) = (next(), &bag);
                spawn(Box::new(move || {
                    self.disturb(
                        800,
                        &mut chance,
                        || bag.lock().unwrap().take(),
                        |fault, chance| {
                            self.stage.disturb_node(node, fault, chance);
                        },
                    );
                }));
            }
            let (mut chance, mut of_redis) = (next(), Bag::of(&OF_REDIS, next()));
            spawn(Box::new(move || {
                let disturb = |fault, chance: &mut Chance| self.stage.disturb_redis(fault, chance);
                self.disturb(1_000, &mut chance, || of_redis.take(), disturb);
            }));
            let (mut chance, mut of_postgres) = (next(), Bag::of(&OF_POSTGRES, next()));
            spawn(Box::new(move || {
                let disturb = |fault, chance: &mut Chance| self.stage.disturb_postgres(fault, chance);
                self.disturb(2_000, &mut chance, || of_postgres.take(), disturb);
            }));
            let mut told = 1_000_000;
            while self.goes_on() && of(&self.reads) < most_reads {
                if self.hits() >= hits && self.faults.are_all_done(self.stage.has_clocks()) {
                    break;
                }
                if self.hits() >= told {
                    println!("{self}");
                    told += 1_000_000;
                }
                pause(STEP);
            }
        });
    }

    /// One fault after the other. The first ones come soon, for the usual run; later ones leave time for answers to be kept.
    fn disturb(
        &self,
        milliseconds: u64,
        chance: &mut Chance,
        mut next: impl FnMut() -> (Fault, bool),
        disturb: impl Fn(Fault, &mut Chance),
    ) {
        while self.goes_on() {
            let (fault, is_later) = next();
            let until = chance.below(if is_later { 20 * milliseconds } else { milliseconds });
            (0..until / STEP).take_while(|_| self.goes_on()).for_each(|_| pause(STEP));
            if self.goes_on() {
                disturb(fault, chance);
                self.faults.count(fault);
            }
        }
    }

    /// Writes one register, through any node or past all of them.
    fn write_all_the_time(&self, register: usize, mut chance: Chance) {
        let is_past_nodes = [0, FIRST_MARK, FIRST_NOTE].contains(&register);
        while self.goes_on() {
            let written = if is_past_nodes {
                self.write_past_nodes(register, &mut chance)
            } else {
                self.write_through(pick(&mut chance, NODES), register)
            };
            if !written {
                count(&self.unknown);
            }
            // Most of the time nothing is written, or nothing would be kept; and now and then much at once.
            if chance.below(8) != 0 {
                pause(chance.below(600));
            }
        }
    }

    /// A write that comes late, after its writer has gone on, changes nothing: each asks for less than it writes.
    fn write_through(&self, node: usize, register: usize) -> bool {
        let (table, row) = place_of(register);
        let before: [i64; NOTES] = std::array::from_fn(|note| self.registers[FIRST_NOTE + note].acknowledged());
        self.registers[register].try_write(|value| {
            let path = format!("/rest/v1/{table}?word=eq.{row}&n=lt.{value}");
            let request = Request::json("PATCH", &path, &json!({ "n": value }));
            match Client::new(self.stage.nodes[node].address()).try_send(&request) {
                Ok(answer) if answer.status == 204 => {
                    if register >= FIRST_NOTE {
                        let Some(position) = answer.header("pando-position") else {
                            self.is_wrong("a write was answered without a position".to_owned());
                            return false;
                        };
                        let mut least = before;
                        least[register - FIRST_NOTE] = value;
                        let seen = Seen { position: position.to_owned(), least };
                        *self.seen[register - FIRST_NOTE].lock().unwrap() = Some(Arc::new(seen));
                    }
                    true
                }
                Ok(answer) if !matches!(answer.status, 503 | 504) => {
                    self.is_wrong(format!("PATCH {path}: {} {}", answer.status, answer.text()));
                    false
                }
                Ok(_) | Err(_) => false,
            }
        })
    }

    /// Nobody tells nodes of these but the database.
    fn write_past_nodes(&self, register: usize, chance: &mut Chance) -> bool {
        let (table, row) = place_of(register);
        self.registers[register].try_write(|value| {
            let is_row = format!("word = {row} and n < {value}");
            let script = match chance.below(4) {
                0 => format!("update {table} set n = {value} where {is_row}"),
                // Seen long after it was noted.
                1 => format!(
                    "begin; update {table} set n = {value} where {is_row}; select pg_sleep(0.0{}); commit",
                    chance.below(10)
                ),
                2 => format!(
                    "insert into {table} values ({row}, {value})
                     on conflict (word) do update set n = excluded.n where {table}.n < excluded.n"
                ),
                _ => format!(
                    "begin; delete from {table} where {is_row};
                     insert into {table} values ({row}, {value}) on conflict do nothing; commit"
                ),
            };
            self.stage.console.try_run(&script).is_ok()
        })
    }

    /// Asks a node so many questions at once, over and over.
    fn read_all_the_time(&self, node: usize, width: usize, mut chance: Chance) {
        let mut lines: Vec<(Line, Option<Asked<'_>>)> = (0..width).map(|_| Default::default()).collect();
        while self.goes_on() {
            let address = self.stage.nodes[node].address();
            let mut is_any_asked = false;
            for (line, asked) in &mut lines {
                let now = self.question(&mut chance);
                let position = now.seen.as_ref().map(|seen| seen.position.as_str());
                if line.ask(address, &now.question.path, position).is_ok() {
                    *asked = Some(now);
                    is_any_asked = true;
                } else {
                    count(&self.broken);
                }
            }
            for (line, asked) in &mut lines {
                if let Some(asked) = asked.take() {
                    self.hear(line, &asked, node);
                }
            }
            if !is_any_asked {
                pause(10);
            }
        }
    }

    /// Any question, with what its answer has to show at least.
    fn question(&self, chance: &mut Chance) -> Asked<'_> {
        loop {
            let question = &self.questions[pick(chance, self.questions.len())];
            let mut least = [0; NOTES];
            let seen = if question.is_strict {
                for (least, register) in least.iter_mut().zip(&question.registers) {
                    *least = self.registers[*register].least();
                }
                None
            } else {
                let Some(seen) = self.seen[pick(chance, NOTES)].lock().unwrap().clone() else { continue };
                for (least, register) in least.iter_mut().zip(&question.registers) {
                    *least = seen.least[*register - FIRST_NOTE];
                }
                Some(seen)
            };
            return Asked { question, seen, least };
        }
    }

    fn hear(&self, line: &mut Line, asked: &Asked<'_>, node: usize) {
        let Asked { question, least, .. } = asked;
        match line.hear() {
            Ok(Heard::Shown { is_hit, body }) => {
                let mut values = numbers(body);
                for (register, least) in question.registers.iter().zip(least) {
                    let judged = match values.next() {
                        Some(value) => self.registers[*register].judge(*least, value),
                        None => Some(format!("a row is missing in {body}")),
                    };
                    if let Some(what) = judged {
                        let way = if is_hit { "a kept answer" } else { "an answer" };
                        self.is_wrong(format!(
                            "{way} of node {node} to {}, register {register}: {what}",
                            question.path
                        ));
                    }
                }
                count(&self.reads);
                if is_hit {
                    count(&self.hits[usize::from(question.is_strict)]);
                }
            }
            Ok(Heard::Refused) => count(&self.refused),
            Ok(Heard::Strange(status)) => self.is_wrong(format!("{} was answered {status}", question.path)),
            Err(_) => count(&self.broken),
        }
    }
}

/// A question on its way.
struct Asked<'a> {
    question: &'a Question,
    seen: Option<Arc<Seen>>,
    least: [i64; NOTES],
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [session, strict] = &self.hits;
        let writes: i64 = self.registers.iter().map(Register::sent).sum();
        write!(
            f,
            "{} reads, {} of kept answers ({} strict, {} session), {writes} writes ({} with an unknown outcome), {} reads refused, \
             {} broken off, in {:.1?}; faults:{}; wrong: {:?}",
            of(&self.reads),
            self.hits(),
            of(strict),
            of(session),
            of(&self.unknown),
            of(&self.refused),
            of(&self.broken),
            self.start.elapsed(),
            self.faults,
            self.wrong.lock().unwrap(),
        )
    }
}

/// Faults in an order of chance, each as often as the others.
struct Bag {
    of: &'static [Fault],
    left: Vec<Fault>,
    taken: usize,
    chance: Chance,
}

impl Bag {
    fn of(of: &'static [Fault], chance: Chance) -> Self {
        Self { of, left: Vec::new(), taken: 0, chance }
    }

    /// The next one, and whether each was taken before.
    fn take(&mut self) -> (Fault, bool) {
        if self.left.is_empty() {
            self.left.extend(self.of);
        }
        let place = pick(&mut self.chance, self.left.len());
        self.taken += 1;
        (self.left.swap_remove(place), self.taken > self.of.len())
    }
}

#[test]
fn no_kept_answer_is_older_than_it_may_be_whatever_becomes_of_nodes_links_servers_and_clocks() {
    const TEST: &str = "no_kept_answer_is_older_than_it_may_be_whatever_becomes_of_nodes_links_servers_and_clocks";
    let mut chance = Chance::announced(TEST);
    let Some(stage) = Stage::start(TEST, &rules("", ""), &mut chance) else { return };
    let run = Run::new(&stage);
    run.go(HITS + more_steps(), u64::MAX, &mut chance);
    let borrowed = stage.borrowed();
    println!("{run}; {borrowed} of what another node had read");
    assert_eq!(*run.wrong.lock().unwrap(), None);
    stage.assert_that_no_node_found_a_stale_one();
    assert!(run.hits() >= HITS && run.faults.are_all_done(stage.has_clocks()), "it was ended");
    let least = run.hits.iter().map(of).min().unwrap();
    assert!(least > HITS / 10 && borrowed >= 20, "{least} of the hits, {borrowed} of other nodes");
}

/// The same with answers in the place of these ones that only have an age.
fn finds_stale_reads(test: &str, rule: &str) {
    let mut chance = Chance::announced(test);
    let Some(stage) = Stage::start(test, &rules(rule, "ttl 3600"), &mut chance) else { return };
    let run = Run::new(&stage);
    run.go(u64::MAX, MOST_READS, &mut chance);
    println!("{run}");
    let wrong = run.wrong.lock().unwrap();
    let (what, _) = wrong.as_ref().expect("nothing was found");
    // One that is kept, or that is still being read for another who has asked before.
    assert!(what.contains("answer of node") && what.contains("has to be"), "{what}");
}

#[test]
fn where_nothing_tells_of_changes_the_checker_finds_it() {
    finds_stale_reads("where_nothing_tells_of_changes_the_checker_finds_it", "strict");
}

#[test]
fn where_positions_count_for_nothing_the_checker_finds_it() {
    finds_stale_reads("where_positions_count_for_nothing_the_checker_finds_it", "session");
}
