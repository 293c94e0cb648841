//! The defence against those who try lists of leaked passwords: who may guess how often, who is served first, and what is noticed.
//!
//! - **A guess is charged before it is looked at** and given back when it was right, so that a thousand at once get no more of
//!   them looked at than one after the other. Counters are the cache's: of this process, or of all nodes.
//! - **Strangers share what they may guess of an account**, over all their addresses. Who shows that he signed in to it before, by
//!   a token of his device or by his address, has guesses of his own: nobody else can use them up.
//! - **Whether there is such an account plays no part** in anything here: accounts are the names that were sent.
//! - **While nearly everything that is tried is wrong** (`ratio.rs`) strangers are served last, and their addresses pay more.
//! - **One place that tries many accounts** has nothing left at once; one password that is tried at many accounts is an attack.

mod bounds;
pub(crate) mod device;
mod notice;
mod ratio;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use bytes::Bytes;
use cache::{BoxFuture, Cache, Charge, Charged, Mode, Verdict};
use identity::DerivedKey;
use telemetry::{AttemptRefused, Telemetry};

use crate::gate::{Attempt, AttemptKind, Found, Gate, Pass, Standing, Trust, Wait};
use crate::password::Priority;
use bounds::{ATTACK_WEIGHT, Item, Names, Scope, charges, penalty};
use notice::Notices;
pub use notice::{Attack, AttackListener};
use ratio::Ratio;

/// What the secret of the counters' names is derived for.
pub const PURPOSE: &str = "stuffing defence";

/// How long an address from which somebody signed in to an account is known to it.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// How long what was tried is remembered as tried.
const TRIED: Duration = Duration::from_secs(3_600);

/// How many times as many accounts a network may try as an address before it is taken for one that goes through a list.
const NETWORK_FACTOR: usize = 5;

/// A person has to show that it is one once strangers have so few guesses of an account left, where that is asked of the
/// suspicious alone: two wrong ones are a person who tries to remember.
const FEW_LEFT: u64 = 2;

/// The fewest seconds that somebody is told to wait.
const LEAST_WAIT: u32 = 1;

/// What the operator decides.
#[derive(Clone)]
pub struct DefenceSettings {
    /// Whether guesses of passwords are counted at all. Without it only the other kinds are.
    pub is_on: bool,
    /// How many wrong passwords of an account strangers have in an hour, over all addresses; at least 2.
    pub account_guesses: u32,
    /// How many a known device, or a known address, has in an hour; at least 2.
    pub device_guesses: u32,
    /// How many wrong passwords an address has in an hour, over all accounts; half of them at once.
    pub address_guesses: u32,
    /// How many a network of addresses has.
    pub network_guesses: u32,
    /// How many different accounts an address may get wrong in an hour before it is taken for one that goes through a list.
    pub spray_accounts: u32,
    /// How many different accounts may be tried with the same wrong password in an hour.
    pub spray_password: u32,
    /// How long has to be between two mails to one address.
    pub mail_interval: Duration,
    /// Whether an address is not counted as such: a machine of one's own, or a proxy behind which all clients seem to be one.
    pub is_exempt: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Who is told of attacks.
    pub listener: AttackListener,
}

impl Default for DefenceSettings {
    fn default() -> Self {
        Self {
            is_on: true,
            account_guesses: 10,
            device_guesses: 10,
            address_guesses: 60,
            network_guesses: 600,
            spray_accounts: 20,
            spray_password: 30,
            mail_interval: Duration::from_secs(60),
            is_exempt: Arc::new(|_| false),
            listener: AttackListener::default(),
        }
    }
}

/// The gate over counters.
pub struct Defence {
    settings: DefenceSettings,
    cache: Arc<dyn Cache>,
    names: Names,
    ratio: Ratio,
    notices: Notices,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

impl Defence {
    /// A gate whose counters are in `cache`, named by what follows from `secret`.
    pub fn new(
        settings: DefenceSettings,
        cache: Arc<dyn Cache>,
        secret: DerivedKey,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let now = clock.monotonic();
        let notices = Notices::new(settings.listener.clone(), telemetry.clone(), now);
        Self { settings, cache, names: Names::new(secret), ratio: Ratio::new(now), notices, clock, telemetry }
    }

