//! Regular expressions that search and replace, and patterns made of others: `LIKE ... ESCAPE` and `SIMILAR TO`.

use std::ops::Range;

use super::arguments::{boolean, check_length, count, text};
use super::{Definition, strict};
use crate::pattern::{Searcher, compile, with};
use crate::{Datum, ValueError};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("like_escape(text,text)", "text", |a| like_escape(a.text(0)?, a.text(1)?)),
    strict("regexp_replace(text,text,text)", "text", |a| replaced(a.text(0)?, a.text(1)?, a.text(2)?, "")),
    strict("regexp_replace(text,text,text,text)", "text", |a| replaced(a.text(0)?, a.text(1)?, a.text(2)?, a.text(3)?)),
    strict("regexp_like(text,text)", "boolean", |a| like(a.text(0)?, a.text(1)?, "")),
    strict("regexp_like(text,text,text)", "boolean", |a| like(a.text(0)?, a.text(1)?, a.text(2)?)),
    strict("regexp_count(text,text)", "integer", |a| counted(a.text(0)?, a.text(1)?)),
    strict("regexp_substr(text,text)", "text", |a| found(a.text(0)?, a.text(1)?, false)),
    strict("substring(text,text)", "text", |a| found(a.text(0)?, a.text(1)?, true)),
    strict("similar_to_escape(text)", "text", |a| similar(a.text(0)?, Some('\\'))),
    strict("similar_to_escape(text,text)", "text", |a| similar(a.text(0)?, escape(a.text(1)?)?)),
];

/// The expression with the switches of the argument `flags` in front, and whether `g` is among them.
fn with_flags(expression: &str, flags: &str) -> Result<(String, bool), ValueError> {
    let letters: String = flags.chars().filter(|letter| *letter != 'g').collect();
    if let Some(unknown) = letters.chars().find(|letter| !"bceimnpqstwx".contains(*letter)) {
        let message = format!("invalid regular expression option: \"{unknown}\"");
        return Err(ValueError::new("22023", message));
    }
    let has_own = expression.starts_with("***")
        || (expression.starts_with("(?")
            && expression.chars().nth(2).is_some_and(|letter| letter.is_ascii_alphabetic()));
    if !letters.is_empty() && has_own {
        return Err(ValueError::new("0A000", "options both in the expression and beside it are not supported"));
    }
    let whole = if letters.is_empty() { expression.to_owned() } else { format!("(?{letters}){expression}") };
    Ok((whole, flags.contains('g')))
}

/// Calls `visit` with every match from the left, as PostgreSQL goes on: behind an empty match one character later.
fn each_match(
    searcher: &mut Searcher,
    source: &str,
    mut visit: impl FnMut(Range<usize>) -> Result<bool, ValueError>,
) -> Result<(), ValueError> {
    let mut from = 0;
    while from <= source.len() {
        let Some(range) = searcher.find(source, from)? else { return Ok(()) };
        from = if range.is_empty() {
            let next = source.get(range.end..).and_then(|rest| rest.chars().next());
            range.end + next.map_or(1, char::len_utf8)
        } else {
            range.end
        };
        if !visit(range)? {
            return Ok(());
        }
    }
    Ok(())
}

fn replaced(source: &str, expression: &str, replacement: &str, flags: &str) -> Result<Datum, ValueError> {
    let (expression, is_global) = with_flags(expression, flags)?;
    // Refused for every row, not only for those that match.
    push_replacement(replacement, "", &mut String::new())?;
    with(&expression, |searcher| {
        let mut out = String::new();
        let mut done = 0;
        each_match(searcher, source, |range| {
            out.push_str(source.get(done..range.start).unwrap_or(""));
            push_replacement(replacement, source.get(range.clone()).unwrap_or(""), &mut out)?;
            done = range.end;
            check_length(out.len())?;
            Ok(is_global)
        })?;
        out.push_str(source.get(done..).unwrap_or(""));
        text(out)
    })
}

/// `\&` is the match, `\\` a backslash; a part of the match, `\1`, is refused.
fn push_replacement(replacement: &str, found: &str, out: &mut String) -> Result<(), ValueError> {
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.peek() {
            Some('&') => out.push_str(found),
            Some('\\') => out.push('\\'),
            Some('1'..='9') => {
                return Err(ValueError::new("0A000", "parts of the match (\\1) in a replacement are not supported"));
            }
            _ => {
                out.push('\\');
                continue;
            }
        }
        characters.next();
    }
    Ok(())
}

fn like(source: &str, expression: &str, flags: &str) -> Result<Datum, ValueError> {
    let (expression, is_global) = with_flags(expression, flags)?;
    if is_global {
        return Err(ValueError::new("22023", "regexp_like() does not support the \"global\" option"));
    }
    boolean(compile(&expression, false)?.is_match(source))
}

fn counted(source: &str, expression: &str) -> Result<Datum, ValueError> {
    with(expression, |searcher| {
        let mut matches = 0;
        each_match(searcher, source, |_| {
            matches += 1;
            Ok(true)
        })?;
        count(matches)
    })
}

/// The first match. `substring` gives its first part in parentheses instead, which is refused.
fn found(source: &str, expression: &str, gives_part: bool) -> Result<Datum, ValueError> {
    with(expression, |searcher| {
        if gives_part && searcher.has_captures {
            let message = "substring with parentheses in the expression is not supported; write (?:...) for a group";
            return Err(ValueError::new("0A000", message));
        }
        match searcher.find(source, 0)? {
            Some(range) => text(source.get(range).unwrap_or("")),
            None => Ok(Datum::Null),
        }
    })
}

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
