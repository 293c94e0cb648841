//! The names of columns that have none.

use sqlparser::ast::{self, DataType, Expr, FunctionArguments, SelectItem};

use super::names;

/// The name that PostgreSQL gives to a column without one; `None` is `?column?`.
pub(super) fn output_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(names::identifier(ident)),
        Expr::CompoundIdentifier(idents) => idents.last().map(names::identifier),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => output_name(inner),
        Expr::Function(function) => {
            let name = names::parts(&function.name).ok()?.pop()?;
            // A bare keyword is a function to the parser only.
            let is_keyword = matches!(function.args, FunctionArguments::None);
            Some(if is_keyword { name.to_ascii_lowercase() } else { name })
        }
        Expr::Cast { expr: inner, data_type, .. } => output_name(inner).or_else(|| Some(type_name(data_type))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        Expr::Case { else_result, .. } => {
            else_result.as_deref().and_then(output_name).or_else(|| Some("case".to_owned()))
        }
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        Expr::Subquery(query) => match &*query.body {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::UnnamedExpr(expr) => output_name(expr),
                SelectItem::ExprWithAlias { alias, .. } => Some(names::identifier(alias)),
                _ => None,
            },
            _ => None,
        },
        Expr::Value(value) => matches!(value.value, ast::Value::Boolean(_)).then(|| "bool".to_owned()),
        _ => None,
    }
}

/// The internal name of a type, which an unnamed cast gives to its column.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean | DataType::Bool => "bool".to_owned(),
        DataType::SmallInt(_) | DataType::Int2(_) => "int2".to_owned(),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4".to_owned(),
        DataType::BigInt(_) | DataType::Int8(_) => "int8".to_owned(),
        DataType::Real | DataType::Float4 => "float4".to_owned(),
        DataType::DoublePrecision | DataType::Float8 | DataType::Float(_) => "float8".to_owned(),
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric".to_owned(),
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar".to_owned(),
        DataType::Timestamp(_, zone) => match zone {
            ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone => "timestamp".to_owned(),
            _ => "timestamptz".to_owned(),
        },
        other => {
            let name = other.to_string().to_ascii_lowercase();
            name.split(['(', ' ']).next().unwrap_or_default().trim_matches('"').to_owned()
        }
    }
}
