//! `[auth.password]`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::Loaded;

/// `[auth.password]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Password {
    /// The fewest characters of a new password. There are no rules about kinds of characters.
    pub least_characters: u32,
    /// A file of leaked passwords that nobody may choose, made by `pando passwords import`; relative to the folder of
    /// `pando.toml`. Without it a small list of the most common ones counts, as it does beside the file.
    pub leaked_list: Option<PathBuf>,
    /// Memory of one hash (argon2id) in KiB. The default is OWASP's minimum; a lower value is refused.
    pub memory_kib: u32,
    /// Passes over that memory. The default is OWASP's minimum; a lower value is refused.
    pub passes: u32,
    /// How many milliseconds a hash should take on this machine: memory (up to 64 MiB) and passes (up to 10) are raised at the
    /// start until it does. 0 takes `memory_kib` and `passes` as they are.
    pub target_ms: u32,
    /// How many threads hash, each with `memory_kib` of memory; nothing is ever hashed elsewhere. 0 is half the processors, at
    /// least one.
    pub threads: u32,
    /// How many logins of known devices may wait for each of these threads; half as many others, a quarter as many under
    /// suspicion. One more is answered 503 at once.
    pub waiting_per_thread: u32,
    /// How many milliseconds a login waits for a thread before it is answered 503.
    pub longest_wait_ms: u32,
    /// How far the threads step back behind all others on Linux, from 0 to 19 as `nice` has it.
    pub niceness: u8,
    /// The most KiB of memory that a hash of an imported account may ask for. One such hash is computed at a time; a larger one
    /// counts as a wrong password.
    pub largest_stored_kib: u32,
}

impl Default for Password {
    fn default() -> Self {
        let settings = login::password::Settings::default();
        Self {
            least_characters: whole(settings.least_characters as u128),
            leaked_list: settings.leaked_list,
            memory_kib: settings.memory_kib,
            passes: settings.passes,
            target_ms: 0,
            threads: 0,
            waiting_per_thread: whole(settings.waiting_per_thread as u128),
            longest_wait_ms: whole(settings.longest_wait.as_millis()),
            niceness: settings.niceness,
            largest_stored_kib: settings.largest_stored_kib,
        }
    }
}

fn whole(number: u128) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Password {
    /// What the settings mean, with paths as the configuration means them.
    pub fn settings(&self, loaded: &Loaded) -> login::password::Settings {
        let milliseconds = |count: u32| Duration::from_millis(count.into());
        login::password::Settings {
            memory_kib: self.memory_kib,
            passes: self.passes,
            target: Some(self.target_ms).filter(|target| *target > 0).map(milliseconds),
            threads: Some(self.threads as usize).filter(|threads| *threads > 0),
            waiting_per_thread: self.waiting_per_thread as usize,
            longest_wait: milliseconds(self.longest_wait_ms),
            niceness: self.niceness,
            least_characters: self.least_characters as usize,
            largest_stored_kib: self.largest_stored_kib,
            leaked_list: self.leaked_list.as_ref().map(|file| loaded.path(file)),
        }
    }
}
