//! Relationships: how a relation's rows lead to another's. Derived from foreign keys, through views as well, the way
//! PostgREST's schema cache does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::QualifiedName;

use crate::relation::{ForeignKey, Relation, View};
use crate::routine::Volatility;

/// One way from a relation to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// Where it starts.
    pub from: QualifiedName,
    /// Where it leads.
    pub to: QualifiedName,
    /// How many rows there are at its end, and over which keys.
    pub cardinality: Cardinality,
    /// Whether it leads back to the relation it starts from.
    pub is_self: bool,
}

/// How many rows a relationship leads to, the constraint behind it, and the columns that meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cardinality {
    /// Many to one: this side holds the foreign key.
    ManyToOne {
        /// The constraint.
        constraint: Arc<str>,
        /// Pairs of columns: of `from`, of `to`.
        columns: Vec<(Arc<str>, Arc<str>)>,
    },
    /// One to many: the other side holds the foreign key.
    OneToMany {
        /// The constraint.
        constraint: Arc<str>,
        /// Pairs of columns: of `from`, of `to`.
        columns: Vec<(Arc<str>, Arc<str>)>,
    },
    /// One to one, over a foreign key that is unique.
    OneToOne {
        /// The constraint.
        constraint: Arc<str>,
        /// Pairs of columns: of `from`, of `to`.
        columns: Vec<(Arc<str>, Arc<str>)>,
        /// Whether `to` holds the foreign key.
        is_parent: bool,
    },
    /// Whatever a function makes of a row, on a PostgreSQL server.
    Computed {
        /// The function, which takes the row.
        function: QualifiedName,
        /// Whether it gives one row at most.
        is_to_one: bool,
        /// Whether it may see or do more than its row says.
        volatility: Volatility,
    },
    /// Many to many, through a join table whose primary key holds both foreign keys.
    ManyToMany(Junction),
}

/// The join table of a many-to-many relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Junction {
    /// The join table.
    pub relation: QualifiedName,
    /// The constraint from the join table to `from`.
    pub from_constraint: Arc<str>,
    /// The constraint from the join table to `to`.
    pub to_constraint: Arc<str>,
    /// Pairs of columns: of `from`, of the join table.
    pub from_columns: Vec<(Arc<str>, Arc<str>)>,
    /// Pairs of columns: of `to`, of the join table.
    pub to_columns: Vec<(Arc<str>, Arc<str>)>,
}

impl Relationship {
    /// Whether it leads to at most one row.
    pub fn is_to_one(&self) -> bool {
        match &self.cardinality {
            Cardinality::ManyToOne { .. } | Cardinality::OneToOne { .. } => true,
            Cardinality::OneToMany { .. } | Cardinality::ManyToMany(_) => false,
            Cardinality::Computed { is_to_one, .. } => *is_to_one,
        }
    }
}

/// One end-to-end reading of a foreign key: base tables replaced by views where the views show the columns.
struct Edge {
    constraint: Arc<str>,
    child: QualifiedName,
    parent: QualifiedName,
    /// Pairs of columns: of the child, of the parent.
    columns: Vec<(Arc<str>, Arc<str>)>,
    is_unique: bool,
}

/// Derives every relationship between `relations`, by the relation it starts from.
pub(crate) fn derive(relations: &BTreeMap<QualifiedName, Arc<Relation>>) -> BTreeMap<QualifiedName, Vec<Relationship>> {
    let edges = edges(relations);
    let mut found: BTreeMap<QualifiedName, Vec<Relationship>> = BTreeMap::new();
    for edge in &edges {
        for relationship in direct(edge) {
            found.entry(relationship.from.clone()).or_default().push(relationship);
        }
    }
    for relationship in through_junctions(&edges, relations) {
        found.entry(relationship.from.clone()).or_default().push(relationship);
    }
    found
}

/// Every foreign key, as it is and as it shows through views.
fn edges(relations: &BTreeMap<QualifiedName, Arc<Relation>>) -> Vec<Edge> {
    let views = Views::of(relations);
    let mut edges = Vec::new();
    for table in relations.values() {
        for key in &table.foreign_keys {
            let is_unique = table.is_unique_over(&key.columns);
            let children = views.showing(&table.name, &key.columns);
            let parents = views.showing(&key.references, &key.referenced_columns);
            for (child, child_columns) in &children {
                for (parent, parent_columns) in &parents {
                    edges.push(edge(key, child, child_columns, parent, parent_columns, is_unique));
                }
            }
        }
    }
    edges
}

