//! Signing in with another provider.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use testkit::{Fault, Provider};
use url::Url;

use super::*;
use crate::testing::{provider_settings, settings};
use crate::{ProviderSettings, Settings};

pub(super) const VERIFIER: &str = "what who began keeps for himself, until it ends";
const PLACE: &str = "http://localhost:3000/welcome";

/// A login with the provider, whose clock is the login's.
pub(super) async fn with_provider(house: &House, change: impl FnOnce(&mut Settings)) -> (Provider, crate::Login) {
    let provider = Provider::start();
    provider.at(1_700_000_000);
    provider.knows("mina", &json!({"sub": "7", "email": "mina@example.com", "email_verified": true, "name": "Mina"}));
    let mut settings = Settings { providers: vec![provider_settings(provider.issuer())], ..settings() };
    change(&mut settings);
    let login = house.another(settings, std::sync::Arc::new(crate::testing::Open)).await;
    (provider, login)
}

pub(super) fn way_in(further: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    format!("?provider=mock&redirect_to={PLACE}&code_challenge={challenge}&code_challenge_method=s256{further}")
}

pub(super) async fn send(
    login: &crate::Login,
    request: (&str, &str),
    token: &str,
    body: Value,
) -> (u16, Value, http::HeaderMap) {
    crate::testing::send(login, request, token, body).await
}

pub(super) fn led(headers: &http::HeaderMap) -> Url {
    Url::parse(headers["location"].to_str().unwrap()).unwrap()
}

pub(super) fn said(place: &Url, name: &str) -> Option<String> {
    place.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The address that the provider leads back to, below the login.
pub(super) async fn away(login: &crate::Login, provider: &Provider, further: &str) -> String {
    let (status, body, headers) =
        send(login, ("GET", &format!("/authorize{}", way_in(further))), "", Value::Null).await;
    assert_eq!(status, 303, "{body}");
    let place = provider.visit(led(&headers).as_str());
    place.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap().to_owned()
}

/// Where the browser is in the end.
pub(super) async fn back(login: &crate::Login, callback: &str) -> Url {
    let (status, body, headers) = send(login, ("GET", callback), "", Value::Null).await;
    assert_eq!(status, 303, "{body}");
    led(&headers)
}

pub(super) async fn exchange(login: &crate::Login, code: &str, verifier: &str) -> (u16, Value) {
    let given = json!({"auth_code": code, "code_verifier": verifier});
    let (status, body, _) = send(login, ("POST", "/token?grant_type=pkce"), "", given).await;
    (status, body)
}

/// The whole way.
pub(super) async fn sign_in(login: &crate::Login, provider: &Provider, further: &str) -> (u16, Value) {
    let place = back(login, &away(login, provider, further).await).await;
    match said(&place, "code") {
        Some(code) => exchange(login, &code, VERIFIER).await,
        None => (303, json!({"code": said(&place, "error_code"), "error": said(&place, "error")})),
    }
}

on_both!(somebody_new_and_again, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let way = format!("/authorize{}", way_in("&scopes=calendar%20email&login_hint=mina&access_type=offline"));
    let (status, _, headers) = send(&login, ("GET", &way), "", Value::Null).await;
    let out = led(&headers);
    assert_eq!((status, said(&out, "scope").as_deref()), (303, Some("openid email profile calendar")));
    assert_eq!(said(&out, "redirect_uri").as_deref(), Some("http://127.0.0.1:8000/auth/v1/callback"));
    assert_eq!(said(&out, "access_type").as_deref(), Some("offline"), "passed on");
    assert_eq!(said(&out, "redirect_to"), None);
    let callback = provider.visit(out.as_str());
    let callback = callback.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap();
    let place = back(&login, callback).await;
    assert_eq!((place.path(), place.fragment()), ("/welcome", None));
    let code = said(&place, "code").unwrap();
    assert!(house.login.inner.records.user_by_email("mina@example.com").await.unwrap().is_none(), "not before it ends");
    let wrong = exchange(&login, &code, "what somebody else keeps for himself, just so").await;
    assert_eq!((wrong.0, text(&wrong.1, "code")), (400, "bad_code_verifier"));
    let (status, body) = exchange(&login, &code, VERIFIER).await;
    assert_eq!(status, 200, "{body}");
    let user = &body["user"];
    assert_eq!((&user["email"], user["email_confirmed_at"].is_string()), (&json!("mina@example.com"), true));
    assert_eq!(user["app_metadata"], json!({"provider": "mock", "providers": ["mock"]}));
    assert_eq!(
        (&user["user_metadata"]["full_name"], user["identities"].as_array().unwrap().len()),
        (&json!("Mina"), 1)
    );
    let identity = &user["identities"][0];
    assert_eq!(
        (&identity["provider"], &identity["id"], &identity["identity_data"]["iss"]),
        (&json!("mock"), &json!("7"), &json!(provider.issuer()))
    );
    assert_eq!(claims(text(&body, "access_token"))["amr"][0]["method"], "oauth");
    assert_eq!(
        (text(&body, "provider_token"), text(&body, "provider_refresh_token")),
        ("access-2", "refresh-of-the-provider")
    );
    let again = exchange(&login, &code, VERIFIER).await;
    assert_eq!((again.0, text(&again.1, "code")), (404, "flow_state_not_found"), "once");
    let refreshed = json!({"refresh_token": body["refresh_token"]});
    let (_, refreshed, _) = send(&login, ("POST", "/token?grant_type=refresh_token"), "", refreshed).await;
    assert_eq!(refreshed.get("provider_token"), None, "told once");
    provider.knows("mina", &json!({"sub": "7", "email": "new@example.com", "email_verified": true, "name": "Mina B."}));
    house.clock.advance(Duration::from_secs(60));
    let (status, second) = sign_in(&login, &provider, "").await;
    assert_eq!((status, &second["user"]["id"]), (200, &user["id"]), "{second}");
    assert_eq!(second["user"]["user_metadata"]["full_name"], "Mina B.");
    assert_eq!(second["user"]["email"], "mina@example.com", "the account's own");
    assert_eq!(second["user"]["identities"][0]["identity_data"]["email"], "new@example.com");
});

