//! Random requests: mostly such as are answered, and some that are refused.

use testkit::Chance;

use crate::PEOPLE;
use crate::relations::{Kind, RELATIONS, Relation, relation};
use crate::request::{Body, CSV, Case, Filter, Item, Query, quoted};
use crate::values::{expression, once_in, one, pattern, right, value};
use crate::writes;

/// How deep relations are embedded.
const DEEPEST_EMBED: u64 = 2;
/// How deep logic trees are.
const DEEPEST_TREE: u64 = 2;

const AGGREGATES: [&str; 5] = ["sum", "avg", "min", "max", "count"];
const COMPARISONS: [&str; 6] = ["eq", "neq", "gt", "gte", "lt", "lte"];
const PATHS: [&str; 9] = ["->a", "->>a", "->b->c", "->b->>c", "->0", "->>-1", "->2->a", "->>n", "->a->>1"];

/// A random request.
pub fn case(chance: &mut Chance) -> Case {
    match chance.below(20) {
        0 => call(chance),
        1..=5 => writes::case(chance),
        _ => read(chance),
    }
}

/// One of the relations, the first ones more often.
pub fn any_relation(chance: &mut Chance) -> &'static Relation {
    let position = chance.below(RELATIONS.len() as u64).min(chance.below(RELATIONS.len() as u64));
    &RELATIONS[usize::try_from(position).expect("an index")]
}

fn read(chance: &mut Chance) -> Case {
    let of = any_relation(chance);
    let is_grouped = once_in(chance, 10);
    let query = if is_grouped { grouped(chance, of) } else { query(chance, of, 0) };
    let mut case = Case {
        who: one(chance, &PEOPLE).0,
        method: if once_in(chance, 20) { "HEAD" } else { "GET" },
        path: if once_in(chance, 200) { "nowhere".to_owned() } else { of.name.to_owned() },
        query,
        parameters: Vec::new(),
        prefer: Vec::new(),
        headers: Vec::new(),
        body: Body::None,
    };
    decorate(chance, &mut case);
    case
}

/// Counts, ranges and forms.
fn decorate(chance: &mut Chance, case: &mut Case) {
    if once_in(chance, 4) {
        // `planned` and `estimated` are exact on SQLite, and what PostgreSQL's planner guesses there: docs/differences.md.
        case.prefer.push("count=exact".to_owned());
    }
    in_a_zone(chance, case);
    if once_in(chance, 12) && case.query.is_total && case.query.limit.is_none() && case.query.offset.is_none() {
        let range = one(chance, &["0-4", "2-3", "5-", "0-0", "50-60", "3-1"]);
        case.headers.push(("Range-Unit", "items".to_owned()));
        case.headers.push(("Range", range.to_owned()));
    }
    match chance.below(24) {
        // Embedded rows are JSON text there, which has one order.
        0 if case.query.are_embeds_total() => case.headers.push(("Accept", CSV.to_owned())),
        1 => case.headers.push(("Accept", "application/vnd.pgrst.object+json".to_owned())),
        2 => case.headers.push(("Accept", "application/vnd.pgrst.array+json;nulls=stripped".to_owned())),
        3 => case.headers.push(("Accept", "application/vnd.pgrst.object+json;nulls=stripped".to_owned())),
        _ => {}
    }
    if once_in(chance, 30) {
        case.prefer
            .push(one(chance, &["handling=strict", "handling=lenient", "return=minimal", "nonsense"]).to_owned());
    }
}

/// Rows of a relation with all that belongs to them.
pub fn query(chance: &mut Chance, of: &Relation, depth: u64) -> Query {
    let mut query = Query { select: select(chance, of, depth), ..Query::default() };
    for _ in 0..one(chance, &[0, 0, 1, 1, 2]) {
        query.filters.push(filter(chance, of, 0));
    }
    for item in &query.select {
        if matches!(item, Item::Embed { .. }) && once_in(chance, 8) {
            // Rows with, or without, anything embedded.
            let (field, is_negated) = (item.name().to_owned(), once_in(chance, 2));
            query.filters.push(Filter::Condition { field, is_negated, operator: "is".into(), value: "null".into() });
        }
    }
    if !once_in(chance, 4) {
        order(chance, of, &mut query);
    }
    // Which rows a page holds is only certain in a total order.
    if query.is_total && once_in(chance, 3) {
        query.limit = Some(one(chance, &["0", "1", "2", "3", "5", "100"]).to_owned());
    }
    if query.is_total && once_in(chance, 5) {
        query.offset = Some(one(chance, &["0", "1", "2", "7", "100"]).to_owned());
    }
    query
}

