//! Types: what literals become, which operands go together, what a column takes.

use catalog::{Binary, Expression, Function};
use datatype::function::{BuiltinRef, VARCHAR_LIMIT};
use datatype::{Datum, Type};

use super::problem::{Outcome, Place, Problem};

/// An operand whose type may still be open.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// Its type is known.
    Known(Expression),
    /// A string literal without a type: it takes that of its surroundings. `None` is NULL.
    Unknown(Option<String>),
}

impl Operand {
    /// The type, `None` while it is open.
    pub(super) fn data_type(&self) -> Option<Type> {
        match self {
            Self::Known(expression) => Some(expression.data_type()),
            Self::Unknown(_) => None,
        }
    }

    /// The type's name for messages.
    pub(super) fn type_name(&self) -> String {
        self.data_type().map_or_else(|| "unknown".to_owned(), |data_type| data_type.name().to_owned())
    }

    /// As it is; an open type becomes text.
    pub(super) fn or_text(self) -> Expression {
        match self {
            Self::Known(expression) => expression,
            Self::Unknown(None) => Expression::value(Datum::Null, Type::Text),
            Self::Unknown(Some(text)) => Expression::value(Datum::Text(text), Type::Text),
        }
    }
}

/// A string literal as a value of `data_type`.
pub(super) fn literal(text: &str, data_type: &Type, at: impl Place) -> Outcome<Expression> {
    match datatype::parse(data_type, text) {
        Ok(value) => Ok(Expression::value(value, data_type.clone())),
        Err(error) => {
            let more = error.details.clone().or_else(|| error.hint().map(ToOwned::to_owned));
            let problem = Problem::invalid(at, error.message);
            Err(match more {
                Some(more) => problem.instead(more),
                None => problem,
            })
        }
    }
}

/// A number as it was written: integer, bigint or numeric, whichever is the first to hold it.
pub(super) fn number(text: &str, at: impl Place) -> Outcome<Expression> {
    if text.contains('_') {
        return Err(Problem::invalid(at, "trailing junk after numeric literal").instead("write the digits without _"));
    }
    let digits = text;
    let whole = digits.parse::<i64>().ok();
    let data_type = match whole {
        Some(value) if i32::try_from(value).is_ok() => Type::Integer,
        Some(_) => Type::BigInteger,
        None => Type::Numeric(None),
    };
    literal(digits, &data_type, at)
}

/// The text of a value of a type of number.
fn number_text(value: &Datum) -> Option<String> {
    match value {
        Datum::Integer(value) => Some(value.to_string()),
        Datum::Real(value) => Some(format!("{value:?}")),
        Datum::Text(value) => Some(value.clone()),
        Datum::Null | Datum::Bytes(_) => None,
    }
}

/// Places the types of numbers in the order in which PostgreSQL widens them.
fn number_rank(data_type: &Type) -> Option<u8> {
    Some(match data_type {
        Type::SmallInteger => 0,
        Type::Integer => 1,
        Type::BigInteger => 2,
        Type::Numeric(_) => 3,
        Type::Real => 4,
        Type::Double => 5,
        _ => return None,
    })
}

/// Places the types of dates in the order in which PostgreSQL widens them.
fn date_rank(data_type: &Type) -> Option<u8> {
    Some(match data_type {
        Type::Date => 0,
        Type::Timestamp => 1,
        Type::TimestampTz => 2,
        _ => return None,
    })
}

/// The type that holds values of both, without modifiers unless both are the same.
fn common_of_two(left: &Type, right: &Type) -> Option<Type> {
    if left == right {
        return Some(left.clone());
    }
    let (left, right) = (left.without_modifier(), right.without_modifier());
    let wider = |rank: fn(&Type) -> Option<u8>| Some((rank(&left)?, rank(&right)?));
    if let Some((a, b)) = wider(number_rank).or_else(|| wider(date_rank)) {
        return Some(if a >= b { left } else { right });
    }
    match (&left, &right) {
        (a, b) if a == b => Some(left),
        (a, b) if a.is_text() && b.is_text() => Some(Type::Text),
        _ => None,
    }
}