on_both!(a_state_counts_once_and_for_a_while, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let callback = away(&login, &provider, "").await;
    let place = back(&login, &callback).await;
    let code = said(&place, "code").unwrap();
    let replayed = back(&login, &callback).await;
    assert_eq!((replayed.path(), said(&replayed, "error_code").as_deref()), ("/welcome", Some("bad_oauth_state")));
    assert_eq!(said(&replayed, "code"), None);
    assert_eq!(exchange(&login, &code, VERIFIER).await.0, 200, "the first one still counts");
    let replayed = back(&login, &callback).await;
    assert_eq!(said(&replayed, "error_code").as_deref(), Some("bad_oauth_state"), "also after its end");
    assert_eq!(provider.asked("/token"), 1);
    let late = away(&login, &provider, "").await;
    house.clock.advance(Duration::from_secs(600));
    let place = back(&login, &late).await;
    assert_eq!((place.path(), said(&place, "error_code").as_deref()), ("/", Some("bad_oauth_state")));
    let made_up = back(&login, "/callback?code=x&state=eyJhbGciOiJub25lIn0.e30.").await;
    assert_eq!((made_up.path(), said(&made_up, "error_code").as_deref()), ("/", Some("bad_oauth_state")));
    assert_eq!(said(&back(&login, "/callback?code=x").await, "error_code").as_deref(), Some("bad_oauth_callback"));
    assert_eq!(provider.asked("/token"), 1);
    provider.at(1_700_000_600);
    let place = back(&login, &away(&login, &provider, "").await).await;
    house.clock.advance(Duration::from_secs(300));
    let (status, body) = exchange(&login, &said(&place, "code").unwrap(), VERIFIER).await;
    assert_eq!((status, text(&body, "code")), (422, "flow_state_expired"));
});

on_both!(a_callback_as_a_form, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let callback = away(&login, &provider, "").await;
    let form = callback.split_once('?').unwrap().1.to_owned();
    let request = service::Request {
        area: service::Area::Auth,
        method: http::Method::POST,
        path: "/callback".to_owned(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        body: form.into(),
        client: service::Client { address: std::net::IpAddr::from([127, 0, 0, 1]), is_encrypted: false },
        trace: login.inner.telemetry.begin_trace(None, std::time::Instant::now()),
    };
    let answer = login.answer(request).await;
    let code = said(&led(&answer.headers), "code").unwrap();
    assert_eq!(exchange(&login, &code, VERIFIER).await.0, 200);
});

