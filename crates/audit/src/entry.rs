//! An entry as it is hashed: the same bytes on both engines.

use base::Timestamp;
use serde_json::json;
use store::{OwnRow, StoreError};

use crate::tree::{Hash, leaf};

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// The transaction that wrote it; 0 in a file.
    pub transaction_number: i64,
    /// When.
    pub at: Timestamp,
    /// What: `insert`, `update`, `delete`, `truncate`, or the name of an event.
    pub action: String,
    /// The table, `schema.name`; `None` for an event.
    pub relation: Option<String>,
    /// The key of the row as JSON.
    pub key: Option<String>,
    /// What became another, as JSON.
    pub change: String,
    /// Who asked, as JSON.
    pub context: String,
}

impl Entry {
    pub(crate) fn of(row: &OwnRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            transaction_number: row.get("transaction_number")?,
            at: row.get("at")?,
            action: row.get("action")?,
            relation: row.get("relation")?,
            key: row.get("key")?,
            change: row.get("change")?,
            context: row.get("context")?,
        })
    }

    /// The hash of it: over a JSON array of everything that it is, the moment in microseconds since 1970.
    pub fn hash(&self) -> Hash {
        leaf(&self.bytes())
    }

    /// What is hashed of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { id, transaction_number, at, action, relation, key, change, context } = self;
        json!([id, transaction_number, at.0, action, relation, key, change, context]).to_string().into_bytes()
    }
}
