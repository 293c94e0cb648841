//! Expressions: from the syntax tree to [`Expression`], with PostgreSQL's rules for names and types.

use catalog::{Binary, Expression, Function, Snapshot};
use datatype::{Datum, Type};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, Expr, Interval, Spanned, Subscript,
    TrimWhereField, TypedString, UnaryOperator, Value,
};
use sqlparser::tokenizer::Location;

use super::builtin::Given;
use super::names;
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::scope::{self, Level};
use super::select::Cte;
use super::types;

/// How deep expressions and queries may be nested.
const DEEPEST: usize = 100;

/// Where an expression stands, which decides what it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// `DEFAULT`.
    Default,
    /// `CHECK`.
    Check,
    /// `GENERATED ALWAYS AS`.
    Generated,
    /// The terms and the predicate of an index.
    Index,
    /// `USING` and `WITH CHECK` of a policy.
    Policy,
    /// The body of a view.
    View,
    /// A statement that changes rows.
    Statement,
    /// The body of a function, or a default of its arguments.
    Routine,
}

impl Context {
    /// Its name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "a DEFAULT expression",
            Self::Check => "a check constraint",
            Self::Generated => "a column generation expression",
            Self::Index => "an index expression",
            Self::Policy => "a policy expression",
            Self::View => "a view",
            Self::Statement => "this statement",
            Self::Routine => "the body of a function",
        }
    }

    /// Whether the same row must always give the same outcome.
    fn needs_immutable(self) -> bool {
        matches!(self, Self::Check | Self::Generated | Self::Index)
    }

    /// Whether a subquery may stand in it.
    pub(super) fn allows_queries(self) -> bool {
        matches!(self, Self::Policy | Self::View | Self::Statement | Self::Routine)
    }
}

/// Reads the expressions of one statement.
pub(super) struct Analyzer<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) context: Context,
    /// The columns that may be named, outermost first.
    pub(super) levels: Vec<Level>,
    /// The clause in which aggregate functions may not stand now; `None` where they may.
    pub(super) no_aggregates: Option<&'static str>,
    /// The next free [`catalog::SourceId`].
    pub(super) next_source: u32,
    /// The `WITH` queries that may be named, outermost first.
    pub(super) ctes: Vec<Cte>,
    depth: usize,
}

impl<'a> Analyzer<'a> {
    /// For expressions about one row, or about none.
    pub(super) fn new(snapshot: &'a Snapshot, context: Context, row: Option<Level>) -> Self {
        Self {
            snapshot,
            context,
            levels: row.into_iter().collect(),
            no_aggregates: Some(context.name()),
            next_source: 1,
            ctes: Vec::new(),
            depth: 0,
        }
    }

    /// An expression of type boolean; `clause` is named in messages.
    pub(super) fn boolean(&mut self, expr: &Expr, clause: &'static str) -> Outcome<Expression> {
        let operand = self.operand(expr)?;
        operator::boolean(operand, clause, expr)
    }

    /// An expression for a column of a type.
    pub(super) fn assigned(&mut self, expr: &Expr, data_type: &Type, column: &str) -> Outcome<Expression> {
        let operand = self.operand(expr)?;
        operator::assigned(operand, data_type, column, expr)
    }

    /// An expression of any type.
    pub(super) fn expression(&mut self, expr: &Expr) -> Outcome<Expression> {
        self.operand(expr).map(Operand::or_text)
    }

