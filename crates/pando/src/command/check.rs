//! `pando migrate check`: what each statement of the migrations becomes, without a database.

use std::io::Write;

use serde::Serialize;
use sql::ddl::{DdlError, Effect, Finding, StatementReading};

use crate::configuration::{DatabaseAddress, Prepared};
use crate::database::read_seed;
use crate::migrations::{MigrationError, read_folder};
use crate::outcome::CommandError;
use crate::own_tables::{self, Wishes};
use crate::terminal::Style;

/// What PostgreSQL does with a statement: it is PostgreSQL's own.
const AS_WRITTEN: &str = "as written";
/// But not with one that begins or ends a transaction.
const REFUSED: &str = "refused";

/// What is told, as JSON.
#[derive(Debug, Serialize)]
struct Report {
    statements: Vec<Line>,
    warnings: Vec<Warning>,
    counts: Counts,
    /// What is done on no engine.
    #[serde(skip)]
    transactions: Vec<DdlError>,
}

/// What would hurt a database in use.
#[derive(Debug, Serialize)]
struct Warning {
    file: String,
    line: u64,
    rule: &'static str,
    message: String,
    instead: &'static str,
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
    warnings: usize,
}

/// Reads all migrations, and the seed where the configuration names one, and tells of every statement; and of what would
/// hurt a database in use. On a PostgreSQL server it is no failure that the embedded engine refuses something; `is_strict`
/// makes one of warnings.
pub fn run(
    prepared: &Prepared,
    json: bool,
    is_strict: bool,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let report = Report::of(prepared)?;
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| CommandError::Failed(error.to_string()))?;
        writeln!(out, "{text}")?;
    } else {
        report.print(style, out)?;
    }
    let Counts { refused, statements: total, warnings, .. } = report.counts;
    if refused > 0 && is_embedded(prepared) {
        return Err(MigrationError::RefusedStatements { count: refused, total }.into());
    }
    if let Some(error) = report.transactions.into_iter().next() {
        return Err(MigrationError::Refused(error).into());
    }
    if warnings > 0 && is_strict {
        return Err(MigrationError::Warned { count: warnings }.into());
    }
    Ok(())
}

fn is_embedded(prepared: &Prepared) -> bool {
    matches!(prepared.database, DatabaseAddress::File(_))
}

impl Report {
    fn of(prepared: &Prepared) -> Result<Self, MigrationError> {
        let folder = &prepared.migrations;
        let mut snapshot = own_tables::declared(&prepared.database, Wishes::of(prepared))?;
        let mut report =
            Self { statements: Vec::new(), warnings: Vec::new(), counts: Counts::default(), transactions: Vec::new() };
        let mut files: Vec<(String, String)> = read_folder(folder)?
            .into_iter()
            .map(|file| (folder.join(&file.name).display().to_string(), file.text))
            .collect();
        // Of locks only a server knows.
        let counts = |finding: &Finding| !(is_embedded(prepared) && finding.rule.is_about_locks());
        report.warnings = sql::ddl::lint(&files).into_iter().filter(counts).map(Warning::from).collect();
        report.counts.warnings = report.warnings.len();
        if let (Some(path), Some(seed)) = (&prepared.seed, read_seed(prepared)?) {
            files.push((path.display().to_string(), seed.text));
        }
        for (shown, text) in files {
            report.transactions.extend(sql::ddl::transaction_statements(&shown, &text));
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
        let is_it = |error: &DdlError| error.file == file && (error.line, error.column) == (line, column);
        let postgresql = if self.transactions.iter().any(is_it) { REFUSED } else { AS_WRITTEN };
        self.statements.push(Line { file: file.to_owned(), line, column, construct, postgresql, sqlite });
    }

    fn print(&self, style: Style, out: &mut dyn Write) -> std::io::Result<()> {
        for statement in &self.statements {
            let Line { file, line, construct, postgresql, sqlite, .. } = statement;
            writeln!(out, "{file}:{line}: {}", style.strong(construct))?;
            writeln!(out, "    postgresql: {postgresql}; sqlite: {}", sqlite.told(style))?;
        }
        for Warning { file, line, rule, message, instead } in &self.warnings {
            writeln!(out, "{file}:{line}: {} {message} [{rule}]", style.warning("warning:"))?;
            writeln!(out, "    instead: {instead}")?;
        }
        let Counts { statements, translated, catalog_only, ignored, rebuilds, refused, warnings } = self.counts;
        writeln!(
            out,
            "{statements} statements; on sqlite {translated} translated, {catalog_only} for the catalog only, \
             {ignored} ignored, {rebuilds} rebuild a table, {refused} refused"
        )?;
        if warnings > 0 {
            let what = if warnings == 1 { "warning" } else { "warnings" };
            writeln!(out, "{warnings} {what}; `-- pando: allow RULE` above a statement silences one")?;
        }
        if refused > 1 {
            writeln!(out, "begin with the first that is refused: later ones may follow from it")?;
        }
        Ok(())
    }
}

impl From<Finding> for Warning {
    fn from(finding: Finding) -> Self {
        let Finding { file, line, rule, message } = finding;
        Self { file, line, rule: rule.name(), message, instead: rule.instead() }
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
