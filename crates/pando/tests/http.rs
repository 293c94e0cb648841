//! HTTP as those read it who read it most strictly: httplint over every kind of answer, on both engines. `tests/http` has the
//! list; `scripts/install-test-tools` installs the tool.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a run tells how many answers it had"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER: &str = "11111111-1111-4111-8111-111111111111";

const SCHEMA: &str = "
create table item (id int primary key, name text not null);
grant select on item to anon;
grant select, insert, update, delete on item to authenticated;
create function double(n int) returns int language sql immutable as $$ select n * 2 $$;
";

fn project() -> Project {
    let rows: Vec<_> = (1..=200).map(|id| format!("({id}, 'Item number {id}')")).collect();
    let project = Project::of("[auth]\njwt_secret = \"a secret that is long enough for signatures\"\n", SCHEMA);
    project.write("migrations/0002_rows.sql", format!("insert into item values {};", rows.join(", ")));
    project
}

fn on_sqlite() -> (Project, Server) {
    let project = project();
    let server = Launch::new(BINARY).start(&project);
    (project, server)
}

#[test]
fn nothing_is_bad_about_any_answer() {
    let Some(tool) = tool("nothing_is_bad_about_any_answer") else { return };
    let (project, server) = on_sqlite();
    lint(&tool, &project, &server);
}

#[test]
fn nothing_is_bad_about_any_answer_on_postgresql() {
    const TEST: &str = "nothing_is_bad_about_any_answer_on_postgresql";
    let (Some(tool), Some(postgres)) = (tool(TEST), Postgres::start_for(TEST)) else { return };
    let (project, owner) = (project(), postgres.url("postgres"));
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{output}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &owner).start(&project);
    lint(&tool, &project, &server);
}

fn lint(tool: &Path, project: &Project, server: &Server) {
    let token = project.token(BINARY, &["--sub", USER]);
    let script = repository().join("tests/http/lint.py");
    let output = Command::new(tool).arg(script).arg(server.url()).arg(&token).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    eprintln!("{text}");
}

fn tool(test: &str) -> Option<PathBuf> {
    let path = repository().join("tests/http/.venv/bin/python");
    (!is_skipped(test, !path.exists(), "httplint", "scripts/install-test-tools installs it")).then_some(path)
}

/// The same on both engines: what a client that asks again is told after a write of its own, and of another one.
fn a_reader_is_told_of_every_change(project: &Project, server: &Server) {
    let bearer = project.token(BINARY, &["--sub", USER]);
    let mut client = server.client();
    let mut ask = |tag: Option<&str>| {
        let request = Request::new("GET", "/rest/v1/item?id=lt.30&order=id").bearer(&bearer);
        let request = request.header("Accept-Encoding", "gzip");
        client.send(&if let Some(tag) = tag { request.header("If-None-Match", tag) } else { request })
    };
    let first = ask(None);
    assert_eq!((first.status, first.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let expected = "Accept, Prefer, Range, Accept-Profile, Authorization, apikey, Accept-Encoding";
    assert_eq!(first.header("vary"), Some(expected));
    let tag = first.header("etag").unwrap().to_owned();
    let again = ask(Some(&tag));
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
    assert_eq!((again.header("vary"), again.header("content-range")), (Some(expected), None));
    assert_eq!(again.header("content-location"), first.header("content-location"));
    let patch = Request::new("PATCH", "/rest/v1/item?id=eq.7").bearer(&bearer);
    let patch = patch.header("Content-Type", "application/json").body(r#"{"name":"another"}"#);
    let written = server.client().send(&patch);
    assert_eq!((written.status, written.header("cache-control")), (204, Some("no-store")));
    let after = ask(Some(&tag));
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), Some(tag.as_str()));
}

#[test]
fn a_reader_is_told_of_every_change_on_sqlite() {
    let (project, server) = on_sqlite();
    a_reader_is_told_of_every_change(&project, &server);
}

#[test]
fn a_reader_is_told_of_every_change_on_postgresql() {
    let Some(postgres) = Postgres::start_for("a_reader_is_told_of_every_change_on_postgresql") else { return };
    let (project, owner) = (project(), postgres.url("postgres"));
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{output}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &owner).start(&project);
    a_reader_is_told_of_every_change(&project, &server);
}
