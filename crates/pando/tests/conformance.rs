//! The recorded corpus (`tests/conformance/corpus`) against the binary, in all seven configurations that it names.
//!
//! `docs/conformance.md` is generated from what is found here; `just bless` writes it anew.

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
use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Answer, Launch, Project, Request, Server, is_skipped, repository, tool};

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

const PAGE: &str = "docs/conformance.md";

#[test]
fn the_corpus_is_answered_as_recorded() {
    let Some(python) = python("the_corpus_is_answered_as_recorded") else { return };
    let found = Found::run(&python);
    let wrong: Vec<String> = found
        .outcomes
        .iter()
        .filter(|outcome| !outcome.case.is_quirk && !outcome.code.is_empty())
        .map(|outcome| format!("{} ({}): {}", outcome.case.id, outcome.case.name, outcome.code.join("; ")))
        .collect();
    assert!(wrong.is_empty(), "{} cases are answered wrongly:\n{}", wrong.len(), wrong.join("\n"));
    let written = fs::read_to_string(repository().join(PAGE)).unwrap_or_default();
    assert!(written == found.page(), "{PAGE} is not what was found; `just bless` writes it anew");
}

#[test]
#[ignore = "writes docs/conformance.md: just bless"]
fn bless() {
    let python = python("bless").expect("python3 is needed");
    fs::write(repository().join(PAGE), Found::run(&python).page()).unwrap();
}

