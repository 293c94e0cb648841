//! `[auth.login.providers.<name>]`: a table for each provider, inside of one setting.

use std::collections::BTreeMap;

use base::Secret;
use login::{MOST_PROVIDERS, ProviderSettings, openid_issuer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::load::suggestion;
use super::login::Wrong;
use super::sections::SecretText;
use super::setting::{Kind, Setting};

/// The setting's name.
const NAME: &str = "auth.login.providers";

/// What the variable of a provider's secret begins and ends with; between them is its name.
const PREFIX: &str = "PANDO_AUTH_LOGIN_PROVIDERS_";
const SUFFIX: &str = "_CLIENT_SECRET";

/// With whom else people sign in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSection {
    /// The issuer, exactly as the provider writes it; below it is `.well-known/openid-configuration`. `google`, `apple`, `gitlab`,
    /// `linkedin_oidc` and `slack_oidc` have one by their names.
    pub issuer: Option<String>,
    /// Who you are there. Needed.
    pub client_id: String,
    /// The secret for it, by `PANDO_AUTH_LOGIN_PROVIDERS_<NAME>_CLIENT_SECRET` as well. A public client has none.
    pub client_secret: Option<SecretText>,
    /// What is asked for besides `openid`. Default: `["email", "profile"]`, of Apple `["email", "name"]`.
    pub scopes: Option<Vec<String>>,
    /// Further audiences of ID tokens that clients bring (`signInWithIdToken`): the client ids of your apps on devices.
    pub audiences: Vec<String>,
    /// Whether somebody without an account gets one. Default: `true`; `auth.login.signup` has to allow it as well.
    pub signup: bool,
    /// Whether an ID token need not name the nonce, for providers that leave it out.
    pub skip_nonce_check: bool,
    /// Whether its addresses count as verified though it does not say so: for a provider that gives nobody an address that is not
    /// theirs. Whoever can choose an address there takes over the account that has it here.
    pub trust_email: bool,
    /// The claim with the address. Another than `email` needs `trust_email`. Default: `email`.
    pub email_claim: String,
    /// The claim with the name. Default: `name`.
    pub name_claim: String,
}

impl Default for ProviderSection {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: String::new(),
            client_secret: None,
            scopes: None,
            audiences: Vec::new(),
            signup: true,
            skip_nonce_check: false,
            trust_email: false,
            email_claim: "email".to_owned(),
            name_claim: "name".to_owned(),
        }
    }
}

impl ProviderSection {
    fn settings(&self, name: &str) -> Result<ProviderSettings, String> {
        let issuer = match self.issuer.as_deref().filter(|issuer| !issuer.is_empty()) {
            Some(issuer) => issuer,
            None => openid_issuer(name).map_err(|error| error.to_string())?,
        };
        let usual =
            || if name == "apple" { ["email", "name"] } else { ["email", "profile"] }.map(str::to_owned).to_vec();
        let secret = self.client_secret.as_ref().map(|secret| secret.0.clone());
        let settings = ProviderSettings {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: self.client_id.clone(),
            client_secret: secret.filter(|secret: &Secret| !secret.expose().is_empty()),
            scopes: self.scopes.clone().unwrap_or_else(usual),
            audiences: self.audiences.clone(),
            allow_signup: self.signup,
            skip_nonce_check: self.skip_nonce_check,
            trust_email: self.trust_email,
            email_claim: self.email_claim.clone(),
            name_claim: self.name_claim.clone(),
        };
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }
}

/// What all of them mean.
pub fn providers(sections: &BTreeMap<String, ProviderSection>) -> Result<Vec<ProviderSettings>, Wrong> {
    if sections.len() > MOST_PROVIDERS {
        return Err((NAME, format!("has {} providers; at most {MOST_PROVIDERS} are possible", sections.len())));
    }
    let mut variables: Vec<(String, &String)> = sections.keys().map(|name| (variable(name), name)).collect();
    variables.sort_unstable();
    let mut pairs = variables.iter().zip(variables.iter().skip(1));
    if let Some((one, other)) = pairs.find(|(one, other)| one.0 == other.0) {
        let problem =
            format!("has {} and {}, whose secrets would be one and the same variable {}", one.1, other.1, one.0);
        return Err((NAME, format!("{problem}: rename one")));
    }
    let each = |(name, section): (&String, &ProviderSection)| {
        section.settings(name).map_err(|problem| (NAME, format!("has {name}, which {problem}")))
    };
    sections.iter().map(each).collect()
}

