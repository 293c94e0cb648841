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
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Client, Cluster, Launch, Postgres, Project, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What no output may hold.
const CANARY: &str = "c4n4ry-passw0rd";

const CONFIGURATION: &str =
    "[api]\nschemas = [\"public\"]\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n";

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
    let Some(postgres) = cluster.start_for("a_bare_server_is_made_ready_once") else { return };
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
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

/// A role that owns nothing signs people in, with what `pando bootstrap` lets it do with Pando's own tables, and no more.
#[test]
fn the_authenticator_signs_people_in() {
    let Some(postgres) = Postgres::start_for("the_authenticator_signs_people_in") else { return };
    let (project, owner) = (Project::new("[auth.login]\nconfirm_email = false\n"), postgres.url("postgres"));
    let bootstrap =
        |more: &[&str]| pando(&project, &[&["bootstrap", "--url", &owner, "--authenticator", "door"], more].concat());
    let serve = |more: &[(&str, &str)]| {
        let launch = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &postgres.url("door"));
        let launch = launch.variable("PANDO_AUTH_SECRET", "a secret of more than thirty-two bytes");
        more.iter().fold(launch, |launch, (name, value)| launch.set(name, value))
    };
    // By default nothing of the login is made, and the server says what to do.
    assert_eq!(bootstrap(&[]).0, 0);
    let server = serve(&[]).start(&project);
    assert_eq!(server.get("/auth/v1/health").status, 404);
    assert!(server.stop().1.contains("pando bootstrap --authenticator"));

    let on = ["--set", "auth.login.enabled=on", "--set", "auth.api_keys=on"];
    let (code, told) = bootstrap(&on);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("added    door may use auth.users") && told.contains("added    door may use pando.api_keys"),
        "{told}"
    );
    assert!(bootstrap(&on).1.contains("nothing was added"));
    let (code, script) = bootstrap(&["--dry-run"]);
    assert!(code == 0 && script.contains("nothing is missing"), "{script}");
    let owned = postgres.run(
        "select count(*) from pg_class join pg_namespace n on n.oid = relnamespace
         where nspname in ('auth', 'pando') and relowner = 'door'::regrole",
    );
    let closed = postgres.run(
        "select has_table_privilege('door', 'pando.migrations', 'insert'), has_table_privilege('door', 'pando.api_keys', 'delete'),
                has_schema_privilege('door', 'pando', 'create'), has_table_privilege('anon', 'auth.users', 'select')",
    );
    assert_eq!((owned.as_str(), closed.as_str()), ("0\n", "f|f|f|f\n"));

    let server = serve(&[("auth.login.enabled", "on"), ("auth.api_keys", "on")]).start(&project);
    let post = |path: &str, body: serde_json::Value| server.client().send(&Request::json("POST", path, &body));
    let account = serde_json::json!({"email": "ada@example.com", "password": "correct horse battery staple"});
    let signed = post("/auth/v1/signup", account.clone());
    assert_eq!(signed.status, 200, "{}", signed.text());
    let signed = signed.json();
    let bearer = |body: &serde_json::Value| body["access_token"].as_str().unwrap().to_owned();
    let refreshed =
        post("/auth/v1/token?grant_type=refresh_token", serde_json::json!({"refresh_token": signed["refresh_token"]}));
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let factor =
        Request::json("POST", "/auth/v1/factors", &serde_json::json!({"factor_type": "totp"})).bearer(&bearer(&signed));
    assert_eq!(server.client().send(&factor).status, 200);
    assert_eq!(post("/auth/v1/recover", serde_json::json!({"email": "ada@example.com"})).status, 200);
    let logout = Request::new("POST", "/auth/v1/logout?scope=global").bearer(&bearer(&signed));
    assert_eq!(server.client().send(&logout).status, 204);
    let again = post("/auth/v1/token?grant_type=password", account);
    assert_eq!(again.status, 200, "{}", again.text());
    // What an operator does goes as well: keys for programs and for tokens, and taking the account away.
    let pando_at = |arguments: &[&str]| {
        let url = format!("database.url={}", postgres.url("door"));
        let all = [arguments, &["--set", &url, "--set", "auth.secret=a secret of more than thirty-two bytes"], &on[..]]
            .concat();
        let (code, told) = pando(&project, &all);
        assert_eq!(code, 0, "{told}");
        told
    };
    let key = pando_at(&["keys", "api", "create", "backend", "--secret", "--json"]);
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let key = key["key"].as_str().unwrap();
    pando_at(&["keys", "rotate"]);
    let begin = Instant::now();
    let list = || server.client().send(&Request::new("GET", "/auth/v1/admin/users").bearer(key));
    while list().status != 200 {
        assert!(begin.elapsed() < PATIENCE, "{}", list().text());
        thread::sleep(Duration::from_millis(50));
    }
    let id = again.json()["user"]["id"].as_str().unwrap().to_owned();
    let remove = Request::new("DELETE", &format!("/auth/v1/admin/users/{id}")).bearer(key);
    assert_eq!(server.client().send(&remove).status, 200);
}

