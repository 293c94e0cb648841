//! `ALTER TABLE`.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Column, DefaultValue, Expression, Generated, Policy, Relation, RelationKind, SourceId};
use datatype::Type;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Expr, Ident, ObjectName, RenameTableNameKind,
    Spanned, TableConstraint,
};
use sqlparser::tokenizer::Location;

use super::drop::dependents_error;
use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::rebuild::{Rebuild, guard_not_null, guard_unique};
use super::render::parenthesized;
use super::scope::{Level, ScopeSource};
use super::table::TableBuilder;
use super::tokens::Piece;
use super::translation::Translation;
use super::{dependents, names, render, types};
use crate::sqlite::expression::for_schema;
use crate::sqlite::names::{physical_name, quoted};

/// Whether the statement is `ALTER kind name OWNER TO somebody` and nothing else: nothing has an owner here.
pub(super) fn is_owner(piece: &Piece) -> bool {
    let mut cursor = piece.cursor();
    if !cursor.takes(&["ALTER"]) {
        return false;
    }
    let kinds = ["TABLE", "VIEW", "INDEX", "TYPE", "SCHEMA", "DOMAIN", "FUNCTION", "ROUTINE"];
    if !kinds.iter().any(|kind| cursor.takes(&[kind])) {
        return false;
    }
    let _ = cursor.takes(&["IF", "EXISTS"]);
    let _ = cursor.takes(&["ONLY"]);
    let is_named = cursor.name("a name").is_ok() && cursor.parenthesized().is_ok();
    is_named && cursor.takes(&["OWNER", "TO"]) && cursor.identifier("a role").is_ok() && cursor.is_at_end()
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
            let at = alter.name.span().start;
            let change = |this: &mut Self| this.alter_operation(&alter.name, name.clone(), operation);
            name = self.changing(&name.clone(), at, change)?;
        }
        Ok(())
    }

    /// Changes a table, around which triggers are taken away and made anew, and functions read anew. `change` gives
    /// the table's name afterwards.
    pub(super) fn changing(
        &mut self,
        old: &QualifiedName,
        at: Location,
        change: impl FnOnce(&mut Self) -> Outcome<QualifiedName>,
    ) -> Outcome<QualifiedName> {
        let routines = self.routines_using(old);
        let triggers = self.suspend_triggers(old);
        let new = change(self)?;
        self.reread_routines(&routines)?;
        for routine in &routines {
            let views = self.views_calling(routine);
            self.remake_views(views, at)?;
        }
        for table in triggers {
            self.make_triggers(if table == *old { &new } else { &table })?;
        }
        Ok(new)
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
                self.rename_column(&name, old_column_name, new_column_name)?;
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(new_name) | RenameTableNameKind::As(new_name),
            } => return self.rename_table(&name, new_name),
            AlterTableOperation::AddConstraint { constraint, not_valid } => {
                check_validated(*not_valid, object)?;
                self.add_constraint(&name, constraint)?;
            }
            AlterTableOperation::ValidateConstraint { .. } => {}
            AlterTableOperation::DropConstraint { if_exists, name: constraint, .. } => {
                self.drop_constraint(object, &name, constraint, *if_exists)?;
            }
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                self.rename_constraint(&name, old_name, new_name)?;
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.alter_column(object, &name, column_name, op)?
            }
            other => return Err(unavailable(other, object)),
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
        if !is_addable(&before, &after, column) {
            return self.rebuild_with_column(&before, after.clone(), column);
        }
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

    /// A column whose value the rows that are there cannot have at once.
    fn rebuild_with_column(&mut self, before: &Relation, after: Relation, column: &Column) -> Outcome<()> {
        let mut rebuild = Rebuild::new(before, after.clone());
        match &column.default {
            DefaultValue::Expression(default) => rebuild.set(&column.name, parenthesized(default)),
            DefaultValue::None if !column.is_nullable && after.primary_key == before.primary_key => {
                rebuild.guard_empty(&column.name);
            }
            // Numbers of a new identity column are drawn in the order in which the rows stand.
            DefaultValue::None | DefaultValue::Identity(_) | DefaultValue::Generated(_) => {}
        }
        rebuild.guard_new_constraints();
        self.rebuild(rebuild)
    }

    /// A constraint for a table that is there already: a unique one as an index, any other by building the table anew.
    fn add_constraint(&mut self, table: &QualifiedName, constraint: &TableConstraint) -> Outcome<()> {
        let at = constraint.span().start;
        let before = self.relation_mut(table)?.clone();
        let mut builder = TableBuilder::new(self, before.clone());
        builder.constraint(constraint)?;
        let (mut after, _) = builder.finish(at)?;
        if !matches!(constraint, TableConstraint::Unique(_)) {
            let next = self.counts_from_now_on(&mut after);
            let mut rebuild = Rebuild::new(&before, after);
            rebuild.guard_new_constraints();
            self.rebuild(rebuild)?;
            if let Some(next) = next.filter(|next| *next > 1) {
                self.push_next_number(table, next);
            }
            return Ok(());
        }
        for unique in after.uniques.iter().skip(before.uniques.len()) {
            self.push_guard(guard_unique(&before, &unique.name, &unique.columns));
            self.add_unique(table, unique);
        }
        self.snapshot.relations.insert(table.clone(), Arc::new(after));
        Ok(())
    }

    fn drop_constraint(
        &mut self,
        object: &ObjectName,
        table: &QualifiedName,
        constraint: &Ident,
        if_exists: bool,
    ) -> Outcome<()> {
        let name = names::identifier(constraint);
        let before = self.relation_mut(table)?.clone();
        let mut after = before.clone();
        after.checks.retain(|check| *check.name != *name);
        after.foreign_keys.retain(|key| *key.name != *name);
        let is_index = before.indexes.iter().any(|index| *index.name == *name);
        if !is_index {
            after.uniques.retain(|unique| *unique.name != *name);
        }
        if before.primary_key_name.as_deref() == Some(name.as_str()) {
            check_not_identity(&before, constraint)?;
            after.primary_key.clear();
            after.primary_key_name = None;
        }
        if after == before {
            let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
            return if if_exists { Ok(()) } else { Err(Problem::invalid(constraint.span, message)) };
        }
        self.check_keys_to(&format!("constraint {name} on table {}", table.name), &after, object)?;
        self.rebuild(Rebuild::new(&before, after))
    }

    fn rename_constraint(&mut self, table: &QualifiedName, old: &Ident, new: &Ident) -> Outcome<()> {
        let (old_name, new_name) = (names::identifier(old), names::identifier(new));
        let before = self.relation_mut(table)?.clone();
        let is_key = before.uniques.iter().any(|unique| *unique.name == *old_name)
            || before.primary_key_name.as_deref() == Some(old_name.as_str());
        if has_constraint(&before, &new_name) || (is_key && self.is_name_in_use(&table.schema, &new_name)) {
            let message = format!("constraint \"{new_name}\" for relation \"{}\" already exists", table.name);
            return Err(Problem::invalid(new.span, message));
        }
        let to: Arc<str> = Arc::from(new_name);
        let mut after = before.clone();
        let is_index = before.indexes.iter().any(|index| *index.name == *old_name);
        let names = after.checks.iter_mut().map(|check| &mut check.name);
        let names = names.chain(after.foreign_keys.iter_mut().map(|key| &mut key.name));
        let names = names.chain(after.uniques.iter_mut().filter(|_| !is_index).map(|unique| &mut unique.name));
        names
            .chain(&mut after.primary_key_name)
            .filter(|name| ***name == *old_name)
            .for_each(|name| *name = to.clone());
        if after == before {
            let message = format!("constraint \"{old_name}\" for table \"{}\" does not exist", table.name);
            return Err(Problem::invalid(old.span, message));
        }
        self.rebuild(Rebuild::new(&before, after))
    }

    /// `ALTER INDEX name RENAME TO name`
    pub(super) fn alter_index(&mut self, piece: &Piece) -> Outcome<()> {
        let mut cursor = piece.cursor();
        cursor.expect(&["ALTER", "INDEX"])?;
        let if_exists = cursor.takes(&["IF", "EXISTS"]);
        let (parts, at) = cursor.name("an index")?;
        let index = names::from_parts(&parts).ok_or_else(|| Problem::invalid(at, "a name has at most two parts"))?;
        cursor.expect(&["RENAME", "TO"]).map_err(|_| {
            Problem::refused(
                at,
                "this form of ALTER INDEX",
                "it is not available on the embedded engine",
                "remove it, or DROP INDEX and CREATE INDEX",
            )
        })?;
        let (new_name, new_at) = cursor.identifier("a name")?;
        cursor.end()?;
        let has = |table: &&Arc<Relation>| {
            table.name.schema == index.schema
                && (table.indexes.iter().any(|known| known.name == index.name)
                    || table.uniques.iter().any(|known| known.name == index.name)
                    || table.primary_key_name.as_ref() == Some(&index.name))
        };
        let Some(before) = self.snapshot.relations.values().find(has).cloned() else {
            let message = format!("relation \"{}\" does not exist", index.name);
            return if if_exists { Ok(()) } else { Err(Problem::invalid(at, message)) };
        };
        let new = QualifiedName::new(index.schema.clone(), new_name.as_str());
        self.check_new_name(&new, new_at)?;
        let mut after = (*before).clone();
        let is_index = before.indexes.iter().any(|known| known.name == index.name);
        let names = after.indexes.iter_mut().map(|known| &mut known.name);
        let names =
            names.chain(after.uniques.iter_mut().map(|known| &mut known.name)).chain(&mut after.primary_key_name);
        names.filter(|name| **name == index.name).for_each(|name| *name = new.name.clone());
        if !is_index {
            let change = |this: &mut Self| {
                this.rebuild(Rebuild::new(&before, after))?;
                Ok(before.name.clone())
            };
            return self.changing(&before.name, at, change).map(|_| ());
        }
        self.push(format!("DROP INDEX {}", quoted(&physical_name(&index))));
        if let Some(known) = after.indexes.iter().find(|known| known.name == new.name) {
            self.push(super::index::statement(known, &after));
        }
        self.snapshot.relations.insert(before.name.clone(), Arc::new(after));
        Ok(())
    }

    fn alter_column(
        &mut self,
        object: &ObjectName,
        table: &QualifiedName,
        column: &Ident,
        operation: &AlterColumnOperation,
    ) -> Outcome<()> {
        let name = names::identifier(column);
        let before = self.relation_mut(table)?.clone();
        let mut after = before.clone();
        let Some(changed) = after.columns.iter_mut().find(|known| *known.name == *name) else {
            return Err(missing_column(&name, &before, column.span.start));
        };
        let mut rebuild_guard = None;
        match operation {
            AlterColumnOperation::SetNotNull => {
                changed.is_nullable = false;
                rebuild_guard = Some(guard_not_null(&before, &changed.name));
            }
            AlterColumnOperation::DropNotNull => {
                if before.primary_key.iter().any(|key| **key == *name) {
                    let message = format!("column \"{name}\" is in a primary key");
                    return Err(Problem::invalid(column.span, message));
                }
                check_not_identity_column(changed, column)?;
                changed.is_nullable = true;
            }
            AlterColumnOperation::SetDefault { value } => {
                check_plain_column(changed, column)?;
                check_not_identity_column(changed, column)?;
                if self.set_sequence_default(table, column, value)? {
                    return Ok(());
                }
                let mut analyzer = Analyzer::new(&self.snapshot, Context::Default, None);
                changed.default = DefaultValue::Expression(analyzer.assigned(value, &changed.data_type, &name)?);
            }
            AlterColumnOperation::DropDefault => {
                check_plain_column(changed, column)?;
                check_not_identity_column(changed, column)?;
                changed.default = DefaultValue::None;
            }
            AlterColumnOperation::SetDataType { data_type, using, .. } => {
                let to = types::resolve(&self.snapshot, data_type, column.span.start)?;
                return self.alter_type_of(object, &before, column, to, using.as_ref());
            }
            AlterColumnOperation::AddGenerated { .. } => {
                return Err(Problem::refused(
                    column.span,
                    "ADD GENERATED ... AS IDENTITY",
                    "a column that is there already cannot begin to count on the embedded engine",
                    "instead, write GENERATED BY DEFAULT AS IDENTITY inside CREATE TABLE",
                ));
            }
        }
        if after == before {
            return Ok(());
        }
        let mut rebuild = Rebuild::new(&before, after);
        rebuild.guards.extend(rebuild_guard);
        self.rebuild(rebuild)
    }

    /// `ALTER COLUMN ... TYPE`: the rows are converted, and so is the default.
    fn alter_type_of(
        &mut self,
        object: &ObjectName,
        before: &Relation,
        column: &Ident,
        to: Type,
        using: Option<&Expr>,
    ) -> Outcome<()> {
        let name = names::identifier(column);
        let stripped = without_domain(before, &name);
        let before = &stripped;
        let Some(old) = before.column(&name) else { return Err(missing_column(&name, before, column.span.start)) };
        if matches!(old.default, DefaultValue::Generated(_)) {
            return Err(Problem::refused(
                column.span,
                "the type of a GENERATED column",
                "it cannot be changed on the embedded engine",
                "instead, DROP COLUMN and ADD COLUMN with the expression in the new type",
            ));
        }
        if matches!(old.default, DefaultValue::Identity(_)) && !to.is_integer() {
            return Err(Problem::invalid(column.span, "identity column type must be smallint, integer, or bigint"));
        }
        let mut users = self.readers_of_column(&before.name, &name);
        let same_base = old.data_type.without_modifier() == to.without_modifier()
            || (old.data_type.is_text() && to.is_text())
            || (old.data_type.is_integer() && to.is_integer());
        if !same_base {
            users.extend(expressions_over(before, &name));
            users.extend(self.keys_over(before, &name));
        }
        dependents_error(&format!("the type of column {name} of table {}", before.name.name), &users, object)?;
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, Some(row_of(before)));
        let own = Operand::Known(Expression::column(SourceId::ROW, old.name.clone(), old.data_type.clone()));
        let converted = match using {
            Some(expr) => analyzer.operand(expr)?,
            None => own,
        };
        let cannot = |what: &str| {
            Problem::invalid(
                column.span,
                format!("{what} for column \"{name}\" cannot be cast automatically to type {}", to.name()),
            )
            .instead(format!(
                "write USING {name}::{}, and DROP DEFAULT before it where the default is in the way",
                to.name()
            ))
        };
        let value = operator::assigned(converted, &to, &name, column.span.start).map_err(|_| cannot("the value"))?;
        let mut after = before.clone();
        let Some(changed) = after.columns.iter_mut().find(|known| *known.name == *name) else { return Ok(()) };
        if let DefaultValue::Expression(default) = &old.default {
            let default = operator::assigned(Operand::Known(default.clone()), &to, &name, column.span.start);
            changed.default = DefaultValue::Expression(default.map_err(|_| cannot("the default"))?);
        }
        changed.data_type = to.clone();
        retype(&mut after, &Arc::from(name.as_str()), &to);
        let value = self.aliased(&value)?;
        let mut rebuild = Rebuild::new(before, after);
        rebuild.set(&name, value);
        self.rebuild(rebuild)
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
        let users = self.readers_of_column(table, &name);
        dependents_error(&format!("column {name} of table {}", relation.name.name), &users, object)?;
        let after = without_column(&relation, &name);
        self.check_keys_to(&format!("column {name} of table {}", relation.name.name), &after, object)?;
        let is_alone = Relation { columns: relation.columns.clone(), grants: relation.grants.clone(), ..after.clone() }
            == relation;
        if !is_alone {
            return self.rebuild(Rebuild::new(&relation, after));
        }
        self.snapshot.relations.insert(table.clone(), Arc::new(after));
        self.push(format!("ALTER TABLE {} DROP COLUMN {}", quoted(&physical_name(table)), quoted(&name)));
        Ok(())
    }

    /// What outside of the table's own keys, checks and indexes reads a column.
    fn readers_of_column(&self, table: &QualifiedName, column: &str) -> Vec<String> {
        let mut users = Vec::new();
        if let Some(relation) = self.snapshot.relations.get(table) {
            users.extend(generated_over(relation, column));
            users.extend(policies_of(relation, column));
        }
        let views = dependents::views_over(&self.snapshot, table)
            .filter(|view| view.view().is_some_and(|view| dependents::query_reads_column(&view.query, table, column)));
        users.extend(views.map(|view| format!("view {}", view.name.name)));
        users.extend(
            dependents::policies_reading(&self.snapshot, table, column)
                .into_iter()
                .map(|(table, policy)| format!("policy {policy} on table {}", table.name)),
        );
        users
    }

    /// Foreign keys in which a column takes part, on either side.
    fn keys_over(&self, table: &Relation, column: &str) -> Vec<String> {
        let own = table.foreign_keys.iter().filter(|key| key.columns.iter().any(|name| **name == *column));
        let mut found: Vec<String> = own.map(|key| format!("constraint {}", key.name)).collect();
        for other in self.snapshot.relations.values() {
            let keys = other.foreign_keys.iter().filter(|key| {
                key.references == table.name && key.referenced_columns.iter().any(|name| **name == *column)
            });
            found.extend(keys.map(|key| format!("constraint {} on table {}", key.name, other.name.name)));
        }
        found
    }

    /// No key that foreign keys point at may be missing in `after`. One of several over the same columns neither: which
    /// of them a foreign key was made for is not known.
    fn check_keys_to(&self, what: &str, after: &Relation, object: &ObjectName) -> Outcome<()> {
        let now = self.snapshot.relations.get(&after.name);
        let before = |columns: &[Arc<str>]| now.map_or(1, |now| keys_over_columns(now, columns)).max(1);
        let orphans: Vec<String> = self
            .snapshot
            .relations
            .values()
            .filter(|other| other.name != after.name)
            .flat_map(|other| other.foreign_keys.iter().map(move |key| (&other.name, key)))
            .chain(after.foreign_keys.iter().map(|key| (&after.name, key)))
            .filter(|(_, key)| {
                key.references == after.name
                    && keys_over_columns(after, &key.referenced_columns) < before(&key.referenced_columns)
            })
            .map(|(other, key)| format!("constraint {} on table {}", key.name, other.name))
            .collect();
        dependents_error(what, &orphans, object)
    }

    fn rename_column(&mut self, table: &QualifiedName, old: &Ident, new: &Ident) -> Outcome<()> {
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
        let (from, to): (Arc<str>, Arc<str>) = (Arc::from(old_name.as_str()), Arc::from(new_name.as_str()));
        rename_in_table(self.relation_mut(table)?, &from, &to);
        self.rename_in_readers(table, &from, &to);
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
        self.refresh_views();
        Ok(())
    }

    fn rename_table(&mut self, table: &QualifiedName, new: &ObjectName) -> Outcome<QualifiedName> {
        let new_name = match names::parts(new)?.as_slice() {
            [name] => QualifiedName::new(table.schema.clone(), name.as_str()),
            _ => {
                return Err(Problem::invalid(new, "a table stays in its schema").instead("write the name alone"));
            }
        };
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
        self.rename_relation_in_readers(table, &new_name);
        self.refresh_views();
        let (old, new) = (quoted(&physical_name(table)), quoted(&physical_name(&new_name)));
        self.push(format!("ALTER TABLE {old} RENAME TO {new}"));
        Ok(new_name)
    }
}

