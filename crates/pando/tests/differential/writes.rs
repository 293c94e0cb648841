//! Random requests that write.

use testkit::Chance;

use crate::ROLLBACK;
use crate::generate::{any_relation, filter, in_a_zone, query};
use crate::relations::{Kind, Relation, relation};
use crate::request::{Body, CSV, Case, Filter, Item, Query};
use crate::values::{json, once_in, one, right, right_json, value};

/// What is given to a column that PostgreSQL computes is refused, which few requests are to be.
const GENERATED: [&str; 2] = ["label", "doubled"];

/// A random request that writes, and is undone.
pub fn case(chance: &mut Chance) -> Case {
    let of = written(chance);
    let mut case = Case {
        who: one(chance, &["service", "service", "ada", "bo", "anon"]),
        method: one(chance, &["POST", "POST", "POST", "PATCH", "PATCH", "DELETE", "PUT"]),
        path: of.name.to_owned(),
        query: Query::default(),
        parameters: Vec::new(),
        prefer: vec![ROLLBACK.to_owned()],
        headers: Vec::new(),
        body: Body::None,
    };
    match case.method {
        "POST" if once_in(chance, 12) => rename(chance, &mut case),
        "POST" if once_in(chance, 20) => {
            forget(chance, &mut case);
            return case;
        }
        "POST" => insert(chance, of, &mut case),
        "PUT" => put(chance, of, &mut case),
        method => {
            case.query.filters.push(chosen(chance, of));
            if method == "PATCH" {
                let row = assignments(chance, of);
                case.body = Body::Rows { rows: vec![row], is_single: true };
            }
            if once_in(chance, 8) {
                case.prefer.push("handling=strict".to_owned());
                case.prefer.push(format!("max-affected={}", chance.below(3)));
            }
        }
    }
    answered(chance, of, &mut case);
    in_a_zone(chance, &mut case);
    case
}

fn written(chance: &mut Chance) -> &'static Relation {
    loop {
        let of = any_relation(chance);
        if of.is_written || once_in(chance, 40) {
            return of;
        }
    }
}

/// What comes back.
fn answered(chance: &mut Chance, of: &Relation, case: &mut Case) {
    match chance.below(6) {
        0 => return,
        1 => case.prefer.push("return=minimal".to_owned()),
        2 => case.prefer.push("return=headers-only".to_owned()),
        _ => {
            case.prefer.push("return=representation".to_owned());
            let of = if case.path.starts_with("rpc") { relation("teams") } else { of };
            let mut read = query(chance, of, 1);
            if case.method != "DELETE" {
                // Embeds in the answer of an insert or update show the rows as they are after it on SQLite, and before it on
                // PostgreSQL: docs/differences.md. So nothing is embedded that it changes.
                read.select.retain(|item| !shows(item, of, of.name));
                read.order.retain(|term| !term.contains('('));
            }
            if case.path.starts_with("rpc") {
                // PostgreSQL does not call a function of whose rows none can be shown: docs/differences.md.
                read.select.iter_mut().for_each(|item| match item {
                    Item::Embed { join, .. } => *join = "",
                    Item::Field { .. } => {}
                });
            }
            case.query.select = read.select;
            if once_in(chance, 3) {
                case.query.order = read.order;
                case.query.is_total = read.is_total;
            }
            match chance.below(16) {
                // Inside of a cell the order of an embed's rows shows.
                0 if case.query.are_embeds_total() => case.headers.push(("Accept", "text/csv".to_owned())),
                1 => case.headers.push(("Accept", "application/vnd.pgrst.object+json".to_owned())),
                _ => {}
            }
        }
    }
    if once_in(chance, 5) {
        case.prefer.push("count=exact".to_owned());
    }
}

/// Whether an embed shows rows of a table.
fn shows(item: &Item, of: &Relation, table: &str) -> bool {
    let Item::Embed { target, query, .. } = item else { return false };
    let Some((_, name, _)) = of.embeds.iter().find(|(known, ..)| known == target) else { return true };
    let views: &[&str] = match table {
        "people" => &["active_people", "team_sizes"],
        "teams" => &["team_sizes"],
        _ => &[],
    };
    *name == table || views.contains(name) || query.select.iter().any(|inner| shows(inner, relation(name), table))
}

/// Conditions by the key, mostly.
fn chosen(chance: &mut Chance, of: &Relation) -> Filter {
    if once_in(chance, 3) {
        return filter(chance, of, 0);
    }
    let field = one(chance, of.key).to_owned();
    let operator = one(chance, &["eq", "eq", "lt"]).to_owned();
    Filter::Condition { field, is_negated: false, operator, value: (1 + chance.below(15)).to_string() }
}

/// One row: all of the key if it is new, and some of the other columns.
fn row(chance: &mut Chance, of: &Relation, is_new: bool) -> Vec<(String, String)> {
    let mut row = Vec::new();
    for (name, kind) in of.columns {
        let is_key = of.key.contains(name);
        let is_needed = matches!(*name, "name" | "owner" | "grade") && is_new;
        let is_generated = GENERATED.contains(name);
        let rarity = if is_generated { 200 } else { 3 };
        let is_given = if is_key { is_new || once_in(chance, 20) } else { is_needed || once_in(chance, rarity) };
        if is_given {
            row.push(((*name).to_owned(), cell(chance, name, *kind, is_key)));
        }
    }
    if once_in(chance, 100) {
        row.push(("nothing".to_owned(), "1".to_owned()));
    }
    row
}

