//! The keys over HTTP: `/auth/v1/admin/api-keys`, for whoever may do everything. Who asks was looked at before.

use std::time::Duration;

use base::Timestamp;
use datatype::{DatumRef, Type, Zone};
use http::{Method, StatusCode};
use identity::KeyKind;
use serde_json::{Map, Value, json};

use super::{KeyError, KeyKeeper, KeyRecord, KeyWish, LONGEST_OVERLAP, MadeKey, Quota, Scope, Usage};

/// The largest body that is read, in bytes: a hundred of each bound fit into it.
const LARGEST_BODY: usize = 64 * 1024;

/// How long a key counts beside its successor where nothing is said, in seconds.
const USUAL_OVERLAP: u64 = 86_400;

/// Why a request is refused: its status, a word and a sentence.
type Refusal = (StatusCode, &'static str, String);

impl KeyKeeper {
    /// Answers a request whose path behind `admin/api-keys` has these parts: `GET` lists, `POST` makes, `PATCH ID` changes the
    /// quota, `POST ID/rotate` rotates, `DELETE ID` revokes. A key is in the answer to its making alone (`key`). Refusals have `code`, `error_code` and `msg`, as the
    /// client of the login reads them.
    pub async fn answer(&self, method: &Method, parts: &[&str], body: &[u8]) -> (StatusCode, Value) {
        let outcome = match (method, parts) {
            (&Method::GET, []) => self.answer_list().await,
            (&Method::POST, []) => self.answer_create(body).await,
            (&Method::POST, [id, "rotate"]) => self.answer_rotate(id, body).await,
            (&Method::PATCH, [id]) => self.answer_change(id, body).await,
            (&Method::DELETE, [id]) => self.answer_revoke(id).await,
            (_, [] | [_] | [_, "rotate"]) => {
                let text = "There are GET and POST admin/api-keys, PATCH and DELETE admin/api-keys/ID, and POST \
                            admin/api-keys/ID/rotate";
                Err((StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text.to_owned()))
            }
            _ => Err((StatusCode::NOT_FOUND, "not_found", "There is nothing at this path".to_owned())),
        };
        outcome.unwrap_or_else(|(status, code, message)| {
            (status, json!({ "code": status.as_u16(), "error_code": code, "msg": message }))
        })
    }

    async fn answer_list(&self) -> Result<(StatusCode, Value), Refusal> {
        let keys = self.list_used().await.map_err(|error| refused(error.into()))?;
        Ok((StatusCode::OK, keys.iter().map(|(record, usage)| record.to_json_used(*usage)).collect()))
    }

    async fn answer_create(&self, body: &[u8]) -> Result<(StatusCode, Value), Refusal> {
        let mut members = object(body)?;
        let wish = wish(&mut members, self.clock.now())?;
        nothing_else(&members)?;
        // The first key makes the table where a server has none yet.
        self.make_table().await.map_err(|error| refused(error.into()))?;
        let made = self.create(wish).await.map_err(refused)?;
        Ok((StatusCode::CREATED, made.to_json()))
    }

    async fn answer_rotate(&self, id: &str, body: &[u8]) -> Result<(StatusCode, Value), Refusal> {
        let mut members = if body.is_empty() { Map::new() } else { object(body)? };
        let overlap = seconds(&mut members, "overlap_seconds")?.unwrap_or(USUAL_OVERLAP);
        nothing_else(&members)?;
        // A number that no moment could be added to is too long as well.
        let overlap = Duration::from_secs(overlap.min(LONGEST_OVERLAP.as_secs() + 1));
        let made = self.rotate(id, overlap).await.map_err(refused)?;
        Ok((StatusCode::CREATED, made.to_json()))
    }

    async fn answer_change(&self, id: &str, body: &[u8]) -> Result<(StatusCode, Value), Refusal> {
        let mut members = object(body)?;
        let quota = members.remove("quota").ok_or_else(|| invalid("what can be changed is the quota"))?;
        nothing_else(&members)?;
        let changed = self.bind(id, wished_quota(quota)?).await.map_err(refused)?;
        Ok((StatusCode::OK, changed.to_json()))
    }

    async fn answer_revoke(&self, id: &str) -> Result<(StatusCode, Value), Refusal> {
        let revoked = self.revoke(id).await.map_err(refused)?;
        Ok((StatusCode::OK, revoked.to_json()))
    }
}

impl MadeKey {
    /// The key and what is kept of it: to be shown once.
    pub fn to_json(&self) -> Value {
        let mut shown = self.record.to_json();
        if let Value::Object(members) = &mut shown {
            members.insert("key".to_owned(), self.text.expose().into());
        }
        shown
    }
}

impl KeyRecord {
    /// As lists show it; the key itself is not in it.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "kind": self.kind.name(),
            "prefix": self.hint,
            "role": self.role,
            "scope": self.scope.to_json(),
            "created_at": shown_moment(self.created_at),
            "expires_at": self.expires_at.map(shown_moment),
            "revoked_at": self.revoked_at.map(shown_moment),
            "last_used_at": self.last_used_at.map(shown_moment),
            "rotated_from": self.rotated_from,
            "quota": self.quota.map(Quota::to_json),
        })
    }

    /// The same with how much of the quota is used (`usage`, null for a key without one).
    pub fn to_json_used(&self, usage: Option<Usage>) -> Value {
        let mut shown = self.to_json();
        if let Value::Object(members) = &mut shown {
            members.insert("usage".to_owned(), usage.map_or(Value::Null, Usage::to_json));
        }
        shown
    }
}