/// SQLite adds a column by itself only if the rows that are there can have it at once.
fn is_addable(before: &Relation, after: &Relation, column: &Column) -> bool {
    let default = match &column.default {
        DefaultValue::None => None,
        DefaultValue::Expression(Expression::Value { value, .. }) => Some(value),
        DefaultValue::Expression(_) | DefaultValue::Generated(_) | DefaultValue::Identity(_) => return false,
    };
    let has_default = default.is_some_and(|value| !value.is_null());
    after.primary_key == before.primary_key
        && (column.is_nullable || has_default)
        && !(has_default && after.foreign_keys.len() > before.foreign_keys.len())
        && (after.checks.len() == before.checks.len() || !has_default)
}

fn check_validated(not_valid: bool, object: &ObjectName) -> Outcome<()> {
    if !not_valid {
        return Ok(());
    }
    Err(Problem::refused(
        object,
        "NOT VALID",
        "a constraint holds for all rows on the embedded engine",
        "instead, leave NOT VALID out, and bring the rows in order before it",
    ))
}

/// What the embedded engine cannot change.
fn unavailable(operation: &AlterTableOperation, object: &ObjectName) -> Problem {
    let (construct, why, instead) = match operation {
        AlterTableOperation::AttachPartition { .. } | AlterTableOperation::DetachPartition { .. } => (
            "ALTER TABLE ... PARTITION",
            "partitioned tables are not available on the embedded engine",
            "instead, one table with an index",
        ),
        AlterTableOperation::EnableTrigger { .. } | AlterTableOperation::DisableTrigger { .. } => (
            "ALTER TABLE ... TRIGGER",
            "triggers cannot be switched off on the embedded engine",
            "instead, DROP TRIGGER and CREATE TRIGGER again",
        ),
        _ => (
            "this form of ALTER TABLE",
            "it is not available on the embedded engine",
            "see the documentation for the statements that a migration may hold",
        ),
    };
    Problem::refused(object, construct, why, instead)
}

