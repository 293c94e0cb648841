//! What anybody may know: health, settings, keys.

use serde_json::{Value, json};

use crate::error::Outcome;
use crate::outgoing::Reply;
use crate::room::Inner;

/// For how many seconds the key set may be kept by who reads it: less than a new key is published before it signs.
const KEYS_SECONDS: u32 = 300;

impl Inner {
    /// `health`
    pub(crate) fn health(&self) -> Reply {
        Reply::json(&json!({
            "name": "GoTrue",
            "version": concat!("pando-", env!("CARGO_PKG_VERSION")),
            "description": "Pando's login, in GoTrue's protocol",
        }))
    }

    /// `settings`
    pub(crate) fn public_settings(&self) -> Reply {
        let settings = &self.settings;
        let mut external: serde_json::Map<String, Value> = [
            "apple",
            "azure",
            "bitbucket",
            "discord",
            "facebook",
            "figma",
            "fly",
            "github",
            "gitlab",
            "google",
            "kakao",
            "keycloak",
            "linkedin",
            "linkedin_oidc",
            "notion",
            "phone",
            "slack",
            "slack_oidc",
            "snapchat",
            "spotify",
            "twitch",
            "twitter",
            "workos",
            "zoom",
        ]
        .map(|name| (name.to_owned(), Value::from(false)))
        .into_iter()
        .collect();
        external.insert("email".to_owned(), true.into());
        external.insert("anonymous_users".to_owned(), settings.allow_anonymous.into());
        Reply::json(&json!({
            "external": external,
            "disable_signup": !settings.allow_signup,
            "mailer_autoconfirm": !settings.confirm_email,
            "phone_autoconfirm": false,
            "sms_provider": "",
            "saml_enabled": false,
        }))
    }

    /// `.well-known/jwks.json`
    pub(crate) fn key_set(&self) -> Outcome<Reply> {
        Ok(Reply::public(&self.keys.read().clone().public()?, KEYS_SECONDS))
    }

    /// `.well-known/openid-configuration`: where the keys are, for servers that look for them there.
    pub(crate) fn discovery(&self) -> Reply {
        let url = &self.settings.external_url;
        let body = json!({
            "issuer": self.settings.issuer,
            "jwks_uri": format!("{url}/.well-known/jwks.json"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
        });
        Reply::public(&body, KEYS_SECONDS)
    }
}
