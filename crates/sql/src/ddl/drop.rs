//! `DROP` of tables, views, indexes, types and schemas.

use std::collections::BTreeSet;

use base::QualifiedName;
use datatype::Type;
use sqlparser::ast::{ObjectName, ObjectType, Spanned};

use super::dependents;
use super::problem::{Outcome, Problem};
use super::select::missing_relation;
use super::translation::Translation;
use super::{names, types};
use crate::sqlite::names::{physical_name, quoted};

impl Translation {
    /// Removes objects.
    pub(super) fn drop_objects(
        &mut self,
        object_type: ObjectType,
        if_exists: bool,
        objects: &[ObjectName],
        cascade: bool,
    ) -> Outcome<()> {
        match object_type {
            ObjectType::Table => self.drop_relations(objects, if_exists, cascade, false),
            ObjectType::View => self.drop_relations(objects, if_exists, cascade, true),
            ObjectType::Index => objects.iter().try_for_each(|name| self.drop_index(name, if_exists)),
            ObjectType::Type => objects.iter().try_for_each(|name| self.drop_type(name, if_exists)),
            ObjectType::Schema => objects.iter().try_for_each(|name| self.drop_schema(name, if_exists)),
            _ => {
                let at = objects.first().map_or(super::problem::NOWHERE, |name| name.span().start);
                Err(Problem::invalid(at, "there are no such objects on the embedded engine").instead("remove it"))
            }
        }
    }

    fn drop_relations(&mut self, objects: &[ObjectName], if_exists: bool, cascade: bool, is_view: bool) -> Outcome<()> {
        let mut doomed: Vec<QualifiedName> = Vec::new();
        for object in objects {
            let name = names::qualified(object)?;
            match self.snapshot.relations.get(&name) {
                None if if_exists => {}
                None => return Err(missing_relation(&self.snapshot, &name, object.span().start)),
                Some(relation) if relation.is_view() != is_view => {
                    let wanted = if is_view { "view" } else { "table" };
                    let kind = relation.kind_name();
                    return Err(Problem::invalid(object, format!("\"{}\" is not a {wanted}", name.name))
                        .instead(format!("write DROP {}", kind.to_ascii_uppercase())));
                }
                Some(_) if doomed.contains(&name) => {}
                Some(_) => doomed.push(name),
            }
        }
        if cascade {
            self.add_dependent_views(&mut doomed);
        }
        for object in objects {
            self.check_droppable(object, &doomed)?;
        }
        self.remove(doomed);
        Ok(())
    }

    /// The views that go with what is dropped.
    fn add_dependent_views(&self, doomed: &mut Vec<QualifiedName>) {
        let mut next = 0;
        while let Some(name) = doomed.get(next).cloned() {
            next += 1;
            for view in dependents::views_over(&self.snapshot, &name) {
                if !doomed.contains(&view.name) {
                    doomed.push(view.name.clone());
                }
            }
        }
    }

    fn check_droppable(&self, object: &ObjectName, doomed: &[QualifiedName]) -> Outcome<()> {
        let name = names::qualified(object)?;
        let views: Vec<String> = dependents::views_over(&self.snapshot, &name)
            .filter(|view| !doomed.contains(&view.name))
            .map(|view| format!("view {}", view.name.name))
            .collect();
        let policies = dependents::policies_over(&self.snapshot, &name)
            .into_iter()
            .filter(|(table, _)| !doomed.contains(table))
            .map(|(table, policy)| format!("policy {policy} on table {}", table.name));
        let keys = dependents::keys_to(&self.snapshot, &name)
            .into_iter()
            .filter(|(table, _)| !doomed.contains(table))
            .map(|(table, key)| format!("constraint {key} on table {}", table.name));
        let mut routines = dependents::routines_over(&self.snapshot, &name);
        routines.extend(self.triggers_touching(&name));
        let dependents: Vec<String> = views.into_iter().chain(policies).chain(keys).chain(routines).collect();
        let kind = self.snapshot.relations.get(&name).map_or("relation", |relation| relation.kind_name());
        dependents_error(&format!("{kind} {}", name.name), &dependents, object)
    }

    /// Removes relations, those first that others depend on last.
    fn remove(&mut self, mut doomed: Vec<QualifiedName>) {
        while !doomed.is_empty() {
            let index = doomed.iter().position(|name| !self.is_needed_by_others(name, &doomed)).unwrap_or(0);
            let name = doomed.remove(index);
            if let Some(relation) = self.snapshot.relations.remove(&name) {
                let kind = relation.kind_name().to_ascii_uppercase();
                self.push(format!("DROP {kind} {}", quoted(&physical_name(&name))));
            }
        }
    }

    fn is_needed_by_others(&self, name: &QualifiedName, doomed: &[QualifiedName]) -> bool {
        dependents::views_over(&self.snapshot, name).any(|view| doomed.contains(&view.name))
            || dependents::keys_to(&self.snapshot, name).iter().any(|(table, _)| doomed.contains(table))
    }

