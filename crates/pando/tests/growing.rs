//! The day on which `database.url` changes from a file to a server: `scripts/move-rows` brings the rows, and the API answers as
//! it did before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

const CONFIGURATION: &str =
    "[api]\nmax_rows = 0\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n";

/// Every portable type, what SQL, JSON and CSV have marks for, tables that lead to each other, and names that need quotes.
const SCHEMA: &str = r#"
create type mood as enum ('fine', 'bad');
create table person (
  id      bigint generated always as identity primary key,
  name    text not null unique,
  boss_id bigint references person (id),
  notes   text,
  mood    mood,
  born    date,
  at      timestamptz,
  wakes   time,
  spent   interval,
  paid    numeric(12, 4),
  share   double precision,
  key     uuid,
  picture bytea,
  details jsonb,
  loud    text generated always as (upper(name)) stored
);
create table "odd ""table"" 100%" (
  "a column, with" text primary key,
  person_id bigint not null references person (id),
  is_odd    boolean
);
create table unused (id integer primary key);
grant all on person, "odd ""table"" 100%", unused to anon, service_role;
alter table person enable row level security;
create policy shown on person to anon using (name <> 'hidden') with check (true);
"#;

const ROWS: &str = r#"
insert into person (name, boss_id, notes, mood, born, at, wakes, spent, paid, share, key, picture, details) values
  ('Ada', null, 'a, "b"' || chr(10) || 'c\d', 'fine', '1815-12-10', '2024-02-29 12:00:00.123456+02', '07:30:00.5', '1 mon 2 days 03:04:05', 12345678.9012, 0.1, 'b8f7b3f2-6f0e-4a52-9e6c-0a8c9c7b1c11', '\x00ff22', '{"a": [1, 2.50, null], "b": "é\n"}'),
  ('hidden', 1, '', 'bad', null, null, null, null, 0, -1e300, null, '\x', '"text"'),
  ('\N', 1, null, null, '0001-01-01', 'infinity', null, '-1 days', -0.5, 1e-30, null, null, '[null]'),
  ('NULL', 2, 'NULL', null, null, null, '23:59:59.999999', null, null, null, null, null, '{}');
insert into "odd ""table"" 100%" values ('x,y', 1, true), ('', 2, false), (' "q" ', 3, null);
"#;

fn move_rows(server: &Server, token: &str, target: &str) -> Output {
    let mut command = Command::new(repository().join("scripts/move-rows"));
    command.arg(server.url()).arg(token).arg(target).output().unwrap()
}

#[test]
fn rows_move_from_a_file_into_a_server() {
    let Some(postgres) = Postgres::start_for("rows_move_from_a_file_into_a_server") else { return };
    let target = postgres.url("postgres");
    let project = Project::of(CONFIGURATION, SCHEMA);
    project.write("seed.sql", ROWS);
    let before = Launch::new(BINARY).start(&project);
    let run = |arguments: &[&str]| {
        let (code, output, error) = project.run(BINARY, arguments);
        assert_eq!(code, 0, "{output}{error}");
    };
    run(&["bootstrap", "--url", &target]);
    let url = format!("database.url={target}");
    run(&["migrate", "up", "--set", &url, "--set", "database.seed="]);
    let token = project.token(BINARY, &["--role", "service_role"]);

    let refused = move_rows(&before, "no-token", &target);
    assert!(!refused.status.success());
    assert_eq!(postgres.run("select count(*) from person"), "0\n", "nothing has moved");
    let moved = move_rows(&before, &token, &target);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let told = String::from_utf8_lossy(&moved.stdout).into_owned();
    assert!(told.contains("public.person: 4 rows") && told.contains("public.unused: 0 rows"), "{told}");
    let again = move_rows(&before, &token, &target);
    assert!(String::from_utf8_lossy(&again.stderr).contains("there are rows already"), "{again:?}");
    assert_eq!(postgres.run("select count(*) from person"), "4\n");

    let after = Launch::new(BINARY).set("database.url", &target).start(&project);
    let hers = |path: &str| Request::new("GET", path).bearer(&token);
    let odd = "/odd%20%22table%22%20100%25";
    for request in [
        hers("/person?order=id"),
        hers("/person?select=name,boss:boss_id(name),loud,notes&order=id"),
        hers(&format!("{odd}?order=person_id&select=*,person(name,at,details->b)")),
        hers("/person?notes=eq.&select=id"),
        Request::new("GET", "/person?order=id&select=id,name,paid,share,picture"),
        Request::new("GET", "/person?order=id").header("Accept", "text/csv"),
        Request::new("GET", "/unused").prefer("count=exact"),
    ] {
        let (first, second) = (before.client().send(&request), after.client().send(&request));
        assert_eq!((first.status, first.text()), (second.status, second.text()), "{request:?}");
        assert!(first.status < 300, "{} {request:?}", first.text());
        assert_eq!(first.header("content-range"), second.header("content-range"));
    }
    let next =
        Request::json("POST", "/person?select=id,loud", &json!({"name": "Grace"})).prefer("return=representation");
    let (first, second) = (before.client().send(&next), after.client().send(&next));
    assert_eq!(first.text(), r#"[{"id":5,"loud":"GRACE"}]"#);
    assert_eq!(first.text(), second.text(), "numbers go on where they stood");
}

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.client().send(&Request::json("POST", path, body))
}

