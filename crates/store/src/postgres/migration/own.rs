//! The program's own tables on a server, where they may be there already, and where nobody but their owner is to see them.

use serde::Serialize;
use wire::{Connection, Error};

use super::{Trouble, Work};
use crate::error::StoreError;
use crate::own_migration::{LEFT, OwnMigration, OwnMigrations, OwnTable};

/// A step of the program's own tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnStep {
    pub(super) migrations: &'static OwnMigrations,
    pub(super) step: &'static OwnMigration,
}

/// Whether a schema is there: `IF NOT EXISTS` asks for the right to make one even then.
const HAS_SCHEMA: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";

/// Of each table: whether it is there, which columns it lacks, whether whoever logs in may read and write it, and whether row
/// security hides rows from them.
const STANDING: &str = "SELECT wanted.name, c.oid IS NOT NULL,
       coalesce((SELECT string_agg(named, ',') FROM json_array_elements_text(wanted.columns) AS named
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
           WHERE attrelid = c.oid AND attname = named AND attnum > 0 AND NOT attisdropped)), ''),
       c.oid IS NOT NULL AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
         AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
         AND has_table_privilege(c.oid, 'DELETE'),
       c.oid IS NOT NULL AND row_security_active(c.oid), current_user
  FROM json_to_recordset($2::json) AS wanted (name text, columns json)
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'p', 'v')";

/// What is in a schema.
const RELATIONS: &str = "SELECT coalesce(array_agg(c.oid), '{}') FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1";

/// The statements that take back what default privileges have granted on what is new in a schema.
const REVOCATIONS: &str = "SELECT DISTINCT format('REVOKE ALL ON %s %I.%I FROM %s',
       CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname,
       CASE entry.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS entry
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = entry.grantee
 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND entry.grantee <> c.relowner
   AND c.oid <> ALL ($2::oid[])";

/// A table that is looked for, as the server is asked.
#[derive(Serialize)]
struct Wanted {
    name: &'static str,
    columns: &'static [&'static str],
}

/// What is there of a table.
struct Found {
    name: String,
    lacks: Option<Vec<String>>,
}

impl OwnStep {
    /// What to do where the role that logs in may not make the tables.
    pub(super) fn advice(self) -> String {
        let (schema, without) = (self.migrations.schema, self.migrations.without);
        format!(
            "; Pando keeps tables of its own in the schemas pando and {schema}. Let the role that logs in make them (GRANT CREATE ON \
             DATABASE, and on a schema that is there already GRANT USAGE, CREATE ON SCHEMA), make them as the owner of the \
             database (pando migrate up --set database.url=…), or set {without}"
        )
    }
}

impl Work<'_> {
    /// Whether the tables of a step are there already, and fit.
    pub(super) async fn stands(&mut self, own: OwnStep) -> Result<bool, Trouble<'static>> {
        let OwnStep { migrations, step } = own;
        if step.standing.is_empty() {
            return Ok(false);
        }
        let wanted = |table: &OwnTable| Wanted { name: table.name, columns: table.columns };
        let wanted: Vec<Wanted> = step.standing.iter().map(wanted).collect();
        let wanted = serde_json::to_string(&wanted).map_err(|error| Trouble::Store(engine(&error)))?;
        let rows = self.connection.query(STANDING, &[migrations.schema, &wanted]).await?;
        let mut found = Vec::with_capacity(rows.len());
        let mut closed = None;
        for row in &rows {
            let is = |place| row.get(place) == Some("t");
            let name = row.get(0).unwrap_or_default().to_owned();
            let columns = row.get(2).unwrap_or_default().split(',').filter(|column| !column.is_empty());
            if is(1) && (!is(3) || is(4)) {
                closed = closed.or(Some((name.clone(), is(4), row.get(5).unwrap_or_default().to_owned())));
            }
            found.push(Found { name, lacks: is(1).then(|| columns.map(str::to_owned).collect()) });
        }
        let look = |table: &OwnTable| found.iter().find(|found| found.name == table.name)?.lacks.clone();
        let stands = migrations.stands(step, look).map_err(Trouble::Store)?;
        match closed {
            Some((table, is_hidden, role)) if stands => {
                let problem = closed_problem(migrations, &table, is_hidden, &role);
                Err(Trouble::Store(migrations.refused(step, &problem)))
            }
            _ => Ok(stands),
        }
    }

    /// Remembers a step whose tables were there.
    pub(super) async fn leave(&mut self) -> Result<(), Error> {
        let crate::driver::Migration { version, name, .. } = self.migration;
        self.insert(*version, name, LEFT).await
    }

    /// Makes the schema, if it is not there; gives what is in it.
    pub(super) async fn prepare(&mut self, own: OwnStep) -> Result<String, Error> {
        let schema = own.migrations.schema;
        self.schema(schema).await?;
        one(self.connection, RELATIONS, &[schema]).await
    }

    /// Makes a schema of the program's own, if it is not there.
    pub(super) async fn schema(&mut self, schema: &'static str) -> Result<(), Error> {
        if super::is_true(&self.connection.query(HAS_SCHEMA, &[schema]).await?) {
            return Ok(());
        }
        let quoted = schema.replace('"', "\"\"");
        self.connection.batch(&format!("CREATE SCHEMA \"{quoted}\"")).await
    }

    /// Takes back what default privileges have granted on what is new.
    pub(super) async fn close_to_others(&mut self, own: OwnStep, before: &str) -> Result<(), Error> {
        let rows = self.connection.query(REVOCATIONS, &[own.migrations.schema, before]).await?;
        let statements: Vec<&str> = rows.iter().filter_map(|row| row.get(0)).collect();
        if statements.is_empty() { Ok(()) } else { self.connection.batch(&statements.join("; ")).await }
    }
}

async fn one(connection: &mut Connection, text: &str, parameters: &[&str]) -> Result<String, Error> {
    let rows = connection.query(text, parameters).await?;
    Ok(rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned())
}

fn closed_problem(migrations: &OwnMigrations, table: &str, is_hidden: bool, role: &str) -> String {
    let OwnMigrations { schema, without, .. } = migrations;
    let quoted = role.replace('"', "\"\"");
    if is_hidden {
        return format!(
            "row security hides rows of {schema}.{table} from \"{role}\", who logs in: log in as the owner of the table, ALTER ROLE \
             \"{quoted}\" BYPASSRLS, or set {without}"
        );
    }
    format!(
        "\"{role}\", who logs in, may not read and write {schema}.{table}: GRANT USAGE ON SCHEMA {schema} TO \"{quoted}\"; GRANT SELECT, \
         INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO \"{quoted}\"; or set {without}"
    )
}

fn engine(error: &serde_json::Error) -> StoreError {
    StoreError::Engine(error.to_string())
}
