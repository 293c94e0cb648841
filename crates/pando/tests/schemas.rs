//! The projects of `tests/schemas`: a shop, a messenger and an issue tracker, each with the migrations that a team would
//! have written for PostgreSQL.
//!
//! PostgreSQL applies all of them as they are. Pando applies each statement or refuses it: the refusals stand in the
//! project's `refusals.txt`, and the files of its `embedded` folder say the same in words that both engines know. Applied
//! on both, every table, view and function then answers alike, for whoever asks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use serde_json::value::RawValue;
use testkit::{Client, Launch, Postgres, Project, Request, is_skipped, repository};

const FOLDER: &str = "tests/schemas";
const HINT: &str = "install it: apt-get install postgresql-15 postgresql-contrib";
const FEWEST_TABLES: usize = 30;
/// Over all tables, views, functions and whoever asks.
const FEWEST_ROWS: usize = 300;
/// The identifiers of seeds begin like this; any other is random.
const FIXED: &str = "00000000-0000-4000-8000-";
const PANDO: &str = env!("CARGO_BIN_EXE_pando");

/// A project and what is asked of its functions.
struct Case {
    name: &'static str,
    schemas: &'static str,
    calls: &'static [Call],
}

/// A call: who asks, the schema, the function, its arguments as JSON, and what PostgreSQL is asked for the same.
struct Call {
    who: &'static str,
    schema: &'static str,
    function: &'static str,
    arguments: &'static str,
    query: &'static str,
}

const fn call(
    who: &'static str,
    schema: &'static str,
    function: &'static str,
    arguments: &'static str,
    query: &'static str,
) -> Call {
    Call { who, schema, function, arguments, query }
}

