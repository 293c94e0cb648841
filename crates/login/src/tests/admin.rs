use serde_json::json;

use super::*;
use crate::Settings;
use crate::testing::settings;

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

/// A token of an operator: of the same keys, with another role.
pub(super) fn operator(house: &House, role: &str) -> String {
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

// What an operator made or invited is his: whoever signs up with its address changes nothing about it.
on_both!(a_sign_up_changes_nothing_that_an_operator_made, settings(), |house| {
    let service = operator(house, "service_role");
    let sign_up = |email: &'static str| async move {
        let given = json!({"email": email, "password": "planted by a stranger", "data": {"planted": true}});
        let (status, body, _) = house.send(("POST", "/signup"), "", given).await;
        assert_eq!((status, &body["email"]), (200, &json!(email)));
    };
    let given = json!({"email": "made@example.com", "password": PASSWORD, "user_metadata": {"n": 1}});
    let (_, made, _) = house.send(("POST", "/admin/users"), &service, given).await;
    sign_up("made@example.com").await;
    assert!(house.mails.lock().is_empty());
    // Not even after a stranger has asked for mails to it.
    for (path, body) in [
        ("/resend", json!({"email": "made@example.com", "type": "signup"})),
        ("/otp", json!({"email": "made@example.com"})),
    ] {
        assert_eq!(house.send(("POST", path), "", body).await.0, 200);
        house.mail().await;
    }
    sign_up("made@example.com").await;
    let one = format!("/admin/users/{}", text(&made, "id"));
    let (_, body, _) = house.send(("PUT", &one), &service, json!({"email_confirm": true})).await;
    assert_eq!((&body["user_metadata"]["n"], body["user_metadata"].get("planted")), (&json!(1), None), "{body}");
    for (password, expected) in [("planted by a stranger", 400), (PASSWORD, 200)] {
        let given = json!({"email": "made@example.com", "password": password});
        assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, expected, "{password}");
    }

    let given = json!({"type": "signup", "email": "linked@example.com", "password": PASSWORD});
    let (_, linked, _) = house.send(("POST", "/admin/generate_link"), &service, given).await;
    let given = json!({"type": "invite", "email": "invited@example.com"});
    let (_, invited, _) = house.send(("POST", "/admin/generate_link"), &service, given).await;
    for body in [linked, invited] {
        sign_up(if body["email"] == "linked@example.com" { "linked@example.com" } else { "invited@example.com" }).await;
        let given = json!({"type": body["verification_type"], "token_hash": body["hashed_token"]});
        let (status, session, _) = house.send(("POST", "/verify"), "", given).await;
        assert_eq!((status, session["user"]["user_metadata"].get("planted")), (200, None), "{session}");
        let given = json!({"email": body["email"], "password": "planted by a stranger"});
        assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, 400);
    }
    let given = json!({"email": "linked@example.com", "password": PASSWORD});
    assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, 200);
});