on_both!(an_account_with_the_same_address, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    assert_eq!(send(&login, ("POST", "/signup"), "", given.clone()).await.0, 200);
    let mail = house.mail().await.text;
    let code = mail.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap();
    let confirming = json!({"type": "email", "email": "mina@example.com", "token": code});
    let (_, made, _) = send(&login, ("POST", "/verify"), "", confirming).await;
    provider.knows("mina", &json!({"sub": "7", "email": "mina@example.com", "email_verified": false}));
    let (_, refused) = sign_in(&login, &provider, "").await;
    assert_eq!(
        (&refused["code"], &refused["error"]),
        (&json!("provider_email_needs_verification"), &json!("access_denied"))
    );
    provider.knows("mina", &json!({"sub": "7", "email": "MINA@example.com", "email_verified": true}));
    let (status, body) = sign_in(&login, &provider, "").await;
    assert_eq!((status, &body["user"]["id"]), (200, &made["user"]["id"]), "{body}");
    assert_eq!(body["user"]["app_metadata"]["providers"], json!(["email", "mock"]));
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 200, "the password stays");
    assert_eq!(send(&login, ("GET", "/user"), text(&made, "access_token"), Value::Null).await.0, 200);
});

on_both!(an_account_that_nobody_had_to_prove, settings(), |house| {
    let (provider, login) = with_provider(house, |settings| settings.confirm_email = false).await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    let (_, made, _) = send(&login, ("POST", "/signup"), "", given.clone()).await;
    let trap = text(&made, "access_token");
    let (status, body) = sign_in(&login, &provider, "").await;
    assert_eq!((status, &body["user"]["id"]), (200, &made["user"]["id"]), "{body}");
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 400);
    assert_eq!(send(&login, ("GET", "/user"), trap, Value::Null).await.0, 403, "whoever waited there is out");
    assert_eq!(send(&login, ("GET", "/user"), text(&body, "access_token"), Value::Null).await.0, 200);
});

on_both!(an_account_that_waited_for_its_owner, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD, "data": {"trap": true}});
    assert_eq!(send(&login, ("POST", "/signup"), "", given.clone()).await.0, 200);
    let mail = house.mail().await.text;
    let (status, body) = sign_in(&login, &provider, "").await;
    assert_eq!((status, body["user"]["identities"].as_array().unwrap().len()), (200, 1), "{body}");
    assert_eq!(body["user"]["app_metadata"], json!({"provider": "mock", "providers": ["mock"]}));
    assert_eq!(body["user"]["user_metadata"].get("trap"), None);
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 400, "the password is gone");
    let link = mail.lines().find_map(|line| line.strip_prefix("http://127.0.0.1:8000/auth/v1")).unwrap();
    let place = back(&login, link).await;
    assert!(place.fragment().unwrap().contains("otp_expired"), "so is what was sent: {place}");
});

on_both!(nobody_new_where_nobody_may, settings(), |house| {
    for by_provider in [true, false] {
        let (provider, login) = with_provider(house, |settings| {
            settings.allow_signup = by_provider;
            settings.providers[0].allow_signup = !by_provider;
        })
        .await;
        let (_, refused) = sign_in(&login, &provider, "").await;
        assert_eq!((&refused["code"], &refused["error"]), (&json!("signup_disabled"), &json!("access_denied")));
    }
    let (provider, login) = with_provider(house, |_| {}).await;
    provider.knows("mina", &json!({"sub": "8"}));
    assert_eq!(sign_in(&login, &provider, "").await.1["code"], "validation_failed", "no address");
    provider.knows("mina", &json!({"sub": "8", "email": "leo@example.com"}));
    assert_eq!(sign_in(&login, &provider, "").await.1["code"], "provider_email_needs_verification");
    let found = house.login.inner.records.user_by_email("leo@example.com").await.unwrap();
    assert!(found.is_none());
    let place = back(&login, &away(&login, &provider, "&prompt=none").await).await;
    assert_eq!(said(&place, "error").as_deref(), Some("access_denied"));
    assert_eq!(said(&place, "error_description").as_deref(), Some("Not today"));
});

