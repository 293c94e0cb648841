//! `->`, `->>`, `#>` and `#>>`.

use catalog::{Expression, Function};
use datatype::{Datum, Type};
use sqlparser::ast::{BinaryOperator, Expr, Spanned};

use super::builtin::Given;
use super::expression::Analyzer;
use super::operator::{self, Operand};
use super::problem::Outcome;

impl Analyzer<'_> {
    /// A step or several into a JSON value.
    pub(super) fn json_get(
        &mut self,
        expr: &Expr,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        as_text: bool,
    ) -> Outcome<Operand> {
        let operand = match self.operand(left)? {
            Operand::Known(operand) if operand.data_type().is_json() => operand,
            other => {
                let right = self.operand(right)?;
                return Err(operator::no_operator(&other, &op.to_string(), &right, expr));
            }
        };
        if matches!(op, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow) {
            let right = self.given(right)?;
            let left = Given::Operand(Operand::Known(operand));
            return self.routine_operator(&op.to_string(), left, right, expr.span().start).map(Operand::Known);
        }
        let steps = self.json_steps(right)?;
        // The claim of a token by its name has a function of its own.
        if as_text
            && matches!(operand, Expression::Call { function: Function::AuthJwt, .. })
            && let [Expression::Value { value: Datum::Text(_), .. }] = steps.as_slice()
        {
            return Ok(Operand::Known(Expression::Call {
                function: Function::AuthClaim,
                arguments: steps,
                data_type: Type::Text,
            }));
        }
        let (operand, path) = match operand {
            Expression::JsonGet { operand, mut path, as_text: false } => {
                path.extend(steps);
                (operand, path)
            }
            operand => (Box::new(operand), steps),
        };
        Ok(Operand::Known(Expression::JsonGet { operand, path, as_text }))
    }

    /// The keys and indexes behind a JSON operator.
    pub(super) fn json_steps(&mut self, right: &Expr) -> Outcome<Vec<Expression>> {
        let key = |text: String| Expression::value(Datum::Text(text), Type::Text);
        match self.operand(right)? {
            Operand::Unknown(Some(text)) => Ok(vec![key(text)]),
            Operand::Known(Expression::Value { value: Datum::Text(text), data_type, .. }) if data_type.is_text() => {
                Ok(vec![key(text)])
            }
            Operand::Known(Expression::Value { value: Datum::Integer(index), data_type, .. })
                if data_type.is_integer() =>
            {
                Ok(vec![Expression::value(Datum::Integer(index), Type::BigInteger)])
            }
            Operand::Known(step)
                if step.data_type().is_text() || matches!(step.data_type(), Type::SmallInteger | Type::Integer) =>
            {
                Ok(vec![step])
            }
            _ => Err(self.unsupported(right, "instead, cast it: the key to text, the index to integer")),
        }
    }
}
