//! A real PostgreSQL in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools::is_skipped;

/// Far more than a start takes; only a cluster that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Debian's packages lay the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Names the folder of the programs that are to be tested with instead.
const CHOSEN: &str = "PANDO_TEST_POSTGRES";
/// The user that owns the cluster where root runs the tests: PostgreSQL refuses to run as root.
const NOBODY: &str = "nobody";

/// How often another port is taken, when somebody else was faster.
const PORT_ATTEMPTS: u32 = 8;

/// A running PostgreSQL, on a socket in its own folder: UTF-8, the C locale, UTC. It is stopped when this goes.
#[derive(Debug)]
pub struct Postgres {
    process: Child,
    folder: TempDir,
    programs: Programs,
    owner: Owner,
    cluster: Cluster,
    port: u16,
    is_frozen: bool,
}

/// The programs of an installed version.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
}

/// How a PostgreSQL is to be set up and started.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    listens: bool,
    is_standby: bool,
    follows: Option<PathBuf>,
    settings: Vec<(String, String)>,
    access: Vec<String>,
    files: Vec<(String, String)>,
}

impl Cluster {
    /// As [`Postgres::start`] has it: a unix socket only, and everybody is trusted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on 127.0.0.1 as well, on a free port.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.listens = true;
        self
    }

    /// Starts as a hot standby that follows nobody: it can only be read.
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.is_standby = true;
        self
    }

    /// Is a hot standby of another one, made from a copy of it.
    #[must_use]
    pub fn replica_of(mut self, primary: &Postgres) -> Self {
        self.follows = Some(primary.socket_folder().to_path_buf());
        self
    }

    /// A setting of the server: `ssl` and `on`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of `pg_hba.conf`. With the first one, nobody is trusted any more but `postgres` on the unix socket.
    #[must_use]
    pub fn access(mut self, line: &str) -> Self {
        self.access.push(line.to_owned());
        self
    }

    /// A file in the data folder that the server alone may read: `server.key`.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// The same for a test; `None` where PostgreSQL is not installed and the test may be skipped, which is said loudly.
    pub fn start_for(self, test: &str) -> Option<Postgres> {
        let started = self.start();
        if is_skipped(test, started.is_none(), "PostgreSQL", "install it: apt-get install postgresql") {
            return None;
        }
        started
    }

    /// Sets it up and starts it; `None` where PostgreSQL is not installed.
    pub fn start(self) -> Option<Postgres> {
        let programs = Programs::find()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder can be made");
        let owner = Owner::of_clusters();
        owner.give(folder.path(), 0o700);
        owner.give(&data, 0o700);
        let mut command = match &self.follows {
            None => {
                let mut command = owner.command(&programs.folder.join("initdb"));
                command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
                command
            }
            Some(primary) => {
                let mut command = owner.command(&programs.folder.join("pg_basebackup"));
                command.args([
                    "--username=postgres",
                    "--write-recovery-conf",
                    "--checkpoint=fast",
                    "--no-sync",
                    "--host",
                ]);
                command.arg(primary);
                command
            }
        };
        let made = command.arg("--pgdata").arg(&data).output().expect("a cluster can be made");
        assert!(made.status.success(), "the cluster is not made: {}", String::from_utf8_lossy(&made.stderr));
        self.write_files(&data, owner);
        for _ in 0..PORT_ATTEMPTS {
            let port = if self.listens { free_port() } else { 5432 };
            let mut process = self.launch(&programs, owner, folder.path(), port);
            if self.is_ready(&mut process, &programs, folder.path(), port) {
                return Some(Postgres { process, folder, programs, owner, cluster: self, port, is_frozen: false });
            }
        }
        panic!("PostgreSQL ends as soon as it is started: {}", self.log(folder.path()));
    }

    fn write_files(&self, data: &Path, owner: Owner) {
        for (name, content) in &self.files {
            let path = data.join(name);
            fs::write(&path, content).expect("a file can be written");
            owner.give(&path, 0o600);
        }
        if !self.access.is_empty() {
            let lines = format!("local all postgres trust\n{}\n", self.access.join("\n"));
            fs::write(data.join("pg_hba.conf"), lines).expect("the access rules can be written");
        }
        if self.is_standby {
            fs::write(data.join("standby.signal"), "").expect("the standby's file can be written");
        }
    }

    fn launch(&self, programs: &Programs, owner: Owner, folder: &Path, port: u16) -> Child {
        let addresses = if self.listens { "127.0.0.1" } else { "" };
        let log = fs::File::create(folder.join("log")).expect("the log can be written");
        let mut command = owner.command(&programs.folder.join("postgres"));
        command
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", &format!("listen_addresses={addresses}"), "-c", &format!("port={port}")])
            .args(["-c", "timezone=UTC", "-c", "fsync=off"]);
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("postgres starts")
    }

    /// Waits until it answers; `false` when it ended instead.
    fn is_ready(&self, process: &mut Child, programs: &Programs, folder: &Path, port: u16) -> bool {
        let start = Instant::now();
        loop {
            let asked = programs.session(folder, port).args(["-c", "SELECT 1"]).output().expect("psql runs");
            if asked.status.success() {
                return true;
            }
            if process.try_wait().expect("postgres can be watched").is_some() {
                return false;
            }
            let error = String::from_utf8_lossy(&asked.stderr);
            assert!(start.elapsed() < PATIENCE, "PostgreSQL does not answer: {error} {}", self.log(folder));
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self, folder: &Path) -> String {
        fs::read_to_string(folder.join("log")).unwrap_or_default()
    }
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// A URL of libpq's for the database `postgres` on a unix socket.
pub(crate) fn url(folder: &Path, port: u16, user: &str) -> String {
    format!("postgres://{user}@/postgres?host={}&port={port}", folder.display())
}

impl Postgres {
    /// Starts one; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        Cluster::new().start()
    }

    /// Starts one for a test; `None` where PostgreSQL is not installed and the test may be skipped, which is said loudly.
    pub fn start_for(test: &str) -> Option<Self> {
        Cluster::new().start_for(test)
    }

    /// Where a user finds it, on the unix socket.
    pub fn url(&self, user: &str) -> String {
        url(self.socket_folder(), self.port(), user)
    }

    /// The port: of TCP, if it listens there, and in the name of the unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server has logged since its start.
    pub fn log(&self) -> String {
        self.cluster.log(self.folder.path())
    }

    /// Ends it at once (an immediate shutdown): sessions are cut off.
    pub fn stop(&mut self) {
        // Once it has ended, its number may be somebody else's.
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        if self.is_frozen {
            self.thaw();
        }
        let _sent = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ended = self.process.wait();
    }

    /// Ends it as a crash would: nothing is finished, no client is told.
    pub fn kill(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        let _sent = self.process.kill();
        let _ended = self.process.wait();
        // Its children notice that they are alone, and hold the memory until they have.
        thread::sleep(Duration::from_millis(300));
    }

    /// Stops all its processes where they are, as a virtual machine that is paused: connections stay open, and nothing answers.
    pub fn freeze(&mut self) {
        self.is_frozen = true;
        self.signal_all("-STOP");
    }

    /// Has it go on after [`Postgres::freeze`].
    pub fn thaw(&mut self) {
        self.is_frozen = false;
        self.signal_all("-CONT");
    }

    /// Stops the process of one session (its `pid` in `pg_stat_activity`) where it is.
    pub fn freeze_session(&self, process: &str) {
        let sent = Command::new("kill").args(["-STOP", process]).status().expect("kill runs");
        assert!(sent.success(), "there is no such session: {process:?}");
    }

    fn signal_all(&self, signal: &str) {
        let own = self.process.id();
        // The parent first: it makes no more of them then.
        let _sent = Command::new("kill").args([signal, &own.to_string()]).status().expect("kill runs");
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).expect("its children are known");
        let all = children.split_whitespace();
        // One of them may have ended by itself meanwhile.
        let _sent = Command::new("kill").arg(signal).args(all).status().expect("kill runs");
    }

    /// Makes a standby the primary, and waits until it is.
    pub fn promote(&self) {
        assert_eq!(self.run("SELECT pg_promote(true, 60)").trim(), "t", "{}", self.log());
    }

    /// Makes a standby follow another primary.
    pub fn follow(&self, primary: &Self) {
        let folder = primary.socket_folder().display();
        let script = format!(
            "ALTER SYSTEM SET primary_conninfo = 'host={folder} port={} user=postgres'; SELECT pg_reload_conf()",
            primary.port
        );
        self.run(&script);
    }

    /// Starts it again after [`Postgres::stop`], on the same port.
    pub fn start_again(&mut self) {
        self.process = self.cluster.launch(&self.programs, self.owner, self.folder.path(), self.port);
        let is_ready = self.cluster.is_ready(&mut self.process, &self.programs, self.folder.path(), self.port);
        assert!(is_ready, "PostgreSQL does not start again: {}", self.log());
    }

    /// Runs a script in one session and gives what it prints, one row a line, columns between `|`. Panics if a
    /// statement fails.
    pub fn run(&self, script: &str) -> String {
        self.try_run(script).unwrap_or_else(|error| panic!("psql: {error}"))
    }

    /// The same where a statement may fail; gives what psql says of it then.
    ///
    /// # Errors
    /// A statement failed.
    pub fn try_run(&self, script: &str) -> Result<String, String> {
        self.console().try_run(script)
    }

    /// Runs scripts there, whatever is done with the server meanwhile.
    pub fn console(&self) -> Console {
        Console { programs: self.programs.clone(), socket: self.socket_folder().to_path_buf(), port: self.port }
    }
}

