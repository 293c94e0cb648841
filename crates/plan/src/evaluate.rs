//! What an expression over one row gives, computed here instead of by an engine: to tell a client everything that is wrong with
//! its rows, once an engine has refused them. The engine decides; this explains, and keeps silent where it does not know.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Binary, Expression, Function, SourceId};
use datatype::function::{Arguments, BuiltinRef};
use datatype::json::Step;
use datatype::{Arithmetic, Datum, Type, Zone, arithmetic, cast, compare};

/// A row as far as it is known: columns that are not in it may have any value.
pub(crate) struct KnownRow {
    columns: BTreeMap<Arc<str>, Datum>,
    /// Whether texts stand in the order of a server's collation, and have its capital letters, which only the server knows.
    is_collated: bool,
}

impl KnownRow {
    /// One of which nothing is known, on a server or not.
    pub(crate) fn new(is_collated: bool) -> Self {
        Self { columns: BTreeMap::new(), is_collated }
    }

    /// Says what a column has.
    pub(crate) fn insert(&mut self, name: Arc<str>, value: Datum) {
        self.columns.insert(name, value);
    }

    /// Whether it is known which of two values of a type comes first.
    fn knows_order(&self, data_type: &Type) -> bool {
        !self.is_collated || !data_type.is_text()
    }

    /// Whether it is known which capital letters a text has.
    fn knows_case(&self, text: &str) -> bool {
        !self.is_collated || text.is_ascii()
    }
}

/// The value of `expression` over `row`; `None` where that cannot be said here.
pub(crate) fn evaluate(expression: &Expression, row: &KnownRow) -> Option<Datum> {
    match expression {
        Expression::Column { source, name, .. } if *source == SourceId::ROW => row.columns.get(name).cloned(),
        Expression::Value { value, .. } => Some(value.clone()),
        Expression::Binary { operator, left, right } => binary(*operator, left, right, row),
        Expression::And(parts) => all(parts, row, false),
        Expression::Or(parts) => all(parts, row, true),
        Expression::Not(operand) => Some(match truth(&evaluate(operand, row)?) {
            Some(is_true) => boolean(!is_true),
            None => Datum::Null,
        }),
        Expression::IsNull(operand) => Some(boolean(evaluate(operand, row)?.is_null())),
        Expression::IsBoolean { operand, value } => {
            Some(boolean(truth(&evaluate(operand, row)?).is_some_and(|is_true| is_true == *value)))
        }
        Expression::In { operand, list } => is_among(operand, list, row),
        Expression::Case { branches, otherwise, .. } => {
            for (condition, outcome) in branches {
                if truth(&evaluate(condition, row)?) == Some(true) {
                    return evaluate(outcome, row);
                }
            }
            otherwise.as_ref().map_or(Some(Datum::Null), |otherwise| evaluate(otherwise, row))
        }
        Expression::Cast { operand, data_type } => cast_to(&evaluate(operand, row)?, &operand.data_type(), data_type),
        Expression::JsonGet { operand, path, as_text } => json_at(operand, path, *as_text, row),
        Expression::Call { function, arguments, .. } => call(function, arguments, row),
        // They ask for other rows, or for what is not of this row.
        Expression::Column { .. } | Expression::InQuery { .. } | Expression::Exists(_) | Expression::Scalar(_) => None,
    }
}

/// A boolean as a datum is one.
fn boolean(value: bool) -> Datum {
    Datum::Integer(i64::from(value))
}

/// One of SQL's three values; `None` is NULL.
pub(crate) fn truth(value: &Datum) -> Option<bool> {
    match value {
        Datum::Integer(value) => Some(*value != 0),
        _ => None,
    }
}

/// `AND`, which `false` decides whatever the others are, or `OR`, which `true` does.
fn all(parts: &[Expression], row: &KnownRow, decides: bool) -> Option<Datum> {
    let mut is_unknown = false;
    let mut has_null = false;
    for part in parts {
        match evaluate(part, row).map(|value| truth(&value)) {
            Some(Some(is_true)) if is_true == decides => return Some(boolean(decides)),
            Some(Some(_)) => {}
            Some(None) => has_null = true,
            None => is_unknown = true,
        }
    }
    if is_unknown {
        return None;
    }
    Some(if has_null { Datum::Null } else { boolean(!decides) })
}

