//! Every line of `tests/equality/*.sql` as the body of a view: on a real PostgreSQL, which the test starts, and through
//! Pando. The answers have the same type and the same JSON, or the same SQLSTATE, or Pando refuses the view when the
//! migration is read; then the line stands in `tests/equality/differences.md` with what is said instead.
//!
//! A line is an expression over the row `s` and the row `e`, or a whole `SELECT` of one column `value`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is how a test fails"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use base::QualifiedName;
use serde_json::value::RawValue;
use support::{Fixture, anon, migration};
use testkit::{Postgres, is_skipped, repository};

/// Where the lines are.
const FOLDER: &str = "tests/equality";
/// Fewer would mean that files are not found.
const FEWEST_LINES: usize = 600;
/// The SQLSTATE of what PostgreSQL, and Pando, does not support.
const NOT_SUPPORTED: &str = "0A000";
/// How the sentence begins about what is refused for the values that are met, not for the view.
const WHEN_READ: &str = "when it is read:";
/// The time zones of the requests.
const ZONES: [&str; 2] = ["UTC", "America/New_York"];
/// At most one line in so many may be refused.
const REFUSED_SHARE: usize = 8;

/// What an engine says to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The type and the values of the rows, as JSON texts.
    Rows(String, Vec<String>),
    /// The view exists, reading it fails: the SQLSTATE.
    Failed(String),
    /// The view is refused: by PostgreSQL with a SQLSTATE, by Pando with a sentence.
    Refused(String),
}

struct Line {
    file: String,
    text: String,
}

