//! PostgreSQL's advanced regular expressions, rewritten for the `regex` crate.

use crate::ValueError;
use crate::pattern::bracket::{ALNUM, DIGIT, SPACE, complement, read_bracket, write_class};
use crate::pattern::regular::{NESTING_LIMIT, Translated, invalid, push_literal};

/// The largest number in a bound (`{m,n}`); PostgreSQL's own.
const LARGEST_BOUND: u32 = 255;

/// What a pattern is.
pub(super) enum Syntax {
    /// `***=`: no expression at all.
    Literal { text: String, ignore_case: bool },
    /// An expression for the `regex` crate.
    Expression(Translated),
}

/// The switches of an expression: `(?in)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) ignore_case: bool,
    /// `.` and `[^a]` do not match a line break.
    pub(super) stops_at_newline: bool,
    /// `^` and `$` match at line breaks.
    anchors_at_newline: bool,
    /// Blanks and comments do not count.
    is_expanded: bool,
    is_literal: bool,
}

/// Rewrites a pattern.
pub(super) fn translate(pattern: &str, ignore_case: bool) -> Result<Syntax, ValueError> {
    let mut options = Options {
        ignore_case,
        stops_at_newline: false,
        anchors_at_newline: false,
        is_expanded: false,
        is_literal: false,
    };
    let mut rest = pattern;
    if let Some(literal) = rest.strip_prefix("***=") {
        return Ok(Syntax::Literal { text: literal.to_owned(), ignore_case });
    }
    if let Some(expression) = rest.strip_prefix("***:") {
        rest = expression;
    } else if rest.starts_with("***") {
        return Err(invalid("quantifier operand invalid"));
    }
    if rest.starts_with("(?") && rest.chars().nth(2).is_some_and(|letter| letter.is_ascii_alphabetic()) {
        rest = options.read(rest)?;
    }
    if options.is_literal {
        return Ok(Syntax::Literal { text: rest.to_owned(), ignore_case: options.ignore_case });
    }
    let mut translator =
        Translator { rest, options, out: "(?s)".to_owned(), depth: 0, is_lazy: false, has_captures: false };
    translator.expression()?;
    let Translator { out: text, is_lazy, has_captures, .. } = translator;
    Ok(Syntax::Expression(Translated { text, is_lazy, has_captures }))
}

impl Options {
    /// Reads `(?letters)` and gives what follows.
    fn read<'a>(&mut self, text: &'a str) -> Result<&'a str, ValueError> {
        let bad = || invalid("invalid embedded option");
        let (letters, rest) = text.get(2..).and_then(|text| text.split_once(')')).ok_or_else(bad)?;
        for letter in letters.chars() {
            match letter {
                'i' => self.ignore_case = true,
                'c' => self.ignore_case = false,
                'n' | 'm' => (self.stops_at_newline, self.anchors_at_newline) = (true, true),
                's' => (self.stops_at_newline, self.anchors_at_newline) = (false, false),
                'p' => (self.stops_at_newline, self.anchors_at_newline) = (true, false),
                'w' => (self.stops_at_newline, self.anchors_at_newline) = (false, true),
                'x' => self.is_expanded = true,
                't' => self.is_expanded = false,
                'q' => self.is_literal = true,
                'b' | 'e' => {
                    return Err(unsupported(&format!("the embedded option \"{letter}\" (older syntax)")));
                }
                _ => return Err(bad()),
            }
        }
        Ok(rest)
    }
}

/// What the last item was, for the quantifier that may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    /// The start of a branch: nothing to repeat.
    Nothing,
    /// `^`, `$`, `\y` and the like, which cannot be repeated.
    Constraint,
    Atom,
    /// Already repeated.
    Repeated,
}

fn require_atom(item: Item) -> Result<(), ValueError> {
    if item == Item::Atom { Ok(()) } else { Err(invalid("quantifier operand invalid")) }
}

struct Translator<'a> {
    rest: &'a str,
    options: Options,
    out: String,
    depth: u32,
    is_lazy: bool,
    has_captures: bool,
}

