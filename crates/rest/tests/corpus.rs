//! Every request recorded from a real PostgREST is read here, and the head of its answer written, without any
//! table: what form alone decides must be as recorded, to the last header and letter. The list of exceptions is
//! complete: a case that agrees again has to leave it.

#![allow(clippy::result_large_err, reason = "a test")]

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use rest::{Action, ApiRequest, Incoming, Limits, Outcome, Settings, Target, TransactionEnd};
    use serde_json::Value;

    /// The cases that are answered otherwise, and why.
    const EXCEPTIONS: &[(&str, &[&str])] = &[
        (
            "what follows a complete text is refused instead of cut off",
            &[
                "select.errors.004",
                "select.errors.007",
                "select.errors.015",
                "embed.errors.010",
                "embed.errors.011",
                "embed.errors.015",
                "aggregate.047",
            ],
        ),
        ("a logic tree needs its parentheses, and at most one not", &["logic.028", "logic.035"]),
        (
            "a row count that is none is refused instead of ignored",
            &["page.009", "page.010", "page.011", "page.012", "page.013", "embed.filters.037"],
        ),
        (
            "a body without rows is refused instead of ignored",
            &["insert.errors.003", "insert.errors.004", "insert.errors.005", "update.errors.009"],
        ),
        ("PUT takes exactly one row", &["put.016", "put.017"]),
        ("a negative max-affected is not understood", &["max-affected.011"]),
        ("NUL and bytes that are not UTF-8 are refused", &["protocol.014", "protocol.015", "protocol.016"]),
    ];

    /// The codes that are decided by form alone; others need the catalog, which also knows media types (PGRST107).
    const DECIDED_HERE: [&str; 9] =
        ["PGRST100", "PGRST101", "PGRST102", "PGRST106", "PGRST114", "PGRST117", "PGRST122", "PGRST125", "PGRST126"];

    #[test]
    fn requests_and_heads_as_recorded() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/corpus/cases.jsonl");
        let text = std::fs::read_to_string(path).expect("the recorded cases are part of the repository");
        let mut differences: BTreeMap<String, String> = BTreeMap::new();
        let mut heads = 0;
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let id = case["id"].as_str().unwrap().to_owned();
            let difference = match ask(&case) {
                Err(failure) => compare_refusal(&case, &rest::refuse(&failure, None, rest::ErrorForm::Plain)),
                Ok(request) => {
                    heads += 1;
                    compare_head(&case, &request)
                }
            };
            if let Some(difference) = difference {
                differences.insert(id, difference);
            }
        }
        for id in EXCEPTIONS.iter().flat_map(|(_, ids)| *ids) {
            assert!(differences.remove(*id).is_some(), "{id} agrees again: take it from the exceptions");
        }
        assert!(differences.is_empty(), "{differences:#?}");
        assert!(heads > 1_000, "{heads} requests were understood");
    }

    fn ask(case: &Value) -> Result<ApiRequest, base::Failure> {
        let settings = Settings {
            schemas: vec![Arc::from("public"), Arc::from("ops")],
            legacy_schema_error: false,
            openapi_enabled: case["config"] != "plain",
            transaction_end: TransactionEnd::RollbackAllowOverride,
            limits: Limits::default(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in case["headers"].as_object().unwrap() {
            headers.insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap(),
            );
        }
        let address = case["path"].as_str().unwrap();
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let method = Method::from_bytes(case["method"].as_str().unwrap().as_bytes()).unwrap();
        let body = Bytes::from(case["body"].as_str().unwrap_or("").to_owned());
        rest::parse(Incoming { method: &method, path, query, headers: &headers, body }, &settings)
    }

    fn compare_refusal(case: &Value, reply: &rest::Reply) -> Option<String> {
        let expected = &case["expect"];
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        if case["method"] != "HEAD" && body != expected["json"] {
            return Some(format!("got {body}, recorded {}", expected["json"]));
        }
        compare_headers(expected, reply.head.status.as_u16(), &reply.head.headers)
    }

    fn compare_head(case: &Value, request: &ApiRequest) -> Option<String> {
        let expected = &case["expect"];
        let code = expected["json"]["code"].as_str().unwrap_or("");
        let headers = &expected["headers"];
        let is_error = expected["json"]["message"].is_string();
        let is_range_error = code == "PGRST103" && headers["content-range"].is_null();
        if is_error && (DECIDED_HERE.contains(&code) || is_range_error) {
            return Some(format!("was understood, recorded {}", expected["json"]));
        }
        let status = expected["status"].as_u64().unwrap();
        let is_other = matches!(request.target, Target::Routine(_)) || request.action == Action::Options;
        if is_other || (status >= 300 && status != 416) {
            return None;
        }
        match rest::head(request, &outcome(expected, request)) {
            Ok(head) => compare_headers(expected, head.status.as_u16(), &head.headers),
            Err(failure) => compare_refusal(case, &rest::refuse(&failure, Some(request), rest::ErrorForm::Plain)),
        }
    }

    /// What must have happened for the recorded answer.
    fn outcome(expected: &Value, request: &ApiRequest) -> Outcome {
        let text = |name: &str| expected["headers"][name].as_str();
        let (rows, total) = text("content-range").unwrap_or("*/*").split_once('/').unwrap();
        let total = total.parse().ok();
        let rows = match rows.split_once('-') {
            Some((first, last)) => last.parse::<u64>().unwrap() + 1 - first.parse::<u64>().unwrap(),
            None if matches!(request.action, Action::Insert | Action::Delete) => total.unwrap_or(0),
            None => 0,
        };
        let location = text("location").map(|location| {
            let (_, key) = location.split_once('?').unwrap();
            let decode = |value: &str| percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned();
            key.split('&')
                .map(|part| part.split_once("=eq.").unwrap())
                .map(|(name, value)| (name.to_owned(), Some(decode(value))))
                .collect()
        });
        Outcome {
            rows,
            total,
            inserted: Some(u64::from(expected["status"] == 201)),
            location,
            is_void: false,
            resolution_applied: text("preference-applied").is_some_and(|text| text.contains("resolution")),
            set_headers: None,
            set_status: None,
            media_type: None,
            is_explained: false,
        }
    }

    fn compare_headers(expected: &Value, status: u16, headers: &HeaderMap) -> Option<String> {
        if expected["status"] != status {
            return Some(format!("got status {status}, recorded {}", expected["status"]));
        }
        for (name, recorded) in expected["headers"].as_object().unwrap() {
            // CORS is the front door's; warnings need the catalog; objects stand for what chance decides.
            if name.starts_with("access-control") || name == "warning" || recorded.is_object() {
                continue;
            }
            let got = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            // Of `Vary` more is right: the recorded one leaves out who asks, and of which schema.
            let is_more = |got: &str| {
                let names: Vec<_> = got.split(", ").collect();
                recorded.as_str().is_some_and(|recorded| recorded.split(", ").all(|name| names.contains(&name)))
            };
            if name == "vary" && got.as_deref().is_some_and(is_more) {
                continue;
            }
            if got.as_deref() != recorded.as_str() {
                return Some(format!("got {name}: {got:?}, recorded {recorded}"));
            }
        }
        None
    }
}
