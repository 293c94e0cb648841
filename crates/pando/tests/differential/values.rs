//! Values of each type: few enough that they meet each other, and some that are none.

use testkit::Chance;

use crate::relations::Kind;

/// One value in so many is none of its type.
const RARITY_OF_WRONG: u64 = 40;

const TEXTS: [&str; 14] =
    ["Ada", "ada", "Bo", "", "a,b", "x%y_z", "(q)", "Zoë", "say \"hi\"", "NULL", "back\\slash", " sp ", "10", "Bob"];
const PATTERNS: [&str; 14] =
    ["A*", "*a*", "*", "_o", "x\\%y*", "%\\%%", "", "bo", "*Ë", "z*", "B_b", "*\\_*", "*(*", "a,*"];
const EXPRESSIONS: [&str; 14] =
    ["^A", "a$", ".", "^$", "o+", "[ab]", "b|q", "^.{2}$", "\\d+", "x%y", "z", "(a|b)+$", "\\s", "^(Bo|10)$"];
const JSON: [&str; 11] = [
    r#"{"a":1,"b":{"c":"x"}}"#,
    r#"[1,2,{"a":null}]"#,
    r#""text""#,
    "5",
    "null",
    r#"{"a":"1","n":1.50}"#,
    "{}",
    "[]",
    "true",
    r#"{"a":[1,2,3],"b":null}"#,
    r#"{"n":1.5,"a":"1"}"#,
];

/// One of several.
pub fn one<T: Copy>(chance: &mut Chance, of: &[T]) -> T {
    of[usize::try_from(chance.below(of.len() as u64)).expect("an index")]
}

/// True once in so many times.
pub fn once_in(chance: &mut Chance, times: u64) -> bool {
    chance.below(times) == 0
}

/// A value as text, nearly always one of the type.
pub fn value(chance: &mut Chance, kind: Kind) -> String {
    if once_in(chance, RARITY_OF_WRONG) {
        return wrong(chance, kind).to_owned();
    }
    right(chance, kind).to_owned()
}

/// A value as text, always one of the type.
pub fn right(chance: &mut Chance, kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => one(chance, &["true", "false", "t", "f", "TRUE", "no", "on", "1"]),
        Kind::Date => one(chance, &["1999-12-31", "2020-02-29", "2021-07-01", "0044-03-15", "2021-07-02", "20200229"]),
        // SQLite keeps no sign of zero: docs/differences.md. Sums of these lose no digit, in whatever
        // order rows are added up.
        Kind::Double => one(chance, &["0.5", "-1.25", "2", "1e10", "0", "3.75", "125E-3"]),
        Kind::Integer => one(chance, &["0", "1", "2", "3", "4", "5", "7", "9", "12", "-3", "30", " 6", "+8"]),
        Kind::Json => one(chance, &JSON),
        Kind::Moment => one(
            chance,
            &[
                "2020-01-01T00:00:00Z",
                "2020-01-01 00:00:00+00",
                "2021-06-30T23:59:59.5+02:00",
                "2022-03-04 05:06:07.123456+00",
                "2022-03-04",
                "2021-01-01T12:00:00-03:30",
            ],
        ),
        Kind::Mood => one(chance, &["calm", "Busy", "angry"]),
        Kind::Numeric => one(chance, &["0", "1.1", "1.10", "-2.5", "100", "3.333", "1e2", "0.005", "12345.678"]),
        Kind::Text => one(chance, &TEXTS),
        Kind::Uuid => one(
            chance,
            &[
                "00000000-0000-4000-8000-0000000000a1",
                "00000000-0000-4000-8000-0000000000a2",
                "00000000-0000-4000-8000-0000000000A3",
                "{00000000000040008000-0000000000a1}",
            ],
        ),
    }
}

fn wrong(chance: &mut Chance, kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => one(chance, &["maybe", "2", ""]),
        Kind::Date => one(chance, &["2021-02-30", "yesterdayish", "", "2021-13-01"]),
        Kind::Double => one(chance, &["x", "", "1e999"]),
        Kind::Integer => one(chance, &["x", "1.5", "", "99999999999", "99999999999999999999", "0x10"]),
        Kind::Json => one(chance, &["{", "", "{'a':1}", "nul"]),
        Kind::Moment => one(chance, &["2021-01-01T25:00:00Z", "", "soon"]),
        Kind::Mood => one(chance, &["sad", "Calm", ""]),
        Kind::Numeric => one(chance, &["x", "", "1,5", "--1"]),
        Kind::Text => one(chance, &["null", "'", "a;b"]),
        Kind::Uuid => one(chance, &["00000000", "", "00000000-0000-4000-8000-0000000000g1"]),
    }
}

/// A value as JSON, nearly always one that the column takes.
pub fn json(chance: &mut Chance, kind: Kind) -> String {
    let text = value(chance, kind);
    written(chance, kind, text)
}

/// As [`json`], and never wrong.
pub fn right_json(chance: &mut Chance, kind: Kind) -> String {
    let text = right(chance, kind).to_owned();
    written(chance, kind, text)
}

fn written(chance: &mut Chance, kind: Kind, text: String) -> String {
    let is_bare = match kind {
        Kind::Json => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
        Kind::Double | Kind::Integer | Kind::Numeric => {
            serde_json::from_str::<serde_json::Number>(&text).is_ok() && !once_in(chance, 4)
        }
        Kind::Boolean => matches!(text.as_str(), "true" | "false"),
        _ => false,
    };
    if is_bare { text } else { serde_json::Value::String(text).to_string() }
}

/// What `like` and `ilike` take.
pub fn pattern(chance: &mut Chance) -> String {
    one(chance, &PATTERNS).to_owned()
}

/// What `match` and `imatch` take.
pub fn expression(chance: &mut Chance) -> String {
    one(chance, &EXPRESSIONS).to_owned()
}
