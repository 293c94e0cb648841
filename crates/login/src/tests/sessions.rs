use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::guesses::gate;
use super::*;
use crate::testing::{self, Open, settings};
use crate::{DefenceSettings, Settings, SigningKeys};

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

async fn refresh(house: &House, token: &Value) -> (u16, Value) {
    let (status, body, _) =
        house.send(("POST", "/token?grant_type=refresh_token"), "", json!({"refresh_token": token})).await;
    (status, body)
}

on_both!(refresh_tokens_rotate, unconfirmed(), |house| {
    let first = account(house, "mina@example.com").await;
    let (status, second) = refresh(house, &first["refresh_token"]).await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(claims(text(&first, "access_token"))["session_id"], claims(text(&second, "access_token"))["session_id"]);
    assert_eq!(second["user"]["email"], "mina@example.com");
    house.clock.advance(Duration::from_secs(9));
    let (status, again) = refresh(house, &first["refresh_token"]).await;
    assert_eq!((status, &again["refresh_token"]), (200, &second["refresh_token"]), "the same successor");
    house.clock.advance(Duration::from_secs(2));
    let (status, reused) = refresh(house, &first["refresh_token"]).await;
    assert_eq!((status, text(&reused, "code")), (400, "refresh_token_already_used"));
    let (status, gone) = refresh(house, &second["refresh_token"]).await;
    assert_eq!((status, text(&gone, "code")), (400, "refresh_token_not_found"), "the whole family is gone");
    let (status, gone, _) = house.send(("GET", "/user"), text(&second, "access_token"), Value::Null).await;
    assert_eq!((status, text(&gone, "code")), (403, "session_not_found"), "and so are its access tokens");
    for wrong in ["", "x", text(&first, "access_token")] {
        assert_eq!(refresh(house, &json!(wrong)).await.0, 400);
    }
});

on_both!(
    sessions_end_by_themselves,
    Settings {
        session: Some(Duration::from_secs(10 * 3_600)),
        idle_session: Some(Duration::from_secs(2 * 3_600)),
        ..unconfirmed()
    },
    |house| {
        let hour = Duration::from_secs(3_600);
        let code = |answer: &(u16, Value)| (answer.0, answer.1.get("code").and_then(Value::as_str).map(str::to_owned));
        let expired = (400, Some("session_expired".to_owned()));
        let first = account(house, "mina@example.com").await;
        let given = json!({"email": "mina@example.com", "password": PASSWORD});
        let (_, unused, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
        let mut latest = first["refresh_token"].clone();
        for passed in 1..10 {
            house.clock.advance(hour);
            let answer = refresh(house, &latest).await;
            assert_eq!(code(&answer), (200, None), "{passed} hours");
            latest = answer.1["refresh_token"].clone();
            if passed == 2 {
                let idle = refresh(house, &unused["refresh_token"]).await;
                assert_eq!(code(&idle), expired, "nobody has used it");
            }
        }
        house.clock.advance(Duration::from_secs(1_800));
        let (status, last) = refresh(house, &latest).await;
        assert_eq!(status, 200, "{last}");
        assert_eq!(last["expires_in"], 1_800, "no token counts longer than its session");
        let said = claims(text(&last, "access_token"));
        assert_eq!(
            (&said["exp"], said["exp"].as_i64()),
            (&last["expires_at"], said["iat"].as_i64().map(|at| at + 1_800))
        );
        house.clock.advance(Duration::from_secs(1_800));
        assert_eq!(code(&refresh(house, &last["refresh_token"]).await), expired, "it was used all the time");
    }
);

// Whoever is in the middle of signing in with a password that another request changes, or whose account it bans, stays outside.
on_both!(who_signs_in_while_the_password_changes_stays_out, unconfirmed(), |house| {
    let body = account(house, "mina@example.com").await;
    let records = &house.login.inner.records;
    let found = async || records.user_by_email("mina@example.com").await.unwrap().unwrap();
    let seen = found().await;
    let now = house.login.inner.now();
    records.write(vec![seen.signed_in_by_password(now)]).await.unwrap();
    let change = json!({"password": "another long password"});
    assert_eq!(house.send(("PUT", "/user"), text(&body, "access_token"), change).await.0, 200);
    assert!(records.write(vec![seen.signed_in_by_password(now)]).await.is_err_and(|refusal| refusal.is_missed));
    let mut seen = found().await;
    records.write(vec![seen.signed_in_by_password(now), seen.signed_in(now)]).await.unwrap();
    seen.banned_until = Some(crate::keys::later(now, Duration::from_secs(1)));
    records.write(vec![seen.save(now)]).await.unwrap();
    for step in [seen.signed_in_by_password(now), seen.signed_in(now)] {
        assert!(records.write(vec![step]).await.is_err_and(|refusal| refusal.is_missed));
    }
    seen = found().await;
    records.write(vec![seen.signed_in(crate::keys::later(now, Duration::from_secs(1)))]).await.unwrap();
});

// A sign-in that is kept while its account is removed is signed out as well, however both are interleaved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_signs_in_while_the_account_is_removed_is_signed_out() {
    let test = "tests::sessions::who_signs_in_while_the_account_is_removed_is_signed_out";
    let Some(house) = House::server(test, unconfirmed()).await else { return };
    let service = admin::operator(&house, "service_role");
    for (number, is_soft) in [(1, false), (2, true)] {
        let body = account(&house, &format!("mina{number}@example.com")).await;
        let user = text(&body["user"], "id");
        let session = format!("00000000-0000-4000-8000-00000000000{number}");
        // What a sign-in does, in its order; it is kept once somebody waits for it.
        let sign_in = format!(
            "BEGIN;
             UPDATE auth.users SET last_sign_in_at = now() WHERE id = '{user}';
             INSERT INTO auth.sessions (id, user_id, created_at, aal) VALUES ('{session}', '{user}', now(), 'aal1');
             SELECT pg_advisory_lock({number});
             DO $$ BEGIN
               FOR round IN 1..3000 LOOP
                 EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE NOT granted);
                 PERFORM pg_sleep(0.01);
               END LOOP;
             END $$;
             COMMIT;"
        );
        let server = house.server.as_ref().unwrap();
        let is_under_way = format!("SELECT 'yes' FROM pg_locks WHERE locktype = 'advisory' AND objid = {number};");
        std::thread::scope(|scope| {
            let signing_in = scope.spawn(|| server.run(&sign_in));
            while !server.run(&is_under_way).contains("yes") {
                assert!(!signing_in.is_finished(), "it waits for the removal");
            }
            let path = format!("/admin/users/{user}");
            let removal = house.send(("DELETE", &path), &service, json!({"should_soft_delete": is_soft}));
            let runtime = tokio::runtime::Handle::current();
            let (status, body, _) = tokio::task::block_in_place(|| runtime.block_on(removal));
            assert_eq!(status, 200, "{body}");
            signing_in.join().unwrap();
        });
        let revoked = server.run(&format!("SELECT 'out' FROM pando.revoked_sessions WHERE session_id = '{session}';"));
        assert!(revoked.contains("out"), "soft: {is_soft}");
        let left = server.run(&format!("SELECT 'left' FROM auth.sessions WHERE id = '{session}';"));
        assert!(!left.contains("left"), "soft: {is_soft}");
    }
}

