//! The triggers that note changes, brought in line with what is there and what is asked.

use std::collections::BTreeSet;

use base::QualifiedName;
use sql::postgres::changes::{fire_always, install, remove};
use wire::{Connection, Error, TextRow};

use crate::audit::Unwatched;
use crate::error::StoreError;
use crate::postgres::own_triggers::{PATIENCE, Placing, begin, end};

/// Whether there is a table for notes. By the catalog, since `to_regclass` fails for a role that may not use the schema.
const THERE: &str = "SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pando' AND c.relname = 'changes'";

/// What the triggers call, in the schema `pando`.
pub(in crate::postgres) const FUNCTION: &str = "note_change";

/// Its definition. Nothing in it is looked for by the caller's path, so it needs none of its own, which would cost as much again.
/// One that has noted the table in its transaction already finds that. `ON CONFLICT` is never waited for: the number is the transaction's.
const DEFINITION: &str = "CREATE OR REPLACE FUNCTION pando.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $changes$
BEGIN
  INSERT INTO pando.changes (transaction_number, relation, key) VALUES (pg_catalog.txid_current(), TG_RELID, '') ON CONFLICT DO NOTHING;
  RETURN NULL;
END $changes$";

/// What its body stands between.
const BODY: &str = "$changes$";

/// The function as it is.
const STANDING: &str = "SELECT prosrc FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pando'::regnamespace AND proname = 'note_change' AND prosecdef AND pronargs = 0";

/// The number of turns: "changes" in ASCII.
const TURN: u64 = 27_980_790_367_741_299;

/// The tables that are to be watched, and those that are: their schemas and names; whether they are to be; whether they are,
/// as a trigger for all four events says that is on; whether it is there at all; whether triggers may be put on them; whether they are one's
/// own; whether the trigger is fired always; who asks.
const TABLES: &str = "SELECT n.nspname, c.relname, wanted.name IS NOT NULL, 
       t.tgenabled IN ('O', 'A') AND t.tgtype = 60 AND t.tgqual IS NULL AND p.proname = 'note_change' AND p.pronamespace = 'pando'::regnamespace,
       t.oid IS NOT NULL, has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'),
       pg_has_role(c.relowner, 'USAGE'), coalesce(t.tgenabled = 'A', false), current_user
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN json_to_recordset($1::json) AS wanted (schema text, name text) ON wanted.schema = n.nspname AND wanted.name = c.relname
  LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = 'pando_changes' AND NOT t.tgisinternal
  LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND (wanted.name IS NOT NULL OR t.oid IS NOT NULL)
 ORDER BY n.nspname, c.relname";

/// A table as it is.
struct Table {
    name: QualifiedName,
    is_wanted: bool,
    is_watched: bool,
    has_trigger: bool,
    may: bool,
    is_own: bool,
    is_always: bool,
    role: String,
}

impl Table {
    fn of(row: &TextRow) -> Self {
        let text = |place| row.get(place).unwrap_or_default();
        let is = |place| row.get(place) == Some("t");
        Self {
            name: QualifiedName::new(text(0), text(1)),
            is_wanted: is(2),
            is_watched: is(3),
            has_trigger: is(4),
            may: is(5),
            is_own: is(6),
            is_always: is(7),
            role: text(8).to_owned(),
        }
    }

    /// What has to be done to it.
    fn statements(&self) -> Vec<String> {
        let mut statements = Vec::new();
        if self.has_trigger && !(self.is_wanted && self.is_watched) {
            statements.push(remove(&self.name));
        }
        if self.is_wanted && !self.is_watched {
            statements.push(install(&self.name));
        }
        if self.is_wanted && self.is_own && !self.is_always {
            statements.push(fire_always(&self.name));
        }
        statements
    }
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Reconciled {
    /// Whether a trigger was put somewhere, or taken away.
    pub(super) is_changed: bool,
    /// The tables that are left out.
    pub(super) left_out: Vec<Unwatched>,
}

/// Puts the function and the triggers where they belong, each table in a transaction of its own: nobody who uses one waits for another.
/// `None` has all of them taken away.
pub(super) async fn reconcile(
    connection: &mut Connection,
    wanted: Option<&BTreeSet<QualifiedName>>,
) -> Result<Reconciled, StoreError> {
    if connection.query(THERE, &[]).await.map_err(failed)?.is_empty() {
        return Ok(Reconciled::default());
    }
    let wanted = wanted.into_iter().flatten();
    let wanted: Vec<_> =
        wanted.map(|table| serde_json::json!({ "schema": &*table.schema, "name": &*table.name })).collect();
    let (is_any, wanted) = (!wanted.is_empty(), serde_json::Value::from(wanted).to_string());
    if is_any {
        begin(connection, TURN).await.map_err(failed)?;
        let put = put_function(connection).await;
        end(connection, put).await.map_err(failed)?;
    }
    let found = connection.query(TABLES, &[&wanted]).await.map_err(failed)?;
    let mut reconciled = Reconciled::default();
    for table in found.iter().map(Table::of).filter(|table| !table.statements().is_empty()) {
        begin(connection, TURN).await.map_err(failed)?;
        let put = put_trigger(connection, &wanted, &table.name).await;
        match end(connection, put).await.map_err(failed)? {
            Some(left_out) => reconciled.left_out.push(left_out),
            None => reconciled.is_changed = true,
        }
    }
    Ok(reconciled)
}

async fn put_function(connection: &mut Connection) -> Result<(), Error> {
    // What is as it should be is left alone: each definition would be told to all nodes, which would come here again.
    let standing = connection.query(STANDING, &[]).await?;
    if standing.first().and_then(|row| row.get(0)) == DEFINITION.split(BODY).nth(1) {
        return Ok(());
    }
    connection.batch(PATIENCE).await?;
    connection.batch(DEFINITION).await
}

/// Does it to one table, as it is by now; what the server said, where it did not let it.
async fn put_trigger(
    connection: &mut Connection,
    wanted: &str,
    name: &QualifiedName,
) -> Result<Option<Unwatched>, Error> {
    connection.batch(PATIENCE).await?;
    let found = connection.query(TABLES, &[wanted]).await?;
    // It may be gone.
    let Some(table) = found.iter().map(Table::of).find(|table| table.name == *name) else { return Ok(None) };
    let statements = table.statements();
    if statements.is_empty() {
        return Ok(None);
    }
    let Table { name, may, role, .. } = &table;
    let told = |problem: &str| {
        format!("changes of {name} are not noticed, so no answer is kept that depends on it: {problem}")
    };
    Placing { table: name, statements: &statements, role, may: *may }.put(connection, told).await
}

fn failed(error: Error) -> StoreError {
    StoreError::Engine(format!("what notes changes could not be put in place: {error}"))
}
