//! Signing in while somebody guesses.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::testing::{self, settings};
use crate::{Defence, DefenceSettings, Login, Settings};

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

/// A gate with counters of its own.
pub(super) fn gate(house: &House, settings: DefenceSettings) -> Arc<Defence> {
    let cache = cache::open(&cache::Config::default(), house.clock.clone()).unwrap();
    let secret = testing::key(crate::DEFENCE_PURPOSE);
    Arc::new(Defence::new(settings, cache, secret, house.clock.clone(), testing::telemetry()))
}

/// Signs in from an address; gives status, code and headers.
async fn sign_in(
    login: &Login,
    (email, password): (&str, &str),
    address: u32,
    headers: HeaderMap,
) -> (u16, Value, HeaderMap) {
    let body = json!({"email": email, "password": password});
    let from = IpAddr::from(address.to_be_bytes());
    testing::send_from(login, ("POST", "/token?grant_type=password"), (from, headers), body).await
}

const VICTIM: &str = "mina@example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_ones_at_once_are_a_few_hashes() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let before = login.inner.passwords.figures().computed;
    let tries = (0..200_u32).map(|number| {
        let login = login.clone();
        tokio::spawn(async move {
            let given = (VICTIM, "wrong wrong wrong");
            sign_in(&login, given, 0x0b00_0000 + number * 256, HeaderMap::new()).await.0
        })
    });
    let tries: Vec<_> = tries.collect();
    let mut statuses = std::collections::BTreeMap::new();
    for one in tries {
        *statuses.entry(one.await.unwrap()).or_insert(0) += 1;
    }
    let computed = login.inner.passwords.figures().computed - before;
    assert!(computed <= 10, "{computed} were hashed");
    assert_eq!(statuses[&400], 5, "{statuses:?}");
    assert_eq!(statuses[&429] + statuses.get(&503).unwrap_or(&0), 195, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_unknown_and_locked_are_told_the_same() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let mut answers = Vec::new();
    for email in [VICTIM, "nobody@example.com"] {
        let mut own = Vec::new();
        for number in 0..8 {
            let (status, body, headers) =
                sign_in(&login, (email, "wrong wrong wrong"), number << 8, HeaderMap::new()).await;
            own.push((status, body, headers.get("retry-after").cloned()));
        }
        answers.push(own);
    }
    assert_eq!(answers[0], answers[1]);
    let (status, body, wait) = answers[0][7].clone();
    assert_eq!((status, text(&body, "code")), (429, "over_request_rate_limit"));
    assert!((600..=720).contains(&wait.unwrap().to_str().unwrap().parse::<u32>().unwrap()));
    // The right password of a stranger is not looked at either: whoever guesses would learn that it is right.
    let (status, body, _) = sign_in(&login, (VICTIM, PASSWORD), 77 << 8, HeaderMap::new()).await;
    assert_eq!((status, text(&body, "code")), (429, "over_request_rate_limit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_signed_in_before_gets_in_while_strangers_guess() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let (status, _, headers) = sign_in(&login, (VICTIM, PASSWORD), 1 << 8, HeaderMap::new()).await;
    assert_eq!(status, 200);
    let cookie = headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("; Path=/auth/v1;") && cookie.contains("; HttpOnly; Secure; SameSite=Strict"), "{cookie}");
    let asks = HeaderMap::from_iter([("pando-device".parse().unwrap(), "new".parse().unwrap())]);
    let (_, _, headers) = sign_in(&login, (VICTIM, PASSWORD), 2 << 8, asks).await;
    assert!(!headers.contains_key("set-cookie"));
    let token = headers["pando-device"].clone();

    for number in 100..150 {
        sign_in(&login, (VICTIM, "wrong wrong wrong"), number << 8, HeaderMap::new()).await;
    }
    let stranger = sign_in(&login, (VICTIM, PASSWORD), 99 << 8, HeaderMap::new()).await;
    assert_eq!(stranger.0, 429);
    let pair = cookie.split(';').next().unwrap();
    for shown in [("cookie", pair), ("pando-device", token.to_str().unwrap())] {
        let shown = HeaderMap::from_iter([(shown.0.parse().unwrap(), shown.1.parse().unwrap())]);
        assert_eq!(sign_in(&login, (VICTIM, PASSWORD), 98 << 8, shown.clone()).await.0, 200);
        let other = sign_in(&login, ("nobody@example.com", PASSWORD), 98 << 8, shown).await;
        assert_eq!(other.0, 400, "of another account it says nothing");
    }
    // The address from which it signed in is known as well.
    assert_eq!(sign_in(&login, (VICTIM, PASSWORD), 1 << 8, HeaderMap::new()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_of_a_mail_makes_a_device_known() {
    let house = House::embedded(settings()).await;
    let given = json!({"email": VICTIM, "password": PASSWORD});
    assert_eq!(house.send(("POST", "/signup"), "", given).await.0, 200);
    let mail = house.mail().await;
    let start = mail.text.find("http").unwrap();
    let link = mail.text[start..].split_whitespace().next().unwrap().split("/auth/v1").nth(1).unwrap().to_owned();
    let (status, _, headers) = house.send(("GET", &link), "", Value::Null).await;
    assert_eq!(status, 303);
    assert!(headers["set-cookie"].to_str().unwrap().starts_with("__Secure-pando-device="));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_is_charged_what_came_of_it() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let computed = || login.inner.passwords.figures().computed;
    let figures = || login.inner.passwords.figures();
    for number in 0..8_u32 {
        let asking = login.clone();
        let before = computed();
        let asked = tokio::spawn(async move {
            sign_in(&asking, (VICTIM, PASSWORD), 0x0b00_0000 + number * 256, HeaderMap::new()).await.0
        });
        while computed() == before && figures().running == 0 {
            tokio::task::yield_now().await;
        }
        asked.abort();
        // It is given back a moment later, by whoever looked.
        let mut is_back = false;
        for _ in 0..1_000 {
            let given = (VICTIM, PASSWORD);
            is_back = sign_in(&login, given, 0x0c00_0000 + number * 256, HeaderMap::new()).await.0 == 200;
            if is_back {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(is_back, "after {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_known_no_more_after_another_password() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let with = |token: &str| HeaderMap::from_iter([("pando-device".parse().unwrap(), token.parse().unwrap())]);
    let (_, body, headers) = sign_in(&login, (VICTIM, PASSWORD), 1 << 8, with("new")).await;
    let token = headers["pando-device"].to_str().unwrap().to_owned();
    let lock = async |from: u32| {
        for number in from..from + 12 {
            sign_in(&login, (VICTIM, "wrong wrong wrong"), number << 8, HeaderMap::new()).await;
        }
        assert_eq!(sign_in(&login, (VICTIM, PASSWORD), 99 << 8, HeaderMap::new()).await.0, 429);
    };
    lock(100).await;
    assert_eq!(sign_in(&login, (VICTIM, PASSWORD), 98 << 8, with(&token)).await.0, 200);
    let other = "another battery of horses";
    let (status, _, renewed) = {
        let mut headers = with(&token);
        headers.insert("authorization", format!("Bearer {}", text(&body, "access_token")).parse().unwrap());
        let from = (IpAddr::from((97_u32 << 8).to_be_bytes()), headers);
        testing::send_from(&login, ("PUT", "/user"), from, json!({"password": other})).await
    };
    assert_eq!(status, 200);
    for address in [98, 1] {
        let former = sign_in(&login, (VICTIM, other), address << 8, with(&token)).await;
        assert_eq!(former.0, 429, "neither by the device nor by the address");
    }
    let renewed = renewed["pando-device"].to_str().unwrap().to_owned();
    assert_eq!(sign_in(&login, (VICTIM, other), 96 << 8, with(&renewed)).await.0, 200, "who changed it is known");
    assert_eq!(sign_in(&login, (VICTIM, other), 97 << 8, HeaderMap::new()).await.0, 200, "and his address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_known_types_its_code_while_strangers_guess() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, VICTIM).await;
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let (_, _, headers) = sign_in(&login, (VICTIM, PASSWORD), 1 << 8, HeaderMap::new()).await;
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let shown = HeaderMap::from_iter([("cookie".parse().unwrap(), cookie.parse().unwrap())]);
    testing::send(&login, ("POST", "/recover"), "", json!({"email": VICTIM})).await;
    let mail = house.mail().await.text;
    let code = mail.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned();
    let verify = |code: String, number: u32, headers: HeaderMap| {
        let (login, from) = (login.clone(), IpAddr::from((number << 8).to_be_bytes()));
        async move {
            let given = json!({"type": "recovery", "email": VICTIM, "token": code});
            testing::send_from(&login, ("POST", "/verify"), (from, headers), given).await.0
        }
    };
    let mut answers = Vec::new();
    for number in 10..21 {
        answers.push(verify("junk".to_owned(), number, HeaderMap::new()).await);
    }
    assert_eq!((answers[9], answers[10]), (403, 429));
    assert_eq!(verify(code.clone(), 1, HeaderMap::new()).await, 429);
    assert_eq!(verify(code, 1, shown).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_an_address_is_charged_before_anybody_looks() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, "taken@example.com").await;
    let mut answers = Vec::new();
    for (number, asked) in [(1, "taken@example.com"), (2, "free@example.com")] {
        let own = format!("own{number}@example.com");
        let token = text(&account(&house, &own).await, "access_token").to_owned();
        let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
        let put = async |email: &str| {
            let (status, body, _) = testing::send(&login, ("PUT", "/user"), &token, json!({"email": email})).await;
            (status, body["code"].as_str().unwrap_or_default().to_owned())
        };
        answers.push((put(asked).await.0, put(asked).await, put("other@example.com").await));
    }
    let wait = || (429, "over_email_send_rate_limit".to_owned());
    assert_eq!(answers, [(422, wait(), wait()), (200, wait(), wait())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_gets_one_mail_a_minute_whatever_asks_for_it() {
    let house = House::embedded(unconfirmed()).await;
    let own = account(&house, VICTIM).await;
    let token = text(&own, "access_token").to_owned();
    let login = house.another(unconfirmed(), gate(&house, DefenceSettings::default())).await;
    let ask = async |request, token: &str, body: Value| testing::send(&login, request, token, body).await.0;
    assert_eq!(ask(("POST", "/otp"), "", json!({"email": "new@example.com", "create_user": false})).await, 200);
    assert_eq!(ask(("PUT", "/user"), &token, json!({"email": "new@example.com"})).await, 429);
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(ask(("PUT", "/user"), &token, json!({"email": "new@example.com"})).await, 200);
    for email in ["new@example.com", VICTIM] {
        assert_eq!(ask(("POST", "/otp"), "", json!({"email": email})).await, 429, "{email}");
    }
    // Once more to the same two: who may not is not told that there is such a change.
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(ask(("POST", "/recover"), "", json!({"email": "new@example.com"})).await, 200);
    house.mails.lock().clear();
    let given = json!({"type": "email_change", "email": VICTIM});
    assert_eq!(ask(("POST", "/resend"), "", given).await, 200);
    assert!(house.mails.lock().is_empty());
}
