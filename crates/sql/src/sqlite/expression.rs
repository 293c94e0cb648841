//! Expressions and queries in SQLite's SQL. PostgreSQL's meaning that SQLite does not have by itself stands in the
//! functions and collations that the store registers (see [`super::functions`]).

use catalog::{
    Binary, Collect, Collection, Direction, Expression, From, Function, JoinKind, Projection, Query, RowCount,
    SetOperation, Sort, Source, SourceId,
};
use datatype::function::{Builtin, Parameter};
use datatype::{Datum, Type};

use super::functions::builtin_name;
use super::{names, own};
use crate::statement;
use crate::writer::{Values, Writer};

/// How columns of [`SourceId::ROW`] are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowColumns {
    /// Bare: in checks, defaults, generated columns and indexes, where no alias exists.
    Bare,
    /// With the alias `s0`, as every other source.
    Aliased,
}

/// An expression for DDL: values as literals, the row's columns bare.
pub fn for_schema(expression: &Expression) -> String {
    let mut writer = Writer::new(Values::AsLiterals);
    write(&mut writer, expression, RowColumns::Bare);
    writer.finish_text()
}

/// A default for DDL: it is computed in the time zone of the request, which nothing that is kept may be.
pub fn for_default(expression: &Expression) -> String {
    let mut writer = Writer::new(Values::AsLiterals);
    write(&mut writer, expression, RowColumns::Aliased);
    writer.finish_text()
}

/// A view's query for DDL.
pub fn query_for_schema(query: &Query) -> String {
    let mut writer = Writer::new(Values::AsLiterals);
    write_query(&mut writer, query, RowColumns::Aliased);
    writer.finish_text()
}

/// A value as SQLite's literal, for DDL and seeds.
pub fn literal(value: &Datum) -> String {
    let mut writer = Writer::new(Values::AsLiterals);
    writer.value(value);
    writer.finish_text()
}

/// Appends a source's alias.
pub(crate) fn alias(writer: &mut Writer, source: SourceId) {
    match source {
        SourceId::NEW => {
            writer.syntax("NEW");
        }
        SourceId::OLD => {
            writer.syntax("OLD");
        }
        SourceId::ROW if writer.writes_row_name() => {}
        _ => {
            writer.syntax("s").number(u64::from(source.0));
        }
    }
}

/// Appends an expression.
pub(crate) fn write(writer: &mut Writer, expression: &Expression, row: RowColumns) {
    match expression {
        Expression::Column { source, name, .. } => {
            if let Some(place) = own::parameter(expression) {
                writer.parameter(statement::Parameter::Argument(place));
                return;
            }
            if row == RowColumns::Aliased || *source != SourceId::ROW {
                alias(writer, *source);
                writer.syntax(".");
            }
            writer.identifier(name);
        }
        Expression::Value { value, place, .. } => {
            writer.placed(value, *place);
        }
        Expression::Call { function, arguments, data_type } => write_call(writer, function, arguments, data_type, row),
        Expression::Binary { operator, left, right } => write_binary(writer, *operator, left, right, row),
        Expression::And(parts) => write_logic(writer, parts, " AND ", "1", row),
        Expression::Or(parts) => write_logic(writer, parts, " OR ", "0", row),
        Expression::Not(operand) => {
            writer.syntax("(NOT ");
            write(writer, operand, row);
            writer.syntax(")");
        }
        Expression::IsNull(operand) => {
            writer.syntax("(");
            write(writer, operand, row);
            writer.syntax(" IS NULL)");
        }
        Expression::IsBoolean { operand, value } => {
            writer.syntax("(");
            write(writer, operand, row);
            writer.syntax(if *value { " IS TRUE)" } else { " IS FALSE)" });
        }
        Expression::In { operand, list } => write_in(writer, operand, list, row),
        Expression::InQuery { operand, query } => {
            writer.syntax("(");
            write_collated(writer, operand, row);
            writer.syntax(" IN (");
            write_query(writer, query, row);
            writer.syntax("))");
        }
        Expression::Exists(query) => {
            writer.syntax("EXISTS (");
            write_query(writer, query, row);
            // Without a limit SQLite (3.51) may make a join of it, and then counts an OFFSET over rows that do not fit.
            if query.limit.is_none() && query.offset.is_none() {
                writer.syntax(" LIMIT 1");
            }
            writer.syntax(")");
        }
        Expression::Scalar(query) if is_single(query) => {
            writer.syntax("(");
            write_query(writer, query, row);
            writer.syntax(")");
        }
        // SQLite would take the first row of several.
        Expression::Scalar(query) => {
            let name = query.projections.first().map_or("value", |projection| &*projection.name);
            writer.syntax("(SELECT pg_single(").identifier(name).syntax(") FROM (");
            write_query(writer, query, row);
            writer.syntax("))");
        }
        Expression::Case { branches, otherwise, .. } => {
            writer.syntax("CASE");
            for (condition, outcome) in branches {
                writer.syntax(" WHEN ");
                write(writer, condition, row);
                writer.syntax(" THEN ");
                write(writer, outcome, row);
            }
            if let Some(otherwise) = otherwise {
                writer.syntax(" ELSE ");
                write(writer, otherwise, row);
            }
            writer.syntax(" END");
        }
        Expression::Cast { operand, data_type } => write_cast(writer, operand, data_type, row),
        Expression::JsonGet { operand, path, as_text } => {
            writer.syntax(if *as_text { "pg_json_text(" } else { "pg_json_get(" });
            write_code(writer, &operand.data_type());
            writer.syntax(", ");
            write(writer, operand, row);
            for step in path {
                writer.syntax(", ");
                write(writer, step, row);
            }
            writer.syntax(")");
        }
    }
}

