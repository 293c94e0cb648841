//! How often something may be attempted, as charges to counters.

use std::net::IpAddr;
use std::time::Duration;

use base::{Network, Secret};
use cache::{Charge, Key, Keys, Member, Rate};
use identity::DerivedKey;

use super::DefenceSettings;
use crate::gate::{Attempt, AttemptKind, Device, Trust};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How many guesses an hour's guesses are worth in a day. Together with the hour's bound it makes the wait between two guesses
/// grow: from none to minutes, and on to an hour and more.
const HOURS_OF_A_DAY: u64 = 2;

/// How often a password may be tried at all in five minutes, right ones too: for an account, and from an address. Signing in costs
/// a hash and a session, and whoever has an account of his own could do it all day.
const TRIES: u64 = 100;
const TRIES_OF_ADDRESS: u64 = 300;

/// How many devices and addresses that an account knows may be wrong as often as one may, and tried as often: whoever signs in
/// makes himself as many devices as he likes.
const DEVICES_THAT_GUESS: u64 = 5;
const DEVICES_THAT_TRY: u64 = 3;

/// How many CAPTCHAs an address may have looked at, at once and in five minutes: asking about one takes a while, and few are asked
/// about at a time.
const CAPTCHAS_AT_ONCE: u64 = 16;
const CAPTCHAS: u64 = 150;

/// How many codes of mails and apps may be wrong in a day, for an account: half of them at once. With six digits, of which three
/// count at a time, whoever goes on for a year has one chance in thirty.
const CODES_OF_A_DAY: u64 = 50;

/// What an attempt weighs at its address and network while the login is under attack.
pub(super) const ATTACK_WEIGHT: u64 = 4;

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Account,
    Device,
    Address,
    Network,
}

impl Scope {
    /// Its word in metrics and the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Device => "device",
            Self::Address => "address",
            Self::Network => "network",
        }
    }
}

/// One thing that an attempt is charged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// What for.
    pub(super) scope: Scope,
    pub(super) charge: Charge,
    /// Whether it is given back when the attempt was no wrong guess.
    pub(super) is_returned: bool,
}

/// Names counters.
pub(super) struct Names {
    keys: Keys,
    secret: DerivedKey,
}

impl Names {
    pub(super) fn new(secret: DerivedKey) -> Self {
        let keys = Keys::new(&Secret::new(crate::one_time::hex(&secret.mac(&[b"counters"]))));
        Self { keys, secret }
    }

    /// One account as seen from one address: somebody signed in there.
    pub(super) fn pair(&self, account: &str, address: IpAddr) -> Key {
        self.keys.key("login:pair", &[account.as_bytes(), &customer(address)])
    }

    /// An address from which somebody signed in, to whatever account.
    pub(super) fn good_address(&self, address: IpAddr) -> Key {
        self.keys.key("login:good", &[&customer(address)])
    }

    /// The accounts that were tried from an address.
    pub(super) fn tried_from(&self, address: IpAddr) -> Key {
        self.keys.key("login:tried:address", &[&customer(address)])
    }

    /// The accounts that were tried from a network.
    pub(super) fn tried_from_network(&self, address: IpAddr) -> Key {
        self.keys.key("login:tried:network", &[&neighbours(address)])
    }

    /// The accounts that were tried with a password, which only two bytes of a keyed hash stand for: too few to find a password
    /// by, even for somebody who has the server's memory and its secret.
    pub(super) fn tried_with(&self, password: &Secret) -> Key {
        self.keys.key("login:tried:password", &[&self.two_bytes(password)])
    }

    /// That it was told of an address, of a network, of a password.
    pub(super) fn told_of(&self, address: IpAddr) -> Key {
        self.keys.key("login:told:address", &[&customer(address)])
    }

    pub(super) fn told_of_network(&self, address: IpAddr) -> Key {
        self.keys.key("login:told:network", &[&neighbours(address)])
    }

    pub(super) fn told_of_password(&self, password: &Secret) -> Key {
        self.keys.key("login:told:password", &[&self.two_bytes(password)])
    }

    fn two_bytes(&self, password: &Secret) -> [u8; 2] {
        let [a, b, ..] = self.secret.mac(&[b"password", password.expose().as_bytes()]);
        [a, b]
    }

    /// Something that counts once.
    pub(super) fn once(&self, shown: &[u8]) -> Key {
        self.keys.key("login:once", &[shown])
    }

    /// An account among those that were tried.
    pub(super) fn tried(&self, account: &str) -> Member {
        self.keys.member(&[account.as_bytes()])
    }

    fn of(&self, purpose: &'static str, kind: AttemptKind, part: &[u8]) -> Key {
        self.keys.key(purpose, &[kind.name().as_bytes(), part])
    }
}

