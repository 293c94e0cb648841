//! Three nodes on one PostgreSQL and one Redis, behind links that can be cut, with clocks that are wrong.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Duration;

use testkit::fleet::metric;
use testkit::{
    API_ALONE, Blocked, Chance, Cluster, Console, FalseClock, Launch, Link, Postgres, Project, Redis, Server,
};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

pub const NODES: usize = 3;

const CONFIGURATION: &str = "
[log]
requests = \"failed\"
[limits]
overload = \"off\"
[cache]
timeout_ms = 250
[responses]
driver = \"remote\"
check_one_in = 500
tables = { RULES }
";

const SCHEMA: &str = "
create table words (word integer primary key, n bigint not null);
create table marks (word integer primary key, n bigint not null);
create table notes (word integer primary key, n bigint not null);
insert into words select i, 0 from generate_series(0, 3) i;
insert into marks select i, 0 from generate_series(0, 1) i;
insert into notes select i, 0 from generate_series(0, 3) i;
create view spoken as select word, n from words;
create view marked as select word, words.n, marks.n as m from words join marks using (word);
grant select, insert, update, delete on words, marks, notes to anon;
grant select on spoken, marked to anon;
";

const ROLES: &str = "create role anon nologin; grant usage on schema public to anon;";

/// How far a wall clock is wrong at most, in seconds: two days.
const MOST_WRONG: u64 = 2 * 24 * 3600;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NodeKilled,
    NodePaused,
    ClockSet,
    DatabaseCut,
    DatabaseUnasked,
    DatabaseUnheard,
    DatabaseBlocked,
    SharedCut,
    SharedBlocked,
    RedisEmptied,
    RedisKilled,
    RedisFrozen,
    RedisSpoilt,
    PostgresCrashed,
    PostgresFrozen,
    SessionsEnded,
}

use Fault::*;

/// What happens to one node, to the Redis, and to the PostgreSQL.
pub const OF_NODES: [Fault; 9] = [
    NodeKilled,
    NodePaused,
    ClockSet,
    DatabaseCut,
    DatabaseUnasked,
    DatabaseUnheard,
    DatabaseBlocked,
    SharedCut,
    SharedBlocked,
];
pub const OF_REDIS: [Fault; 4] = [RedisEmptied, RedisKilled, RedisFrozen, RedisSpoilt];
pub const OF_POSTGRES: [Fault; 3] = [PostgresCrashed, PostgresFrozen, SessionsEnded];

/// How often each of them was done.
#[derive(Debug, Default)]
pub struct Faults([AtomicU64; OF_NODES.len() + OF_REDIS.len() + OF_POSTGRES.len()]);

impl Faults {
    pub fn count(&self, fault: Fault) {
        self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize].load(Ordering::Relaxed)
    }

    fn all() -> impl Iterator<Item = Fault> {
        OF_NODES.into_iter().chain(OF_REDIS).chain(OF_POSTGRES)
    }

    /// Whether each was done, but the last where clocks cannot be wrong.
    pub fn are_all_done(&self, has_clocks: bool) -> bool {
        Self::all().all(|fault| self.of(fault) > 0 || (fault == ClockSet && !has_clocks))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::all().try_for_each(|fault| write!(f, " {fault:?} {}", self.of(fault)))
    }
}

/// One node, and what it hangs on.
#[derive(Debug)]
pub struct Node {
    database: Link,
    shared: Link,
    clock: Option<FalseClock>,
    running: Mutex<Option<Server>>,
    /// Where it listens, or listened before it was killed.
    address: Mutex<SocketAddr>,
    /// Hits of what other nodes had read, of those that were killed.
    borrowed: AtomicU64,
}

/// All of it. Whoever has something done to PostgreSQL has it changed, and nodes start while it is not.
#[derive(Debug)]
pub struct Stage {
    pub nodes: Vec<Node>,
    pub redis: Mutex<Redis>,
    pub postgres: RwLock<Postgres>,
    pub console: Console,
    project: Project,
}

impl Stage {
    /// `None` where there is no PostgreSQL or Redis to be had.
    pub fn start(test: &str, rules: &str, chance: &mut Chance) -> Option<Self> {
        let (postgres, redis) = (Cluster::new().tcp().start_for(test)?, Redis::start_for(test)?);
        postgres.run(ROLES);
        let project = Project::of(&format!("{API_ALONE}{}", CONFIGURATION.replace("RULES", rules)), SCHEMA);
        let clocks = format!("the wrong clocks of {test}");
        let node = |_| Node {
            database: Link::to(postgres.port()),
            shared: Link::to(redis.port()),
            clock: FalseClock::find_for(&clocks),
            running: Mutex::default(),
            address: Mutex::new(([127, 0, 0, 1], 0).into()),
            borrowed: AtomicU64::new(0),
        };
        let nodes: Vec<Node> = (0..NODES).map(node).collect();
        for node in &nodes {
            node.start(&project, chance);
        }
        let console = postgres.console();
        Some(Self { nodes, redis: Mutex::new(redis), postgres: RwLock::new(postgres), console, project })
    }

    pub fn has_clocks(&self) -> bool {
        self.nodes.iter().all(|node| node.clock.is_some())
    }

    /// How often nodes have shown what another one had read.
    pub fn borrowed(&self) -> u64 {
        self.nodes.iter().map(|node| node.borrowed.load(Ordering::Relaxed) + node.borrowed_now()).sum()
    }

    /// What nodes that still run have found out themselves: answers that were another one although nothing had told of a change.
    pub fn assert_that_no_node_found_a_stale_one(&self) {
        for node in &self.nodes {
            let running = node.running.lock().unwrap();
            assert_no_stale_one(&running.as_ref().expect("it runs").log());
        }
    }

