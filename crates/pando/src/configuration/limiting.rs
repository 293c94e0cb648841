//! What the settings about policies, overload and shared counters mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base::{Limit, Network, Secret};
use cache::Keys;
use limits::{GateSettings, Policy, RateSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::effect::Check;
use super::sections::{Limits, SecretText};

/// `[cache]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Where the shared counters are: a Redis (from version 6.2) or Valkey server, `redis://user:password@host:6379`,
    /// `rediss://…` for TLS or `unix:///run/redis.sock`. Without it each node counts by itself, in its memory. Not a cluster.
    pub url: Option<SecretText>,
    /// A file with the only certificates (PEM) that a server behind `rediss://` is verified against, in place of those of the
    /// machine: for an authority of your own. Relative to the folder of `pando.toml`.
    pub ca_certificate: Option<PathBuf>,
    /// What hashes the names of counters, so that no address stands on the server. All nodes need the same. Without it the
    /// secret that verifies tokens serves, unless that is a JWK set.
    pub secret: Option<SecretText>,
    /// What comes before every key on the server, so that several projects can share it.
    pub prefix: String,
    /// How many milliseconds one operation on the server may take, before a node decides by itself.
    pub timeout_ms: u32,
    /// How many counters a node keeps in its memory, each about 100 bytes. When there are more, the lightest debts of a
    /// kind are kept together, as if all who owed them owed as much as the heaviest of them.
    pub max_entries: u32,
    /// The share of every bound that a node allows by itself while the server is gone, above 0 and at most 1: one divided by the
    /// number of nodes.
    pub local_share: f64,
}

impl Default for Cache {
    fn default() -> Self {
        let cache = cache::Config::default();
        Self {
            url: None,
            ca_certificate: None,
            secret: None,
            prefix: cache.prefix,
            timeout_ms: u32::try_from(cache.timeout.as_millis()).unwrap_or(u32::MAX),
            max_entries: u32::try_from(cache.max_entries).unwrap_or(u32::MAX),
            local_share: cache.local_share,
        }
    }
}

/// What is done when more is asked than can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overload {
    /// As much is let in as can be answered in time, and those who have signed in go first.
    Adaptive,
    /// Everything is let in, up to `limits.max_requests`.
    Off,
}

/// The policies that there are by default.
pub fn default_rates() -> BTreeMap<String, String> {
    limits::default_policies().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// What is given goes over the default policies, each by its name.
pub fn over_default_rates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut rates = default_rates();
    rates.extend(BTreeMap::<String, String>::deserialize(deserializer)?);
    Ok(rates)
}

/// The networks that no policy counts by default: this machine, and private ones, where proxies stand.
pub fn default_exempt_networks() -> Vec<String> {
    let networks = [
        "127.0.0.0/8",
        "::1",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "fe80::/10",
    ];
    networks.map(str::to_owned).to_vec()
}

/// The settings about limits, checked.
#[derive(Debug, Clone)]
pub struct Limiting {
    /// The policies.
    pub rates: RateSettings,
    /// The gate, unless it is off. How few it lets in depends on the database.
    pub gate: Option<GateSettings>,
    /// Shared counters, nobody being told of them yet.
    pub cache: cache::Config,
    /// What names them.
    pub keys: Keys,
    /// Whether that is this process' alone.
    pub is_keyed_by_chance: bool,
}