    /// Whether the login is under attack now.
    pub fn is_attack(&self) -> bool {
        let now = self.clock.monotonic();
        let (is_attack, change) = self.ratio.look(now);
        self.notices.change(change);
        is_attack
    }

    async fn standing(&self, attempt: &Attempt<'_>) -> Standing {
        let is_attack = self.settings.is_on && self.is_attack();
        let strange = |priority| Standing { trust: Trust::Stranger, priority, is_attack };
        match (attempt.kind, attempt.account) {
            // Codes are counted without the defence as well.
            (AttemptKind::Code, Some(_)) if attempt.device.is_some() => {
                let trust = attempt.device.map_or(Trust::Stranger, Trust::Device);
                Standing { trust, priority: Priority::Trusted, is_attack }
            }
            _ if !self.settings.is_on => strange(Priority::Usual),
            (AttemptKind::NewPassword, _) => strange(Priority::Trusted),
            (AttemptKind::Password, Some(account)) => {
                if let Some(device) = attempt.device {
                    return Standing { trust: Trust::Device(device), priority: Priority::Trusted, is_attack };
                }
                let (pair, good) =
                    (self.names.pair(account, attempt.address), self.names.good_address(attempt.address));
                let (pair, good) = tokio::join!(self.cache.get(pair), self.cache.get(good));
                let is_there = |found| matches!(found, Ok(Some(_)));
                match (is_there(pair), is_there(good)) {
                    (true, _) => Standing { trust: Trust::Address, priority: Priority::Trusted, is_attack },
                    (false, false) if is_attack => strange(Priority::Suspected),
                    _ => strange(Priority::Usual),
                }
            }
            _ => strange(if is_attack { Priority::Suspected } else { Priority::Usual }),
        }
    }

    async fn charge(&self, attempt: &Attempt<'_>, standing: Standing) -> Result<Pass, Wait> {
        let weight = if standing.is_attack { ATTACK_WEIGHT } else { 1 };
        let wanted = charges(attempt, standing.trust, weight, (&self.settings, &self.names));
        if wanted.is_empty() {
            return Ok(Pass::free(standing));
        }
        let charges: Vec<Charge> = wanted.iter().map(|item| item.charge).collect();
        // It fails for values that are too large alone, and there is none here; and if it did, nobody would get in.
        let Ok(charged) = self.cache.spend(Mode::Charge, &charges).await else {
            return Err(Wait { seconds: LEAST_WAIT });
        };
        if !charged.is_allowed {
            return Err(self.refused(attempt, &wanted, &charged));
        }
        let left = |scope: Scope| {
            let own = wanted.iter().zip(&charged.verdicts).filter(|(item, _)| item.scope == scope);
            own.map(|(item, verdict)| (verdict.remaining, item.charge.burst)).min()
        };
        let account = left(Scope::Account);
        let is_stranger = attempt.kind == AttemptKind::Password && standing.trust == Trust::Stranger;
        let is_wrong_place =
            is_stranger && left(Scope::Address).is_some_and(|(remaining, burst)| remaining < burst / 2);
        let has_few = account.is_some_and(|(remaining, _)| remaining < FEW_LEFT);
        Ok(Pass {
            priority: if is_wrong_place { Priority::Suspected } else { standing.priority },
            is_suspicious: is_wrong_place || is_stranger && (standing.is_attack || has_few),
            trust: standing.trust,
            charges: wanted.into_iter().filter(|item| item.is_returned).map(|item| item.charge).collect(),
            is_last: is_stranger && account.is_some_and(|(remaining, _)| remaining == 0),
        })
    }

