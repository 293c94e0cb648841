//! What the configuration guards by its name, and the schema has not: a guard that is misspelt guards nothing, and nobody notices.

use base::QualifiedName;
use catalog::Catalog;
use service::{RecallSettings, Rule};

use crate::configuration::Prepared;

/// Names of the configuration that nothing has, or that mean something to which the setting does nothing. Allowed, since a later
/// migration may bring it.
pub fn misnamed(prepared: &Prepared, catalog: &Catalog) -> Vec<String> {
    let (responses, waits, required) =
        (kept(prepared, catalog), waiting(prepared, catalog), required(prepared, catalog));
    responses.into_iter().chain(waits).chain(required).collect()
}

/// Whether there is a function of this name, whatever it takes.
fn is_function(catalog: &Catalog, name: &QualifiedName) -> bool {
    catalog.routines_named(name).next().is_some()
}

/// `responses.tables`: whose answers are to be kept, and cannot be.
fn kept(prepared: &Prepared, catalog: &Catalog) -> Vec<String> {
    let rules = prepared.responses.iter().flat_map(|settings| settings.rules.keys());
    let doubt = |name: &QualifiedName| {
        let obstacle = match catalog.snapshot().dependences.get(name) {
            Some(dependence) => dependence.obstacle.clone()?,
            None if catalog.relation(name).is_some() => return None,
            None if !catalog.is_native() && is_function(catalog, name) => return None,
            None => "there is no such table or view".to_owned(),
        };
        Some(format!("responses.tables: no answer about {name} is kept: {obstacle}"))
    };
    rules.filter_map(doubt).collect()
}

/// `cdn.wait`: whose writes are to wait, and do not.
fn waiting(prepared: &Prepared, catalog: &Catalog) -> Vec<String> {
    let Some((cdn, responses)) = prepared.cdn.as_ref().zip(prepared.responses.as_ref()) else { return Vec::new() };
    let doubt = |name: &QualifiedName| match catalog.relation(name) {
        None => Some(format!("cdn.wait: there is no table {name}, so no write waits for caches because of it")),
        Some(relation) if relation.is_view() => Some(format!(
            "cdn.wait: {name} is a view, and what changes are tables: name those that it reads, or their writes do not wait"
        )),
        Some(_) if !is_in_front(name, responses, catalog) => Some(format!(
            "cdn.wait: no answer with rows of {name} is kept by caches in front, so its writes wait for nothing: its rule in responses.tables \
             does not say cdn"
        )),
        Some(_) => None,
    };
    cdn.caches.wait.iter().filter_map(doubt).collect()
}

/// Whether caches in front may keep what has rows of a table: by its own rule, or by that of a view over it.
fn is_in_front(table: &QualifiedName, responses: &RecallSettings, catalog: &Catalog) -> bool {
    let says = |rule: &Rule| rule.cdn.is_some();
    let own = responses.rules.get(table).or(responses.others.as_ref());
    let reads = |name: &QualifiedName| {
        let is_over = |dependence: &catalog::Dependence| dependence.tables.contains(table);
        // Of a function it is not known what it reads.
        catalog.snapshot().dependences.get(name).map_or(catalog.relation(name).is_none(), |it| is_over(it))
            || catalog.relation(name).is_some_and(|relation| relation.is_view() && !catalog.is_native())
    };
    own.is_some_and(says) || responses.rules.iter().any(|(name, rule)| says(rule) && reads(name))
}

/// `idempotency.required`: paths below which no write comes.
fn required(prepared: &Prepared, catalog: &Catalog) -> Vec<String> {
    let paths = prepared.idempotency.settings.iter().flat_map(|settings| &settings.required);
    let is_there = |schema: &String, below: &str| match below.strip_prefix("rpc/") {
        Some(function) => is_function(catalog, &QualifiedName::new(schema.as_str(), function)),
        None => catalog.relation(&QualifiedName::new(schema.as_str(), below)).is_some(),
    };
    let doubt = |path: &String| {
        let below = path.trim_start_matches('/');
        let is_known = matches!(below, "" | "rpc") || prepared.schemas.iter().any(|schema| is_there(schema, below));
        let text = "no table, view or function of api.schemas has that path, so it requires no key of anybody";
        (!is_known).then(|| format!("idempotency.required: /rest/v1{path}: {text}"))
    };
    paths.filter_map(doubt).collect()
}
