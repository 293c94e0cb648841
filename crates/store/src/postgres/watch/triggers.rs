//! The triggers that note changes, brought in line with what is there and what is asked.

use std::collections::BTreeMap;

use base::QualifiedName;
use sql::postgres::changes::{TRIGGERS, fire_always, install, install_for_rows, remove};
use wire::{Connection, Error, TextRow};

use crate::audit::Unwatched;
use crate::error::StoreError;
use crate::postgres::own_triggers::{PATIENCE, Placing, begin, end};

/// Whether there is a table for notes. By the catalog, since `to_regclass` fails for a role that may not use the schema.
const THERE: &str = "SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pando' AND c.relname = 'changes'";

/// What the triggers call, in the schema `pando`.
pub(in crate::postgres) const FUNCTIONS: [&str; 2] = ["note_change", "note_rows"];

/// Their definitions. Nothing in them is looked for by the caller's path, so they need none of their own, which would cost as much again:
/// what a statement has changed goes before any table of that name.
/// One that has noted the table in its transaction already finds that. `ON CONFLICT` is never waited for: the number is the transaction's.
///
/// A row's key is what stands in the first column, whatever that is called by now, so that nobody's write fails for what has become of it:
/// no other column may be called as it is here. It is printed by its type's own function, and only where that is the server's
/// (`pg_type.oid`: `bigint`, `smallint`, `integer`, `uuid`). A cast would be whatever the table's owner has made of it, and run as the owner
/// of this. Many rows count as all of them, however many keys they have: of one statement, and of all statements of a transaction, which are counted in a setting that
/// ends with it.
const DEFINITIONS: [&str; 2] = [
    "CREATE OR REPLACE FUNCTION pando.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $changes$
BEGIN
  INSERT INTO pando.changes (transaction_number, relation, key) VALUES (pg_catalog.txid_current(), TG_RELID, '') ON CONFLICT DO NOTHING;
  RETURN NULL;
END $changes$",
    "CREATE OR REPLACE FUNCTION pando.note_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $changes$
DECLARE
  keys pg_catalog.text[];
  many pg_catalog.int4;
  noted pg_catalog.text := pg_catalog.current_setting('pando.noted', true);
BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    keys := ARRAY(SELECT CASE WHEN pg_catalog.pg_typeof(r.pando_key)::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ('{20,21,23,2950}'::pg_catalog.oid[])
      THEN pg_catalog.concat(r.pando_key) ELSE '' END FROM pando_new AS r (pando_key) LIMIT 65);
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
    keys := ARRAY(SELECT CASE WHEN pg_catalog.pg_typeof(r.pando_key)::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ('{20,21,23,2950}'::pg_catalog.oid[])
      THEN pg_catalog.concat(r.pando_key) ELSE '' END FROM pando_old AS r (pando_key) LIMIT 65);
  ELSE
    keys := ARRAY(SELECT CASE WHEN pg_catalog.pg_typeof(r.pando_key)::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ('{20,21,23,2950}'::pg_catalog.oid[])
      THEN pg_catalog.concat(r.pando_key) ELSE '' END FROM pando_old AS r (pando_key) LIMIT 65)
      OPERATOR(pg_catalog.||) ARRAY(SELECT CASE WHEN pg_catalog.pg_typeof(r.pando_key)::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ('{20,21,23,2950}'::pg_catalog.oid[])
      THEN pg_catalog.concat(r.pando_key) ELSE '' END FROM pando_new AS r (pando_key) LIMIT 65);
  END IF;
  many := pg_catalog.cardinality(keys);
  IF many OPERATOR(pg_catalog.=) 0 THEN
    RETURN NULL;
  END IF;
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    many := many OPERATOR(pg_catalog./) 2;
  END IF;
  noted := pg_catalog.concat(noted, pg_catalog.repeat('.', many));
  IF many OPERATOR(pg_catalog.>) 64 OR pg_catalog.length(noted) OPERATOR(pg_catalog.>) 256 THEN
    keys := '{\"\"}';
  ELSE
    PERFORM pg_catalog.set_config('pando.noted', noted, true);
  END IF;
  INSERT INTO pando.changes (transaction_number, relation, key)
    SELECT pg_catalog.txid_current(), TG_RELID, pg_catalog.unnest(keys) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $changes$",
];

/// What a body stands between.
const BODY: &str = "$changes$";

/// A function as it is.
const STANDING: &str = "SELECT prosrc FROM pg_catalog.pg_proc
    WHERE pronamespace = 'pando'::regnamespace AND proname = $1 AND prosecdef AND pronargs = 0";

/// The number of turns: "changes" in ASCII.
const TURN: u64 = 27_980_790_367_741_299;

