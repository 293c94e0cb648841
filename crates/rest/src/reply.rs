//! From the outcome of a request to status, headers and body.

use base::{Failure, Kind};
use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error_form::ErrorForm;
use crate::preferences::{Count, Representation, Resolution};
use crate::request::{Action, ApiRequest, Format, Target};
use crate::status::{reason, status};
use crate::told;

/// What running a request gave, in numbers; the body is written elsewhere, in the negotiated form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Rows in the body, or rows affected by a write without one.
    pub rows: u64,
    /// All rows that fit, where a count was asked for.
    pub total: Option<u64>,
    /// Of an upsert: how many rows are new.
    pub inserted: Option<u64>,
    /// Of an insert with `return=headers-only`: the primary key of its single row, column and printed value.
    pub location: Option<Vec<(String, Option<String>)>>,
    /// Whether a function was called that gives nothing.
    pub is_void: bool,
    /// Whether the resolution preference was used (the table has a key to find duplicates by).
    pub resolution_applied: bool,
    /// Headers that a function or trigger set: the text of `response.headers`.
    pub set_headers: Option<String>,
    /// The status that it set: the text of `response.status`.
    pub set_status: Option<String>,
    /// `Content-Type` of the body, where it is not that of the request's format.
    pub media_type: Option<String>,
    /// Whether the body is the plan of the request, and nothing else is told of it.
    pub is_explained: bool,
}

/// An answer without its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers, all but those of the transport.
    pub headers: HeaderMap,
}

/// A whole answer whose body is already there: errors, OPTIONS and the like.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status and headers.
    pub head: Head,
    /// The words beside the status in HTTP/1.1, where a function of the schema chose them.
    pub reason: Option<String>,
    /// The body; empty for none. The transport leaves it out for `HEAD`.
    pub body: Bytes,
}

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What an answer depends on beside its address: PostgREST's three, the schema, and who asks. The front door adds what it
/// makes of answers itself (`Accept-Encoding`, `Origin`).
const VARIES: HeaderValue = HeaderValue::from_static("Accept, Prefer, Range, Accept-Profile, Authorization, apikey");

/// What is escaped in the query of `Location`: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Whether the answer of this request has rows in its body: reads, and writes with `return=representation`.
/// The description of the API has a body too.
pub fn has_body(request: &ApiRequest) -> bool {
    match request.action {
        Action::Read | Action::Describe => true,
        Action::Insert if matches!(request.target, Target::Routine(_)) => true,
        Action::Insert | Action::Put | Action::Update | Action::Delete => {
            request.preferences.representation == Some(Representation::Full)
        }
        Action::Options => false,
    }
}

/// Status and headers of a request that succeeded.
///
/// # Errors
/// `PGRST111` and `PGRST112` for what a function says about the answer and cannot be understood; `PGRST103` (416) for a read whose offset lies beyond the rows that were counted; give it to [`refuse`]
/// together with the request.
pub fn head(request: &ApiRequest, outcome: &Outcome) -> Result<Head, Failure> {
    // Room for these and for those of the front door: the map grows at once instead of step by step.
    let mut headers = HeaderMap::with_capacity(12);
    if outcome.is_explained {
        content_headers(&mut headers, request, outcome);
        headers.insert(VARY, VARIES);
        return Ok(Head { status: StatusCode::OK, headers });
    }
    let is_routine = matches!(request.target, Target::Routine(_));
    let status = match request.action {
        Action::Read | Action::Insert if is_routine => {
            let status = read_status(request, outcome, &mut headers)?;
            if outcome.is_void { StatusCode::NO_CONTENT } else { status }
        }
        Action::Read => {
            put(&mut headers, CONTENT_LOCATION, &content_location(request));
            read_status(request, outcome, &mut headers)?
        }
        Action::Insert => {
            content_range(&mut headers, None, counted(request, outcome));
            location(&mut headers, request, outcome);
            insert_status(request, outcome)
        }
        Action::Update => {
            content_range(&mut headers, page(0, outcome.rows), counted(request, outcome));
            write_status(request)
        }
        Action::Delete => {
            content_range(&mut headers, None, counted(request, outcome));
            write_status(request)
        }
        Action::Put if has_body(request) && outcome.inserted.is_some_and(|rows| rows > 0) => StatusCode::CREATED,
        Action::Put => write_status(request),
        Action::Describe | Action::Options => StatusCode::OK,
    };
    if has_body(request) && !outcome.is_void {
        content_headers(&mut headers, request, outcome);
    }
    if let Some(applied) = request.preferences.applied(request.action, is_routine, outcome.resolution_applied) {
        put(&mut headers, PREFERENCE_APPLIED, &applied);
    }
    headers.insert(VARY, VARIES);
    if let Some(set) = &outcome.set_headers {
        told::set_headers(set, &mut headers)?;
    }
    let status = outcome.set_status.as_deref().map_or(Ok(status), told::status)?;
    Ok(Head { status, headers })
}

