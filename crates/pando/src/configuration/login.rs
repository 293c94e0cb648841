//! `[auth.login]` and `[auth.mail]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base::Secret;
use login::{MailKind, RedirectPattern, SmtpSecurity, SmtpSettings, Template, Templates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Loaded;
use super::providers::{ProviderSection, providers};
use super::sections::SecretText;

/// The most hours that a session may be bound to: ten years.
const MOST_SESSION_HOURS: u32 = 87_600;

/// `[auth.login]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoginSection {
    /// Whether people can sign in at `/auth/v1`, as the clients of Supabase do it. Its tables are in the schema `auth`, and those
    /// of a Supabase database are used as they are.
    pub enabled: LoginEnabled,
    /// Where the application is. Links of mails lead there, or to a place below it that a request names.
    pub site_url: String,
    /// Where clients reach the login, for example `https://api.example.com/auth/v1`: what links of mails begin with, and the issuer
    /// of tokens where `auth.issuer` names none. Without it `server.listen` is taken.
    pub external_url: Option<String>,
    /// Further places that links may lead to: `https://app.example.com/**`. `*` stands for a part of a host's label or of a
    /// path's segment, `**` for any rest of a path.
    pub redirect_urls: Vec<String>,
    /// Whether an address has to be confirmed by a link or code of a mail before its account can be used.
    pub confirm_email: bool,
    /// Whether anybody may make an account. Otherwise only operators do.
    pub signup: bool,
    /// Whether accounts without address and password can be made (`signInAnonymously`).
    pub anonymous: bool,
    /// How many seconds an access token counts. A session goes on with refresh tokens.
    pub access_token_seconds: u32,
    /// How many hours a session goes on at most, however it is used; 0 for until it is signed out.
    pub session_hours: u32,
    /// How many hours a session goes on without its token being refreshed; 0 for until it is signed out.
    pub idle_session_hours: u32,
    /// How many seconds a link or code of a mail counts.
    pub one_time_token_seconds: u32,
    /// The digits of a code, 6 to 10.
    pub code_digits: u8,
    /// How many seconds have to be between two mails to the same address.
    pub mail_interval_seconds: u32,
    /// Whether the former address has to agree to a change as well.
    pub confirm_change_twice: bool,
    /// Whether a new password needs a code from a mail, when the session is older than a day.
    pub reauthenticate_for_password: bool,
    /// Whether who is signed in may add and remove ways to sign in (`linkIdentity`, `unlinkIdentity`).
    pub linking: bool,
    /// With whom else people can sign in, by OpenID Connect: a table for each, `[auth.login.providers.google]`. Their address to
    /// come back to is `external_url` with `/callback`.
    pub providers: BTreeMap<String, ProviderSection>,
}

/// Whether people can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoginEnabled {
    /// Where its tables are there or can be made, and there is a secret; a PostgreSQL server where that is not so is served without,
    /// with a line in the log.
    Auto,
    /// Yes; where its tables cannot be made or there is no secret, the start is refused.
    On,
    /// No: `/auth/v1` is answered 404.
    Off,
}

impl Default for LoginSection {
    fn default() -> Self {
        Self {
            enabled: LoginEnabled::Auto,
            site_url: "http://localhost:3000".to_owned(),
            external_url: None,
            redirect_urls: Vec::new(),
            confirm_email: true,
            signup: true,
            anonymous: false,
            access_token_seconds: 3_600,
            session_hours: 0,
            idle_session_hours: 0,
            one_time_token_seconds: 3_600,
            code_digits: 6,
            mail_interval_seconds: 60,
            confirm_change_twice: true,
            reauthenticate_for_password: false,
            linking: true,
            providers: BTreeMap::new(),
        }
    }
}

/// `[auth.mail]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MailSection {
    /// The SMTP server that takes mail. Empty writes mails to standard error instead, for development.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection to it is protected.
    pub security: MailSecurity,
    /// The name to log in with, where it asks for one.
    pub user: Option<String>,
    /// The password for it.
    pub password: Option<SecretText>,
    /// Who mails are from: `Gym <hello@example.com>`.
    pub from: String,
    /// Subjects of mails instead of the usual ones, by mail: `confirmation`, `magic_link`, `recovery`, `email_change`, `invite`,
    /// `reauthentication`.
    pub subjects: BTreeMap<String, String>,
    /// Files of HTML instead of the usual texts, by mail, relative to the folder of `pando.toml`. Places are `{{ .ConfirmationURL }}`,
    /// `{{ .Token }}`, `{{ .TokenHash }}`, `{{ .SiteURL }}`, `{{ .RedirectTo }}`, `{{ .Email }}` and `{{ .NewEmail }}`.
    pub templates: BTreeMap<String, String>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// It begins plain and has to become TLS, usually at port 587.
    StartTls,
    /// TLS from the first byte, usually at port 465.
    Tls,
    /// Not at all: for a server on the same machine.
    None,
}

