//! Sessions, how they were signed in, and those that were signed out.

use base::Timestamp;
use datatype::Datum;
use store::{OwnAnswer, OwnStatement, OwnStep};

use super::identities::IDENTITIES_OF_SESSION;
use super::users::{OF_SESSION, User, whole};
use super::{Records, factors};
use crate::Settings;
use crate::error::Outcome;
use crate::keys::later;
use crate::refresh::Standing;

/// A session with who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) created_at: Option<Timestamp>,
    /// `aal1`, or `aal2` after a second factor.
    pub(crate) aal: String,
    pub(crate) standing: Standing,
    /// How it was signed in, and when, the latest first.
    pub(crate) methods: Vec<(String, Timestamp)>,
}

impl Session {
    /// When it ends by itself, as far as that is known now: at its time, or because nobody uses it.
    pub(crate) fn end(&self, settings: &Settings) -> Option<Timestamp> {
        let used = self.standing.rotated.or(self.created_at);
        let idle = settings.idle_session.zip(used).map(|(longest, used)| later(used, longest));
        [self.standing.not_after, idle].into_iter().flatten().min()
    }
}

const BY_ID: OwnStatement = OwnStatement::new(
    "SELECT id, created_at, aal, not_after, refreshed_at, refresh_token_counter FROM auth.sessions WHERE id = $1",
    &["uuid"],
);
const METHODS: OwnStatement = OwnStatement::new(
    "SELECT authentication_method, updated_at FROM auth.mfa_amr_claims WHERE session_id = $1 \
     ORDER BY updated_at DESC, id LIMIT 100",
    &["uuid"],
);
pub(crate) const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, not_after, refresh_token_counter) \
     VALUES ($1, $2, $3, $3, $4, $5, $6, 1)",
    &["uuid", "uuid", "timestamptz", "auth.aal_level", "text", "timestamptz"],
);
const INSERT_METHOD: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method) \
     VALUES ($1, $2, $3, $3, $4)",
    &["uuid", "uuid", "timestamptz", "text"],
);
const FORGET_METHOD: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.mfa_amr_claims WHERE session_id = $1 AND authentication_method = $2",
    &["uuid", "text"],
);
const ROTATE: OwnStatement = OwnStatement::new(
    "UPDATE auth.sessions SET refresh_token_counter = $3, refreshed_at = $4, updated_at = $5 \
     WHERE id = $1 AND refresh_token_counter = $2",
    &["uuid", "bigint", "bigint", "timestamp", "timestamptz"],
);
/// Guarded by the counter: the answer gives the latest refresh token, and another tab may be at it.
pub(crate) const ELEVATE: OwnStatement = OwnStatement::new(
    "UPDATE auth.sessions SET aal = 'aal2', factor_id = $2, updated_at = $3 \
     WHERE id = $1 AND coalesce(refresh_token_counter, 0) = $4",
    &["uuid", "uuid", "timestamptz", "bigint"],
);

/// A session that was shown a factor is one without, once that is gone: first what it says of it, then its level.
const FORGET_SHOWN: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.mfa_amr_claims WHERE authentication_method = 'totp' \
     AND session_id IN (SELECT id FROM auth.sessions WHERE factor_id = $1)",
    &["uuid"],
);
const LOWER: OwnStatement = OwnStatement::new(
    "UPDATE auth.sessions SET aal = 'aal1', factor_id = NULL, updated_at = $2 WHERE factor_id = $1",
    &["uuid", "timestamptz"],
);

macro_rules! revoke {
    ($condition:literal) => {
        concat!(
            "INSERT INTO pando.revoked_sessions (session_id, user_id, revoked_at, expires_at) \
             SELECT id, user_id, $2, $3 FROM auth.sessions WHERE ",
            $condition
        )
    };
}

pub(crate) const REVOKE_ONE: OwnStatement =
    OwnStatement::new(revoke!("id = $1"), &["uuid", "timestamptz", "timestamptz"]);
