//! Writes. A row is written by one statement that tells its `_rowid_`; row security and what is answered are then
//! asked of exactly those rows, inside the same transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalog::{Column, DefaultValue, Expression, Relation, SourceId};
use datatype::{Datum, Type};
use plan::{Batch, Call, CallOutcome, CallStep, Conflict, Delete, Insert, KeyColumn, Level, RowCheck, Update};

use super::expression::{RowColumns, write, write_all, write_query};
use super::names::physical_name;
use super::own_key;
use super::read::{ReadStatement, Rows, level, write_written};
use crate::statement::{Parameter, Statement};
use crate::writer::{Values, Writer};

/// The statements of an insert, upsert or put.
#[derive(Debug, Clone)]
pub struct InsertStatements {
    /// The table.
    pub table: Arc<Relation>,
    /// One for each batch of the plan, which holds the rows.
    pub batches: Vec<InsertBatch>,
    /// Of the `_rowid_` of a new row: gives true when row security allows it.
    pub check: Option<Statement>,
    /// How existing rows are dealt with.
    pub merge: Option<MergeStatements>,
    /// What is answered of the rows.
    pub returning: Option<Returning>,
    /// Of a `_rowid_`: the primary key.
    pub location: Option<Location>,
}

/// Rows that give the same columns.
#[derive(Debug, Clone)]
pub struct InsertBatch {
    /// The columns, aligned with the rows' cells.
    pub columns: Vec<Arc<str>>,
    /// Writes one row, whose cells are its parameters.
    pub statement: Statement,
    /// Whether the statement gives the row's `_rowid_`, since none may be written. Otherwise it is the connection's
    /// last one.
    pub gives_row_id: bool,
    /// For an upsert that merges: gives the `_rowid_` of the row that exists already.
    pub existing: Option<Statement>,
    /// Under row security: gives true when the row as it was sent may be inserted. Asked where it is not inserted: when it
    /// exists already, or when a constraint refuses it, so that no constraint tells of rows that the caller may not see.
    pub proposed: Option<Statement>,
}

/// Row security of an upsert that merges; each gives true for a `_rowid_` that passes.
#[derive(Debug, Clone)]
pub struct MergeStatements {
    /// Whether the existing row may be changed.
    pub visible: Option<Statement>,
    /// Whether the changed row may stand.
    pub check: Option<Statement>,
    /// Whether a key is set beside the one that tells that a row exists: rows that refer to it could be left behind.
    pub moves_keys: bool,
}

/// What is answered of the rows that were written.
#[derive(Debug, Clone)]
pub struct Returning {
    /// The read.
    pub read: ReadStatement,
    /// Whether it is run for each row by itself, which keeps the order in which they were written; otherwise once.
    pub is_row_by_row: bool,
}

/// Where a single new row is.
#[derive(Debug, Clone)]
pub struct Location {
    /// Of a `_rowid_`: the key's columns.
    pub statement: Statement,
    /// Their names in the URL and types.
    pub columns: Vec<(Arc<str>, Type)>,
}

/// The statements of an update.
#[derive(Debug, Clone)]
pub struct UpdateStatements {
    /// The table.
    pub table: Arc<Relation>,
    /// Changes the rows and gives their `_rowid_`s; `None` when there is nothing to set.
    pub statement: Option<Statement>,
    /// Gives the `_rowid_`s of the rows to change, for naming the foreign key behind a violation.
    pub find: Statement,
    /// What is set, for messages.
    pub assigned: Vec<(Arc<str>, Option<Datum>)>,
    /// Of a `_rowid_`: gives true when row security allows the changed row.
    pub check: Option<Statement>,
    /// What is answered of the rows.
    pub returning: Option<Returning>,
}

/// The statements of a delete.
#[derive(Debug, Clone)]
pub struct DeleteStatements {
    /// The table.
    pub table: Arc<Relation>,
    /// Gives the `_rowid_`s of the rows to go.
    pub find: Statement,
    /// Removes the rows found.
    pub remove: Statement,
    /// What is answered of the rows, read before they go.
    pub returning: Option<Returning>,
}

/// The statements of a function that writes.
#[derive(Debug, Clone)]
pub struct CallStatements {
    /// The statements that write, in order.
    pub steps: Vec<StepStatements>,
    /// What is read after them for the answer.
    pub read: Option<ReadStatement>,
}

