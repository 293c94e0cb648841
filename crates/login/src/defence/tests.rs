//! The rules, by the hands of a clock; and those that do not need one on a server as well.

use std::net::{IpAddr, Ipv4Addr};

use base::{Secret, SystemClock};
use parking_lot::Mutex;

use super::*;
use crate::gate::{Device, Mark};
use crate::testing::{HandClock, key, telemetry};

/// A gate, with what it tells.
pub(super) struct Gatehouse {
    pub(super) gate: Arc<Defence>,
    pub(super) clock: Arc<HandClock>,
    told: Arc<Mutex<Vec<Attack>>>,
}

/// A password that is tried; another for each, unless one is tried at many.
pub(super) fn password(number: u32) -> Secret {
    Secret::new(format!("guess {number}"))
}

pub(super) fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number * 256))
}

impl Gatehouse {
    fn over(cache: Arc<dyn Cache>, clock: Arc<HandClock>, settings: DefenceSettings) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let listener = AttackListener::new(move |attack| heard.lock().push(attack));
        let settings = DefenceSettings { listener, ..settings };
        let gate = Defence::new(settings, cache, key(PURPOSE), clock.clone(), telemetry());
        Self { gate: Arc::new(gate), clock, told }
    }

    pub(super) fn in_memory(settings: DefenceSettings) -> Self {
        let clock = Arc::new(HandClock::default());
        let cache = cache::open(&cache::Config::default(), clock.clone()).unwrap();
        Self::over(cache, clock, settings)
    }

    async fn enter(&self, attempt: &Attempt<'_>) -> Result<Pass, Wait> {
        self.gate.enter(attempt, self.gate.look(attempt).await).await
    }

    /// Guesses once; whether the guess was looked at, and how long to wait.
    pub(super) async fn guess(&self, attempt: &Attempt<'_>, found: Found) -> Result<Pass, Wait> {
        let pass = self.enter(attempt).await?;
        self.gate.settle(attempt, &pass, found).await;
        Ok(pass)
    }

    pub(super) async fn wrong(&self, account: &str, from: u32, number: u32) -> bool {
        let password = password(number);
        self.guess(&attempt(account, address(from), &password), Found::Wrong).await.is_ok()
    }

    pub(super) fn told(&self) -> Vec<&'static str> {
        self.told.lock().iter().map(Attack::name).collect()
    }
}

/// A device that the account knows.
pub(super) fn device(number: u8) -> Device {
    Device { number: [number; 16], mark: MARK }
}

pub(super) const MARK: Mark = Mark([1; 8]);

pub(super) fn attempt<'a>(account: &'a str, address: IpAddr, password: &'a Secret) -> Attempt<'a> {
    let (kind, account, password) = (AttemptKind::Password, Some(account), Some(password));
    Attempt { kind, account, address, device: None, password }
}

fn other(kind: AttemptKind, account: Option<&str>) -> Attempt<'_> {
    Attempt { kind, account, address: address(1), device: None, password: None }
}

/// A case in memory and on servers of both kinds; where there is none, in memory alone.
macro_rules! on_both_caches {
    ($name:ident, |$house:ident| $case:block) => {
        mod $name {
            use super::*;

            async fn case($house: &Gatehouse) $case

            #[tokio::test]
            async fn memory() {
                case(&Gatehouse::in_memory(DefenceSettings::default())).await;
            }

            async fn on(engine: testkit::Engine, test: &str) {
                let Some(server) = testkit::Redis::start_engine_for(engine, test) else { return };
                let cache = remote(&server).await;
                case(&Gatehouse::over(cache, Arc::new(HandClock::default()), DefenceSettings::default())).await;
            }

            #[tokio::test]
            async fn redis() {
                on(testkit::Engine::Redis, concat!(stringify!($name), "::redis")).await;
            }

            #[tokio::test]
            async fn valkey() {
                on(testkit::Engine::Valkey, concat!(stringify!($name), "::valkey")).await;
            }
        }
    };
}