/// Functions, which the portable part of the corpus leaves out: those whose bodies translate, from the corpus's own DDL.
#[test]
fn functions_are_answered_as_recorded() {
    let Some(python) = python("functions_are_answered_as_recorded") else { return };
    let ddl = fs::read_to_string(repository().join("tests/conformance/functions/0003_functions.sql")).unwrap();
    let project = Project::copy_of("tests/conformance");
    project.write("migrations/0003_functions.sql", &ddl);
    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    let ids = function_cases(&ddl);
    assert!(ids.len() >= 130, "only {} cases call functions that are here", ids.len());
    let mut command = Command::new(python);
    command.arg(corpus().join("run.py")).args(["--url", &server.url(), "--errors", "full", "--show", "50"]);
    for id in &ids {
        command.args(["--id", id]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

/// The recorded cases that call a function which the DDL declares, or none at all.
fn function_cases(ddl: &str) -> Vec<String> {
    // Answered better: PostgREST cannot order by a column that is not selected once an embed is.
    const BETTER: [&str; 1] = ["rpc.get.024"];
    let declared: Vec<&str> = ddl
        .lines()
        .filter_map(|line| line.strip_prefix("create function "))
        .map(|line| line.trim_start_matches("ops.").split(['(', '"']).find(|part| !part.is_empty()).unwrap())
        .collect();
    let left_out = ["missing_table", "fail_with", "close_all", "total", "squares"];
    let lines = fs::read_to_string(corpus().join("cases.jsonl")).unwrap();
    let cases = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases
        .filter(|case| case["config"] == "main" && !BETTER.contains(&text(&case["id"])))
        .filter_map(|case| {
            let name = text(&case["path"]).split_once("/rpc/")?.1.split(['?', '/']).next()?.replace("%20", " ");
            let is_refused = case["expect"]["json"]["code"] == "PGRST202" || case["expect"]["status"] == 405;
            let is_here = declared.contains(&name.as_str()) || (is_refused && !left_out.contains(&name.as_str()));
            is_here.then(|| text(&case["id"]).to_owned())
        })
        .collect()
}

#[test]
fn both_mounts_answer_alike() {
    let project = Project::copy_of("tests/conformance");
    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    let cases = cases();
    // A prime step goes through all groups. Flows commit, and the root alone has two meanings.
    let sample = cases.iter().filter(|case| case.config == "main" && !case.is_in_flow && case.path.starts_with('/'));
    let mut compared = 0;
    for case in sample.filter(|case| case.path.len() > 1).step_by(7) {
        let is_read = matches!(case.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let ask = |mount: &str| comparable(&server.client().send(&case.request(mount)), is_read);
        let (root, mounted) = (ask(""), ask("/rest/v1"));
        assert_eq!(root, mounted, "{} {} {}", case.id, case.method, case.path);
        compared += 1;
    }
    assert!(compared > 120, "only {compared} compared");
}

#[test]
fn the_supabase_mount_answers_as_recorded() {
    let Some(python) = python("the_supabase_mount_answers_as_recorded") else { return };
    let project = Project::copy_of("tests/conformance");
    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    let url = format!("{}/rest/v1", server.url());
    let groups = ["--group", "select", "--group", "embed", "--group", "filter", "--group", "client"];
    let output = Command::new(python)
        .arg(corpus().join("run.py"))
        .args(["--url", &url, "--portable", "--no-quirks", "--errors", "code"])
        .args(groups)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

fn python(test: &str) -> Option<PathBuf> {
    let python = tool("python3");
    (!is_skipped(test, python.is_none(), "python3", "install it: apt-get install python3")).then(|| python.unwrap())
}

fn corpus() -> PathBuf {
    repository().join("tests/conformance/corpus")
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What has to be the same under both mounts: everything that does not name the request or the moment.
fn comparable(answer: &Answer, is_read: bool) -> (u16, Vec<(String, String)>, String) {
    // The document of the API names the mount, so that it has another length and another tag.
    const OWN: [&str; 6] = ["date", "x-request-id", "server-timing", "content-length", "etag", "ratelimit"];
    let mut headers: Vec<_> =
        answer.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).cloned().collect();
    headers.sort();
    let same = |text: &str| {
        let text = text.replace("/rest/v1", "");
        if is_read { text } else { varying(&text) }
    };
    for (_, value) in &mut headers {
        *value = same(value);
    }
    (answer.status, headers, same(&answer.text()))
}

/// Digits and hexadecimals aside: sequences count on with every write, and times and UUIDs are new ones.
fn varying(text: &str) -> String {
    let is_varying = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let mut short = String::with_capacity(text.len());
    for letter in text.chars() {
        let letter = if is_varying(letter) { '0' } else { letter };
        if !(letter == '0' && short.ends_with('0')) {
            short.push(letter);
        }
    }
    short
}

/// One recorded request.
#[derive(Debug, Clone)]
struct Case {
    id: String,
    group: String,
    name: String,
    config: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    status: u64,
    code: Option<String>,
    is_quirk: bool,
    is_in_flow: bool,
}

impl Case {
    fn read(line: &str) -> Option<Self> {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        (case["portable"] == true).then(|| Self {
            id: text("id").unwrap(),
            group: text("group").unwrap(),
            name: text("name").unwrap(),
            config: text("config").unwrap(),
            method: text("method").unwrap(),
            path: text("path").unwrap(),
            headers: case["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: text("body"),
            status: case["expect"]["status"].as_u64().unwrap(),
            code: case["expect"]["json"]["code"].as_str().map(str::to_owned),
            is_quirk: case["quirk"] == true,
            is_in_flow: !case["flow"].is_null(),
        })
    }

    fn request(&self, mount: &str) -> Request {
        let mut request = Request::new(&self.method, &format!("{mount}{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.clone().unwrap_or_default())
    }
}

fn cases() -> Vec<Case> {
    fs::read_to_string(corpus().join("cases.jsonl")).unwrap().lines().filter_map(Case::read).collect()
}

/// A case with what differed.
#[derive(Debug)]
struct Outcome {
    case: Case,
    /// Comparing of an error its status and code.
    code: Vec<String>,
    /// Comparing every text of an error.
    full: Vec<String>,
    /// Status and code of a quirk that is answered differently.
    answer: String,
}

/// What running the whole corpus found.
#[derive(Debug)]
struct Found {
    outcomes: Vec<Outcome>,
}

impl Found {
    fn run(python: &PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers: Vec<(&str, Project, Server)> = CONFIGURATIONS
            .iter()
            .map(|(name, variables)| {
                let project = Project::copy_of("tests/conformance");
                let launch = Launch::new(env!("CARGO_BIN_EXE_pando")).set("log.requests", "failed");
                let launch =
                    variables.iter().fold(launch, |launch, (variable, value)| launch.variable(variable, value));
                let server = launch.start(&project);
                (*name, project, server)
            })
            .collect();
        let run = |errors: &str| -> BTreeMap<String, Value> {
            let json = folder.path().join(format!("{errors}.json"));
            let mut command = Command::new(python);
            command.arg(corpus().join("run.py")).args(["--portable", "--errors", errors, "--show", "0"]);
            for (name, _, server) in &servers {
                command.args(["--url", &format!("{name}={}", server.url())]);
            }
            let output = command.arg("--json").arg(&json).output().unwrap();
            let text = fs::read_to_string(&json).unwrap_or_else(|_| panic!("{}", told(&output)));
            let results: Vec<Value> = serde_json::from_str(&text).unwrap();
            results.into_iter().map(|result| (result["id"].as_str().unwrap().to_owned(), result)).collect()
        };
        let (code, full) = (run("code"), run("full"));
        let outcomes = cases().into_iter().map(|case| {
            let differences = |results: &BTreeMap<String, Value>| {
                let result = results.get(&case.id).unwrap_or_else(|| panic!("{} was not run", case.id));
                let pairs = result["differences"].as_array().unwrap();
                pairs.iter().map(|pair| format!("{}: {}", text(&pair[0]), text(&pair[1]))).collect()
            };
            Outcome {
                code: differences(&code),
                full: differences(&full),
                answer: status_and_code(&code[&case.id]),
                case,
            }
        });
        Self { outcomes: outcomes.collect() }
    }

    /// The generated page.
    fn page(&self) -> String {
        let mut page = String::from(HEAD);
        self.write_counts(&mut page);
        self.write_failures(&mut page);
        self.write_quirks(&mut page);
        page
    }

    fn write_counts(&self, page: &mut String) {
        let mut groups: Vec<(&str, [usize; 3])> = Vec::new();
        let mut total = [0; 3];
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.case.is_quirk) {
            if groups.last().is_none_or(|(name, _)| *name != outcome.case.group)
                && !groups.iter().any(|(name, _)| *name == outcome.case.group)
            {
                groups.push((&outcome.case.group, [0; 3]));
            }
            let counts = groups.iter_mut().find(|(name, _)| *name == outcome.case.group).unwrap();
            let added = [1, usize::from(outcome.code.is_empty()), usize::from(outcome.full.is_empty())];
            for (position, more) in added.into_iter().enumerate() {
                counts.1[position] += more;
                total[position] += more;
            }
        }
        page.push_str("## Counts\n\n| group | cases | status and code | every text |\n|---|---:|---:|---:|\n");
        for (name, [all, code, full]) in groups {
            writeln!(page, "| {name} | {all} | {code} | {full} |").unwrap();
        }
        let [all, code, full] = total;
        writeln!(page, "| **total** | **{all}** | **{code}** | **{full}** |").unwrap();
    }

    fn write_failures(&self, page: &mut String) {
        let failing = |by_code: bool| {
            self.outcomes.iter().filter(move |outcome| {
                let is_wrong = !outcome.code.is_empty();
                !outcome.case.is_quirk && if by_code { is_wrong } else { !is_wrong && !outcome.full.is_empty() }
            })
        };
        page.push_str("\n## Answered differently\n\n");
        if failing(true).next().is_none() {
            page.push_str("None.\n");
        } else {
            page.push_str("| case | name | difference |\n|---|---|---|\n");
        }
        for outcome in failing(true) {
            let Case { id, name, .. } = &outcome.case;
            writeln!(page, "| {id} | {name} | {} |", cell(&outcome.code.join("; "))).unwrap();
        }
        page.push_str(TEXTS);
        for outcome in failing(false) {
            let Case { id, name, .. } = &outcome.case;
            writeln!(page, "| {id} | {name} | {} |", cell(&outcome.full.join("; "))).unwrap();
        }
    }

    fn write_quirks(&self, page: &mut String) {
        let reasons = fs::read_to_string(repository().join("tests/conformance/quirks.json")).unwrap();
        let mut reasons: BTreeMap<String, String> = serde_json::from_str(&reasons).unwrap();
        page.push_str(QUIRKS);
        for outcome in self.outcomes.iter().filter(|outcome| outcome.case.is_quirk) {
            let Case { id, name, status, code, .. } = &outcome.case;
            let recorded = code.as_ref().map_or_else(|| status.to_string(), |code| format!("{status} {code}"));
            if outcome.code.is_empty() {
                writeln!(page, "| {id} | {name} | {recorded} | the same | |").unwrap();
            } else {
                let why = reasons.remove(id).unwrap_or_else(|| {
                    panic!("{id} ({name}) is answered differently: say why in tests/conformance/quirks.json")
                });
                writeln!(page, "| {id} | {name} | {recorded} | {} | {why} |", outcome.answer).unwrap();
            }
        }
        assert!(reasons.is_empty(), "tests/conformance/quirks.json explains what is not different: {reasons:?}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn status_and_code(result: &Value) -> String {
    let body: Value = serde_json::from_str(text(&result["body"])).unwrap_or_default();
    match body["code"].as_str() {
        Some(code) => format!("{} {code}", result["status"]),
        None => result["status"].to_string(),
    }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

const HEAD: &str = "\
# Conformance

<!-- Generated by crates/pando/tests/conformance.rs: `just bless`. -->

Requests that were recorded with their answers from a PostgREST on PostgreSQL
([tests/conformance/corpus](../tests/conformance/corpus/README.md)), asked of Pando on SQLite. Only portable cases: they need
nothing but the corpus's `schema.sql`. *Status and code* compares status, headers and body, and of an error the status and its `code`;
*every text* compares `message`, `details` and `hint` of errors, too, letter by letter.

To see it yourself: `pando serve` in `tests/conformance`, then
`corpus/run.py --url http://127.0.0.1:8000 --portable --no-quirks --errors code`.

";

const TEXTS: &str = "
## Answered with other words

The status and the code are right; a text beside them differs.

* `Failing row contains (…)` is what PostgreSQL says about a violated NOT NULL or CHECK. Pando tells which column or constraint it
  was; the row itself stays out of errors, since errors end up in logs.
* Hints that guess a name are given only when the name is near enough to be a typing mistake.

| case | name | difference |
|---|---|---|
";

const QUIRKS: &str = "
## Quirks

What PostgREST really answers, but a new server need not copy. *The same* means that it is copied, because clients may rely on it.

| case | name | PostgREST | Pando | why |
|---|---|---|---|---|
";
