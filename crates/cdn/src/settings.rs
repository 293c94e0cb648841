//! What the operator says.

use std::time::Duration;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::{Host, Url};

/// What secrets of webhooks begin with (Standard Webhooks 1.0).
const SECRET_PREFIX: &str = "whsec_";

/// The bytes that such a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Which caches are told of changes, and how.
#[derive(Debug, Clone)]
pub struct CdnSettings {
    /// Who is told.
    pub driver: DriverSettings,
    /// How many names wait at most; where there are more, everything is purged.
    pub most_waiting: usize,
    /// How long after an answer has been handed over a cache may still be about to keep it.
    pub settle: Duration,
    /// How long one purge may take.
    pub timeout: Duration,
}

/// Whom purges are sent to. Addresses may hold what opens them, and are shown nowhere.
#[derive(Debug, Clone)]
pub enum DriverSettings {
    /// Varnish with the module xkey; all of them have to confirm.
    Varnish {
        /// Their addresses: `http://10.0.0.5:6081`.
        urls: Vec<Secret>,
    },
    /// Fastly.
    Fastly {
        /// Of the API, where it is not Fastly's own.
        url: Option<Secret>,
        /// The service.
        service: String,
        /// May purge.
        token: Secret,
    },
    /// Cloudflare.
    Cloudflare {
        /// Of the API, where it is not Cloudflare's own.
        url: Option<Secret>,
        /// The zone.
        zone: String,
        /// May purge.
        token: Secret,
    },
    /// A program of one's own, told as Standard Webhooks has it.
    Webhook {
        /// Where messages go.
        url: Secret,
        /// What signs them.
        key: WebhookKey,
    },
}

/// Why caches cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CdnError {
    /// Nothing can be sent to an address. The text never repeats it.
    #[error("has to be an address like https://example.com/path: {0}")]
    Address(String),
    /// A service or zone is no part of an address.
    #[error("has to be letters and digits")]
    Name,
    /// A token is no header.
    #[error("has to be printable ASCII without blanks")]
    Token,
    /// The secret of a webhook has another form.
    #[error(
        "has to be {SECRET_PREFIX} and then 24 to 64 bytes as base64; `echo whsec_$(openssl rand -base64 32)` makes one"
    )]
    Secret,
}

/// What signs messages.
#[derive(Clone)]
pub struct WebhookKey(Hmac<Sha256>);

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl WebhookKey {
    /// Reads a secret: `whsec_` and 24 to 64 bytes as base64.
    ///
    /// # Errors
    /// [`CdnError::Secret`].
    pub fn read(secret: &Secret) -> Result<Self, CdnError> {
        let text = secret.expose().strip_prefix(SECRET_PREFIX).ok_or(CdnError::Secret)?;
        let bytes = STANDARD.decode(text.trim()).map_err(|_| CdnError::Secret)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(CdnError::Secret);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| CdnError::Secret)
    }

    /// The signature of a message.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// An address, to which a path may be added. What has a secret in it goes encrypted, or not beyond this machine; names of tables may go
/// over a network of one's own.
pub(crate) fn address(text: &str, is_secret: bool) -> Result<Url, CdnError> {
    let url = Url::parse(text).map_err(|error| CdnError::Address(error.to_string()))?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_possible = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here || (url.has_host() && !is_secret),
        _ => false,
    };
    if is_possible {
        return Ok(url);
    }
    let possible = if is_secret { "https://, and http:// to this machine" } else { "https:// and http://" };
    Err(CdnError::Address(format!("only {possible} are possible")))
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
        assert_eq!(format!("{key:?}"), "WebhookKey(…)");
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_*"] {
            assert_eq!(WebhookKey::read(&Secret::new(wrong)).err(), Some(CdnError::Secret), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        for (text, is_open, is_secret) in [
            ("https://user:word@example.com/hook?x=y", true, true),
            ("http://127.0.0.1:80", true, true),
            ("http://localhost/a", true, true),
            ("http://10.0.0.5:6081", true, false),
            ("http://[::1]:6081", true, true),
            ("", false, false),
            ("example.com", false, false),
            ("ftp://example.com", false, false),
            ("mailto:a@b.c", false, false),
        ] {
            assert_eq!(address(text, false).is_ok(), is_open, "{text}");
            assert_eq!(address(text, true).is_ok(), is_secret, "{text}");
        }
    }
}
