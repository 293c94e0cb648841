//! The suite of cache-tests.fyi against a small cache that is made of this crate's rules: its origin server behind, its client
//! before. What a test means and which of them are required the suite's own code decides (`tests/caching/judge.js`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a suite tells what it found"
)]

mod proxy;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base::SystemClock;
use serde_json::Value;
use testkit::{is_skipped, repository};

use proxy::Proxy;

/// Fewer required tests that pass mean that the suite has changed, or that it was hardly run.
const REQUIRED: usize = 160;

/// The optimal tests that fail, and why that is right.
const NOT_OPTIMAL: &[(&str, &str)] = &[];

#[test]
fn http_cache_tests() {
    let node = repository().join("tests/clients/javascript/node_modules/.bin/node");
    let suite = repository().join("tests/caching/node_modules/http-cache-tests");
    let is_missing = !node.exists() || !suite.exists();
    if is_skipped("http_cache_tests", is_missing, "the npm packages of tests/caching", "scripts/test installs it") {
        return;
    }
    let origin = Origin::start(&node, &suite);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(Proxy::start(origin.address, Arc::new(SystemClock)));
    let results = run(&node, &suite, proxy);
    drop(origin);
    report(&results);
    let failed = |kind: &str, result: &str| -> Vec<String> {
        let chosen = results.iter().filter(|one| one["kind"] == kind && one["result"] == result);
        chosen.map(|one| format!("{}: {}", one["id"].as_str().unwrap(), one["why"])).collect()
    };
    for wrong in ["fail", "setup", "retry", "harness"] {
        assert_eq!(failed("required", wrong), [""; 0], "required tests, {wrong}");
    }
    let passed = results.iter().filter(|one| one["kind"] == "required" && one["result"] == "pass").count();
    assert!(passed >= REQUIRED, "only {passed} required tests passed");
    let not_optimal = results.iter().filter(|one| one["kind"] == "optimal" && one["result"] != "pass");
    let mut not_optimal: Vec<_> = not_optimal.map(|one| one["id"].as_str().unwrap()).collect();
    not_optimal.sort_unstable();
    let mut expected: Vec<_> = NOT_OPTIMAL.iter().map(|(id, _)| *id).collect();
    expected.sort_unstable();
    assert_eq!(not_optimal, expected);
}

/// Runs the suite's client, and has its results judged.
fn run(node: &PathBuf, suite: &PathBuf, proxy: SocketAddr) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.json");
    // What `npm run cli` would set.
    let ran = Command::new(node)
        .args(["--no-warnings", "cli.mjs"])
        .current_dir(suite)
        .env("npm_config_base", format!("http://{proxy}"))
        .env("npm_config_id", "")
        .env("npm_package_config_id", "")
        .stdout(std::fs::File::create(&results).unwrap())
        .status()
        .unwrap();
    assert!(ran.success());
    let judge = repository().join("tests/caching/judge.js");
    let judged = Command::new(node).arg(judge).arg(&results).stderr(Stdio::inherit()).output().unwrap();
    assert!(judged.status.success());
    serde_json::from_slice(&judged.stdout).unwrap()
}

/// How many of each kind came to what, as a table.
fn report(results: &[Value]) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for one in results {
        *counts.entry((one["kind"].as_str().unwrap(), one["result"].as_str().unwrap())).or_default() += 1;
        if !matches!(one["result"].as_str(), Some("pass" | "yes" | "no")) {
            eprintln!(
                "{:9} {:10} {}: {}",
                one["kind"].as_str().unwrap(),
                one["result"].as_str().unwrap(),
                one["id"],
                one["why"]
            );
        }
    }
    eprintln!("\nhttp-cache-tests, {} tests:", results.len());
    for ((kind, result), count) in counts {
        eprintln!("  {kind:9} {result:10} {count:4}");
    }
}

/// The suite's origin server.
struct Origin {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Origin {
    fn start(node: &PathBuf, suite: &PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(node)
            .arg("server/server.mjs")
            .current_dir(suite)
            .env("npm_config_protocol", "http")
            .env("npm_config_port", "0")
            .env("npm_config_pidfile", folder.path().join("pid"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // "Listening on http://[::]:12345/"
        let line = lines.next().unwrap().unwrap();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        // It goes on talking.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)), _folder: folder }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}
