//! A database made for PostgREST, served with PostgREST's own configuration: its file, its environment, its settings in
//! the database.

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

use serde_json::{Value, json};
use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository, tool};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signs the corpus's tokens.
const SECRET: &str = "kestrel-kestrel-kestrel-kestrel-0042";

/// What no output may hold: in passwords and settings of the application.
const CANARY: &str = "c4n4ry";

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

/// libpq's keywords, as `db-uri` takes them as well. Everybody is trusted, so the password is looked at by nobody.
fn keywords(postgres: &Postgres) -> String {
    let folder = postgres.socket_folder().display();
    format!("host={folder} port={} user=gate dbname=postgres password={CANARY}", postgres.port())
}

/// A folder without `pando.toml`.
fn folder() -> Project {
    let project = Project::new("");
    fs::remove_file(project.path().join("pando.toml")).unwrap();
    project
}

/// A configuration of the corpus as PostgREST's file has it.
fn file(postgres: &Postgres, name: &str) -> String {
    let configs: Value = serde_json::from_str(&fs::read_to_string(corpus().join("configs.json")).unwrap()).unwrap();
    let mut merged = configs[configs[name]["extends"].as_str().unwrap_or(name)].as_object().unwrap().clone();
    merged.extend(configs[name].as_object().unwrap().clone());
    merged.remove("extends");
    let mut file = format!("# {name}\ndb-uri = \"{}\"\n", keywords(postgres));
    for (name, value) in merged.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().unwrap();
        // As people write it: truths bare, all else in quotes.
        let value = if matches!(value, "true" | "false") { value.to_owned() } else { format!("\"{value}\"") };
        file.push_str(&format!("{name} = {value}\n"));
    }
    file
}

fn start(project: &Project, variables: &[(&str, &str)], arguments: &[&str]) -> Server {
    let launch = variables.iter().fold(Launch::new(BINARY), |launch, (name, value)| launch.variable(name, value));
    arguments.iter().fold(launch, |launch, argument| launch.flag(argument)).start(project)
}

/// The cases that are answered otherwise than recorded, by each of the servers; and how many were asked.
fn differences(servers: &[(&str, &Server)]) -> (BTreeSet<String>, usize) {
    let results = tempfile::tempdir().unwrap();
    let json = results.path().join("results.json");
    let mut command = Command::new(tool("python3").unwrap());
    command.arg(corpus().join("run.py")).arg("--no-quirks");
    for (name, server) in servers {
        command.args(["--url", &format!("{name}={}", server.url())]);
    }
    command.arg("--json").arg(&json).output().unwrap();
    let results: Vec<Value> = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let differ = results.iter().filter(|result| !result["differences"].as_array().unwrap().is_empty());
    (differ.map(|result| result["id"].as_str().unwrap().to_owned()).collect(), results.len())
}

/// The whole corpus in its configuration "main", asked twice: what differs from a real PostgREST is what differs with a
/// `pando.toml` as well (`postgres.rs` names it case by case).
#[test]
fn the_corpus_is_answered_as_with_a_pando_toml() {
    const TEST: &str = "the_corpus_is_answered_as_with_a_pando_toml";
    if is_skipped(TEST, tool("python3").is_none(), "python3", "install it: apt-get install python3") {
        return;
    }
    let Some(postgres) = database(TEST) else { return };
    let project = folder();
    project.write("postgrest.conf", file(&postgres, "main"));
    let server = start(&project, &[], &["--postgrest", "postgrest.conf"]);
    let own = Project::copy_of("tests/conformance");
    let url = keywords(&postgres);
    let other = start(&own, &[("PANDO_DATABASE_URL", &url), ("PANDO_DATABASE_MIGRATE_ON_START", "false")], &[]);

    let (differ, asked) = differences(&[("main", &server)]);
    assert!(asked > 1_400, "only {asked} cases were asked");
    assert!(differ.len() < 20, "{differ:?}");
    assert_eq!(differ, differences(&[("main", &other)]).0);
    let log = server.log();
    assert!(!log.contains("warning: db-"), "{log}");
    assert!(!log.contains(CANARY) && !log.contains(SECRET), "a secret is told: {log}");
}

