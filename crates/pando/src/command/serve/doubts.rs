//! What in a configuration does not fit the schema.

use base::QualifiedName;
use catalog::{Catalog, RoleStanding};
use store::Store;

use crate::configuration::{Config, Prepared};

/// What in the configuration does not fit the schema: allowed, since a later migration may bring it.
pub fn doubts(config: &Config, prepared: &Prepared, store: &dyn Store) -> Vec<String> {
    let catalog = store.catalog();
    let mut doubts = Vec::new();
    if catalog.snapshot().relations.is_empty() {
        return doubts;
    }
    let role = config.api.anonymous_role.as_str();
    if !role.is_empty() && catalog.role_standing(role) != RoleStanding::Assumable {
        doubts.push(format!("api.anonymous_role: requests cannot run as {role}, so those without a token are refused"));
    }
    for schema in &config.api.schemas {
        if !catalog.snapshot().schemas.contains_key(schema.as_str()) {
            doubts.push(format!("api.schemas: there is no schema {schema}"));
        }
        if prepared.docs && catalog.relation(&QualifiedName::new(schema.as_str(), "docs")).is_some() {
            doubts.push(format!(
                "api.docs: {schema}.docs is served at /rest/v1/docs alone, since /docs is the page; api.docs = \"off\" changes that"
            ));
        }
    }
    if let Some(function) = &prepared.pre_request
        && !is_there(function, config, &catalog)
    {
        doubts.push(format!(
            "database.pre_request: there is no function {} that takes no arguments, so requests are refused until there is",
            config.database.pre_request.trim()
        ));
    }
    for role in catalog.snapshot().roles.values().filter(|role| role.is_assumable) {
        for setting in &role.refused_settings {
            doubts.push(format!(
                "ALTER ROLE {} SET {setting}: it is not applied to requests: the role that logs in may not set it, or Pando needs it as it is",
                role.name
            ));
        }
    }
    doubts
}

/// Whether a function can be called without arguments; one without a schema is looked for along the search path.
fn is_there(function: &QualifiedName, config: &Config, catalog: &Catalog) -> bool {
    let api = &config.api.schemas;
    let schemas: Vec<&str> = match &*function.schema {
        "" => api.iter().chain(&config.database.extra_search_path).map(String::as_str).collect(),
        schema => vec![schema],
    };
    schemas.into_iter().any(|schema| {
        let name = QualifiedName::new(schema, function.name.clone());
        catalog.routines_named(&name).any(|routine| routine.takes(&[]))
    })
}
