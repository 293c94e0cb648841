//! `[auth.defence]`.

use std::time::Duration;

use base::Network;
use base::Secret;
use login::{CaptchaMode, CaptchaProvider, CaptchaSettings, DefenceSettings, WebhookKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::login::Wrong;
use super::sections::SecretText;

/// `[auth.defence]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefenceSection {
    /// Whether guesses of passwords are counted and those whom nobody knows are served last under attack. Off is for measuring
    /// what it is worth; the bounds of codes, mails, sign-ups and refreshes stay.
    pub enabled: bool,
    /// How many wrong passwords of one account strangers have in an hour, over all addresses; four times as many in the first day,
    /// and then twice as many a day. Half of them may come at once. Then everybody whom the account does not know waits, with the
    /// right password too.
    pub account_guesses: u32,
    /// How many a device that signed in before has in an hour, and an address from which somebody signed in within 30 days; all of
    /// an account together five times as many. Whoever has used up his own is a stranger.
    pub device_guesses: u32,
    /// How many wrong passwords an address (of IPv6: 64 bits) has in an hour, over all accounts. Half of them may come at once.
    /// `limits.exempt_networks` are not counted.
    pub address_guesses: u32,
    /// How many a network (24 bits of IPv4, 48 of IPv6) has.
    pub network_guesses: u32,
    /// An address that gets so many different accounts wrong in an hour waits an hour; a network, with five times as many. At most
    /// 51, since five times as many are counted.
    pub spray_accounts: u32,
    /// A password that is wrong at so many different accounts in an hour is an attack.
    pub spray_password_accounts: u32,
    /// How many days a device is known.
    pub device_days: u32,
    /// Whether a CAPTCHA has to be solved to sign in, sign up or be sent a mail. `suspicious` needs `enabled`, which finds out who is.
    pub captcha: CaptchaWanted,
    /// Whose CAPTCHA it is.
    pub captcha_provider: CaptchaOf,
    /// The site's secret at the provider.
    pub captcha_secret: Option<SecretText>,
    /// Where a solution is asked about, instead of the provider's own address. `https://`, or `http://` on this machine.
    pub captcha_url: Option<SecretText>,
    /// How many milliseconds asking may take. Without an answer nobody gets in: 503.
    pub captcha_timeout_ms: u32,
    /// Who is told of attacks: an address that takes messages as Standard Webhooks has them. `https://`, or `http://` on this
    /// machine. It may hold what opens it, and is shown nowhere.
    pub webhook_url: Option<SecretText>,
    /// What signs them: `whsec_` and 24 to 64 bytes as base64.
    pub webhook_secret: Option<SecretText>,
}

/// Whether a CAPTCHA has to be solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptchaWanted {
    /// Never.
    Off,
    /// Always, as GoTrue has it.
    Always,
    /// By strangers, while the login is under attack, or the account or the address has had some wrong passwords.
    Suspicious,
}

/// Whose CAPTCHA it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptchaOf {
    /// hcaptcha.com
    HCaptcha,
    /// Cloudflare's Turnstile.
    Turnstile,
}

impl Default for DefenceSection {
    fn default() -> Self {
        let settings = DefenceSettings::default();
        Self {
            enabled: settings.is_on,
            account_guesses: settings.account_guesses,
            device_guesses: settings.device_guesses,
            address_guesses: settings.address_guesses,
            network_guesses: settings.network_guesses,
            spray_accounts: settings.spray_accounts,
            spray_password_accounts: settings.spray_password,
            device_days: 90,
            captcha: CaptchaWanted::Off,
            captcha_provider: CaptchaOf::Turnstile,
            captcha_secret: None,
            captcha_url: None,
            captcha_timeout_ms: 5_000,
            webhook_url: None,
            webhook_secret: None,
        }
    }
}

/// What the operator is told at the start.
pub const IS_OFF: &str =
    "auth.defence.enabled: the defence of the login is off: anybody may try as many passwords as the server can hash";

impl DefenceSection {
    /// What is wrong.
    ///
    /// # Errors
    /// The setting.
    pub fn check(&self) -> Result<(), Wrong> {
        for (name, value, least, most) in [
            ("auth.defence.account_guesses", self.account_guesses, 2, 1_000_000),
            ("auth.defence.device_guesses", self.device_guesses, 2, 10_000),
            ("auth.defence.address_guesses", self.address_guesses, 2, 1_000_000),
            ("auth.defence.network_guesses", self.network_guesses, 2, 1_000_000),
            ("auth.defence.spray_accounts", self.spray_accounts, 2, MOST_SPRAYED),
            ("auth.defence.spray_password_accounts", self.spray_password_accounts, 2, 256),
            ("auth.defence.device_days", self.device_days, 1, 3_650),
            ("auth.defence.captcha_timeout_ms", self.captcha_timeout_ms, 1, 60_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err((name, format!("is {value}; it has to be from {least} to {most}")));
            }
        }
        if self.captcha == CaptchaWanted::Suspicious && !self.enabled {
            return Err((
                "auth.defence.captcha",
                "is suspicious while auth.defence.enabled is false, and nobody is under suspicion then: make it always or off"
                    .to_owned(),
            ));
        }
        if self.captcha != CaptchaWanted::Off && is_missing(self.captcha_secret.as_ref()) {
            return Err((
                "auth.defence.captcha",
                "needs the site's secret at the provider: set auth.defence.captcha_secret".to_owned(),
            ));
        }
        for (name, url) in
            [("auth.defence.captcha_url", &self.captcha_url), ("auth.defence.webhook_url", &self.webhook_url)]
        {
            if let Some(Err(problem)) = url.as_ref().map(|url| login::check_address(url.0.expose())) {
                return Err((name, problem.to_string()));
            }
        }
        if self.webhook_url.is_none() && self.webhook_secret.is_some() {
            return Err((
                "auth.defence.webhook_secret",
                "signs nothing without an address: set auth.defence.webhook_url, or leave it out".to_owned(),
            ));
        }
        if self.webhook_url.is_some() && self.webhook_secret.is_none() {
            return Err((
                "auth.defence.webhook_url",
                "needs what signs its messages: set auth.defence.webhook_secret".to_owned(),
            ));
        }
        self.webhook_key().map(drop)
    }