/// One statement of a function that writes.
#[derive(Debug, Clone)]
pub enum StepStatements {
    /// Adds the rows of a query.
    Insert {
        /// Gives the rows, in the columns of the insert's only batch.
        source: Statement,
        /// Adds each.
        insert: InsertStatements,
    },
    /// Changes rows.
    Update(UpdateStatements),
    /// Removes rows.
    Delete(DeleteStatements),
}

impl CallStatements {
    /// The text of the first statement that writes: its shape, for the log.
    pub fn text(&self) -> Option<&Arc<str>> {
        match self.steps.first()? {
            StepStatements::Insert { insert, .. } => insert.batches.first().map(|batch| batch.statement.text()),
            StepStatements::Update(update) => update.statement.as_ref().map(Statement::text),
            StepStatements::Delete(delete) => Some(delete.remove.text()),
        }
    }
}

/// Renders the call of a function that writes.
pub fn call(call: &Call) -> CallStatements {
    let steps = call.steps.iter().map(|step| match step {
        CallStep::Insert { source, insert: adds } => {
            let mut writer = Writer::new(Values::AsParameters);
            write_query(&mut writer, source, RowColumns::Aliased);
            StepStatements::Insert { source: writer.finish(), insert: insert(adds) }
        }
        CallStep::Update(changes) => StepStatements::Update(update(changes)),
        CallStep::Delete(removes) => StepStatements::Delete(delete(removes)),
    });
    CallStatements {
        steps: steps.collect(),
        read: match &call.outcome {
            CallOutcome::Read(read) => Some(level(read, Rows::Filtered)),
            CallOutcome::Nothing | CallOutcome::Written => None,
        },
    }
}

/// Renders an insert.
pub fn insert(insert: &Insert) -> InsertStatements {
    InsertStatements {
        table: insert.table.clone(),
        batches: insert.batches.iter().map(|batch| insert_batch(insert, batch)).collect(),
        check: insert.check.as_ref().map(|check| row_check(&insert.table, check)),
        merge: insert.conflict.as_ref().and_then(|conflict| merge(&insert.table, conflict)),
        returning: insert.returning.as_ref().map(returning),
        location: insert.location.as_ref().map(|columns| location(&insert.table, columns)),
    }
}

fn merge(table: &Relation, conflict: &Conflict) -> Option<MergeStatements> {
    let merge = conflict.merge.as_ref()?;
    let keys = std::iter::once(&table.primary_key).chain(table.uniques.iter().map(|unique| &unique.columns));
    let mut moved = merge.columns.iter().filter(|column| !conflict.target.contains(column));
    Some(MergeStatements {
        visible: merge.visible.as_ref().map(|check| row_check(table, check)),
        check: merge.check.as_ref().map(|check| row_check(table, check)),
        moves_keys: moved.any(|column| keys.clone().any(|key| key.contains(column))),
    })
}

fn insert_batch(insert: &Insert, batch: &Batch) -> InsertBatch {
    let conflict = insert.conflict.as_ref();
    let merging = conflict.filter(|conflict| conflict.merge.is_some());
    InsertBatch {
        columns: batch.columns.clone(),
        statement: insert_row(&insert.table, batch, conflict),
        gives_row_id: conflict.is_some(),
        existing: merging.and_then(|conflict| existing_row(&insert.table, batch, conflict)),
        proposed: insert.check.as_ref().and_then(|check| proposed_row(&insert.table, batch, check)),
    }
}

/// `INSERT INTO t (a, b) VALUES (?, ?)`, or `... ON CONFLICT ... RETURNING _rowid_`
fn insert_row(table: &Relation, batch: &Batch, conflict: Option<&Conflict>) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("INSERT INTO ").identifier(&physical_name(&table.name));
    if batch.columns.is_empty() {
        writer.syntax(" DEFAULT VALUES");
    } else {
        writer.syntax(" (");
        writer.list(&batch.columns, ", ", |writer, column| {
            writer.identifier(column);
        });
        writer.syntax(") VALUES (");
        writer.list(0..batch.columns.len(), ", ", |writer, cell| {
            writer.parameter(Parameter::Cell(cell));
        });
        writer.syntax(")");
    }
    // `DEFAULT VALUES` takes no conflict clause in SQLite; such a row can only be new or fail.
    if let Some(conflict) = conflict.filter(|_| !batch.columns.is_empty()) {
        write_conflict(&mut writer, table, conflict);
    }
    // A row that can only be new needs no RETURNING, which costs a table in memory: the connection knows its `_rowid_`.
    if conflict.is_some() {
        writer.syntax(" RETURNING _rowid_");
    }
    writer.finish()
}

