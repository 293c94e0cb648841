//! Writes. The body goes as one JSON document that the server takes apart and types, as PostgREST does it; what is answered
//! is read from the rows that the statement gives back.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Column, Expression, Relation, Representation, SourceId};
use datatype::Datum;
use plan::{KeyColumn, Level, Member, NativeConflict, NativeInsert, NativeWrite, NativeWriteKind};

use super::Rendered;
use super::expression::{WHOLE, alias, write as write_expression, write_conditions, write_name};
use super::level::{Body, Form, Rows, Shape, write_level};
use crate::key::Key;
use crate::statement::Parameter;
use crate::writer::{Values, Writer};

/// How many rows of an upsert are new is counted in this setting: one up for each row, one down for each that existed.
const COUNT_UP: &str = "set_config('pgrst.inserted', \
     (coalesce(nullif(current_setting('pgrst.inserted', true), '')::bigint, 0) + 1)::text, true) <> '0'";
const COUNT_DOWN: &str = "set_config('pgrst.inserted', \
     (coalesce(nullif(current_setting('pgrst.inserted', true), '')::bigint, 0) - 1)::text, true) <> '-1'";

/// Renders a write.
pub(super) fn write(write: &NativeWrite, form: Form<'_>) -> Rendered {
    let mut writer = Writer::new(Values::Numbered);
    let returned =
        Returned { relation: &write.relation.name, columns: returned_columns(write), row: write.row.as_deref() };
    let answers = write.returning.is_some() || write.location.is_some();
    if answers {
        writer.syntax("WITH pando_written AS (");
    }
    let sets_nothing = matches!(&write.kind, NativeWriteKind::Update { columns: names, .. }
        if columns(&write.relation, names).is_empty());
    let counts_inserted = match &write.kind {
        NativeWriteKind::Update { .. } if sets_nothing => {
            write_no_rows(&mut writer, &write.relation, &returned);
            false
        }
        NativeWriteKind::Insert(insert) => write_insert(&mut writer, &write.relation, insert),
        NativeWriteKind::Update { columns, document, applies_defaults, filter } => {
            write_update(&mut writer, &write.relation, columns, document, *applies_defaults, filter);
            false
        }
        NativeWriteKind::Delete { filter } => {
            writer.syntax("DELETE FROM ");
            write_target(&mut writer, &write.relation);
            write_conditions(&mut writer, filter, &[]);
            false
        }
    };
    let mut body = Body::default();
    if answers {
        if !sets_nothing {
            write_returning(&mut writer, &returned);
        }
        writer.syntax(") ");
        body = match (&write.returning, &write.location) {
            (Some(level), _) => write_level(&mut writer, level, Rows::Written, form),
            (None, location) => {
                let members = write_location(&mut writer, location.as_deref().unwrap_or_default());
                Body { members: members.into(), count_field: None }
            }
        };
    }
    Rendered { main: writer.finish(), body, count: None, estimate: None, count_page: None, counts_inserted, page: None }
}

/// `"public"."zones" AS s0`
fn write_target(writer: &mut Writer, relation: &Relation) {
    write_name(writer, &relation.name);
    writer.syntax(" AS ");
    alias(writer, SourceId::ROW);
}

/// What is given back of the written rows.
struct Returned<'w> {
    relation: &'w QualifiedName,
    columns: BTreeSet<Arc<str>>,
    /// What the whole row is called, where a function takes it.
    row: Option<&'w str>,
}

/// `RETURNING s0."code", ...`; rows alone where no column is wanted.
fn write_returning(writer: &mut Writer, returned: &Returned<'_>) {
    writer.syntax(" RETURNING ");
    write_returned(writer, returned);
}

fn write_returned(writer: &mut Writer, returned: &Returned<'_>) {
    if returned.columns.is_empty() && returned.row.is_none() {
        writer.syntax("1");
    }
    writer.list(&returned.columns, ", ", |writer, column| {
        alias(writer, SourceId::ROW);
        writer.syntax(".").identifier(column);
    });
    if let Some(row) = returned.row {
        writer.syntax(if returned.columns.is_empty() { "" } else { ", " });
        alias(writer, SourceId::ROW);
        // In a list the row would come as its columns; as what is cast it stays whole.
        writer.syntax(WHOLE).syntax("::");
        write_name(writer, returned.relation);
        writer.syntax(" AS ").identifier(row);
    }
}

