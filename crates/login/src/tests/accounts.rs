use serde_json::json;

use super::*;
use crate::Settings;
use crate::testing::settings;

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

on_both!(sign_up_in_and_out, unconfirmed(), |house| {
    let body = account(house, "Mina@Example.com").await;
    assert_eq!(body["user"]["email"], "mina@example.com");
    assert_eq!(body["user"]["identities"][0]["provider"], "email");
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 3600);
    let token = text(&body, "access_token");
    let said = claims(token);
    for (name, expected) in [
        ("aud", json!("authenticated")),
        ("role", json!("authenticated")),
        ("email", json!("mina@example.com")),
        ("phone", json!("")),
        ("aal", json!("aal1")),
        ("is_anonymous", json!(false)),
        ("iss", json!("http://127.0.0.1:8000/auth/v1")),
        ("sub", body["user"]["id"].clone()),
        ("app_metadata", json!({"provider": "email", "providers": ["email"]})),
    ] {
        assert_eq!(said[name], expected, "{name}");
    }
    assert_eq!(said["amr"][0]["method"], "password");

    let again = json!({"email": "mina@example.com", "password": PASSWORD});
    let (status, body, headers) = house.send(("POST", "/signup"), "", again.clone()).await;
    assert_eq!((status, text(&body, "code")), (422, "user_already_exists"));
    assert_eq!(headers["x-supabase-api-version"], "2024-01-01");

    let (status, body, _) = house.send(("POST", "/token?grant_type=password"), "", again).await;
    assert_eq!(status, 200, "{body}");
    let (status, user, _) = house.send(("GET", "/user"), text(&body, "access_token"), Value::Null).await;
    assert_eq!((status, &user["email"]), (200, &json!("mina@example.com")));

    let (status, _, _) = house.send(("POST", "/logout?scope=local"), text(&body, "access_token"), Value::Null).await;
    assert_eq!(status, 204);
    let (status, gone, _) = house.send(("GET", "/user"), text(&body, "access_token"), Value::Null).await;
    assert_eq!((status, text(&gone, "code")), (403, "session_not_found"));
    assert_eq!(house.send(("GET", "/user"), token, Value::Null).await.0, 200, "the other session stays");
});

