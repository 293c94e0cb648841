//! The grammar of filters: `not.eq.value`, `in.(a,b)`, `is.null` and their like.
//!
//! To add an operator: its spelling in one of the tables here, its variant in [`Operation`] or [`Comparison`].

use super::field::{delimiter, identifier, quoted};
use super::parser::{Failed, Parsed, Parser};
use crate::request::{Comparison, IsValue, Operation, Quantifier};

/// The comparisons that may carry `(any)` or `(all)`. Of two that begin alike the longer one comes first.
const QUANTIFIABLE: [(&str, Comparison); 9] = [
    ("eq", Comparison::Equal),
    ("gte", Comparison::GreaterOrEqual),
    ("gt", Comparison::Greater),
    ("lte", Comparison::LessOrEqual),
    ("lt", Comparison::Less),
    ("like", Comparison::Like),
    ("ilike", Comparison::ILike),
    ("match", Comparison::Match),
    ("imatch", Comparison::IMatch),
];

/// The operators of PostgreSQL's arrays, ranges and JSON.
const POSTGRES_ONLY: [&str; 8] = ["cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"];

/// Full-text search.
const FULL_TEXT: [&str; 4] = ["fts", "plfts", "phfts", "wfts"];

const IS_VALUES: [(&str, IsValue); 5] = [
    ("null", IsValue::Null),
    ("not_null", IsValue::NotNull),
    ("true", IsValue::True),
    ("false", IsValue::False),
    ("unknown", IsValue::Unknown),
];

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Alone in its parameter: at the end.
    Parameter,
    /// In a logic tree: before `,` and `)`, unless it is quoted.
    Tree,
}

/// `not.` and the operation.
pub(super) fn expression(parser: &mut Parser<'_>, place: Place) -> Parsed<(bool, Operation)> {
    let is_negated = parser.optional(|parser| {
        parser.attempt(|parser| {
            parser.string("not", "\"not\"")?;
            delimiter(parser)
        })
    })?;
    let operation = parser.labelled("operator (eq, gt, ...)", |parser| operation(parser, place))?;
    Ok((is_negated.is_some(), operation))
}

fn operation(parser: &mut Parser<'_>, place: Place) -> Parsed<Operation> {
    if prefix(parser, "in")? {
        return list(parser).map(Operation::In);
    }
    if prefix(parser, "is")? {
        return is_value(parser).map(Operation::Is);
    }
    if prefix(parser, "isdistinct")? {
        return value(parser, place).map(Operation::IsDistinct);
    }
    parser.either(
        |parser| parser.attempt(|parser| full_text(parser, place)),
        |parser| {
            parser.either(
                |parser| parser.attempt(|parser| simple(parser, place)),
                |parser| parser.attempt(|parser| quantifiable(parser, place)),
            )
        },
    )
}

/// A word with its dot, or nothing.
fn prefix(parser: &mut Parser<'_>, word: &'static str) -> Parsed<bool> {
    let found = parser.optional(|parser| {
        parser.attempt(|parser| {
            parser.string(word, word)?;
            delimiter(parser)
        })
    })?;
    Ok(found.is_some())
}

fn one_of<T: Copy>(parser: &mut Parser<'_>, table: &[(&'static str, T)]) -> Parsed<T> {
    for (spelling, meaning) in table {
        if parser.attempt(|parser| parser.string(spelling, spelling)).is_ok() {
            return Ok(*meaning);
        }
    }
    Err(Failed)
}

fn full_text(parser: &mut Parser<'_>, place: Place) -> Parsed<Operation> {
    let operator = one_of(parser, &FULL_TEXT.map(|spelling| (spelling, spelling)))?;
    let language = parser.optional(|parser| {
        parser.attempt(|parser| {
            parser.character('(', "\"(\"")?;
            let language = identifier(parser)?.to_owned();
            parser.character(')', "\")\"")?;
            Ok(language)
        })
    })?;
    delimiter(parser)?;
    let value = value(parser, place)?;
    Ok(Operation::FullText { operator, language, value })
}

