//! Recall: what was answered is answered again, as long as it is what the database would give.
//!
//! Three things make that exact. The key is made of the statements themselves and of whatever else they depend on, so nobody is shown
//! what was another one's to see. The counters of what changes ([`store::Changes`]) are noted *before* the moment of a reading is chosen,
//! and an entry is shown only while they are the same. And where others write as well, [`store::Store::catch_up`] brings in what they
//! have done before a kept answer is looked at.

mod check;
mod entry;
mod flights;
mod known;
mod others;
mod packed;
mod question;
mod reading;
mod reasons;
mod rule;
mod told;

use std::hash::Hash as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Failure, Kind};
use cache::{ResponseKey, Responses};
use catalog::{Catalog, ClaimsAsked};
use freshness::RequestDirectives;
use http::HeaderMap;
use parking_lot::Mutex;
use plan::Operation;
use sha2::{Digest as _, Sha256};
use store::{Job, PositionToken, Ran, Sources, Stamp, Store, StoreError};
use telemetry::{AnswersNotKept, RecallAsked, Telemetry};

use crate::caches::Lease;
use entry::Entry;
use flights::{Failed, Flights, Turn, ended};
pub(crate) use known::{Known, Shown};
pub use others::SharedAnswers;
use question::Sha;
use reasons::Reasons;
pub use rule::{Age, Lifetime, RecallSettings, Rule};
pub(crate) use told::Told;
use told::Way;

/// How often one waits for what others read. Each time something was written meanwhile, or the reading failed; after that it is read
/// without waiting, so that nobody waits for ever.
const MOST_WAITS: u32 = 4;

/// With `session`, how long ago it was at most that others' changes were looked for; they are each second, if the server answers.
const SESSION_BOUND: Duration = Duration::from_secs(2);

/// How long nobody waits for what others have changed after that was not told in time.
const BLIND_FOR: Duration = Duration::from_secs(3);

/// Until when it is not known what others have changed.
#[derive(Debug, Default)]
struct Blind(Option<Instant>);

impl Blind {
    /// Whether it is not known now. When that is over, for whoever asks first, it begins anew for all others.
    fn replace_if_over(&mut self, now: Instant) -> bool {
        match &mut self.0 {
            None => false,
            Some(until) if now < *until => true,
            Some(until) => {
                *until = now + BLIND_FOR;
                false
            }
        }
    }
}

/// The keeper of answers.
pub struct Recall {
    settings: RecallSettings,
    kept: Arc<dyn Responses<Entry>>,
    /// What other nodes have read.
    others: Option<SharedAnswers>,
    flights: Flights,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    /// The catalog that keys were last made for, with its hash.
    catalog: Mutex<Option<(Arc<Catalog>, [u8; 32])>>,
    /// The next moment of a reading.
    moments: AtomicU64,
    /// Kept answers that were shown, modulo those that are checked.
    shown: AtomicU32,
    blind_until: Mutex<Blind>,
    /// The reasons why answers are not kept that stand in the log.
    told: Reasons,
}

/// A question that may have been answered before.
#[derive(Debug, Clone)]
struct Question {
    key: ResponseKey,
    sources: Arc<Sources>,
    rule: Rule,
    asked: RequestDirectives,
    /// For how long caches in front may keep the answer; `None` for not at all.
    cdn: Option<Duration>,
}

impl Question {
    /// What caches in front may do with an answer that was read with this stamp.
    fn lease(&self, stamp: Option<&Stamp>) -> Option<Lease> {
        let (lifetime, stamp) = self.cdn.zip(stamp)?;
        Some(Lease { lifetime, sources: self.sources.clone(), stamp: stamp.clone() })
    }
}

/// Whether an entry may be shown.
enum Verdict {
    /// It is what is wanted; with its age where that counts.
    Fresh(Option<Duration>),
    /// It is shown, and a newer one is fetched.
    ShownMeanwhile(Duration),
    /// It is too old.
    Stale,
}

