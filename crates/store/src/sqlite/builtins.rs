//! The functions and operators that `datatype` defines, and the aggregates that put their rows together, for SQLite.

use std::sync::Arc;

use datatype::function::{Arguments, Builtin, LONGEST_RESULT, Parameter, builtins};
use datatype::{DatumRef, Type, Zone};
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context};
use rusqlite::types::Value;
use sql::sqlite::functions::builtin_name;

use super::functions::{argument, coded, failed, pure, raise, value, volatile};
use super::identity::Identity;

/// Registers all of them.
pub(super) fn register(connection: &Connection, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    for builtin in builtins().filter(|builtin| !builtin.is_refused()) {
        register_routine(connection, builtin, identity)?;
    }
    connection.create_aggregate_function("pg_single", 1, pure(), Single)?;
    connection.create_aggregate_function("pg_string_agg", 2, pure(), Strings)?;
    for (name, arguments, is_canonical, has_keys) in [
        ("pg_json_agg", 2, false, false),
        ("pg_jsonb_agg", 2, true, false),
        ("pg_json_object_agg", 4, false, true),
        ("pg_jsonb_object_agg", 4, true, true),
    ] {
        let aggregate = Documents { identity: identity.clone(), is_canonical, has_keys };
        connection.create_aggregate_function(name, arguments, volatile(), aggregate)?;
    }
    Ok(())
}

fn register_routine(
    connection: &Connection,
    builtin: &'static Builtin,
    identity: &Arc<Mutex<Identity>>,
) -> rusqlite::Result<()> {
    let width = |parameter: &Parameter| if *parameter == Parameter::Any { 2 } else { 1 };
    let arguments = match builtin.is_variadic {
        true => -1,
        false => builtin.parameters.iter().map(width).sum(),
    };
    let in_utc = builtin_name(builtin, true);
    connection.create_scalar_function(in_utc.as_str(), arguments, pure(), move |context| {
        call(builtin, context, &Zone::Utc)
    })?;
    if !builtin.uses_zone {
        return Ok(());
    }
    let identity = identity.clone();
    let name = builtin_name(builtin, false);
    connection.create_scalar_function(name.as_str(), arguments, volatile(), move |context| {
        let zone = identity.lock().zone.clone();
        call(builtin, context, &zone)
    })
}

/// More arguments than most calls have are gathered on the heap all the same: one allocation per call.
fn call(builtin: &Builtin, context: &Context<'_>, zone: &Zone) -> rusqlite::Result<Value> {
    let mut values = Vec::with_capacity(context.len());
    let mut types = Vec::with_capacity(context.len());
    let mut position = 0;
    while position < context.len() {
        match builtin.parameter(values.len()) {
            Some(Parameter::Any) => {
                types.push(coded(context, position)?);
                position += 1;
            }
            Some(Parameter::Typed(data_type)) => types.push(data_type.clone()),
            _ => types.push(Type::Text),
        }
        values.push(argument(context, position)?);
        position += 1;
    }
    builtin.call(&Arguments { values: &values, types: &types, zone }).map(value).map_err(failed)
}

/// `pg_single(x)`: the value of the one row of a scalar subquery.
struct Single;

impl Aggregate<Option<Value>, Value> for Single {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, found: &mut Option<Value>) -> rusqlite::Result<()> {
        if found.is_some() {
            return Err(raise("21000", "more than one row returned by a subquery used as an expression"));
        }
        *found = Some(value(argument(context, 0)?.to_owned()));
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, found: Option<Option<Value>>) -> rusqlite::Result<Value> {
        Ok(found.flatten().unwrap_or(Value::Null))
    }
}

/// `pg_string_agg(text, delimiter)`.
struct Strings;

impl Aggregate<Option<String>, Value> for Strings {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<String>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, whole: &mut Option<String>) -> rusqlite::Result<()> {
        let DatumRef::Text(text) = argument(context, 0)? else { return Ok(()) };
        match (&mut *whole, argument(context, 1)?) {
            (None, _) => *whole = Some(text.to_owned()),
            (Some(whole), DatumRef::Text(delimiter)) => {
                whole.push_str(delimiter);
                whole.push_str(text);
            }
            (Some(whole), _) => whole.push_str(text),
        }
        check_length(whole.as_ref().map_or(0, String::len))
    }

    fn finalize(&self, _: &mut Context<'_>, whole: Option<Option<String>>) -> rusqlite::Result<Value> {
        Ok(whole.flatten().map_or(Value::Null, Value::Text))
    }
}

fn check_length(length: usize) -> rusqlite::Result<()> {
    if length <= LONGEST_RESULT {
        return Ok(());
    }
    Err(raise("54000", format!("an aggregate gives at most {LONGEST_RESULT} bytes")))
}

/// `pg_json_agg(type, x)`, `pg_json_object_agg(type, key, type, x)` and their like.
struct Documents {
    identity: Arc<Mutex<Identity>>,
    /// `jsonb`
    is_canonical: bool,
    has_keys: bool,
}

impl Aggregate<Option<Vec<u8>>, Value> for Documents {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, whole: &mut Option<Vec<u8>>) -> rusqlite::Result<()> {
        let zone = self.identity.lock().zone.clone();
        let out = match whole {
            Some(out) => {
                out.extend_from_slice(b", ");
                out
            }
            None if self.has_keys => whole.insert(b"{ ".to_vec()),
            None => whole.insert(b"[".to_vec()),
        };
        let mut position = 0;
        if self.has_keys {
            position = 2;
            self.write_key(context, &zone, out)?;
        }
        datatype::write_json(&coded(context, position)?, argument(context, position + 1)?, &zone, out);
        check_length(out.len())
    }

    fn finalize(&self, _: &mut Context<'_>, whole: Option<Option<Vec<u8>>>) -> rusqlite::Result<Value> {
        let Some(mut whole) = whole.flatten() else { return Ok(Value::Null) };
        whole.extend_from_slice(if self.has_keys { b" }" } else { b"]" });
        let text =
            String::from_utf8(whole).map_err(|_| raise("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        if self.is_canonical {
            return datatype::json::canonical(&text).map(Value::Text).map_err(failed);
        }
        Ok(Value::Text(text))
    }
}

impl Documents {
    fn write_key(&self, context: &Context<'_>, zone: &Zone, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        let key = argument(context, 1)?;
        if key == DatumRef::Null {
            return Err(raise("22023", "field name must not be null"));
        }
        let mut text = Vec::new();
        datatype::write_json(&coded(context, 0)?, key, zone, &mut text);
        let is_quoted = text.starts_with(b"\"");
        for part in [if is_quoted { &b""[..] } else { b"\"" }, &text, if is_quoted { b"" } else { b"\"" }, b" : "] {
            out.extend_from_slice(part);
        }
        Ok(())
    }
}
