//! Everything that is wrong with the rows of a body. An engine stops at the first thing it meets; who fills in a form wants to
//! know all of it at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Failure, Limit, Offence};
use catalog::{Check, Column, DefaultValue, Expression, Privilege, Relation, SourceId};
use datatype::{Datum, Type};
use rest::{Action, ApiRequest, Cell, Missing, Target};

use crate::error::document_message;
use crate::evaluate::{KnownRow, evaluate, truth};
use crate::planner::{Context, Planner};
use crate::write::typed;

/// How many rows of a body are looked at.
const MOST_ROWS: Limit = Limit::new("rows of a body that are looked at for errors", 1_000);

/// How many things are told.
const MOST_OFFENCES: usize = 100;

/// The longest sentence about one of them, in characters: a value stands in it as it was sent.
const LONGEST_MESSAGE: usize = 1_000;

/// Everything that is wrong with the rows of a body that was refused with `failure`, in the order of the rows: values that are none
/// of their type, NULL where there may be none, checks that do not hold. Empty where the failure is about something else, or
/// is not found among them: then something is at work that only the engine knows, as a trigger, and nothing else can be said.
pub fn examine(request: &ApiRequest, failure: &Failure, context: Context<'_>) -> Vec<Offence> {
    let is_about_rows = failure.code.starts_with("22") || matches!(&*failure.code, "23502" | "23514");
    let Target::Relation(name) = &request.target else { return Vec::new() };
    if !is_about_rows || !matches!(request.action, Action::Insert | Action::Put | Action::Update) {
        return Vec::new();
    }
    let Ok(planner) = Planner::new(request, context) else { return Vec::new() };
    let relation = context.catalog.relation(&base::QualifiedName::new(&*request.schema, name.as_str()));
    let Some(relation) = relation.filter(|relation| relation.view().is_none() && may_write(request, relation, context))
    else {
        return Vec::new();
    };
    let examination = Examination { planner: &planner, relation };
    let mut offences = Vec::new();
    let most_rows = usize::try_from(MOST_ROWS.value).unwrap_or(usize::MAX);
    for (place, cells) in request.payload.rows.iter().enumerate().take(most_rows) {
        examination.row(place, cells, &mut offences);
        if offences.len() >= MOST_OFFENCES {
            offences.truncate(MOST_OFFENCES);
            break;
        }
    }
    let is_explained =
        offences.iter().any(|offence| offence.code == failure.code && offence.message == failure.message);
    if !is_explained {
        return Vec::new();
    }
    offences.iter_mut().for_each(|offence| shorten(&mut offence.message));
    offences
}

fn shorten(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
}

/// Who may not write a table is told nothing of its constraints. That a server looked at the values says nothing of rights: a document is
/// looked at before it is asked, and it reads the value of a filter before it looks at them.
fn may_write(request: &ApiRequest, relation: &Relation, context: Context<'_>) -> bool {
    let privilege = if request.action == Action::Update { Privilege::Update } else { Privilege::Insert };
    let roles = context.catalog.roles_of(&context.caller.role);
    context.catalog.may_enter(&roles, &relation.name.schema)
        && relation.allows_somewhere(&roles, privilege)
        && request.payload.columns.iter().all(|column| relation.allows(&roles, privilege, Some(column)))
}

struct Examination<'a> {
    planner: &'a Planner<'a>,
    relation: &'a Relation,
}

