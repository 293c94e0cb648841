//! `[audit]`: what is written down of changes.

use std::collections::{BTreeMap, BTreeSet};

use base::Secret;
use identity::Derivation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{AuditKey, AuditSettings, AuditValues};

use super::effect::{Check, DatabaseAddress};

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// Whether every change of a row is written down in `pando.audit_entries`, in its transaction, and sealed.
    pub enabled: AuditEnabled,
    /// The schemas whose tables are watched; empty for all. Pando's own (`auth`, `pando`) never are: what happens there is told as
    /// events.
    pub schemas: Vec<String>,
    /// Tables that are left out: `schema.table`, or `schema.*`.
    pub exclude: Vec<String>,
    /// Which values stand in an entry, beside the hashes of the old and of the new row.
    pub values: AuditValuesOf,
    /// Tables for which that is another: `"public.people" = "changed"`, `"ledger.*" = "all"`. A table counts before its schema.
    pub tables: BTreeMap<String, String>,
    /// Columns whose values stand in no entry: `schema.table.column`. A column whose comment has the word `@mask` is one of them. The
    /// hash of a row covers them. The key of a row is never left out.
    pub mask: Vec<String>,
    /// How many seconds are between two times that entries are sealed. What is not sealed yet can be altered without a trace by who
    /// owns the database.
    pub seal_seconds: u32,
    /// After how many days entries are deleted; 0 keeps them for ever. Their hashes stay, some 40 bytes of each, and a signed note says
    /// what was deleted. Whole tiles of 256 entries are, once the newest of them is so old.
    pub retention_days: u32,
    /// The name of the log in its checkpoints, without spaces and `+`. Another one makes them checkpoints of another log.
    pub origin: String,
}

/// Whether changes are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditEnabled {
    /// On the embedded engine. On a PostgreSQL server where a start with `"on"` has made its tables before.
    Auto,
    /// Yes; the start is refused where its tables cannot be made, where there is no secret, or where a table that the role that logs in has
    /// rights to cannot be watched.
    On,
    /// No. Triggers that a former start has put on tables of a server stay until they are dropped.
    Off,
}

/// Which values stand in entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditValuesOf {
    /// None.
    None,
    /// Of a change those of the columns that became others; of a new or deleted row all of them.
    Changed,
    /// All of both rows.
    All,
}

impl From<AuditValuesOf> for AuditValues {
    fn from(values: AuditValuesOf) -> Self {
        match values {
            AuditValuesOf::None => Self::None,
            AuditValuesOf::Changed => Self::Changed,
            AuditValuesOf::All => Self::All,
        }
    }
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            enabled: AuditEnabled::Auto,
            schemas: Vec::new(),
            exclude: Vec::new(),
            values: AuditValuesOf::None,
            tables: BTreeMap::new(),
            mask: Vec::new(),
            seal_seconds: 5,
            retention_days: 0,
            origin: "pando/audit".to_owned(),
        }
    }
}

/// What `[audit]` means.
#[derive(Debug, Clone, PartialEq)]
pub struct Auditing {
    /// Whether changes are to be written down; off where the configuration is PostgREST's.
    pub enabled: AuditEnabled,
    /// What of them; `None` where nothing is.
    pub settings: Option<AuditSettings>,
}

impl Auditing {
    /// Whether nothing may be changed where it cannot be written down: always in a file, on a server where it is asked for by name.
    pub fn is_insisted(&self, database: &DatabaseAddress) -> bool {
        self.enabled == AuditEnabled::On || matches!(database, DatabaseAddress::File(_))
    }
}

/// What the audit's keys on a server follow from.
const CONTEXT_PURPOSE: &str = "audit context";

impl Check<'_> {
    /// What is to be written down.
    pub(super) fn audit(&mut self, database: Option<&DatabaseAddress>, jwt: Option<&Secret>) -> Auditing {
        let loaded = self.loaded();
        let section = &loaded.config.audit;
        let enabled = if loaded.is_postgrest { AuditEnabled::Off } else { section.enabled };
        for (name, list, parts) in [("audit.exclude", &section.exclude, 2), ("audit.mask", &section.mask, 3)] {
            if let Some(wrong) = list.iter().find(|text| !is_path(text, parts)) {
                let shape = if parts == 2 { "schema.table or schema.*" } else { "schema.table.column" };
                self.problem(name, format!("has {wrong:?}; it has to look like {shape}"));
            }
        }
        if section.seal_seconds == 0 {
            self.problem("audit.seal_seconds", "has to be at least 1");
        }
        if audit::Signer::new(&Secret::new("any"), &section.origin).is_err() {
            self.problem("audit.origin", "has to be a name without spaces and `+`");
        }
        let mut tables = Vec::new();
        for (table, word) in &section.tables {
            match (is_path(table, 2), values(word)) {
                (false, _) => {
                    self.problem(
                        "audit.tables",
                        format!("has {table:?}; it has to look like schema.table or schema.*"),
                    );
                }
                (true, None) => {
                    let text = format!("has {word:?} for {table}; it has to be none, changed or all");
                    self.problem("audit.tables", text);
                }
                (true, Some(values)) => tables.push((table.clone(), values)),
            }
        }
        tables.sort_by_key(|(table, _)| table.ends_with(".*"));
        let given = loaded.config.auth.secret.as_ref().map(|secret| &secret.0).or(jwt);
        let key = given.and_then(key);
        let is_possible = key.is_some() || matches!(database, Some(DatabaseAddress::File(_)));
        if enabled == AuditEnabled::On && !is_possible {
            self.problem(
                "audit.enabled",
                "is \"on\" and needs a secret on a PostgreSQL server: set auth.secret (PANDO_AUTH_SECRET; `openssl rand -base64 48` \
                 makes a good one), or auth.jwt_secret, from which it follows unless that is a JWK set",
            );
        }
        let settings = AuditSettings {
            schemas: section.schemas.clone(),
            exclude: section.exclude.clone(),
            values: section.values.into(),
            tables,
            mask: section.mask.iter().cloned().collect::<BTreeSet<_>>(),
            key: key.unwrap_or_default(),
        };
        Auditing { enabled, settings: Some(settings).filter(|_| enabled != AuditEnabled::Off && is_possible) }
    }
}

fn is_path(text: &str, parts: usize) -> bool {
    text.split('.').count() == parts && text.split('.').all(|part| !part.is_empty())
}

fn values(word: &str) -> Option<AuditValues> {
    [AuditValues::None, AuditValues::Changed, AuditValues::All].into_iter().find(|values| values.name() == word)
}

fn key(secret: &Secret) -> Option<AuditKey> {
    let derived = Derivation::new(secret.clone()).ok()?.key(CONTEXT_PURPOSE).ok()?;
    Some(AuditKey::new(text_of(&derived)))
}

/// A derived key as text.
pub fn text_of(key: &identity::DerivedKey) -> Secret {
    let text: String = key.mac(&[b"audit"]).iter().map(|byte| format!("{byte:02x}")).collect();
    Secret::new(text)
}
