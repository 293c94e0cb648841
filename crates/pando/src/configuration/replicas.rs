//! What the settings about replicas and positions mean.

use std::collections::BTreeMap;

use base::{Freshness, QualifiedName, Secret};
use store::PositionKey;

use super::effect::Check;

/// The settings about replicas and positions, checked.
#[derive(Debug, Clone)]
pub struct Freshening {
    /// What signs positions.
    pub position_key: PositionKey,
    /// How fresh what is read of a relation or function has to be.
    pub freshness: BTreeMap<QualifiedName, Freshness>,
    /// Relations whose writes wait for the standbys.
    pub remote_apply: Vec<QualifiedName>,
}

impl Check<'_> {
    /// Checks them. `token_secret` is what verifies tokens: all nodes have it, so positions may be signed with it as well.
    pub(super) fn freshening(&mut self, token_secret: Option<&Secret>) -> Freshening {
        let database = &self.loaded().config.database;
        let secret = database.position_secret.as_ref().map(|secret| &secret.0).or(token_secret);
        if secret.is_none() && !database.replicas.is_empty() {
            self.problem(
                "database.replicas",
                "needs a secret that all nodes share, to sign positions with: set database.position_secret",
            );
        }
        let position_key = PositionKey::new(&secret.cloned().unwrap_or_else(|| Secret::new("")));
        let mut freshness = BTreeMap::new();
        for (name, text) in &database.freshness {
            match (qualified(name), text.parse()) {
                (Some(name), Ok(fresh)) => drop(freshness.insert(name, fresh)),
                (None, _) => {
                    self.problem("database.freshness", format!("has the name {name:?}; it has to be schema.name"))
                }
                (_, Err(())) => self.problem(
                    "database.freshness",
                    format!("has {text:?} for {name}; it has to be strong, session, eventual or a number of seconds"),
                ),
            }
        }
        let mut remote_apply = Vec::new();
        for name in &database.remote_apply {
            match qualified(name) {
                Some(name) => remote_apply.push(name),
                None => self.problem("database.remote_apply", format!("has {name:?}; it has to be schema.table")),
            }
        }
        Freshening { position_key, freshness, remote_apply }
    }
}

/// A name with its schema.
pub(super) fn qualified(text: &str) -> Option<QualifiedName> {
    let (schema, name) = text.split_once('.')?;
    (!schema.is_empty() && !name.is_empty()).then(|| QualifiedName::new(schema, name))
}
