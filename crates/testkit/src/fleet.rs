//! A primary with replicas, and nodes that use them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{Answer, Client, Request};
use crate::postgres::{Cluster, Postgres};
use crate::project::Project;
use crate::server::Server;

/// The header that carries positions.
const HEADER: &str = "pando-position";

/// A table of notes, and what there is to ask of them. `slow_note` begins to see, and then takes its time.
const SCHEMA: &str = "
    CREATE ROLE anon NOLOGIN;
    CREATE ROLE gate LOGIN NOINHERIT IN ROLE anon;
    GRANT pg_read_all_stats TO gate;
    CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL);
    GRANT SELECT, INSERT, UPDATE ON notes TO anon;
    CREATE FUNCTION slow_note(wanted bigint) RETURNS SETOF notes LANGUAGE plpgsql STABLE AS $$
        BEGIN PERFORM pg_sleep(0.3); RETURN QUERY SELECT notes.* FROM notes WHERE id = wanted; END $$;
    CREATE FUNCTION dice() RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT random()';
    CREATE UNLOGGED TABLE drafts (id bigint PRIMARY KEY);
    GRANT SELECT, INSERT ON drafts TO anon;
";

/// A primary with a table of notes, and so many replicas of it.
#[derive(Debug)]
pub struct Fleet {
    /// The primary.
    pub primary: Postgres,
    /// The replicas.
    pub replicas: Vec<Postgres>,
}

impl Fleet {
    /// Starts it; the settings are the replicas'. `None` where PostgreSQL is not installed, and the test may be skipped.
    pub fn start(test: &str, replicas: usize, settings: &[(&str, &str)]) -> Option<Self> {
        let primary = Postgres::start_for(test)?;
        primary.run(SCHEMA);
        let replica = || {
            let cluster = Cluster::new().replica_of(&primary);
            settings.iter().fold(cluster, |cluster, (name, value)| cluster.setting(name, value)).start().unwrap()
        };
        let replicas = (0..replicas).map(|_| replica()).collect();
        Some(Self { primary, replicas })
    }

    /// Makes another database of a server what the primary is.
    pub fn fill(server: &Postgres) {
        server.run(SCHEMA);
    }

    /// Where a server is, for who serves requests.
    pub fn url(server: &Postgres) -> String {
        Self::url_of(&[server])
    }

    /// One URL for several servers, of which each connection gets any.
    pub fn url_of(servers: &[&Postgres]) -> String {
        let list =
            |of: &dyn Fn(&Postgres) -> String| servers.iter().map(|server| of(server)).collect::<Vec<_>>().join(",");
        let folders = list(&|server| server.socket_folder().display().to_string());
        let ports = list(&|server| server.port().to_string());
        format!("postgres://gate@/postgres?host={folders}&port={ports}&load_balance_hosts=random")
    }

    /// A project that uses all of them, with more lines of `[database]`.
    pub fn project(&self, more: &str) -> Project {
        let replicas: Vec<String> = self.replicas.iter().map(Self::url).collect();
        self.project_of(&replicas, more)
    }

    /// A project that uses the primary, and what is at these URLs as its replicas.
    pub fn project_of(&self, replicas: &[String], more: &str) -> Project {
        let replicas: Vec<String> = replicas.iter().map(|url| format!("{url:?}")).collect();
        Project::new(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             [auth]\njwt_secret = \"a secret that all of the nodes share\"\n\
             [log]\nrequests = \"failed\"\n\
             [database]\nurl = {:?}\nmigrate_on_start = false\nreplicas = [{}]\n{more}\n",
            Self::url(&self.primary),
            replicas.join(", ")
        ))
    }

    /// Has each of the replicas replay no more, or go on.
    pub fn pause(&self, is_paused: &[bool]) {
        for (replica, is_paused) in self.replicas.iter().zip(is_paused) {
            replica.run(if *is_paused { "SELECT pg_wal_replay_pause()" } else { "SELECT pg_wal_replay_resume()" });
        }
    }
}

/// Writes a note.
pub fn write(client: &mut Client, body: &str) -> Answer {
    let request = Request::json("POST", "/rest/v1/notes?select=id", &json!({ "body": body }));
    client.send(&request.prefer("return=representation"))
}

/// The number of the note that was written.
pub fn id_of(answer: &Answer) -> u64 {
    answer.json()[0]["id"].as_u64().unwrap_or_else(|| panic!("no row was written: {}", answer.text()))
}

/// The position that an answer gives.
pub fn token_of(answer: &Answer) -> String {
    answer.header(HEADER).unwrap_or_else(|| panic!("no position: {} {}", answer.status, answer.text())).to_owned()
}

/// Reads as a client that has seen a position, or none.
pub fn read(client: &mut Client, path: &str, token: Option<&str>) -> Answer {
    let request = Request::new("GET", path);
    client.send(&match token {
        Some(token) => request.header(HEADER, token),
        None => request,
    })
}

/// Counters or gauges by the beginning of their lines, added up.
pub fn metric(server: &Server, start: &str) -> f64 {
    let text = server.admin("/metrics").text();
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Waits until something holds; panics when it takes longer.
pub fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
