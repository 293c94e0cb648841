//! The configuration of a running server, read again from where the start has read it. Keys and rules for tokens take the
//! place of the former ones at once; everything else has been decided with.

use std::sync::Arc;
use std::time::Duration;

use base::Secret;
use edge::Reloaded;
use identity::Verifier;
use login::Login;
use telemetry::{ConfigurationRead, ConfigurationRefused, Telemetry};
use tokio::sync::{Mutex, Notify};

use crate::configuration::{ConfigError, Loaded, Prepared, Sources};
use crate::database;
use crate::outcome::CommandError;

/// How long the database may take to say what it has of the configuration.
const LONGEST: Duration = Duration::from_secs(45);

/// The list of leaked passwords is opened anew with every reading, whether or not its name is another.
const LEAKED_LIST: &str = "auth.password.leaked_list";

/// Reads the configuration again.
pub struct Rereading {
    sources: Sources,
    verifier: Arc<Verifier>,
    login: Option<Login>,
    telemetry: Arc<Telemetry>,
    /// Held while it is read, so that an older one never takes the place of a newer.
    counting: Mutex<Counting>,
}

/// What counts.
struct Counting {
    /// For everything that was decided with at the start.
    at_start: Loaded,
    /// For keys and rules of tokens, where they were read again since.
    reread: Option<Loaded>,
    secret: Option<Secret>,
}

impl Rereading {
    /// What a server was started with.
    pub fn new(
        sources: Sources,
        loaded: Loaded,
        prepared: &Prepared,
        verifier: Arc<Verifier>,
        login: Option<Login>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let counting = Counting { at_start: loaded, reread: None, secret: prepared.identity.secret.clone() };
        Self { sources, verifier, login, telemetry, counting: Mutex::new(counting) }
    }

    /// Reads it whenever it is asked for, until it is aborted. However many ask meanwhile, it is read once more.
    pub async fn follow(&self, wanted: &Notify) {
        loop {
            wanted.notified().await;
            // The log says how it went.
            drop(self.read().await);
        }
    }

    /// Reads it, and tells what came of it.
    ///
    /// # Errors
    /// It is wrong now or could not be read: what counted before goes on.
    pub async fn read(&self) -> Result<Reloaded, &'static str> {
        let mut counting = self.counting.lock().await;
        match self.replace(&mut counting).await {
            Ok(reloaded) => {
                self.telemetry.report(&ConfigurationRead {
                    keys: self.verifier.key_count() as u64,
                    changed: &reloaded.changed.join(", "),
                    after_restart: &reloaded.waiting.join(", "),
                });
                Ok(reloaded)
            }
            Err(error) => {
                self.telemetry.report(&ConfigurationRefused { error: &error.to_string() });
                Err(
                    "the configuration could not be read, and the keys and settings from before go on; the log says why",
                )
            }
        }
    }

    async fn replace(&self, counting: &mut Counting) -> Result<Reloaded, CommandError> {
        let reading = tokio::time::timeout(LONGEST, database::configuration(&self.sources));
        let loaded = reading.await.map_err(|_| {
            let seconds = LONGEST.as_secs();
            CommandError::Failed(format!("the database has not told its settings (db-config) within {seconds} s"))
        })??;
        let Prepared { identity, passwords, .. } = Prepared::new(&loaded, None)?;
        let secret = identity.secret.clone();
        self.verifier.replace(identity).map_err(|error| ConfigError::one("[auth]", error.to_string()))?;
        if let Some(login) = &self.login {
            login
                .replace_leaked(passwords.leaked_list.as_deref())
                .map_err(|error| ConfigError::one(LEAKED_LIST, error.to_string()))?;
        }

        let mut changed = loaded.changes_since(counting.reread.as_ref().unwrap_or(&counting.at_start));
        changed.retain(|name| counts_at_once(name));
        // The file is the same, and what is in it is not.
        let file = "auth.jwt_secret_file";
        if secret != counting.secret
            && loaded.config.auth.jwt_secret_file.is_some()
            && !changed.iter().any(|name| name == file)
        {
            changed.push(file.to_owned());
        }
        let mut waiting = loaded.changes_since(&counting.at_start);
        waiting.retain(|name| !counts_at_once(name));
        (counting.reread, counting.secret) = (Some(loaded), secret);
        Ok(Reloaded { changed, waiting })
    }
}

/// Whether a setting is one of those that decide who asks.
fn counts_at_once(name: &str) -> bool {
    let is_of_start = ["auth.login.", "auth.mail.", "auth.password.", "auth.secret", "auth.api_keys"]
        .iter()
        .any(|section| name.starts_with(section));
    (name.starts_with("auth.") && !is_of_start) || name == LEAKED_LIST || name == "api.anonymous_role"
}
