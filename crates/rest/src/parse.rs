//! From HTTP to [`ApiRequest`].

use std::sync::Arc;

use base::Failure;
use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::fault::Fault;
use crate::preferences::{Handling, Preferences};
use crate::query::{Query, decode_text};
use crate::request::{Action, ApiRequest, Cell, Payload, RawBody, RawKind, Target};
use crate::settings::Settings;
use crate::{accept, body, range};

/// A request as it came in.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path below the mount point, still percent-encoded: `/zones`. Empty means `/`.
    pub path: &'a str,
    /// The query string, raw, without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body, whole; the front door has already limited its size.
    pub body: Bytes,
}

/// Reads a request.
///
/// What is checked first is told first, mostly in PostgREST's order: size, path, schema, method, query string,
/// ranges, body, and at last preferences under `handling=strict`. Whether a media type can be given, the plan knows.
///
/// Where PostgREST's answer would surprise, this one differs; the recorded cases that show it are marked as
/// quirks there:
///
/// | request | PostgREST | here |
/// |---|---|---|
/// | `select=code)`, `select='x'`, `id=is.nullx`, `id!=eq.1` | the rest is cut off silently | 400 PGRST100 |
/// | `limit=x`, `limit=1.5`, `limit=` | ignored: all rows | 400 PGRST100 |
/// | `offset=-1` | rows are lost from the page | 416 PGRST103 |
/// | `not.not.or=(..)` | negated once | 400 PGRST100 |
/// | `or=id.eq.1` | a filter on a column `orid` | 400 PGRST100 |
/// | `%00`, `%FF`, `%zz` in the query or path | no rows, 500, taken literally | 400 PGRST100, 404 PGRST125 |
/// | a body that is a number, a text or null | nothing inserted, 201 | 400 PGRST102 |
/// | a key or header field twice | the last one wins | 400 PGRST102 |
/// | `PUT` with no row or several | 204, or SQL's error | 400 PGRST102 |
/// | `columns=` with CSV or a form | ignored | honoured |
/// | `in.("")` | the empty list | a list with the empty text |
/// | `rel(data->0)` | the key `0` | the index 0 |
/// | a hint that begins with `left` or `inner` | not understood | a hint |
/// | `Accept: application/*`, `text/*`, `;q=0` | 406, 406, accepted | JSON, CSV, not accepted |
/// | `max-affected=-1` | nothing passes | not understood: ignored, or PGRST122 when strict |
///
/// Copied although surprising, because requests in the wild rely on it: a parameter without `=` is ignored; `;`
/// separates parameters; an invalid `Range` and any `Range-Unit` are ignored; of two `select` or `order` the
/// first counts, of two `limit` the last; preferences are compared letter by letter; a `PATCH` with several rows
/// takes the first.
///
/// # Errors
/// PostgREST's `PGRST1nn` codes, `22003` for a row count beyond bigint, and `PANDO400`, `PANDO413`, `PANDO414`
/// when one of [`crate::Limits`] is exceeded; the message names the limit.
pub fn parse(incoming: Incoming<'_>, settings: &Settings) -> Result<ApiRequest, Failure> {
    read(incoming, settings).map_err(Failure::from)
}

