//! The defence against those who try lists of leaked passwords: who may guess how often, who is served first, and what is noticed.
//!
//! - **A guess is charged before it is looked at** and given back when it was right, so that a thousand at once get no more of
//!   them looked at than one after the other. Counters are the cache's: of this process, or of all nodes.
//! - **Strangers share what they may guess of an account**, over all their addresses. Who shows that he signed in to it before, by
//!   a token of his device or by his address, has guesses of his own: nobody else can use them up. Once they are used up he is a
//!   stranger; and once the account has another password it knows nobody (`guess.rs` looks, since that needs the account).
//! - **Whether there is such an account plays no part** in anything here: accounts are the names that were sent.
//! - **While nearly everything that is tried is wrong** (`ratio.rs`) strangers are served last, and their addresses pay more.
//! - **One place that tries many accounts** is kept away for an hour; one password that is tried at many accounts is an attack.

mod bounds;
#[cfg(test)]
mod bounds_tests;
pub(crate) mod device;
mod notice;
mod ratio;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Clock;
use bytes::Bytes;
use cache::{BoxFuture, Cache, Charge, Charged, Key, Mode, Verdict};
use identity::DerivedKey;
use telemetry::{AttemptRefused, Telemetry};

use crate::gate::{Attempt, AttemptKind, Found, Gate, Mark, Pass, Standing, Trust, Wait};
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

/// The most accounts that `spray_accounts` may be: more of a network could not be counted.
pub const MOST_SPRAY_ACCOUNTS: usize = cache::MOST_MEMBERS / NETWORK_FACTOR;

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
    /// How many wrong passwords an address has in an hour, over all accounts; half of them at once; at least 2.
    pub address_guesses: u32,
    /// How many a network of addresses has; at least 2.
    pub network_guesses: u32,
    /// How many different accounts an address may get wrong in an hour before it is taken for one that goes through a list; at
    /// most [`MOST_SPRAY_ACCOUNTS`].
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
        let notices = Notices::new(settings.listener.clone(), telemetry.clone());
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
        let strange = |priority| Standing { trust: Trust::Stranger, priority, otherwise: priority, is_attack };
        match (attempt.kind, attempt.account) {
            // Codes are counted without the defence as well.
            (AttemptKind::Code, Some(_)) if attempt.device.is_some() => {
                let trust = attempt.device.map_or(Trust::Stranger, Trust::Device);
                Standing { trust, priority: Priority::Trusted, ..strange(Priority::Usual) }
            }
            _ if !self.settings.is_on => strange(Priority::Usual),
            (AttemptKind::NewPassword, _) => strange(Priority::Trusted),
            (AttemptKind::Password, Some(account)) => {
                let (pair, good) =
                    (self.names.pair(account, attempt.address), self.names.good_address(attempt.address));
                let (pair, good) = tokio::join!(self.cache.get(pair), self.cache.get(good));
                let mark = pair.ok().flatten().and_then(|kept| kept.as_ref().try_into().ok()).map(Mark);
                let is_good = matches!(good, Ok(Some(_)));
                let otherwise = strange(if is_attack && !is_good { Priority::Suspected } else { Priority::Usual });
                let trust = match (attempt.device, mark) {
                    (Some(device), _) => Trust::Device(device),
                    (None, Some(mark)) => Trust::Address(mark),
                    (None, None) => return otherwise,
                };
                Standing { trust, priority: Priority::Trusted, ..otherwise }
            }
            _ => strange(if is_attack { Priority::Suspected } else { Priority::Usual }),
        }
    }

    async fn charge(&self, attempt: &Attempt<'_>, standing: Standing) -> Result<Pass, Wait> {
        let refused = match self.spend(attempt, standing).await {
            Ok(pass) => return Ok(pass),
            Err(refused) => refused,
        };
        let refused = if standing.trust == Trust::Stranger {
            refused
        } else {
            // Whom the account knows is never worse off than a stranger.
            match self.spend(attempt, standing.as_stranger()).await {
                Ok(pass) => return Ok(pass),
                Err(stranger) => std::cmp::min_by_key(refused, stranger, |refused| refused.wait),
            }
        };
        self.telemetry.report(&AttemptRefused { kind: attempt.kind.name(), reason: refused.reason });
        let seconds = u32::try_from(refused.wait.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        Err(Wait { seconds: seconds.max(LEAST_WAIT) })
    }

    async fn spend(&self, attempt: &Attempt<'_>, standing: Standing) -> Result<Pass, Refused> {
        let weight = if standing.is_attack { ATTACK_WEIGHT } else { 1 };
        let wanted = charges(attempt, standing.trust, weight, (&self.settings, &self.names));
        if wanted.is_empty() {
            return Ok(Pass::free(standing));
        }
        let charges: Vec<Charge> = wanted.iter().map(|item| item.charge).collect();
        // It fails for values that are too large alone, and there is none here; and if it did, nobody would get in.
        let Ok(charged) = self.cache.spend(Mode::Charge, &charges).await else {
            return Err(Refused { reason: "account", wait: Duration::ZERO });
        };
        if !charged.is_allowed {
            return Err(refused(&wanted, &charged));
        }
        // How many guesses are left.
        let left = |scope: Scope| {
            let own = wanted.iter().zip(&charged.verdicts).filter(|(item, _)| item.scope == scope && item.is_returned);
            own.map(|(item, verdict)| (verdict.remaining, item.charge.burst)).min()
        };
        let is_password = attempt.kind == AttemptKind::Password;
        let is_stranger = is_password && standing.trust == Trust::Stranger;
        let account = left(if is_stranger { Scope::Account } else { Scope::Device });
        let is_wrong_place =
            is_stranger && left(Scope::Address).is_some_and(|(remaining, burst)| remaining < burst / 2);
        let has_few = is_stranger && account.is_some_and(|(remaining, _)| remaining < FEW_LEFT);
        Ok(Pass {
            priority: if is_wrong_place { Priority::Suspected } else { standing.priority },
            is_suspicious: is_wrong_place || has_few || is_stranger && standing.is_attack,
            trust: standing.trust,
            charges: wanted.into_iter().filter(|item| item.is_returned).map(|item| item.charge).collect(),
            is_last: is_password && account.is_some_and(|(remaining, _)| remaining == 0),
        })
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
        let Some(account) = attempt.account else { return };
        let is_stranger = pass.trust == Trust::Stranger;
        if pass.is_last {
            let account = account.to_owned();
            let last = if is_stranger { Attack::AccountLocked { account } } else { Attack::DeviceLocked { account } };
            self.notices.tell(last, now);
        }
        if is_stranger {
            self.look_for_lists(attempt, account, now).await;
        }
    }

    /// Whether the place goes through a list of accounts, or somebody tries one password at many.
    async fn look_for_lists(&self, attempt: &Attempt<'_>, account: &str, now: Instant) {
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
            tokio::join!(
                tried(self.names.tried_from(address), one),
                tried(self.names.tried_from_network(address), one * NETWORK_FACTOR)
            )
        };
        let by_password = async {
            match password {
                Some(password) => tried(self.names.tried_with(password), many).await.then_some(password),
                None => None,
            }
        };
        let ((is_address, is_network), sprayed) = tokio::join!(by_place, by_password);
        if is_address {
            self.punish(attempt, Scope::Address).await;
            self.tell_once(self.names.told_of(address), Attack::AddressSprays { address }, now).await;
        }
        if is_network {
            self.punish(attempt, Scope::Network).await;
            self.tell_once(self.names.told_of_network(address), Attack::NetworkSprays { address }, now).await;
        }
        if let Some(password) = sprayed {
            self.notices.change(self.ratio.alarm(now));
            self.tell_once(self.names.told_of_password(password), Attack::PasswordSprayed, now).await;
        }
    }

    /// Keeps a place away for an hour.
    async fn punish(&self, attempt: &Attempt<'_>, scope: Scope) {
        if let Some(charge) = penalty(attempt, scope, &self.names) {
            let _never = self.cache.spend(Mode::Record, &[charge]).await;
        }
    }

    /// Tells what every further guess says again, once in an hour.
    async fn tell_once(&self, told: Key, attack: Attack, now: Instant) {
        if self.cache.put_new(told, Bytes::from_static(b"1"), TRIED).await.unwrap_or(true) {
            self.notices.tell(attack, now);
        }
    }
}

