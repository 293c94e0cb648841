//! Event triggers that tell of every change to the schema, named as PostgREST's documentation and Supabase name them, so
//! that a database that has them gets no second ones. PostgreSQL sends equal notifications of one transaction once, and a
//! burst of transactions is gathered where they are heard.
//!
//! The function of an event trigger runs with the rights of whoever changes the schema, be it a superuser: none is bound to a
//! function that somebody else could have written, or could replace.

use wire::Error;

use super::{BootstrapOutcome, BootstrapStep, Found, Sql, Work, quoted, refused};
use crate::error::StoreError;

const SCHEMA: &str = "CREATE SCHEMA pando_watch";

/// Its names mean what they mean here, whatever the session that changes the schema looks for first.
const FUNCTION: &str = "() RETURNS event_trigger LANGUAGE plpgsql SET search_path TO pg_catalog, pg_temp AS ";

/// What nobody sees from outside is left out: temporary tables, indexes, statistics, the refresh of a view's rows. The channel
/// stands between the two parts.
const DDL_BODY: [&str; 2] = [
    "
DECLARE
  command record;
BEGIN
  FOR command IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
    IF command.schema_name IS DISTINCT FROM 'pg_temp'
      AND command.command_tag NOT IN ('CREATE INDEX', 'ALTER INDEX', 'CREATE STATISTICS', 'ALTER STATISTICS',
        'REFRESH MATERIALIZED VIEW')
    THEN
      PERFORM pg_notify(",
    ", 'reload schema');
      RETURN;
    END IF;
  END LOOP;
END ",
];

const DROP_BODY: [&str; 2] = [
    "
DECLARE
  object record;
BEGIN
  FOR object IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
    IF NOT object.is_temporary AND object.object_type NOT IN ('index', 'statistics object') THEN
      PERFORM pg_notify(",
    ", 'reload schema');
      RETURN;
    END IF;
  END LOOP;
END ",
];

/// An event trigger, and the function of its name.
struct Watch {
    name: &'static str,
    event: &'static str,
    body: [&'static str; 2],
    trigger: &'static str,
}

const WATCHES: [Watch; 2] = [
    Watch {
        name: "pgrst_ddl_watch",
        event: "ddl_command_end",
        body: DDL_BODY,
        trigger: "CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION pando_watch.pgrst_ddl_watch()",
    },
    Watch {
        name: "pgrst_drop_watch",
        event: "sql_drop",
        body: DROP_BODY,
        trigger: "CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION pando_watch.pgrst_drop_watch()",
    },
];

/// A function may write the channel as a name or as a text, with its marks doubled.
const TRIGGER: &str = "SELECT evtevent, evtenabled IN ('O', 'A'), rolname, rolsuper OR rolname = current_user,
       strpos(prosrc, $2) > 0 OR strpos(prosrc, replace($2, $$'$$, $$''$$)) > 0
       OR strpos(prosrc, replace($2, '\"', '\"\"')) > 0
     FROM pg_catalog.pg_event_trigger JOIN pg_catalog.pg_proc ON pg_proc.oid = evtfoid
     JOIN pg_catalog.pg_roles ON pg_roles.oid = proowner WHERE evtname = $1";

const EXISTING: &str = "SELECT prosrc, lanname = 'plpgsql' AND prorettype = 'event_trigger'::regtype, rolname,
       rolsuper OR rolname = current_user
     FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
     JOIN pg_catalog.pg_language ON pg_language.oid = prolang JOIN pg_catalog.pg_roles ON pg_roles.oid = proowner
     WHERE nspname = 'pando_watch' AND proname = $1 AND pronargs = 0";

impl Work<'_> {
    /// The triggers notify on `channel`.
    pub(super) async fn watch(&mut self, channel: &str) -> Result<(), StoreError> {
        for watch in &WATCHES {
            let what = format!("event trigger {}", watch.name);
            match self.trigger(watch, channel).await? {
                Found::Missing => self.add_trigger(what, watch, channel).await?,
                found => self.step(what, found, Sql::new(watch.trigger)).await?,
            }
        }
        Ok(())
    }

    async fn trigger(&mut self, watch: &Watch, channel: &str) -> Result<Found, StoreError> {
        let rows = self.ask(TRIGGER, &[watch.name, channel]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        let text = |column| row.get(column).unwrap_or_default();
        Ok(if text(3) != "t" {
            Found::Differs(format!("its function belongs to {}, who may act as whoever changes the schema", text(2)))
        } else if text(0) != watch.event {
            Found::Differs(format!("it waits for {}, not {}", text(0), watch.event))
        } else if text(1) != "t" {
            Found::Differs("it is switched off".to_owned())
        } else if text(4) != "t" {
            Found::Differs(format!("its function does not notify {channel}, which database.channel names"))
        } else {
            Found::Present
        })
    }

    /// Whether the function of a trigger is there, as it is wanted and nobody else's.
    async fn function_of(&mut self, watch: &Watch, body: &str) -> Result<Found, StoreError> {
        let rows = self.ask(EXISTING, &[watch.name]).await?;
        let Some(row) = rows.first() else { return Ok(Found::Missing) };
        let text = |column| row.get(column).unwrap_or_default();
        let name = watch.name;
        Ok(if text(3) != "t" {
            let owner = text(2);
            Found::Differs(format!(
                "function pando_watch.{name}() belongs to {owner}, who could act by it as whoever changes the schema"
            ))
        } else if text(0) != body || text(1) != "t" {
            Found::Differs(format!(
                "function pando_watch.{name}() is another one; drop it, or make the trigger yourself"
            ))
        } else {
            Found::Present
        })
    }

    /// Most servers let only a superuser make one. Everything else works without.
    async fn add_trigger(&mut self, what: String, watch: &Watch, channel: &str) -> Result<(), StoreError> {
        let body = watch.body.join(&quoted(channel));
        let mut statement = Sql::default();
        match self.schema("pando_watch").await? {
            Found::Missing => statement = statement.words(SCHEMA).words(";\n"),
            Found::Present => {}
            Found::Differs(how) => {
                let how = format!("schema pando_watch {how}, who could act by it as whoever changes the schema");
                return self.step(what, Found::Differs(how), Sql::new(watch.trigger)).await;
            }
        }
        match self.function_of(watch, &body).await? {
            Found::Missing => {
                statement = statement.words("CREATE FUNCTION pando_watch.").words(watch.name).words(FUNCTION);
                statement = statement.body(&body).words(";\n");
            }
            Found::Present => {}
            differs => return self.step(what, differs, Sql::new(watch.trigger)).await,
        }
        let statement = statement.words(watch.trigger).text;
        self.run(&what, "SAVEPOINT trigger").await?;
        let outcome = match self.connection.batch(&statement).await {
            Ok(()) => BootstrapOutcome::Added,
            Err(Error::Server(error)) if error.code == "42501" => {
                self.run(&what, "ROLLBACK TO SAVEPOINT trigger").await?;
                BootstrapOutcome::Skipped(format!(
                    "{}; after a change of the schema send NOTIFY {channel}, 'reload schema', or add it as a superuser",
                    error.message
                ))
            }
            Err(error) => return Err(refused(&what, &error)),
        };
        self.steps.push(BootstrapStep { what, statement, outcome });
        Ok(())
    }
}
