//! `ALTER TABLE`.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Column, DefaultValue, Expression, Generated, Relation, RelationKind, SourceId};
use sqlparser::ast::{
    AlterTable, AlterTableOperation, ColumnDef, Ident, ObjectName, RenameTableNameKind, Spanned, TableConstraint,
};
use sqlparser::tokenizer::{Location, Token};

use super::drop::dependents_error;
use super::problem::{Outcome, Problem};
use super::table::TableBuilder;
use super::tokens::Piece;
use super::translation::Translation;
use super::{dependents, names, render};
use crate::sqlite::expression::for_schema;
use crate::sqlite::names::{physical_name, quoted};

/// Whether the statement ends in `OWNER TO somebody`: nothing has an owner here.
pub(super) fn is_owner(piece: &Piece) -> bool {
    let mut last = piece.tokens.iter().rev().skip(1);
    let is = |token: Option<&sqlparser::tokenizer::TokenWithSpan>, wanted: &str| {
        token.is_some_and(|token| match &token.token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
            _ => false,
        })
    };
    is(last.next(), "TO") && is(last.next(), "OWNER")
}

impl Translation {
    /// Changes a table, one operation after another.
    pub(super) fn alter_table(&mut self, alter: &AlterTable) -> Outcome<()> {
        let name = names::qualified(&alter.name)?;
        if alter.if_exists && !self.snapshot.relations.contains_key(&name) {
            return Ok(());
        }
        let mut name = self.table(&alter.name)?.name.clone();
        for operation in &alter.operations {
            name = self.alter_operation(&alter.name, name, operation)?;
        }
        Ok(())
    }