fn edge(
    key: &ForeignKey,
    child: &QualifiedName,
    child_columns: &[Arc<str>],
    parent: &QualifiedName,
    parent_columns: &[Arc<str>],
    is_unique: bool,
) -> Edge {
    Edge {
        constraint: key.name.clone(),
        child: child.clone(),
        parent: parent.clone(),
        columns: child_columns.iter().cloned().zip(parent_columns.iter().cloned()).collect(),
        is_unique,
    }
}

/// The views over each table, so that a key asks only those that can show it: a catalog may have thousands of both.
struct Views<'r> {
    by_table: HashMap<&'r QualifiedName, Vec<(&'r Relation, &'r View)>>,
}

impl<'r> Views<'r> {
    fn of(relations: &'r BTreeMap<QualifiedName, Arc<Relation>>) -> Self {
        let mut by_table: HashMap<_, Vec<(&Relation, &View)>> = HashMap::new();
        for relation in relations.values() {
            let Some(view) = relation.view() else { continue };
            for origin in view.origins.values() {
                let views = by_table.entry(&origin.relation).or_default();
                // Its columns come one after the other, so that only the last one can be the view itself.
                if views.last().is_none_or(|(last, _)| last.name != relation.name) {
                    views.push((relation, view));
                }
            }
        }
        Self { by_table }
    }

    /// The table itself and every view that shows all of `columns`, with the names they have there.
    fn showing(&self, table: &QualifiedName, columns: &[Arc<str>]) -> Vec<(QualifiedName, Vec<Arc<str>>)> {
        let mut found = vec![(table.clone(), columns.to_vec())];
        for (relation, view) in self.by_table.get(table).into_iter().flatten() {
            let shown: Option<Vec<Arc<str>>> = columns
                .iter()
                .map(|column| {
                    // The view's declared column order decides when it shows one column twice.
                    relation.columns.iter().map(|shown| &shown.name).find(|name| {
                        let origin = view.origins.get(*name);
                        origin.is_some_and(|origin| origin.column == *column && origin.relation == *table)
                    })
                })
                .map(|name| name.cloned())
                .collect();
            if let Some(shown) = shown {
                found.push((relation.name.clone(), shown));
            }
        }
        found
    }
}

/// Both directions of a foreign key.
fn direct(edge: &Edge) -> [Relationship; 2] {
    let is_self = edge.child == edge.parent;
    let reversed: Vec<_> = edge.columns.iter().map(|(child, parent)| (parent.clone(), child.clone())).collect();
    let constraint = edge.constraint.clone();
    let (up, down) = if edge.is_unique {
        (
            Cardinality::OneToOne { constraint: constraint.clone(), columns: edge.columns.clone(), is_parent: false },
            Cardinality::OneToOne { constraint, columns: reversed, is_parent: true },
        )
    } else {
        (
            Cardinality::ManyToOne { constraint: constraint.clone(), columns: edge.columns.clone() },
            Cardinality::OneToMany { constraint, columns: reversed },
        )
    };
    [
        Relationship { from: edge.child.clone(), to: edge.parent.clone(), cardinality: up, is_self },
        Relationship { from: edge.parent.clone(), to: edge.child.clone(), cardinality: down, is_self },
    ]
}

/// Many-to-many relationships: two foreign keys of one relation whose columns all belong to its primary key.
fn through_junctions(edges: &[Edge], relations: &BTreeMap<QualifiedName, Arc<Relation>>) -> Vec<Relationship> {
    let is_in_key = |edge: &&Edge| {
        relations
            .get(&edge.child)
            .is_some_and(|junction| edge.columns.iter().all(|(child, _)| junction.primary_key.contains(child)))
    };
    let candidates: Vec<&Edge> = edges.iter().filter(is_in_key).collect();
    let mut by_child: HashMap<&QualifiedName, Vec<&Edge>> = HashMap::new();
    for edge in &candidates {
        by_child.entry(&edge.child).or_default().push(edge);
    }
    let mut found = Vec::new();
    for first in candidates {
        let others = by_child.get(&first.child).into_iter().flatten();
        for second in others.filter(|second| second.constraint != first.constraint) {
            found.push(many_to_many(first, second));
        }
    }
    found
}

fn many_to_many(first: &Edge, second: &Edge) -> Relationship {
    let reverse = |edge: &Edge| edge.columns.iter().map(|(c, p)| (p.clone(), c.clone())).collect();
    Relationship {
        from: first.parent.clone(),
        to: second.parent.clone(),
        is_self: first.parent == second.parent,
        cardinality: Cardinality::ManyToMany(Junction {
            relation: first.child.clone(),
            from_constraint: first.constraint.clone(),
            to_constraint: second.constraint.clone(),
            from_columns: reverse(first),
            to_columns: reverse(second),
        }),
    }
}

#[cfg(test)]
#[path = "relationship_tests.rs"]
mod tests;
