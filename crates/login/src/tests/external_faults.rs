//! Providers that do what they should not, and requests that want what they may not.

use std::time::Duration;

use serde_json::json;
use testkit::Fault;

use super::external::{VERIFIER, away, back, exchange, said, send, sign_in, way_in, with_provider};
use super::*;
use crate::testing::settings;

on_both!(a_provider_that_is_not_believed, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    assert_eq!(sign_in(&login, &provider, "").await.0, 200, "the keys are known");
    for fault in [
        Fault::OtherNonce,
        Fault::NoNonce,
        Fault::OtherAudience,
        Fault::FurtherAudience,
        Fault::OtherParty,
        Fault::OtherIssuer,
        Fault::Unsigned,
        Fault::SignedWithPublicKey,
        Fault::UnknownKey,
        Fault::ForgedKey,
        Fault::OwnKey,
        Fault::Expired,
        Fault::Future,
        Fault::NoSubject,
        Fault::OtherHash,
        Fault::NoToken,
        Fault::Refuses,
        Fault::OtherIssuerInCallback,
        Fault::NoIssuerInCallback,
    ] {
        provider.does(Some(fault));
        let (status, body) = sign_in(&login, &provider, "").await;
        assert_eq!((status, &body["code"]), (303, &json!("bad_oauth_callback")), "{fault:?}: {body}");
    }
    assert_eq!(provider.asked("/elsewhere"), 0, "where a token points is never looked");
    assert_eq!(provider.asked("/keys"), 1, "not again within half a minute, whatever a token names");
    house.clock.advance(Duration::from_secs(30));
    provider.at(1_700_000_030);
    for _ in 0..5 {
        provider.does(Some(Fault::UnknownKey));
        assert_eq!(sign_in(&login, &provider, "").await.0, 303);
    }
    assert_eq!(provider.asked("/keys"), 2, "and then once");
    provider.does(None);
    assert_eq!(sign_in(&login, &provider, "").await.0, 200);
});

on_both!(a_provider_that_cannot_be_asked, settings(), |house| {
    let faults = [Fault::Broken, Fault::Huge, Fault::Redirects, Fault::OtherDocument, Fault::OpenDocument];
    for (number, fault) in faults.into_iter().enumerate() {
        let (provider, login) = with_provider(house, |_| {}).await;
        // Each is another issuer, with people of its own.
        let person = json!({"sub": number.to_string(), "email": "mina@example.com", "email_verified": true});
        provider.knows("mina", &person);
        provider.does(Some(fault));
        for _ in 0..5 {
            let (status, body, headers) =
                send(&login, ("GET", &format!("/authorize{}", way_in(""))), "", Value::Null).await;
            assert_eq!((status, text(&body, "code")), (503, "unexpected_failure"), "{fault:?}");
            assert_eq!(headers["retry-after"], "10");
        }
        assert_eq!(provider.asked("/.well-known/openid-configuration"), 1, "not by everybody who asks");
        assert_eq!(provider.asked("/elsewhere"), 0);
        provider.does(None);
        house.clock.advance(Duration::from_secs(10));
        let now = base::Clock::now(&*house.clock).seconds();
        provider.at(now);
        assert_eq!(sign_in(&login, &provider, "").await.0, 200, "when it is better");
    }
});

