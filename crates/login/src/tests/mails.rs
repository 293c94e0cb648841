use std::time::Duration;

use serde_json::json;
use url::Url;

use super::*;
use crate::testing::settings;

/// The link of a mail, below the login.
fn link(text: &str) -> String {
    let line = text.lines().find(|line| line.starts_with("http")).unwrap_or_else(|| panic!("no link in {text}"));
    line.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap().to_owned()
}

fn code(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned()
}

/// What the place that a link leads to was told.
fn told(headers: &http::HeaderMap) -> (Url, std::collections::HashMap<String, String>) {
    let place = Url::parse(headers["location"].to_str().unwrap()).unwrap();
    let fragment = place.fragment().unwrap_or_default().to_owned();
    let pairs = url::form_urlencoded::parse(fragment.as_bytes()).into_owned();
    let pairs = pairs.chain(place.query_pairs().into_owned()).collect();
    (place, pairs)
}

const EMAIL: &str = "mina@example.com";

async fn sign_up(house: &House) -> (u16, Value) {
    let (status, body, _) =
        house.send(("POST", "/signup"), "", json!({"email": EMAIL, "password": PASSWORD, "data": {"a": 1}})).await;
    (status, body)
}

async fn confirmed(house: &House) -> Value {
    sign_up(house).await;
    let given = json!({"type": "email", "email": EMAIL, "token": code(&house.mail().await.text)});
    let (status, body, _) = house.send(("POST", "/verify"), "", given).await;
    assert_eq!(status, 200, "{body}");
    body
}

on_both!(an_address_is_confirmed_by_link, settings(), |house| {
    let (status, user) = sign_up(house).await;
    assert_eq!((status, user.get("access_token")), (200, None));
    assert!(user["confirmation_sent_at"].is_string() && user.get("email_confirmed_at").is_none());
    let mail = house.mail().await;
    assert_eq!(mail.to, EMAIL);
    let given = json!({"email": EMAIL, "password": PASSWORD});
    let (status, body, _) = house.send(("POST", "/token?grant_type=password"), "", given.clone()).await;
    assert_eq!((status, text(&body, "code")), (400, "email_not_confirmed"));
    let link = link(&mail.text);
    let (status, _, headers) = house.send(("GET", &link), "", Value::Null).await;
    let (place, said) = told(&headers);
    assert_eq!((status, place.host_str(), said["type"].as_str()), (303, Some("localhost"), "signup"));
    assert_eq!(house.send(("GET", "/user"), &said["access_token"], Value::Null).await.0, 200);
    assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, 200);
    let (status, _, headers) = house.send(("GET", &link), "", Value::Null).await;
    assert_eq!((status, told(&headers).1["error_code"].as_str()), (303, "otp_expired"), "once");
    assert_eq!(told(&headers).1["error"], "access_denied");
});

on_both!(a_known_address_looks_like_a_new_one, settings(), |house| {
    let new = sign_up(house).await.1;
    house.mail().await;
    let unconfirmed = sign_up(house).await.1;
    let given = json!({"type": "signup", "email": EMAIL, "token": code(&house.mail().await.text)});
    assert_eq!(house.send(("POST", "/verify"), "", given).await.0, 200);
    let known = sign_up(house).await.1;
    let shape = |body: &Value| {
        let mut body = body.clone();
        for name in ["id", "created_at", "updated_at", "confirmation_sent_at"] {
            assert!(body[name].is_string(), "{name} in {body}");
            body[name] = Value::Null;
        }
        body["user_metadata"]["sub"] = Value::Null;
        for name in ["id", "identity_id", "user_id", "created_at", "updated_at", "last_sign_in_at"] {
            body["identities"][0][name] = Value::Null;
        }
        body["identities"][0]["identity_data"]["sub"] = Value::Null;
        body
    };
    assert_eq!(shape(&new), shape(&known));
    assert_eq!(shape(&new), shape(&unconfirmed));
    assert!(new["id"] != known["id"] && new["id"] != unconfirmed["id"]);
    for (path, body) in [
        ("/recover", json!({"email": "nobody@example.com"})),
        ("/otp", json!({"email": "nobody@example.com", "create_user": false})),
        ("/resend", json!({"email": "nobody@example.com", "type": "signup"})),
        ("/recover", json!({"email": EMAIL})),
    ] {
        let (status, body, _) = house.send(("POST", path), "", body).await;
        assert_eq!((status, body), (200, json!({})), "{path}");
    }
    assert_eq!(house.mail().await.to, EMAIL, "the only mail of these");
    assert!(house.mails.lock().is_empty());
});

