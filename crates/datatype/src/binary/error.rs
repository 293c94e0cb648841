use thiserror::Error;

/// Bytes that are no value of their type: the sender and the reader disagree about the type, or the bytes were damaged.
///
/// The text names the type and what is wrong with it, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a binary value of type {data_type} is malformed: {reason}")]
pub struct Malformed {
    data_type: &'static str,
    reason: &'static str,
}

impl Malformed {
    pub(super) fn new(data_type: &'static str, reason: &'static str) -> Self {
        Self { data_type, reason }
    }

    /// The value has another length than its type.
    pub(super) fn length(data_type: &'static str) -> Self {
        Self::new(data_type, "it has a wrong length")
    }
}