/// The six other configurations of the corpus, each from a file of its own.
#[test]
fn every_configuration_of_the_corpus_can_be_written_for_postgrest() {
    const TEST: &str = "every_configuration_of_the_corpus_can_be_written_for_postgrest";
    if is_skipped(TEST, tool("python3").is_none(), "python3", "install it: apt-get install python3") {
        return;
    }
    let Some(postgres) = database(TEST) else { return };
    let names = ["maxrows", "aud", "noagg", "noanon", "cors", "plain"];
    let servers: Vec<(&str, Project, Server)> = names
        .iter()
        .map(|name| {
            let project = folder();
            project.write("postgrest.conf", file(&postgres, name));
            let server = start(&project, &[], &["--postgrest", "postgrest.conf"]);
            (*name, project, server)
        })
        .collect();
    let servers: Vec<(&str, &Server)> = servers.iter().map(|(name, _, server)| (*name, server)).collect();
    let (differ, asked) = differences(&servers);
    assert!(asked > 30, "only {asked} cases were asked");
    assert_eq!(differ, BTreeSet::new());
}

#[test]
fn the_environment_alone_is_enough() {
    let Some(postgres) = database("the_environment_alone_is_enough") else { return };
    postgres.run(
        "create schema extensions;
         grant usage on schema extensions to anon;
         create function extensions.answer() returns int language sql as 'select 42';
         create function told(name text) returns text language sql stable as $$ select current_setting(name, true) $$;
         create function searched() returns int language plpgsql stable as $$ begin return answer(); end $$;
         create function prepared() returns bigint language sql as $$ select count(*) from pg_prepared_statements $$;
         grant execute on function told, searched, prepared to anon;",
    );
    let uri = keywords(&postgres);
    let project = folder();
    let server = start(
        &project,
        &[
            ("PGRST_DB_URI", &uri),
            ("PGRST_DB_SCHEMAS", "public,ops"),
            ("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions"),
            ("PGRST_DB_MAX_ROWS", "2"),
            ("PGRST_DB_ANON_ROLE", "anon"),
            ("PGRST_JWT_SECRET", SECRET),
            ("PGRST_DB_USE_LEGACY_GUCS", "false"),
            ("PGRST_DB_PREPARED_STATEMENTS", "false"),
            ("PGRST_APP_SETTINGS_JWT_SECRET", CANARY),
            ("PGRST_APP_SETTINGS_JWT_EXP", "3600"),
        ],
        &[],
    );
    let call = |name: &str, body: Value| {
        let answer = server.client().send(&Request::json("POST", &format!("/rpc/{name}"), &body));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        answer.json()
    };
    assert_eq!(call("told", json!({"name": "app.settings.jwt_secret"})), json!(CANARY));
    assert_eq!(call("told", json!({"name": "app.settings.jwt_exp"})), json!("3600"));
    assert_eq!(call("searched", json!({})), json!(42));
    assert_eq!(server.get("/parcels?select=id").json().as_array().unwrap().len(), 2);
    assert_eq!(server.get("/rest/v1/parcels?select=id").status, 200);
    assert_eq!(call("prepared", json!({})), json!(0));
    assert_eq!(server.get("/parcels?select=count()").code(), "PGRST123");
    assert!(!server.log().contains(CANARY), "a secret is told: {}", server.log());
    drop(server);

    // Where statements are kept prepared, the call itself is one of them.
    let server = start(&project, &[("PGRST_DB_URI", &uri), ("PGRST_DB_ANON_ROLE", "anon")], &[]);
    let prepared = server.client().send(&Request::json("POST", "/rpc/prepared", &json!({})));
    assert!(prepared.json().as_u64().unwrap() > 0, "{}", prepared.text());
}