/// Appends an expression with the collation of its type, for comparisons and sorting.
pub(crate) fn write_collated(writer: &mut Writer, expression: &Expression, row: RowColumns) {
    write(writer, expression, row);
    if let Some(collation) = names::collation(&expression.data_type()) {
        writer.syntax(" COLLATE ").identifier(&collation);
    }
}

/// The most terms that stand in one chain of AND or OR. SQLite nests a chain to the left, one level a term, and refuses
/// more than 1,000 levels: longer chains are written as a balanced tree.
const LONGEST_CHAIN: usize = 16;

/// Appends that all of the conditions hold.
pub(crate) fn write_all(writer: &mut Writer, conditions: &[Expression], row: RowColumns) {
    write_logic(writer, conditions, " AND ", "1", row);
}

fn write_logic(
    writer: &mut Writer,
    parts: &[Expression],
    separator: &'static str,
    empty: &'static str,
    row: RowColumns,
) {
    match parts {
        [] => {
            writer.syntax(empty);
        }
        [only] => write(writer, only, row),
        parts if parts.len() <= LONGEST_CHAIN => {
            writer.syntax("(");
            writer.list(parts, separator, |writer, part| write(writer, part, row));
            writer.syntax(")");
        }
        parts => {
            let (left, right) = parts.split_at(parts.len() / 2);
            writer.syntax("(");
            write_logic(writer, left, separator, empty, row);
            writer.syntax(separator);
            write_logic(writer, right, separator, empty, row);
            writer.syntax(")");
        }
    }
}

/// How long a list may become before its length shows in the text only as the next power of two: few texts, so that
/// the statement cache stays small.
fn padded(length: usize) -> usize {
    length.next_power_of_two()
}

fn write_in(writer: &mut Writer, operand: &Expression, list: &[Expression], row: RowColumns) {
    let Some(last) = list.last() else {
        writer.syntax("0");
        return;
    };
    let padding = std::iter::repeat_n(last, padded(list.len()) - list.len());
    writer.syntax("(");
    write_collated(writer, operand, row);
    writer.syntax(" IN (");
    writer.list(list.iter().chain(padding), ", ", |writer, item| write(writer, item, row));
    writer.syntax("))");
}

fn write_binary(writer: &mut Writer, operator: Binary, left: &Expression, right: &Expression, row: RowColumns) {
    let infix = match operator {
        Binary::Equal => " = ",
        Binary::NotEqual => " <> ",
        Binary::Less => " < ",
        Binary::LessOrEqual => " <= ",
        Binary::Greater => " > ",
        Binary::GreaterOrEqual => " >= ",
        Binary::IsDistinctFrom => " IS NOT ",
        Binary::Concatenate => " || ",
        Binary::Like => return write_pattern(writer, "pg_like(", left, right, row),
        Binary::ILike => return write_pattern(writer, "pg_ilike(", left, right, row),
        Binary::Match => return write_pattern(writer, "pg_match(", left, right, row),
        Binary::IMatch => return write_pattern(writer, "pg_imatch(", left, right, row),
        Binary::Add => return write_arithmetic(writer, "pg_add(", left, right, row),
        Binary::Subtract => return write_arithmetic(writer, "pg_subtract(", left, right, row),
        Binary::Multiply => return write_arithmetic(writer, "pg_multiply(", left, right, row),
        Binary::Divide => return write_arithmetic(writer, "pg_divide(", left, right, row),
        Binary::Modulo => return write_arithmetic(writer, "pg_modulo(", left, right, row),
    };
    writer.syntax("(");
    if operator == Binary::Concatenate {
        write(writer, left, row)
    } else {
        write_collated(writer, left, row)
    }
    writer.syntax(infix);
    write(writer, right, row);
    writer.syntax(")");
}

