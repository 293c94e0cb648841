//! Long work: shown while it goes on where there is a terminal, and given up cleanly at a signal.

use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use store::StoreError;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Ends long work when SIGINT or SIGTERM comes.
pub struct Stoppable {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Stoppable {
    /// Listens from now on: make it before anything that has to be cleaned up.
    pub fn new() -> Result<Self, CommandError> {
        let failed = |error: std::io::Error| CommandError::Failed(format!("signals cannot be received: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listen = |kind| runtime.block_on(async { signal(kind) }).map_err(failed);
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Runs work on a thread of its own. At a signal it ends without it: then what the caller holds is cleaned up as after
    /// any other failure, and the thread goes with the process.
    pub fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let Self { runtime, mut interrupt, mut terminate } = self;
        let stopped = || Err(CommandError::Failed("stopped by a signal; nothing was changed".to_owned()));
        let outcome = runtime.block_on(async {
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
}
