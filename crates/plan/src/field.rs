//! Fields: columns, JSON paths, casts and aggregates.

use std::sync::Arc;

use catalog::{Expression, Function, Relation};
use datatype::{Average, Datum, Sum, Type};
use rest::{Aggregate, FieldName, PathStep, PathTarget};

use crate::error::PlanError;
use crate::model::{Member, OutputField};
use crate::native::native_aggregate;
use crate::planner::{Planner, Scope};

impl Planner<'_> {
    /// A column or a path into it.
    pub(crate) fn field(&mut self, scope: &Scope, field: &FieldName) -> Result<Expression, PlanError> {
        let column = self.column(scope, &field.column)?;
        json_path(self.as_json(column, &field.path), &field.path)
    }

    /// The members that one selected field gives: several for `*`.
    pub(crate) fn field_members(
        &mut self,
        scope: &Scope,
        field: Option<&FieldName>,
        alias: Option<&str>,
        cast: Option<&str>,
        aggregate: Option<Aggregate>,
        aggregate_cast: Option<&str>,
    ) -> Result<Vec<Member>, PlanError> {
        if let (Some(found), None) = (field, aggregate)
            && counts_rows(&scope.relation, found)
        {
            self.note_read(scope, None);
            return self.row_count(alias, cast);
        }
        if aggregate.is_some() && !self.context.settings.aggregates {
            return Err(PlanError::AggregatesDisabled);
        }
        if let (Some(field), None) = (field, aggregate)
            && field.column == "*"
        {
            return self.all_columns(scope);
        }
        let operand = match field {
            Some(field) if field.column != "*" => {
                let operand = self.field(scope, field)?;
                // Aggregates fold what the column holds, not how it looks.
                let operand = match aggregate {
                    None if field.path.is_empty() => self.presented(scope, &field.column, operand),
                    _ => operand,
                };
                Some(match cast {
                    Some(name) => self.cast(operand, name)?,
                    None => operand,
                })
            }
            _ => {
                self.note_read(scope, None);
                None
            }
        };
        let mut expression = match (aggregate, operand) {
            (Some(aggregate), operand) if self.is_native() => native_aggregate(aggregate, operand),
            (Some(aggregate), operand) => aggregated(aggregate, operand)?,
            (None, Some(operand)) => operand,
            (None, None) => aggregated(Aggregate::Count, None)?,
        };
        if let Some(name) = aggregate_cast {
            expression = self.cast(expression, name)?;
        }
        let name: Arc<str> = match (alias, aggregate, field) {
            (Some(alias), _, _) => alias.into(),
            (None, Some(aggregate), _) => aggregate.name().into(),
            (None, None, Some(field)) => default_name(field).into(),
            (None, None, None) => Aggregate::Count.name().into(),
        };
        Ok(vec![Member::Value(OutputField { name, expression })])
    }

    /// The number of rows. It was there before aggregates were, and needs no leave.
    fn row_count(&self, alias: Option<&str>, cast: Option<&str>) -> Result<Vec<Member>, PlanError> {
        let mut expression = aggregated(Aggregate::Count, None)?;
        if let Some(name) = cast {
            expression = self.cast(expression, name)?;
        }
        let name = Arc::from(alias.unwrap_or(Aggregate::Count.name()));
        Ok(vec![Member::Value(OutputField { name, expression })])
    }

    /// Every column, in the order of their declaration.
    pub(crate) fn all_columns(&mut self, scope: &Scope) -> Result<Vec<Member>, PlanError> {
        let relation = scope.relation.clone();
        relation
            .columns
            .iter()
            .map(|column| {
                let held = self.column(scope, &column.name)?;
                let expression = self.presented(scope, &column.name, held);
                Ok(Member::Value(OutputField { name: column.name.clone(), expression }))
            })
            .collect()
    }
}

/// Whether `count` is the number of rows, as clients have long asked for it (`projects(count)`): no column is called so.
pub(crate) fn counts_rows(relation: &Relation, field: &FieldName) -> bool {
    let is_computed = || {
        let native = relation.native.iter();
        native.flat_map(|native| &native.computed).any(|computed| *computed.name == *field.column)
    };
    let is_count = field.column == Aggregate::Count.name() && field.path.is_empty();
    is_count && relation.column(&field.column).is_none() && !is_computed()
}

/// The name of a field without an alias: the last key of its path, or its column.
fn default_name(field: &FieldName) -> &str {
    field
        .path
        .iter()
        .rev()
        .find_map(|step| match &step.target {
            PathTarget::Key(key) => Some(key.as_str()),
            PathTarget::Index(_) => None,
        })
        .unwrap_or(&field.column)
}

/// A path into a JSON expression.
fn json_path(column: Expression, path: &[PathStep]) -> Result<Expression, PlanError> {
    let Some(last) = path.last() else { return Ok(column) };
    let data_type = column.data_type();
    if !data_type.is_json()
        && !matches!(data_type, Type::Native(_))
        && let Some(first) = path.first()
    {
        return Err(no_step(data_type.name(), first));
    }
    if let Some((_, beyond)) = path.iter().zip(path.iter().skip(1)).find(|(step, _)| step.as_text) {
        return Err(no_step(Type::Text.name(), beyond));
    }
    let steps = path
        .iter()
        .map(|step| match &step.target {
            PathTarget::Key(key) => Expression::value(Datum::Text(key.clone()), Type::Text),
            PathTarget::Index(index) => Expression::value(Datum::Integer(*index), Type::BigInteger),
        })
        .collect();
    Ok(Expression::JsonGet { operand: Box::new(column), path: steps, as_text: last.as_text })
}

fn no_step(from: &str, step: &PathStep) -> PlanError {
    let operator = if step.as_text { "->>" } else { "->" };
    let step = match step.target {
        PathTarget::Key(_) => "unknown",
        PathTarget::Index(_) => "integer",
    };
    PlanError::UnknownStep { from: from.to_owned(), operator, step }
}

/// An aggregate over an operand, typed as PostgreSQL types it.
pub(crate) fn aggregated(aggregate: Aggregate, operand: Option<Expression>) -> Result<Expression, PlanError> {
    let argument = operand.as_ref().map(Expression::data_type);
    let unknown = || PlanError::UnknownAggregate {
        function: aggregate.name(),
        argument: argument.as_ref().map_or_else(String::new, |argument| argument.name().to_owned()),
    };
    let (function, data_type) = match (aggregate, &argument) {
        (Aggregate::Count, _) => (Function::Count { is_distinct: false }, Some(Type::BigInteger)),
        (Aggregate::Sum, Some(argument)) => (Function::Sum, Sum::result_type(argument)),
        (Aggregate::Avg, Some(argument)) => (Function::Avg, Average::result_type(argument)),
        (Aggregate::Max, Some(argument)) => (Function::Max, ordered(argument)),
        (Aggregate::Min, Some(argument)) => (Function::Min, ordered(argument)),
        (_, None) => return Err(unknown()),
    };
    let data_type = data_type.ok_or_else(unknown)?;
    Ok(Expression::Call { function, arguments: operand.into_iter().collect(), data_type })
}

/// The types that PostgreSQL's `min` and `max` take, with their outcome.
fn ordered(argument: &Type) -> Option<Type> {
    match argument {
        Type::Boolean | Type::Uuid | Type::Json | Type::Jsonb | Type::Bytea => None,
        Type::Varchar(_) => Some(Type::Text),
        other => Some(other.without_modifier()),
    }
}
