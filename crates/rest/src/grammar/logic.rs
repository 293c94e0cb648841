//! The grammar of logic trees: `and=(a.eq.1,or(b.gt.2,not.and(...)))`.

use super::field::{delimiter, field, field_name};
use super::filter::{Place, expression};
use super::parser::{Failed, Parsed, Parser};
use crate::request::{Condition, Filter};

/// The name of a logic parameter: embeds, `not`, and `and` or `or`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogicPath {
    pub(super) path: Vec<String>,
    pub(super) negations: usize,
    pub(super) is_or: bool,
}

/// `embed.not.or`; `not` may stand anywhere before the operator.
pub(super) fn logic_path(parser: &mut Parser<'_>) -> Parsed<LogicPath> {
    let mut names = parser.separated(field_name, delimiter)?;
    let operator = names.pop().ok_or(Failed)?;
    let all = names.len();
    names.retain(|name| name != "not");
    Ok(LogicPath { negations: all - names.len(), path: names, is_or: operator == "or" })
}

/// A tree that begins with its operator: `or(...)`, `not.and(...)`.
pub(super) fn tree(parser: &mut Parser<'_>) -> Parsed<Condition> {
    branches(parser, 1)
}

fn branch(parser: &mut Parser<'_>, depth: u64) -> Parsed<Condition> {
    parser.either(|parser| parser.attempt(filter).map(Condition::Filter), |parser| branches(parser, depth))
}

fn filter(parser: &mut Parser<'_>) -> Parsed<Filter> {
    let field = field(parser)?;
    delimiter(parser)?;
    let (is_negated, operation) = expression(parser, Place::Tree)?;
    Ok(Filter { field, is_negated, operation })
}

fn branches(parser: &mut Parser<'_>, depth: u64) -> Parsed<Condition> {
    let limit = parser.limits.max_logic_depth;
    if limit.is_exceeded_by(depth) {
        return Err(parser.exceed("The depth of a logic tree", limit));
    }
    let is_negated = parser.labelled("negation operator (not)", |parser| {
        parser.optional(|parser| {
            parser.attempt(|parser| {
                parser.string("not", "\"not\"")?;
                delimiter(parser)
            })
        })
    })?;
    let is_or = parser.labelled("logic operator (and, or)", |parser| {
        parser.either(
            |parser| parser.attempt(|parser| parser.string("and", "\"and\"")).map(|()| false),
            |parser| parser.string("or", "\"or\"").map(|()| true),
        )
    })?;
    parser.lexeme(|parser| parser.character('(', "\"(\""))?;
    let children = parser.separated(
        |parser| branch(parser, depth + 1),
        |parser| parser.lexeme(|parser| parser.character(',', "\",\"")),
    )?;
    parser.lexeme(|parser| parser.character(')', "\")\""))?;
    Ok(Condition::Logic { is_negated: is_negated.is_some(), is_or, children })
}
