use base::{Failure, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::MAX_TOKEN_BYTES;
use crate::key::{Algorithm, KeyRing};
use crate::strict_json;

/// Why a token's signature does not hold.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// No key fits the header; with fresh keys one might.
    NoSuitableKey,
    /// The answer, final.
    Refused(Failure),
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NoSuitableKey => undecodable("No suitable key or wrong key type")
                .with_details("No suitable key was found to decode the JWT"),
            TokenError::Refused(failure) => failure,
        }
    }
}

/// Verifies the signature of a compact JWS and gives its payload.
pub(crate) fn verify(token: &str, keys: &KeyRing) -> Result<Vec<u8>, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        let message = format!("The JWT is longer than {MAX_TOKEN_BYTES} bytes");
        return Err(TokenError::Refused(undecodable(message)));
    }
    let parts = token.split('.').count();
    let mut split = token.split('.');
    let (3, Some(header), Some(payload), Some(signature)) = (parts, split.next(), split.next(), split.next()) else {
        return Err(TokenError::Refused(undecodable(format!("Expected 3 parts in JWT; got {parts}"))));
    };
    let header = Header::parse(header)?;
    let signed = token.get(..token.len() - signature.len() - 1).unwrap_or_default();

    let mut suitable = keys.suitable(header.algorithm, header.key_id.as_deref()).peekable();
    if suitable.peek().is_none() {
        return Err(TokenError::NoSuitableKey);
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok();
    let signature = URL_SAFE_NO_PAD.decode(signature).ok();
    match (payload, signature) {
        (Some(payload), Some(signature)) if suitable.any(|key| key.verifies(signed.as_bytes(), &signature)) => {
            Ok(payload)
        }
        _ => Err(TokenError::Refused(
            undecodable("No suitable key or wrong key type")
                .with_details("None of the keys was able to decode the JWT"),
        )),
    }
}

/// What of a token's header counts. `jku`, `jwk`, `x5u`, `x5c` are not read: keys come from the configuration alone.
struct Header {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl Header {
    fn parse(encoded: &str) -> Result<Self, TokenError> {
        let unreadable = || TokenError::Refused(undecodable("JWT cryptographic operation failed"));
        let text = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| unreadable())?;
        let value = strict_json::parse(&text).map_err(|_| unreadable())?;
        let object = value.as_object().ok_or_else(unreadable)?;
        if object.contains_key("crit") {
            // RFC 7515 section 4.1.11: what is not understood must not be passed over. No extension is offered.
            return Err(TokenError::Refused(
                undecodable("JWT cryptographic operation failed")
                    .with_details("The JWT header asks for critical extensions (crit), which are not supported"),
            ));
        }
        let key_id = match object.get("kid") {
            None => None,
            Some(value) => Some(value.as_str().ok_or_else(unreadable)?.to_owned()),
        };
        let algorithm = match object.get("alg").and_then(|value| value.as_str()) {
            Some("none") => {
                return Err(TokenError::Refused(
                    undecodable("Wrong or unsupported encoding algorithm")
                        .with_details("JWT is unsecured but expected 'alg' was not 'none'"),
                ));
            }
            Some(name) => match Algorithm::from_name(name) {
                Some(algorithm) => algorithm,
                // Algorithms that PostgREST knows and no key here can have: it is the key that is missing.
                None if KNOWN_WITHOUT_KEYS.contains(&name) => {
                    return Err(TokenError::NoSuitableKey);
                }
                None => return Err(unreadable()),
            },
            None => return Err(unreadable()),
        };
        Ok(Self { algorithm, key_id })
    }
}

/// Algorithms of RFC 7518 that are answered with "no suitable key", as PostgREST does.
const KNOWN_WITHOUT_KEYS: [&str; 6] = ["HS384", "HS512", "RS384", "RS512", "ES384", "ES512"];

/// A token that cannot be decoded (`PGRST301`).
pub(crate) fn undecodable(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Unauthenticated, "PGRST301", message)
}