/// The counters of a server, once it is there.
async fn remote(redis: &testkit::Redis) -> Arc<dyn Cache> {
    let timeout = Duration::from_millis(500);
    let config = cache::Config { url: Some(Secret::new(redis.url())), timeout, ..cache::Config::default() };
    let cache = cache::open(&config, Arc::new(SystemClock)).unwrap();
    for _ in 0..6_000 {
        if cache.health().is_up {
            return cache;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the server does not answer");
}

on_both_caches!(strangers_share_a_few_guesses, |house| {
    let mut looked_at = 0;
    for number in 0..200 {
        looked_at += u32::from(house.wrong("mina@example.com", number, number).await);
    }
    assert_eq!(looked_at, 5, "half of an hour's at once");
    assert!(house.wrong("ada@example.com", 7, 1).await, "another account");
    let secret = password(0);
    let right = attempt("mina@example.com", address(3), &secret);
    let wait = house.enter(&right).await.unwrap_err();
    assert!((600..=720).contains(&wait.seconds), "{wait:?}");
    let named = |attack: &Attack| *attack == Attack::AccountLocked { account: "mina@example.com".to_owned() };
    assert_eq!(house.told.lock().iter().filter(|attack| named(attack)).count(), 1, "told once");
});

on_both_caches!(right_ones_are_given_back, |house| {
    let secret = password(0);
    for number in 0..30 {
        let right = attempt("mina@example.com", address(number), &secret);
        house.guess(&right, Found::Right).await.unwrap();
        house.guess(&right, Found::Nothing).await.unwrap();
    }
    assert_eq!(house.told(), Vec::<&str>::new());
});

on_both_caches!(a_known_device_is_not_locked_out_by_strangers, |house| {
    for number in 0..50 {
        house.wrong("mina@example.com", number, number).await;
    }
    let secret = password(0);
    let from = |number| Attempt { device: Some(device(number)), ..attempt("mina@example.com", address(9), &secret) };
    assert_eq!(house.guess(&from(1), Found::Right).await.unwrap().priority, Priority::Trusted);
    // It has a few of its own, which another device does not share.
    let mut wrong = 0;
    for _ in 0..50 {
        wrong += u32::from(house.guess(&from(1), Found::Wrong).await.is_ok());
    }
    assert_eq!(wrong, 5);
    assert!(house.guess(&from(2), Found::Right).await.is_ok());
});

on_both_caches!(an_address_that_the_account_knows_is_not_locked_out, |house| {
    house.gate.signed_in("mina@example.com", address(1), MARK).await;
    for number in 10..60 {
        house.wrong("mina@example.com", number, number).await;
    }
    let secret = password(0);
    let from = |number| attempt("mina@example.com", address(number), &secret);
    assert_eq!(house.guess(&from(1), Found::Right).await.unwrap().priority, Priority::Trusted);
    assert!(house.guess(&from(2), Found::Right).await.is_err());
    // Another account does not know it.
    let standing = house.gate.look(&attempt("ada@example.com", address(1), &secret)).await;
    assert_eq!((standing.trust, standing.priority), (Trust::Stranger, Priority::Usual));
});

on_both_caches!(an_address_that_goes_through_a_list_has_nothing_left, |house| {
    let mut looked_at = 0;
    for number in 0..100 {
        looked_at += u32::from(house.wrong(&format!("{number}@example.com"), 1, number).await);
    }
    assert_eq!(looked_at, 20);
    assert!(house.wrong("0@example.com", 2, 0).await, "another network");
    assert_eq!(house.told()[..1], ["address_sprays"]);
});

on_both_caches!(a_network_that_goes_through_a_list_has_nothing_left, |house| {
    let mut looked_at = 0;
    for number in 0..150 {
        let secret = password(number);
        let IpAddr::V4(first) = address(1) else { panic!("it is of IPv4") };
        let from = IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() + number));
        let name = format!("{number}@example.com");
        looked_at += u32::from(house.guess(&attempt(&name, from, &secret), Found::Wrong).await.is_ok());
        // Many others sign in meanwhile: as a whole nothing is unusual.
        for other in [9_000 + number, 10_000 + number] {
            house.guess(&attempt(&other.to_string(), address(other), &secret), Found::Right).await.unwrap();
        }
    }
    assert_eq!(looked_at, 100);
    assert!(house.told().contains(&"network_sprays"));
});

