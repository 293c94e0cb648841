//! Signing in with other providers, by OpenID Connect: the authorization code flow with PKCE on both sides, and nothing else.
//!
//! - **Nothing happens before who began ends it.** What a provider says of somebody is kept, sealed, until the client brings the
//!   code together with its PKCE verifier; only then is an account made, linked or signed in. So a stranger's callback in
//!   somebody's browser signs nobody in and links nothing, without a cookie, which `linkIdentity` could not set.
//! - **The state is sealed** (AES-GCM) and tells how the flow began, so that beginning one writes nothing. It counts for
//!   ten minutes and once: its row of `auth.flow_state` is made when it comes back, and stays until nobody could bring it again.
//! - **A provider is believed about itself alone**: its issuer is compared with the answer's `iss`, the token's and the document's,
//!   its keys come from the address in that document, and an address of mail counts where it says that it verified it.
//!
//! `identity` verifies signatures with what verifies our own tokens. The crate `openidconnect` would bring a second set of
//! cryptographic crates and a second opinion of JOSE, to save the two hundred lines of `provider.rs` and `id_token.rs`.

mod decision;
mod http;
mod id_token;
mod kept;
mod profile;
mod provider;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Clock;

pub(crate) use decision::{Decision, Rules, check_issuer, decide, doubt, name_providers, trust, unverified};
pub(crate) use http::word;
pub(crate) use id_token::{LEEWAY, Nonce, hashed};
pub(crate) use kept::{Begun, Brought, Link, PURPOSE};
pub(crate) use profile::Profile;
pub(crate) use provider::{Provider, ProviderError};
pub use settings::{MOST_PROVIDERS, NotAProvider, ProviderSettings, openid_issuer};
pub(crate) use settings::{MOST_SCOPES, is_loopback, is_scope};

use crate::error::{Outcome, Refusal};

/// The providers, by their names.
#[derive(Default)]
pub(crate) struct Providers {
    all: BTreeMap<String, Arc<Provider>>,
}

impl Providers {
    /// Makes them ready; nobody is asked before somebody signs in.
    pub(crate) fn open(settings: &[ProviderSettings], clock: &Arc<dyn Clock>) -> Outcome<Self> {
        let mut all = BTreeMap::new();
        for one in settings {
            all.insert(one.name.clone(), Arc::new(Provider::open(one.clone(), clock.clone())?));
        }
        Ok(Self { all })
    }

    /// The provider with this name, as GoTrue refuses others.
    pub(crate) fn get(&self, name: &str) -> Outcome<&Arc<Provider>> {
        let known = self.all.get(&name.to_ascii_lowercase());
        known.ok_or_else(|| Refusal::invalid("Unsupported provider: provider is not enabled"))
    }

    /// The one with this name or, where clients name the issuer instead, with that.
    pub(crate) fn find(&self, name: Option<&str>, issuer: Option<&str>) -> Outcome<&Arc<Provider>> {
        let by_issuer = || self.all.values().find(|one| issuer == Some(one.settings.issuer.as_str()));
        let known = match name {
            Some(name) => self.all.get(&name.to_ascii_lowercase()),
            None => by_issuer(),
        };
        known.ok_or_else(|| Refusal::bad_request("provider_disabled", "Provider is not enabled"))
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }
}
