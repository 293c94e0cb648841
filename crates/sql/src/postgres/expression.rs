//! Expressions and `FROM` in PostgreSQL's words.

use base::QualifiedName;
use catalog::{
    Binary, Direction, Expression, From, Function, Join, JoinKind, NativeArguments, NativeCall, NativeFunction,
    NativeOperator, Place, Query, RowCount, SearchQuery, Sort, Source, SourceId,
};
use datatype::{Datum, NativeKind, Type};

use crate::statement::Parameter;
use crate::writer::Writer;

/// Behind the alias of a source: its row, also where a column is called like the alias.
pub(super) const WHOLE: &str = ".*";

/// Appends the alias of a source.
pub(super) fn alias(writer: &mut Writer, source: SourceId) {
    writer.syntax("s").number(u64::from(source.0));
}

/// Appends a relation's or function's full name.
pub(super) fn write_name(writer: &mut Writer, name: &QualifiedName) {
    writer.identifier(&name.schema).syntax(".").identifier(&name.name);
}

/// Appends an expression.
pub(super) fn write(writer: &mut Writer, expression: &Expression) {
    match expression {
        Expression::Column { source, name, .. } => {
            alias(writer, *source);
            writer.syntax(".").identifier(name);
        }
        Expression::Value { value, data_type, place } => write_value(writer, value, data_type, *place),
        Expression::Call { function, arguments, .. } => write_call(writer, function, arguments),
        Expression::Binary { operator, left, right } => {
            writer.syntax("(");
            write(writer, left);
            writer.syntax(infix(*operator));
            write(writer, right);
            writer.syntax(")");
        }
        Expression::And(parts) => write_logic(writer, parts, " AND ", "true"),
        Expression::Or(parts) => write_logic(writer, parts, " OR ", "false"),
        Expression::Not(operand) => {
            writer.syntax("(NOT ");
            write(writer, operand);
            writer.syntax(")");
        }
        Expression::IsNull(operand) => write_test(writer, operand, " IS NULL)"),
        Expression::IsBoolean { operand, value } => {
            write_test(writer, operand, if *value { " IS TRUE)" } else { " IS FALSE)" });
        }
        Expression::In { operand, list } => write_in(writer, operand, list),
        Expression::InQuery { operand, query } => {
            writer.syntax("(");
            write(writer, operand);
            writer.syntax(" IN (");
            write_query(writer, query);
            writer.syntax("))");
        }
        Expression::Exists(query) => {
            writer.syntax("EXISTS (");
            write_query(writer, query);
            writer.syntax(")");
        }
        Expression::Scalar(query) => {
            writer.syntax("(");
            write_query(writer, query);
            writer.syntax(")");
        }
        Expression::Case { branches, otherwise, .. } => {
            writer.syntax("CASE");
            for (condition, outcome) in branches {
                writer.syntax(" WHEN ");
                write(writer, condition);
                writer.syntax(" THEN ");
                write(writer, outcome);
            }
            if let Some(otherwise) = otherwise {
                writer.syntax(" ELSE ");
                write(writer, otherwise);
            }
            writer.syntax(" END");
        }
        Expression::Cast { operand, data_type } => {
            writer.syntax("CAST(");
            write(writer, operand);
            writer.syntax(" AS ");
            write_type(writer, data_type);
            writer.syntax(")");
        }
        Expression::JsonGet { operand, path, as_text } => write_path(writer, operand, path, *as_text),
    }
}

/// A value of the request has no type: the server gives it the one that its place asks for.
fn write_value(writer: &mut Writer, value: &Datum, data_type: &Type, place: Place) {
    match (value, data_type) {
        (Datum::Null, _) => writer.syntax("NULL"),
        (Datum::Integer(0), Type::Boolean) => writer.syntax("false"),
        (Datum::Integer(_), Type::Boolean) => writer.syntax("true"),
        (value, _) => writer.placed(value, place),
    };
}

fn write_logic(writer: &mut Writer, parts: &[Expression], separator: &'static str, empty: &'static str) {
    match parts {
        [] => {
            writer.syntax(empty);
        }
        [only] => write(writer, only),
        parts => {
            writer.syntax("(");
            writer.list(parts, separator, write);
            writer.syntax(")");
        }
    }
}

fn write_test(writer: &mut Writer, operand: &Expression, test: &'static str) {
    writer.syntax("(");
    write(writer, operand);
    writer.syntax(test);
}