fn write_conflict(writer: &mut Writer, table: &Relation, conflict: &Conflict) {
    writer.syntax(" ON CONFLICT (");
    writer.list(&conflict.target, ", ", |writer, column| {
        writer.identifier(column);
    });
    match &conflict.merge {
        None => {
            writer.syntax(") DO NOTHING");
        }
        Some(merge) => {
            writer.syntax(") DO UPDATE SET ");
            writer.list(&merge.columns, ", ", |writer, column| {
                writer.identifier(column).syntax(" = excluded.").identifier(column);
            });
            writer.syntax(own_key::beside(table, &merge.columns));
        }
    }
}

/// Gives the `_rowid_` of the row that an upsert meets. `None` when part of the key is left to a sequence: then no
/// row can be there.
fn existing_row(table: &Relation, batch: &Batch, conflict: &Conflict) -> Option<Statement> {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT s0._rowid_ FROM ").identifier(&physical_name(&table.name)).syntax(" AS s0 WHERE ");
    for (position, name) in conflict.target.iter().enumerate() {
        let column = table.column(name)?;
        let own = Expression::column(SourceId::ROW, name.clone(), column.data_type.clone());
        writer.syntax(if position > 0 { " AND " } else { "" });
        super::expression::write_collated(&mut writer, &own, RowColumns::Aliased);
        writer.syntax(" = ");
        match batch.columns.iter().position(|given| given == name) {
            Some(cell) => {
                writer.parameter(Parameter::Cell(cell));
            }
            None => match &column.default {
                DefaultValue::Expression(default) => write(&mut writer, default, RowColumns::Aliased),
                DefaultValue::None | DefaultValue::Identity(_) | DefaultValue::Generated(_) => return None,
            },
        }
    }
    Some(writer.finish())
}

/// Asks row security of the row as it would be written: its cells, the defaults of what it leaves out, what triggers set, and
/// what is generated from all of it. `None` when the condition needs a number that only the insert itself can draw.
fn proposed_row(table: &Relation, batch: &Batch, check: &RowCheck) -> Option<Statement> {
    let drawn = drawn_columns(table, batch);
    if reads_any(&check.condition, &drawn) {
        return None;
    }
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    write(&mut writer, &check.condition, RowColumns::Aliased);
    writer.syntax(" IS TRUE FROM (SELECT s0.*");
    for column in &table.columns {
        if let DefaultValue::Generated(generated) = &column.default {
            writer.syntax(", ");
            write(&mut writer, &generated.expression, RowColumns::Aliased);
            writer.syntax(" AS ").identifier(&column.name);
        }
    }
    writer.syntax(" FROM ");
    let is_set = !table.set_by_triggers.is_empty();
    if is_set {
        writer.syntax("(SELECT ");
        writer.list(stored_columns(table), ", ", |writer, column| {
            match table.set_by_triggers.iter().find(|(name, _)| *name == column.name) {
                Some((_, value)) => write(writer, value, RowColumns::Aliased),
                None => {
                    writer.syntax("s0.").identifier(&column.name);
                }
            }
            writer.syntax(" AS ").identifier(&column.name);
        });
        writer.syntax(" FROM ");
    }
    write_sent(&mut writer, table, batch);
    writer.syntax(if is_set { ") AS s0) AS s0" } else { ") AS s0" });
    Some(writer.finish())
}

/// `(SELECT ? AS a, ... ) AS s0`: the row as it was sent, with the defaults of what it leaves out.
fn write_sent(writer: &mut Writer, table: &Relation, batch: &Batch) {
    writer.syntax("(SELECT ");
    writer.list(stored_columns(table), ", ", |writer, column| {
        match (batch.columns.iter().position(|given| *given == column.name), &column.default) {
            (Some(cell), _) => {
                writer.parameter(Parameter::Cell(cell));
            }
            (None, DefaultValue::Expression(default)) => write(writer, default, RowColumns::Aliased),
            (None, _) => {
                writer.syntax("NULL");
            }
        }
        writer.syntax(" AS ").identifier(&column.name);
    });
    writer.syntax(") AS s0");
}

fn stored_columns(table: &Relation) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !matches!(column.default, DefaultValue::Generated(_)))
}

