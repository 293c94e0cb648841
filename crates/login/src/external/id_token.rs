//! What an ID token has to say (OpenID Connect Core 1.0 section 3.1.3.7), once its signature holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use crate::one_time::hex;
use crate::refresh::same;

/// How far the clocks of a provider and of this machine may differ, in seconds.
pub(crate) const LEEWAY: f64 = 30.0;

/// The most bytes of a subject (OpenID Connect Core 1.0 section 2).
const MOST_SUBJECT_BYTES: usize = 255;

/// What a token is compared with.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    /// Whom it may be meant for. Who asked for it is the first.
    pub(crate) audiences: Vec<&'a str>,
    pub(crate) nonce: Nonce<'a>,
    /// Whether one that is named on one side only is a reason to refuse. Two that differ are in any case.
    pub(crate) needs_nonce: bool,
    /// The access token that came with it.
    pub(crate) access_token: Option<&'a str>,
    /// The moment, in seconds since 1970.
    pub(crate) now: i64,
}

/// The nonce that a token has to name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nonce<'a> {
    /// This one.
    Exactly(&'a str),
    /// This one, where the token or the client names one at all.
    Brought(Option<&'a str>),
}

/// The nonce that a client gives to a provider, of the one that it keeps for itself.
pub(crate) fn hashed(nonce: &str) -> String {
    hex(&Sha256::digest(nonce.as_bytes()))
}

/// Refuses a token that says something else than is expected of it; gives its subject.
pub(crate) fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<String, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err("it is from another issuer (iss)");
    }
    check_audience(claims, expected)?;
    check_times(claims, expected.now)?;
    let is_right = match (expected.nonce, claims.get("nonce")) {
        (Nonce::Brought(None), None) => true,
        (Nonce::Exactly(nonce) | Nonce::Brought(Some(nonce)), Some(Value::String(named))) => {
            same(nonce.as_bytes(), named.as_bytes())
        }
        (_, None) | (Nonce::Brought(None), _) => !expected.needs_nonce,
        _ => false,
    };
    if !is_right {
        return Err("it is not for this sign-in (nonce)");
    }
    if let (Some(token), Some(hash)) = (expected.access_token, claims.get("at_hash")) {
        let is_right = hash.as_str().is_some_and(|hash| is_hash_of(hash, token));
        if !is_right {
            return Err("the access token beside it is another (at_hash)");
        }
    }
    let subject = text("sub").filter(|sub| (1..=MOST_SUBJECT_BYTES).contains(&sub.len()) && !sub.contains('\0'));
    subject.map(str::to_owned).ok_or("it says of nobody (sub)")
}

fn check_audience(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), &'static str> {
    let named: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().map(|one| one.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    if named.is_empty() || !named.iter().all(|one| expected.audiences.contains(one)) {
        return Err("it is meant for others (aud)");
    }
    match claims.get("azp") {
        None if named.len() == 1 => Ok(()),
        Some(Value::String(party)) if expected.audiences.contains(&party.as_str()) => Ok(()),
        _ => Err("it was given to others (azp)"),
    }
}

fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), &'static str> {
    // A double holds every second exactly for the next 285 million years.
    let now = now as f64;
    let moment = |name: &str| claims.get(name).map(|value| value.as_f64().filter(|seconds| seconds.is_finite()));
    match moment("exp") {
        Some(Some(end)) if end + LEEWAY > now => {}
        _ => return Err("it has expired (exp)"),
    }
    match moment("iat") {
        Some(Some(issued)) if issued - LEEWAY <= now => {}
        _ => return Err("it is from the future (iat)"),
    }
    match moment("nbf") {
        None => Ok(()),
        Some(Some(start)) if start - LEEWAY <= now => Ok(()),
        Some(_) => Err("it does not count yet (nbf)"),
    }
}

