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
    /// What the login has been started with, where it has none of its own.
    secret_at_start: Option<Secret>,
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
        let secret = prepared.identity.secret.clone();
        let counting = Counting { at_start: loaded, reread: None, secret: secret.clone(), secret_at_start: secret };
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
        // Each can be refused by what is in a file: the list is opened, and counts only when the keys do.
        let login = self.login.as_ref();
        let count_list = login
            .map(|login| login.reopen_leaked(passwords.leaked_list.as_deref()))
            .transpose()
            .map_err(|error| ConfigError::one(LEAKED_LIST, error.to_string()))?;
        self.verifier.replace(identity).map_err(|error| ConfigError::one("[auth]", error.to_string()))?;
        if let Some(count_list) = count_list {
            count_list();
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
        let standing = (self.login.is_some(), loaded.config.auth.secret.is_some());
        waiting.retain(|name| waits(name, standing));
        let is_another = loaded.config.auth.jwt_secret_file.is_some() && secret != counting.secret_at_start;
        if is_another && waits(file, standing) && !waiting.iter().any(|name| name == file) {
            waiting.push(file.to_owned());
        }
        (counting.reread, counting.secret) = (Some(loaded), secret);
        Ok(Reloaded { changed, waiting })
    }
}

/// What decides who asks, and counts at once. Everything else waits for the next start, and that is told.
const AT_ONCE: &[&str] = &[
    "api.anonymous_role",
    "auth.audience",
    "auth.issuer",
    "auth.jwks_file",
    "auth.jwks_url",
    "auth.jwt_secret",
    "auth.jwt_secret_file",
    "auth.jwt_secret_is_base64",
    "auth.leeway_seconds",
    "auth.require_api_key",
    "auth.role_claim",
    "auth.service_role",
    LEAKED_LIST,
];

/// What the login has been started with as well: it makes tokens as before until the next start.
const OF_LOGIN: &[&str] = &["auth.audience", "auth.issuer", "auth.service_role"];

/// What the secrets of the login follow from where it has none of its own.
const SECRETS: &[&str] = &["auth.jwt_secret", "auth.jwt_secret_file"];

fn counts_at_once(name: &str) -> bool {
    AT_ONCE.contains(&name)
}

/// Whether a setting is to be told as one that waits for the next start. Some count at once for the tokens that are sent, and later
/// for those that the login makes; they are told as both.
fn waits(name: &str, (has_login, has_secret): (bool, bool)) -> bool {
    let is_of_login = OF_LOGIN.contains(&name) || (SECRETS.contains(&name) && !has_secret);
    !counts_at_once(name) || (has_login && is_of_login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_changes_in_silence() {
        for name in [
            "auth.login.site_url",
            "auth.mail.host",
            "auth.password.min_length",
            "auth.secret",
            "auth.api_keys",
            "auth.new.one",
        ] {
            assert!(!counts_at_once(name) && waits(name, (false, false)), "{name}");
        }
        for (name, login, secret, expected) in [
            ("auth.jwks_file", true, false, false),
            ("auth.audience", false, false, false),
            ("auth.audience", true, true, true),
            ("auth.jwt_secret", true, true, false),
            ("auth.jwt_secret", true, false, true),
            ("auth.jwt_secret_file", false, false, false),
        ] {
            assert!(counts_at_once(name), "{name}");
            assert_eq!(waits(name, (login, secret)), expected, "{name}");
        }
    }
}
