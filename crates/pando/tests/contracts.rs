//! What Pando tells clients about an API: the OpenAPI document, the page at `/docs`, and TypeScript types, each judged by
//! the tools that read them. `scripts/test` installs those.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a suite tells how many checks it ran"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER: &str = "11111111-1111-4111-8111-111111111111";

/// Names that a document has to escape, two schemas, grants on some columns.
const ODD: &str = r#"
create schema shop;
create type shop.state as enum ('open', 'it''s shut');
create table shop.till (id integer generated always as identity primary key, state shop.state default 'open');
create table "größe {x}/y" (id integer primary key, "select" text, "a.b" text, "q""q" text, n numeric(4,1) default 1.5);
create table docs (id integer primary key);
comment on schema shop is E'The shop\nWith tills.';
comment on column docs.id is '<script>alert(1)</script>';
grant usage on schema shop to anon;
grant select on shop.till, docs to anon;
grant select ("select", id), insert (id, n), delete on "größe {x}/y" to anon;
"#;

/// What a program calls on top of the example.
const FUNCTIONS: &str = "
create function routes_of(setter_name text) returns setof route language sql stable as
  $$ select * from route where setter_id in (select id from setter where name = setter_name) $$;
create function feet(metres numeric, factor numeric default 3.28) returns numeric language sql immutable as
  $$ select round(metres * factor, 1) $$;
";

/// What a PostgreSQL server has and the embedded engine has not.
const ON_SERVER: &str = "
create type state as enum ('new', 'it''s done');
create type place as (street text, floor integer, marks state[]);
create domain weight as numeric(6,2) check (value > 0);
create table desks (id integer generated always as identity primary key, at place not null, code char(3));
create table parcels (
  id bigint primary key, tags text[] not null default '{}', states state[], grid integer[][], home place, kilos weight,
  during tstzrange, desk integer references desks unique, words tsvector);
create view heavy as select id, kilos from parcels where kilos > 10;
create materialized view counts as select desk, count(*) as parcels from parcels group by desk;
create function add(a integer, b integer default 1) returns integer language plpgsql immutable as $$ begin return a + b; end $$;
create function found(tag text) returns setof parcels language sql stable as $$ select * from parcels where tag = any (tags) $$;
create function sums(variadic numbers integer[]) returns table (n integer, total bigint) language plpgsql stable as
  $$ begin return query select 1, 2::bigint; end $$;
create function home(id bigint) returns place language sql stable as $$ select home from parcels where parcels.id = $1 $$;
create function nothing() returns void language sql as '';
create function stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create role anon; grant usage on schema public to anon; grant select on parcels to anon;
";

/// The corpus's schema with its functions.
fn couriers() -> Project {
    let project = Project::copy_of("tests/conformance");
    let functions = fs::read_to_string(repository().join("tests/conformance/functions/0003_functions.sql")).unwrap();
    project.write("migrations/0003_functions.sql", functions);
    project
}

/// Exit code, standard output and standard error of the binary in a project.
fn told(project: &Project, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(BINARY).args(arguments).current_dir(project.path()).env_clear().output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn printed(project: &Project, arguments: &[&str]) -> String {
    let (code, out, err) = told(project, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

fn describe(server: &Server, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(Request::new("GET", "/rest/v1/"), |request, (name, value)| request.header(name, value));
    server.client().send(&request)
}

fn operations(document: &Value, path: &str) -> Vec<String> {
    document["paths"][path].as_object().map(|item| item.keys().cloned().collect()).unwrap_or_default()
}

fn installed(test: &str, path: &str) -> Option<PathBuf> {
    let path = repository().join(path);
    (!is_skipped(test, !path.exists(), &path.display().to_string(), "scripts/test installs it")).then_some(path)
}

// The document --------------------------------------------------------------------------------------------------------

#[test]
fn documents_are_valid_to_a_published_validator() {
    let Some(python) = installed("documents_are_valid", "tests/clients/python/.venv/bin/python") else { return };
    let odd = Project::of("[api]\nschemas = [\"public\", \"shop\"]\n", ODD);
    let (gym, couriers) = (Project::copy_of("examples/climbing"), couriers());
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&Project, &[&str]); 8] = [
        (&gym, &[]),
        (&gym, &["--role", "anon"]),
        (&gym, &["--role", "authenticated"]),
        (&couriers, &[]),
        (&couriers, &["--role", "authenticated"]),
        (&couriers, &["--schema", "ops", "--role", "anon"]),
        (&odd, &["--role", "anon"]),
        (&odd, &["--schema", "shop"]),
    ];
    let mut validate = Command::new(python);
    validate.args(["-m", "openapi_spec_validator", "--schema", "3.1"]).env("PYTHONDONTWRITEBYTECODE", "1");
    for (number, (project, arguments)) in cases.iter().enumerate() {
        let path = folder.path().join(format!("{number}.json"));
        fs::write(&path, printed(project, &[&["openapi"], *arguments].concat())).unwrap();
        validate.arg(path);
    }
    let output = validate.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.matches(": OK").count() == cases.len(), "{text}\n{error}");
}

