//! Rows as records whose members have names: what an aggregate or a function over rows takes. Here PostgreSQL itself makes
//! JSON of what is embedded, as PostgREST has it.

use std::sync::Arc;

use catalog::{Expression, MediaHandler, Source};
use datatype::Type;
use plan::{Level, Member};

use super::expression::{write, write_name};
use super::level::{Body, Rows, Shape, write_rest};
use crate::key::Key;
use crate::writer::Writer;

/// Appends a `SELECT` that gives each row as a GeoJSON feature. PostGIS is found along the search path.
pub(super) fn write_features(writer: &mut Writer, level: &Level, rows: Rows) -> Body {
    writer.syntax("SELECT ST_AsGeoJSON(pando_row) FROM (");
    write_record(writer, level, rows);
    writer.syntax(") AS pando_row");
    Body { members: Arc::new([only("feature")]), count_field: None }
}

/// Appends a `SELECT` that gives all rows as one value, and how many there are.
pub(super) fn write_aggregate(writer: &mut Writer, level: &Level, rows: Rows, handler: &MediaHandler) -> Body {
    writer.syntax("SELECT ");
    write_name(writer, &handler.function);
    writer.syntax("(pando_row");
    match (&level.from.first, &handler.target) {
        (Source::Call { call, .. }, None) => {
            // Of a function that gives values, the value itself.
            if let Some(name) = &call.value_name {
                writer.syntax(".").identifier(name);
            }
        }
        (_, Some(target)) => {
            writer.syntax("::");
            write_name(writer, target);
        }
        _ => {}
    }
    writer.syntax("), count(*) FROM (");
    write_record(writer, level, rows);
    writer.syntax(") AS pando_row");
    Body { members: Arc::new([only("body")]), count_field: Some(1) }
}

fn only(name: &str) -> Shape {
    Shape::Value { key: Key::new(&Arc::from(name)), field: 0, data_type: Type::Text }
}

fn write_record(writer: &mut Writer, level: &Level, rows: Rows) {
    writer.syntax("SELECT ");
    write_members(writer, &level.members);
    write_rest(writer, level, rows, &[]);
}

/// `value AS "name", ...`
fn write_members(writer: &mut Writer, members: &[Member]) {
    writer.list(members, ", ", |writer, member| match member {
        Member::Value(value) => {
            write(writer, &value.expression);
            writer.syntax(" AS ").identifier(&value.name);
        }
        Member::One { name, presence, members } => {
            writer.syntax("CASE WHEN ");
            write(writer, presence);
            writer.syntax(" THEN (SELECT to_json(pando_row) FROM (SELECT ");
            write_members(writer, members);
            writer.syntax(") AS pando_row) END AS ").identifier(name);
        }
        Member::Rows { name, level, is_to_one } => {
            writer.syntax(if *is_to_one {
                "(SELECT to_json(pando_row) FROM ("
            } else {
                "(SELECT coalesce(json_agg(pando_row), '[]') FROM ("
            });
            write_embedded(writer, level, &level.members, *is_to_one);
            writer.syntax(") AS pando_row) AS ").identifier(name);
        }
        Member::SpreadRows { level } => write_spread(writer, level),
    });
}

fn write_embedded(writer: &mut Writer, level: &Level, members: &[Member], is_to_one: bool) {
    writer.syntax("SELECT ");
    write_members(writer, members);
    let keys: Vec<(&Expression, &Expression)> = level.keys.iter().map(|(outer, inner)| (inner, outer)).collect();
    write_rest(writer, level, Rows::Filtered, &keys);
    if is_to_one && level.limit.is_none() {
        writer.syntax(" LIMIT 1");
    }
}

/// Each member of the rows as an array of its own; of a spread inside of them each of its arrays.
fn write_spread(writer: &mut Writer, level: &Level) {
    let members = level.members.iter().flat_map(|member| names(member).into_iter().map(move |name| (member, name)));
    writer.list(members, ", ", |writer, (member, name)| {
        writer.syntax("(SELECT coalesce(json_agg(pando_row.").identifier(name).syntax("), '[]') FROM (");
        write_embedded(writer, level, std::slice::from_ref(member), false);
        writer.syntax(") AS pando_row) AS ").identifier(name);
    });
}

/// The names under which a member stands: of a spread, those of its members.
fn names(member: &Member) -> Vec<&Arc<str>> {
    match member {
        Member::Value(value) => vec![&value.name],
        Member::One { name, .. } | Member::Rows { name, .. } => vec![name],
        Member::SpreadRows { level } => level.members.iter().flat_map(names).collect(),
    }
}
