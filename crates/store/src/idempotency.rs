//! Writes that are done once however often they are asked for (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header):
//! the answer is kept under the key in the transaction of the write. What both engines have in common.
//!
//! One transaction decides everything: either the write and its answer are both there, or neither is. A node that dies in
//! between leaves nothing that would have to be cleaned up, and whoever retries gets the answer or does the write.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use base::{Failure, Kind, Limit, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use sql::OwnStatement;

use crate::driver::{Body, GuardOutcome, Job, Observer, Ran, Reply, Store};
use crate::error::StoreError;
use crate::own::{OwnRow, OwnStep};
use crate::own_migration::{OwnMigration, OwnMigrations};
use crate::precondition::is_failed;
use crate::shelf::{MEASURE, Shelf};

/// The table of keys, made before those of the schema's author.
pub static MIGRATIONS: OwnMigrations = OwnMigrations {
    owner: "idempotency",
    number: 8,
    schema: "pando",
    without: "idempotency.enabled = \"auto\"",
    all: &[OwnMigration {
        name: "0001_idempotency.sql",
        text: include_str!("../migrations/0001_idempotency.sql"),
        standing: &[],
    }],
};

/// The name of the table in its schema `pando`.
pub const TABLE: &str = "idempotency";

/// The answer under a key.
pub(crate) const RECALL: OwnStatement = OwnStatement::new(
    "SELECT fingerprint, status, headers, body, expires_at FROM pando.idempotency WHERE key_hash = $1",
    &["bytea"],
);
/// On a file, where nobody else writes meanwhile: an answer that is no longer kept makes room for the new one.
pub(crate) const DISMISS: OwnStatement =
    OwnStatement::new("DELETE FROM pando.idempotency WHERE key_hash = $1", &["bytea"]);
