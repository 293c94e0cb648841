//! The trigger that notes that a table was changed, for whoever keeps answers.

use base::QualifiedName;

use super::audit::named;

/// The name of the trigger. It is fired for statements, so partitions do not get their table's.
pub const TRIGGER: &str = "pando_changes";

/// What puts the trigger on a table. It is told of statements, not of rows: a hundred thousand new rows cost as much as one.
pub fn install(table: &QualifiedName) -> String {
    let mut text = String::from("CREATE TRIGGER pando_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ");
    text.push_str(&named(table));
    text.push_str(" FOR EACH STATEMENT EXECUTE FUNCTION pando.note_change()");
    text
}

/// What has it fired in sessions that replicate as well. Only the table's owner may say so.
pub fn fire_always(table: &QualifiedName) -> String {
    let mut text = String::from("ALTER TABLE ");
    text.push_str(&named(table));
    text.push_str(" ENABLE ALWAYS TRIGGER pando_changes");
    text
}

/// What takes the trigger off a table.
pub fn remove(table: &QualifiedName) -> String {
    let mut text = String::from("DROP TRIGGER pando_changes ON ");
    text.push_str(&named(table));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are() {
        let table = QualifiedName::new("public", "o\"dd");
        assert_eq!(remove(&table), "DROP TRIGGER pando_changes ON \"public\".\"o\"\"dd\"");
        assert!(install(&table).contains(&format!("CREATE TRIGGER {TRIGGER} ")));
        assert!(fire_always(&table).starts_with("ALTER TABLE \"public\".\"o\"\"dd\" "));
    }
}