on_both!(an_address_that_is_told_later, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let claims = json!({"sub": "7", "email": "mina@example.com", "email_verified": true, "tells_later": true});
    provider.knows("mina", &claims);
    provider.does(Some(Fault::OtherPerson));
    assert_eq!(sign_in(&login, &provider, "").await.1["code"], "bad_oauth_callback");
    provider.does(None);
    let (status, body) = sign_in(&login, &provider, "").await;
    assert_eq!((status, &body["user"]["email"]), (200, &json!("mina@example.com")), "{body}");
    assert_eq!(provider.asked("/userinfo"), 2);
});

on_both!(a_further_way_to_sign_in, settings(), |house| {
    let (provider, login) = with_provider(house, |settings| settings.confirm_email = false).await;
    let given = json!({"email": "leo@example.com", "password": PASSWORD});
    let (_, leo, _) = send(&login, ("POST", "/signup"), "", given.clone()).await;
    let token = text(&leo, "access_token");
    let way = format!("/user/identities/authorize{}&skip_http_redirect=true", way_in(""));
    assert_eq!(send(&login, ("GET", &way), "", Value::Null).await.0, 401);
    let begin = || async {
        let (status, body, _) = send(&login, ("GET", &way), token, Value::Null).await;
        assert_eq!(status, 200, "{body}");
        let callback = provider.visit(text(&body, "url"));
        back(&login, callback.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap()).await
    };
    // Somebody else's browser was led there: nothing is linked before who began brings the code.
    let place = begin().await;
    let user = |body: Value| body["identities"].as_array().unwrap().len();
    assert_eq!(user(send(&login, ("GET", "/user"), token, Value::Null).await.1), 1);
    let (status, body) = exchange(&login, &said(&place, "code").unwrap(), VERIFIER).await;
    assert_eq!((status, &body["user"]["id"]), (200, &leo["user"]["id"]), "{body}");
    assert_eq!(body["user"]["email"], "leo@example.com");
    assert_eq!(body["user"]["app_metadata"]["providers"], json!(["email", "mock"]));
    assert_eq!(said(&begin().await, "error_code").as_deref(), Some("identity_already_exists"));
    let identities = body["user"]["identities"].as_array().unwrap();
    let id = |provider: &str| {
        let found = identities.iter().find(|one| one["provider"] == provider).unwrap();
        format!("/user/identities/{}", text(found, "identity_id"))
    };
    let (status, gone, _) = send(&login, ("DELETE", &id("mock")), token, Value::Null).await;
    assert_eq!((status, gone), (200, json!({})));
});

on_both!(ways_to_sign_in_are_taken_away, settings(), |house| {
    let (provider, login) = with_provider(house, |settings| settings.confirm_email = false).await;
    let given = json!({"email": "leo@example.com", "password": PASSWORD});
    let (_, leo, _) = send(&login, ("POST", "/signup"), "", given.clone()).await;
    let token = text(&leo, "access_token").to_owned();
    let own = format!("/user/identities/{}", text(&leo["user"]["identities"][0], "identity_id"));
    let (status, body, _) = send(&login, ("DELETE", &own), &token, Value::Null).await;
    assert_eq!((status, text(&body, "code")), (422, "single_identity_not_deletable"));
    let id_token = provider.id_token("mina", None);
    let linking = json!({"provider": "mock", "id_token": id_token, "link_identity": true});
    let (status, body, _) = send(&login, ("POST", "/token?grant_type=id_token"), &token, linking).await;
    assert_eq!((status, &body["user"]["id"]), (200, &leo["user"]["id"]), "{body}");
    let strange = "/user/identities/8d1f4c1e-5b1b-4a39-9d8b-000000000001";
    let (status, body, _) = send(&login, ("DELETE", strange), &token, Value::Null).await;
    assert_eq!((status, text(&body, "code")), (422, "identity_not_found"));
    assert_eq!(send(&login, ("DELETE", "/user/identities/x"), &token, Value::Null).await.0, 404);
    assert_eq!(send(&login, ("DELETE", &own), &token, Value::Null).await.0, 200);
    let (_, user, _) = send(&login, ("GET", "/user"), &token, Value::Null).await;
    assert_eq!((&user["email"], &user["app_metadata"]["providers"]), (&json!("mina@example.com"), &json!(["mock"])));
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 400, "with its password");
});

