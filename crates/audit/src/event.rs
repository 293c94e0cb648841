//! Events that are no change of a row: logins, keys, settings. They are a step in the transaction of what they tell of.

use datatype::Datum;
use serde_json::{Map, Value};
use store::{OwnStep, Store};

use crate::tables::{EVENT, EVENT_OF_SERVER};

/// Something that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What, by a name with a dot that stays the same: `login.succeeded`.
    pub action: &'static str,
    /// What it was done to, such as `{"user": "…"}`; empty where that is nothing.
    pub key: Map<String, Value>,
    /// What else is to be known. No secrets: what stands here stays.
    pub change: Map<String, Value>,
    /// Who did it, with the names that entries have: `role`, `user`, `session`, `key`, `address`, `request`, `trace`.
    pub context: Map<String, Value>,
}

/// The step that writes an event down: put it beside the steps of what it tells of, in one `store.transact`.
pub fn event(store: &dyn Store, event: Event) -> OwnStep {
    let text = |object: Map<String, Value>| Datum::Text(Value::Object(object).to_string());
    let key = if event.key.is_empty() { Datum::Null } else { text(event.key) };
    let statement = if store.catalog().is_native() { EVENT_OF_SERVER } else { EVENT };
    let values = [event.action.into(), key, text(event.change), text(event.context)];
    OwnStep::new(statement, values).exactly(1)
}