#[test]
fn what_is_there_is_left_alone() {
    let Some(postgres) = Postgres::start_for("what_is_there_is_left_alone") else { return };
    postgres.run(
        "create role anon login superuser; create role service_role;
         create schema auth; create function auth.uid() returns text language sql as $$ select 'me' $$;
         create function auth.role() returns text language sql stable as $$ select 'none' $$;
         create function public.other() returns event_trigger language plpgsql as $$ begin end $$;
         create event trigger pgrst_ddl_watch on ddl_command_end execute function public.other();",
    );
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
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

    let Some(postgres) = Postgres::start_for("bootstrap_refuses_what_it_cannot_do") else { return };
    postgres.run("create role helper login createrole; create role plain login;");
    let (code, told) = pando(&project, &["bootstrap", "--url", &postgres.url("plain")]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("role anon: ") && told.contains("nothing was added"), "{told}");
    assert_eq!(postgres.run("select count(*) from pg_roles where rolname = 'anon'"), "0\n");

    // Event triggers are a superuser's; the rest is added without them.
    postgres.run("create role service_role bypassrls; grant create on database postgres to helper;");
    let (code, told) = pando(&project, &["bootstrap", "--url", &postgres.url("helper")]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("skipped  event trigger pgrst_ddl_watch: "), "{told}");

    // A password may come from a pipe.
    let mut command = Command::new(BINARY);
    command.args(["bootstrap", "--url", &postgres.url("postgres"), "--authenticator", "door", "--password-file", "-"]);
    let mut process =
        command.current_dir(project.path()).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), CANARY.as_bytes()).unwrap();
    assert!(process.wait_with_output().unwrap().status.success());
    let kept = postgres.run("select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'door'");
    assert_eq!(kept, "t\n");
}

