//! A migration read statement by statement, to tell what becomes of each: all that is refused, not only the first.

use base::QualifiedName;
use catalog::Snapshot;
use sqlparser::tokenizer::Token;

use super::lint::is_without_transaction;
use super::tokens::{self, Piece};
use super::translation::{Mark, Translation};
use super::{DdlError, problem};

/// So many words name a statement.
const LONGEST_NAME: usize = 8;

/// What a migration's statements become on the embedded engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// One for each statement, in order.
    pub statements: Vec<StatementReading>,
    /// What exists afterwards, as far as nothing was refused.
    pub snapshot: Snapshot,
}

/// A statement of a migration, and what becomes of it on the embedded engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementReading {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The column it begins at, in characters, from 1.
    pub column: u64,
    /// Its first words, as they were written: `CREATE TABLE public.climbs`.
    pub construct: String,
    /// What becomes of it.
    pub effect: Effect,
}

/// What becomes of a statement on the embedded engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// SQLite runs something in its place.
    Translated,
    /// Only the catalog changes: grants, policies, functions, comments.
    CatalogOnly,
    /// It has no effect: owners, settings, extensions that are there anyway, what `IF NOT EXISTS` finds.
    Ignored,
    /// These tables are built anew, which copies their rows.
    Rebuilds(Vec<QualifiedName>),
    /// It cannot be done; nor can the migration.
    Refused(DdlError),
}

/// Reads the migration `text` of the file named `file` over `before`, as [`super::translate`] does, and goes on after a
/// statement that is refused. Statements that need what a refused one would have made are then refused as well.
pub fn read(file: &str, text: &str, before: &Snapshot) -> Reading {
    let pieces = match tokens::split(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(pieces) => pieces,
        Err(problem) => return unreadable(problem.located(file), before),
    };
    let mut translation = Translation::new(before.clone());
    translation.is_without_transaction = is_without_transaction(text);
    let mut statements = Vec::new();
    for piece in &pieces {
        let mark = translation.mark();
        let effect = match translation.apply(piece) {
            Ok(()) => effect(&translation, &mark),
            Err(problem) => {
                translation.go_back(mark);
                Effect::Refused(problem.located(file))
            }
        };
        statements.push(StatementReading {
            line: piece.at.line,
            column: piece.at.column,
            construct: construct(piece),
            effect,
        });
    }
    let snapshot = translation.snapshot.clone();
    // What only the end of a script shows is told of the statement it is about.
    if let Err(problem) = translation.finish() {
        refuse(&mut statements, problem, file);
    }
    Reading { statements, snapshot }
}

fn unreadable(error: DdlError, before: &Snapshot) -> Reading {
    let (line, column, construct) = (error.line, error.column, error.construct.clone());
    let whole = StatementReading { line, column, construct, effect: Effect::Refused(error) };
    Reading { statements: vec![whole], snapshot: before.clone() }
}

fn refuse(statements: &mut [StatementReading], problem: problem::Problem, file: &str) {
    let error = problem.located(file);
    let place = (error.line, error.column);
    if let Some(statement) = statements.iter_mut().rev().find(|statement| (statement.line, statement.column) <= place) {
        statement.effect = Effect::Refused(error);
    }
}

fn effect(translation: &Translation, mark: &Mark) -> Effect {
    let rebuilt = translation.rebuilt_since(mark);
    if !rebuilt.is_empty() {
        return Effect::Rebuilds(rebuilt);
    }
    if translation.has_steps_since(mark) {
        return Effect::Translated;
    }
    if translation.snapshot == *mark.snapshot() { Effect::Ignored } else { Effect::CatalogOnly }
}

/// The statement's first words, up to what is no name.
fn construct(piece: &Piece) -> String {
    let mut text = String::new();
    let mut words = 0;
    let mut after_period = false;
    for token in &piece.tokens {
        match &token.token {
            Token::Period => {
                text.push('.');
                after_period = true;
                continue;
            }
            Token::Word(word) if words < LONGEST_NAME || after_period => {
                if !text.is_empty() && !after_period {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
                words += 1;
                after_period = false;
            }
            _ => break,
        }
    }
    text
}
