//! Keys, algorithms, times and the attacks on them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod support;

use std::sync::Arc;

use base::{Kind, Secret};
use identity::{IdentityConfig, IdentityError, Verifier, mint};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use support::{NOW, SECRET, StillClock, bearer, encode, hs256, object, signed};

const CLAIMS: &str = r#"{"role":"member","sub":"u1"}"#;

struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Keys {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: RsaKeyPair::from_pkcs8(include_bytes!("data/rsa-2048.pk8")).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
        }
    }

    fn rsa_jwk(&self) -> Value {
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let (n, e) = (public.n, public.e);
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(n), "e": encode(e)})
    }

    fn set(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            self.rsa_jwk(),
            {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "key_ops": ["verify"], "x": encode(self.ed.public_key())},
            {"kty": "EC", "crv": "P-384", "kid": "other", "x": "AA", "y": "AA"},
        ]})
    }

    fn rs256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    fn es256(&self, message: &[u8]) -> Vec<u8> {
        self.ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn eddsa(&self, message: &[u8]) -> Vec<u8> {
        self.ed.sign(message).as_ref().to_vec()
    }
}

fn with_secret(secret: &str) -> IdentityConfig {
    IdentityConfig {
        secret: Some(Secret::new(secret)),
        anonymous_role: Some(Arc::from("anon")),
        ..IdentityConfig::default()
    }
}

fn open(config: IdentityConfig) -> Verifier {
    Verifier::open(config, StillClock::at(NOW)).unwrap()
}