/// Whoever may create in a database lays out beforehand what bootstrap, as a superuser, would bind to every change of the schema.
#[test]
fn bootstrap_trusts_nothing_that_others_own() {
    let Some(postgres) = Postgres::start_for("bootstrap_trusts_nothing_that_others_own") else { return };
    postgres.run("create role plain login; create database bait owner plain");
    let at = |user: &str| {
        format!("host={} port={} user={user} dbname=bait", postgres.socket_folder().display(), postgres.port())
    };
    let in_bait = |user: &str, script: &str| postgres.run(&format!("\\connect \"{}\"\n{script}", at(user)));
    let trap = "create schema pando_watch;
         create function pando_watch.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
           begin if current_setting('is_superuser') = 'on' then execute 'alter role plain superuser'; end if; end $$;
         create schema auth;
         create schema traps;
         create function traps.equal(name, name) returns boolean language plpgsql as $$
           begin if current_setting('is_superuser') = 'on' then execute 'alter role plain superuser'; end if; return $1 operator(pg_catalog.=) $2; end $$;
         create operator traps.= (function = traps.equal, leftarg = name, rightarg = name);
         alter database bait set search_path = traps, pg_catalog, public;";
    in_bait("plain", trap);
    let (project, owner) = (Project::new(CONFIGURATION), at("postgres"));
    let (code, told) = pando(&project, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{told}");
    for expected in [
        "differs  schema auth: it belongs to plain, who could change what policies are told; it was left alone",
        "differs  event trigger pgrst_ddl_watch: schema pando_watch belongs to plain",
        "differs  event trigger pgrst_drop_watch: schema pando_watch belongs to plain",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    assert!(!told.contains("auth.uid()"), "{told}");
    in_bait("postgres", "set search_path = pg_catalog; create table public.any (id integer);");
    let is_superuser = || postgres.run("select rolsuper from pg_roles where rolname = 'plain'");
    assert_eq!(is_superuser(), "f\n");
    assert_eq!(in_bait("postgres", "select count(*) from pg_event_trigger"), "0\n");

    // The schema is a superuser's, and a function in it is not, or is another one.
    in_bait(
        "postgres",
        "set search_path = pg_catalog; alter schema pando_watch owner to postgres; alter schema auth owner to postgres;
         create function pando_watch.pgrst_drop_watch() returns event_trigger language plpgsql as $$ begin end $$;",
    );
    let (code, told) = pando(&project, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{told}");
    for expected in [
        "added    function auth.uid()",
        "differs  event trigger pgrst_ddl_watch: function pando_watch.pgrst_ddl_watch() belongs to plain",
        "differs  event trigger pgrst_drop_watch: function pando_watch.pgrst_drop_watch() is another one",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    // Bound by somebody else's hand, it is told.
    in_bait(
        "postgres",
        "set search_path = pg_catalog; drop function pando_watch.pgrst_drop_watch();
         create event trigger pgrst_ddl_watch on ddl_command_end execute function pando_watch.pgrst_ddl_watch();
         alter event trigger pgrst_ddl_watch disable;",
    );
    let (_, told) = pando(&project, &["bootstrap", "--url", &owner]);
    assert!(told.contains("differs  event trigger pgrst_ddl_watch: its function belongs to plain"), "{told}");
    assert!(told.contains("added    event trigger pgrst_drop_watch"), "{told}");
    in_bait("postgres", "drop table public.any");
    assert_eq!(is_superuser(), "f\n");
}

/// The triggers speak on the channel that Pando listens to.
#[test]
fn bootstrap_notifies_on_the_configured_channel() {
    let Some(postgres) = Postgres::start_for("bootstrap_notifies_on_the_configured_channel") else { return };
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
    let channel = "database.channel=Wake \"it's\" $$up";
    let bootstrap = |more: &[&str]| pando(&project, &[&["bootstrap", "--url", &owner], more].concat());
    let (code, told) = bootstrap(&["--set", channel]);
    assert_eq!(code, 0, "{told}");
    assert!(bootstrap(&["--set", channel]).1.contains("nothing was added"));
    let server = launch(&owner).set("database.channel", "Wake \"it's\" $$up").start(&project);
    postgres.run("create table later (id integer); grant select on later to anon;");
    becomes(&server, "/later", 200);
    postgres.run("drop table later;");
    becomes(&server, "/later", 404);
    let (_, told) = bootstrap(&[]);
    assert!(told.contains("differs  event trigger pgrst_ddl_watch: its function does not notify pgrst"), "{told}");
}

#[test]
fn bootstrap_wants_a_name_that_a_role_can_have() {
    let project = Project::new(CONFIGURATION);
    let long = "x".repeat(64);
    for name in ["", &long] {
        let (code, told) =
            pando(&project, &["bootstrap", "--url", "postgres://nobody@127.0.0.1:1/x", "--authenticator", name]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("--authenticator: a role has a name of 1 to 63 bytes"), "{told}");
    }
}

fn launch(url: &str) -> Launch {
    Launch::new(BINARY).variable("PANDO_DATABASE_URL", url).set("log.requests", "failed")
}

fn becomes(server: &Server, path: &str, status: u16) {
    wait_until(&format!("{path} becomes {status}"), || server.get(path).status == status);
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How often the catalog was read, with this outcome.
fn loads(server: &Server, outcome: &str) -> u64 {
    let sample = format!("pando_catalog_loads_total{{outcome=\"{outcome}\"}} ");
    let metrics = server.admin("/metrics").text();
    metrics.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).unwrap_or(0)
}

/// A server whose tables hang on one another, each with a row, for everybody.
fn many_tables(postgres: &Postgres, tables: u32) {
    postgres.run(&format!(
        "create role anon; grant usage on schema public to anon;
         create table t0 (id integer primary key, parent integer); insert into t0 values (1, 1);
         do $$ begin for n in 1..{tables} loop
           execute format('create table t%s (id integer primary key, parent integer references t%s)', n, n - 1);
           execute format('insert into t%s values (1, 1)', n);
         end loop; end $$;
         grant select on all tables in schema public to anon;"
    ));
}

/// Twenty reloads, asked for in every way, of a catalog that takes a while: no read fails, none is answered from half of it.
#[test]
fn reads_go_on_through_reloads() {
    const TABLES: u32 = 1_500;
    let Some(postgres) = Postgres::start_for("reads_go_on_through_reloads") else { return };
    many_tables(&postgres, TABLES);
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres.url("postgres")).start(&project);
    let admin = server.admin_address().to_string();
    // Reading so many tables takes longer than counting them, a few dozen µs.
    let took = server.wait_for("catalog-loaded")["event.duration"].as_u64().unwrap();
    assert!(took > 2_000_000, "{took} ns");
    let is_over = AtomicBool::new(false);
    let path = format!("/t{TABLES}?select=id,t{}(id,t{}(id))", TABLES - 1, TABLES - 2);
    let body = format!(r#"[{{"id":1,"t{}":{{"id":1,"t{}":{{"id":1}}}}}}]"#, TABLES - 1, TABLES - 2);
    let read = |client: &mut Client| {
        let start = Instant::now();
        let answer = client.get(&path);
        assert_eq!((answer.status, answer.text()), (200, body.clone()));
        start.elapsed()
    };
    let mut calm: Vec<Duration> = {
        let mut client = server.client();
        (0..2_000).map(|_| read(&mut client)).collect()
    };
    let before = loads(&server, "success");
    let mut busy: Vec<Duration> = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = server.client();
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                times.push(read(&mut client));
            }
            times
        });
        for round in 0..20 {
            let seen = loads(&server, "success");
            match round % 4 {
                0 => assert_eq!(pando(&project, &["reload", "--admin", &admin]).0, 0),
                1 => server.signal("HUP"),
                2 => server.signal("USR1"),
                _ => drop(postgres.run("notify pgrst, 'reload schema'")),
            }
            wait_until("the catalog is read", || loads(&server, "success") > seen);
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(loads(&server, "success") >= before + 20 && loads(&server, "failure") == 0);
    let p99 = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() * 99 / 100]
    };
    let count = busy.len();
    let (calm, busy) = (p99(&mut calm), p99(&mut busy));
    // For whoever looks; how fast this machine is decides nothing here.
    println!("p99 of reads: {calm:?} calm, {busy:?} through 20 reloads of {TABLES} tables ({count} reads)");

    // No read waits for a reload: one that cannot go on holds nobody up, for as long as it is held.
    let waiters = || {
        let query = "select count(*) from pg_locks where relation = 'pg_description'::regclass and not granted";
        postgres.run(query).trim().to_owned()
    };
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            postgres.run(
                "begin; lock table pg_description in access exclusive mode;
                 do $$ begin while not exists (select from pg_class where relname = 'now') loop
                   perform pg_sleep(0.02); end loop; end $$; commit;",
            )
        });
        wait_until("the catalog is held", || {
            postgres.run("select count(*) from pg_locks where relation = 'pg_description'::regclass and granted")
                != "0\n"
        });
        let before = loads(&server, "success");
        server.signal("USR1");
        wait_until("the reload waits", || waiters() == "1");
        let mut client = server.client();
        for _ in 0..200 {
            read(&mut client);
        }
        assert_eq!(
            (waiters().as_str(), loads(&server, "success")),
            ("1", before),
            "the reload was to be held all the time"
        );
        postgres.run("create table now ()");
        wait_until("the reload goes on", || loads(&server, "success") > before);
        holder.join().unwrap();
    });
}

