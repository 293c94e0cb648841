//! A running server: started, watched, killed, started again.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Answer, Client};
use crate::project::Project;

/// Far more than anything takes; only a server that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: String,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    listen: String,
}

/// How a start ended that was meant to fail.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: i32,
    /// What it wrote to its standard error.
    pub error: String,
}

impl Launch {
    /// The binary, which a test of the package `pando` knows as `env!("CARGO_BIN_EXE_pando")`; `PANDO_TEST_BINARY` names
    /// another build of it, for long runs. It listens on free ports and logs JSON at the level info.
    pub fn new(binary: &str) -> Self {
        let listen = "127.0.0.1:0".to_owned();
        let binary = std::env::var("PANDO_TEST_BINARY").unwrap_or_else(|_| binary.to_owned());
        Self { binary, environment: Vec::new(), arguments: Vec::new(), listen }
    }

    /// Sets a variable, for example `PANDO_API_MAX_ROWS`. The environment is otherwise empty.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Overrides a setting on the command line.
    #[must_use]
    pub fn set(mut self, setting: &str, value: &str) -> Self {
        self.arguments.extend(["--set".to_owned(), format!("{setting}={value}")]);
        self
    }

    /// Has the API listen on this address instead of a free port.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Adds a flag of `pando serve`, for example `--watch`.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.arguments.push(flag.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self, project: &Project) -> Server {
        let server = self.start_unready(project);
        server.wait_until_ready();
        server
    }

    /// Starts it and waits until it listens.
    pub fn start_unready(&self, project: &Project) -> Server {
        let mut process = self.command(project).spawn().expect("the binary starts");
        let output = Output::default();
        output.follow(process.stdout.take().expect("the output is piped"));
        output.follow(process.stderr.take().expect("the errors are piped"));
        let mut server = Server { process, output, api: ([127, 0, 0, 1], 0).into(), admin: ([127, 0, 0, 1], 0).into() };
        server.admin = server.listening("admin");
        server.api = server.listening("api");
        server
    }

    /// Starts it and waits until it ends, which it has to do by itself.
    pub fn refused(&self, project: &Project) -> Refusal {
        let mut process = self.command(project).spawn().expect("the binary starts");
        let output = Output::default();
        output.follow(process.stdout.take().expect("the output is piped"));
        let mut error = String::new();
        let status = wait(&mut process);
        process.stderr.take().expect("the errors are piped").read_to_string(&mut error).expect("errors are UTF-8");
        let status = status.unwrap_or_else(|| {
            let _gone = process.kill();
            panic!("it was to refuse to start, and runs:\n{}", output.text())
        });
        Refusal { code: status.code().expect("it ended by itself"), error }
    }

    /// Starts it and kills it (SIGKILL) so much later, wherever in its start it is then.
    pub fn kill_while_starting(&self, project: &Project, after: Duration) {
        let mut process = self.command(project).stdout(Stdio::null()).spawn().expect("the binary starts");
        thread::sleep(after);
        process.kill().expect("it can be killed");
        process.wait().expect("it ends");
    }

    fn command(&self, project: &Project) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--listen", &self.listen, "--admin-listen", "127.0.0.1:0"])
            .args(["--set", "log.format=json"])
            .args(&self.arguments)
            .current_dir(project.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running server. It is killed when this goes.
#[derive(Debug)]
pub struct Server {
    process: Child,
    output: Output,
    api: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.api
    }

    /// Where metrics and probes are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// `http://127.0.0.1:…`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::new(self.api)
    }

    /// Gets a path of the API on a new connection.
    pub fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// Gets a path of the admin address.
    pub fn admin(&self, path: &str) -> Answer {
        Client::new(self.admin).get(path)
    }

    /// The process, for its memory and processor time.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Everything that it wrote so far.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// Waits for a log line about the happening (`event.action`), from the first line on.
    pub fn wait_for(&self, action: &str) -> Value {
        self.wait_for_line(action, |line| line["event.action"] == action)
    }

    /// Waits for a log line about the happening that is a certain one.
    pub fn wait_for_where(&self, action: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.wait_for_line(action, |line| line["event.action"] == action && is_it(line))
    }

    /// Sends a signal by its name: `TERM`, `HUP`, `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "SIG{name} could not be sent");
    }

    /// SIGKILL: it has no time for anything. Gives what it had written.
    pub fn kill(mut self) -> String {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
        self.output.all()
    }

    /// SIGTERM, and waits for the end. Gives the exit code and everything that it wrote.
    pub fn stop(mut self) -> (i32, String) {
        self.signal("TERM");
        let status = self.wait();
        (status.code().expect("it ends by itself"), self.output.all())
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.process).unwrap_or_else(|| panic!("it does not end:\n{}", self.output.text()))
    }

    fn listening(&mut self, purpose: &str) -> SocketAddr {
        let line = self
            .wait_for_line("listening", |line| line["event.action"] == "listening" && line["pando.purpose"] == purpose);
        line["server.address"].as_str().and_then(|text| text.parse().ok()).expect("the log tells the address")
    }

    fn wait_for_line(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let found = self.output.wait_for(|line| serde_json::from_str::<Value>(line).ok().filter(|line| is_it(line)));
        found.unwrap_or_else(|| panic!("the log ends or waits without {what}:\n{}", self.output.text()))
    }

    /// Waits until `/ready` says so.
    pub fn wait_until_ready(&self) {
        let start = Instant::now();
        while self.admin("/ready").status != 200 {
            assert!(start.elapsed() < PATIENCE, "it is not ready:\n{}", self.output.text());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _status = self.process.wait();
    }
}

fn wait(process: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// What a process writes, line by line, read by threads so that it never has to wait.
#[derive(Debug, Clone, Default)]
struct Output {
    lines: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    read: Vec<String>,
    open: usize,
}

impl Output {
    fn follow(&self, source: impl Read + Send + 'static) {
        self.lines.0.lock().unwrap().open += 1;
        let lines = self.lines.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                lines.0.lock().unwrap().read.push(String::from_utf8_lossy(&line).into_owned());
                lines.1.notify_all();
                line.clear();
            }
            lines.0.lock().unwrap().open -= 1;
            lines.1.notify_all();
        });
    }

    /// The first line that gives something; `None` when the output ends, or nothing comes for too long.
    fn wait_for<T>(&self, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let mut lines = self.lines.0.lock().unwrap();
        let mut seen = 0;
        loop {
            while let Some(line) = lines.read.get(seen) {
                if let Some(found) = find(line) {
                    return Some(found);
                }
                seen += 1;
            }
            if lines.open == 0 {
                return None;
            }
            let (waited, timeout) = self.lines.1.wait_timeout(lines, PATIENCE).unwrap();
            if timeout.timed_out() {
                return None;
            }
            lines = waited;
        }
    }

    /// Everything up to now.
    fn text(&self) -> String {
        self.lines.0.lock().unwrap().read.concat()
    }

    /// Everything, after the process ended.
    fn all(&self) -> String {
        let lines = self.lines.0.lock().unwrap();
        let (lines, _timeout) = self.lines.1.wait_timeout_while(lines, PATIENCE, |lines| lines.open > 0).unwrap();
        lines.read.concat()
    }
}
