//! Levels: one `SELECT` with all that is embedded in it.

use std::sync::Arc;

use catalog::{Expression, From, JoinKind, MediaHandler, SourceId};
use datatype::{NativeType, Type};
use plan::{Counting, Level, Member, Plan, Read};
use rest::Format;

use super::expression::{alias, write, write_conditions, write_from, write_order};
use super::record::{write_aggregate, write_features};
use super::{Page, Rendered};
use crate::key::Key;
use crate::statement::Statement;
use crate::writer::{Values, Writer};

/// What the rows of a statement become.
#[derive(Debug, Clone, Default, PartialEq, Hash)]
pub struct Body {
    /// The members of each row.
    pub members: Arc<[Shape]>,
    /// Where one row stands for all of them: which field tells how many they are.
    pub count_field: Option<usize>,
}

/// One member of a row's output, over the fields of the row or record it stands in.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Shape {
    /// A single value.
    Value {
        /// Its name.
        key: Key,
        /// Which field.
        field: usize,
        /// Its type as the catalog has it, for types that the server made up itself.
        data_type: Type,
    },
    /// A joined row: an object, or null when the field `presence` is not true.
    One {
        /// Its name.
        key: Key,
        /// The field that tells whether there is a row.
        presence: usize,
        /// The object's members.
        members: Vec<Shape>,
    },
    /// An array of records: an array of objects, or the first one.
    Rows {
        /// Its name.
        key: Key,
        /// Which field.
        field: usize,
        /// The members of each object, over the fields of its record.
        members: Vec<Shape>,
        /// Whether an object is wanted.
        is_to_one: bool,
    },
    /// An array of records, each of its members as an array of this row.
    SpreadRows {
        /// Which field.
        field: usize,
        /// The members, over the fields of the records.
        members: Vec<Shape>,
    },
}

/// What the rows at the top become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'p> {
    /// Their values, for the driver to print.
    Values(Printed),
    /// GeoJSON.
    Features,
    /// What an aggregate makes of all of them.
    Aggregate(&'p MediaHandler),
}

impl<'p> Form<'p> {
    pub(super) fn of(plan: &'p Plan) -> Self {
        match (&plan.handler, plan.format) {
            (Some(handler), _) => Self::Aggregate(handler),
            (None, Format::GeoJson) => Self::Features,
            (None, format) => Self::Values(Printed::of(format)),
        }
    }
}

/// How values stand in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printed {
    /// As they are, for the driver to print; types that it does not know as JSON.
    AsJson,
    /// As they are; types that the driver does not know as their text.
    AsText,
}

impl Printed {
    fn of(format: Format) -> Self {
        if matches!(format, Format::Csv | Format::Raw) { Self::AsText } else { Self::AsJson }
    }
}

/// What a row is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// What the level names.
    Filtered,
    /// The rows that the statement before it wrote.
    Written,
}

/// The columns of a row or record while they are collected: the same expression stands there once.
struct Fields<'l> {
    items: Vec<Field<'l>>,
    printed: Printed,
}

enum Field<'l> {
    Value(Expression),
    Rows { level: &'l Level, fields: Fields<'l>, is_to_one: bool },
}

impl<'l> Fields<'l> {
    fn new(printed: Printed) -> Self {
        Self { items: Vec::new(), printed }
    }

    fn value(&mut self, expression: &Expression) -> usize {
        let is_same = |item: &Field<'_>| matches!(item, Field::Value(known) if known == expression);
        if let Some(found) = self.items.iter().position(is_same) {
            return found;
        }
        self.items.push(Field::Value(expression.clone()));
        self.items.len() - 1
    }

    fn rows(&mut self, level: &'l Level, is_to_one: bool) -> (usize, Vec<Shape>) {
        // What is embedded is JSON even where the row around it is CSV.
        let mut fields = Fields::new(Printed::AsJson);
        let members = shapes(&level.members, &mut fields);
        self.items.push(Field::Rows { level, fields, is_to_one });
        (self.items.len() - 1, members)
    }
}

fn shapes<'l>(members: &'l [Member], fields: &mut Fields<'l>) -> Vec<Shape> {
    members
        .iter()
        .map(|member| match member {
            Member::Value(value) => Shape::Value {
                key: Key::new(&value.name),
                field: fields.value(&value.expression),
                data_type: value.expression.data_type(),
            },
            Member::One { name, presence, members } => {
                Shape::One { key: Key::new(name), presence: fields.value(presence), members: shapes(members, fields) }
            }
            Member::Rows { name, level, is_to_one } => {
                let (field, members) = fields.rows(level, *is_to_one);
                Shape::Rows { key: Key::new(name), field, members, is_to_one: *is_to_one }
            }
            Member::SpreadRows { level } => {
                let (field, members) = fields.rows(level, false);
                Shape::SpreadRows { field, members }
            }
        })
        .collect()
}

