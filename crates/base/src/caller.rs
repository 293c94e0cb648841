use std::sync::Arc;

use serde_json::{Map, Value};

use crate::KeyQuota;

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

/// What no role is called: `SET ROLE none` on PostgreSQL goes back to the role that logged in, which may do more than requests may.
pub const NO_ROLE: &str = "none";

/// The API key that a request came with, as far as later rooms know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerKey {
    /// Its id: for audit, limits and the log. Not the key.
    pub id: Arc<str>,
    /// What it may touch.
    pub scope: KeyScope,
    /// How much may be asked with it; `None` for as much as one likes.
    pub quota: Option<KeyQuota>,
    /// Whether it is bound to anything: what it may touch, a quota, networks, or a time.
    pub is_bound: bool,
}

/// What requests with an API key may touch. It only takes away: grants and row security hold as without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyScope {
    /// The relations and functions; `None` for all.
    pub relations: Option<Vec<ScopedName>>,
    /// The HTTP methods in capitals; `None` for all. `GET` stands for `HEAD` as well.
    pub methods: Option<Vec<Arc<str>>>,
}

/// All of a schema, or one relation or function of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedName {
    /// The schema.
    pub schema: Arc<str>,
    /// The relation or function; `None` for all.
    pub name: Option<Arc<str>>,
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
    /// The API key that the request came with.
    pub key: Option<Arc<CallerKey>>,
}

impl Caller {
    /// Whom the token stands for (`sub`).
    pub fn user_id(&self) -> Option<&str> {
        self.claim("sub")
    }

    /// The session that the token belongs to (`session_id`).
    pub fn session_id(&self) -> Option<&str> {
        self.claim("session_id")
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims.object.get(name).and_then(Value::as_str)
    }
}
