use std::fmt;
use std::sync::Arc;

use base::QualifiedName;
use serde::{Deserialize, Serialize};

/// An enumeration: its labels in the order of their declaration, which is their sort order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    /// The type's name.
    pub name: QualifiedName,
    /// The labels, smallest first.
    pub labels: Vec<Arc<str>>,
}

/// A type that only a PostgreSQL server knows: how it is compared, read and printed is the server's own affair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeType {
    /// Its name.
    pub name: QualifiedName,
    /// As `format_type` prints it, which is how it may stand in a statement: `text[]`, `public.citext`.
    pub shown: Arc<str>,
    /// Of what kind it is.
    pub kind: NativeKind,
}

/// The kinds of native type, as far as they are treated differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NativeKind {
    /// An array of elements of a type.
    Array(Type),
    /// A row type.
    Composite,
    /// `tsvector`, which full text is searched in as it is.
    TextSearch,
    /// Anything else.
    Other,
}

/// The data types of PostgreSQL that Pando stores, compares and prints on every engine.
///
/// The value of a type is a [`crate::Datum`]; which variant belongs to which type is said at each one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// `boolean`: `Integer` 0 or 1.
    Boolean,
    /// `smallint`: `Integer`.
    SmallInteger,
    /// `integer`: `Integer`.
    Integer,
    /// `bigint`: `Integer`.
    BigInteger,
    /// `numeric`, with precision and scale where they are declared: `Text`, as PostgreSQL prints it.
    Numeric(Option<(u16, i16)>),
    /// `real`: `Real`, rounded to single precision.
    Real,
    /// `double precision`: `Real`. Never NaN, which SQLite cannot store.
    Double,
    /// `text`: `Text`.
    Text,
    /// `character varying`, with its longest length in characters: `Text`.
    Varchar(Option<u32>),
    /// `uuid`: `Text`, lower case with hyphens.
    Uuid,
    /// `date`: `Integer`, days since 1970-01-01; `i64::MIN` and `i64::MAX` are the infinities.
    Date,
    /// `time without time zone`: `Integer`, microseconds since midnight.
    Time,
    /// `timestamp without time zone`: `Integer`, microseconds since 1970; infinities as for `Date`.
    Timestamp,
    /// `timestamp with time zone`: `Integer`, microseconds since 1970 UTC; infinities as for `Date`.
    TimestampTz,
    /// `interval`: `Text`, as PostgreSQL's style `postgres` prints it.
    Interval,
    /// `json`: `Text`, as it was given.
    Json,
    /// `jsonb`: `Text`, in PostgreSQL's canonical print (`{"a": 1}`).
    Jsonb,
    /// `bytea`: `Bytes`.
    Bytea,
    /// An enumeration: `Text`, the label.
    Enum(Arc<EnumType>),
    /// Any other type: `Text`, as PostgreSQL prints it. Only a PostgreSQL server has values of it.
    Native(Arc<NativeType>),
}

impl Type {
    /// The type that a name in DDL or in a `::cast` means, aliases included (`int4`, `varchar`, `timestamptz`).
    /// Case and runs of blanks do not matter; modifiers are not part of a name. Enumerations are not known here.
    pub fn from_name(name: &str) -> Option<Self> {
        let words: Vec<String> = name.split_whitespace().map(str::to_ascii_lowercase).collect();
        Some(match words.join(" ").as_str() {
            "boolean" | "bool" => Self::Boolean,
            "smallint" | "int2" => Self::SmallInteger,
            "integer" | "int" | "int4" => Self::Integer,
            "bigint" | "int8" => Self::BigInteger,
            "numeric" | "decimal" => Self::Numeric(None),
            "real" | "float4" => Self::Real,
            "double precision" | "float8" | "float" => Self::Double,
            "text" => Self::Text,
            "character varying" | "varchar" => Self::Varchar(None),
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            _ => return None,
        })
    }

    /// PostgreSQL's full name without modifiers, as its messages print it: `character varying`.
    /// Enumerations give their bare name.
    pub fn name(&self) -> &str {
        match self {
            Self::Boolean => "boolean",
            Self::SmallInteger => "smallint",
            Self::Integer => "integer",
            Self::BigInteger => "bigint",
            Self::Numeric(_) => "numeric",
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Text => "text",
            Self::Varchar(_) => "character varying",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Bytea => "bytea",
            Self::Enum(definition) => &definition.name.name,
            Self::Native(definition) => &definition.shown,
        }
    }

