//! The admin address: metrics and probes, for the operator's machines only.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
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

/// What a browser sends by itself, and no scraper or probe does. A page can change the first, but not take it away.
const OF_BROWSERS: [HeaderName; 3] = [ACCEPT_LANGUAGE, ORIGIN, HeaderName::from_static("sec-fetch-site")];

const REBOUND: &str = "\
A browser is answered here when it asks by an address, by localhost or by a name without a dot:
any other name could be that of a page which has led it here (DNS rebinding)
";

/// Answers a request on the admin address.
pub(crate) async fn answer<B>(
    request: &Request<B>,
    shared: &Shared,
    readiness: &impl Readiness,
) -> Response<Full<Bytes>> {
    if OF_BROWSERS.iter().any(|name| request.headers().contains_key(name)) && !is_near(request) {
        return respond(StatusCode::FORBIDDEN, TEXT, REBOUND.to_owned());
    }
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

/// Whether the host that is asked for can be none of the internet's.
fn is_near<B>(request: &Request<B>) -> bool {
    let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(header).unwrap_or_default();
    let end = host.rfind(':').filter(|colon| host.rfind(']').is_none_or(|bracket| bracket < *colon));
    let name = end.and_then(|end| host.get(..end)).unwrap_or(host).to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    literal.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost")
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