/// The type of `CASE`, `COALESCE`, `UNION` and the like over `operands`; text if all are open.
///
/// # Errors
/// Two types do not go together; `what` names the construct in the message.
pub(super) fn common_type(operands: &[Operand], what: &str, at: impl Place) -> Outcome<Type> {
    let mut common: Option<Type> = None;
    for data_type in operands.iter().filter_map(Operand::data_type) {
        common = Some(match common {
            None => data_type,
            Some(before) => match common_of_two(&before, &data_type) {
                Some(common) => common,
                None => {
                    let message = format!("{what} types {} and {} cannot be matched", before.name(), data_type.name());
                    return Err(Problem::invalid(at, message));
                }
            },
        });
    }
    Ok(common.unwrap_or(Type::Text))
}

/// Whether values of `from` are values of `to` as they stand.
fn is_same_base(from: &Type, to: &Type) -> bool {
    from.without_modifier() == to.without_modifier() || (from.is_text() && to.is_text())
}

/// The operand as `data_type`, which [`common_type`] gave for it and others.
pub(super) fn widened(operand: Operand, data_type: &Type, at: impl Place) -> Outcome<Expression> {
    match operand {
        Operand::Unknown(None) => Ok(Expression::value(Datum::Null, data_type.clone())),
        Operand::Unknown(Some(text)) => literal(&text, data_type, at),
        Operand::Known(expression) => Ok(widened_expression(expression, data_type)),
    }
}

fn widened_expression(expression: Expression, data_type: &Type) -> Expression {
    let from = expression.data_type();
    if is_same_base(&from, data_type) {
        return expression;
    }
    if let Some(value) = as_number(&expression, data_type) {
        return value;
    }
    Expression::Cast { operand: Box::new(expression), data_type: data_type.clone() }
}

/// A number literal as a literal of another type of number, if that holds it.
fn as_number(expression: &Expression, data_type: &Type) -> Option<Expression> {
    let Expression::Value { value, data_type: from, .. } = expression else {
        return None;
    };
    // A decimal literal beside single precision is compared in double precision: 0.1 is not 0.1::real.
    if !from.is_number() || !data_type.is_number() || *data_type == Type::Real {
        return None;
    }
    let value = datatype::parse(data_type, &number_text(value)?).ok()?;
    Some(Expression::value(value, data_type.clone()))
}

/// The operand of an operator without its modifier: `numeric(12,2)` counts as numeric once it is computed with.
pub(super) fn bare(expression: Expression) -> Expression {
    match expression {
        Expression::Column { source, name, data_type } => {
            Expression::Column { source, name, data_type: data_type.without_modifier() }
        }
        Expression::Value { value, data_type, .. } => Expression::value(value, data_type.without_modifier()),
        other => {
            let data_type = other.data_type();
            let bare = data_type.without_modifier();
            if bare == data_type || bare.is_text() {
                other
            } else {
                Expression::Cast { operand: Box::new(other), data_type: bare }
            }
        }
    }
}

/// There is no such operator.
pub(super) fn no_operator(left: &Operand, symbol: &str, right: &Operand, at: impl Place) -> Problem {
    let (left, right) = (left.type_name(), right.type_name());
    Problem::invalid(at, format!("operator does not exist: {left} {symbol} {right}"))
        .instead("add a cast to one side: (...)::type")
}

/// Both sides of a comparison in one type.
pub(super) fn compared(
    left: Operand,
    symbol: &str,
    right: Operand,
    at: impl Place + Copy,
) -> Outcome<(Expression, Expression)> {
    let incomparable = |data_type: &Type| matches!(data_type, Type::Json);
    let (left, right) = match (left, right) {
        (Operand::Known(left), Operand::Known(right)) => (left, right),
        (Operand::Known(left), right @ Operand::Unknown(_)) => {
            let data_type = left.data_type().without_modifier();
            if incomparable(&data_type) {
                return Err(no_operator(&Operand::Known(left), symbol, &right, at));
            }
            let right = widened(right, &text_for(data_type), at)?;
            return Ok((bare(left), right));
        }
        (left @ Operand::Unknown(_), Operand::Known(right)) => {
            let data_type = right.data_type().without_modifier();
            if incomparable(&data_type) {
                return Err(no_operator(&left, symbol, &Operand::Known(right), at));
            }
            let left = widened(left, &text_for(data_type), at)?;
            return Ok((left, bare(right)));
        }
        (left, right) => return Ok((left.or_text(), right.or_text())),
    };
    let (left_type, right_type) = (left.data_type().without_modifier(), right.data_type().without_modifier());
    if incomparable(&left_type) || incomparable(&right_type) {
        return Err(no_operator(&Operand::Known(left), symbol, &Operand::Known(right), at));
    }
    if is_same_base(&left_type, &right_type) {
        return Ok((bare(left), bare(right)));
    }
    // A literal takes the column's type if that holds it: then an index on the column serves.
    if let Some(right) = as_number(&right, &left_type) {
        return Ok((bare(left), right));
    }
    if let Some(left) = as_number(&left, &right_type) {
        return Ok((left, bare(right)));
    }
    let Some(common) = common_of_two(&left_type, &right_type) else {
        return Err(no_operator(&Operand::Known(left), symbol, &Operand::Known(right), at));
    };
    // Single precision meets another type of number in double precision.
    let common = if common == Type::Real { Type::Double } else { common };
    Ok((widened_expression(bare(left), &common), widened_expression(bare(right), &common)))
}

