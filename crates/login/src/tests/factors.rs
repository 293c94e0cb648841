use std::time::Duration;

use serde_json::json;

use super::*;
use crate::testing::settings;
use crate::{Settings, totp};

fn unconfirmed() -> Settings {
    Settings { confirm_email: false, ..settings() }
}

/// The code of an app, by its secret.
fn code(house: &House, secret: &str) -> String {
    let (secret, now) = (totp::from_base32(secret).unwrap(), house.login.inner.now().seconds());
    (0..1_000_000)
        .map(|number| format!("{number:06}"))
        .find(|code| totp::matching(&secret, code, now) == Some(totp::step(now)))
        .unwrap()
}

on_both!(a_second_factor, unconfirmed(), |house| {
    let other = account(house, "mina@example.com").await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (_, own, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    let token = text(&own, "access_token").to_owned();
    let enroll = json!({"factor_type": "totp", "friendly_name": "phone"});
    let (status, factor, _) = house.send(("POST", "/factors"), &token, enroll.clone()).await;
    assert_eq!(status, 200, "{factor}");
    assert!(text(&factor["totp"], "qr_code").contains("<svg"));
    assert!(text(&factor["totp"], "uri").starts_with("otpauth://totp/localhost:mina@example.com?"));
    let (status, refused, _) = house.send(("POST", "/factors"), &token, enroll).await;
    assert_eq!((status, text(&refused, "code")), (422, "mfa_factor_name_conflict"));
    for (kind, expected) in [("phone", "mfa_phone_enroll_not_enabled"), ("webauthn", "mfa_webauthn_enroll_not_enabled")]
    {
        let (_, refused, _) = house.send(("POST", "/factors"), &token, json!({"factor_type": kind})).await;
        assert_eq!(text(&refused, "code"), expected);
    }
    let id = text(&factor, "id").to_owned();
    let secret = text(&factor["totp"], "secret").to_owned();
    let challenge = || async {
        let (status, body, _) = house.send(("POST", &format!("/factors/{id}/challenge")), &token, json!({})).await;
        assert_eq!(status, 200, "{body}");
        body["id"].clone()
    };
    let verify = |token: String, challenge: Value, code: String| {
        let path = format!("/factors/{id}/verify");
        async move {
            let given = json!({"challenge_id": challenge, "code": code});
            let (status, body, _) = house.send(("POST", &path), &token, given).await;
            (status, body)
        }
    };
    let right = code(house, &secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let asked = challenge().await;
    let (status, body) = verify(token.clone(), asked.clone(), wrong.to_owned()).await;
    assert_eq!((status, text(&body, "code")), (422, "mfa_verification_failed"));
    let (status, elevated) = verify(token.clone(), asked.clone(), right.clone()).await;
    assert_eq!(status, 200, "{elevated}");
    let said = claims(text(&elevated, "access_token"));
    assert_eq!((&said["aal"], &said["amr"][0]["method"]), (&json!("aal2"), &json!("totp")));
    assert_eq!(said["amr"][1]["method"], "password");
    assert_eq!(elevated["user"]["factors"][0]["status"], "verified");
    assert_eq!(house.send(("GET", "/user"), text(&other, "access_token"), Value::Null).await.0, 403, "without it");

    let token = text(&elevated, "access_token").to_owned();
    let (status, body) = verify(token.clone(), asked, right.clone()).await;
    assert_eq!((status, text(&body, "code")), (422, "mfa_ip_address_mismatch"), "a challenge counts once");
    let asked = challenge().await;
    let (status, body) = verify(token.clone(), asked, right).await;
    assert_eq!((status, text(&body, "code")), (422, "mfa_verification_failed"), "a code counts once");
    let asked = challenge().await;
    house.clock.advance(Duration::from_secs(300));
    let (status, body) = verify(token.clone(), asked, code(house, &secret)).await;
    assert_eq!((status, text(&body, "code")), (422, "mfa_challenge_expired"));

    let (_, weak, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
    let weak = text(&weak, "access_token");
    for (request, body, expected) in [
        (("PUT", "/user".to_owned()), json!({"password": "another long password"}), (401, "insufficient_aal")),
        (("DELETE", format!("/factors/{id}")), Value::Null, (422, "insufficient_aal")),
        (
            ("POST", "/factors".to_owned()),
            json!({"factor_type": "totp", "friendly_name": "b"}),
            (403, "insufficient_aal"),
        ),
    ] {
        let (status, refused, _) = house.send((request.0, &request.1), weak, body).await;
        assert_eq!((status, text(&refused, "code")), expected, "{request:?}");
    }
    let given = json!({"refresh_token": elevated["refresh_token"]});
    let (_, refreshed, _) = house.send(("POST", "/token?grant_type=refresh_token"), "", given).await;
    assert_eq!(claims(text(&refreshed, "access_token"))["aal"], "aal2", "it stays");
    let (status, _, _) = house.send(("DELETE", &format!("/factors/{id}")), &token, Value::Null).await;
    assert_eq!(status, 200);
});

/// Enrols a factor and shows it; gives its number and what the session is given then.
async fn elevated(house: &House, token: &str) -> (String, String, Value) {
    let (status, factor, _) = house.send(("POST", "/factors"), token, json!({"factor_type": "totp"})).await;
    assert_eq!(status, 200, "{factor}");
    let (id, secret) = (text(&factor, "id").to_owned(), text(&factor["totp"], "secret").to_owned());
    let (status, body) = show(house, token, &id, &secret).await;
    assert_eq!(status, 200, "{body}");
    (id, secret, body)
}

/// Shows a factor.
async fn show(house: &House, token: &str, id: &str, secret: &str) -> (u16, Value) {
    let (_, asked, _) = house.send(("POST", &format!("/factors/{id}/challenge")), token, json!({})).await;
    let given = json!({"challenge_id": asked["id"], "code": code(house, secret)});
    let (status, body, _) = house.send(("POST", &format!("/factors/{id}/verify")), token, given).await;
    (status, body)
}

on_both!(without_its_factor_a_session_is_one_without, unconfirmed(), |house| {
    let service = admin::operator(house, "service_role");
    for (email, by_operator) in [("mina@example.com", false), ("leo@example.com", true)] {
        let own = account(house, email).await;
        let (id, _, strong) = elevated(house, text(&own, "access_token")).await;
        let path = format!("/factors/{id}");
        let status = if by_operator {
            let user = text(&own["user"], "id");
            house.send(("DELETE", &format!("/admin/users/{user}{path}")), &service, Value::Null).await.0
        } else {
            house.send(("DELETE", &path), text(&strong, "access_token"), Value::Null).await.0
        };
        assert_eq!(status, 200);
        let given = json!({"refresh_token": strong["refresh_token"]});
        let (status, body, _) = house.send(("POST", "/token?grant_type=refresh_token"), "", given).await;
        assert_eq!(status, 200, "{body}");
        let said = claims(text(&body, "access_token"));
        assert_eq!((&said["aal"], said["amr"].as_array().unwrap().len()), (&json!("aal1"), 1), "{said}");
        assert_eq!(said["amr"][0]["method"], "password");
    }
});

on_both!(a_factor_is_shown_soon_and_not_beside_another, unconfirmed(), |house| {
    let own = account(house, "mina@example.com").await;
    let token = text(&own, "access_token");
    let enroll = async |name: &str| {
        let given = json!({"factor_type": "totp", "friendly_name": name});
        let (status, factor, _) = house.send(("POST", "/factors"), token, given).await;
        assert_eq!(status, 200, "{factor}");
        (text(&factor, "id").to_owned(), text(&factor["totp"], "secret").to_owned())
    };
    let (late, secret) = enroll("late").await;
    house.clock.advance(Duration::from_secs(300));
    let (status, body) = show(house, token, &late, &secret).await;
    assert_eq!((status, text(&body, "code")), (404, "mfa_factor_not_found"));
    // Another one is verified, as another node may do it at the same moment: this one stays unverified beside it.
    let (first, _) = enroll("first").await;
    let (second, secret) = enroll("second").await;
    let user = house.login.inner.records.user(text(&own["user"], "id")).await.unwrap().unwrap();
    let factor = user.factors.iter().find(|factor| factor.id == first).unwrap();
    house.login.inner.records.write(vec![factor.verified(house.login.inner.now())]).await.unwrap();
    let (status, body) = show(house, token, &second, &secret).await;
    assert_eq!((status, text(&body, "code")), (403, "insufficient_aal"));
});

on_both!(who_enrolls_at_once_has_no_more_factors, unconfirmed(), |house| {
    let own = account(house, "mina@example.com").await;
    let enrolling = (0..14).map(|number| {
        let (login, token) = (house.login.clone(), text(&own, "access_token").to_owned());
        tokio::spawn(async move {
            let given = json!({"factor_type": "totp", "friendly_name": format!("{number}")});
            crate::testing::send(&login, ("POST", "/factors"), &token, given).await.0
        })
    });
    for one in enrolling.collect::<Vec<_>>() {
        assert!(matches!(one.await.unwrap(), 200 | 409 | 422));
    }
    let (_, user, _) = house.send(("GET", "/user"), text(&own, "access_token"), Value::Null).await;
    assert!(user["factors"].as_array().unwrap().len() <= 10, "{user}");
});

// The refresh token in the answer has to be the latest one: else its owner is taken for a thief.
on_both!(a_factor_that_is_shown_while_the_session_is_refreshed_is_looked_at_again, unconfirmed(), |house| {
    let own = account(house, "mina@example.com").await;
    let (id, _, _) = elevated(house, text(&own, "access_token")).await;
    let (records, now) = (&house.login.inner.records, house.login.inner.now());
    let session = claims(text(&own, "access_token"))["session_id"].as_str().unwrap().to_owned();
    let (seen, _) = records.session(&session).await.unwrap().unwrap();
    let elevate = |seen| crate::records::sessions::elevate(seen, &id, "totp", crate::chance::uuid().unwrap(), now);
    records.write(elevate(&seen)).await.unwrap();
    records.write(vec![crate::records::sessions::rotate(&session, seen.standing.counter, now)]).await.unwrap();
    assert!(records.write(elevate(&seen)).await.is_err_and(|refusal| refusal.is_missed));
});

// Sessions that GoTrue left need not say what they have shown.
on_both!(a_session_that_says_nothing_of_factors_is_one_without, unconfirmed(), |house| {
    const UNSAID: store::OwnStatement =
        store::OwnStatement::new("UPDATE auth.sessions SET aal = NULL WHERE id = $1", &["uuid"]);
    let other = account(house, "mina@example.com").await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (_, own, _) = house.send(("POST", "/token?grant_type=password"), "", given).await;
    let session = claims(text(&other, "access_token"))["session_id"].as_str().unwrap().to_owned();
    house.store.transact(vec![store::OwnStep::new(UNSAID, vec![session.into()])]).await.unwrap();
    elevated(house, text(&own, "access_token")).await;
    assert_eq!(house.send(("GET", "/user"), text(&other, "access_token"), Value::Null).await.0, 403);
});
