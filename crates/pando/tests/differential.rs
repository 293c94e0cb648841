//! One truth, two engines: random requests are asked of Pando on SQLite and of Pando on a real PostgreSQL, over the same
//! schema and rows, and have to be answered alike: status, headers, body as JSON means it, the code of an error.
//!
//! A disagreement is shrunk to one line of `tests/differential/cases.tsv`, whose cases are asked first. The seed is
//! printed; `PANDO_TEST_SEED` gives it, `PANDO_TEST_STEPS` asks so many requests more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::format_push_string,
    reason = "a panic is how a test fails"
)]

#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/meaning.rs"]
mod meaning;
#[path = "differential/relations.rs"]
mod relations;
#[path = "differential/request.rs"]
mod request;
#[path = "differential/simpler.rs"]
mod simpler;
#[path = "differential/values.rs"]
mod values;
#[path = "differential/writes.rs"]
mod writes;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use meaning::{code, difference};
use relations::RELATIONS;
use request::{Case, Line};
use testkit::{Answer, Chance, Client, Launch, Postgres, Project, Server, more_steps, repository};

/// Requests of every run.
const REQUESTS: u64 = 10_000;
/// Requests between two rounds of writes that stay.
const ROUND: u64 = 500;
/// Writes that stay, a round.
const KEPT: u64 = 20;
/// Connections that ask at the same time.
const THREADS: u64 = 4;
/// A run ends when so many disagreements were found.
const MOST_DISAGREEMENTS: usize = 40;
/// How often a disagreement is asked again while it shrinks.
const MOST_SHRINKS: u32 = 1_000;
/// At least this share of the requests, in percent, has to be answered with success.
const FEWEST_SUCCESSES: u64 = 50;

/// What PostgREST answers with 500: a write to a view that cannot be written, an upsert of the same row twice.
const KNOWN_FAILURES: [&str; 2] = ["55000", "21000"];

const PANDO: &str = env!("CARGO_BIN_EXE_pando");
const FOLDER: &str = "tests/differential";
const ROLLBACK: &str = "tx=rollback";
const CONFIGURATION: &str = r#"
[database]
seed = ""
[api]
transaction_end = "commit-allow-override"
aggregates = true
[auth]
jwt_secret = "a-secret-for-this-test-alone-0123456789"
"#;

/// Who asks: the name, the role, the subject of the token.
const PEOPLE: [(&str, &str, &str); 4] = [
    ("service", "service_role", "00000000-0000-4000-8000-0000000000ff"),
    ("ada", "authenticated", "00000000-0000-4000-8000-0000000000a1"),
    ("bo", "authenticated", "00000000-0000-4000-8000-0000000000a2"),
    ("anon", "anon", ""),
];

#[test]
fn both_engines_answer_alike() {
    let Some(sides) = Sides::started("both_engines_answer_alike") else { return };
    let mut found = sides.replay();
    let mut chance = Chance::announced("both_engines_answer_alike");
    let (asked, succeeded) = (AtomicU64::new(0), AtomicU64::new(0));
    let requests = REQUESTS + more_steps();
    while asked.load(Ordering::Relaxed) < requests && found.len() < MOST_DISAGREEMENTS {
        let parts: Vec<Chance> = (0..THREADS).map(|_| Chance::seeded(chance.number())).collect();
        let (asked, succeeded, sides) = (&asked, &succeeded, &sides);
        thread::scope(|scope| {
            let running: Vec<_> = parts
                .into_iter()
                .map(|mut chance| scope.spawn(move || sides.round(&mut chance, asked, succeeded)))
                .collect();
            running.into_iter().for_each(|round| found.extend(round.join().expect("a round ends")));
        });
        if found.is_empty()
            && let Some(kept) = sides.keep(&mut chance)
        {
            // The rows are no longer the same: whatever is asked of them from here on would be told again.
            found.push(kept);
            break;
        }
    }
    let (asked, succeeded) = (asked.into_inner(), succeeded.into_inner());
    eprintln!("{asked} random requests, {succeeded} of them with success");
    assert!(found.is_empty(), "{} disagreements:\n\n{}\n", found.len(), found.join("\n\n"));
    assert!(succeeded * 100 >= asked * FEWEST_SUCCESSES, "only {succeeded} of {asked} requests succeeded");
}

/// The running servers.
struct Sides {
    embedded: Server,
    postgres: Server,
    tokens: BTreeMap<&'static str, String>,
    /// Held while something is written: on PostgreSQL, writes of the same rows would wait for one another, or deadlock.
    writing: Mutex<()>,
    _project: Project,
    _cluster: Postgres,
}

impl Sides {
    fn started(test: &str) -> Option<Self> {
        let cluster = Postgres::start_for(test)?;
        let read = |name: &str| fs::read_to_string(repository().join(name)).unwrap();
        cluster.run(&read("tests/schemas/prelude.sql"));
        let project = Project::new(CONFIGURATION);
        for name in ["schema", "data"] {
            let text = read(&format!("{FOLDER}/{name}.sql"));
            cluster.run(&text);
            let number = if name == "schema" { 1 } else { 2 };
            project.write(&format!("migrations/000{number}_{name}.sql"), text);
        }
        let url = cluster.url("authenticator");
        let launch = Launch::new(PANDO).set("log.requests", "failed");
        let embedded = launch.start(&project);
        let postgres = launch
            .variable("PANDO_DATABASE_URL", &url)
            .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
            .start(&project);
        let token = |role: &str, subject: &str| project.token(PANDO, &["--role", role, "--sub", subject]);
        let signed = PEOPLE.iter().filter(|(_, _, subject)| !subject.is_empty());
        let tokens = signed.map(|(name, role, subject)| (*name, token(role, subject))).collect();
        Some(Self { embedded, postgres, tokens, writing: Mutex::new(()), _project: project, _cluster: cluster })
    }

