//! Signing in with another provider, in the binary: the settings, and what stands in the log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use serde_json::{Value, json};
use testkit::{CLIENT_ID, CLIENT_SECRET, Fault, Launch, Project, Provider, Request, Server};

const SCHEMA: &str = "create table t (id int primary key);";
const VERIFIER: &str = "what who began keeps for himself, until it ends";

/// The challenge of that: base64url of its SHA-256.
const CHALLENGE: &str = "rKYKX3LAH9wTAD5OnzUhHEt6TPqDYRIqIzXQ3udLods";

fn start() -> (Provider, Project, Server) {
    let provider = Provider::start();
    provider.knows("mina", &json!({"sub": "7", "email": "mina@example.com", "email_verified": true}));
    let table = format!(
        "[auth.login.providers.mock-1]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n[auth.login]\n\
         external_url = \"https://api.example.com/auth/v1\"\n[log]\nlevel = \"debug\"\n",
        provider.issuer()
    );
    let project = Project::of(&table, SCHEMA);
    let secret = "PANDO_AUTH_LOGIN_PROVIDERS_MOCK_1_CLIENT_SECRET";
    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).variable(secret, CLIENT_SECRET).start(&project);
    (provider, project, server)
}

fn led(server: &Server, path: &str) -> String {
    let answer = server.client().send(&Request::new("GET", path));
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// To the provider and back: what its callback says, and where that leads.
fn there_and_back(server: &Server, provider: &Provider) -> (String, String) {
    let way = format!("/auth/v1/authorize?provider=mock-1&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let callback = provider.visit(&led(server, &way));
    let callback = callback.strip_prefix("https://api.example.com").unwrap().to_owned();
    let place = led(server, &callback);
    (callback, place)
}

#[test]
fn nothing_of_a_sign_in_elsewhere_is_in_the_log() {
    let (provider, _project, server) = start();
    let (callback, place) = there_and_back(&server, &provider);
    let code = place.split_once("?code=").unwrap().1;
    let body = json!({"auth_code": code, "code_verifier": VERIFIER});
    let answer = server.client().send(&Request::json("POST", "/auth/v1/token?grant_type=pkce", &body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let session: Value = answer.json();
    provider.does(Some(Fault::Refuses));
    let (_, place) = there_and_back(&server, &provider);
    assert!(place.contains("error_code=bad_oauth_callback"), "{place}");
    let line = server.wait_for("provider-failed");
    assert_eq!(line["pando.login.provider"], "mock-1");
    let metrics = server.admin("/metrics").text();
    for sample in [
        "pando_sign_ins_total{action=\"callback\",outcome=\"done\"} 1",
        "pando_sign_ins_total{action=\"callback\",outcome=\"bad_oauth_callback\"} 1",
        "pando_sign_ins_total{action=\"pkce\",outcome=\"done\"} 1",
    ] {
        assert!(metrics.contains(sample), "{sample}");
    }
    let log = server.log();
    let state = callback.split_once("state=").unwrap().1.split('&').next().unwrap();
    let token = |name: &str| session[name].as_str().unwrap();
    let secrets =
        [CLIENT_SECRET, VERIFIER, code, state, "mina@", "code-1", token("access_token"), token("provider_token")];
    for secret in secrets {
        assert!(!log.contains(secret), "the log has {secret}");
    }
    let open = server.get("/auth/v1/settings").json();
    assert_eq!((&open["external"]["mock-1"], &open["external"]["google"]), (&json!(true), &json!(false)));
}