    /// Does one operation; gives the table's name afterwards.
    fn alter_operation(
        &mut self,
        object: &ObjectName,
        name: QualifiedName,
        operation: &AlterTableOperation,
    ) -> Outcome<QualifiedName> {
        match operation {
            AlterTableOperation::EnableRowLevelSecurity => self.relation_mut(&name)?.row_security = true,
            AlterTableOperation::DisableRowLevelSecurity => self.relation_mut(&name)?.row_security = false,
            AlterTableOperation::ForceRowLevelSecurity => self.relation_mut(&name)?.forces_row_security = true,
            AlterTableOperation::NoForceRowLevelSecurity => self.relation_mut(&name)?.forces_row_security = false,
            AlterTableOperation::OwnerTo { .. } | AlterTableOperation::ReplicaIdentity { .. } => {}
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add_column(&name, column_def, *if_not_exists)?;
            }
            AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
                for column in column_names {
                    self.drop_column(object, &name, column, *if_exists)?;
                }
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(object, &name, old_column_name, new_column_name)?;
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(new_name) | RenameTableNameKind::As(new_name),
            } => return self.rename_table(object, &name, new_name),
            AlterTableOperation::AddConstraint { constraint, .. } => self.add_constraint(&name, constraint)?,
            other => return Err(rebuild(other, object)),
        }
        Ok(name)
    }

    fn add_column(&mut self, table: &QualifiedName, definition: &ColumnDef, if_not_exists: bool) -> Outcome<()> {
        let at = definition.name.span.start;
        let column_name = names::identifier(&definition.name);
        let before = self.relation_mut(table)?.clone();
        if if_not_exists && before.column(&column_name).is_some() {
            return Ok(());
        }
        let mut builder = TableBuilder::new(self, before.clone());
        builder.column(definition)?;
        let (after, _) = builder.finish(at)?;
        let Some(column) = after.columns.last() else {
            return Ok(());
        };
        check_addable(&before, &after, column, at)?;

        let mut line = render::column_definition(column, false);
        for check in after.checks.iter().skip(before.checks.len()) {
            line.push_str(&format!(" CONSTRAINT {} CHECK ({})", quoted(&check.name), for_schema(&check.expression)));
        }
        for key in after.foreign_keys.iter().skip(before.foreign_keys.len()) {
            line.push_str(&format!(" CONSTRAINT {} {}", quoted(&key.name), render::references(key)));
        }
        self.push(format!("ALTER TABLE {} ADD COLUMN {line}", quoted(&physical_name(table))));
        for unique in after.uniques.iter().skip(before.uniques.len()) {
            self.add_unique(table, unique);
        }
        self.snapshot.relations.insert(table.clone(), Arc::new(after));
        Ok(())
    }

    /// A constraint for a table that is there already: only a unique one can be added, as an index.
    fn add_constraint(&mut self, table: &QualifiedName, constraint: &TableConstraint) -> Outcome<()> {
        let at = constraint.span().start;
        if !matches!(constraint, TableConstraint::Unique(_)) {
            let kind = match constraint {
                TableConstraint::PrimaryKey(_) => "ADD PRIMARY KEY",
                TableConstraint::ForeignKey(_) => "ADD FOREIGN KEY",
                TableConstraint::Check(_) => "ADD CHECK",
                _ => "ADD CONSTRAINT",
            };
            return Err(Problem::refused(
                at,
                format!("ALTER TABLE ... {kind}"),
                "the embedded engine cannot add it to a table that is there already yet",
                "instead, write the constraint inside CREATE TABLE",
            ));
        }
        let before = self.relation_mut(table)?.clone();
        let mut builder = TableBuilder::new(self, before.clone());
        builder.constraint(constraint)?;
        let (after, _) = builder.finish(at)?;
        for unique in after.uniques.iter().skip(before.uniques.len()) {
            self.add_unique(table, unique);
        }
        self.snapshot.relations.insert(table.clone(), Arc::new(after));
        Ok(())
    }

    /// What reads the table from outside: it would have to be read anew after a change of names.
    fn outside_readers(&self, table: &QualifiedName) -> Vec<String> {
        let views = dependents::views_over(&self.snapshot, table).map(|view| format!("view {}", view.name.name));
        views.chain(self.policy_readers(table)).chain(dependents::routines_over(&self.snapshot, table)).collect()
    }

    fn policy_readers(&self, table: &QualifiedName) -> Vec<String> {
        dependents::policies_over(&self.snapshot, table)
            .into_iter()
            .map(|(table, policy)| format!("policy {policy} on table {}", table.name))
            .collect()
    }

    fn drop_column(
        &mut self,
        object: &ObjectName,
        table: &QualifiedName,
        column: &Ident,
        if_exists: bool,
    ) -> Outcome<()> {
        let name = names::identifier(column);
        let relation = self.relation_mut(table)?.clone();
        if relation.column(&name).is_none() {
            if if_exists {
                return Ok(());
            }
            return Err(missing_column(&name, &relation, column.span.start));
        }
        if relation.columns.len() == 1 {
            return Err(Problem::invalid(column.span, "a table needs a column").instead("DROP TABLE"));
        }
        let mut users = uses_of_column(&relation, &name);
        // Keys of other tables need no look: they point at a key of this one, which was looked at.
        let views = dependents::views_over(&self.snapshot, table)
            .filter(|view| view.view().is_some_and(|view| dependents::names_column(&view.query, &name)));
        users.extend(views.map(|view| format!("view {}", view.name.name)));
        users.extend(self.policy_readers(table));
        users.extend(dependents::routines_over(&self.snapshot, table));
        dependents_error(&format!("column {name} of table {}", relation.name.name), &users, object)?;
        let after = self.relation_mut(table)?;
        after.columns.retain(|column| *column.name != *name);
        for grant in &mut after.grants {
            if let Some(columns) = &mut grant.columns {
                columns.retain(|column| **column != *name);
            }
        }
        after.grants.retain(|grant| grant.columns.as_ref().is_none_or(|columns| !columns.is_empty()));
        self.push(format!("ALTER TABLE {} DROP COLUMN {}", quoted(&physical_name(table)), quoted(&name)));
        Ok(())
    }

    fn rename_column(&mut self, object: &ObjectName, table: &QualifiedName, old: &Ident, new: &Ident) -> Outcome<()> {
        let (old_name, new_name) = (names::identifier(old), names::identifier(new));
        let relation = self.relation_mut(table)?.clone();
        if relation.column(&old_name).is_none() {
            return Err(missing_column(&old_name, &relation, old.span.start));
        }
        let is_taken = |column: &Column| column.name.eq_ignore_ascii_case(&new_name) && *column.name != *old_name;
        if relation.columns.iter().any(is_taken) || new_name == old_name || new_name.eq_ignore_ascii_case("_rowid_") {
            let message = format!("column \"{new_name}\" of relation \"{}\" already exists", relation.name.name);
            return Err(Problem::invalid(new.span, message));
        }
        let what = format!("column {old_name} of table {}", relation.name.name);
        dependents_error(&what, &self.outside_readers(table), object)?;
        let (from, to): (Arc<str>, Arc<str>) = (Arc::from(old_name.as_str()), Arc::from(new_name.as_str()));
        rename_in_table(self.relation_mut(table)?, &from, &to);
        for other in self.snapshot.relations.values_mut() {
            if other.foreign_keys.iter().any(|key| key.references == *table) {
                for key in &mut Arc::make_mut(other).foreign_keys {
                    if key.references == *table {
                        rename_in_list(&mut key.referenced_columns, &from, &to);
                    }
                }
            }
        }
        self.push(format!(
            "ALTER TABLE {} RENAME COLUMN {} TO {}",
            quoted(&physical_name(table)),
            quoted(&old_name),
            quoted(&new_name)
        ));
        Ok(())
    }

    fn rename_table(&mut self, object: &ObjectName, table: &QualifiedName, new: &ObjectName) -> Outcome<QualifiedName> {
        let new_name = match names::parts(new)?.as_slice() {
            [name] => QualifiedName::new(table.schema.clone(), name.as_str()),
            _ => {
                return Err(Problem::invalid(new, "a table stays in its schema").instead("write the name alone"));
            }
        };
        dependents_error(&format!("table {}", table.name), &self.outside_readers(table), object)?;
        let Some(before) = self.snapshot.relations.remove(table) else {
            return Ok(new_name);
        };
        let checked = self.check_new_name(&new_name, new.span().start);
        let mut relation = (*before).clone();
        checked?;
        relation.name = new_name.clone();
        self.snapshot.relations.insert(new_name.clone(), Arc::new(relation));
        for other in self.snapshot.relations.values_mut() {
            if other.foreign_keys.iter().any(|key| key.references == *table) {
                for key in &mut Arc::make_mut(other).foreign_keys {
                    if key.references == *table {
                        key.references = new_name.clone();
                    }
                }
            }
        }
        let (old, new) = (quoted(&physical_name(table)), quoted(&physical_name(&new_name)));
        self.push(format!("ALTER TABLE {old} RENAME TO {new}"));
        Ok(new_name)
    }
}

