//! Writes that are done once however often they are asked for: the header `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header). Here it is read, and made into what the store keeps an answer under.

use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Failure, Kind, Limit, QualifiedName, Timestamp};
use catalog::Catalog;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rest::{ApiRequest, Incoming, Target};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use store::idempotency::{MakesAnswer, TABLE};
use store::{Digest, Idempotency, Shelf};

/// The header.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Tells that an answer is one that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, without its quotes: as long as other APIs take them, and enough for several UUIDs.
const LONGEST_KEY: Limit = Limit::new("the length of an Idempotency-Key in bytes", 255);

/// The headers that decide what a request asks. Two requests that differ in any of them are two requests.
const DECIDING: [HeaderName; 8] = [
    ACCEPT,
    CONTENT_TYPE,
    HeaderName::from_static("accept-profile"),
    HeaderName::from_static("content-profile"),
    HeaderName::from_static("prefer"),
    IF_MATCH,
    IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
];

/// The claims that are others in each token of one user.
const OF_THE_TOKEN: [&str; 4] = ["exp", "iat", "nbf", "jti"];

/// What the operator decides about keys.
#[derive(Debug, Clone)]
pub struct IdempotencySettings {
    /// How long answers are kept.
    pub keeps: Duration,
    /// The most bytes of an answer that is kept.
    pub most_bytes: Limit,
    /// The room for all of them.
    pub shelf: Arc<Shelf>,
    /// Paths below the mount where every write needs a key, without a slash at their ends: `/payments`, `/rpc`; an empty one is
    /// for all.
    pub required: Vec<String>,
}

/// A request with a key.
#[derive(Debug)]
pub(crate) struct Keyed {
    key: Vec<u8>,
    fingerprint: Digest,
}

/// Reads the key of a request that may write.
///
/// # Errors
/// 400 for several keys, or one that is none.
pub(crate) fn read(
    incoming: &Incoming<'_>,
    settings: Option<&IdempotencySettings>,
) -> Result<Option<Arc<Keyed>>, Failure> {
    let writes = matches!(*incoming.method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    if settings.is_none() || !writes {
        return Ok(None);
    }
    let mut lines = incoming.headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let key = key(line.as_bytes()).filter(|_| lines.next().is_none()).ok_or_else(no_key)?;
    if LONGEST_KEY.is_exceeded_by(u64::try_from(key.len()).unwrap_or(u64::MAX)) {
        return Err(refusal(format!("Idempotency-Key is longer than {} bytes", LONGEST_KEY.value)));
    }
    Ok(Some(Arc::new(Keyed { key, fingerprint: fingerprint(incoming) })))
}

/// Refuses a write without a key where one is needed.
///
/// # Errors
/// 400
pub(crate) fn require(
    request: &ApiRequest,
    keyed: Option<&Arc<Keyed>>,
    settings: Option<&IdempotencySettings>,
) -> Result<(), Failure> {
    let Some(settings) = settings.filter(|_| keyed.is_none() && request.action.writes()) else { return Ok(()) };
    let path = match &request.target {
        Target::Root => String::new(),
        Target::Relation(name) => format!("/{name}"),
        Target::Routine(name) => format!("/rpc/{name}"),
    };
    let is_below = |prefix: &String| {
        path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if settings.required.iter().any(is_below) {
        return Err(refusal("Idempotency-Key is missing".to_owned())
            .with_details("This operation has to be safe to repeat, and so requires a key."));
    }
    Ok(())
}

/// A key as it stands in the header: a string of structured fields (RFC 8941), whose parameters say nothing, or bare, as many
/// clients send it.
fn key(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let Some(mut rest) = line.strip_prefix(b"\"") else {
        let is_bare = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
        return (!line.is_empty() && line.iter().all(is_bare)).then(|| line.to_vec());
    };
    let mut key = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'"' => break,
            b'\\' => {
                let (escaped, after) = rest.split_first().filter(|(byte, _)| matches!(byte, b'"' | b'\\'))?;
                key.push(*escaped);
                rest = after;
            }
            0x20..=0x7e => key.push(*first),
            _ => return None,
        }
    }
    let is_end = matches!(rest.trim_ascii_start(), [] | [b';', ..]);
    (!key.is_empty() && is_end).then_some(key)
}

