//! Second factors and their challenges.

use base::Timestamp;
use datatype::Datum;
use store::{OwnRow, OwnStatement, OwnStep};

use super::Records;
use super::sessions::lower;
use crate::error::Outcome;
use crate::settings::MOST_FACTORS;

/// A second factor, as it stands in `auth.mfa_factors`.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    pub(crate) id: String,
    pub(crate) friendly_name: Option<String>,
    /// `totp`, `phone` or `webauthn`.
    pub(crate) factor_type: String,
    pub(crate) is_verified: bool,
    /// Encrypted; as it is of a factor that GoTrue made.
    pub(crate) secret: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) last_challenged_at: Option<Timestamp>,
}

/// A challenge that was made for a factor.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    pub(crate) factor: String,
    pub(crate) created_at: Timestamp,
    pub(crate) is_used: bool,
    /// The address that asked for it.
    pub(crate) address: String,
}

macro_rules! select_factors {
    ($condition:literal) => {
        concat!(
            "SELECT id, friendly_name, factor_type, status, secret, created_at, updated_at, last_challenged_at \
             FROM auth.mfa_factors WHERE ",
            $condition,
            " ORDER BY created_at, id LIMIT 100"
        )
    };
}

pub(crate) const OF_USER: OwnStatement = OwnStatement::new(select_factors!("user_id = $1"), &["uuid"]);
pub(crate) const BY_EMAIL: OwnStatement = OwnStatement::new(
    select_factors!("user_id = (SELECT id FROM auth.users WHERE email = $1 AND is_sso_user = false)"),
    &["text"],
);
pub(crate) const OF_SESSION: OwnStatement =
    OwnStatement::new(select_factors!("user_id = (SELECT user_id FROM auth.sessions WHERE id = $1)"), &["uuid"]);
pub(crate) const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.mfa_factors (id, user_id, friendly_name, factor_type, status, secret, created_at, updated_at) \
     SELECT $1, $2, $3, $4, $8, $5, $6, $6 \
     WHERE (SELECT count(*) FROM auth.mfa_factors WHERE user_id = $2) < $7",
    &["uuid", "uuid", "text", "auth.factor_type", "text", "timestamptz", "bigint", "auth.factor_status"],
);
pub(crate) const VERIFY: OwnStatement = OwnStatement::new(
    "UPDATE auth.mfa_factors SET status = 'verified', updated_at = $2 WHERE id = $1",
    &["uuid", "timestamptz"],
);
pub(crate) const DELETE: OwnStatement = OwnStatement::new("DELETE FROM auth.mfa_factors WHERE id = $1", &["uuid"]);
pub(crate) const DELETE_ALL: OwnStatement =
    OwnStatement::new("DELETE FROM auth.mfa_factors WHERE user_id = $1", &["uuid"]);
const DELETE_UNVERIFIED: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.mfa_factors WHERE user_id = $1 AND status = 'unverified' AND id <> $2",
    &["uuid", "uuid"],
);
const DELETE_STALE: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.mfa_factors WHERE user_id = $1 AND status = 'unverified' AND created_at < $2",
    &["uuid", "timestamptz"],
);
const CHALLENGED: OwnStatement =
    OwnStatement::new("UPDATE auth.mfa_factors SET last_challenged_at = $2 WHERE id = $1", &["uuid", "timestamptz"]);
const INSERT_CHALLENGE: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.mfa_challenges (id, factor_id, created_at, ip_address) VALUES ($1, $2, $3, $4)",
    &["uuid", "uuid", "timestamptz", "inet"],
);
const CHALLENGE: OwnStatement = OwnStatement::new(
    "SELECT factor_id, created_at, verified_at, ip_address FROM auth.mfa_challenges WHERE id = $1",
    &["uuid"],
);
const USE_CHALLENGE: OwnStatement = OwnStatement::new(
    "UPDATE auth.mfa_challenges SET verified_at = $2 WHERE id = $1 AND verified_at IS NULL",
    &["uuid", "timestamptz"],
);
const FORGET_CHALLENGES: OwnStatement =
    OwnStatement::new("DELETE FROM auth.mfa_challenges WHERE created_at < $1", &["timestamptz"]);
