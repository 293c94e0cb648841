//! The map of OWASP ASVS 5.0.0 at level 2 (`docs/asvs.toml`): every requirement is there once, and what it names as its proof
//! exists and is run by CI. What no other test shows stands here as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use testkit::{Launch, Project, Request, repository};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
/// Numbers and levels of the standard: a line for each section, with the levels of its requirements in their order.
const STANDARD: &str = include_str!("data/asvs-5.0.0.txt");
const MAP: &str = "docs/asvs.toml";
const PAGE: &str = "docs/asvs.md";

/// Chapter, section and place.
type Number = [u32; 3];

/// What the map says of one requirement.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    about: String,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    documents: Vec<String>,
    absent: Option<String>,
    gap: Option<String>,
}

fn number(text: &str) -> Number {
    let parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap_or_else(|_| panic!("{text} is no number of a requirement"))
}

/// The requirements of the levels 1 and 2, with their level.
fn wanted() -> BTreeMap<Number, char> {
    let mut wanted = BTreeMap::new();
    for line in STANDARD.lines() {
        let (section, levels) = line.split_once(' ').unwrap();
        for (place, level) in levels.chars().enumerate().filter(|(_, level)| *level != '3') {
            wanted.insert(number(&format!("{section}.{}", place + 1)), level);
        }
    }
    wanted
}

/// The map. A number that is there twice is a mistake that the reader of TOML finds.
fn map(text: &str) -> BTreeMap<Number, Requirement> {
    let chapters: BTreeMap<String, BTreeMap<String, Requirement>> = toml::from_str(text).unwrap();
    let mut map = BTreeMap::new();
    for (chapter, requirements) in chapters {
        for (name, requirement) in requirements {
            assert!(name.starts_with(&format!("{chapter}.")), "{name} is in the chapter {chapter}");
            map.insert(number(&name), requirement);
        }
    }
    map
}

/// What is wrong with a map, in sentences.
fn mistakes(map: &BTreeMap<Number, Requirement>) -> Vec<String> {
    let wanted = wanted();
    let (there, asked): (BTreeSet<_>, BTreeSet<_>) = (map.keys().collect(), wanted.keys().collect());
    let mut mistakes: Vec<String> =
        asked.difference(&there).map(|number| format!("{} is missing", name(number))).collect();
    mistakes.extend(there.difference(&asked).map(|number| format!("{} is not in the standard", name(number))));
    for (number, requirement) in map {
        let name = name(number);
        let shown = !requirement.tests.is_empty() || !requirement.documents.is_empty();
        let said = [&requirement.absent, &requirement.gap].into_iter().flatten().collect::<Vec<_>>();
        if usize::from(shown) + said.len() != 1 {
            mistakes.push(format!("{name} has to have proofs, or say why there are none"));
        }
        if said.iter().any(|reason| reason.trim().len() < 5) || requirement.about.trim().is_empty() {
            mistakes.push(format!("{name} gives no reason"));
        }
        let faults = requirement.tests.iter().filter_map(|test| fault_of_test(test));
        let faults = faults.chain(requirement.documents.iter().filter_map(|place| fault_of_document(place)));
        mistakes.extend(faults.map(|fault| format!("{name}: {fault}")));
    }
    mistakes
}

fn name(number: &Number) -> String {
    let [chapter, section, place] = number;
    format!("{chapter}.{section}.{place}")
}

/// Why a test does not count.
fn fault_of_test(test: &str) -> Option<String> {
    let Some((file, name)) = test.split_once("::") else { return Some(format!("{test} names no test")) };
    if let Some(suite) = file.strip_prefix("tests/clients/") {
        let text = fs::read_to_string(repository().join(file)).unwrap_or_default();
        let runs = fs::read_to_string(repository().join("crates/pando/tests/clients.rs")).unwrap();
        let is_there = text.contains(&format!("check('{name}'"));
        return (!is_there || !runs.contains(suite))
            .then(|| format!("{file} has no check called {name}, or is not run"));
    }
    let path = repository().join("crates").join(file);
    let Ok(text) = fs::read_to_string(&path) else { return Some(format!("{file} is not there")) };
    if !is_compiled(&path) {
        return Some(format!("{file} is no part of its crate"));
    }
    match attributes(&text, name) {
        None => Some(format!("{file} has no test called {name}")),
        Some(attributes) if attributes.contains("#[ignore") => Some(format!("{name} in {file} is ignored")),
        Some(_) => None,
    }
}

/// The attributes of a test: of a function that is one, or of a case that a macro makes one of (`on_both!(name, …)`).
fn attributes<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let is_case =
        |before: &str| ["on_both", "on_every_server"].iter().any(|of| text.contains(&format!("{of}!({before}{name},")));
    if ["", "\n    "].into_iter().any(is_case) {
        return Some("");
    }
    let place = text.find(&format!("fn {name}("))?;
    let start = text[..place].rfind('\n').map_or(0, |end| end + 1);
    // The lines before it that are attributes, or say something of it.
    let is_its_own = |line: &&str| line.trim_start().starts_with("#[") || line.trim_start().starts_with("//");
    let length: usize = text[..start].split_inclusive('\n').rev().take_while(is_its_own).map(str::len).sum();
    let attributes = &text[start - length..start];
    (attributes.contains("#[test]") || attributes.contains("#[tokio::test")).then_some(attributes)
}

