//! `pando migrate check`: what each statement of the migrations becomes, without a database.

use std::io::Write;

use serde::Serialize;
use sql::ddl::{Effect, StatementReading};

use crate::configuration::Prepared;
use crate::database::read_seed;
use crate::migrations::{MigrationError, read_folder};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// What PostgreSQL does with a statement: it is PostgreSQL's own.
const AS_WRITTEN: &str = "as written";

/// What is told, as JSON.
#[derive(Debug, Serialize)]
struct Report {
    statements: Vec<Line>,
    counts: Counts,
}

/// A statement and what becomes of it.
#[derive(Debug, Serialize)]
struct Line {
    file: String,
    line: u64,
    column: u64,
    construct: String,
    postgresql: &'static str,
    sqlite: Embedded,
}

/// What the embedded engine does with it.
#[derive(Debug, Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
enum Embedded {
    Translated,
    CatalogOnly,
    Ignored,
    Rebuilds {
        tables: Vec<String>,
    },
    Refused {
        line: u64,
        column: u64,
        construct: String,
        reason: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        alternative: String,
    },
}

/// How many of each.
#[derive(Debug, Default, Serialize)]
struct Counts {
    statements: usize,
    translated: usize,
    catalog_only: usize,
    ignored: usize,
    rebuilds: usize,
    refused: usize,
}

/// Reads all migrations, and the seed where the configuration names one, and tells of every statement.
pub fn run(prepared: &Prepared, json: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let report = Report::of(prepared)?;
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| CommandError::Failed(error.to_string()))?;
        writeln!(out, "{text}")?;
    } else {
        report.print(style, out)?;
    }
    match report.counts {
        Counts { refused: 0, .. } => Ok(()),
        Counts { refused: count, statements: total, .. } => {
            Err(MigrationError::RefusedStatements { count, total }.into())
        }
    }
}

impl Report {
    fn of(prepared: &Prepared) -> Result<Self, MigrationError> {
        let folder = &prepared.migrations;
        let mut snapshot = sql::ddl::prelude();
        let mut report = Self { statements: Vec::new(), counts: Counts::default() };
        let mut files: Vec<(String, String)> = read_folder(folder)?
            .into_iter()
            .map(|file| (folder.join(&file.name).display().to_string(), file.text))
            .collect();
        if let (Some(path), Some(seed)) = (&prepared.seed, read_seed(prepared)?) {
            files.push((path.display().to_string(), seed.text));
        }
        for (shown, text) in files {
            let reading = sql::ddl::read(&shown, &text, &snapshot);
            snapshot = reading.snapshot;
            reading.statements.into_iter().for_each(|statement| report.add(&shown, statement));
        }
        Ok(report)
    }

    fn add(&mut self, file: &str, statement: StatementReading) {
        let StatementReading { line, column, construct, effect } = statement;
        let sqlite = Embedded::from(effect);
        self.counts.add(&sqlite);
        self.statements.push(Line { file: file.to_owned(), line, column, construct, postgresql: AS_WRITTEN, sqlite });
    }

    fn print(&self, style: Style, out: &mut dyn Write) -> std::io::Result<()> {
        for statement in &self.statements {
            let Line { file, line, construct, postgresql, sqlite, .. } = statement;
            writeln!(out, "{file}:{line}: {}", style.strong(construct))?;
            writeln!(out, "    postgresql: {postgresql}; sqlite: {}", sqlite.told(style))?;
        }
        let Counts { statements, translated, catalog_only, ignored, rebuilds, refused } = self.counts;
        writeln!(
            out,
            "{statements} statements; on sqlite {translated} translated, {catalog_only} for the catalog only, \
             {ignored} ignored, {rebuilds} rebuild a table, {refused} refused"
        )?;
        if refused > 1 {
            writeln!(out, "begin with the first that is refused: later ones may follow from it")?;
        }
        Ok(())
    }
}

impl From<Effect> for Embedded {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Translated => Self::Translated,
            Effect::CatalogOnly => Self::CatalogOnly,
            Effect::Ignored => Self::Ignored,
            Effect::Rebuilds(tables) => Self::Rebuilds { tables: tables.iter().map(ToString::to_string).collect() },
            Effect::Refused(error) => Self::Refused {
                line: error.line,
                column: error.column,
                construct: error.construct,
                reason: error.message,
                alternative: error.alternative,
            },
        }
    }
}

impl Embedded {
    fn told(&self, style: Style) -> String {
        match self {
            Self::Translated => style.good("translated"),
            Self::CatalogOnly => style.good("catalog only"),
            Self::Ignored => style.faint("ignored"),
            Self::Rebuilds { tables } => {
                style.warning(&format!("rebuilds table {} (copies its rows)", tables.join(" and ")))
            }
            Self::Refused { line, column, construct, reason, alternative } => {
                let end = if alternative.is_empty() { String::new() } else { format!("; {alternative}") };
                format!("{} {line}:{column}: {construct}: {reason}{end}", style.bad("refused:"))
            }
        }
    }
}

impl Counts {
    fn add(&mut self, sqlite: &Embedded) {
        self.statements += 1;
        match sqlite {
            Embedded::Translated => self.translated += 1,
            Embedded::CatalogOnly => self.catalog_only += 1,
            Embedded::Ignored => self.ignored += 1,
            Embedded::Rebuilds { .. } => self.rebuilds += 1,
            Embedded::Refused { .. } => self.refused += 1,
        }
    }
}
