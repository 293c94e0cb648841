//! Answers, and accounts as clients see them.

use base::Timestamp;
use bytes::Bytes;
use datatype::{DatumRef, Type, Zone};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::Settings;
use crate::error::{Outcome, Refusal};
use crate::incoming::{VERSION, VERSION_HEADER};
use crate::records::factors::Factor;
use crate::records::users::{Identity, User};
use crate::settings::AUTHENTICATED;

/// What a request is answered with.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// JSON. Nobody keeps it: most of it are tokens or what only one person may see.
    pub(crate) fn json(body: &Value) -> Self {
        Self::of(StatusCode::OK, body)
    }

    /// `{}`: it was done, or there was nothing to do, which is nobody's business.
    pub(crate) fn done() -> Self {
        Self::json(&json!({}))
    }

    /// JSON that anybody may keep for so many seconds.
    pub(crate) fn public(body: &Value, seconds: u32) -> Self {
        let mut reply = Self::json(body);
        if let Ok(value) = HeaderValue::try_from(format!("public, max-age={seconds}")) {
            reply.headers.insert(CACHE_CONTROL, value);
        }
        reply
    }

    /// No content.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: headers(), body: Bytes::new() }
    }

    /// The browser is led elsewhere.
    pub(crate) fn redirect(place: &url::Url) -> Outcome<Self> {
        let mut headers = headers();
        let place = HeaderValue::try_from(place.as_str())
            .map_err(|_| Refusal::internal("an address that was allowed is no header"))?;
        headers.insert(LOCATION, place);
        // Where it leads to must not learn the address, in which a token was.
        headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        Ok(Self { status: StatusCode::SEE_OTHER, headers, body: Bytes::new() })
    }

    /// A refusal, in the form that the client expects.
    pub(crate) fn refusal(refusal: &Refusal, is_versioned: bool) -> Self {
        let mut reply = Self::of(refusal.status, &refusal.body(is_versioned));
        if is_versioned {
            reply.headers.insert(HeaderName::from_static(VERSION_HEADER), HeaderValue::from_static(VERSION));
        }
        if let Some(seconds) = refusal.retry_after {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }

    fn of(status: StatusCode, body: &Value) -> Self {
        let mut headers = headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Self { status, headers, body: body.to_string().into() }
    }

    /// The same with a further header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))])
}

/// A moment as GoTrue writes it: `2026-01-31T12:00:00.123456Z`.
pub(crate) fn moment(moment: Timestamp) -> Value {
    let mut text = Vec::new();
    datatype::write_json(&Type::TimestampTz, DatumRef::Integer(moment.0), &Zone::default(), &mut text);
    let text = String::from_utf8_lossy(&text).trim_matches('"').to_owned();
    Value::String(text.strip_suffix("+00:00").map_or(text.clone(), |plain| format!("{plain}Z")))
}

/// An account as clients see it.
pub(crate) fn user(user: &User, settings: &Settings) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("id", user.id.as_str().into());
    put("aud", user.aud.as_deref().unwrap_or(&settings.audience).into());
    put("role", user.role.as_deref().unwrap_or(AUTHENTICATED).into());
    put("email", user.email.as_deref().unwrap_or_default().into());
    put("phone", user.phone.as_deref().unwrap_or_default().into());
    put("app_metadata", user.app_metadata.value());
    put("user_metadata", user.user_metadata.value());
    put("identities", user.identities.iter().map(|one| identity(one, &user.id)).collect());
    put("is_anonymous", user.is_anonymous.into());
    if !user.email_change.is_empty() {
        put("new_email", user.email_change.as_str().into());
    }
    if !user.factors.is_empty() {
        put("factors", user.factors.iter().map(factor).collect());
    }
    let confirmed_at = [user.email_confirmed_at, user.phone_confirmed_at].into_iter().flatten().min();
    for (name, value) in [
        ("email_confirmed_at", user.email_confirmed_at),
        ("phone_confirmed_at", user.phone_confirmed_at),
        ("confirmed_at", confirmed_at),
        ("invited_at", user.invited_at),
        ("confirmation_sent_at", user.confirmation_sent_at),
        ("recovery_sent_at", user.recovery_sent_at),
        ("email_change_sent_at", user.email_change_sent_at),
        ("reauthentication_sent_at", user.reauthentication_sent_at),
        ("last_sign_in_at", user.last_sign_in_at),
        ("created_at", user.created_at),
        ("updated_at", user.updated_at),
        ("banned_until", user.banned_until),
        ("deleted_at", user.deleted_at),
    ] {
        if let Some(value) = value {
            put(name, moment(value));
        }
    }
    Value::Object(body)
}

fn identity(identity: &Identity, user: &str) -> Value {
    json!({
        "identity_id": identity.id,
        "id": identity.provider_id,
        "user_id": user,
        "identity_data": identity.data,
        "provider": identity.provider,
        "last_sign_in_at": identity.last_sign_in_at.map(moment),
        "created_at": identity.created_at.map(moment),
        "updated_at": identity.updated_at.map(moment),
        "email": identity.data.get("email"),
    })
}

/// A second factor as clients see it.
pub(crate) fn factor(factor: &Factor) -> Value {
    json!({
        "id": factor.id,
        "friendly_name": factor.friendly_name,
        "factor_type": factor.factor_type,
        "status": if factor.is_verified { "verified" } else { "unverified" },
        "created_at": moment(factor.created_at),
        "updated_at": moment(factor.updated_at),
        "last_challenged_at": factor.last_challenged_at.map(moment),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(moment(Timestamp(1_700_000_000_123_456)), "2023-11-14T22:13:20.123456Z");
    }
}
