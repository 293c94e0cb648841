//! `pando doctor`: looks everything over that a server needs, changes nothing, and says what to do.

mod files;
mod machine;
mod schema;

use std::io::Write;

use base::SystemClock;
use serde::Serialize;

use crate::configuration::{ConfigError, Prepared, Sources, load};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It works, and should be looked at.
    Warning,
    /// It is wrong.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at, in a word that stays the same.
    check: &'static str,
    grade: Grade,
    /// What is the case.
    text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// What was found up to now.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push(Finding { check, grade: Grade::Ok, text: text.into(), advice: None });
    }

    fn note(&mut self, check: &'static str, text: impl Into<String>, advice: &str) {
        self.0.push(Finding { check, grade: Grade::Note, text: text.into(), advice: Some(advice.to_owned()) });
    }

    fn warning(&mut self, check: &'static str, text: impl Into<String>, advice: &str) {
        self.0.push(Finding { check, grade: Grade::Warning, text: text.into(), advice: Some(advice.to_owned()) });
    }

    fn error(&mut self, check: &'static str, text: impl Into<String>, advice: &str) {
        self.0.push(Finding { check, grade: Grade::Error, text: text.into(), advice: Some(advice.to_owned()) });
    }

    fn count(&self, grade: Grade) -> usize {
        self.0.iter().filter(|finding| finding.grade == grade).count()
    }
}

/// Looks everything over and prints what it found.
pub fn run(json: bool, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut findings = Findings::default();
    if let Some(prepared) = configuration(sources, &mut findings) {
        let file = prepared.database.file("ask PostgreSQL's own views")?;
        let examined = files::look(file, &mut findings)?;
        schema::look(&prepared, examined.as_ref(), &mut findings);
        machine::look(file, examined.as_ref(), &SystemClock, &mut findings);
    }
    let errors = findings.count(Grade::Error);
    if json {
        let document = serde_json::json!({ "ok": errors == 0, "findings": findings.0 });
        writeln!(out, "{document:#}")?;
    } else {
        print(&findings, style, out)?;
    }
    match errors {
        0 => Ok(()),
        1 => Err(CommandError::Failed("one thing is wrong".to_owned())),
        many => Err(CommandError::Failed(format!("{many} things are wrong"))),
    }
}

fn configuration(sources: &Sources, findings: &mut Findings) -> Option<Prepared> {
    let mut refuse = |error: ConfigError| {
        for problem in error.problems {
            findings.error("configuration", problem.to_string(), "correct it; `pando config check` looks again");
        }
    };
    let loaded = load(sources).map_err(&mut refuse).ok()?;
    let prepared = Prepared::new(&loaded, None).map_err(&mut refuse).ok()?;
    for warning in &prepared.warnings {
        findings.warning("configuration", warning.as_str(), "see docs/reference/configuration.md");
    }
    if prepared.warnings.is_empty() {
        let file = loaded.file.as_ref().map_or_else(|| "the default".to_owned(), |file| file.display().to_string());
        findings.ok("configuration", format!("{file} has no mistakes"));
    }
    Some(prepared)
}

fn print(findings: &Findings, style: Style, out: &mut dyn Write) -> std::io::Result<()> {
    for Finding { check, grade, text, advice } in &findings.0 {
        let (word, painted): (&str, fn(Style, &str) -> String) = match grade {
            Grade::Ok => ("ok", Style::good),
            Grade::Note => ("note", Style::strong),
            Grade::Warning => ("warning", Style::warning),
            Grade::Error => ("error", Style::bad),
        };
        writeln!(out, "{}  {check}: {text}", painted(style, &format!("{word:<7}")))?;
        if let Some(advice) = advice {
            writeln!(out, "{}", style.faint(&format!("         {advice}")))?;
        }
    }
    let (warnings, errors) = (findings.count(Grade::Warning), findings.count(Grade::Error));
    writeln!(out, "\n{errors} wrong, {warnings} to look at")
}
