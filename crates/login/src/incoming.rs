//! What a request says, read before anything is done about it.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::defence::device::Shown;
use crate::error::{Outcome, Refusal};
use crate::gate::{Attempt, AttemptKind, Gate, Wait};
use crate::password::Priority;
use crate::settings::{MOST_EMAIL_BYTES, MOST_USER_AGENT_BYTES};

/// The header in which clients name the version of the protocol that they expect.
pub(crate) const VERSION_HEADER: &str = "x-supabase-api-version";

/// The version from which on errors have another form.
pub(crate) const VERSION: &str = "2024-01-01";

/// A request.
pub(crate) struct Incoming {
    pub(crate) method: Method,
    /// The path below `/auth/v1`, in its parts.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
    pub(crate) address: IpAddr,
    /// Whether it is decided anew, because somebody else changed the same rows: nothing is counted twice then.
    pub(crate) is_again: bool,
}

/// What proves who began a sign-in (RFC 7636).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pkce {
    pub(crate) method: String,
    pub(crate) challenge: String,
}

/// The members of a body.
pub(crate) struct Fields(Map<String, Value>);

impl Incoming {
    /// Whether errors are to have the form of 2024-01-01.
    pub(crate) fn is_versioned(headers: &HeaderMap) -> bool {
        headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok()).is_some_and(|version| {
            let is_date =
                version.len() == VERSION.len() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            is_date && version >= VERSION
        })
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, a JSON object. An empty one has no members.
    pub(crate) fn fields(&self) -> Outcome<Fields> {
        if self.body.is_empty() {
            return Ok(Fields(Map::new()));
        }
        let wrong = || Refusal::bad_request("bad_json", "Could not parse request body as JSON: an object is expected");
        let Ok(Value::Object(fields)) = serde_json::from_slice(&self.body) else { return Err(wrong()) };
        if fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)) {
            return Err(Refusal::bad_request(
                "bad_json",
                "Could not parse request body as JSON: \\u0000 cannot be stored",
            ));
        }
        Ok(Fields(fields))
    }

    /// Where the user wants to be led: by the query, or the page that asks.
    pub(crate) fn destination(&self) -> Option<&str> {
        self.parameter("redirect_to").filter(|place| !place.is_empty())
    }

    /// What the client calls itself, as far as it is kept.
    pub(crate) fn agent(&self) -> String {
        let agent =
            self.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        agent.chars().take(MOST_USER_AGENT_BYTES).collect()
    }

    /// Asks the gate. `account` is whose, as it is named, whether there is one or not. Gives who is served first.
    pub(crate) async fn enter(&self, gate: &dyn Gate, kind: AttemptKind, account: Option<&str>) -> Outcome<Priority> {
        self.enter_with(gate, &self.attempt(kind, account)).await
    }

    /// As above, with what is known of the attempt.
    pub(crate) async fn enter_with(&self, gate: &dyn Gate, attempt: &Attempt<'_>) -> Outcome<Priority> {
        let standing = gate.look(attempt).await;
        if self.is_again {
            return Ok(standing.priority);
        }
        let entered = gate.enter(attempt, standing).await;
        entered.map(|pass| pass.priority).map_err(|wait| too_often(attempt.kind, wait))
    }

    /// An attempt of this request.
    pub(crate) fn attempt<'a>(&self, kind: AttemptKind, account: Option<&'a str>) -> Attempt<'a> {
        Attempt { kind, account, address: self.address, device: None, password: None }
    }

    /// What the request shows of the device that it comes from.
    pub(crate) fn shown_devices(&self) -> Shown {
        Shown::of(&self.headers)
    }
}

/// What somebody is told who has to wait.
pub(crate) fn too_often(kind: AttemptKind, wait: Wait) -> Refusal {
    match kind {
        AttemptKind::Refresh => Refusal::overloaded(wait.seconds),
        AttemptKind::Mail => Refusal::too_often(
            "over_email_send_rate_limit",
            format!("For security purposes, you can only request this after {} seconds.", wait.seconds),
            wait.seconds,
        ),
        _ => Refusal::too_often("over_request_rate_limit", "Request rate limit reached", wait.seconds),
    }
}

