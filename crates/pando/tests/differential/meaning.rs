//! When two answers are the same.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use testkit::Answer;

use crate::request::Line;

/// What two answers have to have in common beside status and body.
const HEADERS: [&str; 4] = ["content-type", "content-range", "location", "preference-applied"];

/// What differs, or nothing.
pub fn difference(line: &Line, embedded: &Answer, postgres: &Answer) -> Option<String> {
    let is_error = postgres.status >= 400;
    if embedded.status != postgres.status || (is_error && line.method != "HEAD" && code(embedded) != code(postgres)) {
        return Some(format!("SQLite: {}\n  PostgreSQL: {}", brief(embedded), brief(postgres)));
    }
    for name in HEADERS {
        let (here, there) = (embedded.header(name), postgres.header(name));
        if here != there {
            return Some(format!("{name} on SQLite: {here:?}\n  {name} on PostgreSQL: {there:?}"));
        }
    }
    if postgres.header("content-type").is_some_and(|kind| kind.contains("json"))
        && !postgres.body.is_empty()
        && serde_json::from_slice::<&RawValue>(&postgres.body).is_err()
    {
        return Some(format!("no JSON: {}", brief(postgres)));
    }
    let is_same = is_error || embedded.body == postgres.body || meaning(line, embedded) == meaning(line, postgres);
    (!is_same).then(|| format!("SQLite: {}\n  PostgreSQL: {}", brief(embedded), brief(postgres)))
}

/// Status and code, status and body: what a sentence about an answer says.
fn brief(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.text().chars().take(600).collect::<String>())
}

/// The code of an error, or nothing.
pub fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

/// JSON as it is meant: members have no order, digits stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Leaf(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// The body, rows sorted where nothing orders them.
fn meaning(line: &Line, answer: &Answer) -> Meaning {
    let text = answer.text();
    if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")) {
        let mut lines: Vec<Meaning> = text.split('\n').map(|line| Meaning::Leaf(line.to_owned())).collect();
        // Values hold no line breaks, so a line is a row.
        if !line.is_ordered {
            lines.sort();
        }
        return Meaning::List(lines);
    }
    match Meaning::read(&text, !line.are_embeds_ordered) {
        Meaning::List(mut rows) if !line.is_ordered => {
            rows.sort();
            Meaning::List(rows)
        }
        Meaning::List(rows) => Meaning::List(rows),
        other => other,
    }
}

impl Meaning {
    /// Reads JSON; what is none is a leaf. With `sorts_lists`, lists inside of it have no order.
    fn read(text: &str, sorts_lists: bool) -> Self {
        Self::of(text, sorts_lists, true)
    }

    fn of(text: &str, sorts_lists: bool, is_top: bool) -> Self {
        let text = text.trim();
        if let Ok(members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) {
            let read = |(name, value): (String, Box<RawValue>)| (name, Self::of(value.get(), sorts_lists, false));
            return Self::Object(members.into_iter().map(read).collect());
        }
        if let Ok(members) = serde_json::from_str::<Vec<Box<RawValue>>>(text) {
            let mut members: Vec<Self> =
                members.iter().map(|value| Self::of(value.get(), sorts_lists, false)).collect();
            if sorts_lists && !is_top {
                members.sort();
            }
            return Self::List(members);
        }
        Self::Leaf(serde_json::from_str::<String>(text).map_or_else(|_| text.to_owned(), |word| format!("\"{word}\"")))
    }
}