#[test]
fn accounts_and_keys_move_from_a_file_into_a_server() {
    let Some(postgres) = Postgres::start_for("accounts_and_keys_move_from_a_file_into_a_server") else { return };
    let target = postgres.url("postgres");
    let schema = "create table diary (id bigint generated always as identity primary key,
            owner uuid not null default auth.uid() references auth.users (id), text text);
        grant select, insert on diary to authenticated; grant all on diary to service_role;
        alter table diary enable row level security;
        create policy own on diary to authenticated using (owner = auth.uid());";
    // No secret is configured: it lies beside the file.
    let project = Project::of("[api]\nmax_rows = 0\n[auth.login]\nconfirm_email = false\n", schema);
    let run = |arguments: &[&str]| {
        let (code, output, error) = project.run(BINARY, arguments);
        assert_eq!(code, 0, "{arguments:?} {output}{error}");
        output
    };
    run(&["migrate", "up"]);
    let made: Value =
        serde_json::from_str(&run(&["keys", "api", "create", "web", "--secret", "--quota", "900/month", "--json"]))
            .unwrap();
    let key = made["key"].as_str().unwrap();
    let before = Launch::new(BINARY).start(&project);
    let account = json!({"email": "o'hara@example.com", "password": "correct horse 'battery' \\ staple", "data": {"nick": "o'\n"}});
    let signed = post(&before, "/auth/v1/signup", &account).json();
    let bearer = signed["access_token"].as_str().unwrap();
    let entry = Request::json("POST", "/rest/v1/diary", &json!({"text": "mine"})).bearer(bearer);
    assert_eq!(before.client().send(&entry).status, 201);
    let by_key = |path: &str| Request::new("GET", path).header("apikey", key);
    assert_eq!(before.client().send(&by_key("/rest/v1/diary")).status, 200);

    run(&[
        "bootstrap",
        "--url",
        &target,
        "--authenticator",
        "door",
        "--set",
        "auth.login.enabled=on",
        "--set",
        "auth.api_keys=on",
    ]);
    run(&[
        "migrate",
        "up",
        "--set",
        &format!("database.url={target}"),
        "--set",
        "auth.login.enabled=on",
        "--set",
        "database.seed=",
    ]);
    let told = run(&["export-accounts", "accounts.sql"]);
    assert!(told.contains("auth.users: 1 rows") && told.contains(".secret"), "{told}");
    let script = project.path().join("accounts.sql");
    assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o600);
    let mut command = Command::new(repository().join("scripts/move-rows"));
    let api = format!("{}/rest/v1", before.url());
    let moved = command.arg("--accounts").arg(&script).args([&api, key, &target]).output().unwrap();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let again = Command::new(repository().join("scripts/move-rows"))
        .arg("--accounts")
        .arg(&script)
        .args([&api, key, &target])
        .output();
    assert!(String::from_utf8_lossy(&again.unwrap().stderr).contains("there are rows already"));
    before.stop();

    // Given the same secret everything goes on: the password, the session, its tokens and the key.
    let secret = std::fs::read_to_string(format!("{}.secret", project.database().display())).unwrap();
    postgres.run("grant usage on schema public to door");
    let after = Launch::new(BINARY)
        .variable("PANDO_DATABASE_URL", &postgres.url("door"))
        .variable("PANDO_AUTH_SECRET", &secret)
        .set("auth.login.enabled", "on")
        .set("auth.api_keys", "on")
        .set("database.migrate_on_start", "false")
        .start(&project);
    let diary = Request::new("GET", "/rest/v1/diary?select=text");
    assert_eq!(after.client().send(&diary.clone().bearer(bearer)).json(), json!([{"text": "mine"}]));
    let refreshed =
        post(&after, "/auth/v1/token?grant_type=refresh_token", &json!({"refresh_token": signed["refresh_token"]}));
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let again = post(&after, "/auth/v1/token?grant_type=password", &account);
    assert_eq!((again.status, &again.json()["user"]["id"]), (200, &signed["user"]["id"]), "{}", again.text());
    assert_eq!(again.json()["user"]["user_metadata"]["nick"], "o'\n");
    let asked = after.client().send(&by_key("/rest/v1/diary"));
    assert_eq!(asked.status, 200, "{}", asked.text());
    assert!(asked.header("ratelimit").unwrap().contains("\"api-key.quota\";r="));
}

/// A script that breaks off has no name: who finds one may run it.
#[test]
fn a_script_of_accounts_is_whole_or_not_there() {
    let project = Project::new("");
    project.write("database.sqlite", "no database");
    let arguments = ["export-accounts", "accounts.sql", "--set", "database.url=sqlite:database.sqlite"];
    let (code, text, error) = project.run(BINARY, &arguments);
    assert_ne!(code, 0, "{text}{error}");
    assert!(!project.path().join("accounts.sql").exists(), "{error}");
    project.write("accounts.sql", "somebody's");
    let (code, _, error) = project.run(BINARY, &arguments);
    assert!(code == 1 && error.contains("accounts.sql"), "{error}");
    let left = std::fs::read_dir(project.path()).unwrap().filter_map(Result::ok);
    let left: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.contains(".accounts.sql")), "{left:?}");
}
