use std::borrow::Cow;

use crate::json::NESTING_LIMIT;
use crate::json::lexer::{Lexer, Token, syntax};
use crate::json::string::{unescape, write_string};
use crate::{ValueError, numeric};

/// A JSON value, as `jsonb` holds it.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Null,
    Boolean(bool),
    /// As it was written.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Ordered by the length of the key and then its bytes, without doubles.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Builds the tree of a text. Errors for what is no JSON have no details: check first.
pub(super) fn parse(text: &str) -> Result<Node<'_>, ValueError> {
    let mut lexer = Lexer::new(text, true);
    let token = lexer.next()?;
    let node = build(&mut lexer, token, 0)?;
    match lexer.next()? {
        Token::End => Ok(node),
        _ => Err(unexpected()),
    }
}

fn build<'a>(lexer: &mut Lexer<'a>, token: Token<'a>, depth: usize) -> Result<Node<'a>, ValueError> {
    Ok(match token {
        Token::Null => Node::Null,
        Token::True => Node::Boolean(true),
        Token::False => Node::Boolean(false),
        Token::Number(text) => Node::Number(text),
        Token::String(text) => Node::String(unescape(text)),
        Token::ArrayStart | Token::ObjectStart if depth >= NESTING_LIMIT => {
            return Err(ValueError::new("54001", "stack depth limit exceeded")
                .with_details(format!("A JSON value may be nested at most {NESTING_LIMIT} levels deep.")));
        }
        Token::ArrayStart => Node::Array(build_items(lexer, depth)?),
        Token::ObjectStart => Node::Object(build_members(lexer, depth)?),
        _ => return Err(unexpected()),
    })
}

fn build_items<'a>(lexer: &mut Lexer<'a>, depth: usize) -> Result<Vec<Node<'a>>, ValueError> {
    let mut items = Vec::new();
    let mut token = lexer.next()?;
    if token == Token::ArrayEnd {
        return Ok(items);
    }
    loop {
        items.push(build(lexer, token, depth + 1)?);
        match lexer.next()? {
            Token::ArrayEnd => return Ok(items),
            Token::Comma => token = lexer.next()?,
            _ => return Err(unexpected()),
        }
    }
}

fn build_members<'a>(lexer: &mut Lexer<'a>, depth: usize) -> Result<Vec<(Cow<'a, str>, Node<'a>)>, ValueError> {
    let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
    let mut token = lexer.next()?;
    while token != Token::ObjectEnd {
        let (Token::String(key), Token::Colon) = (token, lexer.next()?) else {
            return Err(unexpected());
        };
        let value = lexer.next()?;
        members.push((unescape(key), build(lexer, value, depth + 1)?));
        token = match lexer.next()? {
            Token::Comma => lexer.next()?,
            Token::ObjectEnd => Token::ObjectEnd,
            _ => return Err(unexpected()),
        };
    }
    // The last of equal keys wins: the sort is stable, and the later of two neighbours moves forward.
    members.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
    members.dedup_by(|later, earlier| {
        let is_double = later.0 == earlier.0;
        if is_double {
            std::mem::swap(later, earlier);
        }
        is_double
    });
    Ok(members)
}

fn unexpected() -> ValueError {
    syntax("The input string is no JSON value.")
}

impl Node<'_> {
    /// Prints it as PostgreSQL prints `jsonb`.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), ValueError> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(text) => out.extend_from_slice(numeric::parse(None, text)?.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    item.write(out)?;
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write_string(key, out);
                    out.extend_from_slice(b": ");
                    value.write(out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}