/// The entries of an action: what it was done to, and who did it.
pub(super) async fn entries(house: &House, action: &str) -> Vec<(Value, Value)> {
    const ENTRIES: store::OwnStatement = store::OwnStatement::new(
        "SELECT key, context FROM pando.audit_entries WHERE action = $1 ORDER BY id",
        &["text"],
    );
    let steps = vec![store::OwnStep::new(ENTRIES, vec![action.into()])];
    let found = house.store.consult(steps).await.unwrap();
    let read = |row: &store::OwnRow, name: &str| serde_json::from_str(row.get::<&str>(name).unwrap()).unwrap();
    found[0].rows.iter().map(|row| (read(row, "key"), read(row, "context"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_is_told_who_did_it() {
    let house = House::audited(unconfirmed()).await;
    let body = account(&house, "mina@example.com").await;
    let (id, token) = (text(&body["user"], "id"), text(&body, "access_token"));
    assert_eq!(house.send(("PUT", "/user"), token, json!({"data": {"a": 1}})).await.0, 200);
    let (key, context) = entries(&house, "user.changed").await.pop().unwrap();
    assert_eq!(key, json!({"user": id}));
    assert_eq!((&context["role"], &context["user"]), (&json!("authenticated"), &json!(id)), "{context}");
    assert_eq!(context["session"], claims(token)["session_id"]);

    let service = operator(&house, "service_role");
    assert_eq!(house.send(("DELETE", &format!("/admin/users/{id}")), &service, Value::Null).await.0, 200);
    let (key, context) = entries(&house, "user.deleted").await.pop().unwrap();
    assert_eq!((key, &context["role"]), (json!({"user": id}), &json!("service_role")), "{context}");
    assert_eq!((&context["address"], context.get("user")), (&json!("127.0.0.1"), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_is_told_of_sign_outs_where_somebody_was() {
    let house = House::audited(unconfirmed()).await;
    let own = account(&house, "mina@example.com").await;
    let token = text(&own, "access_token");
    let change = async |password: &str| house.send(("PUT", "/user"), token, json!({"password": password})).await.0;
    assert_eq!(change("another long password").await, 200);
    assert_eq!(entries(&house, "login.signed_out").await, []);
    let given = json!({"email": "mina@example.com", "password": "another long password"});
    house.send(("POST", "/token?grant_type=password"), "", given).await;
    house.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(change("a third long password").await, 200);
    let told = entries(&house, "login.signed_out").await;
    assert_eq!(told.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&json!({"user": own["user"]["id"]})]);
    assert_eq!(house.send(("POST", "/logout?scope=local"), token, Value::Null).await.0, 204);
    let told = entries(&house, "login.signed_out").await;
    assert_eq!(told[1].0, json!({"session": claims(token)["session_id"]}));
}

on_both!(nothing_of_whose_it_was_stays_after_a_soft_removal, unconfirmed(), |house| {
    const PHONE: store::OwnStatement = store::OwnStatement::new(
        "UPDATE auth.users SET phone = '41790000000', phone_change = '41790000001' WHERE id = $1",
        &["uuid"],
    );
    const LEFT: store::OwnStatement =
        store::OwnStatement::new("SELECT phone, phone_change FROM auth.users WHERE id = $1", &["uuid"]);
    const FLOWS: store::OwnStatement =
        store::OwnStatement::new("SELECT id FROM auth.flow_state WHERE user_id = $1", &["uuid"]);
    let body = account(house, "mina@example.com").await;
    let id = text(&body["user"], "id");
    let step = |statement| store::OwnStep::new(statement, vec![id.into()]);
    house.store.transact(vec![step(PHONE)]).await.unwrap();
    let asked =
        json!({"email": "mina@example.com", "code_challenge": "c".repeat(43), "code_challenge_method": "plain"});
    assert_eq!(house.send(("POST", "/otp"), "", asked).await.0, 200);
    let service = operator(house, "service_role");
    let removal = json!({"should_soft_delete": true});
    assert_eq!(house.send(("DELETE", &format!("/admin/users/{id}")), &service, removal).await.0, 200);
    let found = house.store.consult(vec![step(LEFT), step(FLOWS)]).await.unwrap();
    let left = found[0].first().unwrap();
    assert_eq!(left.get::<Option<&str>>("phone").unwrap(), None);
    assert_eq!((left.get::<&str>("phone_change").unwrap(), found[1].rows.len()), ("", 0));
});

on_both!(a_password_is_not_the_address_that_it_is_for, unconfirmed(), |house| {
    let service = operator(house, "service_role");
    let body = account(house, "minamontblanc@example.com").await;
    let path = format!("/admin/users/{}", text(&body["user"], "id"));
    for password in ["minamontblanc@example.com", "minamontblanc"] {
        let (status, body, _) = house.send(("PUT", &path), &service, json!({"password": password})).await;
        assert_eq!((status, text(&body, "code")), (422, "weak_password"), "{password}");
    }
});
