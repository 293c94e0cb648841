//! A real PostgreSQL in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than a start takes; only a cluster that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Debian's packages lay the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user that owns the cluster where root runs the tests: PostgreSQL refuses to run as root.
const NOBODY: &str = "nobody";

/// A running PostgreSQL, on a socket in its own folder: UTF-8, the C locale, UTC. It is stopped when this goes.
#[derive(Debug)]
pub struct Postgres {
    process: Child,
    folder: TempDir,
    psql: PathBuf,
}

/// The programs of an installed version.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
}

impl Postgres {
    /// Starts one; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let programs = Programs::find()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder can be made");
        let owner = Owner::of_clusters();
        owner.give(folder.path());
        owner.give(&data);
        let made = owner
            .command(&programs.folder.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let process = owner
            .command(&programs.folder.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "timezone=UTC", "-c", "fsync=off", "-c", "jit=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let psql = programs.folder.join("psql");
        let mut postgres = Self { process, folder, psql };
        postgres.wait_until_ready();
        Some(postgres)
    }

    /// Runs a script in one session and gives what it prints, one row a line, columns between `|`. Panics if a
    /// statement fails.
    pub fn run(&self, script: &str) -> String {
        let mut session = self.session().spawn().expect("psql runs");
        let mut input = session.stdin.take().expect("the input is piped");
        let script = script.to_owned();
        // Beside the reading, since both pipes are short.
        let writer = thread::spawn(move || input.write_all(script.as_bytes()));
        let output = session.wait_with_output().expect("psql ends");
        let written = writer.join().expect("the writer ends");
        assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        written.expect("psql reads its input");
        String::from_utf8(output.stdout).expect("psql prints UTF-8")
    }

    fn session(&self) -> Command {
        let mut command = Command::new(&self.psql);
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(self.folder.path())
            .env_clear()
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn wait_until_ready(&mut self) {
        let start = Instant::now();
        loop {
            let asked = self.session().args(["-c", "SELECT 1"]).output().expect("psql runs");
            if asked.status.success() {
                return;
            }
            let ended = self.process.try_wait().expect("postgres can be watched");
            let error = String::from_utf8_lossy(&asked.stderr);
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "PostgreSQL does not answer: {error}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    /// SIGQUIT: it ends at once and takes its own processes with it.
    fn drop(&mut self) {
        let _sent = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ended = self.process.wait();
    }
}

impl Programs {
    /// The newest version of Debian's packages, or what is on the path.
    fn find() -> Option<Self> {
        let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        folders.sort();
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.splice(0..0, std::env::split_paths(&path));
        folders.into_iter().rev().find(|folder| folder.join("initdb").is_file()).map(|folder| Self { folder })
    }
}

/// Who runs the cluster: whoever runs the tests, or [`NOBODY`] instead of root.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Tester,
    Nobody { user: u32, group: u32 },
}

impl Owner {
    fn of_clusters() -> Self {
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

    fn give(self, folder: &Path) {
        if let Self::Nobody { user, group } = self {
            chown(folder, Some(user), Some(group)).expect("root can give a folder away");
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("permissions can be set");
    }

    fn command(self, program: &Path) -> Command {
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