/// An identity column counts because it is the primary key: the two go together.
fn check_not_identity(table: &Relation, at: &Ident) -> Outcome<()> {
    match table.columns.iter().find(|column| matches!(column.default, DefaultValue::Identity(_))) {
        None => Ok(()),
        Some(column) => Err(Problem::refused(
            at.span,
            "DROP CONSTRAINT of an identity column",
            format!("\"{}\" counts by itself only as long as it is the primary key", column.name),
            "instead, keep the key",
        )),
    }
}

fn check_not_identity_column(column: &Column, at: &Ident) -> Outcome<()> {
    match column.default {
        DefaultValue::Identity(_) => {
            Err(Problem::invalid(at.span, format!("column \"{}\" is an identity column", column.name)))
        }
        _ => Ok(()),
    }
}

/// How many keys there are over just these columns.
fn keys_over_columns(table: &Relation, columns: &[Arc<str>]) -> usize {
    let is_over = |key: &[Arc<str>]| {
        !key.is_empty() && key.len() == columns.len() && columns.iter().all(|column| key.contains(column))
    };
    let uniques = table.uniques.iter().filter(|unique| is_over(&unique.columns)).count();
    uniques + usize::from(is_over(&table.primary_key))
}

fn has_constraint(table: &Relation, name: &str) -> bool {
    table.checks.iter().any(|check| *check.name == *name)
        || table.foreign_keys.iter().any(|key| *key.name == *name)
        || table.uniques.iter().any(|unique| *unique.name == *name)
        || table.primary_key_name.as_deref() == Some(name)
}