/// Whether a file is a target of its own, or a module that another file declares.
fn is_compiled(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let is_target = folder.ends_with("tests") && folder.parent().unwrap().join("Cargo.toml").exists();
    let stem = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "main" => folder.file_name().unwrap().to_str().unwrap(),
        stem => stem,
    };
    let declared = [format!("mod {stem};"), format!("\"{stem}.rs\"")];
    let root = path.ancestors().find(|folder| folder.join("Cargo.toml").exists()).unwrap();
    is_target
        || path.ends_with("tests/flights/main.rs")
        || sources(root).iter().any(|file| declared.iter().any(|declared| file.1.contains(declared)))
}

/// The sources below a folder, with their text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Why a heading does not count.
fn fault_of_document(place: &str) -> Option<String> {
    let Some((file, heading)) = place.split_once('#') else { return Some(format!("{place} names no heading")) };
    let text = fs::read_to_string(repository().join(file)).unwrap_or_default();
    let is_there = text.lines().any(|line| line.starts_with("##") && line.trim_start_matches('#').trim() == heading);
    (!is_there).then(|| format!("{file} has no heading {heading}"))
}

fn written() -> String {
    fs::read_to_string(repository().join(MAP)).unwrap()
}

#[test]
fn every_requirement_is_shown_or_said() {
    let mistakes = mistakes(&map(&written()));
    assert!(mistakes.is_empty(), "{MAP}:\n{}", mistakes.join("\n"));
}

#[test]
fn a_map_that_is_wrong_is_found() {
    let right = written();
    let found = |from: &str, to: &str, expected: &str| {
        assert!(right.contains(from), "{from}");
        let mistakes = mistakes(&map(&right.replacen(from, to, 1)));
        assert!(mistakes.iter().any(|mistake| mistake.contains(expected)), "{to}: {mistakes:?}");
    };
    found("sql/tests/shape.rs::values_never_reach_the_text", "sql/tests/shape.rs::values_never", "has no test called");
    found("sql/tests/shape.rs::", "sql/tests/nothing.rs::", "is not there");
    found("sql/tests/shape.rs::values_never_reach_the_text", "sql/tests/statements.rs::bless", "is ignored");
    found("sql/tests/shape.rs::values_never_reach_the_text", "sql/tests/ddl.rs::no", "has no test called");
    found("auth.js::a forgotten password", "auth.js::a forgotten thing", "has no check called");
    found("docs/auth.md#Bounds", "docs/auth.md#Boundless", "has no heading");
    found("absent = \"LDAP is not spoken\"", "absent = \"\"", "gives no reason");
    found("\"1.2.6\" =", "\"1.2.60\" =", "1.2.6 is missing");
    found("absent = \"LDAP is not spoken\"", "gap = \"some day\", absent = \"no LDAP\"", "has to have proofs");
}

/// The page: what is shown by what, and what is not.
fn page() -> String {
    let (map, levels) = (map(&written()), wanted());
    let mut rows = String::new();
    let mut counts: BTreeMap<char, [usize; 4]> = BTreeMap::new();
    for (number, requirement) in &map {
        let (place, answer) = match (&requirement.absent, &requirement.gap) {
            (Some(reason), _) => (1, format!("not applicable: {reason}")),
            (_, Some(reason)) => (2, format!("**gap**: {reason}")),
            _ => {
                let proofs = requirement.tests.iter().chain(&requirement.documents);
                (0, proofs.map(|proof| format!("`{proof}`")).collect::<Vec<_>>().join("<br>"))
            }
        };
        let level = levels[number];
        let count = counts.entry(level).or_default();
        count[place] += 1;
        count[3] += 1;
        writeln!(rows, "| {} | {level} | {} | {answer} |", name(number), requirement.about).unwrap();
    }
    let mut page = String::from(
        "# OWASP ASVS 5.0.0, level 2\n\nMade from `docs/asvs.toml` by `cargo test -p pando --test asvs -- --ignored bless`, whose other tests \
         fail where a proof does not exist or is not run. Numbers\nand levels are those of the [standard](https://github.com/OWASP/ASVS) \
         (CC BY-SA 4.0), the words are ours. Files are below `crates/`.\n\n| level | shown | not applicable | gap | all |\n|---|---|---|---|---|\n",
    );
    let mut all = [0; 4];
    for (level, count) in &counts {
        writeln!(page, "| {level} | {} |", count.map(|number| number.to_string()).join(" | ")).unwrap();
        all.iter_mut().zip(count).for_each(|(all, count)| *all += count);
    }
    writeln!(page, "| both | {} |\n", all.map(|number| number.to_string()).join(" | ")).unwrap();
    page.push_str("| number | level | about | shown by |\n|---|---|---|---|\n");
    page + &rows
}

