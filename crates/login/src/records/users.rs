//! Accounts.

use base::Timestamp;
use datatype::Datum;
use store::{OwnAnswer, OwnRow, OwnStatement, OwnStep};

use super::Records;
use super::factors::{self, Factor};
pub(crate) use super::identities::Identity;
use super::identities::{FORGET_IDENTITIES, IDENTITIES, IDENTITIES_BY_EMAIL, OWNER, identity};
use crate::error::{Outcome, Refusal};
use crate::metadata::Metadata;

/// An account, as it stands in `auth.users`.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) aud: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) email_confirmed_at: Option<Timestamp>,
    pub(crate) phone_confirmed_at: Option<Timestamp>,
    pub(crate) invited_at: Option<Timestamp>,
    pub(crate) confirmation_sent_at: Option<Timestamp>,
    pub(crate) recovery_sent_at: Option<Timestamp>,
    /// The address that is to take the place of `email`; empty when none is.
    pub(crate) email_change: String,
    pub(crate) email_change_sent_at: Option<Timestamp>,
    /// How many of both addresses have agreed to the change.
    pub(crate) email_change_confirm_status: i64,
    pub(crate) reauthentication_sent_at: Option<Timestamp>,
    pub(crate) last_sign_in_at: Option<Timestamp>,
    pub(crate) app_metadata: Metadata,
    pub(crate) user_metadata: Metadata,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) banned_until: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) is_sso_user: bool,
    pub(crate) is_anonymous: bool,
    pub(crate) identities: Vec<Identity>,
    pub(crate) factors: Vec<Factor>,
    /// What operators change with SQL of their own, as it was read.
    pub(crate) former: Former,
}

/// What operators change with SQL of their own, which need not say when: only what was changed here is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Former {
    role: Option<String>,
    app_metadata: Metadata,
    banned_until: Option<Timestamp>,
}

macro_rules! select_user {
    ($condition:literal) => {
        concat!(
            "SELECT id, aud, role, email, phone, encrypted_password, email_confirmed_at, phone_confirmed_at, invited_at, \
             confirmation_sent_at, recovery_sent_at, email_change, email_change_sent_at, email_change_confirm_status, \
             reauthentication_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, \
             banned_until, deleted_at, is_sso_user, is_anonymous FROM auth.users WHERE ",
            $condition
        )
    };
}

pub(crate) const BY_ID: OwnStatement = OwnStatement::new(select_user!("id = $1"), &["uuid"]);
const BY_EMAIL: OwnStatement = OwnStatement::new(select_user!("email = $1 AND is_sso_user = false"), &["text"]);
pub(crate) const OF_SESSION: OwnStatement =
    OwnStatement::new(select_user!("id = (SELECT user_id FROM auth.sessions WHERE id = $1)"), &["uuid"]);
const PAGE: OwnStatement = OwnStatement::new(
    select_user!("aud = $1 ORDER BY created_at DESC, id LIMIT $2 OFFSET $3"),
    &["text", "bigint", "bigint"],
);
const COUNT: OwnStatement = OwnStatement::new("SELECT count(*) AS total FROM auth.users WHERE aud = $1", &["text"]);

pub(crate) const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at, \
     confirmation_sent_at, recovery_sent_at, email_change, email_change_sent_at, email_change_confirm_status, \
     reauthentication_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, banned_until, deleted_at, \
     is_anonymous, created_at, updated_at, confirmation_token, recovery_token, email_change_token_new, \
     email_change_token_current) \
     VALUES ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
     $17, $18, $19, $20, $21, '', '', '', '')",
    &[
        "uuid",
        "text",
        "text",
        "text",
        "text",
        "timestamptz",
        "timestamptz",
        "timestamptz",
        "timestamptz",
        "text",
        "timestamptz",
        "smallint",
        "timestamptz",
        "timestamptz",
        "jsonb",
        "jsonb",
        "timestamptz",
        "timestamptz",
        "boolean",
        "timestamptz",
        "timestamptz",
    ],
);

/// Guarded by the moment of the last change: who decided over an older state decides again.
pub(crate) const UPDATE: OwnStatement = OwnStatement::new(
    "UPDATE auth.users SET aud = $2, role = CASE WHEN $22 THEN $3 ELSE role END, email = $4, encrypted_password = $5, email_confirmed_at = $6, \
     invited_at = $7, confirmation_sent_at = $8, recovery_sent_at = $9, email_change = $10, email_change_sent_at = $11, \
     email_change_confirm_status = $12, reauthentication_sent_at = $13, last_sign_in_at = $14, \
     raw_app_meta_data = CASE WHEN $23 THEN $15 ELSE raw_app_meta_data END, raw_user_meta_data = $16, \
     banned_until = CASE WHEN $24 THEN $17 ELSE banned_until END, deleted_at = $18, is_anonymous = $19, updated_at = $20 \
     WHERE id = $1 AND (updated_at = $21 OR updated_at IS NULL)",
    &[
        "uuid",
        "text",
        "text",
        "text",
        "text",
        "timestamptz",
        "timestamptz",
        "timestamptz",
        "timestamptz",
        "text",
        "timestamptz",
        "smallint",
        "timestamptz",
        "timestamptz",
        "jsonb",
        "jsonb",
        "timestamptz",
        "timestamptz",
        "boolean",
        "timestamptz",
        "timestamptz",
        "boolean",
        "boolean",
        "boolean",
    ],
);