/// An open literal beside text of any length is text.
fn text_for(data_type: Type) -> Type {
    if data_type.is_text() { Type::Text } else { data_type }
}

/// Both sides of `+ - * / %` in one type of number.
pub(super) fn computed(
    left: Operand,
    operator: Binary,
    symbol: &str,
    right: Operand,
    at: impl Place + Copy,
) -> Outcome<Expression> {
    let is_number = |operand: &Operand| operand.data_type().is_none_or(|data_type| data_type.is_number());
    let both_open = left.data_type().is_none() && right.data_type().is_none();
    if both_open || !is_number(&left) || !is_number(&right) {
        return Err(no_operator(&left, symbol, &right, at));
    }
    let mut common = common_type(&[left.clone(), right.clone()], symbol, at)?.without_modifier();
    if common == Type::Real && (left.data_type() != Some(Type::Real) || right.data_type() != Some(Type::Real)) {
        common = Type::Double;
    }
    if operator == Binary::Modulo && common.is_float() {
        return Err(no_operator(&left, symbol, &right, at));
    }
    let side = |operand: Operand| Ok::<_, Problem>(bare(widened(operand, &common, at)?));
    Ok(Expression::Binary { operator, left: Box::new(side(left)?), right: Box::new(side(right)?) })
}

/// The operand as text, if it is text or still open.
pub(super) fn text(operand: Operand) -> Result<Expression, Operand> {
    match operand {
        Operand::Known(expression) if !expression.data_type().is_text() => Err(Operand::Known(expression)),
        operand => Ok(operand.or_text()),
    }
}

/// The operand as a boolean; `what` is the clause for the message.
pub(super) fn boolean(operand: Operand, what: &str, at: impl Place) -> Outcome<Expression> {
    match operand {
        Operand::Known(expression) if expression.data_type() != Type::Boolean => {
            let name = expression.data_type().name().to_owned();
            Err(Problem::invalid(at, format!("argument of {what} must be type boolean, not type {name}")))
        }
        operand => widened(operand, &Type::Boolean, at),
    }
}

/// The operand as what column `column` of type `to` takes: PostgreSQL's assignment casts, modifiers enforced.
pub(super) fn assigned(operand: Operand, to: &Type, column: &str, at: impl Place) -> Outcome<Expression> {
    let expression = match operand {
        Operand::Unknown(None) => return Ok(Expression::value(Datum::Null, to.clone())),
        Operand::Unknown(Some(text)) => return literal(&text, to, at),
        Operand::Known(expression) => expression,
    };
    let from = expression.data_type();
    if from == *to {
        return Ok(expression);
    }
    if let Expression::Value { value: Datum::Null, .. } = expression
        && is_assignable(&from, to)
    {
        return Ok(Expression::value(Datum::Null, to.clone()));
    }
    if let Some(constant) = constant(&expression, &from, to, &at)? {
        return Ok(constant);
    }
    if is_assignable(&from, to) {
        // text to text without a limit is the same value.
        if from.is_text() && matches!(to, Type::Text | Type::Varchar(None)) {
            return Ok(expression);
        }
        return Ok(match to {
            Type::Varchar(Some(length)) => limited(expression, *length),
            to => Expression::Cast { operand: Box::new(expression), data_type: to.clone() },
        });
    }
    let (to, from) = (to.name(), from.name());
    Err(Problem::invalid(at, format!("column \"{column}\" is of type {to} but expression is of type {from}"))
        .instead("rewrite or cast the expression"))
}

