use std::sync::Arc;

use serde_json::{Map, Value};

/// The claims of a verified token, as the object it carried. Empty for a caller without one.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    object: Map<String, Value>,
}

impl Claims {
    /// Claims from the verified object.
    pub fn new(object: Map<String, Value>) -> Self {
        Self { object }
    }

    /// One claim as `auth.claim(name)` gives it: a string as it is, anything else as its JSON text,
    /// `None` when it is absent or null (PostgreSQL's `->>`).
    pub fn text(&self, name: &str) -> Option<String> {
        match self.object.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        }
    }

    /// The whole object, as `request.jwt.claims` holds it.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }
}

/// Who asks: the outcome of `identify`, the only thing that later rooms know about credentials.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The database role that the request runs as.
    pub role: Arc<str>,
    /// The verified claims; empty without a token.
    pub claims: Arc<Claims>,
    /// Whether the role is the configured anonymous role. A violated right is then answered 401 (please
    /// sign in) instead of 403, as PostgREST does.
    pub is_anonymous: bool,
}
