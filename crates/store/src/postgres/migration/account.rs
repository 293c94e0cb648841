//! Where it is remembered what was applied. Only the role that migrates needs to see it.

use base::{Failure, Kind};
use wire::{Connection, Error};

use super::{Trouble, Work, failure, is_true};
use crate::driver::{AppliedMigration, Migration, OWED_VERSION, SEED_VERSION, SeedDebt};
use crate::error::StoreError;

/// A standing table is not made again: `IF NOT EXISTS` asks for the right to make one even then.
const EXISTS: &str = "SELECT to_regclass('pando.migrations') IS NOT NULL";
const FOUND: &str = "CREATE TABLE IF NOT EXISTS pando.migrations (
        version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL
    )";

const REMEMBER: &str = "INSERT INTO pando.migrations (version, name, checksum, applied_at)
     VALUES ($1::bigint, $2, $3, to_timestamp($4::numeric / 1000000))";

/// Whether changes are noted, by whoever migrates as well.
const NOTES: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = 'pando' AND c.relname = 'changes' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT'))";

/// Whatever anybody keeps was read before a migration: all nodes are to know with its commit.
const NOTE: &str = "INSERT INTO pando.changes (transaction_number, relation, key) VALUES (txid_current(), 0, '') ON CONFLICT DO NOTHING";

const PAID: &str = "DELETE FROM pando.migrations WHERE version = $1::bigint";

/// Whether nothing is in some schemas but what extensions brought.
const IS_EMPTY: &str = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class
       JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname IN (SELECT json_array_elements_text($1::json)) AND relkind IN ('r', 'p', 'v', 'm', 'f')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
         WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'))";

/// What was applied, oldest first; nothing where there is no table for it yet.
pub(in crate::postgres) async fn applied(connection: &mut Connection) -> Result<Vec<AppliedMigration>, StoreError> {
    let exists = connection.query(EXISTS, &[]).await.map_err(|error| unread(&error))?;
    if !is_true(&exists) {
        return Ok(Vec::new());
    }
    let text = "SELECT version, name, checksum, (extract(epoch FROM applied_at) * 1000000)::bigint
                  FROM pando.migrations ORDER BY version";
    let rows = connection.query(text, &[]).await.map_err(|error| unread(&error))?;
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let read = rows.iter().map(|row| AppliedMigration {
        version: number(row.get(0)),
        name: row.get(1).unwrap_or_default().to_owned(),
        checksum: row.get(2).unwrap_or_default().to_owned(),
        applied_at: number(row.get(3)),
    });
    Ok(read.collect())
}

/// Only the role that migrates may see what was applied.
fn unread(error: &Error) -> StoreError {
    match error {
        Error::Server(server) if server.code == "42501" => {
            let message = "the role that logs in may not see which migrations were applied (pando.migrations); serve with \
                           database.migrate_on_start = false, and migrate as the owner of the schema: pando migrate up \
                           --set database.url=…";
            Failure::new(Kind::Forbidden, "42501", message).into()
        }
        other => failure::of_connection(other),
    }
}

impl<'a> Work<'a> {
    /// Whether another node was faster. If not, what is owed is written down: a seed that fails later, or is never reached, is
    /// not forgotten by it.
    pub(super) async fn is_present(&mut self) -> Result<bool, Trouble<'a>> {
        if !is_true(&self.connection.query(EXISTS, &[]).await?) {
            self.schema("pando").await?;
            self.connection.batch(FOUND).await?;
        }
        let known = applied(self.connection).await.map_err(Trouble::Store)?;
        let Migration { version, checksum, owes, .. } = self.migration;
        match known.iter().find(|known| known.version == *version) {
            // A newer release may say the same otherwise, and what is not compared with a file is not changed by one.
            Some(_) if *version == SEED_VERSION || self.own.is_some() => return Ok(true),
            Some(known) if known.checksum == *checksum => return Ok(true),
            Some(known) => {
                let problem = format!(
                    "another node has applied another file of this number, {}; give this one the next free one",
                    known.name
                );
                return Err(Trouble::Store(self.refused(&problem)));
            }
            None => {}
        }
        if let (Some(debt), true) = (owes, known.iter().all(|known| known.version < OWED_VERSION)) {
            self.owe(debt).await?;
        }
        Ok(false)
    }

    async fn owe(&mut self, debt: &SeedDebt) -> Result<(), Error> {
        let schemas = serde_json::Value::from(debt.schemas.clone()).to_string();
        if is_true(&self.connection.query(IS_EMPTY, &[&schemas]).await?) {
            self.insert(OWED_VERSION, &debt.name, "").await?;
        }
        Ok(())
    }

    pub(super) async fn remember(&mut self) -> Result<(), Error> {
        let Migration { version, name, checksum, .. } = self.migration;
        self.insert(*version, name, checksum).await?;
        if *version == SEED_VERSION {
            self.connection.query(PAID, &[&OWED_VERSION.to_string()]).await?;
        }
        if is_true(&self.connection.query(NOTES, &[]).await?) {
            self.connection.query(NOTE, &[]).await?;
        }
        let channel = self.settings.channel.as_deref().unwrap_or("pgrst");
        self.connection.query("SELECT pg_notify($1, 'reload schema')", &[channel]).await.map(drop)
    }

    pub(super) async fn insert(&mut self, version: i64, name: &str, checksum: &str) -> Result<(), Error> {
        let now = self.clock.now().0.to_string();
        self.connection.query(REMEMBER, &[&version.to_string(), name, checksum, &now]).await.map(drop)
    }
}
