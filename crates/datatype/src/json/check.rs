use crate::ValueError;
use crate::json::lexer::{Lexer, Token, syntax};

#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
}

/// Checks a whole text. `is_decoding` also requires that all escapes are characters of text.
pub(super) fn check(text: &str, is_decoding: bool) -> Result<(), ValueError> {
    let mut lexer = Lexer::new(text, is_decoding);
    let mut open: Vec<Container> = Vec::new();
    let mut token = lexer.next()?;
    loop {
        // Here a value starts with `token`.
        match token {
            Token::ObjectStart => {
                token = lexer.next()?;
                match token {
                    Token::ObjectEnd => {}
                    Token::String(_) => {
                        open.push(Container::Object);
                        token = after_colon(&mut lexer)?;
                        continue;
                    }
                    _ => return Err(unexpected(&lexer, token, "string or \"}\"")),
                }
            }
            Token::ArrayStart => {
                token = lexer.next()?;
                if token != Token::ArrayEnd {
                    open.push(Container::Array);
                    continue;
                }
            }
            Token::String(_) | Token::Number(_) | Token::True | Token::False | Token::Null => {}
            _ => return Err(unexpected(&lexer, token, "JSON value")),
        }
        match after_value(&mut lexer, &mut open)? {
            Some(next) => token = next,
            None => return Ok(()),
        }
    }
}

/// Closes what ends after a value; gives the token that starts the next value, or `None` at the end.
fn after_value<'a>(lexer: &mut Lexer<'a>, open: &mut Vec<Container>) -> Result<Option<Token<'a>>, ValueError> {
    loop {
        let token = lexer.next()?;
        match (open.last(), token) {
            (None, Token::End) => return Ok(None),
            (None, _) => return Err(unexpected(lexer, token, "end of input")),
            (Some(Container::Object), Token::ObjectEnd) | (Some(Container::Array), Token::ArrayEnd) => {
                open.pop();
            }
            (Some(Container::Array), Token::Comma) => return lexer.next().map(Some),
            (Some(Container::Object), Token::Comma) => {
                let key = lexer.next()?;
                if !matches!(key, Token::String(_)) {
                    return Err(unexpected(lexer, key, "string"));
                }
                return after_colon(lexer).map(Some);
            }
            (Some(Container::Array), _) => return Err(unexpected(lexer, token, "\",\" or \"]\"")),
            (Some(Container::Object), _) => return Err(unexpected(lexer, token, "\",\" or \"}\"")),
        }
    }
}

fn after_colon<'a>(lexer: &mut Lexer<'a>) -> Result<Token<'a>, ValueError> {
    let token = lexer.next()?;
    if token != Token::Colon {
        return Err(unexpected(lexer, token, "\":\""));
    }
    lexer.next()
}

fn unexpected(lexer: &Lexer<'_>, token: Token<'_>, expected: &str) -> ValueError {
    if token == Token::End {
        return syntax("The input string ended unexpectedly.");
    }
    if expected == "end of input" {
        return syntax(format!("Expected end of input, but found \"{}\".", lexer.token_text()));
    }
    syntax(format!("Expected {expected}, but found \"{}\".", lexer.token_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_postgresqls() {
        for (text, details) in [
            ("\"\\uzzzz\"", "\"\\u\" must be followed by four hexadecimal digits."),
            ("\"\\u12\"", "\"\\u\" must be followed by four hexadecimal digits."),
            ("\"\\x\"", "Escape sequence \"\\x\" is invalid."),
            ("\"a\\é\"", "Escape sequence \"\\é\" is invalid."),
            ("\"abc", "Token \"\"abc\" is invalid."),
            ("\"\\", "Token \"\"\\\" is invalid."),
            ("\"a\nb\"", "Character with value 0x0a must be escaped."),
            ("", "The input string ended unexpectedly."),
            ("{\"a\":", "The input string ended unexpectedly."),
            ("[1", "The input string ended unexpectedly."),
            ("{\"a\" 1}", "Expected \":\", but found \"1\"."),
            ("{\"a\":1,}", "Expected string, but found \"}\"."),
            ("{a:1}", "Token \"a\" is invalid."),
            ("{1:1}", "Expected string or \"}\", but found \"1\"."),
            ("{,}", "Expected string or \"}\", but found \",\"."),
            ("[1,]", "Expected JSON value, but found \"]\"."),
            ("[1 2]", "Expected \",\" or \"]\", but found \"2\"."),
            ("[,", "Expected JSON value, but found \",\"."),
            ("1 2", "Expected end of input, but found \"2\"."),
            ("{\"a\":1 \"b\"", "Expected \",\" or \"}\", but found \"\"b\"\"."),
            ("tru", "Token \"tru\" is invalid."),
            ("01", "Token \"01\" is invalid."),
            ("1.", "Token \"1.\" is invalid."),
            ("-", "Token \"-\" is invalid."),
            ("1e", "Token \"1e\" is invalid."),
            ("1.5e+x y", "Token \"1.5e+x\" is invalid."),
            ("@", "Token \"@\" is invalid."),
            ("aéb c", "Token \"aéb\" is invalid."),
            ("+1", "Token \"+\" is invalid."),
        ] {
            let error = check(text, false).unwrap_err();
            assert_eq!(error.message, "invalid input syntax for type json");
            assert_eq!(error.details.as_deref(), Some(details), "{text}");
        }
        for text in ["\"\\uD83Dé\"", "[]", " {\"a\" : [1, -0.5e+7, null]} ", "\"\u{7f}\""] {
            assert_eq!(check(text, false), Ok(()));
        }
    }
}
