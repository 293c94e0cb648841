//! sqlmap over every kind of place where a request's text could reach SQL, on both engines: it finds nothing. That it would is shown
//! by a server that does put text into SQL, where the same run finds every place (`tests/injection`).
//!
//! CI asks the questions of level 2 that are seen in what is answered, without those that wait. `PANDO_SQLMAP_LEVEL=5
//! PANDO_SQLMAP_RISK=3` asks all of them; what that gave stands in docs/security-tests.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a run tells how many requests it had"
)]

use std::process::Command;

use testkit::{Launch, Postgres, Project, Server, is_skipped, repository, tool};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER: &str = "11111111-1111-4111-8111-111111111111";

/// A function to call, on top of the example.
const FUNCTIONS: &str = "
create function routes_of(setter_name text) returns setof route language sql stable as
  $$ select * from route where setter_id in (select id from setter where name = setter_name) $$;
";

#[test]
fn sqlmap_finds_nothing() {
    if !there("sqlmap_finds_nothing") {
        return;
    }
    let project = gym();
    let server = launch().start(&project);
    finds_nothing("sqlite", &project, &server);
}

#[test]
fn sqlmap_finds_nothing_on_postgresql() {
    const TEST: &str = "sqlmap_finds_nothing_on_postgresql";
    let Some(postgres) = Postgres::start_for(TEST).filter(|_| there(TEST)) else { return };
    let (project, owner) = (gym(), postgres.url("postgres"));
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{output}{error}");
    let server = launch().variable("PANDO_DATABASE_URL", &owner).start(&project);
    finds_nothing("postgresql", &project, &server);
}

#[test]
fn sqlmap_finds_the_vulnerable_twin() {
    if !there("sqlmap_finds_the_vulnerable_twin") {
        return;
    }
    let counts = run(&[]);
    assert_eq!((counts.vulnerable, counts.failed), (counts.places, 0));
    assert!(counts.places > 70);
}

fn there(test: &str) -> bool {
    !is_skipped(test, tool("sqlmap").is_none(), "sqlmap", "scripts/install-test-tools installs it")
}

fn gym() -> Project {
    let project = Project::copy_of("examples/climbing");
    project.write("migrations/0002_functions.sql", FUNCTIONS);
    project
}

/// The example, where writes can be taken back and nobody has to wait for a mail. Limits are as they always are.
fn launch() -> Launch {
    Launch::new(BINARY)
        .set("api.transaction_end", "commit-allow-override")
        .set("auth.login.enabled", "on")
        .set("auth.login.mail_interval_seconds", "0")
        .set("log.requests", "failed")
}

fn finds_nothing(engine: &str, project: &Project, server: &Server) {
    let user = project.token(BINARY, &["--sub", USER]);
    let service = project.token(BINARY, &["--role", "service_role"]);
    let url = server.url();
    let arguments = ["--url", &url, "--engine", engine, "--user", &user, "--service", &service];
    let counts = run(&[&arguments[..], &skipped()].concat());
    assert_eq!((counts.vulnerable, counts.failed, counts.alive), (0, 0, counts.places));
    // Otherwise nothing would be shown but that limits work.
    let answered = counts.answered * 100 / counts.requests.max(1);
    assert!(answered >= 85, "{answered} % of the requests were answered by the dialect");
    assert_eq!(server.admin("/ready").status, 200);
}

/// What takes long, unless the long run is asked for.
fn skipped() -> Vec<&'static str> {
    if std::env::var_os("PANDO_SQLMAP_LEVEL").is_some() { Vec::new() } else { vec!["--skip-slow"] }
}

/// What a run has counted.
struct Counts {
    places: u32,
    alive: u32,
    vulnerable: u32,
    failed: u32,
    requests: u32,
    answered: u32,
}

fn run(arguments: &[&str]) -> Counts {
    let of = |name: &str, usual: &str| std::env::var_os(name).unwrap_or_else(|| usual.into());
    let (level, risk) = (of("PANDO_SQLMAP_LEVEL", "2"), of("PANDO_SQLMAP_RISK", "1"));
    let mut command = Command::new("python3");
    command.arg("run.py").arg("--level").arg(&level).arg("--risk").arg(risk).args(arguments);
    if level == "2" {
        // By what is answered and by errors; what waits needs seconds for each place.
        command.args(["--technique", "BE"]);
    }
    let command = command.current_dir(repository().join("tests/injection")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let closing = text.lines().last().unwrap_or_default();
    let numbers: Vec<u32> = closing.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    eprintln!("{closing}");
    let [places, alive, vulnerable, failed, requests, answered] = numbers.try_into().unwrap_or_else(|_| {
        panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    });
    assert!(output.status.success(), "{text}");
    Counts { places, alive, vulnerable, failed, requests, answered }
}
