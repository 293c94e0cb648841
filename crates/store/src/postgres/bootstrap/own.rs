//! What the role that a server logs in as may do with the program's own tables, where somebody else has made them.

use super::super::{audit_functions, watch};
use super::{BootstrapSettings, Found, Sql, Work};
use crate::error::StoreError;

const HAS_TABLE: &str =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = $1 AND relname = $2 AND relkind IN ('r', 'p'))";

const MAY_ENTER: &str =
    "SELECT pg_catalog.has_schema_privilege($2::name, oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1";

/// Whether a role has every one of some privileges, which are given with commas between them.
const MAY: &str = "SELECT bool_and(pg_catalog.has_table_privilege($3::name, pg_class.oid, wanted.privilege))
     FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace,
       pg_catalog.unnest(pg_catalog.string_to_array($4, ', ')) AS wanted (privilege)
     WHERE nspname = $1 AND relname = $2 AND relkind IN ('r', 'p')";

/// Whether there is a function of the schema `pando` that takes nothing.
const HAS_FUNCTION: &str =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
     WHERE nspname = 'pando' AND proname = $1 AND pronargs = 0)";

/// Whether a role may put it on a table of its own as a trigger.
const MAY_EXECUTE: &str = "SELECT pg_catalog.has_function_privilege($2::name, pg_proc.oid, 'EXECUTE') FROM pg_catalog.pg_proc
     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname = 'pando' AND proname = $1 AND pronargs = 0";

/// A table of the program's own, and what a server does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnGrant {
    /// The schema.
    pub schema: &'static str,
    /// The table.
    pub table: &'static str,
    /// The privileges, in capitals with `, ` between them: `SELECT, INSERT`.
    pub privileges: &'static str,
}

impl Work<'_> {
    /// Lets the authenticator use what is there of the program's own tables, and no more of it than a server needs.
    pub(super) async fn own(&mut self, settings: &BootstrapSettings) -> Result<(), StoreError> {
        let Some(authenticator) = &settings.authenticator else { return Ok(()) };
        let mut entered: Vec<&str> = Vec::new();
        for grant in &settings.own_tables {
            if !self.is(HAS_TABLE, &[grant.schema, grant.table]).await? {
                continue;
            }
            if !entered.contains(&grant.schema) {
                entered.push(grant.schema);
                self.enter(grant.schema, &authenticator.name).await?;
            }
            self.table(grant, &authenticator.name).await?;
        }
        for function in audit_functions::NAMES.into_iter().chain(watch::FUNCTIONS) {
            self.trigger_function(function, &authenticator.name).await?;
        }
        Ok(())
    }

    /// Tables that come later get their triggers from the role that serves.
    async fn trigger_function(&mut self, function: &str, role: &str) -> Result<(), StoreError> {
        if !self.is(HAS_FUNCTION, &[function]).await? {
            return Ok(());
        }
        let found = if self.is(MAY_EXECUTE, &[function, role]).await? { Found::Present } else { Found::Missing };
        let statement = Sql::new("GRANT EXECUTE ON FUNCTION pando.").name(function).words("() TO ").name(role);
        self.step(format!("{role} may use pando.{function} for triggers"), found, statement).await
    }

    async fn enter(&mut self, schema: &str, role: &str) -> Result<(), StoreError> {
        let found = if self.is(MAY_ENTER, &[schema, role]).await? { Found::Present } else { Found::Missing };
        let statement = Sql::new("GRANT USAGE ON SCHEMA ").name(schema).words(" TO ").name(role);
        self.step(format!("{role} may use schema {schema}"), found, statement).await
    }

    async fn table(&mut self, grant: &OwnGrant, role: &str) -> Result<(), StoreError> {
        let OwnGrant { schema, table, privileges } = *grant;
        let is_there = self.is(MAY, &[schema, table, role, privileges]).await?;
        let found = if is_there { Found::Present } else { Found::Missing };
        let statement = Sql::new("GRANT ").words(privileges).words(" ON ").name(schema).words(".").name(table);
        let what = format!("{role} may use {schema}.{table}");
        self.step(what, found, statement.words(" TO ").name(role)).await
    }
}