/// A reload that fails changes nothing, is told and counted, and is made up for without being asked again.
#[test]
fn a_failed_reload_keeps_the_catalog() {
    let Some(postgres) = Postgres::start_for("a_failed_reload_keeps_the_catalog") else { return };
    many_tables(&postgres, 3);
    postgres.run("create role door login noinherit; grant anon to door;");
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres.url("door")).start(&project);
    let admin = server.admin_address().to_string();
    assert_eq!(server.get("/t1").status, 200);
    // Connections that are there stay; the one for reading the catalog is refused.
    postgres.run("alter role door connection limit 0; create table later (id integer); grant select on later to anon;");
    let (code, told) = pando(&project, &["reload", "--admin", &admin]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("the schema could not be read, and the older one goes on"), "{told}");
    let line = server.wait_for("catalog-not-loaded");
    assert!(line["error.message"].as_str().unwrap().contains("too many connections"), "{line}");
    assert_eq!((server.get("/t1").status, server.get("/later").status), (200, 404));
    assert!(loads(&server, "failure") >= 1);
    postgres.run("alter role door connection limit -1");
    becomes(&server, "/later", 200);
}

/// What bootstrap installs: changes by other hands are served without anybody's saying so, and a burst is read a few times.
#[test]
fn changes_are_noticed_by_themselves() {
    const CHANGES: u64 = 200;
    let Some(postgres) = Postgres::start_for("changes_are_noticed_by_themselves") else { return };
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
    assert_eq!(pando(&project, &["bootstrap", "--url", &owner]).0, 0);
    let server = launch(&owner).start(&project);
    let before = loads(&server, "success");
    // One transaction each.
    let script: String = (0..CHANGES).map(|n| format!("create table c{n} (id integer);\n")).collect();
    postgres.run(&(script + "grant select on c199 to anon;"));
    becomes(&server, "/c199", 200);
    wait_until("the last one is heard", || loads(&server, "success") > before);
    let read = loads(&server, "success") - before;
    assert!(read <= CHANGES / 10, "{CHANGES} changes were read {read} times");
    postgres.run("drop table c199");
    becomes(&server, "/c199", 404);
    // What nobody sees from outside is told to nobody: a listener hears what comes after it, and nothing before.
    let heard = |change: &str| postgres.run(&format!("listen pgrst; {change} notify pgrst, 'end'; select 1;"));
    let told = heard("create temporary table mine (id integer); create index on c1 (id); drop table mine;");
    assert!(told.contains("\"end\"") && !told.contains("reload schema"), "{told}");
    let told = heard("create table theirs (id integer);");
    assert!(told.contains("\"end\"") && told.contains("\"reload schema\""), "{told}");
}

