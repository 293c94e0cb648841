//! Who is not taken for somebody else: other issuers, addresses that nobody proved, ID tokens that come again.

use serde_json::json;

use super::external::{send, sign_in, with_provider};
use super::*;
use crate::Settings;
use crate::testing::{provider_settings, settings};

on_both!(the_same_name_at_another_issuer, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let (status, body) = sign_in(&login, &provider, "").await;
    assert_eq!(status, 200, "{body}");
    // The operator has put another issuer in its place, where somebody else has the number 7.
    let (other, login) = with_provider(house, |_| {}).await;
    other.knows("mina", &json!({"sub": "7", "email": "eve@example.com", "email_verified": true}));
    let (_, refused) = sign_in(&login, &other, "").await;
    assert_eq!((&refused["code"], &refused["error"]), (&json!("identity_not_found"), &json!("access_denied")));
    let token = json!({"provider": "mock", "id_token": other.id_token("mina", None)});
    let (status, body, _) = send(&login, ("POST", "/token?grant_type=id_token"), "", token).await;
    assert_eq!((status, text(&body, "code")), (403, "identity_not_found"));
});

on_both!(an_account_of_a_time_when_nobody_had_to_prove, settings(), |house| {
    let (_, login) = with_provider(house, |settings| settings.confirm_email = false).await;
    let given = json!({"email": "mina@example.com", "password": PASSWORD});
    assert_eq!(send(&login, ("POST", "/signup"), "", given.clone()).await.0, 200);
    let (_, anonymous, _) = send(&login, ("POST", "/signup"), "", json!({})).await;
    let naming = json!({"email": "leo@example.com", "password": PASSWORD});
    let named = send(&login, ("PUT", "/user"), text(&anonymous, "access_token"), naming).await;
    assert_eq!((named.0, &named.1["email"]), (200, &json!("leo@example.com")), "{}", named.1);
    let (provider, login) = with_provider(house, |_| {}).await;
    assert_eq!(sign_in(&login, &provider, "").await.0, 200);
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 400, "whoever waited is out");
    provider.knows("mina", &json!({"sub": "8", "email": "leo@example.com", "email_verified": true}));
    assert_eq!(sign_in(&login, &provider, "").await.0, 200);
    let given = json!({"email": "leo@example.com", "password": PASSWORD});
    assert_eq!(send(&login, ("POST", "/token?grant_type=password"), "", given).await.0, 400);
});

on_both!(an_id_token_with_a_nonce_counts_once, settings(), |house| {
    let (provider, _) = with_provider(house, |_| {}).await;
    let settings = Settings { providers: vec![provider_settings(provider.issuer())], ..settings() };
    let gate = guesses::gate(house, crate::DefenceSettings::default());
    let login = house.another(settings, gate).await;
    let token = provider.id_token("mina", Some(&crate::external::hashed("only mine")));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let given = json!({"provider": "mock", "id_token": token, "nonce": "only mine"});
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(send(&login, ("POST", "/token?grant_type=id_token"), "", given.clone()).await.0);
    }
    let altered = json!({"provider": "mock", "id_token": format!("{signed}.{signature}="), "nonce": "only mine"});
    statuses.push(send(&login, ("POST", "/token?grant_type=id_token"), "", altered).await.0);
    assert_eq!(statuses, [200, 400, 400]);
    let plain = json!({"provider": "mock", "id_token": provider.id_token("mina", None)});
    for _ in 0..2 {
        assert_eq!(send(&login, ("POST", "/token?grant_type=id_token"), "", plain.clone()).await.0, 200);
    }
});
