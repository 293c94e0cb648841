//! Calls of the functions and operators that `datatype` defines: which overload is meant, by PostgreSQL's rules for
//! the resolution of functions and operators (chapter "Type Conversion" of its manual).

use catalog::{Expression, Function};
use datatype::function::{Arguments, Builtin, BuiltinRef, Parameter, VARCHAR_LIMIT, overloads};
use datatype::{DatumRef, Type, Zone};
use sqlparser::ast::{Array, Expr, Value};
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};

/// An argument before its parameter is known.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// An expression or an open literal.
    Operand(Operand),
    /// `ARRAY['a', 'b']`: the text of the array.
    Texts(String),
}

impl Given {
    fn data_type(&self) -> Option<Type> {
        match self {
            Self::Operand(operand) => operand.data_type().map(|data_type| data_type.without_modifier()),
            Self::Texts(_) => None,
        }
    }

    fn type_name(&self) -> String {
        match self {
            Self::Operand(operand) => operand.type_name(),
            Self::Texts(_) => "text[]".to_owned(),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Operand(Operand::Unknown(_)))
    }
}

impl Analyzer<'_> {
    /// A call by name; `None` when no overload takes the arguments.
    pub(super) fn builtin(&mut self, name: &str, arguments: &[&Expr], at: Location) -> Outcome<Option<Expression>> {
        if overloads(name).next().is_none() || VARCHAR_LIMIT.starts_with(name) {
            return Ok(None);
        }
        let given = arguments.iter().map(|argument| self.given(argument)).collect::<Outcome<Vec<_>>>()?;
        self.routine_of(name, given, at)
    }

    /// An operator by its symbol; an operand of an open type is tried with the type of the other first.
    pub(super) fn routine_operator(
        &self,
        symbol: &str,
        left: Given,
        right: Given,
        at: Location,
    ) -> Outcome<Expression> {
        let wrong = |left: &Given, right: &Given| {
            let message = format!("operator does not exist: {} {symbol} {}", left.type_name(), right.type_name());
            Problem::invalid(at, message).instead("add a cast to one side: (...)::type")
        };
        let problem = wrong(&left, &right);
        let same = match (left.data_type(), right.data_type()) {
            (Some(known), None) if right.is_open() => Some(known),
            (None, Some(known)) if left.is_open() => Some(known),
            _ => None,
        };
        let exact = same.and_then(|data_type| {
            overloads(symbol).find(|candidate| {
                let parameters = &candidate.builtin().parameters;
                parameters.len() == 2
                    && parameters.iter().all(|parameter| *parameter == Parameter::Typed(data_type.clone()))
            })
        });
        let given = vec![left, right];
        if let Some(exact) = exact {
            return self.called(exact, given, at);
        }
        self.routine_of(symbol, given, at)?.ok_or(problem)
    }

    /// An argument; arrays may stand as `ARRAY[...]` of texts.
    pub(super) fn given(&mut self, expr: &Expr) -> Outcome<Given> {
        match texts(expr) {
            Some(text) => Ok(Given::Texts(text)),
            None => self.operand(expr).map(Given::Operand),
        }
    }

    /// A call with arguments that were read.
    pub(super) fn routine_of(&self, name: &str, given: Vec<Given>, at: Location) -> Outcome<Option<Expression>> {
        let candidates: Vec<BuiltinRef> =
            overloads(name).filter(|candidate| is_applicable(candidate, &given)).collect();
        if candidates.is_empty() {
            return Ok(None);
        }
        match chosen(candidates, &given) {
            Some(builtin) => self.called(builtin, given, at).map(Some),
            None => {
                let types: Vec<String> = given.iter().map(Given::type_name).collect();
                let message = format!("function {name}({}) is not unique", types.join(", "));
                Err(Problem::invalid(at, message).instead("add casts to the arguments: (...)::type"))
            }
        }
    }

    fn called(&self, found: BuiltinRef, given: Vec<Given>, at: Location) -> Outcome<Expression> {
        let builtin = found.builtin();
        if builtin.is_refused() {
            return Err(Problem::refused(
                at,
                builtin.signature,
                "it is not available on the embedded engine, which would not give every digit as PostgreSQL does",
                "instead, cast the arguments to double precision, or compute it in the program that calls the API",
            ));
        }
        if builtin.uses_zone && matches!(self.context, Context::Generated | Context::Index) {
            let message = format!("functions in {} must be marked IMMUTABLE", self.context.name());
            return Err(Problem::invalid(at, message).instead(
                "its outcome depends on the time zone; use AT TIME ZONE 'utc' inside, or another expression",
            ));
        }
        let mut arguments = Vec::new();
        for (index, given) in given.into_iter().enumerate() {
            arguments.push(match (given, builtin.parameter(index)) {
                (Given::Operand(operand), Some(Parameter::Typed(data_type))) => {
                    operator::bare(operator::widened(operand, data_type, at)?)
                }
                (Given::Texts(text), _) => operator::literal(&text, &Type::Text, at)?,
                (Given::Operand(operand), Some(Parameter::Texts)) => checked_array(operand, at)?,
                (Given::Operand(operand), _) => operator::bare(operand.or_text()),
            });
        }
        if let Some(why) = never_supported(builtin, &arguments) {
            return Err(Problem::refused(
                at,
                builtin.signature,
                why,
                "instead, write another pattern, or compute it in the program that calls the API",
            ));
        }
        let data_type = builtin.result.clone();
        Ok(Expression::Call { function: Function::Builtin(found), arguments, data_type })
    }
}

