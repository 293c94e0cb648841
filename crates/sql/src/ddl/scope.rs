//! Which columns an expression may name, and how a name finds its column.

use std::sync::Arc;

use catalog::{Expression, Relation, SourceId};
use datatype::Type;

use super::problem::{Outcome, Place, Problem};

/// A column that may be named.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub(super) name: Arc<str>,
    pub(super) data_type: Type,
}

/// A relation or subquery whose columns may be named.
#[derive(Debug, Clone)]
pub(super) struct ScopeSource {
    pub(super) id: SourceId,
    /// The name in front of the dot.
    pub(super) alias: Arc<str>,
    /// The schema, while the relation's own name is its alias: `public.memos.id`.
    pub(super) schema: Option<Arc<str>>,
    pub(super) columns: Vec<ScopeColumn>,
    /// Columns that `USING` merged into those of an earlier source: only found with the alias before them.
    pub(super) hidden: Vec<Arc<str>>,
}

impl ScopeSource {
    /// A relation's columns.
    pub(super) fn of_relation(relation: &Relation, id: SourceId, alias: Option<Arc<str>>) -> Self {
        let columns = relation
            .columns
            .iter()
            .map(|column| ScopeColumn { name: column.name.clone(), data_type: column.data_type.clone() })
            .collect();
        Self {
            id,
            schema: alias.is_none().then(|| relation.name.schema.clone()),
            alias: alias.unwrap_or_else(|| relation.name.name.clone()),
            columns,
            hidden: Vec::new(),
        }
    }

    fn column(&self, name: &str) -> Option<&ScopeColumn> {
        self.columns.iter().find(|column| &*column.name == name)
    }
}

/// The sources of one `FROM`.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) sources: Vec<ScopeSource>,
    /// The columns that `USING` put first.
    pub(super) merged: Vec<(SourceId, Arc<str>)>,
}

/// A column that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) source: SourceId,
    pub(super) column: ScopeColumn,
}

impl Found {
    fn new(source: &ScopeSource, column: &ScopeColumn) -> Self {
        Self { source: source.id, column: column.clone() }
    }

    /// As an expression.
    pub(super) fn expression(&self) -> Expression {
        Expression::column(self.source, self.column.name.clone(), self.column.data_type.clone())
    }
}

impl Level {
    /// One row.
    pub(super) fn of(source: ScopeSource) -> Self {
        Self { sources: vec![source], merged: Vec::new() }
    }

    /// All columns in the order of `*`.
    pub(super) fn all(&self) -> Vec<Found> {
        let merged = self.merged.iter().filter_map(|(id, name)| {
            let source = self.sources.iter().find(|source| source.id == *id)?;
            source.column(name).map(|column| Found::new(source, column))
        });
        let others = self.sources.iter().flat_map(|source| {
            source
                .columns
                .iter()
                .filter(|column| {
                    !source.hidden.contains(&column.name)
                        && !self.merged.iter().any(|(id, name)| *id == source.id && *name == column.name)
                })
                .map(|column| Found::new(source, column))
        });
        merged.chain(others).collect()
    }

    /// The columns of `alias.*`.
    pub(super) fn all_of(&self, schema: Option<&str>, alias: &str) -> Option<Vec<Found>> {
        let source = self.source(schema, alias)?;
        Some(source.columns.iter().map(|column| Found::new(source, column)).collect())
    }

    fn source(&self, schema: Option<&str>, alias: &str) -> Option<&ScopeSource> {
        self.sources
            .iter()
            .find(|source| &*source.alias == alias && (schema.is_none() || source.schema.as_deref() == schema))
    }

    fn unqualified(&self, name: &str) -> Vec<Found> {
        self.sources
            .iter()
            .filter(|source| !source.hidden.iter().any(|hidden| &**hidden == name))
            .filter_map(|source| source.column(name).map(|column| Found::new(source, column)))
            .collect()
    }
}

/// Finds a column by its name, in the innermost level that has it.
pub(super) fn find(levels: &[Level], name: &str, at: impl Place) -> Outcome<Found> {
    for level in levels.iter().rev() {
        let mut found = level.unqualified(name);
        if found.len() > 1 {
            return Err(Problem::invalid(at, format!("column reference \"{name}\" is ambiguous"))
                .instead("write the table's name or alias before it"));
        }
        if let Some(found) = found.pop() {
            return Ok(found);
        }
    }
    let is_table = levels.iter().flat_map(|level| &level.sources).any(|source| &*source.alias == name);
    if is_table {
        return Err(Problem::refused(
            at,
            "a whole row as a value",
            format!("\"{name}\" is a table, and values of row types are not available on the embedded engine"),
            "instead, name its columns",
        ));
    }
    let problem = Problem::invalid(at, format!("column \"{name}\" does not exist"));
    let known = levels.iter().rev().flat_map(|level| &level.sources).flat_map(|source| &source.columns);
    Err(match catalog::nearest(name, known.map(|column| &*column.name)) {
        Some(nearest) => problem.instead(format!("perhaps you meant \"{nearest}\"")),
        None => problem,
    })
}

/// Finds a column by the name of its source and its own.
pub(super) fn find_in(
    levels: &[Level],
    schema: Option<&str>,
    alias: &str,
    name: &str,
    at: impl Place,
) -> Outcome<Found> {
    let source = levels.iter().rev().find_map(|level| level.source(schema, alias));
    let Some(source) = source else {
        return Err(Problem::invalid(at, format!("missing FROM-clause entry for table \"{alias}\"")));
    };
    if let Some(column) = source.column(name) {
        return Ok(Found::new(source, column));
    }
    let problem = Problem::invalid(at, format!("column {alias}.{name} does not exist"));
    Err(match catalog::nearest(name, source.columns.iter().map(|column| &*column.name)) {
        Some(nearest) => problem.instead(format!("perhaps you meant \"{nearest}\"")),
        None => problem,
    })
}