/// Runs scripts on a server as its superuser, past whatever else is connected to it.
#[derive(Debug, Clone)]
pub struct Console {
    programs: Programs,
    socket: PathBuf,
    port: u16,
}

impl Console {
    /// Runs a script in a session of its own, as [`Postgres::try_run`].
    ///
    /// # Errors
    /// A statement failed, or nobody is there.
    pub fn try_run(&self, script: &str) -> Result<String, String> {
        let mut session = self.programs.session(&self.socket, self.port).spawn().expect("psql runs");
        let mut input = session.stdin.take().expect("the input is piped");
        let script = script.to_owned();
        // Beside the reading, since both pipes are short.
        let writer = thread::spawn(move || input.write_all(script.as_bytes()));
        let output = session.wait_with_output().expect("psql ends");
        let written = writer.join().expect("the writer ends");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        written.expect("psql reads its input");
        Ok(String::from_utf8(output.stdout).expect("psql prints UTF-8"))
    }
}

impl Drop for Postgres {
    /// SIGQUIT: it ends at once and takes its own processes with it.
    fn drop(&mut self) {
        self.stop();
    }
}

impl Programs {
    /// The newest version of Debian's packages, or what is on the path.
    fn find() -> Option<Self> {
        if let Some(folder) = std::env::var_os(CHOSEN).map(PathBuf::from) {
            assert!(folder.join("initdb").is_file(), "{CHOSEN}: there is no initdb in {}", folder.display());
            return Some(Self { folder });
        }
        let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        folders.sort();
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.splice(0..0, std::env::split_paths(&path));
        folders.into_iter().rev().find(|folder| folder.join("initdb").is_file()).map(|folder| Self { folder })
    }