/// `operand = ANY ($1)`: one text, however long the list is. Its elements are read as the operand's type.
fn write_in(writer: &mut Writer, operand: &Expression, list: &[Expression]) {
    writer.syntax("(");
    write(writer, operand);
    writer.syntax(" = ANY (").parameter(Parameter::Value(Datum::Text(array_literal(list)))).syntax("))");
}

/// Texts as the literal of an array.
fn array_literal(list: &[Expression]) -> String {
    let mut literal = String::from("{");
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match item {
            Expression::Value { value: Datum::Text(text), .. } => push_element(text, &mut literal),
            _ => literal.push_str("NULL"),
        }
    }
    literal.push('}');
    literal
}

/// An element of an array literal, quoted.
fn push_element(text: &str, literal: &mut String) {
    literal.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal.push('"');
}

/// `operand -> key ->> key`. A key is the same parameter wherever it stands: then a group and what is selected of it are one.
fn write_path(writer: &mut Writer, operand: &Expression, path: &[Expression], as_text: bool) {
    writer.syntax("(");
    write(writer, operand);
    for (place, step) in path.iter().enumerate() {
        let is_last = place + 1 == path.len();
        writer.syntax(if is_last && as_text { "->>" } else { "->" });
        match step {
            Expression::Value { value: Datum::Text(key), .. } => {
                writer.shared_text(key).syntax("::text");
            }
            Expression::Value { value: Datum::Integer(index), .. } => {
                writer.shared_text(&index.to_string()).syntax("::integer");
            }
            other => write(writer, other),
        }
    }
    writer.syntax(")");
}

fn infix(operator: Binary) -> &'static str {
    match operator {
        Binary::Equal => " = ",
        Binary::NotEqual => " <> ",
        Binary::Less => " < ",
        Binary::LessOrEqual => " <= ",
        Binary::Greater => " > ",
        Binary::GreaterOrEqual => " >= ",
        Binary::IsDistinctFrom => " IS DISTINCT FROM ",
        Binary::Concatenate => " || ",
        Binary::Like => " LIKE ",
        Binary::ILike => " ILIKE ",
        Binary::Match => " ~ ",
        Binary::IMatch => " ~* ",
        Binary::Add => " + ",
        Binary::Subtract => " - ",
        Binary::Multiply => " * ",
        Binary::Divide => " / ",
        Binary::Modulo => " % ",
    }
}

/// Appends the name of a type.
fn write_type(writer: &mut Writer, data_type: &Type) {
    match data_type {
        Type::Enum(definition) => write_name(writer, &definition.name),
        Type::Native(native) => match &native.kind {
            NativeKind::Array(element) => {
                write_type(writer, element);
                writer.syntax("[]");
            }
            _ if native.name.schema.is_empty() => {
                writer.identifier(&native.name.name);
            }
            _ => write_name(writer, &native.name),
        },
        Type::Boolean => drop(writer.syntax("boolean")),
        Type::SmallInteger => drop(writer.syntax("smallint")),
        Type::Integer => drop(writer.syntax("integer")),
        Type::BigInteger => drop(writer.syntax("bigint")),
        Type::Numeric(_) => drop(writer.syntax("numeric")),
        Type::Real => drop(writer.syntax("real")),
        Type::Double => drop(writer.syntax("double precision")),
        Type::Text => drop(writer.syntax("text")),
        Type::Varchar(_) => drop(writer.syntax("character varying")),
        Type::Uuid => drop(writer.syntax("uuid")),
        Type::Date => drop(writer.syntax("date")),
        Type::Time => drop(writer.syntax("time without time zone")),
        Type::Timestamp => drop(writer.syntax("timestamp without time zone")),
        Type::TimestampTz => drop(writer.syntax("timestamp with time zone")),
        Type::Interval => drop(writer.syntax("interval")),
        Type::Json => drop(writer.syntax("json")),
        Type::Jsonb => drop(writer.syntax("jsonb")),
        Type::Bytea => drop(writer.syntax("bytea")),
    }
}

