//! What a request is refused with: GoTrue's codes, in both of its forms.

use std::borrow::Cow;

use base::{Failure, Kind};
use http::StatusCode;
use serde_json::{Value, json};
use store::StoreError;

/// A refusal on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// One of the codes that the clients know (`ErrorCode` of auth-js).
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// Why a password is too weak.
    pub(crate) reasons: Vec<&'static str>,
    /// After how many seconds it makes sense to come again.
    pub(crate) retry_after: Option<u32>,
    /// What happened inside. For the log only.
    pub(crate) inside: Option<String>,
    /// Somebody else changed the same rows: the request is to be decided anew.
    pub(crate) is_missed: bool,
}

/// What comes of a request.
pub(crate) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            reasons: Vec::new(),
            retry_after: None,
            inside: None,
            is_missed: false,
        }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn unprocessable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(crate) fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// What was sent is not what is expected of it.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("validation_failed", message)
    }

    /// Something that Pando does not offer, in the words that clients know.
    pub(crate) fn disabled(code: &'static str, message: &'static str) -> Self {
        Self::unprocessable(code, message)
    }

    /// Too often; `seconds` until the next time.
    pub(crate) fn too_often(code: &'static str, message: impl Into<Cow<'static, str>>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, message) }
    }

    /// Too much at once: the same request is answered later.
    pub(crate) fn overloaded(seconds: u32) -> Self {
        let message = "The server is busy; please try again in a moment";
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "over_request_rate_limit", message)
        }
    }

    /// Our fault: the client learns only that.
    pub(crate) fn internal(inside: impl Into<String>) -> Self {
        let message = "Unexpected failure, please check server logs for more information";
        Self {
            inside: Some(inside.into()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure", message)
        }
    }

    /// Somebody else changed the same rows meanwhile.
    pub(crate) fn missed() -> Self {
        let message = "The same account is being changed by another request";
        Self { is_missed: true, retry_after: Some(1), ..Self::new(StatusCode::CONFLICT, "conflict", message) }
    }

    /// The body: for clients that name the API version 2024-01-01 or a later one, and for those before.
    pub(crate) fn body(&self, is_versioned: bool) -> Value {
        let mut body = if is_versioned {
            json!({"code": self.code, "message": self.message})
        } else {
            json!({"code": self.status.as_u16(), "error_code": self.code, "msg": self.message})
        };
        if !self.reasons.is_empty()
            && let Some(members) = body.as_object_mut()
        {
            members.insert("weak_password".to_owned(), json!({"reasons": self.reasons}));
        }
        body
    }

    /// The word for it in a redirection (RFC 6749 section 4.1.2.1).
    pub(crate) fn oauth_error(&self) -> &'static str {
        if matches!(self.code, "signup_disabled" | "provider_email_needs_verification") {
            return "access_denied";
        }
        match self.status.as_u16() {
            400 | 422 => "invalid_request",
            401 => "unauthorized_client",
            403 => "access_denied",
            429 | 503 => "temporarily_unavailable",
            _ => "server_error",
        }
    }
}

/// There is an account with this address.
pub(crate) fn taken() -> Refusal {
    Refusal::unprocessable("email_exists", "A user with this email address has already been registered")
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missed { .. } => Self::missed(),
            // A trigger or a constraint of the schema's own, or a value that a column does not take.
            StoreError::Refused(failure) => Self::of_schema(&failure),
            StoreError::Violated(violation) => Self::of_schema(&violation.failure),
            other => {
                let failure = Failure::from(other);
                match failure.kind {
                    Kind::Unavailable => {
                        Self { inside: failure.inside, ..Self::overloaded(failure.retry_after_seconds.unwrap_or(1)) }
                    }
                    Kind::Timeout => Self {
                        retry_after: Some(1),
                        inside: failure.inside,
                        ..Self::new(StatusCode::GATEWAY_TIMEOUT, "request_timeout", "The database took too long")
                    },
                    _ => Self::internal(failure.inside.unwrap_or_else(|| failure.message.clone())),
                }
            }
        }
    }
}

impl Refusal {
    fn of_schema(failure: &Failure) -> Self {
        let mut refusal = Self::unprocessable("validation_failed", "The database refused the change");
        refusal.inside = Some(failure.to_string());
        refusal
    }
}

impl From<identity::IdentityError> for Refusal {
    fn from(error: identity::IdentityError) -> Self {
        Self::internal(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mut refusal = Refusal::unprocessable("weak_password", "Too short");
        assert_eq!(refusal.body(true), json!({"code": "weak_password", "message": "Too short"}));
        assert_eq!(refusal.body(false), json!({"code": 422, "error_code": "weak_password", "msg": "Too short"}));
        refusal.reasons = vec!["length"];
        assert_eq!(refusal.body(true)["weak_password"], json!({"reasons": ["length"]}));
        assert_eq!(refusal.body(false)["weak_password"], json!({"reasons": ["length"]}));
    }
}