/// A value on its way into a column of type `varchar(n)`.
fn limited(value: Expression, length: u32) -> Expression {
    let from = value.data_type();
    let to = Type::Varchar(Some(length));
    let fits = matches!(from, Type::Varchar(Some(longest)) if longest <= length);
    let text =
        if from.is_text() { value } else { Expression::Cast { operand: Box::new(value), data_type: Type::Text } };
    match BuiltinRef::find(VARCHAR_LIMIT) {
        Some(limit) if !fits => Expression::Call {
            function: Function::Builtin(limit),
            arguments: vec![text, Expression::value(Datum::Integer(i64::from(length)), Type::Integer)],
            data_type: to,
        },
        _ => Expression::Cast { operand: Box::new(text), data_type: to },
    }
}

/// A literal in the type of its column, its limits checked.
fn constant(expression: &Expression, from: &Type, to: &Type, at: &impl Place) -> Outcome<Option<Expression>> {
    let Expression::Value { value, .. } = expression else {
        return Ok(None);
    };
    let text = match (value, to) {
        (Datum::Text(text), to) if from.is_text() && to.is_text() => text.clone(),
        // A fraction is rounded by the cast, not read.
        (_, to) if to.is_integer() && !from.is_integer() => return Ok(None),
        (value, to) if from.is_number() && (to.is_number() || *to == Type::Text) => match number_text(value) {
            Some(text) => text,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    literal(&text, to, at.location()).map(Some)
}

/// Whether PostgreSQL turns a value of one type into another without being asked, in the arguments of a function.
pub(super) fn is_implicit(from: &Type, to: &Type) -> bool {
    let narrower = |rank: fn(&Type) -> Option<u8>| matches!((rank(from), rank(to)), (Some(a), Some(b)) if a < b);
    is_same_base(from, to)
        || narrower(number_rank)
        || narrower(date_rank)
        || (*from == Type::Time && *to == Type::Interval)
}

/// Whether `+ - * / %` on the operand is not about numbers alone.
pub(super) fn is_beyond_numbers(operand: &Operand) -> bool {
    operand.data_type().is_some_and(|data_type| {
        date_rank(&data_type).is_some() || matches!(data_type, Type::Time | Type::Interval | Type::Json | Type::Jsonb)
    })
}

fn is_assignable(from: &Type, to: &Type) -> bool {
    is_same_base(from, to)
        || to.is_text()
        || (from.is_number() && to.is_number())
        || (from.is_json() && to.is_json())
        || (date_rank(from).is_some() && date_rank(to).is_some())
        || (matches!(from, Type::Timestamp | Type::TimestampTz | Type::Interval) && *to == Type::Time)
        || (*from == Type::Time && *to == Type::Interval)
}

#[cfg(test)]
mod tests {
    use super::super::problem::NOWHERE;
    use super::*;

    fn column(data_type: Type) -> Operand {
        Operand::Known(Expression::column(catalog::SourceId::ROW, "c", data_type))
    }

    #[test]
    fn numbers_take_the_first_type_that_holds_them() {
        for (text, wanted) in [
            ("1", Type::Integer),
            ("-2147483648", Type::Integer),
            ("2147483648", Type::BigInteger),
            ("9223372036854775808", Type::Numeric(None)),
            ("1.5", Type::Numeric(None)),
            ("1e3", Type::Numeric(None)),
        ] {
            assert_eq!(number(text, NOWHERE).map(|value| value.data_type()), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn comparisons_meet_in_the_types_of_postgresql() {
        let cases = [
            (Type::SmallInteger, "1", Type::SmallInteger),
            (Type::SmallInteger, "70000", Type::Integer),
            (Type::Integer, "1.5", Type::Numeric(None)),
            (Type::Numeric(Some((12, 2))), "1", Type::Numeric(None)),
            (Type::Double, "0.5", Type::Double),
            (Type::BigInteger, "1", Type::BigInteger),
            (Type::Real, "0.1", Type::Double),
        ];
        for (data_type, text, wanted) in cases {
            let right = Operand::Known(number(text, NOWHERE).expect("a number"));
            let (left, right) = compared(column(data_type.clone()), "=", right, NOWHERE).expect("comparable");
            assert_eq!((left.data_type(), right.data_type()), (wanted.clone(), wanted), "{data_type} = {text}");
        }
        let problem = compared(column(Type::Uuid), "=", column(Type::Text), NOWHERE).expect_err("not comparable");
        assert!(format!("{problem:?}").contains("operator does not exist: uuid = text"));
    }
}