/// SQLite adds a column only if the rows that are there can have it at once.
fn check_addable(before: &Relation, after: &Relation, column: &Column, at: Location) -> Outcome<()> {
    let refused = |construct: &str, why: &str, instead: &str| Err(Problem::refused(at, construct, why, instead));
    if after.primary_key != before.primary_key || matches!(column.default, DefaultValue::Identity(_)) {
        return refused(
            "ADD COLUMN ... PRIMARY KEY",
            "the embedded engine cannot add a key to a table that is there already yet",
            "instead, write it inside CREATE TABLE",
        );
    }
    let default = match &column.default {
        DefaultValue::None => None,
        DefaultValue::Expression(Expression::Value { value, .. }) => Some(value),
        DefaultValue::Expression(_) => {
            return refused(
                "ADD COLUMN ... DEFAULT",
                "the rows that are there already need one constant value on the embedded engine",
                "instead, add the column without a default and UPDATE it, or write it inside CREATE TABLE",
            );
        }
        DefaultValue::Generated(_) | DefaultValue::Identity(_) => {
            return refused(
                "ADD COLUMN ... GENERATED",
                "the embedded engine cannot add a stored column to a table that is there already",
                "instead, write it inside CREATE TABLE, or compute it in a view",
            );
        }
    };
    let has_default = default.is_some_and(|value| !value.is_null());
    if !column.is_nullable && !has_default {
        return refused(
            "ADD COLUMN ... NOT NULL",
            "the rows that are there already would have no value",
            "instead, add a DEFAULT with a constant value, or allow NULL",
        );
    }
    if has_default && after.foreign_keys.len() > before.foreign_keys.len() {
        return refused(
            "ADD COLUMN ... REFERENCES ... DEFAULT",
            "the embedded engine cannot add a foreign key with a default",
            "instead, add the column without a default and UPDATE it",
        );
    }
    Ok(())
}

