//! What belongs to the dialect and is the same for every relation.

use serde_json::{Value, json};

use super::row::Schema;
use super::{Parameter, Reference, Subject};
use crate::members::Members;

/// The key of the error object. A relation's keys are its name, which has no dot, or end in `.insert` and `.update`.
const ERROR: &str = "pando.error";

/// The key of what every filter is.
pub(super) const FILTER: &str = "pando.filter";

/// How a filter begins (`rest/src/grammar/filter.rs`): `not.`, an operator, a dot. What follows has to be a value of the column's type.
const FILTER_PATTERN: &str = r"^(not\.)?((eq|gte?|lte?|i?like|i?match)(\((any|all)\))?|neq|isdistinct|cs|cd|ov|sl|sr|nxr|nxl|adj|(pl|ph|w)?fts(\([^()]+\))?)\.|^(not\.)?(in\.\(|is\.)";

/// The parameters of the dialect. Their keys have no dot; those of filters begin with `filter.`.
pub(super) fn parameters(subject: &Subject<'_>) -> Members<Parameter> {
    let mut parameters = Members::new();
    let mut put = |key: &str, name: &str, place: &str, description: &str, schema: Value| {
        let parameter = json!({ "name": name, "in": place, "description": description, "schema": schema });
        parameters.put(key, Parameter::Shared(parameter));
    };
    let text = || json!({ "type": "string" });
    // What is empty names no column.
    let names = || json!({ "type": "string", "minLength": 1 });
    let count = || json!({ "type": "integer", "minimum": 0, "format": "int64" });
    put(
        "select",
        "select",
        "query",
        "Columns and embedded relations, separated by commas: id,name,route(grade). All columns without it. The \
         schemas of answers show whole rows; the rows have what is selected.",
        text(),
    );
    put(
        "order",
        "order",
        "query",
        "Columns to order by, each with .asc or .desc and .nullsfirst or .nullslast: grade.desc,name",
        names(),
    );
    let limit = match subject.max_rows {
        Some(rows) => format!("The most rows; never more than {rows}"),
        None => "The most rows".to_owned(),
    };
    put("limit", "limit", "query", &limit, count());
    put("offset", "offset", "query", "How many rows are left out first", count());
    put(
        "on_conflict",
        "on_conflict",
        "query",
        "The unique columns by which an upsert finds rows; the primary key without it",
        text(),
    );
    put("columns", "columns", "query", "The members of the body that count; the others are ignored", text());
    put("range", "Range", "header", "The rows by their numbers, from 0: 0-9", text());
    put("rangeUnit", "Range-Unit", "header", "The unit of Range", json!({ "type": "string", "default": "items" }));
    let prefer = "Preferences, separated by commas: ";
    put(
        "preferRead",
        "Prefer",
        "header",
        &format!("{prefer}count=exact (or planned, estimated), timezone=, handling=strict (or lenient)"),
        text(),
    );
    let write = "return=minimal (or headers-only, representation), missing=default (or null), count=exact, \
                 timezone=, handling=strict (or lenient)";
    put(
        "preferInsert",
        "Prefer",
        "header",
        &format!("{prefer}resolution=merge-duplicates (or ignore-duplicates), {write}"),
        text(),
    );
    put("preferWrite", "Prefer", "header", &format!("{prefer}max-affected=, {write}"), text());
    if subject.needs_profile {
        for (key, name) in [("acceptProfile", "Accept-Profile"), ("contentProfile", "Content-Profile")] {
            let parameter = json!({
                "name": name,
                "in": "header",
                "required": true,
                "description": "The schema, which is not the one that answers requests that name none",
                "schema": { "type": "string", "enum": [subject.schema], "default": subject.schema },
            });
            parameters.put(key, Parameter::Shared(parameter));
        }
    }
    parameters
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    let header = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "Content-Range": header("The rows of the answer by their numbers and, where it was asked for, how many there are: 0-9/30"),
        "Content-Location": header("The address of the answer in its canonical form"),
        "Location": header("The address of the new row, with Prefer: return=headers-only"),
        "Preference-Applied": header("The preferences that were honoured"),
        "Proxy-Status": header("The code of the error: PostgREST; error=PGRST100"),
        "WWW-Authenticate": header("What is wrong with the token (RFC 6750)"),
    })
}

/// Headers of an answer, by reference.
pub(super) fn header_references(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), Reference::value("headers", name))).collect()
}

/// The answers that are the same for every relation.
pub(super) fn responses() -> Members<Value> {
    let mut responses = Members::new();
    for (key, description, headers) in [
        ("done", "Done, without a body", &["Content-Range", "Preference-Applied"][..]),
        ("created", "The rows were inserted", &["Content-Range", "Location", "Preference-Applied"]),
        (
            "page",
            "A part of the rows, in the form of 200",
            &["Content-Range", "Content-Location", "Preference-Applied"],
        ),
        ("head", "The headers alone", &["Content-Range", "Content-Location", "Preference-Applied"]),
    ] {
        responses.put(key, json!({ "description": description, "headers": header_references(headers) }));
    }
    let error = json!({ "$ref": format!("#/components/schemas/{ERROR}") });
    for (status, description) in [
        ("300", "Several relationships lead to the embedded relation; the details name them"),
        ("400", "The request is not understood, or a value or constraint does not allow it"),
        ("401", "No token, or one that does not count"),
        ("403", "The role may not do this, or row security does not let the row through"),
        ("404", "There is no such relation, or no operator for these types"),
        ("406", "No such media type or schema, or not exactly one row where one was asked for"),
        ("409", "A unique or foreign key is violated"),
        ("413", "The body or what would be changed exceeds a limit"),
        ("416", "The offset lies beyond the rows"),
        ("default", "Refused, or failed; code and message tell why"),
    ] {
        let headers = match status {
            "401" => header_references(&["Proxy-Status", "WWW-Authenticate"]),
            _ => header_references(&["Proxy-Status"]),
        };
        let content = json!({ "application/json": { "schema": error } });
        responses.put(refusal(status), json!({ "description": description, "headers": headers, "content": content }));
    }
    responses
}

/// The key of a refusal. Keys of relations' rows begin with `rows.`.
pub(super) fn refusal(status: &str) -> String {
    format!("refused.{status}")
}

/// The error object, and what every filter is.
pub(super) fn schemas() -> Members<Schema> {
    let error = json!({
        "type": "object",
        "description": "What was wrong, in the words of PostgREST",
        "required": ["code", "details", "hint", "message"],
        "properties": {
            "code": { "type": "string", "description": "PGRST and a number, an SQLSTATE, or PANDO and a number" },
            "message": { "type": "string", "description": "What was wrong" },
            "details": { "description": "More about it; text, or a list of candidates, or null" },
            "hint": { "type": ["string", "null"], "description": "What to do" },
        },
    });
    let filter = json!({ "type": "string", "pattern": FILTER_PATTERN });
    Members(vec![(ERROR.to_owned(), Schema::Shared(error)), (FILTER.to_owned(), Schema::Shared(filter))])
}

/// How callers say who they are.
pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A signed token. Its role decides what the request may do.",
        },
    })
}
