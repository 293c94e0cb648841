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
    /// Whether it may raise an exception.
    #[serde(default)]
    pub raises: bool,
    /// The columns of a new row that it sets.
    pub assigns: Vec<Arc<str>>,
    /// The tables whose rows it changes.
    pub writes: Vec<QualifiedName>,
    /// The relations that it reads and writes.
    pub touches: Vec<QualifiedName>,
}

impl Trigger {
    /// Why an insert that deals with rows that exist cannot be done: PostgreSQL runs a `BEFORE INSERT` trigger for such a row
    /// too, the embedded engine does not. `merged` are the columns that the row that exists takes. `None` where it does
    /// not matter.
    pub fn hinders_upsert(&self, merged: &[Arc<str>]) -> Option<String> {
        if self.timing != Timing::Before || !self.events.contains(&Event::Insert) {
            return None;
        }
        if self.raises {
            return Some(format!("the trigger \"{}\" may raise an exception for new rows", self.name));
        }
        let assigned = self.assigns.iter().find(|column| merged.contains(column))?;
        Some(format!("the trigger \"{}\" sets the column \"{assigned}\" in new rows", self.name))
    }
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
