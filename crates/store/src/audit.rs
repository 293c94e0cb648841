//! Which changes are written down, what of them, and who is said to have made them: the same on both engines.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base::{Caller, QualifiedName, Secret};
use catalog::{Catalog, Relation, RelationKind};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::driver::Job;

/// The schemas whose tables are never written down by themselves: the program's own. Logins and keys are told as events.
const OWN_SCHEMAS: [&str; 2] = ["pando", "auth"];

/// What separates what is said of who asked from its signature.
const SIGNATURE: &str = ",\"signature\":\"";

/// The most bytes of values that stand in an entry: one that is too large to be read would stop sealing for good.
pub(crate) const MOST_VALUES: usize = 64 * 1024;

/// The most bytes of a key that stand in an entry; the hash of a longer one stands there instead. On a server the index of the key is
/// bounded below that.
pub(crate) const LONGEST_KEY: usize = 256 * 1024;

/// A table whose changes are not written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwatched {
    /// Which, why, and what to do.
    pub problem: String,
    /// Whether the server does not let the role that logs in: nothing changes before somebody grants it.
    pub is_refused: bool,
}

/// Whether there is a table for entries.
pub(crate) fn has_table(catalog: &Catalog) -> bool {
    catalog.snapshot().relations.contains_key(&QualifiedName::new("pando", "audit_entries"))
}

/// What is written down of changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuditSettings {
    /// The schemas whose tables are watched; empty for all but the program's own.
    pub schemas: Vec<String>,
    /// Tables that are left out, each as `schema.table`, or `schema.*` for all of a schema.
    pub exclude: Vec<String>,
    /// Which values stand in an entry, beside the hashes of the rows.
    pub values: AuditValues,
    /// Tables for which that is another, with the same names as in `exclude`. The first that fits counts.
    pub tables: Vec<(String, AuditValues)>,
    /// Columns whose values stand in no entry, each as `schema.table.column`. A column whose comment has the word `@mask` is
    /// one of them. The hash of a row covers them.
    pub mask: BTreeSet<String>,
    /// What signs who asked on a PostgreSQL server, where a function of the schema's own could say something else.
    pub key: AuditKey,
}

/// Which values stand in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditValues {
    /// None: only the hashes of the old and of the new row.
    #[default]
    None,
    /// Of a change those of the columns that became others; of a new or deleted row all of them.
    Changed,
    /// All of both rows.
    All,
}

impl AuditValues {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Changed => "changed",
            Self::All => "all",
        }
    }
}

impl AuditSettings {
    /// The names in the settings that fit nothing of what exists, each with its setting: most likely typing errors.
    pub fn unknown(&self, catalog: &Catalog) -> Vec<(&'static str, String)> {
        let snapshot = catalog.snapshot();
        let is_table = |pattern: &str| snapshot.relations.keys().any(|name| fits(pattern, name));
        let is_column = |path: &str| {
            snapshot
                .relations
                .values()
                .any(|relation| relation.columns.iter().any(|column| path == column_path(relation, column)))
        };
        let schemas = self.schemas.iter().filter(|name| !snapshot.schemas.contains_key(name.as_str()));
        let exclude = self.exclude.iter().filter(|pattern| !is_table(pattern));
        let tables = self.tables.iter().map(|(pattern, _)| pattern).filter(|pattern| !is_table(pattern));
        let mask = self.mask.iter().filter(|path| !is_column(path));
        let named = |setting: &'static str| move |name: &String| (setting, name.clone());
        schemas
            .map(named("audit.schemas"))
            .chain(exclude.map(named("audit.exclude")))
            .chain(tables.map(named("audit.tables")))
            .chain(mask.map(named("audit.mask")))
            .collect()
    }

    /// The columns whose values are to stand in no entry and stand in every one, since they are of the key.
    pub fn masked_keys(&self, catalog: &Catalog) -> Vec<String> {
        let watched = catalog.snapshot().relations.values().filter(|relation| self.policy(relation).is_some());
        let keys = watched.flat_map(|relation| {
            let columns = relation.primary_key.iter().filter_map(|name| relation.column(name));
            columns.filter(|column| self.is_masked(relation, column)).map(|column| column_path(relation, column))
        });
        keys.collect()
    }

    /// What is written down of a table; `None` where nothing is.
    pub(crate) fn policy(&self, relation: &Relation) -> Option<AuditValues> {
        if !matches!(relation.kind, RelationKind::Table) {
            return None;
        }
        self.values_of(&relation.name)
    }

    /// Which values stand in entries of a table; `None` where there are no entries.
    pub(crate) fn values_of(&self, name: &QualifiedName) -> Option<AuditValues> {
        let is_own = OWN_SCHEMAS.contains(&&*name.schema);
        let is_asked = self.schemas.is_empty() || self.schemas.iter().any(|schema| **schema == *name.schema);
        if is_own || !is_asked || self.exclude.iter().any(|pattern| fits(pattern, name)) {
            return None;
        }
        Some(self.tables.iter().find(|(pattern, _)| fits(pattern, name)).map_or(self.values, |(_, values)| *values))
    }

