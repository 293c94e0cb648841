//! Migrations: golden files, refusals, the corpus, and SQLite's own judgement.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "ddl_support/catalog_print.rs"]
mod catalog_print;
#[path = "ddl_support/engine.rs"]
mod engine;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use catalog::Snapshot;
use proptest::prelude::*;
use sql::ddl::{Script, Step, prelude, translate};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn statements(script: &Script) -> Vec<String> {
    let text = |step: &Step| match step {
        Step::Sqlite(text) => text.clone(),
        Step::Guard { query, message } => format!("-- guard: {message}\n{query}"),
    };
    script.statements.iter().map(text).collect()
}

/// Translates and has SQLite run the outcome.
fn run(file: &str, text: &str, before: &Snapshot, connection: &rusqlite::Connection) -> Script {
    let script = translate(file, text, before).unwrap_or_else(|error| panic!("{error}"));
    engine::register_enums(connection, &script.snapshot);
    let keys = if script.rebuilds { "PRAGMA foreign_keys = OFF" } else { "PRAGMA foreign_keys = ON" };
    connection.execute_batch(keys).expect("a pragma");
    for statement in &statements(&script) {
        connection.execute_batch(statement).unwrap_or_else(|error| panic!("{file}: {error}\n{statement}"));
    }
    engine::check_views(connection, &script.snapshot);
    script
}

/// What the golden file of a migration holds.
fn printed(script: &Script) -> String {
    let mut text = String::from("-- SQLite\n");
    for statement in statements(script) {
        let _ = writeln!(text, "{statement};");
    }
    text.push_str("-- catalog\n");
    text.push_str(&catalog_print::print(&script.snapshot));
    text
}

/// The migrations under `tests/ddl`, in the order of their names.
fn migrations() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder("tests/ddl"))
        .expect("the folder of the golden files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    files
}

#[test]
fn migrations_translate_as_recorded() {
    for path in migrations() {
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let script = run(file, &read(&path), &prelude(), &engine::open());
        let recorded = read(&path.with_extension("txt"));
        assert_eq!(printed(&script), recorded, "{file}: look at the difference, then run the test `bless`");
    }
}

/// Records what the translation gives now: `cargo test -p sql --test ddl bless -- --ignored`.
#[test]
#[ignore = "writes the golden files"]
fn bless() {
    for path in migrations() {
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let script = run(file, &read(&path), &prelude(), &engine::open());
        std::fs::write(path.with_extension("txt"), printed(&script)).expect("writable");
    }
}

#[test]
fn the_corpus_translates_and_loads() {
    let corpus = folder("../../tests/conformance/corpus");
    let connection = engine::open();
    let schema = run("schema.sql", &read(&corpus.join("schema.sql")), &prelude(), &connection);
    let data = run("data.sql", &read(&corpus.join("data.sql")), &schema.snapshot, &connection);
    assert_eq!(schema.snapshot, data.snapshot);
    assert_eq!(schema.snapshot.relations.len(), 23);
    let count: i64 = connection.query_row("SELECT count(*) FROM parcels", [], |row| row.get(0)).expect("a count");
    assert_eq!(count, 60);
    let violations: i64 =
        connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).expect("a count");
    assert_eq!(violations, 0);
}