fn write_pattern(writer: &mut Writer, open: &'static str, text: &Expression, pattern: &Expression, row: RowColumns) {
    writer.syntax(open);
    write(writer, text, row);
    writer.syntax(", ");
    write(writer, pattern, row);
    writer.syntax(")");
}

fn write_arithmetic(writer: &mut Writer, open: &'static str, left: &Expression, right: &Expression, row: RowColumns) {
    writer.syntax(open);
    write_code(writer, &left.data_type());
    writer.syntax(", ");
    write(writer, left, row);
    writer.syntax(", ");
    write(writer, right, row);
    writer.syntax(")");
}

/// Appends a type's code; enumerations, whose values are labels, go as text.
fn write_code(writer: &mut Writer, data_type: &Type) {
    let code = data_type.code().or_else(|| Type::Text.code()).unwrap_or_default();
    writer.number(code.unsigned_abs());
}

fn write_cast(writer: &mut Writer, operand: &Expression, to: &Type, row: RowColumns) {
    let from = operand.data_type();
    let is_same = from == *to || (from.is_text() && matches!(to, Type::Text | Type::Varchar(None)));
    match to {
        _ if is_same => write(writer, operand, row),
        Type::Text | Type::Varchar(None) if matches!(from, Type::Enum(_)) => write(writer, operand, row),
        Type::Enum(definition) => {
            writer.syntax("pg_cast_enum(");
            write(writer, operand, row);
            writer.syntax(", ").value(&Datum::Text(definition.name.name.to_string()));
            for label in &definition.labels {
                writer.syntax(", ").value(&Datum::Text(label.to_string()));
            }
            writer.syntax(")");
        }
        to => {
            // In the schema a cast must not depend on the request's time zone: an index or a check would not hold.
            writer.syntax(if row == RowColumns::Bare { "pg_cast_utc(" } else { "pg_cast(" });
            write(writer, operand, row);
            writer.syntax(", ");
            write_code(writer, &from);
            writer.syntax(", ");
            write_code(writer, to);
            writer.syntax(")");
        }
    }
}

