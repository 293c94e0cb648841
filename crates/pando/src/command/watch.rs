//! `pando serve --watch`: migrations are applied as they are written.
//!
//! The folder is looked at a few times a second instead of asking the operating system for changes: it has some dozens of
//! files, and notifications do not arrive from network folders and the mounts of containers, where development often
//! happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use store::Store;
use telemetry::{ConfigurationChanged, MigrationRefused, Telemetry};

use super::opening::tell_applied;
use super::serve::tell_catalog;
use crate::configuration::Prepared;
use crate::database;
use crate::migrations::MigrationError;

/// How often the folder is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// What is followed, and what is done about it.
pub struct Watch {
    /// The configuration that the server was started with.
    pub prepared: Arc<Prepared>,
    /// `pando.toml`, if there is one.
    pub configuration: Option<PathBuf>,
    /// How the folder looked before the server brought the schema up to date.
    pub seen: Look,
    /// What is served.
    pub store: Arc<dyn Store>,
    /// Who is told.
    pub telemetry: Arc<Telemetry>,
}

/// What a folder of migrations looks like from outside: length and time of each file.
pub type Look = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

impl Watch {
    /// Follows the files until it is aborted. Meant to be spawned.
    pub async fn run(self) {
        let mut applied = self.seen.clone();
        let mut configured = look_at(self.configuration.as_deref());
        let mut before = applied.clone();
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = look(&self.prepared.migrations);
            // An editor may be in the middle of writing: a file counts when it has been the same twice.
            let is_still = now == before;
            before = now.clone();
            if is_still && now != applied {
                applied = now;
                self.apply().await;
            }
            let configuration = look_at(self.configuration.as_deref());
            if configuration != configured {
                configured = configuration;
                self.telemetry.report(&ConfigurationChanged);
            }
        }
    }

    async fn apply(&self) {
        let catalog = self.store.catalog();
        let mut tell = |step| tell_applied(&self.telemetry, &step);
        let outcome = database::migrate(self.store.as_ref(), &self.prepared, &mut tell).await;
        if !Arc::ptr_eq(&catalog, &self.store.catalog()) {
            tell_catalog(&self.telemetry, self.store.as_ref());
        }
        if let Err(error) = outcome {
            refuse(&self.telemetry, &error);
        }
    }
}

/// How a folder of migrations looks now.
pub fn look(folder: &Path) -> Look {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_migration = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sql");
    paths.filter(is_migration).map(|path| (look_at(Some(&path)), path)).map(|(look, path)| (path, look)).collect()
}

/// Tells why the files cannot be applied, and what to do in development.
pub fn refuse(telemetry: &Telemetry, error: &MigrationError) {
    let text = match error {
        MigrationError::Changed { name, .. } => format!(
            "{name} was changed after it was applied, and is not applied again: undo the change and write a new file \
             (pando migrate new NAME), or stop the server and remove the database to begin anew without its rows"
        ),
        other => other.to_string(),
    };
    telemetry.report(&MigrationRefused { error: &text });
}

fn look_at(path: Option<&Path>) -> (u64, Option<SystemTime>) {
    let metadata = path.and_then(|path| fs::metadata(path).ok());
    metadata.map_or((0, None), |metadata| (metadata.len(), metadata.modified().ok()))
}
