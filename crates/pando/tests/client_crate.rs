//! The crate `postgrest` 1.6: the tests that are published inside its package, against the binary on a real PostgreSQL with the
//! package's own schema and rows. Nothing of them is copied: cargo fetches the package (`tests/clients/rust`), and the server is
//! started with the variables that the package's `docker-compose.yml` gives to PostgREST.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository};

/// Where the published tests look for a server; it stands in them.
const ADDRESS: &str = "127.0.0.1:3000";
/// How long somebody else may use that address: another run of this test, above all.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many tests the package has.
const PUBLISHED: usize = 18;

#[test]
fn the_published_tests_of_the_crate_postgrest() {
    const TEST: &str = "the_published_tests_of_the_crate_postgrest";
    let package = package();
    if is_skipped(TEST, package.is_none(), "the crate postgrest", "scripts/test installs it") {
        return;
    }
    let tests = package.unwrap().join("tests");
    let Some(postgres) = Postgres::start_for(TEST) else { return };
    for file in ["00-schema.sql", "01-dummy-data.sql"] {
        postgres.run(&fs::read_to_string(tests.join("db").join(file)).unwrap());
    }
    let url = postgres.url("postgres");
    let project = Project::new("");
    fs::remove_file(project.path().join("pando.toml")).unwrap();
    let launch = |schemas: &str, address: &str| {
        Launch::new(env!("CARGO_BIN_EXE_pando"))
            .variable("PGRST_DB_URI", &url)
            .variable(schemas, "public, personal")
            .variable("PGRST_DB_ANON_ROLE", "postgres")
            .listen(address)
    };
    // Building takes longer than anybody should have to wait for the address.
    assert!(run(&tests, &["--no-run"]).0, "the published tests are not built");
    wait_until_free();
    let server = launch("PGRST_DB_SCHEMA", ADDRESS).start(&project);
    let (_, told) = run(&tests, &[]);
    let ended = |how: &str| -> BTreeSet<String> {
        let names = told.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(how));
        names.map(str::to_owned).collect()
    };
    assert_eq!(ended(" ... FAILED"), BTreeSet::new(), "{told}");
    assert_eq!(ended(" ... ok").len(), PUBLISHED, "{told}");
    // The package was written for PostgREST 10, and looks at its words for an unknown schema; its settings have the names of
    // those days, too. Under today's names there are today's words.
    let refused =
        |server: &Server| server.client().send(&Request::new("GET", "/channels").header("Accept-Profile", "private"));
    assert_eq!(refused(&server).json()["message"], "The schema must be one of the following: public, personal");
    drop(server);
    let words = refused(&launch("PGRST_DB_SCHEMAS", "127.0.0.1:0").start(&project)).json();
    assert_eq!(words["message"], "Invalid schema: private");
    assert_eq!(words["hint"], "Only the following schemas are exposed: public, personal");
}

fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg(command).args(["--locked", "--offline"]).current_dir(repository().join("tests/clients/rust"));
    // It is a workspace of its own, with a folder of its own for what is built.
    cargo.env_remove("CARGO_TARGET_DIR");
    cargo
}

/// Where cargo has unpacked the package, if it was fetched.
fn package() -> Option<PathBuf> {
    let output = cargo("metadata").args(["--format-version", "1"]).output().ok()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|package| package["name"] == "postgrest")?;
    Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_path_buf)
}

/// Builds the tests, and runs them. Gives whether all went well, and what they print.
fn run(tests: &Path, arguments: &[&str]) -> (bool, String) {
    let mut cargo = cargo("test");
    cargo.args(["--tests", "--no-fail-fast", "--color", "never"]).args(arguments).env("POSTGREST_TESTS", tests);
    let output = cargo.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told.into_owned())
}

fn wait_until_free() {
    let start = Instant::now();
    while let Err(error) = TcpListener::bind(ADDRESS) {
        assert!(start.elapsed() < PATIENCE, "the published tests want {ADDRESS}, which somebody else has: {error}");
        thread::sleep(Duration::from_millis(100));
    }
}
