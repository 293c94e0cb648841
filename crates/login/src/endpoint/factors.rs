//! `factors`: codes of authenticator apps as a second factor.

use std::time::Duration;

use base::Timestamp;
use http::Method;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::error::{Outcome, Refusal};
use crate::gate::AttemptKind;
use crate::incoming::Incoming;
use crate::keys::{earlier, later};
use crate::outgoing::Reply;
use crate::records::factors::{Factor, delete_unverified};
use crate::records::sessions::{self, Scope, Session};
use crate::records::users::User;
use crate::room::{Inner, unknown};
use crate::session::Who;
use crate::settings::{CHALLENGE, MOST_FACTORS};
use crate::{access, chance, totp};

/// How long a factor may wait for its first code.
const UNVERIFIED: Duration = Duration::from_secs(300);

/// What an encrypted secret begins with; those of GoTrue are plain.
const SEALED: &str = "sealed:";

/// The most characters of a factor's name or issuer.
const MOST_NAME: usize = 100;

impl Inner {
    /// `factors`
    pub(crate) async fn factors(&self, incoming: &Incoming) -> Outcome<Reply> {
        let Who { user, session } = self.who(incoming).await?;
        let Some(session) = session else {
            return Err(Refusal::forbidden("session_not_found", "A session is required for second factors"));
        };
        if user.is_anonymous {
            return Err(Refusal::forbidden("no_authorization", "Anonymous user not allowed to perform these actions"));
        }
        let parts: Vec<&str> = incoming.path.iter().skip(1).map(String::as_str).collect();
        match (&incoming.method, parts.as_slice()) {
            (&Method::POST, []) => self.enroll(incoming, &user, &session).await,
            (&Method::DELETE, [id]) => self.unenroll(&user, &session, id).await,
            (&Method::POST, [id, "challenge"]) => self.challenge(incoming, factor_of(&user, id)?).await,
            (&Method::POST, [id, "verify"]) => self.verify_factor(incoming, &user, session, id).await,
            _ => Err(unknown(incoming)),
        }
    }