fn read(incoming: Incoming<'_>, settings: &Settings) -> Result<ApiRequest, Fault> {
    let Incoming { method, path, query, headers, body } = incoming;
    let limits = &settings.limits;
    let length = (path.len() as u64).saturating_add(query.len() as u64);
    if limits.max_uri_bytes.is_exceeded_by(length) {
        return Err(Fault::UriTooLong(limits.max_uri_bytes));
    }
    let target = target(path)?;
    if target == Target::Root && !settings.openapi_enabled {
        return Err(Fault::DescriptionDisabled);
    }
    let (schema, names_profile) = schema(method, headers, settings)?;
    let action = action(method, &target)?;
    let is_routine = matches!(target, Target::Routine(_));
    let takes_arguments = is_routine && action == Action::Read;
    let query = Query::parse(query, takes_arguments, limits)?;

    let mut ranges = query.ranges;
    let asked = ranges.remove(&Vec::new());
    // RFC 9110 section 14.2: Range means something for GET alone. With If-Range it counts only for who has a part of just this answer
    // (section 13.1.5), which nobody can say before all of it was read: then it is given whole.
    let counts = *method == Method::GET && !headers.contains_key("if-range");
    let header = headers.get("range").filter(|_| counts).and_then(|value| value.to_str().ok());
    let top_level = range::top_level(header, asked)?;
    match action {
        Action::Put if top_level.is_some_and(|range| range.limit.is_some() || range.offset > 0) => {
            return Err(Fault::RangeOnPut);
        }
        // All other writes go over all rows that fit; a page of them was never meant.
        Action::Insert if is_routine => ranges.extend(top_level.map(|range| (Vec::new(), range))),
        Action::Put | Action::Insert | Action::Update | Action::Delete => {}
        Action::Read | Action::Describe | Action::Options => {
            ranges.extend(top_level.map(|range| (Vec::new(), range)));
        }
    }

    let columns = query.columns.filter(|_| matches!(action, Action::Insert | Action::Update));
    let mut payload = match action {
        Action::Insert if is_routine => routine_payload(headers, &body, columns.as_deref(), settings)?,
        Action::Insert | Action::Update | Action::Put => {
            body::parse(headers, &body, columns.as_deref(), false, limits)?
        }
        Action::Read if is_routine => arguments(query.arguments),
        Action::Read | Action::Delete | Action::Describe | Action::Options => Payload::default(),
    };
    if action == Action::Put && payload.rows.len() != 1 {
        let details = format!("The body holds {} rows.", payload.rows.len());
        return Err(Fault::body_at("PUT takes exactly one row", details));
    }
    if action == Action::Update {
        // As recorded: of several rows the first one holds the changes; of none, nothing changes.
        payload.rows.truncate(1);
    }

    let (format, accepts) = accept::negotiate(headers, action)?;
    let (preferences, invalid) = Preferences::parse(headers, settings.transaction_end.allows_override());
    if preferences.handling == Some(Handling::Strict) && !invalid.is_empty() {
        return Err(Fault::Preferences { invalid: invalid.join(", ") });
    }
    Ok(ApiRequest {
        action,
        target,
        schema,
        names_profile,
        is_head: *method == Method::HEAD,
        select: query.select.into(),
        conditions: query.conditions,
        order: query.order,
        ranges,
        columns,
        on_conflict: query.on_conflict,
        preferences,
        format,
        accepts,
        payload,
        canonical_query: query.canonical,
    })
}

fn target(path: &str) -> Result<Target, Fault> {
    let invalid = |details| Fault::Path { details };
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    if trimmed.is_empty() {
        return Ok(Target::Root);
    }
    let segments = trimmed
        .split('/')
        .map(|segment| decode_text(segment, false))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|problem| invalid(Some(format!("{problem} in a segment of the path"))))?;
    match segments.as_slice() {
        [name] => Ok(Target::Relation(name.clone())),
        [rpc, name] if rpc == "rpc" => Ok(Target::Routine(name.clone())),
        _ => Err(invalid(None)),
    }
}

