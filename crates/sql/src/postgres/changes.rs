//! The triggers that note that a table was changed, for whoever keeps answers.

use base::QualifiedName;

use super::audit::{named, quoted};

/// The names that the triggers of a table have. They are fired for statements, so partitions do not get their table's.
pub const TRIGGERS: [&str; 4] =
    ["pando_changes", "pando_changes_insert", "pando_changes_update", "pando_changes_delete"];

/// What has the changes of a table told, without its rows: a hundred thousand new ones cost as much as one.
pub fn install(table: &QualifiedName) -> Vec<String> {
    vec![create(TRIGGERS[0], "INSERT OR UPDATE OR DELETE OR TRUNCATE", "", table, "note_change")]
}

/// What has them told with the keys of the rows. Rows that a statement has changed are known to one trigger for each kind of statement
/// alone, by these names.
pub fn install_for_rows(table: &QualifiedName) -> Vec<String> {
    let [all, insert, update, delete] = TRIGGERS;
    vec![
        create(all, "TRUNCATE", "", table, "note_change"),
        create(insert, "INSERT", " REFERENCING NEW TABLE AS pando_new", table, "note_rows"),
        create(update, "UPDATE", " REFERENCING OLD TABLE AS pando_old NEW TABLE AS pando_new", table, "note_rows"),
        create(delete, "DELETE", " REFERENCING OLD TABLE AS pando_old", table, "note_rows"),
    ]
}

fn create(trigger: &str, events: &str, referencing: &str, table: &QualifiedName, function: &str) -> String {
    let table = named(table);
    format!(
        "CREATE TRIGGER {trigger} AFTER {events} ON {table}{referencing} FOR EACH STATEMENT EXECUTE FUNCTION pando.{function}()"
    )
}

/// What has a trigger fired in sessions that replicate as well. Only the table's owner may say so.
pub fn fire_always(table: &QualifiedName, trigger: &str) -> String {
    format!("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", named(table), quoted(trigger))
}

/// What takes a trigger off a table.
pub fn remove(table: &QualifiedName, trigger: &str) -> String {
    format!("DROP TRIGGER {} ON {}", quoted(trigger), named(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are() {
        let table = QualifiedName::new("public", "o\"dd");
        assert_eq!(remove(&table, TRIGGERS[0]), "DROP TRIGGER \"pando_changes\" ON \"public\".\"o\"\"dd\"");
        assert!(fire_always(&table, TRIGGERS[0]).starts_with("ALTER TABLE \"public\".\"o\"\"dd\" "));
        for statements in [install(&table), install_for_rows(&table)] {
            for (statement, trigger) in statements.iter().zip(TRIGGERS) {
                assert!(statement.starts_with(&format!("CREATE TRIGGER {trigger} AFTER ")), "{statement}");
                assert!(statement.contains(" ON \"public\".\"o\"\"dd\" "), "{statement}");
            }
        }
    }
}
