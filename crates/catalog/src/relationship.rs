//! Relationships: how a relation's rows lead to another's. Derived from foreign keys, through views as well, the way
//! PostgREST's schema cache does.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;

use crate::relation::{ForeignKey, Relation};

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
    let mut edges = Vec::new();
    for table in relations.values() {
        for key in &table.foreign_keys {
            let is_unique = table.is_unique_over(&key.columns);
            let children = showing(relations, &table.name, &key.columns);
            let parents = showing(relations, &key.references, &key.referenced_columns);
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

/// The table itself and every view that shows all of `columns`, with the names they have there.
fn showing(
    relations: &BTreeMap<QualifiedName, Arc<Relation>>,
    table: &QualifiedName,
    columns: &[Arc<str>],
) -> Vec<(QualifiedName, Vec<Arc<str>>)> {
    let mut found = vec![(table.clone(), columns.to_vec())];
    for relation in relations.values() {
        let Some(view) = relation.view() else { continue };
        let shown: Option<Vec<Arc<str>>> = columns
            .iter()
            .map(|column| {
                // The view's declared column order decides when it shows one column twice.
                relation.columns.iter().map(|shown| &shown.name).find(|name| {
                    view.origins.get(*name).is_some_and(|origin| origin.relation == *table && origin.column == *column)
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
    let mut found = Vec::new();
    for first in edges {
        let Some(junction) = relations.get(&first.child) else { continue };
        let in_key = |edge: &Edge| edge.columns.iter().all(|(child, _)| junction.primary_key.contains(child));
        if junction.primary_key.is_empty() || !in_key(first) {
            continue;
        }
        for second in edges {
            let is_pair = second.child == first.child && second.constraint != first.constraint && in_key(second);
            if !is_pair {
                continue;
            }
            let reverse = |edge: &Edge| edge.columns.iter().map(|(c, p)| (p.clone(), c.clone())).collect();
            found.push(Relationship {
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
            });
        }
    }
    found
}