fn binary(operator: Binary, left: &Expression, right: &Expression, row: &KnownRow) -> Option<Datum> {
    let data_type = left.data_type();
    let (left, right) = (evaluate(left, row)?, evaluate(right, row)?);
    if operator == Binary::IsDistinctFrom {
        let is_same = match (left.is_null(), right.is_null()) {
            (false, false) => compare(&data_type, left.as_ref(), right.as_ref()) == Ordering::Equal,
            (left, right) => left == right,
        };
        return Some(boolean(!is_same));
    }
    if left.is_null() || right.is_null() {
        return Some(Datum::Null);
    }
    let orders = matches!(operator, Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual);
    if orders && !row.knows_order(&data_type) {
        return None;
    }
    let compared =
        |holds: fn(Ordering) -> bool| Some(boolean(holds(compare(&data_type, left.as_ref(), right.as_ref()))));
    let computed = |operator| arithmetic(operator, &data_type, left.as_ref(), right.as_ref()).ok();
    match operator {
        Binary::Equal => compared(Ordering::is_eq),
        Binary::NotEqual | Binary::IsDistinctFrom => compared(Ordering::is_ne),
        Binary::Less => compared(Ordering::is_lt),
        Binary::LessOrEqual => compared(Ordering::is_le),
        Binary::Greater => compared(Ordering::is_gt),
        Binary::GreaterOrEqual => compared(Ordering::is_ge),
        Binary::Add => computed(Arithmetic::Add),
        Binary::Subtract => computed(Arithmetic::Subtract),
        Binary::Multiply => computed(Arithmetic::Multiply),
        Binary::Divide => computed(Arithmetic::Divide),
        Binary::Modulo => computed(Arithmetic::Modulo),
        Binary::Like | Binary::ILike | Binary::Match | Binary::IMatch | Binary::Concatenate => {
            let (Datum::Text(left), Datum::Text(right)) = (&left, &right) else { return None };
            let folds = matches!(operator, Binary::ILike | Binary::IMatch);
            if folds && !(row.knows_case(left) && row.knows_case(right)) {
                return None;
            }
            of_texts(operator, left, right)
        }
    }
}

fn of_texts(operator: Binary, text: &str, pattern: &str) -> Option<Datum> {
    let matches = |folds| datatype::pattern::compile(pattern, folds).ok().map(|found| found.is_match(text));
    let holds = match operator {
        Binary::Like => datatype::pattern::like(text, pattern, false).ok()?,
        Binary::ILike => datatype::pattern::like(text, pattern, true).ok()?,
        Binary::Match => matches(false)?,
        Binary::IMatch => matches(true)?,
        _ => return Some(Datum::Text(format!("{text}{pattern}"))),
    };
    Some(boolean(holds))
}

/// `IN (a, b)`: NULL where it is not found and one of them is NULL.
fn is_among(operand: &Expression, list: &[Expression], row: &KnownRow) -> Option<Datum> {
    let data_type = operand.data_type();
    let wanted = evaluate(operand, row)?;
    if list.is_empty() {
        return Some(boolean(false));
    }
    if wanted.is_null() {
        return Some(Datum::Null);
    }
    let mut has_null = false;
    for item in list {
        let item = evaluate(item, row)?;
        if item.is_null() {
            has_null = true;
        } else if compare(&data_type, wanted.as_ref(), item.as_ref()) == Ordering::Equal {
            return Some(boolean(true));
        }
    }
    Some(if has_null { Datum::Null } else { boolean(false) })
}

/// In the schema a cast does not depend on the zone of a request.
fn cast_to(value: &Datum, from: &Type, to: &Type) -> Option<Datum> {
    if from == to || value.is_null() {
        return Some(value.clone());
    }
    match (to, value) {
        (Type::Enum(definition), Datum::Text(label)) => {
            definition.labels.iter().any(|known| **known == **label).then(|| value.clone())
        }
        (Type::Text | Type::Varchar(None), _) if matches!(from, Type::Enum(_)) => Some(value.clone()),
        _ => cast(from, to, value.as_ref(), &Zone::Utc).ok(),
    }
}