/// What the body is, and of which schema.
fn content_headers(headers: &mut HeaderMap, request: &ApiRequest, outcome: &Outcome) {
    match &outcome.media_type {
        Some(media_type) => put(headers, CONTENT_TYPE, media_type),
        None => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(request.format)));
        }
    }
    if request.names_profile {
        put(headers, CONTENT_PROFILE, &request.schema);
    }
}

/// The answer to `OPTIONS`: the methods that the target takes, `OPTIONS` itself left out.
pub fn options(methods: &[Method]) -> Reply {
    let mut allowed = String::from("OPTIONS");
    for method in methods {
        allowed.push(',');
        allowed.push_str(method.as_str());
    }
    let mut headers = HeaderMap::new();
    put(&mut headers, ALLOW, &allowed);
    headers.insert(VARY, VARIES);
    Reply { head: Head { status: StatusCode::OK, headers }, reason: None, body: Bytes::new() }
}

/// The answer to a request that failed. The request is given where it is known; without it a failed parse is
/// answered the same way. What is inside the failure never goes out.
pub fn refuse(failure: &Failure, request: Option<&ApiRequest>, form: ErrorForm) -> Reply {
    let status = status(failure);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    match (failure.total_rows, request) {
        // A page beyond the rows was understood and counted: PostgREST answers it like a page.
        (Some(total), Some(request)) if failure.kind == Kind::RangeNotSatisfiable => {
            content_range(&mut headers, None, Some(total));
            put(&mut headers, CONTENT_LOCATION, &content_location(request));
            if request.names_profile {
                put(&mut headers, CONTENT_PROFILE, &request.schema);
            }
            if let Some(applied) =
                request.preferences.applied(request.action, matches!(request.target, Target::Routine(_)), false)
            {
                put(&mut headers, PREFERENCE_APPLIED, &applied);
            }
            headers.insert(VARY, VARIES);
        }
        (total, _) => {
            if total.is_some() {
                content_range(&mut headers, None, total);
            }
            put(&mut headers, PROXY_STATUS, &format!("PostgREST; error={}", failure.code));
        }
    }
    if status == StatusCode::UNAUTHORIZED {
        put(&mut headers, WWW_AUTHENTICATE, &challenge(failure));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(allowed(&failure.code)));
    }
    for (name, value) in failure.custom.iter().flat_map(|custom| &custom.headers) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            && !told::is_of_the_connection(&name)
        {
            headers.insert(name, value);
        }
    }
    if let Some(seconds) = failure.retry_after_seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Reply { head: Head { status, headers }, reason: reason(failure), body: form.body(failure, status) }
}

/// The methods beside 405 (RFC 9110, 15.5.6), by why the one was refused: all that a target of its kind ever takes, as
/// `OPTIONS` tells more exactly.
fn allowed(code: &str) -> &'static str {
    match code {
        "PGRST101" => "OPTIONS,GET,HEAD,POST",
        // A function that writes, called by a method that only reads.
        "25006" => "OPTIONS,POST",
        _ => "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE",
    }
}

/// `Content-Type` of an answer in this form.
pub fn content_type(format: Format) -> &'static str {
    match format {
        Format::Array { strip_nulls: false } => "application/json; charset=utf-8",
        Format::Array { strip_nulls: true } => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
        Format::Object { strip_nulls: false } => "application/vnd.pgrst.object+json; charset=utf-8",
        Format::Object { strip_nulls: true } => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
        Format::Csv => "text/csv; charset=utf-8",
        Format::OpenApi => "application/openapi+json; charset=utf-8",
        Format::GeoJson => "application/geo+json; charset=utf-8",
        Format::Raw => "application/octet-stream",
        Format::Plan => "application/vnd.pgrst.plan+text; charset=utf-8",
    }
}

/// `Content-Type` of an answer in a media type that the schema gives: what is known to be text has its encoding with it.
pub fn content_type_of(media_type: &str) -> String {
    let is_text = matches!(
        media_type,
        "application/json"
            | "application/geo+json"
            | "application/openapi+json"
            | "text/csv"
            | "text/plain"
            | "text/xml"
    );
    if is_text { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() }
}