#[test]
fn the_root_tells_what_the_role_may_do() {
    let project = Project::copy_of("examples/climbing");
    let server = Launch::new(BINARY).start(&project);
    let visitor = describe(&server, &[]);
    assert_eq!(visitor.status, 200);
    assert_eq!(visitor.header("content-type"), Some("application/openapi+json; charset=utf-8"));
    let visitor = visitor.json();
    assert_eq!(operations(&visitor, "/climbs"), ["get", "head"]);
    // The command needs no database, so it says the same beside a running server.
    let command: Value = serde_json::from_str(&printed(&project, &["openapi", "--role", "anon"])).unwrap();
    assert_eq!(visitor, command);

    let bearer = format!("Bearer {}", project.token(BINARY, &["--sub", USER]));
    let climber = describe(&server, &[("Authorization", &bearer)]).json();
    assert_eq!(operations(&climber, "/climbs"), ["delete", "get", "head", "patch", "post"]);
    assert_eq!(operations(&climber, "/route"), ["get", "head"]);
    let again = describe(&server, &[]).json();
    assert_eq!(again, visitor, "what is kept for one role is not shown to another");

    for accept in ["application/openapi+json", "application/json", "*/*", "application/*", "text/csv, */*;q=0.1"] {
        let answer = describe(&server, &[("Accept", accept)]);
        assert_eq!((answer.status, answer.json()["openapi"].clone()), (200, json!("3.1.0")), "{accept}");
    }
    for accept in ["text/csv", "text/html", "application/vnd.pgrst.object+json"] {
        let answer = describe(&server, &[("Accept", accept)]);
        assert_eq!((answer.status, answer.code().as_str()), (406, "PGRST107"), "{accept}");
    }
    let head = server.client().send(&Request::new("HEAD", "/rest/v1/"));
    assert_eq!((head.status, head.text().as_str()), (200, ""));
}

#[test]
fn the_profile_chooses_the_schema() {
    let project = Project::of("[api]\nschemas = [\"public\", \"shop\"]\n", ODD);
    let server = Launch::new(BINARY).start(&project);
    let shop = describe(&server, &[("Accept-Profile", "shop")]);
    assert_eq!(shop.header("content-profile"), Some("shop"));
    let shop = shop.json();
    assert_eq!(
        (&shop["info"]["title"], operations(&shop, "/till")),
        (&json!("The shop"), vec!["get".into(), "head".into()])
    );
    assert_eq!(shop["components"]["parameters"]["acceptProfile"]["schema"]["enum"], json!(["shop"]));
    let public = describe(&server, &[]).json();
    assert_eq!(operations(&public, "/till"), Vec::<String>::new());
    assert_eq!(operations(&public, "/gr%C3%B6%C3%9Fe%20%7Bx%7D%2Fy"), ["delete", "get", "head", "post"]);
    let unknown = describe(&server, &[("Accept-Profile", "nowhere")]);
    assert_eq!((unknown.status, unknown.code().as_str()), (406, "PGRST106"));
    assert_eq!(describe(&server, &[("Accept-Profile", "auth")]).status, 406, "not served");
}

#[test]
fn how_much_is_told_is_a_setting() {
    let project = Project::copy_of("examples/climbing");
    let everything = Launch::new(BINARY)
        .set("api.openapi_mode", "ignore-privileges")
        .set("api.openapi_server_proxy_uri", "https://gym.example.com/rest/v1/")
        .start(&project);
    let document = describe(&everything, &[]).json();
    assert_eq!(operations(&document, "/climbs"), ["delete", "get", "head", "patch", "post", "put"]);
    assert_eq!(document["servers"], json!([{ "url": "https://gym.example.com/rest/v1" }]));
    drop(everything);
    let nothing = Launch::new(BINARY).set("api.openapi_mode", "disabled").start(&project);
    let answer = describe(&nothing, &[]);
    assert_eq!((answer.status, answer.code().as_str()), (404, "PGRST126"));
    assert_eq!(nothing.get("/docs").code(), "PGRST205", "without the document there is no page");
}

// The page ------------------------------------------------------------------------------------------------------------