    fn asker(&self) -> Asker<'_> {
        Asker { sides: self, embedded: self.embedded.client(), postgres: self.postgres.client() }
    }

    /// Asks the cases of earlier disagreements, on the rows that every run begins with.
    fn replay(&self) -> Vec<String> {
        let text = fs::read_to_string(repository().join(FOLDER).join("cases.tsv")).unwrap();
        let mut asker = self.asker();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let wrong = lines.filter_map(|line| {
            let difference = asker.compare(&Line::read(line))?;
            Some(format!("cases.tsv: {line}\n  {difference}"))
        });
        wrong.collect()
    }

    /// One thread's share of a round.
    fn round(&self, chance: &mut Chance, asked: &AtomicU64, succeeded: &AtomicU64) -> Vec<String> {
        let mut asker = self.asker();
        let mut found = Vec::new();
        for _ in 0..ROUND / THREADS {
            let case = generate::case(chance);
            let _alone = case.is_write().then(|| self.writing.lock().unwrap());
            let (embedded, postgres) = asker.ask(&case.line());
            asked.fetch_add(1, Ordering::Relaxed);
            succeeded.fetch_add(u64::from(postgres.status < 400), Ordering::Relaxed);
            if wrong(&case.line(), &embedded, &postgres).is_some() {
                found.extend(asker.shrunk(case));
            }
        }
        found
    }

    /// Writes that stay, one after the other, and whether both hold the same rows then. A write is tried first, so that
    /// a disagreement about it can shrink before it has changed anything.
    fn keep(&self, chance: &mut Chance) -> Option<String> {
        let mut asker = self.asker();
        for _ in 0..KEPT {
            let mut case = writes::case(chance);
            if asker.compare(&case.line()).is_some() {
                match asker.shrunk(case) {
                    Some(found) => return Some(found),
                    None => continue,
                }
            }
            case.prefer.retain(|preference| preference != ROLLBACK);
            if let Some(difference) = asker.compare(&case.line()) {
                return Some(format!("kept: {}\n  {difference}", case.line().write()));
            }
            if let Some(difference) = asker.compare_rows() {
                return Some(format!("rows after: {}\n  {difference}", case.line().write()));
            }
        }
        None
    }
}

/// A connection to each server.
struct Asker<'a> {
    sides: &'a Sides,
    embedded: Client,
    postgres: Client,
}

impl Asker<'_> {
    fn ask(&mut self, line: &Line) -> (Answer, Answer) {
        let request = line.request(self.sides.tokens.get(line.who.as_str()).map(String::as_str));
        (self.embedded.send(&request), self.postgres.send(&request))
    }

    fn compare(&mut self, line: &Line) -> Option<String> {
        let (embedded, postgres) = self.ask(line);
        wrong(line, &embedded, &postgres)
    }

    /// Whether all tables hold the same.
    fn compare_rows(&mut self) -> Option<String> {
        RELATIONS.iter().find_map(|relation| {
            self.compare(&Line {
                who: "service".to_owned(),
                method: "GET".to_owned(),
                target: format!("/{}?order={}", relation.name, relation.key.join(",")),
                headers: Vec::new(),
                body: String::new(),
                is_ordered: true,
                are_embeds_ordered: true,
            })
        })
    }

    /// The smallest request with the disagreement that is found by leaving out one part after the other, and what the
    /// answers to it are. Nothing if both refuse it, each for another of its faults.
    fn shrunk(&mut self, mut case: Case) -> Option<String> {
        let mut left = MOST_SHRINKS;
        let mut difference = self.compare(&case.line()).unwrap_or_else(|| "it comes and goes".to_owned());
        'smaller: loop {
            if self.is_wrong_twice(&case) {
                return None;
            }
            for simpler in case.simpler() {
                if left == 0 {
                    break 'smaller;
                }
                left -= 1;
                if let Some(found) = self.compare(&simpler.line()) {
                    (case, difference) = (simpler, found);
                    continue 'smaller;
                }
            }
            break;
        }
        Some(format!("{}\n  {difference}", case.line().write()))
    }

    /// Whether a request has two faults, and each engine tells of one of them: without the one, both tell of the other.
    /// Which of several faults is told is promised nowhere, and PostgreSQL finds some only when it reads a row.
    fn is_wrong_twice(&mut self, case: &Case) -> bool {
        let (embedded, postgres) = self.ask(&case.line());
        let refusals = [&embedded, &postgres];
        if refusals.iter().any(|answer| answer.status < 300) {
            return false;
        }
        let told = refusals.map(|answer| (answer.status, code(answer)));
        let mut agreed = Vec::new();
        for simpler in case.simpler() {
            let (embedded, postgres) = self.ask(&simpler.line());
            if difference(&simpler.line(), &embedded, &postgres).is_none() {
                agreed.push((postgres.status, code(&postgres)));
            }
        }
        told.iter().any(|refusal| agreed.contains(refusal))
    }
}

/// What is wrong with two answers: they differ, or a request became a failure of the server.
fn wrong(line: &Line, embedded: &Answer, postgres: &Answer) -> Option<String> {
    let is_known = |answer: &Answer| answer.status < 500 || KNOWN_FAILURES.contains(&code(answer).as_str());
    if !is_known(embedded) || !is_known(postgres) {
        return Some(format!(
            "SQLite: {} {}\n  PostgreSQL: {} {}",
            embedded.status,
            embedded.text(),
            postgres.status,
            postgres.text()
        ));
    }
    difference(line, embedded, postgres)
}
