//! Values of every type, those of `tests/binary/values.txt` and random ones, in binary form from a real PostgreSQL, which
//! the test starts. `datatype::binary` has to print each as the same server does: by `to_json`, as `text`, and by its
//! output function, in several time zones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a panic is how a test fails"
)]

#[path = "binary/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use datatype::Zone;
use datatype::binary::{Array, Decoder, Record};
use testkit::{Chance, Postgres, is_skipped, more_steps};

const VALUES: &str = include_str!("binary/values.txt");
/// Fewer would mean that the file is not read to its end.
const FEWEST_VALUES: usize = 430;
/// Random values of each kind.
const RANDOM: u64 = 40;
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];
/// `record`.
const RECORD: u32 = 2249;
/// `record[]`.
const RECORDS: u32 = 2287;
/// `void`, which has no values that could be sent here.
const VOID: u32 = 2278;
/// The types of the schema itself have OIDs from here on.
const FIRST_OF_SCHEMA: u32 = 16_384;
const ENUMERATION: &str = r#"CREATE TYPE mood AS ENUM ('sad', 'so so', '"ok"', 'NULL');"#;

fn postgres(test: &str) -> Option<Postgres> {
    let postgres = Postgres::start();
    let hint = "install it: apt-get install postgresql-15";
    if is_skipped(test, postgres.is_none(), "PostgreSQL", hint) {
        return None;
    }
    postgres.inspect(|postgres| drop(postgres.run(ENUMERATION)))
}

#[test]
fn values_print_as_postgresql_prints_them() {
    let test = "values_print_as_postgresql_prints_them";
    let Some(postgres) = postgres(test) else { return };
    let mut values = written_down(version(&postgres));
    assert!(values.len() >= FEWEST_VALUES, "only {} values", values.len());
    values.extend(random::values(&mut Chance::announced(test), RANDOM + more_steps()));
    let types = Types::of(&postgres, &values);
    types.assert_complete();
    let mut wrong = Vec::new();
    for zone in ZONES {
        compare(&postgres, zone, &values, &types, &mut wrong);
    }
    eprintln!("{} values in {} time zones, three forms each", values.len(), ZONES.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The server's major version.
fn version(postgres: &Postgres) -> u32 {
    let printed = postgres.run("SHOW server_version_num;");
    printed.trim().parse::<u32>().expect("a number") / 10_000
}

/// The sections of the file that a server of the version understands: type and expression.
fn written_down(version: u32) -> Vec<(String, String)> {
    let mut section = ("", 0);
    let mut values = Vec::new();
    for line in VALUES.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = head.split_once(" since ").map_or((head, 0), |(name, since)| (name, since.parse().unwrap()));
        } else if section.1 <= version {
            values.push((section.0.to_owned(), line.to_owned()));
        }
    }
    values
}

/// What the server says of the types: the OID and the name of the function that sends them.
struct Types {
    by_name: BTreeMap<String, (u32, String)>,
}

impl Types {
    fn of(postgres: &Postgres, values: &[(String, String)]) -> Self {
        let names: BTreeSet<&String> = values.iter().map(|(name, _)| name).collect();
        let mut script = String::new();
        for name in &names {
            let _ = writeln!(script, "SELECT oid, typsend FROM pg_type WHERE oid = $type${name}$type$::regtype;");
        }
        let printed = postgres.run(&script);
        let rows: Vec<_> = printed.lines().map(|line| line.split_once('|').expect("two columns")).collect();
        assert_eq!(rows.len(), names.len());
        let by_name = names.into_iter().zip(rows);
        Self {
            by_name: by_name.map(|(name, (oid, send))| (name.clone(), (oid.parse().unwrap(), send.into()))).collect(),
        }
    }

    /// Every decoder met a value.
    fn assert_complete(&self) {
        let met: BTreeSet<u32> = self.by_name.values().map(|(oid, _)| *oid).collect();
        for oid in (0..FIRST_OF_SCHEMA).filter(|oid| Decoder::of(*oid).is_some() && *oid != VOID) {
            assert!(met.contains(&oid), "no value of the type with the OID {oid}");
        }
    }

    fn decoder(&self, name: &str) -> Decoder {
        match name {
            "mood" => Decoder::text(),
            "mood[]" => Decoder::array_of(Decoder::text()).unwrap(),
            _ => Decoder::of(self.by_name[name].0).unwrap_or_else(|| panic!("{name} has no decoder")),
        }
    }
}