#[test]
fn settings_in_the_database_win() {
    let Some(postgres) = database("settings_in_the_database_win") else { return };
    postgres.run(
        "create schema postgrest;
         grant usage on schema postgrest to gate;
         create function postgrest.pre_config() returns void language sql as $$
           select set_config('pgrst.db_max_rows', '3', true),
                  set_config('pgrst.db_schemas', 'nowhere', true),
                  set_config('pgrst.jwt_aud', 'from the function', true)
         $$;
         alter role gate set pgrst.db_anon_role = 'nobody';
         alter role gate set pgrst.db_schemas = 'ops, public';
         alter role gate in database postgres set pgrst.db_anon_role = 'anon';
         alter role anon set log_duration = on;",
    );
    let project = folder();
    let file = format!(
        "db-uri = \"{}\"\ndb-schemas = \"nowhere\"\ndb-max-rows = 1\ndb-pre-config = \"postgrest.pre_config\"\n\
         jwt-secret = \"{SECRET}\"\n",
        keywords(&postgres)
    );
    project.write("postgrest.conf", file);
    let server = start(&project, &[], &["--postgrest", "postgrest.conf"]);
    let parcels = |server: &Server| {
        server.client().send(&Request::new("GET", "/parcels?select=id").header("Accept-Profile", "public"))
    };
    let answer = parcels(&server);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().as_array().unwrap().len(), 3);
    drop(server);

    // What nobody knows there, or nobody takes from there, is told.
    postgres.run(
        "alter role gate set pgrst.db_max_row = '1'; alter role gate set pgrst.server_port = '1';
         alter role gate set pgrst.nonsense = 'c4n4ry';",
    );
    let server = start(&project, &[], &["--postgrest", "postgrest.conf"]);
    for expected in [
        "pgrst.db_max_row in the database is not known to Pando; it is ignored; did you mean pgrst.db_max_rows?",
        "pgrst.nonsense in the database is not known to Pando; it is ignored",
        "pgrst.server_port in the database is ignored: server-port counts in the file and the environment alone",
    ] {
        assert!(server.log().contains(expected), "{expected} in {}", server.log());
    }
    assert!(!server.log().contains(CANARY), "{}", server.log());
    drop(server);

    // Without `db-config` nothing is taken from there: nobody is let in without a token.
    let server = start(&project, &[("PGRST_DB_CONFIG", "false")], &["--postgrest", "postgrest.conf"]);
    assert_eq!(parcels(&server).code(), "PGRST302");
    assert!(server.log().contains("warning: ALTER ROLE anon SET log_duration: "), "{}", server.log());
    // What makes PostgREST read again does not end Pando.
    for signal in ["USR1", "USR2"] {
        server.signal(signal);
    }
    server.wait_for("configuration-read");
    assert_eq!(parcels(&server).code(), "PGRST302");
    drop(server);

    // What cannot be honoured stops the start, wherever it is said.
    postgres.run("alter role gate set pgrst.db_root_spec = 'root'");
    let refusal = Launch::new(BINARY).flag("--postgrest").flag("postgrest.conf").refused(&project);
    assert_eq!(refusal.code, 3, "{}", refusal.error);
    assert!(refusal.error.contains("pgrst.db_root_spec in the database: db-root-spec is not honoured"));
    postgres.run("alter role gate reset pgrst.db_root_spec");

    // A function that is not there is no reason to start without what it would have said.
    let refusal = Launch::new(BINARY)
        .variable("PGRST_DB_PRE_CONFIG", "postgrest.\"; drop table parcels; --")
        .flag("--postgrest")
        .flag("postgrest.conf")
        .refused(&project);
    assert_eq!(refusal.code, 5, "{}", refusal.error);
    assert!(refusal.error.contains("does not exist"), "{}", refusal.error);
    assert!(!refusal.error.contains(CANARY), "{}", refusal.error);
}

/// The doors are open before the database could be asked for its settings, signals are heard, and what it then says counts.
#[test]
fn a_database_that_comes_later_is_waited_for_with_open_doors() {
    let Some(mut postgres) = database("a_database_that_comes_later_is_waited_for_with_open_doors") else { return };
    postgres.run(
        "alter role gate set pgrst.server_cors_allowed_origins = 'https://shop.test';
         alter role gate set pgrst.server_timing_enabled = 'true'; alter role gate set pgrst.db_max_rows = '2';",
    );
    postgres.stop();
    let project = folder();
    project.write("postgrest.conf", format!("db-uri = \"{}\"\ndb-anon-role = \"anon\"\n", keywords(&postgres)));
    let launch = Launch::new(BINARY).flag("--postgrest").flag("postgrest.conf");
    let server = launch.start_unready(&project);
    assert_eq!(server.admin("/live").status, 200);
    let ready = server.admin("/ready").json();
    assert_eq!(ready["reason"], "the database was not reached yet");
    let ask = || server.client().send(&Request::new("GET", "/parcels?select=id").header("Origin", "https://desk.test"));
    let answer = ask();
    assert_eq!((answer.status, answer.code().as_str()), (503, "PGRST002"));
    let line = server.wait_for("database-unavailable");
    assert_eq!(line["log.level"], "error");
    for line in server.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a line of another form: {line}");
    }
    // A port in use shows at once, though nobody knows yet what the database says.
    let refusal = launch.clone().listen(&server.address().to_string()).refused(&project);
    assert_eq!(refusal.code, 6, "{}", refusal.error);
    let waiting = launch.start_unready(&project);
    for signal in ["HUP", "USR1", "USR2"] {
        waiting.signal(signal);
        server.signal(signal);
    }
    let (code, log) = waiting.stop();
    assert!(code == 0 && log.contains("\"stopped\""), "{log}");

    postgres.start_again();
    server.wait_until_ready();
    let answer = ask();
    assert_eq!((answer.status, answer.json().as_array().map(Vec::len)), (200, Some(2)), "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), None, "the database names another page");
    assert!(answer.header("server-timing").is_some());
    // What was asked for meanwhile is done now.
    server.wait_for("configuration-read");
}

