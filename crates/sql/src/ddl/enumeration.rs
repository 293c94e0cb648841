//! Enumerations.

use std::sync::Arc;

use catalog::{Check, Column, DefaultValue, Expression, Generated, Query, Relation, RelationKind, Snapshot};
use datatype::{EnumType, Type};
use sqlparser::ast::{
    AlterType, AlterTypeAddValue, AlterTypeAddValuePosition, AlterTypeOperation, ObjectName,
    UserDefinedTypeRepresentation,
};

use super::problem::{Outcome, Problem};
use super::translation::Translation;
use super::{names, types};

/// PostgreSQL's limit for a label, in bytes.
const LONGEST_LABEL: usize = 63;

impl Translation {
    /// `CREATE TYPE ... AS ENUM`.
    pub(super) fn create_type(
        &mut self,
        object: &ObjectName,
        representation: Option<&UserDefinedTypeRepresentation>,
    ) -> Outcome<()> {
        let Some(UserDefinedTypeRepresentation::Enum { labels }) = representation else {
            return Err(Problem::refused(
                object,
                "CREATE TYPE",
                "only enumerations are available on the embedded engine",
                "instead, CREATE TYPE ... AS ENUM (...), or columns of their own",
            ));
        };
        let name = names::qualified(object)?;
        if !self.snapshot.schemas.contains_key(&name.schema) {
            return Err(Problem::invalid(object, format!("schema \"{}\" does not exist", name.schema)));
        }
        if types::find_enum(&self.snapshot, Some(&name.schema), &name.name).is_some() {
            return Err(Problem::invalid(object, format!("type \"{}\" already exists", name.name)));
        }
        let mut kept: Vec<Arc<str>> = Vec::new();
        for label in labels {
            check_label(&label.value, object)?;
            if kept.iter().any(|other| **other == *label.value) {
                return Err(Problem::invalid(object, format!("enum label \"{}\" used more than once", label.value)));
            }
            kept.push(Arc::from(label.value.as_str()));
        }
        self.snapshot.enums.push(Arc::new(EnumType { name, labels: kept }));
        Ok(())
    }

    /// `ALTER TYPE ... ADD VALUE`.
    pub(super) fn alter_type(&mut self, alter: &AlterType) -> Outcome<()> {
        let name = names::qualified(&alter.name)?;
        let Some(before) = types::find_enum(&self.snapshot, Some(&name.schema), &name.name).cloned() else {
            return Err(Problem::invalid(&alter.name, format!("type \"{}\" does not exist", name.name)));
        };
        let AlterTypeOperation::AddValue(add) = &alter.operation else {
            return Err(Problem::refused(
                &alter.name,
                "ALTER TYPE ... RENAME",
                "the names of a type and of its values stay on the embedded engine yet",
                "instead, create a new type and use it in new columns",
            ));
        };
        let mut after = (*before).clone();
        if !add_label(&mut after, add, &alter.name)? {
            return Ok(());
        }
        replace_enum(&mut self.snapshot, &Arc::new(after));
        Ok(())
    }
}

fn check_label(label: &str, at: &ObjectName) -> Outcome<()> {
    if label.is_empty() || label.len() > LONGEST_LABEL {
        return Err(Problem::invalid(at, format!("invalid enum label \"{label}\""))
            .instead(format!("labels must be 1 to {LONGEST_LABEL} bytes long")));
    }
    Ok(())
}

/// Adds a label at its place; false if it is there already and that is allowed.
fn add_label(definition: &mut EnumType, add: &AlterTypeAddValue, at: &ObjectName) -> Outcome<bool> {
    let value = &add.value.value;
    check_label(value, at)?;
    if definition.labels.iter().any(|label| **label == **value) {
        if add.if_not_exists {
            return Ok(false);
        }
        return Err(Problem::invalid(at, format!("enum label \"{value}\" already exists")));
    }
    let neighbour = |name: &str| {
        let position = definition.labels.iter().position(|label| **label == *name);
        position.ok_or_else(|| Problem::invalid(at, format!("\"{name}\" is not an existing enum label")))
    };
    let index = match &add.position {
        None => definition.labels.len(),
        Some(AlterTypeAddValuePosition::Before(other)) => neighbour(&other.value)?,
        Some(AlterTypeAddValuePosition::After(other)) => neighbour(&other.value)? + 1,
    };
    definition.labels.insert(index, Arc::from(value.as_str()));
    Ok(true)
}

/// Puts the new definition wherever the old one stands: in columns and in all expressions over them.
fn replace_enum(snapshot: &mut Snapshot, after: &Arc<EnumType>) {
    for definition in &mut snapshot.enums {
        if definition.name == after.name {
            *definition = after.clone();
        }
    }
    for relation in snapshot.relations.values_mut() {
        replace_in_relation(Arc::make_mut(relation), after);
    }
}

fn replace_in_relation(relation: &mut Relation, after: &Arc<EnumType>) {
    for Column { data_type, default, .. } in &mut relation.columns {
        *data_type = replaced(data_type, after);
        match default {
            DefaultValue::Expression(expression) | DefaultValue::Generated(Generated { expression }) => {
                replace_in_expression(expression, after);
            }
            DefaultValue::None | DefaultValue::Identity(_) => {}
        }
    }
    for Check { expression, .. } in &mut relation.checks {
        replace_in_expression(expression, after);
    }
    for policy in &mut relation.policies {
        policy.using.iter_mut().chain(&mut policy.check).for_each(|part| replace_in_expression(part, after));
    }
    if let RelationKind::View(view) = &mut relation.kind {
        replace_in_query(&mut view.query, after);
        if let Some(filter) = view.updatable.as_mut().and_then(|updatable| updatable.filter.as_mut()) {
            replace_in_expression(filter, after);
        }
    }
}

fn replaced(data_type: &Type, after: &Arc<EnumType>) -> Type {
    match data_type {
        Type::Enum(before) if before.name == after.name => Type::Enum(after.clone()),
        other => other.clone(),
    }
}

fn replace_in_expression(expression: &mut Expression, after: &Arc<EnumType>) {
    let before = std::mem::replace(expression, Expression::constant(true));
    *expression = before.rewrite(&mut |part| retyped(part, after), &mut |query| query);
}

fn replace_in_query(query: &mut Query, after: &Arc<EnumType>) {
    let nothing = Query::default();
    let before = std::mem::replace(query, nothing);
    *query = before.rewrite(&mut |part| retyped(part, after), &mut |query| query);
}

fn retyped(mut expression: Expression, after: &Arc<EnumType>) -> Expression {
    match &mut expression {
        Expression::Column { data_type, .. }
        | Expression::Value { data_type, .. }
        | Expression::Call { data_type, .. }
        | Expression::Case { data_type, .. }
        | Expression::Cast { data_type, .. } => *data_type = replaced(data_type, after),
        _ => {}
    }
    expression
}
