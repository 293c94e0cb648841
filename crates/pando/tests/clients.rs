//! The published clients against the binary: supabase-js and postgrest-js under Node.js, postgrest-py and supabase-py
//! under Python. The checks themselves are in `tests/clients`; `scripts/test` installs what they need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a suite tells how many checks it ran"
)]

use std::path::PathBuf;
use std::process::Command;

use testkit::{Launch, Project, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER1: &str = "11111111-1111-4111-8111-111111111111";
const USER2: &str = "22222222-2222-4222-8222-222222222222";

#[test]
fn supabase_js_on_the_example() {
    let Some(node) = node("supabase_js_on_the_example") else { return };
    let gym = Gym::start();
    run(Command::new(node).arg("javascript/gym.js").envs(gym.variables()), 70);
}

#[test]
fn postgrest_js_on_the_schema_of_the_corpus() {
    let Some(node) = node("postgrest_js_on_the_schema_of_the_corpus") else { return };
    let couriers = Couriers::start();
    run(Command::new(node).arg("javascript/couriers.js").envs(couriers.variables()), 62);
}

#[test]
fn postgrest_py_and_supabase_py() {
    let Some(python) = python("postgrest_py_and_supabase_py") else { return };
    let (gym, couriers) = (Gym::start(), Couriers::start());
    let mut command = Command::new(python);
    command.arg("python/couriers.py").env("PYTHONDONTWRITEBYTECODE", "1");
    run(command.envs(gym.variables()).envs(couriers.variables()), 53);
}

/// Runs a suite, which closes with `N passed, N failed`. At least so many checks have to have run.
fn run(command: &mut Command, at_least: u32) {
    let output = command.current_dir(repository().join("tests/clients")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let closing = text.lines().last().unwrap_or_default();
    let passed = closing.strip_suffix(" passed, 0 failed").and_then(|count| count.parse::<u32>().ok());
    assert!(
        output.status.success() && passed.is_some_and(|passed| passed >= at_least),
        "{command:?}:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{closing}");
}

fn node(test: &str) -> Option<PathBuf> {
    installed(test, "tests/clients/javascript/node_modules/.bin/node", "the npm packages of tests/clients/javascript")
}

fn python(test: &str) -> Option<PathBuf> {
    installed(test, "tests/clients/python/.venv/bin/python", "the environment tests/clients/python/.venv")
}

fn installed(test: &str, path: &str, what: &str) -> Option<PathBuf> {
    let path = repository().join(path);
    (!is_skipped(test, !path.exists(), what, "scripts/test installs it")).then_some(path)
}

/// `examples/climbing`, served as it is.
struct Gym {
    project: Project,
    server: Server,
}

impl Gym {
    fn start() -> Self {
        let project = Project::copy_of("examples/climbing");
        let server = Launch::new(BINARY).start(&project);
        Self { project, server }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let token = |arguments: &[&str]| self.project.token(BINARY, arguments);
        vec![
            ("GYM_URL", self.server.url()),
            ("GYM_KEY", token(&["--role", "anon", "--expires", "never"])),
            ("GYM_MINA", token(&["--sub", USER1])),
            ("GYM_LEO", token(&["--sub", USER2])),
            ("GYM_SERVICE", token(&["--role", "service_role"])),
        ]
    }
}

/// The corpus's schema and rows; what is written is committed, as in an application.
struct Couriers {
    project: Project,
    server: Server,
}

impl Couriers {
    fn start() -> Self {
        let project = Project::copy_of("tests/conformance");
        let functions = repository().join("tests/conformance/functions/0003_functions.sql");
        project.write("migrations/0003_functions.sql", std::fs::read_to_string(functions).unwrap());
        let server = Launch::new(BINARY).set("api.transaction_end", "commit-allow-override").start(&project);
        Self { project, server }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let token = |arguments: &[&str]| self.project.token(BINARY, arguments);
        vec![
            ("COURIERS_URL", self.server.url()),
            ("COURIERS_USER1", token(&["--sub", USER1])),
            ("COURIERS_USER2", token(&["--sub", USER2])),
            ("COURIERS_SERVICE", token(&["--role", "service_role"])),
        ]
    }
}