#[test]
fn signals_and_notifications_read_the_configuration() {
    let Some(postgres) = Postgres::start_for("signals_and_notifications_read_the_configuration") else {
        return;
    };
    many_tables(&postgres, 1);
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres.url("postgres")).set("database.channel", "Wake \"up\"").start(&project);
    server.signal("USR2");
    server.wait_for("configuration-read");
    let reread = || server.log().matches("configuration-read").count();
    postgres.run("notify \"Wake \"\"up\"\"\", 'reload config'");
    wait_until("the keys are read", || reread() == 2);
    postgres.run("create table later (id integer); grant select on later to anon; notify pgrst, 'reload schema';");
    let (code, told) = pando(&project, &["reload", "--pid", &server.process_id().to_string(), "--admin", "x"]);
    assert_eq!(code, 2, "{told}");
    let channels = postgres.run("select query from pg_stat_activity where query ~ '^LISTEN'");
    assert_eq!(channels, "LISTEN \"Wake \"\"up\"\"\"\n", "another channel is listened to");
    assert_eq!(pando(&project, &["reload", "--pid", &server.process_id().to_string()]).0, 0);
    becomes(&server, "/later", 200);
    let (code, told) = pando(&project, &["reload", "--admin", "127.0.0.1:1"]);
    assert!(code == 1 && told.contains("does not answer"), "{told}");
}

/// On the embedded engine there are the keys to read, and the schema is always current.
#[test]
fn the_embedded_engine_reloads_as_well() {
    let project =
        Project::of(CONFIGURATION, "create table notes (id integer primary key); grant select on notes to anon;");
    let server = Launch::new(BINARY).start(&project);
    let before = loads(&server, "success");
    let (code, told) = pando(&project, &["reload", "--admin", &server.admin_address().to_string()]);
    assert_eq!(code, 0, "{told}");
    server.wait_for("configuration-read");
    for signal in ["HUP", "USR1", "USR2"] {
        server.signal(signal);
    }
    server.wait_for("configuration-read");
    assert_eq!((server.get("/notes").status, loads(&server, "success")), (200, before));
}

/// A secret in `pando.toml`, and in the file that it names: what is read again is what was written there, and the answer says
/// what it was.
#[test]
fn another_secret_in_pando_toml_counts_after_a_reload() {
    const SECOND: &str = "another-secret-of-more-than-thirty-two-characters";
    let table = "create table notes (id integer primary key); grant select on notes to anon;";
    let project = Project::of(CONFIGURATION, table);
    let mint = || project.token(BINARY, &["--role", "anon"]);
    let server = Launch::new(BINARY).start(&project);
    let admin = server.admin_address().to_string();
    let reload = || pando(&project, &["reload", "--admin", &admin]);
    let status = |token: &str| server.client().send(&Request::new("GET", "/notes").bearer(token)).status;
    let first = mint();
    assert_eq!(status(&first), 200);

    let with = |secret: &str, more: &str| format!("{more}[auth]\n{secret}\n");
    project.write("pando.toml", with(&format!("jwt_secret = \"{SECOND}\""), "[api]\nmax_rows = 7\n"));
    let second = mint();
    let (code, told) = reload();
    assert_eq!((code, status(&first), status(&second)), (0, 401, 200), "{told}");
    assert!(told.contains("from now on counts auth.jwt_secret\n"), "{told}");
    // The secrets of the login follow from it, since it has none of its own.
    assert!(
        told.contains("api.max_rows, auth.jwt_secret: changed since the start, and counts after a restart"),
        "{told}"
    );

    let canary = format!("{CANARY}-{SECOND}");
    project.write("key", &canary);
    project.write("pando.toml", with("jwt_secret_file = \"key\"\nissuer = \"\"", ""));
    let (third, told) = (mint(), reload().1);
    assert_eq!([&first, &second, &third].map(|token| status(token)), [401, 401, 200], "{told}");
    assert!(told.contains("from now on counts auth.jwt_secret, auth.jwt_secret_file\n"), "{told}");
    assert!(!told.contains("max_rows"), "it is as it was at the start: {told}");
    project.write("key", SECOND);
    let told = reload().1;
    assert_eq!([&first, &second, &third].map(|token| status(token)), [401, 200, 401], "{told}");
    assert!(told.contains("from now on counts auth.jwt_secret_file\n"), "{told}");
    assert!(reload().1.contains("nothing of it that counts at once was changed"));

    // What cannot be used is told where it stands, and changes nothing.
    project.write("key", "short");
    let (code, told) = pando(&project, &["reload", "--pid", &server.process_id().to_string()]);
    assert_eq!(code, 0, "{told}");
    let line = server.wait_for("configuration-refused");
    assert!(
        line["error.message"].as_str().unwrap().contains("pando.toml:2:1: auth.jwt_secret_file is not usable"),
        "{line}"
    );
    assert_eq!((reload().0, status(&second)), (3, 200));
    assert!(!server.log().contains(CANARY) && !server.log().contains(SECOND), "a secret is told");
}