/// Of everything that decides what a request asks; where one part ends and the next begins counts.
fn fingerprint(incoming: &Incoming<'_>) -> Digest {
    let mut hash = Sha256::new();
    part(&mut hash, incoming.method.as_str().as_bytes());
    part(&mut hash, incoming.path.as_bytes());
    part(&mut hash, incoming.query.as_bytes());
    for name in &DECIDING {
        let lines: Vec<&[u8]> = incoming.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        part(&mut hash, &lines.join(&b", "[..]));
    }
    part(&mut hash, &incoming.body);
    hash.finalize().into()
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}

/// Whether the database has a table for answers.
fn has_table(catalog: &Catalog) -> bool {
    catalog.snapshot().relations.contains_key(&QualifiedName::new("pando", TABLE))
}

impl Keyed {
    /// What the store is told.
    ///
    /// # Errors
    /// 400 where the database has no table for answers.
    pub(crate) fn for_store(
        &self,
        (caller, catalog): (&Caller, &Catalog),
        now: Timestamp,
        settings: &IdempotencySettings,
        answer: MakesAnswer,
    ) -> Result<Idempotency, Failure> {
        if !has_table(catalog) {
            return Err(Failure::new(
                Kind::NotSupported,
                "PANDO400",
                "Idempotency-Key cannot be honoured: the database has no table for answers, so nothing was written",
            )
            .with_hint("A start with idempotency.enabled = \"on\" makes it, and \"off\" has the header ignored."));
        }
        let keeps = i64::try_from(settings.keeps.as_micros()).unwrap_or(i64::MAX);
        let expires_at = Timestamp(now.0.saturating_add(keeps));
        let (fingerprint, most_bytes) = (self.fingerprint, settings.most_bytes);
        let shelf = settings.shelf.clone();
        Ok(Idempotency { key: self.of(caller), fingerprint, expires_at, most_bytes, shelf, answer })
    }

    /// The key together with whose it is: another caller's is another key. A user stays the same with a new token, and so has to
    /// be known by what is the same in all of them.
    fn of(&self, caller: &Caller) -> Digest {
        let claims = caller.claims.object();
        let mut user: Map<String, Value> = match claims.get("sub") {
            Some(subject) => Map::from_iter([("sub".to_owned(), subject.clone())]),
            None => claims.clone(),
        };
        user.extend(claims.get("iss").map(|issuer| ("iss".to_owned(), issuer.clone())));
        user.retain(|name, _| !OF_THE_TOKEN.contains(&name.as_str()));
        // Members of an object print in the order of their names.
        let mut hash = Sha256::new();
        part(&mut hash, caller.role.as_bytes());
        part(&mut hash, caller.key.as_ref().map_or(b"", |key| key.id.as_bytes()));
        part(&mut hash, Value::Object(user).to_string().as_bytes());
        part(&mut hash, &self.key);
        hash.finalize().into()
    }
}