    async fn enroll(&self, incoming: &Incoming, user: &User, session: &Session) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        match fields.text("factor_type")? {
            Some("totp") => {}
            Some("phone") => {
                return Err(Refusal::disabled("mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone"));
            }
            Some("webauthn") => {
                return Err(Refusal::disabled(
                    "mfa_webauthn_enroll_not_enabled",
                    "MFA enroll is disabled for WebAuthn",
                ));
            }
            _ => return Err(Refusal::invalid("factor_type needs to be totp, phone, or webauthn")),
        }
        let name = fields.text("friendly_name")?.unwrap_or_default();
        let issuer = fields.text("issuer")?.or(self.settings.site_url.host_str()).unwrap_or("Pando");
        if name.chars().count() > MOST_NAME || issuer.chars().count() > MOST_NAME {
            return Err(Refusal::invalid(format!("friendly_name and issuer may have {MOST_NAME} characters")));
        }
        let now = self.now();
        check_room(user, session, name)?;
        let secret: [u8; totp::SECRET_BYTES] = chance::bytes()?;
        let id = chance::uuid()?;
        let factor = Factor {
            friendly_name: Some(name.to_owned()),
            factor_type: "totp".to_owned(),
            is_verified: false,
            secret: Some(format!("{SEALED}{}", self.secrets.factors.seal(&id, &secret)?)),
            created_at: now,
            updated_at: now,
            last_challenged_at: None,
            id,
        };
        // The account is held, so that those who enroll at once count one another's.
        let mut steps = vec![user.hold()];
        steps.extend(factor.enroll(&user.id, earlier(now, UNVERIFIED)));
        self.records.write(steps).await?;
        let text = totp::base32(&secret);
        let uri = uri(issuer, user.email.as_deref().unwrap_or(&user.id), &text)?;
        Ok(Reply::json(&json!({
            "id": factor.id,
            "type": "totp",
            "friendly_name": name,
            "totp": {"qr_code": picture(&uri)?, "secret": text, "uri": uri},
        })))
    }

    async fn challenge(&self, incoming: &Incoming, factor: &Factor) -> Outcome<Reply> {
        require_totp(factor)?;
        incoming.enter(&*self.gate, AttemptKind::Code, None).await?;
        let (id, now) = (chance::uuid()?, self.now());
        self.records.write(factor.challenge(&id, &incoming.address.to_string(), now)).await?;
        let expires = later(now, CHALLENGE).seconds();
        Ok(Reply::json(&json!({"id": id, "type": factor.factor_type, "expires_at": expires})))
    }

    async fn verify_factor(&self, incoming: &Incoming, user: &User, mut session: Session, id: &str) -> Outcome<Reply> {
        let fields = incoming.fields()?;
        let factor = factor_of(user, id)?;
        require_totp(factor)?;
        let now = self.now();
        if !factor.is_verified {
            require_fresh(user, &session, factor, now)?;
        }
        let Some(code) = fields.text("code")? else { return Err(Refusal::invalid("Code needs to be non-empty")) };
        let challenge = fields.text("challenge_id")?.unwrap_or_default();
        let challenge = Uuid::parse_str(challenge).map_err(|_| Refusal::invalid("challenge_id must be an UUID"))?;
        incoming.enter(&*self.gate, AttemptKind::Code, Some(&factor.id)).await?;
        let challenge = challenge.to_string();
        self.check_challenge(incoming, factor, &challenge, now).await?;
        let secret = self.secret(factor)?;
        let Some(step) = totp::matching(&secret, code, now.seconds()) else {
            return Err(Refusal::unprocessable("mfa_verification_failed", "Invalid TOTP code entered"));
        };
        access::check_token(user)?;
        let mut steps = factor.used(&challenge, step, now);
        if !factor.is_verified {
            steps.push(factor.verified(now));
        }
        steps.extend(sessions::elevate(&session, &factor.id, "totp", chance::uuid()?, now));
        steps.push(delete_unverified(&user.id, &factor.id));
        // Who signed in without the factor proves it as well, or is out.
        steps.extend(sessions::end(&user.id, Scope::Weaker(&session.id), now, self.expiry(now)));
        let answers = self.records.write(steps).await?;
        self.forget(answers.last())?;
        self.gate.succeeded(&incoming.attempt(AttemptKind::Code, Some(&factor.id))).await;
        session.aal = "aal2".to_owned();
        session.methods.retain(|(method, _)| method != "totp");
        session.methods.insert(0, ("totp".to_owned(), now));
        let user = self.records.user(&user.id).await?.ok_or_else(|| Refusal::internal("the account is gone"))?;
        Ok(Reply::json(&self.tokens(&user, &session, now)?))
    }

    async fn check_challenge(&self, incoming: &Incoming, factor: &Factor, id: &str, now: Timestamp) -> Outcome<()> {
        let found = self.records.challenge(id).await?.filter(|challenge| challenge.factor == factor.id);
        let missing =
            || Refusal::unprocessable("mfa_factor_not_found", "MFA factor with the provided challenge ID not found");
        let challenge = found.ok_or_else(missing)?;
        let address = challenge.address.split('/').next().unwrap_or_default();
        if challenge.is_used || address != incoming.address.to_string() {
            let message = "Challenge and verify IP addresses mismatch";
            return Err(Refusal::unprocessable("mfa_ip_address_mismatch", message));
        }
        if now >= later(challenge.created_at, CHALLENGE) {
            let message = "MFA challenge has expired, verify against another challenge or create a new challenge.";
            return Err(Refusal::unprocessable("mfa_challenge_expired", message));
        }
        Ok(())
    }

    /// The secret of a factor, also of one that GoTrue made.
    fn secret(&self, factor: &Factor) -> Outcome<Vec<u8>> {
        let kept = factor.secret.as_deref().unwrap_or_default();
        match kept.strip_prefix(SEALED) {
            Some(sealed) => Ok(self.secrets.factors.open(&factor.id, sealed)?),
            None => totp::from_base32(kept)
                .filter(|secret| !secret.is_empty())
                .ok_or_else(|| Refusal::internal("the secret of a factor is not readable")),
        }
    }

    async fn unenroll(&self, user: &User, session: &Session, id: &str) -> Outcome<Reply> {
        let factor = factor_of(user, id)?;
        if factor.is_verified && session.aal != "aal2" {
            return Err(Refusal::unprocessable("insufficient_aal", "AAL2 required to unenroll verified factor"));
        }
        self.records.write(factor.delete(self.now())).await?;
        Ok(Reply::json(&json!({"id": factor.id})))
    }
}

