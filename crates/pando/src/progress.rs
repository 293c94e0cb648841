//! Long work: shown while it goes on where there is a terminal, and given up cleanly at a signal.

use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use store::StoreError;
use tokio::signal::unix::{SignalKind, signal};

use crate::outcome::CommandError;

/// How often what has no measure moves a little.
const TICK: Duration = Duration::from_millis(120);

/// A line on standard error that shows how far work is; nothing where that is no terminal.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many bytes, which are told by [`Progress::set`].
    pub fn of_bytes(what: &'static str) -> Self {
        let bar = ProgressBar::new(0).with_message(what);
        let shape = "{msg} {bar:30} {binary_bytes} of {binary_total_bytes}, {eta} left";
        Self(styled(bar, shape))
    }

    /// Of work that cannot be measured.
    pub fn of_time(what: &'static str) -> Self {
        let bar = styled(ProgressBar::new_spinner().with_message(what), "{spinner} {msg} {elapsed}");
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// How far it is.
    pub fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    /// Takes the line away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, shape: &str) -> ProgressBar {
    match ProgressStyle::with_template(shape) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A number of bytes for people: `1.50 MiB`.
pub fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

/// Runs work on a thread of its own, and ends without it when SIGINT or SIGTERM comes: then what the caller holds is
/// cleaned up as after any other failure, and the thread goes with the process.
pub fn unless_stopped<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, CommandError> {
    let failed = |error: std::io::Error| CommandError::Failed(format!("the runtime cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let outcome = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let stopped = || Err(CommandError::Failed("stopped by a signal; nothing was changed".to_owned()));
        tokio::select! {
            done = tokio::task::spawn_blocking(work) => match done {
                Ok(outcome) => outcome.map_err(CommandError::Database),
                Err(_) => Err(CommandError::Failed("the work ended before its time; please report this".to_owned())),
            },
            _signal = interrupt.recv() => stopped(),
            _signal = terminate.recv() => stopped(),
        }
    });
    runtime.shutdown_background();
    outcome
}