/// The addresses that a page loads by itself: of scripts, styles and icons.
fn loaded(page: &str) -> Vec<String> {
    let tags = page.split('<').filter(|tag| tag.starts_with("script") || tag.starts_with("link"));
    let address = |tag: &str| {
        let from = ["src=\"", "href=\""].iter().find_map(|name| tag.split_once(name))?.1;
        Some(from.split('"').next()?.to_owned())
    };
    tags.filter_map(address).collect()
}

#[test]
fn the_page_brings_everything_along() {
    let project = Project::copy_of("examples/climbing");
    let server = Launch::new(BINARY).start(&project);
    let redirect = server.get("/docs");
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("docs/")));
    let page = server.get("/docs/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    let text = page.text();
    assert!(!text.contains("//"), "no address of another host in the page");
    for inline in ["onclick=", "onload=", "onsubmit=", "<style", "style=", "<script>"] {
        assert!(!text.contains(inline), "the policy forbids {inline}");
    }
    let assets = loaded(&text);
    assert_eq!(assets.len(), 5, "{assets:?}");
    for name in assets {
        let asset = server.get(&format!("/docs/{name}"));
        let expected = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/png",
        };
        assert_eq!((asset.status, asset.header("content-type")), (200, Some(expected)), "{name}");
        assert_eq!(asset.header("content-security-policy"), Some(policy), "{name}");
        let text = asset.text();
        assert!(!text.is_empty());
        if name.ends_with("css") {
            let is_inside = |url: &str| url.trim_start_matches(['"', '\'']).starts_with("data:");
            assert!(text.split("url(").skip(1).all(is_inside) && !text.contains("@import"), "{name}");
        }
        let tag = asset.header("etag").unwrap();
        let cached = Request::new("GET", &format!("/docs/{name}")).header("If-None-Match", format!("W/\"x\", {tag}"));
        let cached = server.client().send(&cached);
        assert_eq!((cached.status, cached.text().as_str()), (304, ""), "{name}");
        let head = server.client().send(&Request::new("HEAD", &format!("/docs/{name}")));
        assert_eq!((head.status, head.header("etag"), head.text().as_str()), (200, Some(tag), ""));
    }
    assert!(!server.get("/docs/docs.js").text().contains("://"), "no address of another host in its script");
    assert_eq!(server.get("/docs/../pando.toml").status, 404);
    assert_eq!(server.get("/docs/index.html").code(), "PANDO404");
    assert_eq!(server.client().send(&Request::new("POST", "/docs")).code(), "PANDO405");
    assert_eq!(server.get("/docsy").code(), "PGRST205", "a relation's name may begin like it");
}

#[test]
fn the_page_can_be_switched_off() {
    let project = Project::of("", ODD);
    let server = Launch::new(BINARY).start(&project);
    assert_eq!(server.get("/docs/").status, 200);
    assert_eq!(server.get("/rest/v1/docs").json(), json!([]), "the relation of that name is there");
    drop(server);
    let server = Launch::new(BINARY).set("api.docs", "off").start(&project);
    assert_eq!(server.get("/docs").json(), json!([]), "nothing stands in its way now");
    drop(server);
    // What `auto` means on other addresses is a unit test of the configuration.
    let server = Launch::new(BINARY).set("api.docs", "on").start(&project);
    assert_eq!(server.get("/docs/").status, 200);
}

// Types ---------------------------------------------------------------------------------------------------------------

/// A folder with the typed programs, the types that they import, and the installed packages.
fn typed(gym: &Project) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sources = repository().join("tests/clients/javascript");
    for name in ["typed/gym.ts", "typed/couriers.ts", "typed/tsconfig.json", "check.js", "package.json"] {
        let name = Path::new(name);
        fs::copy(sources.join(name), folder.path().join(name.file_name().unwrap())).unwrap();
    }
    std::os::unix::fs::symlink(sources.join("node_modules"), folder.path().join("node_modules")).unwrap();
    let couriers = couriers();
    fs::write(folder.path().join("gym.types.ts"), printed(gym, &["types", "ts"])).unwrap();
    fs::write(folder.path().join("couriers.types.ts"), printed(&couriers, &["types", "ts"])).unwrap();
    folder
}

#[test]
fn programs_compile_with_the_types_and_run() {
    let modules = "tests/clients/javascript/node_modules";
    let test = "programs_compile_with_the_types_and_run";
    let Some(node) = installed(test, &format!("{modules}/.bin/node")) else { return };
    let Some(compiler) = installed(test, &format!("{modules}/typescript/bin/tsc")) else { return };
    let project = Project::copy_of("examples/climbing");
    project.write("migrations/0002_functions.sql", FUNCTIONS);
    let folder = typed(&project);
    let output = Command::new(&node).arg(compiler).args(["-p", "."]).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let server = Launch::new(BINARY).start(&project);
    let output = Command::new(&node)
        .arg("gym.ts")
        .current_dir(&folder)
        .env("GYM_URL", server.url())
        .env("GYM_KEY", project.token(BINARY, &["--role", "anon", "--expires", "never"]))
        .env("GYM_MINA", project.token(BINARY, &["--sub", USER]))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let closing = text.lines().last().unwrap_or_default();
    assert!(closing == "8 passed, 0 failed", "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{closing}");
}

