//! What the audit is told of sign-ins, accounts, factors and keys: an event beside each step that makes one, in its transaction.

use audit::{Event, event};
use datatype::Datum;
use serde_json::{Map, Value, json};
use service::Request;
use store::{OwnStep, Store};

/// What is told of a step.
struct Rule {
    /// What its statement begins with.
    begins: &'static str,
    action: &'static str,
    /// What it was done to: a name, and the place of its parameter.
    key: &'static [(&'static str, usize)],
}

const fn rule(begins: &'static str, action: &'static str, key: &'static [(&'static str, usize)]) -> Rule {
    Rule { begins, action, key }
}

/// Failed attempts are not among them: whoever guesses would fill the database. They are counted, and bounded, by others.
const RULES: &[Rule] = &[
    rule("INSERT INTO auth.sessions ", "login.succeeded", &[("session", 0), ("user", 1)]),
    rule("INSERT INTO auth.users ", "user.created", &[("user", 0)]),
    rule("UPDATE auth.users SET aud ", "user.changed", &[("user", 0)]),
    rule("DELETE FROM auth.users ", "user.deleted", &[("user", 0)]),
    rule("INSERT INTO auth.identities ", "identity.linked", &[("user", 2), ("provider", 4)]),
    rule("INSERT INTO auth.mfa_factors ", "factor.enrolled", &[("factor", 0), ("user", 1)]),
    rule("UPDATE auth.mfa_factors SET status ", "factor.verified", &[("factor", 0)]),
    rule("DELETE FROM auth.mfa_factors WHERE id ", "factor.removed", &[("factor", 0)]),
    rule("INSERT INTO pando.signing_keys ", "signing_key.made", &[("key", 1)]),
    rule("INSERT INTO pando.api_keys ", "api_key.made", &[("key", 0), ("name", 1)]),
    rule("UPDATE pando.api_keys SET expires_at ", "api_key.replaced", &[("key", 0)]),
    rule("UPDATE pando.api_keys SET revoked_at ", "api_key.revoked", &[("key", 0)]),
];

/// What sessions are ended by: which of them, by the first parameter.
const ENDS: &str = "INSERT INTO pando.revoked_sessions ";

tokio::task_local! {
    /// Who asks, while a request is answered.
    static ASKED: Map<String, Value>;
}

/// From where a request comes, as its events say it.
pub(crate) struct Asked(Map<String, Value>);

impl Asked {
    /// From where this one does.
    pub(crate) fn of(request: &Request) -> Self {
        let header = request.headers.get("x-request-id").and_then(|id| id.to_str().ok()).filter(|id| id.len() <= 128);
        let trace: String = request.trace.context().trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut asked = Map::new();
        asked.insert("address".to_owned(), json!(request.client.address.to_string()));
        asked.extend(header.map(|id| ("request".to_owned(), json!(id))));
        asked.insert("trace".to_owned(), json!(trace));
        Self(asked)
    }

    /// What is told meanwhile says so.
    pub(crate) async fn during<T>(self, answer: impl Future<Output = T>) -> T {
        ASKED.scope(self.0, answer).await
    }
}

/// The steps, and behind them what the audit is to be told of them; where there is none, the steps alone.
pub(crate) fn with_events(store: &dyn Store, mut steps: Vec<OwnStep>) -> Vec<OwnStep> {
    if store.is_audited() {
        let events: Vec<OwnStep> = steps.iter().filter_map(told).map(|told| event(store, told)).collect();
        steps.extend(events);
    }
    steps
}

fn told(step: &OwnStep) -> Option<Event> {
    let text = step.statement.text();
    let named = |name: &str, place: usize| {
        let Some(Datum::Text(value)) = step.values.get(place) else { return None };
        Some((name.to_owned(), json!(value)))
    };
    let (action, key) = if text.starts_with(ENDS) {
        let name = if text.contains("WHERE id = $1") { "session" } else { "user" };
        ("login.signed_out", named(name, 0).into_iter().collect())
    } else {
        let rule = RULES.iter().find(|rule| text.starts_with(rule.begins))?;
        (rule.action, rule.key.iter().filter_map(|(name, place)| named(name, *place)).collect())
    };
    let context =
        ASKED.try_with(Clone::clone).unwrap_or_else(|_| [("role".to_owned(), json!("pando"))].into_iter().collect());
    Some(Event { action, key, change: Map::new(), context })
}
