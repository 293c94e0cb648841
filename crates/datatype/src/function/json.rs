//! JSON: made of other values, asked, changed.

use super::arguments::{Arguments, boolean, count, text};
use super::{Definition, nullable, nullable_zoned, strict, zoned};
use crate::json::{self, Change, Step};
use crate::output::write_json;
use crate::{Datum, Type, ValueError, array};

pub(super) const DEFINITIONS: &[Definition] = &[
    zoned("to_jsonb(any)", "jsonb", |a| canonical(&value_of(a, 0))),
    zoned("to_json(any)", "json", |a| text(value_of(a, 0))),
    strict("jsonb_build_array()", "jsonb", |_| text("[]")),
    strict("json_build_array()", "json", |_| text("[]")),
    strict("jsonb_build_object()", "jsonb", |_| text("{}")),
    strict("json_build_object()", "json", |_| text("{}")),
    nullable_zoned("jsonb_build_array(variadic any)", "jsonb", |a| canonical(&built_array(a))),
    nullable_zoned("json_build_array(variadic any)", "json", |a| text(built_array(a))),
    nullable_zoned("jsonb_build_object(variadic any)", "jsonb", |a| canonical(&built_object(a, &Type::Jsonb)?)),
    nullable_zoned("json_build_object(variadic any)", "json", |a| text(built_object(a, &Type::Json)?)),
    strict("jsonb_typeof(jsonb)", "text", |a| text(json::kind(a.text(0)?))),
    strict("json_typeof(json)", "text", |a| text(json::kind(a.text(0)?))),
    strict("jsonb_array_length(jsonb)", "integer", |a| array_length(a.text(0)?)),
    strict("json_array_length(json)", "integer", |a| array_length(a.text(0)?)),
    strict("jsonb_strip_nulls(jsonb)", "jsonb", |a| canonical(&stripped(a.text(0)?))),
    strict("json_strip_nulls(json)", "json", |a| text(stripped(a.text(0)?))),
    strict("jsonb_pretty(jsonb)", "text", |a| text(json::pretty(a.text(0)?)?)),
    strict("jsonb_extract_path(jsonb,variadic text)", "jsonb", |a| extracted(a, false)),
    strict("jsonb_extract_path_text(jsonb,variadic text)", "text", |a| extracted(a, true)),
    strict("json_extract_path(json,variadic text)", "json", |a| extracted(a, false)),
    strict("json_extract_path_text(json,variadic text)", "text", |a| extracted(a, true)),
    strict("jsonb_set(jsonb,text[],jsonb)", "jsonb", |a| changed(a, a.text(2)?, Change::Set { creates: true })),
    strict("jsonb_set(jsonb,text[],jsonb,boolean)", "jsonb", |a| {
        changed(a, a.text(2)?, Change::Set { creates: a.integer(3)? != 0 })
    }),
    strict("jsonb_insert(jsonb,text[],jsonb)", "jsonb", |a| changed(a, a.text(2)?, Change::Insert { after: false })),
    strict("jsonb_insert(jsonb,text[],jsonb,boolean)", "jsonb", |a| {
        changed(a, a.text(2)?, Change::Insert { after: a.integer(3)? != 0 })
    }),
    strict("#>(jsonb,text[])", "jsonb", |a| at_path(a, false)),
    strict("#>>(jsonb,text[])", "text", |a| at_path(a, true)),
    strict("#>(json,text[])", "json", |a| at_path(a, false)),
    strict("#>>(json,text[])", "text", |a| at_path(a, true)),
    strict("#-(jsonb,text[])", "jsonb", |a| changed(a, "null", Change::Delete)),
    strict("-(jsonb,text)", "jsonb", |a| text(json::without_key(a.text(0)?, a.text(1)?)?)),
    strict("-(jsonb,integer)", "jsonb", |a| text(json::without_index(a.text(0)?, a.integer(1)?)?)),
    strict("||(jsonb,jsonb)", "jsonb", |a| text(json::concatenated(a.text(0)?, a.text(1)?)?)),
    strict("@>(jsonb,jsonb)", "boolean", |a| boolean(json::contains(a.text(0)?, a.text(1)?)?)),
    strict("<@(jsonb,jsonb)", "boolean", |a| boolean(json::contains(a.text(1)?, a.text(0)?)?)),
    strict("?(jsonb,text)", "boolean", |a| boolean(json::has_key(a.text(0)?, &[a.text(1)?], true)?)),
    strict("?|(jsonb,text[])", "boolean", |a| has_keys(a, false)),
    strict("?&(jsonb,text[])", "boolean", |a| has_keys(a, true)),
    nullable("num_nulls(variadic any)", "integer", |a| count(nulls(a))),
    nullable("num_nonnulls(variadic any)", "integer", |a| count(a.len() - nulls(a))),
];

