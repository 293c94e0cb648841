//! PL/pgSQL as far as triggers of the common kind need it: assignments to `NEW`, `IF`, `RAISE EXCEPTION`, statements
//! that change rows, `RETURN`. Read into a small tree; everything else is refused where it stands.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::names;
use super::problem::{NOWHERE, Outcome, Problem};
use super::tokens::{self, Piece};

/// The most statements in one function.
const MOST_STATEMENTS: usize = 100;

/// How deep blocks may be nested.
const DEEPEST: usize = 20;

/// One statement.
#[derive(Debug)]
pub(super) enum Statement {
    /// `NEW.column := expression`
    Assign { column: String, value: Vec<TokenWithSpan>, at: Location },
    /// `RETURN NEW`, `OLD` or `NULL`
    Return { what: Returned, at: Location },
    /// `IF ... THEN ... ELSIF ... ELSE ... END IF`
    If { branches: Vec<(Vec<TokenWithSpan>, Vec<Statement>)>, otherwise: Vec<Statement>, at: Location },
    /// `INSERT`, `UPDATE` or `DELETE`
    Write(Piece),
    /// `RAISE EXCEPTION`
    Raise(Raise),
}

/// What a trigger function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    New,
    Old,
    /// `COALESCE(NEW, OLD)`: the row that there is.
    NewOrOld,
    Null,
}

/// `RAISE EXCEPTION 'format', arguments USING option = value`
#[derive(Debug)]
pub(super) struct Raise {
    pub(super) message: String,
    pub(super) arguments: Vec<Vec<TokenWithSpan>>,
    pub(super) code: String,
    pub(super) detail: Option<Vec<TokenWithSpan>>,
    pub(super) hint: Option<Vec<TokenWithSpan>>,
    pub(super) at: Location,
}

/// Reads the body of a function, between its quotes.
pub(super) fn parse(source: &str) -> Outcome<Vec<Statement>> {
    let tokens = tokens::words(source)?;
    let mut reader = Reader { tokens: &tokens, count: 0 };
    if reader.takes("DECLARE") {
        return Err(reader.refused(
            "DECLARE",
            "variables are not available in triggers on the embedded engine",
            "instead, write the expression where it is used",
        ));
    }
    reader.expect("BEGIN")?;
    let statements = reader.block(&["END"], 0)?;
    reader.expect("END")?;
    let _ = reader.takes_token(&Token::SemiColon);
    match reader.tokens.first() {
        None => Ok(statements),
        Some(token) => Err(Problem::invalid(token.span, format!("syntax error at or near \"{}\"", token.token))),
    }
}

struct Reader<'t> {
    tokens: &'t [TokenWithSpan],
    count: usize,
}

impl<'t> Reader<'t> {
    fn at(&self) -> Location {
        self.tokens.first().map_or(NOWHERE, |token| token.span.start)
    }

