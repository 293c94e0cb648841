//! The login's tables, in statements of its own. What is decided is decided in Rust, over rows that were read before; each
//! change says what it expects to find, and nothing of it remains where that is no longer so.

pub(crate) mod factors;
pub(crate) mod flows;
pub(crate) mod identities;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod users;

use std::sync::Arc;

use store::{OwnAnswer, OwnStep, Store};

use crate::error::{Outcome, Refusal};
use crate::events::with_events;

/// The tables.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) store: Arc<dyn Store>,
}

impl Records {
    /// Reads, all of it at one moment.
    pub(crate) async fn read<const N: usize>(&self, steps: [OwnStep; N]) -> Outcome<[OwnAnswer; N]> {
        let answers = self.store.consult(steps.into()).await?;
        <[OwnAnswer; N]>::try_from(answers)
            .map_err(|_| Refusal::internal("the store answered with other steps than were asked"))
    }

    /// Changes, all of it or nothing.
    pub(crate) async fn write(&self, steps: Vec<OwnStep>) -> Outcome<Vec<OwnAnswer>> {
        let asked = steps.len();
        let written = self.store.transact(with_events(self.store.as_ref(), steps)).await.map(|mut answers| {
            answers.truncate(asked);
            answers
        });
        written.map_err(|error| match error.unique_violation() {
            Some(constraint) if is_race(constraint) => Refusal::missed(),
            Some("mfa_factors_user_friendly_name_unique") => {
                Refusal::unprocessable("mfa_factor_name_conflict", "A factor with this friendly name already exists")
            }
            Some("used_codes_pkey") => Refusal::unprocessable("mfa_verification_failed", "Invalid TOTP code entered"),
            Some("flow_state_pkey") => {
                Refusal::bad_request("bad_oauth_state", "OAuth callback with a state that was used before")
            }
            _ => error.into(),
        })
    }
}

/// The constraints that only another request at the same moment violates, since it was looked before.
fn is_race(constraint: &str) -> bool {
    matches!(
        constraint,
        "users_email_partial_key"
            | "identities_provider_id_provider_unique"
            | "one_time_tokens_user_id_token_type_key"
            | "mfa_amr_claims_session_id_authentication_method_pkey"
            | "revoked_sessions_pkey"
            | "signing_keys_pkey"
    )
}