/// Both are started at once, and the database is there last.
#[test]
fn a_database_that_comes_later_is_waited_for() {
    let Some(mut postgres) = Postgres::start_for("a_database_that_comes_later_is_waited_for") else { return };
    many_tables(&postgres, 1);
    postgres.stop();
    let project = Project::new(CONFIGURATION);
    project.write("migrations/0001_later.sql", "create table later (id integer); grant select on later to anon;");
    let server = launch(&postgres.url("postgres")).start_unready(&project);
    for _ in 0..3 {
        let answer = server.get("/t1");
        assert_eq!((answer.status, answer.code().as_str(), answer.header("retry-after")), (503, "PGRST002", Some("2")));
    }
    let ready = server.admin("/ready");
    assert_eq!((ready.status, ready.json()["reason"].as_str()), (503, Some("the database was not reached yet")));
    assert_eq!(server.admin("/live").status, 200);
    let (code, told) = pando(&project, &["reload", "--admin", &server.admin_address().to_string()]);
    assert!(code == 1 && told.contains("not reached yet"), "{told}");
    wait_until("it is tried again", || server.log().matches("database-unavailable").count() >= 2);
    postgres.start_again();
    server.wait_until_ready();
    assert_eq!((server.get("/t1").status, server.get("/later").status), (200, 200));
    // Gone again, it is not ready, and comes back by itself.
    postgres.stop();
    wait_until("it is not ready", || server.admin("/ready").status == 503);
    postgres.start_again();
    server.wait_until_ready();
    assert_eq!(server.stop().0, 0);
}

/// How many statements run on the server whose text has this in it.
fn running(postgres: &Postgres, text: &str) -> String {
    let query = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()";
    postgres.run(&format!("{query} and query like '%{text}%'")).trim().to_owned()
}

/// What a server says of itself while its start takes long.
fn says_that_it_starts(server: &Server, reason: &str) {
    assert_eq!(server.admin("/live").status, 200);
    let ready = server.admin("/ready");
    assert_eq!((ready.status, ready.json()["reason"].as_str()), (503, Some(reason)));
    assert_eq!((server.get("/t1").status, server.get("/t1").code()), (503, "PGRST002".to_owned()));
}

/// Where another node migrates, the others live, say what they wait for, and stop when they are told to.
#[test]
fn a_node_that_waits_for_anothers_migration_lives() {
    let Some(postgres) = Postgres::start_for("a_node_that_waits_for_anothers_migration_lives") else {
        return;
    };
    many_tables(&postgres, 1);
    postgres.run("create table released ()");
    let project = Project::new(CONFIGURATION);
    project.write("migrations/0001_more.sql", "create table later (id integer); grant select on later to anon;");
    let server = launch(&postgres.url("postgres"));
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            postgres.run(
                "select pg_advisory_lock(482805802095);
                 do $$ begin while not exists (select from pg_class where relname = 'now') loop
                   perform pg_sleep(0.02); end loop; end $$;",
            )
        });
        wait_until("the lock is held", || {
            postgres.run("select count(*) from pg_locks where locktype = 'advisory'") == "1\n"
        });

        let first = server.start_unready(&project);
        let line = first.wait_for("migration-waits");
        assert_eq!((&line["pando.migration"], &line["log.level"]), (&"0001_more.sql".into(), &"warn".into()), "{line}");
        says_that_it_starts(&first, "migrations are applied, or those of another node are waited for");
        assert_eq!(first.stop().0, 0);

        let second = server.start_unready(&project);
        second.wait_for("migration-waits");
        postgres.run("create table now ()");
        second.wait_until_ready();
        assert_eq!(second.get("/later").status, 200);
        holder.join().unwrap();
    });
}

/// Whoever is stopped while it migrates stops, and nothing of the file remains.
#[test]
fn a_migration_is_taken_back_where_the_node_is_stopped() {
    let Some(postgres) = Postgres::start_for("a_migration_is_taken_back_where_the_node_is_stopped") else {
        return;
    };
    many_tables(&postgres, 1);
    let project = Project::new(CONFIGURATION);
    project.write("migrations/0001_long.sql", "create table later (id integer); select pg_sleep(300);");
    let server = launch(&postgres.url("postgres")).start_unready(&project);
    says_that_it_starts(&server, "migrations are applied, or those of another node are waited for");
    assert_eq!(running(&postgres, "pg_sleep(300)"), "1");
    let (code, log) = server.stop();
    assert_eq!(code, 0, "{log}");
    wait_until("it is taken back", || running(&postgres, "pg_sleep(300)") == "0");
    assert_eq!(postgres.run("select to_regclass('later') is null"), "t\n");
}

