//! What must hold of every input from outside: it is read or refused, never a panic; what was read is printed and read
//! again as the same. Each function here is one property over bytes; a fuzzer calls it with whatever it finds
//! (`fuzz/`), and a test with the committed corpus and with random input.
#![allow(clippy::panic, reason = "a panic is how a property fails")]

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rest::{
    ApiRequest, Condition, EmbedPath, FieldName, Incoming, Limits, Outline, PlacedCondition, SelectItem, Settings,
    TransactionEnd,
};

/// A property: panics where it does not hold.
pub type Property = fn(&[u8]);

/// All of them by the name of their fuzz target.
pub const ALL: [(&str, Property); 7] = [
    ("query", query),
    ("select", select),
    ("json_path", json_path),
    ("logic", logic),
    ("prefer", prefer),
    ("range", range),
    ("ddl", ddl),
];

/// The query string as it stands in a URL: what was read of it, written as a query string, is read as the same.
/// What has the same outline is read as the same, with other values.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let values =
        [("", ""), ("7", "7"), ("not.eq.-_~", "not.eq.-_~"), ("a%20b+c%2C%26:", "a b c,&:"), ("%C3%A4%22)", "ä\")")];
    for (raw, value) in values {
        outline(text, raw, value);
    }
    let Some(request) = read("/zones", text, &HeaderMap::new()) else { return };
    if !is_printable(&request) {
        return;
    }
    let printed = printed(&request);
    let again = read("/zones", &printed, &HeaderMap::new());
    let again = again.unwrap_or_else(|| panic!("printed as {printed:?}, which is refused"));
    assert_eq!(
        (again.select, bare(again.conditions), again.order, again.ranges),
        (request.select, bare(request.conditions), request.order, request.ranges),
        "printed as {printed:?}"
    );
}

/// With other values, which are written in the query as `raw`.
fn outline(text: &str, raw: &str, value: &str) {
    let limits = Limits::default();
    let Some(outline) = Outline::of("/zones", text, &limits) else { return };
    let around: Vec<&str> = outline.around().collect();
    assert_eq!(around.len(), outline.values().count() + 1);
    let other = around.join(raw);
    let values: Vec<(u16, &str)> = outline.values().map(|(place, _)| (place, value)).collect();
    let again = Outline::of("/zones", &other, &limits);
    let again = again.unwrap_or_else(|| panic!("{other:?} has no outline"));
    assert_eq!(
        (again.around().collect::<Vec<_>>(), again.values().collect::<Vec<_>>()),
        (around, values.clone()),
        "{other:?}"
    );
    let of = |query| read("/zones", query, &HeaderMap::new());
    let changed = of(text).map(|request| request.with_values(&other, values.clone(), &limits));
    assert_eq!(changed, of(&other).map(Some), "{text:?} with the values of {other:?}");
    let itself = of(text).map(|request| request.with_values(text, outline.values(), &limits));
    assert_eq!(itself, of(text).map(Some), "{text:?} with its own values");
}

/// The value of `select`.
pub fn select(data: &[u8]) {
    let Some(request) = parameter(data, "select").filter(is_printable) else { return };
    let text = list(&request.select);
    let again = parameter(text.as_bytes(), "select").map(|request| request.select);
    assert_eq!(again.as_ref(), Some(&request.select), "printed as {text:?}");
}

/// A path into JSON, as the field of a filter.
pub fn json_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(request) = read("/zones", &format!("{}=eq.1", encoded(text)), &HeaderMap::new()) else { return };
    conditions_are_read_as_printed(&request);
}

/// The value of `or`: a tree of conditions.
pub fn logic(data: &[u8]) {
    let Some(request) = parameter(data, "or") else { return };
    conditions_are_read_as_printed(&request);
}

/// The header `Prefer`: what was applied of it, sent again, is applied as the same.
pub fn prefer(data: &[u8]) {
    let Some(request) = header(data, "prefer") else { return };
    let applied = request.preferences.applied(request.action, false, true);
    let Some(text) = applied else { return };
    let again =
        header(text.as_bytes(), "prefer").map(|request| request.preferences.applied(request.action, false, true));
    assert_eq!(again, Some(Some(text)));
}

/// The header `Range`: the rows that were read of it, asked for by `limit` and `offset`, are the same.
pub fn range(data: &[u8]) {
    let Some(request) = header(data, "range") else { return };
    let Some(range) = request.ranges.get(&Vec::new()) else { return };
    let limit = range.limit.map_or_else(String::new, |limit| format!("&limit={limit}"));
    let again = read("/zones", &format!("offset={}{limit}", range.offset), &HeaderMap::new());
    assert_eq!(again.and_then(|request| request.ranges.get(&Vec::new()).copied()), Some(*range));
}

/// A migration: the catalog that it leads to is kept and read again as the same, and what was refused once is refused
/// with the same words.
pub fn ddl(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = || sql::ddl::translate("migration.sql", text, &sql::ddl::prelude());
    let first = read();
    assert_eq!(first, read(), "read twice");
    let Ok(script) = first else { return };
    let kept = serde_json::to_string(&script.snapshot).unwrap_or_else(|error| panic!("cannot be kept: {error}"));
    let again = serde_json::from_str(&kept).unwrap_or_else(|error| panic!("cannot be read again: {error}"));
    assert_eq!(script.snapshot, again, "kept and read again");
}