    fn sees(&self, word: &str) -> bool {
        self.tokens.first().is_some_and(|token| is_word(token, word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let sees = self.sees(word);
        if sees {
            self.skip(1);
        }
        sees
    }

    fn takes_token(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first().is_some_and(|next| next.token == *token);
        if is_next {
            self.skip(1);
        }
        is_next
    }

    fn skip(&mut self, count: usize) {
        self.tokens = self.tokens.get(count..).unwrap_or_default();
    }

    fn expect(&mut self, word: &str) -> Outcome<()> {
        if self.takes(word) {
            return Ok(());
        }
        let found = self.tokens.first().map_or_else(|| "the end".to_owned(), |token| token.token.to_string());
        Err(Problem::invalid(self.at(), format!("syntax error at or near \"{found}\": expected {word}")))
    }

    fn refused(&self, construct: &str, why: &str, instead: &str) -> Problem {
        Problem::refused(self.at(), construct, why, instead)
    }

    /// Statements up to one of the closing words.
    fn block(&mut self, ends: &[&str], depth: usize) -> Outcome<Vec<Statement>> {
        if depth > DEEPEST {
            return Err(self.refused(
                "blocks of extreme depth",
                "they are nested too deeply",
                "instead, write simpler conditions",
            ));
        }
        let mut statements = Vec::new();
        while !ends.iter().any(|end| self.sees(end)) {
            if self.tokens.is_empty() {
                return Err(Problem::invalid(NOWHERE, format!("the body ends before {}", ends.join(" or "))));
            }
            self.count += 1;
            if self.count > MOST_STATEMENTS {
                return Err(self.refused(
                    "a function of extreme length",
                    "it has too many statements",
                    "instead, split it",
                ));
            }
            statements.extend(self.statement(depth)?);
        }
        Ok(statements)
    }

    fn statement(&mut self, depth: usize) -> Outcome<Option<Statement>> {
        let at = self.at();
        if self.takes("NULL") {
            self.semicolon()?;
            return Ok(None);
        }
        if self.takes("RETURN") {
            return self.returned(at).map(Some);
        }
        if self.takes("IF") {
            return self.condition(at, depth).map(Some);
        }
        if self.takes("RAISE") {
            return self.raise(at);
        }
        if self.sees("INSERT") || self.sees("UPDATE") || self.sees("DELETE") {
            let tokens = self.until_semicolon()?.to_vec();
            return Ok(Some(Statement::Write(Piece { tokens, at })));
        }
        if self.sees("NEW") || self.sees("OLD") {
            return self.assignment(at).map(Some);
        }
        let word = self.tokens.first().map_or_else(String::new, |token| token.token.to_string());
        Err(self.refused(
            &word,
            "this statement is not available in triggers on the embedded engine",
            "available are: NEW.column := value, IF, RAISE EXCEPTION, INSERT, UPDATE, DELETE and RETURN",
        ))
    }

    fn returned(&mut self, at: Location) -> Outcome<Statement> {
        let what = if self.takes("NEW") {
            Returned::New
        } else if self.takes("OLD") {
            Returned::Old
        } else if self.takes("NULL") {
            Returned::Null
        } else if self.takes_new_or_old() {
            Returned::NewOrOld
        } else {
            return Err(self.refused(
                "RETURN",
                "a trigger returns NEW, OLD or NULL on the embedded engine",
                "instead, RETURN NEW",
            ));
        };
        self.semicolon()?;
        Ok(Statement::Return { what, at })
    }

    fn takes_new_or_old(&mut self) -> bool {
        let is_word = |token: &TokenWithSpan, wanted: &str| match &token.token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
            _ => false,
        };
        let [coalesce, open, new, comma, old, close, rest @ ..] = self.tokens else { return false };
        let is_next = is_word(coalesce, "COALESCE")
            && open.token == Token::LParen
            && is_word(new, "NEW")
            && comma.token == Token::Comma
            && is_word(old, "OLD")
            && close.token == Token::RParen;
        if is_next {
            self.tokens = rest;
        }
        is_next
    }

    fn condition(&mut self, at: Location, depth: usize) -> Outcome<Statement> {
        let mut branches = Vec::new();
        loop {
            let condition = self.until_word("THEN")?.to_vec();
            branches.push((condition, self.block(&["ELSIF", "ELSEIF", "ELSE", "END"], depth + 1)?));
            if !(self.takes("ELSIF") || self.takes("ELSEIF")) {
                break;
            }
        }
        let otherwise = if self.takes("ELSE") { self.block(&["END"], depth + 1)? } else { Vec::new() };
        self.expect("END")?;
        self.expect("IF")?;
        self.semicolon()?;
        Ok(Statement::If { branches, otherwise, at })
    }

    fn raise(&mut self, at: Location) -> Outcome<Option<Statement>> {
        for level in ["NOTICE", "DEBUG", "LOG", "INFO", "WARNING"] {
            if self.takes(level) {
                // Nobody would hear it.
                self.until_semicolon()?;
                return Ok(None);
            }
        }
        let _ = self.takes("EXCEPTION");
        let Some(TokenWithSpan { token: Token::SingleQuotedString(message), .. }) = self.tokens.first() else {
            return Err(self.refused(
                "RAISE",
                "a message is needed on the embedded engine",
                "instead, RAISE EXCEPTION 'message' USING ERRCODE = 'code'",
            ));
        };
        self.skip(1);
        let mut raise = Raise {
            message: message.clone(),
            arguments: Vec::new(),
            code: "P0001".to_owned(),
            detail: None,
            hint: None,
            at,
        };
        let rest = self.until_semicolon()?;
        let (arguments, options) = match position(rest, "USING") {
            Some(place) => (rest.get(..place).unwrap_or_default(), rest.get(place + 1..).unwrap_or_default()),
            None => (rest, &[][..]),
        };
        raise.arguments = separated(arguments).into_iter().filter(|part| !part.is_empty()).collect();
        for option in separated(options).into_iter().filter(|part| !part.is_empty()) {
            option_of(&mut raise, &option)?;
        }
        Ok(Some(Statement::Raise(raise)))
    }

    fn assignment(&mut self, at: Location) -> Outcome<Statement> {
        let is_new = self.sees("NEW");
        self.skip(1);
        let column = match self.tokens {
            [TokenWithSpan { token: Token::Period, .. }, TokenWithSpan { token: Token::Word(word), .. }, ..]
                if is_new =>
            {
                names::folded(&word.value, word.quote_style)
            }
            _ => {
                return Err(Problem::refused(
                    at,
                    "an assignment",
                    "only a column of NEW can be set in a trigger on the embedded engine",
                    "instead, NEW.column := value",
                ));
            }
        };
        self.skip(2);
        if !(self.takes_token(&Token::Assignment) || self.takes_token(&Token::Eq)) {
            return Err(Problem::invalid(self.at(), "syntax error: expected :="));
        }
        let value = self.until_semicolon()?.to_vec();
        Ok(Statement::Assign { column, value, at })
    }

    fn semicolon(&mut self) -> Outcome<()> {
        if self.takes_token(&Token::SemiColon) {
            return Ok(());
        }
        Err(Problem::invalid(self.at(), "syntax error: expected ;"))
    }

    fn until_semicolon(&mut self) -> Outcome<&'t [TokenWithSpan]> {
        let Some(place) = self.tokens.iter().position(|token| token.token == Token::SemiColon) else {
            return Err(Problem::invalid(self.at(), "syntax error: expected ;"));
        };
        let found = self.tokens.get(..place).unwrap_or_default();
        self.skip(place + 1);
        Ok(found)
    }

