//! The text as tokens, cut into statements, and a cursor over them for the statements that are read by hand.

use sqlparser::ast::{Expr, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::names;
use super::problem::{NOWHERE, Outcome, Problem};

/// The longest run of tokens without a comma. Operators that follow one another make a tree as deep as the run is
/// long, and the tree is walked recursively.
const LONGEST_RUN: usize = 3000;

/// One statement: its tokens without blanks, comments and the semicolon. Never empty.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Where it starts.
    pub(super) at: Location,
}

/// All tokens of a text but blanks and comments, with their places in it.
pub(super) fn words(text: &str) -> Outcome<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| Problem::refused(error.location, "syntax", error.message, ""))?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let mut runs = vec![0];
    for token in &tokens {
        if token.token == Token::SemiColon {
            runs = vec![0];
        } else {
            count_run(&mut runs, token)?;
        }
    }
    Ok(tokens)
}

/// An expression from its tokens.
pub(super) fn expression(tokens: &[TokenWithSpan], at: Location) -> Outcome<Expr> {
    let end = tokens.last().map_or(at, |token| token.span.end);
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.to_vec());
    let expression = parser.parse_expr().map_err(|error| syntax_problem(&error, end))?;
    let next = parser.peek_token_ref();
    if next.token == Token::EOF {
        return Ok(expression);
    }
    Err(Problem::invalid(next.span, format!("syntax error at or near \"{}\"", next.token)))
}

/// Tokens as text that reads as the same tokens.
pub(super) fn text_of(tokens: &[TokenWithSpan]) -> String {
    let parts: Vec<String> = tokens
        .iter()
        .map(|token| match &token.token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            Token::Word(word) => match word.quote_style {
                Some(_) => format!("\"{}\"", word.value.replace('"', "\"\"")),
                None => word.value.clone(),
            },
            other => other.to_string(),
        })
        .collect();
    parts.join(" ")
}

/// Cuts the text into statements.
pub(super) fn split(text: &str) -> Outcome<Vec<Piece>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| Problem::refused(error.location, "syntax", error.message, ""))?;
    let mut pieces = Vec::new();
    let mut current: Vec<TokenWithSpan> = Vec::new();
    let mut runs = vec![0_usize];
    let mut nesting = Nesting::default();
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => continue,
            token if nesting.is_ended_by(token) => {
                runs = vec![0];
                close(&mut pieces, &mut current);
                continue;
            }
            Token::SemiColon => runs = vec![0],
            Token::Backslash => return Err(meta_command(&token)),
            _ => count_run(&mut runs, &token)?,
        }
        current.push(token);
    }
    close(&mut pieces, &mut current);
    Ok(pieces)
}

/// How deep a statement is nested: a semicolon in parentheses (`CREATE RULE … DO (a; b)`) does not end it, nor does one in a
/// function's body from `BEGIN ATOMIC` to its `END`, in which `CASE` has an `END` of its own.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    parentheses: usize,
    blocks: usize,
    is_begun: bool,
    creates: bool,
    after: After,
}

/// What the token before says about the next one.
#[derive(Debug, Default, PartialEq, Eq)]
enum After {
    #[default]
    Other,
    /// `BEGIN`.
    Begin,
    /// A period or `AS`: the next word is a name, whatever it is.
    Naming,
}