/// The column is neither generated nor counts by itself, so that it may have a default.
fn check_plain_column(column: &Column, at: &Ident) -> Outcome<()> {
    match column.default {
        DefaultValue::Generated(_) => {
            Err(Problem::invalid(at.span, format!("column \"{}\" is a generated column", column.name)))
        }
        DefaultValue::Identity(_) | DefaultValue::None | DefaultValue::Expression(_) => Ok(()),
    }
}

fn missing_column(name: &str, relation: &Relation, at: Location) -> Problem {
    let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name.name);
    Problem::invalid(at, message)
}

fn generated_over(relation: &Relation, name: &str) -> Vec<String> {
    let computed = relation.columns.iter().filter(|column| match &column.default {
        DefaultValue::Generated(Generated { expression }) => expression.reads_row_column(name),
        _ => false,
    });
    computed.map(|column| format!("column {}", column.name)).collect()
}

fn policies_of(relation: &Relation, name: &str) -> Vec<String> {
    let reads = |policy: &&Policy| policy.using.iter().chain(&policy.check).any(|part| part.reads_row_column(name));
    relation.policies.iter().filter(reads).map(|policy| format!("policy {}", policy.name)).collect()
}

/// The checks, expression indexes and partial indexes over a column.
fn expressions_over(relation: &Relation, name: &str) -> Vec<String> {
    let checks = relation.checks.iter().filter(|check| check.expression.reads_row_column(name));
    let mut found: Vec<String> = checks.map(|check| format!("constraint {}", check.name)).collect();
    let indexes = relation.indexes.iter().filter(|index| index.reads_in_expression(name));
    found.extend(indexes.map(|index| format!("index {}", index.name)));
    found
}

