//! The folder of static files of a running server, read again when files in it change.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::SystemClock;
use files::{FilesError, Look, MOST_WAITS, Reading, Settings, Site};
use telemetry::{FilesChanged, FilesDoubtful, FilesRefused, Telemetry};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

/// How often the folder is looked at: some µs for each file. A change counts when it has been the same twice.
const PAUSE: Duration = Duration::from_secs(2);

/// How many doubtful files are named.
const MOST_NAMED: usize = 5;

/// The folder, looked after.
pub struct StaticFiles {
    site: Site,
    telemetry: Arc<Telemetry>,
    /// Whether compressed forms are being made.
    is_making: Arc<AtomicBool>,
    goes_on: Arc<AtomicBool>,
}

impl Drop for StaticFiles {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

impl StaticFiles {
    /// Reads the folder.
    ///
    /// # Errors
    /// It cannot be served.
    pub async fn open(settings: Settings, telemetry: Arc<Telemetry>) -> Result<Self, FilesError> {
        let folder = settings.folder.clone();
        let opened = spawn_blocking(|| Site::open(settings, Arc::new(SystemClock))).await;
        let (site, reading) =
            opened.unwrap_or_else(|error| Err(FilesError::Folder { folder, source: std::io::Error::other(error) }))?;
        let files = Self { site, telemetry, is_making: Arc::default(), goes_on: Arc::new(AtomicBool::new(true)) };
        files.tell(&reading);
        Ok(files)
    }

    /// The folder, for the front door.
    pub fn site(&self) -> Site {
        self.site.clone()
    }

    /// Reads what has changed, at once.
    ///
    /// # Errors
    /// The folder cannot be read: what was served before goes on.
    pub async fn reload(&self) -> Result<(), &'static str> {
        self.look(Look::Now).await
    }

    async fn look(&self, how: Look) -> Result<(), &'static str> {
        const KEPT: &str =
            "the folder of static files could not be read, and what was served goes on; the log says why";
        let site = self.site.clone();
        match spawn_blocking(move || site.look(how)).await {
            Ok(Ok(Some(reading))) => {
                self.tell(&reading);
                self.make_smaller();
                Ok(())
            }
            Ok(Ok(None)) => Ok(()),
            Ok(Err(error)) => {
                self.telemetry.report(&FilesRefused { error: &error.to_string() });
                Err(KEPT)
            }
            Err(_ended) => Err(KEPT),
        }
    }

    fn tell(&self, reading: &Reading) {
        let changes = &reading.changes;
        self.telemetry.report(&FilesChanged {
            files: reading.files as u64,
            held_bytes: reading.held_bytes,
            added: changes.added as u64,
            changed: changes.changed as u64,
            removed: changes.removed as u64,
        });
        let broken =
            changes.broken_promises.iter().map(|name| format!("{name} was changed under a name that has a hash in it"));
        let passed_over = reading.passed_over.iter().map(|it| format!("{} {}", it.name, it.reason));
        let minutes = PAUSE.saturating_mul(MOST_WAITS).as_secs() / 60;
        let restless = reading.is_restless.then(|| {
            format!("the folder was written into for {minutes} minutes, and is served as it is, which may be half of a new version")
        });
        let doubts: Vec<String> = restless.into_iter().chain(broken).chain(passed_over).collect();
        if !doubts.is_empty() {
            let named = doubts.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
            self.telemetry.report(&FilesDoubtful { files: doubts.len() as u64, names: &named });
        }
    }

    /// Has compressed forms made of what has none yet, beside the requests and by one thread alone.
    fn make_smaller(&self) {
        if self.is_making.swap(true, Ordering::AcqRel) {
            return;
        }
        let (site, telemetry) = (self.site.clone(), self.telemetry.clone());
        let (is_making, goes_on) = (self.is_making.clone(), self.goes_on.clone());
        spawn_blocking(move || {
            let made = site.make_smaller(|| goes_on.load(Ordering::Relaxed));
            is_making.store(false, Ordering::Release);
            if let Err(error) = made {
                telemetry.report(&FilesRefused { error: &format!("files.kept cannot be used: {error}") });
            }
        });
    }

    /// Follows the folder until it is aborted. Meant to be spawned.
    pub fn follow(self: Arc<Self>, mut asked: Signal) -> impl Future<Output = ()> + Send {
        self.make_smaller();
        async move {
            let mut pause = tokio::time::interval(PAUSE);
            pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut is_broken = false;
            loop {
                let how = tokio::select! {
                    _moment = pause.tick() => Look::WhenCalm,
                    () = self.site.went_stale() => Look::Now,
                    Some(()) = asked.recv() => Look::Now,
                };
                // Told once, not every time.
                if is_broken && how == Look::WhenCalm {
                    is_broken = self.is_broken_still().await;
                    continue;
                }
                is_broken = self.look(how).await.is_err();
                // Also what was read because somebody asked for it, or came while others were made.
                self.make_smaller();
            }
        }
    }

    async fn is_broken_still(&self) -> bool {
        let site = self.site.clone();
        match spawn_blocking(move || site.look(Look::WhenCalm)).await {
            Ok(Ok(reading)) => {
                reading.iter().for_each(|reading| self.tell(reading));
                false
            }
            _ => true,
        }
    }
}
