//! `[cdn]`: which caches in front are told of changes.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{QualifiedName, Secret};
use cdn::{CdnSettings, DriverSettings, WebhookKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{CachesSettings, RecallSettings};

use super::effect::Check;
use super::replicas::qualified;
use super::sections::SecretText;

/// The longest that an answer may count as on its way.
const LONGEST_SETTLE: u32 = 60_000;

/// Nobody but its owner sees how a zone is set.
const UNVARIED: &str = "cdn.driver is \"cloudflare\", whose caches ignore Vary unless a Cache Rule of the zone says otherwise: without one, what was \
                        kept for one caller is shown to others with another token, Accept, Accept-Profile or Prefer; docs/cdn.md has the rule";

/// `[cdn]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CdnSection {
    /// Whose caches stand in front, and are told to forget what has changed. What they may keep says `cdn 60` (seconds) in
    /// `responses.tables`. `off` has nobody told, and nothing kept.
    pub driver: CdnDriver,
    /// Where purges are sent. For Varnish the addresses of all of them, `["http://10.0.0.5:6081"]`, which all have to confirm; for a
    /// webhook one, `https://` or `http://` on this machine; for Fastly and Cloudflare none, or that of another API. Shown nowhere.
    pub urls: Vec<SecretText>,
    /// The id of the service at Fastly.
    pub service: String,
    /// The id of the zone at Cloudflare.
    pub zone: String,
    /// The token of Fastly or Cloudflare. It needs to purge, and nothing else.
    pub token: Option<SecretText>,
    /// What signs messages to a webhook: `whsec_` and 24 to 64 bytes as base64 (Standard Webhooks).
    pub webhook_secret: Option<SecretText>,
    /// Tables by `schema.name` whose writes are acknowledged only when all caches have confirmed that they forgot what was changed.
    pub wait: Vec<String>,
    /// How many seconds a write waits for that; then it is answered 504 (PANDO504), though it was kept.
    pub wait_seconds: u32,
    /// How many milliseconds after its last byte was handed over an answer may still be on its way to a cache, which might keep it though
    /// something has changed. What it was read from is purged once more when that is over. At least twice of what the configuration of
    /// Varnish allows an answer to be on its way.
    pub settle_ms: u32,
    /// How many milliseconds a purge may take.
    pub timeout_ms: u32,
    /// How many names wait to be purged at most. Where there are more, everything is purged.
    pub max_waiting: u32,
}

/// Whose caches stand in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CdnDriver {
    /// Nobody's.
    Off,
    /// Varnish with the module xkey.
    Varnish,
    /// Fastly.
    Fastly,
    /// Cloudflare.
    Cloudflare,
    /// A program of one's own.
    Webhook,
}

impl Default for CdnSection {
    fn default() -> Self {
        Self {
            driver: CdnDriver::Off,
            urls: Vec::new(),
            service: String::new(),
            zone: String::new(),
            token: None,
            webhook_secret: None,
            wait: Vec::new(),
            wait_seconds: 10,
            settle_ms: 200,
            timeout_ms: 5_000,
            max_waiting: 10_000,
        }
    }
}

/// Caches in front.
#[derive(Debug, Clone)]
pub struct Cdn {
    /// Who is told.
    pub settings: CdnSettings,
    /// What is told.
    pub caches: CachesSettings,
}

