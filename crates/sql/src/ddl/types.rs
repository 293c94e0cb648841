//! The data types of declarations and casts.

use std::sync::Arc;

use catalog::{Domain, Snapshot};
use datatype::{EnumType, Type};
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, Spanned, TimezoneInfo};
use sqlparser::tokenizer::Location;

use super::names;
use super::problem::{NOWHERE, Outcome, Problem};

/// A column's declared type.
pub(super) enum Declared {
    /// A type.
    Type(Type),
    /// `serial` and its like: the type of the numbers.
    Serial(Type),
    /// A domain.
    Domain(Arc<Domain>),
}

/// The type of a column's declaration.
pub(super) fn declared(snapshot: &Snapshot, data_type: &DataType, at: Location) -> Outcome<Declared> {
    if let DataType::Custom(name, modifiers) = data_type
        && modifiers.is_empty()
        && let Some(number) = serial(name)
    {
        return Ok(Declared::Serial(number));
    }
    if let Some(domain) = find_domain(snapshot, data_type) {
        return Ok(Declared::Domain(domain.clone()));
    }
    resolve(snapshot, data_type, at).map(Declared::Type)
}

/// The domain that a type names.
pub(super) fn find_domain<'a>(snapshot: &'a Snapshot, data_type: &DataType) -> Option<&'a Arc<Domain>> {
    let DataType::Custom(name, modifiers) = data_type else { return None };
    let name = names::qualified(name).ok().filter(|_| modifiers.is_empty())?;
    snapshot.domains.iter().find(|domain| domain.name == name)
}

fn serial(name: &ObjectName) -> Option<Type> {
    let parts = names::parts(name).ok()?;
    let [name] = parts.as_slice() else {
        return None;
    };
    Some(match name.as_str() {
        "serial" | "serial4" => Type::Integer,
        "bigserial" | "serial8" => Type::BigInteger,
        "smallserial" | "serial2" => Type::SmallInteger,
        _ => return None,
    })
}

/// The type that a declaration or a cast names. `at` is used where the type itself has no place.
pub(super) fn resolve(snapshot: &Snapshot, data_type: &DataType, at: Location) -> Outcome<Type> {
    Ok(match data_type {
        DataType::Bool | DataType::Boolean => Type::Boolean,
        DataType::SmallInt(None) | DataType::Int2(None) => Type::SmallInteger,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Type::Integer,
        DataType::BigInt(None) | DataType::Int8(None) => Type::BigInteger,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(*info, at)?,
        DataType::Real | DataType::Float4 => Type::Real,
        DataType::DoublePrecision | DataType::Float8 | DataType::Float(ExactNumberInfo::None) => Type::Double,
        DataType::Float(ExactNumberInfo::Precision(bits)) => float(*bits, at)?,
        DataType::Text => Type::Text,
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            varchar(*length, at)?
        }
        DataType::Uuid => Type::Uuid,
        DataType::Date => Type::Date,
        DataType::Time(precision, zone) => {
            check_precision(*precision, data_type, at)?;
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Type::Time,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => {
                    return Err(unavailable(data_type, at));
                }
            }
        }
        DataType::Timestamp(precision, zone) => {
            check_precision(*precision, data_type, at)?;
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Type::Timestamp,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Type::TimestampTz,
            }
        }
        DataType::Interval { fields: None, precision: None } => Type::Interval,
        DataType::JSON => Type::Json,
        DataType::JSONB => Type::Jsonb,
        DataType::Bytea => Type::Bytea,
        DataType::Custom(name, modifiers) => custom(snapshot, name, modifiers, data_type, at)?,
        _ => return Err(unavailable(data_type, at)),
    })
}

fn custom(
    snapshot: &Snapshot,
    name: &ObjectName,
    modifiers: &[String],
    data_type: &DataType,
    at: Location,
) -> Outcome<Type> {
    let at = if name.span().start == NOWHERE { at } else { name.span().start };
    let parts = names::parts(name)?;
    let (schema, bare) = match parts.as_slice() {
        [bare] => (None, bare.as_str()),
        [schema, bare] => (Some(schema.as_str()), bare.as_str()),
        _ => return Err(unavailable(data_type, at)),
    };
    if find_domain(snapshot, data_type).is_some() {
        return Err(Problem::refused(
            at,
            format!("the domain {bare} here"),
            "a domain can only be the type of a column on the embedded engine",
            "instead, write the type behind it",
        ));
    }
    if let Some(definition) = find_enum(snapshot, schema, bare) {
        return Ok(Type::Enum(definition.clone()));
    }
    if schema.is_none_or(|schema| schema == "pg_catalog") && modifiers.is_empty() {
        match Type::from_name(bare) {
            Some(found) => return Ok(found),
            None if serial(name).is_some() => {
                return Err(Problem::invalid(at, format!("type \"{bare}\" can only be that of a column")));
            }
            None => {}
        }
    }
    Err(unavailable(data_type, at))
}

/// An enumeration by name; without a schema it is looked for in `public`.
pub(super) fn find_enum<'a>(snapshot: &'a Snapshot, schema: Option<&str>, name: &str) -> Option<&'a Arc<EnumType>> {
    let schema = schema.unwrap_or("public");
    snapshot.enums.iter().find(|definition| &*definition.name.schema == schema && &*definition.name.name == name)
}