/// A statement that outlives the time for draining is cancelled: whoever waited for it was told nothing.
#[test]
fn no_statement_outlives_the_server() {
    let Some(postgres) = Postgres::start_for("no_statement_outlives_the_server") else { return };
    many_tables(&postgres, 1);
    postgres.run(
        "create table written (id integer); grant select, insert on written to anon;
         create function slow() returns void language plpgsql as
           $$ begin perform pg_sleep(300); insert into written values (1); end $$;
         create function fast() returns void language sql as 'insert into written values (2)';",
    );
    let project = Project::new(CONFIGURATION);
    let settings = launch(&postgres.url("postgres")).set("limits.statement_timeout_seconds", "600");
    for again in 0..2 {
        let server = settings.clone().set("server.drain_seconds", "1").start(&project);
        assert_eq!(server.client().send(&Request::new("POST", "/rpc/fast")).status, 204);
        let address = server.address();
        let asking = thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let head = "POST /rpc/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
            std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
            let mut answer = Vec::new();
            drop(std::io::Read::read_to_end(&mut stream, &mut answer));
            answer
        });
        wait_until("it runs", || running(&postgres, "slow") == "1");
        if again == 0 {
            let (code, log) = server.stop();
            assert_eq!(code, 0, "{log}");
        } else {
            // A second signal waits for nobody.
            let mut server = server;
            server.signal("TERM");
            server.wait_for("draining");
            server.signal("TERM");
            assert_eq!(server.wait().code(), Some(1));
        }
        assert_eq!(asking.join().unwrap(), b"");
        wait_until("it is cancelled", || running(&postgres, "slow") == "0");
    }
    assert_eq!(postgres.run("select string_agg(id::text, ' ') from written"), "2 2\n");
}

#[test]
fn a_database_that_lets_nobody_in_is_told_loudly() {
    let cluster = Cluster::new().tcp().access("host all all 127.0.0.1/32 scram-sha-256");
    let Some(postgres) = cluster.start_for("a_database_that_lets_nobody_in_is_told_loudly") else { return };
    many_tables(&postgres, 1);
    postgres.run(&format!("create role door login noinherit password '{CANARY}'; grant anon to door;"));
    let project = Project::new(CONFIGURATION);
    let door = format!("postgres://door@127.0.0.1:{}/postgres", postgres.port());
    let server = launch(&door).variable("PGPASSWORD", "wr0ng-0ne").start_unready(&project);
    let error = server.wait_for("database-unavailable")["error.message"].as_str().unwrap().to_owned();
    assert!(error.contains("password authentication failed for user \"door\""), "{error}");
    assert!(!server.log().contains("wr0ng-0ne"));
    postgres.run("alter role door password 'wr0ng-0ne'");
    server.wait_until_ready();
    assert_eq!(server.get("/t1").status, 200);

    // Nothing will make an address readable; and who is told to stop while waiting stops.
    let refusal = launch("postgres://127.0.0.1:port/x").refused(&project);
    assert_eq!(refusal.code, 5, "{}", refusal.error);
    assert!(refusal.error.contains("database.url cannot be used"), "{}", refusal.error);
    let waiting = launch("postgres://nobody@127.0.0.1:1/x").start_unready(&project);
    assert_eq!(waiting.stop().0, 0);
}

/// A migration that is refused ends the process also where the database came later.
#[test]
fn a_refused_migration_ends_a_late_start() {
    let Some(mut postgres) = Postgres::start_for("a_refused_migration_ends_a_late_start") else { return };
    postgres.stop();
    let project = Project::new(CONFIGURATION);
    project.write("migrations/0001_wrong.sql", "create table wrong (id nonsense);");
    let mut server = launch(&postgres.url("postgres")).start_unready(&project);
    assert_eq!(server.get("/wrong").status, 503);
    postgres.start_again();
    assert_eq!(server.wait().code(), Some(4));
}