const SHOP: Case = Case {
    name: "shop",
    schemas: r#"["public", "catalogue", "crm", "stock", "sales"]"#,
    calls: &[
        call("service", "public", "slugify", r#"{"title": " A  Big, Thing! "}"#, "public.slugify(' A  Big, Thing! ')"),
        call("anon", "public", "net", r#"{"gross": 119, "rate": 0.19}"#, "public.net(119, 0.19)"),
        call("anon", "public", "net", r#"{"gross": null, "rate": 0.19}"#, "public.net(null, 0.19)"),
        call("clerk", "public", "is_staff", "{}", "public.is_staff()"),
        call("ada", "public", "is_staff", "{}", "public.is_staff()"),
        call(
            "ada",
            "crm",
            "loyalty_balance",
            r#"{"customer": "00000000-0000-4000-8000-0000000000a1"}"#,
            "crm.loyalty_balance('00000000-0000-4000-8000-0000000000a1')",
        ),
        call(
            "bo",
            "crm",
            "loyalty_balance",
            r#"{"customer": "00000000-0000-4000-8000-0000000000a1"}"#,
            "crm.loyalty_balance('00000000-0000-4000-8000-0000000000a1')",
        ),
        call(
            "service",
            "stock",
            "available",
            r#"{"variant": "00000000-0000-4000-8000-000000000013"}"#,
            "stock.available('00000000-0000-4000-8000-000000000013')",
        ),
        call("ada", "sales", "owns_order", r#"{"wanted": 1}"#, "sales.owns_order(1)"),
        call("anon", "sales", "owns_order", r#"{"wanted": 1}"#, "sales.owns_order(1)"),
        call("service", "sales", "best_customers", "{}", "sales.best_customers()"),
        call("service", "sales", "best_customers", r#"{"how_many": 1}"#, "sales.best_customers(1)"),
        call(
            "ada",
            "sales",
            "orders_of",
            r#"{"customer": "00000000-0000-4000-8000-0000000000a1"}"#,
            "sales.orders_of('00000000-0000-4000-8000-0000000000a1')",
        ),
        call(
            "bo",
            "sales",
            "orders_of",
            r#"{"customer": "00000000-0000-4000-8000-0000000000a1", "at_least": 10.5}"#,
            "sales.orders_of('00000000-0000-4000-8000-0000000000a1', 10.5)",
        ),
        call(
            "ada",
            "sales",
            "put_in_cart",
            r#"{"cart": "00000000-0000-4000-8000-0000000000c1", "variant": "00000000-0000-4000-8000-000000000012", "pieces": 3}"#,
            "sales.put_in_cart('00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-000000000012', 3)",
        ),
        call(
            "ada",
            "sales",
            "put_in_cart",
            r#"{"cart": "00000000-0000-4000-8000-0000000000c2", "variant": "00000000-0000-4000-8000-000000000012"}"#,
            "sales.put_in_cart('00000000-0000-4000-8000-0000000000c2', '00000000-0000-4000-8000-000000000012')",
        ),
    ],
};

const MESSENGER: Case = Case {
    name: "messenger",
    schemas: r#"["public"]"#,
    calls: &[
        call("ada", "public", "is_channel_member", r#"{"_channel": 2}"#, "is_channel_member(2)"),
        call("bo", "public", "is_channel_member", r#"{"_channel": 2}"#, "is_channel_member(2)"),
        call("ada", "public", "workspace_role", r#"{"_workspace": 1}"#, "workspace_role(1)"),
        call("anon", "public", "workspace_role", r#"{"_workspace": 1}"#, "workspace_role(1)"),
        call("ada", "public", "unread_count", r#"{"channel": 1}"#, "unread_count(1)"),
        call("bo", "public", "search_messages", r#"{"term": "a"}"#, "search_messages('a')"),
        call("ada", "public", "search_messages", r#"{"term": "S", "limit": 2}"#, "search_messages('S', 2)"),
        call("service", "public", "poll_result", r#"{"poll": 1}"#, "poll_result(1)"),
        call("ada", "public", "send_message", r#"{"channel": 1, "text": " Hello "}"#, "send_message(1, ' Hello ')"),
        call("ada", "public", "send_message", r#"{"channel": 4, "text": "Let me in"}"#, "send_message(4, 'Let me in')"),
        call("bo", "public", "send_message", r#"{"channel": 1, "text": "   "}"#, "send_message(1, '   ')"),
        call("service", "public", "archive_quiet_channels", r#"{"quiet_days": 30}"#, "archive_quiet_channels(30)"),
    ],
};

const TRACKER: Case = Case {
    name: "tracker",
    schemas: r#"["public"]"#,
    calls: &[
        call("ada", "public", "is_member", r#"{"p": 1}"#, "is_member(1)"),
        call("ada", "public", "is_member", r#"{"p": 2}"#, "is_member(2)"),
        call("bo", "public", "issue_by_reference", r#"{"ref": "ops1-1"}"#, "issue_by_reference('ops1-1')"),
        call("ada", "public", "issue_by_reference", r#"{"ref": "ops1-1"}"#, "issue_by_reference('ops1-1')"),
        call("service", "public", "issue_by_reference", r#"{"ref": null}"#, "issue_by_reference(null)"),
        call("service", "public", "burndown", r#"{"project": 1}"#, "burndown(1)"),
        call("ada", "public", "burndown", r#"{"project": 2}"#, "burndown(2)"),
        call("service", "public", "run_rules", r#"{"project": 1}"#, "run_rules(1)"),
        call(
            "service",
            "public",
            "close_issue",
            r#"{"issue": 1, "at": "2022-08-01T00:00:00Z"}"#,
            "close_issue(1, '2022-08-01T00:00:00Z')",
        ),
        call("ada", "public", "close_issue", r#"{"issue": 4}"#, "close_issue(4)"),
    ],
};

/// Who asks: the name, the role, and the claims beside it.
const PEOPLE: [(&str, &str, &str); 5] = [
    ("service", "service_role", r#"{"sub": "00000000-0000-4000-8000-0000000000ff"}"#),
    ("ada", "authenticated", r#"{"sub": "00000000-0000-4000-8000-0000000000a1", "email": "dee@example.org"}"#),
    ("bo", "authenticated", r#"{"sub": "00000000-0000-4000-8000-0000000000a2"}"#),
    (
        "clerk",
        "authenticated",
        r#"{"sub": "00000000-0000-4000-8000-0000000000a3", "app_metadata": {"role": "clerk", "moderator": true}}"#,
    ),
    ("anon", "anon", "{}"),
];

#[test]
fn a_shop_applies_and_answers_alike() {
    applies_and_answers_alike(&SHOP);
}

#[test]
fn a_messenger_applies_and_answers_alike() {
    applies_and_answers_alike(&MESSENGER);
}

#[test]
fn a_tracker_applies_and_answers_alike() {
    applies_and_answers_alike(&TRACKER);
}

/// What is refused stands in `refusals.txt`: place, construct, reason and alternative.
#[test]
fn refusals_are_as_recorded() {
    for name in [SHOP.name, MESSENGER.name, TRACKER.name] {
        let recorded = fs::read_to_string(folder(name).join("refusals.txt")).unwrap_or_default();
        assert!(recorded == refusals(name), "{name}: refusals.txt is not what was found; `just bless` writes it anew");
    }
}

#[test]
#[ignore = "writes tests/schemas/*/refusals.txt: just bless"]
fn bless_refusals() {
    for name in [SHOP.name, MESSENGER.name, TRACKER.name] {
        fs::write(folder(name).join("refusals.txt"), refusals(name)).unwrap();
    }
}

fn folder(name: &str) -> PathBuf {
    repository().join(FOLDER).join(name)
}

/// The migrations of a project: name and text, in order. With `embedded`, files of that folder replace others.
fn migrations(name: &str, embedded: bool) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let folders = [folder(name), folder(name).join("embedded")];
    for folder in folders.iter().take(if embedded { 2 } else { 1 }) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn project(case_schemas: &str, files: &BTreeMap<String, String>) -> Project {
    let project = Project::new(&format!(
        "[database]\nseed = \"\"\n[api]\nschemas = {case_schemas}\nmax_rows = 0\n\
         [auth]\njwt_secret = \"{}\"\n",
        "a-secret-for-this-test-alone-0123456789"
    ));
    for (name, text) in files {
        project.write(&format!("migrations/{name}"), text);
    }
    project
}

/// What `pando migrate check` refuses, one paragraph a statement.
fn refusals(name: &str) -> String {
    let project = project(r#"["public"]"#, &migrations(name, false));
    let output = Command::new(PANDO)
        .args(["migrate", "check", "--json"])
        .current_dir(project.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = &report["counts"];
    let mut text = format!(
        "{} statements, {} of them refused; later ones may follow from earlier ones.\n",
        counts["statements"], counts["refused"]
    );
    for statement in report["statements"].as_array().unwrap() {
        let sqlite = &statement["sqlite"];
        if sqlite["effect"] != "refused" {
            continue;
        }
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let file = word(&statement["file"]);
        let file = file.rsplit('/').next().unwrap();
        let (line, column) = (&sqlite["line"], &sqlite["column"]);
        let _ = writeln!(text, "\n{file}:{line}:{column}: {}", word(&statement["construct"]));
        let _ = writeln!(text, "  {}: {}", word(&sqlite["construct"]), word(&sqlite["reason"]));
        if !word(&sqlite["alternative"]).is_empty() {
            let _ = writeln!(text, "  {}", word(&sqlite["alternative"]));
        }
    }
    text
}

fn applies_and_answers_alike(case: &Case) {
    let Some(original) = started(case.name) else { return };
    apply(&original, &migrations(case.name, false));
    drop(original);
    let postgres = started(case.name).expect("PostgreSQL was there");
    let files = migrations(case.name, true);
    apply(&postgres, &files);
    postgres.run(JUDGE);
    let project = project(case.schemas, &files);
    let server = Launch::new(PANDO).start(&project);
    let relations = relations(&postgres, case.schemas);
    let tables = relations.iter().filter(|relation| relation.is_table).count();
    assert!(tables >= FEWEST_TABLES, "{tables} tables");
    let mut compared =
        Compared { postgres: &postgres, client: server.client(), tokens: tokens(&project), rows: 0, wrong: Vec::new() };
    compared.relations(&relations);
    compared.calls(case.calls);
    // What the calls wrote.
    compared.relations(&relations);
    assert!(compared.wrong.is_empty(), "{} differences:\n{}", compared.wrong.len(), compared.wrong.join("\n"));
    assert!(compared.rows >= FEWEST_ROWS, "only {} rows", compared.rows);
}

fn started(test: &str) -> Option<Postgres> {
    let postgres = Postgres::start();
    if is_skipped(test, postgres.is_none(), "PostgreSQL", HINT) {
        return None;
    }
    let postgres = postgres.unwrap();
    postgres.run(&fs::read_to_string(repository().join(FOLDER).join("prelude.sql")).unwrap());
    Some(postgres)
}

/// Applies every file in one transaction; panics if a statement fails.
fn apply(postgres: &Postgres, files: &BTreeMap<String, String>) {
    for (name, text) in files {
        postgres.run(&format!("\\echo {name}\nSET client_min_messages = error;\nBEGIN;\n{text}\nCOMMIT;\n"));
    }
}

/// A table or a view.
struct Named {
    schema: String,
    name: String,
    is_table: bool,
}

fn relations(postgres: &Postgres, schemas: &str) -> Vec<Named> {
    let listed = schemas.replace('"', "'");
    let printed = postgres.run(&format!(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables \
         WHERE table_schema = ANY (ARRAY{listed}) ORDER BY 1, 2;"
    ));
    let relation = |line: &str| {
        let parts: Vec<&str> = line.split('|').collect();
        Named { schema: parts[0].to_owned(), name: parts[1].to_owned(), is_table: parts[2] == "BASE TABLE" }
    };
    printed.lines().map(relation).collect()
}

fn tokens(project: &Project) -> BTreeMap<&'static str, String> {
    let signed = PEOPLE.iter().filter(|(name, ..)| *name != "anon").map(|(name, role, claims)| {
        let claims: BTreeMap<String, Value> = serde_json::from_str(claims).unwrap();
        let mut arguments = vec!["--role".to_owned(), (*role).to_owned()];
        for (claim, value) in claims {
            match (claim.as_str(), value) {
                ("sub", Value::String(sub)) => arguments.extend(["--sub".to_owned(), sub]),
                (claim, Value::String(text)) => arguments.extend(["--claim".to_owned(), format!("{claim}={text}")]),
                (claim, value) => arguments.extend(["--claim".to_owned(), format!("{claim}={value}")]),
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        (*name, project.token(PANDO, &arguments))
    });
    signed.collect()
}

/// Runs a query as whoever the session is and tells what came of it in one line.
const JUDGE: &str = r"
CREATE SCHEMA judge;
GRANT USAGE ON SCHEMA judge TO PUBLIC;
CREATE FUNCTION judge.rows(query text) RETURNS json LANGUAGE plpgsql AS $judge$
DECLARE found text;
BEGIN
  EXECUTE query INTO found;
  RETURN json_build_array('rows', found);
EXCEPTION WHEN OTHERS THEN
  RETURN json_build_array('failed', SQLSTATE);
END $judge$;
";

struct Compared<'a> {
    postgres: &'a Postgres,
    client: Client,
    tokens: BTreeMap<&'static str, String>,
    /// How many rows were the same.
    rows: usize,
    wrong: Vec<String>,
}

impl Compared<'_> {
    fn relations(&mut self, relations: &[Named]) {
        for (who, ..) in PEOPLE {
            let query =
                |relation: &Named| format!("SELECT json_agg(t) FROM \"{}\".\"{}\" t", relation.schema, relation.name);
            let queries: Vec<String> = relations.iter().map(query).collect();
            let theirs = self.ask_postgres(who, &queries);
            for (relation, theirs) in relations.iter().zip(theirs) {
                let request = Request::new("GET", &format!("/{}", encoded(&relation.name)))
                    .header("accept-profile", &relation.schema);
                let mut ours = self.ask_pando(who, request);
                let mut theirs = theirs;
                // Where a view has an ORDER BY, both keep it; it is not what is compared here.
                if let Ok(rows) = &mut ours {
                    rows.sort();
                }
                if let Ok(rows) = &mut theirs {
                    rows.sort();
                }
                self.compare(&format!("{}.{} as {who}", relation.schema, relation.name), theirs, ours);
            }
        }
    }

    fn calls(&mut self, calls: &[Call]) {
        for Call { who, schema, function, arguments, query } in calls {
            // A row of nothing but NULLs stands for no row, or for a NULL.
            let query = format!("SELECT json_agg(t) FROM {query} t");
            let theirs = self.ask_postgres(who, &[query]).remove(0);
            let request = Request::new("POST", &format!("/rpc/{function}"))
                .header("content-profile", schema)
                .header("content-type", "application/json")
                .body(*arguments);
            let ours = self.ask_pando(who, request);
            self.compare(&format!("{schema}.{function} {arguments} as {who}"), theirs, ours);
        }
    }

    fn compare(&mut self, what: &str, theirs: Result<Vec<String>, String>, ours: Result<Vec<String>, String>) {
        self.rows += ours.as_ref().map_or(0, Vec::len);
        if theirs != ours {
            self.wrong.push(format!("{what}:\n    PostgreSQL {theirs:?}\n    Pando      {ours:?}"));
        }
    }

    fn ask_postgres(&self, who: &str, queries: &[String]) -> Vec<Result<Vec<String>, String>> {
        let (_, role, claims) = PEOPLE.iter().find(|(name, ..)| *name == who).unwrap();
        let mut all: serde_json::Map<String, Value> = serde_json::from_str(claims).unwrap();
        all.insert("role".to_owned(), (*role).into());
        let mut script = format!(
            "SET request.jwt.claims = '{}';\nSET ROLE {role};\n",
            Value::Object(all).to_string().replace('\'', "''")
        );
        for query in queries {
            let _ = writeln!(script, "SELECT judge.rows($query${query}$query$);");
        }
        let printed = self.postgres.run(&script);
        let answers: Vec<_> = printed.lines().map(postgres_answer).collect();
        assert_eq!(answers.len(), queries.len(), "{printed}");
        answers
    }

    fn ask_pando(&mut self, who: &str, request: Request) -> Result<Vec<String>, String> {
        let request = match self.tokens.get(who) {
            Some(token) => request.bearer(token),
            None => request,
        };
        let answer = self.client.send(&request);
        let text = answer.text();
        if answer.status >= 300 {
            return Err(answer.code());
        }
        let text = if text.is_empty() { "[]" } else { &text };
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(rows) => Ok(rows.iter().map(|row| masked(row.get())).collect()),
            Err(_) if text == "null" => Ok(Vec::new()),
            Err(_) => Ok(vec![masked(text)]),
        }
    }
}

fn postgres_answer(line: &str) -> Result<Vec<String>, String> {
    let [outcome, text]: [Option<String>; 2] = serde_json::from_str(line).expect(line);
    let text = text.unwrap_or_else(|| "[]".to_owned());
    if outcome.as_deref() == Some("failed") {
        return Err(text);
    }
    let rows: Vec<&RawValue> = serde_json::from_str(&text).expect("JSON");
    Ok(rows.iter().map(|row| masked(row.get())).filter(|row| row != "null").collect())
}

/// A row's text without what chance and the moment put in: identifiers, and whatever is of these days.
fn masked(row: &str) -> String {
    let today = days_of_the_test();
    let parts = row.split('"').map(|part| {
        let is_identifier = part.len() == 36 && part.bytes().filter(|byte| *byte == b'-').count() == 4;
        if is_identifier && !part.starts_with(FIXED) {
            "(random)"
        } else if part.len() > 10 && today.iter().any(|day| part.starts_with(day.as_str())) {
            "(now)"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("\"")
}

/// Yesterday, today and tomorrow, as dates are written.
fn days_of_the_test() -> &'static [String; 3] {
    static DAYS: std::sync::OnceLock<[String; 3]> = std::sync::OnceLock::new();
    DAYS.get_or_init(|| {
        ["yesterday", "today", "tomorrow"].map(|day| {
            let output = Command::new("date").args(["-u", "-d", day, "+%Y-%m-%d"]).output().expect("date runs");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        })
    })
}

fn encoded(name: &str) -> String {
    name.replace(' ', "%20")
}
