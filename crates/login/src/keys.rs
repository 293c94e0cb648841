//! The keys that tokens are signed with: kept in `pando.signing_keys`, their private parts encrypted, followed by every node.
//! A new key is published before it signs, and stays published for as long as tokens of it count.

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use identity::{DerivedKey, SigningKey};
use serde_json::{Value, json};
use store::{OwnStatement, OwnStep, Store};

use crate::error::{Outcome, Refusal};
use crate::records::Records;

/// What the key that private parts are encrypted with is derived for.
pub(crate) const PURPOSE: &str = "signing keys";

/// How long a new key is published before it signs. Whoever verifies tokens by the key set may keep it for so long.
pub const OVERLAP: Duration = Duration::from_secs(600);

/// How much longer than its tokens count a key is published: clocks differ.
const LEEWAY: Duration = Duration::from_secs(120);

const LIST: OwnStatement = OwnStatement::new(
    "SELECT generation, id, private_key, created_at, signs_from, verifies_until FROM pando.signing_keys \
     ORDER BY generation DESC LIMIT 50",
    &[],
);
pub(crate) const INSERT: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.signing_keys (generation, id, private_key, created_at, signs_from) VALUES ($1, $2, $3, $4, $5)",
    &["bigint", "text", "text", "timestamptz", "timestamptz"],
);
pub(crate) const RETIRE: OwnStatement = OwnStatement::new(
    "UPDATE pando.signing_keys SET verifies_until = $2 WHERE generation < $1 AND (verifies_until IS NULL OR verifies_until > $2)",
    &["bigint", "timestamptz"],
);
const FORGET: OwnStatement =
    OwnStatement::new("DELETE FROM pando.signing_keys WHERE verifies_until < $1", &["timestamptz"]);

/// A key as it is kept.
#[derive(Debug, Clone)]
pub struct KeptKey {
    /// Which one, from 1.
    pub generation: i64,
    /// Its name in tokens.
    pub id: String,
    sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// From when on it is published no more; `None` while there is no younger one.
    pub verifies_until: Option<Timestamp>,
}

impl KeptKey {
    fn is_published(&self, now: Timestamp) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }
}

/// The keys that count at a moment.
pub(crate) struct KeyRing {
    /// Which kept keys it was made of: unchanged keys are not opened again.
    state: Vec<(i64, Timestamp, Option<Timestamp>)>,
    keys: Vec<(KeptKey, Arc<SigningKey>)>,
}

impl KeyRing {
    /// Opens the published ones of the kept keys.
    pub(crate) fn open(kept: Vec<KeptKey>, key: &DerivedKey, now: Timestamp) -> Outcome<Self> {
        let state = kept.iter().map(|one| (one.generation, one.signs_from, one.verifies_until)).collect();
        let keys = kept
            .into_iter()
            .filter(|one| one.is_published(now))
            .map(|one| {
                let opened = SigningKey::from_private(&key.open(&one.id, &one.sealed)?)?;
                Ok((one, Arc::new(opened)))
            })
            .collect::<Outcome<_>>()?;
        Ok(Self { state, keys })
    }

    /// Whether it was made of the same keys.
    pub(crate) fn is_of(&self, kept: &[KeptKey]) -> bool {
        kept.iter().map(|one| (one.generation, one.signs_from, one.verifies_until)).eq(self.state.iter().copied())
    }

    /// Whether one of its keys is published no more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.keys.iter().any(|(kept, _)| !kept.is_published(now))
    }

    /// The key that signs at `now`: the youngest that may.
    pub(crate) fn signer(&self, now: Timestamp) -> Outcome<&SigningKey> {
        let published = || self.keys.iter().filter(|(kept, _)| kept.is_published(now));
        published()
            .filter(|(kept, _)| kept.signs_from <= now)
            .max_by_key(|(kept, _)| kept.generation)
            // Clocks of nodes differ: the first key of all may be of another's future.
            .or_else(|| published().min_by_key(|(kept, _)| kept.generation))
            .map(|(_, key)| &**key)
            .ok_or_else(|| Refusal::internal("there is no key to sign tokens with"))
    }

    /// The public parts, as a JWK set.
    pub(crate) fn public(&self) -> Outcome<Value> {
        let keys = self.keys.iter().map(|(_, key)| Ok(key.public()?)).collect::<Outcome<Vec<_>>>()?;
        Ok(json!({"keys": keys}))
    }
}

/// All kept keys, the youngest first.
pub(crate) async fn list(records: &Records) -> Outcome<Vec<KeptKey>> {
    let [found] = records.read([OwnStep::new(LIST, [])]).await?;
    found
        .rows
        .iter()
        .map(|row| {
            Ok(KeptKey {
                generation: row.get("generation")?,
                id: row.get("id")?,
                sealed: row.get("private_key")?,
                created_at: row.get("created_at")?,
                signs_from: row.get("signs_from")?,
                verifies_until: row.get("verifies_until")?,
            })
        })
        .collect()
}

