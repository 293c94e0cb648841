//! One-time tokens: what is sent by mail, of which only a hash is kept.

use base::Timestamp;
use datatype::Datum;
use store::{OwnRow, OwnStatement, OwnStep};

use super::Records;
use super::flows::forget_issued;
use crate::error::Outcome;

/// What a token is for: the labels of `auth.one_time_token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Confirmation,
    Recovery,
    ChangeNew,
    ChangeCurrent,
    Reauthentication,
}

impl TokenKind {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation_token",
            Self::Recovery => "recovery_token",
            Self::ChangeNew => "email_change_token_new",
            Self::ChangeCurrent => "email_change_token_current",
            Self::Reauthentication => "reauthentication_token",
        }
    }

    fn of(label: &str) -> Option<Self> {
        [Self::Confirmation, Self::Recovery, Self::ChangeNew, Self::ChangeCurrent, Self::Reauthentication]
            .into_iter()
            .find(|kind| kind.label() == label)
    }
}

/// A token that is still to be used.
#[derive(Debug, Clone)]
pub(crate) struct OneTimeToken {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) kind: TokenKind,
    /// The hash of its link.
    pub(crate) hash: String,
    /// The address that it was sent to.
    pub(crate) relates_to: String,
    pub(crate) created_at: Timestamp,
}

macro_rules! select_tokens {
    ($condition:literal) => {
        concat!(
            "SELECT id, user_id, token_type, token_hash, relates_to, created_at FROM auth.one_time_tokens WHERE ",
            $condition,
            " ORDER BY created_at DESC, id LIMIT 100"
        )
    };
}

const BY_HASH: OwnStatement = OwnStatement::new(select_tokens!("token_hash = $1"), &["text"]);
/// Accounts of others may be about to change to the same address: at most so many as an address is sent mails in the time that
/// they count.
const BY_ADDRESS: OwnStatement = OwnStatement::new(
    select_tokens!("relates_to = $1 AND (token_type = $2 OR token_type = $3) AND created_at > $4"),
    &["text", "auth.one_time_token_type", "auth.one_time_token_type", "timestamp"],
);
const OF_USER: OwnStatement = OwnStatement::new(select_tokens!("user_id = $1"), &["uuid"]);
const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $6)",
    &["uuid", "uuid", "auth.one_time_token_type", "text", "text", "timestamp"],
);
const FORGET: OwnStatement = OwnStatement::new(
    "DELETE FROM auth.one_time_tokens WHERE user_id = $1 AND token_type = $2",
    &["uuid", "auth.one_time_token_type"],
);
const FORGET_ALL: OwnStatement = OwnStatement::new("DELETE FROM auth.one_time_tokens WHERE user_id = $1", &["uuid"]);
const FORGET_OLD: OwnStatement =
    OwnStatement::new("DELETE FROM auth.one_time_tokens WHERE created_at < $1", &["timestamp"]);
const USE: OwnStatement = OwnStatement::new("DELETE FROM auth.one_time_tokens WHERE id = $1", &["uuid"]);

impl Records {
    /// The tokens whose link has this hash: one, or none.
    pub(crate) async fn tokens_by_hash(&self, hash: &str) -> Outcome<Vec<OneTimeToken>> {
        self.tokens(BY_HASH, hash).await
    }

    /// The tokens of some kinds that were sent to this address since a moment, the latest first.
    pub(crate) async fn tokens_by_address(
        &self,
        address: &str,
        [one, other]: [TokenKind; 2],
        since: Timestamp,
    ) -> Outcome<Vec<OneTimeToken>> {
        let values = vec![address.into(), one.label().into(), other.label().into(), since.into()];
        self.tokens_of_step(OwnStep::new(BY_ADDRESS, values)).await
    }

    /// The tokens of an account.
    pub(crate) async fn tokens_of(&self, user: &str) -> Outcome<Vec<OneTimeToken>> {
        self.tokens(OF_USER, user).await
    }

    async fn tokens(&self, statement: OwnStatement, value: &str) -> Outcome<Vec<OneTimeToken>> {
        self.tokens_of_step(OwnStep::new(statement, vec![Datum::from(value)])).await
    }

    async fn tokens_of_step(&self, step: OwnStep) -> Outcome<Vec<OneTimeToken>> {
        let [found] = self.read([step]).await?;
        let read = found.rows.iter().map(token).collect::<Outcome<Vec<_>>>()?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Forgets tokens that were made before a moment.
    pub(crate) async fn forget_tokens(&self, before: Timestamp) -> Outcome<()> {
        self.write(vec![OwnStep::new(FORGET_OLD, vec![before.into()])]).await?;
        Ok(())
    }
}

fn token(row: &OwnRow) -> Outcome<Option<OneTimeToken>> {
    let Some(kind) = TokenKind::of(row.get("token_type")?) else { return Ok(None) };
    Ok(Some(OneTimeToken {
        id: row.get("id")?,
        user: row.get("user_id")?,
        kind,
        hash: row.get("token_hash")?,
        relates_to: row.get("relates_to")?,
        created_at: row.get("created_at")?,
    }))
}

impl OneTimeToken {
    /// The steps that put it in the place of the one before it.
    pub(crate) fn issue(&self) -> Vec<OwnStep> {
        let values = vec![
            self.id.clone().into(),
            self.user.clone().into(),
            self.kind.label().into(),
            self.hash.clone().into(),
            self.relates_to.clone().into(),
            self.created_at.into(),
        ];
        vec![
            OwnStep::new(FORGET, vec![self.user.clone().into(), self.kind.label().into()]),
            OwnStep::new(INSERT, values),
        ]
    }

    /// The step that uses it up: once.
    pub(crate) fn used(&self) -> OwnStep {
        OwnStep::new(USE, vec![self.id.clone().into()]).exactly(1)
    }
}

/// The steps that make all tokens of an account void, and the codes that their links gave.
pub(crate) fn forget_all(user: &str) -> Vec<OwnStep> {
    vec![OwnStep::new(FORGET_ALL, vec![user.into()]), forget_issued(user)]
}