macro_rules! signed_in {
    ($condition:literal) => {
        concat!(
            "UPDATE auth.users SET last_sign_in_at = $2 WHERE id = $1 AND deleted_at IS NULL \
             AND (banned_until IS NULL OR banned_until <= $2)",
            $condition
        )
    };
}

/// That somebody signed in, if nobody has banned or removed the account meanwhile. Two at once may both say so.
const SIGNED_IN: OwnStatement = OwnStatement::new(signed_in!(""), &["uuid", "timestamptz"]);
const SIGNED_IN_BY_PASSWORD: OwnStatement =
    OwnStatement::new(signed_in!(" AND encrypted_password = $3"), &["uuid", "timestamptz", "text"]);

/// A hash of the same password that costs more.
const REHASHED: OwnStatement = OwnStatement::new(
    "UPDATE auth.users SET encrypted_password = $3 WHERE id = $1 AND encrypted_password = $2",
    &["uuid", "text", "text"],
);

/// Nobody signs in, and nothing else of the account is decided, before the transaction has ended.
const HOLD: OwnStatement = OwnStatement::new("UPDATE auth.users SET updated_at = updated_at WHERE id = $1", &["uuid"]);

const FORGET_PHONE: OwnStatement = OwnStatement::new(
    "UPDATE auth.users SET phone = NULL, phone_change = '', phone_confirmed_at = NULL WHERE id = $1",
    &["uuid"],
);

pub(crate) const DELETE: OwnStatement = OwnStatement::new("DELETE FROM auth.users WHERE id = $1", &["uuid"]);

impl Records {
    /// The account with this number, with its identities and factors.
    pub(crate) async fn user(&self, id: &str) -> Outcome<Option<User>> {
        let value = || vec![Datum::from(id)];
        let [user, identities, factors] = self
            .read([
                OwnStep::new(BY_ID, value()),
                OwnStep::new(IDENTITIES, value()),
                OwnStep::new(factors::OF_USER, value()),
            ])
            .await?;
        whole(&user, &identities, &factors)
    }

    /// The account with this address.
    pub(crate) async fn user_by_email(&self, email: &str) -> Outcome<Option<User>> {
        let value = || vec![Datum::from(email)];
        let [user, identities, factors] = self
            .read([
                OwnStep::new(BY_EMAIL, value()),
                OwnStep::new(IDENTITIES_BY_EMAIL, value()),
                OwnStep::new(factors::BY_EMAIL, value()),
            ])
            .await?;
        whole(&user, &identities, &factors)
    }

    /// The account that is known to a provider under this name.
    pub(crate) async fn user_by_identity(&self, provider: &str, subject: &str) -> Outcome<Option<User>> {
        let [owner] = self.read([OwnStep::new(OWNER, vec![Datum::from(subject), Datum::from(provider)])]).await?;
        match owner.first() {
            Some(row) => self.user(row.get::<&str>("user_id")?).await,
            None => Ok(None),
        }
    }

    /// A page of accounts, the youngest first, without their identities, and how many there are.
    pub(crate) async fn page(&self, audience: &str, limit: i64, offset: i64) -> Outcome<(Vec<User>, i64)> {
        let page = vec![Datum::from(audience), Datum::from(limit), Datum::from(offset)];
        let [users, total] =
            self.read([OwnStep::new(PAGE, page), OwnStep::new(COUNT, vec![Datum::from(audience)])]).await?;
        let total = total.first().map_or(Ok(0), |row| row.get("total"))?;
        Ok((users.rows.iter().map(user).collect::<Outcome<_>>()?, total))
    }
}

/// An account with what belongs to it.
pub(crate) fn whole(found: &OwnAnswer, identities: &OwnAnswer, factors: &OwnAnswer) -> Outcome<Option<User>> {
    let Some(row) = found.first() else { return Ok(None) };
    let mut user = user(row)?;
    user.identities = identities.rows.iter().map(identity).collect::<Outcome<_>>()?;
    user.factors = factors.rows.iter().map(factors::factor).collect::<Outcome<_>>()?;
    Ok(Some(user))
}