/// Makes the first key, unless there is one. Of several nodes at once one does.
pub(crate) async fn ensure(records: &Records, key: &DerivedKey, now: Timestamp) -> Outcome<Vec<KeptKey>> {
    let kept = list(records).await?;
    if !kept.is_empty() {
        return Ok(kept);
    }
    match records.write(vec![insert(1, &SigningKey::generate()?, key, now, now)?]).await {
        Ok(_) => {}
        Err(refusal) if refusal.is_missed => {}
        Err(refusal) => return Err(refusal),
    }
    list(records).await
}

fn insert(
    generation: i64,
    new: &SigningKey,
    key: &DerivedKey,
    now: Timestamp,
    signs_from: Timestamp,
) -> Outcome<OwnStep> {
    let sealed = key.seal(new.id(), new.private())?;
    let values = vec![generation.into(), new.id().into(), sealed.into(), now.into(), signs_from.into()];
    Ok(OwnStep::new(INSERT, values))
}

/// What the keys of a database are looked after with, by the commands of an operator.
pub struct SigningKeys {
    records: Records,
    key: DerivedKey,
}

/// Why keys could not be looked after.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

impl From<Refusal> for KeysError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.inside.unwrap_or_else(|| refusal.message.into_owned()))
    }
}

impl SigningKeys {
    /// The keys of a database, with the secret that they are encrypted with.
    ///
    /// # Errors
    /// See [`identity::Derivation::key`].
    pub fn new(store: Arc<dyn Store>, derivation: &identity::Derivation) -> Result<Self, KeysError> {
        let key = derivation.key(PURPOSE).map_err(Refusal::from)?;
        Ok(Self { records: Records { store }, key })
    }

    /// All of them, the youngest first.
    ///
    /// # Errors
    /// What the database met.
    pub async fn list(&self) -> Result<Vec<KeptKey>, KeysError> {
        Ok(list(&self.records).await?)
    }

    /// Makes a new key. It signs after [`OVERLAP`], or at once where the former cannot be trusted any more (`at_once`): then
    /// those are published no more either, and what they signed counts no more.
    ///
    /// # Errors
    /// What the database met.
    pub async fn rotate(&self, at_once: bool, access_token: Duration, now: Timestamp) -> Result<KeptKey, KeysError> {
        Ok(rotate(&self.records, &self.key, at_once, access_token, now).await?)
    }
}

/// See [`SigningKeys::rotate`].
pub(crate) async fn rotate(
    records: &Records,
    key: &DerivedKey,
    at_once: bool,
    access_token: Duration,
    now: Timestamp,
) -> Outcome<KeptKey> {
    let kept = ensure(records, key, now).await?;
    let generation = kept.first().map_or(1, |youngest| youngest.generation.saturating_add(1));
    let signs_from = if at_once { now } else { later(now, OVERLAP) };
    let ends = if at_once { now } else { later(signs_from, access_token.saturating_add(LEEWAY)) };
    let new = SigningKey::generate()?;
    let steps = vec![
        insert(generation, &new, key, now, signs_from)?,
        OwnStep::new(RETIRE, vec![generation.into(), ends.into()]),
        OwnStep::new(FORGET, vec![Timestamp(now.0.saturating_sub(30 * 86_400_000_000)).into()]),
    ];
    records.write(steps).await?;
    let made = list(records).await?.into_iter().find(|one| one.generation == generation);
    made.ok_or_else(|| Refusal::internal("the new key is not there"))
}

/// A moment and a while.
pub(crate) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    Timestamp(moment.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

/// A while before a moment.
pub(crate) fn earlier(moment: Timestamp, by: Duration) -> Timestamp {
    Timestamp(moment.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn kept(generation: i64, signs_from: i64, verifies_until: Option<i64>) -> KeptKey {
        let (new, key) = (SigningKey::generate().unwrap(), testing::key(PURPOSE));
        KeptKey {
            generation,
            id: new.id().to_owned(),
            sealed: key.seal(new.id(), new.private()).unwrap(),
            created_at: Timestamp(0),
            signs_from: Timestamp(signs_from),
            verifies_until: verifies_until.map(Timestamp),
        }
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_the_former_one_after() {
        let all = vec![kept(2, 100, None), kept(1, 0, Some(200))];
        let (old, new) = (all[1].id.clone(), all[0].id.clone());
        let ring = |now| KeyRing::open(all.clone(), &testing::key(PURPOSE), Timestamp(now)).unwrap();
        let published = |now| ring(now).public().unwrap()["keys"].as_array().unwrap().len();
        let signer = |now| ring(now).signer(Timestamp(now)).unwrap().id().to_owned();
        assert_eq!((published(50), signer(50)), (2, old.clone()));
        assert_eq!((published(100), signer(100)), (2, new.clone()));
        assert_eq!((published(200), signer(200)), (1, new));
        assert!(ring(50).is_over(Timestamp(200)) && !ring(50).is_over(Timestamp(199)));
        assert!(ring(50).is_of(&all) && !ring(50).is_of(&all[1..]));
        assert!(KeyRing::open(all, &testing::key("another"), Timestamp(0)).is_err(), "another secret");
    }
}
