//! The recorded corpus against the binary on a real PostgreSQL: all of it, in all seven configurations.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository, tool};

/// What differs from `tests/conformance/pando.toml` in each configuration of the corpus (`corpus/configs.json`).
const CONFIGURATIONS: [(&str, &[(&str, &str)]); 7] = [
    ("main", &[]),
    ("maxrows", &[("PANDO_API_MAX_ROWS", "4")]),
    ("aud", &[("PANDO_AUTH_AUDIENCE", "kestrel-api")]),
    ("noagg", &[("PANDO_API_AGGREGATES", "false")]),
    ("noanon", &[("PANDO_API_ANONYMOUS_ROLE", "")]),
    ("cors", &[("PANDO_SERVER_CORS_ORIGINS", "http://shop.test, http://desk.test")]),
    ("plain", &[("PANDO_AUTH_JWT_SECRET", ""), ("PANDO_API_OPENAPI_MODE", "disabled")]),
];

/// Cases that are answered otherwise, each with why.
const OTHERWISE: [(&str, &str); 9] = [
    ("embed.many-to-many.011", "a hint names only what is alike: 'payroll' is not what 'parcels' was meant to be"),
    ("embed.spread.018", "a hint names only what is alike"),
    ("embed.errors.004", "a hint names only what is alike"),
    ("embed.errors.012", "a hint names only what is alike"),
    ("profile.008", "a hint names only what is alike"),
    ("pg.reading.058", "application/vnd.pgrst.plan is not there yet: refused without its parameters"),
    ("media.028", "application/geo+json is not there yet: refused as 406"),
    ("rpc.get.057", "custom media types are not there yet: refused as 406"),
    ("rpc.get.058", "custom media types are not there yet: refused as 406"),
];

fn corpus() -> PathBuf {
    repository().join("tests/conformance/corpus")
}

/// A server with the corpus's database, if PostgreSQL is here.
fn database(test: &str) -> Option<Postgres> {
    let postgres = Postgres::start();
    if is_skipped(test, postgres.is_none(), "PostgreSQL", "install it: apt-get install postgresql") {
        return None;
    }
    let postgres = postgres.unwrap();
    for file in ["prelude", "schema", "schema-postgres", "data", "data-postgres", "finish-postgres"] {
        postgres.run(&fs::read_to_string(corpus().join(format!("{file}.sql"))).unwrap());
    }
    Some(postgres)
}

fn launch(postgres: &Postgres, variables: &[(&str, &str)]) -> Launch {
    let folder = postgres.socket_folder().display();
    let url = format!("postgres://gate@/postgres?host={folder}&port={}", postgres.port());
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .set("log.requests", "failed")
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false");
    variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value))
}

#[test]
fn the_whole_corpus_is_answered_as_recorded() {
    const TEST: &str = "the_whole_corpus_is_answered_as_recorded";
    let python = tool("python3");
    if is_skipped(TEST, python.is_none(), "python3", "install it: apt-get install python3") {
        return;
    }
    let Some(postgres) = database(TEST) else { return };
    let servers: Vec<(&str, Project, Server)> = CONFIGURATIONS
        .iter()
        .map(|(name, variables)| {
            let project = Project::copy_of("tests/conformance");
            let server = launch(&postgres, variables).start(&project);
            (*name, project, server)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = Command::new(python.unwrap());
    command.arg(corpus().join("run.py")).args(["--no-quirks", "--show", "50"]);
    for (name, _, server) in &servers {
        command.args(["--url", &format!("{name}={}", server.url())]);
    }
    let output = command.arg("--json").arg(&json).output().unwrap();
    let results: Vec<Value> = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let differ: BTreeSet<&str> = results
        .iter()
        .filter(|result| !result["differences"].as_array().unwrap().is_empty())
        .map(|result| result["id"].as_str().unwrap())
        .collect();
    let expected: BTreeSet<&str> = OTHERWISE.iter().map(|(id, _)| *id).collect();
    assert!(results.len() > 1_500, "only {} cases were run", results.len());
    assert_eq!(differ, expected, "{}", String::from_utf8_lossy(&output.stdout));
}

/// A plan that was made for one role does not ask again whether another may execute what was inlined into it: PostgREST
/// answers `anon` with 200 here after some twenty calls by somebody else.
#[test]
fn a_prepared_plan_opens_no_function_to_another_role() {
    let Some(postgres) = database("a_prepared_plan_opens_no_function_to_another_role") else { return };
    postgres.run(
        "create function inner_circle() returns text language sql stable as $$ select 'secret'::text $$;
         revoke execute on function inner_circle() from public;
         grant execute on function inner_circle() to authenticated;
         create view circle as select 1 as id;
         grant select on circle to anon, authenticated;",
    );
    let project = Project::copy_of("tests/conformance");
    // One connection, so that everybody meets the same prepared statements.
    let server = launch(&postgres, &[("PANDO_DATABASE_CONNECTIONS", "1")]).start(&project);
    let token = fs::read_to_string(corpus().join("cases.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|case| case["id"] == "grants.002" || case["expect"]["json"] == "staff")
        .and_then(|case| case["headers"]["Authorization"].as_str().map(str::to_owned))
        .expect("the corpus has a token of a signed-in user");
    let ask = |token: Option<&str>| {
        let request = Request::new("GET", "/rpc/inner_circle");
        let request = token
            .map_or_else(|| Request::new("GET", "/rpc/inner_circle"), |token| request.header("Authorization", token));
        server.client().send(&request).status
    };
    for _ in 0..40 {
        assert_eq!(ask(Some(&token)), 200);
    }
    for _ in 0..40 {
        assert_eq!(ask(None), 401);
    }
    assert_eq!(ask(Some(&token)), 200);
}
