//! The page at `/docs`: Swagger UI over the OpenAPI document of the API. Everything that it needs lies in the binary,
//! and its `Content-Security-Policy` lets it reach nothing but this server. The page itself is the same for everybody
//! and says nothing: what it shows, it asks the API for, with the token that its user types in.

use std::sync::LazyLock;

use bytes::Bytes;
use delivery::Fingerprint;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION};
use http::header::{HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use service::{Answer, Body, Summary};
use swagger_ui_redist::{SwaggerUi, SwaggerUiStaticFile};
use telemetry::Trace;

use crate::refusal::Refusal;

/// Scripts and styles of this server alone, `data:` images for the icons inside of Swagger UI's styles, requests to
/// this server alone, and no other page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    /// A strong validator, which `deliver.rs` compares and completes.
    etag: HeaderValue,
}

/// All files; the page itself has the empty name. Hashed once, at the first request for one of them.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let own: [(&str, &str, &[u8]); 3] = [
        ("", HTML, include_bytes!("../assets/docs.html")),
        ("docs.css", CSS, include_bytes!("../assets/docs.css")),
        ("docs.js", SCRIPT, include_bytes!("../assets/docs.js")),
    ];
    let foreign = SwaggerUi::static_files().iter().filter_map(|(file, content)| {
        let content_type = match file {
            SwaggerUiStaticFile::Css => CSS,
            SwaggerUiStaticFile::Js => SCRIPT,
            SwaggerUiStaticFile::Favicon32 => "image/png",
            // The page has no use for the others.
            _ => return None,
        };
        Some((file.file_name(), content_type, *content))
    });
    own.into_iter().chain(foreign).map(|(name, content_type, content)| File::new(name, content_type, content)).collect()
});

impl File {
    fn new(name: &'static str, content_type: &'static str, content: &'static [u8]) -> Self {
        let etag = Fingerprint::new().with(content_type.as_bytes()).with(content).tag().to_header();
        Self { name, content_type, content, etag }
    }
}

/// The answer, where the path is that of the page; `None` for every other.
pub(crate) fn answer(parts: &Parts, trace: &Trace) -> Option<Result<Answer, Refusal>> {
    let rest = parts.uri.path().strip_prefix("/docs")?;
    let name = match rest.strip_prefix('/') {
        Some(name) => Some(name),
        None if rest.is_empty() => None,
        None => return None,
    };
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Some(Err(Refusal::page()));
    }
    let Some(name) = name else {
        return Some(Ok(redirect(trace)));
    };
    let file = FILES.iter().find(|file| file.name == name);
    Some(file.map(|file| send(file, trace)).ok_or_else(Refusal::no_page))
}

/// The page's own addresses are relative, so that it works behind a prefix too: it has to end with a slash.
fn redirect(trace: &Trace) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, HeaderValue::from_static("docs/"));
    answered(StatusCode::PERMANENT_REDIRECT, headers, Bytes::new(), trace)
}

fn send(file: &File, trace: &Trace) -> Answer {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    put(CONTENT_TYPE, file.content_type);
    put(CONTENT_SECURITY_POLICY, POLICY);
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(REFERRER_POLICY, "no-referrer");
    // Asked for again every time, so that a new version is seen at once; nearly always the answer is 304.
    put(CACHE_CONTROL, "no-cache");
    headers.insert(ETAG, file.etag.clone());
    answered(StatusCode::OK, headers, Bytes::from_static(file.content), trace)
}

fn answered(status: StatusCode, headers: HeaderMap, body: Bytes, trace: &Trace) -> Answer {
    let summary = Summary { route: "/docs", ..Summary::default() };
    Answer { status, reason: None, headers, body: Body::Full(body), summary, trace: trace.clone() }
}
