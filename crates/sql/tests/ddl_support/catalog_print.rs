//! A snapshot in few lines, for golden files.

use std::fmt::Write as _;
use std::sync::Arc;

use catalog::{DefaultValue, Relation, Snapshot};
use sql::ddl::prelude;
use sql::sqlite::expression::for_schema;

fn list(names: &[Arc<str>]) -> String {
    names.join(", ")
}

/// Everything but what the server brings.
pub fn print(snapshot: &Snapshot) -> String {
    let brought = prelude();
    let mut text = String::new();
    for (name, comment) in &snapshot.schemas {
        if brought.schemas.get(name) != Some(comment) {
            let _ = writeln!(text, "schema {name} {comment:?}");
        }
    }
    for role in snapshot.roles.values() {
        if brought.roles.get(&role.name) != Some(role) {
            let assumable = if role.is_assumable { " assumable" } else { "" };
            let bypasses = if role.bypasses_row_security { " bypassrls" } else { "" };
            let _ = writeln!(text, "role {}{assumable}{bypasses} in ({})", role.name, list(&role.member_of));
        }
    }
    for grant in &snapshot.default_grants {
        let _ = writeln!(text, "default grant {:?} to {} in {:?}", grant.privilege, grant.role, grant.schema);
    }
    for definition in &snapshot.enums {
        let _ = writeln!(text, "enum {} ({})", definition.name, list(&definition.labels));
    }
    for relation in snapshot.relations.values() {
        print_relation(&mut text, relation);
    }
    text
}

fn print_relation(text: &mut String, relation: &Relation) {
    let _ = writeln!(text, "{} {}", relation.kind_name(), relation.name);
    if let Some(comment) = &relation.comment {
        let _ = writeln!(text, "  comment {comment:?}");
    }
    for column in &relation.columns {
        let null = if column.is_nullable { "" } else { " not null" };
        let default = match &column.default {
            DefaultValue::None => String::new(),
            DefaultValue::Expression(expression) => format!(" default {}", for_schema(expression)),
            DefaultValue::Identity(identity) => format!(" identity {identity:?}"),
            DefaultValue::Generated(generated) => {
                format!(" generated {}", for_schema(&generated.expression))
            }
        };
        let comment = column.comment.as_ref().map(|comment| format!(" {comment:?}")).unwrap_or_default();
        let _ = writeln!(text, "  {} {}{null}{default}{comment}", column.name, column.data_type);
    }
    if !relation.primary_key.is_empty() {
        let name = relation.primary_key_name.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  primary key {name} ({})", list(&relation.primary_key));
    }
    for unique in &relation.uniques {
        let _ = writeln!(text, "  unique {} ({})", unique.name, list(&unique.columns));
    }
    for key in &relation.foreign_keys {
        let _ = writeln!(
            text,
            "  foreign key {} ({}) -> {} ({}) delete {:?} update {:?}",
            key.name,
            list(&key.columns),
            key.references,
            list(&key.referenced_columns),
            key.on_delete,
            key.on_update
        );
    }
    for check in &relation.checks {
        let _ = writeln!(text, "  check {} {}", check.name, for_schema(&check.expression));
    }
    for index in &relation.indexes {
        let unique = if index.is_unique { " unique" } else { "" };
        let _ = writeln!(text, "  index {}{unique} ({})", index.name, list(&index.columns));
    }
    for grant in &relation.grants {
        let columns = grant.columns.as_ref().map(|columns| format!(" ({})", list(columns))).unwrap_or_default();
        let _ = writeln!(text, "  grant {:?}{columns} to {}", grant.privilege, grant.role);
    }
    if relation.row_security || relation.forces_row_security {
        let forced = if relation.forces_row_security { " forced" } else { "" };
        let _ = writeln!(text, "  row security {}{forced}", if relation.row_security { "on" } else { "off" });
    }
    for policy in &relation.policies {
        let _ = write!(text, "  policy {:?} {:?} to ({})", policy.name, policy.command, list(&policy.roles));
        for (word, part) in [("using", &policy.using), ("check", &policy.check)] {
            if let Some(part) = part {
                let _ = write!(text, " {word} {}", for_schema(part));
            }
        }
        text.push('\n');
    }
    if let Some(view) = relation.view() {
        for (name, origin) in &view.origins {
            let _ = writeln!(text, "  origin {name} = {}.{}", origin.relation, origin.column);
        }
        if let Some(updatable) = &view.updatable {
            let columns: Vec<String> = updatable.columns.iter().map(|(a, b)| format!("{a} = {b}")).collect();
            let filter = updatable.filter.as_ref().map(for_schema).unwrap_or_default();
            let _ = writeln!(text, "  updates {} ({}) where {filter}", updatable.base, columns.join(", "));
        }
    }
}
