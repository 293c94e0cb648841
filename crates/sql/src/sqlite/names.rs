//! How names and types stand in SQLite.

use base::QualifiedName;
use datatype::{EnumType, Type};

/// How a column's values are kept in SQLite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The column's declared class in a `STRICT` table: `INTEGER`, `REAL`, `TEXT` or `BLOB`.
    pub class: &'static str,
    /// The collation that gives its values PostgreSQL's order, unless bytes do.
    pub collation: Option<String>,
}

/// The table's name inside the file: `zones` for `public.zones`, `ops.zones` (one identifier) for other schemas.
pub fn physical_name(name: &QualifiedName) -> String {
    if &*name.schema == "public" { name.name.to_string() } else { format!("{}.{}", name.schema, name.name) }
}

/// An identifier in double quotes, quotes inside doubled.
pub fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The collation that orders an enumeration's labels.
pub fn enum_collation(definition: &EnumType) -> String {
    format!("pg_enum_{}_{}", definition.name.schema, definition.name.name)
}

/// How values of a type are kept.
pub fn storage(data_type: &Type) -> Storage {
    let class = match data_type {
        Type::Boolean
        | Type::SmallInteger
        | Type::Integer
        | Type::BigInteger
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::TimestampTz => "INTEGER",
        Type::Real | Type::Double => "REAL",
        Type::Bytea => "BLOB",
        Type::Numeric(_)
        | Type::Text
        | Type::Varchar(_)
        | Type::Uuid
        | Type::Interval
        | Type::Json
        | Type::Jsonb
        | Type::Enum(_)
        | Type::Native(_) => "TEXT",
    };
    Storage { class, collation: collation(data_type) }
}

/// The collation under which two values of the type compare as on PostgreSQL; `None` where SQLite's own order does.
pub fn collation(data_type: &Type) -> Option<String> {
    match data_type {
        Type::Numeric(_) => Some("pg_numeric".to_owned()),
        Type::Jsonb => Some("pg_jsonb".to_owned()),
        Type::Interval => Some("pg_interval".to_owned()),
        Type::Enum(definition) => Some(enum_collation(definition)),
        _ => None,
    }
}
