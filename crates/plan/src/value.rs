//! From the text of a request to a typed value.

use catalog::Expression;
use datatype::{Type, parse_in};

use crate::error::PlanError;
use crate::planner::Planner;

impl Planner<'_> {
    /// A value of a filter, read as its column's type.
    pub(crate) fn typed(&self, text: &str, data_type: &Type) -> Result<Expression, PlanError> {
        // The modifier is the column's, not the comparison's: `varchar(3)` may be compared with longer text.
        let data_type = data_type.without_modifier();
        let value = parse_in(&data_type, text, &self.zone)?;
        Ok(Expression::value(value, data_type))
    }

    /// The type that a `::cast` names.
    pub(crate) fn named_type(&self, name: &str) -> Result<Type, PlanError> {
        Type::from_name(name)
            .or_else(|| {
                self.context.catalog.enum_type(&self.request.schema, name).map(|found| Type::Enum(found.clone()))
            })
            .ok_or_else(|| PlanError::UnknownType(name.to_owned()))
    }

    /// `expression::name`.
    pub(crate) fn cast(&self, expression: Expression, name: &str) -> Result<Expression, PlanError> {
        let to = self.named_type(name)?;
        let from = expression.data_type();
        if from == to {
            return Ok(expression);
        }
        if !datatype::can_cast(&from, &to) {
            return Err(PlanError::ImpossibleCast { from: from.name().to_owned(), to: to.name().to_owned() });
        }
        Ok(Expression::Cast { operand: Box::new(expression), data_type: to })
    }
}
