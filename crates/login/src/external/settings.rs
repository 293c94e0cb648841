use base::Secret;
use url::{Host, Url};

/// The most providers. Each costs a client with its own pool of connections.
pub const MOST_PROVIDERS: usize = 32;

/// The most scopes that are asked for, by settings and request together.
pub(crate) const MOST_SCOPES: usize = 50;

/// Somebody who says who people are, as the operator describes it.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name in requests and identities: `google`, `keycloak`.
    pub name: String,
    /// Its issuer (OpenID Connect Discovery 1.0), exactly as its tokens have it in `iss`.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; `None` for a public client, which proves itself by PKCE alone.
    pub client_secret: Option<Secret>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// Further audiences of ID tokens that clients bring: of the same application on other devices.
    pub audiences: Vec<String>,
    /// Whether somebody without an account gets one.
    pub allow_signup: bool,
    /// Whether an ID token need not name the nonce. For providers that leave it out.
    pub skip_nonce_check: bool,
    /// Whether its addresses count as verified though it does not say so.
    pub trust_email: bool,
    /// The claim with the address.
    pub email_claim: String,
    /// The claim with the name.
    pub name_claim: String,
}

/// Why a provider cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAProvider(String);

/// The issuer of a provider that has one for everybody. `Err` says of a well-known name why it has none.
///
/// # Errors
/// [`NotAProvider`]: what to do instead.
pub fn openid_issuer(name: &str) -> Result<&'static str, NotAProvider> {
    let wrong = |text: &str| Err(NotAProvider(text.to_owned()));
    match name {
        "google" => Ok("https://accounts.google.com"),
        "apple" => Ok("https://appleid.apple.com"),
        "gitlab" => Ok("https://gitlab.com"),
        "linkedin_oidc" => Ok("https://www.linkedin.com/oauth"),
        "slack_oidc" => Ok("https://slack.com"),
        "azure" => {
            wrong("needs an issuer, which names your tenant: https://login.microsoftonline.com/<tenant id>/v2.0")
        }
        "keycloak" => wrong("needs an issuer: https://keycloak.example.com/realms/<realm>"),
        "bitbucket" | "discord" | "facebook" | "figma" | "fly" | "github" | "linkedin" | "notion" | "slack"
        | "snapchat" | "spotify" | "twitch" | "twitter" | "workos" | "zoom" => wrong(
            "speaks no OpenID Connect, and other sign-ins are not offered: put a server between that does (Keycloak, Dex, \
             Authentik) and name its issuer",
        ),
        _ => wrong("needs an issuer, the address below which it has .well-known/openid-configuration"),
    }
}

impl ProviderSettings {
    /// Looks for what is wrong before anybody signs in.
    ///
    /// # Errors
    /// [`NotAProvider`].
    pub fn check(&self) -> Result<(), NotAProvider> {
        let wrong = |text: String| Err(NotAProvider(text));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(is_name) {
            return wrong("has a name that is none: 1 to 32 of a-z, 0-9, _ and - are possible".to_owned());
        }
        if matches!(self.name.as_str(), "email" | "phone" | "anonymous" | "anonymous_users" | "sso" | "web3") {
            return wrong(format!("may not be called {}, which means another way to sign in", self.name));
        }
        let issuer = Url::parse(&self.issuer).ok().filter(|url| is_safe(url, true) && url.query().is_none());
        if issuer.is_none() {
            return wrong(format!("has the issuer {:?}; an https:// address without a query is needed", self.issuer));
        }
        let is_microsoft = self.issuer.starts_with("https://login.microsoftonline.com/");
        let is_shared = ["/common/", "/organizations/", "/consumers/"].iter().any(|part| self.issuer.contains(part));
        if is_microsoft && is_shared {
            // Whoever administrates any tenant could claim any address there.
            return wrong(
                "has an issuer of all tenants; name yours: https://login.microsoftonline.com/<tenant id>/v2.0"
                    .to_owned(),
            );
        }
        if self.client_id.is_empty() {
            return wrong("has no client_id".to_owned());
        }
        if self.scopes.len() > MOST_SCOPES || !self.scopes.iter().all(|scope| is_scope(scope)) {
            return wrong(format!("has scopes that are none, or more than {MOST_SCOPES}"));
        }
        if self.email_claim.is_empty() || self.name_claim.is_empty() {
            return wrong("has an empty email_claim or name_claim".to_owned());
        }
        Ok(())
    }

    /// Whether the answer has to come as a form: Apple gives an address to nobody else.
    pub(crate) fn posts_answer(&self) -> bool {
        self.issuer == "https://appleid.apple.com"
    }
}

/// Whether a text is one scope (RFC 6749 section 3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    let is_letter = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    (1..=200).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Whether what goes to an address is encrypted, or stays on this machine where that is allowed.
pub(crate) fn is_safe(url: &Url, allows_loopback: bool) -> bool {
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_encrypted = url.scheme() == "https" && url.host().is_some();
    is_plain && (is_encrypted || (allows_loopback && is_loopback(url)))
}

/// Whether an address is one of this machine, unencrypted.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, issuer: &str) -> ProviderSettings {
        ProviderSettings {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: "us".to_owned(),
            client_secret: None,
            scopes: vec!["email".to_owned()],
            audiences: Vec::new(),
            allow_signup: true,
            skip_nonce_check: false,
            trust_email: false,
            email_claim: "email".to_owned(),
            name_claim: "name".to_owned(),
        }
    }

    #[test]
    fn providers_that_cannot_be_used_are_told_why() {
        for (name, issuer) in [
            ("google", openid_issuer("google").unwrap()),
            ("azure", "https://login.microsoftonline.com/8a5e0c2a-0000-4000-8000-000000000000/v2.0"),
            ("my_idp-2", "https://idp.example.com/realms/x"),
            ("here", "http://127.0.0.1:9000"),
            ("here", "http://[::1]:9000/a"),
            ("here", "http://localhost:9000"),
        ] {
            assert_eq!(settings(name, issuer).check(), Ok(()), "{name} {issuer}");
        }
        for (name, issuer) in [
            ("Google", "https://accounts.google.com"),
            ("", "https://accounts.google.com"),
            ("email", "https://accounts.google.com"),
            ("a b", "https://accounts.google.com"),
            ("x", "http://idp.example.com"),
            ("x", "http://127.0.0.1.example.com"),
            ("x", "https://user@idp.example.com"),
            ("x", "https://idp.example.com/?a=b"),
            ("x", "https://idp.example.com/#a"),
            ("x", "ftp://idp.example.com"),
            ("x", "idp.example.com"),
            ("azure", "https://login.microsoftonline.com/common/v2.0"),
            ("azure", "https://login.microsoftonline.com/organizations/v2.0"),
        ] {
            assert!(settings(name, issuer).check().is_err(), "{name} {issuer}");
        }
        assert!(ProviderSettings { client_id: String::new(), ..settings("x", "https://x.example") }.check().is_err());
        let scopes = vec!["a b".to_owned()];
        assert!(ProviderSettings { scopes, ..settings("x", "https://x.example") }.check().is_err());
        assert!(openid_issuer("github").unwrap_err().to_string().contains("no OpenID Connect"));
        assert!(openid_issuer("keycloak").is_err() && openid_issuer("mine").is_err());
    }
}