/// Signs up with an address; gives the mail that comes of it.
async fn signed_up(house: &House, email: &str, password: &str, data: Value) -> crate::Mail {
    let given = json!({"email": email, "password": password, "data": data});
    assert_eq!(house.send(("POST", "/signup"), "", given).await.0, 200);
    house.mail().await
}

async fn planted(house: &House, email: &str) -> crate::Mail {
    signed_up(house, email, PLANTED, json!({"planted": true})).await
}

async fn own(house: &House, email: &str) -> crate::Mail {
    signed_up(house, email, PASSWORD, json!({"name": "Mina"})).await
}

async fn confirm(house: &House, kind: &str, email: &str, mail: &crate::Mail) -> Value {
    let given = json!({"type": kind, "email": email, "token": code(&mail.text)});
    let (status, body, _) = house.send(("POST", "/verify"), "", given).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn sign_in(house: &House, email: &str, password: &str) -> u16 {
    let given = json!({"email": email, "password": password});
    house.send(("POST", "/token?grant_type=password"), "", given).await.0
}

const PLANTED: &str = "planted by a stranger";

// Whoever signs up with an address before its owner does ("pre-hijacking"), or after, must not get into the account once the owner
// confirms it. Nobody knows which of two sign-ups is the owner's: neither password counts.
on_both!(a_stranger_gets_nothing_by_what_the_owner_confirms, settings(), |house| {
    for (email, is_first) in [("first@example.com", true), ("second@example.com", false)] {
        let mail = if is_first {
            planted(house, email).await;
            own(house, email).await
        } else {
            own(house, email).await;
            planted(house, email).await
        };
        let body = confirm(house, "signup", email, &mail).await;
        let said = &body["user"]["user_metadata"];
        assert_eq!((said.get("planted"), said.get("name")), (None, None), "{email}: {body}");
        assert_eq!((&said["sub"], &said["email"]), (&body["user"]["id"], &json!(email)));
        let both = (sign_in(house, email, PLANTED).await, sign_in(house, email, PASSWORD).await);
        assert_eq!(both, (400, 400), "{email}");
        let change = json!({"password": "chosen by the owner"});
        assert_eq!(house.send(("PUT", "/user"), text(&body, "access_token"), change).await.0, 200);
        assert_eq!(sign_in(house, email, "chosen by the owner").await, 200);
    }
});

on_both!(no_further_sign_up_brings_a_password_back, settings(), |house| {
    let email = "third@example.com";
    planted(house, email).await;
    own(house, email).await;
    let mail = planted(house, email).await;
    confirm(house, "signup", email, &mail).await;
    assert_eq!(sign_in(house, email, PLANTED).await, 400);
});

on_both!(who_signs_up_twice_with_the_same_password_keeps_it, settings(), |house| {
    let email = "again@example.com";
    signed_up(house, email, PASSWORD, json!({"name": "M"})).await;
    let mail = own(house, email).await;
    let body = confirm(house, "signup", email, &mail).await;
    assert_eq!(body["user"]["user_metadata"]["name"], "Mina");
    assert_eq!(body["user"]["user_metadata"]["sub"], body["user"]["id"]);
    assert_eq!(sign_in(house, email, PASSWORD).await, 200);
});

on_both!(other_mails_leave_no_password_of_a_stranger, settings(), |house| {
    for (path, kind, email) in [("/otp", "email", "link@example.com"), ("/recover", "recovery", "forgot@example.com")] {
        planted(house, email).await;
        house.send(("POST", path), "", json!({"email": email})).await;
        confirm(house, kind, email, &house.mail().await).await;
        assert_eq!(sign_in(house, email, PLANTED).await, 400, "{path}");
    }
    let email = "resent@example.com";
    planted(house, email).await;
    house.send(("POST", "/resend"), "", json!({"type": "signup", "email": email})).await;
    confirm(house, "signup", email, &house.mail().await).await;
    assert_eq!(sign_in(house, email, PLANTED).await, 200, "it is the mail of that sign-up");
});

on_both!(codes_count_once_for_their_purpose_and_not_for_long, settings(), |house| {
    confirmed(house).await;
    house.send(("POST", "/recover"), "", json!({"email": EMAIL})).await;
    let sent = code(&house.mail().await.text);
    let verify = |kind: &'static str, email: &'static str, token: String| async move {
        let given = json!({"type": kind, "email": email, "token": token});
        let (status, body, _) = house.send(("POST", "/verify"), "", given).await;
        (status, body.get("code").and_then(Value::as_str).map(str::to_owned))
    };
    let expired = || (403, Some("otp_expired".to_owned()));
    let wrong = if sent == "000000" { "000001" } else { "000000" };
    assert_eq!(verify("recovery", EMAIL, wrong.to_owned()).await, expired());
    assert_eq!(verify("signup", EMAIL, sent.clone()).await, expired());
    assert_eq!(verify("recovery", "leo@example.com", sent.clone()).await, expired());
    assert_eq!(verify("recovery", EMAIL, format!("{}-{}", &sent[..3], &sent[3..])).await, (200, None));
    assert_eq!(verify("recovery", EMAIL, sent).await, expired(), "once");
    house.send(("POST", "/otp"), "", json!({"email": EMAIL})).await;
    let sent = code(&house.mail().await.text);
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(verify("email", EMAIL, sent).await, expired(), "an hour");
    assert_eq!(verify("other", EMAIL, String::from("x")).await.0, 400);
});

on_both!(only_who_began_ends_it, settings(), |house| {
    confirmed(house).await;
    let proof = "a".repeat(64);
    let asked = json!({"email": EMAIL, "code_challenge": challenge(&proof), "code_challenge_method": "s256"});
    house.send(("POST", "/otp"), "", asked).await;
    let link = link(&house.mail().await.text);
    let stripped = link.replace("token=pkce_", "token=");
    assert_ne!(link, stripped);
    let (_, _, headers) = house.send(("GET", &stripped), "", Value::Null).await;
    assert_eq!(told(&headers).1["error_code"], "otp_expired", "without the code of who began there are no tokens");
    let (_, _, headers) = house.send(("GET", &link), "", Value::Null).await;
    let (place, said) = told(&headers);
    assert!(place.fragment().is_none() && !said.contains_key("access_token"));
    let exchange = |code: String, proof: String| async move {
        let given = json!({"auth_code": code, "code_verifier": proof});
        let (status, body, _) = house.send(("POST", "/token?grant_type=pkce"), "", given).await;
        (status, body)
    };
    let (status, body) = exchange(said["code"].clone(), "b".repeat(64)).await;
    assert_eq!((status, text(&body, "code")), (400, "bad_code_verifier"));
    let (status, body) = exchange("nonsense".to_owned(), proof.clone()).await;
    assert_eq!((status, text(&body, "code")), (404, "flow_state_not_found"));
    let (status, body) = exchange(said["code"].clone(), proof.clone()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(claims(text(&body, "access_token"))["amr"][0]["method"], "magiclink");
    let (status, body) = exchange(said["code"].clone(), proof).await;
    assert_eq!((status, text(&body, "code")), (404, "flow_state_not_found"), "once");
});

on_both!(an_address_changes_when_both_agree, settings(), |house| {
    let body = confirmed(house).await;
    let token = text(&body, "access_token");
    let (status, user, _) = house.send(("PUT", "/user"), token, json!({"email": "new@example.com"})).await;
    assert_eq!((status, &user["email"], &user["new_email"]), (200, &json!(EMAIL), &json!("new@example.com")));
    let (first, second) = (house.mail().await, house.mail().await);
    assert_ne!(first.to, second.to);
    let (status, _, headers) = house.send(("GET", &link(&first.text)), "", Value::Null).await;
    assert_eq!(status, 303);
    assert!(told(&headers).1["message"].contains("other email"), "{headers:?}");
    let (_, user, _) = house.send(("GET", "/user"), token, Value::Null).await;
    assert_eq!(user["email"], EMAIL, "not yet");
    let (_, _, headers) = house.send(("GET", &link(&first.text)), "", Value::Null).await;
    assert_eq!(told(&headers).1["error_code"], "otp_expired", "the same one twice is not both");
    let given = json!({"type": "email_change", "email": second.to, "token": code(&second.text)});
    let (status, body, _) = house.send(("POST", "/verify"), "", given).await;
    assert_eq!((status, &body["user"]["email"]), (200, &json!("new@example.com")), "{body}");
    assert_eq!(body["user"]["identities"][0]["identity_data"]["email"], "new@example.com");
    let given = json!({"email": "new@example.com", "password": PASSWORD});
    assert_eq!(house.send(("POST", "/token?grant_type=password"), "", given).await.0, 200);
});

on_both!(
    a_code_says_that_it_is_still_you,
    crate::Settings { reauthenticate_for_password: true, ..settings() },
    |house| {
        let body = confirmed(house).await;
        // The token counts for an hour and the session for more: only its age matters.
        house.clock.advance(Duration::from_secs(86_400));
        let given = json!({"refresh_token": body["refresh_token"]});
        let (_, fresh, _) = house.send(("POST", "/token?grant_type=refresh_token"), "", given).await;
        let token = text(&fresh, "access_token");
        let change = |nonce: Value| {
            let given = json!({"password": "another long password", "nonce": nonce});
            async move {
                let (status, body, _) = house.send(("PUT", "/user"), token, given).await;
                (status, body.get("code").and_then(Value::as_str).map(str::to_owned))
            }
        };
        assert_eq!(change(Value::Null).await, (400, Some("reauthentication_needed".to_owned())));
        assert_eq!(house.send(("GET", "/reauthenticate"), token, Value::Null).await.0, 200);
        let mail = house.mail().await;
        assert!(!mail.text.contains("http"), "a code alone");
        assert_eq!(change(json!("x")).await, (422, Some("reauthentication_not_valid".to_owned())));
        assert_eq!(change(json!(code(&mail.text))).await, (200, None));
    }
);

on_both!(links_lead_where_they_may, settings(), |house| {
    for (asked, host) in [("https://evil.example/", "localhost"), ("http://localhost:3000/in", "localhost")] {
        let (_, _, headers) =
            house.send(("GET", &format!("/verify?token=x&type=signup&redirect_to={asked}")), "", Value::Null).await;
        let (place, said) = told(&headers);
        assert_eq!((place.host_str(), place.port()), (Some(host), Some(3000)));
        assert_eq!(said["error_code"], "otp_expired");
    }
});

on_both!(a_mail_is_asked_for_alike_whether_there_is_an_account, settings(), |house| {
    confirmed(house).await;
    for (data, expected) in [(json!([]), 400), (json!({"a": "x".repeat(9_000)}), 422), (json!({"a": 1}), 200)] {
        let mut answers = Vec::new();
        for email in [EMAIL, "nobody@example.com"] {
            let given = json!({"email": email, "data": data});
            let (status, body, _) = house.send(("POST", "/otp"), "", given).await;
            answers.push((status, body));
        }
        assert_eq!((answers[0].0, &answers[0]), (expected, &answers[1]));
    }
});

on_both!(a_full_queue_tells_nobody_who_has_an_account, settings(), |house| {
    confirmed(house).await;
    let inner = &house.login.inner;
    let places: Vec<_> = (0..crate::MOST_WAITING_MAILS).map(|_| inner.reserve().unwrap()).collect();
    for email in [EMAIL, "nobody@example.com"] {
        for path in ["/otp", "/recover", "/resend", "/signup"] {
            let given = json!({"email": email, "type": "signup", "password": PASSWORD});
            let (status, body, _) = house.send(("POST", path), "", given).await;
            assert_eq!((status, text(&body, "code")), (503, "over_request_rate_limit"), "{path} {email}");
        }
    }
    assert!(inner.records.user_by_email("nobody@example.com").await.unwrap().is_none(), "nothing was changed");
    drop(places);
    assert_eq!(house.send(("POST", "/otp"), "", json!({"email": EMAIL})).await.0, 200);
    house.mail().await;
});

fn challenge(proof: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(proof.as_bytes()))
}

on_both!(codes_of_links_end_with_the_password, settings(), |house| {
    let body = confirmed(house).await;
    let (proof, token) = ("a".repeat(64), text(&body, "access_token"));
    for change in [json!({"password": "another long password"}), json!({"logout": true})] {
        let asked = json!({"email": EMAIL, "code_challenge": challenge(&proof), "code_challenge_method": "s256"});
        house.send(("POST", "/otp"), "", asked).await;
        // What it says it was for is not asked.
        let link = link(&house.mail().await.text).replace("type=magiclink", "type=recovery");
        let (status, _, headers) = house.send(("GET", &link), "", Value::Null).await;
        assert_eq!(status, 303);
        let code = told(&headers).1["code"].clone();
        let status = match change.get("logout") {
            Some(_) => house.send(("POST", "/logout"), token, Value::Null).await.0,
            None => house.send(("PUT", "/user"), token, change).await.0,
        };
        assert!(matches!(status, 200 | 204), "{status}");
        let given = json!({"auth_code": code, "code_verifier": proof});
        let (status, body, _) = house.send(("POST", "/token?grant_type=pkce"), "", given).await;
        assert_eq!((status, text(&body, "code")), (404, "flow_state_not_found"));
    }
});

on_both!(who_began_a_change_ends_it_by_either_mail, settings(), |house| {
    let body = confirmed(house).await;
    let (proof, token) = ("a".repeat(64), text(&body, "access_token"));
    for (number, is_current_last) in [(1, true), (2, false)] {
        let new = format!("new{number}@example.com");
        let (code_challenge, code_challenge_method) = (challenge(&proof), "s256");
        let asked =
            json!({"email": new, "code_challenge": code_challenge, "code_challenge_method": code_challenge_method});
        assert_eq!(house.send(("PUT", "/user"), token, asked).await.0, 200);
        let mut mails = [house.mail().await, house.mail().await];
        mails.sort_by_key(|mail| (mail.to == new) != is_current_last);
        let (_, _, headers) = house.send(("GET", &link(&mails[0].text)), "", Value::Null).await;
        assert!(told(&headers).1["message"].contains("other email"), "{headers:?}");
        let (_, _, headers) = house.send(("GET", &link(&mails[1].text)), "", Value::Null).await;
        let said = told(&headers).1;
        assert!(!said.contains_key("access_token"), "{said:?}");
        let given = json!({"auth_code": said["code"], "code_verifier": proof});
        let (status, body, _) = house.send(("POST", "/token?grant_type=pkce"), "", given).await;
        assert_eq!((status, &body["user"]["email"]), (200, &json!(new)), "{body}");
    }
});

on_both!(mails_end_with_the_identity_that_they_went_to, settings(), |house| {
    let body = confirmed(house).await;
    let inner = &house.login.inner;
    let user = inner.records.user(text(&body["user"], "id")).await.unwrap().unwrap();
    let mut other = user.identities[0].clone();
    other.id = crate::chance::uuid().unwrap();
    other.provider = "mock".to_owned();
    inner.records.write(vec![other.insert(&user.id)]).await.unwrap();
    house.send(("POST", "/recover"), "", json!({"email": EMAIL})).await;
    let sent = code(&house.mail().await.text);
    let path = format!("/user/identities/{}", user.identities[0].id);
    assert_eq!(house.send(("DELETE", &path), text(&body, "access_token"), Value::Null).await.0, 200);
    let given = json!({"type": "recovery", "email": EMAIL, "token": sent});
    assert_eq!(house.send(("POST", "/verify"), "", given).await.0, 403);
});