fn write_call(writer: &mut Writer, function: &Function, arguments: &[Expression], data_type: &Type, row: RowColumns) {
    let argument_type = arguments.first().map_or_else(|| data_type.clone(), Expression::data_type);
    let plain = |writer: &mut Writer, open: &'static str| {
        writer.syntax(open);
        writer.list(arguments, ", ", |writer, argument| write(writer, argument, row));
        writer.syntax(")");
    };
    let collated = |writer: &mut Writer, open: &'static str| {
        writer.syntax(open);
        writer.list(arguments, ", ", |writer, argument| write_collated(writer, argument, row));
        writer.syntax(")");
    };
    let coded = |writer: &mut Writer, open: &'static str| {
        writer.syntax(open);
        write_code(writer, &argument_type);
        for argument in arguments {
            writer.syntax(", ");
            write(writer, argument, row);
        }
        writer.syntax(")");
    };
    match function {
        Function::Now => plain(writer, "pg_now("),
        Function::CurrentDate => plain(writer, "pg_current_date("),
        Function::GenRandomUuid => plain(writer, "gen_random_uuid("),
        Function::AuthUid => plain(writer, "auth_uid("),
        Function::AuthRole => plain(writer, "auth_role("),
        Function::AuthClaim => plain(writer, "auth_claim("),
        Function::AuthJwt => plain(writer, "auth_jwt("),
        Function::CurrentUser => plain(writer, "pg_current_user("),
        // SQLite's coalesce takes two arguments at least.
        Function::Coalesce if arguments.len() == 1 => plain(writer, "("),
        Function::Coalesce => plain(writer, "coalesce("),
        Function::NullIf => collated(writer, "nullif("),
        Function::Greatest => coded(writer, "pg_greatest("),
        Function::Least => coded(writer, "pg_least("),
        Function::Lower => plain(writer, "lower("),
        Function::Upper => plain(writer, "upper("),
        Function::Length => plain(writer, "length("),
        Function::Trim => plain(writer, "trim("),
        Function::Abs => coded(writer, "pg_abs("),
        Function::Round => coded(writer, "pg_round("),
        Function::Floor => coded(writer, "pg_floor("),
        Function::Ceil => coded(writer, "pg_ceil("),
        Function::Negate => coded(writer, "pg_negate("),
        Function::Count { .. } if arguments.is_empty() => {
            writer.syntax("count(*)");
        }
        Function::Count { is_distinct: true } => collated(writer, "count(DISTINCT "),
        Function::Count { is_distinct: false } => plain(writer, "count("),
        Function::Sum => coded(writer, "pg_sum("),
        Function::Avg => coded(writer, "pg_avg("),
        Function::Min => collated(writer, "min("),
        Function::Max => collated(writer, "max("),
        Function::BoolAnd => plain(writer, "min("),
        Function::BoolOr => plain(writer, "max("),
        // Its body stands in its place by now. If it ever did not, SQLite would refuse the name; no value is made up.
        Function::Routine(_) => plain(writer, "pando_unexpanded_routine("),
        // Only a PostgreSQL server's catalog leads to these.
        Function::Native(_) => plain(writer, "pando_native_function("),
        Function::Builtin(found) => write_builtin(writer, found.builtin(), arguments, row),
        Function::Collect(collect) => write_collection(writer, collect, arguments, row),
    }
}

/// Appends the call of a builtin; an argument for a parameter of any type goes with its type's code.
fn write_builtin(writer: &mut Writer, builtin: &Builtin, arguments: &[Expression], row: RowColumns) {
    // In the schema nothing depends on the time zone of a request: a check or an index would not hold.
    writer.identifier(&builtin_name(builtin, row == RowColumns::Bare)).syntax("(");
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            writer.syntax(", ");
        }
        if builtin.parameter(index) == Some(&Parameter::Any) {
            write_code(writer, &argument.data_type());
            writer.syntax(", ");
        }
        write(writer, argument, row);
    }
    writer.syntax(")");
}

/// Appends an aggregate that depends on the order of its rows.
fn write_collection(writer: &mut Writer, collect: &Collect, arguments: &[Expression], row: RowColumns) {
    let Collect { collection, is_filtered, order } = collect;
    let (values, rest) = arguments.split_at_checked(collection.arguments()).unwrap_or((arguments, &[]));
    let (filter, terms) = rest.split_at_checked(usize::from(*is_filtered)).unwrap_or((&[], rest));
    writer.syntax(match collection {
        Collection::String => "pg_string_agg(",
        Collection::Json => "pg_json_agg(",
        Collection::Jsonb => "pg_jsonb_agg(",
        Collection::JsonObject => "pg_json_object_agg(",
        Collection::JsonbObject => "pg_jsonb_object_agg(",
    });
    writer.list(values, ", ", |writer, value| {
        if *collection != Collection::String {
            write_code(writer, &value.data_type());
            writer.syntax(", ");
        }
        write(writer, value, row);
    });
    let sorts: Vec<Sort> = terms
        .iter()
        .zip(order)
        .map(|(term, (direction, nulls_first))| Sort {
            expression: term.clone(),
            direction: *direction,
            nulls_first: *nulls_first,
        })
        .collect();
    write_order(writer, &sorts, row);
    writer.syntax(")");
    if let Some(filter) = filter.first() {
        writer.syntax(" FILTER (WHERE ");
        write(writer, filter, row);
        writer.syntax(")");
    }
}

/// Whether a query gives one row at most, whatever the rows are.
fn is_single(query: &Query) -> bool {
    let is_whole = query.group_by.is_empty() && query.unions.is_empty();
    let mut has_aggregate = false;
    for projection in &query.projections {
        // A subquery's own aggregates would be found as well: then the projection is not the call itself.
        has_aggregate |= matches!(&projection.expression, Expression::Call { function, .. } if function.is_aggregate());
    }
    matches!(query.limit, Some(RowCount::Number(0 | 1))) || (is_whole && (query.from.is_none() || has_aggregate))
}

