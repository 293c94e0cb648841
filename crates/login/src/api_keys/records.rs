//! The table of API keys, in statements of the program's own.

use std::sync::Arc;

use base::{CallerKey, KeyScope, Period, QuotaUnit, Timestamp};
use datatype::Datum;
use identity::{ApiKey, ApiKeys, KeyKind, KeySpending, KeyUse};
use store::{OwnMigration, OwnMigrations, OwnRow, OwnStatement, OwnStep, Store, StoreError};

use super::quota::Quota;
use super::wish::Scope;

/// How the table comes to be.
pub static MIGRATIONS: OwnMigrations = OwnMigrations {
    owner: "api-keys",
    number: 3,
    schema: "pando",
    without: "auth.api_keys = \"off\"",
    all: &[
        OwnMigration {
            name: "0001_api_keys.sql",
            text: include_str!("../../migrations/pando_0001_api_keys.sql"),
            standing: &[],
        },
        OwnMigration {
            name: "0002_api_key_quotas.sql",
            text: include_str!("../../migrations/pando_0002_api_key_quotas.sql"),
            standing: &[],
        },
    ],
};

/// The most statements of one transaction.
const STEPS: usize = 64;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, kind, hash, hint, role, scope, created_at, changed_at, expires_at, revoked_at, last_used_at, \
             rotated_from, quota, quota_account FROM pando.api_keys ",
            $rest
        )
    };
}

/// What changed since a moment.
pub(super) const CHANGED: OwnStatement = OwnStatement::new(select!("WHERE changed_at >= $1"), &["timestamptz"]);
const ALL: OwnStatement = OwnStatement::new(select!("ORDER BY created_at, id"), &[]);
const BY_ID: OwnStatement = OwnStatement::new(select!("WHERE id = $1"), &["uuid"]);
pub(crate) const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.api_keys (id, name, kind, hash, hint, role, scope, created_at, changed_at, expires_at, rotated_from, \
     quota, quota_account) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), $9, $10, $11, $12)",
    &["uuid", "text", "text", "text", "text", "text", "jsonb", "timestamptz", "timestamptz", "uuid", "jsonb", "uuid"],
);
pub(crate) const EXPIRE: OwnStatement = OwnStatement::new(
    "UPDATE pando.api_keys SET expires_at = $3, changed_at = now() WHERE id = $1 AND changed_at = $2",
    &["uuid", "timestamptz", "timestamptz"],
);
pub(crate) const REVOKE: OwnStatement = OwnStatement::new(
    "UPDATE pando.api_keys SET revoked_at = $3, changed_at = now() WHERE id = $1 AND changed_at = $2",
    &["uuid", "timestamptz", "timestamptz"],
);
pub(crate) const BOUND: OwnStatement = OwnStatement::new(
    "UPDATE pando.api_keys SET quota = $3, changed_at = now() WHERE id = $1 AND changed_at = $2",
    &["uuid", "timestamptz", "jsonb"],
);
const USAGE: OwnStatement =
    OwnStatement::new("SELECT account, period, unit, since, used FROM pando.api_key_usage", &[]);
const FIRST_SPENT: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.api_key_usage (account, period, unit, since, used) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (account, period, unit) DO NOTHING",
    &["uuid", "text", "text", "timestamptz", "bigint"],
);
/// Several nodes tell of one quota: what is later or more counts.
const SPENT: OwnStatement = OwnStatement::new(
    "UPDATE pando.api_key_usage SET since = $4, used = $5 WHERE account = $1 AND period = $2 AND unit = $3 \
     AND (since < $4 OR (since = $4 AND used < $5))",
    &["uuid", "text", "text", "timestamptz", "bigint"],
);
const USED: OwnStatement = OwnStatement::new(
    "UPDATE pando.api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
    &["uuid", "timestamptz"],
);

/// A key as the table has it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRecord {
    /// Its id, a UUID.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Who may have it.
    pub kind: KeyKind,
    pub(super) hash: [u8; 32],
    /// Its first characters.
    pub hint: String,
    /// The role of requests without a user's token; `None` for that of its kind.
    pub role: Option<String>,
    /// What it is bound to.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    pub(super) changed_at: Timestamp,
    /// From when on it counts no more.
    pub expires_at: Option<Timestamp>,
    /// Since when it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, as far as that was told.
    pub last_used_at: Option<Timestamp>,
    /// The key whose place it takes.
    pub rotated_from: Option<String>,
    /// How much may be asked with it; `None` for as much as one likes.
    pub quota: Option<Quota>,
    /// The key that it shares the quota with: the first of those that took one another's place.
    pub(super) quota_account: Option<String>,
}

