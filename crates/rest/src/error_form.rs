//! The body of an error.

use base::{Details, Failure, Offence};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

/// The media type of RFC 9457.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// How an error is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorForm {
    /// PostgREST's four members: `code`, `details`, `hint`, `message`.
    #[default]
    Plain,
    /// The same with `errors` beside them, where rows of the body are at fault: each fault with its columns.
    Listed,
    /// [`ErrorForm::Listed`] with the members of RFC 9457 beside them.
    Problem,
}

impl ErrorForm {
    /// The form that a client asks for: [`ErrorForm::Problem`] where `Accept` names `application/problem+json`.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut ranges =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        if ranges.any(is_problem) { Self::Problem } else { Self::Plain }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Plain | Self::Listed => "application/json; charset=utf-8",
            Self::Problem => PROBLEM,
        }
    }

    pub(crate) fn body(self, failure: &Failure, status: StatusCode) -> Bytes {
        let text = |text: &str| Value::from(text);
        let mut members: Vec<(&str, Value)> = Vec::new();
        if self == Self::Problem {
            // What `code` says more exactly: `about:blank` means that the status is all there is to the type.
            members.push(("type", text("about:blank")));
            members.push(("title", text(status.canonical_reason().unwrap_or("Error"))));
            members.push(("status", Value::from(status.as_u16())));
            members.push(("detail", text(&failure.message)));
        }
        members.push(("code", text(&failure.code)));
        members.push((
            "details",
            match &failure.details {
                Some(Details::Text(details)) => text(details),
                Some(Details::Json(value)) => value.clone(),
                None => Value::Null,
            },
        ));
        members.push(("hint", failure.hint.as_deref().map_or(Value::Null, text)));
        members.push(("message", text(&failure.message)));
        if self != Self::Plain && !failure.offences.is_empty() {
            members.push(("errors", failure.offences.iter().map(offence).collect()));
        }
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect();
        Bytes::from(format!("{{{}}}", members.join(",")))
    }
}

/// Whether a range of `Accept` is the media type of problems, and is wanted.
fn is_problem(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(PROBLEM));
    is_named && !parts.any(|part| part.strip_prefix("q=").is_some_and(|quality| quality.parse() == Ok(0.0)))
}

fn offence(offence: &Offence) -> Value {
    let columns: Value = offence.columns.iter().map(|column| Value::from(&**column)).collect();
    let mut members = Map::from_iter([
        ("row".to_owned(), Value::from(offence.row)),
        ("columns".to_owned(), columns),
        ("code".to_owned(), Value::from(&*offence.code)),
        ("message".to_owned(), Value::from(&*offence.message)),
    ]);
    if let Some(constraint) = &offence.constraint {
        members.insert("constraint".to_owned(), Value::from(&**constraint));
    }
    if let Some(pointer) = &offence.pointer {
        members.insert("pointer".to_owned(), Value::from(&**pointer));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use base::Kind;
    use http::HeaderValue;

    use super::*;

    fn failure(offences: usize) -> Failure {
        let mut failure = Failure::new(Kind::BadRequest, "22P02", "no \"number\"");
        let one = Offence {
            row: 3,
            columns: vec!["age".into()],
            code: "23514".into(),
            message: "too young".to_owned(),
            constraint: Some("adult".into()),
            pointer: None,
        };
        failure.offences = vec![one; offences];
        failure
    }

    fn body(form: ErrorForm, offences: usize) -> String {
        String::from_utf8_lossy(&form.body(&failure(offences), StatusCode::BAD_REQUEST)).into_owned()
    }

    #[test]
    fn the_plain_form_is_that_of_postgrest() {
        let plain = r#"{"code":"22P02","details":null,"hint":null,"message":"no \"number\""}"#;
        assert_eq!(body(ErrorForm::Plain, 2), plain);
        assert_eq!(body(ErrorForm::Listed, 0), plain);
    }

    #[test]
    fn faults_and_problems_are_told_one_by_one() {
        let one = r#"{"row":3,"columns":["age"],"code":"23514","message":"too young","constraint":"adult"}"#;
        let told: Value = serde_json::from_str(&body(ErrorForm::Listed, 2)).unwrap();
        assert_eq!(told["errors"], serde_json::from_str::<Value>(&format!("[{one},{one}]")).unwrap());
        let problem: Value = serde_json::from_str(&body(ErrorForm::Problem, 1)).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "no \"number\"",
            "code": "22P02", "details": null, "hint": null, "message": "no \"number\"",
            "errors": [serde_json::from_str::<Value>(one).unwrap()],
        });
        assert_eq!(problem, expected);
    }

    #[test]
    fn the_form_is_asked_for_by_name() {
        for (accept, form) in [
            ("application/problem+json", ErrorForm::Problem),
            ("application/json, Application/Problem+JSON;q=0.5", ErrorForm::Problem),
            ("application/json, application/problem+json; q=0", ErrorForm::Plain),
            ("*/*", ErrorForm::Plain),
            ("application/*", ErrorForm::Plain),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())]);
            assert_eq!(ErrorForm::of(&headers), form, "{accept}");
        }
    }
}
