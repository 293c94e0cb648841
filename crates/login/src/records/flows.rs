//! Sign-ins that end in another place than they began (PKCE, RFC 7636): who began one proves it with what he kept.

use base::Timestamp;
use datatype::Datum;
use store::{OwnStatement, OwnStep};

use super::Records;
use crate::error::Outcome;
use crate::external::Begun;

/// A sign-in that was begun.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) id: String,
    pub(crate) user: Option<String>,
    /// `s256` or `plain`.
    pub(crate) challenge_method: String,
    pub(crate) challenge: String,
    /// How it is signed in: `email/signup`, `magiclink`, `recovery`, `invite`, `email_change`, or [`EXTERNAL`].
    pub(crate) method: String,
    /// What another provider said, sealed.
    pub(crate) brought: Option<String>,
    pub(crate) issued_at: Option<Timestamp>,
}

/// The method of sign-ins with other providers, as GoTrue has it here and in `amr`.
pub(crate) const EXTERNAL: &str = "oauth";

const BY_CODE: OwnStatement = OwnStatement::new(
    "SELECT id, user_id, code_challenge_method, code_challenge, authentication_method, auth_code_issued_at, provider_access_token \
     FROM auth.flow_state WHERE auth_code = $1",
    &["text"],
);
const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.flow_state (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type, \
     authentication_method, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'email', $6, $7, $7)",
    &["uuid", "uuid", "text", "auth.code_challenge_method", "text", "text", "timestamptz"],
);
/// The latest flow of an account by one of two methods gets its code.
const ISSUE: OwnStatement = OwnStatement::new(
    "UPDATE auth.flow_state SET auth_code = $3, auth_code_issued_at = $4, updated_at = $4 WHERE id = \
     (SELECT id FROM auth.flow_state WHERE user_id = $1 AND (authentication_method = $2 OR authentication_method = $5) \
     ORDER BY created_at DESC, id LIMIT 1)",
    &["uuid", "text", "text", "timestamptz", "text"],
);
/// A state that came back from another provider. It is there once, which the key of the table sees to.
const COME_BACK: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.flow_state (id, auth_code, code_challenge_method, code_challenge, provider_type, authentication_method, \
     created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'oauth', $6, $6)",
    &["uuid", "text", "auth.code_challenge_method", "text", "text", "timestamptz"],
);
const BRING: OwnStatement = OwnStatement::new(
    "UPDATE auth.flow_state SET auth_code = $2, provider_access_token = $3, auth_code_issued_at = $4, updated_at = $4 \
     WHERE id = $1 AND auth_code_issued_at IS NULL",
    &["uuid", "text", "text", "timestamptz"],
);
/// The row stays, so that its state does not come back a second time.
const EMPTY: OwnStatement = OwnStatement::new(
    "UPDATE auth.flow_state SET auth_code = $3, provider_access_token = NULL, updated_at = $4 WHERE id = $1 AND auth_code = $2",
    &["uuid", "text", "text", "timestamptz"],
);
const USE: OwnStatement = OwnStatement::new("DELETE FROM auth.flow_state WHERE id = $1", &["uuid"]);
const FORGET: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.flow_state WHERE user_id = $1 AND authentication_method = $2",
    &["uuid", "text"],
);
const FORGET_ISSUED: OwnStatement =
    OwnStatement::new("DELETE FROM auth.flow_state WHERE user_id = $1 AND auth_code_issued_at IS NOT NULL", &["uuid"]);
const FORGET_USER: OwnStatement = OwnStatement::new("DELETE FROM auth.flow_state WHERE user_id = $1", &["uuid"]);
const FORGET_OLD: OwnStatement =
    OwnStatement::new("DELETE FROM auth.flow_state WHERE created_at < $1", &["timestamptz"]);

impl Records {
    /// The flow that a code ends, by the code's hash.
    pub(crate) async fn flow(&self, code_hash: &str) -> Outcome<Option<Flow>> {
        let [found] = self.read([OwnStep::new(BY_CODE, vec![Datum::from(code_hash)])]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        Ok(Some(Flow {
            id: row.get("id")?,
            user: row.get("user_id")?,
            challenge_method: row.get("code_challenge_method")?,
            challenge: row.get("code_challenge")?,
            method: row.get("authentication_method")?,
            issued_at: row.get("auth_code_issued_at")?,
            brought: row.get("provider_access_token")?,
        }))
    }

    /// Forgets flows that nobody ended.
    pub(crate) async fn forget_flows(&self, before: Timestamp) -> Outcome<()> {
        self.write(vec![OwnStep::new(FORGET_OLD, vec![before.into()])]).await?;
        Ok(())
    }
}

impl Flow {
    /// The steps that begin it. `nobody` is a code that nobody has.
    pub(crate) fn begin(&self, nobody: String, now: Timestamp) -> Vec<OwnStep> {
        let user: Datum = self.user.clone().into();
        let values = vec![
            self.id.clone().into(),
            user.clone(),
            nobody.into(),
            self.challenge_method.clone().into(),
            self.challenge.clone().into(),
            self.method.clone().into(),
            now.into(),
        ];
        vec![OwnStep::new(FORGET, vec![user, self.method.clone().into()]), OwnStep::new(INSERT, values)]
    }

    /// The step that ends it: once.
    pub(crate) fn used(&self) -> OwnStep {
        OwnStep::new(USE, vec![self.id.clone().into()]).exactly(1)
    }
}

/// The step that notes that a state came back. `nobody` is a code that nobody has.
pub(crate) fn come_back(begun: &Begun, nobody: String, now: Timestamp) -> OwnStep {
    let values = vec![
        begun.id.clone().into(),
        nobody.into(),
        begun.pkce.method.clone().into(),
        begun.pkce.challenge.clone().into(),
        begun.provider.clone().into(),
        now.into(),
    ];
    OwnStep::new(COME_BACK, values)
}

/// The step that keeps what another provider said, and gives the flow its code.
pub(crate) fn bring(flow: &str, code_hash: String, sealed: String, now: Timestamp) -> OwnStep {
    OwnStep::new(BRING, vec![flow.into(), code_hash.into(), sealed.into(), now.into()]).exactly(1)
}

/// The step that ends such a flow: once. `nobody` is a code that nobody has.
pub(crate) fn empty(flow: &str, code_hash: String, nobody: String, now: Timestamp) -> OwnStep {
    OwnStep::new(EMPTY, vec![flow.into(), code_hash.into(), nobody.into(), now.into()]).exactly(1)
}

/// The step that gives the flow of an account its code.
pub(crate) fn issue(user: &str, [one, other]: [&str; 2], code_hash: String, now: Timestamp) -> OwnStep {
    OwnStep::new(ISSUE, vec![user.into(), one.into(), code_hash.into(), now.into(), other.into()]).exactly(1)
}

/// The step that forgets all flows of an account.
pub(crate) fn forget_user(user: &str) -> OwnStep {
    OwnStep::new(FORGET_USER, vec![user.into()])
}

/// The step that makes the codes of an account void that nobody has ended yet.
pub(crate) fn forget_issued(user: &str) -> OwnStep {
    OwnStep::new(FORGET_ISSUED, vec![user.into()])
}
