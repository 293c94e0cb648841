//! The grammar of `order`.

use super::field::{delimiter, field, field_name};
use super::parser::{Parsed, Parser};
use crate::request::{FieldName, OrderTerm};

/// `column.desc.nullslast,relation(column),...`
pub(super) fn order(parser: &mut Parser<'_>) -> Parsed<Vec<OrderTerm>> {
    parser.separated(
        |parser| parser.lexeme(|parser| parser.either(|parser| parser.attempt(related_term), own_term)),
        |parser| parser.character(',', "\",\""),
    )
}

fn own_term(parser: &mut Parser<'_>) -> Parsed<OrderTerm> {
    let field = field(parser)?;
    rest_of_term(parser, None, field)
}

fn related_term(parser: &mut Parser<'_>) -> Parsed<OrderTerm> {
    let relation = field_name(parser)?;
    parser.character('(', "\"(\"")?;
    let field = field(parser)?;
    parser.character(')', "\")\"")?;
    rest_of_term(parser, Some(relation), field)
}

fn rest_of_term(parser: &mut Parser<'_>, relation: Option<String>, field: FieldName) -> Parsed<OrderTerm> {
    let direction = suffix(parser, [("asc", "\"asc\"", false), ("desc", "\"desc\"", true)])?;
    let nulls_first = suffix(parser, [("nullsfirst", "\"nullsfirst\"", true), ("nullslast", "\"nullslast\"", false)])?;
    parser.either(
        |parser| parser.attempt(|parser| parser.look_ahead(|parser| parser.character(',', "\",\""))),
        Parser::end,
    )?;
    Ok(OrderTerm { relation, field, is_descending: direction.unwrap_or(false), nulls_first })
}

/// One of two words after a dot, or nothing.
fn suffix(parser: &mut Parser<'_>, words: [(&'static str, &'static str, bool); 2]) -> Parsed<Option<bool>> {
    for (word, label, value) in words {
        let found = parser.optional(|parser| {
            parser.attempt(|parser| {
                delimiter(parser)?;
                parser.string(word, label)
            })
        })?;
        if found.is_some() {
            return Ok(Some(value));
        }
    }
    Ok(None)
}