impl Nesting {
    /// Takes the next token that is no blank, and says whether the statement ends with it.
    pub(super) fn is_ended_by(&mut self, token: &Token) -> bool {
        match token {
            Token::SemiColon if self.parentheses == 0 && self.blocks == 0 => {
                *self = Self::default();
                return true;
            }
            Token::LParen => self.parentheses += 1,
            Token::RParen => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        let after = std::mem::take(&mut self.after);
        match token {
            Token::Period => self.after = After::Naming,
            Token::Word(word) if word.quote_style.is_none() && after != After::Naming => {
                self.word(&word.value.to_ascii_uppercase(), &after);
            }
            _ => {}
        }
        self.is_begun = true;
        false
    }

    fn word(&mut self, word: &str, after: &After) {
        match word {
            "CREATE" if !self.is_begun => self.creates = true,
            "BEGIN" => self.after = After::Begin,
            "AS" => self.after = After::Naming,
            "ATOMIC" if self.creates && *after == After::Begin && self.blocks == 0 => self.blocks = 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }
}

fn close(pieces: &mut Vec<Piece>, current: &mut Vec<TokenWithSpan>) {
    if let Some(first) = current.first() {
        let at = first.span.start;
        pieces.push(Piece { tokens: std::mem::take(current), at });
    }
}

fn meta_command(token: &TokenWithSpan) -> Problem {
    Problem::refused(
        token.span,
        "a command of psql",
        "lines that begin with a backslash are for psql, not for a database",
        "remove the line; a migration file holds SQL only",
    )
}

/// Keeps count of the tokens since the last comma, for every open parenthesis.
fn count_run(runs: &mut Vec<usize>, token: &TokenWithSpan) -> Outcome<()> {
    match token.token {
        Token::LParen => runs.push(0),
        Token::RParen if runs.len() > 1 => {
            runs.pop();
        }
        Token::Comma => {
            if let Some(run) = runs.last_mut() {
                *run = 0;
            }
        }
        _ => {}
    }
    let Some(run) = runs.last_mut() else {
        return Ok(());
    };
    *run += 1;
    if *run > LONGEST_RUN {
        return Err(Problem::refused(
            token.span,
            "an expression of extreme length",
            format!("there are more than {LONGEST_RUN} words without a comma"),
            "split it into several expressions, or use IN (...) for long lists",
        ));
    }
    Ok(())
}

impl Piece {
    /// The first unquoted words in upper case, at most six, without `OR REPLACE`.
    pub(super) fn leading_words(&self) -> Vec<String> {
        let words: Vec<String> = self
            .tokens
            .iter()
            .map_while(|token| match &token.token {
                Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
                _ => None,
            })
            .take(8)
            .collect();
        let mut kept = Vec::new();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if word == "OR" && words.peek().is_some_and(|next| next == "REPLACE") {
                words.next();
                continue;
            }
            kept.push(word);
        }
        kept.truncate(6);
        kept
    }

    /// Puts an unquoted word in the place of another.
    pub(super) fn replace_words(&mut self, from: &str, to: &str) {
        for token in &mut self.tokens {
            if matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(from))
            {
                token.token = Token::make_keyword(to);
            }
        }
    }

    /// Leaves an unquoted word out.
    pub(super) fn remove_words(&mut self, word: &str) {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word));
        self.tokens.retain(|token| !is_it(&token.token));
    }

    /// Parses it with sqlparser.
    pub(super) fn parse(&self) -> Outcome<Statement> {
        let end = self.tokens.last().map_or(NOWHERE, |token| token.span.end);
        let dialect = PostgreSqlDialect {};
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(self.tokens.clone());
        let statement = parser.parse_statement().map_err(|error| syntax_problem(&error, end))?;
        let next = parser.peek_token_ref();
        if next.token == Token::EOF {
            return Ok(statement);
        }
        Err(Problem::invalid(next.span, format!("syntax error at or near \"{}\"", next.token)))
    }

    /// A cursor at the first token.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { tokens: &self.tokens }
    }
}

/// sqlparser gives the place as part of the message.
fn syntax_problem(error: &ParserError, end: Location) -> Problem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
    };
    let Some((text, place)) = message.rsplit_once(" at Line: ") else {
        let at = if message.contains("EOF") { end } else { NOWHERE };
        return Problem::invalid(at, format!("syntax error: {message}"));
    };
    let at = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    Problem::invalid(at.unwrap_or(NOWHERE), format!("syntax error: {text}"))
}

/// Reads tokens one after another.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
}

impl<'a> Cursor<'a> {
    /// A cursor at the first of these tokens.
    pub(super) fn over(tokens: &'a [TokenWithSpan]) -> Self {
        Self { tokens }
    }

    /// The place of the next token.
    pub(super) fn at(&self) -> Location {
        self.tokens.first().map_or(NOWHERE, |token| token.span.start)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.tokens.is_empty()
    }

