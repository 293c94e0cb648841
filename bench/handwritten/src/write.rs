//! Writes: one thread owns the only writing connection; inserts that wait share a transaction and its sync.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use crate::Failure;

/// The most inserts of one transaction.
const LARGEST_BATCH: usize = 128;

/// What a client sends.
#[derive(Deserialize)]
pub struct NewClimb {
    name: String,
    route_id: i64,
    #[serde(default)]
    sent: bool,
    #[serde(default = "once")]
    attempts: i64,
    note: Option<String>,
}

fn once() -> i64 {
    1
}

struct Task {
    climb: NewClimb,
    reply: oneshot::Sender<rusqlite::Result<()>>,
}

/// The way to the writing thread.
pub struct Writer {
    tasks: mpsc::Sender<Task>,
}

impl Writer {
    /// Opens the connection and starts the thread.
    pub fn start(path: &Path) -> Result<Self, Failure> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", "on")?;
        let (tasks, receiver) = mpsc::channel(1024);
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || work(&connection, receiver))?;
        Ok(Self { tasks })
    }

    /// Inserts a climb; returns once it is on disk.
    pub async fn insert(&self, climb: NewClimb) -> Result<(), Failure> {
        let (reply, answer) = oneshot::channel();
        self.tasks.send(Task { climb, reply }).await.map_err(|_gone| "the writer is gone")?;
        Ok(answer.await??)
    }
}

fn work(connection: &Connection, mut tasks: mpsc::Receiver<Task>) {
    while let Some(first) = tasks.blocking_recv() {
        let mut done = Vec::new();
        let mut next = Some(first);
        let begun = run(connection, "BEGIN IMMEDIATE");
        while let Some(Task { climb, reply }) = next.take() {
            let outcome = if begun.is_ok() { insert(connection, &climb) } else { Err(rusqlite::Error::InvalidQuery) };
            done.push((reply, outcome));
            if done.len() < LARGEST_BATCH {
                next = tasks.try_recv().ok();
            }
        }
        let committed = run(connection, "COMMIT").is_ok();
        for (reply, outcome) in done {
            let outcome = if committed { outcome } else { Err(rusqlite::Error::InvalidQuery) };
            // A client that left does not wait for an answer.
            drop(reply.send(outcome));
        }
    }
}

fn run(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.execute([]).map(drop)
}

fn insert(connection: &Connection, climb: &NewClimb) -> rusqlite::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let mut statement = connection.prepare_cached(
        "INSERT INTO climbs (name, route_id, sent, attempts, climbed_at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    statement.execute((&climb.name, climb.route_id, climb.sent, climb.attempts, now, &climb.note)).map(drop)
}
