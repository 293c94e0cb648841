use base::{Failure, Kind};
use serde_json::{Map, Value};

/// The moments of a token, in seconds since 1970 (RFC 7519 NumericDate: fractions are allowed).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Times {
    expires: Option<f64>,
    not_before: Option<f64>,
    issued: Option<f64>,
}

impl Times {
    /// Reads `exp`, `nbf` and `iat`; null counts as absent, as in PostgREST.
    ///
    /// A fraction is honoured; PostgREST takes such an `exp` as expired.
    pub(crate) fn read(claims: &Map<String, Value>) -> Result<Self, Failure> {
        Ok(Self { expires: moment(claims, "exp")?, not_before: moment(claims, "nbf")?, issued: moment(claims, "iat")? })
    }

    /// Whether the token counts at `now` (seconds since 1970) when clocks may differ by `leeway` seconds.
    pub(crate) fn check(&self, now: i64, leeway: u32) -> Result<(), Failure> {
        // A double holds every second exactly for the next 285 million years.
        let (now, leeway) = (now as f64, f64::from(leeway));
        if self.expires.is_some_and(|expires| expires < now - leeway) {
            return Err(refused("JWT expired"));
        }
        if self.not_before.is_some_and(|start| start > now + leeway) {
            return Err(refused("JWT not yet valid"));
        }
        if self.issued.is_some_and(|issued| issued > now + leeway) {
            return Err(refused("JWT issued at future"));
        }
        Ok(())
    }
}

fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Failure> {
    let value = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    match value.as_f64().filter(|seconds| seconds.is_finite()) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(refused(format!("The JWT '{name}' claim must be a number"))),
    }
}

/// Checks `aud`: a string or a list of strings. Absent, null and an empty list pass, as in PostgREST; anything
/// else has to name the configured audience, if there is one.
pub(crate) fn check_audience(claims: &Map<String, Value>, configured: Option<&str>) -> Result<(), Failure> {
    let named: Vec<Option<&str>> = match claims.get("aud") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(one)) => vec![Some(one)],
        Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
        Some(_) => vec![None],
    };
    if named.contains(&None) {
        return Err(refused("The JWT 'aud' claim must be a string or an array of strings"));
    }
    match configured {
        Some(configured) if !named.is_empty() && !named.contains(&Some(configured)) => {
            Err(refused("JWT not in audience"))
        }
        _ => Ok(()),
    }
}

/// Checks `iss`. PostgREST has no such check; where an issuer is configured a token has to name it.
pub(crate) fn check_issuer(claims: &Map<String, Value>, configured: Option<&str>) -> Result<(), Failure> {
    match (configured, claims.get("iss")) {
        (None, _) => Ok(()),
        (Some(configured), Some(Value::String(issuer))) if issuer == configured => Ok(()),
        _ => Err(refused("JWT not from the configured issuer")),
    }
}

/// A token whose signature holds but whose claims do not pass (`PGRST303`).
pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Unauthenticated, "PGRST303", message)
}
