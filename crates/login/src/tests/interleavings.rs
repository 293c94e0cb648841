//! Refreshes that come at the same time, in every order: each is two steps, looking and settling, which others come between.
//! Time is moved by hand and chance is a fixed sequence, so that a case that fails fails again.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::records::sessions::Session;
use crate::records::users::User;
use crate::refresh::RefreshToken;
use crate::testing::settings;
use crate::{Login, Settings};

/// Numbers that look like chance (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// A tab of the honest client. All of them share what is stored, and each refreshes with what it read there.
#[derive(Default)]
struct Tab {
    under_way: Option<UnderWay>,
}

/// The token that it asks with, and what was seen of its session.
type UnderWay = (RefreshToken, Option<(Session, User)>);

struct World {
    login: Login,
    /// What the honest client has stored: the latest token that an answer brought.
    stored: RefreshToken,
    tabs: Vec<Tab>,
}

impl World {
    fn read(&self, answer: &Value) -> RefreshToken {
        RefreshToken::read(text(answer, "refresh_token"), &self.login.inner.secrets.refresh).unwrap()
    }

    /// A tab looks, or settles what it has looked at. `is_lost` says that the answer never arrives.
    async fn step(&mut self, tab: usize, is_lost: bool) {
        let inner = self.login.inner.clone();
        match self.tabs[tab].under_way.take() {
            None => {
                let token = self.stored;
                let seen = inner.look(token).await.unwrap();
                self.tabs[tab].under_way = Some((token, seen));
            }
            Some((token, seen)) => match inner.settle(token, seen, inner.now()).await {
                Ok(answer) => {
                    let new = self.read(&answer);
                    assert!((0..=1).contains(&(new.counter - token.counter)), "it or its one successor");
                    if !is_lost && new.counter > self.stored.counter {
                        self.stored = new;
                    }
                }
                Err(refusal) if refusal.is_missed => {
                    // Decided anew, as the room does it.
                    let seen = inner.look(token).await.unwrap();
                    self.tabs[tab].under_way = Some((token, seen));
                }
                Err(refusal) => panic!("an honest client was refused: {refusal:?}"),
            },
        }
    }
}

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

/// One interleaving: tabs refresh, answers get lost and are asked for again within the grace; then, or not, a thief comes.
async fn interleave(house: &House, session: &Value, seed: u64) {
    let mut numbers = Numbers(seed);
    let login = house.login.clone();
    let key = &login.inner.secrets.refresh;
    let stored = RefreshToken::read(text(session, "refresh_token"), key).unwrap();
    let mut world = World { login: login.clone(), stored, tabs: (0..3).map(|_| Tab::default()).collect() };
    let mut stolen = None;
    for _ in 0..6 + numbers.below(8) {
        // An honest client asks again within the grace: time passes only while nobody waits for an answer.
        let is_quiet = world.tabs.iter().all(|tab| tab.under_way.is_none());
        if is_quiet && numbers.below(3) == 0 && world.is_up_to_date().await {
            house.clock.advance(Duration::from_secs(numbers.below(40)));
        }
        if numbers.below(6) == 0 {
            stolen = Some(world.stored);
        }
        let (tab, is_lost) = (usize::try_from(numbers.below(3)).unwrap(), numbers.below(4) == 0);
        world.step(tab, is_lost).await;
    }
    for tab in 0..3 {
        while world.tabs[tab].under_way.is_some() {
            world.step(tab, false).await;
        }
    }
    while !world.is_up_to_date().await {
        world.step(0, false).await;
    }
    let Some(stolen) = stolen else { return };
    // The thief comes with what he has, long after; then the owner, as if nothing had happened.
    house.clock.advance(Duration::from_secs(11));
    let theft = login.inner.settle(stolen, login.inner.look(stolen).await.unwrap(), login.inner.now()).await;
    house.clock.advance(Duration::from_secs(11));
    let owner =
        login.inner.settle(world.stored, login.inner.look(world.stored).await.unwrap(), login.inner.now()).await;
    if stolen == world.stored {
        // He was first: the owner's token is the used one now.
        let loot = world.read(&theft.unwrap());
        assert_eq!(owner.unwrap_err().code, "refresh_token_already_used");
        assert!(login.inner.look(loot).await.unwrap().is_none(), "what he got has ended with it");
    } else {
        assert_eq!(theft.unwrap_err().code, "refresh_token_already_used");
        assert_eq!(owner.unwrap_err().code, "refresh_token_not_found", "the session has ended");
    }
}

impl World {
    /// Whether the honest client has the latest token.
    async fn is_up_to_date(&self) -> bool {
        let seen = self.login.inner.look(self.stored).await.unwrap();
        seen.is_some_and(|(session, _)| session.standing.counter == self.stored.counter)
    }
}

async fn run(house: &House, times: u64) {
    let first = account(house, "mina@example.com").await;
    let user = text(&first["user"], "id").to_owned();
    for seed in 0..times {
        let inner = &house.login.inner;
        let now = inner.now();
        let mut owner = inner.records.user(&user).await.unwrap().unwrap();
        let incoming = crate::incoming::Incoming {
            method: http::Method::POST,
            path: Vec::new(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            is_again: false,
        };
        let (session, steps) = inner.begin(&mut owner, "password", &incoming, now).unwrap();
        inner.records.write(steps).await.unwrap();
        let answer = inner.tokens(&owner, &session, now).unwrap();
        interleave(house, &answer, seed).await;
        if seed % 500 == 499 {
            // Or the signed-out sessions are read again and again.
            house.clock.advance(Duration::from_secs(7200));
            inner.records.forget_revoked(inner.now()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_on_sqlite() {
    run(&House::embedded(unconfirmed()).await, 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_hundred_on_postgresql() {
    let test = "tests::interleavings::some_hundred_on_postgresql";
    let Some(house) = House::server(test, unconfirmed()).await else { return };
    run(&house, 300).await;
}