fn numeric(info: ExactNumberInfo, at: Location) -> Outcome<Type> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(Type::Numeric(None)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let precision = u16::try_from(precision).ok().filter(|precision| (1..=1000).contains(precision));
    let Some(precision) = precision else {
        return Err(Problem::invalid(at, "the precision of numeric must be between 1 and 1000"));
    };
    let scale = i16::try_from(scale).ok().filter(|scale| (-1000..=1000).contains(scale));
    let Some(scale) = scale else {
        return Err(Problem::invalid(at, "the scale of numeric must be between -1000 and 1000"));
    };
    Ok(Type::Numeric(Some((precision, scale))))
}

fn float(bits: u64, at: Location) -> Outcome<Type> {
    match bits {
        1..=24 => Ok(Type::Real),
        25..=53 => Ok(Type::Double),
        _ => Err(Problem::invalid(at, "the precision of float must be between 1 and 53 bits")),
    }
}

fn varchar(length: Option<CharacterLength>, at: Location) -> Outcome<Type> {
    match length {
        None => Ok(Type::Varchar(None)),
        Some(CharacterLength::IntegerLength { length, .. }) => u32::try_from(length)
            .ok()
            .filter(|length| (1..=10_485_760).contains(length))
            .map(|length| Type::Varchar(Some(length)))
            .ok_or_else(|| Problem::invalid(at, "the length of varchar must be between 1 and 10485760")),
        Some(CharacterLength::Max) => Err(Problem::invalid(at, "varchar(max) is not a type of PostgreSQL")),
    }
}

fn check_precision(precision: Option<u64>, data_type: &DataType, at: Location) -> Outcome<()> {
    if precision.is_none_or(|precision| precision == 6) {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        spelled(data_type),
        "times are kept in microseconds and are not rounded to fewer digits",
        "instead, leave the precision out",
    ))
}

/// The type as it was written, in lower case.
fn spelled(data_type: &DataType) -> String {
    data_type.to_string().to_ascii_lowercase()
}

/// Why a type is not there, and what to use for it.
fn unavailable(data_type: &DataType, at: Location) -> Problem {
    let name = spelled(data_type);
    let bare = name.split('(').next().unwrap_or_default().trim();
    let bare = bare.rsplit('.').next().unwrap_or_default().trim_matches('"');
    let (why, instead) = match data_type {
        DataType::Array(element) => (
            "arrays are not available on the embedded engine yet",
            match element {
                ArrayElemTypeDef::SquareBracket(..) | ArrayElemTypeDef::None => {
                    "instead, use jsonb, or a table of its own with a foreign key"
                }
                _ => "instead, use jsonb",
            },
        ),
        DataType::Char(_) | DataType::Character(_) => {
            ("char(n) pads with blanks", "instead, use varchar(n), or text with a CHECK on its length")
        }
        DataType::Interval { .. } => (
            "fields and precision of intervals are not available on the embedded engine",
            "instead, write interval alone",
        ),
        DataType::TsVector | DataType::TsQuery => (
            "full-text search is not available on the embedded engine yet",
            "instead, use text and filter with ilike or a regular expression",
        ),
        DataType::Bit(_) | DataType::BitVarying(_) | DataType::VarBit(_) => {
            ("bit strings are not available on the embedded engine", "instead, use text, bytea or boolean columns")
        }
        DataType::GeometricType(_) => {
            ("geometric types are not available on the embedded engine", "instead, use double precision columns")
        }
        DataType::Time(..) => {
            ("time with time zone is not available on the embedded engine", "instead, use time, or timestamptz")
        }
        _ => match bare {
            "money" => ("money is not available on the embedded engine", "instead, use numeric(12,2)"),
            "inet" | "cidr" | "macaddr" | "macaddr8" => {
                ("network addresses are not available on the embedded engine", "instead, use text")
            }
            "xml" => ("xml is not available on the embedded engine", "instead, use text"),
            "citext" => ("citext is not available on the embedded engine", "instead, use text and compare lower(...)"),
            "int4range" | "int8range" | "numrange" | "tsrange" | "tstzrange" | "daterange" => (
                "ranges are not available on the embedded engine yet",
                "instead, use two columns with a CHECK that the one is not after the other",
            ),
            "vector" | "halfvec" => ("vectors are not available on the embedded engine yet", "instead, use jsonb"),
            "geometry" | "geography" => {
                ("PostGIS is not available on the embedded engine", "instead, use double precision columns")
            }
            "hstore" => ("hstore is not available on the embedded engine", "instead, use jsonb"),
            "bpchar" | "char" => ("char(n) pads with blanks", "instead, use varchar(n) or text"),
            "datetime" => ("there is no such type in PostgreSQL", "instead, use timestamptz"),
            "blob" => ("there is no such type in PostgreSQL", "instead, use bytea"),
            "string" | "nvarchar" | "clob" => ("there is no such type in PostgreSQL", "instead, use text"),
            "double" => ("there is no such type in PostgreSQL", "instead, use double precision"),
            "tinyint" => ("there is no such type in PostgreSQL", "instead, use smallint"),
            _ => {
                return Problem::invalid(at, format!("type \"{name}\" does not exist")).instead(
                    "create it before it is used: CREATE TYPE ... AS ENUM; names without a schema mean the schema public",
                );
            }
        },
    };
    Problem::refused(at, name, why, instead)
}
