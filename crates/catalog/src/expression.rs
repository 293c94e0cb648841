//! SQL expressions and queries of the schema (policies, checks, defaults, generated columns, views), resolved and
//! typed when the migration is read. An engine's renderer turns them into its own SQL; `plan` weaves policies
//! into requests with the same type, so there is one meaning of an expression in the whole program.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use datatype::function::BuiltinRef;
use datatype::{Datum, Type};
use serde::{Deserialize, Serialize};

use crate::native::{NativeCall, NativeFunction};

/// Stands for one occurrence of a relation or subquery in an expression tree. Unique inside one tree; the row that
/// a policy, check, default or generated column is about is always [`SourceId::ROW`].
///
/// Numbers are handed out by ranges, so that trees of different makers can be put together: what is read from a
/// statement or a request counts up from 1 and stays below [`SourceId::WRAPPING`] (a statement is bounded); the
/// bodies of functions, once in place of a call, count up from [`SourceId::FIRST_INLINED`]; the rest are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceId(pub u32);

impl SourceId {
    /// The row that the expression is about.
    pub const ROW: Self = Self(0);

    /// A query put around another one to convert its columns.
    pub const WRAPPING: Self = Self(900_000);

    /// The row as it was written, read again in a trigger.
    pub const WRITTEN: Self = Self(900_001);

    /// Those that come with the body of a function, once it stands in the place of its call, are counted up from here.
    pub const FIRST_INLINED: Self = Self(1_000_000);

    /// The arguments of the routine whose body the expression is part of; see [`crate::Argument::key`].
    pub const ARGUMENTS: Self = Self(u32::MAX);

    /// The row as it was, in a trigger.
    pub const OLD: Self = Self(u32::MAX - 1);

    /// The row as it is to be, in a trigger.
    pub const NEW: Self = Self(u32::MAX - 2);
}

/// Which of the request's conditions gave a value, where that one compares something with nothing else: then another value may stand in
/// its place, and everything else stays as it is. Where a value is from makes it no other value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(pub Option<u16>);

impl PartialEq for Place {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// A typed expression. Operands of comparisons and arithmetic already have the same type: coercions stand as
/// [`Expression::Cast`] or were applied to the literal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// A column of a source.
    Column {
        /// Whose.
        source: SourceId,
        /// Its name in that source.
        name: Arc<str>,
        /// Its type.
        data_type: Type,
    },
    /// A value: a literal of the schema, or a value of a request, which an engine gets as a parameter only.
    Value {
        /// The value, in the form of its type.
        value: Datum,
        /// Its type.
        data_type: Type,
        /// Where in the request it is from.
        #[serde(skip)]
        place: Place,
    },
    /// A function call.
    Call {
        /// Which.
        function: Function,
        /// With what.
        arguments: Vec<Expression>,
        /// What it gives.
        data_type: Type,
    },
    /// A comparison, arithmetic or concatenation of two operands of one type.
    Binary {
        /// Which.
        operator: Binary,
        /// Left operand.
        left: Box<Expression>,
        /// Right operand.
        right: Box<Expression>,
    },
    /// All hold; true when empty.
    And(Vec<Expression>),
    /// One holds; false when empty.
    Or(Vec<Expression>),
    /// Negation, with SQL's three values.
    Not(Box<Expression>),
    /// `IS NULL`.
    IsNull(Box<Expression>),
    /// `IS TRUE` or `IS FALSE`: never null.
    IsBoolean {
        /// What is tested.
        operand: Box<Expression>,
        /// Against what.
        value: bool,
    },
    /// `IN (a, b)`: all of one type.
    In {
        /// What is looked for.
        operand: Box<Expression>,
        /// Among what; an empty list is false.
        list: Vec<Expression>,
    },
    /// `IN (SELECT ...)`: a query of one column.
    InQuery {
        /// What is looked for.
        operand: Box<Expression>,
        /// Among what.
        query: Box<Query>,
    },
    /// `EXISTS (SELECT ...)`.
    Exists(Box<Query>),
    /// A scalar subquery.
    Scalar(Box<Query>),
    /// `CASE WHEN ... THEN ... ELSE ... END`, searched form.
    Case {
        /// Condition and outcome.
        branches: Vec<(Expression, Expression)>,
        /// The outcome when none holds; NULL when absent.
        otherwise: Option<Box<Expression>>,
        /// What it gives.
        data_type: Type,
    },
    /// `CAST(operand AS data_type)`; the source type is the operand's.
    Cast {
        /// What is cast.
        operand: Box<Expression>,
        /// To what, modifiers included.
        data_type: Type,
    },
    /// A step into JSON: `operand -> key` or `->> key`. The steps are values of type text (keys) or bigint (indexes).
    JsonGet {
        /// A `json` or `jsonb` expression.
        operand: Box<Expression>,
        /// The path.
        path: Vec<Expression>,
        /// `->>` at the end.
        as_text: bool,
    },
}

