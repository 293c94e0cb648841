use std::cmp::Ordering;

use crate::{DatumRef, EnumType, Type, interval, json, numeric};

/// The order of two values of a type, as PostgreSQL's btree keeps them in the C locale. NULL, and what is not
/// of the type's form, comes last; the order is total.
pub fn compare(data_type: &Type, left: DatumRef<'_>, right: DatumRef<'_>) -> Ordering {
    match (left, right) {
        (DatumRef::Integer(left), DatumRef::Integer(right)) => left.cmp(&right),
        (DatumRef::Text(left), DatumRef::Text(right)) => compare_texts(data_type, left, right),
        (DatumRef::Real(left), DatumRef::Real(right)) => compare_reals(left, right),
        (DatumRef::Bytes(left), DatumRef::Bytes(right)) => left.cmp(right),
        (DatumRef::Integer(_) | DatumRef::Real(_), DatumRef::Integer(_) | DatumRef::Real(_)) => {
            compare_reals(as_real(left), as_real(right))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

fn compare_texts(data_type: &Type, left: &str, right: &str) -> Ordering {
    match data_type {
        Type::Numeric(_) => numeric::compare_text(left, right),
        Type::Interval => interval::compare_text(left, right),
        Type::Json | Type::Jsonb => json::compare(left, right),
        Type::Enum(definition) => {
            place(definition, left).cmp(&place(definition, right)).then_with(|| {
                // Labels that are unknown share the last place.
                if place(definition, left) < definition.labels.len() { Ordering::Equal } else { left.cmp(right) }
            })
        }
        _ => left.cmp(right),
    }
}

fn place(definition: &EnumType, label: &str) -> usize {
    definition.labels.iter().position(|known| &**known == label).unwrap_or(definition.labels.len())
}

/// Negative zero equals zero; NaN, which is not stored, would be the largest.
fn compare_reals(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn as_real(value: DatumRef<'_>) -> f64 {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "compared with a floating point number")]
        DatumRef::Integer(value) => value as f64,
        DatumRef::Real(value) => value,
        _ => f64::NAN,
    }
}

fn rank(value: DatumRef<'_>) -> u8 {
    match value {
        DatumRef::Integer(_) | DatumRef::Real(_) => 0,
        DatumRef::Text(_) => 1,
        DatumRef::Bytes(_) => 2,
        DatumRef::Null => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use base::QualifiedName;

    #[test]
    fn orders() {
        let tier = Type::Enum(Arc::new(EnumType {
            name: QualifiedName::new("public", "tier"),
            labels: vec!["basic".into(), "plus".into(), "gold".into()],
        }));
        let text = DatumRef::Text;
        for (data_type, left, right, order) in [
            (&Type::Text, text("Z"), text("a"), Ordering::Less),
            (&Type::Text, text("é"), text("z"), Ordering::Greater),
            (&Type::Numeric(None), text("10"), text("9.5"), Ordering::Greater),
            (&tier, text("gold"), text("plus"), Ordering::Greater),
            (&Type::Double, DatumRef::Real(-0.0), DatumRef::Real(0.0), Ordering::Equal),
            (&Type::Double, DatumRef::Real(f64::INFINITY), DatumRef::Real(1.0), Ordering::Greater),
            (&Type::Text, DatumRef::Null, text("z"), Ordering::Greater),
            (&Type::Bytea, DatumRef::Bytes(&[1]), DatumRef::Bytes(&[1, 0]), Ordering::Less),
        ] {
            assert_eq!(compare(data_type, left, right), order, "{left:?} {right:?}");
        }
    }
}