/// Appends a query.
pub(crate) fn write_query(writer: &mut Writer, query: &Query, row: RowColumns) {
    writer.syntax(if query.is_distinct { "SELECT DISTINCT " } else { "SELECT " });
    if query.projections.is_empty() {
        writer.syntax("1");
    }
    // What is compared with other rows is compared as its type is.
    let is_compared = query.is_distinct || !query.unions.is_empty();
    writer.list(&query.projections, ", ", |writer, Projection { name, expression }| {
        if is_compared {
            write_collated(writer, expression, row);
        } else {
            write(writer, expression, row);
        }
        writer.syntax(" AS ").identifier(name);
    });
    if let Some(from) = &query.from {
        write_from(writer, from, row);
    }
    write_clause(writer, " WHERE ", query.filter.as_ref(), row);
    if !query.group_by.is_empty() {
        writer.syntax(" GROUP BY ");
        writer.list(&query.group_by, ", ", |writer, part| write_collated(writer, part, row));
    }
    write_clause(writer, " HAVING ", query.having.as_ref(), row);
    for (operation, other) in &query.unions {
        writer.syntax(match operation {
            SetOperation::Union => " UNION ",
            SetOperation::UnionAll => " UNION ALL ",
            SetOperation::Intersect => " INTERSECT ",
            SetOperation::Except => " EXCEPT ",
        });
        write_query(writer, other, row);
    }
    write_order(writer, &query.order, row);
    if query.limit.is_none() && query.offset.is_none() {
        return;
    }
    writer.syntax(" LIMIT ");
    match &query.limit {
        Some(limit) => write_row_count(writer, limit, "pg_limit(", row),
        None => {
            writer.value(&Datum::Integer(-1));
        }
    }
    if let Some(offset) = &query.offset {
        writer.syntax(" OFFSET ");
        write_row_count(writer, offset, "pg_offset(", row);
    }
}

/// Appends a number of rows. What is computed goes through a function that refuses negative numbers and knows NULL.
fn write_row_count(writer: &mut Writer, count: &RowCount, open: &'static str, row: RowColumns) {
    match count {
        RowCount::Number(number) => {
            writer.value(&Datum::Integer(i64::try_from(*number).unwrap_or(i64::MAX)));
        }
        RowCount::Expression(expression) => {
            writer.syntax(open);
            write(writer, expression, row);
            writer.syntax(")");
        }
    }
}

fn write_clause(writer: &mut Writer, keyword: &'static str, condition: Option<&Expression>, row: RowColumns) {
    if let Some(condition) = condition {
        writer.syntax(keyword);
        write(writer, condition, row);
    }
}

/// Appends ` FROM ...`.
pub(crate) fn write_from(writer: &mut Writer, from: &From, row: RowColumns) {
    writer.syntax(" FROM ");
    write_source(writer, &from.first, row);
    for join in &from.joins {
        writer.syntax(match join.kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        write_source(writer, &join.source, row);
        write_clause(writer, " ON ", join.on.as_ref(), row);
    }
}

fn write_source(writer: &mut Writer, source: &Source, row: RowColumns) {
    match source {
        Source::Relation { name, .. } => {
            writer.identifier(&names::physical_name(name));
        }
        Source::Call { .. } => {
            writer.syntax("pando_native_call");
        }
        Source::Query { query, .. } => {
            writer.syntax("(");
            write_query(writer, query, row);
            writer.syntax(")");
        }
    }
    writer.syntax(" AS ");
    alias(writer, source.id());
}

/// Appends ` ORDER BY ...`, or nothing without terms.
pub(crate) fn write_order(writer: &mut Writer, order: &[Sort], row: RowColumns) {
    if order.is_empty() {
        return;
    }
    writer.syntax(" ORDER BY ");
    writer.list(order, ", ", |writer, sort| {
        write_collated(writer, &sort.expression, row);
        // SQLite's own place for NULLs is left unsaid: only then can an index give the order.
        match (sort.direction, sort.nulls_first) {
            (Direction::Ascending, true) => {}
            (Direction::Ascending, false) => {
                writer.syntax(" NULLS LAST");
            }
            (Direction::Descending, false) => {
                writer.syntax(" DESC");
            }
            (Direction::Descending, true) => {
                writer.syntax(" DESC NULLS FIRST");
            }
        }
    });
}