/// Why a call with these literals cannot be supported, whatever its first argument is: a pattern or template that is
/// refused for every row is refused when the schema is read.
fn never_supported(builtin: &Builtin, arguments: &[Expression]) -> Option<String> {
    let sample = match builtin.parameters.first()? {
        Parameter::Typed(Type::Text) => DatumRef::Text(""),
        Parameter::Typed(Type::Timestamp | Type::TimestampTz) => DatumRef::Integer(0),
        _ => return None,
    };
    let literals = arguments.iter().skip(1).map(|argument| match argument {
        Expression::Value { value, .. } => Some(value.as_ref()),
        _ => None,
    });
    let values: Vec<DatumRef<'_>> = std::iter::once(Some(sample)).chain(literals).collect::<Option<_>>()?;
    let types: Vec<Type> = arguments.iter().map(Expression::data_type).collect();
    let outcome = builtin.call(&Arguments { values: &values, types: &types, zone: &Zone::Utc });
    outcome.err().filter(|error| error.sqlstate == "0A000").map(|error| error.message)
}

/// The text of an array that stands as a literal.
fn checked_array(operand: Operand, at: Location) -> Outcome<Expression> {
    let expression = operand.or_text();
    if let Expression::Value { value: datatype::Datum::Text(text), .. } = &expression {
        datatype::array::parse_literal(text).map_err(|error| Problem::invalid(at, error.message))?;
    }
    Ok(expression)
}

/// `ARRAY['a', 'b']` as the text of the array.
fn texts(expr: &Expr) -> Option<String> {
    let Expr::Array(Array { elem, named: true }) = expr else { return None };
    let items = elem.iter().map(|item| match item {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))),
            Value::Null => Some("NULL".to_owned()),
            _ => None,
        },
        _ => None,
    });
    Some(format!("{{{}}}", items.collect::<Option<Vec<_>>>()?.join(",")))
}

/// The kinds that PostgreSQL sorts types into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    Text,
    Number,
    Moment,
    Span,
    Boolean,
    Other,
}

fn category(data_type: &Type) -> Category {
    match data_type {
        data_type if data_type.is_text() => Category::Text,
        data_type if data_type.is_number() => Category::Number,
        Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz => Category::Moment,
        Type::Interval => Category::Span,
        Type::Boolean => Category::Boolean,
        _ => Category::Other,
    }
}

fn is_preferred(data_type: &Type) -> bool {
    matches!(data_type, Type::Text | Type::Double | Type::TimestampTz | Type::Interval | Type::Boolean)
}

fn is_exact(parameter: Option<&Parameter>, data_type: &Type) -> bool {
    matches!(parameter, Some(Parameter::Typed(wanted)) if wanted == data_type)
}

