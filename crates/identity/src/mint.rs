use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Map, Value};

use crate::IdentityError;
use crate::key::secret_bytes;

/// Signs claims with HS256, for development: `pando token` and tests.
///
/// Fails when the secret is not a plain HS256 secret of at least 32 bytes.
pub fn mint(secret: &Secret, secret_is_base64: bool, claims: &Map<String, Value>) -> Result<String, IdentityError> {
    let bytes = secret_bytes(secret, secret_is_base64)?;
    let payload = serde_json::to_vec(claims).map_err(IdentityError::Claims)?;
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