/// In which zone moments are read and printed.
pub fn in_a_zone(chance: &mut Chance, case: &mut Case) {
    const ZONES: [&str; 6] =
        ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "UTC", "Nowhere/Land"];
    if once_in(chance, 10) {
        case.prefer.push(format!("timezone={}", one(chance, &ZONES)));
    }
}

fn order(chance: &mut Chance, of: &Relation, query: &mut Query) {
    const DIRECTIONS: [&str; 7] = ["", "", ".asc", ".desc", ".desc.nullslast", ".asc.nullsfirst", ".nullslast"];
    for (name, inside) in ordering(chance, of, &query.select) {
        let (column, kind) = one(chance, inside.columns);
        let path = if kind == Kind::Json && once_in(chance, 2) { one(chance, &PATHS) } else { "" };
        query.order.push(format!("{name}({column}{path}){}", one(chance, &DIRECTIONS)));
    }
    for _ in 0..one(chance, &[0, 1, 1, 2]) {
        let (name, kind) = one(chance, of.columns);
        let path = if kind == Kind::Json && once_in(chance, 2) { one(chance, &PATHS) } else { "" };
        query.order.push(format!("{name}{path}{}", one(chance, &DIRECTIONS)));
    }
    let key = of.key.iter().map(|name| format!("{name}{}", one(chance, &DIRECTIONS)));
    query.order.extend(key);
    query.is_total = true;
}

/// Embeds by whose columns rows are ordered: their names and relations. Rarely one of several rows, which is refused.
fn ordering(chance: &mut Chance, of: &Relation, select: &[Item]) -> Vec<(String, &'static Relation)> {
    let mut found = Vec::new();
    for item in select {
        let Item::Embed { target, .. } = item else { continue };
        let Some((_, name, is_many)) = of.embeds.iter().find(|(known, ..)| known == target) else { continue };
        if once_in(chance, if *is_many { 60 } else { 4 }) {
            found.push((item.name().to_owned(), relation(name)));
        }
    }
    found
}

fn select(chance: &mut Chance, of: &Relation, depth: u64) -> Vec<Item> {
    let mut items = Vec::new();
    if !once_in(chance, 4) {
        for _ in 0..=chance.below(3) {
            items.push(field(chance, of, items.len()));
        }
    }
    if depth < DEEPEST_EMBED && !of.embeds.is_empty() {
        for _ in 0..one(chance, &[0, 0, 1, 1, 2]) {
            let position = items.len();
            items.push(embed(chance, of, depth, position));
        }
    }
    if once_in(chance, 200) {
        items.push(Item::Field { alias: String::new(), name: "nothing".to_owned(), after: String::new() });
    }
    items
}

fn field(chance: &mut Chance, of: &Relation, position: usize) -> Item {
    if once_in(chance, 12) {
        return Item::Field { alias: String::new(), name: "*".to_owned(), after: String::new() };
    }
    let (name, kind) = one(chance, of.columns);
    let path = if kind == Kind::Json && once_in(chance, 2) { one(chance, &PATHS) } else { "" };
    let cast = if path.is_empty() && once_in(chance, 6) { cast(chance, kind) } else { "" };
    // Every column has a name of its own: of two alike the last counts, and CSV has both.
    let alias =
        if path.is_empty() && cast.is_empty() && once_in(chance, 2) { String::new() } else { format!("f{position}") };
    Item::Field { alias, name: name.to_owned(), after: format!("{path}{cast}") }
}