on_both!(scopes_of_signing_out, unconfirmed(), |house| {
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let mut sessions = vec![account(house, "mina@example.com").await];
    for _ in 0..3 {
        sessions.push(house.send(("POST", "/token?grant_type=password"), "", given.clone()).await.1);
    }
    let lives = |which: usize| {
        let token = text(&sessions[which], "access_token").to_owned();
        async move { house.send(("GET", "/user"), &token, Value::Null).await.0 == 200 }
    };
    let leave = |which: usize, scope: &'static str| {
        let token = text(&sessions[which], "access_token").to_owned();
        async move { house.send(("POST", scope), &token, Value::Null).await.0 }
    };
    assert_eq!(leave(0, "/logout?scope=everything").await, 400);
    assert_eq!(leave(0, "/logout?scope=local").await, 204);
    assert!(!lives(0).await && lives(1).await);
    assert_eq!(leave(1, "/logout?scope=others").await, 204);
    assert!(lives(1).await && !lives(2).await && !lives(3).await);
    assert_eq!(leave(1, "/logout").await, 204);
    assert!(!lives(1).await);
});

on_both!(another_node_follows, unconfirmed(), |house| {
    let other = house.another(unconfirmed(), Arc::new(Open)).await;
    let body = account(house, "mina@example.com").await;
    let token = text(&body, "access_token").to_owned();
    let asks = |token: String| {
        let other = other.clone();
        async move { other.inner.verifier.identify(&bearer(&token)).await }
    };
    assert!(asks(token.clone()).await.is_ok(), "the keys are the database's");
    let followed = tokio::spawn(other.clone().follow());
    house.send(("POST", "/logout"), &token, Value::Null).await;
    // How long that takes, a busy machine says; that it comes to pass is what is looked at.
    while asks(token.clone()).await.is_ok() {
        assert!(!followed.is_finished());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    followed.abort();
    let restarted = house.another(unconfirmed(), Arc::new(Open)).await;
    assert!(restarted.inner.verifier.identify(&bearer(&token)).await.is_err(), "also after a restart");
});

fn bearer(token: &str) -> http::HeaderMap {
    http::HeaderMap::from_iter([(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

on_both!(keys_rotate_with_overlap, unconfirmed(), |house| {
    let derivation = identity::Derivation::new(base::Secret::new("a secret of more than thirty-two bytes")).unwrap();
    let keys = SigningKeys::new(house.store.clone(), &derivation).unwrap();
    let before = account(house, "mina@example.com").await;
    let kid = |body: &Value| {
        use base64::Engine as _;
        let head = text(body, "access_token").split('.').next().unwrap().to_owned();
        let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head).unwrap();
        serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let made = keys.rotate(false, Duration::from_secs(3600), base::Clock::now(&*house.clock)).await.unwrap();
    assert_eq!(made.generation, 2);
    let node = house.another(unconfirmed(), Arc::new(Open)).await;
    let sign_in = || async {
        let given = json!({"email": "mina@example.com", "password": PASSWORD});
        testing::send(&node, ("POST", "/token?grant_type=password"), "", given).await.1
    };
    assert_eq!(kid(&sign_in().await), kid(&before), "published, and not signing yet");
    let (_, set, _) = testing::send(&node, ("GET", "/.well-known/jwks.json"), "", Value::Null).await;
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    house.clock.advance(crate::OVERLAP);
    assert_eq!(kid(&sign_in().await), made.id);
    assert_eq!(testing::send(&node, ("GET", "/user"), text(&before, "access_token"), Value::Null).await.0, 200);
    let now = base::Clock::now(&*house.clock);
    let forced = keys.rotate(true, Duration::from_secs(3600), now).await.unwrap();
    let node = house.another(unconfirmed(), Arc::new(Open)).await;
    assert_eq!(testing::send(&node, ("GET", "/user"), text(&before, "access_token"), Value::Null).await.0, 403);
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (_, fresh, _) = testing::send(&node, ("POST", "/token?grant_type=password"), "", given).await;
    assert_eq!(kid(&fresh), forced.id);
    let other = identity::Derivation::new(base::Secret::new("another secret of more than 32 bytes..")).unwrap();
    assert!(SigningKeys::new(house.store.clone(), &other).is_ok(), "it is found out where a key is opened");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_is_throttled_with_503_and_never_429() {
    let house = House::embedded(unconfirmed()).await;
    let body = account(&house, "mina@example.com").await;
    let gate = gate(&house, DefenceSettings::default());
    let incoming = crate::Attempt {
        kind: crate::AttemptKind::Refresh,
        account: None,
        address: std::net::IpAddr::from([127, 0, 0, 1]),
        device: None,
        password: None,
    };
    for _ in 0..9_000 {
        let standing = crate::Gate::look(&*gate, &incoming).await;
        crate::Gate::enter(&*gate, &incoming, standing).await.unwrap();
    }
    let node = house.another(unconfirmed(), gate).await;
    let given = json!({"refresh_token": body["refresh_token"]});
    let (status, _, headers) = testing::send(&node, ("POST", "/token?grant_type=refresh_token"), "", given).await;
    assert_eq!(status, 503);
    assert!(headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
}

/// SQL of an operator, of an account.
async fn operate(house: &House, statement: store::OwnStatement, user: &str) {
    house.store.transact(vec![store::OwnStep::new(statement, vec![user.into()]).exactly(1)]).await.unwrap();
}

const BAN: store::OwnStatement = store::OwnStatement::new(
    "UPDATE auth.users SET banned_until = '2100-01-01', role = 'guest', raw_app_meta_data = '{\"plan\": \"x\"}' WHERE id = $1",
    &["uuid"],
);

on_both!(what_an_operator_changes_with_sql_is_not_overwritten, unconfirmed(), |house| {
    let body = account(house, "mina@example.com").await;
    let (records, id) = (&house.login.inner.records, text(&body["user"], "id"));
    let mut seen = records.user(id).await.unwrap().unwrap();
    operate(house, BAN, id).await;
    seen.user_metadata.set("a", json!(1));
    records.write(vec![seen.save(house.login.inner.now())]).await.unwrap();
    let now = records.user(id).await.unwrap().unwrap();
    assert_eq!((now.role.as_deref(), now.banned_until.is_some()), (Some("guest"), true));
    assert_eq!((now.app_metadata.value(), &now.user_metadata.value()["a"]), (json!({"plan": "x"}), &json!(1)));
    let mut seen = now;
    seen.banned_until = None;
    seen.role = Some("editor".to_owned());
    seen.app_metadata.set("plan", json!("y"));
    records.write(vec![seen.save(house.login.inner.now())]).await.unwrap();
    let now = records.user(id).await.unwrap().unwrap();
    assert_eq!((now.role.as_deref(), now.banned_until), (Some("editor"), None));
    assert_eq!(now.app_metadata.value(), json!({"plan": "y"}));
});

on_both!(
    what_has_ended_is_forgotten,
    Settings {
        session: Some(Duration::from_secs(3_600)),
        idle_session: Some(Duration::from_secs(1_800)),
        ..unconfirmed()
    },
    |house| {
        let body = account(house, "mina@example.com").await;
        let session = claims(text(&body, "access_token"))["session_id"].as_str().unwrap().to_owned();
        assert_eq!(house.send(("POST", "/recover"), "", json!({"email": "mina@example.com"})).await.0, 200);
        let inner = &house.login.inner;
        let left = async || {
            let tokens = inner.records.tokens_of(text(&body["user"], "id")).await.unwrap().len();
            (inner.records.session(&session).await.unwrap().is_some(), tokens)
        };
        house.clock.advance(Duration::from_secs(86_400));
        inner.forget_old().await.unwrap();
        assert_eq!(left().await, (true, 1), "who asks for it is told that it has ended");
        house.clock.advance(Duration::from_secs(3_601));
        inner.forget_old().await.unwrap();
        assert_eq!(left().await, (false, 0));
    }
);

on_both!(
    sessions_that_nobody_uses_are_forgotten,
    Settings { idle_session: Some(Duration::from_secs(1_800)), ..unconfirmed() },
    |house| {
        let body = account(house, "mina@example.com").await;
        house.clock.advance(Duration::from_secs(60));
        let (status, fresh) = refresh(house, &body["refresh_token"]).await;
        assert_eq!(status, 200);
        let session = claims(text(&fresh, "access_token"))["session_id"].as_str().unwrap().to_owned();
        let inner = &house.login.inner;
        for (seconds, is_left) in [(86_400 + 1_800, true), (1, false)] {
            house.clock.advance(Duration::from_secs(seconds));
            inner.forget_old().await.unwrap();
            assert_eq!(inner.records.session(&session).await.unwrap().is_some(), is_left);
        }
    }
);

on_both!(metadata_that_are_too_large_keep_nobody_out, unconfirmed(), |house| {
    let body = account(house, "mina@example.com").await;
    let records = &house.login.inner.records;
    let mut user = records.user(text(&body["user"], "id")).await.unwrap().unwrap();
    user.user_metadata.set("much", json!("x".repeat(9_000)));
    records.write(vec![user.save(house.login.inner.now())]).await.unwrap();
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (status, body, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(claims(text(&body, "access_token"))["user_metadata"], json!({}));
    assert_eq!(body["user"]["user_metadata"]["much"].as_str().unwrap().len(), 9_000);
    let (status, body) = refresh(house, &body["refresh_token"]).await;
    assert_eq!(status, 200, "{body}");

    let mut user = records.user(text(&body["user"], "id")).await.unwrap().unwrap();
    user.app_metadata.set("much", json!("x".repeat(9_000)));
    records.write(vec![user.save(house.login.inner.now())]).await.unwrap();
    let (status, refused, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
    assert_eq!((status, text(&refused, "code")), (422, "validation_failed"));
    assert_eq!(refresh(house, &body["refresh_token"]).await.0, 422, "and nothing was changed");
    user = records.user(&user.id).await.unwrap().unwrap();
    user.app_metadata.set("much", Value::Null);
    records.write(vec![user.save(house.login.inner.now())]).await.unwrap();
    assert_eq!(refresh(house, &body["refresh_token"]).await.0, 200);
});

#[test]
fn a_refresh_is_what_the_router_takes_for_one() {
    let is = |path: &str, query: &str| {
        let request = service::Request {
            area: service::Area::Auth,
            method: http::Method::POST,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            client: service::Client { address: std::net::IpAddr::from([127, 0, 0, 1]), is_encrypted: false },
            trace: testing::telemetry().begin_trace(None, std::time::Instant::now()),
        };
        crate::is_refresh(&request)
    };
    for path in ["/token", "//token/", "/%74oken"] {
        assert!(is(path, "grant_type=refresh_token") && is(path, "a=b&grant%5Ftype=refresh%5Ftoken"), "{path}");
    }
    assert!(!is("/token", "grant_type=password&grant_type=refresh_token"));
    assert!(!is("/user", "grant_type=refresh_token") && !is("/token", ""));
}