/// Why an attempt may not go on.
struct Refused {
    /// Whose bound it is, for metrics.
    reason: &'static str,
    wait: Duration,
}

fn refused(wanted: &[Item], charged: &Charged) -> Refused {
    let refusing = wanted.iter().zip(&charged.verdicts).filter(|(_, verdict)| !verdict.is_allowed);
    let longest = refusing.max_by_key(|(_, verdict)| wait(verdict));
    longest.map_or(Refused { reason: "account", wait: Duration::ZERO }, |(item, verdict)| Refused {
        reason: item.scope.name(),
        wait: wait(verdict),
    })
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

    fn signed_in<'a>(&'a self, account: &'a str, address: IpAddr, mark: Mark) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Behind a proxy that is not told of, all would be one another's neighbours.
            if !self.settings.is_on || (self.settings.is_exempt)(address) {
                return;
            }
            let put = |key, value| self.cache.put(key, value, KNOWN);
            let known = (self.names.pair(account, address), self.names.good_address(address));
            let _never =
                tokio::join!(put(known.0, Bytes::copy_from_slice(&mark.0)), put(known.1, Bytes::from_static(b"1")));
        })
    }

    fn is_first<'a>(&'a self, shown: &'a [u8], lifetime: Duration) -> BoxFuture<'a, bool> {
        // It fails for values that are too large alone.
        Box::pin(async move {
            self.cache.put_new(self.names.once(shown), Bytes::from_static(b"1"), lifetime).await.unwrap_or(false)
        })
    }
}
