//! API keys in the database, the same on both engines.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../store/tests/own/engines.rs"]
mod engines;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, SystemClock, Timestamp};
use engines::Engine;
use http::{Method, StatusCode};
use identity::{ApiKeys, KeyKind, KeyText};
use login::api_keys::{KeyError, KeyKeeper, KeyWish, Quota, Scope};
use serde_json::{Value, json};
use store::{OwnStatement, OwnStep};

const SCHEMA: &str = "create table first (id bigint primary key);";

async fn engines(test: &str) -> Vec<Engine> {
    let mut engines = vec![Engine::embedded(SCHEMA).await];
    engines.extend(Engine::server(test, SCHEMA).await);
    engines
}

/// A node: what it knows, and who changes it.
struct Node {
    keys: Arc<ApiKeys>,
    keeper: KeyKeeper,
}

impl Node {
    fn of(engine: &Engine) -> Self {
        let keys = Arc::<ApiKeys>::default();
        let keeper = KeyKeeper::new(
            engine.store.clone(),
            keys.clone(),
            Arc::new(SystemClock),
            Arc::new(getrandom::fill),
            "service_role".into(),
        );
        Self { keys, keeper }
    }

    fn knows(&self, key: &str) -> bool {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        self.keys.check(key.as_bytes(), Some(address), SystemClock.now()).is_ok()
    }
}

fn wish(name: &str) -> KeyWish {
    KeyWish {
        name: name.to_owned(),
        kind: KeyKind::Secret,
        role: None,
        scope: Scope::default(),
        expires_at: None,
        quota: None,
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}: it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begin.elapsed()
}

#[tokio::test]
async fn a_key_lives_and_every_node_knows() {
    for engine in engines("a_key_lives_and_every_node_knows").await {
        let (here, there) = (Node::of(&engine), Node::of(&engine));
        assert!(!here.keeper.has_table().await.unwrap());
        here.keeper.make_table().await.unwrap();
        there.keeper.make_table().await.unwrap();
        assert!(there.keeper.has_table().await.unwrap());
        let _follower = there.keeper.follow(|error| panic!("{error}"));

        let scope = Scope::from_words(&["public.first".to_owned()], &["GET".to_owned()], &["192.0.2.0/24".to_owned()]);
        let expires_at = Some(Timestamp(SystemClock.now().0 + 86_400_000_000));
        let wished =
            KeyWish { role: Some("reporter".to_owned()), scope: scope.unwrap(), expires_at, ..wish("reports") };
        let made = here.keeper.create(wished.clone()).await.unwrap();
        let key = made.text.expose();
        assert!(here.knows(key), "at once");
        // A second is promised; other tests run beside this one.
        assert!(until("made", || there.knows(key)).await < Duration::from_secs(3));

        let listed = here.keeper.list().await.unwrap();
        assert_eq!(listed.len(), 1);
        let found = &listed[0];
        assert_eq!((&found.name, found.kind, &found.role), (&wished.name, wished.kind, &wished.role));
        assert_eq!((&found.scope, found.expires_at), (&wished.scope, wished.expires_at));
        assert!(!format!("{listed:?}").contains(key) && key.starts_with(found.hint.trim_end_matches('…')));

        let next = there.keeper.rotate("reports", Duration::from_secs(3600)).await.unwrap();
        assert!(there.knows(next.text.expose()) && there.knows(key));
        assert_eq!(next.record.rotated_from.as_deref(), Some(found.id.as_str()));
        assert!(matches!(here.keeper.revoke("reports").await, Err(KeyError::Ambiguous)));
        here.keeper.revoke(&found.id).await.unwrap();
        assert!(!here.knows(key), "at once");
        until("revoked", || !there.knows(key)).await;
        assert!(there.knows(next.text.expose()));
        assert!(matches!(here.keeper.revoke(&found.id).await, Err(KeyError::Gone)));
        assert!(matches!(here.keeper.revoke("nobody").await, Err(KeyError::Unknown)));
        let last = here.keeper.rotate("reports", Duration::ZERO).await.unwrap();
        assert!(!here.knows(next.text.expose()), "without an overlap the former is gone");
        until("rotated", || there.knows(last.text.expose()) && !there.knows(next.text.expose())).await;

        // A node that starts knows all of it.
        let late = Node::of(&engine);
        late.keeper.load().await.unwrap();
        assert!(late.knows(last.text.expose()) && !late.knows(key) && late.keys.len() == 3);
    }
}

