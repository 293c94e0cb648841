//! `[server.tls.acme]`, and what the settings about certificates mean.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use acme::{ChallengeKind, ExternalAccount, LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::Check;
use super::sections::SecretText;

/// `[server.tls.acme]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// The domains of a certificate that Pando fetches and renews by itself (ACME), at most 100, without wildcards. Empty
    /// fetches none. It takes the place of `server.tls.certificate`.
    pub domains: Vec<String>,
    /// Whether you agree to the authority's terms of service. Nothing is fetched unless you do.
    pub agree_to_terms: bool,
    /// Mail addresses that the authority may write to.
    pub contact: Vec<String>,
    /// The authority: `letsencrypt`, `letsencrypt-staging` (for trying: nobody trusts its certificates, and its limits are wide), or
    /// the address of a directory, `https://…`.
    pub directory: String,
    /// How the authority finds out that the domains lead here: on port 443 by `tls-alpn-01`, which comes to `server.listen`, or on
    /// port 80 by `http-01`, which comes to `server.tls.redirect_listen`.
    pub challenge: AcmeChallenge,
    /// The folder in which account, keys and certificates are kept, relative to the folder of `pando.toml`. All nodes that answer
    /// for the same domains have to share it.
    pub folder: PathBuf,
    /// The name of the key that binds the account to one that the authority knows already (external account binding), as ZeroSSL
    /// and others ask for it.
    pub external_account_key_id: Option<String>,
    /// That key (HMAC) in base64url, as the authority gives it.
    pub external_account_hmac_key: Option<SecretText>,
    /// A file with the certificates (PEM) that the authority's own address is verified against, in place of those of the machine:
    /// for an authority of your own. Relative to the folder of `pando.toml`.
    pub ca_certificate: Option<PathBuf>,
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            agree_to_terms: false,
            contact: Vec::new(),
            directory: "letsencrypt".to_owned(),
            challenge: AcmeChallenge::TlsAlpn01,
            folder: PathBuf::from("data/acme"),
            external_account_key_id: None,
            external_account_hmac_key: None,
            ca_certificate: None,
        }
    }
}

/// How the authority finds out that a domain leads here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// By a TLS handshake on port 443 of the domain.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a request on port 80 of the domain.
    #[serde(rename = "http-01")]
    Http01,
}

impl Check<'_> {
    /// The files are read when the server starts: other commands need neither them nor the right to read them.
    pub(super) fn tls(
        &mut self,
        others: &[Option<SocketAddr>],
        acme: Option<&acme::Config>,
    ) -> Option<edge::TlsConfig> {
        let loaded = self.loaded();
        let tls = &loaded.config.tls;
        let redirect = Some(tls.redirect_listen.as_str()).filter(|address| !address.is_empty());
        let redirect = redirect.and_then(|address| self.address("server.tls.redirect_listen", address));
        if redirect.is_some_and(|address| address.port() != 0 && others.contains(&Some(address))) {
            self.problem("server.tls.redirect_listen", "is an address that is in use already; it needs one of its own");
        }
        let files = |certificate: &Path, key: &Path| edge::CertificateFiles {
            certificate: loaded.path(certificate),
            key: loaded.path(key),
        };
        let first = match (&tls.certificate, &tls.key) {
            (Some(_), _) | (_, Some(_)) if acme.is_some() => {
                let name = if tls.certificate.is_some() { "certificate" } else { "key" };
                let text = "is not needed with server.tls.acme.domains; name certificates for other domains in server.tls.additional";
                self.problem(&format!("server.tls.{name}"), text);
                return None;
            }
            (Some(certificate), Some(key)) => Some(files(certificate, key)),
            (Some(_), None) => {
                self.problem("server.tls.certificate", "needs server.tls.key, the file of its private key");
                return None;
            }
            (None, Some(_)) => {
                self.problem("server.tls.key", "needs server.tls.certificate, the file of its certificate");
                return None;
            }
            (None, None) if acme.is_some() => None,
            (None, None) => {
                // With domains it is said what is wrong with those.
                if loaded.config.acme.domains.is_empty() && (!tls.additional.is_empty() || redirect.is_some()) {
                    let name = if redirect.is_some() { "redirect_listen" } else { "additional" };
                    let text = "needs server.tls.certificate, or server.tls.acme.domains: there is no TLS without one";
                    self.problem(&format!("server.tls.{name}"), text);
                }
                return None;
            }
        };
        let additional = tls.additional.iter().map(|(certificate, key)| files(certificate.as_ref(), key.as_ref()));
        Some(edge::TlsConfig {
            files: first.into_iter().chain(additional).collect(),
            fetched: acme.map(acme::Config::certificate_file),
            hsts_seconds: tls.hsts_seconds,
            redirect,
            public_port: tls.public_port,
        })
    }

    /// What is fetched; `None` when nothing is, or something is wrong.
    pub(super) fn acme(&mut self) -> Option<acme::Config> {
        let loaded = self.loaded();
        let acme = &loaded.config.acme;
        if acme.domains.is_empty() {
            return None;
        }
        let directory = match acme.directory.as_str() {
            "letsencrypt" => LETS_ENCRYPT,
            "letsencrypt-staging" => LETS_ENCRYPT_STAGING,
            address => address,
        };
        if !acme.agree_to_terms {
            let text = format!(
                "has to be true for a certificate of {directory}: it is issued to those alone who agree to the terms of service"
            );
            self.problem("server.tls.acme.agree_to_terms", text);
        }
        if acme.challenge == AcmeChallenge::Http01 && loaded.config.tls.redirect_listen.is_empty() {
            let text = "needs server.tls.redirect_listen (\"0.0.0.0:80\"), where the authority looks";
            self.problem("server.tls.acme.challenge", text);
        }
        let is_address = |text: &&String| {
            text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
                && !text.contains(|it: char| it.is_whitespace() || it.is_control() || ",?:".contains(it))
        };
        if let Some(wrong) = acme.contact.iter().find(|text| !is_address(text)) {
            self.problem(
                "server.tls.acme.contact",
                format!("has to be mail addresses, as in ops@example.com, not {wrong:?}"),
            );
        }
        let external_account = match (&acme.external_account_key_id, &acme.external_account_hmac_key) {
            (Some(key_id), Some(key)) => Some(ExternalAccount { key_id: key_id.clone(), hmac_key: key.0.clone() }),
            (None, None) => None,
            (one, _) => {
                let (given, missing) = if one.is_some() { ("key_id", "hmac_key") } else { ("hmac_key", "key_id") };
                let text = format!("needs server.tls.acme.external_account_{missing}: the authority gives both");
                self.problem(&format!("server.tls.acme.external_account_{given}"), text);
                None
            }
        };
        let config = acme::Config {
            contact: acme.contact.clone(),
            directory: directory.to_owned(),
            challenge: match acme.challenge {
                AcmeChallenge::TlsAlpn01 => ChallengeKind::TlsAlpn01,
                AcmeChallenge::Http01 => ChallengeKind::Http01,
            },
            external_account,
            authority: acme.ca_certificate.as_ref().map(|file| loaded.path(file)),
            ..acme::Config::new(acme.domains.clone(), loaded.path(&acme.folder))
        };
        if let Err(error) = config.check() {
            let name = match error {
                acme::AcmeError::Directory { .. } => "directory",
                acme::AcmeError::ExternalKey => "external_account_hmac_key",
                _ => "domains",
            };
            self.problem(&format!("server.tls.acme.{name}"), format!("cannot be used: {error}"));
            return None;
        }
        Some(config)
    }
}
