//! Checks as a PostgreSQL server prints them.

use std::sync::Arc;

use catalog::{Check, Relation, Snapshot, SourceId};
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::scope::{Level, ScopeSource};
use super::tokens;

/// The longest text that is read. A longer check is left to the server, like everything that is not understood.
const LONGEST: usize = 16 << 10;

/// The check that a server prints as `text`, over the rows of `relation`; `None` for what only the server understands.
pub fn server_check(name: Arc<str>, text: &str, relation: &Relation, snapshot: &Snapshot) -> Option<Check> {
    if text.len() > LONGEST {
        return None;
    }
    let start = Location { line: 1, column: 1 };
    let expr = tokens::expression(&tokens::words(text).ok()?, start).ok()?;
    let row = Level::of(ScopeSource::of_relation(relation, SourceId::ROW, None));
    let expression = Analyzer::new(snapshot, Context::Check, Some(row)).boolean(&expr, "CHECK").ok()?;
    Some(Check { name, expression, domain: None })
}
