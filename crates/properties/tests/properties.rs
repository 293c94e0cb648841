//! The properties over the committed corpus of the fuzzers, over random input, and what they cost.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use properties::{ALL, Property};
use proptest::prelude::*;

fn property(name: &str) -> Property {
    ALL.iter().find(|(found, _)| *found == name).expect("a property").1
}

/// Every file that a fuzzer kept, or that a finding left behind, goes on holding.
#[test]
fn the_corpus_holds() {
    for (name, property) in ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let files: Vec<_> = std::fs::read_dir(&folder).expect("a corpus").map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 5, "{name} has only {} files", files.len());
        for file in files {
            property(&std::fs::read(&file).unwrap());
        }
    }
}

/// What is particular to each grammar, to be put together at random.
fn words(name: &str) -> &'static [&'static str] {
    match name {
        "select" => &[
            "a", "b_1", "*", ",", ":", "::text", "->", "->>", "'x y'", "\"a,b\"", "(", ")", "!inner", "!hint", "...",
            ".sum()", "count()", "0", "-1", " ", "é",
        ],
        "json_path" => &["a", "->", "->>", "b", "0", "-1", "\"x->y\"", "'", " ", "é", ".", ":"],
        "logic" => &[
            "(",
            ")",
            ",",
            "a.eq.1",
            "b.in.(1,2)",
            "not.",
            "and",
            "or",
            "c.is.null",
            "d.like(any).{x,y}",
            "\"x,y\"",
            "e->>f.gt.3",
            "\\",
            ".",
        ],
        "prefer" => &[
            "return=representation",
            "return=minimal",
            "count=exact",
            "handling=strict",
            "max-affected=3",
            "tx=rollback",
            "timezone=Europe/Berlin",
            "missing=default",
            ",",
            " ",
            ";",
            "=",
            "x",
            "resolution=merge-duplicates",
        ],
        "range" => &["0", "-", "9", "10", "99999999999999999999", " ", "=", "bytes", "items"],
        "query" => &[
            "select=",
            "a",
            "*",
            "&",
            "=",
            "eq.1",
            "a=eq.1",
            "&b=not.lt.x",
            "order=",
            ".desc",
            ".nullsfirst",
            "limit=",
            "offset=",
            "1",
            "x.",
            "and=",
            "or=",
            "(",
            ")",
            ",",
            "a.eq.1",
            "%20",
            "%C3%A9",
            "%",
            "+",
            ";",
            "not.",
        ],
        _ => &[
            "create table t (id int primary key, a text);",
            "create view v as select",
            "create function f(n int) returns int language sql as",
            "$$",
            "select",
            "n",
            "+",
            "1",
            "from",
            "t",
            "where",
            "a",
            "=",
            "'x'",
            "alter table t",
            "add column",
            "b",
            "int",
            "drop column",
            "rename to",
            "u",
            ";",
            "(",
            ")",
            ",",
            "create trigger g before insert on t for each row execute function h();",
            "create function h() returns trigger language plpgsql as",
            "begin",
            "new.a",
            ":=",
            "return new;",
            "end",
            "if",
            "then",
            "end if;",
            "create policy p on t using",
            "create domain d as text check",
            "value",
            "<>",
            "grant select on t to anon;",
            "create index on t",
            "insert into t",
            "values",
            "update t set",
            "delete from",
            "interval '1 day'",
            "now()",
            "case when",
            "else",
            "with c as",
            "union all",
            "limit",
            "\"",
            "'",
            "--",
            "\n",
        ],
    }
}

fn text(name: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(words(name)).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
    ];
    let glue = if name == "ddl" { " " } else { "" };
    prop::collection::vec(piece, 0..24).prop_map(move |pieces| pieces.join(glue))
}

macro_rules! holds {
    ($($test:ident $name:literal)*) => {
        proptest! {
            $(
                #[test]
                fn $test(text in text($name)) {
                    property($name)(text.as_bytes());
                }
            )*
        }
    };
}

holds! {
    any_query_holds "query"
    any_select_holds "select"
    any_json_path_holds "json_path"
    any_logic_tree_holds "logic"
    any_preference_holds "prefer"
    any_range_holds "range"
    any_migration_holds "ddl"
}

/// The bytes that reading an input allocates: a measure of its cost that no other program disturbs.
fn cost(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).bytes_total
}

/// An input ten times longer costs at most about twelve times as much.
#[test]
fn cost_grows_with_length_alone() {
    let repeated = |part: &str, times: usize, between: &str| vec![part; times].join(between);
    // Below the limits of each grammar, beyond which everything is refused at once.
    let cases: [(&str, &str, &str, &str, &str, usize); 19] = [
        ("select", "", "a", ",", "", 40),
        ("select", "", "a:b->c::text", ",", "", 40),
        ("select", "", "r!inner(a)", ",", "", 40),
        ("select", "", "\"quoted name\"", ",", "", 40),
        ("select", "", "\"", "", "", 400),
        ("json_path", "", "a", "", "", 100),
        ("logic", "(", "a.eq.1", ",", ")", 20),
        ("logic", "(", "not.a.in.(1,2)", ",", ")", 20),
        ("logic", "(", "or(a.eq.1", ",", "", 10),
        ("prefer", "", "count=exact", ",", "", 20),
        ("range", "", "9", "", "", 20),
        ("query", "", "a=eq.1", "&", "", 20),
        ("query", "", "%C3%A9=1", "&", "", 20),
        ("ddl", "", "create table t (id int);", "\n", "", 10),
        ("ddl", "create table t (", "a int", ", b int, ", ");", 10),
        ("ddl", "create view v as select ", "1 + 2", ", ", ";", 20),
        ("ddl", "create view v as select ", "1", " + ", ";", 20),
        ("ddl", "create table t (a int); insert into t values ", "(1)", ", ", ";", 50),
        ("ddl", "create table t (a int); create view v as select * from t where ", "a = 1", " or ", ";", 20),
    ];
    for (name, before, part, between, after, times) in cases {
        let input = |times| format!("{before}{}{after}", repeated(part, times, between));
        let (short, long) = (input(times), input(times * 10));
        property(name)(short.as_bytes());
        let (one, ten) = (cost(|| property(name)(short.as_bytes())), cost(|| property(name)(long.as_bytes())));
        assert!(ten <= 12 * one + 4_096, "{name} {part:?}: {one} bytes for {times}, {ten} for ten times as many");
    }
}
