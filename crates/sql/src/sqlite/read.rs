//! Reads: a level becomes one `SELECT`; each to-many embed becomes a statement of its own, run once for every row
//! around it with that row's key. In the same process that is cheaper than building JSON in SQL (measured), and a
//! limit per parent costs nothing extra.

use std::sync::Arc;

use catalog::{Expression, From, JoinKind, SourceId};
use datatype::{Datum, Type};
use plan::{Level, Member, Read};

use super::expression::{RowColumns, alias, write, write_all, write_collated, write_from, write_order};
use crate::key::Key;
use crate::statement::{Parameter, Statement};
use crate::writer::{Values, Writer};

/// A `SELECT` and how its rows become output.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct ReadStatement {
    /// The statement.
    pub statement: Statement,
    /// What each row becomes.
    pub members: Arc<[Shape]>,
    /// The statements of to-many embeds; their parameters take [`Parameter::Outer`] columns of this one's rows.
    pub children: Vec<ReadStatement>,
}

impl ReadStatement {
    /// The same with other values of the request's conditions ([`Statement::with_values`]).
    #[must_use]
    pub fn with_values(&self, values: &[(u16, Datum)]) -> Self {
        Self {
            statement: self.statement.with_values(values),
            members: self.members.clone(),
            children: self.children.iter().map(|child| child.with_values(values)).collect(),
        }
    }
}

/// One member of a row's output, over the columns of its statement.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Shape {
    /// A single value.
    Value {
        /// Its name.
        key: Key,
        /// The column.
        column: usize,
        /// How it is printed.
        data_type: Type,
    },
    /// A joined row: an object, or null when the column `presence` is not true.
    One {
        /// Its name.
        key: Key,
        /// The column that tells whether there is a row.
        presence: usize,
        /// The object's members.
        members: Vec<Shape>,
    },
    /// The rows of a child statement: an array, or the first one.
    Rows {
        /// Its name.
        key: Key,
        /// Which child.
        child: usize,
        /// Whether an object is wanted.
        is_to_one: bool,
    },
    /// The rows of a child statement, each of its members as an array of this row.
    SpreadRows {
        /// Which child.
        child: usize,
    },
}

/// Which rows of the top level are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Those that the level's filter lets through.
    Filtered,
    /// Those that were just written, all at once.
    Written,
    /// A single one that was just written.
    WrittenOne,
}

/// Renders a read.
pub fn read(read: &Read) -> ReadStatement {
    level(&read.level, Rows::Filtered)
}

/// Renders the count of all rows that a level's filter lets through.
pub fn count(level: &Level) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    if level.is_aggregated {
        writer.syntax("SELECT count(*) FROM (SELECT ");
        writer.syntax(if level.group_by.is_empty() { "count(*)" } else { "1" });
        write_from(&mut writer, &level.from, RowColumns::Aliased);
        write_conditions(&mut writer, &level.filter, &[], Rows::Filtered);
        write_groups(&mut writer, level);
        writer.syntax(")");
    } else {
        writer.syntax("SELECT count(*)");
        let needed = From {
            first: level.from.first.clone(),
            // A left join adds no row and removes none; only what it leads to could say otherwise: a view.
            joins: level.from.joins.iter().filter(|join| join.kind != JoinKind::Left).cloned().collect(),
        };
        write_from(&mut writer, &needed, RowColumns::Aliased);
        write_conditions(&mut writer, &level.filter, &[], Rows::Filtered);
    }
    writer.finish()
}

/// Renders the count of the rows of a level's page: never more are looked at than the page needs.
pub fn count_page(level: &Level) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT count(*) FROM (SELECT ");
    writer.syntax(if level.is_aggregated && level.group_by.is_empty() { "count(*)" } else { "1" });
    write_from(&mut writer, &level.from, RowColumns::Aliased);
    write_conditions(&mut writer, &level.filter, &[], Rows::Filtered);
    write_groups(&mut writer, level);
    write_range(&mut writer, level);
    writer.syntax(")");
    writer.finish()
}

/// The columns of a `SELECT` while they are collected: the same expression stands there once.
struct Columns {
    expressions: Vec<Expression>,
}

impl Columns {
    fn index_of(&mut self, expression: &Expression) -> usize {
        if let Some(found) = self.expressions.iter().position(|known| known == expression) {
            return found;
        }
        self.expressions.push(expression.clone());
        self.expressions.len() - 1
    }
}