/// Renders a read.
pub(super) fn read(read: &Read, form: Form<'_>) -> Rendered {
    let mut writer = Writer::new(Values::Numbered);
    let level = &read.level;
    if !read.wants_body {
        return Rendered {
            main: count_shown(level, form),
            body: Body::default(),
            count: counted(read),
            estimate: estimated(read),
            count_page: None,
            counts_inserted: false,
            page: None,
        };
    }
    let body = write_level(&mut writer, level, Rows::Filtered, form);
    // What an aggregate gives is whole, and cannot be streamed.
    let is_streamable = body.count_field.is_none();
    Rendered {
        main: writer.finish(),
        body,
        count: counted(read),
        estimate: estimated(read),
        count_page: is_streamable.then(|| count_page(level)),
        counts_inserted: false,
        page: None,
    }
}

/// Renders the call of a function that writes. Another statement that counts its rows would call it again: they are counted
/// as they come, all of them, and the driver shows the page. Of rows that are one value before they come nothing is told.
pub(super) fn counted_call(called: &Read, form: Form<'_>) -> Rendered {
    let is_counted = matches!(called.counts, Some(Counting::Exact | Counting::Estimated { .. }));
    if !is_counted || !called.wants_body || !matches!(form, Form::Values(_)) {
        return Rendered { count: None, ..read(called, form) };
    }
    let mut all = called.clone();
    let page = Page { offset: all.level.offset, limit: all.level.limit.take() };
    all.level.offset = 0;
    Rendered { count: None, page: Some(Box::new(page)), ..read(&all, form) }
}

/// Appends the `SELECT` of a level at the top.
pub(super) fn write_level(writer: &mut Writer, level: &Level, rows: Rows, form: Form<'_>) -> Body {
    let printed = match form {
        Form::Values(printed) => printed,
        Form::Features => return write_features(writer, level, rows),
        Form::Aggregate(handler) => return write_aggregate(writer, level, rows, handler),
    };
    let mut fields = Fields::new(printed);
    let members = shapes(&level.members, &mut fields);
    writer.syntax("SELECT ");
    write_fields(writer, &fields);
    write_rest(writer, level, rows, &[]);
    Body { members: members.into(), count_field: None }
}

fn write_fields(writer: &mut Writer, fields: &Fields<'_>) {
    writer.list(&fields.items, ", ", |writer, item| match item {
        Field::Value(expression) => write_printed(writer, expression, fields.printed),
        Field::Rows { level, fields, is_to_one } => write_embedded(writer, level, fields, *is_to_one),
    });
}

/// `ARRAY(SELECT ROW(...) FROM ...)`
fn write_embedded(writer: &mut Writer, level: &Level, fields: &Fields<'_>, is_to_one: bool) {
    writer.syntax("ARRAY(SELECT ROW(");
    write_fields(writer, fields);
    writer.syntax(")");
    let keys: Vec<(&Expression, &Expression)> = level.keys.iter().map(|(outer, inner)| (inner, outer)).collect();
    write_rest(writer, level, Rows::Filtered, &keys);
    if is_to_one && level.limit.is_none() {
        writer.syntax(" LIMIT 1");
    }
    writer.syntax(")");
}

/// Everything behind the select list.
pub(super) fn write_rest(writer: &mut Writer, level: &Level, rows: Rows, keys: &[(&Expression, &Expression)]) {
    match rows {
        Rows::Filtered => write_from(writer, &level.from),
        Rows::Written => {
            // The rows that were written stand where the relation stood.
            writer.syntax(" FROM pando_written AS ");
            alias(writer, SourceId::ROW);
            super::expression::write_joins(writer, &level.from.joins);
        }
    }
    write_conditions(writer, &level.filter, keys);
    write_groups(writer, level);
    write_order(writer, &level.order);
    write_range(writer, level);
}

fn write_groups(writer: &mut Writer, level: &Level) {
    if level.group_by.is_empty() {
        return;
    }
    writer.syntax(" GROUP BY ");
    writer.list(&level.group_by, ", ", write);
}

fn write_range(writer: &mut Writer, level: &Level) {
    if let Some(limit) = level.limit {
        writer.syntax(" LIMIT ").page_size(limit);
    }
    if level.offset > 0 {
        writer.syntax(" OFFSET ").row_count(level.offset);
    }
}

