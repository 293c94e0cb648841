use thiserror::Error;

/// What can go wrong. That a server is gone is not among it: then this process answers.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CacheError {
    /// Nothing can be made of the address. The text never repeats it.
    #[error("{0}; it has to be like redis://host:6379, rediss://host:6379 or unix:///run/redis.sock")]
    Url(String),
    /// A value is larger than [`crate::MOST_VALUE_BYTES`].
    #[error("a value of {0} bytes is too large to be kept")]
    TooLarge(usize),
}
