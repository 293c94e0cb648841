//! Statements of the program itself: no rows are hidden, nobody is asked for privileges, and values come when it runs.

use std::sync::Arc;

use catalog::{
    Deletion, Expression, From, Insertion, Modification, Projection, Query, Relation, RoutineStatement, Snapshot,
    Source, SourceId,
};
use datatype::Type;
use plan::{Batch, Conflict, Delete, Insert, Level, Member, Merge, OutputField, Update};

use super::expression::{RowColumns, write_query};
use super::read::Shape;
use super::write::{DeleteStatements, Returning, StepStatements, UpdateStatements, delete, insert, update};
use crate::statement::Statement;
use crate::writer::{Values, Writer};

/// A statement of the program in SQLite's words.
#[derive(Debug, Clone)]
pub struct Own {
    /// The types of its parameters.
    pub parameters: Vec<Type>,
    /// What it gives.
    pub columns: Arc<[(Arc<str>, Type)]>,
    /// What is run.
    pub run: OwnRun,
}

/// What is run of a statement of the program.
#[derive(Debug, Clone)]
pub enum OwnRun {
    /// Gives rows, in the order of the columns.
    Read(Statement),
    /// Changes rows.
    Write(Box<StepStatements>),
}

impl OwnRun {
    /// The texts of all that is run.
    pub fn texts(&self) -> Vec<&str> {
        let mut statements = Vec::new();
        match self {
            Self::Read(statement) => statements.push(statement),
            Self::Write(step) => match &**step {
                StepStatements::Insert { source, insert } => {
                    statements.push(source);
                    statements.extend(insert.batches.iter().map(|batch| &batch.statement));
                }
                StepStatements::Update(update) => statements.extend(&update.statement),
                StepStatements::Delete(delete) => statements.extend([&delete.find, &delete.remove]),
            },
        }
        statements.extend(self.returning().map(|returning| &returning.read.statement));
        statements.into_iter().map(|statement| &**statement.text()).collect()
    }

    /// What is answered of the rows that it changes.
    pub fn returning(&self) -> Option<&Returning> {
        match self {
            Self::Read(_) => None,
            Self::Write(step) => match &**step {
                StepStatements::Insert { insert, .. } => insert.returning.as_ref(),
                StepStatements::Update(UpdateStatements { returning, .. })
                | StepStatements::Delete(DeleteStatements { returning, .. }) => returning.as_ref(),
            },
        }
    }
}

/// Where the members of an answer stand in the rows of its statement.
pub fn places(returning: &Returning) -> impl Iterator<Item = usize> {
    returning.read.members.iter().filter_map(|member| match member {
        Shape::Value { column, .. } => Some(*column),
        Shape::One { .. } | Shape::Rows { .. } | Shape::SpreadRows { .. } => None,
    })
}

/// Renders a statement that was read; `None` when the table that it writes is not there.
pub(crate) fn render(statement: &RoutineStatement, parameters: Vec<Type>, snapshot: &Snapshot) -> Option<Own> {
    let table = |name| snapshot.relations.get(name).cloned();
    let (given, run) = match statement {
        RoutineStatement::Query(query) => (&query.projections, OwnRun::Read(rendered(query))),
        RoutineStatement::Insert(insertion) => {
            let step = StepStatements::Insert {
                source: rendered(&insertion.source),
                insert: insert(&added(insertion, table(&insertion.table)?)),
            };
            (&insertion.returning, OwnRun::Write(Box::new(step)))
        }
        RoutineStatement::Update(modification) => {
            let step = StepStatements::Update(update(&changed(modification, table(&modification.table)?)));
            (&modification.returning, OwnRun::Write(Box::new(step)))
        }
        RoutineStatement::Delete(deletion) => {
            let step = StepStatements::Delete(delete(&removed(deletion, table(&deletion.table)?)));
            (&deletion.returning, OwnRun::Write(Box::new(step)))
        }
    };
    let column = |given: &Projection| (given.name.clone(), given.expression.data_type());
    Some(Own { parameters, columns: given.iter().map(column).collect(), run })
}

fn rendered(query: &Query) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    write_query(&mut writer, query, RowColumns::Aliased);
    writer.finish()
}

fn added(insertion: &Insertion, table: Arc<Relation>) -> Insert {
    let conflict = insertion.conflict.as_ref().map(|conflict| Conflict {
        target: conflict.target.clone(),
        merge: (!conflict.merged.is_empty()).then(|| Merge {
            columns: conflict.merged.clone(),
            visible: None,
            check: None,
        }),
    });
    Insert {
        relation: table.clone(),
        batches: vec![Batch { columns: insertion.columns.clone(), rows: Vec::new() }],
        conflict,
        check: None,
        returning: returned(&table, &insertion.returning),
        location: None,
        put: None,
        table,
    }
}

fn changed(modification: &Modification, table: Arc<Relation>) -> Update {
    Update {
        relation: table.clone(),
        assignments: modification.assignments.clone(),
        filter: modification.filter.iter().cloned().collect(),
        check: None,
        returning: returned(&table, &modification.returning),
        table,
    }
}

fn removed(deletion: &Deletion, table: Arc<Relation>) -> Delete {
    Delete {
        relation: table.clone(),
        filter: deletion.filter.iter().cloned().collect(),
        returning: returned(&table, &deletion.returning),
        table,
    }
}

/// `RETURNING`, as a read of the rows that were written.
fn returned(table: &Relation, returning: &[Projection]) -> Option<Level> {
    let member = |given: &Projection| {
        Member::Value(OutputField { name: given.name.clone(), expression: given.expression.clone() })
    };
    (!returning.is_empty()).then(|| Level {
        from: From { first: Source::Relation { id: SourceId::ROW, name: table.name.clone() }, joins: Vec::new() },
        members: returning.iter().map(member).collect(),
        filter: Vec::new(),
        is_aggregated: false,
        group_by: Vec::new(),
        order: Vec::new(),
        is_stored_order: false,
        limit: None,
        offset: 0,
        keys: Vec::new(),
    })
}

/// The place of a parameter, from 0, that an expression stands for.
pub(crate) fn parameter(expression: &Expression) -> Option<usize> {
    let Expression::Column { source: SourceId::ARGUMENTS, name, .. } = expression else { return None };
    name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}