impl Check<'_> {
    /// Checks them. `token_secret` is what verifies tokens: all nodes have it, so it may name counters as well.
    pub(super) fn limiting(&mut self, token_secret: Option<&Secret>) -> Limiting {
        let config = &self.loaded().config;
        let (limits, cache) = (&config.limits, &config.cache);
        let secret = cache.secret.as_ref().map(|secret| &secret.0).or(token_secret);
        if secret.is_none() && cache.url.is_some() {
            self.problem("cache.url", "needs a secret that all nodes share, to name counters with: set cache.secret");
        }
        if let Some(url) = &cache.url
            && let Err(error) = cache::check_url(url.0.expose())
        {
            self.problem("cache.url", format!("is not usable: {error}"));
        }
        if cache.ca_certificate.is_some() && cache.url.as_ref().is_none_or(|url| !url.0.expose().starts_with("rediss:"))
        {
            self.problem("cache.ca_certificate", "is for a server with TLS: cache.url has to begin with rediss://");
        }
        if limits.role_statement_timeout_seconds.values().any(|seconds| *seconds == 0) {
            self.problem("limits.role_statement_timeout_seconds", "has to give every role at least 1");
        }
        for (name, value) in [("cache.timeout_ms", cache.timeout_ms), ("cache.max_entries", cache.max_entries)] {
            if value == 0 {
                self.problem(name, "has to be at least 1");
            }
        }
        if !(cache.local_share > 0.0 && cache.local_share <= 1.0) {
            let text = format!("has to be above 0 and at most 1, it is {}", cache.local_share);
            self.problem("cache.local_share", text);
        }
        let rates = RateSettings {
            policies: self.policies(limits),
            exempt_networks: self.exempt_networks(limits),
            exempt_roles: limits.exempt_roles.clone(),
            max_query_cost: Limit::new("limits.max_query_cost", limits.max_query_cost),
        };
        let gate = (limits.overload == Overload::Adaptive).then(|| GateSettings {
            target: Duration::from_millis(u64::from(limits.queue_target_ms)),
            fewest: self.fewest(),
            most: limits.max_requests,
            system_roles: limits.system_roles.clone(),
            anonymous_role: config.api.anonymous_role.clone(),
            exempt_networks: rates.exempt_networks.clone(),
        });
        let cache = cache::Config {
            url: cache.url.as_ref().map(|url| url.0.clone()),
            authority: cache.ca_certificate.as_ref().map(|file| self.loaded().path(file)),
            timeout: Duration::from_millis(u64::from(cache.timeout_ms)),
            prefix: cache.prefix.clone(),
            max_entries: usize::try_from(cache.max_entries).unwrap_or(usize::MAX),
            local_share: cache.local_share,
            listener: cache::Listener::default(),
        };
        let is_keyed_by_chance = secret.is_none();
        let keys = Keys::new(&secret.cloned().unwrap_or_else(|| self.secret_of_process()));
        Limiting { rates, gate, cache, keys, is_keyed_by_chance }
    }

    /// Without a server no other node needs the names, and nobody is to choose those of addresses and accounts so that they fall
    /// together.
    fn secret_of_process(&mut self) -> Secret {
        let mut bytes = [0; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            self.problem("cache.secret", format!("is needed, since the system gives no random bytes: {error}"));
        }
        Secret::new(bytes.map(|byte| format!("{byte:02x}")).concat())
    }

    /// As many as keep the database busy, and more than a few clients are: they are never turned away because a disk or a server
    /// stood still for a moment.
    fn fewest(&self) -> u64 {
        /// Reads of the embedded engine wait for nothing but a processor, which is no matter of how many there are.
        const EMBEDDED: u64 = 64;
        const SERVER: u64 = 32;
        let database = &self.loaded().config.database;
        match database.url.starts_with("sqlite:") {
            true => EMBEDDED,
            false => SERVER.max(2 * u64::from(database.connections)),
        }
    }

    fn policies(&mut self, limits: &Limits) -> Vec<Policy> {
        let mut policies = Vec::new();
        for (name, text) in &limits.rates {
            match Policy::parse(name, text) {
                Ok(policy) => policies.extend(policy),
                Err(error) => self.problem("limits.rates", error.to_string()),
            }
        }
        policies
    }

    fn exempt_networks(&mut self, limits: &Limits) -> Vec<Network> {
        let mut networks = Vec::new();
        for text in &limits.exempt_networks {
            match text.parse() {
                Ok(network) => networks.push(network),
                Err(error) => self.problem("limits.exempt_networks", format!("has {text:?}, which {error}")),
            }
        }
        networks
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Sources, load};
    use super::super::{ConfigError, Prepared};

    fn prepare(file: &str) -> Result<Prepared, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pando.toml");
        std::fs::write(&path, file).unwrap();
        Prepared::new(&load(&Sources { file: Some(path), ..Sources::default() })?, None)
    }

    #[test]
    fn policies_go_over_the_defaults() {
        let names = |file: &str| {
            let limiting = prepare(file).unwrap().limiting;
            limiting.rates.policies.into_iter().map(|policy| policy.name).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["address", "cost", "user"]);
        let file = "[limits.rates]\nuser = \"off\"\nsignup = \"per network 5/m path /rpc/signup\"";
        assert_eq!(names(file), ["address", "cost", "signup"]);
        assert!(prepare("").unwrap().limiting.gate.is_some());
        assert!(prepare("[limits]\noverload = \"off\"").unwrap().limiting.gate.is_none());
    }

    #[test]
    fn nobody_knows_the_names_of_counters() {
        let named = |file: &str| prepare(file).unwrap().limiting.keys.key("rate:address", &[b"192.0.2.1"]);
        assert_ne!(named(""), cache::Keys::new(&base::Secret::new("")).key("rate:address", &[b"192.0.2.1"]));
        assert_ne!(named(""), named(""));
        let shared = "[cache]\nsecret = \"x\"";
        assert_eq!(named(shared), named(shared));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (file, expected) in [
            ("[limits.rates]\na = \"often\"", "pando.toml:1:9: limits.rates has \"often\" in \"a\""),
            (
                "[limits]\nexempt_networks = [\"home\"]",
                "pando.toml:2:1: limits.exempt_networks has \"home\", which has",
            ),
            ("[limits]\nqueue_target_ms = 0", "pando.toml:2:1: limits.queue_target_ms has to be at least 1"),
            (
                "[cache]\nsecret = \"s\"\nurl = \"redis://host\"\nca_certificate = \"ca.pem\"",
                "pando.toml:4:1: cache.ca_certificate is for a server with TLS",
            ),
            ("[cache]\nurl = \"redis://host\"", "pando.toml:2:1: cache.url needs a secret that all nodes share"),
            ("[cache]\nsecret = \"x\"\nurl = \"http://u:p@host\"", "pando.toml:3:1: cache.url is not usable: "),
            ("[cache]\nlocal_share = 0", "pando.toml:2:1: cache.local_share has to be above 0"),
            ("[cache]\ntimeout_ms = 0", "pando.toml:2:1: cache.timeout_ms has to be at least 1"),
        ] {
            let error = prepare(file).unwrap_err().to_string();
            assert!(error.contains(expected), "{file}: {error}");
            assert!(!error.contains("u:p"), "{error}");
        }
        assert!(prepare("[cache]\nsecret = \"x\"\nurl = \"rediss://u:p@host\"").is_ok());
    }
}
