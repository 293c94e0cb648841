use std::sync::Arc;

use base::{Clock, Details};
use serde_json::{Map, Value};

use crate::key::KeyRing;
use crate::remote::{FETCH_TIMEOUT, MAXIMUM_AGE, MINIMUM_GAP, Remote, Turn};
use crate::token::{TokenError, verify};
use crate::{IdentityError, strict_json};

/// The keys of somebody else who says who people are (an OpenID Connect provider): fetched from one address when they are
/// needed first, again after ten minutes, and when a token names an unknown one, though at most once in 30 seconds.
///
/// Tokens of theirs say nothing of what a caller may do here; they are verified for the login, and never by [`crate::Verifier`].
pub struct IssuerKeys {
    remote: Arc<Remote>,
    clock: Arc<dyn Clock>,
}

/// Why a token of another issuer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerTokenError {
    /// Its signature does not hold, or it is no token.
    #[error("{0}")]
    Refused(String),
    /// The issuer's keys could not be fetched, so nobody knows.
    #[error("the issuer's keys cannot be fetched: {0}")]
    NoKeys(String),
}

impl IssuerKeys {
    /// The keys behind an address; nothing is sent yet.
    ///
    /// # Errors
    /// [`IdentityError::KeyAddress`].
    pub fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, IdentityError> {
        Ok(Self { remote: Arc::new(Remote::open(url)?), clock })
    }

    /// Verifies the signature of a token (RS256, ES256 or EdDSA, as the key says and not the token) and gives its claims, of which
    /// none was looked at. Has to be called inside the asynchronous runtime.
    ///
    /// # Errors
    /// [`IssuerTokenError`].
    pub async fn verify(&self, token: &str) -> Result<Map<String, Value>, IssuerTokenError> {
        let mut problem = self.fetch(MAXIMUM_AGE).await;
        let mut outcome = self.try_verify(token);
        if matches!(outcome, Some(Err(TokenError::NoSuitableKey)) | None) {
            problem = self.fetch(MINIMUM_GAP).await.or(problem);
            outcome = self.try_verify(token);
        }
        let payload = match outcome {
            None => {
                return Err(IssuerTokenError::NoKeys(
                    problem.unwrap_or_else(|| "the last try is too recent".to_owned()),
                ));
            }
            Some(Err(TokenError::NoSuitableKey)) => {
                return Err(IssuerTokenError::Refused("it is signed with none of the issuer's keys".to_owned()));
            }
            Some(Err(TokenError::Refused(failure))) => {
                let text = match failure.details {
                    Some(Details::Text(text)) => text,
                    _ => failure.message,
                };
                return Err(IssuerTokenError::Refused(text));
            }
            Some(Ok(payload)) => payload,
        };
        match strict_json::parse(&payload) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(IssuerTokenError::Refused("its claims are no JSON object, or name one twice".to_owned())),
        }
    }

    fn try_verify(&self, token: &str) -> Option<Result<Vec<u8>, TokenError>> {
        self.remote.keys().map(|keys| verify(token, &KeyRing::of([&*keys])))
    }

    /// Fetches the keys unless that was begun within `gap`; waits for a fetch that is under way. Gives what went wrong.
    async fn fetch(&self, gap: std::time::Duration) -> Option<String> {
        let mut ended = self.remote.subscribe();
        match self.remote.take_turn(self.clock.monotonic(), gap) {
            Turn::TooSoon => None,
            Turn::Running => {
                let _too_late = tokio::time::timeout(FETCH_TIMEOUT, ended.changed()).await;
                None
            }
            Turn::Mine => {
                let remote = self.remote.clone();
                // On its own: whoever asks may leave in the middle, and others wait for it.
                let fetching = tokio::spawn(async move {
                    let fetched = remote.fetch().await;
                    let problem = fetched.as_ref().err().cloned();
                    remote.finish(fetched.ok().map(Arc::new));
                    remote.announce();
                    problem
                });
                fetching.await.unwrap_or_else(|error| Some(error.to_string()))
            }
        }
    }
}
