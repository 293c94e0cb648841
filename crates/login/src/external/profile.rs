use serde_json::{Map, Value};

use super::settings::ProviderSettings;
use crate::incoming;

/// The claims that an identity keeps (OpenID Connect Core 1.0 section 5.1), besides address and name.
const KEPT: [&str; 8] =
    ["preferred_username", "nickname", "given_name", "family_name", "picture", "profile", "website", "locale"];

/// The most bytes of one of them; longer ones are left out. Every access token carries them.
const MOST_BYTES: usize = 1_024;

/// What a provider says of somebody.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    /// Who it is there.
    pub(crate) subject: String,
    /// The address, in lower case.
    pub(crate) email: Option<String>,
    /// Whether the provider knows that the address is theirs.
    pub(crate) is_verified: bool,
    /// What `identity_data` is.
    pub(crate) data: Map<String, Value>,
}

impl Profile {
    /// Reads the claims of a token, and of the provider's answer to who it is.
    pub(crate) fn of(settings: &ProviderSettings, subject: &str, claims: &Map<String, Value>) -> Self {
        let text = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| (1..=MOST_BYTES).contains(&text.len()) && !text.contains('\0'))
        };
        let email = text(&settings.email_claim).and_then(|text| incoming::email(text).ok());
        // Apple writes it as text.
        let is_said = match claims.get("email_verified") {
            Some(Value::Bool(is_verified)) => *is_verified,
            Some(Value::String(word)) => word == "true",
            _ => false,
        };
        // What it says of one claim says nothing of another that the operator chose.
        let is_said = is_said && settings.email_claim == "email";
        let is_verified = email.is_some() && (is_said || settings.trust_email);
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| {
            data.insert(name.to_owned(), value);
        };
        put("iss", settings.issuer.as_str().into());
        put("sub", subject.into());
        put("provider_id", subject.into());
        if let Some(email) = &email {
            put("email", email.as_str().into());
        }
        put("email_verified", is_verified.into());
        put("phone_verified", false.into());
        if let Some(name) = text(&settings.name_claim) {
            put("name", name.into());
            put("full_name", name.into());
        }
        if let Some(picture) = text("picture") {
            put("avatar_url", picture.into());
        }
        for name in KEPT {
            if let Some(value) = text(name) {
                put(name, value.into());
            }
        }
        Self { subject: subject.to_owned(), email, is_verified, data }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::provider_settings;

    fn of(claims: &Value, settings: &ProviderSettings) -> Profile {
        Profile::of(settings, "7", claims.as_object().unwrap())
    }

    #[test]
    fn an_address_counts_where_the_provider_verified_it() {
        let settings = provider_settings("https://idp.example");
        for (claims, email, is_verified) in [
            (json!({"email": "Mina@Example.com", "email_verified": true}), Some("mina@example.com"), true),
            (json!({"email": "mina@example.com", "email_verified": "true"}), Some("mina@example.com"), true),
            (json!({"email": "mina@example.com", "email_verified": false}), Some("mina@example.com"), false),
            (json!({"email": "mina@example.com", "email_verified": "yes"}), Some("mina@example.com"), false),
            (json!({"email": "mina@example.com", "email_verified": 1}), Some("mina@example.com"), false),
            (json!({"email": "mina@example.com"}), Some("mina@example.com"), false),
            (json!({"email": "no address", "email_verified": true}), None, false),
            (json!({"email": ["mina@example.com"], "email_verified": true}), None, false),
            (json!({"email_verified": true}), None, false),
        ] {
            let profile = of(&claims, &settings);
            assert_eq!((profile.email.as_deref(), profile.is_verified), (email, is_verified), "{claims}");
            assert_eq!(profile.data["email_verified"], is_verified);
        }
        let trusting = ProviderSettings { trust_email: true, ..settings.clone() };
        assert!(of(&json!({"email": "mina@example.com"}), &trusting).is_verified);
        assert!(!of(&json!({}), &trusting).is_verified, "no address");
        let other = ProviderSettings { email_claim: "upn".to_owned(), ..settings };
        let profile = of(&json!({"upn": "mina@example.com", "email": "a@b.co", "email_verified": true}), &other);
        assert_eq!((profile.email.as_deref(), profile.is_verified), (Some("mina@example.com"), false));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let settings = provider_settings("https://idp.example");
        let long = "x".repeat(MOST_BYTES + 1);
        let profile =
            of(&json!({"name": "Mina", "picture": long, "nickname": "m\0", "groups": ["a"], "locale": 7}), &settings);
        assert_eq!(profile.data["full_name"], "Mina");
        for left_out in ["picture", "avatar_url", "nickname", "groups", "locale", "email"] {
            assert!(!profile.data.contains_key(left_out), "{left_out}");
        }
    }
}
