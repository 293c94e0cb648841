//! Which tables a plan may change: those that it writes to, and what triggers and foreign keys change with them.

use std::collections::BTreeSet;

use base::QualifiedName;
use catalog::{Catalog, ReferentialAction, Relation, Volatility};

use crate::model::{Operation, Plan};

/// The tables whose rows a plan may change, by itself or through triggers and foreign keys. `None` where only the engine knows: a function that
/// may write is called, or a server's trigger or rule, of which the catalog does not know what it does, runs with the write.
pub fn changed(plan: &Plan, catalog: &Catalog) -> Option<BTreeSet<QualifiedName>> {
    if matches!(plan.operation, Operation::Call(_)) || (catalog.is_native() && may_call(plan, catalog)) {
        return None;
    }
    let mut found = BTreeSet::new();
    let written = plan.footprint.touches.iter().filter(|(_, touch)| touch.is_write());
    let mut next: Vec<QualifiedName> = written.map(|(name, _)| name.clone()).collect();
    while let Some(name) = next.pop() {
        if found.insert(name.clone()) {
            next.extend(with(catalog.relation(&name)?, catalog)?);
        }
    }
    Some(found)
}

/// Whether a server may run a function with it that writes.
fn may_call(plan: &Plan, catalog: &Catalog) -> bool {
    let routines = &catalog.snapshot().routines;
    let is_volatile =
        |signature| routines.get(signature).is_none_or(|routine| routine.volatility == Volatility::Volatile);
    let has_volatile_columns = |name| {
        let native = catalog.relation(name).and_then(|relation| relation.native.as_ref());
        native.is_none_or(|native| native.computed.iter().any(|column| column.volatility == Volatility::Volatile))
    };
    let footprint = &plan.footprint;
    // Of what is only read, as an embed of the answer, policies and the like are run.
    let is_plain = |name| {
        let relation = catalog.relation(name);
        relation.is_some_and(|relation| relation.native.as_ref().is_none_or(|native| native.is_plain))
    };
    let reads = footprint.touches.iter().filter(|(_, touch)| !touch.is_write());
    plan.handler.is_some()
        || !reads.map(|(name, _)| name).all(is_plain)
        || !plan.unresolved.is_empty()
        || footprint.calls.iter().any(is_volatile)
        || footprint.touches.keys().any(has_volatile_columns)
}

/// What is changed with the rows of a relation.
fn with(relation: &Relation, catalog: &Catalog) -> Option<Vec<QualifiedName>> {
    let mut changed = Vec::new();
    if relation.native.as_ref().is_some_and(|native| !native.is_plain) {
        return None;
    }
    if relation.is_view() {
        // Of the tables under it one is written to; which one, the server knows.
        let dependence = catalog.snapshot().dependences.get(&relation.name)?;
        if dependence.obstacle.is_some() {
            return None;
        }
        changed.extend(dependence.tables.iter().cloned());
    }
    changed.extend(relation.triggers.iter().flat_map(|trigger| trigger.writes.iter().cloned()));
    let is_silent = |action| matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict);
    for other in catalog.snapshot().relations.values() {
        let mut keys = other.foreign_keys.iter().filter(|key| key.references == relation.name);
        if keys.any(|key| !(is_silent(key.on_delete) && is_silent(key.on_update))) {
            changed.push(other.name.clone());
        }
    }
    Some(changed)
}