on_both!(a_provider_that_fails_in_the_middle, settings(), |house| {
    for fault in [Fault::Broken, Fault::Huge, Fault::Redirects, Fault::PublishedSecret] {
        let (provider, login) = with_provider(house, |_| {}).await;
        let callback = away(&login, &provider, "").await;
        provider.does(Some(fault));
        let place = back(&login, &callback).await;
        assert_eq!(said(&place, "error").as_deref(), Some("temporarily_unavailable"), "{fault:?}");
        assert_eq!(said(&place, "code"), None);
        assert_eq!(provider.asked("/elsewhere"), 0);
    }
    let (provider, login) = with_provider(house, |_| {}).await;
    assert_eq!(sign_in(&login, &provider, "").await.0, 200);
    // What was read of it once counts on.
    house.clock.advance(Duration::from_secs(3_600));
    provider.at(base::Clock::now(&*house.clock).seconds());
    provider.does(Some(Fault::Broken));
    assert_eq!(send(&login, ("GET", &format!("/authorize{}", way_in(""))), "", Value::Null).await.0, 303);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer() {
    let house = House::embedded(settings()).await;
    let (provider, login) = with_provider(&house, |_| {}).await;
    provider.does(Some(Fault::Silent));
    let way = format!("/authorize{}", way_in(""));
    let impatient = {
        let (login, way) = (login.clone(), way.clone());
        tokio::spawn(async move { send(&login, ("GET", &way), "", Value::Null).await.0 })
    };
    while provider.asked("/.well-known/openid-configuration") == 0 {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    let ask = || send(&login, ("GET", &way), "", Value::Null);
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert_eq!((first.0, second.0, third.0), (503, 503, 503));
    assert_eq!(provider.asked("/.well-known/openid-configuration"), 1, "one waits for all, though who asked has gone");
}

on_both!(what_cannot_be_asked_for, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let long = "x".repeat(1_100);
    let many = (0..21).map(|number| format!("&p{number}=1")).collect::<String>();
    for (query, why) in [
        ("?provider=mock".to_owned(), "PKCE"),
        ("?provider=mock&code_challenge=short&code_challenge_method=s256".to_owned(), "code challenge"),
        (way_in("").replace("s256", "md5"), "code_challenge method"),
        (way_in("").replace("mock", "google"), "Unsupported provider"),
        (way_in("").replace("mock", ""), "Unsupported provider"),
        (way_in("&scopes=a%22b"), "scopes"),
        (way_in("&state=mine"), "state is set by this server"),
        (way_in("&redirect_uri=https://evil.example"), "redirect_uri is set by this server"),
        (way_in("&CLIENT_ID=x"), "set by this server"),
        (way_in("&response_type=token"), "response_type is set by this server"),
        (way_in(&format!("&x={long}")), "passed on"),
        (way_in(&many), "passed on"),
    ] {
        let (status, body, _) = send(&login, ("GET", &format!("/authorize{query}")), "", Value::Null).await;
        assert_eq!((status, text(&body, "code")), (400, "validation_failed"), "{query}");
        assert!(text(&body, "message").contains(why), "{body}");
    }
    let stranger = way_in("").replace("http://localhost:3000/welcome", "https://evil.example/");
    let (_, _, headers) = send(&login, ("GET", &format!("/authorize{stranger}")), "", Value::Null).await;
    let callback = provider.visit(headers["location"].to_str().unwrap());
    let place = back(&login, callback.strip_prefix("http://127.0.0.1:8000/auth/v1").unwrap()).await;
    assert_eq!((place.host_str(), place.port()), (Some("localhost"), Some(3000)));
    let twice = format!("{}&code=another", away(&login, &provider, "").await);
    assert_eq!(said(&back(&login, &twice).await, "error_code").as_deref(), Some("bad_oauth_callback"));
    let (_, settings, _) = send(&login, ("GET", "/settings"), "", Value::Null).await;
    assert_eq!((&settings["external"]["mock"], &settings["external"]["google"]), (&json!(true), &json!(false)));
});

on_both!(many_at_once_make_one_account, settings(), |house| {
    let (provider, login) = with_provider(house, |_| {}).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(said(&back(&login, &away(&login, &provider, "").await).await, "code").unwrap());
    }
    let all: Vec<_> = codes
        .into_iter()
        .flat_map(|code| [code.clone(), code])
        .map(|code| {
            let login = login.clone();
            tokio::spawn(async move { exchange(&login, &code, VERIFIER).await })
        })
        .collect();
    let mut users = std::collections::BTreeMap::new();
    for one in all {
        let (status, body) = one.await.unwrap();
        let who = if status == 200 { text(&body["user"], "id").to_owned() } else { text(&body, "code").to_owned() };
        *users.entry(who).or_insert(0) += 1;
    }
    let refused = users.remove("flow_state_not_found");
    let busy = users.remove("conflict").unwrap_or(0);
    assert_eq!(refused.unwrap_or(0) + busy + users.values().sum::<i32>(), 16, "{users:?}");
    assert_eq!(users.len(), 1, "one account: {users:?}");
    assert!(users.values().all(|count| *count <= 8), "each code once: {users:?}");
});
