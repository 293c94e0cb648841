//! Passwords: hashed, compared, looked over, and never where they could hold up anything else.
//!
//! New passwords are hashed with argon2id, at OWASP's minimum or above. Accounts that come from elsewhere bring their
//! hashes (bcrypt, scrypt, Firebase's scrypt, argon2 of all kinds), which are compared with as they are, within bounds of
//! memory and time, and replaced at the next login.
//!
//! Everything that is computed is computed in a small pool of its own (`pool.rs`). A login costs the same whether there is
//! such an account, whether it has a password, and whether it is locked: what is compared with then is a hash that nobody
//! has the password of.

mod argon;
mod check;
mod common;
pub mod leaked;
mod pool;
mod prepared;
mod settings;
mod stored;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{Clock, Secret};
use parking_lot::RwLock;

pub use argon::{HashCost, LEAST_MEMORY_KIB, LEAST_PASSES, MOST_MEMORY_KIB, MOST_PASSES};
pub use check::{Weak, Weakness};
pub use pool::{Overloaded, PoolFigures, Priority};
pub use prepared::LONGEST_PASSWORD;
pub use settings::{PasswordError, Settings};
pub use stored::StoredProblem;

use argon::{Memory, SALT_BYTES};
use check::Rules;
use leaked::Leaked;
use pool::{Pool, PoolSettings};
use prepared::prepared;
use stored::Stored;

/// Fills its argument with random bytes: the system's generator, or a fixed one in tests.
pub type Entropy = Arc<dyn Fn(&mut [u8]) -> Result<(), getrandom::Error> + Send + Sync>;

/// How much less than the present cost a hash may have been made at by another node or an earlier start, where the cost
/// was measured: two measurements never agree.
const CALIBRATION_TOLERANCE: f64 = 0.3;

/// How often calibration measures; the fastest counts, since nothing makes a computation faster than it is.
const MEASUREMENTS: u32 = 3;

/// What a comparison found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the account's.
    pub is_right: bool,
    /// The hash to be stored instead, of a right password whose hash protects less than a new one would. Store it only
    /// where the compared one still stands (`UPDATE … WHERE encrypted_password = $old`).
    pub rehash: Option<String>,
    /// Why the stored hash could not be compared with. The password counts as wrong then, and took as long.
    pub problem: Option<StoredProblem>,
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Sent away before anything was computed; to be answered 503.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The system gives no random bytes.
    #[error(transparent)]
    Failed(PasswordError),
}

/// Everything that is done with passwords. One for the process: its pool is what bounds the cost of logins.
pub struct Passwords {
    hasher: Arc<Hasher>,
    pool: Pool,
    least_characters: usize,
    leaked: RwLock<Option<Arc<Leaked>>>,
    leaked_failures: AtomicU64,
}

/// What a thread needs to know.
struct Hasher {
    cost: HashCost,
    tolerance: f64,
    largest_stored_kib: u32,
    /// A hash that nobody has the password of.
    nobody: String,
    entropy: Entropy,
}