impl<'a> Translator<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next();
        self.rest = characters.as_str();
        character
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expression(&mut self) -> Result<(), ValueError> {
        let mut item = Item::Nothing;
        // Where the last item starts in the output.
        let mut item_start = self.out.len();
        let mut groups: Vec<usize> = Vec::new();
        loop {
            self.skip_ignored()?;
            let start = self.out.len();
            let Some(character) = self.next() else { break };
            item = match character {
                '|' => {
                    self.out.push('|');
                    Item::Nothing
                }
                '(' => {
                    self.open_group()?;
                    groups.push(start);
                    Item::Nothing
                }
                ')' => {
                    // An unmatched one is an error, as in PostgreSQL.
                    let Some(group) = groups.pop() else {
                        return Err(invalid("parentheses () not balanced"));
                    };
                    self.out.push(')');
                    self.depth -= 1;
                    item_start = group;
                    Item::Atom
                }
                '*' | '+' | '?' => {
                    self.repeat(item, item_start, &character.to_string())?;
                    Item::Repeated
                }
                '{' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                    require_atom(item)?;
                    let bound = self.bound()?;
                    self.repeat(item, item_start, &bound)?;
                    Item::Repeated
                }
                _ => {
                    item_start = start;
                    self.simple(character)?
                }
            };
        }
        if groups.is_empty() { Ok(()) } else { Err(invalid("parentheses () not balanced")) }
    }

    /// Comments, and in expanded syntax blanks and lines that start with `#`.
    fn skip_ignored(&mut self) -> Result<(), ValueError> {
        loop {
            if self.options.is_expanded {
                self.rest = self.rest.trim_start_matches(|character: char| character.is_ascii_whitespace());
                if self.rest.starts_with('#') {
                    self.rest = self.rest.find('\n').and_then(|end| self.rest.get(end..)).unwrap_or("");
                    continue;
                }
            }
            if !self.take("(?#") {
                return Ok(());
            }
            self.rest = self.rest.find(')').and_then(|end| self.rest.get(end + 1..)).unwrap_or("");
        }
    }

    fn open_group(&mut self) -> Result<(), ValueError> {
        self.depth += 1;
        if self.depth > NESTING_LIMIT {
            return Err(invalid("regular expression is too complex"));
        }
        let is_plain = self.take("?:");
        if is_plain || !self.rest.starts_with('?') {
            self.has_captures |= !is_plain;
            self.out.push_str("(?:");
            return Ok(());
        }
        let is_look_around = ["?=", "?!", "?<=", "?<!"].iter().any(|start| self.rest.starts_with(start));
        Err(if is_look_around {
            unsupported("look-around, (?=...), (?!...), (?<=...) and (?<!...)")
        } else {
            invalid("quantifier operand invalid")
        })
    }

    /// Puts a quantifier behind the last item. One that is repeated already cannot be repeated again.
    fn repeat(&mut self, item: Item, item_start: usize, quantifier: &str) -> Result<(), ValueError> {
        require_atom(item)?;
        // The shortest match is a match too: laziness does not matter for whether there is one.
        self.is_lazy |= self.take("?");
        self.out.insert_str(item_start, "(?:");
        self.out.push(')');
        self.out.push_str(quantifier);
        Ok(())
    }

    /// The rest of `{m}`, `{m,}` or `{m,n}`.
    fn bound(&mut self) -> Result<String, ValueError> {
        let least = self.number()?;
        let most = if self.take(",") {
            if self.peek().is_some_and(|next| next.is_ascii_digit()) { Some(self.number()?) } else { None }
        } else {
            Some(least)
        };
        if most.is_some_and(|most| most < least) {
            return Err(invalid("invalid repetition count(s)"));
        }
        if !self.take("}") {
            return Err(invalid(if self.rest.is_empty() {
                "braces {} not balanced"
            } else {
                "invalid repetition count(s)"
            }));
        }
        Ok(match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        })
    }

    fn number(&mut self) -> Result<u32, ValueError> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        if rest.is_empty() {
            return Err(invalid("braces {} not balanced"));
        }
        match digits.parse() {
            Ok(number) if number <= LARGEST_BOUND => Ok(number),
            _ => Err(invalid("invalid repetition count(s)")),
        }
    }

    /// Everything that is neither a group nor a quantifier.
    fn simple(&mut self, character: char) -> Result<Item, ValueError> {
        match character {
            '^' => {
                self.out.push_str(if self.options.anchors_at_newline { "(?m:^)" } else { "\\A" });
                Ok(Item::Constraint)
            }
            '$' => {
                self.out.push_str(if self.options.anchors_at_newline { "(?m:$)" } else { "\\z" });
                Ok(Item::Constraint)
            }
            '.' => {
                self.out.push_str(if self.options.stops_at_newline { "[^\\n]" } else { "." });
                Ok(Item::Atom)
            }
            '[' => self.bracket(),
            '\\' => self.escape(),
            _ => {
                push_literal(character, self.options.ignore_case, &mut self.out);
                Ok(Item::Atom)
            }
        }
    }

    fn bracket(&mut self) -> Result<Item, ValueError> {
        for (constraint, boundary) in [("[:<:]]", START_OF_WORD), ("[:>:]]", END_OF_WORD)] {
            if self.take(constraint) {
                self.out.push_str(boundary);
                return Ok(Item::Constraint);
            }
        }
        let (ranges, rest) = read_bracket(self.rest, self.options)?;
        self.rest = rest;
        write_class(&ranges, &mut self.out);
        Ok(Item::Atom)
    }

    fn escape(&mut self) -> Result<Item, ValueError> {
        if let Some(boundary) = self.peek().and_then(constraint) {
            self.next();
            self.out.push_str(boundary);
            return Ok(Item::Constraint);
        }
        match read_escape(self.rest, false)? {
            (Escape::Class(ranges), rest) => {
                self.rest = rest;
                write_class(&ranges, &mut self.out);
            }
            (Escape::Character(character), rest) => {
                self.rest = rest;
                push_literal(character, self.options.ignore_case, &mut self.out);
            }
        }
        Ok(Item::Atom)
    }
}