on_both_caches!(one_password_at_many_accounts_is_an_attack, |house| {
    let secret = Secret::new("Summer2026!");
    for number in 0..29 {
        let name = format!("{number}@example.com");
        house.guess(&attempt(&name, address(number), &secret), Found::Wrong).await.unwrap();
    }
    assert!(!house.gate.is_attack());
    // The same accounts again say nothing new.
    house.guess(&attempt("3@example.com", address(70), &secret), Found::Wrong).await.unwrap();
    assert!(!house.told().contains(&"password_sprayed"));
    house.guess(&attempt("29@example.com", address(71), &secret), Found::Wrong).await.unwrap();
    assert!(house.gate.is_attack());
    assert!(house.told().contains(&"password_sprayed") && house.told().contains(&"began"));
});

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_get_no_more_looked_at() {
    let house = Arc::new(Gatehouse::in_memory(DefenceSettings::default()));
    let guesses = (0..200).map(|number| {
        let house = house.clone();
        tokio::spawn(async move { house.wrong("mina@example.com", number, number).await })
    });
    let guesses: Vec<_> = guesses.collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += u32::from(guess.await.unwrap());
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn in_no_hour_are_there_more_and_the_wait_grows() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let mut moments: Vec<u64> = Vec::new();
    for minute in 0..48 * 60_u64 {
        for _ in 0..3 {
            let number = u32::try_from(moments.len()).unwrap();
            if house.wrong("mina@example.com", number, number).await {
                moments.push(minute);
            }
        }
        house.clock.advance(Duration::from_secs(60));
    }
    for (place, from) in moments.iter().enumerate() {
        let within = moments[place..].iter().take_while(|moment| **moment < from + 60).count();
        assert!(within <= 10, "{within} in the hour from minute {from}");
    }
    let day = moments.iter().filter(|moment| **moment < 24 * 60).count();
    assert!((20..=40).contains(&day), "{day} in a day");
    let pauses: Vec<u64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..4], [0, 0, 1, 0], "at once");
    assert!((11..=13).contains(&pauses[8]), "then by the hour's: {pauses:?}");
    assert!((71..=73).contains(pauses.last().unwrap()), "then by the day's: {pauses:?}");
}

#[tokio::test]
async fn under_attack_strangers_are_served_last() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let secret = password(0);
    house.gate.signed_in("ada@example.com", address(5_000), MARK).await;
    for number in 0..40 {
        assert!(house.wrong(&format!("{number}@example.com"), number, number).await);
    }
    assert!(house.gate.is_attack());
    assert_eq!(house.told(), ["began"]);
    let priority = async |account: &str, from: u32, device| {
        let attempt = Attempt { device, ..attempt(account, address(from), &secret) };
        house.gate.look(&attempt).await.priority
    };
    assert_eq!(priority("mina@example.com", 6_000, None).await, Priority::Suspected);
    assert_eq!(priority("mina@example.com", 5_000, None).await, Priority::Usual, "somebody signed in from there");
    assert_eq!(priority("ada@example.com", 5_000, None).await, Priority::Trusted);
    assert_eq!(priority("mina@example.com", 6_000, Some(device(1))).await, Priority::Trusted);
    let signup = other(AttemptKind::SignUp, None);
    assert_eq!(house.gate.look(&signup).await.priority, Priority::Suspected);
    // An address has a quarter of what it has otherwise.
    let mut looked_at = 0;
    for number in 0..30 {
        looked_at += u32::from(house.wrong(&format!("{number}@example.org"), 7_000, number).await);
    }
    assert_eq!(looked_at, 7);
    house.clock.advance(Duration::from_secs(120));
    assert!(!house.gate.is_attack());
    assert_eq!(house.told().last(), Some(&"ended"));
    assert_eq!(priority("mina@example.com", 6_000, None).await, Priority::Usual);
}

#[tokio::test]
async fn who_has_to_show_that_he_is_a_person() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let mut suspicious = Vec::new();
    for number in 0..5 {
        let secret = password(number);
        let pass = house.guess(&attempt("mina@example.com", address(number), &secret), Found::Wrong).await.unwrap();
        suspicious.push(pass.is_suspicious);
    }
    assert_eq!(suspicious, [false, false, false, true, true]);
}

