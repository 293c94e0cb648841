//! How much somebody may ask.

mod fields;
mod policy;
mod quota;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Caller, Failure, Kind, Limit, Network};
use cache::{Cache, Charge, Charged, Key, Keys, Mode, Verdict};
use percent_encoding::percent_decode_str;
use telemetry::{RateDecision, Telemetry};

pub use fields::Told;
pub use policy::{Policy, PolicyError, Scope, Unit};
pub use quota::Metered;

/// How many leading bits of an address of IPv6 are one customer's.
const CUSTOMER_V6: u8 = 64;
/// Neighbours: of IPv4, and of IPv6.
const NEIGHBOURS_V4: u8 = 24;
const NEIGHBOURS_V6: u8 = 48;

/// The policies that there are when nobody says otherwise, by name. Far above what an honest client does, and below what a server
/// with many clients can do for one.
pub fn default_policies() -> [(&'static str, &'static str); 3] {
    [
        ("address", "per address 200/s burst 2000"),
        ("user", "per user 500/s burst 5000"),
        ("cost", "per client 20000/s burst 200000 in cost"),
    ]
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct RateSettings {
    /// The policies.
    pub policies: Vec<Policy>,
    /// The addresses that no policy counts: machines of one's own, and proxies behind which all clients seem to be one.
    pub exempt_networks: Vec<Network>,
    /// The roles that no policy counts once they are known.
    pub exempt_roles: Vec<String>,
    /// The most that one request may cost (`limits.max_query_cost`).
    pub max_query_cost: Limit,
}

/// Who asks for what, as far as it is known without looking at the token.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The address that the request comes from.
    pub address: IpAddr,
    /// The method.
    pub method: &'a str,
    /// The path, without the prefix of the API.
    pub path: &'a str,
    /// The credential as it was sent.
    pub credential: Option<&'a [u8]>,
}

/// The policies at work.
pub struct RateLimits {
    door: Vec<Compiled>,
    inside: Vec<Compiled>,
    exempt_networks: Vec<Network>,
    exempt_roles: Vec<String>,
    max_query_cost: Limit,
    cache: Arc<dyn Cache>,
    keys: Keys,
    telemetry: Arc<Telemetry>,
    /// The name of quotas in metrics.
    quota_name: Arc<str>,
}

/// A policy with what is the same for all requests.
struct Compiled {
    policy: Policy,
    /// Its name in metrics.
    name: Arc<str>,
    /// As it is written in `RateLimit-Policy`.
    field: String,
}

impl RateLimits {
    /// Puts policies to work. What they count is kept in `cache`, under keys made by `keys`.
    pub fn new(settings: RateSettings, cache: Arc<dyn Cache>, keys: Keys, telemetry: Arc<Telemetry>) -> Self {
        let compiled = settings.policies.into_iter().map(|policy| Compiled {
            name: Arc::from(policy.name.as_str()),
            field: fields::policy(&policy.name, policy.burst, policy.rate.window(policy.burst)),
            policy,
        });
        let (door, inside) = compiled.partition(|compiled: &Compiled| compiled.policy.is_of_the_door());
        let RateSettings { exempt_networks, exempt_roles, max_query_cost, .. } = settings;
        Self {
            door,
            inside,
            exempt_networks,
            exempt_roles,
            max_query_cost,
            cache,
            keys,
            telemetry,
            quota_name: quota::NAME.into(),
        }
    }

    /// Charges what can be known before anybody looks at the token. Notes in `told` what the client is told of it.
    ///
    /// # Errors
    /// 429 (PANDO429), when it is too much.
    pub async fn at_door(&self, asker: &Asker<'_>, told: &mut Told) -> Result<(), Failure> {
        self.charge(&self.door, asker, None, told).await
    }

    /// Charges what depends on who asks and on what the request costs: the price of all that it touches ([`crate::price()`]). Notes in
    /// `told` what the client is told of it.
    ///
    /// # Errors
    /// 429 (PANDO429), when it is too much; 413 (PANDO413), when the request costs more than any may.
    pub async fn inside(&self, asker: &Asker<'_>, caller: &Caller, cost: u64, told: &mut Told) -> Result<(), Failure> {
        if self.max_query_cost.is_exceeded_by(cost) {
            return Err(too_expensive(cost, self.max_query_cost));
        }
        self.charge(&self.inside, asker, Some((caller, cost)), told).await
    }

    /// All policies that apply, in one round trip and all or none.
    async fn charge(
        &self,
        policies: &[Compiled],
        asker: &Asker<'_>,
        known: Option<(&Caller, u64)>,
        told: &mut Told,
    ) -> Result<(), Failure> {
        if policies.is_empty() || known.is_some_and(|(caller, _)| self.is_exempt(caller)) {
            return Ok(());
        }
        let is_exempt_address = self.exempt_networks.iter().any(|network| network.contains(asker.address));
        let applied = policies.iter().filter_map(|compiled| {
            let key = self.key(&compiled.policy, asker, known.map(|(caller, _)| caller), is_exempt_address)?;
            Some((compiled, charge(&compiled.policy, key, known.map_or(1, |(_, cost)| cost))))
        });
        let (applied, charges): (Vec<&Compiled>, Vec<Charge>) = applied.unzip();
        if charges.is_empty() {
            return Ok(());
        }
        // It fails for values that are too large alone, and there is none here.
        let charged = self.cache.spend(Mode::Charge, &charges).await.map_err(|_| uncounted())?;
        for (compiled, verdict) in applied.iter().zip(&charged.verdicts) {
            told.add(&compiled.name, &compiled.field, verdict);
            let is_allowed = charged.is_allowed || verdict.is_allowed;
            self.telemetry.report(&RateDecision { policy: &compiled.name, is_allowed });
        }
        refusal(&applied, &charged).map_or(Ok(()), Err)
    }