#[tokio::test]
async fn a_row_that_nobody_understands_hides_no_other() {
    const NEWER: OwnStatement =
        OwnStatement::new("UPDATE pando.api_keys SET scope = $2, changed_at = now() WHERE id = $1", &["uuid", "jsonb"]);
    for engine in engines("a_row_that_nobody_understands_hides_no_other").await {
        let (here, there) = (Node::of(&engine), Node::of(&engine));
        here.keeper.make_table().await.unwrap();
        let lost = Arc::new(AtomicUsize::new(0));
        let heard = lost.clone();
        let _follower = there.keeper.follow(move |error| {
            assert!(error.to_string().contains("has a scope that is none"), "{error}");
            heard.fetch_add(1, Ordering::Relaxed);
        });
        let make = async |name: &str| here.keeper.create(wish(name)).await.unwrap();
        let (newer, revoked, stays) = (make("newer").await, make("revoked").await, make("stays").await);
        until("made", || [&newer, &revoked, &stays].iter().all(|made| there.knows(made.text.expose()))).await;

        let scope = json!({"relations": [], "methods": [], "networks": [], "columns": ["id"]}).to_string();
        let step = OwnStep::new(NEWER, [newer.record.id.as_str().into(), scope.into()]);
        engine.store.transact(vec![step]).await.unwrap();
        here.keeper.revoke(&revoked.record.id).await.unwrap();
        until("revoked", || !there.knows(revoked.text.expose()) && !there.knows(newer.text.expose())).await;
        assert!(there.knows(stays.text.expose()));
        assert_eq!(lost.load(Ordering::Relaxed), 1, "it is told once");

        let late = Node::of(&engine);
        assert_eq!(late.keeper.load().await.unwrap().len(), 1);
        assert!(late.knows(stays.text.expose()) && !late.knows(newer.text.expose()));
        assert_eq!(late.keeper.list().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn of_several_at_once_one_rotates() {
    for engine in engines("of_several_at_once_one_rotates").await {
        let node = Node::of(&engine);
        node.keeper.make_table().await.unwrap();
        let made = node.keeper.create(wish("web")).await.unwrap();
        let id = made.record.id.as_str();
        let rotate = || node.keeper.rotate(id, Duration::from_secs(60));
        let (one, two, three) = tokio::join!(rotate(), rotate(), rotate());
        let won = [one, two, three].into_iter().filter(|outcome| match outcome {
            Ok(_) => true,
            Err(KeyError::Changed) => false,
            Err(error) => panic!("{error}"),
        });
        let won = won.count();
        // One that began after another was done has rotated the same key again, which is no harm.
        assert!(won >= 1);
        assert_eq!(node.keeper.list().await.unwrap().len(), 1 + won, "nothing is left of those that were too late");
    }
}

#[tokio::test]
async fn last_uses_are_written_once() {
    for engine in engines("last_uses_are_written_once").await {
        let node = Node::of(&engine);
        node.keeper.make_table().await.unwrap();
        let used = node.keeper.create(wish("used")).await.unwrap();
        let unused = node.keeper.create(wish("not")).await.unwrap();
        for _ in 0..100 {
            assert!(node.knows(used.text.expose()));
        }
        node.keeper.note_uses_now().await;
        let listed = node.keeper.list().await.unwrap();
        let last = |id: &str| listed.iter().find(|key| key.id == id).unwrap().last_used_at;
        assert!(last(&used.record.id).is_some_and(|at| at >= used.record.created_at));
        assert_eq!(last(&unused.record.id), None);
        assert!(node.keys.take_uses().is_empty());
    }
}

#[tokio::test]
async fn what_is_used_of_a_quota_is_kept_and_never_becomes_less() {
    for engine in engines("what_is_used_of_a_quota_is_kept_and_never_becomes_less").await {
        let node = Node::of(&engine);
        node.keeper.make_table().await.unwrap();
        let quota = Quota::from_words("100/day").ok();
        let made = node.keeper.create(KeyWish { quota, ..wish("counted") }).await.unwrap();
        let next = node.keeper.rotate("counted", Duration::from_secs(60)).await.unwrap();
        let quota = |text: &KeyText| {
            let known = node.keys.check(text.expose().as_bytes(), None, SystemClock.now()).unwrap();
            known.caller.quota.clone().unwrap()
        };
        let (first, second) = (quota(&made.text), quota(&next.text));
        assert_eq!((&first, &*first.account), (&second, &*made.record.id), "they share it");
        let now = SystemClock.now();
        let (since, end) = first.period.around(now);
        let used = async |node: &Node| {
            let listed = node.keeper.list_used().await.unwrap();
            let used: Vec<Option<u64>> = listed.iter().map(|(_, usage)| usage.map(|usage| usage.used)).collect();
            assert_eq!(used[0], used[1]);
            used[0]
        };
        assert_eq!(used(&node).await, Some(0));
        node.keys.note_spent(&first, since, 30);
        assert_eq!(used(&node).await, Some(30), "this node knows it before it is written");
        node.keeper.note_uses_now().await;
        // Another node, or the next start, goes on from there; what it knows less of changes nothing.
        let other = Node::of(&engine);
        other.keeper.load().await.unwrap();
        assert_eq!(other.keys.spent(&second, now), 30);
        let late = Node::of(&engine);
        late.keys.note_spent(&first, since, 20);
        late.keeper.note_uses_now().await;
        assert_eq!(used(&late).await, Some(30));
        assert_eq!(late.keys.spent(&first, now), 30, "what others wrote down is known a minute later");
        other.keys.note_spent(&first, since, 31);
        other.keeper.note_uses_now().await;
        assert_eq!(used(&late).await, Some(31));
        // A new period begins with nothing, and the former is forgotten.
        other.keys.note_spent(&first, end, 1);
        other.keeper.note_uses_now().await;
        late.keys.note_spent(&first, since, 99);
        late.keeper.note_uses_now().await;
        let after = Node::of(&engine);
        after.keeper.load().await.unwrap();
        assert_eq!((after.keys.spent(&first, end), after.keys.spent(&first, now)), (1, 0));
    }
}

#[tokio::test]
async fn the_admin_api_answers() {
    for engine in engines("the_admin_api_answers").await {
        let node = Node::of(&engine);
        node.keeper.make_table().await.unwrap();
        let ask = async |method: Method, parts: &[&str], body: Value| {
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            node.keeper.answer(&method, parts, &body).await
        };
        let scope = json!({"relations": ["public.first"], "methods": ["GET"], "networks": ["10.0.0.0/8"]});
        let wished = json!({"name": "web", "kind": "secret", "scope": scope, "expires_in_seconds": 3600});
        let (status, made) = ask(Method::POST, &[], wished).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        assert_eq!((&made["scope"], &made["kind"]), (&scope, &json!("secret")));
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let (status, listed) = ask(Method::GET, &[], Value::Null).await;
        assert_eq!((status, listed.as_array().unwrap().len()), (StatusCode::OK, 1));
        assert!(!listed.to_string().contains(key) && listed[0]["id"] == id);
        let (status, next) = ask(Method::POST, &[id, "rotate"], json!({"overlap_seconds": 60})).await;
        assert_eq!((status, &next["rotated_from"]), (StatusCode::CREATED, &json!(id)), "{next}");
        assert_eq!(ask(Method::DELETE, &[id], Value::Null).await.0, StatusCode::OK);
        for (method, parts, body, expected) in [
            (Method::DELETE, vec![id], Value::Null, 410),
            (Method::DELETE, vec!["nobody"], Value::Null, 404),
            (Method::DELETE, vec!["11111111-1111-4111-8111-111111111111"], Value::Null, 404),
            (Method::POST, vec![], json!({"kind": "secret"}), 400),
            (Method::POST, vec![], json!({"name": "x", "kind": "master"}), 400),
            (Method::POST, vec![], json!({"name": "x", "quota": 7}), 400),
            (Method::POST, vec![], json!({"name": "x", "scope": {"tables": []}}), 400),
            (Method::POST, vec![], json!({"name": "x", "role": "service_role"}), 400),
            (Method::POST, vec![], json!({"name": "a\u{0}b"}), 400),
            (Method::POST, vec![], json!([]), 400),
            (Method::POST, vec![], json!({"name": "x".repeat(70_000)}), 413),
            (Method::POST, vec![], json!({"name": "x", "expires_in_seconds": 0}), 400),
            (Method::POST, vec![], json!({"name": "x", "expires_in_seconds": -1}), 400),
            (Method::POST, vec![next["id"].as_str().unwrap(), "rotate"], json!({"overlap_seconds": u64::MAX}), 400),
            (Method::PATCH, vec![], Value::Null, 405),
            (Method::GET, vec!["a", "b", "c"], Value::Null, 404),
        ] {
            let (status, answer) = ask(method.clone(), &parts, body.clone()).await;
            assert_eq!(status.as_u16(), expected, "{method} {parts:?} {body:.100}: {answer}");
            assert!(answer["msg"].is_string() && answer["error_code"].is_string(), "{answer}");
        }
    }
}
