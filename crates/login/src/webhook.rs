//! Tells another server of attacks on the login, signed as Standard Webhooks has it. Never while somebody waits for an answer.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use telemetry::{Telemetry, WebhookSent};
use tokio::sync::mpsc;

use crate::chance;
use crate::defence::{Attack, AttackListener};
use crate::outgoing::moment;
use crate::outside::{self, Unusable};

/// How many messages wait to be sent; more are dropped, and count as not sent. The defence tells of each kind one in five seconds.
const MOST_WAITING: usize = 64;

/// How long sending one may take. With the pauses, three tries take half a minute.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A message that was not taken is sent again after so long each.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(15)];

/// What secrets begin with, by the standard.
const SECRET_PREFIX: &str = "whsec_";

/// The bytes that a secret may have, by the standard.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why nobody can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Nothing can be sent to the address.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The secret has another form.
    #[error(
        "has to be {SECRET_PREFIX} and then 24 to 64 bytes as base64; `echo whsec_$(openssl rand -base64 32)` makes one"
    )]
    Secret,
}

/// What signs messages.
#[derive(Clone)]
pub struct WebhookKey(Hmac<Sha256>);

impl WebhookKey {
    /// Reads a secret: `whsec_` and 24 to 64 bytes as base64.
    ///
    /// # Errors
    /// [`WebhookError::Secret`].
    pub fn read(secret: &Secret) -> Result<Self, WebhookError> {
        let text = secret.expose().strip_prefix(SECRET_PREFIX).ok_or(WebhookError::Secret)?;
        let bytes = STANDARD.decode(text.trim()).map_err(|_| WebhookError::Secret)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(WebhookError::Secret);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| WebhookError::Secret)
    }

    /// The signature of a message.
    fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Sends what the defence notices to an address, from a task of its own: has to be called on the runtime.
///
/// # Errors
/// [`WebhookError`].
pub fn webhook(
    url: &str,
    key: WebhookKey,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
) -> Result<AttackListener, WebhookError> {
    let client = outside::client(url, TIMEOUT)?;
    let (sender, mut waiting) = mpsc::channel::<Attack>(MOST_WAITING);
    let (url, dropping) = (url.to_owned(), telemetry.clone());
    tokio::spawn(async move {
        while let Some(attack) = waiting.recv().await {
            let is_sent = send(&client, &url, &key, (&attack, clock.as_ref())).await;
            telemetry.report(&WebhookSent { is_sent });
        }
    });
    Ok(AttackListener::new(move |attack| {
        if sender.try_send(attack).is_err() {
            dropping.report(&WebhookSent { is_sent: false });
        }
    }))
}

async fn send(client: &reqwest::Client, url: &str, key: &WebhookKey, (attack, clock): (&Attack, &dyn Clock)) -> bool {
    let Ok(id) = chance::uuid() else { return false };
    let id = format!("msg_{id}");
    let body = message(attack, clock.now()).to_string();
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let seconds = clock.now().seconds();
        let request = client
            .post(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", key.sign(&id, seconds, &body))
            .body(body.clone());
        if outside::answer(request).await.is_ok() {
            return true;
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    false
}

fn message(attack: &Attack, now: Timestamp) -> Value {
    let data = match attack {
        Attack::AccountLocked { account } | Attack::DeviceLocked { account } => json!({"account": account}),
        Attack::AddressSprays { address } | Attack::NetworkSprays { address } => {
            json!({"address": address.to_string()})
        }
        Attack::Began | Attack::Ended | Attack::PasswordSprayed => json!({}),
    };
    json!({"type": format!("login.{}", attack.name()), "timestamp": moment(now), "data": data})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_example() {
        // From the specification of Standard Webhooks 1.0.
        let key = WebhookKey::read(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets() {
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_*"] {
            assert_eq!(WebhookKey::read(&Secret::new(wrong)).err(), Some(WebhookError::Secret), "{wrong}");
        }
    }

    #[test]
    fn three_tries_take_half_a_minute() {
        let tries = u32::try_from(PAUSES.len() + 1).unwrap();
        assert!(TIMEOUT * tries + PAUSES.iter().sum::<Duration>() <= Duration::from_secs(30));
    }

    #[test]
    fn messages() {
        let locked = Attack::AccountLocked { account: "mina@example.com".to_owned() };
        assert_eq!(
            message(&locked, Timestamp(1_700_000_000_000_000)),
            json!({
                "type": "login.account_locked",
                "timestamp": "2023-11-14T22:13:20Z",
                "data": {"account": "mina@example.com"},
            })
        );
    }
}
