//! Operating a PostgreSQL: made ready by `pando bootstrap`, its schema changed under requests, gone and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::process::{Command, Stdio};

use testkit::{Cluster, Launch, Postgres, Project, Request, is_skipped};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

/// What no output may hold.
const CANARY: &str = "c4n4ry-passw0rd";

const CONFIGURATION: &str =
    "[api]\nschemas = [\"public\"]\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n";

fn is_missing(test: &str, postgres: Option<Postgres>) -> Option<Postgres> {
    if is_skipped(test, postgres.is_none(), "PostgreSQL", "install it: apt-get install postgresql") {
        return None;
    }
    postgres
}

fn url(postgres: &Postgres, user: &str) -> String {
    format!("postgres://{user}@/postgres?host={}&port={}", postgres.socket_folder().display(), postgres.port())
}

/// Exit code, and all that was written.
fn pando(project: &Project, arguments: &[&str]) -> (i32, String) {
    let (code, output, error) = project.run(BINARY, arguments);
    (code, output + &error)
}

/// From nothing to a served table with row security: bootstrap, a migration, the authenticator with its password.
#[test]
fn a_bare_server_is_made_ready_once() {
    // Only `postgres` on the socket is trusted; the authenticator needs its password.
    let cluster = Cluster::new().tcp().access("host all all 127.0.0.1/32 scram-sha-256");
    let Some(postgres) = is_missing("a_bare_server_is_made_ready_once", cluster.start()) else { return };
    let (project, owner) = (Project::new(CONFIGURATION), url(&postgres, "postgres"));
    project.write("secret", format!("{CANARY}\n"));
    let bootstrap = |more: &[&str]| {
        let all = ["bootstrap", "--url", &owner, "--authenticator", "door", "--password-file", "secret"];
        pando(&project, &[&all, more].concat())
    };
    let dump = || postgres.run("select rolname, rolpassword from pg_authid order by 1; select * from pg_event_trigger");
    let bare = dump();
    let (code, script) = bootstrap(&["--dry-run"]);
    assert_eq!(code, 0, "{script}");
    for expected in [
        "CREATE ROLE \"anon\" NOLOGIN",
        "\"service_role\" NOLOGIN NOINHERIT BYPASSRLS",
        "CREATE ROLE \"door\" LOGIN NOINHERIT",
        "PASSWORD '…'",
        "CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE",
        "CREATE EVENT TRIGGER pgrst_drop_watch",
    ] {
        assert!(script.contains(expected), "{expected} in\n{script}");
    }
    assert!(!script.contains("SCRAM") && !script.contains(CANARY), "{script}");
    assert_eq!(dump(), bare, "a dry run changes nothing");

    let (code, told) = bootstrap(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("added    role anon") && !told.contains("skipped"), "{told}");
    let made = dump();
    assert!(made.contains("door|SCRAM-SHA-256$"), "{made}");
    let (code, told) = bootstrap(&[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("nothing was added") && told.contains("differs  password of door"), "{told}");
    assert_eq!(dump(), made);
    assert!(!postgres.log().contains(CANARY), "the server was told the password");

    project.write(
        "migrations/0001_notes.sql",
        "create table notes (id integer primary key, owner uuid not null default auth.uid(), text text not null);
         create index on notes (owner);
         alter table notes enable row level security;
         create policy own on notes using (owner = (select auth.uid()));
         grant select, insert on notes to authenticated;",
    );
    let (code, told) = pando(&project, &["migrate", "up", "--set", &format!("database.url={owner}")]);
    assert_eq!(code, 0, "{told}");
    let door = format!("postgres://door@127.0.0.1:{}/postgres", postgres.port());
    let server = Launch::new(BINARY)
        .variable("PANDO_DATABASE_URL", &door)
        .variable("PGPASSWORD", CANARY)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
        .start(&project);
    let token = |sub: &str| project.token(BINARY, &["--sub", sub]);
    let (ada, bo) = (token("7b9e0c5e-3f0a-4b39-9d0e-0a3a4c8a1d11"), token("7b9e0c5e-3f0a-4b39-9d0e-0a3a4c8a1d12"));
    let post = Request::new("POST", "/notes").header("Content-Type", "application/json").bearer(&ada);
    assert_eq!(server.client().send(&post.body(r#"{"id":1,"text":"mine"}"#)).status, 201);
    let read = |token: &str| server.client().send(&Request::new("GET", "/notes?select=text").bearer(token)).text();
    assert_eq!(read(&ada), r#"[{"text":"mine"}]"#);
    assert_eq!(read(&bo), "[]");
    // What was not granted is closed, also to visitors: defaults are opened only where that is asked for.
    assert_eq!(server.get("/notes").status, 401);
}

#[test]
fn what_is_there_is_left_alone() {
    let Some(postgres) = is_missing("what_is_there_is_left_alone", Postgres::start()) else { return };
    postgres.run(
        "create role anon login superuser; create role service_role;
         create schema auth; create function auth.uid() returns text language sql as $$ select 'me' $$;
         create function auth.role() returns text language sql stable as $$ select 'none' $$;
         create function public.other() returns event_trigger language plpgsql as $$ begin end $$;
         create event trigger pgrst_ddl_watch on ddl_command_end execute function public.other();",
    );
    let (project, owner) = (Project::new(CONFIGURATION), url(&postgres, "postgres"));
    let (code, told) = pando(&project, &["bootstrap", "--url", &owner, "--set", "api.schemas=public,later"]);
    assert_eq!(code, 0, "{told}");
    for expected in [
        "differs  role anon: it has LOGIN, it has SUPERUSER; it was left alone",
        "differs  role service_role: it lacks BYPASSRLS; it was left alone",
        "differs  function auth.uid(): it returns text, not uuid",
        "differs  function auth.role(): its body is another one",
        "skipped  use of schema later: there is no such schema yet",
        "added    function auth.jwt()",
        "added    event trigger pgrst_drop_watch",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    assert_eq!(postgres.run("select auth.uid()"), "me\n");
    assert_eq!(postgres.run("select rolsuper, rolcanlogin from pg_roles where rolname = 'anon'"), "t|t\n");

    // Supabase's defaults, where they are asked for, for what the role makes from now on.
    let open = ["bootstrap", "--url", &owner, "--open-new-objects"];
    assert!(pando(&project, &open).1.contains("added    authenticated may use later tables in public"));
    assert!(pando(&project, &open).1.contains("nothing was added"));
    postgres.run("create table later (id integer)");
    assert_eq!(postgres.run("select has_table_privilege('authenticated', 'later', 'insert')"), "t\n");
}

#[test]
fn bootstrap_refuses_what_it_cannot_do() {
    let project = Project::new(CONFIGURATION);
    let (code, told) = pando(&project, &["bootstrap"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("database.url names a file of the embedded engine"), "{told}");
    project.write("secret", "two\nlines\n");
    let owner = ["bootstrap", "--url", "postgres://nobody@127.0.0.1:1/x"];
    let with_password = [&owner[..], &["--authenticator", "door", "--password-file", "secret"]].concat();
    assert!(pando(&project, &with_password).1.contains("one line with a password"));
    let (code, told) = pando(&project, &owner);
    assert_eq!(code, 5, "{told}");

    let Some(postgres) = is_missing("bootstrap_refuses_what_it_cannot_do", Postgres::start()) else { return };
    postgres.run("create role helper login createrole; create role plain login;");
    let (code, told) = pando(&project, &["bootstrap", "--url", &url(&postgres, "plain")]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("role anon: ") && told.contains("nothing was added"), "{told}");
    assert_eq!(postgres.run("select count(*) from pg_roles where rolname = 'anon'"), "0\n");

    // Event triggers are a superuser's; the rest is added without them.
    postgres.run("create role service_role bypassrls; grant create on database postgres to helper;");
    let (code, told) = pando(&project, &["bootstrap", "--url", &url(&postgres, "helper")]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("skipped  event trigger pgrst_ddl_watch: "), "{told}");

    // A password may come from a pipe.
    let mut command = Command::new(BINARY);
    command.args([
        "bootstrap",
        "--url",
        &url(&postgres, "postgres"),
        "--authenticator",
        "door",
        "--password-file",
        "-",
    ]);
    let mut process =
        command.current_dir(project.path()).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), CANARY.as_bytes()).unwrap();
    assert!(process.wait_with_output().unwrap().status.success());
    let kept = postgres.run("select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'door'");
    assert_eq!(kept, "t\n");
}
