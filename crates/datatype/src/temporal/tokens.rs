use crate::temporal::words::{self, Word};

/// The most tokens that a date and time can have.
const MAXIMUM_TOKENS: usize = 25;
/// The longest text that is looked at, in bytes; the same order as PostgreSQL's work buffer.
const MAXIMUM_LENGTH: usize = 150;

/// A piece of a date or time, cut by its form alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// Digits, perhaps with one decimal point: `20240101`, `2024`, `040506.789`.
    Number(String),
    /// Parts joined by `-`, `/` or `.`; also the name of a zone with such a character.
    Date(String),
    /// Digits with colons.
    Time(String),
    /// `+` or `-` and digits.
    Offset(String),
    /// A word, lower case.
    Word(String),
}

/// Cuts a text into tokens; `None` when it has characters that no date or time has.
pub(crate) fn cut(text: &str) -> Option<Vec<Token>> {
    if text.len() > MAXIMUM_LENGTH {
        return None;
    }
    let mut cutter = Cutter { rest: text.as_bytes() };
    let mut tokens = Vec::new();
    while let Some(first) = cutter.rest.first().copied() {
        if is_blank(first) {
            cutter.advance();
            continue;
        }
        let token = match first {
            b'0'..=b'9' => cutter.number_or_date(),
            b'.' => Token::Number(cutter.take_with(1, |byte| byte.is_ascii_digit())),
            b'a'..=b'z' | b'A'..=b'Z' => cutter.word_or_zone(),
            b'+' | b'-' => cutter.signed()?,
            _ if first.is_ascii_punctuation() => {
                cutter.advance();
                continue;
            }
            _ => return None,
        };
        if tokens.len() >= MAXIMUM_TOKENS {
            return None;
        }
        tokens.push(token);
    }
    Some(tokens)
}

struct Cutter<'a> {
    rest: &'a [u8],
}

impl Cutter<'_> {
    fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or(&[]);
    }

    /// So many bytes, and then all that belong to it, in lower case.
    fn take_with(&mut self, least: usize, belongs: impl Fn(u8) -> bool) -> String {
        let extra = self.rest.iter().skip(least).take_while(|byte| belongs(**byte)).count();
        let (taken, rest) = self.rest.split_at_checked(least + extra).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    }

    fn number_or_date(&mut self) -> Token {
        let mut text = self.take_with(0, |byte| byte.is_ascii_digit());
        match self.peek() {
            b':' => {
                text += &self.take_with(0, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
                Token::Time(text)
            }
            separator @ (b'-' | b'/' | b'.') => self.date(text, separator),
            _ => Token::Number(text),
        }
    }

    fn date(&mut self, mut text: String, separator: u8) -> Token {
        text += &self.take_with(1, |_| false);
        if !self.peek().is_ascii_digit() {
            text += &self.take_with(0, |byte| byte.is_ascii_alphanumeric() || byte == separator);
            return Token::Date(text);
        }
        text += &self.take_with(0, |byte| byte.is_ascii_digit());
        if self.peek() == separator {
            text += &self.take_with(0, |byte| byte.is_ascii_digit() || byte == separator);
            return Token::Date(text);
        }
        // A single point is a fraction of a second, not the start of a date.
        if separator == b'.' { Token::Number(text) } else { Token::Date(text) }
    }

    fn word_or_zone(&mut self) -> Token {
        let mut text = self.take_with(0, |byte| byte.is_ascii_alphabetic());
        let continues = match self.peek() {
            b'-' | b'/' | b'.' => true,
            b'+' | b'0'..=b'9' => !matches!(words::find(&text), Some(word) if !matches!(word, Word::Offset { .. })),
            _ => false,
        };
        if !continues {
            return Token::Word(text);
        }
        text += &self.take_with(1, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
        });
        Token::Date(text)
    }

    fn signed(&mut self) -> Option<Token> {
        let sign = char::from(self.peek());
        self.advance();
        while is_blank(self.peek()) {
            self.advance();
        }
        let first = self.peek();
        if first.is_ascii_digit() {
            let digits = self.take_with(0, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'-'));
            return Some(Token::Offset(format!("{sign}{digits}")));
        }
        if first.is_ascii_alphabetic() {
            let word = self.take_with(0, |byte| byte.is_ascii_alphabetic());
            return Some(Token::Word(format!("{sign}{word}")));
        }
        None
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_by_form() {
        let date = |text: &str| Token::Date(text.to_owned());
        let number = |text: &str| Token::Number(text.to_owned());
        let time = |text: &str| Token::Time(text.to_owned());
        let word = |text: &str| Token::Word(text.to_owned());
        for (text, tokens) in [
            ("2024-01-01T10:00:00.5Z", vec![date("2024-01-01"), word("t"), time("10:00:00.5"), word("z")]),
            ("Jan 8, 1999", vec![word("jan"), number("8"), number("1999")]),
            ("20240101 America/New_York", vec![number("20240101"), date("america/new_york")]),
            ("10:00 + 02", vec![time("10:00"), Token::Offset("+02".to_owned())]),
            ("-Infinity", vec![word("-infinity")]),
            ("8-Jan-1999", vec![date("8-jan-1999")]),
        ] {
            assert_eq!(cut(text), Some(tokens));
        }
        assert_eq!(cut("é"), None);
        assert_eq!(cut("10:00 -"), None);
    }
}