impl Examination<'_> {
    fn row(&self, place: usize, cells: &[Cell], offences: &mut Vec<Offence>) {
        let mut known = KnownRow::new(self.planner.context.catalog.is_native());
        // A server looks at what its triggers have made of the row; the embedded engine looks before.
        let is_rewritten = self.relation.native.as_ref().is_some_and(|native| native.rewrites_rows);
        for column in &self.relation.columns {
            match self.value(column, cells) {
                Value::Known(Datum::Null) if !column.is_nullable && !is_rewritten => {
                    let message = format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, self.relation.name.name
                    );
                    offences.push(offence(place, vec![column.name.clone()], "23502", message, None));
                }
                Value::Known(value) => {
                    self.document(place, column, &value, offences);
                    if !is_rewritten {
                        known.insert(column.name.clone(), value);
                    }
                }
                Value::Wrong(error) => {
                    offences.push(offence(place, vec![column.name.clone()], error.sqlstate, error.message, None));
                }
                Value::Unknown => {}
            }
        }
        // PostgreSQL looks at them in the order of their names.
        let mut checks: Vec<&Check> = self.relation.checks.iter().collect();
        checks.sort_by(|left, right| left.name.cmp(&right.name));
        for Check { name, expression, domain } in checks {
            let is_violated = evaluate(expression, &known).is_some_and(|value| truth(&value) == Some(false));
            if is_violated {
                let what = match domain {
                    Some(domain) => format!("value for domain {}", domain.name),
                    None => format!("new row for relation \"{}\"", self.relation.name.name),
                };
                let message = format!("{what} violates check constraint \"{name}\"");
                offences.push(offence(place, columns_of(expression), "23514", message, Some(name)));
            }
        }
    }

    /// What is wrong with a document, by the JSON Schema of its column.
    fn document(&self, row: usize, column: &Column, value: &Datum, offences: &mut Vec<Offence>) {
        let schema = self.planner.context.catalog.document_schema(&self.relation.name, &column.name);
        let (Some(Ok(schema)), Datum::Text(document)) = (schema, value) else { return };
        offences.extend(schema.faults(document).into_iter().map(|fault| Offence {
            row,
            columns: vec![column.name.clone()],
            code: "23514".into(),
            message: document_message(&self.relation.name.name, &column.name, Some(&fault)),
            constraint: None,
            pointer: Some(fault.pointer),
        }));
    }

    /// What a column of the row will be.
    fn value(&self, column: &Column, cells: &[Cell]) -> Value {
        let request = self.planner.request;
        let takes_default = request.preferences.missing == Some(Missing::ApplyDefaults);
        let named = request.payload.columns.iter().zip(cells).find(|(name, _)| **name == column.name);
        match named {
            Some((_, Cell::Missing)) if takes_default => self.default(column),
            // A domain that looks otherwise outside, and types that only the server knows.
            Some((_, Cell::Json(_) | Cell::Text(_))) if !is_read_here(column) => Value::Unknown,
            Some((_, cell)) => match typed(column, cell, &self.planner.zone) {
                Ok(value) => Value::Known(value),
                Err(error) => Value::Wrong(error),
            },
            None if request.action == Action::Update => Value::Unknown,
            None => self.default(column),
        }
    }

    /// What a column of a new row is that was not given.
    fn default(&self, column: &Column) -> Value {
        let is_servers = column.native.as_ref().is_some_and(|native| native.default.is_some());
        match &column.default {
            DefaultValue::None if !is_servers => Value::Known(Datum::Null),
            DefaultValue::Expression(expression) => {
                evaluate(expression, &KnownRow::new(false)).map_or(Value::Unknown, Value::Known)
            }
            _ => Value::Unknown,
        }
    }
}

/// Something that is wrong with a row, wherever in the columns.
fn offence(
    row: usize,
    columns: Vec<Arc<str>>,
    code: &'static str,
    message: String,
    constraint: Option<&Arc<str>>,
) -> Offence {
    Offence { row, columns, code: code.into(), message, constraint: constraint.cloned(), pointer: None }
}

/// What is known of a value.
enum Value {
    Known(Datum),
    Wrong(datatype::ValueError),
    Unknown,
}

/// Whether values of the column are read here as the engine reads them.
fn is_read_here(column: &Column) -> bool {
    !matches!(column.data_type, Type::Native(_))
        && column.native.as_ref().is_none_or(|native| native.representation.is_none())
}

/// The columns that a check is about.
fn columns_of(expression: &Expression) -> Vec<Arc<str>> {
    let mut columns = BTreeSet::new();
    expression.visit(&mut |part| {
        if let Expression::Column { source: SourceId::ROW, name, .. } = part {
            columns.insert(name.clone());
        }
    });
    columns.into_iter().collect()
}
