//! Properties that hold for every type: nothing panics, and what is printed reads back as the same value.

use std::cmp::Ordering;
use std::sync::Arc;

use base::QualifiedName;
use proptest::prelude::*;

use crate::{
    Arithmetic, Average, Datum, DatumRef, EnumType, Sum, Type, Zone, arithmetic, array, cast, compare, from_json, json,
    parse, parse_in, write_json, write_output, write_text,
};

fn types() -> Vec<Type> {
    vec![
        Type::Boolean,
        Type::SmallInteger,
        Type::Integer,
        Type::BigInteger,
        Type::Numeric(None),
        Type::Numeric(Some((12, 2))),
        Type::Numeric(Some((3, -2))),
        Type::Real,
        Type::Double,
        Type::Text,
        Type::Varchar(None),
        Type::Varchar(Some(3)),
        Type::Uuid,
        Type::Date,
        Type::Time,
        Type::Timestamp,
        Type::TimestampTz,
        Type::Json,
        Type::Jsonb,
        Type::Bytea,
        Type::Enum(Arc::new(EnumType {
            name: QualifiedName::new("public", "mood"),
            labels: vec!["sad".into(), "ok".into()],
        })),
    ]
}

fn zones() -> Vec<Zone> {
    ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]
        .into_iter()
        .map(|name| Zone::from_name(name).unwrap())
        .collect()
}

fn output(data_type: &Type, value: &Datum, zone: &Zone) -> String {
    let mut out = Vec::new();
    write_output(data_type, value.as_ref(), zone, &mut out);
    String::from_utf8(out).unwrap()
}

/// Texts that look like values of some type.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{0,6}\\.?[0-9]{0,4}([eE][-+]?[0-9]{1,3})?",
        "[0-9]{1,5}[-/.][0-9]{1,2}[-/.][0-9]{1,3}[ T]?([0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]{0,7})?)?)?([-+][0-9:]{1,6}|Z| UTC| BC| PM)?",
        "([0-9]{1,20}|[-+:/.,]|[a-z]{1,4}|Jan|T|J| |America/New_York|utc[-+][0-9]{1,20}|infinity|epoch|BC|dst){1,7}",
        "[\\[\\]{}\",:0-9a-f\\\\u ]{0,16}",
        "(\\\\x)?[0-9a-f]{0,8}",
        Just("true".to_owned()),
        Just("null".to_owned()),
    ]
}

/// Values of any shape, also of shapes that their type does not have.
fn values() -> impl Strategy<Value = Datum> {
    prop_oneof![
        Just(Datum::Null),
        any::<i64>().prop_map(Datum::Integer),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MIN + 1), Just(i64::MAX - 1), Just(0), Just(-1)]
            .prop_map(Datum::Integer),
        any::<f64>().prop_map(Datum::Real),
        texts().prop_map(Datum::Text),
        any::<Vec<u8>>().prop_map(Datum::Bytes),
    ]
}

proptest! {
    #[test]
    fn printed_values_read_back(
        data_type in proptest::sample::select(types()),
        zone in proptest::sample::select(zones()),
        text in texts(),
    ) {
        if let Ok(value) = parse_in(&data_type, &text, &zone) {
            let printed = output(&data_type, &value, &zone);
            let again = parse_in(&data_type, &printed, &zone).unwrap();
            prop_assert_eq!(&again, &value, "{} printed as {}", text, printed);
            let mut json_text = Vec::new();
            write_json(&data_type, value.as_ref(), &zone, &mut json_text);
            let json_text = String::from_utf8(json_text).unwrap();
            prop_assert_eq!(json::validate(&json_text), Ok(()));
            // JSON null is read as NULL, whatever the type.
            if json_text != "null" && zone == Zone::Utc && !json_text.ends_with(" BC\"") {
                let from_json = from_json(&data_type, &json_text, &Zone::Utc).unwrap();
                prop_assert_eq!(compare(&data_type, from_json.as_ref(), value.as_ref()), Ordering::Equal);
            }
        }
    }

    #[test]
    fn integers_and_moments_read_back(
        data_type in proptest::sample::select(vec![Type::Date, Type::Timestamp, Type::TimestampTz, Type::Double]),
        zone in proptest::sample::select(zones()),
        value in prop_oneof![-210_866_716_800_000_000..i64::MAX - 86_400_000_000, -4_000_000_000_000_000..4_000_000_000_000_000_i64],
        real in any::<f64>(),
    ) {
        let value = match data_type {
            Type::Double if real.is_nan() => Datum::Real(0.5),
            Type::Double => Datum::Real(real),
            Type::Date => Datum::Integer(value.rem_euclid(2_147_483_494) - 2_440_588),
            _ => Datum::Integer(value),
        };
        let printed = output(&data_type, &value, &zone);
        prop_assert_eq!(parse_in(&data_type, &printed, &zone), Ok(value), "{}", printed);
    }

    #[test]
    fn nothing_panics(
        from in proptest::sample::select(types()),
        to in proptest::sample::select(types()),
        zone in proptest::sample::select(zones()),
        left in values(),
        right in values(),
        text in texts(),
    ) {
        let _ = parse(&from, &text);
        let _ = from_json(&from, &text, &Zone::Utc);
        let _ = array::parse_literal(&text);
        for value in [left.as_ref(), right.as_ref()] {
            let mut out = Vec::new();
            write_json(&from, value, &zone, &mut out);
            write_text(&from, value, &zone, &mut out);
            write_output(&from, value, &zone, &mut out);
            let _ = cast(&from, &to, value, &zone);
            let (mut sum, mut average) = (Sum::new(&from), Average::new(&from));
            for value in [value, right.as_ref()] {
                let _ = sum.add(value);
                let _ = average.add(value);
            }
            let _ = sum.finish();
            let _ = average.finish();
        }
        let _ = Zone::from_name(&text);
        use Arithmetic::{Add, Divide, Modulo, Multiply, Subtract};
        for operator in [Add, Subtract, Multiply, Divide, Modulo] {
            let _ = arithmetic(operator, &from, left.as_ref(), right.as_ref());
        }
    }

    #[test]
    fn order_is_total(
        data_type in proptest::sample::select(types()),
        a in values(),
        b in values(),
        c in values(),
    ) {
        let order = |left: &Datum, right: &Datum| compare(&data_type, left.as_ref(), right.as_ref());
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        if order(&a, &b) != Ordering::Greater && order(&b, &c) != Ordering::Greater {
            prop_assert_ne!(order(&a, &c), Ordering::Greater);
        }
        prop_assert_ne!(compare(&data_type, DatumRef::Null, a.as_ref()), Ordering::Less);
    }
}
