//! What other servers are asked and told: about CAPTCHAs, and of attacks.

use std::sync::Arc;
use std::time::Duration;

use base::Secret;
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::guesses::gate;
use super::*;
use crate::testing::{self, Open, settings};
use crate::{
    AttackListener, Captcha, CaptchaMode, CaptchaSettings, DefenceSettings, Gate, Login, Settings, WebhookKey,
};

/// A server that answers every request alike, or not at all, and keeps what it was sent.
struct Other {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Other {
    async fn start(answer: Option<(u16, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/check", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    let mut text = String::new();
                    let mut piece = [0; 4096];
                    loop {
                        let count = socket.read(&mut piece).await.unwrap();
                        text.push_str(&String::from_utf8_lossy(&piece[..count]));
                        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                        let lower = head.to_ascii_lowercase();
                        let length = lower.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                        if body.len() >= length.parse().unwrap() {
                            break;
                        }
                    }
                    kept.lock().push(text);
                    let Some((status, body)) = answer else { return std::future::pending().await };
                    let head =
                        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, heard }
    }
}

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

async fn with_captcha(house: &House, url: &str, mode: CaptchaMode, gate: Arc<dyn Gate>) -> Login {
    // Who answers may take his time; who does not is not waited for.
    with_patience(house, url, mode, (gate, Duration::from_secs(60))).await
}

async fn with_patience(
    house: &House,
    url: &str,
    mode: CaptchaMode,
    (gate, timeout): (Arc<dyn Gate>, Duration),
) -> Login {
    let secret = Secret::new("of the site");
    let captcha = Captcha::open(CaptchaSettings { mode, url: url.to_owned(), secret, timeout }).unwrap();
    house.another_with(unconfirmed(), gate, Some(captcha)).await
}

async fn sign_in(login: &Login, address: u32, password: &str, captcha: Option<&str>) -> (u16, String) {
    let mut given = json!({"email": "mina@example.com", "password": password});
    if let Some(token) = captcha {
        given["gotrue_meta_security"] = json!({"captcha_token": token});
    }
    let from = (std::net::IpAddr::from(address.to_be_bytes()), HeaderMap::new());
    let (status, body, _) = testing::send_from(login, ("POST", "/token?grant_type=password"), from, given).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captcha_is_asked_about_as_gotrue_does() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, "mina@example.com").await;
    let yes = Other::start(Some((200, r#"{"success":true}"#))).await;
    let login = with_captcha(&house, &yes.url, CaptchaMode::Always, Arc::new(Open)).await;
    assert_eq!(sign_in(&login, 1, PASSWORD, None).await, (400, "captcha_failed".to_owned()));
    assert!(yes.heard.lock().is_empty(), "without a token nobody is asked");
    assert_eq!(sign_in(&login, 1, PASSWORD, Some("a token&more")).await.0, 200);
    let heard = yes.heard.lock().pop().unwrap();
    assert!(heard.starts_with("POST /check HTTP/1.1"), "{heard}");
    assert!(heard.ends_with("secret=of+the+site&response=a+token%26more&remoteip=0.0.0.1"), "{heard}");
    for target in ["/signup", "/otp", "/recover", "/resend"] {
        let given = json!({"email": "ada@example.com", "password": PASSWORD, "type": "signup"});
        let (status, body, _) = testing::send(&login, ("POST", target), "", given).await;
        assert_eq!((status, text(&body, "code")), (400, "captcha_failed"), "{target}");
    }

    let no = Other::start(Some((200, r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#))).await;
    let login = with_captcha(&house, &no.url, CaptchaMode::Always, Arc::new(Open)).await;
    assert_eq!(sign_in(&login, 1, PASSWORD, Some("x")).await, (400, "captcha_failed".to_owned()));
    // Who does not answer, or answers something else, has not said yes.
    for answer in [None, Some((500, r#"{"success":true}"#)), Some((200, "yes")), Some((302, r#"{"success":true}"#))] {
        let silent = Other::start(answer).await;
        let patience = Duration::from_millis(if answer.is_none() { 300 } else { 60_000 });
        let gate = (Arc::new(Open) as Arc<dyn Gate>, patience);
        let login = with_patience(&house, &silent.url, CaptchaMode::Always, gate).await;
        assert_eq!(sign_in(&login, 1, PASSWORD, Some("x")).await, (503, "captcha_failed".to_owned()), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captcha_of_the_suspicious_alone() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, "mina@example.com").await;
    let yes = Other::start(Some((200, r#"{"success":true}"#))).await;
    let gate = gate(&house, DefenceSettings::default());
    let login = with_captcha(&house, &yes.url, CaptchaMode::Suspicious, gate).await;
    assert_eq!(sign_in(&login, 1 << 8, PASSWORD, None).await.0, 200);
    let mut answers = Vec::new();
    for number in 10..15 {
        answers.push(sign_in(&login, number << 8, "wrong wrong wrong", None).await.0);
    }
    assert_eq!(answers, [400; 5]);
    let wrong = sign_in(&login, 30 << 8, "wrong wrong wrong", None).await;
    assert_eq!(wrong, (400, "captcha_failed".to_owned()), "not a guess: nothing was looked at");
    assert_eq!(sign_in(&login, 31 << 8, PASSWORD, Some("x")).await.0, 200);
    assert_eq!(sign_in(&login, 1 << 8, PASSWORD, None).await.0, 200, "an address that the account knows needs none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_all_the_places_of_the_captcha() {
    let house = House::embedded(unconfirmed()).await;
    account(&house, "mina@example.com").await;
    let no = Other::start(Some((200, r#"{"success":false}"#))).await;
    let login = with_captcha(&house, &no.url, CaptchaMode::Always, gate(&house, DefenceSettings::default())).await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(sign_in(&login, 7, PASSWORD, Some("made up")).await.0);
    }
    assert_eq!((&answers[..16], &answers[16..]), ([400; 16].as_slice(), [429; 4].as_slice()), "of one address");
    assert_eq!(no.heard.lock().len(), 16);

    let (yes, silent) = (Other::start(Some((200, r#"{"success":true}"#))).await, Other::start(None).await);
    let gate = gate(&house, DefenceSettings::default());
    let login = with_captcha(&house, &yes.url, CaptchaMode::Always, gate.clone()).await;
    assert_eq!(sign_in(&login, 1 << 8, PASSWORD, Some("x")).await.0, 200);
    let patience = (gate as Arc<dyn Gate>, Duration::from_secs(3_600));
    let login = with_patience(&house, &silent.url, CaptchaMode::Always, patience).await;
    let ask = |address: u32| {
        let login = login.clone();
        tokio::spawn(async move { sign_in(&login, address, PASSWORD, Some("made up")).await })
    };
    let heard = async |count: usize| {
        while silent.heard.lock().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let asking: Vec<_> = (100..148).map(|number| ask(number << 8)).collect();
    heard(48).await;
    assert_eq!(ask(200 << 8).await.unwrap().0, 503);
    let known = ask(1 << 8);
    heard(49).await;
    asking.into_iter().chain([known]).for_each(|asking| asking.abort());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_is_told_and_nobody_waits_for_it() {
    let house = House::embedded(unconfirmed()).await;
    let hook = Other::start(Some((204, ""))).await;
    let key = WebhookKey::read(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let silent = Other::start(None).await;
    for url in [&silent.url, &hook.url] {
        let listener: AttackListener =
            crate::webhook(url, key.clone(), house.clock.clone(), testing::telemetry()).unwrap();
        let gate = gate(&house, DefenceSettings { listener, ..DefenceSettings::default() });
        let login = house.another(unconfirmed(), gate).await;
        for number in 0..6 {
            sign_in(&login, number << 8, "wrong wrong wrong", None).await;
        }
    }
    let heard = loop {
        if let Some(heard) = hook.heard.lock().pop() {
            break heard;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("webhook-id: msg_") && head.contains("webhook-signature: v1,"), "{head}");
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "type": "login.account_locked",
            "timestamp": "2023-11-14T22:13:20Z",
            "data": {"account": "mina@example.com"},
        })
    );
    assert!(crate::webhook("no address", key, house.clock.clone(), testing::telemetry()).is_err());
}