impl KeyRecord {
    fn read(row: &OwnRow) -> Result<Self, StoreError> {
        let id: String = row.get("id")?;
        let unreadable = |what: &str| {
            StoreError::Engine(format!("pando.api_keys has a {what} that is none; the key {id} counts as revoked"))
        };
        let scope: serde_json::Value = row.get("scope")?;
        let quota: Option<serde_json::Value> = row.get("quota")?;
        Ok(Self {
            name: row.get("name")?,
            kind: KeyKind::from_name(row.get("kind")?).ok_or_else(|| unreadable("kind"))?,
            hash: from_hex(row.get("hash")?).ok_or_else(|| unreadable("hash"))?,
            hint: row.get("hint")?,
            role: row.get("role")?,
            // A scope that cannot be understood must not become one of everything.
            scope: Scope::from_json(scope).map_err(|_| unreadable("scope"))?,
            created_at: row.get("created_at")?,
            changed_at: row.get("changed_at")?,
            expires_at: row.get("expires_at")?,
            revoked_at: row.get("revoked_at")?,
            last_used_at: row.get("last_used_at")?,
            rotated_from: row.get("rotated_from")?,
            // One that cannot be understood must not become none.
            quota: quota.map(Quota::from_json).transpose().map_err(|_| unreadable("quota"))?,
            quota_account: row.get("quota_account")?,
            id,
        })
    }

    /// What a row that cannot be understood counts as: revoked. `None` where it does not even say which key it is of.
    pub(super) fn unreadable(row: &OwnRow) -> Option<([u8; 32], ApiKey)> {
        let id: String = row.get("id").ok()?;
        let hash = from_hex(row.get("hash").ok()?)?;
        let caller = CallerKey { id: id.into(), scope: KeyScope::default(), quota: None, is_bound: true };
        let key = ApiKey {
            caller: Arc::new(caller),
            kind: KeyKind::Publishable,
            role: None,
            networks: Vec::new(),
            expires_at: None,
            revoked_at: Some(Timestamp(0)),
        };
        Some((hash, key))
    }

    /// What is looked at per request.
    pub(super) fn in_memory(&self) -> ([u8; 32], ApiKey) {
        let key = ApiKey {
            caller: Arc::new(CallerKey {
                id: self.id.as_str().into(),
                scope: self.scope.of_caller(),
                quota: self.counted(),
                is_bound: self.scope != Scope::default() || self.expires_at.is_some() || self.quota.is_some(),
            }),
            kind: self.kind,
            role: self.role.as_deref().map(Arc::from),
            networks: self.scope.networks.clone(),
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        };
        (self.hash, key)
    }
}

/// Reads rows, each by itself, and has `keys` know what they say: a newer release may have written one that makes no sense here,
/// which is no reason to miss that another was revoked. Gives what could not be read.
pub(super) fn take(rows: &[OwnRow], keys: &ApiKeys) -> Vec<StoreError> {
    let mut problems = Vec::new();
    let known = rows.iter().filter_map(|row| match KeyRecord::read(row) {
        Ok(record) => Some(record.in_memory()),
        Err(problem) => {
            problems.push(problem);
            KeyRecord::unreadable(row)
        }
    });
    keys.put(known.collect::<Vec<_>>());
    problems
}

/// Makes the tables where they are missing.
///
/// # Errors
/// [`StoreError::Migration`] where the role that logs in may not make them.
pub async fn make_tables(store: &dyn Store) -> Result<(), StoreError> {
    for place in 0..MIGRATIONS.all.len() {
        store.apply_own(&MIGRATIONS, place).await?;
    }
    Ok(())
}

/// All that can be read.
pub(super) async fn all(store: &dyn Store) -> Result<Vec<KeyRecord>, StoreError> {
    Ok(rows(store).await?.iter().filter_map(|row| KeyRecord::read(row).ok()).collect())
}

