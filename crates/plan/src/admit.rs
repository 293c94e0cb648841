//! Whether the caller may: privileges on every relation and column of the footprint.

use base::{Caller, ColumnSet, Footprint};
use catalog::{Catalog, Privilege, Relation};

use crate::error::PlanError;

/// Refuses a request whose footprint goes beyond the caller's privileges (42501).
///
/// # Errors
/// [`PlanError::PermissionDenied`] naming the first relation that is out of reach.
pub fn admit(footprint: &Footprint, catalog: &Catalog, caller: &Caller) -> Result<(), PlanError> {
    if catalog.is_native() {
        // The engine enforces them, with what was granted by the moment that the statement runs.
        return Ok(());
    }
    let roles = catalog.roles_of(&caller.role);
    for (name, touch) in &footprint.touches {
        let Some(relation) = catalog.relation(name) else {
            // Planned on another catalog than this one: nothing is known of it, so nothing is allowed.
            return Err(denied("table", &name.name, caller));
        };
        if !catalog.may_enter(&roles, &name.schema) {
            return Err(denied("schema", &name.schema, caller));
        }
        let may = |privilege: Privilege, columns: Option<&ColumnSet>| {
            columns.is_none_or(|columns| may_use(relation, &roles, privilege, columns))
        };
        let may_delete = !touch.deletes || relation.allows(&roles, Privilege::Delete, None);
        let is_allowed = may(Privilege::Select, touch.reads.as_ref())
            && may(Privilege::Insert, touch.inserts.as_ref())
            && may(Privilege::Update, touch.updates.as_ref())
            && may_delete;
        if !is_allowed {
            return Err(denied(relation.kind_name(), &relation.name.name, caller));
        }
    }
    for signature in &footprint.calls {
        let name = &signature.name;
        if !catalog.may_enter(&roles, &name.schema) {
            return Err(denied("schema", &name.schema, caller));
        }
        if !catalog.routine(signature).is_some_and(|routine| routine.allows(&roles)) {
            return Err(denied("function", &name.name, caller));
        }
    }
    Ok(())
}

fn denied(kind: &'static str, relation: &str, caller: &Caller) -> PlanError {
    PlanError::PermissionDenied { kind, relation: relation.to_owned(), is_anonymous: caller.is_anonymous }
}

/// All of the columns; without any, as in `count()`, one that may be used is enough.
fn may_use(relation: &Relation, roles: &[&str], privilege: Privilege, columns: &ColumnSet) -> bool {
    if columns.is_empty() {
        return relation.allows_somewhere(roles, privilege);
    }
    // A grant on the whole relation, by far the most common, settles all columns at once.
    relation.allows(roles, privilege, None)
        || columns.iter().all(|column| relation.allows(roles, privilege, Some(column)))
}

/// The methods that a relation takes, for `OPTIONS`.
pub fn allowed_methods(relation: &Relation) -> Vec<&'static str> {
    let mut methods = vec!["OPTIONS", "GET", "HEAD"];
    if let Some(native) = &relation.native {
        let can_put = native.is_insertable && native.is_updatable && !relation.primary_key.is_empty();
        let may = [
            ("POST", native.is_insertable),
            ("PUT", can_put),
            ("PATCH", native.is_updatable),
            ("DELETE", native.is_deletable),
        ];
        methods.extend(may.into_iter().filter(|(_, is_allowed)| *is_allowed).map(|(method, _)| method));
        return methods;
    }
    if relation.is_writable() {
        methods.push("POST");
        if !relation.primary_key.is_empty() {
            methods.push("PUT");
        }
        methods.extend(["PATCH", "DELETE"]);
    }
    methods
}