pub(crate) const REVOKE_ALL: OwnStatement =
    OwnStatement::new(revoke!("user_id = $1"), &["uuid", "timestamptz", "timestamptz"]);
pub(crate) const REVOKE_OTHERS: OwnStatement =
    OwnStatement::new(revoke!("user_id = $1 AND id <> $4"), &["uuid", "timestamptz", "timestamptz", "uuid"]);
pub(crate) const REVOKE_WEAKER: OwnStatement = OwnStatement::new(
    revoke!("user_id = $1 AND id <> $4 AND (aal IS NULL OR aal = 'aal1')"),
    &["uuid", "timestamptz", "timestamptz", "uuid"],
);
/// What was told to be signed out, and nothing that began meanwhile.
const END_REVOKED: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.sessions WHERE id IN (SELECT session_id FROM pando.revoked_sessions WHERE user_id = $1)",
    &["uuid"],
);
const REVOKED_OF: OwnStatement = OwnStatement::new(
    "SELECT session_id, expires_at FROM pando.revoked_sessions WHERE user_id = $1 AND expires_at > $2",
    &["uuid", "timestamptz"],
);
const REVOKED_SINCE: OwnStatement = OwnStatement::new(
    "SELECT session_id, expires_at FROM pando.revoked_sessions WHERE revoked_at > $1 AND expires_at > $2",
    &["timestamptz", "timestamptz"],
);
const FORGET_REVOKED: OwnStatement =
    OwnStatement::new("DELETE FROM pando.revoked_sessions WHERE expires_at < $1", &["timestamptz"]);

const FORGET_ENDED: OwnStatement =
    OwnStatement::new("DELETE FROM auth.sessions WHERE not_after < $1", &["timestamptz"]);
const FORGET_IDLE: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.sessions WHERE refreshed_at < $1 OR (refreshed_at IS NULL AND created_at < $2)",
    &["timestamp", "timestamptz"],
);

