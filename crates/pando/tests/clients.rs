//! The published clients against the binary, on both engines: supabase-js and postgrest-js under Node.js, postgrest-py and
//! supabase-py under Python. The checks themselves are in `tests/clients`, and expect the same of both; `scripts/test` installs
//! what they need.

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

use testkit::{Launch, MailServer, Postgres, Project, Request, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER1: &str = "11111111-1111-4111-8111-111111111111";
const USER2: &str = "22222222-2222-4222-8222-222222222222";

#[test]
fn supabase_js_on_the_example() {
    let Some(node) = node("supabase_js_on_the_example") else { return };
    supabase_js(&node, &Gym::start());
}

#[test]
fn supabase_js_on_postgresql() {
    const TEST: &str = "supabase_js_on_postgresql";
    let (Some(node), Some(postgres)) = (node(TEST), Postgres::start_for(TEST)) else { return };
    supabase_js(&node, &Gym::start_on(postgres));
}

fn supabase_js(node: &PathBuf, gym: &Gym) {
    run(Command::new(node).arg("javascript/gym.js").envs(gym.variables()), 70);
}

#[test]
fn supabase_js_with_api_keys() {
    let Some(node) = node("supabase_js_with_api_keys") else { return };
    let project = Project::copy_of("examples/climbing");
    let keys = [made_key(&project, &["web"]), made_key(&project, &["backend", "--secret"])];
    let server = Launch::new(BINARY).start(&project);
    supabase_js_with(&node, &Gym { project, server, postgres: None }, &keys);
}

#[test]
fn supabase_js_with_api_keys_on_postgresql() {
    const TEST: &str = "supabase_js_with_api_keys_on_postgresql";
    let (Some(node), Some(postgres)) = (node(TEST), Postgres::start_for(TEST)) else { return };
    let owned = format!("database.url={}", postgres.url("postgres"));
    let gym = Gym::start_on(postgres);
    // Made by the owner while the server runs, whose role may only read them.
    let keys = [&["web"][..], &["backend", "--secret"]]
        .map(|arguments| made_key(&gym.project, &[arguments, &["--set", &owned]].concat()));
    let grants = "grant usage on schema pando to door; grant select on all tables in schema pando to door;
        grant update on pando.api_keys to door;";
    gym.postgres.as_ref().unwrap().run(grants);
    let asks = Request::new("GET", "/climbs?limit=1").header("apikey", &keys[0]);
    let begin = std::time::Instant::now();
    while gym.server.client().send(&asks).status != 200 {
        assert!(begin.elapsed().as_secs() < 20, "the server does not learn of its keys");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    supabase_js_with(&node, &gym, &keys);
}

/// A key that is made by the command line.
fn made_key(project: &Project, arguments: &[&str]) -> String {
    let (code, out, error) = project.run(BINARY, &[&["keys", "api", "create", "--json"], arguments].concat());
    assert_eq!(code, 0, "{error}");
    let made: serde_json::Value = serde_json::from_str(&out).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

fn supabase_js_with(node: &PathBuf, gym: &Gym, [publishable, secret]: &[String; 2]) {
    let mut command = Command::new(node);
    command.arg("javascript/keys.js").envs(gym.variables());
    run(command.env("GYM_PUBLISHABLE", publishable).env("GYM_SECRET", secret), 5);
}

#[test]
fn supabase_js_signs_in_on_the_example() {
    let Some(node) = node("supabase_js_signs_in_on_the_example") else { return };
    signs_in(&node, &Door::start(None));
}

#[test]
fn supabase_js_signs_in_on_postgresql() {
    const TEST: &str = "supabase_js_signs_in_on_postgresql";
    let (Some(node), Some(postgres)) = (node(TEST), Postgres::start_for(TEST)) else { return };
    signs_in(&node, &Door::start(Some(postgres)));
}

fn signs_in(node: &PathBuf, door: &Door) {
    run(Command::new(node).arg("javascript/auth.js").envs(door.variables()), 25);
}

#[test]
fn postgrest_js_on_the_schema_of_the_corpus() {
    let Some(node) = node("postgrest_js_on_the_schema_of_the_corpus") else { return };
    postgrest_js(&node, &Couriers::start());
}

#[test]
fn postgrest_js_on_postgresql() {
    const TEST: &str = "postgrest_js_on_postgresql";
    let (Some(node), Some(postgres)) = (node(TEST), Postgres::start_for(TEST)) else { return };
    postgrest_js(&node, &Couriers::start_on(postgres));
}

fn postgrest_js(node: &PathBuf, couriers: &Couriers) {
    run(Command::new(node).arg("javascript/couriers.js").envs(couriers.variables()), 62);
}

#[test]
fn postgrest_py_and_supabase_py() {
    let Some(python) = python("postgrest_py_and_supabase_py") else { return };
    both_of_python(&python, &Gym::start(), &Couriers::start());
}

#[test]
fn postgrest_py_and_supabase_py_on_postgresql() {
    const TEST: &str = "postgrest_py_and_supabase_py_on_postgresql";
    let (Some(python), Some(first), Some(second)) =
        (python(TEST), Postgres::start_for(TEST), Postgres::start_for(TEST))
    else {
        return;
    };
    both_of_python(&python, &Gym::start_on(first), &Couriers::start_on(second));
}

fn both_of_python(python: &PathBuf, gym: &Gym, couriers: &Couriers) {
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

/// What the suites are told that they talk to: one check of each expects what only PostgreSQL can do.
fn engine(postgres: Option<&Postgres>) -> String {
    postgres.map_or("sqlite", |_| "postgresql").to_owned()
}

/// `examples/climbing`, served as it is.
struct Gym {
    project: Project,
    server: Server,
    postgres: Option<Postgres>,
}

impl Gym {
    fn start() -> Self {
        let project = Project::copy_of("examples/climbing");
        let server = Launch::new(BINARY).start(&project);
        Self { project, server, postgres: None }
    }

    /// On a bare PostgreSQL, the way the documentation has it: `pando bootstrap`, `pando migrate up`, and a server that logs in
    /// as nobody who owns anything.
    fn start_on(postgres: Postgres) -> Self {
        let (project, owner) = (Project::copy_of("examples/climbing"), postgres.url("postgres"));
        let owned = format!("database.url={owner}");
        for arguments in
            [&["bootstrap", "--url", &owner, "--authenticator", "door"][..], &["migrate", "up", "--set", &owned]]
        {
            let (code, output, error) = project.run(BINARY, arguments);
            assert_eq!(code, 0, "{output}{error}");
        }
        let server = Launch::new(BINARY)
            .variable("PANDO_DATABASE_URL", &postgres.url("door"))
            .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
            .start(&project);
        Self { project, server, postgres: Some(postgres) }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let token = |arguments: &[&str]| self.project.token(BINARY, arguments);
        vec![
            ("ENGINE", engine(self.postgres.as_ref())),
            ("GYM_URL", self.server.url()),
            ("GYM_KEY", token(&["--role", "anon", "--expires", "never"])),
            ("GYM_MINA", token(&["--sub", USER1])),
            ("GYM_LEO", token(&["--sub", USER2])),
            ("GYM_SERVICE", token(&["--role", "service_role"])),
        ]
    }
}

/// `examples/climbing`, where people sign in, and a server that catches their mail.
struct Door {
    project: Project,
    server: Server,
    mails: MailServer,
    postgres: Option<Postgres>,
}

impl Door {
    fn start(postgres: Option<Postgres>) -> Self {
        let (project, mails) = (Project::copy_of("examples/climbing"), MailServer::start());
        let mut launch = Launch::new(BINARY)
            .set("auth.login.enabled", "on")
            .set("auth.login.confirm_email", "true")
            .set("auth.login.anonymous", "true")
            .set("auth.login.mail_interval_seconds", "0")
            .set("auth.mail.host", "127.0.0.1")
            .set("auth.mail.port", &mails.address().port().to_string())
            .set("auth.mail.security", "none");
        if let Some(postgres) = &postgres {
            let owner = postgres.url("postgres");
            let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
            assert_eq!(code, 0, "{output}{error}");
            launch = launch.variable("PANDO_DATABASE_URL", &owner);
        }
        let server = launch.start(&project);
        Self { project, server, mails, postgres }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let token = |arguments: &[&str]| self.project.token(BINARY, arguments);
        vec![
            ("ENGINE", engine(self.postgres.as_ref())),
            ("AUTH_URL", self.server.url()),
            ("AUTH_KEY", token(&["--role", "anon", "--expires", "never"])),
            ("AUTH_SERVICE", token(&["--role", "service_role"])),
            ("AUTH_MAILS", self.mails.folder().display().to_string()),
        ]
    }
}

/// The corpus's schema and rows; what is written is committed, as in an application.
struct Couriers {
    project: Project,
    server: Server,
    postgres: Option<Postgres>,
}

impl Couriers {
    fn start() -> Self {
        let project = Project::copy_of("tests/conformance");
        let functions = repository().join("tests/conformance/functions/0003_functions.sql");
        project.write("migrations/0003_functions.sql", std::fs::read_to_string(functions).unwrap());
        let server = Launch::new(BINARY).set("api.transaction_end", "commit-allow-override").start(&project);
        Self { project, server, postgres: None }
    }

    /// On PostgreSQL from plain SQL, all of the corpus's.
    fn start_on(postgres: Postgres) -> Self {
        for file in ["prelude", "schema", "schema-postgres", "data", "data-postgres", "finish-postgres"] {
            let path = repository().join(format!("tests/conformance/corpus/{file}.sql"));
            postgres.run(&std::fs::read_to_string(path).unwrap());
        }
        let project = Project::copy_of("tests/conformance");
        let server = Launch::new(BINARY)
            .set("api.transaction_end", "commit-allow-override")
            .variable("PANDO_DATABASE_URL", &postgres.url("gate"))
            .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
            .start(&project);
        Self { project, server, postgres: Some(postgres) }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let token = |arguments: &[&str]| self.project.token(BINARY, arguments);
        vec![
            ("ENGINE", engine(self.postgres.as_ref())),
            ("COURIERS_URL", self.server.url()),
            ("COURIERS_USER1", token(&["--sub", USER1])),
            ("COURIERS_USER2", token(&["--sub", USER2])),
            ("COURIERS_SERVICE", token(&["--role", "service_role"])),
        ]
    }
}