    /// What stands before a word, outside of `CASE ... END`, which has that word too.
    fn until_word(&mut self, word: &str) -> Outcome<&'t [TokenWithSpan]> {
        let mut cases = 0_usize;
        for (place, token) in self.tokens.iter().enumerate() {
            match () {
                () if is_word(token, "CASE") => cases += 1,
                () if cases > 0 && is_word(token, "END") => cases -= 1,
                () if cases == 0 && is_word(token, word) => {
                    let found = self.tokens.get(..place).unwrap_or_default();
                    self.skip(place + 1);
                    return Ok(found);
                }
                () => {}
            }
        }
        Err(Problem::invalid(self.at(), format!("syntax error: expected {word}")))
    }
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn position(tokens: &[TokenWithSpan], word: &str) -> Option<usize> {
    tokens.iter().position(|token| is_word(token, word))
}

/// Cut at commas outside of parentheses.
fn separated(tokens: &[TokenWithSpan]) -> Vec<Vec<TokenWithSpan>> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0_usize;
    for token in tokens {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(token.clone());
        }
    }
    parts
}

fn option_of(raise: &mut Raise, option: &[TokenWithSpan]) -> Outcome<()> {
    let (name, value) = match option {
        [name, TokenWithSpan { token: Token::Eq | Token::Assignment, .. }, value @ ..] if !value.is_empty() => {
            (name, value)
        }
        _ => return Err(Problem::invalid(raise.at, "an option of RAISE is written name = value")),
    };
    if is_word(name, "ERRCODE") {
        raise.code = match value {
            [TokenWithSpan { token: Token::SingleQuotedString(code), .. }] => sqlstate(code, name.span.start)?,
            _ => {
                return Err(Problem::invalid(
                    name.span,
                    "ERRCODE is a string of five characters, or the name of a condition",
                ));
            }
        };
    } else if is_word(name, "DETAIL") {
        raise.detail = Some(value.to_vec());
    } else if is_word(name, "HINT") {
        raise.hint = Some(value.to_vec());
    } else {
        return Err(Problem::refused(
            name.span,
            format!("RAISE ... USING {}", name.token),
            "it is not available on the embedded engine",
            "available are ERRCODE, DETAIL and HINT",
        ));
    }
    Ok(())
}

/// A SQLSTATE, or one of the names of conditions that triggers use.
fn sqlstate(code: &str, at: Location) -> Outcome<String> {
    let named = match code {
        "raise_exception" => "P0001",
        "check_violation" => "23514",
        "unique_violation" => "23505",
        "foreign_key_violation" => "23503",
        "not_null_violation" => "23502",
        "restrict_violation" => "23001",
        "integrity_constraint_violation" => "23000",
        "insufficient_privilege" => "42501",
        "invalid_parameter_value" => "22023",
        "feature_not_supported" => "0A000",
        code if code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) => code,
        _ => return Err(Problem::invalid(at, format!("unrecognized exception condition \"{code}\""))),
    };
    Ok(named.to_owned())
}