    /// What the settings mean for the counters. `exempt` are the networks that are not counted.
    pub fn settings(&self, exempt: Vec<Network>, mail_interval: Duration) -> DefenceSettings {
        DefenceSettings {
            is_on: self.enabled,
            account_guesses: self.account_guesses,
            device_guesses: self.device_guesses,
            address_guesses: self.address_guesses,
            network_guesses: self.network_guesses,
            spray_accounts: self.spray_accounts,
            spray_password: self.spray_password_accounts,
            mail_interval,
            is_exempt: std::sync::Arc::new(move |address| exempt.iter().any(|network| network.contains(address))),
            ..DefenceSettings::default()
        }
    }

    /// Of whom a CAPTCHA is asked, and who is asked about it.
    pub fn captcha(&self) -> Option<CaptchaSettings> {
        let mode = match self.captcha {
            CaptchaWanted::Off => return None,
            CaptchaWanted::Always => CaptchaMode::Always,
            CaptchaWanted::Suspicious => CaptchaMode::Suspicious,
        };
        let provider = match self.captcha_provider {
            CaptchaOf::HCaptcha => CaptchaProvider::HCaptcha,
            CaptchaOf::Turnstile => CaptchaProvider::Turnstile,
        };
        Some(CaptchaSettings {
            mode,
            url: self.captcha_url.as_ref().map_or(provider.url(), |url| url.0.expose()).to_owned(),
            secret: self.captcha_secret.as_ref().map_or(Secret::new(""), |secret| secret.0.clone()),
            timeout: Duration::from_millis(self.captcha_timeout_ms.into()),
        })
    }

    /// Where attacks are told, and what signs it.
    pub fn webhook(&self) -> Result<Option<(&str, WebhookKey)>, Wrong> {
        Ok(self.webhook_url.as_ref().map(|url| url.0.expose()).zip(self.webhook_key()?))
    }

    fn webhook_key(&self) -> Result<Option<WebhookKey>, Wrong> {
        let wrong = |error: login::WebhookError| ("auth.defence.webhook_secret", error.to_string());
        self.webhook_secret.as_ref().map(|secret| WebhookKey::read(&secret.0)).transpose().map_err(wrong)
    }
}

/// The most that `spray_accounts` may be.
#[allow(clippy::cast_possible_truncation, reason = "it is a constant below 256")]
const MOST_SPRAYED: u32 = login::MOST_SPRAY_ACCOUNTS as u32;

fn is_missing(secret: Option<&SecretText>) -> bool {
    secret.is_none_or(|secret| secret.0.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::Prepared;
    use super::super::load::{Sources, load};

    fn prepare(file: &str) -> Result<Prepared, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, format!("[auth.defence]\n{file}")).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).map_err(|error| error.to_string())?;
        Prepared::new(&loaded, None).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (file, expected) in [
            (
                "account_guesses = 1",
                "pando.toml:2:1: auth.defence.account_guesses is 1; it has to be from 2 to 1000000",
            ),
            ("captcha = \"always\"", "auth.defence.captcha needs the site's secret"),
            ("captcha_url = \"example.com\"", "auth.defence.captcha_url has to be an address like https://"),
            ("captcha_secret = \"\"\ncaptcha = \"always\"", "auth.defence.captcha needs the site's secret"),
            (
                "enabled = false\ncaptcha = \"suspicious\"\ncaptcha_secret = \"secret text\"",
                "auth.defence.captcha is suspicious while auth.defence.enabled is false",
            ),
            (
                "captcha_url = \"http://secret text@example.com\"",
                "auth.defence.captcha_url has to be an address like https://",
            ),
            ("spray_accounts = 52", "auth.defence.spray_accounts is 52; it has to be from 2 to 51"),
            ("webhook_url = \"https://example.com\"", "auth.defence.webhook_url needs what signs its messages"),
            ("webhook_secret = \"secret text\"", "auth.defence.webhook_secret signs nothing without an address"),
            (
                "webhook_url = \"https://example.com\"\nwebhook_secret = \"secret text\"",
                "auth.defence.webhook_secret has to be whsec_",
            ),
            (
                "webhook_url = \"http://example.com/secret text\"",
                "auth.defence.webhook_url has to be an address like https://",
            ),
        ] {
            let error = prepare(file).unwrap_err();
            assert!(error.contains(expected), "{file}: {error}");
            assert!(!error.contains("secret text"), "{error}");
        }
        let told = "webhook_url = \"https://user:hunter2@example.com/hunter3\"\n\
                    webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                    captcha_url = \"https://example.com/hunter4\"";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, format!("[auth.defence]\n{told}")).unwrap();
        let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
        let mut page = Vec::new();
        super::super::show::show(&loaded, crate::terminal::Style::PLAIN, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("webhook_url = \"(hidden)\"") && !page.contains("hunter"), "{page}");
        assert_eq!(prepare("").unwrap().warnings, prepare("captcha = \"off\"").unwrap().warnings);
        let warnings = prepare("enabled = false").unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.starts_with("auth.defence.enabled")), "{warnings:?}");
    }
}
