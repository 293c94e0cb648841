use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Secret;

/// Which driver, and its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server is: `redis://`, `rediss://` (TLS) or `unix:`; `None` for the memory of this process.
    pub url: Option<Secret>,
    /// A file with the only certificates (PEM) that a server behind `rediss://` is verified against; `None` for those of the machine.
    pub authority: Option<PathBuf>,
    /// How long one operation may take before this process decides by itself. Default 25 ms: a server in the same place answers
    /// in less than one.
    pub timeout: Duration,
    /// What comes before every key on the server, so that several projects can share it.
    pub prefix: String,
    /// How many counters this process keeps, each about 100 bytes; a sixteenth as many sets, and as many values. What would be
    /// forgotten soonest makes room; a debt is not forgiven by that.
    pub max_entries: usize,
    /// The share of every bound that this process allows while the server is gone, above 0 and at most 1. Default 0.25: with four
    /// nodes, together as much as before.
    pub local_share: f64,
    /// Who is told when the server is gone, and when it is back.
    pub listener: Listener,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            authority: None,
            timeout: Duration::from_millis(25),
            prefix: "pando:".to_owned(),
            max_entries: 131_072,
            local_share: 0.25,
            listener: Listener::default(),
        }
    }
}

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It does not answer: this process counts by itself from now on.
    Lost {
        /// Why, from a fixed set of words.
        reason: &'static str,
    },
    /// It answers again, or for the first time.
    Found {
        /// How long it was gone.
        after: Duration,
    },
}

/// Who is told of an [`Event`].
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Event) + Send + Sync>);

impl Listener {
    /// Calls `listen` for every event, on the runtime: it must not wait.
    pub fn new(listen: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.0)(event);
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
