//! Access tokens: what they say of who has signed in, in GoTrue's words.

use base::Timestamp;
use serde_json::{Map, Value, json};

use crate::Settings;
use crate::error::{Outcome, Refusal};
use crate::keys::later;
use crate::records::sessions::Session;
use crate::records::users::User;
use crate::settings::{AUTHENTICATED, MOST_METADATA_BYTES};

/// When an access token that is made at `now` expires: after its time, and not after its session.
pub(crate) fn expiry(session: &Session, settings: &Settings, now: Timestamp) -> Timestamp {
    let usual = later(now, settings.access_token);
    session.standing.not_after.map_or(usual, |end| usual.min(end))
}

/// The claims of an access token that is made at `now` and `expires`.
pub(crate) fn claims(
    user: &User,
    session: &Session,
    settings: &Settings,
    (now, expires): (Timestamp, Timestamp),
) -> Map<String, Value> {
    let methods: Vec<Value> = session
        .methods
        .iter()
        .map(|(method, moment)| json!({"method": method, "timestamp": moment.seconds()}))
        .collect();
    // Nobody's rights hang on what people say of themselves; what operators say of them stands in each token.
    let user_metadata = if fits(user) { user.user_metadata.value() } else { json!({}) };
    let claims = json!({
        "iss": settings.issuer,
        "sub": user.id,
        "aud": settings.audience,
        "exp": expires.seconds(),
        "iat": now.seconds(),
        "email": user.email.as_deref().unwrap_or_default(),
        "phone": user.phone.as_deref().unwrap_or_default(),
        "app_metadata": user.app_metadata.value(),
        "user_metadata": user_metadata,
        "role": user.role.as_deref().filter(|role| !role.is_empty()).unwrap_or(AUTHENTICATED),
        "aal": session.aal,
        "amr": methods,
        "session_id": session.id,
        "is_anonymous": user.is_anonymous,
    });
    if let Value::Object(claims) = claims { claims } else { Map::new() }
}

/// Whether all of an account's metadata stand in its tokens. SQL of the operator may have made them larger than the login does.
pub(crate) fn fits(user: &User) -> bool {
    user.app_metadata.text().len() + user.user_metadata.text().len() <= MOST_METADATA_BYTES
}

/// Refuses an account that no token can be made for.
pub(crate) fn check_token(user: &User) -> Outcome<()> {
    if user.app_metadata.text().len() > MOST_METADATA_BYTES {
        return Err(Refusal::unprocessable(
            "validation_failed",
            format!(
                "The app_metadata of the account have more than {MOST_METADATA_BYTES} bytes, and every token carries them"
            ),
        ));
    }
    Ok(())
}

/// Whether an account's metadata still fit into a token.
pub(crate) fn check_metadata(user: &User) -> Outcome<()> {
    if !fits(user) {
        return Err(Refusal::unprocessable(
            "validation_failed",
            format!("The metadata of an account may have {MOST_METADATA_BYTES} bytes, since every token carries them"),
        ));
    }
    Ok(())
}