impl Usage {
    fn to_json(self) -> Value {
        json!({
            "used": self.used,
            "since": shown_moment(self.period.0),
            "until": shown_moment(self.period.1),
        })
    }
}

/// A moment to the second, in UTC, as the API answers one.
pub fn shown_moment(moment: Timestamp) -> String {
    let seconds = moment.seconds().saturating_mul(1_000_000);
    let mut json = Vec::new();
    datatype::write_json(&Type::TimestampTz, DatumRef::Integer(seconds), &Zone::default(), &mut json);
    String::from_utf8_lossy(&json).trim_matches('"').to_owned()
}

fn wish(members: &mut Map<String, Value>, now: Timestamp) -> Result<KeyWish, Refusal> {
    let kind = match text(members, "kind")?.as_deref() {
        None => KeyKind::Publishable,
        Some(name) => KeyKind::from_name(name).ok_or_else(|| invalid("kind is \"publishable\" or \"secret\""))?,
    };
    let scope = members.remove("scope").filter(|scope| !scope.is_null());
    let expires_in = seconds(members, "expires_in_seconds")?;
    let quota = members.remove("quota").map_or(Ok(None), wished_quota)?;
    Ok(KeyWish {
        name: text(members, "name")?.ok_or_else(|| invalid("a key needs a name"))?,
        kind,
        role: text(members, "role")?,
        scope: scope.map_or(Ok(Scope::default()), Scope::from_json).map_err(|problem| invalid(&problem))?,
        expires_at: expires_in.map(|seconds| super::later(now, Duration::from_secs(seconds))),
        quota,
    })
}

/// Null is none.
fn wished_quota(value: Value) -> Result<Option<Quota>, Refusal> {
    let quota = Some(value).filter(|value| !value.is_null()).map(Quota::from_json);
    quota.transpose().map_err(|problem| invalid(&problem))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.len() > LARGEST_BODY {
        let text = format!("The body has more than {LARGEST_BODY} bytes");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "over_size_limit", text));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err((StatusCode::BAD_REQUEST, "bad_json", "The body is no JSON object".to_owned())),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(&format!("{name} is a text"))),
    }
}

fn seconds(members: &mut Map<String, Value>, name: &str) -> Result<Option<u64>, Refusal> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(number) => {
            number.as_u64().map(Some).ok_or_else(|| invalid(&format!("{name} is a whole number, 0 or more")))
        }
    }
}

/// What is not understood may be meant to take something away, so it is not passed over.
fn nothing_else(members: &Map<String, Value>) -> Result<(), Refusal> {
    match members.keys().next() {
        Some(name) => Err(invalid(&format!("{name:?} is not known here"))),
        None => Ok(()),
    }
}

fn invalid(problem: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, "validation_failed", problem.to_owned())
}

fn refused(error: KeyError) -> Refusal {
    let text = error.to_string();
    match error {
        KeyError::Refused(_) | KeyError::Ambiguous => (StatusCode::BAD_REQUEST, "validation_failed", text),
        KeyError::Unknown => (StatusCode::NOT_FOUND, "api_key_not_found", text),
        KeyError::Gone => (StatusCode::GONE, "api_key_gone", text),
        KeyError::Changed => (StatusCode::CONFLICT, "conflict", text),
        // What happened inside stands in the log of the store.
        KeyError::Random(_) | KeyError::Store(_) => {
            let text = "The keys cannot be read or changed at the moment".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, "unexpected_failure", text)
        }
    }
}