/// On a file: the answer, once the write is done.
pub(crate) const KEEP: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.idempotency (key_hash, fingerprint, status, headers, body, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
    &["bytea", "bytea", "integer", "bytea", "bytea", "timestamptz", "timestamptz"],
);
/// On a server: takes the key, if nobody has it or is about to, without waiting for who is. The lock is there for that:
/// an insert alone would wait until the other transaction ends.
pub(crate) const CLAIM: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.idempotency AS known (key_hash, fingerprint, created_at, expires_at)
     SELECT $1, $2, $3, $4 WHERE pg_catalog.pg_try_advisory_xact_lock($5)
     ON CONFLICT (key_hash) DO UPDATE SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL,
       created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE known.expires_at <= excluded.created_at",
    &["bytea", "bytea", "timestamptz", "timestamptz", "bigint"],
);
/// On a server: the answer, once the write is done.
pub(crate) const COMPLETE: OwnStatement = OwnStatement::new(
    "UPDATE pando.idempotency SET status = $2, headers = $3, body = $4 WHERE key_hash = $1",
    &["bytea", "integer", "bytea", "bytea"],
);
/// Some of the answers that are no longer kept.
const SWEEP: OwnStatement = OwnStatement::new(
    "DELETE FROM pando.idempotency WHERE key_hash IN
     (SELECT key_hash FROM pando.idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    &["timestamptz", "bigint"],
);

/// The statements that both engines know, for tests.
pub static STATEMENTS: &[OwnStatement] = &[RECALL, DISMISS, KEEP, COMPLETE, SWEEP, MEASURE];
/// Those that only a server knows.
pub static STATEMENTS_OF_SERVERS: &[OwnStatement] = &[CLAIM];

/// A SHA-256.
pub type Digest = [u8; 32];

/// How an answer is made of what running gave.
pub type MakesAnswer = Arc<dyn Fn(Ran) -> Result<KeptAnswer, Failure> + Send + Sync>;

/// A write that is done once, and answered as often as it is asked for.
#[derive(Clone)]
pub struct Idempotency {
    /// Of who asks and their key: what is done once.
    pub key: Digest,
    /// Of what is asked: the key of another request is refused.
    pub fingerprint: Digest,
    /// Until when the answer is kept.
    pub expires_at: Timestamp,
    /// The most bytes of the answer. A write with a longer one is refused, since it could not be answered again.
    pub most_bytes: Limit,
    /// The room that it takes, together with all others.
    pub shelf: Arc<Shelf>,
    /// What is kept of what running gave; called inside of the transaction, so it must not block.
    pub answer: MakesAnswer,
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers that are of the API, not of the transport.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether it was kept by an earlier request, and nothing was written now.
    pub is_replayed: bool,
}

impl KeptAnswer {
    /// What running gave, of a write that is answered with this.
    pub(crate) fn ran(self, rows: u64) -> Ran {
        Ran {
            rows,
            total: None,
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            body: Body::Full(Bytes::new()),
            kept: Some(Box::new(self)),
        }
    }

    /// Headers as lines. Neither a name nor a value can hold an end of a line.
    fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in &self.headers {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        lines
    }

    fn read(status: i64, lines: &[u8], body: &[u8]) -> Option<Self> {
        let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
        let mut headers = HeaderMap::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(Self { status, headers, body: Bytes::copy_from_slice(body), is_replayed: true })
    }
}

/// What is known of a key.
pub(crate) enum Known {
    /// Nothing that still counts; whether there is something that does not.
    Nothing { is_expired: bool },
    /// The answer.
    Answer(KeptAnswer),
}

impl Idempotency {
    /// What a row of [`RECALL`] says of the key at this moment.
    ///
    /// # Errors
    /// 422: it is the key of another request.
    pub(crate) fn known(&self, row: Option<&OwnRow>, now: Timestamp) -> Result<Known, StoreError> {
        let Some(row) = row else { return Ok(Known::Nothing { is_expired: false }) };
        if row.get::<Timestamp>("expires_at")? <= now {
            return Ok(Known::Nothing { is_expired: true });
        }
        if row.get::<&[u8]>("fingerprint")? != self.fingerprint {
            return Err(of_another_request().into());
        }
        let kept = KeptAnswer::read(row.get("status")?, row.get("headers")?, row.get("body")?);
        let unreadable = || StoreError::Engine("an answer in pando.idempotency cannot be read".to_owned());
        kept.map(Known::Answer).ok_or_else(unreadable)
    }

    /// The answer of a write that was done, if it can be kept.
    ///
    /// # Errors
    /// 413: it is too long; 503: there is no room for it; what [`Idempotency::answer`] says.
    pub(crate) fn answered(&self, ran: Ran) -> Result<KeptAnswer, StoreError> {
        let kept = (self.answer)(ran)?;
        let length = kept.body.len().saturating_add(kept.lines().len());
        if self.most_bytes.is_exceeded_by(u64::try_from(length).unwrap_or(u64::MAX)) {
            return Err(too_long(self.most_bytes, length).into());
        }
        self.shelf.take(u64::try_from(length).unwrap_or(u64::MAX))?;
        Ok(kept)
    }

    /// [`RECALL`]
    pub(crate) fn recall(&self) -> OwnStep {
        OwnStep::new(RECALL, [self.key.to_vec().into()])
    }

    /// [`DISMISS`]
    pub(crate) fn dismiss(&self) -> OwnStep {
        OwnStep::new(DISMISS, [self.key.to_vec().into()]).exactly(1)
    }

    /// [`KEEP`]
    pub(crate) fn keep(&self, kept: &KeptAnswer, now: Timestamp) -> OwnStep {
        let [status, headers, body] = values(kept);
        let (key, fingerprint) = (self.key.to_vec().into(), self.fingerprint.to_vec().into());
        OwnStep::new(KEEP, [key, fingerprint, status, headers, body, now.into(), self.expires_at.into()]).exactly(1)
    }

    /// [`CLAIM`]
    pub(crate) fn claim(&self, now: Timestamp) -> OwnStep {
        let (key, fingerprint) = (self.key.to_vec().into(), self.fingerprint.to_vec().into());
        OwnStep::new(CLAIM, [key, fingerprint, now.into(), self.expires_at.into(), self.lock().into()])
    }

    /// [`COMPLETE`]
    pub(crate) fn complete(&self, kept: &KeptAnswer) -> OwnStep {
        let [status, headers, body] = values(kept);
        OwnStep::new(COMPLETE, [self.key.to_vec().into(), status, headers, body]).exactly(1)
    }

    /// The number of the key's lock. Two keys of one number are the rarest of accidents, which costs one of them a 409.
    fn lock(&self) -> i64 {
        self.key.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }
}

fn values(kept: &KeptAnswer) -> [datatype::Datum; 3] {
    [i64::from(kept.status.as_u16()).into(), kept.lines().into(), kept.body.to_vec().into()]
}

/// Deletes answers that are no longer kept, so many at most; gives how many these were.
///
/// # Errors
/// What the store meets.
pub async fn sweep(store: &dyn Store, now: Timestamp, most: i64) -> Result<u64, StoreError> {
    let answers = store.transact(vec![OwnStep::new(SWEEP, [now.into(), most.into()])]).await?;
    Ok(answers.first().map_or(0, |answer| answer.affected))
}

/// The keys that are at work in this process: who comes with one of them a second time is told so at once, on a file as on
/// a server, where other nodes are found by the lock.
pub(crate) struct Underway {
    keys: Mutex<HashSet<Digest>>,
    observer: Arc<dyn Observer>,
}

/// A key at work; it is free when this goes.
pub(crate) struct Turn<'u> {
    underway: &'u Underway,
    key: Digest,
}

