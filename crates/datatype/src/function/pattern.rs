//! Patterns made of other patterns: `LIKE ... ESCAPE` and `SIMILAR TO`.

use super::arguments::text;
use super::{Definition, strict};
use crate::{Datum, ValueError};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("like_escape(text,text)", "text", |a| like_escape(a.text(0)?, a.text(1)?)),
    strict("similar_to_escape(text)", "text", |a| similar(a.text(0)?, Some('\\'))),
    strict("similar_to_escape(text,text)", "text", |a| similar(a.text(0)?, escape(a.text(1)?)?)),
];

/// The escape character: one, or none.
fn escape(source: &str) -> Result<Option<char>, ValueError> {
    let mut characters = source.chars();
    let first = characters.next();
    if characters.next().is_some() {
        return Err(ValueError::new("22025", "invalid escape string"));
    }
    Ok(first)
}

/// A pattern of `LIKE` with another escape character as one with the backslash.
fn like_escape(pattern: &str, escape_text: &str) -> Result<Datum, ValueError> {
    let escape = escape(escape_text)?;
    if escape == Some('\\') {
        return text(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut is_escaped = false;
    for character in pattern.chars() {
        if Some(character) == escape && !is_escaped {
            out.push('\\');
            is_escaped = true;
            continue;
        }
        if character == '\\' && !is_escaped {
            out.push('\\');
        }
        out.push(character);
        is_escaped = false;
    }
    text(out)
}

/// A pattern of `SIMILAR TO` as a regular expression.
fn similar(pattern: &str, escape: Option<char>) -> Result<Datum, ValueError> {
    let mut out = "^(?:".to_owned();
    let (mut is_escaped, mut is_in_bracket) = (false, false);
    for character in pattern.chars() {
        if is_escaped {
            if character == '"' && !is_in_bracket {
                return Err(ValueError::new(
                    "0A000",
                    "the parts of a pattern (escape and double quote) are not supported",
                ));
            }
            out.push('\\');
            out.push(character);
            is_escaped = false;
        } else if Some(character) == escape {
            is_escaped = true;
        } else if is_in_bracket {
            if character == '\\' {
                out.push('\\');
            }
            out.push(character);
            is_in_bracket = character != ']';
        } else {
            match character {
                '[' => {
                    out.push('[');
                    is_in_bracket = true;
                }
                '%' => out += ".*",
                '_' => out.push('.'),
                '(' => out += "(?:",
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(character);
                }
                other => out.push(other),
            }
        }
    }
    out += ")$";
    text(out)
}
