//! schemathesis over our own OpenAPI document, on both engines, as a visitor and as somebody who signed in: what the
//! document says of statuses, bodies, headers and parameters has to be true, and what it forbids has to be refused.
//! `tests/openapi` says what the dialect allows on purpose; `scripts/test` installs the tool.
//!
//! `PANDO_SCHEMATHESIS_EXAMPLES` asks for a longer run: the number of cases for each operation and phase.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a run tells how many cases it had"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Launch, Postgres, Project, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER: &str = "11111111-1111-4111-8111-111111111111";
/// Enough for every kind of mutation, and done in less than half a minute.
const EXAMPLES: &str = "15";
/// Asks for more.
const LONGER: &str = "PANDO_SCHEMATHESIS_EXAMPLES";
/// The same cases every time.
const SEED: &str = "1";

/// What a program calls on top of the example: functions that give rows, a value, and nothing.
const FUNCTIONS: &str = "
create function routes_of(setter_name text) returns setof route language sql stable as
  $$ select * from route where setter_id in (select id from setter where name = setter_name) $$;
create function feet(metres numeric, factor numeric default 3.28) returns numeric language sql immutable as
  $$ select round(metres * factor, 1) $$;
";

#[test]
fn the_document_of_the_example_is_true() {
    let Some(tool) = tool("the_document_of_the_example_is_true") else { return };
    let project = gym();
    let server = Launch::new(BINARY).start(&project);
    both(&tool, &project, &server, &[]);
}

#[test]
fn the_document_is_true_on_postgresql() {
    const TEST: &str = "the_document_is_true_on_postgresql";
    let (Some(tool), Some(postgres)) = (tool(TEST), Postgres::start_for(TEST)) else { return };
    let (project, owner) = (gym(), postgres.url("postgres"));
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{output}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &owner).start(&project);
    both(&tool, &project, &server, &[]);
}

/// A schema with odd names, every type and functions of all kinds. The coverage phase makes a hundred cases of each of its
/// operations, so that only a long run has it.
#[test]
fn the_document_of_the_corpus_is_true() {
    let Some(tool) = tool("the_document_of_the_corpus_is_true") else { return };
    let project = Project::copy_of("tests/conformance");
    let functions = repository().join("tests/conformance/functions/0003_functions.sql");
    project.write("migrations/0003_functions.sql", std::fs::read_to_string(functions).unwrap());
    let server = Launch::new(BINARY).set("api.transaction_end", "rollback").start(&project);
    both(
        &tool,
        &project,
        &server,
        if is_long() { &[] } else { &["--phases", "fuzzing,stateful", "--max-examples", "2"] },
    );
}

#[test]
fn a_false_document_is_found() {
    let Some(tool) = tool("a_false_document_is_found") else { return };
    let schema = "create table item (id int primary key, name text not null); insert into item values (1, 'a');
        grant select on item to anon;";
    let project = Project::of("", schema);
    let server = Launch::new(BINARY).start(&project);
    let mut document = server.get("/rest/v1/").json();
    // Says of rows what they are not.
    document["components"]["schemas"]["item"]["required"] = serde_json::json!(["id", "name", "colour"]);
    project.write("document.json", document.to_string());
    let (is_fine, text) = run(&tool, &project.path().join("document.json").display().to_string(), &server, None, &[]);
    assert!(!is_fine && text.contains("\"colour\" is a required property"), "{text}");
}

fn gym() -> Project {
    let project = Project::copy_of("examples/climbing");
    project.write("migrations/0002_functions.sql", FUNCTIONS);
    project
}

fn both(tool: &Path, project: &Project, server: &Server, more: &[&str]) {
    let bearer = project.token(BINARY, &["--sub", USER]);
    for token in [None, Some(bearer.as_str())] {
        let (is_fine, text) = run(tool, &format!("{}/rest/v1/", server.url()), server, token, more);
        assert!(is_fine, "{text}");
        let cases = text.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
        eprintln!("{}: {cases}", if token.is_some() { "signed in" } else { "visitor" });
    }
}

fn is_long() -> bool {
    std::env::var_os(LONGER).is_some()
}

/// Whether nothing was found, and what the tool said.
fn run(tool: &Path, document: &str, server: &Server, token: Option<&str>, more: &[&str]) -> (bool, String) {
    let examples = std::env::var_os(LONGER).unwrap_or_else(|| EXAMPLES.into());
    let (folder, scratch) = (repository().join("tests/openapi"), tempfile::tempdir().unwrap());
    let configuration = folder.join("schemathesis.toml").display().to_string();
    let mut command = Command::new(tool);
    command
        .args(["--config-file", &configuration, "run", document, "--url", &format!("{}/rest/v1", server.url())])
        .arg("--max-examples")
        .arg(examples)
        .args(["--seed", SEED, "--generation-database", "none"])
        .args(["--continue-on-failure", "--no-color"])
        .args(more)
        // It keeps what it found beside itself.
        .current_dir(&scratch)
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

fn tool(test: &str) -> Option<PathBuf> {
    let path = repository().join("tests/openapi/.venv/bin/schemathesis");
    (!is_skipped(test, !path.exists(), "schemathesis", "scripts/install-test-tools installs it")).then_some(path)
}
