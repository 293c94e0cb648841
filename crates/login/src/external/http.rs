//! Asking a provider: bounded in time by the client, in size here.

use serde_json::{Map, Value};

/// The most bytes of an answer. Documents and tokens have a few thousand.
const MOST_BYTES: usize = 128 * 1024;

/// An answer: its status, and its members where it is a JSON object.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) members: Option<Map<String, Value>>,
}

/// Sends a request.
///
/// # Errors
/// Why there is no answer, for the log: without addresses, which may hold what is secret.
pub(crate) async fn ask(request: reqwest::RequestBuilder) -> Result<Answered, String> {
    let plain = |error: reqwest::Error| {
        // The kind alone says "error sending request"; what lies behind it says why.
        let error = error.without_url();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
    };
    let mut response = request.header(http::header::ACCEPT, "application/json").send().await.map_err(plain)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(plain)? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(format!("the answer is larger than {MOST_BYTES} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    let members = match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    };
    Ok(Answered { status, members })
}

impl Answered {
    /// The members of an answer that went well.
    pub(crate) fn object(self) -> Result<Map<String, Value>, String> {
        match (self.status, self.members) {
            (200, Some(members)) => Ok(members),
            (200, None) => Err("the answer is no JSON object".to_owned()),
            (status, members) => Err(format!("the answer has the status {status}{}", word_of(members.as_ref()))),
        }
    }
}

/// The provider's own word for what went wrong (RFC 6749 section 5.2), as far as it is one.
fn word_of(members: Option<&Map<String, Value>>) -> String {
    let word = members.and_then(|members| members.get("error")).and_then(Value::as_str).and_then(word);
    word.map_or_else(String::new, |word| format!(" and the error {word}"))
}

/// A text of a provider's that is a word and nothing else.
pub(crate) fn word(text: &str) -> Option<&str> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    Some(text).filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(is_letter))
}
