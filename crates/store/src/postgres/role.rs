//! What a role's settings in the database say: PostgREST keeps its in-database configuration there.

use std::collections::BTreeMap;

use base::QualifiedName;
use wire::{Connection, Target};

use super::failure;
use crate::error::StoreError;

/// `ALTER ROLE ... [IN DATABASE ...] SET name = value` of the role that logs in; what is said for this database comes later.
const OF_ROLE: &str = "SELECT substr(setting, 1, strpos(setting, '=') - 1), substr(setting, strpos(setting, '=') + 1) \
     FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS setting \
     WHERE setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) \
       AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) \
     ORDER BY setdatabase";
/// A function that makes settings has nothing to do that takes long; a start shall not wait for one without end.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout TO '30s'";
/// What all settings of PostgREST's in a database begin with.
const PREFIX: &str = "pgrst.";
/// What a function has set, name by name.
const OF_TRANSACTION: &str = "SELECT pg_catalog.current_setting($1, true)";

/// The settings that the database has for the role that logs in: those among `names` that `function` sets in its
/// transaction, over them those of the role, over them those of the role in this database. Of the role's, all that begin
/// with `pgrst.` are given, known or not. Nothing is asked for where there are no `names`.
///
/// `function` is run in a transaction that only reads and is rolled back.
///
/// # Errors
/// [`StoreError::Address`] for a URL that says nothing, [`StoreError::Unreachable`] without a connection, [`StoreError::Engine`] when the function fails or is not there.
pub async fn role_settings(
    url: &str,
    environment: &BTreeMap<String, String>,
    names: &[String],
    function: Option<&QualifiedName>,
) -> Result<BTreeMap<String, String>, StoreError> {
    let target = Target::parse(url, &|name| environment.get(name).cloned())
        .map_err(|error| StoreError::Address(error.to_string()))?;
    let settings = wire::Settings { prepared_statements: 0, ..wire::Settings::default() };
    let mut connection =
        Connection::open(&target, &settings).await.map_err(|error| StoreError::Unreachable(error.to_string()))?;
    let read = read(&mut connection, names, function).await;
    // What was read counts, whether the server hears the farewell or not.
    drop(connection.close().await);
    read.map_err(|error| failure::of_connection(&error))
}

async fn read(
    connection: &mut Connection,
    names: &[String],
    function: Option<&QualifiedName>,
) -> Result<BTreeMap<String, String>, wire::Error> {
    let mut own = BTreeMap::new();
    if let Some(function) = function {
        connection.batch(BEGIN).await?;
        connection.query(&format!("SELECT {}()", function_name(function)), &[]).await?;
        for name in names {
            let rows = connection.query(OF_TRANSACTION, &[name]).await?;
            // A setting that was never set is NULL, one that was only in an earlier transaction is empty.
            if let Some(value) = rows.first().and_then(|row| row.get(0)).filter(|value| !value.is_empty()) {
                own.insert(name.clone(), value.to_owned());
            }
        }
        connection.batch("ROLLBACK").await?;
    }
    for row in connection.query(OF_ROLE, &[]).await? {
        if let (Some(name), Some(value)) = (row.get(0), row.get(1))
            && !names.is_empty()
            && name.starts_with(PREFIX)
        {
            own.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(own)
}

/// A function's name as SQL has it; one without a schema is looked for along the search path.
pub(super) fn function_name(function: &QualifiedName) -> String {
    let schema = Some(&*function.schema).filter(|schema| !schema.is_empty());
    let path: Vec<String> = schema.into_iter().chain([&*function.name]).map(quoted).collect();
    path.join(".")
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
