//! Function calls.

use catalog::{Binary, Expression, Function};
use datatype::{Datum, Type};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, Value,
};
use sqlparser::tokenizer::Location;

use super::builtin::Given;
use super::collect::collection;
use super::expression::Analyzer;
use super::names;
use super::operator::{self, Operand};
use super::problem::{NOWHERE, Outcome, Problem};

/// The setting in which PostgREST leaves the claims of the token.
const CLAIMS: &str = "request.jwt.claims";

impl Analyzer<'_> {
    /// A call as it was parsed.
    pub(super) fn function(&mut self, call: &Call) -> Outcome<Operand> {
        let at = call.name.span().start;
        let parts = names::parts(&call.name)?;
        let (schema, name) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(undefined(&call.name.to_string(), at)),
        };
        if call.over.is_some() {
            return Err(Problem::refused(
                at,
                format!("{name}() OVER"),
                "window functions are not available on the embedded engine yet",
                "instead, sort and number the rows in the program that calls the API",
            ));
        }
        if name == "make_interval" && schema.is_none() {
            return self.make_interval(call, at);
        }
        if let Some(collection) = collection(schema, name) {
            return self.collect(call, collection, name, at);
        }
        let (arguments, is_distinct) = arguments(call, at)?;
        if let Some(function) = aggregate(schema, name) {
            return self.aggregate(call, function, name, arguments, is_distinct, at);
        }
        if is_distinct || call.filter.is_some() || !call.within_group.is_empty() {
            return Err(Problem::invalid(at, format!("{name} is not an aggregate function")));
        }
        let Some(arguments) = arguments else {
            return Err(Problem::invalid(at, format!("{name}(*) specified, but {name} is not an aggregate function")));
        };
        self.named_function(schema, name, &arguments, at)
    }

    /// A call of a function that is no aggregate.
    pub(super) fn named_function(
        &mut self,
        schema: Option<&str>,
        name: &str,
        arguments: &[&Expr],
        at: Location,
    ) -> Outcome<Operand> {
        let known = match schema {
            Some("auth") => self.auth_function(name, arguments, at)?,
            None | Some("pg_catalog" | "public" | "extensions") => self.plain_function(name, arguments, at)?,
            Some(_) => None,
        };
        let known = match known {
            Some(known) => Some(known),
            None => self.routine_call(schema, name, arguments, at)?,
        };
        known.map(Operand::Known).ok_or_else(|| {
            let name = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
            undefined(&name, at)
        })
    }

    fn auth_function(&mut self, name: &str, arguments: &[&Expr], at: Location) -> Outcome<Option<Expression>> {
        let (function, data_type) = match (name, arguments) {
            ("uid", []) => (Function::AuthUid, Type::Uuid),
            ("role", []) => (Function::AuthRole, Type::Text),
            ("jwt", []) => (Function::AuthJwt, Type::Jsonb),
            ("email", []) => {
                self.check_immutable("auth.email", at)?;
                return Ok(Some(claim("email")));
            }
            ("claim", [argument]) => {
                self.check_immutable("auth.claim", at)?;
                let argument = self.text_argument("auth.claim", argument)?;
                return Ok(Some(call(Function::AuthClaim, vec![argument], Type::Text)));
            }
            _ => return Ok(None),
        };
        self.check_immutable(&format!("auth.{name}"), at)?;
        Ok(Some(call(function, Vec::new(), data_type)))
    }

    fn plain_function(&mut self, name: &str, arguments: &[&Expr], at: Location) -> Outcome<Option<Expression>> {
        if let Some((function, data_type)) = without_arguments(name, arguments) {
            self.check_immutable(name, at)?;
            return Ok(Some(match name {
                "localtimestamp" => {
                    Expression::Cast { operand: Box::new(call(function, Vec::new(), Type::TimestampTz)), data_type }
                }
                _ => call(function, Vec::new(), data_type),
            }));
        }
        Ok(Some(match (name, arguments) {
            ("coalesce", [_, ..]) => self.same_typed(Function::Coalesce, "COALESCE", arguments, at)?,
            ("greatest", [_, ..]) => self.same_typed(Function::Greatest, "GREATEST", arguments, at)?,
            ("least", [_, ..]) => self.same_typed(Function::Least, "LEAST", arguments, at)?,
            ("nullif", [left, right]) => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                let (left, right) = operator::compared(left, "=", right, at)?;
                let data_type = left.data_type();
                call(Function::NullIf, vec![left, right], data_type)
            }
            ("length", [argument]) if self.operand(argument)?.data_type() == Some(Type::Bytea) => {
                return self.builtin(name, arguments, at);
            }
            ("lower", [argument]) => self.text_function(Function::Lower, name, argument, Type::Text)?,
            ("upper", [argument]) => self.text_function(Function::Upper, name, argument, Type::Text)?,
            ("trim" | "btrim", [argument]) => self.text_function(Function::Trim, name, argument, Type::Text)?,
            ("length" | "char_length" | "character_length", [argument]) => {
                self.text_function(Function::Length, name, argument, Type::Integer)?
            }
            ("abs", [argument]) => {
                let argument = self.number_argument(name, argument)?;
                let data_type = argument.data_type();
                call(Function::Abs, vec![argument], data_type)
            }
            ("round", [argument, digits]) => {
                let argument = self.number_argument(name, argument)?;
                if argument.data_type().is_float() {
                    let message = format!("function round({}, integer) does not exist", argument.data_type().name());
                    return Err(
                        Problem::invalid(at, message).instead("cast the number to numeric: round(x::numeric, 2)")
                    );
                }
                let argument = operator::widened(Operand::Known(argument), &Type::Numeric(None), at)?;
                let digits = self.operand(digits)?;
                let digits = operator::assigned(digits, &Type::Integer, "round", at)?;
                call(Function::Round, vec![argument, digits], Type::Numeric(None))
            }
            ("round", [argument]) => self.whole_number(Function::Round, name, argument)?,
            ("floor", [argument]) => self.whole_number(Function::Floor, name, argument)?,
            ("ceil" | "ceiling", [argument]) => self.whole_number(Function::Ceil, name, argument)?,
            ("mod", [left, right]) => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                operator::computed(left, Binary::Modulo, "%", right, at)?
            }
            ("timezone", [zone, timestamp]) => self.at_time_zone(timestamp, zone)?.or_text(),
            ("age", [timestamp]) => self.age(timestamp, at)?,
            ("current_setting", [setting] | [setting, _]) => {
                return self.current_setting(setting, at);
            }
            _ => return self.builtin(name, arguments, at),
        }))
    }

    /// `age(x)`: from midnight of today.
    fn age(&mut self, timestamp: &Expr, at: Location) -> Outcome<Expression> {
        self.check_immutable("age", at)?;
        let operand = self.operand(timestamp)?;
        let data_type = match operand.data_type() {
            Some(Type::Timestamp) => Type::Timestamp,
            _ => Type::TimestampTz,
        };
        let today = Box::new(call(Function::CurrentDate, Vec::new(), Type::Date));
        let today = Operand::Known(Expression::Cast { operand: today, data_type });
        let found = self.routine_of("age", vec![Given::Operand(today), Given::Operand(operand)], at)?;
        found.ok_or_else(|| undefined("age", at))
    }

    /// `coalesce` and its like: arguments and outcome of one type.
    fn same_typed(&mut self, function: Function, name: &str, arguments: &[&Expr], at: Location) -> Outcome<Expression> {
        let operands = arguments.iter().map(|argument| self.operand(argument)).collect::<Outcome<Vec<_>>>()?;
        let data_type = operator::common_type(&operands, name, at)?.without_modifier();
        let arguments = operands
            .into_iter()
            .zip(arguments)
            .map(|(operand, expr)| operator::widened(operand, &data_type, *expr).map(operator::bare))
            .collect::<Outcome<Vec<_>>>()?;
        Ok(call(function, arguments, data_type))
    }

    fn text_argument(&mut self, name: &str, argument: &Expr) -> Outcome<Expression> {
        let operand = self.operand(argument)?;
        operator::text(operand).map_err(|operand| {
            Problem::invalid(argument, format!("function {name}({}) does not exist", operand.type_name()))
                .instead("cast the argument to text: (...)::text")
        })
    }

    fn text_function(
        &mut self,
        function: Function,
        name: &str,
        argument: &Expr,
        data_type: Type,
    ) -> Outcome<Expression> {
        let argument = self.text_argument(name, argument)?;
        Ok(call(function, vec![argument], data_type))
    }

    fn number_argument(&mut self, name: &str, argument: &Expr) -> Outcome<Expression> {
        match self.operand(argument)? {
            Operand::Unknown(text) => operator::widened(Operand::Unknown(text), &Type::Double, argument),
            Operand::Known(expression) if expression.data_type().is_number() => Ok(operator::bare(expression)),
            operand => {
                Err(Problem::invalid(argument, format!("function {name}({}) does not exist", operand.type_name())))
            }
        }
    }

    /// `round(x)`, `floor(x)`, `ceil(x)`: numeric stays, every other number goes through double precision.
    fn whole_number(&mut self, function: Function, name: &str, argument: &Expr) -> Outcome<Expression> {
        let argument = self.number_argument(name, argument)?;
        let data_type = match argument.data_type() {
            Type::Numeric(_) => Type::Numeric(None),
            _ => Type::Double,
        };
        let argument = operator::widened(Operand::Known(argument), &data_type, NOWHERE)?;
        Ok(call(function, vec![argument], data_type))
    }

    /// `make_interval(days => 7)`: what is not named is 0.
    fn make_interval(&mut self, parsed: &Call, at: Location) -> Outcome<Operand> {
        const NAMES: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
        let FunctionArguments::List(list) = &parsed.args else { return Err(undefined("make_interval", at)) };
        let zero = operator::number("0", at)?;
        let mut given = vec![Given::Operand(Operand::Known(zero)); NAMES.len()];
        for (index, argument) in list.args.iter().enumerate() {
            let (place, expr) = match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(index), expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. }
                | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                    let name = names::identifier(name);
                    (NAMES.iter().position(|known| *known == name), expr)
                }
                _ => return Err(undefined("make_interval", at)),
            };
            let value = Given::Operand(self.operand(expr)?);
            let slot = place.and_then(|place| given.get_mut(place)).ok_or_else(|| undefined("make_interval", at))?;
            *slot = value;
        }
        self.routine_of("make_interval", given, at)?.map(Operand::Known).ok_or_else(|| undefined("make_interval", at))
    }

    /// The claims that PostgREST leaves in a setting, as one value or one by one.
    fn current_setting(&mut self, setting: &Expr, at: Location) -> Outcome<Option<Expression>> {
        let Operand::Unknown(Some(setting)) = self.operand(setting)? else {
            return Err(Problem::refused(
                at,
                "current_setting(...)",
                "only the claims of the token can be asked for, by a literal name",
                "instead, use auth.uid(), auth.role(), auth.jwt() or auth.claim('name')",
            ));
        };
        self.check_immutable("current_setting", at)?;
        if setting == CLAIMS {
            let claims = call(Function::AuthJwt, Vec::new(), Type::Jsonb);
            return Ok(Some(Expression::Cast { operand: Box::new(claims), data_type: Type::Text }));
        }
        if let Some(name) = setting.strip_prefix("request.jwt.claim.") {
            return Ok(Some(claim(name)));
        }
        Err(Problem::refused(
            at,
            format!("current_setting('{setting}')"),
            "only the claims of the token can be asked for",
            "instead, use auth.uid(), auth.role(), auth.jwt() or auth.claim('name')",
        ))
    }

    /// `current_setting('request.jwt.claims', true)`, also inside `nullif(..., '')`: before a cast to JSON it means
    /// all claims.
    pub(super) fn claims(&self, expr: &Expr) -> Option<Expression> {
        match expr {
            Expr::Nested(inner) => self.claims(inner),
            Expr::Function(function) => {
                let parts = names::parts(&function.name).ok()?;
                let (arguments, _) = arguments(function, function.name.span().start).ok()?;
                let first = arguments?.first().copied()?;
                match parts.last()?.as_str() {
                    "nullif" => self.claims(first),
                    "current_setting" => match first {
                        Expr::Value(value) => match &value.value {
                            Value::SingleQuotedString(text) if text == CLAIMS => {
                                Some(call(Function::AuthJwt, Vec::new(), Type::Jsonb))
                            }
                            _ => None,
                        },
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn aggregate(
        &mut self,
        parsed: &Call,
        function: Function,
        name: &str,
        arguments: Option<Vec<&Expr>>,
        is_distinct: bool,
        at: Location,
    ) -> Outcome<Operand> {
        if let Some(clause) = self.no_aggregates {
            return Err(Problem::invalid(at, format!("aggregate functions are not allowed in {clause}")));
        }
        if !parsed.within_group.is_empty() {
            return Err(undefined(name, at));
        }
        let outer = self.no_aggregates.replace("an aggregate function");
        let outcome = self.aggregate_of(parsed, function, name, arguments, is_distinct, at);
        self.no_aggregates = outer;
        outcome
    }

    fn aggregate_of(
        &mut self,
        parsed: &Call,
        function: Function,
        name: &str,
        arguments: Option<Vec<&Expr>>,
        is_distinct: bool,
        at: Location,
    ) -> Outcome<Operand> {
        let filter = parsed.filter.as_deref().map(|filter| self.boolean(filter, "FILTER")).transpose()?;
        let Some(arguments) = arguments else {
            let Function::Count { .. } = function else {
                return Err(undefined(&format!("{name}(*)"), at));
            };
            // count(*) FILTER (WHERE x) counts the rows for which a CASE gives something.
            let arguments = filter.map(|filter| only_where(Some(filter), Expression::constant(true)));
            return Ok(Operand::Known(call(function, arguments.into_iter().collect(), Type::BigInteger)));
        };
        let [argument] = arguments.as_slice() else {
            return Err(undefined(name, at));
        };
        let operand = self.expression(argument)?;
        let from = operand.data_type().without_modifier();
        let Some(data_type) = aggregate_type(&function, &from) else {
            return Err(Problem::invalid(at, format!("function {name}({}) does not exist", from.name())));
        };
        let function = match function {
            Function::Count { .. } => Function::Count { is_distinct },
            Function::Sum | Function::Avg if is_distinct => {
                return Err(Problem::refused(
                    at,
                    format!("{name}(DISTINCT ...)"),
                    "it is not available on the embedded engine",
                    "instead, aggregate over a subquery with SELECT DISTINCT",
                ));
            }
            // The others give the same with and without DISTINCT.
            other => other,
        };
        let argument = only_where(filter, operator::bare(operand));
        Ok(Operand::Known(call(function, vec![argument], data_type)))
    }
}

pub(super) fn call(function: Function, arguments: Vec<Expression>, data_type: Type) -> Expression {
    Expression::Call { function, arguments, data_type }
}

fn claim(name: &str) -> Expression {
    call(Function::AuthClaim, vec![Expression::value(Datum::Text(name.to_owned()), Type::Text)], Type::Text)
}

/// The value where the filter holds, else NULL, which aggregates skip.
fn only_where(filter: Option<Expression>, value: Expression) -> Expression {
    let Some(filter) = filter else { return value };
    let data_type = value.data_type();
    Expression::Case { branches: vec![(filter, value)], otherwise: None, data_type }
}

/// The arguments of a call, `None` for `*`, and whether `DISTINCT` stands before them.
fn arguments(parsed: &Call, at: Location) -> Outcome<(Option<Vec<&Expr>>, bool)> {
    let list = match &parsed.args {
        FunctionArguments::None => return Ok((Some(Vec::new()), false)),
        FunctionArguments::Subquery(_) => {
            return Err(Problem::invalid(at, "a subquery needs its own parentheses"));
        }
        FunctionArguments::List(list) => list,
    };
    if !list.clauses.is_empty() {
        return Err(Problem::refused(
            at,
            format!("clauses inside {}()", parsed.name),
            "they are not available on the embedded engine",
            "instead, sort in the request",
        ));
    }
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let mut arguments = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => {
                return Ok((None, is_distinct));
            }
            _ => {
                return Err(Problem::invalid(at, "arguments with names are not available"));
            }
        }
    }
    Ok((Some(arguments), is_distinct))
}

/// Functions whose outcome depends on the moment or the caller.
fn without_arguments(name: &str, arguments: &[&Expr]) -> Option<(Function, Type)> {
    if !arguments.is_empty() {
        return None;
    }
    Some(match name {
        "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" => {
            (Function::Now, Type::TimestampTz)
        }
        "localtimestamp" => (Function::Now, Type::Timestamp),
        "current_date" => (Function::CurrentDate, Type::Date),
        "gen_random_uuid" | "uuid_generate_v4" => (Function::GenRandomUuid, Type::Uuid),
        "current_user" | "current_role" | "user" => (Function::CurrentUser, Type::Text),
        _ => return None,
    })
}

fn aggregate(schema: Option<&str>, name: &str) -> Option<Function> {
    if schema.is_some_and(|schema| schema != "pg_catalog") {
        return None;
    }
    Some(match name {
        "count" => Function::Count { is_distinct: false },
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        "bool_and" | "every" => Function::BoolAnd,
        "bool_or" => Function::BoolOr,
        _ => return None,
    })
}

/// What an aggregate over `from` gives.
fn aggregate_type(function: &Function, from: &Type) -> Option<Type> {
    match function {
        Function::Count { .. } => Some(Type::BigInteger),
        Function::Sum => match from {
            Type::SmallInteger | Type::Integer => Some(Type::BigInteger),
            Type::BigInteger | Type::Numeric(_) => Some(Type::Numeric(None)),
            Type::Real | Type::Double | Type::Interval => Some(from.clone()),
            _ => None,
        },
        Function::Avg => match from {
            Type::Real | Type::Double => Some(Type::Double),
            Type::Interval => Some(Type::Interval),
            from if from.is_number() => Some(Type::Numeric(None)),
            _ => None,
        },
        Function::Min | Function::Max => match from {
            Type::Boolean | Type::Json | Type::Jsonb | Type::Uuid => None,
            Type::Varchar(_) => Some(Type::Text),
            other => Some(other.clone()),
        },
        Function::BoolAnd | Function::BoolOr => (*from == Type::Boolean).then_some(Type::Boolean),
        _ => None,
    }
}

pub(super) fn undefined(name: &str, at: Location) -> Problem {
    Problem::refused(
        at,
        format!("{name}()"),
        "there is no such function with these arguments on the embedded engine",
        "docs/reference/expressions.md lists the functions; compute anything else in the program that calls the API",
    )
}