fn write_call(writer: &mut Writer, function: &Function, arguments: &[Expression]) {
    if let Function::Native(native) = function {
        return write_native(writer, native, arguments);
    }
    if matches!(function, Function::Count { .. }) && arguments.is_empty() {
        writer.syntax("count(*)");
        return;
    }
    writer.syntax(match function {
        Function::Count { is_distinct: true } => "count(DISTINCT ",
        Function::Count { is_distinct: false } => "count(",
        Function::Sum => "sum(",
        Function::Avg => "avg(",
        Function::Min => "min(",
        Function::Max => "max(",
        // Requests have no others: what schemas call, the server calls itself.
        _ => "pando_unexpected(",
    });
    writer.list(arguments, ", ", write);
    writer.syntax(")");
}

fn write_native(writer: &mut Writer, function: &NativeFunction, arguments: &[Expression]) {
    match (function, arguments) {
        (NativeFunction::Operator(operator), [left, right]) => {
            writer.syntax("(");
            write(writer, left);
            writer.syntax(match operator {
                NativeOperator::Contains => " @> ",
                NativeOperator::ContainedBy => " <@ ",
                NativeOperator::Overlaps => " && ",
                NativeOperator::StrictlyLeft => " << ",
                NativeOperator::StrictlyRight => " >> ",
                NativeOperator::NotRightOf => " &< ",
                NativeOperator::NotLeftOf => " &> ",
                NativeOperator::Adjacent => " -|- ",
            });
            write(writer, right);
            writer.syntax(")");
        }
        (NativeFunction::Quantified { operator, is_all }, [left, right]) => {
            writer.syntax("(");
            write(writer, left);
            writer.syntax(infix(*operator)).syntax(if *is_all { "ALL (" } else { "ANY (" });
            write(writer, right);
            writer.syntax("))");
        }
        (NativeFunction::Search { query, is_document }, [searched, asked, rest @ ..]) => {
            write_search(writer, *query, *is_document, searched, asked, rest.first());
        }
        (NativeFunction::IsUnknown, [operand]) => write_test(writer, operand, " IS UNKNOWN)"),
        (NativeFunction::ToJsonb, [operand]) => {
            writer.syntax("to_jsonb(");
            write(writer, operand);
            writer.syntax(")");
        }
        (NativeFunction::Apply(function), [operand]) => {
            write_name(writer, function);
            writer.syntax("(");
            write(writer, operand);
            writer.syntax(")");
        }
        (NativeFunction::ApplyEach(function), values) => {
            writer.syntax("SELECT ");
            write_name(writer, function);
            writer.syntax("(element) FROM unnest(");
            writer.parameter(Parameter::Value(Datum::Text(array_literal(values)))).syntax("::text[]) AS element");
        }
        (NativeFunction::HasRow(source), _) => {
            writer.syntax("(");
            alias(writer, *source);
            writer.syntax(WHOLE).syntax(" IS DISTINCT FROM NULL)");
        }
        _ => {
            writer.syntax("pando_unexpected()");
        }
    }
}

/// `to_tsvector(configuration, document) @@ to_tsquery(configuration, query)`
fn write_search(
    writer: &mut Writer,
    query: SearchQuery,
    is_document: bool,
    searched: &Expression,
    asked: &Expression,
    configuration: Option<&Expression>,
) {
    let write_configuration = |writer: &mut Writer| {
        if let Some(configuration) = configuration {
            write(writer, configuration);
            writer.syntax("::regconfig, ");
        }
    };
    writer.syntax("(");
    if is_document {
        writer.syntax("to_tsvector(");
        write_configuration(writer);
        write(writer, searched);
        writer.syntax(")");
    } else {
        write(writer, searched);
    }
    writer.syntax(" @@ ").syntax(match query {
        SearchQuery::ToTsquery => "to_tsquery(",
        SearchQuery::Plain => "plainto_tsquery(",
        SearchQuery::Phrase => "phraseto_tsquery(",
        SearchQuery::WebSearch => "websearch_to_tsquery(",
    });
    write_configuration(writer);
    write(writer, asked);
    writer.syntax("))");
}

/// Appends a query of a condition: only `EXISTS` has one.
fn write_query(writer: &mut Writer, query: &Query) {
    writer.syntax("SELECT ");
    if query.projections.is_empty() {
        writer.syntax("1");
    }
    writer.list(&query.projections, ", ", |writer, projection| write(writer, &projection.expression));
    if let Some(from) = &query.from {
        write_from(writer, from);
    }
    if let Some(filter) = &query.filter {
        writer.syntax(" WHERE ");
        write(writer, filter);
    }
    for (keyword, count) in [(" LIMIT ", &query.limit), (" OFFSET ", &query.offset)] {
        if let Some(RowCount::Number(number)) = count {
            writer.syntax(keyword).row_count(*number);
        }
    }
}