/// An update that sets nothing: nothing is changed, no row is answered, and no column has to be one that may be updated.
fn write_no_rows(writer: &mut Writer, relation: &Relation, returned: &Returned<'_>) {
    writer.syntax("SELECT ");
    write_returned(writer, returned);
    writer.syntax(" FROM ");
    write_target(writer, relation);
    writer.syntax(" WHERE false");
}

fn write_location(writer: &mut Writer, columns: &[KeyColumn]) -> Vec<Shape> {
    writer.syntax("SELECT ");
    writer.list(columns, ", ", |writer, column| {
        writer.syntax("CAST(");
        alias(writer, SourceId::ROW);
        writer.syntax(".").identifier(&column.physical).syntax(" AS text)");
    });
    writer.syntax(" FROM pando_written AS ");
    alias(writer, SourceId::ROW);
    let shape = |(field, column): (usize, &KeyColumn)| Shape::Value {
        key: Key::new(&column.name),
        field,
        data_type: datatype::Type::Text,
    };
    columns.iter().enumerate().map(shape).collect()
}

/// The columns of the written rows that the answer is made of. Only these are given back: the caller may read no others.
fn returned_columns(write: &NativeWrite) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    let mut note = |expression: &Expression| {
        expression.visit(&mut |part| {
            if let Expression::Column { source: SourceId::ROW, name, .. } = part {
                found.insert(name.clone());
            }
        });
    };
    if let Some(level) = &write.returning {
        visit_level(level, &mut note);
    }
    found.extend(write.location.iter().flatten().map(|column| column.physical.clone()));
    found
}

fn visit_level(level: &Level, visit: &mut dyn FnMut(&Expression)) {
    level.from.joins.iter().filter_map(|join| join.on.as_ref()).for_each(&mut *visit);
    level.filter.iter().chain(&level.group_by).for_each(&mut *visit);
    level.order.iter().for_each(|sort| visit(&sort.expression));
    level.keys.iter().for_each(|(outer, _)| visit(outer));
    visit_members(&level.members, visit);
}

fn visit_members(members: &[Member], visit: &mut dyn FnMut(&Expression)) {
    for member in members {
        match member {
            Member::Value(value) => visit(&value.expression),
            Member::One { presence, members, .. } => {
                visit(presence);
                visit_members(members, visit);
            }
            Member::Rows { level, .. } | Member::SpreadRows { level } => visit_level(level, visit),
        }
    }
}

/// Gives whether the setting counts the new rows.
fn write_insert(writer: &mut Writer, relation: &Relation, insert: &NativeInsert) -> bool {
    writer.syntax("INSERT INTO ");
    write_target(writer, relation);
    if insert.columns.is_empty() {
        // As many rows of defaults as there are objects.
        writer.syntax(" SELECT FROM generate_series(1, ").row_count(insert.rows).syntax(") AS body");
        return write_conflict(writer, insert.conflict.as_ref());
    }
    let columns = columns(relation, &insert.columns);
    writer.syntax("(");
    writer.list(&columns, ", ", |writer, column| {
        writer.identifier(&column.name);
    });
    writer.syntax(") SELECT ");
    write_body_columns(writer, &columns);
    writer.syntax(" FROM ");
    write_body(writer, &columns, &insert.document, insert.applies_defaults);
    let is_upsert = insert.conflict.is_some();
    if is_upsert || !insert.put.is_empty() {
        writer.syntax(" WHERE ");
        if is_upsert {
            writer.syntax(COUNT_UP);
        }
        for condition in &insert.put {
            writer.syntax(if is_upsert { " AND " } else { "" });
            write_expression(writer, condition);
        }
    }
    write_conflict(writer, insert.conflict.as_ref())
}

fn write_conflict(writer: &mut Writer, conflict: Option<&NativeConflict>) -> bool {
    let Some(conflict) = conflict else { return false };
    writer.syntax(" ON CONFLICT (");
    writer.list(&conflict.target, ", ", |writer, column| {
        writer.identifier(column);
    });
    if conflict.merged.is_empty() {
        writer.syntax(") DO NOTHING");
        return false;
    }
    writer.syntax(") DO UPDATE SET ");
    writer.list(&conflict.merged, ", ", |writer, column| {
        writer.identifier(column).syntax(" = EXCLUDED.").identifier(column);
    });
    writer.syntax(" WHERE ").syntax(COUNT_DOWN);
    true
}

