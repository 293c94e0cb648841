//! What the transaction at hand changes, told by SQLite row by row: by the statement itself, by triggers and by what foreign keys do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::QualifiedName;
use catalog::Catalog;
use parking_lot::Mutex;
use plan::{Operation, Plan};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use sql::sqlite::names::physical_name;

use crate::changes::{Changes, MOST_ROWS, Touched};

/// The rows of each table, by the name that it has in the file; `None` for more than are named one by one.
type Noted = HashMap<String, Option<Vec<i64>>>;

/// Columns that statements set, each behind its table.
type Assigned = HashSet<(String, String)>;

/// Collects what changes on the writing connection.
pub(super) struct Recorder {
    changes: Arc<Changes>,
    noted: Arc<Mutex<Noted>>,
    /// The columns that any statement, trigger or foreign key may set that was prepared until now.
    assigned: Arc<Mutex<Assigned>>,
    /// The keys that the upsert at hand sets to what they are: it has found the row by them.
    upserted: Arc<Mutex<Assigned>>,
    /// The tables of the catalog by the names that they have in the file.
    names: Mutex<(Arc<Catalog>, HashMap<String, QualifiedName>)>,
}

impl Recorder {
    /// Has a connection's changes told. The tables of Pando's are all told: they have row numbers, and no statement replaces rows.
    pub(super) fn install(
        connection: &Connection,
        catalog: &Arc<Catalog>,
        changes: Arc<Changes>,
    ) -> rusqlite::Result<Self> {
        let noted = Arc::<Mutex<Noted>>::default();
        let told = noted.clone();
        connection.update_hook(Some(move |_, _: &str, table: &str, row: i64| note(&mut told.lock(), table, row)))?;
        let (assigned, upserted) = (Arc::<Mutex<Assigned>>::default(), Arc::<Mutex<Assigned>>::default());
        let (told, kept) = (assigned.clone(), upserted.clone());
        let mut dropped = None;
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            match context.action {
                AuthAction::Update { table_name, column_name } => {
                    let column = (table_name.to_owned(), column_name.to_owned());
                    // What a trigger sets has the trigger's name.
                    if context.accessor.is_some() || !kept.lock().contains(&column) {
                        told.lock().insert(column);
                    }
                    Authorization::Allow
                }
                action => removal(&action, &mut dropped),
            }
        }))?;
        Ok(Self { changes, noted, assigned, upserted, names: Mutex::new((catalog.clone(), names(catalog))) })
    }

    /// Where it is told what has changed.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// A request's write is about to run, or has run (`None`).
    pub(super) fn expect(&self, plan: Option<&Plan>) {
        let mut upserted = self.upserted.lock();
        upserted.clear();
        let Some(Operation::Insert(insert)) = plan.map(|plan| &plan.operation) else { return };
        let Some(conflict) = insert.conflict.as_ref().filter(|conflict| conflict.merge.is_some()) else { return };
        let table = physical_name(&insert.table.name);
        upserted.extend(conflict.target.iter().map(|column| (table.clone(), column.to_string())));
    }

    /// Forgets what an earlier transaction left.
    pub(super) fn clear(&self) {
        self.noted.lock().clear();
    }

    /// What was changed until now; what was taken back by itself is among it. The number of a row is its key, where the key is an
    /// identity column; nobody asks for a row of another table by its key. Of a row whose key is set only the new one is told, so where
    /// that may be, rows are not told apart.
    pub(super) fn take(&self, catalog: &Arc<Catalog>) -> Touched {
        let mut noted = self.noted.lock();
        let mut touched = Touched::default();
        if noted.is_empty() {
            return touched;
        }
        let mut names = self.names.lock();
        if !Arc::ptr_eq(&names.0, catalog) {
            *names = (catalog.clone(), self::names(catalog));
        }
        let assigned = self.assigned.lock();
        for (table, rows) in noted.drain() {
            let Some(name) = names.1.get(&table) else { continue };
            let key = catalog.relation(name).map(|relation| relation.primary_key.as_slice()).unwrap_or_default();
            let moves = key.iter().any(|column| assigned.contains(&(table.clone(), column.to_string())));
            match rows.filter(|_| !moves) {
                Some(rows) => rows.iter().for_each(|row| touched.row(name, &row.to_string())),
                None => touched.table(name),
            }
        }
        touched
    }
}

/// Has rows removed one by one: a table that is emptied without a condition, as by a trigger, is otherwise emptied without looking at its
/// rows, and nothing is told of them. To ignore a removal means just that (`sqlite3_set_authorizer`), but where a table or a view is
/// dropped: that asks for the removal of rows of SQLite's own tables, then of the rows of what is `dropped`, and does nothing where it is
/// ignored.
fn removal(action: &AuthAction<'_>, dropped: &mut Option<String>) -> Authorization {
    match *action {
        AuthAction::DropTable { table_name: name }
        | AuthAction::DropTempTable { table_name: name }
        | AuthAction::DropView { view_name: name }
        | AuthAction::DropTempView { view_name: name } => {
            *dropped = Some(name.to_owned());
            Authorization::Allow
        }
        AuthAction::Delete { table_name } => {
            let is_let_through = table_name.starts_with("sqlite_") || dropped.take().as_deref() == Some(table_name);
            if is_let_through { Authorization::Allow } else { Authorization::Ignore }
        }
        _ => Authorization::Allow,
    }
}

fn note(noted: &mut Noted, table: &str, row: i64) {
    let Some(rows) = noted.get_mut(table) else {
        noted.insert(table.to_owned(), Some(vec![row]));
        return;
    };
    let Some(numbers) = rows else { return };
    if numbers.last() != Some(&row) {
        numbers.push(row);
    }
    if numbers.len() > MOST_ROWS {
        *rows = None;
    }
}

fn names(catalog: &Catalog) -> HashMap<String, QualifiedName> {
    catalog.snapshot().relations.keys().map(|name| (physical_name(name), name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_gone_and_what_is_emptied_is_told_row_by_row() {
        let connection = Connection::open_in_memory().unwrap();
        let recorder = Recorder::install(&connection, &Arc::default(), Arc::default()).unwrap();
        let run = |text: &str| connection.execute_batch(text).unwrap();
        run("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE INDEX i ON t (id); CREATE VIEW v AS SELECT 1;
             CREATE TEMP TABLE u (id); CREATE TEMP VIEW w AS SELECT 1;
             CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; INSERT INTO t VALUES (7), (8)");
        recorder.clear();
        run("DELETE FROM t");
        assert_eq!(*recorder.noted.lock(), HashMap::from([("t".to_owned(), Some(vec![7, 8]))]));
        run("DROP TRIGGER r; DROP INDEX i; DROP VIEW v; DROP TABLE t; DROP VIEW w; DROP TABLE u");
        let names = "SELECT count(*) FROM (SELECT * FROM sqlite_master UNION ALL SELECT * FROM sqlite_temp_master) WHERE name <> 'sqlite_sequence'";
        assert_eq!(connection.query_row(names, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        // One that is made anew is emptied as before.
        run("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (3)");
        recorder.clear();
        run("DELETE FROM t");
        assert_eq!(*recorder.noted.lock(), HashMap::from([("t".to_owned(), Some(vec![3]))]));
    }
}