    /// Does `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, at: &impl Spanned, inner: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= DEEPEST {
            return Err(Problem::refused(
                at,
                "an expression of extreme depth",
                format!("it is nested more than {DEEPEST} levels deep"),
                "instead, split it, for example into a GENERATED column or a view of its own",
            ));
        }
        self.depth += 1;
        let outcome = inner(self);
        self.depth -= 1;
        outcome
    }

    /// Reads an expression whose type may stay open.
    pub(super) fn operand(&mut self, expr: &Expr) -> Outcome<Operand> {
        self.nested(expr, |this| this.dispatch(expr))
    }

    fn dispatch(&mut self, expr: &Expr) -> Outcome<Operand> {
        match expr {
            Expr::Nested(inner) => self.operand(inner),
            Expr::Value(value) => match &value.value {
                Value::Placeholder(text) => self.placeholder(text, value.span.start),
                literal => self.value(literal, value.span.start),
            },
            Expr::TypedString(typed) => self.typed_string(typed),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.column(expr),
            Expr::Function(function) => self.function(function),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, format: None } => {
                self.cast(inner, data_type)
            }
            Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right),
            Expr::UnaryOp { op, expr: inner } => self.unary(expr, *op, inner),
            Expr::IsNull(inner) => self.is_null(inner, false),
            Expr::IsNotNull(inner) => self.is_null(inner, true),
            Expr::IsTrue(inner) => self.is_boolean(inner, true, false),
            Expr::IsNotTrue(inner) => self.is_boolean(inner, true, true),
            Expr::IsFalse(inner) => self.is_boolean(inner, false, false),
            Expr::IsNotFalse(inner) => self.is_boolean(inner, false, true),
            Expr::IsUnknown(inner) => self.is_unknown(inner, false),
            Expr::IsNotUnknown(inner) => self.is_unknown(inner, true),
            Expr::IsDistinctFrom(left, right) => self.distinct(expr, left, right, false),
            Expr::IsNotDistinctFrom(left, right) => self.distinct(expr, left, right, true),
            Expr::InList { expr: inner, list, negated } => self.in_list(inner, list.iter(), *negated),
            Expr::InSubquery { expr: inner, subquery, negated } => self.in_query(inner, subquery, *negated),
            Expr::Between { expr: inner, negated, low, high } => self.between(inner, low, high, *negated),
            Expr::Like { negated, any: false, expr: text, pattern, escape_char } => {
                self.pattern(Binary::Like, "~~", text, pattern, escape_char.as_deref(), *negated)
            }
            Expr::ILike { negated, any: false, expr: text, pattern, escape_char } => {
                self.pattern(Binary::ILike, "~~*", text, pattern, escape_char.as_deref(), *negated)
            }
            Expr::SimilarTo { negated, expr: text, pattern, escape_char } => {
                self.similar(text, pattern, escape_char.as_deref(), *negated)
            }
            Expr::CompoundFieldAccess { root, access_chain } => self.subscripts(expr, root, access_chain),
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => self.any(left, right, false),
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => self.any(left, right, true),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(expr, operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Exists { subquery, negated } => self.exists(subquery, *negated),
            Expr::Subquery(query) => self.scalar(query),
            Expr::Ceil { expr: inner, .. } => self.named_function(None, "ceil", &[inner], expr.span().start),
            Expr::Floor { expr: inner, .. } => self.named_function(None, "floor", &[inner], expr.span().start),
            Expr::AtTimeZone { timestamp, time_zone } => self.at_time_zone(timestamp, time_zone),
            Expr::Collate { expr: inner, collation } => {
                check_collation(collation)?;
                self.operand(inner)
            }
            Expr::Tuple(_) => Err(self.unsupported(expr, "instead, compare the columns one by one")),
            Expr::Array(_) => Err(self.unsupported(expr, "instead, use IN (...), or a jsonb array")),
            other => self.keyword_syntax(other),
        }
    }

    /// The construct is not available.
    pub(super) fn unsupported(&self, expr: &Expr, instead: &str) -> Problem {
        let mut shown: String = expr.to_string().chars().take(60).collect();
        if shown.chars().count() == 60 {
            shown.push_str("...");
        }
        Problem::refused(expr, shown, "this expression is not available on the embedded engine", instead)
    }

    fn value(&self, value: &Value, at: Location) -> Outcome<Operand> {
        Ok(match value {
            Value::Number(text, _) => Operand::Known(operator::number(text, at)?),
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) | Value::UnicodeStringLiteral(text) => {
                Operand::Unknown(Some(text.clone()))
            }
            Value::DollarQuotedString(text) => Operand::Unknown(Some(text.value.clone())),
            Value::Boolean(value) => Operand::Known(Expression::constant(*value)),
            Value::Null => Operand::Unknown(None),
            _ => {
                let message = "this kind of literal is not available on the embedded engine";
                return Err(Problem::refused(at, value.to_string(), message, "instead, write 'text' or a number"));
            }
        })
    }

    fn typed_string(&self, typed: &TypedString) -> Outcome<Operand> {
        let at = typed.value.span.start;
        let data_type = types::resolve(self.snapshot, &typed.data_type, at)?;
        match self.value(&typed.value.value, at)? {
            Operand::Unknown(Some(text)) => operator::literal(&text, &data_type, at).map(Operand::Known),
            _ => Err(Problem::invalid(at, format!("a string must follow {}", data_type.name()))),
        }
    }

    fn column(&self, expr: &Expr) -> Outcome<Operand> {
        let idents = match expr {
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(idents) => idents.as_slice(),
            _ => &[],
        };
        if self.context == Context::Default {
            return Err(Problem::invalid(expr, "cannot use column reference in DEFAULT expression").instead(
                "write text in single quotes; for a value of other columns, use GENERATED ALWAYS AS (...) STORED",
            ));
        }
        let parts: Vec<String> = idents.iter().map(names::identifier).collect();
        let found = match parts.as_slice() {
            [name] => scope::find(&self.levels, name, expr)?,
            [alias, name] => scope::find_in(&self.levels, None, alias, name, expr)?,
            [schema, alias, name] => scope::find_in(&self.levels, Some(schema), alias, name, expr)?,
            _ => return Err(self.unsupported(expr, "")),
        };
        Ok(Operand::Known(found.expression()))
    }

    fn cast(&mut self, inner: &Expr, data_type: &DataType) -> Outcome<Operand> {
        let to = types::resolve(self.snapshot, data_type, inner.span().start)?;
        if to.is_json()
            && let Some(claims) = self.claims(inner)
        {
            return Ok(Operand::Known(claims));
        }
        let expression = match self.operand(inner)? {
            Operand::Unknown(None) => Expression::value(Datum::Null, to),
            Operand::Unknown(Some(text)) => operator::literal(&text, &to, inner)?,
            Operand::Known(expression) => self.cast_known(expression, to, inner)?,
        };
        Ok(Operand::Known(expression))
    }

    fn cast_known(&self, expression: Expression, to: Type, inner: &Expr) -> Outcome<Expression> {
        let from = expression.data_type();
        if from == to {
            return Ok(expression);
        }
        if !datatype::can_cast(&from, &to) {
            let message = format!("cannot cast type {} to {}", from.name(), to.name());
            return Err(Problem::invalid(inner, message));
        }
        // A number literal becomes one of the other type, unless its limits make it a matter of rounding.
        if let Expression::Value { value: Datum::Integer(value), .. } = &expression
            && from.is_integer()
            && to.is_number()
        {
            return operator::literal(&value.to_string(), &to, inner);
        }
        Ok(Expression::Cast { operand: Box::new(expression), data_type: to })
    }

    fn binary(&mut self, expr: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) -> Outcome<Operand> {
        let (operator, symbol, negated) = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.logic(expr, op),
            BinaryOperator::Arrow | BinaryOperator::HashArrow => {
                return self.json_get(expr, left, op, right, false);
            }
            BinaryOperator::LongArrow | BinaryOperator::HashLongArrow => {
                return self.json_get(expr, left, op, right, true);
            }
            BinaryOperator::PGExp
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr
            | BinaryOperator::PGBitwiseXor
            | BinaryOperator::AtArrow
            | BinaryOperator::ArrowAt
            | BinaryOperator::Question
            | BinaryOperator::QuestionAnd
            | BinaryOperator::QuestionPipe
            | BinaryOperator::HashMinus
            | BinaryOperator::PGStartsWith => return self.symbol(expr, left, op, right),
            BinaryOperator::Eq => (Binary::Equal, "=", false),
            BinaryOperator::NotEq => (Binary::NotEqual, "<>", false),
            BinaryOperator::Lt => (Binary::Less, "<", false),
            BinaryOperator::LtEq => (Binary::LessOrEqual, "<=", false),
            BinaryOperator::Gt => (Binary::Greater, ">", false),
            BinaryOperator::GtEq => (Binary::GreaterOrEqual, ">=", false),
            BinaryOperator::Plus => (Binary::Add, "+", false),
            BinaryOperator::Minus => (Binary::Subtract, "-", false),
            BinaryOperator::Multiply => (Binary::Multiply, "*", false),
            BinaryOperator::Divide => (Binary::Divide, "/", false),
            BinaryOperator::Modulo => (Binary::Modulo, "%", false),
            BinaryOperator::StringConcat => (Binary::Concatenate, "||", false),
            BinaryOperator::PGLikeMatch => (Binary::Like, "~~", false),
            BinaryOperator::PGNotLikeMatch => (Binary::Like, "~~", true),
            BinaryOperator::PGILikeMatch => (Binary::ILike, "~~*", false),
            BinaryOperator::PGNotILikeMatch => (Binary::ILike, "~~*", true),
            BinaryOperator::PGRegexMatch => (Binary::Match, "~", false),
            BinaryOperator::PGRegexNotMatch => (Binary::Match, "~", true),
            BinaryOperator::PGRegexIMatch => (Binary::IMatch, "~*", false),
            BinaryOperator::PGRegexNotIMatch => (Binary::IMatch, "~*", true),
            other => {
                return Err(Problem::refused(
                    expr,
                    format!("the operator {other}"),
                    "it is not available on the embedded engine",
                    "instead, use comparisons, LIKE, regular expressions, -> and ->>",
                ));
            }
        };
        check_parentheses(left, op, right)?;
        match operator {
            Binary::Like | Binary::ILike | Binary::Match | Binary::IMatch => {
                self.pattern(operator, symbol, left, right, None, negated)
            }
            _ => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                self.apply(expr, left, operator, symbol, right).map(Operand::Known)
            }
        }
    }

    /// A comparison, arithmetic or concatenation of two operands.
    pub(super) fn apply(
        &self,
        at: &Expr,
        left: Operand,
        operator: Binary,
        symbol: &str,
        right: Operand,
    ) -> Outcome<Expression> {
        match operator {
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Modulo => {
                if operator::is_beyond_numbers(&left) || operator::is_beyond_numbers(&right) {
                    let (left, right) = (Given::Operand(left), Given::Operand(right));
                    return self.routine_operator(symbol, left, right, at.span().start);
                }
                operator::computed(left, operator, symbol, right, at)
            }
            Binary::Concatenate if is_joined_by_routine(&left, &right) => {
                self.routine_operator(symbol, Given::Operand(left), Given::Operand(right), at.span().start)
            }
            Binary::Concatenate => concatenated(left, right, at),
            _ => {
                let (left, right) = operator::compared(left, symbol, right, at)?;
                Ok(Expression::compare(operator, left, right))
            }
        }
    }

    /// `a AND b AND c`: as long as it is, without recursion.
    fn logic(&mut self, expr: &Expr, op: &BinaryOperator) -> Outcome<Operand> {
        let (name, is_and) = if *op == BinaryOperator::And { ("AND", true) } else { ("OR", false) };
        let mut parts = Vec::new();
        let mut current = expr;
        while let Expr::BinaryOp { left, op: found, right } = current
            && found == op
        {
            parts.push(&**right);
            current = left;
        }
        parts.push(current);
        let parts: Vec<Expression> =
            parts.into_iter().rev().map(|part| self.boolean(part, name)).collect::<Outcome<_>>()?;
        Ok(Operand::Known(if is_and { Expression::And(parts) } else { Expression::Or(parts) }))
    }

    fn unary(&mut self, expr: &Expr, op: UnaryOperator, inner: &Expr) -> Outcome<Operand> {
        match op {
            UnaryOperator::Not => Ok(Operand::Known(self.boolean(inner, "NOT")?.negated())),
            UnaryOperator::Plus => self.operand(inner),
            UnaryOperator::Minus if matches!(inner, Expr::BinaryOp { op: BinaryOperator::PGExp, .. }) => {
                Err(self.unsupported(expr, "instead, write parentheses: (-x) ^ y or -(x ^ y)"))
            }
            UnaryOperator::Minus => {
                if let Expr::Value(value) = inner
                    && let Value::Number(text, _) = &value.value
                {
                    return operator::number(&format!("-{text}"), inner).map(Operand::Known);
                }
                let operand = self.operand(inner)?;
                match operand {
                    Operand::Known(expression) if expression.data_type().is_number() => {
                        let expression = operator::bare(expression);
                        let data_type = expression.data_type();
                        Ok(Operand::Known(Expression::Call {
                            function: Function::Negate,
                            arguments: vec![expression],
                            data_type,
                        }))
                    }
                    Operand::Known(expression) if expression.data_type() == Type::Interval => {
                        self.keyword_call("-", vec![Operand::Known(expression)], expr)
                    }
                    operand => {
                        Err(Problem::invalid(inner, format!("operator does not exist: - {}", operand.type_name())))
                    }
                }
            }
            _ => Err(self.unsupported(expr, "")),
        }
    }

    /// The functions that have a syntax of their own.
    fn keyword_syntax(&mut self, expr: &Expr) -> Outcome<Operand> {
        match expr {
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    None | Some(TrimWhereField::Both) => "btrim",
                };
                let mut arguments: Vec<&Expr> = vec![inner];
                arguments.extend(trim_what.as_deref());
                arguments.extend(trim_characters.iter().flatten());
                self.named_function(None, name, &arguments, expr.span().start)
            }
            Expr::Interval(interval) => self.interval(expr, interval),
            Expr::Extract { field, expr: inner, .. } => {
                let field = Operand::Unknown(Some(unit_name(field)));
                let moment = self.operand(inner)?;
                self.keyword_call("extract", vec![field, moment], expr)
            }
            Expr::Position { expr: wanted, r#in: text } => {
                let given = vec![self.operand(text)?, self.operand(wanted)?];
                self.keyword_call("position", given, expr)
            }
            Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let one = Operand::Known(operator::number("1", expr)?);
                let mut given = vec![self.operand(text)?];
                given.push(match substring_from {
                    Some(from) => self.operand(from)?,
                    None => one,
                });
                if let Some(length) = substring_for {
                    given.push(self.operand(length)?);
                }
                self.keyword_call("substring", given, expr)
            }
            Expr::Overlay { expr: text, overlay_what, overlay_from, overlay_for } => {
                let mut given = Vec::new();
                for part in [Some(text), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()] {
                    given.extend(part.map(|part| self.operand(part)).transpose()?);
                }
                self.keyword_call("overlay", given, expr)
            }
            _ => Err(self.unsupported(expr, "")),
        }
    }

    /// An operator that is a builtin.
    fn symbol(&mut self, expr: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) -> Outcome<Operand> {
        let (left, right) = (Given::Operand(self.operand(left)?), self.given(right)?);
        self.routine_operator(&op.to_string(), left, right, expr.span().start).map(Operand::Known)
    }

    /// A call that has a syntax of its own.
    fn keyword_call(&self, name: &str, operands: Vec<Operand>, at: &Expr) -> Outcome<Operand> {
        let types: Vec<String> = operands.iter().map(Operand::type_name).collect();
        let given = operands.into_iter().map(Given::Operand).collect();
        let found = self.routine_of(name, given, at.span().start)?;
        found.map(Operand::Known).ok_or_else(|| {
            Problem::refused(
                at,
                format!("{name}({})", types.join(", ")),
                "there is no such function with these arguments on the embedded engine",
                "instead, cast the arguments, or use the functions that docs/reference/expressions.md lists",
            )
        })
    }

    /// `interval '1 day'`, and `interval '7' day`.
    fn interval(&self, expr: &Expr, interval: &Interval) -> Outcome<Operand> {
        let plain = interval.leading_precision.is_none()
            && interval.last_field.is_none()
            && interval.fractional_seconds_precision.is_none();
        let text = match &*interval.value {
            Expr::Value(value) => self.value(&value.value, value.span.start)?,
            _ => return Err(self.unsupported(expr, "instead, multiply: x * interval '1 day'")),
        };
        let Operand::Unknown(Some(text)) = text else {
            return Err(Problem::invalid(expr, "a string must follow interval"));
        };
        let text = match &interval.leading_field {
            None if plain => text,
            // The unit of a bare number; of anything else it would cut what is smaller.
            Some(field) if plain && text.parse::<i64>().is_ok() => format!("{text} {}", unit_name(field)),
            _ => return Err(self.unsupported(expr, "instead, write the units inside: interval '1 day 2 hours'")),
        };
        operator::literal(&text, &Type::Interval, expr).map(Operand::Known)
    }

    fn is_null(&mut self, inner: &Expr, negated: bool) -> Outcome<Operand> {
        let test = Expression::IsNull(Box::new(self.expression(inner)?));
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    fn is_boolean(&mut self, inner: &Expr, value: bool, negated: bool) -> Outcome<Operand> {
        let operand = Box::new(self.boolean(inner, if value { "IS TRUE" } else { "IS FALSE" })?);
        let test = Expression::IsBoolean { operand, value };
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    fn is_unknown(&mut self, inner: &Expr, negated: bool) -> Outcome<Operand> {
        let test = Expression::IsNull(Box::new(self.boolean(inner, "IS UNKNOWN")?));
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    fn distinct(&mut self, expr: &Expr, left: &Expr, right: &Expr, negated: bool) -> Outcome<Operand> {
        let (left, right) = (self.operand(left)?, self.operand(right)?);
        let test = self.apply(expr, left, Binary::IsDistinctFrom, "=", right)?;
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    fn between(&mut self, inner: &Expr, low: &Expr, high: &Expr, negated: bool) -> Outcome<Operand> {
        let operand = self.operand(inner)?;
        let (least, greatest) = (self.operand(low)?, self.operand(high)?);
        let above = self.apply(low, operand.clone(), Binary::GreaterOrEqual, ">=", least)?;
        let below = self.apply(high, operand, Binary::LessOrEqual, "<=", greatest)?;
        let test = Expression::And(vec![above, below]);
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    fn pattern(
        &mut self,
        operator: Binary,
        symbol: &str,
        text: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
    ) -> Outcome<Operand> {
        let (left, mut right) = (self.operand(text)?, self.operand(pattern)?);
        if let Some(escape) = escape {
            let escape = self.operand(escape)?;
            if !matches!(&escape, Operand::Unknown(Some(character)) if character == "\\") {
                right = self.keyword_call("like_escape", vec![right, escape], pattern)?;
            }
        }
        let wrong = operator::no_operator(&left, symbol, &right, text);
        let (Ok(left), Ok(right)) = (operator::text(left), operator::text(right)) else {
            return Err(wrong);
        };
        if let (Binary::Match | Binary::IMatch, Expression::Value { value: Datum::Text(regular), .. }) =
            (operator, &right)
            && let Err(error) = datatype::pattern::compile(regular, operator == Binary::IMatch)
            && error.sqlstate == "0A000"
        {
            return Err(Problem::refused(
                pattern,
                "this regular expression",
                error.message,
                "instead, use LIKE, or several expressions",
            ));
        }
        let test = Expression::compare(operator, left, right);
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    /// `text SIMILAR TO pattern`: as a regular expression.
    fn similar(&mut self, text: &Expr, pattern: &Expr, escape: Option<&Expr>, negated: bool) -> Outcome<Operand> {
        let left = self.operand(text)?;
        let mut given = vec![self.operand(pattern)?];
        if let Some(escape) = escape {
            given.push(self.operand(escape)?);
        }
        let right = self.keyword_call("similar_to_escape", given, pattern)?;
        let left = operator::text(left).map_err(|left| operator::no_operator(&left, "~", &right, text))?;
        let test = Expression::compare(Binary::Match, left, right.or_text());
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    /// `value['key'][0]` of jsonb.
    fn subscripts(&mut self, expr: &Expr, root: &Expr, chain: &[AccessExpr]) -> Outcome<Operand> {
        let Operand::Known(operand) = self.operand(root)? else { return Err(self.unsupported(expr, "")) };
        if operand.data_type() != Type::Jsonb {
            return Err(self.unsupported(expr, "instead, use jsonb, whose parts have subscripts"));
        }
        let mut path = Vec::new();
        for access in chain {
            let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                return Err(self.unsupported(expr, "instead, use -> and ->>"));
            };
            path.extend(self.json_steps(index)?);
        }
        Ok(Operand::Known(Expression::JsonGet { operand: Box::new(operand), path, as_text: false }))
    }

    fn case(
        &mut self,
        expr: &Expr,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Outcome<Operand> {
        let mut tests = Vec::new();
        let mut outcomes = Vec::new();
        for CaseWhen { condition, result } in conditions {
            tests.push(match operand {
                None => self.boolean(condition, "CASE/WHEN")?,
                Some(operand) => {
                    let (left, right) = (self.operand(operand)?, self.operand(condition)?);
                    self.apply(condition, left, Binary::Equal, "=", right)?
                }
            });
            outcomes.push(self.operand(result)?);
        }
        if let Some(otherwise) = otherwise {
            outcomes.push(self.operand(otherwise)?);
        }
        let data_type = operator::common_type(&outcomes, "CASE", expr)?;
        let mut outcomes = outcomes
            .into_iter()
            .map(|outcome| operator::widened(outcome, &data_type, expr))
            .collect::<Outcome<Vec<_>>>()?;
        let otherwise = if otherwise.is_some() { outcomes.pop().map(Box::new) } else { None };
        let branches = tests.into_iter().zip(outcomes).collect();
        Ok(Operand::Known(Expression::Case { branches, otherwise, data_type }))
    }

    /// `x AT TIME ZONE zone`.
    pub(super) fn at_time_zone(&mut self, timestamp: &Expr, zone: &Expr) -> Outcome<Operand> {
        let operands = vec![self.operand(zone)?, self.operand(timestamp)?];
        self.keyword_call("timezone", operands, timestamp)
    }

    /// Whether outcomes that change from call to call may stand here.
    pub(super) fn check_immutable(&self, name: &str, at: Location) -> Outcome<()> {
        if !self.context.needs_immutable() {
            return Ok(());
        }
        Err(Problem::refused(
            at,
            format!("{name}() in {}", self.context.name()),
            "its outcome changes from call to call, so the engine could not rely on it",
            "instead, use it in a DEFAULT or in a policy",
        ))
    }
}

/// Where PostgreSQL reads operators in another order than the parser, or not at all.
fn check_parentheses(left: &Expr, op: &BinaryOperator, right: &Expr) -> Outcome<()> {
    use BinaryOperator::{
        Eq, Gt, GtEq, Lt, LtEq, NotEq, PGRegexIMatch, PGRegexMatch, PGRegexNotIMatch, PGRegexNotMatch,
    };
    let is_comparison = |op: &BinaryOperator| matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq);
    let is_match =
        |op: &BinaryOperator| matches!(op, PGRegexMatch | PGRegexIMatch | PGRegexNotMatch | PGRegexNotIMatch);
    let inner = |side: &Expr| if let Expr::BinaryOp { op, .. } = side { Some(op.clone()) } else { None };
    let is_chained =
        is_comparison(op) && [left, right].into_iter().any(|side| inner(side).is_some_and(|op| is_comparison(&op)));
    // PostgreSQL takes ~ and || from left to right.
    let is_torn = is_match(op) && inner(right).is_some_and(|op| op == BinaryOperator::StringConcat);
    if is_chained || is_torn {
        return Err(
            Problem::invalid(right, "these operators need parentheses").instead("write (a < b) = c, a ~ (b || c)")
        );
    }
    Ok(())
}

/// `||` of JSON or bytes.
fn is_joined_by_routine(left: &Operand, right: &Operand) -> bool {
    let is_of = |wanted: Type| {
        let fits = |operand: &Operand| operand.data_type().is_none_or(|data_type| data_type == wanted);
        let is_sure = left.data_type() == Some(wanted.clone()) || right.data_type() == Some(wanted.clone());
        is_sure && fits(left) && fits(right)
    };
    is_of(Type::Jsonb) || is_of(Type::Bytea)
}

/// The name of a unit in `extract` and in an interval.
fn unit_name(field: &DateTimeField) -> String {
    match field {
        DateTimeField::Custom(name) => name.value.clone(),
        field => field.to_string().to_ascii_lowercase(),
    }
}

/// Text put together; a side that is no text is printed first.
pub(super) fn concatenated(left: Operand, right: Operand, at: &Expr) -> Outcome<Expression> {
    let is_text = |operand: &Operand| operand.data_type().is_none_or(|data_type| data_type.is_text());
    let is_json = |operand: &Operand| operand.data_type().is_some_and(|data_type| data_type.is_json());
    if (!is_text(&left) && !is_text(&right))
        || ((is_json(&left) || is_json(&right)) && (left.data_type().is_none() || right.data_type().is_none()))
    {
        return Err(operator::no_operator(&left, "||", &right, at));
    }
    Ok(Expression::compare(Binary::Concatenate, printed(left), printed(right)))
}

/// The operand as text.
pub(super) fn printed(operand: Operand) -> Expression {
    let expression = operand.or_text();
    if expression.data_type().is_text() {
        return expression;
    }
    Expression::Cast { operand: Box::new(expression), data_type: Type::Text }
}

/// The collation of the embedded engine is that of bytes.
pub(super) fn check_collation(collation: &sqlparser::ast::ObjectName) -> Outcome<()> {
    let parts = names::parts(collation)?;
    let name = parts.last().map(String::as_str).unwrap_or_default();
    if matches!(name, "C" | "POSIX" | "default" | "ucs_basic" | "c" | "posix") {
        return Ok(());
    }
    Err(Problem::refused(
        collation,
        format!("COLLATE \"{name}\""),
        "text sorts by its bytes on the embedded engine",
        "instead, leave COLLATE out or write COLLATE \"C\"",
    ))
}