fn write_update(
    writer: &mut Writer,
    relation: &Relation,
    names: &[Arc<str>],
    document: &str,
    applies_defaults: bool,
    filter: &[Expression],
) {
    let columns = columns(relation, names);
    writer.syntax("UPDATE ");
    write_target(writer, relation);
    writer.syntax(" SET ");
    writer.list(&columns, ", ", |writer, column| {
        writer.identifier(&column.name).syntax(" = body.").identifier(&column.name);
    });
    writer.syntax(" FROM (SELECT ");
    write_body_columns(writer, &columns);
    writer.syntax(" FROM ");
    write_body(writer, &columns, document, applies_defaults);
    writer.syntax(" LIMIT 1) AS body");
    write_conditions(writer, filter, &[]);
}

fn columns<'r>(relation: &'r Relation, names: &[Arc<str>]) -> Vec<&'r Column> {
    names.iter().filter_map(|name| relation.column(name)).collect()
}

/// The body's columns, from what stands in the place of the written row.
fn write_body_columns(writer: &mut Writer, columns: &[&Column]) {
    writer.list(columns, ", ", |writer, column| {
        alias(writer, SourceId::ROW);
        writer.syntax(".").identifier(&column.name);
    });
}

/// The body as rows. With defaults, an object of them is laid under each row; then what the row has stands over it.
fn write_body(writer: &mut Writer, columns: &[&Column], document: &str, applies_defaults: bool) {
    if columns.iter().all(|column| representation(column).is_none_or(|found| found.from_json.is_none())) {
        write_records(writer, columns, document, applies_defaults);
        writer.syntax(" AS ");
        alias(writer, SourceId::ROW);
        write_record_columns(writer, columns);
        return;
    }
    // What a domain reads from JSON by itself is read before the row is looked at.
    writer.syntax("(SELECT ");
    writer.list(columns, ", ", |writer, column| {
        let reads = representation(column).and_then(|found| found.from_json.as_ref());
        if let Some(function) = reads {
            write_name(writer, function);
            writer.syntax("(");
        }
        writer.syntax("body.").identifier(&column.name);
        writer.syntax(if reads.is_some() { ") AS " } else { " AS " }).identifier(&column.name);
    });
    writer.syntax(" FROM ");
    write_records(writer, columns, document, applies_defaults);
    writer.syntax(" AS body");
    write_record_columns(writer, columns);
    writer.syntax(") AS ");
    alias(writer, SourceId::ROW);
}

fn representation(column: &Column) -> Option<&Representation> {
    column.native.as_ref()?.representation.as_deref()
}

fn write_records(writer: &mut Writer, columns: &[&Column], document: &str, applies_defaults: bool) {
    let defaults: Vec<(&Column, &Arc<str>)> = columns
        .iter()
        .filter_map(|column| Some((*column, column.native.as_ref()?.default.as_ref()?)))
        .filter(|_| applies_defaults)
        .collect();
    if defaults.is_empty() {
        writer.syntax("json_to_recordset(").parameter(Parameter::Value(Datum::Text(document.to_owned())));
        writer.syntax("::json)");
    } else {
        writer.syntax("jsonb_to_recordset((SELECT jsonb_agg(jsonb_build_object(");
        writer.list(defaults, ", ", |writer, (column, default)| {
            writer.value(&Datum::Text(column.name.to_string())).syntax("::text, ");
            write_default(writer, column, default);
        });
        writer.syntax(") || element) FROM jsonb_array_elements(");
        writer.parameter(Parameter::Value(Datum::Text(document.to_owned()))).syntax("::jsonb) AS element))");
    }
}

/// A default in JSON, from which it is read again like any other value.
fn write_default(writer: &mut Writer, column: &Column, default: &str) {
    let found = representation(column).filter(|found| found.from_json.is_some());
    let Some(function) = found.and_then(|found| found.to_json.as_ref()) else {
        writer.printed_by_engine(default);
        return;
    };
    write_name(writer, function);
    writer.syntax("(").printed_by_engine(default).syntax(")");
}

/// `("code" text, ...)`
fn write_record_columns(writer: &mut Writer, columns: &[&Column]) {
    writer.syntax("(");
    writer.list(columns, ", ", |writer, column| {
        writer.identifier(&column.name).syntax(" ");
        match representation(column) {
            Some(Representation { from_json: Some(_), .. }) => writer.syntax("json"),
            _ => writer.printed_by_engine(column.native.as_ref().map_or("text", |native| &native.type_name)),
        };
    });
    writer.syntax(")");
}