/// Renders a level and all below it.
pub(super) fn level(level: &Level, rows: Rows) -> ReadStatement {
    nested(level, rows, &[])
}

/// Renders a level; `outer` are the columns of the row around it that its keys equal.
fn nested(level: &Level, rows: Rows, outer: &[usize]) -> ReadStatement {
    let mut columns = Columns { expressions: Vec::new() };
    let mut children = Vec::new();
    let members = shapes(&level.members, &mut columns, &mut children).into();
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    if columns.expressions.is_empty() {
        writer.syntax(if level.is_aggregated { "count(*)" } else { "1" });
    }
    writer.list(&columns.expressions, ", ", |writer, expression| write(writer, expression, RowColumns::Aliased));
    write_from(&mut writer, &level.from, RowColumns::Aliased);
    let keys: Vec<(usize, &Expression)> =
        outer.iter().copied().zip(level.keys.iter().map(|(_, inner)| inner)).collect();
    write_conditions(&mut writer, &level.filter, &keys, rows);
    write_groups(&mut writer, level);
    write_order(&mut writer, &level.order, RowColumns::Aliased);
    if level.is_stored_order && rows == Rows::Filtered {
        writer.syntax(" ORDER BY ");
        alias(&mut writer, level.from.first.id());
        writer.syntax("._rowid_");
    }
    write_range(&mut writer, level);
    ReadStatement { statement: writer.finish(), members, children }
}

fn shapes(members: &[Member], columns: &mut Columns, children: &mut Vec<ReadStatement>) -> Vec<Shape> {
    members
        .iter()
        .map(|member| match member {
            Member::Value(field) => Shape::Value {
                key: Key::new(&field.name),
                column: columns.index_of(&field.expression),
                data_type: field.expression.data_type(),
            },
            Member::One { name, presence, members } => Shape::One {
                key: Key::new(name),
                presence: columns.index_of(presence),
                members: shapes(members, columns, children),
            },
            Member::Rows { name, level, is_to_one } => {
                Shape::Rows { key: Key::new(name), child: child(level, columns, children), is_to_one: *is_to_one }
            }
            Member::SpreadRows { level } => Shape::SpreadRows { child: child(level, columns, children) },
        })
        .collect()
}

fn child(level: &Level, columns: &mut Columns, children: &mut Vec<ReadStatement>) -> usize {
    let outer: Vec<usize> = level.keys.iter().map(|(outer, _)| columns.index_of(outer)).collect();
    children.push(nested(level, Rows::Filtered, &outer));
    children.len() - 1
}

/// ` WHERE`: the keys of the row around, the rows that were written, the level's own filter.
fn write_conditions(writer: &mut Writer, filter: &[Expression], keys: &[(usize, &Expression)], rows: Rows) {
    let mut keyword = " WHERE ";
    if rows != Rows::Filtered {
        writer.syntax(keyword);
        write_written(writer, rows);
        keyword = " AND ";
    }
    for (column, inner) in keys {
        writer.syntax(keyword);
        write_collated(writer, inner, RowColumns::Aliased);
        writer.syntax(" = ").parameter(Parameter::Outer(*column));
        keyword = " AND ";
    }
    if !filter.is_empty() {
        writer.syntax(keyword);
        write_all(writer, filter, RowColumns::Aliased);
    }
}

/// Restricts the top level to rows that were just written.
pub(super) fn write_written(writer: &mut Writer, rows: Rows) {
    alias(writer, SourceId::ROW);
    match rows {
        Rows::WrittenOne => {
            writer.syntax("._rowid_ = ").parameter(Parameter::RowId);
        }
        Rows::Written | Rows::Filtered => {
            writer.syntax("._rowid_ IN (SELECT value FROM json_each(").parameter(Parameter::WrittenRows).syntax("))");
        }
    }
}

fn write_groups(writer: &mut Writer, level: &Level) {
    if !level.group_by.is_empty() {
        writer.syntax(" GROUP BY ");
        writer.list(&level.group_by, ", ", |writer, part| write_collated(writer, part, RowColumns::Aliased));
    }
}

fn write_range(writer: &mut Writer, level: &Level) {
    if level.limit.is_none() && level.offset == 0 {
        return;
    }
    let bound = |rows: u64| Datum::Integer(i64::try_from(rows).unwrap_or(i64::MAX));
    writer.syntax(" LIMIT ").value(&level.limit.map_or(Datum::Integer(-1), bound));
    if level.offset > 0 {
        writer.syntax(" OFFSET ").value(&bound(level.offset));
    }
}