/// Appends ` FROM ...`.
pub(super) fn write_from(writer: &mut Writer, from: &From) {
    writer.syntax(" FROM ");
    write_source(writer, &from.first);
    write_joins(writer, &from.joins);
}

/// Appends what is joined.
pub(super) fn write_joins(writer: &mut Writer, joins: &[Join]) {
    for join in joins {
        writer.syntax(match join.kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        write_source(writer, &join.source);
        if let Some(on) = &join.on {
            writer.syntax(" ON ");
            write(writer, on);
        }
    }
}

fn write_source(writer: &mut Writer, source: &Source) {
    match source {
        Source::Relation { id, name } => {
            write_name(writer, name);
            writer.syntax(" AS ");
            alias(writer, *id);
        }
        Source::Query { id, query } => {
            writer.syntax("(");
            write_query(writer, query);
            writer.syntax(") AS ");
            alias(writer, *id);
        }
        Source::Call { id, call } => write_function(writer, *id, call),
    }
}

/// The call of a function in `FROM`, with its arguments beside it.
fn write_function(writer: &mut Writer, id: SourceId, call: &NativeCall) {
    if let NativeArguments::Named { document, arguments } = &call.arguments
        && !arguments.is_empty()
    {
        writer.syntax("json_to_record(");
        write(writer, document);
        writer.syntax("::json) AS arguments(");
        writer.list(arguments, ", ", |writer, argument| {
            writer.identifier(&argument.name).syntax(" ").printed_by_engine(&argument.type_name);
        });
        writer.syntax("), LATERAL ");
    }
    writer.syntax(if call.is_selected { "(SELECT " } else { "" });
    write_name(writer, &call.name);
    writer.syntax("(");
    write_arguments(writer, &call.arguments);
    writer.syntax(if call.is_selected { ")) AS " } else { ") AS " });
    alias(writer, id);
    if let Some(name) = &call.value_name {
        writer.syntax("(").identifier(name).syntax(")");
    }
}

fn write_arguments(writer: &mut Writer, arguments: &NativeArguments) {
    match arguments {
        NativeArguments::Row { source, column } => {
            alias(writer, *source);
            match column {
                Some(column) => writer.syntax(".").identifier(column),
                None => writer.syntax(WHOLE),
            };
        }
        NativeArguments::Whole { value, type_name } => {
            write(writer, value);
            writer.syntax("::").printed_by_engine(type_name);
        }
        NativeArguments::Named { arguments, .. } => {
            writer.list(arguments, ", ", |writer, argument| {
                writer.syntax(if argument.is_variadic { "VARIADIC " } else { "" });
                writer.identifier(&argument.name).syntax(" := arguments.").identifier(&argument.name);
            });
        }
    }
}

/// Appends ` WHERE ...`: the filter, and keys that must be equal.
pub(super) fn write_conditions(writer: &mut Writer, filter: &[Expression], keys: &[(&Expression, &Expression)]) {
    if filter.is_empty() && keys.is_empty() {
        return;
    }
    writer.syntax(" WHERE ");
    writer.list(keys, " AND ", |writer, (inner, outer)| {
        write(writer, inner);
        writer.syntax(" = ");
        write(writer, outer);
    });
    if !keys.is_empty() && !filter.is_empty() {
        writer.syntax(" AND ");
    }
    writer.list(filter, " AND ", write);
}

/// Appends ` ORDER BY ...`, or nothing without terms.
pub(super) fn write_order(writer: &mut Writer, order: &[Sort]) {
    if order.is_empty() {
        return;
    }
    writer.syntax(" ORDER BY ");
    writer.list(order, ", ", |writer, sort| {
        write(writer, &sort.expression);
        // The server's own place for NULLs is left unsaid: only then can an index give the order.
        writer.syntax(match (sort.direction, sort.nulls_first) {
            (Direction::Ascending, false) => "",
            (Direction::Ascending, true) => " NULLS FIRST",
            (Direction::Descending, true) => " DESC",
            (Direction::Descending, false) => " DESC NULLS LAST",
        });
    });
}