/// Other secrets than [`SECRET`].
const SECOND: &str = "merlin-merlin-merlin-merlin-merlin-0043";
const THIRD: &str = "osprey-osprey-osprey-osprey-osprey-0044";

/// A token for somebody, signed with a secret by `pando token`.
fn token(secret: &str) -> String {
    let project = Project::new(&format!("[auth]\njwt_secret = \"{secret}\"\n"));
    project.token(BINARY, &["--role", "anon"])
}

/// A leaked secret is revoked without a restart, by each way of asking for it, wherever the secret stands.
#[test]
fn another_secret_counts_after_a_reload() {
    let Some(postgres) = database("another_secret_counts_after_a_reload") else { return };
    let project = folder();
    project.write("key", format!("{SECRET}\n"));
    let key = project.path().join("key");
    let (key, uri) = (key.display(), keywords(&postgres));
    let file = |more: &str| {
        format!("db-uri = \"{uri}\"\ndb-anon-role = \"anon\"\njwt-secret = \"@{key}\"\nadmin-server-port = 1\n{more}")
    };
    project.write("postgrest.conf", file(""));
    let server = start(&project, &[], &["--postgrest", "postgrest.conf"]);
    let admin = server.admin_address().to_string();
    let reload = || {
        let (code, out, error) = project.run(BINARY, &["reload", "--postgrest", "postgrest.conf", "--admin", &admin]);
        (code, out + &error)
    };
    let status = |token: &str| server.client().send(&Request::new("GET", "/parcels?limit=1").bearer(token)).status;
    let tokens = [token(SECRET), token(SECOND), token(THIRD)];
    let statuses = || tokens.each_ref().map(|token| status(token));
    let becomes = |what: &str, expected: [u16; 3]| {
        let start = Instant::now();
        while statuses() != expected {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}\n{}", statuses(), server.log());
            thread::sleep(Duration::from_millis(10));
        }
    };
    assert_eq!(statuses(), [200, 401, 401]);

    project.write("key", SECOND);
    let (code, told) = reload();
    assert_eq!((code, statuses()), (0, [401, 200, 401]), "{told}");
    assert!(told.contains("from now on counts auth.jwt_secret\n"), "{told}");
    for (signal, secret, expected) in
        [("USR2", SECRET, [200, 401, 401]), ("HUP", SECOND, [401, 200, 401]), ("USR2", THIRD, [401, 401, 200])]
    {
        project.write("key", secret);
        server.signal(signal);
        becomes(signal, expected);
    }
    // What the database says wins, and it says when; its reader is told of what counts only after a restart.
    postgres.run(&format!(
        "alter role gate set pgrst.jwt_secret = '{SECRET}'; alter role gate set pgrst.db_max_rows = '1';
         notify pgrst, 'reload config'"
    ));
    becomes("the notification", [200, 401, 401]);
    let line = server.wait_for_where("configuration-read", |line| line["pando.settings.after_restart"].is_string());
    assert_eq!((&line["pando.settings.after_restart"], &line["log.level"]), (&json!("api.max_rows"), &json!("warn")));
    let (code, told) = reload();
    assert!(code == 0 && told.contains("api.max_rows: changed since the start"), "{told}");

    // A configuration that is wrong now changes nothing, and is told loudly. It is named where it is.
    project.write("postgrest.conf", file("db-root-spec = \"root\"\n"));
    server.signal("HUP");
    let line = server.wait_for("configuration-refused");
    assert_eq!((&line["log.level"], statuses()), (&json!("error"), [200, 401, 401]));
    assert!(line["error.message"].as_str().unwrap().contains("db-root-spec is not honoured"), "{line}");
    project.write("postgrest.conf", file(""));
    postgres.run("alter role gate set pgrst.jwt_secret = 'too short'");
    let (code, told) = reload();
    assert!(code == 1 && told.contains("the configuration could not be read"), "{told}");
    assert_eq!(statuses(), [200, 401, 401]);

    // Who may come without a token is decided anew as well.
    postgres.run("alter role gate reset pgrst.jwt_secret");
    project.write("postgrest.conf", file("").replace("db-anon-role = \"anon\"\n", ""));
    assert_eq!((server.get("/parcels?limit=1").status, reload().0), (200, 0));
    assert_eq!((server.get("/parcels?limit=1").code(), statuses()), ("PGRST302".to_owned(), [401, 401, 200]));
    for secret in [SECRET, SECOND, THIRD] {
        assert!(!server.log().contains(secret), "a secret is told: {}", server.log());
    }
}

