//! Certificates that are fetched (ACME).

use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// There is no certificate yet.
#[derive(Debug)]
pub struct CertificateAwaited<'a> {
    /// Its domains, with commas.
    pub domains: &'a str,
}

impl Happening for CertificateAwaited<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "certificate-awaited",
        message: "There is no certificate yet: TLS handshakes are refused until the authority has issued one",
        about: "At start, when the folder of `[server.tls.acme]` has none for these domains and this authority.",
        level: Level::Warn,
        fields: &[DOMAINS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(DOMAINS, self.domains);
    }
}

/// The authority issued a certificate.
#[derive(Debug)]
pub struct CertificateIssued<'a> {
    /// Its domains, with commas.
    pub domains: &'a str,
    /// For how long it is valid from now on.
    pub valid_for: Duration,
    /// How long the order took.
    pub took: Duration,
}

impl Happening for CertificateIssued<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "certificate-issued",
        message: "The authority issued a certificate, which counts for new connections",
        about: "After an order by ACME that went well, by the node that ordered.",
        level: Level::Info,
        fields: &[DOMAINS, VALID_FOR, DURATION],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(DOMAINS, self.domains);
        line.duration(VALID_FOR, self.valid_for);
        line.duration(DURATION, self.took);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_certificate_order(true);
    }
}

/// An order came to nothing.
#[derive(Debug)]
pub struct CertificateNotIssued<'a> {
    /// Its domains, with commas.
    pub domains: &'a str,
    /// Why: the authority's words, shortened, or our own.
    pub error: &'a str,
    /// How long is waited before the next order; `None` when it begins as soon as the folder can be written.
    pub wait: Option<Duration>,
}

impl Happening for CertificateNotIssued<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "certificate-not-issued",
        message: "No certificate was issued; the one from before goes on, and it is tried again after a while",
        about: "When an order by ACME failed, or could not begin since its folder cannot be written. Each wait is longer than the \
                one before, also across restarts.",
        level: Level::Error,
        fields: &[DOMAINS, ERROR, WAIT],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(DOMAINS, self.domains);
        line.word(ERROR, self.error);
        if let Some(wait) = self.wait {
            line.duration(WAIT, wait);
        }
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_certificate_order(false);
    }
}
