//! What the audit is told of sign-ins, accounts, factors and keys: an event beside each step that makes one, in its transaction.

use std::cell::RefCell;

use audit::{Event, event};
use base::Caller;
use datatype::Datum;
use serde_json::{Map, Value, json};
use service::Request;
use store::{OwnStatement, OwnStep, Store};

use crate::api_keys::records as api_keys;
use crate::keys;
use crate::records::{factors, identities, sessions, users};

/// What is told of a step.
struct Rule {
    statement: OwnStatement,
    action: &'static str,
    /// What it was done to: a name, and the place of its parameter.
    key: &'static [(&'static str, usize)],
}

const fn rule(statement: OwnStatement, action: &'static str, key: &'static [(&'static str, usize)]) -> Rule {
    Rule { statement, action, key }
}

const SIGNED_OUT: &str = "login.signed_out";

macro_rules! if_signed_out {
    ($transaction:literal) => {
        concat!(
            "INSERT INTO pando.audit_entries (transaction_number, at, action, relation, key, change, context) SELECT ",
            $transaction,
            ", now(), $1, NULL, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM pando.revoked_sessions \
             WHERE (user_id = $5 OR session_id = $5) AND revoked_at = $6)"
        )
    };
}

/// The audit's event, where a step before it has signed somebody out.
const IF_SIGNED_OUT: OwnStatement =
    OwnStatement::new(if_signed_out!("0"), &["text", "text", "text", "text", "uuid", "timestamptz"]);
const IF_SIGNED_OUT_OF_SERVER: OwnStatement =
    OwnStatement::new(if_signed_out!("txid_current()"), &["text", "text", "text", "text", "uuid", "timestamptz"]);

/// Failed attempts are not among them: whoever guesses would fill the database. They are counted, and bounded, by others.
const RULES: &[Rule] = &[
    rule(sessions::INSERT, "login.succeeded", &[("session", 0), ("user", 1)]),
    rule(sessions::ELEVATE, "factor.shown", &[("session", 0), ("factor", 1)]),
    rule(sessions::REVOKE_ONE, SIGNED_OUT, &[("session", 0)]),
    rule(sessions::REVOKE_ALL, SIGNED_OUT, &[("user", 0)]),
    rule(sessions::REVOKE_OTHERS, SIGNED_OUT, &[("user", 0)]),
    rule(sessions::REVOKE_WEAKER, SIGNED_OUT, &[("user", 0)]),
    rule(users::INSERT, "user.created", &[("user", 0)]),
    rule(users::UPDATE, "user.changed", &[("user", 0)]),
    rule(users::DELETE, "user.deleted", &[("user", 0)]),
    rule(identities::INSERT_IDENTITY, "identity.linked", &[("user", 2), ("provider", 4)]),
    rule(identities::DELETE_IDENTITY, "identity.unlinked", &[("identity", 0)]),
    rule(identities::FORGET_IDENTITIES, "identity.all_unlinked", &[("user", 0)]),
    rule(factors::INSERT, "factor.enrolled", &[("factor", 0), ("user", 1)]),
    rule(factors::VERIFY, "factor.verified", &[("factor", 0)]),
    rule(factors::DELETE, "factor.removed", &[("factor", 0)]),
    rule(factors::DELETE_ALL, "factor.all_removed", &[("user", 0)]),
    rule(keys::INSERT, "signing_key.made", &[("key", 1)]),
    rule(keys::RETIRE, "signing_key.retired", &[]),
    rule(api_keys::INSERT, "api_key.made", &[("key", 0), ("name", 1)]),
    rule(api_keys::EXPIRE, "api_key.replaced", &[("key", 0)]),
    rule(api_keys::REVOKE, "api_key.revoked", &[("key", 0)]),
    rule(api_keys::BOUND, "api_key.changed", &[("key", 0)]),
];

tokio::task_local! {
    /// Who asks, while a request is answered.
    static ASKED: RefCell<Map<String, Value>>;
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
        ASKED.scope(RefCell::new(self.0), answer).await
    }
}

/// What is told from now on of this request was done by this caller.
pub(crate) fn asked_by(caller: &Caller) {
    let said = [
        ("role", Some(caller.role.to_string())),
        ("user", caller.claims.text("sub")),
        ("session", caller.claims.text("session_id")),
        ("key", caller.key.as_ref().map(|key| key.id.to_string())),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    // Outside of a request nobody asks.
    let _nobody = ASKED.try_with(|asked| asked.borrow_mut().extend(said));
}

/// The steps, and behind them what the audit is to be told of them; where there is none, the steps alone.
pub(crate) fn with_events(store: &dyn Store, mut steps: Vec<OwnStep>) -> Vec<OwnStep> {
    if store.is_audited() {
        let events: Vec<OwnStep> = steps.iter().filter_map(|step| Some(event_of(store, step, told(step)?))).collect();
        steps.extend(events);
    }
    steps
}

/// The step that tells of another one.
fn event_of(store: &dyn Store, step: &OwnStep, told: Event) -> OwnStep {
    let is_sign_out = told.action == SIGNED_OUT;
    let mut event = event(store, told);
    if is_sign_out {
        // Whose, and when: of who had no session nothing is told.
        event.values.extend(step.values.iter().take(2).cloned());
        let is_server = store.catalog().is_native();
        let statement = if is_server { IF_SIGNED_OUT_OF_SERVER } else { IF_SIGNED_OUT };
        return OwnStep::new(statement, event.values);
    }
    event
}

fn told(step: &OwnStep) -> Option<Event> {
    let rule = RULES.iter().find(|rule| rule.statement == step.statement)?;
    let named = |(name, place): &(&str, usize)| {
        let Some(Datum::Text(value)) = step.values.get(*place) else { return None };
        Some(((*name).to_owned(), json!(value)))
    };
    let key = rule.key.iter().filter_map(named).collect();
    let context = ASKED
        .try_with(|asked| asked.borrow().clone())
        .unwrap_or_else(|_| [("role".to_owned(), json!("pando"))].into_iter().collect());
    Some(Event { action: rule.action, key, change: Map::new(), context })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, settings};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sign_outs_can_be_told_on_both_engines() {
        let house = House::embedded(settings()).await;
        house.store.try_own(&[IF_SIGNED_OUT]).await.unwrap();
        let test = "events::tests::sign_outs_can_be_told_on_both_engines";
        let Some(house) = House::server(test, settings()).await else { return };
        house.store.try_own(&[IF_SIGNED_OUT_OF_SERVER]).await.unwrap();
    }
}