async fn role(verifier: &Verifier, token: &str) -> Result<String, String> {
    match verifier.identify(&bearer(token)).await {
        Ok(caller) => Ok(caller.role.to_string()),
        Err(failure) => {
            assert_eq!(failure.kind, Kind::Unauthenticated);
            Err(format!("{} {}", failure.code, failure.message))
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn every_algorithm_with_its_own_key_only() {
    let keys = Keys::new();
    let verifier = open(with_secret(&keys.set().to_string()));
    let good = [
        signed(r#"{"alg":"RS256","kid":"rsa"}"#, CLAIMS, |m| keys.rs256(m)),
        signed(r#"{"alg":"ES256","kid":"ec"}"#, CLAIMS, |m| keys.es256(m)),
        signed(r#"{"alg":"EdDSA","kid":"ed"}"#, CLAIMS, |m| keys.eddsa(m)),
        signed(r#"{"alg":"RS256"}"#, CLAIMS, |m| keys.rs256(m)),
        signed(r#"{"alg":"ES256"}"#, CLAIMS, |m| keys.es256(m)),
        signed(r#"{"alg":"EdDSA"}"#, CLAIMS, |m| keys.eddsa(m)),
    ];
    for token in &good {
        assert_eq!(role(&verifier, token).await, Ok("member".to_owned()));
        assert_eq!(role(&verifier, token).await, Ok("member".to_owned()), "a second time, remembered");
    }
    let public = keys.rsa_jwk();
    let modulus = public["n"].as_str().unwrap();
    let bad = [
        ("another key's id", signed(r#"{"alg":"ES256","kid":"rsa"}"#, CLAIMS, |m| keys.es256(m))),
        ("another algorithm", signed(r#"{"alg":"RS256","kid":"ec"}"#, CLAIMS, |m| keys.es256(m))),
        ("an unknown id", signed(r#"{"alg":"ES256","kid":"../../dev/null"}"#, CLAIMS, |m| keys.es256(m))),
        ("an id that is no text", signed(r#"{"alg":"ES256","kid":["ec"]}"#, CLAIMS, |m| keys.es256(m))),
        (
            "the public key as a shared secret",
            signed(r#"{"alg":"HS256","kid":"rsa"}"#, CLAIMS, hs256(modulus.as_bytes())),
        ),
        ("the set as a shared secret", signed(r#"{"alg":"HS256"}"#, CLAIMS, hs256(keys.set().to_string().as_bytes()))),
        ("no signature", signed(r#"{"alg":"none"}"#, CLAIMS, |_| Vec::new())),
        ("no signature, other case", signed(r#"{"alg":"nOnE"}"#, CLAIMS, |_| Vec::new())),
        ("an empty signature", signed(r#"{"alg":"RS256"}"#, CLAIMS, |_| Vec::new())),
        ("critical extensions", signed(r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, CLAIMS, |m| keys.es256(m))),
        ("a repeated alg", signed(r#"{"alg":"ES256","alg":"ES256"}"#, CLAIMS, |m| keys.es256(m))),
        ("repeated claims", signed(r#"{"alg":"ES256"}"#, r#"{"role":"a","role":"b"}"#, |m| keys.es256(m))),
        ("no alg", signed(r#"{"kid":"ec"}"#, CLAIMS, |m| keys.es256(m))),
        ("padding", format!("{}=", good[1])),
        ("too long", signed(r#"{"alg":"ES256"}"#, &format!(r#"{{"x":"{}"}}"#, "y".repeat(20_000)), |m| keys.es256(m))),
    ];
    for (what, token) in bad {
        assert!(role(&verifier, &token).await.is_err(), "{what}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn keys_inside_the_token_are_not_looked_at() {
    let keys = Keys::new();
    let verifier = open(with_secret(SECRET));
    let jwk = keys.rsa_jwk();
    for header in [
        json!({"alg": "RS256", "jwk": jwk}),
        json!({"alg": "RS256", "jku": "http://127.0.0.1:1/keys"}),
        json!({"alg": "RS256", "x5u": "http://127.0.0.1:1/keys"}),
    ] {
        let token = signed(&header.to_string(), CLAIMS, |m| keys.rs256(m));
        assert_eq!(role(&verifier, &token).await, Err("PGRST301 No suitable key or wrong key type".to_owned()));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn times_within_the_leeway_and_again_at_every_use() {
    let clock = StillClock::at(NOW);
    let verifier = Verifier::open(with_secret(SECRET), clock.clone()).unwrap();
    let token = |claims: Value| mint(&Secret::new(SECRET), false, &object(claims)).unwrap();
    let cases = [
        (json!({"role": "r", "exp": NOW - 30}), None),
        (json!({"role": "r", "exp": NOW - 31}), Some("PGRST303 JWT expired")),
        (json!({"role": "r", "exp": NOW as f64 + 0.5}), None),
        (json!({"role": "r", "exp": NOW as f64 - 30.5}), Some("PGRST303 JWT expired")),
        (json!({"role": "r", "exp": null}), None),
        (json!({"role": "r", "exp": -1}), Some("PGRST303 JWT expired")),
        (json!({"role": "r", "nbf": NOW + 30}), None),
        (json!({"role": "r", "nbf": NOW + 31}), Some("PGRST303 JWT not yet valid")),
        (json!({"role": "r", "iat": NOW + 30}), None),
        (json!({"role": "r", "iat": NOW + 31}), Some("PGRST303 JWT issued at future")),
        (json!({"role": "r", "iat": true}), Some("PGRST303 The JWT 'iat' claim must be a number")),
    ];
    for (claims, expected) in cases {
        let outcome = role(&verifier, &token(claims.clone())).await;
        assert_eq!(outcome.err().as_deref(), expected, "{claims}");
    }
    let short = token(json!({"role": "r", "exp": NOW + 60}));
    assert!(role(&verifier, &short).await.is_ok());
    clock.forward(90);
    assert!(role(&verifier, &short).await.is_ok());
    clock.forward(1);
    assert_eq!(role(&verifier, &short).await, Err("PGRST303 JWT expired".to_owned()));
}

#[tokio::test(flavor = "current_thread")]
async fn issuer_and_role_path() {
    let mut config = with_secret(SECRET);
    config.issuer = Some("https://issuer.test/".to_owned());
    config.role_claim = ".app.roles[0]".to_owned();
    let verifier = open(config);
    let token = |claims: Value| mint(&Secret::new(SECRET), false, &object(claims)).unwrap();
    let good = token(json!({"iss": "https://issuer.test/", "app": {"roles": ["editor"]}, "role": "ignored"}));
    assert_eq!(role(&verifier, &good).await, Ok("editor".to_owned()));
    for claims in [json!({"iss": "https://issuer.test"}), json!({}), json!({"iss": ["https://issuer.test/"]})] {
        let outcome = role(&verifier, &token(claims)).await;
        assert_eq!(outcome, Err("PGRST303 JWT not from the configured issuer".to_owned()));
    }
}

#[test]
fn weak_and_unreadable_keys_are_refused_at_start() {
    let keys = Keys::new();
    let rsa = keys.rsa_jwk();
    let cases = [
        ("short", "the JWT secret has 5 bytes; HS256 needs at least 32"),
        (r#"{"keys":[]}"#, "no key that can verify tokens"),
        (r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#, "has 5 bytes; HS256 needs at least 32"),
        (r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, "RSA key of 17 bits"),
        (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#, "no key that can verify tokens"),
        (r#"{"keys":7}"#, "not a list"),
        (r#"{"keys":[],"keys":[]}"#, "given twice"),
        ("{", "not a JWK set"),
        (&json!({"keys": [rsa, rsa]}).to_string(), "repeats the id"),
        (&json!({"keys": [rsa, {"kty": "oct", "k": encode([7; 32])}]}).to_string(), "mixes shared secrets"),
    ];
    for (secret, expected) in cases {
        let error = Verifier::open(with_secret(secret), StillClock::at(NOW)).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut config = with_secret(SECRET);
    config.jwks_url = Some("http://127.0.0.1:1/".to_owned());
    assert!(matches!(Verifier::open(config, StillClock::at(NOW)), Err(IdentityError::NoRuntime)));
    let mut config = with_secret(SECRET);
    config.jwks_file = Some("/nowhere/keys.json".into());
    assert!(matches!(Verifier::open(config, StillClock::at(NOW)), Err(IdentityError::KeyFile { .. })));
}

#[tokio::test(flavor = "current_thread")]
async fn base64_secrets() {
    // Bytes whose base64 differs between the alphabets, with and without padding.
    let bytes = [0xfb; 34];
    let url = encode(bytes);
    for secret in [url.clone(), url.replace('-', "+").replace('_', "/") + "==", url.clone() + ".."] {
        let config = IdentityConfig { secret_is_base64: true, ..with_secret(&secret) };
        let verifier = open(config);
        let token = signed(r#"{"alg":"HS256"}"#, CLAIMS, hs256(&bytes));
        assert!(role(&verifier, &token).await.is_ok(), "{secret}");
        let minted = mint(&Secret::new(secret), true, &object(json!({"role": "x"}))).unwrap();
        assert_eq!(role(&verifier, &minted).await, Ok("x".to_owned()));
    }
    let config = IdentityConfig { secret_is_base64: true, ..with_secret("not base64!") };
    assert!(matches!(Verifier::open(config, StillClock::at(NOW)), Err(IdentityError::SecretNotBase64)));
}

#[tokio::test(flavor = "current_thread")]
async fn a_reread_file_replaces_the_keys() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({"keys": [keys.rsa_jwk()]}).to_string()).unwrap();
    let config = IdentityConfig { jwks_file: Some(path.clone()), ..IdentityConfig::default() };
    let verifier = open(config.clone());
    let rsa = signed(r#"{"alg":"RS256"}"#, CLAIMS, |m| keys.rs256(m));
    let ec = signed(r#"{"alg":"ES256"}"#, CLAIMS, |m| keys.es256(m));
    assert!(role(&verifier, &rsa).await.is_ok());
    assert!(role(&verifier, &ec).await.is_err());

    std::fs::write(&path, "{").unwrap();
    assert!(verifier.replace(config.clone()).is_err());
    assert!(role(&verifier, &rsa).await.is_ok(), "the former keys stay");

    let mut set = keys.set();
    set["keys"].as_array_mut().unwrap().remove(0);
    std::fs::write(&path, set.to_string()).unwrap();
    verifier.replace(config).unwrap();
    assert!(role(&verifier, &rsa).await.is_err(), "a withdrawn key counts no more, remembered or not");
    assert!(role(&verifier, &ec).await.is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn another_configuration_takes_the_place_of_the_former_as_a_whole() {
    let verifier = open(with_secret(SECRET));
    let token = mint(&Secret::new(SECRET), false, &object(json!({"role": "member", "aud": "shop"}))).unwrap();
    assert_eq!(role(&verifier, &token).await, Ok("member".to_owned()));
    let narrow = |audience: &str| IdentityConfig { audience: Some(audience.to_owned()), ..with_secret(SECRET) };
    verifier.replace(narrow("desk")).unwrap();
    assert_eq!(
        role(&verifier, &token).await,
        Err("PGRST303 JWT not in audience".to_owned()),
        "though it was remembered"
    );
    verifier.replace(narrow("shop")).unwrap();
    assert_eq!(role(&verifier, &token).await, Ok("member".to_owned()));

    assert!(verifier.replace(with_secret("too short")).is_err());
    assert_eq!(role(&verifier, &token).await, Ok("member".to_owned()), "what is not usable changes nothing");
    assert!(verifier.allows_anonymous());

    let other = "another-secret-of-more-than-thirty-two-bytes";
    verifier.replace(IdentityConfig { anonymous_role: None, ..with_secret(other) }).unwrap();
    assert!(role(&verifier, &token).await.is_err(), "the former secret counts no more");
    assert!(!verifier.allows_anonymous() && verifier.identify(&http::HeaderMap::new()).await.is_err());
    let token = mint(&Secret::new(other), false, &object(json!({"role": "member"}))).unwrap();
    assert_eq!(role(&verifier, &token).await, Ok("member".to_owned()));
}