/// How many parts an expression may have once bodies of functions stand in the places of their calls.
pub const MOST_PARTS: usize = 5_000;

/// How deep an expression may be then: planning and rendering recurse, on stacks of 2 MiB.
pub const MOST_LEVELS: usize = 120;

/// Operators with two operands. Comparisons give boolean, arithmetic the operands' type, `Concatenate` text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `IS DISTINCT FROM`
    IsDistinctFrom,
    Like,
    ILike,
    /// `~`
    Match,
    /// `~*`
    IMatch,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    /// `||` on text
    Concatenate,
}

impl Binary {
    /// Whether the outcome is a boolean.
    pub fn is_predicate(self) -> bool {
        !matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo | Self::Concatenate)
    }
}

/// The functions that schemas and requests may call on every engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `now()`, `current_timestamp`: the start of the transaction.
    Now,
    /// `current_date`, in the time zone of the request.
    CurrentDate,
    /// `gen_random_uuid()`.
    GenRandomUuid,
    /// `auth.uid()`: the claim `sub` as a uuid.
    AuthUid,
    /// `auth.role()`: the claim `role`.
    AuthRole,
    /// `auth.claim(name)`: a claim as text.
    AuthClaim,
    /// `auth.jwt()`: all claims as jsonb.
    AuthJwt,
    /// `current_user`, `current_role`: the request's role.
    CurrentUser,
    /// `coalesce(a, b, ...)`.
    Coalesce,
    /// `nullif(a, b)`.
    NullIf,
    /// `greatest(a, ...)`, NULLs ignored.
    Greatest,
    /// `least(a, ...)`, NULLs ignored.
    Least,
    /// `lower(text)`, ASCII only (C collation).
    Lower,
    /// `upper(text)`, ASCII only (C collation).
    Upper,
    /// `length(text)`, `char_length(text)`: characters.
    Length,
    /// `trim(both from text)`: blanks.
    Trim,
    /// `abs(number)`.
    Abs,
    /// `round(numeric, integer)`; one argument rounds to whole numbers.
    Round,
    /// `floor(number)`.
    Floor,
    /// `ceil(number)`.
    Ceil,
    /// Unary minus.
    Negate,
    /// `count(*)`, or `count(x)` with an argument; the flag says `distinct`.
    Count {
        /// `count(distinct x)`.
        is_distinct: bool,
    },
    /// `sum(x)`.
    Sum,
    /// `avg(x)`.
    Avg,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
    /// `bool_and(x)`, `every(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// A function that the schema declares. The planner and the DDL put its body in the call's place; no engine sees it.
    Routine(Arc<Signature>),
    /// A function or operator that `datatype` defines.
    Builtin(BuiltinRef),
    /// An aggregate whose outcome depends on the order of its rows.
    Collect(Box<Collect>),
    /// Something that only a PostgreSQL server has.
    Native(NativeFunction),
}

/// An aggregate that puts its rows together. Its arguments are followed by the condition of `FILTER`, if there is one,
/// and by the terms of its `ORDER BY`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Collect {
    /// Which.
    pub collection: Collection,
    /// Whether a condition follows the arguments.
    pub is_filtered: bool,
    /// Which way each term goes, and whether NULLs go first.
    pub order: Vec<(Direction, bool)>,
}

/// The aggregates that put their rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Collection {
    /// `string_agg(text, delimiter)`: NULLs are left out.
    String,
    /// `json_agg(x)`
    Json,
    /// `jsonb_agg(x)`
    Jsonb,
    /// `json_object_agg(key, x)`
    JsonObject,
    /// `jsonb_object_agg(key, x)`
    JsonbObject,
}

impl Collection {
    /// How many arguments it has.
    pub fn arguments(self) -> usize {
        match self {
            Self::Json | Self::Jsonb => 1,
            Self::String | Self::JsonObject | Self::JsonbObject => 2,
        }
    }
}