// The commands --------------------------------------------------------------------------------------------------------

#[test]
fn the_commands_say_what_is_wrong() {
    let project = Project::of("[api]\nschemas = [\"public\", \"later\"]\n", ODD);
    let cases: [(&[&str], i32, &str); 6] = [
        (&["openapi", "--schema", "shop"], 1, "the schema \"shop\" is not served; api.schemas has public, later"),
        (&["openapi", "--role", "wizard"], 1, "there is no role \"wizard\"; there are anon, authenticated"),
        (&["types", "ts", "--schema", "nowhere"], 1, "there is no schema \"nowhere\"; there are auth, public, shop"),
        (&["types", "rust"], 2, "rust"),
        (
            &["openapi", "--set", "api.openapi_mode=all"],
            3,
            "\"follow-privileges\", \"ignore-privileges\", \"disabled\"",
        ),
        (
            &["types", "ts", "--set", "api.schemas=later"],
            1,
            "no migration makes a schema of api.schemas, which has later",
        ),
    ];
    for (arguments, expected, message) in cases {
        let (code, out, err) = told(&project, arguments);
        assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
    project.write("migrations/0002_bad.sql", "create table t (x tsvector);\n");
    for arguments in [&["openapi"][..], &["types", "ts"]] {
        let (code, _, err) = told(&project, arguments);
        assert!(code == 4 && err.contains("0002_bad.sql:1"), "{code} {err}");
    }
    assert!(!project.path().join("data").exists(), "no database is made");
}

/// On a server: what only PostgreSQL can say, in the form of Supabase's generator.
#[test]
fn a_server_is_asked_what_it_has() {
    let Some(postgres) = Postgres::start_for("a_server_is_asked_what_it_has") else { return };
    let url = postgres.url("postgres");
    let project = Project::new(&format!("[database]\nurl = \"{url}\"\n"));
    project.write("migrations/0001_init.sql", ON_SERVER);
    // Nothing is there yet: that is no answer.
    for arguments in [&["openapi"][..], &["types", "ts"]] {
        let (code, out, err) = told(&project, arguments);
        assert!(code == 1 && out.is_empty() && err.contains("apply the migrations first"), "{code} {out}{err}");
    }
    printed(&project, &["migrate", "up"]);
    let types = printed(&project, &["types", "ts"]);
    let expected = fs::read_to_string(repository().join("crates/pando/tests/data/server.types.ts")).unwrap();
    let written = types.split("\n}\n").next().unwrap();
    assert!(written == expected.trim_end(), "{written}");
    let document: Value = serde_json::from_str(&printed(&project, &["openapi", "--role", "anon"])).unwrap();
    assert_eq!(operations(&document, "/parcels"), ["get", "head"]);
    assert_eq!(document["components"]["schemas"]["parcels"]["properties"]["tags"]["type"], json!("array"));

    // The same with PostgREST's configuration, whose schemas the database itself names.
    postgres.run("alter role postgres set pgrst.db_schemas = 'ops'; create schema ops; create table ops.desks (id int primary key);");
    let other = Project::new("");
    fs::remove_file(other.path().join("pando.toml")).unwrap();
    other.write("postgrest.conf", format!("db-uri = \"{url}\"\n"));
    let types = printed(&other, &["types", "ts", "--postgrest", "postgrest.conf"]);
    assert!(types.contains("  ops: {") && types.contains("      desks: {") && !types.contains("parcels"), "{types}");
    postgres.run("alter role postgres set pgrst.db_schemas = 'nowhere'");
    let (code, out, err) = told(&other, &["openapi", "--postgrest", "postgrest.conf"]);
    assert!(code == 1 && out.is_empty() && err.contains("in nowhere (api.schemas)"), "{code} {out}{err}");
}

#[test]
fn types_are_the_same_every_time() {
    let project = Project::of("[api]\nschemas = [\"shop\", \"public\", \"later\"]\n", ODD);
    let all = printed(&project, &["types", "ts"]);
    assert_eq!(all, printed(&project, &["types", "ts", "--schema", "public", "--schema", "shop"]));
    assert!(!all.contains("later"), "a schema that is not there yet is left out");
    let one = printed(&project, &["types", "ts", "--schema", "shop"]);
    assert!(one.contains("  shop: {") && !one.contains("  public: {"), "{one}");
}
