//! `pando token`

use std::io::Write;

use base::{Clock, SystemClock};
use serde_json::{Map, Value};

use crate::cli::{Lifetime, Token};
use crate::configuration::{ConfigError, Prepared, Sources, load};
use crate::outcome::CommandError;

/// Prints a signed token.
pub fn run(token: &Token, sources: &Sources, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let identity = Prepared::new(&loaded, None)?.identity;
    let Some(secret) = &identity.secret else {
        return Err(ConfigError::one(
            "auth.jwt_secret",
            "is not set, so there is nothing to sign with; `openssl rand -base64 48` makes a good one",
        )
        .into());
    };
    let mut claims = claims(token, &identity.role_claim, SystemClock.now().seconds())?;
    for (name, value) in [("aud", &identity.audience), ("iss", &identity.issuer)] {
        if let Some(value) = value {
            claims.entry(name).or_insert_with(|| Value::from(value.as_str()));
        }
    }
    let minted = identity::mint(secret, identity.secret_is_base64, &claims)
        .map_err(|error| ConfigError::one("auth.jwt_secret", error.to_string()))?;
    writeln!(out, "{minted}")?;
    Ok(())
}

/// The claims that were asked for, at `now` in seconds since 1970.
fn claims(token: &Token, role_claim: &str, now: i64) -> Result<Map<String, Value>, ConfigError> {
    let mut claims = Map::new();
    put_role(&mut claims, role_claim, &token.role)?;
    if let Some(subject) = &token.sub {
        claims.insert("sub".to_owned(), Value::from(subject.as_str()));
    }
    claims.insert("iat".to_owned(), Value::from(now));
    if let Lifetime::Seconds(seconds) = token.expires {
        claims.insert("exp".to_owned(), Value::from(now.saturating_add(i64::from(seconds))));
    }
    for (name, text) in &token.claims {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()));
        claims.insert(name.clone(), value);
    }
    Ok(claims)
}

/// Puts the role where the configured path looks for it.
fn put_role(claims: &mut Map<String, Value>, path: &str, role: &str) -> Result<(), ConfigError> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.contains(['[', '"']) {
        return Err(ConfigError::one(
            "auth.role_claim",
            format!("{path:?} is no plain path of names, so `pando token` cannot put the role there"),
        ));
    }
    let mut names: Vec<&str> = path.split('.').collect();
    let last = names.pop().unwrap_or("role");
    let mut object = claims;
    for name in names {
        let inner = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else {
            return Ok(());
        };
        object = inner;
    }
    object.insert(last.to_owned(), Value::from(role));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(expires: Lifetime, claims: &[(&str, &str)]) -> Token {
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Token { role: "member".to_owned(), sub: Some("u1".to_owned()), claims: claims.collect(), expires }
    }

    #[test]
    fn claims_as_asked() {
        let made = claims(&token(Lifetime::Seconds(60), &[("n", "7"), ("t", "a b"), ("l", "[1]")]), "role", 1000);
        let expected = json!({"role": "member", "sub": "u1", "iat": 1000, "exp": 1060, "n": 7, "t": "a b", "l": [1]});
        assert_eq!(Value::Object(made.unwrap()), expected);
        let made = claims(&token(Lifetime::Forever, &[]), ".app.roles", 0).unwrap();
        assert_eq!(Value::Object(made), json!({"app": {"roles": "member"}, "sub": "u1", "iat": 0}));
        assert!(claims(&token(Lifetime::Forever, &[]), ".app.roles[0]", 0).is_err());
    }
}