impl Function {
    /// Whether it folds many rows into one.
    pub fn is_aggregate(&self) -> bool {
        matches!(
            self,
            Self::Count { .. }
                | Self::Sum
                | Self::Avg
                | Self::Min
                | Self::Max
                | Self::BoolAnd
                | Self::BoolOr
                | Self::Collect(_)
        )
    }
}

/// A query: the body of a view or a function, or a subquery of a policy. The default one gives one row without columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Query {
    /// `WITH` is not offered; set operations join whole queries: the first is this one.
    pub unions: Vec<(SetOperation, Query)>,
    /// `SELECT DISTINCT`.
    pub is_distinct: bool,
    /// What is selected, in order.
    pub projections: Vec<Projection>,
    /// From what; `None` for a query of constants.
    pub from: Option<From>,
    /// `WHERE`.
    pub filter: Option<Expression>,
    /// `GROUP BY`.
    pub group_by: Vec<Expression>,
    /// `HAVING`.
    pub having: Option<Expression>,
    /// `ORDER BY`.
    pub order: Vec<Sort>,
    /// `LIMIT`.
    pub limit: Option<RowCount>,
    /// `OFFSET`.
    pub offset: Option<RowCount>,
}

/// A number of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RowCount {
    /// So many.
    Number(u64),
    /// What a bigint expression gives, in the body of a routine; NULL is no bound.
    Expression(Box<Expression>),
}

impl RowCount {
    fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Number(_) => None,
            Self::Expression(expression) => Some(expression),
        }
    }

    fn rewrite(
        self,
        change: &mut dyn FnMut(Expression) -> Expression,
        change_query: &mut dyn FnMut(Query) -> Query,
    ) -> Self {
        match self {
            Self::Number(_) => self,
            Self::Expression(expression) => Self::Expression(Box::new(expression.rewrite(change, change_query))),
        }
    }
}

/// How two queries are joined into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum SetOperation {
    Union,
    UnionAll,
    Intersect,
    Except,
}

/// One column of a query's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub expression: Expression,
}

/// A `FROM` clause: a first source and what is joined to it, left to right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct From {
    /// The first source.
    pub first: Source,
    /// The joins, in order.
    pub joins: Vec<Join>,
}

/// A relation or subquery in `FROM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// A table or view.
    Relation {
        /// Its place in the tree.
        id: SourceId,
        /// Its name.
        name: QualifiedName,
    },
    /// A subquery.
    Query {
        /// Its place in the tree.
        id: SourceId,
        /// The query.
        query: Box<Query>,
    },
    /// The rows of a function, on a PostgreSQL server.
    Call {
        /// Its place in the tree.
        id: SourceId,
        /// The call.
        call: Box<NativeCall>,
    },
}

/// One `JOIN`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Inner, left or cross.
    pub kind: JoinKind,
    /// What is joined.
    pub source: Source,
    /// `ON`; `None` for a cross join.
    pub on: Option<Expression>,
}

/// The kinds of join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum JoinKind {
    Inner,
    Left,
    Cross,
}

/// One term of `ORDER BY`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sort {
    /// By what.
    pub expression: Expression,
    /// Which way.
    pub direction: Direction,
    /// Where NULLs go: before everything else (true) or after.
    pub nulls_first: bool,
}

/// Which way rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Direction {
    Ascending,
    Descending,
}

impl Expression {
    /// The type of its outcome.
    pub fn data_type(&self) -> Type {
        match self {
            Self::Column { data_type, .. }
            | Self::Value { data_type, .. }
            | Self::Call { data_type, .. }
            | Self::Case { data_type, .. }
            | Self::Cast { data_type, .. } => data_type.clone(),
            Self::Binary { operator, left, .. } => match operator {
                Binary::Concatenate => Type::Text,
                operator if operator.is_predicate() => Type::Boolean,
                _ => left.data_type(),
            },
            Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull(_)
            | Self::IsBoolean { .. }
            | Self::In { .. }
            | Self::InQuery { .. }
            | Self::Exists(_) => Type::Boolean,
            Self::Scalar(query) => {
                query.projections.first().map_or(Type::Text, |projection| projection.expression.data_type())
            }
            Self::JsonGet { as_text: true, .. } => Type::Text,
            Self::JsonGet { operand, .. } => operand.data_type(),
        }
    }

    /// A column of the row that the expression is about.
    pub fn column(source: SourceId, name: impl Into<Arc<str>>, data_type: Type) -> Self {
        Self::Column { source, name: name.into(), data_type }
    }

    /// A value.
    pub fn value(value: Datum, data_type: Type) -> Self {
        Self::Value { value, data_type, place: Place::default() }
    }