const START_OF_WORD: &str = "(?-u:\\b{start})";
const END_OF_WORD: &str = "(?-u:\\b{end})";

/// Escapes that match a place instead of a character.
fn constraint(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "\\A",
        'Z' => "\\z",
        'm' => START_OF_WORD,
        'M' => END_OF_WORD,
        'y' => "(?-u:\\b)",
        'Y' => "(?-u:\\B)",
        _ => return None,
    })
}

/// What an escape means, inside of brackets and outside.
pub(super) enum Escape {
    Character(char),
    Class(Vec<(char, char)>),
}

/// Reads what follows a backslash; gives its meaning and the rest.
pub(super) fn read_escape(text: &str, is_in_bracket: bool) -> Result<(Escape, &str), ValueError> {
    let bad = || invalid("invalid escape \\ sequence");
    let mut characters = text.chars();
    let letter = characters.next().ok_or_else(bad)?;
    let rest = characters.as_str();
    let class = |ranges: &[(char, char)], is_complement: bool| {
        let ranges = if is_complement { complement(ranges) } else { ranges.to_vec() };
        Ok((Escape::Class(ranges), rest))
    };
    let character = match letter {
        'd' | 'D' => return class(DIGIT, letter == 'D'),
        's' | 'S' => return class(SPACE, letter == 'S'),
        'w' | 'W' => return class(&word_class(), letter == 'W'),
        'a' => '\u{7}',
        'b' => '\u{8}',
        'B' => '\\',
        'e' => '\u{1b}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'c' => {
            let controlled = characters.next().ok_or_else(bad)?;
            let code = u32::from(controlled) & 0x1f;
            return Ok((Escape::Character(char::from_u32(code).ok_or_else(bad)?), characters.as_str()));
        }
        'u' => return hexadecimal(rest, 4, 4),
        'U' => return hexadecimal(rest, 8, 8),
        'x' => return hexadecimal(rest, 1, 255),
        '0'..='9' => return digits(text, is_in_bracket),
        other if other.is_ascii_alphanumeric() => return Err(bad()),
        other => other,
    };
    Ok((Escape::Character(character), rest))
}

fn word_class() -> Vec<(char, char)> {
    ALNUM.iter().copied().chain([('_', '_')]).collect()
}

fn hexadecimal(text: &str, least: usize, most: usize) -> Result<(Escape, &str), ValueError> {
    let bad = || invalid("invalid escape \\ sequence");
    let length = text.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
    let (digits, rest) = text.split_at_checked(length).ok_or_else(bad)?;
    if length < least {
        return Err(bad());
    }
    let code = u32::from_str_radix(digits, 16).map_err(|_| bad())?;
    Ok((Escape::Character(char::from_u32(code).ok_or_else(bad)?), rest))
}

/// `\0`, octal codes, and back references, which cannot be matched in linear time.
fn digits(text: &str, is_in_bracket: bool) -> Result<(Escape, &str), ValueError> {
    let octal_length = text.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let is_octal = text.starts_with('0') || octal_length >= 2 && !is_back_reference(text);
    if !is_octal {
        return Err(if is_in_bracket {
            invalid("invalid escape \\ sequence")
        } else {
            unsupported("back references (\\1)")
        });
    }
    let (digits, rest) = text.split_at_checked(octal_length).unwrap_or((text, ""));
    let code = u32::from_str_radix(digits, 8).unwrap_or(0);
    Ok((Escape::Character(char::from_u32(code).unwrap_or('\0')), rest))
}

/// A single digit other than zero is always a back reference; longer ones are octal here, because groups that
/// many are not counted.
fn is_back_reference(text: &str) -> bool {
    text.bytes().take_while(u8::is_ascii_digit).count() == 1
}

fn unsupported(what: &str) -> ValueError {
    ValueError::new(
        "0A000",
        format!("regular expressions with {what} are not supported, because they cannot be matched in linear time"),
    )
}

