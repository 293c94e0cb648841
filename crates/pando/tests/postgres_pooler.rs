//! Behind PgBouncer in transaction mode: the corpus as without it, roles that do not mix, and settings that cannot hold there
//! are said at the start.

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
use std::thread;

use serde_json::Value;
use testkit::{Launch, Pooler, Postgres, Project, Request, is_skipped, repository, tool};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

fn corpus() -> PathBuf {
    repository().join("tests/conformance/corpus")
}

/// The corpus's database behind PgBouncer, which has so few sessions that every connection uses all of them.
fn database(test: &str) -> Option<(Postgres, Pooler)> {
    let postgres = Postgres::start_for(test)?;
    let pooler = Pooler::start(&postgres, &["gate"], &["default_pool_size = 3"]);
    if is_skipped(test, pooler.is_none(), "PgBouncer", "install it: apt-get install pgbouncer") {
        return None;
    }
    for file in ["prelude", "schema", "schema-postgres", "data", "data-postgres", "finish-postgres"] {
        postgres.run(&fs::read_to_string(corpus().join(format!("{file}.sql"))).unwrap());
    }
    Some((postgres, pooler.unwrap()))
}

fn launch(pooler: &Pooler) -> Launch {
    let url = pooler.url("gate");
    Launch::new(BINARY)
        .set("log.requests", "failed")
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
}

/// As it has to be behind a pooler in transaction mode.
fn fitting(pooler: &Pooler) -> Launch {
    launch(pooler).variable("PANDO_DATABASE_PREPARED_STATEMENTS", "0").variable("PANDO_DATABASE_CHANNEL", "")
}

#[test]
fn the_corpus_is_answered_as_recorded_behind_a_pooler() {
    const TEST: &str = "the_corpus_is_answered_as_recorded_behind_a_pooler";
    let python = tool("python3");
    if is_skipped(TEST, python.is_none(), "python3", "install it: apt-get install python3") {
        return;
    }
    let Some((_postgres, pooler)) = database(TEST) else { return };
    let project = Project::copy_of("tests/conformance");
    let server = fitting(&pooler).start(&project);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = Command::new(python.unwrap());
    command.arg(corpus().join("run.py")).args(["--no-quirks", "--show", "50"]);
    command.args(["--url", &format!("main={}", server.url())]).arg("--json").arg(&json);
    let output = command.output().unwrap();
    let results: Vec<Value> = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let differ: BTreeSet<&str> = results
        .iter()
        .filter(|result| !result["differences"].as_array().unwrap().is_empty())
        .map(|result| result["id"].as_str().unwrap())
        .collect();
    assert!(results.len() > 1_300, "only {} cases were run", results.len());
    assert_eq!(differ, BTreeSet::new(), "{}\n{}", String::from_utf8_lossy(&output.stdout), pooler.log());
}

