//! The file format of PostgREST's configuration, that of the Haskell library configurator-pg
//! (<https://hackage.haskell.org/package/configurator-pg>): `name = value`, groups `name { ... }`, comments after `#`,
//! `true`/`on`/`false`/`off`, numbers, lists, and text in double quotes with escapes and `$(NAME)`.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The largest file that is read, in bytes. Real ones have some kilobytes, most of it comments.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// How deep groups and lists may nest.
const MAX_DEPTH: usize = 16;

/// A value as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true`, `on`, `false`, `off`.
    Boolean(bool),
    /// A number, as it is written.
    Number(String),
    /// Text, escapes and interpolations done.
    Text(String),
    /// A list.
    List(Vec<Value>),
}

/// Where something begins, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column in characters.
    pub column: usize,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub place: Place,
    /// What, and what would be right. Never the text of a value.
    pub text: String,
}

/// Names with their values and the places of the names; of a name that is there twice the later counts.
pub type Bindings = BTreeMap<String, (Value, Place)>;

/// Reads a file's text. `variable` gives what `$(NAME)` means when no binding before has the name.
///
/// # Errors
/// At the first thing that is not understood.
pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Bindings, SyntaxError> {
    let mut parser = Parser {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable(),
        place: Place { line: 1, column: 1 },
        bindings: Bindings::new(),
        variable,
    };
    parser.directives("", 0)?;
    Ok(parser.bindings)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    place: Place,
    bindings: Bindings,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Parser<'_> {
    /// Directives up to the end of the file, or to the `}` of their group.
    fn directives(&mut self, prefix: &str, depth: usize) -> Result<(), SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} groups inside one another")));
        }
        loop {
            self.skip_space();
            match self.rest.peek() {
                None if depth > 0 => return Err(self.error("a group has no end: } is missing")),
                None => return Ok(()),
                Some('}') if depth > 0 => {
                    self.next();
                    return Ok(());
                }
                Some(_) => self.directive(prefix, depth)?,
            }
        }
    }

    fn directive(&mut self, prefix: &str, depth: usize) -> Result<(), SyntaxError> {
        let place = self.place;
        let name = self.name()?;
        if name == "import" {
            let text = "import is not read by Pando; write the settings of that file into this one";
            return Err(SyntaxError { place, text: text.to_owned() });
        }
        let name = format!("{prefix}{name}");
        self.skip_space();
        match self.rest.peek() {
            Some('=') => {
                self.next();
                self.skip_space();
                let value = self.value(0)?;
                self.bindings.insert(name, (value, place));
                Ok(())
            }
            Some('{') => {
                self.next();
                self.directives(&format!("{name}."), depth + 1)
            }
            _ => Err(self.error(format!("after {name} there has to be = and a value"))),
        }
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        if self.rest.peek() == Some(&'"') {
            return self.text();
        }
        if !self.rest.peek().is_some_and(|first| first.is_alphabetic()) {
            return Err(self.error("there has to be the name of a setting, which begins with a letter"));
        }
        let mut name = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if !next.is_alphanumeric() && !matches!(next, '-' | '_' | '.') {
                break;
            }
            name.push(next);
            self.next();
        }
        Ok(name)
    }

    fn value(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let place = self.place;
        match self.rest.peek().copied() {
            Some('"') => self.text().map(Value::Text),
            Some('[') => self.list(depth),
            Some(first) if first.is_ascii_alphanumeric() || matches!(first, '-' | '+') => {
                let word = self.word();
                match word.as_str() {
                    "true" | "on" => Ok(Value::Boolean(true)),
                    "false" | "off" => Ok(Value::Boolean(false)),
                    number if number.parse::<f64>().is_ok_and(f64::is_finite) => Ok(Value::Number(word)),
                    // The word may be a secret whose quotes were forgotten, so it is not repeated.
                    _ => Err(SyntaxError { place, text: "text has to stand in quotes, \"…\"".to_owned() }),
                }
            }
            _ => Err(self.error("there has to be a value: text in quotes, a number, true or false")),
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if !next.is_alphanumeric() && !matches!(next, '-' | '+' | '.' | '_') {
                break;
            }
            word.push(next);
            self.next();
        }
        word
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} lists inside one another")));
        }
        let start = self.place;
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.rest.peek() == Some(&']') {
                self.next();
                return Ok(Value::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.rest.peek() {
                Some(',') => drop(self.next()),
                Some(']') => {}
                _ => return Err(SyntaxError { place: start, text: "a list has no end: ] is missing".to_owned() }),
            }
        }
    }

    /// Text in quotes; a line break in it belongs to it.
    fn text(&mut self) -> Result<String, SyntaxError> {
        let start = self.place;
        self.next();
        let mut text = String::new();
        loop {
            let place = self.place;
            match self.next() {
                None => {
                    let text = "text has no end: the closing quote is missing".to_owned();
                    return Err(SyntaxError { place: start, text });
                }
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(place)?),
                Some('$') => self.interpolate(place, &mut text)?,
                Some(other) => text.push(other),
            }
        }
    }

    fn escape(&mut self, place: Place) -> Result<char, SyntaxError> {
        let wrong = || SyntaxError {
            place,
            text: "only \\n, \\r, \\t, \\\", \\\\ and \\u with four hexadecimal digits can follow a backslash"
                .to_owned(),
        };
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('"') => Ok('"'),
            Some('\\') => Ok('\\'),
            Some('u') => {
                let first = self.hexadecimal().ok_or_else(wrong)?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first).ok_or_else(wrong);
                }
                // The first half of a pair of surrogates.
                if (self.next(), self.next()) != (Some('\\'), Some('u')) {
                    return Err(wrong());
                }
                let second = self.hexadecimal().filter(|half| (0xdc00..0xe000).contains(half)).ok_or_else(wrong)?;
                char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| Some(number * 16 + self.next()?.to_digit(16)?))
    }

    /// What follows a `$`: `$(NAME)`, or a second one, which stands for itself.
    fn interpolate(&mut self, place: Place, text: &mut String) -> Result<(), SyntaxError> {
        let error = |text: String| Err(SyntaxError { place, text });
        match self.next() {
            Some('$') => text.push('$'),
            Some('(') => {
                let mut name = String::new();
                loop {
                    match self.next() {
                        Some(')') => break,
                        Some(next) if next.is_alphanumeric() || matches!(next, '-' | '_' | '.') => name.push(next),
                        _ => return error("$( needs the name of a variable and )".to_owned()),
                    }
                }
                match self.bindings.get(&name).map(|(value, _)| value) {
                    Some(Value::Text(value) | Value::Number(value)) => text.push_str(value),
                    _ => match (self.variable)(&name) {
                        Some(value) => text.push_str(&value),
                        None => return error(format!("$({name}): there is no such variable in the environment")),
                    },
                }
            }
            _ => {
                return error(
                    "a $ alone has no meaning; write $$ for the character, $(NAME) for a variable".to_owned(),
                );
            }
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while let Some(next) = self.rest.peek().copied() {
            if next == '#' {
                while self.rest.peek().is_some_and(|next| *next != '\n') {
                    self.next();
                }
            } else if next.is_whitespace() {
                self.next();
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
        Some(next)
    }

    fn error(&self, text: impl Into<String>) -> SyntaxError {
        SyntaxError { place: self.place, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Value)>, String> {
        let variable = |name: &str| (name == "SECRET").then(|| "from outside".to_owned());
        parse(text, &variable)
            .map(|bindings| bindings.into_iter().map(|(name, (value, _))| (name, value)).collect())
            .map_err(|error| format!("{}:{}: {}", error.place.line, error.place.column, error.text))
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn values() {
        for (file, expected) in [
            ("a = \"x\"", text("x")),
            ("a=\"x\" # comment \"", text("x")),
            ("# c\n\n a\n =\n  \"x\"", text("x")),
            ("\u{feff}a = 3000", Value::Number("3000".to_owned())),
            ("a = -1.5e3", Value::Number("-1.5e3".to_owned())),
            ("a = true", Value::Boolean(true)),
            ("a = off", Value::Boolean(false)),
            ("a = 1\na = 2", Value::Number("2".to_owned())),
            ("a = [\"x\", 1, on]", Value::List(vec![text("x"), Value::Number("1".to_owned()), Value::Boolean(true)])),
            ("a = []", Value::List(vec![])),
            (r#"a = "\n\r\t\"\\\u00e9\ud83d\ude00""#, text("\n\r\t\"\\é😀")),
            (r#"a = ".\"https://example.com/role\".key""#, text(".\"https://example.com/role\".key")),
            ("a = \"two\nlines\"", text("two\nlines")),
            ("a = \"$$1 # $(SECRET)\"", text("$1 # from outside")),
        ] {
            assert_eq!(read(file), Ok(vec![("a".to_owned(), expected)]), "{file}");
        }
    }

    #[test]
    fn names() {
        let file =
            "app.settings.jwt_secret = \"a\"\n\"app.settings.jwt.lifetime\" = \"b\"\napp {\n settings { x = $ }\n}";
        assert!(read(file).is_err());
        let file = file.replace("$ }", "\"$(app.settings.jwt_secret)\" }");
        let names: Vec<String> = read(&file).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["app.settings.jwt.lifetime", "app.settings.jwt_secret", "app.settings.x"]);
    }

    #[test]
    fn mistakes_have_a_place_and_tell_no_value() {
        for (file, expected) in [
            ("a = \"x\"\nb", "2:2: after b there has to be = and a value"),
            ("a: 1", "1:2: after a there has to be ="),
            ("a = hunter2", "1:5: text has to stand in quotes"),
            ("a = postgres://u:hunter2@h/d", "1:5: text has to stand in quotes"),
            ("a =\n", "2:1: there has to be a value"),
            ("a = \"hunter2\nb = 1\n", "1:5: text has no end"),
            ("a = \"\\x\"", "1:6: only \\n"),
            ("a = \"\\ud800x\"", "1:6: only \\n"),
            ("a = \"1$2\"", "1:7: a $ alone"),
            ("a = \"$(NOWHERE)\"", "1:6: $(NOWHERE): there is no such variable"),
            ("a = \"$(no where)\"", "1:6: $( needs"),
            ("a = [1, 2", "1:5: a list has no end"),
            ("a {\n b = 1\n", "3:1: a group has no end"),
            ("}", "1:1: there has to be the name"),
            ("import \"x\"", "1:1: import is not read"),
        ] {
            let error = read(file).unwrap_err();
            assert!(error.starts_with(expected), "{file:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(read(&"a {".repeat(1_000)).unwrap_err().contains("16 groups"));
        assert!(read(&format!("a = {}", "[".repeat(100_000))).unwrap_err().contains("16 lists"));
    }
}