/// In `refusals.table`, what stands before `=>` is the migration, behind it the place and words of the message.
#[test]
fn refusals_name_place_construct_and_alternative() {
    let table = read(&folder("tests/ddl/refusals.table"));
    let mut failures = Vec::new();
    for case in table.split("\n---\n") {
        let case = case.trim_end();
        let Some((text, wanted)) = case.rsplit_once("\n=> ") else { panic!("no => in: {case}") };
        match translate("m.sql", text, &prelude()) {
            Ok(_) => failures.push(format!("accepted: {text}")),
            Err(error) => {
                let error = error.to_string();
                let missing: Vec<&str> = wanted.split(" | ").filter(|words| !error.contains(words)).collect();
                if !missing.is_empty() || error.contains(":0:") {
                    failures.push(format!("{missing:?} not in: {error}\n{text}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn an_error_leaves_nothing_behind() {
    let before = prelude();
    let error = translate("m.sql", "create table a (id int);\ncreate table b (id inet);", &before).expect_err("inet");
    assert_eq!((error.line, error.column), (2, 20));
    assert_eq!(error.construct, "inet");
    assert_eq!(before, prelude());
}

#[test]
fn scripts_build_on_one_another() {
    let connection = engine::open();
    let first = run("1.sql", "create table a (id bigint primary key, b text);", &prelude(), &connection);
    let second = run("2.sql", "create view v as select * from a;", &first.snapshot, &connection);
    let error = translate("3.sql", "drop table a;", &second.snapshot).expect_err("the view is in the way");
    assert!(error.message.contains("other objects depend on it: view v"), "{error}");
    run("3.sql", "drop table a cascade;", &second.snapshot, &connection);
}

/// Words that make statements likely to get far.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("create"),
        Just("table"),
        Just("t"),
        Just("("),
        Just(")"),
        Just("id"),
        Just("bigint"),
        Just("primary"),
        Just("key"),
        Just(","),
        Just("text"),
        Just("default"),
        Just("'x'"),
        Just("1"),
        Just("::"),
        Just("view"),
        Just("as"),
        Just("select"),
        Just("from"),
        Just("where"),
        Just("*"),
        Just("="),
        Just("and"),
        Just("not"),
        Just("null"),
        Just(";"),
        Just("grant"),
        Just("on"),
        Just("to"),
        Just("anon"),
        Just("policy"),
        Just("using"),
        Just("insert"),
        Just("into"),
        Just("values"),
        Just("union"),
        Just("group"),
        Just("by"),
        Just("count(*)"),
        Just("join"),
        Just("alter"),
        Just("add"),
        Just("column"),
        Just("drop"),
        Just("references"),
        Just("check"),
        Just("numeric"),
        Just("-"),
        Just("case"),
        Just("when"),
        Just("then"),
        Just("end"),
        Just("in"),
        Just("exists"),
        Just("->>"),
        Just("order"),
        Just("limit"),
        Just("comment"),
        Just("is"),
        Just("unique"),
        Just("index"),
        Just("generated"),
        Just("always"),
        Just("stored"),
        Just("identity"),
        Just("$$"),
        Just("'"),
        Just("\""),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = translate("m.sql", &text, &prelude());
    }

    #[test]
    fn no_words_panic(text in words()) {
        let base = "create table t (id bigint primary key, a text, n numeric(5,2)); ";
        let _ = translate("m.sql", &format!("{base}{text}"), &prelude());
    }

    #[test]
    fn what_is_accepted_runs(text in words()) {
        let base = "create table t (id bigint primary key, a text, n numeric(5,2)); ";
        let connection = engine::open();
        if let Ok(script) = translate("m.sql", &format!("{base}{text}"), &prelude()) {
            for statement in statements(&script) {
                // Rows may violate constraints; the statement itself must be SQLite's.
                prop_assert!(connection.prepare(&statement).is_ok(), "{statement}");
                let _ = connection.execute_batch(&statement);
            }
        }
    }
}

#[test]
fn depth_is_bounded() {
    let sum = format!("create table t (a int check (a > {}));", vec!["1"; 20_000].join(" + "));
    assert!(translate("m.sql", &sum, &prelude()).is_err());
    let sum = format!("create table t (a int check (a > {}));", vec!["1"; 1_400].join(" + "));
    assert!(translate("m.sql", &sum, &prelude()).is_err());
    let parentheses = format!("create table t (a int check ({}a{} > 1));", "(".repeat(5_000), ")".repeat(5_000));
    assert!(translate("m.sql", &parentheses, &prelude()).is_err());
    let conditions = format!("create table t (a int check ({}));", vec!["a > 1"; 500].join(" and "));
    assert!(translate("m.sql", &conditions, &prelude()).is_ok());
}