fn nulls(arguments: &Arguments<'_>) -> usize {
    (0..arguments.len()).filter(|index| arguments.is_null(*index)).count()
}

fn canonical(source: &str) -> Result<Datum, ValueError> {
    text(json::canonical(source)?)
}

/// An argument as `to_json` prints it.
fn value_of(arguments: &Arguments<'_>, index: usize) -> String {
    let mut out = Vec::new();
    write_json(arguments.data_type(index), arguments.value(index), arguments.zone, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn built_array(arguments: &Arguments<'_>) -> String {
    let items: Vec<String> = (0..arguments.len()).map(|index| value_of(arguments, index)).collect();
    format!("[{}]", items.join(", "))
}

fn built_object(arguments: &Arguments<'_>, kind: &Type) -> Result<String, ValueError> {
    if !arguments.len().is_multiple_of(2) {
        return Err(ValueError::new("22023", "argument list must have even number of elements"));
    }
    let mut members = Vec::new();
    for index in (0..arguments.len()).step_by(2) {
        if arguments.is_null(index) {
            let (sqlstate, message) = match kind {
                Type::Jsonb => ("22023", format!("argument {}: key must not be null", index + 1)),
                _ => ("22023", format!("argument {} cannot be null", index + 1)),
            };
            return Err(ValueError::new(sqlstate, message));
        }
        if arguments.data_type(index).is_json() {
            return Err(ValueError::new("22023", "key value must be scalar, not array, composite, or json"));
        }
        let mut key = value_of(arguments, index);
        if !key.starts_with('"') {
            key = format!("\"{key}\"");
        }
        members.push(format!("{key} : {}", value_of(arguments, index + 1)));
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

fn array_length(source: &str) -> Result<Datum, ValueError> {
    match json::array_length(source)? {
        Some(length) => count(length),
        None if json::kind(source) == "object" => {
            Err(ValueError::new("22023", "cannot get array length of a non-array"))
        }
        None => Err(ValueError::new("22023", "cannot get array length of a scalar")),
    }
}

fn stripped(source: &str) -> String {
    let mut out = Vec::new();
    json::strip_nulls(source, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn extracted(arguments: &Arguments<'_>, as_text: bool) -> Result<Datum, ValueError> {
    let mut steps = Vec::new();
    for index in 1..arguments.len() {
        steps.push(Step::Either(arguments.text(index)?));
    }
    found(arguments, &steps, as_text)
}

/// `#>` and `#>>`: NULL in the path finds nothing.
fn at_path(arguments: &Arguments<'_>, as_text: bool) -> Result<Datum, ValueError> {
    let path = path(arguments)?;
    let Some(steps) = path.iter().map(|step| step.as_deref().map(Step::Either)).collect::<Option<Vec<_>>>() else {
        return Ok(Datum::Null);
    };
    found(arguments, &steps, as_text)
}

fn found(arguments: &Arguments<'_>, steps: &[Step<'_>], as_text: bool) -> Result<Datum, ValueError> {
    let source = arguments.text(0)?;
    // A scalar has no parts here, other than for `->`.
    Ok(match json::get_json(source, steps) {
        None => Datum::Null,
        Some(raw) if as_text => json::text_of(raw).map_or(Datum::Null, |text| Datum::Text(text.into_owned())),
        Some(raw) => Datum::Text(raw.to_owned()),
    })
}

fn path(arguments: &Arguments<'_>) -> Result<Vec<Option<String>>, ValueError> {
    array::parse_literal(arguments.text(1)?)
}

fn changed(arguments: &Arguments<'_>, new: &str, change: Change) -> Result<Datum, ValueError> {
    text(json::changed(arguments.text(0)?, &path(arguments)?, new, change)?)
}

fn has_keys(arguments: &Arguments<'_>, all: bool) -> Result<Datum, ValueError> {
    let path = path(arguments)?;
    let keys: Vec<&str> = path.iter().flatten().map(String::as_str).collect();
    boolean(json::has_key(arguments.text(0)?, &keys, all)?)
}
