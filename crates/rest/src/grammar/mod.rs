//! The little languages inside the query string, each in its own file, all over [`parser::Parser`].
//!
//! Unlike PostgREST, every text has to be understood to its end: `select=code)` and `id=is.nullx` are refused
//! instead of being cut off silently.

mod columns;
mod field;
mod filter;
mod logic;
mod order;
mod parser;
mod print;
mod select;
#[cfg(test)]
mod tests;

use parser::Parser;

use crate::fault::Fault;
use crate::request::{Condition, EmbedPath, Filter, OrderTerm, PlacedCondition, SelectItem};
use crate::settings::Limits;

/// Parses `select`.
pub(crate) fn parse_select(text: &str, limits: &Limits) -> Result<Vec<SelectItem>, Fault> {
    Parser::new(text, limits).run("failed to parse select parameter", text, select::select)
}

/// Parses `columns` or `on_conflict`; `name` says which.
pub(crate) fn parse_columns(name: &str, text: &str, limits: &Limits) -> Result<Vec<String>, Fault> {
    let what = format!("failed to parse {name} parameter");
    Parser::new(text, limits).run(&what, text, columns::columns)
}

/// Parses the name of an `order`, `limit` or `offset` parameter: the level that it is for.
pub(crate) fn parse_level(name: &str, limits: &Limits) -> Result<EmbedPath, Fault> {
    parse_tree_path(name, limits).map(|(path, _)| path)
}

/// Parses an `order` parameter.
pub(crate) fn parse_order(name: &str, text: &str, limits: &Limits) -> Result<(EmbedPath, Vec<OrderTerm>), Fault> {
    let path = parse_level(name, limits)?;
    let terms = Parser::new(text, limits).run("failed to parse order", text, order::order)?;
    Ok((path, terms))
}

/// Parses a filter.
pub(crate) fn parse_filter(name: &str, text: &str, limits: &Limits) -> Result<PlacedCondition, Fault> {
    let (path, field) = parse_tree_path(name, limits)?;
    let (is_negated, operation) = Parser::new(text, limits)
        .run("failed to parse filter", text, |parser| filter::expression(parser, filter::Place::Parameter))?;
    Ok(PlacedCondition { path, condition: Condition::Filter(Filter { field, is_negated, operation }) })
}

/// Parses a logic tree.
pub(crate) fn parse_logic(name: &str, text: &str, limits: &Limits) -> Result<PlacedCondition, Fault> {
    let head = Parser::new(name, limits).run("failed to parse logic path", name, logic::logic_path)?;
    if head.negations > 1 {
        // PostgREST takes any number for one, which turns the meaning around.
        return Err(Fault::Query {
            message: format!("\"failed to parse logic path ({name})\" (line 1, column 1)"),
            details: "unexpected second \"not\"".to_owned(),
        });
    }
    // The operator stands in the name, but belongs to the tree; columns are counted from it.
    let negation = if head.negations == 1 { "not." } else { "" };
    let operator = if head.is_or { "or" } else { "and" };
    let whole = format!("{negation}{operator}{text}");
    let condition = Parser::new(&whole, limits).run("failed to parse logic tree", text, logic::tree)?;
    Ok(PlacedCondition { path: head.path, condition })
}

fn parse_tree_path(name: &str, limits: &Limits) -> Result<(EmbedPath, crate::request::FieldName), Fault> {
    Parser::new(name, limits).run("failed to parse tree path", name, field::tree_path)
}