const USE_CODE: OwnStatement =
    OwnStatement::new("INSERT INTO pando.used_codes (factor_id, step) VALUES ($1, $2)", &["uuid", "bigint"]);
const FORGET_CODES: OwnStatement = OwnStatement::new("DELETE FROM pando.used_codes WHERE step < $1", &["bigint"]);

impl Records {
    /// A challenge.
    pub(crate) async fn challenge(&self, id: &str) -> Outcome<Option<Challenge>> {
        let [found] = self.read([OwnStep::new(CHALLENGE, vec![Datum::from(id)])]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        Ok(Some(Challenge {
            factor: row.get("factor_id")?,
            created_at: row.get("created_at")?,
            is_used: row.get::<Option<Timestamp>>("verified_at")?.is_some(),
            address: row.get::<&str>("ip_address")?.to_owned(),
        }))
    }

    /// Forgets challenges and used codes that count no more.
    pub(crate) async fn forget_challenges(&self, before: Timestamp, step: i64) -> Outcome<()> {
        let steps =
            vec![OwnStep::new(FORGET_CHALLENGES, vec![before.into()]), OwnStep::new(FORGET_CODES, vec![step.into()])];
        self.write(steps).await?;
        Ok(())
    }
}

/// A factor of a row.
pub(crate) fn factor(row: &OwnRow) -> Outcome<Factor> {
    Ok(Factor {
        id: row.get("id")?,
        friendly_name: row.get("friendly_name")?,
        factor_type: row.get("factor_type")?,
        is_verified: row.get::<&str>("status")? == "verified",
        secret: row.get("secret")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        last_challenged_at: row.get("last_challenged_at")?,
    })
}

impl Factor {
    /// The steps that add it to an account that has room for it. Factors that were begun before `stale` and never verified go.
    pub(crate) fn enroll(&self, user: &str, stale: Timestamp) -> Vec<OwnStep> {
        let values = vec![
            self.id.clone().into(),
            user.into(),
            self.friendly_name.clone().into(),
            self.factor_type.clone().into(),
            self.secret.clone().into(),
            self.created_at.into(),
            i64::try_from(MOST_FACTORS).unwrap_or(i64::MAX).into(),
            "unverified".into(),
        ];
        vec![OwnStep::new(DELETE_STALE, vec![user.into(), stale.into()]), OwnStep::new(INSERT, values).exactly(1)]
    }

    /// The step that makes it one that counts.
    pub(crate) fn verified(&self, now: Timestamp) -> OwnStep {
        OwnStep::new(VERIFY, vec![self.id.clone().into(), now.into()]).exactly(1)
    }

    /// The steps that remove it. Sessions that were shown it are ones without a second factor from then on.
    pub(crate) fn delete(&self, now: Timestamp) -> Vec<OwnStep> {
        let mut steps = vec![OwnStep::new(DELETE, vec![self.id.clone().into()]).exactly(1)];
        steps.extend(lower(&self.id, now));
        steps
    }

    /// The steps that make a challenge for it.
    pub(crate) fn challenge(&self, id: &str, address: &str, now: Timestamp) -> Vec<OwnStep> {
        let own: Datum = self.id.clone().into();
        vec![
            OwnStep::new(INSERT_CHALLENGE, vec![id.into(), own.clone(), now.into(), address.into()]),
            OwnStep::new(CHALLENGED, vec![own, now.into()]),
        ]
    }

    /// The steps that use a challenge and a code up: each once.
    pub(crate) fn used(&self, challenge: &str, step: i64, now: Timestamp) -> Vec<OwnStep> {
        vec![
            OwnStep::new(USE_CHALLENGE, vec![challenge.into(), now.into()]).exactly(1),
            OwnStep::new(USE_CODE, vec![self.id.clone().into(), step.into()]),
        ]
    }
}

/// The step that removes the factors of an account that were never verified, but this one.
pub(crate) fn delete_unverified(user: &str, but: &str) -> OwnStep {
    OwnStep::new(DELETE_UNVERIFIED, vec![user.into(), but.into()])
}

/// The step that removes all factors of an account.
pub(crate) fn delete_all(user: &str) -> OwnStep {
    OwnStep::new(DELETE_ALL, vec![user.into()])
}