fn settings() -> Settings {
    Settings {
        schemas: vec!["public".into(), "ops".into()],
        legacy_schema_error: false,
        openapi_enabled: true,
        transaction_end: TransactionEnd::CommitAllowOverride,
        limits: Limits::default(),
    }
}

/// The request, unless it is refused.
pub fn read(path: &str, query: &str, headers: &HeaderMap) -> Option<ApiRequest> {
    let incoming = Incoming { method: &Method::GET, path, query, headers, body: Bytes::new() };
    rest::parse(incoming, &settings()).ok()
}

fn parameter(data: &[u8], name: &str) -> Option<ApiRequest> {
    let text = std::str::from_utf8(data).ok()?;
    read("/zones", &format!("{name}={}", encoded(text)), &HeaderMap::new())
}

fn header(data: &[u8], name: &'static str) -> Option<ApiRequest> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(data).ok()?);
    read("/zones", "", &headers)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Whether what was read has a spelling of its own. A few things have none; all are refused once names are looked up, or
/// mean something else in print alone: a column or an embed called `*`, a cast to the empty name, an embed called `not`.
fn is_printable(request: &ApiRequest) -> bool {
    fn has_star(condition: &Condition) -> bool {
        match condition {
            Condition::Filter(filter) => filter.field.column == "*",
            Condition::Logic { children, .. } => children.iter().any(has_star),
        }
    }
    fn is_spelled(item: &SelectItem) -> bool {
        match item {
            SelectItem::Field { field, alias, cast, aggregate, aggregate_cast } => {
                let is_star = field.as_ref().is_some_and(|field| field.column == "*");
                let is_bare = alias.is_none() && cast.is_none() && aggregate.is_none();
                let is_whole = field.as_ref().is_none_or(|field| field.path.is_empty());
                let has_blank = [cast, aggregate_cast].into_iter().flatten().any(String::is_empty);
                (!is_star || (is_bare && is_whole)) && !has_blank
            }
            SelectItem::Embed(embed) => embed.select.iter().all(is_spelled),
        }
    }
    let conditions = request.conditions.iter().map(|placed| &placed.path);
    let levels = conditions.chain(request.order.iter().map(|(path, _)| path)).chain(request.ranges.keys());
    let is_plain = |path: &EmbedPath| path.iter().all(|step| step != "not" && step != "*");
    levels.into_iter().all(is_plain)
        && !request.conditions.iter().any(|placed| has_star(&placed.condition))
        && !request.order.iter().any(|(_, terms)| terms.iter().any(|term| term.field.column == "*"))
        && request.select.iter().all(is_spelled)
}

fn conditions_are_read_as_printed(request: &ApiRequest) {
    if !is_printable(request) {
        return;
    }
    let printed = printed(request);
    let again = read("/zones", &printed, &HeaderMap::new()).map(|request| bare(request.conditions));
    assert_eq!(again, Some(bare(request.conditions.clone())), "printed as {printed:?}");
}

/// `and=(a.eq.1)` means the same as `a=eq.1`, and is how it is printed here.
fn bare(conditions: Vec<PlacedCondition>) -> Vec<PlacedCondition> {
    let unwrap = |placed: PlacedCondition| match placed.condition {
        Condition::Logic { is_negated: false, is_or: false, mut children } if children.len() == 1 => {
            let condition = children.pop().unwrap_or_else(|| panic!("a tree has a branch"));
            PlacedCondition { path: placed.path, condition }
        }
        condition => PlacedCondition { path: placed.path, condition },
    };
    conditions.into_iter().map(unwrap).collect()
}

/// The request's query string, from what was read of it.
fn printed(request: &ApiRequest) -> String {
    let mut parts = Vec::new();
    if !request.select.is_empty() {
        parts.push(format!("select={}", encoded(&list(&request.select))));
    }
    let step = |step: &String| format!("{}.", FieldName { column: step.clone(), path: Vec::new() });
    let prefix = |path: &[String]| path.iter().map(step).collect::<String>();
    for placed in &request.conditions {
        let path = prefix(&placed.path);
        let (name, value) = match &placed.condition {
            Condition::Logic { is_negated, is_or, children } => {
                let not = if *is_negated { "not." } else { "" };
                let word = if *is_or { "or" } else { "and" };
                (format!("{path}{not}{word}"), format!("({})", list(children)))
            }
            filter @ Condition::Filter(_) => (format!("{path}and"), format!("({filter})")),
        };
        parts.push(format!("{}={}", encoded(&name), encoded(&value)));
    }
    for (path, terms) in &request.order {
        parts.push(format!("{}={}", encoded(&format!("{}order", prefix(path))), encoded(&list(terms))));
    }
    for (path, range) in &request.ranges {
        let path = prefix(path);
        parts.push(format!("{}={}", encoded(&format!("{path}offset")), range.offset));
        if let Some(limit) = range.limit {
            parts.push(format!("{}={limit}", encoded(&format!("{path}limit"))));
        }
    }
    parts.join("&")
}