impl Underway {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { keys: Mutex::default(), observer }
    }

    /// Takes the key of a job; `None` for a job without one.
    ///
    /// # Errors
    /// 409: it is taken.
    pub(crate) fn enter(&self, job: &Job) -> Result<Option<Turn<'_>>, StoreError> {
        let Some(idempotency) = &job.idempotency else { return Ok(None) };
        let key = idempotency.key;
        if self.keys.lock().insert(key) {
            return Ok(Some(Turn { underway: self, key }));
        }
        self.observer.guarded(GuardOutcome::InFlight);
        Err(in_flight().into())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.underway.keys.lock().remove(&self.key);
    }
}

/// 409: another request with the key is not answered yet.
pub(crate) fn in_flight() -> Failure {
    Failure::new(Kind::Conflict, IN_FLIGHT, "A request with this Idempotency-Key is still being worked on")
        .with_hint("Ask again after the number of seconds in Retry-After; you will get its answer.")
        .with_retry_after(1)
}

/// Tells what became of a write that is done once, or only if something holds.
pub(crate) fn observe(observer: &dyn Observer, job: &Job, outcome: Result<Option<&KeptAnswer>, &StoreError>) {
    let code = |error: &StoreError, code| matches!(error, StoreError::Refused(failure) if failure.code == code);
    let outcome = match outcome {
        Ok(Some(kept)) if kept.is_replayed => GuardOutcome::Replayed,
        Ok(Some(_)) => GuardOutcome::Kept,
        Err(error) if job.precondition.is_some() && is_failed(error) => GuardOutcome::PreconditionFailed,
        Err(error) if job.idempotency.is_some() && code(error, IN_FLIGHT) => GuardOutcome::InFlight,
        Err(error) if job.idempotency.is_some() && code(error, OF_ANOTHER) => GuardOutcome::OtherRequest,
        _ => return,
    };
    observer.guarded(outcome);
}

const IN_FLIGHT: &str = "PANDO409";
const OF_ANOTHER: &str = "PANDO422";

fn of_another_request() -> Failure {
    Failure::new(Kind::BadRequest, OF_ANOTHER, "This Idempotency-Key was used for another request")
        .with_details(
            "Method, path, query, body, Accept, Content-Type, profile, Prefer and conditions have to be the same.",
        )
        .with_hint("Make a new key for each thing that is to be done, and send it again only with the same request.")
}

fn too_long(most: Limit, length: usize) -> Failure {
    let Limit { name, value } = most;
    let message = format!("The answer has {length} bytes, and {name} = {value} are kept for an Idempotency-Key");
    Failure::new(Kind::TooLarge, "PANDO413", message)
        .with_details("Nothing was written.")
        .with_hint("Ask for less of it: Prefer: return=minimal, or fewer columns in select.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1: b"));
        headers.append("set-cookie", HeaderValue::from_static(""));
        headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let body = Bytes::from_static(b"\0\xff[]");
        let kept = KeptAnswer { status: StatusCode::CREATED, headers, body, is_replayed: true };
        assert_eq!(KeptAnswer::read(201, &kept.lines(), &kept.body), Some(kept));
        assert_eq!(KeptAnswer::read(20, b"", b""), None);
        assert_eq!(KeptAnswer::read(200, b"without a colon\n", b""), None);
    }
}
