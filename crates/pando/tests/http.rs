//! HTTP as those read it who read it most strictly: httplint and redbot over every kind of answer, on both engines. `tests/http` has
//! the list; `scripts/install-test-tools` installs the tools. And `HEAD`, whose answers say what those to `GET` say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and a run tells how many answers it had"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{Launch, Postgres, Project, Request, Server, is_skipped, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const USER: &str = "11111111-1111-4111-8111-111111111111";

const SECRET: &str = "[auth]\njwt_secret = \"a secret that is long enough for signatures\"\n";

const SCHEMA: &str = "
create table item (id int primary key, name text not null);
grant select on item to anon;
grant select, insert, update, delete on item to authenticated;
create function double(n int) returns int language sql immutable as $$ select n * 2 $$;
";

/// What `lint.py` asks: answers that are kept by every rule, for pages of one origin, with limits that it meets, and files.
const LINTED: &str = r#"
[auth.login]
enabled = "on"
confirm_email = false
[api]
max_rows = 2000
[server]
cors_origins = ["http://a.test"]
[limits]
max_body_bytes = 4096
exempt_networks = []
[limits.rates]
scarce = "per address 1/d burst 1 path /scarce"
[responses.tables]
"public.item" = "strict"
"public.news" = "ttl 60, stale-while-revalidate 30, stale-if-error 60, max-stale 60"
"public.todo" = "strict, cdn 60"
[idempotency]
enabled = "on"
[cdn]
driver = "varnish"
# Nobody answers there: what is told of the answers does not depend on it.
urls = ["http://127.0.0.1:9"]
[files]
fallback = "index.html"
"#;

const LINTED_SCHEMA: &str = "
create table news (id int primary key, name text not null);
create table todo (id int primary key, name text not null);
create table plain (id int primary key, name text not null);
create table scarce (id int primary key);
create table long (id int primary key, name text not null);
grant select on news, todo, plain, scarce, long to anon;
grant select, update on news to authenticated;
grant select on plain to authenticated;
";

/// The rows of `item` and the like.
fn rows() -> String {
    (1..=200).map(|id| format!("({id}, 'Item number {id}')")).collect::<Vec<_>>().join(", ")
}

fn project() -> Project {
    let project = Project::of(SECRET, SCHEMA);
    project.write("migrations/0002_rows.sql", format!("insert into item values {};", rows()));
    project
}

/// The project that `lint.py` knows.
fn linted() -> Project {
    let project = Project::of(&format!("{SECRET}{LINTED}"), SCHEMA);
    project.write("migrations/0002_more.sql", LINTED_SCHEMA);
    let filled: String =
        ["item", "news", "todo", "plain"].map(|table| format!("insert into {table} values {};\n", rows())).concat();
    // More rows and bytes than an answer that is not streamed may have, on either engine.
    let long: Vec<_> = (1..=1200).map(|id| format!("({id}, repeat('x', 5000))")).collect();
    project.write("migrations/0003_rows.sql", format!("{filled}insert into long values {};", long.join(", ")));
    project
        .write("public/index.html", format!("<!doctype html><title>Home</title>\n{}", "<p>A line</p>\n".repeat(100)));
    project.write("public/notes/index.html", "<!doctype html><title>Notes</title>\n");
    project.write("public/style.css", "p { color: red }\n".repeat(100));
    project.write("public/app.3f2a9c1b.js", "console.log(\"a line\");\n".repeat(100));
    project.write("public/photo.jpg", [b"\xff\xd8\xff\xe0".as_slice(), &[7; 3000]].concat());
    project
}

fn on_sqlite(project: Project) -> (Project, Server) {
    let server = Launch::new(BINARY).start(&project);
    (project, server)
}