impl Passwords {
    /// Checks the settings, measures what hashing costs (where a target is set: that takes a few hashes), opens the file of
    /// leaked passwords and starts the threads.
    ///
    /// # Errors
    /// On settings outside of their bounds, a file of leaked passwords that is not usable, a system without random bytes
    /// or without another thread.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>, entropy: Entropy) -> Result<Self, PasswordError> {
        settings.check()?;
        let leaked = open_leaked(settings.leaked_list.as_deref())?;
        let cost = measured_cost(&settings, clock.as_ref())?;
        let mut bytes = [0; SALT_BYTES + 32];
        entropy(&mut bytes).map_err(PasswordError::Random)?;
        let hasher = Hasher {
            cost,
            tolerance: if settings.target.is_some() { CALIBRATION_TOLERANCE } else { 0.0 },
            largest_stored_kib: settings.largest_stored_kib,
            nobody: nobody(cost, &bytes),
            entropy,
        };
        let pool = PoolSettings {
            threads: settings.threads.unwrap_or_else(half_the_processors),
            waiting_per_thread: settings.waiting_per_thread,
            longest_wait: settings.longest_wait,
            niceness: settings.niceness,
        };
        Ok(Self {
            hasher: Arc::new(hasher),
            pool: Pool::start(&pool, clock)?,
            least_characters: settings.least_characters,
            leaked: RwLock::new(leaked),
            leaked_failures: AtomicU64::new(0),
        })
    }

    /// Compares the password given with the stored hash. `None` as `stored` (no such account, no password, locked) takes as
    /// long as a wrong password for an account with a hash of the present cost, and is never right.
    ///
    /// # Errors
    /// [`Overloaded`], before anything was computed. Whether there is an account plays no part in it.
    pub async fn verify(
        &self,
        given: &Secret,
        stored: Option<&str>,
        priority: Priority,
    ) -> Result<Verdict, Overloaded> {
        let hasher = self.hasher.clone();
        let comparison = hasher.comparison(stored);
        let is_large = comparison.against.as_ref().is_some_and(|against| against.is_large(hasher.cost.memory_kib));
        let given = given.clone();
        self.pool.run(priority, is_large, move |memory| hasher.compare(&given, &comparison, memory)).await
    }

    /// Whether anybody of this priority would still be let in to wait. Asked before anything is looked up for him: who is sent
    /// away costs nothing.
    ///
    /// # Errors
    /// [`Overloaded`]; it counts as sent away.
    pub fn check_room(&self, priority: Priority) -> Result<(), Overloaded> {
        self.pool.check_room(priority)
    }

    /// Hashes a new password. Where an address has an account already, a sign-up calls it as well and drops what it gives:
    /// else the time would tell that there is one.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, given: &Secret, priority: Priority) -> Result<String, HashError> {
        let hasher = self.hasher.clone();
        let given = given.clone();
        let hashed = self.pool.run(priority, false, move |memory| hasher.hash(given.expose(), memory)).await;
        hashed?.map_err(HashError::Failed)
    }

    /// Whether a new password may be taken. `own` is what others know of whose it is: the e-mail address, a telephone
    /// number, a user name.
    ///
    /// The file of leaked passwords is asked with two small reads on a thread for such reads.
    ///
    /// # Errors
    /// [`Weak`], with everything that is wrong with it.
    pub async fn check_new(&self, given: &Secret, own: &[&str]) -> Result<(), Weak> {
        let rules = Rules { least_characters: self.least_characters };
        let mut reasons = rules.weaknesses(given.expose(), own);
        if reasons.is_empty() && self.is_leaked(given).await {
            reasons.push(Weakness::Leaked);
        }
        if reasons.is_empty() { Ok(()) } else { Err(Weak { reasons }) }
    }

    /// Whether a text is a hash that can be compared with: for accounts that are brought along.
    pub fn understands(&self, stored: &str) -> bool {
        Stored::parse(stored, self.hasher.largest_stored_kib).is_ok()
    }

    /// Opens the file of leaked passwords again, or another one; `None` is for none. It counts once what is given back is called.
    ///
    /// # Errors
    /// If it is not usable; the one before stays in use.
    pub fn reopen_leaked(&self, path: Option<&Path>) -> Result<impl FnOnce() + use<'_>, PasswordError> {
        let leaked = open_leaked(path)?;
        Ok(move || *self.leaked.write() = leaked)
    }

    /// What a new hash costs, as configured or measured.
    pub fn cost(&self) -> HashCost {
        self.hasher.cost
    }

    /// What the pool is doing and has done.
    pub fn figures(&self) -> PoolFigures {
        self.pool.figures()
    }

    /// How often the file of leaked passwords could not be read since the start. Passwords are taken then: a broken disk
    /// must not keep people from choosing one.
    pub fn leaked_failures(&self) -> u64 {
        self.leaked_failures.load(Ordering::Relaxed)
    }

    async fn is_leaked(&self, given: &Secret) -> bool {
        let Some(leaked) = self.leaked.read().clone() else {
            return false;
        };
        let given = given.clone();
        let looked_up = tokio::task::spawn_blocking(move || {
            let given = given.expose();
            Ok::<_, std::io::Error>(leaked.contains(given)? || leaked.contains(&prepared(given))?)
        });
        match looked_up.await {
            Ok(Ok(is_leaked)) => is_leaked,
            Ok(Err(_)) | Err(_) => {
                self.leaked_failures.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}

/// What is compared with.
struct Comparison {
    /// `None` only if not even the hash of nobody can be read.
    against: Option<Stored>,
    /// Whether it is an account's.
    is_real: bool,
    problem: Option<StoredProblem>,
}

impl Hasher {
    /// Reads the stored hash; where there is none to compare with, it is that of nobody.
    fn comparison(&self, stored: Option<&str>) -> Comparison {
        let stored = stored.filter(|stored| !stored.is_empty());
        let parsed = Stored::parse(stored.unwrap_or(&self.nobody), self.largest_stored_kib);
        match (parsed, stored) {
            (Ok(against), _) => Comparison { against: Some(against), is_real: stored.is_some(), problem: None },
            (Err(problem), _) => Comparison {
                against: Stored::parse(&self.nobody, MOST_MEMORY_KIB).ok(),
                is_real: false,
                problem: stored.map(|_| problem),
            },
        }
    }

    fn compare(&self, given: &Secret, comparison: &Comparison, memory: &mut Memory) -> Verdict {
        let Comparison { against, is_real, problem } = comparison;
        let wrong = Verdict { problem: *problem, ..Verdict::default() };
        let Some(against) = against else { return wrong };
        let given = given.expose();
        let is_possible = !given.is_empty() && given.len() <= LONGEST_PASSWORD;
        let given = if is_possible { given } else { "" };
        let prepared = prepared(given);
        // Hashes from elsewhere were made of the bytes as they were typed. Which hash it is plays no part in whether the
        // second is computed, so that it tells nothing.
        let mut is_right = against.matches(prepared.as_bytes(), memory);
        if !is_right && prepared != given {
            is_right = against.matches(given.as_bytes(), memory);
        }
        if !(is_right && is_possible && *is_real) {
            return wrong;
        }
        let is_outdated = against.is_outdated(given.as_bytes(), self.cost, self.tolerance);
        let rehash = is_outdated.then(|| self.hash(given, memory).ok()).flatten();
        Verdict { is_right: true, rehash, problem: None }
    }

    fn hash(&self, given: &str, memory: &mut Memory) -> Result<String, PasswordError> {
        let mut salt = [0; SALT_BYTES];
        (self.entropy)(&mut salt).map_err(PasswordError::Random)?;
        argon::hash(prepared(given).as_bytes(), &salt, self.cost, memory)
    }
}

/// A hash of the present cost made of random bytes: no password is known that gives it, and none can be found.
fn nobody(cost: HashCost, bytes: &[u8; SALT_BYTES + 32]) -> String {
    use base64::Engine as _;
    let (salt, output) = bytes.split_at(SALT_BYTES);
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m={},t={},p=1${}${}", cost.memory_kib, cost.passes, encode(salt), encode(output))
}

fn open_leaked(path: Option<&Path>) -> Result<Option<Arc<Leaked>>, PasswordError> {
    Ok(path.map(Leaked::open).transpose()?.map(Arc::new))
}

fn half_the_processors() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get() / 2).max(1)
}

/// What a hash is to cost: as configured, or raised until it takes as long as it should on this machine.
fn measured_cost(settings: &Settings, clock: &dyn Clock) -> Result<HashCost, PasswordError> {
    let cost = HashCost { memory_kib: settings.memory_kib, passes: settings.passes };
    let Some(target) = settings.target else { return Ok(cost) };
    let mut memory = Memory::default();
    let mut fastest = f64::INFINITY;
    for _ in 0..MEASUREMENTS {
        let begin = clock.monotonic();
        argon::hash(b"calibration", &[0; SALT_BYTES], cost, &mut memory)?;
        fastest = fastest.min(clock.monotonic().saturating_duration_since(begin).as_secs_f64());
    }
    Ok(cost.raised(fastest, target.as_secs_f64()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