/// The triggers that are on a table (`c`): their names; whether all are fired always; and what they tell of, where they are all there and on:
/// `table` or `rows`. By the kinds of statements that they are for (`pg_trigger.tgtype`): 4 inserts, 8 deletes, 16 updates, 32 empties.
macro_rules! noted {
    () => {
        "LEFT JOIN LATERAL (
    SELECT array_agg(t.tgname::text ORDER BY t.tgname) AS triggers, bool_and(t.tgenabled = 'A') AS is_always,
           CASE WHEN NOT bool_and(t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL AND pn.nspname = 'pando'
                                  AND p.proname = CASE WHEN t.tgtype IN (32, 60) THEN 'note_change' ELSE 'note_rows' END) THEN NULL
                WHEN array_agg(t.tgtype::integer ORDER BY t.tgtype) = '{60}' THEN 'table'
                WHEN array_agg(t.tgtype::integer ORDER BY t.tgtype) = '{4,8,16,32}' THEN 'rows' END AS told
      FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace
     WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
       AND t.tgname IN ('pando_changes', 'pando_changes_insert', 'pando_changes_update', 'pando_changes_delete')) AS noted ON true"
    };
}
pub(in crate::postgres) use noted;

/// The tables that are to be watched, and those that are: their schemas and names; what is to be told of them; what is told;
/// the triggers that are there; whether triggers may be put on them; whether they are one's own; whether the triggers are fired always;
/// who asks.
const TABLES: &str = concat!(
    "SELECT n.nspname, c.relname, wanted.told, noted.told, to_json(noted.triggers),
       has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'),
       pg_has_role(c.relowner, 'USAGE'), coalesce(noted.is_always, false), current_user
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN json_to_recordset($1::json) AS wanted (schema text, name text, told text) ON wanted.schema = n.nspname AND wanted.name = c.relname
",
    noted!(),
    "
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND (wanted.name IS NOT NULL OR noted.triggers IS NOT NULL)
 ORDER BY n.nspname, c.relname",
);

/// What is told of a table's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) enum Told {
    /// That there are some.
    Table,
    /// And of which rows.
    Rows,
}

impl Told {
    pub(in crate::postgres) fn parse(text: &str) -> Option<Self> {
        [Self::Table, Self::Rows].into_iter().find(|told| told.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Rows => "rows",
        }
    }
}

/// A table as it is.
struct Table {
    name: QualifiedName,
    wanted: Option<Told>,
    told: Option<Told>,
    triggers: Vec<String>,
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
            wanted: row.get(2).and_then(Told::parse),
            told: row.get(3).and_then(Told::parse),
            triggers: serde_json::from_str(text(4)).unwrap_or_default(),
            may: is(5),
            is_own: is(6),
            is_always: is(7),
            role: text(8).to_owned(),
        }
    }

    /// What has to be done to it.
    fn statements(&self) -> Vec<String> {
        // What is told of rows is told of the table as well: nodes of which one wants more than the other do not take turns. Whoever does not
        // own the table may not take triggers off it.
        let is_enough = |wanted| self.told >= Some(wanted) || (self.told.is_some() && !self.is_own);
        if self.wanted.is_some_and(is_enough) {
            let standing = self.triggers.iter().filter(|_| self.is_own && !self.is_always);
            return standing.map(|trigger| fire_always(&self.name, trigger)).collect();
        }
        let mut statements: Vec<_> = self.triggers.iter().map(|trigger| remove(&self.name, trigger)).collect();
        let installed = match self.wanted {
            None => Vec::new(),
            Some(Told::Table) => install(&self.name),
            Some(Told::Rows) => install_for_rows(&self.name),
        };
        let always: Vec<_> = TRIGGERS.iter().take(installed.len()).filter(|_| self.is_own).collect();
        statements.extend(installed);
        statements.extend(always.into_iter().map(|trigger| fire_always(&self.name, trigger)));
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
    wanted: Option<&BTreeMap<QualifiedName, Told>>,
) -> Result<Reconciled, StoreError> {
    if connection.query(THERE, &[]).await.map_err(failed)?.is_empty() {
        return Ok(Reconciled::default());
    }
    let wanted = wanted.filter(|wanted| !wanted.is_empty());
    let has_rows = match wanted {
        Some(_) => put_functions(connection).await?,
        None => false,
    };
    let described = |(table, told): (&QualifiedName, &Told)| {
        let told = if has_rows { *told } else { Told::Table };
        serde_json::json!({ "schema": &*table.schema, "name": &*table.name, "told": told.name() })
    };
    let wanted: Vec<_> = wanted.into_iter().flatten().map(described).collect();
    let wanted = serde_json::Value::from(wanted).to_string();
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

/// Puts the functions there; whether the one for rows is. A role that may not make it gets on with what is told of tables.
async fn put_functions(connection: &mut Connection) -> Result<bool, StoreError> {
    let ([table, rows], [of_table, of_rows]) = (FUNCTIONS, DEFINITIONS);
    begin(connection, TURN).await.map_err(failed)?;
    let put = put_function(connection, table, of_table).await;
    end(connection, put).await.map_err(failed)?;
    begin(connection, TURN).await.map_err(failed)?;
    let put = put_function(connection, rows, of_rows).await;
    match end(connection, put).await {
        Ok(()) => Ok(true),
        Err(Error::Server(_)) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

async fn put_function(connection: &mut Connection, name: &str, definition: &str) -> Result<(), Error> {
    // What is as it should be is left alone: each definition would be told to all nodes, which would come here again.
    let standing = connection.query(STANDING, &[name]).await?;
    if standing.first().and_then(|row| row.get(0)) == definition.split(BODY).nth(1) {
        return Ok(());
    }
    connection.batch(PATIENCE).await?;
    connection.batch(definition).await
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
