//! The admin address: metrics and probes, for the operator's machines only.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::Readiness;
use crate::front::Shared;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str = "\
Pando, admin address
/metrics  OpenMetrics text for Prometheus
/live     200 as long as the process runs
/ready    200 when requests are answered, otherwise 503 with the reason
/reload   POST with a header Pando-Admin: reads the schema and the configuration again: keys and rules for tokens count at once
";

/// A header that only a program of the operator's sends: a page in a browser on the same machine cannot, without asking first.
const ASKED: &str = "pando-admin";

/// Answers a request on the admin address.
pub(crate) async fn answer<B>(
    request: &Request<B>,
    shared: &Shared,
    readiness: &impl Readiness,
) -> Response<Full<Bytes>> {
    let (method, path) = (request.method(), request.uri().path());
    if path == "/reload" {
        return match (method == Method::POST, request.headers().contains_key(ASKED)) {
            (true, true) => reload(readiness).await,
            (true, false) => respond(StatusCode::FORBIDDEN, TEXT, "Send a header Pando-Admin\n".to_owned()),
            (false, _) => wrong_method("Only POST\n", "POST"),
        };
    }
    if method != Method::GET && method != Method::HEAD {
        return wrong_method("Only GET and HEAD\n", "GET, HEAD");
    }
    match path {
        "/" => respond(StatusCode::OK, TEXT, INDEX.to_owned()),
        "/metrics" => respond(StatusCode::OK, OPEN_METRICS, shared.telemetry.render_metrics()),
        "/live" => respond(StatusCode::OK, JSON, "{\"status\":\"live\"}\n".to_owned()),
        "/ready" => match ready(shared, readiness) {
            Ok(()) => respond(StatusCode::OK, JSON, "{\"status\":\"ready\"}\n".to_owned()),
            Err(reason) => failed("unready", reason),
        },
        _ => respond(StatusCode::NOT_FOUND, TEXT, "There are /metrics, /live, /ready and /reload\n".to_owned()),
    }
}

async fn reload(readiness: &impl Readiness) -> Response<Full<Bytes>> {
    match readiness.reload().await {
        Ok(reloaded) => {
            let (changed, waiting) = (list(&reloaded.changed), list(&reloaded.waiting));
            let body = format!("{{\"status\":\"reloaded\",\"changed\":[{changed}],\"after_restart\":[{waiting}]}}\n");
            respond(StatusCode::OK, JSON, body)
        }
        Err(reason) => failed("failed", reason),
    }
}

/// Names of settings, which are words with dots between them.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(",")
}

fn failed(status: &'static str, reason: &'static str) -> Response<Full<Bytes>> {
    // A fixed sentence of ours; quotes in it would only break the JSON.
    let reason = reason.replace(['"', '\\'], "'");
    respond(StatusCode::SERVICE_UNAVAILABLE, JSON, format!("{{\"status\":\"{status}\",\"reason\":\"{reason}\"}}\n"))
}

fn wrong_method(text: &str, allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, text.to_owned());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn ready(shared: &Shared, readiness: &impl Readiness) -> Result<(), &'static str> {
    if shared.is_draining() { Err("draining") } else { readiness.check() }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
