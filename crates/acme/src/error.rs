use std::io;
use std::path::PathBuf;

/// Certificates cannot be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The folder cannot be used.
    #[error("The folder {} cannot be used: {source}; keys and certificates are kept there, so it has to be writable", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The authority's address cannot be used.
    #[error("The directory {url:?} cannot be used: {problem}")]
    Directory {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file of the authority's own certificates cannot be used.
    #[error("The file {} cannot be used: {problem}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A domain that no certificate can be fetched for.
    #[error("{0}")]
    Domain(String),
    /// The key for the external account cannot be used. What is in it is not said.
    #[error("the HMAC key of the external account is not base64url, as authorities give it")]
    ExternalKey,
}

/// Why an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The authority, or what leads there.
    #[error("{}", plain(&.0.to_string()))]
    Acme(#[from] instant_acme::Error),
    /// The folder.
    #[error("{file} cannot be read or written: {source}")]
    Folder {
        /// The file's name in it.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Keys and requests.
    #[error("a key or a request for a certificate cannot be made: {0}")]
    Crypto(#[from] rcgen::Error),
    /// Everything else, as a sentence.
    #[error("{}", plain(.0))]
    Other(String),
}

/// Characters of an authority's text that are told. It is text from outside.
const MOST_TOLD: usize = 400;

/// An authority's text on one line, and no longer than anybody reads.
fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(MOST_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_bounded() {
        let error = OrderError::Other(format!("one\ntwo\u{1b}{}", "x".repeat(10_000)));
        let text = error.to_string();
        assert!(text.starts_with("one two x"), "{text}");
        assert_eq!(text.chars().count(), MOST_TOLD);
    }
}