fn compare(postgres: &Postgres, zone: &str, values: &[(String, String)], types: &Types, wrong: &mut Vec<String>) {
    let mut script = format!("SET TimeZone = '{zone}';\n");
    for (name, expression) in values {
        let hex = |text: &str| format!("encode(convert_to({text}, 'UTF8'), 'hex')");
        let forms = [hex("to_json(v)::text"), hex("v::text"), hex("format('%s', v)")].join(", ");
        let send = &types.by_name[name].1;
        let _ = writeln!(
            script,
            "SELECT encode({send}(v), 'hex'), {forms} FROM (SELECT CAST({expression} AS {name})) AS value(v);"
        );
    }
    let printed = postgres.run(&script);
    let rows: Vec<Vec<Vec<u8>>> = printed.lines().map(|line| line.split('|').map(from_hex).collect()).collect();
    assert_eq!(rows.len(), values.len());
    let parsed = Zone::from_name(zone).unwrap();
    for ((name, expression), row) in values.iter().zip(rows) {
        let decoder = types.decoder(name);
        let forms = [Decoder::write_json, Decoder::write_text, Decoder::write_output];
        for (write, theirs) in forms.iter().zip(&row[1..]) {
            let mut ours = Vec::new();
            let answer = write(&decoder, &row[0], &parsed, &mut ours);
            if answer.is_err() || &ours != theirs {
                let (theirs, ours) = (String::from_utf8_lossy(theirs), String::from_utf8_lossy(&ours));
                wrong.push(format!(
                    "{name} {expression} in {zone}\n  PostgreSQL {theirs:.200}\n  here       {ours:.200} {answer:?}"
                ));
            }
        }
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("hexadecimal") as u8;
    pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

/// Arrays have the decoder of their elements, in PostgreSQL's own words.
#[test]
fn array_types_are_those_of_the_catalog() {
    let Some(postgres) = postgres("array_types_are_those_of_the_catalog") else { return };
    let printed = postgres.run("SELECT oid, typarray FROM pg_type WHERE typarray <> 0 AND oid < 16384 ORDER BY oid;");
    let mut known = 0;
    for line in printed.lines() {
        let (element, array) = line.split_once('|').unwrap();
        let (element, array): (u32, u32) = (element.parse().unwrap(), array.parse().unwrap());
        assert_eq!(Decoder::of(array), Decoder::of(element).and_then(Decoder::array_of), "{line}");
        known += usize::from(Decoder::of(array).is_some());
    }
    let arrays = (0..FIRST_OF_SCHEMA).filter_map(Decoder::of).filter(|decoder| decoder.is_array()).count();
    assert_eq!(known, arrays, "every array that is known is one of the catalog");
}

#[test]
fn void_prints_as_postgresql_prints_it() {
    let Some(postgres) = postgres("void_prints_as_postgresql_prints_it") else { return };
    let mut out = Vec::new();
    Decoder::of(VOID).unwrap().write_json(&[], &Zone::Utc, &mut out).unwrap();
    assert_eq!(postgres.run("SELECT to_json(pg_sleep(0));").trim_end().as_bytes(), out);
}

/// Rows whose fields are read by the readers and printed by the decoders.
const ROWS: [&str; 9] = [
    "ROW()",
    "ROW(NULL)",
    "ROW(1, 'a \"b\"'::text, NULL, true, 1.50, '2024-07-01 12:00+00'::timestamptz)",
    "ROW(ROW(1, ROW('x'::text)), 2)",
    "ROW(ARRAY[1, NULL], '{}'::text[], ARRAY[[1, 2], [3, 4]])",
    "ROW(ARRAY[ROW(1, 'x'::text), NULL, ROW(2, NULL)])",
    "ROW(ARRAY[[ROW(1)], [ROW(2)]])",
    "ROW((SELECT array_agg(ROW(i, i::text)) FROM generate_series(1, 200) i))",
    "ROW('{}'::json, '{\"a\": [1]}'::jsonb, 'x'::name, 'y'::varchar)",
];

#[test]
fn records_are_read_as_postgresql_sends_them() {
    let Some(postgres) = postgres("records_are_read_as_postgresql_sends_them") else { return };
    for row in ROWS {
        let script = format!("SELECT encode(record_send(v), 'hex'), to_json(v) FROM (SELECT {row}) AS value(v);");
        let printed = postgres.run(&script);
        let (bytes, theirs) = printed.trim_end().split_once('|').unwrap();
        let mut ours = Vec::new();
        write_record(&from_hex(bytes), &mut ours);
        assert_eq!(String::from_utf8(ours).unwrap(), theirs, "{row}");
    }
}

fn write_record(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, field) in Record::read(bytes).unwrap().enumerate() {
        let (oid, value) = field.unwrap();
        let separator = if index > 0 { "," } else { "" };
        out.extend(format!("{separator}\"f{}\":", index + 1).bytes());
        match value {
            None => out.extend(b"null"),
            Some(bytes) => write_field(oid, bytes, out),
        }
    }
    out.push(b'}');
}

fn write_field(oid: u32, bytes: &[u8], out: &mut Vec<u8>) {
    match oid {
        RECORD => write_record(bytes, out),
        RECORDS => {
            let array = Array::read(bytes).unwrap();
            let lengths: Vec<usize> = array.dimensions().iter().map(|dimension| dimension.length).collect();
            write_records(&lengths, &mut array.elements().map(Result::unwrap), out);
        }
        _ => Decoder::of(oid).unwrap().write_json(bytes, &Zone::Utc, out).unwrap(),
    }
}

fn write_records<'a>(lengths: &[usize], elements: &mut impl Iterator<Item = Option<&'a [u8]>>, out: &mut Vec<u8>) {
    let Some((length, inner)) = lengths.split_first() else {
        return match elements.next().unwrap() {
            None => out.extend(b"null"),
            Some(bytes) => write_record(bytes, out),
        };
    };
    out.push(b'[');
    for index in 0..*length {
        if index > 0 {
            out.push(b',');
        }
        write_records(inner, elements, out);
    }
    out.push(b']');
}
