//! What stands in a certificate.

use instant_acme::CertificateIdentifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

/// What has to be known of a certificate that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// Seconds since 1970 from which on it is valid.
    pub(crate) begin: i64,
    /// Seconds since 1970 until which it is.
    pub(crate) end: i64,
    /// Its names.
    pub(crate) names: Vec<String>,
    /// How authorities name it when they are asked when to renew it; `None` where it lacks what that is made of.
    pub(crate) identifier: Option<CertificateIdentifier<'static>>,
    /// A number from 0 up to 1 that is its own: certificates of the same moment are not renewed at the same moment.
    pub(crate) share: f64,
}

impl Facts {
    /// Of the first certificate in a file.
    ///
    /// # Errors
    /// It is none, as a sentence.
    pub(crate) fn read(pem: &[u8]) -> Result<Self, String> {
        let der =
            CertificateDer::from_pem_slice(pem).map_err(|error| format!("it has no CERTIFICATE in it: {error}"))?;
        let (_rest, certificate) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let validity = certificate.validity();
        Ok(Self {
            begin: validity.not_before.timestamp(),
            end: validity.not_after.timestamp(),
            names: names.collect(),
            identifier: CertificateIdentifier::try_from(&der).ok().map(CertificateIdentifier::into_owned),
            share: share(&der),
        })
    }

    /// Whether it is for all of these.
    pub(crate) fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.contains(domain))
    }
}

/// A number from 0 up to 1 that looks like chance, and is the same for the same bytes.
pub(crate) fn share(bytes: &[u8]) -> f64 {
    let digest = Sha256::digest(bytes);
    let number = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}
