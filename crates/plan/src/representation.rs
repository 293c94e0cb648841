//! Domains with a look of their own outside: a column of one is shown, compared and written as the casts of its schema say
//! (PostgREST's "domain representations").

use base::QualifiedName;
use catalog::{Binary, Expression, Function, NativeFunction, Representation};
use datatype::{Datum, Type};
use rest::{Comparison, FieldName, Operation, Quantifier};

use crate::error::PlanError;
use crate::filter::operator_of;
use crate::native::{as_written, native};
use crate::planner::{Planner, Scope};

/// How a column looks outside, where its domain says so.
fn representation<'s>(scope: &'s Scope, column: &str) -> Option<&'s Representation> {
    scope.relation.column(column)?.native.as_ref()?.representation.as_deref()
}

impl Planner<'_> {
    /// A column as it is shown. An aggregate that makes a relation's rows a media type takes them as they are.
    pub(crate) fn presented(&self, scope: &Scope, column: &str, expression: Expression) -> Expression {
        let takes_rows = self.handler.as_ref().is_some_and(|handler| handler.target.is_some());
        match representation(scope, column).and_then(|found| found.to_json.clone()) {
            Some(function) if !takes_rows => native(NativeFunction::Apply(function), vec![expression], Type::Json),
            _ => expression,
        }
    }
}

/// What a group is made by: the column itself, however it is shown. JSON cannot be grouped by.
pub(crate) fn grouped(expression: &Expression) -> &Expression {
    match expression {
        Expression::Call { function: Function::Native(NativeFunction::Apply(_)), arguments, .. } => {
            arguments.first().unwrap_or(expression)
        }
        other => other,
    }
}

/// A filter whose values are read by the domain's own function; `None` where they are read as any others. Patterns are
/// text, and what is compared with `isdistinct` or searched for is taken as it is, as PostgREST has it.
pub(crate) fn compared(
    scope: &Scope,
    field: &FieldName,
    operand: &Expression,
    operation: &Operation,
) -> Result<Option<Expression>, PlanError> {
    let function = representation(scope, &field.column).and_then(|found| found.from_text.as_ref());
    let (Some(function), true) = (function, field.path.is_empty()) else { return Ok(None) };
    let data_type = operand.data_type();
    Ok(match operation {
        Operation::Compare { comparison, quantifier, value } if is_of_values(*comparison) => {
            let operator = operator_of(*comparison);
            Some(match quantifier {
                None => Expression::compare(operator, operand.clone(), read(function, value, data_type)),
                Some(quantifier) => {
                    let values = datatype::array::parse_literal(value)?;
                    let values = values.iter().map(Option::as_deref);
                    any(operand, operator, *quantifier == Quantifier::All, function, values)
                }
            })
        }
        Operation::In(values) => {
            Some(any(operand, Binary::Equal, false, function, values.iter().map(|value| Some(value.as_str()))))
        }
        _ => None,
    })
}

fn is_of_values(comparison: Comparison) -> bool {
    matches!(
        comparison,
        Comparison::Equal
            | Comparison::NotEqual
            | Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::Less
            | Comparison::LessOrEqual
    )
}

fn read(function: &QualifiedName, text: &str, data_type: Type) -> Expression {
    let text = Expression::Cast { operand: Box::new(as_written(text, Type::Text)), data_type: Type::Text };
    native(NativeFunction::Apply(function.clone()), vec![text], data_type)
}

/// A comparison with each of several values, or with all of them.
fn any<'v>(
    operand: &Expression,
    operator: Binary,
    is_all: bool,
    function: &QualifiedName,
    values: impl Iterator<Item = Option<&'v str>>,
) -> Expression {
    let values = values.map(|value| match value {
        Some(text) => as_written(text, Type::Text),
        None => Expression::value(Datum::Null, Type::Text),
    });
    let each = native(NativeFunction::ApplyEach(function.clone()), values.collect(), operand.data_type());
    native(NativeFunction::Quantified { operator, is_all }, vec![operand.clone(), each], Type::Boolean)
}
