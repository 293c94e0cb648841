//! Values that nobody thought of, as SQL expressions under the name of their type.

use testkit::Chance;

/// Characters that mean something to JSON, arrays or SQL, and some that do not.
const CHARACTERS: [&str; 24] = [
    "a", "B", "0", " ", ",", ";", "\"", "'", "\\", "{", "}", "[", "]", "\n", "\t", "\r", "\u{8}", "\u{c}", "\u{b}",
    "\u{1}", "é", "😀", "NULL", "\u{7f}",
];
/// The days that `date` has, counted from 2000.
const DAYS_OF_DATE: (i64, i64) = (-2_451_545, 2_145_031_948);
/// The days that `timestamp` has, counted from 2000.
const DAYS_OF_TIMESTAMP: (i64, i64) = (-2_451_545, 106_751_982);
/// The days of the years 1800 to 2200.
const DAYS_OF_CLOCKS: (i64, i64) = (-73_048, 73_049);
const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// So many values of every kind.
pub fn values(chance: &mut Chance, count: u64) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for _ in 0..count {
        for kind in KINDS {
            let (name, expression) = kind(chance);
            values.push((name.to_owned(), expression.clone()));
            // The same value between NULL and itself, as an array of a random lower bound.
            let lower = within(chance, (-3, 3));
            let array = format!(
                "array_cat(array_fill(NULL::{name}, ARRAY[1], ARRAY[{lower}]), ARRAY[CAST({expression} AS {name})])"
            );
            values.push((format!("{name}[]"), array));
        }
    }
    values
}

type Kind = fn(&mut Chance) -> (&'static str, String);

const KINDS: [Kind; 17] = [
    |chance| ("int2", format!("'{}'", bits(chance) as i16)),
    |chance| ("int4", format!("'{}'", bits(chance) as i32)),
    |chance| ("int8", format!("'{}'", bits(chance))),
    |chance| ("oid", format!("'{}'", bits(chance) as u32)),
    |chance| ("float4", format!("'{:e}'", finite_single(chance))),
    |chance| ("float8", format!("'{:e}'", finite(chance))),
    |chance| ("float8", format!("'{}'", (bits(chance) % 100_000_000) as f64 / 1000.0)),
    |chance| ("numeric", numeric(chance)),
    |chance| ("text", string(&text(chance))),
    |chance| ("jsonb", format!("to_jsonb({}::text)", string(&text(chance)))),
    |chance| ("bytea", format!("'\\x{:016x}'", chance.number())),
    |chance| ("uuid", format!("'{:016x}{:016x}'", chance.number(), chance.number())),
    |chance| ("date", format!("'2000-01-01'::date + {}", within(chance, DAYS_OF_DATE))),
    |chance| ("timestamp", timestamp(chance)),
    |chance| ("timestamptz", format!("({}) AT TIME ZONE 'UTC'", timestamp(chance))),
    |chance| ("interval", interval(chance)),
    |chance| ("inet", inet(chance)),
];

/// Numbers of any magnitude.
fn bits(chance: &mut Chance) -> i64 {
    chance.number().cast_signed() >> chance.below(64)
}

fn within(chance: &mut Chance, (first, last): (i64, i64)) -> i64 {
    first + chance.below((last - first + 1).cast_unsigned()).cast_signed()
}

fn finite(chance: &mut Chance) -> f64 {
    loop {
        let value = f64::from_bits(chance.number());
        if value.is_finite() {
            return value;
        }
    }
}

fn finite_single(chance: &mut Chance) -> f32 {
    loop {
        let value = f32::from_bits(chance.number() as u32);
        if value.is_finite() {
            return value;
        }
    }
}

fn numeric(chance: &mut Chance) -> String {
    let mut digits = |longest: u64| -> String {
        (0..chance.below(longest)).map(|_| if chance.below(3) == 0 { '0' } else { digit(chance) }).collect()
    };
    let (whole, fraction) = (digits(30), digits(30));
    let sign = if chance.below(2) == 0 { "-" } else { "" };
    format!("'{sign}0{whole}.{fraction}e{}'", within(chance, (-40, 40)))
}

fn digit(chance: &mut Chance) -> char {
    char::from(b'0' + chance.below(10) as u8)
}

fn text(chance: &mut Chance) -> String {
    (0..chance.below(24)).map(|_| CHARACTERS[chance.below(CHARACTERS.len() as u64) as usize]).collect()
}

/// An SQL string that holds the text.
fn string(text: &str) -> String {
    format!("convert_from('\\x{}', 'UTF8')", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn timestamp(chance: &mut Chance) -> String {
    let days = if chance.below(2) == 0 { DAYS_OF_TIMESTAMP } else { DAYS_OF_CLOCKS };
    let clock = within(chance, (0, MICROSECONDS_PER_DAY - 1));
    format!("('2000-01-01'::date + {})::timestamp + '{clock} microseconds'::interval", within(chance, days))
}

fn interval(chance: &mut Chance) -> String {
    let months = bits(chance) as i32;
    let days = bits(chance) as i32;
    format!("'{months} months {days} days {} microseconds'", bits(chance) >> 1)
}

fn inet(chance: &mut Chance) -> String {
    if chance.below(3) == 0 {
        let [a, b, c, d] = (chance.number() as u32).to_be_bytes();
        return format!("'{a}.{b}.{c}.{d}/{}'", chance.below(33));
    }
    let words: Vec<String> = (0..8)
        .map(|_| match chance.below(4) {
            0 | 1 => 0,
            2 => 0xffff,
            _ => chance.number() as u16,
        })
        .map(|word| format!("{word:x}"))
        .collect();
    format!("'{}/{}'", words.join(":"), chance.below(129))
}
