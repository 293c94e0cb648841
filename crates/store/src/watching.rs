//! What is watched of a PostgreSQL server, so that answers can be kept without lying.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::QualifiedName;
use catalog::ClaimsAsked;

use crate::own_migration::{OwnMigration, OwnMigrations};

/// The tables in which a server notes what has changed.
pub static CHANGES: OwnMigrations = OwnMigrations {
    owner: "changes",
    number: 7,
    schema: "pando",
    without: "no table under [responses]",
    all: &[OwnMigration {
        name: "0001_changes.sql",
        text: include_str!("../migrations/0001_changes.sql"),
        standing: &[],
    }],
};

/// Of what it is to be known when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// The tables and views of which answers are kept. All tables that they depend on are watched.
    pub relations: BTreeSet<QualifiedName>,
    /// Functions of the schema's own of which somebody says what they read. Of others nothing is known.
    pub functions: BTreeMap<QualifiedName, DeclaredFunction>,
    /// How long notes of changes are kept at least. A node that looks less often than that forgets everything when it does.
    pub notes_kept: Duration,
}

impl Default for WatchSettings {
    /// Nothing is watched; notes are kept for a minute, in which a node looks sixty times.
    fn default() -> Self {
        Self { relations: BTreeSet::new(), functions: BTreeMap::new(), notes_kept: Duration::from_secs(60) }
    }
}

/// What a function reads, as somebody says who knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredFunction {
    /// The tables.
    pub tables: BTreeSet<QualifiedName>,
    /// Of the caller.
    pub claims: ClaimsAsked,
}