/// A cast that works, or fails, for every value of the type alike: whether PostgreSQL computes it for a row that is not
/// shown, and so meets a value that does not fit, depends on its plan.
fn cast(chance: &mut Chance, kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => one(chance, &["::text", "::numeric", "::float8", "::bigint"]),
        Kind::Boolean => one(chance, &["::text", "::integer", "::date"]),
        Kind::Date => one(chance, &["::text", "::timestamptz", "::integer"]),
        Kind::Double => one(chance, &["::text", "::numeric", "::real"]),
        Kind::Moment => one(chance, &["::text", "::date"]),
        Kind::Numeric => one(chance, &["::text", "::float8", "::uuid"]),
        Kind::Json | Kind::Mood | Kind::Uuid => one(chance, &["::text", "::varchar"]),
        Kind::Text => one(chance, &["::text", "::varchar", "::varchar(3)"]),
    }
}

fn embed(chance: &mut Chance, of: &Relation, depth: u64, position: usize) -> Item {
    let (target, name, _) = one(chance, of.embeds);
    let inside = relation(name);
    let query = if once_in(chance, 8) { grouped(chance, inside) } else { query(chance, inside, depth + 1) };
    let join = one(chance, &["", "", "", "!inner", "!left"]);
    let is_spread = once_in(chance, 6);
    let alias = if is_spread || once_in(chance, 3) { String::new() } else { format!("e{position}") };
    Item::Embed { is_spread, alias, target: target.to_owned(), join, query: Box::new(query) }
}

/// Groups: nothing orders them, and there are no pages of them.
fn grouped(chance: &mut Chance, of: &Relation) -> Query {
    let mut items = Vec::new();
    for position in 0..=chance.below(2) {
        let (name, kind) = one(chance, of.columns);
        let aggregate = if once_in(chance, 6) { one(chance, &AGGREGATES) } else { meant(chance, kind) };
        let cast = if once_in(chance, 5) { "::text" } else { "" };
        items.push(Item::Field {
            alias: format!("a{position}"),
            name: name.to_owned(),
            after: format!(".{aggregate}(){cast}"),
        });
    }
    if once_in(chance, 3) {
        items.push(Item::Field { alias: String::new(), name: "count()".to_owned(), after: String::new() });
    }
    for position in 0..chance.below(3) {
        let (name, kind) = one(chance, of.columns);
        if matches!(kind, Kind::Json | Kind::Numeric) {
            // 1.5 and 1.50 are one group, and either may stand for it.
            continue;
        }
        items.push(Item::Field { alias: format!("g{position}"), name: name.to_owned(), after: String::new() });
    }
    let filters = if once_in(chance, 3) { vec![filter(chance, of, 0)] } else { Vec::new() };
    Query { select: items, filters, ..Query::default() }
}

/// An aggregate that the type has.
fn meant(chance: &mut Chance, kind: Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Integer | Kind::Numeric => one(chance, &AGGREGATES),
        Kind::Boolean | Kind::Json | Kind::Uuid => "count",
        _ => one(chance, &["min", "max", "count"]),
    }
}

/// A condition or a tree of them.
pub fn filter(chance: &mut Chance, of: &Relation, depth: u64) -> Filter {
    if depth < DEEPEST_TREE && once_in(chance, 5) {
        let members = (0..=chance.below(3)).map(|_| filter(chance, of, depth + 1)).collect();
        return Filter::Tree { is_negated: once_in(chance, 4), word: one(chance, &["or", "or", "and"]), members };
    }
    let (name, kind) = one(chance, of.columns);
    let (path, kind) = match kind {
        Kind::Json if !once_in(chance, 3) => {
            let path = one(chance, &PATHS);
            (path, if path.contains("->>") { Kind::Text } else { Kind::Json })
        }
        kind => ("", kind),
    };
    let (operator, value) = condition(chance, kind);
    Filter::Condition { field: format!("{name}{path}"), is_negated: once_in(chance, 5), operator, value }
}

