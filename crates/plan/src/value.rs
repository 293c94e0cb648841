//! From the text of a request to a typed value.

use catalog::Expression;
use datatype::{Datum, Type, Zone, parse_in};

use crate::error::PlanError;
use crate::native::as_written;
use crate::planner::Planner;

impl Planner<'_> {
    /// A value of a filter, read as its column's type.
    pub(crate) fn typed(&self, text: &str, data_type: &Type) -> Result<Expression, PlanError> {
        // The modifier is the column's, not the comparison's: `varchar(3)` may be compared with longer text.
        let data_type = data_type.without_modifier();
        if self.is_native() {
            return Ok(as_written(text, data_type));
        }
        let value = match self.moment(text, &data_type) {
            Some(moment) => {
                self.is_of_moment.set(true);
                moment
            }
            None => parse_in(&data_type, text, &self.zone)?,
        };
        Ok(Expression::value(value, data_type))
    }

    /// PostgreSQL's words for moments that depend on the clock: `now`, `today`, `tomorrow`, `yesterday`, in UTC. `None` for
    /// any other text, and where another time zone was asked for.
    fn moment(&self, text: &str, data_type: &Type) -> Option<Datum> {
        const DAY: i64 = 86_400_000_000;
        if !matches!(self.zone, Zone::Utc) {
            return None;
        }
        let now = self.context.now.0;
        let today = now.div_euclid(DAY) * DAY;
        let moment = match text.trim().to_ascii_lowercase().as_str() {
            "now" => now,
            "today" => today,
            "tomorrow" => today + DAY,
            "yesterday" => today - DAY,
            _ => return None,
        };
        match data_type {
            Type::TimestampTz | Type::Timestamp => Some(Datum::Integer(moment)),
            Type::Date => Some(Datum::Integer(moment.div_euclid(DAY))),
            _ => None,
        }
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
        if self.is_native() {
            let data_type = self.native_type(name);
            // A column cast to what it is already is the column itself, by which groups may be ordered.
            let is_known = matches!(expression, Expression::Column { .. }) && !matches!(data_type, Type::Native(_));
            if is_known && expression.data_type() == data_type {
                return Ok(expression);
            }
            return Ok(Expression::Cast { operand: Box::new(expression), data_type });
        }
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
