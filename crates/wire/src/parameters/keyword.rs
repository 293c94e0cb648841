//! Strings of keywords and values: `host=h user='a b'`.

use std::iter::Peekable;
use std::str::Chars;

use super::given::{Parameters, TargetError};

/// Reads `keyword = value …`. A value in quotes may hold spaces; `\` keeps the character after it.
pub(super) fn parse(text: &str) -> Result<Parameters, TargetError> {
    let mut parameters = Parameters::default();
    let mut rest = text.chars().peekable();
    let mut is_after_password = false;
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Ok(parameters);
        }
        let keyword = keyword(&mut rest);
        skip_space(&mut rest);
        if rest.next_if_eq(&'=').is_none() {
            return Err(if is_after_password { TargetError::AfterPassword } else { TargetError::NoEquals { keyword } });
        }
        skip_space(&mut rest);
        let value = match rest.next_if_eq(&'\'') {
            Some(_) => quoted(&mut rest).ok_or_else(|| match is_after_password {
                true => TargetError::AfterPassword,
                false => TargetError::Unterminated { keyword: keyword.clone() },
            })?,
            None => plain(&mut rest),
        };
        match parameters.set(&keyword, value) {
            Err(TargetError::Unknown { .. }) if is_after_password => return Err(TargetError::AfterPassword),
            set => set?,
        }
        is_after_password = keyword == "password";
    }
}

fn is_space(character: char) -> bool {
    // C's isspace.
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| is_space(*character)).is_some() {}
}

fn keyword(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut keyword = String::new();
    while let Some(character) = rest.next_if(|character| *character != '=' && !is_space(*character)) {
        keyword.push(character);
    }
    keyword
}

fn plain(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut value = String::new();
    while let Some(character) = rest.next_if(|character| !is_space(*character)) {
        match character {
            '\\' => value.extend(rest.next()),
            other => value.push(other),
        }
    }
    value
}

/// The value up to its closing quote; `None` if there is none.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    loop {
        match rest.next()? {
            '\'' => return Some(value),
            '\\' => value.push(rest.next()?),
            other => value.push(other),
        }
    }
}