/// What is wrong with a setting: its name, and what.
type Wrong = (&'static str, String);

impl Check<'_> {
    /// Which caches are told; `None` for none.
    pub(super) fn cdn(&mut self, responses: Option<&RecallSettings>) -> Option<Cdn> {
        let config = &self.loaded().config;
        let (section, first_schema) = (config.cdn.clone(), config.api.schemas.first().cloned().unwrap_or_default());
        let is_said = responses.is_some_and(RecallSettings::names_caches);
        if section.driver == CdnDriver::Off {
            if is_said {
                self.warn("responses.tables says cdn, which counts for nothing while cdn.driver is \"off\"");
            }
            return None;
        }
        if !is_said {
            self.problem(
                "cdn.driver",
                "has nothing to tell: no rule of responses.tables says cdn (`\"strict, cdn 60\"`)",
            );
        }
        for (name, value, most) in [
            ("cdn.wait_seconds", section.wait_seconds, u32::MAX),
            ("cdn.settle_ms", section.settle_ms, LONGEST_SETTLE),
            ("cdn.timeout_ms", section.timeout_ms, LONGEST_SETTLE),
            ("cdn.max_waiting", section.max_waiting, 1_000_000),
        ] {
            let least = u32::from(name != "cdn.settle_ms");
            if !(least..=most).contains(&value) {
                self.problem(name, format!("has to be {least} to {most}, it is {value}"));
            }
        }
        let mut wait = BTreeSet::<QualifiedName>::new();
        for name in &section.wait {
            match qualified(name) {
                Some(name) => drop(wait.insert(name)),
                None => self.problem("cdn.wait", format!("has the name {name:?}; it has to be schema.name")),
            }
        }
        if section.driver == CdnDriver::Cloudflare {
            self.warn(UNVARIED);
        }
        for name in section.unused() {
            self.warn(format!("{name} counts for nothing with this cdn.driver"));
        }
        let driver = match section.driver_settings() {
            Ok(driver) => driver,
            Err((name, problem)) => {
                self.problem(name, problem);
                return None;
            }
        };
        let milliseconds = |value: u32| Duration::from_millis(u64::from(value));
        let settle = milliseconds(section.settle_ms);
        let most_waiting = usize::try_from(section.max_waiting).unwrap_or(usize::MAX);
        let settings = CdnSettings { driver, most_waiting, settle, timeout: milliseconds(section.timeout_ms) };
        if let Err(error) = cdn::open(&settings, std::sync::Arc::new(base::SystemClock)) {
            self.problem(section.blamed(&error), error.to_string());
        }
        let longest_wait = Duration::from_secs(u64::from(section.wait_seconds));
        Some(Cdn { settings, caches: CachesSettings { first_schema, wait, longest_wait, settle } })
    }
}

impl CdnSection {
    fn driver_settings(&self) -> Result<DriverSettings, Wrong> {
        let urls: Vec<Secret> = self.urls.iter().map(|url| url.0.clone()).collect();
        let most_urls = if self.driver == CdnDriver::Varnish { usize::MAX } else { 1 };
        if urls.len() > most_urls {
            return Err(("cdn.urls", "may be one address with this driver".to_owned()));
        }
        let url = urls.first().cloned();
        let missing = |name, what: &'static str| move || (name, format!("is missing: {what}"));
        let token = || self.token.as_ref().map(|token| token.0.clone());
        let where_to = missing("cdn.urls", "where purges are sent");
        let no_token = missing("cdn.token", "what allows to purge");
        Ok(match self.driver {
            CdnDriver::Varnish if urls.is_empty() => return Err(where_to()),
            CdnDriver::Off | CdnDriver::Varnish => DriverSettings::Varnish { urls },
            CdnDriver::Fastly => {
                DriverSettings::Fastly { url, service: self.service.clone(), token: token().ok_or_else(no_token)? }
            }
            CdnDriver::Cloudflare => {
                DriverSettings::Cloudflare { url, zone: self.zone.clone(), token: token().ok_or_else(no_token)? }
            }
            CdnDriver::Webhook => {
                let no_secret = missing("cdn.webhook_secret", "what signs messages");
                let secret = self.webhook_secret.as_ref().ok_or_else(no_secret)?;
                let key = WebhookKey::read(&secret.0).map_err(|error| ("cdn.webhook_secret", error.to_string()))?;
                DriverSettings::Webhook { url: url.ok_or_else(where_to)?, key }
            }
        })
    }