on_both!(wrong_credentials_look_alike, unconfirmed(), |house| {
    account(house, "mina@example.com").await;
    let mut answers = Vec::new();
    for (email, password) in
        [("mina@example.com", "wrong wrong wrong"), ("nobody@example.com", PASSWORD), ("no address", PASSWORD)]
    {
        let given = json!({"email": email, "password": password});
        let (status, body, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
        answers.push((status, body));
    }
    assert_eq!(answers[0], (400, json!({"code": "invalid_credentials", "message": "Invalid login credentials"})));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
});

on_both!(passwords_and_bodies_are_checked, unconfirmed(), |house| {
    let sign_up = |body: Value| house.send(("POST", "/signup"), "", body);
    let (status, body, _) = sign_up(json!({"email": "a@b.co", "password": "short"})).await;
    assert_eq!((status, text(&body, "code")), (422, "weak_password"));
    assert_eq!(body["weak_password"]["reasons"], json!(["length"]));
    for (given, status, code) in [
        (json!({"email": "a@b", "password": PASSWORD}), 400, "validation_failed"),
        (json!({"email": "a@b.co"}), 400, "validation_failed"),
        (json!({"email": 7}), 400, "bad_json"),
        (json!([1]), 400, "bad_json"),
        (json!({"phone": "123", "password": PASSWORD}), 400, "phone_provider_disabled"),
        (json!({"email": "a@b.co", "password": PASSWORD, "data": {"a": "x".repeat(9000)}}), 422, "validation_failed"),
        (json!({"email": "a@b.co", "password": PASSWORD, "code_challenge": "x"}), 400, "validation_failed"),
    ] {
        let (found, body, _) = sign_up(given.clone()).await;
        assert_eq!((found, text(&body, "code")), (status, code), "{given}");
    }
    assert_eq!(house.send(("POST", "/token"), "", json!({})).await.0, 400);
    assert_eq!(house.send(("DELETE", "/nothing"), "", json!({})).await.0, 404);
});

on_both!(anonymous_accounts_become_real_ones, unconfirmed(), |house| {
    let (status, body, _) = house.send(("POST", "/signup"), "", json!({"data": {"nick": "m"}})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["user"]["is_anonymous"], true);
    assert_eq!(body["user"]["user_metadata"], json!({"nick": "m"}));
    let token = text(&body, "access_token");
    assert_eq!(claims(token)["is_anonymous"], true);
    let change = json!({"email": "real@example.com", "password": PASSWORD});
    let (status, user, _) = house.send(("PUT", "/user"), token, change.clone()).await;
    assert_eq!(status, 200, "{user}");
    assert_eq!((&user["is_anonymous"], &user["email"]), (&json!(false), &json!("real@example.com")));
    assert_eq!(user["identities"][0]["provider"], "email");
    assert_eq!(house.send(("POST", "/token?grant_type=password"), "", change).await.0, 200);
});

on_both!(a_user_changes_what_is_theirs, unconfirmed(), |house| {
    let other = account(house, "mina@example.com").await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (_, own, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
    let token = text(&own, "access_token");
    let (status, user, _) = house.send(("PUT", "/user"), token, json!({"data": {"a": 1, "b": 2}})).await;
    assert_eq!((status, &user["user_metadata"]["a"]), (200, &json!(1)), "{user}");
    let (_, user, _) = house.send(("PUT", "/user"), token, json!({"data": {"a": null}})).await;
    assert_eq!((user["user_metadata"].get("a"), &user["user_metadata"]["b"]), (None, &json!(2)));
    let refused = |body: Value| async move {
        let (status, body, _) = house.send(("PUT", "/user"), token, body).await;
        (status, text(&body, "code").to_owned())
    };
    assert_eq!(refused(json!({"app_metadata": {"role": "admin"}})).await, (403, "not_admin".to_owned()));
    assert_eq!(refused(json!({"password": PASSWORD})).await, (422, "same_password".to_owned()));
    assert_eq!(refused(json!({"password": "short"})).await, (422, "weak_password".to_owned()));
    let (status, body, _) = house.send(("PUT", "/user"), token, json!({"password": "another long password"})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(house.send(("GET", "/user"), token, Value::Null).await.0, 200);
    let (status, body, _) = house.send(("GET", "/user"), text(&other, "access_token"), Value::Null).await;
    assert_eq!((status, text(&body, "code")), (403, "session_not_found"), "whoever knew the former password is out");
    let given = json!({"refresh_token": other["refresh_token"]});
    assert_eq!(house.send(("POST", "/token?grant_type=refresh_token"), "", given).await.0, 400);
});

on_both!(what_is_said_without_and_with_a_token, unconfirmed(), |house| {
    let code = |status: u16, body: Value| (status, text(&body, "code").to_owned());
    let (status, body, _) = house.send(("GET", "/user"), "", Value::Null).await;
    assert_eq!(code(status, body), (401, "no_authorization".to_owned()));
    let (status, body, _) = house.send(("GET", "/user"), "x.y.z", Value::Null).await;
    assert_eq!(code(status, body), (403, "bad_jwt".to_owned()));
    let (status, keys, headers) = house.send(("GET", "/.well-known/jwks.json"), "", Value::Null).await;
    assert_eq!((status, &keys["keys"][0]["alg"]), (200, &json!("ES256")));
    assert!(keys["keys"][0].get("d").is_none());
    assert_eq!(headers["cache-control"], "public, max-age=300");
    let (_, settings, _) = house.send(("GET", "/settings"), "", Value::Null).await;
    assert_eq!((&settings["external"]["email"], &settings["mailer_autoconfirm"]), (&json!(true), &json!(true)));
    assert_eq!(house.send(("GET", "/health"), "", Value::Null).await.1["name"], "GoTrue");
    for (request, status, expected) in [
        (("GET", "/authorize?provider=google"), 400, "validation_failed"),
        (("POST", "/sso"), 404, "saml_provider_disabled"),
        (("GET", "/user/identities/authorize"), 401, "no_authorization"),
        (("POST", "/token?grant_type=id_token"), 400, "validation_failed"),
    ] {
        let (found, body, _) = house.send(request, "", Value::Null).await;
        assert_eq!((found, text(&body, "code")), (status, expected), "{request:?}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_off_is_refused() {
    let off = Settings { allow_anonymous: false, allow_signup: false, ..unconfirmed() };
    let house = House::embedded(off).await;
    let (status, body, _) = house.send(("POST", "/signup"), "", json!({})).await;
    assert_eq!((status, text(&body, "code")), (422, "anonymous_provider_disabled"));
    let given = json!({"email": "a@b.co", "password": PASSWORD});
    let (status, body, _) = house.send(("POST", "/signup"), "", given).await;
    assert_eq!((status, text(&body, "code")), (422, "signup_disabled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_the_login_goes_on_without() {
    const FOREIGN: store::OwnStatement =
        store::OwnStatement::new("UPDATE auth.users SET encrypted_password = $2 WHERE id = $1", &["uuid", "text"]);
    let house = House::embedded(unconfirmed()).await;
    let body = account(&house, "mina@example.com").await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    for (hash, expected) in [
        ("md5:5f4dcc3b5aa765d61d8327deb882cf99", "password_hash_unknown"),
        (
            "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
            "password_hash_too_costly",
        ),
    ] {
        let step = store::OwnStep::new(FOREIGN, vec![text(&body["user"], "id").into(), hash.into()]);
        house.store.transact(vec![step.exactly(1)]).await.unwrap();
        assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given.clone()).await.0, 400);
        house.wait_for(expected).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("leaked");
    let mut importer = crate::password::leaked::Importer::new(&list, 0).unwrap();
    importer.read(std::path::Path::new("list"), &mut &b"one\ntwo\nthree\n"[..]).unwrap();
    importer.finish().unwrap();
    house.login.reopen_leaked(Some(&list)).unwrap()();
    std::fs::OpenOptions::new().write(true).open(&list).unwrap().set_len(1).unwrap();
    account(&house, "leo@example.com").await;
    house.wait_for("leaked_list_unreadable").await;
}
