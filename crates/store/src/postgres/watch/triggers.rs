//! The triggers that note changes, brought in line with what is there and what is asked.

use std::collections::BTreeSet;

use base::QualifiedName;
use sql::postgres::changes::{fire_always, install, remove};
use wire::{Connection, Error, ServerError, TextRow};

use crate::audit::Unwatched;
use crate::error::StoreError;

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

/// Nodes that start at once take turns, which are waited for: "changes" in ASCII. The turn ends with the transaction, and so does what
/// somebody has set who logs in with bounds of his own.
const TURN: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(27980790367741299)";

/// How long a table may be in use before its trigger is left for the next time: whoever comes later waits as well.
const PATIENCE: &str = "SET LOCAL lock_timeout = '3s'";

/// The server does not let the role that logs in.
const NO_RIGHT: &str = "42501";

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

    /// That its changes are not noted, and what to do about it.
    fn unwatched(&self, problem: &str, statements: &[String], error: Option<&ServerError>) -> Unwatched {
        let is_refused = error.is_none_or(|error| error.code == NO_RIGHT);
        let advice = if !self.may {
            let role = self.role.replace('"', "\"\"");
            let QualifiedName { schema, name } = &self.name;
            format!("GRANT TRIGGER ON \"{schema}\".\"{name}\" TO \"{role}\" lets Pando do it")
        } else if is_refused {
            format!("let its owner run `{}`", statements.join("; "))
        } else {
            "it is tried again".to_owned()
        };
        let name = &self.name;
        Unwatched {
            problem: format!(
                "changes of {name} are not noticed, so no answer is kept that depends on it: {problem}; {advice}"
            ),
            is_refused,
        }
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
        connection.batch(TURN).await.map_err(failed)?;
        let put = put_function(connection).await;
        end(connection, put).await.map_err(failed)?;
    }
    let found = connection.query(TABLES, &[&wanted]).await.map_err(failed)?;
    let mut reconciled = Reconciled::default();
    for table in found.iter().map(Table::of).filter(|table| !table.statements().is_empty()) {
        connection.batch(TURN).await.map_err(failed)?;
        let put = put_trigger(connection, &wanted, &table.name).await;
        match end(connection, put).await.map_err(failed)? {
            Some(left_out) => reconciled.left_out.push(left_out),
            None => reconciled.is_changed = true,
        }
    }
    Ok(reconciled)
}

/// Ends the transaction, in which the outcome came to be.
async fn end<T>(connection: &mut Connection, outcome: Result<T, Error>) -> Result<T, Error> {
    match outcome {
        Ok(value) => connection.batch("COMMIT").await.map(|()| value),
        Err(error) => {
            drop(connection.batch("ROLLBACK").await);
            Err(error)
        }
    }
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
    if !table.may {
        return Ok(Some(table.unwatched("the role that logs in may put no triggers on it", &statements, None)));
    }
    connection.batch("SAVEPOINT pando_changes").await?;
    match connection.batch(&statements.join("; ")).await {
        Ok(()) => Ok(None),
        Err(Error::Server(error)) => {
            connection.batch("ROLLBACK TO SAVEPOINT pando_changes").await?;
            Ok(Some(table.unwatched(&error.message, &statements, Some(&error))))
        }
        Err(error) => Err(error),
    }
}

fn failed(error: Error) -> StoreError {
    StoreError::Engine(format!("what notes changes could not be put in place: {error}"))
}