fn read_status(request: &ApiRequest, outcome: &Outcome, headers: &mut HeaderMap) -> Result<StatusCode, Failure> {
    let offset = request.ranges.get(&Vec::new()).map_or(0, |range| range.offset);
    let shown = page(offset, outcome.rows);
    content_range(headers, shown, outcome.total);
    match outcome.total {
        Some(total) if offset > total => {
            let mut failure = Failure::new(Kind::RangeNotSatisfiable, "PGRST103", "Requested range not satisfiable")
                .with_details(format!("An offset of {offset} was requested, but there are only {total} rows."));
            failure.total_rows = Some(total);
            Err(failure)
        }
        Some(total) if outcome.rows < total => Ok(StatusCode::PARTIAL_CONTENT),
        _ => Ok(StatusCode::OK),
    }
}

fn insert_status(request: &ApiRequest, outcome: &Outcome) -> StatusCode {
    let merges = request.preferences.resolution == Some(Resolution::MergeDuplicates);
    match outcome.inserted {
        // Every row was there before.
        Some(0) if merges && outcome.resolution_applied => StatusCode::OK,
        _ => StatusCode::CREATED,
    }
}

fn write_status(request: &ApiRequest) -> StatusCode {
    if has_body(request) { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

/// The rows of a write, where a count of them was asked for.
fn counted(request: &ApiRequest, outcome: &Outcome) -> Option<u64> {
    matches!(request.preferences.count, Some(Count::Exact | Count::Estimated))
        .then(|| outcome.total.unwrap_or(outcome.rows))
}

/// The first and the last row, counted from 0; `None` for no rows.
fn page(offset: u64, rows: u64) -> Option<(u64, u64)> {
    let last = rows.checked_sub(1)?;
    Some((offset, offset.saturating_add(last)))
}

fn content_range(headers: &mut HeaderMap, page: Option<(u64, u64)>, total: Option<u64>) {
    let mut digits = itoa::Buffer::new();
    let mut text = String::with_capacity(32);
    match page {
        Some((first, last)) if total != Some(0) => {
            text.push_str(digits.format(first));
            text.push('-');
            text.push_str(digits.format(last));
        }
        _ => text.push('*'),
    }
    text.push('/');
    text.push_str(total.map_or("*", |total| digits.format(total)));
    put(headers, CONTENT_RANGE, &text);
}

/// Where the new row is: `/zones?code=eq.A`.
fn location(headers: &mut HeaderMap, request: &ApiRequest, outcome: &Outcome) {
    if request.preferences.representation != Some(Representation::HeadersOnly) {
        return;
    }
    let (Some(key), Target::Relation(name)) = (&outcome.location, &request.target) else {
        return;
    };
    if key.is_empty() {
        return;
    }
    let mut text = format!("/{}", utf8_percent_encode(name, RESERVED));
    for (index, (column, value)) in key.iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.extend(utf8_percent_encode(column, RESERVED));
        match value {
            Some(value) => {
                text.push_str("=eq.");
                text.extend(utf8_percent_encode(value, RESERVED));
            }
            None => text.push_str("=is.null"),
        }
    }
    put(headers, LOCATION, &text);
}

/// The canonical address of a read, relative to the mount point. The name stands as it is, as recorded, and is
/// escaped only where a header could not carry it.
fn content_location(request: &ApiRequest) -> String {
    let path = match &request.target {
        Target::Root => String::from("/"),
        Target::Relation(name) => format!("/{}", utf8_percent_encode(name, CONTROLS)),
        Target::Routine(name) => format!("/rpc/{}", utf8_percent_encode(name, CONTROLS)),
    };
    if request.canonical_query.is_empty() { path } else { format!("{path}?{}", request.canonical_query) }
}

/// `WWW-Authenticate` (RFC 6750 section 3).
fn challenge(failure: &Failure) -> String {
    match &*failure.code {
        "PGRST301" | "PGRST303" => {
            let description = failure.message.replace('\\', "\\\\").replace('"', "\\\"");
            format!("Bearer error=\"invalid_token\", error_description=\"{description}\"")
        }
        _ => "Bearer".to_owned(),
    }
}

/// Sets a header. What a header cannot carry (control characters) is percent-encoded first.
fn put(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_bytes(text.as_bytes())
        .or_else(|_| HeaderValue::from_str(&utf8_percent_encode(text, CONTROLS).to_string()));
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
