//! Types: what stands behind an oid.

use std::collections::HashMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{CompositeType, Representation};
use datatype::{EnumType, NativeKind, NativeType, Type};

use super::rows::Row;

/// A row of `pg_type`.
pub(super) struct TypeRow {
    oid: u32,
    name: QualifiedName,
    shown: Arc<str>,
    is_enum: bool,
    is_domain: bool,
    is_composite: bool,
    is_array: bool,
    element: u32,
    base: u32,
    refuses_null: bool,
    modifier: i32,
    labels: Vec<Arc<str>>,
}

/// Reads a row of `TYPES`.
pub(super) fn read(row: &Row<'_>) -> Option<TypeRow> {
    let kind = row.text(4);
    Some(TypeRow {
        oid: row.number(0),
        name: row.name(1)?,
        shown: Arc::from(row.text(3)?),
        is_enum: kind == Some("e"),
        is_domain: kind == Some("d"),
        is_composite: kind == Some("c"),
        is_array: row.text(5) == Some("A"),
        element: row.number(6),
        base: row.number(7),
        refuses_null: row.is_true(8),
        modifier: row.modifier(9),
        labels: row.list(10),
    })
}

/// A domain.
struct Domain {
    name: QualifiedName,
    /// The type under it and all domains between.
    base: u32,
    /// Whether it, or a domain that it is over, refuses NULL.
    refuses_null: bool,
}

/// The types that are not built in, by their oid.
#[derive(Default)]
pub(super) struct Types {
    by_oid: HashMap<u32, Type>,
    enums: Vec<Arc<EnumType>>,
    /// Of a row type that is no relation's: its members.
    members: HashMap<u32, Vec<(Arc<str>, Type)>>,
    domains: HashMap<u32, Domain>,
    /// Of a domain: how it looks outside.
    representations: HashMap<u32, Arc<Representation>>,
}

/// Domains over domains, arrays of domains, domains over arrays: deeper than this nobody nests them.
const DEEPEST: usize = 32;

impl Types {
    pub(super) fn of(rows: &[TypeRow]) -> Self {
        let mut types = Self::default();
        let by_oid: HashMap<u32, &TypeRow> = rows.iter().map(|row| (row.oid, row)).collect();
        for row in rows {
            types.resolve(row.oid, &by_oid, 0);
            if row.is_domain {
                types.domains.insert(row.oid, domain(row, &by_oid));
            }
        }
        types
    }

    /// The member of a row type that is no relation's.
    pub(super) fn add_member(&mut self, row: &Row<'_>) {
        let Some(name) = row.text(1).map(Arc::<str>::from) else { return };
        let data_type = self.get(row.number(2), row.modifier(3)).unwrap_or_else(|| unknown(row.text(4)));
        self.members.entry(row.number(0)).or_default().push((name, data_type));
    }

    /// The row types that are no relation's, by name.
    pub(super) fn composites(&self) -> Vec<Arc<CompositeType>> {
        let named = self.members.iter().filter_map(|(oid, members)| {
            let Some(Type::Native(native)) = self.by_oid.get(oid) else { return None };
            Some(Arc::new(CompositeType { name: native.name.clone(), members: members.clone() }))
        });
        let mut composites: Vec<_> = named.collect();
        composites.sort_by(|left, right| left.name.cmp(&right.name));
        composites
    }

    /// A cast that says how a domain looks outside.
    pub(super) fn add_representation(&mut self, row: &Row<'_>) {
        let Some(function) = row.name(2) else { return };
        let found = Arc::make_mut(self.representations.entry(row.number(0)).or_default());
        match row.text(1) {
            Some("to json") => found.to_json = Some(function),
            Some("from json") => found.from_json = Some(function),
            _ => found.from_text = Some(function),
        }
    }

    /// How values look outside, if it is a domain that says so.
    pub(super) fn representation(&self, oid: u32) -> Option<&Arc<Representation>> {
        self.representations.get(&oid)
    }

    pub(super) fn into_enums(self) -> Vec<Arc<EnumType>> {
        self.enums
    }

    /// A type with its modifier.
    pub(super) fn get(&self, oid: u32, modifier: i32) -> Option<Type> {
        let found = builtin(oid).or_else(|| self.by_oid.get(&oid).cloned())?;
        Some(with_modifier(found, modifier))
    }

    /// The members of a row type that is no relation's.
    pub(super) fn members(&self, oid: u32) -> Option<&[(Arc<str>, Type)]> {
        self.members.get(&oid).map(Vec::as_slice)
    }

    /// The name, if it is a domain.
    pub(super) fn domain(&self, oid: u32) -> Option<&QualifiedName> {
        self.domains.get(&oid).map(|domain| &domain.name)
    }