fn json_at(operand: &Expression, path: &[Expression], as_text: bool, row: &KnownRow) -> Option<Datum> {
    let document = match evaluate(operand, row)? {
        Datum::Text(document) => document,
        Datum::Null => return Some(Datum::Null),
        _ => return None,
    };
    let steps: Vec<Datum> = path.iter().map(|step| evaluate(step, row)).collect::<Option<_>>()?;
    let steps: Option<Vec<Step<'_>>> = steps
        .iter()
        .map(|step| match step {
            Datum::Text(key) => Some(Step::Key(key)),
            Datum::Integer(index) => Some(Step::Index(*index)),
            _ => None,
        })
        .collect();
    let get = if operand.data_type() == Type::Json { datatype::json::get_json } else { datatype::json::get };
    let Some(found) = get(&document, &steps?) else { return Some(Datum::Null) };
    Some(if as_text {
        datatype::json::text_of(found).map_or(Datum::Null, |text| Datum::Text(text.into_owned()))
    } else {
        Datum::Text(found.to_owned())
    })
}

fn call(function: &Function, arguments: &[Expression], row: &KnownRow) -> Option<Datum> {
    let values: Vec<Datum> = arguments.iter().map(|argument| evaluate(argument, row)).collect::<Option<_>>()?;
    let data_type = arguments.first().map(Expression::data_type)?;
    let of_text = |compute: fn(&str) -> Datum| match values.first()? {
        Datum::Text(text) => Some(compute(text)),
        Datum::Null => Some(Datum::Null),
        _ => None,
    };
    match function {
        Function::Coalesce => Some(values.iter().find(|value| !value.is_null()).cloned().unwrap_or(Datum::Null)),
        Function::NullIf => {
            let (first, second) = (values.first()?, values.get(1)?);
            let is_same = !first.is_null()
                && !second.is_null()
                && compare(&data_type, first.as_ref(), second.as_ref()) == Ordering::Equal;
            Some(if is_same { Datum::Null } else { first.clone() })
        }
        Function::Greatest | Function::Least if !row.knows_order(&data_type) => None,
        Function::Lower | Function::Upper
            if values.iter().any(|value| matches!(value, Datum::Text(text) if !row.knows_case(text))) =>
        {
            None
        }
        Function::Greatest => Some(extreme(&data_type, &values, Ordering::Greater)),
        Function::Least => Some(extreme(&data_type, &values, Ordering::Less)),
        Function::Lower => of_text(|text| Datum::Text(text.to_ascii_lowercase())),
        Function::Upper => of_text(|text| Datum::Text(text.to_ascii_uppercase())),
        Function::Length => of_text(|text| i64::try_from(text.chars().count()).map_or(Datum::Null, Datum::Integer)),
        Function::Trim => of_text(|text| Datum::Text(text.trim_matches(' ').to_owned())),
        Function::Builtin(builtin) => of_builtin(*builtin, arguments, &values),
        _ => None,
    }
}

fn extreme(data_type: &Type, values: &[Datum], wanted: Ordering) -> Datum {
    let mut best = &Datum::Null;
    for value in values.iter().filter(|value| !value.is_null()) {
        if best.is_null() || compare(data_type, value.as_ref(), best.as_ref()) == wanted {
            best = value;
        }
    }
    best.clone()
}

fn of_builtin(builtin: BuiltinRef, arguments: &[Expression], values: &[Datum]) -> Option<Datum> {
    let types: Vec<Type> = arguments.iter().map(Expression::data_type).collect();
    let values: Vec<_> = values.iter().map(Datum::as_ref).collect();
    builtin.builtin().call(&Arguments { values: &values, types: &types, zone: &Zone::Utc }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Expression {
        Expression::value(Datum::Text(value.to_owned()), Type::Text)
    }

    #[test]
    fn what_the_collation_of_a_server_decides_is_not_known() {
        let compared = |operator, left: &str, right: &str| Expression::Binary {
            operator,
            left: Box::new(text(left)),
            right: Box::new(text(right)),
        };
        let (here, there) = (KnownRow::new(false), KnownRow::new(true));
        for (expression, is_known) in [
            (compared(Binary::Less, "B", "a"), false),
            (compared(Binary::GreaterOrEqual, "B", "a"), false),
            (compared(Binary::Equal, "B", "a"), true),
            (compared(Binary::ILike, "é", "É"), false),
            (compared(Binary::ILike, "e", "E"), true),
        ] {
            assert!(evaluate(&expression, &here).is_some(), "{expression:?}");
            assert_eq!(evaluate(&expression, &there).is_some(), is_known, "{expression:?}");
        }
    }
}
