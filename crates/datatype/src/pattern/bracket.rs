//! Bracket expressions: `[^[:alpha:]_-]`.

use crate::ValueError;
use crate::pattern::regular::invalid;
use crate::pattern::translate::{Escape, Options, read_escape};

/// A set of characters, as ranges with both ends in it.
type Ranges = Vec<(char, char)>;

pub(super) const DIGIT: &[(char, char)] = &[('0', '9')];
pub(super) const ALNUM: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('a', 'z')];
pub(super) const SPACE: &[(char, char)] = &[('\t', '\r'), (' ', ' ')];

/// Reads what follows `[`, up to and with the closing bracket; gives the set and the rest.
pub(super) fn read_bracket(text: &str, options: Options) -> Result<(Ranges, &str), ValueError> {
    let mut reader = Reader { rest: text, ranges: Vec::new(), ignore_case: options.ignore_case };
    let is_negated = reader.take("^");
    reader.members()?;
    let mut ranges = reader.ranges;
    if options.ignore_case {
        fold_case(&mut ranges);
    }
    if is_negated {
        if options.stops_at_newline {
            ranges.push(('\n', '\n'));
        }
        ranges = complement(&ranges);
    }
    Ok((ranges, reader.rest))
}

/// Every character that is not in the set.
pub(super) fn complement(ranges: &[(char, char)]) -> Ranges {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut outside = Vec::new();
    // The first character that no range has covered so far; `None` behind the last one.
    let mut next = Some('\0');
    for (first, last) in sorted {
        let Some(open) = next else { break };
        if first > open
            && let Some(end) = before(first)
        {
            outside.push((open, end));
        }
        if last >= open {
            next = after(last);
        }
    }
    if let Some(open) = next {
        outside.push((open, char::MAX));
    }
    outside
}

/// Writes a set as a class of the `regex` crate; an empty one matches nothing.
pub(super) fn write_class(ranges: &[(char, char)], out: &mut String) {
    if ranges.is_empty() {
        out.push_str("[^\\x{0}-\\x{10FFFF}]");
        return;
    }
    out.push('[');
    for (first, last) in ranges {
        out.push_str(&format!("\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*first), u32::from(*last)));
    }
    out.push(']');
}

struct Reader<'a> {
    rest: &'a str,
    ranges: Ranges,
    ignore_case: bool,
}

/// A member of a bracket expression: a character, which can start a range, or a whole class.
enum Member {
    Character(char),
    Class,
}

impl<'a> Reader<'a> {
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn members(&mut self) -> Result<(), ValueError> {
        let mut is_first = true;
        loop {
            if !is_first && self.take("]") {
                return Ok(());
            }
            let starts_with_hyphen = self.rest.starts_with('-');
            if starts_with_hyphen && !is_first && !self.rest.starts_with("-]") {
                return Err(invalid("invalid character range"));
            }
            is_first = false;
            let member = self.member()?;
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            match member {
                Member::Character(first) if is_range => {
                    self.take("-");
                    self.range(first)?;
                }
                Member::Character(character) => self.ranges.push((character, character)),
                Member::Class if is_range => {
                    return Err(if self.rest.len() == 1 { unbalanced() } else { invalid("invalid character range") });
                }
                Member::Class => {}
            }
        }
    }

    fn range(&mut self, first: char) -> Result<(), ValueError> {
        let last = self.member()?;
        // PostgreSQL looks at the next member before it compares the ends.
        if let (Member::Character(_), Some(escape)) = (&last, self.rest.strip_prefix('\\')) {
            read_escape(escape, true)?;
        } else if matches!(last, Member::Character(_)) && matches!(self.rest, "" | "[") {
            return Err(unbalanced());
        }
        match last {
            Member::Character(last) if first <= last => self.ranges.push((first, last)),
            _ => return Err(invalid("invalid character range")),
        }
        Ok(())
    }

    fn member(&mut self) -> Result<Member, ValueError> {
        if self.take("[:") {
            let name = self.name(":]", "invalid character class")?;
            let ranges = class(name, self.ignore_case).ok_or_else(|| invalid("invalid character class"))?;
            self.ranges.extend_from_slice(&ranges);
            return Ok(Member::Class);
        }
        if self.take("[.") {
            let name = self.name(".]", "invalid collating element")?;
            return element(name).map(Member::Character);
        }
        if self.take("[=") {
            let name = self.name("=]", "invalid collating element")?;
            let character = element(name)?;
            self.ranges.push((character, character));
            return Ok(Member::Class);
        }
        if self.take("\\") {
            let (escape, rest) = read_escape(self.rest, true)?;
            self.rest = rest;
            return Ok(match escape {
                Escape::Character(character) => Member::Character(character),
                Escape::Class(ranges) => {
                    self.ranges.extend_from_slice(&ranges);
                    Member::Class
                }
            });
        }
        let mut characters = self.rest.chars();
        let character = characters.next().ok_or_else(unbalanced)?;
        self.rest = characters.as_str();
        Ok(Member::Character(character))
    }

    fn name(&mut self, end: &str, empty: &str) -> Result<&'a str, ValueError> {
        let (name, rest) = self.rest.split_once(end).ok_or_else(unbalanced)?;
        if rest.is_empty() {
            return Err(unbalanced());
        }
        if name.is_empty() {
            return Err(invalid(empty));
        }
        self.rest = rest;
        Ok(name)
    }
}

