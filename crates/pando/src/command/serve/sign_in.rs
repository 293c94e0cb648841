//! The login while the server runs: opened over its tables, or left out where it cannot be.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Secret, SystemClock};
use identity::{Derivation, Verifier};
use login::api_keys::KeyKeeper;
use login::password::{Passwords, PoolFigures};
use login::{Captcha, ConsoleMailer, Defence, DefenceSettings, Login, Mailer, Parts, SmtpMailer};
use store::{Store, StoreError};
use telemetry::{Advice, Metrics, PasswordReading, Telemetry};

use super::guards::Counters;
use crate::configuration::{ConfigError, DatabaseAddress, Loaded, LoginEnabled, Prepared};
use crate::outcome::CommandError;

const SETTING: &str = "auth.login.enabled";

const NO_SECRET: &str = "The login at /auth/v1 is off: on a PostgreSQL server it needs a secret that all nodes share; set \
     auth.secret (PANDO_AUTH_SECRET), or auth.jwt_secret, from which it follows unless that is a JWK set";
const NO_TABLES: &str = "The login at /auth/v1 is off: its tables are not there and the role that logs in may not make or use them; \
     set auth.login.enabled = \"on\" and run `pando bootstrap --authenticator` as the owner of the database, or set it \"off\"";
const NO_MAIL: &str =
    "No mail server is configured, so mails of the login are written to standard error; set auth.mail.host";

/// What the login is opened with.
pub struct SignIn<'a> {
    /// The configuration.
    pub loaded: &'a Loaded,
    /// What it means.
    pub prepared: &'a Prepared,
    /// The address of the API.
    pub address: SocketAddr,
    /// Who is told of keys, and verifies tokens.
    pub verifier: Arc<Verifier>,
    /// Who looks after API keys.
    pub api_keys: Option<Arc<KeyKeeper>>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The connections to the shared counters.
    pub counters: Counters,
    /// Who is told what happens.
    pub telemetry: Arc<Telemetry>,
}

impl SignIn<'_> {
    /// Opens the login; `None` where there is to be none, or none can be and nobody insisted.
    pub async fn open(self) -> Result<Option<Login>, CommandError> {
        let wanted = self.loaded.config.login.enabled;
        if wanted == LoginEnabled::Off || self.loaded.is_postgrest {
            return Ok(None);
        }
        let Some(derivation) = derivation(self.loaded, self.prepared, true)? else {
            if wanted == LoginEnabled::On {
                return Err(ConfigError::one("auth.secret", NO_SECRET_AT_START).into());
            }
            return Ok(self.without(NO_SECRET));
        };
        match make_tables(self.store.as_ref()).await {
            Ok(()) => {}
            Err(error @ (StoreError::Migration { .. } | StoreError::Refused(_))) => {
                if wanted == LoginEnabled::On {
                    return Err(CommandError::Database(error));
                }
                return Ok(self.without(NO_TABLES));
            }
            Err(error) => return Err(CommandError::Database(error)),
        }
        match Login::open(self.parts(derivation)?).await {
            Ok(login) => Ok(Some(login)),
            Err(error) if wanted == LoginEnabled::On => Err(CommandError::Failed(format!("the login: {error}"))),
            Err(_) => Ok(self.without(NO_TABLES)),
        }
    }

    fn without(&self, sentence: &'static str) -> Option<Login> {
        self.telemetry.report(&Advice { setting: SETTING, sentence });
        None
    }

    fn parts(&self, derivation: Derivation) -> Result<Parts, CommandError> {
        let config = &self.loaded.config;
        let wrong = |(name, problem): (&'static str, String)| CommandError::from(ConfigError::one(name, problem));
        let (audience, issuer) = (config.auth.audience.as_deref(), config.auth.issuer.as_deref());
        let settings = config.login.settings(&self.address.to_string(), audience, issuer).map_err(wrong)?;
        let templates = config.mail.texts(self.loaded).map_err(wrong)?;
        let mailer: Arc<dyn Mailer> = match config.mail.smtp() {
            Some(smtp) => Arc::new(
                SmtpMailer::open(&smtp).map_err(|error| ConfigError::one("auth.mail.from", error.to_string()))?,
            ),
            None => {
                if !self.address.ip().is_loopback() {
                    self.telemetry.report(&Advice { setting: "auth.mail.host", sentence: NO_MAIL });
                }
                Arc::new(ConsoleMailer::new(io::stderr()))
            }
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let passwords = Passwords::open(self.prepared.passwords.clone(), clock.clone(), Arc::new(getrandom::fill))
            .map_err(|error| ConfigError::one("[auth.password]", error.to_string()))?;
        let passwords = Arc::new(passwords);
        let captcha = config.defence.captcha().map(Captcha::open).transpose();
        Ok(Parts {
            gate: self.defence(&derivation, settings.mail_interval, &passwords)?,
            captcha: captcha.map_err(|error| ConfigError::one("auth.defence.captcha_url", error.to_string()))?,
            device_lifetime: Duration::from_secs(u64::from(config.defence.device_days) * 86_400),
            settings,
            templates,
            store: self.store.clone(),
            verifier: self.verifier.clone(),
            passwords,
            api_keys: self.api_keys.clone(),
            mailer,
            derivation,
            clock,
            telemetry: self.telemetry.clone(),
        })
    }
}

impl SignIn<'_> {
    /// The gate, with counters of its own: those of the policies come and go by the thousand, and must not push it out.
    fn defence(
        &self,
        derivation: &Derivation,
        mail_interval: Duration,
        passwords: &Arc<Passwords>,
    ) -> Result<Arc<Defence>, CommandError> {
        let (section, limiting) = (&self.loaded.config.defence, &self.prepared.limiting);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cache = self.counters.open(self.prepared, &self.telemetry)?;
        let mut settings = section.settings(limiting.rates.exempt_networks.clone(), mail_interval);
        if let Some((url, key)) = section.webhook().map_err(|(name, problem)| ConfigError::one(name, problem))? {
            let listener = login::webhook(url, key, clock.clone(), self.telemetry.clone());
            let listener = listener.map_err(|error| ConfigError::one("auth.defence.webhook_url", error.to_string()))?;
            settings = DefenceSettings { listener, ..settings };
        }
        let secret = derivation.key(login::DEFENCE_PURPOSE);
        let secret = secret.map_err(|error| CommandError::Failed(format!("the login: {error}")))?;
        let defence = Arc::new(Defence::new(settings, cache, secret, clock, self.telemetry.clone()));
        let (gauge, passwords) = (defence.clone(), passwords.clone());
        self.telemetry.metrics().add_source(move |metrics: &Metrics| {
            metrics.set_login_attack(gauge.is_attack());
            metrics.set_passwords(reading(&passwords.figures()));
        });
        Ok(defence)
    }
}