/// A migration that waits for a lock lets those behind it go on, and gets through when the lock is free.
#[test]
fn a_migration_that_waits_for_a_lock_holds_nobody_up() {
    let Some(postgres) = Postgres::start_for("a_migration_that_waits_for_a_lock_holds_nobody_up") else {
        return;
    };
    many_tables(&postgres, 1);
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
    let server = launch(&owner).start(&project);
    project.write("migrations/0001_more.sql", "alter table t1 add column more integer;");
    let database = format!("database.url={owner}");
    let up = |attempts: &str| {
        let attempts = format!("database.migration_lock_attempts={attempts}");
        let bound = "database.migration_lock_timeout_ms=200";
        pando(&project, &["migrate", "up", "--set", &database, "--set", bound, "--set", &attempts])
    };
    thread::scope(|scope| {
        let holds = |seconds: &str| {
            let script = format!("begin; lock table t1 in access share mode; select pg_sleep({seconds}); commit;");
            let postgres = &postgres;
            let held = scope.spawn(move || postgres.run(&script));
            wait_until("the lock is held", || {
                postgres.run("select count(*) from pg_locks where relation = 't1'::regclass") != "0\n"
            });
            held
        };
        let held = holds("4");
        let (code, told) = up("2");
        assert_eq!(code, 4, "{told}");
        assert!(told.contains("lock timeout [55P03]; somebody holds a lock on the table"), "{told}");
        held.join().unwrap();
        let held = holds("3");
        let migrated = scope.spawn(|| up("50"));
        let mut longest = Duration::ZERO;
        while !migrated.is_finished() {
            let start = Instant::now();
            assert_eq!(server.get("/t1?select=id").status, 200);
            longest = longest.max(start.elapsed());
        }
        let (code, told) = migrated.join().unwrap();
        assert_eq!(code, 0, "{told}");
        assert!(longest < Duration::from_millis(1_500), "a read waited {longest:?} behind the migration");
        held.join().unwrap();
    });
    becomes(&server, "/t1?select=more", 200);
}

#[test]
fn a_file_may_run_without_a_transaction() {
    let Some(postgres) = Postgres::start_for("a_file_may_run_without_a_transaction") else { return };
    many_tables(&postgres, 1);
    let (project, owner) = (Project::new(CONFIGURATION), postgres.url("postgres"));
    let up = || pando(&project, &["migrate", "up", "--set", &format!("database.url={owner}")]);
    project.write("migrations/0001_index.sql", "create index concurrently quick on t1 (parent);");
    let (code, told) = up();
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("whose first line is `-- pando: no transaction`"), "{told}");
    let wrong = "-- pando: no transaction\ncreate index concurrently if not exists quick on t1 (parent);\n\
                 select 'a;b';\n\ncreate index concurrently on t1\n  (nothing);";
    project.write("migrations/0001_index.sql", wrong);
    let (code, told) = up();
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("line 5: column \"nothing\" does not exist"), "{told}");
    assert!(told.contains("the statements before it remain"), "{told}");
    project.write("migrations/0001_index.sql", wrong.replace("nothing", "parent"));
    assert_eq!(up().0, 0);
    assert_eq!(postgres.run("select count(*) from pg_index where indrelid = 't1'::regclass and indisvalid"), "3\n");
    assert!(up().1.contains("nothing to do"));

    // The same file on the embedded engine, whose migrations are transactions all the same.
    let project = Project::of(CONFIGURATION, "create table t1 (id integer primary key, parent integer);");
    project.write(
        "migrations/0002_index.sql",
        "-- pando: no transaction\ncreate index concurrently quick on t1 (parent);",
    );
    let (code, told) = pando(&project, &["migrate", "up"]);
    assert_eq!(code, 0, "{told}");
}

/// The linter with the target that the configuration names: of locks it speaks where there is a server alone.
#[test]
fn migrations_are_looked_over() {
    let project = Project::of(
        CONFIGURATION,
        "create table notes (id bigint primary key, owner uuid, words text[]);
         alter table notes enable row level security;
         create policy own on notes using (owner = auth.uid());",
    );
    project.write(
        "migrations/0002_change.sql",
        "create index on notes (words);\nalter table notes add column a text not null;\n",
    );
    // A server that is not there: no database is asked.
    let check = |more: &[&str]| {
        pando(&project, &[&["migrate", "check", "--set", "database.url=postgres://127.0.0.1:1/x"], more].concat())
    };
    let (code, told) = check(&[]);
    assert_eq!(code, 0, "what the embedded engine refuses is no failure here: {told}");
    for expected in [
        "0001_init.sql:3: warning: the policy own of notes asks for the caller anew for every row [auth-per-row]\n    instead: wrap it",
        "0001_init.sql:3: warning: a policy compares notes.owner, and no index begins with it [policy-without-index]",
        "0002_change.sql:1: warning: nobody can write to notes for as long as the index is built [index-without-concurrently]",
        "0002_change.sql:2: warning: notes has rows",
        "4 warnings; `-- pando: allow RULE`",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    let (code, told) = check(&["--strict"]);
    assert!(code == 4 && told.contains("4 warnings, and --strict"), "{told}");
    let (_, json) = check(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["counts"]["warnings"], &report["warnings"][0]["rule"]), (&4.into(), &"auth-per-row".into()));
    let (code, told) = pando(&project, &["migrate", "check"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("[policy-without-index]") && told.contains("\n1 warning;"), "{told}");
}
