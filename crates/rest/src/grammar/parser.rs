//! A small parser over characters that fails the way Parsec does, because PostgREST's error texts are Parsec's:
//! the furthest place that was reached, and everything that could have stood there.
//!
//! The rules that matter: a parser *consumes* when it moves the position, also when it fails afterwards. An
//! alternative is tried only if the one before it failed without consuming ([`Parser::attempt`] takes the
//! consumption back). What was expected at a place is collected until something is consumed there. `error` holds
//! this collection for the parsers that ran so far; each parser merges its own into it, and forgets it when it consumes.
//!
//! What was expected matters only to a text that is refused, and collecting it costs most of the parsing. So a text is
//! first parsed without, and once more with it if that failed: what a parser accepts never depends on what was expected.

use base::Limit;

use crate::fault::Fault;
use crate::settings::Limits;

/// A parser failed; what and where is in [`Parser::error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

/// The outcome of a parser.
pub(super) type Parsed<T> = Result<T, Failed>;

/// One piece of an error text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// This character, or the end, stood there.
    Found(Option<char>),
    /// This character may not stand there.
    Unwanted(char),
    /// This could have stood there.
    Expected(&'static str),
}

/// What could have stood where.
#[derive(Debug, Clone, Default)]
struct Expectation {
    position: usize,
    messages: Vec<Message>,
}

impl Expectation {
    /// The further one wins; at the same place both count.
    fn merge(&mut self, other: Expectation) {
        if other.messages.is_empty() {
            return;
        }
        if self.messages.is_empty() || other.position > self.position {
            *self = other;
        } else if other.position == self.position {
            self.messages.extend(other.messages);
        }
    }

    fn add(&mut self, position: usize, messages: &[Message]) {
        if self.messages.is_empty() || position > self.position {
            self.position = position;
            self.messages.clear();
        }
        if position == self.position {
            self.messages.extend_from_slice(messages);
        }
    }
}