fn simple(parser: &mut Parser<'_>, place: Place) -> Parsed<Operation> {
    let is_not_equal = parser.attempt(|parser| parser.string("neq", "neq")).is_ok();
    if is_not_equal {
        delimiter(parser)?;
        let value = value(parser, place)?;
        return Ok(Operation::Compare { comparison: Comparison::NotEqual, quantifier: None, value });
    }
    let operator = one_of(parser, &POSTGRES_ONLY.map(|spelling| (spelling, spelling)))?;
    delimiter(parser)?;
    let value = value(parser, place)?;
    Ok(Operation::PostgresOnly { operator, value })
}

fn quantifiable(parser: &mut Parser<'_>, place: Place) -> Parsed<Operation> {
    let comparison = one_of(parser, &QUANTIFIABLE)?;
    let quantifier = parser.optional(|parser| {
        parser.attempt(|parser| {
            parser.character('(', "\"(\"")?;
            let quantifier = one_of(parser, &[("any", Quantifier::Any), ("all", Quantifier::All)])?;
            parser.character(')', "\")\"")?;
            Ok(quantifier)
        })
    })?;
    delimiter(parser)?;
    let mut value = value(parser, place)?;
    if matches!(comparison, Comparison::Like | Comparison::ILike) {
        // `%` has to be escaped in URLs, so patterns may say `*`.
        value = value.replace('*', "%");
    }
    Ok(Operation::Compare { comparison, quantifier, value })
}

fn is_value(parser: &mut Parser<'_>) -> Parsed<IsValue> {
    parser.labelled("isVal: (null, not_null, true, false, unknown)", |parser| {
        for (spelling, value) in IS_VALUES {
            if parser.attempt(|parser| parser.string_in_any_case(spelling)).is_ok() {
                return Ok(value);
            }
        }
        Err(Failed)
    })
}

/// The value of an operator.
fn value(parser: &mut Parser<'_>, place: Place) -> Parsed<String> {
    match place {
        Place::Parameter => Ok(parser.take_while(|_| true, &[]).to_owned()),
        Place::Tree => parser.either(
            |parser| parser.attempt(quoted_element),
            |parser| parser.either(|parser| parser.attempt(array_literal), plain_element),
        ),
    }
}

/// `{a,b}`: its commas do not end it.
fn array_literal(parser: &mut Parser<'_>) -> Parsed<String> {
    parser.string("{", "\"{\"")?;
    let inside = parser.take_while(|character| !matches!(character, '{' | '}'), &[]);
    parser.string("}", "\"}\"")?;
    Ok(format!("{{{inside}}}"))
}

fn is_element(character: char) -> bool {
    !matches!(character, ',' | ')')
}

fn plain_element(parser: &mut Parser<'_>) -> Parsed<String> {
    Ok(parser.take_while(is_element, &[]).to_owned())
}

/// Quoted text that is the whole element; `"a"b` is not.
fn quoted_element(parser: &mut Parser<'_>) -> Parsed<String> {
    let text = quoted(parser)?;
    parser.not_followed_by(is_element, None)?;
    Ok(text)
}

/// `(a,"b,c")`. `()` is the empty list.
fn list(parser: &mut Parser<'_>) -> Parsed<Vec<String>> {
    parser.lexeme(|parser| parser.character('(', "\"(\""))?;
    let mut count: u64 = 0;
    let start = parser.position();
    let values = parser.separated(
        |parser| {
            count += 1;
            let limit = parser.limits.max_filter_values;
            if limit.is_exceeded_by(count) {
                return Err(parser.exceed("The number of values of a filter", limit));
            }
            parser.either(|parser| parser.attempt(quoted_element), plain_element)
        },
        |parser| parser.character(',', "\",\""),
    )?;
    let is_empty = parser.position() == start;
    parser.lexeme(|parser| parser.character(')', "\")\""))?;
    Ok(if is_empty { Vec::new() } else { values })
}