    fn drop_index(&mut self, object: &ObjectName, if_exists: bool) -> Outcome<()> {
        let name = names::qualified(object)?;
        let in_schema = |relation: &&std::sync::Arc<catalog::Relation>| relation.name.schema == name.schema;
        let table = self
            .snapshot
            .relations
            .values()
            .filter(in_schema)
            .find(|relation| relation.indexes.iter().any(|index| index.name == name.name))
            .map(|relation| relation.name.clone());
        let Some(table) = table else {
            let owner = self.snapshot.relations.values().filter(in_schema).find(|relation| {
                relation.uniques.iter().any(|unique| unique.name == name.name)
                    || relation.primary_key_name.as_ref() == Some(&name.name)
            });
            return match owner {
                Some(owner) => Err(Problem::invalid(
                    object,
                    format!(
                        "cannot drop index {0} because constraint {0} on table {1} requires it",
                        name.name, owner.name.name
                    ),
                )),
                None if if_exists => Ok(()),
                None => Err(Problem::invalid(object, format!("index \"{}\" does not exist", name.name))),
            };
        };
        let relation = self.relation_mut(&table)?;
        relation.indexes.retain(|index| index.name != name.name);
        relation.uniques.retain(|unique| unique.name != name.name);
        self.check_keys_still_unique(&table, object)?;
        self.push(format!("DROP INDEX {}", quoted(&physical_name(&name))));
        Ok(())
    }

    /// Foreign keys may have relied on the index.
    fn check_keys_still_unique(&self, table: &QualifiedName, object: &ObjectName) -> Outcome<()> {
        let Some(relation) = self.snapshot.relations.get(table) else {
            return Ok(());
        };
        let orphans: Vec<String> = self
            .snapshot
            .relations
            .values()
            .flat_map(|other| other.foreign_keys.iter().map(move |key| (other, key)))
            .filter(|(_, key)| key.references == *table && !relation.is_unique_over(&key.referenced_columns))
            .map(|(other, key)| format!("constraint {} on table {}", key.name, other.name.name))
            .collect();
        dependents_error(&format!("index {object}"), &orphans, object)
    }

    fn drop_type(&mut self, object: &ObjectName, if_exists: bool) -> Outcome<()> {
        let name = names::qualified(object)?;
        let Some(definition) = types::find_enum(&self.snapshot, Some(&name.schema), &name.name).cloned() else {
            if if_exists {
                return Ok(());
            }
            return Err(Problem::invalid(object, format!("type \"{}\" does not exist", name.name)));
        };
        let is_used = |data_type: &Type| matches!(data_type, Type::Enum(used) if used.name == definition.name);
        let users: Vec<String> = self
            .snapshot
            .relations
            .values()
            .flat_map(|relation| relation.columns.iter().map(move |column| (relation, column)))
            .filter(|(_, column)| is_used(&column.data_type))
            .map(|(relation, column)| {
                format!("column {} of {} {}", column.name, relation.kind_name(), relation.name.name)
            })
            .collect();
        let used_by_routine = |routine: &&std::sync::Arc<catalog::Routine>| {
            let results = match &routine.returns.result {
                catalog::RoutineResult::Void => Vec::new(),
                catalog::RoutineResult::Value(data_type) => vec![data_type],
                catalog::RoutineResult::Row { columns, .. } => columns.iter().map(|(_, data_type)| data_type).collect(),
            };
            routine.arguments.iter().map(|argument| &argument.data_type).chain(results).any(is_used)
        };
        let routines = self.snapshot.routines.values().filter(used_by_routine);
        let users: Vec<String> =
            users.into_iter().chain(routines.map(|routine| format!("function {}", routine.signature))).collect();
        dependents_error(&format!("type {}", name.name), &users, object)?;
        self.snapshot.enums.retain(|other| other.name != definition.name);
        Ok(())
    }

    fn drop_schema(&mut self, object: &ObjectName, if_exists: bool) -> Outcome<()> {
        let name = names::parts(object)?.concat();
        if matches!(name.as_str(), "public" | "auth") {
            return Err(Problem::refused(
                object,
                "DROP SCHEMA",
                format!("the schema {name} belongs to the server"),
                "remove it",
            ));
        }
        if !self.snapshot.schemas.contains_key(name.as_str()) {
            if if_exists {
                return Ok(());
            }
            return Err(Problem::invalid(object, format!("schema \"{name}\" does not exist")));
        }
        let mut inside: BTreeSet<String> = self
            .snapshot
            .relations
            .values()
            .filter(|relation| *relation.name.schema == *name)
            .map(|relation| format!("{} {}", relation.kind_name(), relation.name))
            .collect();
        let enums = self.snapshot.enums.iter().filter(|definition| *definition.name.schema == *name);
        inside.extend(enums.map(|definition| format!("type {}", definition.name)));
        let routines = self.snapshot.routines.keys().filter(|signature| *signature.name.schema == *name);
        inside.extend(routines.map(|signature| format!("function {signature}")));
        let inside: Vec<String> = inside.into_iter().collect();
        dependents_error(&format!("schema {name}"), &inside, object)?;
        self.snapshot.schemas.remove(name.as_str());
        self.snapshot.schema_usage.remove(name.as_str());
        self.snapshot.default_grants.retain(|grant| grant.schema.as_deref() != Some(name.as_str()));
        Ok(())
    }
}

/// PostgreSQL's 2BP01.
pub(super) fn dependents_error(what: &str, dependents: &[String], at: &ObjectName) -> Outcome<()> {
    if dependents.is_empty() {
        return Ok(());
    }
    let list = dependents.join(", ");
    Err(Problem::invalid(at, format!("cannot change or drop {what} because other objects depend on it: {list}"))
        .instead("drop those first, and create them again afterwards if they are still needed"))
}