    /// What is set, and is another driver's.
    fn unused(&self) -> impl Iterator<Item = &'static str> {
        let is_fastly = self.driver == CdnDriver::Fastly;
        let is_cloudflare = self.driver == CdnDriver::Cloudflare;
        let unused = [
            ("cdn.service", !self.service.is_empty() && !is_fastly),
            ("cdn.zone", !self.zone.is_empty() && !is_cloudflare),
            ("cdn.token", self.token.is_some() && !is_fastly && !is_cloudflare),
            ("cdn.webhook_secret", self.webhook_secret.is_some() && self.driver != CdnDriver::Webhook),
        ];
        unused.into_iter().filter_map(|(name, is_unused)| is_unused.then_some(name))
    }

    /// The setting that a driver finds fault with.
    fn blamed(&self, error: &cdn::CdnError) -> &'static str {
        match error {
            cdn::CdnError::Address(_) => "cdn.urls",
            cdn::CdnError::Name if self.driver == CdnDriver::Fastly => "cdn.service",
            cdn::CdnError::Name => "cdn.zone",
            cdn::CdnError::Token => "cdn.token",
            cdn::CdnError::Secret => "cdn.webhook_secret",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::Prepared;
    use super::super::load::{Sources, load};

    fn prepare(file: &str) -> Result<Prepared, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, format!("[cdn]\n{file}")).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).map_err(|error| error.to_string())?;
        Prepared::new(&loaded, None).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (file, expected) in [
            ("driver = \"varnish\"", "cdn.urls is missing: where purges are sent"),
            ("driver = \"varnish\"\nurls = [\"hunter2\"]", "cdn.urls has to be an address like https://"),
            ("driver = \"webhook\"\nurls = [\"http://localhost\"]", "cdn.webhook_secret is missing"),
            ("driver = \"webhook\"\nwebhook_secret = \"hunter2\"", "cdn.webhook_secret has to be whsec_"),
            ("driver = \"fastly\"\nservice = \"a\"", "cdn.token is missing"),
            ("driver = \"fastly\"\ntoken = \"hunter2\"", "cdn.service has to be letters and digits"),
            ("driver = \"cloudflare\"\ntoken = \"hunter2\"\nzone = \"../a\"", "cdn.zone has to be letters and digits"),
            (
                "driver = \"cloudflare\"\ntoken = \"hunter2 \"\nzone = \"a\"",
                "cdn.token has to be printable ASCII without blanks",
            ),
            (
                "driver = \"fastly\"\ntoken = \"hunter2\"\nservice = \"a\"\nurls = [\"http://example.com/hunter2\"]",
                "cdn.urls has to be an address like https://",
            ),
            (
                "driver = \"varnish\"\nurls = [\"http://10.0.0.1\"]\nwait = [\"todos\"]",
                "cdn.wait has the name \"todos\"; it has to be schema.name",
            ),
            (
                "driver = \"varnish\"\nurls = [\"http://10.0.0.1\"]\nsettle_ms = 60001",
                "cdn.settle_ms has to be 0 to 60000, it is 60001",
            ),
        ] {
            let error = prepare(file).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(prepare("").unwrap().cdn.is_none());
        let varnish =
            "driver = \"varnish\"\nurls = [\"http://10.0.0.1\", \"http://10.0.0.2\"]\nwait = [\"public.todos\"]";
        let error = prepare(varnish).unwrap_err();
        assert!(error.contains("cdn.driver has nothing to tell: no rule of responses.tables says cdn"), "{error}");
        assert!(
            prepare(&format!("{varnish}\n[responses]\ntables = {{ \"*\" = \"strict, cdn 60\" }}"))
                .unwrap()
                .cdn
                .is_some()
        );
        let others =
            "driver = \"varnish\"\nurls = [\"http://10.0.0.1\"]\ntoken = \"hunter2\"\nservice = \"a\"\nzone = \"a\"";
        let warnings =
            prepare(&format!("{others}\n[responses]\ntables = {{ \"*\" = \"strict, cdn 60\" }}")).unwrap().warnings;
        for name in ["cdn.token", "cdn.service", "cdn.zone"] {
            assert!(
                warnings.iter().any(|warning| warning.starts_with(&format!("{name} counts for nothing"))),
                "{warnings:?}"
            );
        }
        assert!(
            !warnings.iter().any(|warning| warning.contains("hunter2") || warning.contains("webhook")),
            "{warnings:?}"
        );
        let cloudflare = "driver = \"cloudflare\"\nzone = \"a\"\ntoken = \"hunter2\"";
        let warnings =
            prepare(&format!("{cloudflare}\n[responses]\ntables = {{ \"*\" = \"strict, cdn 60\" }}")).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains("ignore Vary")), "{warnings:?}");
        let warnings = prepare("[responses]\ntables = { \"*\" = \"strict, cdn 60\" }").unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.starts_with("responses.tables says cdn")), "{warnings:?}");
    }
}
