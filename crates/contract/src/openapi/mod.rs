//! The OpenAPI 3.1 document: what a role may do with the relations and functions of a schema, in the PostgREST
//! dialect.
//!
//! What belongs to the dialect is said once, in [`shared`]; a relation adds its schemas ([`row`]), its filters, and the
//! operations that the role's grants reach ([`operation`]); functions follow ([`routine`]). The document is plain JSON: it is serialised from small
//! structs, since it has a few shapes only and tens of thousands of each.
//! Source: the OpenAPI Specification 3.1.1; the notes on keys are PostgREST's.

mod operation;
mod routine;
mod row;
mod shared;

use std::sync::Arc;

use catalog::{Catalog, Relation};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::members::Members;
use crate::reach::Reach;
use operation::PathItem;
use row::Schema;

/// What a document is about.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The schema.
    pub schema: &'a str,
    /// Whose privileges bound the document; `None` shows everything that exists.
    pub role: Option<&'a str>,
    /// The address of the API as clients reach it, without a slash at its end: `/rest/v1`,
    /// `https://gym.example.com/rest/v1`.
    pub server: &'a str,
    /// Whether requests have to name the schema (`Accept-Profile`, `Content-Profile`), because another one answers
    /// those that name none.
    pub needs_profile: bool,
    /// Whether requests without a token are answered.
    pub allows_anonymous: bool,
    /// The most rows that a read gives; `None` for no bound.
    pub max_rows: Option<u64>,
    /// The version of the server.
    pub version: &'a str,
}

/// The document. Its order follows the catalog: relations by name, columns as declared.
pub fn openapi<'a>(catalog: &'a Catalog, subject: &Subject<'a>) -> Document {
    let reach = Reach::new(catalog, subject.role);
    let relations: Vec<Part> = reach
        .relations(subject.schema)
        .into_iter()
        .map(|relation| Part::new(relation, catalog, &reach, subject))
        .filter(|part| !part.operations.is_empty())
        .collect();
    document(catalog, subject, relations, routine::paths(&reach, subject))
}

/// Everything that one relation brings.
struct Part {
    tag: Tag,
    path: String,
    operations: PathItem,
    filters: Members<Parameter>,
    responses: Members<Value>,
    schemas: Members<Schema>,
}

impl Part {
    fn new(relation: &Relation, catalog: &Catalog, reach: &Reach<'_>, subject: &Subject<'_>) -> Self {
        let columns = row::Columns::new(relation, reach);
        Self {
            tag: Tag { name: relation.name.name.to_string(), description: relation.comment.clone() },
            path: crate::name::path(&relation.name.name),
            operations: operation::operations(relation, &columns, reach, subject),
            filters: operation::filters(relation, &columns),
            responses: operation::responses(relation, &columns),
            schemas: row::schemas(relation, &columns, catalog),
        }
    }
}

/// An OpenAPI document, to be serialised.
#[derive(Serialize)]
pub struct Document {
    openapi: &'static str,
    info: Value,
    #[serde(rename = "externalDocs")]
    external_docs: Value,
    servers: [Value; 1],
    security: Vec<Value>,
    tags: Vec<Tag>,
    paths: Members<PathItem>,
    components: Components,
    #[serde(rename = "x-max-rows", skip_serializing_if = "Option::is_none")]
    max_rows: Option<u64>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Serialize)]
struct Components {
    schemas: Members<Schema>,
    parameters: Members<Parameter>,
    headers: Value,
    responses: Members<Value>,
    #[serde(rename = "securitySchemes")]
    security_schemes: Value,
}

/// A parameter: one of the dialect, or the filter of a column.
#[derive(Serialize)]
#[serde(untagged)]
enum Parameter {
    Shared(Value),
    Filter {
        name: String,
        r#in: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        schema: Reference,
    },
}

fn document(
    catalog: &Catalog,
    subject: &Subject<'_>,
    parts: Vec<Part>,
    routines: Vec<(String, Tag, PathItem)>,
) -> Document {
    let mut document = Document {
        openapi: "3.1.0",
        info: info(catalog, subject),
        external_docs: json!({
            "description": "The dialect: PostgREST's documentation",
            "url": "https://docs.postgrest.org/en/stable/references/api.html",
        }),
        servers: [json!({ "url": subject.server })],
        security: security(subject),
        tags: Vec::with_capacity(parts.len()),
        paths: Members::new(),
        components: Components {
            schemas: shared::schemas(),
            parameters: shared::parameters(subject),
            headers: shared::headers(),
            responses: shared::responses(),
            security_schemes: shared::security_schemes(),
        },
        max_rows: subject.max_rows,
    };
    document.paths.put("/", operation::root());
    for part in parts {
        document.tags.push(part.tag);
        document.paths.put(part.path, part.operations);
        document.components.schemas.0.extend(part.schemas.0);
        document.components.parameters.0.extend(part.filters.0);
        document.components.responses.0.extend(part.responses.0);
    }
    for (path, tag, item) in routines {
        document.tags.push(tag);
        document.paths.put(path, item);
    }
    document
}

/// The schema's comment is title and description, as in PostgREST: its first line, and the rest.
fn info(catalog: &Catalog, subject: &Subject<'_>) -> Value {
    let comment = catalog.snapshot().schemas.get(subject.schema).and_then(Option::as_deref);
    let (title, rest) = match comment {
        Some(comment) => first_line(comment),
        None => ("Pando", None),
    };
    let whose = match subject.role {
        Some(role) => format!("What the role {role} may do with the schema {}.", subject.schema),
        None => format!("Everything in the schema {}, whoever may use it.", subject.schema),
    };
    let filters = "A column's parameter filters by it: an operator, a dot and a value, like eq.1, gte.2024-01-01, \
                   in.(a,b), like.A*, is.null; not. in front of it negates.";
    let paragraphs = rest.into_iter().chain([whose.as_str(), filters]);
    json!({
        "title": title,
        "version": subject.version,
        "description": paragraphs.collect::<Vec<_>>().join("\n\n"),
    })
}

fn security(subject: &Subject<'_>) -> Vec<Value> {
    let token = json!({ "bearer": [] });
    if subject.allows_anonymous { vec![json!({}), token] } else { vec![token] }
}

/// A comment's first line, and what follows it.
fn first_line(comment: &str) -> (&str, Option<&str>) {
    match comment.split_once('\n') {
        Some((first, rest)) => (first, Some(rest.trim()).filter(|rest| !rest.is_empty())),
        None => (comment, None),
    }
}

/// `{"$ref": "#/components/…"}`, put together when it is written: a document has tens of thousands of them.
#[derive(Debug, Clone)]
struct Reference {
    kind: &'static str,
    key: Arc<str>,
}

impl Reference {
    fn new(kind: &'static str, key: impl Into<Arc<str>>) -> Self {
        Self { kind, key: key.into() }
    }

    fn value(kind: &str, key: &str) -> Value {
        json!({ "$ref": format!("#/components/{kind}/{key}") })
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Target<'a>(&'a Reference);
        impl Serialize for Target<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Reference { kind, key } = self.0;
                serializer.collect_str(&format_args!("#/components/{kind}/{key}"))
            }
        }
        serializer.collect_map([("$ref", Target(self))])
    }
}
