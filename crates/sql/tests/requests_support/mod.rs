//! From a line of text to rendered statements, over the schema of the recorded corpus.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::Write as _;
use std::sync::Arc;

use base::{Caller, Claims, Timestamp};
use bytes::Bytes;
use catalog::Catalog;
use http::{HeaderMap, HeaderValue, Method};
use plan::Plan;
use rest::{ApiRequest, Incoming};
use sql::sqlite::Rendered;
use sql::sqlite::read::ReadStatement;
use sql::sqlite::write::{DeleteStatements, InsertStatements, StepStatements, UpdateStatements};
use sql::{Parameter, Statement};

/// The catalog of the corpus's schema.
pub fn catalog() -> Catalog {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/corpus/schema.sql");
    let text = std::fs::read_to_string(path).expect("the corpus's schema");
    Catalog::new(sql::ddl::translate("schema.sql", &text, &sql::ddl::prelude()).expect("translates").snapshot)
}

/// A caller with a role; signed in unless anonymous.
pub fn caller(role: &str) -> Caller {
    let mut claims = serde_json::Map::new();
    if role != "anon" {
        claims.insert("sub".to_owned(), "11111111-1111-4111-8111-111111111111".into());
        claims.insert("role".to_owned(), role.into());
    }
    Caller { role: role.into(), claims: Arc::new(Claims::new(claims)), is_anonymous: role == "anon", key: None }
}

/// A request of the dialect. `UPSERT` stands for a POST that merges duplicates; rows are always answered.
pub fn request(method: &str, url: &str, body: &str) -> Result<ApiRequest, base::Failure> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    let (method, prefer) = match method {
        "UPSERT" => (Method::POST, "return=representation,resolution=merge-duplicates"),
        other => (other.parse().expect("a method"), "return=representation"),
    };
    if method != Method::GET {
        headers.insert("prefer", HeaderValue::from_static(prefer));
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let incoming = Incoming { method: &method, path, query, headers: &headers, body };
    rest::parse(incoming, &rest_settings())
}

fn rest_settings() -> rest::Settings {
    rest::Settings {
        schemas: vec!["public".into()],
        legacy_schema_error: false,
        openapi_enabled: true,
        transaction_end: rest::TransactionEnd::Commit,
        limits: rest::Limits::default(),
    }
}

/// Plans a request.
pub fn plan(catalog: &Catalog, role: &str, request: &ApiRequest) -> Result<Plan, plan::PlanError> {
    let settings = plan::Settings { max_rows: Some(1_000), aggregates: true, ..plan::Settings::default() };
    let caller = caller(role);
    let context = plan::Context { catalog, caller: &caller, now: Timestamp(0), settings: &settings };
    plan::plan(request, context)
}

/// Every statement of a plan, with what it is for.
pub fn statements(plan: &Plan) -> Vec<(String, Statement)> {
    let mut found = Vec::new();
    match sql::sqlite::render(plan).expect("is planned for the embedded engine") {
        Rendered::Read(read) => {
            collect("read", &read, &mut found);
            if let plan::Operation::Read(what) = &plan.operation {
                found.push(("count".to_owned(), sql::sqlite::read::count(&what.level)));
            }
        }
        Rendered::Insert(insert) => insert_statements(*insert, &mut found),
        Rendered::Update(update) => update_statements(*update, &mut found),
        Rendered::Delete(delete) => delete_statements(*delete, &mut found),
        Rendered::Call(call) => {
            for step in call.steps {
                match step {
                    StepStatements::Insert { source, insert } => {
                        found.push(("source".to_owned(), source));
                        insert_statements(insert, &mut found);
                    }
                    StepStatements::Update(update) => update_statements(update, &mut found),
                    StepStatements::Delete(delete) => delete_statements(delete, &mut found),
                }
            }
            if let Some(read) = call.read {
                collect("read", &read, &mut found);
            }
        }
    }
    found
}

fn insert_statements(insert: InsertStatements, found: &mut Vec<(String, Statement)>) {
    for batch in &insert.batches {
        found.extend(batch.existing.clone().map(|statement| ("existing".to_owned(), statement)));
        found.extend(batch.proposed.clone().map(|statement| ("proposed".to_owned(), statement)));
        found.push(("insert".to_owned(), batch.statement.clone()));
    }
    found.extend(insert.check.map(|statement| ("check".to_owned(), statement)));
    if let Some(merge) = insert.merge {
        found.extend(merge.visible.map(|statement| ("merge visible".to_owned(), statement)));
        found.extend(merge.check.map(|statement| ("merge check".to_owned(), statement)));
    }
    found.extend(insert.location.map(|location| ("location".to_owned(), location.statement)));
    if let Some(returning) = insert.returning {
        collect("returning", &returning.read, found);
    }
}

fn update_statements(update: UpdateStatements, found: &mut Vec<(String, Statement)>) {
    found.extend(update.statement.map(|statement| ("update".to_owned(), statement)));
    found.extend(update.check.map(|statement| ("check".to_owned(), statement)));
    if let Some(returning) = update.returning {
        collect("returning", &returning.read, found);
    }
}

fn delete_statements(delete: DeleteStatements, found: &mut Vec<(String, Statement)>) {
    found.push(("find".to_owned(), delete.find));
    found.push(("remove".to_owned(), delete.remove));
    if let Some(returning) = delete.returning {
        collect("returning", &returning.read, found);
    }
}

fn collect(name: &str, read: &ReadStatement, found: &mut Vec<(String, Statement)>) {
    found.push((name.to_owned(), read.statement.clone()));
    for (position, child) in read.children.iter().enumerate() {
        collect(&format!("{name}.{position}"), child, found);
    }
}

/// A statement with its parameters, for people.
pub fn print(name: &str, statement: &Statement) -> String {
    let mut text = format!("  {name}: {}\n", statement.text());
    if !statement.parameters().is_empty() {
        let parameters: Vec<String> = statement
            .parameters()
            .iter()
            .map(|parameter| match parameter {
                Parameter::Value(value) => format!("{value:?}"),
                other => format!("{other:?}"),
            })
            .collect();
        writeln!(text, "    with {}", parameters.join(", ")).expect("a String takes everything");
    }
    text
}