    fn advance(&mut self) -> Option<&'a TokenWithSpan> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Whether the next tokens are these unquoted words.
    pub(super) fn sees(&self, words: &[&str]) -> bool {
        words.len() <= self.tokens.len()
            && self.tokens.iter().zip(words).all(|(token, word)| match &token.token {
                Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
                _ => false,
            })
    }

    /// Takes these words if they are next.
    pub(super) fn takes(&mut self, words: &[&str]) -> bool {
        let is_next = self.sees(words);
        if is_next {
            words.iter().for_each(|_| {
                self.advance();
            });
        }
        is_next
    }

    /// Takes these words.
    pub(super) fn expect(&mut self, words: &[&str]) -> Outcome<()> {
        if self.takes(words) { Ok(()) } else { Err(self.unexpected(&words.join(" "))) }
    }

    /// Takes a piece of punctuation if it is next.
    pub(super) fn takes_token(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first().is_some_and(|next| next.token == *token);
        if is_next {
            self.advance();
        }
        is_next
    }

    /// What stands here instead of `wanted`.
    pub(super) fn unexpected(&self, wanted: &str) -> Problem {
        match self.tokens.first() {
            Some(token) => {
                Problem::invalid(token.span, format!("syntax error at or near \"{}\": expected {wanted}", token.token))
            }
            None => Problem::invalid(NOWHERE, format!("syntax error at the end: expected {wanted}")),
        }
    }

    /// Takes an identifier, folded as PostgreSQL does.
    pub(super) fn identifier(&mut self, what: &str) -> Outcome<(String, Location)> {
        let Some(TokenWithSpan { token: Token::Word(word), span }) = self.tokens.first() else {
            return Err(self.unexpected(what));
        };
        self.advance();
        Ok((names::folded(&word.value, word.quote_style), span.start))
    }

    /// Takes a name of up to three parts.
    pub(super) fn name(&mut self, what: &str) -> Outcome<(Vec<String>, Location)> {
        let (first, at) = self.identifier(what)?;
        let mut parts = vec![first];
        while self.takes_token(&Token::Period) {
            parts.push(self.identifier(what)?.0);
        }
        Ok((parts, at))
    }

    /// Takes a string literal.
    pub(super) fn string(&mut self) -> Outcome<String> {
        let text = match self.tokens.first().map(|token| &token.token) {
            Some(
                Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text),
            ) => text.clone(),
            Some(Token::DollarQuotedString(text)) => text.value.clone(),
            _ => return Err(self.unexpected("a string")),
        };
        self.advance();
        Ok(text)
    }

    /// Takes items that are separated by commas.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Outcome<T>) -> Outcome<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.takes_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Takes what stands in parentheses, if a parenthesis is next.
    pub(super) fn parenthesized(&mut self) -> Outcome<Option<&'a [TokenWithSpan]>> {
        if !self.takes_token(&Token::LParen) {
            return Ok(None);
        }
        let tokens = self.tokens;
        let mut depth = 1_usize;
        for (length, token) in tokens.iter().enumerate() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let (inside, rest) = tokens.split_at(length);
                self.tokens = rest.split_first().map_or(&[], |(_, rest)| rest);
                return Ok(Some(inside));
            }
        }
        Err(self.unexpected(")"))
    }

    /// Whether that piece of punctuation is next.
    pub(super) fn sees_token(&self, token: &Token) -> bool {
        self.tokens.first().is_some_and(|next| next.token == *token)
    }

    /// Takes a number's digits.
    pub(super) fn number(&mut self) -> Option<String> {
        let Some(TokenWithSpan { token: Token::Number(digits, _), .. }) = self.tokens.first() else { return None };
        self.advance();
        Some(digits.clone())
    }

    /// The next token.
    pub(super) fn next_token(&self) -> Option<&'a TokenWithSpan> {
        self.tokens.first()
    }

    /// All tokens that are left.
    pub(super) fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens
    }

    /// Passes over one token.
    pub(super) fn skip(&mut self) {
        self.advance();
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Outcome<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }
}