/// The columns whose value needs a number that only the insert itself draws: directly, by a trigger, or generated.
fn drawn_columns(table: &Relation, batch: &Batch) -> BTreeSet<Arc<str>> {
    let counts = |column: &&Column| matches!(column.default, DefaultValue::Identity(_));
    let is_left_out = |column: &&Column| !batch.columns.contains(&column.name);
    let sent: BTreeSet<Arc<str>> =
        table.columns.iter().filter(counts).filter(is_left_out).map(|column| column.name.clone()).collect();
    let mut drawn = sent.clone();
    for (name, value) in &table.set_by_triggers {
        if reads_any(value, &sent) {
            drawn.insert(name.clone());
        } else {
            drawn.remove(name);
        }
    }
    for column in &table.columns {
        if let DefaultValue::Generated(generated) = &column.default
            && reads_any(&generated.expression, &drawn)
        {
            drawn.insert(column.name.clone());
        }
    }
    drawn
}

fn reads_any(expression: &Expression, columns: &BTreeSet<Arc<str>>) -> bool {
    columns.iter().any(|column| expression.reads_row_column(column))
}

/// Of a `_rowid_`: whether its row fulfils a condition.
fn row_check(table: &Relation, check: &RowCheck) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    write(&mut writer, &check.condition, RowColumns::Aliased);
    writer.syntax(" IS TRUE FROM ").identifier(&physical_name(&table.name)).syntax(" AS s0 WHERE ");
    write_written(&mut writer, Rows::WrittenOne);
    writer.finish()
}

fn returning(answered: &Level) -> Returning {
    let is_whole = answered.limit.is_none() && answered.offset == 0;
    let is_row_by_row = answered.order.is_empty() && !answered.is_aggregated && is_whole;
    let rows = if is_row_by_row { Rows::WrittenOne } else { Rows::Written };
    Returning { read: level(answered, rows), is_row_by_row }
}

fn location(table: &Relation, columns: &[KeyColumn]) -> Location {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    writer.list(columns, ", ", |writer, column| {
        writer.syntax("s0.").identifier(&column.physical);
    });
    writer.syntax(" FROM ").identifier(&physical_name(&table.name)).syntax(" AS s0 WHERE ");
    write_written(&mut writer, Rows::WrittenOne);
    Location {
        statement: writer.finish(),
        columns: columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect(),
    }
}

/// Renders an update.
pub fn update(update: &Update) -> UpdateStatements {
    let assigned = update
        .assignments
        .iter()
        .map(|(column, expression)| {
            let value = match expression {
                Expression::Value { value, .. } => Some(value.clone()),
                _ => None,
            };
            (column.clone(), value)
        })
        .collect();
    UpdateStatements {
        table: update.table.clone(),
        statement: (!update.assignments.is_empty()).then(|| update_rows(update)),
        find: super::diagnose::rows_of(update),
        assigned,
        check: update.check.as_ref().map(|check| row_check(&update.table, check)),
        returning: update.returning.as_ref().map(returning),
    }
}

fn update_rows(update: &Update) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("UPDATE ").identifier(&physical_name(&update.table.name)).syntax(" AS s0 SET ");
    writer.list(&update.assignments, ", ", |writer, (column, expression)| {
        writer.identifier(column).syntax(" = ");
        write(writer, expression, RowColumns::Aliased);
    });
    writer.syntax(own_key::beside(&update.table, update.assignments.iter().map(|(column, _)| column)));
    write_filter(&mut writer, &update.filter);
    writer.syntax(" RETURNING _rowid_");
    writer.finish()
}

/// Renders a delete.
pub fn delete(delete: &Delete) -> DeleteStatements {
    let mut find = Writer::new(Values::AsParameters);
    find.syntax("SELECT s0._rowid_ FROM ").identifier(&physical_name(&delete.table.name)).syntax(" AS s0");
    write_filter(&mut find, &delete.filter);
    let mut remove = Writer::new(Values::AsParameters);
    remove.syntax("DELETE FROM ").identifier(&physical_name(&delete.table.name)).syntax(" AS s0 WHERE ");
    write_written(&mut remove, Rows::Written);
    DeleteStatements {
        table: delete.table.clone(),
        find: find.finish(),
        remove: remove.finish(),
        returning: delete.returning.as_ref().map(returning),
    }
}

pub(super) fn write_filter(writer: &mut Writer, filter: &[Expression]) {
    if !filter.is_empty() {
        writer.syntax(" WHERE ");
        write_all(writer, filter, RowColumns::Aliased);
    }
}