/// Whether every argument is of its parameter's type or becomes it by an implicit cast.
fn is_applicable(candidate: &BuiltinRef, given: &[Given]) -> bool {
    let builtin = candidate.builtin();
    builtin.takes(given.len())
        && given.iter().enumerate().all(|(index, argument)| match (argument, builtin.parameter(index)) {
            (_, None) => false,
            (Given::Texts(_), Some(parameter)) => *parameter == Parameter::Texts,
            (Given::Operand(Operand::Unknown(Some(text))), Some(Parameter::Texts)) => {
                text.trim_start().starts_with(['{', '['])
            }
            (Given::Operand(Operand::Known(_)), Some(Parameter::Texts)) => false,
            (Given::Operand(_), Some(Parameter::Texts)) => true,
            // Of one argument of any type PostgreSQL wants to know the type.
            (given, Some(Parameter::Any)) => builtin.is_variadic || !given.is_open(),
            (Given::Operand(operand), Some(Parameter::Typed(wanted))) => match operand.data_type() {
                None => true,
                Some(from) => operator::is_implicit(&from.without_modifier(), wanted),
            },
        })
}

/// The one that fits best.
fn chosen(candidates: Vec<BuiltinRef>, given: &[Given]) -> Option<BuiltinRef> {
    let types: Vec<Option<Type>> = given.iter().map(Given::data_type).collect();
    let count = |candidate: &BuiltinRef, test: &dyn Fn(Option<&Parameter>, &Type) -> bool| {
        types
            .iter()
            .enumerate()
            .filter_map(|(index, data_type)| Some((index, data_type.as_ref()?)))
            .filter(|(index, data_type)| test(candidate.builtin().parameter(*index), data_type))
            .count()
    };
    let text_as_text = |parameter: Option<&Parameter>, data_type: &Type| {
        is_exact(parameter, data_type) || (data_type.is_text() && is_exact(parameter, &Type::Text))
    };
    let mut left = best(candidates, |candidate| count(candidate, &text_as_text));
    left = best(left, |candidate| {
        count(candidate, &|parameter, data_type| {
            text_as_text(parameter, data_type)
                || matches!(parameter, Some(Parameter::Typed(wanted))
                    if category(wanted) == category(data_type) && is_preferred(wanted))
        })
    });
    for (index, _) in given.iter().enumerate().filter(|(_, given)| given.is_open()) {
        left = for_open(left, index);
    }
    // What is open may be of the one type that all others have.
    let mut known = types.iter().flatten();
    if left.len() > 1
        && let Some(first) = known.next()
        && known.all(|other| other == first)
    {
        let same: Vec<BuiltinRef> = left
            .iter()
            .copied()
            .filter(|candidate| (0..given.len()).all(|index| is_exact(candidate.builtin().parameter(index), first)))
            .collect();
        if same.len() == 1 {
            left = same;
        }
    }
    match left.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

fn best(candidates: Vec<BuiltinRef>, score: impl Fn(&BuiltinRef) -> usize) -> Vec<BuiltinRef> {
    let highest = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.into_iter().filter(|candidate| score(candidate) == highest).collect()
}

/// An open literal is text where a candidate takes text; else it decides only if all candidates are of one kind.
fn for_open(candidates: Vec<BuiltinRef>, index: usize) -> Vec<BuiltinRef> {
    let parameter = |candidate: &BuiltinRef| match candidate.builtin().parameter(index) {
        Some(Parameter::Typed(data_type)) => Some(data_type.clone()),
        _ => None,
    };
    let kinds: Vec<Category> = candidates.iter().filter_map(parameter).map(|data_type| category(&data_type)).collect();
    let kind = if kinds.contains(&Category::Text) {
        Category::Text
    } else {
        match kinds.first() {
            Some(first) if kinds.iter().all(|kind| kind == first) => *first,
            _ => return candidates,
        }
    };
    let of_kind: Vec<BuiltinRef> = candidates
        .iter()
        .copied()
        .filter(|candidate| parameter(candidate).is_some_and(|data_type| category(&data_type) == kind))
        .collect();
    let preferred: Vec<BuiltinRef> = of_kind
        .iter()
        .copied()
        .filter(|candidate| parameter(candidate).is_some_and(|data_type| is_preferred(&data_type)))
        .collect();
    match (of_kind.is_empty(), preferred.is_empty()) {
        (true, _) => candidates,
        (false, true) => of_kind,
        (false, false) => preferred,
    }
}