    /// psql on the unix socket, as the superuser.
    fn session(&self, socket: &Path, port: u16) -> Command {
        let mut command = Command::new(self.folder.join("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(socket)
            .args(["-p", &port.to_string()])
            .env_clear()
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Who runs the cluster: whoever runs the tests, or [`NOBODY`] instead of root.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    Tester,
    Nobody { user: u32, group: u32 },
}

impl Owner {
    pub(crate) fn of_clusters() -> Self {
        if fs::metadata("/proc/self").map_or(1, |own| own.uid()) != 0 {
            return Self::Tester;
        }
        let users = fs::read_to_string("/etc/passwd").expect("there are users");
        let fields: Vec<&str> = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&NOBODY))
            .expect("there is the user nobody");
        let number = |place: usize| fields.get(place).and_then(|field| field.parse().ok()).expect("a number");
        Self::Nobody { user: number(2), group: number(3) }
    }

    pub(crate) fn give(self, path: &Path, mode: u32) {
        if let Self::Nobody { user, group } = self {
            chown(path, Some(user), Some(group)).expect("root can give a file away");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions can be set");
    }

    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = match self {
            Self::Tester => Command::new(program),
            Self::Nobody { user, group } => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
                command.arg(program);
                command
            }
        };
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        command
    }
}