impl Line {
    /// The query of the view.
    fn query(&self) -> String {
        if self.text.starts_with("SELECT ") {
            return self.text.clone();
        }
        format!("SELECT {} AS value FROM s CROSS JOIN e", self.text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_are_worth_the_same_on_both_engines() {
    let Some(compared) = Compared::all("expressions_are_worth_the_same_on_both_engines").await else { return };
    eprintln!("{}", compared.summary());
    assert!(compared.wrong.is_empty(), "{} lines differ:\n{}", compared.wrong.len(), compared.wrong.join("\n"));
    assert!(compared.count >= FEWEST_LINES, "only {} lines", compared.count);
    assert!(compared.refused.len() * REFUSED_SHARE <= compared.count, "{} lines are refused", compared.refused.len());
    let written = fs::read_to_string(differences()).unwrap_or_default();
    assert!(written == compared.page(), "differences.md is not what was found; `just bless` writes it anew");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes tests/equality/differences.md: just bless"]
async fn bless() {
    let compared = Compared::all("bless").await.expect("PostgreSQL is needed");
    fs::write(differences(), compared.page()).unwrap();
}

fn differences() -> PathBuf {
    repository().join(FOLDER).join("differences.md")
}

/// What was found.
struct Compared {
    count: usize,
    same: usize,
    both_refuse: usize,
    /// What Pando refuses and PostgreSQL does not: file, line, why.
    refused: Vec<(String, String, String)>,
    wrong: Vec<String>,
}

impl Compared {
    async fn all(test: &str) -> Option<Self> {
        let postgres = Postgres::start();
        let hint = "install it: apt-get install postgresql-15";
        if is_skipped(test, postgres.is_none(), "PostgreSQL", hint) {
            return None;
        }
        let postgres = postgres.unwrap();
        let schema = fs::read_to_string(repository().join(FOLDER).join("schema.sql")).unwrap();
        postgres.run(&format!("{schema}\n{JUDGE}"));
        let lines = lines();
        let pando = Pando::with(&schema, &lines).await;
        let mut found = Self { count: lines.len(), same: 0, both_refuse: 0, refused: Vec::new(), wrong: Vec::new() };
        for zone in ZONES {
            let theirs = ask_postgres(&postgres, zone, &lines);
            let ours = pando.ask(zone).await;
            for (line, (theirs, ours)) in lines.iter().zip(theirs.into_iter().zip(ours)) {
                found.compare(line, zone, theirs, ours);
            }
        }
        found.same /= ZONES.len();
        found.both_refuse /= ZONES.len();
        found.refused.sort();
        found.refused.dedup();
        Some(found)
    }

    fn compare(&mut self, line: &Line, zone: &str, theirs: Answer, ours: Answer) {
        match (theirs, ours) {
            (Answer::Failed(code), Answer::Refused(why)) if why.starts_with(WHEN_READ) => {
                // An error here has to be the same error.
                if code == NOT_SUPPORTED {
                    self.same += 1;
                } else {
                    self.wrong.push(format!("{}: {}\n    PostgreSQL {code}\n    Pando {why}", line.file, line.text));
                }
            }
            (Answer::Refused(_), Answer::Refused(_)) => self.both_refuse += 1,
            (_, Answer::Refused(why)) => self.refused.push((line.file.clone(), line.text.clone(), why)),
            (theirs, ours) if theirs == ours => self.same += 1,
            (theirs, ours) => {
                let Line { file, text } = line;
                let answers = format!("    PostgreSQL {theirs:?}\n    Pando      {ours:?}");
                self.wrong.push(format!("{file}, in {zone}: {text}\n{answers}"));
            }
        }
    }

    fn summary(&self) -> String {
        let Self { count, same, both_refuse, refused, wrong } = self;
        format!(
            "{count} lines: {same} the same, {both_refuse} refused by both, {} refused by Pando alone, {} different",
            refused.len(),
            wrong.len()
        )
    }

    /// The table of what is refused.
    fn page(&self) -> String {
        let mut page = "# What Pando refuses and PostgreSQL does not\n\n\
            Generated by `crates/store/tests/equality.rs`, which evaluates every line of this folder on PostgreSQL and \
            through Pando: all others have the same type and value, or fail with the same SQLSTATE. These are refused \
            when the migration is read.\n"
            .to_owned();
        let _ = writeln!(page, "\n{}, {} of them answered alike.", self.count_words(), self.same + self.both_refuse);
        let mut files: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (file, text, why) in &self.refused {
            files.entry(file).or_default().push((text, why));
        }
        for (file, rows) in files {
            let _ = write!(page, "\n## {file}\n\n| expression | what Pando says |\n|---|---|\n");
            for (text, why) in rows {
                let _ = writeln!(page, "| `{}` | {} |", cell(text), cell(why));
            }
        }
        page
    }

    fn count_words(&self) -> String {
        format!("{} lines", self.count)
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The lines of all files, in the order of their names.
fn lines() -> Vec<Line> {
    let mut paths: Vec<PathBuf> = fs::read_dir(repository().join(FOLDER))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter(|path| path.file_name().is_some_and(|name| name != "schema.sql"))
        .collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let real = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("--"));
        lines.extend(real.map(|text| Line { file: file.clone(), text: text.to_owned() }));
    }
    lines
}

/// Makes a view of a line in UTC, reads it in a zone, and tells what came of it in one text.
const JUDGE: &str = r"
CREATE FUNCTION judge(query text, zone text) RETURNS json LANGUAGE plpgsql AS $judge$
DECLARE found text; kind text;
BEGIN
  DROP VIEW IF EXISTS judged;
  PERFORM set_config('timezone', 'UTC', false);
  BEGIN
    EXECUTE 'CREATE TEMP VIEW judged AS ' || query;
  EXCEPTION WHEN OTHERS THEN
    RETURN json_build_array('refused', SQLSTATE, SQLERRM);
  END;
  PERFORM set_config('timezone', zone, false);
  SELECT format_type(atttypid, NULL) INTO kind FROM pg_attribute WHERE attrelid = 'judged'::regclass AND attnum = 1;
  BEGIN
    EXECUTE 'SELECT coalesce(json_agg(value), ''[]'')::text FROM judged' INTO found;
  EXCEPTION WHEN OTHERS THEN
    RETURN json_build_array('failed', SQLSTATE, SQLERRM);
  END;
  RETURN json_build_array('rows', kind, found);
END $judge$;
";

fn ask_postgres(postgres: &Postgres, zone: &str, lines: &[Line]) -> Vec<Answer> {
    let mut script = "SET client_min_messages = error;\n".to_owned();
    for line in lines {
        let _ = writeln!(script, "SELECT judge($line${}$line$, '{zone}');", line.query());
    }
    let printed = postgres.run(&script);
    let answers: Vec<Answer> = printed.lines().map(postgres_answer).collect();
    assert_eq!(answers.len(), lines.len(), "PostgreSQL answers every line");
    answers
}

fn postgres_answer(printed: &str) -> Answer {
    let [outcome, code, rest]: [String; 3] = serde_json::from_str(printed).expect(printed);
    match outcome.as_str() {
        "refused" => Answer::Refused(format!("{code} {rest}")),
        "failed" => Answer::Failed(code),
        _ => {
            let rows: Vec<&RawValue> = serde_json::from_str(&rest).expect("JSON");
            Answer::Rows(code, rows.into_iter().map(|row| row.get().to_owned()).collect())
        }
    }
}

/// Pando with a view for every line that it accepts.
struct Pando {
    fixture: Fixture,
    /// Why a line is refused, where it is.
    refusals: Vec<Option<String>>,
}

impl Pando {
    async fn with(schema: &str, lines: &[Line]) -> Self {
        let fixture = Fixture::with(schema).await;
        let base = fixture.store.catalog();
        let mut views = String::new();
        let mut refusals = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let view = format!("CREATE VIEW v{index} AS {};\n", line.query());
            refusals.push(match sql::ddl::translate("line.sql", &view, base.snapshot()) {
                Ok(_) => {
                    let _ = writeln!(views, "{view}GRANT SELECT ON v{index} TO anon;");
                    None
                }
                Err(error) if error.alternative.is_empty() => Some(format!("{}: {}", error.construct, error.message)),
                Err(error) => Some(format!("{}: {}; {}", error.construct, error.message, error.alternative)),
            });
        }
        let migration = migration(2, &views, &*fixture.store);
        fixture.store.apply_migration(migration).await.expect("the views are made");
        Self { fixture, refusals }
    }

    /// Reads all views in a time zone.
    async fn ask(&self, zone: &str) -> Vec<Answer> {
        let catalog = self.fixture.store.catalog();
        let mut answers = Vec::new();
        for (index, refusal) in self.refusals.iter().enumerate() {
            if let Some(why) = refusal {
                answers.push(Answer::Refused(why.clone()));
                continue;
            }
            let relation = &catalog.snapshot().relations[&QualifiedName::new("public", format!("v{index}").as_str())];
            let kind = relation.columns[0].data_type.name().to_owned();
            let (url, prefer) = (format!("/v{index}?select=value"), format!("timezone={zone}"));
            answers.push(match self.fixture.ask(&anon(), "GET", &url, "", &prefer).await {
                // Some values cannot be refused before they are there.
                Err(failure) if failure.code == NOT_SUPPORTED => {
                    Answer::Refused(format!("{WHEN_READ} {}", failure.message))
                }
                Err(failure) => Answer::Failed(failure.code.to_string()),
                Ok(answer) => Answer::Rows(kind, values(&answer.body)),
            });
        }
        answers
    }
}

/// The texts of the values in `[{"value":...}]`.
fn values(body: &str) -> Vec<String> {
    let rows: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(body).expect(body);
    rows.iter().map(|row| row["value"].get().to_owned()).collect()
}