fn user(row: &OwnRow) -> Outcome<User> {
    let former = Former {
        role: row.get("role")?,
        app_metadata: Metadata::stored(row.get("raw_app_meta_data")?),
        banned_until: row.get("banned_until")?,
    };
    let filled = |name: &str| Ok::<_, Refusal>(row.get::<Option<String>>(name)?.filter(|text| !text.is_empty()));
    Ok(User {
        id: row.get("id")?,
        aud: row.get("aud")?,
        role: former.role.clone(),
        email: filled("email")?,
        phone: filled("phone")?,
        password: filled("encrypted_password")?,
        email_confirmed_at: row.get("email_confirmed_at")?,
        phone_confirmed_at: row.get("phone_confirmed_at")?,
        invited_at: row.get("invited_at")?,
        confirmation_sent_at: row.get("confirmation_sent_at")?,
        recovery_sent_at: row.get("recovery_sent_at")?,
        email_change: filled("email_change")?.unwrap_or_default(),
        email_change_sent_at: row.get("email_change_sent_at")?,
        email_change_confirm_status: row.get::<Option<i64>>("email_change_confirm_status")?.unwrap_or(0),
        reauthentication_sent_at: row.get("reauthentication_sent_at")?,
        last_sign_in_at: row.get("last_sign_in_at")?,
        app_metadata: former.app_metadata.clone(),
        user_metadata: Metadata::stored(row.get("raw_user_meta_data")?),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        banned_until: former.banned_until,
        deleted_at: row.get("deleted_at")?,
        is_sso_user: row.get("is_sso_user")?,
        is_anonymous: row.get("is_anonymous")?,
        identities: Vec::new(),
        factors: Vec::new(),
        former,
    })
}

impl User {
    /// Whether somebody signed up for it and nobody has proven yet that it is theirs. What an operator made or invited was never
    /// sent the mail of a sign-up.
    pub(crate) fn is_unproven(&self) -> bool {
        let is_signed_up = self.confirmation_sent_at.is_some() && self.invited_at.is_none();
        let is_proven = self.email_confirmed_at.is_some() || self.phone_confirmed_at.is_some();
        is_signed_up && !is_proven && self.deleted_at.is_none()
    }

    /// Says that the mail of its sign-up was sent once more, if there was a sign-up.
    pub(crate) fn confirmed_again(&mut self, now: Timestamp) {
        self.confirmation_sent_at = self.confirmation_sent_at.map(|_| now);
    }

    /// The step that makes the account.
    pub(crate) fn insert(&self) -> OwnStep {
        let mut values = self.values();
        values.push(self.created_at.into());
        values.push(self.updated_at.into());
        OwnStep::new(INSERT, values)
    }

    /// The step that keeps what was changed since it was read; `now` is when.
    pub(crate) fn save(&self, now: Timestamp) -> OwnStep {
        // Never the same moment twice: it is what tells the states apart.
        let next = self.updated_at.map_or(now, |before| Timestamp(now.0.max(before.0.saturating_add(1))));
        let mut values = self.values();
        values.push(next.into());
        values.push(self.updated_at.into());
        values.push((self.role != self.former.role).into());
        values.push((self.app_metadata != self.former.app_metadata).into());
        values.push((self.banned_until != self.former.banned_until).into());
        OwnStep::new(UPDATE, values).exactly(1)
    }

    fn values(&self) -> Vec<Datum> {
        vec![
            self.id.clone().into(),
            self.aud.clone().into(),
            self.role.clone().into(),
            self.email.clone().into(),
            self.password.clone().into(),
            self.email_confirmed_at.into(),
            self.invited_at.into(),
            self.confirmation_sent_at.into(),
            self.recovery_sent_at.into(),
            self.email_change.clone().into(),
            self.email_change_sent_at.into(),
            self.email_change_confirm_status.into(),
            self.reauthentication_sent_at.into(),
            self.last_sign_in_at.into(),
            self.app_metadata.text().into(),
            self.user_metadata.text().into(),
            self.banned_until.into(),
            self.deleted_at.into(),
            self.is_anonymous.into(),
        ]
    }

    /// The step that says that it signed in.
    pub(crate) fn signed_in(&self, now: Timestamp) -> OwnStep {
        OwnStep::new(SIGNED_IN, vec![self.id.clone().into(), now.into()]).exactly(1)
    }

    /// The step that says that it signed in with its password, which is still the one that was verified: who has changed it meanwhile
    /// has ended all sessions that he knew of.
    pub(crate) fn signed_in_by_password(&self, now: Timestamp) -> OwnStep {
        let values = vec![self.id.clone().into(), now.into(), self.password.clone().into()];
        OwnStep::new(SIGNED_IN_BY_PASSWORD, values).exactly(1)
    }

    /// The step that puts a better hash of the same password in the place of the one that was verified.
    pub(crate) fn rehashed(&self, hash: String) -> OwnStep {
        OwnStep::new(REHASHED, vec![self.id.clone().into(), self.password.clone().into(), hash.into()])
    }

    /// The step that keeps others from the account until the transaction has ended: those who sign in change its row first.
    pub(crate) fn hold(&self) -> OwnStep {
        OwnStep::new(HOLD, vec![self.id.clone().into()]).exactly(1)
    }

    /// The step that removes it, with all that belongs to it.
    pub(crate) fn delete(&self) -> OwnStep {
        OwnStep::new(DELETE, vec![self.id.clone().into()]).exactly(1)
    }

    /// The step that removes its telephone numbers, which only GoTrue gave it.
    pub(crate) fn forget_phone(&self) -> OwnStep {
        OwnStep::new(FORGET_PHONE, vec![self.id.clone().into()])
    }

    /// The step that removes its identities.
    pub(crate) fn forget_identities(&self) -> OwnStep {
        OwnStep::new(FORGET_IDENTITIES, vec![self.id.clone().into()])
    }
}
