//! What is acknowledged is kept: the server is killed (SIGKILL) at random moments while several clients write, started
//! again, and compared with what the clients know. A polite end (SIGTERM) finishes what runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may look at the clock"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Chance, Client, Launch, Project, Request, Server, is_skipped, tool};

const CONFIGURATION: &str = "[api]\nmax_rows = 0\n[database]\nseed = \"\"\n[log]\nrequests = \"failed\"\n";

const SCHEMA: &str = "
create table entry (
  id     bigint primary key,
  writer integer not null,
  value  bigint not null,
  note   text,
  unique (writer, id)
);
create index entry_value on entry (value);
grant all on entry to anon;
";

/// How many times the server is killed while it works.
const KILLS: u64 = 100;

/// Each on a connection of its own.
const WRITERS: u64 = 8;

#[test]
fn acknowledged_writes_survive_a_hundred_kills() {
    let python = tool("python3");
    let has_no_python = is_skipped("durability", python.is_none(), "python3", "install it: apt-get install python3");
    let mut chance = Chance::announced("acknowledged_writes_survive_a_hundred_kills");
    let project = Project::of(CONFIGURATION, SCHEMA);
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"));
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let mut acknowledged = 0;
    for round in 0..KILLS {
        // Now and then it is killed while it starts, too: maybe inside a migration or the recovery of the log.
        if chance.below(4) == 0 {
            launch.kill_while_starting(&project, Duration::from_millis(chance.below(80)));
        }
        let server = launch.start(&project);
        check(&server, &mut writers, &format!("after {round} kills"));
        if !has_no_python {
            assert_eq!(integrity(&project.database()), "ok", "after {round} kills");
        }
        acknowledged += write_until_killed(server, &mut writers, &mut chance);
    }
    let server = launch.start(&project);
    check(&server, &mut writers, "at the end");
    let (code, log) = server.stop();
    assert_eq!(code, 0, "{log}");
    if !has_no_python {
        assert_eq!(integrity(&project.database()), "ok");
    }
    assert!(acknowledged > KILLS, "only {acknowledged} writes were acknowledged: the test tests nothing");
    eprintln!("{KILLS} kills, {acknowledged} acknowledged writes, 0 lost");
}