/// Which sessions of an account are signed out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// This one.
    One(&'a str),
    /// All of them.
    All,
    /// All but this one.
    Others(&'a str),
    /// All but this one that have not shown a second factor.
    Weaker(&'a str),
}

impl Records {
    /// A session and whose it is.
    pub(crate) async fn session(&self, id: &str) -> Outcome<Option<(Session, User)>> {
        let value = || vec![Datum::from(id)];
        let [session, methods, user, identities, factors] = self
            .read([
                OwnStep::new(BY_ID, value()),
                OwnStep::new(METHODS, value()),
                OwnStep::new(OF_SESSION, value()),
                OwnStep::new(IDENTITIES_OF_SESSION, value()),
                OwnStep::new(factors::OF_SESSION, value()),
            ])
            .await?;
        Ok(read(&session, &methods)?.zip(whole(&user, &identities, &factors)?))
    }

    /// The sessions that were signed out since a moment, on any node, with when the last of their tokens expires.
    pub(crate) async fn revoked_since(&self, since: Timestamp, now: Timestamp) -> Outcome<Vec<(Box<str>, i64)>> {
        let [found] = self.read([OwnStep::new(REVOKED_SINCE, vec![since.into(), now.into()])]).await?;
        revoked(&found)
    }

    /// Forgets the signed-out sessions whose last token has expired.
    pub(crate) async fn forget_revoked(&self, before: Timestamp) -> Outcome<()> {
        self.write(vec![OwnStep::new(FORGET_REVOKED, vec![before.into()])]).await?;
        Ok(())
    }

    /// Forgets sessions that ended by themselves before a moment or, where they do, that nobody has used since one.
    pub(crate) async fn forget_ended(&self, before: Timestamp, unused: Option<Timestamp>) -> Outcome<()> {
        let mut steps = vec![OwnStep::new(FORGET_ENDED, vec![before.into()])];
        steps.extend(unused.map(|since| OwnStep::new(FORGET_IDLE, vec![since.into(), since.into()])));
        self.write(steps).await?;
        Ok(())
    }
}

/// The signed-out sessions that a step read.
pub(crate) fn revoked(found: &OwnAnswer) -> Outcome<Vec<(Box<str>, i64)>> {
    let each = |row: &store::OwnRow| {
        Ok((row.get::<&str>("session_id")?.into(), row.get::<Timestamp>("expires_at")?.seconds() + 1))
    };
    found.rows.iter().map(each).collect()
}

fn read(session: &OwnAnswer, methods: &OwnAnswer) -> Outcome<Option<Session>> {
    let Some(row) = session.first() else { return Ok(None) };
    let methods = methods
        .rows
        .iter()
        .map(|row| Ok((row.get("authentication_method")?, row.get("updated_at")?)))
        .collect::<Outcome<_>>()?;
    Ok(Some(Session {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        aal: row.get::<Option<String>>("aal")?.unwrap_or_else(|| "aal1".to_owned()),
        standing: Standing {
            counter: row.get::<Option<i64>>("refresh_token_counter")?.unwrap_or(0),
            rotated: row.get("refreshed_at")?,
            not_after: row.get("not_after")?,
        },
        methods,
    }))
}

/// The steps that begin a session.
pub(crate) fn begin(session: &Session, user: &str, agent: &str, ids: &[String], now: Timestamp) -> Vec<OwnStep> {
    let mut steps = vec![OwnStep::new(
        INSERT,
        vec![
            session.id.clone().into(),
            user.into(),
            now.into(),
            session.aal.clone().into(),
            agent.into(),
            session.standing.not_after.into(),
        ],
    )];
    for ((method, moment), id) in session.methods.iter().zip(ids) {
        let values = vec![id.clone().into(), session.id.clone().into(), (*moment).into(), method.clone().into()];
        steps.push(OwnStep::new(INSERT_METHOD, values));
    }
    steps
}

/// The step that makes the next refresh token the latest, if the one before still is.
pub(crate) fn rotate(session: &str, from: i64, now: Timestamp) -> OwnStep {
    let to = from.saturating_add(1);
    OwnStep::new(ROTATE, vec![session.into(), from.into(), to.into(), now.into(), now.into()]).exactly(1)
}

/// The steps that make a session one with a second factor.
pub(crate) fn elevate(session: &Session, factor: &str, method: &str, id: String, now: Timestamp) -> Vec<OwnStep> {
    let (own, counter): (Datum, Datum) = (session.id.as_str().into(), session.standing.counter.into());
    vec![
        OwnStep::new(ELEVATE, vec![own.clone(), factor.into(), now.into(), counter]).exactly(1),
        OwnStep::new(FORGET_METHOD, vec![own.clone(), method.into()]),
        OwnStep::new(INSERT_METHOD, vec![id.into(), own, now.into(), method.into()]),
    ]
}

/// The steps that make the sessions that were shown a factor ones without.
pub(crate) fn lower(factor: &str, now: Timestamp) -> Vec<OwnStep> {
    vec![OwnStep::new(FORGET_SHOWN, vec![factor.into()]), OwnStep::new(LOWER, vec![factor.into(), now.into()])]
}

/// The steps that sign sessions of an account out; the last of them reads which ones. `expires` is when the last access token
/// of theirs does.
pub(crate) fn end(user: &str, scope: Scope<'_>, now: Timestamp, expires: Timestamp) -> Vec<OwnStep> {
    let (statement, mut values) = match scope {
        Scope::One(session) => (REVOKE_ONE, vec![session.into(), now.into(), expires.into()]),
        Scope::All => (REVOKE_ALL, vec![user.into(), now.into(), expires.into()]),
        Scope::Others(_) => (REVOKE_OTHERS, vec![user.into(), now.into(), expires.into()]),
        Scope::Weaker(_) => (REVOKE_WEAKER, vec![user.into(), now.into(), expires.into()]),
    };
    if let Scope::Others(own) | Scope::Weaker(own) = scope {
        values.push(own.into());
    }
    vec![
        OwnStep::new(statement, values),
        OwnStep::new(END_REVOKED, vec![user.into()]),
        OwnStep::new(REVOKED_OF, vec![user.into(), now.into()]),
    ]
}