    /// Something of a node goes wrong, and right again.
    pub fn disturb_node(&self, place: usize, fault: Fault, chance: &mut Chance) {
        let node = &self.nodes[place];
        match fault {
            NodeKilled => {
                node.kill();
                pause(chance.below(500));
                let _nothing_is_done_to_it = self.postgres.read().unwrap();
                node.start(&self.project, chance);
            }
            NodePaused => {
                node.signal("STOP");
                // Mostly short ones: what was asked goes on in the middle.
                let most = if chance.below(4) == 0 { 3_000 } else { 400 };
                pause(50 + chance.below(most));
                node.signal("CONT");
            }
            ClockSet => {
                if let Some(clock) = &node.clock {
                    clock.set(wrong(chance));
                }
            }
            DatabaseCut | SharedCut => {
                let link = if fault == DatabaseCut { &node.database } else { &node.shared };
                link.cut();
                pause(chance.below(1_000));
                link.heal();
            }
            _ => {
                let (link, blocked) = match fault {
                    DatabaseUnasked => (&node.database, Blocked::Requests),
                    DatabaseUnheard => (&node.database, Blocked::Answers),
                    DatabaseBlocked => (&node.database, Blocked::Both),
                    _ => (&node.shared, Blocked::Both),
                };
                link.block(blocked);
                pause(50 + chance.below(2_000));
                // What has waited is lost, or comes late.
                if chance.below(2) == 0 {
                    link.cut();
                }
                link.heal();
            }
        }
    }

    pub fn disturb_redis(&self, fault: Fault, chance: &mut Chance) {
        let mut redis = self.redis.lock().unwrap();
        match fault {
            RedisEmptied => drop(redis.ask("FLUSHALL")),
            RedisKilled => {
                redis.kill();
                pause(chance.below(700));
                redis.start_again();
            }
            RedisFrozen => {
                redis.freeze();
                pause(chance.below(1_200));
                redis.thaw();
            }
            _ => spoil(&redis, chance),
        }
    }

    pub fn disturb_postgres(&self, fault: Fault, chance: &mut Chance) {
        match fault {
            PostgresCrashed => {
                let mut postgres = self.postgres.write().unwrap();
                postgres.stop();
                pause(chance.below(300));
                postgres.start_again();
            }
            PostgresFrozen => {
                let mut postgres = self.postgres.write().unwrap();
                postgres.freeze();
                pause(50 + chance.below(1_200));
                postgres.thaw();
            }
            _ => {
                let all = "select pg_terminate_backend(pid) from pg_stat_activity
                           where backend_type = 'client backend' and pid <> pg_backend_pid()";
                drop(self.console.try_run(all));
            }
        }
    }
}

/// Has answers there be other ones' answers, garbage, cut, or off by a byte.
fn spoil(redis: &Redis, chance: &mut Chance) {
    let names = redis.ask("KEYS *:answer:*");
    let names: Vec<&str> = names.lines().filter(|line| line.starts_with("pando:")).collect();
    for (one, other) in names.iter().zip(names.iter().skip(1)) {
        match chance.below(4) {
            0 => redis.ask(&format!("SET {one} garbage")),
            1 => redis.ask(&format!("COPY {other} {one} REPLACE")),
            2 => redis.ask(&format!("SETRANGE {one} 0 99999999999999999999")),
            _ => redis.ask(&format!("SETRANGE {one} {} x", chance.below(200))),
        };
    }
}

fn wrong(chance: &mut Chance) -> i64 {
    i64::try_from(chance.below(2 * MOST_WRONG)).unwrap() - i64::try_from(MOST_WRONG).unwrap()
}

fn assert_no_stale_one(log: &str) {
    let stale = log.lines().find(|line| line.contains("\"stale-read\""));
    assert_eq!(stale, None, "a node found a stale answer");
}

impl Node {
    pub fn address(&self) -> SocketAddr {
        *self.address.lock().unwrap()
    }

    fn borrowed_now(&self) -> u64 {
        let running = self.running.lock().unwrap();
        let name = "pando_response_cache_requests_total{outcome=\"remote_hit\"}";
        running.as_ref().map_or(0, |server| metric(server, name) as u64)
    }

    fn signal(&self, name: &str) {
        self.running.lock().unwrap().as_ref().expect("it runs").signal(name);
    }

    fn kill(&self) {
        self.borrowed.fetch_add(self.borrowed_now(), Ordering::Relaxed);
        let server = self.running.lock().unwrap().take().expect("it runs");
        let process = server.process_id();
        assert_no_stale_one(&server.kill());
        FalseClock::clean_up_after(process);
    }

    /// Starts it with another wrong clock.
    fn start(&self, project: &Project, chance: &mut Chance) {
        let launch = Launch::new(BINARY)
            .variable("PANDO_DATABASE_URL", &format!("postgres://postgres@{}/postgres", self.database.address()))
            .variable("PANDO_RESPONSES_URL", &Redis::url_at(self.shared.address().port()));
        let launch = match &self.clock {
            None => launch,
            Some(clock) if chance.below(3) == 0 => clock.runs(launch, wrong(chance), 50 + chance.below(151)),
            Some(clock) => clock.is_off(launch, wrong(chance)),
        };
        let server = launch.start(project);
        *self.address.lock().unwrap() = server.address();
        *self.running.lock().unwrap() = Some(server);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(server) = self.running.lock().ok().and_then(|mut running| running.take()) {
            let process = server.process_id();
            drop(server);
            FalseClock::clean_up_after(process);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a thread of the test pauses; nobody waits for it")]
pub fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