/// Whether a hash is the left half of that of a token, with the hash function of the signature: SHA-256 for RS256 and ES256,
/// SHA-512 for Ed25519. Which one it was is told by the length, and the hash itself is signed.
fn is_hash_of(hash: &str, token: &str) -> bool {
    let Ok(hash) = URL_SAFE_NO_PAD.decode(hash) else { return false };
    let (short, long) = (Sha256::digest(token.as_bytes()), Sha512::digest(token.as_bytes()));
    let half = |whole: &[u8]| whole.get(..whole.len() / 2).is_some_and(|half| same(half, &hash));
    half(&short) || half(&long)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(changes: &Value) -> Result<String, &'static str> {
        checked(changes, Nonce::Exactly("n"), true)
    }

    fn checked(changes: &Value, nonce: Nonce<'_>, needs_nonce: bool) -> Result<String, &'static str> {
        let mut claims =
            json!({"iss": "https://idp.example", "sub": "7", "aud": "us", "exp": 1_300, "iat": 1_000, "nonce": "n"});
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
            if value.is_null() {
                members.remove(name);
            }
        }
        let audiences = vec!["us", "us-on-ios"];
        let access_token = Some("token");
        let issuer = "https://idp.example";
        check(members, &Expected { issuer, audiences, nonce, needs_nonce, access_token, now: 1_000 })
    }

    #[test]
    fn what_an_id_token_has_to_say() {
        let half = |digest: &[u8]| URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2]);
        for right in [
            json!({}),
            json!({"aud": ["us"]}),
            json!({"aud": "us-on-ios"}),
            json!({"aud": ["us", "us-on-ios"], "azp": "us"}),
            json!({"azp": "us-on-ios"}),
            json!({"exp": 971}),
            json!({"iat": 1_029.5, "nbf": 1_000}),
            json!({"at_hash": half(&Sha256::digest("token"))}),
            json!({"at_hash": half(&Sha512::digest("token"))}),
        ] {
            assert_eq!(changed(&right), Ok("7".to_owned()), "{right}");
        }
        for (wrong, why) in [
            (json!({"iss": null}), "iss"),
            (json!({"iss": "https://idp.example/"}), "iss"),
            (json!({"iss": "https://other.example"}), "iss"),
            (json!({"aud": null}), "aud"),
            (json!({"aud": []}), "aud"),
            (json!({"aud": "them"}), "aud"),
            (json!({"aud": ["us", "them"], "azp": "us"}), "aud"),
            (json!({"aud": ["us", 7]}), "aud"),
            (json!({"aud": ["us", "us-on-ios"]}), "azp"),
            (json!({"azp": "them"}), "azp"),
            (json!({"azp": 7}), "azp"),
            (json!({"exp": null}), "exp"),
            (json!({"exp": "1300"}), "exp"),
            (json!({"exp": 970}), "exp"),
            (json!({"iat": null}), "iat"),
            (json!({"iat": 1_031}), "iat"),
            (json!({"nbf": 1_031}), "nbf"),
            (json!({"nbf": "x"}), "nbf"),
            (json!({"nonce": null}), "nonce"),
            (json!({"nonce": "m"}), "nonce"),
            (json!({"nonce": ["n"]}), "nonce"),
            (json!({"at_hash": "x"}), "at_hash"),
            (json!({"at_hash": ""}), "at_hash"),
            (json!({"at_hash": half(&Sha256::digest("other"))}), "at_hash"),
            (json!({"sub": null}), "sub"),
            (json!({"sub": ""}), "sub"),
            (json!({"sub": 7}), "sub"),
            (json!({"sub": "a\0"}), "sub"),
            (json!({"sub": "7".repeat(256)}), "sub"),
        ] {
            let told = changed(&wrong).unwrap_err();
            assert!(told.contains(&format!("({why})")), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_nonce_is_named_by_both_or_by_none() {
        assert!(checked(&json!({"nonce": null}), Nonce::Brought(None), true).is_ok());
        assert!(checked(&json!({}), Nonce::Brought(Some("n")), true).is_ok());
        assert!(checked(&json!({}), Nonce::Brought(None), true).is_err());
        assert!(checked(&json!({"nonce": null}), Nonce::Brought(Some("n")), true).is_err());
        assert_eq!(hashed("n").len(), 64);
    }

    #[test]
    fn where_it_may_be_left_out_another_is_refused_still() {
        for nonce in [Nonce::Exactly("n"), Nonce::Brought(Some("n"))] {
            assert!(checked(&json!({"nonce": null}), nonce, false).is_ok());
            assert!(checked(&json!({}), nonce, false).is_ok());
            for other in [json!("m"), json!(""), json!(7)] {
                assert!(checked(&json!({"nonce": other}), nonce, false).is_err(), "{other}");
            }
        }
        assert!(checked(&json!({}), Nonce::Brought(None), false).is_ok());
    }
}
