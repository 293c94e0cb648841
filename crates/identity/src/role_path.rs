use std::borrow::Cow;

use serde_json::Value;

use crate::IdentityError;

/// A parsed `jwt-role-claim-key`: PostgREST's small JSON path.
///
/// `.role`, `."quoted name".inner`, `.roles[0]`, and as the last step a filter over a list of strings,
/// `.roles[?(@ == "admin")]` with `==`, `!=`, `^==` (starts with), `==^` (ends with) and `*==` (contains).
/// A bare word is the same as a dot and the word, and `$` in front, as PostgREST 16 writes it, is the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RolePath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
    Filter(Comparison, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

/// The spellings, the longer ones first.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("^==", Comparison::StartsWith),
    ("*==", Comparison::Contains),
    ("==^", Comparison::EndsWith),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
];

impl RolePath {
    /// Reads the configured text.
    pub(crate) fn parse(path: &str) -> Result<Self, IdentityError> {
        // The root of the claims, which PostgREST 16 writes and 14 leaves out.
        let from_root = path.strip_prefix('$').filter(|rest| rest.starts_with(['.', '[']));
        let text = path;
        let path = from_root.unwrap_or(path);
        let steps = if path.starts_with(['.', '[']) { parse_steps(path) } else { parse_bare(path) };
        steps.map(Self).map_err(|problem| IdentityError::RolePath { path: text.to_owned(), problem })
    }

    /// The value at the path, `None` when it is not there.
    pub(crate) fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(claims, |value, step| match step {
            Step::Member(name) => value.get(name),
            Step::Index(index) => value.get(index),
            Step::Filter(comparison, text) => {
                value.as_array()?.iter().find(|item| item.as_str().is_some_and(|item| comparison.holds(item, text)))
            }
        })
    }

    /// The role text at the path: a string as it is, anything else as its JSON text, as PostgREST takes it.
    pub(crate) fn role<'a>(&self, claims: &'a Value) -> Option<Cow<'a, str>> {
        self.find(claims).map(|value| match value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        })
    }
}

impl Comparison {
    fn holds(self, item: &str, text: &str) -> bool {
        match self {
            Self::Equal => item == text,
            Self::NotEqual => item != text,
            Self::StartsWith => item.starts_with(text),
            Self::EndsWith => item.ends_with(text),
            Self::Contains => item.contains(text),
        }
    }
}

/// A word without a dot in front: one member, dots inside lead further down.
fn parse_bare(path: &str) -> Result<Vec<Step>, &'static str> {
    parse_steps(&format!(".{path}"))
}

fn parse_steps(mut rest: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if matches!(steps.last(), Some(Step::Filter(..))) {
            return Err("a filter has to be the last step");
        }
        let (step, after) = if let Some(inside) = rest.strip_prefix("[?(@") {
            parse_filter(inside)?
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (digits, after) = inside.split_once(']').ok_or("a '[' is not closed")?;
            (Step::Index(digits.parse().map_err(|_| "an index has to be a number")?), after)
        } else if let Some(quoted) = rest.strip_prefix(".\"") {
            let (name, after) = quoted.split_once('"').ok_or("a quote is not closed")?;
            (Step::Member(name.to_owned()), after)
        } else if let Some(word) = rest.strip_prefix('.') {
            let end = word.find(['.', '[']).unwrap_or(word.len());
            let (name, after) = word.split_at_checked(end).ok_or("a name is expected")?;
            (Step::Member(plain_name(name)?), after)
        } else {
            return Err("a '.' or '[' is expected");
        };
        steps.push(step);
        rest = after;
    }
    if steps.is_empty() { Err("it is empty") } else { Ok(steps) }
}

/// A name that needs no quotes: what PostgREST allows, plus `:` and `/` for claims named by an address.
fn plain_name(name: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '-' | ':' | '/');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err("a name with special characters has to stand in double quotes");
    }
    Ok(name.to_owned())
}

/// ` == "text")]` and what comes after it.
fn parse_filter(inside: &str) -> Result<(Step, &str), &'static str> {
    const SHAPE: &str = "a filter looks like [?(@ == \"text\")]";
    let inside = inside.trim_start();
    let (comparison, inside) = COMPARISONS
        .iter()
        .find_map(|(spelling, comparison)| Some((*comparison, inside.strip_prefix(spelling)?)))
        .ok_or(SHAPE)?;
    let quoted = inside.trim_start().strip_prefix('"').ok_or(SHAPE)?;
    let (text, after) = quoted.split_once('"').ok_or(SHAPE)?;
    let after = after.trim_start().strip_prefix(")]").ok_or(SHAPE)?;
    Ok((Step::Filter(comparison, text.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_role() {
        let claims = json!({
            "role": "a", "app": {"roles": ["b", "web_admin"]}, "x y": {"r": "c"},
            "https://x/role": "d", "number": 7, "nothing": null,
        });
        let cases = [
            ("role", Some("a")),
            (".role", Some("a")),
            ("$.role", Some("a")),
            ("$.app.roles[1]", Some("web_admin")),
            ("app.roles[0]", Some("b")),
            (".app.roles[1]", Some("web_admin")),
            (".app.roles[7]", None),
            (".\"x y\".r", Some("c")),
            (".\"https://x/role\"", Some("d")),
            (".https://x/role", Some("d")),
            (".number", Some("7")),
            (".nothing", Some("null")),
            (".absent", None),
            (".app.roles[?(@ == \"b\")]", Some("b")),
            (".app.roles[?(@ != \"b\")]", Some("web_admin")),
            (".app.roles[?(@ ^== \"web\")]", Some("web_admin")),
            (".app.roles[?(@ ==^ \"admin\")]", Some("web_admin")),
            (".app.roles[?(@ *== \"_\")]", Some("web_admin")),
            (".app.roles[?(@ == \"z\")]", None),
        ];
        for (path, role) in cases {
            assert_eq!(RolePath::parse(path).unwrap().role(&claims).as_deref(), role, "{path}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for path in ["", ".", "..a", ".a[", ".a[x]", ".\"a", ".a b", ".a[?(@ == x)]", ".a[?(@ == \"x\")].b", ".a]"] {
            assert!(RolePath::parse(path).is_err(), "{path}");
        }
    }
}