    /// The constant true or false.
    pub fn constant(value: bool) -> Self {
        Self::value(Datum::Integer(i64::from(value)), Type::Boolean)
    }

    /// A comparison.
    pub fn compare(operator: Binary, left: Self, right: Self) -> Self {
        Self::Binary { operator, left: Box::new(left), right: Box::new(right) }
    }

    /// Negation.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether it is neither too large nor too deep to be carried through planning and rendering, which recurse.
    pub fn is_bounded(&self) -> bool {
        let mut parts = 0;
        self.measure(0, &mut parts)
    }

    fn measure(&self, level: usize, parts: &mut usize) -> bool {
        *parts += 1;
        if level > MOST_LEVELS || *parts > MOST_PARTS {
            return false;
        }
        let mut is_bounded = true;
        self.children(&mut |child| is_bounded = is_bounded && child.measure(level + 1, parts));
        is_bounded
    }

    /// Whether it reads a column of the row that it is about, see [`SourceId::ROW`].
    pub fn reads_row_column(&self, column: &str) -> bool {
        let mut is_read = false;
        self.visit(&mut |part| {
            is_read |= matches!(part, Self::Column { source: SourceId::ROW, name, .. } if **name == *column);
        });
        is_read
    }

    /// Calls `visit` on this expression and all below it, subqueries included, outermost first.
    pub fn visit(&self, visit: &mut dyn FnMut(&Expression)) {
        visit(self);
        self.children(&mut |child| child.visit(visit));
    }

    /// Calls `visit` on what stands right below, in subqueries as well.
    fn children(&self, visit: &mut dyn FnMut(&Expression)) {
        match self {
            Self::Column { .. } | Self::Value { .. } => {}
            Self::Call { arguments, .. } | Self::And(arguments) | Self::Or(arguments) => {
                arguments.iter().for_each(visit);
            }
            Self::Binary { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Self::Not(operand) | Self::IsNull(operand) => visit(operand),
            Self::IsBoolean { operand, .. } | Self::Cast { operand, .. } => visit(operand),
            Self::In { operand, list } => {
                visit(operand);
                list.iter().for_each(visit);
            }
            Self::InQuery { operand, query } => {
                visit(operand);
                query.expressions(visit);
            }
            Self::Exists(query) | Self::Scalar(query) => query.expressions(visit),
            Self::Case { branches, otherwise, .. } => {
                for (condition, outcome) in branches {
                    visit(condition);
                    visit(outcome);
                }
                if let Some(otherwise) = otherwise {
                    visit(otherwise);
                }
            }
            Self::JsonGet { operand, path, .. } => {
                visit(operand);
                path.iter().for_each(visit);
            }
        }
    }

    /// The same tree with every node below and then the node itself passed through `change`, innermost first;
    /// queries are passed through `change_query` after their parts.
    #[must_use]
    pub fn rewrite(
        self,
        change: &mut dyn FnMut(Expression) -> Expression,
        change_query: &mut dyn FnMut(Query) -> Query,
    ) -> Self {
        let mut each = |list: Vec<Self>, change: &mut dyn FnMut(Self) -> Self| -> Vec<Self> {
            list.into_iter().map(|item| item.rewrite(change, change_query)).collect()
        };
        let rewritten = match self {
            Self::Column { .. } | Self::Value { .. } => self,
            Self::Call { function, arguments, data_type } => {
                Self::Call { function, arguments: each(arguments, change), data_type }
            }
            Self::And(list) => Self::And(each(list, change)),
            Self::Or(list) => Self::Or(each(list, change)),
            Self::Binary { operator, left, right } => Self::Binary {
                operator,
                left: Box::new(left.rewrite(change, change_query)),
                right: Box::new(right.rewrite(change, change_query)),
            },
            Self::Not(operand) => Self::Not(Box::new(operand.rewrite(change, change_query))),
            Self::IsNull(operand) => Self::IsNull(Box::new(operand.rewrite(change, change_query))),
            Self::IsBoolean { operand, value } => {
                Self::IsBoolean { operand: Box::new(operand.rewrite(change, change_query)), value }
            }
            Self::Cast { operand, data_type } => {
                Self::Cast { operand: Box::new(operand.rewrite(change, change_query)), data_type }
            }
            Self::In { operand, list } => {
                let list = each(list, change);
                Self::In { operand: Box::new(operand.rewrite(change, change_query)), list }
            }
            Self::InQuery { operand, query } => Self::InQuery {
                operand: Box::new(operand.rewrite(change, change_query)),
                query: Box::new(query.rewrite(change, change_query)),
            },
            Self::Exists(query) => Self::Exists(Box::new(query.rewrite(change, change_query))),
            Self::Scalar(query) => Self::Scalar(Box::new(query.rewrite(change, change_query))),
            Self::Case { branches, otherwise, data_type } => Self::Case {
                branches: branches
                    .into_iter()
                    .map(|(condition, outcome)| {
                        (condition.rewrite(change, change_query), outcome.rewrite(change, change_query))
                    })
                    .collect(),
                otherwise: otherwise.map(|otherwise| Box::new(otherwise.rewrite(change, change_query))),
                data_type,
            },
            Self::JsonGet { operand, path, as_text } => {
                let path = each(path, change);
                Self::JsonGet { operand: Box::new(operand.rewrite(change, change_query)), path, as_text }
            }
        };
        change(rewritten)
    }
}

impl Query {
    /// Calls `visit` on every expression of the query and all below it.
    pub fn visit(&self, visit: &mut dyn FnMut(&Expression)) {
        self.expressions(&mut |expression| expression.visit(visit));
    }

