use std::net::SocketAddr;
use std::path::PathBuf;

/// The front door cannot open.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address cannot be listened on.
    #[error("Cannot listen on {address} for the {purpose}: {source}{}", advice(source, address))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What it is for: `API`, `admin address`.
        purpose: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file of a certificate or key cannot be used.
    #[error("The TLS file {} cannot be used: {problem}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it; nothing of a key.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// An allowed origin is not one.
    #[error(
        "\"{0}\" is not an origin; write scheme, host and port only, without a path, as in https://app.example.com, or https://*.example.com for every subdomain"
    )]
    Origin(String),
}

/// What to do about the two usual reasons.
fn advice(error: &std::io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(". Another process uses port {}; stop it or choose another port", address.port())
        }
        std::io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            ". Ports below 1024 need a privilege; choose a higher one".to_owned()
        }
        _ => String::new(),
    }
}
