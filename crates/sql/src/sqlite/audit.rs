//! The triggers that write down every change of a table. They live in the writer's connection alone (`TEMP`), so the file stays
//! as its migrations made it, and whatever SQLite takes back of a statement takes its entry along.

use catalog::Relation;
use datatype::Datum;

use super::expression::literal;
use super::names::{physical_name, quoted};

/// The function that gives the account of a change: the number of the table, what was done, the old row, the new row.
pub const CHANGE: &str = "pando_audit_change";
/// The function that gives the key of a row: the number of the table, the values of the key.
pub const KEY: &str = "pando_audit_key";
/// The function that gives who asked.
pub const CONTEXT: &str = "pando_audit_context";
/// The function that gives when.
pub const MOMENT: &str = "pando_audit_moment";

/// The table of entries inside the file.
const ENTRIES: &str = "pando.audit_entries";

/// What is done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// It is new.
    Insert,
    /// It is another one.
    Update,
    /// It is gone.
    Delete,
}

impl RowChange {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    /// Its name in entries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The change of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.name() == name)
    }

    /// The rows that it has: the old one before the new one.
    const fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Insert => &["NEW"],
            Self::Update => &["OLD", "NEW"],
            Self::Delete => &["OLD"],
        }
    }
}

/// The statements that make the triggers of a table, which the functions know by `number`. The key is that of the row as it was
/// before the change, where there was one.
pub fn triggers(relation: &Relation, number: usize) -> Vec<String> {
    RowChange::ALL.into_iter().map(|change| trigger(relation, number, change)).collect()
}

/// The name of a trigger.
fn name(relation: &Relation, change: RowChange) -> String {
    quoted(&format!("pando_audit_{}_{}", change.name(), physical_name(&relation.name)))
}

fn trigger(relation: &Relation, number: usize, change: RowChange) -> String {
    let mut text = String::from("CREATE TEMP TRIGGER ");
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| text.push_str(part));
    add(&[&name(relation, change), " AFTER ", change.name(), " ON main.", &quoted(&physical_name(&relation.name))]);
    add(&[
        " BEGIN INSERT INTO ",
        &quoted(ENTRIES),
        " (transaction_number, at, action, relation, key, change, context) VALUES ",
    ]);
    let number = number.to_string();
    let named = literal(&Datum::Text(format!("{}.{}", relation.name.schema, relation.name.name)));
    add(&["(0, ", MOMENT, "(), '", change.name(), "', ", &named, ", ", KEY, "(", &number]);
    let first = change.rows().first().copied().unwrap_or("NEW");
    relation.primary_key.iter().for_each(|column| add(&[", ", first, ".", &quoted(column)]));
    add(&["), ", CHANGE, "(", &number, ", '", change.name(), "'"]);
    for row in change.rows() {
        relation.columns.iter().for_each(|column| add(&[", ", row, ".", &quoted(&column.name)]));
    }
    add(&["), ", CONTEXT, "()); END"]);
    text
}

/// The statement that takes a trigger away, by its name.
pub fn removal(name: &str) -> String {
    let mut text = String::from("DROP TRIGGER temp.");
    text.push_str(&quoted(name));
    text
}