fn reading(figures: &PoolFigures) -> PasswordReading {
    PasswordReading {
        running: figures.running as u64,
        waiting: figures.waiting.map(|waiting| waiting as u64),
        shed: figures.shed,
        hashes: figures.computed,
        duration: figures.average,
    }
}

const NO_SECRET_AT_START: &str = "is not set: on a PostgreSQL server the login needs a secret that all nodes share. Set it (PANDO_AUTH_SECRET; `openssl rand \
     -base64 48` makes a good one), or auth.jwt_secret, from which it follows unless that is a JWK set";

/// Makes the tables that are missing.
pub async fn make_tables(store: &dyn Store) -> Result<(), StoreError> {
    for migrations in login::MIGRATIONS {
        for place in 0..migrations.all.len() {
            store.apply_own(migrations, place).await?;
        }
    }
    Ok(())
}

/// What all secrets of the login follow from: `auth.secret`, or else `auth.jwt_secret`, or else a file beside that of the embedded
/// engine, which is made where it is missing and `may_make` says so. `None` where there is nothing. A JWK set as `auth.jwt_secret` is no
/// secret: its keys may be public.
pub fn derivation(loaded: &Loaded, prepared: &Prepared, may_make: bool) -> Result<Option<Derivation>, CommandError> {
    let given = loaded.config.auth.secret.as_ref().map(|secret| secret.0.clone());
    let secret = match (given.or_else(|| prepared.identity.root_secret().cloned()), &prepared.database) {
        (Some(secret), _) => secret,
        (None, DatabaseAddress::File(file)) => kept_secret(file, may_make)?,
        (None, DatabaseAddress::Server(_)) => return Ok(None),
    };
    let derivation = Derivation::new(secret).map_err(|error| ConfigError::one("auth.secret", error.to_string()))?;
    Ok(Some(derivation))
}

/// The secret beside the file of the database: of 32 random bytes, for its owner's eyes alone.
fn kept_secret(database: &Path, may_make: bool) -> Result<Secret, CommandError> {
    let mut name = database.as_os_str().to_owned();
    name.push(".secret");
    let path = Path::new(&name);
    let failed = |error: io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => return Ok(Secret::new(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => {}
        Err(error) => return Err(failed(error)),
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::Failed(format!("the operating system gives no random bytes: {error}")))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whole or not at all, and 0600 from its first moment.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Secret::new(text)),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => kept_secret(database, false),
        Err(error) => Err(failed(error.error)),
    }
}