    /// Whether it is a domain that refuses NULL.
    pub(super) fn refuses_null(&self, oid: u32) -> bool {
        self.domains.get(&oid).is_some_and(|domain| domain.refuses_null)
    }

    /// The type under a domain; any other type is its own.
    pub(super) fn base(&self, oid: u32) -> u32 {
        self.domains.get(&oid).map_or(oid, |domain| domain.base)
    }

    /// A type: a domain is what it is a domain over.
    fn resolve(&mut self, oid: u32, rows: &HashMap<u32, &TypeRow>, depth: usize) -> Option<Type> {
        if let Some(known) = builtin(oid).or_else(|| self.by_oid.get(&oid).cloned()) {
            return Some(known);
        }
        let row = rows.get(&oid).filter(|_| depth < DEEPEST)?;
        let native =
            |kind| Type::Native(Arc::new(NativeType { name: row.name.clone(), shown: row.shown.clone(), kind }));
        let found = if row.is_enum {
            let definition = Arc::new(EnumType { name: row.name.clone(), labels: row.labels.clone() });
            self.enums.push(definition.clone());
            Type::Enum(definition)
        } else if row.is_domain {
            with_modifier(self.resolve(row.base, rows, depth + 1)?, row.modifier)
        } else if row.is_composite {
            native(NativeKind::Composite)
        } else if row.is_array {
            let element = self.resolve(row.element, rows, depth + 1);
            native(element.map_or(NativeKind::Other, NativeKind::Array))
        } else if &*row.name.name == "tsvector" {
            native(NativeKind::TextSearch)
        } else {
            native(NativeKind::Other)
        };
        self.by_oid.insert(oid, found.clone());
        Some(found)
    }
}

fn domain(row: &TypeRow, rows: &HashMap<u32, &TypeRow>) -> Domain {
    let (mut base, mut refuses_null) = (row.base, row.refuses_null);
    for _ in 0..DEEPEST {
        let Some(below) = rows.get(&base).filter(|below| below.is_domain) else { break };
        refuses_null |= below.refuses_null;
        base = below.base;
    }
    Domain { name: row.name.clone(), base, refuses_null }
}

/// A type that nothing is known of but how it prints.
pub(super) fn unknown(shown: Option<&str>) -> Type {
    let shown: Arc<str> = Arc::from(shown.unwrap_or("text"));
    let name = QualifiedName::new("", shown.clone());
    Type::Native(Arc::new(NativeType { name, shown, kind: NativeKind::Other }))
}

/// The built-in types that both engines have (`pg_type.dat`).
fn builtin(oid: u32) -> Option<Type> {
    Some(match oid {
        16 => Type::Boolean,
        17 => Type::Bytea,
        20 => Type::BigInteger,
        21 => Type::SmallInteger,
        23 => Type::Integer,
        25 => Type::Text,
        114 => Type::Json,
        700 => Type::Real,
        701 => Type::Double,
        1043 => Type::Varchar(None),
        1082 => Type::Date,
        1083 => Type::Time,
        1114 => Type::Timestamp,
        1184 => Type::TimestampTz,
        1186 => Type::Interval,
        1700 => Type::Numeric(None),
        2950 => Type::Uuid,
        3802 => Type::Jsonb,
        _ => return None,
    })
}

/// `atttypmod` counts from 4; of a numeric, 16 bits of precision stand above 11 of scale. The modifier of a domain is its
/// own: a column of it has none.
fn with_modifier(data_type: Type, modifier: i32) -> Type {
    let Some(modifier) = modifier.checked_sub(4).and_then(|modifier| u32::try_from(modifier).ok()) else {
        return data_type;
    };
    match data_type {
        Type::Varchar(_) => Type::Varchar(Some(modifier)),
        Type::Numeric(_) => {
            let precision = u16::try_from(modifier >> 16).unwrap_or(0);
            let scale = i16::try_from(((modifier & 0x7ff) ^ 1024).cast_signed() - 1024).unwrap_or(0);
            Type::Numeric(Some((precision, scale)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_read_whatever_they_are() {
        assert_eq!(with_modifier(Type::Varchar(None), 14), Type::Varchar(Some(10)));
        assert_eq!(with_modifier(Type::Numeric(None), ((12 << 16) | 2) + 4), Type::Numeric(Some((12, 2))));
        assert_eq!(with_modifier(Type::Numeric(None), ((3 << 16) | (-2 & 0x7ff)) + 4), Type::Numeric(Some((3, -2))));
        for none in [-1, 0, 3, i32::MIN] {
            assert_eq!(with_modifier(Type::Varchar(None), none), Type::Varchar(None));
        }
    }
}