    /// `smallint`, `integer` or `bigint`.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::SmallInteger | Self::Integer | Self::BigInteger)
    }

    /// `real` or `double precision`.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Real | Self::Double)
    }

    /// Any type of number.
    pub fn is_number(&self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Numeric(_))
    }

    /// `text` or `character varying`.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_))
    }

    /// `json` or `jsonb`.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::Json | Self::Jsonb)
    }

    /// The type without its modifiers: what an expression over it has.
    pub fn without_modifier(&self) -> Self {
        match self {
            Self::Numeric(_) => Self::Numeric(None),
            Self::Varchar(_) => Self::Varchar(None),
            other => other.clone(),
        }
    }

    /// A number that stands for the type, modifiers included, where only a number can be handed over: the
    /// argument of an SQL function. `None` for enumerations.
    pub fn code(&self) -> Option<i64> {
        let kind: i64 = match self {
            Self::Boolean => 1,
            Self::SmallInteger => 2,
            Self::Integer => 3,
            Self::BigInteger => 4,
            Self::Numeric(_) => 5,
            Self::Real => 6,
            Self::Double => 7,
            Self::Text => 8,
            Self::Varchar(_) => 9,
            Self::Uuid => 10,
            Self::Date => 11,
            Self::Time => 12,
            Self::Timestamp => 13,
            Self::TimestampTz => 14,
            Self::Json => 15,
            Self::Jsonb => 16,
            Self::Bytea => 17,
            Self::Interval => 18,
            Self::Enum(_) | Self::Native(_) => return None,
        };
        // Bits 0-7 the kind, bit 8 whether there is a modifier, bits 9-40 precision or length, 41-56 the scale.
        let modifier: i64 = match self {
            Self::Numeric(Some((precision, scale))) => {
                1 | (i64::from(*precision) << 1) | (i64::from(scale.cast_unsigned()) << 33)
            }
            Self::Varchar(Some(length)) => 1 | (i64::from(*length) << 1),
            _ => 0,
        };
        Some(kind | (modifier << 8))
    }

    /// The type that a [`Type::code`] stands for.
    pub fn from_code(code: i64) -> Option<Self> {
        let modifier = code >> 8;
        let has_modifier = modifier & 1 == 1;
        let length = u32::try_from((modifier >> 1) & 0xffff_ffff).ok()?;
        let scale = u16::try_from((modifier >> 33) & 0xffff).ok()?.cast_signed();
        Some(match code & 0xff {
            1 => Self::Boolean,
            2 => Self::SmallInteger,
            3 => Self::Integer,
            4 => Self::BigInteger,
            5 if has_modifier => Self::Numeric(Some((u16::try_from(length).ok()?, scale))),
            5 => Self::Numeric(None),
            6 => Self::Real,
            7 => Self::Double,
            8 => Self::Text,
            9 => Self::Varchar(has_modifier.then_some(length)),
            10 => Self::Uuid,
            11 => Self::Date,
            12 => Self::Time,
            13 => Self::Timestamp,
            14 => Self::TimestampTz,
            15 => Self::Json,
            16 => Self::Jsonb,
            17 => Self::Bytea,
            18 => Self::Interval,
            _ => return None,
        })
    }
}

impl fmt::Display for Type {
    /// With modifiers, as PostgreSQL's `format_type` prints it: `numeric(12,2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Varchar(Some(length)) => write!(f, "character varying({length})"),
            other => f.write_str(other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        let types = [
            Type::Boolean,
            Type::Numeric(None),
            Type::Numeric(Some((12, 2))),
            Type::Numeric(Some((5, -2))),
            Type::Varchar(Some(8)),
            Type::Varchar(None),
            Type::Jsonb,
            Type::Bytea,
            Type::Interval,
        ];
        for data_type in types {
            let code = data_type.code().expect("has a code");
            assert_eq!(Type::from_code(code), Some(data_type));
        }
    }
}