fn factor_of<'a>(user: &'a User, id: &str) -> Outcome<&'a Factor> {
    let missing = || Refusal::not_found("mfa_factor_not_found", "Factor not found");
    user.factors.iter().find(|factor| factor.id == id).ok_or_else(missing)
}

fn require_totp(factor: &Factor) -> Outcome<()> {
    match factor.factor_type.as_str() {
        "totp" => Ok(()),
        "phone" => Err(Refusal::disabled("mfa_phone_verify_not_enabled", "MFA verification is disabled for Phone")),
        _ => Err(Refusal::disabled("mfa_webauthn_verify_not_enabled", "MFA verification is disabled for WebAuthn")),
    }
}

/// A factor that was never shown counts for a while, and beside another one not for a session that has shown none.
fn require_fresh(user: &User, session: &Session, factor: &Factor, now: Timestamp) -> Outcome<()> {
    if now >= later(factor.created_at, UNVERIFIED) {
        let message = format!("The factor was not verified within {} seconds: enroll it again", UNVERIFIED.as_secs());
        return Err(Refusal::not_found("mfa_factor_not_found", message));
    }
    if user.factors.iter().any(|factor| factor.is_verified) && session.aal != "aal2" {
        return Err(Refusal::forbidden("insufficient_aal", "AAL2 required to verify a new factor"));
    }
    Ok(())
}

/// Whether an account may have one more factor.
fn check_room(user: &User, session: &Session, name: &str) -> Outcome<()> {
    if !name.is_empty() && user.factors.iter().any(|factor| factor.friendly_name.as_deref() == Some(name)) {
        let message = format!("A factor with the friendly name \"{name}\" for this user already exists");
        return Err(Refusal::unprocessable("mfa_factor_name_conflict", message));
    }
    if user.factors.len() >= MOST_FACTORS {
        let message = "Maximum number of verified factors reached, unenroll to continue";
        return Err(Refusal::unprocessable("too_many_enrolled_mfa_factors", message));
    }
    if user.factors.iter().any(|factor| factor.is_verified) && session.aal != "aal2" {
        return Err(Refusal::forbidden("insufficient_aal", "AAL2 required to enroll a new factor"));
    }
    Ok(())
}

/// What an authenticator app reads (the key URI format).
fn uri(issuer: &str, account: &str, secret: &str) -> Outcome<String> {
    let mut uri = Url::parse("otpauth://totp/").map_err(|error| Refusal::internal(error.to_string()))?;
    uri.set_path(&format!("{issuer}:{account}"));
    uri.query_pairs_mut()
        .append_pair("algorithm", "SHA1")
        .append_pair("digits", "6")
        .append_pair("issuer", issuer)
        .append_pair("period", "30")
        .append_pair("secret", secret);
    Ok(uri.into())
}

/// The same as a picture.
fn picture(uri: &str) -> Outcome<String> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M)
        .map_err(|error| Refusal::invalid(format!("The name or the issuer is too long for a QR code: {error}")))?;
    // Without line ends and quotes of both kinds, since clients put it into a data: address.
    Ok(code.render::<svg::Color<'_>>().min_dimensions(200, 200).build())
}
