//! Triggers. An engine runs them by itself; the catalog keeps what they were made of, so that they can be made anew
//! when a table or a function changes.

use std::sync::Arc;

use base::QualifiedName;
use serde::{Deserialize, Serialize};

/// A function that triggers run (`RETURNS trigger`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerFunction {
    /// Its name; it takes no arguments.
    pub name: QualifiedName,
    /// The body as it was written, in PL/pgSQL.
    pub source: String,
    /// `SECURITY DEFINER`
    pub is_security_definer: bool,
}

/// A trigger on a table, for each row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name.
    pub name: Arc<str>,
    /// Before or after the row is written.
    pub timing: Timing,
    /// On which events, each once.
    pub events: Vec<Event>,
    /// `UPDATE OF`: only where one of these columns is set; empty for all.
    pub columns: Vec<Arc<str>>,
    /// `WHEN (...)` as it was written.
    pub condition: Option<String>,
    /// The function.
    pub function: QualifiedName,
    /// The function's arguments, as texts.
    pub arguments: Vec<String>,
    /// The columns of a new row that it sets.
    pub assigns: Vec<Arc<str>>,
    /// The tables whose rows it changes.
    pub writes: Vec<QualifiedName>,
    /// The relations that it reads and writes.
    pub touches: Vec<QualifiedName>,
}

/// Before or after the row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Timing {
    Before,
    After,
}

/// What a trigger runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Event {
    Insert,
    Update,
    Delete,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    /// Its keyword.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}