#[cfg(test)]
mod tests {
    use crate::pattern::compile;
    use proptest::prelude::*;

    #[test]
    fn matches() {
        for (pattern, text, expected) in [
            ("", "abc", true),
            ("b", "abc", true),
            ("^b", "abc", false),
            ("^a.c$", "a\nc", true),
            ("a$", "a\n", false),
            ("[a-c]+", "xxb", true),
            ("[^a]", "a", false),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]{2}", "a12", true),
            ("[[:alpha:]]", "é", false),
            ("\\d\\D\\s\\w", "1a b", true),
            ("\\w", "é", false),
            ("\\yfoo\\y", "a foo b", true),
            ("\\yfoo\\y", "afoo b", false),
            ("\\mfoo", "xfoo", false),
            ("foo\\M", "foo.", true),
            ("[[:<:]]foo[[:>:]]", "a foo", true),
            ("\\Afoo\\Z", "foo", true),
            ("a{2,3}", "aa", true),
            ("a{2}b", "ab", false),
            ("a{x", "a{x", true),
            ("a|b|", "zzz", true),
            ("(a|b)+c", "ababc", true),
            ("(?:ab)*?c", "c", true),
            ("(?i)ABC", "abc", true),
            ("(?i)É", "é", false),
            ("(?n)a.b", "a\nb", false),
            ("(?n)^b$", "a\nb\nc", true),
            ("(?n)[^x]", "\n", false),
            ("(?w)a.b", "a\nb", true),
            ("(?x) a b # comment", "ab", true),
            ("a(?#comment)b", "ab", true),
            ("***=a.b", "a.b", true),
            ("***=a.b", "axb", false),
            ("***:a.b", "axb", true),
            ("\\.", "a", false),
            ("\\x41\\u00e9", "Aé", true),
            ("\\B", "\\", true),
            ("[\\d\\-]", "-", true),
            ("[\\w]+$", "ab_1", true),
            ("[[.hyphen.]]", "-", true),
            ("[[=a=]]", "a", true),
            ("\\é", "é", true),
        ] {
            let compiled = compile(pattern, false).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.is_match(text), expected, "{pattern} {text}");
        }
        assert!(compile("[a-c]X", true).unwrap().is_match("Bx"));
        assert!(!compile("[^a]", true).unwrap().is_match("A"));
    }

    #[test]
    fn refused_in_postgresqls_words() {
        for (pattern, reason) in [
            ("[", "brackets [] not balanced"),
            ("[a", "brackets [] not balanced"),
            ("(", "parentheses () not balanced"),
            ("a)", "parentheses () not balanced"),
            ("*a", "quantifier operand invalid"),
            ("a**", "quantifier operand invalid"),
            ("(*a)", "quantifier operand invalid"),
            ("a|*", "quantifier operand invalid"),
            ("^*", "quantifier operand invalid"),
            ("(?<a>b)", "quantifier operand invalid"),
            ("a{1", "braces {} not balanced"),
            ("a{2,1}", "invalid repetition count(s)"),
            ("a{256}", "invalid repetition count(s)"),
            ("a{1x}", "invalid repetition count(s)"),
            ("[b-a]", "invalid character range"),
            ("[[:foo:]]", "invalid character class"),
            ("[[.foo.]]", "invalid collating element"),
            ("a\\", "invalid escape \\ sequence"),
            ("\\q", "invalid escape \\ sequence"),
            ("(?z)a", "invalid embedded option"),
            ("***", "quantifier operand invalid"),
        ] {
            let error = compile(pattern, false).err().unwrap_or_else(|| panic!("{pattern}"));
            assert_eq!(error.sqlstate, "2201B", "{pattern}");
            assert_eq!(error.message, format!("invalid regular expression: {reason}"), "{pattern}");
        }
        for pattern in ["(a)\\1", "a(?=b)", "(?!a)", "(?<=a)b"] {
            assert_eq!(compile(pattern, false).unwrap_err().sqlstate, "0A000", "{pattern}");
        }
        let error = compile("(((a{200}){200}){200})", false).unwrap_err();
        assert_eq!(error.message, "invalid regular expression: regular expression is too complex");
    }

    proptest! {
        #[test]
        fn nothing_panics(pattern in "[-\\\\\\[\\]^$.|?*+(){}a-e0-3:=!<>,é#nwx]{0,16}", text in ".{0,8}") {
            if let Ok(compiled) = compile(&pattern, true) {
                compiled.is_match(&text);
            }
        }

        #[test]
        fn literals_match_themselves(text in ".{0,12}") {
            let compiled = compile(&format!("***={text}"), true).unwrap();
            prop_assert!(compiled.is_match(&text));
        }
    }
}
