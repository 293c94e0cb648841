//! Names, JSON paths and the other small pieces that all grammars share.

use super::parser::{Failed, Parsed, Parser};
use crate::request::{FieldName, PathStep, PathTarget};

const FIELD_NAME: &str = "field name (* or [a..z0..9_$])";
const JSON_KEY: &str = "any non reserved character different from: .,>()";

/// `.` between the parts of a path or an expression.
pub(super) fn delimiter(parser: &mut Parser<'_>) -> Parsed<()> {
    parser.character('.', "delimiter (.)")
}

/// A name: `"anything"` in quotes, or letters, digits, `_`, `$` and blanks, with single `-` between them.
pub(super) fn field_name(parser: &mut Parser<'_>) -> Parsed<String> {
    parser.labelled(FIELD_NAME, |parser| {
        parser.either(quoted, |parser| dashed(parser, |parser| identifier(parser).map(str::to_owned)))
    })
}

/// A name without quotes, dashes or a surrounding blank: types, text search configurations.
pub(super) fn identifier<'a>(parser: &mut Parser<'a>) -> Parsed<&'a str> {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | ' ' | '$');
    parser.take_some(is_part, &["letter", "digit"]).map(str::trim)
}

/// Text in double quotes; `\` takes the next character as it is.
pub(super) fn quoted(parser: &mut Parser<'_>) -> Parsed<String> {
    parser.character('"', "\"\\\"\"")?;
    let mut text = String::new();
    loop {
        let plain = parser.take_while(|character| !matches!(character, '\\' | '"'), &[]);
        text.push_str(plain);
        if parser.optional(|parser| parser.character('\\', "\"\\\\\""))?.is_none() {
            break;
        }
        text.push(parser.any_character()?);
    }
    parser.character('"', "\"\\\"\"")?;
    Ok(text)
}

/// A column with its JSON path, blanks around it.
pub(super) fn field(parser: &mut Parser<'_>) -> Parsed<FieldName> {
    parser.lexeme(|parser| {
        let column = field_name(parser)?;
        let path = json_path(parser)?;
        Ok(FieldName { column, path })
    })
}

/// `->key`, `->>key`, `->0`, `->-1`, ... perhaps none.
pub(super) fn json_path(parser: &mut Parser<'_>) -> Parsed<Vec<PathStep>> {
    let mut steps: u64 = 0;
    parser.many(|parser| {
        let as_text = parser.either(
            |parser| parser.attempt(|parser| parser.string("->>", "\"->>\"").map(|()| true)),
            |parser| parser.attempt(|parser| parser.string("->", "\"->\"").map(|()| false)),
        )?;
        steps += 1;
        let limit = parser.limits.max_json_path_steps;
        if limit.is_exceeded_by(steps) {
            return Err(parser.exceed("The number of steps of a JSON path", limit));
        }
        let target = parser.either(|parser| parser.attempt(index), |parser| parser.attempt(key))?;
        Ok(PathStep { target, as_text })
    })
}

fn index(parser: &mut Parser<'_>) -> Parsed<PathTarget> {
    let is_negative = parser.optional(|parser| parser.character('-', "\"-\""))?.is_some();
    let digits = parser.take_some(|character| character.is_ascii_digit(), &["digit"])?;
    end_of_index(parser)?;
    // An index that does not fit is outside of every array, as the largest one is.
    let number = digits.parse().unwrap_or(i64::MAX);
    Ok(PathTarget::Index(if is_negative { -number } else { number }))
}

fn end_of_index(parser: &mut Parser<'_>) -> Parsed<()> {
    // PostgREST forgets the closing parenthesis here and takes `rel(data->0)` for a key; an index is meant.
    if parser.peek() == Some(')') {
        return Ok(());
    }
    for (text, label) in [("->", "\"->\""), ("::", "\"::\""), (".", "\".\""), (",", "\",\"")] {
        let found = parser.attempt(|parser| parser.look_ahead(|parser| parser.string(text, label)));
        if found.is_ok() {
            return found;
        }
    }
    parser.end()
}

fn key(parser: &mut Parser<'_>) -> Parsed<PathTarget> {
    parser.labelled(JSON_KEY, |parser| {
        let is_part = |character: char| !matches!(character, '(' | '-' | ':' | '.' | ',' | '>' | ')');
        parser
            .either(quoted, |parser| {
                dashed(parser, |parser| parser.take_some(is_part, &[]).map(|key| key.trim().to_owned()))
            })
            .map(PathTarget::Key)
    })
}

/// Parts joined by single dashes; a dash before `>` begins a JSON path instead.
fn dashed(parser: &mut Parser<'_>, part: impl FnMut(&mut Parser<'_>) -> Parsed<String>) -> Parsed<String> {
    let parts = parser.separated(part, |parser| {
        parser.attempt(|parser| {
            parser.character('-', "\"-\"")?;
            parser.not_followed_by(|character| character == '>', Some("\">\""))
        })
    })?;
    Ok(parts.join("-"))
}

/// A path to a field: `embed.embed.column->json`. The path's last part is the field.
pub(super) fn tree_path(parser: &mut Parser<'_>) -> Parsed<(Vec<String>, FieldName)> {
    let mut names = parser.separated(field_name, delimiter)?;
    let path = json_path(parser)?;
    let column = names.pop().ok_or(Failed)?;
    Ok((names, FieldName { column, path }))
}