impl Default for MailSection {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            security: MailSecurity::StartTls,
            user: None,
            password: None,
            from: "Pando <no-reply@localhost>".to_owned(),
            subjects: BTreeMap::new(),
            templates: BTreeMap::new(),
        }
    }
}

/// What is wrong with a setting: its name, and what.
pub type Wrong = (&'static str, String);

impl LoginSection {
    /// What the settings mean. `listen` is where the API is reached where nothing else is said.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn settings(
        &self,
        listen: &str,
        audience: Option<&str>,
        issuer: Option<&str>,
    ) -> Result<login::Settings, Wrong> {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let hours = |count: u32| (count > 0).then(|| Duration::from_hours(count.into()));
        let site_url = self
            .site_url
            .parse()
            .map_err(|error| ("auth.login.site_url", format!("is no address like https://app.example.com: {error}")))?;
        let external_url = match &self.external_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{listen}/auth/v1"),
        };
        if !(external_url.starts_with("http://") || external_url.starts_with("https://")) {
            return Err((
                "auth.login.external_url",
                "has to be an address like https://api.example.com/auth/v1".to_owned(),
            ));
        }
        if !(6..=10).contains(&self.code_digits) {
            return Err(("auth.login.code_digits", format!("is {}; it has to be from 6 to 10", self.code_digits)));
        }
        for (name, value, most) in [
            ("auth.login.access_token_seconds", self.access_token_seconds, 604_800),
            ("auth.login.one_time_token_seconds", self.one_time_token_seconds, 86_400),
        ] {
            if !(60..=most).contains(&value) {
                return Err((name, format!("is {value}; it has to be from 60 to {most}")));
            }
        }
        for (name, value) in [
            ("auth.login.session_hours", self.session_hours),
            ("auth.login.idle_session_hours", self.idle_session_hours),
        ] {
            if value > MOST_SESSION_HOURS {
                return Err((name, format!("is {value}; it may be at most {MOST_SESSION_HOURS}")));
            }
        }
        let redirect_patterns = self
            .redirect_urls
            .iter()
            .map(|url| url.parse::<RedirectPattern>().map_err(|error| ("auth.login.redirect_urls", error.to_string())))
            .collect::<Result<_, Wrong>>()?;
        Ok(login::Settings {
            site_url,
            issuer: issuer.unwrap_or(&external_url).to_owned(),
            external_url,
            redirect_patterns,
            confirm_email: self.confirm_email,
            allow_signup: self.signup,
            allow_anonymous: self.anonymous,
            access_token: seconds(self.access_token_seconds),
            session: hours(self.session_hours),
            idle_session: hours(self.idle_session_hours),
            one_time_token: seconds(self.one_time_token_seconds),
            code_digits: self.code_digits,
            mail_interval: seconds(self.mail_interval_seconds),
            confirm_change_twice: self.confirm_change_twice,
            reauthenticate_for_password: self.reauthenticate_for_password,
            audience: audience.unwrap_or("authenticated").to_owned(),
            allow_linking: self.linking,
            providers: providers(&self.providers)?,
        })
    }
}

impl MailSection {
    /// The mail server; `None` where mails go to the console.
    pub fn smtp(&self) -> Option<SmtpSettings> {
        if self.host.is_empty() {
            return None;
        }
        let password = || self.password.as_ref().map_or(Secret::new(""), |password| password.0.clone());
        Some(SmtpSettings {
            host: self.host.clone(),
            port: self.port,
            security: match self.security {
                MailSecurity::StartTls => SmtpSecurity::StartTls,
                MailSecurity::Tls => SmtpSecurity::Tls,
                MailSecurity::None => SmtpSecurity::None,
            },
            credentials: self.user.clone().map(|user| (user, password())),
            from: self.from.clone(),
        })
    }

    /// What mails say.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn texts(&self, loaded: &Loaded) -> Result<Templates, Wrong> {
        let mut templates = Templates::default();
        for name in self.subjects.keys().chain(self.templates.keys()) {
            let setting = if self.subjects.contains_key(name) { "auth.mail.subjects" } else { "auth.mail.templates" };
            let kind =
                MailKind::of(name).ok_or_else(|| (setting, format!("has {name:?}, and there is no such mail")))?;
            let html = match self.templates.get(name) {
                Some(file) => Some(read(&loaded.path(Path::new(file)))?),
                None => None,
            };
            let template = Template::instead_of(kind, self.subjects.get(name).cloned(), html);
            templates.set(kind, template.map_err(|error| (setting, format!("{name}: {error}")))?);
        }
        Ok(templates)
    }
}

fn read(path: &Path) -> Result<String, Wrong> {
    std::fs::read_to_string(path)
        .map_err(|error| ("auth.mail.templates", format!("names {}, which cannot be read: {error}", path.display())))
}
