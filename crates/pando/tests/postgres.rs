//! The recorded corpus against the binary on a real PostgreSQL: all of it, in all seven configurations.

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
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository, tool};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

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

fn corpus() -> PathBuf {
    repository().join("tests/conformance/corpus")
}

/// A server with the corpus's database, if PostgreSQL is here.
fn database(test: &str) -> Option<Postgres> {
    let postgres = Postgres::start_for(test)?;
    for file in ["prelude", "schema", "schema-postgres", "data", "data-postgres", "finish-postgres"] {
        postgres.run(&fs::read_to_string(corpus().join(format!("{file}.sql"))).unwrap());
    }
    Some(postgres)
}

fn launch(postgres: &Postgres, variables: &[(&str, &str)]) -> Launch {
    let url = postgres.url("gate");
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
    assert!(results.len() > 1_500, "only {} cases were run", results.len());
    assert_eq!(differ, BTreeSet::new(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// What the corpus sends as a signed-in user.
fn token_of_a_user() -> String {
    let cases = fs::read_to_string(corpus().join("cases.jsonl")).unwrap();
    cases
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|case| case["id"] == "grants.002" || case["expect"]["json"] == "staff")
        .and_then(|case| case["headers"]["Authorization"].as_str().map(str::to_owned))
        .expect("the corpus has a token of a signed-in user")
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
    let token = token_of_a_user();
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

/// The role that a token names need not be the one that the statement runs as: a pre-request function may take another.
#[test]
fn a_prepared_plan_opens_no_function_to_a_role_of_a_pre_request() {
    const TEST: &str = "a_prepared_plan_opens_no_function_to_a_role_of_a_pre_request";
    let Some(postgres) = database(TEST) else { return };
    postgres.run(
        "create function inner_circle() returns text language sql stable as $$ select 'secret'::text $$;
         revoke execute on function inner_circle() from public;
         grant execute on function inner_circle() to authenticated;
         create function rows_of_the_circle() returns setof integer language sql stable
           as $$ select generate_series(1, 3000) $$;
         revoke execute on function rows_of_the_circle() from public;
         grant execute on function rows_of_the_circle() to authenticated;
         create function step_down() returns void language plpgsql as $$
         begin
           if current_setting('request.headers', true)::json ->> 'step-down' = 'yes' then
             perform set_config('role', 'anon', true);
           end if;
         end $$;",
    );
    let project = Project::copy_of("tests/conformance");
    // One connection, so that everybody meets the same prepared statements.
    let settings = [("PANDO_DATABASE_CONNECTIONS", "1"), ("PANDO_DATABASE_PRE_REQUEST", "public.step_down")];
    let server = launch(&postgres, &settings).start(&project);
    let token = token_of_a_user();
    let ask = |path: &str, steps_down: bool| {
        let request = Request::new("GET", path).header("Authorization", &token);
        let request = if steps_down { request.header("Step-Down", "yes") } else { request };
        server.client().send(&request)
    };
    // A short answer, and one that is long enough for a stream.
    for path in ["/rpc/inner_circle", "/rpc/rows_of_the_circle"] {
        for _ in 0..20 {
            assert_eq!(ask(path, false).status, 200);
        }
        for _ in 0..20 {
            let refused = ask(path, true);
            assert_eq!((refused.status, refused.code().as_str()), (403, "42501"), "{path}: {}", refused.text());
        }
        assert_eq!(ask(path, false).status, 200);
    }
}

/// Without a server requests are told to come again; with it they are answered, by the same process.
#[test]
fn a_server_that_goes_and_comes_back() {
    let Some(mut postgres) = database("a_server_that_goes_and_comes_back") else { return };
    let project = Project::copy_of("tests/conformance");
    let server = launch(&postgres, &[]).start(&project);
    assert_eq!(server.get("/zones?limit=1").status, 200);
    postgres.stop();
    for _ in 0..5 {
        let refused = server.get("/zones?limit=1");
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
        assert!(refused.text().contains("PGRST001"), "{}", refused.text());
    }
    let write = Request::new("POST", "/zones").header("Content-Type", "application/json");
    assert_eq!(server.client().send(&write.body(r#"{"code":"Q","title":"q"}"#)).status, 503);
    postgres.start_again();
    let start = Instant::now();
    while server.get("/zones?limit=1").status != 200 {
        assert!(start.elapsed() < PATIENCE, "the server is there again and not asked");
        thread::sleep(Duration::from_millis(20));
    }
    let write = Request::new("POST", "/zones").header("Content-Type", "application/json");
    assert_eq!(server.client().send(&write.body(r#"{"code":"Q","title":"q"}"#)).status, 201);
}

/// A list that is far larger than what may be held in memory, in order and counted.
#[test]
fn a_long_list_takes_little_memory() {
    const ROWS: u64 = 120_000;
    let Some(postgres) = database("a_long_list_takes_little_memory") else { return };
    postgres.run(&format!(
        "create table long_list as select id, repeat(md5(id::text), 30) as words from generate_series(1, {ROWS}) id;
         grant select on long_list to anon;"
    ));
    let project = Project::copy_of("tests/conformance");
    let server = launch(&postgres, &[]).start(&project);
    assert_eq!(server.get("/zones?limit=1").status, 200);
    let before = most_memory(server.process_id());
    let answer = server.get("/long_list");
    let grown = most_memory(server.process_id()) - before;
    assert_eq!(answer.header("content-range"), Some(&*format!("0-{}/*", ROWS - 1)));
    let text = answer.text();
    assert!(text.len() > 100 << 20, "only {} bytes", text.len());
    assert!(grown < 48 << 10, "{grown} KiB more were needed for {} bytes", text.len());
    let ids: u64 = text.split("{\"id\":").skip(1).filter_map(|row| row.split(',').next()?.parse::<u64>().ok()).sum();
    assert_eq!(ids, ROWS * (ROWS + 1) / 2);
}

/// The most memory that a process has had, in KiB.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn transactions_that_collide_are_done_again() {
    let Some(postgres) = database("transactions_that_collide_are_done_again") else { return };
    postgres.run(
        "create sequence tries; grant usage on sequence tries to anon;
         create function shy(wanted integer) returns integer language plpgsql as $$
         begin
           if nextval('tries') < wanted then raise exception 'not yet' using errcode = '40001'; end if;
           return 1;
         end $$;",
    );
    let project = Project::copy_of("tests/conformance");
    let server = launch(&postgres, &[]).start(&project);
    let ask = |wanted: u32| {
        let request = Request::new("POST", "/rpc/shy").header("Content-Type", "application/json");
        server.client().send(&request.body(format!("{{\"wanted\":{wanted}}}")))
    };
    let answer = ask(4);
    assert_eq!((answer.status, answer.text().as_str()), (200, "1"));
    let refused = ask(1_000);
    assert!(refused.status >= 400 && refused.text().contains("40001"), "{}", refused.text());
    assert_eq!(postgres.run("select last_value from tries"), "8\n", "four tries, and four more");
}

#[test]
fn waiting_is_bounded() {
    let Some(postgres) = database("waiting_is_bounded") else { return };
    postgres.run("create function nap(seconds integer) returns void language sql as $$ select pg_sleep(seconds) $$;");
    let project = Project::copy_of("tests/conformance");
    let settings = [
        ("PANDO_DATABASE_CONNECTIONS", "1"),
        ("PANDO_DATABASE_WAIT_MS", "100"),
        ("PANDO_LIMITS_STATEMENT_TIMEOUT_SECONDS", "2"),
    ];
    let server = launch(&postgres, &settings).start(&project);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.get("/rpc/nap?seconds=60"));
        let start = Instant::now();
        // As soon as the only connection is taken, others are refused after their wait.
        let refused = loop {
            let answer = server.get("/zones?limit=1");
            if answer.status != 200 {
                break answer;
            }
            assert!(start.elapsed() < PATIENCE, "nobody was refused");
        };
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
        let slow = slow.join().unwrap();
        assert_eq!(slow.status, 500, "{}", slow.text());
        assert!(slow.text().contains("57014"), "{}", slow.text());
    });
    assert_eq!(server.get("/zones?limit=1").status, 200);
}

/// What a migration by other hands changes is served as soon as it is notified.
#[test]
fn the_catalog_is_read_anew_when_notified() {
    let Some(mut postgres) = database("the_catalog_is_read_anew_when_notified") else { return };
    let project = Project::copy_of("tests/conformance");
    let server = launch(&postgres, &[]).start(&project);
    assert_eq!(server.get("/hatches").status, 404);
    let becomes = |path: &str, status: u16| {
        let start = Instant::now();
        while server.get(path).status != status {
            assert!(start.elapsed() < PATIENCE, "{path} does not become {status}: {}", server.get(path).text());
            thread::sleep(Duration::from_millis(10));
        }
    };
    postgres.run("create table hatches (id integer); grant select on hatches to anon; notify pgrst, 'reload schema';");
    becomes("/hatches", 200);
    postgres.run("drop table hatches; notify pgrst;");
    becomes("/hatches", 404);
    // What happens while nobody can listen is found out afterwards.
    postgres.stop();
    postgres.start_again();
    postgres.run("create table hatches (id integer); grant select on hatches to anon;");
    becomes("/hatches", 200);
}

/// As many nodes as start at once apply each file once between them; one that fails leaves nothing behind and is told with its
/// line.
#[test]
fn nodes_that_start_at_once_migrate_once() {
    let Some(postgres) = database("nodes_that_start_at_once_migrate_once") else { return };
    let url = postgres.url("postgres");
    let launch = || Launch::new(env!("CARGO_BIN_EXE_pando")).variable("PANDO_DATABASE_URL", &url);
    let project = || {
        let project = Project::new(
            "[api]\nschemas = [\"public\"]\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n",
        );
        project.write(
            "migrations/0001_counters.sql",
            "create table counters (id integer primary key, steps bigint not null);
             insert into counters values (1, 0);
             grant select on counters to anon;",
        );
        project.write("migrations/0002_count.sql", "update counters set steps = steps + 1; select pg_sleep(0.2);");
        project
    };
    let projects: Vec<Project> = (0..4).map(|_| project()).collect();
    let servers: Vec<Server> = thread::scope(|scope| {
        let starting: Vec<_> = projects.iter().map(|project| scope.spawn(|| launch().start(project))).collect();
        starting.into_iter().map(|started| started.join().unwrap()).collect()
    });
    for server in &servers {
        let start = Instant::now();
        // Those that found everything done hear of it.
        while server.get("/counters").status != 200 {
            assert!(start.elapsed() < PATIENCE, "{}", server.get("/counters").text());
        }
        assert_eq!(server.get("/counters").text(), r#"[{"id":1,"steps":1}]"#);
    }
    let broken = project();
    broken
        .write("migrations/0003_broken.sql", "create table halves (id integer);\n\ninsert into nothing values (1);\n");
    let refused = launch().refused(&broken);
    assert!(
        refused.error.contains("0003_broken.sql: line 3: relation \"nothing\" does not exist"),
        "{}",
        refused.error
    );
    assert_eq!(
        postgres.run("select to_regclass('halves') is null, count(*) from pando.migrations where version > 0"),
        "t|2\n"
    );
}