fn condition(chance: &mut Chance, kind: Kind) -> (String, String) {
    let is_text = kind == Kind::Text || once_in(chance, 60);
    match chance.below(14) {
        0 => ("is".to_owned(), one(chance, &["null", "not_null", "null", "not_null", "true"]).to_owned()),
        1 if kind == Kind::Boolean => ("is".to_owned(), one(chance, &["true", "false", "unknown"]).to_owned()),
        1 | 2 => {
            let values: Vec<String> = (0..=chance.below(3)).map(|_| quoted(&value(chance, kind))).collect();
            ("in".to_owned(), format!("({})", values.join(",")))
        }
        3 => ("isdistinct".to_owned(), value(chance, kind)),
        4 => {
            let comparison = one(chance, &COMPARISONS);
            // `neq` takes no quantifier.
            let comparison = if comparison == "neq" { "eq" } else { comparison };
            quantified(chance, comparison, |chance| value(chance, kind))
        }
        5 | 6 if is_text => {
            let operator = one(chance, &["like", "ilike"]);
            if once_in(chance, 4) {
                quantified(chance, operator, pattern)
            } else {
                (operator.to_owned(), pattern(chance))
            }
        }
        7 if is_text => {
            let operator = one(chance, &["match", "imatch"]);
            if once_in(chance, 4) {
                quantified(chance, operator, expression)
            } else {
                (operator.to_owned(), expression(chance))
            }
        }
        _ => (one(chance, &COMPARISONS).to_owned(), value(chance, kind)),
    }
}

fn quantified(chance: &mut Chance, operator: &str, make: impl Fn(&mut Chance) -> String) -> (String, String) {
    let values: Vec<String> = (0..=chance.below(3)).map(|_| quoted(&make(chance))).collect();
    (format!("{operator}({})", one(chance, &["any", "all"])), format!("{{{}}}", values.join(",")))
}

fn call(chance: &mut Chance) -> Case {
    let integer = |chance: &mut Chance| value(chance, Kind::Integer);
    // PostgreSQL makes an argument's value when a row is read that asks for it, and Pando always: docs/differences.md.
    let wanted = |chance: &mut Chance| right(chance, Kind::Integer).to_owned();
    let small = |chance: &mut Chance| one(chance, &["0", "1", "3", "-2", "x", "2.0"]).to_owned();
    let (name, arguments) = match chance.below(7) {
        0 => {
            let mut arguments = vec![("a".to_owned(), integer(chance))];
            if once_in(chance, 2) {
                arguments.push(("b".to_owned(), integer(chance)));
            }
            ("add", arguments)
        }
        1 => ("shout", vec![("word".to_owned(), value(chance, Kind::Text))]),
        2 => ("half", vec![("n".to_owned(), value(chance, Kind::Numeric))]),
        // Two functions of one name: which one is told by the names of the arguments.
        3 if once_in(chance, 2) => ("twice", vec![("n".to_owned(), small(chance))]),
        3 => {
            let mut arguments =
                vec![("word".to_owned(), value(chance, Kind::Text)), ("times".to_owned(), small(chance))];
            if once_in(chance, 8) {
                arguments.pop();
            }
            ("twice", arguments)
        }
        4 => ("team_of", vec![("wanted".to_owned(), wanted(chance))]),
        5 => ("names_of", vec![("wanted".to_owned(), wanted(chance))]),
        _ => ("people_of", vec![("wanted".to_owned(), wanted(chance))]),
    };
    let query = match name {
        "people_of" => query(chance, relation("people"), 0),
        "team_of" => Query { select: select(chance, relation("teams"), 0), ..Query::default() },
        _ => Query::default(),
    };
    let mut case = Case {
        who: one(chance, &PEOPLE).0,
        method: one(chance, &["GET", "POST"]),
        path: format!("rpc/{name}"),
        query,
        parameters: Vec::new(),
        prefer: Vec::new(),
        headers: Vec::new(),
        body: Body::None,
    };
    if case.method == "GET" {
        case.parameters = arguments;
    } else {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let row = arguments.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        case.body = Body::Rows { rows: vec![row], is_single: true };
    }
    match name {
        "people_of" => decorate(chance, &mut case),
        "names_of" if once_in(chance, 2) => case.headers.push(("Accept", CSV.to_owned())),
        _ => {}
    }
    case
}