    fn is_exempt(&self, caller: &Caller) -> bool {
        self.exempt_roles.iter().any(|role| *role == *caller.role)
    }

    /// What a policy counts a request under; `None` when it does not apply.
    fn key(&self, policy: &Policy, asker: &Asker<'_>, caller: Option<&Caller>, is_exempt: bool) -> Option<Key> {
        let is_for = |list: &[String], word: &str| list.is_empty() || list.iter().any(|item| item == word);
        // What is asked for with HEAD costs the same.
        let is_for_method =
            is_for(&policy.methods, asker.method) || (asker.method == "HEAD" && is_for(&policy.methods, "GET"));
        let role = caller.map(|caller| &*caller.role);
        if !is_for_method
            || !is_for_path(&policy.paths, asker.path)
            || !role.is_none_or(|role| is_for(&policy.roles, role))
        {
            return None;
        }
        let name = policy.name.as_bytes();
        let by_network = |v4: u8, v6: u8| {
            let length = if asker.address.is_ipv4() { v4 } else { v6 };
            let network = Network::of(asker.address, length);
            (!is_exempt).then(|| self.keys.key("rate", &[name, b"address", &network.bytes()]))
        };
        let by_user = || {
            let user = caller?.claims.text("sub")?;
            Some(self.keys.key("rate", &[name, b"user", user.as_bytes()]))
        };
        match policy.scope {
            Scope::Address => by_network(32, CUSTOMER_V6),
            Scope::Network => by_network(NEIGHBOURS_V4, NEIGHBOURS_V6),
            Scope::User => by_user(),
            Scope::Client => by_user().or_else(|| by_network(32, CUSTOMER_V6)),
            Scope::Key => match caller.and_then(|caller| caller.key.as_ref()) {
                Some(key) => Some(self.keys.key("rate", &[name, b"api-key", key.id.as_bytes()])),
                None => Some(self.keys.key("rate", &[name, b"key", asker.credential?])),
            },
            Scope::Role => Some(self.keys.key("rate", &[name, b"role", role?.as_bytes()])),
            Scope::Everyone => Some(self.keys.key("rate", &[name, b"everyone"])),
        }
    }
}

/// However a path is spelled: what is routed to the same place is charged alike.
fn is_for_path(paths: &[String], path: &str) -> bool {
    if paths.is_empty() {
        return true;
    }
    let asked = plain(path);
    paths.iter().any(|path| plain(path) == asked)
}

/// A path without escapes, empty segments and a slash at its end. More paths are the same that way than are answered alike.
fn plain(path: &str) -> String {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.flat_map(|segment| ["/", segment]).collect()
}

fn charge(policy: &Policy, key: Key, cost: u64) -> Charge {
    let cost = match policy.unit {
        Unit::Requests => 1,
        // What costs more than the burst would never be allowed. It takes all of it.
        Unit::Cost => cost.min(policy.burst),
    };
    Charge { key, rate: policy.rate, burst: policy.burst, cost }
}

/// The refusal by the policy that makes the client wait longest.
fn refusal(applied: &[&Compiled], charged: &Charged) -> Option<Failure> {
    if charged.is_allowed {
        return None;
    }
    let wait = |verdict: &Verdict| verdict.retry_after.unwrap_or(Duration::ZERO);
    let refused = applied.iter().zip(&charged.verdicts).filter(|(_, verdict)| !verdict.is_allowed);
    let (compiled, verdict) = refused.max_by_key(|(_, verdict)| wait(verdict))?;
    let seconds = u32::try_from(fields::seconds(wait(verdict))).unwrap_or(u32::MAX).max(1);
    let Policy { name, scope, unit, burst, rate, .. } = &compiled.policy;
    let unit = if *unit == Unit::Cost { "points of cost" } else { "requests" };
    let details = format!(
        "The policy \"{name}\" (limits.rates) allows {burst} {unit} at once per {}, and as many again within {} s",
        scope.word(),
        fields::seconds(rate.window(*burst))
    );
    let failure = Failure::new(Kind::RateLimited, "PANDO429", "Too many requests")
        .with_details(details)
        .with_hint(format!("Wait {seconds} s before the next one (Retry-After), and ask less often"))
        .with_retry_after(seconds);
    Some(failure)
}

/// What cannot be counted is not let in.
fn uncounted() -> Failure {
    Failure::new(Kind::Unavailable, "PANDO503", "The request could not be counted; try again").with_retry_after(1)
}

fn too_expensive(cost: u64, limit: Limit) -> Failure {
    Failure::new(Kind::TooLarge, "PANDO413", "The request costs too much")
        .with_details(format!("It costs {cost} points, and the bound is the setting {limit}"))
        .with_hint(
            "Ask for fewer rows or embedded relations, filter by an indexed column, or write in several requests",
        )
}