#[test]
fn pando_toml_and_postgrest_exclude_one_another() {
    let project = Project::new("");
    project.write("postgrest.conf", "db-uri = \"postgres://u:c4n4ry@h/d\"\njwt-secret = \"short-c4n4ry\"\n");
    let (code, _, error) = project.run(BINARY, &["config", "check", "--postgrest", "postgrest.conf"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("--postgrest: and pando.toml exclude one another"), "{error}");

    fs::remove_file(project.path().join("pando.toml")).unwrap();
    let (code, _, error) = project.run(BINARY, &["config", "check", "--postgrest", "postgrest.conf"]);
    assert_eq!(code, 3, "{error}");
    assert!(
        error.contains("postgrest.conf:2:1: auth.jwt_secret is not usable: the JWT secret has 12 bytes"),
        "{error}"
    );
    assert!(!error.contains(CANARY), "{error}");
    let (code, _, error) = project.run(BINARY, &["config", "show", "--postgrest", "nowhere.conf"]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("nowhere.conf: cannot be read: "), "{error}");
}

/// `config check` asks no server, and sees what is wrong with its address all the same.
#[test]
fn an_address_that_nobody_could_use_is_found_without_asking() {
    let project = folder();
    let check = |uri: &str| {
        project.write("postgrest.conf", format!("# the server\ndb-uri = \"{uri}\"\n"));
        let (code, out, error) = project.run(BINARY, &["config", "check", "--postgrest", "postgrest.conf"]);
        (code, out + &error)
    };
    let (code, told) = check(&format!("postgres://u:{CANARY}@127.0.0.1:notaport/d"));
    assert_eq!(code, 3, "{told}");
    assert!(
        told.contains("postgrest.conf:2:1: database.url cannot be used: the connection parameter port takes"),
        "{told}"
    );
    assert!(!told.contains(CANARY), "{told}");
    let (code, told) = check("postgres://u@127.0.0.1:1/d");
    assert_eq!(code, 0, "{told}");
}

#[test]
fn the_outcome_is_shown_without_secrets() {
    let project = folder();
    let file = format!(
        "db-uri = \"postgres://u:{CANARY}@h/d\"\njwt-secret = \"{CANARY}-{SECRET}\"\nmax-rows = 10\n\
         app.settings.key = \"{CANARY}\"\nlog-query = \"main-query\"\n"
    );
    project.write("postgrest.conf", file);
    let (code, shown, error) = project.run(BINARY, &["config", "show", "--postgrest", "postgrest.conf"]);
    assert_eq!(code, 0, "{error}");
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line("max_rows = 10 ").ends_with("# postgrest.conf:3"), "{shown}");
    assert!(line("listen = \"0.0.0.0:3000\"").ends_with("# PostgREST's default"), "{shown}");
    assert!(line("url = \"(hidden: a PostgreSQL server)\"").ends_with("# postgrest.conf:1"), "{shown}");
    line("application_settings = {\"app.settings.key\":\"(hidden)\"}");
    assert!(!shown.contains(CANARY), "{shown}");
    let (code, checked, error) = project.run(BINARY, &["config", "check", "--postgrest", "postgrest.conf"]);
    assert_eq!(code, 0, "{error}");
    assert!(checked.contains("warning: postgrest.conf:5:1: log-query is not honoured. "), "{checked}");
    assert!(!checked.contains(CANARY), "{checked}");

    // Settings of PostgREST 16.
    let check = |line: &str| {
        project.write("postgrest.conf", format!("db-uri = \"postgres://u@h/d\"\n{line}\n"));
        let (code, out, error) = project.run(BINARY, &["config", "check", "--postgrest", "postgrest.conf"]);
        (code, out + &error)
    };
    for (line, code, expected) in [
        ("server-reuseport = true", 0, "warning: postgrest.conf:2:1: server-reuseport is not honoured. "),
        ("url-use-legacy-target-names = false", 3, "postgrest.conf:2:1: url-use-legacy-target-names is not honoured. "),
        ("url-use-legacy-target-names = true", 0, "ok: postgrest.conf has no mistakes"),
        ("admin-server-unix-socket = \"/tmp/a\"", 3, "admin-server-unix-socket is not honoured. "),
        ("jwt-role-claim-key = \"$$.app.role\"", 0, "ok: postgrest.conf has no mistakes"),
        (
            "server-reusport = true",
            0,
            "server-reusport is not known to Pando; it is ignored; did you mean server-reuseport?",
        ),
    ] {
        let (found, told) = check(line);
        assert!(found == code && told.contains(expected), "{line}: {found} {told}");
    }
}