/// The state: a text and a place in it.
pub(super) struct Parser<'a> {
    text: &'a str,
    position: usize,
    error: Expectation,
    /// Whether expectations are collected: only in the second run, over a text that is refused.
    collects: bool,
    exceeded: Option<(&'static str, Limit)>,
    /// Characters looked at: the measure of the tests that parsing is linear.
    pub(super) steps: u64,
    pub(super) limits: &'a Limits,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self { text, position: 0, error: Expectation::default(), collects: false, exceeded: None, steps: 0, limits }
    }

    /// The place, to see whether something was consumed.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or("")
    }

    /// Whether an alternative that needs `wanted` before the next of `ends` is worth trying. In the second run all
    /// are, since each tells what it expected; text in quotes may hold anything, so there too.
    pub(super) fn is_worth_trying(&self, wanted: char, ends: &[char]) -> bool {
        let next = || self.rest().chars().find(|found| *found == wanted || *found == '"' || ends.contains(found));
        self.collects || next().is_some_and(|found| found == wanted || found == '"')
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        self.steps += 1;
        self.rest().chars().next()
    }

    fn advance_by(&mut self, bytes: usize) {
        self.position += bytes;
        self.error.messages.clear();
    }

    fn fail(&mut self, found: Option<char>, expected: &[&'static str]) -> Failed {
        let position = self.position;
        self.note(position, found, expected);
        Failed
    }

    fn note(&mut self, position: usize, found: Option<char>, expected: &[&'static str]) {
        if !self.collects {
            return;
        }
        self.error.add(position, &[Message::Found(found)]);
        for label in expected {
            self.error.add(position, &[Message::Expected(label)]);
        }
    }

    fn note_unwanted(&mut self, position: usize, found: char) {
        if self.collects {
            self.error.add(position, &[Message::Unwanted(found)]);
        }
    }

    /// Stops everything because a bound of the settings was exceeded.
    pub(super) fn exceed(&mut self, what: &'static str, limit: Limit) -> Failed {
        self.exceeded.get_or_insert((what, limit));
        // To the end: no alternative may be tried from here.
        self.position = self.text.len();
        Failed
    }

    // ---- characters ------------------------------------------------------------------------------------------

    /// This character; `label` is how an error text calls it.
    pub(super) fn character(&mut self, wanted: char, label: &'static str) -> Parsed<()> {
        match self.peek() {
            Some(found) if found == wanted => {
                self.advance_by(found.len_utf8());
                Ok(())
            }
            other => Err(self.fail(other, &[label])),
        }
    }

    /// Any character.
    pub(super) fn any_character(&mut self) -> Parsed<char> {
        self.character_where(|_| true)
    }

    /// A character with a property that error texts do not name.
    pub(super) fn character_where(&mut self, fits: impl Fn(char) -> bool) -> Parsed<char> {
        match self.peek() {
            Some(found) if fits(found) => {
                self.advance_by(found.len_utf8());
                Ok(found)
            }
            other => Err(self.fail(other, &[])),
        }
    }

    /// All characters with the property from here on; perhaps none. `expected` names them in error texts.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool, expected: &[&'static str]) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !fits(character)).unwrap_or(rest.len());
        self.steps += end as u64;
        let taken = rest.get(..end).unwrap_or("");
        if end > 0 {
            self.advance_by(end);
        }
        let next = self.peek();
        let position = self.position;
        self.note(position, next, expected);
        taken
    }

    /// The same, but at least one.
    pub(super) fn take_some(&mut self, fits: impl Fn(char) -> bool, expected: &[&'static str]) -> Parsed<&'a str> {
        match self.take_while(fits, expected) {
            "" => Err(Failed),
            taken => Ok(taken),
        }
    }

    /// This text. A part of it is consumed even if the rest is missing, but the error stands at its beginning.
    pub(super) fn string(&mut self, wanted: &'static str, label: &'static str) -> Parsed<()> {
        let start = self.position;
        let rest = self.rest();
        let matched: usize = rest
            .chars()
            .zip(wanted.chars())
            .take_while(|(found, wanted)| found == wanted)
            .map(|(found, _)| found.len_utf8())
            .sum();
        self.steps += matched as u64 + 1;
        if matched == wanted.len() {
            self.advance_by(matched);
            return Ok(());
        }
        let found = rest.get(matched..).and_then(|rest| rest.chars().next());
        if matched > 0 {
            self.advance_by(matched);
        }
        self.note(start, found, &[label]);
        Err(Failed)
    }

    /// This text in any case. Its errors are always relabelled by the caller.
    pub(super) fn string_in_any_case(&mut self, wanted: &'static str) -> Parsed<()> {
        for character in wanted.chars() {
            match self.peek() {
                Some(found) if found.eq_ignore_ascii_case(&character) => self.advance_by(found.len_utf8()),
                other => return Err(self.fail(other, &[wanted])),
            }
        }
        Ok(())
    }

    /// Blanks and tabs, perhaps none.
    pub(super) fn blanks(&mut self) {
        self.take_while(|character| matches!(character, ' ' | '\t'), &[]);
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Parsed<()> {
        let position = self.position;
        match self.peek() {
            None => {
                self.note(position, None, &["end of input"]);
                Ok(())
            }
            Some(found) => {
                self.note_unwanted(position, found);
                if self.collects {
                    self.error.add(position, &[Message::Expected("end of input")]);
                }
                Err(Failed)
            }
        }
    }

    /// Succeeds unless a character stands next that is `unwanted`. `label` is how error texts call it, if at all.
    pub(super) fn not_followed_by(
        &mut self,
        unwanted: impl Fn(char) -> bool,
        label: Option<&'static str>,
    ) -> Parsed<()> {
        let position = self.position;
        match self.peek() {
            Some(found) if unwanted(found) => {
                self.note_unwanted(position + found.len_utf8(), found);
                Err(Failed)
            }
            other => {
                self.note(position, other, label.as_slice());
                Ok(())
            }
        }
    }

    // ---- combinations ----------------------------------------------------------------------------------------

    /// `parser`, but if it fails nothing was consumed.
    pub(super) fn attempt<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let start = self.position;
        let before = std::mem::take(&mut self.error);
        let outcome = parser(self);
        if outcome.is_err() && self.exceeded.is_none() {
            self.position = start;
        }
        if self.position == start {
            let own = std::mem::replace(&mut self.error, before);
            self.error.merge(own);
        }
        outcome
    }

    /// Whether `parser` would succeed here; consumes nothing.
    pub(super) fn look_ahead(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let start = self.position;
        let before = std::mem::take(&mut self.error);
        let outcome = parser(self);
        self.position = start;
        let own = std::mem::replace(&mut self.error, before);
        if outcome.is_err() {
            self.error.merge(own);
        }
        outcome
    }

    /// `parser`, whose expectations error texts call `label` as long as it consumed nothing.
    pub(super) fn labelled<T>(
        &mut self,
        label: &'static str,
        parser: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.position;
        let before = std::mem::take(&mut self.error);
        let outcome = parser(self);
        if self.position == start && self.collects {
            let mut own = std::mem::replace(&mut self.error, before);
            if outcome.is_err() && own.messages.is_empty() {
                own.position = start;
            }
            if outcome.is_err() || !own.messages.is_empty() {
                own.messages.retain(|message| !matches!(message, Message::Expected(_)));
                own.messages.push(Message::Expected(label));
            }
            self.error.merge(own);
        }
        outcome
    }

    /// The second one, if the first failed without consuming.
    pub(super) fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Parsed<T>,
        second: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.position;
        match first(self) {
            Err(Failed) if self.position == start => second(self),
            outcome => outcome,
        }
    }

    /// The outcome of `parser`, or nothing if it failed without consuming.
    pub(super) fn optional<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        let start = self.position;
        match parser(self) {
            Ok(found) => Ok(Some(found)),
            Err(Failed) if self.position == start => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// As many as there are.
    pub(super) fn many<T>(&mut self, mut parser: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut found = Vec::new();
        loop {
            let start = self.position;
            match parser(self) {
                // Every parser given here consumes when it succeeds; without this an error in one would never end.
                Ok(_) if self.position == start => return Ok(found),
                Ok(next) => found.push(next),
                Err(Failed) if self.position == start => return Ok(found),
                Err(failed) => return Err(failed),
            }
            // As in Parsec: what the last one could have gone on with is forgotten.
            self.error.messages.clear();
        }
    }

    /// One or more, with separators between them.
    pub(super) fn separated<T>(
        &mut self,
        mut parser: impl FnMut(&mut Self) -> Parsed<T>,
        mut separator: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<Vec<T>> {
        let first = parser(self)?;
        let others = self.many(|parser_state| {
            separator(parser_state)?;
            parser(parser_state)
        })?;
        let mut all = Vec::with_capacity(others.len() + 1);
        all.push(first);
        all.extend(others);
        Ok(all)
    }

    /// Something with blanks around it.
    pub(super) fn lexeme<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.blanks();
        let found = parser(self)?;
        self.blanks();
        Ok(found)
    }

    // ---- the end ---------------------------------------------------------------------------------------------

    /// Runs `parser` over the whole text. `what` begins the error text, as in `failed to parse filter`; `shown` is
    /// the text that it shows.
    pub(super) fn run<T>(
        &mut self,
        what: &str,
        shown: &str,
        parser: impl Fn(&mut Self) -> Parsed<T>,
    ) -> Result<T, Fault> {
        let whole = |state: &mut Self| parser(state).and_then(|found| state.end().map(|()| found));
        let mut outcome = whole(self);
        if outcome.is_err() && self.exceeded.is_none() {
            self.position = 0;
            self.collects = true;
            outcome = whole(self);
        }
        if let Some((what, limit)) = self.exceeded {
            return Err(Fault::QueryLimit { what, limit });
        }
        outcome.map_err(|Failed| {
            let (line, column) = self.line_and_column();
            Fault::Query {
                message: format!("\"{what} ({shown})\" (line {line}, column {column})"),
                details: self.details(),
            }
        })
    }

    fn line_and_column(&self) -> (usize, usize) {
        let before = self.text.get(..self.error.position).unwrap_or(self.text);
        before.chars().fold((1, 1), |(line, column), character| match character {
            '\n' => (line + 1, 1),
            '\t' => (line, column + 8 - (column - 1) % 8),
            _ => (line, column + 1),
        })
    }

    fn details(&self) -> String {
        let messages = &self.error.messages;
        let unwanted = messages.iter().find_map(|message| match message {
            Message::Unwanted(found) => Some(format!("unexpected {}", quote(*found, '\''))),
            _ => None,
        });
        let found = || {
            messages.iter().find_map(|message| match message {
                Message::Found(Some(found)) => Some(format!("unexpected {}", quote(*found, '"'))),
                Message::Found(None) => Some("unexpected end of input".to_owned()),
                _ => None,
            })
        };
        let mut expected: Vec<&str> = Vec::new();
        for message in messages {
            if let Message::Expected(label) = message
                && !expected.contains(label)
            {
                expected.push(label);
            }
        }
        let mut text = unwanted.or_else(found).unwrap_or_else(|| "unknown parse error".to_owned());
        if let Some((last, others)) = expected.split_last() {
            text.push_str(" expecting ");
            if !others.is_empty() {
                text.push_str(&others.join(", "));
                text.push_str(" or ");
            }
            text.push_str(last);
        }
        text
    }
}

/// A character in quotes as Haskell shows it: beyond ASCII as its number.
fn quote(character: char, mark: char) -> String {
    let inner = match character {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if character == mark => format!("\\{mark}"),
        ' '..='~' => character.to_string(),
        _ => format!("\\{}", u32::from(character)),
    };
    format!("{mark}{inner}{mark}")
}

/// Parses a whole text with one of the grammars, for the tables of the tests.
#[cfg(test)]
pub(super) fn steps_of<T>(text: &str, parser: impl Fn(&mut Parser<'_>) -> Parsed<T>) -> u64 {
    let limits = Limits::default();
    let mut state = Parser::new(text, &limits);
    let _ = state.run("test", text, parser);
    state.steps
}
