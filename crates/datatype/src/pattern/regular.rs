use regex::{Regex, RegexBuilder};

use crate::ValueError;
use crate::pattern::translate::{Syntax, translate};

/// The most memory, in bytes, that a compiled expression may take. A request can bring any expression: this
/// bounds what `(((a{200}){200}){200})` can cost.
pub const COMPILED_LIMIT: usize = 1 << 20;
/// The deepest nesting of groups.
pub const NESTING_LIMIT: u32 = 100;

/// A compiled regular expression. Matching takes linear time, whatever the expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

/// Compiles one of PostgreSQL's regular expressions (ARE, the syntax of `~` and `~*`). Only ASCII characters
/// belong to classes and have two cases, as in PostgreSQL's C locale.
///
/// # Errors
/// 2201B `invalid regular expression: ...` in PostgreSQL's words; 0A000 for back references and look-around,
/// which cannot be matched in linear time.
pub fn compile(pattern: &str, case_insensitive: bool) -> Result<Pattern, ValueError> {
    RegexBuilder::new(&translated(pattern, case_insensitive)?.text)
        .size_limit(COMPILED_LIMIT)
        .nest_limit(NESTING_LIMIT.saturating_mul(3))
        .build()
        .map(|regex| Pattern { regex })
        .map_err(|_| invalid("regular expression is too complex"))
}

/// An expression for the `regex` crate.
pub(super) struct Translated {
    pub(super) text: String,
    /// Whether a quantifier is non-greedy.
    pub(super) is_lazy: bool,
    /// Whether PostgreSQL would capture a part of the match.
    pub(super) has_captures: bool,
}

pub(super) fn translated(pattern: &str, case_insensitive: bool) -> Result<Translated, ValueError> {
    Ok(match translate(pattern, case_insensitive)? {
        Syntax::Literal { text, ignore_case } => {
            Translated { text: regex_of_literal(&text, ignore_case), is_lazy: false, has_captures: false }
        }
        Syntax::Expression(translated) => translated,
    })
}

impl Pattern {
    /// Where the leftmost match from a place on starts.
    pub(super) fn start_of_match(&self, text: &str, from: usize) -> Option<usize> {
        self.regex.find_at(text, from).map(|found| found.start())
    }

    /// Whether the expression matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// 2201B in PostgreSQL's words.
pub(super) fn invalid(reason: &str) -> ValueError {
    ValueError::new("2201B", format!("invalid regular expression: {reason}"))
}

/// A character outside of a bracket, in both cases if they are to be ignored.
pub(super) fn push_literal(character: char, ignore_case: bool, out: &mut String) {
    if ignore_case && character.is_ascii_alphabetic() {
        out.push('[');
        out.push(character.to_ascii_lowercase());
        out.push(character.to_ascii_uppercase());
        out.push(']');
    } else {
        out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }
}

fn regex_of_literal(text: &str, ignore_case: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        push_literal(character, ignore_case, &mut out);
    }
    out
}
