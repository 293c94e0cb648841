//! PostgreSQL's array literals, as the operators `cs`, `cd`, `ov` and `in` of clients carry them.

use crate::ValueError;
use crate::integer::trim;

/// The most elements of one literal; PostgreSQL's own limit is about 134 million, no request is that long.
pub const MAXIMUM_ELEMENTS: usize = 1_000_000;

/// Reads a one-dimensional array literal: `{a,"b c",NULL}`. An unquoted `NULL`, in any case, is `None`.
///
/// # Errors
/// 22P02 `malformed array literal` with PostgreSQL's details; 0A000 for nested arrays and for bounds (`[1:2]=`);
/// 54000 for more than [`MAXIMUM_ELEMENTS`].
pub fn parse_literal(text: &str) -> Result<Vec<Option<String>>, ValueError> {
    let trimmed = trim(text);
    // PostgreSQL quotes the literal from its brace on.
    let shown = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let malformed = |details: &str| malformed_literal(shown, details);
    if trimmed.starts_with('[') {
        return Err(ValueError::new("0A000", "array literals with explicit bounds are not supported"));
    }
    let Some(inner) = trimmed.strip_prefix('{') else {
        return Err(malformed_literal(text, "Array value must start with \"{\" or dimension information."));
    };
    let mut reader = Reader { rest: inner, malformed: &malformed };
    let elements = reader.elements()?;
    if !trim(reader.rest).is_empty() {
        return Err(malformed("Junk after closing right brace."));
    }
    Ok(elements)
}

fn malformed_literal(text: &str, details: &str) -> ValueError {
    ValueError::new("22P02", format!("malformed array literal: \"{text}\"")).with_details(details)
}

struct Reader<'a, F> {
    rest: &'a str,
    malformed: &'a F,
}

impl<F: Fn(&str) -> ValueError> Reader<'_, F> {
    fn next(&mut self) -> Result<char, ValueError> {
        let mut characters = self.rest.chars();
        let Some(character) = characters.next() else {
            return Err((self.malformed)("Unexpected end of input."));
        };
        self.rest = characters.as_str();
        Ok(character)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    }

    /// Everything after the opening brace, up to and with the closing one.
    fn elements(&mut self) -> Result<Vec<Option<String>>, ValueError> {
        let mut elements = Vec::new();
        self.skip_blanks();
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(elements);
        }
        loop {
            let (element, is_last) = self.element()?;
            if elements.len() >= MAXIMUM_ELEMENTS {
                return Err(ValueError::new("54000", "array size exceeds the maximum allowed"));
            }
            elements.push(element);
            if is_last {
                return Ok(elements);
            }
        }
    }

    /// One element, and whether the closing brace followed it.
    fn element(&mut self) -> Result<(Option<String>, bool), ValueError> {
        self.skip_blanks();
        if self.rest.starts_with('{') {
            return Err(ValueError::new("0A000", "array literals of more than one dimension are not supported"));
        }
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return self.quoted();
        }
        let mut value = String::new();
        // Trailing blanks do not count, escaped ones do.
        let mut significant = 0;
        let mut is_escaped = false;
        let is_last = loop {
            match self.next()? {
                '\\' => {
                    value.push(self.next()?);
                    significant = value.len();
                    is_escaped = true;
                }
                '"' => return Err((self.malformed)("Unexpected array element.")),
                '{' => return Err((self.malformed)("Unexpected \"{\" character.")),
                ',' => break false,
                '}' => break true,
                character => {
                    value.push(character);
                    if !trim(character.encode_utf8(&mut [0; 4])).is_empty() {
                        significant = value.len();
                    }
                }
            }
        };
        value.truncate(significant);
        if value.is_empty() {
            let character = if is_last { '}' } else { ',' };
            return Err((self.malformed)(&format!("Unexpected \"{character}\" character.")));
        }
        let is_null = !is_escaped && value.eq_ignore_ascii_case("null");
        Ok(((!is_null).then_some(value), is_last))
    }

    fn quoted(&mut self) -> Result<(Option<String>, bool), ValueError> {
        let mut value = String::new();
        loop {
            match self.next()? {
                '\\' => value.push(self.next()?),
                '"' => break,
                character => value.push(character),
            }
        }
        self.skip_blanks();
        match self.next()? {
            ',' => Ok((Some(value), false)),
            '}' => Ok((Some(value), true)),
            _ => Err((self.malformed)("Unexpected array element.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parse_literal("{}"), Ok(vec![]));
        assert_eq!(
            parse_literal(" { a , \"b c\" ,NULL, \"NULL\" ,x y } "),
            Ok(vec![some("a"), some("b c"), None, some("NULL"), some("x y"),])
        );
        assert_eq!(parse_literal("{\"\",\\,,\\N,a\\ }"), Ok(vec![some(""), some(","), some("N"), some("a ")]));
        for (text, details) in [
            ("(1,2)", "Array value must start with \"{\" or dimension information."),
            ("", "Array value must start with \"{\" or dimension information."),
            ("{a", "Unexpected end of input."),
            ("{a,}", "Unexpected \"}\" character."),
            ("{,a}", "Unexpected \",\" character."),
            ("{a}b", "Junk after closing right brace."),
            ("{\"a\"b}", "Unexpected array element."),
        ] {
            let error = parse_literal(text).unwrap_err();
            assert_eq!(error.message, format!("malformed array literal: \"{text}\""));
            assert_eq!(error.details.as_deref(), Some(details), "{text}");
        }
        assert_eq!(parse_literal("{{1}}").unwrap_err().sqlstate, "0A000");
    }
}
