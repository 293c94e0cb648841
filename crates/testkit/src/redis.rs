//! A real Redis or Valkey in a temporary folder.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::pebble::free_port;
use crate::project::repository;
use crate::tools::{is_skipped, tool};

/// Far more than a start takes; only a server that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often another port is taken, when somebody else was faster.
const PORT_ATTEMPTS: u32 = 8;

/// The servers that speak Redis's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Redis, or where it is not installed a Valkey that is.
    Redis,
    /// Valkey.
    Valkey,
}

impl Engine {
    /// Its program; `None` where it is not installed and the test may be skipped, which is said loudly.
    fn program(self, test: &str) -> Option<PathBuf> {
        let (what, how_to_get_it, program) = match self {
            Self::Redis => {
                let program = tool("redis-server").or_else(|| tool("valkey-server"));
                ("Redis", "install it: apt-get install redis-server", program)
            }
            Self::Valkey => {
                let installed = repository().join("tests/valkey/.venv/bin/valkey-server");
                let program = tool("valkey-server").or_else(|| tool(installed.to_str()?));
                ("Valkey", "scripts/install-test-tools installs it", program)
            }
        };
        if is_skipped(test, program.is_none(), what, how_to_get_it) { None } else { program }
    }
}

/// A running Redis on 127.0.0.1 and on a unix socket, with a password, which keeps nothing on disk. It is stopped when this goes.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    process: Child,
    folder: TempDir,
    port: u16,
}

impl Redis {
    /// The password of every server that tests start.
    pub const PASSWORD: &str = "of-the-tests";

    /// Starts one for a test; `None` where Redis is not installed and the test may be skipped, which is said loudly.
    pub fn start_for(test: &str) -> Option<Self> {
        Self::start_engine_for(Engine::Redis, test)
    }

    /// The same with one of the servers that speak its protocol.
    pub fn start_engine_for(engine: Engine, test: &str) -> Option<Self> {
        let program = engine.program(test)?;
        for _ in 0..PORT_ATTEMPTS {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
            let port = listener.local_addr().expect("it has an address").port();
            drop(listener);
            let process = launch(&program, &folder, port);
            let mut redis = Self { program: program.clone(), process, folder, port };
            if redis.is_ready() {
                return Some(redis);
            }
        }
        panic!("{engine:?} ends as soon as it is started");
    }

    /// The same, which speaks TLS alone, with this certificate and key (PEM). [`Redis::ask`] is not for it.
    pub fn start_with_tls_for(test: &str, certificate: &Path, key: &Path) -> Option<Self> {
        let program = Engine::Redis.program(test)?;
        let (folder, port) = (tempfile::tempdir().expect("a temporary folder can be made"), free_port());
        let mut command = command(&program, &folder, 0);
        command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file"]);
        command.arg(certificate).arg("--tls-key-file").arg(key);
        let process = command.spawn().expect("Redis starts");
        let mut redis = Self { program, process, folder, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let has_ended = redis.process.try_wait().expect("Redis can be watched").is_some();
            assert!(!has_ended && start.elapsed() < PATIENCE, "Redis does not start with TLS");
            thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    /// Where clients find it over TLS.
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss://:{}@{host}:{}", Self::PASSWORD, self.port)
    }

    /// Where clients find it over TCP, with the password.
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The same for clients that come over another port of 127.0.0.1.
    pub fn url_at(port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}", Self::PASSWORD)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients find it on the unix socket.
    pub fn socket_url(&self) -> String {
        format!("unix://{}?pass={}", self.folder.path().join("socket").display(), Self::PASSWORD)
    }

    /// Sends one command in a session of its own, and gives what is answered as it stands on the wire.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("Redis answers")
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let mut session = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        session.set_read_timeout(Some(PATIENCE)).ok()?;
        session.write_all(format!("AUTH {}\r\n{command}\r\nQUIT\r\n", Self::PASSWORD).as_bytes()).ok()?;
        let mut answer = String::new();
        session.read_to_string(&mut answer).ok()?;
        Some(answer.trim_start_matches("+OK\r\n").trim_end_matches("+OK\r\n").to_owned())
    }

    /// Stops it where it is: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Has it go on after [`Redis::freeze`].
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let _sent = self.process.kill();
        let _ended = self.process.wait();
    }

    /// Starts it again, empty, on the same port.
    pub fn start_again(&mut self) {
        self.kill();
        self.process = launch(&self.program, &self.folder, self.port);
        assert!(self.is_ready(), "Redis does not start again");
    }

    fn is_ready(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.try_ask("PING").is_some_and(|answer| answer.contains("+PONG")) {
                return true;
            }
            if self.process.try_wait().expect("Redis can be watched").is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("Redis does not answer");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "Redis has ended");
    }
}

fn launch(program: &Path, folder: &TempDir, port: u16) -> Child {
    command(program, folder, port).spawn().expect("Redis starts")
}

fn command(program: &Path, folder: &TempDir, port: u16) -> Command {
    let log = File::create(folder.path().join("log")).expect("the log can be written");
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--requirepass", Redis::PASSWORD, "--unixsocketperm", "700", "--unixsocket"])
        .arg(folder.path().join("socket"))
        .arg("--dir")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(Stdio::null());
    command
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A frozen process takes this signal as well.
        self.kill();
    }
}

/// A case on each of the servers that speak Redis's protocol: `on_every_server!(name, |redis| { … })` makes the tests `name::redis` and
/// `name::valkey`.
#[macro_export]
macro_rules! on_every_server {
    ($name:ident, |$redis:pat_param| $case:block) => {
        mod $name {
            use super::*;

            async fn case($redis: $crate::Redis) $case

            #[tokio::test]
            async fn redis() {
                let test = concat!(stringify!($name), "::redis");
                let Some(redis) = $crate::Redis::start_engine_for($crate::Engine::Redis, test) else { return };
                case(redis).await;
            }

            #[tokio::test]
            async fn valkey() {
                let test = concat!(stringify!($name), "::valkey");
                let Some(valkey) = $crate::Redis::start_engine_for($crate::Engine::Valkey, test) else { return };
                case(valkey).await;
            }
        }
    };
}