    /// Calls `visit` on every expression of the query, those of the queries in `FROM` and of set operations included.
    fn expressions(&self, visit: &mut dyn FnMut(&Expression)) {
        self.projections.iter().for_each(|projection| visit(&projection.expression));
        if let Some(from) = &self.from {
            from.sources().for_each(|source| {
                if let Source::Query { query, .. } = source {
                    query.expressions(visit);
                }
            });
            from.joins.iter().filter_map(|join| join.on.as_ref()).for_each(&mut *visit);
        }
        self.filter.iter().chain(&self.group_by).chain(&self.having).for_each(&mut *visit);
        self.order.iter().for_each(|sort| visit(&sort.expression));
        self.unions.iter().for_each(|(_, query)| query.expressions(visit));
        let counts = self.limit.iter().chain(&self.offset);
        counts.filter_map(RowCount::expression).for_each(visit);
    }

    /// See [`Expression::rewrite`].
    #[must_use]
    pub fn rewrite(
        self,
        change: &mut dyn FnMut(Expression) -> Expression,
        change_query: &mut dyn FnMut(Query) -> Query,
    ) -> Self {
        let rewritten = Self {
            unions: self
                .unions
                .into_iter()
                .map(|(operation, query)| (operation, query.rewrite(change, change_query)))
                .collect(),
            is_distinct: self.is_distinct,
            projections: self
                .projections
                .into_iter()
                .map(|Projection { name, expression }| Projection {
                    name,
                    expression: expression.rewrite(change, change_query),
                })
                .collect(),
            from: self.from.map(|from| From {
                first: from.first.rewrite(change, change_query),
                joins: from
                    .joins
                    .into_iter()
                    .map(|Join { kind, source, on }| Join {
                        kind,
                        source: source.rewrite(change, change_query),
                        on: on.map(|on| on.rewrite(change, change_query)),
                    })
                    .collect(),
            }),
            filter: self.filter.map(|filter| filter.rewrite(change, change_query)),
            group_by: self.group_by.into_iter().map(|part| part.rewrite(change, change_query)).collect(),
            having: self.having.map(|having| having.rewrite(change, change_query)),
            order: self
                .order
                .into_iter()
                .map(|Sort { expression, direction, nulls_first }| Sort {
                    expression: expression.rewrite(change, change_query),
                    direction,
                    nulls_first,
                })
                .collect(),
            limit: self.limit.map(|limit| limit.rewrite(change, change_query)),
            offset: self.offset.map(|offset| offset.rewrite(change, change_query)),
        };
        change_query(rewritten)
    }
}

impl From {
    /// All sources, left to right.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(self.joins.iter().map(|join| &join.source))
    }
}

impl Source {
    /// Its place in the tree.
    pub fn id(&self) -> SourceId {
        match self {
            Self::Relation { id, .. } | Self::Query { id, .. } | Self::Call { id, .. } => *id,
        }
    }

    fn rewrite(
        self,
        change: &mut dyn FnMut(Expression) -> Expression,
        change_query: &mut dyn FnMut(Query) -> Query,
    ) -> Self {
        match self {
            Self::Relation { .. } | Self::Call { .. } => self,
            Self::Query { id, query } => Self::Query { id, query: Box::new(query.rewrite(change, change_query)) },
        }
    }
}
