//! The triggers that write down every change of a table on a server.

use base::QualifiedName;

/// The name of the trigger that is fired for each row, of the table with this number (`oid`). A partition gets its table's trigger under
/// the same name, which is why each table has one of its own: otherwise no table that has a trigger could become a partition.
pub fn rows(table: &str) -> String {
    ["pando_audit_", table].concat()
}

/// The name of the trigger that is fired when a table is emptied at once.
pub const TRUNCATION: &str = "pando_audit_truncate";

/// The statement that puts a trigger on a table, with its function of the schema `pando` and the arguments of that.
pub fn install(trigger: &str, table: &QualifiedName, function: &'static str, arguments: &[String]) -> String {
    let (events, each) =
        if trigger == TRUNCATION { ("TRUNCATE", "STATEMENT") } else { ("INSERT OR UPDATE OR DELETE", "ROW") };
    let mut text = String::from("CREATE TRIGGER ");
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| text.push_str(part));
    add(&[&quoted(trigger), " AFTER ", events, " ON ", &named(table), " FOR EACH ", each]);
    add(&[" EXECUTE FUNCTION pando.", function, "("]);
    for (place, argument) in arguments.iter().enumerate() {
        add(&[if place == 0 { "" } else { ", " }, &literal(argument)]);
    }
    add(&[")"]);
    text
}

/// The statement that takes a trigger off a table.
pub fn remove(trigger: &str, table: &QualifiedName) -> String {
    let mut text = String::from("DROP TRIGGER ");
    text.push_str(&quoted(trigger));
    text.push_str(" ON ");
    text.push_str(&named(table));
    text
}

pub(super) fn named(table: &QualifiedName) -> String {
    let mut text = quoted(&table.schema);
    text.push('.');
    text.push_str(&quoted(&table.name));
    text
}

pub(super) fn quoted(identifier: &str) -> String {
    crate::sqlite::names::quoted(identifier)
}

/// A text as a literal whose meaning no setting of the server changes.
fn literal(text: &str) -> String {
    let mut quoted = String::from("E'");
    for character in text.chars() {
        match character {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments_stay_what_they_are() {
        let table = QualifiedName::new("public", "o\"dd");
        let text = install(&rows("16384"), &table, "audit_change", &["none".to_owned(), "[\"it's\\\"\"]".to_owned()]);
        assert_eq!(
            text,
            "CREATE TRIGGER \"pando_audit_16384\" AFTER INSERT OR UPDATE OR DELETE ON \"public\".\"o\"\"dd\" FOR EACH ROW \
             EXECUTE FUNCTION pando.audit_change(E'none', E'[\"it''s\\\\\"\"]')"
        );
    }
}
