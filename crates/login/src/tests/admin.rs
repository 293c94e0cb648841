use serde_json::json;

use super::*;
use crate::Settings;
use crate::testing::settings;

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

/// A token of an operator: of the same keys, with another role.
fn operator(house: &House, role: &str) -> String {
    let now = house.login.inner.now();
    let said = json!({"role": role, "exp": now.seconds() + 600});
    let keys = house.login.inner.keys.read().clone();
    keys.signer(now).unwrap().sign(said.as_object().unwrap()).unwrap()
}

on_both!(only_operators_look_after_others, unconfirmed(), |house| {
    let body = account(house, "mina@example.com").await;
    let anon = operator(house, "anon");
    for request in
        [("GET", "/admin/users"), ("POST", "/admin/users"), ("POST", "/admin/generate_link"), ("POST", "/invite")]
    {
        for token in [text(&body, "access_token"), &anon] {
            let (status, refused, _) = house.send(request, token, json!({})).await;
            assert_eq!((status, text(&refused, "code")), (403, "not_admin"), "{request:?}");
        }
        assert_eq!(house.send(request, "", json!({})).await.0, 401, "{request:?}");
    }
});

on_both!(accounts_are_made_listed_changed_and_removed, unconfirmed(), |house| {
    let service = operator(house, "service_role");
    let admin = |method: &'static str, path: String, body: Value| {
        let service = service.clone();
        async move { house.send((method, &path), &service, body).await }
    };
    for number in 0..5 {
        let given = json!({"email": format!("u{number}@example.com"), "password": PASSWORD, "email_confirm": true,
            "user_metadata": {"n": number}, "app_metadata": {"plan": "x"}});
        let (status, body, _) = admin("POST", "/admin/users".into(), given).await;
        assert_eq!(status, 200, "{body}");
        assert!(body["email_confirmed_at"].is_string());
        assert_eq!((&body["app_metadata"]["plan"], &body["app_metadata"]["provider"]), (&json!("x"), &json!("email")));
        assert_eq!(body["identities"].as_array().unwrap().len(), 1);
    }
    let (status, body, _) = admin("POST", "/admin/users".into(), json!({"email": "u1@example.com"})).await;
    assert_eq!((status, text(&body, "code")), (422, "email_exists"));
    let (_, page, headers) = admin("GET", "/admin/users?page=1&per_page=2".into(), Value::Null).await;
    assert_eq!((page["users"].as_array().unwrap().len(), &headers["x-total-count"]), (2, &"5".parse().unwrap()));
    let link = headers["link"].to_str().unwrap();
    assert!(
        link.contains("page=2&per_page=2>; rel=\"next\"") && link.contains("page=3&per_page=2>; rel=\"last\""),
        "{link}"
    );
    assert_eq!(admin("GET", "/admin/users?page=0".into(), Value::Null).await.0, 400);

    let given = json!({"email": "u1@example.com", "password": PASSWORD});
    let (_, session, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    let id = text(&session["user"], "id").to_owned();
    let one = format!("/admin/users/{id}");
    let (_, body, _) = admin("PUT", one.clone(), json!({"user_metadata": {"n": null, "m": 1}, "role": "editor"})).await;
    assert_eq!((body["user_metadata"].get("n"), &body["user_metadata"]["m"]), (None, &json!(1)));
    assert_eq!(body["role"], "editor");
    let (status, body, _) = admin("PUT", one.clone(), json!({"ban_duration": "24h"})).await;
    assert!(status == 200 && body["banned_until"].is_string(), "{body}");
    assert_eq!(house.send(("GET", "/user"), text(&session, "access_token"), Value::Null).await.0, 403);
    let (status, body, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    assert_eq!((status, text(&body, "code")), (400, "user_banned"));
    assert_eq!(admin("PUT", one.clone(), json!({"ban_duration": "soon"})).await.0, 400);
    admin("PUT", one.clone(), json!({"ban_duration": "none"})).await;
    let (status, session, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(claims(text(&session, "access_token"))["role"], "editor");

    let (status, _, _) = admin("DELETE", one.clone(), json!({"should_soft_delete": true})).await;
    assert_eq!(status, 200);
    assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, 400);
    assert_eq!(house.send(("GET", "/user"), text(&session, "access_token"), Value::Null).await.0, 403);
    assert!(admin("GET", one.clone(), Value::Null).await.1["deleted_at"].is_string());
    assert_eq!(admin("DELETE", one.clone(), Value::Null).await.0, 200);
    let (status, body, _) = admin("GET", one, Value::Null).await;
    assert_eq!((status, text(&body, "code")), (404, "user_not_found"));
    assert_eq!(admin("GET", "/admin/users/nobody".into(), Value::Null).await.0, 404);
});

on_both!(links_and_invitations, settings(), |house| {
    let service = operator(house, "service_role");
    let (status, user, _) = house.send(("POST", "/invite"), &service, json!({"email": "i@example.com"})).await;
    assert!(status == 200 && user["invited_at"].is_string(), "{user}");
    assert_eq!(house.mail().await.to, "i@example.com");
    for kind in ["signup", "invite", "magiclink"] {
        let given = json!({"type": kind, "email": format!("{kind}@example.com"), "password": PASSWORD});
        let (status, body, _) = house.send(("POST", "/admin/generate_link"), &service, given).await;
        assert_eq!(status, 200, "{kind}: {body}");
        let given = json!({"type": body["verification_type"], "token_hash": body["hashed_token"]});
        let (status, session, _) = house.send(("POST", "/verify"), "", given).await;
        assert_eq!((status, &session["user"]["email"]), (200, &body["email"]), "{kind}: {session}");
    }
    let given = json!({"type": "recovery", "email": "signup@example.com"});
    let (_, body, _) = house.send(("POST", "/admin/generate_link"), &service, given).await;
    let given = json!({"type": "recovery", "email": "signup@example.com", "token": body["email_otp"]});
    assert_eq!(house.send(("POST", "/verify"), "", given).await.0, 200);
    let given = json!({"type": "recovery", "email": "nobody@example.com"});
    assert_eq!(house.send(("POST", "/admin/generate_link"), &service, given).await.0, 404);
    assert!(house.mails.lock().is_empty(), "whoever asks for a link sends it");
});