    fn refused(&self, attempt: &Attempt<'_>, wanted: &[Item], charged: &Charged) -> Wait {
        let refusing = wanted.iter().zip(&charged.verdicts).filter(|(_, verdict)| !verdict.is_allowed);
        let longest = refusing.max_by_key(|(_, verdict)| wait(verdict));
        let reason = longest.map_or("account", |(item, _)| item.scope.name());
        self.telemetry.report(&AttemptRefused { kind: attempt.kind.name(), reason });
        let left = longest.map_or(Duration::ZERO, |(_, verdict)| wait(verdict));
        let seconds = u32::try_from(left.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        Wait { seconds: seconds.max(LEAST_WAIT) }
    }

    /// Gives back what was charged.
    async fn refund(&self, charges: &[Charge]) {
        if !charges.is_empty() {
            // It fails for values that are too large alone.
            let _never = self.cache.spend(Mode::Refund, charges).await;
        }
    }

    /// A wrong guess stays counted. What it says of the place it came from, of the password and of the whole is looked at.
    async fn was_wrong(&self, attempt: &Attempt<'_>, pass: &Pass) {
        let now = self.clock.monotonic();
        self.notices.change(self.ratio.note(false, now));
        let Some(account) = attempt.account.filter(|_| pass.trust == Trust::Stranger) else { return };
        if pass.is_last {
            self.notices.tell(Attack::AccountLocked { account: account.to_owned() }, now);
        }
        let (address, password) = (attempt.address, attempt.password);
        let (one, many) = (self.settings.spray_accounts as usize, self.settings.spray_password as usize);
        let tried = async |key, most| {
            let count = self.cache.distinct(key, Some(self.names.tried(account)), TRIED, most).await;
            count.is_ok_and(|count| count >= most)
        };
        let by_place = async {
            if (self.settings.is_exempt)(address) {
                return (false, false);
            }
            let network = (one * NETWORK_FACTOR).min(cache::MOST_MEMBERS);
            tokio::join!(
                tried(self.names.tried_from(address), one),
                tried(self.names.tried_from_network(address), network)
            )
        };
        let by_password = async {
            match password {
                Some(password) => tried(self.names.tried_with(password), many).await,
                None => false,
            }
        };
        let ((is_address, is_network), is_password) = tokio::join!(by_place, by_password);
        if is_address {
            self.punish(attempt, Scope::Address).await;
            self.notices.tell(Attack::AddressSprays { address }, now);
        }
        if is_network {
            self.punish(attempt, Scope::Network).await;
            self.notices.tell(Attack::NetworkSprays { address }, now);
        }
        if is_password {
            self.notices.change(self.ratio.alarm(now));
            self.notices.tell(Attack::PasswordSprayed, now);
        }
    }

    /// Leaves a place nothing for now: all that it may is charged.
    async fn punish(&self, attempt: &Attempt<'_>, scope: Scope) {
        if let Some(charge) = penalty(attempt, scope, (&self.settings, &self.names)) {
            let _never = self.cache.spend(Mode::Record, &[charge]).await;
        }
    }
}

fn wait(verdict: &Verdict) -> Duration {
    verdict.retry_after.unwrap_or(Duration::ZERO)
}

impl Gate for Defence {
    fn look<'a>(&'a self, attempt: &'a Attempt<'a>) -> BoxFuture<'a, Standing> {
        Box::pin(self.standing(attempt))
    }

    fn enter<'a>(&'a self, attempt: &'a Attempt<'a>, standing: Standing) -> BoxFuture<'a, Result<Pass, Wait>> {
        Box::pin(self.charge(attempt, standing))
    }

    fn settle<'a>(&'a self, attempt: &'a Attempt<'a>, pass: &'a Pass, found: Found) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match found {
                _ if !self.settings.is_on => {}
                Found::Nothing => self.refund(&pass.charges).await,
                Found::Wrong => self.was_wrong(attempt, pass).await,
                Found::Right => {
                    let now = self.clock.monotonic();
                    self.notices.change(self.ratio.note(true, now));
                    self.refund(&pass.charges).await;
                }
            }
        })
    }

    fn succeeded<'a>(&'a self, attempt: &'a Attempt<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let trust = self.standing(attempt).await.trust;
            let charged = charges(attempt, trust, 1, (&self.settings, &self.names));
            let of_account = charged.into_iter().filter(|item| matches!(item.scope, Scope::Account | Scope::Device));
            let of_account: Vec<Charge> = of_account.map(|item| item.charge).collect();
            self.refund(&of_account).await;
        })
    }

    fn signed_in<'a>(&'a self, account: &'a str, address: IpAddr) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Behind a proxy that is not told of, all would be one another's neighbours.
            if !self.settings.is_on || (self.settings.is_exempt)(address) {
                return;
            }
            let put = |key| self.cache.put(key, Bytes::from_static(b"1"), KNOWN);
            let known = (self.names.pair(account, address), self.names.good_address(address));
            let _never = tokio::join!(put(known.0), put(known.1));
        })
    }
}
