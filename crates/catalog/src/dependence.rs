//! What an answer depends on besides the words of its question: whoever keeps answers has to know.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::QualifiedName;
use serde::{Deserialize, Serialize};

/// What is asked of the claims of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimsAsked {
    /// These, by name; mostly none, or `sub`.
    Named(BTreeSet<Arc<str>>),
    /// All of them, as one document.
    All,
}

impl Default for ClaimsAsked {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl ClaimsAsked {
    /// This one is asked as well.
    pub fn claim(&mut self, name: &str) {
        if let Self::Named(names) = self
            && !names.contains(name)
        {
            names.insert(Arc::from(name));
        }
    }

    /// All of another are asked as well.
    pub fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Named(names), Self::Named(others)) => names.extend(others.iter().cloned()),
            _ => *self = Self::All,
        }
    }

    /// Whether none is.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Named(names) if names.is_empty())
    }
}

/// What the rows depend on that a role is shown of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dependence {
    /// The tables whose rows decide: those of the relation itself, of what a view reads, and of what policies read.
    pub tables: BTreeSet<QualifiedName>,
    /// What policies and views ask of the caller, besides the role.
    pub claims: ClaimsAsked,
    /// Of a table the column whose values name the rows that have changed, as whole numbers or UUIDs in the server's own words; `None` where
    /// only changes of the table are told, and where a row is not all that decides what is shown of it.
    pub row_key: Option<Arc<str>>,
    /// Why the same question of the same caller may be answered otherwise although nothing of this has changed; for people, who are to
    /// know what to do: `policy "own" calls public.is_member(uuid), of which nothing is known`.
    pub obstacle: Option<String>,
}

impl Dependence {
    /// Depends on this as well.
    pub fn add(&mut self, other: &Self) {
        self.tables.extend(other.tables.iter().cloned());
        self.claims.add(&other.claims);
        if self.obstacle.is_none() {
            self.obstacle.clone_from(&other.obstacle);
        }
    }
}
