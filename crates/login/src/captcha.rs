//! The hook for a CAPTCHA: hCaptcha's and Turnstile's protocol, as GoTrue speaks it. The page solves one and sends what it got as
//! `gotrue_meta_security.captcha_token`; whether it counts is asked of whoever set it.

use std::net::IpAddr;
use std::time::Duration;

use base::Secret;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::error::{Outcome, Refusal};
use crate::gate::{AttemptKind, Trust};
use crate::incoming::{Fields, Incoming};
use crate::outside::{self, Unusable};
use crate::room::Inner;
use telemetry::AttemptRefused;

/// The most that are asked about at once: whoever floods us with made-up tokens must not flood others through us. Some places are
/// kept for those whom the account knows.
const MOST_AT_ONCE: usize = 48;
const KEPT_FOR_KNOWN: usize = 16;

/// The most bytes of a token; those of Turnstile have 2048 at most.
const MOST_TOKEN_BYTES: usize = 4096;

/// Whose CAPTCHA it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaProvider {
    /// hcaptcha.com
    HCaptcha,
    /// Cloudflare's.
    Turnstile,
}

impl CaptchaProvider {
    /// Where a token is asked about.
    pub fn url(self) -> &'static str {
        match self {
            Self::HCaptcha => "https://api.hcaptcha.com/siteverify",
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
        }
    }
}

/// Of whom one is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaMode {
    /// Of everybody, as GoTrue does.
    Always,
    /// Of strangers while the login is under attack, or the account or the address had a few wrong passwords.
    Suspicious,
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct CaptchaSettings {
    /// Of whom one is asked.
    pub mode: CaptchaMode,
    /// Where a token is asked about.
    pub url: String,
    /// The site's secret there.
    pub secret: Secret,
    /// How long asking may take.
    pub timeout: Duration,
}

/// Asks whether a CAPTCHA was solved.
pub struct Captcha {
    settings: CaptchaSettings,
    client: reqwest::Client,
    places: Semaphore,
    kept: Semaphore,
}

impl Captcha {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn open(settings: CaptchaSettings) -> Result<Self, Unusable> {
        let client = outside::client(&settings.url, settings.timeout)?;
        let (places, kept) = (Semaphore::new(MOST_AT_ONCE), Semaphore::new(KEPT_FOR_KNOWN));
        Ok(Self { settings, client, places, kept })
    }

    async fn check(&self, token: &str, address: IpAddr, is_known: bool) -> Outcome<()> {
        // Who cannot be told from others that are asked about has to wait: no answer is no yes.
        let kept = is_known.then(|| self.kept.try_acquire().ok()).flatten();
        let Some(_place) = kept.or_else(|| self.places.try_acquire().ok()) else { return Err(Refusal::overloaded(1)) };
        match self.ask(token, address).await {
            Ok(answer) if answer.get("success") == Some(&Value::Bool(true)) => Ok(()),
            Ok(answer) => Err(failed(&codes(&answer))),
            Err(problem) => {
                let mut refusal = Refusal::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "captcha_failed",
                    "captcha verification process failed; please try again in a moment",
                );
                refusal.retry_after = Some(5);
                refusal.inside = Some(format!("auth.defence.captcha_url: {problem}"));
                Err(refusal)
            }
        }
    }

    async fn ask(&self, token: &str, address: IpAddr) -> Result<Value, String> {
        let address = address.to_string();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("secret", self.settings.secret.expose())
            .append_pair("response", token)
            .append_pair("remoteip", &address)
            .finish();
        let request = self.client.post(&self.settings.url);
        let request = request.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let answer = outside::answer(request).await?;
        serde_json::from_slice(&answer).map_err(|_| "the answer is no JSON".to_owned())
    }
}

fn failed(what: &str) -> Refusal {
    Refusal::bad_request("captcha_failed", format!("captcha protection: request disallowed ({what})"))
}

/// The provider's own words, as far as they are words.
fn codes(answer: &Value) -> String {
    let is_word = |text: &&str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let list = answer.get("error-codes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<&str> = list.iter().filter_map(Value::as_str).filter(is_word).take(4).collect();
    if words.is_empty() { "not solved".to_owned() } else { words.join(", ") }
}

impl Inner {
    /// Whether a CAPTCHA is asked for.
    pub(crate) fn wants_captcha(&self, incoming: &Incoming, is_suspicious: bool) -> bool {
        let mode = self.captcha.as_ref().map(|captcha| captcha.settings.mode);
        // A token counts once: it was looked at when the request was decided first.
        !incoming.is_again && mode.is_some_and(|mode| mode == CaptchaMode::Always || is_suspicious)
    }

    /// Refuses who has not solved the CAPTCHA. Operators need none.
    pub(crate) async fn check_captcha(
        &self,
        incoming: &Incoming,
        fields: &Fields,
        (kind, trust): (AttemptKind, Trust),
    ) -> Outcome<()> {
        let Some(captcha) = &self.captcha else { return Ok(()) };
        if incoming.headers.contains_key(http::header::AUTHORIZATION) && self.require_admin(incoming).await.is_ok() {
            return Ok(());
        }
        let token = fields.object("gotrue_meta_security")?.and_then(|given| given.get("captcha_token"));
        let token = token.and_then(Value::as_str).filter(|token| !token.is_empty());
        let checked = match token {
            None => Err(failed("no captcha_token found in request")),
            Some(token) if token.len() > MOST_TOKEN_BYTES => Err(failed("invalid-input-response")),
            Some(token) => {
                incoming.enter(&*self.gate, AttemptKind::Captcha, None).await?;
                captcha.check(token, incoming.address, trust != Trust::Stranger).await
            }
        };
        if checked.is_err() {
            self.telemetry.report(&AttemptRefused { kind: kind.name(), reason: "captcha" });
        }
        checked
    }

    /// As above, where one is wanted of whoever does not try a password.
    pub(crate) async fn require_person(&self, incoming: &Incoming, fields: &Fields, kind: AttemptKind) -> Outcome<()> {
        if self.captcha.is_none() {
            return Ok(());
        }
        let is_attack = self.gate.look(&incoming.attempt(kind, None)).await.is_attack;
        if !self.wants_captcha(incoming, is_attack) {
            return Ok(());
        }
        self.check_captcha(incoming, fields, (kind, Trust::Stranger)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words() {
        let answer = serde_json::json!({"error-codes": ["timeout-or-duplicate", 7, "a b", "x\n"]});
        assert_eq!(codes(&answer), "timeout-or-duplicate");
        assert_eq!(codes(&Value::Null), "not solved");
    }
}
