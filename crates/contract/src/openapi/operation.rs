//! What can be done with a relation.

use catalog::{Column, Privilege, Relation};
use serde::Serialize;
use serde_json::{Value, json};

use super::row::{self, Columns};
use super::{Parameter, Reference, Subject, first_line, shared};
use crate::members::Members;
use crate::name;
use crate::reach::Reach;

/// The operations of a path.
#[derive(Default, Serialize)]
pub(super) struct PathItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) get: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) put: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delete: Option<Operation>,
}

impl PathItem {
    pub(super) fn is_empty(&self) -> bool {
        [&self.get, &self.post, &self.put, &self.patch, &self.delete].into_iter().all(Option::is_none)
    }
}

/// One operation.
#[derive(Serialize)]
pub(super) struct Operation {
    pub(super) tags: Vec<String>,
    pub(super) summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(rename = "operationId")]
    pub(super) operation_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Given>,
    #[serde(rename = "requestBody", skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<Value>,
    pub(super) responses: Members<Answered>,
}

/// A parameter of an operation.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Given {
    Shared(Reference),
    Inline(Value),
}

/// An answer of an operation.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answered {
    Shared(Reference),
    Inline(Value),
}

/// The document itself.
pub(super) fn root() -> PathItem {
    let mut responses = Members::new();
    let content = json!({ "application/openapi+json": { "schema": { "type": "object" } } });
    responses.put("200", Answered::Inline(json!({ "description": "This document", "content": content })));
    refusals(&mut responses, &["401", "404", "406"]);
    let get = Operation {
        tags: vec!["Introspection".to_owned()],
        summary: "What the caller's role may do, as an OpenAPI document".to_owned(),
        description: None,
        operation_id: "getDescription".to_owned(),
        parameters: Vec::new(),
        request_body: None,
        responses,
    };
    PathItem { get: Some(get), ..PathItem::default() }
}

/// The operations that the grants reach.
pub(super) fn operations(
    relation: &Relation,
    columns: &Columns<'_>,
    reach: &Reach<'_>,
    subject: &Subject<'_>,
) -> PathItem {
    let key = row::key(relation);
    let filter = |column: &&Column| Reference::new("parameters", filter_key(&key, column));
    let filters = columns.read.iter().map(filter).collect();
    let rows = Reference::new("responses", rows_key(&key));
    let maker = Maker { relation, columns, subject, filters, rows, key };
    let is_read = !columns.read.is_empty();
    PathItem {
        get: is_read.then(|| maker.read("get")),
        head: is_read.then(|| maker.read("head")),
        post: (!columns.inserted.is_empty()).then(|| maker.insert()),
        put: columns.take_put(relation).then(|| maker.put()),
        patch: (!columns.updated.is_empty()).then(|| maker.update()),
        delete: (relation.is_writable() && reach.may(relation, Privilege::Delete)).then(|| maker.delete()),
    }
}

/// The filters of the columns, by the keys that operations name them by.
pub(super) fn filters(relation: &Relation, columns: &Columns<'_>) -> Members<Parameter> {
    let filter = |column: &&Column| {
        let parameter = Parameter::Filter {
            name: name::filter(&column.name),
            r#in: "query",
            description: row::said(column),
            schema: Reference::new("schemas", shared::FILTER),
        };
        (filter_key(&row::key(relation), column), parameter)
    };
    columns.read.iter().map(filter).collect()
}

/// The answer with rows, where there is one.
pub(super) fn responses(relation: &Relation, columns: &Columns<'_>) -> Members<Value> {
    let mut responses = Members::new();
    if !columns.read.is_empty() {
        let key = row::key(relation);
        let mut names = vec!["Content-Range", "Content-Location", "Preference-Applied"];
        if !columns.inserted.is_empty() {
            names.push("Location");
        }
        let (headers, content) = (shared::header_references(&names), rows(&key));
        responses.put(rows_key(&key), json!({ "description": "The rows", "headers": headers, "content": content }));
    }
    responses
}

/// The key of the answer with rows.
fn rows_key(key: &str) -> String {
    format!("rows.{key}")
}

fn filter_key(key: &str, column: &Column) -> String {
    format!("filter.{key}.{}", name::component(&column.name))
}

/// Rows in every form.
fn rows(key: &str) -> Value {
    let row = Reference::value("schemas", key);
    let rows = json!({ "schema": { "type": "array", "items": row } });
    let row = json!({ "schema": row });
    json!({
        "application/json": rows,
        "application/vnd.pgrst.object+json": row,
        "application/vnd.pgrst.object+json;nulls=stripped": { "schema": { "type": "object" } },
        "application/vnd.pgrst.array+json;nulls=stripped": {
            "schema": { "type": "array", "items": { "type": "object" } },
        },
        "text/csv": { "schema": { "type": "string" } },
    })
}

pub(super) fn refusals(responses: &mut Members<Answered>, statuses: &[&str]) {
    for status in statuses.iter().chain(&["default"]) {
        responses.put(*status, Answered::Shared(Reference::new("responses", shared::refusal(status))));
    }
}

/// Makes the operations of one relation.
struct Maker<'a> {
    relation: &'a Relation,
    columns: &'a Columns<'a>,
    subject: &'a Subject<'a>,
    /// The filters of the columns that can be read.
    filters: Vec<Reference>,
    /// The answer with rows.
    rows: Reference,
    key: String,
}