#[test]
fn sigterm_finishes_what_runs() {
    let project = Project::of(CONFIGURATION, SCHEMA);
    let mut server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    // Requests whose bodies are only half there: running, for as long as this test likes.
    let mut running: Vec<(TcpStream, String)> = (0..6)
        .map(|id| {
            let body = json!({"id": id, "writer": 0, "value": 1}).to_string();
            let (first, second) = body.split_at(5);
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let length = body.len();
            write!(
                stream,
                "POST /entry HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{first}"
            )
            .unwrap();
            (stream, second.to_owned())
        })
        .collect();
    // An answer on another connection: by then those above were accepted.
    assert_eq!(server.get("/entry").status, 200);
    thread::sleep(Duration::from_millis(100));
    server.signal("TERM");
    server.wait_for("draining");
    while TcpStream::connect(server.address()).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
    for (stream, rest) in &mut running {
        stream.write_all(rest.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());

    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    assert_eq!(rows(&server, 0).len(), 6);
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let project = Project::of(CONFIGURATION, SCHEMA);
    let mut server =
        Launch::new(env!("CARGO_BIN_EXE_pando")).variable("PANDO_SERVER_DRAIN_SECONDS", "1").start(&project);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"POST /entry HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").unwrap();
    assert_eq!(server.get("/entry").status, 200);
    thread::sleep(Duration::from_millis(100));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

/// Lets everyone write, kills the server at a random moment, and says how many writes it had acknowledged.
fn write_until_killed(server: Server, writers: &mut [Writer], chance: &mut Chance) -> u64 {
    let delay = Duration::from_millis(chance.below(250));
    let address = server.address();
    let running: Vec<_> = writers
        .iter_mut()
        .map(|writer| {
            let mut writer = std::mem::take(writer);
            let mut chance = Chance::seeded(chance.number());
            thread::spawn(move || {
                let mut client = Client::new(address);
                let mut acknowledged = 0;
                while writer.write(&mut client, &mut chance) {
                    acknowledged += 1;
                }
                (writer, acknowledged)
            })
        })
        .collect();
    thread::sleep(delay);
    server.kill();
    let mut sum = 0;
    for (writer, running) in writers.iter_mut().zip(running) {
        let (back, acknowledged) = running.join().unwrap();
        *writer = back;
        sum += acknowledged;
    }
    sum
}

/// Compares what the server has with what every writer knows.
fn check(server: &Server, writers: &mut [Writer], when: &str) {
    for writer in writers {
        writer.check(rows(server, writer.number), when);
    }
}

/// The rows of one writer: id and value.
fn rows(server: &Server, writer: u64) -> BTreeMap<u64, u64> {
    let answer = server.get(&format!("/entry?select=id,value&writer=eq.{writer}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let number = |value: &Value| value.as_u64().unwrap();
    answer.json().as_array().unwrap().iter().map(|row| (number(&row["id"]), number(&row["value"]))).collect()
}

/// What SQLite itself says about the file, read by another program.
fn integrity(database: &Path) -> String {
    // Columns of enumerations are ordered by collations of Pando's.
    let script = "import re, sqlite3, sys\n\
        file = sqlite3.connect(sys.argv[1])\n\
        for (text,) in file.execute('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').fetchall():\n\
        \x20for name in re.findall('COLLATE \"(pg_[a-z_]+)\"', text):\n\
        \x20\x20file.create_collation(name, lambda one, other: (one > other) - (one < other))\n\
        print('; '.join(row[0] for row in file.execute('PRAGMA integrity_check')))";
    let output = Command::new("python3").args(["-c", script]).arg(database).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A client that remembers what it was promised.
#[derive(Debug, Default)]
struct Writer {
    number: u64,
    next: u64,
    /// What was acknowledged: the value of every row.
    known: BTreeMap<u64, u64>,
    /// What was asked for when the server went away. It may have happened, but only as a whole.
    doubtful: Vec<(u64, Option<u64>)>,
}

impl Writer {
    fn new(number: u64) -> Self {
        Self { number, next: number * 1_000_000_000, ..Self::default() }
    }

    /// One write. Gives whether it was acknowledged; otherwise the server is gone.
    fn write(&mut self, client: &mut Client, chance: &mut Chance) -> bool {
        let (request, changes) = self.choose(chance);
        match client.try_send(&request) {
            Ok(answer) => {
                assert!(matches!(answer.status, 200..=204), "{} {}", answer.status, answer.text());
                apply(&mut self.known, &changes);
                true
            }
            Err(_gone) => {
                self.doubtful = changes;
                false
            }
        }
    }

    fn choose(&mut self, chance: &mut Chance) -> (Request, Vec<(u64, Option<u64>)>) {
        let last = self.known.last_key_value().map(|(id, value)| (*id, *value));
        match (chance.below(10), last) {
            (0..2, Some((id, value))) => {
                let path = format!("/entry?id=eq.{id}");
                (Request::json("PATCH", &path, &json!({"value": value + 1})), vec![(id, Some(value + 1))])
            }
            (2, Some((id, _))) => (Request::new("DELETE", &format!("/entry?id=eq.{id}")), vec![(id, None)]),
            (3, Some((id, value))) => {
                let row = json!([{"id": id, "writer": self.number, "value": value + 7}]);
                let request = Request::json("POST", "/entry", &row).prefer("resolution=merge-duplicates");
                (request, vec![(id, Some(value + 7))])
            }
            (kind, _) => {
                let count = if kind < 6 { 5 } else { 1 };
                let ids: Vec<u64> = (0..count).map(|offset| self.next + offset).collect();
                self.next += count;
                let note = "x".repeat(usize::try_from(chance.below(2_000)).unwrap());
                let row = |id: &u64| json!({"id": id, "writer": self.number, "value": 1, "note": note});
                let body: Vec<Value> = ids.iter().map(row).collect();
                let changes = ids.into_iter().map(|id| (id, Some(1))).collect();
                (Request::json("POST", "/entry", &Value::from(body)), changes)
            }
        }
    }

    fn check(&mut self, there: BTreeMap<u64, u64>, when: &str) {
        let mut other = self.known.clone();
        apply(&mut other, &self.doubtful);
        assert!(
            there == self.known || there == other,
            "{when}: writer {} knows {} rows and {} doubtful changes {:?}; there are {} rows; lost or wrong: {:?}",
            self.number,
            self.known.len(),
            self.doubtful.len(),
            self.doubtful,
            there.len(),
            self.known.iter().filter(|(id, value)| there.get(id) != Some(value)).take(5).collect::<Vec<_>>(),
        );
        self.known = there;
        self.doubtful.clear();
    }
}

fn apply(rows: &mut BTreeMap<u64, u64>, changes: &[(u64, Option<u64>)]) {
    for (id, value) in changes {
        match value {
            Some(value) => rows.insert(*id, *value),
            None => rows.remove(id),
        };
    }
}