#[test]
fn the_page_is_up_to_date() {
    let written = fs::read_to_string(repository().join(PAGE)).unwrap_or_default();
    assert!(written == page(), "{PAGE} is not what {MAP} says: cargo test -p pando --test asvs -- --ignored bless");
}

#[test]
#[ignore = "writes docs/asvs.md"]
fn bless() {
    fs::write(repository().join(PAGE), page()).unwrap();
}

// What no other test shows --------------------------------------------------------------------------------------------

/// The crates that the program is made of.
fn crates() -> Vec<PathBuf> {
    let folders = fs::read_dir(repository().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.join("Cargo.toml").exists()).collect()
}

#[test]
fn the_program_starts_no_other() {
    let is_a_test = |path: &Path| path.to_string_lossy().contains("test");
    for folder in crates().into_iter().filter(|folder| !is_a_test(Path::new(folder.file_name().unwrap()))) {
        for (path, text) in sources(&folder.join("src")) {
            let path = path.strip_prefix(&folder).unwrap().to_owned();
            assert!(is_a_test(&path) || !text.contains("process::Command"), "{}: {}", folder.display(), path.display());
        }
    }
}

#[test]
fn no_crate_of_the_program_may_be_unsafe() {
    let read = |path: PathBuf| -> toml::Table { fs::read_to_string(path).unwrap().parse().unwrap() };
    let workspace = read(repository().join("Cargo.toml"));
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for folder in crates() {
        let manifest = read(folder.join("Cargo.toml"));
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{}", folder.display());
    }
}

#[test]
fn every_foreign_crate_comes_from_the_registry() {
    let lock: toml::Table = fs::read_to_string(repository().join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let foreign: Vec<_> = packages.iter().filter(|package| package.get("source").is_some()).collect();
    assert!(foreign.len() > 50);
    for package in foreign {
        assert_eq!(
            package["source"].as_str(),
            Some("registry+https://github.com/rust-lang/crates.io-index"),
            "{package}"
        );
        assert!(package["checksum"].as_str().is_some_and(|sum| sum.len() == 64), "{package}");
    }
    let own = crates();
    for package in packages.iter().filter(|package| package.get("source").is_none()) {
        let name = package["name"].as_str().unwrap();
        assert!(own.iter().any(|folder| folder.ends_with(name)), "{name} is neither ours nor of the registry");
    }
}

#[test]
fn columns_are_for_whom_they_were_granted_to() {
    let schema = "create table person (id int primary key, name text, salary int, note text default 'none');
        insert into person values (1, 'Mina', 900, 'x');
        grant select (id, name) on person to anon; grant insert (id, name) on person to anon;
        grant update (name) on person to anon;";
    let project = Project::of("[api]\naggregates = true\n", schema);
    let server = Launch::new(BINARY).start(&project);
    let told = |request: Request| {
        let answer = server.client().send(&request);
        (answer.status, answer.text())
    };
    let get = |query: &str| told(Request::new("GET", &format!("/rest/v1/person?{query}")));
    assert_eq!(get("select=id,name"), (200, r#"[{"id":1,"name":"Mina"}]"#.to_owned()));
    for query in
        ["select=*", "select=salary", "select=id&salary=eq.900", "select=id&order=salary", "select=salary.max()"]
    {
        let (status, text) = get(query);
        assert!(status == 401 && !text.contains("900"), "{query}: {status} {text}");
    }
    let write = |method: &str, path: &str, body| told(Request::json(method, path, &body)).0;
    assert_eq!(write("POST", "/rest/v1/person", json!({"id": 2, "name": "Leo"})), 201);
    assert_eq!(write("POST", "/rest/v1/person", json!({"id": 3, "name": "Leo", "salary": 1})), 401);
    assert_eq!(write("PATCH", "/rest/v1/person?id=eq.1", json!({"name": "Mina L."})), 204);
    assert_eq!(write("PATCH", "/rest/v1/person?id=eq.1", json!({"salary": 1})), 401);
}

#[test]
fn who_is_refused_is_in_the_log() {
    let configuration = "[auth]\njwt_secret = \"0123456789abcdef0123456789abcdef\"\n[auth.login]\nenabled = \"on\"\nconfirm_email = false\n";
    let project = Project::of(configuration, "create table kept (id int primary key);");
    let server = Launch::new(BINARY).start(&project);
    let body = json!({"email": "mina@example.com", "password": "correct horse battery staple"});
    assert_eq!(server.client().send(&Request::json("POST", "/auth/v1/signup", &body)).status, 200);
    let wrong = json!({"email": "mina@example.com", "password": "a wrong password"});
    for (body, expected) in [(&body, "done"), (&wrong, "invalid_credentials")] {
        server.client().send(&Request::json("POST", "/auth/v1/token?grant_type=password", body));
        let is_it =
            |line: &serde_json::Value| line["pando.login.action"] == "password" && line["event.reason"] == expected;
        server.wait_for_where("sign-in", is_it);
    }
    assert_eq!(server.get("/rest/v1/kept").status, 401, "granted to nobody");
    let line = server.wait_for_where("request-finished", |line| line["http.response.status_code"] == 401);
    assert!(line["@timestamp"].is_string() && line["http.request.id"].is_string(), "{line}");
}
