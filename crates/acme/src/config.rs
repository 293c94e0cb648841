use std::path::PathBuf;
use std::time::Duration;

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::AcmeError;

/// Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Let's Encrypt's, for trying: nobody trusts its certificates, and its limits are wide.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Domains of one certificate: what Let's Encrypt takes.
pub const MOST_DOMAINS: usize = 100;
/// Characters of a domain (RFC 1035 section 2.3.4).
const MOST_DOMAIN_BYTES: usize = 253;
/// Characters between two dots.
const MOST_LABEL_BYTES: usize = 63;

/// How the authority finds out that a domain leads here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// By a TLS handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a request on port 80 (RFC 8555 section 8.3).
    Http01,
}

/// Binds the account to one that exists at the authority outside of ACME (RFC 8555 section 7.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key's name.
    pub key_id: String,
    /// The key, in base64url as authorities give it.
    pub hmac_key: Secret,
}

impl ExternalAccount {
    /// The bytes of the key.
    pub(crate) fn key(&self) -> Result<Vec<u8>, AcmeError> {
        let text = self.hmac_key.expose().trim().trim_end_matches('=');
        URL_SAFE_NO_PAD.decode(text).ok().filter(|key| !key.is_empty()).ok_or(AcmeError::ExternalKey)
    }
}

/// Which certificate is fetched, from whom, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The names of the certificate, 1 to [`MOST_DOMAINS`]. In lower case, without wildcards.
    pub domains: Vec<String>,
    /// Mail addresses that the authority may write to.
    pub contact: Vec<String>,
    /// The authority's directory, `https://…`.
    pub directory: String,
    /// Where account, key and certificate are kept. Several processes may share it.
    pub folder: PathBuf,
    /// How domains are shown to lead here.
    pub challenge: ChallengeKind,
    /// The account that the authority knows already.
    pub external_account: Option<ExternalAccount>,
    /// The only certificates (PEM) that the authority's own address is verified against; without it those of the machine.
    pub authority: Option<PathBuf>,
    /// How long to wait after a first failure; twice as long after each further one. 5 minutes by default.
    pub first_pause: Duration,
    /// How long processes that share the folder have to learn of a challenge before the authority asks. 3 s by default, since each
    /// looks once a second.
    pub spread: Duration,
}

impl Config {
    /// A certificate of Let's Encrypt for these domains, kept in this folder.
    pub fn new(domains: Vec<String>, folder: PathBuf) -> Self {
        Self {
            domains,
            contact: Vec::new(),
            directory: LETS_ENCRYPT.to_owned(),
            folder,
            challenge: ChallengeKind::TlsAlpn01,
            external_account: None,
            authority: None,
            first_pause: Duration::from_mins(5),
            spread: Duration::from_secs(3),
        }
    }

    /// The file that certificate and key are written to, as PEM. It belongs to authority and domains: with others it is another.
    pub fn certificate_file(&self) -> PathBuf {
        self.authority_folder().join(format!("{}.pem", self.name()))
    }

    /// What belongs to one authority.
    pub(crate) fn authority_folder(&self) -> PathBuf {
        let host = self.directory.split('/').nth(2).unwrap_or_default();
        self.folder.join(format!("{}-{}", fit(host), short_hash(&self.directory)))
    }

    /// Names the certificate in its folder.
    pub(crate) fn name(&self) -> String {
        let mut domains = self.domains.clone();
        domains.sort();
        let first = self.domains.first().map_or("", String::as_str);
        format!("{}-{}", fit(first), short_hash(&domains.join(" ")))
    }