/// Says that an answer was given before.
pub(crate) fn mark_replayed(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

fn no_key() -> Failure {
    refusal("Idempotency-Key has to be one string, which is not empty".to_owned())
}

fn refusal(message: String) -> Failure {
    Failure::new(Kind::BadRequest, "PANDO400", message).with_hint(
        "Make a key for each thing that is to be done, for example a UUID, and send it again with each retry: \
         Idempotency-Key: \"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
    )
}

#[cfg(test)]
mod tests {
    use base::{CallerKey, Claims, KeyScope};
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_strings_of_structured_fields_or_bare() {
        for (line, expected) in [
            ("\"a b\"", Some("a b")),
            (" \"a\\\"\\\\\" ; x=1", Some("a\"\\")),
            ("8e03978e-40d5", Some("8e03978e-40d5")),
            ("\"8e03978e-40d5\"", Some("8e03978e-40d5")),
            ("Zm9v+/==", Some("Zm9v+/==")),
            ("", None),
            ("\"\"", None),
            ("\"a", None),
            ("\"a\\b\"", None),
            ("\"a\" \"b\"", None),
            ("\"a\", \"b\"", None),
            ("a b", None),
            ("a,b", None),
            ("a\"", None),
            ("\"\u{e4}\"", None),
        ] {
            assert_eq!(key(line.as_bytes()).as_deref(), expected.map(str::as_bytes), "{line}");
        }
    }

    fn ask(
        line: &str,
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Result<Option<Arc<Keyed>>, Failure> {
        let most_bytes = Limit::new("x", 1);
        let shelf = Arc::new(Shelf::new(most_bytes));
        let settings = IdempotencySettings { keeps: Duration::from_secs(1), most_bytes, shelf, required: Vec::new() };
        let (method, path) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let incoming =
            Incoming { method: &method, path, query, headers: &map, body: Bytes::from_static(body.as_bytes()) };
        read(&incoming, Some(&settings))
    }

    #[test]
    fn what_decides_a_request_is_in_its_fingerprint() {
        const KEY: (&str, &str) = ("idempotency-key", "k");
        let print =
            |line, headers: &[_], body| ask(line, &[&[KEY], headers].concat(), body).unwrap().unwrap().fingerprint;
        let first = print("POST /a?b", &[], "c");
        assert_eq!(first, print("POST /a?b", &[("authorization", "x"), ("user-agent", "y")], "c"));
        for (line, headers, body) in [
            ("PUT /a?b", &[][..], "c"),
            ("POST /ab?", &[], "c"),
            ("POST /a?b", &[], "d"),
            ("POST /a?b", &[("prefer", "return=representation")], "c"),
            ("POST /a?b", &[("accept", "text/csv")], "c"),
            ("POST /a?b", &[("content-type", "text/csv")], "c"),
            ("POST /a?b", &[("content-profile", "ops")], "c"),
            ("POST /a?b", &[("if-match", "*")], "c"),
        ] {
            assert_ne!(first, print(line, headers, body), "{line} {headers:?} {body}");
        }
        assert!(ask("GET /a", &[KEY], "").unwrap().is_none());
        assert!(ask("POST /a", &[], "").unwrap().is_none());
        assert_eq!(ask("POST /a", &[KEY, KEY], "").unwrap_err().code, "PANDO400");
    }

    #[test]
    fn a_key_is_of_its_caller_alone_and_stays_with_a_new_token() {
        let caller = |role: &str, claims: Value, key: Option<&str>| {
            let Value::Object(object) = claims else { panic!("an object") };
            let key = key.map(|id| {
                Arc::new(CallerKey { id: id.into(), scope: KeyScope::default(), quota: None, is_bound: false })
            });
            Caller { role: role.into(), claims: Arc::new(Claims::new(object)), is_anonymous: false, key }
        };
        let keyed = ask("POST /a", &[("idempotency-key", "k")], "").unwrap().unwrap();
        let first = keyed.of(&caller("user", json!({"sub": "1", "exp": 1, "iss": "us", "session_id": "a"}), None));
        let same = caller("user", json!({"iss": "us", "session_id": "b", "exp": 2, "sub": "1", "jti": "x"}), None);
        assert_eq!(first, keyed.of(&same));
        for other in [
            caller("user", json!({"sub": "2", "iss": "us"}), None),
            caller("user", json!({"sub": "1", "iss": "them"}), None),
            caller("admin", json!({"sub": "1", "iss": "us"}), None),
            caller("user", json!({"sub": "1", "iss": "us"}), Some("key")),
            caller("user", json!({}), None),
        ] {
            assert_ne!(first, keyed.of(&other));
        }
        // Whoever has no subject is who all the other claims say.
        let tenant = |claims| keyed.of(&caller("user", claims, None));
        assert_eq!(tenant(json!({"tenant": 1, "iat": 1, "a": 2})), tenant(json!({"a": 2, "tenant": 1, "exp": 2})));
        assert_ne!(tenant(json!({"tenant": 1})), tenant(json!({"tenant": 2})));
    }
}