/// Six clients, two nodes and three sessions: everybody is who they are in every answer, also where one fails or is long.
#[test]
fn roles_and_claims_do_not_mix_behind_a_pooler() {
    let Some((postgres, pooler)) = database("roles_and_claims_do_not_mix_behind_a_pooler") else { return };
    postgres.run(
        "create function who() returns text language sql stable as $$
           select current_user || ' ' || coalesce(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub', '-')
         $$;
         create function fails() returns text language plpgsql as $$ begin raise exception 'no'; end $$;
         create function many() returns table (id integer, name text) language sql stable as $$
           select id, who() from generate_series(1, 2500) id
         $$;",
    );
    let project = Project::copy_of("tests/conformance");
    // On a busy machine somebody might be turned away.
    let servers = [(); 2].map(|()| fitting(&pooler).set("limits.overload", "off").start(&project));
    let subs = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
    let user = |sub: &str| (Some(project.token(BINARY, &["--sub", sub])), format!("authenticated {sub}"));
    let callers = [(None, "anon -".to_owned()), user(subs[0]), user(subs[1])];
    thread::scope(|scope| {
        for (server, (token, expected)) in
            servers.iter().flat_map(|server| callers.iter().map(move |who| (server, who)))
        {
            scope.spawn(move || {
                let mut client = server.client();
                let mut ask = |path: &str| {
                    let request = Request::new("GET", path);
                    client.send(&token.iter().fold(request, |request, token| request.bearer(token)))
                };
                for turn in 0..60 {
                    assert_eq!(ask("/rpc/who").json(), Value::from(expected.as_str()));
                    if turn % 5 == 0 {
                        assert_eq!(ask("/rpc/fails").code(), "P0001");
                    }
                    if turn % 20 == 0 {
                        let names = ask("/rpc/many?select=name");
                        let found: BTreeSet<&str> = names
                            .text()
                            .split('"')
                            .skip(3)
                            .step_by(4)
                            .map(|name| name.to_owned().leak() as &str)
                            .collect();
                        assert_eq!(found, BTreeSet::from([expected.as_str()]));
                    }
                }
            });
        }
    });
}

/// The bound of statements holds without a word in PgBouncer's configuration: it is said in every transaction.
#[test]
fn statements_are_bounded_behind_a_pooler() {
    let Some((postgres, pooler)) = database("statements_are_bounded_behind_a_pooler") else { return };
    postgres.run("create function nap(seconds integer) returns void language sql as $$ select pg_sleep(seconds) $$;");
    let project = Project::copy_of("tests/conformance");
    let server = fitting(&pooler).variable("PANDO_LIMITS_STATEMENT_TIMEOUT_SECONDS", "1").start(&project);
    let slow = server.get("/rpc/nap?seconds=30");
    assert_eq!((slow.status, slow.code().as_str()), (500, "57014"), "{}", slow.text());
    assert_eq!(server.get("/zones?limit=1").status, 200);
}

/// PgBouncer before 1.21 knows nothing of prepared statements in transaction mode.
#[test]
fn prepared_statements_behind_a_pooler_are_refused_at_the_start() {
    const TEST: &str = "prepared_statements_behind_a_pooler_are_refused_at_the_start";
    let Some((_postgres, pooler)) = database(TEST) else { return };
    let project = Project::copy_of("tests/conformance");
    let refused = launch(&pooler).refused(&project);
    for expected in ["pooler", "database.prepared_statements = 0", "database.channel = \"\""] {
        assert!(refused.error.contains(expected), "{}", refused.error);
    }
    assert_ne!(refused.code, 0);
}

/// Nodes that migrate through a pooler take turns, and leave its sessions as they were.
#[test]
fn migrations_behind_a_pooler_run_once_and_leave_nothing_behind() {
    const TEST: &str = "migrations_behind_a_pooler_run_once_and_leave_nothing_behind";
    let Some((postgres, pooler)) = database(TEST) else { return };
    postgres.run("create role owner login superuser; alter role owner set statement_timeout = '20s';");
    let pooler_of_owner = Pooler::start(&postgres, &["owner"], &["default_pool_size = 3"]).unwrap();
    let project = Project::new("[api]\nschemas = [\"public\"]\n");
    let url = format!("database.url={}", pooler_of_owner.url("owner"));
    drop(pooler);
    for number in 1..=5 {
        let text = format!(
            "set statement_timeout = 0; set search_path = pg_catalog; create table public.m{number} (id integer); select pg_sleep(0.3);"
        );
        project.write(&format!("migrations/000{number}_m.sql"), text);
    }
    let fitting = ["--set", "database.prepared_statements=0", "--set", "database.channel="];
    let up = || {
        let (code, output, error) = project.run(BINARY, &[&["migrate", "up", "--set", &url][..], &fitting].concat());
        (code, output + &error)
    };
    thread::scope(|scope| {
        let nodes: Vec<_> = (0..4).map(|_| scope.spawn(up)).collect();
        for node in nodes {
            let (code, told) = node.join().unwrap();
            assert_eq!(code, 0, "{told}");
        }
    });
    assert_eq!(postgres.run("select count(*) from pando.migrations"), "5\n");
    assert_eq!(postgres.run("select count(*) from pg_locks where locktype = 'advisory'"), "0\n");
    // Every session of the pooler, one after another while the others are taken.
    let through = |script: &str| {
        let place = pooler_of_owner.socket_folder().display();
        let port = pooler_of_owner.port();
        postgres.run(&format!("\\connect \"host={place} port={port} user=owner dbname=postgres\"\n{script}"))
    };
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    through("begin; select current_setting('statement_timeout'), current_setting('search_path'); select pg_sleep(1); commit;")
                })
            })
            .collect();
        for session in sessions {
            let told = session.join().unwrap();
            assert!(told.contains("20s|\"$user\", public"), "{told}");
        }
    });
    project.write("migrations/0006_m.sql", "-- pando: no transaction\nselect 1;");
    let (code, told) = up();
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("0006_m.sql: a pooler") && told.contains("leads to the server itself"), "{told}");
}