/// `None` where there is no PostgreSQL to be had.
fn on_postgresql(test: &str, project: Project) -> Option<(Postgres, Project, Server)> {
    let postgres = Postgres::start_for(test)?;
    let owner = postgres.url("postgres");
    let (code, output, error) = project.run(BINARY, &["bootstrap", "--url", &owner]);
    assert_eq!(code, 0, "{output}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &owner).start(&project);
    Some((postgres, project, server))
}

#[test]
fn nothing_is_bad_about_any_answer() {
    let Some(tool) = tool("nothing_is_bad_about_any_answer") else { return };
    let (project, server) = on_sqlite(linted());
    lint(&tool, &project, &server);
}

#[test]
fn nothing_is_bad_about_any_answer_on_postgresql() {
    const TEST: &str = "nothing_is_bad_about_any_answer_on_postgresql";
    let Some(tool) = tool(TEST) else { return };
    let Some((_postgres, project, server)) = on_postgresql(TEST, linted()) else { return };
    lint(&tool, &project, &server);
}

fn lint(tool: &Path, project: &Project, server: &Server) {
    let token = project.token(BINARY, &["--sub", USER]);
    let script = repository().join("tests/http/lint.py");
    let admin = format!("http://{}", server.admin_address());
    let output = Command::new(tool).arg(script).args([&server.url(), &admin, &token]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    eprintln!("{text}");
}

fn tool(test: &str) -> Option<PathBuf> {
    let path = repository().join("tests/http/.venv/bin/python");
    (!is_skipped(test, !path.exists(), "httplint", "scripts/install-test-tools installs it")).then_some(path)
}

/// The same on both engines: what a client that asks again is told after a write of its own, and of another one.
fn a_reader_is_told_of_every_change(project: &Project, server: &Server) {
    let bearer = project.token(BINARY, &["--sub", USER]);
    let mut client = server.client();
    let mut ask = |tag: Option<&str>| {
        let request = Request::new("GET", "/rest/v1/item?id=lt.30&order=id").bearer(&bearer);
        let request = request.header("Accept-Encoding", "gzip");
        client.send(&if let Some(tag) = tag { request.header("If-None-Match", tag) } else { request })
    };
    let first = ask(None);
    assert_eq!((first.status, first.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let expected = "Accept, Prefer, Range, Accept-Profile, Authorization, apikey, Accept-Encoding";
    assert_eq!(first.header("vary"), Some(expected));
    let tag = first.header("etag").unwrap().to_owned();
    let again = ask(Some(&tag));
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
    assert_eq!((again.header("vary"), again.header("content-range")), (Some(expected), None));
    assert_eq!(again.header("content-location"), first.header("content-location"));
    let patch = Request::new("PATCH", "/rest/v1/item?id=eq.7").bearer(&bearer);
    let patch = patch.header("Content-Type", "application/json").body(r#"{"name":"another"}"#);
    let written = server.client().send(&patch);
    assert_eq!((written.status, written.header("cache-control")), (204, Some("no-store")));
    let after = ask(Some(&tag));
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), Some(tag.as_str()));
}

#[test]
fn a_reader_is_told_of_every_change_on_sqlite() {
    let (project, server) = on_sqlite(project());
    a_reader_is_told_of_every_change(&project, &server);
}

#[test]
fn a_reader_is_told_of_every_change_on_postgresql() {
    const TEST: &str = "a_reader_is_told_of_every_change_on_postgresql";
    let Some((_postgres, project, server)) = on_postgresql(TEST, project()) else { return };
    a_reader_is_told_of_every_change(&project, &server);
}

/// The headers that tell of the body, and nothing of the moment.
const OF_THE_BODY: [&str; 8] = [
    "etag",
    "vary",
    "content-type",
    "content-encoding",
    "content-length",
    "content-range",
    "content-location",
    "cache-control",
];

fn a_head_says_what_its_get_says(server: &Server) {
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(Request::new(method, path), |request, (name, value)| request.header(name, value));
        server.client().send(&request)
    };
    let object = ("Accept", "application/vnd.pgrst.object+json");
    for (path, headers) in [
        ("/rest/v1/plain?order=id", &[][..]),
        ("/rest/v1/plain?order=id", &[("Accept-Encoding", "gzip")]),
        ("/rest/v1/plain?order=id", &[("Accept", "text/csv")]),
        ("/rest/v1/plain?order=id&limit=5&offset=5", &[]),
        ("/rest/v1/plain?id=eq.7", &[object]),
        ("/rest/v1/plain?id=lt.0", &[]),
        ("/rest/v1/plain?order=id", &[object]),
        ("/rest/v1/item?order=id", &[]),
        ("/rest/v1/item?order=id", &[("Accept-Encoding", "zstd")]),
        ("/rest/v1/rpc/double?n=4", &[]),
        ("/rest/v1/nothing", &[]),
        ("/rest/v1/", &[]),
        ("/docs/", &[("Accept-Encoding", "br")]),
        ("/style.css", &[("Accept-Encoding", "br")]),
    ] {
        let (head, get) = (ask("HEAD", path, headers), ask("GET", path, headers));
        assert_eq!((head.status, head.text().as_str()), (get.status, ""), "{path} {headers:?}");
        for name in OF_THE_BODY {
            assert_eq!(head.header(name), get.header(name), "{path} {headers:?} {name}");
        }
        if get.status == 200 {
            let tag = get.header("etag").unwrap();
            let conditions =
                [("If-None-Match", tag, 304), ("If-Match", "\"another\"", 412), ("If-None-Match", "\"x\"", 200)];
            for (name, value, status) in conditions {
                let asked = [headers, &[(name, value)]].concat();
                assert_eq!(ask("HEAD", path, &asked).status, status, "{path} {asked:?}");
            }
        }
    }
    // An answer that is kept is shown to both.
    let read = ask("GET", "/rest/v1/item?id=eq.9", &[]);
    let shown = ask("HEAD", "/rest/v1/item?id=eq.9", &[]);
    assert_eq!(shown.header("cache-status"), Some("pando; hit"));
    assert_eq!((shown.header("etag"), shown.text().as_str()), (read.header("etag"), ""));
    // Who wants a count alone gets that alone: no row is made into anything, so what it would be called is not known.
    let counted = ask("HEAD", "/rest/v1/plain", &[("Prefer", "count=exact")]);
    assert_eq!((counted.status, counted.header("content-range")), (200, Some("0-199/200")));
    assert_eq!((counted.header("etag"), counted.header("content-length")), (None, None));
    // What is streamed has no name before its end, which nobody waits for.
    for method in ["GET", "HEAD"] {
        let long = ask(method, "/rest/v1/long", &[]);
        assert_eq!((long.status, long.header("content-range")), (200, Some("0-1199/*")), "{method}");
        let validators = (long.header("etag"), long.header("last-modified"), long.header("content-length"));
        assert_eq!(validators, (None, None, None), "{method}");
        assert_eq!(long.header("cache-control"), Some("no-store"), "{method}");
        assert_eq!(ask(method, "/rest/v1/long", &[("If-Match", "\"x\"")]).status, 412, "{method}");
        assert_eq!(ask(method, "/rest/v1/long", &[("If-None-Match", "\"x\"")]).status, 200, "{method}");
    }
}

#[test]
fn a_head_says_what_its_get_says_on_sqlite() {
    let (_project, server) = on_sqlite(linted());
    a_head_says_what_its_get_says(&server);
}

#[test]
fn a_head_says_what_its_get_says_on_postgresql() {
    const TEST: &str = "a_head_says_what_its_get_says_on_postgresql";
    let Some((_postgres, _project, server)) = on_postgresql(TEST, linted()) else { return };
    a_head_says_what_its_get_says(&server);
}
