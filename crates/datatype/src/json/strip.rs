use crate::json::lexer::{Lexer, Token};
use crate::json::string::{unescape, write_string};

/// Writes a JSON value without the members that are null, at all depths, as `json_strip_nulls` does: nulls in
/// arrays stay, blanks go. A text that is no JSON is written as it is.
pub fn strip_nulls(raw: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if write_stripped(raw, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(raw.as_bytes());
    }
}

/// An open container, and whether something was written into it.
struct Open {
    is_object: bool,
    has_content: bool,
}

fn write_stripped(raw: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut lexer = Lexer::new(raw, false);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut token = lexer.next().ok()?;
        let mut key = None;
        match token {
            Token::End => return open.is_empty().then_some(()),
            Token::Comma => continue,
            Token::ObjectEnd | Token::ArrayEnd => {
                open.pop()?;
                out.push(if token == Token::ObjectEnd { b'}' } else { b']' });
                continue;
            }
            Token::String(name) if open.last().is_some_and(|container| container.is_object) => {
                if lexer.next().ok()? != Token::Colon {
                    return None;
                }
                token = lexer.next().ok()?;
                key = Some(name);
            }
            _ => {}
        }
        if key.is_some() && token == Token::Null {
            continue;
        }
        if let Some(container) = open.last_mut() {
            if container.has_content {
                out.push(b',');
            }
            container.has_content = true;
        }
        if let Some(key) = key {
            write_string(&unescape(key), out);
            out.push(b':');
        }
        write_value(token, &mut open, out)?;
    }
}

fn write_value(token: Token<'_>, open: &mut Vec<Open>, out: &mut Vec<u8>) -> Option<()> {
    match token {
        Token::ObjectStart => {
            open.push(Open { is_object: true, has_content: false });
            out.push(b'{');
        }
        Token::ArrayStart => {
            open.push(Open { is_object: false, has_content: false });
            out.push(b'[');
        }
        Token::String(text) => write_string(&unescape(text), out),
        Token::Number(text) => out.extend_from_slice(text.as_bytes()),
        Token::True => out.extend_from_slice(b"true"),
        Token::False => out.extend_from_slice(b"false"),
        Token::Null => out.extend_from_slice(b"null"),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_of_objects_go() {
        for (raw, stripped) in [
            ("null", "null"),
            (
                "[1, null, {\"a\": null, \"b\\u0041\": [ {\"c\" :null} ], \"d\":\"x\\/y\"}]",
                "[1,null,{\"bA\":[{}],\"d\":\"x/y\"}]",
            ),
            ("{\"a\":null,\"b\":1.50,\"c\":null,\"d\":true}", "{\"b\":1.50,\"d\":true}"),
            ("{\"a\":", "{\"a\":"),
        ] {
            let mut out = b"x".to_vec();
            strip_nulls(raw, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{stripped}"));
        }
    }
}
