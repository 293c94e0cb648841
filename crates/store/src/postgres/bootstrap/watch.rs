//! Event triggers that tell of every change to the schema, named as PostgREST's documentation and Supabase name them, so
//! that a database that has them gets no second ones. PostgreSQL sends equal notifications of one transaction once, and a
//! burst of transactions is gathered where they are heard.

use wire::Error;

use super::{BootstrapOutcome, BootstrapStep, Found, Sql, Work, refused};
use crate::error::StoreError;

const SCHEMA: &str = "CREATE SCHEMA pando_watch";

/// What nobody sees from outside is left out: temporary tables, indexes, statistics, the refresh of a view's rows.
const DDL_FUNCTION: &str = "CREATE FUNCTION pando_watch.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  command record;
BEGIN
  FOR command IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
    IF command.schema_name IS DISTINCT FROM 'pg_temp'
      AND command.command_tag NOT IN ('CREATE INDEX', 'ALTER INDEX', 'CREATE STATISTICS', 'ALTER STATISTICS',
        'REFRESH MATERIALIZED VIEW')
    THEN
      PERFORM pg_notify('pgrst', 'reload schema');
      RETURN;
    END IF;
  END LOOP;
END $$";

const DROP_FUNCTION: &str =
    "CREATE FUNCTION pando_watch.pgrst_drop_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  object record;
BEGIN
  FOR object IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
    IF NOT object.is_temporary AND object.object_type NOT IN ('index', 'statistics object') THEN
      PERFORM pg_notify('pgrst', 'reload schema');
      RETURN;
    END IF;
  END LOOP;
END $$";

const DDL_TRIGGER: &str =
    "CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION pando_watch.pgrst_ddl_watch()";
const DROP_TRIGGER: &str =
    "CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION pando_watch.pgrst_drop_watch()";

const TRIGGER: &str = "SELECT evtevent, evtenabled IN ('O', 'A') FROM pg_catalog.pg_event_trigger WHERE evtname = $1";

const HAS_FUNCTION: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc
     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname = 'pando_watch' AND proname = $1)";

impl Work<'_> {
    pub(super) async fn watch(&mut self) -> Result<(), StoreError> {
        for (name, event, function, trigger) in [
            ("pgrst_ddl_watch", "ddl_command_end", DDL_FUNCTION, DDL_TRIGGER),
            ("pgrst_drop_watch", "sql_drop", DROP_FUNCTION, DROP_TRIGGER),
        ] {
            let what = format!("event trigger {name}");
            match self.trigger(name, event).await? {
                Found::Missing => self.add_trigger(what, name, function, trigger).await?,
                found => self.step(what, found, Sql::new(trigger)).await?,
            }
        }
        Ok(())
    }

    async fn trigger(&mut self, name: &str, event: &str) -> Result<Found, StoreError> {
        let rows = self.ask(TRIGGER, &[name]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        if row.get(0) != Some(event) {
            return Ok(Found::Differs(format!("it waits for {}, not {event}", row.get(0).unwrap_or_default())));
        }
        Ok(if row.get(1) == Some("t") { Found::Present } else { Found::Differs("it is switched off".to_owned()) })
    }

    /// Most servers let only a superuser make one. Everything else works without.
    async fn add_trigger(
        &mut self,
        what: String,
        name: &str,
        function: &'static str,
        trigger: &'static str,
    ) -> Result<(), StoreError> {
        let mut parts = Vec::new();
        if matches!(self.schema("pando_watch").await?, Found::Missing) {
            parts.push(SCHEMA);
        }
        if !self.is(HAS_FUNCTION, &[name]).await? {
            parts.push(function);
        }
        parts.push(trigger);
        let statement = parts.join(";\n");
        self.run(&what, "SAVEPOINT trigger").await?;
        let outcome = match self.connection.batch(&statement).await {
            Ok(()) => BootstrapOutcome::Added,
            Err(Error::Server(error)) if error.code == "42501" => {
                self.run(&what, "ROLLBACK TO SAVEPOINT trigger").await?;
                BootstrapOutcome::Skipped(format!(
                    "{}; after a change of the schema send NOTIFY pgrst, 'reload schema', or add it as a superuser",
                    error.message
                ))
            }
            Err(error) => return Err(refused(&what, &error)),
        };
        self.steps.push(BootstrapStep { what, statement, outcome });
        Ok(())
    }
}