/// All rows.
pub(super) async fn rows(store: &dyn Store) -> Result<Vec<OwnRow>, StoreError> {
    let answers = store.consult(vec![OwnStep::new(ALL, [])]).await?;
    Ok(answers.into_iter().next().map_or_else(Vec::new, |answer| answer.rows))
}

pub(super) async fn by_id(store: &dyn Store, id: &str) -> Result<Option<KeyRecord>, StoreError> {
    let answers = store.consult(vec![OwnStep::new(BY_ID, [id.into()])]).await?;
    answers.first().and_then(|answer| answer.rows.first()).map(KeyRecord::read).transpose()
}

/// The step that puts a key in.
pub(super) fn insert(record: &KeyRecord) -> OwnStep {
    let quota = record.quota.map(|quota| quota.to_json().to_string());
    let values: [Datum; 12] = [
        record.id.as_str().into(),
        record.name.as_str().into(),
        record.kind.name().into(),
        to_hex(&record.hash).into(),
        record.hint.as_str().into(),
        record.role.clone().into(),
        record.scope.to_json().to_string().into(),
        record.created_at.into(),
        record.expires_at.into(),
        record.rotated_from.clone().into(),
        quota.into(),
        record.quota_account.clone().into(),
    ];
    OwnStep::new(INSERT, values).exactly(1)
}

/// The step that lets a key count until a moment, if nobody has changed it meanwhile.
pub(super) fn expire(record: &KeyRecord, at: Timestamp) -> OwnStep {
    OwnStep::new(EXPIRE, [record.id.as_str().into(), record.changed_at.into(), at.into()]).exactly(1)
}

/// The step that revokes a key, if nobody has changed it meanwhile.
pub(super) fn revoke(record: &KeyRecord, at: Timestamp) -> OwnStep {
    OwnStep::new(REVOKE, [record.id.as_str().into(), record.changed_at.into(), at.into()]).exactly(1)
}

/// The step that gives a key another quota, or none, if nobody has changed it meanwhile.
pub(super) fn bind(record: &KeyRecord, quota: Option<Quota>) -> OwnStep {
    let quota = quota.map(|quota| quota.to_json().to_string());
    OwnStep::new(BOUND, [record.id.as_str().into(), record.changed_at.into(), quota.into()]).exactly(1)
}

/// How much of quotas is used, as far as it was told.
pub(super) async fn spendings(store: &dyn Store) -> Result<Vec<KeySpending>, StoreError> {
    let answers = store.consult(vec![OwnStep::new(USAGE, [])]).await?;
    answers.first().map_or(Ok(Vec::new()), |answer| answer.rows.iter().map(spending).collect())
}

fn spending(row: &OwnRow) -> Result<KeySpending, StoreError> {
    let unreadable = |what: &str| StoreError::Engine(format!("pando.api_key_usage has a {what} that is none"));
    let account: String = row.get("account")?;
    let used: i64 = row.get("used")?;
    Ok(KeySpending {
        account: account.into(),
        period: Period::from_word(row.get("period")?).ok_or_else(|| unreadable("period"))?,
        unit: QuotaUnit::from_word(row.get("unit")?).ok_or_else(|| unreadable("unit"))?,
        since: row.get("since")?,
        used: u64::try_from(used).map_err(|_| unreadable("number"))?,
    })
}

/// Writes down how much of quotas is used.
pub(super) async fn note_spendings(store: &dyn Store, spendings: &[KeySpending]) -> Result<(), StoreError> {
    for some in spendings.chunks(STEPS / 2) {
        let step = |noted: &KeySpending| {
            let used = i64::try_from(noted.used).unwrap_or(i64::MAX);
            let values: [Datum; 5] = [
                Datum::from(&*noted.account),
                noted.period.word().into(),
                noted.unit.word().into(),
                noted.since.into(),
                used.into(),
            ];
            [OwnStep::new(FIRST_SPENT, values.clone()), OwnStep::new(SPENT, values)]
        };
        store.transact(some.iter().flat_map(step).collect()).await?;
    }
    Ok(())
}

/// Writes down when keys were used last.
pub(super) async fn note_uses(store: &dyn Store, uses: &[KeyUse]) -> Result<(), StoreError> {
    for some in uses.chunks(STEPS) {
        let step = |noted: &KeyUse| OwnStep::new(USED, [Datum::from(&*noted.id), noted.at.into()]);
        store.transact(some.iter().map(step).collect()).await?;
    }
    Ok(())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
