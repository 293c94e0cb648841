//! A real PgBouncer in front of a PostgreSQL.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::postgres::{Owner, Postgres, url};

/// Far more than a start takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where Debian's package lays it.
const PROGRAM: &str = "/usr/sbin/pgbouncer";
/// The port in the name of its unix socket.
const PORT: u16 = 6432;

/// A running PgBouncer in transaction mode, on a socket in its own folder; everybody whom it knows is trusted. It is stopped
/// when this goes.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    folder: TempDir,
}

impl Pooler {
    /// Starts one for these users, with these lines in its section `[pgbouncer]`; `None` where PgBouncer is not installed.
    pub fn start(postgres: &Postgres, users: &[&str], lines: &[&str]) -> Option<Self> {
        let program = find()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let place = folder.path().display();
        let users: String = users.iter().map(|user| format!("\"{user}\" \"\"\n")).collect();
        let configuration = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nunix_socket_dir = {place}\nlisten_port = {PORT}\n\
             listen_addr =\nauth_type = trust\nauth_file = {place}/users\npool_mode = transaction\n{}\n",
            postgres.socket_folder().display(),
            postgres.port(),
            lines.join("\n"),
        );
        let owner = Owner::of_clusters();
        owner.give(folder.path(), 0o700);
        for (name, content) in [("users", users), ("pgbouncer.ini", configuration)] {
            let path = folder.path().join(name);
            fs::write(&path, content).expect("a file can be written");
            owner.give(&path, 0o600);
        }
        let log = fs::File::create(folder.path().join("log")).expect("the log can be written");
        let mut command = owner.command(&program);
        command.arg(folder.path().join("pgbouncer.ini")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut pooler = Self { process: command.spawn().expect("pgbouncer starts"), folder };
        pooler.wait();
        Some(pooler)
    }

    fn wait(&mut self) {
        let start = Instant::now();
        // The socket is there a moment before somebody listens on it.
        while UnixStream::connect(self.folder.path().join(format!(".s.PGSQL.{PORT}"))).is_err() {
            let is_over = self.process.try_wait().expect("pgbouncer can be watched").is_some();
            assert!(!is_over && start.elapsed() < PATIENCE, "PgBouncer does not start: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The folder of the unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a user finds it, on the unix socket.
    pub fn url(&self, user: &str) -> String {
        url(self.socket_folder(), self.port(), user)
    }

    /// The port in the name of the unix socket.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // It holds nothing that a kill could lose.
            let _sent = Command::new("kill").args(["-KILL", &self.process.id().to_string()]).status();
            let _ended = self.process.wait();
        }
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("pgbouncer"));
    places.find(|place| place.is_file()).or_else(|| Some(PathBuf::from(PROGRAM)).filter(|place| place.is_file()))
}