impl Recall {
    /// Keeps answers in the memory of this process, and on a server that other nodes share.
    pub fn new(
        settings: RecallSettings,
        others: Option<SharedAnswers>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Arc<Self> {
        let kept = Arc::new(cache::MemoryResponses::new(settings.most_bytes));
        Arc::new(Self {
            settings,
            kept,
            others,
            flights: Flights::default(),
            store,
            clock,
            telemetry,
            catalog: Mutex::new(None),
            moments: AtomicU64::new(1),
            shown: AtomicU32::new(0),
            blind_until: Mutex::default(),
            told: Reasons::default(),
        })
    }

    /// How many answers are kept in memory, and how many bytes they take.
    pub fn held(&self) -> (u64, u64) {
        self.kept.held()
    }

    /// Answers a job: by what is kept, or by running it. Says as well how it came about, of what may be kept.
    /// What is found out of a read that was prepared is noted there.
    pub(crate) async fn run(
        self: &Arc<Self>,
        job: Job,
        known: Option<&Known>,
    ) -> Result<(Ran, Option<Told>), StoreError> {
        if !matches!(job.plan.operation, Operation::Read(_)) {
            return Ok((self.store.run(job).await?, None));
        }
        if let Some(question) = known.and_then(|known| known.question(&job.request.headers)) {
            return self.answer(job, question).await;
        }
        let Some(rule) = self.settings.of(job.plan.footprint.named.iter()) else {
            return Ok((self.store.run(job).await?, None));
        };
        match self.question(&job, rule) {
            Err(why) => self.pass(job, &why).await,
            Ok(question) => {
                if let Some(known) = known {
                    known.note(&question);
                }
                self.answer(job, question).await
            }
        }
    }

    /// Whether a rule keeps answers of what a plan names.
    pub(crate) fn may_keep(&self, plan: &plan::Plan) -> bool {
        self.settings.of(plan.footprint.named.iter()).is_some()
    }

    /// What the answer to a read depends on of the caller's claims, where it may be kept.
    pub(crate) fn claims(&self, plan: &plan::Plan, catalog: &Catalog) -> ClaimsAsked {
        let dependence = self.may_keep(plan).then(|| plan::dependence(plan, catalog).ok()).flatten();
        dependence.map(|dependence| dependence.claims).unwrap_or_default()
    }

    /// What is kept of a read that was prepared, where that is fresh and at hand; `None` where it has to be run after all.
    pub(crate) async fn show(
        &self,
        known: &Known,
        headers: &HeaderMap,
        position: Option<&PositionToken>,
        shape: impl FnOnce(Ran) -> Result<rest::Head, Failure>,
    ) -> Option<Shown> {
        let question = known.question(headers)?;
        if question.asked.no_cache || self.catch_up(position, &question).await.is_err() {
            return None;
        }
        let entry = self.kept.at_hand(&question.key)?;
        let Verdict::Fresh(age) = self.judge(&entry, &question) else { return None };
        if self.is_checked_next(&question) {
            return None;
        }
        let head = known.head(&entry, || shape(entry.outcome()?))?;
        self.shown.fetch_add(1, Ordering::Relaxed);
        let lease = question.lease(entry.stamp.as_ref());
        let told = self.tell(Told { age, lease, ..Told::new(Way::Hit) });
        Some(Shown { head, body: entry.body.clone(), forms: entry.forms.clone(), rows: entry.rows, told })
    }

    /// Runs what cannot be answered by what is kept. The reason may name what clients know nothing of: it is for the log.
    async fn pass(&self, job: Job, why: &str) -> Result<(Ran, Option<Told>), StoreError> {
        if self.told.is_new(why) {
            let relation = job.plan.footprint.named.first().map(ToString::to_string).unwrap_or_default();
            self.telemetry.report(&AnswersNotKept { relation: &relation, reason: why });
        }
        let ran = self.store.run(job).await?;
        Ok((ran, Some(self.tell(Told::new(Way::Bypass)))))
    }

    fn tell(&self, told: Told) -> Told {
        self.telemetry.report(&RecallAsked { outcome: told.outcome() });
        told
    }

    fn question(&self, job: &Job, rule: Rule) -> Result<Question, String> {
        let dependence = plan::dependence(&job.plan, &job.catalog)?;
        if self.store.changes().is_none() && !matches!(rule.age, Age::Ttl(_)) {
            return Err("nobody tells of changes".to_owned());
        }
        let catalog = self.catalog_hash(&job.catalog).ok_or("the catalog has no name")?;
        let key = question::key(job, &dependence, catalog).ok_or("it writes")?;
        let cdn = rule.cdn.filter(|_| {
            // Elsewhere only this rule has a reading show all that its stamp counts.
            let is_exact = rule.age == Age::Strict || self.store.is_always_caught_up();
            is_exact && question::is_for_anybody(job, &dependence)
        });
        let sources = Arc::new(Sources { tables: dependence.tables, rows: dependence.rows });
        let asked = RequestDirectives::read(&job.request.headers);
        Ok(Question { key, sources, rule, asked, cdn })
    }

    /// The hash of what exists: another schema, other rights, or another policy make other questions.
    fn catalog_hash(&self, catalog: &Arc<Catalog>) -> Option<[u8; 32]> {
        let mut known = self.catalog.lock();
        if let Some((of, hash)) = &*known
            && Arc::ptr_eq(of, catalog)
        {
            return Some(*hash);
        }
        let mut hasher = Sha(Sha256::new());
        let snapshot = catalog.snapshot();
        serde_json::to_vec(snapshot).ok()?.hash(&mut hasher);
        format!("{:?}", snapshot.dependences).hash(&mut hasher);
        snapshot.definitions.hash(&mut hasher);
        let hash = hasher.0.finalize().into();
        *known = Some((catalog.clone(), hash));
        Some(hash)
    }

    async fn answer(self: &Arc<Self>, job: Job, question: Question) -> Result<(Ran, Option<Told>), StoreError> {
        match self.catch_up(job.position.as_ref(), &question).await {
            Ok(()) => {}
            // Nothing is known of what others did, so nothing that was kept is shown.
            Err(_) => return self.pass(job, "it is not known what has changed").await,
        }
        let mut waited = 0;
        loop {
            let entry = self.find(&question).await;
            let verdict = entry.as_deref().map_or(Verdict::Stale, |entry| self.judge(entry, &question));
            match (verdict, entry) {
                (Verdict::Fresh(age), Some(entry)) => {
                    self.check_one(&job, &question, &entry);
                    let way = if waited > 0 { Way::Shared } else { Way::Hit };
                    let lease = question.lease(entry.stamp.as_ref());
                    let told = self.tell(Told { age, lease, ..Told::new(way) });
                    return Ok((entry.outcome()?, Some(told)));
                }
                (Verdict::ShownMeanwhile(age), Some(entry)) => {
                    self.refresh(&job, &question);
                    let told = self.tell(Told { age: Some(age), ..Told::new(Way::Stale) });
                    return Ok((entry.outcome()?, Some(told)));
                }
                (_, entry) if question.asked.only_if_cached => {
                    drop(entry);
                    let borrowed = self.borrow(&job, &question).await;
                    return borrowed.map_err(|_| StoreError::Refused(Box::new(nothing_kept())));
                }
                // Of this plan nothing is kept any more, so each of those who wait would read for himself. With a newer one they have a
                // reading in common.
                (Verdict::Stale, _) if waited > 0 && !self.is_current(&job) => return Err(StoreError::SchemaChanged),
                (_, entry) => {
                    // Whoever asks anew wants no other one's answer, which may have been begun before.
                    let alone = question.asked.no_cache || waited >= MOST_WAITS;
                    let turn = (!alone).then(|| self.flights.join(question.key));
                    match turn {
                        Some(Turn::Waits(waiting)) => {
                            let failed = ended(waiting).await.filter(|failed| self.is_ours(failed, &question));
                            if let Some(Failed { error, .. }) = failed {
                                return self.instead(entry, &question, error);
                            }
                            waited += 1;
                        }
                        Some(Turn::Reads(reading)) => match self.borrow(&job, &question).await {
                            Ok(borrowed) => return Ok(borrowed),
                            Err(older) => {
                                return self.read_or_show(job, &question, older.or(entry), Some(reading)).await;
                            }
                        },
                        None => return self.read_or_show(job, &question, entry, None).await,
                    }
                }
            }
        }
    }

    /// Answers by what another node has read. Gives what there is of it otherwise.
    async fn borrow(
        self: &Arc<Self>,
        job: &Job,
        question: &Question,
    ) -> Result<(Ran, Option<Told>), Option<Arc<Entry>>> {
        let Some(others) = self.others.as_ref().filter(|_| !question.asked.no_cache) else { return Err(None) };
        // All of it before it is asked: what comes in between is then found out.
        let (moment, read_at) = (self.moments.fetch_add(1, Ordering::Relaxed), self.clock.monotonic());
        let stamp = self.stamp(job, question);
        let found = others.find(&question.key, &question.rule, stamp, &*self.store).await.ok_or(None)?;
        let read_at = read_at.checked_sub(found.age).ok_or(None)?;
        let others::Borrowed { body, rows, total, stamp, .. } = found;
        let entry = Entry { refusal: None, body, rows, total, stamp, read_at, moment, forms: Arc::default() };
        let entry = Arc::new(entry);
        let Verdict::Fresh(age) = self.judge(&entry, question) else { return Err(Some(entry)) };
        self.kept.keep(question.key, entry.clone()).await;
        self.check_one(job, question, &entry);
        let lease = question.lease(entry.stamp.as_ref());
        let told = self.tell(Told { age, lease, ..Told::new(Way::Borrowed) });
        Ok((entry.outcome().map_err(|_refused| None)?, Some(told)))
    }

    /// Brings in what others have written, where the rule asks for it.
    async fn catch_up(&self, position: Option<&PositionToken>, question: &Question) -> Result<(), StoreError> {
        if self.store.is_always_caught_up() {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let is_behind = || self.store.looked().is_none_or(|at| now.saturating_duration_since(at) > SESSION_BOUND);
        let looks = match question.rule.age {
            Age::Strict => true,
            // Who shows no position has seen nothing.
            Age::Session => position.is_some_and(|position| !self.store.knows(position)) || is_behind(),
            Age::Ttl(_) => false,
        };
        if !looks {
            return Ok(());
        }
        // Where the last who asked were told nothing, one tries again, and nobody else waits for it.
        if self.blind_until.lock().replace_if_over(now) {
            return Err(StoreError::Timeout);
        }
        let caught_up = self.store.catch_up().await.map(drop);
        *self.blind_until.lock() = Blind(caught_up.is_err().then(|| self.clock.monotonic() + BLIND_FOR));
        caught_up
    }

    async fn find(&self, question: &Question) -> Option<Arc<Entry>> {
        if question.asked.no_cache {
            return None;
        }
        match self.kept.at_hand(&question.key) {
            Some(entry) => Some(entry),
            None => self.kept.find(&question.key).await,
        }
    }

    fn judge(&self, entry: &Entry, question: &Question) -> Verdict {
        let age = self.clock.monotonic().saturating_duration_since(entry.read_at);
        let stale_for = question.asked.max_stale.unwrap_or_default().min(question.rule.max_stale);
        let lifetime = match question.rule.age {
            Age::Strict | Age::Session if self.holds(entry) => return Verdict::Fresh(None),
            Age::Strict | Age::Session if !stale_for.is_zero() && age <= stale_for => return Verdict::Fresh(Some(age)),
            Age::Strict | Age::Session => return Verdict::Stale,
            Age::Ttl(lifetime) => entry.lifetime(lifetime),
        };
        let stays_fresh = question.asked.min_fresh.unwrap_or_default();
        if question.asked.max_age.is_some_and(|most| age > most) {
            Verdict::Stale
        } else if age.saturating_add(stays_fresh) <= lifetime.fresh.saturating_add(stale_for) {
            Verdict::Fresh(Some(age))
        } else if stays_fresh.is_zero() && age <= lifetime.fresh.saturating_add(lifetime.while_revalidate) {
            Verdict::ShownMeanwhile(age)
        } else {
            Verdict::Stale
        }
    }

    /// How things are of what the question is about. `None` where that is on the way to be another, and where the plan is of a catalog that
    /// counts no more: what it reads by now may be more than it names.
    fn stamp(&self, job: &Job, question: &Question) -> Option<Stamp> {
        let stamp = self.store.changes()?.stamp(&question.sources)?;
        self.is_current(job).then_some(stamp)
    }

    /// Whether the catalog that a plan was made on still counts.
    fn is_current(&self, job: &Job) -> bool {
        Arc::ptr_eq(&job.catalog, &self.store.catalog())
    }

    fn holds(&self, entry: &Entry) -> bool {
        let stamp = entry.stamp.as_ref();
        stamp.zip(self.store.changes()).is_some_and(|(stamp, changes)| changes.holds(stamp))
    }
}

/// Nothing is kept, and nothing else was wanted (RFC 9111, section 5.2.1.7).
fn nothing_kept() -> Failure {
    Failure::new(Kind::Timeout, "PANDO504", "No answer to this is kept")
        .with_hint("Leave out \"only-if-cached\" in Cache-Control to have the database asked.")
}