/// What is wrong with a table of tables: never a value of it, which may be a secret.
pub fn problem(setting: &Setting, value: &Value) -> Option<String> {
    let (Kind::Tables(members), Value::Object(tables)) = (&setting.kind, value) else { return None };
    for (table, found) in tables {
        let place = format!("{}.{table}", setting.name());
        let Value::Object(found) = found else { return Some(format!("{place} has to be a table")) };
        for (member, value) in found {
            if !members.iter().any(|(known, _)| known == member) {
                let near = suggestion(member, members.iter().map(|(known, _)| known.clone()), |near| near.to_owned());
                return Some(format!("{place} has no {member}{near}"));
            }
            if !setting.accepts(&json!({ table: { member: value } })) {
                return Some(format!("{place}.{member} is of another type than it has to be"));
            }
        }
    }
    None
}

/// The variable with the secret of a provider.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}{SUFFIX}", name.to_uppercase().replace('-', "_"))
}

/// Puts a secret of the environment, `PANDO_AUTH_LOGIN_PROVIDERS_<NAME>_CLIENT_SECRET`, to its provider. `None` where the
/// variable is another; otherwise whether there is such a provider.
pub fn put_secret(variable: &str, text: &str, values: &mut Map<String, Value>) -> Option<bool> {
    variable.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let section = values.get_mut("auth.login").and_then(|section| section.get_mut("providers"));
    let tables = section.and_then(Value::as_object_mut).into_iter().flatten();
    let mut is_known = false;
    for (table, members) in tables {
        if self::variable(table) == variable
            && let Value::Object(members) = members
        {
            members.insert("client_secret".to_owned(), text.into());
            is_known = true;
        }
    }
    Some(is_known)
}

#[cfg(test)]
mod tests {
    use super::super::load::{Loaded, Sources, load};
    use super::super::{ConfigError, Prepared};

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        load(&Sources { file: Some(path), environment, ..Sources::default() })
    }

    #[test]
    fn tables_inside_of_a_section() {
        let file = "[auth.login.providers.google]\nclient_id = \"us\"\nclient_secret = \"hunter2\"\n\
                    [auth.login.providers.my-idp]\nissuer = \"https://idp.example.com\"\nclient_id = \"us\"\nscopes = [\"email\"]";
        let loaded = read(file, &[("PANDO_AUTH_LOGIN_PROVIDERS_MY_IDP_CLIENT_SECRET", "hunter3")]).unwrap();
        let all = loaded.config.login.settings("127.0.0.1:8000", None, None).unwrap().providers;
        let shown: Vec<_> = all
            .iter()
            .map(|one| (one.issuer.as_str(), one.client_secret.as_ref().unwrap().expose(), one.scopes.len()))
            .collect();
        assert_eq!(shown, [("https://accounts.google.com", "hunter2", 2), ("https://idp.example.com", "hunter3", 1)]);
        let mut page = Vec::new();
        super::super::show::show(&loaded, crate::terminal::Style::PLAIN, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("https://idp.example.com") && !page.contains("hunter"), "{page}");
    }

    #[test]
    fn what_is_wrong_is_told_without_secrets() {
        for (table, expected) in [
            ("client_idd = \"hunter2\"", "auth.login.providers.google has no client_idd; did you mean client_id?"),
            ("client_secret = 42424242", "auth.login.providers.google.client_secret is of another type"),
            ("signup = \"hunter2\"", "auth.login.providers.google.signup is of another type"),
            ("client_id = \"\"", "has google, which has no client_id"),
            ("client_id = \"us\"\nissuer = \"http://idp.example.com\"", "an https:// address"),
        ] {
            let file = format!("[auth.login.providers.google]\n{table}");
            let error = read(&file, &[]).and_then(|loaded| Prepared::new(&loaded, None)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("42424242"), "{error}");
        }
        let two = ["my-idp", "my_idp"].map(|name| {
            format!("[auth.login.providers.{name}]\nissuer = \"https://{name}.example.com\"\nclient_id = \"us\"\n")
        });
        let error = read(&two.concat(), &[]).and_then(|loaded| Prepared::new(&loaded, None)).unwrap_err().to_string();
        assert!(error.contains("has my-idp and my_idp, whose secrets would be"), "{error}");
        let file = "[auth.login.providers.github]\nclient_id = \"us\"";
        let error = read(file, &[]).and_then(|loaded| Prepared::new(&loaded, None)).unwrap_err().to_string();
        assert!(error.contains("github, which speaks no OpenID Connect"), "{error}");
        let error =
            read("", &[("PANDO_AUTH_LOGIN_PROVIDERS_GOOGLE_CLIENT_SECRET", "hunter2")]).unwrap_err().to_string();
        assert!(error.contains("there is no such provider") && !error.contains("hunter2"), "{error}");
    }
}
