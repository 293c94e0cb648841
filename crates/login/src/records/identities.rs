//! Identities: the ways in which accounts are known elsewhere.

use base::Timestamp;
use serde_json::{Map, Value};
use store::{OwnRow, OwnStatement, OwnStep};

use crate::error::Outcome;

/// One of the ways in which an account is known elsewhere, as it stands in `auth.identities`.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) provider_id: String,
    pub(crate) provider: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) last_sign_in_at: Option<Timestamp>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
}

macro_rules! select_identities {
    ($condition:literal) => {
        concat!(
            "SELECT id, user_id, provider_id, provider, identity_data, last_sign_in_at, created_at, updated_at \
             FROM auth.identities WHERE ",
            $condition,
            " ORDER BY created_at, id LIMIT 100"
        )
    };
}

pub(crate) const IDENTITIES: OwnStatement = OwnStatement::new(select_identities!("user_id = $1"), &["uuid"]);
pub(super) const IDENTITIES_BY_EMAIL: OwnStatement = OwnStatement::new(
    select_identities!("user_id = (SELECT id FROM auth.users WHERE email = $1 AND is_sso_user = false)"),
    &["text"],
);
pub(crate) const IDENTITIES_OF_SESSION: OwnStatement =
    OwnStatement::new(select_identities!("user_id = (SELECT user_id FROM auth.sessions WHERE id = $1)"), &["uuid"]);

pub(crate) const INSERT_IDENTITY: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.identities (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    &["uuid", "text", "uuid", "jsonb", "text", "timestamptz", "timestamptz", "timestamptz"],
);
const UPDATE_IDENTITY: OwnStatement = OwnStatement::new(
    "UPDATE auth.identities SET identity_data = $2, updated_at = $3 WHERE id = $1",
    &["uuid", "jsonb", "timestamptz"],
);
const SIGNED_IN_BY: OwnStatement = OwnStatement::new(
    "UPDATE auth.identities SET identity_data = $2, last_sign_in_at = $3, updated_at = $3 WHERE id = $1",
    &["uuid", "jsonb", "timestamptz"],
);
pub(super) const OWNER: OwnStatement = OwnStatement::new(
    "SELECT user_id FROM auth.identities WHERE provider_id = $1 AND provider = $2",
    &["text", "text"],
);
pub(crate) const DELETE_IDENTITY: OwnStatement =
    OwnStatement::new("DELETE FROM auth.identities WHERE id = $1", &["uuid"]);
pub(crate) const FORGET_IDENTITIES: OwnStatement =
    OwnStatement::new("DELETE FROM auth.identities WHERE user_id = $1", &["uuid"]);

/// An identity of a row.
pub(crate) fn identity(row: &OwnRow) -> Outcome<Identity> {
    let data: Value = row.get("identity_data")?;
    Ok(Identity {
        id: row.get("id")?,
        provider_id: row.get("provider_id")?,
        provider: row.get("provider")?,
        data: if let Value::Object(data) = data { data } else { Map::new() },
        last_sign_in_at: row.get("last_sign_in_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

impl Identity {
    /// The step that adds it to an account.
    pub(crate) fn insert(&self, user: &str) -> OwnStep {
        OwnStep::new(
            INSERT_IDENTITY,
            vec![
                self.id.clone().into(),
                self.provider_id.clone().into(),
                user.into(),
                Value::Object(self.data.clone()).to_string().into(),
                self.provider.clone().into(),
                self.last_sign_in_at.into(),
                self.created_at.into(),
                self.updated_at.into(),
            ],
        )
    }

    /// The step that keeps what its provider says now, and that somebody signed in by it.
    pub(crate) fn signed_in(&self, now: Timestamp) -> OwnStep {
        let data = Value::Object(self.data.clone()).to_string();
        OwnStep::new(SIGNED_IN_BY, vec![self.id.clone().into(), data.into(), now.into()]).exactly(1)
    }

    /// The step that removes it.
    pub(crate) fn delete(&self) -> OwnStep {
        OwnStep::new(DELETE_IDENTITY, vec![self.id.clone().into()]).exactly(1)
    }

    /// The step that keeps what was changed.
    pub(crate) fn save(&self, now: Timestamp) -> OwnStep {
        let data = Value::Object(self.data.clone()).to_string();
        OwnStep::new(UPDATE_IDENTITY, vec![self.id.clone().into(), data.into(), now.into()])
    }
}
