//! What in a configuration does not fit the schema.

use base::QualifiedName;
use catalog::{Catalog, RoleStanding};
use store::Store;

use crate::command::misnamed::misnamed;
use crate::configuration::{AuditEnabled, Config, Prepared};

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
    doubts.extend(audit(config, prepared, &catalog));
    doubts.extend(misnamed(prepared, &catalog));
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

/// What is asked of the audit and does not come about.
fn audit(config: &Config, prepared: &Prepared, catalog: &Catalog) -> Vec<String> {
    let has_table = catalog.relation(&QualifiedName::new("pando", "audit_entries")).is_some();
    let Some(settings) = &prepared.audit.settings else {
        let lacks =
            prepared.audit.enabled == AuditEnabled::Auto && has_table && config.audit.enabled == AuditEnabled::Auto;
        let text = "audit.enabled: there is a table for entries, and no secret for their seals, so nothing is sealed, and who asks is not \
                    said; set auth.secret (PANDO_AUTH_SECRET), or audit.enabled = \"off\" and drop its triggers";
        return lacks.then(|| text.to_owned()).into_iter().collect();
    };
    if !has_table {
        return Vec::new();
    }
    let unknown = settings.unknown(catalog).into_iter();
    let unknown = unknown.map(|(setting, name)| format!("{setting}: there is nothing of the name {name}"));
    let keys = settings.masked_keys(catalog).into_iter().map(|name| {
        format!("audit.mask: {name} is of the key of its table, and the key stands in every entry as it is; use another key, or audit.exclude")
    });
    unknown.chain(keys).collect()
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
