//! What the API says about itself: `OPTIONS`, and the OpenAPI document of what the caller's role may do.

use base::{Caller, Failure, QualifiedName};
use bytes::Bytes;
use catalog::{Catalog, Column, DefaultValue, Privilege, Relation, Volatility};
use datatype::Type;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use plan::PlanError;
use rest::{Action, ApiRequest, Format, Head, Reply, Target};
use serde_json::{Map, Value, json};

use crate::path::Settings;

/// The answer to a request that is about the API and not about rows; `None` for every other.
pub(crate) fn describe(
    request: &ApiRequest,
    catalog: &Catalog,
    caller: &Caller,
    settings: &Settings,
) -> Result<Option<Described>, Failure> {
    Ok(match request.action {
        Action::Options => Some(options(request, catalog)?.into()),
        Action::Describe => Some(document(request, catalog, caller, settings)),
        Action::Read | Action::Insert | Action::Put | Action::Update | Action::Delete => None,
    })
}

/// A whole answer.
pub(crate) struct Described {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl From<Reply> for Described {
    fn from(reply: Reply) -> Self {
        Self { head: reply.head, body: reply.body }
    }
}

fn options(request: &ApiRequest, catalog: &Catalog) -> Result<Reply, Failure> {
    let names: Vec<&str> = match &request.target {
        Target::Root => vec!["GET", "HEAD"],
        Target::Relation(name) => {
            let found = catalog.relation(&QualifiedName::new(request.schema.clone(), name.as_str()));
            let relation = found.ok_or_else(|| PlanError::UnknownRelation {
                schema: request.schema.to_string(),
                name: name.clone(),
                nearest: catalog::nearest(
                    name,
                    catalog.relations_in(&request.schema).map(|relation| &*relation.name.name),
                )
                .map(str::to_owned),
            })?;
            plan::allowed_methods(relation).into_iter().filter(|method| *method != "OPTIONS").collect()
        }
        Target::Routine(name) => {
            let qualified = QualifiedName::new(request.schema.clone(), name.as_str());
            let mut named = catalog.routines_named(&qualified).peekable();
            if named.peek().is_none() {
                return Err(PlanError::UnknownRoutine {
                    schema: request.schema.to_string(),
                    name: name.clone(),
                    arguments: Vec::new(),
                    whole: None,
                    nearest: None,
                }
                .into());
            }
            if named.all(|routine| routine.volatility == Volatility::Volatile) {
                vec!["POST"]
            } else {
                vec!["GET", "HEAD", "POST"]
            }
        }
    };
    let methods: Vec<Method> = names.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(rest::options(&methods))
}

fn document(request: &ApiRequest, catalog: &Catalog, caller: &Caller, settings: &Settings) -> Described {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(rest::content_type(Format::OpenApi)));
    if request.names_profile
        && let Ok(schema) = HeaderValue::from_str(&request.schema)
    {
        headers.insert("content-profile", schema);
    }
    let body = if request.is_head {
        Bytes::new()
    } else {
        Bytes::from(openapi(&request.schema, catalog, caller, settings).to_string())
    };
    Described { head: Head { status: StatusCode::OK, headers }, body }
}

/// The OpenAPI 3.1 document of a schema, as far as the caller's role reaches.
fn openapi(schema: &str, catalog: &Catalog, caller: &Caller, settings: &Settings) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for relation in catalog.relations_in(schema) {
        let operations = operations(relation, catalog, caller);
        if operations.is_empty() {
            continue;
        }
        paths.insert(format!("/{}", relation.name.name), Value::Object(operations));
        schemas.insert(relation.name.name.to_string(), row_schema(relation));
    }
    let comment = catalog.snapshot().schemas.get(schema).cloned().flatten();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pando",
            "version": env!("CARGO_PKG_VERSION"),
            "description": comment.unwrap_or_else(|| format!("The schema {schema}, served in the PostgREST dialect.")),
        },
        "servers": [{ "url": "/rest/v1" }],
        "paths": paths,
        "components": { "schemas": schemas },
        "x-max-rows": settings.plan.max_rows,
    })
}