/// The parts of a path, decoded.
pub(crate) fn parts(path: &str) -> Vec<String> {
    let parts = path.trim_matches('/').split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

/// The parameters of a query.
pub(crate) fn parameters(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(_, value)| !value.contains('\0')).collect()
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Fields {
    /// Text that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Outcome<Option<&str>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(name, "a string")),
        }
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Outcome<Option<&Map<String, Value>>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(wrong(name, "an object")),
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong(name, "a boolean")),
        }
    }

    /// The address in `name`, if there is one.
    pub(crate) fn email(&self, name: &str) -> Outcome<Option<String>> {
        self.text(name)?.map(email).transpose()
    }

    /// The password, if one is given.
    pub(crate) fn password(&self) -> Outcome<Option<base::Secret>> {
        Ok(self.text("password")?.map(base::Secret::new))
    }

    /// A phone number is something that Pando does not do.
    pub(crate) fn refuse_phone(&self, message: &'static str) -> Outcome<()> {
        match self.text("phone")? {
            Some(_) => Err(Refusal::bad_request("phone_provider_disabled", message)),
            None => Ok(()),
        }
    }

    /// What proves who began, if anything does.
    pub(crate) fn pkce(&self) -> Outcome<Option<Pkce>> {
        Pkce::read(self.text("code_challenge")?, self.text("code_challenge_method")?)
    }
}

impl Pkce {
    /// Reads it; `None` where nothing is given.
    pub(crate) fn read(challenge: Option<&str>, method: Option<&str>) -> Outcome<Option<Self>> {
        let (challenge, method) = match (challenge, method) {
            (None, None) => return Ok(None),
            (Some(challenge), Some(method)) => (challenge, method.to_ascii_lowercase()),
            _ => return Err(Refusal::invalid("PKCE flow requires code_challenge_method and code_challenge")),
        };
        if !matches!(method.as_str(), "s256" | "plain") {
            return Err(Refusal::invalid("unsupported code_challenge method: s256 and plain are known"));
        }
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&challenge.len()) || !challenge.bytes().all(is_unreserved) {
            return Err(Refusal::invalid(
                "code challenge has to be between 43 and 128 characters of A-Z a-z 0-9 - . _ ~",
            ));
        }
        Ok(Some(Self { method, challenge: challenge.to_owned() }))
    }
}

fn wrong(name: &str, kind: &str) -> Refusal {
    Refusal::bad_request("bad_json", format!("Could not parse request body as JSON: {name} has to be {kind}"))
}

/// An address as it is kept: in lower case. Whether somebody reads it is only known once he has.
pub(crate) fn email(text: &str) -> Outcome<String> {
    let wrong = || Refusal::invalid("Unable to validate email address: invalid format");
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let is_bad = |letter: char| letter.is_whitespace() || letter.is_control() || "<>()[]\\,;:\"@".contains(letter);
    let is_fine = text.len() <= MOST_EMAIL_BYTES
        && (1..=64).contains(&local.len())
        && !local.contains(is_bad)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !domain.contains(is_bad)
        && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && domain.contains('.');
    if is_fine { Ok(text.to_lowercase()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(email(" Mina@Example.com ").unwrap(), "mina@example.com");
        for right in ["a@b.co", "a+b@example.com", "ü@example.org", "a.b_c-d@x.y.z"] {
            assert!(email(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.de",
            "a@b..c",
            ".a@b.c",
            "a@-b.c",
            "a@b.c\r\nBcc: x@y.z",
            "a<b@c.de",
            "a@b@c.de",
        ] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
        assert!(email(&format!("a@{}.de", "b".repeat(300))).is_err());
    }

    #[test]
    fn bodies() {
        let request = |body: &'static str| Incoming {
            method: Method::POST,
            path: Vec::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: body.into(),
            address: IpAddr::from([127, 0, 0, 1]),
            is_again: false,
        };
        for wrong in ["[]", "x", "{\"email\":\"a\\u0000\"}", "{\"data\":{\"a\":[\"\\u0000\"]}}"] {
            assert_eq!(request(wrong).fields().err().unwrap().code, "bad_json", "{wrong}");
        }
        let fields = request(r#"{"email": 1, "data": [], "create_user": "x", "empty": ""}"#).fields().unwrap();
        assert!(fields.text("email").is_err() && fields.object("data").is_err() && fields.flag("create_user").is_err());
        assert_eq!(fields.text("empty").unwrap(), None);
        assert!(request("").fields().unwrap().text("email").unwrap().is_none());
    }

    #[test]
    fn versions() {
        let of = |version: &str| {
            let headers = HeaderMap::from_iter([(VERSION_HEADER.parse().unwrap(), version.parse().unwrap())]);
            Incoming::is_versioned(&headers)
        };
        assert!(of("2024-01-01") && of("2025-06-30"));
        assert!(!of("2023-01-01") && !of("latest") && !of("") && !Incoming::is_versioned(&HeaderMap::new()));
    }
}
