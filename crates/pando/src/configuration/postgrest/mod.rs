//! PostgREST's configuration: its file, its environment variables and what the database says, as settings of Pando's own.
//! Nothing below the configuration knows of it.

mod known;
mod read;
#[cfg(test)]
mod reference;
mod syntax;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use read::{InDatabase, read};

use super::load::{Origin, Sources};
use super::problem::ConfigError;

/// One setting of Pando's that follows from PostgREST's.
#[derive(Debug)]
pub struct Assignment {
    /// `section.key`.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it was said.
    pub origin: Origin,
}

/// Whether the configuration is PostgREST's: `--postgrest` says so, or there are `PGRST_` variables and no `pando.toml`.
///
/// # Errors
/// When there is a `pando.toml` as well: one of them would be ignored.
pub fn is_asked(sources: &Sources, pando: Option<&Path>) -> Result<bool, ConfigError> {
    match (&sources.postgrest, pando) {
        (Some(_), Some(pando)) => Err(ConfigError::one(
            "--postgrest",
            format!(
                "and {} exclude one another; leave one of them out. What PostgREST has no setting for can be said in the \
                 environment (PANDO_SECTION_KEY) and by --set",
                pando.display()
            ),
        )),
        (Some(_), None) => Ok(true),
        (None, Some(_)) => Ok(false),
        (None, None) => Ok(has_variables(sources)),
    }
}

/// Whether the environment has settings of PostgREST's.
pub fn has_variables(sources: &Sources) -> bool {
    sources.environment.iter().any(|(name, _)| name.starts_with("PGRST_"))
}

/// The names of everything that the database may hold.
pub fn database_names() -> Vec<String> {
    known::KNOWN.iter().filter(|known| known.in_database).map(known::Known::database_name).collect()
}

/// The file, if one was named.
fn file(sources: &Sources) -> Option<&PathBuf> {
    sources.postgrest.as_ref()
}