/// A value of the select list.
fn write_printed(writer: &mut Writer, expression: &Expression, printed: Printed) {
    match (expression.data_type(), printed) {
        (Type::Native(_), Printed::AsJson) => {
            writer.syntax("to_json(");
            write(writer, expression);
            writer.syntax(")");
        }
        (Type::Native(native), Printed::AsText) => {
            let (before, after) = printing(&native);
            writer.syntax(before);
            write(writer, expression);
            writer.syntax(after);
        }
        _ => write(writer, expression),
    }
}

/// What stands around a value for its text as a client of PostgreSQL sees it. A cast to `text` cuts the blanks of `char(n)`
/// off and adds the length of its mask to every `inet`; their output functions do neither.
fn printing(native: &NativeType) -> (&'static str, &'static str) {
    match (&*native.name.schema, &*native.name.name) {
        ("pg_catalog", "bpchar") => ("pg_catalog.textin(pg_catalog.bpcharout(", "))"),
        ("pg_catalog", "inet") => ("pg_catalog.textin(pg_catalog.inet_out(", "))"),
        _ => ("CAST(", " AS text)"),
    }
}

/// Counts all rows that a level's filter lets through, or no more than are asked for.
fn counted(read: &Read) -> Option<Statement> {
    let bound = match read.counts? {
        Counting::Planned | Counting::WithRows => return None,
        Counting::Exact => None,
        // One more tells that there are more.
        Counting::Estimated { up_to } => up_to.map(|rows| rows.saturating_add(1)),
    };
    let mut writer = Writer::new(Values::Numbered);
    if read.level.is_aggregated || bound.is_some() {
        writer.syntax("SELECT count(*) FROM (SELECT ");
        write_fitting(&mut writer, &read.level);
        if let Some(bound) = bound {
            writer.syntax(" LIMIT ").row_count(bound);
        }
        writer.syntax(") AS counted");
    } else {
        writer.syntax("SELECT count(*)");
        write_fitting_rows(&mut writer, &read.level);
    }
    Some(writer.finish())
}

/// Asks for the server's estimate of the rows that a level's filter lets through.
fn estimated(read: &Read) -> Option<Statement> {
    if matches!(read.counts?, Counting::Exact | Counting::WithRows) {
        return None;
    }
    let mut writer = Writer::new(Values::Numbered);
    writer.syntax("EXPLAIN (FORMAT JSON) SELECT ");
    write_fitting(&mut writer, &read.level);
    Some(writer.finish())
}

/// `1 FROM ... WHERE ...`: one row for each that fits.
fn write_fitting(writer: &mut Writer, level: &Level) {
    writer.syntax(if level.is_aggregated && level.group_by.is_empty() { "count(*)" } else { "1" });
    if level.is_aggregated {
        write_from(writer, &level.from);
        write_conditions(writer, &level.filter, &[]);
        write_groups(writer, level);
    } else {
        write_fitting_rows(writer, level);
    }
}

fn write_fitting_rows(writer: &mut Writer, level: &Level) {
    // A left join adds no row and removes none, unless what it leads to is a function.
    let is_needed =
        |join: &&catalog::Join| join.kind != JoinKind::Left || matches!(join.source, catalog::Source::Call { .. });
    let joins = level.from.joins.iter().filter(is_needed).cloned().collect();
    write_from(writer, &From { first: level.from.first.clone(), joins });
    write_conditions(writer, &level.filter, &[]);
}

/// Counts the rows of a level's page for `HEAD`. Whole rows are counted, so that the server refuses what it refuses for
/// `GET`: of what nobody asks for it would not even look at the privileges.
fn count_shown(level: &Level, form: Form<'_>) -> Statement {
    if !matches!(form, Form::Values(_)) {
        return count_page(level);
    }
    let mut writer = Writer::new(Values::Numbered);
    writer.syntax("SELECT count(counted) FROM (");
    write_level(&mut writer, level, Rows::Filtered, form);
    writer.syntax(") AS counted");
    writer.finish()
}

/// Counts the rows of a level's page: never more are looked at than the page needs.
fn count_page(level: &Level) -> Statement {
    let mut writer = Writer::new(Values::Numbered);
    writer.syntax("SELECT count(*) FROM (SELECT ");
    writer.syntax(if level.is_aggregated && level.group_by.is_empty() { "count(*)" } else { "1" });
    write_from(&mut writer, &level.from);
    write_conditions(&mut writer, &level.filter, &[]);
    write_groups(&mut writer, level);
    write_range(&mut writer, level);
    writer.syntax(") AS counted");
    writer.finish()
}
