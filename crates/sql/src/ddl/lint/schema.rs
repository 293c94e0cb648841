//! What the statements so far have made, as far as the rules ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Rule;

/// A table's name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TableName {
    schema: String,
    name: String,
}

impl TableName {
    pub(super) fn new(schema: String, name: String) -> Self {
        Self { schema, name }
    }

    /// The name of another table of its schema.
    pub(super) fn sibling(&self, name: String) -> Self {
        Self { schema: self.schema.clone(), name }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema == "public" { f.write_str(&self.name) } else { write!(f, "{}.{}", self.schema, self.name) }
    }
}

/// Where a statement is, and what is silenced for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) line: u64,
    pub(super) allowed: BTreeSet<Rule>,
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The file that made it.
    pub(super) made_in: usize,
    /// The columns' types, as written, in lower case.
    pub(super) types: BTreeMap<String, String>,
    /// The columns of each index over all rows, and its name where it has one.
    pub(super) indexes: Vec<(Option<String>, Vec<String>)>,
    pub(super) foreign_keys: Vec<(Place, Vec<String>)>,
    /// `CHECK (column IS NOT NULL)` by name: the column, and whether it holds of all rows.
    pub(super) filled: BTreeMap<String, (String, bool)>,
    pub(super) row_security: Option<Place>,
    pub(super) policies: BTreeMap<String, Place>,
    /// Columns that policies compare the caller to.
    pub(super) compared: Vec<(Place, String)>,
}

impl Table {
    /// Whether an index begins with these columns, in whatever order.
    pub(super) fn has_index(&self, columns: &[String]) -> bool {
        self.indexes.iter().any(|(_, index)| {
            index.get(..columns.len()).is_some_and(|leading| columns.iter().all(|column| leading.contains(column)))
        })
    }
}

/// All tables that are known.
#[derive(Debug, Default)]
pub(super) struct Schema {
    tables: BTreeMap<TableName, Table>,
}

impl Schema {
    pub(super) fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.get(name)
    }

    pub(super) fn table_mut(&mut self, name: &TableName) -> Option<&mut Table> {
        self.tables.get_mut(name)
    }

    pub(super) fn insert(&mut self, name: TableName, table: Table) {
        self.tables.insert(name, table);
    }

    pub(super) fn remove(&mut self, name: &TableName) -> Option<Table> {
        self.tables.remove(name)
    }

    /// The table that an index of this name is of.
    pub(super) fn table_of(&self, index: &str) -> Option<&Table> {
        let has_it = |table: &&Table| table.indexes.iter().any(|(name, _)| name.as_deref() == Some(index));
        self.tables.values().find(has_it)
    }

    pub(super) fn drop_index(&mut self, name: &str) {
        for table in self.tables.values_mut() {
            table.indexes.retain(|(index, _)| index.as_deref() != Some(name));
        }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = (&TableName, &Table)> {
        self.tables.iter()
    }
}
