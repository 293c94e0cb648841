//! The functions that the role may call, at `/rpc/name`. Functions that share a name share a path: it takes what any of
//! them takes.

use std::collections::BTreeMap;

use catalog::{Argument, Expression, Routine, RoutineResult, Volatility};
use datatype::Type;
use serde_json::{Value, json};

use super::operation::{Answered, Given, Operation, PathItem, dialect, refusals};
use super::row::{default_value, property_of};
use super::{Reference, Subject, Tag, first_line};
use crate::members::Members;
use crate::name;
use crate::reach::Reach;

/// The path and the tag of each name, in order.
pub(super) fn paths<'a>(reach: &Reach<'a>, subject: &Subject<'a>) -> Vec<(String, Tag, PathItem)> {
    let mut named: BTreeMap<&str, Vec<&Routine>> = BTreeMap::new();
    for routine in reach.routines(subject.schema) {
        named.entry(&routine.signature.name.name).or_default().push(routine);
    }
    named.into_iter().map(|(name, routines)| path(name, &routines, subject)).collect()
}

fn path(name: &str, routines: &[&Routine], subject: &Subject<'_>) -> (String, Tag, PathItem) {
    let tag = format!("(rpc) {name}");
    let comment = routines.iter().find_map(|routine| routine.comment.clone());
    // A function without names for its arguments takes a body and nothing else.
    let is_read = |routine: &&Routine| routine.volatility != Volatility::Volatile && whole(routine).is_none();
    let read: Vec<&Routine> = routines.iter().copied().filter(is_read).collect();
    let operation = |method: &'static str| {
        let routines = if method == "post" { routines } else { &read };
        if routines.is_empty() {
            return None;
        }
        let mut parameters = if method == "post" { Vec::new() } else { arguments(routines) };
        if routines.iter().any(|routine| routine.returns.is_set) {
            parameters.extend(dialect(&["limit", "offset", "range", "rangeUnit"]));
        }
        if routines.iter().any(|routine| routine.columns().is_some()) {
            parameters.extend(dialect(&["select", "order"]));
        }
        parameters.extend(dialect(&["preferRead"]));
        if subject.needs_profile {
            parameters.extend(dialect(&[if method == "post" { "contentProfile" } else { "acceptProfile" }]));
        }
        let comment = comment.as_deref().map(first_line);
        Some(Operation {
            tags: vec![tag.clone()],
            summary: comment.map_or_else(|| name.to_owned(), |(first, _)| first.to_owned()),
            description: comment.and_then(|(_, rest)| rest).map(str::to_owned),
            operation_id: format!("{method}_rpc.{}", name::component(name)),
            parameters,
            request_body: (method == "post").then(|| body(routines)),
            responses: responses(routines, method),
        })
    };
    let item =
        PathItem { get: operation("get"), head: operation("head"), post: operation("post"), ..PathItem::default() };
    (format!("/rpc{}", name::path(name)), Tag { name: tag.clone(), description: comment.clone() }, item)
}

/// The media type of the body that a function takes as its only argument, which has no name.
fn whole(routine: &Routine) -> Option<&'static str> {
    match routine.arguments.as_slice() {
        [Argument { name: None, data_type, .. }] => Some(match data_type {
            Type::Json | Type::Jsonb => "application/json",
            Type::Bytea => "application/octet-stream",
            _ => "text/plain",
        }),
        _ => None,
    }
}

fn named(routine: &Routine) -> impl Iterator<Item = (&str, &Argument)> {
    routine.arguments.iter().filter_map(|argument| Some((argument.name.as_deref()?, argument)))
}

/// The arguments as parameters of a query: required where every function of the name needs them.
fn arguments(routines: &[&Routine]) -> Vec<Given> {
    let mut found: Vec<(&str, &Argument)> = Vec::new();
    for argument in routines.iter().flat_map(|routine| named(routine)) {
        if found.iter().all(|(name, _)| *name != argument.0) {
            found.push(argument);
        }
    }
    let is_needed = |name: &str| {
        let needs =
            |routine: &&Routine| named(routine).any(|(own, argument)| own == name && argument.default.is_none());
        routines.iter().all(needs)
    };
    let parameter = |(name, argument): (&str, &Argument)| {
        let schema = match argument.data_type {
            // In a query any JSON is text.
            Type::Json | Type::Jsonb => json!({ "type": "string" }),
            _ => property(&argument.data_type, false, argument.default.as_ref()),
        };
        Given::Inline(json!({ "name": name, "in": "query", "required": is_needed(name), "schema": schema }))
    };
    found.into_iter().map(parameter).collect()
}