    /// What types alone do not say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), AcmeError> {
        if self.domains.is_empty() || self.domains.len() > MOST_DOMAINS {
            return Err(AcmeError::Domain(format!("a certificate has 1 to {MOST_DOMAINS} domains")));
        }
        self.domains.iter().try_for_each(|domain| check_domain(domain))?;
        let wrong = |problem: &str| AcmeError::Directory { url: self.directory.clone(), problem: problem.to_owned() };
        let parsed = reqwest::Url::parse(&self.directory).map_err(|error| wrong(&error.to_string()))?;
        if parsed.scheme() != "https" {
            return Err(wrong("it has to begin with https://"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(AcmeError::Directory {
                url: "https://…@…".to_owned(),
                problem: "it has a user in it, which ACME does not know".to_owned(),
            });
        }
        self.external_account.as_ref().map_or(Ok(()), |account| account.key().map(drop))
    }
}

/// Whether an authority could show that this name leads here.
fn check_domain(domain: &str) -> Result<(), AcmeError> {
    let wrong =
        |why: &str| Err(AcmeError::Domain(format!("{domain:?} is no domain to fetch a certificate for: {why}")));
    if domain.starts_with("*.") {
        return wrong("wildcards need a challenge in the DNS, which Pando has no access to; name each domain");
    }
    if domain.parse::<std::net::IpAddr>().is_ok() {
        return wrong("it is an address, not a name");
    }
    let is_label = |label: &str| {
        (1..=MOST_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
    };
    if domain.len() > MOST_DOMAIN_BYTES || !domain.split('.').all(is_label) {
        return wrong(
            "write it in lower case, as in api.example.com, other scripts as punycode (xn--…), without port or path",
        );
    }
    Ok(())
}

/// Of a name only what every file system takes.
fn fit(name: &str) -> String {
    let fits = |it: char| if it.is_ascii_alphanumeric() || matches!(it, '.' | '-') { it } else { '_' };
    // A name of a file has 255 bytes at most.
    name.chars().map(fits).take(100).collect()
}

fn short_hash(text: &str) -> String {
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(domains: &[&str]) -> Config {
        Config::new(domains.iter().map(|&domain| domain.to_owned()).collect(), PathBuf::from("kept"))
    }

    #[test]
    fn domains_that_cannot_be_shown_are_refused() {
        for domain in ["localhost", "api.example.com", "xn--mnchen-3ya.de", "1.example.com"] {
            of(&[domain]).check().unwrap_or_else(|error| panic!("{domain}: {error}"));
        }
        let long = format!("{}.com", "a".repeat(64));
        for (domain, why) in [
            ("*.example.com", "wildcards"),
            ("127.0.0.1", "an address"),
            ("::1", "an address"),
            ("API.example.com", "lower case"),
            ("münchen.de", "punycode"),
            ("a..b", "lower case"),
            ("example.com.", "lower case"),
            ("example.com:443", "without port"),
            ("-a.com", "lower case"),
            ("", "lower case"),
            ("../../etc", "lower case"),
            (long.as_str(), "lower case"),
        ] {
            let error = of(&[domain]).check().unwrap_err().to_string();
            assert!(error.contains(why), "{domain}: {error}");
        }
        assert!(of(&[]).check().is_err());
        assert!(of(&["a.test"; MOST_DOMAINS + 1]).check().is_err());
    }

    #[test]
    fn what_is_kept_belongs_to_authority_and_domains() {
        let (one, other) = (of(&["a.test", "b.test"]), of(&["a.test", "c.test"]));
        let staging = Config { directory: LETS_ENCRYPT_STAGING.to_owned(), ..one.clone() };
        assert_ne!(one.certificate_file(), other.certificate_file());
        assert_ne!(one.certificate_file(), staging.certificate_file());
        assert!(one.certificate_file().starts_with("kept"));
        // In another order they are the same, as long as the first is.
        assert_eq!(of(&["a.test", "c.test", "b.test"]).name(), of(&["a.test", "b.test", "c.test"]).name());
    }

    #[test]
    fn addresses_and_keys_that_cannot_be_used() {
        for directory in ["http://ca.test/dir", "ca.test", "https://"] {
            assert!(Config { directory: directory.to_owned(), ..of(&["a.test"]) }.check().is_err(), "{directory}");
        }
        let config = Config { directory: "https://me:hidden@ca.test/".to_owned(), ..of(&["a.test"]) };
        assert!(!config.check().unwrap_err().to_string().contains("hidden"));
        for (key, is_one) in [("zWNDZM6eQGHWpSRTPal5", true), ("zWNDZM6e==", true), ("a secret!", false), ("", false)] {
            let external_account = ExternalAccount { key_id: "kid".to_owned(), hmac_key: Secret::new(key) };
            let config = Config { external_account: Some(external_account), ..of(&["a.test"]) };
            let checked = config.check().map_err(|error| error.to_string());
            assert_eq!(checked.is_ok(), is_one, "{key}");
            assert!(!checked.is_err_and(|error| error.contains("a secret")));
        }
    }
}
