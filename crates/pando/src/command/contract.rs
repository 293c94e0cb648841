//! `pando openapi` and `pando types`: what is promised to clients. For the embedded engine it follows from the migration
//! files alone; a PostgreSQL server is asked.

use std::io::Write;
use std::sync::Arc;

use catalog::{Catalog, RoleStanding, Snapshot};
use contract::Subject;

use crate::configuration::{Config, DatabaseAddress, Prepared, Sources, load};
use crate::database;
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::own_tables;

/// Prints the OpenAPI document of a schema, for a role or for nobody in particular.
pub fn openapi(
    schema: Option<&str>,
    role: Option<&str>,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (config, catalog) = described(sources)?;
    let api = &config.api;
    let default = api.schemas.first().map_or("public", String::as_str);
    let schema = schema.unwrap_or(default);
    if !api.schemas.iter().any(|served| served == schema) {
        let served = api.schemas.join(", ");
        return Err(CommandError::Failed(format!("the schema {schema:?} is not served; api.schemas has {served}")));
    }
    if let Some(role) = role.filter(|role| catalog.role_standing(role) == RoleStanding::Unknown) {
        let known: Vec<&str> = catalog.snapshot().roles.keys().map(|role| &**role).collect();
        return Err(CommandError::Failed(format!("there is no role {role:?}; there are {}", known.join(", "))));
    }
    let subject = Subject {
        schema,
        role,
        server: api.server(),
        needs_profile: schema != default,
        allows_anonymous: !api.anonymous_role.is_empty(),
        max_rows: Some(api.max_rows).filter(|rows| *rows > 0),
        version: env!("CARGO_PKG_VERSION"),
    };
    let document = contract::openapi(&catalog, &subject);
    let text = serde_json::to_string_pretty(&document).map_err(|error| CommandError::Failed(error.to_string()))?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Prints the TypeScript types of schemas; of those that are served, where none is named. A served schema that no
/// migration has made yet is left out then: `pando serve` warns of it and goes on, too.
pub fn typescript(schemas: &[String], sources: &Sources, out: &mut dyn Write) -> Result<(), CommandError> {
    let (config, catalog) = described(sources)?;
    let exists = |schema: &&str| catalog.snapshot().schemas.contains_key(*schema);
    let schemas: Vec<&str> = match schemas {
        [] => config.api.schemas.iter().map(String::as_str).filter(exists).collect(),
        named => named.iter().map(String::as_str).collect(),
    };
    if schemas.is_empty() {
        let served = config.api.schemas.join(", ");
        return Err(CommandError::Failed(format!("no migration makes a schema of api.schemas, which has {served}")));
    }
    let types = contract::typescript(&catalog, &schemas).map_err(|error| CommandError::Failed(error.to_string()))?;
    write!(out, "{types}")?;
    Ok(())
}

/// The configuration, and what exists: on a PostgreSQL server what it says of itself, otherwise what the migration files
/// declare.
fn described(sources: &Sources) -> Result<(Config, Catalog), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    if let DatabaseAddress::File(_) = prepared.database {
        return Ok((loaded.config, shown(database::declared(&prepared)?)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(on_server(sources))
}

async fn on_server(sources: &Sources) -> Result<(Config, Catalog), CommandError> {
    let loaded = database::configuration(sources).await?;
    let prepared = Prepared::new(&loaded, None)?;
    let store = database::open(&loaded.config, &prepared, Arc::new(Silent)).await?;
    let catalog = store.catalog();
    store.close().await;
    // Whoever asks before anything is there would take nothing for an answer.
    let schemas = &loaded.config.api.schemas;
    let is_empty =
        |schema: &String| catalog.relations_in(schema).next().is_none() && catalog.routines_in(schema).next().is_none();
    if schemas.iter().all(is_empty) {
        return Err(CommandError::Failed(format!(
            "the database has no table, view or function in {} (api.schemas) that the role which logs in can see; apply the \
             migrations first (`pando migrate up`), or correct api.schemas or database.url",
            schemas.join(", ")
        )));
    }
    Ok((loaded.config, shown(catalog.snapshot().clone())))
}

/// What exists, without what is Pando's alone: no contract is about that, whoever names its schema.
fn shown(mut snapshot: Snapshot) -> Catalog {
    snapshot.schemas.remove(own_tables::SCHEMA);
    snapshot.relations.retain(|name, _| &*name.schema != own_tables::SCHEMA);
    Catalog::new(snapshot)
}
