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
/// What the roles that requests may run as are to have, which PostgreSQL applies to those who log in as them alone; and the
/// bound of the role that logs in, in whose place the one of the session stands.
const NOT_APPLIED: &str = "SELECT role.rolname, substr(setting, 1, strpos(setting, '=') - 1) \
     FROM pg_catalog.pg_roles AS role, unnest(role.rolconfig) AS setting \
     WHERE role.rolname = current_user AND starts_with(setting, 'statement_timeout=') \
        OR role.oid IN (SELECT member.roleid FROM pg_catalog.pg_auth_members AS member \
           JOIN pg_catalog.pg_roles AS own ON own.oid = member.member AND own.rolname = current_user) \
     ORDER BY 1, 2";
/// A function that makes settings has nothing to do that takes long; a start shall not wait for one without end.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout TO '30s'";
/// What a function has set, name by name.
const OF_TRANSACTION: &str = "SELECT pg_catalog.current_setting($1, true)";

/// What the database says about the roles: see [`role_settings`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleSettings {
    /// The settings that were asked for, of the role that logs in.
    pub own: BTreeMap<String, String>,
    /// Roles with the names of settings that they have and that no request gets: of the roles that requests may run as,
    /// and `statement_timeout` of the role that logs in.
    pub not_applied: Vec<(String, String)>,
}

/// The settings among `names` that the database has for the role that logs in: those that `function` sets in its
/// transaction, over them those of the role, over them those of the role in this database.
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
) -> Result<RoleSettings, StoreError> {
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
) -> Result<RoleSettings, wire::Error> {
    let mut own = BTreeMap::new();
    if let Some(function) = function {
        connection.batch(BEGIN).await?;
        let schema = Some(&*function.schema).filter(|schema| !schema.is_empty());
        let path: Vec<String> = schema.into_iter().chain([&*function.name]).map(quoted).collect();
        connection.query(&format!("SELECT {}()", path.join(".")), &[]).await?;
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
            && names.iter().any(|known| known == name)
        {
            own.insert(name.to_owned(), value.to_owned());
        }
    }
    let rows = connection.query(NOT_APPLIED, &[]).await?;
    let not_applied = rows.iter().filter_map(|row| Some((row.get(0)?.to_owned(), row.get(1)?.to_owned()))).collect();
    Ok(RoleSettings { own, not_applied })
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
