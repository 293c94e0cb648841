//! The suite of cache-tests.fyi against a small cache that is made of this crate's rules: its origin server behind, its client
//! before. The figure is that cache's (`tests/proxy`), and not one of what Pando keeps of its answers. What a test
//! means and which of them are required the suite's own code decides (`tests/caching/judge.js`).

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

/// How many required tests the suite has.
const REQUIRED: usize = 165;

/// The required tests that the suite does not count, since they depend on one for another behaviour: they ask whether a cache that
/// answers stale when the origin is gone, unasked, leaves that where it is forbidden. This one never does it unasked. What they are
/// about `behaviour.rs` tests, in `an_origin_that_is_gone`.
const NOT_COUNTED: [&str; 4] =
    ["stale-close-must-revalidate", "stale-close-no-cache", "stale-close-proxy-revalidate", "stale-close-s-maxage=2"];

/// The optimal tests that fail, and why that is right.
const NOT_OPTIMAL: [(&str, &str); 8] = [
    (
        "conditional-lm-fresh-no-lm",
        "by RFC 9111 section 4.3.2 `Date` stands for a change that is not told, and it is later",
    ),
    ("partial-store-partial-complete", "parts are not stored"),
    ("partial-store-partial-reuse-partial", "parts are not stored; this one says to be of 6 bytes and has 5"),
    ("partial-store-partial-reuse-partial-absent", "the same"),
    ("partial-store-partial-reuse-partial-byterange", "the same"),
    ("partial-store-partial-reuse-partial-suffix", "the same"),
    ("vary-normalise-lang-order", "servers do go by the order of languages of one weight"),
    ("vary-normalise-lang-select", "what a server would choose is for the server to say"),
];

/// The suite waits three seconds where it lets two pass, so that a machine that stands still for a second fails it.
const ATTEMPTS: usize = 3;

#[test]
fn http_cache_tests() {
    let node = repository().join("tests/clients/javascript/node_modules/.bin/node");
    let suite = repository().join("tests/caching/node_modules/http-cache-tests");
    let is_missing = !node.exists() || !suite.exists();
    if is_skipped("http_cache_tests", is_missing, "the npm packages of tests/caching", "scripts/test installs it") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for attempt in 1..=ATTEMPTS {
        let origin = Origin::start(&node, &suite);
        let proxy = runtime.block_on(Proxy::start(origin.address, Arc::new(SystemClock)));
        let results = run(&node, &suite, proxy);
        report(&results);
        let wrong = wrong(&results);
        if wrong.is_empty() {
            return;
        }
        let wrong = wrong.join("\n  ");
        assert!(attempt < ATTEMPTS, "not as expected:\n  {wrong}");
        eprintln!("not as expected, once more:\n  {wrong}");
    }
}

/// What is to come of a test.
fn expected(one: &Value) -> &str {
    let id = one["id"].as_str().unwrap();
    match one["kind"].as_str().unwrap() {
        "required" if NOT_COUNTED.contains(&id) => "dependency",
        "optimal" if NOT_OPTIMAL.iter().any(|(known, _)| *known == id) => "optional",
        "required" | "optimal" => "pass",
        // These only ask what caches do.
        _ => one["result"].as_str().unwrap(),
    }
}

/// What came out otherwise than it is to.
fn wrong(results: &[Value]) -> Vec<String> {
    let told = |one: &Value| format!("{}, {}: {}, {}", one["kind"], one["id"], one["result"], one["why"]);
    let mut wrong: Vec<_> = results.iter().filter(|one| one["result"] != expected(one)).map(told).collect();
    let required = results.iter().filter(|one| one["kind"] == "required").count();
    if required != REQUIRED {
        wrong.push(format!("the suite has {required} required tests"));
    }
    wrong
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