/// One customer: an address, or the 64 bits of IPv6 that nobody is given less than.
fn customer(address: IpAddr) -> [u8; 16] {
    masked(address, 32, 64)
}

/// Neighbours: 24 bits of IPv4, 48 of IPv6.
fn neighbours(address: IpAddr) -> [u8; 16] {
    masked(address, 24, 48)
}

fn masked(address: IpAddr, v4: u8, v6: u8) -> [u8; 16] {
    let address = address.to_canonical();
    Network::of(address, if address.is_ipv4() { v4 } else { v6 }).bytes()
}

/// What an attempt is charged to, in one moment and all or nothing.
pub(super) fn charges(
    attempt: &Attempt<'_>,
    trust: Trust,
    weight: u64,
    (settings, names): (&DefenceSettings, &Names),
) -> Vec<Item> {
    let is_exempt = (settings.is_exempt)(attempt.address);
    let mut list = Charges { kind: attempt.kind, names, list: Vec::with_capacity(6) };
    match attempt.kind {
        // Without the defence nobody counts them.
        AttemptKind::Password if !settings.is_on => {}
        AttemptKind::Password => {
            password(&mut list, attempt, trust, settings);
            if !is_exempt {
                // Each has a counter of its own: a neighbour who is unknown must not use up what those who are known have.
                let is_stranger = trust == Trust::Stranger;
                let tries = if is_stranger { "login:address:tries" } else { "login:address:known" };
                if is_stranger {
                    list.of_place(attempt.address, settings, weight);
                }
                let bound = (TRIES_OF_ADDRESS, TRIES_OF_ADDRESS, 5 * MINUTE, 1);
                list.add(Scope::Address, tries, &customer(attempt.address), bound);
                list.keep_last();
            }
        }
        kind => {
            let (account, (at_once, (most, within))) = bounds(kind, settings.mail_interval);
            if let (Some((most, within)), Some(name)) = (account, attempt.account) {
                let (scope, [often, daily], name) = match trust.mark() {
                    // Strangers use nothing up of what the devices have that the account knows: all of them together, since there
                    // may be any number.
                    Some(mark) => {
                        let purposes = ["login:device", "login:device:codes"];
                        (Scope::Device, purposes, [mark.0.as_slice(), name.as_bytes()].concat())
                    }
                    None => (Scope::Account, ["login:account", "login:account:codes"], name.as_bytes().to_vec()),
                };
                list.add(scope, often, &name, (most, most, within, 1));
                if kind == AttemptKind::Code {
                    list.add(scope, daily, &name, (CODES_OF_A_DAY / 2, CODES_OF_A_DAY / 2, DAY, 1));
                }
            }
            if !is_exempt {
                list.add(Scope::Address, "login:address", &customer(attempt.address), (at_once, most, within, 1));
            }
        }
    }
    list.list
}

/// A guess: by the device, by the address that the account knows, or by strangers, of whom all share what they may.
fn password(list: &mut Charges<'_>, attempt: &Attempt<'_>, trust: Trust, settings: &DefenceSettings) {
    let Some(account) = attempt.account else { return };
    let device = ["login:device:hour", "login:device:day", "login:device:tries"];
    let strangers = ["login:account:hour", "login:account:day", "login:account:tries"];
    let (scope, purposes, name, hourly) = match trust {
        Trust::Device(Device { number, .. }) => (Scope::Device, device, number.to_vec(), settings.device_guesses),
        Trust::Address(_) => {
            let name = [customer(attempt.address).as_slice(), account.as_bytes()].concat();
            (Scope::Device, device, name, settings.device_guesses)
        }
        Trust::Stranger => {
            let name = account.as_bytes().to_vec();
            (Scope::Account, strangers, name, settings.account_guesses)
        }
    };
    let hourly = u64::from(hourly);
    let [hour, day, tries] = purposes;
    list.add(scope, hour, &name, in_any_hour(hourly));
    list.add(scope, day, &name, (hourly * HOURS_OF_A_DAY, hourly * HOURS_OF_A_DAY, DAY, 1));
    let most = TRIES.max(hourly * 10);
    list.add(scope, tries, &name, (most, most, 5 * MINUTE, 1));
    list.keep_last();
    if let Some(mark) = trust.mark() {
        // By the mark: what the account knew before it had this password takes nothing from those whom it knows now.
        let all = [mark.0.as_slice(), account.as_bytes()].concat();
        list.add(scope, "login:known:hour", &all, in_any_hour(hourly * DEVICES_THAT_GUESS));
        let most = most * DEVICES_THAT_TRY;
        list.add(scope, "login:known:tries", &all, (most, most, 5 * MINUTE, 1));
        list.keep_last();
    }
}

