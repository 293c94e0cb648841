use crate::ValueError;
use crate::json::string::plain_length;

/// A piece of JSON. Strings are with their quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    String(&'a str),
    Number(&'a str),
    True,
    False,
    Null,
    End,
}

/// Cuts JSON into tokens; its errors are those of PostgreSQL's.
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    start: usize,
    /// Whether escapes will be decoded, so that they have to be characters.
    is_decoding: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, is_decoding: bool) -> Self {
        Self { text, position: 0, start: 0, is_decoding }
    }

    /// The text of the last token.
    pub(super) fn token_text(&self) -> &'a str {
        self.slice(self.start, self.position)
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, ValueError> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        self.start = self.position;
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        let token = match first {
            b'{' => Token::ObjectStart,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            _ => return self.word(),
        };
        self.position += 1;
        Ok(token)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or("")
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> usize {
        let start = self.position;
        while self.peek().is_some_and(&belongs) {
            self.position += 1;
        }
        self.position - start
    }

    fn invalid_token(&self) -> ValueError {
        syntax(format!("Token \"{}\" is invalid.", self.token_text()))
    }

    fn word(&mut self) -> Result<Token<'a>, ValueError> {
        if self.take(is_word) == 0 {
            self.position += 1;
        }
        match self.token_text() {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => Err(self.invalid_token()),
        }
    }

    fn number(&mut self) -> Result<Token<'a>, ValueError> {
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        let mut is_valid = if self.peek() == Some(b'0') {
            self.position += 1;
            true
        } else {
            self.take(|byte| byte.is_ascii_digit()) > 0
        };
        if self.peek() == Some(b'.') {
            self.position += 1;
            is_valid &= self.take(|byte| byte.is_ascii_digit()) > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            is_valid &= self.take(|byte| byte.is_ascii_digit()) > 0;
        }
        is_valid &= self.take(is_word) == 0;
        if is_valid { Ok(Token::Number(self.token_text())) } else { Err(self.invalid_token()) }
    }

    fn string(&mut self) -> Result<Token<'a>, ValueError> {
        self.position += 1;
        // A high surrogate that still needs its other half.
        let mut is_half = false;
        loop {
            let rest = self.text.as_bytes().get(self.position..).unwrap_or(&[]);
            let plain = plain_length(rest);
            if plain > 0 && is_half {
                return Err(low_surrogate());
            }
            self.position += plain;
            match self.peek() {
                None => return Err(self.invalid_token()),
                Some(b'"') => {
                    if is_half {
                        return Err(low_surrogate());
                    }
                    self.position += 1;
                    return Ok(Token::String(self.token_text()));
                }
                Some(b'\\') => is_half = self.escape(is_half)?,
                Some(byte) => {
                    return Err(syntax(format!("Character with value 0x{byte:02x} must be escaped.")));
                }
            }
        }
    }

    /// One escape sequence; whether it is a high surrogate.
    fn escape(&mut self, is_half: bool) -> Result<bool, ValueError> {
        self.position += 1;
        match self.peek() {
            None => return Err(self.invalid_token()),
            Some(b'u') => self.position += 1,
            Some(_) if is_half => return Err(low_surrogate()),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.position += 1;
                return Ok(false);
            }
            Some(_) => {
                let character: String = self.slice(self.position, self.text.len()).chars().take(1).collect();
                return Err(syntax(format!("Escape sequence \"\\{character}\" is invalid.")));
            }
        }
        let unit = self.code_unit()?;
        if !self.is_decoding {
            return Ok(false);
        }
        match unit {
            0xd800..0xdc00 if is_half => Err(syntax("Unicode high surrogate must not follow a high surrogate.")),
            0xd800..0xdc00 => Ok(true),
            0xdc00..0xe000 if is_half => Ok(false),
            0xdc00..0xe000 => Err(low_surrogate()),
            _ if is_half => Err(low_surrogate()),
            0 => Err(ValueError::new("22P05", "unsupported Unicode escape sequence")
                .with_details("\\u0000 cannot be converted to text.")),
            _ => Ok(false),
        }
    }

    fn code_unit(&mut self) -> Result<u32, ValueError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.invalid_token());
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(syntax("\"\\u\" must be followed by four hexadecimal digits."));
            };
            unit = unit * 16 + digit;
            self.position += 1;
        }
        Ok(unit)
    }
}

/// 22P02 with details.
pub(super) fn syntax(details: impl Into<String>) -> ValueError {
    ValueError::new("22P02", "invalid input syntax for type json").with_details(details)
}

fn low_surrogate() -> ValueError {
    syntax("Unicode low surrogate must follow a high surrogate.")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
