//! What every transaction begins with: who asks, with which claims, and what they asked. All of it is local to the
//! transaction, so a connection carries nothing from one request to the next.

use serde_json::{Map, Value};

use crate::driver::Job;

/// Settings of a transaction: names and values, in the order in which they are made.
pub(super) fn settings(job: &Job, search_path: &str, application: &[(String, String)]) -> Vec<(String, String)> {
    let mut settings = Vec::with_capacity(10);
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    if job.plan.access == plan::Access::ReadOnly {
        set("transaction_read_only", "on".to_owned());
    }
    set("search_path", search_path.to_owned());
    for (name, value) in application {
        set(name, value.clone());
    }
    if let Some(zone) = &job.request.time_zone {
        set("timezone", zone.clone());
    }
    set("request.jwt.claims", claims(job));
    set("request.method", job.request.method.to_string());
    set("request.path", job.request.path.clone());
    set("request.headers", headers(&job.request.headers).to_string());
    set("request.cookies", cookies(&job.request.headers).to_string());
    set("role", job.caller.role.to_string());
    settings
}

/// The claims, with the role that the request runs as among them.
fn claims(job: &Job) -> String {
    let mut claims = job.caller.claims.object().clone();
    claims.insert("role".to_owned(), Value::String(job.caller.role.to_string()));
    Value::Object(claims).to_string()
}

/// Headers by their names in lower case. Values that are not text are left out: JSON has no place for them.
fn headers(headers: &http::HeaderMap) -> Value {
    let mut object = Map::new();
    for (name, value) in headers {
        if *name == http::header::COOKIE {
            continue;
        }
        if let Ok(text) = value.to_str() {
            object.insert(name.as_str().to_owned(), Value::String(text.to_owned()));
        }
    }
    Value::Object(object)
}

fn cookies(headers: &http::HeaderMap) -> Value {
    let mut object = Map::new();
    for line in headers.get_all(http::header::COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            if let Some((name, value)) = pair.split_once('=') {
                object.insert(name.trim().to_owned(), Value::String(value.trim().to_owned()));
            }
        }
    }
    Value::Object(object)
}