fn schema(method: &Method, headers: &HeaderMap, settings: &Settings) -> Result<(Arc<str>, bool), Fault> {
    let is_write = matches!(*method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    let name = if is_write { "content-profile" } else { "accept-profile" };
    let Some(asked) = headers.get(name) else {
        let first = settings.schemas.first().cloned().unwrap_or_else(|| Arc::from("public"));
        return Ok((first, settings.schemas.len() > 1));
    };
    let asked = String::from_utf8_lossy(asked.as_bytes());
    match settings.schemas.iter().find(|schema| ***schema == *asked) {
        Some(schema) => Ok((schema.clone(), true)),
        None => {
            let exposed = settings.schemas.join(", ");
            if settings.legacy_schema_error {
                return Err(Fault::LegacySchema { exposed });
            }
            Err(Fault::Schema { asked: asked.into_owned(), exposed })
        }
    }
}

fn action(method: &Method, target: &Target) -> Result<Action, Fault> {
    match (method.as_str(), target) {
        ("OPTIONS", _) => Ok(Action::Options),
        ("GET" | "HEAD", Target::Root) => Ok(Action::Describe),
        ("GET" | "HEAD", _) => Ok(Action::Read),
        (_, Target::Root) => Err(Fault::MethodOnRoot(method.to_string())),
        ("POST", _) => Ok(Action::Insert),
        ("PATCH" | "PUT" | "DELETE", Target::Routine(_)) => Err(Fault::MethodOnRoutine(method.to_string())),
        ("PATCH", _) => Ok(Action::Update),
        ("PUT", _) => Ok(Action::Put),
        ("DELETE", _) => Ok(Action::Delete),
        _ => Err(Fault::Method(method.to_string())),
    }
}

/// The arguments of a routine that is called by `GET`: one row of texts.
fn arguments(arguments: Vec<(String, String)>) -> Payload {
    let (names, values): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
    Payload {
        columns: names.into_iter().map(Arc::from).collect(),
        rows: vec![values.into_iter().map(Cell::Text).collect()],
        is_array: false,
        raw: None,
    }
}

/// The arguments of a routine that is called by `POST`; an empty body is none.
fn routine_payload(
    headers: &HeaderMap,
    body: &Bytes,
    columns: Option<&[String]>,
    settings: &Settings,
) -> Result<Payload, Fault> {
    let raw = |kind| Some(RawBody { kind, body: body.clone() });
    let whole = match body::media_type(headers).as_str() {
        "text/plain" => Some(RawKind::Text),
        "text/xml" => Some(RawKind::Xml),
        "application/octet-stream" => Some(RawKind::Bytes),
        _ => None,
    };
    if let Some(kind) = whole {
        return Ok(Payload { raw: raw(kind), ..arguments(Vec::new()) });
    }
    if body.is_empty() {
        return Ok(Payload { raw: raw(RawKind::Json), ..arguments(Vec::new()) });
    }
    let mut payload = body::parse(headers, body, columns, true, &settings.limits)?;
    if body::media_type(headers) == "application/json" {
        payload.raw = raw(RawKind::Json);
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use base::Limit;
    use proptest::prelude::*;

    use super::*;
    use crate::request::{Condition, RowRange};
    use crate::settings::{Limits, TransactionEnd};

    fn settings() -> Settings {
        Settings {
            schemas: vec![Arc::from("public"), Arc::from("ops")],
            legacy_schema_error: false,
            openapi_enabled: true,
            transaction_end: TransactionEnd::Commit,
            limits: Limits::default(),
        }
    }

    fn ask(line: &str, headers: &[(&'static str, &str)], body: &str) -> Result<ApiRequest, Failure> {
        let (method, address) = line.split_once(' ').unwrap();
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        parse(Incoming { method: &method, path, query, headers: &map, body }, &settings())
    }

    fn code(line: &str, headers: &[(&'static str, &str)], body: &str) -> String {
        ask(line, headers, body).map_or_else(|failure| failure.code.into_owned(), |_| "fine".to_owned())
    }

    #[test]
    fn paths_and_methods() {
        for (line, expected) in [
            ("GET /", "fine"),
            ("GET ", "fine"),
            ("HEAD /", "fine"),
            ("OPTIONS /zones", "fine"),
            ("GET /zones/", "PGRST125"),
            ("GET //", "PGRST125"),
            ("GET /a/b/c", "PGRST125"),
            ("GET /%00", "PGRST125"),
            ("GET /%zz", "PGRST125"),
            ("GET /rpc/greet?a=1", "fine"),
            ("POST /rpc/greet", "fine"),
            ("PATCH /rpc/greet", "PGRST101"),
            ("POST /", "PGRST117"),
            ("TRACE /zones", "PGRST117"),
            ("FOO /zones", "PGRST117"),
            ("FOO /a/b/c", "PGRST125"),
        ] {
            assert_eq!(code(line, &[], ""), expected, "{line}");
        }
        let request = ask("GET /Lost%20%26%20Found+", &[], "").unwrap();
        assert_eq!(request.target, Target::Relation("Lost & Found+".to_owned()));
        let arguments = ask("GET /rpc/greet?a=1&b=eq.2", &[], "").unwrap().payload;
        assert_eq!(arguments.columns, [Arc::from("a")]);
    }

    #[test]
    fn schemas() {
        let schema = |line, headers: &[(&'static str, &str)]| ask(line, headers, "{}").map(|r| r.schema.to_string());
        assert_eq!(schema("GET /zones", &[]).unwrap(), "public");
        assert_eq!(schema("GET /zones", &[("accept-profile", "ops")]).unwrap(), "ops");
        assert_eq!(schema("GET /zones", &[("content-profile", "ops")]).unwrap(), "public");
        assert_eq!(schema("POST /zones", &[("content-profile", "ops")]).unwrap(), "ops");
        let failure = schema("GET /zones", &[("accept-profile", "nope")]).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("Only the following schemas are exposed: public, ops"));
        let mut one = settings();
        one.schemas.truncate(1);
        let names_profile = |headers: &HeaderMap| {
            let incoming = Incoming { method: &Method::GET, path: "/zones", query: "", headers, body: Bytes::new() };
            parse(incoming, &one).unwrap().names_profile
        };
        let mut headers = HeaderMap::new();
        assert!(!names_profile(&headers));
        headers.insert("accept-profile", "public".parse().unwrap());
        assert!(names_profile(&headers));
    }

    #[test]
    fn ranges_per_method() {
        let top = |line, headers: &[(&'static str, &str)], body| {
            ask(line, headers, body).map(|request| request.ranges.get(&Vec::new()).copied())
        };
        let range = &[("range", "0-4")];
        assert_eq!(top("GET /zones", range, "").unwrap(), Some(RowRange { limit: Some(5), offset: 0 }));
        assert_eq!(top("HEAD /zones", range, "").unwrap(), None);
        // Nobody knows yet whether the client has a part of the same, so it gets all that it asks for otherwise.
        let resumed = &[("range", "0-4"), ("if-range", "\"zzz\"")];
        assert_eq!(top("GET /zones", resumed, "").unwrap(), None);
        assert_eq!(top("GET /zones?limit=3", resumed, "").unwrap(), Some(RowRange { limit: Some(3), offset: 0 }));
        assert_eq!(top("PATCH /zones?limit=1", &[], "{}").unwrap(), None);
        assert_eq!(top("PUT /zones?code=eq.N", range, "{}").unwrap(), None);
        assert_eq!(code("PUT /zones?code=eq.N&limit=1", &[], "{}"), "PGRST114");
        assert_eq!(code("PUT /zones?code=eq.N&offset=1", &[], "{}"), "PGRST114");
        let embedded = ask("POST /zones?select=a(b)&a.limit=2", &[], "{}").unwrap();
        assert_eq!(embedded.ranges.len(), 1);
    }

    #[test]
    fn bodies_per_method() {
        assert_eq!(code("DELETE /zones", &[], "not json"), "fine");
        assert_eq!(code("POST /zones", &[], ""), "PGRST102");
        assert_eq!(code("POST /zones", &[("content-type", "application/yaml")], "a: 1"), "PGRST102");
        assert_eq!(code("PUT /zones?code=eq.N", &[], "[]"), "PGRST102");
        assert_eq!(code("PUT /zones?code=eq.N", &[], "[{},{}]"), "PGRST102");
        assert_eq!(ask("PATCH /zones", &[], r#"[{"a":1},{"a":2}]"#).unwrap().payload.rows.len(), 1);
        let request = ask("POST /zones?columns=a,b,a", &[], r#"{"b":1,"c":2}"#).unwrap();
        assert_eq!(request.payload.columns, [Arc::from("a"), Arc::from("b")]);
        assert_eq!(request.columns.unwrap(), ["a", "b"]);
        assert_eq!(ask("GET /zones?columns=a", &[], "").unwrap().columns, None);
    }

    #[test]
    fn what_is_told_first() {
        let accept = ("accept", "image/png");
        let strict = ("prefer", "handling=strict, banana");
        let profile = ("accept-profile", "nope");
        for (line, headers, expected) in [
            ("FOO /a/b", &[profile, accept, strict][..], "PGRST125"),
            ("FOO /a", &[profile, accept, strict], "PGRST106"),
            ("FOO /a", &[accept, strict], "PGRST117"),
            ("GET /a?select=(&limit=-1", &[accept, strict], "PGRST100"),
            ("GET /a?limit=-1", &[accept, strict], "PGRST103"),
            ("POST /a", &[accept, strict], "PGRST102"),
            ("GET /a", &[accept, strict], "PGRST122"),
            ("GET /a", &[accept], "fine"),
            ("GET /a", &[strict], "PGRST122"),
        ] {
            assert_eq!(code(line, headers, ""), expected, "{line} {headers:?}");
        }
    }

    #[test]
    fn bounds_are_named() {
        let mut tight = settings();
        tight.limits.max_uri_bytes = Limit::new("limits.max_uri_bytes", 10);
        let headers = HeaderMap::new();
        let incoming =
            |query| Incoming { method: &Method::GET, path: "/zones", query, headers: &headers, body: Bytes::new() };
        assert!(parse(incoming("a=is"), &tight).is_err_and(|failure| failure.code == "PGRST100"));
        let failure = parse(incoming("a=is.null"), &tight).unwrap_err();
        assert_eq!(failure.code, "PANDO414");
        assert!(failure.message.contains("limits.max_uri_bytes = 10"), "{failure}");
        let deep = format!("GET /a?select={}b{}", "a(".repeat(21), ")".repeat(21));
        let failure = ask(&deep, &[], "").unwrap_err();
        assert_eq!(failure.code, "PANDO400");
        assert!(failure.message.contains("limits.max_select_depth"), "{failure}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            path in "/[a-z%/0]{0,6}",
            query in r#"([a-z.%"&=;(),:!*>-]|select=|order=|or=|eq\.|in\.|not\.|->|::|limit=){0,24}"#,
            body in prop::collection::vec(any::<u8>(), 0..32),
        ) {
            let headers = HeaderMap::new();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let incoming =
                Incoming { method: &method, path: &path, query: &query, headers: &headers, body: body.into() };
            let _ = parse(incoming, &settings());
        }

        #[test]
        fn values_come_through_unchanged(value in "[^\u{0}]{0,12}") {
            let encoded =
                percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string();
            let request = ask(&format!("GET /a?b=eq.{encoded}"), &[], "").unwrap();
            let Condition::Filter(filter) = &request.conditions[0].condition else { panic!() };
            let crate::Operation::Compare { value: read, .. } = &filter.operation else { panic!() };
            prop_assert_eq!(read, &value);
        }
    }
}