fn property(data_type: &Type, is_nullable: bool, default: Option<&Expression>) -> Value {
    let default = default.and_then(|default| default_value(data_type, default));
    // A property is plain JSON.
    serde_json::to_value(property_of(data_type, is_nullable, default)).unwrap_or_default()
}

fn body(routines: &[&Routine]) -> Value {
    let mut by_type: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut is_required = true;
    for routine in routines {
        let (media_type, schema) = match (whole(routine), routine.arguments.first()) {
            // A body that is neither is refused, whoever takes it.
            (Some("application/json"), _) => ("application/json", json!({ "type": ["object", "array"] })),
            (Some(media_type), Some(argument)) => (media_type, property(&argument.data_type, false, None)),
            _ => ("application/json", object(routine)),
        };
        is_required &= routine.arguments.iter().any(|argument| argument.default.is_none());
        by_type.entry(media_type).or_default().push(schema);
    }
    let content: serde_json::Map<String, Value> = by_type
        .into_iter()
        .map(|(media_type, schemas)| (media_type.to_owned(), json!({ "schema": one_of(schemas) })))
        .collect();
    json!({ "required": is_required, "content": content })
}

/// The arguments as the members of an object.
fn object(routine: &Routine) -> Value {
    let properties: serde_json::Map<String, Value> = named(routine)
        .map(|(name, argument)| (name.to_owned(), property(&argument.data_type, true, argument.default.as_ref())))
        .collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<&str> =
        named(routine).filter(|(_, argument)| argument.default.is_none()).map(|(name, _)| name).collect();
    if let (Some(members), false) = (object.as_object_mut(), required.is_empty()) {
        members.insert("required".to_owned(), json!(required));
    }
    object
}

/// Any of several: functions that share a name may take or give what fits more than one of them.
fn one_of(mut schemas: Vec<Value>) -> Value {
    schemas.dedup();
    match schemas.pop() {
        Some(only) if schemas.is_empty() => only,
        last => json!({ "anyOf": schemas.into_iter().chain(last).collect::<Vec<_>>() }),
    }
}

fn responses(routines: &[&Routine], method: &str) -> Members<Answered> {
    let mut responses = Members::new();
    let results: Vec<Value> = routines.iter().filter_map(|routine| result(routine)).collect();
    if method == "head" {
        responses.put("200", shared("head"));
    } else if !results.is_empty() {
        let mut content = json!({ "application/json": { "schema": one_of(results) } });
        let gives_rows = routines.iter().any(|routine| routine.returns.is_set && routine.columns().is_some());
        if let (true, Some(content)) = (gives_rows, content.as_object_mut()) {
            let one = json!({ "schema": { "type": "object" } });
            content.insert("application/vnd.pgrst.object+json".to_owned(), one);
            content.insert("text/csv".to_owned(), json!({ "schema": { "type": "string" } }));
        }
        let headers = super::shared::header_references(&["Content-Range", "Preference-Applied"]);
        let answer = json!({ "description": "What it gives", "headers": headers, "content": content });
        responses.put("200", Answered::Inline(answer));
    }
    if routines.iter().any(|routine| routine.returns.is_set) {
        responses.put("206", shared(if method == "head" { "head" } else { "page" }));
    }
    if routines.iter().any(|routine| routine.returns.result == RoutineResult::Void) {
        responses.put("204", shared("done"));
    }
    refusals(&mut responses, &["300", "400", "401", "403", "404", "406", "409", "413", "416"]);
    responses
}

fn shared(key: &'static str) -> Answered {
    Answered::Shared(Reference::new("responses", key))
}

/// What a call gives; `None` for nothing.
fn result(routine: &Routine) -> Option<Value> {
    let one = match &routine.returns.result {
        RoutineResult::Void => return None,
        RoutineResult::Value(data_type) => property(data_type, true, None),
        RoutineResult::Row { columns, .. } => {
            let properties: serde_json::Map<String, Value> =
                columns.iter().map(|(name, data_type)| (name.to_string(), property(data_type, true, None))).collect();
            json!({ "type": "object", "properties": properties })
        }
    };
    Some(if routine.returns.is_set { json!({ "type": "array", "items": one }) } else { one })
}