impl Maker<'_> {
    fn read(&self, method: &str) -> Operation {
        let mut responses = Members::new();
        for status in ["200", "206"] {
            let answer = if method == "head" { self.shared("head") } else { self.rows() };
            responses.put(status, answer);
        }
        refusals(&mut responses, &["300", "400", "401", "403", "404", "406", "416"]);
        let mut parameters = self.filters();
        parameters.extend(dialect(&["select", "order", "limit", "offset", "range", "rangeUnit", "preferRead"]));
        self.operation(method, parameters, None, responses)
    }

    fn insert(&self) -> Operation {
        let mut responses = Members::new();
        if self.reads() {
            responses.put("200", self.rows());
            responses.put("201", self.rows());
        } else {
            responses.put("201", self.shared("created"));
        }
        refusals(&mut responses, &["300", "400", "401", "403", "404", "406", "409", "413"]);
        let mut parameters = dialect(&["columns", "on_conflict", "preferInsert"]);
        parameters.extend(self.select());
        let body = self.body(&row::insert_key(self.relation), true);
        self.operation("post", parameters, Some(body), responses)
    }

    fn put(&self) -> Operation {
        let mut responses = Members::new();
        responses.put("200", self.rows());
        responses.put("201", self.rows());
        responses.put("204", self.shared("done"));
        refusals(&mut responses, &["300", "400", "401", "403", "404", "406", "409", "413"]);
        let mut parameters: Vec<Given> =
            self.relation.primary_key.iter().map(|column| self.key_filter(column)).collect();
        parameters.extend(dialect(&["preferWrite"]));
        parameters.extend(self.select());
        let row = json!({
            "allOf": [Reference::value("schemas", &row::insert_key(self.relation))],
            "required": self.relation.primary_key,
        });
        let body = json!({
            "required": true,
            "description": "One row, with the key that the address names",
            "content": { "application/json": { "schema": row } },
        });
        self.operation("put", parameters, Some(body), responses)
    }

    fn update(&self) -> Operation {
        let mut parameters = self.filters();
        parameters.extend(dialect(&["columns", "preferWrite"]));
        parameters.extend(self.select());
        let body = self.body(&row::update_key(self.relation), false);
        self.operation("patch", parameters, Some(body), self.written())
    }

    fn delete(&self) -> Operation {
        let mut parameters = self.filters();
        parameters.extend(dialect(&["preferWrite"]));
        parameters.extend(self.select());
        self.operation("delete", parameters, None, self.written())
    }

    fn operation(
        &self,
        method: &str,
        mut parameters: Vec<Given>,
        request_body: Option<Value>,
        responses: Members<Answered>,
    ) -> Operation {
        if self.subject.needs_profile {
            let profile = if matches!(method, "get" | "head") { "acceptProfile" } else { "contentProfile" };
            parameters.extend(dialect(&[profile]));
        }
        let name = &self.relation.name.name;
        let comment = self.relation.comment.as_deref().map(first_line);
        Operation {
            tags: vec![name.to_string()],
            summary: comment.map_or_else(|| name.to_string(), |(first, _)| first.to_owned()),
            description: comment.and_then(|(_, rest)| rest).map(str::to_owned),
            operation_id: format!("{method}_{}", self.key),
            parameters,
            request_body,
            responses,
        }
    }

    /// The answers of an update or delete.
    fn written(&self) -> Members<Answered> {
        let mut responses = Members::new();
        if self.reads() {
            responses.put("200", self.rows());
        }
        responses.put("204", self.shared("done"));
        refusals(&mut responses, &["300", "400", "401", "403", "404", "406", "409", "413"]);
        responses
    }

    fn reads(&self) -> bool {
        !self.columns.read.is_empty()
    }

    fn rows(&self) -> Answered {
        Answered::Shared(self.rows.clone())
    }

    fn shared(&self, key: &'static str) -> Answered {
        Answered::Shared(Reference::new("responses", key))
    }

    fn filters(&self) -> Vec<Given> {
        self.filters.iter().map(|filter| Given::Shared(filter.clone())).collect()
    }

    fn select(&self) -> Vec<Given> {
        if self.reads() { dialect(&["select"]) } else { Vec::new() }
    }

    /// A column of the key, which `PUT` finds its row by.
    fn key_filter(&self, column: &str) -> Given {
        Given::Inline(json!({
            "name": name::filter(column),
            "in": "query",
            "required": true,
            "description": "eq. and the value that the body gives",
            "schema": { "type": "string", "pattern": "^eq\\." },
        }))
    }

    /// A body in every form: one row, and where `several`, an array of them.
    fn body(&self, key: &str, several: bool) -> Value {
        let row = Reference::value("schemas", key);
        let any = if several { json!({ "oneOf": [row, { "type": "array", "items": row }] }) } else { row.clone() };
        json!({
            "required": true,
            "content": {
                "application/json": { "schema": any },
                "text/csv": { "schema": { "type": "string", "minLength": 1, "description": "A line of names, then the rows" } },
                "application/x-www-form-urlencoded": { "schema": row },
            },
        })
    }
}

pub(super) fn dialect(keys: &[&str]) -> Vec<Given> {
    keys.iter().map(|key| Given::Shared(Reference::new("parameters", *key))).collect()
}