/// What needs the table to be built anew.
fn rebuild(operation: &AlterTableOperation, object: &ObjectName) -> Problem {
    let construct = match operation {
        AlterTableOperation::AlterColumn { .. } => "ALTER TABLE ... ALTER COLUMN",
        AlterTableOperation::DropConstraint { .. } => "ALTER TABLE ... DROP CONSTRAINT",
        AlterTableOperation::RenameConstraint { .. } => "ALTER TABLE ... RENAME CONSTRAINT",
        AlterTableOperation::AttachPartition { .. } | AlterTableOperation::DetachPartition { .. } => {
            "ALTER TABLE ... PARTITION"
        }
        AlterTableOperation::EnableTrigger { .. } | AlterTableOperation::DisableTrigger { .. } => {
            "ALTER TABLE ... TRIGGER"
        }
        _ => "this form of ALTER TABLE",
    };
    Problem::refused(
        object,
        construct,
        "the table would have to be built anew, which the embedded engine does not do yet",
        "instead, write it inside CREATE TABLE; for a table with rows: create a new table, INSERT INTO it ... SELECT, \
         drop the old one and rename",
    )
}

fn missing_column(name: &str, relation: &Relation, at: Location) -> Problem {
    let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name.name);
    Problem::invalid(at, message)
}

/// What in the table itself needs the column.
fn uses_of_column(relation: &Relation, name: &str) -> Vec<String> {
    let has = |columns: &[Arc<str>]| columns.iter().any(|column| &**column == name);
    let reads = |expression: &Expression| {
        let mut is_read = false;
        expression.visit(&mut |part| {
            is_read |= matches!(part, Expression::Column { source: SourceId::ROW, name: read, .. } if &**read == name);
        });
        is_read
    };
    let mut users = Vec::new();
    if has(&relation.primary_key) {
        users.extend(relation.primary_key_name.iter().map(|key| format!("constraint {key}")));
    }
    users.extend(
        relation
            .uniques
            .iter()
            .filter(|unique| has(&unique.columns))
            .map(|unique| format!("constraint {}", unique.name)),
    );
    users.extend(
        relation.foreign_keys.iter().filter(|key| has(&key.columns)).map(|key| format!("constraint {}", key.name)),
    );
    users.extend(
        relation
            .checks
            .iter()
            .filter(|check| reads(&check.expression))
            .map(|check| format!("constraint {}", check.name)),
    );
    users.extend(
        relation.indexes.iter().filter(|index| has(&index.columns)).map(|index| format!("index {}", index.name)),
    );
    for column in &relation.columns {
        if let DefaultValue::Generated(Generated { expression }) = &column.default
            && reads(expression)
        {
            users.push(format!("column {}", column.name));
        }
    }
    for policy in &relation.policies {
        if policy.using.iter().chain(&policy.check).any(reads) {
            users.push(format!("policy {}", policy.name));
        }
    }
    users
}

fn rename_in_list(columns: &mut [Arc<str>], from: &Arc<str>, to: &Arc<str>) {
    for column in columns {
        if column == from {
            *column = to.clone();
        }
    }
}

fn rename_in_expression(expression: &mut Expression, from: &Arc<str>, to: &Arc<str>) {
    let before = std::mem::replace(expression, Expression::constant(true));
    *expression = before.rewrite(
        &mut |part| match part {
            Expression::Column { source: SourceId::ROW, name, data_type } if name == *from => {
                Expression::Column { source: SourceId::ROW, name: to.clone(), data_type }
            }
            other => other,
        },
        &mut |query| query,
    );
}

fn rename_in_table(relation: &mut Relation, from: &Arc<str>, to: &Arc<str>) {
    debug_assert!(matches!(relation.kind, RelationKind::Table));
    for column in &mut relation.columns {
        if column.name == *from {
            column.name = to.clone();
        }
        if let DefaultValue::Generated(Generated { expression }) = &mut column.default {
            rename_in_expression(expression, from, to);
        }
    }
    rename_in_list(&mut relation.primary_key, from, to);
    relation.uniques.iter_mut().for_each(|unique| rename_in_list(&mut unique.columns, from, to));
    relation.indexes.iter_mut().for_each(|index| rename_in_list(&mut index.columns, from, to));
    relation.foreign_keys.iter_mut().for_each(|key| rename_in_list(&mut key.columns, from, to));
    relation.checks.iter_mut().for_each(|check| rename_in_expression(&mut check.expression, from, to));
    for policy in &mut relation.policies {
        policy.using.iter_mut().chain(&mut policy.check).for_each(|part| rename_in_expression(part, from, to));
    }
    for grant in &mut relation.grants {
        if let Some(columns) = &mut grant.columns {
            rename_in_list(columns, from, to);
        }
    }
}
