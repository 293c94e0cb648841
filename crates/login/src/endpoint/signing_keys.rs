//! `admin/signing-keys`: the keys that tokens are signed with, looked at and rotated while the server runs. The file of the
//! embedded engine belongs to the server, so there this is the only way without stopping it.

use http::Method;
use serde_json::{Value, json};

use crate::error::Outcome;
use crate::incoming::Incoming;
use crate::keys::{self, KeptKey};
use crate::outgoing::{Reply, moment};
use crate::room::{Inner, unknown};

impl Inner {
    /// `GET` lists them, the youngest first. `POST` makes a new one, which signs once everybody knows it, or with `{"now": true}` at
    /// once: then what the former ones signed counts no more.
    pub(crate) async fn admin_signing_keys(&self, incoming: &Incoming) -> Outcome<Reply> {
        self.require_admin(incoming).await?;
        let parts: Vec<&str> = incoming.path.iter().skip(2).map(String::as_str).collect();
        match (&incoming.method, parts.as_slice()) {
            (&Method::GET, []) => {
                let kept = keys::list(&self.records).await?;
                Ok(Reply::json(&kept.iter().map(shown).collect()))
            }
            (&Method::POST, ["rotate"]) => {
                let at_once = match incoming.body.is_empty() {
                    true => false,
                    false => incoming.fields()?.flag("now")?.unwrap_or(false),
                };
                let key = &self.secrets.signing;
                let made = keys::rotate(&self.records, key, at_once, self.settings.access_token, self.now()).await?;
                // This node knows it at once, others within two seconds.
                self.follow_keys().await?;
                Ok(Reply::json(&shown(&made)))
            }
            _ => Err(unknown(incoming)),
        }
    }
}

/// A key without its private part.
fn shown(key: &KeptKey) -> Value {
    json!({
        "id": key.id,
        "created_at": moment(key.created_at),
        "signs_from": moment(key.signs_from),
        "verifies_until": key.verifies_until.map_or(Value::Null, moment),
    })
}
