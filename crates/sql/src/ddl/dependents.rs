//! What hangs on a relation: views, policies and foreign keys of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Expression, Query, Relation, Routine, RoutineResult, Snapshot, Source};

/// The relations that a query reads, also in subqueries.
pub(super) fn relations_of(query: &Query) -> BTreeSet<QualifiedName> {
    let mut found = BTreeSet::new();
    add_sources(query, &mut found);
    query.visit(&mut |expression| add_subquery(expression, &mut found));
    found
}

/// The relations that an expression reads in its subqueries.
pub(super) fn relations_in(expression: &Expression) -> BTreeSet<QualifiedName> {
    let mut found = BTreeSet::new();
    expression.visit(&mut |part| add_subquery(part, &mut found));
    found
}

fn add_subquery(expression: &Expression, found: &mut BTreeSet<QualifiedName>) {
    match expression {
        Expression::Exists(query) | Expression::Scalar(query) | Expression::InQuery { query, .. } => {
            add_sources(query, found);
        }
        _ => {}
    }
}

fn add_sources(query: &Query, found: &mut BTreeSet<QualifiedName>) {
    for source in query.from.iter().flat_map(|from| from.sources()) {
        match source {
            Source::Relation { name, .. } => {
                found.insert(name.clone());
            }
            Source::Query { query, .. } => add_sources(query, found),
            Source::Call { .. } => {}
        }
    }
    query.unions.iter().for_each(|(_, query)| add_sources(query, found));
}

/// The views that read `name`, described for a message.
pub(super) fn views_over<'a>(
    snapshot: &'a Snapshot,
    name: &'a QualifiedName,
) -> impl Iterator<Item = &'a Arc<Relation>> {
    snapshot
        .relations
        .values()
        .filter(move |relation| relation.view().is_some_and(|view| relations_of(&view.query).contains(name)))
}

/// Whether an expression's subqueries read a column of the relation.
fn reads_column(expression: &Expression, relation: &QualifiedName, column: &str) -> bool {
    let sources = expression.inner_sources();
    let is_of = |id| sources.iter().any(|(source, name)| *source == id && name.as_ref() == Some(relation));
    let mut is_read = false;
    expression.visit(&mut |part| {
        is_read |= matches!(part, Expression::Column { source, name, .. } if &**name == column && is_of(*source));
    });
    is_read
}

/// Whether a query reads a column of the relation.
pub(super) fn query_reads_column(query: &Query, relation: &QualifiedName, column: &str) -> bool {
    reads_column(&Expression::Exists(Box::new(query.clone())), relation, column)
}

/// The policies whose subqueries read `name`: table and policy.
pub(super) fn policies_over(snapshot: &Snapshot, name: &QualifiedName) -> Vec<(QualifiedName, Arc<str>)> {
    let mut found = Vec::new();
    for relation in snapshot.relations.values() {
        for policy in &relation.policies {
            let reads = policy.using.iter().chain(&policy.check).any(|part| relations_in(part).contains(name));
            if reads {
                found.push((relation.name.clone(), policy.name.clone()));
            }
        }
    }
    found
}

/// The policies whose subqueries read a column of `name`: table and policy.
pub(super) fn policies_reading(
    snapshot: &Snapshot,
    name: &QualifiedName,
    column: &str,
) -> Vec<(QualifiedName, Arc<str>)> {
    let mut found = policies_over(snapshot, name);
    found.retain(|(table, policy)| {
        let policies = snapshot.relations.get(table).map(|relation| relation.policies.as_slice()).unwrap_or_default();
        let parts = policies.iter().filter(|known| known.name == *policy);
        parts.flat_map(|policy| policy.using.iter().chain(&policy.check)).any(|part| reads_column(part, name, column))
    });
    found
}

/// The functions whose bodies read or write `name`, or that return its rows.
pub(super) fn routines_over(snapshot: &Snapshot, name: &QualifiedName) -> Vec<String> {
    let users = snapshot.routines.values().filter(|routine| uses(routine, name));
    users.map(|routine| format!("function {}", routine.signature)).collect()
}

/// Whether a function reads or writes `name`, or returns its rows.
pub(super) fn uses(routine: &Routine, name: &QualifiedName) -> bool {
    let returned = match &routine.returns.result {
        RoutineResult::Row { relation, .. } => relation.as_ref(),
        RoutineResult::Void | RoutineResult::Value(_) => None,
    };
    returned == Some(name) || super::inline::relations_of(routine).contains(name)
}

/// The foreign keys of other tables that point at `name`: table and constraint.
pub(super) fn keys_to(snapshot: &Snapshot, name: &QualifiedName) -> Vec<(QualifiedName, Arc<str>)> {
    snapshot
        .relations
        .values()
        .filter(|relation| relation.name != *name)
        .flat_map(|relation| relation.foreign_keys.iter().map(move |key| (relation, key)))
        .filter(|(_, key)| key.references == *name)
        .map(|(relation, key)| (relation.name.clone(), key.name.clone()))
        .collect()
}