fn unbalanced() -> ValueError {
    invalid("brackets [] not balanced")
}

/// The classes of the C locale.
fn class(name: &str, ignore_case: bool) -> Option<Ranges> {
    let ranges: &[(char, char)] = match name {
        "alnum" => ALNUM,
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "lower" | "upper" if ignore_case => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => SPACE,
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(ranges.to_vec())
}

/// A collating element: one character, or one of the names that POSIX gives to characters.
fn element(name: &str) -> Result<char, ValueError> {
    let mut characters = name.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Ok(character);
    }
    NAMED_CHARACTERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, character)| *character)
        .ok_or_else(|| invalid("invalid collating element"))
}

/// The names that are used; those of control characters are left out.
const NAMED_CHARACTERS: &[(&str, char)] = &[
    ("NUL", '\0'),
    ("tab", '\t'),
    ("newline", '\n'),
    ("carriage-return", '\r'),
    ("space", ' '),
    ("exclamation-mark", '!'),
    ("quotation-mark", '"'),
    ("number-sign", '#'),
    ("dollar-sign", '$'),
    ("percent-sign", '%'),
    ("ampersand", '&'),
    ("apostrophe", '\''),
    ("left-parenthesis", '('),
    ("right-parenthesis", ')'),
    ("asterisk", '*'),
    ("plus-sign", '+'),
    ("comma", ','),
    ("hyphen", '-'),
    ("hyphen-minus", '-'),
    ("period", '.'),
    ("full-stop", '.'),
    ("slash", '/'),
    ("solidus", '/'),
    ("zero", '0'),
    ("one", '1'),
    ("two", '2'),
    ("three", '3'),
    ("four", '4'),
    ("five", '5'),
    ("six", '6'),
    ("seven", '7'),
    ("eight", '8'),
    ("nine", '9'),
    ("colon", ':'),
    ("semicolon", ';'),
    ("less-than-sign", '<'),
    ("equals-sign", '='),
    ("greater-than-sign", '>'),
    ("question-mark", '?'),
    ("commercial-at", '@'),
    ("left-square-bracket", '['),
    ("backslash", '\\'),
    ("reverse-solidus", '\\'),
    ("right-square-bracket", ']'),
    ("circumflex", '^'),
    ("circumflex-accent", '^'),
    ("underscore", '_'),
    ("low-line", '_'),
    ("grave-accent", '`'),
    ("left-brace", '{'),
    ("left-curly-bracket", '{'),
    ("vertical-line", '|'),
    ("right-brace", '}'),
    ("right-curly-bracket", '}'),
    ("tilde", '~'),
    ("DEL", '\x7f'),
];

/// Adds the other case of every ASCII letter in the set.
fn fold_case(ranges: &mut Ranges) {
    let mut folded = Vec::new();
    for (first, last) in ranges.iter() {
        for (low, high) in [('A', 'Z'), ('a', 'z')] {
            let (start, end) = ((*first).max(low), (*last).min(high));
            if start <= end {
                let swap = |letter: char| {
                    if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
                };
                folded.push((swap(start), swap(end)));
            }
        }
    }
    ranges.extend(folded);
}

/// The character before; surrogates are no characters.
fn before(character: char) -> Option<char> {
    match character {
        '\u{e000}' => Some('\u{d7ff}'),
        _ => char::from_u32(u32::from(character).checked_sub(1)?),
    }
}

/// The character after.
fn after(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        _ => char::from_u32(u32::from(character) + 1),
    }
}