/// The table without a column, and without the keys, checks and indexes that it takes part in, as on PostgreSQL.
fn without_column(relation: &Relation, name: &str) -> Relation {
    let has = |columns: &[Arc<str>]| columns.iter().any(|column| &**column == name);
    let mut after = relation.clone();
    after.columns.retain(|column| *column.name != *name);
    if has(&after.primary_key) {
        after.primary_key.clear();
        after.primary_key_name = None;
    }
    after.uniques.retain(|unique| !has(&unique.columns));
    after.foreign_keys.retain(|key| !has(&key.columns));
    after.checks.retain(|check| !check.expression.reads_row_column(name));
    after.indexes.retain(|index| !has(&index.columns) && !index.reads(name));
    for grant in &mut after.grants {
        if let Some(columns) = &mut grant.columns {
            columns.retain(|column| **column != *name);
        }
    }
    after.grants.retain(|grant| grant.columns.as_ref().is_none_or(|columns| !columns.is_empty()));
    after
}

/// The table with a column that is of no domain any more: what the domain checked goes.
fn without_domain(table: &Relation, column: &str) -> Relation {
    let mut table = table.clone();
    let Some(found) = table.columns.iter_mut().find(|known| *known.name == *column) else { return table };
    if let Some(domain) = found.domain.take() {
        table
            .checks
            .retain(|check| check.domain.as_ref() != Some(&domain) || !check.expression.reads_row_column(column));
    }
    table
}

/// The column's new type in the expressions that read it.
fn retype(relation: &mut Relation, column: &Arc<str>, to: &Type) {
    let expressions = relation.checks.iter_mut().map(|check| &mut check.expression);
    let terms = relation
        .indexes
        .iter_mut()
        .flat_map(|index| index.terms.iter_mut().map(|term| &mut term.expression).chain(&mut index.predicate));
    for expression in expressions.chain(terms) {
        let before = std::mem::replace(expression, Expression::constant(true));
        *expression = before.rewrite(
            &mut |part| match part {
                Expression::Column { source: SourceId::ROW, name, .. } if name == *column => {
                    Expression::Column { source: SourceId::ROW, name, data_type: to.clone() }
                }
                other => other,
            },
            &mut |query| query,
        );
    }
}

fn row_of(relation: &Relation) -> Level {
    Level::of(ScopeSource::of_relation(relation, SourceId::ROW, None))
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
    for index in &mut relation.indexes {
        rename_in_list(&mut index.columns, from, to);
        let parts = index.terms.iter_mut().map(|term| &mut term.expression).chain(&mut index.predicate);
        parts.for_each(|part| rename_in_expression(part, from, to));
    }
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