/// The operations that the caller may do on a relation.
fn operations(relation: &Relation, catalog: &Catalog, caller: &Caller) -> Map<String, Value> {
    let may = |privilege| catalog.is_granted_somewhere(&caller.role, relation, privilege);
    let row = json!({ "$ref": format!("#/components/schemas/{}", relation.name.name) });
    let rows = json!({ "application/json": { "schema": { "type": "array", "items": row } } });
    let body = json!({ "content": { "application/json": { "schema": row } } });
    let summary = relation.comment.clone().unwrap_or_else(|| relation.name.name.to_string());
    let mut operations = Map::new();
    if may(Privilege::Select) {
        operations.insert(
            "get".to_owned(),
            json!({
                "summary": summary,
                "parameters": read_parameters(relation),
                "responses": { "200": { "description": "The rows", "content": rows }, "206": { "description": "A page of the rows", "content": rows } },
            }),
        );
    }
    if relation.is_writable() {
        for (privilege, method, request, status) in [
            (Privilege::Insert, "post", Some(&body), "201"),
            (Privilege::Update, "patch", Some(&body), "204"),
            (Privilege::Delete, "delete", None, "204"),
        ] {
            if !may(privilege) {
                continue;
            }
            let mut operation = json!({ "summary": summary, "responses": { status: { "description": "Done" } } });
            if let (Some(members), Some(request)) = (operation.as_object_mut(), request) {
                members.insert("requestBody".to_owned(), request.clone());
            }
            operations.insert(method.to_owned(), operation);
        }
    }
    operations
}

fn read_parameters(relation: &Relation) -> Vec<Value> {
    let text = |name: &str, description: &str| json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } });
    let number = |name: &str, description: &str| json!({ "name": name, "in": "query", "description": description, "schema": { "type": "integer", "minimum": 0 } });
    let mut parameters = vec![
        text("select", "Columns and embedded relations"),
        text("order", "Columns to order by"),
        number("limit", "The most rows"),
        number("offset", "Rows to leave out first"),
    ];
    parameters.extend(relation.columns.iter().map(|column| {
        let description = column.comment.as_deref().unwrap_or("A filter, for example eq.1");
        text(&column.name, description)
    }));
    parameters
}

fn row_schema(relation: &Relation) -> Value {
    let properties: Map<String, Value> =
        relation.columns.iter().map(|column| (column.name.to_string(), column_schema(column))).collect();
    let required: Vec<&str> = relation
        .columns
        .iter()
        .filter(|column| !column.is_nullable && column.default == DefaultValue::None)
        .map(|column| &*column.name)
        .collect();
    json!({
        "type": "object",
        "description": relation.comment,
        "properties": properties,
        "required": required,
    })
}

fn column_schema(column: &Column) -> Value {
    let name = match &column.data_type {
        Type::Boolean => Some("boolean"),
        Type::SmallInteger | Type::Integer | Type::BigInteger => Some("integer"),
        Type::Numeric(_) | Type::Real | Type::Double => Some("number"),
        Type::Json | Type::Jsonb => None,
        _ => Some("string"),
    };
    let mut schema = Map::new();
    schema.insert("format".to_owned(), json!(column.data_type.to_string()));
    if let Some(name) = name {
        let kind = if column.is_nullable { json!([name, "null"]) } else { json!(name) };
        schema.insert("type".to_owned(), kind);
    }
    if let Some(comment) = &column.comment {
        schema.insert("description".to_owned(), json!(comment));
    }
    match &column.data_type {
        Type::Varchar(Some(length)) => {
            schema.insert("maxLength".to_owned(), json!(length));
        }
        Type::Enum(definition) => {
            schema.insert("enum".to_owned(), json!(definition.labels));
        }
        _ => {}
    }
    Value::Object(schema)
}
