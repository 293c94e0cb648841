use std::path::PathBuf;
use std::time::Duration;

/// What the operator decides about passwords.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory of one argon2id hash in KiB; at least [`super::LEAST_MEMORY_KIB`], at most [`super::MOST_MEMORY_KIB`].
    pub memory_kib: u32,
    /// Passes over that memory; at least [`super::LEAST_PASSES`], at most [`super::MOST_PASSES`].
    pub passes: u32,
    /// How long a hash should take on this machine. Memory and passes are then raised at the start, never lowered,
    /// until it does, within the same bounds. `None` takes them as they are.
    pub target: Option<Duration>,
    /// How many threads hash; `None` for half the processors, at least one.
    pub threads: Option<usize>,
    /// How many of [`super::Priority::Trusted`] may wait for a thread, for each thread; half as many of the usual ones,
    /// a quarter as many of the suspected.
    pub waiting_per_thread: usize,
    /// How long one waits for a thread at most before it is answered [`super::Overloaded`].
    pub longest_wait: Duration,
    /// How far the threads step back behind all others, 0 to 19 as `nice` has it. Only Linux knows this of a thread.
    pub niceness: u8,
    /// The fewest characters of a new password.
    pub least_characters: usize,
    /// The most memory in KiB that a stored hash of another origin may ask for. One such hash is computed at a time, so
    /// that all take at most `threads × memory_kib` and once this.
    pub largest_stored_kib: u32,
    /// A file of leaked passwords made by `pando passwords import`; `None` for the built-in list alone.
    pub leaked_list: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_kib: super::LEAST_MEMORY_KIB,
            passes: super::LEAST_PASSES,
            target: None,
            threads: None,
            waiting_per_thread: 16,
            longest_wait: Duration::from_millis(1_500),
            niceness: 10,
            least_characters: 8,
            largest_stored_kib: 128 * 1024,
            leaked_list: None,
        }
    }
}

/// The most that [`Settings::largest_stored_kib`] may be: a gigabyte.
const MOST_STORED_KIB: u64 = 1 << 20;

impl Settings {
    /// Whether each is within its bounds.
    ///
    /// # Errors
    /// [`PasswordError::OutOfBounds`] for the first that is not.
    pub fn check(&self) -> Result<(), PasswordError> {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bounds = [
            (
                "auth.password.memory_kib",
                u64::from(self.memory_kib),
                super::LEAST_MEMORY_KIB.into(),
                super::MOST_MEMORY_KIB.into(),
            ),
            ("auth.password.passes", u64::from(self.passes), super::LEAST_PASSES.into(), super::MOST_PASSES.into()),
            ("auth.password.target_ms", self.target.map_or(1, milliseconds), 1, 2_000),
            ("auth.password.threads", self.threads.unwrap_or(1) as u64, 1, 64),
            ("auth.password.waiting_per_thread", self.waiting_per_thread as u64, 1, 1_024),
            ("auth.password.longest_wait_ms", milliseconds(self.longest_wait), 1, 30_000),
            ("auth.password.niceness", self.niceness.into(), 0, 19),
            ("auth.password.least_characters", self.least_characters as u64, 1, 128),
            (
                "auth.password.largest_stored_kib",
                self.largest_stored_kib.into(),
                super::LEAST_MEMORY_KIB.into(),
                MOST_STORED_KIB,
            ),
        ];
        match bounds.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            Some((name, value, least, most)) => Err(PasswordError::OutOfBounds { name, value, least, most }),
            None => Ok(()),
        }
    }
}

/// Why passwords cannot be looked after. All of these are found at the start or at a reload.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// A setting is outside of its bounds.
    #[error("{name} is {value}; it has to be from {least} to {most}")]
    OutOfBounds {
        /// Which.
        name: &'static str,
        /// What it is.
        value: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// A thread cannot be started.
    #[error("a thread to hash passwords cannot be started: {0}")]
    Thread(std::io::Error),
    /// A hash cannot be computed with these settings.
    #[error("argon2id cannot be computed with the present settings: {0}")]
    Argon2(argon2::Error),
    /// The file of leaked passwords is not usable.
    #[error(transparent)]
    Leaked(#[from] super::leaked::LeakedError),
}
