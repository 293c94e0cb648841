//! The admin address: metrics and probes, for the operator's machines only.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
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
";

/// Answers a request on the admin address.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    shared: &Shared,
    readiness: &impl Readiness,
) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/" => respond(StatusCode::OK, TEXT, INDEX.to_owned()),
        "/metrics" => respond(StatusCode::OK, OPEN_METRICS, shared.telemetry.render_metrics()),
        "/live" => respond(StatusCode::OK, JSON, "{\"status\":\"live\"}\n".to_owned()),
        "/ready" => match ready(shared, readiness) {
            Ok(()) => respond(StatusCode::OK, JSON, "{\"status\":\"ready\"}\n".to_owned()),
            Err(reason) => {
                // A fixed sentence of ours; quotes in it would only break the JSON.
                let reason = reason.replace(['"', '\\'], "'");
                let body = format!("{{\"status\":\"unready\",\"reason\":\"{reason}\"}}\n");
                respond(StatusCode::SERVICE_UNAVAILABLE, JSON, body)
            }
        },
        _ => respond(StatusCode::NOT_FOUND, TEXT, "There are /metrics, /live and /ready\n".to_owned()),
    }
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
