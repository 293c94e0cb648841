//! What every driver promises, asked of all of them against a server that notes what it is asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, QualifiedName, Secret, SystemClock};
use cdn::{CdnSettings, DriverSettings, Purger, Tag, Tags, WebhookKey};
use parking_lot::Mutex;
use serde_json::Value;
use telemetry::{LogConfig, LogFormat, Telemetry, TelemetryConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    head: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }

    /// The names that are to be purged, wherever they stand.
    fn names(&self) -> Vec<String> {
        if let Some(names) = self.header("xkey-purge") {
            return names.split(' ').map(str::to_owned).collect();
        }
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let names = body.get("surrogate_keys").or_else(|| body.get("tags")).unwrap().as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }
}

/// A cache that answers as it was told to, and well after that.
#[derive(Clone, Default)]
struct Cache {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":true}";
/// The connection ends without an answer.
const BROKEN: &str = "";

impl Cache {
    async fn start(answers: &[&'static str]) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cache = Self { answers: Arc::new(Mutex::new(answers.iter().copied().collect())), ..Self::default() };
        let serving = cache.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let cache = serving.clone();
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    while let Some(asked) = read(&mut stream, &mut bytes).await {
                        cache.asked.lock().push(asked);
                        let answer = cache.answers.lock().pop_front().unwrap_or(DONE);
                        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (cache, url)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

async fn read(stream: &mut tokio::net::TcpStream, bytes: &mut Vec<u8>) -> Option<Asked> {
    loop {
        let text = String::from_utf8_lossy(bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if body.len() >= length {
                let (line, head) = head.split_once("\r\n").unwrap();
                let asked = Asked { line: line.to_owned(), head: head.to_owned(), body: body[..length].to_owned() };
                bytes.drain(..text.len() - body.len() + length);
                return Some(asked);
            }
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
    }
}

const DRIVERS: [&str; 4] = ["varnish", "fastly", "cloudflare", "webhook"];

fn settings(driver: &str, url: &str) -> CdnSettings {
    let (url, token) = (Secret::new(url), Secret::new("a-token"));
    let driver = match driver {
        "varnish" => DriverSettings::Varnish { urls: vec![url] },
        "fastly" => DriverSettings::Fastly { url: Some(url), service: "SU1Z0isxPaozGVKXdv0eY".to_owned(), token },
        "cloudflare" => DriverSettings::Cloudflare { url: Some(url), zone: "023e105f4ecef8ad".to_owned(), token },
        _ => {
            let key = WebhookKey::read(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
            DriverSettings::Webhook { url, key }
        }
    };
    let (settle, timeout) = (Duration::from_millis(20), Duration::from_millis(500));
    CdnSettings { driver, most_waiting: 10_000, settle, timeout }
}

fn table(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

fn tags(count: usize) -> Vec<Tag> {
    (0..count).map(|number| Tags::new("public").row(&table("todos"), &number.to_string()).unwrap()).collect()
}

fn names(tags: &[Tag]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

fn telemetry(clock: Arc<dyn Clock>) -> Telemetry {
    let log = LogConfig::new(telemetry::Level::Off, LogFormat::Json, Box::new(std::io::sink()));
    let (service_name, service_version) = ("test".to_owned(), "0".to_owned());
    Telemetry::new(TelemetryConfig { service_name, service_version, log, traces: None, seed: None }, clock).unwrap()
}

fn purger(settings: &CdnSettings) -> Arc<Purger> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let driver = cdn::open(settings, clock.clone()).unwrap();
    let telemetry = Arc::new(telemetry(clock.clone()));
    let purger = Purger::new(settings, driver, BTreeSet::new(), clock, telemetry);
    tokio::spawn(purger.clone().run());
    purger
}

fn change(purger: &Purger, tags: &[Tag]) {
    purger.changed(tags.iter().map(|tag| (tag.clone(), table("todos"))).collect());
}

async fn confirmed(purger: &Purger) {
    let all = BTreeSet::from([table("todos")]);
    tokio::time::timeout(Duration::from_secs(60), purger.confirmed(0, &all)).await.expect("it is confirmed");
}

#[tokio::test]
async fn names_are_sent_as_the_cache_wants_them() {
    for driver in DRIVERS {
        let (cache, url) = Cache::start(&[]).await;
        let opened = cdn::open(&settings(driver, &url), Arc::new(SystemClock)).unwrap();
        assert_eq!(opened.name(), driver);
        opened.purge(&tags(3)).await.unwrap();
        let [asked] = &cache.asked()[..] else { panic!("{driver} asked another number of times") };
        assert_eq!(asked.names(), names(&tags(3)), "{driver}");
        let expected = match driver {
            "varnish" => "PURGE / HTTP/1.1",
            "fastly" => "POST /service/SU1Z0isxPaozGVKXdv0eY/purge HTTP/1.1",
            "cloudflare" => "POST /zones/023e105f4ecef8ad/purge_cache HTTP/1.1",
            _ => "POST / HTTP/1.1",
        };
        assert_eq!(asked.line, expected);
        assert_eq!(asked.header("fastly-key").is_some(), driver == "fastly");
        assert_eq!(asked.header("authorization").as_deref() == Some("Bearer a-token"), driver == "cloudflare");
        let headers: Vec<_> = opened.headers().iter().filter_map(|header| header.of(&tags(2))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = match driver {
            "varnish" => vec![("xkey", "r:todos:0 r:todos:1")],
            "fastly" => vec![("surrogate-key", "r:todos:0 r:todos:1")],
            "cloudflare" => vec![("cache-tag", "r:todos:0,r:todos:1")],
            _ => vec![("surrogate-key", "r:todos:0 r:todos:1"), ("cache-tag", "r:todos:0,r:todos:1")],
        };
        assert_eq!(headers, expected, "{driver}");
    }
}

#[tokio::test]
async fn what_is_not_confirmed_is_refused() {
    let answers: [(&str, &str); 5] = [
        (
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            "the answer has the status 429",
        ),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "the answer has the status 503"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "the answer has the status 302",
        ),
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "the answer has the status 401"),
        (BROKEN, "connection closed before message completed"),
    ];
    for driver in DRIVERS {
        for (answer, why) in answers {
            let (_cache, url) = Cache::start(&[answer, BROKEN, BROKEN, BROKEN]).await;
            let opened = cdn::open(&settings(driver, &url), Arc::new(SystemClock)).unwrap();
            let refused = opened.purge(&tags(1)).await.unwrap_err();
            assert!(refused.why.contains(why), "{driver}: {refused:?}");
            assert!(!refused.why.contains("127.0.0.1") && !refused.why.contains("a-token"), "{refused:?}");
            let seconds = refused.retry_after.map(|after| after.as_secs());
            assert_eq!(seconds, why.contains("429").then_some(7), "{driver}");
        }
    }
    // A cache that says nothing, and one that nobody listens for.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for driver in DRIVERS {
        for (address, why) in [(silent.local_addr().unwrap(), "timed out"), (nobody, "refused")] {
            let opened = cdn::open(&settings(driver, &format!("http://{address}")), Arc::new(SystemClock)).unwrap();
            let refused = opened.purge(&tags(1)).await.unwrap_err();
            assert!(refused.why.contains(why) && !refused.why.contains("127.0.0.1"), "{driver}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_cache_that_did_not_do_it_says_so_in_the_body() {
    let (_cache, url) = Cache::start(&["HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"success\":false}"]).await;
    let opened = cdn::open(&settings("cloudflare", &url), Arc::new(SystemClock)).unwrap();
    let refused = opened.purge(&tags(1)).await.unwrap_err();
    assert_eq!(refused.why, "the answer has the status 200 and does not say that it was done");
}

#[tokio::test]
async fn the_numbers_of_cloudflares_errors_are_told_and_not_its_texts() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 95\r\n\r\n\
                  {\"success\":false,\"errors\":[{\"code\":1012,\"message\":\"a-token\"},{\"code\":10000,\"message\":\"x y z\"}]}";
    let (_cache, url) = Cache::start(&[answer]).await;
    let opened = cdn::open(&settings("cloudflare", &url), Arc::new(SystemClock)).unwrap();
    let refused = opened.purge(&tags(1)).await.unwrap_err();
    assert_eq!(refused.why, "the answer has the status 400 and names Cloudflare's errors 1012, 10000");
}

#[tokio::test]
async fn everything_is_purged_at_first_and_names_follow_in_batches() {
    for driver in DRIVERS {
        let (cache, url) = Cache::start(&[]).await;
        let purger = purger(&settings(driver, &url));
        change(&purger, &tags(1));
        confirmed(&purger).await;
        assert_eq!(cache.asked()[0].names(), ["all"], "{driver}");
        let before = cache.asked().len();
        change(&purger, &tags(700));
        confirmed(&purger).await;
        let batches: Vec<Vec<String>> = cache.asked()[before..].iter().map(Asked::names).collect();
        let most = cdn::open(&settings(driver, &url), Arc::new(SystemClock)).unwrap().most();
        for batch in &batches {
            assert!(batch.len() <= most.0 && batch.join(" ").len() <= most.1, "{driver}: {}", batch.len());
        }
        assert_eq!(batches.concat(), names(&tags(700)), "{driver}");
    }
}

#[tokio::test]
async fn what_fails_is_tried_until_it_is_done_and_nothing_overtakes_it() {
    const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    const PATIENCE: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    for driver in DRIVERS {
        let (cache, url) = Cache::start(&[DONE, AWAY, PATIENCE]).await;
        let purger = purger(&settings(driver, &url));
        confirmed(&purger).await;
        let (one, two) = (tags(2), &tags(3)[2..]);
        change(&purger, &one);
        // Once it was refused the first time, something else changes, and the same once more.
        while cache.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
        change(&purger, two);
        change(&purger, &one[..1]);
        let asked_twice = purger.gauges();
        assert!(asked_twice.waiting >= 2, "{driver}: {asked_twice:?}");
        confirmed(&purger).await;
        let purges: Vec<Vec<String>> = cache.asked()[1..].iter().map(Asked::names).collect();
        assert_eq!(purges[0], names(&one), "{driver}");
        assert_eq!(purges[1][..2], names(&one), "{driver}: what failed comes first");
        assert!(purges.last().unwrap().contains(&two[0].to_string()), "{driver}: {purges:?}");
        assert_eq!(purger.gauges().waiting, 0);
    }
}

#[tokio::test]
async fn all_caches_of_several_have_to_confirm() {
    let (one, first) = Cache::start(&["HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"]).await;
    let (two, second) = Cache::start(&[]).await;
    let driver = DriverSettings::Varnish { urls: vec![Secret::new(first), Secret::new(second)] };
    let settings = CdnSettings { driver, ..settings("varnish", "http://localhost") };
    let opened = cdn::open(&settings, Arc::new(SystemClock)).unwrap();
    let refused = opened.purge(&tags(1)).await.unwrap_err();
    assert_eq!(refused.why, "number 1 of its addresses: the answer has the status 500");
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1), "the other is told as well");
    assert!(opened.purge(&tags(1)).await.is_ok());
}

#[tokio::test]
async fn a_message_keeps_its_id_until_it_is_taken() {
    let (cache, url) = Cache::start(&["HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"]).await;
    let opened = cdn::open(&settings("webhook", &url), Arc::new(SystemClock)).unwrap();
    assert!(opened.purge(&tags(1)).await.is_err());
    opened.purge(&tags(1)).await.unwrap();
    opened.purge(&tags(1)).await.unwrap();
    let ids: Vec<_> = cache.asked().iter().map(|asked| asked.header("webhook-id").unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
    let asked = &cache.asked()[0];
    assert!(asked.header("webhook-signature").unwrap().starts_with("v1,"));
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["id"], ids[0].as_str());
    assert!(body["at"].is_i64());
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for driver in ["fastly", "cloudflare", "webhook"] {
        assert!(cdn::open(&settings(driver, "http://example.com"), clock.clone()).is_err(), "{driver}");
    }
    assert!(cdn::open(&settings("varnish", "http://10.0.0.1:6081"), clock.clone()).is_ok());
    let token = || Secret::new("a token\r\n");
    for driver in [
        DriverSettings::Fastly { url: None, service: "../x".to_owned(), token: Secret::new("t") },
        DriverSettings::Cloudflare { url: None, zone: String::new(), token: Secret::new("t") },
        DriverSettings::Cloudflare { url: None, zone: "a".to_owned(), token: token() },
        DriverSettings::Fastly { url: None, service: "a".to_owned(), token: token() },
    ] {
        let settings = CdnSettings { driver, ..settings("varnish", "http://localhost") };
        assert!(cdn::open(&settings, clock.clone()).is_err(), "{settings:?}");
    }
}
