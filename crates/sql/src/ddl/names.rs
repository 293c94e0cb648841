//! Identifiers: folding, qualified names, and the names that PostgreSQL gives to constraints without one.

use base::QualifiedName;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Spanned};

use super::problem::{Outcome, Problem};

/// PostgreSQL's NAMEDATALEN less the closing zero: longer identifiers are cut.
const LONGEST: usize = 63;

/// An identifier as the catalog spells it: lower case unless quoted, at most 63 bytes.
pub(super) fn folded(value: &str, quote: Option<char>) -> String {
    let name = if quote.is_some() { value.to_owned() } else { value.to_ascii_lowercase() };
    cut(&name, LONGEST).to_owned()
}

/// See [`folded`].
pub(super) fn identifier(ident: &Ident) -> String {
    folded(&ident.value, ident.quote_style)
}

/// The parts of a name, one to three.
pub(super) fn parts(name: &ObjectName) -> Outcome<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(identifier(ident)),
            ObjectNamePart::Function(_) => Err(Problem::invalid(name.span(), "a function cannot stand in a name")),
        })
        .collect()
}

/// A name with its schema; without one it is in `public`.
pub(super) fn qualified(name: &ObjectName) -> Outcome<QualifiedName> {
    from_parts(&parts(name)?).ok_or_else(|| {
        Problem::invalid(name.span(), format!("\"{name}\" is not a name of the form name or schema.name"))
    })
}

/// See [`qualified`].
pub(super) fn from_parts(parts: &[String]) -> Option<QualifiedName> {
    match parts {
        [name] => Some(QualifiedName::new("public", name.as_str())),
        [schema, name] => Some(QualifiedName::new(schema.as_str(), name.as_str())),
        _ => None,
    }
}

/// The longest beginning of at most `bytes` bytes that ends between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// PostgreSQL's `makeObjectName`: `table_column_label`, the longer of the first two shortened until 63 bytes hold it.
pub(super) fn object_name(table: &str, column: Option<&str>, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(column.is_some());
    let room = LONGEST.saturating_sub(overhead);
    let (mut first, mut second) = (table.len(), column.map_or(0, str::len));
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    let table = cut(table, first);
    match column {
        Some(column) => format!("{table}_{}_{label}", cut(column, second)),
        None => format!("{table}_{label}"),
    }
}

/// The first of `label`, `label1`, `label2`... whose name is not taken.
pub(super) fn free_name(table: &str, column: Option<&str>, label: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = object_name(table, column, label);
    let mut pass = 0_u32;
    while taken(&name) {
        pass += 1;
        name = object_name(table, column, &format!("{label}{pass}"));
    }
    name
}

/// The middle of a name over several columns: `a_b_c`.
pub(super) fn joined<S: AsRef<str>>(columns: &[S]) -> String {
    let joined = columns.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("_");
    cut(&joined, LONGEST).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_postgresql() {
        assert_eq!(object_name("zones", None, "pkey"), "zones_pkey");
        assert_eq!(object_name("couriers", Some("depot_id"), "fkey"), "couriers_depot_id_fkey");
        let long = object_name(&"t".repeat(63), Some(&"c".repeat(63)), "check");
        assert_eq!(long, format!("{}_{}_check", "t".repeat(28), "c".repeat(28)));
        assert_eq!(free_name("a", Some("b"), "check", |name| name == "a_b_check"), "a_b_check1");
    }

    #[test]
    fn identifiers_fold_and_are_cut_between_characters() {
        assert_eq!(folded("GrÖße", None), "grÖße");
        assert_eq!(folded("Größe", Some('"')), "Größe");
        assert_eq!(folded(&"é".repeat(40), None).len(), 62);
    }
}