#[tokio::test]
async fn the_other_kinds_keep_their_bounds() {
    let house = Gatehouse::in_memory(DefenceSettings { is_on: false, ..DefenceSettings::default() });
    let mail = other(AttemptKind::Mail, Some("mina@example.com"));
    house.enter(&mail).await.unwrap();
    assert_eq!(house.enter(&mail).await.unwrap_err(), Wait { seconds: 60 });
    house.enter(&other(AttemptKind::Mail, Some("ada@example.com"))).await.unwrap();
    house.clock.advance(Duration::from_secs(60));
    house.enter(&mail).await.unwrap();
    let code = other(AttemptKind::Code, Some("a factor"));
    for _ in 0..10 {
        house.enter(&code).await.unwrap();
    }
    assert!(house.enter(&code).await.is_err());
    house.gate.succeeded(&code).await;
    house.enter(&code).await.unwrap();
    for _ in 0..9_000 {
        house.enter(&other(AttemptKind::Refresh, None)).await.unwrap();
    }
    assert!(house.enter(&other(AttemptKind::Refresh, None)).await.is_err());
    // Switched off, passwords are not counted.
    for number in 0..100 {
        assert!(house.wrong("mina@example.com", 1, number).await);
    }
    assert_eq!(house.told(), Vec::<&str>::new());
}

#[tokio::test]
async fn codes_have_a_bound_of_a_day_and_strangers_use_up_their_own() {
    for is_on in [true, false] {
        let house = Gatehouse::in_memory(DefenceSettings { is_on, ..DefenceSettings::default() });
        let code = other(AttemptKind::Code, Some("mina@example.com"));
        let mut looked_at = 0;
        for _ in 0..143 {
            for _ in 0..11 {
                looked_at += u32::from(house.enter(&code).await.is_ok());
            }
            house.clock.advance(Duration::from_secs(600));
        }
        assert!((25..=50).contains(&looked_at), "{looked_at} in a day");
        while house.enter(&code).await.is_ok() {}
        let known = Attempt { device: Some(device(1)), ..code };
        for _ in 0..10 {
            house.enter(&known).await.unwrap();
        }
        assert!(house.enter(&known).await.is_err(), "it has a bound of its own");
        house.gate.succeeded(&known).await;
        house.enter(&known).await.unwrap();
        assert!(house.enter(&code).await.is_err(), "nothing was given back to strangers");
    }
}

#[tokio::test]
async fn exempt_addresses_are_not_counted_and_accounts_are() {
    let settings = DefenceSettings { is_exempt: Arc::new(|_| true), ..DefenceSettings::default() };
    let house = Gatehouse::in_memory(settings);
    for number in 0..29 {
        assert!(house.wrong(&format!("{number}@example.com"), 1, number).await);
    }
    let mut looked_at = 0;
    for number in 0..20 {
        looked_at += u32::from(house.wrong("mina@example.com", 1, 100 + number).await);
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn without_its_server_a_node_allows_less_and_never_everything() {
    let Some(mut redis) = testkit::Redis::start_for("without_its_server_a_node_allows_less_and_never_everything")
    else {
        return;
    };
    let house = Gatehouse::over(remote(&redis).await, Arc::new(HandClock::default()), DefenceSettings::default());
    for number in 0..2 {
        assert!(house.wrong("mina@example.com", number, number).await);
    }
    redis.kill();
    let mut looked_at = 0;
    for number in 0..100 {
        looked_at += u32::from(house.wrong("mina@example.com", number, number).await);
    }
    assert_eq!(looked_at, 1, "a quarter of five");
    let mut fresh = 0;
    for number in 0..100 {
        fresh += u32::from(house.wrong("ada@example.com", number, number).await);
    }
    assert_eq!(fresh, 1);
    // The signature of a device needs no server.
    let secret = password(0);
    let known = Attempt { device: Some(device(1)), ..attempt("mina@example.com", address(1), &secret) };
    assert_eq!(house.guess(&known, Found::Right).await.unwrap().priority, Priority::Trusted);
}

#[tokio::test]
async fn nobody_signs_in_all_day() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let secret = password(0);
    let device = Some(device(1));
    let own = |number| Attempt { device, ..attempt("mina@example.com", address(number), &secret) };
    let mut served = 0;
    for number in 0..500 {
        served += u32::from(house.guess(&own(number), Found::Right).await.is_ok());
    }
    assert_eq!(served, 200, "by the device, and as a stranger");
    house.clock.advance(Duration::from_secs(300));
    assert!(house.guess(&own(1), Found::Right).await.is_ok());
}

#[tokio::test]
async fn a_flood_of_notices_is_bounded() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    for account in 0..60 {
        for number in 0..5 {
            house.wrong(&format!("{account}@example.com"), account * 5 + number, account * 5 + number).await;
        }
    }
    assert_eq!(house.told().iter().filter(|name| **name == "account_locked").count(), 20);
}
