//! Filters and logic trees: the meaning of every operator.
//!
//! An operator's spelling is in `rest/src/grammar/filter.rs`; to give a new one a meaning, add its arm to
//! [`Planner::operation`] here.

use catalog::{Binary, Expression};
use datatype::{Datum, Type};
use rest::{Comparison, Condition, Filter, IsValue, Operation, Quantifier, SelectItem};

use crate::error::PlanError;
use crate::planner::{Planner, Scope};
use crate::representation::compared;
use crate::values;

impl Planner<'_> {
    /// All conditions that the request puts on a level.
    pub(crate) fn conditions(&mut self, scope: &Scope, select: &[SelectItem]) -> Result<Vec<Expression>, PlanError> {
        let request = self.request;
        let mut conditions = Vec::new();
        for (at, placed) in request.conditions.iter().enumerate().filter(|(_, placed)| scope.is_at(&placed.path)) {
            let mut condition = self.condition(scope, select, &placed.condition)?;
            if let (Condition::Filter(filter), Ok(at)) = (&placed.condition, u16::try_from(at))
                && matches!(filter.operation, Operation::Compare { quantifier: None, .. })
            {
                values::place(&mut condition, at);
            }
            conditions.push(condition);
        }
        Ok(conditions)
    }

    fn condition(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        condition: &Condition,
    ) -> Result<Expression, PlanError> {
        match condition {
            Condition::Filter(filter) => self.filter(scope, select, filter),
            Condition::Logic { is_negated, is_or, children } => {
                let children =
                    children.iter().map(|child| self.condition(scope, select, child)).collect::<Result<Vec<_>, _>>()?;
                let tree = if *is_or { Expression::Or(children) } else { Expression::And(children) };
                Ok(if *is_negated { tree.negated() } else { tree })
            }
        }
    }

    fn filter(&mut self, scope: &Scope, select: &[SelectItem], filter: &Filter) -> Result<Expression, PlanError> {
        if let Some(exists) = self.embed_filter(scope, select, filter)? {
            return Ok(exists);
        }
        let operand = self.field(scope, &filter.field)?;
        let outcome = match compared(scope, &filter.field, &operand, &filter.operation)? {
            Some(outcome) => outcome,
            None => self.operation(operand, &filter.operation)?,
        };
        Ok(if filter.is_negated { outcome.negated() } else { outcome })
    }

    /// `clients=is.null` and `clients=not.is.null`, where `clients` is an embed: whether it has rows.
    fn embed_filter(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        filter: &Filter,
    ) -> Result<Option<Expression>, PlanError> {
        let wants_null = match filter.operation {
            Operation::Is(IsValue::Null) => true,
            Operation::Is(IsValue::NotNull) => false,
            _ => return Ok(None),
        };
        if !filter.field.path.is_empty() {
            return Ok(None);
        }
        let name = &filter.field.column;
        let embed = select.iter().find_map(|item| match item {
            SelectItem::Embed(embed) if embed.alias.as_ref().unwrap_or(&embed.relation) == name => Some(embed),
            _ => None,
        });
        let Some(embed) = embed else { return Ok(None) };
        let exists = self.exists(scope, embed)?;
        let has_rows = wants_null == filter.is_negated;
        Ok(Some(if has_rows { exists } else { exists.negated() }))
    }

    fn operation(&mut self, operand: Expression, operation: &Operation) -> Result<Expression, PlanError> {
        if self.is_native() {
            return self.native_operation(operand, operation);
        }
        let data_type = operand.data_type();
        match operation {
            Operation::Compare { comparison, quantifier: None, value } => {
                let operator = operator(*comparison, &data_type)?;
                let value = self.typed(value, &operand_type(*comparison, &data_type))?;
                Ok(Expression::compare(operator, operand, value))
            }
            Operation::Compare { comparison, quantifier: Some(quantifier), value } => {
                self.quantified(operand, *comparison, *quantifier, value)
            }
            Operation::In(values) => {
                comparable(&data_type, "=")?;
                let list = values.iter().map(|value| self.typed(value, &data_type)).collect::<Result<Vec<_>, _>>()?;
                Ok(Expression::In { operand: Box::new(operand), list })
            }
            Operation::Is(value) => is(operand, *value),
            Operation::IsDistinct(value) => {
                comparable(&data_type, "=")?;
                let value = self.typed(value, &data_type)?;
                Ok(Expression::compare(Binary::IsDistinctFrom, operand, value))
            }
            Operation::PostgresOnly { operator, .. } | Operation::FullText { operator, .. } => {
                Err(PlanError::NotSupported {
                    what: format!("The operator {operator}"),
                    instead: "Filter with eq, in, like, ilike or match, or move the database to PostgreSQL.".to_owned(),
                })
            }
        }
    }

    /// `eq(any).{a,b}`: a comparison with each element of an array.
    fn quantified(
        &mut self,
        operand: Expression,
        comparison: Comparison,
        quantifier: Quantifier,
        literal: &str,
    ) -> Result<Expression, PlanError> {
        let data_type = operand.data_type();
        let operator = operator(comparison, &data_type)?;
        let element_type = operand_type(comparison, &data_type);
        let elements = datatype::array::parse_literal(literal)?;
        let limit = self.context.settings.limits.max_filters;
        if limit.is_exceeded_by(elements.len() as u64) {
            return Err(PlanError::TooLarge { what: "values in a list", found: elements.len() as u64, limit });
        }
        let values = elements
            .iter()
            .map(|element| match element {
                Some(text) => self.typed(text, &element_type),
                None => Ok(Expression::value(Datum::Null, element_type.without_modifier())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if comparison == Comparison::Equal && quantifier == Quantifier::Any {
            return Ok(Expression::In { operand: Box::new(operand), list: values });
        }
        let each = values.into_iter().map(|value| Expression::compare(operator, operand.clone(), value)).collect();
        Ok(match quantifier {
            Quantifier::Any => Expression::Or(each),
            Quantifier::All => Expression::And(each),
        })
    }
}

/// `is`: three values for booleans, NULL for everything.
pub(crate) fn is(operand: Expression, value: IsValue) -> Result<Expression, PlanError> {
    let (wanted, truth) = match value {
        IsValue::Null => return Ok(Expression::IsNull(Box::new(operand))),
        IsValue::NotNull => return Ok(Expression::IsNull(Box::new(operand)).negated()),
        IsValue::True => ("TRUE", Some(true)),
        IsValue::False => ("FALSE", Some(false)),
        IsValue::Unknown => ("UNKNOWN", None),
    };
    let found = operand.data_type();
    if found != Type::Boolean {
        return Err(PlanError::NotBoolean { wanted, found: found.name().to_owned() });
    }
    Ok(match truth {
        Some(value) => Expression::IsBoolean { operand: Box::new(operand), value },
        None => Expression::IsNull(Box::new(operand)),
    })
}

/// The operator that a comparison means.
pub(crate) fn operator_of(comparison: Comparison) -> Binary {
    match comparison {
        Comparison::Equal => Binary::Equal,
        Comparison::NotEqual => Binary::NotEqual,
        Comparison::Greater => Binary::Greater,
        Comparison::GreaterOrEqual => Binary::GreaterOrEqual,
        Comparison::Less => Binary::Less,
        Comparison::LessOrEqual => Binary::LessOrEqual,
        Comparison::Like => Binary::Like,
        Comparison::ILike => Binary::ILike,
        Comparison::Match => Binary::Match,
        Comparison::IMatch => Binary::IMatch,
    }
}

/// How messages spell it.
fn spelling(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Like => "~~",
        Comparison::ILike => "~~*",
        Comparison::Match => "~",
        Comparison::IMatch => "~*",
    }
}

/// The operator that a comparison means, if a type has it.
fn operator(comparison: Comparison, data_type: &Type) -> Result<Binary, PlanError> {
    let (operator, spelling) = (operator_of(comparison), spelling(comparison));
    if is_pattern(comparison) {
        if !data_type.is_text() {
            return Err(PlanError::UnknownOperator { left: data_type.name().to_owned(), operator: spelling });
        }
    } else {
        comparable(data_type, spelling)?;
    }
    Ok(operator)
}

fn is_pattern(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Like | Comparison::ILike | Comparison::Match | Comparison::IMatch)
}

/// The type that the value of a comparison has: patterns are text.
pub(crate) fn operand_type(comparison: Comparison, data_type: &Type) -> Type {
    if is_pattern(comparison) { Type::Text } else { data_type.clone() }
}

/// `json` has no comparison on PostgreSQL.
fn comparable(data_type: &Type, operator: &'static str) -> Result<(), PlanError> {
    match data_type {
        Type::Json => Err(PlanError::UnknownOperator { left: "json".to_owned(), operator }),
        _ => Ok(()),
    }
}
