//! The binary as a user meets it: its help, its exit codes, a project from `init` to a drained server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn pando(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pando"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    pando(folder, arguments).output().unwrap()
}

/// Exit code, standard output and standard error.
fn told(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = run(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A new project in a folder of its own.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(told(folder.path(), &["init"]).0, 0);
    folder
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let (code, help, _) = told(folder.path(), &["--help"]);
    assert_eq!(code, 0);
    for expected in [
        "init",
        "serve",
        "migrate",
        "backup",
        "restore",
        "bootstrap",
        "reload",
        "doctor",
        "completions",
        "config",
        "token",
        "openapi",
        "types",
        "version",
        "pando init gym && cd gym",
        "Exit codes:",
    ] {
        assert!(help.contains(expected), "{expected} in\n{help}");
    }
    assert!(!help.contains('\u{1b}'), "no colours where there is no terminal");
    for (arguments, expected) in [
        (&["init", "--help"][..], "make the folder gym"),
        (&["serve", "--help"], "SIGTERM"),
        (&["serve", "--help"], "--watch looks at the folder of migrations"),
        (&["backup", "--help"], "of one moment"),
        (&["restore", "--help"], "before-restore-TIME"),
        (&["reload", "--help"], "NOTIFY pgrst"),
        (&["bootstrap", "--help"], "What is there is never changed"),
        (&["doctor", "--help"], "It changes nothing"),
        (&["completions", "--help"], "bash-completion"),
        (&["migrate", "--help"], "SHA-256"),
        (&["migrate", "new", "--help"], "add_walls"),
        (&["config", "--help"], "PANDO_API_MAX_ROWS=100"),
        (&["token", "--help"], "createClient()"),
        (&["openapi", "--help"], "no database is opened"),
        (&["types", "ts", "--help"], "database.types.ts"),
    ] {
        let (code, help, _) = told(folder.path(), arguments);
        assert_eq!(code, 0, "{arguments:?}");
        assert!(help.contains(expected), "{expected} in\n{help}");
    }
    assert_eq!(told(folder.path(), &["version"]).1, format!("pando {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn exit_codes() {
    let folder = project();
    let path = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fs::write(path.join("foreign.db"), "this is no database, but a text that is long enough to be one").unwrap();
    fs::create_dir(path.join("bad")).unwrap();
    fs::write(path.join("bad/0001_x.sql"), "create table t (id int);\ncreate trigger;\n").unwrap();
    let cases: [(&[&str], i32, &str); 13] = [
        (&["config", "check"], 0, ""),
        (&["init"], 1, "is not empty"),
        (&["surf"], 2, "surf"),
        (&["token", "--expires", "soon"], 2, "90s, 30m, 12h, 30d or never"),
        (&["config", "show", "--set", "api.max_row=1"], 3, "did you mean max_rows?"),
        (&["config", "check", "--config", "nowhere.toml"], 3, "nowhere.toml: there is no such file"),
        (
            &["migrate", "up", "--set", "database.url=postgres://u:secret@127.0.0.1:1/d"],
            5,
            "cannot connect to PostgreSQL",
        ),
        (&["serve", "--set", "database.url=postgres://u:secret@127.0.0.1:x/d"], 5, "database.url cannot be used"),
        (&["token", "--set", "auth.jwt_secret="], 3, "auth.jwt_secret: is not set"),
        (
            &["migrate", "up", "--set", "database.migrations=bad", "--set", "database.url=sqlite:x.db"],
            4,
            "bad/0001_x.sql:2:",
        ),
        (&["migrate", "new", "../x"], 4, "is no name for a migration"),
        (&["migrate", "up", "--set", "database.url=sqlite:foreign.db"], 5, "foreign.db"),
        (&["serve", "--admin-listen", "", "--listen", &taken], 6, "Another process uses port"),
    ];
    for (arguments, expected, text) in cases {
        let (code, _, error) = told(path, arguments);
        assert_eq!(code, expected, "{arguments:?}: {error}");
        assert!(error.contains(text), "{arguments:?}: {error}");
        assert!(!error.contains("secret@"), "{error}");
    }
}

#[test]
fn config_show_says_where_values_come_from_and_hides_secrets() {
    let folder = project();
    let path = folder.path();
    let file = fs::read_to_string(path.join("pando.toml")).unwrap();
    let secret = file.lines().find_map(|line| line.strip_prefix("jwt_secret = ")).unwrap().trim_matches('"').to_owned();
    assert_eq!(secret.len(), 64);
    let output =
        pando(path, &["config", "show", "--set", "log.format=json"]).env("PANDO_API_MAX_ROWS", "7").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains(&secret));
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("max_rows = 7").ends_with("# env PANDO_API_MAX_ROWS"), "{shown}");
    assert!(line("format = \"json\"").ends_with("# flag --set log.format"), "{shown}");
    assert!(line("jwt_secret = \"(hidden)\"").contains("# pando.toml:"), "{shown}");
    assert!(line("openapi_mode = \"follow-privileges\"").ends_with("# default"), "{shown}");

    let (code, schema, _) = told(path, &["config", "schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["api"]["properties"]["max_rows"]["default"], 1000);
}

#[test]
fn migrations_are_applied_once_and_guarded() {
    let folder = project();
    let path = folder.path();
    assert_eq!(told(path, &["migrate", "status"]).1, "pending  0001_init.sql\n");
    assert!(!path.join("data").exists(), "asking makes no database");
    let (code, text, error) = told(path, &["migrate", "up"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("applied 0001_init.sql") && text.contains("applied seed.sql"), "{text}");
    let (code, text, error) = told(path, &["migrate", "up"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.starts_with("nothing to do"), "{text}");

    let (_, made, _) = told(path, &["migrate", "new", "add walls"]);
    assert!(made.contains("0002_add_walls.sql"), "{made}");
    let next = path.join("migrations/0002_add_walls.sql");
    fs::write(&next, "create table wall (id int primary key);\ncreate extension nothing_like_it;\n").unwrap();
    let (code, _, error) = told(path, &["migrate", "up"]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("0002_add_walls.sql:2:"), "{error}");
    fs::write(&next, "create table wall (id int primary key);\n").unwrap();
    assert_eq!(told(path, &["migrate", "up"]).0, 0, "nothing was half-applied");
    assert_eq!(told(path, &["migrate", "status"]).1, "applied  0001_init.sql\napplied  0002_add_walls.sql\n");

    fs::write(&next, "create table wall (id int primary key, name text);\n").unwrap();
    let (code, text, error) = told(path, &["migrate", "status"]);
    assert_eq!((code, text.contains("changed  0002_add_walls.sql")), (4, true), "{error}");
    assert!(error.contains("0002_add_walls.sql was changed after it was applied"), "{error}");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", ""];
    assert_eq!(told(path, &serve).0, 4, "a server does not start on a schema that is not what the files say");
    fs::remove_file(&next).unwrap();
    let (code, text, error) = told(path, &["migrate", "up"]);
    assert_eq!(code, 0, "the release before starts: {error}");
    assert!(text.contains("newer   0002_add_walls.sql: applied by a newer release"), "{text}");
    fs::write(path.join("migrations/0003_more.sql"), "create table more (id int primary key);\n").unwrap();
    let (_, _, error) = told(path, &["migrate", "up"]);
    assert!(error.contains("0002_add_walls.sql was applied and is missing"), "{error}");
}

/// A running server. Killed when the test fails.
struct Served {
    process: Child,
    log: BufReader<ChildStdout>,
    address: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "", "--set", "log.format=json"];
        let mut process = pando(folder, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut served = Self { log: BufReader::new(process.stdout.take().unwrap()), process, address: String::new() };
        let listening = served.wait_for("listening");
        let text = listening.to_string();
        let start = text.find("127.0.0.1:").unwrap();
        served.address = text[start..].split('"').next().unwrap().to_owned();
        served
    }

    /// The next log line about a happening.
    fn wait_for(&mut self, action: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended before {action}");
            if line.contains(&format!("\"{action}\"")) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    fn get(&self, path: &str, token: Option<&str>) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Connection: close\r\n\r\n", self.address)
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _status = self.process.wait();
    }
}

#[test]
fn a_project_is_served_and_drained() {
    let folder = project();
    let token = told(folder.path(), &["token", "--sub", "11111111-1111-4111-8111-111111111111"]).1;
    for round in 0..2 {
        let mut served = Served::start(folder.path());
        let first = "/rest/v1/climbs?select=id,name,route(grade,setter(name))&sent=is.true&order=id.desc&limit=10";
        let answer = served.get(first, None);
        assert!(answer.starts_with("HTTP/1.1 200"), "round {round}: {answer}");
        assert!(answer.contains("\"setter\":{\"name\":"), "{answer}");
        let own = served.get("/climbs?select=id&sent=is.false&order=id", Some(token.trim()));
        assert!(own.contains("{\"id\":4}"), "a climber sees their own projects: {own}");
        assert!(served.get("/climbs?select=id&sent=is.false", None).ends_with("[]"), "a visitor does not");
        served.signal("HUP");
        served.wait_for("configuration-read");
        served.signal("TERM");
        served.wait_for("stopped");
        assert_eq!(served.process.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn migrate_check_tells_of_every_statement() {
    let folder = project();
    let (code, told_, _) = told(folder.path(), &["migrate", "check"]);
    assert_eq!(code, 0, "{told_}");
    assert!(told_.contains("postgresql: as written; sqlite: translated"), "{told_}");
    assert!(told_.contains(" 0 refused\n"), "{told_}");
    assert!(!folder.path().join("data").exists(), "no database is opened or made");

    let text = "create table notes (id int primary key, body text, words text[]);\n\
                create table more (id int primary key, body text);\n\
                alter table more owner to postgres;\n\
                comment on table more is 'x';\n\
                alter table more alter column body set not null;\n  drop table nothing;\n";
    fs::write(folder.path().join("migrations/0002_more.sql"), text).unwrap();
    let (code, shown, error) = told(folder.path(), &["migrate", "check"]);
    assert_eq!(code, 4);
    for expected in [
        "0002_more.sql:1: create table notes\n    postgresql: as written; sqlite: refused: 1:",
        "text[]: arrays are not available on the embedded engine yet; instead, use jsonb",
        "0002_more.sql:3: alter table more owner to postgres\n    postgresql: as written; sqlite: ignored",
        "sqlite: catalog only",
        "sqlite: rebuilds table public.more (copies its rows)",
        "0002_more.sql:6: drop table nothing\n",
        "2 refused\n",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    assert!(error.contains("2 of "), "{error}");

    assert!(shown.contains("seed.sql:"), "{shown}");

    let (code, json, _) = told(folder.path(), &["migrate", "check", "--json"]);
    assert_eq!(code, 4);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["counts"]["refused"], 2);
    let statements = report["statements"].as_array().unwrap();
    let last = statements.iter().find(|statement| statement["construct"] == "drop table nothing").unwrap();
    assert_eq!((&last["line"], &last["column"]), (&6.into(), &3.into()));
    assert_eq!(last["sqlite"]["effect"], "refused");
    assert_eq!(last["sqlite"]["reason"], "relation \"nothing\" does not exist");
}