fn cell(chance: &mut Chance, name: &str, kind: Kind, is_key: bool) -> String {
    let is_reference = matches!(name, "team" | "person" | "mentor" | "parent" | "number");
    if (is_key || is_reference) && !once_in(chance, 10) {
        // Near enough to what is there.
        return (1 + chance.below(if is_key && name == "id" { 30 } else { 6 })).to_string();
    }
    if once_in(chance, 12) && name != "settings" && name != "facts" && name != "extra" {
        return "null".to_owned();
    }
    json(chance, kind)
}

/// Some columns and what they are set to. Nothing is wrong with the values: PostgreSQL looks at them when a row fits, and
/// SQLite always (docs/differences.md).
fn assignments(chance: &mut Chance, of: &Relation) -> Vec<(String, String)> {
    let mut row = row(chance, of, false);
    for (name, value) in &mut row {
        if let Some((_, kind)) = of.columns.iter().find(|(column, _)| column == name)
            && value != "null"
        {
            *value = match name.as_str() {
                // These have a length, and a precision.
                "nick" => "\"Bo\"".to_owned(),
                "share" | "budget" => "12.345".to_owned(),
                _ => right_json(chance, *kind),
            };
        }
    }
    if row.is_empty() && !of.is_written {
        // Nothing is set of a view that cannot be written: PostgreSQL reads no row of it, SQLite says that it cannot.
        row.push((of.columns[0].0.to_owned(), "1".to_owned()));
    }
    row
}

/// Rows of the same columns, as `columns` or the first row has them.
fn insert(chance: &mut Chance, of: &Relation, case: &mut Case) {
    let first = row(chance, of, true);
    let mut rows = vec![first.clone()];
    for _ in 0..one(chance, &[0, 0, 0, 1, 2]) {
        let again = first.iter().map(|(name, old)| {
            let known = of.columns.iter().find(|(column, _)| column == name);
            let fresh = known.map(|(column, kind)| cell(chance, column, *kind, of.key.contains(column)));
            (name.clone(), fresh.unwrap_or_else(|| old.clone()))
        });
        rows.push(again.collect());
    }
    if rows.len() > 1 && once_in(chance, 12) {
        // Keys that differ from row to row are refused without `columns`.
        rows[1].pop();
    }
    if once_in(chance, 6) {
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).filter(|_| !once_in(chance, 12)).collect();
        case.parameters.push(("columns".to_owned(), names.join(",")));
    }
    if once_in(chance, 5) {
        case.prefer.push("missing=default".to_owned());
    }
    if once_in(chance, 3) {
        case.prefer.push(one(chance, &["resolution=merge-duplicates", "resolution=ignore-duplicates"]).to_owned());
        let unique = of.columns.iter().find(|(name, _)| matches!(*name, "mail"));
        if let Some((name, _)) = unique
            && once_in(chance, 4)
        {
            case.parameters.push(("on_conflict".to_owned(), (*name).to_owned()));
        }
    }
    let is_single = rows.len() == 1 && once_in(chance, 2);
    if once_in(chance, 15) && !rows.is_empty() {
        case.headers.push(("Content-Type", CSV.to_owned()));
    }
    case.body = Body::Rows { rows, is_single };
}

fn put(chance: &mut Chance, of: &Relation, case: &mut Case) {
    let mut row = row(chance, of, true);
    if once_in(chance, 12) {
        row.pop();
    }
    for name in of.key {
        let given = row.iter().find(|(column, _)| column == name).map(|(_, value)| value.clone());
        // A view that cannot be written has a fault already: which of two is told is promised nowhere.
        let other = if of.is_written { value(chance, Kind::Integer) } else { right(chance, Kind::Integer).to_owned() };
        let value = given.filter(|_| of.is_written && !once_in(chance, 20)).unwrap_or(other);
        let field = (*name).to_owned();
        let value = value.trim_matches('"').to_owned();
        case.query.filters.push(Filter::Condition { field, is_negated: false, operator: "eq".to_owned(), value });
    }
    case.body = Body::Rows { rows: vec![row], is_single: true };
}

fn rename(chance: &mut Chance, case: &mut Case) {
    "rpc/rename_team".clone_into(&mut case.path);
    let wanted = ("wanted".to_owned(), chance.below(8).to_string());
    let title = ("title".to_owned(), json(chance, Kind::Text));
    case.body = Body::Rows { rows: vec![vec![wanted, title]], is_single: true };
}

/// A function that gives nothing.
fn forget(chance: &mut Chance, case: &mut Case) {
    "rpc/forget_memo".clone_into(&mut case.path);
    case.body = Body::Rows { rows: vec![vec![("wanted".to_owned(), chance.below(12).to_string())]], is_single: true };
    match chance.below(4) {
        0 => case.prefer.push("return=minimal".to_owned()),
        1 => case.prefer.push("count=exact".to_owned()),
        2 => case.headers.push(("Accept", one(chance, &[CSV, "application/vnd.pgrst.object+json"]).to_owned())),
        _ => {}
    }
}