on_both!(an_anonymous_account_gets_a_name, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let (_, anonymous, _) = send(&login, ("POST", "/signup"), "", json!({})).await;
    let token = text(&anonymous, "access_token");
    let linking = json!({"provider": "mock", "id_token": provider.id_token("mina", None), "link_identity": true});
    let (status, body, _) = send(&login, ("POST", "/token?grant_type=id_token"), token, linking).await;
    assert_eq!((status, &body["user"]["id"]), (200, &anonymous["user"]["id"]), "{body}");
    assert_eq!((&body["user"]["email"], &body["user"]["is_anonymous"]), (&json!("mina@example.com"), &json!(false)));
});

on_both!(a_session_that_ended_links_nothing, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let (_, anonymous, _) = send(&login, ("POST", "/signup"), "", json!({})).await;
    let token = text(&anonymous, "access_token");
    let way = format!("/user/identities/authorize{}&skip_http_redirect=true", way_in(""));
    let (_, body, _) = send(&login, ("GET", &way), token, Value::Null).await;
    let callback = provider.visit(text(&body, "url"));
    let place = back(&login, callback.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap()).await;
    assert_eq!(send(&login, ("POST", "/logout"), token, Value::Null).await.0, 204);
    let (status, body) = exchange(&login, &said(&place, "code").unwrap(), VERIFIER).await;
    assert_eq!((status, text(&body, "code")), (422, "user_not_found"));
});

on_both!(linking_is_switched_off, settings(), |house| {
    let (_provider, login) = with_provider(house, |settings| settings.allow_linking = false).await;
    let (_, anonymous, _) = send(&login, ("POST", "/signup"), "", json!({})).await;
    let token = text(&anonymous, "access_token");
    for (method, path) in
        [("GET", format!("/user/identities/authorize{}", way_in(""))), ("DELETE", "/user/identities/x".to_owned())]
    {
        let (status, body, _) = send(&login, (method, &path), token, Value::Null).await;
        assert_eq!((status, text(&body, "code")), (404, "manual_linking_disabled"));
    }
});

on_both!(an_id_token_of_a_device, settings(), |house| {
    let (provider, login) = with_provider(house, |settings| {
        let one = settings.providers[0].clone();
        settings.providers.push(ProviderSettings { name: "lax".to_owned(), skip_nonce_check: true, ..one });
    })
    .await;
    let given = |token: String, nonce: Value| json!({"provider": "mock", "id_token": token, "nonce": nonce});
    let hashed = crate::external::hashed("only mine");
    for (body, expected) in [
        (given(provider.id_token("mina", None), Value::Null), 200),
        (given(provider.id_token("mina", Some(&hashed)), json!("only mine")), 200),
        (given(provider.id_token("mina", Some(&hashed)), json!("another")), 400),
        (given(provider.id_token("mina", Some(&hashed)), Value::Null), 400),
        (given(provider.id_token("mina", None), json!("only mine")), 400),
        (given("x".to_owned(), Value::Null), 400),
        (given(String::new(), Value::Null), 400),
        (json!({"id_token": "x"}), 400),
        (json!({"provider": "google", "id_token": "x"}), 400),
        (json!({"issuer": provider.issuer(), "client_id": "pando", "id_token": provider.id_token("mina", None)}), 200),
        (json!({"provider": "lax", "id_token": provider.id_token("mina", Some("x"))}), 200),
        (json!({"provider": "lax", "id_token": provider.id_token("mina", Some("x")), "nonce": "only mine"}), 400),
        (json!({"provider": "lax", "id_token": provider.id_token("mina", None), "nonce": "only mine"}), 200),
        (json!({"provider": "mock", "id_token": provider.id_token("mina", None), "link_identity": true}), 401),
    ] {
        let (status, answer, _) = send(&login, ("POST", "/token?grant_type=id_token"), "", body.clone()).await;
        assert_eq!(status, expected, "{body} {answer}");
    }
});