    /// Whether values of a column stand in no entry.
    pub(crate) fn is_masked(&self, relation: &Relation, column: &catalog::Column) -> bool {
        let is_marked =
            column.comment.as_deref().is_some_and(|text| text.split_whitespace().any(|word| word == "@mask"));
        is_marked || self.mask.contains(&column_path(relation, column))
    }
}

fn column_path(relation: &Relation, column: &catalog::Column) -> String {
    format!("{}.{}.{}", relation.name.schema, relation.name.name, column.name)
}

fn fits(pattern: &str, name: &QualifiedName) -> bool {
    match pattern.split_once('.') {
        Some((schema, "*")) => schema == &*name.schema,
        Some((schema, table)) => schema == &*name.schema && table == &*name.name,
        None => false,
    }
}

/// Who asked, as entries say it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) address: Option<IpAddr>,
    pub(crate) request: Option<&'a str>,
    pub(crate) trace: Option<[u8; 16]>,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(job: &'a Job) -> Self {
        let request = job.request.headers.get("x-request-id").and_then(|value| value.to_str().ok());
        Self { address: job.request.address, request: request.filter(|id| id.len() <= LONGEST_ID), trace: job.trace_id }
    }
}

/// The longest request id that is written down, in bytes: what callers make up is not to fill the disk.
const LONGEST_ID: usize = 128;

/// Who asked, as JSON: what is not known is left out.
pub(crate) fn context(caller: &Caller, asked: Asked<'_>) -> String {
    let mut object = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), Value::String(value));
        }
    };
    set("role", Some(caller.role.to_string()));
    set("user", caller.claims.text("sub"));
    set("session", caller.claims.text("session_id"));
    set("key", caller.key.as_ref().map(|key| key.id.to_string()));
    set("address", asked.address.map(|address| address.to_string()));
    set("request", asked.request.map(str::to_owned));
    set("trace", asked.trace.map(|id| hexadecimal(&id)));
    Value::Object(object).to_string()
}

/// What entries say of what the program does by itself.
pub(crate) fn program() -> String {
    r#"{"role":"pando"}"#.to_owned()
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// What signs who asked. A function of the schema's own may call `set_config` and say that somebody else asks: such a thing has
/// no signature, or one of something else, and `pando audit verify` names the entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditKey(Secret);

impl Default for AuditKey {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

impl AuditKey {
    /// A key from any text of sufficient length.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    fn signature(&self, text: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) else { return String::new() };
        mac.update(b"pando audit context\n");
        mac.update(text.as_bytes());
        hexadecimal(&mac.finalize().into_bytes())
    }

    /// Who asked, with a signature at its end.
    pub(crate) fn signed(&self, context: &str) -> String {
        let open = context.strip_suffix('}').unwrap_or(context);
        format!("{open}{SIGNATURE}{}\"}}", self.signature(context))
    }

    /// Whether this was signed by this key.
    pub fn has_signed(&self, context: &str) -> bool {
        let Some((open, rest)) = context.rsplit_once(SIGNATURE) else { return false };
        let Some(signature) = rest.strip_suffix("\"}") else { return false };
        let expected = self.signature(&format!("{open}}}"));
        let differs =
            expected.bytes().zip(signature.bytes()).fold(0, |differs, (left, right)| differs | (left ^ right));
        expected.len() == signature.len() && differs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_say_which_key_was_used() {
        let key =
            base::CallerKey { id: "a-key".into(), scope: base::KeyScope::default(), quota: None, is_bound: false };
        let caller = Caller {
            role: "service_role".into(),
            claims: std::sync::Arc::default(),
            is_anonymous: false,
            key: Some(std::sync::Arc::new(key)),
        };
        let told: Value = serde_json::from_str(&context(&caller, Asked::default())).unwrap_or_default();
        assert_eq!(told, serde_json::json!({"role": "service_role", "key": "a-key"}));
    }

    #[test]
    fn what_is_signed_cannot_be_said_by_others() {
        let key = AuditKey::new(Secret::new("a key of the server's own"));
        let signed = key.signed(r#"{"role":"anon","user":"1"}"#);
        assert!(signed.starts_with(r#"{"role":"anon","user":"1","signature":""#), "{signed}");
        assert!(key.has_signed(&signed));
        assert!(!key.has_signed(&signed.replace("anon", "admin")));
        assert!(!key.has_signed(r#"{"role":"anon","user":"1"}"#));
        assert!(!AuditKey::new(Secret::new("another")).has_signed(&signed));
        assert!(!key.has_signed(r#"{"role":"anon","signature":""}"#));
    }
}