/// Half of so many at once, and the rest of them over an hour: in no hour are there more.
fn in_any_hour(hourly: u64) -> (u64, u64, Duration, u64) {
    (hourly.div_ceil(2), (hourly / 2).max(1), HOUR, 1)
}

/// How often the other kinds may be attempted: for an account, and from an address, of that so many at once.
type Often = (u64, Duration);
fn bounds(kind: AttemptKind, mail_interval: Duration) -> (Option<Often>, (u64, Often)) {
    let all_at_once = |often: Often| (often.0, often);
    match kind {
        AttemptKind::Code => (Some((10, 10 * MINUTE)), all_at_once((150, 5 * MINUTE))),
        AttemptKind::Mail => (Some((1, mail_interval)), all_at_once((150, HOUR))),
        AttemptKind::SignUp => (None, all_at_once((150, 5 * MINUTE))),
        AttemptKind::Refresh => (None, all_at_once((9_000, 5 * MINUTE))),
        AttemptKind::Captcha => (None, (CAPTCHAS_AT_ONCE, (CAPTCHAS, 5 * MINUTE))),
        AttemptKind::Password | AttemptKind::NewPassword => (Some((10, HOUR)), all_at_once((150, 5 * MINUTE))),
    }
}

/// Charges that are put together.
struct Charges<'a> {
    kind: AttemptKind,
    names: &'a Names,
    list: Vec<Item>,
}

impl Charges<'_> {
    /// Adds one: so much at once, so much more within so long. No bound where that is no time.
    fn add(&mut self, scope: Scope, purpose: &'static str, part: &[u8], bound: (u64, u64, Duration, u64)) {
        let (burst, more, within, cost) = bound;
        if let Some(rate) = Rate::new(more, within) {
            let key = self.names.of(purpose, self.kind, part);
            let charge = Charge { key, rate, burst, cost: cost.min(burst) };
            self.list.push(Item { scope, charge, is_returned: true });
        }
    }

    /// What was added last is not given back.
    fn keep_last(&mut self) {
        if let Some(last) = self.list.last_mut() {
            last.is_returned = false;
        }
    }

    fn of_place(&mut self, address: IpAddr, settings: &DefenceSettings, weight: u64) {
        let places = [
            (Scope::Address, "login:address", customer(address), settings.address_guesses),
            (Scope::Network, "login:network", neighbours(address), settings.network_guesses),
        ];
        for (scope, purpose, place, hourly) in places {
            let (burst, more, within, _) = in_any_hour(hourly.into());
            self.add(scope, purpose, &place, (burst, more, within, weight));
            // Costs nothing, and fits where nothing is owed: what a penalty leaves.
            if let Some(charge) = sentence(scope, address, (self.kind, self.names), 0) {
                self.list.push(Item { scope, charge, is_returned: false });
            }
        }
    }
}

/// What keeps an address, or its network, away for an hour, to be put on record: a debt of two, of which one may be owed.
pub(super) fn penalty(attempt: &Attempt<'_>, scope: Scope, names: &Names) -> Option<Charge> {
    sentence(scope, attempt.address, (attempt.kind, names), 2)
}

fn sentence(scope: Scope, address: IpAddr, (kind, names): (AttemptKind, &Names), cost: u64) -> Option<Charge> {
    let (purpose, place) = match scope {
        Scope::Network => ("login:sprays:network", neighbours(address)),
        _ => ("login:sprays:address", customer(address)),
    };
    let rate = Rate::new(1, HOUR)?;
    Some(Charge { key: names.of(purpose, kind, &place), rate, burst: 1, cost })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let place = |text: &str| {
            let address: IpAddr = text.parse().unwrap();
            (customer(address), neighbours(address))
        };
        let same = |one: &str, other: &str| {
            let (one, other) = (place(one), place(other));
            (one.0 == other.0, one.1 == other.1)
        };
        assert_eq!(same("192.0.2.1", "192.0.2.2"), (false, true));
        assert_eq!(same("192.0.2.1", "192.0.3.1"), (false, false));
        assert_eq!(same("192.0.2.1", "::ffff:192.0.2.1"), (true, true), "the same address in another form");
        assert_eq!(same("2001:db8::1", "2001:db8::2:0:0:1"), (true, true));
        assert_eq!(same("2001:db8::1", "2001:db8:0:1::1"), (false, true));
        assert_eq!(same("2001:db8::1", "2001:db8:1::1"), (false, false));
    }

    #[test]
    fn a_password_leaves_two_bytes() {
        let names = Names::new(crate::testing::key("names"));
        let mut kept = std::collections::HashSet::new();
        for number in 0..300_000 {
            kept.insert(names.tried_with(&Secret::new(format!("password {number}"))));
        }
        assert!(kept.len() <= 65_536, "{} kept apart", kept.len());
    }
}
